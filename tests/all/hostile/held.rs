//! Packets that are held until it is known what becomes of them: the limit of memory holds for them, and for
//! what each takes beside its payload.

use super::*;

/// So many seconds of small pictures, 100 a second, of which the first alone is a key.
fn one_key(ending: &str, seconds: f64) -> PathBuf {
    let video = synth::Video {
        source: synth::VideoSource::Graph("color=gray".into()),
        encoder: "mpeg4".into(),
        size: (32, 32),
        rate: (100, 1),
        gop: 100_000,
        b_frames: 0,
        ..Default::default()
    };
    let spec = Spec { duration: seconds, video: Some(video), audio: vec![], ..Spec::default() };
    generated(&format!("one-key.{ending}"), &spec)
}

fn holds(memory: u64) -> Control {
    let mut limits = Limits::default();
    limits.memory = memory;
    Control::new().limits(limits)
}

/// What all packets of a file have of payload.
fn payload(path: &Path) -> u64 {
    let report =
        remux_to(&open(path).unwrap(), &Remux::new().format("mkv"), Sink::writer(std::io::sink()), &none());
    report.unwrap().payload_copied
}

#[test]
fn small_packets_in_front_of_a_range_are_held_within_the_limit() {
    for ending in ["mp4", "mkv"] {
        let path = one_key(ending, 10.0);
        let media = open(&path).unwrap();
        // Payloads of an mp4 that goes into another are not even read; by tables nothing is held.
        let copy = |from, memory| {
            let cut = range(from, from + 0.1).format(ending).road(Road::Libav);
            cut_to(&media, &cut, Sink::writer(std::io::sink()), &holds(memory)).map(drop)
        };
        let enough = payload(&path) + 1000 * 512 + 100_000;
        copy(9.5, enough).unwrap();
        let error = copy(9.5, 400_000).expect_err("1000 packets");
        assert_eq!(error.kind(), LimitExceeded, "{ending}: {error}");
        assert!(error.to_string().contains("far behind its keyframe"), "{ending}: {error}");
        copy(1.0, 400_000).unwrap();
    }
}

#[test]
fn pictures_behind_a_range_are_held_within_the_limit() {
    oracle!("pictures_behind_a_range_are_held_within_the_limit");
    // Decoded in a hurry: their dts go on by a tick each, behind the first.
    let path = one_key("ts", 10.0);
    let hurry = ["-i", path.to_str().unwrap(), "-c", "copy", "-copyts", "-bsf:v", "setts=dts=STARTDTS+N"];
    let media = open(&made_by_ffmpeg("hurried.ts", &hurry)).unwrap();
    let copy = |memory| {
        let cut = range(0.0, 1.0).format("mkv");
        cut_to(&media, &cut, Sink::writer(std::io::sink()), &holds(memory))
    };
    copy(payload(&path) + 1000 * 512).unwrap();
    let error = copy(400_000).expect_err("900 pictures");
    assert_eq!(error.kind(), LimitExceeded, "{error}");
    assert!(error.to_string().contains("behind the range's end"), "{error}");
}

#[test]
fn sound_that_says_it_lasts_an_hour_is_held_within_the_limit() {
    oracle!("sound_that_says_it_lasts_an_hour_is_held_within_the_limit");
    let sources =
        ["-f", "lavfi", "-i", "testsrc2=s=64x64:r=25:d=30", "-f", "lavfi", "-i", "anoisesrc=r=48000:d=30"];
    let codecs = ["-c:v", "libx264", "-g", "25", "-c:a", "pcm_s16le"];
    let mut bytes = std::fs::read(made_by_ffmpeg("pcm.mkv", &[&sources[..], &codecs].concat())).unwrap();
    // The sound's TrackUID becomes a DefaultDuration of 3600 s, in as many bytes.
    let is_uid = |at: &usize| bytes[*at..].starts_with(&[0x73, 0xC5, 0x88]);
    let at = (0..bytes.len()).filter(is_uid).nth(1).unwrap();
    bytes[at..][..4].copy_from_slice(&[0x23, 0xE3, 0x83, 0x87]);
    bytes[at + 4..][..7].copy_from_slice(&3_600_000_000_000_u64.to_be_bytes()[1..]);
    let source = Source::from_bytes(bytes);
    let copy = |last: f64, memory| {
        let media = Media::open(source.clone())?;
        let cut =
            range(0.0, last).keep(TimeRange::secs(28.0, 29.0).unwrap()).mode(CutMode::Keyframe).format("mkv");
        cut_to(&media, &cut, Sink::writer(std::io::sink()), &holds(memory))
    };
    // 96 kB a second.
    let error = copy(27.0, 1_000_000).expect_err("20 s of sound wait");
    assert_eq!(error.kind(), LimitExceeded, "{error}");
    assert!(error.to_string().contains("sound at a range's end is held"), "{error}");
    // No more than what lies around the border waits, however long the range is.
    copy(14.0, 3_500_000).unwrap();
    copy(27.0, 3_500_000).unwrap();
}
