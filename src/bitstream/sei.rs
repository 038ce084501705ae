//! Messages beside pictures (SEI; ITU-T H.264, 7.3.2.3 and annex D; H.265, 7.3.2.4 and annex D).

use super::{bits::Bits, units::escaped};

/// One message of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Message<'a> {
    pub(crate) kind: u32,
    pub(crate) payload: &'a [u8],
}

impl Message<'_> {
    pub(crate) const BUFFERING_PERIOD: u32 = 0;
    #[cfg(test)]
    pub(crate) const PICTURE_TIMING: u32 = 1;
    pub(crate) const RECOVERY_POINT: u32 = 6;
    /// HEVC's alone.
    pub(crate) const ACTIVE_PARAMETER_SETS: u32 = 129;
}

/// The messages of a unit that is without its emulation bytes, behind a header of so many bytes.
pub(crate) fn messages(unit: &[u8], header: usize) -> impl Iterator<Item = Message<'_>> {
    let mut rest = unit.get(header..).unwrap_or_default();
    std::iter::from_fn(move || {
        // What is left is the end: one bit, and zeros.
        if matches!(rest, [] | [0x80]) {
            return None;
        }
        let (kind, behind) = number(rest)?;
        let (size, behind) = number(behind)?;
        let (payload, next) = behind.split_at_checked(usize::try_from(size).ok()?)?;
        rest = next;
        Some(Message { kind, payload })
    })
}

/// A number as bytes of 255, and a last one that is less.
fn number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let full = bytes.iter().position(|byte| *byte != 0xFF)?;
    let last = u32::from(*bytes.get(full)?);
    let number = u32::try_from(full).ok()?.checked_mul(255)?.checked_add(last)?;
    Some((number, bytes.get(full.checked_add(1)?..)?))
}

fn put_number(mut number: usize, to: &mut Vec<u8>) {
    while let Some(less) = number.checked_sub(255) {
        to.push(0xFF);
        number = less;
    }
    to.push(u8::try_from(number).unwrap_or(0));
}

/// A unit of these messages behind its header, with its emulation bytes.
pub(crate) fn unit<'a>(header: &[u8], messages: impl Iterator<Item = (u32, &'a [u8])>) -> Vec<u8> {
    let mut bytes = header.to_vec();
    for (kind, payload) in messages {
        put_number(usize::try_from(kind).unwrap_or(0), &mut bytes);
        put_number(payload.len(), &mut bytes);
        bytes.extend_from_slice(payload);
    }
    bytes.push(0x80);
    escaped(&bytes)
}

/// Where decoding may begin though the picture is no IDR one (H.264, D.1.8 and D.2.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecoveryPoint {
    /// After so many frames pictures are right.
    pub(crate) frames: u32,
    /// They then are as if decoding had begun earlier; else only nearly so.
    pub(crate) is_exact: bool,
    /// Pictures shown before it may lack what they refer to even in this stream.
    pub(crate) is_broken: bool,
}

impl RecoveryPoint {
    pub(crate) fn read(payload: &[u8]) -> Option<Self> {
        let mut bits = Bits::of(payload);
        Some(Self { frames: bits.exp_golomb()?, is_exact: bits.flag()?, is_broken: bits.flag()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bitstream::units::unescaped;

    #[test]
    fn messages_of_a_unit() {
        let long = [7; 300];
        let sent = unit(&[6], [(6, &[0x98][..]), (300, &long), (4, &[0, 0, 1])].into_iter());
        assert!(!sent.windows(3).any(|three| three == [0, 0, 1]));
        let whole = unescaped(&sent);
        let found: Vec<_> =
            messages(&whole, 1).map(|message| (message.kind, message.payload.len())).collect();
        assert_eq!(found, [(6, 1), (300, 300), (4, 3)]);
        for end in 0..whole.len() {
            assert!(messages(&whole[..end], 1).count() <= 3);
        }
    }

    #[test]
    fn recovery_points() {
        // x264's: no frames, exact, not broken; one of 9 frames (0001010), not exact.
        let read = |payload: &[u8]| RecoveryPoint::read(payload).map(|p| (p.frames, p.is_exact, p.is_broken));
        assert_eq!(read(&[0b1100_0100]), Some((0, true, false)));
        assert_eq!(read(&[0b0001_0100, 0b0100_0000]), Some((9, false, false)));
        assert_eq!(read(&[0]), None);
    }
}
