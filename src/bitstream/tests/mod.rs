//! What the room reads of real streams, against what ffmpeg's `trace_headers` prints of them.

mod begun;
mod entries;
mod renumbered;
mod sets;

use crate::{Control, Media, Source, StreamKind, av::packet::Packet, media::Item, media::Payloads};
use std::{
    path::{Path, PathBuf},
    process::Command,
};

fn tool() -> String {
    std::env::var("AVROPE_FFMPEG").unwrap_or_else(|_| "ffmpeg".to_owned())
}

/// Whether ffmpeg is there; says so loudly where it is not.
fn has_oracle() -> bool {
    let there = Command::new(tool()).arg("-version").output().is_ok_and(|out| out.status.success());
    if !there {
        eprintln!("SKIPPED: no ffmpeg (set AVROPE_FFMPEG)");
    }
    there
}

/// What ffmpeg prints on its output, and what it complains of.
fn ffmpeg(level: &str, arguments: &[&str]) -> (Vec<u8>, String) {
    let mut command = Command::new(tool());
    command.args(["-hide_banner", "-nostdin", "-nostats", "-y", "-v", level]).args(arguments);
    let out = command.output().unwrap();
    let log = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.success(), "{}: {log}", arguments.join(" "));
    (out.stdout, log)
}

/// A shared clip, if it is there.
fn shared(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/media").join(name);
    if !path.exists() {
        eprintln!("SKIPPED: {} is not there", path.display());
    }
    path.exists().then_some(path)
}

/// Pictures that move, encoded so.
fn made(folder: &Path, name: &str, seconds: u32, encoding: &str) -> PathBuf {
    let path = folder.join(name);
    let source = format!("testsrc2=size=192x112:rate=25:duration={seconds}");
    let mut arguments = vec!["-f", "lavfi", "-i", &source];
    arguments.extend(encoding.split_whitespace());
    arguments.push(path.to_str().unwrap());
    ffmpeg("error", &arguments);
    path
}

/// The picture's codec and extradata, and its packets.
fn read(path: &Path) -> (String, Vec<u8>, Vec<Vec<u8>>) {
    let (codec, extradata, packets) = packets(path);
    (codec, extradata, packets.iter().map(|packet| packet.data().to_vec()).collect())
}

/// When its packets are shown.
fn times(path: &Path) -> Vec<i64> {
    packets(path).2.iter().map(|packet| packet.pts().unwrap()).collect()
}

fn packets(path: &Path) -> (String, Vec<u8>, Vec<Packet>) {
    let control = Control::default();
    let media = Media::open(Source::open(path).unwrap()).unwrap();
    let streams = media.streams();
    let index = streams.iter().position(|stream| stream.kind() == StreamKind::Video).unwrap();
    let mut loan = media.demux(&control, true).unwrap();
    let demux = loan.get().unwrap();
    demux.begin(&[index], Payloads::Read, &control).unwrap();
    let mut item = Item::new().unwrap();
    let mut packets = Vec::new();
    while demux.read(&mut item).unwrap() {
        // Packets of others were read before they were known to be unwanted.
        if item.packet.stream() == index {
            packets.push(item.packet.take().unwrap());
        }
    }
    (streams[index].codec(), streams[index].extradata().to_vec(), packets)
}

/// The hashes of all pictures, in the order in which they are shown, without a complaint.
fn pictures(path: &Path) -> Vec<String> {
    let clip = path.to_str().unwrap();
    // A short stream without an IDR picture is not known for what it is.
    let mut arguments = if clip.ends_with(".h264") { vec!["-f", "h264"] } else { vec![] };
    arguments.extend(["-i", clip, "-map", "0:v", "-fps_mode", "passthrough", "-f", "framemd5", "-"]);
    let (lines, log) = ffmpeg("warning", &arguments);
    // A bare stream has no times.
    let of_times = ["Timestamps are unset", "Estimating duration from bitrate"];
    let log: Vec<_> = log.lines().filter(|line| !of_times.iter().any(|words| line.contains(words))).collect();
    assert!(log.is_empty(), "{}: {log:?}", path.display());
    let lines = String::from_utf8(lines).unwrap();
    let lines = lines.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.rsplit(' ').next().unwrap().to_owned()).collect()
}

/// A packet as `trace_headers` prints it: its size, and the fields with their values, in order.
struct Traced {
    size: usize,
    fields: Vec<(String, i64)>,
}

impl Traced {
    fn all(&self, name: &str) -> Vec<i64> {
        self.fields.iter().filter(|(field, _)| field == name).map(|(_, value)| *value).collect()
    }

    fn first(&self, name: &str) -> Option<i64> {
        self.all(name).first().copied()
    }
}

/// The first is the extradata.
fn traced(path: &Path) -> Vec<Traced> {
    let mut arguments = Vec::new();
    if path.extension().is_some_and(|ending| ending == "mp4") {
        arguments.extend(["-ignore_editlist", "1"]);
    }
    arguments.extend(["-i", path.to_str().unwrap(), "-map", "0:v:0", "-c", "copy", "-copyinkf"]);
    arguments.extend(["-bsf:v", "trace_headers", "-f", "null", "-"]);
    let (_, log) = ffmpeg("trace", &arguments);
    let mut packets = vec![Traced { size: 0, fields: Vec::new() }];
    for line in log.lines() {
        let Some((_, line)) = line.split_once("[trace_headers @ ") else { continue };
        let words: Vec<&str> = line.split_whitespace().skip(1).collect();
        if let ["Packet:", size, ..] = words[..] {
            packets.push(Traced { size: size.parse().unwrap(), fields: Vec::new() });
        } else if let [_, name, .., "=", value] = words[..]
            && let Ok(value) = value.parse()
        {
            packets.last_mut().unwrap().fields.push((name.to_owned(), value));
        }
    }
    packets
}
