//! Verifying an output against its source: outputs of the installed ffmpeg and of our own cuts that are right, and
//! ones that are wrong on purpose, each of which is named and nothing else beside it.

mod codecs;
mod described;
mod sound;

use crate::common::{self, made_by_ffmpeg, open, save};
use avrope::{
    Control, Cut, CutMode, Media, TimeRange,
    control::Stage,
    cut,
    verify::{FaultKind, PictureState, Verification, Verify},
};
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

/// 4 s of pictures of which no two are alike, 25 a second, with a keyframe each second.
const SOURCE: &str = "testsrc2=s=192x144:r=25:d=4,noise=alls=4:all_seed=3";
const GOP: [&str; 4] = ["-g", "25", "-keyint_min", "25"];

fn source_with(name: &str, coding: &[&str]) -> PathBuf {
    let input = ["-f", "lavfi", "-i", SOURCE, "-pix_fmt", "yuv420p"];
    made_by_ffmpeg(&format!("verify-{name}"), &[&input, coding].concat())
}

fn source() -> PathBuf {
    source_with("source.mp4", &[&["-c:v", "libx264", "-bf", "2", "-sc_threshold", "0"], &GOP[..]].concat())
}

/// The pictures 25 to 74 of the source, encoded anew behind a filter.
fn filtered(name: &str, filter: &str, coding: &[&str]) -> PathBuf {
    let chain = format!("trim=start_frame=25:end_frame=75,setpts=PTS-STARTPTS,{filter}");
    let file = source();
    let input = ["-i", file.to_str().unwrap(), "-an", "-vf", &chain, "-fps_mode", "passthrough"];
    let x264 = ["-c:v", "libx264", "-preset", "veryfast", "-crf", "10"];
    made_by_ffmpeg(&format!("verify-{name}.mp4"), &[&input[..], &x264, coding].concat())
}

fn range(from: f64, to: f64) -> TimeRange {
    TimeRange::secs(from, to).unwrap()
}

fn check(source: &Path, output: &Path, ranges: &[TimeRange]) -> Verification {
    let asked = ranges.iter().copied().fold(Verify::new(), Verify::keep);
    asked.check(&open(source), &open(output), &Control::new()).unwrap()
}

/// Of the second and the third second.
fn check_middle(output: &Path) -> Verification {
    check(&source(), output, &[range(1.0, 3.0)])
}

#[track_caller]
fn assert_holds(found: &Verification) {
    let faults: Vec<String> = found.faults.iter().map(ToString::to_string).collect();
    assert!(found.holds && faults.is_empty(), "{}: {faults:#?}", found.output);
}

/// Asserts that this is all that is wrong.
#[track_caller]
fn assert_faults(found: &Verification, names: &[&str]) {
    let named: Vec<&str> = found.faults.iter().map(|fault| fault.kind.name()).collect();
    let faults: Vec<String> = found.faults.iter().map(ToString::to_string).collect();
    assert_eq!(named, names, "{}: {faults:#?}", found.output);
    assert!(!found.holds);
}

// ---- what is right

#[test]
fn a_source_is_its_own_output() {
    oracle!("verify of sources");
    let mut all: Vec<PathBuf> = if cfg!(feature = "full-tests") {
        common::pool().into_iter().map(|fixture| fixture.path).collect()
    } else {
        ["h264-aac", "hevc-ts", "av1-mp4", "mpeg2-mp2"].into_iter().filter_map(common::fixture).collect()
    };
    all.extend(
        ["world.mp4", "cases/rotated-90.mp4", "cases/no-key-flags.ts", "cityCC0.mpg"]
            .into_iter()
            .filter_map(common::shared),
    );
    for path in all {
        let found = check(&path, &path, &[]);
        assert_holds(&found);
        if let Some(pictures) = found.pictures {
            assert_eq!(pictures.copied, pictures.expected, "{}", path.display());
            assert_eq!(pictures.spans.len(), 1);
        }
    }
}

#[test]
fn a_copy_from_a_keyframe_on_is_the_sources_pictures() {
    oracle!("verify of copies");
    let coders: [(&str, &str, &[&str]); 5] = [
        ("h264", "mp4", &["-c:v", "libx264", "-bf", "0"]),
        (
            "hevc",
            "mp4",
            &["-c:v", "libx265", "-bf", "0", "-x265-params", "log-level=error:no-open-gop=1:scenecut=0"],
        ),
        ("mpeg2", "ts", &["-c:v", "mpeg2video", "-q:v", "3"]),
        ("vp9", "webm", &["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8"]),
        ("av1", "mkv", &["-c:v", "libsvtav1", "-preset", "12", "-svtav1-params", "pred-struct=1"]),
    ];
    for (codec, ending, coding) in coders {
        let source = source_with(&format!("{codec}.{ending}"), &[coding, &GOP[..]].concat());
        for into in [ending, "mkv", "mp4", "ts"] {
            if into == "ts" && ["vp9", "av1"].contains(&codec) || into == "mp4" && codec == "mpeg2" {
                continue;
            }
            let arguments = ["-ss", "2.0", "-i", source.to_str().unwrap(), "-c", "copy"];
            let output = made_by_ffmpeg(&format!("verify-{codec}-copy.{into}"), &arguments);
            let found = check(&source, &output, &[range(2.0, 4.0)]);
            assert_holds(&found);
            let pictures = found.pictures.unwrap();
            assert_eq!(
                (pictures.copied, pictures.expected, pictures.recoded),
                (50, 50, 0),
                "{codec} in {into}"
            );
        }
    }
}

#[test]
fn a_range_that_was_encoded_is_near_the_source() {
    oracle!("verify of what was encoded");
    let found = check_middle(&filtered("encoded", "null", &[]));
    assert_holds(&found);
    let pictures = found.pictures.unwrap();
    assert_eq!((pictures.recoded, pictures.expected, pictures.copied), (50, 50, 0));
    assert!(pictures.psnr_min.unwrap() > 40.0, "{:?}", pictures.psnr_min);
    assert_eq!(pictures.psnr.len(), 50);
    // The same to somebody else.
    let arguments =
        ["-i", source().to_str().unwrap(), "-i", filtered("encoded", "null", &[]).to_str().unwrap()]
            .map(str::to_owned);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let graph = "[0]trim=start_frame=25:end_frame=75,setpts=PTS-STARTPTS[a];[a][1]psnr=stats_file=-";
    let (told, _) = common::ffmpeg(&[&arguments[..], &["-lavfi", graph, "-f", "null", "/dev/null"]].concat());
    let told = String::from_utf8(told).unwrap();
    let theirs: Vec<f64> = told
        .lines()
        .filter_map(|line| line.split_once("psnr_avg:")?.1.split(' ').next()?.parse().ok())
        .collect();
    assert_eq!(theirs.len(), 50);
    for (ours, theirs) in pictures.psnr.iter().zip(theirs) {
        assert!((ours.psnr - theirs).abs() < 0.011, "{} and {theirs}", ours.psnr);
    }
}

#[test]
fn our_own_cuts_hold() {
    oracle!("verify of our cuts");
    let mut sources = vec![(source(), 25.0)];
    sources.extend(common::shared("bikes.mp4").map(|path| (path, 25.0)));
    let folder = tempfile::tempdir().unwrap();
    for (i, (path, _)) in sources.iter().enumerate() {
        let media = open(path);
        let several = [range(0.52, 1.32), range(2.13, 3.4), range(2.6, 3.0), range(0.0, 0.4)];
        for (mode, format, ranges) in [
            (CutMode::Edit, "mp4", &several[..1]),
            (CutMode::Edit, "mp4", &several[..2]),
            (CutMode::Edit, "mov", &several[..]),
            (CutMode::Encode, "mp4", &several[..]),
            (CutMode::Encode, "mkv", &several[1..2]),
            (CutMode::Encode, "ts", &several[..2]),
        ] {
            let settings = ranges.iter().copied().fold(Cut::new(), Cut::keep).mode(mode).format(format);
            let clip = cut(&media, &settings, &Control::new()).unwrap();
            let output = save(&clip, folder.path(), &format!("{i}-{mode:?}-{}.{format}", ranges.len()));
            let found = check(path, &output, ranges);
            assert_holds(&found);
            let pictures = found.pictures.unwrap();
            let of_mode = if mode == CutMode::Edit { pictures.copied } else { pictures.recoded };
            assert_eq!(
                (of_mode, pictures.found),
                (pictures.expected, pictures.expected),
                "{}",
                output.display()
            );
        }
    }
}

// ---- what is wrong

#[test]
fn what_is_missing_or_too_much_is_named() {
    oracle!("verify of what is missing");
    let found = check_middle(&filtered("missing", "select='not(eq(n,20))'", &[]));
    assert_faults(&found, &["missing"]);
    assert!(
        matches!(found.faults[0].kind, FaultKind::Missing { pictures: 1, by } if by.nanos() == 0),
        "{found:?}"
    );
    assert_eq!(found.faults[0].at.unwrap().secs(), 0.8);
    assert_eq!(found.faults[0].source.unwrap().secs(), 1.8);

    let closed = check_middle(&filtered("closed", "select='not(between(n,20,39))',setpts=N/25/TB", &[]));
    assert_faults(&closed, &["missing"]);
    let by = |by: avrope::Timestamp| (by.secs() * 1000.0).round() as i64;
    assert!(
        matches!(closed.faults[0].kind, FaultKind::Missing { pictures: 20, by: b } if by(b) == 800),
        "{closed:?}"
    );

    let found = check_middle(&filtered("doubled", "loop=loop=1:size=1:start=20,setpts=N/25/TB", &[]));
    assert_faults(&found, &["repeated"]);
    assert!(
        matches!(found.faults[0].kind, FaultKind::Repeated { pictures: 1, by: b } if by(b) == 40),
        "{found:?}"
    );

    let found = check_middle(&filtered("head-missing", "select='gte(n,2)',setpts=N/25/TB", &[]));
    assert_faults(&found, &["missing"]);
    let found = check_middle(&filtered("tail-missing", "select='lt(n,47)'", &[]));
    assert_faults(&found, &["missing"]);

    let file = source();
    let chain = "trim=start_frame=25:end_frame=78,setpts=PTS-STARTPTS";
    let more = made_by_ffmpeg(
        "verify-more.mp4",
        &["-i", file.to_str().unwrap(), "-vf", chain, "-c:v", "libx264", "-crf", "10"],
    );
    assert_faults(&check_middle(&more), &["added"]);
    let copied =
        made_by_ffmpeg("verify-behind.mp4", &["-i", file.to_str().unwrap(), "-t", "3", "-c", "copy"]);
    let found = check_middle(&copied);
    // And two more at the end, which B-frames would refer to.
    assert_faults(&found, &["added", "added"]);
    assert!(matches!(found.faults[0].kind, FaultKind::Added { pictures: 25, .. }), "{found:?}");
}

/// A filter that shows 50 pictures in another order.
fn shuffled(of: impl Fn(u32) -> u32) -> String {
    let order: Vec<String> = (0..50).map(|n| of(n).to_string()).collect();
    format!("shuffleframes={}", order.join(" "))
}

/// One that shows a picture in the place of so many that follow.
fn still(at: u32, count: u32) -> String {
    shuffled(|n| if (at..=at + count).contains(&n) { at } else { n })
}

#[test]
fn what_stands_still_or_is_out_of_order_is_named() {
    oracle!("verify of order");
    let found = check_middle(&filtered("frozen", &still(19, 5), &[]));
    assert_faults(&found, &["frozen"]);
    assert!(matches!(found.faults[0].kind, FaultKind::Frozen { pictures: 5, head: false }), "{found:?}");
    let found = check_middle(&filtered("frozen-head", &still(0, 6), &[]));
    assert_faults(&found, &["frozen"]);
    assert!(matches!(found.faults[0].kind, FaultKind::Frozen { pictures: 6, head: true }), "{found:?}");

    let swap = shuffled(|n| match n {
        20 => 21,
        21 => 20,
        n => n,
    });
    let found = check_middle(&filtered("swapped", &swap, &[]));
    assert_faults(&found, &["out_of_order"]);
    assert!(matches!(found.faults[0].kind, FaultKind::OutOfOrder { pictures: 1 }), "{found:?}");

    let file = source();
    for (by, first) in [(1, 26), (-1, 24), (3, 28)] {
        let chain = format!("trim=start_frame={first}:end_frame={},setpts=PTS-STARTPTS", first + 50);
        let arguments = ["-i", file.to_str().unwrap(), "-vf", &chain, "-c:v", "libx264", "-crf", "10"];
        let found = check_middle(&made_by_ffmpeg(&format!("verify-shifted-{first}.mp4"), &arguments));
        assert_faults(&found, &["shifted"]);
        assert!(
            matches!(found.faults[0].kind, FaultKind::Shifted { pictures } if pictures == by),
            "{found:?}"
        );
    }
}

#[test]
fn what_is_another_picture_is_named() {
    oracle!("verify of pictures");
    let boxed = |from: u32, to: u32| format!("drawbox=color=gray:t=fill:enable='between(n,{from},{to})'");
    let found = check_middle(&filtered("foreign", &boxed(20, 22), &[]));
    assert_faults(&found, &["foreign"]);
    assert!(matches!(found.faults[0].kind, FaultKind::Foreign { pictures: 3, instead: true }), "{found:?}");

    let found = check_middle(&filtered("poor", "null", &["-crf", "45"]));
    assert_faults(&found, &["poor"]);
    assert!(matches!(found.faults[0].kind, FaultKind::Poor { pictures: 50, .. }), "{found:?}");
    let asked = Verify::new().keep(range(1.0, 3.0)).min_psnr(15.0);
    let poor = filtered("poor", "null", &["-crf", "45"]);
    assert_holds(&asked.check(&open(&source()), &open(&poor), &Control::new()).unwrap());

    assert_faults(&check_middle(&filtered("small", "scale=96:72", &[])), &["form"]);
    assert_faults(&check_middle(&filtered("deep", "format=yuv422p", &["-pix_fmt", "yuv422p"])), &["form"]);
}

#[test]
fn what_comes_at_another_time_is_named() {
    oracle!("verify of times");
    for (name, filter, fault) in [
        ("gap", "setpts='PTS+if(gte(N,20),0.04/TB,0)'", "gap"),
        ("hurried", "setpts='PTS-if(gte(N,20),0.02/TB,0)'", "hurried"),
        ("one-late", "setpts='PTS+if(eq(N,20),0.02/TB,0)'", "times"),
        ("slower", "setpts=PTS*1.01", "times"),
    ] {
        let fine = ["-video_track_timescale", "90000", "-enc_time_base", "1:90000"];
        let found = check_middle(&filtered(name, filter, &fine));
        let lasts_longer = if name == "slower" { &[fault, "last_duration"][..] } else { &[fault] };
        let named: Vec<&str> = found.faults.iter().map(|fault| fault.kind.name()).collect();
        assert!(named == [fault] || named == lasts_longer, "{name}: {:#?}", found.faults);
    }
}

#[test]
fn pictures_whose_references_are_lost_are_named() {
    oracle!("verify of references");
    // Everything from the middle of a GOP on: its pictures have the source's bytes, and nothing to refer to.
    let source = source_with("no-b.mp4", &[&["-c:v", "mpeg4", "-q:v", "2"], &GOP[..]].concat());
    let arguments =
        ["-i", source.to_str().unwrap(), "-c", "copy", "-bsf:v", "noise=drop='between(n,30,32)*not(key)'"];
    let output = made_by_ffmpeg("verify-references.mkv", &arguments);
    let found = check(&source, &output, &[]);
    assert_faults(&found, &["missing", "broken"]);
    let pictures = found.pictures.unwrap();
    assert!(pictures.spans.iter().any(|span| span.state == PictureState::Recoded), "{:?}", pictures.spans);
}

#[test]
fn ranges_that_make_no_sense_are_errors() {
    let media: Media = open(&common::clip());
    for ranges in [[range(2.0, 1.0)], [range(-1.0, 1.0)], [range(100.0, 101.0)]] {
        let asked = ranges.into_iter().fold(Verify::new(), Verify::keep);
        let error = asked.check(&media, &media, &Control::new()).unwrap_err();
        assert_eq!(error.kind(), avrope::ErrorKind::InvalidArgument, "{error}");
    }
}

#[test]
fn a_comparison_says_how_far_it_is() {
    oracle!("progress of verify");
    let source = source();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&seen);
    let control = Control::new().progress(move |progress| told.lock().unwrap().push(progress));
    let output = open(&filtered("encoded", "null", &[]));
    Verify::new().keep(range(1.0, 3.0)).check(&open(&source), &output, &control).unwrap();
    let seen = seen.lock().unwrap();
    assert!(
        seen.len() > 4 && seen.iter().all(|p| p.stage == Stage::Verify && p.total == 2_000_000_000),
        "{seen:?}"
    );
    assert!(seen.is_sorted_by_key(|progress| progress.done), "{seen:?}");
    assert_eq!(seen.iter().filter(|progress| progress.done == progress.total).count(), 1);
}

#[test]
fn a_comparison_can_be_called_off() {
    let media = open(&common::clip());
    let late = Control::new().timeout(std::time::Duration::ZERO);
    let error = Verify::new().check(&media, &media, &late).unwrap_err();
    assert_eq!(error.kind(), avrope::ErrorKind::DeadlineExceeded, "{error}");
    let token = avrope::control::CancelToken::new();
    token.cancel();
    let error = Verify::new().check(&media, &media, &Control::new().cancel_token(token)).unwrap_err();
    assert_eq!(error.kind(), avrope::ErrorKind::Cancelled, "{error}");
}

// ---- what only decoding from somewhere else on shows, and what decoders say

/// Flips flags of sync samples in an MP4's table: of this number, counted from 1, instead of the one that was there.
fn with_sync_sample(file: &Path, from: u32, to: u32) -> Vec<u8> {
    let mut bytes = std::fs::read(file).unwrap();
    let table = bytes.windows(4).position(|four| four == b"stss").unwrap() + 12;
    let entry = bytes[table..].chunks_exact(4).position(|four| four == from.to_be_bytes()).unwrap();
    bytes[table + 4 * entry..][..4].copy_from_slice(&to.to_be_bytes());
    bytes
}

#[test]
fn keyframes_that_are_none_are_named() {
    oracle!("verify of keyframes");
    for (codec, coding) in [("h264", &["-c:v", "libx264", "-bf", "0"][..]), ("mpeg4", &["-c:v", "mpeg4"])] {
        let source = source_with(&format!("keys-{codec}.mp4"), &[coding, &GOP[..]].concat());
        let found = check(&source, &source, &[]);
        assert_holds(&found);
        assert_eq!(found.pictures.unwrap().keys_tried, 4);
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("output.mp4");
        std::fs::write(&output, with_sync_sample(&source, 51, 61)).unwrap();
        let found = check(&source, &output, &[]);
        assert_faults(&found, &["seek"]);
        assert!(matches!(found.faults[0].kind, FaultKind::Seek { keys: 1, tried: 4, .. }), "{found:?}");
        assert_eq!(found.faults[0].at.unwrap().secs(), 2.4);
    }
}

#[test]
fn damage_is_named() {
    oracle!("verify of damage");
    let source = source();
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("output.mp4");
    let mut bytes = std::fs::read(&source).unwrap();
    let packets = common::packets(&source);
    // A large packet in the middle.
    let damaged = &packets[50];
    let sizes: usize = packets[..50].iter().map(|packet| packet.size).sum();
    let begins = bytes.windows(4).position(|four| four == b"mdat").unwrap() + 4 + sizes;
    bytes[begins + damaged.size / 3..][..40].fill(0x55);
    std::fs::write(&output, bytes).unwrap();
    let found = check(&source, &output, &[]);
    assert_faults(&found, &["damaged"]);
    let FaultKind::Damaged { lines, .. } = &found.faults[0].kind else { panic!("{:#?}", found.faults) };
    assert!(!lines.is_empty());
}

#[test]
fn the_last_picture_has_to_last() {
    oracle!("verify of the last picture");
    let source = source_with("last.mp4", &["-c:v", "mpeg4", "-video_track_timescale", "12800"]);
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("output.mp4");
    let mut bytes = std::fs::read(&source).unwrap();
    // 100 samples of 512 ticks become 99 and one of 0.
    let numbers = [0_u32, 2, 99, 512, 1, 0].iter().flat_map(|n| n.to_be_bytes());
    let table = common::make_box(b"stts", &numbers.collect::<Vec<u8>>());
    bytes = common::replace_box(&bytes, "moov/trak/mdia/minf/stbl/stts", 0, &table);
    std::fs::write(&output, bytes).unwrap();
    let found = check(&source, &output, &[]);
    assert_faults(&found, &["last_duration"]);
}
