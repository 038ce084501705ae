//! Ranges that follow from others: what is left of a source when some of it is taken out.

use super::{TimeRange, Timestamp};
use crate::{Error, Result};
use std::time::Duration;

/// More parts than this are nobody's files.
const MOST: u128 = 100_000;

impl Timestamp {
    /// The multiples of a length of time in a source that is so long, as [`Cut::parts`](crate::Cut::parts) takes them:
    /// 0 is none of them, nor is the source's end.
    ///
    /// ```
    /// use avrope::Timestamp;
    /// use std::time::Duration;
    /// let points = Timestamp::multiples(Duration::from_secs(30), Duration::from_secs(90))?;
    /// assert_eq!(points, [Timestamp::from_secs(30.0)?, Timestamp::from_secs(60.0)?]);
    /// # Ok::<(), avrope::Error>(())
    /// ```
    ///
    /// Errors: [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for a length of zero, and for more than 100,000
    /// multiples.
    pub fn multiples(of: Duration, end: Duration) -> Result<Vec<Self>> {
        let wrong = |why: String| Err(Error::invalid(format!("parts of {}: {why}", Self::from(of))));
        let (nanos, all) = (of.as_nanos(), end.as_nanos());
        let Some(count) = all.saturating_sub(1).checked_div(nanos) else {
            return wrong("give a length of more than 0".into());
        };
        if count > MOST {
            return wrong(format!("there would be more than {MOST}"));
        }
        let multiple = |i: u128| u64::try_from(nanos.saturating_mul(i)).unwrap_or(u64::MAX);
        Ok((1..=count).map(|i| Self::from(Duration::from_nanos(multiple(i)))).collect())
    }
}

impl TimeRange {
    /// What is left of a source when these ranges are taken out of it, in the order of time: what
    /// [`Cut::keep`](crate::Cut::keep) takes to remove them.
    ///
    /// The ranges may overlap, touch, repeat and come in any order; what ends behind the source's end ends there. The
    /// last range that is left goes up to [`Timestamp::MAX`], which is the source's end. `duration` is the source's
    /// ([`Media::duration`](crate::Media::duration)); where it is None, what begins behind the end is not noticed.
    ///
    /// ```
    /// use avrope::{TimeRange, Timestamp};
    /// use std::time::Duration;
    /// let removed = [TimeRange::secs(50.0, 60.0)?, TimeRange::secs(0.0, 10.0)?, TimeRange::secs(5.0, 12.0)?];
    /// let kept = TimeRange::without(&removed, Some(Duration::from_secs(90)))?;
    /// let last = TimeRange { from: Timestamp::from_secs(60.0)?, to: Timestamp::MAX };
    /// assert_eq!(kept, [TimeRange::secs(12.0, 50.0)?, last]);
    /// # Ok::<(), avrope::Error>(())
    /// ```
    ///
    /// Errors: [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for a range that is empty, reversed or negative,
    /// for one that begins behind the source's end, and where nothing is left.
    pub fn without(removed: &[Self], duration: Option<Duration>) -> Result<Vec<Self>> {
        let end = duration.map_or(Timestamp::MAX, Timestamp::from);
        for range in removed {
            range.check_of("remove")?;
            if range.from >= end {
                let message = format!("remove {range}: the range begins after the end, which is at {end}");
                return Err(Error::invalid(message).with_setting("remove"));
            }
        }
        let mut removed = removed.to_vec();
        removed.sort_unstable_by_key(|range| (range.from, range.to));
        let mut kept = Vec::new();
        let mut from = Timestamp::ZERO;
        for range in removed {
            if from < range.from {
                kept.push(Self { from, to: range.from });
            }
            from = from.max(range.to);
        }
        if from < end {
            kept.push(Self { from, to: Timestamp::MAX });
        }
        if kept.is_empty() {
            return Err(Error::invalid("nothing is left: all of the source is removed")
                .with_setting("remove")
                .advise("remove less"));
        }
        Ok(kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(from: f64, to: f64) -> TimeRange {
        TimeRange::secs(from, to).unwrap()
    }

    fn open(from: f64) -> TimeRange {
        TimeRange { from: Timestamp::from_secs(from).unwrap(), to: Timestamp::MAX }
    }

    const LENGTH: Option<Duration> = Some(Duration::from_secs(90));

    #[test]
    fn multiples_lie_in_front_of_the_end() {
        let of = |step: f64, all: f64| {
            let points = Timestamp::multiples(Duration::from_secs_f64(step), Duration::from_secs_f64(all));
            points.map(|points| points.iter().map(|point| point.secs()).collect::<Vec<_>>())
        };
        assert_eq!(of(4.0, 10.0).unwrap(), [4.0, 8.0]);
        assert_eq!(of(5.0, 10.0).unwrap(), [5.0]);
        assert_eq!(of(10.0, 10.0).unwrap(), [0.0; 0]);
        assert_eq!(of(4.0, 0.0).unwrap(), [0.0; 0]);
        assert_eq!(of(0.0, 1.0).unwrap_err().to_string(), "parts of 0 s: give a length of more than 0");
        assert!(of(0.000_001, 3600.0).is_err());
    }

    #[test]
    fn what_is_left_is_in_the_order_of_time() {
        let left = |removed: &[TimeRange]| TimeRange::without(removed, LENGTH).unwrap();
        assert_eq!(left(&[range(10.0, 20.0)]), [range(0.0, 10.0), open(20.0)]);
        assert_eq!(left(&[range(0.0, 20.0)]), [open(20.0)]);
        assert_eq!(left(&[open(20.0)]), [range(0.0, 20.0)]);
        assert_eq!(left(&[range(20.0, 90.0)]), [range(0.0, 20.0)]);
        assert_eq!(left(&[range(20.0, 95.0)]), [range(0.0, 20.0)]);
        assert_eq!(left(&[range(20.0, 30.0), range(10.0, 20.0)]), [range(0.0, 10.0), open(30.0)]);
        let within = [range(10.0, 40.0), range(20.0, 30.0), range(10.0, 40.0), range(35.0, 50.0)];
        assert_eq!(left(&within), [range(0.0, 10.0), open(50.0)]);
        assert_eq!(left(&[]), [TimeRange::ALL]);
    }

    #[test]
    fn without_a_length_the_end_is_open() {
        assert_eq!(TimeRange::without(&[range(0.0, 5.0)], None).unwrap(), [open(5.0)]);
        assert!(TimeRange::without(&[TimeRange::ALL], None).is_err());
    }

    #[test]
    fn what_can_not_be_removed_is_said() {
        let why = |removed: &[TimeRange]| TimeRange::without(removed, LENGTH).unwrap_err().to_string();
        let all = "nothing is left: all of the source is removed; remove less";
        assert_eq!(why(&[TimeRange::ALL]), all);
        assert_eq!(why(&[range(40.0, 90.0), range(0.0, 40.0)]), all);
        assert_eq!(why(&[range(20.0, 10.0)]), "remove 20 s..10 s: the range ends before it begins");
        assert_eq!(
            why(&[range(90.0, 95.0)]),
            "remove 90 s..95 s: the range begins after the end, which is at 90 s"
        );
    }
}
