//! Inputs that are damaged, or change in mid-stream.

use super::*;

#[test]
fn a_source_that_changes_its_size_becomes_one_picture() {
    oracle!("changing size");
    let folder = tempfile::tempdir().unwrap();
    let part = |name: &str, size: (u32, u32), channels: u32| {
        let mut spec = Spec { duration: 1.0, video: Some(common::video("libx264", 2)), ..Spec::default() };
        spec.video.as_mut().unwrap().size = size;
        spec.audio[0].channels = channels;
        std::fs::read(common::generated(name, &spec)).unwrap()
    };
    let (first, second) = (part("first.ts", (320, 180), 2), part("second.ts", (192, 108), 1));
    let source = folder.path().join("both.ts");
    std::fs::write(&source, [first, second].concat()).unwrap();
    for container in ["mp4", "mkv", "ts"] {
        let settings = Transcode::new().video(quick()).audio(audio(AudioCodec::Aac));
        let out = made(&source, &settings, folder.path(), &format!("out.{container}"));
        let found = picture_of(&out);
        assert_eq!((found.width, found.height), (Some(320), Some(180)), "{container}");
        assert_eq!(sound_of(&out).channels, Some(2), "{container}");
        let times: Vec<f64> = common::frames(&out, "0:v").iter().map(|f| f.time).collect();
        assert_eq!(times.len(), 50, "{container}: {times:?}");
        assert!(times.windows(2).all(|w| w[1] > w[0] && w[1] - w[0] < 0.2), "{container}: {times:?}");
        assert_eq!(common::complaints(&out), Default::default(), "{container}");
        let none: std::collections::BTreeSet<_> = common::payload(&out).keys().cloned().collect();
        assert_eq!(none.len(), 2, "{container}");
    }
}

/// Cut short, or with bits turned over: a few anywhere, or many in one place.
fn mutant(sound: &[u8], seed: u64) -> Vec<u8> {
    let mut random = common::XorShift(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut bytes = sound.to_vec();
    for _ in 0..3 {
        random.next();
    }
    if seed.is_multiple_of(4) {
        bytes.truncate(random.below(sound.len()));
    }
    if !seed.is_multiple_of(4) && !bytes.is_empty() {
        let place = random.below(bytes.len());
        for _ in 0..1 + random.below(40) {
            let at = if seed % 4 == 3 { place + random.below(64) } else { random.below(bytes.len()) };
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << random.below(8);
            }
        }
    }
    bytes
}

fn damaged_in(container: &str) {
    let count = if cfg!(feature = "full-tests") { 2000 } else { 80 };
    let sound = std::fs::read(tiny(container)).unwrap();
    let (mut good, mut errors, mut refused, mut last) = (0, 0, 0, String::new());
    for seed in 0..count {
        let bytes = mutant(&sound, seed);
        let name = format!("{container}, seed {seed}");
        let label = name.clone();
        // The deadline is there to show that it is not needed: a mutant takes some milliseconds.
        let outcome = common::bounded(&name, move || {
            let control = Control::new().timeout(common::HANGS / 2);
            let media = Media::open_with(Source::from_bytes(bytes).named(label), &control)?;
            let settings = Transcode::new()
                .format("mkv")
                .video(video(VideoCodec::Mpeg4))
                .audio(audio(AudioCodec::Pcm))
                .threads(1);
            transcode(&media, &settings, &control)
        });
        match outcome {
            Ok(clip) => {
                good += 1;
                errors += u64::from(clip.report.decode_errors > 0);
                assert!(clip.report.frames_encoded > 0, "{name}: nothing was encoded");
                let said = clip.report.warnings.iter().any(|w| w.contains("damaged"));
                // An index with holes is said as well, though what is found of it decodes.
                assert!(said || clip.report.decode_errors == 0, "{name}: {:?}", clip.report);
            }
            Err(error) => {
                refused += 1;
                last = error.to_string();
                let due =
                    [ErrorKind::Corrupt, ErrorKind::Unsupported, ErrorKind::LimitExceeded, ErrorKind::Io];
                let due = due.contains(&error.kind()) || error.kind() == ErrorKind::InvalidArgument;
                assert!(due, "{name}: {:?}: {error}", error.kind());
            }
        }
    }
    if good == 0 {
        println!("{last}");
    }
    println!(
        "{container}: {good} went through, {errors} of them with damaged packets; {refused} were refused"
    );
    // Else the mutants are no test. In a transport stream something is found whatever is hit: its tables come
    // again and again.
    assert!(errors > 0 && (refused > 0 || container == "ts"), "{container}: {good} {errors} {refused}");
}

#[test]
fn damaged_mp4_is_an_error_or_counted() {
    damaged_in("mp4");
}

#[test]
fn damaged_ts_is_an_error_or_counted() {
    damaged_in("ts");
}

#[test]
fn damaged_matroska_is_an_error_or_counted() {
    damaged_in("mkv");
}

/// The payload's middle, turned over: decoders find errors, and the container is sound.
#[test]
fn damaged_packets_count_up_to_the_callers_limit() {
    let mut bytes = std::fs::read(common::clip()).unwrap();
    let data = common::find(&bytes, "mdat").unwrap();
    let mut random = common::XorShift(11);
    for _ in 0..400 {
        bytes[data.content() + 4000 + random.below(data.len - 8000)] ^= 0xff;
    }
    let media = Media::open(Source::from_bytes(bytes).named("damaged.mp4")).unwrap();
    let settings =
        Transcode::new().format("mkv").video(video(VideoCodec::Mpeg4)).audio(audio(AudioCodec::Pcm));
    let report = transcode(&media, &settings, &Control::default()).unwrap().report;
    assert!(report.decode_errors > 5, "{report:?}");
    assert!(report.warnings.iter().any(|w| w.contains("damaged")), "{report:?}");
    let folder = tempfile::tempdir().unwrap();
    let sink = Sink::file(folder.path().join("out.mkv"));
    let strict = settings.clone().max_decode_errors(3);
    let error = transcode_to(&media, &strict, sink, &Control::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    assert!(error.to_string().contains("damaged.mp4") && error.to_string().contains('3'), "{error}");
    assert_eq!(common::entries(folder.path()), [""; 0]);
    let patient = settings.max_decode_errors(report.decode_errors * 2);
    transcode(&media, &patient, &Control::default()).unwrap();
}

/// A copy of a file whose packets of a stream that begin in a time have other bytes from their start on.
fn ruined(path: &Path, stream: &str, from: f64, to: f64) -> Source {
    let arguments = ["-ignore_editlist", "0", "-select_streams", stream, "-show_packets"];
    let arguments = if common::is_mov(path) { &arguments[..] } else { &arguments[2..] };
    let shown = common::ffprobe(path, arguments);
    let mut bytes = std::fs::read(path).unwrap();
    let mut hit = 0;
    for packet in shown["packets"].as_array().unwrap() {
        let number = |key: &str| packet[key].as_str().unwrap().parse::<f64>().unwrap();
        if (from - 0.001..to - 0.001).contains(&number("pts_time")) {
            let at = number("pos") as usize;
            bytes[at..at + number("size") as usize].fill(0xd5);
            hit += 1;
        }
    }
    assert!(hit > 0, "{}: nothing from {from} to {to}", path.display());
    Source::from_bytes(bytes).named("ruined")
}

/// Each of the first packets of a range is damaged, and nothing in front of it: pictures and sound, and those
/// whose pictures refer to others.
#[test]
fn damage_at_the_beginning_of_a_range_counts() {
    oracle!("damage at the beginning of a range");
    let h264 = ["-c:v", "libx264", "-preset", "ultrafast", "-g", "10", "-bf", "2"];
    let clip = |name: &str, codec: &[&str]| drawn(name, "testsrc2=s=160x90:r=25:d=2", codec);
    let tone = drawn("ruined-aac.mp4", "sine=440:r=48000:d=2", &["-c:a", "aac"]);
    for (name, path, stream, (from, damaged), least) in [
        ("MJPEG", clip("ruined-mjpeg.mov", &["-c:v", "mjpeg"]), "v", (0.8, 1.0), 5),
        ("ProRes", clip("ruined-prores.mov", &["-c:v", "prores"]), "v", (0.8, 1.0), 5),
        // The keyframe, and what refers to it up to the next one.
        ("H.264", clip("ruined-h264.mp4", &h264), "v", (0.8, 1.0), 4),
        ("AAC", tone, "a", (0.8, 1.0), 4),
    ] {
        let media = Media::open(ruined(&path, stream, from, damaged)).unwrap();
        for threads in [1, 3] {
            let settings = Transcode::new()
                .format("mkv")
                .keep(TimeRange::secs(from, 1.6).unwrap())
                .video(video(VideoCodec::Mpeg4))
                .audio(audio(AudioCodec::Pcm))
                .threads(threads);
            let report = transcode(&media, &settings, &Control::default()).unwrap().report;
            assert!(report.decode_errors >= least, "{name}: {report:?}");
            assert!(report.warnings.iter().any(|w| w.contains("damaged")), "{name}: {report:?}");
            let strict = settings.max_decode_errors(least - 1);
            let error = transcode(&media, &strict, &Control::default()).expect_err(name);
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{name}: {error}");
        }
    }
}

/// What lies in front of a range alone is damaged, or refers to what is not read: none of it is shown.
#[test]
fn damage_in_front_of_a_range_does_not_count() {
    oracle!("damage in front of a range");
    let source = "testsrc2=s=160x90:r=25:d=3";
    let open = ["-c:v", "libx264", "-x264-params", "open-gop=1:keyint=20:scenecut=0:bframes=3", "-an"];
    let mpeg2 = ["-c:v", "mpeg2video", "-g", "12", "-bf", "2", "-q:v", "3", "-an"];
    for (name, path) in [
        ("H.264", drawn("open-gop.mp4", source, &open)),
        ("MPEG-2", drawn("open-gop.ts", source, &mpeg2)),
        (
            "HEVC",
            drawn(
                "open-gop.mkv",
                source,
                &[
                    "-c:v",
                    "libx265",
                    "-x265-params",
                    "log-level=error:keyint=20:min-keyint=20:scenecut=0",
                    "-an",
                ],
            ),
        ),
    ] {
        let keys = common::packets(&path).into_iter().filter(|p| p.key).count();
        assert!(keys > 2, "{name}: {keys} keyframes");
        let media = common::open(&path);
        for from in [0.8, 0.96, 1.0, 1.44, 1.6, 1.7] {
            for threads in [1, 3] {
                let settings = Transcode::new()
                    .format("mkv")
                    .keep(TimeRange::secs(from, 2.2).unwrap())
                    .video(video(VideoCodec::Mpeg4))
                    .threads(threads)
                    .max_decode_errors(0);
                let report = transcode(&media, &settings, &Control::default()).unwrap().report;
                assert_eq!(report.decode_errors, 0, "{name} from {from}: {report:?}");
            }
        }
    }
}
