//! What a source states wrongly of decoding: when a picture is decoded (behind the time that it is shown at),
//! and that it can begin nowhere.

use super::Copy;
use crate::{
    Media, Result,
    av::{packet::Packet, stream::StreamKind},
    edit::lane::Lane,
    media::begins_decoding,
    read::Reader,
    time::Timestamp,
};

/// Pictures that are looked at: more than any codec keeps back.
const PICTURES: usize = 32;

impl Copy<'_, '_> {
    /// Nothing is shown before it is decoded, so pictures would be shown later than they should. Where the
    /// first one's dts leaves no room for those that its codec keeps back, some are read ahead, and all dts
    /// of the stream move by what they are late.
    pub(super) fn correct_dts(&mut self, reader: &mut Reader) -> Result<()> {
        if self.media.is_edited() {
            return Ok(());
        }
        for i in 0..self.lanes.len() {
            let Some(lane) = self.lanes.get(i).filter(|lane| lane.kind == StreamKind::Video) else {
                continue;
            };
            let delay = self.media.streams().get(lane.stream).map_or(0, crate::av::stream::Stream::delay);
            let (stream, room) = (lane.stream, delay.saturating_mul(lane.typical));
            if room == 0 || !read_ahead(reader, stream, 1)? {
                continue;
            }
            // By how much a dts lies behind its pts.
            let late = |packet: &Packet| Some(packet.dts()?.saturating_sub(packet.pts()?));
            let first = reader.ahead().find(|packet| packet.stream() == stream).and_then(late);
            // Ticks round.
            if first.is_none_or(|late| late.saturating_neg() >= room.saturating_sub(room / 4)) {
                continue;
            }
            read_ahead(reader, stream, PICTURES)?;
            let own = reader.ahead().filter(|packet| packet.stream() == stream);
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
}

/// Reads on until so many packets of a stream are read ahead; false if there are none.
fn read_ahead(reader: &mut Reader, stream: usize, count: usize) -> Result<bool> {
    let mut found = reader.ahead().filter(|packet| packet.stream() == stream).count();
    while found < count
        && let Some(packet) = reader.look_further("the picture")?
    {
        found = found.saturating_add(usize::from(packet.stream() == stream));
    }
    Ok(found > 0)
}

/// Flags a picture that decoding can begin at, as long as the source flags none: MP4 says of a track without
/// a key that all of its pictures are.
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
