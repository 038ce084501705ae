//! MPEG-1 and MPEG-2 (ISO/IEC 11172-2, 13818-2): pictures without references, in groups that may be open.

use super::{Entry, Headers, Leading, Picture};
use crate::bitstream::units::Framing;

const PICTURE: u8 = 0x00;
const SEQUENCE: u8 = 0xB3;
const EXTENSION: u8 = 0xB5;
const GROUP: u8 = 0xB8;

#[derive(Clone, Debug)]
pub(super) struct Mpeg2 {
    headers: Headers,
    /// Of B-pictures that follow: what refers to the picture before the last one without references, until there is
    /// another.
    leading: Leading,
    /// A first field whose second one is to come, by its structure.
    open: Option<u8>,
}

/// How a picture is made (6.3.10): a whole one.
const FRAME: u8 = 3;

impl Mpeg2 {
    pub(super) fn of(extradata: &[u8]) -> Self {
        let mut headers = Headers::default();
        headers.note(extradata, is_header, ends_header);
        Self { headers, leading: Leading::No, open: None }
    }

    pub(super) fn headers(&self) -> &[u8] {
        self.headers.bytes()
    }

    pub(super) fn picture(&mut self, packet: &[u8]) -> Picture {
        let mut picture =
            Picture { has_headers: self.headers.note(packet, is_header, ends_header), ..Picture::default() };
        let (mut is_closed, mut kind, mut structures) = (false, None, Vec::new());
        for unit in Framing::StartCodes.units(packet) {
            match unit {
                // The time code has 25 bits, then closed_gop.
                [GROUP, _, _, _, bits, ..] => is_closed = bits & 0x40 != 0,
                // temporal_reference has ten, then the type.
                [PICTURE, _, bits, ..] => {
                    picture.count = picture.count.saturating_add(1);
                    kind = kind.or(Some(bits >> 3 & 7));
                }
                // The extension of picture coding: four numbers of four bits, the precision, the structure. Of two
                // fields at most, the rest is of what should not be here.
                [EXTENSION, first, _, bits, ..] if first >> 4 == 8 && structures.len() < 2 => {
                    structures.push(bits & 3);
                    // progressive_frame; zeros at the end of a unit are left out.
                    picture.is_whole |= bits & 3 == FRAME && unit.get(5).is_some_and(|byte| byte & 0x80 != 0);
                }
                _ => {}
            }
        }
        let Some(kind) = kind else { return picture };
        let structure = match structures[..] {
            [one] if one != FRAME => Some(one),
            _ => None,
        };
        let first = self.open.take();
        picture.is_second_field = first.is_some() && structure.is_some() && first != structure;
        self.open = structure.filter(|_| !picture.is_second_field);
        if matches!(structures[..], [one, other] if one != FRAME && one != other) {
            // Two fields of one picture.
            picture.count = picture.count.saturating_sub(1);
        }
        match kind {
            // The second field of a picture without references may refer to the first.
            _ if picture.is_second_field => {
                picture.is_reference = kind != 3;
                picture.leading = if kind == 3 { self.leading } else { Leading::No };
            }
            1 => {
                (picture.is_reference, picture.is_intra) = (true, true);
                picture.entry = Some(if is_closed { Entry::Anywhere } else { Entry::WithoutLeading });
                self.leading = if is_closed { Leading::Decodable } else { Leading::Skipped };
            }
            2 => {
                picture.is_reference = true;
                self.leading = Leading::No;
            }
            3 => picture.leading = self.leading,
            _ => {}
        }
        picture
    }
}

fn is_header(code: u8) -> bool {
    code == SEQUENCE
}

fn ends_header(code: u8) -> bool {
    matches!(code, GROUP | PICTURE)
}
