//! PCM is cut at its samples: a packet of it is of any length.

use super::Copy;
use crate::{
    av::stream::Stream,
    edit::lane::Lane,
    media::Item,
    time::{Rational, convert},
};

/// Whether a stream's bytes are its samples, one behind the other, in frames of all channels.
pub(crate) fn is_pcm(stream: &Stream) -> bool {
    let codec = stream.codec();
    let plain = codec.starts_with("pcm_") && !codec.ends_with("_planar");
    // These have headers in each packet, or samples in groups.
    plain && !["pcm_bluray", "pcm_dvd", "pcm_lxf", "pcm_zork"].contains(&codec.as_str())
}

impl Copy<'_, '_> {
    /// Leaves out of a packet what lies outside of the range, where no edit list of its own hides it and there is sound
    /// alone, or sound beside pictures is to be exact.
    pub(super) fn cut_samples(&self, item: &mut Item) {
        let packet = &mut item.packet;
        let lane = self.lanes.iter().find(|lane| lane.pcm && lane.stream == packet.stream());
        let is_cut = self.part.lossless_exact || self.is_as_long_as_heard();
        let by_list = |lane: &&Lane| self.session.target.has_edit_lists() && !lane.cuts_samples;
        let Some(lane) = lane.filter(|lane| is_cut && !by_list(lane)) else { return };
        let stream = self.media.streams().get(lane.stream);
        let told = stream.and_then(|stream| {
            let rate = i32::try_from(stream.sample_rate()?).ok()?;
            Some((stream.samples_in(packet.size())?, Rational::new(1, rate)?))
        });
        let Some(((samples, tick), begin)) = told.zip(packet.pts().or(packet.dts())) else { return };
        let end = begin.saturating_add(convert(samples, tick, lane.base));
        let out = |ticks: i64| convert(ticks.max(0), lane.base, tick).min(samples);
        let head = if lane.keep_from > begin { out(lane.keep_from.saturating_sub(begin)) } else { 0 };
        let tail = if lane.until < end { out(end.saturating_sub(lane.until)) } else { 0 };
        let kept = samples.saturating_sub(head).saturating_sub(tail);
        let (Ok(count), Ok(from), Ok(len)) =
            (usize::try_from(samples), usize::try_from(head), usize::try_from(kept))
        else {
            return;
        };
        let bytes =
            packet.size().checked_div(count).filter(|bytes| bytes.saturating_mul(count) == packet.size());
        let Some(bytes) = bytes.filter(|_| head.saturating_add(tail) > 0 && len > 0) else { return };
        packet.keep(from.saturating_mul(bytes), len.saturating_mul(bytes));
        let begin = begin.saturating_add(convert(head, tick, lane.base));
        packet.set_times(begin, begin, convert(kept, tick, lane.base));
        item.at = item.at.map(|at| at.saturating_add(from.saturating_mul(bytes) as u64));
    }
}
