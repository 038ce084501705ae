//! Requests that make no sense.

use super::*;

#[test]
fn ranges_that_make_no_sense() {
    let media = open(&clip()).unwrap();
    for (name, from, to) in [
        ("empty", 2.0, 2.0),
        ("reversed", 3.0, 2.0),
        ("negative", -1.0, 2.0),
        ("both negative", -2.0, -1.0),
        ("outside", 10.5, 12.0),
        ("far outside", 1e9, 2e9),
    ] {
        for mode in [CutMode::Keyframe, CutMode::Edit] {
            let error = refused(cut(&media, &range(from, to).mode(mode), &none()), &[InvalidArgument], name);
            assert!(error.to_string().contains("clip.mp4"), "{name}: {error}");
        }
        // Also when it is the second one.
        let second = range(0.0, 1.0).keep(TimeRange::secs(from, to).unwrap());
        refused(cut(&media, &second, &none()), &[InvalidArgument], name);
    }
    for (from, to) in [
        (f64::NAN, 1.0),
        (0.0, f64::NAN),
        (f64::NEG_INFINITY, 1.0),
        (f64::INFINITY, f64::INFINITY),
        (0.0, 1e300),
    ] {
        refused(TimeRange::secs(from, to), &[InvalidArgument], "no time");
    }
    refused(cut(&media, &Cut::new(), &none()), &[InvalidArgument], "no range");
    // The end of time, and ends beyond the source's.
    for to in [11.0, 9e9] {
        assert!(!cut(&media, &range(9.0, to), &none()).unwrap().report.warnings.is_empty());
    }
    assert!(cut(&media, &Cut::new().keep(TimeRange::ALL), &none()).is_ok());
    refused(join(&[], &Join::new(), &none()), &[InvalidArgument], "nothing to join");
}

#[test]
fn a_container_that_can_hold_none_of_the_streams() {
    let dir = tempfile::tempdir().unwrap();
    let media = open(&clip()).unwrap();
    let video = Spec { audio: vec![], duration: 2.0, ..Spec::default() };
    let silent = open(&generated("silent.mp4", &video)).unwrap();
    for format in ["wav", "mp3", "flac", "adts", "ogg"] {
        let error = refused(remux(&silent, &Remux::new().format(format), &none()), &[Unsupported], format);
        let text = error.to_string();
        assert!(text.contains("h264") || text.contains("mpeg4"), "names the codec: {text}");
        let sink = Sink::file(dir.path().join(format!("out.{format}")));
        refused(remux_to(&silent, &Remux::new().format(format), sink, &none()), &[Unsupported], format);
        assert!(entries(dir.path()).is_empty(), "{format}: leaves {:?}", entries(dir.path()));
    }
    for format in ["hls", "dash", "image2", "null", "tee", "segment", "rtsp", "mp5", "", "a\0b"] {
        refused(
            remux(&media, &Remux::new().format(format), &none()),
            &[Unsupported, InvalidArgument],
            format,
        );
    }
}
