//! Indices of fragments (ISO/IEC 14496-12, 8.8.10 and 8.16.3): libav goes where they say, and reads boxes
//! there.

use super::{Read, at_most, number};
use crate::{Limits, Result};
use std::collections::HashSet;

/// The fewest bytes of an entry: a tfra's times and places have 8, and its three numbers one each.
const ENTRY: u64 = 11;
/// What is held for a box, about.
const BOX: u64 = 16;

/// Whether the indices whose types lie at these places lead to boxes of the file's own alone, or beyond its
/// end; not if they have more entries together than there is room for in the file: tables that lie in each
/// other would be read over and over.
pub(crate) fn lead_to_boxes(read: &mut Read<'_>, len: u64, indices: &[u64], limits: &Limits) -> Result<bool> {
    let mut boxes = HashSet::new();
    at_most(usize::MAX, read, 0, len, |_, place| {
        boxes.insert(place.start);
        let (held, most) = (BOX.saturating_mul(boxes.len() as u64), limits.demuxer_memory);
        Limits::hold(held, most, "demuxer_memory", || {
            format!("{} boxes, and more than {most} bytes to know where they lie", boxes.len())
        })?;
        Ok(true)
    })?;
    let mut room = len / ENTRY;
    let mut leads = |to: u64| match room.checked_sub(1) {
        Some(left) => {
            room = left;
            to >= len || boxes.contains(&to)
        }
        None => false,
    };
    for at in indices {
        let good = match number(read, *at)?.to_be_bytes() {
            kind if kind == *b"sidx" => of_segments(read, *at, &mut leads),
            _ => of_random_access(read, *at, &mut leads),
        };
        // One that ends beyond the file is read to there.
        if !good.unwrap_or(true) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A number of 32 bits, or of 64 in later versions of a box.
fn wide(read: &mut Read<'_>, at: u64, version: u32) -> Result<u64> {
    let first = u64::from(number(read, at)?);
    if version == 0 { Ok(first) } else { Ok(first << 32 | u64::from(number(read, at.saturating_add(4))?)) }
}

/// A sidx: its references follow each other, from its end on.
fn of_segments(read: &mut Read<'_>, kind: u64, leads: &mut impl FnMut(u64) -> bool) -> Result<bool> {
    let size = number(read, kind.saturating_sub(4))?;
    let version = number(read, kind.saturating_add(4))? >> 24;
    let field = if version == 0 { 4 } else { 8 };
    let first = kind.saturating_add(16).saturating_add(field);
    let first_offset = wide(read, first, version)?;
    let mut to = kind.saturating_sub(4).saturating_add(size.into()).saturating_add(first_offset);
    let mut at = first.saturating_add(field);
    let count = number(read, at)? & 0xffff;
    at = at.saturating_add(4);
    for _ in 0..count {
        if !leads(to) {
            return Ok(false);
        }
        to = to.saturating_add((number(read, at)? & 0x7fff_ffff).into());
        at = at.saturating_add(12);
    }
    Ok(true)
}

/// A tfra: the places of fragments, each with numbers of lengths that it states.
fn of_random_access(read: &mut Read<'_>, kind: u64, leads: &mut impl FnMut(u64) -> bool) -> Result<bool> {
    let version = number(read, kind.saturating_add(4))? >> 24;
    let lengths = number(read, kind.saturating_add(12))?;
    let further = [0, 2, 4].map(|by| u64::from((lengths >> by) & 3).saturating_add(1)).iter().sum();
    let count = number(read, kind.saturating_add(16))?;
    let field = if version == 0 { 4 } else { 8 };
    let mut at = kind.saturating_add(20);
    for _ in 0..count {
        at = at.saturating_add(field);
        if !leads(wide(read, at, version)?) {
            return Ok(false);
        }
        at = at.saturating_add(field).saturating_add(further);
    }
    Ok(true)
}
