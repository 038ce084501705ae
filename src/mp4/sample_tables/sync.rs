//! Which samples decoding can begin at (stss; ISO/IEC 14496-12, 8.6.2; QuickTime's stps).

use super::{runs::Runs, table::Table};
use crate::{
    Result,
    mp4::boxes::fields::{Fields, wrong},
};

/// The sync samples of a track. Without any table each sample is one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sync {
    listed: Option<Listed>,
    /// What follows such a sample refers to nothing in front of it; some that is shown earlier does
    /// (QuickTime).
    partial: Option<Listed>,
    /// Groups `rap `: samples in one are such that decoding can begin at them, too (ISO/IEC 14496-12, 10.4).
    /// Runs of such and of others in turn.
    random: Option<Runs>,
}

/// Sync samples that a table lists, in order.
#[derive(Clone, Debug)]
pub(crate) struct Listed {
    table: Table,
    /// What the first sample is called: 1, but for writers that count from 0 (mov_build_index).
    first: u32,
}

impl Listed {
    /// An error if they do not go upwards.
    pub(crate) fn read(kind: [u8; 4], fields: Fields) -> Result<Self> {
        let table = Table::counted(kind, fields, 4)?;
        let mut numbers = (0..table.len()).filter_map(|i| table.u32(i, 0));
        if !numbers.by_ref().is_sorted_by(|a, b| a < b) {
            return Err(wrong(kind, "its samples are out of order"));
        }
        let first = table.u32(0, 0).map_or(1, |first| first.min(1));
        Ok(Self { table, first })
    }

    /// The entry of the first one behind a sample.
    fn behind(&self, sample: u32) -> usize {
        self.table.above(sample.saturating_add(self.first))
    }

    fn entry(&self, entry: usize) -> Option<u32> {
        self.table.u32(entry, 0)?.checked_sub(self.first)
    }

    /// Those between two samples, the second one not included.
    fn between(&self, from: u32, to: u32) -> impl Iterator<Item = u32> + '_ {
        let first = from.checked_sub(1).map_or(0, |before| self.behind(before));
        (first..self.table.len()).map_while(|entry| self.entry(entry)).take_while(move |sample| *sample < to)
    }

    /// The last one at or before a sample.
    fn at_or_before(&self, sample: u32) -> Option<u32> {
        self.entry(self.behind(sample).checked_sub(1)?)
    }

    /// The first one at or behind a sample.
    fn at_or_behind(&self, sample: u32) -> Option<u32> {
        match sample.checked_sub(1) {
            Some(before) => self.entry(self.behind(before)),
            None => self.entry(0),
        }
    }
}

impl Sync {
    pub(crate) fn new(
        listed: Option<Listed>,
        partial: Option<Listed>,
        random: Option<&Runs>,
    ) -> Result<Self> {
        let random = random.map(|random| random.told_apart(|group| group > 0)).transpose()?;
        Ok(Self { listed, partial, random })
    }

    fn tables(&self) -> impl Iterator<Item = &Listed> {
        self.listed.iter().chain(&self.partial)
    }

    /// Entries of its tables; none where there are none.
    pub(crate) fn count(&self) -> Option<usize> {
        let counts = self.tables().map(|listed| listed.table.len());
        counts.reduce(usize::saturating_add)
    }

    /// Those of stss between two samples; none without that table, which then counts each sample.
    pub(crate) fn listed(&self, from: u32, to: u32) -> Option<impl Iterator<Item = u32> + '_> {
        self.listed.as_ref().map(|listed| listed.between(from, to))
    }

    /// Those of stps.
    pub(crate) fn partial(&self, from: u32, to: u32) -> Option<impl Iterator<Item = u32> + '_> {
        self.partial.as_ref().map(|partial| partial.between(from, to))
    }

    /// Whether no more is said than which samples are such: stss, or nothing.
    pub(crate) fn is_plain(&self) -> bool {
        self.partial.is_none() && self.random.is_none()
    }

    /// Whether each sample is one.
    pub(crate) fn is_all(&self) -> bool {
        self.count().is_none() && self.random.is_none()
    }

    /// How many of the first samples they are.
    pub(crate) fn among(&self, samples: u32) -> u64 {
        if self.is_all() {
            return samples.into();
        }
        // What several tables tell counts once.
        let by_listed = |sample: u32| {
            let partial = self.partial.as_ref().filter(|_| self.listed.is_some());
            partial.is_some_and(|partial| partial.at_or_before(sample) == Some(sample))
        };
        let is_random = |sample: u32| self.random_at_or_before(sample) == Some(sample);
        let of = |listed: &Listed, once_more: &dyn Fn(u32) -> bool| {
            let all = (0..listed.table.len()).filter_map(|entry| listed.entry(entry));
            all.filter(|sample| *sample < samples && !is_random(*sample) && !once_more(*sample)).count()
                as u64
        };
        let listed = self.listed.as_ref().map_or(0, |listed| of(listed, &by_listed));
        let partial = self.partial.as_ref().map_or(0, |partial| of(partial, &|_| false));
        // Each of a group counts 1.
        let random = self.random.as_ref().map_or(0, |runs| match runs.of_sample(samples) {
            Some(run) => {
                let within = i64::from(samples.saturating_sub(run.first)).saturating_mul(run.value.into());
                run.sum.saturating_add(within)
            }
            None => runs.sum(),
        });
        listed.saturating_add(partial).saturating_add(u64::try_from(random).unwrap_or(0))
    }

    fn random_at_or_before(&self, sample: u32) -> Option<u32> {
        let runs = self.random.as_ref()?;
        let last = runs.samples().checked_sub(1)?.min(sample);
        let run = runs.of_sample(last)?;
        // In front of one of others lies one of such.
        if run.value > 0 { Some(last) } else { run.first.checked_sub(1) }
    }

    fn random_at_or_behind(&self, sample: u32) -> Option<u32> {
        let runs = self.random.as_ref()?;
        let run = runs.of_sample(sample)?;
        let behind = run.first.saturating_add(run.count);
        if run.value > 0 { Some(sample) } else { Some(behind).filter(|next| *next < runs.samples()) }
    }

    pub(crate) fn held(&self) -> usize {
        let random = self.random.iter().map(Runs::held);
        self.tables().map(|listed| listed.table.size()).chain(random).fold(0, usize::saturating_add)
    }

    /// The last one at or before a sample.
    pub(crate) fn at_or_before(&self, sample: u32) -> Option<u32> {
        if self.is_all() {
            return Some(sample);
        }
        let listed = self.tables().filter_map(|listed| listed.at_or_before(sample));
        listed.chain(self.random_at_or_before(sample)).max()
    }

    /// The first one at or behind a sample; it may lie behind the last sample.
    pub(crate) fn at_or_behind(&self, sample: u32) -> Option<u32> {
        if self.is_all() {
            return Some(sample);
        }
        let listed = self.tables().filter_map(|listed| listed.at_or_behind(sample));
        listed.chain(self.random_at_or_behind(sample)).min()
    }
}
