//! Samples that have parts (subs; ISO/IEC 14496-12, 8.7.7), cut.

use super::put;
use bytes::Bytes;
use std::ops::Range;

/// Samples that have parts (subs; 8.7.7).
#[derive(Debug)]
pub(super) struct DraftParts {
    /// Version and flags.
    head: [u8; 4],
    entries: u32,
    /// The last sample that is told of, counted from 1.
    last: u32,
    bytes: Vec<u8>,
}

impl DraftParts {
    /// Bytes that are held for it.
    pub(super) fn held(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn write(&self, to: &mut Vec<u8>) {
        put::boxed(to, *b"subs", |to| {
            to.extend_from_slice(&self.head);
            put::u32(to, self.entries);
            to.extend_from_slice(&self.bytes);
        });
    }
}

/// Takes the entries of a subs for the samples between two, which `before` others are in front of. It was read
/// before: one that ends too soon has none behind that.
pub(super) fn append_parts(own: &mut Vec<DraftParts>, subs: &Bytes, range: Range<u32>, before: u32) {
    let Some((head, rest)) = subs.split_first_chunk::<4>() else { return };
    let Some((count, mut rest)) = rest.split_first_chunk::<4>() else { return };
    let each: usize = if head.first() == Some(&1) { 10 } else { 8 };
    let place = own.iter().position(|own| own.head == *head).unwrap_or_else(|| {
        own.push(DraftParts { head: *head, entries: 0, last: 0, bytes: Vec::new() });
        own.len().saturating_sub(1)
    });
    let Some(own) = own.get_mut(place) else { return };
    let mut sample: u32 = 0;
    for _ in 0..u32::from_be_bytes(*count) {
        let Some(([a, b, c, d, parts @ ..], behind)) = rest.split_first_chunk::<6>() else { return };
        let size = each.saturating_mul(u16::from_be_bytes(*parts).into());
        let Some((told, behind)) = behind.split_at_checked(size) else { return };
        rest = behind;
        sample = sample.saturating_add(u32::from_be_bytes([*a, *b, *c, *d]));
        // Counted from 1.
        if sample <= range.start || sample > range.end {
            continue;
        }
        let number = sample.saturating_sub(range.start).saturating_add(before);
        put::u32(&mut own.bytes, number.saturating_sub(own.last));
        own.bytes.extend_from_slice(parts);
        own.bytes.extend_from_slice(told);
        (own.last, own.entries) = (number, own.entries.saturating_add(1));
    }
}
