//! Where sound lies in what is cut from an AVI, whose ticks are as long as its packets: a range begins
//! between them.

use crate::{
    common::{self, none, open, save},
    encode_cuts::{marked, pictures, sound},
};
use avrope::{Cut, CutMode, TimeRange, cut, synth};
use std::path::PathBuf;

/// How long one of the sweep lasts that tells where sound lies: what a coder makes of it may be more like the
/// next one.
const OSCILLATION: f64 = 0.002;

/// Sources whose packets of sound last 24 to 105 ms, with how late their encoders made it.
fn sources() -> Vec<(&'static str, PathBuf, f64)> {
    let encoders = ["ac3", "aac", "flac", "libmp3lame", "adpcm_ms"].into_iter();
    let there = |encoder: &&str| {
        let there = synth::has_encoder(encoder);
        if !there {
            common::skipped(&format!("no encoder {encoder}"));
        }
        there
    };
    let made = encoders.filter(there).map(|encoder| {
        let coders = ["-c:v", "mpeg4", "-g", "25", "-c:a", encoder, "-ar", "44100"];
        let source = marked(&format!("place-{encoder}.avi"), 25, &coders);
        let late = sound(&source, 0.0).1;
        (encoder, source, late)
    });
    made.collect()
}

#[test]
fn sound_of_an_avi_lies_at_its_sample_in_an_edit_list() {
    oracle!("sound of AVI, by an edit list");
    let folder = tempfile::tempdir().unwrap();
    for (encoder, source, late) in sources() {
        for (from, to) in [(1.4, 2.6), (0.513, 1.7)] {
            let settings =
                Cut::new().keep(TimeRange::secs(from, to).unwrap()).mode(CutMode::Edit).format("mp4");
            let piece = match cut(&open(&source), &settings, &none()) {
                // MP4 has no ADPCM.
                Err(error) if encoder == "adpcm_ms" => {
                    assert_eq!(error.kind(), avrope::ErrorKind::Unsupported, "{error}");
                    continue;
                }
                piece => save(&piece.unwrap(), folder.path(), &format!("{encoder}-{from}.mp4")),
            };
            let moved = sound(&piece, from).1 - late;
            assert!(moved.abs() < OSCILLATION, "{encoder} from {from}: the sound is {moved} s late");
        }
    }
}

#[test]
fn sound_of_an_avi_lies_at_its_sample_behind_a_keyframe() {
    oracle!("sound of AVI, from a keyframe on");
    let folder = tempfile::tempdir().unwrap();
    for (encoder, source, late) in sources() {
        for (from, to) in [(1.4, 2.6), (2.3, 3.4)] {
            let settings =
                Cut::new().keep(TimeRange::secs(from, to).unwrap()).mode(CutMode::Keyframe).format("mkv");
            let piece = cut(&open(&source), &settings, &none()).unwrap();
            let said = piece.report.ranges[0].actual_from;
            let piece = save(&piece, folder.path(), &format!("{encoder}-{from}.mkv"));
            let (shown, number) = pictures(&piece)[0];
            // Where its encoder of sound has a delay, ffmpeg leaves a place free behind the first picture.
            let due = pictures(&source)[number].0;
            assert!(
                (said.secs() - due).abs() < 1e-6,
                "{encoder} from {from}: {said} s, and the first picture is of {due}"
            );
            let moved = sound(&piece, due - shown).1 - late;
            assert!(moved.abs() < OSCILLATION, "{encoder} from {from}: the sound is {moved} s late");
        }
    }
}
