//! A track's samples by its tables: each by its number, by when it is decoded or composed, with the sync
//! samples around it. The tables stay as they are in the file; a sample is found in the logarithm of their
//! runs.

use super::{
    chunks::{Chunk, Chunks, Places},
    runs::{Run, Runs, Values},
    sizes::{SizeWalk, Sizes},
    sync::Sync,
    table::Table,
};
use crate::{
    Result,
    mp4::{
        boxes::fields::wrong,
        sample::{Blocks, MOST_OFFSET, Sample, Totals},
    },
};

/// The tables of a track.
#[derive(Clone, Debug)]
pub(crate) struct Samples {
    pub(crate) durations: Runs,
    /// From decode times to composition times; none where they are the same.
    pub(crate) offsets: Option<Runs>,
    pub(crate) sizes: Sizes,
    pub(crate) chunks: Chunks,
    pub(crate) sync: Sync,
    pub(crate) blocks: Option<Blocks>,
    /// When the first one is decoded: later than 0 where they are those of some fragments.
    begins: i64,
    count: u32,
}

impl Samples {
    /// An error where the tables do not say the same, or what can't be: the box that is wrong is named.
    pub(crate) fn new(
        durations: Runs,
        offsets: Option<Runs>,
        sizes: Sizes,
        chunks: Chunks,
        sync: Sync,
        blocks: Option<Blocks>,
    ) -> Result<Self> {
        // Samples that no chunk has are nowhere; chunks may have room for more than there are.
        let count = sizes.count().min(chunks.samples());
        if durations.samples() < count {
            let timed = durations.samples();
            return Err(wrong(*b"stts", format!("it says of {timed} of {count} samples how long they last")));
        }
        if durations.entries() > 0 && durations.least < 0 {
            return Err(wrong(*b"stts", "a sample lasts longer than 2^31 ticks"));
        }
        let offset_is_damage = |offsets: &Runs| {
            offsets.entries() > 0
                && offsets.least.unsigned_abs().max(offsets.most.unsigned_abs()) > MOST_OFFSET
        };
        if offsets.as_ref().is_some_and(offset_is_damage) {
            return Err(wrong(*b"ctts", format!("a sample is composed more than {MOST_OFFSET} ticks away")));
        }
        let offsets = offsets.filter(|offsets| offsets.entries() > 0);
        Ok(Self { durations, offsets, sizes, chunks, sync, blocks, begins: 0, count })
    }

    /// The same, decoded from a time on.
    pub(crate) fn beginning_at(self, begins: i64) -> Self {
        Self { begins, ..self }
    }

    /// As many samples, of sizes of their own (of 32 bits each), whose chunks begin at these places.
    pub(crate) fn moved(&self, sizes: Vec<u8>, places: &[u64]) -> Self {
        let places: Vec<u8> = places.iter().flat_map(|place| place.to_be_bytes()).collect();
        Self {
            sizes: Sizes::each(Table::of(sizes.into(), 4), 32, self.count),
            chunks: self.chunks.moved(Places::wide(Table::of(places.into(), 8))),
            ..self.clone()
        }
    }

    /// How many samples there are, of which it is known where they lie.
    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    pub(crate) fn chunks(&self) -> u32 {
        self.chunks.count()
    }

    /// How many entries its tables have, by the names of their boxes.
    pub(crate) fn entries(&self) -> Vec<(String, u64)> {
        let of = |name: &str, entries: Option<usize>| Some((name.to_owned(), u64::try_from(entries?).ok()?));
        [
            of("stts", Some(self.durations.entries())),
            of("ctts", self.offsets.as_ref().map(Runs::entries)),
            of("stss", self.sync.count()),
            of("stsc", Some(self.chunks.entries())),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// The end of the last one's decoding.
    pub(crate) fn decoded(&self) -> i64 {
        self.decode_of(self.count)
    }

    pub(crate) fn totals(&self) -> Totals {
        let mut totals = Totals {
            sync: self.sync.among(self.count),
            ticks: u64::try_from(self.decoded().saturating_sub(self.begins)).unwrap_or(0),
            ..Totals::default()
        };
        let mut next = self.chunks.of_sample(0);
        while let Some(chunk) = next.filter(|chunk| chunk.first_sample < self.count) {
            let behind = chunk.first_sample.saturating_add(chunk.samples).min(self.count);
            let bytes = match self.blocks {
                None => self.sizes.between(chunk.first_sample, behind),
                Some(blocks) => {
                    let samples = behind.saturating_sub(chunk.first_sample);
                    u64::from(samples.div_ceil(blocks.samples)).saturating_mul(blocks.bytes.into())
                }
            };
            totals.bytes = totals.bytes.saturating_add(bytes);
            totals.end = totals.end.max(chunk.place.saturating_add(bytes));
            next = self.chunks.behind(&chunk);
        }
        totals
    }

    /// Bytes that are held for it, its tables with them.
    pub(crate) fn held(&self) -> usize {
        let offsets = self.offsets.as_ref().map_or(0, Runs::held);
        [self.durations.held(), offsets, self.sizes.held(), self.chunks.held(), self.sync.held()]
            .into_iter()
            .fold(0, usize::saturating_add)
    }

    /// All of them in the order of decoding, from one on.
    pub(crate) fn walk(&self, from: u32) -> Walk<'_> {
        let run = self.durations.of_sample(from);
        let from = if run.is_some() { from } else { self.count };
        Walk {
            samples: self,
            next: from,
            decode: run.map_or(0, |run| self.decode_in(&run, from)),
            durations: self.durations.values(from),
            offsets: self.offsets.as_ref().map(|offsets| offsets.values(from)),
            sizes: self.sizes.walk(from),
            chunk: None,
            chunk_end: from,
            place: 0,
            within: 0,
            is_all_sync: self.sync.is_all(),
            next_sync: self.sync.at_or_behind(from).unwrap_or(u32::MAX),
        }
    }

    /// How long each sample lasts, where all last as long, but for one behind the others.
    pub(crate) fn step(&self) -> Option<u32> {
        let mut runs = self.durations.between(0, u32::MAX);
        let (first, value) = runs.next()?;
        match (first, runs.next(), runs.next()) {
            (_, None, _) => Some(value),
            (_, Some((1, _)), None) => Some(value),
            _ => None,
        }
    }

    /// When a sample is decoded; behind the last one, when that ends.
    pub(crate) fn decode_of(&self, sample: u32) -> i64 {
        match self.durations.of_sample(sample) {
            Some(run) => self.decode_in(&run, sample),
            None => self.begins.saturating_add(self.durations.sum()),
        }
    }

    fn decode_in(&self, run: &Run, sample: u32) -> i64 {
        let within = i64::from(sample.saturating_sub(run.first)).saturating_mul(run.value.into());
        self.begins.saturating_add(run.sum).saturating_add(within)
    }

    /// The last sample that decoding can begin at and that is composed at or before a time.
    pub(crate) fn key_composed_by(&self, time: i64) -> Option<u32> {
        // More than any codec reorders.
        const LOOKED_AT: u32 = 1 << 16;
        let (least, _) = self.offsets();
        let mut at = self.decoded_at(time.saturating_sub(least.into()))?;
        for _ in 0..LOOKED_AT {
            let key = self.sync_at_or_before(at)?;
            if self.walk(key).next()?.composition <= time {
                return Some(key);
            }
            at = key.checked_sub(1)?;
        }
        None
    }

    /// The first sample of the block that one lies in, and the first one behind it; the sample itself and the
    /// next, where there are no blocks.
    pub(crate) fn block_of(&self, sample: u32) -> (u32, u32) {
        let one = (sample, sample.saturating_add(1));
        let (Some(blocks), Some(chunk)) = (self.blocks, self.chunks.of_sample(sample)) else { return one };
        let within = sample.saturating_sub(chunk.first_sample);
        let Some(number) = within.checked_div(blocks.samples) else { return one };
        let first = chunk.first_sample.saturating_add(number.saturating_mul(blocks.samples));
        let end = chunk.first_sample.saturating_add(chunk.samples).min(self.count);
        (first, first.saturating_add(blocks.samples).min(end))
    }

    /// When each is composed, in the order of decoding.
    pub(crate) fn compositions(&self) -> impl Iterator<Item = i64> + '_ {
        self.composed_from(0).map(|(composed, _)| composed)
    }

    /// When each from one on is composed, and how long it lasts, in the order of decoding.
    pub(crate) fn composed_from(&self, sample: u32) -> impl Iterator<Item = (i64, u32)> + '_ {
        let mut offsets = self.offsets.as_ref().map(|offsets| offsets.values(sample));
        let mut decode = self.decode_of(sample);
        let left = usize::try_from(self.count.saturating_sub(sample)).unwrap_or(usize::MAX);
        self.durations.values(sample).take(left).map(move |duration| {
            let offset = offsets.as_mut().and_then(Iterator::next).unwrap_or(0).cast_signed();
            let composed = decode.saturating_add(offset.into());
            decode = decode.saturating_add(duration.into());
            (composed, duration)
        })
    }

    /// The last sample that is decoded at or before a time.
    pub(crate) fn decoded_at(&self, time: i64) -> Option<u32> {
        let time = time.saturating_sub(self.begins);
        let run = self.durations.at_sum(time)?;
        let since = time.saturating_sub(run.sum);
        let within = since.checked_div(run.value.into()).unwrap_or(i64::MAX);
        let within = u32::try_from(within).unwrap_or(u32::MAX).min(run.count.saturating_sub(1));
        Some(run.first.saturating_add(within)).map(|sample| sample.min(self.count.saturating_sub(1)))
    }

    /// The longest duration, or offset from decode to composition times.
    pub(crate) fn longest(&self) -> u64 {
        let (least, most) = self.offsets();
        let longest = if self.durations.entries() > 0 { self.durations.most } else { 0 };
        [least, most, longest].into_iter().map(i32::unsigned_abs).max().unwrap_or(0).into()
    }

    /// The least and the largest offset from decode to composition times; 0 is between them.
    pub(crate) fn offsets(&self) -> (i32, i32) {
        self.offsets.as_ref().map_or((0, 0), |offsets| (offsets.least.min(0), offsets.most.max(0)))
    }

    /// The last sample at or before one at which decoding can begin.
    pub(crate) fn sync_at_or_before(&self, sample: u32) -> Option<u32> {
        self.sync.at_or_before(sample)
    }

    /// The first one at or behind a sample.
    pub(crate) fn sync_at_or_behind(&self, sample: u32) -> Option<u32> {
        self.sync.at_or_behind(sample).filter(|sample| *sample < self.count)
    }

    /// Where a sample begins in its chunk, in bytes.
    pub(super) fn within(&self, chunk: &Chunk, sample: u32) -> u64 {
        match self.blocks {
            None => self.sizes.between(chunk.first_sample, sample),
            Some(blocks) => {
                let number = sample.saturating_sub(chunk.first_sample).checked_div(blocks.samples);
                u64::from(number.unwrap_or(0)).saturating_mul(blocks.bytes.into())
            }
        }
    }
}

/// Samples one behind the other.
#[derive(Clone, Debug)]
pub(crate) struct Walk<'a> {
    samples: &'a Samples,
    next: u32,
    decode: i64,
    durations: Values<'a>,
    offsets: Option<Values<'a>>,
    sizes: SizeWalk<'a>,
    chunk: Option<Chunk>,
    /// The first sample behind this chunk, and where the next one lies.
    chunk_end: u32,
    place: u64,
    /// Samples of a block that were passed.
    within: u32,
    is_all_sync: bool,
    next_sync: u32,
}

impl Walk<'_> {
    fn enter_chunk(&mut self) -> Option<()> {
        let chunks = &self.samples.chunks;
        if let Some(chunk) = self.chunk.as_mut() {
            *chunk = chunks.behind(chunk)?;
            (self.place, self.within) = (chunk.place, 0);
            self.chunk_end = chunk.first_sample.saturating_add(chunk.samples);
            return Some(());
        }
        let chunk = chunks.of_sample(self.next)?;
        self.place = chunk.place.saturating_add(self.samples.within(&chunk, self.next));
        self.chunk_end = chunk.first_sample.saturating_add(chunk.samples);
        let passed = self.next.saturating_sub(chunk.first_sample);
        self.within = self.samples.blocks.and_then(|blocks| passed.checked_rem(blocks.samples)).unwrap_or(0);
        self.chunk = Some(chunk);
        Some(())
    }

    /// What of its chunk's bytes a sample has: of a block, the first one has all.
    fn bytes(&mut self) -> u32 {
        let Some(blocks) = self.samples.blocks else { return self.sizes.next().unwrap_or(0) };
        let size = if self.within == 0 { blocks.bytes } else { 0 };
        self.within = self.within.saturating_add(1);
        if self.within >= blocks.samples {
            self.within = 0;
        }
        size
    }
}

impl Iterator for Walk<'_> {
    type Item = Sample;

    #[inline]
    fn next(&mut self) -> Option<Sample> {
        if self.next >= self.samples.count {
            return None;
        }
        if self.next >= self.chunk_end {
            self.enter_chunk()?;
        }
        let duration = self.durations.next()?;
        // What lies behind the table has no offset.
        let offset = self.offsets.as_mut().map_or(0, |offsets| offsets.next().unwrap_or(0)).cast_signed();
        let size = self.bytes();
        let is_sync = self.is_all_sync || self.next == self.next_sync;
        let sample = Sample {
            decode: self.decode,
            composition: self.decode.saturating_add(offset.into()),
            duration,
            place: self.place,
            size,
            is_sync,
            description: self.chunk.map_or(0, |chunk| chunk.description),
        };
        self.next = self.next.saturating_add(1);
        self.decode = self.decode.saturating_add(duration.into());
        self.place = self.place.saturating_add(size.into());
        if is_sync && !self.is_all_sync {
            self.next_sync = self.samples.sync.at_or_behind(self.next).unwrap_or(u32::MAX);
        }
        Some(sample)
    }
}
