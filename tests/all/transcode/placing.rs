//! Where decoded frames come to lie: timestamps that tremble, holes, overlaps, pictures that are held, clocks
//! that begin before 0.

use crate::common::{self, made_by_ffmpeg, open, run, save};
use avrope::{
    Clip, Control, TimeRange, Timestamp, Transcode, transcode,
    transcode::{AudioCodec, AudioSettings, VideoCodec, VideoSettings},
};
use std::path::{Path, PathBuf};

const RATE: usize = 48_000;

fn pcm() -> Transcode {
    Transcode::new().format("wav").audio(AudioSettings::new().codec(AudioCodec::Pcm))
}

/// Two seconds of sound whose timestamps, in milliseconds, a bitstream filter of ffmpeg's has changed.
fn sound(name: &str, ts: &str) -> PathBuf {
    let tone = ["-f", "lavfi", "-i", "sine=r=48000:d=2", "-c:a", "pcm_s16le"];
    let steady = made_by_ffmpeg("steady.mka", &tone);
    let filter = format!("setts=ts='{ts}'");
    made_by_ffmpeg(name, &["-i", steady.to_str().unwrap(), "-c", "copy", "-bsf:a", &filter])
}

/// The samples of a mono WAV.
fn samples(clip: &Clip) -> Vec<i16> {
    let bytes = clip.rope.to_bytes().unwrap();
    let at = bytes.windows(4).position(|word| word == b"data").unwrap() + 8;
    bytes[at..].chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect()
}

#[test]
fn timestamps_that_tremble_cost_no_sample() {
    oracle!("timestamps that tremble");
    let steady = samples(&run(&sound("same.mka", "TS"), &pcm()));
    // Every second packet says 9 ms later than it is.
    let trembling = samples(&run(&sound("trembling.mka", "TS+mod(N,2)*9"), &pcm()));
    assert_eq!(steady.len(), 2 * RATE);
    assert!(steady == trembling, "{} samples against {}", trembling.len(), steady.len());

    let Some(recording) = common::shared("lena.m4a") else { return };
    // Stereo, with 1472 and 576 samples stated where there are 1024 each.
    let ours = samples(&run(&recording, &pcm())).len() / 2;
    let due = open(&recording).duration().unwrap().as_secs_f64() * 44_100.0;
    assert!((ours as f64 - due).abs() < 2.0, "{ours} samples, {due} are shown");
}

#[test]
fn a_clock_that_is_late_for_good_is_believed() {
    oracle!("a clock that is late for good");
    // 12 ms, from the middle on.
    let late = samples(&run(&sound("late.mka", "TS+gte(TS,1000)*12"), &pcm()));
    let gained = late.len() as f64 / RATE as f64 - 2.0;
    assert!((gained - 0.012).abs() < 0.002, "{gained} s longer");
}

#[test]
fn a_hole_is_filled_with_silence_of_its_length() {
    oracle!("a hole in the sound");
    let holed = samples(&run(&sound("holed.mka", "TS+gte(TS,1000)*3000"), &pcm()));
    // The container counts in milliseconds.
    assert!(holed.len().abs_diff(5 * RATE) < RATE / 1000, "{} samples", holed.len());
    let silent = holed.iter().filter(|sample| **sample == 0).count();
    assert!(silent >= 3 * RATE, "{silent} silent samples");
    assert!(holed[4 * RATE + RATE / 2..].iter().any(|sample| *sample != 0));
}

#[test]
fn sound_at_the_time_of_other_sound_is_told_of() {
    oracle!("sound that overlaps");
    let clip = run(&sound("back.mka", "TS-gte(TS,1000)*500"), &pcm());
    let warned = clip.report.warnings.iter().any(|w| w.contains("of sound had the time of other sound"));
    assert!(warned, "{:?}", clip.report.warnings);
}

fn first_pictures(path: &Path) -> Vec<f64> {
    common::frames(path, "0:v:0").iter().map(|frame| frame.time).collect()
}

#[test]
fn a_range_inside_a_long_picture_shows_it() {
    oracle!("a range inside a long picture");
    let folder = tempfile::tempdir().unwrap();
    // Pictures at 0, 4 and 8 s; and a film in which one picture is held from 2 to 6 s.
    let slides = made_by_ffmpeg(
        "slides.mp4",
        &[
            "-f",
            "lavfi",
            "-i",
            "testsrc2=s=64x64:r=1/4:d=12",
            "-c:v",
            "libx264",
            "-g",
            "1",
            "-pix_fmt",
            "yuv420p",
        ],
    );
    let held = made_by_ffmpeg(
        "held.mp4",
        &[
            "-f",
            "lavfi",
            "-i",
            "testsrc2=s=64x64:r=25:d=4",
            "-vf",
            "setpts='PTS+gte(T,2)*4/TB'",
            "-fps_mode",
            "vfr",
            "-c:v",
            "libx264",
            "-g",
            "500",
            "-pix_fmt",
            "yuv420p",
        ],
    );
    for (source, from, to, next) in
        [(&slides, 5.0, 9.0, 3.0), (&slides, 5.0, 7.0, 9.0), (&held, 4.0, 7.0, 2.0)]
    {
        let time = |s| Timestamp::from_secs(s).unwrap();
        let range = TimeRange { from: time(from), to: time(to) };
        let settings = Transcode::new()
            .format("mp4")
            .keep(range)
            .video(VideoSettings::new().codec(VideoCodec::H264).encoder_preset("ultrafast"));
        let times = first_pictures(&save(&run(source, &settings), folder.path(), "range.mp4"));
        assert!(times.first().is_some_and(|time| *time < 0.001), "{}: {times:?}", source.display());
        match times.get(1) {
            Some(second) => assert!((second - next).abs() < 0.05, "{}: {times:?}", source.display()),
            None => assert!(next > to - from),
        }
    }
}

#[test]
fn what_lies_before_0_is_not_lost() {
    oracle!("a clock that begins before 0");
    // The clock of a transport stream turns over after 26.5 hours: in the middle of this one.
    let turns = 8_589_934_592.0 / 90_000.0 - 2.0;
    let offset = format!("{turns:.3}");
    let source = made_by_ffmpeg(
        "turns-over.ts",
        &[
            "-f",
            "lavfi",
            "-i",
            "testsrc2=s=64x64:r=25:d=4",
            "-f",
            "lavfi",
            "-i",
            "sine=r=48000:d=4",
            "-c:v",
            "mpeg2video",
            "-c:a",
            "mp2",
            "-muxdelay",
            "0",
            "-muxpreload",
            "0",
            "-output_ts_offset",
            &offset,
        ],
    );
    let video = VideoSettings::new().codec(VideoCodec::Mpeg4);
    let settings =
        Transcode::new().format("mp4").video(video).audio(AudioSettings::new().codec(AudioCodec::Aac));
    let folder = tempfile::tempdir().unwrap();
    let made = save(&run(&source, &settings), folder.path(), "turns-over.mp4");
    assert_eq!(first_pictures(&made).len(), 100);
    let length = open(&made).duration().unwrap().as_secs_f64();
    assert!((length - 4.0).abs() < 0.05, "{length} s");
}

#[test]
fn a_range_is_not_read_beyond_the_end_of_a_shorter_stream() {
    oracle!("a range with a shorter stream");
    let source = made_by_ffmpeg(
        "short-sound.mp4",
        &[
            "-f",
            "lavfi",
            "-i",
            "testsrc2=s=320x180:r=25:d=60",
            "-f",
            "lavfi",
            "-i",
            "sine=r=48000:d=5",
            "-c:v",
            "mpeg4",
            "-b:v",
            "2M",
            "-c:a",
            "aac",
        ],
    );
    let time = |s| Timestamp::from_secs(s).unwrap();
    let settings = Transcode::new()
        .format("mp4")
        .keep(TimeRange { from: time(3.0), to: time(7.0) })
        .video(VideoSettings::new().codec(VideoCodec::Mpeg4));
    let report = run(&source, &settings).report;
    assert!(report.bytes_read < report.input_bytes / 4, "{} of {}", report.bytes_read, report.input_bytes);
    // Four seconds, and what a decoder wants before and behind them.
    assert!(report.frames_decoded < 400, "{} frames", report.frames_decoded);
}

#[test]
fn progress_tells_how_much_there_is_and_what_is_left() {
    oracle!("progress");
    let source = made_by_ffmpeg(
        "progress.mp4",
        &["-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=20", "-c:v", "mpeg4"],
    );
    let settings = Transcode::new().format("mp4").video(VideoSettings::new().codec(VideoCodec::H264));
    let told = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let control = {
        let told = told.clone();
        Control::new().progress(move |progress| {
            told.lock().unwrap().push(progress);
        })
    };
    transcode(&open(&source), &settings, &control).unwrap();
    let told = told.lock().unwrap();
    assert!(told.iter().all(|p| p.total == 20_000_000_000 && p.done <= p.total), "{told:?}");
    assert!(told.iter().any(|p| p.remaining.is_some()), "{told:?}");
}

#[test]
fn a_filter_that_leaves_nothing_is_not_the_sources_fault() {
    oracle!("a filter that leaves nothing");
    let source =
        made_by_ffmpeg("short.mp4", &["-f", "lavfi", "-i", "testsrc2=s=64x64:r=25:d=1", "-c:v", "mpeg4"]);
    let video = VideoSettings::new().codec(VideoCodec::Mpeg4).filter("trim=start=50");
    let settings = Transcode::new().format("mp4").video(video);
    let error = transcode(&open(&source), &settings, &Control::default()).unwrap_err();
    assert_eq!(error.kind(), avrope::ErrorKind::InvalidArgument, "{error}");
    assert!(error.to_string().contains("25 frames were decoded"), "{error}");
}
