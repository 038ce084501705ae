//! What a source states wrongly of decoding: when a picture is decoded (behind the time that it is shown at), and that it
//! can begin nowhere.

use super::{Copy, LeadIn};
use crate::{
    Limits, Media, Result,
    av::{packet::Packet, stream::StreamKind},
    edit::lane::Lane,
    media::{Demux, begins_decoding},
    time::Timestamp,
};

/// Pictures that are looked at: more than any codec keeps back.
const PICTURES: usize = 32;

impl Copy<'_, '_> {
    /// Nothing is shown before it is decoded, so pictures would be shown later than they should. Where the first one's
    /// dts leaves no room for those that its codec keeps back, some are read ahead, and all dts of the stream move by
    /// what they are late.
    pub(super) fn correct_dts(&mut self, demux: &mut Demux, lead: &mut LeadIn) -> Result<()> {
        if self.media.is_edited() {
            return Ok(());
        }
        for i in 0..self.lanes.len() {
            let Some(lane) = self.lanes.get(i).filter(|lane| lane.kind == StreamKind::Video) else {
                continue;
            };
            let delay = self.media.streams().get(lane.stream).map_or(0, crate::av::stream::Stream::delay);
            let (stream, room) = (lane.stream, delay.saturating_mul(lane.typical));
            if room == 0 || !self.read_ahead(demux, lead, (stream, 1))? {
                continue;
            }
            // By how much a dts lies behind its pts.
            let late = |(packet, _): &(Packet, _)| Some(packet.dts()?.saturating_sub(packet.pts()?));
            let mut own = lead.packets.iter().filter(|(packet, _)| packet.stream() == stream);
            let first = own.next().and_then(late);
            // Ticks round.
            if first.is_none_or(|late| late.saturating_neg() >= room.saturating_sub(room / 4)) {
                continue;
            }
            self.read_ahead(demux, lead, (stream, PICTURES))?;
            let own = lead.packets.iter().filter(|(packet, _)| packet.stream() == stream);
            let most = own.filter_map(late).max().unwrap_or(0);
            // More is no reordering, but a clock that jumps.
            if let Some(lane) = self.lanes.get_mut(i).filter(|_| (1..=room.saturating_mul(2)).contains(&most))
            {
                lane.early = most;
                let by = Timestamp::from_ticks(most, lane.base);
                self.session.report.warn(format!(
                    "stream {stream}: its dts lie up to {by} behind its pts; they were moved back by that"
                ));
            }
        }
        Ok(())
    }

    /// Reads on until a lead-in has so many packets of a stream; false if there are none.
    fn read_ahead(
        &self,
        demux: &mut Demux,
        lead: &mut LeadIn,
        (stream, count): (usize, usize),
    ) -> Result<bool> {
        let is_own = |packet: &Packet| packet.stream() == stream;
        let mut found = lead.packets.iter().filter(|(packet, _)| is_own(packet)).count();
        let mut held: u64 = 0;
        while found < count {
            self.session.control.check()?;
            let mut packet = Packet::new()?;
            let Some(origin) = demux.read(&mut packet)? else { break };
            held = held.saturating_add(packet.size() as u64);
            let most = self.session.control.limit().memory;
            Limits::hold(held, most, "memory", || {
                format!("pictures begin so far behind the sound that more than {most} bytes would be held")
            })?;
            found = found.saturating_add(usize::from(is_own(&packet)));
            lead.packets.push((packet, origin));
        }
        Ok(found > 0)
    }
}

/// Flags a picture that decoding can begin at, as long as the source flags none: MP4 says of a track without a key that
/// all of its pictures are.
pub(super) fn flag_key(lane: &mut Lane, media: &Media, packet: &mut Packet) {
    if lane.flagged || lane.kind != StreamKind::Video || media.is_edited() {
        return;
    }
    lane.flagged = packet.is_key();
    let stream = media.streams().get(lane.stream).filter(|_| !lane.flagged);
    if stream.is_some_and(|stream| begins_decoding(stream, packet.data()) == Some(true)) {
        packet.set_key(true);
    }
}

/// Moves a packet's dts.
pub(super) fn decode_early(lane: &Lane, packet: &mut Packet) {
    if let (1.., Some(pts), Some(dts)) = (lane.early, packet.pts(), packet.dts()) {
        let duration = packet.duration();
        packet.set_times(pts, dts.saturating_sub(lane.early), duration);
    }
}
