//! Keyframes by what the bitstream says: libav flags all packets of some codecs as keys, whatever their container says.

/// Tells whether decoding can begin at a packet; None where its bytes do not say.
pub(super) type Test = fn(&[u8]) -> Option<bool>;

/// What to ask for a codec (by libav's name) whose flags are not to be believed; None for all others.
pub(super) fn test_of(codec: &str) -> Option<Test> {
    match codec {
        "h263" | "h263p" | "h263i" => Some(h263),
        "gif" => Some(gif),
        _ => None,
    }
}

/// The picture header of ITU-T H.263, 5.1: start code (22 bits), temporal reference (8), then the picture's type.
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

pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Bits<'a> {
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// ue(v) of ITU-T H.264, 9.1.
    pub(super) fn exp_golomb(&mut self) -> Option<u32> {
        let mut zeros: usize = 0;
        while self.take(1)? == 0 {
            zeros = Some(zeros).filter(|zeros| *zeros < 31)?.saturating_add(1);
        }
        Some((1_u32 << zeros | self.take(zeros)?).saturating_sub(1))
    }

    fn take(&mut self, count: usize) -> Option<u32> {
        let end = self.at.checked_add(count)?;
        let mut value = 0;
        for at in self.at..end {
            let byte = *self.bytes.get(at / 8)?;
            value = value << 1 | u32::from(byte >> (7_usize.saturating_sub(at % 8)) & 1);
        }
        self.at = end;
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_h263() {
        // PSC, a temporal reference of 2, "10", no split screen, document camera or freeze; CIF; intra, and inter.
        assert_eq!(h263(&[0, 0, 0x80, 0x0a, 0b0000_1100, 0]), Some(true));
        assert_eq!(h263(&[0, 0, 0x80, 0x0a, 0b0000_1110, 0]), Some(false));
        // An extended type, with (UFEP 1) and without its optional part; then the type of the picture.
        assert_eq!(h263(&[0, 0, 0x80, 0x0a, 0b0001_1100, 0b1000_0000, 0, 0, 0, 0]), Some(true));
        assert_eq!(h263(&[0, 0, 0x80, 0x0a, 0b0001_1100, 0b0001_0000]), Some(false));
        assert_eq!(h263(&[0, 0, 0x81]), None);
        assert_eq!(h263(b"no picture"), None);
    }
}
