//! What joins with transitions refuse and tell.

use crate::common;
use avrope::{
    Control, ErrorKind, Source, Transcode,
    control::Limits,
    join_with_transition,
    synth::Spec,
    transcode::{AudioCodec, AudioSettings, Transition, VideoCodec, VideoSettings},
};
use std::path::PathBuf;

/// Three seconds of pictures, with two languages.
fn source() -> PathBuf {
    let mut other = common::audio("aac");
    other.language = Some("fra".into());
    let spec = Spec {
        duration: 3.0,
        video: Some(common::video("libx264", 0)),
        audio: vec![common::audio("aac"), other],
        ..Spec::default()
    };
    common::generated("two-languages.mp4", &spec)
}

fn settings() -> Transcode {
    Transcode::new()
        .format("mp4")
        .video(VideoSettings::new().codec(VideoCodec::Mpeg4))
        .audio(AudioSettings::new().codec(AudioCodec::Aac))
}

fn join(name: &str, control: &Control) -> avrope::Result<avrope::Clip> {
    let source = Source::open(source()).unwrap();
    let transition = Transition::new(name, std::time::Duration::from_secs_f64(0.5));
    join_with_transition(&[source.clone(), source], &transition, &settings(), control)
}

#[test]
fn a_name_is_one_of_libavfilters() {
    for name in ["", "fad", "fade:expr=1", "custom", "fade[a];movie=x.png[b];[a][b]xfade=transition=fade"] {
        let error = join(name, &Control::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{name}: {error}");
        assert!(error.to_string().contains("wipeleft"), "{name}: {error}");
    }
}

#[test]
fn what_is_left_out_is_told() {
    let report = join("wipeleft", &Control::default()).unwrap().report;
    assert_eq!(report.dropped_streams.len(), 2, "{:?}", report.dropped_streams);
    // Of the same source, once.
    assert_eq!(
        report.warnings.iter().filter(|w| w.contains("is left out")).count(),
        1,
        "{:?}",
        report.warnings
    );
}

#[test]
fn pictures_that_do_not_fit_into_memory_are_refused_first() {
    let mut limits = Limits::default();
    limits.memory = 100_000;
    let control = Control::new().limits(limits);
    let error = join("fade", &control).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{error}");
    assert!(error.to_string().contains("shorten the transition"), "{error}");
}
