//! Every packet of every output is compared with its source's bytes, every output decodes as its source does,
//! and the figures of zero copy are true.

use crate::common::{
    self, Fixture, Movie, complaints, is_due, made_by_ffmpeg, open, payload, raw, runs, save,
};
use avrope::{Clip, Control, Cut, CutMode, Join, Remux, Source, TimeRange, cut, join, remux};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

/// What ffmpeg's own copy of a file into a container holds: the source itself where it is of that kind
/// already. It is what tells a conversion that the container asks for (Annex B, ADTS, temporal delimiters)
/// from damage.
fn reference(source: &Path, container: &str) -> PathBuf {
    if common::ending(source) == container {
        return source.to_owned();
    }
    let mut arguments = vec![];
    if common::is_mov(source) {
        arguments.extend(["-ignore_editlist", "1"]);
    }
    let input = source.to_str().unwrap();
    arguments.extend(["-i", input, "-map", "0:v?", "-map", "0:a?", "-c", "copy", "-strict", "experimental"]);
    if container == "mp4" || container == "mov" {
        arguments.extend(["-video_track_timescale", "90000"]);
    }
    let name = source.file_name().unwrap().to_str().unwrap();
    // avrope tags HEVC from elsewhere `hvc1`, and then newer muxers take the parameter sets out of the
    // samples.
    if common::is_mov(Path::new(&format!("x.{container}")))
        && name.contains("hevc")
        && !common::is_mov(source)
    {
        arguments.extend(["-tag:v", "hvc1"]);
    }
    made_by_ffmpeg(&format!("ref-{name}.{container}"), &arguments)
}

fn memmem(all: &[u8], part: &[u8]) -> bool {
    let starts = (0..all.len().saturating_sub(part.len()) + 1).filter(|at| all[*at] == part[0]);
    starts.into_iter().any(|at| all[at..].starts_with(part))
}

fn container_has_edits(container: &str) -> bool {
    matches!(container, "mp4" | "mov" | "m4a")
}

/// How much of its source an output has to hold.
#[derive(Clone, Copy, PartialEq)]
enum Extent {
    Whole,
    /// At most as many runs as there are ranges.
    Runs(usize),
    /// That many times all of it; sound may lack a packet at a seam where no edit list hides what is too
    /// much.
    Times(usize),
}

struct Case<'a> {
    name: String,
    source: &'a Path,
    /// Leading pictures of an open GOP are left out where nothing hides them: the runs have gaps.
    open_gop: bool,
}

impl Case<'_> {
    fn check(&self, clip: &Clip, container: &str, extent: Extent, folder: &Path) -> Result<(), String> {
        let out = save(clip, folder, &format!("out.{container}"));
        self.bytes(&out, container, extent)?;
        self.decodes(&out, container)
    }

    fn bytes(&self, out: &Path, container: &str, extent: Extent) -> Result<(), String> {
        let reference = reference(self.source, container);
        // There FLAC's frames have numbers of their own: each is judged by its sound, which is lossless.
        let numbered = self.name == "flac" && matches!(container, "flac" | "ogg");
        let read = |path: &Path| {
            if !numbered {
                return payload(path);
            }
            let frames = common::frames(path, "0:a:0").into_iter().map(|frame| frame.hash).collect();
            BTreeMap::from([("a0".to_owned(), frames)])
        };
        let (wanted, found) = (read(&reference), read(out));
        let names = |all: &BTreeMap<String, Vec<String>>| {
            all.keys().filter(|name| name.starts_with(['v', 'a'])).cloned().collect::<Vec<_>>()
        };
        if names(&wanted) != names(&found) {
            return Err(format!("streams {:?}, not {:?}", names(&found), names(&wanted)));
        }
        for name in names(&wanted) {
            let (wanted, found) = (&wanted[&name], &found[&name]);
            let count = runs(found, &[wanted]);
            let ok = match extent {
                Extent::Whole => found == wanted,
                Extent::Runs(most) => count
                    .is_some_and(|count| count >= 1 && (count <= most || (self.open_gop && name == "v0"))),
                Extent::Times(n) => {
                    let exact = *found == vec![&wanted[..]; n].concat();
                    let seams = found.len() + 2 * n >= wanted.len() * n;
                    exact || (name != "v0" && count.is_some_and(|count| count <= n) && seams)
                }
            };
            if ok {
                continue;
            }
            // PCM has no packets of its own: its bytes have to be right.
            let stream = format!("0:{}:{}", &name[..1], &name[1..]);
            let is_pcm = self.name.starts_with("pcm") && name.starts_with('a');
            // In a transport stream parsers give the first zero of a start code to the picture before it,
            // where there is one: the first and the last of a run may differ by it, and only by it.
            let is_parsed = container == "ts" && name == "v0";
            if is_pcm || is_parsed {
                let (all, part) = (raw(&reference, &stream), raw(out, &stream));
                let first = if is_parsed { part.iter().take_while(|byte| **byte == 0).count() } else { 0 };
                let inner = &part[first..];
                let alike: Vec<_> = found.iter().filter(|hash| wanted.contains(hash)).cloned().collect();
                let ok = match extent {
                    Extent::Whole => part == all,
                    Extent::Runs(1) => !inner.is_empty() && memmem(&all, inner),
                    Extent::Runs(n) if is_parsed => {
                        runs(&alike, &[wanted]).is_some_and(|count| count <= n)
                            && alike.len() + 2 * n >= found.len()
                    }
                    Extent::Runs(_) => true,
                    // Between parts lies silence, as long as the picture is longer.
                    Extent::Times(n) => {
                        let gap = part.len().saturating_sub(n * all.len()) / (n - 1).max(1);
                        part == vec![&all[..]; n].join(&vec![0; gap][..])
                    }
                };
                if ok {
                    continue;
                }
            }
            let (a, b) = (wanted.len(), found.len());
            return Err(format!("{name}: {b} packets in {count:?} runs of the source's {a}"));
        }
        Ok(())
    }

    fn decodes(&self, out: &Path, container: &str) -> Result<(), String> {
        let new: BTreeSet<String> = complaints(out);
        if new.is_empty() {
            return Ok(());
        }
        let mut known = complaints(self.source);
        known.extend(complaints(&reference(self.source, container)));
        let several = container_has_edits(container) && {
            let shown = |track: &common::Track| track.edits.iter().filter(|(_, media)| *media >= 0).count();
            Movie::read(out).tracks.iter().any(|track| shown(track) > 1)
        };
        let inherent = |line: &&String| {
            // Where a list has several entries, ffmpeg's demuxer reads the hidden pictures of one behind
            // those of the one before, and says so. What is shown is judged frame by frame (join.rs).
            several && (line.contains("out of order") || line.contains("non monotonically increasing"))
        };
        let new: Vec<_> = new.difference(&known).filter(|line| !inherent(line)).collect();
        if new.is_empty() { Ok(()) } else { Err(format!("decoding says {new:?}")) }
    }

    /// All operations into a container.
    fn all(&self, container: &str, folder: &Path) -> Vec<String> {
        let mut failures = Vec::new();
        let control = Control::new().verify_payload(true);
        let media = open(self.source);
        let length = media.duration().unwrap().as_secs_f64();
        let range = |from: f64, to: f64| TimeRange::secs(length * from, length * to).unwrap();
        let edits = container_has_edits(container);
        let format = if container == "mpg" { "mpeg" } else { container };
        let mode = |cut: Cut, mode| cut.mode(mode).format(format);
        let mut jobs: Vec<(&str, avrope::Result<Clip>, Extent)> = vec![
            ("remux", remux(&media, &Remux::new().format(format), &control), Extent::Whole),
            (
                "keyframe cut",
                cut(&media, &mode(Cut::new().keep(range(0.4, 0.8)), CutMode::Keyframe), &control),
                Extent::Runs(1),
            ),
            (
                "two keyframe cuts",
                cut(
                    &media,
                    &mode(Cut::new().keep(range(0.5, 0.9)).keep(range(0.1, 0.3)), CutMode::Keyframe),
                    &control,
                ),
                Extent::Runs(2),
            ),
            (
                "join",
                join(
                    &[Source::open(self.source).unwrap(), Source::open(self.source).unwrap()],
                    &Join::new().format(format),
                    &control,
                ),
                Extent::Times(2),
            ),
        ];
        if edits {
            let twice = Cut::new().keep(range(0.45, 0.83)).keep(range(0.11, 0.37));
            jobs.push(("two edit cuts", cut(&media, &mode(twice, CutMode::Edit), &control), Extent::Runs(2)));
        }
        for (operation, result, extent) in jobs {
            let outcome = match result {
                Ok(clip) => self.check(&clip, container, extent, folder),
                Err(error) => Err(error.to_string()),
            };
            if let Err(what) = outcome {
                failures.push(format!("{} -> {container}, {operation}: {what}", self.name));
            }
        }
        failures
    }
}

fn all_into(fixtures: Vec<Fixture>, containers: impl Fn(&Fixture) -> Vec<&'static str>) {
    let folder = tempfile::tempdir().unwrap();
    let mut failures = Vec::new();
    for (row, fixture) in fixtures.iter().enumerate() {
        let case = Case { name: fixture.name.to_owned(), source: &fixture.path, open_gop: false };
        for (column, container) in containers(fixture).into_iter().enumerate() {
            if !is_due(row + column, 3) {
                continue;
            }
            failures.extend(case.all(container, folder.path()));
        }
    }
    assert!(failures.is_empty(), "{} cases:\n{}", failures.len(), failures.join("\n"));
}

fn some(names: &[&str]) -> Vec<Fixture> {
    common::pool().into_iter().filter(|fixture| names.contains(&fixture.name)).collect()
}

#[test]
fn h264_and_hevc_into_each_container() {
    oracle!("copy of H.264 and HEVC");
    all_into(
        some(&["h264-aac", "h264-ts", "hevc-aac", "hevc-ts", "h264-flv", "h264-no-b", "two-audio"]),
        |f| f.into.to_vec(),
    );
}

#[test]
fn av1_vp9_and_mpeg_into_each_container() {
    oracle!("copy of AV1, VP9, MPEG-2 and MPEG-4");
    all_into(some(&["av1-opus", "av1-mp4", "vp9-opus", "mpeg2-mp2", "mpeg4-mp3"]), |f| f.into.to_vec());
}

#[test]
fn sound_into_each_container() {
    oracle!("copy of sound");
    all_into(some(&["aac-m4a", "aac-adts", "mp3", "opus-ogg", "flac", "pcm-wav", "pcm-mov"]), |f| {
        f.into.to_vec()
    });
}

#[test]
fn footage_into_each_container() {
    oracle!("copy of ../shared/media");
    let table: [(&str, bool, &[&str]); 9] = [
        ("world.mp4", false, &["mp4", "mkv", "ts"]),
        ("bikes.mp4", false, &["mp4", "mkv", "ts"]),
        ("two-idr-four-i.mp4", true, &["mp4", "mkv"]),
        ("hevc-cra-rasl.mp4", true, &["mp4", "mkv", "ts"]),
        ("cityCC0.mpg", true, &["mpg", "mp4", "mkv"]),
        ("test-segment.ts", false, &["ts", "mp4", "mkv"]),
        ("lena.mp3", false, &["mp3", "mkv"]),
        ("lena.m4a", false, &["m4a", "mkv"]),
        ("lena.aac", false, &["aac", "m4a"]),
    ];
    let folder = tempfile::tempdir().unwrap();
    let mut failures = Vec::new();
    for (row, (name, open_gop, containers)) in table.into_iter().enumerate() {
        let Some(path) = common::shared(name) else { continue };
        let case = Case { name: name.to_owned(), source: &path, open_gop };
        for (column, container) in containers.iter().enumerate() {
            if !is_due(row + column, 3) {
                continue;
            }
            failures.extend(case.all(container, folder.path()));
        }
    }
    assert!(failures.is_empty(), "{} cases:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn usual_endings_name_containers() {
    let Some(path) = common::fixture("mpeg2-mp2") else { return };
    let media = open(&path);
    let refused: Vec<_> = ["mpg", "mka", "mts", "vob", "m2ts", "mpeg", "mov", "m4v", "3gp"]
        .into_iter()
        .filter_map(|ending| remux(&media, &Remux::new().format(ending), &Control::default()).err())
        .map(|error| error.to_string())
        .filter(|error| error.contains("no container called"))
        .collect();
    assert!(refused.is_empty(), "{refused:?}");
}

// ---- the figures of zero copy

#[test]
fn mp4_to_mp4_copies_no_payload_and_reads_little() {
    let mut failures = Vec::new();
    for name in ["h264-aac", "hevc-aac", "aac-m4a", "two-audio"] {
        let Some(path) = common::fixture(name) else { continue };
        let media = open(&path);
        let control = Control::default();
        let sources = [Source::open(&path).unwrap(), Source::open(&path).unwrap()];
        let container = common::ending(&path);
        let jobs = [
            ("cut", cut(&media, &Cut::new().keep(TimeRange::secs(1.3, 3.1).unwrap()), &control).unwrap()),
            ("remux", remux(&media, &Remux::new(), &control).unwrap()),
            ("join", join(&sources, &Join::new().format(container), &control).unwrap()),
        ];
        for (operation, clip) in jobs {
            let report = clip.report;
            let movie = Movie::parse(&clip.rope.to_bytes().unwrap());
            let tables = tables(&path) * if operation == "join" { 2 } else { 1 };
            // What is read of the tables is rounded to the blocks that a file is read in, at both ends.
            let most = tables + report.payload_shared / 100 + 2 * 65536;
            let mut wrong = |what: String| failures.push(format!("{name}, {operation}: {what}"));
            if report.payload_copied != 0 {
                wrong(format!("{} payload bytes copied", report.payload_copied));
            }
            if report.payload_shared == 0 {
                wrong("nothing shared".into());
            }
            if report.bytes_read > most {
                wrong(format!("{} bytes read, {most} are due", report.bytes_read));
            }
            if operation == "cut" && report.slices > 4 {
                wrong(format!("{} segments", report.slices));
            }
            let place = |kind: &str| movie.order.iter().position(|k| k == kind);
            if place("moov") > place("mdat") {
                wrong(format!("{:?}", movie.order));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Bytes of an MP4 that are not payload.
fn tables(path: &Path) -> u64 {
    let file = std::fs::read(path).unwrap();
    let packets: usize = if common::has_oracle("payload's size") {
        common::packets(path).iter().map(|packet| packet.size).sum()
    } else {
        0
    };
    (file.len() - packets) as u64
}

#[test]
fn world_in_few_segments() {
    let Some(path) = common::shared("world.mp4") else { return };
    let media = open(&path);
    for (from, to) in [(3.3, 13.3), (10.0, 20.0), (0.0, 10.0), (20.5, 30.4)] {
        let clip =
            cut(&media, &Cut::new().keep(TimeRange::secs(from, to).unwrap()), &Control::default()).unwrap();
        assert!(clip.report.slices <= 8, "{from}..{to}: {} segments", clip.report.slices);
        assert_eq!(clip.report.payload_copied, 0, "{from}..{to}");
    }
}

#[test]
fn a_cold_payload_stays_cold() {
    let has = std::process::Command::new("fincore").arg("--version").output().is_ok();
    if !has {
        eprintln!("SKIPPED: a_cold_payload_stays_cold: no fincore");
        return;
    }
    // Large enough that pages of the tables are few among it.
    let mut spec = avrope::synth::Spec::demo(12.0);
    spec.muxer_options = vec![("movflags".into(), "+faststart".into())];
    let made = common::generated("cold.mp4", &spec);
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = folder.path().join("cold.mp4");
    std::fs::copy(made, &path).unwrap();
    let file = std::fs::File::open(&path).unwrap();
    file.sync_all().unwrap();
    // dd's nocache is posix_fadvise(POSIX_FADV_DONTNEED) for the whole file.
    let of = format!("if={}", path.display());
    let done =
        std::process::Command::new("dd").args([&of, "iflag=nocache", "count=0", "status=none"]).status();
    assert!(done.unwrap().success());
    let cached = || {
        let out =
            std::process::Command::new("fincore").args(["-b", "-n", "-r", "-o", "RES"]).arg(&path).output();
        String::from_utf8(out.unwrap().stdout).unwrap().trim().parse::<u64>().unwrap()
    };
    let (before, len) = (cached(), file.metadata().unwrap().len());
    if before > 0 {
        eprintln!("SKIPPED: a_cold_payload_stays_cold: this file system keeps its cache ({before} of {len})");
        return;
    }
    let media = open(&path);
    let clip =
        cut(&media, &Cut::new().keep(TimeRange::secs(1.3, 11.0).unwrap()), &Control::default()).unwrap();
    let after = cached();
    // Tables, the probe's first bytes, and what the kernel reads ahead of them by itself (128 KiB a stretch
    // by default).
    let most = clip.report.bytes_read + 4 * 131_072 + len / 100;
    assert!(
        after <= most && clip.report.payload_shared > 8 * most,
        "{after} of {len} bytes are in the cache, {most} are due ({:?})",
        clip.report
    );
}
