//! Where a time lies in a source without an index: between two places that are found by interpolation.
//! libav's own search goes on between them. Left alone it halves the file, with a small read for each step,
//! which far sources answer one after the other; this looks twice, in what is read anyhow.

use crate::{
    Result,
    av::input::{Input, Place},
    io::avio::SharedReader,
    time::Timestamp,
};

/// So much before a time a first look goes: a keyframe is seldom much nearer.
const BEFORE: Timestamp = Timestamp::from_nanos(1_100_000_000);
/// A place at or before the time is near enough.
const NEAR_BEFORE: Timestamp = Timestamp::from_nanos(4_000_000_000);
/// So much behind it a second look goes, and twice as much is near enough.
const BEHIND: Timestamp = Timestamp::from_nanos(500_000_000);
/// Packets begin this far apart in a stream of low rate.
const APART: u64 = 64 << 10;
/// More looks than this are of no use: the clock jumps, or the rate changes much.
const LOOKS: usize = 12;

/// What a search looks by.
pub(super) struct Search<'a> {
    pub input: &'a mut Input,
    pub reader: &'a SharedReader,
    /// How much is read from the place that is found; 0 where no payload is.
    pub expected: u64,
    /// Up to where that is, once its beginning was found.
    pub until: &'a mut Option<u64>,
}

impl Search<'_> {
    /// Looks for places around a time of a stream of a source that is so long. Nothing is lost where it does
    /// not find them.
    pub(super) fn narrow(&mut self, len: u64, stream: usize, ticks: i64) -> Result<()> {
        let Ok(base) = self.input.stream(stream).map(|s| s.time_base()) else { return Ok(()) };
        let (Some(start), Some(length)) = (self.input.start(), self.input.duration()) else { return Ok(()) };
        let of_micros = |micros: i64| Timestamp::from_nanos(micros.saturating_mul(1000)).ticks(base);
        let mut low = Place { at: 0, dts: of_micros(start) };
        let mut high = Place { at: len, dts: of_micros(start.saturating_add(length)) };
        let [known_low, known_high] = self.input.indexed_around(stream, ticks);
        let (mut is_low, mut is_high) = (known_low.is_some(), known_high.is_some());
        low = known_low.filter(|low| low.dts <= ticks).unwrap_or(low);
        high = known_high.unwrap_or(high);
        let (before, near_before) = (BEFORE.ticks(base), NEAR_BEFORE.ticks(base));
        let behind = BEHIND.ticks(base);
        let mut halve = false;
        for _ in 0..LOOKS {
            let (bytes, span) = (high.at.saturating_sub(low.at), high.dts.saturating_sub(low.dts));
            if span <= 0 || bytes <= APART || ticks < low.dts || ticks > high.dts {
                return Ok(());
            }
            let below = !is_low || ticks.saturating_sub(low.dts) > near_before;
            if !below && is_high && high.dts.saturating_sub(ticks) <= behind.saturating_mul(2) {
                return Ok(());
            }
            let aim = if below { ticks.saturating_sub(before) } else { ticks.saturating_add(behind) };
            let part = |of: i64| {
                let of = u128::try_from(of.clamp(0, span)).unwrap_or(0).saturating_mul(bytes.into());
                let part = of.checked_div(u128::try_from(span).unwrap_or(1)).unwrap_or(0);
                u64::try_from(part).unwrap_or(bytes)
            };
            let second = part(Timestamp::from_nanos(1_000_000_000).ticks(base));
            let at = match halve {
                true => low.at.saturating_add(bytes / 2),
                false if below => {
                    low.at.saturating_add(part(aim.saturating_sub(low.dts))).saturating_sub(APART)
                }
                false => low.at.saturating_add(part(aim.saturating_sub(low.dts))),
            };
            if at <= low.at || at >= high.at {
                return Ok(());
            }
            if below {
                self.reader.look(second.saturating_mul(2).saturating_add(APART));
            }
            let Some(found) = self.input.look_at(stream, at, high.at)? else { return Ok(()) };
            if found.dts < low.dts || found.dts > high.dts {
                return Ok(());
            }
            if found.dts <= ticks {
                (low, is_low) = (found, true);
            } else {
                (high, is_high) = (found, true);
            }
            // Interpolation that hardly gains anything goes wrong again, most likely.
            halve = !halve && high.at.saturating_sub(low.at) > bytes / 2 && below == (found.dts > ticks);
            if below && found.dts <= ticks {
                // All from here on will be read; what is under way already comes once.
                self.reads_on(found.at, second / 2);
            }
        }
        Ok(())
    }

    /// It reads on from a look at this byte, all that is expected but for so much.
    fn reads_on(&mut self, at: u64, less: u64) {
        if self.expected > 0 {
            let until = at.saturating_add(self.expected).saturating_sub(less);
            // Where it has to go back further, the end stays where it is.
            self.reader.extend(*self.until.get_or_insert(until));
        }
    }
}
