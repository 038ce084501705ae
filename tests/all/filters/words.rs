//! What is refused, and the words of the command line.

use super::*;

#[test]
fn what_makes_no_sense_is_an_error_before_anything_runs() {
    oracle!("errors");
    let media = open(&clip());
    let refused = |settings: &Transcode| transcode(&media, settings, &Control::default()).unwrap_err().kind();
    let nan = filtered(&[VideoFilter::Rotate { degrees: f64::NAN }]);
    assert_eq!(refused(&nan), ErrorKind::InvalidArgument);
    assert_eq!(refused(&sounding(&[AudioFilter::Volume { db: f64::NAN }])), ErrorKind::InvalidArgument);
    // Larger than the picture.
    let large = VideoFilter::Crop { x: 0, y: 0, width: 1000, height: 1000 };
    assert_eq!(refused(&filtered(&[large])), ErrorKind::InvalidArgument);
    let copied = VideoSettings::new().codec(VideoCodec::Copy).apply(VideoFilter::Flip { horizontal: true });
    assert_eq!(refused(&Transcode::new().video(copied)), ErrorKind::InvalidArgument);
    let logo = Frame::video("rgba", 8, 8).unwrap();
    let settings = Transcode::new();
    for wrong in [
        Overlay::new().opacity(f64::NAN),
        Overlay::new().opacity(2.0),
        Overlay::new().margin(u32::MAX),
        Overlay::new().width(0),
        Overlay::new().scale(f64::NAN),
        Overlay::new().scale(0.0),
        Overlay::new().scale(1.5),
    ] {
        assert!(Transcoder::new(&media, &settings).watermark(&logo, wrong).is_err());
    }
    let copied = Transcode::new().video(VideoSettings::new().codec(VideoCodec::Copy));
    let marked = Transcoder::new(&media, &copied).watermark(&logo, Overlay::new()).unwrap();
    assert_eq!(marked.run(&Control::default()).unwrap_err().kind(), ErrorKind::InvalidArgument);
    let sound_only = sounding(&[]).video(VideoSettings::new().codec(VideoCodec::None));
    let marked = Transcoder::new(&media, &sound_only).watermark(&logo, Overlay::new()).unwrap();
    let report = marked.run(&Control::default()).unwrap().report;
    assert!(report.warnings.iter().any(|w| w.contains("watermark")), "{:?}", report.warnings);
    let sound = Frame::audio("s16", "mono", 48_000, 10).unwrap();
    assert!(Transcoder::new(&media, &settings).watermark(&sound, Overlay::new()).is_err());
    // They travel as JSON.
    let all = filtered(&[
        VideoFilter::Flip { horizontal: true },
        VideoFilter::FadeIn { from: Timestamp::ZERO, duration: std::time::Duration::from_secs(1) },
    ]);
    let json = serde_json::to_string(&all).unwrap();
    assert_eq!(serde_json::from_str::<Transcode>(&json).unwrap(), all);
}

#[cfg(feature = "cli")]
#[test]
fn the_command_line_has_them() {
    oracle!("command line");
    let folder = tempfile::tempdir().unwrap();
    let (input, logo) = (clip(), picture("logo.png", "red", "20x12"));
    let run = |rest: &[&str]| {
        let out = folder.path().join("out.mkv");
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_avrope"));
        command.arg("transcode").arg(&input).arg("-o").arg(&out).args(["--force", "--video-codec", "ffv1"]);
        let output = command.args(["--audio-codec", "pcm"]).args(rest).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned(), out)
    };
    let logo = logo.to_str().unwrap();
    let corner = ["--watermark", logo, "--watermark-position", "top-right", "--watermark-opacity", "0.9"];
    let (code, log, out) =
        run(&[&corner[..], &["--fade-in", "0.2", "--fade-out", "0.4", "--speed", "2"]].concat());
    assert_eq!(code, Some(0), "{log}");
    let seen = Pictures::of(&out, SIZE);
    // Of one second: the watermark does not fade, its place is 16 pixels from the edges.
    let last = seen.count() - 1;
    assert_eq!(
        (seen.at(0, 130, 22), seen.at(last, 130, 22), seen.at(last / 2, 130, 22)),
        ("red", "red", "red")
    );
    assert_eq!(
        (seen.at(0, 2, 90), seen.at(last, 2, 90), seen.at(last / 2, 2, 90)),
        ("black", "black", "green")
    );
    // A video over itself.
    let face = ["--watermark", input.to_str().unwrap(), "--watermark-width", "40", "--watermark-end", "hide"];
    let (code, log, out) = run(&face);
    assert_eq!(code, Some(0), "{log}");
    let seen = Pictures::of(&out, SIZE);
    assert_eq!([(106, 58), (130, 58)].map(|(x, y)| seen.at(49, x, y)), ["blue", "green"]);
    let (code, log, out) = run(&["--volume", "-12", "--loudness", "-20"]);
    assert_eq!(code, Some(0), "{log}");
    assert!((loudness_of(&out).0 + 20.0).abs() <= 0.5);
    for wrong in [
        &["--loudness", "3"][..],
        &["--volume", "NaN"],
        &["--watermark", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")],
        &["--watermark", "/nowhere.png"],
        &["--watermark", logo, "--watermark-opacity", "2"],
    ] {
        let (code, log, _) = run(wrong);
        assert_eq!(code, Some(1), "{wrong:?}: {log}");
    }
    assert_eq!(run(&["--watermark-position", "top-left"]).0, Some(2));
}
