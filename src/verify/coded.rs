//! What of a packet is its picture, however its container wraps it: whether two packets are the same coded picture.

use super::compare::Hash;
use crate::{
    av::stream::Stream,
    bitstream::{Framing, Obu, obus, without_zeros},
};

/// Pictures of fewer bytes may say the same of different ones: that all stays as it was, or that one is shown again.
const ALIKE: usize = 64;

/// How the pictures of a stream lie in its packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrapping {
    /// NAL units of H.264 (ISO/IEC 14496-10, 7.3.1) or HEVC (23008-2): behind their lengths of so many bytes, or
    /// behind start codes.
    Nal {
        framing: Framing,
        hevc: bool,
    },
    /// Start codes, of which this one begins a picture (MPEG-1, 2 and 4): what stands before it is a sequence's.
    StartCode(u8),
    /// OBUs of AV1 (5.3).
    Obu,
    Whole,
}

/// Tells the coded pictures of a stream apart.
pub(super) struct Coded {
    wrapping: Wrapping,
    /// The last packet's: a small one is known by what it follows.
    last: u64,
}

impl Coded {
    pub(super) fn of(stream: &Stream) -> Self {
        let codec = stream.codec();
        let framing = Framing::of(&codec, stream.extradata());
        let wrapping = match codec.as_str() {
            "h264" => Wrapping::Nal { framing, hevc: false },
            "hevc" => Wrapping::Nal { framing, hevc: true },
            "mpeg1video" | "mpeg2video" => Wrapping::StartCode(0x00),
            "mpeg4" => Wrapping::StartCode(0xB6),
            "av1" => Wrapping::Obu,
            _ => Wrapping::Whole,
        };
        Self::with(wrapping)
    }

    fn with(wrapping: Wrapping) -> Self {
        Self { wrapping, last: 0 }
    }

    /// A number for the coded picture in a packet; 0 if there is none in it.
    pub(super) fn hash(&mut self, packet: &[u8]) -> u64 {
        let mut hash = Hash::default();
        let (mut is_empty, mut len) = (true, 0_usize);
        let mut add = |bytes: &[u8]| {
            is_empty = false;
            len = len.saturating_add(bytes.len());
            hash.add(bytes);
        };
        match self.wrapping {
            Wrapping::Nal { framing, hevc } => {
                framing.units(packet).filter(|unit| is_slice(unit, hevc)).for_each(add);
            }
            Wrapping::StartCode(code) => {
                let begins = packet.windows(4).position(|four| *four == [0, 0, 1, code]).unwrap_or(0);
                let picture = packet.get(begins..).unwrap_or_default();
                add(without_zeros(picture));
            }
            Wrapping::Obu => obus(packet).filter(Obu::is_of_frame).for_each(|obu| add(obu.payload)),
            Wrapping::Whole => add(packet),
        }
        if len < ALIKE {
            hash.add(&self.last.to_be_bytes());
        }
        self.last = if is_empty { 0 } else { hash.end().max(1) };
        self.last
    }
}

/// Whether a NAL unit is of a picture's samples, and of none beside them (parameter sets, messages, delimiters).
fn is_slice(unit: &[u8], hevc: bool) -> bool {
    let Some(first) = unit.first() else { return false };
    if hevc { (first >> 1) & 0x3F < 32 } else { matches!(first & 0x1F, 1..=5 | 20) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_picture_is_one_in_every_wrapping() {
        let by_length = |packet: &[u8]| {
            Coded::with(Wrapping::Nal { framing: Framing::Lengths(4), hevc: false }).hash(packet)
        };
        let by_code = |packet: &[u8]| {
            Coded::with(Wrapping::Nal { framing: Framing::StartCodes, hevc: false }).hash(packet)
        };
        let stored = [&[0, 0, 0, 3, 0x65, 7, 8][..], &[0, 0, 0, 2, 6, 9], &[0, 0, 0, 2, 0x41, 5]].concat();
        let sent = [
            &[0, 0, 0, 1, 9, 0x10][..],
            &[0, 0, 0, 1, 0x67, 1],
            &[0, 0, 1, 0x65, 7, 8, 0, 0],
            &[0, 0, 1, 0x41, 5],
        ]
        .concat();
        assert_eq!(by_length(&stored), by_code(&sent));
        let other = [&[0, 0, 0, 1, 0x65, 7, 9][..], &[0, 0, 1, 0x41, 5]].concat();
        assert_ne!(by_code(&sent), by_code(&other));
        assert_eq!(by_code(&[0, 0, 1, 9, 0x10]), 0, "no picture");
    }

    #[test]
    fn headers_of_a_sequence_are_no_picture() {
        let mpeg = |packet: &[u8]| Coded::with(Wrapping::StartCode(0)).hash(packet);
        let bare = [0, 0, 1, 0, 1, 2, 3];
        let headed = [&[0, 0, 1, 0xB3, 9, 9][..], &bare, &[0, 0]].concat();
        assert_eq!(mpeg(&bare), mpeg(&headed));
        let av1 = |packet: &[u8]| Coded::with(Wrapping::Obu).hash(packet);
        // A temporal delimiter, a sequence header; the same frame without a length.
        let sent = [0x12, 0, 0x0A, 1, 5, 0x32, 2, 8, 9];
        let stored = [0x30, 8, 9];
        assert_eq!(av1(&sent), av1(&stored));
    }

    #[test]
    fn a_small_picture_is_known_by_what_it_follows() {
        let follows = |first: &[u8]| {
            let mut coded = Coded::with(Wrapping::Whole);
            coded.hash(first);
            [coded.hash(&[1, 2, 3]), coded.hash(&[7; 100])]
        };
        let [[one, large], [other, same]] = [follows(&[1]), follows(&[2])];
        assert!(one != other && large == same);
    }

    #[test]
    fn what_is_damaged_ends_somewhere() {
        for coded in [
            Wrapping::Nal { framing: Framing::Lengths(4), hevc: true },
            Wrapping::Nal { framing: Framing::StartCodes, hevc: false },
            Wrapping::StartCode(0),
            Wrapping::Obu,
            Wrapping::Whole,
        ] {
            for bytes in [&[][..], &[0xFF; 40], &[0; 40], &[0, 0, 1], &[0x7A, 0xFF, 0xFF, 0xFF]] {
                Coded::with(coded).hash(bytes);
            }
        }
    }
}
