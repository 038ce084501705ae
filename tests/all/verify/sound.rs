//! Sound of outputs that is right, and that is wrong on purpose.

use super::{GOP, SOURCE, assert_faults, assert_holds, check, range};
use crate::common::{made_by_ffmpeg, open, save};
use avrope::{
    Control, Cut, CutMode, cut,
    verify::{FaultKind, SoundState, Verification},
};
use std::path::{Path, PathBuf};

/// The source with 4 s of noise that is never the same.
fn with_sound(name: &str, coding: &[&str]) -> PathBuf {
    let noise = "anoisesrc=c=pink:seed=5:a=0.4:r=48000:d=4,aformat=channel_layouts=stereo";
    let inputs = ["-f", "lavfi", "-i", SOURCE, "-f", "lavfi", "-i", noise, "-pix_fmt", "yuv420p"];
    let x264 = ["-c:v", "libx264", "-bf", "0", "-sc_threshold", "0"];
    made_by_ffmpeg(&format!("verify-sound-{name}"), &[&inputs[..], &x264, &GOP, coding].concat())
}

/// The second and the third second of it, its sound behind a filter.
fn heard(name: &str, filter: &str, coding: &[&str]) -> PathBuf {
    let file = with_sound("source.mov", &["-c:a", "pcm_s16le"]);
    let pictures = "trim=1:3,setpts=PTS-STARTPTS";
    let chain = format!("atrim=1:3,asetpts=PTS-STARTPTS,{filter}");
    let input = ["-i", file.to_str().unwrap(), "-vf", pictures, "-af", &chain];
    let x264 = ["-c:v", "libx264", "-preset", "veryfast", "-crf", "10"];
    made_by_ffmpeg(&format!("verify-heard-{name}"), &[&input[..], &x264, coding].concat())
}

fn check_heard(output: &Path) -> Verification {
    check(&with_sound("source.mov", &["-c:a", "pcm_s16le"]), output, &[range(1.0, 3.0)])
}

#[test]
fn sound_that_is_right_holds() {
    oracle!("verify of sound");
    let exact = check_heard(&heard("exact.mov", "anull", &["-c:a", "pcm_s16le"]));
    assert_holds(&exact);
    let sound = &exact.sound[0];
    assert_eq!(
        (sound.spans.len(), sound.spans[0].state, sound.found),
        (1, SoundState::Equal, 96_000),
        "{sound:?}"
    );
    for (name, coding) in [
        ("aac.mp4", &["-c:a", "aac", "-b:a", "256k"][..]),
        ("aac.mkv", &["-c:a", "aac", "-b:a", "256k"]),
        ("mp2.ts", &["-c:a", "mp2", "-b:a", "256k"]),
    ] {
        let found = check_heard(&heard(name, "anull", coding));
        assert_holds(&found);
        let sound = &found.sound[0];
        assert!(
            sound.si_sdr_min.unwrap() > 6.0 && sound.spans.iter().all(|s| s.state == SoundState::Near),
            "{sound:?}"
        );
    }
    let source = with_sound("aac.mp4", &["-c:a", "aac"]);
    let folder = tempfile::tempdir().unwrap();
    for (mode, format) in
        [(CutMode::Edit, "mp4"), (CutMode::Encode, "mp4"), (CutMode::Encode, "mkv"), (CutMode::Encode, "ts")]
    {
        let ranges = [range(0.52, 1.32), range(2.13, 3.4)];
        let settings = ranges.iter().copied().fold(Cut::new(), Cut::keep).mode(mode).format(format);
        let clip = cut(&open(&source), &settings, &Control::new()).unwrap();
        let found = check(&source, &save(&clip, folder.path(), &format!("{mode:?}.{format}")), &ranges);
        assert_holds(&found);
    }
}

#[test]
fn sound_that_is_wrong_is_named() {
    oracle!("verify of wrong sound");
    let pcm = ["-c:a", "pcm_s16le"];
    let late = check_heard(&heard("late.mov", "adelay=30|30,atrim=0:2", &pcm));
    assert_faults(&late, &["sound_late"]);
    assert!(
        matches!(late.faults[0].kind, FaultKind::SoundLate { by, .. } if by.nanos() == 30_000_000),
        "{late:?}"
    );
    let found = check_heard(&heard("late.mp4", "adelay=30|30,atrim=0:2", &["-c:a", "aac", "-b:a", "256k"]));
    assert_faults(&found, &["sound_late"]);

    let found = check_heard(&heard("hole.mov", "volume=0:enable='between(t,0.5,0.6)'", &pcm));
    assert_faults(&found, &["sound_hole"]);
    let at = found.faults[0].at.unwrap().secs();
    assert!((at - 0.5).abs() < 0.03, "{at}");

    assert_faults(&check_heard(&heard("short.mov", "atrim=0:1.8", &pcm)), &["sound_length"]);
    assert_faults(&check_heard(&heard("other.mov", "areverse", &pcm)), &["sound_poor"]);
    let rate = ["-c:a", "pcm_s16le", "-ar", "44100"];
    assert_faults(&check_heard(&heard("rate.mov", "anull", &rate)), &["sound_form"]);
    assert_faults(
        &check_heard(&heard("none.mov", "anull", &["-c:a", "pcm_s16le", "-map", "0:v"])),
        &["no_sound"],
    );
}
