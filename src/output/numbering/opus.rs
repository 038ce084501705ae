//! Opus (RFC 6716, RFC 7845): how long a packet is, and how much of the first ones is not to be heard.

/// Samples are counted at this rate, whatever the sound's.
pub(in crate::output) const RATE: i64 = 48_000;

/// Of OpusHead (RFC 7845, section 5.1): the pre-skip's place, and those of fields that do not matter to a
/// decoder.
const PRE_SKIP: std::ops::Range<usize> = 10..12;
const INPUT_RATE: std::ops::Range<usize> = 12..16;

/// Samples that decoders leave out at the beginning, of 48,000 a second.
pub(super) fn pre_skip(head: &[u8]) -> Option<u16> {
    let bytes = head.get(PRE_SKIP)?.try_into().ok()?;
    head.starts_with(b"OpusHead").then(|| u16::from_le_bytes(bytes))
}

/// The same OpusHead with another pre-skip.
pub(super) fn with_pre_skip(head: &[u8], samples: u16) -> Vec<u8> {
    let mut head = head.to_vec();
    if let Some(field) = head.get_mut(PRE_SKIP) {
        field.copy_from_slice(&samples.to_le_bytes());
    }
    head
}

/// Whether packets of one stream can follow another's: their beginnings may differ, and what the encoder was
/// fed with.
pub(super) fn goes_on(first: &[u8], other: &[u8]) -> bool {
    let plain = |head: &[u8]| {
        pre_skip(head)?;
        let mut head = head.to_vec();
        head.get_mut(PRE_SKIP)?.fill(0);
        head.get_mut(INPUT_RATE)?.fill(0);
        Some(head)
    };
    plain(first).is_some_and(|first| plain(other) == Some(first))
}

/// Samples in a packet (RFC 6716, section 3.1 and 3.2.5), at most 120 ms.
pub(super) fn samples(packet: &[u8]) -> Option<i64> {
    let toc = *packet.first()?;
    let frame: i64 = match toc >> 3 {
        config @ 0..=11 => [480, 960, 1920, 2880].get(usize::from(config & 3)).copied()?,
        config @ 12..=15 => 480 << (config & 1),
        config => 120 << (config & 3),
    };
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => i64::from(packet.get(1)? & 0x3F),
    };
    Some(frame.saturating_mul(frames)).filter(|samples| (1..=RATE / 1000 * 120).contains(samples))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_as_long_as_their_first_byte_says() {
        // The table of section 3.1: SILK of 10 to 60 ms, hybrid of 10 and 20, CELT of 2.5 to 20.
        let millis = |config: u8| samples(&[config << 3]).unwrap() as f64 / 48.0;
        let table =
            [[10.0, 20.0, 40.0, 60.0].repeat(3), [10.0, 20.0].repeat(2), [2.5, 5.0, 10.0, 20.0].repeat(4)]
                .concat();
        assert_eq!((0..32).map(millis).collect::<Vec<_>>(), table);
        assert_eq!(samples(&[3 << 3 | 1]), Some(5760), "two frames of 60 ms");
        assert_eq!(samples(&[31 << 3 | 3, 6]), Some(5760), "six frames of 20 ms");
        assert_eq!(samples(&[3 << 3 | 3, 3]), None, "more than 120 ms");
        assert_eq!(samples(&[3]), None, "cut short");
        assert_eq!(samples(&[3, 0]), None, "no frame at all");
        assert_eq!(samples(&[]), None);
    }

    #[test]
    fn heads_differ_in_what_matters() {
        let head = b"OpusHead\x01\x02\x38\x01\x80\xBB\0\0\0\0\0";
        assert_eq!(pre_skip(head), Some(312));
        let other = with_pre_skip(head, 65_535);
        assert_eq!((pre_skip(&other), other.len()), (Some(65_535), head.len()));
        assert!(goes_on(head, &other));
        let mut mono = other;
        mono[9] = 1;
        assert!(!goes_on(head, &mono));
        assert!(!goes_on(b"", b""));
    }
}
