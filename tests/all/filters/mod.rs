//! Typed filters, loudness and watermarks: what they do to pixels and samples, as ffmpeg decodes them.

mod loudness;
mod second;
mod typed;
mod watermarks;
mod words;

use crate::common::{self, ffmpeg, ffprobe, made_by_ffmpeg, open, save};
use avrope::{
    Control, ErrorKind, Rational, Source, TimeRange, Timestamp, Transcode,
    control::{CancelToken, Stage},
    frames::Frame,
    transcode,
    transcode::{
        AtEnd, AudioCodec, AudioFilter, AudioSettings, Loudness, Overlay, Position, Transcoder, VideoCodec,
        VideoFilter, VideoSettings,
    },
};
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

const SIZE: (usize, usize) = (160, 96);

/// Two seconds: a green picture with a blue top left quarter, and a tone.
fn clip() -> PathBuf {
    let graph = "color=0x00c000:s=160x96:r=25:d=2,drawbox=0:0:80:48:0x0000f0:fill";
    let sound = "sine=440:d=2:r=48000,volume=0.8";
    let (lavfi, pcm) = (["-f", "lavfi", "-i"], ["-c:v", "ffv1", "-c:a", "pcm_s16le", "-pix_fmt", "yuv444p"]);
    made_by_ffmpeg("blue-corner.mkv", &[&lavfi[..], &[graph], &lavfi, &[sound], &pcm].concat())
}

/// A lossless transcode of the video, through these filters.
fn filtered(filters: &[VideoFilter]) -> Transcode {
    let video = VideoSettings::new().codec(VideoCodec::Ffv1);
    let video = filters.iter().cloned().fold(video, VideoSettings::apply);
    Transcode::new().format("mkv").video(video)
}

fn sounding(filters: &[AudioFilter]) -> Transcode {
    let audio =
        filters.iter().cloned().fold(AudioSettings::new().codec(AudioCodec::Pcm), AudioSettings::apply);
    Transcode::new().format("mkv").audio(audio)
}

/// Decoded pictures, as ffmpeg sees them.
struct Pictures {
    rgb: Vec<u8>,
    size: (usize, usize),
}

impl Pictures {
    fn of(path: &Path, size: (usize, usize)) -> Self {
        let streams = ffprobe(path, &["-select_streams", "v", "-show_entries", "stream=width,height"]);
        let found = |key: &str| streams["streams"][0][key].as_u64().unwrap() as usize;
        assert_eq!((found("width"), found("height")), size);
        let raw = ["-map", "0:v", "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"];
        let rgb = ffmpeg(&[&["-i", path.to_str().unwrap()], &raw[..]].concat()).0;
        Self { rgb, size }
    }

    fn count(&self) -> usize {
        self.rgb.len() / (self.size.0 * self.size.1 * 3)
    }

    fn picture(&self, n: usize) -> &[u8] {
        let len = self.size.0 * self.size.1 * 3;
        &self.rgb[n * len..(n + 1) * len]
    }

    /// Which colour a pixel mostly is.
    fn at(&self, n: usize, x: usize, y: usize) -> &'static str {
        let pixel = &self.picture(n)[(y * self.size.0 + x) * 3..][..3];
        match [pixel[0], pixel[1], pixel[2]].map(|v| v > 100) {
            [false, false, false] => "black",
            [true, false, false] => "red",
            [false, true, false] => "green",
            [false, false, true] => "blue",
            [true, true, true] => "white",
            _ => "mixed",
        }
    }

    fn corners(&self, n: usize) -> [&'static str; 4] {
        let (w, h) = self.size;
        [self.at(n, 2, 2), self.at(n, w - 3, 2), self.at(n, 2, h - 3), self.at(n, w - 3, h - 3)]
    }
}

/// What a filter makes of the clip.
fn pictures(filters: &[VideoFilter], size: (usize, usize)) -> Pictures {
    let folder = tempfile::tempdir().unwrap();
    let made = transcode(&open(&clip()), &filtered(filters), &Control::default()).unwrap();
    Pictures::of(&save(&made, folder.path(), "out.mkv"), size)
}

/// The first channel's samples.
fn samples(path: &Path) -> Vec<f32> {
    let raw = ["-map", "0:a", "-ac", "1", "-f", "f32le", "-"];
    let bytes = ffmpeg(&[&["-i", path.to_str().unwrap()], &raw[..]].concat()).0;
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
}

fn loudest(samples: &[f32]) -> f32 {
    samples.iter().fold(0.0, |most, sample| most.max(sample.abs()))
}

fn seconds(s: f64) -> Timestamp {
    Timestamp::from_secs(s).unwrap()
}

fn green() -> Vec<&'static str> {
    vec!["green"; 4]
}

/// A picture file of one colour.
fn picture(name: &str, color: &str, size: &str) -> PathBuf {
    made_by_ffmpeg(
        name,
        &["-f", "lavfi", "-i", &format!("color={color}:s={size}:d=1,format=rgba"), "-frames:v", "1"],
    )
}

fn noise(name: &str, graph: &str) -> PathBuf {
    made_by_ffmpeg(name, &["-f", "lavfi", "-i", graph, "-c:a", "pcm_s16le", "-ar", "44100"])
}

/// Integrated loudness, by ffmpeg's own filter.
fn loudness_of(path: &Path) -> (f64, f64) {
    let arguments =
        ["-v", "info", "-i", path.to_str().unwrap(), "-af", "ebur128=peak=true", "-f", "null", "-"];
    let (_, log) = ffmpeg(&arguments);
    let summary = log.rsplit("Summary:").next().unwrap();
    let value = |name: &str| -> f64 {
        let line = summary.lines().find_map(|line| line.trim().strip_prefix(name)).expect(name);
        line.split_whitespace().next().unwrap().parse().unwrap()
    };
    (value("I:"), value("Peak:"))
}
