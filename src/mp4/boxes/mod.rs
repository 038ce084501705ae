//! Boxes of a file, one behind the other (ISO/IEC 14496-12, 4.2): where each begins and ends.

pub(super) mod fields;
pub(super) mod packed;

use crate::{Error, ErrorKind, Result};
use bytes::Bytes;
use std::ops::Range;

/// More boxes than this in one are taken for an attack.
pub(crate) const BOXES: usize = 1 << 20;

/// Reads exactly so many bytes at a place.
pub(crate) type Read<'a> = dyn FnMut(u64, &mut [u8]) -> Result<()> + 'a;

/// All bytes that are asked for, by reads that may give less.
pub(crate) fn exactly(
    mut read: impl FnMut(u64, &mut [u8]) -> Result<usize>,
    at: u64,
    into: &mut [u8],
) -> Result<()> {
    let mut filled = 0;
    while let Some(rest) = into.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match read(at.saturating_add(filled as u64), rest)? {
            0 => return Err(Error::corrupt("a box of its index ends beyond the file")),
            read => filled = filled.saturating_add(read),
        }
    }
    Ok(())
}

/// Reads from bytes that lie at a place of a file.
pub(crate) fn in_memory(bytes: &[u8], start: u64) -> impl FnMut(u64, &mut [u8]) -> Result<()> + '_ {
    move |at, into| {
        let from = at.checked_sub(start).and_then(|from| usize::try_from(from).ok());
        let there = from.and_then(|from| bytes.get(from..from.checked_add(into.len())?));
        into.copy_from_slice(there.ok_or_else(|| Error::corrupt("a box ends beyond what holds it"))?);
        Ok(())
    }
}

/// A box: its type, and where its content begins and ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub kind: [u8; 4],
    pub start: u64,
    pub content: u64,
    pub end: u64,
    /// It says that it is longer than what holds it.
    pub cut_short: bool,
}

impl Place {
    /// Of a box whose content begins at 0.
    pub(crate) fn in_front(kind: [u8; 4], content: u64) -> Self {
        Self { kind, start: 0, content: 0, end: content, cut_short: false }
    }
}

/// The boxes between two places, in order.
pub(crate) fn boxes(
    read: &mut Read<'_>,
    from: u64,
    to: u64,
    each: impl FnMut(&mut Read<'_>, Place) -> Result<bool>,
) -> Result<()> {
    at_most(BOXES, read, from, to, each)
}

/// The boxes of a file of so many bytes, however many they are.
pub(crate) fn boxes_of_file(
    read: &mut Read<'_>,
    len: u64,
    each: impl FnMut(&mut Read<'_>, Place) -> Result<bool>,
) -> Result<()> {
    at_most(usize::MAX, read, 0, len, each)
}

/// The same, with another bound: of a file's own boxes there may be two for each frame.
pub(crate) fn at_most(
    most: usize,
    read: &mut Read<'_>,
    from: u64,
    to: u64,
    mut each: impl FnMut(&mut Read<'_>, Place) -> Result<bool>,
) -> Result<()> {
    let mut at = from;
    for _ in 0..most {
        if to.saturating_sub(at) < 8 {
            return Ok(());
        }
        let mut head = [0; 8];
        read(at, &mut head)?;
        let [a, b, c, d, kind @ ..] = head;
        let small = u32::from_be_bytes([a, b, c, d]);
        let (size, header) = match small {
            0 => (to.saturating_sub(at), 8),
            1 => {
                let mut large = [0; 8];
                if to.saturating_sub(at) < 16 {
                    return Ok(());
                }
                read(at.saturating_add(8), &mut large)?;
                (u64::from_be_bytes(large), 16)
            }
            small => (u64::from(small), 8),
        };
        if size < header {
            return Ok(());
        }
        // A box that is longer than what holds it ends there, as libav does it.
        let end = at.saturating_add(size).min(to);
        let cut_short = at.saturating_add(size) > to;
        if !each(read, Place { kind, start: at, content: at.saturating_add(header), end, cut_short })? {
            return Ok(());
        }
        at = end;
    }
    Err(Error::new(ErrorKind::LimitExceeded, format!("more than {most} boxes")))
}

/// A number of 32 bits.
pub(crate) fn number(read: &mut Read<'_>, at: u64) -> Result<u32> {
    let mut bytes = [0; 4];
    read(at, &mut bytes)?;
    Ok(u32::from_be_bytes(bytes))
}

/// A type as it is written: its characters, of which QuickTime's © is one; or its number.
pub(crate) fn name(kind: [u8; 4]) -> String {
    let printable = |byte: &u8| byte.is_ascii_graphic() || matches!(byte, b' ' | 0xa9);
    if kind.iter().all(printable) {
        kind.iter().map(|byte| char::from(*byte)).collect()
    } else {
        format!("0x{:08x}", u32::from_be_bytes(kind))
    }
}

/// The box that begins at a place of a box's content: its type, and where its own content lies. None behind the last
/// one that has its size.
fn next_in(content: &[u8], at: usize) -> Option<([u8; 4], Range<usize>)> {
    let left = content.get(at..)?;
    let ([a, b, c, d, kind @ ..], rest) = left.split_first_chunk::<8>()?;
    let (size, header) = match u32::from_be_bytes([*a, *b, *c, *d]) {
        0 => (left.len(), 8),
        1 => (usize::try_from(u64::from_be_bytes(*rest.first_chunk()?)).unwrap_or(usize::MAX), 16),
        size => (usize::try_from(size).unwrap_or(usize::MAX), 8),
    };
    if size < header {
        return None;
    }
    // One that is longer than what holds it ends there.
    let end = at.saturating_add(size.min(left.len()));
    Some((*kind, at.saturating_add(header).min(end)..end))
}

/// The boxes in a box's content, which is in memory. What is behind the last one that has its size is left
/// out.
pub(crate) fn children(content: &Bytes) -> impl Iterator<Item = ([u8; 4], Bytes)> + use<> {
    let (content, mut at) = (content.clone(), 0);
    std::iter::from_fn(move || {
        let (kind, place) = next_in(&content, at)?;
        at = place.end;
        Some((kind, content.slice(place)))
    })
}

/// The content of the first one of a type.
pub(crate) fn child(content: &Bytes, wanted: [u8; 4]) -> Option<Bytes> {
    let mut at = 0;
    while let Some((kind, place)) = next_in(content, at) {
        at = place.end;
        if kind == wanted {
            return Some(content.slice(place));
        }
    }
    None
}
