//! Sound in AVI that has no times of its own. The chunks of a stream follow each other without a gap, and libav tells their
//! times from the block size in the header: where muxers write anything there, as for codecs that AVI was not made for, a
//! second of sound may be told to last three minutes.

use crate::av::packet::Packet;

/// Codecs for which the block size is what it should be: blocks of samples, or at least as long as any frame.
const HONEST: [&str; 8] = ["pcm_", "adpcm_", "mp2", "mp3", "ac3", "aac", "wma", "gsm"];

/// The clock of one such stream: its packets are counted, by what they last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counted {
    pub stream: usize,
    /// When the next packet begins, in ticks; None in front of the first, whose time is the header's.
    next: Option<i64>,
}

impl Counted {
    /// For a stream of an AVI; None where its times can be believed.
    pub(super) fn new(stream: usize, codec: &str) -> Option<Self> {
        (!HONEST.iter().any(|honest| codec.starts_with(honest))).then_some(Self { stream, next: None })
    }

    /// From the first packet on again.
    pub(super) fn restart(&mut self) {
        self.next = None;
    }

    /// Puts the next packet where it belongs. One that does not say how long it is lasts one tick, as the header's rate is
    /// that of packets.
    pub(super) fn place(&mut self, packet: &mut Packet) {
        let length = packet.duration().max(1);
        let at = self.next.or(packet.dts()).unwrap_or(0);
        packet.set_times(at, at, length);
        self.next = Some(at.saturating_add(length));
    }
}
