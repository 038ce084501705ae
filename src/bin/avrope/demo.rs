//! `demo`: makes a clip, then cuts, joins, remuxes and transcodes it in front of the user, and ffmpeg beside
//! it.

use crate::{Failure, Outcome, args, inout, progress::Bar, text};
use avrope::{
    Control, Cut, Join, Media, Remux, Report, Sink, Source, TimeRange, Transcode,
    synth::{self, Spec},
    transcode::{AudioCodec, AudioSettings, VideoCodec, VideoSettings},
};
use comfy_table::{CellAlignment, Table, presets::ASCII_BORDERS_ONLY_CONDENSED};
use std::{
    ffi::OsString,
    io::Write,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// Seconds of the clip.
const LENGTH: f64 = 60.0;
/// Each work is done this often, and the table has the median. What takes longer than `LONG` (in
/// milliseconds) is done once: chance is little of it, and somebody waits.
const RUNS: usize = 3;
const LONG: f64 = 1000.0;
/// The command to compare with.
const FFMPEG: &str = "ffmpeg";
/// What it is told where nothing is encoded, and where the demo encodes.
const COPY: [&str; 2] = ["-c", "copy"];
const ENCODE: [&str; 10] =
    ["-vf", "scale=640:360", "-c:v", "libx264", "-preset", "veryfast", "-c:a", "aac", "-b:a", "128k"];

/// Does it into a file, or into memory.
type Work<'a> = &'a dyn Fn(Option<&Path>) -> avrope::Result<Report>;

/// A row of the table.
struct Step {
    what: &'static str,
    file: PathBuf,
    report: Report,
    /// Milliseconds from opening the input to the complete result in memory, as a rope.
    in_memory: f64,
    /// The same into a file.
    took: f64,
    /// The same by ffmpeg; None if it failed.
    ffmpeg: Option<f64>,
}

struct Demo<'a> {
    dir: &'a Path,
    /// For what ffmpeg needs and makes; it goes away.
    scratch: &'a Path,
    has_ffmpeg: bool,
    said: Box<dyn Fn(&str) + 'a>,
    control: &'a Control,
    steps: Vec<Step>,
}

pub fn run(args: &args::Demo, control: &Control) -> Outcome {
    let dir = args.dir.clone().unwrap_or_else(|| std::env::temp_dir().join("avrope-demo"));
    let unusable =
        |e: std::io::Error| Failure::Said(format!("{}: {e}; choose a folder with --dir", dir.display()));
    std::fs::create_dir_all(&dir).map_err(unusable)?;
    let scratch = tempfile::Builder::new().prefix(".avrope-").tempdir_in(&dir).map_err(unusable)?;
    if args.dir.is_none() {
        // Everybody may write to the folder for temporary files: this one must be ours, or links could lead
        // us astray.
        let owner =
            |path: &Path| std::fs::symlink_metadata(path).ok().filter(|m| m.is_dir()).map(|m| m.uid());
        if owner(&dir) != owner(scratch.path()) {
            return Err(Failure::Said(format!(
                "{}: this folder is not yours; choose one with --dir",
                dir.display()
            )));
        }
    }
    let (quiet, json) = (args.common.quiet, args.common.json);
    let said = move |line: &str| {
        if !quiet && !json {
            let _ = writeln!(std::io::stdout().lock(), "{}", text::plain(line));
        }
    };
    let mut demo = Demo {
        dir: &dir,
        scratch: scratch.path(),
        has_ffmpeg: !json && ffmpeg_is_there(),
        said: Box::new(said),
        control,
        steps: Vec::new(),
    };
    let clip = demo.make(&args.common)?;
    demo.work(&clip)?;
    if json {
        let reports: Vec<_> = demo.steps.iter().map(|step| &step.report).collect();
        return inout::print_json(&reports);
    }
    let mut stderr = std::io::stderr().lock();
    for step in &demo.steps {
        for warning in &step.report.warnings {
            let _ = writeln!(stderr, "avrope: warning: {}: {}", step.what, text::plain(warning));
        }
    }
    drop(stderr);
    if quiet { Ok(()) } else { inout::print(&demo.table()) }
}

impl Demo<'_> {
    /// Makes the clip. It takes its name when it is complete.
    fn make(&self, common: &args::Common) -> Outcome<PathBuf> {
        let path = self.dir.join("avrope-demo.mp4");
        (self.said)(&format!("Making a clip of {LENGTH} s: {}", path.display()));
        let bar = Bar::new(common);
        let handle = bar.handle();
        let begun = Instant::now();
        let made = self.scratch.join("clip.mp4");
        let mut progress = |done: f64| {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 1000")]
            handle.count("encoding", (done * 1000.0) as u64, 1000);
            self.control.check().is_ok()
        };
        let mut spec = Spec::demo(LENGTH);
        if let Some(video) = &mut spec.video {
            // At this rate the pictures are good all the same, and the clip is there in a third of the time.
            video.options.push(("preset".into(), "ultrafast".into()));
        }
        synth::to_file_with(&spec, &made, &mut progress).map_err(|e| match self.control.check() {
            Err(stopped) => stopped.into(),
            Ok(()) => Failure::Said(format!("the clip can't be made: {e}")),
        })?;
        drop(bar);
        let size = std::fs::metadata(&made).map_or(0, |m| m.len());
        std::fs::rename(&made, &path).map_err(|e| Failure::Said(format!("{}: {e}", path.display())))?;
        let encoder = spec.video.map(|video| video.encoder).unwrap_or_default();
        (self.said)(&format!(
            "  {} of 1280x720 ({encoder}) and a tone in {}. This was encoding; what follows copies, all but the last.",
            text::bytes(size),
            text::wall(begun.elapsed().as_secs_f64() * 1e3)
        ));
        Ok(path)
    }

    fn work(&mut self, clip: &Path) -> Outcome {
        let control = self.control;
        let open = |path: &Path| Media::open_with(Source::open(path)?, control);
        let cut = |ranges: &[(f64, f64)], to: Option<&Path>| {
            let mut settings = Cut::new().mode(avrope::CutMode::Edit);
            for (from, to) in ranges {
                settings = settings.keep(TimeRange::secs(*from, *to)?);
            }
            let media = open(clip)?;
            match to {
                Some(to) => avrope::cut_to(&media, &settings, Sink::replace(to), control),
                None => Ok(avrope::cut(&media, &settings, control)?.report),
            }
        };
        let remux = |format: &str, to: Option<&Path>| {
            let (media, settings) = (open(clip)?, Remux::new().format(format));
            match to {
                Some(to) => avrope::remux_to(&media, &settings, Sink::replace(to), control),
                None => Ok(avrope::remux(&media, &settings, control)?.report),
            }
        };

        let input = |path: &Path| vec!["-i".into(), path.into()];
        let one = ["-ss", "10", "-to", "20"].map(OsString::from).into_iter().chain(input(clip)).collect();
        self.step("cut 10..20", "avrope-demo-cut.mp4", &|to| cut(&[(10.0, 20.0)], to), one, &COPY)?;

        let two = self.list("two.txt", &[(clip, Some((10, 20))), (clip, Some((40, 50)))])?;
        let ranges = [(10.0, 20.0), (40.0, 50.0)];
        self.step("cut 10..20 and 40..50", "avrope-demo-two-ranges.mp4", &|to| cut(&ranges, to), two, &COPY)?;

        let mut parts = Vec::new();
        for (i, from) in [0.0, 20.0, 40.0].into_iter().enumerate() {
            let part = self.dir.join(format!("avrope-demo-part-{}.mp4", i + 1));
            cut(&[(from, from + 10.0)], Some(&part))?;
            parts.push(part);
        }
        let entries: Vec<_> = parts.iter().map(|part| (part.as_path(), None)).collect();
        let all = self.list("parts.txt", &entries)?;
        let join = |to: Option<&Path>| {
            let sources = parts.iter().map(Source::open).collect::<avrope::Result<Vec<_>>>()?;
            match to {
                Some(to) => avrope::join_to(&sources, &Join::new(), Sink::replace(to), control),
                None => Ok(avrope::join(&sources, &Join::new(), control)?.report),
            }
        };
        self.step("join three clips of 10 s", "avrope-demo-join.mp4", &join, all, &COPY)?;
        self.step("remux all to mkv", "avrope-demo.mkv", &|to| remux("mkv", to), input(clip), &COPY)?;
        self.step("remux all to ts", "avrope-demo.ts", &|to| remux("ts", to), input(clip), &COPY)?;

        let settings = Transcode::new()
            .format("mp4")
            .keep(TimeRange::secs(10.0, 20.0)?)
            .video(VideoSettings::new().codec(VideoCodec::H264).encoder_preset("veryfast").size(640, 360))
            .audio(AudioSettings::new().codec(AudioCodec::Aac).bit_rate(128_000));
        let transcode = |to: Option<&Path>| {
            let media = open(clip)?;
            match to {
                Some(to) => avrope::transcode_to(&media, &settings, Sink::replace(to), control),
                None => Ok(avrope::transcode(&media, &settings, control)?.report),
            }
        };
        let ten = ["-ss", "10", "-to", "20"].map(OsString::from).into_iter().chain(input(clip)).collect();
        self.step("transcode 10..20 to 640x360", "avrope-demo-transcoded.mp4", &transcode, ten, &ENCODE)
    }

    /// Does one work, and the same by ffmpeg.
    fn step(
        &mut self,
        what: &'static str,
        name: &str,
        work: Work<'_>,
        ffmpeg_input: Vec<OsString>,
        how: &[&str],
    ) -> Outcome {
        let file = self.dir.join(name);
        let mut report = Report::default();
        let mut timed = |to: Option<&Path>| {
            median_of_runs(|| {
                // File systems flush what replaces a file, and that is not what is measured.
                to.map(std::fs::remove_file);
                let begun = Instant::now();
                report = work(to)?;
                Ok::<_, Failure>(begun.elapsed().as_secs_f64() * 1e3)
            })
        };
        let in_memory = timed(None)?;
        let took = timed(Some(&file))?;
        let mut ffmpeg = None;
        if self.has_ffmpeg {
            let to = self.scratch.join(name);
            let runs = median_of_runs(|| {
                let _ = std::fs::remove_file(&to);
                self.by_ffmpeg(&ffmpeg_input, how, &to).map_err(Some)?.ok_or(None)
            });
            ffmpeg = match runs {
                Ok(median) => Some(median),
                Err(None) => None,
                Err(Some(stopped)) => return Err(stopped),
            };
        }
        (self.said)(&format!(
            "Done: {what}, {} in memory, {} to a file",
            text::wall(in_memory),
            text::wall(took)
        ));
        self.steps.push(Step { what, file, report, in_memory, took, ffmpeg });
        Ok(())
    }

    /// The input of ffmpeg's concat demuxer: files, or ranges of them in seconds.
    fn list(&self, name: &str, entries: &[(&Path, Option<(u32, u32)>)]) -> Outcome<Vec<OsString>> {
        let list = self.scratch.join(name);
        let mut text = Vec::new();
        for (path, range) in entries {
            let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
            text.extend(b"file '");
            for byte in path.as_os_str().as_encoded_bytes() {
                // The list's quoting knows no escape inside quotes.
                if *byte == b'\'' { text.extend(br"'\''") } else { text.push(*byte) }
            }
            text.extend(b"'\n");
            if let Some((from, to)) = range {
                text.extend(format!("inpoint {from}\noutpoint {to}\n").bytes());
            }
        }
        std::fs::write(&list, text).map_err(|e| Failure::Said(format!("{}: {e}", list.display())))?;
        let mut input: Vec<OsString> = ["-f", "concat", "-safe", "0", "-i"].map(OsString::from).into();
        input.push(list.into());
        Ok(input)
    }

    /// Milliseconds that the command takes; None if it fails.
    fn by_ffmpeg(&self, input: &[OsString], how: &[&str], to: &Path) -> Outcome<Option<f64>> {
        let begun = Instant::now();
        let mut command = Command::new(FFMPEG);
        command.args(["-nostdin", "-v", "error", "-y"]).args(input).args(how).arg(to);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let Ok(child) = child else { return Ok(None) };
        let mut child = Killed(child);
        loop {
            match child.0.try_wait() {
                Ok(Some(status)) => return Ok(status.success().then(|| begun.elapsed().as_secs_f64() * 1e3)),
                Ok(None) => {}
                Err(_) => return Ok(None),
            }
            self.control.check()?;
            std::thread::sleep(Duration::from_micros(200));
        }
    }

    fn table(&self) -> String {
        let mut table = Table::new();
        table.load_style(ASCII_BORDERS_ONLY_CONDENSED);
        let mut header = vec!["work", "in memory", "to a file", "shared", "copied"];
        if self.has_ffmpeg {
            header.extend(["ffmpeg", "ratio"]);
        }
        header.push("file");
        let columns = header.len();
        table.set_header(header);
        for step in &self.steps {
            let report = &step.report;
            let sizes = [report.payload_shared, report.payload_copied].map(text::bytes);
            let mut row = vec![step.what.to_owned(), text::wall(step.in_memory), text::wall(step.took)];
            row.extend(sizes);
            if self.has_ffmpeg {
                row.push(step.ffmpeg.map_or("failed".into(), text::wall));
                row.push(step.ffmpeg.map_or(String::new(), |ffmpeg| format!("{:.1}", ffmpeg / step.took)));
            }
            row.push(step.file.file_name().unwrap_or_default().to_string_lossy().into_owned());
            table.add_row(row);
        }
        for column in 1..columns - 1 {
            if let Some(column) = table.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        let mut text = format!("\n{table}\n");
        text += &format!(
            "Times: from opening the input to the complete result, median of {RUNS} runs (of one, where it \
             takes over {}).\n",
            text::wall(LONG)
        );
        text += "In memory it is a rope: what is shared is a slice of the input, read only when the result is \
                 read, sent or saved.\n";
        if self.has_ffmpeg {
            text += "Ratio: ffmpeg's time, also to a file, by ours to a file; ffmpeg copies as well (-c copy) \
                     where we do.\n";
        }
        if !self.has_ffmpeg {
            text += "There is no ffmpeg command on the path to compare with.\n";
        }
        if cfg!(debug_assertions) {
            text += "This is a debug build: cargo run --release -- demo shows what it can do.\n";
        }
        text + &format!("The files are in {}\n", text::plain(&self.dir.display().to_string()))
    }
}

/// A child that does not outlive us.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn ffmpeg_is_there() -> bool {
    let mut command = Command::new(FFMPEG);
    command.arg("-version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Of the milliseconds that each run takes.
fn median_of_runs<E>(mut run: impl FnMut() -> Result<f64, E>) -> Result<f64, E> {
    let mut times = vec![run()?];
    if times.iter().all(|first| *first <= LONG) {
        for _ in 1..RUNS {
            times.push(run()?);
        }
    }
    times.sort_unstable_by(f64::total_cmp);
    Ok(times.get(times.len() / 2).copied().unwrap_or(0.0))
}
