//! Covers, and other files that a container carries: what encodes keeps them where what copies does.

use super::*;
use avrope::{Cut, CutMode, Join, Remux, cut, join, join_with_transition, remux, transcode::Transition};

/// A second of sound of this codec, with a cover, and with moving pictures or without.
fn covered(name: &str, moving: bool, codec: &str) -> PathBuf {
    let cover = drawn("cover.png", "testsrc2=s=64x64", &["-frames:v", "1"]);
    let pictures = ["-f", "lavfi", "-i", "testsrc2=s=96x64:r=10:d=1", "-c:v", "mpeg4"];
    let sound = ["-f", "lavfi", "-i", "sine=d=1", "-c:a", codec];
    let [_, _, _, _, of_sound @ ..] = sound;
    let plain = if moving {
        let arguments = [&pictures[..4], &sound[..4], &pictures[4..], &of_sound].concat();
        made_by_ffmpeg(&format!("plain-{name}"), &arguments)
    } else {
        made_by_ffmpeg(&format!("plain-{name}"), &sound)
    };
    let (plain, cover) = (["-i", plain.to_str().unwrap()], cover.to_str().unwrap());
    if name.ends_with("mkv") {
        let attached = ["-c", "copy", "-attach", cover, "-metadata:s:t", "mimetype=image/png"];
        return made_by_ffmpeg(name, &[&plain[..], &attached].concat());
    }
    let stays = if moving { "-disposition:v:1" } else { "-disposition:v:0" };
    let both = ["-i", cover, "-map", "0", "-map", "1", "-c", "copy", stays, "attached_pic"];
    made_by_ffmpeg(name, &[&plain[..], &both].concat())
}

/// The covers that ffprobe finds, and how many streams there are beside them.
fn covers_in(path: &Path) -> (Vec<Vec<String>>, usize) {
    let found = payload(path);
    let covers: Vec<_> = found.iter().filter(|(name, _)| name.starts_with('p')).collect();
    (covers.iter().map(|(_, packets)| (*packets).clone()).collect(), found.len() - covers.len())
}

#[test]
fn covers_stay_whatever_is_done() {
    oracle!("covers");
    let folder = tempfile::tempdir().unwrap();
    for (source, streams) in [
        (covered("cover.mp3", false, "libmp3lame"), 1),
        (covered("cover.flac", false, "flac"), 1),
        (covered("cover.m4a", false, "aac"), 1),
        (covered("cover-video.mp4", true, "aac"), 2),
        (covered("cover-video.mkv", true, "aac"), 2),
    ] {
        let due = covers_in(&source);
        assert_eq!((due.0.len(), due.1), (1, streams), "{}", source.display());
        let media = open(&source);
        let range = TimeRange::secs(0.3, 0.8).unwrap();
        for format in ["mkv", "mp4", "flac", "nut"] {
            if streams == 2 && format == "flac" {
                continue;
            }
            let keeps = format != "nut";
            let control = Control::new();
            let sources = [media.source().clone(), media.source().clone()];
            let encoded = Transcode::new().format(format);
            let fade = Transition::new("fade", Duration::from_millis(200));
            let one_cut = |mode| cut(&media, &Cut::new().keep(range).format(format).mode(mode), &control);
            for (operation, outcome) in [
                ("remux", remux(&media, &Remux::new().format(format), &control)),
                ("join", join(&sources, &Join::new().format(format), &control)),
                ("keyframe cut", one_cut(CutMode::Keyframe)),
                ("encode cut", one_cut(CutMode::Encode)),
                ("transcode", transcode(&media, &encoded, &control)),
                ("transition", join_with_transition(&sources, &fade, &encoded, &control)),
            ] {
                let what = format!("{operation} of {} into {format}", source.display());
                let clip = match outcome {
                    Ok(clip) => clip,
                    // Not every container holds the sound as it is.
                    Err(error) if error.kind() == ErrorKind::Unsupported && format != "mkv" => {
                        assert!(!["transcode", "transition"].contains(&operation), "{what}: {error}");
                        continue;
                    }
                    Err(error) => panic!("{what}: {error}"),
                };
                let (covers, others) = covers_in(&save(&clip, folder.path(), &format!("out.{format}")));
                assert_eq!(others, streams, "{what}: {:?}", clip.report);
                let due = if keeps { due.0.clone() } else { Vec::new() };
                assert_eq!(covers, due, "{what}: {:?}", clip.report);
                let left_out = |codec: &str| clip.report.dropped_streams.iter().any(|s| s.codec == codec);
                assert_eq!(left_out("png"), !keeps || operation == "transition", "{what}: {:?}", clip.report);
            }
        }
    }
}

#[test]
fn fonts_stay_in_matroska() {
    oracle!("attachments");
    let folder = tempfile::tempdir().unwrap();
    let font = folder.path().join("letters.ttf");
    std::fs::write(&font, b"\0\x01\0\0 not much of a font").unwrap();
    let attached =
        ["-attach", font.to_str().unwrap(), "-metadata:s:t", "mimetype=application/x-truetype-font"];
    let inputs = ["-f", "lavfi", "-i", "testsrc2=s=96x64:r=10:d=1", "-c:v", "mpeg4"];
    let source = folder.path().join("font.mkv");
    ffmpeg(&[&inputs[..], &attached, &[source.to_str().unwrap()]].concat());
    let out = made(&source, &Transcode::new().video(quick()), folder.path(), "out.mkv");
    let kept = info(&out).streams.pop().unwrap();
    let (codec, metadata) = (kept.codec, kept.metadata);
    assert_eq!(codec, "ttf");
    assert!(metadata.iter().any(|(key, value)| key == "filename" && value == "letters.ttf"), "{metadata:?}");
    let extracted = folder.path().join("again.ttf");
    // (It writes the attachment, and then complains that no output is named.)
    let dump =
        ["-v", "error", "-dump_attachment:t:0", extracted.to_str().unwrap(), "-i", out.to_str().unwrap()];
    common::run_tool(&common::tool("AVROPE_FFMPEG", "ffmpeg"), &[&dump[..], &["-f", "null", "-"]].concat());
    assert_eq!(std::fs::read(&extracted).unwrap(), std::fs::read(&font).unwrap());
    let clip = transcode(&open(&source), &Transcode::new().format("mp4"), &Control::new()).unwrap();
    assert_eq!(clip.report.dropped_streams.len(), 1, "{:?}", clip.report);
}

#[test]
fn a_cover_that_the_container_has_no_name_for_is_left_out_by_name() {
    oracle!("covers of other codecs");
    let folder = tempfile::tempdir().unwrap();
    let sound = ["-f", "lavfi", "-i", "sine=d=1", "-c:a", "flac"];
    let plain = made_by_ffmpeg("uncovered.mkv", &sound);
    for (codec, mime, holds) in [
        ("gif", "image/gif", &["mp3"][..]),
        ("tiff", "image/tiff", &["mp3", "flac"]),
        ("png", "image/png", &["mp3", "flac", "m4a"]),
    ] {
        let cover = drawn(&format!("cover.{codec}"), "testsrc2=s=64x64", &["-frames:v", "1"]);
        let mimetype = format!("mimetype={mime}");
        let attached = ["-c", "copy", "-attach", cover.to_str().unwrap(), "-metadata:s:t", &mimetype];
        let source = made_by_ffmpeg(
            &format!("covered-{codec}.mkv"),
            &[&["-i", plain.to_str().unwrap()], &attached[..]].concat(),
        );
        let media = open(&source);
        assert!(info(&source).streams.iter().any(|stream| stream.codec == codec), "{codec}");
        for format in ["mp3", "flac", "m4a"] {
            let encoded = Transcode::new().format(format);
            let fade = Transition::new("fade", Duration::from_millis(200));
            let sources = [media.source().clone(), media.source().clone()];
            let control = Control::new();
            let mut outcomes = vec![
                ("transcode", transcode(&media, &encoded, &control)),
                ("transition", join_with_transition(&sources, &fade, &encoded, &control)),
            ];
            if format == "flac" {
                outcomes.push(("remux", remux(&media, &Remux::new().format(format), &control)));
            }
            for (operation, outcome) in outcomes {
                let what = format!("{operation}: {codec} in {format}");
                let clip = outcome.unwrap_or_else(|error| panic!("{what}: {error}"));
                let kept = usize::from(holds.contains(&format));
                let (covers, others) = covers_in(&save(&clip, folder.path(), &format!("named.{format}")));
                assert_eq!((covers.len(), others), (kept, 1), "{what}");
                let named = |warning: &String| {
                    warning.contains(codec) && warning.contains("can't hold cover art of this codec")
                };
                assert_eq!(
                    clip.report.warnings.iter().any(named),
                    kept == 0,
                    "{what}: {:?}",
                    clip.report.warnings
                );
            }
        }
    }
}
