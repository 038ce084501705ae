//! The command line from outside: exit codes, what goes to which stream, pipes, signals, and what is left
//! behind.

mod parts;

use crate::common::{HANGS, generated};
use avrope::synth::{self, Spec};
use serde_json::Value;
use std::{
    ffi::{OsStr, OsString},
    fs::{self, File, OpenOptions},
    io::{Read, Write},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

/// Media that all cases read.
struct Shared {
    mp4: PathBuf,
    ts: PathBuf,
}

fn shared() -> &'static Shared {
    static SHARED: OnceLock<Shared> = OnceLock::new();
    SHARED.get_or_init(|| Shared {
        mp4: generated("clip.mp4", &Spec::default()),
        ts: generated("clip.ts", &Spec { duration: 20.0, ..Spec::default() }),
    })
}

/// A folder for one case, and the binary in it.
struct Case(tempfile::TempDir);

impl Case {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_avrope"));
        command.current_dir(self.0.path()).args(args).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Output {
        self.command(args).output().unwrap()
    }

    /// What lies in the folder, hidden files too.
    fn files(&self) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(self.0.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}

fn args<const N: usize>(args: [&dyn AsRef<OsStr>; N]) -> Vec<OsString> {
    args.iter().map(|arg| arg.as_ref().to_owned()).collect()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[track_caller]
fn code(output: &Output, code: i32) {
    assert_eq!(output.status.code(), Some(code), "{:?}: {}", output.status, stderr(output));
}

/// Failed with 1, one line on stderr that says this, and nothing on stdout.
#[track_caller]
fn failed(output: &Output, says: &str) {
    code(output, 1);
    let said = stderr(output);
    assert!(said.starts_with("avrope: ") && said.lines().count() == 1, "{said}");
    assert!(said.contains(says), "{said:?} lacks {says:?}");
    assert!(output.stdout.is_empty(), "stdout is not empty");
}

/// Exactly one JSON value on stdout.
#[track_caller]
fn json(output: &Output) -> Value {
    code(output, 0);
    assert_eq!(output.stdout.iter().filter(|byte| **byte == b'\n').count(), 1, "one line");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The names of an MP4's outermost boxes.
fn boxes(bytes: &[u8]) -> Vec<String> {
    let (mut names, mut at) = (Vec::new(), 0);
    while let Some(header) = bytes.get(at..at + 8) {
        let size = u32::from_be_bytes(header[..4].try_into().unwrap()) as usize;
        names.push(String::from_utf8_lossy(&header[4..]).into_owned());
        assert!(size >= 8, "box {names:?} of {size} bytes");
        at += size;
    }
    names
}

#[track_caller]
fn is_plain_mp4(bytes: &[u8]) {
    let names = boxes(bytes);
    let at = |name: &str| names.iter().position(|n| n == name);
    assert_eq!(at("ftyp"), Some(0), "{names:?}");
    assert!(at("moov").is_some() && at("moov") < at("mdat") && at("moof").is_none(), "{names:?}");
}

/// Feeds bytes through a pipe and waits; a process that does not take them all is no fault here.
fn piped(mut command: Command, bytes: &[u8]) -> Output {
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(bytes));
        child.wait_with_output().unwrap()
    })
}

fn interrupt(child: &Child) {
    let pid = child.id().to_string();
    // A builtin of every shell.
    let killed = Command::new("sh").args(["-c", "kill -INT \"$0\"", &pid]).status().unwrap();
    assert!(killed.success());
}

/// Waits for an end that has to come.
#[track_caller]
fn ends(mut child: Child) -> Output {
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begun.elapsed() > HANGS {
            child.kill().unwrap();
            panic!("it did not end: {}", stderr(&child.wait_with_output().unwrap()));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.wait_with_output().unwrap()
}

// Usage

#[test]
fn help_and_version_are_status_0() {
    let case = Case::new();
    for arg in ["--help", "--version", "-V"] {
        let output = case.run([arg]);
        code(&output, 0);
        assert!(!output.stdout.is_empty(), "{arg}");
    }
    let version = String::from_utf8(case.run(["--version"]).stdout).unwrap();
    assert!(version.contains(env!("CARGO_PKG_VERSION")) && version.contains(&avrope::libav_version()));
}

#[test]
fn wrong_usage_is_status_2_and_leaves_stdout_empty() {
    let case = Case::new();
    let mp4 = &shared().mp4;
    let cut = |rest: &[&str]| {
        let mut all = args([&"cut", mp4, &"-o", &"out.mp4"]);
        all.extend(rest.iter().map(OsString::from));
        all
    };
    for (wrong, says) in [
        (vec![], "Usage"),
        (args([&"nonsense"]), "nonsense"),
        (args([&"probe"]), "INPUT"),
        (args([&"inspect", mp4, &"--samples", &"0..1"]), "--track"),
        (args([&"inspect", mp4, &"--track", &"1", &"--samples", &"3..1"]), "'3..1' is no range of numbers"),
        (args([&"cut", mp4, &"--from", &"1"]), "--output"),
        (args([&"join", &"-o", &"out.mp4"]), "INPUT"),
        (args([&"join", &"-", &"-", &"-o", &"out.mp4"]), "standard input"),
        (args([&"remux", mp4, &"-o", &"-", &"--format", &"ts", &"--json"]), "standard output"),
        (cut(&[]), "--keep"),
        (cut(&["--from", "nan"]), "'nan' is not a time"),
        (cut(&["--to", "1e3"]), "'1e3' is not a time"),
        (cut(&["--from", "1:75"]), "is not a time"),
        (cut(&["--from", "1", "--keep", "2..3"]), "cannot be used with"),
        (cut(&["--keep", "2-3"]), "'2-3' is not a range"),
        (cut(&["--keep", "1...3"]), "is not a range"),
        (cut(&["--keep", "nan..3"]), "'nan' is not a time"),
        (cut(&["--from", "1", "--mode", "fast"]), "keyframe, edit, smart, encode"),
        (cut(&["--from", "1", "--timeout", "-1"]), "'-1' is not a number of seconds"),
        (cut(&["--from", "1", "--timeout", "NaN"]), "not a number of seconds"),
        (cut(&["--from", "1", "--timeout", "1e300"]), "not a number of seconds"),
        (cut(&["--from", "1", "--from", "2"]), "multiple times"),
        (cut(&["--from", "1", "--crf", "20"]), "--crf"),
    ] {
        let output = case.run(&wrong);
        code(&output, 2);
        assert!(stderr(&output).contains(says), "{wrong:?}: {} lacks {says:?}", stderr(&output));
        assert!(output.stdout.is_empty(), "{wrong:?}");
    }
    assert!(case.files().is_empty());
}

// Bad input: status 1, a message, nothing left behind

#[test]
fn bad_input_fails_with_a_message_and_leaves_nothing() {
    let case = Case::new();
    let mp4 = &shared().mp4;
    let whole = fs::read(mp4).unwrap();
    for (name, bytes) in
        [("empty.mp4", &b""[..]), ("text.mp4", b"no media\n"), ("short.mp4", &whole[..whole.len() / 2])]
    {
        fs::write(case.path(name), bytes).unwrap();
    }
    fs::create_dir(case.path("folder")).unwrap();
    assert!(Command::new("mkfifo").arg(case.path("pipe.mp4")).status().unwrap().success());
    let before = case.files();
    let to = |command: &str, input: &dyn AsRef<OsStr>, rest: &[&str], output: &str| {
        let mut all = args([&command, input]);
        all.extend(rest.iter().map(OsString::from));
        all.extend(args([&"-o", &output]));
        all
    };
    for (bad, says) in [
        (args([&"probe", &"missing.mp4"]), "missing.mp4: "),
        (args([&"probe", &"--json", &"missing.mp4"]), "missing.mp4: "),
        (args([&"probe", &"folder"]), "folder: this is a directory"),
        (args([&"probe", &"empty.mp4"]), "empty.mp4: "),
        (args([&"probe", &"text.mp4"]), "text.mp4: "),
        (args([&"inspect", &"text.mp4"]), "text.mp4: it is no MP4 or MOV"),
        (args([&"inspect", mp4, &"--track", &"9"]), "there is no track 9; there are: 1, 2"),
        (args([&"probe", &"pipe.mp4"]), "pipe.mp4: this is a pipe; read it as standard input"),
        (to("cut", &"missing.mp4", &["--from", "1"], "out.mp4"), "missing.mp4: "),
        (to("cut", &"short.mp4", &["--from", "1", "--json"], "out.mp4"), "short.mp4: "),
        (to("cut", mp4, &["--from=-1", "--to", "2"], "out.mp4"), "begins before the source's start"),
        (to("cut", mp4, &["--from", "-1", "--to", "2"], "out.mp4"), "begins before the source's start"),
        (to("cut", mp4, &["--keep", "-1..2"], "out.mp4"), "begins before the source's start"),
        (to("cut", mp4, &["--keep", "3..2"], "out.mp4"), "cut 3 s..2 s: the range ends before it begins"),
        (to("cut", mp4, &["--keep", "2..2"], "out.mp4"), "the range is empty"),
        (to("cut", mp4, &["--from", "100"], "out.mp4"), "begins after the end"),
        (to("cut", mp4, &["--from", "1", "--mode", "edit"], "out.mkv"), "edit lists"),
        (to("cut", mp4, &["--from", "1"], "missing/out.mp4"), "missing"),
        (to("cut", mp4, &["--from", "1"], "folder"), "folder: "),
        (to("remux", mp4, &[], "out.unknown"), "--format"),
        (to("remux", mp4, &["--format", "nonsense"], "out.mp4"), "'nonsense'"),
        (to("remux", &"text.mp4", &[], "out.ts"), "text.mp4: "),
        (to("join", mp4, &["missing.mp4"], "out.mp4"), "missing.mp4: "),
        (to("join", mp4, &["text.mp4"], "out.mp4"), "text.mp4: "),
        (to("remux", mp4, &["--timeout", "0"], "out.mp4"), "deadline"),
        (to("remux", mp4, &[], "out.aac"), "(--allow-drops)"),
        (to("remux", mp4, &["--limit", "packets=3"], "out.mkv"), "(--limit packets=…)"),
    ] {
        failed(&case.run(&bad), says);
        assert_eq!(case.files(), before, "{bad:?} left something behind");
        assert!(fs::read_dir(case.path("folder")).unwrap().next().is_none());
    }
}

#[test]
fn an_input_that_does_not_match_is_named() {
    let case = Case::new();
    let other = case.path("other.mp4");
    let mut spec = Spec { duration: 1.0, ..Spec::default() };
    spec.video.as_mut().unwrap().size = (160, 90);
    synth::to_file(&spec, &other).unwrap();
    let output = case.run(args([&"join", &shared().mp4, &other, &"-o", &"out.mp4", &"--unlike", &"refuse"]));
    failed(&output, "other.mp4: stream 0: it does not match");
    failed(&output, "(--unlike encode)");
    assert_eq!(case.files(), ["other.mp4"]);
}

#[test]
fn an_existing_output_is_kept_without_force() {
    let case = Case::new();
    fs::write(case.path("out.mp4"), "mine").unwrap();
    let cut = args([&"cut", &shared().mp4, &"--from", &"1", &"-o", &"out.mp4"]);
    let refused = case.run(&cut);
    failed(&refused, "out.mp4: the output exists already; ");
    failed(&refused, "(--force)");
    assert_eq!(fs::read(case.path("out.mp4")).unwrap(), b"mine");
    code(&case.run(cut.iter().cloned().chain(["--force".into()])), 0);
    is_plain_mp4(&fs::read(case.path("out.mp4")).unwrap());
    assert_eq!(case.files(), ["out.mp4"]);
}

#[test]
fn a_failure_with_force_keeps_the_old_output() {
    let case = Case::new();
    fs::write(case.path("out.mp4"), "mine").unwrap();
    let output = case.run(args([&"cut", &shared().mp4, &"--from", &"100", &"-o", &"out.mp4", &"--force"]));
    failed(&output, "begins after the end");
    assert_eq!(fs::read(case.path("out.mp4")).unwrap(), b"mine");
    assert_eq!(case.files(), ["out.mp4"]);
}

#[test]
fn the_output_may_not_be_an_input() {
    let case = Case::new();
    let bytes = fs::read(&shared().mp4).unwrap();
    fs::write(case.path("clip.mp4"), &bytes).unwrap();
    fs::hard_link(case.path("clip.mp4"), case.path("link.mp4")).unwrap();
    for output in ["clip.mp4", "./clip.mp4", "link.mp4"] {
        for command in ["cut", "join", "remux"] {
            let mut all = args([&command, &"clip.mp4", &"-o", &output, &"--force"]);
            if command == "cut" {
                all.extend(args([&"--from", &"1"]));
            }
            failed(&case.run(all), "the output is one of the inputs");
        }
    }
    // By redirection the shell has opened it before anybody could refuse.
    let file = OpenOptions::new().append(true).open(case.path("clip.mp4")).unwrap();
    let mut command = case.command(args([&"remux", &"clip.mp4", &"-o", &"-"]));
    failed(&command.stdout(file).output().unwrap(), "standard output is this input");
    let mut command = case.command(args([&"cut", &"-", &"--from", &"1", &"-o", &"clip.mp4", &"--force"]));
    failed(&command.stdin(File::open(case.path("clip.mp4")).unwrap()).output().unwrap(), "one of the inputs");
    assert_eq!(fs::read(case.path("clip.mp4")).unwrap(), bytes);
    assert_eq!(case.files(), ["clip.mp4", "link.mp4"]);
}

// What is printed where

#[test]
fn json_is_one_object_and_nothing_else() {
    let case = Case::new();
    let mp4 = &shared().mp4;
    let info = json(&case.run(args([&"probe", &"--json", mp4])));
    assert_eq!(info["streams"][0]["kind"], "video");
    assert_eq!(info["streams"][0]["keyframes"].as_array().unwrap().len(), 5);
    for (arguments, operation) in [
        (args([&"cut", mp4, &"--keep", &"1..2", &"--keep", &"3..", &"-o", &"cut.mp4"]), "cut"),
        (args([&"join", mp4, mp4, &"-o", &"join.mp4"]), "join"),
        (args([&"remux", mp4, &"-o", &"remux.mkv"]), "remux"),
        // With a warning, which is in the report.
        (args([&"cut", mp4, &"--from", &"1.5", &"--mode", &"keyframe", &"-o", &"cut.mkv"]), "cut"),
    ] {
        let output = case.run(arguments.into_iter().chain(["--json".into()]));
        let report = json(&output);
        assert_eq!(report["operation"], operation);
        assert!(output.stderr.is_empty(), "{}", stderr(&output));
    }
    let report =
        json(&case.run(args([&"cut", mp4, &"--from", &"1", &"--to", &"3", &"-o", &"c.mp4", &"--json"])));
    assert_eq!(report["mode"], "smart");
    assert_eq!(report["output_bytes"], fs::metadata(case.path("c.mp4")).unwrap().len());
    assert_eq!(report["duration_s"], 2.0);
}

#[test]
fn words_go_to_stdout_warnings_to_stderr_and_quiet_is_quiet() {
    let case = Case::new();
    let cut = args([
        &"cut",
        &shared().mp4,
        &"--from",
        &"1.5",
        &"--to",
        &"99",
        &"--mode",
        &"keyframe",
        &"-o",
        &"cut.mkv",
        &"--force",
    ]);
    let output = case.run(&cut);
    code(&output, 0);
    let words = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(words.starts_with("cut.mkv: 4 s, ") && words.contains("begins at 1 s (asked: 1.5 s)"), "{words}");
    assert!(stderr(&output).starts_with("avrope: warning: "), "{}", stderr(&output));
    let output = case.run(cut.iter().cloned().chain(["--quiet".into()]));
    code(&output, 0);
    assert!(output.stdout.is_empty());
    assert!(stderr(&output).starts_with("avrope: warning: "), "warnings are never silence");
}

#[test]
fn probe_lists_what_is_in_a_file() {
    let case = Case::new();
    let path = case.path("tagged.mp4");
    let mut spec = Spec { duration: 2.0, ..Spec::default() };
    spec.metadata = vec![("title".into(), "red\u{1b}[31m".into())];
    spec.audio[0].language = Some("deu".into());
    synth::to_file(&spec, &path).unwrap();
    let output = case.run(args([&"probe", &path]));
    code(&output, 0);
    let text = String::from_utf8(output.stdout).unwrap();
    for part in [
        "QuickTime",
        "\n  2 s, ",
        "320x180",
        "30 fps",
        "yuv420p",
        "2 keyframes, 1 s apart",
        "48000 Hz, stereo",
        "deu",
    ] {
        assert!(text.contains(part), "{text} lacks {part:?}");
    }
    assert!(text.contains("title: red\\u{1b}[31m"), "what a terminal would obey is spelt out: {text}");
}

#[test]
fn inspect_lists_boxes_tracks_and_samples() {
    let case = Case::new();
    let mp4 = &shared().mp4;
    let said = |arguments: &[OsString]| {
        let output = case.run(arguments);
        code(&output, 0);
        String::from_utf8(output.stdout).unwrap()
    };
    let text = said(&args([&"inspect", mp4]));
    for part in
        ["\n  ftyp ", "\n    mvhd ", "track 1, vide: avc1", "track 2, soun: mp4a", " of them sync, in "]
    {
        assert!(text.contains(part), "{text} lacks {part:?}");
    }
    let whole = json(&case.run(args([&"inspect", mp4, &"--json"])));
    let file = fs::read(mp4).unwrap();
    assert_eq!(whole["size"].as_u64(), Some(file.len() as u64));
    let kinds =
        whole["boxes"].as_array().unwrap().iter().map(|info| info["kind"].as_str().unwrap().to_owned());
    assert_eq!(kinds.collect::<Vec<_>>(), boxes(&file));
    let three = args([&"inspect", mp4, &"--track", &"1", &"--samples", &"1..4"]);
    let listed = said(&three);
    let rows: Vec<&str> =
        listed.lines().rev().take(3).map(|line| line.split_whitespace().next().unwrap()).collect();
    assert_eq!(rows, ["3", "2", "1"], "{listed}");
    let three = json(&case.run([three, args([&"--json"])].concat()));
    assert_eq!(three["samples"].as_array().unwrap().len(), 3);
    assert_eq!(three["track"], whole["tracks"][0]);
    // From a pipe it is read into memory.
    let piped = piped(case.command(["inspect", "-", "--json"]), &file);
    assert_eq!(json(&piped)["tracks"], whole["tracks"]);
}

#[test]
fn verify_says_whether_an_output_is_what_its_source_has() {
    let case = Case::new();
    let mp4 = &shared().mp4;
    let cut = args([&"cut", mp4, &"--from", &"0.52", &"--to", &"1.6", &"-o", &"cut.mp4", &"-q"]);
    code(&case.run(cut.iter().cloned().chain(args([&"--mode", &"edit"]))), 0);
    let range = [&"--from" as &dyn AsRef<OsStr>, &"0.52", &"--to", &"1.6"];
    let of = |more: &[&dyn AsRef<OsStr>]| {
        let all = [&"verify" as &dyn AsRef<OsStr>, mp4, &"cut.mp4"].into_iter().chain(more.iter().copied());
        case.run(all.map(|arg| arg.as_ref().to_owned()).collect::<Vec<_>>())
    };
    let held = of(&range);
    code(&held, 0);
    let text = String::from_utf8_lossy(&held.stdout).into_owned();
    assert!(text.starts_with("cut.mp4: holds\n") && text.contains(" copied, 0 re-encoded"), "{text}");
    let found = json(&of(&[&range[..], &[&"--json"]].concat()));
    assert_eq!(
        (found["holds"].as_bool(), found["faults"].as_array().unwrap().len()),
        (Some(true), 0),
        "{found}"
    );

    let wrong = of(&[&"--from", &"0.48", &"--to", &"1.6", &"--plot", &"plot.svg"]);
    code(&wrong, 1);
    assert_eq!(stderr(&wrong), "");
    let text = String::from_utf8_lossy(&wrong.stdout).into_owned();
    assert!(text.starts_with("cut.mp4: does not hold\n") && text.contains("\n  missing: "), "{text}");
    let plot = fs::read_to_string(case.path("plot.svg")).unwrap();
    assert!(
        plot.starts_with("<svg ") && plot.contains("missing") && plot.trim_end().ends_with("</svg>"),
        "{plot}"
    );
    assert_eq!(case.files(), ["cut.mp4", "plot.svg"]);

    failed(&of(&[&"--plot", &"plot.svg"]), "plot.svg: the file exists");
    failed(&of(&[&"--plot", &"cut.mp4", &"--force"]), "one of the files that are compared");
    code(&of(&[&range[..], &[&"--plot", &"plot.svg", &"--force"]].concat()), 0);
    assert_ne!(fs::read_to_string(case.path("plot.svg")).unwrap(), plot);
    failed(&of(&[&"--from", &"100"]), "begins after the end");
}

#[test]
fn a_failed_write_to_stdout_is_said() {
    let Ok(full) = OpenOptions::new().write(true).open("/dev/full") else {
        eprintln!("SKIPPED: there is no /dev/full here");
        return;
    };
    let case = Case::new();
    for arguments in [
        args([&"probe", &shared().mp4]),
        args([&"probe", &"--json", &shared().mp4]),
        args([&"inspect", &shared().mp4]),
        args([&"inspect", &shared().mp4, &"--track", &"1", &"--samples", &"..", &"--json"]),
        args([&"remux", &shared().mp4, &"--format", &"ts", &"-o", &"-"]),
        args([&"remux", &shared().mp4, &"-o", &"-"]),
    ] {
        let mut command = case.command(&arguments);
        failed(
            &command.stdout(full.try_clone().unwrap()).output().unwrap(),
            "writing to standard output failed: ",
        );
    }
}

#[test]
fn a_broken_pipe_is_a_quiet_failure() {
    let case = Case::new();
    let ts = &shared().ts;
    for arguments in [
        args([&"probe", ts]),
        args([&"probe", &"--json", ts]),
        args([&"remux", ts, &"--format", &"ts", &"-o", &"-"]),
        args([&"remux", ts, &"--format", &"mp4", &"-o", &"-"]),
        args([&"demo", &"--json", &"--dir", &"demo", &"--timeout", &"0"]),
    ] {
        let mut child = case.command(&arguments).spawn().unwrap();
        drop(child.stdout.take());
        let output = ends(child);
        code(&output, 1);
        if arguments[0] != "demo" {
            assert!(output.stderr.is_empty(), "{arguments:?}: {}", stderr(&output));
        }
    }
}

// Pipes

#[test]
fn to_stdout_an_mp4_is_plain_with_its_index_first() {
    let case = Case::new();
    let mp4 = &shared().mp4;
    for arguments in [
        args([&"cut", mp4, &"--from", &"1", &"--to", &"3", &"-o", &"-"]),
        args([&"join", mp4, mp4, &"-o", &"-"]),
        args([&"remux", mp4, &"-o", &"-"]),
        args([&"remux", &shared().ts, &"-o", &"-", &"--format", &"mp4"]),
    ] {
        let output = case.run(&arguments);
        code(&output, 0);
        is_plain_mp4(&output.stdout);
        assert!(stderr(&output).starts_with("standard output: "), "words make way: {}", stderr(&output));
    }
    assert!(case.files().is_empty());
}

#[test]
fn stdin_may_be_a_file_or_a_pipe() {
    let case = Case::new();
    let mp4 = &shared().mp4;
    let bytes = fs::read(mp4).unwrap();
    for (name, arguments) in [
        ("probe", args([&"probe", &"-", &"--json"])),
        ("cut", args([&"cut", &"-", &"--keep", &"1..2", &"-o", &"-"])),
        ("join", args([&"join", mp4, &"-", &"-o", &"-"])),
        ("remux", args([&"remux", &"-", &"-o", &"-"])),
        ("remux to ts", args([&"remux", &"-", &"-o", &"-", &"--format", &"ts"])),
    ] {
        let file = case.command(&arguments).stdin(File::open(mp4).unwrap()).output().unwrap();
        code(&file, 0);
        let pipe = piped(case.command(&arguments), &bytes);
        code(&pipe, 0);
        assert!(!file.stdout.is_empty());
        if name == "remux to ts" || name == "probe" {
            assert!(file.stdout == pipe.stdout, "{name}: a file and a pipe give different results");
        } else {
            is_plain_mp4(&file.stdout);
            is_plain_mp4(&pipe.stdout);
        }
    }
}

#[test]
fn a_stream_goes_through_without_an_end_in_sight() {
    let case = Case::new();
    let bytes = fs::read(&shared().ts).unwrap();
    let arguments = ["remux", "-", "-o", "-", "--format", "ts"];
    let mut child = case.command(arguments).stdin(Stdio::piped()).spawn().unwrap();
    let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| stdin.write_all(&bytes).map(|()| stdin));
        let mut first = [0; 188];
        stdout.read_exact(&mut first).unwrap();
        assert_eq!(first[0], 0x47);
        let reader = scope.spawn(|| {
            let mut rest = Vec::new();
            stdout.read_to_end(&mut rest).map(|_| rest)
        });
        // Its output began while its input had no end; here is one.
        drop(writer.join().unwrap().unwrap());
        assert!(reader.join().unwrap().unwrap().len() > bytes.len() / 2);
    });
    code(&ends(child), 0);
}

#[test]
fn an_mp4_from_a_pipe_is_read_in_order_where_its_index_is_first() {
    let case = Case::new();
    code(&case.run(args([&"remux", &shared().mp4, &"-o", &"first.mp4"])), 0);
    let bytes = fs::read(case.path("first.mp4")).unwrap();
    is_plain_mp4(&bytes);
    let arguments = ["remux", "-", "-o", "out.ts", "--json"];
    let report = json(&piped(case.command(arguments), &bytes));
    assert_eq!(report["input_bytes"], 0, "a stream's length is not known");
    let from_file = json(&case.run(["remux", "first.mp4", "-o", "file.ts", "--json"]));
    assert_eq!(report["packets"], from_file["packets"]);
}

#[test]
fn nonsense_from_a_pipe_fails() {
    let case = Case::new();
    for (bytes, says) in [(&b""[..], "stdin: the source is empty"), (b"no media\n", "stdin: ")] {
        failed(&piped(case.command(["probe", "-"]), bytes), says);
        failed(&piped(case.command(["cut", "-", "--from", "1", "-o", "out.mp4"]), bytes), says);
        failed(&piped(case.command(["remux", "-", "-o", "out.ts"]), bytes), says);
    }
    let broken = &fs::read(&shared().mp4).unwrap()[..50_000];
    failed(&piped(case.command(["remux", "-", "-o", "out.ts"]), broken), "stdin: ");
    assert!(case.files().is_empty());
}

// Names

#[test]
fn paths_need_not_be_utf_8() {
    let case = Case::new();
    let input = case.0.path().join(OsStr::from_bytes(b"in\xff.mp4"));
    let output = case.0.path().join(OsStr::from_bytes(b"out\xfe.mp4"));
    fs::copy(&shared().mp4, &input).unwrap();
    code(&case.run(args([&"probe", &input])), 0);
    code(&case.run(args([&"cut", &input, &"--from", &"1", &"-o", &output])), 0);
    is_plain_mp4(&fs::read(&output).unwrap());
    failed(&case.run(args([&"cut", &input, &"--from", &"1", &"-o", &output])), "exists already");
    let joined = case.0.path().join(OsStr::from_bytes(b"\xfd.mp4"));
    code(&case.run(args([&"join", &input, &output, &"-o", &joined])), 0);
    let folder = case.0.path().join(OsStr::from_bytes(b"\xfc"));
    fs::create_dir(&folder).unwrap();
    code(&case.run(args([&"remux", &input, &"-o", &folder.join("out.mkv")])), 0);
}

#[test]
fn names_may_look_like_options_and_urls() {
    let case = Case::new();
    for name in ["-", "--json", "http:", "a:b.mp4", "a b'\".mp4"] {
        fs::copy(&shared().mp4, case.path(name)).unwrap();
        let path = Path::new(".").join(name);
        code(&case.run(args([&"probe", &path])), 0);
        code(
            &case.run(args([&"remux", &"--format", &"ts", &"-o", &path, &"--force", &"--", &shared().mp4])),
            0,
        );
        assert_eq!(fs::read(case.path(name)).unwrap()[0], 0x47, "{name}");
    }
}

// Ends that come early

#[test]
fn a_signal_while_a_stream_stalls_is_status_130_and_leaves_nothing() {
    let case = Case::new();
    let arguments = ["remux", "-", "-o", "out.mkv", "--format", "mkv"];
    let mut child = case.command(arguments).stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // All of it, but no end: the file is begun, and then nothing comes.
    stdin.write_all(&fs::read(&shared().ts).unwrap()).unwrap();
    let begun = Instant::now();
    while case.files().is_empty() {
        assert!(begun.elapsed() < HANGS, "the output was never begun");
        assert_eq!(child.try_wait().unwrap(), None, "it ended before its input");
        std::thread::sleep(Duration::from_millis(2));
    }
    assert!(!case.path("out.mkv").exists(), "half a file has no name");
    interrupt(&child);
    let output = ends(child);
    code(&output, 130);
    assert_eq!(stderr(&output), "avrope: interrupted\n");
    assert!(output.stdout.is_empty());
    assert!(case.files().is_empty(), "{:?}", case.files());
}

#[test]
fn a_signal_while_input_is_collected_is_status_130() {
    let case = Case::new();
    for arguments in [vec!["probe", "-", "--json"], vec!["cut", "-", "--from", "1", "-o", "out.mp4"]] {
        let mut child = case.command(arguments).stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // More than a pipe holds: when it is through, the process reads, and so it listens.
        stdin.write_all(&vec![0x47; 1 << 20]).unwrap();
        interrupt(&child);
        let output = ends(child);
        code(&output, 130);
        assert!(output.stdout.is_empty());
    }
    assert!(case.files().is_empty());
}

#[test]
fn a_signal_while_nobody_reads_the_output_is_status_130() {
    let case = Case::new();
    // More than a pipe and the buffers hold.
    let big = case.path("big.ts");
    let ts = fs::read(&shared().ts).unwrap();
    fs::write(&big, ts.repeat(12)).unwrap();
    for format in ["mp4", "ts"] {
        let mut child =
            case.command(args([&"remux", &big, &"-o", &"-", &"--format", &format])).spawn().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        stdout.read_exact(&mut [0; 100]).unwrap();
        interrupt(&child);
        let output = ends(child);
        code(&output, 130);
        drop(stdout);
    }
}

#[test]
fn a_timeout_ends_a_stalled_job() {
    let case = Case::new();
    for arguments in [
        vec!["probe", "-", "--timeout", "0.2"],
        vec!["cut", "-", "--from", "1", "-o", "out.mp4", "--timeout", "0.2"],
        vec!["remux", "-", "-o", "out.ts", "--timeout", "0.2"],
    ] {
        let mut child = case.command(&arguments).stdin(Stdio::piped()).spawn().unwrap();
        let stdin = child.stdin.take().unwrap();
        let output = ends(child);
        failed(&output, "deadline");
        drop(stdin);
    }
    assert!(case.files().is_empty());
}

#[test]
fn a_timeout_that_is_long_enough_changes_nothing() {
    let case = Case::new();
    code(&case.run(args([&"remux", &shared().mp4, &"-o", &"out.ts", &"--timeout", &"60"])), 0);
}

// The demo

#[test]
fn demo_makes_its_files_twice_and_touches_no_others() {
    let case = Case::new();
    let mine = case.path("show/clip.mp4");
    fs::create_dir(case.path("show")).unwrap();
    fs::write(&mine, "mine").unwrap();
    // Each run encodes a minute of pictures, and with ffmpeg on the path the same again.
    if cfg!(feature = "full-tests") {
        let output = case.run(["demo", "--dir", "show"]);
        code(&output, 0);
        let text = String::from_utf8(output.stdout).unwrap();
        let told = [
            "cut 10..20",
            "join three clips",
            "to mkv",
            "to ts",
            "transcode 10..20",
            "The files are in show",
        ];
        for part in told {
            assert!(text.contains(part), "{text} lacks {part:?}");
        }
        assert!(output.stderr.is_empty(), "no chatter: {}", String::from_utf8_lossy(&output.stderr));
    }

    // Without ffmpeg on the path, and as JSON.
    let mut again = case.command(["demo", "--dir", "show", "--json"]);
    let reports = json(&again.env("PATH", "/nonexistent").output().unwrap());
    let operations: Vec<_> =
        reports.as_array().unwrap().iter().map(|r| r["operation"].as_str().unwrap()).collect();
    assert_eq!(operations, ["cut", "cut", "join", "remux", "remux", "transcode"]);
    for (report, seconds) in reports.as_array().unwrap().iter().zip([10.0, 20.0, 30.0, 60.0, 60.0, 10.0]) {
        assert!((report["duration_s"].as_f64().unwrap() - seconds).abs() < 0.05, "{report}");
        let copies = report["operation"] != "remux" && report["operation"] != "transcode";
        assert!(!copies || report["payload_copied"] == 0, "{report}");
    }
    assert_eq!(fs::read(&mine).unwrap(), b"mine");
    let mut names: Vec<_> = fs::read_dir(case.path("show"))
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names.retain(|name| name != "clip.mp4");
    assert_eq!(names.len(), 10, "{names:?}");
    assert!(names.iter().all(|name| name.starts_with("avrope-demo")), "{names:?}");
}

#[test]
fn demo_that_is_interrupted_leaves_nothing() {
    let case = Case::new();
    let mut child = case.command(["demo", "--dir", "show"]).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    // The first line comes before the clip is made.
    stdout.read_exact(&mut [0; 10]).unwrap();
    interrupt(&child);
    code(&ends(child), 130);
    assert!(fs::read_dir(case.path("show")).unwrap().next().is_none());
}

#[test]
fn demo_says_where_it_cannot_write() {
    let case = Case::new();
    fs::write(case.path("file"), "mine").unwrap();
    failed(&case.run(["demo", "--dir", "file"]), "choose a folder with --dir");
    assert_eq!(case.files(), ["file"]);
}

#[test]
fn a_cut_is_smart_and_can_be_planned() {
    let case = Case::new();
    let mp4 = &shared().mp4;
    let range = [&"--from" as &dyn AsRef<OsStr>, &"0.51", &"--to", &"2.73"];
    let of = |first: &[&dyn AsRef<OsStr>]| {
        let all = first.iter().chain(&range).map(|arg| arg.as_ref().to_owned());
        case.run(all.collect::<Vec<_>>())
    };
    let plan = json(&of(&[&"cut", mp4, &"--plan", &"--json"]));
    let ways: Vec<&str> =
        plan["spans"].as_array().unwrap().iter().map(|s| s["way"].as_str().unwrap()).collect();
    assert_eq!(ways, ["encoded", "copied", "encoded"]);
    let said = of(&[&"cut", mp4, &"--plan"]);
    code(&said, 0);
    let said = String::from_utf8(said.stdout).unwrap();
    assert!(said.contains("copied") && said.lines().count() == 5, "{said}");
    assert!(said.contains("stream 1: sound (aac) copied\n"), "{said}");
    let asked = of(&[&"cut", mp4, &"--plan", &"--audio", &"exact", &"--format", &"mkv"]);
    let said = String::from_utf8(asked.stdout).unwrap();
    assert!(said.contains("stream 1: sound (aac) encoded by aac\n"), "{said}");
    // For the container that the output's name says.
    failed(&of(&[&"cut", mp4, &"--plan", &"-o", &"cut.nothing"]), "no container called 'nothing'");
    let report = json(&of(&[&"cut", mp4, &"-o", &"cut.mp4", &"--json"]));
    assert_eq!((&report["mode"], &report["frames_encoded"]), (&"smart".into(), &plan["frames_encoded"]));
    assert!(report["spans"][0]["psnr"].as_f64().unwrap() >= 38.0, "{report}");
    // As it was asked for, whatever the range's borders lie in.
    code(&of(&[&"verify", mp4, &"cut.mp4"]), 0);
}
