//! `cut` into many files, `--remove`, ranges in files, and `detect`, which finds them.

use super::{Case, args, code, ends, failed, interrupt, json, piped, shared, stderr};
use crate::common::{generated, made_by_ffmpeg};
use avrope::synth::Spec;
use serde_json::Value;
use std::{
    ffi::OsString,
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
};

/// 3 s, with a keyframe each second.
fn clip() -> PathBuf {
    generated("cli-parts.mp4", &Spec { duration: 3.0, ..Spec::default() })
}

/// Chapters at 0, 1 and 2 s, whose titles are no file names.
fn with_chapters() -> PathBuf {
    let clip = clip();
    let list = clip.with_file_name("cli-parts-chapters.txt");
    let chapter = |from: u32, title: &str| {
        format!("[CHAPTER]\nTIMEBASE=1/1\nSTART={from}\nEND={}\ntitle={title}\n", from + 1)
    };
    let text = [chapter(0, "In/tro"), chapter(1, "../.."), chapter(2, "Ende: \"Ü\"")].concat();
    fs::write(&list, format!(";FFMETADATA1\n{text}")).unwrap();
    let (clip, list) = (clip.to_str().unwrap(), list.to_str().unwrap());
    made_by_ffmpeg(
        "cli-parts.mkv",
        &["-i", clip, "-i", list, "-map_chapters", "1", "-map", "0", "-c", "copy"],
    )
}

fn run(case: &Case, input: &Path, rest: &[&str]) -> std::process::Output {
    let mut all = args([&"cut", &input]);
    all.extend(rest.iter().map(OsString::from));
    case.run(all)
}

fn names(case: &Case, folder: &str) -> Vec<String> {
    let entries = fs::read_dir(case.path(folder)).unwrap();
    let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn a_file_is_split_into_files_by_number() {
    let (case, clip) = (Case::new(), clip());
    let output = run(&case, &clip, &["--split-at", "0:02,0.69", "--output-dir", "a/b"]);
    code(&output, 0);
    let stem = clip.file_stem().unwrap().to_str().unwrap().to_owned();
    let numbered = |ending: &str| (1..=3).map(|n| format!("{stem}-00{n}.{ending}")).collect::<Vec<_>>();
    assert_eq!(names(&case, "a/b"), numbered("mp4"));
    assert!(String::from_utf8_lossy(&output.stdout).contains("a/b: 3 parts"), "{output:?}");

    // Nothing is begun where one of them is there.
    fs::remove_file(case.path(&format!("a/b/{stem}-001.mp4"))).unwrap();
    let again = run(&case, &clip, &["--split-at", "2,0.69", "--output-dir", "a/b"]);
    failed(
        &again,
        &format!("a/b/{stem}-002.mp4: the file exists; choose another folder, or overwrite it (--force)"),
    );
    assert_eq!(names(&case, "a/b").len(), 2);
    let told =
        json(&run(&case, &clip, &["--split-at", "2,0.69", "--output-dir", "a/b", "--force", "--json"]));
    let parts = told["parts"].as_array().unwrap();
    assert_eq!((told["operation"].as_str(), parts.len()), (Some("cut"), 3));
    assert_eq!(
        (&parts[1]["from"], &parts[1]["to"], &parts[2]["to"]),
        (&0.7.into(), &2.0.into(), &Value::Null)
    );
    assert_eq!(parts[2]["report"]["mode"], "smart");
    assert_eq!(parts[2]["output"], format!("a/b/{stem}-003.mp4"));

    // No empty last part, and another container.
    code(&run(&case, &clip, &["--every", "1", "--output-dir", "ts", "--format", "mpegts"]), 0);
    assert_eq!(names(&case, "ts"), numbered("ts"));
    let few = run(&case, &clip, &["--split-at", "0.3,0.6,1.5", "--output-dir", "k", "--mode", "keyframe"]);
    code(&few, 0);
    assert!(stderr(&few).contains("2 of 3 points left out: no keyframe of their own"), "{}", stderr(&few));
    assert_eq!(names(&case, "k").len(), 2);
}

#[test]
fn chapters_name_their_files() {
    let (case, media) = (Case::new(), with_chapters());
    code(&run(&case, &media, &["--chapters", "--output-dir", "out"]), 0);
    let stem = media.file_stem().unwrap().to_str().unwrap();
    let wanted = ["001-In tro", "002", "003-Ende Ü"].map(|name| format!("{stem}-{name}.mkv"));
    assert_eq!(names(&case, "out"), wanted);
    failed(&run(&case, &clip(), &["--chapters", "--output-dir", "no"]), "it has no chapters");
    assert_eq!(case.files(), ["out"]);
}

#[test]
fn what_makes_no_parts_is_said() {
    let (case, clip) = (Case::new(), clip());
    fs::write(case.path("file"), "").unwrap();
    for (rest, says) in [
        (&["--split-at", "1"][..], "--output-dir"),
        (&["--output-dir", "d"], "--split-at"),
        (&["--split-at", "1", "-o", "out.mp4"], "cannot be used with"),
        (&["--split-at", "1", "--output-dir", "d", "-o", "out.mp4"], "cannot be used with"),
        (&["--keep", "1..2", "--output-dir", "d"], "cannot be used with"),
        (&["--keep", "1..2", "--split-at", "1", "--output-dir", "d"], "cannot be used with"),
        (&["--every", "1", "--scenes", "--output-dir", "d"], "cannot be used with"),
        (&["--every", "1", "--min-scene", "1", "--output-dir", "d"], "cannot be used with"),
        (&["--every", "1", "--plan", "--output-dir", "d"], "cannot be used with"),
        (&["--split-at", "x", "--output-dir", "d"], "'x' is not a time"),
        (&["--keep", "1..2", "--remove", "2..3", "-o", "out.mp4"], "cannot be used with"),
        (&["--keep", "@", "-o", "out.mp4"], "such as @cuts.json"),
    ] {
        let output = run(&case, &clip, rest);
        code(&output, 2);
        assert!(stderr(&output).contains(says), "{rest:?}: {} lacks {says:?}", stderr(&output));
    }
    for (rest, says) in [
        (
            &["--split-at", "1,9", "--output-dir", "d"][..],
            "split at 9 s: the source ends at 3 s (--split-at)",
        ),
        (&["--split-at", "-1", "--output-dir", "d"], "lies before the source's start"),
        (&["--every", "0", "--output-dir", "d"], "parts of 0 s: give a length of more than 0"),
        (&["--every", "0.00001", "--output-dir", "d"], "there would be more than 100000"),
        (&["--every", "1", "--output-dir", "file"], "file: this is no folder"),
        (&["--every", "1", "--output-dir", "d", "--format", "nonsense"], "'nonsense'"),
        (&["--every", "1", "--output-dir", "d", "--mode", "edit", "--format", "mkv"], "part 1 of 3: "),
        (&["--every", "1", "--output-dir", "d", "--timeout", "0"], "deadline"),
        (&["--remove", "0..9", "-o", "out.mp4"], "nothing is left: all of the source is removed"),
        (&["--remove", "2..1", "-o", "out.mp4"], "remove 2 s..1 s: the range ends before it begins"),
        (&["--remove", "9..", "-o", "out.mp4"], "begins after the end, which is at 3 s (--remove)"),
        (&["--keep", "@missing.json", "-o", "out.mp4"], "missing.json: "),
        (&["--keep", "@file", "-o", "out.mp4"], "file: this is no JSON: EOF while parsing"),
    ] {
        failed(&run(&case, &clip, rest), says);
        assert_eq!(case.files(), ["file"], "{rest:?}");
    }
}

#[test]
fn an_interrupt_leaves_whole_parts_alone() {
    let case = Case::new();
    let all = ["--every", "0.05", "--mode", "encode", "--output-dir", "out"];
    let mut command = case.command(args([&"cut", &shared().ts]));
    let mut child = command.args(all).spawn().unwrap();
    let mut line = String::new();
    let mut told = BufReader::new(child.stdout.take().unwrap());
    told.read_line(&mut line).unwrap();
    assert!(line.starts_with("out/") && line.contains("-001.ts: "), "{line}");
    interrupt(&child);
    let output = ends(child);
    code(&output, 130);
    assert!(stderr(&output).ends_with("avrope: interrupted\n"), "{}", stderr(&output));
    let parts = names(&case, "out");
    assert!(
        parts.len() < 400 && parts.iter().all(|name| name.ends_with(".ts") && !name.starts_with('.')),
        "{parts:?}"
    );
    let last = parts.last().unwrap();
    code(&case.run(args([&"probe", &format!("out/{last}")])), 0);
}

#[test]
fn what_is_detected_is_kept_and_removed() {
    let case = Case::new();
    let quiet = made_by_ffmpeg(
        "cli-quiet.mp4",
        &[
            "-f",
            "lavfi",
            "-i",
            "testsrc2=s=64x64:r=25:d=3",
            "-f",
            "lavfi",
            "-i",
            "sine=r=48000:d=3,volume=0:enable='between(t,1,2)'",
            "-c:v",
            "libx264",
            "-c:a",
            "pcm_s16le",
            "-f",
            "mov",
        ],
    );
    let detect = |rest: &[&str]| {
        let mut all = args([&"detect", &quiet, &"--min-silence", &"0.5"]);
        all.extend(rest.iter().map(OsString::from));
        case.run(all)
    };
    let output = detect(&["--silence", "--json"]);
    let found = json(&output);
    assert_eq!(found["silence"].as_array().unwrap().len(), 1);
    assert!(found.get("scenes").is_none());
    fs::write(case.path("one.json"), &output.stdout).unwrap();
    fs::write(case.path("all.json"), detect(&["--json"]).stdout).unwrap();
    let words = detect(&[]);
    code(&words, 0);
    assert!(String::from_utf8_lossy(&words.stdout).starts_with("1 scene\n"), "{words:?}");

    let cut = |rest: &[&str]| {
        json(&run(&case, &quiet, &[rest, &["--format", "mov", "--json", "--force"]].concat()))
    };
    let length = |report: &Value| report["duration_s"].as_f64().unwrap();
    assert!((length(&cut(&["--keep", "@one.json", "-o", "kept.mov"])) - 1.0).abs() < 0.05);
    let left = cut(&["--remove", "@all.json#silence", "-o", "left.mov"]);
    assert!((length(&left) - 2.0).abs() < 0.05, "{left}");
    assert_eq!(left["ranges"].as_array().unwrap().len(), 2);
    // What verifies it is told in the same words.
    let verified =
        case.run(args([&"verify", &quiet, &"left.mov", &"--remove", &"@one.json", &"--max-lag", &"40ms"]));
    assert_ne!(verified.status.code(), Some(0), "40ms is no length of time");
    code(&case.run(args([&"verify", &quiet, &"left.mov", &"--remove", &"@one.json"])), 0);
    // Through a pipe.
    let command =
        case.command(args([&"cut", &quiet, &"--keep", &"@-", &"--format", &"mov", &"-o", &"piped.mov"]));
    code(&piped(command, &output.stdout), 0);
    assert!(fs::read(case.path("piped.mov")).unwrap() == fs::read(case.path("kept.mov")).unwrap());

    failed(&run(&case, &quiet, &["--keep", "@all.json", "-o", "x.mov"]), "it has several lists (");
    failed(
        &run(&case, &quiet, &["--keep", "@one.json#black", "-o", "x.mov"]),
        "there is no list 'black' in it; it has: silence",
    );
    fs::write(case.path("none.json"), "[]").unwrap();
    failed(&run(&case, &quiet, &["--keep", "@none.json", "-o", "x.mov"]), "no range is in it");
    assert_eq!(length(&cut(&["--remove", "@none.json", "-o", "x.mov"])), 3.0);
    fs::write(case.path("large.json"), vec![b' '; 5 << 20]).unwrap();
    failed(
        &run(&case, &quiet, &["--keep", "@large.json", "-o", "y.mov"]),
        "large.json: it has more than 4194304 bytes",
    );
    let output = case.run(args([&"detect", &quiet, &"--scene-threshold", &"200"]));
    failed(&output, "can be from 0 to 100 (--scene-threshold)");
}
