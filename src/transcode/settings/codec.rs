//! [`VideoCodec`] and [`AudioCodec`], and the words for them.

use crate::words::{self, Words};
use serde::{Deserialize, Deserializer, Serialize};

/// The codec of the result's video. In JSON one of these names (`"h264"`), any other that the command line
/// takes (`"h265"`, `"libx264rgb"`), or `{"encoder": name}`, as it is written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum VideoCodec {
    /// The source's, copied, where the container can hold it and nothing is to be changed; else what suits
    /// the container best (H.264 in MP4, VP9 in WebM).
    #[default]
    Auto,
    /// The source's, copied.
    Copy,
    /// No video in the result.
    None,
    /// H.264 (libx264).
    H264,
    /// HEVC (libx265).
    Hevc,
    /// AV1 (libsvtav1, libaom-av1 or librav1e). SVT-AV1 tells stderr what it does unless the environment has
    /// `SVT_LOG=1`, which is read when it is first used.
    Av1,
    /// VP9 (libvpx-vp9).
    Vp9,
    /// MPEG-4 part 2.
    Mpeg4,
    /// Motion JPEG.
    Mjpeg,
    /// Apple ProRes.
    ProRes,
    /// FFV1, lossless.
    Ffv1,
    /// GIF.
    Gif,
    /// An encoder by libav's name, such as `libx264rgb` or `h264_nvenc`.
    Encoder(String),
}

/// The codec of the result's sound. In JSON as [`VideoCodec`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum AudioCodec {
    /// The source's, copied, where the container can hold it and nothing is to be changed; else what suits
    /// the container best (AAC in MP4, Opus in WebM).
    #[default]
    Auto,
    /// The source's, copied.
    Copy,
    /// No sound in the result.
    None,
    /// AAC.
    Aac,
    /// Opus (libopus).
    Opus,
    /// MP3 (libmp3lame).
    Mp3,
    /// FLAC, lossless.
    Flac,
    /// Uncompressed, 16 bits a sample.
    Pcm,
    /// An encoder by libav's name, such as `pcm_s24le` or `ac3`.
    Encoder(String),
}

impl From<&str> for VideoCodec {
    /// A name of this list, or else of an encoder of libav's.
    fn from(name: &str) -> Self {
        match name.to_ascii_lowercase().as_str() {
            "auto" => Self::Auto,
            "copy" => Self::Copy,
            "none" => Self::None,
            "h264" | "avc" | "x264" => Self::H264,
            "hevc" | "h265" | "x265" => Self::Hevc,
            "av1" => Self::Av1,
            "vp9" => Self::Vp9,
            "mpeg4" => Self::Mpeg4,
            "mjpeg" => Self::Mjpeg,
            "prores" => Self::ProRes,
            "ffv1" => Self::Ffv1,
            "gif" => Self::Gif,
            _ => Self::Encoder(name.to_owned()),
        }
    }
}

impl From<&str> for AudioCodec {
    /// A name of this list, or else of an encoder of libav's.
    fn from(name: &str) -> Self {
        match name.to_ascii_lowercase().as_str() {
            "auto" => Self::Auto,
            "copy" => Self::Copy,
            "none" => Self::None,
            "aac" => Self::Aac,
            "opus" => Self::Opus,
            "mp3" => Self::Mp3,
            "flac" => Self::Flac,
            "pcm" => Self::Pcm,
            _ => Self::Encoder(name.to_owned()),
        }
    }
}

impl Words for VideoCodec {
    const NAME: &'static str = "VideoCodec";
    const VARIANTS: &'static [&'static str] = &[
        "auto", "copy", "none", "h264", "hevc", "av1", "vp9", "mpeg4", "mjpeg", "prores", "ffv1", "gif",
        "encoder",
    ];
    const WITH_CONTENT: Option<&'static str> = Some("encoder");
    type Content = String;

    fn of_word(word: &str) -> Result<Self, String> {
        Ok(word.into())
    }

    fn of_content(name: String) -> Self {
        Self::Encoder(name)
    }
}

impl Words for AudioCodec {
    const NAME: &'static str = "AudioCodec";
    const VARIANTS: &'static [&'static str] =
        &["auto", "copy", "none", "aac", "opus", "mp3", "flac", "pcm", "encoder"];
    const WITH_CONTENT: Option<&'static str> = Some("encoder");
    type Content = String;

    fn of_word(word: &str) -> Result<Self, String> {
        Ok(word.into())
    }

    fn of_content(name: String) -> Self {
        Self::Encoder(name)
    }
}

impl<'de> Deserialize<'de> for VideoCodec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        words::read(deserializer)
    }
}

impl<'de> Deserialize<'de> for AudioCodec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        words::read(deserializer)
    }
}
