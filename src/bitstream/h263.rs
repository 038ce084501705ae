//! H.263 (ITU-T H.263, 5.1), and Sorenson's kin of it in Flash.

use super::bits::Bits;

/// Whether a picture refers to no other; None where there is no header of one.
pub(crate) fn is_intra(bytes: &[u8]) -> Option<bool> {
    // The picture header: start code (22 bits), temporal reference (8), then the picture's type.
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

/// Whether a picture's type is an extended one (5.1.4), which a decoder remembers.
pub(crate) fn is_extended(bytes: &[u8]) -> bool {
    let mut bits = Bits::of(bytes);
    bits.take(22) == Some(0x20) && bits.take(8 + 5).is_some() && bits.take(3) == Some(7)
}

/// The same of Sorenson's (libav's `flv1`; Adobe's "Video File Format Specification", version 10, annex E.4.2).
pub(crate) fn is_intra_in_flash(bytes: &[u8]) -> Option<bool> {
    let mut bits = Bits::of(bytes);
    if bits.take(17)? != 1 || bits.take(5)? > 1 {
        return None;
    }
    bits.take(8)?;
    match bits.take(3)? {
        0 => bits.take(16)?,
        1 => bits.take(32)?,
        2..=6 => 0,
        _ => return None,
    };
    Some(bits.take(2)? == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_h263() {
        // PSC, a temporal reference of 2, "10", no split screen, document camera or freeze; CIF; intra, and
        // inter.
        assert_eq!(is_intra(&[0, 0, 0x80, 0x0a, 0b0000_1100, 0]), Some(true));
        assert_eq!(is_intra(&[0, 0, 0x80, 0x0a, 0b0000_1110, 0]), Some(false));
        // An extended type, with (UFEP 1) and without its optional part; then the type of the picture.
        assert_eq!(is_intra(&[0, 0, 0x80, 0x0a, 0b0001_1100, 0b1000_0000, 0, 0, 0, 0]), Some(true));
        assert_eq!(is_intra(&[0, 0, 0x80, 0x0a, 0b0001_1100, 0b0001_0000]), Some(false));
        assert_eq!(is_intra(&[0, 0, 0x81]), None);
        assert_eq!(is_intra(b"no picture"), None);
        // Version 0, reference 0, size 2 (010); type 0 and 1.
        assert_eq!(is_intra_in_flash(&[0, 0, 0x80, 1, 0b0000_0000]), Some(true));
        assert_eq!(is_intra_in_flash(&[0, 0, 0x80, 1, 0b0010_0000]), Some(false));
        assert_eq!(is_intra_in_flash(&[0, 0, 0x81, 1]), None);
    }
}
