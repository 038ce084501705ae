//! What H.264 says in front of its pictures (ISO/IEC 14496-10, 7.3.2.1.1).

use crate::bitstream::Bits;

/// Whether a stream's sequence header, in MP4's form or in a bit stream's, says that its pictures have no
/// chroma.
pub(super) fn is_without_chroma(extradata: &[u8]) -> bool {
    // The bytes of the first sequence parameter set, from its profile on.
    let header = match extradata {
        // avcC: six bytes in front, two for the length, and the NAL unit's own first one.
        [1, _, _, _, _, _, _, _, _, rest @ ..] => Some(rest),
        _ => extradata
            .windows(4)
            .position(|four| matches!(four, [0, 0, 1, kind] if kind & 31 == 7))
            .and_then(|begin| extradata.get(begin.checked_add(4)?..)),
    };
    let Some([profile, _, _, coded @ ..]) = header else { return false };
    // Others have no such field, and 4:2:0.
    let names_chroma =
        matches!(profile, 100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128 | 138 | 139 | 134 | 135);
    let mut bits = Bits::of(coded);
    let (_id, chroma) = (bits.exp_golomb(), bits.exp_golomb());
    names_chroma && chroma == Some(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From x264, of 640x360 pixels, in High profile: with chroma, and without.
    const WITH: [u8; 8] = [0x67, 0x64, 0x00, 0x1e, 0xac, 0xd9, 0x40, 0xa0];
    const WITHOUT: [u8; 8] = [0x67, 0x64, 0x00, 0x1e, 0xf3, 0x65, 0x02, 0x80];

    #[test]
    fn it_is_read_in_both_forms() {
        for (header, expected) in [(WITH, false), (WITHOUT, true)] {
            let in_mp4 = [&[1, 0x64, 0, 0x1e, 0xff, 0xe1, 0, 8][..], &header].concat();
            assert_eq!(is_without_chroma(&in_mp4), expected);
            assert_eq!(is_without_chroma(&[&[0, 0, 0, 1][..], &header].concat()), expected);
        }
        // Baseline has no such field; nor is there one in what is cut short.
        assert!(!is_without_chroma(&[0, 0, 0, 1, 0x67, 66, 0, 30, 0xff, 0xff]));
        for short in [&[][..], &[1], &[0, 0, 1, 0x67], &[0, 0, 1, 0x67, 100, 0, 30]] {
            assert!(!is_without_chroma(short));
        }
    }
}
