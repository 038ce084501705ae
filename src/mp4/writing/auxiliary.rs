//! What samples have besides (saiz, saio; ISO/IEC 14496-12, 8.7.8 and 8.7.9), in a track in the making: all of it
//! lies in one place, one sample's behind the other's, for readers that know no more than one place.

use super::put;
use crate::mp4::sample_tables::{About, Auxiliary};
use std::ops::Range;

/// What the samples of a track in the making have besides.
#[derive(Debug)]
pub(super) struct DraftAuxiliary {
    pub about: About,
    /// Bytes of each sample's.
    sizes: Vec<u8>,
    /// Where it lies, from where the payload begins.
    pub place: [u64; 1],
}

impl DraftAuxiliary {
    pub(super) fn new(about: About) -> Self {
        Self { about, sizes: Vec::new(), place: [0] }
    }

    /// Bytes that are held for it.
    pub(super) fn held(&self) -> usize {
        self.sizes.len()
    }

    /// Whether a sample has some. A table of nothing has no place.
    pub(super) fn is_any(&self) -> bool {
        self.sizes.iter().any(|size| *size > 0)
    }

    /// Takes that of the samples between two, which `before` others are in front of.
    pub(super) fn append(&mut self, theirs: &Auxiliary, range: Range<u32>, before: u32) {
        self.fill(before);
        self.sizes.extend(range.map(|sample| theirs.size_of(sample)));
    }

    /// Samples that nothing was told of have none, up to so many.
    pub(super) fn fill(&mut self, count: u32) {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        self.sizes.resize(count.max(self.sizes.len()), 0);
    }

    /// Its boxes. Returns where its place is, as zeros.
    pub(super) fn write(&self, to: &mut Vec<u8>, wide: bool) -> usize {
        let first = self.sizes.first().copied().unwrap_or(0);
        let is_equal = self.sizes.iter().all(|size| *size == first);
        put::boxed(to, *b"saiz", |to| {
            begin(to, self.about, false);
            to.push(if is_equal { first } else { 0 });
            put::count(to, self.sizes.len());
            if !is_equal {
                to.extend_from_slice(&self.sizes);
            }
        });
        write_places(to, self.about, wide)
    }
}

/// A saio of one place, as zeros. Returns where that is.
pub(super) fn write_places(to: &mut Vec<u8>, about: About, wide: bool) -> usize {
    let mut at = 0;
    put::boxed(to, *b"saio", |to| {
        begin(to, about, wide);
        put::u32(to, 1);
        at = to.len();
        to.resize(at.saturating_add(if wide { 8 } else { 4 }), 0);
    });
    at
}

fn begin(to: &mut Vec<u8>, about: About, wide: bool) {
    to.extend_from_slice(&[u8::from(wide), 0, 0, u8::from(about.is_some())]);
    if let Some((kind, parameter)) = about {
        to.extend_from_slice(&kind);
        put::u32(to, parameter);
    }
}
