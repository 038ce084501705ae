//! Frames of AC-3 that packets of MPEG's streams are cut within. The time of such a packet is that of the first frame
//! that begins in it (ISO/IEC 13818-1, 2.4.3.7), and libav's parser may give it to the one before: behind a seek to a
//! piece without a beginning, so that all whole frames up to the next packet come one frame late; and to a frame of
//! which no more than a few bytes lie in the packet before, so that two frames have one time.

use crate::av::packet::Packet;

/// How frames begin (ETSI TS 102 366, 4.4.1.1).
const SYNC: [u8; 2] = [0x0B, 0x77];
/// How what stands in front of a picture's slices begins (ISO/IEC 13818-2, 6.2.1).
const START: [u8; 3] = [0, 0, 1];
/// What times in ticks are rounded by.
const ROUNDING: u64 = 2;

/// One such stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Torn {
    pub stream: usize,
    is_sound: bool,
    /// Nothing has come since a seek.
    starts: bool,
    /// What came is behind a piece, in the same packet of the container.
    is_behind: bool,
    /// When the last frame ends, as libav has it.
    due: Option<i64>,
}

impl Torn {
    /// None for streams that are not cut so.
    pub(super) fn of(index: usize, demuxer: &str, codec: &str) -> Option<Self> {
        let is_sound = match codec {
            "ac3" | "eac3" => true,
            "mpeg1video" | "mpeg2video" => false,
            _ => return None,
        };
        let is_cut = matches!(demuxer, "mpeg" | "mpegts");
        is_cut.then_some(Self { stream: index, is_sound, starts: true, is_behind: false, due: None })
    }

    pub(super) fn restart(&mut self) {
        (self.starts, self.is_behind, self.due) = (true, false, None);
    }

    /// Puts a packet right. False: it is no more than a piece of a frame.
    pub(super) fn mend(&mut self, packet: &mut Packet) -> bool {
        let is_first = std::mem::take(&mut self.starts);
        if self.is_sound {
            return self.mend_sound(packet, is_first);
        }
        let mut places = packet.data().windows(START.len());
        if let Some(piece) = places.position(|at| at == START).filter(|piece| is_first && *piece > 0) {
            packet.keep(piece, packet.size());
        }
        true
    }

    fn mend_sound(&mut self, packet: &mut Packet, is_first: bool) -> bool {
        if is_first && !packet.data().starts_with(&SYNC) {
            self.is_behind = true;
            return false;
        }
        // The first frame that begins in a packet of the container is told its place.
        let is_told = packet.pos().is_some();
        self.is_behind &= !is_told;
        let (Some((pts, dts)), lasts) = (packet.pts().zip(packet.dts()), packet.duration()) else {
            return true;
        };
        let late = self.due.map(|due| pts.saturating_sub(due).saturating_sub(lasts));
        let is_next = is_told && late.is_some_and(|late| late.unsigned_abs() <= ROUNDING);
        let by = if self.is_behind || is_next { lasts } else { 0 };
        if by > 0 {
            packet.set_times(pts.saturating_sub(by), dts.saturating_sub(by), lasts);
        }
        // By libav's own time: what is one frame late may be what is behind a frame that was lost, and those behind it
        // are where they belong.
        self.due = Some(pts.saturating_add(lasts));
        true
    }
}
