//! An MP4 whose index is written here: samples come from other MP4s' tables, and their payload is slices of
//! those.

mod whole;

pub(crate) use whole::whole;

use super::{
    layout::Placement,
    moov::{TrackEdits, entries, movie_scale},
    track::Track,
};
use crate::{
    Control, Error, ErrorKind, Limits, Report, Result, Rope, Source,
    av::input::RawChapter,
    io::Builder,
    mp4::{self, Chapter, Draft, Moov, Movie, MoviePlan, SampleRun, Samples, TrackPlan},
    time::{Rational, convert},
};
use bytes::Bytes;
use std::{ops::Range, sync::Arc};

/// Chunks between two looks at the control.
const LOOK_EVERY: usize = 4096;

/// Samples of one of a source's tracks that follow each other on a track of the output.
pub(crate) struct Taken<'a> {
    /// The output's.
    pub track: usize,
    pub source: &'a mp4::Track,
    pub samples: &'a Samples,
    /// In the order of decoding, each with the ticks that the sample in front of it lasts longer, or shorter.
    pub ranges: Vec<(i64, Range<u32>)>,
    /// The same of the last sample.
    pub last: i64,
    /// What the first sample holds in place of what it does in the source.
    pub first: Option<Bytes>,
}

impl Taken<'_> {
    /// How many packets they are: of samples of sound in blocks, a chunk is one.
    fn packets(&self, range: &Range<u32>) -> u64 {
        match self.samples.blocks {
            Some(_) => self.samples.in_chunks(range.start, range.end).count() as u64,
            None => range.len() as u64,
        }
    }

    /// A byte of silence, where sound is not compressed: 0 but for what has no sign, and for the logarithmic ones
    /// (G.711).
    fn silence(&self) -> u8 {
        match self.source.descriptions.first().map(|own| &own.kind) {
            Some(b"raw ") => 0x80,
            Some(b"ulaw") => 0xff,
            Some(b"alaw") => 0xd5,
            _ => 0,
        }
    }

    /// Where they lie, chunk by chunk.
    fn runs(&self) -> impl Iterator<Item = SampleRun> + '_ {
        self.ranges.iter().flat_map(|(_, range)| self.samples.in_chunks(range.start, range.end))
    }
}

/// Taken samples on their way into the payload.
struct Lane<'a, R> {
    part: &'a Taken<'a>,
    next: Option<SampleRun>,
    runs: R,
    /// The source's description that was looked for last, and the draft's number of it.
    described: (u32, u32),
}

impl<R: Iterator<Item = SampleRun>> Lane<'_, R> {
    fn take(&mut self) -> Option<SampleRun> {
        std::mem::replace(&mut self.next, self.runs.next())
    }

    fn describe(&mut self, description: u32, draft: &mut Draft) -> u32 {
        if self.described.0 != description {
            let number = usize::try_from(description).ok().and_then(|number| number.checked_sub(1));
            let theirs = number.and_then(|i| self.part.source.descriptions.get(i));
            self.described = (description, theirs.map_or(1, |theirs| draft.describe(theirs)));
        }
        self.described.1
    }
}

/// An index in the making, and the payload that it is of.
pub(crate) struct Index {
    /// The first source's, whose boxes the result has.
    movie: Arc<Movie>,
    source: Source,
    /// Of each of the output's tracks: the number of the movie's that it is made of, and its tables.
    drafts: Vec<(usize, Draft)>,
    payload: Builder,
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
        let drafts = tracks.map(|(track, scale)| (track, Draft::new(scale))).collect();
        Self { movie, source, drafts, payload: Builder::new(limits.memory), limits }
    }

    /// Makes a track's ticks so many times as fine.
    pub(crate) fn refine(&mut self, track: usize, times: i32) {
        if let Some((_, draft)) = self.drafts.get_mut(track) {
            draft.refine(times.unsigned_abs());
        }
    }

    /// Puts samples of a source behind what is there, in the order that they lie in it.
    pub(crate) fn append(
        &mut self,
        source: &Source,
        taken: &[Taken<'_>],
        report: &mut Report,
        control: &Control,
    ) -> Result<()> {
        let limits = self.limits;
        for part in taken {
            let Some((_, draft)) = self.drafts.get_mut(part.track) else { continue };
            for (gap, range) in &part.ranges {
                report.packets = report.packets.saturating_add(part.packets(range));
                let (packets, most) = (report.packets, limits.packets);
                Limits::hold(packets, most, "packets", || format!("more than {most} packets"))?;
                match (part.samples.blocks, u32::try_from(*gap)) {
                    // Each tick is a sample there.
                    (Some(blocks), Ok(gap @ 1..)) => {
                        let place = self.payload.len();
                        let bytes =
                            u64::from(gap.div_ceil(blocks.samples)).saturating_mul(blocks.bytes.into());
                        let most = limits.memory;
                        Limits::hold(bytes, most, "memory", || {
                            format!("silence between two parts takes {bytes} bytes, and the limit is {most}")
                        })?;
                        let silence = vec![part.silence(); usize::try_from(bytes).unwrap_or(0)];
                        self.payload.write(place, &silence)?;
                        draft.append_silence(gap)?;
                        draft.lie_at(place, gap, 1);
                    }
                    _ => draft.change_last(*gap)?,
                }
                draft.append(part.source, part.samples, range.start, range.end)?;
                control.check()?;
            }
            draft.change_last(part.last)?;
        }
        let held: usize = self.drafts.iter().map(|(_, draft)| draft.held()).fold(0, usize::saturating_add);
        let (held, most) = (held as u64, limits.memory);
        Limits::hold(held, most, "memory", || format!("the result's tables take more than {most} bytes"))?;
        self.place(source, taken, report, control)
    }

    /// Puts the samples' payload behind what is there. Tracks lie between each other as they do in the source.
    fn place(
        &mut self,
        source: &Source,
        taken: &[Taken<'_>],
        report: &mut Report,
        control: &Control,
    ) -> Result<()> {
        let len = source.len().unwrap_or(0);
        self.payload.set_source(source);
        let begun = self.payload.len();
        let mut lanes: Vec<Lane<'_, _>> = Vec::with_capacity(taken.len());
        for part in taken {
            let mut runs = part.runs();
            let mut lane = Lane { part, next: runs.next(), runs, described: (0, 0) };
            if let Some((own, (_, draft))) = part.first.as_ref().zip(self.drafts.get_mut(part.track)) {
                let Some(run) = lane.take() else { continue };
                let description = lane.describe(run.description, draft);
                draft.lie_at(self.payload.len(), run.samples, description);
                self.payload.write(self.payload.len(), own)?;
                report.payload_copied = report.payload_copied.saturating_add(own.len() as u64);
            }
            lanes.push(lane);
        }
        let copied = self.payload.len().saturating_sub(begun);
        // What lies one behind the other, and is not written yet.
        let mut whole: Range<u64> = 0..0;
        let mut at = self.payload.len();
        let mut count: usize = 0;
        loop {
            let places = lanes.iter_mut().filter_map(|lane| Some((lane.next?.place, lane)));
            let Some((_, lane)) = places.min_by_key(|(place, _)| *place) else { break };
            let Some((run, (_, draft))) = lane.take().zip(self.drafts.get_mut(lane.part.track)) else {
                break;
            };
            let Some(behind) = run.place.checked_add(run.bytes).filter(|behind| *behind <= len) else {
                return Err(Error::corrupt(format!(
                    "its index names {} bytes at {}, and the file has {len}",
                    run.bytes, run.place
                )));
            };
            if run.place != whole.end {
                write_whole(&mut self.payload, &whole)?;
                whole = run.place..run.place;
            }
            let description = lane.describe(run.description, draft);
            draft.lie_at(at, run.samples, description);
            whole.end = behind;
            at = at.saturating_add(run.bytes);
            count = count.wrapping_add(1);
            if count.is_multiple_of(LOOK_EVERY) {
                control.check()?;
            }
        }
        write_whole(&mut self.payload, &whole)?;
        report.payload_shared =
            report.payload_shared.saturating_add(at.saturating_sub(begun).saturating_sub(copied));
        Ok(())
    }

    /// The result. `chapters` are on the output's clock.
    pub(crate) fn into_rope(
        self,
        tracks: &[Track],
        chapters: &[RawChapter],
        report: &mut Report,
    ) -> Result<Rope> {
        let shown: Vec<(usize, &Track)> =
            tracks.iter().enumerate().filter(|(i, track)| !track.unseen && self.count(*i) > 0).collect();
        if shown.is_empty() {
            return Err(Error::corrupt("there is not a single packet in it"));
        }
        let edits: Vec<TrackEdits<'_>> = shown
            .iter()
            .map(|(i, track)| TrackEdits {
                id: u32::try_from(*i).unwrap_or(u32::MAX),
                base: track.clock.base(),
                shown: track.clock.shown(),
            })
            .collect();
        let scale = movie_scale(&edits);
        let ticks = Rational::new(1, i32::try_from(scale).unwrap_or(1000));
        let ticks = ticks.ok_or_else(|| Error::new(ErrorKind::Bug, "a movie without ticks"))?;
        let mut plans = Vec::new();
        for ((i, track), edits) in shown.iter().zip(&edits) {
            let Some((number, draft)) = self.drafts.get(*i) else { continue };
            let Some(source) = self.movie.tracks.get(*number) else { continue };
            draft.warnings.iter().for_each(|what| report.warn(format!("track {}: {what}", source.id)));
            // What is shown begins at or behind 0 of the media.
            let first = edits.shown.iter().map(|shown| shown.media).min().unwrap_or(0);
            let lift = u32::try_from(first.saturating_neg().max(0)).unwrap_or(0);
            let (list, shown) = entries(edits, ticks, lift.into());
            let of = |(duration, media): &(u64, i64)| mp4::Edit {
                duration: *duration,
                media: Some(*media).filter(|media| *media >= 0),
                plain: true,
            };
            let list: Vec<mp4::Edit> = list.iter().map(of).collect();
            plans.push(TrackPlan {
                source,
                draft,
                scale: u32::try_from(track.clock.base().den).unwrap_or(source.scale),
                lift,
                edits: Some(list).filter(|list| !list.is_empty()),
                shown,
            });
        }
        let longest = plans.iter().map(|plan| plan.shown).max().unwrap_or(0);
        let base = Rational { num: 1, den: 10_000_000 };
        let chapters = chapters.iter().map(|chapter| Chapter {
            start: u64::try_from(convert(chapter.start, chapter.base, base)).unwrap_or(0),
            title: chapter
                .metadata
                .iter()
                .find(|(key, _)| key == "title")
                .map_or_else(String::new, |(_, title)| title.clone()),
        });
        let plan = MoviePlan {
            source: &self.movie,
            scale,
            shown: longest,
            tracks: plans,
            chapters: chapters.collect(),
        };
        let payload = self.payload.finish();
        let head = Head::new(&self.movie);
        let mut moov = Moov::new(head.bytes.clone(), &plan, false)?;
        if mp4::needs_wide(moov.len() as u64, payload.len().saturating_add(head.others)) {
            moov = Moov::new(head.bytes.clone(), &plan, true)?;
        }
        Head::hold(moov.len(), self.limits.memory)?;
        let drafts = || plan.tracks.iter().map(|track| track.draft.places());
        let is_chunk = |at: u64| drafts().any(|places| places.binary_search(&at).is_ok());
        let headers = (moov.len() as u64).saturating_add(head.others);
        let placement = Placement::new(&payload, 0..payload.len(), headers, is_chunk);
        let mut mover = placement.mover();
        let moov = moov.placed(&plan, |at| mover.moved(at));
        head.write(moov, &self.movie, &self.source, &placement, &payload, &self.limits)
    }

    fn count(&self, track: usize) -> u32 {
        self.drafts.get(track).map_or(0, |(_, draft)| draft.count())
    }
}

/// Puts a stretch of the payload's current source behind it.
fn write_whole(payload: &mut Builder, whole: &Range<u64>) -> Result<()> {
    payload.write_shared(payload.len(), whole.start, whole.end.saturating_sub(whole.start))
}

/// What is in front of the payload beside the moov.
struct Head {
    bytes: Vec<u8>,
    /// How many bytes the file's other boxes have.
    others: u64,
}

impl Head {
    fn new(movie: &Movie) -> Self {
        let mut bytes = Vec::new();
        if let Some(brands) = &movie.brands {
            mp4::put_box(&mut bytes, *b"ftyp", brands);
        }
        let others = movie.others.iter().map(|place| {
            (header(place).len() as u64).saturating_add(place.end.saturating_sub(place.content))
        });
        Self { bytes, others: others.fold(0, u64::saturating_add) }
    }

    /// An error if a moov takes more memory than a result may.
    fn hold(moov: usize, most: u64) -> Result<()> {
        Limits::hold(moov as u64, most, "memory", || {
            format!("the result's index has {moov} bytes, and the limit is {most}")
        })
    }

    /// The file: what begins with the brands and the moov, and then the source's other boxes and the payload.
    fn write(
        &self,
        moov: Vec<u8>,
        movie: &Movie,
        source: &Source,
        placement: &Placement,
        payload: &Rope,
        limits: &Limits,
    ) -> Result<Rope> {
        let mut out = Builder::with_head(moov);
        out.set_source(source);
        for place in &movie.others {
            out.write(out.len(), &header(place))?;
            out.write_shared(out.len(), place.content, place.end.saturating_sub(place.content))?;
        }
        placement.write(&mut out, payload)?;
        limits.hold_output(out.len())?;
        Ok(out.finish())
    }
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
