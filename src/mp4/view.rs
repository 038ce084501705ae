//! All samples of a track: those of its tables, and behind them those of fragments. Numbers count from 0,
//! times are in ticks of the media, before edit lists.

use super::{
    boxes::fields::wrong,
    fragments::FragmentRun,
    sample::{Sample, Totals},
    sample_tables::{Samples, Walk},
};
use crate::Result;

/// Samples are looked for by their composition times among so many at most: those that may lie between two,
/// by the largest offsets of the track.
const MOST_REORDERED: u64 = 1 << 16;

/// The samples of a track.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct View<'a> {
    tables: Option<&'a Samples>,
    runs: &'a [FragmentRun],
    /// The least and the largest offset from decode to composition times; 0 is between them.
    offsets: (i32, i32),
    /// The times of its runs go upwards.
    in_order: bool,
}

impl<'a> View<'a> {
    /// `offsets`: those of the runs.
    pub(super) fn new(
        tables: Option<&'a Samples>,
        runs: &'a [FragmentRun],
        offsets: (i32, i32),
        in_order: bool,
    ) -> Self {
        let (least, most) = tables.map_or((0, 0), Samples::offsets);
        Self { tables, runs, offsets: (least.min(offsets.0), most.max(offsets.1)), in_order }
    }

    fn in_tables(self) -> u64 {
        self.tables.map_or(0, |tables| tables.count().into())
    }

    pub(crate) fn count(self) -> u64 {
        let behind = |run: &FragmentRun| run.first.saturating_add(run.count().into());
        self.runs.last().map_or_else(|| self.in_tables(), behind)
    }

    /// By the tables' entries, not sample by sample: millions may be stated by a number.
    pub(crate) fn totals(self) -> Totals {
        let tables = self.tables.map(Samples::totals).unwrap_or_default();
        self.runs.iter().map(FragmentRun::totals).fold(tables, Totals::and)
    }

    /// The run that a sample behind the tables lies in, by its number among the runs.
    fn run_of(self, sample: u64) -> Option<usize> {
        // Runs of no sample begin with one of the run behind them.
        self.runs.partition_point(|run| run.first <= sample).checked_sub(1)
    }

    /// One of them.
    pub(crate) fn get(self, sample: u64) -> Option<Sample> {
        self.walk(sample).next()
    }

    /// In the order of decoding, from one on.
    #[inline]
    pub(crate) fn walk(self, from: u64) -> impl Iterator<Item = Sample> + use<'a> {
        let in_tables = self.in_tables();
        let behind = from.saturating_sub(in_tables);
        let tables = self.tables.filter(|_| behind == 0 && from < in_tables);
        let first = u32::try_from(from).unwrap_or(u32::MAX);
        let run = self.run_of(from).filter(|_| tables.is_none());
        let runs = self.runs.get(run.unwrap_or(0)..).unwrap_or_default();
        let within = move |run: &'a FragmentRun| {
            run.samples(u32::try_from(from.saturating_sub(run.first)).unwrap_or(u32::MAX))
        };
        Both { tables: tables.map(|tables| tables.walk(first)), runs: runs.iter().flat_map(within) }
    }

    /// The last sample that is decoded at or before a time. None before the first, and where the times of
    /// fragments do not go upwards.
    pub(crate) fn decoded_at(self, time: i64) -> Option<u64> {
        if !self.in_order {
            return None;
        }
        let run = self.runs.partition_point(|run| run.decode <= time);
        let run = self.runs.get(..run).and_then(|runs| runs.iter().rev().find(|run| run.count() > 0));
        match run {
            Some(run) => run.decoded_at(time).map(|sample| run.first.saturating_add(sample.into())),
            None => self.tables.and_then(|tables| tables.decoded_at(time)).map(u64::from),
        }
    }

    /// The sample that is shown at a time: the one with the last composition time at or before it. None
    /// before the first; an error where too many samples lie between the track's offsets to look.
    pub(crate) fn composed_at(self, time: i64) -> Result<Option<u64>> {
        if !self.in_order {
            return Err(wrong(*b"tfdt", "its fragments are out of order: no sample is found by its time"));
        }
        let (least, most) = (i64::from(self.offsets.0), i64::from(self.offsets.1));
        let Some(last) = self.decoded_at(time.saturating_sub(least)) else { return Ok(None) };
        // This one is composed in time, and the one that is looked for no earlier.
        let surely = self.decoded_at(time.saturating_sub(most)).unwrap_or(0);
        let known = self.get(surely).map_or(0, |sample| sample.composition);
        let first = self.decoded_at(known.saturating_sub(most)).unwrap_or(0);
        let between = last.saturating_sub(first);
        if between > MOST_REORDERED {
            return Err(wrong(*b"ctts", format!("{between} samples may lie between two by its offsets")));
        }
        let mut best: Option<(i64, u64)> = None;
        for (number, sample) in (first..=last).zip(self.walk(first)) {
            let composed = sample.composition;
            if composed <= time && best.is_none_or(|(so_far, _)| composed >= so_far) {
                best = Some((composed, number));
            }
        }
        Ok(best.map(|(_, number)| number))
    }

    /// The last sample at or before one at which decoding can begin.
    pub(crate) fn sync_at_or_before(self, sample: u64) -> Option<u64> {
        if let Some(run) = self.run_of(sample).and_then(|run| self.runs.get(run)) {
            let within = u32::try_from(sample.saturating_sub(run.first)).unwrap_or(u32::MAX);
            let within = run.count().checked_sub(1).map(|last| within.min(last));
            if let Some(found) = within.and_then(|within| run.sync_at_or_before(within)) {
                return Some(run.first.saturating_add(found.into()));
            }
            let before = run.first.checked_sub(1)?;
            let run = self.run_of(before).and_then(|run| self.runs.get(run));
            return match run {
                Some(run) => run.last_sync,
                None => self.tables?.sync_at_or_before(u32::try_from(before).ok()?).map(u64::from),
            };
        }
        let tables = self.tables?;
        let last = tables.count().checked_sub(1)?;
        tables.sync_at_or_before(u32::try_from(sample).unwrap_or(last).min(last)).map(u64::from)
    }

    /// The first one at or behind a sample.
    pub(crate) fn sync_at_or_behind(self, sample: u64) -> Option<u64> {
        let in_tables = u32::try_from(sample).ok().zip(self.tables);
        if let Some(found) = in_tables.and_then(|(sample, tables)| tables.sync_at_or_behind(sample)) {
            return Some(found.into());
        }
        // The first run up to whose end there is one.
        let run = self.runs.partition_point(|run| run.last_sync.is_none_or(|last| last < sample));
        let run = self.runs.get(run)?;
        let within = u32::try_from(sample.saturating_sub(run.first)).ok()?;
        run.sync_at_or_behind(within).map(|found| run.first.saturating_add(found.into()))
    }
}

/// Samples of tables, and behind them those of runs.
struct Both<'a, R> {
    tables: Option<Walk<'a>>,
    runs: R,
}

impl<R: Iterator<Item = Sample>> Iterator for Both<'_, R> {
    type Item = Sample;

    #[inline]
    fn next(&mut self) -> Option<Sample> {
        if let Some(tables) = &mut self.tables {
            if let Some(sample) = tables.next() {
                return Some(sample);
            }
            self.tables = None;
        }
        self.runs.next()
    }
}
