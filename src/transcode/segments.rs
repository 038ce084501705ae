//! [`Segments`]: a result in many files, a playlist that names the others.

use crate::{Error, Rational, Result, Timestamp, output::target::FilesPlan};
use serde::{Deserialize, Serialize};

/// A result in segments, for players that fetch them one by one: HLS or DASH.
///
/// ```
/// use avrope::{SegmentType, Segments};
/// let settings = Segments::hls().segment_type(SegmentType::Fmp4).duration(4.0).playlist("talk.m3u8");
/// # let _ = settings;
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Segments {
    protocol: Protocol,
    #[serde(default)]
    duration: Option<f64>,
    #[serde(default)]
    segment_type: SegmentType,
    #[serde(default)]
    playlist: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Protocol {
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

    /// Seconds from the start of one segment to the next: 0.5 to 3600.
    #[must_use]
    pub fn duration(mut self, seconds: f64) -> Self {
        self.duration = Some(seconds);
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

    fn seconds(&self) -> f64 {
        self.duration.unwrap_or(if self.protocol == Protocol::Hls { 6.0 } else { 4.0 })
    }

    /// The container of each segment.
    pub(super) fn format(&self) -> &'static str {
        match (self.protocol, self.segment_type) {
            (Protocol::Hls, SegmentType::MpegTs) => "mpegts",
            _ => "mp4",
        }
    }

    /// What libav's muxer is told. Borders lie on the first picture at or behind their time, so that a segment may be
    /// shorter than asked by a picture's duration: `rate` says how long that is.
    pub(super) fn plan(&self, rate: Option<Rational>) -> Result<FilesPlan> {
        let seconds = self.seconds();
        if !(0.5..=3600.0).contains(&seconds) {
            return Err(Error::invalid(format!("segments of {seconds} s: expected 0.5 to 3600")));
        }
        let step = Timestamp::from_secs(seconds)?;
        let default = if self.protocol == Protocol::Hls { "index.m3u8" } else { "manifest.mpd" };
        let name = self.playlist.clone().unwrap_or_else(|| default.into());
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if !name.starts_with(|c: char| c.is_ascii_alphanumeric())
            || !name.chars().all(plain)
            || name.len() > 200
        {
            return Err(Error::invalid(format!("{name:?} is no name for a playlist"))
                .advise("use letters, digits, '.', '-' and '_', and no folder"));
        }
        let mut options: Vec<(String, String)> = Vec::new();
        let mut set = |key: &str, value: String| options.push((key.into(), value));
        match self.protocol {
            Protocol::Hls => {
                let stem = name.rsplit_once('.').map_or(name.as_str(), |(stem, _)| stem).to_owned();
                // Borders are counted from the first packet, whose time is rounded.
                set("hls_time", format!("{:.6}", seconds - 0.001));
                set("hls_list_size", "0".into());
                set("hls_playlist_type", "vod".into());
                set("hls_flags", "independent_segments".into());
                let (kind, ending) = match self.segment_type {
                    SegmentType::MpegTs => ("mpegts", "ts"),
                    SegmentType::Fmp4 => ("fmp4", "m4s"),
                };
                set("hls_segment_type", kind.into());
                set("hls_segment_filename", format!("avrope:/{stem}-%05d.{ending}"));
                set("hls_fmp4_init_filename", format!("{stem}-init.mp4"));
                Ok(FilesPlan { muxer: c"hls", name, step, options })
            }
            Protocol::Dash => {
                // Each border is counted from the one before.
                let frame = rate.map_or(0.04, |rate| 1.0 / rate.value()).clamp(0.0, seconds / 4.0);
                set("seg_duration", format!("{:.6}", seconds - frame - 0.001));
                set("dash_segment_type", "mp4".into());
                Ok(FilesPlan { muxer: c"dash", name, step, options })
            }
        }
    }
}
