//! A movie without what describes it: the boxes of a moov written anew but for some.

use super::{
    boxes::{children, name},
    movie::{Movie, Track},
    writing::{OF_SAMPLES, put_box, put_boxed},
};
use crate::job::{Strip, tells_place};
use bytes::Bytes;
use std::ops::Range;

/// Handlers of tracks that are played, or shown beside those that are. What others hold is a maker's own.
const PLAYED: [&[u8; 4]; 11] =
    [b"vide", b"auxv", b"pict", b"soun", b"text", b"sbtl", b"subt", b"subp", b"clcp", b"tmcd", b"hint"];

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

/// Google's box of how pictures lie on a sphere ("Spherical Video" 1): without it they are shown flat.
const SPHERICAL: [u8; 16] =
    [0xff, 0xcc, 0x82, 0x63, 0xf8, 0x55, 0x4a, 0x93, 0x88, 0x14, 0x58, 0x7a, 0x02, 0x52, 0x1f, 0xdd];

/// What a box holds that is needed to play it, but for what is looked into. All others are makers' own.
fn needed(within: [u8; 4]) -> &'static [&'static [u8; 4]] {
    match &within {
        b"moov" => &[b"mvhd", b"mvex", b"iods", b"pssh", b"clip", b"ctab", b"prfl"],
        b"trak" => &[b"tkhd", b"edts", b"tapt", b"clip", b"matt", b"load", b"imap", b"trgr"],
        b"mdia" => &[b"mdhd", b"elng"],
        b"minf" => &[b"vmhd", b"smhd", b"hmhd", b"nmhd", b"sthd", b"gmhd", b"dinf"],
        b"stbl" => &OF_SAMPLES,
        b"meta" => &[b"hdlr", b"keys", b"mhdr", b"ctry", b"lang"],
        _ => &[],
    }
}

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
                stripping.copy(&mut to, *b"moov", kind, &content);
                continue;
            }
            let track = tracks.next()?;
            if !stripping.gone.contains(&track.id) {
                let begins = to.len().saturating_add(8);
                stripping.copy(&mut to, *b"moov", kind, &content);
                kept.push((track, begins..to.len()));
            } else {
                stripping.leave_out(format!("track {} ({})", track.id, what_it_is(track)));
            }
        }
        let content = Bytes::from(to);
        let track =
            |(track, range): &(&Track, Range<usize>)| track.with_content(content.slice(range.clone()));
        let tracks = kept.iter().map(track).collect::<Option<Vec<_>>>()?;
        // Of a file's own boxes none is needed beside its index and its payload.
        self.others.iter().for_each(|place| stripping.leave_out(format!("box {}", name(place.kind))));
        let movie = Self {
            scale: self.scale,
            duration: self.duration,
            tracks,
            fragmented: self.fragmented,
            has_fragments: self.has_fragments,
            goes_on: self.goes_on,
            defaults: self.defaults.clone(),
            content,
            at: 0,
            brands: self.brands.clone(),
            others: Vec::new(),
            // Of metas no more than tags are left.
            items: Vec::new(),
            metas: Vec::new(),
            left_out: self.left_out,
            names_places: self.names_places,
        };
        Some((movie, stripping.left_out))
    }
}

impl Movie {
    /// What makers' own boxes say of it, in its moov and in what describes that, each with its type: of the first
    /// `most`.
    pub(crate) fn own_words(&self, most: usize) -> Vec<(String, Bytes)> {
        let is_own = |kind: [u8; 4]| {
            let [first, ..] = kind;
            !matches!(&kind, b"free" | b"skip") && first != 0xa9 && !KNOWN.contains(&&kind)
        };
        let mut all = Vec::new();
        for (kind, content) in children(&self.content) {
            if all.len() >= most {
                break;
            }
            match &kind {
                b"trak" => {}
                b"udta" => all.extend(children(&content).filter(|(kind, _)| is_own(*kind)).take(most)),
                _ if is_own(kind) && !needed(*b"moov").contains(&&kind) => all.push((kind, content)),
                _ => {}
            }
        }
        all.into_iter().map(|(kind, content)| (name(kind), content)).collect()
    }
}

fn tells_telemetry(track: &Track) -> bool {
    let is_one = |kind: [u8; 4]| TELEMETRY.contains(&&kind);
    !PLAYED.contains(&&track.handler) || track.descriptions.iter().any(|own| is_one(own.kind))
}

/// Whether a tag of this type names a place.
fn names_place(kind: [u8; 4]) -> bool {
    PLACES.contains(&&kind) || tells_place(&kind.to_ascii_lowercase())
}

/// Whether a uuid is Google's of a sphere, and tells no place besides.
fn is_spherical(content: &Bytes) -> bool {
    content.starts_with(&SPHERICAL) && !tells_place(&content.to_ascii_lowercase())
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

    /// Each is told once, and not more than a person reads.
    fn leave_out(&mut self, what: String) {
        const MOST: usize = 64;
        if self.left_out.len() < MOST && !self.left_out.contains(&what) {
            self.left_out.push(what);
        }
    }

    /// Copies a box, but for what is not to be told. Each is looked into at its own place alone, which bounds how deep
    /// they lie in each other.
    fn copy(&mut self, to: &mut Vec<u8>, within: [u8; 4], kind: [u8; 4], content: &Bytes) {
        match (&within, &kind) {
            (b"moov", b"trak") | (b"trak", b"mdia") | (b"mdia", b"minf") | (b"minf", b"stbl") => {
                put_boxed(to, kind, |to| {
                    children(content).for_each(|(inner, content)| self.copy(to, kind, inner, &content));
                });
            }
            (b"trak", b"tref") => self.copy_references(to, content),
            (_, b"udta") => self.copy_tags(to, content),
            (_, b"meta" | b"uuid") if self.is_all() => {}
            (_, b"meta") => self.copy_keys(to, content),
            (b"trak", b"uuid") if is_spherical(content) => put_box(to, kind, content),
            (_, b"mvhd" | b"tkhd" | b"mdhd") if self.is_all() => put_box(to, kind, &undated(content)),
            (b"mdia" | b"minf", b"hdlr") if self.is_all() => put_box(to, kind, &unnamed(content)),
            (b"mdia" | b"minf", b"hdlr") => put_box(to, kind, content),
            (_, known) if needed(within).contains(&known) => put_box(to, kind, content),
            (_, b"free" | b"skip" | b"wide") => {}
            _ => self.leave_out(format!("box {} of {}", name(kind), name(within))),
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
                _ if self.is_all() || names_place(kind) => {}
                b"meta" => self.copy_keys(&mut kept, &content),
                b"free" | b"skip" => {}
                [0xa9, ..] => put_box(&mut kept, kind, &content),
                known if KNOWN.contains(&known) => put_box(&mut kept, kind, &content),
                _ => self.leave_out(format!("box {} of user data", name(kind))),
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
            self.leave_out("box meta".into());
            return;
        }
        put_boxed(to, *b"meta", |to| {
            to.extend_from_slice(head.unwrap_or_default());
            for (kind, content) in children(&boxes) {
                if &kind != b"ilst" {
                    if needed(*b"meta").contains(&&kind) {
                        put_box(to, kind, &content);
                    }
                    continue;
                }
                put_boxed(to, kind, |to| {
                    for (kind, content) in children(&content) {
                        let number =
                            usize::try_from(u32::from_be_bytes(kind)).ok().and_then(|n| n.checked_sub(1));
                        let key = number.and_then(|number| keys.get(number));
                        // A tag with a name of its own has that in it, in front of what it says.
                        let is_own = &kind == b"----";
                        let own = children(&content).filter(|(kind, _)| is_own && kind != b"data");
                        let names = own.map(|(_, name)| name).chain(key.cloned());
                        let tells = |name: Bytes| tells_place(&name.to_ascii_lowercase());
                        if !names_place(kind) && !names.into_iter().any(tells) {
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
