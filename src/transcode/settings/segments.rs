//! [`Segments`]: a result in many files, a playlist that names the others.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A result in segments, for players that fetch them one by one: HLS or DASH.
///
/// ```
/// use avrope::segments::{SegmentType, Segments};
/// use std::time::Duration;
/// let settings = Segments::hls().segment_type(SegmentType::Fmp4).duration(Duration::from_secs(4)).playlist("talk.m3u8");
/// # let _ = settings;
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Segments {
    pub(crate) protocol: Protocol,
    #[serde(default, with = "crate::time::seconds_or_none")]
    duration: Option<Duration>,
    #[serde(default)]
    pub(crate) segment_type: SegmentType,
    #[serde(default)]
    pub(crate) playlist: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Protocol {
    Hls,
    Dash,
}

/// What the segments of an HLS playlist are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum SegmentType {
    /// MPEG transport streams.
    #[default]
    MpegTs,
    /// Fragments of an MP4, whose header is a file of its own.
    Fmp4,
}

impl Segments {
    /// An HLS playlist (`index.m3u8`) of a finished media, in segments of 6 seconds.
    pub fn hls() -> Self {
        Self { protocol: Protocol::Hls, duration: None, segment_type: SegmentType::MpegTs, playlist: None }
    }

    /// A DASH manifest (`manifest.mpd`) with fragments of MP4, of 4 seconds each, in files for each stream.
    pub fn dash() -> Self {
        Self { protocol: Protocol::Dash, ..Self::hls() }
    }

    /// From the start of one segment to that of the next: half a second to an hour.
    #[must_use]
    pub fn duration(mut self, duration: Duration) -> Self {
        self.duration = Some(duration);
        self
    }

    /// What the segments of HLS are; those of DASH are fragments of MP4.
    #[must_use]
    pub fn segment_type(mut self, segment_type: SegmentType) -> Self {
        self.segment_type = segment_type;
        self
    }

    /// The playlist's or manifest's name: letters, digits, `.`, `-` and `_`.
    #[must_use]
    pub fn playlist(mut self, name: impl Into<String>) -> Self {
        self.playlist = Some(name.into());
        self
    }

    pub(crate) fn seconds(&self) -> f64 {
        self.duration.map(|duration| duration.as_secs_f64()).unwrap_or(if self.protocol == Protocol::Hls {
            6.0
        } else {
            4.0
        })
    }

    /// The container of each segment.
    pub(crate) fn format(&self) -> &'static str {
        match (self.protocol, self.segment_type) {
            (Protocol::Hls, SegmentType::MpegTs) => "mpegts",
            _ => "mp4",
        }
    }
}
