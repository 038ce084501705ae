//! What an MP4's own tables say of its samples, for copies: of one in fragments, as if it were in none.

use super::{init, opened::Media, stretches::Stretches};
use crate::{
    Control, ErrorKind, Report, Result, TimeRange,
    av::stream::{Stream, StreamKind},
    io::SourceReader,
    mp4::{self, Fragments, Movie, Samples},
    time::Timestamp,
};
use std::sync::Arc;

/// How long before what is heard of it a decoder of sound has to begin, at most: MP3's bit reservoir and Vorbis'
/// longest blocks are shorter.
const PREROLL: Timestamp = Timestamp::from_nanos(300_000_000);
/// So far from a range fragments are looked for that a stream may lie in: sound and picture are seldom further apart.
const APART: Timestamp = Timestamp::from_nanos(10_000_000_000);

impl Media {
    /// What an MP4's own tables say of all samples that a range needs, by the presentation clock. None where they
    /// can't serve for all streams: where samples lie in other files, or can't be decrypted from copies, or where
    /// something is damaged.
    pub(crate) fn movie(
        &self,
        range: TimeRange,
        report: &mut Report,
        control: &Control,
    ) -> Result<Option<Arc<Movie>>> {
        let inner = self.inner();
        if !self.is_edited() || inner.damaged {
            return Ok(None);
        }
        let mut reader = inner.source.reader();
        let found = match (&inner.stretches, inner.movie.get()) {
            (_, Some(movie)) => Ok(movie.clone()),
            (Some(stretches), _) => self.stretch(stretches, range, &mut reader, control),
            // Each of its fragments would be a request.
            _ if inner.fragmented && !inner.source.is_near() => Ok(None),
            _ => {
                let movie = none_if_damaged(self.read_movie(&mut reader, control))?.map(Arc::new);
                Ok(inner.movie.get_or_init(|| movie).clone())
            }
        };
        if inner.fragmented {
            report.bytes_read = report.bytes_read.saturating_add(reader.take_fetched());
        }
        none_if_damaged(found)
    }

    fn read_movie(&self, reader: &mut SourceReader, control: &Control) -> Result<Option<Movie>> {
        let inner = self.inner();
        let (len, limits) = (inner.source.len().unwrap_or(0), control.get_limits());
        let mut read = |at: u64, into: &mut [u8]| {
            control.check()?;
            mp4::exactly(|at, into| reader.read(at, into, control), at, into)
        };
        let mut movie = Movie::read(&mut read, len, limits)?;
        if let Some(found) = movie.take() {
            movie = if inner.fragmented {
                let fragments = Fragments::read(&mut found.in_front_of(&mut read), len, &found, limits)?;
                found.with_fragments(&fragments, len, limits)?
            } else {
                Some(found)
            };
        }
        Ok(movie.filter(|movie| self.serves(movie)))
    }

    fn serves(&self, movie: &Movie) -> bool {
        init::serves_copies(movie, self.streams()) && self.begins_like(movie)
    }

    /// Whether it begins where libav's times do. Without an edit list that shows pictures in fragments later than they
    /// say, where some are composed before they are decoded (mov.c: mov_read_trun; sc->dts_shift).
    fn begins_like(&self, movie: &Movie) -> bool {
        let is_later = |track: &mp4::Track| {
            let is_shown = track.edits.iter().flatten().any(|edit| edit.media.is_some());
            !is_shown && track.samples.as_ref().is_ok_and(|samples| samples.offsets().0 < 0)
        };
        let is_near = self.inner().stretches.is_none();
        let starts_later = self.start() > Timestamp::ZERO;
        !(self.inner().fragmented && is_near && starts_later && movie.tracks.iter().any(is_later))
    }

    /// What fragments say that a range of a far source needs.
    fn stretch(
        &self,
        stretches: &Stretches,
        range: TimeRange,
        reader: &mut SourceReader,
        control: &Control,
    ) -> Result<Option<Arc<Movie>>> {
        let start = self.start();
        let from = range.from.plus(start);
        let to = if range.to == Timestamp::MAX { range.to } else { range.to.plus(start) };
        let all = stretches.segments(reader, control)?;
        if all.is_empty() {
            let ends = |fragments: &Fragments, stream: &Stream| {
                let track = u32::try_from(stream.id()).ok()?;
                fragments.tracks.iter().find(|own| own.id == track)?.ends()
            };
            let is_enough = |fragments: &Fragments| self.reaches(from, to, |stream| ends(fragments, stream));
            let movie = stretches.walked(reader, control, is_enough)?;
            return Ok(movie.filter(|movie| self.serves(movie)));
        }
        let at = |time: Timestamp| all.partition_point(|segment| segment.time <= time).saturating_sub(1);
        let time = |i: usize| all.get(i).map_or(Timestamp::MAX, |segment| segment.time);
        let kinds = |kind| self.streams().iter().any(|stream| stream.kind() == kind && !stream.is_picture());
        let begins = if kinds(StreamKind::Video) { time(at(from)).min(from) } else { from };
        let mut first = at(if kinds(StreamKind::Audio) { begins.minus(PREROLL) } else { begins });
        let mut end = all.partition_point(|segment| segment.time < to).max(at(from).saturating_add(1));
        // Each look makes all tables anew: where fragments are short, many at once.
        let mut more = 1_usize;
        loop {
            let Some(movie) = stretches.of_segments(&all, first..end, reader, control)? else {
                return Ok(None);
            };
            // What an index says of times is about so.
            let is_before = self.begins_before(&movie, from);
            if !is_before && first > 0 && time(first) > begins.minus(APART) {
                first = first.saturating_sub(more);
                more = more.saturating_mul(2);
                continue;
            }
            let ends = |stream: &Stream| {
                let samples = init::samples_of(&movie, stream).filter(|samples| samples.count() > 0)?;
                Some((samples.decoded(), samples.offsets().0))
            };
            if !self.reaches(from, to, ends) && end < all.len() {
                if time(end) < to.plus(APART) {
                    end = end.saturating_add(more).min(all.len());
                    more = more.saturating_mul(2);
                    continue;
                }
                return Ok(None);
            }
            let is_found = is_before || first == 0;
            return Ok(Some(movie).filter(|movie| is_found && self.serves(movie)));
        }
    }

    /// The streams of pictures and sound, with their tables.
    fn played<'a>(&'a self, movie: &'a Movie) -> impl Iterator<Item = (usize, &'a Stream, &'a Samples)> {
        let played = self.streams().iter().enumerate().filter(|(_, stream)| is_played(stream));
        played.filter_map(|(i, stream)| Some((i, stream, init::samples_of(movie, stream)?)))
    }

    /// Whether decoding of what is shown from a time on can begin in these tables.
    fn begins_before(&self, movie: &Movie, from: Timestamp) -> bool {
        let span = |i: usize| self.timeline(i)?.clip(from, Timestamp::MAX).first().copied();
        let mut begins = from;
        for (i, stream, samples) in self.played(movie).filter(|(_, s, _)| s.kind() == StreamKind::Video) {
            let Some(span) = span(i) else { continue };
            let key = samples.key_composed_by(span.media).and_then(|key| samples.walk(key).next());
            let Some(key) = key else { return false };
            begins = begins.min(span.shown_at(key.composition, stream.time_base()));
        }
        self.played(movie).filter(|(_, stream, _)| stream.kind() == StreamKind::Audio).all(
            |(i, stream, samples)| {
                let base = stream.time_base();
                let due = |span: super::Span| span.media_at(begins, base).saturating_sub(PREROLL.ticks(base));
                span(i).is_none_or(|span| samples.count() > 0 && samples.decode_of(0) <= due(span))
            },
        )
    }

    /// Whether tables have all that is shown between two times. `ends`: when a stream's last sample ends by decode
    /// times, and the least offset from those to composition times.
    fn reaches(&self, from: Timestamp, to: Timestamp, ends: impl Fn(&Stream) -> Option<(i64, i32)>) -> bool {
        self.streams().iter().enumerate().filter(|(_, stream)| is_played(stream)).all(|(i, stream)| {
            let spans = self.timeline(i).map(|timeline| timeline.clip(from, to)).unwrap_or_default();
            let until = spans.iter().map(|span| span.media_at(span.shown_end(), stream.time_base())).max();
            until.is_none_or(|until| {
                let decoded_in = |(end, least): (i64, i32)| end >= until.saturating_sub(least.into());
                ends(stream).is_some_and(decoded_in)
            })
        })
    }
}

fn is_played(stream: &Stream) -> bool {
    matches!(stream.kind(), StreamKind::Video | StreamKind::Audio) && !stream.is_picture()
}

fn none_if_damaged<T>(found: Result<Option<T>>) -> Result<Option<T>> {
    match found {
        Err(error) if error.kind() != ErrorKind::Corrupt => Err(error),
        found => Ok(found.ok().flatten()),
    }
}
