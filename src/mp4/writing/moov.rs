//! A moov for tracks that were made of another's: what it does not have to change is as it was there, byte for
//! byte.

use super::{
    draft::Draft,
    header::{self, Own},
    items::{self, ItemSpot, MovedItems},
    put,
};
use crate::{
    Error, ErrorKind, Result,
    mp4::{
        Edit, Movie, Track,
        boxes::{children, fields::Fields},
    },
};
use bytes::Bytes;

/// A track of the result.
pub(crate) struct TrackPlan<'a> {
    /// The one that it is made of.
    pub source: &'a Track,
    pub draft: &'a Draft,
    /// Ticks a second of its media.
    pub scale: u32,
    /// Added to its composition times.
    pub lift: u32,
    /// What of it is shown when; none: all of it, from the movie's beginning on.
    pub edits: Option<Vec<Edit>>,
    /// How long it is shown, in ticks of the movie.
    pub shown: u64,
}

/// A chapter (QuickTime's and Nero's `chpl`).
pub(crate) struct Chapter {
    /// In units of 100 ns.
    pub start: u64,
    pub title: String,
}

/// What a moov is made of.
pub(crate) struct MoviePlan<'a> {
    /// The one whose boxes it has.
    pub source: &'a Movie,
    /// Ticks a second of the movie.
    pub scale: u32,
    /// How long the movie is, in those.
    pub shown: u64,
    pub tracks: Vec<TrackPlan<'a>>,
    /// What its list of chapters says; none: what the source's says. A movie without a list or a track of them gets
    /// one.
    pub chapters: Option<Vec<Chapter>>,
}

/// A moov's bytes behind what a file begins with, in which it is not said yet where chunks lie.
pub(crate) struct Moov {
    bytes: Vec<u8>,
    /// Where the entries of each table of places begin, and whether they have 64 bits: of each track first the one
    /// of its chunks.
    tables: Vec<(usize, bool)>,
    items: Vec<ItemSpot>,
}

/// Where places are to be written that are told later.
#[derive(Default)]
pub(super) struct Spots {
    pub tables: Vec<(usize, bool)>,
    pub items: Vec<ItemSpot>,
}

impl Moov {
    /// `wide`: chunks' places have 64 bits.
    pub(crate) fn new(head: &[u8], plan: &MoviePlan<'_>, wide: bool) -> Result<Self> {
        let held = plan.tracks.iter().map(|track| track.draft.held()).fold(0, usize::saturating_add);
        Self::of(head, held, |to, spots| Writer { plan, spots, wide }.write(to))
    }

    /// One that `write` writes, about as long as this.
    pub(super) fn of(
        head: &[u8],
        len: usize,
        write: impl FnOnce(&mut Vec<u8>, &mut Spots) -> Result<()>,
    ) -> Result<Self> {
        // Some boxes more than the tables, and room for what comes behind.
        const ROOM: usize = 16 << 10;
        let mut bytes = Vec::with_capacity(head.len().saturating_add(len).saturating_add(ROOM));
        bytes.extend_from_slice(head);
        let (mut spots, mut written) = (Spots::default(), Ok(()));
        put::boxed(&mut bytes, *b"moov", |to| written = write(to, &mut spots));
        written?;
        if u32::try_from(bytes.len()).is_err() {
            let message = "its index would have more than 4 GiB";
            return Err(Error::new(ErrorKind::LimitExceeded, message));
        }
        let Spots { tables, items } = spots;
        Ok(Self { bytes, tables, items })
    }

    /// Its size in bytes, with what is in front.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The same, with the places of all tables and of items, which `to` makes those of the file.
    pub(crate) fn placed(
        mut self,
        tables: &[&[u64]],
        items: &MovedItems,
        mut to: impl FnMut(u64) -> u64,
    ) -> Vec<u8> {
        items.place(&mut self.bytes, &self.items, &mut to);
        for (places, (at, wide)) in tables.iter().zip(&self.tables) {
            let table = self.bytes.get_mut(*at..).unwrap_or_default();
            let places = places.iter().map(|place| to(*place));
            if *wide {
                let entries = table.as_chunks_mut::<8>().0.iter_mut();
                entries.zip(places).for_each(|(entry, place)| *entry = place.to_be_bytes());
            } else {
                let narrow = |place: u64| u32::try_from(place).unwrap_or(u32::MAX);
                let entries = table.as_chunks_mut::<4>().0.iter_mut();
                entries.zip(places).for_each(|(entry, place)| *entry = narrow(place).to_be_bytes());
            }
        }
        self.bytes
    }
}

/// Writes a moov by its plan.
struct Writer<'a> {
    plan: &'a MoviePlan<'a>,
    spots: &'a mut Spots,
    wide: bool,
}

impl Writer<'_> {
    fn write(&mut self, to: &mut Vec<u8>) -> Result<()> {
        let plan = self.plan;
        let mut sources = plan.source.tracks.iter();
        let mut added = plan.chapters.as_ref().filter(|_| lacks_list(plan));
        for (kind, content) in children(&plan.source.content) {
            match &kind {
                b"mvhd" => header::lasting(to, kind, &content, Own::Scale(plan.scale), plan.shown)?,
                b"trak" => {
                    let source = sources.next();
                    let is_it = |track: &&TrackPlan<'_>| source.is_some_and(|it| it.id == track.source.id);
                    if let Some(track) = plan.tracks.iter().find(is_it) {
                        self.write_track(track, to)?;
                    }
                }
                // All samples are in tables.
                b"mvex" => {}
                b"udta" => put::boxed(to, kind, |to| {
                    for (kind, content) in children(&content) {
                        match plan.chapters.as_ref().filter(|_| &kind == b"chpl") {
                            Some(chapters) => write_chapters(to, chapters),
                            None => self.keep(to, kind, &content),
                        }
                    }
                    added.take().into_iter().for_each(|chapters| write_chapters(to, chapters));
                }),
                _ => self.keep(to, kind, &content),
            }
        }
        if let Some(chapters) = added {
            put::boxed(to, *b"udta", |to| write_chapters(to, chapters));
        }
        Ok(())
    }

    fn keep(&mut self, to: &mut Vec<u8>, kind: [u8; 4], content: &Bytes) {
        items::kept(to, kind, content, self.wide, &mut self.spots.items);
    }

    fn write_track(&mut self, track: &TrackPlan<'_>, to: &mut Vec<u8>) -> Result<()> {
        let mut failed = Ok(());
        put::boxed(to, *b"trak", |to| {
            for (kind, content) in children(&track.source.content) {
                let done = match &kind {
                    b"tkhd" => {
                        let done = header::lasting(to, kind, &content, Own::Number, track.shown);
                        if let Some(edits) = &track.edits {
                            put::boxed(to, *b"edts", |to| header::edit_list(to, edits));
                        }
                        done
                    }
                    b"edts" => Ok(()),
                    b"tref" => {
                        write_references(self.plan, &content, to);
                        Ok(())
                    }
                    b"mdia" => self.write_media(track, &content, to),
                    _ => {
                        self.keep(to, kind, &content);
                        Ok(())
                    }
                };
                if failed.is_ok() {
                    failed = done;
                }
            }
        });
        failed
    }

    fn write_media(&mut self, track: &TrackPlan<'_>, media: &Bytes, to: &mut Vec<u8>) -> Result<()> {
        let mut failed = Ok(());
        put::boxed(to, *b"mdia", |to| {
            for (kind, content) in children(media) {
                match &kind {
                    b"mdhd" => {
                        let scale = Own::Scale(track.scale);
                        failed = header::lasting(to, kind, &content, scale, track.draft.decoded());
                    }
                    b"minf" => put::boxed(to, kind, |to| {
                        for (kind, content) in children(&content) {
                            match &kind {
                                b"stbl" => self.write_tables(track, &content, to),
                                _ => put::kept(to, kind, &content),
                            }
                        }
                    }),
                    _ => put::kept(to, kind, &content),
                }
            }
        });
        failed
    }

    fn write_tables(&mut self, track: &TrackPlan<'_>, tables: &Bytes, to: &mut Vec<u8>) {
        put::boxed(to, *b"stbl", |to| {
            let places = track.draft.write(to, track.lift, self.wide);
            self.spots.tables.extend(places.into_iter().map(|at| (at, self.wide)));
            for (kind, content) in children(tables) {
                let is_kept = &kind == b"senc" && track.draft.has_encryption();
                if is_kept || !OF_SAMPLES.contains(&&kind) {
                    put::kept(to, kind, &content);
                }
            }
        });
    }
}

/// Boxes of a stbl that say something of each sample, or of some by their numbers or places.
pub(crate) const OF_SAMPLES: [&[u8; 4]; 22] = [
    b"stsd", b"stts", b"ctts", b"cslg", b"stss", b"stps", b"stsh", b"sdtp", b"stdp", b"padb", b"stsc",
    b"stsz", b"stz2", b"stco", b"co64", b"sgpd", b"sbgp", b"csgp", b"subs", b"saiz", b"saio", b"senc",
];

/// References to other tracks (8.3.3), without those that are not there.
fn write_references(plan: &MoviePlan<'_>, content: &Bytes, to: &mut Vec<u8>) {
    let is_there = |id: u32| plan.tracks.iter().any(|track| track.source.id == id);
    let all: Vec<([u8; 4], Vec<u32>)> = children(content)
        .map(|(kind, content)| {
            let ids = content.as_chunks::<4>().0.iter().map(|id| u32::from_be_bytes(*id));
            (kind, ids.filter(|id| is_there(*id)).collect())
        })
        .collect();
    if all.iter().all(|(_, ids)| ids.is_empty()) {
        return;
    }
    put::boxed(to, *b"tref", |to| {
        for (kind, ids) in all.iter().filter(|(_, ids)| !ids.is_empty()) {
            put::boxed(to, *kind, |to| ids.iter().for_each(|id| put::u32(to, *id)));
        }
    });
}

/// Whether a movie has chapters now (those of a further source), and neither a list nor a track of them.
fn lacks_list(plan: &MoviePlan<'_>) -> bool {
    let is_there = |id: &u32| plan.tracks.iter().any(|track| track.source.id == *id);
    let mut references = plan.tracks.iter().flat_map(|track| &track.source.references);
    let has_track = references.any(|(kind, ids)| kind == b"chap" && ids.iter().any(is_there));
    let lists = |content: &Bytes| children(content).any(|(kind, _)| &kind == b"chpl");
    let has_list = children(&plan.source.content).any(|(kind, content)| &kind == b"udta" && lists(&content));
    plan.chapters.as_ref().is_some_and(|chapters| !chapters.is_empty()) && !has_track && !has_list
}

/// Nero's list of chapters, as libav reads and writes it (mov.c: mov_read_chpl): titles of up to 255 bytes, of up to
/// 255 chapters.
fn write_chapters(to: &mut Vec<u8>, chapters: &[Chapter]) {
    let count = u8::try_from(chapters.len()).unwrap_or(u8::MAX);
    put::versioned(to, *b"chpl", 1, |to| {
        put::u32(to, 0);
        to.push(count);
        for chapter in chapters.iter().take(count.into()) {
            put::u64(to, chapter.start);
            let mut end = chapter.title.len().min(usize::from(u8::MAX));
            while !chapter.title.is_char_boundary(end) {
                end = end.saturating_sub(1);
            }
            to.push(u8::try_from(end).unwrap_or(0));
            to.extend_from_slice(chapter.title.get(..end).unwrap_or_default().as_bytes());
        }
    });
}

/// Whether places behind so much head and payload need 64 bits.
pub(crate) fn needs_wide(head: u64, payload: u64) -> bool {
    // Padding, and what 64 bits take more.
    const ROOM: u64 = 1 << 24;
    payload.saturating_add(head).saturating_add(ROOM) > u32::MAX.into()
}

/// The brand that a ftyp says first (4.3).
pub(crate) fn major_brand(brands: &Bytes) -> Option<[u8; 4]> {
    Fields::of(*b"ftyp", brands.clone()).kind().ok()
}
