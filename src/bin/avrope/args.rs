//! What can be said on the command line.

use avrope::{
    AtEnd, AudioCodec, AudioFilter, AudioSettings, CutMode, Fit, Fragment, Loudness, Overlay, Position,
    Preset, Rational, TimeRange, Timestamp, VideoCodec, VideoFilter, VideoSettings,
};
use clap::{ArgGroup, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum, error::ErrorKind};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// The command line.
#[derive(Parser)]
#[command(
    name = "avrope",
    about = "Cut, join and remux media without copying what need not change, and transcode the rest"
)]
#[command(max_term_width = 100)]
#[command(after_help = "\
Times are seconds (90.5) or HH:MM:SS.mmm, and 0 is the start of the input. '-' is standard input or output.
Exit status: 0 done, 1 failed, 2 wrong usage, 130 interrupted.")]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// Show what is in a file: format, duration, streams, chapters, metadata
    Probe(Probe),
    /// Keep one or more ranges of a file
    Cut(Cut),
    /// Put files with like streams one behind the other
    Join(Join),
    /// Put the same packets into another container
    Remux(Remux),
    /// Decode, process and encode: other codecs, sizes, rates, filters
    Transcode(Box<Transcode>),
    /// Show which devices can decode, encode and filter, and why others can't
    Hardware(Hardware),
    /// Make a clip, then cut, join, remux and transcode it in front of you (and measure ffmpeg beside it)
    Demo(Demo),
}

#[derive(Args)]
pub struct Common {
    /// Print one JSON object on standard output and nothing else
    #[arg(long)]
    pub json: bool,
    /// No progress and no summary: only warnings and errors
    #[arg(long, short)]
    pub quiet: bool,
    /// Give up after this time
    #[arg(long, value_name = "SECONDS", allow_hyphen_values = true, value_parser = seconds)]
    pub timeout: Option<Duration>,
}

#[derive(Args)]
pub struct Output {
    /// Where the result goes; '-' is standard output
    #[arg(long, short, value_name = "OUTPUT")]
    pub output: PathBuf,
    /// The container (mp4, mkv, ts…), where the output's name does not tell it
    #[arg(long, value_name = "NAME")]
    pub format: Option<String>,
    /// Overwrite the output if it exists
    #[arg(long)]
    pub force: bool,
}

#[derive(Args)]
pub struct Probe {
    /// A media file; '-' is standard input
    pub input: PathBuf,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Args)]
#[command(group = ArgGroup::new("range").args(["from", "to", "keep"]).required(true).multiple(true))]
pub struct Cut {
    /// A media file; '-' is standard input
    pub input: PathBuf,
    /// The first instant to keep [default: the start]
    #[arg(long, value_name = "T", allow_hyphen_values = true, conflicts_with = "keep")]
    pub from: Option<Timestamp>,
    /// The first instant after it [default: the end]
    #[arg(long, value_name = "T", allow_hyphen_values = true, conflicts_with = "keep")]
    pub to: Option<Timestamp>,
    /// A range to keep, such as 10..20, 1:05.. (to the end) or ..30; repeat it to keep several, in this order
    #[arg(long, value_name = "A..B", allow_hyphen_values = true, value_parser = range)]
    pub keep: Vec<TimeRange>,
    /// How the cut meets its range [default: edit where the container can, else keyframe]
    #[arg(long, value_enum)]
    pub mode: Option<Mode>,
    #[command(flatten)]
    pub output: Output,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Args)]
pub struct Join {
    /// Media files with like streams, in order; one of them may be '-', standard input
    #[arg(required = true, value_name = "INPUT")]
    pub inputs: Vec<PathBuf>,
    /// Let each go over into the next: fade, wipeleft, dissolve… (see xfade in ffmpeg-filters). The sources are encoded then
    #[arg(long, value_name = "NAME")]
    pub transition: Option<String>,
    /// How long both are seen at once
    #[arg(long, value_name = "T", default_value = "1", requires = "transition")]
    pub transition_duration: Timestamp,
    #[command(flatten)]
    pub output: Output,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Args)]
pub struct Remux {
    /// A media file; '-' is standard input
    pub input: PathBuf,
    #[command(flatten)]
    pub output: Output,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Args)]
pub struct Transcode {
    /// A media file; '-' is standard input
    pub input: PathBuf,
    #[command(flatten)]
    pub encoding: Encoding,
    #[command(flatten)]
    pub output: Output,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Args)]
pub struct Hardware {
    #[command(flatten)]
    pub common: Common,
}

/// How frames are made and coded.
#[derive(Args, Clone, Debug)]
pub struct Encoding {
    /// high_quality, balanced, high_speed, or a preset of the video encoder's own (veryfast, slow…)
    #[arg(long, value_name = "NAME")]
    pub preset: Option<String>,
    /// h264, hevc, av1, vp9, mpeg4, mjpeg, prores, ffv1, gif, copy, none, or an encoder of libav's [default: auto]
    #[arg(long, value_name = "C")]
    pub video_codec: Option<String>,
    /// Constant quality, 0 is the best
    #[arg(long, value_name = "N")]
    pub crf: Option<f32>,
    /// Bits a second of the video, such as 2500k or 5M
    #[arg(long, value_name = "N", value_parser = quantity)]
    pub video_bitrate: Option<u64>,
    /// Bytes that the result should have, such as 8M
    #[arg(long, value_name = "N", value_parser = quantity)]
    pub target_size: Option<u64>,
    /// Width and height; 0 for one of them follows from the other
    #[arg(long, value_name = "WxH", value_parser = size)]
    pub size: Option<(u32, u32)>,
    /// How the picture meets a size of another shape
    #[arg(long, value_enum, requires = "size")]
    pub fit: Option<FitArg>,
    /// Constant frames a second, such as 25 or 30000/1001
    #[arg(long, value_name = "N", value_parser = rate)]
    pub fps: Option<Rational>,
    /// Frames from one keyframe to the next at most
    #[arg(long, value_name = "N")]
    pub gop: Option<u32>,
    /// libav's name of a pixel format
    #[arg(long, value_name = "NAME")]
    pub pixel_format: Option<String>,
    /// The encoder's tuning, such as zerolatency or film
    #[arg(long, value_name = "T")]
    pub tune: Option<String>,
    /// Turn the picture as its display matrix says, instead of handing the matrix on
    #[arg(long)]
    pub rotate: bool,
    /// Make whole pictures of fields
    #[arg(long)]
    pub deinterlace: bool,
    /// A graph of libavfilter's for the video (see ffmpeg-filters)
    #[arg(long, value_name = "GRAPH")]
    pub filter: Option<String>,
    /// aac, opus, mp3, flac, pcm, copy, none, or an encoder of libav's [default: auto]
    #[arg(long, value_name = "C")]
    pub audio_codec: Option<String>,
    /// Bits a second of the sound, such as 128k
    #[arg(long, value_name = "N", value_parser = quantity)]
    pub audio_bitrate: Option<u64>,
    /// Samples a second
    #[arg(long, value_name = "N")]
    pub sample_rate: Option<u32>,
    /// Channels
    #[arg(long, value_name = "N")]
    pub channels: Option<u32>,
    /// A graph of libavfilter's for the sound
    #[arg(long, value_name = "GRAPH")]
    pub audio_filter: Option<String>,
    /// Lay a picture (PNG, JPEG, WebP, BMP), a GIF or another video over the video
    #[arg(long, value_name = "FILE")]
    pub watermark: Option<PathBuf>,
    /// Where it lies
    #[arg(long, value_enum, value_name = "WHERE", requires = "watermark", default_value = "bottom-right")]
    pub watermark_position: Corner,
    /// How much of it covers, from 0 to 1
    #[arg(long, value_name = "N", requires = "watermark", default_value = "1")]
    pub watermark_opacity: f64,
    /// Make it so many pixels wide; its shape stays
    #[arg(long, value_name = "N", requires = "watermark")]
    pub watermark_width: Option<u32>,
    /// What becomes of one that moves when it ends
    #[arg(long, value_enum, value_name = "WHAT", requires = "watermark", default_value = "hold")]
    pub watermark_end: EndArg,
    /// Write this at the top left of the picture
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub text: Option<String>,
    /// Make the sound louder or, below 0, softer
    #[arg(long, value_name = "DB", allow_hyphen_values = true)]
    pub volume: Option<f64>,
    /// Bring the sound to this loudness, measured first (EBU R 128: -23)
    #[arg(long, value_name = "LUFS", allow_hyphen_values = true)]
    pub loudness: Option<f64>,
    /// Begin from black and silence, for so long
    #[arg(long, value_name = "T")]
    pub fade_in: Option<Timestamp>,
    /// End in black and silence, for so long
    #[arg(long, value_name = "T")]
    pub fade_out: Option<Timestamp>,
    /// Play this much faster; sound keeps its pitch
    #[arg(long, value_name = "N")]
    pub speed: Option<f64>,
    /// Threads of each codec [default: as many as there are cores]
    #[arg(long, value_name = "N")]
    pub threads: Option<u32>,
    /// An option of the video encoder by libav's name, of the audio encoder with 'a:' in front, or of the container with
    /// 'm:'; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = option)]
    pub option: Vec<(String, String)>,
    /// Write a fragmented MP4, with a fragment for each keyframe, or each frame for low latency
    #[arg(long, value_enum)]
    pub fragment: Option<FragmentArg>,
    /// auto, none, or a device: cuda, qsv, vaapi, vulkan, opencl, or one of several as cuda:1
    #[arg(long, value_name = "DEVICE")]
    pub hardware: Option<avrope::HardwareChoice>,
    /// Fail when more packets than this are damaged
    #[arg(long, value_name = "N")]
    pub max_decode_errors: Option<u64>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum FitArg {
    /// Both sides as asked
    Exact,
    /// As large as fits inside
    Inside,
    /// As large as fits inside, with black around it
    Pad,
    /// As small as covers it, with the rest cut off
    Crop,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Corner {
    TopLeft,
    TopRight,
    BottomLeft,
    BottomRight,
    Center,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum EndArg {
    /// It is not seen any more
    Hide,
    /// Its last picture stays
    Hold,
    /// It begins anew
    Repeat,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum FragmentArg {
    /// At every keyframe
    Keyframe,
    /// At every frame
    Frame,
}

impl Encoding {
    /// How the watermark lies.
    pub fn overlay(&self) -> Overlay {
        let position = match self.watermark_position {
            Corner::TopLeft => Position::TopLeft,
            Corner::TopRight => Position::TopRight,
            Corner::BottomLeft => Position::BottomLeft,
            Corner::BottomRight => Position::BottomRight,
            Corner::Center => Position::Center,
        };
        let at_end = match self.watermark_end {
            EndArg::Hide => AtEnd::Hide,
            EndArg::Hold => AtEnd::Hold,
            EndArg::Repeat => AtEnd::Repeat,
        };
        let overlay = Overlay::new().position(position).opacity(self.watermark_opacity).at_end(at_end);
        self.watermark_width.map_or(overlay, |width| overlay.width(width))
    }

    /// For an input of this length.
    pub fn settings(&self, length: Option<Timestamp>) -> avrope::Result<avrope::Transcode> {
        let mut all = avrope::Transcode::new();
        let mut video = VideoSettings::new().turn(self.rotate).deinterlace(self.deinterlace);
        let mut audio = AudioSettings::new();
        match self.preset.as_deref() {
            Some("high_quality") => all = all.preset(Preset::HighQuality),
            Some("balanced") => all = all.preset(Preset::Balanced),
            Some("high_speed") => all = all.preset(Preset::HighSpeed),
            Some(own) => video = video.speed(own),
            None => {}
        }
        macro_rules! given {
            ($to:ident: $($from:ident => $method:ident),*) => {
                $(if let Some(value) = self.$from.clone() { $to = $to.$method(value); })*
            };
        }
        if let Some(name) = &self.video_codec {
            video = video.codec(VideoCodec::from(name.as_str()));
        }
        if let Some(name) = &self.audio_codec {
            audio = audio.codec(AudioCodec::from(name.as_str()));
        }
        if let Some((w, h)) = self.size {
            video = video.size(w, h);
        }
        if let Some(fit) = self.fit {
            video = video.fit(match fit {
                FitArg::Exact => Fit::Exact,
                FitArg::Inside => Fit::Inside,
                FitArg::Pad => Fit::Pad,
                FitArg::Crop => Fit::Crop,
            });
        }
        if let Some(fragment) = self.fragment {
            all = all.fragment(match fragment {
                FragmentArg::Keyframe => Fragment::Keyframe,
                FragmentArg::Frame => Fragment::Frame,
            });
        }
        given!(video: crf => crf, video_bitrate => bit_rate, fps => frame_rate, gop => gop,
            pixel_format => pixel_format, tune => tune, filter => filter);
        given!(audio: audio_bitrate => bit_rate, sample_rate => sample_rate, channels => channels,
            audio_filter => filter);
        given!(all: hardware => hardware, target_size => target_size, speed => speed, threads => threads,
            max_decode_errors => max_decode_errors);
        for (key, value) in &self.option {
            match key.split_once(':') {
                Some(("a", key)) => audio = audio.option(key, value),
                Some(("m", key)) => all = all.muxer_option(key, value),
                Some(("v", key)) => video = video.option(key, value),
                _ => video = video.option(key, value),
            }
        }
        if let Some(text) = self.text.clone() {
            let (size, color) = (32, "white".to_owned());
            video = video.apply(VideoFilter::Text { text, x: 16, y: 16, size, color, font: None });
        }
        if let Some(db) = self.volume {
            audio = audio.apply(AudioFilter::Volume { db });
        }
        if let Some(target) = self.loudness {
            audio = audio.apply(AudioFilter::Loudness(Loudness::new(target)));
        }
        // Fades are told in the result's time, and filters work in the source's.
        let in_source = |time: Timestamp| Timestamp::from_secs(time.secs() * self.speed.unwrap_or(1.0));
        if let Some(duration) = self.fade_in.map(in_source).transpose()? {
            let from = Timestamp::ZERO;
            video = video.apply(VideoFilter::FadeIn { from, duration });
            audio = audio.apply(AudioFilter::FadeIn { from, duration });
        }
        if let Some(duration) = self.fade_out.map(in_source).transpose()? {
            let length = length.ok_or_else(|| {
                let message = "--fade-out needs an input whose length is known";
                avrope::Error::new(avrope::ErrorKind::Unsupported, message)
            })?;
            // A longer one than the input has begun before it.
            let from = length.minus(duration).max(Timestamp::ZERO);
            video = video.apply(VideoFilter::FadeOut { from, duration });
            audio = audio.apply(AudioFilter::FadeOut { from, duration });
        }
        Ok(all.video(video).audio(audio))
    }
}

#[derive(Args)]
pub struct Demo {
    /// The folder for the demo's files [default: avrope-demo in the system's folder for temporary files]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum Mode {
    /// Start at the keyframe at or before each range
    Keyframe,
    /// The same bytes, and the exact range in an edit list (MP4 and MOV)
    Edit,
    /// Exact to the frame, re-encoding only the seams (not there yet)
    Smart,
    /// Re-encode everything: exact in every container
    Encode,
}

impl From<Mode> for CutMode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Keyframe => Self::Keyframe,
            Mode::Edit => Self::Edit,
            Mode::Smart => Self::Smart,
            Mode::Encode => Self::Encode,
        }
    }
}

impl Cut {
    pub fn ranges(&self) -> Vec<TimeRange> {
        if self.keep.is_empty() {
            let (from, to) = (self.from.unwrap_or(Timestamp::ZERO), self.to.unwrap_or(Timestamp::MAX));
            vec![TimeRange { from, to }]
        } else {
            self.keep.clone()
        }
    }
}

impl Command {
    pub fn common(&self) -> &Common {
        match self {
            Self::Probe(args) => &args.common,
            Self::Cut(args) => &args.common,
            Self::Join(args) => &args.common,
            Self::Remux(args) => &args.common,
            Self::Transcode(args) => &args.common,
            Self::Hardware(args) => &args.common,
            Self::Demo(args) => &args.common,
        }
    }

    fn inputs(&self) -> &[PathBuf] {
        match self {
            Self::Probe(args) => std::slice::from_ref(&args.input),
            Self::Cut(args) => std::slice::from_ref(&args.input),
            Self::Join(args) => &args.inputs,
            Self::Remux(args) => std::slice::from_ref(&args.input),
            Self::Transcode(args) => std::slice::from_ref(&args.input),
            Self::Hardware(_) | Self::Demo(_) => &[],
        }
    }

    fn output(&self) -> Option<&Path> {
        match self {
            Self::Cut(args) => Some(&args.output.output),
            Self::Join(args) => Some(&args.output.output),
            Self::Remux(args) => Some(&args.output.output),
            Self::Transcode(args) => Some(&args.output.output),
            Self::Probe(_) | Self::Hardware(_) | Self::Demo(_) => None,
        }
    }
}

impl Cli {
    /// Parses the arguments; wrong usage ends the process with status 2.
    pub fn from_command_line() -> Self {
        let version = format!("{} (libavformat {})", env!("CARGO_PKG_VERSION"), avrope::libav_version());
        // clap keeps names for as long as the process lives.
        let mut command = Self::command().version(&*version.leak());
        let matches = command.get_matches_mut();
        let cli = Self::from_arg_matches(&matches).unwrap_or_else(|e| e.exit());
        let mut refuse = |message: &str| -> ! {
            let name = matches.subcommand_name().unwrap_or_default();
            let sub = command.find_subcommand_mut(name);
            let error = sub.map_or_else(
                || clap::Error::raw(ErrorKind::ArgumentConflict, message),
                |sub| sub.error(ErrorKind::ArgumentConflict, message),
            );
            error.exit()
        };
        let dashes = cli.command.inputs().iter().filter(|path| is_dash(path)).count();
        if dashes > 1 {
            refuse("standard input ('-') can be one input, not several");
        }
        if cli.command.common().json && cli.command.output().is_some_and(is_dash) {
            refuse("'--json' and '-o -' both want standard output; name a file for the result");
        }
        cli
    }
}

/// Whether this stands for standard input or output.
pub fn is_dash(path: &Path) -> bool {
    path.as_os_str() == "-"
}

fn range(text: &str) -> Result<TimeRange, String> {
    let wrong = || format!("'{text}' is not a range; give A..B, such as 10..20, 1:05.. (to the end) or ..30");
    let (from, to) = text.split_once("..").ok_or_else(wrong)?;
    if to.starts_with('.') {
        return Err(wrong());
    }
    let time = |text: &str, open: Timestamp| match text.trim() {
        "" => Ok(open),
        text => text.parse().map_err(|e: avrope::Error| e.to_string()),
    };
    Ok(TimeRange { from: time(from, Timestamp::ZERO)?, to: time(to, Timestamp::MAX)? })
}

fn seconds(text: &str) -> Result<Duration, String> {
    let wrong =
        || format!("'{text}' is not a number of seconds; give one that is not negative, such as 30 or 0.5");
    let seconds: f64 = text.parse().map_err(|_| wrong())?;
    Duration::try_from_secs_f64(seconds).map_err(|_| wrong())
}

/// A number with k, M or G behind it.
fn quantity(text: &str) -> Result<u64, String> {
    let wrong = || format!("'{text}' is not a number; give one such as 128k, 2500k or 5M");
    let (number, unit) = match text.char_indices().last() {
        Some((at, 'k' | 'K')) => (&text[..at], 1e3),
        Some((at, 'm' | 'M')) => (&text[..at], 1e6),
        Some((at, 'g' | 'G')) => (&text[..at], 1e9),
        _ => (text, 1.0),
    };
    let value = number.parse::<f64>().map_err(|_| wrong())? * unit;
    if value.is_finite() && value >= 1.0 { Ok(value as u64) } else { Err(wrong()) }
}

fn size(text: &str) -> Result<(u32, u32), String> {
    let wrong = || format!("'{text}' is not a size; give WxH, such as 1280x720 or 1280x0");
    let (w, h) = text.split_once(['x', 'X']).ok_or_else(wrong)?;
    Ok((w.parse().map_err(|_| wrong())?, h.parse().map_err(|_| wrong())?))
}

/// `25`, `29.97` or `30000/1001`; NTSC's rates are known by their decimals.
fn rate(text: &str) -> Result<Rational, String> {
    let wrong = || format!("'{text}' is not a frame rate; give one such as 25, 29.97 or 30000/1001");
    if let Some((num, den)) = text.split_once('/') {
        let (num, den) = (num.parse().map_err(|_| wrong())?, den.parse().map_err(|_| wrong())?);
        return Rational::new(num, den).filter(|rate| rate.num > 0 && rate.den > 0).ok_or_else(wrong);
    }
    let value: f64 = text.parse().map_err(|_| wrong())?;
    if !(value > 0.0 && value <= 1000.0) {
        return Err(wrong());
    }
    let ntsc = (value * 1.001).round();
    let (num, den) = if (ntsc / 1.001 - value).abs() < 0.005 && value.fract() != 0.0 {
        (ntsc * 1000.0, 1001)
    } else {
        ((value * 1000.0).round(), 1000)
    };
    Rational::new(num as i32, den).ok_or_else(wrong)
}

fn option(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or_else(|| format!("'{text}' is not KEY=VALUE"))?;
    Ok((key.to_owned(), value.to_owned()))
}
