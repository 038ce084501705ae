//! An output that is written by MP4's own tables.

use super::{Device, Layout, Target};
use crate::{
    Media, Report, Result, Road, Source, Strip, TimeRange,
    av::{
        input::RawChapter,
        stream::{Stream, StreamKind},
    },
    mp4::{self, Movie},
    output::{
        clock::Clock,
        edits::{FINEST, gcd},
        index::{Index, Taken, whole},
        track::Track,
    },
    time::{Rational, Timestamp},
};
use std::sync::Arc;

impl Target {
    /// Opens the output for a source of whose samples in these ranges its tables tell, with a track for each of its
    /// streams. False where they can't serve: then nothing has happened.
    pub(crate) fn open_tables(
        &mut self,
        media: &Media,
        road: Road,
        ranges: &[TimeRange],
        chapters: &[RawChapter],
        report: &mut Report,
    ) -> Result<bool> {
        let Some(movie) = self.tables_of(media, road, ranges, report)? else { return Ok(false) };
        let number = |id: i32| {
            let id = u32::try_from(id).ok()?;
            movie.tracks.iter().position(|track| track.id == id)
        };
        let streams = media.streams().iter().enumerate().filter(|(_, stream)| !stream.is_picture());
        let numbered: Vec<_> =
            streams.filter_map(|(i, stream)| Some((i, stream, number(stream.id())?))).collect();
        for (number, track) in movie.tracks.iter().enumerate() {
            let has_samples = track.samples.as_ref().is_ok_and(|samples| samples.count() > 0);
            if has_samples && !numbered.iter().any(|(.., of)| *of == number) {
                report.warn(format!("track {} is left out: libav has no stream for it", track.id));
            }
        }
        let times = |number: usize| movie.tracks.get(number).map_or(1, mp4::Track::finer);
        let base = |stream: &Stream, number: usize| {
            let base = stream.time_base();
            Rational { den: base.den.saturating_mul(times(number).cast_signed()), ..base }
        };
        let track = |(index, (_, stream, number)): (usize, &(usize, &Stream, usize))| Track {
            index,
            clock: Clock::new(
                stream.kind(),
                base(stream, *number),
                stream.sample_rate(),
                stream.frame_size(),
                self.muxer.allows_equal_dts(),
            ),
            packets: 0,
            unseen: false,
            later: Timestamp::ZERO,
            sparse: stream.kind() == StreamKind::Subtitle,
            numbers: None,
            held: None,
            head: Vec::new(),
        };
        self.tracks = numbered.iter().enumerate().map(track).collect();
        self.templates = numbered.iter().map(|(i, ..)| *i).collect();
        self.chapters = chapters.to_vec();
        let scale = |stream: &Stream, number: usize| base(stream, number).den.unsigned_abs();
        let numbers = numbered.iter().map(|(_, stream, number)| (*number, scale(stream, *number)));
        let limits = *self.control.get_limits();
        let index = Index::new(movie.clone(), media.source().clone(), numbers, limits);
        self.index = Some(Box::new(index));
        Ok(true)
    }

    /// Takes all of a source whose samples its tables tell: what it is made of stays as it is, but for where
    /// chunks lie. False where its tables can't serve.
    pub(crate) fn take_whole(&mut self, media: &Media, road: Road, report: &mut Report) -> Result<bool> {
        let Some(movie) = self.tables_of(media, road, &[TimeRange::ALL], report)? else { return Ok(false) };
        self.finished = whole(&movie, media.source(), report, &self.control)?;
        if self.finished.is_none() {
            report.road = Some(Road::Libav);
        }
        Ok(self.finished.is_some())
    }

    /// What a source's tables say, if they can serve here for all of these ranges; of the first of them.
    fn tables_of(
        &self,
        media: &Media,
        road: Road,
        ranges: &[TimeRange],
        report: &mut Report,
    ) -> Result<Option<Arc<Movie>>> {
        if self.edit_lists && media.demuxer().is_mov() {
            report.road = Some(Road::Libav);
        }
        let takes = matches!(self.device, Device::Rope(_)) && self.layout == Layout::Indexed;
        if road != Road::Tables || !takes || !self.edit_lists || !self.extra.is_empty() {
            return Ok(None);
        }
        let mut movie = None;
        for range in ranges {
            let Some(found) = media.movie(*range, report, &self.control)? else { return Ok(None) };
            movie.get_or_insert(found);
        }
        let brand = |movie: &Movie| movie.brands.as_ref().and_then(mp4::major_brand);
        let movie = movie.filter(|movie| is_of_kind(&self.name, brand(movie)));
        let movie = match movie {
            Some(movie) if self.strip != Strip::Nothing => self.stripped(&movie, report),
            movie => movie,
        };
        if let Some(movie) = &movie {
            report.road = Some(Road::Tables);
            if movie.left_out > 0 {
                report.warn(format!(
                    "{} of the file's own boxes are left out: those behind the first {}, what ends beyond the file, and \
                     what is said of one fragment (emsg)",
                    movie.left_out,
                    movie.others.len()
                ));
            }
            media.source().check_unchanged()?;
        }
        Ok(movie)
    }

    /// A movie without what is not to be told. None where its tables can't be meant.
    fn stripped(&self, movie: &Movie, report: &mut Report) -> Option<Arc<Movie>> {
        let (movie, left_out) = movie.stripped(self.strip)?;
        for what in left_out.iter().filter(|_| self.strip == Strip::Location) {
            report.warn(format!("{what} is left out: it may tell where the source was recorded"));
        }
        Some(Arc::new(movie))
    }

    /// Nothing is open any more.
    pub(crate) fn close_tables(&mut self) {
        self.index = None;
        self.tracks.clear();
        self.templates.clear();
        self.chapters.clear();
    }

    /// Whether another source can follow by its tables, which streams go into which tracks: their ticks become
    /// as fine as both sources need. False if that can't be.
    pub(crate) fn continues_tables(
        &mut self,
        media: &Media,
        pairs: impl Iterator<Item = (usize, usize)>,
        report: &mut Report,
    ) -> Result<bool> {
        let movie = media.movie(TimeRange::ALL, report, &self.control)?;
        let (Some(index), Some(movie)) = (&mut self.index, movie) else {
            return Ok(false);
        };
        if !is_of_kind(&self.name, movie.brands.as_ref().and_then(mp4::major_brand)) {
            return Ok(false);
        }
        for (track, stream) in pairs {
            let (Some(track), Some(stream)) = (self.tracks.get_mut(track), media.streams().get(stream))
            else {
                continue;
            };
            if stream.is_picture() {
                continue;
            }
            let theirs = u32::try_from(stream.id()).ok().and_then(|id| movie.track(id));
            if theirs.is_some_and(|theirs| !index.can_go_on(track.index, theirs)) {
                return Ok(false);
            }
            let (own, theirs) = (track.clock.base().den, stream.time_base().den);
            let Some(times) = finer(own, theirs) else { return Ok(false) };
            if times > 1 {
                if !index.refine(track.index, times) {
                    return Ok(false);
                }
                track.clock.refine(times);
            }
        }
        Ok(true)
    }

    /// Whether samples come to it by tables, and not packets.
    pub(crate) fn takes_samples(&self) -> bool {
        self.index.is_some()
    }

    /// What is appended from here on is of several sources and lies side by side, until
    /// [`end_beside`](Self::end_beside).
    pub(crate) fn begin_beside(&mut self) {
        if let Some(index) = &mut self.index {
            index.begin_beside();
        }
    }

    pub(crate) fn end_beside(&mut self, report: &mut Report) -> Result<()> {
        self.index.as_mut().map_or(Ok(()), |index| index.end_beside(report, &self.control))
    }

    /// Puts samples behind what is there.
    pub(crate) fn append(&mut self, source: &Source, taken: Vec<Taken>, report: &mut Report) -> Result<()> {
        match &mut self.index {
            Some(index) => index.append(source, taken, report, &self.control),
            None => Err(crate::Error::new(crate::ErrorKind::Bug, "samples for an output of packets")),
        }
    }
}

/// How many times as fine a clock has to be for another one's ticks to be whole numbers of its own.
fn finer(own: i32, other: i32) -> Option<i32> {
    let common = i32::try_from(gcd(own.unsigned_abs().into(), other.unsigned_abs().into())).ok()?;
    let times = other.checked_div(common)?;
    let fits = own.checked_mul(times).and_then(|scale| u64::try_from(scale).ok());
    Some(times).filter(|times| *times == 1 || fits.is_some_and(|scale| scale <= FINEST))
}

/// Whether a file with this first brand may stay what it is in a container of this name: QuickTime's sample
/// descriptions are others than ISO's, and what is smaller than MP4 has rules of its own.
fn is_of_kind(name: &str, brand: Option<[u8; 4]>) -> bool {
    let brand = brand.unwrap_or(*b"qt  ");
    match name {
        "mov" | "qt" => brand == *b"qt  ",
        "mp4" => {
            const OTHERS: [&[u8]; 7] = [b"qt", b"M4A", b"M4B", b"M4V", b"f4v", b"3g", b"avi"];
            !OTHERS.iter().any(|other| brand.starts_with(other))
        }
        "m4a" | "ipod" => brand == *b"M4A ",
        "m4v" => brand == *b"M4V ",
        _ => false,
    }
}
