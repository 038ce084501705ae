//! Where decoding can begin, by what the bitstream says: containers flag too many packets as keys, or none.

mod overflagged;
mod unflagged;

pub(super) use overflagged::{Test, test_of};
pub(crate) use unflagged::begins_decoding;

/// A bitstream, from its most significant bit on.
pub(crate) struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Bits<'a> {
    pub(crate) fn of(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// ue(v) of ITU-T H.264, 9.1.
    pub(crate) fn exp_golomb(&mut self) -> Option<u32> {
        let mut zeros: usize = 0;
        while self.take(1)? == 0 {
            zeros = Some(zeros).filter(|zeros| *zeros < 31)?.saturating_add(1);
        }
        Some((1_u32 << zeros | self.take(zeros)?).saturating_sub(1))
    }

    /// A length in so many bits.
    pub(crate) fn number(&mut self, count: usize) -> Option<usize> {
        usize::try_from(self.take(count)?).ok()
    }

    /// The last 32 of so many bits.
    pub(crate) fn take(&mut self, count: usize) -> Option<u32> {
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
