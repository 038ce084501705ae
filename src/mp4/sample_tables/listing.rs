//! Tables that no stbl has: of samples that come one by one, such as those of fragments.

use super::{
    chunks::{Chunks, Places},
    runs::Runs,
    samples::Samples,
    sizes::Sizes,
    sync::{Listed, Sync},
};
use crate::{
    Error, ErrorKind, Result,
    mp4::{
        boxes::fields::{Fields, wrong},
        sample::Sample,
    },
};

/// Samples that a table says the same of.
type Values = Vec<(u32, u32)>;

/// The tables of a track in the making.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    count: u32,
    /// When the first one is decoded, and when the last one ends.
    begins: i64,
    ends: i64,
    durations: Values,
    offsets: Values,
    /// The size of all of them; none where they differ.
    size: Option<u32>,
    sizes: Vec<u8>,
    /// Counted from 1.
    sync: Vec<u8>,
    synced: u32,
    places: Vec<u8>,
    /// The first of some chunks that have as many samples of one description.
    chunks: Vec<[u32; 3]>,
    chunk: Chunk,
    /// How many chunks are closed.
    closed: u32,
}

/// Samples that lie one behind the other.
#[derive(Clone, Copy, Debug, Default)]
struct Chunk {
    end: u64,
    samples: u32,
    description: u32,
}

impl Listing {
    /// Puts a sample behind the others. If it is decoded later than the last one ends, that lasts longer. An
    /// error if it is decoded before that, or so much later that MP4 has no room for it.
    pub(crate) fn push(&mut self, sample: &Sample) -> Result<()> {
        let Some(count) = self.count.checked_add(1) else {
            return Err(Error::new(ErrorKind::LimitExceeded, "a track of MP4 has no more than 2^32 samples"));
        };
        if self.count == 0 {
            (self.begins, self.ends) = (sample.decode, sample.decode);
            self.size = Some(sample.size);
        }
        self.wait_until(sample.decode)?;
        let ends = sample.decode.checked_add(sample.duration.into());
        self.ends = ends.ok_or_else(|| wrong(*b"tfdt", "its samples are decoded behind 2^63 ticks"))?;
        let offset = sample.composition.checked_sub(sample.decode);
        let offset = offset.and_then(|offset| i32::try_from(offset).ok());
        let offset = offset.ok_or_else(|| wrong(*b"tfdt", "its samples are composed behind 2^63 ticks"))?;
        push(&mut self.durations, sample.duration);
        push(&mut self.offsets, offset.cast_unsigned());
        self.size = self.size.filter(|size| *size == sample.size);
        self.sizes.extend_from_slice(&sample.size.to_be_bytes());
        if sample.is_sync {
            self.sync.extend_from_slice(&count.to_be_bytes());
            self.synced = self.synced.saturating_add(1);
        }
        let follows = sample.place == self.chunk.end && sample.description == self.chunk.description;
        if !follows || self.chunk.samples == 0 {
            self.close_chunk();
            self.places.extend_from_slice(&sample.place.to_be_bytes());
            self.chunk.description = sample.description;
        }
        self.chunk.samples = self.chunk.samples.saturating_add(1);
        let end = sample.place.checked_add(sample.size.into());
        self.chunk.end = end.ok_or_else(|| wrong(*b"trun", "its samples lie behind 2^64"))?;
        self.count = count;
        Ok(())
    }

    /// Lets the last sample last up to a time.
    fn wait_until(&mut self, time: i64) -> Result<()> {
        let gap = time.checked_sub(self.ends).filter(|gap| *gap >= 0);
        let gap = gap.ok_or_else(|| wrong(*b"tfdt", "a fragment begins before the last one ends"))?;
        let Some((samples, duration)) = self.durations.last_mut().filter(|_| gap > 0) else { return Ok(()) };
        let longer = i64::from(*duration).checked_add(gap).and_then(|ticks| i32::try_from(ticks).ok());
        let longer =
            longer.ok_or_else(|| wrong(*b"tfdt", format!("between two fragments lie {gap} ticks")))?;
        *samples = samples.saturating_sub(1);
        if *samples == 0 {
            self.durations.pop();
        }
        push(&mut self.durations, longer.cast_unsigned());
        Ok(())
    }

    fn close_chunk(&mut self) {
        let Chunk { samples, description, .. } = std::mem::take(&mut self.chunk);
        if samples == 0 {
            return;
        }
        self.closed = self.closed.saturating_add(1);
        if self.chunks.last().is_none_or(|[_, last @ ..]| *last != [samples, description]) {
            self.chunks.push([self.closed, samples, description]);
        }
    }

    /// The tables.
    pub(crate) fn into_samples(mut self) -> Result<Samples> {
        self.close_chunk();
        let Self { count, begins, .. } = self;
        let durations = Runs::read(*b"stts", values(*b"stts", &self.durations))?;
        let has_offsets = self.offsets.iter().any(|(_, offset)| *offset != 0);
        let offsets = has_offsets.then(|| Runs::read(*b"ctts", values(*b"ctts", &self.offsets)));
        // A size of 0 says that each is listed.
        let size = self.size.filter(|size| *size > 0);
        let sizes = match size {
            Some(size) => [size, count].map(u32::to_be_bytes).concat(),
            None => [&[0; 4], &count.to_be_bytes()[..], &self.sizes].concat(),
        };
        let sizes = Sizes::read_stsz(*b"stsz", Fields::of(*b"stsz", sizes.into()))?;
        let places = Fields::of(*b"co64", counted(self.closed, &self.places).into());
        let places = Places::read(*b"co64", places)?;
        let chunks: Vec<u8> = self.chunks.iter().flatten().flat_map(|number| number.to_be_bytes()).collect();
        let entries = u32::try_from(self.chunks.len()).unwrap_or(u32::MAX);
        let chunks = Fields::of(*b"stsc", counted(entries, &chunks).into());
        let chunks = Chunks::read(*b"stsc", chunks, places)?;
        let listed = || Listed::read(*b"stss", Fields::of(*b"stss", counted(self.synced, &self.sync).into()));
        let listed = if self.synced < count { Some(listed()?) } else { None };
        let sync = Sync::new(listed, None, None)?;
        let samples = Samples::new(durations, offsets.transpose()?, sizes, chunks, sync, None)?;
        Ok(samples.beginning_at(begins))
    }
}

fn push(values: &mut Values, value: u32) {
    match values.last_mut() {
        Some((samples, last)) if *last == value => *samples = samples.saturating_add(1),
        _ => values.push((1, value)),
    }
}

/// A table of runs.
fn values(kind: [u8; 4], values: &Values) -> Fields {
    let entries = u32::try_from(values.len()).unwrap_or(u32::MAX);
    let bytes: Vec<u8> =
        values.iter().flat_map(|(samples, value)| [*samples, *value]).flat_map(u32::to_be_bytes).collect();
    Fields::of(kind, counted(entries, &bytes).into())
}

/// Entries behind how many they are.
fn counted(entries: u32, bytes: &[u8]) -> Vec<u8> {
    [&entries.to_be_bytes()[..], bytes].concat()
}
