//! Boxes as bytes (ISO/IEC 14496-12, 4.2).

/// A box: its size, which is known behind it, its type and what is in it.
pub(in crate::mp4) fn boxed(to: &mut Vec<u8>, kind: [u8; 4], content: impl FnOnce(&mut Vec<u8>)) {
    let at = to.len();
    to.extend_from_slice(&[0; 4]);
    to.extend_from_slice(&kind);
    content(to);
    let size = to.len().saturating_sub(at);
    if let Some(place) = to.get_mut(at..).and_then(|rest| rest.first_chunk_mut()) {
        // A moov of more than 4 GiB is refused as a whole.
        *place = u32::try_from(size).unwrap_or(u32::MAX).to_be_bytes();
    }
}

/// A box as it was.
pub(crate) fn kept(to: &mut Vec<u8>, kind: [u8; 4], content: &[u8]) {
    boxed(to, kind, |to| to.extend_from_slice(content));
}

/// A box of a version, without flags.
pub(super) fn versioned(to: &mut Vec<u8>, kind: [u8; 4], version: u8, content: impl FnOnce(&mut Vec<u8>)) {
    boxed(to, kind, |to| {
        to.extend_from_slice(&[version, 0, 0, 0]);
        content(to);
    });
}

pub(super) fn u32(to: &mut Vec<u8>, number: u32) {
    to.extend_from_slice(&number.to_be_bytes());
}

pub(super) fn u64(to: &mut Vec<u8>, number: u64) {
    to.extend_from_slice(&number.to_be_bytes());
}

/// How many things there are.
pub(super) fn count(to: &mut Vec<u8>, count: usize) {
    u32(to, u32::try_from(count).unwrap_or(u32::MAX));
}

/// Where so many chunks lie (stco, or co64 where `wide`; 8.7.5), as zeros. Returns where the entries begin.
pub(super) fn places(to: &mut Vec<u8>, chunks: usize, wide: bool) -> usize {
    let mut at = 0;
    versioned(to, if wide { *b"co64" } else { *b"stco" }, 0, |to| {
        count(to, chunks);
        at = to.len();
        to.resize(at.saturating_add(chunks.saturating_mul(if wide { 8 } else { 4 })), 0);
    });
    at
}
