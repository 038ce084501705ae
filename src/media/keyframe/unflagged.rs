//! Streams in which no packet is flagged as a key.

use crate::{
    av::stream::Stream,
    bitstream::{Bits, Framing},
};

/// Whether decoding can begin at this packet of a stream; None where its codec, or the packet, does not tell.
/// Where a stream has no random access point at all, a picture that refers to no other is the next best.
pub(crate) fn begins_decoding(stream: &Stream, packet: &[u8]) -> Option<bool> {
    let codec = stream.codec();
    let framing = Framing::of(&codec, stream.extradata());
    let mut units = framing.units(packet);
    match codec.as_str() {
        "h264" => h264(units),
        "hevc" => hevc(units),
        "mpeg1video" | "mpeg2video" => units.find_map(mpeg_picture),
        "mpeg4" => units.find_map(vop),
        _ => None,
    }
}

/// ITU-T H.264, 7.3.1: an IDR picture, a recovery point (D.1.8), or one whose slices are all I.
fn h264<'a>(units: impl Iterator<Item = &'a [u8]>) -> Option<bool> {
    const RECOVERY_POINT: u8 = 6;
    let mut intra = None;
    for unit in units {
        match unit {
            [head, ..] if head & 31 == 5 => return Some(true),
            [head, RECOVERY_POINT, ..] if head & 31 == 6 => return Some(true),
            [head, slice @ ..] if head & 31 == 1 => {
                // first_mb_in_slice, then the type: 2 and 4 are I and SI, or 7 and 9 if all slices are.
                let mut bits = Bits::of(slice);
                bits.exp_golomb()?;
                let slice = matches!(bits.exp_golomb()?, 2 | 4 | 7 | 9);
                intra = Some(intra.unwrap_or(true) && slice);
            }
            _ => {}
        }
    }
    intra
}

/// ITU-T H.265, table 7-1: the types from BLA_W_LP to RSV_IRAP_VCL23 are random access pictures, those below
/// are others.
fn hevc<'a>(mut units: impl Iterator<Item = &'a [u8]>) -> Option<bool> {
    units.find_map(|unit| match unit.first()? >> 1 & 63 {
        16..=23 => Some(true),
        0..=15 => Some(false),
        _ => None,
    })
}

/// ISO/IEC 13818-2, 6.2.3: picture_coding_type 1 is I.
fn mpeg_picture(unit: &[u8]) -> Option<bool> {
    match unit {
        [0, _, bits, ..] => Some(bits >> 3 & 7 == 1),
        _ => None,
    }
}

/// ISO/IEC 14496-2, 6.2.5: vop_coding_type 0 is I.
fn vop(unit: &[u8]) -> Option<bool> {
    match unit {
        [0xb6, bits, ..] => Some(bits >> 6 == 0),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_h264(packet: &[u8], framing: Framing) -> Option<bool> {
        h264(framing.units(packet))
    }

    fn units(packet: &[u8]) -> impl Iterator<Item = &[u8]> {
        Framing::StartCodes.units(packet)
    }

    #[test]
    fn pictures_that_decoding_can_begin_at() {
        // Behind an access unit delimiter: IDR; an I slice (first_mb 0: 1; type 7: 0001000); a B slice (type
        // 6: 00111).
        assert_eq!(
            of_h264(&[0, 0, 0, 1, 9, 0xf0, 0, 0, 1, 0x65, 0x88, 0x80], Framing::StartCodes),
            Some(true)
        );
        assert_eq!(of_h264(&[0, 0, 0, 1, 9, 0xf0, 0, 0, 1, 1, 0x88, 0x99], Framing::StartCodes), Some(true));
        assert_eq!(of_h264(&[0, 0, 0, 1, 9, 0xf0, 0, 0, 1, 1, 0x9a, 0x86], Framing::StartCodes), Some(false));
        // One of two slices refers to other pictures; a recovery point in front of a P slice; lengths of four
        // bytes.
        assert_eq!(
            of_h264(&[0, 0, 1, 1, 0x88, 0x99, 0, 0, 1, 1, 0x9a, 0x86], Framing::StartCodes),
            Some(false)
        );
        assert_eq!(
            of_h264(&[0, 0, 1, 6, 6, 1, 0x80, 0, 0, 1, 1, 0x9a, 0x86], Framing::StartCodes),
            Some(true)
        );
        assert_eq!(of_h264(&[0, 0, 0, 2, 0x65, 0x88, 0, 0, 0, 1, 9], Framing::Lengths(4)), Some(true));
        assert_eq!(of_h264(b"nothing", Framing::StartCodes), None);
        // Types 21 (CRA) and 1 (TRAIL_R), behind parameter sets of type 32.
        assert_eq!(hevc(units(&[0, 0, 1, 0x40, 1, 0, 0, 1, 0x2a, 1])), Some(true));
        assert_eq!(hevc(units(&[0, 0, 1, 0x40, 1, 0, 0, 1, 2, 1])), Some(false));
        // A sequence header, then pictures of type 1 and 3; I- and P-VOP.
        let mpeg = |bits: u8| [0, 0, 1, 0xb3, 0x14, 0, 0, 1, 0, 0, bits, 0xff];
        assert_eq!(units(&mpeg(1 << 3)).find_map(mpeg_picture), Some(true));
        assert_eq!(units(&mpeg(3 << 3)).find_map(mpeg_picture), Some(false));
        assert_eq!(units(&[0, 0, 1, 0xb6, 0x10]).find_map(vop), Some(true));
        assert_eq!(units(&[0, 0, 1, 0xb6, 0x51]).find_map(vop), Some(false));
    }
}
