//! Wrong settings: errors before anything is read or written.

use super::{processors::step, *};

/// What is asked for, and what the message has to name.
type Wrong = (&'static str, Transcode, &'static [&'static str]);

/// Each is an error of this kind that names what it is about, before anything is written, and leaves nothing.
fn are_refused(container: &str, kind: ErrorKind, table: Vec<Wrong>) {
    let media = open(&common::fixture("h264-aac").unwrap());
    let folder = tempfile::tempdir().unwrap();
    let mut failures = Vec::new();
    for (name, settings, words) in table {
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
                let missing = words.iter().filter(|w| !text.contains(**w));
                failures.extend(missing.map(|w| format!("{name}: no '{w}' in: {text}")));
            }
        }
        // Progress is told with what is written: nothing was.
        if started.load(Ordering::Relaxed) > 0 {
            failures.push(format!("{name}: it had begun to write"));
        }
        for left in common::entries(folder.path()) {
            failures.push(format!("{name}: left behind: {left}"));
            std::fs::remove_file(folder.path().join(left)).unwrap();
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn pictures_by(settings: VideoSettings) -> Transcode {
    Transcode::new().video(settings)
}

fn sound_by(settings: AudioSettings) -> Transcode {
    Transcode::new().audio(settings)
}

fn h264() -> VideoSettings {
    video(VideoCodec::H264)
}

fn aac() -> AudioSettings {
    audio(AudioCodec::Aac)
}

#[test]
fn words_that_nobody_knows_are_refused() {
    are_refused(
        "mp4",
        ErrorKind::InvalidArgument,
        vec![
            ("an option", pictures_by(h264().option("sharpness", "3")), &["sharpness"]),
            ("an option's value", pictures_by(h264().option("preset", "swift")), &["libx264"]),
            ("an option of sound", sound_by(aac().option("sharpness", "3")), &["sharpness", "aac"]),
            ("an encoder", pictures_by(video(VideoCodec::from("libx999"))), &["libx999"]),
            ("an encoder of sound", pictures_by(video(VideoCodec::from("libmp3lame"))), &["libmp3lame"]),
            ("a sound encoder", sound_by(audio(AudioCodec::from("mp9"))), &["mp9"]),
            ("a filter", pictures_by(h264().filter("sharpen_all")), &["sharpen_all"]),
            ("a filter's option", pictures_by(h264().filter("hflip=nonsense=1")), &["hflip"]),
            ("a sound filter", sound_by(aac().filter("louder")), &["louder"]),
            ("two inputs", pictures_by(h264().filter("[in0][in1]overlay")), &["overlay"]),
            ("a pixel format", pictures_by(h264().pixel_format("yuv999p")), &["yuv999p"]),
        ],
    );
    are_refused("mp9", ErrorKind::Unsupported, vec![("a container", Transcode::new(), &["mp9"])]);
}

#[test]
fn figures_that_make_no_sense_are_refused() {
    let new = Transcode::new;
    are_refused(
        "mp4",
        ErrorKind::InvalidArgument,
        vec![
            ("crf and bit rate", pictures_by(h264().crf(20.0).bit_rate(1_000_000)), &["crf"]),
            ("crf out of range", pictures_by(h264().crf(99.0)), &["crf"]),
            ("crf for MPEG-4", pictures_by(video(VideoCodec::Mpeg4).crf(20.0)), &["mpeg4", "crf"]),
            ("size and bit rate", new().target_size(1 << 20).video(h264().bit_rate(1_000_000)), &["size"]),
            ("tiny target", new().target_size(2000), &["2000"]),
            ("speed", new().speed(0.0), &["speed"]),
            ("speed that is no number", new().speed(f64::NAN), &["speed"]),
            ("size", pictures_by(h264().size(40_000, 2)), &["40000"]),
            ("frame rate", pictures_by(h264().frame_rate(rate(5000, 1))), &["5000"]),
            ("range", new().keep(TimeRange::secs(100.0, 101.0).unwrap()), &["100"]),
        ],
    );
    let wrong = ErrorKind::InvalidArgument;
    are_refused("m4a", wrong, vec![("sample rate", sound_by(aac().sample_rate(11_111)), &["aac"])]);
    let six = audio(AudioCodec::Mp3).channels(6);
    are_refused("mp3", wrong, vec![("channels", sound_by(six), &["libmp3lame"])]);
}

#[test]
fn copies_that_can_not_be_are_refused() {
    let copy = || video(VideoCodec::Copy);
    are_refused(
        "mp4",
        ErrorKind::InvalidArgument,
        vec![
            ("copy and scale", pictures_by(copy().size(64, 64)), &["copied"]),
            ("copy and resample", sound_by(audio(AudioCodec::Copy).channels(1)), &["copied"]),
        ],
    );
    let part = TimeRange::secs(1.0, 2.0).unwrap();
    let nothing = pictures_by(video(VideoCodec::None)).audio(audio(AudioCodec::None));
    are_refused(
        "mp4",
        ErrorKind::Unsupported,
        vec![
            ("copy and cut", pictures_by(copy()).keep(part), &["h264"]),
            ("nothing left", nothing, &["mp4"]),
        ],
    );
    are_refused(
        "webm",
        ErrorKind::Unsupported,
        vec![
            ("a copy", pictures_by(copy()), &["h264", "webm"]),
            ("H.264", pictures_by(h264()), &["h264", "webm"]),
            ("AAC", sound_by(aac()), &["aac", "webm"]),
        ],
    );
    let ffv1 = pictures_by(video(VideoCodec::Ffv1));
    are_refused("flv", ErrorKind::Unsupported, vec![("FFV1", ffv1, &["ffv1", "flv"])]);
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
        let job = avrope::transcode::Transcoder::new(&media, &settings).video(count);
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

/// Lengths of time are seconds in JSON, and settings that were saved before names changed are read as they
/// were meant.
#[test]
fn saved_settings_keep_their_meaning() {
    use avrope::{segments::Segments, transcode::Transition};
    use std::time::Duration;
    let old: Transcode = serde_json::from_str(r#"{"video": {"speed": "slow", "turn": true}}"#).unwrap();
    let new = Transcode::new().video(VideoSettings::new().encoder_preset("slow").autorotate(true));
    assert_eq!(old, new);
    let json = serde_json::to_value(&new).unwrap();
    assert_eq!(
        (&json["video"]["encoder_preset"], &json["video"]["autorotate"]),
        (&"slow".into(), &true.into())
    );
    let fade: Transition = serde_json::from_str(r#"{"name": "fade", "duration": 0.48}"#).unwrap();
    assert_eq!(fade, Transition::new("fade", Duration::from_millis(480)));
    assert_eq!(serde_json::to_value(&fade).unwrap()["duration"], 0.48);
    assert!(serde_json::from_str::<Transition>(r#"{"name": "fade", "duration": -1}"#).is_err());
    let hls: Segments = serde_json::from_str(r#"{"protocol": "hls", "duration": 2.5}"#).unwrap();
    assert_eq!(hls, Segments::hls().duration(Duration::from_millis(2500)));
    assert_eq!(serde_json::from_str::<Segments>(r#"{"protocol": "hls"}"#).unwrap(), Segments::hls());
}
