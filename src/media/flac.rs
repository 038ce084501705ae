//! FLAC's frames (RFC 9639, section 9): what a frame's header says.

use crate::av::crc::crc8;

/// A frame's header (section 9.1), as far as it concerns its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// The number is a sample's, and not a frame's.
    pub variable: bool,
    pub number: u64,
    /// Bytes that the number takes.
    pub number_len: usize,
    /// Its samples.
    pub block: u32,
    /// With its CRC-8.
    pub len: usize,
}

/// The number's first byte.
pub(crate) const NUMBER: usize = 4;

impl Header {
    pub fn parse(frame: &[u8]) -> Option<Self> {
        let [0xFF, second, codes, channels] = *frame.first_chunk::<4>()? else { return None };
        if second & 0xFE != 0xF8 || channels & 1 != 0 {
            return None;
        }
        let (number, number_len) = decode_number(frame.get(NUMBER..)?)?;
        let mut len = NUMBER.checked_add(number_len)?;
        let byte = |at: usize| frame.get(at).copied().map(u32::from);
        let block = match codes >> 4 {
            0 => return None,
            1 => 192,
            code @ 2..=5 => 144_u32 << code,
            6 => {
                let size = byte(len)?;
                len = len.checked_add(1)?;
                size.checked_add(1)?
            }
            7 => {
                let size = byte(len)? << 8 | byte(len.checked_add(1)?)?;
                len = len.checked_add(2)?;
                size.checked_add(1)?
            }
            code => 1_u32 << code,
        };
        let rate_len = match codes & 0x0F {
            0x0F => return None,
            12 => 1,
            13 | 14 => 2,
            _ => 0,
        };
        len = len.checked_add(rate_len)?;
        let valid = crc8(frame.get(..len)?) == *frame.get(len)?;
        let len = len.checked_add(1)?;
        valid.then_some(Self { variable: second & 1 != 0, number, number_len, block, len })
    }
}

/// A number of up to 36 bits in the manner of UTF-8, and how many bytes it takes.
pub(crate) fn decode_number(bytes: &[u8]) -> Option<(u64, usize)> {
    let first = *bytes.first()?;
    let len = match first.leading_ones() {
        0 => return Some((u64::from(first), 1)),
        ones @ 2..=7 => usize::try_from(ones).ok()?,
        _ => return None,
    };
    let mut number = u64::from(first) & (0x7F_u64 >> len);
    for byte in bytes.get(1..len)? {
        if byte & 0xC0 != 0x80 {
            return None;
        }
        number = number << 6 | u64::from(byte & 0x3F);
    }
    Some((number, len))
}
