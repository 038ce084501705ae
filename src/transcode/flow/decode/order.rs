//! When pictures are shown whose source does not say it: AVI counts its packets in the order that they are
//! decoded in, and libav makes of that what its parsers know. The first picture that is shown has the first
//! packet's place, and so on.

use crate::{Frame, av::packet::Packet};
use std::collections::VecDeque;

/// Packets that are remembered: more than any decoder holds back, with all of its threads.
const KEPT: usize = 256;

/// Gives pictures the times of packets.
pub(crate) struct Order {
    /// Ticks of a picture.
    step: i64,
    /// The times of the packets that the decoder was given last.
    sent: VecDeque<i64>,
    last: Option<i64>,
}

impl Order {
    pub(crate) fn new(step: i64) -> Self {
        Self { step, sent: VecDeque::new(), last: None }
    }

    pub(crate) fn note(&mut self, packet: &Packet) {
        if self.sent.len() >= KEPT {
            self.sent.pop_front();
        }
        self.sent.extend(packet.dts());
    }

    /// When the next picture is shown; `delay` is how many packets later than it could be shown a decoder
    /// gives it away. Pictures that it leaves out, as in front of the first keyframe, leave their places
    /// free. None if nobody knows.
    pub(crate) fn next(&mut self, picture: &Frame, delay: usize) -> Option<i64> {
        let behind = |at: &i64| self.last.is_none_or(|last| *at > last);
        let given = picture.given_at().and_then(|dts| self.sent.iter().position(|at| *at == dts));
        let place = given.and_then(|index| self.sent.get(index.saturating_sub(delay)).copied());
        // At the end all that is left follows.
        let due = || self.last.map(|last| last.saturating_add(self.step));
        let next = place.filter(behind).or_else(|| self.sent.iter().copied().find(behind)).or_else(due)?;
        self.last = Some(next);
        Some(next)
    }
}
