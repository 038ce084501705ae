//! An MP4 whose index is written here: samples come from other MP4s' tables, and their payload is slices of
//! those.

mod payload;
mod whole;

pub(crate) use payload::Taken;
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
    mp4::{self, Chapter, Draft, Moov, Movie, MoviePlan, TrackPlan},
    time::{Rational, convert},
};
use payload::Payload;
use std::sync::Arc;

/// An index in the making, and the payload that it is of.
pub(crate) struct Index {
    /// The first source's, whose boxes the result has.
    movie: Arc<Movie>,
    source: Source,
    /// Of each of the output's tracks, the number of the movie's that it is made of.
    numbers: Vec<usize>,
    /// And its tables.
    drafts: Vec<Draft>,
    payload: Payload,
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
        Self { movie, source, numbers, drafts, payload: Payload::new(limits.memory), limits }
    }

    /// Makes a track's ticks so many times as fine. False if that can't be.
    pub(crate) fn refine(&mut self, track: usize, times: i32) -> bool {
        self.drafts.get_mut(track).is_some_and(|draft| draft.refine(times.unsigned_abs()))
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
            let Some(draft) = self.drafts.get_mut(part.track) else { continue };
            for (gap, range) in &part.ranges {
                report.packets = report.packets.saturating_add(part.packets(range));
                limits.hold_written(report.packets)?;
                match (part.samples.blocks, u32::try_from(*gap)) {
                    // Each tick is a sample there.
                    (Some(blocks), Ok(gap @ 1..)) => {
                        let bytes =
                            u64::from(gap.div_ceil(blocks.samples)).saturating_mul(blocks.bytes.into());
                        let most = limits.memory;
                        Limits::hold(bytes, most, "memory", || {
                            format!("silence between two parts takes {bytes} bytes, and the limit is {most}")
                        })?;
                        let silence = vec![part.silence(); usize::try_from(bytes).unwrap_or(0)];
                        let place = self.payload.write(&silence)?;
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
        let held: usize = self.drafts.iter().map(Draft::held).fold(0, usize::saturating_add);
        let (held, most) = (held as u64, limits.memory);
        Limits::hold(held, most, "memory", || format!("the result's tables take more than {most} bytes"))?;
        self.payload.place((source, taken), &mut self.drafts, report, control)
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
            let Some((number, draft)) = self.numbers.get(*i).zip(self.drafts.get(*i)) else { continue };
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
        let places: Vec<&[u64]> = plan.tracks.iter().map(|track| track.draft.places()).collect();
        let file = File { movie: &self.movie, source: &self.source, limits: &self.limits };
        file.lay_out(&self.payload.finish(), &places, |head, wide| Moov::new(head, &plan, wide))
    }

    fn count(&self, track: usize) -> u32 {
        self.drafts.get(track).map_or(0, Draft::count)
    }
}

/// What a result is made of beside its moov and its payload.
struct File<'a> {
    movie: &'a Movie,
    source: &'a Source,
    limits: &'a Limits,
}

impl File<'_> {
    /// The brands and the moov, the source's other boxes, and the payload. `places`: where the chunks of each of
    /// the moov's tracks lie in the payload. `moov` makes it behind the brands, with places of 64 bits or of 32.
    fn lay_out(
        &self,
        payload: &Rope,
        places: &[&[u64]],
        moov: impl Fn(&[u8], bool) -> Result<Moov>,
    ) -> Result<Rope> {
        let mut head = Vec::new();
        if let Some(brands) = &self.movie.brands {
            mp4::put_box(&mut head, *b"ftyp", brands);
        }
        let others: Vec<(Vec<u8>, &mp4::Place)> =
            self.movie.others.iter().map(|place| (header(place), place)).collect();
        let content = |place: &mp4::Place| place.end.saturating_sub(place.content);
        let len =
            |(header, place): &(Vec<u8>, &mp4::Place)| content(place).saturating_add(header.len() as u64);
        let others_len = others.iter().map(len).fold(0, u64::saturating_add);
        let mut made = moov(&head, false)?;
        if mp4::needs_wide(made.len() as u64, payload.len().saturating_add(others_len)) {
            made = moov(&head, true)?;
        }
        let (moov_len, most) = (made.len() as u64, self.limits.memory);
        Limits::hold(moov_len, most, "memory", || {
            format!("the result's index has {moov_len} bytes, and the limit is {most}")
        })?;
        let is_chunk = |at: u64| places.iter().any(|places| places.binary_search(&at).is_ok());
        let headers = moov_len.saturating_add(others_len);
        let placement = Placement::new(payload, 0..payload.len(), headers, is_chunk);
        let mut mover = placement.mover();
        let mut out = Builder::with_head(made.placed(places, |at| mover.moved(at)));
        out.set_source(self.source);
        for (header, place) in &others {
            out.write(out.len(), header)?;
            out.write_shared(out.len(), place.content, content(place))?;
        }
        placement.write(&mut out, payload)?;
        self.limits.hold_output(out.len())?;
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
