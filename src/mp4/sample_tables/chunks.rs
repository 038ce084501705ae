//! Where samples lie: chunks, and how many samples each has (stsc, stco, co64; ISO/IEC 14496-12, 8.7.4 and
//! 8.7.5).

use super::table::Table;
use crate::{
    Result,
    mp4::boxes::fields::{Fields, wrong},
};

/// Bytes of an entry of stsc: the first chunk, samples of each chunk, sample description.
const ENTRY: usize = 12;
/// The first sample is noted for each so many entries.
const STEP: usize = 64;

/// Where each chunk begins in the file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places {
    table: Table,
    is_wide: bool,
}

impl Places {
    /// A stco, or a co64.
    pub(crate) fn read(kind: [u8; 4], fields: Fields) -> Result<Self> {
        Self::read_wide(kind, fields, kind == *b"co64")
    }

    /// Of 64 bits each where `is_wide`, of 32 else.
    pub(crate) fn read_wide(kind: [u8; 4], fields: Fields, is_wide: bool) -> Result<Self> {
        Ok(Self { table: Table::counted(kind, fields, if is_wide { 8 } else { 4 })?, is_wide })
    }

    /// Those of a table whose entries have 64 bits.
    pub(super) fn wide(table: Table) -> Self {
        Self { table, is_wide: true }
    }

    pub(crate) fn count(&self) -> u32 {
        u32::try_from(self.table.len()).unwrap_or(u32::MAX)
    }

    /// Of one; they are counted from 0.
    #[inline]
    pub(crate) fn of(&self, chunk: u32) -> Option<u64> {
        let chunk = usize::try_from(chunk).ok()?;
        if self.is_wide {
            self.table.entries().get(chunk).copied().map(u64::from_be_bytes)
        } else {
            self.table.entries().get(chunk).copied().map(u32::from_be_bytes).map(u64::from)
        }
    }

    /// Of all from one on.
    fn walk(&self, from: u32) -> PlaceWalk<'_> {
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        if self.is_wide {
            PlaceWalk::Wide(self.table.entries().get(from..).unwrap_or_default().iter())
        } else {
            PlaceWalk::Narrow(self.table.entries().get(from..).unwrap_or_default().iter())
        }
    }

    pub(crate) fn size(&self) -> usize {
        self.table.size()
    }
}

/// Where chunks that follow each other begin.
#[derive(Clone, Debug)]
enum PlaceWalk<'a> {
    Narrow(std::slice::Iter<'a, [u8; 4]>),
    Wide(std::slice::Iter<'a, [u8; 8]>),
}

impl Iterator for PlaceWalk<'_> {
    type Item = u64;

    #[inline]
    fn next(&mut self) -> Option<u64> {
        match self {
            Self::Narrow(rest) => rest.next().copied().map(u32::from_be_bytes).map(u64::from),
            Self::Wide(rest) => rest.next().copied().map(u64::from_be_bytes),
        }
    }
}

/// The chunks of a track.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chunks {
    runs: Table,
    /// The first sample of each [`STEP`]-th run.
    marks: Vec<u32>,
    places: Places,
    samples: u32,
}

/// Chunks that have as many samples each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ChunkRun {
    /// Counted from 0.
    first_chunk: u32,
    /// The last one, not included.
    end_chunk: u32,
    samples: u32,
    /// Counted from 1.
    description: u32,
    first_sample: u32,
}

/// One chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chunk {
    /// Counted from 0.
    pub number: u32,
    /// Where it begins in the file.
    pub place: u64,
    pub first_sample: u32,
    /// As many as stsc says: those of the last chunk may not all be there.
    pub samples: u32,
    /// The sample description of all of them, counted from 1.
    pub description: u32,
    /// Its entry in stsc, and the first chunk behind that.
    entry: usize,
    run_end: u32,
}

impl Chunks {
    /// Of a stsc, whose count and entries are left. An error if its chunks do not go upwards from the first
    /// one on, or if one of them has no samples.
    pub(crate) fn read(kind: [u8; 4], fields: Fields, places: Places) -> Result<Self> {
        let runs = Table::counted(kind, fields, ENTRY)?;
        let mut chunks = Self { runs, marks: Vec::new(), places, samples: 0 };
        let mut so_far: u32 = 0;
        for i in 0..chunks.runs.len() {
            let run = chunks.run(i, so_far);
            let run = run.filter(|run| run.samples > 0 && run.first_chunk < run.end_chunk.max(1));
            let run = run.filter(|run| i > 0 || run.first_chunk == 0);
            let Some(run) = run.filter(|run| run.description > 0) else {
                return Err(wrong(
                    kind,
                    format!("its entry {i} is out of order, or has no samples or no description"),
                ));
            };
            if i.is_multiple_of(STEP) {
                chunks.marks.push(so_far);
            }
            let count = run.end_chunk.min(chunks.places.count()).saturating_sub(run.first_chunk);
            let samples = count.checked_mul(run.samples).and_then(|samples| so_far.checked_add(samples));
            so_far = samples.ok_or_else(|| wrong(kind, "its chunks have more than 2^32 samples"))?;
        }
        if chunks.runs.len() == 0 && chunks.places.count() > 0 {
            return Err(wrong(kind, "it says of no chunk how many samples it has"));
        }
        chunks.samples = so_far;
        Ok(chunks)
    }

    /// Chunks of as many samples at other places.
    pub(super) fn moved(&self, places: Places) -> Self {
        Self { places, ..self.clone() }
    }

    /// In all chunks together.
    pub(crate) fn samples(&self) -> u32 {
        self.samples
    }

    pub(crate) fn count(&self) -> u32 {
        self.places.count()
    }

    pub(crate) fn entries(&self) -> usize {
        self.runs.len()
    }

    /// Bytes that are held for them.
    pub(crate) fn held(&self) -> usize {
        let marks = size_of::<u32>().saturating_mul(self.marks.capacity());
        self.runs.size().saturating_add(self.places.size()).saturating_add(marks)
    }

    /// The largest sample description that is used.
    pub(crate) fn descriptions(&self) -> u32 {
        (0..self.runs.len()).filter_map(|i| self.entry(i)).map(|[.., used]| used).max().unwrap_or(0)
    }

    #[inline]
    fn run(&self, entry: usize, first_sample: u32) -> Option<ChunkRun> {
        let [first_chunk, samples, description] = self.entry(entry)?;
        // Out of order: the entry behind it says so.
        let next =
            self.entry(entry.saturating_add(1)).map_or(Some(u32::MAX), |[next, ..]| next.checked_sub(1));
        let (first_chunk, end_chunk) = (first_chunk.checked_sub(1)?, next?);
        Some(ChunkRun { first_chunk, end_chunk, samples, description, first_sample })
    }

    #[inline]
    fn entry(&self, entry: usize) -> Option<[u32; 3]> {
        self.runs.entries::<ENTRY>().get(entry).map(|entry| numbers(*entry))
    }

    /// The chunk that a sample lies in.
    pub(crate) fn of_sample(&self, sample: u32) -> Option<Chunk> {
        if sample >= self.samples {
            return None;
        }
        let mark = self.marks.partition_point(|first| *first <= sample).checked_sub(1)?;
        let mut first = *self.marks.get(mark)?;
        let entry = mark.saturating_mul(STEP);
        for entry in entry..self.runs.len().min(entry.saturating_add(STEP)) {
            let run = self.run(entry, first)?;
            let within = sample.saturating_sub(first).checked_div(run.samples)?;
            let number = run.first_chunk.saturating_add(within);
            if number < run.end_chunk {
                return self.chunk(entry, &run, number);
            }
            let all = run.end_chunk.saturating_sub(run.first_chunk).saturating_mul(run.samples);
            first = first.saturating_add(all);
        }
        None
    }

    fn chunk(&self, entry: usize, run: &ChunkRun, number: u32) -> Option<Chunk> {
        let before = number.saturating_sub(run.first_chunk).saturating_mul(run.samples);
        Some(Chunk {
            number,
            place: self.places.of(number)?,
            first_sample: run.first_sample.saturating_add(before),
            samples: run.samples,
            description: run.description,
            entry,
            run_end: run.end_chunk,
        })
    }

    /// The one behind another.
    #[inline]
    pub(crate) fn behind(&self, chunk: &Chunk) -> Option<Chunk> {
        let (number, first_sample) =
            (chunk.number.saturating_add(1), chunk.first_sample.saturating_add(chunk.samples));
        if number >= chunk.run_end {
            let entry = chunk.entry.saturating_add(1);
            return self.chunk(entry, &self.run(entry, first_sample)?, number);
        }
        Some(Chunk { number, first_sample, place: self.places.of(number)?, ..*chunk })
    }

    /// All from one on.
    pub(crate) fn walk(&self, chunk: &Chunk) -> ChunkWalk<'_> {
        let runs = self.runs.entries::<ENTRY>().get(chunk.entry.saturating_add(1)..).unwrap_or_default();
        ChunkWalk {
            runs: runs.iter(),
            places: self.places.walk(chunk.number),
            left: chunk.run_end.saturating_sub(chunk.number),
            samples: chunk.samples,
            description: chunk.description,
        }
    }
}

/// Where chunks that follow each other begin.
#[derive(Clone, Debug)]
pub(crate) struct ChunkWalk<'a> {
    /// Entries of stsc behind the one that it is in, and how many chunks are left of that.
    runs: std::slice::Iter<'a, [u8; ENTRY]>,
    left: u32,
    places: PlaceWalk<'a>,
    /// Of the last chunk that it gave: how many it has, and by which description.
    pub samples: u32,
    pub description: u32,
}

impl Iterator for ChunkWalk<'_> {
    type Item = u64;

    #[inline]
    fn next(&mut self) -> Option<u64> {
        if self.left == 0 {
            let [first, samples, description] = numbers(*self.runs.next()?);
            let behind = self.runs.as_slice().first().map(|behind| numbers(*behind));
            self.left = behind.map_or(u32::MAX, |[behind, ..]| behind.saturating_sub(first));
            (self.samples, self.description) = (samples, description);
        }
        self.left = self.left.saturating_sub(1);
        self.places.next()
    }
}

/// The numbers of an entry of stsc.
#[inline]
fn numbers([a, b, c, d, e, f, g, h, description @ ..]: [u8; ENTRY]) -> [u32; 3] {
    [[a, b, c, d], [e, f, g, h], description].map(u32::from_be_bytes)
}
