//! AAC's configuration (ISO/IEC 14496-3, 1.6.2.1): AudioSpecificConfig.

/// What of it says how packets are decoded, of AAC-LC without an extension; None of all else.
fn plain(configuration: &[u8]) -> Option<[u8; 2]> {
    const LOW_COMPLEXITY: u8 = 2;
    let [high, low, rest @ ..] = configuration else { return None };
    // Five bits of the type, four of the rate's number (15: the rate follows), four of channels, three flags.
    let (kind, rate) = (high >> 3, (high & 7) << 1 | low >> 7);
    let channels = low >> 3 & 15;
    if kind != LOW_COMPLEXITY || rate == 15 || channels == 0 {
        return None;
    }
    // Behind it stands nothing, or that there is no spectral band replication (11 bits of sync, 5 of its type).
    let is_without = match rest {
        [] => true,
        [0x56, 0xE5, flags, ..] => flags >> 7 == 0,
        _ => false,
    };
    is_without.then_some([*high, *low])
}

/// Whether packets with one configuration can follow ones with another.
pub(super) fn goes_on(first: &[u8], other: &[u8]) -> bool {
    plain(first).zip(plain(other)).is_some_and(|(first, other)| first == other)
}

#[cfg(test)]
mod tests {
    use super::goes_on;

    #[test]
    fn configurations_that_mean_the_same_go_on() {
        // FFmpeg's encoder says that there is no extension, others say nothing.
        let (ours, others) = ([0x11, 0x90, 0x56, 0xE5, 0], [0x11, 0x90]);
        assert!(goes_on(&ours, &others) && goes_on(&others, &ours));
        // Mono; 44.1 kHz; HE-AAC, in two ways; nothing (ADTS).
        for other in
            [&[0x11, 0x88][..], &[0x12, 0x10], &[0x2B, 0x11, 0x88, 0], &[0x11, 0x90, 0x56, 0xE5, 0x80], &[]]
        {
            assert!(!goes_on(&others, other), "{other:?}");
        }
        // Frames of 960 samples.
        assert!(!goes_on(&others, &[0x11, 0x94]));
    }
}
