//! Segments as libav's muxers are told of them.

use crate::{
    Error, Result, Timestamp,
    output::target::FilesPlan,
    time::Rational,
    transcode::settings::{SegmentType, Segments, segments::Protocol},
};

impl Segments {
    /// What libav's muxer is told. Borders lie on the first picture at or behind their time, so that a
    /// segment may be shorter than asked by a picture's duration: `rate` says how long that is.
    pub(crate) fn plan(&self, rate: Option<Rational>) -> Result<FilesPlan> {
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
