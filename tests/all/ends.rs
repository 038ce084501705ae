//! Where picture, sound and subtitles end apart from each other, and what is said of a range that has not all
//! of them.

use crate::common::*;
use avrope::{Clip, Control, Cut, CutMode, ErrorKind, Join, Remux, Source, TimeRange, cut, remux};
use std::path::{Path, PathBuf};

fn range(from: f64, to: f64, mode: CutMode, format: &str) -> Cut {
    Cut::new().keep(TimeRange::secs(from, to).unwrap()).mode(mode).format(format)
}

fn cut_of(path: &Path, settings: &Cut) -> Clip {
    cut(&open(path), settings, &Control::new()).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Pictures for 4 s beside sound of 9 s.
fn longer_sound(ending: &str, flags: &[&str]) -> PathBuf {
    let sources = ["-f", "lavfi", "-i", "testsrc2=s=64x64:r=25:d=4", "-f", "lavfi", "-i", "sine=r=48000:d=9"];
    let coding = ["-c:v", "libx264", "-g", "25", "-c:a", "aac", "-map", "0", "-map", "1"];
    let name = format!("ends-{}.{ending}", flags.len());
    made_by_ffmpeg(&name, &[&sources[..], &coding, flags].concat())
}

#[test]
fn a_range_behind_the_pictures_says_that_they_are_left_out() {
    oracle!("a range behind the pictures");
    let folder = tempfile::tempdir().unwrap();
    let fragments = ["-movflags", "+frag_keyframe+empty_moov"];
    for (ending, flags) in [("mp4", &[][..]), ("mkv", &[]), ("ts", &[]), ("mp4", &fragments)] {
        let source = longer_sound(ending, flags);
        for mode in [CutMode::Edit, CutMode::Encode] {
            let clip = cut_of(&source, &range(6.0, 8.0, mode, "mp4"));
            let what = format!("{} {mode:?}", source.display());
            let dropped: Vec<_> = clip.report.dropped_streams.iter().map(|dropped| dropped.index).collect();
            assert_eq!(dropped, [0], "{what}: {:?}", clip.report.warnings);
            assert!(
                clip.report.warnings.iter().any(|w| w.contains("nothing of it lies in what is kept")),
                "{what}"
            );
            let out = save(&clip, folder.path(), "out.mp4");
            let shown = ffprobe(&out, &["-select_streams", "v", "-show_frames"])["frames"]
                .as_array()
                .map_or(0, Vec::len);
            assert_eq!(shown, 0, "{what}");
        }
        // A range that has both says nothing.
        let clip = cut_of(&source, &range(2.0, 5.0, CutMode::Edit, "mp4"));
        assert_eq!(clip.report.dropped_streams, [], "{}", source.display());
    }
}

/// Packets of a raw stream do not say when they are shown: all of them are kept by a range of all.
#[test]
fn all_of_a_raw_stream_is_shown() {
    oracle!("all of a raw stream");
    let folder = tempfile::tempdir().unwrap();
    for (encoder, ending) in
        [("libx264", "h264"), ("libx265", "hevc"), ("mpeg2video", "m2v"), ("mpeg4", "m4v")]
    {
        let sources = ["-f", "lavfi", "-i", "testsrc2=s=64x64:r=25:d=2", "-c:v", encoder];
        let quiet: &[&str] = if encoder == "libx265" { &["-x265-params", "log-level=none"] } else { &[] };
        let source = made_by_ffmpeg(&format!("ends-raw.{ending}"), &[&sources[..], quiet].concat());
        for format in ["mp4", "mkv"] {
            let clip = cut(&open(&source), &Cut::new().keep(TimeRange::ALL).format(format), &none()).unwrap();
            assert_eq!(clip.report.dropped_streams, [], "{ending} into {format}");
            let out = save(&clip, folder.path(), &format!("{ending}.{format}"));
            assert_eq!(packets(&out).len(), 50, "{ending} into {format}");
        }
    }
}

#[test]
fn a_subtitle_that_lasts_longer_is_not_the_length_of_picture_and_sound() {
    oracle!("a longer subtitle");
    let folder = tempfile::tempdir().unwrap();
    let words = folder.path().join("words.srt");
    std::fs::write(&words, "1\n00:00:00,500 --> 00:00:09,000\nhello\n").unwrap();
    let sources = ["-f", "lavfi", "-i", "testsrc2=s=64x64:r=25:d=4", "-f", "lavfi", "-i", "sine=r=48000:d=4"];
    let coding =
        ["-c:v", "libx264", "-g", "25", "-c:a", "aac", "-c:s", "srt", "-map", "0", "-map", "1", "-map", "2"];
    let source = folder.path().join("words.mkv");
    ffmpeg(&[&sources[..], &["-i", words.to_str().unwrap()], &coding, &[source.to_str().unwrap()]].concat());
    let media = open(&source);
    let lasts = media.duration().unwrap().as_secs_f64();
    // AAC's last frame goes on a little.
    assert!((4.0..4.05).contains(&lasts), "{lasts}");
    // Into MP4 it is not copied: nothing is missing of the rest.
    for format in ["mp4", "mkv"] {
        let clip = remux(&media, &Remux::new().format(format), &none()).unwrap();
        assert!(
            !clip.report.warnings.iter().any(|w| w.contains("came")),
            "{format}: {:?}",
            clip.report.warnings
        );
    }
    let all = cut_of(&source, &range(0.0, 100.0, CutMode::Edit, "mp4"));
    assert!(
        (4.0..4.05).contains(&all.report.duration.as_secs_f64()),
        "{}",
        all.report.duration.as_secs_f64()
    );
    for mode in [CutMode::Edit, CutMode::Encode] {
        let error = cut(&media, &range(6.0, 8.0, mode, "mp4"), &none()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{mode:?}: {error}");
    }
    let twice = vec![Source::open(&source).unwrap(); 2];
    let joined = avrope::join(&twice, &Join::new(), &none()).unwrap();
    assert!(
        (8.0..8.1).contains(&joined.report.duration.as_secs_f64()),
        "{}",
        joined.report.duration.as_secs_f64()
    );
}

/// Each packet belongs to the range that more of it lies in; but nothing at all is no answer.
#[test]
fn a_range_shorter_than_a_packet_of_sound_has_one() {
    oracle!("a range shorter than a packet");
    for ending in ["wav", "flac", "mp3", "aac"] {
        let source =
            made_by_ffmpeg(&format!("ends-short.{ending}"), &["-f", "lavfi", "-i", "sine=r=44100:d=5"]);
        for from in [1.0, 1.01, 1.013, 2.5] {
            let clip = cut_of(&source, &range(from, from + 0.002, CutMode::Keyframe, ending));
            assert!(clip.report.packets >= 1, "{ending} {from}: {:?}", clip.report);
            assert_eq!(clip.report.dropped_streams, [], "{ending} {from}");
        }
    }
}

#[test]
fn ranges_of_pcm_are_cut_at_their_samples() {
    oracle!("ranges of PCM");
    let folder = tempfile::tempdir().unwrap();
    let noise = ["-f", "lavfi", "-i", "anoisesrc=r=44100:d=5:seed=3", "-ac", "2"];
    for (ending, coding) in [
        ("wav", "pcm_s16le"),
        ("wav", "pcm_s24le"),
        ("wav", "pcm_f32le"),
        ("wav", "pcm_u8"),
        ("w64", "pcm_s16le"),
        ("aiff", "pcm_s16be"),
        ("caf", "pcm_s16be"),
        ("au", "pcm_s16be"),
        ("mkv", "pcm_s16le"),
        ("mov", "pcm_s16le"),
    ] {
        let source =
            made_by_ffmpeg(&format!("ends-{coding}.{ending}"), &[&noise[..], &["-c:a", coding]].concat());
        let all = raw(&source, "a:0");
        let bytes = all.len() / 220_500;
        // What has times in the file is cut where they are told to the sample.
        let to = if matches!(ending, "mkv" | "mov") { "wav" } else { ending };
        for ranges in [
            vec![(1.0, 3.0)],
            vec![(1.01, 1.0101)],
            vec![(0.0, 1.0), (2.0, 3.0)],
            vec![(0.0, 1.3), (1.3, 2.9), (2.9, 5.0)],
            vec![(3.0, 4.0), (1.0, 1.5)],
        ] {
            // Its times are whole milliseconds, and this is a tenth of one.
            if ending == "mkv" && ranges[0] == (1.01, 1.0101) {
                continue;
            }
            let range = |(from, to): &(f64, f64)| TimeRange::secs(*from, *to).unwrap();
            let settings = Cut::new().mode(CutMode::Keyframe);
            let settings = ranges.iter().map(range).fold(settings, |settings, range| settings.keep(range));
            let clip = cut_of(&source, &settings.format(to));
            let out = save(&clip, folder.path(), &format!("out.{to}"));
            let mut heard = raw(&out, "a:0");
            let sample = |at: f64| (at * 44_100.0).round() as usize * bytes;
            let expected: Vec<u8> =
                ranges.iter().flat_map(|(from, to)| all[sample(*from)..sample(*to)].to_vec()).collect();
            // W64 fills its data up to 8 bytes, which libav hears as well.
            let filled = heard.len().saturating_sub(expected.len());
            if to == "w64" && filled < 8 {
                heard.truncate(expected.len());
            }
            let what = format!("{coding} in {ending}, {ranges:?}");
            if ending == "mkv" {
                // Whole milliseconds.
                assert!(
                    heard.len().abs_diff(expected.len()) <= 2 * 45 * bytes,
                    "{what}: {} of {}",
                    heard.len(),
                    expected.len()
                );
                continue;
            }
            assert!(heard == expected, "{what}: {} of {} bytes", heard.len(), expected.len());
            let lasts = expected.len() as f64 / bytes as f64 / 44_100.0;
            assert!(
                (clip.report.duration.as_secs_f64() - lasts).abs() < 1e-6,
                "{what}: {} of {lasts}",
                clip.report.duration.as_secs_f64()
            );
            let length =
                |at: &avrope::report::ReportRange| at.actual_to.duration_since(at.actual_from).as_secs_f64();
            let sum: f64 = clip.report.ranges.iter().map(length).sum();
            assert!((sum - lasts).abs() < 1e-6, "{what}: {:?} and {lasts} s", clip.report.ranges);
        }
    }
}
