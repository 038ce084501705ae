//! The one place where a file's bytes are taken for memory.

#![allow(unsafe_code)]

use crate::{Error, Result};
use bytes::Bytes;
use std::{fs::File, path::Path};

/// Maps a file, read-only.
///
/// # Safety
/// Nobody changes or truncates the file while the bytes live.
pub(super) unsafe fn map(path: &Path) -> Result<Bytes> {
    let file = File::open(path).map_err(|e| Error::io("cannot open", e))?;
    let metadata = file.metadata().map_err(|e| Error::io("cannot read its size", e))?;
    if !metadata.is_file() {
        return Err(Error::invalid("only a regular file can be mapped"));
    }
    if metadata.len() == 0 {
        return Ok(Bytes::new());
    }
    // SAFETY: the caller vouches for the file.
    let map = unsafe { memmap2::Mmap::map(&file) }.map_err(|e| Error::io("cannot map", e))?;
    Ok(Bytes::from_owner(map))
}
