//! Codecs of which libav flags all packets as keys, whatever their container says.

use crate::bitstream::Bits;

/// Tells whether decoding can begin at a packet; None where its bytes do not say.
pub(in crate::media) type Test = fn(&[u8]) -> Option<bool>;

/// What to ask for a codec (by libav's name) whose flags are not to be believed; None for all others.
pub(in crate::media) fn test_of(codec: &str) -> Option<Test> {
    match codec {
        "h263" | "h263p" | "h263i" => Some(h263),
        "gif" => Some(gif),
        _ => None,
    }
}

/// The picture header of ITU-T H.263, 5.1: start code (22 bits), temporal reference (8), then the picture's
/// type.
fn h263(bytes: &[u8]) -> Option<bool> {
    let mut bits = Bits::of(bytes);
    if bits.take(22)? != 0x20 {
        return None;
    }
    bits.take(8 + 5)?;
    match bits.take(3)? {
        // An extended type (5.1.4): its optional part comes where the update says so.
        7 => {
            if bits.take(3)? == 1 {
                bits.take(18)?;
            }
            Some(bits.take(3)? == 0)
        }
        // Without one a bit follows: 0 for a picture that refers to none.
        _ => Some(bits.take(1)? == 0),
    }
}

/// Only the first picture has the header, with the size and the colours of all.
fn gif(bytes: &[u8]) -> Option<bool> {
    Some(bytes.starts_with(b"GIF8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_h263() {
        // PSC, a temporal reference of 2, "10", no split screen, document camera or freeze; CIF; intra, and
        // inter.
        assert_eq!(h263(&[0, 0, 0x80, 0x0a, 0b0000_1100, 0]), Some(true));
        assert_eq!(h263(&[0, 0, 0x80, 0x0a, 0b0000_1110, 0]), Some(false));
        // An extended type, with (UFEP 1) and without its optional part; then the type of the picture.
        assert_eq!(h263(&[0, 0, 0x80, 0x0a, 0b0001_1100, 0b1000_0000, 0, 0, 0, 0]), Some(true));
        assert_eq!(h263(&[0, 0, 0x80, 0x0a, 0b0001_1100, 0b0001_0000]), Some(false));
        assert_eq!(h263(&[0, 0, 0x81]), None);
        assert_eq!(h263(b"no picture"), None);
    }
}
