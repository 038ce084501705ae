//! MXF's unique material identifiers (SMPTE 330M). libav draws them by lot for each file, so that two results
//! of the same would differ, or lets all files have the same (AVFMT_FLAG_BITEXACT). Here they are written
//! over on their way: their label says where they are, also where a write ends within one.

use std::borrow::Cow;

/// What mxfenc.c begins them with (umid_ul). Its first byte comes once.
const LABEL: [u8; 13] = [0x06, 0x0A, 0x2B, 0x34, 0x01, 0x01, 0x01, 0x05, 0x01, 0x01, 0x0D, 0x00, 0x13];
/// An instance's number, and the material's but for its last byte, which tells the packages of a file apart.
const NUMBER: usize = 18;
const WHOLE: usize = LABEL.len() + NUMBER;

/// The number of one file's material, and how far it is written.
pub(super) struct Umid {
    number: [u8; NUMBER],
    /// Bytes of the label and the number that have gone by.
    matched: usize,
    /// Where the last write ended.
    end: u64,
}

impl Umid {
    pub(super) fn new(identity: u64) -> Self {
        let mut number = [0; NUMBER];
        // The instance is the first; the material's number has 15 bytes.
        let more = identity.rotate_left(32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let bytes = identity.to_be_bytes().into_iter().chain(more.to_be_bytes());
        number.iter_mut().skip(3).zip(bytes).for_each(|(to, from)| *to = from);
        Self { number, matched: 0, end: 0 }
    }

    /// What is to be written instead of these bytes.
    pub(super) fn apply<'a>(&mut self, at: u64, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        if at != self.end {
            self.matched = 0;
        }
        self.end = at.saturating_add(bytes.len() as u64);
        let mut new = Cow::Borrowed(bytes);
        for (i, byte) in bytes.iter().enumerate() {
            if self.matched == WHOLE {
                self.matched = 0;
            }
            if let Some(own) = self.matched.checked_sub(LABEL.len()).and_then(|at| self.number.get(at)) {
                if let Some(to) = new.to_mut().get_mut(i) {
                    *to = *own;
                }
                self.matched = self.matched.saturating_add(1);
            } else if LABEL.get(self.matched) == Some(byte) {
                self.matched = self.matched.saturating_add(1);
            } else {
                self.matched = usize::from(*byte == LABEL[0]);
            }
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_over_wherever_writes_end() {
        let umid = |number: u8, kind: u8| [&LABEL[..], &[number; NUMBER], &[kind]].concat();
        let file = [&[6, 6][..], &umid(7, 1), &LABEL[..5], &umid(7, 2), &[9; 40], &umid(7, 1)].concat();
        let all = |piece: usize, identity: u64| {
            let mut umid = Umid::new(identity);
            let mut out = Vec::new();
            for bytes in file.chunks(piece) {
                let new = umid.apply(out.len() as u64, bytes);
                out.extend_from_slice(&new);
            }
            out
        };
        let whole = all(1000, 5);
        assert_eq!(whole.len(), file.len());
        assert!(!whole.contains(&7) && whole[2..15] == LABEL && whole[33] == 1);
        assert_eq!(whole[15..33], whole[file.len() - 19..file.len() - 1]);
        for piece in [1, 2, 7, 13, 14, 31, 32] {
            assert_eq!(all(piece, 5), whole, "{piece}");
        }
        assert_ne!(all(1000, 6), whole);
        // Elsewhere a number does not go on.
        let mut umid = Umid::new(5);
        umid.apply(0, &LABEL);
        assert_eq!(umid.apply(100, &[7; 20])[..], [7; 20]);
    }
}
