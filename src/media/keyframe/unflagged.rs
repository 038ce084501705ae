//! Streams in which no packet is flagged as a key.

use super::Bits;
use crate::av::stream::Stream;

/// Whether decoding can begin at this packet of a stream; None where its codec, or the packet, does not tell.
/// Where a stream has no random access point at all, a picture that refers to no other is the next best.
pub(crate) fn begins_decoding(stream: &Stream, packet: &[u8]) -> Option<bool> {
    let lengths = match stream.extradata() {
        // avcC and hvcC begin with their version; the two bits are the size of a length, less 1.
        [1, _, _, _, bits, ..] if stream.codec() == "h264" => Some(usize::from(bits & 3).saturating_add(1)),
        [1, rest @ ..] if stream.codec() == "hevc" => {
            rest.get(20).map(|bits| usize::from(bits & 3).saturating_add(1))
        }
        _ => None,
    };
    match stream.codec().as_str() {
        "h264" => h264(units(packet, lengths)),
        "hevc" => hevc(units(packet, lengths)),
        "mpeg1video" | "mpeg2video" => units(packet, None).find_map(mpeg_picture),
        "mpeg4" => units(packet, None).find_map(vop),
        _ => None,
    }
}

/// What lies between start codes, or behind lengths of so many bytes.
fn units(packet: &[u8], lengths: Option<usize>) -> impl Iterator<Item = &[u8]> {
    let mut rest = match lengths {
        Some(_) => packet,
        None => behind_start_code(packet).unwrap_or_default(),
    };
    std::iter::from_fn(move || {
        let unit = match lengths {
            Some(size) => {
                let (length, behind) = rest.split_at_checked(size)?;
                let length = length.iter().fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte));
                let (unit, next) = behind.split_at_checked(length)?;
                rest = next;
                unit
            }
            None => {
                let unit = rest;
                rest = behind_start_code(unit).unwrap_or_default();
                unit
            }
        };
        (!unit.is_empty()).then_some(unit)
    })
}

fn behind_start_code(bytes: &[u8]) -> Option<&[u8]> {
    let at = bytes.windows(3).position(|window| window == [0, 0, 1])?;
    bytes.get(at.saturating_add(3)..)
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

    fn of_h264(packet: &[u8], lengths: Option<usize>) -> Option<bool> {
        h264(units(packet, lengths))
    }

    #[test]
    fn pictures_that_decoding_can_begin_at() {
        // Behind an access unit delimiter: IDR; an I slice (first_mb 0: 1; type 7: 0001000); a B slice (type
        // 6: 00111).
        assert_eq!(of_h264(&[0, 0, 0, 1, 9, 0xf0, 0, 0, 1, 0x65, 0x88, 0x80], None), Some(true));
        assert_eq!(of_h264(&[0, 0, 0, 1, 9, 0xf0, 0, 0, 1, 1, 0x88, 0x99], None), Some(true));
        assert_eq!(of_h264(&[0, 0, 0, 1, 9, 0xf0, 0, 0, 1, 1, 0x9a, 0x86], None), Some(false));
        // One of two slices refers to other pictures; a recovery point in front of a P slice; lengths of four
        // bytes.
        assert_eq!(of_h264(&[0, 0, 1, 1, 0x88, 0x99, 0, 0, 1, 1, 0x9a, 0x86], None), Some(false));
        assert_eq!(of_h264(&[0, 0, 1, 6, 6, 1, 0x80, 0, 0, 1, 1, 0x9a, 0x86], None), Some(true));
        assert_eq!(of_h264(&[0, 0, 0, 2, 0x65, 0x88, 0, 0, 0, 1, 9], Some(4)), Some(true));
        assert_eq!(of_h264(b"nothing", None), None);
        // Types 21 (CRA) and 1 (TRAIL_R), behind parameter sets of type 32.
        assert_eq!(hevc(units(&[0, 0, 1, 0x40, 1, 0, 0, 1, 0x2a, 1], None)), Some(true));
        assert_eq!(hevc(units(&[0, 0, 1, 0x40, 1, 0, 0, 1, 2, 1], None)), Some(false));
        // A sequence header, then pictures of type 1 and 3; I- and P-VOP.
        let mpeg = |bits: u8| [0, 0, 1, 0xb3, 0x14, 0, 0, 1, 0, 0, bits, 0xff];
        assert_eq!(units(&mpeg(1 << 3), None).find_map(mpeg_picture), Some(true));
        assert_eq!(units(&mpeg(3 << 3), None).find_map(mpeg_picture), Some(false));
        assert_eq!(units(&[0, 0, 1, 0xb6, 0x10], None).find_map(vop), Some(true));
        assert_eq!(units(&[0, 0, 1, 0xb6, 0x51], None).find_map(vop), Some(false));
    }
}
