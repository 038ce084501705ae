//! `detect`: scenes, black and silence.

use crate::{
    Failure, Outcome,
    args::Common,
    inout::{self, Needs},
    progress::Bar,
    text::{self, plain},
    values::length,
};
use avrope::{
    Control, Media, TimeRange,
    detect::{Black, Detected, Scenes, Silence},
};
use clap::Args;
use std::{fmt::Write as _, io::Write, path::PathBuf, time::Duration};

/// What begins a scene.
#[derive(Args)]
pub struct SceneArgs {
    /// How much a picture differs from the one before it where a scene begins, from 0 to 100 (libavfilter's scdet)
    #[arg(long, value_name = "N", allow_negative_numbers = true, default_value = "10")]
    pub scene_threshold: f64,
    /// No scene is shorter: what would begin sooner is of the one before it
    #[arg(long, value_name = "T", allow_negative_numbers = true, default_value = "0.5", value_parser = length)]
    pub min_scene: Duration,
}

impl SceneArgs {
    pub fn get(&self) -> Scenes {
        Scenes { threshold: self.scene_threshold, min_duration: self.min_scene }
    }
}

#[derive(Args)]
#[command(after_help = "\
Of scenes, black and silence, those that are named are looked for; where none is, all for which there are pictures or
sound. 'cut' takes what is found: avrope detect --silence --json IN > quiet.json; avrope cut IN --remove @quiet.json \
-o OUT")]
pub struct Detect {
    /// A media file; '-' is standard input
    pub input: PathBuf,
    /// Look for scenes
    #[arg(long)]
    pub scenes: bool,
    /// Look for black pictures
    #[arg(long)]
    pub black: bool,
    /// Look for silence
    #[arg(long)]
    pub silence: bool,
    #[command(flatten)]
    pub scene: SceneArgs,
    /// How much of a black picture is black, from 0 to 1
    #[arg(long, value_name = "N", allow_negative_numbers = true, default_value = "0.98")]
    pub black_ratio: f64,
    /// How bright a black pixel may be, from 0 to 1
    #[arg(long, value_name = "N", allow_negative_numbers = true, default_value = "0.1")]
    pub black_threshold: f64,
    /// What is black for less is not told
    #[arg(long, value_name = "T", allow_negative_numbers = true, default_value = "2", value_parser = length)]
    pub min_black: Duration,
    /// All samples of silence are below this, from -200 to 0 dBFS
    #[arg(long, value_name = "DB", allow_negative_numbers = true, default_value = "-60")]
    pub silence_threshold: f64,
    /// What is silent for less is not told
    #[arg(long, value_name = "T", allow_negative_numbers = true, default_value = "2", value_parser = length)]
    pub min_silence: Duration,
    #[command(flatten)]
    pub common: Common,
}

impl Detect {
    fn asked(&self, media: &Media) -> Outcome<avrope::detect::Detect> {
        let is_all = !(self.scenes || self.black || self.silence);
        let mut asked = avrope::detect::Detect::new();
        if self.scenes || is_all {
            asked = asked.scenes(self.scene.get());
        }
        if self.black || is_all {
            let (picture, pixel, min_duration) = (self.black_ratio, self.black_threshold, self.min_black);
            asked = asked.black(Black { picture, pixel, min_duration });
        }
        if self.silence || is_all {
            let (threshold, min_duration) = (self.silence_threshold, self.min_silence);
            asked = asked.silence(Silence { threshold, min_duration });
        }
        if !is_all {
            return Ok(asked);
        }
        let fitting = asked.fitting(media);
        if fitting == avrope::detect::Detect::new() {
            let name = media.source().name();
            return Err(Failure::Said(format!("{name}: it has neither pictures that move nor sound")));
        }
        Ok(fitting)
    }
}

pub fn run(args: &Detect, control: &Control) -> Outcome {
    let bar = Bar::new(&args.common);
    let source = inout::source(&args.input, Needs::Order, &bar, control)?;
    let control = bar.watch(control, "looking");
    let media = Media::open_with(source, &control)?;
    let found = args.asked(&media)?.run(&media, &control)?;
    drop(bar);
    if args.common.json {
        return inout::print_json(&found);
    }
    let mut stderr = std::io::stderr().lock();
    for warning in &found.warnings {
        let _ = writeln!(stderr, "avrope: warning: {}", plain(warning));
    }
    drop(stderr);
    inout::print(&words(&found))
}

fn words(found: &Detected) -> String {
    let mut words = String::new();
    let between = |range: TimeRange| format!("{} to {}", text::time(range.from), text::time(range.to));
    if let Some(scenes) = &found.scenes {
        let _ = writeln!(words, "{}", text::count(scenes.len(), "scene"));
        for scene in scenes {
            let _ = write!(words, "  {}", between(TimeRange { from: scene.from, to: scene.to }));
            let score = scene.score.map(|score| format!(" (score {score:.1})"));
            words += &(score.unwrap_or_default() + "\n");
        }
    }
    for (name, ranges) in [("black", &found.black), ("silent", &found.silence)] {
        let Some(ranges) = ranges else { continue };
        let count = if ranges.is_empty() { "nowhere".into() } else { text::count(ranges.len(), "time") };
        let _ = writeln!(words, "{name} {count}");
        ranges.iter().for_each(|range| words += &format!("  {}\n", between(*range)));
    }
    words
}
