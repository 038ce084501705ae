//! A track: a filter graph that frames come out of, and the encoder that they go into.

use std::fmt::Display;
use std::io;

use ffmpeg_next::codec::{self, capabilities::Capabilities, encoder};
use ffmpeg_next::{self as ff, ChannelLayout, Codec, Dictionary, Rational, filter, format, frame, picture};

use super::{Audio, AudioSource, Error, Video, VideoSource};

pub(super) struct Track {
    graph: filter::Graph,
    pub encoder: encoder::Encoder,
    /// Of the graph's frames and the encoder's packets.
    pub time_base: Rational,
    /// What a packet lasts where the encoder does not say, in `time_base`; 0: not known.
    pub packet_duration: i64,
    is_video: bool,
    /// Seconds: when the last frame was shown.
    pub at: f64,
    /// Whether the last frame is in the encoder.
    pub done: bool,
}

impl Track {
    pub fn video(video: &Video, duration: f64, global_header: bool) -> Result<Self, Error> {
        let ((width, height), (num, den), pixels) = (video.size, video.rate, &video.pixel_format);
        let refused = |e| failed(format!("video track, {}", video.encoder))(e);
        let codec = find(&video.encoder)?;
        let mut context = codec::Context::new_with_codec(codec);
        context.set_time_base((den, num));
        context.set_frame_rate(Some((num, den)));
        let mut encoder = context.encoder().video().map_err(refused)?;
        encoder.set_width(width);
        encoder.set_height(height);
        encoder.set_aspect_ratio((1, 1));
        let parsed = pixels.parse();
        encoder.set_format(parsed.map_err(|_| Error::InvalidSpec(format!("no pixel format {pixels}")))?);
        encoder.set_gop(video.gop);
        encoder.set_max_b_frames(video.b_frames as usize);
        if let Some(bit_rate) = video.bit_rate {
            encoder.set_bit_rate(bit_rate);
        }
        let options = options(fast_and_regular(&video.encoder), &video.options, global_header);
        let encoder = encoder.open_with(options).map_err(refused)?.0.0;

        let source = match &video.source {
            VideoSource::Testsrc2 => format!("testsrc2=s={width}x{height}:r={num}/{den}"),
            VideoSource::Graph(graph) => graph.clone(),
        };
        let frames = (duration * f64::from(num) / f64::from(den)).round().max(1.0);
        // `fps` gives the frames the encoder's time base, 1/rate, as well.
        let time = format!("setpts=PTS-STARTPTS,fps={num}/{den},trim=end_frame={frames}");
        let picture = format!("scale={width}:{height},setsar=1,format={pixels}");
        let graph = graph("buffersink", &format!("{source},{time},{picture}"))?;
        Ok(Track::new(graph, encoder, 1, true))
    }

    pub fn audio(audio: &Audio, duration: f64, global_header: bool) -> Result<Self, Error> {
        let rate = audio.sample_rate;
        let refused = |e| failed(format!("audio track, {}", audio.encoder))(e);
        let codec = find(&audio.encoder)?;
        // The encoder's favourite; one that has no list takes what it is given.
        let favourite = codec.audio().map_err(refused)?.formats().and_then(|mut f| f.next());
        let sample = favourite.unwrap_or(format::Sample::I16(format::sample::Type::Packed));
        let layout = ChannelLayout::default(audio.channels as i32);
        let mut context = codec::Context::new_with_codec(codec);
        context.set_time_base((1, rate as i32));
        let mut encoder = context.encoder().audio().map_err(refused)?;
        encoder.set_rate(rate as i32);
        encoder.set_channel_layout(layout);
        encoder.set_format(sample);
        if let Some(bit_rate) = audio.bit_rate {
            encoder.set_bit_rate(bit_rate);
        }
        let encoder = encoder.open_with(options(&[], &[], global_header)).map_err(refused)?;
        let frame_size = encoder.frame_size();

        let source = match &audio.source {
            AudioSource::Tone { hz } => format!("sine=f={hz}:r={rate}"),
            AudioSource::Graph(graph) => graph.clone(),
        };
        let (name, mask) = (sample.name(), layout.bits());
        let sound = format!("aformat=sample_fmts={name}:sample_rates={rate}:channel_layouts={mask:#x}");
        let samples = (duration * f64::from(rate)).round().max(1.0);
        let time = format!("asetpts=PTS-STARTPTS,atrim=end_sample={samples},asettb=1/{rate}");
        let mut graph = graph("abuffersink", &format!("{source},{sound},{time}"))?;
        if frame_size > 0 && !codec.capabilities().contains(Capabilities::VARIABLE_FRAME_SIZE) {
            let mut out = graph.get("out").ok_or_else(|| refused(ff::Error::Bug))?;
            out.sink().set_frame_size(frame_size);
        }
        Ok(Track::new(graph, encoder.0.0, i64::from(frame_size), false))
    }

    fn new(graph: filter::Graph, encoder: encoder::Encoder, packet_duration: i64, is_video: bool) -> Self {
        let time_base = encoder.time_base();
        Track { graph, encoder, time_base, packet_duration, is_video, at: 0.0, done: false }
    }

    /// Gives the encoder the graph's next frame, or its end.
    pub fn step(&mut self, frame: &mut frame::Video) -> Result<(), Error> {
        let pulled = match self.graph.get("out") {
            Some(mut out) => out.sink().frame(frame),
            None => Err(ff::Error::Bug),
        };
        let sent = match pulled {
            Ok(()) => {
                // A source may mark every picture as a keyframe, and an encoder would follow it.
                if self.is_video {
                    frame.set_kind(picture::Type::None);
                }
                self.at = frame.pts().unwrap_or(0) as f64 * f64::from(self.time_base);
                self.encoder.send_frame(frame)
            }
            Err(ff::Error::Eof) => {
                self.done = true;
                self.encoder.send_eof()
            }
            Err(e) => return Err(failed("filter graph")(e)),
        };
        sent.map_err(failed("encoder"))
    }
}

/// A configured graph of `chain` with a sink named `out` at its end.
fn graph(sink: &str, chain: &str) -> Result<filter::Graph, Error> {
    let refused = |e| failed(format!("filter graph {chain}"))(e);
    let sink = filter::find(sink).ok_or_else(|| refused(ff::Error::FilterNotFound))?;
    let mut graph = filter::Graph::new();
    graph.add(&sink, "out", "").map_err(refused)?;
    let parser = graph.input("out", 0).map_err(refused)?;
    parser.parse(&format!("{chain}[out]")).map_err(refused)?;
    graph.validate().map_err(refused)?;
    Ok(graph)
}

fn find(name: &str) -> Result<Codec, Error> {
    let missing =
        || Error::Failed(format!("this libav has no encoder {name}: choose another, or install it"));
    encoder::find_by_name(name).ok_or_else(missing)
}

/// Options that make an encoder quick and its GOPs regular and closed.
fn fast_and_regular(encoder: &str) -> &'static [(&'static str, &'static str)] {
    match encoder {
        "libx264" => &[("preset", "veryfast"), ("sc_threshold", "0")],
        "libx265" => &[("preset", "veryfast"), ("x265-params", "log-level=error:scenecut=0:open-gop=0")],
        "libvpx" | "libvpx-vp9" => &[("deadline", "realtime"), ("cpu-used", "8"), ("row-mt", "1")],
        "libaom-av1" => &[("usage", "realtime"), ("cpu-used", "8"), ("row-mt", "1")],
        "libsvtav1" => &[("preset", "10")],
        "mpeg1video" | "mpeg2video" | "mpeg4" => {
            &[("sc_threshold", "1000000000"), ("mpv_flags", "+strict_gop"), ("flags", "+cgop")]
        }
        _ => &[],
    }
}

/// `given` wins over `defaults`. The global header goes in as an option as well: ffmpeg-next's `set_flags`
/// would clear those that the encoder sets itself (x264's closed GOPs).
fn options(
    defaults: &[(&str, &str)],
    given: &[(String, String)],
    global_header: bool,
) -> Dictionary<'static> {
    let mut options = Dictionary::from_iter([("threads", "auto"), ("strict", "experimental")]);
    let given = given.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    for (name, value) in defaults.iter().copied().chain(given) {
        options.set(name, value);
    }
    if global_header {
        let flags = format!("{}+global_header", options.get("flags").unwrap_or_default());
        options.set("flags", &flags);
    }
    options
}

/// Puts libav's reason after `what`. ffmpeg-next's own texts lie in a `static mut` and are empty until
/// somebody calls its `init`; these are the ones that are met here.
pub(super) fn failed(what: impl Display) -> impl FnOnce(ff::Error) -> Error {
    move |e| {
        let reason = match e {
            ff::Error::Other { errno } => io::Error::from_raw_os_error(errno).to_string(),
            ff::Error::InvalidData => "invalid data, or the wrong kind of encoder".to_owned(),
            ff::Error::OptionNotFound => "no such option".to_owned(),
            ff::Error::FilterNotFound => "no such filter".to_owned(),
            ff::Error::MuxerNotFound => "no such container".to_owned(),
            ff::Error::Experimental => {
                "experimental in this libav: give the option strict=experimental".to_owned()
            }
            ff::Error::External => "the codec's own library refused".to_owned(),
            ff::Error::PatchWelcome => "not implemented in libav".to_owned(),
            other => format!("libav error {}", i32::from(other)),
        };
        Error::Failed(format!("{what}: {reason}"))
    }
}
