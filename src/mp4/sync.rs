//! Which samples decoding can begin at (stss; ISO/IEC 14496-12, 8.6.2; QuickTime's stps).

use super::{
    fields::{Fields, wrong},
    table::Table,
};
use crate::Result;

/// The sync samples of a track. Without any table each sample is one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sync {
    listed: Option<Listed>,
    /// What follows such a sample refers to nothing in front of it; some that is shown earlier does (QuickTime).
    partial: Option<Listed>,
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
    pub(super) fn read(kind: [u8; 4], fields: Fields) -> Result<Self> {
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
    pub(super) fn new(listed: Option<Listed>, partial: Option<Listed>) -> Self {
        Self { listed, partial }
    }

    fn tables(&self) -> impl Iterator<Item = &Listed> {
        self.listed.iter().chain(&self.partial)
    }

    /// Entries of its tables; none where each sample is one.
    pub(super) fn count(&self) -> Option<usize> {
        let counts = self.tables().map(|listed| listed.table.len());
        counts.reduce(usize::saturating_add)
    }

    pub(super) fn held(&self) -> usize {
        self.tables().map(|listed| listed.table.size()).fold(0, usize::saturating_add)
    }

    /// The last one at or before a sample.
    pub(super) fn at_or_before(&self, sample: u32) -> Option<u32> {
        if self.count().is_none() {
            return Some(sample);
        }
        self.tables().filter_map(|listed| listed.at_or_before(sample)).max()
    }

    /// The first one at or behind a sample; it may lie behind the last sample.
    pub(super) fn at_or_behind(&self, sample: u32) -> Option<u32> {
        if self.count().is_none() {
            return Some(sample);
        }
        self.tables().filter_map(|listed| listed.at_or_behind(sample)).min()
    }
}
