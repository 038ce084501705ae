//! What can be said on the command line.

use crate::{
    detect::Detect,
    encoding::{Coding, Encoding},
    ranges::Ranges,
    split::Split,
    values::{self, limit, numbers, seconds},
};
use avrope::{CutAudio, CutMode, Strip, control::Limits};
use clap::{
    ArgGroup, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum, builder::ArgPredicate,
    error::ErrorKind,
};
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
    /// Show what an MP4 or MOV is made of: its boxes, and what its tables say of each sample
    Inspect(Inspect),
    /// Compare an output with its source, picture by picture
    Verify(Verify),
    /// Keep one or more ranges of a file, or split it into many
    Cut(Box<Cut>),
    /// Find scenes, black and silence
    Detect(Detect),
    /// Put files one behind the other; those that do not match the first one are encoded to match
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
    /// Set a limit of what the job may use up, such as packet_bytes=128M (K, M, G and T are powers of 1024)
    /// or decoder_memory=unlimited; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = limit)]
    pub limit: Vec<(String, u64)>,
}

impl Common {
    /// The library's defaults, but for what was set.
    pub fn limits(&self) -> Limits {
        let mut all = values::named_limits(Limits::default());
        all.extend(self.limit.iter().map(|(name, value)| (name.clone(), (*value).into())));
        // Names and numbers were judged when they were parsed.
        serde_json::from_value(all.into()).unwrap_or_default()
    }
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
    /// Wait until the disk has the output (fsync): it is there also after a loss of power
    #[arg(long)]
    pub sync: bool,
    /// Go on where all video or all sound would be lost, because the container can't hold it
    #[arg(long)]
    pub allow_drops: bool,
    /// Leave out all that describes the source: titles, dates, makers, places, cover art, telemetry
    #[arg(long, conflicts_with = "strip_location")]
    pub strip_metadata: bool,
    /// Leave out where the source was recorded (it goes over otherwise), and what may tell it
    #[arg(long)]
    pub strip_location: bool,
}

impl Output {
    pub fn strip(&self) -> Strip {
        match (self.strip_metadata, self.strip_location) {
            (true, _) => Strip::Metadata,
            (_, true) => Strip::Location,
            _ => Strip::Nothing,
        }
    }
}

#[derive(Args)]
pub struct Probe {
    /// A media file; '-' is standard input
    pub input: PathBuf,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Args)]
pub struct Inspect {
    /// An MP4 or MOV file, or a segment of one; '-' is standard input
    pub input: PathBuf,
    /// Show this track alone, by its number in the file
    #[arg(long, value_name = "N")]
    pub track: Option<u32>,
    /// List samples of the track, counted from 0, such as 0..10 or 100.. (to the last)
    #[arg(long, value_name = "A..B", requires = "track", value_parser = numbers)]
    pub samples: Option<std::ops::Range<u64>>,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Args)]
pub struct Verify {
    /// The media file that the output was made of; '-' is standard input
    pub source: PathBuf,
    /// What was made of it
    pub output: PathBuf,
    #[command(flatten)]
    pub ranges: Ranges,
    /// The least PSNR of pictures that were encoded anew, over all planes
    #[arg(long, value_name = "DB", default_value = "38")]
    pub min_psnr: f64,
    /// Times that are closer than this are the same [default: two ticks of both files, 3 ms at the most]
    #[arg(long, value_name = "T", value_parser = values::length)]
    pub tolerance: Option<Duration>,
    /// How much sound and picture may be apart [default: 1 ms; for what is copied in frames, half of one behind a seam]
    #[arg(long, value_name = "T", value_parser = values::length)]
    pub max_lag: Option<Duration>,
    /// Draw what was found into this file: the source's GOPs, what was copied and what encoded anew, PSNR, faults
    #[arg(long, value_name = "FILE.svg")]
    pub plot: Option<PathBuf>,
    /// Overwrite the plot if it exists
    #[arg(long, requires = "plot")]
    pub force: bool,
    #[command(flatten)]
    pub common: Common,
}

/// What makes many files.
const SPLIT: [&str; 4] = ["split_at", "every", "chapters", "scenes"];
/// What asks for one file.
const NOT_SPLIT: [&str; 6] = ["from", "to", "keep", "remove", "plan", "output"];

/// What says what a scene is stands beside what asks for them.
fn of_scenes(arg: clap::Arg) -> clap::Arg {
    match arg.get_id().as_str() {
        "scene_threshold" | "min_scene" => {
            arg.requires("scenes").conflicts_with_all(["split_at", "every", "chapters"])
        }
        _ => arg,
    }
}

/// An argument that a plan does without, and what makes many files.
fn or_a_plan(arg: clap::Arg) -> clap::Arg {
    let arg = arg.required(false).required_unless_present_any(["plan", "output_dir", "split"]);
    let unused = [("plan", ArgPredicate::IsPresent, "-"), ("output_dir", ArgPredicate::IsPresent, "-")];
    arg.default_value_ifs(unused)
}

#[derive(Args)]
#[command(group = ArgGroup::new("range").args(["from", "to", "keep", "remove"]).required(true).multiple(true))]
#[command(mut_group("range", |group| group.args(SPLIT)))]
#[command(group = ArgGroup::new("split").args(SPLIT).conflicts_with_all(NOT_SPLIT))]
#[command(mut_args(of_scenes))]
// A plan goes to standard output.
#[command(mut_arg("output", or_a_plan))]
pub struct Cut {
    /// A media file; '-' is standard input
    pub input: PathBuf,
    #[command(flatten)]
    pub ranges: Ranges,
    #[command(flatten)]
    pub split: Split,
    /// How the cut meets its range [default: smart where that can be done, else encode]
    #[arg(long, value_enum)]
    pub mode: Option<Mode>,
    /// What becomes of the sound in mode smart
    #[arg(long, value_enum, value_name = "HOW", default_value_t)]
    pub audio: AudioMode,
    /// Say what would be copied and what encoded anew, why, and what it costs, and do nothing
    #[arg(long)]
    pub plan: bool,
    #[command(flatten)]
    pub output: Output,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Args)]
pub struct Join {
    /// Media files, in order; one of them may be '-', standard input. Those whose picture or sound does not match the
    /// first one's are encoded to match, the others are copied
    #[arg(required = true, value_name = "INPUT")]
    pub inputs: Vec<PathBuf>,
    /// What becomes of inputs that do not match the first
    #[arg(long, value_enum, value_name = "WHAT", default_value = "encode", conflicts_with = "transition")]
    pub unlike: UnlikeArg,
    /// Width and height of all pictures, in place of the first input's
    #[arg(long, value_name = "WxH", value_parser = values::size, conflicts_with = "transition")]
    pub size: Option<(u32, u32)>,
    /// Constant frames a second of all pictures, in place of the first input's
    #[arg(long, allow_hyphen_values = true, value_name = "N", value_parser = values::rate, conflicts_with = "transition")]
    pub fps: Option<avrope::Rational>,
    /// Samples a second of all sound, in place of the first input's
    #[arg(long, allow_negative_numbers = true, value_name = "N", conflicts_with = "transition")]
    pub sample_rate: Option<u32>,
    /// Channels of all sound, in place of the first input's
    #[arg(long, allow_negative_numbers = true, value_name = "N", conflicts_with = "transition")]
    pub channels: Option<u32>,
    /// Let each go over into the next: fade, wipeleft, dissolve… (see xfade in ffmpeg-filters). The sources
    /// are encoded then
    #[arg(long, value_name = "NAME")]
    pub transition: Option<String>,
    /// How long both are seen at once
    #[arg(long, value_name = "T", default_value = "1", requires = "transition", value_parser = values::length)]
    pub transition_duration: Duration,
    #[command(flatten)]
    pub coding: Coding,
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

#[derive(Args)]
pub struct Demo {
    /// The folder for the demo's files [default: avrope-demo in the system's folder for temporary files]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum UnlikeArg {
    /// Their picture or their sound is encoded to match, whichever differs
    Encode,
    /// It is an error: nothing is encoded
    Refuse,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum Mode {
    /// Start at the keyframe at or before each range
    Keyframe,
    /// The same bytes, and the exact range in an edit list (MP4 and MOV)
    Edit,
    /// Exact to the picture: what lies between two keyframes is re-encoded where a range begins or ends in it, and all
    /// else stays as it is
    Smart,
    /// Re-encode everything: exact in every container
    Encode,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum AudioMode {
    /// Copy it. Where ranges meet, AAC goes over from the one into the other; PCM, FLAC and ALAC are cut at their
    /// samples, and other sound at its frames
    #[default]
    Copy,
    /// Encode all of it anew: each range begins and ends at its sample
    Exact,
}

impl AudioMode {
    pub fn get(self) -> CutAudio {
        match self {
            Self::Copy => CutAudio::Copy,
            Self::Exact => CutAudio::Exact,
        }
    }
}

impl Mode {
    pub fn get(self) -> CutMode {
        match self {
            Self::Keyframe => CutMode::Keyframe,
            Self::Edit => CutMode::Edit,
            Self::Smart => CutMode::Smart,
            Self::Encode => CutMode::Encode,
        }
    }
}

impl Join {
    /// How inputs that do not match are encoded.
    pub fn settings(&self) -> avrope::Transcode {
        let (all, mut video, mut audio) = self.coding.parts();
        if let Some((w, h)) = self.size {
            video = video.size(w, h);
        }
        if let Some(rate) = self.fps {
            video = video.frame_rate(rate);
        }
        if let Some(rate) = self.sample_rate {
            audio = audio.sample_rate(rate);
        }
        if let Some(channels) = self.channels {
            audio = audio.channels(channels);
        }
        all.video(video).audio(audio)
    }
}

impl Command {
    pub fn common(&self) -> &Common {
        match self {
            Self::Probe(args) => &args.common,
            Self::Inspect(args) => &args.common,
            Self::Verify(args) => &args.common,
            Self::Cut(args) => &args.common,
            Self::Detect(args) => &args.common,
            Self::Join(args) => &args.common,
            Self::Remux(args) => &args.common,
            Self::Transcode(args) => &args.common,
            Self::Hardware(args) => &args.common,
            Self::Demo(args) => &args.common,
        }
    }

    /// Whether what it was asked for is said on standard output, and is no word beside a file.
    pub fn tells_on_stdout(&self) -> bool {
        matches!(
            self,
            Self::Probe(_) | Self::Inspect(_) | Self::Verify(_) | Self::Detect(_) | Self::Hardware(_)
        ) || self.common().json
    }

    fn inputs(&self) -> Vec<&PathBuf> {
        match self {
            Self::Probe(args) => vec![&args.input],
            Self::Inspect(args) => vec![&args.input],
            Self::Verify(args) => {
                [&args.source, &args.output].into_iter().chain(args.ranges.files()).collect()
            }
            Self::Cut(args) => [&args.input].into_iter().chain(args.ranges.files()).collect(),
            Self::Detect(args) => vec![&args.input],
            Self::Join(args) => args.inputs.iter().collect(),
            Self::Remux(args) => vec![&args.input],
            Self::Transcode(args) => vec![&args.input],
            Self::Hardware(_) | Self::Demo(_) => Vec::new(),
        }
    }

    fn result(&self) -> Option<&Output> {
        match self {
            Self::Cut(args) if args.split.is_asked() => None,
            Self::Cut(args) => Some(&args.output),
            Self::Join(args) => Some(&args.output),
            Self::Remux(args) => Some(&args.output),
            Self::Transcode(args) => Some(&args.output),
            Self::Probe(_) | Self::Inspect(_) | Self::Verify(_) | Self::Detect(_) => None,
            Self::Hardware(_) | Self::Demo(_) => None,
        }
    }

    fn output(&self) -> Option<&Path> {
        self.result().map(|result| &*result.output)
    }

    fn is_synced(&self) -> bool {
        self.result().is_some_and(|result| result.sync)
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
        let dashes = cli.command.inputs().into_iter().filter(|path| is_dash(path)).count();
        if dashes > 1 {
            refuse("standard input ('-') can be one input, not several");
        }
        let is_plan = matches!(&cli.command, Command::Cut(cut) if cut.plan);
        if cli.command.common().json && cli.command.output().is_some_and(is_dash) && !is_plan {
            refuse("'--json' and '-o -' both want standard output; name a file for the result");
        }
        if cli.command.is_synced() && cli.command.output().is_some_and(is_dash) {
            refuse("'--sync' is for files, and '-o -' is standard output");
        }
        cli
    }
}

/// Whether this stands for standard input or output.
pub fn is_dash(path: &Path) -> bool {
    path.as_os_str() == "-"
}
