//! Transcoding against the installed ffmpeg: the same frames and packets where codecs are exact, sound that
//! stays with its picture, what of an input has to survive, and what becomes of damaged inputs, wrong
//! settings and stopped jobs.

mod copied;
mod counts;
mod covers;
mod damaged;
mod exact;
mod inputs;
mod lengths;
mod lost;
mod pictures;
mod placing;
mod processors;
mod rates;
mod settings;
mod sinks;
mod stopped;
mod sync;
mod transitions;

use crate::common::{self, Movie, ffmpeg, made, made_by_ffmpeg, open, payload, run, save};
use avrope::{
    Control, Error, ErrorKind, Media, Rational, Result, Sink, Source, TimeRange, Transcode,
    control::CancelToken,
    frames::Frame,
    media::{MediaInfo, StreamInfo},
    synth::{self, Spec},
    transcode,
    transcode::{AudioCodec, AudioSettings, Fit, Fragment, Processor, Transcoder, VideoCodec, VideoSettings},
    transcode_to,
};
use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

fn info(path: &Path) -> MediaInfo {
    open(path).probe(&Control::default()).unwrap()
}

fn picture_of(path: &Path) -> StreamInfo {
    info(path).streams.into_iter().find(|s| s.kind == avrope::media::StreamKind::Video).expect("a picture")
}

fn sound_of(path: &Path) -> StreamInfo {
    info(path).streams.into_iter().find(|s| s.kind == avrope::media::StreamKind::Audio).expect("sound")
}

fn video(codec: VideoCodec) -> VideoSettings {
    VideoSettings::new().codec(codec)
}

fn audio(codec: AudioCodec) -> AudioSettings {
    AudioSettings::new().codec(codec)
}

/// x264 as fast as it goes.
fn quick() -> VideoSettings {
    video(VideoCodec::H264).encoder_preset("ultrafast")
}

fn rate(num: i32, den: i32) -> Rational {
    Rational::new(num, den).unwrap()
}

/// Two seconds of H.264 with B-frames. Matroska: no edit list is in the way.
fn pictures() -> PathBuf {
    let spec =
        Spec { duration: 2.0, video: Some(common::video("libx264", 2)), audio: vec![], ..Spec::default() };
    common::generated("pictures.mkv", &spec)
}

/// Uncompressed noise and tones, a little over two seconds.
fn sound(rate: u32, layout: &str) -> PathBuf {
    let channels = match layout {
        "mono" => "sin(440*2*PI*t)/4",
        "stereo" => "sin(440*2*PI*t)/4|random(1)/4",
        _ => {
            "sin(440*2*PI*t)/4|sin(550*2*PI*t)/4|random(1)/4|sin(60*2*PI*t)/4|random(2)/4|sin(3000*2*PI*t)/4"
        }
    };
    let source = format!("aevalsrc={channels}:s={rate}:c={layout}:d=2.1");
    let arguments = ["-f", "lavfi", "-i", &source, "-c:a", "pcm_s16le"];
    made_by_ffmpeg(&format!("sound-{rate}-{layout}.wav"), &arguments)
}

fn tiny(container: &str) -> PathBuf {
    let mut picture = common::video("libx264", 2);
    (picture.size, picture.gop) = ((96, 64), 6);
    let spec = Spec { duration: 0.7, video: Some(picture), ..Spec::default() };
    common::generated(&format!("tiny.{container}"), &spec)
}

fn drawn(name: &str, source: &str, arguments: &[&str]) -> PathBuf {
    made_by_ffmpeg(name, &[&["-f", "lavfi", "-i", source][..], arguments].concat())
}

/// Flash and beep every 0.4 s, at 25 frames a second.
fn flash_clip(container: &str, (num, den): (i32, i32), every: f64) -> PathBuf {
    let mut spec = synth::flash_and_beep(3.7, (num, den), every);
    spec.video.as_mut().unwrap().gop = 25;
    common::generated(&format!("flash-{num}-{den}.{container}"), &spec)
}
