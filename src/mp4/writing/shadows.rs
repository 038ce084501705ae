//! Samples that others may stand in for (stsh; ISO/IEC 14496-12, 8.6.3), cut: pairs of which both are there.

use super::put;
use crate::mp4::sample_tables::Table;
use std::ops::Range;

/// Samples of one source that were taken, and how many are in front of them.
#[derive(Debug)]
struct Taken {
    range: Range<u32>,
    before: u32,
}

impl Taken {
    /// The number that a sample has here, counted from 1 as it is there.
    fn renumbered(&self, sample: u32) -> Option<u32> {
        let is_in = |sample: &u32| (self.range.start..self.range.end).contains(&sample.saturating_sub(1));
        let sample = Some(sample).filter(|sample| *sample > 0).filter(is_in)?;
        sample.checked_sub(self.range.start)?.checked_add(self.before)
    }
}

/// The pairs of each source, as they are in the file, and what was taken of it.
#[derive(Debug, Default)]
pub(super) struct DraftShadows {
    sources: Vec<(Table, Vec<Taken>)>,
}

impl DraftShadows {
    /// Bytes that are held for it.
    pub(super) fn held(&self) -> usize {
        let ranges = self.sources.iter().map(|(_, taken)| taken.len().saturating_mul(size_of::<Taken>()));
        let pairs = self.sources.iter().map(|(pairs, _)| pairs.size());
        ranges.chain(pairs).fold(0, usize::saturating_add)
    }

    pub(super) fn append(&mut self, pairs: &Table, range: Range<u32>, before: u32) {
        let taken = Taken { range, before };
        match self.sources.last_mut().filter(|(own, _)| std::ptr::eq(own.bytes(), pairs.bytes())) {
            Some((_, all)) => all.push(taken),
            None => self.sources.push((pairs.clone(), vec![taken])),
        }
    }

    /// In the order of the samples that others stand in for.
    fn pairs(&self) -> Vec<[u32; 2]> {
        let mut found = Vec::new();
        for (pairs, all) in &self.sources {
            let mut by_sample: Vec<&Taken> = all.iter().collect();
            by_sample.sort_by_key(|taken| taken.range.start);
            for taken in all {
                let first = pairs.above(taken.range.start);
                let both = (first..pairs.len())
                    .map_while(|entry| Some((taken.renumbered(pairs.u32(entry, 0)?)?, pairs.u32(entry, 4)?)));
                found.extend(both.filter_map(|(shadowed, sync)| {
                    // One of the same part, or of another that was taken.
                    let elsewhere = || {
                        let behind = by_sample.partition_point(|taken| taken.range.start < sync);
                        by_sample.get(behind.checked_sub(1)?)?.renumbered(sync)
                    };
                    Some([shadowed, taken.renumbered(sync).or_else(elsewhere)?])
                }));
            }
        }
        found
    }

    pub(super) fn write(&self, to: &mut Vec<u8>) {
        if self.sources.is_empty() {
            return;
        }
        let pairs = self.pairs();
        put::versioned(to, *b"stsh", 0, |to| {
            put::count(to, pairs.len());
            pairs.iter().flatten().for_each(|sample| put::u32(to, *sample));
        });
    }
}
