//! Time codes as tags have them: `hh:mm:ss:ff`, or with `;` or `.` in front of the frames where some numbers are
//! dropped (SMPTE ST 12-1).

use crate::time::{Rational, Timestamp};

/// Numbers that a minute drops of 30 frames a second, but each tenth one.
const DROPPED: i64 = 2;
const OF: i64 = 30;

/// A time code as much later. None where it is none, or the rate is not one that is counted by.
pub(super) fn later(code: &str, rate: Rational, by: Timestamp) -> Option<String> {
    let fps = rate.value().round() as i64;
    let frames = (by.secs() * rate.value()).round() as i64;
    let (clock, count) = code.rsplit_once([':', ';', '.'])?;
    let drops = !code.get(clock.len()..)?.starts_with(':');
    let parts: Vec<i64> = clock.split(':').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let (&[hours, minutes, seconds], frame) = (parts.as_slice(), count.parse::<i64>().ok()?) else {
        return None;
    };
    let is_in = |value: i64, end: i64| (0..end).contains(&value);
    let is_code = is_in(hours, 24)
        && is_in(minutes, 60)
        && is_in(seconds, 60)
        && fps > 0
        && fps <= 1000
        && is_in(frame, fps);
    if !is_code || (drops && fps % OF != 0) {
        return None;
    }
    let dropped = if drops { fps.checked_div(OF)?.checked_mul(DROPPED)? } else { 0 };
    let minutes = hours.checked_mul(60)?.checked_add(minutes)?;
    let numbered = minutes.checked_mul(60)?.checked_add(seconds)?.checked_mul(fps)?.checked_add(frame)?;
    let left_out = minutes.checked_sub(minutes / 10)?.checked_mul(dropped)?;
    let of_day = |frames: i64, minutes: i64| frames.checked_mul(minutes);
    // Of a minute that drops, and of ten minutes.
    let minute = fps.checked_mul(60)?.checked_sub(dropped)?;
    let ten = of_day(minute, 10)?.checked_add(dropped)?;
    let day = of_day(ten, 144)?;
    let at = numbered.checked_sub(left_out)?.checked_add(frames)?.checked_rem_euclid(day)?;
    // Back to numbers: the first minute of ten has all of them.
    let (tens, rest) = (at.checked_div(ten)?, at.checked_rem(ten)?);
    let behind = rest.saturating_sub(dropped).max(0).checked_div(minute)?;
    let left_out = tens.checked_mul(9)?.checked_add(behind)?.checked_mul(dropped)?;
    let number = at.checked_add(left_out)?;
    let (seconds, frame) = (number.checked_div(fps)?, number.checked_rem(fps)?);
    let separator = code.get(clock.len()..)?.chars().next()?;
    Some(format!("{:02}:{:02}:{:02}{separator}{frame:02}", seconds / 3600, seconds / 60 % 60, seconds % 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moved(code: &str, (num, den): (i32, i32), frames: i64) -> Option<String> {
        let rate = Rational::new(num, den).unwrap();
        later(code, rate, Timestamp::from_ticks(frames, Rational::new(den, num).unwrap()))
    }

    #[test]
    fn codes_go_on_by_frames() {
        let of = |code, rate, frames| moved(code, rate, frames).unwrap();
        assert_eq!(of("10:00:00:00", (25, 1), 13), "10:00:00:13");
        assert_eq!(of("10:00:59:20", (25, 1), 5), "10:01:00:00");
        assert_eq!(of("23:59:59:24", (25, 1), 1), "00:00:00:00");
        assert_eq!(of("00:00:59:23", (24_000, 1001), 1), "00:01:00:00");
    }

    #[test]
    fn numbers_that_are_dropped_are_none() {
        let of = |code, frames| moved(code, (30_000, 1001), frames).unwrap();
        assert_eq!(of("00:00:59;29", 1), "00:01:00;02");
        assert_eq!(of("00:08:59;29", 1), "00:09:00;02");
        assert_eq!(of("00:09:59;29", 1), "00:10:00;00");
        // An hour of them.
        assert_eq!(of("00:00:00;00", 107_892), "01:00:00;00");
        assert_eq!(moved("00:00:59;59", (60_000, 1001), 1).unwrap(), "00:01:00;04");
        // Each has a number of its own, in order.
        let all: Vec<String> = (0..40_000).map(|frames| of("00:00:00;00", frames)).collect();
        assert!(all.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn what_is_none_is_left_alone() {
        for code in ["", "x", "10:00:00", "10:00:00:25", "24:00:00:00", "-1:00:00:00", "10:00:60:00"] {
            assert_eq!(moved(code, (25, 1), 1), None, "{code}");
        }
        assert_eq!(moved("00:00:00;00", (25, 1), 1), None);
    }
}
