//! Pictures on the grid of a frame rate, and those that are not. A container may state a rate that its
//! timestamps do not keep to (Matroska's DefaultDuration). Encoders count in frames: that is what they state
//! in the stream, and a picture between two frames would be moved, or lost where another is. So an encoder
//! gets each picture with a number of its own, and what it makes of it gets the picture's own time back: that
//! of the grid where it lies on it, but for rounding, and else as it was.

use crate::{
    av::packet::Packet,
    time::{Rational, Timestamp},
};
use std::collections::BTreeMap;

/// What timestamps may have been rounded by: a millisecond, Matroska's and FLV's tick.
const ROUNDING: i64 = 1_000_000;
/// The ticks of a second that a grid's time is told in are more than this, as in libav's MP4 muxer
/// (movenc.c).
const FINE: i32 = 10_000;

/// The grid of a frame rate.
pub(crate) struct Grid {
    rate: Rational,
    /// The time base that all times are told in: a whole number of its ticks is a frame.
    base: Rational,
    /// Number and time of the last picture.
    last: Option<(i64, i64)>,
}

/// Where a picture goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Placed {
    /// The encoder's number for it, in frames.
    pub number: i64,
    /// In ticks of the grid's base.
    pub pts: i64,
}

impl Grid {
    /// None for a rate whose ticks can't be counted.
    pub(crate) fn new(rate: Rational) -> Option<Self> {
        let mut den = rate.num;
        while (1..FINE).contains(&den) {
            den = den.checked_mul(2)?;
        }
        let base = Rational::new(1, den).filter(|_| rate.num > 0 && rate.den > 0)?;
        Some(Self { rate, base, last: None })
    }

    pub(crate) fn base(&self) -> Rational {
        self.base
    }

    /// Ticks of a frame.
    pub(crate) fn step(&self) -> i64 {
        let times = self.base.den.checked_div(self.rate.num).unwrap_or(1);
        i64::from(times).saturating_mul(self.rate.den.into())
    }

    /// A time in ticks of the base: whole frames, but for rounding; else as it is.
    fn snap(&self, time: Timestamp) -> i64 {
        let frame = Rational { num: self.rate.den, den: self.rate.num };
        let on_grid = time.ticks(frame).saturating_mul(self.step());
        let off = time.minus(Timestamp::from_ticks(on_grid, self.base)).nanos().saturating_abs();
        // Of a rate near a thousand, a millisecond is no rounding.
        let slack = Timestamp::from_ticks(1, frame).nanos().saturating_div(4).min(ROUNDING);
        if off <= slack { on_grid } else { time.ticks(self.base) }
    }

    /// A picture's duration in ticks of the base.
    pub(crate) fn length(&self, duration: Timestamp) -> i64 {
        self.snap(duration)
    }

    /// The place of the next picture; None if it has the time of the last one, or an earlier one.
    pub(crate) fn place(&mut self, time: Timestamp) -> Option<Placed> {
        let frame = Rational { num: self.rate.den, den: self.rate.num };
        let (near, pts, free) = (time.ticks(frame), self.snap(time), time.ticks(self.base));
        let placed = match self.last {
            None => Placed { number: near, pts },
            Some((number, before)) => {
                let pts = if pts > before { pts } else { free };
                Some(pts).filter(|pts| *pts > before)?;
                Placed { number: near.max(number.saturating_add(1)), pts }
            }
        };
        self.last = Some((placed.number, placed.pts));
        Some(placed)
    }
}

/// Gives packets their pictures' times.
pub(crate) struct Times {
    step: i64,
    /// The pictures' times by their numbers: those that may still be asked for.
    known: BTreeMap<i64, i64>,
    last: Option<i64>,
}

impl Times {
    pub(crate) fn new(grid: &Grid) -> Self {
        Self { step: grid.step(), known: BTreeMap::new(), last: None }
    }

    pub(crate) fn note(&mut self, placed: Placed) {
        self.known.insert(placed.number, placed.pts);
    }

    /// The time of a number: of a picture's, or so many frames from the one before it, and before the one
    /// behind it.
    fn at(&self, number: i64) -> i64 {
        let before = self.known.range(..=number).next_back();
        let behind = self.known.range(number..).next();
        let from = |(known, pts): (&i64, &i64)| {
            pts.saturating_add(number.saturating_sub(*known).saturating_mul(self.step))
        };
        match (before, behind) {
            (Some((known, pts)), _) if *known == number => *pts,
            (Some(before), Some((_, limit))) => from(before).min(limit.saturating_sub(1)),
            (Some(near), None) | (None, Some(near)) => from(near),
            (None, None) => number.saturating_mul(self.step),
        }
    }

    /// Puts a packet whose times are numbers on the clock; `length` is its picture's, in ticks of the clock.
    pub(crate) fn restore(&mut self, packet: &mut Packet, length: i64) {
        let Some(number) = packet.pts() else { return };
        let decoded = packet.dts().unwrap_or(number);
        let pts = self.at(number);
        let least = self.last.map_or(i64::MIN, |last| last.saturating_add(1));
        let dts = self.at(decoded).max(least).min(pts);
        self.last = Some(dts);
        packet.set_times(pts, dts, length);
        // What decodes later has later times: one before them is enough to go on from.
        if let Some((before, _)) = self.known.range(..=decoded).next_back().map(|(n, p)| (*n, *p)) {
            self.known = self.known.split_off(&before);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: i64) -> Timestamp {
        Timestamp::from_nanos(ms * 1_000_000)
    }

    fn place(rate: (i32, i32), times: &[i64]) -> Vec<Option<(i64, i64)>> {
        let mut grid = Grid::new(Rational { num: rate.0, den: rate.1 }).unwrap();
        times.iter().map(|t| grid.place(ms(*t)).map(|placed| (placed.number, placed.pts))).collect()
    }

    #[test]
    fn rounded_times_lie_on_the_grid() {
        let exact: Vec<_> = (0..300).map(|n| Some((n, n * 1001))).collect();
        let rounded: Vec<i64> = (0..300).map(|n: i64| (n * 1_001_000 + 15_000) / 30_000).collect();
        assert_eq!(place((30_000, 1001), &rounded), exact);
        let grid = Grid::new(Rational { num: 25, den: 1 }).unwrap();
        assert_eq!((grid.base(), grid.step()), (Rational { num: 1, den: 12_800 }, 512));
        assert_eq!(
            place((25, 1), &[0, 40, 81, 119, 200])[2..],
            [Some((2, 1024)), Some((3, 1536)), Some((5, 2560))]
        );
    }

    #[test]
    fn others_keep_their_times_and_none_is_lost() {
        let placed = place((25, 1), &[0, 15, 20, 60, 80, 80, 79, 120]);
        let numbers = [Some(0), Some(1), Some(2), Some(3), Some(4), None, None, Some(5)];
        assert_eq!(placed.iter().map(|p| p.map(|(number, _)| number)).collect::<Vec<_>>(), numbers);
        let pts: Vec<i64> = placed.iter().flatten().map(|(_, pts)| *pts).collect();
        assert_eq!(pts, [0, 192, 256, 768, 1024, 1536]);
    }

    #[test]
    fn packets_get_their_pictures_times_back_in_the_order_of_decoding() {
        let mut grid = Grid::new(Rational { num: 25, den: 1 }).unwrap();
        let mut times = Times::new(&grid);
        for t in [0, 15, 20, 60, 80, 160] {
            times.note(grid.place(ms(t)).unwrap());
        }
        // (pts, dts) as an encoder with two B-frames gives them.
        let coded = [(0, -1), (3, 0), (1, 1), (2, 2), (5, 3), (4, 4)];
        let mut before = i64::MIN;
        for ((pts, dts), wanted) in coded.into_iter().zip([0, 768, 192, 256, 2048, 1024]) {
            let mut packet = Packet::new().unwrap();
            packet.set_times(pts, dts, 1);
            times.restore(&mut packet, 512);
            assert_eq!(packet.pts(), Some(wanted));
            let dts = packet.dts().unwrap();
            assert!(dts > before && dts <= wanted, "{dts}");
            before = dts;
        }
    }
}
