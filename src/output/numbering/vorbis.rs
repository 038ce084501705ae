//! Vorbis (the Vorbis I specification, section 4.2.2): how long its blocks are.

/// The identification header, its kind in front of it, and where in it the sizes of the blocks are.
const HEADER: &[u8] = b"\x01vorbis";
const BLOCKS: usize = 28;

/// Samples in the longer of its two kinds of blocks, by its configuration.
pub(in crate::output) fn longest_block(configuration: &[u8]) -> Option<i64> {
    let begin = configuration.windows(HEADER.len()).position(|bytes| bytes == HEADER)?;
    let exponent = configuration.get(begin.checked_add(BLOCKS)?)? >> 4;
    (6..=13).contains(&exponent).then(|| 1_i64 << exponent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longer_block_is_the_upper_half_of_its_byte() {
        let mut header = vec![2, 30, 40];
        header.extend_from_slice(HEADER);
        header.resize(3 + BLOCKS, 0);
        assert_eq!(longest_block(&header), None);
        header.push(0xB8);
        assert_eq!(longest_block(&header), Some(2048));
        // 13 is the largest that there is.
        *header.last_mut().unwrap() = 0xE8;
        assert_eq!(longest_block(&header), None);
        assert_eq!(longest_block(b"vorbis"), None);
    }
}
