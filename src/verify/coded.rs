//! What of a packet is its picture, however its container wraps it: whether two packets are the same coded picture.

use super::compare::Hash;
use crate::av::stream::Stream;

/// How the pictures of a stream lie in its packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrapping {
    /// NAL units of H.264 (ISO/IEC 14496-10, 7.3.1) or HEVC (23008-2): behind their lengths of so many bytes, or
    /// behind start codes.
    Nal {
        lengths: Option<usize>,
        hevc: bool,
    },
    /// Start codes, of which this one begins a picture (MPEG-1, 2 and 4): what stands before it is a sequence's.
    StartCode(u8),
    /// OBUs of AV1 (5.3).
    Obu,
    Whole,
}

/// Tells the coded pictures of a stream apart.
pub(super) struct Coded(Wrapping);

impl Coded {
    pub(super) fn of(stream: &Stream) -> Self {
        let extradata = stream.extradata();
        // Configurations of MP4 begin with their version; parameter sets in Annex B with zeros.
        let lengths = |at: usize| {
            let is_configuration = extradata.first() == Some(&1);
            extradata.get(at).filter(|_| is_configuration).map(|byte| usize::from(byte & 3).saturating_add(1))
        };
        Self(match stream.codec().as_str() {
            "h264" => Wrapping::Nal { lengths: lengths(4), hevc: false },
            "hevc" => Wrapping::Nal { lengths: lengths(21), hevc: true },
            "mpeg1video" | "mpeg2video" => Wrapping::StartCode(0x00),
            "mpeg4" => Wrapping::StartCode(0xB6),
            "av1" => Wrapping::Obu,
            _ => Wrapping::Whole,
        })
    }

    /// A number for the coded picture in a packet; 0 if there is none in it.
    pub(super) fn hash(&self, packet: &[u8]) -> u64 {
        let mut hash = Hash::default();
        let mut is_empty = true;
        let mut add = |bytes: &[u8]| {
            is_empty = false;
            hash.add(bytes);
        };
        match self.0 {
            Wrapping::Nal { lengths, hevc } => {
                let units = match lengths {
                    Some(size) => by_lengths(packet, size),
                    None => by_start_codes(packet),
                };
                units.into_iter().filter(|unit| is_slice(unit, hevc)).for_each(add);
            }
            Wrapping::StartCode(code) => {
                let begins = packet.windows(4).position(|four| *four == [0, 0, 1, code]).unwrap_or(0);
                let picture = packet.get(begins..).unwrap_or_default();
                add(without_zeros(picture));
            }
            Wrapping::Obu => {
                obus(packet).into_iter().filter(|(kind, _)| is_frame(*kind)).for_each(|(_, o)| add(o))
            }
            Wrapping::Whole => add(packet),
        }
        if is_empty { 0 } else { hash.end().max(1) }
    }
}

/// NAL units end in no zero; what follows them in Annex B may.
fn without_zeros(unit: &[u8]) -> &[u8] {
    let end = unit.iter().rposition(|byte| *byte != 0).map_or(0, |last| last.saturating_add(1));
    unit.get(..end).unwrap_or_default()
}

fn by_lengths(mut packet: &[u8], size: usize) -> Vec<&[u8]> {
    let mut units = Vec::new();
    while let Some((length, rest)) = packet.split_at_checked(size) {
        let length = length.iter().fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte));
        let Some((unit, rest)) = rest.split_at_checked(length) else { break };
        units.push(without_zeros(unit));
        packet = rest;
    }
    units
}

fn by_start_codes(packet: &[u8]) -> Vec<&[u8]> {
    let (mut units, mut begins, mut at) = (Vec::new(), None, 0_usize);
    while let Some(three) = packet.get(at..at.saturating_add(3)) {
        // Of three bytes, the last tells how far the next code is at the least.
        match three {
            [0, 0, 1] => {
                units.extend(begins.and_then(|from| packet.get(from..at)));
                at = at.saturating_add(3);
                begins = Some(at);
            }
            [_, _, 0 | 1] => at = at.saturating_add(1),
            _ => at = at.saturating_add(3),
        }
    }
    units.extend(begins.and_then(|from| packet.get(from..)));
    units.into_iter().map(without_zeros).collect()
}

/// Whether a NAL unit is of a picture's samples, and of none beside them (parameter sets, messages, delimiters).
fn is_slice(unit: &[u8], hevc: bool) -> bool {
    let Some(first) = unit.first() else { return false };
    if hevc { (first >> 1) & 0x3F < 32 } else { matches!(first & 0x1F, 1..=5 | 20) }
}

/// Headers of frames, frames and tiles.
fn is_frame(kind: u8) -> bool {
    matches!(kind, 3 | 4 | 6 | 7)
}

/// The OBUs of a temporal unit with their kinds, without header and length.
fn obus(mut packet: &[u8]) -> Vec<(u8, &[u8])> {
    let mut units = Vec::new();
    while let Some((header, rest)) = packet.split_first() {
        let (kind, is_extended, has_size) = (header >> 3 & 0x0F, header & 4 != 0, header & 2 != 0);
        let rest = rest.get(usize::from(is_extended)..).unwrap_or_default();
        let (size, rest) = if has_size { leb128(rest) } else { (rest.len(), rest) };
        let Some((unit, rest)) = rest.split_at_checked(size) else { break };
        units.push((kind, unit));
        packet = rest;
    }
    units
}

fn leb128(bytes: &[u8]) -> (usize, &[u8]) {
    let mut value: u64 = 0;
    for (i, byte) in bytes.iter().take(8).enumerate() {
        let shift = u32::try_from(i).unwrap_or(0).saturating_mul(7);
        value |= u64::from(byte & 0x7F).checked_shl(shift).unwrap_or(0);
        if byte & 0x80 == 0 {
            let rest = bytes.get(i.saturating_add(1)..).unwrap_or_default();
            return (usize::try_from(value).unwrap_or(usize::MAX), rest);
        }
    }
    (usize::MAX, &[])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_picture_is_one_in_every_wrapping() {
        let by_length = Coded(Wrapping::Nal { lengths: Some(4), hevc: false });
        let by_code = Coded(Wrapping::Nal { lengths: None, hevc: false });
        let stored = [&[0, 0, 0, 3, 0x65, 7, 8][..], &[0, 0, 0, 2, 6, 9], &[0, 0, 0, 2, 0x41, 5]].concat();
        let sent = [
            &[0, 0, 0, 1, 9, 0x10][..],
            &[0, 0, 0, 1, 0x67, 1],
            &[0, 0, 1, 0x65, 7, 8, 0, 0],
            &[0, 0, 1, 0x41, 5],
        ]
        .concat();
        assert_eq!(by_length.hash(&stored), by_code.hash(&sent));
        let other = [&[0, 0, 0, 1, 0x65, 7, 9][..], &[0, 0, 1, 0x41, 5]].concat();
        assert_ne!(by_code.hash(&sent), by_code.hash(&other));
        assert_eq!(by_code.hash(&[0, 0, 1, 9, 0x10]), 0, "no picture");
    }

    #[test]
    fn headers_of_a_sequence_are_no_picture() {
        let mpeg = Coded(Wrapping::StartCode(0));
        let bare = [0, 0, 1, 0, 1, 2, 3];
        let headed = [&[0, 0, 1, 0xB3, 9, 9][..], &bare, &[0, 0]].concat();
        assert_eq!(mpeg.hash(&bare), mpeg.hash(&headed));
        let av1 = Coded(Wrapping::Obu);
        // A temporal delimiter, a sequence header; the same frame without a length.
        let sent = [0x12, 0, 0x0A, 1, 5, 0x32, 2, 8, 9];
        let stored = [0x30, 8, 9];
        assert_eq!(av1.hash(&sent), av1.hash(&stored));
    }

    #[test]
    fn what_is_damaged_ends_somewhere() {
        for coded in [
            Wrapping::Nal { lengths: Some(4), hevc: true },
            Wrapping::Nal { lengths: None, hevc: false },
            Wrapping::StartCode(0),
            Wrapping::Obu,
            Wrapping::Whole,
        ] {
            for bytes in [&[][..], &[0xFF; 40], &[0; 40], &[0, 0, 1], &[0x7A, 0xFF, 0xFF, 0xFF]] {
                Coded(coded).hash(bytes);
            }
        }
    }
}
