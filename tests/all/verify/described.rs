//! What outputs say beside pictures and sound: colours, turns, tracks, chapters and subtitles.

use super::{assert_faults, assert_holds, check, range, source};
use crate::common::{ffmpeg, made_by_ffmpeg, open, save, turned};
use avrope::{
    Control, Cut, CutMode, cut,
    verify::{FaultKind, Verification},
};
use std::{
    fs,
    path::{Path, PathBuf},
};

fn notes(found: &Verification) -> Vec<&str> {
    found.notes.iter().map(|note| note.kind.name()).collect()
}

#[test]
fn colours_that_are_others_are_named() {
    oracle!("verify of colours");
    let tags = |space: &str| {
        format!("setparams=range=tv:color_primaries={space}:color_trc={space}:colorspace={space}")
    };
    let made = |name: &str, frames: &str, filter: &str| {
        let chain = format!("trim={frames},setpts=PTS-STARTPTS,{filter}");
        let file = source();
        let input = ["-i", file.to_str().unwrap(), "-vf", &chain, "-c:v", "libx264", "-crf", "5"];
        made_by_ffmpeg(&format!("verify-colours-{name}.mp4"), &input)
    };
    let of = made("source", "start_frame=0", &tags("bt709"));
    let cut = "start_frame=25:end_frame=75";
    let again = |name: &str, filter: &str| check(&of, &made(name, cut, filter), &[range(1.0, 3.0)]);
    assert_holds(&again("same", &tags("bt709")));
    let found = again("other", &tags("smpte170m"));
    assert_faults(&found, &["colour"]);
    let FaultKind::Colour { pictures: 50, expected, found } = &found.faults[0].kind else {
        panic!("{found:?}")
    };
    assert_eq!((&**expected, &**found), ("tv, bt709, bt709, bt709", "tv, smpte170m, smpte170m, smpte170m"));
    assert_faults(
        &again("none", "setparams=color_primaries=unknown:color_trc=unknown:colorspace=unknown"),
        &["colour"],
    );
    // What the source does not say may be said.
    assert_holds(&check(&source(), &made("told", cut, &tags("bt709")), &[range(1.0, 3.0)]));
}

#[test]
fn pictures_that_lie_are_named() {
    oracle!("verify of turns");
    let upright = source();
    let lying = turned("verify-turned.mp4", &upright, 90);
    assert_holds(&check(&lying, &lying, &[]));
    assert_faults(&check(&upright, &lying, &[]), &["rotation"]);
    let found = check(&lying, &upright, &[]);
    assert_faults(&found, &["rotation"]);
    assert!(found.faults[0].to_string().contains("turned by none"), "{}", found.faults[0]);
}

/// The source with a track of text and three chapters; lines at 0.5 s, 1.2 s and 2.5 s.
fn told(folder: &Path, ending: &str, codec: &str) -> PathBuf {
    let text = "1\n00:00:00,500 --> 00:00:01,000\none\n\n2\n00:00:01,200 --> 00:00:02,200\ntwo\n\n\
                3\n00:00:02,500 --> 00:00:03,000\nthree\n\n";
    let chapter = |from: u32, to: u32, title: &str| {
        format!("[CHAPTER]\nTIMEBASE=1/1000\nSTART={from}\nEND={to}\ntitle={title}\n")
    };
    let chapters = [(0, 1400, "a"), (1400, 2600, "b"), (2600, 4000, "c")];
    let chapters: String = chapters.iter().map(|(from, to, title)| chapter(*from, *to, title)).collect();
    let (lines, titles, output) =
        (folder.join("lines.srt"), folder.join("titles.txt"), folder.join("told.").with_extension(ending));
    fs::write(&lines, text).unwrap();
    fs::write(&titles, format!(";FFMETADATA1\n{chapters}")).unwrap();
    let inputs = [&source(), &lines, &titles].map(|path| path.to_str().unwrap().to_owned());
    let [a, b, c] = &inputs;
    ffmpeg(&[
        "-i",
        a,
        "-i",
        b,
        "-i",
        c,
        "-map",
        "0",
        "-map",
        "1",
        "-map_chapters",
        "2",
        "-c",
        "copy",
        "-c:s",
        codec,
        output.to_str().unwrap(),
    ]);
    output
}

#[test]
fn chapters_and_lines_that_are_elsewhere_are_named() {
    oracle!("verify of chapters and subtitles");
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for (ending, codec) in [("mp4", "mov_text"), ("mkv", "subrip")] {
        let file = told(folder.path(), ending, codec);
        let of = file.to_str().unwrap();
        let same = check(&file, &file, &[]);
        assert_holds(&same);
        assert!(same.notes.is_empty(), "{same:?}");

        let bare = at("bare.").with_extension(ending);
        ffmpeg(&["-i", of, "-map", "0:v", "-map_chapters", "-1", "-c", "copy", bare.to_str().unwrap()]);
        let bare = check(&file, &bare, &[]);
        assert_holds(&bare);
        assert_eq!(notes(&bare), ["tracks", "chapters"], "{bare:?}");

        // Text that comes 0.3 s late, and chapters that do.
        let late = at("late.").with_extension(ending);
        let offset = ["-i", of, "-itsoffset", "0.3", "-i", of, "-map", "0:v", "-map", "1:s", "-map_chapters"];
        ffmpeg(&[&offset[..], &["0", "-c", "copy", late.to_str().unwrap()]].concat());
        let found = check(&file, &late, &[]);
        assert_faults(&found, &["subtitles"]);
        assert_eq!(found.faults[0].at.unwrap().secs(), 0.5);
        ffmpeg(&[
            "-y",
            "-itsoffset",
            "0.3",
            "-i",
            of,
            "-i",
            of,
            "-map",
            "1",
            "-map_chapters",
            "0",
            "-c",
            "copy",
            late.to_str().unwrap(),
        ]);
        assert_faults(&check(&file, &late, &[]), &["chapters"]);
        // A second picture.
        let twice = at("twice.").with_extension(ending);
        ffmpeg(&["-i", of, "-map", "0", "-map", "0:v", "-c", "copy", twice.to_str().unwrap()]);
        assert_faults(&check(&file, &twice, &[]), &["tracks"]);
        assert_faults(&check(&twice, &file, &[]), &["tracks"]);
        if ending == "mp4" {
            let ranges = [range(0.72, 1.6), range(2.0, 3.2)];
            let settings = ranges.iter().copied().fold(Cut::new(), Cut::keep).mode(CutMode::Edit);
            let clip = cut(&open(&file), &settings, &Control::new()).unwrap();
            let found = check(&file, &save(&clip, folder.path(), "own.mp4"), &ranges);
            assert_holds(&found);
            assert!(found.notes.is_empty(), "{found:?}");
        }
    }
}
