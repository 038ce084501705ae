//! HLS and DASH: every file goes into a sink of the caller's, players take the result, and nothing half is
//! left.

use crate::common::{self, ffprobe, open};
use avrope::io::{ChunkReceiver, channel};
use avrope::{
    Control, Error, ErrorKind, Report, Result, Sink, Transcode,
    control::CancelToken,
    segments::{SegmentType, Segments},
    synth::Spec,
    transcode::{VideoCodec, VideoSettings},
    transcode_segments,
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

/// Thirteen seconds, 25 pictures each, with sound.
fn clip() -> PathBuf {
    let spec = Spec { duration: 13.0, video: Some(common::video("libx264", 2)), ..Spec::default() };
    common::generated("segments.mkv", &spec)
}

fn quick() -> Transcode {
    Transcode::new().video(VideoSettings::new().codec(VideoCodec::H264).encoder_preset("ultrafast"))
}

type Files = BTreeMap<String, Vec<u8>>;
type Opened = Arc<Mutex<Vec<(String, ChunkReceiver)>>>;

fn collected(segments: &Segments, settings: &Transcode) -> (Files, Report) {
    let opened: Opened = Arc::default();
    let sinks = {
        let opened = opened.clone();
        move |name: &str| {
            let (chunks, receiver) = channel(4096);
            opened.lock().unwrap().push((name.to_owned(), receiver));
            Ok(Sink::channel(chunks))
        }
    };
    let report = transcode_segments(&open(&clip()), settings, segments, sinks, &Control::default()).unwrap();
    let opened = std::mem::take(&mut *opened.lock().unwrap());
    // The last version of a name counts.
    let files = opened
        .into_iter()
        .map(|(name, chunks)| (name, chunks.flat_map(|chunk| chunk.unwrap()).collect()))
        .collect();
    (files, report)
}

fn saved(files: &Files, folder: &Path) {
    for (name, bytes) in files {
        assert!(!name.contains(['/', ':']), "{name}");
        std::fs::write(folder.join(name), bytes).unwrap();
    }
}

fn text(files: &Files, name: &str) -> String {
    String::from_utf8(files[name].clone()).unwrap()
}

fn listing(folder: &Path) -> Vec<String> {
    let name = |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    let mut names: Vec<String> = std::fs::read_dir(folder).unwrap().map(name).collect();
    names.sort();
    names
}

/// A player's view: all pictures, and keyframes at the borders.
fn plays(playlist: &Path, step: f64) {
    let arguments = ["-i", playlist.to_str().unwrap(), "-map", "0:v", "-map", "0:a", "-f", "null", "-"];
    let (_, log) = common::ffmpeg(&arguments);
    assert!(log.trim().is_empty(), "{log}");
    let json = ffprobe(playlist, &["-select_streams", "v", "-show_entries", "packet=pts_time,flags"]);
    let packets = json["packets"].as_array().unwrap();
    assert_eq!(packets.len(), 325, "{}", playlist.display());
    let time = |p: &serde_json::Value| p["pts_time"].as_str().unwrap().parse::<f64>().unwrap();
    let first = packets.iter().map(time).fold(f64::MAX, f64::min);
    let keys = packets.iter().filter(|p| p["flags"].as_str().unwrap().starts_with('K'));
    let keys: Vec<f64> = keys.map(|p| time(p) - first).collect();
    for border in (0..).map(|n| f64::from(n) * step).take_while(|t| *t < 13.0) {
        assert!(keys.iter().any(|key| (key - border).abs() < 0.002), "{border} in {keys:?}");
    }
    let json = ffprobe(playlist, &["-show_entries", "format=duration"]);
    let length: f64 = json["format"]["duration"].as_str().unwrap().parse().unwrap();
    assert!((length - 13.0).abs() < 0.1, "{length}");
}

fn durations(playlist: &str) -> Vec<f64> {
    let lines = playlist.lines().filter_map(|line| line.strip_prefix("#EXTINF:"));
    lines.map(|line| line.trim_end_matches(',').parse().unwrap()).collect()
}

fn hls(segments: &Segments, settings: &Transcode, names: &[&str]) {
    oracle!("hls");
    let before = listing(Path::new("."));
    let (files, report) = collected(segments, settings);
    assert_eq!(before, listing(Path::new(".")));
    assert_eq!(files.keys().map(String::as_str).collect::<Vec<_>>(), names);
    let playlist = text(&files, "index.m3u8");
    for name in names.iter().filter(|name| **name != "index.m3u8") {
        assert!(playlist.lines().any(|l| l == *name || l.contains(&format!("URI=\"{name}\""))), "{playlist}");
    }
    assert!(playlist.contains("#EXT-X-PLAYLIST-TYPE:VOD") && playlist.contains("#EXT-X-ENDLIST"));
    let lengths = durations(&playlist);
    assert_eq!(lengths.len(), 3, "{playlist}");
    for (length, due) in lengths.iter().zip([6.0, 6.0, 1.0]) {
        assert!((length - due).abs() < 0.05, "{playlist}");
    }
    assert_eq!(report.output_bytes, files.values().map(|bytes| bytes.len() as u64).sum::<u64>());
    let folder = tempfile::tempdir().unwrap();
    saved(&files, folder.path());
    plays(&folder.path().join("index.m3u8"), 6.0);
}

#[test]
fn hls_in_transport_streams() {
    let names = ["index-00000.ts", "index-00001.ts", "index-00002.ts", "index.m3u8"];
    hls(&Segments::hls(), &quick(), &names);
}

#[test]
fn hls_in_fragments() {
    let names = ["index-00000.m4s", "index-00001.m4s", "index-00002.m4s", "index-init.mp4", "index.m3u8"];
    hls(&Segments::hls().segment_type(SegmentType::Fmp4), &quick(), &names);
}

#[test]
fn dash() {
    oracle!("dash");
    let (files, _) = collected(&Segments::dash(), &quick());
    let manifest = text(&files, "manifest.mpd");
    assert!(manifest.contains("type=\"static\"") && !manifest.contains("avrope"), "{manifest}");
    for stream in 0..2 {
        let begins = format!("chunk-stream{stream}-");
        assert_eq!(files.keys().filter(|name| name.starts_with(&begins)).count(), 4, "{:?}", files.keys());
        assert!(files.contains_key(&format!("init-stream{stream}.m4s")), "{:?}", files.keys());
    }
    assert_eq!(files.len(), 11);
    let folder = tempfile::tempdir().unwrap();
    saved(&files, folder.path());
    // A libav without libxml2 can't read manifests; a representation's files in a row are an MP4.
    let mut bytes = files["init-stream0.m4s"].clone();
    files.iter().filter(|(name, _)| name.starts_with("chunk-stream0")).for_each(|(_, b)| bytes.extend(b));
    let path = folder.path().join("whole.mp4");
    std::fs::write(&path, bytes).unwrap();
    let json = ffprobe(&path, &["-count_packets", "-show_entries", "stream=nb_read_packets"]);
    assert_eq!(json["streams"][0]["nb_read_packets"], "325");
    let (_, log) = common::ffmpeg(&["-i", path.to_str().unwrap(), "-f", "null", "-"]);
    assert!(log.trim().is_empty(), "{log}");
}

#[test]
fn settings_are_judged_and_survive_serde() {
    for wrong in [
        Segments::hls().playlist("../x.m3u8"),
        Segments::hls().playlist("a%d.m3u8"),
        Segments::dash().playlist(""),
        Segments::dash().duration(Duration::MAX),
        Segments::hls().duration(Duration::ZERO),
    ] {
        let sinks = |_: &str| -> Result<Sink> { panic!("nothing is opened") };
        let error =
            transcode_segments(&open(&clip()), &quick(), &wrong, sinks, &Control::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    }
    let settings = Segments::hls()
        .segment_type(SegmentType::Fmp4)
        .duration(Duration::from_millis(2500))
        .playlist("a.m3u8");
    let json = serde_json::to_string(&settings).unwrap();
    assert_eq!(serde_json::from_str::<Segments>(&json).unwrap(), settings, "{json}");
    assert_eq!(serde_json::from_str::<Segments>(r#"{"protocol":"dash"}"#).unwrap(), Segments::dash());
}

#[test]
fn what_the_callback_fails_with_is_the_jobs_error() {
    for segments in [Segments::hls(), Segments::hls().segment_type(SegmentType::Fmp4), Segments::dash()] {
        for last in 0..5 {
            for panics in [false, true] {
                let mut opened = 0;
                let sinks = move |name: &str| {
                    opened += 1;
                    match (opened > last, panics) {
                        (false, _) => Ok(Sink::writer(std::io::sink())),
                        (true, false) => {
                            let refused = std::io::Error::other(format!("no room for {name}"));
                            Ok(Sink::writer(Full(refused.to_string())))
                        }
                        (true, true) => panic!("the callback's own"),
                    }
                };
                let outcome =
                    transcode_segments(&open(&clip()), &quick(), &segments, sinks, &Control::default());
                // HLS in transport streams has four files.
                if last == 4 && segments == Segments::hls() {
                    outcome.unwrap();
                    continue;
                }
                let error = outcome.unwrap_err();
                let due = if panics { ErrorKind::Bug } else { ErrorKind::Io };
                assert_eq!(error.kind(), due, "{segments:?}, {last}: {error}");
                let words = if panics { "the callback's own" } else { "no room" };
                assert!(error.to_string().contains(words), "{error}");
            }
        }
    }
    let refuse = |_: &str| -> Result<Sink> { Err(Error::new(ErrorKind::Io, "not today")) };
    let error = transcode_segments(&open(&clip()), &quick(), &Segments::hls(), refuse, &Control::default())
        .unwrap_err();
    assert!(error.to_string().contains("not today"), "{error}");
}

struct Full(String);

impl std::io::Write for Full {
    fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
        Err(std::io::Error::other(self.0.clone()))
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn files_are_complete_or_not_there() {
    let whole = tempfile::tempdir().unwrap();
    let folder = whole.path().to_owned();
    let sinks = move |name: &str| Ok(Sink::replace(folder.join(name)));
    transcode_segments(&open(&clip()), &quick(), &Segments::dash(), sinks, &Control::default()).unwrap();
    assert_eq!(listing(whole.path()).len(), 11);

    for segments in [Segments::hls(), Segments::hls().segment_type(SegmentType::Fmp4), Segments::dash()] {
        let part = tempfile::tempdir().unwrap();
        let cancel = CancelToken::new();
        let control = Control::default().cancel_token(cancel.clone());
        let (folder, mut opened) = (part.path().to_owned(), 0);
        let sinks = move |name: &str| {
            opened += 1;
            if opened == 4 {
                cancel.cancel();
            }
            Ok(Sink::file(folder.join(name)))
        };
        let error = transcode_segments(&open(&clip()), &quick(), &segments, sinks, &control).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
        let left = listing(part.path());
        assert!(left.len() < 4 && left.iter().all(|name| !name.ends_with(".part")), "{left:?}");
        for name in left {
            assert!(std::fs::metadata(part.path().join(&name)).unwrap().len() > 100, "{name}");
        }
    }
}
