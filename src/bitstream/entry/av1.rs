//! AV1 (its specification, 5.5, 5.9 and 7.6.2): a key frame that is shown begins everything anew.

use super::{Entry, Headers, Picture};
use crate::bitstream::{
    bits::Bits,
    obus::{Obu, obus},
};

#[derive(Clone, Debug)]
pub(super) struct Av1 {
    headers: Headers,
    /// Frames have no header of their own to speak of: each is a key.
    is_still: bool,
}

/// An av1C's own fields, in front of its units.
const CONFIGURATION: usize = 4;

impl Av1 {
    pub(super) fn of(extradata: &[u8]) -> Self {
        let units = match extradata {
            [0x81, ..] => extradata.get(CONFIGURATION..).unwrap_or_default(),
            _ => extradata,
        };
        let mut reading = Self { headers: Headers::default(), is_still: false };
        obus(units).for_each(|unit| reading.note(unit));
        reading
    }

    /// The sequence header as a unit with a length.
    pub(super) fn headers(&self) -> &[u8] {
        self.headers.bytes()
    }

    fn note(&mut self, unit: Obu) {
        if unit.kind == Obu::SEQUENCE_HEADER {
            // Profile, still_picture, reduced_still_picture_header.
            self.is_still = unit.payload.first().is_some_and(|first| first & 0x08 != 0);
            self.headers.set(&unit.to_bytes());
        }
    }

    pub(super) fn picture(&mut self, packet: &[u8]) -> Picture {
        let mut picture = Picture { is_hidden: true, ..Picture::default() };
        for unit in obus(packet) {
            match unit.kind {
                Obu::SEQUENCE_HEADER => {
                    picture.has_headers = true;
                    self.note(unit);
                }
                Obu::FRAME | Obu::FRAME_HEADER => {
                    let Some(frame) = Frame::read(unit.payload, self.is_still) else { continue };
                    if picture.count == 0 {
                        let is_entry = frame.kind == Frame::KEY && frame.is_shown;
                        picture.entry = is_entry.then_some(Entry::Anywhere);
                        picture.is_intra = matches!(frame.kind, Frame::KEY | Frame::INTRA_ONLY);
                    }
                    picture.count = picture.count.saturating_add(1);
                    picture.is_reference |= frame.kind != Frame::EXISTING;
                    picture.is_hidden &= !frame.is_shown;
                }
                _ => {}
            }
        }
        picture.is_hidden &= picture.count > 0;
        picture
    }
}

/// The beginning of a frame's header (5.9.2).
struct Frame {
    kind: u32,
    is_shown: bool,
}

impl Frame {
    const KEY: u32 = 0;
    const INTRA_ONLY: u32 = 2;
    /// None of the specification's: a frame that was coded before.
    const EXISTING: u32 = 4;

    fn read(payload: &[u8], is_still: bool) -> Option<Self> {
        if is_still {
            return Some(Self { kind: Self::KEY, is_shown: true });
        }
        let mut bits = Bits::of(payload);
        if bits.flag()? {
            return Some(Self { kind: Self::EXISTING, is_shown: true });
        }
        Some(Self { kind: bits.take(2)?, is_shown: bits.flag()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_frames() {
        let mut reading = Av1::of(&[0x81, 0, 0, 0, 0x0A, 1, 0]);
        assert_eq!(reading.headers(), [0x0A, 1, 0]);
        let mut of = |first: u8| {
            let picture = reading.picture(&[0x12, 0, 0x32, 1, first]);
            (picture.entry.is_some(), picture.is_intra, picture.is_reference, picture.is_hidden)
        };
        // A key frame that is shown, one that is not yet; an intra-only frame; one that refers; one shown again.
        assert_eq!(of(0b0001_0000), (true, true, true, false));
        assert_eq!(of(0b0000_0000), (false, true, true, true));
        assert_eq!(of(0b0101_0000), (false, true, true, false));
        assert_eq!(of(0b0011_0000), (false, false, true, false));
        assert_eq!(of(0b1000_0000), (false, false, false, false));
        // A still picture's sequence header, in the packet.
        let picture = reading.picture(&[0x0A, 1, 0x18, 0x32, 1, 0xFF]);
        assert_eq!((picture.entry, picture.has_headers), (Some(Entry::Anywhere), true));
        assert_eq!(reading.headers(), [0x0A, 1, 0x18]);
    }
}
