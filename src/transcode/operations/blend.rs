//! Joins with transitions: pictures through `xfade`, sound through `acrossfade`.

mod rest;

use super::transcoding::layout;
use crate::{
    Clip, Control, Error, ErrorKind, Hardware, Job, Media, Report, Result, Sink, Source, StreamKind,
    Timestamp,
    av::{
        format::usual_layout,
        stream::{Stream, Turn},
    },
    output::{
        self, Operation,
        target::{Layout, Target},
    },
    time::{Rational, convert},
    transcode::{
        encoders::touches,
        filters::pictures::upright,
        flow::{
            encode::EncoderSpec,
            messages::PlacedRange,
            pipeline::{Lane, Pipeline, Way},
            process::{GraphLink, Mix, Steps, processor::Processors},
        },
        plan::{Plan, graph_options, unused},
        settings::{AudioCodec, Transcode, Transition, VideoCodec},
    },
};

/// Joins sources with a transition between each two, into a rope. They need not be alike: all take the first
/// one's size and frame rate, with black around what has another shape. The result is shorter than its
/// sources together by all transitions.
///
/// ```no_run
/// use avrope::{Control, Source, Transcode, join_with_transition, io::SaveOptions, transcode::Transition};
/// use std::time::Duration;
/// let parts = [Source::open("a.mp4")?, Source::open("b.mp4")?];
/// let fade = Transition::new("fade", Duration::from_millis(500));
/// let clip = join_with_transition(&parts, &fade, &Transcode::new(), &Control::default())?;
/// clip.rope.save("both.mp4", SaveOptions::new(), &Control::default())?;
/// # Ok::<(), avrope::Error>(())
/// ```
///
/// Errors: [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for less than two sources, an unknown
/// transition, or one that is longer than a source; else as [`transcode`](crate::transcode()).
pub fn join_with_transition(
    sources: &[Source],
    transition: &Transition,
    settings: &Transcode,
    control: &Control,
) -> Result<Clip> {
    transition.job(sources, settings).to_rope(control)
}

/// Joins sources with transitions, into a sink.
///
/// Errors: as [`join_with_transition`], and what the sink fails with.
pub fn join_with_transition_to(
    sources: &[Source],
    transition: &Transition,
    settings: &Transcode,
    sink: Sink,
    control: &Control,
) -> Result<Report> {
    transition.job(sources, settings).to_sink(sink, control)
}

impl Transition {
    /// The job that joins these sources, which it opens when it runs, with such a transition between each
    /// two.
    pub fn job(&self, sources: &[Source], settings: &Transcode) -> Job {
        Job::new(Blending {
            sources: sources.to_vec(),
            transition: self.clone(),
            settings: settings.clone(),
            first: None,
        })
    }
}

/// A join with transitions, with all that it needs.
struct Blending {
    sources: Vec<Source>,
    transition: Transition,
    settings: Transcode,
    /// The first source, once it is open.
    first: Option<Media>,
}

impl Operation for Blending {
    fn name(&self) -> &'static str {
        "join"
    }

    fn inputs(&self) -> Vec<Source> {
        self.sources.clone()
    }

    fn format(&self) -> Option<&str> {
        self.settings.format.as_deref()
    }

    fn default_format(&mut self, control: &Control) -> Result<String> {
        let source = self.sources.first().ok_or_else(too_few)?;
        Ok(output::format_like(self.first.insert(Media::open_with(source.clone(), control)?)))
    }

    fn shares(&mut self, _control: &Control) -> Result<bool> {
        Ok(false)
    }

    fn layout(&self, streaming: bool) -> Layout {
        layout(&self.settings, streaming)
    }

    fn run(self: Box<Self>, target: &mut Target, report: &mut Report, control: &Control) -> Result<()> {
        Blend::open(*self, control)?.run(target, report, control)
    }
}

fn too_few() -> Error {
    Error::invalid("a transition is between two sources").advise("name two or more")
}

/// A join with transitions whose sources are open.
struct Blend {
    medias: Vec<Media>,
    transition: Transition,
    settings: Transcode,
    /// Transitions are made in memory.
    hardware: Hardware,
}

impl Blend {
    fn open(job: Blending, control: &Control) -> Result<Self> {
        let Blending { sources, transition, settings, first } = job;
        if sources.len() < 2 {
            return Err(too_few());
        }
        transition.check()?;
        let opened = first.is_some().into();
        let open = |source: &Source| Media::open_with(source.clone(), control);
        let others = sources.iter().skip(opened).map(open);
        Ok(Self {
            medias: first.map(Ok).into_iter().chain(others).collect::<Result<_>>()?,
            transition,
            settings: settings.within(control.get_limits())?,
            hardware: Hardware::none(),
        })
    }

    fn first(&self) -> Result<&Media> {
        self.medias.first().ok_or_else(too_few)
    }
}

/// The first stream of a kind that plays.
fn stream_of(media: &Media, kind: StreamKind) -> Option<usize> {
    media.streams().iter().position(|s| s.kind() == kind && !s.is_picture() && !s.is_hidden())
}

impl Blend {
    fn run(&self, target: &mut Target, report: &mut Report, control: &Control) -> Result<()> {
        report.mode = Some("encode".into());
        self.check()?;
        target.set_strip(self.settings.strip);
        target.set_options(&self.settings.muxer_options)?;
        touches::check_muxer(&self.settings, target.muxer)?;
        let first = self.first()?;
        let rate = stream_of(first, StreamKind::Video)
            .and_then(|i| first.streams().get(i))
            .and_then(|s| self.settings.video.frame_rate.or(s.constant_rate()).or(s.frame_rate()))
            .unwrap_or(Rational { num: 25, den: 1 });
        let lengths = self.lengths(rate)?;
        self.check_memory(rate, control)?;
        let (mut lanes, streams) = self.lanes(rate, &lengths, target, report)?;
        unused::warn((first, &self.settings), &lanes, &Processors::default(), target, report);
        let total = Some(self.total(rate, &lengths));
        if let Some(size) = self.settings.target_size {
            let mut plan = Plan::new(first, &self.settings, &self.hardware);
            plan.length = total;
            plan.divide(size, &mut lanes)?;
        }
        let parts = self.parts(streams, report);
        let metadata = first.metadata().to_vec();
        Pipeline {
            settings: &self.settings,
            parts,
            lanes,
            metadata,
            total,
            device: None,
            packets: Vec::new(),
        }
        .run(target, report, control)
    }

    /// What contradicts a join with transitions.
    fn check(&self) -> Result<()> {
        self.settings.check()?;
        if !self.settings.keep.is_empty() || self.settings.speed.is_some() {
            return Err(Error::invalid("a join with transitions takes no ranges and no speed")
                .advise("cut the sources first"));
        }
        let (video, audio) = (&self.settings.video.codec, &self.settings.audio.codec);
        if *video == VideoCodec::Copy || *audio == AudioCodec::Copy {
            return Err(Error::invalid("a join with transitions copies nothing").advise("name another codec"));
        }
        Ok(())
    }

    /// A lane for the pictures and one for the sound, as far as every source has them; and the streams of
    /// each source.
    fn lanes(
        &self,
        rate: Rational,
        lengths: &[i64],
        target: &Target,
        report: &mut Report,
    ) -> Result<(Vec<Lane<'_>>, Vec<Vec<usize>>)> {
        let mut lanes = Vec::new();
        let mut streams: Vec<Vec<usize>> = vec![Vec::new(); self.medias.len()];
        for kind in [StreamKind::Video, StreamKind::Audio] {
            let of_all: Option<Vec<usize>> = self.medias.iter().map(|media| stream_of(media, kind)).collect();
            match of_all {
                Some(of_all) => {
                    if let Some(lane) = self.lane(kind, rate, lengths, target)? {
                        lanes.push(lane);
                        streams.iter_mut().zip(of_all).for_each(|(streams, i)| streams.push(i));
                    } else {
                        self.may_lose(kind, &format!("{} has no place for it", target.name()))?;
                    }
                }
                None if self.medias.iter().any(|media| stream_of(media, kind).is_some()) => {
                    self.may_lose(kind, "not every source has it")?;
                    report.warn(format!(
                        "not every source has {}: it is left out",
                        if kind == StreamKind::Video { "a picture" } else { "sound" }
                    ));
                }
                None => {}
            }
        }
        if lanes.is_empty() {
            return Err(Error::unsupported("the sources have neither picture nor sound in common"));
        }
        self.tell_of_the_rest(&streams, target, report);
        // They have no place on the clock, and so no stream in the parts.
        let is_held = |stream: &&Stream| stream.picture.is_some() && target.refuses_cover(stream).is_none();
        let covers = self.first()?.streams().iter().filter(is_held);
        lanes.extend(covers.map(|source| Lane { way: Way::Copy, source, is_audio: false }));
        Ok((lanes, streams))
    }

    /// Each source with its streams, on a clock of its own: the graph puts them together.
    fn parts(&self, streams: Vec<Vec<usize>>, report: &mut Report) -> Vec<PlacedRange> {
        let part = |(media, streams): (&Media, Vec<usize>)| {
            report.input_bytes = report.input_bytes.saturating_add(media.source().len().unwrap_or(0));
            report.bytes_read = report.bytes_read.saturating_add(media.bytes_read());
            PlacedRange {
                media: media.clone(),
                from: Timestamp::ZERO,
                to: Timestamp::MAX,
                placed: Timestamp::ZERO,
                streams: streams.into_iter().map(Some).collect(),
                is_beside: false,
            }
        };
        self.medias.iter().zip(streams).map(part).collect()
    }

    /// How long the result is.
    fn total(&self, rate: Rational, lengths: &[i64]) -> Timestamp {
        let frames = lengths.iter().fold(0, |sum: i64, length| sum.saturating_add(*length));
        let transitions = i64::try_from(lengths.len()).unwrap_or(1).saturating_sub(1);
        Timestamp::from_ticks(frames.saturating_sub(self.fade(rate).saturating_mul(transitions)), one(rate))
    }
}

fn one(rate: Rational) -> Rational {
    Rational { num: rate.den, den: rate.num }
}

impl Blend {
    /// A transition's length in frames.
    fn fade(&self, rate: Rational) -> i64 {
        self.transition.length().ticks(one(rate)).max(1)
    }

    /// An error where a kind of stream is lost that nobody said may go.
    fn may_lose(&self, kind: StreamKind, why: &str) -> Result<()> {
        if self.settings.allow_drops || self.settings.leaves_out(kind) {
            return Ok(());
        }
        let what = if kind == StreamKind::Video { "video" } else { "sound" };
        let message = format!("the sources' {what} would be lost: {why}");
        Err(Error::unsupported(message)
            .with_setting("allow_drops")
            .advise(format!("leave it out by its codec, 'none', or say that the {what} may go")))
    }

    /// The filter holds the frames of a transition, as 4:4:4.
    fn check_memory(&self, rate: Rational, control: &Control) -> Result<()> {
        let source = self.first().ok().and_then(|media| {
            stream_of(media, StreamKind::Video).and_then(|index| media.streams().get(index))
        });
        let Some((w, h)) = source.and_then(Stream::size) else { return Ok(()) };
        let deep = source.and_then(Stream::pixel_format).is_some_and(|format| format.ends_with("le"));
        let frame = u64::from(w).saturating_mul(h.into()).saturating_mul(if deep { 6 } else { 3 });
        let needed = frame.saturating_mul(u64::try_from(self.fade(rate)).unwrap_or(u64::MAX));
        let limit = control.get_limits().memory;
        if needed <= limit {
            return Ok(());
        }
        let message = format!(
            "a transition of {} holds {} MB of pictures, and the limit is {} MB",
            self.transition.length(),
            needed / 1_000_000,
            limit / 1_000_000
        );
        Err(Error::new(ErrorKind::LimitExceeded, message)
            .with_setting("limits.memory")
            .advise("shorten the transition, make the pictures smaller first, or raise the limit memory"))
    }

    /// Each source's length in frames of the result.
    fn lengths(&self, rate: Rational) -> Result<Vec<i64>> {
        let fade = self.fade(rate);
        let inner = |i: usize| i > 0 && i.saturating_add(1) < self.medias.len();
        let length = |(i, media): (usize, &Media)| {
            let name = media.source().name();
            let length = media.length().ok_or_else(|| {
                Error::unsupported("its length is not known, so there is no telling when a transition begins")
                    .named(name)
            })?;
            let frames = length.ticks(one(rate));
            // A source between two others goes through two transitions.
            let needed = fade.saturating_mul(if inner(i) { 2 } else { 1 });
            if frames < needed.saturating_add(1) {
                let message = format!("it lasts {length}, and is too short for its transitions");
                return Err(Error::invalid(message).named(name).advise("shorten them"));
            }
            Ok(frames)
        };
        self.medias.iter().enumerate().map(length).collect()
    }

    fn lane<'a>(
        &'a self,
        kind: StreamKind,
        rate: Rational,
        lengths: &[i64],
        target: &Target,
    ) -> Result<Option<Lane<'a>>> {
        let first = self.first()?;
        let Some(source) = stream_of(first, kind).and_then(|i| first.streams().get(i)) else {
            return Ok(None);
        };
        let mut plan = Plan::new(first, &self.settings, &self.hardware);
        let Some((links, mut encode)) = plan.encoded(kind, target, source)? else { return Ok(None) };
        let is_audio = kind == StreamKind::Audio;
        let (alike, description) = if is_audio {
            self.sounds(source.sample_rate().unwrap_or(48_000), source.channels().unwrap_or(2), rate, lengths)
        } else {
            // Pictures are turned upright, so that all are the same way up.
            encode.turned = true;
            self.pictures(source, rate, lengths)
        };
        encode = EncoderSpec { grid: (!is_audio).then_some(rate), ..encode };
        let overlap = if is_audio { 0 } else { usize::try_from(self.fade(rate)).unwrap_or(0) };
        let mix = Mix::new(alike, description, graph_options(&self.settings), overlap);
        let steps = Steps { mix: Some(mix), links };
        Ok(Some(Lane { way: Way::Encode(Box::new((steps, encode))), source, is_audio }))
    }

    fn pictures(&self, source: &Stream, rate: Rational, lengths: &[i64]) -> (Vec<GraphLink>, String) {
        let (mut w, mut h) = source.size().unwrap_or((1280, 720));
        let sideways = source.turn().is_some_and(Turn::is_quarter);
        if sideways {
            std::mem::swap(&mut w, &mut h);
        }
        // The aspect of the first one's pixels holds for all.
        let aspect =
            source.aspect().filter(|a| a.num > 0 && a.den > 0).unwrap_or(Rational { num: 1, den: 1 });
        let aspect = if sideways { one(aspect) } else { aspect };
        let format = source.pixel_format().unwrap_or_else(|| "yuv420p".into());
        let fps = format!("{}/{}", rate.num, rate.den);
        let alike = self.medias.iter().zip(lengths).map(|(media, length)| {
            let stream = stream_of(media, StreamKind::Video).and_then(|i| media.streams().get(i));
            let mut filters = stream.and_then(Stream::turn).map(upright).unwrap_or_default();
            let ratio = format!("{}/{}", aspect.num, aspect.den);
            filters.push(format!(
                "scale=w='min({w},trunc({h}*dar/({ratio})/2+0.5)*2)':h='min({h},trunc({w}/dar*({ratio})/2+0.5)*2)',\
                 pad={w}:{h}:(ow-iw)/2:(oh-ih)/2,setsar={ratio},format={format},fps={fps}:start_time=0,\
                 tpad=stop=-1:stop_mode=clone,trim=end_frame={length}"
            ));
            let mut link = GraphLink::new(filters.join(","), Vec::new());
            link.frame_rate = stream.and_then(|s| s.constant_rate().or(s.frame_rate()));
            link.options.threads = self.settings.threads;
            link
        });
        let fade = self.fade(rate);
        let seconds = |frames: i64| Timestamp::from_ticks(frames, one(rate)).secs();
        let mut graph = Vec::new();
        let mut before: i64 = 0;
        for (i, length) in lengths.iter().enumerate().take(lengths.len().saturating_sub(1)) {
            before = before.saturating_add(*length).saturating_sub(fade);
            let (name, duration, offset) = (&self.transition.name, seconds(fade), seconds(before));
            graph.push(between(
                i,
                lengths.len(),
                &format!("xfade=transition={name}:duration={duration}:offset={offset}"),
            ));
        }
        let mut graph = graph.join(";");
        if self.settings.video.pixel_format.is_none() {
            // xfade knows no halved chroma: without this, 4:4:4 would come to the encoder.
            graph += &format!(",format={format}");
        }
        (alike.collect(), graph)
    }

    fn sounds(
        &self,
        sample_rate: u32,
        channels: u32,
        rate: Rational,
        lengths: &[i64],
    ) -> (Vec<GraphLink>, String) {
        let sample = Rational { num: 1, den: i32::try_from(sample_rate).unwrap_or(48_000) };
        // From the start to the end of the pictures, to the sample: errors do not add up.
        let samples = |frames: i64| convert(frames, one(rate), sample);
        let layout = usual_layout(channels);
        let alike = lengths.iter().map(|length| {
            let mut link = GraphLink::new(
                format!(
                    "aresample={sample_rate}:async=1:first_pts=0,\
                     aformat=sample_fmts=fltp:sample_rates={sample_rate}:channel_layouts={layout},\
                     apad,atrim=end_sample={}",
                    samples(*length)
                ),
                Vec::new(),
            );
            link.options.threads = self.settings.threads;
            link
        });
        let fade = samples(self.fade(rate));
        let mut graph = Vec::new();
        for i in 0..lengths.len().saturating_sub(1) {
            graph.push(between(i, lengths.len(), &format!("acrossfade=ns={fade}:c1=tri:c2=tri")));
        }
        (alike.collect(), graph.join(";"))
    }
}

/// A filter between what there is so far and the input behind it: `i` counts all inputs but the last.
fn between(i: usize, inputs: usize, filter: &str) -> String {
    let next = i.saturating_add(1);
    let so_far = if i == 0 { "in0".to_owned() } else { format!("x{i}") };
    let on = if next.saturating_add(1) < inputs { format!("[x{next}]") } else { String::new() };
    format!("[{so_far}][in{next}]{filter}{on}")
}
