//! Time on the presentation clock. Units are types: a [`Timestamp`] is nanoseconds, a [`Rational`] time base
//! counts ticks, and only this module converts between them.

use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr, time::Duration};

const NANOS: i128 = 1_000_000_000;

/// Containers round times to this and less.
pub(crate) const ROUNDING: Timestamp = Timestamp::from_nanos(1_000_000);

mod length;
mod parts;

pub(crate) use length::{millis, seconds, seconds_or_none};

/// A point on the presentation clock: nanoseconds, signed; 0 is the source's start time. A length of time is
/// a [`Duration`].
///
/// Nanoseconds are finer than every time base in use, so ticks survive the way here and back unchanged (for
/// time bases up to 500 MHz). Serialises as seconds, [`MAX`](Self::MAX) as null.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The start of the source.
    pub const ZERO: Self = Self(0);
    /// Later than everything: the end of a range that is open to the right.
    pub const MAX: Self = Self(i64::MAX);

    /// From nanoseconds.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// From seconds. An error for NaN, infinities, and what does not fit (292 years).
    pub fn from_secs(seconds: f64) -> Result<Self> {
        let nanos = seconds * 1e9;
        // 2^63 is exact in f64; everything strictly inside converts without saturation.
        if nanos.is_nan() || nanos.abs() >= 9_223_372_036_854_775_808.0 {
            return Err(Error::invalid(format!("{seconds} is not a time in seconds")));
        }
        #[expect(clippy::cast_possible_truncation, reason = "the range was checked")]
        Ok(Self(nanos.round() as i64))
    }

    /// Nanoseconds.
    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// Seconds.
    pub fn secs(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// So much later, at the end of the range if it does not fit.
    #[must_use]
    pub fn saturating_add(self, length: Duration) -> Self {
        self.plus(length.into())
    }

    /// So much earlier, at the beginning of the range if it does not fit.
    #[must_use]
    pub fn saturating_sub(self, length: Duration) -> Self {
        self.minus(length.into())
    }

    /// How long it is from `earlier` to this; zero if that is later.
    #[must_use]
    pub fn duration_since(self, earlier: Self) -> Duration {
        self.minus(earlier).length()
    }

    /// From the clock's start to this; zero if it lies before. What this crate measures as a distance leaves
    /// it so.
    pub(crate) fn length(self) -> Duration {
        Duration::from_nanos(u64::try_from(self.0).unwrap_or(0))
    }

    /// `self + other`, where distances may be negative: at the ends of the range if it does not fit.
    #[must_use]
    pub(crate) const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// `self - other`, as [`plus`](Self::plus).
    #[must_use]
    pub(crate) const fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// From ticks of a time base, rounded to the nearest nanosecond.
    #[expect(clippy::arithmetic_side_effects, reason = "64 + 32 + 30 bits fit into 127")]
    pub(crate) fn from_ticks(ticks: i64, base: Rational) -> Self {
        Self(rescale(i128::from(ticks) * i128::from(base.num) * NANOS, i128::from(base.den)))
    }

    /// To ticks of a time base, rounded to the nearest tick.
    #[expect(clippy::arithmetic_side_effects, reason = "64 + 32 + 30 bits fit into 127")]
    pub(crate) fn ticks(self, base: Rational) -> i64 {
        rescale(i128::from(self.0) * i128::from(base.den), i128::from(base.num) * NANOS)
    }
}

/// The point so long after the clock's start; [`MAX`](Timestamp::MAX) for what does not fit.
impl From<Duration> for Timestamp {
    fn from(duration: Duration) -> Self {
        Self(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX))
    }
}

impl fmt::Display for Timestamp {
    /// Seconds, without needless digits: `10 s`, `0.04 s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::MAX {
            return f.write_str("end");
        }
        let sign = if self.0 < 0 { "-" } else { "" };
        let nanos = self.0.unsigned_abs();
        let fraction = format!("{:09}", nanos % 1_000_000_000);
        let fraction = fraction.trim_end_matches('0');
        let dot = if fraction.is_empty() { "" } else { "." };
        write!(f, "{sign}{}{dot}{fraction} s", nanos / 1_000_000_000)
    }
}

impl FromStr for Timestamp {
    type Err = Error;

    /// Seconds (`90.5`) or `HH:MM:SS.mmm` (also `MM:SS`).
    fn from_str(text: &str) -> Result<Self> {
        let wrong = || {
            Error::invalid(format!("'{text}' is not a time")).advise("give seconds (90.5) or HH:MM:SS.mmm")
        };
        let (sign, rest) = match text.strip_prefix('-') {
            Some(rest) => (-1.0, rest),
            None => (1.0, text),
        };
        let fields: Vec<&str> = rest.split(':').collect();
        if fields.len() > 3 {
            return Err(wrong());
        }
        let mut seconds = 0.0;
        for (i, field) in fields.iter().enumerate() {
            let last = i.saturating_add(1) == fields.len();
            let plain = !field.is_empty() && field.bytes().all(|b| b.is_ascii_digit() || (last && b == b'.'));
            let value: f64 = if plain {
                field.parse().map_err(|_| wrong())?
            } else {
                return Err(wrong());
            };
            if i > 0 && value >= 60.0 {
                return Err(wrong());
            }
            seconds = seconds * 60.0 + value;
        }
        Self::from_secs(sign * seconds).map_err(|_| wrong())
    }
}

impl Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if *self == Self::MAX { serializer.serialize_none() } else { serializer.serialize_f64(self.secs()) }
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seconds = Option::<f64>::deserialize(deserializer)?;
        seconds.map_or(Ok(Self::MAX), Self::from_secs).map_err(serde::de::Error::custom)
    }
}

/// The half-open range `[from, to)` on the presentation clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeRange {
    /// The first instant that is in.
    pub from: Timestamp,
    /// The first instant that is out; [`Timestamp::MAX`] for the source's end.
    pub to: Timestamp,
}

impl TimeRange {
    /// All of a source.
    pub const ALL: Self = Self { from: Timestamp::ZERO, to: Timestamp::MAX };

    /// The range from and to these seconds. An error if one is NaN or does not fit; whether the range makes
    /// sense is judged by the operation that takes it.
    pub fn secs(from: f64, to: f64) -> Result<Self> {
        Ok(Self { from: Timestamp::from_secs(from)?, to: Timestamp::from_secs(to)? })
    }

    /// From its beginning to its end: longer than all media where it is open, zero where it ends before it
    /// begins.
    pub fn duration(self) -> Duration {
        self.to.duration_since(self.from)
    }

    /// `to - from`.
    pub(crate) fn length(self) -> Timestamp {
        self.to.minus(self.from)
    }

    /// Judges the range against a source's length, and returns where it ends; an error where it begins behind
    /// the source's end. It is worth a warning that it is cut there, unless by no more than `rounding`.
    pub(crate) fn within(
        self,
        length: Timestamp,
        rounding: Timestamp,
        mut warn: impl FnMut(String),
    ) -> Result<Timestamp> {
        if self.from >= length {
            return Err(Error::invalid(format!(
                "{self}: the range begins after the end, which is at {length}"
            )));
        }
        if self.to > length.plus(rounding) && self.to != Timestamp::MAX {
            warn(format!("the range {self} ends after the source, which is {length} long; it is cut there"));
        }
        Ok(self.to.min(length))
    }

    /// Checks the range for itself: not negative, not reversed, not empty.
    pub(crate) fn check(self) -> Result<()> {
        self.check_of("cut")
    }

    /// The same, by the name of what is done with it.
    fn check_of(self, what: &str) -> Result<()> {
        let why = if self.from < Timestamp::ZERO {
            "the range begins before the source's start"
        } else if self.to < self.from {
            "the range ends before it begins"
        } else if self.to == self.from {
            "the range is empty"
        } else {
            return Ok(());
        };
        Err(Error::invalid(format!("{what} {self}: {why}")))
    }
}

impl fmt::Display for TimeRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.from, self.to)
    }
}

/// A fraction: a time base in seconds a tick, a frame rate, an aspect ratio. avrope itself never makes one
/// with a denominator of 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rational {
    /// Numerator.
    pub num: i32,
    /// Denominator.
    pub den: i32,
}

impl Rational {
    /// The fraction, if the denominator is not 0.
    pub fn new(num: i32, den: i32) -> Option<Self> {
        (den != 0).then_some(Self { num, den })
    }

    /// Whether both are one value, though not in the same terms.
    pub(crate) fn same(self, other: Self) -> bool {
        let cross = |a: Self, b: Self| i64::from(a.num).saturating_mul(b.den.into());
        cross(self, other) == cross(other, self)
    }

    /// Its value.
    pub fn value(self) -> f64 {
        f64::from(self.num) / f64::from(self.den)
    }

    /// Of a time base whose ticks are longer than so many seconds: how many finer ones each of them is, and
    /// their base; else 1, and itself.
    pub(crate) fn cut(self, coarse: f64) -> (i64, Self) {
        // MPEG's clock is fine enough.
        const FINE: f64 = 1.0 / 90_000.0;
        // A float that is no number, or too large for one, saturates.
        let times = if self.value() > coarse { (self.value() / FINE).ceil() as i32 } else { 1 };
        let den = self.den.checked_mul(times).filter(|_| times > 0);
        den.map_or((1, self), |den| (times.into(), Self { den, ..self }))
    }
}

impl FromStr for Rational {
    type Err = Error;

    /// `25`, `29.97` or `30000/1001`; the rates of NTSC are known by their decimals.
    fn from_str(text: &str) -> Result<Self> {
        let wrong = || {
            Error::invalid(format!("'{text}' is not a fraction"))
                .advise("give one such as 25, 29.97 or 30000/1001")
        };
        if let Some((num, den)) = text.split_once('/') {
            let (num, den) =
                (num.trim().parse().map_err(|_| wrong())?, den.trim().parse().map_err(|_| wrong())?);
            return Self::new(num, den).ok_or_else(wrong);
        }
        if let Ok(num) = text.trim().parse() {
            return Ok(Self { num, den: 1 });
        }
        let value: f64 = text.trim().parse().map_err(|_| wrong())?;
        let ntsc = (value * 1.001).round();
        let (num, den) = if ntsc >= 1.0 && (ntsc / 1.001 - value).abs() < 0.005 && value.fract() != 0.0 {
            (ntsc * 1000.0, 1001)
        } else {
            ((value * 1000.0).round(), 1000)
        };
        if !num.is_finite() || num.abs() > f64::from(i32::MAX) {
            return Err(wrong());
        }
        #[expect(clippy::cast_possible_truncation, reason = "the range was checked")]
        Ok(Self { num: num as i32, den })
    }
}

impl fmt::Display for Rational {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.num, self.den)
    }
}

#[expect(clippy::arithmetic_side_effects, reason = "64 + 32 + 32 bits, signs aside, fit into 127")]
/// Ticks of one time base in another, rounded to nearest (av_rescale_q).
pub(crate) fn convert(ticks: i64, from: Rational, to: Rational) -> i64 {
    if from == to {
        return ticks;
    }
    rescale(
        i128::from(ticks) * i128::from(from.num) * i128::from(to.den),
        i128::from(from.den) * i128::from(to.num),
    )
}

/// `numerator / denominator` rounded to nearest, halves away from zero (AV_ROUND_NEAR_INF), clamped to i64.
fn rescale(numerator: i128, denominator: i128) -> i64 {
    let sign = denominator.signum();
    let (numerator, denominator) = (numerator.saturating_mul(sign), denominator.saturating_mul(sign));
    let half = denominator / 2;
    let shifted = if numerator < 0 { numerator.saturating_sub(half) } else { numerator.saturating_add(half) };
    let quotient = shifted.checked_div(denominator).unwrap_or(0);
    i64::try_from(quotient).unwrap_or(if quotient < 0 { i64::MIN } else { i64::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_seconds_and_clock_times() {
        for (text, nanos) in [
            ("90.5", 90_500_000_000),
            ("00:01:30.5", 90_500_000_000),
            ("1:30", 90_000_000_000),
            ("-2", -2_000_000_000),
            ("0", 0),
        ] {
            assert_eq!(text.parse::<Timestamp>().unwrap().nanos(), nanos, "{text}");
        }
        for text in [
            "",
            ":",
            "1:2:3:4",
            "nan",
            "inf",
            "1e3",
            "1:75",
            "+5",
            "0x10",
            "1:-2",
            "12:30:",
            "99999999999999999999",
        ] {
            assert!(text.parse::<Timestamp>().is_err(), "{text}");
        }
    }

    #[test]
    fn ticks_survive_nanoseconds() {
        for den in [1, 24, 1000, 1001, 12_800, 44_100, 48_000, 90_000, 192_000, 10_000_000] {
            let base = Rational { num: 1, den };
            for ticks in [-7, 0, 1, 1023, 123_456_789] {
                assert_eq!(Timestamp::from_ticks(ticks, base).ticks(base), ticks, "{ticks} of {base}");
            }
        }
    }

    #[test]
    fn ranges_are_judged() {
        assert!(TimeRange::secs(f64::NAN, 1.0).is_err());
        let message = TimeRange::secs(10.0, 5.0).unwrap().check().unwrap_err().to_string();
        assert_eq!(message, "cut 10 s..5 s: the range ends before it begins");
        assert!(TimeRange::secs(-1.0, 5.0).unwrap().check().is_err());
        assert!(TimeRange::secs(1.0, 1.0).unwrap().check().is_err());
        assert!(TimeRange::ALL.check().is_ok());
    }
}
