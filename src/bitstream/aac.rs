//! Frames of AAC (ISO/IEC 14496-3, 4.4): how each goes into the next, and what a stream of them is.

use super::Bits;

/// Audio object type of AAC-LC (ISO/IEC 14496-3, table 1.17).
const LC: u32 = 2;
/// Of the sync extension that tells of SBR (1.6.6.2).
const EXTENSION: u32 = 0x2b7;

/// How a frame's windows overlap with those of the frames beside it: the halves of two that meet have to be of one
/// length, or neither comes out right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Windows {
    pub begins_long: bool,
    pub ends_long: bool,
}

impl Windows {
    /// Of the first channel of a frame (raw_data_block, without a header of ADTS). None where something else comes
    /// first.
    pub(crate) fn of(frame: &[u8]) -> Option<Self> {
        let mut bits = Bits::of(frame);
        loop {
            match bits.take(3)? {
                // A single channel: its tag and its gain.
                0 => {
                    bits.take(12)?;
                }
                1 => {
                    bits.take(4)?;
                    // The windows are one for both channels, or the first one's own, behind its gain.
                    if !bits.flag()? {
                        bits.take(8)?;
                    }
                }
                6 => {
                    let mut count = bits.number(4)?;
                    if count == 15 {
                        count = count.saturating_add(bits.number(8)?).saturating_sub(1);
                    }
                    bits.take(count.saturating_mul(8))?;
                    continue;
                }
                _ => return None,
            }
            // ics_reserved_bit, and window_sequence: only long, long start, eight short, long stop.
            bits.take(1)?;
            let sequence = bits.take(2)?;
            return Some(Self { begins_long: sequence < 2, ends_long: sequence == 0 || sequence == 3 });
        }
    }
}

/// What frames have to agree in to be of one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LowComplexity {
    pub rate_index: u32,
    pub channels: u32,
}

impl LowComplexity {
    /// Of an AudioSpecificConfig (1.6.2.1). None for what is no AAC-LC of 1,024 samples a frame, or says its channels
    /// elsewhere.
    pub(crate) fn of_configuration(bytes: &[u8]) -> Option<Self> {
        let mut bits = Bits::of(bytes);
        let is_lc = bits.take(5)? == LC;
        let rate_index = bits.take(4).filter(|index| *index < 15)?;
        let channels = bits.take(4).filter(|channels| *channels > 0)?;
        let is_short = bits.flag()?;
        // dependsOnCoreCoder and extensionFlag.
        bits.take(2)?;
        let has_more =
            bits.take(11) == Some(EXTENSION) && bits.take(5) == Some(5) && bits.flag() == Some(true);
        (is_lc && !is_short && !has_more).then_some(Self { rate_index, channels })
    }

    /// Of a header of ADTS (1.A.2.2), if it is in front of one frame.
    pub(crate) fn of_adts(packet: &[u8]) -> Option<Self> {
        adts_length(packet)?;
        let mut bits = Bits::of(packet);
        bits.take(16)?;
        let is_lc = bits.take(2)? == LC.saturating_sub(1);
        let rate_index = bits.take(4)?;
        bits.take(1)?;
        let channels = bits.take(3).filter(|channels| *channels > 0)?;
        is_lc.then_some(Self { rate_index, channels })
    }
}

/// How long the header of ADTS in front of a packet's one frame is; None where there is no such header.
pub(crate) fn adts_length(packet: &[u8]) -> Option<usize> {
    match packet {
        // syncword, layer 0; at the end number_of_raw_data_blocks_in_frame.
        [0xff, second, _, _, _, _, last, ..] if second & 0xf6 == 0xf0 && last & 3 == 0 => {
            Some(if second & 1 == 1 { 7 } else { 9 })
        }
        _ => None,
    }
}

/// A frame behind a header like that of a packet.
pub(crate) fn with_adts_of(packet: &[u8], frame: &[u8]) -> Option<Vec<u8>> {
    adts_length(packet)?;
    let [a, b, c, d, .., g] = *packet.first_chunk::<7>()?;
    let length = u32::try_from(frame.len().checked_add(7)?).ok().filter(|length| *length < 1 << 13)?;
    let [_, _, high, low] = (length << 5).to_be_bytes();
    let top = u8::try_from(length >> 11).ok()?;
    // Without a checksum; behind the length 11 bits of ones, for a rate that varies.
    let header = [a, b | 1, c, d & 0xfc | top, high, low | 0x1f, g | 0xfc];
    Some([&header, frame].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_tells_how_long_its_frame_is() {
        let own = [0xff, 0xf1, 0x50, 0x80, 0x2e, 0x7f, 0xfc, 1, 2, 3];
        let frame = vec![7; 5000];
        let made = with_adts_of(&own, &frame).unwrap();
        let length = usize::from(made[3] & 3) << 11 | usize::from(made[4]) << 3 | usize::from(made[5] >> 5);
        assert_eq!((length, made.len(), &made[7..]), (5007, 5007, &frame[..]));
        assert_eq!(LowComplexity::of_adts(&made), LowComplexity::of_adts(&own));
        assert_eq!(LowComplexity::of_adts(&own), Some(LowComplexity { rate_index: 4, channels: 2 }));
        assert_eq!(with_adts_of(&own, &vec![0; 9000]), None);
        assert_eq!(with_adts_of(&[0x21, 0x10, 4, 0, 0, 0, 0], &frame), None);
    }

    #[test]
    fn a_configuration_tells_what_is_not_of_low_complexity() {
        let of = LowComplexity::of_configuration;
        assert_eq!(of(&[0x12, 0x10]), Some(LowComplexity { rate_index: 4, channels: 2 }));
        assert_eq!(of(&[0x11, 0x90, 0x56, 0xe5, 0x00]), Some(LowComplexity { rate_index: 3, channels: 2 }));
        // Half of the rate with SBR, told at the end and in front; 960 samples a frame.
        assert_eq!(of(&[0x13, 0x10, 0x56, 0xe5, 0x98]), None);
        assert_eq!((of(&[0x2b, 0x11, 0x88, 0x00]), of(&[0x12, 0x14]), of(&[])), (None, None, None));
    }

    #[test]
    fn a_frame_tells_its_windows() {
        // A pair with windows in common, which start to be short; a fill element of one byte in front of a single one.
        assert_eq!(
            Windows::of(&[0b0010_0001, 0b0010_0000]),
            Some(Windows { begins_long: true, ends_long: false })
        );
        let filled = [0b1100_0010, 0, 0, 0b0000_0001, 0b1000_0000];
        assert_eq!(Windows::of(&filled), Some(Windows { begins_long: false, ends_long: true }));
        assert_eq!((Windows::of(&[0xe0]), Windows::of(&[])), (None, None));
    }
}
