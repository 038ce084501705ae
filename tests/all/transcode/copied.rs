//! Sound that is copied beside a picture that is encoded, and the other way round: the same samples as a
//! remux has, as far from the picture as in the source.

use super::*;
use avrope::{Cut, CutMode, Remux, control::Limits, cut, remux};

/// Three seconds of pictures without reordering, and of sound.
fn both(name: &str, video: &str, audio: &str) -> PathBuf {
    let inputs = ["-f", "lavfi", "-i", "testsrc2=s=96x64:r=10:d=3", "-f", "lavfi", "-i", "sine=r=48000:d=3"];
    let coders = ["-c:v", video, "-bf", "0", "-c:a", audio, "-ac", "2", "-strict", "-2"];
    made_by_ffmpeg(&format!("both-{video}-{audio}-{name}"), &[&inputs[..], &coders].concat())
}

/// When the first picture is shown, and how much later the first sound is heard.
fn begins(path: &Path) -> (f64, f64) {
    let first = |stream| common::frames(path, stream).iter().map(|frame| frame.time).fold(f64::MAX, f64::min);
    let picture = first("0:v:0");
    (picture, first("0:a:0") - picture)
}

/// Matroska's times are whole milliseconds.
const ROUNDING: f64 = 0.0011;

fn assert_begins(path: &Path, due: (f64, f64), what: &str) {
    let found = begins(path);
    assert!(
        (found.0 - due.0).abs() < ROUNDING,
        "{what}: the first picture is at {} s, not {}",
        found.0,
        due.0
    );
    assert!((found.1 - due.1).abs() < ROUNDING, "{what}: sound is {} s behind it, not {}", found.1, due.1);
}

#[test]
fn opus_stays_as_far_from_its_picture_as_it_was() {
    oracle!("Opus beside pictures");
    let folder = tempfile::tempdir().unwrap();
    let encoded = |to: &str| match to {
        "webm" => video(VideoCodec::Encoder("libvpx".into())),
        _ => quick(),
    };
    for (container, coder) in
        [("mp4", "libx264"), ("mkv", "libx264"), ("webm", "libvpx"), ("ogg", "libtheora")]
    {
        let source = both(&format!("opus.{container}"), coder, "libopus");
        let due = begins(&source);
        for to in ["mkv", "webm", "mp4"] {
            let settings = Transcode::new().video(encoded(to)).audio(audio(AudioCodec::Copy));
            let out = made(&source, &settings, folder.path(), &format!("copied.{to}"));
            assert_begins(&out, due, &format!("{container} -> {to}, sound copied"));
        }
    }
    // The source's picture is copied, and its sound encoded.
    for (container, coder, sound, to) in
        [("mp4", "libx264", "aac", "mkv"), ("webm", "libvpx", "libvorbis", "webm")]
    {
        let source = both(&format!("{sound}.{container}"), coder, sound);
        let settings = Transcode::new().video(video(VideoCodec::Copy)).audio(audio(AudioCodec::Opus));
        let out = made(&source, &settings, folder.path(), &format!("encoded.{to}"));
        assert_begins(&out, begins(&source), &format!("{container} -> {to}, picture copied"));
    }
}

#[test]
fn opus_that_begins_late_holds_nothing_up() {
    oracle!("late Opus");
    let folder = tempfile::tempdir().unwrap();
    // Small pictures until the sound begins, and large ones of which a second does not fit.
    for (name, size, late, most) in
        [("late", "s=320x240:r=25", "5", 1 << 20), ("large", "s=1280x720:r=10", "0.9", 8 << 20)]
    {
        let pictures = format!("testsrc2={size}:d=6");
        let coder = if name == "late" { "mjpeg" } else { "rawvideo" };
        let inputs =
            ["-f", "lavfi", "-i", &pictures, "-itsoffset", late, "-f", "lavfi", "-i", "sine=r=48000:d=1"];
        let coders =
            ["-t", if name == "late" { "6" } else { "2" }, "-c:v", coder, "-q:v", "2", "-c:a", "libopus"];
        let source = made_by_ffmpeg(&format!("{name}-opus.mkv"), &[&inputs[..], &coders].concat());
        let media = open(&source);
        let settings =
            Transcode::new().format("mkv").video(video(VideoCodec::Copy)).audio(audio(AudioCodec::Copy));
        let mut limits = Limits::default();
        limits.memory = most;
        let control = Control::new().limits(limits);
        let copied = folder.path().join(format!("{name}.mkv"));
        transcode_to(&media, &settings, Sink::file(&copied), &control)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let remuxed = remux(&media, &Remux::new().format("mkv"), &Control::new()).unwrap();
        let remuxed = save(&remuxed, folder.path(), "remuxed.mkv");
        assert_begins(&copied, begins(&source), name);
        assert!(samples(&copied) == samples(&remuxed), "{name}");
        assert_eq!(common::complaints(&copied), common::complaints(&source), "{name}");
    }
}

#[test]
fn aac_is_in_step_with_its_picture() {
    oracle!("AAC beside pictures");
    let folder = tempfile::tempdir().unwrap();
    for container in ["mp4", "mkv"] {
        let source = both(&format!("aac.{container}"), "libx264", "aac");
        let due = begins(&source);
        for to in ["mkv", "flv", "mp4"] {
            for codec in [AudioCodec::Copy, AudioCodec::Aac] {
                let settings = Transcode::new().video(quick()).audio(audio(codec.clone()));
                let out = made(&source, &settings, folder.path(), &format!("aac.{to}"));
                let (picture, sound) = begins(&out);
                let what =
                    format!("{container} -> {to}, {codec:?}: picture at {picture} s, sound {sound} s behind");
                // Where a container can't say that the encoder's first frame is not heard, readers give it,
                // too; and FFmpeg 7.1's that of the source, though Matroska says it.
                let frame = 1024.0 / 48_000.0;
                let priming = [0.0, frame, 2.0 * frame];
                let off = |frames: &f64| (due.1 - sound - frames).abs() < ROUNDING;
                assert!(priming.iter().chain([&-frame]).any(off), "{what}; in the source {}", due.1);
                let lands = priming.iter().any(|late| (picture - due.0 - late).abs() < ROUNDING);
                assert!(lands, "{what}; in the source at {}", due.0);
            }
        }
    }
}

#[test]
fn sound_that_an_edit_list_hides_is_not_heard() {
    oracle!("hidden sound");
    let folder = tempfile::tempdir().unwrap();
    for (codec, most) in [("aac", 2.0 * 1024.0 / 48_000.0), ("libopus", 0.0)] {
        let source = both("hidden.mp4", "libx264", codec);
        let range = TimeRange::secs(1.23, 2.9).unwrap();
        let settings = Cut::new().keep(range).mode(CutMode::Edit);
        let edited =
            save(&cut(&open(&source), &settings, &Control::new()).unwrap(), folder.path(), "edit.mp4");
        let settings = Transcode::new().video(quick()).audio(audio(AudioCodec::Copy));
        let out = made(&edited, &settings, folder.path(), "out.mkv");
        let (picture, _) = begins(&out);
        // What its decoder needs to get going, where Matroska does not state it.
        assert!((0.0..=most + ROUNDING).contains(&picture), "{codec}: the picture begins at {picture} s");
        let heard = common::frames(&out, "0:a:0").last().unwrap().time - picture;
        assert!((heard - 1.67).abs() < 0.05, "{codec}: sound goes on for {heard} s");
    }
}

#[test]
fn sound_under_a_lead_in_that_is_shown_is_heard_from_its_beginning() {
    oracle!("sound under a lead-in");
    let folder = tempfile::tempdir().unwrap();
    for (codec, priming) in [("aac", 1024.0 / 48_000.0), ("libopus", 0.0)] {
        let source = both("lead-in.mp4", "libx264", codec);
        let range = TimeRange::secs(1.1, 2.9).unwrap();
        let edited = Cut::new().keep(range).mode(CutMode::Edit);
        let edited = save(&cut(&open(&source), &edited, &Control::new()).unwrap(), folder.path(), "edit.mp4");
        let settings = Transcode::new().video(video(VideoCodec::Copy)).audio(audio(AudioCodec::Copy));
        let out = made(&edited, &settings, folder.path(), "lead-in.mkv");
        // AAC's first frame is heard where nothing states it, and the picture waits for what is heard then.
        assert_begins(&out, (priming, -priming), codec);
    }
}

#[test]
fn copied_sound_has_the_samples_that_a_remux_has() {
    oracle!("copied sound");
    let folder = tempfile::tempdir().unwrap();
    let cases = [
        ("tta", &["mkv"][..]),
        ("wavpack", &["mkv", "nut"]),
        ("flac", &["mkv", "mp4"]),
        ("alac", &["mkv", "mp4"]),
        ("mp2", &["mkv", "ts"]),
        ("libmp3lame", &["mkv", "flv"]),
        ("libopus", &["mkv", "mp4"]),
        ("libvorbis", &["mkv"]),
    ];
    for (codec, containers) in cases {
        for container in containers {
            let source = both(&format!("samples.{container}"), "libx264", codec);
            let media = open(&source);
            for to in containers.iter().chain(&["mkv"]) {
                let copied = remux(&media, &Remux::new().format(*to), &Control::new()).unwrap();
                let copied = save(&copied, folder.path(), &format!("copied.{to}"));
                let settings = Transcode::new().video(quick()).audio(audio(AudioCodec::Copy));
                let out = made(&source, &settings, folder.path(), &format!("beside.{to}"));
                let what = format!("{codec}, {container} -> {to}");
                assert!(samples(&out) == samples(&copied), "{what}");
                assert_eq!(common::complaints(&out), common::complaints(&source), "{what}");
            }
        }
    }
}

fn samples(path: &Path) -> Vec<u8> {
    ffmpeg(&["-i", path.to_str().unwrap(), "-map", "0:a:0", "-f", "s16le", "-"]).0
}

#[test]
fn the_last_frame_of_tta_is_found_in_matroska_or_refused() {
    oracle!("TTA in Matroska");
    let folder = tempfile::tempdir().unwrap();
    // The picture would be longer than the sound, by its last one's length: 11 of 2/7 s.
    let source = both("rates.mkv", "libx264", "tta");
    let settings = Transcode::new().video(quick().frame_rate(rate(7, 2))).audio(audio(AudioCodec::Copy));
    let out = made(&source, &settings, folder.path(), "out.mkv");
    assert!(samples(&out) == samples(&source), "3.5 pictures a second");
    // 103,441 samples of 44,100 a second are not to be told by milliseconds.
    let tta = drawn("odd.tta", "sine=r=44100,atrim=end_sample=103441", &["-c:a", "tta"]);
    let media = open(&tta);
    let error = remux(&media, &Remux::new().format("mkv"), &Control::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("last frame"), "{error}");
    let settings = Transcode::new().audio(audio(AudioCodec::Copy)).format("mkv");
    assert_eq!(transcode(&media, &settings, &Control::new()).unwrap_err().kind(), ErrorKind::Unsupported);
    let whole = drawn("whole.tta", "sine=r=44100,atrim=end_sample=101430", &["-c:a", "tta"]);
    let out = made(&whole, &Transcode::new().audio(audio(AudioCodec::Copy)), folder.path(), "whole.mkv");
    assert!(samples(&out) == samples(&whole), "2.3 s");
    // What a cut encodes is as long as it happens to be.
    let range = TimeRange::secs(0.5, 1.5131).unwrap();
    let settings = Cut::new().keep(range).mode(CutMode::Encode);
    let clip = cut(&open(&source), &settings, &Control::new()).unwrap();
    assert!(
        clip.report.warnings.iter().any(|w| w.contains("tta becomes flac")),
        "{:?}",
        clip.report.warnings
    );
    let [from, to] = [0.5, 1.5131].map(|secs: f64| (secs * 48_000.0).round() as usize * 4);
    let cut = save(&clip, folder.path(), "cut.mkv");
    assert!(samples(&cut) == samples(&source)[from..to], "an encode cut");
}

#[test]
fn what_is_copied_beside_what_is_encoded_is_shared_with_its_source() {
    oracle!("payload of a transcode");
    let folder = tempfile::tempdir().unwrap();
    let plain = both("shared.mp4", "libx264", "aac");
    let remade = |name: &str, options: &[&str]| {
        let input = plain.to_str().unwrap();
        made_by_ffmpeg(name, &[&["-i", input, "-c", "copy"][..], options].concat())
    };
    let fragmented = remade("shared-fragmented.mp4", &["-movflags", "frag_keyframe+empty_moov"]);
    let mov = remade("shared.mov", &[]);
    let sizes = |path: &Path, stream: usize| -> u64 {
        let own = common::packets(path).into_iter().filter(|packet| packet.stream == stream);
        own.map(|packet| packet.size as u64).sum()
    };
    for source in [&plain, &fragmented, &mov] {
        for to in ["mp4", "mov"] {
            let what = format!("{} -> {to}", source.display());
            let settings = [
                Transcode::new().video(video(VideoCodec::Copy)).audio(audio(AudioCodec::Aac)),
                Transcode::new().video(quick()).audio(audio(AudioCodec::Copy)),
            ];
            for (stream, settings) in settings.into_iter().enumerate() {
                let clip = run(source, &settings.format(to));
                assert_eq!(clip.report.payload_shared, sizes(source, stream), "{what}: stream {stream}");
                let out = save(&clip, folder.path(), &format!("shared-{stream}.{to}"));
                let name = ["v0", "a0"][stream];
                assert_eq!(
                    common::payload(&out)[name],
                    common::payload(source)[name],
                    "{what}: stream {stream}"
                );
                assert!(furthest_back(&out) < FRAMES, "{what}: packets are out of order");
            }
            let all = Transcode::new().video(video(VideoCodec::Copy)).audio(audio(AudioCodec::Copy));
            let report = run(source, &all.format(to)).report;
            assert_eq!(
                (report.payload_copied, report.payload_shared),
                (0, sizes(source, 0) + sizes(source, 1)),
                "{what}"
            );
        }
    }
}

/// What edit lists move one track against the other: a picture of ten a second, and AAC's priming.
const FRAMES: f64 = 0.15;

/// How much earlier a packet is decoded than the one that lies in front of it, at most.
fn furthest_back(path: &Path) -> f64 {
    let json = common::ffprobe(path, &["-show_entries", "packet=pos,dts_time"]);
    let number = |value: &serde_json::Value| value.as_str().unwrap().parse::<f64>().unwrap();
    let packets = json["packets"].as_array().unwrap().iter();
    let mut packets: Vec<_> = packets.map(|p| (number(&p["pos"]), number(&p["dts_time"]))).collect();
    packets.sort_by(|a, b| a.0.total_cmp(&b.0));
    packets.windows(2).map(|two| two[0].1 - two[1].1).fold(0.0, f64::max)
}
