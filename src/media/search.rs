//! Where a time lies in a source without an index: between two places that are found by interpolation. libav's
//! own search goes on between them. Left alone it halves the file, with a small read for each step, which far
//! sources answer one after the other; this looks twice, in what is read anyhow.

use super::Demux;
use crate::{Result, av::input::Place, time::Timestamp};

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

/// Looks for places around a time of a stream. Nothing is lost where it does not find them.
pub(super) fn narrow(demux: &mut Demux, stream: usize, ticks: i64) -> Result<()> {
    let (Some(len), Ok(base)) = (demux.source.len(), demux.input.stream(stream).map(|s| s.time_base()))
    else {
        return Ok(());
    };
    let (Some(start), Some(length)) = (demux.input.start(), demux.input.duration()) else { return Ok(()) };
    let of_micros = |micros: i64| Timestamp::from_nanos(micros.saturating_mul(1000)).ticks(base);
    let mut low = Place { at: 0, dts: of_micros(start) };
    let mut high = Place { at: len, dts: of_micros(start.saturating_add(length)) };
    let [known_low, known_high] = demux.input.indexed_around(stream, ticks);
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
            false if below => low.at.saturating_add(part(aim.saturating_sub(low.dts))).saturating_sub(APART),
            false => low.at.saturating_add(part(aim.saturating_sub(low.dts))),
        };
        if at <= low.at || at >= high.at {
            return Ok(());
        }
        if below {
            demux.looks_from(second.saturating_mul(2).saturating_add(APART));
        }
        let Some(found) = demux.input.look_at(stream, at, high.at)? else { return Ok(()) };
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
            demux.reads_on(found.at, second / 2);
        }
    }
    Ok(())
}
