//! The demux stage: part for part, packets in the order of the file, each to its decoder, converter or the
//! muxer.

use super::{
    messages::{Coded, Counters, Fed, Muxed, PlacedRange},
    queue::{Stop, Tx},
};
use crate::{
    Error, Media, Result, TimeRange,
    av::{
        adts::AdtsReader,
        packet::Packet,
        stream::{Stream, StreamKind},
        subtitle::SubtitleConverter,
    },
    media::{Item, Payloads, Span},
    output::{self, target::Origin},
    read::{Need, Reader, Stretch, preroll_of},
    time::{Rational, Timestamp, convert},
};

/// Where the demuxer sends a lane's packets.
pub(crate) enum Forward {
    Copy {
        to: Tx<Muxed>,
        /// The muxer takes nothing before a whole frame of AC-3.
        in_ac3_frames: bool,
        front: Front,
    },
    Convert(Box<SubtitleConverter>, Tx<Muxed>),
    Strip(Box<AdtsReader>, Tx<Muxed>),
    Decode(Tx<Fed>),
}

/// What becomes of copied sound in front of what is heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Front {
    /// It is hidden in the output as in the source, there is none, or it is come by.
    Kept,
    /// Nothing hides it in the output: all is left out but what a decoder needs to get going.
    LeftOut,
    /// The output's header has room for so much of that.
    Stated(Timestamp),
}

/// The demux stage: part for part, packets in the order of the file.
pub(crate) fn run(
    parts: &[PlacedRange],
    ways: &mut Vec<Option<Forward>>,
    payloads: Payloads,
    counters: &Counters,
    stop: &Stop,
) -> Result<()> {
    let mut stage = DemuxStage { ways, payloads, shown: Vec::new(), counters, stop };
    stage.shown.resize(stage.ways.len(), None);
    for (i, part) in parts.iter().enumerate() {
        stage.part(i, part).map_err(|e| e.named(part.media.source().name()))?;
    }
    for (track, way) in stage.ways.iter().enumerate() {
        if let Some(Forward::Copy { to, .. } | Forward::Convert(_, to) | Forward::Strip(_, to)) = way {
            let shown = stage.shown.get(track).copied().flatten();
            to.send(Muxed::End { track, shown }, 0, stop)?;
        }
    }
    Ok(())
}

struct DemuxStage<'a> {
    /// None once nobody wants more.
    ways: &'a mut Vec<Option<Forward>>,
    /// How those that are copied want their payload.
    payloads: Payloads,
    shown: Vec<LaneShown>,
    counters: &'a Counters,
    stop: &'a Stop,
}

/// A lane within a part.
struct Route {
    lane: usize,
    stream: usize,
    base: Rational,
    /// The first span, with the tick that it begins in.
    needs: Span,
    first: Span,
    last: Span,
    /// When the first span is shown on the output's clock.
    at: Timestamp,
    /// The last tick that is shown, not included.
    until: i64,
    /// The dts of the stream's last packet, where an index says it: nothing behind a range is read to find
    /// the end of one that is shorter.
    last_packet: Option<i64>,
    /// A packet's duration where it does not say it: those of B-frames in MP4, before FFmpeg 6, and those of
    /// sound in fragments.
    typical: i64,
    /// How many pictures the codec keeps back, where a dts may lie behind its pts: not in MP4's tables.
    delay: i64,
    /// By how much dts lie behind pts; pictures up to there come behind a dts that lies behind the range.
    late: Option<i64>,
    /// The latest end of a packet, in ticks.
    seen_end: Option<i64>,
    /// When the last packet began, if nothing says yet how long it lasts.
    untold: Option<i64>,
    waits: bool,
    /// Shown from one instant to another each, and clipped to the range.
    is_subtitle: bool,
    is_sound: bool,
    done: bool,
}

impl Route {
    /// Whether a packet shows that all of the range has come.
    fn is_behind(&mut self, packet: &Packet) -> bool {
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

    /// None if nothing of the lane is shown in this part.
    fn new(part: &PlacedRange, lane: usize, is_decoded: bool) -> Option<Self> {
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
            ceil
        } else {
            spans.iter().map(|span| span.media_at(span.shown_end(), base)).max()
        };
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
            waits: is_decoded,
            is_subtitle: source.kind() == StreamKind::Subtitle,
            is_sound: source.kind() == StreamKind::Audio,
            done: false,
        })
    }
}

/// From when to when something of a lane is shown, on the output's clock.
type LaneShown = Option<(Timestamp, Timestamp)>;

impl Route {
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
    fn is_in_front(&self, front: Front, source: &Stream, packet: &Packet) -> bool {
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

impl DemuxStage<'_> {
    fn part(&mut self, index: usize, part: &PlacedRange) -> Result<()> {
        let media = &part.media;
        let (origin, to) = part.on_source();
        let mut routes = Vec::new();
        for lane in 0..part.streams.len() {
            let decoder = match self.ways.get(lane) {
                Some(Some(Forward::Decode(to))) => Some(to),
                _ => None,
            };
            let Some(route) = Route::new(part, lane, decoder.is_some()) else { continue };
            routes.push(route);
            if let Some(to) = decoder {
                to.send(Fed::Part(index), 0, self.stop)?;
            }
        }
        let streams: Vec<usize> = routes.iter().map(|route| route.stream).collect();
        let Some(primary) = media.primary(&streams) else {
            return Err(Error::invalid("nothing is shown in this range"));
        };
        let at_start = part.from == Timestamp::ZERO;
        let stretch = Stretch { streams: &streams, payloads: self.payloads, from: origin, to, at_start };
        let mut reader = Reader::open(media, &stretch, self.stop.control())?;
        for route in routes.iter_mut().filter(|_| part.to != Timestamp::MAX) {
            route.last_packet = reader.last_indexed(route.stream);
        }
        let mut needs: Vec<Need> =
            routes.iter().filter_map(|route| Need::new(media, route.stream, &route.needs)).collect();
        needs.sort_by_key(|need| need.stream != primary);
        reader.begin(&needs, at_start)?;
        while !is_done(&routes) {
            let mut item = Item::new()?;
            if !reader.next(&mut item)? {
                self.judge_range(part, &routes)?;
                break;
            }
            self.route(media, &mut routes, item)?;
            self.stop.check()?;
        }
        self.counters.note(reader.finish(false)?);
        Ok(())
    }

    /// Judges a range against a source that does not say how long it is: its end was reached.
    fn judge_range(&self, part: &PlacedRange, routes: &[Route]) -> Result<()> {
        let ends = routes.iter().filter(|route| route.waits);
        let ends = ends.filter_map(|route| Some(route.last.shown_at(route.seen_end?, route.base)));
        let range = TimeRange { from: part.from, to: part.to };
        part.media.judge(range, ends.max(), |warning| self.counters.warn(warning))
    }

    fn route(&mut self, media: &Media, routes: &mut [Route], item: Item) -> Result<()> {
        let (packet, at) = (item.packet, item.at);
        let Some(route) = routes.iter_mut().find(|route| route.stream == packet.stream()) else {
            return Ok(());
        };
        route.done |= route.is_behind(&packet);
        let length = if packet.duration() > 0 { packet.duration() } else { route.typical };
        let ends = packet.pts().or(packet.dts()).map(|time| time.saturating_add(length));
        route.seen_end = route.seen_end.max(ends);
        // A packet without bytes is an end mark to decoders.
        if route.done || packet.size() == 0 {
            return Ok(());
        }
        let Some(way) = self.ways.get_mut(route.lane) else { return Ok(()) };
        let Some(source) = media.streams().get(route.stream) else { return Ok(()) };
        route.done = packet.dts().is_some_and(|dts| route.last_packet.is_some_and(|last| dts >= last));
        let bytes = usize::try_from(packet.memory()).unwrap_or(usize::MAX);
        let wanted = match way {
            None => false,
            Some(Forward::Decode(to)) => to.send(Fed::Packet(packet), bytes, self.stop)?,
            Some(Forward::Copy { in_ac3_frames, .. }) if *in_ac3_frames && !packet.begins_ac3_frame() => {
                self.counters.warn(output::lacks_frame(route.stream));
                true
            }
            Some(Forward::Copy { front, .. }) if route.is_in_front(*front, source, &packet) => true,
            Some(Forward::Copy { to, in_ac3_frames, front }) => {
                (*in_ac3_frames, *front) = (false, Front::Kept);
                let Some(packet) = place(route, packet, &mut self.shown) else { return Ok(()) };
                let origin = at.map(|at| Origin { source: media.source(), at }.keep());
                let packet = Coded { packet, base: route.base, origin };
                to.send(Muxed::Packet { track: route.lane, packet }, bytes, self.stop)?
            }
            Some(Forward::Strip(reader, to)) => {
                let Some(mut packet) = place(route, packet, &mut self.shown) else { return Ok(()) };
                match reader.strip(&mut packet) {
                    Ok(()) => {
                        if let Some(configuration) = packet.new_extradata() {
                            let stream = Box::new(Stream::configured(source, configuration)?);
                            to.send(Muxed::Open { track: route.lane, stream }, 0, self.stop)?;
                        }
                        let packet = Coded::new(packet, route.base);
                        to.send(Muxed::Packet { track: route.lane, packet }, bytes, self.stop)?
                    }
                    Err(error) => leave_out(error, self.counters, route.stream)?,
                }
            }
            Some(Forward::Convert(converter, to)) => {
                let Some(packet) = place(route, packet, &mut self.shown) else { return Ok(()) };
                match converter.convert(&packet, route.base) {
                    Ok(None) => true,
                    Ok(Some(packet)) => {
                        let packet = Coded::new(packet, converter.base());
                        to.send(Muxed::Packet { track: route.lane, packet }, bytes, self.stop)?
                    }
                    Err(error) => leave_out(error, self.counters, route.stream)?,
                }
            }
        };
        if !wanted {
            *way = None;
            route.done = true;
        }
        Ok(())
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

/// Counts a packet that can't be converted as damaged, unless its error ends the job: more packets are
/// wanted.
fn leave_out(error: Error, counters: &Counters, stream: usize) -> Result<bool> {
    if error.is_final() {
        return Err(error);
    }
    counters.damage().map_err(|e| e.in_stream(stream))?;
    Ok(true)
}

/// Puts a packet that is copied on the output's clock; None for one that is not shown.
fn place(route: &mut Route, mut packet: Packet, shown: &mut [LaneShown]) -> Option<Packet> {
    let mut begins = packet.pts().or(packet.dts())?;
    let shown = shown.get_mut(route.lane)?;
    if route.is_subtitle {
        // What is shown when the range begins is shown from there on.
        let ends = begins.saturating_add(packet.duration().max(route.typical)).min(route.until);
        begins = begins.max(route.first.media);
        if begins >= ends {
            return None;
        }
        packet.set_times(begins, begins, ends.saturating_sub(begins));
        route.note_shown(begins, ends, shown);
    } else {
        let length = route.length(begins, packet.duration(), shown);
        if packet.duration() == 0 && route.is_sound && route.typical > 0 {
            // Muxers take the last one's word.
            packet.set_duration(length);
        }
        route.note_shown(begins, begins.saturating_add(length), shown);
    }
    packet.shift(route.shift());
    Some(packet)
}

/// Subtitles and data come when they come; they do not keep a part open.
fn is_done(routes: &[Route]) -> bool {
    let any = routes.iter().any(|route| route.waits);
    routes.iter().filter(|route| !any || route.waits).all(|route| route.done)
}
