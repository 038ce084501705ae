//! Copies by ranges where packets of sound are long: what is heard at a seam, by the samples that ffmpeg
//! decodes.

use crate::common::*;
use avrope::{Clip, Control, Cut, CutMode, TimeRange, cut};
use std::path::{Path, PathBuf};

/// Samples a second.
const RATE: f64 = 48_000.0;
/// Matroska's times are whole milliseconds: two of them may be off by one each.
const ROUNDING: f64 = 0.002;

/// Pictures with a keyframe each 1.2 s, and noise, in which each place is found again by a few samples.
fn noise(name: &str, codec: &[&str]) -> PathBuf {
    let sources = ["-f", "lavfi", "-i", "testsrc2=s=64x64:r=25:d=14", "-f", "lavfi", "-i"];
    let noise = ["anoisesrc=seed=7:r=48000:d=14:a=0.5", "-c:v", "libx264", "-g", "30", "-bf", "0"];
    let args = [&sources[..], &noise, &["-strict", "-2", "-sample_fmt:a", "s16"], codec].concat();
    let args: Vec<&str> = if codec.contains(&"wavpack") {
        args.into_iter().map(|arg| if arg == "s16" { "s16p" } else { arg }).collect()
    } else {
        args
    };
    made_by_ffmpeg(name, &args)
}

/// All samples that ffmpeg decodes of a file, edit lists aside. By one thread: with several, FFmpeg 5.1 cuts
/// samples that a packet says are not heard from another one's (9.0 does not).
fn samples(path: &Path) -> Vec<i16> {
    let edits = if is_mov(path) { &["-ignore_editlist", "1"][..] } else { &[] };
    let input = ["-i", path.to_str().unwrap(), "-map", "a:0", "-f", "s16le", "-ac", "1", "-"];
    let bytes = ffmpeg(&[&["-threads", "1"], edits, &input].concat()).0;
    bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect()
}

/// Where a stretch of samples is found again.
#[track_caller]
fn place_of(some: &[i16], all: &[i16]) -> usize {
    let head = &some[..some.len().min(32)];
    all.windows(head.len()).position(|window| window == head).expect("samples of the source")
}

fn two_ranges(path: &Path, format: &str) -> Clip {
    let range = |from: f64, to: f64| TimeRange::secs(from, to).unwrap();
    let settings = Cut::new().mode(CutMode::Keyframe).keep(range(1.3, 4.73)).keep(range(8.5, 11.1));
    cut(&open(path), &settings.format(format), &Control::new()).unwrap()
}

/// How long the longest packets of sound are.
fn longest(path: &Path) -> f64 {
    let json = ffprobe(path, &["-select_streams", "a", "-show_entries", "packet=pts_time"]);
    let times: Vec<f64> = json["packets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|packet| packet["pts_time"].as_str().unwrap().parse().unwrap())
        .collect();
    times.windows(2).map(|pair| pair[1] - pair[0]).fold(0.0, f64::max)
}

#[test]
fn sound_in_long_packets_changes_over_at_a_seam_without_a_hole() {
    oracle!("sound_in_long_packets_changes_over_at_a_seam_without_a_hole");
    let dir = tempfile::tempdir().unwrap();
    for (name, codec) in [
        ("noise.mkv", &["-c:a", "flac", "-frame_size", "10000"][..]),
        ("noise.mp4", &["-c:a", "flac", "-frame_size", "4608"]),
        ("alac.mp4", &["-c:a", "alac", "-sample_fmt:a", "s16p"]),
        ("wavpack.mkv", &["-c:a", "wavpack", "-frame_size", "48000"]),
    ] {
        let source = noise(name, codec);
        let clip = two_ranges(&source, "mkv");
        let out = save(&clip, dir.path(), &format!("{name}.mkv"));
        let (before, after) = (samples(&source), samples(&out));
        let [one, two] = &clip.report.ranges[..] else { panic!("two ranges") };
        let seam = one.actual_to.secs() - one.actual_from.secs();
        // The first range, up to where the second's sound begins.
        let first = place_of(&after, &before);
        let joined = after.iter().zip(&before[first..]).take_while(|(a, b)| a == b).count();
        let second = place_of(&after[joined..], &before);
        let rest = after.len() - joined;
        assert!(after[joined..] == before[second..][..rest], "{name}: one seam");
        // All of it is heard when its picture is shown.
        let begins = first_sound(&out);
        let off = (first as f64 / RATE) - (one.actual_from.secs() + begins);
        assert!(off.abs() <= ROUNDING, "{name}: the first range's sound is {off} s off");
        let over = begins + joined as f64 / RATE;
        let off = (second as f64 / RATE) - (two.actual_from.secs() + over - seam);
        assert!(off.abs() <= ROUNDING, "{name}: the second range's sound is {off} s off");
        // As near to the seam as a packet begins.
        let (half, off) = (longest(&source) / 2.0, (over - seam).abs());
        assert!(off <= half + ROUNDING, "{name}: {off} s from the seam, of packets twice {half} s long");
        let told = |warning: &String| warning.contains("is left out at its border");
        let far = off > 0.03 + ROUNDING;
        assert!(clip.report.warnings.iter().any(told) || !far, "{name}: {:?}", clip.report.warnings);
    }
}

/// How much later than its first picture a file's sound begins.
fn first_sound(path: &Path) -> f64 {
    let first = |stream: &str| -> f64 {
        let json = ffprobe(path, &["-select_streams", stream, "-show_entries", "packet=pts_time"]);
        json["packets"][0]["pts_time"].as_str().unwrap().parse().unwrap()
    };
    first("a") - first("v")
}

#[test]
fn an_edit_list_shows_long_packets_to_the_sample() {
    oracle!("an_edit_list_shows_long_packets_to_the_sample");
    let dir = tempfile::tempdir().unwrap();
    for (name, codec, format) in [
        ("noise.mp4", &["-c:a", "flac", "-frame_size", "4608"][..], "mp4"),
        ("alac.mp4", &["-c:a", "alac", "-sample_fmt:a", "s16p"], "mov"),
        ("noise.mp4", &["-c:a", "flac", "-frame_size", "4608"], "mp4"),
    ] {
        let source = noise(name, codec);
        let clip = two_ranges(&source, format);
        let out = save(&clip, dir.path(), &format!("{name}.{format}"));
        let (before, after) = (samples(&source), samples(&out));
        let movie = Movie::read(&out);
        let track = movie.track("soun");
        assert_eq!(f64::from(track.scale), RATE);
        let [one, two] = &clip.report.ranges[..] else { panic!("two ranges") };
        let heard = track.edits.iter().zip([one, two]);
        assert_eq!(track.edits.len(), 2, "{name}");
        for ((len, media), range) in heard {
            let len = (*len as f64 / f64::from(movie.scale) * RATE).round() as usize;
            let (from, to) = (range.actual_from.secs() * RATE, range.actual_to.secs() * RATE);
            // A tick of the movie's at either end.
            assert!(
                (len as f64 - (to - from)).abs() <= 2.0 * RATE / f64::from(movie.scale),
                "{name}: {len} samples"
            );
            let (media, from) = (*media as usize, from.round() as usize);
            assert!(after[media..][..len] == before[from..][..len], "{name}: {range:?}");
        }
        let told = |warning: &&String| warning.contains("is left out at its border");
        assert_eq!(clip.report.warnings.iter().find(told), None, "{name}");
    }
}

/// What was said of sound that is left out.
fn told(clip: &Clip) -> Vec<&String> {
    clip.report.warnings.iter().filter(|warning| warning.contains("is left out at its border")).collect()
}

#[test]
fn ranges_that_go_on_where_one_ended_lack_no_sound_and_nothing_is_said() {
    oracle!("ranges_that_go_on_where_one_ended_lack_no_sound_and_nothing_is_said");
    let dir = tempfile::tempdir().unwrap();
    let codec = ["-c:a", "flac", "-frame_size", "16384"];
    let matroska = noise("long.mkv", &codec);
    let alone = ["-i", matroska.to_str().unwrap(), "-map", "a", "-c", "copy"];
    let flac = made_by_ffmpeg("long.flac", &alone);
    let nut = made_by_ffmpeg("long.nut", &["-i", matroska.to_str().unwrap(), "-c", "copy"]);
    for (source, format) in [(&matroska, "mkv"), (&flac, "flac"), (&nut, "nut"), (&matroska, "nut")] {
        // A keyframe is at 3.6 s.
        let ranges = [(0.0, 3.6), (3.6, 14.0)].map(|(from, to)| TimeRange::secs(from, to).unwrap());
        let settings = ranges.into_iter().fold(Cut::new().mode(CutMode::Keyframe), Cut::keep);
        let clip = cut(&open(source), &settings.format(format), &Control::new()).unwrap();
        let out = save(&clip, dir.path(), &format!("whole-{format}.{format}"));
        assert!(samples(&out) == samples(source), "{format}: all samples");
        assert_eq!(told(&clip), Vec::<&String>::new(), "{format}");
    }
}

#[test]
fn sound_that_neither_range_has_is_told() {
    oracle!("sound_that_neither_range_has_is_told");
    let source = noise("long.mkv", &["-c:a", "flac", "-frame_size", "16384"]);
    // NUT holds packets whole: one that goes on over the seam is heard there, in the place of the other's.
    for (from, to, again) in [(0.0, 3.6, 8.4), (0.0, 2.4, 3.6)] {
        let (one, two) = (TimeRange::secs(from, to).unwrap(), TimeRange::secs(again, 14.0).unwrap());
        let settings = Cut::new().mode(CutMode::Keyframe).keep(one).keep(two).format("nut");
        let clip = cut(&open(&source), &settings, &Control::new()).unwrap();
        assert_eq!(told(&clip).len(), 1, "{to} and {again}: {:?}", clip.report.warnings);
    }
}
