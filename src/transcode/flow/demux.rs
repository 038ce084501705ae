//! The demux stage: part for part, packets in the order of the file, each to its decoder, converter or the muxer.

use super::{
    messages::{Counters, Fed, Muxed, Part},
    queue::{Stop, Tx},
};
use crate::{
    Error, Media, Result,
    av::{
        adts::AdtsReader,
        packet::Packet,
        stream::{Stream, StreamKind},
        subtitle::SubtitleConverter,
    },
    media::{Item, Payloads, Span},
    read::{Need, Reader, Stretch},
    time::{Rational, Timestamp, convert},
};

/// Where the demuxer sends a lane's packets.
pub(crate) enum Forward {
    Copy(Tx<Muxed>),
    Convert(Box<SubtitleConverter>, Tx<Muxed>),
    Strip(Box<AdtsReader>, Tx<Muxed>),
    Decode(Tx<Fed>),
}

/// The demux stage: part for part, packets in the order of the file.
pub(crate) fn run(
    parts: &[Part],
    ways: &mut Vec<Option<Forward>>,
    counters: &Counters,
    stop: &Stop,
) -> Result<()> {
    let mut stage = DemuxStage { ways, shown: Vec::new(), counters, stop };
    stage.shown.resize(stage.ways.len(), None);
    for (i, part) in parts.iter().enumerate() {
        stage.part(i, part).map_err(|e| e.named(part.media.source().name()))?;
    }
    for (track, way) in stage.ways.iter().enumerate() {
        if let Some(Forward::Copy(to) | Forward::Convert(_, to) | Forward::Strip(_, to)) = way {
            let shown = stage.shown.get(track).copied().flatten();
            to.send(Muxed::End { track, shown }, 0, stop)?;
        }
    }
    Ok(())
}

struct DemuxStage<'a> {
    /// None once nobody wants more.
    ways: &'a mut Vec<Option<Forward>>,
    shown: Vec<Option<(Timestamp, Timestamp)>>,
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
    /// The dts of the stream's last packet, where an index says it: nothing behind a range is read to find the end of one
    /// that is shorter.
    last_packet: Option<i64>,
    /// A picture's duration where its packet does not say it (those of B-frames in MP4, before FFmpeg 6).
    typical: i64,
    waits: bool,
    /// Shown from one instant to another each, and clipped to the range.
    is_subtitle: bool,
    done: bool,
}

impl DemuxStage<'_> {
    fn part(&mut self, index: usize, part: &Part) -> Result<()> {
        let media = &part.media;
        let origin = part.from.plus(media.start());
        let to = if part.to == Timestamp::MAX { part.to } else { part.to.plus(media.start()) };
        let mut routes = Vec::new();
        for (lane, stream) in part.streams.iter().enumerate() {
            let Some((stream, timeline)) = stream.and_then(|stream| Some((stream, media.timeline(stream)?)))
            else {
                continue;
            };
            let spans = timeline.clip(origin, to);
            let (Some(first), Some(last)) = (spans.first().copied(), spans.last().copied()) else { continue };
            let waits = matches!(self.ways.get(lane), Some(Some(Forward::Decode(_))));
            let until = spans.iter().map(|span| span.media_at(span.shown_end(), timeline.base)).max();
            // What is decoded begins and ends within ticks.
            let (fine, times) = timeline.finer();
            let finely = fine.clip(origin, to);
            let floor = finely.first().map(|span| span.media.div_euclid(times));
            let ends = finely.iter().map(|span| span.media_at(span.shown_end(), fine.base));
            let ceil = ends.max().map(|end| end.saturating_neg().div_euclid(times).saturating_neg());
            // Pictures whose packets do not say when they are shown: those in front and behind tell.
            let stream_of = media.streams().get(stream).filter(|s| s.kind() == StreamKind::Video);
            let delay = stream_of.filter(|_| media.demuxer().has_one_time()).map_or(0, Stream::delay);
            let delay = delay.saturating_mul(typical(media, stream, timeline.base));
            let floor = floor.map(|floor| floor.saturating_sub(delay));
            let until = if waits { ceil.map(|ceil| ceil.saturating_add(delay)) } else { until };
            routes.push(Route {
                lane,
                stream,
                base: timeline.base,
                needs: Span { media: floor.unwrap_or(first.media), ..first },
                first,
                last,
                at: first.shown.minus(origin).plus(part.placed),
                until: until.unwrap_or(i64::MAX),
                last_packet: None,
                typical: typical(media, stream, timeline.base),
                waits,
                is_subtitle: media.streams().get(stream).is_some_and(|s| s.kind() == StreamKind::Subtitle),
                done: false,
            });
            if let Some(Some(Forward::Decode(to))) = self.ways.get(lane) {
                to.send(Fed::Part(index), 0, self.stop)?;
            }
        }
        let streams: Vec<usize> = routes.iter().map(|route| route.stream).collect();
        let Some(primary) = media.primary(&streams) else {
            return Err(Error::invalid("nothing is shown in this range"));
        };
        let at_start = part.from == Timestamp::ZERO;
        let stretch = Stretch { streams: &streams, payloads: Payloads::Read, from: origin, to, at_start };
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
                break;
            }
            self.route(media, &mut routes, item.packet)?;
            self.stop.check()?;
        }
        self.counters.note(reader.finish(false)?);
        Ok(())
    }

    fn route(&mut self, media: &Media, routes: &mut [Route], packet: Packet) -> Result<()> {
        let Some(route) = routes.iter_mut().find(|route| route.stream == packet.stream()) else {
            return Ok(());
        };
        if packet.dts().or(packet.pts()).is_some_and(|time| time >= route.until) {
            route.done = true;
        }
        // A packet without bytes is an end mark to decoders.
        if route.done || packet.size() == 0 {
            return Ok(());
        }
        let Some(way) = self.ways.get_mut(route.lane) else { return Ok(()) };
        let Some(source) = media.streams().get(route.stream) else { return Ok(()) };
        route.done = packet.dts().is_some_and(|dts| route.last_packet.is_some_and(|last| dts >= last));
        let bytes = packet.size();
        let wanted = match way {
            None => false,
            Some(Forward::Decode(to)) => to.send(Fed::Packet(packet), bytes, self.stop)?,
            Some(Forward::Copy(to)) => {
                let Some(packet) = place(route, packet, &mut self.shown) else { return Ok(()) };
                to.send(Muxed::Packet { track: route.lane, packet, base: route.base }, bytes, self.stop)?
            }
            Some(Forward::Strip(reader, to)) => {
                let Some(mut packet) = place(route, packet, &mut self.shown) else { return Ok(()) };
                match reader.strip(&mut packet) {
                    Ok(()) => {
                        if let Some(configuration) = packet.new_extradata() {
                            let stream = Box::new(Stream::configured(source, configuration)?);
                            to.send(Muxed::Open { track: route.lane, stream }, 0, self.stop)?;
                        }
                        to.send(
                            Muxed::Packet { track: route.lane, packet, base: route.base },
                            bytes,
                            self.stop,
                        )?
                    }
                    Err(error) if error.is_final() => return Err(error),
                    Err(_) => {
                        self.counters.damage().map_err(|e| e.in_stream(route.stream))?;
                        true
                    }
                }
            }
            Some(Forward::Convert(converter, to)) => {
                let Some(packet) = place(route, packet, &mut self.shown) else { return Ok(()) };
                match converter.convert(&packet, route.base) {
                    Ok(None) => true,
                    Ok(Some(packet)) => {
                        let base = converter.base();
                        to.send(Muxed::Packet { track: route.lane, packet, base }, bytes, self.stop)?
                    }
                    Err(error) if error.is_final() => return Err(error),
                    Err(_) => {
                        self.counters.damage().map_err(|e| e.in_stream(route.stream))?;
                        true
                    }
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

/// A picture's duration by its stream's rate, in ticks; 0 for other streams.
fn typical(media: &Media, stream: usize, base: Rational) -> i64 {
    let rate = media.streams().get(stream).and_then(Stream::frame_rate);
    let frame = rate.and_then(|rate| Rational::new(rate.den, rate.num));
    frame.map_or(0, |frame| convert(1, frame, base).max(1))
}

/// Puts a packet that is copied on the output's clock; None for one that is not shown.
fn place(route: &Route, mut packet: Packet, shown: &mut [Option<(Timestamp, Timestamp)>]) -> Option<Packet> {
    let mut begins = packet.pts().or(packet.dts())?;
    let length = if packet.duration() > 0 { packet.duration() } else { route.typical };
    let mut ends = begins.saturating_add(length);
    if route.is_subtitle {
        // What is shown when the range begins is shown from there on.
        (begins, ends) = (begins.max(route.first.media), ends.min(route.until));
        if begins >= ends {
            return None;
        }
        packet.set_times(begins, begins, ends.saturating_sub(begins));
    }
    let shift = route.at.ticks(route.base).saturating_sub(route.first.media);
    packet.shift(shift);
    if begins < route.until && ends > route.first.media {
        let at = |ticks: i64| Timestamp::from_ticks(ticks.saturating_add(shift), route.base);
        let last = route.last.shown_end();
        let limit = if last == Timestamp::MAX { last } else { route.at.plus(last.minus(route.first.shown)) };
        let (from, to) = (at(begins).max(route.at), at(ends).min(limit));
        let shown = shown.get_mut(route.lane)?.get_or_insert((from, to));
        *shown = (shown.0.min(from), shown.1.max(to));
    }
    Some(packet)
}

/// Subtitles and data come when they come; they do not keep a part open.
fn is_done(routes: &[Route]) -> bool {
    let any = routes.iter().any(|route| route.waits);
    routes.iter().filter(|route| !any || route.waits).all(|route| route.done)
}
