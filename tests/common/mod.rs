//! What the tests of correctness share: the oracle (`ffmpeg` and `ffprobe`), fixtures, and a reader of MP4's boxes.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use avrope::{
    Clip, Control, Media, SaveOptions, Source, Transcode,
    synth::{self, Audio, AudioSource, Spec, Video},
    transcode,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::Command,
    sync::Mutex,
};

// ---- the oracle

fn tool(variable: &str, name: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| name.to_owned())
}

/// Whether ffmpeg and ffprobe are there; says so loudly where they are not.
pub fn has_oracle(test: &str) -> bool {
    let runs = |name: String| Command::new(name).arg("-version").output().is_ok_and(|o| o.status.success());
    let there = runs(tool("AVROPE_FFMPEG", "ffmpeg")) && runs(tool("AVROPE_FFPROBE", "ffprobe"));
    if !there {
        eprintln!("SKIPPED: {test}: no ffprobe and ffmpeg (set AVROPE_FFMPEG and AVROPE_FFPROBE)");
    }
    there
}

/// Leaves the test where the oracle is missing.
#[macro_export]
macro_rules! oracle {
    ($test:expr) => {
        if !common::has_oracle($test) {
            return;
        }
    };
}

/// libavformat's major version: 59 is FFmpeg 5.1, 61 is 7.1, 63 is 9.0.
pub fn lavf() -> u32 {
    avrope::libav_version().split('.').next().unwrap().parse().unwrap()
}

fn output(program: String, arguments: &[&str]) -> (Vec<u8>, String) {
    let output = Command::new(&program).args(arguments).output().unwrap();
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{program} {}: {log}", arguments.join(" "));
    (output.stdout, log)
}

/// Runs ffmpeg; its stdout and its log (warnings and errors).
pub fn ffmpeg(arguments: &[&str]) -> (Vec<u8>, String) {
    let all: Vec<&str> =
        ["-hide_banner", "-nostdin", "-y", "-v", "warning"].iter().chain(arguments).copied().collect();
    output(tool("AVROPE_FFMPEG", "ffmpeg"), &all)
}

/// What ffprobe says with these arguments, as JSON.
pub fn ffprobe(path: &Path, arguments: &[&str]) -> serde_json::Value {
    let mut all = vec!["-v", "error"];
    if is_mov(path) {
        // Packets that an edit list hides are seen as well.
        all.extend(["-ignore_editlist", "1"]);
    }
    all.extend(["-of", "json"]);
    all.extend(arguments);
    all.push(path.to_str().unwrap());
    serde_json::from_slice(&output(tool("AVROPE_FFPROBE", "ffprobe"), &all).0).unwrap()
}

pub fn ending(path: &Path) -> &str {
    path.extension().and_then(|e| e.to_str()).unwrap_or("")
}

pub fn is_mov(path: &Path) -> bool {
    matches!(ending(path), "mp4" | "mov" | "m4a")
}

#[derive(Clone, Debug)]
pub struct Packet {
    pub stream: usize,
    pub pts: Option<i64>,
    pub dts: Option<i64>,
    pub size: usize,
    pub key: bool,
    pub hash: String,
}

/// All packets of a file in its order, with the MD5 of their data.
pub fn packets(path: &Path) -> Vec<Packet> {
    let json = ffprobe(path, &["-show_packets", "-show_data_hash", "md5"]);
    let number = |value: &serde_json::Value| value.as_i64();
    let of = |p: &serde_json::Value| Packet {
        stream: p["stream_index"].as_u64().unwrap() as usize,
        pts: number(&p["pts"]),
        dts: number(&p["dts"]),
        size: p["size"].as_str().unwrap().parse().unwrap(),
        key: p["flags"].as_str().unwrap().starts_with('K'),
        hash: p["data_hash"].as_str().unwrap_or_default().to_owned(),
    };
    json["packets"].as_array().unwrap().iter().map(of).collect()
}

/// The hashes of each stream's packets, streams by kind and number: `v0`, `a0`, `a1`, `s0`.
pub fn payload(path: &Path) -> BTreeMap<String, Vec<String>> {
    let streams =
        ffprobe(path, &["-show_entries", "stream=index,codec_type:stream_disposition=attached_pic"]);
    let mut names = BTreeMap::new();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for stream in streams["streams"].as_array().unwrap() {
        let kind = stream["codec_type"].as_str().unwrap_or("d");
        let picture = stream["disposition"]["attached_pic"] == 1;
        let kind = if picture { "p".to_owned() } else { kind[..1].to_owned() };
        let count = counts.entry(kind.clone()).or_default();
        names.insert(stream["index"].as_u64().unwrap() as usize, format!("{kind}{count}"));
        *count += 1;
    }
    let mut all = BTreeMap::new();
    for packet in packets(path) {
        let name = names.get(&packet.stream).cloned().unwrap_or_default();
        all.entry(name).or_insert_with(Vec::new).push(packet.hash);
    }
    all
}

/// A stream's bytes without their division into packets, by ffmpeg.
pub fn raw(path: &Path, stream: &str) -> Vec<u8> {
    let mut arguments = vec![];
    if is_mov(path) {
        arguments.extend(["-ignore_editlist", "1"]);
    }
    arguments.extend(["-i", path.to_str().unwrap(), "-map", stream, "-c", "copy", "-f", "data", "-"]);
    ffmpeg(&arguments).0
}

/// Of how many runs of its sources a sequence is made at the least; None if something in it is in no source. (The
/// longest run first is the best choice, because every part of a run is a run.)
pub fn runs<T: PartialEq>(sequence: &[T], sources: &[&[T]]) -> Option<usize> {
    let (mut at, mut count) = (0, 0);
    while at < sequence.len() {
        let longest = sources
            .iter()
            .flat_map(|source| (0..source.len()).map(|from| &source[from..]))
            .map(|rest| rest.iter().zip(&sequence[at..]).take_while(|(a, b)| a == b).count())
            .max()?;
        if longest == 0 {
            return None;
        }
        (at, count) = (at + longest, count + 1);
    }
    Some(count)
}

#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// Seconds.
    pub time: f64,
    pub hash: String,
}

/// The decoded frames of a stream, at their times in the file.
pub fn frames(path: &Path, stream: &str) -> Vec<Frame> {
    frames_with(path, stream, &[])
}

pub fn frames_with(path: &Path, stream: &str, options: &[&str]) -> Vec<Frame> {
    let mut arguments = vec!["-copyts", "-i", path.to_str().unwrap(), "-map", stream];
    arguments.extend(["-fps_mode", "passthrough", "-enc_time_base", "1:90000"]);
    arguments.extend(options);
    arguments.extend(["-f", "framemd5", "-"]);
    let (text, _) = ffmpeg(&arguments);
    let text = String::from_utf8(text).unwrap();
    let mut base = 1.0;
    let mut frames = Vec::new();
    for line in text.lines() {
        if let Some(ratio) = line.strip_prefix("#tb 0: ") {
            let (num, den) = ratio.trim().split_once('/').unwrap();
            base = num.parse::<f64>().unwrap() / den.parse::<f64>().unwrap();
        } else if !line.starts_with('#') {
            let fields: Vec<&str> = line.split(',').map(str::trim).collect();
            let time = fields[2].parse::<f64>().unwrap() * base;
            frames.push(Frame { time, hash: fields[5].to_owned() });
        }
    }
    frames
}

/// What decoding says at level `warning`, without addresses and numbers.
pub fn complaints(path: &Path) -> BTreeSet<String> {
    let arguments = ["-i", path.to_str().unwrap(), "-map", "0:v?", "-map", "0:a?"];
    let rest = ["-fps_mode", "passthrough", "-enc_time_base:v", "1:1000000", "-f", "null", "-"];
    let (_, log) = ffmpeg(&[&arguments[..], &rest].concat());
    let plain = |line: &str| {
        let line = line.split(" @ 0x").map(|part| part.trim_start_matches(|c: char| c.is_ascii_hexdigit()));
        let line = line.collect::<String>().replace(path.to_str().unwrap(), "FILE");
        line.chars().filter(|c| !c.is_ascii_digit() && *c != '-').collect::<String>().trim().to_owned()
    };
    log.lines()
        .map(plain)
        .filter(|line| !line.is_empty() && !line.contains("Last message repeated"))
        .collect()
}

// ---- fixtures

/// A file in the build's folder that is made once for a version of libav; `make` gets a name to write to.
pub fn cached(name: &str, key: &str, make: impl FnOnce(&Path)) -> PathBuf {
    use std::hash::{DefaultHasher, Hash, Hasher};
    static MAKING: Mutex<()> = Mutex::new(());
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("media-{}", avrope::libav_version()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join(format!("{:08x}-{name}", hasher.finish() as u32));
    let _one_at_a_time = MAKING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if !path.exists() {
        // Other processes may make it, too: a whole file takes its name.
        let part = folder.join(format!("{}-{name}", std::process::id()));
        make(&part);
        std::fs::rename(part, &path).unwrap();
    }
    path
}

pub fn generated(name: &str, spec: &Spec) -> PathBuf {
    cached(name, &format!("{spec:?}"), |path| {
        ffmpeg_next::log::set_level(ffmpeg_next::log::Level::Error);
        synth::to_file(spec, path).unwrap();
    })
}

/// A fixture that ffmpeg makes; the last argument, the output, is added.
pub fn made_by_ffmpeg(name: &str, arguments: &[&str]) -> PathBuf {
    cached(name, &format!("{arguments:?}"), |path| {
        ffmpeg(&[arguments, &[path.to_str().unwrap()]].concat());
    })
}

/// A copy of a file whose picture is to be shown turned by so many degrees, as ffmpeg counts them.
pub fn turned(name: &str, input: &Path, degrees: u32) -> PathBuf {
    let (input, degrees) = (input.to_str().unwrap(), degrees.to_string());
    // FFmpeg 6 took the metadata's way away and gave an option.
    if lavf() < 60 {
        let rotate = format!("rotate={degrees}");
        made_by_ffmpeg(name, &["-i", input, "-c", "copy", "-metadata:s:v", &rotate])
    } else {
        made_by_ffmpeg(name, &["-display_rotation:v", &degrees, "-i", input, "-c", "copy"])
    }
}

pub fn video(encoder: &str, b_frames: u32) -> Video {
    Video {
        encoder: encoder.to_owned(),
        b_frames,
        gop: 25,
        rate: (25, 1),
        size: (192, 108),
        ..Video::default()
    }
}

pub fn audio(encoder: &str) -> Audio {
    Audio {
        encoder: encoder.to_owned(),
        // Noise: no two packets are alike.
        source: AudioSource::Graph("anoisesrc=c=pink:seed=7:a=0.2".into()),
        ..Audio::default()
    }
}

pub struct Fixture {
    pub name: &'static str,
    pub path: PathBuf,
    /// Into which containers its streams go, its own first.
    pub into: &'static [&'static str],
}

/// Generated media: 4.3 s each, a keyframe a second.
pub fn pool() -> Vec<Fixture> {
    type Row = (
        &'static str,
        &'static str,
        Option<(&'static str, u32)>,
        &'static [&'static str],
        &'static [&'static str],
    );
    let table: &[Row] = &[
        ("h264-aac", "mp4", Some(("libx264", 2)), &["aac"], &["mp4", "mov", "mkv", "ts", "flv"]),
        ("h264-no-b", "mkv", Some(("libx264", 0)), &["aac"], &["mkv", "mp4", "ts", "flv"]),
        ("h264-ts", "ts", Some(("libx264", 2)), &["aac"], &["ts", "mp4", "mkv"]),
        ("h264-flv", "flv", Some(("libx264", 2)), &["aac"], &["flv", "mp4", "mkv"]),
        ("hevc-aac", "mp4", Some(("libx265", 2)), &["aac"], &["mp4", "mov", "mkv", "ts"]),
        ("hevc-ts", "ts", Some(("libx265", 2)), &["aac"], &["ts", "mp4", "mkv"]),
        ("av1-opus", "webm", Some(("libsvtav1", 0)), &["libopus"], &["webm", "mp4", "mkv"]),
        ("av1-mp4", "mp4", Some(("libsvtav1", 0)), &["aac"], &["mp4", "mkv"]),
        ("vp9-opus", "webm", Some(("libvpx-vp9", 0)), &["libopus"], &["webm", "mp4", "mkv"]),
        ("mpeg2-mp2", "ts", Some(("mpeg2video", 2)), &["mp2"], &["ts", "mkv", "mp4"]),
        ("mpeg4-mp3", "avi", Some(("mpeg4", 0)), &["libmp3lame"], &["avi", "mp4", "mkv"]),
        ("two-audio", "mp4", Some(("libx264", 2)), &["aac", "aac"], &["mp4", "mkv", "ts"]),
        ("aac-m4a", "m4a", None, &["aac"], &["m4a", "mp4", "aac", "mkv"]),
        ("aac-adts", "aac", None, &["aac"], &["aac", "m4a", "mkv"]),
        ("mp3", "mp3", None, &["libmp3lame"], &["mp3", "mp4", "mkv"]),
        ("opus-ogg", "ogg", None, &["libopus"], &["ogg", "webm", "mp4"]),
        ("flac", "flac", None, &["flac"], &["flac", "mkv", "mp4", "ogg"]),
        ("pcm-wav", "wav", None, &["pcm_s16le"], &["wav", "mov", "mkv", "avi"]),
        ("pcm-mov", "mov", Some(("libx264", 0)), &["pcm_s16le"], &["mov", "mkv"]),
    ];
    let mut all = Vec::new();
    for (name, container, picture, sounds, into) in table {
        let encoders = picture.iter().map(|(encoder, _)| *encoder).chain(sounds.iter().copied());
        if let Some(missing) = encoders.into_iter().find(|encoder| !synth::has_encoder(encoder)) {
            eprintln!("SKIPPED: fixture {name}: this libav has no encoder {missing}");
            continue;
        }
        let spec = Spec {
            duration: 4.3,
            video: picture.map(|(encoder, b_frames)| video(encoder, b_frames)),
            audio: sounds.iter().map(|encoder| audio(encoder)).collect(),
            ..Spec::default()
        };
        all.push(Fixture { name, path: generated(&format!("{name}.{container}"), &spec), into });
    }
    all
}

pub fn fixture(name: &str) -> Option<PathBuf> {
    pool().into_iter().find(|fixture| fixture.name == name).map(|fixture| fixture.path)
}

/// A file of the shared test media; says so loudly where it is not.
pub fn shared(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/media").join(name);
    if !path.exists() {
        eprintln!("SKIPPED: ../shared/media/{name} is not there");
        return None;
    }
    Some(path)
}

// ---- the library

pub fn open(path: &Path) -> Media {
    Media::open(Source::open(path).unwrap()).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Transcodes into a rope.
pub fn run(path: &Path, settings: &Transcode) -> Clip {
    transcode(&open(path), settings, &Control::default())
        .unwrap_or_else(|e| panic!("{}: {settings:?}: {e}", path.display()))
}

/// Transcodes into a file, whose container its name says.
pub fn made(path: &Path, settings: &Transcode, folder: &Path, name: &str) -> PathBuf {
    let settings = settings.clone().format(ending(Path::new(name)));
    save(&run(path, &settings), folder, name)
}

pub fn save(clip: &Clip, folder: &Path, name: &str) -> PathBuf {
    let path = folder.join(name);
    clip.rope.save(&path, SaveOptions::new().overwrite(true), &Control::default()).unwrap();
    path
}

// ---- MP4's boxes (ISO/IEC 14496-12)

#[derive(Debug)]
pub struct Movie {
    /// The boxes of the file, in order.
    pub order: Vec<String>,
    pub scale: u32,
    pub duration: u64,
    pub tracks: Vec<Track>,
}

#[derive(Debug)]
pub struct Track {
    /// `vide`, `soun`…
    pub handler: String,
    /// The first sample description's.
    pub tag: String,
    pub scale: u32,
    /// (length in movie ticks, media time in the track's or -1)
    pub edits: Vec<(u64, i64)>,
    pub samples: u32,
}

impl Movie {
    pub fn read(path: &Path) -> Self {
        Self::parse(&std::fs::read(path).unwrap())
    }

    pub fn parse(file: &[u8]) -> Self {
        let top = boxes(file);
        let order = top.iter().map(|(kind, _)| kind.clone()).collect();
        let moov = find(file, &["moov"]).expect("a moov");
        let mvhd = find(moov, &["mvhd"]).expect("an mvhd");
        let (scale, duration) = header(mvhd);
        let traks = boxes(moov).into_iter().filter(|(kind, _)| kind == "trak");
        let tracks = traks
            .map(|(_, trak)| {
                let stsd = find(trak, &["mdia", "minf", "stbl", "stsd"]).unwrap();
                let stsz = find(trak, &["mdia", "minf", "stbl", "stsz"]).unwrap();
                Track {
                    handler: text(&find(trak, &["mdia", "hdlr"]).unwrap()[8..12]),
                    tag: text(&stsd[12..16]),
                    scale: header(find(trak, &["mdia", "mdhd"]).unwrap()).0,
                    edits: find(trak, &["edts", "elst"]).map(edits).unwrap_or_default(),
                    samples: u32_at(stsz, 8),
                }
            })
            .collect();
        Self { order, scale, duration, tracks }
    }

    pub fn track(&self, handler: &str) -> &Track {
        self.tracks.iter().find(|track| track.handler == handler).expect("a track")
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap())
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_be_bytes(bytes[at..at + 8].try_into().unwrap())
}

/// Kind and content of each box.
fn boxes(mut bytes: &[u8]) -> Vec<(String, &[u8])> {
    let mut all = Vec::new();
    while bytes.len() >= 8 {
        let (head, len) = match u32_at(bytes, 0) {
            0 => (8, bytes.len()),
            1 => (16, u64_at(bytes, 8) as usize),
            len => (8, len as usize),
        };
        all.push((text(&bytes[4..8]), &bytes[head..len]));
        bytes = &bytes[len..];
    }
    all
}

fn find<'a>(bytes: &'a [u8], path: &[&str]) -> Option<&'a [u8]> {
    let (first, rest) = path.split_first()?;
    let (_, content) = boxes(bytes).into_iter().find(|(kind, _)| kind == first)?;
    if rest.is_empty() { Some(content) } else { find(content, rest) }
}

/// Time scale and duration of an mvhd or mdhd.
fn header(bytes: &[u8]) -> (u32, u64) {
    if bytes[0] == 1 {
        (u32_at(bytes, 20), u64_at(bytes, 24))
    } else {
        (u32_at(bytes, 12), u32_at(bytes, 16).into())
    }
}

fn edits(bytes: &[u8]) -> Vec<(u64, i64)> {
    let wide = bytes[0] == 1;
    let entry = |i: usize| {
        if wide {
            (u64_at(bytes, 8 + 20 * i), u64_at(bytes, 16 + 20 * i) as i64)
        } else {
            (u32_at(bytes, 8 + 12 * i).into(), i64::from(u32_at(bytes, 12 + 12 * i) as i32))
        }
    };
    (0..u32_at(bytes, 4) as usize).map(entry).collect()
}
