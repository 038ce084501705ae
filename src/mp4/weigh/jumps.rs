//! Indices of fragments (ISO/IEC 14496-12, 8.8.10 and 8.16.3): libav goes where they say, and reads boxes
//! there.

use crate::{
    Limits, Result,
    mp4::boxes::{Read, at_most, number},
};
use std::collections::HashSet;

/// The fewest bytes of an entry: a tfra's times and places have 8, and its three numbers one each.
const ENTRY: u64 = 11;
/// What is held for a place, about.
const PLACE: u64 = 16;

/// Where the content of an index of segments (sidx) begins, and where it ends.
pub(crate) type Segments = (u64, u64);

/// Whether the indices that libav follows lead to boxes of the file's own alone, or beyond its end: these of
/// segments, and the one at the file's end (mfra). Not if they have
/// more entries together than there is room for in the file: tables that lie in each other would be read over
/// and over.
///
/// What they lead to is in the order of the boxes then, and so is what libav reads there.
pub(crate) fn lead_to_boxes(
    read: &mut Read<'_>,
    len: u64,
    segments: &[Segments],
    limits: &Limits,
) -> Result<bool> {
    let last = random_access(read, len, limits)?;
    if segments.is_empty() && last.is_empty() {
        return Ok(true);
    }
    let mut boxes = HashSet::new();
    at_most(usize::MAX, read, 0, len, |_, place| {
        boxes.insert(place.start);
        hold(boxes.len(), "boxes", limits)?;
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
    for index in segments {
        // One that ends beyond the file is read to there.
        if !of_segments(read, *index, &mut leads).unwrap_or(true) {
            return Ok(false);
        }
    }
    for at in last {
        if !of_random_access(read, at, &mut leads).unwrap_or(true) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Where the types of the tables (tfra) lie that libav reads at a file's end, whatever box that is in
/// (mov_read_mfra).
fn random_access(read: &mut Read<'_>, len: u64, limits: &Limits) -> Result<Vec<u64>> {
    let mut tables = Vec::new();
    let Some(size) = len.checked_sub(4).map(|at| number(read, at)).transpose()? else { return Ok(tables) };
    let Some(mut at) = len.checked_sub(size.into()).filter(|at| len.saturating_sub(*at) >= 16) else {
        return Ok(tables);
    };
    if number(read, at.saturating_add(4))?.to_be_bytes() != *b"mfra" {
        return Ok(tables);
    }
    at = at.saturating_add(8);
    while len.saturating_sub(at) >= 8 {
        let (size, kind) = (number(read, at)?, at.saturating_add(4));
        if number(read, kind)?.to_be_bytes() != *b"tfra" {
            break;
        }
        tables.push(kind);
        hold(tables.len(), "indices of fragments", limits)?;
        at = at.saturating_add(size.max(8).into());
    }
    Ok(tables)
}

/// An error if there are so many of something that to know where it lies takes too much.
pub(crate) fn hold(count: usize, what: &str, limits: &Limits) -> Result<()> {
    let (held, most) = (PLACE.saturating_mul(count as u64), limits.demuxer_memory);
    Limits::hold(held, most, "demuxer_memory", || {
        format!("{count} {what}, and to know where they lie takes more than {most} bytes")
    })
}

/// A number of 32 bits, or of 64 in later versions of a box.
fn wide(read: &mut Read<'_>, at: u64, version: u32) -> Result<u64> {
    let first = u64::from(number(read, at)?);
    if version == 0 { Ok(first) } else { Ok(first << 32 | u64::from(number(read, at.saturating_add(4))?)) }
}

/// A sidx: its references follow each other, from its end on.
fn of_segments(
    read: &mut Read<'_>,
    (content, end): Segments,
    leads: &mut impl FnMut(u64) -> bool,
) -> Result<bool> {
    let version = number(read, content)? >> 24;
    let field = if version == 0 { 4 } else { 8 };
    let first = content.saturating_add(12).saturating_add(field);
    let mut to = end.saturating_add(wide(read, first, version)?);
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
