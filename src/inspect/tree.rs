//! The boxes of a file, one in the other.

use crate::{
    Limits, Result,
    mp4::{self, DEPTH, HOLDERS, Place, Read, name},
};
use serde::Serialize;

/// Boxes that hold others behind version, flags and a count (8.5.2, 8.7.2).
const COUNTED: [&[u8; 4]; 2] = [b"stsd", b"dref"];
/// So much of a box is looked at to say what is in it.
const HEAD: u64 = 64;

/// A box (ISO/IEC 14496-12, 4.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct BoxInfo {
    /// Its type, such as `moov`; in hexadecimal where it has no characters.
    pub kind: String,
    /// Where its header begins in the file. In a compressed index (cmov), and what it holds, from there.
    pub offset: u64,
    /// With its header.
    pub size: u64,
    /// What is in it, in a few words, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// The boxes in it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub boxes: Vec<BoxInfo>,
}

struct Tree<'a> {
    limits: &'a Limits,
    held: u64,
    warnings: Vec<String>,
}

/// Reads the boxes of a file of `len` bytes, and says what is wrong with them.
pub(super) fn read(read: &mut Read<'_>, len: u64, limits: &Limits) -> Result<(Vec<BoxInfo>, Vec<String>)> {
    let mut tree = Tree { limits, held: 0, warnings: Vec::new() };
    let mut all = Vec::new();
    mp4::boxes_of_file(read, len, |read, place| {
        all.push(tree.of(read, place, 0)?);
        Ok(true)
    })?;
    Ok((all, tree.warnings))
}

impl Tree<'_> {
    fn of(&mut self, read: &mut Read<'_>, place: Place, depth: u32) -> Result<BoxInfo> {
        let size = place.end.saturating_sub(place.start);
        if place.cut_short {
            self.warn(&place, "it is longer than what holds it");
        }
        let content = place.end.saturating_sub(place.content);
        let mut head = vec![0; usize::try_from(content.min(HEAD)).unwrap_or(0)];
        read(place.content, &mut head)?;
        let begins = match &place.kind {
            kind if HOLDERS.contains(&kind) => Some(0),
            kind if COUNTED.contains(&kind) => Some(8),
            // In QuickTime it has no version and flags.
            b"meta" if head.get(4..8) == Some(b"hdlr") => Some(0),
            b"meta" => Some(4),
            _ => None,
        };
        let mut boxes = Vec::new();
        if let Some(begins) = begins.filter(|_| depth < DEPTH) {
            mp4::boxes(read, place.content.saturating_add(begins), place.end, |read, place| {
                boxes.push(self.of(read, place, depth.saturating_add(1))?);
                Ok(true)
            })?;
        }
        let summary = summary(place.kind, &head, content);
        let text = summary.as_ref().map_or(0, String::capacity).saturating_add(8);
        self.held = self.held.saturating_add(size_of::<BoxInfo>().saturating_add(text) as u64);
        let (held, most) = (self.held, self.limits.demuxer_memory);
        Limits::hold(held, most, "demuxer_memory", || {
            format!("to list its boxes takes {held} bytes, and the limit is {most}")
        })?;
        Ok(BoxInfo { kind: name(place.kind), offset: place.start, size, summary, boxes })
    }

    fn warn(&mut self, place: &Place, what: &str) {
        // Many of them say no more than some.
        if self.warnings.len() < 100 {
            self.warnings.push(format!("box {} at {}: {what}", name(place.kind), place.start));
        }
    }
}

fn summary(kind: [u8; 4], head: &[u8], content: u64) -> Option<String> {
    let at = |at: usize| head.get(at..)?.first_chunk().copied().map(u32::from_be_bytes);
    let wide = |at: usize| head.get(at..)?.first_chunk().copied().map(u64::from_be_bytes);
    let text = |at: usize| head.get(at..)?.first_chunk().copied().map(name);
    let entries = |at_: usize| at(at_).map(|count| format!("{count} entries"));
    let version = *head.first()?;
    match &kind {
        b"ftyp" | b"styp" => {
            let brands = head.get(8..)?.as_chunks::<4>().0.iter().map(|brand| name(*brand));
            Some(format!("{}; {}", text(0)?, brands.collect::<Vec<_>>().join(" ")))
        }
        b"mvhd" | b"mdhd" => {
            let (scale, duration) =
                if version == 1 { (at(20)?, wide(24)?) } else { (at(12)?, u64::from(at(16)?)) };
            Some(format!("{duration} ticks of 1/{scale} s"))
        }
        b"tkhd" => Some(format!("track {}", if version == 1 { at(20)? } else { at(12)? })),
        b"hdlr" => text(8),
        b"tfhd" => Some(format!("track {}", at(4)?)),
        b"trex" => Some(format!("track {}", at(4)?)),
        b"mfhd" => Some(format!("number {}", at(4)?)),
        b"tfdt" => Some(format!("tick {}", if version == 0 { at(4)?.into() } else { wide(4)? })),
        b"trun" => at(4).map(|count| format!("{count} samples")),
        b"stsz" if at(4)? > 0 => Some(format!("{} samples of {} bytes", at(8)?, at(4)?)),
        b"stsz" | b"stz2" => at(8).map(|count| format!("{count} samples")),
        b"stts" | b"ctts" | b"stss" | b"stps" | b"stsc" | b"stco" | b"co64" | b"elst" | b"stsd" | b"dref"
        | b"subs" | b"stsh" => entries(4),
        b"sbgp" | b"sgpd" => Some(format!("{}, {}", text(4)?, entries(if version == 1 { 12 } else { 8 })?)),
        b"sidx" => {
            let count = at(if version == 0 { 20 } else { 28 })? & 0xffff;
            Some(format!("{count} segments"))
        }
        b"sdtp" => Some(format!("{} samples", content.saturating_sub(4))),
        b"stdp" => Some(format!("{} samples", content.saturating_sub(4) / 2)),
        b"padb" | b"senc" => at(4).map(|count| format!("{count} samples")),
        b"csgp" => {
            let has_parameter = head.get(3)? & 0x40 > 0;
            Some(format!("{}, {} patterns", text(4)?, at(if has_parameter { 12 } else { 8 })?))
        }
        b"saiz" => {
            let begins: usize = if head.get(3)? & 1 == 1 { 12 } else { 4 };
            at(begins.saturating_add(1)).map(|count| format!("{count} samples"))
        }
        b"saio" => {
            let begins = if head.get(3)? & 1 == 1 { 12 } else { 4 };
            at(begins).map(|count| format!("{count} places"))
        }
        _ => None,
    }
}

impl BoxInfo {
    /// The first box at the end of a path of types, such as `["trak", "mdia"]`, within this one.
    pub fn find(&self, path: &[&str]) -> Option<&BoxInfo> {
        let Some((first, rest)) = path.split_first() else { return Some(self) };
        self.boxes.iter().filter(|inner| inner.kind == *first).find_map(|inner| inner.find(rest))
    }
}
