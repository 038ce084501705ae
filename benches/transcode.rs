//! What transcoding costs, beside `ffmpeg` with the same settings and threads in the same run: `cargo bench
//! --bench transcode` prints a table of aims and figures. `-- speed` does the rows of that name alone: speed,
//! filter, start, sound, live, memory.

#![forbid(unsafe_code)]

mod support;

use avrope::{
    Control, Media, Sink, Source, Transcode, libav_version, transcode,
    transcode::{AudioCodec, AudioSettings, Fragment, VideoCodec, VideoSettings},
    transcode_to,
};
use criterion::Criterion;
use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};
use support::{
    Outcome,
    measure::{duel, in_turn, timed},
    media::{Shelf, footage, text},
    system,
    table::{self, Row, size, time},
};

/// Names the file that a child of this bench transcodes, for its parent to look at its memory; the output
/// comes behind.
const CHILD: &str = "AVROPE_BENCH_TRANSCODE";

struct Bench {
    criterion: Criterion,
    shelf: Shelf,
    control: Control,
}

type Rows = fn(&mut Bench) -> Outcome<Vec<Row>>;
const ROWS: [(&str, Rows); 6] = [
    ("speed", speed),
    ("filter", filters),
    ("start", start),
    ("sound", sound),
    ("live", live),
    ("memory", memory),
];

fn main() {
    if let Ok(paths) = std::env::var(CHILD) {
        return child(&paths);
    }
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let has = |flag: &str| arguments.iter().any(|a| a == flag);
    if !has("--bench") || has("--list") || has("--test") {
        println!("benches/transcode.rs measures under `cargo bench` alone");
        return;
    }
    let filter = arguments.iter().find(|a| !a.starts_with('-'));
    ffmpeg_next::log::set_level(ffmpeg_next::log::Level::Error);
    let Some(version) = system::ffmpeg_version() else {
        return eprintln!("\nNO ffmpeg ON THE PATH: THERE IS NOTHING TO MEASURE AGAINST\n");
    };
    let (begun, load) = (Instant::now(), system::load());
    let shelf = match Shelf::new(true) {
        Ok(shelf) => shelf,
        Err(error) => return eprintln!("no folder for media: {error}"),
    };
    let criterion = Criterion::default().without_plots().configure_from_args();
    let mut bench = Bench { criterion, shelf, control: Control::default() };
    let mut rows = Vec::new();
    for (name, work) in ROWS {
        if filter.is_some_and(|filter| !name.contains(filter.as_str())) {
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
    println!("reference: {version}");
    println!("medians, page cache warm; in all {:.0} s\n", begun.elapsed().as_secs_f64());
    table::print(&rows);
    println!();
}

fn h264(preset: &str) -> Transcode {
    Transcode::new()
        .format("mp4")
        .video(VideoSettings::new().codec(VideoCodec::H264).encoder_preset(preset))
        .audio(AudioSettings::new().codec(AudioCodec::Aac).bit_rate(128_000))
}

fn by_ffmpeg<'a>(input: &'a str, preset: &'a str) -> Vec<&'a str> {
    vec!["-i", input, "-c:v", "libx264", "-preset", preset, "-c:a", "aac", "-b:a", "128k"]
}

/// Opens and transcodes a file into a file.
fn to_file(input: &Path, settings: &Transcode, to: &Path) -> Outcome<Duration> {
    let run = || -> Outcome<()> {
        let media = Media::open(Source::open(input)?)?;
        transcode_to(&media, settings, Sink::replace(to), &Control::default())?;
        Ok(())
    };
    Ok(timed(run)?.1)
}

fn child(paths: &str) {
    let Some((input, output)) = paths.split_once('\n') else { return };
    let preset = if output.contains("ultrafast") { "ultrafast" } else { "veryfast" };
    if let Err(error) = to_file(input.as_ref(), &h264(preset), output.as_ref()) {
        eprintln!("{error}");
        std::process::exit(1);
    }
}

/// The most memory of a process that transcodes a file.
fn our_memory(input: &Path, output: &Path) -> Outcome<u64> {
    let paths = format!("{}\n{}", text(input)?, text(output)?);
    let peak = system::peak_memory(Command::new(std::env::current_exe()?).env(CHILD, paths).spawn()?);
    drop(fs::remove_file(output));
    peak
}

fn their_memory(input: &Path, preset: &str, output: &Path) -> Outcome<u64> {
    let peak = system::peak_memory(system::ffmpeg_command(&by_ffmpeg(text(input)?, preset), output).spawn()?);
    drop(fs::remove_file(output));
    peak
}

fn row(work: &str, aim: f64, ours: f64, theirs: f64) -> Row {
    let ratio = theirs / ours;
    Row::new(work, &format!("{aim}x"), time(ours), ratio >= aim).against(time(theirs), format!("{ratio:.2}x"))
}

/// 30 s of 1080p, and what it takes in memory.
fn speed(bench: &mut Bench) -> Outcome<Vec<Row>> {
    let input = bench.shelf.video((1920, 1080), 30)?;
    let (ours_to, theirs_to) = (bench.shelf.path("out-veryfast.mp4"), bench.shelf.path("out-ffmpeg.mp4"));
    let arguments = by_ffmpeg(text(&input)?, "veryfast");
    let settings = h264("veryfast");
    let [ours, theirs] = in_turn(
        5,
        [&mut || to_file(&input, &settings, &ours_to), &mut || system::ffmpeg_once(&arguments, &theirs_to)],
    )?;
    let (a, b) = (our_memory(&input, &ours_to)?, their_memory(&input, "veryfast", &theirs_to)?);
    let memory = Row::new("its peak memory", "at most ffmpeg's", size(a), a <= b)
        .against(size(b), format!("{:.2}", a as f64 / b as f64));
    Ok(vec![row("30 s 1080p H.264 to H.264 veryfast", 1.0, ours, theirs), memory])
}

/// 30 s of 720p, scaled, into cheap encoders.
fn filters(bench: &mut Bench) -> Outcome<Vec<Row>> {
    let input = bench.shelf.video((1280, 720), 30)?;
    let aim = if libav_version().starts_with("59.") { 1.15 } else { 1.0 };
    let mut rows = Vec::new();
    for (name, codec, format, extra) in
        [("MPEG-4", VideoCodec::Mpeg4, "mp4", Some(2_000_000)), ("FFV1", VideoCodec::Ffv1, "mkv", None)]
    {
        let mut video = VideoSettings::new().codec(codec).size(640, 360);
        if let Some(rate) = extra {
            video = video.bit_rate(rate);
        }
        let settings =
            Transcode::new().format(format).video(video).audio(AudioSettings::new().codec(AudioCodec::None));
        let (to, theirs_to) =
            (bench.shelf.path(&format!("out.{format}")), bench.shelf.path(&format!("out-ffmpeg.{format}")));
        let mut arguments = vec!["-i", text(&input)?, "-an", "-vf", "scale=640:360", "-c:v"];
        arguments.extend(if extra.is_some() {
            ["mpeg4", "-b:v", "2M"].as_slice()
        } else {
            ["ffv1"].as_slice()
        });
        let [ours, theirs] = in_turn(
            7,
            [&mut || to_file(&input, &settings, &to), &mut || system::ffmpeg_once(&arguments, &theirs_to)],
        )?;
        drop(fs::remove_file(&to));
        rows.push(row(&format!("30 s 720p decode, scale, {name}"), aim, ours, theirs));
    }
    Ok(rows)
}

/// Clips so short that a process's start counts.
fn start(bench: &mut Bench) -> Outcome<Vec<Row>> {
    // The real films at hand are mute.
    let voice = footage("lena.mp3").unwrap_or_default();
    let picture = ["-i", text(&voice)?, "-t", "1", "-vf", "scale=320:180", "-c:v", "libx264", "-c:a", "aac"];
    let filmed = bench.shelf.of_footage("bikes.mp4", &picture, "bikes-320x180-1s.mp4")?;
    let generated = bench.shelf.video((320, 180), 1)?;
    let to = bench.shelf.path("out-ffmpeg.mp4");
    let settings = h264("veryfast");
    let mut rows = Vec::new();
    for (what, input) in [("film and a voice", filmed), ("generated", Some(generated))] {
        let work = format!("1 s 320x180 clip, {what}");
        let Some(input) = input else {
            rows.push(Row::skipped(&work, "3.5x", "no footage here"));
            continue;
        };
        let arguments = by_ffmpeg(text(&input)?, "veryfast");
        let (ours, theirs) = duel(
            &mut bench.criterion,
            ("transcode", &format!("start, {what}")),
            3,
            &mut || {
                let run = || -> Outcome<_> {
                    Ok(transcode(&Media::open(Source::open(&input)?)?, &settings, &Control::default())?)
                };
                Ok(timed(run)?.1)
            },
            Some(&mut || system::ffmpeg_once(&arguments, &to)),
        )?;
        rows.push(row(&work, 3.5, ours, theirs.unwrap_or(f64::NAN)));
    }
    Ok(rows)
}

/// MP3 to M4A, in memory: a recording of one channel as most of what is said is, and a stereo tone.
fn sound(bench: &mut Bench) -> Outcome<Vec<Row>> {
    let recording = bench.shelf.of_footage("lena.mp3", &["-t", "10", "-c", "copy"], "recording-10s.mp3")?;
    let tone = bench.shelf.tone()?;
    let to = bench.shelf.path("out-ffmpeg.m4a");
    let settings =
        Transcode::new().format("m4a").audio(AudioSettings::new().codec(AudioCodec::Aac).bit_rate(128_000));
    let control = bench.control.clone();
    let mut rows = Vec::new();
    for (what, input) in [("recording, mono", recording), ("tone, stereo", Some(tone))] {
        let work = format!("10 s MP3 to AAC M4A in memory, {what}");
        let Some(input) = input else {
            rows.push(Row::skipped(&work, "1.6x", "no recording here"));
            continue;
        };
        let bytes = bytes::Bytes::from(fs::read(&input)?);
        let arguments = ["-i", text(&input)?, "-c:a", "aac", "-b:a", "128k"];
        let (ours, theirs) = duel(
            &mut bench.criterion,
            ("transcode", &format!("sound, {what}")),
            3,
            &mut || {
                let run = || -> Outcome<_> {
                    let media = Media::open(Source::from_bytes(bytes.clone()))?;
                    Ok(transcode(&media, &settings, &control)?.rope.to_bytes()?)
                };
                Ok(timed(run)?.1)
            },
            Some(&mut || system::ffmpeg_once(&arguments, &to)),
        )?;
        rows.push(row(&work, 1.6, ours, theirs.unwrap_or(f64::NAN)));
    }
    Ok(rows)
}

/// How long until a reader has seen the first fragment's media, of all that it has been given so far.
fn first_media(begun: Instant, mut next: impl FnMut(&mut Vec<u8>) -> Outcome<bool>) -> Outcome<Duration> {
    let mut seen = Vec::new();
    while next(&mut seen)? {
        // The first fragment's box of media, behind its moof.
        let moof = seen.windows(4).position(|word| word == b"moof");
        if moof
            .is_some_and(|at| seen.get(at..).is_some_and(|rest| rest.windows(4).any(|word| word == b"mdat")))
        {
            return Ok(begun.elapsed());
        }
    }
    Err("no media came".into())
}

/// From nothing to the first fragment of a live stream.
fn live(bench: &mut Bench) -> Outcome<Vec<Row>> {
    let input = bench.shelf.video((1280, 720), 30)?;
    let settings = Transcode::new()
        .format("mp4")
        .fragment(Fragment::Frame)
        .video(VideoSettings::new().codec(VideoCodec::H264).encoder_preset("veryfast").tune("zerolatency"))
        .audio(AudioSettings::new().codec(AudioCodec::Aac).bit_rate(128_000));
    let path = text(&input)?;
    let mut ours = || -> Outcome<Duration> {
        let begun = Instant::now();
        let (sender, mut chunks) = avrope::io::channel(4);
        let token = avrope::control::CancelToken::new();
        let control = Control::new().cancel_token(token.clone());
        std::thread::scope(|scope| {
            let settings = &settings;
            scope.spawn(move || {
                let run = || -> avrope::Result<_> {
                    let media = Media::open(Source::open(path)?)?;
                    transcode_to(&media, settings, Sink::channel(sender), &control)
                };
                drop(run());
            });
            let took = first_media(begun, |seen| {
                let chunk = chunks.recv();
                if let Ok(Some(chunk)) = &chunk {
                    seen.extend_from_slice(chunk);
                }
                Ok(matches!(chunk, Ok(Some(_))))
            });
            token.cancel();
            took
        })
    };
    let mut theirs = || -> Outcome<Duration> {
        let begun = Instant::now();
        let arguments = [
            "-nostdin",
            "-v",
            "error",
            "-i",
            path,
            "-c:v",
            "libx264",
            "-preset",
            "veryfast",
            "-tune",
            "zerolatency",
            "-c:a",
            "aac",
            "-b:a",
            "128k",
            "-movflags",
            "frag_every_frame+empty_moov+default_base_moof",
            "-f",
            "mp4",
            "-",
        ];
        let mut child =
            Command::new("ffmpeg").args(arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let mut out = child.stdout.take().ok_or("no output")?;
        let mut buffer = vec![0; 1 << 16];
        let took = first_media(begun, |seen| {
            let read = out.read(&mut buffer)?;
            seen.extend_from_slice(buffer.get(..read).unwrap_or_default());
            Ok(read > 0)
        });
        drop(out);
        child.kill()?;
        child.wait()?;
        took
    };
    let [ours, theirs] = in_turn(9, [&mut ours, &mut theirs])?;
    Ok(vec![row("first media bytes of a live fMP4", 5.0, ours, theirs)])
}

/// That memory does not grow with length.
fn memory(bench: &mut Bench) -> Outcome<Vec<Row>> {
    let to: PathBuf = bench.shelf.path("out-ultrafast.mp4");
    let mut peaks = Vec::new();
    for seconds in [60, 600] {
        let input = bench.shelf.video((1920, 1080), seconds)?;
        peaks.push(our_memory(&input, &to)?);
    }
    let [short, long] = peaks.as_slice() else { return Ok(Vec::new()) };
    let ratio = *long as f64 / *short as f64;
    let row = Row::new(
        "peak memory of 10 min 1080p to a file",
        "within 10 % of 1 min's",
        size(*long),
        ratio <= 1.1,
    );
    Ok(vec![row.against(size(*short), format!("{ratio:.2}"))])
}
