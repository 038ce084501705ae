//! Where a decoder is in a stream's parts, and what of its frames is shown when.

use super::{lead::Lead, sound::SoundClock, too_large::TooLarge};
use crate::{
    Frame, Result, StreamKind,
    av::{
        decoder::{DecodeOptions, Decoder, Got},
        packet::Packet,
    },
    media::Span,
    output::numbering,
    time::{Rational, Timestamp, convert},
    transcode::flow::messages::PlacedRange,
};
use std::collections::VecDeque;

/// Nanoseconds of which a picture that a range begins in shows at least half, or half of itself if it is
/// shorter.
const LITTLE: i64 = 40_000_000;

/// Where a decoder is.
pub(crate) struct At {
    pub(super) part: usize,
    pub(super) stream: usize,
    pub(crate) decoder: Decoder,
    pub(super) frame: Frame,
    /// What of the stream is shown, and when on the output's clock.
    pub(super) spans: Vec<(Span, Timestamp)>,
    /// The stream's time base.
    pub(super) base: Rational,
    /// The spans' time base, and how many of its ticks are one of the stream's.
    pub(super) fine: Rational,
    pub(super) times: i64,
    /// A picture's duration where nothing says it, in ticks of the stream.
    pub(super) typical: i64,
    /// The first picture is wanted at once.
    pub(super) hurries: bool,
    /// A frame has gone on.
    pub(super) gave: bool,
    pub(super) lead: Lead,
    pub(crate) too_large: TooLarge,
    /// Whether damage that the decoder tells of now is of what is shown: of sound it is that of the last
    /// packet. Of pictures the decoder has several.
    pub(super) is_last_shown: bool,
    pub(super) has_pictures: bool,
    /// The time of a picture that has gone on already.
    pub(super) given: Option<i64>,
    /// The last picture in front of a range, its time and the length that it states: it is shown until the
    /// next one comes.
    pub(super) before: Option<(Frame, i64, i64)>,
    /// The next picture's timestamp, were there none.
    pub(super) expected: Option<i64>,
    pub(super) sound: SoundClock,
}

impl At {
    /// At the beginning of a part, with a decoder for what it has for this lane; None if that is nothing.
    pub(crate) fn enter(
        part: &PlacedRange,
        index: usize,
        lane: usize,
        options: &DecodeOptions,
    ) -> Result<Option<Self>> {
        let Some(stream) = part.streams.get(lane).copied().flatten() else { return Ok(None) };
        let (Some(s), Some(timeline)) = (part.media.streams().get(stream), part.media.timeline(stream))
        else {
            return Ok(None);
        };
        let (origin, to) = part.on_source();
        let base = timeline.base;
        // Only a range has borders that do not lie on the stream's ticks.
        let ranged =
            part.from > Timestamp::ZERO || part.to != Timestamp::MAX || part.placed > Timestamp::ZERO;
        let (timeline, times) = if ranged { timeline.finer() } else { (timeline.clone(), 1) };
        let spans = timeline.clip(origin, to).into_iter().map(|span| {
            let at = span.shown.minus(origin).plus(part.placed);
            (span, at)
        });
        // In MP4 edit lists say what is shown, and no codec's own word on its beginning (Opus' pre-skip).
        let options = DecodeOptions { keep_padding: part.media.is_edited(), ..options.clone() };
        let resumed = if part.from > Timestamp::ZERO { numbering::resumed(s)? } else { None };
        let decoder = Decoder::open(resumed.as_ref().unwrap_or(s), &options);
        let decoder = decoder.map_err(|e| part.name(e, stream))?;
        let typical = s.frame_rate().and_then(|rate| Rational::new(rate.den, rate.num));
        let typical = typical.map_or(1, |frame| convert(1, frame, base)).max(1);
        Ok(Some(Self {
            part: index,
            stream,
            decoder,
            frame: Frame::new()?,
            spans: spans.collect(),
            base,
            fine: timeline.base,
            times,
            typical,
            hurries: false,
            gave: false,
            lead: Lead::default(),
            too_large: TooLarge::default(),
            is_last_shown: false,
            has_pictures: s.kind() == StreamKind::Video,
            given: None,
            before: None,
            expected: None,
            sound: SoundClock::of(&s.codec()),
        }))
    }

    /// Whether a packet begins in what is shown.
    pub(super) fn is_shown(&self, packet: &Packet) -> bool {
        let Some(time) = packet.pts().or(packet.dts()).map(|ticks| self.finely(ticks)) else { return false };
        self.spans
            .iter()
            .any(|(span, _)| time >= span.media && time < span.media_at(span.shown_end(), self.fine))
    }

    /// A packet goes to the decoder.
    pub(super) fn note(&mut self, packet: &Packet) {
        let length = if packet.duration() > 0 { packet.duration() } else { self.typical };
        let (time, length) = (packet.pts().or(packet.dts()), self.finely(length));
        let begins = time.map(|ticks| self.finely(ticks));
        let shown = begins.is_some_and(|begins| {
            let (ends, fine) = (begins.saturating_add(length), self.fine);
            let overlaps = |span: &Span| ends > span.media && begins < span.media_at(span.shown_end(), fine);
            self.spans.iter().any(|(span, _)| overlaps(span))
        });
        let awaited = packet.pts().filter(|_| self.has_pictures);
        self.is_last_shown = shown && awaited.is_none();
        if let Some(pts) = awaited.filter(|_| shown && !self.gave) {
            self.lead.wait_for(pts);
        }
    }

    /// Whether a picture begins in front of all that is shown.
    pub(super) fn is_in_front(&self, picture: &Frame) -> bool {
        let first = self.spans.first().map(|(span, _)| span.media);
        picture.best_pts().zip(first).is_some_and(|(pts, first)| self.finely(pts) < first)
    }

    /// Ticks of the stream in those of the spans.
    pub(super) fn finely(&self, ticks: i64) -> i64 {
        ticks.saturating_mul(self.times)
    }

    /// Gives the decoder a packet, or None for the end.
    pub(crate) fn send(&mut self, packet: Option<&Packet>) -> Result<Got> {
        if let Some(packet) = packet {
            self.too_large.give(packet);
        }
        self.decoder.send(packet)
    }

    /// The stream that is decoded.
    pub(crate) fn stream(&self) -> usize {
        self.stream
    }

    /// The shown parts of a picture, in the spans' time base on the output's clock.
    pub(crate) fn place_picture(&mut self, frame: Frame) -> Result<VecDeque<Frame>> {
        let pts = frame.best_pts().or(self.expected).unwrap_or(0);
        let length = Some(frame.length()).filter(|length| *length > 0).unwrap_or(self.typical);
        self.expected = Some(pts.saturating_add(length));
        let (pts, length) = (self.finely(pts), self.finely(length));
        let mut placed = VecDeque::new();
        let before = self.before.take();
        for span in &self.spans {
            if let Some((before, begins, said)) = &before
                && pts > span.0.media
                && !self.shows(span, *begins, *said)
                && let held = pts.saturating_sub(*begins)
                && self.shows(span, *begins, held)
            {
                placed.push_back(self.shown(span, before, *begins, held)?);
            }
            if self.shows(span, pts, length) {
                placed.push_back(self.shown(span, &frame, pts, length)?);
            }
        }
        if self.spans.iter().any(|(span, _)| pts < span.media) {
            self.before = Some((frame, pts, length));
        }
        Ok(placed)
    }

    /// Whether a span shows a picture of this time and length.
    pub(super) fn shows(&self, (span, _): &(Span, Timestamp), pts: i64, length: i64) -> bool {
        let (begin, end) = (span.media, span.media_at(span.shown_end(), self.fine));
        let (from, to) = (pts.max(begin), pts.saturating_add(length).min(end));
        let little = length.min(Timestamp::from_nanos(LITTLE).ticks(self.fine));
        let rest = to.saturating_sub(from);
        // A little of the picture that the range begins in would take the next one's place.
        rest > 0 && (pts >= begin || to == end || rest.saturating_mul(2) >= little)
    }

    /// What a span shows of a picture.
    pub(super) fn shown(
        &self,
        (span, shown): &(Span, Timestamp),
        picture: &Frame,
        pts: i64,
        length: i64,
    ) -> Result<Frame> {
        let end = span.media_at(span.shown_end(), self.fine);
        let (from, to) = (pts.max(span.media), pts.saturating_add(length).min(end));
        let mut copy = picture.try_clone()?;
        copy.set_base(self.fine);
        let since = from.saturating_sub(span.media);
        copy.set_pts(since.saturating_add(shown.ticks(self.fine)));
        // A range may end within the last tick.
        let end = Timestamp::from_ticks(to.saturating_sub(span.media), self.fine).min(span.len);
        copy.set_length(end.ticks(self.fine).saturating_sub(since));
        Ok(copy)
    }
}
