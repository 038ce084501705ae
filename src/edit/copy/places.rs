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
            && !lane.goes_on
        {
            // Nothing is there to show before the first packet.
            let begins = span.shown_at(time, lane.base);
            span.begin_at(begins, lane.base);
            track.clock.stretch_to(begins.plus(self.shift), Timestamp::ZERO);
        }
        track.clock.place_behind(packet, lane.base);
    }

    /// From a packet's own clock to that of the output, on a track without an edit list.
    pub(super) fn shift_by_time(&mut self, index: usize, packet: &Packet, passes: Passes) -> Timestamp {
        let keeps_its_end = !self.part.last && !self.is_as_long_as_heard();
        let Some(lane) = self.lanes.get_mut(index) else { return self.shift };
        let Some(track) = self.session.target.tracks.get(lane.track) else { return self.shift };
        let shift = self.shift.plus(lane.offset_at(passes.time));
        if lane.kind == StreamKind::Audio && lane.written == 1 {
            let own = Timestamp::from_ticks(passes.time.unwrap_or(0), lane.base).plus(shift);
            let seam = Seam { at: self.session.placed, sound_runs_on: self.sound_runs_on, keeps_its_end };
            let packets = i64::try_from(track.packets).unwrap_or(i64::MAX);
            let begun = self.session.grids.get(&lane.track).copied();
            // Rounded once, and not at every seam.
            let counted =
                begun.zip(lane.frame).map(|(begun, frame)| begun.plus(Timestamp::from_ticks(packets, frame)));
            let tick = |base| Timestamp::from_ticks(2, base);
            let rounding = tick(lane.base).max(tick(track.clock.base()));
            let is_rounded = |end: &Timestamp| end.minus(track.end()).nanos().abs() <= rounding.nanos();
            let end = counted.filter(is_rounded).unwrap_or_else(|| track.end());
            if lane.goes_on && counted.is_some() {
                lane.later = end.minus(own);
            } else {
                lane.meet(track, own, packet.duration(), seam, end);
            }
            let begins = own.plus(lane.later);
            if let Some(frame) = lane.frame.filter(|_| counted != Some(begins)) {
                // From here on anew: as if it had begun with packets as long.
                let begun = begins.minus(Timestamp::from_ticks(packets, frame));
                self.session.grids.insert(lane.track, begun);
            }
        }
        shift.plus(lane.later).plus(track.later)
    }

    /// By its own time, there.
    pub(super) fn place_by_time(
        &mut self,
        index: usize,
        packet: &mut Packet,
        passes: Passes,
        shift: Timestamp,
    ) {
        let Some(lane) = self.lanes.get(index) else { return };
        let Some(track) = self.session.target.tracks.get_mut(lane.track) else { return };
        track.clock.place_at(packet, lane.base, shift);
        if index == 0 {
            self.go_on_with_picture(passes);
        }
    }
}
