//! An MP4 whose index is written here: samples come from other MP4s' tables, and their payload is slices of
//! those.

mod besides;
mod items;
mod muxed;
mod payload;
mod plan;
mod shared;

mod whole;

#[cfg(fuzzing)]
pub(crate) use muxed::rewritten;
pub(crate) use muxed::{index_first, index_first_in_file};
pub(crate) use payload::{Around, Taken};
pub(crate) use whole::whole;

use super::{edits::TrackEdits, layout::Placement, track::Track};
use crate::{
    Control, Error, Limits, Report, Result, Rope, Source,
    av::input::RawChapter,
    io::Builder,
    mp4::{self, Description, Draft, Moov, MovedItems, Movie},
    time::{Rational, Timestamp},
};
use besides::Besides;
use bytes::Bytes;
use items::Items;
use payload::{Part, Payload, packets, silence};
use plan::{Made, plan};
use std::sync::Arc;

/// An index in the making, and the payload that it is of.
pub(crate) struct Index {
    /// The one whose boxes the result has: the first source's, or a model of it by libav's muxer.
    movie: Arc<Movie>,
    is_own: bool,
    source: Source,
    /// Of each of the output's tracks, the number of the movie's that it is made of.
    numbers: Vec<usize>,
    /// And its tables; behind them those of tracks that libav's muxer made by itself.
    drafts: Vec<Draft>,
    /// The numbers of those tracks.
    own: Vec<usize>,
    payload: Payload,
    besides: Besides,
    /// What will lie side by side.
    beside: Option<Vec<Part>>,
    /// What the samples of a source are described by on each of the tracks, where not by its own descriptions.
    described: Vec<(Source, Vec<Option<Description>>)>,
    limits: Limits,
}

impl Index {
    /// With a track for each of these of a movie, with so many ticks a second.
    pub(crate) fn new(
        movie: Arc<Movie>,
        source: Source,
        tracks: impl Iterator<Item = (usize, u32)>,
        limits: Limits,
    ) -> Self {
        let (numbers, drafts) = tracks.map(|(track, scale)| (track, Draft::new(scale))).unzip();
        let payload = Payload::new(limits.memory, Items::of(&movie, &source));
        let besides = Besides::default();
        let (own, described) = (Vec::new(), Vec::new());
        let is_own = true;
        Self {
            movie,
            is_own,
            source,
            numbers,
            drafts,
            own,
            payload,
            besides,
            beside: None,
            described,
            limits,
        }
    }

    /// Whether the boxes are those of the first source.
    pub(crate) fn has_own_boxes(&self) -> bool {
        self.is_own
    }

    /// The boxes are those of libav's muxer, and so are the descriptions of the first source's samples.
    pub(crate) fn take_as_model(&mut self) {
        self.is_own = false;
        let by = (0..self.numbers.len()).map(|track| self.description(track)).collect();
        self.describe(&self.source.clone(), by);
    }

    /// The only description that a track begins with. None if there are several.
    pub(crate) fn description(&self, track: usize) -> Option<Description> {
        description_of(&self.movie, *self.numbers.get(track)?)
    }

    /// Says something else of all samples of a track that are described so.
    pub(crate) fn redescribe(&mut self, track: usize, known: &Description, by: Description) {
        if let Some(draft) = self.drafts.get_mut(track) {
            draft.redescribe(known, by);
        }
    }

    /// What a source's samples are described by on each of the tracks; none: by its own descriptions.
    pub(crate) fn describe(&mut self, source: &Source, by: Vec<Option<Description>>) {
        let is_there = self.described.last().is_some_and(|(known, _)| known.is_same(source));
        if !is_there && by.iter().any(Option::is_some) {
            self.described.push((source.clone(), by));
        }
    }

    /// Makes a track's ticks so many times as fine. False if that can't be.
    pub(crate) fn refine(&mut self, track: usize, times: i32) -> bool {
        self.drafts.get_mut(track).is_some_and(|draft| draft.refine(times.unsigned_abs()))
    }

    /// Composes all samples of a track so far so many ticks later. False if that can't be.
    pub(crate) fn delay(&mut self, track: usize, by: i64) -> bool {
        let by = u32::try_from(by).ok();
        self.drafts.get_mut(track).zip(by).is_some_and(|(draft, by)| draft.delay(by))
    }

    /// What is appended from here on lies side by side in the payload, though it is of several sources, until
    /// [`end_beside`](Self::end_beside): what one track has of them may be decoded while another's is.
    pub(crate) fn begin_beside(&mut self) {
        self.beside.get_or_insert_default();
    }

    pub(crate) fn end_beside(&mut self, report: &mut Report, control: &Control) -> Result<()> {
        match self.beside.take() {
            Some(parts) => self.payload.place(&parts, &mut self.drafts, report, control),
            None => Ok(()),
        }
    }

    /// Puts samples of a source behind what is there.
    pub(crate) fn append(
        &mut self,
        source: &Source,
        taken: Vec<Taken>,
        report: &mut Report,
        control: &Control,
    ) -> Result<()> {
        let mut placed = Vec::with_capacity(taken.len());
        let described = self.described.iter().rev().find(|(known, _)| known.is_same(source));
        let described = described.map_or_else(Vec::new, |(_, by)| by.clone());
        for mut taken in taken {
            let by = taken.described.take();
            taken.described = by.or_else(|| described.get(taken.track).cloned().flatten());
            let begins = self.append_tables(&taken, report, control)?;
            if let Some(draft) = self.drafts.get_mut(taken.track) {
                self.besides.append(source, &taken, draft, &self.limits)?;
            }
            placed.push((taken, begins));
        }
        let held = self.drafts.iter().map(Draft::held).fold(0, usize::saturating_add);
        hold_tables(held, &self.limits)?;
        let part = Part { source: source.clone(), taken: placed };
        match &mut self.beside {
            Some(parts) => {
                parts.push(part);
                Ok(())
            }
            None => self.payload.place(&[part], &mut self.drafts, report, control),
        }
    }

    /// When the first sample of each range is decoded.
    fn append_tables(
        &mut self,
        taken: &Taken,
        report: &mut Report,
        control: &Control,
    ) -> Result<Vec<Timestamp>> {
        let others = self.drafts.iter().enumerate().filter(|(track, _)| *track != taken.track);
        let others = others.map(|(_, draft)| draft.held()).fold(0, usize::saturating_add);
        let (draft, tables) = (self.drafts.get_mut(taken.track), taken.tables());
        let Some((draft, (track, samples))) = draft.zip(tables) else { return Ok(Vec::new()) };
        let mut begins = Vec::with_capacity(taken.ranges.len());
        let first = draft.count();
        for (gap, range) in &taken.ranges {
            report.packets = report.packets.saturating_add(packets(samples, range));
            self.limits.hold_written(report.packets)?;
            begins.push(decoded(draft));
            match silence(samples, *gap) {
                Some((gap, bytes)) => {
                    let most = self.limits.memory;
                    Limits::hold(bytes, most, "memory", || {
                        format!("silence between two parts takes {bytes} bytes, and the limit is {most}")
                    })?;
                    draft.append_silence(gap)?;
                }
                None => draft.change_last(*gap)?,
            }
            let own = draft.would_hold(track, range.end.saturating_sub(range.start));
            hold_tables(own.saturating_add(others), &self.limits)?;
            draft.append(track, samples, range.start, range.end)?;
            control.check()?;
        }
        draft.change_last(taken.last)?;
        let [front, behind] = [&taken.around.front, &taken.around.behind].map(Bytes::len);
        if draft.count() > first && front.saturating_add(behind) > 0 {
            draft.enlarge(first, front)?;
            draft.enlarge(draft.count().saturating_sub(1), behind)?;
        }
        Ok(begins)
    }

    /// Takes the same boxes of the muxer's once more, with tracks that it made by itself, whose samples lie in its
    /// file.
    pub(crate) fn replace_boxes(&mut self, movie: Arc<Movie>, file: Source, control: &Control) -> Result<()> {
        let mut made = Vec::new();
        for (number, track) in movie.tracks.iter().enumerate() {
            if self.numbers.contains(&number) {
                continue;
            }
            made.push(Taken::all(self.drafts.len(), &movie, number));
            self.drafts.push(Draft::new(track.scale));
            self.own.push(number);
        }
        self.movie = movie;
        self.append(&file, made, &mut Report::default(), control)
    }

    /// The result. `chapters` are on the output's clock.
    pub(crate) fn into_rope(
        mut self,
        tracks: &[Track],
        chapters: &[RawChapter],
        report: &mut Report,
    ) -> Result<Rope> {
        std::mem::take(&mut self.besides).finish(&mut self.payload, &mut self.drafts, report)?;
        let shown: Vec<(usize, &Track)> =
            tracks.iter().enumerate().filter(|(i, track)| !track.unseen && self.count(*i) > 0).collect();
        if shown.is_empty() {
            return Err(Error::corrupt("there is not a single packet in it"));
        }
        if !self.has_own_boxes() {
            for (number, draft) in self.numbers.iter().zip(&mut self.drafts) {
                self.movie.tracks.get(*number).into_iter().for_each(|like| draft.group_like(like));
            }
        }
        let mut made = Vec::new();
        for (i, track) in &shown {
            let Some((number, draft)) = self.numbers.get(*i).zip(self.drafts.get(*i)) else { continue };
            let Some(source) = self.movie.tracks.get(*number) else { continue };
            draft.warnings.iter().for_each(|what| report.warn(format!("track {}: {what}", source.id)));
            made.push(Made { source, draft, edits: Some(TrackEdits::of(&track.clock)) });
        }
        for (number, draft) in self.own.iter().zip(self.drafts.iter().skip(self.numbers.len())) {
            let Some(source) = self.movie.tracks.get(*number) else { continue };
            made.push(Made { source, draft, edits: None });
        }
        let plan = plan(&self.movie, &made, Some(chapters))?;
        let places: Vec<&[u64]> = made.iter().flat_map(|made| made.draft.all_places()).collect();
        let parts = Parts::of(&self.movie, &self.source);
        let (payload, items) = self.payload.finish(report)?;
        parts.lay_out(&payload, (&places, &items), &self.limits, |head, wide| Moov::new(head, &plan, wide))
    }

    /// Whether a track of another source can follow on one of its own: readers take what it says of encryption for all
    /// of a track, and of encrypted samples libav knows but the first description (mov.c: mov_skip_multiple_stsd).
    /// Groups that change its keys (seig) are not told apart.
    pub(crate) fn can_go_on(&self, track: usize, theirs: &mp4::Track) -> bool {
        let own = self.numbers.get(track).and_then(|number| self.movie.tracks.get(*number));
        let changes_keys =
            |track: &mp4::Track| track.extras.descriptions.iter().any(|own| &own.kind == b"seig");
        own.is_none_or(|own| match (own.is_encrypted(), theirs.is_encrypted()) {
            (false, false) => true,
            (true, true) => {
                let pairs = || own.descriptions.iter().zip(&theirs.descriptions);
                let are_like = own.descriptions.len() == theirs.descriptions.len()
                    && pairs().all(|(own, theirs)| own.is_like(theirs));
                are_like && !changes_keys(own) && !changes_keys(theirs)
            }
            _ => false,
        })
    }

    /// Whether a description of this name is read where it follows on a track: libav's demuxer leaves out the samples
    /// of all others than the first one's, but of these among themselves (mov.c: mov_skip_multiple_fourcc).
    pub(crate) fn reads_name(&self, track: usize, name: [u8; 4]) -> bool {
        const TOGETHER: [&[u8; 4]; 4] = [b"apcn", b"apch", b"dvpp", b"dvcp"];
        let own = self.numbers.get(track).and_then(|number| self.movie.tracks.get(*number));
        let mut names = own.into_iter().flat_map(|own| &own.descriptions).map(|own| own.kind);
        let goes = |known: [u8; 4]| known == name || [known, name].iter().all(|one| TOGETHER.contains(&one));
        own.is_none() || names.any(goes)
    }

    fn count(&self, track: usize) -> u32 {
        self.drafts.get(track).map_or(0, Draft::count)
    }
}

/// The only description of a movie's track.
pub(crate) fn description_of(movie: &Movie, number: usize) -> Option<Description> {
    match movie.tracks.get(number)?.descriptions.as_slice() {
        [only] => Some(only.clone()),
        _ => None,
    }
}

/// What a result is made of beside its moov and its payload.
struct Parts<'a> {
    /// What is in front of all: the brands.
    head: Vec<u8>,
    /// Boxes of a source that are kept.
    others: &'a [mp4::Place],
    /// What is in those of them that name places in the file, by where they begin in it.
    metas: &'a [(u64, Bytes)],
    source: Option<&'a Source>,
}

impl<'a> Parts<'a> {
    fn of(movie: &'a Movie, source: &'a Source) -> Self {
        let mut head = Vec::new();
        if let Some(brands) = &movie.brands {
            let own = movie.fragmented.then(|| mp4::without_fragments(brands));
            mp4::put_box(&mut head, *b"ftyp", own.as_ref().unwrap_or(brands));
        }
        Self { head, others: &movie.others, metas: &movie.metas, source: Some(source) }
    }

    /// The source's other boxes. `wide`: places have 64 bits.
    fn others(&self, wide: bool) -> Vec<Other<'a>> {
        let of = |place: &'a mp4::Place| {
            let meta = self.metas.iter().find(|(start, _)| *start == place.start);
            match meta {
                Some((_, content)) => Other::Meta(mp4::Meta::new(content, wide)),
                None => Other::Kept(header(place), place),
            }
        };
        self.others.iter().map(of).collect()
    }

    /// The brands and the moov, the source's other boxes, and the payload. `places`: what each of the moov's tables
    /// of places names of the payload, first of each track its chunks. `items`: where items lie in it. `moov` makes it
    /// behind the brands, with places of 64 bits or of 32.
    fn lay_out(
        &self,
        payload: &Rope,
        (places, items): (&[&[u64]], &MovedItems),
        limits: &Limits,
        moov: impl Fn(&[u8], bool) -> Result<Moov>,
    ) -> Result<Rope> {
        let len = |others: &[Other<'_>]| others.iter().map(Other::len).fold(0, u64::saturating_add);
        let (mut made, mut others) = (moov(&self.head, false)?, self.others(false));
        if mp4::needs_wide(made.len() as u64, payload.len().saturating_add(len(&others))) {
            (made, others) = (moov(&self.head, true)?, self.others(true));
        }
        let others_len = len(&others);
        let (moov_len, most) = (made.len() as u64, limits.memory);
        Limits::hold(moov_len, most, "memory", || {
            format!("the result's index has {moov_len} bytes, and the limit is {most}")
        })?;
        let is_chunk = |at: u64| places.iter().any(|places| places.binary_search(&at).is_ok());
        let headers = moov_len.saturating_add(others_len);
        let placement = Placement::new(payload, headers, is_chunk);
        let mut mover = placement.mover();
        let mut out = Builder::with_head(made.placed(places, items, |at| mover.moved(at)));
        if let Some(source) = self.source {
            out.set_source(source);
        }
        for other in others {
            match other {
                Other::Kept(header, place) => {
                    out.write(out.len(), &header)?;
                    out.write_shared(out.len(), place.content, place.end.saturating_sub(place.content))?;
                }
                Other::Meta(meta) => {
                    let mut mover = placement.mover();
                    out.write(out.len(), &meta.placed(items, |at| mover.moved(at)))?;
                }
            }
        }
        placement.write(&mut out, payload)?;
        limits.hold_output(out.len())?;
        Ok(out.finish())
    }
}

/// A box of a source beside its moov and its payload.
enum Other<'a> {
    /// As it is there, behind a header.
    Kept(Vec<u8>, &'a mp4::Place),
    /// One that names places in the file.
    Meta(mp4::Meta),
}

impl Other<'_> {
    fn len(&self) -> u64 {
        match self {
            Self::Kept(header, place) => {
                place.end.saturating_sub(place.content).saturating_add(header.len() as u64)
            }
            Self::Meta(meta) => meta.len() as u64,
        }
    }
}

/// Keeps the tables of a result within its memory.
fn hold_tables(held: usize, limits: &Limits) -> Result<()> {
    let most = limits.memory;
    Limits::hold(held as u64, most, "memory", || format!("the result's tables take more than {most} bytes"))
}

/// When the samples of a track so far end by decoding.
fn decoded(draft: &Draft) -> Timestamp {
    let base = i32::try_from(draft.scale()).ok().and_then(|scale| Rational::new(1, scale));
    let ticks = i64::try_from(draft.decoded()).unwrap_or(i64::MAX);
    base.map_or(Timestamp::ZERO, |base| Timestamp::from_ticks(ticks, base))
}

/// The header of one of a source's boxes: one that goes on to the file's end says how long it is here.
fn header(place: &mp4::Place) -> Vec<u8> {
    let content = place.end.saturating_sub(place.content);
    let small = u32::try_from(content.saturating_add(8))
        .ok()
        .filter(|_| place.content.saturating_sub(place.start) == 8);
    match small {
        Some(size) => [&size.to_be_bytes(), &place.kind[..]].concat(),
        None => [&1_u32.to_be_bytes(), &place.kind[..], &content.saturating_add(16).to_be_bytes()].concat(),
    }
}
