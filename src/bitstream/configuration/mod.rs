//! What MP4 says of a track's parameter sets in its sample entry (ISO/IEC 14496-15).

mod avc;

pub(crate) use avc::Avc;

use crate::{Error, Result};

/// The next bytes, so many of them.
fn taken<'a>(rest: &mut &'a [u8], count: usize, name: &str) -> Result<&'a [u8]> {
    let (bytes, behind) =
        rest.split_at_checked(count).ok_or_else(|| Error::corrupt(format!("the {name} breaks off")))?;
    *rest = behind;
    Ok(bytes)
}

/// A unit behind its length of two bytes.
fn taken_set<'a>(rest: &mut &'a [u8], name: &str) -> Result<&'a [u8]> {
    let length = taken(rest, 2, name)?.iter().fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte));
    taken(rest, length, name)
}

fn put_set(set: &[u8], to: &mut Vec<u8>) -> Result<()> {
    let length = u16::try_from(set.len()).map_err(|_| {
        Error::unsupported(format!("a parameter set of {} bytes: 65535 are the most", set.len()))
    })?;
    to.extend(length.to_be_bytes());
    to.extend_from_slice(set);
    Ok(())
}
