//! The demux stage: part for part, packets in the order of the file, each to its decoder, converter or the
//! muxer. What lies beside that is read at the same pace.

mod route;

use super::{
    messages::{Coded, Counters, Fed, Muxed, PlacedRange},
    queue::{Stop, Tx},
};
use crate::{
    Error, Media, Result, TimeRange,
    av::{adts::AdtsReader, stream::Stream, subtitle::SubtitleConverter},
    media::{Item, Payloads},
    output::{self, target::Origin},
    read::{Need, Reader, Stretch},
    time::Timestamp,
};
use route::{LaneShown, Route, is_done, place};
use std::collections::VecDeque;

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
    let mut strands = [false, true].map(|is_beside| Strand::new(parts, is_beside));
    // The one that is not as far.
    while let Some(strand) = strands.iter_mut().filter(|strand| !strand.is_over()).min_by_key(|it| it.at) {
        strand.go_on(&mut stage)?;
    }
    for (track, way) in stage.ways.iter().enumerate() {
        if let Some(Forward::Copy { to, .. } | Forward::Convert(_, to) | Forward::Strip(_, to)) = way {
            let shown = stage.shown.get(track).copied().flatten();
            to.send(Muxed::End { track, shown }, 0, stop)?;
        }
    }
    Ok(())
}

/// Parts one behind the other.
struct Strand<'a> {
    /// With their numbers among all parts; the first is the one that is read.
    parts: VecDeque<(usize, &'a PlacedRange)>,
    running: Option<Running>,
    /// How far it is come, on the output's clock.
    at: Timestamp,
}

/// A part that is read.
struct Running {
    reader: Reader,
    routes: Vec<Route>,
}

impl<'a> Strand<'a> {
    fn new(parts: &'a [PlacedRange], is_beside: bool) -> Self {
        let own = parts.iter().enumerate().filter(|(_, part)| part.is_beside == is_beside);
        Self { parts: own.collect(), running: None, at: Timestamp::ZERO }
    }

    fn is_over(&self) -> bool {
        self.parts.is_empty()
    }

    /// Begins a part, or reads a packet of it.
    fn go_on(&mut self, stage: &mut DemuxStage<'_>) -> Result<()> {
        let Some((index, part)) = self.parts.front().copied() else { return Ok(()) };
        let named = |e: Error| e.named(part.media.source().name());
        let Some(running) = &mut self.running else {
            self.at = self.at.max(part.placed);
            self.running = Some(stage.begin(index, part).map_err(named)?);
            return Ok(());
        };
        match stage.next(part, running).map_err(named)? {
            Some(at) => self.at = self.at.max(at),
            None => {
                if let Some(running) = self.running.take() {
                    stage.counters.note(running.reader.finish(false).map_err(named)?);
                }
                self.parts.pop_front();
            }
        }
        Ok(())
    }
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

impl DemuxStage<'_> {
    fn begin(&mut self, index: usize, part: &PlacedRange) -> Result<Running> {
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
        Ok(Running { reader, routes })
    }

    /// Sends the next packet on: when it is shown on the output's clock. None where there is no other.
    fn next(&mut self, part: &PlacedRange, running: &mut Running) -> Result<Option<Timestamp>> {
        if is_done(&running.routes) {
            return Ok(None);
        }
        let mut item = Item::new()?;
        if !running.reader.next(&mut item)? {
            self.judge_range(part, &running.routes)?;
            return Ok(None);
        }
        let packet = &item.packet;
        let time = packet.dts().or(packet.pts());
        let route = running.routes.iter().find(|route| route.stream == packet.stream());
        let at = time.zip(route).map_or(part.placed, |(time, route)| route.placed(time));
        self.route(&part.media, &mut running.routes, item)?;
        self.stop.check()?;
        Ok(Some(at))
    }

    /// Judges a range against a source that does not say how long it is: its end was reached.
    fn judge_range(&self, part: &PlacedRange, routes: &[Route]) -> Result<()> {
        let ends = routes.iter().filter(|route| route.is_played());
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
                let mut wanted = true;
                for packet in place(route, packet, &mut self.shown)? {
                    let origin = at.map(|at| Origin { source: media.source(), at }.keep());
                    let packet = Coded { packet, base: route.base, origin };
                    wanted &= to.send(Muxed::Packet { track: route.lane, packet }, bytes, self.stop)?;
                }
                wanted
            }
            Some(Forward::Strip(reader, to)) => {
                let mut wanted = true;
                for mut packet in place(route, packet, &mut self.shown)? {
                    wanted &= match reader.strip(&mut packet) {
                        Ok(()) => {
                            if let Some(configuration) = packet.new_extradata() {
                                let stream = Box::new(Stream::configured(source, configuration)?);
                                to.send(Muxed::Open { track: route.lane, stream }, 0, self.stop)?;
                            }
                            let packet = Coded::new(packet, route.base);
                            to.send(Muxed::Packet { track: route.lane, packet }, bytes, self.stop)?
                        }
                        Err(error) => leave_out(error, self.counters, route.stream)?,
                    };
                }
                wanted
            }
            Some(Forward::Convert(converter, to)) => {
                let mut wanted = true;
                for packet in place(route, packet, &mut self.shown)? {
                    wanted &= match converter.convert(&packet, route.base) {
                        Ok(None) => true,
                        Ok(Some(packet)) => {
                            let packet = Coded::new(packet, converter.base());
                            to.send(Muxed::Packet { track: route.lane, packet }, bytes, self.stop)?
                        }
                        Err(error) => leave_out(error, self.counters, route.stream)?,
                    };
                }
                wanted
            }
        };
        if !wanted {
            *way = None;
            route.done = true;
        }
        Ok(())
    }
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
