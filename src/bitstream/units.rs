//! NAL units of H.264 and HEVC, and what other codecs put behind start codes.

/// How the units of a stream lie in its packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// Behind 0, 0, 1 (Annex B of H.264 and HEVC; MPEG-1, 2 and 4).
    StartCodes,
    /// Behind their lengths of so many bytes, 1 to 4, as MP4 and Matroska have them.
    Lengths(usize),
}

impl Framing {
    /// As a codec (by libav's name) and its extradata say: configurations of MP4 begin with their version,
    /// parameter sets in Annex B with zeros. The two bits are the size of a length, less 1.
    pub(crate) fn of(codec: &str, extradata: &[u8]) -> Self {
        let size = match (codec, extradata) {
            ("h264", [1, _, _, _, bits, ..]) => Some(*bits),
            ("hevc", [1, ..]) => extradata.get(21).copied(),
            _ => None,
        };
        size.map_or(Self::StartCodes, |bits| Self::Lengths(usize::from(bits & 3).saturating_add(1)))
    }

    /// The units of a packet, none of them empty. What breaks off is left out.
    pub(crate) fn units(self, packet: &[u8]) -> impl Iterator<Item = &[u8]> {
        let mut rest = match self {
            Self::StartCodes => behind_start_code(packet).1,
            Self::Lengths(_) => packet,
        };
        let next = move || {
            let unit = match self {
                Self::StartCodes => {
                    if rest.is_empty() {
                        return None;
                    }
                    let (unit, next) = behind_start_code(rest);
                    rest = next;
                    unit
                }
                Self::Lengths(size) => {
                    let (length, behind) = rest.split_at_checked(size)?;
                    let length = length.iter().fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte));
                    let (unit, next) = behind.split_at_checked(length)?;
                    rest = next;
                    unit
                }
            };
            Some(without_zeros(unit))
        };
        std::iter::from_fn(next).filter(|unit| !unit.is_empty())
    }

    /// A packet with bytes in front: behind the first unit, if that is to stay the first one.
    pub(crate) fn with_front(self, packet: &[u8], front: &[u8], stays: impl Fn(&[u8]) -> bool) -> Vec<u8> {
        let first = self.units(packet).next().filter(|unit| stays(unit));
        let at = first.and_then(|unit| match self {
            Self::StartCodes => {
                let mut codes = packet.windows(3).enumerate().filter(|(_, code)| *code == [0, 0, 1]);
                let (at, _) = codes.nth(1)?;
                // A code may begin with one more zero.
                let longer = at.checked_sub(1).filter(|before| packet.get(*before) == Some(&0));
                Some(longer.unwrap_or(at))
            }
            Self::Lengths(size) => size.checked_add(unit.len()),
        });
        let (first, rest) = at.and_then(|at| packet.split_at_checked(at)).unwrap_or((&[], packet));
        [first, front, rest].concat()
    }

    /// Puts a unit behind others; None where its length does not fit.
    pub(crate) fn put(self, unit: &[u8], to: &mut Vec<u8>) -> Option<()> {
        match self {
            Self::StartCodes => to.extend([0, 0, 0, 1]),
            Self::Lengths(size) => {
                let length = u32::try_from(unit.len()).ok()?.to_be_bytes();
                let (high, low) = length.split_at_checked(4_usize.checked_sub(size)?)?;
                high.iter().all(|byte| *byte == 0).then_some(())?;
                to.extend_from_slice(low);
            }
        }
        to.extend_from_slice(unit);
        Some(())
    }
}

/// What lies in front of the next start code, and what behind it.
fn behind_start_code(bytes: &[u8]) -> (&[u8], &[u8]) {
    let mut at = 0_usize;
    while let Some(three) = bytes.get(at..at.saturating_add(3)) {
        // Of three bytes, the last tells how far the next code is at the least.
        at = match three {
            [0, 0, 1] => {
                let (unit, rest) = bytes.split_at_checked(at).unwrap_or((bytes, &[]));
                return (unit, rest.get(3..).unwrap_or_default());
            }
            [_, _, 0 | 1] => at.saturating_add(1),
            _ => at.saturating_add(3),
        };
    }
    (bytes, &[])
}

/// NAL units end in no zero; what follows them in Annex B may.
pub(crate) fn without_zeros(unit: &[u8]) -> &[u8] {
    let end = unit.iter().rposition(|byte| *byte != 0).map_or(0, |last| last.saturating_add(1));
    unit.get(..end).unwrap_or_default()
}

/// A unit without the bytes that keep start codes out of it (ITU-T H.264, 7.3.1; H.265, 7.3.1.1).
pub(crate) fn unescaped(unit: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(unit.len());
    let mut zeros: u8 = 0;
    for byte in unit {
        if zeros >= 2 && *byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if *byte == 0 { zeros.saturating_add(1) } else { 0 };
        bytes.push(*byte);
    }
    bytes
}

/// A unit with them (7.4.1).
pub(crate) fn escaped(bytes: &[u8]) -> Vec<u8> {
    const PREVENTION: u8 = 3;
    let mut unit = Vec::with_capacity(bytes.len().saturating_add(8));
    let mut zeros: u8 = 0;
    for byte in bytes {
        if zeros >= 2 && *byte <= 3 {
            unit.push(PREVENTION);
            zeros = 0;
        }
        zeros = if *byte == 0 { zeros.saturating_add(1) } else { 0 };
        unit.push(*byte);
    }
    // Zeros at the end (cabac_zero_words) would be taken for those of the next start code.
    if zeros >= 2 {
        unit.push(PREVENTION);
    }
    unit
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(framing: Framing, packet: &[u8]) -> Vec<&[u8]> {
        framing.units(packet).collect()
    }

    #[test]
    fn units_are_the_same_in_both_framings() {
        let sent = [0, 0, 0, 1, 9, 0x10, 0, 0, 1, 0x65, 7, 8, 0, 0, 0, 0, 1, 0x41, 5];
        let stored = [0, 2, 9, 0x10, 0, 0, 0, 3, 0x65, 7, 8, 0, 3, 0x41, 5, 0];
        let expected: [&[u8]; 3] = [&[9, 0x10], &[0x65, 7, 8], &[0x41, 5]];
        assert_eq!(units(Framing::StartCodes, &sent), expected);
        assert_eq!(units(Framing::Lengths(2), &stored), expected);
        // Breaks off; no code; nothing.
        assert_eq!(units(Framing::Lengths(2), &stored[..13]), expected[..2]);
        assert!(units(Framing::StartCodes, b"nothing").is_empty());
        assert!(units(Framing::Lengths(4), &[0xFF; 4]).is_empty());
        assert!(units(Framing::StartCodes, &[0, 0, 1]).is_empty());
        assert_eq!(units(Framing::StartCodes, &[0, 0, 1, 0, 0, 1, 5]), [[5]]);
    }

    #[test]
    fn units_are_put_as_they_are_taken() {
        for framing in [Framing::StartCodes, Framing::Lengths(1), Framing::Lengths(4)] {
            let mut packet = Vec::new();
            framing.put(&[0x65, 7], &mut packet).unwrap();
            framing.put(&[9], &mut packet).unwrap();
            assert_eq!(units(framing, &packet), [&[0x65, 7][..], &[9]]);
        }
        assert_eq!(Framing::Lengths(1).put(&[1; 256], &mut Vec::new()), None);
        assert_eq!(Framing::Lengths(5).put(&[1], &mut Vec::new()), None);
    }

    #[test]
    fn what_is_put_in_front_of_a_packet() {
        let is_nine = |unit: &[u8]| unit[0] == 9;
        let put = |framing: Framing, packet: &[u8]| framing.with_front(packet, &[7, 7], is_nine);
        let annex_b = [0, 0, 0, 1, 9, 16, 0, 0, 0, 1, 6, 5, 0, 0, 1, 8];
        assert_eq!(put(Framing::StartCodes, &annex_b), [&annex_b[..6], &[7, 7], &annex_b[6..]].concat());
        assert_eq!(put(Framing::StartCodes, &annex_b[6..]), [&[7, 7], &annex_b[6..]].concat());
        assert_eq!(put(Framing::Lengths(1), &[2, 9, 16, 1, 6]), [2, 9, 16, 7, 7, 1, 6]);
        assert_eq!(put(Framing::Lengths(1), &[1, 6]), [7, 7, 1, 6]);
        assert_eq!(put(Framing::StartCodes, &[0, 0, 1, 9]), [7, 7, 0, 0, 1, 9]);
    }

    #[test]
    fn no_start_code_is_in_what_is_escaped() {
        // Table 7-1's note in H.264: 0, 0 and what is at most 3 gets a 3 between.
        assert_eq!(escaped(&[0, 0, 0, 0, 0, 1, 0, 0, 4]), [0, 0, 3, 0, 0, 3, 0, 1, 0, 0, 4]);
        assert_eq!(escaped(&[5, 0, 0]), [5, 0, 0, 3]);
        for bytes in [&[0, 0, 3, 0, 0, 2][..], &[0; 8], &[1, 0, 0], &[0, 0, 3], &[]] {
            let unit = escaped(bytes);
            assert!(!unit.windows(3).any(|three| matches!(three, [0, 0, 0..=2])), "{unit:?}");
            assert_eq!(unescaped(&unit), bytes);
        }
    }

    #[test]
    fn the_framing_is_what_the_configuration_says() {
        assert_eq!(Framing::of("h264", &[1, 100, 0, 31, 0xFD, 0xE1]), Framing::Lengths(2));
        assert_eq!(Framing::of("h264", &[0, 0, 0, 1, 0x67]), Framing::StartCodes);
        let mut hvcc = [0; 23];
        (hvcc[0], hvcc[21]) = (1, 0x0F);
        assert_eq!(Framing::of("hevc", &hvcc), Framing::Lengths(4));
        assert_eq!(Framing::of("hevc", &hvcc[..21]), Framing::StartCodes);
        assert_eq!(Framing::of("mpeg4", &[1, 2, 3, 4, 5]), Framing::StartCodes);
    }
}
