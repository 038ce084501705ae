//! The parsers that no operation gives all bytes to, for `fuzz/`. Not there in other builds.

use crate::{Error, Result, mp4, output};

/// Walks over the boxes of a file, and reads their tables.
pub fn mp4_tables(data: &[u8]) -> Result<()> {
    let mut read = |at: u64, to: &mut [u8]| {
        let from =
            usize::try_from(at).ok().and_then(|at| data.get(at..)).and_then(|rest| rest.get(..to.len()));
        to.copy_from_slice(from.ok_or_else(|| Error::corrupt("beyond the end"))?);
        Ok(())
    };
    mp4::Tables::read(&mut read, u64::try_from(data.len()).unwrap_or(0)).map(drop)
}

/// Parses a `moov`, moves what it points to, gives its tracks an edit each, and writes it.
pub fn moov(data: &[u8]) -> Result<Vec<u8>> {
    output::rewritten(data)
}
