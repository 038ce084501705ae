//! H.264: IDR pictures, and recovery points at which all is there at once (D.2.8).

use super::{Entry, Picture};
use crate::bitstream::{
    configuration::Avc,
    h264::{self, Pps, Slice, Sps, Structure},
    sei::{Message, RecoveryPoint, messages},
    units::{Framing, unescaped},
};

#[derive(Clone, Debug)]
pub(super) struct H264 {
    framing: Framing,
    sps: Vec<Sps>,
    pps: Vec<Pps>,
    /// A first field that the packet before had without its second one.
    open: Option<Field>,
}

/// What tells that two fields are one picture's (7.4.1.2.4).
#[derive(Clone, Copy, Debug)]
struct Field {
    frame_num: u32,
    structure: Structure,
    is_reference: bool,
}

impl H264 {
    pub(super) fn of(extradata: &[u8]) -> Self {
        let framing = Framing::of("h264", extradata);
        let mut reading = Self { framing, sps: Vec::new(), pps: Vec::new(), open: None };
        // What can't be read has no sets; those in its packets are looked at as they come.
        if let Ok(avc) = Avc::of(extradata) {
            avc.sps.iter().for_each(|set| reading.note_sps(set));
            avc.pps.iter().for_each(|set| reading.note_pps(set));
        }
        reading
    }

    fn note_sps(&mut self, unit: &[u8]) {
        if let Some(set) = Sps::read(unit) {
            self.sps.retain(|known| known.id != set.id);
            self.sps.push(set);
        }
    }

    fn note_pps(&mut self, unit: &[u8]) {
        if let Some(set) = Pps::read(unit) {
            self.pps.retain(|known| known.id != set.id);
            self.pps.push(set);
        }
    }

    /// A slice's frame_num and field, as far as its sets are known.
    fn structure(&self, unit: &[u8], slice: &Slice) -> Option<(u32, Structure)> {
        let pps = self.pps.iter().find(|set| set.id == slice.pps)?;
        let sps = self.sps.iter().find(|set| set.id == pps.sps)?;
        Slice::structure(unit, sps)
    }

    pub(super) fn with_headers(&self, headers: &[u8], packet: &[u8]) -> Vec<u8> {
        self.framing.with_front(packet, headers, |unit| h264::kind(unit) == Some(h264::DELIMITER))
    }

    pub(super) fn picture(&mut self, packet: &[u8]) -> Picture {
        let mut picture = Picture::default();
        let mut recovery = None;
        // The first slice, what it is of, whether all of the first field are intra, and whether there is another.
        let mut first: Option<(Slice, Option<(u32, Structure)>)> = None;
        let (mut is_intra, mut has_both) = (true, false);
        let framing = self.framing;
        // Messages may be read by a set that lies in front of them.
        let mut has_messages = false;
        for unit in framing.units(packet) {
            let kind = h264::kind(unit);
            has_messages |= kind == Some(h264::SEI);
            match kind {
                Some(h264::SPS) => {
                    picture.has_headers |= !has_messages;
                    self.note_sps(unit);
                }
                Some(h264::PPS) => {
                    picture.has_headers |= !has_messages;
                    self.note_pps(unit);
                }
                Some(h264::SEI) if first.is_none() => {
                    let bytes = unescaped(unit);
                    let mut points = messages(&bytes, 1).filter(|one| one.kind == Message::RECOVERY_POINT);
                    recovery = points.next().and_then(|one| RecoveryPoint::read(one.payload)).or(recovery);
                }
                Some(h264::SLICE | h264::PARTITION_A | h264::IDR) => {
                    let Some(slice) = Slice::read(unit) else {
                        // Damaged: nothing may be built on it.
                        is_intra = false;
                        continue;
                    };
                    let structure = self.structure(unit, &slice);
                    let of = |found: Option<(u32, Structure)>| found.map(|(_, structure)| structure);
                    let (_, begun) = first.get_or_insert((slice, structure));
                    // The second field of an intra one may refer to the first.
                    if of(*begun) == of(structure) {
                        is_intra &= slice.is_intra();
                    } else {
                        has_both = true;
                    }
                }
                _ => {}
            }
        }
        let Some((slice, structure)) = first else { return picture };
        let field = structure.filter(|(_, structure)| *structure != Structure::Frame && !has_both);
        let field = field.map(|(frame_num, structure)| Field {
            frame_num,
            structure,
            is_reference: slice.is_reference,
        });
        picture.is_second_field = match (self.open.take(), field) {
            (Some(first), Some(second)) => first.is_followed_by(second, slice.is_idr),
            _ => false,
        };
        self.open = field.filter(|_| !picture.is_second_field);
        picture.count = 1;
        picture.is_reference = slice.is_reference;
        picture.is_intra = is_intra;
        picture.entry = match recovery {
            _ if picture.is_second_field || !is_intra => None,
            _ if slice.is_idr => Some(Entry::Anywhere),
            Some(RecoveryPoint { frames: 0, is_exact: true, .. }) => Some(Entry::First),
            _ => None,
        };
        picture
    }
}

impl Field {
    fn is_followed_by(&self, second: Self, is_idr: bool) -> bool {
        // One that none refers to is not completed by one that others refer to.
        self.frame_num == second.frame_num
            && self.structure != second.structure
            && !is_idr
            && (self.is_reference || !second.is_reference)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bitstream::{bits::BitWriter, units::escaped};

    /// A unit of these numbers: their bits, or none for Exp-Golomb codes.
    fn unit(header: u8, numbers: &[(u32, Option<u32>)]) -> Vec<u8> {
        let mut writer = BitWriter::default();
        writer.put(header.into(), 8);
        for (number, bits) in numbers {
            match bits {
                Some(bits) => writer.put(*number, *bits),
                None => writer.put_exp_golomb(*number),
            }
        }
        writer.put(1, 1);
        [&[0, 0, 1][..], &escaped(&writer.into_bytes())].concat()
    }

    /// A slice of a picture of such a type, with its frame_num, of a frame or one field of it.
    fn slice(header: u8, kind: u32, frame_num: u32, structure: Structure) -> Vec<u8> {
        let (field, bits) = match structure {
            Structure::Frame => (0, 1),
            Structure::Top => (0b10, 2),
            Structure::Bottom => (0b11, 2),
        };
        let numbers =
            [(0, None), (kind, None), (0, None), (frame_num, Some(4)), (field, Some(bits)), (5, Some(8))];
        unit(header, &numbers)
    }

    #[test]
    fn fields_in_one_packet_and_in_two() {
        use Structure::{Bottom, Frame, Top};
        // Main profile, set 0, 4 bits of frame_num, order by decoding, one reference, 2 by 2 macroblocks, not only
        // frames.
        let sps = [(77, Some(8)), (0, Some(8)), (30, Some(8)), (0, None), (0, None), (2, None), (1, None)];
        let size =
            [(0, Some(1)), (1, None), (0, None), (0, Some(1)), (0, Some(1)), (1, Some(1)), (0, Some(2))];
        let sps = unit(0x67, &[&sps[..], &size].concat());
        let pps = unit(0x68, &[(0, None), (0, None), (0, Some(2)), (0, None)]);
        let point = [0, 0, 1, 6, 6, 1, 0xC4, 0x80];
        let mut reading = H264::of(&[sps, pps].concat());
        let mut read = |packet: Vec<u8>| {
            let picture = reading.picture(&packet);
            (picture.entry, picture.is_second_field)
        };
        let (anywhere, first) = (Some(Entry::Anywhere), Some(Entry::First));
        // An IDR picture of an I field and a P field, in two packets; two fields that none refers to; a frame.
        assert_eq!(read(slice(0x65, 7, 0, Top)), (anywhere, false));
        assert_eq!(read(slice(0x41, 5, 0, Bottom)), (None, true));
        assert_eq!(read(slice(0x01, 6, 1, Top)), (None, false));
        assert_eq!(read(slice(0x01, 6, 1, Bottom)), (None, true));
        assert_eq!(read(slice(0x41, 5, 1, Frame)), (None, false));
        // Two first fields without their second ones.
        assert_eq!(read(slice(0x41, 5, 2, Top)), (None, false));
        assert_eq!(read(slice(0x41, 5, 3, Bottom)), (None, false));
        assert_eq!(read(slice(0x65, 7, 3, Top)), (anywhere, false));
        // Both in one packet: the second may refer to the first, where that one refers to none.
        assert_eq!(read([slice(0x65, 7, 0, Top), slice(0x41, 5, 0, Bottom)].concat()), (anywhere, false));
        let recovery = |kind| [&point[..], &slice(0x41, kind, 1, Top), &slice(0x41, 5, 1, Bottom)].concat();
        assert_eq!(read(recovery(7)), (first, false));
        assert_eq!(read(recovery(5)), (None, false));
        // Two packets, of which the first has the recovery point.
        assert_eq!(read([&point[..], &slice(0x41, 7, 2, Top)].concat()), (first, false));
        assert_eq!(read(slice(0x41, 5, 2, Bottom)), (None, true));
    }

    #[test]
    fn recovery_points_that_are_no_entries() {
        let mut reading = H264::of(&[]);
        let mut read = |payload: u8| {
            let packet =
                [&[0, 0, 1, 6, 6, 1, payload, 0x80][..], &slice(0x41, 7, 0, Structure::Frame)].concat();
            reading.picture(&packet).entry
        };
        // No frames, exact; not exact; two frames to wait for.
        assert_eq!(read(0b1100_0100), Some(Entry::First));
        assert_eq!(read(0b1000_0100), None);
        assert_eq!(read(0b0111_0001), None);
    }
}
