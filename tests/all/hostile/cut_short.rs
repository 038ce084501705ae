//! Files that end too early, and healthy ones that only look so.

use super::*;

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
            let control = Control::new().timeout(HANGS / 2);
            let opened = open(&path);
            if layout == "moov behind" || len < moov.end() {
                // A moov that is cut short may open, if what is missing is not needed; it must not be half
                // read.
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
    let fragmented = generated(
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
        ("short.wav", generated("sound.wav", &wav)),
        ("short.avi", generated("sound.avi", &avi)),
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
    let au = generated("wide.au", &Spec { duration: 2.0, video: None, audio: vec![wide], ..Spec::default() });
    let video = synth::Video {
        encoder: "dvvideo".into(),
        size: (720, 576),
        rate: (25, 1),
        pixel_format: "yuv420p".into(),
        ..Default::default()
    };
    let audio = Audio { encoder: "pcm_s16le".into(), ..Audio::default() };
    let dv = generated(
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
