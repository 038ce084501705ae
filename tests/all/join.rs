//! Frame for frame and sample for sample: what edit cuts show, and how far sound is from the picture at the
//! seams of joins.

use crate::common::{self, Frame, Movie, ffmpeg, frames, open, save};
use avrope::{Control, Cut, CutMode, ErrorKind, Join, Source, TimeRange, cut, join, synth};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

fn ranges(list: &[(f64, f64)]) -> Cut {
    list.iter().fold(Cut::new(), |cut, (from, to)| cut.keep(TimeRange::secs(*from, *to).unwrap()))
}

/// The hashes of the frames that are shown in ranges; a frame belongs to the range in which it begins. A
/// microsecond keeps the oracle's 1/90000 s from deciding at a border.
fn expected(all: &[Frame], start: f64, list: &[(f64, f64)]) -> Vec<String> {
    let inside = |frame: &&Frame, (from, to): (f64, f64)| {
        let time = frame.time - start + 1e-5;
        time >= from && time < to
    };
    list.iter().flat_map(|range| all.iter().filter(|f| inside(f, *range)).map(|f| f.hash.clone())).collect()
}

/// The presentation clock's 0 in the file, which is its first packet's time; but where that is a codec's
/// priming the clock may begin behind it.
fn start(path: &Path) -> f64 {
    let start = open(path).info().start_time.secs();
    let json = common::ffprobe(path, &["-show_entries", "format=start_time"]);
    let first: f64 = json["format"]["start_time"].as_str().unwrap().parse().unwrap();
    assert!(
        (0.0..0.022).contains(&(start - first + 1e-6)),
        "{}: 0 is at {start}, not {first}",
        path.display()
    );
    start
}

fn hashes(frames: Vec<Frame>) -> Vec<String> {
    frames.into_iter().map(|frame| frame.hash).collect()
}

/// Each track's edit list against the ranges, to the tick of the track.
fn check_edits(path: &Path, list: &[(f64, f64)]) -> Result<(), String> {
    let movie = Movie::read(path);
    for track in &movie.tracks {
        // What precedes a track's first packet is an empty entry: part of the first range.
        let empty: u64 = track.edits.iter().take_while(|(_, media)| *media < 0).map(|(len, _)| len).sum();
        let mut edits: Vec<_> = track.edits.iter().copied().filter(|(_, media)| *media >= 0).collect();
        if let Some(first) = edits.first_mut() {
            first.0 += empty;
        }
        if edits.len() != list.len() {
            return Err(format!("{}: edits {:?} for {list:?}", track.handler, track.edits));
        }
        for ((len, _), (from, to)) in edits.into_iter().zip(list) {
            let found = len as f64 / f64::from(movie.scale);
            // Borders lie on the nearest tick of the track: half of one at each end.
            let tick = 1.0 / f64::from(track.scale) + 1.0 / f64::from(movie.scale);
            if (found - (to - from)).abs() > tick {
                return Err(format!("{}: {found} s, not {} s", track.handler, to - from));
            }
        }
    }
    let (total, found) =
        (list.iter().map(|(a, b)| b - a).sum::<f64>(), movie.duration as f64 / f64::from(movie.scale));
    if (total - found).abs() > 0.001 { Err(format!("movie of {found} s, not {total} s")) } else { Ok(()) }
}

/// Ranges of a clip of 4.3 s at 25 frames a second with a keyframe every second.
const RANGES: &[(&str, &[(f64, f64)])] = &[
    ("from a keyframe", &[(1.0, 2.6)]),
    ("in mid-GOP", &[(1.48, 2.6)]),
    ("between frames", &[(1.49, 2.59)]),
    ("from 0", &[(0.0, 1.72)]),
    ("to the end", &[(2.52, 4.3)]),
    ("within a GOP", &[(2.2, 2.64)]),
    ("one frame", &[(2.2, 2.24)]),
    ("two", &[(0.4, 1.2), (2.4, 3.6)]),
    ("back", &[(2.4, 3.6), (0.4, 1.2)]),
    ("twice the same", &[(1.48, 2.6), (1.48, 2.6)]),
    ("next to each other", &[(1.48, 2.6), (2.6, 3.4)]),
    ("overlapping", &[(1.48, 2.6), (2.2, 3.4)]),
    ("four", &[(3.0, 4.0), (0.12, 0.4), (2.04, 2.4), (1.0, 1.2)]),
];

fn edit_cuts(name: &str) {
    oracle!(name);
    let Some(path) = common::fixture(name) else { return };
    let (folder, media, all) = (tempfile::tempdir().unwrap(), open(&path), frames(&path, "0:v"));
    let start = start(&path);
    let mut failures = Vec::new();
    for (case, list) in RANGES {
        let clip = match cut(&media, &ranges(list).mode(CutMode::Edit).format("mp4"), &Control::default()) {
            Ok(clip) => clip,
            Err(error) => {
                failures.push(format!("{case}: {error}"));
                continue;
            }
        };
        let out = save(&clip, folder.path(), "out.mp4");
        let (found, wanted) = (hashes(frames(&out, "0:v")), expected(&all, start, list));
        if found != wanted {
            let same = found.iter().zip(&wanted).take_while(|(a, b)| a == b).count();
            failures.push(format!("{case}: {} frames, {} are due; {same} alike", found.len(), wanted.len()));
        }
        failures.extend(check_edits(&out, list).err().map(|what| format!("{case}: {what}")));
        let asked: f64 = list.iter().map(|(a, b)| b - a).sum();
        if (clip.report.duration.as_secs_f64() - asked).abs() > 0.04 {
            failures
                .push(format!("{case}: the report says {} s of {asked}", clip.report.duration.as_secs_f64()));
        }
    }
    assert!(failures.is_empty(), "{name}: {} failures:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn edit_cuts_of_h264_are_exact() {
    edit_cuts("h264-aac");
}

#[test]
fn edit_cuts_of_h264_without_b_frames_are_exact() {
    edit_cuts("h264-no-b");
}

#[test]
fn edit_cuts_of_hevc_are_exact() {
    edit_cuts("hevc-aac");
}

#[test]
fn edit_cuts_of_a_transport_stream_are_exact() {
    edit_cuts("h264-ts");
}

#[test]
fn edit_cuts_of_vp9_are_exact() {
    edit_cuts("vp9-opus");
}

#[test]
fn edit_cuts_of_av1_are_exact() {
    // libdav1d in FFmpeg 5.1 shows frames that an edit list hides: a range has to begin at a keyframe there.
    if common::lavf() < 61 {
        eprintln!(
            "SKIPPED: edit_cuts_of_av1_are_exact: FFmpeg before 7 shows AV1 frames that an edit list hides"
        );
        return;
    }
    edit_cuts("av1-mp4");
}

#[test]
fn a_cut_of_a_cut_and_of_a_join_is_exact() {
    oracle!("cut of a cut");
    let Some(path) = common::fixture("h264-aac") else { return };
    let (folder, control) = (tempfile::tempdir().unwrap(), Control::default());
    let all = frames(&path, "0:v");
    let cut_of = |source: &Path, list: &[(f64, f64)], name: &str| {
        save(&cut(&open(source), &ranges(list).format("mp4"), &control).unwrap(), folder.path(), name)
    };
    // (first cut, cut of it, what that is of the source)
    type List<'a> = &'a [(f64, f64)];
    let table: [(&str, List, List, List); 5] = [
        ("inside", &[(0.6, 3.4)], &[(0.52, 1.8)], &[(1.12, 2.4)]),
        ("from 0", &[(0.6, 3.4)], &[(0.0, 1.8)], &[(0.6, 2.4)]),
        ("over a seam", &[(0.6, 1.6), (2.2, 3.4)], &[(0.4, 1.6)], &[(1.0, 1.6), (2.2, 2.8)]),
        ("over a seam that goes back", &[(2.2, 3.4), (0.6, 1.6)], &[(0.4, 1.8)], &[(2.6, 3.4), (0.6, 1.2)]),
        ("two of two", &[(2.2, 3.4), (0.6, 1.6)], &[(1.4, 2.0), (0.2, 0.8)], &[(0.8, 1.4), (2.4, 3.0)]),
    ];
    let mut failures = Vec::new();
    for (name, first, second, whole) in table {
        let out = cut_of(&cut_of(&path, first, "first.mp4"), second, "second.mp4");
        let (found, wanted) = (hashes(frames(&out, "0:v")), expected(&all, 0.0, whole));
        if found != wanted {
            failures.push(format!("cut of a cut, {name}: {} frames, {} are due", found.len(), wanted.len()));
        }
        failures.extend(check_edits(&out, whole).err().map(|what| format!("cut of a cut, {name}: {what}")));
    }
    let sources = [Source::open(&path).unwrap(), Source::open(&path).unwrap()];
    let joined = save(&join(&sources, &Join::new(), &control).unwrap(), folder.path(), "joined.mp4");
    let found = hashes(frames(&joined, "0:v"));
    let twice = hashes([all.clone(), all.clone()].concat());
    if found != twice {
        failures.push(format!("join: {} frames, {} are due", found.len(), twice.len()));
    }
    // 107.5 frames are 108: the second part begins at 4.32 s.
    for (name, list, whole) in [
        ("over the seam", [(3.4, 5.2)], [(3.4, 4.32), (0.0, 0.88)]),
        ("behind it", [(4.8, 6.0)], [(0.48, 1.0), (1.0, 1.68)]),
    ] {
        let out = cut_of(&joined, &list, "of-join.mp4");
        let (found, wanted) = (hashes(frames(&out, "0:v")), expected(&all, 0.0, &whole));
        if found != wanted {
            failures.push(format!("cut of a join, {name}: {} frames, {} are due", found.len(), wanted.len()));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

// ---- sound against picture

/// When flashes and beeps begin, in seconds of the output's clock, as a player shows them.
fn flashes_and_beeps(path: &Path) -> (Vec<f64>, Vec<f64>) {
    let input = path.to_str().unwrap();
    let scaled =
        ["-i", input, "-map", "0:v", "-vf", "scale=1:1:flags=area,format=gray", "-fps_mode", "passthrough"];
    let (luma, _) = ffmpeg(&[&scaled[..], &["-f", "rawvideo", "-"]].concat());
    let times = common::frames(path, "0:v");
    assert_eq!(luma.len(), times.len());
    let mut flashes = Vec::new();
    for (i, frame) in times.iter().enumerate() {
        if luma[i] > 128 && (i == 0 || luma[i - 1] <= 128) {
            flashes.push(frame.time);
        }
    }
    // aresample puts sound where its timestamps say, as a player does, without stretching it.
    let filter = "aresample=async=1:min_hard_comp=0.001:first_pts=0,pan=mono|c0=c0";
    let sound = ["-i", input, "-map", "0:a:0", "-af", filter, "-f", "s16le", "-ar", "48000", "-"];
    let (pcm, _) = ffmpeg(&sound);
    let samples: Vec<i16> = pcm.chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect();
    let mut beeps = Vec::new();
    let mut quiet = usize::MAX / 2;
    for (i, sample) in samples.iter().enumerate() {
        if sample.unsigned_abs() > 3000 {
            // A beep is as long as a frame (40 ms) and silence is longer than that.
            if quiet > 48 * 60 {
                beeps.push(i as f64 / 48000.0);
            }
            quiet = 0;
        } else {
            quiet += 1;
        }
    }
    (flashes, beeps)
}

fn flash_clip(name: &str, duration: f64) -> PathBuf {
    let mut spec = synth::flash_and_beep(duration, (25, 1), 0.4);
    spec.video.as_mut().unwrap().gop = 25;
    common::generated(name, &spec)
}

fn in_sync(name: &str, parts: &[PathBuf], container: &str, half_frame: f64) {
    in_sync_by(&Join::new(), name, parts, container, half_frame);
}

/// The same, joined so.
pub fn in_sync_by(settings: &Join, name: &str, parts: &[PathBuf], container: &str, half_frame: f64) {
    oracle!(name);
    let folder = tempfile::tempdir().unwrap();
    let sources: Vec<_> = parts.iter().map(|path| Source::open(path).unwrap()).collect();
    let clip = join(&sources, &settings.clone().format(container), &Control::default()).unwrap();
    let out = save(&clip, folder.path(), &format!("out.{container}"));
    let (flashes, beeps) = flashes_and_beeps(&out);
    // Most parts are the same few clips.
    let mut known = BTreeMap::new();
    let due: usize =
        parts.iter().map(|part| *known.entry(part).or_insert_with(|| flashes_and_beeps(part).0.len())).sum();
    assert_eq!(flashes.len(), due, "{name}: flashes");
    // A beep is found within a millisecond (its wave's first rise), and containers round to one.
    let most = half_frame + 0.002;
    let mut failures = Vec::new();
    let mut worst: f64 = 0.0;
    for flash in &flashes {
        let nearest =
            beeps.iter().map(|beep| beep - flash).min_by(|a, b| a.abs().total_cmp(&b.abs())).unwrap();
        worst = worst.max(nearest.abs());
        if nearest.abs() > most {
            failures.push(format!("flash at {flash:.3}: the beep is off by {:.1} ms", nearest * 1e3));
        }
    }
    println!("{name}: {} flashes, worst {:.1} ms", flashes.len(), worst * 1e3);
    assert!(
        failures.is_empty(),
        "{name}: {} of {due}:\n{}",
        failures.len(),
        failures[..failures.len().min(12)].join("\n")
    );
    if container == "mp4" && clip.report.inputs.is_empty() {
        assert_eq!(clip.report.payload_copied, 0, "{name}");
        let payload: usize = common::packets(&out).iter().map(|packet| packet.size).sum();
        assert_eq!(clip.report.payload_shared, payload as u64, "{name}: every payload byte is shared");
    }
}

/// Half of AAC's 1024 samples at 48 kHz.
pub const HALF_AAC: f64 = 512.0 / 48000.0;

#[test]
fn joins_stay_in_sync() {
    let odd = flash_clip("flash-1.37.mp4", 1.37);
    let other = flash_clip("flash-2.11.mp4", 2.11);
    in_sync("two", &[odd.clone(), other.clone()], "mp4", HALF_AAC);
    in_sync("three", &[odd.clone(), other.clone(), odd.clone()], "mp4", HALF_AAC);
    // No edit list hides the frame that AAC's first one overlaps with: half a frame after a seam stays
    // silent, and the beep is heard that much later.
    in_sync("three into Matroska", &[odd.clone(), other.clone(), odd], "mkv", 2.0 * HALF_AAC);
}

#[test]
fn a_hundred_parts_stay_in_sync() {
    let lengths = [1.37, 0.93, 1.11, 2.11];
    let parts: Vec<_> =
        (0..100).map(|i| flash_clip(&format!("flash-{}.mp4", lengths[i % 4]), lengths[i % 4])).collect();
    in_sync("a hundred", &parts, "mp4", HALF_AAC);
}

#[test]
fn inputs_that_do_not_match_are_named() {
    use synth::{Audio, Spec};
    let base = || Spec { duration: 1.0, video: Some(common::video("libx264", 0)), ..Spec::default() };
    let change = |what: &dyn Fn(&mut Spec)| {
        let mut spec = base();
        what(&mut spec);
        spec
    };
    let first = common::generated("like.mp4", &base());
    // (file, its spec, what the error has to say)
    let table: Vec<(&str, Spec, &[&str])> = vec![
        ("size.mp4", change(&|s| s.video.as_mut().unwrap().size = (160, 90)), &["192x108", "160x90"]),
        ("rate.mp4", change(&|s| s.audio[0].sample_rate = 44_100), &["48000", "44100"]),
        ("channels.mp4", change(&|s| s.audio[0].channels = 1), &["channel"]),
        ("codec.mp4", change(&|s| s.video.as_mut().unwrap().encoder = "mpeg4".into()), &["h264", "mpeg4"]),
        ("sound.mp4", change(&|s| s.audio[0].encoder = "libmp3lame".into()), &["aac", "mp3"]),
        ("silent.mp4", change(&|s| s.audio.clear()), &["Audio"]),
        ("blind.mp4", change(&|s| s.video = None), &["Video"]),
    ];
    let mut failures = Vec::new();
    for (name, spec, words) in table {
        let second = common::generated(name, &spec);
        let sources = [Source::open(&first).unwrap(), Source::open(&second).unwrap()];
        match join(&sources, &Join::new().format("mp4"), &Control::default()) {
            Ok(_) => failures.push(format!("{name}: it was joined")),
            Err(error) => {
                let text = error.to_string();
                if error.kind() != ErrorKind::InvalidArgument || !text.contains(name) {
                    failures.push(format!("{name}: {:?}: {text}", error.kind()));
                }
                failures.extend(
                    words
                        .iter()
                        .filter(|w| !text.contains(**w))
                        .map(|w| format!("{name}: no '{w}' in: {text}")),
                );
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    // A second sound track that the first input lacks is a warning, not an error.
    let two = common::generated("two.mp4", &change(&|s| s.audio.push(Audio::default())));
    let sources = [Source::open(&first).unwrap(), Source::open(two).unwrap()];
    let report = join(&sources, &Join::new().format("mp4"), &Control::default()).unwrap().report;
    assert!(report.warnings.iter().any(|w| w.contains("stream 2")), "{:?}", report.warnings);
}

/// A clip with a title, and a cover, in this container.
fn described(name: &str, title: &str, color: &str, more: &[&str]) -> PathBuf {
    let cover = common::made_by_ffmpeg(
        &format!("described-{color}.png"),
        &["-f", "lavfi", "-i", &format!("color={color}:s=64x64:d=0.04"), "-frames:v", "1"],
    );
    let tags = [format!("title={title}"), format!("artist={title}"), "comment=the same".to_owned()];
    let mut arguments = vec!["-f", "lavfi", "-i", "sine=440:r=48000:d=2"];
    if name.ends_with("m4a") {
        arguments.extend(["-i", cover.to_str().unwrap(), "-map", "0", "-map", "1", "-c:v", "copy"]);
        arguments.extend(["-disposition:v", "attached_pic"]);
    }
    arguments.extend(["-c:a", "aac"]);
    arguments.extend(tags.iter().flat_map(|tag| ["-metadata", tag]));
    arguments.extend(["-metadata:s:a", if title == "One" { "language=deu" } else { "language=fra" }]);
    arguments.extend(more);
    common::made_by_ffmpeg(name, &arguments)
}

#[test]
fn what_later_inputs_say_of_themselves_is_told_where_it_is_lost() {
    oracle!("descriptions of joins");
    for ending in ["m4a", "mp4", "mkv", "mp3"] {
        let more: &[&str] = if ending == "mp3" { &["-c:a", "libmp3lame"] } else { &[] };
        let named = |number: &str| format!("described-{number}.{ending}");
        let one = described(&named("one"), "One", "red", more);
        let two = described(&named("two"), "Two", "blue", more);
        for road in [avrope::Road::Tables, avrope::Road::Libav] {
            let joined = |paths: &[&Path], strip: avrope::Strip| {
                let sources: Vec<_> = paths.iter().map(|path| Source::open(path).unwrap()).collect();
                let clip = join(&sources, &Join::new().road(road).strip(strip), &Control::new()).unwrap();
                let told = clip.report.warnings.into_iter().filter(|text| text.contains("is described as"));
                told.collect::<Vec<_>>()
            };
            let none: Vec<String> = Vec::new();
            assert_eq!(joined(&[&one, &one], avrope::Strip::Nothing), none, "{ending} {road:?}");
            assert_eq!(joined(&[&one, &two], avrope::Strip::Metadata), none, "{ending} {road:?}");
            let told = joined(&[&one, &two, &two], avrope::Strip::Nothing);
            let [told] = &told[..] else { panic!("{ending} {road:?}: {told:?}") };
            let told = told.split_once("left out of ").unwrap().1;
            let told = told.strip_prefix(&*two.to_string_lossy()).unwrap();
            let names = told.to_lowercase();
            assert!(names.contains("artist") && names.contains("title"), "{told}");
            assert_eq!(told.contains("language of stream 0"), ending != "mp3", "{told}");
            assert_eq!(told.contains("cover"), ending == "m4a", "{told}");
            assert!(!told.contains("comment") && !told.contains("brand"), "{told}");
        }
    }
}

#[test]
fn boxes_of_later_inputs_that_are_lost_are_named() {
    let path = common::clip();
    let bytes = std::fs::read(&path).unwrap();
    let own = [common::make_box(b"uuid", &[7; 40]), common::make_box(b"XTRA", b"mine")];
    // Behind all: the index stays where it is.
    let other = [&bytes[..], &own.concat()].concat();
    let sources = [bytes, other].map(Source::from_bytes);
    let clip = join(&sources, &Join::new().format("mp4"), &Control::new()).unwrap();
    let told = clip.report.warnings.iter().find(|text| text.contains("is described as")).unwrap();
    assert!(told.contains("box uuid") && told.contains("box XTRA"), "{told}");
}

#[test]
fn subtitles_that_later_inputs_alone_have_are_named() {
    oracle!("subtitles of joins");
    let srt = common::kept().join("join-later.srt");
    std::fs::create_dir_all(common::kept()).unwrap();
    std::fs::write(&srt, "1\n00:00:00,200 --> 00:00:00,900\nline\n\n").unwrap();
    let picture = ["-f", "lavfi", "-i", "testsrc2=s=96x64:r=25:d=2"];
    let codec = ["-c:v", "libx264", "-g", "25"];
    let text = ["-i", srt.to_str().unwrap(), "-map", "0", "-map", "1", "-c:s", "mov_text"];
    let one = common::made_by_ffmpeg("join-bare.mp4", &[&picture[..], &codec].concat());
    let two = common::made_by_ffmpeg("join-text.mp4", &[&picture[..], &text, &codec].concat());
    for (paths, is_lost) in [([&one, &two], true), ([&two, &one], false), ([&two, &two], false)] {
        let sources = paths.map(|path| Source::open(path).unwrap());
        let clip = join(&sources, &Join::new(), &Control::new()).unwrap();
        let told = clip.report.warnings.iter().any(|text| text.contains("stream 1 (mov_text) is left out"));
        assert_eq!(told, is_lost, "{:?}", clip.report.warnings);
    }
}
