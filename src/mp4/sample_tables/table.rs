//! A box's table, which stays as it is in the file: entries are decoded where they are asked for.

use crate::{
    Result,
    mp4::boxes::fields::{Fields, wrong},
};
use bytes::Bytes;

/// Entries of one width.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    bytes: Bytes,
    width: usize,
}

impl Table {
    /// Of so many entries, of so many bytes each, which lie in front of what is left of a box.
    pub(crate) fn read(kind: [u8; 4], fields: Fields, count: u32, width: usize) -> Result<Self> {
        let mut bytes = fields.rest();
        let wanted = usize::try_from(count).ok().and_then(|count| count.checked_mul(width));
        let Some(wanted) = wanted.filter(|wanted| *wanted <= bytes.len()) else {
            let room = bytes.len().checked_div(width).unwrap_or(0);
            return Err(wrong(kind, format!("it states {count} entries, and has room for {room}")));
        };
        bytes.truncate(wanted);
        Ok(Self { bytes, width })
    }

    pub(crate) fn of(bytes: Bytes, width: usize) -> Self {
        Self { bytes, width }
    }

    /// One whose box states how many entries there are in front of them.
    pub(crate) fn counted(kind: [u8; 4], mut fields: Fields, width: usize) -> Result<Self> {
        let count = fields.u32()?;
        Self::read(kind, fields, count, width)
    }

    /// The same without some of its entries.
    pub(crate) fn without(self, leave_out: impl Fn(&[u8]) -> bool) -> Self {
        let entries = || self.bytes.chunks_exact(self.width.max(1));
        if !entries().any(&leave_out) {
            return self;
        }
        let kept: Vec<&[u8]> = entries().filter(|entry| !leave_out(entry)).collect();
        Self { bytes: kept.concat().into(), width: self.width }
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len().checked_div(self.width).unwrap_or(0)
    }

    /// Bytes that it takes.
    pub(crate) fn size(&self) -> usize {
        self.bytes.len()
    }

    /// All of its bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes of the entries between two.
    pub(crate) fn part_of(&self, from: usize, to: usize) -> Option<Bytes> {
        let (from, to) = (from.checked_mul(self.width)?, to.checked_mul(self.width)?);
        (from <= to && to <= self.bytes.len()).then(|| self.bytes.slice(from..to))
    }

    /// All entries, if they have this width.
    #[inline]
    pub(crate) fn entries<const N: usize>(&self) -> &[[u8; N]] {
        if self.width == N { self.bytes.as_chunks().0 } else { &[] }
    }

    /// So many bytes of an entry, at a place in it.
    fn part<const N: usize>(&self, entry: usize, at: usize) -> Option<[u8; N]> {
        let from = entry.checked_mul(self.width)?.checked_add(at)?;
        self.bytes.get(from..)?.first_chunk().copied()
    }

    /// A number of 32 bits at a place in an entry.
    pub(crate) fn u32(&self, entry: usize, at: usize) -> Option<u32> {
        self.part(entry, at).map(u32::from_be_bytes)
    }

    /// A number of 64 bits at a place in an entry.
    pub(crate) fn u64(&self, entry: usize, at: usize) -> Option<u64> {
        self.part(entry, at).map(u64::from_be_bytes)
    }

    /// Where the first entry lies whose number at its beginning is above this: entries go upwards.
    pub(crate) fn above(&self, number: u32) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            if self.u32(middle, 0).is_some_and(|there| there <= number) {
                low = middle.saturating_add(1);
            } else {
                high = middle;
            }
        }
        low
    }
}
