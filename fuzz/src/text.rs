//! What people and programs write: filters' text, settings in JSON, the command line's words.

use crate::{fine, values};
use avrope::{
    Control, Cut, Join, Media, Rational, Remux, Source, Timestamp, Transcode,
    detect::Detect,
    segments::Segments,
    synth::{self, Spec, Video},
    transcode::{AudioCodec, AudioSettings, VideoCodec, VideoFilter, VideoSettings},
};
use serde::{Serialize, de::DeserializeOwned};
use std::{fmt::Debug, sync::OnceLock, time::Duration};

/// A text on a picture, or a colour around it. Nothing in it is anything but text: whatever it is, each
/// picture comes out, or the text is refused before the first one.
pub fn filters(data: &[u8]) {
    static CLIP: OnceLock<Media> = OnceLock::new();
    let clip = CLIP.get_or_init(|| {
        let video = Video { encoder: "ffv1".into(), size: (32, 32), b_frames: 0, ..Video::default() };
        let spec = Spec { duration: 0.1, video: Some(video), audio: vec![], ..Spec::default() };
        let path = std::env::temp_dir().join(format!("avrope-fuzz-{}.mkv", std::process::id()));
        synth::to_file(&spec, &path).expect("a clip");
        let bytes = std::fs::read(&path).expect("the clip");
        std::fs::remove_file(&path).expect("the clip");
        Media::open(Source::from_bytes(bytes)).expect("a clip opens")
    });
    avrope::log::capture();
    let Some((first, rest)) = data.split_first() else { return };
    let text = String::from_utf8_lossy(rest).into_owned();
    let is_text = first % 2 == 0;
    let filter = if is_text {
        VideoFilter::Text { text, x: 1, y: 1, size: 8, color: "white".into(), font: None }
    } else {
        VideoFilter::Pad { width: 64, height: 64, color: text }
    };
    let video = VideoSettings::new().codec(VideoCodec::Ffv1).apply(filter);
    let audio = AudioSettings::new().codec(AudioCodec::None);
    let settings = Transcode::new().format("mkv").video(video).audio(audio);
    let control = Control::new().timeout(Duration::from_secs(20));
    if let Some(made) = fine(avrope::transcode(clip, &settings, &control)) {
        assert_eq!(made.report.packets, 3, "pictures are lost");
    }
}

/// Settings as JSON: what can be read is written, and is the same when it is read again.
pub fn settings(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    survives::<Transcode>(text);
    survives::<Cut>(text);
    survives::<Join>(text);
    survives::<Remux>(text);
    survives::<Segments>(text);
    survives::<Detect>(text);
    survives::<VideoFilter>(text);
}

fn survives<T: DeserializeOwned + Serialize + Debug>(text: &str) {
    let Ok(value) = serde_json::from_str::<T>(text) else { return };
    let written = serde_json::to_string(&value).expect("what was read can be written");
    let again: T = serde_json::from_str(&written).unwrap_or_else(|e| panic!("{written}: {e}"));
    assert_eq!(format!("{again:?}"), format!("{value:?}"), "{written}");
}

/// The words of the command line.
pub fn words(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(time) = text.parse::<Timestamp>() {
        // As people read it: `2.5 s`.
        let written = time.to_string();
        let number = written.trim_end_matches(" s");
        assert!(
            time == Timestamp::MAX || number.parse::<Timestamp>().is_ok(),
            "{time:?} is written as {written}"
        );
    }
    if let Ok(rate) = text.parse::<Rational>() {
        assert!(rate.to_string().parse::<Rational>().is_ok(), "{rate:?} is written as {rate}");
    }
    if let Ok(quantity) = values::quantity(text) {
        assert!(quantity > 0);
    }
    if let Ok(rate) = values::rate(text) {
        assert!(rate.value() > 0.0 && rate.value() <= 1000.0);
    }
    let _ = (
        values::range(text),
        values::seconds(text),
        values::size(text),
        values::option(text),
        values::limit(text),
    );
}
