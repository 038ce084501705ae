//! Where a part ends, and its sound with it.

use super::{Copy, Feed, Session};
use crate::{
    Error, Media, Result, TimeRange,
    av::stream::StreamKind,
    edit::lane::{Lane, Passes},
    time::Timestamp,
};

/// Sound that goes on this much longer than the picture is the last frame's padding, and is cut there.
const PADDING: Timestamp = Timestamp::from_nanos(60_000_000);

impl Copy<'_, '_> {
    /// Where parts meet, sound that is longer than the picture ends with it.
    pub(super) fn end_sound_with_picture(&mut self, from: Timestamp, to: Timestamp) {
        let end = from.plus(self.length(from, to));
        for lane in self.lanes.iter_mut().filter(|lane| lane.kind == StreamKind::Audio) {
            if let Some(span) = lane.spans.last() {
                lane.until = lane.until.min(span.media_at(end, lane.base));
            }
        }
    }

    /// Sound up to the source's end is all that there is: its last packet may say that it goes on behind what
    /// is heard of it.
    pub(super) fn open_end(&mut self) {
        let ends = self.media.length().is_some_and(|length| self.part.to >= length);
        if !(ends && self.part.last) {
            return;
        }
        for lane in self.lanes.iter_mut().filter(|lane| lane.kind == StreamKind::Audio && !lane.trims) {
            lane.until = i64::MAX;
        }
    }

    /// The picture goes on a little behind the range, because of what its last frames refer to: so does the
    /// sound.
    pub(super) fn go_on_with_picture(&mut self, passes: Passes) {
        let Some(lane) = self.lanes.first().filter(|lane| lane.kind == StreamKind::Video) else { return };
        let Some((end, span)) = passes.end.filter(|end| *end > lane.until).zip(lane.spans.last()) else {
            return;
        };
        let to = span.shown_at(end, lane.base);
        for lane in self.lanes.iter_mut().filter(|lane| lane.kind == StreamKind::Audio && !lane.done) {
            if let Some(span) = lane.spans.last() {
                lane.until = lane.until.max(span.media_at(to, lane.base));
            }
        }
    }

    /// When a lane's content ends on the file's clock.
    fn end_of(&self, lane: &Lane) -> Option<Timestamp> {
        let last = lane.spans.last()?;
        let seen = lane.seen_end.map(|end| last.shown_at(end, lane.base));
        match last.shown_end() {
            Timestamp::MAX => seen,
            end if lane.written == 0 => Some(end),
            // The edit list's word, as far as there is media for it.
            end => Some(seen.map_or(end, |seen| if self.media.is_indexed() { end } else { end.min(seen) })),
        }
    }

    /// Says where much less came than the source states; `from` and `to` are on the file's clock.
    pub(super) fn tell_shortfall(&mut self, from: Timestamp, to: Timestamp) {
        let Some(length) = self.media.length() else { return };
        let streams: Vec<usize> = self.lanes.iter().map(|lane| lane.stream).collect();
        let found = self.seen_end().unwrap_or(from).minus(from).max(Timestamp::ZERO);
        let due = to.min(length.plus(self.media.start())).minus(from);
        if let Some(warning) = self.media.shortfall(&streams, due, found) {
            self.session.report.warn(warning);
        }
    }

    /// Says what of the range's pictures is otherwise than asked; an error where none of them can be shown.
    pub(super) fn tell(&mut self, primary: usize, to: Timestamp) -> Result<()> {
        let Some(lane) = self.lanes.first().filter(|lane| lane.kind == StreamKind::Video) else {
            return Ok(());
        };
        if lane.written == 0 && lane.keyless > 0 {
            let message = format!(
                "no keyframe: none of the {} pictures at the range is one, by the container's flags or by the bitstream",
                lane.keyless
            );
            let error = Error::unsupported(message).in_stream(primary);
            return Err(error
                .with_setting("mode")
                .advise("use mode encode, which decodes from the source's beginning"));
        }
        let shown = (lane.seen_end, lane.spans.last());
        if let (true, (Some(seen), Some(span))) = (lane.beyond > 0, shown) {
            let pictures = if lane.beyond == 1 { "picture is" } else { "pictures are" };
            let start = self.media.start();
            let (asked, end) = (to.minus(start), span.shown_at(seen, lane.base).minus(start));
            self.session.report.warn(format!(
                "{} {pictures} shown behind the range's end at {asked}, up to {end}: what lies inside refers to them, and {} has no edit list to hide them",
                lane.beyond,
                self.session.target.name()
            ));
        }
        Ok(())
    }

    /// Whether a packet behind the range came.
    fn saw_beyond(&self) -> bool {
        let played = |lane: &&Lane| matches!(lane.kind, StreamKind::Video | StreamKind::Audio);
        self.lanes.iter().filter(played).any(|lane| lane.done && !lane.spans.is_empty())
    }

    /// Judges a range against a source that does not say how long it is: its end has been seen by now.
    pub(super) fn judge_range(&mut self) -> Result<()> {
        let end = self.seen_end().filter(|_| !self.saw_beyond());
        let range = TimeRange { from: self.part.from, to: self.part.to };
        self.media.judge(range, end, |warning| self.session.report.warn(warning))
    }

    /// Where what was written ends on the file's clock, with the long packet of sound that goes on behind the
    /// range and was left out.
    fn seen_end(&self) -> Option<Timestamp> {
        let ends = self.lanes.iter().filter_map(|lane| {
            let span = lane.spans.last()?;
            let end = lane.seen_end?.saturating_add(lane.left_out_last);
            Some(span.shown_at(end, lane.base))
        });
        ends.max()
    }

    pub(super) fn length(&self, from: Timestamp, to: Timestamp) -> Timestamp {
        let played = |lane: &&Lane| matches!(lane.kind, StreamKind::Video | StreamKind::Audio);
        let any = self.lanes.iter().any(|lane| played(&lane));
        let ends = self.lanes.iter().filter(|lane| !any || played(lane)).filter_map(|lane| self.end_of(lane));
        let latest = ends.max().unwrap_or(from);
        let end = match self
            .lanes
            .first()
            .filter(|lane| lane.kind == StreamKind::Video)
            .and_then(|lane| self.end_of(lane))
        {
            // Where parts meet, the padding of the last frame of sound is no reason to hold a picture.
            Some(video) if self.meets_another() && latest.minus(video) <= PADDING => video,
            _ => latest,
        };
        if !self.session.target.has_edit_lists()
            && let Some(video) = self.lanes.first().filter(|lane| lane.kind == StreamKind::Video)
            && let (Some(seen), Some(span)) = (video.seen_end, video.spans.last())
        {
            // What is in the container is shown.
            return span.shown_at(seen, video.base).max(end.min(to)).minus(from).max(Timestamp::ZERO);
        }
        let end = if to == Timestamp::MAX { end } else { end.min(to) };
        // A range inside the media is as long as was asked, though a last frame ends earlier by a rounding.
        let inside = match self.media.length() {
            Some(length) => to <= length.plus(self.media.start()),
            None => self.saw_beyond(),
        };
        (if inside && to != Timestamp::MAX { to } else { end }).minus(from).max(Timestamp::ZERO)
    }
}

impl Session<'_> {
    /// Says of which pictures and sound nothing lies in ranges of a source; an error if there is no packet at
    /// all.
    pub(crate) fn tell_unseen(&mut self, media: &Media, feeds: &[Feed]) -> Result<()> {
        if self.shown.is_empty() {
            let what =
                "no packet lies in what is kept: each is copied whole, and belongs where more of it lies";
            return Err(Error::invalid(what)
                .with_setting("mode")
                .advise("keep more, or use mode encode, which cuts within packets"));
        }
        for feed in feeds.iter().filter(|feed| !self.shown.contains(&feed.track)) {
            let Some(stream) = media.streams().get(feed.stream) else { continue };
            // By tables, a track that has no samples is none.
            let is_left_out = matches!(stream.kind(), StreamKind::Video | StreamKind::Audio)
                || (self.target.takes_samples() && !stream.is_hidden());
            if is_left_out && !stream.is_picture() {
                self.report.leave_out(feed.stream, stream.codec(), "nothing of it lies in what is kept");
                if let Some(track) = self.target.tracks.get_mut(feed.track) {
                    track.unseen = true;
                }
            }
        }
        Ok(())
    }
}
