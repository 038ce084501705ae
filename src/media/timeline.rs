//! How a stream's own time lies on the presentation clock: MP4's edit lists as spans; for every other
//! container one span that goes on and on.

use crate::{
    mp4,
    time::{Rational, Timestamp},
};

/// A stretch of media and when it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    /// On the file's clock (0 is MP4's movie start, or timestamp 0); the presentation clock begins at the
    /// media's start.
    pub shown: Timestamp,
    /// [`Timestamp::MAX`] if it has no end.
    pub len: Timestamp,
    /// Where it begins in the media: ticks of the stream.
    pub media: i64,
}

/// Milliseconds too, in seconds and with room for a float's rounding, are too coarse for the borders of a
/// range, which picture and sound have in common: decoded sound is cut there to the sample.
const COARSE_FOR_BORDERS: f64 = 0.000_99;

impl Span {
    pub(crate) fn shown_end(&self) -> Timestamp {
        self.shown.plus(self.len)
    }

    /// The media time that is shown at an instant of this span.
    pub(crate) fn media_at(&self, shown: Timestamp, base: Rational) -> i64 {
        if shown == Timestamp::MAX {
            return i64::MAX;
        }
        self.media.saturating_add(shown.minus(self.shown).ticks(base))
    }

    /// Lets it begin earlier, by as much media.
    pub(crate) fn begin_at(&mut self, shown: Timestamp, base: Rational) {
        let media = self.media_at(shown, base);
        let len = if self.len == Timestamp::MAX { self.len } else { self.shown_end().minus(shown) };
        *self = Self { shown, len, media };
    }

    /// When a media time is shown, were the span to go on to it.
    pub(crate) fn shown_at(&self, media: i64, base: Rational) -> Timestamp {
        self.shown.plus(Timestamp::from_ticks(media.saturating_sub(self.media), base))
    }

    /// The part of it that is shown between two instants.
    pub(crate) fn clip(&self, from: Timestamp, to: Timestamp, base: Rational) -> Option<Self> {
        let (start, end) = (self.shown.max(from), self.shown_end().min(to));
        let len = if end == Timestamp::MAX { end } else { end.minus(start) };
        (start < end).then(|| Self { shown: start, len, media: self.media_at(start, base) })
    }
}

/// The spans of a stream, in the order they are shown.
#[derive(Clone, Debug)]
pub(crate) struct Timeline {
    pub spans: Vec<Span>,
    pub base: Rational,
}

impl Timeline {
    /// Timestamps as they are.
    pub(crate) fn plain(base: Rational) -> Self {
        Self { spans: vec![Span { shown: Timestamp::ZERO, len: Timestamp::MAX, media: 0 }], base }
    }

    /// The same, from a time before 0 on.
    pub(crate) fn begin_at(&mut self, start: Timestamp) {
        if let Some(span) = self.spans.first_mut() {
            span.begin_at(start, self.base);
        }
    }

    /// As an edit list says (ISO/IEC 14496-12, 8.6.6).
    pub(crate) fn from_edits(
        track: &mp4::TrackTimes,
        movie_scale: u32,
        fragmented: bool,
        base: Rational,
    ) -> Self {
        let scale = i32::try_from(movie_scale).ok().filter(|scale| *scale > 0).unwrap_or(1000);
        let movie = Rational { num: 1, den: scale };
        let times = track.times.filter(|_| !fragmented);
        let stated = i64::try_from(track.media_duration).unwrap_or(i64::MAX);
        let media_len = match times.map_or(stated, |times| times.decoded) {
            ticks if ticks > 0 && !fragmented => Timestamp::from_ticks(ticks, base),
            _ => Timestamp::MAX,
        };
        // Its last sample's end: composition may begin above 0, and goes on for as long as decoding then.
        let media_end = times.map_or(media_len, |times| Timestamp::from_ticks(times.end.max(1), base));
        let Some(edits) = track.shown_by_edits() else {
            return Self { spans: vec![Span { shown: Timestamp::ZERO, len: media_end, media: 0 }], base };
        };
        let mut spans = Vec::new();
        // Ends are rounded, not lengths: errors do not add up.
        let mut ticks: i64 = 0;
        for (i, edit) in edits.iter().enumerate() {
            let shown = Timestamp::from_ticks(ticks, movie);
            ticks = ticks.saturating_add(i64::try_from(edit.duration).unwrap_or(i64::MAX));
            let mut len = Timestamp::from_ticks(ticks, movie).minus(shown);
            let Some(media) = edit.media else { continue };
            let last = i.saturating_add(1) == edits.len();
            if fragmented && last {
                // What fragments bring is not in the list's lengths (libav looks at the offset alone).
                len = Timestamp::MAX;
            } else if edit.duration == 0 {
                // The rest of the media: only the last entry can mean that.
                if i.saturating_add(1) < edits.len() {
                    continue;
                }
                let before = if media_end == Timestamp::MAX { 0 } else { media };
                len = media_end.minus(Timestamp::from_ticks(before, base));
            }
            // Movie ticks may be too coarse to say where the media ends; what is within one of it means the
            // end.
            if edit.duration > 0 && media_len != Timestamp::MAX {
                // All of the media is as long as its decode times; what begins behind its start, so much
                // less.
                let rest = media_len.minus(Timestamp::from_ticks(media, base));
                // Ticks as fine as the media's own are exact but for a nanosecond of rounding.
                let coarse = movie.value() > base.value();
                let tick = if coarse { Timestamp::from_ticks(1, movie).nanos() } else { 1 };
                let near = |end: &Timestamp| len.minus(*end).nanos().abs() <= tick;
                len = [media_len, rest].into_iter().find(near).unwrap_or(len);
            }
            if len > Timestamp::ZERO {
                spans.push(Span { shown, len, media });
            }
        }
        Self { spans, base }
    }

    /// The same in ticks of which a whole number is one of the stream's, and how many: for a range's borders,
    /// where the stream's own are coarse.
    pub(crate) fn finer(&self) -> (Self, i64) {
        let (times, base) = self.base.cut(COARSE_FOR_BORDERS);
        let spans = self.spans.iter().map(|span| Span { media: span.media.saturating_mul(times), ..*span });
        (Self { spans: spans.collect(), base }, times)
    }

    /// The span that shows an instant.
    pub(crate) fn at(&self, shown: Timestamp) -> Option<Span> {
        self.spans.iter().copied().find(|span| span.shown <= shown && shown < span.shown_end())
    }

    /// When the stream is first shown.
    pub(crate) fn start(&self) -> Timestamp {
        self.spans.first().map_or(Timestamp::ZERO, |span| span.shown)
    }

    pub(crate) fn end(&self) -> Timestamp {
        self.spans.iter().map(Span::shown_end).max().unwrap_or(Timestamp::ZERO)
    }

    /// What is shown between two instants.
    pub(crate) fn clip(&self, from: Timestamp, to: Timestamp) -> Vec<Span> {
        // They follow one another: a file may have ten thousands, and a cut as many ranges.
        let over = self.spans.partition_point(|span| span.shown_end() <= from);
        let spans = self.spans.iter().skip(over).take_while(|span| span.shown < to);
        spans.filter_map(|span| span.clip(from, to, self.base)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coarse_ticks_become_fine_ones() {
        let of = |num, den| {
            let mut timeline = Timeline::plain(Rational { num, den });
            timeline.spans[0].media = 3;
            let (fine, times) = timeline.finer();
            (fine.base, times, fine.spans[0].media)
        };
        assert_eq!(of(1, 10), (Rational { num: 1, den: 90_000 }, 9000, 27_000));
        assert_eq!(of(12, 125), (Rational { num: 12, den: 1_080_000 }, 8640, 25_920));
        assert_eq!(of(1, 12_800), (Rational { num: 1, den: 12_800 }, 1, 3));
        // What can't be told in 32 bits stays as it is.
        assert_eq!(of(i32::MAX, i32::MAX), (Rational { num: i32::MAX, den: i32::MAX }, 1, 3));
    }

    #[test]
    fn what_is_shown_between_two_instants_is_found_among_many_spans() {
        let at = |ms: i64| Timestamp::from_nanos(ms * 1_000_000);
        let base = Rational { num: 1, den: 1000 };
        // Of 10 ms each, with 5 ms between them.
        let spans = (0..100).map(|i| Span { shown: at(15 * i), len: at(10), media: 1000 - 10 * i });
        let timeline = Timeline { spans: spans.collect(), base };
        for (from, to) in
            [(0, 1500), (15, 25), (10, 15), (12, 31), (700, 701), (1494, 1600), (1600, 1700), (40, 40)]
        {
            let (from, to) = (at(from), at(to));
            let each: Vec<Span> =
                timeline.spans.iter().filter_map(|span| span.clip(from, to, base)).collect();
            assert_eq!(timeline.clip(from, to), each, "{from}..{to}");
        }
    }

    #[test]
    fn edit_lists_become_spans() {
        let edits = vec![
            mp4::Edit { duration: 500, media: None, plain: true },
            mp4::Edit { duration: 2000, media: Some(1024), plain: true },
            mp4::Edit { duration: 1000, media: Some(480_000), plain: true },
        ];
        let track = mp4::TrackTimes {
            id: 1,
            media_scale: 48_000,
            media_duration: 1_000_000,
            edits: Some(edits),
            times: None,
        };
        let timeline = Timeline::from_edits(&track, 1000, false, Rational { num: 1, den: 48_000 });
        let seconds = |s: f64| Timestamp::from_secs(s).unwrap();
        assert_eq!(timeline.start(), seconds(0.5));
        assert_eq!(timeline.end(), seconds(3.5));
        let part = timeline.clip(seconds(1.0), seconds(3.0));
        assert_eq!(part.len(), 2);
        assert_eq!(part[0], Span { shown: seconds(1.0), len: seconds(1.5), media: 1024 + 24_000 });
        assert_eq!(part[1], Span { shown: seconds(2.5), len: seconds(0.5), media: 480_000 });
    }
}
