//! Edit lists of a result (ISO/IEC 14496-12, 8.6.6): one entry for each shown stretch, in a time scale fine enough
//! for samples.

use super::clock::{Clock, Shown};
use crate::time::Rational;

/// What a track shows.
pub(super) struct TrackEdits<'a> {
    pub base: Rational,
    pub shown: &'a [Shown],
}

impl<'a> TrackEdits<'a> {
    pub(super) fn of(clock: &'a Clock) -> Self {
        Self { base: clock.base(), shown: clock.shown() }
    }
}

/// Ticks a second, at the most, that are taken to tell several clocks' ticks in whole numbers.
pub(super) const FINEST: u64 = 100_000_000;

/// Ticks a second in which all the tracks' own ticks are whole numbers, if such a number is small enough.
pub(super) fn movie_scale<'a>(tracks: impl Iterator<Item = &'a TrackEdits<'a>>) -> u32 {
    let scales = tracks
        .filter(|track| !track.shown.is_empty() && track.base.num == 1)
        .filter_map(|track| u64::try_from(track.base.den).ok());
    let mut common: u64 = 1000;
    let mut finest: u64 = 1000;
    for scale in scales.filter(|scale| *scale > 0) {
        finest = finest.max(scale);
        let multiple = common.checked_div(gcd(common, scale)).and_then(|n| n.checked_mul(scale));
        common = multiple.filter(|n| *n <= FINEST).unwrap_or(common);
    }
    u32::try_from(common.max(finest)).unwrap_or(1000)
}

pub(super) fn gcd(a: u64, b: u64) -> u64 {
    match a.checked_rem(b) {
        None => a,
        Some(rest) => gcd(b, rest),
    }
}

/// The entries of a track, (length in movie ticks, media time or -1), and their sum.
/// `lift`: what is added to where a stretch begins in the media.
pub(super) fn entries(track: &TrackEdits<'_>, movie: Rational, lift: i64) -> (Vec<(u64, i64)>, u64) {
    let mut entries = Vec::new();
    // Borders are rounded, not lengths: errors do not add up.
    let mut at: i64 = 0;
    let mut sum: u64 = 0;
    for (i, shown) in track.shown.iter().enumerate() {
        let (begins, ends) = (shown.at.ticks(movie), shown.at.plus(shown.len).ticks(movie));
        let gap = u64::try_from(begins.saturating_sub(at)).unwrap_or(0);
        if i == 0 && gap > 0 {
            entries.push((gap, -1));
            sum = sum.saturating_add(gap);
        }
        let from = if i == 0 { begins.max(0) } else { at };
        let len = u64::try_from(ends.saturating_sub(from)).unwrap_or(0);
        if len > 0 {
            entries.push((len, shown.media.saturating_add(lift).max(0)));
            sum = sum.saturating_add(len);
            at = ends;
        }
    }
    (entries, sum)
}
