//! The stages and what lies between them: demux, decode, process and encode are threads, joined by bounded queues; muxing
//! is done on the job's own thread, which also watches over cancel and deadline.
//!
//! Packets and frames move by reference. A stage waits for room in the queue behind it, so the slowest one sets the pace
//! and memory stays bounded.

use super::{
    decode::{DecodeStage, Decoded, Fed},
    encode::{EncodePlan, EncodeStage, Ready, ToEncoder},
    filter::Chain,
    processor,
    queue::{Rx, Stop, Tx, queue},
    settings::{Fragment, Transcode},
};
use crate::{
    Control, Error, ErrorKind, Media, RefusedDevice, Report, Result,
    av::{
        decoder::DecodeOptions,
        device::Device,
        packet::Packet,
        stream::{Stream, StreamKind},
        subtitle::SubtitleConverter,
    },
    edit::{
        leadin::{self, Need},
        target::Target,
    },
    job::Stage,
    media::{Demux, Payloads, Span},
    time::{Rational, Timestamp, convert},
};
use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

/// What a job counts while its stages run.
#[derive(Default)]
pub(super) struct Counters {
    pub frames_decoded: AtomicU64,
    pub frames_encoded: AtomicU64,
    pub frames_dropped: AtomicU64,
    pub decode_errors: AtomicU64,
    pub bytes_read: AtomicU64,
    /// Pictures that a decoder with a device has made on it, and in memory after all.
    pub on_device: AtomicU64,
    pub off_device: AtomicU64,
}

/// A stretch of a source on the output's clock.
pub(super) struct Part {
    pub media: Media,
    /// On the source's presentation clock.
    pub from: Timestamp,
    /// [`Timestamp::MAX`]: its end.
    pub to: Timestamp,
    /// Where it begins on the output's clock.
    pub placed: Timestamp,
    /// The source's stream for each lane.
    pub streams: Vec<Option<usize>>,
}

impl Part {
    pub(super) fn name(&self, error: Error, stream: usize) -> Error {
        error.in_stream(stream).named(self.media.source().name())
    }
}

/// What becomes of a stream on its way to its track.
pub(super) enum Way<'a> {
    Copy,
    /// Subtitles in another codec's words.
    Convert(Box<SubtitleConverter>),
    Encode(Box<(Chain, EncodePlan<'a>)>),
}

pub(super) struct Lane<'a> {
    pub way: Way<'a>,
    /// The stream of the first part: what the track's metadata comes from.
    pub source: &'a Stream,
    pub is_audio: bool,
}

/// What comes to the muxer.
pub(super) enum Muxed {
    /// A track's encoder is open.
    Open { track: usize, stream: Box<Stream> },
    /// With times on the output's clock, in `base`.
    Packet { track: usize, packet: Packet, base: Rational },
    /// A track is complete: from when to when there is something to show in it.
    End { track: usize, shown: Option<(Timestamp, Timestamp)> },
}

/// Items and bytes that wait between stages. Few frames are enough to keep two neighbours busy, and they are large.
pub(super) const PACKETS: (usize, usize) = (32, 8 << 20);
const PICTURES: (usize, usize) = (0, 32 << 20);
pub(super) const SOUNDS: (usize, usize) = (16, 1 << 20);
const CODED: (usize, usize) = (64, 8 << 20);

/// Runs a job. `metadata` and `chapters` are the output's.
pub(super) struct Pipeline<'a> {
    pub settings: &'a Transcode,
    pub parts: Vec<Part>,
    pub lanes: Vec<Lane<'a>>,
    pub metadata: Vec<(String, String)>,
    /// The output's length, if it is known: what progress counts up to.
    pub total: Option<Timestamp>,
    /// What decodes, and what it is called.
    pub device: Option<(Device, String)>,
    /// The caller's, in front of the muxer.
    pub packets: processor::PacketChain,
}

impl Pipeline<'_> {
    pub(super) fn run(self, target: &mut Target, report: &mut Report, control: &Control) -> Result<()> {
        let (counters, stop) = (Counters::default(), Stop::new(control));
        let label = self.device.clone();
        let outcome = self.run_stages(target, report, control, &counters, &stop);
        let take = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        report.frames_decoded = take(&counters.frames_decoded);
        report.frames_encoded = take(&counters.frames_encoded);
        report.decode_errors = take(&counters.decode_errors);
        report.bytes_read = report.bytes_read.saturating_add(take(&counters.bytes_read));
        if let Some((_, label)) = &label {
            if take(&counters.on_device) > 0 {
                report.hardware.used.push(format!("{label} decode"));
            }
            if take(&counters.off_device) > 0 {
                let reason = "the device refused the stream: it was decoded in software".to_owned();
                report.hardware.refused.push(RefusedDevice { device: format!("{label} decode"), reason });
            }
        }
        let dropped = take(&counters.frames_dropped);
        if dropped > 0 {
            report.warn(format!("{dropped} pictures had the time of another and were left out"));
        }
        if report.decode_errors > 0 {
            report.warn(format!(
                "{} damaged packets; their pictures or sounds are missing or faulty",
                report.decode_errors
            ));
        }
        outcome
    }

    fn run_stages(
        self,
        target: &mut Target,
        report: &mut Report,
        control: &Control,
        counters: &Counters,
        stop: &Stop,
    ) -> Result<()> {
        let Self { settings, parts, lanes, metadata, total, device, mut packets } = self;
        let (mux, coded) = queue::<Muxed>(CODED.0, CODED.1);
        let sources: Vec<&Stream> = lanes.iter().map(|lane| lane.source).collect();
        let mut tracks: Vec<TrackState> = Vec::new();
        std::thread::scope(|scope| -> Result<()> {
            let mut ways = Vec::new();
            for (track, lane) in lanes.into_iter().enumerate() {
                let to = mux.another(CODED.1);
                let (source, is_audio) = (lane.source, lane.is_audio);
                let encode = match lane.way {
                    Way::Encode(encode) => encode,
                    Way::Copy => {
                        tracks.push(TrackState::copied());
                        ways.push(Some(Forward::Copy(to)));
                        continue;
                    }
                    Way::Convert(converter) => {
                        let stream = converter.stream(source)?;
                        tracks.push(TrackState { stream: Some(Box::new(stream)), ..TrackState::copied() });
                        ways.push(Some(Forward::Convert(converter, to)));
                        continue;
                    }
                };
                let (chain, plan) = *encode;
                tracks.push(TrackState::encoded());
                let frames = if is_audio { SOUNDS } else { PICTURES };
                let (fed, packets) = queue::<Fed>(PACKETS.0, PACKETS.1);
                let (decoded, raw) = queue::<Decoded>(frames.0, frames.1);
                let (ready, filtered) = queue::<Ready>(frames.0, frames.1);
                ways.push(Some(Forward::Decode(fed)));
                let turned = plan.turned;
                let decode = DecodeStage {
                    parts: &parts,
                    lane: track,
                    options: DecodeOptions {
                        device: device.as_ref().map(|(device, _)| device.clone()).filter(|_| !is_audio),
                        threads: settings.threads,
                        low_delay: settings.fragment == Some(Fragment::Frame),
                        max_pixels: control.limit().pixels,
                        keep_padding: false,
                        bit_exact: settings.bit_exact,
                    },
                    most_errors: settings.max_decode_errors,
                    counters,
                    stop,
                    to: decoded,
                };
                let encode = EncodeStage { track, source, turned, to, stop, counters };
                // A stage's queues live until its error is noted: the next one would take their end for the end of the media.
                scope.spawn(move || {
                    let mut decode = decode;
                    stop.guard("decode", || decode.run(&packets));
                });
                scope.spawn(move || {
                    let mut end = ToEncoder::new(plan, ready, stop, counters);
                    stop.guard("process", || chain.run(&raw, stop, &mut end));
                });
                scope.spawn(move || stop.guard("encode", || encode.run(&filtered)));
            }
            drop(mux);
            let parts = &parts;
            scope.spawn(move || {
                let mut ways = ways;
                stop.guard("demux", || demux(parts, &mut ways, counters, stop));
            });
            // A panic on this thread (a writer's, a callback's) must not leave the others waiting.
            stop.guard("mux", || {
                let mut muxing = Muxing {
                    target,
                    report,
                    control,
                    sources: &sources,
                    metadata: &metadata,
                    tracks,
                    waiting: Vec::new(),
                    held: 0,
                    begun: Instant::now(),
                    told: 0,
                    total,
                };
                muxing.run(&coded, &mut packets, stop)
            });
            drop(coded);
            Ok(())
        })?;
        // The caller's own cancel and deadline go before what they led to.
        control.check()?;
        stop.take().map_or(Ok(()), Err)
    }
}

/// Where the demuxer sends a lane's packets.
pub(super) enum Forward {
    Copy(Tx<Muxed>),
    Convert(Box<SubtitleConverter>, Tx<Muxed>),
    Decode(Tx<Fed>),
}

/// The demux stage: part for part, packets in the order of the file.
pub(super) fn demux(
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
        if let Some(Forward::Copy(to) | Forward::Convert(_, to)) = way {
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
    first: Span,
    last: Span,
    /// When the first span is shown on the output's clock.
    at: Timestamp,
    /// The last tick that is shown, not included.
    until: i64,
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
            let until = spans.iter().map(|span| span.media_at(span.shown_end(), timeline.base)).max();
            routes.push(Route {
                lane,
                stream,
                base: timeline.base,
                first,
                last,
                at: first.shown.minus(origin).plus(part.placed),
                until: until.unwrap_or(i64::MAX),
                typical: typical(media, stream, timeline.base),
                waits: matches!(self.ways.get(lane), Some(Some(Forward::Decode(_)))),
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
        let everything = part.from == Timestamp::ZERO;
        let mut loan = media.demux(self.stop.control(), everything && !media.is_indexed())?;
        let demux = loan.get()?;
        let outcome = self.read(demux, media, &mut routes, primary, everything);
        self.counters.bytes_read.fetch_add(demux.take_bytes_read(), Ordering::Relaxed);
        if outcome.is_err() {
            loan.spoil();
        }
        outcome?;
        media.source().check_unchanged()
    }

    fn read(
        &mut self,
        demux: &mut Demux,
        media: &Media,
        routes: &mut [Route],
        primary: usize,
        everything: bool,
    ) -> Result<()> {
        let streams: Vec<usize> = routes.iter().map(|route| route.stream).collect();
        demux.begin(&streams, Payloads::Read, self.stop.control())?;
        let mut needs: Vec<Need> =
            routes.iter().filter_map(|route| Need::new(media, route.stream, &route.first)).collect();
        needs.sort_by_key(|need| need.stream != primary);
        let lead = leadin::read(media, demux, &needs, everything, self.stop.control())?;
        for (packet, _) in lead.packets {
            self.route(routes, packet)?;
        }
        let mut jumps = media.may_jump().then(crate::media::Jumps::default);
        while !is_done(routes) {
            let mut packet = Packet::new()?;
            if demux.read(&mut packet)?.is_none() {
                break;
            }
            if let (Some(jumps), Some(stream)) = (&mut jumps, media.streams().get(packet.stream())) {
                jumps.bridge(&mut packet, stream);
            }
            self.route(routes, packet)?;
            self.stop.check()?;
        }
        Ok(())
    }

    fn route(&mut self, routes: &mut [Route], packet: Packet) -> Result<()> {
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
        let bytes = packet.size();
        let wanted = match way {
            None => false,
            Some(Forward::Decode(to)) => to.send(Fed::Packet(packet), bytes, self.stop)?,
            Some(Forward::Copy(to)) => {
                let Some(packet) = place(route, packet, &mut self.shown) else { return Ok(()) };
                to.send(Muxed::Packet { track: route.lane, packet, base: route.base }, bytes, self.stop)?
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
                        self.counters.decode_errors.fetch_add(1, Ordering::Relaxed);
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

/// What the muxer knows of a track.
struct TrackState {
    stream: Option<Box<Stream>>,
    /// Its parameters are known, or it has none.
    ready: bool,
    copied: bool,
    /// MP4's text tracks have no holes: one that begins later begins with an empty text (3GPP TS 26.245).
    wants_silence: bool,
    silent: bool,
    /// Its place in the output.
    index: Option<usize>,
    shown: Option<(Timestamp, Timestamp)>,
    origin: Option<Rational>,
}

impl TrackState {
    fn copied() -> Self {
        Self {
            stream: None,
            ready: true,
            copied: true,
            wants_silence: false,
            silent: false,
            index: None,
            shown: None,
            origin: None,
        }
    }

    fn encoded() -> Self {
        Self { ready: false, copied: false, ..Self::copied() }
    }
}

struct Muxing<'a> {
    target: &'a mut Target,
    report: &'a mut Report,
    control: &'a Control,
    sources: &'a [&'a Stream],
    metadata: &'a [(String, String)],
    tracks: Vec<TrackState>,
    /// Packets that came before the header could be written.
    waiting: Vec<(usize, Packet, Rational)>,
    held: u64,
    begun: Instant,
    told: u64,
    total: Option<Timestamp>,
}

/// Packets between two reports of progress.
const REPORT_EVERY: u64 = 16;

impl Muxing<'_> {
    fn run(&mut self, from: &Rx<Muxed>, chain: &mut processor::PacketChain, stop: &Stop) -> Result<()> {
        self.begin_if_ready()?;
        while let Some((message, _held)) = from.recv_watching(stop)? {
            match message {
                Muxed::Open { track, stream } => {
                    if let Some(state) = self.tracks.get_mut(track) {
                        (state.stream, state.ready) = (Some(stream), true);
                    }
                    self.begin_if_ready()?;
                }
                Muxed::Packet { track, packet, base } if chain.is_empty() => {
                    self.take(track, packet, base)?
                }
                Muxed::Packet { track, packet, base } => {
                    let kind = self.sources.get(track).map_or(StreamKind::Unknown, |source| source.kind());
                    let packet = processor::Packet { raw: packet, base, track, kind };
                    processor::pass(chain, packet, &mut |packet| {
                        self.take(packet.track, packet.raw, packet.base)
                    })?;
                }
                Muxed::End { track, shown } => {
                    if let Some(state) = self.tracks.get_mut(track) {
                        (state.shown, state.ready) = (shown, true);
                    }
                    self.begin_if_ready()?;
                }
            }
        }
        stop.check()?;
        processor::end(chain, &mut |packet| self.take(packet.track, packet.raw, packet.base))?;
        self.end()
    }

    /// Writes a packet, or keeps it until the header is written.
    fn take(&mut self, track: usize, packet: Packet, base: Rational) -> Result<()> {
        if self.target.is_open() {
            return self.write(track, packet, base);
        }
        self.held = self.held.saturating_add(packet.size() as u64);
        if self.held > self.control.limit().memory {
            let message = "one stream has no frames for so long that the others do not fit in memory";
            return Err(Error::new(ErrorKind::LimitExceeded, message));
        }
        self.waiting.push((track, packet, base));
        Ok(())
    }

    fn begin_if_ready(&mut self) -> Result<()> {
        if self.target.is_open() || !self.tracks.iter().all(|track| track.ready) {
            return Ok(());
        }
        let mut streams: Vec<&Stream> = Vec::new();
        for (track, source) in self.tracks.iter_mut().zip(self.sources) {
            let stream = match &track.stream {
                Some(stream) => stream.as_ref(),
                None if track.copied => source,
                // Not one frame came.
                None => continue,
            };
            track.index = Some(streams.len());
            track.wants_silence = stream.codec() == "mov_text";
            streams.push(stream);
        }
        self.target.begin_streams(&streams, self.metadata)?;
        // Covers go in front of everything.
        for (i, stream) in streams.iter().enumerate() {
            if let Some(picture) = &stream.picture {
                let mut packet = picture.share()?;
                packet.set_times(0, 0, 0);
                self.target.write_placed(i, &mut packet, stream.time_base(), self.report)?;
            }
        }
        for (track, packet, base) in std::mem::take(&mut self.waiting) {
            self.write(track, packet, base)?;
        }
        Ok(())
    }

    fn write(&mut self, track: usize, mut packet: Packet, base: Rational) -> Result<()> {
        let Some(state) = self.tracks.get_mut(track) else { return Ok(()) };
        state.origin = Some(base);
        let Some(index) = state.index else { return Ok(()) };
        if let (true, Some(pts)) =
            (std::mem::take(&mut state.wants_silence), packet.pts().filter(|pts| *pts > 0))
        {
            let mut nothing = Packet::with(&[0, 0])?;
            nothing.set_times(0, 0, pts);
            self.target.write_placed(index, &mut nothing, base, self.report)?;
            state.silent = true;
        }
        let time = packet.dts().or(packet.pts());
        self.target.write_placed(index, &mut packet, base, self.report)?;
        self.told = self.told.saturating_add(1);
        if self.told % REPORT_EVERY == 1
            && let Some(time) = time
        {
            let nanos = |t: Timestamp| u64::try_from(t.nanos()).unwrap_or(0);
            let total = self.total.map_or(0, nanos);
            let done = nanos(Timestamp::from_ticks(time, base));
            let done = if total > 0 { done.min(total) } else { done };
            self.control.report_since(Stage::Transcode, done, total, self.begun)?;
        }
        Ok(())
    }

    /// States what is shown of each track.
    fn end(&mut self) -> Result<()> {
        let mut end = Timestamp::ZERO;
        for track in &self.tracks {
            let (Some(index), Some((from, to)), Some(base)) = (track.index, track.shown, track.origin) else {
                continue;
            };
            self.target.show(index, if track.silent { Timestamp::ZERO } else { from }, to, base);
            end = end.max(to);
        }
        if !self.target.is_open() {
            return Err(Error::corrupt("not one frame could be decoded"));
        }
        self.report.duration_s = end.secs();
        if self.target.is_fragmented() && self.sources.iter().any(|source| source.kind() == StreamKind::Audio)
        {
            self.report.warn(
                "a fragmented MP4 does not say where the last frame of sound ends: up to a frame of silence may follow",
            );
        }
        Ok(())
    }
}
