//! The stages and what lies between them: demux, decode, process and encode are threads, joined by bounded
//! queues; muxing is done on the job's own thread, which also watches over cancel and deadline.
//!
//! Packets and frames move by reference. A stage waits for room in the queue behind it, so the slowest one
//! sets the pace and memory stays bounded.

use super::{
    avc,
    decode::{self, DecodeStage},
    demux::{self, Forward, Front},
    encode::{EncodeStage, EncoderSpec, Ready, ToEncoder},
    messages::{Counters, Decoded, Fed, Muxed, PlacedRange},
    mux::{Muxing, TrackState},
    process::{Steps, processor},
    queue::{Gate, Room, Stop, Tx, queue},
};
use crate::{
    Control, Media, RefusedDevice, Report, Result,
    av::{
        adts::AdtsReader,
        decoder::DecodeOptions,
        device::Device,
        muxer::Muxer,
        stream::{Stream, StreamKind},
        subtitle::SubtitleConverter,
    },
    media::Payloads,
    output::{
        numbering::{self, Extent},
        target::Target,
    },
    time::Timestamp,
    transcode::settings::{Fragment, Transcode},
};
use std::{
    sync::atomic::{AtomicU64, Ordering},
    thread::Scope,
    time::Instant,
};

/// What becomes of a stream on its way to its track.
pub(crate) enum Way<'a> {
    Copy,
    /// Subtitles in another codec's words.
    Convert(Box<SubtitleConverter>),
    /// Sound, without the headers of its frames.
    Strip(Box<AdtsReader>),
    Encode(Box<(Steps, EncoderSpec<'a>)>),
}

pub(crate) struct Lane<'a> {
    pub way: Way<'a>,
    /// The stream of the first part: what the track's metadata comes from.
    pub source: &'a Stream,
    pub is_audio: bool,
}

/// What waits between stages. Few frames are enough to keep two neighbours busy, and they are large. Frames
/// of sound are many and small: to wake the next stage for each costs as much as some of the stages' own
/// work.
const PACKETS: Room = Room { items: 32, bytes: 8 << 20, together: 1 };
pub(crate) const SOUND_PACKETS: Room = Room { together: 8, ..PACKETS };
const PICTURES: Room = Room { items: 0, bytes: 32 << 20, together: 1 };
/// Of pictures that are looked at and let go.
pub(crate) const PICTURES_LOOKED_AT: Room = Room { items: 4, ..PICTURES };
pub(crate) const SOUNDS: Room = Room { items: 32, bytes: 1 << 20, together: 8 };
const CODED: Room = Room { items: 64, bytes: 8 << 20, together: 1 };
/// Pictures that may wait in one queue, and their bytes: stages that go on at once keep both busy. Of large
/// ones (1080p) none waits: each is handed over, and memory stays below that of the `ffmpeg` command.
const WAITING: (u64, u64) = (4, 3_000_000);
/// Where each frame is to leave at once, no stream runs ahead of the others, and none takes the time that a
/// picture needs.
const LIVE: usize = 4;
/// Pictures that wait where a device makes them: they are of a pool that is not large.
const ON_DEVICE: usize = 2;
/// Timestamps are rounded: sounds that overlap by less than this in all are not worth a warning.
const LITTLE_SOUND: Timestamp = Timestamp::from_nanos(20_000_000);

/// Runs a job. `metadata` and `chapters` are the output's.
pub(crate) struct Pipeline<'a> {
    pub settings: &'a Transcode,
    pub parts: Vec<PlacedRange>,
    pub lanes: Vec<Lane<'a>>,
    pub metadata: Vec<(String, String)>,
    /// The output's length, if it is known: what progress counts up to.
    pub total: Option<Timestamp>,
    /// What decodes, and what it is called.
    pub device: Option<(Device, String)>,
    /// The caller's, in front of the muxer.
    pub packets: processor::PacketProcessors,
}

impl Pipeline<'_> {
    pub(crate) fn run(self, target: &mut Target, report: &mut Report, control: &Control) -> Result<()> {
        let (counters, stop) = (Counters::new(self.settings), Stop::new(control));
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
            for why in counters.take_refusals() {
                let reason = format!("{why}; the stream was decoded in software");
                report.hardware.refused.push(RefusedDevice { device: format!("{label} decode"), reason });
            }
        }
        counters.take_warnings().into_iter().for_each(|warning| report.warn(warning));
        let dropped = take(&counters.frames_dropped);
        if dropped > 0 {
            report.warn(format!("{dropped} pictures had the time of another and were left out"));
        }
        let again = Timestamp::from_nanos(i64::try_from(take(&counters.sound_again)).unwrap_or(i64::MAX));
        if again > LITTLE_SOUND {
            report.warn(format!("{again} of sound had the time of other sound and was left out"));
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
        let stages = Stages {
            settings,
            parts: &parts,
            options: decode::options(settings, control),
            device: device.map(|(device, _)| device),
            live: settings.fragment == Some(Fragment::Frame),
            muxer: target.muxer,
            has_edit_lists: target.has_edit_lists(),
            shows_lead_in: lanes.iter().enumerate().any(|(track, lane)| {
                matches!(lane.way, Way::Copy)
                    && lane.source.kind() == StreamKind::Video
                    && is_hidden_by_edits(&parts, track)
            }),
            counters,
            stop,
        };
        let payloads = payloads(target, &parts, &lanes, &packets);
        let (mux, coded) = queue::<Muxed>(CODED, stop);
        let sources: Vec<&Stream> = lanes.iter().map(|lane| lane.source).collect();
        let gates: Vec<Gate> = lanes.iter().map(|_| Gate::new()).collect();
        std::thread::scope(|scope| -> Result<()> {
            let (mut ways, mut tracks) = (Vec::new(), Vec::new());
            for ((track, lane), first) in lanes.into_iter().enumerate().zip(&gates) {
                let to = mux.another(CODED.bytes, stages.together(&lane));
                let (way, state) = stages.start(scope, track, lane, first, to)?;
                ways.push(Some(way));
                tracks.push(state);
            }
            drop(mux);
            let parts = stages.parts;
            stop.spawn(scope, "demux", move || {
                let mut ways = ways;
                stop.guard("demux", || demux::run(parts, &mut ways, payloads, counters, stop));
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
                    counters,
                    allow_drops: settings.allow_drops,
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

/// How a target takes what is copied: as a place in its source, where that can be and no processor looks at it.
fn payloads(
    target: &Target,
    parts: &[PlacedRange],
    lanes: &[Lane<'_>],
    packets: &processor::PacketProcessors,
) -> Payloads {
    let is_copied = |lane: &Lane<'_>| matches!(lane.way, Way::Copy);
    let first = parts.first().filter(|_| packets.is_empty() && lanes.iter().any(is_copied));
    let Some(part) = first else { return Payloads::Read };
    let copied = part.streams.iter().zip(lanes).filter(|(_, lane)| is_copied(lane));
    let copied: Vec<usize> = copied.filter_map(|(stream, _)| *stream).collect();
    match target.payloads(&part.media, &copied) {
        // The others' bytes are needed, and which stream a read is for only libav knows.
        Payloads::Named if !lanes.iter().all(is_copied) => Payloads::Shared,
        payloads => payloads,
    }
}

/// Whether the source's edit list hides some of what is copied into a track.
fn is_hidden_by_edits(parts: &[PlacedRange], track: usize) -> bool {
    first_of(parts, track).is_some_and(|(media, stream)| media.has_edits(stream))
}

/// The first stream that goes into a track.
fn first_of(parts: &[PlacedRange], track: usize) -> Option<(&Media, usize)> {
    parts.iter().find_map(|part| Some((&part.media, part.streams.get(track).copied().flatten()?)))
}

/// What the stages of all lanes have in common.
struct Stages<'a> {
    settings: &'a Transcode,
    parts: &'a [PlacedRange],
    options: DecodeOptions,
    /// What decodes pictures.
    device: Option<Device>,
    /// Each frame is to leave at once.
    live: bool,
    muxer: Muxer,
    has_edit_lists: bool,
    /// Pictures that the source's edit list hides are copied, and shown: sound that is copied is heard as
    /// early.
    shows_lead_in: bool,
    counters: &'a Counters,
    stop: &'a Stop,
}

impl<'a> Stages<'a> {
    /// Whether the header waits for the first packet of what is copied: it tells what of it is not heard.
    fn tells_priming(&self, source: &Stream) -> bool {
        !self.has_edit_lists && numbering::begins_with_packets(source, &self.muxer.name())
    }

    /// How many packets of a lane go to the muxer together.
    fn together(&self, lane: &Lane<'_>) -> usize {
        let encoded = matches!(lane.way, Way::Encode(_));
        if encoded && lane.is_audio && !self.live { SOUNDS.together } else { CODED.together }
    }

    /// Starts the stages of a lane, if it has any: where the demuxer sends its packets, and what the muxer
    /// knows of it.
    fn start<'scope>(
        &self,
        scope: &'scope Scope<'scope, '_>,
        track: usize,
        lane: Lane<'scope>,
        first: &'scope Gate,
        to: Tx<Muxed>,
    ) -> Result<(Forward, TrackState)>
    where
        'a: 'scope,
    {
        Ok(match lane.way {
            Way::Copy => {
                let in_ac3_frames = self.muxer.looks_into_ac3() && lane.source.is_ac3();
                let hidden = is_hidden_by_edits(self.parts, track);
                let extent = if hidden && !self.has_edit_lists { Extent::Stretch } else { Extent::Whole };
                let leads_in = hidden && lane.is_audio && !self.has_edit_lists;
                let is_heard = leads_in && self.shows_lead_in;
                let first = is_heard.then(|| numbering::begin_of_all(lane.source)).flatten();
                let waits = first.is_none() && self.tells_priming(lane.source);
                let front = match leads_in && !is_heard {
                    false => Front::Kept,
                    true if waits => {
                        numbering::longest_skip(lane.source).map_or(Front::LeftOut, Front::Stated)
                    }
                    true => Front::LeftOut,
                };
                let state = TrackState { first, ..TrackState::copied(extent, waits) };
                (Forward::Copy { to, in_ac3_frames, front }, state)
            }
            Way::Strip(reader) => (Forward::Strip(reader, to), TrackState::encoded()),
            Way::Convert(converter) => {
                let stream = Some(Box::new(converter.stream(lane.source)?));
                (
                    Forward::Convert(converter, to),
                    TrackState { stream, ..TrackState::copied(Extent::Whole, false) },
                )
            }
            Way::Encode(encode) => {
                let (steps, spec) = *encode;
                let encode = EncodeStage {
                    track,
                    source: lane.source,
                    turned: spec.turned,
                    first,
                    to,
                    stop: self.stop,
                    counters: self.counters,
                };
                let of = first_of(self.parts, track).map(|(_, stream)| stream);
                let way = Forward::Decode(self.encode(scope, encode, steps, spec, lane.is_audio));
                (way, TrackState { of, ..TrackState::encoded() })
            }
        })
    }

    /// Starts decoder, process and encoder of a lane; its packets go into what is returned.
    fn encode<'scope>(
        &self,
        scope: &'scope Scope<'scope, '_>,
        encode: EncodeStage<'scope>,
        steps: Steps,
        spec: EncoderSpec<'scope>,
        is_audio: bool,
    ) -> Tx<Fed>
    where
        'a: 'scope,
    {
        let (parts, counters, stop, first) = (self.parts, self.counters, self.stop, encode.first);
        let (for_packets, mut for_frames) = self.rooms(encode.source, is_audio);
        let device = self.device.clone().filter(|_| !is_audio);
        let why = device.as_ref().and_then(|_| in_software(self.settings, encode.source));
        why.into_iter().for_each(|why| counters.refuse(why.to_owned()));
        let device = device.filter(|_| why.is_none());
        if device.is_some() {
            for_frames.items = for_frames.items.min(ON_DEVICE);
        }
        let (fed, packets) = queue::<Fed>(for_packets, stop);
        let (decoded, raw) = queue::<Decoded>(for_frames, stop);
        let (ready, filtered) = queue::<Ready>(for_frames, stop);
        let options = DecodeOptions { device, low_delay: self.live, ..self.options.clone() };
        let mut decode = DecodeStage::new(parts, encode.track, options, counters, stop, decoded);
        decode.first = self.live.then_some(first);
        // A stage's queues live until its error is noted: the next one would take their end for the end of
        // the media.
        stop.spawn(scope, "decode", move || {
            let mut decode = decode;
            stop.guard("decode", || decode.run(&packets));
        });
        stop.spawn(scope, "process", move || {
            let mut end = ToEncoder::new(spec, ready, stop, counters, first);
            stop.guard("process", || steps.run(&raw, stop, &mut end));
        });
        stop.spawn(scope, "encode", move || {
            stop.guard("encode", || encode.run(&filtered));
            first.open();
        });
        fed
    }

    /// What may wait in front of a decoder, and between the stages behind it.
    fn rooms(&self, source: &Stream, is_audio: bool) -> (Room, Room) {
        let (packets, frames) = if is_audio {
            (SOUND_PACKETS, SOUNDS)
        } else {
            (PACKETS, Room { items: waiting_pictures(source), ..PICTURES })
        };
        let live = |room: Room| Room { items: room.items.min(LIVE), together: 1, ..room };
        if self.live { (live(packets), live(frames)) } else { (packets, frames) }
    }
}

/// Why a stream is not to be decoded on a device.
fn in_software(settings: &Transcode, source: &Stream) -> Option<&'static str> {
    // All decoders of these make the same pictures; those of older ones round as they like.
    let is_exact = matches!(source.codec().as_str(), "h264" | "hevc" | "vp8" | "vp9" | "av1");
    if settings.max_decode_errors.is_some() {
        Some("damage is to be counted (max_decode_errors), and devices do not tell of it")
    } else if settings.bit_exact && !is_exact {
        Some("the pictures are to be the same on every machine (bit_exact)")
    } else if source.codec() == "h264" && avc::is_without_chroma(source.extradata()) {
        // NVDEC makes noise of it, and neither it nor libav says so.
        Some("H.264 without chroma comes out wrong")
    } else {
        None
    }
}

/// How many pictures of a stream may wait between two stages.
fn waiting_pictures(source: &Stream) -> usize {
    let (most, bytes) = WAITING;
    let (w, h) = source.size().unwrap_or((u32::MAX, u32::MAX));
    // Counted as 8 bits and 4:2:0, as most pictures are. The queue's bytes bound those that are larger.
    let picture = u64::from(w).saturating_mul(h.into()).saturating_mul(3) / 2;
    usize::try_from(most.min(bytes.checked_div(picture).unwrap_or(most))).unwrap_or(0)
}
