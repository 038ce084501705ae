//! Sources that are split, and what is left of one when some of it is taken out: the parts together are the source.

use crate::common::{self, XorShift, frames, has_oracle, made_by_ffmpeg, open, save};
use avrope::{
    Control, Cut, CutMode, ErrorKind, Media, Source, TimeRange, Timestamp, cut,
    synth::{Audio, Spec},
    verify::Verify,
};
use std::path::{Path, PathBuf};

/// Pictures that move all over, and sound, coded so: 4 s.
fn source(name: &str, coding: &str) -> PathBuf {
    let inputs = ["-f", "lavfi", "-i", "testsrc2=s=160x96:r=25:d=4", "-f", "lavfi", "-i", "sine=r=48000:d=4"];
    let coding: Vec<&str> = coding.split(' ').collect();
    made_by_ffmpeg(&format!("parts-{name}"), &[&inputs[..], &coding].concat())
}

fn h264(name: &str) -> PathBuf {
    source(name, "-c:v libx264 -preset ultrafast -bf 2 -g 25 -c:a aac")
}

fn times(seconds: &[f64]) -> Vec<Timestamp> {
    seconds.iter().map(|seconds| Timestamp::from_secs(*seconds).unwrap()).collect()
}

/// What ffmpeg shows of a file: the pictures.
fn shown(path: &Path) -> Vec<String> {
    frames(path, "0:v:0").into_iter().map(|frame| frame.hash).collect()
}

/// Cuts the parts between these points one by one.
fn split(path: &Path, mode: CutMode, points: &[Timestamp], folder: &Path) -> Vec<(TimeRange, PathBuf)> {
    let (media, control) = (open(path), Control::new());
    let settings = Cut::new().mode(mode).format(common::ending(path));
    let parts = settings.parts(&media, points, &control).unwrap();
    assert_eq!(parts.first().map(|part| part.from), Some(Timestamp::ZERO));
    assert_eq!(parts.last().map(|part| part.to), Some(Timestamp::MAX));
    assert!(parts.windows(2).all(|two| two[0].to == two[1].from && two[0].from < two[0].to), "{parts:?}");
    let name = |i| format!("{i}.{}", common::ending(path));
    let made = parts.into_iter().enumerate().map(|(i, part)| {
        let clip = cut(&media, &settings.clone().keep(part), &control).unwrap();
        (part, save(&clip, folder, &name(i)))
    });
    made.collect()
}

/// All parts together show the source's pictures, each once. Returns how many parts there are.
#[track_caller]
fn together(path: &Path, mode: CutMode, points: &[Timestamp]) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let parts = split(path, mode, points, folder.path());
    let all: Vec<String> = parts.iter().flat_map(|(_, part)| shown(part)).collect();
    let source = shown(path);
    let what = format!("{} {mode:?} {points:?}", path.display());
    assert_eq!(all.len(), source.len(), "{what}");
    match mode {
        CutMode::Edit | CutMode::Keyframe => assert_eq!(all, source, "{what}"),
        _ => {
            let media = open(path);
            for (range, part) in &parts {
                let found = Verify::new().keep(*range).check(&media, &open(part), &Control::new()).unwrap();
                assert!(found.holds, "{what}: {range}: {:#?}", found.faults);
            }
        }
    }
    parts.len()
}

fn random_points(seed: u64, count: u64) -> Vec<Timestamp> {
    let mut random = XorShift(seed);
    (0..count).map(|_| Timestamp::from_nanos(1_000_000 * (50 + random.below(3850) as i64))).collect()
}

#[test]
fn parts_of_an_mp4_are_the_source_in_every_mode() {
    if !has_oracle("parts_of_an_mp4_are_the_source_in_every_mode") {
        return;
    }
    let path = h264("plain.mp4");
    // Within a picture, unordered, twice, in one picture, and on one.
    let points = times(&[3.0, 1.013, 1.02, 2.5, 1.013]);
    assert_eq!(together(&path, CutMode::Smart, &points), 4);
    assert_eq!(together(&path, CutMode::Edit, &points), 4);
    assert_eq!(together(&path, CutMode::Encode, &points[..2]), 3);
    assert_eq!(together(&path, CutMode::Keyframe, &points), 4);
    // Some of them may lie in one picture.
    assert!(together(&path, CutMode::Edit, &random_points(7, 12)) > 10);
}

#[test]
fn parts_of_others_are_the_source() {
    if !has_oracle("parts_of_others_are_the_source") {
        return;
    }
    for ending in ["mkv", "ts"] {
        let path = h264(&format!("plain.{ending}"));
        let points = times(&[0.99, 2.51, 3.3]);
        assert_eq!(together(&path, CutMode::Smart, &points), 4, "{ending}");
        // At 0.99 it is the first one, which is where the first part begins.
        let keys = together(&path, CutMode::Keyframe, &points);
        assert_eq!(keys, 3, "{ending}");
    }
}

#[test]
fn parts_of_what_begins_late_or_is_edited_are_the_source() {
    if !has_oracle("parts_of_what_begins_late_or_is_edited_are_the_source") {
        return;
    }
    let path = h264("plain.mp4");
    let of = |name: &str, arguments: &[&str]| {
        let input = ["-i", path.to_str().unwrap(), "-c", "copy"];
        made_by_ffmpeg(&format!("parts-{name}"), &[&input[..], arguments].concat())
    };
    let late = of("late.ts", &["-output_ts_offset", "5"]);
    assert_eq!(together(&late, CutMode::Smart, &times(&[1.5, 2.5])), 3);
    let input = ["-ss", "0.6", "-i", path.to_str().unwrap(), "-c", "copy"];
    let edited = made_by_ffmpeg("parts-edited.mp4", &input);
    for mode in [CutMode::Smart, CutMode::Edit, CutMode::Keyframe] {
        assert_eq!(together(&edited, mode, &times(&[1.5, 2.5])), 3, "{mode:?}");
    }
}

/// The pictures behind an open GOP's keyframe that are shown in front of it need it: where no edit list can hide it, no
/// part begins there.
#[test]
fn parts_begin_at_no_keyframe_that_others_need() {
    if !has_oracle("parts_begin_at_no_keyframe_that_others_need") {
        return;
    }
    let coding = "-c:v libx264 -preset ultrafast -bf 2 -x264-params open-gop=1:keyint=24:scenecut=0 -c:a aac";
    let points = times(&[1.5, 2.5, 3.5]);
    assert_eq!(together(&source("open.mp4", coding), CutMode::Keyframe, &points), 4);
    let open_gops = source("open.mkv", coding);
    assert_eq!(together(&open_gops, CutMode::Keyframe, &points), 1);
    assert_eq!(together(&open_gops, CutMode::Smart, &points[..1]), 2);
}

/// Its container says of pictures that they are decoded after they are shown.
#[test]
fn parts_of_what_lies_about_decoding_are_the_source() {
    let name = "parts_of_what_lies_about_decoding_are_the_source";
    let Some(path) = common::shared("cases/no-key-flags.ts").filter(|_| has_oracle(name)) else {
        return common::skipped("real footage is not here");
    };
    let first = Cut::new().mode(CutMode::Smart).keep(TimeRange::secs(0.0, 0.8).unwrap());
    match cut(&open(&path), &first, &Control::new()) {
        // Newer decoders show next to nothing of what begins at no keyframe.
        Err(e) if e.kind() == ErrorKind::Unsupported && common::lavf() > 59 => {
            common::skipped(&format!("{name}: {e}"));
        }
        _ => assert_eq!(together(&path, CutMode::Smart, &times(&[0.8])), 2),
    }
}

#[test]
fn no_part_is_empty() {
    let media = open(&h264("plain.mp4"));
    let parts = |mode, points: &[Timestamp]| {
        Cut::new().mode(mode).parts(&media, points, &Control::new()).unwrap().len()
    };
    let hundredths = Timestamp::multiples(std::time::Duration::from_millis(10), media.duration().unwrap());
    assert_eq!(parts(CutMode::Smart, &hundredths.unwrap()), 100, "one a picture");
    assert_eq!(parts(CutMode::Smart, &times(&[0.0])), 1);
    assert_eq!(parts(CutMode::Smart, &times(&[3.97])), 1, "behind the last picture's beginning");
    assert_eq!(parts(CutMode::Keyframe, &times(&[0.5])), 1, "at the first keyframe");
    assert_eq!(parts(CutMode::Smart, &[]), 1);
}

#[test]
fn points_outside_are_errors() {
    let media = open(&h264("plain.mp4"));
    let why = |point: Timestamp| {
        let error = Cut::new().parts(&media, &[point], &Control::new()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        error.to_string()
    };
    assert!(why(times(&[-1.0])[0]).ends_with("split at -1 s: the point lies before the source's start"));
    assert!(why(times(&[4.0])[0]).ends_with("split at 4 s: the source ends at 4 s"));
    assert!(why(Timestamp::MAX).contains("the source ends at 4 s"));
    let bytes = std::fs::read(h264("plain.ts")).unwrap();
    let stream = Media::open(Source::from_reader(std::io::Cursor::new(bytes), "stream")).unwrap();
    let error = Cut::new().parts(&stream, &times(&[1.0]), &Control::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[test]
fn sound_alone_is_split_where_the_points_are() {
    let audio = vec![Audio { encoder: "pcm_s16le".into(), ..common::audio("pcm_s16le") }];
    let path = common::generated("parts.wav", &Spec { duration: 2.0, video: None, audio, ..Spec::default() });
    let folder = tempfile::tempdir().unwrap();
    let parts = split(&path, CutMode::Exact, &times(&[0.7, 1.313]), folder.path());
    assert_eq!(parts.len(), 3);
    let all: Vec<u8> = parts.iter().flat_map(|(_, part)| common::raw(part, "0:a:0")).collect();
    assert!(all == common::raw(&path, "0:a:0"), "not the same samples");
}

#[test]
fn what_is_removed_is_gone_and_all_else_is_there() {
    let path = source("pcm.mov", "-c:v libx264 -preset ultrafast -bf 2 -g 25 -c:a pcm_s16le");
    let media = open(&path);
    let range = |from, to| TimeRange::secs(from, to).unwrap();
    let removed = [range(2.0, 3.0), range(0.5, 1.0), range(0.8, 1.2)];
    let kept = TimeRange::without(&removed, media.duration()).unwrap();
    assert_eq!(kept.len(), 3);
    let settings = kept.iter().copied().fold(Cut::new().mode(CutMode::Smart), Cut::keep);
    let clip = cut(&media, &settings, &Control::new()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let output = open(&save(&clip, folder.path(), "left.mov"));
    let found =
        kept.into_iter().fold(Verify::new(), Verify::keep).check(&media, &output, &Control::new()).unwrap();
    assert!(found.holds, "{:#?}", found.faults);
    assert_eq!(found.pictures.unwrap().found, 58);
}
