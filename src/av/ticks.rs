//! Ticks as long as a frame, in which AVI, NUT and others count, are cut into finer ones: a range begins and
//! ends between them, and what is placed by it must not move by a part of a frame.

use crate::time::Rational;
use ffmpeg_sys_next as ff;

/// Longer ones, in seconds, are cut for packets: milliseconds, which many containers count in, are as they
/// are, and go into another of them unchanged.
const COARSE_FOR_PACKETS: f64 = 0.001;

/// In what the times of a stream are handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticks {
    /// How many of them are one of the container's.
    pub times: i64,
    pub base: Rational,
}

impl Ticks {
    /// The container's own.
    pub(super) fn own(stream: &ff::AVStream) -> Self {
        let base = Rational::new(stream.time_base.num, stream.time_base.den);
        Self { times: 1, base: base.unwrap_or(Rational { num: 1, den: 90_000 }) }
    }

    /// Finer ones where those are coarse: samples of sound, if that is a whole number of them.
    pub(super) fn fine(stream: &ff::AVStream) -> Self {
        let base = Self::own(stream).base;
        // SAFETY: a live stream has parameters, which are its own.
        let rate = unsafe { (*stream.codecpar).sample_rate };
        let samples = samples(base, rate).filter(|_| base.value() > COARSE_FOR_PACKETS);
        let (times, base) = samples.unwrap_or_else(|| base.cut(COARSE_FOR_PACKETS));
        Self { times, base }
    }

    pub(super) fn cut(self, ticks: i64) -> i64 {
        ticks.saturating_mul(self.times)
    }

    /// The last of the container's at or before one of these.
    pub(super) fn whole(self, ticks: i64) -> i64 {
        ticks.checked_div_euclid(self.times).unwrap_or(ticks)
    }
}

fn samples(base: Rational, rate: i32) -> Option<(i64, Rational)> {
    let (count, den) = (i64::from(base.num).checked_mul(rate.into())?, i64::from(base.den));
    let fine = Rational { num: 1, den: rate };
    let whole = rate > 0 && count.checked_rem(den)? == 0 && fine.value() <= COARSE_FOR_PACKETS;
    whole.then_some((count.checked_div(den)?, fine))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_of_whole_samples_are_counted_in_them() {
        let of = |num, den, rate| samples(Rational { num, den }, rate);
        assert_eq!(of(128, 3675, 44_100), Some((1536, Rational { num: 1, den: 44_100 })));
        assert_eq!(of(1, 10, 48_000), Some((4800, Rational { num: 1, den: 48_000 })));
        assert_eq!(of(1, 7, 48_000), None);
        assert_eq!(of(1, 25, 0), None);
        assert_eq!(of(1, 0, 48_000), None);
        assert_eq!(of(1, 25, 100), None);
    }
}
