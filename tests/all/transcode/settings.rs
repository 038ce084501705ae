//! Wrong settings: errors before anything is read or written.

use super::{processors::step, *};

#[test]
fn wrong_settings_are_errors_and_leave_nothing() {
    let media = open(&common::fixture("h264-aac").unwrap());
    let folder = tempfile::tempdir().unwrap();
    let new = Transcode::new;
    let h264 = || video(VideoCodec::H264);
    use ErrorKind::{InvalidArgument, Unsupported};
    // (name, container, settings, kind, what the message has to name)
    let table: Vec<(&str, &str, Transcode, ErrorKind, &[&str])> = vec![
        (
            "unknown option",
            "mp4",
            new().video(h264().option("sharpness", "3")),
            InvalidArgument,
            &["sharpness"],
        ),
        (
            "option's value",
            "mp4",
            new().video(h264().option("preset", "swift")),
            InvalidArgument,
            &["libx264"],
        ),
        (
            "option of sound",
            "mp4",
            new().audio(audio(AudioCodec::Aac).option("sharpness", "3")),
            InvalidArgument,
            &["sharpness", "aac"],
        ),
        (
            "unknown encoder",
            "mp4",
            new().video(video(VideoCodec::from("libx999"))),
            InvalidArgument,
            &["libx999"],
        ),
        (
            "encoder of sound",
            "mp4",
            new().video(video(VideoCodec::from("libmp3lame"))),
            InvalidArgument,
            &["libmp3lame"],
        ),
        (
            "unknown sound encoder",
            "mp4",
            new().audio(audio(AudioCodec::from("mp9"))),
            InvalidArgument,
            &["mp9"],
        ),
        (
            "unknown filter",
            "mp4",
            new().video(h264().filter("sharpen_all")),
            InvalidArgument,
            &["sharpen_all"],
        ),
        (
            "filter's option",
            "mp4",
            new().video(h264().filter("hflip=nonsense=1")),
            InvalidArgument,
            &["hflip"],
        ),
        (
            "unknown sound filter",
            "mp4",
            new().audio(audio(AudioCodec::Aac).filter("louder")),
            InvalidArgument,
            &["louder"],
        ),
        ("two inputs", "mp4", new().video(h264().filter("[in0][in1]overlay")), InvalidArgument, &["overlay"]),
        ("pixel format", "mp4", new().video(h264().pixel_format("yuv999p")), InvalidArgument, &["yuv999p"]),
        (
            "crf and bit rate",
            "mp4",
            new().video(h264().crf(20.0).bit_rate(1_000_000)),
            InvalidArgument,
            &["crf"],
        ),
        ("crf out of range", "mp4", new().video(h264().crf(99.0)), InvalidArgument, &["crf"]),
        (
            "crf for MPEG-4",
            "mp4",
            new().video(video(VideoCodec::Mpeg4).crf(20.0)),
            InvalidArgument,
            &["mpeg4", "crf"],
        ),
        (
            "size and bit rate",
            "mp4",
            new().target_size(1 << 20).video(h264().bit_rate(1_000_000)),
            InvalidArgument,
            &["size"],
        ),
        ("tiny target", "mp4", new().target_size(2000), InvalidArgument, &["2000"]),
        (
            "copy and scale",
            "mp4",
            new().video(video(VideoCodec::Copy).size(64, 64)),
            InvalidArgument,
            &["copied"],
        ),
        (
            "copy and resample",
            "mp4",
            new().audio(audio(AudioCodec::Copy).channels(1)),
            InvalidArgument,
            &["copied"],
        ),
        (
            "copy and cut",
            "mp4",
            new().video(video(VideoCodec::Copy)).keep(TimeRange::secs(1.0, 2.0).unwrap()),
            Unsupported,
            &["h264"],
        ),
        ("copy into WebM", "webm", new().video(video(VideoCodec::Copy)), Unsupported, &["h264", "webm"]),
        ("H.264 in WebM", "webm", new().video(h264()), Unsupported, &["h264", "webm"]),
        ("AAC in WebM", "webm", new().audio(audio(AudioCodec::Aac)), Unsupported, &["aac", "webm"]),
        ("FFV1 in TS", "flv", new().video(video(VideoCodec::Ffv1)), Unsupported, &["ffv1", "flv"]),
        (
            "nothing left",
            "mp4",
            new().video(video(VideoCodec::None)).audio(audio(AudioCodec::None)),
            Unsupported,
            &["mp4"],
        ),
        ("speed", "mp4", new().speed(0.0), InvalidArgument, &["speed"]),
        ("speed that is no number", "mp4", new().speed(f64::NAN), InvalidArgument, &["speed"]),
        ("size", "mp4", new().video(h264().size(40_000, 2)), InvalidArgument, &["40000"]),
        ("frame rate", "mp4", new().video(h264().frame_rate(rate(5000, 1))), InvalidArgument, &["5000"]),
        ("range", "mp4", new().keep(TimeRange::secs(100.0, 101.0).unwrap()), InvalidArgument, &["100"]),
        (
            "sample rate",
            "m4a",
            new().audio(audio(AudioCodec::Aac).sample_rate(11_111)),
            InvalidArgument,
            &["aac"],
        ),
        (
            "channels",
            "mp3",
            new().audio(audio(AudioCodec::Mp3).channels(6)),
            InvalidArgument,
            &["libmp3lame"],
        ),
        ("container", "mp9", new(), Unsupported, &["mp9"]),
    ];
    let mut failures = Vec::new();
    for (name, container, settings, kind, words) in table {
        let started = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&started);
        let control = Control::new().progress(move |_| {
            counter.fetch_add(1, Ordering::Relaxed);
        });
        let sink = Sink::file(folder.path().join("out"));
        match transcode_to(&media, &settings.format(container), sink, &control) {
            Ok(report) => failures.push(format!("{name}: it went well: {report:?}")),
            Err(error) => {
                let text = error.to_string();
                if error.kind() != kind {
                    failures.push(format!("{name}: {:?}, not {kind:?}: {text}", error.kind()));
                }
                failures.extend(
                    words
                        .iter()
                        .filter(|w| !text.contains(**w))
                        .map(|w| format!("{name}: no '{w}' in: {text}")),
                );
            }
        }
        // Progress is told with what is written: nothing was.
        if started.load(Ordering::Relaxed) > 0 {
            failures.push(format!("{name}: it had begun to write"));
        }
        let left = common::entries(folder.path());
        if !left.is_empty() {
            failures.push(format!("{name}: left behind: {left:?}"));
            for entry in left {
                let _ = std::fs::remove_file(folder.path().join(entry));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn an_encoders_options_are_judged_before_the_first_frame() {
    let media = Media::open(Source::open(common::clip()).unwrap()).unwrap();
    let h264 = |key, value| Transcode::new().video(video(VideoCodec::H264).option(key, value));
    let aac = |key, value| Transcode::new().audio(audio(AudioCodec::Aac).option(key, value));
    let cases = [
        (h264("sharpness", "3"), "libx264 has no option 'sharpness'"),
        (h264("crf", "many"), "libx264 does not take 'many' for its option 'crf'"),
        (h264("g", "-7000000000"), "'-7000000000' for its option 'g'"),
        (h264("preset", "swift"), "libx264"),
        (Transcode::new().video(video(VideoCodec::H264).tune("soap")), "libx264"),
        (Transcode::new().video(video(VideoCodec::Mpeg4).tune("film")), "mpeg4 has no option 'tune'"),
        (aac("sharpness", "3"), "aac has no option 'sharpness'"),
        (aac("aac_coder", "best"), "aac does not take 'best' for its option 'aac_coder'"),
    ];
    for (settings, words) in cases {
        let settings = settings.format("mkv");
        let seen = Arc::new(AtomicUsize::new(0));
        let frames = seen.clone();
        let count = step(None, move |frame, next| {
            frames.fetch_add(1, Ordering::Relaxed);
            next(frame)
        });
        let job = avrope::Transcoder::new(&media, &settings).video(count);
        let error = job.run(&Control::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!(seen.load(Ordering::Relaxed), 0, "{words}");
    }
}

#[test]
fn the_containers_options_are_judged_before_anything_is_read() {
    let source = Media::open(Source::open(tiny("mp4")).unwrap()).unwrap();
    let with = |key: &str, value: &str| Transcode::new().format("mkv").muxer_option(key, value);
    let control = Control::default();
    assert!(avrope::transcode(&source, &with("avoid_negative_ts", "make_zero"), &control).is_ok());
    assert!(avrope::transcode(&source, &with("reserve_index_space", "4096"), &control).is_ok());
    let error = avrope::transcode(&source, &with("no_such", "1"), &control).unwrap_err();
    assert_eq!(error.kind(), avrope::ErrorKind::InvalidArgument, "{error}");
}
