//! What a part begins with: a lane for each stream, and covers.

use super::{Copy, Feed, samples};
use crate::{
    Result,
    av::stream::StreamKind,
    edit::lane::{Begins, Lane, frame_ticks},
    time::Timestamp,
};

impl Copy<'_, '_> {
    /// The primary stream's lane goes first.
    pub(super) fn open_lanes(&mut self, feeds: &[Feed], primary: usize, from: Timestamp, to: Timestamp) {
        for &Feed { stream, track } in feeds {
            if self.is_picture(stream) {
                continue;
            }
            let (Some(s), Some(timeline)) = (self.media.streams().get(stream), self.media.timeline(stream))
            else {
                continue;
            };
            let spans = timeline.clip(from, to);
            let until = spans.iter().map(|span| span.media_at(span.shown_end(), timeline.base)).max();
            let fresh = self.session.target.tracks.iter().all(|track| track.packets == 0);
            let alone = stream == primary && s.kind() == StreamKind::Audio && self.part.last && fresh;
            let is_exact = self.part.lossless_exact && s.is_lossless();
            let lane = Lane {
                whole_frames: self.part.whole_frames && s.kind() == StreamKind::Audio && !is_exact,
                stream,
                track,
                kind: s.kind(),
                base: timeline.base,
                until: until.unwrap_or(i64::MIN),
                done: spans.is_empty(),
                spans,
                offsets: Vec::new(),
                keep_from: i64::MIN,
                held: Vec::new(),
                seen_end: None,
                typical: s.frame_rate().map_or(1, |rate| frame_ticks(rate, timeline.base)),
                last_dts: None,
                flagged: false,
                early: 0,
                leading_before: None,
                written: 0,
                keyless: 0,
                beyond: 0,
                in_ac3_frames: self.session.target.muxer.looks_into_ac3() && s.is_ac3(),
                primes: false,
                begins: Begins::Timed,
                trims: false,
                later: Timestamp::ZERO,
                long: i64::MAX,
                waits: false,
                pcm: samples::is_pcm(s),
                cuts_samples: is_exact && self.part.whole_frames && samples::is_pcm(s),
                goes_on: false,
                frame: s.sound_frame(),
                ends_with_packet: false,
                alone,
                left_out_first: 0,
                left_out_last: 0,
            };
            if stream == primary { self.lanes.insert(0, lane) } else { self.lanes.push(lane) }
        }
    }

    /// The part begins on the tracks' clocks.
    pub(super) fn begin_clocks(&mut self) {
        let trims = self.part.last && self.session.target.trims_ends();
        for lane in &self.lanes {
            if let Some(track) = self.session.target.tracks.get_mut(lane.track) {
                // Sound ends between two of its frames; what that is off is made up for at this seam.
                let slack = if lane.whole_frames { track.clock.half_frame() } else { Timestamp::ZERO };
                // What begins later than the part does is shown then.
                let begins =
                    lane.spans.first().map_or(self.session.placed, |span| span.shown.plus(self.shift));
                track.clock.stretch_to(begins.max(self.session.placed), slack);
                let framed = self.media.streams().get(lane.stream).is_some_and(|s| s.has_equal_frames());
                let near = Timestamp::from_nanos(500_000_000).ticks(lane.base);
                let first = lane.spans.first().map_or(i64::MIN, |span| span.media.saturating_sub(near));
                let borders = (first, lane.until.saturating_add(near));
                track.clock.begin_part(lane.whole_frames && framed && !trims, borders);
            }
        }
    }

    /// A cover goes into the output once, in front of everything.
    pub(super) fn write_pictures(&mut self, feeds: &[Feed]) -> Result<()> {
        for &Feed { stream, track } in feeds {
            let picture = self.media.streams().get(stream).and_then(|s| s.picture.as_ref());
            let fresh = self.session.target.tracks.get(track).is_some_and(|track| track.packets == 0);
            if let Some(picture) = picture.filter(|_| fresh) {
                self.session.target.write_cover(track, picture, self.session.report)?;
            }
        }
        Ok(())
    }
}
