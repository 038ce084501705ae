//! WavPack: each block says which sample is its first, and the first block how many there are in all (the
//! format's description, "Block Header").

/// The header of a block, of 32 bytes: where its fields are.
const HEADER: usize = 32;
const INDEX_HIGH: usize = 10;
const TOTAL_HIGH: usize = 11;
const TOTAL: std::ops::Range<usize> = 12..16;
const INDEX: std::ops::Range<usize> = 16..20;
const SAMPLES: std::ops::Range<usize> = 20..24;

/// Where a track's blocks lie.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::output) struct Blocks {
    samples: u64,
}

impl Blocks {
    /// The blocks of a packet, which belong to the same samples, with their place in the stream, if they had
    /// not got it. `whole`: the number of samples that the source's first block states is right.
    pub fn next(&mut self, packet: &[u8], whole: bool) -> Option<Vec<u8>> {
        let mut new = packet.to_vec();
        let (mut at, mut samples) = (0_usize, 0);
        // What is no block, or ends too soon, stays as it is, and what lies behind it.
        while let Some((len, count)) = new.get_mut(at..).and_then(|block| self.number(block, whole)) {
            samples = if count > 0 { count } else { samples };
            at = at.saturating_add(len);
        }
        self.samples = self.samples.saturating_add(samples.into());
        (new != packet).then_some(new)
    }

    /// Gives the block that these bytes begin with its place; its length and its samples.
    fn number(self, block: &mut [u8], whole: bool) -> Option<(usize, u32)> {
        let block = Some(block).filter(|block| block.starts_with(b"wvpk"))?;
        let len = usize::try_from(number(block, 4..8)?).ok()?.checked_add(8)?;
        let header = block.first_chunk_mut::<HEADER>()?;
        let count = number(header, SAMPLES)?;
        // A block without samples has no place.
        if count > 0 {
            let [a, b, c, d, high, ..] = self.samples.to_le_bytes();
            header.get_mut(INDEX)?.copy_from_slice(&[a, b, c, d]);
            *header.get_mut(INDEX_HIGH)? = high;
            if self.samples == 0 && !whole {
                // Unknown: the muxer writes it in the end, if it can go back.
                header.get_mut(TOTAL)?.fill(0xFF);
                *header.get_mut(TOTAL_HIGH)? = 0;
            }
        }
        Some((len, count))
    }
}

fn number(bytes: &[u8], range: std::ops::Range<usize>) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(range)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(index: u32, samples: u32, total: u32) -> Vec<u8> {
        let mut block = b"wvpk\x1C\0\0\0\x10\x04\0\0".to_vec();
        for number in [total, index, samples, 0, 0] {
            block.extend_from_slice(&number.to_le_bytes());
        }
        block.extend_from_slice(b"data");
        block
    }

    #[test]
    fn blocks_go_on_from_one_part_to_the_next() {
        let mut blocks = Blocks::default();
        assert_eq!(blocks.next(&block(24_000, 100, 5000), false), Some(block(0, 100, u32::MAX)));
        // Two blocks of one instant, of more than two channels.
        let pair = |index| [block(index, 50, 5000), block(index, 50, 5000)].concat();
        assert_eq!(blocks.next(&pair(0), false), Some(pair(100)));
        assert_eq!(blocks.next(&block(150, 1, 5000), false), None);
        assert_eq!(blocks.samples, 151);
    }

    #[test]
    fn what_is_no_block_behind_one_moves_nothing() {
        let good = block(24_000, 100, 5000);
        for rest in [&b"wvpk"[..], b"wvpk\xFF\xFF\xFF\xFF", b"wvpk\x18\0\0\0 and too short", b"anything"] {
            let mut blocks = Blocks::default();
            let (old, new) = ([&good, rest].concat(), [&block(0, 100, u32::MAX), rest].concat());
            assert_eq!(blocks.next(&old, false), Some(new), "{rest:x?}");
            assert_eq!(blocks.samples, 100, "{rest:x?}");
        }
    }

    #[test]
    fn what_is_whole_or_no_block_stays() {
        let mut blocks = Blocks::default();
        assert_eq!(blocks.next(&block(0, 100, 5000), true), None);
        assert_eq!(blocks.next(b"RIFF", true), None);
        assert_eq!(blocks.next(b"wvpk", true), None);
    }
}
