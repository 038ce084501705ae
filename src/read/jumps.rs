//! Timestamps that break off and begin anew: recordings of several pieces, and clocks that wrap around.

use crate::{
    av::{
        packet::Packet,
        stream::{Stream, StreamKind},
    },
    time::{Rational, Timestamp, convert},
};

/// Timestamps that go forward by more than this, or back by more than that, are a break in the source's clock
/// (ffmpeg's dts_delta_threshold, and its tenth of a second).
pub(super) const JUMP: Timestamp = Timestamp::from_nanos(10_000_000_000);
const BACK: Timestamp = Timestamp::from_nanos(-100_000_000);

/// What a report says of a jump that was bridged.
pub(crate) fn jumped(stream: usize) -> String {
    format!("stream {stream}: its timestamps jump; they were made to go on")
}

/// Makes timestamps that jump go on (ffmpeg's ts_discontinuity_process). All streams jump by as much.
pub(crate) struct Jumps {
    /// A jump in front of this is left as it is: a range is addressed on the source's own clock.
    from: Timestamp,
    sum: Timestamp,
    /// When a stream's next packet is due, by the stream's index.
    due: Vec<Option<Timestamp>>,
}

impl Jumps {
    pub(crate) fn from(from: Timestamp) -> Self {
        Self { from, sum: Timestamp::ZERO, due: Vec::new() }
    }

    /// Moves a packet to where it goes on. True if a jump was bridged here.
    pub(crate) fn bridge(&mut self, packet: &mut Packet, stream: &Stream) -> bool {
        let base = stream.time_base();
        let index = packet.stream();
        let Some(dts) =
            packet.dts().filter(|_| matches!(stream.kind(), StreamKind::Video | StreamKind::Audio))
        else {
            packet.shift(self.sum.ticks(base));
            return false;
        };
        let at = Timestamp::from_ticks(dts, base);
        if self.due.len() <= index {
            self.due.resize(index.saturating_add(1), None);
        }
        let mut jumped = false;
        if let Some(due) = self.due.get(index).copied().flatten() {
            let delta = at.plus(self.sum).minus(due);
            let in_front = due < self.from && self.sum == Timestamp::ZERO;
            if !in_front && (delta > JUMP || delta < BACK) {
                self.sum = self.sum.minus(delta);
                jumped = true;
            }
        }
        packet.shift(self.sum.ticks(base));
        let one =
            |rate: Rational| Rational::new(rate.den, rate.num).map_or(1, |frame| convert(1, frame, base));
        let lasts =
            Some(packet.duration()).filter(|d| *d > 0).or_else(|| stream.frame_rate().map(one)).unwrap_or(1);
        if let Some(due) = self.due.get_mut(index) {
            *due = Some(at.plus(self.sum).plus(Timestamp::from_ticks(lasts, base)));
        }
        jumped
    }
}
