//! Boxes of a file that nobody knows: what lies in them may be places in it.

use super::Movie;
use crate::{
    Result,
    mp4::boxes::{Place, Read, name},
};

/// Those of a file that name none, beside what a [`Movie`] reads (ISO/IEC 14496-12, 4.2 and 8.1; QuickTime's).
const KNOWN: [&[u8; 4]; 8] = [b"meta", b"pdin", b"bloc", b"udta", b"pnot", b"PICT", b"styp", b"prft"];

/// Types of `uuid` boxes that name none: XMP, Sony's PROF and USMT, and spherical video.
const UUIDS: [[u8; 16]; 4] = [
    *b"\xbe\x7a\xcf\xcb\x97\xa9\x42\xe8\x9c\x71\x99\x94\x91\xe3\xaf\xac",
    *b"PROF\x21\xd2\x4f\xce\xbb\x88\x69\x5c\xfa\xc9\xc7\x40",
    *b"USMT\x21\xd2\x4f\xce\xbb\x88\x69\x5c\xfa\xc9\xc7\x40",
    *b"\xff\xcc\x82\x63\xf8\x55\x4a\x93\x88\x14\x58\x7a\x02\x52\x1f\xdd",
];

impl Movie {
    /// The file's other boxes that may name places in it, as far as anybody knows. Of a `uuid` its type is read.
    pub(crate) fn may_name_places(&self, read: &mut Read<'_>) -> Result<Vec<String>> {
        let mut all = Vec::new();
        for place in self.others.iter().filter(|place| !KNOWN.contains(&&place.kind)) {
            let is_known = &place.kind == b"uuid" && is_known(read, place)?;
            let kind = name(place.kind);
            if !is_known && !all.contains(&kind) {
                all.push(kind);
            }
        }
        Ok(all)
    }
}

fn is_known(read: &mut Read<'_>, place: &Place) -> Result<bool> {
    let mut kind = [0; 16];
    if place.end.saturating_sub(place.content) < 16 {
        return Ok(false);
    }
    read(place.content, &mut kind)?;
    Ok(UUIDS.contains(&kind))
}
