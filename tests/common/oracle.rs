//! The oracle: `ffmpeg` and `ffprobe` as they are installed, and what they say of a file.

use super::{footage, kept, run_tool};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::Path,
    process::Command,
    sync::{LazyLock, Mutex, PoisonError},
};

pub fn tool(variable: &str, name: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| name.to_owned())
}

/// Whether ffmpeg and ffprobe are there; says so loudly where they are not.
pub fn has_oracle(test: &str) -> bool {
    // Asked once: to load the tools' two hundred libraries takes longer than many a test.
    static THERE: LazyLock<bool> = LazyLock::new(|| {
        let runs =
            |name: String| Command::new(name).arg("-version").output().is_ok_and(|o| o.status.success());
        runs(tool("AVROPE_FFMPEG", "ffmpeg")) && runs(tool("AVROPE_FFPROBE", "ffprobe"))
    });
    let there = *THERE;
    if !there {
        eprintln!("SKIPPED: {test}: no ffprobe and ffmpeg (set AVROPE_FFMPEG and AVROPE_FFPROBE)");
    }
    there
}

/// Leaves the test where the oracle is missing.
#[macro_export]
macro_rules! oracle {
    ($test:expr) => {
        if !$crate::common::has_oracle($test) {
            return;
        }
    };
}

/// libavformat's major version: 59 is FFmpeg 5.1, 61 is 7.1, 63 is 9.0.
pub fn lavf() -> u32 {
    avrope::libav_version().split('.').next().unwrap().parse().unwrap()
}

fn output(program: String, arguments: &[&str]) -> (Vec<u8>, String) {
    let output = run_tool(&program, arguments);
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{program} {}: {log}", arguments.join(" "));
    (output.stdout, log)
}

const QUIET: [&str; 5] = ["-hide_banner", "-nostdin", "-y", "-v", "warning"];

/// Runs ffmpeg; its stdout and its log (warnings and errors).
pub fn ffmpeg(arguments: &[&str]) -> (Vec<u8>, String) {
    output(tool("AVROPE_FFMPEG", "ffmpeg"), &[&QUIET[..], arguments].concat())
}

/// What a tool prints of a file that nobody changes (a fixture, shared footage), asked once in a process; of
/// others, each time.
fn asked(path: &Path, program: String, arguments: &[&str]) -> (Vec<u8>, String) {
    type Answers = HashMap<String, (Vec<u8>, String)>;
    static ANSWERS: LazyLock<Mutex<Answers>> = LazyLock::new(Mutex::default);
    if ![kept(), footage()].iter().any(|folder| path.starts_with(folder)) {
        return output(program, arguments);
    }
    let answers = || ANSWERS.lock().unwrap_or_else(PoisonError::into_inner);
    let question = format!("{program} {}", arguments.join("\n"));
    let known = answers().get(&question).cloned();
    known.unwrap_or_else(|| {
        // Not under the lock: others ask meanwhile.
        let answer = output(program, arguments);
        answers().insert(question, answer.clone());
        answer
    })
}

/// Runs ffmpeg on an input, with nothing but stdout as an output.
fn ffmpeg_on(path: &Path, arguments: &[&str]) -> (Vec<u8>, String) {
    asked(path, tool("AVROPE_FFMPEG", "ffmpeg"), &[&QUIET[..], arguments].concat())
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
    serde_json::from_slice(&asked(path, tool("AVROPE_FFPROBE", "ffprobe"), &all).0).unwrap()
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
    packets_of(&ffprobe(path, &["-show_packets", "-show_data_hash", "md5"]))
}

fn packets_of(json: &serde_json::Value) -> Vec<Packet> {
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
    let json = ffprobe(path, &["-show_streams", "-show_packets", "-show_data_hash", "md5"]);
    let mut names = BTreeMap::new();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for stream in json["streams"].as_array().unwrap() {
        let kind = stream["codec_type"].as_str().unwrap_or("d");
        let picture = stream["disposition"]["attached_pic"] == 1;
        let kind = if picture { "p".to_owned() } else { kind[..1].to_owned() };
        let count = counts.entry(kind.clone()).or_default();
        names.insert(stream["index"].as_u64().unwrap() as usize, format!("{kind}{count}"));
        *count += 1;
    }
    let mut all = BTreeMap::new();
    for packet in packets_of(&json) {
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
    ffmpeg_on(path, &arguments).0
}

/// Of how many runs of its sources a sequence is made at the least; None if something in it is in no source.
/// (The longest run first is the best choice, because every part of a run is a run.)
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
    // With more threads FFmpeg 9's decoder of FLAC loses samples behind packets that an edit list hides.
    let threads: &[&str] = if stream.starts_with("0:a") { &["-threads", "1"] } else { &[] };
    let mut arguments = [threads, &["-copyts", "-i", path.to_str().unwrap(), "-map", stream]].concat();
    arguments.extend(["-fps_mode", "passthrough", "-enc_time_base", "1:90000"]);
    arguments.extend(options);
    arguments.extend(["-f", "framemd5", "-"]);
    let (text, _) = ffmpeg_on(path, &arguments);
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
    let (_, log) = ffmpeg_on(path, &[&arguments[..], &rest].concat());
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
