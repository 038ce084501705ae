//! The description of a source, for people and programs.

use super::codec_string::codec_string;
use crate::{
    av::stream::{Stream, StreamKind},
    time::{Rational, Timestamp},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// What is in a source.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct MediaInfo {
    /// The source's name.
    pub name: String,
    /// The demuxer by libav's short names, such as `mov,mp4,m4a,3gp,3g2,mj2`.
    pub format: String,
    /// The same for people.
    pub format_name: String,
    /// Bytes; None for a stream.
    pub size: Option<u64>,
    /// The presented length: until the picture or sound ends that ends last. Subtitles and data count only
    /// where there is neither, or where the container states one length for all. None where neither the
    /// container nor libav knows.
    #[serde(with = "crate::time::seconds_or_none")]
    pub duration: Option<Duration>,
    /// What `duration` was taken from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_from: Option<DurationFrom>,
    /// The timestamp that the presentation clock's 0 has in the container.
    pub start_time: Timestamp,
    /// Bits a second over all streams.
    pub bit_rate: Option<u64>,
    /// Title, artist and so on, by libav's names.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// In the container's order.
    pub streams: Vec<StreamInfo>,
    /// In order of time.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub chapters: Vec<Chapter>,
    /// What is wrong with it, though it opens.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// What tells how long a source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DurationFrom {
    /// MP4's own tables: edit lists, and the samples' times where there are none. Exact.
    Index,
    /// The container's header, for the whole file or each stream.
    Header,
    /// The last timestamps in the file (MPEG-TS, MPEG-PS).
    Timestamps,
    /// A guess by size and bit rate (ADTS, MP3 without a header of its own).
    BitRate,
    /// All packets were read, by [`Media::probe`](crate::Media::probe).
    Packets,
}

/// One stream of a source. What does not apply or is not known is None (and absent in JSON); pixel format,
/// profile and colour may need [`Media::probe`](crate::Media::probe), which looks into the payload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StreamInfo {
    /// Its place in the container, from 0.
    pub index: usize,
    /// Video, audio…
    pub kind: StreamKind,
    /// By libav's name, such as `h264`.
    pub codec: String,
    /// Such as `High` or `LC`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub profile: Option<String>,
    /// As the codec's specification numbers it (41 is H.264 level 4.1).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub level: Option<i32>,
    /// The container's tag for the codec, such as `avc1` or `hvc1`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub tag: Option<String>,
    /// The codec as browsers want it in `codecs="…"`, such as `avc1.64001f` (RFC 6381; ISO/IEC 14496-15,
    /// annex E; the bindings of AV1, VP9, Opus and FLAC to MP4). None where there is no such word, or where
    /// not enough is known of the stream: outside MP4 and Matroska it needs
    /// [`Media::probe`](crate::Media::probe). Entries of Dolby Vision have its profile and level, such as
    /// `dvh1.05.06`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub codec_string: Option<String>,
    /// Pixels, before rotation.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub width: Option<u32>,
    /// Pixels, before rotation.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub height: Option<u32>,
    /// By libav's name, such as `yuv420p`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pixel_format: Option<String>,
    /// Frames a second, on average.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub frame_rate: Option<Rational>,
    /// A pixel's width by its height.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sample_aspect_ratio: Option<Rational>,
    /// Degrees that a player turns the picture by, counter-clockwise (av_display_rotation_get).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rotation: Option<f64>,
    /// How its numbers mean colours.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub color: Option<Color>,
    /// Hertz.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sample_rate: Option<u32>,
    /// By libav's name, such as `fltp`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sample_format: Option<String>,
    /// How many.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub channels: Option<u32>,
    /// By libav's name, such as `stereo` or `5.1`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub channel_layout: Option<String>,
    /// As the container has it, mostly ISO 639-2.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub language: Option<String>,
    /// The set flags by libav's names, such as `default`, `forced`, `attached_pic`.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub disposition: Vec<String>,
    /// Bits a second.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub bit_rate: Option<u64>,
    /// When it is first shown.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub start_time: Option<Timestamp>,
    /// How long it is shown.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[serde(with = "crate::time::seconds_or_none")]
    pub duration: Option<Duration>,
    /// Frames, where the container counts them.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub frames: Option<u64>,
    /// When its keyframes are shown, for video; filled by [`Media::probe`](crate::Media::probe).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub keyframes: Option<Vec<Timestamp>>,
    /// What else the container says about it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub metadata: BTreeMap<String, String>,
}

/// How a picture's numbers mean colours, by libav's names (ITU-T H.273).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Color {
    /// `tv` or `pc`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub range: Option<String>,
    /// Such as `bt709`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub primaries: Option<String>,
    /// Such as `smpte2084`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transfer: Option<String>,
    /// Such as `bt709`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub space: Option<String>,
}

/// A chapter, on the presentation clock.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Chapter {
    /// Its first instant.
    pub start: Timestamp,
    /// The first instant after it.
    pub end: Timestamp,
    /// Its title, if it has one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub title: Option<String>,
}

impl StreamInfo {
    pub(super) fn of(index: usize, stream: &Stream) -> Self {
        let [range, primaries, transfer, space] = stream.color().map(|(_, name)| name);
        let color = Color { range, primaries, transfer, space };
        let video = stream.kind() == StreamKind::Video;
        let (width, height) = stream.size().unzip();
        let metadata: BTreeMap<_, _> = stream.metadata.iter().cloned().collect();
        Self {
            index,
            kind: stream.kind(),
            codec: stream.codec(),
            profile: stream.profile(),
            level: stream.level(),
            tag: stream.tag(),
            codec_string: codec_string(stream),
            width: width.filter(|_| video),
            height: height.filter(|_| video),
            pixel_format: stream.pixel_format(),
            frame_rate: stream.frame_rate().filter(|_| video && !stream.is_picture()),
            sample_aspect_ratio: stream.aspect().filter(|_| video),
            rotation: stream.rotation(),
            color: (video && color != Color::default()).then_some(color),
            sample_rate: stream.sample_rate(),
            sample_format: stream.sample_format(),
            channels: stream.channels(),
            channel_layout: stream.channel_layout(),
            language: metadata.get("language").filter(|language| *language != "und").cloned(),
            disposition: stream.dispositions(),
            bit_rate: stream.bit_rate(),
            start_time: None,
            duration: None,
            frames: Some(stream.frames()).filter(|frames| *frames > 0),
            keyframes: None,
            metadata,
        }
    }
}
