//! A target size: what is left of it for the video when the sound has taken its part.

use super::Plan;
use crate::{
    Error, Result, Timestamp,
    av::stream::{Stream, StreamKind},
    transcode::{
        encoders::options,
        flow::pipeline::{Lane, Way},
    },
};

/// Of a size, what is the streams' own; the rest is the container's.
const STREAMS: f64 = 0.99;
/// Less than this for a second of video is no picture.
const LEAST: f64 = 10_000.0;

impl Plan<'_> {
    /// Gives the video lanes that are encoded the bit rate that the others leave them.
    pub(crate) fn divide(&self, size: u64, lanes: &mut [Lane<'_>]) -> Result<()> {
        let seconds = self.length.or(self.media.length()).map(Timestamp::secs).filter(|s| *s > 0.0);
        let Some(seconds) = seconds else {
            return Err(Error::unsupported("a target size needs a source whose length is known"));
        };
        let seconds = seconds / self.settings.speed.unwrap_or(1.0);
        let covers = |lane: &Lane<'_>| lane.source.picture.as_ref().map_or(0.0, |p| p.size() as f64);
        let covers: f64 = lanes.iter().map(covers).sum();
        let taken: f64 = lanes.iter().map(|lane| self.taken(lane)).sum::<f64>() + covers * 8.0 / seconds;
        let is_video = |lane: &&mut Lane<'_>| {
            lane.source.kind() == StreamKind::Video && matches!(lane.way, Way::Encode(_))
        };
        let videos = lanes.iter_mut().filter(is_video).count() as f64;
        if videos == 0.0 {
            // A warning says that the target size has no effect (unused.rs).
            return Ok(());
        }
        let left = (size as f64 * 8.0 * STREAMS / seconds - taken) / videos;
        if left < LEAST {
            let least = ((LEAST * videos + taken) * seconds / 8.0 / STREAMS).ceil() as u64;
            let message = format!(
                "{size} bytes are too few for {seconds:.1} s: what is no encoded video takes {:.0} of them",
                (taken * seconds / 8.0).ceil()
            );
            let advice = format!(
                "raise the target size to {} at the least, or lower the bit rate of the sound",
                least.saturating_add(1)
            );
            return Err(Error::invalid(message).with_setting("target_size").advise(advice));
        }
        for lane in lanes.iter_mut().filter(|lane| lane.source.kind() == StreamKind::Video) {
            if let Way::Encode(encode) = &mut lane.way {
                encode.1.bit_rate = Some(left as u64);
            }
        }
        Ok(())
    }

    /// The bits a second of what is no video, or is video that is copied.
    fn taken(&self, lane: &Lane<'_>) -> f64 {
        let is_sound = lane.source.kind() == StreamKind::Audio;
        let rate = match &lane.way {
            Way::Encode(encode) if is_sound => options::audio_rate(self.settings, encode.1.kind, lane.source),
            Way::Copy | Way::Strip(_) if is_sound => copied(lane.source).unwrap_or(128_000),
            Way::Copy if !lane.source.is_picture() => copied(lane.source).unwrap_or(0),
            _ => 0,
        };
        rate as f64
    }
}

/// What a stream says of its bit rate; Matroska's statistics say it as a tag.
fn copied(source: &Stream) -> Option<u64> {
    let tag = || {
        let bps = |(key, _): &&(String, String)| key == "BPS" || key.starts_with("BPS-");
        source.metadata.iter().find(bps)?.1.parse().ok()
    };
    source.bit_rate().or_else(tag)
}
