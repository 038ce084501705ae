//! How large samples are (stsz and stz2; ISO/IEC 14496-12, 8.7.3).

use super::table::Table;
use crate::{
    Result,
    mp4::boxes::fields::{Fields, wrong},
};
use bytes::Bytes;

/// A sum is noted in front of each so many samples.
const STEP: usize = 64;

/// The sizes of a track's samples, in bytes.
#[derive(Clone, Debug)]
pub(crate) enum Sizes {
    /// All of one size.
    Equal { size: u32, count: u32 },
    /// Of 4, 8, 16 or 32 bits each.
    Each { table: Table, bits: u32, count: u32, marks: Vec<u64> },
}

impl Sizes {
    pub(crate) fn read_stsz(kind: [u8; 4], mut fields: Fields) -> Result<Self> {
        let (size, count) = (fields.u32()?, fields.u32()?);
        if size > 0 {
            return Ok(Self::Equal { size, count });
        }
        Ok(Self::each(Table::read(kind, fields, count, 4)?, 32, count))
    }

    pub(crate) fn read_stz2(kind: [u8; 4], mut fields: Fields) -> Result<Self> {
        let (bits, count) = (fields.u32()? & 0xff, fields.u32()?);
        let table = match bits {
            4 => Table::read(kind, fields, count.div_ceil(2), 1)?,
            8 => Table::read(kind, fields, count, 1)?,
            16 => Table::read(kind, fields, count, 2)?,
            _ => return Err(wrong(kind, format!("sizes of {bits} bits, and there are 4, 8 and 16"))),
        };
        Ok(Self::each(table, bits, count))
    }

    /// Of a byte each.
    pub(crate) fn of_bytes(kind: [u8; 4], fields: Fields, count: u32) -> Result<Self> {
        Ok(Self::each(Table::read(kind, fields, count, 1)?, 8, count))
    }

    /// Of so many bits each.
    pub(super) fn each(table: Table, bits: u32, count: u32) -> Self {
        let mut sizes = Self::Each { table, bits, count, marks: Vec::new() };
        let (mut all, mut sum) = (Vec::with_capacity(sizes.len().div_ceil(STEP)), 0_u64);
        let mut walk = sizes.walk(0);
        while let Some(first) = walk.next() {
            all.push(sum);
            // 2^32 of 32 bits: 64 hold them.
            let rest = walk.by_ref().take(STEP.saturating_sub(1)).map(u64::from);
            sum = rest.fold(sum.saturating_add(first.into()), u64::saturating_add);
        }
        // And one behind the last of them, for what ends there.
        if usize::try_from(count).is_ok_and(|count| count.is_multiple_of(STEP)) {
            all.push(sum);
        }
        if let Self::Each { marks, .. } = &mut sizes {
            *marks = all;
        }
        sizes
    }

    /// Samples.
    pub(crate) fn count(&self) -> u32 {
        match self {
            Self::Equal { count, .. } | Self::Each { count, .. } => *count,
        }
    }

    fn len(&self) -> usize {
        usize::try_from(self.count()).unwrap_or(usize::MAX)
    }

    /// Bytes that are held for them.
    pub(crate) fn held(&self) -> usize {
        match self {
            Self::Equal { .. } => 0,
            Self::Each { table, marks, .. } => {
                table.size().saturating_add(size_of::<u64>().saturating_mul(marks.capacity()))
            }
        }
    }

    /// Of one; 0 behind the last.
    #[inline]
    pub(crate) fn of(&self, sample: u32) -> u32 {
        let (table, bits) = match self {
            Self::Equal { size, .. } => return *size,
            Self::Each { table, bits, .. } => (table, *bits),
        };
        let i = usize::try_from(sample).unwrap_or(usize::MAX);
        let byte = |at: usize| table.bytes().get(at).copied().map_or(0, u32::from);
        match bits {
            4 if i.is_multiple_of(2) => byte(i / 2) >> 4,
            4 => byte(i / 2) & 15,
            8 => byte(i),
            16 => byte(i.saturating_mul(2)) << 8 | byte(i.saturating_mul(2).saturating_add(1)),
            _ => table.entries().get(i).copied().map_or(0, u32::from_be_bytes),
        }
    }

    /// From one on, to the last.
    pub(crate) fn walk(&self, sample: u32) -> SizeWalk<'_> {
        match self {
            Self::Each { table, bits: 32, .. } => {
                let from = usize::try_from(sample).unwrap_or(usize::MAX);
                SizeWalk::Wide(table.entries().get(from..).unwrap_or_default().iter())
            }
            _ => SizeWalk::Other { sizes: self, next: sample },
        }
    }

    /// The size that all of them have, where the table says one.
    pub(crate) fn equal(&self) -> Option<u32> {
        match self {
            Self::Equal { size, .. } => Some(*size),
            Self::Each { .. } => None,
        }
    }

    /// The largest of all.
    pub(crate) fn largest(&self) -> u32 {
        match self {
            Self::Equal { size, .. } => *size,
            Self::Each { table, bits: 32, .. } => {
                table.entries().iter().map(|size| u32::from_be_bytes(*size)).max().unwrap_or(0)
            }
            // Of 16 bits at the most.
            Self::Each { .. } => u32::from(u16::MAX),
        }
    }

    /// As they are in the file, if each has 32 bits there.
    pub(crate) fn wide(&self, from: u32, to: u32) -> Option<&[[u8; 4]]> {
        let Self::Each { table, bits: 32, .. } = self else { return None };
        table.entries().get(usize::try_from(from).ok()?..usize::try_from(to).ok()?)
    }

    /// The same as bytes.
    pub(crate) fn wide_bytes(&self, from: u32, to: u32) -> Option<Bytes> {
        let Self::Each { table, bits: 32, .. } = self else { return None };
        let (from, to) = (usize::try_from(from).ok()?, usize::try_from(to).ok()?);
        table.part_of(from, to)
    }

    /// Of all in front of a sample.
    fn before(&self, sample: u32) -> u64 {
        match self {
            Self::Equal { size, .. } => u64::from(*size).saturating_mul(sample.into()),
            Self::Each { marks, .. } => {
                let mark = usize::try_from(sample).unwrap_or(usize::MAX) / STEP;
                let first = u32::try_from(mark.saturating_mul(STEP)).unwrap_or(u32::MAX);
                let count = usize::try_from(sample.saturating_sub(first)).unwrap_or(0);
                let rest = self.walk(first).take(count).map(u64::from);
                rest.fold(marks.get(mark).copied().unwrap_or(0), u64::saturating_add)
            }
        }
    }

    /// Of those between two samples, the second one not included.
    pub(crate) fn between(&self, from: u32, to: u32) -> u64 {
        if to.saturating_sub(from) < 128
            && let Some(wide) = self.wide(from, to)
        {
            return wide.iter().map(|size| u64::from(u32::from_be_bytes(*size))).fold(0, u64::wrapping_add);
        }
        if let Self::Each { .. } = self
            && to.saturating_sub(from) < 32
        {
            let count = usize::try_from(to.saturating_sub(from)).unwrap_or(0);
            return self.walk(from).take(count).map(u64::from).fold(0, u64::saturating_add);
        }
        self.before(to).saturating_sub(self.before(from))
    }
}

/// Sizes of samples that follow each other.
#[derive(Clone, Debug)]
pub(crate) enum SizeWalk<'a> {
    /// Of 32 bits each.
    Wide(std::slice::Iter<'a, [u8; 4]>),
    Other {
        sizes: &'a Sizes,
        next: u32,
    },
}

impl Iterator for SizeWalk<'_> {
    type Item = u32;

    #[inline]
    fn next(&mut self) -> Option<u32> {
        match self {
            Self::Wide(rest) => rest.next().copied().map(u32::from_be_bytes),
            Self::Other { sizes, next } => {
                let sample = Some(*next).filter(|sample| *sample < sizes.count())?;
                *next = sample.saturating_add(1);
                Some(sizes.of(sample))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_the_sizes() {
        for bits in [4_u32, 8, 16, 32] {
            for count in (0..260).step_by(if bits == 32 { 1 } else { 16 }) {
                let bytes: Vec<u8> = (0..count * bits.div_ceil(8)).map(|i| (i * 7 + 3) as u8).collect();
                let head = if bits == 32 { 0 } else { bits };
                let content = [head.to_be_bytes().as_slice(), &count.to_be_bytes(), &bytes].concat();
                let fields = Fields::of(*b"stsz", content.into());
                let read = if bits == 32 { Sizes::read_stsz } else { Sizes::read_stz2 };
                let sizes = read(*b"stsz", fields).unwrap();
                let each: Vec<u64> = (0..count).map(|i| sizes.of(i).into()).collect();
                for from in (0..=count).step_by(13).chain([count]) {
                    for to in (from..=count).step_by(7).chain([count]) {
                        let sum: u64 = each[from as usize..to as usize].iter().sum();
                        assert_eq!(sizes.between(from, to), sum, "{bits} bits, {from}..{to} of {count}");
                    }
                }
            }
        }
    }
}
