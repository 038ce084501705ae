//! A movie without what describes it: the boxes of a moov written anew but for some.

use super::{
    boxes::{children, name},
    movie::{Movie, Track},
    writing::{put_box, put_boxed},
};
use crate::job::{Strip, tells_place};
use bytes::Bytes;
use std::ops::Range;

/// Sample entries of tracks that tell where and how a camera was: GoPro's, Android's, Apple's, Sony's, and what may be
/// anything.
const TELEMETRY: [&[u8; 4]; 6] = [b"gpmd", b"camm", b"mebx", b"rtmd", b"mett", b"metx"];

/// Tags of a place (3GPP TS 26.244, 8.2; QuickTime's, Android's and libav's `©xyz`).
const PLACES: [&[u8; 4]; 2] = [b"\xa9xyz", b"loci"];

/// Other tags that everybody knows, and that hold text of one kind: QuickTime's begin with ©, these are iTunes' and
/// 3GPP's. What is none of these is a maker's own, and may tell a place.
const KNOWN: [&[u8; 4]; 30] = [
    b"meta", b"chpl", b"name", b"titl", b"auth", b"perf", b"gnre", b"dscp", b"cprt", b"albm", b"yrrc",
    b"rtng", b"clsf", b"kywd", b"trkn", b"disk", b"covr", b"cpil", b"tmpo", b"pgap", b"aART", b"stik",
    b"desc", b"ldes", b"tvsh", b"hdvd", b"kind", b"hnti", b"ludt", b"strk",
];

impl Movie {
    /// The same without what the result is not to tell, and what was left out that may have told something else. None
    /// where a track's tables can't be meant.
    pub(crate) fn stripped(&self, strip: Strip) -> Option<(Self, Vec<String>)> {
        let gone = self.tracks.iter().filter(|track| tells_telemetry(track)).map(|track| track.id);
        let mut stripping = Stripping { strip, gone: gone.collect(), left_out: Vec::new() };
        let mut to = Vec::with_capacity(self.content.len());
        let mut kept: Vec<(&Track, Range<usize>)> = Vec::new();
        let mut tracks = self.tracks.iter();
        for (kind, content) in children(&self.content) {
            if &kind != b"trak" {
                stripping.copy(&mut to, kind, &content);
                continue;
            }
            let track = tracks.next()?;
            if !stripping.gone.contains(&track.id) {
                let begins = to.len().saturating_add(8);
                stripping.copy(&mut to, kind, &content);
                kept.push((track, begins..to.len()));
            } else {
                stripping.left_out.push(format!("track {} ({})", track.id, what_it_is(track)));
            }
        }
        let content = Bytes::from(to);
        let track =
            |(track, range): &(&Track, Range<usize>)| track.with_content(content.slice(range.clone()));
        let tracks = kept.iter().map(track).collect::<Option<Vec<_>>>()?;
        let mut others = self.others.clone();
        others.retain(|place| {
            let is_kept = !matches!(&place.kind, b"meta" | b"uuid" | b"udta");
            if !is_kept && strip == Strip::Location {
                stripping.left_out.push(format!("box {}", name(place.kind)));
            }
            is_kept
        });
        let movie = Self {
            scale: self.scale,
            tracks,
            fragmented: self.fragmented,
            goes_on: self.goes_on,
            defaults: self.defaults.clone(),
            content,
            at: 0,
            brands: self.brands.clone(),
            others,
            left_out: self.left_out,
            names_places: self.names_places,
        };
        Some((movie, stripping.left_out))
    }
}

fn tells_telemetry(track: &Track) -> bool {
    let is_one = |kind: [u8; 4]| TELEMETRY.contains(&&kind);
    matches!(&track.handler, b"meta" | b"camm") || track.descriptions.iter().any(|own| is_one(own.kind))
}

fn what_it_is(track: &Track) -> String {
    track.descriptions.first().map_or_else(|| name(track.handler), |own| name(own.kind))
}

struct Stripping {
    strip: Strip,
    /// Tracks that are not there any more.
    gone: Vec<u32>,
    /// What was left out, in words.
    left_out: Vec<String>,
}

impl Stripping {
    fn is_all(&self) -> bool {
        self.strip == Strip::Metadata
    }

    /// Copies a box of a moov, a trak or a mdia, but for what is not to be told.
    fn copy(&mut self, to: &mut Vec<u8>, kind: [u8; 4], content: &Bytes) {
        match &kind {
            b"trak" | b"mdia" => put_boxed(to, kind, |to| {
                children(content).for_each(|(kind, content)| self.copy(to, kind, &content));
            }),
            b"tref" => self.copy_references(to, content),
            b"udta" => self.copy_tags(to, content),
            b"meta" if self.is_all() => {}
            b"meta" => self.copy_keys(to, content),
            b"uuid" if self.is_all() => {}
            b"uuid" => self.left_out.push("box uuid".into()),
            b"mvhd" | b"tkhd" | b"mdhd" if self.is_all() => put_box(to, kind, &undated(content)),
            b"hdlr" if self.is_all() => put_box(to, kind, &unnamed(content)),
            _ => put_box(to, kind, content),
        }
    }

    /// References to other tracks (8.3.3), but for those that are left out.
    fn copy_references(&self, to: &mut Vec<u8>, content: &Bytes) {
        let mut kept = Vec::new();
        for (kind, content) in children(content) {
            let ids = content.as_chunks::<4>().0.iter();
            let ids = ids.filter(|id| !self.gone.contains(&u32::from_be_bytes(**id)));
            let ids: Vec<u8> = ids.flatten().copied().collect();
            if !ids.is_empty() {
                put_box(&mut kept, kind, &ids);
            }
        }
        if !kept.is_empty() {
            put_box(to, *b"tref", &kept);
        }
    }

    /// User data (8.10.1): of all of it Nero's chapters stay.
    fn copy_tags(&mut self, to: &mut Vec<u8>, content: &Bytes) {
        let mut kept = Vec::new();
        for (kind, content) in children(content) {
            match &kind {
                b"chpl" => put_box(&mut kept, kind, &content),
                _ if self.is_all() || PLACES.contains(&&kind) => {}
                b"meta" => self.copy_keys(&mut kept, &content),
                [0xa9, ..] => put_box(&mut kept, kind, &content),
                known if KNOWN.contains(&known) => put_box(&mut kept, kind, &content),
                _ => self.left_out.push(format!("box {} of user data", name(kind))),
            }
        }
        // QuickTime's may end with four zeros, which are no box.
        if !kept.is_empty() {
            put_box(to, *b"udta", &kept);
        }
    }

    /// A meta with a list of tags (iTunes', and QuickTime's, whose tags are named by a table of keys): without those of
    /// places. One of another kind is left out.
    fn copy_keys(&mut self, to: &mut Vec<u8>, content: &Bytes) {
        let first = content.get(4..8);
        let is_full = first != Some(b"hdlr");
        let (head, boxes) =
            if is_full { (content.get(..4), content.get(4..)) } else { (None, Some(&content[..])) };
        let boxes = Bytes::copy_from_slice(boxes.unwrap_or_default());
        let keys = children(&boxes).find(|(kind, _)| kind == b"keys");
        let keys: Vec<Bytes> = keys
            .map(|(_, keys)| children(&keys.slice(8.min(keys.len())..)).map(|(_, key)| key).collect())
            .unwrap_or_default();
        let is_list = children(&boxes).any(|(kind, _)| &kind == b"ilst");
        if !is_list {
            self.left_out.push("box meta".into());
            return;
        }
        put_boxed(to, *b"meta", |to| {
            to.extend_from_slice(head.unwrap_or_default());
            for (kind, content) in children(&boxes) {
                if &kind != b"ilst" {
                    put_box(to, kind, &content);
                    continue;
                }
                put_boxed(to, kind, |to| {
                    for (kind, content) in children(&content) {
                        let number =
                            usize::try_from(u32::from_be_bytes(kind)).ok().and_then(|n| n.checked_sub(1));
                        let key = number.and_then(|number| keys.get(number));
                        let named: &[u8] = match key {
                            Some(key) => key,
                            // A tag with a name of its own has that in it.
                            None if &kind == b"----" => &content,
                            None => &[],
                        };
                        if !PLACES.contains(&&kind) && !tells_place(&named.to_ascii_lowercase()) {
                            put_box(to, kind, &content);
                        }
                    }
                });
            }
        });
    }
}

/// A header (mvhd, tkhd, mdhd) without the times of its creation and its last change.
fn undated(content: &Bytes) -> Vec<u8> {
    let mut bytes = content.to_vec();
    let len = if bytes.first() == Some(&1) { 16 } else { 8 };
    if let Some(times) = bytes.get_mut(4..).and_then(|rest| rest.get_mut(..len)) {
        times.fill(0);
    }
    bytes
}

/// A handler without a name: behind version, type, kind and twelve bytes (8.4.3), an empty one.
fn unnamed(content: &Bytes) -> Vec<u8> {
    let mut bytes = content.get(..24).unwrap_or(content).to_vec();
    bytes.push(0);
    bytes
}
