//! Where scenes, black and silence are: known from how the media was made, and by ffmpeg's own filters.

use crate::common::{self, ffmpeg, has_oracle, made_by_ffmpeg, open};
use avrope::{
    Control, ErrorKind, TimeRange, Timestamp,
    control::{CancelToken, Stage},
    detect::{Black, Detect, Detected, Scenes, Silence},
    synth::Spec,
};
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

/// 8 s: a scene up to 3 s, black up to 5.4 s, another scene; with B-frames. Its sound is silent from 2 to 5.5 s.
fn mp4() -> PathBuf {
    made_by_ffmpeg(
        "detect.mp4",
        &[
            "-f",
            "lavfi",
            "-i",
            "testsrc2=s=160x96:r=25:d=3",
            "-f",
            "lavfi",
            "-i",
            "color=black:s=160x96:r=25:d=2.4",
            "-f",
            "lavfi",
            "-i",
            "smptebars=s=160x96:r=25:d=2.6",
            "-f",
            "lavfi",
            "-i",
            "sine=440:d=8:r=48000,volume=0:enable='between(t,2,5.5)'",
            "-filter_complex",
            "[0:v]setsar=1[a];[1:v]setsar=1[b];[2:v]setsar=1[c];[a][b][c]concat=n=3:v=1:a=0[v]",
            "-map",
            "[v]",
            "-map",
            "3:a",
            "-c:v",
            "libx264",
            "-preset",
            "ultrafast",
            "-bf",
            "3",
            "-g",
            "60",
            "-c:a",
            "flac",
            "-strict",
            "-2",
        ],
    )
}

/// The same in another container, or from another time on.
fn copied(name: &str, front: &[&str], behind: &[&str]) -> PathBuf {
    let input = mp4();
    let input = ["-i", input.to_str().unwrap(), "-c", "copy"];
    made_by_ffmpeg(&format!("detect-{name}"), &[front, &input, behind].concat())
}

fn all() -> Detect {
    let scenes = Scenes { min_duration: Duration::ZERO, ..Scenes::default() };
    Detect::new().scenes(scenes).black(Black::default()).silence(Silence::default())
}

fn look(path: &Path, asked: &Detect) -> Detected {
    asked.run(&open(path), &Control::new()).unwrap()
}

/// Beginnings and ends in seconds, to the millisecond.
fn rounded(ranges: &[TimeRange]) -> Vec<(f64, f64)> {
    let ms = |time: Timestamp| (time.secs() * 1e3).round() / 1e3;
    ranges.iter().map(|range| (ms(range.from), ms(range.to))).collect()
}

fn scenes(found: &Detected) -> Vec<(f64, f64)> {
    let scenes = found.scenes.as_deref().unwrap();
    rounded(&scenes.iter().map(|s| TimeRange { from: s.from, to: s.to }).collect::<Vec<_>>())
}

#[test]
fn scenes_black_and_silence_are_where_they_were_made() {
    let found = look(&mp4(), &all());
    assert_eq!(scenes(&found), [(0.0, 3.0), (3.0, 5.4), (5.4, 8.0)]);
    let scored = found.scenes.as_deref().unwrap();
    assert!(scored[0].score.is_none() && scored[1..].iter().all(|s| s.score.unwrap() > 10.0), "{scored:?}");
    assert_eq!(rounded(found.black.as_deref().unwrap()), [(3.0, 5.4)]);
    // The filter's borders are those of its frames of sound.
    let silence = rounded(found.silence.as_deref().unwrap());
    assert!(
        silence.len() == 1 && (silence[0].0 - 2.0).abs() < 0.03 && (silence[0].1 - 5.5).abs() < 0.03,
        "{silence:?}"
    );
    assert_eq!(found.decode_errors, 0);
}

#[test]
fn times_are_those_that_a_cut_takes() {
    let plain = look(&mp4(), &all());
    let late = look(&copied("late.mkv", &[], &["-output_ts_offset", "7"]), &all());
    assert_eq!((scenes(&late), &late.black, &late.silence), (scenes(&plain), &plain.black, &plain.silence));
    // An edit list that begins within a picture.
    let edited =
        look(&copied("edited.mp4", &["-ss", "0.7"], &["-an"]), &Detect::new().black(Black::default()));
    assert_eq!(rounded(&edited.black.unwrap()), [(2.3, 4.7)]);
}

/// What a filter of ffmpeg's says behind these words.
fn said(lines: &str, name: &str) -> Vec<f64> {
    let after = |line: &str| {
        let rest = line.split_once(name)?.1.trim_start();
        rest.split([' ', ',', '|']).next()?.parse().ok()
    };
    lines.lines().filter_map(after).collect()
}

/// ffmpeg's own filters on the same file.
#[test]
fn the_same_as_ffmpeg_finds() {
    if !has_oracle("the_same_as_ffmpeg_finds") {
        return;
    }
    let real = ["bikes.mp4", "test-segment.ts"].iter().filter_map(|name| common::shared(name));
    let quiet = Silence { threshold: -50.0, ..Silence::default() };
    for path in [mp4()].into_iter().chain(real) {
        let sounds = open(&path).info().streams.iter().any(|s| s.kind == avrope::media::StreamKind::Audio);
        let asked = if sounds {
            all().silence(quiet)
        } else {
            Detect::new()
                .scenes(Scenes { min_duration: Duration::ZERO, ..Scenes::default() })
                .black(Black::default())
        };
        let found = look(&path, &asked);
        let graph = ["-vf", "scdet,blackdetect", "-af", "silencedetect=n=-50dB", "-f", "null", "-"];
        let input = ["-loglevel", "info", "-i", path.to_str().unwrap()];
        let (_, lines) = ffmpeg(&[&input[..], &graph].concat());
        let near = |own: Vec<f64>, theirs: Vec<f64>, what: &str| {
            // Theirs have six digits.
            let same =
                own.len() == theirs.len() && own.iter().zip(&theirs).all(|(a, b)| (a - b).abs() < 1e-4);
            assert!(same, "{} {what}: {own:?}, and ffmpeg: {theirs:?}", path.display());
        };
        let scenes: Vec<f64> = found.scenes.unwrap().iter().skip(1).map(|s| s.from.secs()).collect();
        near(scenes, said(&lines, "lavfi.scd.time:"), "scenes");
        let ends = |ranges: &[TimeRange]| {
            ranges.iter().flat_map(|r| [r.from.secs(), r.to.secs()]).collect::<Vec<_>>()
        };
        let theirs = |from: &str, to: &str| {
            let both = said(&lines, from).into_iter().zip(said(&lines, to));
            both.flat_map(|(from, to)| [from, to]).collect::<Vec<_>>()
        };
        near(ends(&found.black.unwrap()), theirs("black_start:", "black_end:"), "black");
        near(ends(&found.silence.unwrap_or_default()), theirs("silence_start:", "silence_end:"), "silence");
    }
}

#[test]
fn thresholds_and_least_durations_are_held_to() {
    let media = open(&mp4());
    let run = |asked: Detect| asked.run(&media, &Control::new()).unwrap();
    let count = |scenes: Scenes| run(Detect::new().scenes(scenes)).scenes.unwrap().len();
    assert_eq!(count(Scenes { threshold: 100.0, ..Scenes::default() }), 1);
    assert_eq!(count(Scenes { min_duration: Duration::from_secs(3), ..Scenes::default() }), 2);
    let black = |black: Black| run(Detect::new().black(black)).black.unwrap().len();
    assert_eq!(black(Black { min_duration: Duration::from_millis(2400), ..Black::default() }), 1);
    assert_eq!(black(Black { min_duration: Duration::from_millis(2401), ..Black::default() }), 0);
    assert_eq!(black(Black { pixel: 1.0, ..Black::default() }), 1);
    let silent = |threshold, seconds| {
        let silence = Silence { threshold, min_duration: Duration::from_secs(seconds) };
        run(Detect::new().silence(silence)).silence.unwrap().len()
    };
    assert_eq!((silent(-60.0, 3), silent(-60.0, 4), silent(0.0, 7)), (1, 0, 1));
    // What was not asked for is not there.
    let found = run(Detect::new().black(Black::default()));
    assert!(found.scenes.is_none() && found.silence.is_none());
}

#[test]
fn black_and_silence_go_on_to_the_end() {
    let path = made_by_ffmpeg(
        "detect-ends.mp4",
        &[
            "-f",
            "lavfi",
            "-i",
            "color=black:s=64x64:r=25:d=3",
            "-f",
            "lavfi",
            "-i",
            "sine=r=48000:d=0.5",
            "-c:v",
            "libx264",
            "-c:a",
            "aac",
        ],
    );
    let found = look(&path, &all());
    assert_eq!(rounded(&found.black.unwrap()), [(0.0, 3.0)]);
    let silence = rounded(&found.silence.unwrap());
    assert!(silence.len() == 1 && silence[0].1 == 3.0 && silence[0].0 < 0.6, "{silence:?}");
}

#[test]
fn what_can_not_be_looked_for_is_said() {
    let media = open(&mp4());
    let why = |asked: Detect| {
        let error = asked.run(&media, &Control::new()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        error.to_string()
    };
    assert!(why(Detect::new()).ends_with("nothing is looked for; ask for scenes, black or silence"));
    let scenes = Scenes { threshold: 101.0, ..Scenes::default() };
    assert!(why(Detect::new().scenes(scenes)).ends_with("scenes.threshold is 101, and can be from 0 to 100"));
    let black = Black { pixel: f64::NAN, ..Black::default() };
    assert!(why(Detect::new().black(black)).contains("black.pixel is NaN"));
    let mute =
        open(&common::generated("mute.mp4", &Spec { duration: 0.5, audio: Vec::new(), ..Spec::default() }));
    let error = Detect::new().silence(Silence::default()).run(&mute, &Control::new()).unwrap_err();
    assert!(error.to_string().ends_with("it has no sound: there is nothing to find silence in"), "{error}");
    let found = all().fitting(&mute).run(&mute, &Control::new()).unwrap();
    assert!(found.scenes.is_some() && found.black.is_some() && found.silence.is_none());
    // A cover does not move.
    let sound =
        common::generated("detect-sound.m4a", &Spec { duration: 0.5, video: None, ..Spec::default() });
    let with_cover = made_by_ffmpeg(
        "detect-cover.m4a",
        &[
            &[
                "-i",
                sound.to_str().unwrap(),
                "-f",
                "lavfi",
                "-i",
                "testsrc2=s=64x64:d=0.04",
                "-map",
                "0",
                "-map",
                "1",
            ][..],
            &["-frames:v", "1", "-c:a", "copy", "-c:v", "mjpeg", "-disposition:v", "attached_pic"],
        ]
        .concat(),
    );
    let media = open(&with_cover);
    assert!(all().fitting(&media).run(&media, &Control::new()).unwrap().scenes.is_none());
}

#[test]
fn it_tells_how_far_it_is_and_ends_when_it_is_told() {
    let media = open(&mp4());
    let told = Arc::new(Mutex::new(Vec::new()));
    let seen = told.clone();
    let control = Control::new().progress(move |p| seen.lock().unwrap().push((p.stage, p.done, p.total)));
    all().run(&media, &control).unwrap();
    let told = told.lock().unwrap();
    assert!(
        told.len() > 10 && told.iter().all(|(stage, done, total)| *stage == Stage::Detect && done <= total)
    );
    assert!(told.windows(2).all(|two| two[0].1 <= two[1].1), "it goes back");
    let token = CancelToken::new();
    token.cancel();
    let error = all().run(&media, &Control::new().cancel_token(token)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    let error = all().run(&media, &Control::new().timeout(Duration::ZERO)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DeadlineExceeded);
}
