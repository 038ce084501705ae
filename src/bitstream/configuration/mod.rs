//! What MP4 says of a track's parameter sets in its sample entry (ISO/IEC 14496-15).

mod avc;
mod hevc;

pub(crate) use avc::Avc;
#[cfg(test)]
pub(crate) use hevc::Array;
pub(crate) use hevc::Hevc;

use crate::{Error, Result};
use bytes::Bytes;

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

/// More units than any stream has sets: what has more is made to take memory and time.
const MOST: usize = 1024;

/// Those of a stream's units that go into its configuration.
fn few<'a>(units: impl Iterator<Item = &'a [u8]>, name: &str) -> Result<Vec<&'a [u8]>> {
    let few: Vec<_> = units.take(MOST.saturating_add(1)).collect();
    if few.len() > MOST {
        return Err(Error::corrupt(format!("over {MOST} parameter sets for an {name}")));
    }
    Ok(few)
}

/// A set, unless it is there.
fn add(sets: &mut Vec<Bytes>, set: &[u8]) {
    if !sets.iter().any(|known| known == set) {
        sets.push(Bytes::copy_from_slice(set));
    }
}

fn is_any_twice(ids: &mut [u32]) -> bool {
    ids.sort_unstable();
    ids.windows(2).any(|two| matches!(two, [a, b] if a == b))
}
