//! Every codec from and into every container that holds it: all pictures and all sound are still shown, as
//! ffmpeg decodes them.

mod every;
mod losses;
mod reasons;

use crate::common::{self, made_by_ffmpeg, open, save};
use avrope::{
    Control, Cut, ErrorKind, Join, Remux, Source, TimeRange, Transcode, cut, join, remux, transcode,
};
use std::path::{Path, PathBuf};

const PICTURES: [&str; 4] = ["-f", "lavfi", "-i", "testsrc2=s=176x144:r=25:d=2"];
const TONE: [&str; 4] = ["-f", "lavfi", "-i", "sine=440:d=2:r=48000"];

fn clip(name: &str, arguments: &[&str]) -> PathBuf {
    made_by_ffmpeg(&format!("matrix-{name}"), &[&PICTURES[..], &TONE, arguments].concat())
}

/// Pictures that are shown.
fn pictures(path: &Path) -> usize {
    common::frames(path, "0:v:0").len()
}

// ---- what is lost

#[test]
fn mpeg4_part_2_goes_from_mp4_and_mov_into_all_that_hold_it() {
    oracle!("MPEG-4 part 2");
    let folder = tempfile::tempdir().unwrap();
    for from in ["mp4", "mov"] {
        let path = clip(&format!("mpeg4.{from}"), &["-c:v", "mpeg4", "-c:a", "aac"]);
        let media = open(&path);
        for into in ["mp4", "mov", "mkv", "avi", "ts", "nut", "3gp"] {
            let what = format!("{from} -> {into}");
            let clip = remux(&media, &Remux::new().format(into), &Control::default())
                .unwrap_or_else(|e| panic!("{what}: {e}"));
            assert!(clip.report.dropped_streams.is_empty(), "{what}: {:?}", clip.report);
            let out = save(&clip, folder.path(), &format!("remuxed.{into}"));
            assert_eq!(pictures(&out), 50, "{what}");
        }
        let half = Cut::new().keep(TimeRange::secs(0.0, 1.0).unwrap());
        let clip = cut(&media, &half, &Control::default()).unwrap();
        assert_eq!(pictures(&save(&clip, folder.path(), &format!("cut.{from}"))), 25, "{from}: a cut");
        let sources = [Source::open(&path).unwrap(), Source::open(&path).unwrap()];
        let clip = join(&sources, &Join::new(), &Control::default()).unwrap();
        assert_eq!(pictures(&save(&clip, folder.path(), &format!("joined.{from}"))), 100, "{from}: a join");
    }
}

#[test]
fn pixels_that_are_not_square_go_along() {
    oracle!("H.263");
    let folder = tempfile::tempdir().unwrap();
    // Its picture header says 12:11, the container 1:1.
    let path = clip("h263.mkv", &["-c:v", "h263", "-s", "352x288", "-aspect", "4:3", "-c:a", "aac"]);
    for into in ["mkv", "mov", "3gp", "avi", "nut"] {
        let clip = remux(&open(&path), &Remux::new().format(into), &Control::default())
            .unwrap_or_else(|e| panic!("{into}: {e}"));
        assert_eq!(pictures(&save(&clip, folder.path(), &format!("x.{into}"))), 50, "{into}");
    }
}

#[test]
fn all_pictures_or_all_sound_are_lost_only_where_somebody_says_so() {
    oracle!("losses");
    let media = open(&clip("lost.mkv", &["-c:v", "libvpx", "-cpu-used", "8", "-c:a", "pcm_s16le"]));
    let none = Control::default();
    let range = TimeRange::secs(0.0, 1.0).unwrap();
    let remuxed = |settings: Remux| remux(&media, &settings, &none);
    let lost = [
        ("no VP8 in WAV", remuxed(Remux::new().format("wav")), "its only video, stream 0 (vp8)"),
        ("no video in WAV", transcode(&media, &Transcode::new().format("wav"), &none), "its only video"),
        ("no sound in GIF", transcode(&media, &Transcode::new().format("gif"), &none), "its only sound"),
        ("a cut", cut(&media, &Cut::new().keep(range).format("wav"), &none), "its only video"),
        (
            "a join",
            join(&[media.source().clone(), media.source().clone()], &Join::new().format("wav"), &none),
            "its only video",
        ),
    ];
    for (what, outcome, words) in lost {
        let error = outcome.map(|clip| clip.report).expect_err(what);
        let text = error.to_string();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{what}: {text}");
        assert!(text.contains(words) && error.setting() == Some("allow_drops"), "{what}: {text}");
    }
    let allowed = [
        transcode(&media, &Transcode::new().format("wav").allow_drops(true), &none),
        cut(&media, &Cut::new().keep(range).format("wav").allow_drops(true), &none),
        remuxed(Remux::new().format("wav").allow_drops(true)),
        join(&[media.source().clone()], &Join::new().format("wav").allow_drops(true), &none),
    ];
    for clip in allowed {
        let report = clip.unwrap().report;
        assert_eq!(report.dropped_streams.len(), 1, "{report:?}");
        assert!(report.warnings.iter().any(|w| w.contains("is left out")), "{report:?}");
    }
    // What another source has, and the first has not.
    let mute = clip("mute.mp4", &["-c:v", "mpeg4", "-an"]);
    let loud = clip("loud.mp4", &["-c:v", "mpeg4", "-c:a", "aac"]);
    let sources = [Source::open(&mute).unwrap(), Source::open(&loud).unwrap()];
    let error = join(&sources, &Join::new(), &none).unwrap_err();
    assert!(error.to_string().contains("its sound, stream 1 (aac), would be lost"), "{error}");
    assert!(join(&sources, &Join::new().allow_drops(true), &none).is_ok());
}

#[test]
fn a_picture_of_avif_is_av1_alone() {
    oracle!("AVIF");
    let none = Control::default();
    let avif = Remux::new().format("avif");
    // libav's muxer ended in a segmentation fault.
    let error = remux(&open(&clip("avif.mp4", &["-c:v", "mpeg4", "-c:a", "aac"])), &avif, &none).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    let media = open(&clip("av1.mp4", &["-c:v", "libsvtav1", "-preset", "12", "-c:a", "aac"]));
    let error = remux(&media, &avif, &none).unwrap_err();
    assert!(error.to_string().contains("its only sound"), "{error}");
    let folder = tempfile::tempdir().unwrap();
    let clip = remux(&media, &avif.allow_drops(true), &none).unwrap();
    assert_eq!(clip.report.packets, 50);
    // Newer ffmpegs take a sequence for a single picture.
    assert!(pictures(&save(&clip, folder.path(), "x.avif")) >= 1);
}
