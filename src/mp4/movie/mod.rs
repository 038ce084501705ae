//! A file's moov: its tracks, each with its samples.

mod brands;
pub(super) mod edits;
pub(super) mod items;
mod protected;
mod unknown;

pub(crate) use brands::without_fragments;

use super::{
    boxes::{
        Place, Read, boxes_of_file, child, children,
        fields::{Fields, wrong},
        in_memory, name, packed,
    },
    fragments::Defaults,
    sample_tables::{Description, Extras, Samples, read_descriptions, read_samples},
};
use crate::{Error, Limits, Result};
use bytes::Bytes;
use edits::{Edit, edit_list};
use items::{Extent, named_places};

/// What a moov says (ISO/IEC 14496-12, 8.2).
#[derive(Debug, Default)]
pub(crate) struct Movie {
    /// Ticks a second of edit lists.
    pub scale: u32,
    /// In those, by the header; none where that says that it does not know.
    pub duration: Option<u64>,
    pub tracks: Vec<Track>,
    /// There is a mvex: fragments may follow. What their tracks have, where they do not say it.
    pub fragmented: bool,
    /// And there are some, or an index of segments; or a trex says so outside of a mvex, as libav takes it.
    pub has_fragments: bool,
    pub defaults: Vec<Defaults>,
    /// What is in the moov, as it is in the file, and where it begins there; 0 for one that was packed.
    pub content: Bytes,
    pub at: u64,
    /// Of the file's ftyp; none where there is no such box.
    pub brands: Option<Bytes>,
    /// The file's other boxes that tables and payload are not in.
    pub others: Vec<Place>,
    /// How many more there are: those behind the 256th, and what ends behind the file.
    pub left_out: usize,
    /// They are not all that there are: fragments come behind.
    pub goes_on: bool,
    /// The bytes of items (iloc; 8.11.3) that the moov or another box of the file names, in the order that they lie in.
    pub items: Vec<Extent>,
    /// What is in those boxes of the file that name some, by where they begin in it.
    pub metas: Vec<(u64, Bytes)>,
    /// Some box says where bytes lie in the file, in a way that can't be said anew.
    pub names_places: bool,
}

/// A track (8.3).
#[derive(Debug)]
pub(crate) struct Track {
    pub id: u32,
    /// The trak's content, as it is in the file.
    pub content: Bytes,
    /// `vide`, `soun`, `meta` …
    pub handler: [u8; 4],
    /// Ticks a second of the media.
    pub scale: u32,
    /// In media ticks, by the header; none where that says that it does not know.
    pub duration: Option<u64>,
    /// None: there is no edit list, and the media is presented as it is.
    pub edits: Option<Vec<Edit>>,
    pub descriptions: Vec<Description>,
    /// An error names the box that can't be meant.
    pub samples: Result<Samples>,
    /// Its samples lie in this file.
    pub is_whole: bool,
    /// No second table lies beside the one that is read.
    pub has_one_table: bool,
    /// Other tracks that it refers to, by what they are to it (tref; 8.3.3): `chap`, `tmcd`, `sync` …
    pub references: Vec<([u8; 4], Vec<u32>)>,
    /// What else is said of its samples, and what of that can't be meant.
    pub extras: Extras,
    pub warnings: Vec<String>,
}

/// What a file in fragments has beside its moov.
pub(super) const FRAGMENTS: [&[u8; 4]; 6] = [b"moof", b"sidx", b"ssix", b"styp", b"prft", b"mfra"];

/// Boxes of a file that say nothing for themselves, or what else is read.
pub(super) const KNOWN: [&[u8; 4]; 6] = [b"moov", b"ftyp", b"mdat", b"free", b"skip", b"wide"];

/// Other boxes of a file that are kept, at most.
pub(super) const OTHERS: usize = 256;

impl Movie {
    /// Reads the moov of a file of `len` bytes; None if there is none. An error if it takes more than the
    /// limits allow, or is cut short.
    pub(crate) fn read(read: &mut Read<'_>, len: u64, limits: &Limits) -> Result<Option<Self>> {
        let (mut movie, mut brands, mut others) = (None, None, Vec::new());
        let (mut left_out, mut names_places, mut has_fragments) = (0_usize, false, false);
        let (mut items, mut metas): (Vec<Extent>, Vec<(u64, Bytes)>) = (Vec::new(), Vec::new());
        let mut room = limits.demuxer_memory / 8;
        boxes_of_file(read, len, |read, place| {
            match &place.kind {
                b"moov" if movie.is_none() => {
                    let content = load(read, place, limits)?;
                    let found = Self::of(&content, limits)?;
                    // A packed one is elsewhere.
                    let at = if found.content == content { place.content } else { 0 };
                    movie = Some(Self { at, ..found });
                }
                b"ftyp" if brands.is_none() => brands = Some(load(read, place, limits)?),
                kind if KNOWN.contains(&kind) => {}
                // Behind the moov there may be thousands of fragments.
                b"moof" | b"sidx" => {
                    has_fragments = true;
                    return Ok(movie.is_none());
                }
                kind if FRAGMENTS.contains(&kind) => {}
                // What somebody wrote behind the boxes is none.
                _ if !place.cut_short && others.len() < OTHERS => {
                    if &place.kind == b"meta"
                        && place.end.saturating_sub(place.content) > limits.demuxer_memory
                    {
                        names_places = true;
                    } else if &place.kind == b"meta" {
                        let content = load(read, place, limits)?;
                        match named_places(place.kind, &content, len) {
                            Some(found) if found.is_empty() => {}
                            // Those that name some are held.
                            Some(found)
                                if room >= content.len() as u64
                                    && items.len().saturating_add(found.len()) <= items::MOST =>
                            {
                                room = room.saturating_sub(content.len() as u64);
                                items.extend(found);
                                metas.push((place.start, content));
                            }
                            _ => names_places = true,
                        }
                    }
                    others.push(place);
                }
                _ => left_out = left_out.saturating_add(1),
            }
            Ok(true)
        })?;
        Ok(movie.map(|movie| {
            let named = named_places(*b"moov", &movie.content, len)
                .filter(|named| items.len().saturating_add(named.len()) <= items::MOST);
            let names_places =
                names_places || named.is_none() || !movie.tracks.iter().all(|track| track.has_auxiliary(len));
            items.extend(named.unwrap_or_default());
            items.sort_unstable();
            items.dedup();
            let has_fragments = has_fragments || movie.has_fragments;
            Self { brands, others, left_out, names_places, has_fragments, items, metas, ..movie }
        }))
    }

    /// Of a moov's content.
    fn of(bytes: &Bytes, limits: &Limits) -> Result<Self> {
        let mut movie = Self { content: bytes.clone(), ..Self::default() };
        // What groups may take that are stated by patterns.
        let mut room = limits.demuxer_memory / 8;
        for (kind, content) in children(bytes) {
            match &kind {
                b"mvhd" => {
                    let (mut fields, version, _) = Fields::of_full(kind, content)?;
                    fields.skip(if version == 1 { 16 } else { 8 })?;
                    movie.scale = fields.u32()?;
                    movie.duration = known(version, fields.wide(version)?);
                }
                b"trak" => {
                    let mut track = Track::of(&content, &mut room)?;
                    if movie.track(track.id).is_some() {
                        let twice = format!("another track is numbered {} as well", track.id);
                        track.samples = Err(wrong(*b"tkhd", twice));
                    }
                    movie.tracks.push(track);
                    let (count, most) = (movie.tracks.len() as u64, limits.streams as u64);
                    Limits::hold(count, most, "streams", || {
                        format!("more than {most} streams, which is the limit")
                    })?;
                }
                b"mvex" => {
                    movie.fragmented = true;
                    let each = children(&content).filter(|(kind, _)| kind == b"trex");
                    movie.defaults = each
                        .take(limits.streams)
                        .map(|(kind, content)| Defaults::read(kind, content))
                        .collect::<Result<_>>()?;
                }
                b"trex" => movie.has_fragments = true,
                b"cmov" => {
                    let place = Place::in_front(kind, content.len() as u64);
                    let mut read = in_memory(&content, 0);
                    let unpacked = packed::unpack(&mut read, place, limits.demuxer_memory)?;
                    let inner = children(&unpacked.into()).find(|(kind, _)| kind == b"moov");
                    // One within another is no index.
                    if let Some((_, inner)) =
                        inner.filter(|(_, inner)| children(inner).all(|(k, _)| k != *b"cmov"))
                    {
                        return Self::of(&inner, limits);
                    }
                }
                _ => {}
            }
        }
        Ok(movie)
    }

    /// The same once more, as it was read.
    pub(crate) fn again(&self, limits: &Limits) -> Result<Self> {
        let (brands, others) = (self.brands.clone(), self.others.clone());
        let (items, metas) = (self.items.clone(), self.metas.clone());
        let Self { at, left_out, names_places, has_fragments, .. } = *self;
        let own = Self::of(&self.content, limits)?;
        Ok(Self { at, brands, others, left_out, names_places, has_fragments, items, metas, ..own })
    }

    /// Bytes that are held for it.
    pub(crate) fn held(&self) -> usize {
        let tracks = self.tracks.iter().map(Track::held).fold(0, usize::saturating_add);
        let metas = self.metas.iter().map(|(_, content)| content.len());
        let items = self.items.len().saturating_mul(size_of::<Extent>());
        metas.fold(self.content.len().max(tracks), usize::saturating_add).saturating_add(items)
    }

    /// Reads a file, but for the moov, which is here.
    pub(crate) fn in_front_of<'a>(
        &'a self,
        read: &'a mut Read<'_>,
    ) -> impl FnMut(u64, &mut [u8]) -> Result<()> + 'a {
        move |at, into| {
            let from = at.checked_sub(self.at).filter(|_| self.at > 0);
            let from = from.and_then(|from| usize::try_from(from).ok());
            match from.and_then(|from| self.content.get(from..from.checked_add(into.len())?)) {
                Some(here) => into.copy_from_slice(here),
                None => read(at, into)?,
            }
            Ok(())
        }
    }

    /// The number of the track that libav numbers its stream by.
    pub(crate) fn number_of(&self, id: i32) -> Option<usize> {
        self.tracks.iter().position(|track| i32::try_from(track.id) == Ok(id))
    }

    /// One of its tracks alone, with other samples that are as many. None where there is no such track.
    pub(crate) fn with_samples(&self, number: usize, samples: Samples) -> Option<Self> {
        let own = self.tracks.get(number)?;
        let track = Track {
            id: own.id,
            content: own.content.clone(),
            handler: own.handler,
            scale: own.scale,
            duration: own.duration,
            edits: own.edits.clone(),
            descriptions: own.descriptions.clone(),
            samples: Ok(samples),
            is_whole: own.is_whole,
            has_one_table: own.has_one_table,
            references: own.references.clone(),
            extras: own.extras.clone(),
            warnings: own.warnings.clone(),
        };
        Some(Self { scale: self.scale, tracks: vec![track], ..Self::default() })
    }

    pub(crate) fn track(&self, id: u32) -> Option<&Track> {
        self.tracks.iter().find(|track| track.id == id)
    }
}

/// A box's content, if the limits allow to hold it.
pub(crate) fn load(read: &mut Read<'_>, place: Place, limits: &Limits) -> Result<Bytes> {
    let (size, most) = (place.end.saturating_sub(place.content), limits.demuxer_memory);
    let kind = name(place.kind);
    if place.cut_short {
        let error = Error::corrupt(format!("box {kind} ends beyond the end of the file"));
        return Err(error.advise("the recording or the download was not finished"));
    }
    Limits::hold(size, most, "demuxer_memory", || {
        format!("box {kind} has {size} bytes, and the limit is {most}")
    })?;
    let mut bytes = vec![0; usize::try_from(size).unwrap_or(usize::MAX)];
    read(place.content, &mut bytes)?;
    Ok(bytes.into())
}

/// A duration of a header: all ones, where that does not know it.
fn known(version: u8, duration: u64) -> Option<u64> {
    let unknown = if version == 0 { u32::MAX.into() } else { u64::MAX };
    Some(duration).filter(|duration| *duration != unknown)
}

/// The content of the first box on a path of types.
fn within(content: &Bytes, path: &[&[u8; 4]]) -> Option<([u8; 4], Bytes)> {
    let mut at = ([0; 4], content.clone());
    for kind in path {
        at = (**kind, child(&at.1, **kind)?);
    }
    Some(at)
}

impl Track {
    /// By how much its ticks are to be finer in a file of which a part is shown: that may begin and end within
    /// one, and readers round its ends to whole ones (movenc.c has 10,000 a second at the least). Sound has as
    /// many as samples.
    pub(crate) fn finer(&self) -> u32 {
        const FINE: u32 = 10_000;
        let Ok(samples) = self.samples.as_ref().map_err(drop) else { return 1 };
        if &self.handler != b"vide" || self.scale == 0 || self.scale >= FINE {
            return 1;
        }
        let times = FINE.div_ceil(self.scale).next_power_of_two();
        // Ticks of a sample have 31 bits.
        let most = samples.longest().saturating_mul(times.into());
        if most > i32::MAX.cast_unsigned().into() { 1 } else { times }
    }

    /// The same, of a trak with other boxes around its tables. None where these can't be meant.
    pub(super) fn with_content(&self, content: Bytes) -> Option<Self> {
        let samples = self.samples.as_ref().ok()?.clone();
        Some(Self {
            id: self.id,
            content,
            handler: self.handler,
            scale: self.scale,
            duration: self.duration,
            edits: self.edits.clone(),
            descriptions: self.descriptions.clone(),
            samples: Ok(samples),
            is_whole: self.is_whole,
            has_one_table: self.has_one_table,
            references: self.references.clone(),
            extras: self.extras.clone(),
            warnings: self.warnings.clone(),
        })
    }

    /// How many entries its tables have, by the names of their boxes.
    pub(crate) fn entries(&self) -> Vec<(String, u64)> {
        let mut all = self.samples.as_ref().map(Samples::entries).unwrap_or_default();
        all.extend(self.extras.entries());
        all
    }

    /// Bytes that are held to find its samples, its tables with them.
    pub(crate) fn held(&self) -> usize {
        self.samples.as_ref().map_or(0, Samples::held).saturating_add(self.extras.held())
    }

    fn of(trak: &Bytes, room: &mut u64) -> Result<Self> {
        let missing = |kind: &[u8; 4]| wrong(*b"trak", format!("it has no {}", name(*kind)));
        let (kind, header) = within(trak, &[b"tkhd"]).ok_or_else(|| missing(b"tkhd"))?;
        let (mut fields, version, _) = Fields::of_full(kind, header)?;
        fields.skip(if version == 1 { 16 } else { 8 })?;
        let id = fields.u32()?;
        let (kind, header) = within(trak, &[b"mdia", b"mdhd"]).ok_or_else(|| missing(b"mdhd"))?;
        let (mut fields, version, _) = Fields::of_full(kind, header)?;
        fields.skip(if version == 1 { 16 } else { 8 })?;
        let scale = fields.u32()?;
        let duration = known(version, fields.wide(version)?);
        let handler = match within(trak, &[b"mdia", b"hdlr"]) {
            Some((kind, content)) => {
                let (mut fields, ..) = Fields::of_full(kind, content)?;
                fields.skip(4)?;
                fields.kind()?
            }
            None => [0; 4],
        };
        // Of several, the last one counts (mov.c: mov_read_elst).
        let lists = children(trak).filter(|(kind, _)| kind == b"edts");
        let lists = lists.flat_map(|(_, content)| children(&content).filter(|(kind, _)| kind == b"elst"));
        let edits = lists.last().map(|(kind, content)| {
            let place = Place::in_front(kind, content.len() as u64);
            edit_list(&mut in_memory(&content, 0), place)
        });
        let table = within(trak, &[b"mdia", b"minf", b"stbl"]).map(|(_, table)| table).unwrap_or_default();
        let descriptions = within(&table, &[b"stsd"]).map(|(kind, content)| read_descriptions(kind, content));
        let descriptions = descriptions.transpose()?.unwrap_or_default();
        let own = within(trak, &[b"mdia", b"minf", b"dinf", b"dref"]).map(|(kind, c)| own_data(kind, c));
        let own = own.transpose()?;
        let is_whole = descriptions.iter().all(|description| {
            let entry = description.reference().and_then(|entry| usize::from(entry).checked_sub(1));
            // Writers that leave the table out mean this file.
            own.as_ref().is_none_or(|own| entry.and_then(|entry| own.get(entry).copied()).unwrap_or(true))
        });
        let mut holder = trak.clone();
        let has_one_table = [b"mdia", b"minf", b"stbl"].into_iter().all(|wanted| {
            let mut found = children(&holder).filter(|(kind, _)| kind == wanted);
            let (first, second) = (found.next(), found.next());
            holder = first.map(|(_, content)| content).unwrap_or_default();
            second.is_none()
        });
        let places = children(&table).filter(|(kind, _)| matches!(kind, b"stco" | b"co64"));
        let has_one_table = has_one_table && places.count() <= 1;
        let references =
            within(trak, &[b"tref"]).map(|(_, content)| references(&content)).unwrap_or_default();
        // Runs of groups are counted against samples, which groups may tell to be sync.
        let counted = children(&table).filter(|(kind, _)| kind == b"stsz" || kind == b"stz2");
        let count = counted.filter_map(|(_, content)| content.get(8..)?.first_chunk().copied()).next();
        let (extras, warnings) = Extras::read(&table, count.map_or(0, u32::from_be_bytes), room);
        let samples = read_samples(&table, &descriptions, &extras, handler == *b"soun");
        Ok(Self {
            id,
            content: trak.clone(),
            handler,
            scale,
            duration,
            edits: edits.transpose()?,
            descriptions,
            samples,
            is_whole,
            has_one_table,
            references,
            extras,
            warnings,
        })
    }
}

/// Which entries of a dref say that the data lie in this file (8.7.2).
fn own_data(kind: [u8; 4], content: Bytes) -> Result<Vec<bool>> {
    let (mut fields, ..) = Fields::of_full(kind, content)?;
    let count = usize::try_from(fields.u32()?).unwrap_or(usize::MAX);
    let own = |content: Bytes| Fields::of_full(kind, content).map(|(.., flags)| flags & 1 == 1);
    children(&fields.rest()).take(count).map(|(_, content)| own(content)).collect()
}

/// Kinds of references that a track has, at most; there are some twenty.
const REFERENCES: usize = 256;

/// What a tref holds: boxes of track numbers.
fn references(content: &Bytes) -> Vec<([u8; 4], Vec<u32>)> {
    let numbers =
        |content: Bytes| content.as_chunks::<4>().0.iter().map(|id| u32::from_be_bytes(*id)).collect();
    children(content).take(REFERENCES).map(|(kind, content)| (kind, numbers(content))).collect()
}
