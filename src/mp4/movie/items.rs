//! Items of a meta (iloc; ISO/IEC 14496-12, 8.11.3): where in the file they lie.

use crate::{
    Result,
    mp4::boxes::{
        children,
        fields::{Fields, wrong},
    },
};
use bytes::Bytes;

/// Bytes of the file that an item is made of: where they begin, and how many they are.
pub(crate) type Extent = (u64, u64);

/// Of more parts than this it is not said anew where they lie: each takes some ten times the bytes that state it. A
/// picture of a thousand tiles has as many.
pub(in crate::mp4) const MOST: usize = 1 << 16;

/// How an item lies: in the file, or in an idat or in other items, which move with it.
const IN_FILE: u16 = 0;
const METHODS: u16 = 3;

/// The boxes that a meta may lie in, or what it lies in, so that where its items lie can be said anew.
const WAYS: [(&[u8; 4], &[u8; 4]); 6] = [
    (b"moov", b"meta"),
    (b"moov", b"udta"),
    (b"moov", b"trak"),
    (b"trak", b"meta"),
    (b"trak", b"udta"),
    (b"udta", b"meta"),
];

/// What a box's content says of places in a file of so many bytes, however deep in it: the bytes of all items. None if
/// it says so in a way that can't be said anew.
pub(in crate::mp4) fn named_places(kind: [u8; 4], content: &Bytes, len: u64) -> Option<Vec<Extent>> {
    const HOLDERS: [&[u8; 4]; 6] = [b"trak", b"mdia", b"minf", b"stbl", b"udta", b"meta"];
    let mut found = Vec::new();
    let mut left = vec![(kind, content.clone(), true)];
    while let Some((within, content, is_on_way)) = left.pop() {
        let begins = if &within == b"meta" { version_of_meta(&content) } else { 0 };
        for (kind, content) in children(&content.slice(begins..)) {
            match &kind {
                // What a track's tables have of them is read with these.
                b"saio" if &within == b"stbl" => {}
                b"iloc" if &within == b"meta" && is_on_way => {
                    found.extend(extents(&content, len).ok()?);
                    if found.len() > MOST {
                        return None;
                    }
                }
                b"iloc" | b"saio" => return None,
                holder if HOLDERS.contains(&holder) => {
                    let is_on_way = is_on_way && WAYS.contains(&(&within, &kind));
                    left.push((kind, content, is_on_way));
                }
                _ => {}
            }
        }
    }
    Some(found)
}

/// Bytes of version and flags in front of a meta's boxes: in QuickTime it has none.
pub(in crate::mp4) fn version_of_meta(content: &Bytes) -> usize {
    let first = content.get(4..8);
    if first.is_some_and(|kind| !kind.iter().all(u8::is_ascii_alphanumeric)) { 4 } else { 0 }
}

/// The widths of an iloc's numbers, in bytes.
#[derive(Clone, Copy)]
pub(in crate::mp4) struct Widths {
    pub offset: usize,
    pub length: usize,
    pub base: usize,
    pub index: usize,
}

/// An iloc that is read item by item, and each extent by extent.
pub(in crate::mp4) struct Items {
    fields: Fields,
    version: u8,
    pub widths: Widths,
    pub count: u32,
}

/// An item, up to its extents.
pub(in crate::mp4) struct Item {
    /// Its number, how it lies, and in which file; as they are in the box.
    pub head: Bytes,
    pub base: Bytes,
    pub extents: u16,
    pub is_in_file: bool,
}

/// A part of an item.
pub(in crate::mp4) struct ItemPart {
    /// As it is in the box.
    pub index: Bytes,
    /// Of one in the file that is where it begins in it, else it is as it is in the box.
    pub place: u64,
    pub len: u64,
    pub len_bytes: Bytes,
}

impl Items {
    pub(in crate::mp4) fn read(iloc: &Bytes) -> Result<Self> {
        let kind = *b"iloc";
        let (mut fields, version, _) = Fields::of_full(kind, iloc.clone())?;
        if version > 2 {
            return Err(wrong(kind, format!("it is of version {version}")));
        }
        let sizes = u32::from(fields.u16()?);
        let size = |at: u32| match sizes >> at & 15 {
            size @ (0 | 4 | 8) => Ok(usize::try_from(size).unwrap_or(0)),
            size => Err(wrong(kind, format!("it has numbers of {size} bytes"))),
        };
        let index = if version > 0 { size(0)? } else { 0 };
        let widths = Widths { offset: size(12)?, length: size(8)?, base: size(4)?, index };
        let count = if version < 2 { fields.u16()?.into() } else { fields.u32()? };
        Ok(Self { fields, version, widths, count })
    }

    /// Where the first one begins in the box.
    pub(in crate::mp4) fn begins(&self) -> usize {
        if self.version < 2 { 8 } else { 10 }
    }

    /// The next one, which is asked for when all extents of the last one were.
    pub(in crate::mp4) fn item(&mut self) -> Result<Item> {
        let id = self.fields.take(if self.version < 2 { 2 } else { 4 })?;
        let method = if self.version > 0 { self.fields.take(2)? } else { Bytes::new() };
        let how = method.first_chunk().map_or(IN_FILE, |bytes| u16::from_be_bytes(*bytes) & 15);
        let reference = self.fields.take(2)?;
        let base = self.fields.take(self.widths.base)?;
        let extents = self.fields.u16()?;
        let is_in_file = how == IN_FILE;
        if how >= METHODS || (is_in_file && reference[..] != [0, 0]) {
            return Err(self.fields.wrong("an item lies in another file"));
        }
        // Numbers of no bytes would state thousands of them.
        if extents > 1 && self.widths.offset == 0 {
            return Err(self.fields.wrong("an item has parts that do not say where they lie"));
        }
        Ok(Item { head: [id, method, reference].concat().into(), base, extents, is_in_file })
    }

    pub(in crate::mp4) fn part_of(&mut self, item: &Item) -> Result<ItemPart> {
        let index = self.fields.take(self.widths.index)?;
        let offset = wide(&self.fields.take(self.widths.offset)?);
        let len_bytes = self.fields.take(self.widths.length)?;
        let base = if item.is_in_file { wide(&item.base) } else { 0 };
        let (place, len) = (base.checked_add(offset), wide(&len_bytes));
        // One of no length is all of the file.
        let Some(place) = place.filter(|_| !item.is_in_file || len > 0) else {
            return Err(self.fields.wrong("an item is all of the file, or lies beyond it"));
        };
        Ok(ItemPart { index, place, len, len_bytes })
    }
}

/// A number of up to 8 bytes.
fn wide(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

/// The bytes of all items of an iloc that lie in the file of `len` bytes.
fn extents(iloc: &Bytes, len: u64) -> Result<Vec<Extent>> {
    let (mut all, mut items) = (Vec::new(), Items::read(iloc)?);
    for _ in 0..items.count {
        let item = items.item()?;
        for _ in 0..item.extents {
            let part = items.part_of(&item)?;
            if !item.is_in_file {
                continue;
            }
            if part.place.checked_add(part.len).is_none_or(|end| end > len) {
                return Err(wrong(*b"iloc", "an item lies beyond the end of the file"));
            }
            if all.len() == MOST {
                return Err(wrong(*b"iloc", format!("its items have more than {MOST} parts")));
            }
            all.push((part.place, part.len));
        }
    }
    Ok(all)
}

/// Whether an item of an iloc lies in the file.
pub(in crate::mp4) fn is_of_file(iloc: &Bytes) -> bool {
    extents(iloc, u64::MAX).is_ok_and(|all| !all.is_empty())
}
