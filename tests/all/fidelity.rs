//! What comes along besides the packets: languages, rotation, colours, tags, chapters, covers, subtitles; and
//! what is said of what does not.

use crate::common::{self, complaints, generated, made_by_ffmpeg, open, save};
use avrope::{
    Clip, Control, Cut, ErrorKind, Join, Remux, Report, Source, TimeRange, cut,
    inspect::inspect,
    join,
    media::{MediaInfo, StreamInfo},
    remux,
    synth::{Audio, Spec},
};
use std::path::{Path, PathBuf};

fn clip(name: &str) -> Option<PathBuf> {
    common::fixture(name)
}

fn operations(path: &Path, container: &str) -> Vec<(&'static str, avrope::Result<Clip>)> {
    let (media, control) = (open(path), Control::default());
    let sources = [Source::open(path).unwrap(), Source::open(path).unwrap()];
    let range = TimeRange::secs(1.3, 3.1).unwrap();
    vec![
        ("remux", remux(&media, &Remux::new().format(container), &control)),
        ("cut", cut(&media, &Cut::new().keep(range).format(container), &control)),
        ("join", join(&sources, &Join::new().format(container), &control)),
    ]
}

fn info(path: &Path) -> MediaInfo {
    open(path).probe(&Control::default()).unwrap()
}

/// What of a stream has to stay as it was.
fn kept(stream: &StreamInfo) -> String {
    let s = stream;
    // QuickTime knows German by its bibliographic code.
    let language = s.language.as_deref().map(|code| if code == "ger" { "deu" } else { code });
    let mut text = format!("{:?} {} {:?}x{:?}", s.kind, s.codec, s.width, s.height);
    text += &format!(" sar {:?} rotation {:?} color {:?}", s.sample_aspect_ratio, s.rotation, s.color);
    text + &format!(
        " {:?} Hz {:?} {:?} language {:?} {:?}",
        s.sample_rate, s.channels, s.channel_layout, language, s.disposition
    )
}

/// Source and container: each stream's description is the same after every operation.
fn same_streams(name: &str, path: &Path, container: &str) {
    let folder = tempfile::tempdir().unwrap();
    let wanted: Vec<_> = info(path).streams.iter().map(kept).collect();
    let mut failures = Vec::new();
    for (operation, outcome) in operations(path, container) {
        let clip = outcome.unwrap_or_else(|e| panic!("{name}, {operation}: {e}"));
        let out = save(&clip, folder.path(), &format!("out.{container}"));
        let found: Vec<_> = info(&out).streams.iter().map(kept).collect();
        if found != wanted {
            failures.push(format!("{name} -> {container}, {operation}:\n  {found:#?}\n not\n  {wanted:#?}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn tagged() -> Option<PathBuf> {
    let source = clip("two-audio")?;
    let source = source.to_str().unwrap();
    let description = ["-metadata:s:a:0", "language=deu", "-metadata:s:a:1", "language=fra"];
    let rest = ["-metadata", "title=A title", "-metadata", "artist=Somebody", "-metadata", "comment=ä ö 漢"];
    let disposition = ["-disposition:a:0", "0", "-disposition:a:1", "default"];
    let head = ["-i", source, "-map", "0", "-c", "copy"];
    Some(made_by_ffmpeg("tagged.mp4", &[&head[..], &description, &rest, &disposition].concat()))
}

#[test]
fn languages_dispositions_and_titles_stay() {
    oracle!("languages");
    let Some(path) = tagged() else { return };
    let folder = tempfile::tempdir().unwrap();
    for container in ["mp4", "mkv"] {
        same_streams("tagged", &path, container);
        for (operation, outcome) in operations(&path, container) {
            let out = save(&outcome.unwrap(), folder.path(), &format!("out.{container}"));
            let found = info(&out);
            let tag = |key: &str| {
                found
                    .metadata
                    .iter()
                    .find(|(k, _)| k.eq_ignore_ascii_case(key))
                    .map(|(_, v)| v.clone())
                    .unwrap_or_default()
            };
            assert_eq!(tag("title"), "A title", "{container}, {operation}: {:?}", found.metadata);
            assert_eq!(tag("artist"), "Somebody", "{container}, {operation}");
            assert_eq!(tag("comment"), "ä ö 漢", "{container}, {operation}");
        }
    }
}

/// libav's MOV muxer knows the bibliographic codes alone (`ger`), MP4's all: `deu` has to be translated.
#[test]
fn languages_stay_in_mov() {
    oracle!("languages in MOV");
    let Some(path) = tagged() else { return };
    same_streams("tagged", &path, "mov");
}

#[test]
fn rotation_stays() {
    oracle!("rotation");
    let Some(source) = clip("h264-aac") else { return };
    let path = common::turned("rotated.mp4", &source, 90);
    assert!(info(&path).streams[0].rotation.is_some_and(|r| r.abs() == 90.0), "{:?}", info(&path).streams[0]);
    same_streams("rotated", &path, "mp4");
    same_streams("rotated", &path, "mov");
}

#[test]
fn colour_and_pixel_shape_stay() {
    oracle!("colour");
    let Some(source) = clip("h264-aac") else { return };
    let colour =
        ["-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "tv"];
    let head = [
        "-i",
        source.to_str().unwrap(),
        "-vf",
        "setsar=4/3",
        "-c:v",
        "libx264",
        "-preset",
        "ultrafast",
        "-c:a",
        "copy",
    ];
    for container in ["mp4", "mkv", "ts"] {
        let path = made_by_ffmpeg(&format!("colour.{container}"), &[&head[..], &colour].concat());
        let found = info(&path).streams[0].clone();
        assert!(found.color.is_some() && found.sample_aspect_ratio.is_some(), "{found:?}");
        for to in ["mp4", "mkv", "ts"] {
            let clip = remux(&open(&path), &Remux::new().format(to), &Control::default()).unwrap();
            let folder = tempfile::tempdir().unwrap();
            let out = info(&save(&clip, folder.path(), &format!("out.{to}"))).streams[0].clone();
            assert_eq!(out.color, found.color, "{container} -> {to}");
            assert_eq!(out.sample_aspect_ratio, found.sample_aspect_ratio, "{container} -> {to}");
        }
    }
}

#[test]
fn codec_tags_stay_or_are_what_players_know() {
    oracle!("codec tags");
    let Some(source) = clip("hevc-aac") else { return };
    let input = source.to_str().unwrap();
    let mut table = vec![];
    for tag in ["hvc1", "hev1"] {
        let path = made_by_ffmpeg(&format!("{tag}.mp4"), &["-i", input, "-c", "copy", "-tag:v", tag]);
        table.push((path, tag));
    }
    for container in ["mkv", "ts"] {
        table.push((made_by_ffmpeg(&format!("hevc.{container}"), &["-i", input, "-c", "copy"]), "hvc1"));
    }
    for (path, tag) in table {
        for (operation, outcome) in operations(&path, "mp4") {
            let bytes = outcome.unwrap().rope.to_bytes().unwrap();
            let movie = common::Movie::parse(&bytes);
            assert_eq!(movie.track("vide").tag, tag, "{}, {operation}", path.display());
        }
    }
}

#[test]
fn chapters_are_clipped() {
    oracle!("chapters");
    let Some(source) = clip("h264-aac") else { return };
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("chapters.txt");
    let chapter = |from: u32, to: u32, title: &str| {
        format!("[CHAPTER]\nTIMEBASE=1/1000\nSTART={from}\nEND={to}\ntitle={title}\n")
    };
    let text = [chapter(0, 1000, "one"), chapter(1000, 2500, "two"), chapter(2500, 4300, "three")].concat();
    std::fs::write(&list, format!(";FFMETADATA1\n{text}")).unwrap();
    for container in ["mp4", "mkv"] {
        let path = folder.path().join(format!("chapters.{container}"));
        let (input, list) = (source.to_str().unwrap(), list.to_str().unwrap());
        common::ffmpeg(&[
            "-i",
            input,
            "-i",
            list,
            "-map_metadata",
            "1",
            "-map",
            "0",
            "-c",
            "copy",
            path.to_str().unwrap(),
        ]);
        for to in ["mp4", "mkv"] {
            // (ranges, the chapters that are due: seconds and title). Matroska begins at a keyframe: 1 s.
            type Due = &'static [(f64, f64, &'static str)];
            type List<'a> = &'a [(f64, f64)];
            let table: [(&str, List, Due); 3] = [
                ("inside two", &[(1.0, 3.0)], &[(0.0, 1.5, "two"), (1.5, 2.0, "three")]),
                ("inside one", &[(3.0, 4.0)], &[(0.0, 1.0, "three")]),
                ("two ranges", &[(0.0, 0.4), (3.0, 4.0)], &[(0.0, 0.4, "one"), (0.4, 1.4, "three")]),
            ];
            for (name, list, due) in table {
                let settings = list.iter().fold(Cut::new().format(to), |cut, (from, to)| {
                    cut.keep(TimeRange::secs(*from, *to).unwrap())
                });
                let clip = cut(&open(&path), &settings, &Control::default()).unwrap();
                // Where the source's clock begins with priming, a range may begin just before its keyframe,
                // and the output at the one before that.
                if clip.report.ranges.iter().any(|r| r.from.duration_since(r.actual_from).as_secs_f64() > 0.1)
                {
                    continue;
                }
                let found = info(&save(&clip, folder.path(), &format!("out.{to}"))).chapters;
                let text: Vec<_> = found
                    .iter()
                    .map(|c| format!("{:.2}..{:.2} {:?}", c.start.secs(), c.end.secs(), c.title))
                    .collect();
                // A frame is 0.04 s: without edit lists the first range may end up to that much later, and
                // Matroska's clock begins with the sound's priming, 0.021 s before.
                let near = |a: f64, b: f64| (a - b).abs() <= if to == "mkv" { 0.09 } else { 0.002 };
                let same = found.len() == due.len()
                    && found.iter().zip(due).all(|(c, (from, to, title))| {
                        near(c.start.secs(), *from)
                            && near(c.end.secs(), *to)
                            && c.title.as_deref() == Some(title)
                    });
                assert!(same, "{container} -> {to}, {name}: {text:?}, {due:?} are due");
            }
        }
    }
}

#[test]
fn cover_art_stays() {
    oracle!("cover art");
    let folder = tempfile::tempdir().unwrap();
    let cover = folder.path().join("cover.png");
    common::ffmpeg(&["-f", "lavfi", "-i", "testsrc2=s=64x64", "-frames:v", "1", cover.to_str().unwrap()]);
    for (name, container) in [("mp3", "mp3"), ("aac-m4a", "m4a")] {
        let Some(source) = clip(name) else { continue };
        let path = folder.path().join(format!("art.{container}"));
        let inputs = ["-i", source.to_str().unwrap(), "-i", cover.to_str().unwrap()];
        let rest = ["-map", "0:a", "-map", "1", "-c", "copy", "-disposition:v:0", "attached_pic"];
        common::ffmpeg(&[&inputs[..], &rest, &[path.to_str().unwrap()]].concat());
        let wanted = common::payload(&path)["p0"].clone();
        for (operation, outcome) in operations(&path, container) {
            let clip = outcome.unwrap_or_else(|e| panic!("{container}, {operation}: {e}"));
            let out = save(&clip, folder.path(), &format!("out.{container}"));
            let found = common::payload(&out).remove("p0").unwrap_or_default();
            assert_eq!(found, wanted, "{container}, {operation}: {:?}", clip.report);
            assert_eq!(complaints(&out), complaints(&path), "{container}, {operation}");
        }
    }
}

/// What ffprobe finds.
fn codecs_in(path: &Path) -> Vec<String> {
    let found = common::ffprobe(path, &["-show_entries", "stream=codec_name"]);
    let name = |stream: &serde_json::Value| stream["codec_name"].as_str().unwrap_or("unknown").to_owned();
    found["streams"].as_array().unwrap().iter().map(name).collect()
}

#[test]
fn cover_art_is_never_lost_without_a_word() {
    oracle!("cover art that does not fit");
    let folder = tempfile::tempdir().unwrap();
    let cover = folder.path().join("cover.png");
    common::ffmpeg(&["-f", "lavfi", "-i", "testsrc2=s=64x64", "-frames:v", "1", cover.to_str().unwrap()]);
    let mut kept = Vec::new();
    for (source, codec) in [("art.mp3", "libmp3lame"), ("art.m4a", "aac"), ("art.aiff", "pcm_s16be")] {
        let path = folder.path().join(source);
        let inputs =
            ["-f", "lavfi", "-i", "sine=d=1", "-i", cover.to_str().unwrap(), "-map", "0", "-map", "1"];
        let codecs = ["-c:a", codec, "-c:v", "copy", "-disposition:v:0", "attached_pic"];
        let id3: &[&str] = if codec == "pcm_s16be" { &["-write_id3v2", "1"] } else { &[] };
        common::ffmpeg(&[&inputs[..], &codecs, id3, &[path.to_str().unwrap()]].concat());
        let media = open(&path);
        assert!(media.info().streams.iter().any(|s| s.codec == "png"), "{source}");
        for to in
            ["mp3", "mp4", "m4a", "mov", "3gp", "aiff", "ts", "mpg", "mkv", "avi", "nut", "asf", "flv", "wav"]
        {
            // Where the sound does not fit, nothing is made.
            let Ok(clip) = remux(&media, &Remux::new().format(to), &Control::new()) else { continue };
            let out = save(&clip, folder.path(), &format!("out.{to}"));
            let streams = codecs_in(&out);
            let is_there = streams.iter().any(|codec| codec == "png");
            let said = clip.report.dropped_streams.iter().any(|dropped| dropped.codec == "png");
            assert!(is_there != said, "{source} -> {to}: {streams:?}, {:?}", clip.report);
            assert_eq!(streams.len(), 1 + usize::from(is_there), "{source} -> {to}: {streams:?}");
            kept.extend(is_there.then_some(to));
        }
    }
    for to in ["mp3", "mp4", "m4a", "mkv"] {
        assert!(kept.contains(&to), "{to}: {kept:?}");
    }
}

fn with_subtitles(folder: &Path, container: &str, codec: &str) -> Option<PathBuf> {
    let source = clip("h264-aac")?;
    let text = folder.join("text.srt");
    std::fs::write(&text, "1\n00:00:00,500 --> 00:00:01,500\none\n\n2\n00:00:02,000 --> 00:00:03,000\ntwo\n")
        .unwrap();
    let path = folder.join(format!("subtitles.{container}"));
    let inputs = [
        "-i",
        source.to_str().unwrap(),
        "-i",
        text.to_str().unwrap(),
        "-map",
        "0",
        "-map",
        "1",
        "-c",
        "copy",
    ];
    common::ffmpeg(
        &[&inputs[..], &["-c:s", codec, "-metadata:s:s:0", "language=deu", path.to_str().unwrap()]].concat(),
    );
    Some(path)
}

/// When packets of subtitles that hold more than an empty line are shown, in seconds; in MP4 by the edit list
/// (ffmpeg puts the first one that it does not hide at 0).
fn subtitles(path: &Path) -> Vec<f64> {
    let mov = common::is_mov(path);
    let stream =
        info(path).streams.iter().find(|s| s.codec == "mov_text" || s.codec == "subrip").unwrap().index;
    let packets: Vec<_> =
        common::packets(path).into_iter().filter(|p| p.stream == stream && p.size > 2).collect();
    if !mov {
        return packets.iter().map(|p| p.pts.unwrap() as f64 / 1000.0).collect();
    }
    let movie = common::Movie::read(path);
    let track = movie.tracks.iter().find(|t| t.tag == "tx3g").unwrap();
    let (mut at, mut shown) = (0.0, Vec::new());
    for (len, media) in &track.edits {
        let len = *len as f64 / f64::from(movie.scale);
        let begins = packets.iter().map(|p| (p.pts.unwrap() - media) as f64 / f64::from(track.scale));
        shown.extend(begins.filter(|time| *media >= 0 && (0.0..len).contains(time)).map(|time| at + time));
        at += len;
    }
    shown
}

#[test]
fn subtitles_stay_and_move_with_the_range() {
    oracle!("subtitles");
    let folder = tempfile::tempdir().unwrap();
    for (container, codec) in [("mp4", "mov_text"), ("mkv", "subrip")] {
        let Some(path) = with_subtitles(folder.path(), container, codec) else { return };
        for (operation, outcome) in operations(&path, container) {
            let out = save(&outcome.unwrap(), folder.path(), &format!("out.{container}"));
            let shown = subtitles(&out);
            // The cut is from 1.3 s, in Matroska from the keyframe at 1 s. Matroska's clock starts with the
            // priming.
            let cut_from = if container == "mp4" { 1.3 } else { 1.0 };
            let due = match operation {
                "cut" => vec![2.0 - cut_from],
                "join" => vec![0.5, 2.0, 4.82, 6.32],
                _ => vec![0.5, 2.0],
            };
            // What is shown already when the cut begins may be there as well.
            for at in due {
                let there = shown.iter().any(|time| (time - at).abs() < 0.07);
                assert!(there, "{container}, {operation}: none at {at}: {shown:?}");
            }
            let language = info(&out).streams.last().and_then(|s| s.language.clone());
            assert_eq!(language.as_deref(), Some("deu"), "{container}, {operation}");
        }
    }
}

fn says(report: &Report, words: &[&str]) -> bool {
    report.warnings.iter().any(|warning| words.iter().all(|word| warning.contains(word)))
}

#[test]
fn what_is_dropped_is_said() {
    oracle!("dropped streams");
    let folder = tempfile::tempdir().unwrap();
    let Some(path) = with_subtitles(folder.path(), "mkv", "subrip") else { return };
    for (operation, outcome) in operations(&path, "mp4") {
        let report = outcome.unwrap().report;
        let dropped: Vec<_> = report.dropped_streams.iter().map(|d| (d.index, d.codec.as_str())).collect();
        assert_eq!(dropped, [(2, "subrip")], "{operation}");
        assert!(says(&report, &["subrip", "mp4"]), "{operation}: {:?}", report.warnings);
    }
    // One stream of two: the container's name and the codec are in the warning.
    let Some(source) = clip("h264-aac") else { return };
    for (container, codec, kept) in [("adts", "h264", "aac"), ("mp3", "h264", ""), ("webm", "h264", "")] {
        let strict = Remux::new().format(container);
        let error = remux(&open(&source), &strict, &Control::default()).expect_err(container);
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{container}: {error}");
        match remux(&open(&source), &strict.allow_drops(true), &Control::default()) {
            Ok(clip) => {
                assert!(!kept.is_empty(), "{container}: an error is due, {:?}", clip.report);
                assert!(says(&clip.report, &[codec, container]), "{:?}", clip.report.warnings);
            }
            Err(error) => {
                let text = error.to_string();
                assert!(kept.is_empty() && error.kind() == ErrorKind::Unsupported, "{container}: {text}");
                assert!(text.contains("h264") && text.contains(container), "{text}");
            }
        }
    }
}

#[test]
fn missing_and_backward_timestamps_are_repaired_and_said() {
    oracle!("timestamps");
    let Some(source) = clip("h264-no-b") else { return };
    let input = source.to_str().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let flv = made_by_ffmpeg("plain.flv", &["-i", input, "-c", "copy"]);
    // (name, the video tag's time by its number and time in milliseconds)
    type Change = fn(usize, u32) -> u32;
    let table: [(&str, Change); 2] = [
        ("dts that repeats", |n, time| if n % 10 == 5 { time - 40 } else { time }),
        ("dts that goes back", |n, time| if n == 40 { time - 120 } else { time }),
    ];
    let words = "repeats or goes back";
    for (name, change) in table {
        let path = folder.path().join("source.flv");
        let mut bytes = std::fs::read(&flv).unwrap();
        // A tag: type, length of data (24 bits), time (24 bits and the upper 8), stream; behind it its
        // length.
        let (mut at, mut number) = (13, 0);
        while at + 11 < bytes.len() {
            let be = |b: &[u8]| b.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte));
            let (len, time) = (be(&bytes[at + 1..at + 4]) as usize, be(&bytes[at + 4..at + 7]));
            // The picture itself, not the codec's parameters.
            if bytes[at] == 9 && bytes[at + 12] == 1 {
                bytes[at + 4..at + 7].copy_from_slice(&change(number, time).to_be_bytes()[1..]);
                number += 1;
            }
            at += 11 + len + 4;
        }
        std::fs::write(&path, bytes).unwrap();
        let all = common::packets(&path);
        let dts: Vec<_> = all.iter().filter(|p| p.stream == 0).filter_map(|p| p.dts).collect();
        assert!(dts.windows(2).any(|pair| pair[0] >= pair[1]), "{name}: the fixture is sound");
        for to in ["mp4", "mkv", "ts"] {
            let clip = remux(&open(&path), &Remux::new().format(to), &Control::default()).unwrap();
            // Matroska has no dts: packets that repeat one are as good as others.
            let due = to != "mkv" || name.contains("back");
            assert!(!due || says(&clip.report, &[words]), "{name} -> {to}: {:?}", clip.report.warnings);
            let out = save(&clip, folder.path(), &format!("out.{to}"));
            let video: Vec<_> = common::packets(&out).into_iter().filter(|p| p.stream == 0).collect();
            assert_eq!(video.len(), dts.len(), "{name} -> {to}");
            assert!(video.iter().all(|p| p.pts >= p.dts), "{name} -> {to}: pts before dts");
        }
    }
}

#[test]
fn an_avi_with_b_frames_keeps_its_order() {
    oracle!("avi with B-frames");
    let spec =
        Spec { duration: 4.3, video: Some(common::video("mpeg4", 2)), audio: vec![], ..Spec::default() };
    let path = generated("b-frames.avi", &spec);
    let folder = tempfile::tempdir().unwrap();
    let hashes = |path: &Path| common::frames(path, "0:v").into_iter().map(|f| f.hash).collect::<Vec<_>>();
    let wanted = hashes(&path);
    // AVI has no pts: a picture is shown when a later dts says so (genpts, which ffmpeg's own copy to
    // Matroska needs).
    for container in ["mp4", "mkv"] {
        let arguments = ["-fflags", "+genpts", "-i", path.to_str().unwrap(), "-c", "copy"];
        let theirs = made_by_ffmpeg(&format!("b-frames-avi.{container}"), &arguments);
        let theirs: Vec<_> = common::frames(&theirs, "0:v").iter().map(|f| f.time).collect();
        let clip = remux(&open(&path), &Remux::new().format(container), &Control::default()).unwrap();
        let out = save(&clip, folder.path(), &format!("out.{container}"));
        assert!(hashes(&out) == wanted, "{container}: other frames, or in another order; {:?}", clip.report);
        // From the first one on: where a track begins depends on how it says what is decoded before.
        let from_first = |times: Vec<f64>| times.iter().map(|time| time - times[0]).collect::<Vec<_>>();
        let times = from_first(common::frames(&out, "0:v").iter().map(|f| f.time).collect());
        let theirs = from_first(theirs);
        let same =
            times.len() == theirs.len() && times.iter().zip(&theirs).all(|(a, b)| (a - b).abs() < 0.002);
        assert!(same, "{container}: shown at {:?}, by ffmpeg's copy at {:?}", &times[..6], &theirs[..6]);
        assert!(says(&clip.report, &["no pts"]), "{container}: {:?}", clip.report.warnings);
    }
}

#[test]
fn empty_packets_are_left_out_and_said() {
    oracle!("empty packets");
    let Some(source) = clip("h264-no-b") else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("source.mp4");
    common::ffmpeg(&["-i", source.to_str().unwrap(), "-map", "0:v", "-c", "copy", path.to_str().unwrap()]);
    let mut bytes = std::fs::read(&path).unwrap();
    let table = bytes.windows(4).rposition(|kind| kind == b"stsz").unwrap();
    // Version and flags, the size of all (0), how many, and then each one's: number 45 is inside the cut.
    bytes[table + 16 + 4 * 45..][..4].fill(0);
    std::fs::write(&path, bytes).unwrap();
    for (operation, outcome) in operations(&path, "mkv") {
        let clip = outcome.unwrap_or_else(|e| panic!("{operation}: {e}"));
        let out = save(&clip, folder.path(), "out.mkv");
        assert!(common::packets(&out).iter().all(|p| p.size > 0), "{operation}");
        assert!(says(&clip.report, &["empty packets"]), "{operation}: {:?}", clip.report.warnings);
    }
    // MP4 has them, and by its tables they stay.
    let clip = remux(&open(&path), &Remux::new(), &Control::default()).unwrap();
    let sizes = |path: &Path| {
        let found = inspect(&Source::open(path).unwrap(), &Control::default()).unwrap();
        found.samples(found.tracks[0].id, 0..1000).map(|sample| sample.size).collect::<Vec<_>>()
    };
    assert!(sizes(&path).contains(&0));
    assert_eq!(sizes(&save(&clip, folder.path(), "out.mp4")), sizes(&path));
}

#[test]
fn sound_tracks_keep_their_layout() {
    oracle!("layouts");
    let surround = Audio { channels: 6, ..common::audio("aac") };
    let spec = Spec {
        duration: 4.3,
        video: Some(common::video("libx264", 0)),
        audio: vec![common::audio("aac"), surround],
        ..Spec::default()
    };
    let path = generated("surround.mp4", &spec);
    for container in ["mp4", "mov", "mkv"] {
        same_streams("surround", &path, container);
    }
}
