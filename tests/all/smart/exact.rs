//! Sound that is exact to the sample.

use super::{holds, holds_with, range, source};
use crate::common::{self, XorShift, ffmpeg, made_by_ffmpeg, open, save};
use avrope::{Control, Cut, CutAudio, CutMode, SoundWay, TimeRange, cut};
use std::{
    path::{Path, PathBuf},
    process::Command,
};

const RATE: f64 = 48_000.0;
const SECONDS: u64 = 51;

/// Each second begins with a flash and a beep.
fn beeps(ending: &str, codec: &str) -> PathBuf {
    // Program streams tell times once a packet: pictures of no bytes would have none.
    let noise = if ending == "mpg" { ",noise=alls=40:allf=t" } else { "" };
    let pictures = format!(
        "color=black:s=64x36:r=25:d={SECONDS},drawbox=color=white:t=fill:enable='lt(mod(t\\,1)\\,0.039)'{noise}"
    );
    let sound = format!("aevalsrc='0.7*sin(2*PI*1000*t)*lt(mod(t\\,1)\\,0.06)':s=48000:d={SECONDS}");
    let inputs = ["-f", "lavfi", "-i", &pictures, "-f", "lavfi", "-i", &sound, "-pix_fmt", "yuv420p"];
    let video: &[&str] = match ending {
        "mpg" => &["-c:v", "mpeg2video", "-b:v", "2M", "-qmin", "1", "-g", "15"],
        "avi" => &["-c:v", "mpeg4", "-q:v", "3", "-g", "40"],
        _ => &["-c:v", "libx264", "-preset", "ultrafast", "-g", "40"],
    };
    let coding = [video, &["-c:a", codec]].concat();
    let rate = if codec == "aac" { &["-b:a", "192k"][..] } else { &[] };
    made_by_ffmpeg(&format!("smart-beeps-{codec}.{ending}"), &[&inputs[..], &coding, rate].concat())
}

/// When frames are shown or heard, in seconds.
fn times(path: &Path, stream: &str) -> Vec<f64> {
    // Edit lists are minded.
    let mut probe = Command::new(common::tool("AVROPE_FFPROBE", "ffprobe"));
    probe.args(["-v", "error", "-select_streams", stream, "-show_frames", "-of", "csv=p=0"]);
    probe.args(["-show_entries", "frame=best_effort_timestamp_time"]).arg(path);
    let told = String::from_utf8(probe.output().unwrap().stdout).unwrap();
    told.lines().filter_map(|line| line.trim_end_matches(',').split(',').next()?.parse().ok()).collect()
}

/// How much later each beep begins than its flash, in seconds.
fn offsets(path: &Path) -> Vec<f64> {
    let name = path.to_str().unwrap();
    let picture = ["-i", name, "-map", "0:v", "-fps_mode", "passthrough", "-f", "rawvideo"];
    let (gray, _) = ffmpeg(&[&picture[..], &["-pix_fmt", "gray", "-"]].concat());
    let is_bright: Vec<bool> = gray
        .chunks_exact(64 * 36)
        .map(|picture| picture.iter().map(|luma| u64::from(*luma)).sum::<u64>() > 64 * 36 * 100)
        .collect();
    let times = times(path, "v:0");
    assert_eq!(times.len(), is_bright.len());
    let begins = |i: &usize| is_bright[*i] && (*i == 0 || !is_bright[*i - 1]);
    let flashes: Vec<f64> = (0..times.len()).filter(begins).map(|i| times[i]).collect();
    let (sound, _) = ffmpeg(&["-i", name, "-map", "0:a", "-ac", "1", "-f", "f32le", "-"]);
    let first = self::times(path, "a:0")[0];
    let (mut beeps, mut last): (Vec<f64>, Option<usize>) = (Vec::new(), None);
    for (i, sample) in sound.chunks_exact(4).enumerate() {
        if f32::from_le_bytes(sample.try_into().unwrap()).abs() > 0.25 {
            if last.is_none_or(|last| i - last > 2400) {
                beeps.push(first + i as f64 / RATE);
            }
            last = Some(i);
        }
    }
    assert_eq!(flashes.len(), beeps.len(), "{name}");
    beeps.iter().zip(flashes).map(|(beep, flash)| beep - flash).collect()
}

#[test]
fn fifty_beeps_stay_with_their_flashes() {
    oracle!("beeps of 50 ranges");
    let mut random = XorShift(0xBEE9);
    let mut near = |least: usize, more: usize| (least + random.below(more)) as f64 / 1000.0;
    let ranges: Vec<TimeRange> = (1..SECONDS)
        .map(|second| range(second as f64 - near(100, 300), second as f64 + near(150, 300)))
        .collect();
    let half_frame = 512.0 / RATE;
    // Matroska counts in milliseconds: a picture's time is off by half of one, and a sound's.
    let all = [
        ("mp4", "aac", CutAudio::Exact, 0.001),
        ("mkv", "flac", CutAudio::Copy, 0.001),
        ("ts", "aac", CutAudio::Copy, half_frame),
        ("mov", "pcm_s16le", CutAudio::Copy, 0.001),
        ("mkv", "aac", CutAudio::Exact, 0.001),
        ("ts", "aac", CutAudio::Exact, 0.001),
        ("mp4", "aac", CutAudio::Copy, half_frame),
    ];
    let count = if cfg!(feature = "full-tests") { all.len() } else { 3 };
    for (ending, codec, audio, most) in all.into_iter().take(count) {
        let path = beeps(ending, codec);
        let made = holds_with(&path, &ranges, audio);
        let due = offsets(&path)[0];
        let found = offsets(&made.path);
        assert_eq!(found.len(), ranges.len());
        // Where the file is written, its clock has whole ticks.
        let off = found.iter().map(|offset| (offset - due).abs()).fold(0.0, f64::max);
        assert!(off <= most + 0.000_05, "{ending}, {codec}: {:.3} ms off: {found:?}", off * 1000.0);
        assert_eq!(made.report.mode.as_deref(), Some("smart"));
    }
}

#[test]
fn beeps_that_are_encoded_stay_with_their_flashes_without_a_place_for_delays() {
    oracle!("beeps in AVI, transport and program streams");
    let mut random = XorShift(0xA71);
    let mut near = |least: usize, more: usize| (least + random.below(more)) as f64 / 1000.0;
    let ranges: Vec<TimeRange> = (1..SECONDS)
        .map(|second| range(second as f64 - near(100, 300), second as f64 + near(150, 300)))
        .collect();
    let all = [
        ("avi", "libmp3lame"),
        ("mpg", "ac3"),
        ("avi", "ac3"),
        ("avi", "mp2"),
        ("mpg", "mp2"),
        ("ts", "ac3"),
        ("ts", "mp2"),
        ("ts", "libmp3lame"),
    ];
    let (count, most) = if cfg!(feature = "full-tests") { (all.len(), ranges.len()) } else { (2, 12) };
    let ranges = &ranges[..most];
    for (ending, codec) in all.into_iter().take(count) {
        let path = beeps(ending, codec);
        let made = holds_with(&path, ranges, CutAudio::Exact);
        // ffmpeg's AVI is as late as its encoder's delay, and begins with a picture too early.
        let due = *offsets(&path).last().unwrap();
        let found = offsets(&made.path);
        assert_eq!(found.len(), ranges.len());
        let off = found.iter().map(|offset| (offset - due).abs()).fold(0.0, f64::max);
        assert!(off <= 0.001, "{ending}, {codec}: {:.3} ms off: {found:?}", off * 1000.0);
    }
}

/// Sound as it is coded: 16 bits a sample.
fn samples(path: &Path) -> Vec<i16> {
    let (bytes, _) = ffmpeg(&["-i", path.to_str().unwrap(), "-map", "0:a:0", "-ac", "1", "-f", "s16le", "-"]);
    bytes.chunks_exact(2).map(|sample| i16::from_le_bytes([sample[0], sample[1]])).collect()
}

#[test]
fn sound_that_lost_nothing_is_cut_at_its_samples() {
    oracle!("samples of ranges");
    let three = [range(0.5, 1.1), range(1.7, 2.3), range(5.03, 7.9)];
    let places = [0.0, 0.4, 0.77, 1.91, 2.2, 3.33, 4.05, 5.51, 6.6, 7.07, 8.8, 11.9];
    let all: Vec<TimeRange> = places.windows(2).map(|pair| range(pair[0], pair[1])).collect();
    for (name, codec) in [
        ("flac.mp4", "flac"),
        ("flac.mkv", "flac"),
        ("alac.mov", "alac"),
        ("pcm.mov", "pcm_s16le"),
        // Packets as long as each other, and of two lengths.
        ("pcm.mkv", "pcm_s16le"),
        ("pcm-resampled.mkv", "pcm_s16le"),
    ] {
        // Frames that do not last whole milliseconds.
        let frames = if name == "flac.mkv" { " -frame_size 1000" } else { "" };
        let rate = if name == "pcm.mkv" { 44_100 } else { 48_000 };
        let coding = format!(
            "format=yuv420p -c:v libx264 -preset ultrafast -g 48 -c:a {codec} -ac 1 -ar {rate} -strict -2{frames}"
        );
        let path = source(&format!("exact-samples-{name}"), &coding);
        let own = samples(&path);
        for ranges in [&all[..], &three, &three[1..], &three[2..]] {
            let is_rounded = name.ends_with("mkv");
            let is_slow = if is_rounded { ranges.len() < 3 } else { ranges.len() != 3 };
            let has_no_grid = name.contains("resampled") && ranges.len() != all.len();
            if has_no_grid || (is_slow && !cfg!(feature = "full-tests")) {
                continue;
            }
            let made = holds_with(&path, ranges, CutAudio::Copy);
            let at = |time: avrope::Timestamp| (time.secs() * f64::from(rate)).round() as usize;
            let due = made.report.ranges.iter().map(|range| {
                let end = at(range.actual_to).min(own.len());
                &own[at(range.actual_from).min(end)..end]
            });
            let due = due.collect::<Vec<_>>().concat();
            let mut found = samples(&made.path);
            if ranges.len() == 1 && !name.ends_with("mkv") {
                // ffmpeg hears the last packet to its end, whatever the edit list says.
                found.truncate(due.len());
            }
            let first = due.iter().zip(&found).position(|(due, found)| due != found);
            assert_eq!((first, found.len()), (None, due.len()), "{name} {ranges:?}");
        }
    }
}

#[test]
fn a_plan_says_what_becomes_of_the_sound() {
    oracle!("plans of sound");
    let coding = |audio: &str| format!("format=yuv420p -c:v libx264 -preset ultrafast -g 48 {audio} -ac 1");
    let (one, two) = ([range(1.0, 2.0)], [range(1.0, 2.0), range(4.0, 5.0)]);
    let met = [range(1.0, 4.0), range(4.0, 5.0)];
    for (name, codec, ranges, audio, due) in [
        ("aac.mp4", "aac", &one[..], CutAudio::Copy, (SoundWay::Copied, None)),
        ("aac.mp4", "aac", &two, CutAudio::Copy, (SoundWay::Faded, None)),
        ("aac.mp4", "aac", &met, CutAudio::Copy, (SoundWay::Copied, None)),
        ("aac.mp4", "aac", &two, CutAudio::Exact, (SoundWay::Encoded, Some("aac"))),
        ("mp3.mkv", "libmp3lame", &two, CutAudio::Copy, (SoundWay::Spliced, None)),
        ("flac.mkv", "flac", &one, CutAudio::Copy, (SoundWay::Encoded, Some("flac"))),
        ("pcm.mov", "pcm_s16le", &two, CutAudio::Copy, (SoundWay::Copied, None)),
    ] {
        let path = source(&format!("plan-{name}"), &coding(&format!("-c:a {codec}")));
        let asked = ranges.iter().copied().fold(Cut::new().audio(audio), Cut::keep);
        let plan = asked.plan(&open(&path), &Control::new()).unwrap();
        let found: Vec<_> =
            plan.sounds.iter().map(|sound| (sound.stream, sound.way, sound.encoder.as_deref())).collect();
        assert_eq!(found, [(1, due.0, due.1)], "{name} {ranges:?}");
    }
}

#[test]
fn sound_that_can_t_be_cut_may_be_encoded() {
    oracle!("TTA");
    let coding = "format=yuv420p -c:v libx264 -preset ultrafast -g 48 -c:a tta -ar 48000 -ac 1";
    let path = source("exact-tta.mkv", coding);
    for ranges in [&[range(1.0, 2.0)][..], &[range(1.0, 2.0), range(4.0, 7.0)]] {
        let asked = ranges.iter().copied().fold(Cut::new().mode(CutMode::Smart), Cut::keep);
        let error = cut(&open(&path), &asked, &Control::new()).unwrap_err();
        assert_eq!(error.setting(), Some("audio"), "{error}");
        assert!(error.advice().unwrap().contains("let the sound be encoded anew"), "{error}");
        let made = holds_with(&path, ranges, CutAudio::Exact);
        assert_eq!(open(&made.path).info().streams[1].codec, "flac");
    }
}

#[test]
fn all_sound_is_encoded_where_that_is_asked_for() {
    oracle!("sound that is encoded");
    let path = source(
        "exact-mp3.mkv",
        "format=yuv420p -c:v libx264 -preset ultrafast -g 48 -c:a libmp3lame -metadata:s:a:0 language=deu",
    );
    let ranges = [range(1.0, 2.0), range(4.0, 7.0)];
    let (_, copied) = holds(&path, &ranges);
    let made = holds_with(&path, &ranges, CutAudio::Exact);
    let sound = made.report.frames_encoded - copied.frames_encoded;
    assert!((100..200).contains(&sound), "{sound} frames of sound");
    assert!(copied.warnings.iter().any(|warning| warning.contains("spliced")));
    assert_eq!(made.report.warnings, Vec::<String>::new());
    let language = open(&made.path).info().streams[1].language.clone();
    assert_eq!(language.as_deref(), Some("deu"));
    let asked = |mode| Cut::new().keep(ranges[0]).mode(mode).audio(CutAudio::Exact);
    let refused = cut(&open(&path), &asked(CutMode::Keyframe), &Control::new()).unwrap_err();
    assert_eq!(refused.kind(), avrope::ErrorKind::InvalidArgument);
    assert!(refused.to_string().contains("keyframe copies sound"), "{refused}");
    // Of sound alone, all is encoded.
    if let Some(sound) = common::shared("lena.m4a") {
        let clip = cut(&open(&sound), &asked(CutMode::Exact), &Control::new()).unwrap();
        assert_eq!(clip.report.mode.as_deref(), Some("encode"));
        let folder = tempfile::tempdir().unwrap();
        let samples = samples(&save(&clip, folder.path(), "sound.m4a")).len() as f64;
        let rate = f64::from(open(&sound).info().streams[0].sample_rate.unwrap());
        // A decoder may give the last frame to its end.
        assert!((0.0..1024.0).contains(&(samples - rate)), "{samples}");
    }
}

#[test]
fn sound_that_is_encoded_stays_with_its_pictures_wherever_those_begin() {
    oracle!("sound beside pictures that begin later");
    // Pictures are decoded before they are shown, and a program stream begins with when that is.
    for (name, coding) in [
        ("exact-b.ts", "format=yuv420p -c:v libx264 -preset veryfast -g 40 -c:a aac"),
        ("exact-b.mpg", "format=yuv420p -r 25 -c:v mpeg2video -b:v 1500k -g 15 -bf 2 -c:a mp2"),
    ] {
        let path = source(name, coding);
        holds_with(&path, &[range(2.52, 6.2)], CutAudio::Exact);
        holds_with(&path, &[range(0.0, 1.96), range(3.04, 5.0)], CutAudio::Exact);
    }
    // Sound is there half a second before the first picture, and what it loses is nothing.
    let pictures = "testsrc2=s=160x90:r=25:d=5,noise=alls=4:all_seed=3";
    let sound = "anoisesrc=d=5.5:a=0.1:seed=3:r=48000";
    let inputs = ["-itsoffset", "0.52", "-f", "lavfi", "-i", pictures, "-f", "lavfi", "-i", sound];
    let coding =
        ["-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "veryfast", "-g", "25", "-c:a", "flac"];
    let path = made_by_ffmpeg("smart-exact-late.mkv", &[&inputs[..], &coding].concat());
    holds_with(&path, &[range(0.0, 2.2), range(4.0, 5.0)], CutAudio::Copy);
    holds_with(&path, &[range(1.0, 2.2)], CutAudio::Copy);
}

#[test]
fn samples_of_rounded_times_do_not_add_up() {
    oracle!("PCM of a container that counts milliseconds");
    let path = source(
        "exact-pcm.mkv",
        "format=yuv420p -c:v libx264 -preset ultrafast -g 48 -c:a pcm_s16le -ac 1 -ar 48000",
    );
    let ranges: Vec<TimeRange> =
        (0..30).map(|i| range(0.2 + f64::from(i) * 0.37, 0.4 + f64::from(i) * 0.37)).collect();
    let made = holds_with(&path, &ranges, CutAudio::Copy);
    let due: f64 =
        made.report.ranges.iter().map(|range| range.actual_to.secs() - range.actual_from.secs()).sum();
    assert!((samples(&made.path).len() as f64 - due * RATE).abs() <= 48.0, "{due} s");
}

#[test]
fn sound_that_is_not_heard_is_told_of() {
    oracle!("sound outside of ranges");
    let pictures = "testsrc2=s=160x90:r=25:d=6,noise=alls=4:all_seed=3";
    let inputs =
        ["-f", "lavfi", "-i", pictures, "-f", "lavfi", "-i", "sine=d=2:r=48000", "-pix_fmt", "yuv420p"];
    let coding = ["-c:v", "libx264", "-preset", "ultrafast", "-g", "50", "-c:a", "aac"];
    let path = made_by_ffmpeg("smart-short-sound.mp4", &[&inputs[..], &coding].concat());
    for audio in [CutAudio::Copy, CutAudio::Exact] {
        let asked = Cut::new().mode(CutMode::Smart).keep(range(4.0, 5.0)).audio(audio);
        let clip = cut(&open(&path), &asked, &Control::new()).unwrap();
        let told: Vec<usize> = clip.report.dropped_streams.iter().map(|dropped| dropped.index).collect();
        assert_eq!(told, [1], "{audio:?}: {:?}", clip.report.warnings);
    }
}

#[test]
fn titles_go_along_beside_sound_that_is_encoded() {
    oracle!("subtitles of ranges");
    let folder = tempfile::tempdir().unwrap();
    let srt = folder.path().join("titles.srt");
    let cue = |(number, from, to): (u32, f64, f64)| {
        let time = |at: f64| format!("00:00:{:06.3}", at).replace('.', ",");
        format!("{number}\n{} --> {}\ntitle {number}\n\n", time(from), time(to))
    };
    // The second lies over the end of one range and the beginning of the next; the last one where the source's pictures
    // of that time lie far in front of it in the result.
    std::fs::write(&srt, [(1, 0.5, 3.0), (2, 4.0, 7.5), (3, 8.0, 9.5)].map(cue).concat()).unwrap();
    for (ending, codec) in [("mp4", "mov_text"), ("mkv", "subrip")] {
        let path = folder.path().join(format!("titled.{ending}"));
        let sources =
            ["-f", "lavfi", "-i", "testsrc2=s=160x90:r=25:d=12", "-f", "lavfi", "-i", "sine=300:d=12"];
        let titles = ["-i", srt.to_str().unwrap(), "-map", "0", "-map", "1", "-map", "2", "-c:s", codec];
        let codecs =
            ["-c:v", "libx264", "-preset", "ultrafast", "-g", "50", "-c:a", "aac", path.to_str().unwrap()];
        ffmpeg(&[&sources[..], &titles, &codecs].concat());
        let ranges = [range(1.0, 5.0), range(7.0, 10.0)];
        let asked = super::settings(&ranges).format(ending).audio(CutAudio::Exact);
        let clip = cut(&open(&path), &asked, &Control::new()).unwrap();
        let output = save(&clip, folder.path(), &format!("cut.{ending}"));
        let (bytes, _) = ffmpeg(&["-i", output.to_str().unwrap(), "-map", "0:s", "-f", "srt", "-"]);
        let due = match ending {
            "mp4" => vec![(1, 0.0, 2.0), (2, 3.0, 4.0), (2, 4.0, 4.5), (3, 5.0, 6.5)],
            // Without an index, what began in front of a range is not looked for.
            _ => vec![(1, 0.0, 2.0), (2, 3.0, 4.0), (3, 5.0, 6.5)],
        };
        let warnings = &clip.report.warnings;
        assert_eq!(
            warnings.iter().any(|told| told.contains("may be missing")),
            ending == "mkv",
            "{warnings:?}"
        );
        assert_eq!(warnings.len(), usize::from(ending == "mkv"), "{warnings:?}");
        let found = cues_of(std::str::from_utf8(&bytes).unwrap());
        assert_eq!(found.len(), due.len(), "{ending}: {found:?}");
        for (found, due) in found.iter().zip(&due) {
            // Matroska's sound begins with its encoder's delay, and all else as much later.
            let near = |a: f64, b: f64| (a - b).abs() < if ending == "mkv" { 0.03 } else { 0.001 };
            assert!(
                found.0 == due.0 && near(found.1, due.1) && near(found.2, due.2),
                "{ending}: {found:?}, {due:?}"
            );
        }
    }
}

/// The numbers in titles of SubRip, and from when to when they are shown.
fn cues_of(text: &str) -> Vec<(u32, f64, f64)> {
    let time = |text: &str| {
        let parts = text.trim().replace(',', ".");
        parts.split(':').fold(0.0, |sum, part| sum * 60.0 + part.parse::<f64>().unwrap())
    };
    let cues = text.split("\n\n").filter_map(|cue| cue.split_once(" --> "));
    cues.map(|(head, rest)| {
        let (to, words) = rest.split_once('\n').unwrap();
        let number = words.trim().strip_prefix("title ").unwrap().parse().unwrap();
        (number, time(head.rsplit('\n').next().unwrap()), time(to))
    })
    .collect()
}
