//! How far a comparison is come.

use super::spans::Placed;
use crate::{Control, Media, Result, job::Stage, time::Timestamp};
use std::time::Instant;

/// Tells the caller, in nanoseconds of the output.
pub(super) struct Tell {
    /// 0 where the source does not say how long it is.
    total: u64,
    begun: Instant,
}

impl Tell {
    pub(super) fn new(ranges: &[Placed], source: &Media) -> Self {
        let end = ranges.last().and_then(|last| {
            let to = if last.range.to == Timestamp::MAX { source.length()? } else { last.range.to };
            Some(last.at.plus(to.minus(last.range.from)))
        });
        Self { total: nanos(end.unwrap_or(Timestamp::ZERO)), begun: Instant::now() }
    }

    /// All up to this time of the output is compared.
    pub(super) fn tell(&self, done: Timestamp, control: &Control) -> Result<()> {
        // What comes after the last picture is not done yet.
        let most = if self.total == 0 { u64::MAX } else { self.total.saturating_sub(1) };
        control.report_since(Stage::Verify, nanos(done).min(most), self.total, self.begun)
    }

    /// There is nothing left to do.
    pub(super) fn end(&self, control: &Control) -> Result<()> {
        control.report_since(Stage::Verify, self.total, self.total, self.begun)
    }
}

fn nanos(time: Timestamp) -> u64 {
    u64::try_from(time.nanos()).unwrap_or(0)
}
