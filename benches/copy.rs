//! What copying costs, beside `ffmpeg -c copy` in the same run: `cargo bench` prints a table of aims and
//! figures.
//!
//! Criterion times what is short; the rest (growth, memory, what was read, shared blocks) is measured here.
//! Media is made once and kept in `target/bench-media` (2.5 GB). `cargo bench -- join` does the rows of that
//! name alone: cut, roads, growth, segments, save, memory, payload, read, join, samples, verify, smart.

#![forbid(unsafe_code)]

#[path = "copy/smart.rs"]
mod smart;
mod support;

use avrope::{
    Clip, Control, Cut, CutMode, Join, Media, Remux, Road, Source, TimeRange, cut, inspect::inspect,
    io::SaveOptions, join, libav_version, remux, verify::Verify,
};
use criterion::Criterion;
use std::{
    fs,
    hint::black_box,
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};
use support::{
    Outcome,
    measure::{Run, Times, duel, in_turn, timed},
    media::{Shelf, footage, text},
    system::{self, Mount},
    table::{self, Row, size, time},
};

/// Names the file that a child of this bench cuts, for its parent to look at its memory.
const CHILD: &str = "AVROPE_BENCH_CHILD";
/// The short cut, in seconds of the 120 s clip.
const SHORT: (f64, f64) = (55.0, 65.0);
/// The long cut, in seconds of the 1920 s clip: half of it.
const LONG: (f64, f64) = (510.0, 1410.0);
/// What growth may be.
const LINEAR: f64 = 1.3;
/// What memory may be.
const MEMORY: u64 = 64 << 20;

/// What all rows use.
struct Bench {
    criterion: Criterion,
    shelf: Shelf,
    has_ffmpeg: bool,
    control: Control,
}

/// A group of rows: what the command line calls it, the work, and what it prints.
type Rows = fn(&mut Bench) -> Outcome<Vec<Row>>;
const ROWS: [(&str, Rows); 12] = [
    ("cut", cuts),
    ("roads", roads),
    ("growth", growth),
    ("segments", segments),
    ("save", saves),
    ("memory", memory),
    ("payload", payload),
    ("read", reads),
    ("join", joins),
    ("samples", samples),
    ("verify", verifies),
    ("smart", smart::rows),
];

fn main() {
    if let Some(path) = std::env::var_os(CHILD) {
        return child(path.as_ref());
    }
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let has = |flag: &str| arguments.iter().any(|a| a == flag);
    if !has("--bench") || has("--list") || has("--test") {
        println!("benches/copy.rs measures under `cargo bench` alone");
        return;
    }
    let filter = arguments.iter().find(|a| !a.starts_with('-'));
    ffmpeg_next::log::set_level(ffmpeg_next::log::Level::Error);
    let version = system::ffmpeg_version();
    let begun = std::time::Instant::now();
    let load = system::load();
    let shelf = match Shelf::new(version.is_some()) {
        Ok(shelf) => shelf,
        Err(error) => return eprintln!("no folder for media: {error}"),
    };
    let mut bench = Bench {
        criterion: Criterion::default().without_plots().configure_from_args(),
        shelf,
        has_ffmpeg: version.is_some(),
        control: Control::default(),
    };
    if version.is_none() {
        eprintln!("\nNO ffmpeg ON THE PATH: ALL RATIOS TO IT ARE MISSING\n");
    }
    let mut rows = Vec::new();
    for (name, work) in ROWS {
        if filter.is_some_and(|filter| !name.contains(filter.as_str()) && !filter.contains(name)) {
            continue;
        }
        match work(&mut bench) {
            Ok(done) => rows.extend(done),
            Err(error) => rows.push(Row::skipped(name, "", &error.to_string())),
        }
    }
    bench.criterion.final_summary();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    println!("\navrope over libavformat {}, {cores} cores, load before: {load}", libav_version());
    println!("reference: {}", version.as_deref().unwrap_or("NO ffmpeg ON THE PATH: RATIOS ARE MISSING"));
    println!("medians, page cache warm; in all {:.0} s\n", begun.elapsed().as_secs_f64());
    table::print(&rows);
    println!();
}

/// Opens a file, no pages of payload read.
fn open(path: &Path) -> Outcome<Media> {
    Ok(Media::open(Source::open(path)?)?)
}

/// One range, in seconds.
fn range((from, to): (f64, f64)) -> Outcome<Cut> {
    Ok(Cut::new().keep(TimeRange::secs(from, to)?))
}

/// The arguments of the same cut by ffmpeg.
fn by_ffmpeg((from, to): (f64, f64), path: &Path) -> Outcome<Vec<String>> {
    let (from, long) = (from.to_string(), (to - from).to_string());
    Ok(["-ss", &from, "-t", &long, "-i", text(path)?, "-c", "copy", "-f", "mp4"].map(String::from).to_vec())
}

/// How often a time goes into the reference's; empty if there is no reference.
fn times_faster(ours: f64, theirs: Option<f64>) -> String {
    theirs.map_or("NO ffmpeg".into(), |theirs| format!("{:.1}x", theirs / ours))
}

impl Bench {
    /// Ours against ffmpeg with these arguments.
    fn against_ffmpeg(
        &mut self,
        name: &str,
        often: u32,
        ours: Run<'_>,
        arguments: &[String],
    ) -> Outcome<(f64, Option<f64>)> {
        let to = self.shelf.path("out-ffmpeg.mp4");
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let mut theirs = || {
            system::settle()?;
            system::ffmpeg_once(&arguments, &to)
        };
        let theirs: Option<Run<'_>> = if self.has_ffmpeg { Some(&mut theirs) } else { None };
        duel(&mut self.criterion, ("copy", name), often, ours, theirs)
    }

    /// The 900 s cut of an open media.
    fn long_cut(&self, media: &Media) -> Outcome<Clip> {
        Ok(cut(media, &range(LONG)?, &self.control)?)
    }
}

/// Cuts to a rope.
fn cuts(bench: &mut Bench) -> Outcome<Vec<Row>> {
    let (clip, long) = (bench.shelf.clip()?, bench.shelf.long()?);
    let (short, control) = (range(SHORT)?, bench.control.clone());
    system::warm(&clip)?;
    system::warm(&long)?;
    let media = open(&clip)?;
    let mut rows = Vec::new();
    let mut row = |work: &str, aim: f64, (ours, theirs): (f64, Option<f64>), note: String| {
        let met = theirs.map(|theirs| theirs / ours >= aim);
        let row = Row::new(work, &format!("{aim}x ffmpeg"), time(ours) + &note, met.unwrap_or(false));
        let row = row.against(theirs.map_or("missing".into(), time), times_faster(ours, theirs));
        rows.push(if met.is_none() { Row { met: table::Met::Unknown, ..row } } else { row });
    };

    let arguments = by_ffmpeg(SHORT, &clip)?;
    let mut with_open = || Ok(timed(|| Ok(black_box(cut(&open(&clip)?, &short, &control)?)))?.1);
    let took = bench.against_ffmpeg("cut 10 s with open", 20, &mut with_open, &arguments)?;
    row("10 s cut of a 120 s, 120 MB 720p MP4 to a Rope, open included", 30.0, took, String::new());

    let mut opened = || Ok(timed(|| Ok(black_box(cut(&media, &short, &control)?)))?.1);
    let took = bench.against_ffmpeg("cut 10 s", 40, &mut opened, &arguments)?;
    row("the same on an open Media", 60.0, took, String::new());

    let settings = range(LONG)?;
    let made = cut(&open(&long)?, &settings, &control)?.report;
    let note = format!(" ({}, {} packets)", size(made.output_bytes), made.packets);
    let arguments = by_ffmpeg(LONG, &long)?;
    let mut with_open = || Ok(timed(|| Ok(black_box(cut(&open(&long)?, &settings, &control)?)))?.1);
    let took = bench.against_ffmpeg("cut 900 s with open", 3, &mut with_open, &arguments)?;
    row("900 s cut of a 1.95 GB MP4 to a Rope, open included", 10.0, took, note);
    let media = open(&long)?;
    let mut opened = || Ok(timed(|| Ok(black_box(cut(&media, &settings, &control)?)))?.1);
    let took = bench.against_ffmpeg("cut 900 s", 3, &mut opened, &arguments)?;
    row("the same on an open Media", 10.0, took, String::new());
    Ok(rows)
}

/// Time a packet as media grows.
fn growth(bench: &mut Bench) -> Outcome<Vec<Row>> {
    let paths = [bench.shelf.ten_minutes()?, bench.shelf.ten_hours()?];
    let control = &bench.control;
    let mut most = Vec::new();
    for path in &paths {
        let media = open(path)?;
        let all = media.duration().ok_or("no duration")?.as_secs_f64();
        let settings = range((1.0, all - 1.0))?;
        let packets = cut(&media, &settings, control)?.report.packets;
        most.push((media, settings, packets as f64));
    }
    let [(short, short_cut, short_packets), (long, long_cut, long_packets)] = most.as_slice() else {
        return Err("two files were expected".into());
    };
    // Short ones are done often, for a mean that can be compared.
    const OFTEN: u32 = 10;
    let often = |work: &dyn Fn() -> Outcome<Clip>| {
        let mut sum = Duration::ZERO;
        for _ in 0..OFTEN {
            sum += timed(work)?.1;
        }
        Ok(sum / OFTEN)
    };
    let [a, b, c, d] = in_turn(
        3,
        [
            &mut || often(&|| Ok(cut(short, short_cut, control)?)),
            &mut || Ok(timed(|| Ok(black_box(cut(long, long_cut, control)?)))?.1),
            &mut || often(&|| Ok(cut(&open(&paths[0])?, short_cut, control)?)),
            &mut || Ok(timed(|| Ok(black_box(cut(&open(&paths[1])?, long_cut, control)?)))?.1),
        ],
    )?;
    let row = |how: &str, short: f64, long: f64| {
        let (short, long) = (short / short_packets * 1e9, long / long_packets * 1e9);
        let work = format!("growth, {how}: time a packet of nearly all of 10 h ({long_packets} packets)");
        Row::new(&work, &format!("at most {LINEAR}x 10 min"), format!("{long:.0} ns"), long <= LINEAR * short)
            .against(format!("{short:.0} ns ({short_packets} packets)"), format!("{:.2}", long / short))
    };
    Ok(vec![row("on an open Media", a, b), row("open included", c, d)])
}

/// In how many segments a cut lies.
fn segments(bench: &mut Bench) -> Outcome<Vec<Row>> {
    let most = |path: &Path, ranges: &[(f64, f64)]| -> Outcome<usize> {
        let media = open(path)?;
        let mut most = 0;
        for asked in ranges {
            most = most.max(cut(&media, &range(*asked)?, &bench.control)?.report.slices);
        }
        Ok(most)
    };
    let mut rows = Vec::new();
    let (work, aim) = ("segments of a cut of an ffmpeg-made file, most of 121", "at most 4");
    if bench.has_ffmpeg {
        // At keyframes and between them: how streams lie beside each other is another at every place.
        let starts = (0..60).flat_map(|i| [10.0 + 16.0 * f64::from(i), 7.0 + 17.3 * f64::from(i)]);
        let ranges: Vec<_> = starts.map(|from| (from, from + 30.0)).chain([LONG]).collect();
        let count = most(&bench.shelf.long()?, &ranges)?;
        rows.push(Row::new(work, aim, count.to_string(), count <= 4));
    } else {
        rows.push(Row::skipped(work, aim, "NO ffmpeg to make it"));
    }
    let (work, aim) = ("segments of a cut of world.mp4, most of 4", "at most 8");
    match footage("world.mp4") {
        Some(path) => {
            let count = most(&path, &[(0.0, 10.0), (5.0, 15.0), (12.3, 25.0), (1.0, 29.0)])?;
            rows.push(Row::new(work, aim, count.to_string(), count <= 8));
        }
        None => rows.push(Row::skipped(work, aim, "../shared/media is not here")),
    }
    Ok(rows)
}

/// Rounds of what writes a file: the machine's noise is larger there.
const ROUNDS: usize = 9;

/// How long saving takes: the rope alone, and with the cut.
struct Saved {
    save: f64,
    with_cut: f64,
    reference: f64,
    /// How many extents of the file are shared, and how many there are.
    extents: (usize, usize),
}

/// Saves the 918 MB cut of a source beside it, in turn with the reference. Each begins when the disk is idle,
/// and its file is gone before it is written to the disk: none waits for what the other wrote.
fn save_beside(bench: &Bench, source: &Path, reference: Run<'_>) -> Outcome<Saved> {
    system::warm(source)?;
    let media = open(source)?;
    let path = source.with_file_name("out-cut.mp4");
    drop(fs::remove_file(&path));
    let mut whole = Times::default();
    let save = |clip: &Clip| Ok(clip.rope.save(&path, SaveOptions::new(), &bench.control)?);
    let mut ours = || {
        system::settle()?;
        let (clip, cutting) = timed(|| bench.long_cut(&media))?;
        let ((), saving) = timed(|| save(&clip))?;
        whole.push(cutting + saving);
        fs::remove_file(&path)?;
        Ok(saving)
    };
    let [took, reference] = in_turn(ROUNDS, [&mut ours, reference])?;
    // Once more, to look at.
    save(&bench.long_cut(&media)?)?;
    let extents = system::extents(&path);
    fs::remove_file(&path)?;
    Ok(Saved { save: took, with_cut: whole.median().unwrap_or(f64::NAN), reference, extents: extents? })
}

/// That cut as a file: on this disk against cp, and where the file system can share blocks.
fn saves(bench: &mut Bench) -> Outcome<Vec<Row>> {
    let long = bench.shelf.long()?;
    let (model, copy) = (bench.shelf.path("out-model.mp4"), bench.shelf.path("out-cp.mp4"));
    system::require_space(&bench.shelf.path(""), 3 << 30)?;
    let clip = bench.long_cut(&open(&long)?)?;
    clip.rope.save(&model, SaveOptions::new().overwrite(true), &bench.control)?;
    system::warm(&model)?;
    drop(fs::remove_file(&copy));
    let (from, to) = (text(&model)?, text(&copy)?);
    let mut cp = || {
        system::settle()?;
        let (_, took) = timed(|| system::run("cp", &[from, to]))?;
        fs::remove_file(&copy)?;
        Ok(took)
    };
    let here = save_beside(bench, &long, &mut cp);
    drop(fs::remove_file(&model));
    let here = here?;

    let kind = system::run("stat", &["-f", "-c", "%T", text(&long)?])?.trim().replace("ext2/ext3", "ext4");
    let cp = here.reference;
    let both = |saved: &Saved| format!("{} (cut and save {})", time(saved.save), time(saved.with_cut));
    let ratio = format!("{:.2} (cut and save {:.2})", here.save / cp, here.with_cut / cp);
    let work = format!("that {} cut saved to {kind}", size(clip.rope.len()));
    let mut rows = vec![
        Row::new(&work, "at most 1.15x cp", both(&here), here.save <= 1.15 * cp)
            .against(format!("cp {}", time(cp)), ratio),
    ];
    for kind in ["xfs", "btrfs"] {
        let work = format!("the same saved to {kind}");
        let aim = "10x ext4, blocks shared";
        let shared = || -> Outcome<Row> {
            let mount = Mount::new(&bench.shelf.path(""), kind, 4 << 30)?;
            let source = mount.dir.join("source.mp4");
            system::run("cp", &["--reflink=never", text(&long)?, text(&source)?])?;
            let saved = save_beside(bench, &source, &mut || Ok(Duration::ZERO))?;
            let (shared, all) = saved.extents;
            let measured = format!("{}, {shared} of {all} extents shared", both(&saved));
            let met = saved.save * 10.0 <= here.save && shared > 0;
            let ratio = format!(
                "{:.0}x (cut and save {:.1}x)",
                here.save / saved.save,
                here.with_cut / saved.with_cut
            );
            Ok(Row::new(&work, aim, measured, met).against(time(here.save), ratio))
        };
        rows.push(shared().unwrap_or_else(|error| Row::skipped(&work, aim, &error.to_string())));
    }
    Ok(rows)
}

/// In the child: the cut alone, and what the kernel says was the most.
fn child(path: &Path) {
    let done = || -> Outcome<()> {
        let clip = cut(&open(path)?, &range(LONG)?, &Control::default())?;
        let [most, files] = ["VmHWM", "RssFile"].map(|key| system::status("self", key).unwrap_or(0));
        println!("{} with {} of file pages", size(most), size(files));
        drop(black_box(clip));
        Ok(())
    };
    if let Err(error) = done() {
        eprintln!("{error}");
        std::process::exit(1);
    }
}

/// The most memory of that cut that is no page of a file.
fn memory(bench: &mut Bench) -> Outcome<Vec<Row>> {
    let long = bench.shelf.long()?;
    system::warm(&long)?;
    let mut most = 0;
    let mut said = String::new();
    for _ in 0..3 {
        let mut child = Command::new(std::env::current_exe()?)
            .env(CHILD, &long)
            .stdout(std::process::Stdio::piped())
            .spawn()?;
        let mut out = child.stdout.take().ok_or("no output")?;
        most = most.max(system::peak_anonymous(child)?);
        said.clear();
        out.read_to_string(&mut said)?;
    }
    let measured = format!("{} (VmHWM {})", size(most), said.trim());
    let row = Row::new("peak memory of that cut, open included", "at most 64 MiB", measured, most <= MEMORY);
    if !bench.has_ffmpeg {
        return Ok(vec![row.against("missing", "NO ffmpeg")]);
    }
    let to = bench.shelf.path("out-ffmpeg.mp4");
    let arguments = by_ffmpeg(LONG, &long)?;
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let theirs = system::peak_anonymous(system::ffmpeg_command(&arguments, &to).spawn()?)?;
    fs::remove_file(&to)?;
    Ok(vec![row.against(size(theirs), format!("{:.1}x", theirs as f64 / most.max(1) as f64))])
}

/// What it takes to compare a cut with its source, beside decoding both.
fn verifies(bench: &mut Bench) -> Outcome<Vec<Row>> {
    const RANGE: (f64, f64) = (31.0, 41.5);
    let (clip, to) = (bench.shelf.clip()?, bench.shelf.path("out-verify.mp4"));
    let made = cut(&open(&clip)?, &range(RANGE)?.mode(CutMode::Encode), &bench.control)?;
    made.rope.save(&to, SaveOptions::new().overwrite(true), &bench.control)?;
    system::warm(&clip)?;
    system::warm(&to)?;
    let control = bench.control.clone();
    let asked = Verify::new().keep(TimeRange::secs(RANGE.0, RANGE.1)?);
    let mut ours = || {
        let (found, took) = timed(|| Ok(asked.check(&open(&clip)?, &open(&to)?, &control)?))?;
        match found.pictures {
            Some(pictures) if pictures.found == pictures.expected => Ok(took),
            _ => Err("a cut of ours lacks pictures".into()),
        }
    };
    let (from, length) = (RANGE.0.to_string(), (RANGE.1 - RANGE.0).to_string());
    let of_source = ["-ss", &from, "-t", &length, "-i", text(&clip)?, "-f", "null"];
    let of_output = ["-i", text(&to)?, "-f", "null"];
    let (work, aim) = ("verify of 10.5 s of the 120 s clip, encoded", "at least 0.8x one decode of both");
    let mut theirs = || {
        let null = Path::new("-");
        Ok(system::ffmpeg(&of_source, null)? + system::ffmpeg(&of_output, null)?)
    };
    if !bench.has_ffmpeg {
        let [ours] = in_turn(5, [&mut ours as Run<'_>])?;
        return Ok(vec![
            Row::new(work, aim, time(ours), table::Met::Unknown).against("missing", "NO ffmpeg"),
        ]);
    }
    let [ours, theirs] = in_turn(5, [&mut ours as Run<'_>, &mut theirs])?;
    fs::remove_file(&to)?;
    let ratio = theirs / ours;
    Ok(vec![Row::new(work, aim, time(ours), ratio >= 0.8).against(time(theirs), format!("{ratio:.2}x"))])
}

/// That no payload goes through memory.
fn payload(bench: &mut Bench) -> Outcome<Vec<Row>> {
    let mut files: Vec<PathBuf> = Vec::new();
    let mut missing = Vec::new();
    for encoder in ["libx264", "libx265"] {
        match bench.shelf.small(encoder)? {
            Some(path) => files.push(path),
            None => missing.push(format!("NO {encoder}")),
        }
    }
    let real = ["world.mp4", "hevc-cra-rasl.mp4", "bikes.mp4", "lena.m4a"];
    let found: Vec<_> = real.iter().filter_map(|name| footage(name)).collect();
    if found.len() < real.len() {
        missing.push("NO ../shared/media".into());
    }
    files.extend(found);
    let (mut copied, mut shared) = (0, 0);
    let mut names = Vec::new();
    for path in &files {
        let media = open(path)?;
        let all = media.duration().ok_or("no duration")?.as_secs_f64();
        let two =
            Cut::new().keep(TimeRange::secs(0.1 * all, 0.4 * all)?).keep(TimeRange::secs(0.5 * all, all)?);
        let twice = [Source::open(path)?, Source::open(path)?];
        let clips = [
            cut(&media, &two.format("mp4"), &bench.control)?,
            join(&twice, &Join::new().format("mp4"), &bench.control)?,
            remux(&media, &Remux::new().format("mp4"), &bench.control)?,
        ];
        for clip in clips {
            copied += clip.report.payload_copied;
            shared += clip.report.payload_shared;
        }
        let codecs = media.info().streams.iter().map(|stream| stream.codec.clone());
        names.push(codecs.collect::<Vec<_>>().join("+"));
    }
    names.sort();
    names.dedup();
    names.extend(missing);
    let work = format!("payload_copied, MP4 cut, join, remux ({})", names.join(", "));
    let measured = format!("{copied} ({} shared)", size(shared));
    Ok(vec![Row::new(&work, "0", measured, copied == 0 && shared > 0)])
}

/// Bytes of an MP4 that are not in its `mdat`: tables and headers.
fn tables(path: &Path) -> Outcome<u64> {
    let mut file = fs::File::open(path)?;
    let len = file.metadata()?.len();
    let (mut at, mut sum) = (0, 0);
    while at + 8 <= len {
        let mut head = [0; 16];
        file.seek(SeekFrom::Start(at))?;
        let got = file.read(&mut head)?;
        let [a, b, c, d, kind @ ..] = head;
        let kind = [kind[0], kind[1], kind[2], kind[3]];
        let box_len = match u32::from_be_bytes([a, b, c, d]) {
            0 => len - at,
            1 if got == 16 => u64::from_be_bytes(head[8..].try_into()?),
            small => small.into(),
        };
        if box_len < 8 {
            return Err("a box without a length".into());
        }
        sum += if &kind == b"mdat" { 16 } else { box_len };
        at += box_len;
    }
    Ok(sum)
}

/// What is read of a source for a rope, and whether its payload stays out of a cold cache.
fn reads(bench: &mut Bench) -> Outcome<Vec<Row>> {
    let (clip, long) = (bench.shelf.clip()?, bench.shelf.long()?);
    let mut rows = Vec::new();
    for (what, path, asked) in [("10 s", clip, SHORT), ("900 s", long, LONG)] {
        let index = tables(&path)?;
        system::cool(&path)?;
        let before = system::cached(&path)?;
        let report = cut(&open(&path)?, &range(asked)?, &bench.control)?.report;
        let after = system::cached(&path)?;
        let most = index + report.payload_shared / 100;
        let aim = format!("at most {} (tables {} + 1 %)", size(most), size(index));
        let row = |work: String, bytes: u64, measured: String| Row::new(&work, &aim, measured, bytes <= most);
        rows.push(row(
            format!("bytes_read for a Rope of {what} ({})", size(report.payload_shared)),
            report.bytes_read,
            size(report.bytes_read),
        ));
        let grown = after.saturating_sub(before);
        let measured = format!("{} ({} before, {} after)", size(grown), size(before), size(after));
        rows.push(row(
            format!("pages of the source that this brings into a cold cache, {what}"),
            grown,
            measured,
        ));
        system::warm(&path)?;
    }
    Ok(rows)
}

/// Joins of many parts.
fn joins(bench: &mut Bench) -> Outcome<Vec<Row>> {
    let control = bench.control.clone();
    let parts = bench.shelf.parts(1000)?;
    for part in &parts {
        system::warm(part)?;
    }
    let settings = Join::new().format("mp4");
    let all = |count: usize| -> Outcome<Clip> {
        let sources = parts.iter().take(count).map(Source::open).collect::<Result<Vec<_>, _>>()?;
        Ok(join(&sources, &settings, &control)?)
    };
    let report = all(100)?.report;
    let packets = report.packets as f64 / 100.0;
    let list = bench.shelf.path("out-parts.txt");
    let lines: Vec<_> = parts.iter().take(100).map(|part| format!("file '{}'\n", part.display())).collect();
    fs::write(&list, lines.concat())?;
    let concat: Vec<String> = ["-f", "concat", "-safe", "0", "-i", text(&list)?, "-c", "copy", "-f", "mp4"]
        .map(String::from)
        .to_vec();
    let mut ours = || Ok(timed(|| Ok(black_box(all(100)?)))?.1);
    let took = bench.against_ffmpeg("join 100 parts", 3, &mut ours, &concat)?;
    fs::remove_file(&list)?;
    let measured = format!(
        "{} copied, {}, {} packets, {} segments",
        report.payload_copied,
        time(took.0),
        report.packets,
        report.slices
    );
    let work = format!("join of 100 parts ({}, H.264 and AAC)", size(report.output_bytes));
    let first = Row::new(&work, "0 payload bytes copied", measured, report.payload_copied == 0);
    let first = first.against(took.1.map_or("missing".into(), time), times_faster(took.0, took.1));

    let run = |count: usize, often: u32| -> Outcome<Duration> {
        let mut sum = Duration::ZERO;
        for _ in 0..often {
            sum += timed(|| Ok(black_box(all(count)?)))?.1;
        }
        Ok(sum / often)
    };
    let [ten, hundred, thousand] =
        in_turn(5, [&mut || run(10, 20), &mut || run(100, 2), &mut || run(1000, 1)])?;
    let each = |took: f64, parts: f64| took / parts / packets * 1e9;
    let (ten, hundred, thousand) = (each(ten, 10.0), each(hundred, 100.0), each(thousand, 1000.0));
    let measured = format!("{hundred:.0} ns at 100, {thousand:.0} ns at 1000");
    let second = Row::new(
        "its time a packet, as parts grow in number",
        &format!("linear (at most {LINEAR}x)"),
        measured,
        thousand <= LINEAR * ten && hundred <= LINEAR * ten,
    );
    let second = second.against(format!("{ten:.0} ns at 10"), format!("{:.2}", thousand / ten));
    Ok(vec![first, second])
}

/// MP4 into MP4 by tables, against the same by libav in the same run.
fn roads(bench: &mut Bench) -> Outcome<Vec<Row>> {
    let (clip, long) = (bench.shelf.clip()?, bench.shelf.long()?);
    let hours = bench.shelf.ten_hours()?;
    let control = bench.control.clone();
    [&clip, &long, &hours].into_iter().try_for_each(|path| system::warm(path))?;
    let mut rows = Vec::new();
    let run = |media: &Media, settings: &Cut, often: u32| {
        let work =
            || (0..often).try_for_each(|_| cut(media, settings, &control).map(|clip| drop(black_box(clip))));
        Ok(timed(|| Ok(work()?))?.1 / often)
    };
    let by = |settings: Cut, road: Road| settings.road(road);
    let (short, most) = (range(SHORT)?, range(LONG)?);

    let media = open(&clip)?;
    let (ours, theirs) = (by(short.clone(), Road::Tables), by(short.clone(), Road::Libav));
    let [a, b] = in_turn(20, [&mut || run(&media, &ours, 20), &mut || run(&media, &theirs, 5)])?;
    let faster = |a: f64, b: f64| format!("{:.1}x", b / a);
    let note = "10 s cut on an open Media, to a rope";
    rows.push(
        Row::new(note, "60 us, 10x libav's", time(a), a <= 60e-6 && a * 10.0 <= b)
            .against(time(b), faster(a, b)),
    );
    let opened = |settings: &Cut| timed(|| Ok(black_box(cut(&open(&clip)?, settings, &control)?)));
    let [c, d] = in_turn(20, [&mut || Ok(opened(&ours)?.1), &mut || Ok(opened(&theirs)?.1)])?;
    rows.push(
        Row::new("the same, open included", "4x libav's", time(c), c * 4.0 <= d)
            .against(time(d), faster(c, d)),
    );

    for (path, work, settings) in
        [(&long, "900 s cut of 1.95 GB", most), (&hours, "nearly all of 10 h", range((1.0, 35_999.0))?)]
    {
        let media = open(path)?;
        let packets = cut(&media, &settings, &control)?.report.packets as f64;
        let (ours, theirs) = (by(settings.clone(), Road::Tables), by(settings, Road::Libav));
        let [a, b] = in_turn(5, [&mut || run(&media, &ours, 1), &mut || run(&media, &theirs, 1)])?;
        let each = |took: f64| format!("{:.0} ns a packet", took / packets * 1e9);
        let work = format!("{work} ({packets} packets) on an open Media");
        rows.push(
            Row::new(&work, "40 ns a packet", each(a), a / packets <= 40e-9).against(each(b), faster(a, b)),
        );
    }

    // Libav's index is made for the first packet that is read.
    let tiny = range((0.0, 0.1))?.road(Road::Libav);
    let [a, b] = in_turn(
        10,
        [&mut || Ok(timed(|| Ok(black_box(open(&long)?)))?.1), &mut || {
            let media = open(&long)?;
            Ok(timed(|| Ok(black_box(cut(&media, &tiny, &control)?)))?.1)
        }],
    )?;
    let work = "open of 1.95 GB, against libav's index of it";
    rows.push(Row::new(work, "5x", time(a), a * 5.0 <= b).against(time(b), faster(a, b)));

    let seconds = |i: u64| (i.wrapping_mul(0x9e37_79b9) % 109_000) as f64 / 1000.0;
    let begun = std::time::Instant::now();
    let mut count: u64 = 0;
    while begun.elapsed() < Duration::from_secs(2) {
        let from = seconds(count);
        black_box(cut(&media, &range((from, from + 10.0))?, &control)?);
        count += 1;
    }
    let rate = count as f64 / begun.elapsed().as_secs_f64();
    let work = "cuts a second from one Media on one core, random ranges of 10 s";
    rows.push(Row::new(work, "15,000", format!("{rate:.0}"), rate >= 15_000.0));

    let (media, tables) = (open(&hours)?, tables(&hours)?);
    let settings = range((10.0, 20.0))?;
    std::thread::scope(|scope| {
        let cuts: Vec<_> =
            (0..16).map(|_| scope.spawn(|| cut(&media, &settings, &control).is_ok())).collect();
        cuts.into_iter().all(|cut| cut.join().unwrap_or(false))
    });
    let held = media.memory();
    let aim = "1.15 x the tables";
    let work = format!("memory of an open Media of 10 h after a burst of 16 cuts (tables {})", size(tables));
    rows.push(Row::new(&work, aim, size(held), held as f64 <= tables as f64 * 1.15));
    Ok(rows)
}

/// An MP4's own tables, read without libav, against libav's index of the same file.
fn samples(bench: &mut Bench) -> Outcome<Vec<Row>> {
    let path = bench.shelf.long()?;
    let source = Source::open(&path)?;
    let found = inspect(&source, &bench.control)?;
    let count: u64 = found.tracks.iter().map(|track| track.samples).sum();
    let walk = || {
        found
            .tracks
            .iter()
            .map(|track| {
                found
                    .samples(track.id, 0..u64::MAX)
                    .map(|s| s.offset ^ u64::from(s.size))
                    .fold(0, u64::wrapping_add)
            })
            .fold(0, u64::wrapping_add)
    };
    let [walked] = in_turn(10, [&mut || timed(|| Ok(black_box(walk()))).map(|(_, took)| took)])?;
    let each = walked * 1e9 / count as f64;
    let (held, tables): (u64, u64) =
        (found.tracks.iter().map(|track| track.index_bytes).sum(), tables(&path)?);
    Ok(vec![
        Row::new(
            "a walk over all samples, each in a chunk of its own",
            "20 ns each",
            format!("{each:.1} ns"),
            each <= 20.0,
        ),
        Row::new(
            &format!("memory of that index (tables {})", size(tables)),
            "1.15 x the tables",
            size(held),
            held as f64 <= tables as f64 * 1.15,
        ),
    ])
}
