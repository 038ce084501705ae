//! What is said: errors that name what was wrong and what is right, warnings for what did nothing, and words
//! that people use for settings, on the command line and in JSON.

mod common;

use avrope::{
    Clip, Control, Error, ErrorKind, Media, Rational, Result, Sink, Timestamp, Transcode,
    frames::Frame,
    hardware::HardwareChoice,
    segments::Segments,
    synth::Spec,
    transcode,
    transcode::{
        AudioCodec, AudioFilter, AudioSettings, Fragment, Loudness, Preset, Processor, Transcoder,
        VideoCodec, VideoFilter, VideoSettings,
    },
    transcode_segments, transcode_to,
};
use common::open;
use std::{path::PathBuf, sync::OnceLock};

// ---- what the cases share

/// A quarter of a second of picture and sound.
fn clip() -> PathBuf {
    common::generated("words.mp4", &Spec { duration: 0.25, ..Spec::default() })
}

fn mute() -> PathBuf {
    common::generated("words-mute.mp4", &Spec { duration: 0.25, audio: Vec::new(), ..Spec::default() })
}

fn sound() -> PathBuf {
    common::generated("words-sound.m4a", &Spec { duration: 0.25, video: None, ..Spec::default() })
}

fn media() -> &'static Media {
    static MEDIA: OnceLock<Media> = OnceLock::new();
    MEDIA.get_or_init(|| {
        avrope::log::capture();
        open(&clip())
    })
}

fn run(media: &Media, settings: &Transcode) -> Result<Clip> {
    transcode(media, settings, &Control::default())
}

fn video(codec: VideoCodec) -> VideoSettings {
    VideoSettings::new().codec(codec)
}

fn quick() -> VideoSettings {
    video(VideoCodec::H264).encoder_preset("ultrafast")
}

/// Refused as an argument, in words that have all of these.
#[track_caller]
fn refused(settings: &Transcode, says: &[&str]) {
    let error = run(media(), settings).map(drop).expect_err(says[0]);
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    let text = error.to_string();
    assert!(says.iter().all(|words| text.contains(words)), "{text:?} lacks one of {says:?}");
    assert!(!text.contains("0x"), "{text:?} has an address");
}

// ---- callbacks

struct Panics;

impl Processor<Frame> for Panics {
    fn process(&mut self, _: Frame, _: &mut dyn FnMut(Frame) -> Result<()>) -> Result<()> {
        panic!("no picture is good enough");
    }
}

#[test]
fn a_panic_is_told_in_its_own_words() {
    let error = Transcoder::new(media(), &Transcode::new().video(quick()))
        .video(Panics)
        .run(&Control::default())
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Bug);
    assert!(error.to_string().contains("panicked: no picture is good enough"), "{error}");
    let control = Control::new().progress(|_| panic!("callback {}", 7));
    let error = transcode(media(), &Transcode::new().video(quick()), &control).unwrap_err();
    assert!(error.to_string().contains("panicked: callback 7"), "{error}");
}

#[test]
fn errors_of_std_io_pass_through_callbacks() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("taken");
    std::fs::write(&file, "").unwrap();
    // A file is no folder.
    let sinks = move |name: &str| {
        std::fs::create_dir_all(file.join("below"))?;
        Ok(Sink::replace(file.join(name)))
    };
    let settings = Transcode::new().video(quick());
    let error =
        transcode_segments(media(), &settings, &Segments::hls(), sinks, &Control::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io, "{error}");
    let missing = Error::from(std::io::Error::from(std::io::ErrorKind::NotFound));
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    // There and back: the same error.
    let own = Error::new(ErrorKind::Busy, "in use");
    let back = Error::from(std::io::Error::from(own));
    assert_eq!((back.kind(), back.to_string()), (ErrorKind::Busy, "in use".to_owned()));
}

// ---- what is refused

#[test]
fn an_unknown_preset_names_the_known_ones() {
    let speed = |codec: &str, word: &str| Transcode::new().video(video(codec.into()).encoder_preset(word));
    refused(&speed("h264", "fsat"), &["libx264 has no preset 'fsat'", "veryfast"]);
    refused(&speed("hevc", "fsat"), &["libx265 has no preset 'fsat'", "veryfast"]);
    refused(&speed("av1", "fsat"), &["libsvtav1 has no preset 'fsat'", "veryfast", "13"]);
    refused(&speed("vp9", "fsat"), &["libvpx-vp9 has no preset 'fsat'", "veryfast"]);
    let tune = |codec: &str, word: &str| Transcode::new().video(video(codec.into()).tune(word));
    refused(&tune("h264", "flim"), &["libx264 has no tuning 'flim'", "film"]);
    refused(&tune("h264", "film,flim"), &["film,flim"]);
    refused(&tune("hevc", "film"), &["libx265 has no tuning 'film'", "grain"]);
    // What these encoders do take.
    for settings in [
        video(VideoCodec::H264).encoder_preset("UltraFast").tune("film,zerolatency"),
        video(VideoCodec::H264).encoder_preset("0"),
        video(VideoCodec::Hevc).encoder_preset("Ultrafast").tune("zero-latency"),
        video(VideoCodec::Vp9).encoder_preset("8"),
    ] {
        run(media(), &Transcode::new().video(settings.clone()))
            .unwrap_or_else(|e| panic!("{settings:?}: {e}"));
    }
}

#[test]
fn what_is_empty_is_refused() {
    let video = VideoSettings::new;
    refused(&Transcode::new().video(video().encoder_preset("")), &["preset is empty"]);
    refused(&Transcode::new().video(video().tune(" ")), &["tuning is empty"]);
    refused(&Transcode::new().video(video().filter("")), &["filter graph of the video is empty"]);
    let audio = AudioSettings::new().filter("");
    refused(&Transcode::new().audio(audio), &["filter graph of the sound is empty"]);
    refused(&Transcode::new().video(video().bit_rate(0)), &["bit rate of the video of 0", "more than 0"]);
    let audio = AudioSettings::new().bit_rate(0);
    refused(&Transcode::new().audio(audio), &["bit rate of the sound of 0", "more than 0"]);
    refused(&Transcode::new().target_size(0), &["target size of 0", "more than 0"]);
}

#[test]
fn a_rate_factor_keeps_to_its_encoders_range() {
    let crf = |codec: VideoCodec, crf: f32| Transcode::new().video(video(codec).crf(crf));
    refused(&crf(VideoCodec::H264, 52.0), &["52", "libx264", "to 51"]);
    refused(&crf(VideoCodec::Hevc, 60.0), &["60", "libx265", "to 51"]);
    refused(&crf(VideoCodec::Mpeg4, 60.0), &["mpeg4 has no constant rate factor"]);
    refused(&crf(VideoCodec::Vp9, 64.0), &["crf"]);
    run(media(), &crf(VideoCodec::Vp9, 63.0)).unwrap();
    run(media(), &Transcode::new().video(quick().crf(51.0))).unwrap();
}

#[test]
fn limits_are_stated() {
    let audio = |audio: AudioSettings| Transcode::new().audio(audio.codec(AudioCodec::Aac));
    refused(&audio(AudioSettings::new().channels(20)), &["20 channels", "1, 2, 3, 4, 5, 6, 7, 8", "16"]);
    refused(&audio(AudioSettings::new().sample_rate(12_345)), &["aac does not take 12345", "44100", "48000"]);
    refused(&Transcode::new().video(quick().size(16_384, 16_384)), &["16384x16384", "16384x16128"]);
    run(media(), &audio(AudioSettings::new().channels(6).sample_rate(22_050))).unwrap();
}

#[test]
fn what_ffmpeg_calls_otherwise_is_hinted_at() {
    let option = |key: &str| Transcode::new().video(quick().option(key, "1"));
    for (key, own) in [
        ("b:v", "video.bit_rate"),
        ("b:a", "audio.bit_rate"),
        ("c:v", "video.codec"),
        ("r", "video.frame_rate"),
        ("s", "video.size"),
        ("vf", "video.filter"),
    ] {
        refused(&option(key), &[&format!("no option '{key}'"), own]);
    }
    let audio = AudioSettings::new().option("b:a", "1");
    refused(&Transcode::new().audio(audio), &["aac has no option 'b:a'", "audio.bit_rate"]);
}

#[test]
fn options_of_a_container_are_judged_with_their_values() {
    let option = |key: &str, value: &str| Transcode::new().video(quick()).muxer_option(key, value);
    refused(&option("movflags", "faststart"), &["avrope sets", "movflags", "fragments"]);
    refused(
        &option("avoid_negative_ts", "bogus"),
        &["'bogus'", "avoid_negative_ts", "make_zero", "make_non_negative", "disabled"],
    );
    refused(&option("nosuch", "1"), &["mp4 has no option 'nosuch'"]);
    refused(&option("video_track_timescale", "many"), &["'many'", "video_track_timescale"]);
    run(media(), &option("avoid_negative_ts", "make_zero")).unwrap();
    run(media(), &option("video_track_timescale", "90000")).unwrap();
    run(media(), &option("brand", "isom")).unwrap();
}

#[test]
fn parameters_that_an_encoder_does_not_know_are_refused() {
    let params = |codec: VideoCodec, key: &str, value: &str| {
        Transcode::new().video(video(codec).encoder_preset("ultrafast").option(key, value))
    };
    refused(&params(VideoCodec::H264, "x264-params", "foo=1"), &["libx264", "foo=1", "may touch files"]);
    // Where any parameter may be given, the encoder judges.
    let params =
        |codec, key: &str, value: &str| params(codec, key, value).allow_options_that_touch_files(true);
    refused(&params(VideoCodec::H264, "x264-params", "foo=1"), &["libx264", "foo = 1"]);
    refused(&params(VideoCodec::H264, "x264-params", "ref=many"), &["libx264", "ref"]);
    refused(&params(VideoCodec::Hevc, "x265-params", "foo=1"), &["libx265", "foo"]);
    run(media(), &params(VideoCodec::H264, "x264-params", "ref=2:no-deblock=1")).unwrap();
    run(media(), &params(VideoCodec::Hevc, "x265-params", "ref=2")).unwrap();
}

#[test]
fn no_address_of_libavs_is_in_a_message() {
    refused(&Transcode::new().video(quick().filter("scale=foo=3")), &["scale=foo=3"]);
    refused(&Transcode::new().video(quick().filter("hflip,[a")), &["hflip,[a"]);
}

// ---- places and endings

#[test]
fn an_output_that_can_not_be_says_why() {
    let to = |path: &str| {
        let settings = Transcode::new().video(quick());
        transcode_to(media(), &settings, Sink::file(path), &Control::default()).unwrap_err()
    };
    let error = to(".");
    assert!(error.to_string().contains("this is a folder"), "{error}");
    let error = to("/nowhere/at/all/x.mp4");
    assert!(error.to_string().contains("does not exist"), "{error}");
    if std::path::Path::new("/proc/self").is_dir() {
        let error = to("/proc/x.mp4");
        assert!(error.to_string().contains("cannot create a file in /proc"), "{error}");
    }
}

#[test]
fn an_ending_of_another_container_is_warned_of() {
    let folder = tempfile::tempdir().unwrap();
    let warned = |format: &str, name: &str| {
        let settings = Transcode::new().format(format).video(quick());
        let path = folder.path().join(name);
        let report = transcode_to(media(), &settings, Sink::replace(&path), &Control::default()).unwrap();
        report.warnings.iter().any(|w| w.contains("its ending is that of"))
    };
    assert!(warned("mkv", "x.mp4"));
    assert!(warned("mkv", "x.webm"));
    assert!(!warned("mkv", "x.mkv"));
    assert!(!warned("mp4", "x.mov"));
    assert!(!warned("mp4", "x.m4v"));
    assert!(!warned("mkv", "no ending"));
}

// ---- what does nothing

/// The warnings of what does nothing, sorted.
fn unused(media: &Media, settings: &Transcode) -> Vec<String> {
    let report = run(media, settings).unwrap_or_else(|e| panic!("{settings:?}: {e}")).report;
    let mut found: Vec<_> = report.warnings.into_iter().filter(|w| w.contains("does nothing")).collect();
    found.sort();
    found
}

/// One warning for each of these, and no other.
#[track_caller]
fn warns(media: &Media, settings: &Transcode, expected: &[&str]) {
    let found = unused(media, settings);
    assert_eq!(found.len(), expected.len(), "{found:?}, not {expected:?}");
    for words in expected {
        assert!(found.iter().any(|w| w.contains(words)), "{found:?} lacks {words:?}");
    }
}

#[test]
fn an_encoder_that_makes_nothing_of_a_setting_is_named() {
    let mkv = |video: VideoSettings| Transcode::new().format("mkv").video(video);
    let mov = |video: VideoSettings| Transcode::new().format("mov").video(video);
    let lossless = "the bit rate of the video does nothing: the encoder ffv1 is lossless";
    warns(media(), &mkv(video(VideoCodec::Ffv1).bit_rate(1_000_000)), &[lossless]);
    warns(media(), &mkv(video(VideoCodec::Ffv1).gop(10)), &[]);
    warns(media(), &mov(video(VideoCodec::ProRes).bit_rate(1_000_000).gop(10)), &["bit rate", "the gop"]);
    let gif = Transcode::new().format("gif").allow_drops(true);
    let gif = gif.video(video(VideoCodec::Gif).bit_rate(1_000_000));
    warns(media(), &gif, &["bit rate of the video"]);
    warns(media(), &mkv(quick().bit_rate(1_000_000).gop(10)), &[]);
    warns(media(), &mkv(quick().fit(avrope::transcode::Fit::Pad)), &["no size to fit into"]);
    let sound = |codec| mkv(quick()).audio(AudioSettings::new().codec(codec).bit_rate(64_000));
    warns(
        media(),
        &sound(AudioCodec::Flac),
        &["bit rate of the sound does nothing: the encoder flac is lossless"],
    );
    warns(media(), &sound(AudioCodec::Pcm), &["bit rate of the sound"]);
    warns(media(), &sound(AudioCodec::Aac), &[]);
    warns(media(), &mkv(quick()).fragment(Fragment::Frame), &["the fragment does nothing"]);
    warns(media(), &Transcode::new().video(quick()).fragment(Fragment::Frame), &[]);
}

#[test]
fn what_is_asked_of_a_stream_that_is_not_there_is_said() {
    let (sound, mute) = (open(&sound()), open(&mute()));
    let text = VideoFilter::Flip { horizontal: true };
    let all = VideoSettings::new()
        .crf(20.0)
        .frame_rate(Rational { num: 25, den: 1 })
        .size(64, 64)
        .encoder_preset("fast")
        .apply(text);
    let of_video = Transcode::new().video(all.clone());
    let none = "the source has no video";
    warns(&sound, &of_video, &["the crf", "frame rate", "the size", "preset", "the flip"]);
    assert!(unused(&sound, &of_video).iter().all(|w| w.ends_with(none)));
    warns(&sound, &Transcode::new().video(video(VideoCodec::H264)), &[]);
    warns(&sound, &Transcode::new().target_size(100_000), &["target size"]);
    let left_out = Transcode::new().video(video(VideoCodec::None).crf(20.0));
    warns(media(), &left_out, &["the crf does nothing: the video is left out"]);
    let audio = AudioSettings::new()
        .bit_rate(64_000)
        .apply(AudioFilter::Volume { db: 3.0 })
        .apply(AudioFilter::Loudness(Loudness::new(-23.0)));
    let of_audio = Transcode::new().audio(audio);
    warns(&mute, &of_audio, &["bit rate of the sound", "the volume", "the loudness"]);
    warns(media(), &of_audio, &[]);
    // A fade of both is one of what is there.
    let (from, duration) = (Timestamp::ZERO, std::time::Duration::from_millis(100));
    let pictures = VideoSettings::new().apply(VideoFilter::FadeIn { from, duration });
    let sounds = AudioSettings::new().apply(AudioFilter::FadeIn { from, duration });
    let both = Transcode::new().video(pictures.clone()).audio(sounds);
    warns(&sound, &both, &[]);
    warns(&mute, &both, &[]);
    warns(&sound, &Transcode::new().video(pictures), &["fade of the video"]);
}

struct Passes;

impl Processor<Frame> for Passes {
    fn process(&mut self, frame: Frame, next: &mut dyn FnMut(Frame) -> Result<()>) -> Result<()> {
        next(frame)
    }
}

#[test]
fn a_processor_that_nothing_goes_through_is_said() {
    let (sound, mute) = (open(&sound()), open(&mute()));
    let settings = Transcode::new();
    let warned = |job: Transcoder| {
        let report = job.run(&Control::default()).unwrap().report;
        report.warnings.iter().any(|w| w.starts_with("the processor of"))
    };
    assert!(warned(Transcoder::new(&sound, &settings).video(Passes)));
    assert!(warned(Transcoder::new(&mute, &settings).audio(Passes)));
    assert!(!warned(Transcoder::new(&sound, &settings).audio(Passes)));
    assert!(!warned(Transcoder::new(media(), &settings).video(Passes).audio(Passes)));
}

// ---- words in JSON

fn json<T: serde::de::DeserializeOwned>(text: &str) -> T {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{text}: {e}"))
}

#[test]
fn json_takes_the_words_of_the_command_line() {
    for (text, codec) in [
        (r#""h264""#, VideoCodec::H264),
        (r#""h265""#, VideoCodec::Hevc),
        (r#""X265""#, VideoCodec::Hevc),
        (r#""libx264rgb""#, VideoCodec::Encoder("libx264rgb".into())),
        // What was written and taken before.
        (r#"{"encoder":"libx264rgb"}"#, VideoCodec::Encoder("libx264rgb".into())),
        (r#"{"encoder":"h264"}"#, VideoCodec::Encoder("h264".into())),
        (r#"{"h264":null}"#, VideoCodec::H264),
    ] {
        assert_eq!(json::<VideoCodec>(text), codec, "{text}");
    }
    for codec in [VideoCodec::Auto, VideoCodec::ProRes, VideoCodec::Encoder("gif".into())] {
        let text = serde_json::to_string(&codec).unwrap();
        assert_eq!(json::<VideoCodec>(&text), codec, "{text}");
        // As others hand it over.
        let value = serde_json::to_value(&codec).unwrap();
        assert_eq!(serde_json::from_value::<VideoCodec>(value).unwrap(), codec);
    }
    assert_eq!(json::<AudioCodec>(r#""pcm_s24le""#), AudioCodec::Encoder("pcm_s24le".into()));
    assert_eq!(json::<AudioCodec>(r#"{"encoder":"ac3"}"#), AudioCodec::Encoder("ac3".into()));
    let cuda = "cuda:1".parse::<HardwareChoice>().unwrap();
    for text in [r#""cuda:1""#, r#"{"device":{"kind":"cuda","index":1}}"#] {
        assert_eq!(json::<HardwareChoice>(text), cuda, "{text}");
    }
    assert_eq!(json::<HardwareChoice>(r#"{"device":{"kind":"cuda"}}"#), json(r#""cuda""#));
    assert_eq!(json::<HardwareChoice>(r#""none""#), HardwareChoice::None);
    assert!(serde_json::from_str::<HardwareChoice>(r#""rubbish""#).is_err());
    for text in [r#""high_quality""#, r#""high-quality""#, r#""High_Quality""#] {
        assert_eq!(json::<Preset>(text), Preset::HighQuality, "{text}");
    }
    assert!(serde_json::from_str::<Preset>(r#""fast""#).is_err());
    assert!(serde_json::from_str::<VideoCodec>("3").is_err());
}

#[test]
fn json_takes_frame_rates_as_people_write_them() {
    let rate = |num, den| Transcode::new().video(VideoSettings::new().frame_rate(Rational { num, den }));
    for (text, settings) in [
        ("25", rate(25, 1)),
        ("29.97", rate(30_000, 1001)),
        ("12.5", rate(12_500, 1000)),
        (r#""25""#, rate(25, 1)),
        (r#""30000/1001""#, rate(30_000, 1001)),
        (r#"{"num":30000,"den":1001}"#, rate(30_000, 1001)),
        ("[30000,1001]", rate(30_000, 1001)),
        ("null", Transcode::new()),
    ] {
        let all = format!(r#"{{"video":{{"frame_rate":{text}}}}}"#);
        assert_eq!(json::<Transcode>(&all), settings, "{text}");
    }
    for text in [r#""25/0""#, r#""fast""#, "true", "1e300"] {
        let all = format!(r#"{{"video":{{"frame_rate":{text}}}}}"#);
        assert!(serde_json::from_str::<Transcode>(&all).is_err(), "{text}");
    }
    let settings = rate(30_000, 1001).hardware("cuda:1".parse().unwrap()).preset(Preset::HighSpeed);
    let settings = settings.audio(AudioSettings::new().codec("ac3".into()));
    let text = serde_json::to_string(&settings).unwrap();
    assert!(text.contains(r#""frame_rate":{"num":30000,"den":1001}"#), "{text}");
    assert_eq!(json::<Transcode>(&text), settings);
}

// ---- the command line

#[cfg(feature = "cli")]
mod command_line {
    use super::{clip, common};
    use std::process::{Command, Output, Stdio};

    /// `avrope`, in a folder of its own that has a clip.
    fn avrope(words: &str) -> (Output, String) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::copy(clip(), folder.path().join("in.mp4")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_avrope"));
        command.current_dir(folder.path()).env("SVT_LOG", "1").stdin(Stdio::null());
        // A word of two quotes is an empty one.
        command.args(words.split(' ').map(|word| word.trim_matches('\'')));
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output, said)
    }

    #[track_caller]
    fn says(words: &str, status: i32, expected: &[&str]) {
        let (output, said) = avrope(words);
        assert_eq!(output.status.code(), Some(status), "{words}: {said}");
        for expected in expected {
            assert!(said.contains(expected), "{words}: {said:?} lacks {expected:?}");
        }
        assert!(!said.contains("tip:"), "{words}: {said}");
        assert!(!said.contains("[error]"), "{words}: {said}");
    }

    #[test]
    fn wrong_values_are_told_what_is_right() {
        let to = "-o out.mp4";
        says(&format!("transcode in.mp4 {to} --video-bitrate 0"), 2, &["'0'", "more than 0"]);
        says(&format!("transcode in.mp4 {to} --target-size 0"), 2, &["'0'", "more than 0"]);
        says(&format!("transcode in.mp4 {to} --audio-bitrate -5k"), 2, &["'-5k'"]);
        says(&format!("transcode in.mp4 {to} --crf -1"), 1, &["crf", "from 0, the best"]);
        says(&format!("transcode in.mp4 {to} --gop -1"), 2, &["-1 is not in 0.."]);
        says(&format!("transcode in.mp4 {to} --preset fsat"), 1, &["no preset 'fsat'", "veryfast"]);
        says(&format!("transcode in.mp4 {to} --preset ''"), 1, &["preset is empty"]);
        says(&format!("transcode in.mp4 {to} --filter ''"), 1, &["filter graph of the video is empty"]);
        says(&format!("transcode in.mp4 {to} --option b:v=1M"), 1, &["--video-bitrate"]);
        says(&format!("transcode in.mp4 {to} --option m:movflags=faststart"), 1, &["--fragment"]);
        says("transcode in.mp4 -o .", 1, &["this is a folder"]);
    }

    #[test]
    fn presets_are_known_however_they_are_spelt() {
        for name in ["Balanced", "high-speed", "HIGH_QUALITY", "ultrafast"] {
            says(&format!("transcode in.mp4 -o out.mp4 --preset {name}"), 0, &[]);
        }
    }

    #[test]
    fn a_quiet_job_is_quiet() {
        for codec in ["av1", "hevc --option x265-params=ref=2", "h264"] {
            let (output, said) = avrope(&format!("transcode in.mp4 -o out.mp4 -q --video-codec {codec}"));
            assert!(output.status.success(), "{codec}: {said}");
            assert_eq!(said, "", "{codec}");
        }
    }

    #[test]
    fn a_summary_says_what_it_counts() {
        let (output, said) = avrope("transcode in.mp4 -o out.mp4 --preset ultrafast");
        let words = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(words.contains("frames of picture and sound: "), "{words} {said}");
    }

    #[test]
    fn a_transition_takes_a_codec() {
        crate::oracle!("a_transition_takes_a_codec");
        let folder = tempfile::tempdir().unwrap();
        let made = folder.path().join("both.mkv");
        let join = |words: &[&str]| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_avrope"));
            command.arg("join").args([clip(), clip()]).arg("-o").arg(&made).args(words);
            command.output().unwrap()
        };
        let fade = ["--transition", "fade", "--transition-duration", "0.1"];
        let output = join(&[&fade[..], &["--video-codec", "mpeg4", "--video-bitrate", "300k"]].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let found = common::ffprobe(&made, &["-select_streams", "v", "-show_entries", "stream=codec_name"]);
        assert_eq!(found["streams"][0]["codec_name"], "mpeg4");
        // What it can't do, or does not know, is refused.
        for (words, says) in [
            (["--video-codec", "copy"], "copies nothing"),
            (["--option", "m:nosuch=1"], "no option 'nosuch'"),
        ] {
            let output = join(&[&fade[..], &["--force"], &words].concat());
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.code() == Some(1) && said.contains(says), "{words:?}: {said}");
        }
        // So is what nothing would be encoded by.
        let output = join(&["--force", "--video-codec", "mpeg4", "--unlike", "refuse"]);
        assert_eq!(output.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&output.stderr).contains("--unlike encode"));
        // Without a transition, inputs of another codec are encoded.
        let output = join(&["--force", "--video-codec", "mpeg4"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let found = common::ffprobe(&made, &["-select_streams", "v", "-show_entries", "stream=codec_name"]);
        assert_eq!(found["streams"][0]["codec_name"], "mpeg4");
        // And without them it needs no transition.
        assert!(join(&["--force"]).status.success());
    }
}
