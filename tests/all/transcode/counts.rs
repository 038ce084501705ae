//! What a report says of damage and of clocks that jump: in a transcode as in a copy, and of this job alone.

use super::*;

/// Transport packets of a stream, by the place of each, that hold nothing but payload in the middle of a PES
/// packet.
fn packets_of(bytes: &[u8], pid: u16) -> Vec<usize> {
    (0..bytes.len())
        .step_by(188)
        .filter(|at| {
            let head = &bytes[*at..at + 4];
            u16::from_be_bytes([head[1] & 0x1f, head[2]]) == pid && head[1] & 0x40 == 0
        })
        .collect()
}

/// Ten seconds whose video has three packets with transport errors, behind the first second.
fn with_errors() -> Vec<u8> {
    let mut bytes = std::fs::read(common::clip_in("ts")).unwrap();
    let video = packets_of(&bytes, 0x100);
    for at in [video.len() / 5, video.len() / 4, video.len() / 3].map(|i| video[i]) {
        bytes[at + 1] |= 0x80;
    }
    bytes
}

fn damage(report: &avrope::Report) -> Vec<&String> {
    report.warnings.iter().filter(|w| w.contains("damaged or cut short in the source")).collect()
}

#[test]
fn a_transcode_tells_the_damage_that_the_demuxer_saw() {
    let media = Media::open(Source::from_bytes(with_errors())).unwrap();
    let copied =
        avrope::remux(&media, &avrope::Remux::new().format("mkv"), &Control::default()).unwrap().report;
    assert_eq!(damage(&copied).len(), 1, "{:?}", copied.warnings);
    let settings =
        Transcode::new().format("mkv").video(video(VideoCodec::Mpeg4)).audio(audio(AudioCodec::Pcm));
    let report = transcode(&media, &settings, &Control::default()).unwrap().report;
    let told = damage(&report);
    assert_eq!(told.len(), 1, "{:?}", report.warnings);
    assert!(told[0].contains("3 packets") && damage(&copied)[0].starts_with(told[0].as_str()), "{told:?}");
}

#[test]
fn a_job_tells_no_earlier_jobs_damage() {
    let media = Media::open(Source::from_bytes(with_errors())).unwrap();
    // These read all of it, and say nothing of damage themselves.
    media.probe(&Control::default()).unwrap();
    let read = |settings: &avrope::Cut| avrope::cut(&media, settings, &Control::default()).unwrap().report;
    let clean = avrope::Cut::new().keep(TimeRange::secs(8.0, 9.0).unwrap()).format("mkv");
    let first = read(&clean);
    assert!(damage(&first).is_empty(), "{:?}", first.warnings);
}

#[test]
fn damaged_sound_that_is_not_decoded_counts_as_well() {
    let mut bytes = std::fs::read(common::clip_in("ts")).unwrap();
    // The headers of some frames of AAC (ADTS): their profile is none that a container has words for.
    let headers: Vec<usize> =
        (0..bytes.len() - 4).filter(|at| bytes[*at..].starts_with(&[0xff, 0xf1, 0x4c, 0x80])).collect();
    assert!(headers.len() > 100, "{}", headers.len());
    for at in headers.iter().skip(50).step_by(20) {
        // A sampling frequency that is reserved.
        bytes[at + 2] |= 0x3c;
    }
    let media = Media::open(Source::from_bytes(bytes)).unwrap();
    let settings = Transcode::new()
        .format("mp4")
        .fragment(avrope::transcode::Fragment::Keyframe)
        .video(video(VideoCodec::Mpeg4))
        .audio(audio(AudioCodec::Copy));
    let report = transcode(&media, &settings, &Control::default()).unwrap().report;
    assert!(report.decode_errors > 3, "{report:?}");
    let settings = settings.max_decode_errors(2);
    let error = transcode(&media, &settings, &Control::default()).unwrap_err();
    assert_eq!(error.kind(), avrope::ErrorKind::Corrupt, "{error}");
    assert!(error.to_string().contains("more than 2 packets are damaged"), "{error}");
}

#[test]
fn a_transcode_tells_that_the_clock_jumps() {
    let once = std::fs::read(common::clip_in("ts")).unwrap();
    let media = Media::open(Source::from_bytes(once.repeat(2))).unwrap();
    let jumps = |report: &avrope::Report| {
        report.warnings.iter().filter(|w| w.contains("timestamps jump")).cloned().collect::<Vec<_>>()
    };
    let copied =
        avrope::remux(&media, &avrope::Remux::new().format("mkv"), &Control::default()).unwrap().report;
    assert!(!jumps(&copied).is_empty(), "{:?}", copied.warnings);
    let settings =
        Transcode::new().format("mkv").video(video(VideoCodec::Mpeg4)).audio(audio(AudioCodec::Pcm));
    let report = transcode(&media, &settings, &Control::default()).unwrap().report;
    assert_eq!(jumps(&report), jumps(&copied));
}
