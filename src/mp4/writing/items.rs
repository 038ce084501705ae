//! Boxes that are kept, but for where the items of a meta lie (iloc; ISO/IEC 14496-12, 8.11.3).

use super::put;
use crate::{
    Result,
    mp4::{
        boxes::children,
        movie::items::{Extent, Items, Widths, is_of_file, version_of_meta},
    },
};
use bytes::Bytes;

/// Where it is written where an item's bytes lie, and where they did.
#[derive(Debug)]
pub(super) struct ItemSpot {
    at: usize,
    wide: bool,
    extent: Extent,
}

/// Where the bytes of items lie in the payload, in the order of where they did.
#[derive(Debug, Default)]
pub(crate) struct MovedItems(pub Vec<(Extent, u64)>);

impl MovedItems {
    /// Writes where they lie, which `to` makes the place in the file.
    pub(super) fn place(&self, bytes: &mut [u8], spots: &[ItemSpot], mut to: impl FnMut(u64) -> u64) {
        for spot in spots {
            let found = self.0.binary_search_by_key(&spot.extent, |(extent, _)| *extent);
            let place = found.ok().and_then(|i| self.0.get(i)).map_or(spot.extent.0, |(_, place)| to(*place));
            let narrow = u32::try_from(place).unwrap_or(u32::MAX).to_be_bytes();
            let wide = place.to_be_bytes();
            let number = if spot.wide { &wide[..] } else { &narrow[..] };
            let end = spot.at.saturating_add(number.len());
            if let Some(own) = bytes.get_mut(spot.at..end) {
                own.copy_from_slice(number);
            }
        }
    }
}

/// A file's own meta, with items that lie elsewhere now.
pub(crate) struct Meta {
    bytes: Vec<u8>,
    spots: Vec<ItemSpot>,
}

impl Meta {
    /// `wide`: places have 64 bits.
    pub(crate) fn new(content: &Bytes, wide: bool) -> Self {
        let (mut bytes, mut spots) = (Vec::new(), Vec::new());
        kept(&mut bytes, *b"meta", content, wide, &mut spots);
        Self { bytes, spots }
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The whole box, with the places that `to` makes of those in the payload.
    pub(crate) fn placed(mut self, items: &MovedItems, to: impl FnMut(u64) -> u64) -> Vec<u8> {
        items.place(&mut self.bytes, &self.spots, to);
        self.bytes
    }
}

/// A box as it was, but for where the items of a meta lie, which may be it or lie in it.
pub(super) fn kept(to: &mut Vec<u8>, kind: [u8; 4], content: &Bytes, wide: bool, spots: &mut Vec<ItemSpot>) {
    match &kind {
        b"meta" if items_of(content).is_some() => put::boxed(to, kind, |to| {
            let begins = version_of_meta(content);
            to.extend_from_slice(content.get(..begins).unwrap_or_default());
            for (kind, content) in children(&content.slice(begins..)) {
                if &kind != b"iloc" || !is_of_file(&content) {
                    put::kept(to, kind, &content);
                    continue;
                }
                // It was read before, and is one.
                put::boxed(to, kind, |to| drop(write_items(to, &content, wide, spots)));
            }
        }),
        b"udta" if children(content).any(|(kind, inner)| &kind == b"meta" && items_of(&inner).is_some()) => {
            put::boxed(to, kind, |to| {
                children(content).for_each(|(inner, content)| match &inner {
                    b"meta" => kept(to, inner, &content, wide, spots),
                    _ => put::kept(to, inner, &content),
                });
            });
        }
        _ => put::kept(to, kind, content),
    }
}

/// The first iloc of a meta that has items in the file.
fn items_of(meta: &Bytes) -> Option<Bytes> {
    let boxes = children(&meta.slice(version_of_meta(meta)..));
    boxes.filter(|(kind, _)| kind == b"iloc").map(|(_, iloc)| iloc).find(is_of_file)
}

/// The content of an iloc whose places are told later. An error for one that can't be meant.
fn write_items(to: &mut Vec<u8>, iloc: &Bytes, wide: bool, spots: &mut Vec<ItemSpot>) -> Result<()> {
    let mut items = Items::read(iloc)?;
    let Widths { offset, length, base, index } = items.widths;
    let own = if wide || offset == 8 { 8 } else { 4 };
    let [head @ .., low] = [own, length, base, index].map(|width| u8::try_from(width).unwrap_or(0));
    let [first, second, third] = head;
    to.extend_from_slice(iloc.get(..4).unwrap_or_default());
    to.extend_from_slice(&[first << 4 | second, third << 4 | low]);
    // How many there are, as it was.
    to.extend_from_slice(iloc.get(6..items.begins()).unwrap_or_default());
    for _ in 0..items.count {
        let item = items.item()?;
        to.extend_from_slice(&item.head);
        match item.is_in_file {
            true => to.resize(to.len().saturating_add(base), 0),
            false => to.extend_from_slice(&item.base),
        }
        to.extend_from_slice(&item.extents.to_be_bytes());
        for _ in 0..item.extents {
            let part = items.part_of(&item)?;
            to.extend_from_slice(&part.index);
            if item.is_in_file {
                spots.push(ItemSpot { at: to.len(), wide: own == 8, extent: (part.place, part.len) });
            }
            match own {
                8 => put::u64(to, part.place),
                _ => put::u32(to, u32::try_from(part.place).unwrap_or(u32::MAX)),
            }
            to.extend_from_slice(&part.len_bytes);
        }
    }
    Ok(())
}
