//! Joins of inputs that do not match: parameter sets of their own, and what is encoded to match the first. The
//! installed ffmpeg says what is shown.

use crate::common::{self, complaints, ffmpeg, frames, made_by_ffmpeg, save};
use avrope::{Control, Join, Source, join};
use std::path::{Path, PathBuf};

/// Moving pictures and sound, coded so: `options` go in front of the output.
fn made(name: &str, seconds: f64, picture: &str, options: &str) -> PathBuf {
    let pictures = format!("testsrc2=d={seconds}:{picture},noise=alls=4:all_seed=3");
    let sound = format!("sine=440:r=48000:d={seconds},volume=0.3");
    let mut arguments = vec!["-f", "lavfi", "-i", &pictures, "-f", "lavfi", "-i", &sound];
    arguments.extend(options.split(' '));
    made_by_ffmpeg(&format!("unlike-{name}"), &arguments)
}

const H264: &str = "-c:v libx264 -preset veryfast -g 25 -c:a aac -ac 2";
const OTHER_H264: &str = "-c:v libx264 -preset veryfast -bf 0 -refs 1 -qp 30 -g 20 -c:a aac -ac 2";
const HEVC: &str = "-c:v libx265 -preset ultrafast -x265-params log-level=error -g 25 -c:a aac -ac 2";
const OTHER_HEVC: &str =
    "-c:v libx265 -preset fast -x265-params bframes=0:log-level=error -g 20 -c:a aac -ac 2";

fn sources(paths: &[&Path]) -> Vec<Source> {
    paths.iter().map(|path| Source::open(path).unwrap()).collect()
}

fn shown(path: &Path) -> Vec<String> {
    frames(path, "0:v:0").into_iter().map(|frame| frame.hash).collect()
}

/// What is shown where a reader goes back to the beginning behind the end, and decodes on.
fn shown_twice(path: &Path) -> Vec<String> {
    let path = path.to_str().unwrap();
    let (text, _) = ffmpeg(&[
        "-stream_loop",
        "1",
        "-i",
        path,
        "-map",
        "0:v:0",
        "-fps_mode",
        "passthrough",
        "-f",
        "framemd5",
        "-",
    ]);
    let text = String::from_utf8(text).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| Some(line.rsplit(',').next()?.trim().to_owned())).collect()
}

/// Joins [one, two, one] that are alike but for their parameter sets, which is all copied.
fn copies(codec: &str, ending: &str, container: &str) {
    let (first, other) = if codec == "hevc" { (HEVC, OTHER_HEVC) } else { (H264, OTHER_H264) };
    let one = made(&format!("{codec}-one.{ending}"), 1.6, "s=160x90:r=25", first);
    let two = made(&format!("{codec}-two.{ending}"), 1.2, "s=160x90:r=25", other);
    let what = format!("{codec} {ending} into {container}");
    let parts = [&*one, &*two, &*one];
    let clip = join(&sources(&parts), &Join::new().format(container), &Control::new()).expect(&what);
    assert_eq!(clip.report.frames_encoded, 0, "{what}");
    let folder = tempfile::tempdir().unwrap();
    let output = save(&clip, folder.path(), &format!("out.{container}"));
    let due: Vec<String> = parts.iter().flat_map(|part| shown(part)).collect();
    assert!(shown(&output) == due, "{what}: other pictures");
    // Transport streams can't be gone back in to the first picture.
    if container != "ts" {
        assert!(
            shown_twice(&output) == [&due[..], &due].concat(),
            "{what}: other pictures behind a jump back"
        );
    }
    // FFmpeg's parser knows but the first sample description of a track of MP4, and says so.
    if container != "mp4" {
        let own: Vec<String> = parts.iter().flat_map(|part| complaints(part)).collect();
        let new: Vec<String> = complaints(&output).into_iter().filter(|line| !own.contains(line)).collect();
        assert!(new.is_empty(), "{what}: {new:#?}");
    }
}

#[test]
fn inputs_with_other_parameter_sets_are_copied() {
    oracle!("other parameter sets");
    copies("h264", "mp4", "mkv");
    copies("hevc", "mp4", "ts");
    copies("h264", "ts", "ts");
    if cfg!(feature = "full-tests") {
        for codec in ["h264", "hevc"] {
            for ending in ["mp4", "mkv", "ts"] {
                for container in ["mp4", "mkv", "ts", "mov"] {
                    copies(codec, ending, container);
                }
            }
        }
    }
}
