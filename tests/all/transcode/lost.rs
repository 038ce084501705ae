//! What can't be decoded is not lost without a word: by a limit, or by damage to all that there is.

use super::*;
use avrope::{Cut, CutMode, control::Limits, join_with_transition, transcode::Transition};

const SOUND: [&str; 4] = ["-f", "lavfi", "-i", "sine=duration=1"];

/// A second of 352x288, as H.263 has it, with sound.
fn coded(video: &str, audio: &str, name: &str) -> PathBuf {
    let pictures = ["-f", "lavfi", "-i", "testsrc2=size=352x288:rate=25:duration=1"];
    let codecs = ["-c:v", video, "-c:a", audio];
    made_by_ffmpeg(name, &[&pictures[..], &SOUND, &codecs].concat())
}

fn with_limit(change: impl FnOnce(&mut Limits)) -> Control {
    let mut limits = Limits::default();
    change(&mut limits);
    Control::new().limits(limits)
}

fn is_named(error: &Error, limit: &str) -> bool {
    error.kind() == ErrorKind::LimitExceeded && error.setting() == Some(&format!("limits.{limit}"))
}

#[test]
fn a_limit_that_no_picture_keeps_to_is_an_error_that_names_it_whatever_decodes() {
    oracle!("limits in decoders");
    let settings = Transcode::new()
        .format("mkv")
        .video(video(VideoCodec::Mpeg4))
        .audio(audio(AudioCodec::Pcm))
        .allow_drops(true);
    let pixels = || with_limit(|limits| limits.pixels = 100);
    let memory = || with_limit(|limits| limits.decoder_memory = 1000);
    let mut wrong = Vec::new();
    for (encoder, sound, name) in [
        ("libx264", "aac", "lost-h264.ts"),
        ("mpeg2video", "mp2", "lost-mpeg2.ts"),
        ("mpeg2video", "mp2", "lost-mpeg2.mkv"),
        ("mpeg4", "aac", "lost-mpeg4.mp4"),
        ("mpeg4", "mp2", "lost-mpeg4.ts"),
        ("mpeg4", "mp2", "lost-mpeg4.avi"),
        ("h263", "mp2", "lost-h263.avi"),
        ("h263", "aac", "lost-h263.mov"),
        ("mjpeg", "mp2", "lost-mjpeg.avi"),
        ("libvpx", "libopus", "lost-vp8.webm"),
        ("libvpx-vp9", "libopus", "lost-vp9.webm"),
        ("libsvtav1", "libopus", "lost-av1.webm"),
        ("wmv2", "mp2", "lost-wmv2.avi"),
        ("rawvideo", "mp2", "lost-raw.avi"),
    ] {
        if !synth::has_encoder(encoder) || !synth::has_encoder(sound) {
            common::skipped(&format!("{name}: no encoder {encoder} or {sound}"));
            continue;
        }
        let source = coded(encoder, sound, name);
        for (limit, control) in [("pixels", pixels()), ("decoder_memory", memory())] {
            let outcome = Media::open_with(Source::open(&source).unwrap(), &control)
                .and_then(|media| transcode(&media, &settings, &control));
            match outcome {
                Err(error) if is_named(&error, limit) => {}
                Err(error) => wrong.push(format!("{name}, {limit}: {:?} {error}", error.kind())),
                Ok(clip) => wrong.push(format!("{name}, {limit}: {:?}", clip.report.warnings)),
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let source = coded("mpeg4", "aac", "lost-mpeg4.mp4");
    let cut = Cut::new().keep(TimeRange::secs(0.3, 0.7).unwrap()).mode(CutMode::Encode);
    let error = avrope::cut(&open(&source), &cut, &pixels()).unwrap_err();
    assert!(is_named(&error, "pixels"), "{error}");
    let fade = Transition::new("fade", Duration::from_millis(300));
    let sources = [Source::open(&source).unwrap(), Source::open(&source).unwrap()];
    let error = join_with_transition(&sources, &fade, &settings, &pixels()).unwrap_err();
    assert!(is_named(&error, "pixels"), "{error}");
}

/// What follows would be missing, and the source is sound.
#[test]
fn a_limit_that_later_pictures_do_not_keep_to_is_an_error_also_where_smaller_ones_follow() {
    oracle!("limits in mid-stream");
    let folder = tempfile::tempdir().unwrap();
    let control = with_limit(|limits| limits.pixels = 100_000);
    for (encoder, raw) in
        [("libx264", "h264"), ("libx265", "hevc"), ("mpeg2video", "m2v"), ("libsvtav1", "obu")]
    {
        if !synth::has_encoder(encoder) {
            common::skipped(&format!("no encoder {encoder}"));
            continue;
        }
        let piece = |size: &str| {
            let pictures = format!("testsrc2=size={size}:rate=25:duration=1");
            let made = made_by_ffmpeg(
                &format!("lost-{size}.{raw}"),
                &["-f", "lavfi", "-i", &pictures, "-c:v", encoder, "-bf", "0"],
            );
            std::fs::read(made).unwrap()
        };
        let (small, large) = (piece("192x108"), piece("640x360"));
        for (name, pieces) in [("up", vec![&small, &large]), ("down", vec![&small, &large, &small])] {
            let (stream, source) = (
                folder.path().join(format!("{name}.{raw}")),
                folder.path().join(format!("{name}-{raw}.mkv")),
            );
            std::fs::write(&stream, pieces.into_iter().flatten().copied().collect::<Vec<u8>>()).unwrap();
            let (from, to) = (stream.to_str().unwrap(), source.to_str().unwrap());
            ffmpeg(&["-v", "error", "-fflags", "+genpts", "-r", "25", "-i", from, "-c", "copy", to]);
            let settings = Transcode::new().format("mkv").video(video(VideoCodec::Mpeg4));
            let error = transcode(&open(&source), &settings, &control).expect_err(raw);
            assert!(is_named(&error, "pixels"), "{name} {raw}: {:?} {error}", error.kind());
            let whole = run(&source, &settings);
            assert!(whole.report.frames_decoded >= 49, "{name} {raw}: {:?}", whole.report);
        }
    }
}

/// A damaged size is no limit's: all that does not refer to its picture comes.
#[test]
fn a_spoiled_size_takes_no_more_along_than_what_refers_to_its_picture() {
    oracle!("spoiled sizes");
    if !synth::has_encoder("libvpx") {
        return common::skipped("no libvpx");
    }
    let folder = tempfile::tempdir().unwrap();
    let pictures = ["-f", "lavfi", "-i", "testsrc2=size=192x108:rate=25:duration=2"];
    let coded = ["-c:v", "libvpx", "-deadline", "realtime", "-auto-alt-ref", "0", "-g", "10"];
    let bytes = std::fs::read(made_by_ffmpeg("lost-spoiled.avi", &[&pictures[..], &coded].concat())).unwrap();
    // What a keyframe's size stands behind.
    const START: [u8; 3] = [0x9d, 0x01, 0x2a];
    let keys: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(&START)).collect();
    assert_eq!(keys.len(), 5);
    let settings = Transcode::new().format("mkv").video(video(VideoCodec::Mpeg4));
    let twice = Cut::new()
        .keep(TimeRange::secs(0.0, 1.0).unwrap())
        .keep(TimeRange::secs(1.2, 1.4).unwrap())
        .mode(CutMode::Encode);
    for (which, in_cut) in [(2, 25), (4, 30)] {
        for size in [[0xff, 0x3f, 0xff, 0x3f], [0; 4]] {
            let mut spoiled = bytes.clone();
            spoiled[keys[which] + 3..][..4].copy_from_slice(&size);
            let source = folder.path().join("spoiled.avi");
            std::fs::write(&source, spoiled).unwrap();
            let what = format!("keyframe {which}, {size:?}");
            let made = save(&run(&source, &settings), folder.path(), "out.mkv");
            assert_eq!(common::frames(&made, "0:v").len(), 40, "{what}");
            // Once the first range ends among those that are lost.
            let made = avrope::cut(&open(&source), &twice, &Control::default());
            let made = save(&made.expect(&what), folder.path(), "cut.mkv");
            assert_eq!(common::frames(&made, "0:v").len(), in_cut, "{what}");
        }
    }
}

#[test]
fn all_video_or_all_sound_that_can_not_be_decoded_is_an_error_unless_it_may_go() {
    oracle!("nothing decodes");
    let folder = tempfile::tempdir().unwrap();
    let sound = coded("libx264", "ac3", "lost.mkv");
    for (damaged, index, what) in [("v", 0, "video"), ("a", 1, "sound")] {
        let (filter, name) = (format!("-bsf:{damaged}"), format!("lost-noise-{damaged}.mkv"));
        let sound = sound.to_str().unwrap();
        let source = made_by_ffmpeg(&name, &["-i", sound, "-c", "copy", &filter, "noise=amount=1"]);
        let media = open(&source);
        let settings =
            Transcode::new().video(video(VideoCodec::Mpeg4)).audio(audio(AudioCodec::Aac)).format("mp4");
        let out = folder.path().join(format!("{damaged}.mp4"));
        let error = transcode_to(&media, &settings, Sink::file(&out), &Control::default()).unwrap_err();
        assert_eq!((error.kind(), error.setting()), (ErrorKind::Corrupt, Some("allow_drops")), "{error}");
        assert!(error.to_string().contains(what), "{error}");
        assert_eq!(common::entries(folder.path()), [""; 0], "{what}");
        // What was asked for without it is no loss.
        let without = match damaged {
            "v" => settings.clone().video(video(VideoCodec::None)),
            _ => settings.clone().audio(audio(AudioCodec::None)),
        };
        assert!(transcode(&media, &without, &Control::default()).is_ok(), "{what}");
        let clip = transcode(&media, &settings.allow_drops(true), &Control::default()).unwrap();
        let dropped: Vec<_> = clip.report.dropped_streams.iter().map(|stream| stream.index).collect();
        assert_eq!(dropped, [index], "{what}");
    }
}

/// Packets of sound in fragments need not say how long they last: the first ones were taken for none.
#[test]
fn copied_sound_of_a_fragmented_mp4_is_whole() {
    oracle!("fragmented sound");
    let folder = tempfile::tempdir().unwrap();
    let samples = |path: &Path| {
        let (bytes, _) =
            ffmpeg(&["-i", path.to_str().unwrap(), "-map", "0:a", "-ac", "1", "-f", "s16le", "-"]);
        bytes.len() / 2
    };
    // When picture and sound are shown first, in milliseconds.
    let starts = |path: &Path| {
        let first = |stream: &str| (common::frames(path, stream)[0].time * 1000.0).round() as i64;
        [first("0:v"), first("0:a")]
    };
    // With the samples that an edit list hides, as `delay_moov` writes one, and ffmpeg's demuxer of fragments
    // leaves it aside; what Opus has in front (312 samples of 48 kHz) its decoder cuts off.
    for (codec, flags, hidden, shown) in [
        ("aac", "frag_keyframe+empty_moov", 0, [80, 0]),
        ("aac", "frag_every_frame+empty_moov", 0, [80, 0]),
        ("aac", "frag_keyframe+delay_moov", 1024, [0, 0]),
        ("aac", "cmaf", 0, [40, 0]),
        ("libopus", "frag_keyframe+empty_moov", 0, [80, 7]),
        ("libopus", "frag_keyframe+delay_moov", 0, [0, 0]),
    ] {
        let name = format!("{codec}, {flags}");
        let pictures = ["-f", "lavfi", "-i", "testsrc2=size=192x108:rate=25:duration=2"];
        let sound = ["-f", "lavfi", "-i", "sine=duration=2"];
        let coded = ["-c:v", "libx264", "-preset", "ultrafast", "-x264-params", "bframes=2:keyint=25"];
        let fragments = ["-c:a", codec, "-movflags", flags];
        let arguments = [&pictures[..], &sound, &coded, &fragments].concat();
        let source = made_by_ffmpeg(&format!("fragments-{}.mp4", name.replace(", ", "-")), &arguments);
        // Whole as ffmpeg copies it into a container that has no edit lists.
        let plain = made_by_ffmpeg(
            &format!("fragments-{}.mkv", name.replace(", ", "-")),
            &["-i", source.to_str().unwrap(), "-c", "copy"],
        );
        let due = samples(&plain) - hidden;
        // From FFmpeg 6 on its demuxer believes the edit list, whose end is that of the sound as the last
        // packet says it, before the padding of the codec's last frame.
        let frame = if codec == "aac" { 1024 } else { 960 };
        let padding = if common::lavf() >= 60 { frame } else { 1 };
        let is_whole = |found: usize| found.abs_diff(due) < padding;
        for (ending, video) in
            [("mp4", VideoCodec::Copy), ("mp4", VideoCodec::H264), ("mov", VideoCodec::Copy)]
        {
            if ending == "mov" && codec != "aac" {
                continue;
            }
            let settings = Transcode::new().video(self::video(video)).audio(audio(AudioCodec::Copy));
            let out = made(&source, &settings, folder.path(), &format!("out.{ending}"));
            assert!(is_whole(samples(&out)), "{name}: {} of {due} samples, {settings:?}", samples(&out));
            assert_eq!(starts(&out), shown, "{name}: {settings:?}");
        }
        let piped = Source::from_reader(std::fs::File::open(&source).unwrap(), "a pipe");
        let settings = Transcode::new().format("mp4").audio(audio(AudioCodec::Copy));
        let clip = transcode(&Media::open(piped).unwrap(), &settings, &Control::default()).unwrap();
        let out = save(&clip, folder.path(), "piped.mp4");
        assert!(is_whole(samples(&out)), "{name}: {} of {due} samples from a pipe", samples(&out));
        assert_eq!(starts(&out), shown, "{name}: from a pipe");
    }
}

#[test]
fn sound_that_is_copied_lies_where_a_remux_puts_it() {
    // Sound that begins within a frame of AC-3; and a last packet that does not say its length.
    for name in ["cases/mpeg4-ac3.avi", "cases/sound-shorter.mp4"] {
        let Some(source) = common::shared(name) else { continue };
        let folder = tempfile::tempdir().unwrap();
        // By tables it keeps its headers, which say another length.
        let settings = avrope::Remux::new().format("mp4").road(avrope::Road::Libav);
        let remuxed = avrope::remux(&open(&source), &settings, &Control::default()).unwrap();
        let copied = transcode(&open(&source), &Transcode::new().format("mp4"), &Control::default()).unwrap();
        assert_eq!(copied.report.frames_decoded, 0, "{name}: it is copied");
        let whole = |report: &avrope::Report| report.warnings.iter().any(|w| w.contains("no whole frame"));
        assert_eq!(whole(&copied.report), whole(&remuxed.report), "{name}: {:?}", copied.report.warnings);
        let sound = |clip: &avrope::Clip, as_name: &str| {
            let path = common::save(clip, folder.path(), as_name);
            let shown = ["-select_streams", "a", "-show_entries", "stream=start_time,duration,nb_frames"];
            let stream = common::ffprobe(&path, &shown)["streams"][0].clone();
            ["start_time", "duration", "nb_frames"].map(|entry| stream[entry].as_str().unwrap().to_owned())
        };
        assert_eq!(sound(&copied, "copied.mp4"), sound(&remuxed, "remuxed.mp4"), "{name}");
    }
}
