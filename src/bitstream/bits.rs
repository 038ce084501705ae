//! Bits and Exp-Golomb codes, read and written.

/// A bitstream, from its most significant bit on.
#[derive(Clone)]
pub(crate) struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Bits<'a> {
    pub(crate) fn of(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// How many bits were read.
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    /// ue(v) of ITU-T H.264, 9.1.
    pub(crate) fn exp_golomb(&mut self) -> Option<u32> {
        let mut zeros: usize = 0;
        while self.take(1)? == 0 {
            zeros = Some(zeros).filter(|zeros| *zeros < 31)?.saturating_add(1);
        }
        Some((1_u32 << zeros | self.take(zeros)?).saturating_sub(1))
    }

    /// se(v) of ITU-T H.264, 9.1.1.
    pub(crate) fn signed_exp_golomb(&mut self) -> Option<i32> {
        let code = self.exp_golomb()?;
        let size = i32::try_from(code.div_ceil(2)).ok()?;
        Some(if code % 2 == 1 { size } else { size.saturating_neg() })
    }

    pub(crate) fn flag(&mut self) -> Option<bool> {
        Some(self.take(1)? == 1)
    }

    /// A length in so many bits.
    pub(crate) fn number(&mut self, count: usize) -> Option<usize> {
        usize::try_from(self.take(count)?).ok()
    }

    /// The last 32 of so many bits.
    pub(crate) fn take(&mut self, count: usize) -> Option<u32> {
        let end = self.at.checked_add(count)?;
        // What is not there is not counted out bit by bit.
        if end > self.bytes.len().saturating_mul(8) {
            return None;
        }
        let mut value = 0;
        for at in self.at..end {
            let byte = *self.bytes.get(at / 8)?;
            value = value << 1 | u32::from(byte >> (7_usize.saturating_sub(at % 8)) & 1);
        }
        self.at = end;
        Some(value)
    }
}

/// Bits that become bytes.
#[derive(Default)]
pub(crate) struct BitWriter {
    bytes: Vec<u8>,
    /// How many bits of the last byte are used, if it is not full.
    used: u8,
}

impl BitWriter {
    /// The low bits of a value, so many of them.
    pub(crate) fn put(&mut self, value: u32, count: u32) {
        for bit in (0..count).rev() {
            let bit = u8::from(value.checked_shr(bit).unwrap_or(0) & 1 == 1);
            if self.used == 0 {
                self.bytes.push(0);
            }
            if let Some(last) = self.bytes.last_mut() {
                *last |= bit << 7_u8.saturating_sub(self.used);
            }
            self.used = self.used.saturating_add(1) % 8;
        }
    }

    /// ue(v) of ITU-T H.264, 9.1.
    pub(crate) fn put_exp_golomb(&mut self, value: u32) {
        let code = value.saturating_add(1);
        let bits = code.checked_ilog2().unwrap_or(0);
        self.put(0, bits);
        self.put(code, bits.saturating_add(1));
    }

    /// All that is left of a stream. Whole bytes are copied where both stand at the same bit of a byte.
    pub(crate) fn put_rest(&mut self, mut bits: Bits) {
        let alike = usize::from(self.used) == bits.at % 8;
        while !alike || self.used != 0 {
            let Some(bit) = bits.take(1) else { return };
            self.put(bit, 1);
        }
        self.bytes.extend_from_slice(bits.bytes.get(bits.at / 8..).unwrap_or_default());
    }

    /// The next bits of a stream, so many of them.
    pub(crate) fn put_from(&mut self, bits: &mut Bits, count: usize) -> Option<()> {
        for _ in 0..count {
            self.put(bits.take(1)?, 1);
        }
        Some(())
    }

    /// Whether no byte is begun.
    pub(crate) fn is_whole(&self) -> bool {
        self.used == 0
    }

    /// What is begun ends in zeros.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_as_they_are_written() {
        let numbers = [0, 1, 2, 3, 14, 15, 30, 31, 255, 510, 65_534, u32::MAX - 1];
        let mut writer = BitWriter::default();
        writer.put(0b101, 3);
        numbers.iter().for_each(|number| writer.put_exp_golomb(*number));
        let bytes = writer.into_bytes();
        let mut bits = Bits::of(&bytes);
        assert_eq!(bits.take(3), Some(0b101));
        for number in numbers {
            assert_eq!(bits.exp_golomb(), Some(number));
        }
        assert_eq!(Bits::of(&[0b0111_0000]).exp_golomb(), Some(2));
        // Table 9-3: 1, -1, 2, -2 are codes 1 to 4.
        let codes = [0b0100_1100, 0b1000_0101, 0];
        let mut bits = Bits::of(&codes);
        for number in [1, -1, 2, -2] {
            assert_eq!(bits.signed_exp_golomb(), Some(number));
        }
        assert_eq!(Bits::of(&[0; 8]).exp_golomb(), None);
        assert_eq!(Bits::of(&[1]).take(usize::MAX), None);
    }

    #[test]
    fn the_rest_is_copied_at_any_bit() {
        let bytes = [0xA5, 0x3C, 0x7E, 0x81];
        for (from, to) in [(0, 0), (3, 3), (5, 2), (8, 0), (0, 4), (32, 1)] {
            let mut bits = Bits::of(&bytes);
            bits.take(from).unwrap();
            let mut one_by_one = BitWriter::default();
            let mut writer = BitWriter::default();
            writer.put(0, to);
            one_by_one.put(0, to);
            writer.put_rest(bits.clone());
            let left = 32 - from;
            one_by_one.put_from(&mut bits, left).unwrap();
            assert_eq!(writer.into_bytes(), one_by_one.into_bytes(), "from bit {from} to bit {to}");
        }
    }
}
