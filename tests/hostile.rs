//! Bad input: a clear error, nothing left behind, no crash and no hang.

mod support;

use avrope::{
    CancelToken, Control, Cut, CutMode, ErrorKind, Join, Limits, Media, Remux, Result, SaveOptions, Sink,
    Source, Stage, TimeRange, cut, cut_to, join, join_to, remux, remux_to,
    synth::{self, Audio, AudioSource, Spec},
};
use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use support::*;

use ErrorKind::{Corrupt, InvalidArgument, Io, LimitExceeded, NotFound, Unsupported};

fn range(from: f64, to: f64) -> Cut {
    Cut::new().keep(TimeRange::secs(from, to).unwrap())
}

/// Opens bytes as a file of this name and does all that copies; the first error, if there is one.
fn work(source: &Source, control: &Control) -> Result<()> {
    let media = Media::open_with(source.clone(), control)?;
    let _ = media.probe(control);
    let whole = remux(&media, &Remux::new().format("mkv"), control).map(drop);
    let part =
        cut(&media, &range(0.5, 1.5).format("mp4"), control).and_then(|clip| clip.rope.to_bytes().map(drop));
    let twice = join(&[source.clone(), source.clone()], &Join::new().format("mp4"), control)
        .and_then(|clip| clip.rope.to_bytes().map(drop));
    whole.and(part).and(twice)
}

fn in_file(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

fn open(path: &Path) -> Result<Media> {
    Media::open(Source::open(path)?)
}

#[test]
fn what_is_no_media_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89\0\0\0\nIDATx\x9cc\0\x01\0\0\x05\0\x01\r\n-\xb4\0\0\0\0IEND\xaeB`\x82";
    let gif = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff!\xf9\x04\x01\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;";
    let jpeg = dir.path().join("real.jpg");
    let picture = synth::Video {
        encoder: "mjpeg".into(),
        pixel_format: "yuvj420p".into(),
        size: (64, 64),
        b_frames: 0,
        gop: 1,
        ..Default::default()
    };
    let spec = Spec {
        duration: 0.03,
        video: Some(picture),
        audio: vec![],
        format: Some("image2".into()),
        muxer_options: vec![("update".into(), "1".into())],
        ..Spec::default()
    };
    synth::to_file(&spec, &jpeg).unwrap();
    refused(Source::open(dir.path().join("missing.mp4")), &[NotFound], "missing file");
    refused(Source::open(dir.path()), &[InvalidArgument], "directory");
    refused(Source::open("/dev/null"), &[InvalidArgument], "device");
    for (name, bytes, kinds) in [
        ("empty.mp4", &b""[..], &[Corrupt][..]),
        ("one.mp4", b"\0", &[Corrupt]),
        (
            "text.txt",
            "Call me Ishmael. Some years ago, never mind how long precisely\n".repeat(200).as_bytes(),
            &[Corrupt, Unsupported],
        ),
        (
            "text.mp4",
            "Call me Ishmael. Some years ago, never mind how long precisely\n".repeat(200).as_bytes(),
            &[Corrupt, Unsupported],
        ),
        ("zeros.mp4", &vec![0; 3 << 20], &[Corrupt, Unsupported]),
        ("empty.txt", b"", &[Corrupt]),
        ("image.png", png, &[Unsupported]),
        ("png.mp4", png, &[Unsupported]),
        ("image.gif", gif, &[Unsupported]),
        ("image.jpg", &std::fs::read(&jpeg).unwrap(), &[Unsupported]),
    ] {
        let path = in_file(dir.path(), name, bytes);
        let error = refused(open(&path), kinds, name);
        let error = error.to_string();
        assert!(error.contains(name), "names its source: {error}");
        let says = match name {
            "empty.mp4" | "empty.txt" => "the source is empty",
            "text.mp4" | "zeros.mp4" => "its name says QuickTime / MOV, and its content does not",
            "image.png" | "png.mp4" => "this is a PNG image",
            "image.gif" => "this is a GIF image",
            "image.jpg" => "image, not audio or video",
            _ => "",
        };
        assert!(error.contains(says), "{name}: {error}, not: {says}");
    }
}

#[test]
fn a_pipe_as_a_file_is_refused_and_not_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pipe.mp4");
    let status = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(status.success());
    let opened = bounded("Source::open of a pipe", 5, move || Source::open(path));
    refused(opened, &[InvalidArgument], "pipe");
}

#[test]
fn a_name_that_is_not_utf8_is_fine() {
    use std::os::unix::ffi::OsStrExt;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(std::ffi::OsStr::from_bytes(b"caf\xe9\xff.mp4"));
    std::fs::copy(clip(), &path).unwrap();
    let out = dir.path().join(std::ffi::OsStr::from_bytes(b"out\xfe.mp4"));
    cut_to(&open(&path).unwrap(), &range(1.0, 2.0), Sink::file(&out), &none()).unwrap();
    assert!(open(&out).is_ok());
}

#[test]
fn mp4_cut_short_anywhere() {
    let dir = tempfile::tempdir().unwrap();
    for (layout, path) in [("moov behind", clip()), ("moov in front", fast_start_clip())] {
        let bytes = std::fs::read(path).unwrap();
        let mut lengths: Vec<usize> = vec![1, 7, 8, 12, 100, 5000, bytes.len() / 2, bytes.len() - 1];
        for path in [
            "ftyp",
            "free",
            "mdat",
            "moov",
            "moov/mvhd",
            "moov/trak",
            "moov/trak/mdia",
            "moov/trak/edts",
            "moov/trak/mdia/minf/stbl",
            "moov/trak/mdia/minf/stbl/stsz",
        ] {
            for b in find_all(&bytes, path) {
                lengths.extend([b.start, b.start + 4, b.content(), b.end() - 1, b.end()]);
            }
        }
        lengths.retain(|len| *len < bytes.len());
        lengths.sort_unstable();
        lengths.dedup();
        let moov = find(&bytes, "moov").unwrap();
        for len in lengths {
            let what = format!("{layout}: {len} of {} bytes", bytes.len());
            let path = in_file(dir.path(), "short.mp4", &bytes[..len]);
            let control = Control::new().timeout(Duration::from_secs(20));
            let opened = open(&path);
            if layout == "moov behind" || len < moov.end() {
                // A moov that is cut short may open, if what is missing is not needed; it must not be half read.
                if len < moov.start {
                    refused(opened, &[Corrupt, Unsupported], &what);
                    continue;
                }
            } else if len < moov.end() + 8 {
                assert!(
                    opened.is_err() || remux(&opened.unwrap(), &Remux::new(), &control).is_err(),
                    "{what}"
                );
                continue;
            }
            let Ok(media) = open(&path) else { continue };
            if layout == "moov in front" && len < moov.end() {
                // What is left of the index may open; see `an_index_that_is_cut_short_is_corrupt`.
                assert!(remux(&media, &Remux::new(), &control).is_err(), "{what}");
            } else if layout == "moov in front" {
                refused(remux(&media, &Remux::new(), &control), &[Corrupt, Io], &what);
                refused(
                    remux(&media, &Remux::new().format("mkv"), &control),
                    &[Corrupt, Io],
                    &format!("{what} to mkv"),
                );
                let out = dir.path().join("out");
                std::fs::create_dir_all(&out).unwrap();
                let sink = Sink::file(out.join("out.mp4"));
                refused(remux_to(&media, &Remux::new(), sink, &control), &[Corrupt, Io], &what);
                assert!(entries(&out).is_empty(), "{what}: leaves {:?}", entries(&out));
            } else {
                let _ = work(&Source::open(&path).unwrap(), &control);
            }
        }
    }
}

fn stream(bytes: &[u8]) -> Source {
    Source::from_reader(std::io::Cursor::new(bytes.to_vec()), "stream")
}

#[test]
fn streamed_mp4_cut_short() {
    let fragmented = support::fixture(
        "fragments.mp4",
        &Spec {
            duration: 10.0,
            muxer_options: vec![("movflags".to_owned(), "+frag_keyframe+empty_moov".to_owned())],
            ..Spec::default()
        },
    );
    for (what, path) in [("plain", fast_start_clip()), ("fragmented", fragmented)] {
        let bytes = std::fs::read(path).unwrap();
        let whole = Media::open(stream(&bytes)).unwrap();
        let report = remux(&whole, &Remux::new().format("mkv"), &none()).unwrap().report;
        assert!(report.warnings.is_empty(), "{what}: {:?}", report.warnings);
        for mdat in find_all(&bytes, "mdat") {
            for len in [mdat.content() + 1, (mdat.content() + mdat.end()) / 2, mdat.end() - 1] {
                let what = format!("{what}: {len} of {} bytes", bytes.len());
                let outcome = Media::open(stream(&bytes[..len]))
                    .and_then(|media| remux(&media, &Remux::new().format("mkv"), &none()));
                refused(outcome, &[Corrupt], &what);
            }
        }
    }
}

#[test]
fn what_is_there_of_an_mp4_cut_short_can_be_used() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = std::fs::read(fast_start_clip()).unwrap();
    let path = in_file(dir.path(), "short.mp4", &bytes[..bytes.len() * 2 / 3]);
    let whole = Media::open(Source::from_bytes(bytes)).unwrap().probe(&none()).unwrap();
    assert!(whole.warnings.is_empty(), "{:?}", whole.warnings);
    let media = open(&path).unwrap();
    let info = media.probe(&none()).unwrap();
    assert!(info.warnings.iter().any(|w| w.contains("cut short")), "{:?}", info.warnings);
    let (found, all) =
        (info.streams[0].keyframes.clone().unwrap(), whole.streams[0].keyframes.clone().unwrap());
    assert!(!found.is_empty() && found.len() < all.len() && all.starts_with(&found), "{found:?} of {all:?}");
    let clip = cut(&media, &range(0.5, 1.5), &none()).unwrap();
    assert!(clip.report.warnings.iter().any(|w| w.contains("cut short")), "{:?}", clip.report.warnings);
    refused(remux(&media, &Remux::new(), &none()), &[Corrupt], "all of it");
    assert!(media.probe(&none()).is_ok(), "again, after what failed");
}

#[test]
fn a_join_into_a_file_holds_no_payload_whatever_comes_second() {
    let dir = tempfile::tempdir().unwrap();
    let parts = [Source::open(clip()).unwrap(), Source::open(clip_in("mkv")).unwrap()];
    let mut limits = Limits::default();
    limits.memory = 64 << 10;
    let control = Control::new().limits(limits);
    let sink = Sink::file(dir.path().join("both.mp4"));
    let report = join_to(&parts, &Join::new(), sink, &control).unwrap();
    assert!(report.payload_copied > 64 << 10, "{report:?}");
}

#[test]
fn other_containers_cut_short_are_told_of() {
    let dir = tempfile::tempdir().unwrap();
    let wav = Spec {
        duration: 5.0,
        video: None,
        audio: vec![synth::Audio { encoder: "pcm_s16le".into(), ..synth::Audio::default() }],
        ..Spec::default()
    };
    let avi = Spec {
        duration: 5.0,
        audio: vec![synth::Audio { encoder: "pcm_s16le".into(), ..synth::Audio::default() }],
        ..Spec::default()
    };
    for (name, path) in [
        ("short.mkv", clip_in("mkv")),
        ("short.ts", clip_in("ts")),
        ("short.wav", fixture("sound.wav", &wav)),
        ("short.avi", fixture("sound.avi", &avi)),
    ] {
        let bytes = std::fs::read(path).unwrap();
        let warnings = |source: Source| {
            let media = Media::open(source).unwrap();
            remux(&media, &Remux::new().format("mkv"), &none()).unwrap().report.warnings
        };
        let cut_short = |warnings: &[String]| warnings.iter().any(|w| w.contains("cut short"));
        for len in [bytes.len(), bytes.len() / 2 + 101] {
            let path = in_file(dir.path(), name, &bytes[..len]);
            let (file, streamed) = (warnings(Source::open(path).unwrap()), warnings(stream(&bytes[..len])));
            for (how, warnings) in [("file", file), ("stream", streamed)] {
                assert_eq!(cut_short(&warnings), len < bytes.len(), "{name}, {how}, {len}: {warnings:?}");
            }
        }
    }
}

#[test]
fn healthy_files_of_large_packets_are_no_truncated_ones() {
    // The last read of these demuxers finds the end of the file, and asks for more than AVIO's buffer holds.
    let wide = Audio {
        encoder: "pcm_f64be".into(),
        channels: 8,
        source: AudioSource::Tone { hz: 440.0 },
        ..Audio::default()
    };
    let au = fixture("wide.au", &Spec { duration: 2.0, video: None, audio: vec![wide], ..Spec::default() });
    let video = synth::Video {
        encoder: "dvvideo".into(),
        size: (720, 576),
        rate: (25, 1),
        pixel_format: "yuv420p".into(),
        ..Default::default()
    };
    let audio = Audio { encoder: "pcm_s16le".into(), ..Audio::default() };
    let dv = fixture(
        "plain.dv",
        &Spec { duration: 1.0, video: Some(video), audio: vec![audio], ..Spec::default() },
    );
    for (name, path, format) in [("au", au, "mov"), ("dv", dv, "mov")] {
        let media = open(&path).unwrap();
        let outcome = remux(&media, &Remux::new().format(format), &none());
        // FFmpeg 9.0's own muxer refuses DV in MOV ("fps 60000 is too large").
        let refused =
            |error: &avrope::Error| name == "dv" && error.to_string().contains("writing the trailer");
        let well = outcome.as_ref().map_or_else(refused, |_| true);
        assert!(well, "{name}: {}", outcome.unwrap_err());
    }
}

#[test]
fn an_index_that_is_cut_short_is_corrupt() {
    // Whatever part of moov is there, the answer is the same: the file is not whole.
    let mut wrong = Vec::new();
    for path in [clip(), fast_start_clip()] {
        let bytes = std::fs::read(path).unwrap();
        let moov = find(&bytes, "moov").unwrap();
        for len in (moov.start + 9..moov.end()).step_by(97) {
            let media = open_bytes(&bytes[..len]);
            match media.and_then(|media| remux(&media, &Remux::new(), &none())) {
                Err(error) if error.kind() == Corrupt => {}
                Err(error) => wrong.push(format!("{len}: {:?} {error}", error.kind())),
                Ok(clip) => wrong.push(format!(
                    "{len}: went well, {} packets, {} dropped",
                    clip.report.packets,
                    clip.report.dropped_streams.len()
                )),
            }
        }
    }
    assert!(wrong.is_empty(), "{} lengths: {:#?}", wrong.len(), &wrong[..wrong.len().min(12)]);
}

/// Changes a box of the plain clip, and gives it to all operations under a deadline.
fn mutated(name: &'static str, bytes: Vec<u8>) -> Result<()> {
    bounded(name, 40, move || {
        let control = Control::new().timeout(Duration::from_secs(20));
        work(&Source::from_bytes(bytes).named("mutant.mp4"), &control)
    })
}

#[test]
fn indexes_that_point_anywhere() {
    let bytes = std::fs::read(clip()).unwrap();
    let stbl = "moov/trak/mdia/minf/stbl";
    for (name, path, value) in [
        ("stco beyond the end", "stco", 0xffff_fff0u32),
        ("stco at 0", "stco", 0),
        ("stsz enormous", "stsz", 0x7fff_ffff),
        ("stsz all ones", "stsz", 0xffff_ffff),
        ("stts enormous", "stts", 0xffff_ffff),
        ("stsc enormous", "stsc", 0xffff_ffff),
    ] {
        for nth in 0..2 {
            let mut bytes = bytes.clone();
            let b = find_all(&bytes, &format!("{stbl}/{path}"))[nth].clone();
            let skip = if path == "stsz" { 12 } else { 8 };
            for (i, entry) in bytes[b.content() + skip..b.end()].chunks_exact_mut(4).enumerate() {
                // The table's last half.
                if i * 8 >= b.len - skip - 8 {
                    entry.copy_from_slice(&value.to_be_bytes());
                }
            }
            let outcome = mutated(name, bytes);
            if name == "stco beyond the end" {
                refused(outcome, &[Corrupt, Io, LimitExceeded, Unsupported], name);
            }
        }
    }
    for (name, path) in [
        ("stco", "stco"),
        ("stsz", "stsz"),
        ("stts", "stts"),
        ("stsc", "stsc"),
        ("stss", "stss"),
        ("ctts", "ctts"),
        ("stsd", "stsd"),
    ] {
        // Counts that claim more than the box holds.
        for count in [0u32, 0xffff_ffff, 0x7fff_ffff, 0x0fff_ffff] {
            let mut bytes = bytes.clone();
            let Some(b) = find(&bytes, &format!("{stbl}/{path}")) else { continue };
            let at = b.content() + if path == "stsz" { 8 } else { 4 };
            bytes[at..at + 4].copy_from_slice(&count.to_be_bytes());
            let _ = mutated(name, bytes);
        }
        // Gone altogether.
        let Some(_) = find(&bytes, &format!("{stbl}/{path}")) else { continue };
        let _ = mutated(name, replace_box(&bytes, &format!("{stbl}/{path}"), 0, &[]));
    }
    // Sizes that overflow, of each box.
    for path in [
        "ftyp",
        "mdat",
        "moov",
        "moov/mvhd",
        "moov/trak",
        "moov/trak/tkhd",
        "moov/trak/mdia",
        "moov/trak/mdia/minf",
        "moov/trak/mdia/minf/stbl",
    ] {
        for size in [0u32, 1, 2, 7, 9, 0x7fff_ffff, 0xffff_ffff] {
            let mut bytes = bytes.clone();
            let b = find(&bytes, path).unwrap();
            bytes[b.start..b.start + 4].copy_from_slice(&size.to_be_bytes());
            let _ = mutated("box size", bytes);
        }
    }
}

#[test]
fn sample_sizes_that_libav_skips_are_an_error() {
    // libav leaves samples of more than 1 GiB out of its index, with a line in its log: half of the clip is missing then.
    let bytes = std::fs::read(clip()).unwrap();
    for nth in 0..2 {
        let mut bytes = bytes.clone();
        let b = find_all(&bytes, "moov/trak/mdia/minf/stbl/stsz")[nth].clone();
        let half = (b.content() + 12 + b.end()) / 2 / 4 * 4;
        for entry in bytes[half..b.end()].chunks_exact_mut(4) {
            entry.copy_from_slice(&0x7fff_ffffu32.to_be_bytes());
        }
        let whole = remux(&open(&clip()).unwrap(), &Remux::new(), &none()).unwrap().report.packets;
        let outcome = open_bytes(&bytes).and_then(|media| remux(&media, &Remux::new(), &none()));
        if let Ok(clip) = outcome {
            assert!(
                !clip.report.warnings.is_empty(),
                "track {nth}: {} of {whole} packets and not a word",
                clip.report.packets
            );
        }
    }
}

/// `elst`, version 1.
fn edit_list(count: u32, entries: &[(u64, i64)]) -> Vec<u8> {
    let mut content = vec![1, 0, 0, 0];
    content.extend_from_slice(&count.to_be_bytes());
    for (duration, media) in entries {
        content.extend_from_slice(&duration.to_be_bytes());
        content.extend_from_slice(&media.to_be_bytes());
        content.extend_from_slice(&[0, 1, 0, 0]);
    }
    make_box(b"elst", &content)
}

#[test]
fn absurd_edit_lists() {
    let bytes = std::fs::read(clip()).unwrap();
    let many: Vec<(u64, i64)> = (0..5_000).map(|i| (1, i)).collect();
    let back: Vec<(u64, i64)> = (0..200).map(|i| (10, 200_000 - i * 1000)).collect();
    for (name, list) in [
        ("no entries", edit_list(0, &[])),
        ("count without entries", edit_list(u32::MAX, &[])),
        ("empty edit alone", edit_list(1, &[(1000, -1)])),
        ("durations that overflow", edit_list(3, &[(u64::MAX, 0), (u64::MAX, 100), (u64::MAX, 200)])),
        ("media at the end of time", edit_list(1, &[(1000, i64::MAX)])),
        ("media before time", edit_list(1, &[(1000, i64::MIN)])),
        ("negative media", edit_list(1, &[(1000, -5000)])),
        ("zero durations", edit_list(3, &[(0, 0), (0, 100), (0, 0)])),
        ("an empty edit of ages", edit_list(2, &[(u64::MAX / 2, -1), (1000, 0)])),
        ("five thousand of one tick", edit_list(5000, &many)),
        ("backwards", edit_list(200, &back)),
        ("shorter than an entry", make_box(b"elst", &[1, 0, 0, 0, 0, 0, 0, 1, 9])),
        ("no version", make_box(b"elst", &[])),
    ] {
        for nth in 0..2 {
            let outcome = mutated(name, replace_box(&bytes, "moov/trak/edts/elst", nth, &list));
            if let Err(error) = outcome {
                assert_ne!(error.kind(), ErrorKind::Bug, "{name}: {error}");
                assert_ne!(error.kind(), ErrorKind::DeadlineExceeded, "{name}: took too long");
            }
        }
    }
}

#[test]
fn a_long_edit_list_does_not_take_for_ever() {
    let bytes = std::fs::read(clip()).unwrap();
    let many: Vec<(u64, i64)> = (0..100_000).map(|i| (1, i % 1000)).collect();
    let bytes = replace_box(&bytes, "moov/trak/edts/elst", 0, &edit_list(100_000, &many));
    let source = Source::from_bytes(bytes).named("edits.mp4");
    let begun = Instant::now();
    let outcome = bounded("100,000 edits", 30, move || {
        let control = Control::new().timeout(Duration::from_secs(5));
        let media = Media::open_with(source, &control)?;
        cut(&media, &range(1.0, 2.0).format("mkv"), &control).map(drop)
    });
    assert!(
        begun.elapsed() < Duration::from_secs(8),
        "the deadline of 5 s was seen after {:?}: {outcome:?}",
        begun.elapsed()
    );
}

#[test]
fn deep_nesting() {
    let bytes = std::fs::read(clip()).unwrap();
    for kind in [b"moov", b"trak", b"udta", b"meta", b"edts", b"mdia"] {
        let mut nested = make_box(b"free", &[]);
        for _ in 0..10_000 {
            nested = make_box(kind, &nested);
        }
        let mut alone = bytes[..find(&bytes, "ftyp").unwrap().end()].to_vec();
        alone.extend_from_slice(&nested);
        let _ = mutated("nested at the top", alone);
        let mut content = bytes[find(&bytes, "moov").unwrap().content()..].to_vec();
        content.extend_from_slice(&nested);
        let _ = mutated("nested in moov", replace_box(&bytes, "moov", 0, &make_box(b"moov", &content)));
    }
    // As many tiny boxes as a file can hold.
    let mut tiny = bytes[..find(&bytes, "ftyp").unwrap().end()].to_vec();
    let moov = make_box(b"moov", &make_box(b"trak", &[]).repeat(300_000));
    tiny.extend_from_slice(&moov);
    let _ = mutated("300,000 empty tracks", tiny);
}

#[test]
fn ranges_that_make_no_sense() {
    let media = open(&clip()).unwrap();
    for (name, from, to) in [
        ("empty", 2.0, 2.0),
        ("reversed", 3.0, 2.0),
        ("negative", -1.0, 2.0),
        ("both negative", -2.0, -1.0),
        ("outside", 10.5, 12.0),
        ("far outside", 1e9, 2e9),
    ] {
        for mode in [CutMode::Keyframe, CutMode::Edit] {
            let error = refused(cut(&media, &range(from, to).mode(mode), &none()), &[InvalidArgument], name);
            assert!(error.to_string().contains("clip.mp4"), "{name}: {error}");
        }
        // Also when it is the second one.
        let second = range(0.0, 1.0).keep(TimeRange::secs(from, to).unwrap());
        refused(cut(&media, &second, &none()), &[InvalidArgument], name);
    }
    for (from, to) in [
        (f64::NAN, 1.0),
        (0.0, f64::NAN),
        (f64::NEG_INFINITY, 1.0),
        (f64::INFINITY, f64::INFINITY),
        (0.0, 1e300),
    ] {
        refused(TimeRange::secs(from, to), &[InvalidArgument], "no time");
    }
    refused(cut(&media, &Cut::new(), &none()), &[InvalidArgument], "no range");
    refused(cut(&media, &range(0.0, 1.0).mode(CutMode::Smart), &none()), &[Unsupported], "smart");
    // The end of time, and ends beyond the source's.
    for to in [11.0, 9e9] {
        assert!(!cut(&media, &range(9.0, to), &none()).unwrap().report.warnings.is_empty());
    }
    assert!(cut(&media, &Cut::new().keep(TimeRange::ALL), &none()).is_ok());
    refused(join(&[], &Join::new(), &none()), &[InvalidArgument], "nothing to join");
}

#[test]
fn no_streams_and_only_other_streams() {
    let bytes = std::fs::read(clip()).unwrap();
    let movie = find(&bytes, "moov/mvhd").unwrap();
    let mut none_at_all = bytes[..find(&bytes, "ftyp").unwrap().end()].to_vec();
    none_at_all.extend(make_box(b"moov", &bytes[movie.start..movie.end()]));
    refused(open_bytes(&none_at_all), &[Corrupt], "no tracks");
    // A track that nobody knows.
    let mut data = bytes.clone();
    for b in find_all(&bytes, "moov/trak/mdia/hdlr") {
        data[b.content() + 8..b.content() + 12].copy_from_slice(b"none");
    }
    for b in find_all(&bytes, "moov/trak/mdia/minf/stbl/stsd") {
        data[b.content() + 12..b.content() + 16].copy_from_slice(b"what");
    }
    if let Ok(media) = open_bytes(&data) {
        refused(
            remux(&media, &Remux::new().format("ts"), &none()),
            &[Unsupported, InvalidArgument],
            "unknown tracks to ts",
        );
        refused(
            cut(&media, &range(0.0, 1.0).format("mp4"), &none()),
            &[Unsupported, InvalidArgument],
            "unknown tracks",
        );
    }
    // Subtitles alone.
    let dir = tempfile::tempdir().unwrap();
    let srt = in_file(
        dir.path(),
        "only.srt",
        b"1\n00:00:01,000 --> 00:00:02,000\nHello\n\n2\n00:00:03,000 --> 00:00:04,000\nWorld\n",
    );
    if let Err(error) = open(&srt) {
        assert!([Unsupported, Corrupt].contains(&error.kind()), "{error}");
    }
}

fn open_bytes(bytes: &[u8]) -> Result<Media> {
    Media::open(Source::from_bytes(bytes.to_vec()).named("bytes.mp4"))
}

#[test]
fn a_container_that_can_hold_none_of_the_streams() {
    let dir = tempfile::tempdir().unwrap();
    let media = open(&clip()).unwrap();
    let video = Spec { audio: vec![], duration: 2.0, ..Spec::default() };
    let silent = open(&fixture("silent.mp4", &video)).unwrap();
    for format in ["wav", "mp3", "flac", "adts", "ogg"] {
        let error = refused(remux(&silent, &Remux::new().format(format), &none()), &[Unsupported], format);
        let text = error.to_string();
        assert!(text.contains("h264") || text.contains("mpeg4"), "names the codec: {text}");
        let sink = Sink::file(dir.path().join(format!("out.{format}")));
        refused(remux_to(&silent, &Remux::new().format(format), sink, &none()), &[Unsupported], format);
        assert!(entries(dir.path()).is_empty(), "{format}: leaves {:?}", entries(dir.path()));
    }
    for format in ["hls", "dash", "image2", "null", "tee", "segment", "rtsp", "mp5", "", "a\0b"] {
        refused(
            remux(&media, &Remux::new().format(format), &none()),
            &[Unsupported, InvalidArgument],
            format,
        );
    }
}

#[test]
fn outputs_that_cannot_be() {
    let dir = tempfile::tempdir().unwrap();
    let path = copy_to(&clip(), dir.path(), "in.mp4");
    let before = std::fs::read(&path).unwrap();
    let symlink = dir.path().join("symlink.mp4");
    std::os::unix::fs::symlink(&path, &symlink).unwrap();
    let hard = dir.path().join("hard.mp4");
    std::fs::hard_link(&path, &hard).unwrap();
    let roundabout = dir.path().join("../").join(dir.path().file_name().unwrap()).join("in.mp4");
    let media = open(&path).unwrap();
    let clip = cut(&media, &range(1.0, 3.0), &none()).unwrap();
    let second = cut(&Media::open(clip.rope.clone().into()).unwrap(), &range(0.5, 1.0), &none()).unwrap();
    for out in [&path, &symlink, &hard, &roundabout] {
        let what = out.display().to_string();
        for sink in [Sink::replace(out), Sink::file(out)] {
            refused(cut_to(&media, &range(1.0, 2.0), sink, &none()), &[InvalidArgument], &what);
        }
        refused(remux_to(&media, &Remux::new(), Sink::replace(out), &none()), &[InvalidArgument], &what);
        refused(
            join_to(&[Source::open(&path).unwrap()], &Join::new(), Sink::replace(out), &none()),
            &[InvalidArgument],
            &what,
        );
        refused(clip.rope.save(out, SaveOptions::new().overwrite(true), &none()), &[InvalidArgument], &what);
        refused(
            second.rope.save(out, SaveOptions::new().overwrite(true), &none()),
            &[InvalidArgument],
            &what,
        );
    }
    assert_eq!(std::fs::read(&path).unwrap(), before);
    std::fs::remove_file(&symlink).unwrap();
    std::fs::remove_file(&hard).unwrap();

    let out = dir.path().join("out");
    std::fs::create_dir(&out).unwrap();
    refused(
        cut_to(&media, &range(1.0, 2.0), Sink::file(out.join("no/such/out.mp4")), &none()),
        &[NotFound, Io],
        "missing folder",
    );
    refused(
        cut_to(&media, &range(1.0, 2.0), Sink::replace(&out), &none()),
        &[InvalidArgument],
        "a directory",
    );
    refused(
        cut_to(&media, &range(1.0, 2.0), Sink::file(out.join("noending")), &none()),
        &[InvalidArgument],
        "no ending",
    );
    let there = in_file(&out, "there.mp4", b"precious");
    refused(cut_to(&media, &range(1.0, 2.0), Sink::file(&there), &none()), &[InvalidArgument], "exists");
    refused(clip.rope.save(&there, SaveOptions::new(), &none()), &[InvalidArgument], "exists");
    assert_eq!(std::fs::read(&there).unwrap(), b"precious");
    refused(clip.rope.save("/proc/out.mp4", SaveOptions::new(), &none()), &[Io, NotFound], "/proc");
    refused(clip.rope.save("", SaveOptions::new(), &none()), &[InvalidArgument, NotFound, Io], "no name");
    assert_eq!(entries(&out), ["there.mp4"]);
}

#[test]
fn a_folder_that_is_not_writable() {
    let dir = tempfile::tempdir().unwrap();
    let media = open(&clip()).unwrap();
    if Path::new("/sys/kernel").exists() {
        refused(
            cut_to(&media, &range(1.0, 2.0), Sink::file("/sys/kernel/out.mp4"), &none()),
            &[Io, NotFound],
            "sysfs",
        );
    }
    // SAFETY: a plain system call.
    if unsafe { libc::geteuid() } == 0 {
        // Root writes anywhere, but not to a mount that is read-only.
        let Some(mount) = Tmpfs::new(dir.path(), "size=1m,ro") else { return };
        refused(
            cut_to(&media, &range(1.0, 2.0), Sink::file(mount.0.join("out.mp4")), &none()),
            &[Io],
            "read-only mount",
        );
        return;
    }
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o555)).unwrap();
    refused(
        cut_to(&media, &range(1.0, 2.0), Sink::file(dir.path().join("out.mp4")), &none()),
        &[Io],
        "mode 555",
    );
    assert!(entries(dir.path()).is_empty());
}

/// A small file system, unmounted when dropped.
struct Tmpfs(PathBuf);

impl Tmpfs {
    fn new(under: &Path, options: &str) -> Option<Self> {
        let path = under.join("mount");
        std::fs::create_dir_all(&path).unwrap();
        let mounted = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "tmpfs"])
            .arg(&path)
            .output()
            .is_ok_and(|out| out.status.success());
        if mounted {
            return Some(Self(path));
        }
        skipped("cannot mount a tmpfs (needs root)");
        None
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_disk_that_is_full_half_way() {
    let dir = tempfile::tempdir().unwrap();
    let Some(mount) = Tmpfs::new(dir.path(), "size=512k") else { return };
    let source = large_clip();
    assert!(std::fs::metadata(&source).unwrap().len() > 2 << 20);
    let media = open(&source).unwrap();
    let memory = Media::open(Source::from_bytes(std::fs::read(&source).unwrap()).named("large.mp4")).unwrap();
    for (name, media) in [("file", &media), ("memory", &memory)] {
        for format in ["mp4", "mkv", "ts"] {
            let out = mount.0.join(format!("out.{format}"));
            let error = refused(remux_to(media, &Remux::new(), Sink::file(&out), &none()), &[Io], format);
            assert!(error.to_string().contains("out."), "{name}: names the output: {error}");
            assert!(error.to_string().to_lowercase().contains("space"), "{name}: says why: {error}");
            assert!(entries(&mount.0).is_empty(), "{name} {format}: leaves {:?}", entries(&mount.0));
        }
    }
}

#[test]
fn nothing_opens_what_the_caller_did_not_name() {
    let dir = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let local = copy_to(&clip(), dir.path(), "secret.mp4");
    let targets = [
        "/etc/passwd".to_owned(),
        format!("http://{address}/x.mp4"),
        format!("tcp://{address}"),
        "secret.mp4".to_owned(),
        format!("file:{}", local.display()),
    ];
    for target in &targets {
        let texts = [
            ("ffconcat", format!("ffconcat version 1.0\nfile '{target}'\n")),
            ("m3u8", format!("#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXT-X-VERSION:3\n#EXTINF:10,\n{target}\n#EXT-X-ENDLIST\n")),
            ("m3u8 key", format!("#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXT-X-KEY:METHOD=AES-128,URI=\"{target}\"\n#EXTINF:10,\n{target}\n#EXT-X-ENDLIST\n")),
            ("sdp", format!("v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video {} RTP/AVP 96\na=rtpmap:96 H264/90000\na=control:{target}\n", address.port())),
            ("mpd", format!("<?xml version=\"1.0\"?><MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" profiles=\"urn:mpeg:dash:profile:isoff-live:2011\" type=\"static\" mediaPresentationDuration=\"PT10S\" minBufferTime=\"PT1S\"><Period><AdaptationSet mimeType=\"video/mp4\"><Representation id=\"1\" bandwidth=\"1000\"><BaseURL>{target}</BaseURL></Representation></AdaptationSet></Period></MPD>")),
            ("rtsp", format!("RTSPtext\nrtsptextRTSP\n{target}\n")),
            ("imf", "<?xml version=\"1.0\"?><CompositionPlaylist xmlns=\"http://www.smpte-ra.org/schemas/2067-3/2013\"></CompositionPlaylist>".to_owned()),
            ("idx", format!("# VobSub index file, v7\n# {target}\nsize: 720x480\n")),
        ];
        for (kind, text) in texts {
            for name in [
                format!("list.{}", kind.split(' ').next().unwrap()),
                "list.mp4".to_owned(),
                "list.ts".to_owned(),
            ] {
                let path = in_file(dir.path(), &name, text.as_bytes());
                let what = format!("{kind} as {name} that names {target}");
                let outcome = bounded("a playlist", 20, move || open(&path));
                refused(outcome, &[Unsupported, Corrupt], &what);
                let text = text.clone();
                let stream = bounded("a playlist as a stream", 20, move || {
                    Media::open(Source::from_reader(std::io::Cursor::new(text.into_bytes()), name))
                });
                refused(stream, &[Unsupported, Corrupt], &what);
            }
        }
    }
    assert!(listener.accept().is_err(), "somebody connected");
}

#[test]
fn movies_that_point_to_other_files() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = std::fs::read(clip()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let secret = copy_to(&clip(), dir.path(), "secret.mp4");
    for url in [
        format!("file://{}", secret.display()),
        "secret.mp4".into(),
        format!("http://{}/x", listener.local_addr().unwrap()),
        "/etc/passwd".into(),
    ] {
        // Flag 1 (self-contained) is not set.
        let mut content = vec![0; 4];
        content.extend_from_slice(url.as_bytes());
        content.push(0);
        let mut alis = vec![0; 4];
        alis.extend_from_slice(&[0; 10]);
        alis.push(5);
        alis.extend_from_slice(&[b'v'; 27]);
        alis.extend_from_slice(&[0; 12]);
        alis.push(u8::try_from(url.len()).unwrap());
        alis.extend_from_slice(url.as_bytes());
        alis.resize(4 + 150, 0);
        // Type 2: the absolute path; 18: the POSIX path.
        for kind in [2u16, 18] {
            alis.extend_from_slice(&kind.to_be_bytes());
            alis.extend_from_slice(&u16::try_from(url.len()).unwrap().to_be_bytes());
            alis.extend_from_slice(url.as_bytes());
            if url.len() % 2 == 1 {
                alis.push(0);
            }
        }
        for (kind, content) in [(b"url ", &content), (b"alis", &alis)] {
            let mut dref = vec![0, 0, 0, 0, 0, 0, 0, 1];
            dref.extend(make_box(kind, content));
            let movie = replace_box(&bytes, "moov/trak/mdia/minf/dinf/dref", 0, &make_box(b"dref", &dref));
            let path = in_file(dir.path(), "ref.mov", &movie);
            let what = format!("{} {url}", String::from_utf8_lossy(kind));
            let outcome = bounded("a reference movie", 20, move || {
                let media = open(&path)?;
                remux(&media, &Remux::new().format("mp4"), &none())?.rope.to_bytes()
            });
            // Its bytes are the ones at the same offsets of this very file, or an error; never the other file's.
            eprintln!("{what}: {:?}", outcome.as_ref().map(bytes::Bytes::len));
            drop(outcome);
        }
    }
    assert!(listener.accept().is_err(), "somebody connected");
}

#[test]
fn limits_are_errors() {
    let path = clip();
    let source = || Source::open(&path).unwrap();
    let limit = |change: fn(&mut Limits)| {
        let mut limits = Limits::default();
        change(&mut limits);
        Control::new().limits(limits)
    };
    refused(Media::open_with(source(), &limit(|l| l.streams = 1)), &[LimitExceeded], "streams, mp4");
    refused(Media::open_with(source(), &limit(|l| l.pixels = 320 * 180 - 1)), &[LimitExceeded], "pixels");
    assert!(Media::open_with(source(), &limit(|l| l.pixels = 320 * 180)).is_ok());
    let media = open(&path).unwrap();
    let few = limit(|l| l.packets = 100);
    refused(cut(&media, &range(0.0, 9.0), &few), &[LimitExceeded], "packets, cut");
    refused(remux(&media, &Remux::new().format("mkv"), &few), &[LimitExceeded], "packets, remux");
    refused(join(&[source(), source()], &Join::new(), &few), &[LimitExceeded], "packets, join");
    let little = limit(|l| l.memory = 10_000);
    refused(remux(&media, &Remux::new().format("mkv"), &little), &[LimitExceeded], "memory, mkv");
    refused(remux(&media, &Remux::new().format("ts"), &little), &[LimitExceeded], "memory, ts");
    refused(
        remux(&open(&clip_in("ts")).unwrap(), &Remux::new().format("mp4"), &little),
        &[LimitExceeded],
        "memory, ts to mp4",
    );
    // Shared slices do not count.
    assert!(cut(&media, &range(1.0, 9.0), &limit(|l| l.memory = 200_000)).is_ok());
    refused(Source::spool(std::io::repeat(0), 1000, "zeros"), &[LimitExceeded], "spool");
}

#[test]
fn the_limit_of_streams_holds_in_every_container() {
    let mut limits = Limits::default();
    limits.streams = 1;
    let mut wrong = Vec::new();
    for ending in ["mp4", "mkv", "ts", "flv", "avi", "mov"] {
        match Media::open_with(Source::open(clip_in(ending)).unwrap(), &Control::new().limits(limits)) {
            Err(error) if error.kind() == LimitExceeded => {}
            Err(error) => wrong.push(format!("{ending}: {:?} {error}", error.kind())),
            Ok(media) => {
                wrong.push(format!("{ending}: opens with {} of its 2 streams", media.info().streams.len()))
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Every operation with every kind of sink, as something to be interrupted.
type Operation = fn(&Path, &Path, &Control) -> Result<()>;

fn operations() -> Vec<(&'static str, Operation)> {
    vec![
        ("open", |input, _, c| Media::open_with(Source::open(input)?, c).map(drop)),
        ("probe", |input, _, c| open(input)?.probe(c).map(drop)),
        ("cut to rope", |input, _, c| cut(&open(input)?, &range(0.0, 6.0), c).map(drop)),
        ("cut to mkv rope", |input, _, c| cut(&open(input)?, &range(0.0, 6.0).format("mkv"), c).map(drop)),
        ("cut to file", |input, out, c| {
            cut_to(&open(input)?, &range(0.0, 6.0), Sink::file(out.join("o.mp4")), c).map(drop)
        }),
        ("cut to mkv file", |input, out, c| {
            cut_to(&open(input)?, &range(0.0, 6.0), Sink::file(out.join("o.mkv")), c).map(drop)
        }),
        ("cut to writer", |input, _, c| {
            cut_to(&open(input)?, &range(0.0, 6.0).format("mp4"), Sink::writer(std::io::sink()), c).map(drop)
        }),
        ("cut to ts writer", |input, _, c| {
            cut_to(&open(input)?, &range(0.0, 6.0).format("ts"), Sink::writer(std::io::sink()), c).map(drop)
        }),
        ("cut to channel", |input, _, c| {
            let (chunks, receiver) = crossbeam_channel::bounded(1);
            let drain = std::thread::spawn(move || receiver.iter().count());
            let outcome =
                cut_to(&open(input)?, &range(0.0, 6.0).format("mp4"), Sink::channel(chunks), c).map(drop);
            drain.join().unwrap();
            outcome
        }),
        ("remux to file", |input, out, c| {
            remux_to(&open(input)?, &Remux::new(), Sink::file(out.join("o.mp4")), c).map(drop)
        }),
        ("remux to ts file", |input, out, c| {
            remux_to(&open(input)?, &Remux::new(), Sink::file(out.join("o.ts")), c).map(drop)
        }),
        ("join to file", |input, out, c| {
            let sources = [Source::open(input)?, Source::open(input)?, Source::open(input)?];
            join_to(&sources, &Join::new(), Sink::file(out.join("o.mp4")), c).map(drop)
        }),
        ("save", |input, out, c| {
            cut(&open(input)?, &range(0.0, 6.0), &none())?.rope.save(out.join("o.mp4"), SaveOptions::new(), c)
        }),
        ("save from memory", |input, out, c| {
            let media = Media::open(Source::from_bytes(std::fs::read(input).unwrap()))?;
            cut(&media, &range(0.0, 6.0), &none())?.rope.save(out.join("o.mp4"), SaveOptions::new(), c)
        }),
        ("write_to_fd", |input, out, c| {
            let file = std::fs::File::options().write(true).open("/dev/null").unwrap();
            let _ = out;
            cut(&open(input)?, &range(0.0, 6.0), &none())?.rope.write_to_fd(file, c)
        }),
    ]
}

#[test]
fn cancelled_or_late_before_it_begins() {
    let mut wrong = Vec::new();
    let input = clip();
    for (name, operation) in operations() {
        let out = tempfile::tempdir().unwrap();
        let token = CancelToken::new();
        token.cancel();
        for (control, kind) in [
            (Control::new().cancel(token), ErrorKind::Cancelled),
            (Control::new().timeout(Duration::ZERO), ErrorKind::DeadlineExceeded),
        ] {
            match operation(&input, out.path(), &control) {
                Err(error) if error.kind() == kind => {}
                Err(error) => wrong.push(format!("{name}, {kind:?}: {:?} {error}", error.kind())),
                Ok(()) => wrong.push(format!("{name}, {kind:?}: went well")),
            }
        }
        assert!(entries(out.path()).is_empty(), "{name}: leaves {:?}", entries(out.path()));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn cancelled_at_every_report_of_progress() {
    let mut wrong = Vec::new();
    let input = large_clip();
    for (name, operation) in operations() {
        let stages = shared(Vec::new());
        let seen = stages.clone();
        let out = tempfile::tempdir().unwrap();
        operation(&input, out.path(), &Control::new().progress(move |p| seen.lock().unwrap().push(p)))
            .unwrap();
        let stages = stages.lock().unwrap().clone();
        for stop_at in 0..stages.len() {
            let last = stages[stop_at].done == stages[stop_at].total && stages[stop_at].stage == Stage::Save;
            let out = tempfile::tempdir().unwrap();
            let (token, count) = (CancelToken::new(), Arc::new(AtomicUsize::new(0)));
            let stop = token.clone();
            let control = Control::new().cancel(token).progress(move |_| {
                if count.fetch_add(1, Ordering::SeqCst) == stop_at {
                    stop.cancel();
                }
            });
            let what =
                format!("{name}, cancelled at report {stop_at} of {} ({:?})", stages.len(), stages[stop_at]);
            match operation(&input, out.path(), &control) {
                // When all is done and only the name is missing, both are right.
                Ok(()) if last => {}
                Ok(()) => wrong.push(format!("{what}: went on to the end")),
                Err(error) => {
                    if error.kind() != ErrorKind::Cancelled {
                        wrong.push(format!("{what}: {error}"));
                    }
                    assert!(entries(out.path()).is_empty(), "{what}: leaves {:?}", entries(out.path()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_panic_in_the_progress_callback_is_an_error() {
    let input = large_clip();
    for (name, operation) in operations() {
        let reports = Arc::new(AtomicUsize::new(0));
        let count = reports.clone();
        let out = tempfile::tempdir().unwrap();
        operation(
            &input,
            out.path(),
            &Control::new().progress(move |_| {
                count.fetch_add(1, Ordering::SeqCst);
            }),
        )
        .unwrap();
        for panic_at in 0..reports.load(Ordering::SeqCst).min(6) {
            let out = tempfile::tempdir().unwrap();
            let count = AtomicUsize::new(0);
            let control = Control::new()
                .progress(move |_| assert!(count.fetch_add(1, Ordering::SeqCst) != panic_at, "as planned"));
            refused(operation(&input, out.path(), &control), &[ErrorKind::Bug], name);
            assert!(entries(out.path()).is_empty(), "{name}: leaves {:?}", entries(out.path()));
        }
    }
}

#[test]
fn cancelled_from_another_thread_at_any_time() {
    let input = large_clip();
    for (name, operation) in operations() {
        for delay in [0u64, 50, 200, 1000, 3000] {
            let out = tempfile::tempdir().unwrap();
            let token = CancelToken::new();
            let control = Control::new().cancel(token.clone());
            let (go, gone) = std::sync::mpsc::sync_channel::<()>(0);
            let canceller = std::thread::spawn(move || {
                gone.recv().unwrap();
                let begun = Instant::now();
                while begun.elapsed() < Duration::from_micros(delay) {
                    std::hint::spin_loop();
                }
                token.cancel();
            });
            go.send(()).unwrap();
            let outcome = operation(&input, out.path(), &control);
            canceller.join().unwrap();
            if let Err(error) = outcome {
                assert_eq!(error.kind(), ErrorKind::Cancelled, "{name} after {delay} us: {error}");
                assert!(entries(out.path()).is_empty(), "{name}: leaves {:?}", entries(out.path()));
            }
        }
    }
}

/// Flips bytes, truncates, moves pieces; mostly in the head and in the index.
fn mutate(original: &[u8], random: &mut XorShift) -> Vec<u8> {
    let mut bytes = original.to_vec();
    let index = find(original, "moov").map(|b| (b.start, b.end()));
    for _ in 0..=random.below(8) {
        if bytes.len() < 64 {
            break;
        }
        let (from, to) = match (random.below(10), index) {
            (0..=6, Some((from, to))) if to <= bytes.len() => (from, to),
            (0..=7, _) => (0, bytes.len().min(4096)),
            _ => (0, bytes.len()),
        };
        let at = from + random.below(to - from);
        match random.below(8) {
            0 | 1 => bytes[at] ^= 1 << random.below(8),
            2 => bytes[at] = random.next() as u8,
            3 => {
                let interesting = [0u32, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0xffff, 0x1_0000, 8, 16];
                if at + 4 <= bytes.len() {
                    bytes[at..at + 4]
                        .copy_from_slice(&interesting[random.below(interesting.len())].to_be_bytes());
                }
            }
            4 => {
                let len = random.below(64).min(bytes.len() - at);
                bytes[at..at + len].fill(if random.below(2) == 0 { 0 } else { 0xff });
            }
            5 => {
                let len = random.below(512).min(bytes.len() - at);
                let piece = bytes[at..at + len].to_vec();
                let to = random.below(bytes.len());
                bytes.splice(to..to, piece);
            }
            6 => {
                let len = random.below(512).min(bytes.len() - at);
                bytes.drain(at..at + len);
            }
            _ if random.below(4) == 0 => bytes.truncate(at),
            _ => {}
        }
    }
    bytes
}

fn fuzz(mutants: usize) {
    let short = |encoder: &str| Spec {
        duration: 1.0,
        video: None,
        audio: vec![Audio { encoder: encoder.into(), ..Audio::default() }],
        ..Spec::default()
    };
    let both = Spec { duration: 2.0, ..Spec::default() };
    let fragments = Spec {
        muxer_options: vec![("movflags".into(), "+frag_keyframe+empty_moov+default_base_moof".into())],
        ..both.clone()
    };
    let files = [
        ("mp4", fixture("small.mp4", &both)),
        ("fragmented.mp4", fixture("fragmented.mp4", &fragments)),
        ("mkv", fixture("small.mkv", &both)),
        ("ts", fixture("small.ts", &both)),
        ("flv", fixture("small.flv", &both)),
        ("avi", fixture("small.avi", &both)),
        ("mp3", fixture("small.mp3", &short("libmp3lame"))),
        ("ogg", fixture("small.ogg", &short("libopus"))),
        ("wav", fixture("small.wav", &short("pcm_s16le"))),
    ];
    let share = mutants.div_ceil(files.len());
    for (i, (name, path)) in files.into_iter().enumerate() {
        let original = std::fs::read(path).unwrap();
        assert!(
            work(&Source::from_bytes(original.clone()).named(format!("original.{name}")), &none()).is_ok()
                || i > 5,
            "{name}"
        );
        let mut random = XorShift(0x9e37_79b9_7f4a_7c15 ^ (i as u64 + 1));
        // MP4's tables are read by our own code as well.
        for n in 0..if i < 2 { share * 2 } else { share } {
            let bytes = mutate(&original, &mut random);
            let mutant = bytes.clone();
            let begun = Instant::now();
            let run = std::panic::AssertUnwindSafe(|| {
                bounded("a mutant", 30, move || {
                    let control = Control::new().timeout(Duration::from_secs(5));
                    work(&Source::from_bytes(mutant).named("mutant"), &control)
                })
            });
            let outcome = std::panic::catch_unwind(run);
            let bug = match &outcome {
                Err(_) => Some("panicked or hung".to_owned()),
                Ok(Err(e)) if e.kind() == ErrorKind::Bug => Some(e.to_string()),
                // The deadline of 5 s, and one call of libav that can't be interrupted: half a second of work here, many
                // times that on a machine that is busy with other tests.
                Ok(_) if begun.elapsed() > Duration::from_secs(25) => {
                    Some(format!("took {:?}", begun.elapsed()))
                }
                Ok(_) => None,
            };
            if let Some(bug) = bug {
                let keep = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("mutant-{n}.{name}"));
                std::fs::write(&keep, &bytes).unwrap();
                panic!("mutant {n} of {name} (kept as {}): {bug}", keep.display());
            }
        }
    }
}

#[test]
fn mutants_do_no_harm() {
    fuzz(300);
}

#[test]
#[cfg_attr(not(feature = "full-tests"), ignore = "full tier: cargo test --features full-tests")]
fn thousands_of_mutants_do_no_harm() {
    fuzz(6000);
}
