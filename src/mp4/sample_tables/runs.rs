//! Tables of runs: how many samples have a value. Times of samples (stts, ctts) and groups (sbgp) are said
//! so.

use super::table::Table;
use crate::{
    Result,
    mp4::boxes::fields::{Fields, wrong},
};

/// Bytes of an entry: a count and a value.
const ENTRY: usize = 8;
/// A place is noted for each so many entries: to look one up costs this many steps at most, and the notes
/// take a 32nd of what the table does.
const STEP: usize = 64;

/// What lies in front of an entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Mark {
    samples: u32,
    sum: i64,
}

/// A table of runs, with what is needed to find a sample in it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Runs {
    table: Table,
    /// In front of each [`STEP`]-th entry.
    marks: Vec<Mark>,
    /// All together.
    end: Mark,
    /// The least and the largest value, as numbers with a sign.
    pub least: i32,
    pub most: i32,
}

/// One entry, and what lies in front of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// Its first sample.
    pub first: u32,
    pub count: u32,
    pub value: u32,
    /// The values of all samples in front of it.
    pub sum: i64,
    entry: usize,
}

impl Runs {
    /// Reads a box whose count and entries are left. An error if it counts more samples than 32 bits hold.
    pub(crate) fn read(kind: [u8; 4], fields: Fields) -> Result<Self> {
        Self::of(kind, Table::counted(kind, fields, ENTRY)?)
    }

    pub(super) fn of(kind: [u8; 4], table: Table) -> Result<Self> {
        // A run of no samples says nothing.
        let table = table.without(|entry| entry.starts_with(&[0; 4]));
        let mut marks = Vec::with_capacity(table.len().div_ceil(STEP));
        let mut end = Mark::default();
        let (mut least, mut most) = (i32::MAX, i32::MIN);
        for (i, entry) in table.bytes().as_chunks::<ENTRY>().0.iter().enumerate() {
            if i.is_multiple_of(STEP) {
                marks.push(end);
            }
            let (count, value) = parse(entry);
            (least, most) = (least.min(value.cast_signed()), most.max(value.cast_signed()));
            let sum = end.sum.checked_add(product(count, value));
            let Some((samples, sum)) = end.samples.checked_add(count).zip(sum) else {
                return Err(wrong(kind, "its samples are more than 2^32, or their values more than 2^63"));
            };
            end = Mark { samples, sum };
        }
        Ok(Self { table, marks, end, least, most })
    }

    pub(crate) fn entries(&self) -> usize {
        self.table.len()
    }

    pub(crate) fn samples(&self) -> u32 {
        self.end.samples
    }

    /// Of all values.
    pub(crate) fn sum(&self) -> i64 {
        self.end.sum
    }

    /// Bytes that are held for it.
    pub(crate) fn held(&self) -> usize {
        self.table.size().saturating_add(size_of::<Mark>().saturating_mul(self.marks.capacity()))
    }

    /// The run that a sample lies in.
    pub(crate) fn of_sample(&self, sample: u32) -> Option<Run> {
        let mark = self.marks.partition_point(|mark| mark.samples <= sample).checked_sub(1)?;
        self.behind(mark).find(|run| sample.wrapping_sub(run.first) < run.count)
    }

    /// The last run that begins at or before this sum. For values without a sign.
    pub(crate) fn at_sum(&self, sum: i64) -> Option<Run> {
        let mark = self.marks.partition_point(|mark| mark.sum <= sum).checked_sub(1)?;
        self.behind(mark).take_while(|run| run.sum <= sum).last()
    }

    /// The runs between a mark and the next one.
    fn behind(&self, mark: usize) -> impl Iterator<Item = Run> + '_ {
        let Mark { mut samples, mut sum } = self.marks.get(mark).copied().unwrap_or_default();
        let first = mark.saturating_mul(STEP);
        (first..self.table.len().min(first.saturating_add(STEP))).map_while(move |entry| {
            let (count, value) = (self.table.u32(entry, 0)?, self.table.u32(entry, 4)?);
            let run = Run { first: samples, count, value, sum, entry };
            samples = samples.saturating_add(count);
            sum = sum.saturating_add(product(count, value));
            Some(run)
        })
    }

    /// Samples of which something holds and of which it does not, in turn: 1 and 0.
    pub(crate) fn told_apart(&self, holds: impl Fn(u32) -> bool) -> Result<Self> {
        let mut runs: Vec<(u32, bool)> = Vec::new();
        for entry in self.table.bytes().as_chunks::<ENTRY>().0 {
            let (count, value) = parse(entry);
            match runs.last_mut().filter(|(_, held)| *held == holds(value)) {
                Some((so_far, _)) => *so_far = so_far.saturating_add(count),
                None => runs.push((count, holds(value))),
            }
        }
        let bytes = runs.iter().flat_map(|(count, holds)| [*count, u32::from(*holds)]);
        let bytes: Vec<u8> = bytes.flat_map(u32::to_be_bytes).collect();
        Self::of(*b"sbgp", Table::of(bytes.into(), ENTRY))
    }

    /// How many of the samples between two have which value, in their order.
    pub(crate) fn between(&self, from: u32, to: u32) -> impl Iterator<Item = (u32, u32)> + '_ {
        let mut values = self.values(from);
        let mut left = to.saturating_sub(from);
        std::iter::from_fn(move || {
            if left == 0 {
                return None;
            }
            let count = values.run()?.min(left);
            left = left.saturating_sub(count);
            Some((count, values.value))
        })
    }

    /// Values sample by sample, from one on.
    pub(crate) fn values(&self, from: u32) -> Values<'_> {
        let rest = |entry: usize| {
            let bytes = self.table.bytes().get(entry.saturating_mul(ENTRY)..).unwrap_or_default();
            bytes.as_chunks::<ENTRY>().0.iter()
        };
        match self.of_sample(from) {
            Some(run) => Values {
                rest: rest(run.entry.saturating_add(1)),
                left: run.count.saturating_sub(from.saturating_sub(run.first)),
                value: run.value,
            },
            None => Values { rest: [].iter(), left: 0, value: 0 },
        }
    }
}

/// Of 32 bits each: 63 hold their product, but for one value that no table may have.
fn product(count: u32, value: u32) -> i64 {
    i64::from(count).saturating_mul(value.cast_signed().into())
}

fn parse([a, b, c, d, value @ ..]: &[u8; ENTRY]) -> (u32, u32) {
    (u32::from_be_bytes([*a, *b, *c, *d]), u32::from_be_bytes(*value))
}

/// The values of samples that follow each other.
#[derive(Clone, Debug)]
pub(crate) struct Values<'a> {
    rest: std::slice::Iter<'a, [u8; ENTRY]>,
    left: u32,
    value: u32,
}

impl Values<'_> {
    /// How many samples have the value that is next: all of them are passed.
    fn run(&mut self) -> Option<u32> {
        while self.left == 0 {
            (self.left, self.value) = parse(self.rest.next()?);
        }
        Some(std::mem::take(&mut self.left))
    }
}

impl Iterator for Values<'_> {
    type Item = u32;

    #[inline]
    fn next(&mut self) -> Option<u32> {
        while self.left == 0 {
            (self.left, self.value) = parse(self.rest.next()?);
        }
        self.left = self.left.saturating_sub(1);
        Some(self.value)
    }
}
