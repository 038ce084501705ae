//! `cut` into many files: parts that together are the source.

use crate::{
    Failure, Outcome,
    args::{self, is_dash},
    detect::SceneArgs,
    inout::{self, Needs},
    progress::Bar,
    ranges::duration,
    text::{self, plain},
    values::length,
    work::cut_settings,
};
use avrope::{Control, Media, Report, Sink, TimeRange, Timestamp, detect::Detect};
use clap::Args;
use serde::Serialize;
use std::{
    collections::BTreeSet,
    ffi::OsString,
    io::Write,
    path::{Path, PathBuf},
    time::Duration,
};

/// Bytes of a chapter's title in a file's name.
const TITLE: usize = 100;
/// Digits of a part's number, at the least.
const DIGITS: usize = 3;

/// Where a source is split.
#[derive(Args)]
#[group(skip)]
pub struct Split {
    /// Split at these times, T or T,T…: one file a part, and all of them together are the input
    #[arg(
        long,
        value_name = "T",
        value_delimiter = ',',
        allow_negative_numbers = true,
        requires = "output_dir",
        conflicts_with_all = ["every", "chapters", "scenes"]
    )]
    pub split_at: Vec<Timestamp>,
    /// Split at all multiples of T
    #[arg(
        long,
        value_name = "T",
        value_parser = length,
        allow_negative_numbers = true,
        requires = "output_dir",
        conflicts_with_all = ["chapters", "scenes"]
    )]
    pub every: Option<Duration>,
    /// Split where chapters begin
    #[arg(long, requires = "output_dir", conflicts_with = "scenes")]
    pub chapters: bool,
    /// Split where scenes begin, as 'detect' finds them
    #[arg(long, requires = "output_dir")]
    pub scenes: bool,
    #[command(flatten)]
    pub scene: SceneArgs,
    /// Where the parts go, as NAME-001.mp4 and so on, by the input's name; it is made if it is not there
    #[arg(long, value_name = "DIR", conflicts_with_all = ["output", "from", "to", "keep", "remove"])]
    pub output_dir: Option<PathBuf>,
}

impl Split {
    pub fn is_asked(&self) -> bool {
        self.output_dir.is_some()
    }

    /// Where the source is split, in the words of the arguments.
    fn points(&self, media: &Media, bar: &Bar, control: &Control) -> Outcome<Vec<Timestamp>> {
        let name = || plain(media.source().name());
        if let Some(every) = self.every {
            let duration = duration(media, control)?.ok_or_else(|| {
                Failure::Said(format!(
                    "{}: it does not say how long it is; split it at times (--split-at)",
                    name()
                ))
            })?;
            return Ok(Timestamp::multiples(every, duration)?);
        }
        if self.chapters {
            let chapters = &media.info().chapters;
            if chapters.is_empty() {
                return Err(Failure::Said(format!("{}: it has no chapters", name())));
            }
            let end = media.duration().map_or(Timestamp::MAX, Timestamp::from);
            let begins = chapters.iter().map(|chapter| chapter.start);
            return Ok(begins.filter(|time| (Timestamp::ZERO..end).contains(time)).collect());
        }
        if self.scenes {
            let found = Detect::new().scenes(self.scene.get()).run(media, &bar.watch(control, "looking"))?;
            return Ok(found.scenes.unwrap_or_default().iter().map(|scene| scene.from).collect());
        }
        Ok(self.split_at.clone())
    }
}

/// What is told of a part.
#[derive(Serialize)]
struct Part {
    output: String,
    from: Timestamp,
    to: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    report: Report,
}

#[derive(Serialize)]
struct Parts {
    operation: &'static str,
    parts: Vec<Part>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

pub fn run(args: &args::Cut, control: &Control) -> Outcome {
    let Some(folder) = &args.split.output_dir else { return Ok(()) };
    if folder.exists() && !folder.is_dir() {
        return Err(Failure::Said(format!(
            "{}: this is no folder; name one with --output-dir",
            folder.display()
        )));
    }
    let bar = Bar::new(&args.common);
    let source = inout::source(&args.input, Needs::Seeking, &bar, control)?;
    let media = Media::open_with(source, control)?;
    let ending = ending(args, &media);
    let settings = cut_settings(args);
    let points = args.split.points(&media, &bar, control)?;
    let ranges = settings.clone().format(&ending).parts(&media, &points, control)?;
    let warnings: Vec<String> = left_out(args, &points, ranges.len()).into_iter().collect();
    let titles: Vec<_> = ranges.iter().map(|range| title(args, &media, *range)).collect();
    let names: Vec<_> =
        (1..).zip(&titles).map(|(n, title)| name(args, n, ranges.len(), title, &ending)).collect();
    let files: Vec<_> = names.iter().map(|name| folder.join(name)).collect();
    if let Some(there) = files.iter().find(|file| !args.output.force && file.symlink_metadata().is_ok()) {
        let there = there.display();
        return Err(Failure::Said(format!(
            "{there}: the file exists; choose another folder, or overwrite it (--force)"
        )));
    }
    let is_new = !folder.exists();
    let made = std::fs::create_dir_all(folder);
    made.map_err(|e| Failure::Said(format!("{}: the folder can't be made: {e}", folder.display())))?;

    let total = media.duration().map_or(0, |length| Timestamp::from(length).nanos().unsigned_abs());
    let mut parts = Vec::new();
    for (i, ((range, file), title)) in ranges.iter().zip(&files).zip(titles).enumerate() {
        let control = bar.watch_part(control, "cutting", range.from.nanos().unsigned_abs(), total);
        let sink = if args.output.force { Sink::replace(file) } else { Sink::file(file) };
        let cut = settings.clone().keep(*range);
        let report =
            avrope::cut_to(&media, &cut, sink.sync(args.output.sync), &control).map_err(|error| {
                let before = match i {
                    0 => String::new(),
                    _ => format!("; those in front of it are complete, in {}", folder.display()),
                };
                if i == 0 && is_new {
                    // Only if nothing is in it.
                    let _ = std::fs::remove_dir(folder);
                }
                Failure::Part(format!("part {} of {}{before}", i + 1, files.len()), error)
            })?;
        if !args.common.json {
            bar.suspend(|| tell(&report, i + 1, file, args));
        }
        let (from, to) = (range.from, range.to);
        parts.push(Part { output: file.display().to_string(), from, to, title, report });
    }
    drop(bar);
    if args.common.json {
        return inout::print_json(&Parts { operation: "cut", parts, warnings });
    }
    for warning in &warnings {
        let _ = writeln!(std::io::stderr().lock(), "avrope: warning: {warning}");
    }
    if args.common.quiet {
        return Ok(());
    }
    inout::print(&summary(&parts, folder))
}

/// Says how many points begin no part.
fn left_out(args: &args::Cut, points: &[Timestamp], parts: usize) -> Option<String> {
    let points: BTreeSet<_> = points.iter().filter(|time| **time > Timestamp::ZERO).collect();
    let lost = (points.len() + 1).saturating_sub(parts);
    let why = match args.mode {
        Some(args::Mode::Keyframe) => {
            "no keyframe of their own lies in front of them that a part can begin at (mode smart splits at any picture)"
        }
        _ => "between them and the next one, or an end of the input, no picture begins",
    };
    (lost > 0).then(|| format!("{lost} of {} left out: {why}", text::count(points.len(), "point")))
}

/// How names of parts end: as the format is called, or else as the input's name ends.
fn ending(args: &args::Cut, media: &Media) -> String {
    let usual = |name: &str| match name {
        "matroska" => "mkv".to_owned(),
        "mpegts" => "ts".into(),
        "ipod" => "m4a".into(),
        "adts" => "aac".into(),
        "mov,mp4,m4a,3gp,3g2,mj2" => "mp4".into(),
        "mpeg" => "mpg".into(),
        other => other.split(',').next().unwrap_or_default().to_owned(),
    };
    if let Some(format) = &args.output.format {
        return usual(format);
    }
    let own = args.input.extension().filter(|_| !is_dash(&args.input));
    own.map_or_else(|| usual(&media.info().format), |own| own.to_string_lossy().into_owned())
}

/// The title of the chapter that a part has most of.
fn title(args: &args::Cut, media: &Media, range: TimeRange) -> Option<String> {
    let shared = |from: Timestamp, to: Timestamp| to.min(range.to).duration_since(from.max(range.from));
    let chapters = media.info().chapters.iter().filter(|_| args.split.chapters);
    let most = chapters.max_by_key(|chapter| shared(chapter.start, chapter.end))?;
    let lies_in = !shared(most.start, most.end).is_zero();
    most.title.clone().filter(|_| lies_in)
}

fn name(args: &args::Cut, number: usize, count: usize, title: &Option<String>, ending: &str) -> OsString {
    let digits = count.to_string().len().max(DIGITS);
    let stem = args.input.file_stem().filter(|_| !is_dash(&args.input));
    let mut name = stem.map_or_else(|| "stdin".into(), OsString::from);
    name.push(format!("-{number:0digits$}"));
    if let Some(title) = title.as_deref().map(safe).filter(|title| !title.is_empty()) {
        name.push(format!("-{title}"));
    }
    name.push(format!(".{ending}"));
    name
}

/// A text as a part of a file's name, on any system: no separators, nothing that a shell or a terminal obeys.
fn safe(text: &str) -> String {
    let odd = |c: char| c.is_control() || "/\\:*?\"<>|".contains(c) || plain(&c.to_string()) != c.to_string();
    let mut safe = String::new();
    for c in text.chars() {
        let c = if odd(c) { ' ' } else { c };
        let is_again = c.is_whitespace() && safe.ends_with(char::is_whitespace);
        if !is_again && safe.len() + c.len_utf8() <= TITLE {
            safe.push(if c.is_whitespace() { ' ' } else { c });
        }
    }
    safe.trim_matches(|c: char| c.is_whitespace() || c == '.').to_owned()
}

/// Says what a part is, as soon as it is there.
fn tell(report: &Report, number: usize, file: &Path, args: &args::Cut) {
    let mut stderr = std::io::stderr().lock();
    for warning in &report.warnings {
        let _ = writeln!(stderr, "avrope: warning: part {number}: {}", plain(warning));
    }
    drop(stderr);
    if !args.common.quiet {
        let _ = inout::print(&format!(
            "{}: {}, {}\n",
            plain(&file.display().to_string()),
            text::seconds(report.duration.as_secs_f64()),
            text::bytes(report.output_bytes)
        ));
    }
}

fn summary(parts: &[Part], folder: &Path) -> String {
    let sum = |of: fn(&Report) -> u64| parts.iter().map(|part| of(&part.report)).sum::<u64>();
    let mut modes: Vec<&str> = parts.iter().filter_map(|part| part.report.mode.as_deref()).collect();
    modes.dedup();
    format!(
        "{}: {}, {} (cut, mode {}), {} shared with the input, {} frames of picture and sound encoded\n",
        plain(&folder.display().to_string()),
        text::count(parts.len(), "part"),
        text::bytes(sum(|report| report.output_bytes)),
        modes.join(", "),
        text::bytes(sum(|report| report.payload_shared)),
        sum(|report| report.frames_encoded),
    )
}

#[cfg(test)]
mod tests {
    use super::safe;

    #[test]
    fn titles_are_safe_for_names() {
        assert_eq!(safe("Ünder/the\\sea: \"part\" 1?"), "Ünder the sea part 1");
        assert_eq!(safe("../..\0\n"), "");
        assert_eq!(safe(" a\u{1b}[31m\u{202e}b. "), "a [31m b");
        assert_eq!(safe(&"ä".repeat(500)).len(), 100);
    }
}
