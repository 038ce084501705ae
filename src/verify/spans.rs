//! What of a media is asked about, and how it is read: the ranges, each in as many passes as its stream's edit list
//! goes back.

use crate::{
    Control, Media, Result, TimeRange,
    media::Span,
    read::{Reader, read_pictures},
    time::{Rational, Timestamp},
};

/// A range, and where it lies on the output's clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placed {
    pub range: TimeRange,
    pub at: Timestamp,
}

/// The ranges behind each other, as far as the source goes.
///
/// Errors: InvalidArgument for ranges that are empty, reversed or outside.
pub(super) fn place(ranges: &[TimeRange], source: &Media) -> Result<Vec<Placed>> {
    let mut at = Timestamp::ZERO;
    let mut placed = Vec::new();
    for range in ranges {
        range.check()?;
        let mut range = *range;
        if let Some(length) = source.length() {
            // What lies behind the end is in no output.
            let to = range.within(length, Timestamp::ZERO, |_| ())?;
            // Where no index tells it, the length is that of packets that say when they are shown.
            let is_open = range == TimeRange::ALL || (range.to >= length && !source.is_indexed());
            range.to = if is_open { Timestamp::MAX } else { to };
        }
        placed.push(Placed { range, at });
        let end = source.length().map_or(range.to, |length| range.to.min(length));
        at = at.plus(end.minus(range.from));
    }
    Ok(placed)
}

/// A stretch of a stream that is read in one go: its media times go forward.
pub(super) struct Pass {
    /// What is shown, in ticks of `fine`, and when on the output's clock.
    pub spans: Vec<(Span, Timestamp)>,
    pub fine: Rational,
    /// How many of its ticks are one of the stream's.
    pub times: i64,
    /// When the last span ends on the file's clock.
    pub to: Timestamp,
    /// It begins with the media.
    pub at_start: bool,
}

/// The passes of a range of a stream; none where nothing of it is shown there.
pub(super) fn passes(media: &Media, stream: usize, placed: Placed) -> Vec<Pass> {
    let Some(timeline) = media.timeline(stream) else { return Vec::new() };
    let origin = media.start().plus(placed.range.from);
    let open = placed.range.to == Timestamp::MAX;
    let to = if open { Timestamp::MAX } else { media.start().plus(placed.range.to) };
    let (fine, times) = timeline.finer();
    let mut passes: Vec<Pass> = Vec::new();
    for span in fine.clip(origin, to) {
        let at = span.shown.minus(origin).plus(placed.at);
        let ends = passes
            .last()
            .and_then(|pass| pass.spans.last())
            .map(|(before, _)| before.media_at(before.shown_end(), fine.base));
        if let Some(pass) = passes.last_mut().filter(|_| ends.is_some_and(|ends| span.media >= ends)) {
            pass.spans.push((span, at));
            pass.to = span.shown_end();
            continue;
        }
        passes.push(Pass {
            fine: fine.base,
            times,
            to: span.shown_end(),
            at_start: passes.is_empty() && placed.range.from == Timestamp::ZERO,
            spans: vec![(span, at)],
        });
    }
    passes
}

impl Pass {
    /// Reads a stream's packets of it, from where decoding has to begin. None where nothing of it is shown.
    pub(super) fn read(&self, media: &Media, stream: usize, control: &Control) -> Result<Option<Reader>> {
        let Some(mut first) = self.first() else { return Ok(None) };
        first.len = if self.to == Timestamp::MAX { self.to } else { self.to.minus(first.shown) };
        read_pictures(media, stream, &first, self.at_start, control).map(Some)
    }

    /// Ticks of the stream in those of the spans.
    pub(super) fn finely(&self, ticks: i64) -> i64 {
        ticks.saturating_mul(self.times)
    }

    /// The first span, in ticks of the stream: its beginning rounded down to one of them.
    fn first(&self) -> Option<Span> {
        let (span, _) = self.spans.first()?;
        Some(Span { media: span.media.div_euclid(self.times.max(1)), ..*span })
    }

    /// Where the last span ends, in fine ticks.
    pub(super) fn ends(&self) -> i64 {
        self.spans.last().map_or(i64::MIN, |(span, _)| span.media_at(span.shown_end(), self.fine))
    }
}
