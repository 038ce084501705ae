//! The encode stage: frames in, packets on the output's clock out.

mod framing;
mod grid;
mod started;

use super::{
    messages::{Coded, Counters, Muxed},
    process::{End, second::Work},
    queue::{Gate, Rx, Stop, Tx},
};
use crate::{
    Error, Frame, Result,
    av::{
        decoder::Got,
        encoder::{EncodeOptions, Encoder, EncoderKind},
        frame::Form,
        graph::Format,
        packet::Packet,
        stream::{Stream, StreamKind},
    },
    time::{Rational, Timestamp, convert},
    transcode::{encoders::options, settings::Transcode},
};
use framing::Framing;
use grid::{Grid, Placed, Times};
use std::{collections::BTreeMap, sync::atomic::Ordering};

/// Samples of silence in a frame, at most.
const SILENCE: i64 = 8192;

/// What the process stage sends to the encoder.
pub(crate) enum Ready {
    /// With the grid that its numbers are of, if its frames come with numbers.
    Encoder(Box<Encoder>, Option<Grid>),
    /// A frame in the encoder's time base, and where it is shown.
    Frame(Frame, Timing),
}

/// Where a frame is shown, in the time base of the track.
pub(crate) struct Timing {
    pts: i64,
    length: i64,
    /// Unrounded.
    ends: Timestamp,
    /// Its number, if the encoder's are not times.
    number: Option<i64>,
}

/// How a track's encoder is to be opened, when its first frame is known.
pub(crate) struct EncoderSpec<'a> {
    pub kind: EncoderKind,
    pub settings: &'a Transcode,
    pub source: &'a Stream,
    /// The picture is turned upright on its way.
    pub turned: bool,
    pub global_header: bool,
    pub bit_rate: Option<u64>,
    /// When the first segment begins on the output's clock, and how long each is: they begin with keyframes.
    pub segments: Option<(Timestamp, Timestamp)>,
    /// Pictures lie on the grid of this rate, as far as the source says.
    pub grid: Option<Rational>,
    /// The container takes pictures that do not lie on it.
    pub free: bool,
    /// A filter (`fps`) gives pictures a rate behind a change of speed.
    pub paced: bool,
    /// Sound is heard from its first packet's time on, the encoder's delay included: the container has no place for it.
    pub hears_delay: bool,
}

/// The end of a process stage: opens the encoder and hands frames on to it.
pub(crate) struct ToEncoder<'a> {
    pub spec: EncoderSpec<'a>,
    pub to: Tx<Ready>,
    pub stop: &'a Stop,
    pub counters: &'a Counters,
    first: &'a Gate,
    opened: bool,
    format: Option<Format>,
    /// What the encoder of a video was opened for.
    form: Option<Form>,
    base: Rational,
    /// What numbers the pictures, where they count as frames.
    grid: Option<Grid>,
    last: Option<i64>,
    /// The segment of the last picture.
    segment: Option<i64>,
    framing: Framing,
    /// Samples of silence that the encoder is to be given behind the last sound.
    behind: usize,
    /// The first sample that the encoder is to be given, where its delay is heard in front of it; None behind it.
    heard_from: Option<i64>,
    /// Where the sound ends that has come.
    end: Option<Timestamp>,
    done: bool,
}

impl<'a> ToEncoder<'a> {
    pub(crate) fn new(
        spec: EncoderSpec<'a>,
        to: Tx<Ready>,
        stop: &'a Stop,
        counters: &'a Counters,
        first: &'a Gate,
    ) -> Self {
        let base = Rational { num: 1, den: 90_000 };
        Self {
            spec,
            to,
            stop,
            counters,
            first,
            opened: false,
            format: None,
            form: None,
            base,
            grid: None,
            last: None,
            segment: None,
            framing: Framing::default(),
            behind: 0,
            heard_from: None,
            end: None,
            done: false,
        }
    }

    fn options(&self, shape: (u32, u32, f64)) -> Result<EncodeOptions> {
        let (settings, kind) = (self.spec.settings, self.spec.kind);
        Ok(EncodeOptions {
            threads: settings.threads,
            global_header: self.spec.global_header,
            bit_exact: settings.bit_exact,
            options: match kind.kind() {
                StreamKind::Video => {
                    let mut options = options::video_options(settings, kind, self.spec.bit_rate, shape)?;
                    let name = kind.name();
                    if self.spec.segments.is_some()
                        && (name.starts_with("libx26") || name.ends_with("_nvenc"))
                        && !options.iter().any(|(key, _)| key == "forced-idr")
                    {
                        // A picture that is asked to be I is one that decoding can begin at.
                        options.push(("forced-idr".into(), "1".into()));
                    }
                    options
                }
                _ => options::audio_options(settings, kind),
            },
        })
    }

    fn open_video(&mut self, first: &Frame) -> Result<()> {
        let format = self.format.as_ref();
        let sink_rate = format.and_then(|format| format.frame_rate);
        // Pictures that all lie on a grid are counted in its steps, as ffmpeg does: encoders state that in
        // the stream.
        let on_grid = self.spec.grid.filter(|grid| sink_rate.is_none_or(|rate| rate.same(*grid)));
        let base = match on_grid {
            Some(rate) => Rational { num: rate.den, den: rate.num },
            None => first.base(),
        };
        let base = match self.spec.kind.codec().as_str() {
            // 16 bits are what its header has; 60000 fits NTSC's rates as well.
            "mpeg4" if base.den > 65_535 => Rational { num: 1, den: 60_000 },
            _ => base,
        };
        let rate = on_grid.or(sink_rate).or_else(|| self.spec.source.frame_rate());
        let fps = rate.map_or(25.0, Rational::value);
        let options = self.options((first.width(), first.height(), fps))?;
        let kind = self.spec.kind;
        let encoder =
            started::opened(&kind.name(), &options, || Encoder::video(kind, first, base, rate, &options))?;
        self.base = encoder.time_base();
        let counts = on_grid
            .filter(|rate| self.spec.free && self.base.same(Rational { num: rate.den, den: rate.num }));
        self.grid = counts.and_then(Grid::new);
        self.form = Some(first.form());
        self.opened = true;
        self.hand_over(Ready::Encoder(Box::new(encoder), counts.and_then(Grid::new)), 0)
    }

    fn hand_over(&mut self, ready: Ready, bytes: usize) -> Result<()> {
        if !self.done {
            self.done = !self.to.send(ready, bytes, self.stop)?;
        }
        Ok(())
    }
}

impl End for ToEncoder<'_> {
    fn format(&mut self, format: &Format) -> Result<()> {
        if self.spec.kind.kind() == StreamKind::Audio && !self.opened {
            let encoder = Encoder::audio(self.spec.kind, format, &self.options((0, 0, 0.0))?)?;
            self.framing = Framing::new(encoder.frame_size());
            self.behind = encoder.silence_behind();
            self.heard_from = i64::try_from(encoder.delay()).ok().filter(|_| self.spec.hears_delay);
            self.base = encoder.time_base();
            self.opened = true;
            self.hand_over(Ready::Encoder(Box::new(encoder), None), 0)?;
        }
        self.format = Some(format.clone());
        Ok(())
    }

    fn form(&self) -> Option<&Form> {
        self.form.as_ref()
    }

    fn work(&self) -> Option<Work<'_>> {
        Some(Work { control: self.stop.control(), counters: self.counters })
    }

    fn format_again(&self) -> Option<(&'static str, String)> {
        let format = self.format.as_ref().filter(|_| self.spec.kind.kind() == StreamKind::Audio)?;
        let (rate, layout, samples) = (format.sample_rate, &format.layout, format.sample_format());
        Some(("aformat", format!("sample_fmts={samples}:sample_rates={rate}:channel_layouts={layout}")))
    }

    fn frame(&mut self, frame: Frame) -> Result<()> {
        if !frame.is_audio() {
            return self.encode(frame);
        }
        let end = frame.time().map(|time| time.plus(frame.shown()));
        self.end = self.end.max(end);
        match self.behind_delay(frame)? {
            Some(frame) => self.frame_up(frame),
            None => Ok(()),
        }
    }

    fn idle(&mut self) -> Result<bool> {
        self.to.flush(self.stop)
    }

    fn fed(&mut self) {
        if self.last.is_none() {
            // The filters want more before they give anything.
            self.first.open();
        }
    }

    fn finish(&mut self) -> Result<()> {
        if let (1.., Some(end), Some(format)) = (self.behind, self.end, &self.format) {
            let (kind, rate) = (format.sample_format(), format.sample_rate);
            let mut silence = Frame::audio(&kind, &format.layout, rate, self.behind)?;
            silence.set_base(self.base);
            silence.set_time(end);
            self.frame_up(silence)?;
        }
        self.framing.rest()?.map_or(Ok(()), |frame| self.encode(frame))
    }
}

impl ToEncoder<'_> {
    /// What of a sound is heard at its time, where nothing but the encoder's delay can be heard before the first of it:
    /// what lies in that is left out, and what lies in front of sound that begins later is silence.
    fn behind_delay(&mut self, mut frame: Frame) -> Result<Option<Frame>> {
        let sample = i32::try_from(frame.sample_rate()).ok().and_then(|rate| Rational::new(1, rate));
        let (Some(mut from), Some((time, sample))) = (self.heard_from, frame.time().zip(sample)) else {
            return Ok(Some(frame));
        };
        let at = time.ticks(sample);
        let lost = usize::try_from(from.saturating_sub(at)).unwrap_or(0);
        if lost >= frame.samples() {
            return Ok(None);
        }
        if lost > 0 {
            frame.trim(lost, frame.samples())?;
            frame.set_base(sample);
            frame.set_pts(from);
        }
        while from < at {
            let count = at.saturating_sub(from).min(SILENCE);
            let mut silence = frame.silence_like(usize::try_from(count).unwrap_or(1))?;
            silence.set_base(sample);
            silence.set_pts(from);
            from = from.saturating_add(count);
            self.frame_up(silence)?;
        }
        self.heard_from = None;
        Ok(Some(frame))
    }

    /// Encodes sound in the encoder's frames, as far as they are whole.
    fn frame_up(&mut self, sound: Frame) -> Result<()> {
        self.framing.push(sound);
        while let Some(frame) = self.framing.next()? {
            self.encode(frame)?;
        }
        Ok(())
    }

    /// A frame as the encoder takes it.
    fn encode(&mut self, mut frame: Frame) -> Result<()> {
        if !frame.is_audio() {
            if !self.opened {
                self.open_video(&frame)?;
            }
            frame.forget_kind();
            if frame.length() == 0 {
                let rate = self.format.as_ref().and_then(|format| format.frame_rate);
                let one = rate.and_then(|rate| Rational::new(rate.den, rate.num));
                frame.set_length(one.map_or(0, |one| convert(1, one, frame.base())));
            }
        }
        if let Some(speed) = self.spec.settings.speed.filter(|_| !frame.is_audio()) {
            // Its time was changed, its duration not (setpts); a rate (fps) has made it right again.
            if !self.spec.paced {
                frame.set_length((frame.length() as f64 / speed).round() as i64);
            }
        }
        let Some(time) = frame.time() else {
            return Err(Error::invalid("a frame without a time came to the encoder")
                .advise("let the processor give it one (Frame::set_time), or the filter graph keep it"));
        };
        let duration = frame.shown();
        let ends = time.plus(duration);
        // What is encoded behind the sound is none of it.
        let ends = self.end.map_or(ends, |end| ends.min(end));
        frame.rescale(self.base);
        let rounded = Placed { number: 0, pts: frame.pts().unwrap_or(0) };
        let base = self.grid.as_ref().map_or(self.base, Grid::base);
        let placed = match &mut self.grid {
            Some(grid) if !frame.is_audio() => grid.place(time),
            _ => Some(rounded).filter(|it| frame.is_audio() || self.last.is_none_or(|last| it.pts > last)),
        };
        let Some(Placed { number, pts }) = placed else {
            // Two pictures at one time: the first stays, as in ffmpeg.
            self.counters.frames_dropped.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        };
        let number = self.grid.as_ref().map(|_| number);
        if let Some(number) = number {
            frame.set_pts(number);
        }
        self.last = Some(pts);
        if let Some((from, step)) = self.spec.segments.filter(|_| !frame.is_audio()) {
            let behind = Timestamp::from_ticks(pts, base).minus(from).nanos();
            // Half a tick of the coarsest container (1 ms) is what a time may be rounded by.
            let segment = behind.saturating_add(500_000).div_euclid(step.nanos().max(1));
            if self.segment.replace(segment) != Some(segment) {
                frame.force_key();
            }
        }
        let bytes = frame.memory();
        let length = self.grid.as_ref().map_or_else(|| frame.length(), |grid| grid.length(duration));
        self.hand_over(Ready::Frame(frame, Timing { pts, length, ends, number }), bytes)
    }
}

pub(crate) struct EncodeStage<'a> {
    pub track: usize,
    pub source: &'a Stream,
    pub turned: bool,
    /// Opened when the first frame is encoded.
    pub first: &'a Gate,
    pub to: Tx<Muxed>,
    pub stop: &'a Stop,
    pub counters: &'a Counters,
}

impl EncodeStage<'_> {
    pub(crate) fn run(&self, from: &Rx<Ready>) -> Result<()> {
        let Some((Ready::Encoder(mut encoder, grid), _)) = from.recv_or(self.stop, || Ok(true))? else {
            // Not one frame came.
            self.to.send(Muxed::End { track: self.track, shown: None }, 0, self.stop)?;
            return Ok(());
        };
        let mut stream = Box::new(encoder.stream(self.source, self.turned)?);
        if let Some(grid) = &grid {
            stream.set_time_base(grid.base());
        }
        let mut state = Encoding {
            packet: Packet::new()?,
            base: stream.time_base(),
            lengths: BTreeMap::new(),
            times: grid.as_ref().map(Times::new),
            shown: None,
        };
        self.to.send(Muxed::Open { track: self.track, stream }, 0, self.stop)?;
        while let Some((ready, _held)) = from.recv_or(self.stop, || self.to.flush(self.stop))? {
            self.stop.check()?;
            let Ready::Frame(mut frame, shown) = ready else { continue };
            encoder.tell_quality(&mut frame);
            state.note(&frame, shown);
            self.counters.frames_encoded.fetch_add(1, Ordering::Relaxed);
            self.encode(&mut encoder, &mut state, Some(&frame))?;
            self.first.open();
        }
        self.encode(&mut encoder, &mut state, None)?;
        self.to.send(Muxed::End { track: self.track, shown: state.shown }, 0, self.stop)?;
        Ok(())
    }

    fn encode(&self, encoder: &mut Encoder, state: &mut Encoding, frame: Option<&Frame>) -> Result<()> {
        loop {
            let sent = encoder.send(frame)?;
            while encoder.receive(&mut state.packet)? == Got::Item {
                let mut packet = state.packet.take()?;
                state.complete(&mut packet);
                let bytes = packet.size();
                let message = Muxed::Packet { track: self.track, packet: Coded::new(packet, state.base) };
                if !self.to.send(message, bytes, self.stop)? {
                    return Ok(());
                }
            }
            if sent != Got::Again {
                return Ok(());
            }
        }
    }
}

struct Encoding {
    packet: Packet,
    base: Rational,
    /// How long the frames last that are in the encoder, by their pts there.
    lengths: BTreeMap<i64, i64>,
    /// What the encoder's numbers are on the clock, if they are not times.
    times: Option<Times>,
    /// From the first frame to the end of the last.
    shown: Option<(Timestamp, Timestamp)>,
}

impl Encoding {
    fn note(&mut self, frame: &Frame, Timing { pts, length, ends, number }: Timing) {
        let from = Timestamp::from_ticks(pts, self.base);
        let shown = self.shown.get_or_insert((from, ends));
        *shown = (shown.0.min(from), shown.1.max(ends));
        if !frame.is_audio() {
            self.lengths.insert(number.unwrap_or(pts), length);
        }
        if let (Some(times), Some(number)) = (&mut self.times, number) {
            times.note(Placed { number, pts });
        }
    }

    /// Encoders with a delay leave durations out before FFmpeg 6.
    fn complete(&mut self, packet: &mut Packet) {
        let Some(pts) = packet.pts() else { return };
        let length = self.lengths.remove(&pts);
        if let Some(times) = &mut self.times {
            times.restore(packet, length.unwrap_or(0));
        } else if let Some(length) = length {
            packet.set_times(pts, packet.dts().unwrap_or(pts), length);
        }
    }
}
