//! Sound where ranges meet.

use super::{holds, input, parts, range};
use crate::common::{self, XorShift, ffmpeg, made_by_ffmpeg, open, save};
use avrope::{Control, Cut, CutMode, TimeRange, cut};
use std::{collections::HashSet, path::Path};

/// Sound as ffmpeg hears it, one channel of it.
fn heard(path: &Path) -> Vec<f32> {
    heard_by(path, "anull")
}

/// The same, through a filter.
fn heard_by(path: &Path, filter: &str) -> Vec<f32> {
    let path = path.to_str().unwrap();
    let (bytes, _) = ffmpeg(&["-i", path, "-map", "0:a:0", "-af", filter, "-ac", "1", "-f", "f32le", "-"]);
    bytes.chunks_exact(4).map(|sample| f32::from_le_bytes(sample.try_into().unwrap())).collect()
}

/// The payload of each packet of sound.
fn payloads(path: &Path) -> Vec<String> {
    let all = common::payload(path);
    all.into_iter().find(|(stream, _)| stream.starts_with('a')).map(|(_, all)| all).unwrap_or_default()
}

/// How much the sound's slope changes from one sample to the next, at most. Of low tones that is little, and a click is
/// much more.
fn roughness(sound: &[f32]) -> f32 {
    sound.windows(3).map(|s| (s[0] - 2.0 * s[1] + s[2]).abs()).fold(0.0, f32::max)
}

/// Low tones that never come again alike.
fn tones(ending: &str) -> std::path::PathBuf {
    let tones = "aevalsrc=0.3*sin(2*PI*220*t)+0.2*sin(2*PI*331.7*t+t*t)|0.3*sin(2*PI*221*t)+0.2*sin(2*PI*447.3*t):s=44100:d=12";
    let mut arguments = input();
    // The pictures of those, and this sound.
    arguments.truncate(arguments.iter().position(|word| word == "-map").unwrap_or(arguments.len()));
    let sounds = arguments.iter().filter(|word| *word == "-i").count();
    let sound = format!("{sounds}:a");
    arguments.extend(
        ["-f", "lavfi", "-i", tones, "-map", "0:v", "-map", &sound, "-vf", "scale=160:90"].map(String::from),
    );
    arguments.extend(
        ["-c:v", "libx264", "-preset", "ultrafast", "-g", "48", "-c:a", "aac", "-b:a", "192k"]
            .map(String::from),
    );
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    made_by_ffmpeg(&format!("smart-tones.{ending}"), &arguments)
}

#[test]
fn sound_goes_over_from_one_range_into_the_next() {
    oracle!("sound at seams");
    let mut random = XorShift(0x50_1D);
    for ending in ["mp4", "mkv", "ts"] {
        let path = tones(ending);
        let mut places: Vec<f64> = (0..9).map(|_| 0.2 + random.below(11_400) as f64 / 1000.0).collect();
        places.sort_by(f64::total_cmp);
        let (all, second) = parts(&places);
        let own: HashSet<String> = payloads(&path).into_iter().collect();
        let smooth = roughness(&heard(&path));
        for (ranges, seams) in [(&all, 0), (&second, second.len() - 1)] {
            holds(&path, ranges);
            let media = open(&path);
            let asked =
                ranges.iter().copied().fold(Cut::new().mode(CutMode::Smart), Cut::keep).format(ending);
            let clip = cut(&media, &asked, &Control::new()).unwrap();
            let folder = tempfile::tempdir().unwrap();
            let output = save(&clip, folder.path(), &format!("cut.{ending}"));
            // What is not the source's lies around seams: three frames, and some more where the windows want it.
            let sound = payloads(&output);
            let new = sound.iter().filter(|packet| !own.contains(*packet)).count();
            assert!((seams * 2..=seams * 8).contains(&new), "{ending}: {new} new packets at {seams} seams");
            // They follow on each other, as long as each other.
            let times: Vec<f64> = common::packets(&output)
                .iter()
                .filter(|packet| packet.stream == 1)
                .map(|packet| packet.pts.unwrap() as f64)
                .collect();
            let steps = times.windows(2).map(|pair| pair[1] - pair[0]);
            let (least, most) = steps.fold((f64::MAX, f64::MIN), |(a, b), step| (a.min(step), b.max(step)));
            // The source's times are rounded to ticks, and those of the result are once more.
            assert!(most - least <= 3.0, "{ending}: packets last {least} to {most} ticks");
            // The encoder's noise is some of it; a splice of these tones is as rough as twenty times the source.
            let rough = roughness(&heard(&output));
            assert!(rough < smooth * 2.0, "{ending}: {rough} of {smooth} {ranges:?}");
        }
    }
}

/// Frames that the source lacks within a range that is kept.
#[test]
fn sound_behind_a_gap_in_a_range_keeps_its_place_in_the_next_one() {
    oracle!("sound with a gap");
    let lossy = made_by_ffmpeg(
        "smart-gap.ts",
        &["-i", tones("ts").to_str().unwrap(), "-c", "copy", "-bsf:a", "noise=drop='between(n,130,149)'"],
    );
    let folder = tempfile::tempdir().unwrap();
    let few = if cfg!(feature = "full-tests") { 3 } else { 2 };
    for ending in ["ts", "mp4", "mkv"].into_iter().take(few) {
        let path = folder.path().join(format!("gap.{ending}"));
        ffmpeg(&["-i", lossy.to_str().unwrap(), "-c", "copy", path.to_str().unwrap()]);
        // 20 frames of 1024 samples, from 3.02 s on.
        let (found, report) = holds(&path, &[range(1.0, 5.0), range(7.0, 10.0)]);
        assert_eq!(report.warnings, [""; 0], "{ending}");
        let lasts = found.sound[0].found as f64 / 44_100.0;
        assert!((lasts - 7.0).abs() < 0.03, "{ending}: {lasts} s of sound");
        let clip = cut(
            &open(&path),
            &super::settings(&[range(1.0, 5.0), range(7.0, 10.0)]).format(ending),
            &Control::new(),
        );
        let output = save(&clip.unwrap(), folder.path(), &format!("cut.{ending}"));
        let packets: Vec<_> =
            common::packets(&output).into_iter().filter(|packet| packet.stream == 1).collect();
        let frames = |pts: i64| (pts as f64 * ticks(&output) * 44_100.0 / 1024.0).round();
        let steps = packets.windows(2).map(|pair| frames(pair[1].pts.unwrap() - pair[0].pts.unwrap()));
        let steps: Vec<f64> = steps.filter(|step| *step != 1.0).collect();
        assert_eq!(steps, [21.0], "{ending}");
    }
}

/// A tick of the first stream of sound, in seconds.
fn ticks(path: &Path) -> f64 {
    let json = common::ffprobe(path, &["-select_streams", "a:0", "-show_entries", "stream=time_base"]);
    let base = json["streams"][0]["time_base"].as_str().unwrap().to_owned();
    1.0 / base.strip_prefix("1/").unwrap().parse::<f64>().unwrap()
}

#[test]
fn sound_of_other_codecs_is_spliced_with_a_warning() {
    oracle!("sound of other codecs at seams");
    let path =
        super::source("mp3.mkv", "format=yuv420p -c:v libx264 -preset ultrafast -g 48 -c:a libmp3lame");
    let ranges = [range(1.0, 2.0), range(4.0, 5.0)];
    let tells = |ranges: &[TimeRange]| {
        let asked = ranges.iter().copied().fold(Cut::new().mode(CutMode::Smart), Cut::keep);
        let clip = cut(&open(&path), &asked, &Control::new()).unwrap();
        clip.report.warnings.iter().any(|warning| warning.contains("spliced"))
    };
    assert!(tells(&ranges));
    assert!(!tells(&[TimeRange { to: ranges[1].from, ..ranges[0] }, ranges[1]]));
}

#[test]
fn sound_that_was_cut_away_is_not_heard_where_a_range_has_none() {
    oracle!("ranges without sound");
    let pictures = "testsrc2=s=160x90:r=25:d=10,noise=alls=4:all_seed=3";
    let tone = "sine=f=440:r=48000:d=5,volume=4";
    let inputs = ["-f", "lavfi", "-i", pictures, "-f", "lavfi", "-i", tone, "-pix_fmt", "yuv420p"];
    let coding = ["-c:v", "libx264", "-preset", "ultrafast", "-g", "50", "-c:a", "aac"];
    let path = made_by_ffmpeg("smart-early-end.mp4", &[&inputs[..], &coding].concat());
    let asked = [range(1.0, 3.0), range(7.0, 8.0), range(3.5, 4.5)];
    let asked = asked.into_iter().fold(Cut::new().mode(CutMode::Smart), Cut::keep);
    let clip = cut(&open(&path), &asked, &Control::new()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let output = save(&clip, folder.path(), "cut.mp4");
    // Where nothing is heard, silence is put.
    let sound = heard_by(&output, "aresample=async=1:first_pts=0");
    let loudest = |from: f64, to: f64| {
        let at = |seconds: f64| (seconds * 48_000.0) as usize;
        sound[at(from)..at(to)].iter().fold(0.0_f32, |most, sample| most.max(sample.abs()))
    };
    assert!(loudest(1.0, 1.9) > 0.3 && loudest(3.1, 3.9) > 0.3);
    // The frame that goes over the border may be heard to its end, and the one behind it.
    assert!(loudest(2.05, 2.95) < 0.001, "{}", loudest(2.05, 2.95));
}
