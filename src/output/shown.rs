//! What of a track is shown when.

use crate::time::{Rational, Timestamp};

/// A stretch of the output's timeline that shows a stretch of the track.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    /// On the output's presentation clock.
    pub at: Timestamp,
    pub len: Timestamp,
    /// Where in the track, in ticks from its first dts.
    pub media: i64,
}

impl Shown {
    pub(super) fn end(&self) -> Timestamp {
        self.at.plus(self.len)
    }

    /// Whether another stretch shows what follows in the track, when this one ends.
    pub(super) fn goes_on_with(&self, next: Self, base: Rational) -> bool {
        // Ticks round to nanoseconds.
        self.end().minus(next.at).nanos().abs() <= 1
            && next.media.saturating_sub(self.media) == self.len.ticks(base)
    }
}
