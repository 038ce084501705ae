//! Sound of outputs that is right, and that is wrong on purpose.

use super::{GOP, SOURCE, assert_faults, assert_holds, check, range};
use crate::common::{made_by_ffmpeg, open, save};
use avrope::{
    Control, Cut, CutMode, TimeRange, cut,
    verify::{FaultKind, SoundState, Verification, Verify},
};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

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

    // From where the source begins, sound that is a bit late: beside a hole it is what it is.
    let whole = with_sound("source.mov", &["-c:a", "pcm_s16le"]);
    let hole = "adelay=24S|24S,volume=0:enable='between(t,0.5,0.6)'";
    let late = with_sound("late-hole.mp4", &["-af", hole, "-c:a", "aac", "-b:a", "256k"]);
    assert_faults(&check(&whole, &late, &[TimeRange::ALL]), &["sound_hole"]);

    assert_faults(&check_heard(&heard("short.mov", "atrim=0:1.8", &pcm)), &["sound_length"]);
    assert_faults(&check_heard(&heard("other.mov", "areverse", &pcm)), &["sound_poor"]);
    let rate = ["-c:a", "pcm_s16le", "-ar", "44100"];
    assert_faults(&check_heard(&heard("rate.mov", "anull", &rate)), &["sound_form"]);
    assert_faults(
        &check_heard(&heard("none.mov", "anull", &["-c:a", "pcm_s16le", "-map", "0:v"])),
        &["no_sound"],
    );
}

// ---- several ranges

/// Two ranges of the source with sound, in milliseconds.
const RANGES: [(u32, u32); 2] = [(520, 1320), (2000, 3200)];

/// The two ranges behind each other, the pictures of the second behind a filter, and its sound from this millisecond
/// on instead of where it begins.
fn joined(name: &str, pictures: &str, sound_from: u32, coding: &[&str]) -> PathBuf {
    let file = with_sound("source.mov", &["-c:a", "pcm_s16le"]);
    let [(a, b), (c, d)] = RANGES;
    let sound_to = sound_from + d - c;
    let graph = format!(
        "[0:v]split[v0][v1];[v0]trim={a}ms:{b}ms,setpts=PTS-STARTPTS[p0];\
         [v1]trim={c}ms:{d}ms,setpts=PTS-STARTPTS,{pictures}[p1];[p0][p1]concat=n=2[v];\
         [0:a]asplit[a0][a1];[a0]atrim={a}ms:{b}ms,asetpts=PTS-STARTPTS[s0];\
         [a1]atrim={sound_from}ms:{sound_to}ms,asetpts=PTS-STARTPTS[s1];[s0][s1]concat=n=2:v=0:a=1[a]"
    );
    let input = ["-i", file.to_str().unwrap(), "-filter_complex", &graph, "-map", "[v]", "-map", "[a]"];
    let x264 = ["-c:v", "libx264", "-preset", "veryfast", "-crf", "10", "-bf", "0"];
    made_by_ffmpeg(&format!("verify-joined-{name}"), &[&input[..], &x264, coding].concat())
}

fn both() -> [TimeRange; 2] {
    RANGES.map(|(from, to)| range(f64::from(from) / 1000.0, f64::from(to) / 1000.0))
}

fn check_joined(output: &Path) -> Verification {
    check(&with_sound("source.mov", &["-c:a", "pcm_s16le"]), output, &both())
}

const PCM: &[&str] = &["-c:a", "pcm_s16le"];
const AAC: &[&str] = &["-c:a", "aac", "-b:a", "256k"];

/// By how much the sound of each range is late, in milliseconds.
fn offsets(found: &Verification) -> Vec<i64> {
    let told = serde_json::to_value(found).unwrap();
    let ranges = told["sound"][0]["ranges"].as_array().unwrap();
    ranges.iter().map(|range| range["av_offset_ms"].as_f64().unwrap().round() as i64).collect()
}

#[test]
fn sound_is_held_against_the_pictures_of_its_range() {
    oracle!("verify of sound by ranges");
    let right = check_joined(&joined("right.mov", "null", 2000, PCM));
    assert_holds(&right);
    assert_eq!(offsets(&right), [0, 0]);

    let late = check_joined(&joined("late.mov", "null", 1970, PCM));
    assert_faults(&late, &["sound_late"]);
    let FaultKind::SoundLate { by, range, .. } = late.faults[0].kind else { panic!("{late:?}") };
    assert_eq!((range, by.nanos(), offsets(&late)), (1, 30_000_000, vec![0, 30]));
    assert_eq!(late.faults[0].at.unwrap().secs(), 0.8);
    assert!(late.faults[0].to_string().contains("sound of range 2 comes 30 ms late"), "{}", late.faults[0]);

    // A picture too many at the seam, and sound that waits for it, or does not.
    let doubled = "loop=loop=1:size=1:start=0,setpts=N/25/TB";
    let waits = check_joined(&joined("waits.mov", doubled, 1960, PCM));
    let named: Vec<&str> = waits.faults.iter().map(|fault| fault.kind.name()).collect();
    assert_eq!((named, offsets(&waits)), (vec!["repeated"], vec![0, 0]));
    let hurries = check_joined(&joined("hurries.mov", doubled, 2000, PCM));
    let named: Vec<&str> = hurries.faults.iter().map(|fault| fault.kind.name()).collect();
    assert_eq!((named, offsets(&hurries)), (vec!["sound_late", "repeated"], vec![0, -40]));
}

#[test]
fn only_sound_in_frames_may_be_off_a_seam_by_half_of_one() {
    oracle!("verify of frames of sound");
    // Half a frame of AAC is 10.7 ms.
    let few = if cfg!(feature = "full-tests") { 3 } else { 2 };
    for (ending, coding) in [("mp4", AAC), ("ts", AAC), ("mkv", AAC)].into_iter().take(few) {
        let found = check_joined(&joined(&format!("half.{ending}"), "null", 1990, coding));
        assert_holds(&found);
        assert_eq!(offsets(&found), [0, 10]);
        let found = check_joined(&joined(&format!("more.{ending}"), "null", 1986, coding));
        assert_faults(&found, &["sound_late"]);
        // The first range has no seam in front.
        let one = check_heard(&heard(&format!("one.{ending}"), "adelay=10|10,atrim=0:2", coding));
        assert_faults(&one, &["sound_late"]);
        let asked = both().into_iter().fold(Verify::new(), Verify::keep).max_lag(Duration::from_millis(1));
        let source = open(&with_sound("source.mov", PCM));
        let half = open(&joined(&format!("half.{ending}"), "null", 1990, coding));
        assert_faults(&asked.check(&source, &half, &Control::new()).unwrap(), &["sound_late"]);
    }
    let all = [("mkv", PCM), ("mkv", &["-c:a", "flac"][..]), ("mov", PCM)];
    for (ending, coding) in all.into_iter().take(few) {
        let codec = coding[1];
        let found = check_joined(&joined(&format!("half-{codec}.{ending}"), "null", 1990, coding));
        assert_faults(&found, &["sound_late"]);
        assert_holds(&check_joined(&joined(&format!("right-{codec}.{ending}"), "null", 2000, coding)));
    }
}

#[test]
fn what_times_say_is_believed_where_it_is_no_rounding() {
    oracle!("verify of times of sound");
    // 8 ms between two packets that no sample fills.
    let apart = "asetnsamples=1024,asetpts='PTS+384*gte(N,47104)'";
    let found = check_heard(&heard("apart.mp4", apart, AAC));
    assert_faults(&found, &["sound_late", "sound_length"]);
    let FaultKind::SoundLate { by, .. } = found.faults[0].kind else { panic!("{:?}", found.faults) };
    assert_eq!((by.secs() * 1000.0).round(), 8.0);
}

#[test]
fn a_tone_does_not_tell_when_it_is_heard() {
    oracle!("verify of tones");
    let made = |name: &str, from: u32, until: u32, tone: &str| {
        let tone = format!("sine=f=1000:r=48000:d=4,atrim={from}ms:{until}ms,asetpts=PTS-STARTPTS,{tone}");
        let pictures = format!("{SOURCE},trim={from}ms:{until}ms,setpts=PTS-STARTPTS");
        let inputs = ["-f", "lavfi", "-i", &pictures, "-f", "lavfi", "-i", &tone, "-pix_fmt", "yuv420p"];
        let coding = ["-c:v", "libx264", "-bf", "0", "-crf", "10", "-c:a", "aac", "-b:a", "192k"];
        made_by_ffmpeg(&format!("verify-steady-{name}"), &[&inputs[..], &coding].concat())
    };
    let source = made("source.mp4", 0, 4000, "anull");
    // Matroska has the encoder's delay in front, and pictures wait for it: 21 ms, of which the tone has 21 periods.
    for ending in ["mkv", "mp4"] {
        let output = made(&format!("cut.{ending}"), 1000, 2600, "anull");
        assert_holds(&check(&source, &output, &[range(1.0, 2.6)]));
    }
}

// ---- seams

/// A tone that rises, and is smooth: what steps in it is heard.
fn tone() -> PathBuf {
    let tone = "aevalsrc='0.3*sin(2*PI*(200*t+40*t*t))':s=48000:d=4";
    let inputs = ["-f", "lavfi", "-i", SOURCE, "-f", "lavfi", "-i", tone, "-pix_fmt", "yuv420p"];
    let coding = ["-c:v", "libx264", "-bf", "0", "-c:a", "pcm_s16le"];
    made_by_ffmpeg("verify-tone.mov", &[&inputs[..], &coding].concat())
}

/// The two ranges of it; its sound is what a graph makes of `[a]`, from 0.52 s to this millisecond, and `[b]`, from
/// another one on.
fn check_seam(name: &str, (until, from): (u32, u32), graph: &str, coding: &[&str]) -> Verification {
    let file = tone();
    let [(a, b), (c, d)] = RANGES;
    let to = from + 1200 + b - until;
    let graph = format!(
        "[0:v]split[v0][v1];[v0]trim={a}ms:{b}ms,setpts=PTS-STARTPTS[p0];\
         [v1]trim={c}ms:{d}ms,setpts=PTS-STARTPTS[p1];[p0][p1]concat=n=2[v];\
         [0:a]asplit[a0][a1];[a0]atrim={a}ms:{until}ms,asetpts=PTS-STARTPTS[a];\
         [a1]atrim={from}ms:{to}ms,asetpts=PTS-STARTPTS[b];[a][b]{graph}[s]"
    );
    let input = ["-i", file.to_str().unwrap(), "-filter_complex", &graph, "-map", "[v]", "-map", "[s]"];
    let x264 = ["-c:v", "libx264", "-preset", "veryfast", "-crf", "10", "-bf", "0"];
    let output = made_by_ffmpeg(&format!("verify-seam-{name}"), &[&input[..], &x264, coding].concat());
    check(&file, &output, &both())
}

#[test]
fn a_click_is_what_neither_range_has() {
    oracle!("verify of seams");
    let butt = "concat=n=2:v=0:a=1";
    let click = |found: &Verification| found.sound[0].seams[0].click.unwrap_or(0.0);
    // The step of what was asked for is right, in whatever it is coded.
    for (ending, coding) in [("mov", PCM), ("mp4", AAC), ("mkv", &["-c:a", "flac"])] {
        let found = check_seam(&format!("butt.{ending}"), (1320, 2000), butt, coding);
        assert_holds(&found);
        assert!(click(&found) > 15.0, "{:?}", found.sound[0].seams);
    }
    // Some samples that are none of it are not.
    let spike = format!("{butt},aeval='if(between(n,38398,38402),0.9*cos(PI*n),val(0))'");
    let found = check_seam("spike.mov", (1320, 2000), &spike, PCM);
    assert_faults(&found, &["sound_click"]);
    assert!(matches!(found.faults[0].kind, FaultKind::SoundClick { range: 1, .. }), "{found:?}");
    assert_eq!(found.faults[0].at.unwrap().secs(), 0.8);
    // Nor is a step between frames, where one could have been faded into the other.
    assert_faults(&check_seam("frames.mp4", (1320, 1993), butt, AAC), &["sound_click"]);
    let faded = check_seam("faded.mp4", (1325, 1988), "acrossfade=d=0.01", AAC);
    assert_holds(&faded);
    assert!(click(&faded) < 10.0, "{:?}", faded.sound[0].seams);
}
