//! QuickTime's compressed index: a moov that holds a cmov, which holds a moov.

use super::{Place, Read, number};
use crate::{Error, Limits, Result};
use miniz_oxide::inflate::decompress_to_vec_zlib_with_limit;

/// In front of the compressed bytes: the boxes dcom and cmvd, and the size of what they were.
const HEAD: u64 = 24;

/// What is in a cmov. Nothing, where it is none that libav reads: it says so itself.
pub(in crate::mp4) fn unpack(read: &mut Read<'_>, cmov: Place, most: u64) -> Result<Vec<u8>> {
    let size = cmov.end.saturating_sub(cmov.content);
    let Some(packed) = size.checked_sub(HEAD) else { return Ok(Vec::new()) };
    let mut is = |by: u64, what: &[u8; 4]| {
        Ok::<_, Error>(number(read, cmov.content.saturating_add(by))? == u32::from_be_bytes(*what))
    };
    if !(is(4, b"dcom")? && is(8, b"zlib")? && is(16, b"cmvd")?) {
        return Ok(Vec::new());
    }
    let stated = u64::from(number(read, cmov.content.saturating_add(20))?);
    // libav holds both at once.
    let sum = stated.saturating_add(packed);
    Limits::hold(sum, most, "demuxer_memory", || {
        format!("its compressed index (cmov) takes {sum} bytes, and the limit is {most}")
    })?;
    let mut bytes = vec![0; usize::try_from(packed).unwrap_or(0)];
    read(cmov.content.saturating_add(HEAD), &mut bytes)?;
    decompress_to_vec_zlib_with_limit(&bytes, usize::try_from(stated).unwrap_or(0))
        .map_err(|e| Error::corrupt(format!("its compressed index (cmov) is damaged: {e}")))
}
