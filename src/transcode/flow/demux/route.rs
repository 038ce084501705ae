//! A stream within a part: which of its packets are shown, and when on the output's clock.

use super::Front;
use crate::{
    Result,
    av::{
        packet::Packet,
        stream::{Stream, StreamKind},
    },
    media::Span,
    read::{preroll_of, rounding_of},
    time::{Rational, Timestamp, convert},
    transcode::flow::messages::PlacedRange,
};

/// A lane within a part.
pub(super) struct Route {
    pub(super) lane: usize,
    pub(super) stream: usize,
    pub(super) base: Rational,
    /// The first span, with the tick that it begins in.
    pub(super) needs: Span,
    first: Span,
    pub(super) last: Span,
    /// When the first span is shown on the output's clock.
    at: Timestamp,
    /// The last tick that is shown, not included.
    until: i64,
    /// The dts of the stream's last packet, where an index says it: nothing behind a range is read to find
    /// the end of one that is shorter.
    pub(super) last_packet: Option<i64>,
    /// A packet's duration where it does not say it: those of B-frames in MP4, before FFmpeg 6, and those of
    /// sound in fragments.
    pub(super) typical: i64,
    /// How many pictures the codec keeps back, where a dts may lie behind its pts: not in MP4's tables.
    delay: i64,
    /// By how much dts lie behind pts; pictures up to there come behind a dts that lies behind the range.
    late: Option<i64>,
    /// The latest end of a packet, in ticks.
    pub(super) seen_end: Option<i64>,
    /// When the last packet began, if nothing says yet how long it lasts.
    untold: Option<i64>,
    pub(super) waits: bool,
    /// Of subtitles, which are shown from one instant to another each, and clipped to what is shown: all spans.
    subtitle: Option<Vec<Span>>,
    is_sound: bool,
    pub(super) done: bool,
}

impl Route {
    /// Whether a packet shows that all of the range has come.
    pub(super) fn is_behind(&mut self, packet: &Packet) -> bool {
        let Some(dts) = packet.dts() else { return packet.pts().is_some_and(|pts| pts >= self.until) };
        if let Some(late) = packet.pts().map(|pts| dts.saturating_sub(pts)).filter(|_| self.delay > 0) {
            let room = self.delay.saturating_mul(self.typical);
            // A first dts that leaves no room for what is kept back will lie behind the pts of others by
            // that. (Ticks round. Much more is no reordering, but a clock that jumps.)
            let first = if late.saturating_neg() < room.saturating_sub(room / 4) { room } else { 0 };
            let late = late.clamp(0, room.saturating_mul(2));
            self.late = Some(self.late.map_or(first.max(late), |most| most.max(late)));
        }
        dts.saturating_sub(self.late.unwrap_or(0)) >= self.until
    }

    /// Whether it tells how far pictures and sound go.
    pub(super) fn is_played(&self) -> bool {
        self.waits && self.subtitle.is_none()
    }

    /// None if nothing of the lane is shown in this part.
    pub(super) fn new(part: &PlacedRange, lane: usize, is_decoded: bool) -> Option<Self> {
        let (media, (origin, to)) = (&part.media, part.on_source());
        let stream = part.streams.get(lane).copied().flatten()?;
        let (source, timeline) = (media.streams().get(stream)?, media.timeline(stream)?);
        let (base, typical) = (timeline.base, typical(source, timeline.base));
        let spans = timeline.clip(origin, to);
        let (first, last) = (*spans.first()?, *spans.last()?);
        // Frames that are decoded can be cut within a tick: the packets of the first and the last tick are
        // needed.
        let (fine, times) = timeline.finer();
        let finely = fine.clip(origin, to);
        let floor = finely.first().map(|span| span.media.div_euclid(times));
        let ends = finely.iter().map(|span| span.media_at(span.shown_end(), fine.base));
        let ceil = ends.max().map(|end| end.saturating_neg().div_euclid(times).saturating_neg());
        let until = if is_decoded {
            // A packet may begin in front of the end that is told to begin there.
            ceil.map(|ceil| ceil.saturating_add(rounding_of(source).ticks(base)))
        } else {
            spans.iter().map(|span| span.media_at(span.shown_end(), base)).max()
        };
        let is_subtitle = source.kind() == StreamKind::Subtitle;
        Some(Self {
            lane,
            stream,
            base,
            needs: Span { media: floor.unwrap_or(first.media), ..first },
            first,
            last,
            at: first.shown.minus(origin).plus(part.placed),
            until: until.unwrap_or(i64::MAX),
            last_packet: None,
            typical,
            delay: if is_decoded && !media.is_edited() { source.delay() } else { 0 },
            late: None,
            seen_end: None,
            untold: None,
            // In a track of several spans, what is shown soon may lie far behind.
            waits: is_decoded || is_subtitle && spans.len() > 1,
            subtitle: is_subtitle.then_some(spans),
            is_sound: source.kind() == StreamKind::Audio,
            done: false,
        })
    }
}

/// From when to when something of a lane is shown, on the output's clock.
pub(super) type LaneShown = Option<(Timestamp, Timestamp)>;

impl Route {
    /// When a tick of the stream is shown, on the output's clock.
    pub(super) fn placed(&self, ticks: i64) -> Timestamp {
        Timestamp::from_ticks(ticks.saturating_add(self.shift()), self.base)
    }

    /// From the stream's ticks to those on the output's clock.
    fn shift(&self) -> i64 {
        self.at.ticks(self.base).saturating_sub(self.first.media)
    }

    /// How long a packet is shown that does not say it: as long as others, or until the next one comes, where
    /// none says it (sound in a fragmented MP4).
    fn length(&mut self, begins: i64, duration: i64, shown: &mut LaneShown) -> i64 {
        if let Some(since) = self.untold.take() {
            self.typical = if duration > 0 { duration } else { begins.saturating_sub(since).max(0) };
            self.note_shown(since, since.saturating_add(self.typical), shown);
        }
        if duration > 0 {
            if self.is_sound {
                // The last packet of an MP4 may not say it.
                self.typical = duration;
            }
            return duration;
        }
        if self.typical == 0 {
            self.untold = Some(begins);
        }
        // It is shown, however short.
        self.typical.max(1)
    }

    /// Whether a packet is sound that nothing would hide.
    pub(super) fn is_in_front(&self, front: Front, source: &Stream, packet: &Packet) -> bool {
        let Some(begins) = packet.pts().or(packet.dts()).filter(|_| front != Front::Kept) else {
            return false;
        };
        let before = |by: Timestamp| self.first.media.saturating_sub(by.ticks(self.base));
        let needed = before(preroll_of(source));
        match front {
            Front::Stated(most) => begins < needed.max(before(most)),
            _ => begins.saturating_add(packet.duration().max(self.typical)) <= needed,
        }
    }

    fn note_shown(&self, begins: i64, ends: i64, shown: &mut LaneShown) {
        if begins >= self.until || ends <= self.first.media {
            return;
        }
        let shift = self.shift();
        let at = |ticks: i64| Timestamp::from_ticks(ticks.saturating_add(shift), self.base);
        let last = self.last.shown_end();
        let limit = if last == Timestamp::MAX { last } else { self.at.plus(last.minus(self.first.shown)) };
        let (from, to) = (at(begins).max(self.at), at(ends).min(limit));
        let shown = shown.get_or_insert((from, to));
        *shown = (shown.0.min(from), shown.1.max(to));
    }
}

/// A frame's duration by its stream's rate, in ticks; 0 where that is not known.
fn typical(stream: &Stream, base: Rational) -> i64 {
    let frame = match stream.kind() {
        StreamKind::Audio => {
            let size = i32::try_from(stream.frame_size()).ok().filter(|size| *size > 0);
            let rate = stream.sample_rate().and_then(|rate| i32::try_from(rate).ok());
            size.zip(rate).and_then(|(size, rate)| Rational::new(size, rate))
        }
        _ => stream.frame_rate().and_then(|rate| Rational::new(rate.den, rate.num)),
    };
    frame.map_or(0, |frame| convert(1, frame, base).max(1))
}

/// Puts a packet that is copied on the output's clock: none if it is not shown, and one for each span that shows
/// something of a subtitle.
pub(super) fn place(route: &mut Route, mut packet: Packet, shown: &mut [LaneShown]) -> Result<Vec<Packet>> {
    let mut placed = Vec::new();
    let times = packet.pts().or(packet.dts()).zip(shown.get_mut(route.lane));
    let Some((begins, shown)) = times else { return Ok(placed) };
    if let Some(spans) = &route.subtitle {
        let ends = begins.saturating_add(packet.duration().max(route.typical));
        // One lies behind the other.
        let first = spans.partition_point(|span| span.media_at(span.shown_end(), route.base) <= begins);
        for span in spans.iter().skip(first).take_while(|span| span.media < ends) {
            // What is shown when it begins is shown from there on.
            let (from, to) = (begins.max(span.media), ends.min(span.media_at(span.shown_end(), route.base)));
            if from >= to {
                continue;
            }
            let later = route.at.plus(span.shown.minus(route.first.shown)).ticks(route.base);
            let at = from.saturating_sub(span.media).saturating_add(later);
            let lasts = to.saturating_sub(from);
            let mut piece = packet.share()?;
            piece.set_times(at, at, lasts);
            placed.push(piece);
            let on_clock = |ticks: i64| Timestamp::from_ticks(ticks, route.base);
            let (from, to) = (on_clock(at), on_clock(at.saturating_add(lasts)));
            let shown = shown.get_or_insert((from, to));
            *shown = (shown.0.min(from), shown.1.max(to));
        }
        return Ok(placed);
    }
    let length = route.length(begins, packet.duration(), shown);
    if packet.duration() == 0 && route.is_sound && route.typical > 0 {
        // Muxers take the last one's word.
        packet.set_duration(length);
    }
    route.note_shown(begins, begins.saturating_add(length), shown);
    packet.shift(route.shift());
    placed.push(packet);
    Ok(placed)
}

/// Subtitles in one span and data come when they come; they do not keep a part open.
pub(super) fn is_done(routes: &[Route]) -> bool {
    let any = routes.iter().any(|route| route.waits);
    routes.iter().filter(|route| !any || route.waits).all(|route| route.done)
}
