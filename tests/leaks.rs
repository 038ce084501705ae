//! Nothing is lost: memory does not grow with the number of operations, and valgrind finds nothing.

mod common;

use avrope::{
    Control, Cut, Join, Media, Remux, Sink, Source, TimeRange,
    control::CancelToken,
    cut, cut_to,
    io::SaveOptions,
    join, remux, remux_to,
    synth::{Spec, Video},
};
use common::*;
use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::Mutex,
};

/// The tests of this file look at the process as a whole: one at a time.
static ALONE: Mutex<()> = Mutex::new(());

fn settings(from: f64, to: f64) -> Cut {
    Cut::new().keep(TimeRange::secs(from, to).unwrap())
}

fn other_size() -> PathBuf {
    let video = Video { size: (160, 90), ..Video::default() };
    generated("other.mp4", &Spec { duration: 1.0, video: Some(video), ..Spec::default() })
}

/// One of everything: operations that end well, that fail, and that are cancelled.
fn round(input: &Path, mkv: &Path, folder: &Path) {
    let control = none();
    let media = Media::open(Source::open(input).unwrap()).unwrap();
    let clip = cut(&media, &settings(1.2, 3.4).keep(TimeRange::secs(5.0, 6.0).unwrap()), &control).unwrap();
    clip.rope.save(folder.join("cut.mp4"), SaveOptions::new().overwrite(true), &control).unwrap();
    clip.rope.to_bytes().unwrap();
    media.probe(&control).unwrap();
    cut(&media, &settings(1.0, 2.0).format("mkv"), &control).unwrap();
    remux(&media, &Remux::new().format("ts"), &control).unwrap();
    remux_to(&media, &Remux::new(), Sink::replace(folder.join("remux.mkv")), &control).unwrap();
    remux_to(&media, &Remux::new().format("flv"), Sink::writer(std::io::sink()), &control).unwrap();
    let source = media.source().clone();
    join(&[source.clone(), source.clone(), clip.rope.clone().into()], &Join::new(), &control).unwrap();
    let other = Media::open(Source::from_bytes(std::fs::read(mkv).unwrap())).unwrap();
    remux(&other, &Remux::new().format("mp4"), &control).unwrap();
    // What fails.
    let bytes = std::fs::read(input).unwrap();
    for len in [0, 100, 5000, bytes.len() - 100] {
        let _ = Media::open(Source::from_bytes(bytes[..len].to_vec()));
    }
    assert!(cut(&media, &settings(50.0, 60.0), &control).is_err());
    assert!(remux(&media, &Remux::new().format("adts").allow_drops(true), &Control::new()).is_ok());
    assert!(remux(&media, &Remux::new().format("nonsense"), &control).is_err());
    assert!(join(&[source.clone(), Source::open(other_size()).unwrap()], &Join::new(), &control).is_err());
    let (chunks, receiver) = avrope::io::channel(1);
    drop(receiver);
    assert!(remux_to(&media, &Remux::new().format("ts"), Sink::channel(chunks), &control).is_err());
    let mut limits = avrope::control::Limits::default();
    limits.memory = 20_000;
    assert!(remux(&media, &Remux::new().format("ts"), &Control::new().limits(limits)).is_err());
    // What is cancelled half-way.
    for format in ["mp4", "mkv", "ts"] {
        let token = CancelToken::new();
        let stop = token.clone();
        let control = Control::new().cancel_token(token).progress(move |_| stop.cancel());
        let sink = Sink::replace(folder.join(format!("cancelled.{format}")));
        assert!(cut_to(&media, &settings(0.0, 9.0), sink, &control).is_err());
    }
}

/// Bytes of this process in memory that are not pages of files.
fn anonymous() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

fn grows_not(rounds: usize) {
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let dir = tempfile::tempdir().unwrap();
    let (input, mkv) = (clip(), clip_in("mkv"));
    let warm_up = 15;
    for _ in 0..warm_up {
        round(&input, &mkv, dir.path());
    }
    let before = anonymous();
    for _ in 0..rounds {
        round(&input, &mkv, dir.path());
    }
    let after = anonymous();
    println!("{before} bytes before {rounds} rounds, {after} after");
    // Room for the allocator's own moods, which do not grow with the count.
    assert!(after < before + (6 << 20), "{} bytes a round", (after - before) / rounds as u64);
    assert_eq!(
        std::fs::read_dir("/proc/self/fd").unwrap().filter(|fd| is_file(fd.as_ref().unwrap().path())).count(),
        0,
        "descriptors stay open"
    );
}

fn is_file(fd: PathBuf) -> bool {
    std::fs::read_link(fd).is_ok_and(|to| to.to_string_lossy().contains("fixtures-"))
}

#[test]
fn memory_does_not_grow_over_50_rounds() {
    grows_not(50);
}

#[test]
#[cfg_attr(not(feature = "full-tests"), ignore = "full tier: cargo test --features full-tests")]
fn memory_does_not_grow_over_1000_rounds() {
    grows_not(1000);
}

/// Runs this very test again under valgrind. The child reads fixtures that the parent made: encoders make
/// noise of their own.
fn under_valgrind(rounds: usize) {
    const CHILD: &str = "AVROPE_LEAK_CHILD";
    if let Ok(rounds) = std::env::var(CHILD) {
        let dir = tempfile::tempdir().unwrap();
        let (input, mkv) = (clip(), clip_in("mkv"));
        for _ in 0..rounds.parse().unwrap() {
            round(&input, &mkv, dir.path());
        }
        return;
    }
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if !Command::new("valgrind").arg("--version").output().is_ok_and(|out| out.status.success()) {
        skipped("valgrind is not installed (apt-get install valgrind)");
        return;
    }
    clip();
    clip_in("mkv");
    other_size();
    let out = Command::new("valgrind")
        .args([
            "--leak-check=full",
            "--errors-for-leak-kinds=definite",
            "--error-exitcode=99",
            "--num-callers=30",
        ])
        .args(["--show-leak-kinds=definite", "--child-silent-after-fork=yes", "--track-fds=no", "-q"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "valgrind_finds_nothing_in_a_short_loop", "--test-threads=1", "--nocapture"])
        .env(CHILD, rounds.to_string())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&out.stderr);
    let findings: String =
        text.lines().filter(|line| line.starts_with("==")).take(80).collect::<Vec<_>>().join("\n");
    assert!(out.status.success(), "{}: {findings}\n{}", out.status, String::from_utf8_lossy(&out.stdout));
    assert!(String::from_utf8_lossy(&out.stdout).contains("1 passed"), "the child ran its test");
}

#[test]
fn valgrind_finds_nothing_in_a_short_loop() {
    under_valgrind(2);
}

#[test]
#[cfg_attr(not(feature = "full-tests"), ignore = "full tier: cargo test --features full-tests")]
fn valgrind_finds_nothing_in_1000_operations() {
    // A round is more than twenty operations.
    under_valgrind(50);
}
