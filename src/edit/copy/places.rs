//! When a packet is shown on the output's clock.

use super::Copy;
use crate::{
    av::{packet::Packet, stream::StreamKind},
    edit::lane::{Passes, Seam},
    time::Timestamp,
};

impl Copy<'_, '_> {
    /// On a track with an edit list: right behind the one before it, whatever the source's clock says.
    pub(super) fn place_in_run(&mut self, index: usize, packet: &mut Packet, passes: Passes) {
        let Some(lane) = self.lanes.get_mut(index) else { return };
        let Some(track) = self.session.target.tracks.get_mut(lane.track) else { return };
        if let (1, Some(time), Some(span)) = (lane.written, passes.time, lane.spans.first_mut())
            && time > span.media
        {
            // Nothing is there to show before the first packet.
            let begins = span.shown_at(time, lane.base);
            span.begin_at(begins, lane.base);
            track.clock.stretch_to(begins.plus(self.shift), Timestamp::ZERO);
        }
        track.clock.place_behind(packet, lane.base);
    }

    /// On a track without: by its own time.
    pub(super) fn place_by_time(&mut self, index: usize, packet: &mut Packet, passes: Passes) {
        let Some(lane) = self.lanes.get_mut(index) else { return };
        let Some(track) = self.session.target.tracks.get_mut(lane.track) else { return };
        let shift = self.shift.plus(lane.offset_at(passes.time));
        if lane.kind == StreamKind::Audio && lane.written == 1 {
            let own = Timestamp::from_ticks(passes.time.unwrap_or(0), lane.base).plus(shift);
            let seam =
                Seam { at: self.session.placed, sound_runs_on: self.sound_runs_on, is_last: self.part.last };
            lane.meet(track, own, packet.duration(), seam);
        }
        track.clock.place_at(packet, lane.base, shift.plus(lane.later).plus(track.later));
        if index == 0 {
            self.go_on_with_picture(passes);
        }
    }
}
