//! Values as people write them: ranges, sizes, rates.

use avrope::{Rational, TimeRange, Timestamp};
use std::time::Duration;

pub fn range(text: &str) -> Result<TimeRange, String> {
    let wrong = || format!("'{text}' is not a range; give A..B, such as 10..20, 1:05.. (to the end) or ..30");
    let (from, to) = text.split_once("..").ok_or_else(wrong)?;
    if to.starts_with('.') {
        return Err(wrong());
    }
    let time = |text: &str, open: Timestamp| match text.trim() {
        "" => Ok(open),
        text => text.parse().map_err(|e: avrope::Error| e.to_string()),
    };
    Ok(TimeRange { from: time(from, Timestamp::ZERO)?, to: time(to, Timestamp::MAX)? })
}

pub fn seconds(text: &str) -> Result<Duration, String> {
    let wrong =
        || format!("'{text}' is not a number of seconds; give one that is not negative, such as 30 or 0.5");
    let seconds: f64 = text.parse().map_err(|_| wrong())?;
    Duration::try_from_secs_f64(seconds).map_err(|_| wrong())
}

/// A number with k, M or G behind it.
pub fn quantity(text: &str) -> Result<u64, String> {
    let wrong = || format!("'{text}' is not a number; give one such as 128k, 2500k or 5M");
    let (number, unit) = match text.char_indices().last() {
        Some((at, 'k' | 'K')) => (&text[..at], 1e3),
        Some((at, 'm' | 'M')) => (&text[..at], 1e6),
        Some((at, 'g' | 'G')) => (&text[..at], 1e9),
        _ => (text, 1.0),
    };
    let value = number.parse::<f64>().map_err(|_| wrong())? * unit;
    if value.is_finite() && value >= 1.0 { Ok(value as u64) } else { Err(wrong()) }
}

pub fn size(text: &str) -> Result<(u32, u32), String> {
    let wrong = || format!("'{text}' is not a size; give WxH, such as 1280x720 or 1280x0");
    let (w, h) = text.split_once(['x', 'X']).ok_or_else(wrong)?;
    Ok((w.parse().map_err(|_| wrong())?, h.parse().map_err(|_| wrong())?))
}

/// `25`, `29.97` or `30000/1001`; NTSC's rates are known by their decimals.
pub fn rate(text: &str) -> Result<Rational, String> {
    let wrong = || format!("'{text}' is not a frame rate; give one such as 25, 29.97 or 30000/1001");
    if let Some((num, den)) = text.split_once('/') {
        let (num, den) = (num.parse().map_err(|_| wrong())?, den.parse().map_err(|_| wrong())?);
        return Rational::new(num, den).filter(|rate| rate.num > 0 && rate.den > 0).ok_or_else(wrong);
    }
    let value: f64 = text.parse().map_err(|_| wrong())?;
    if !(value > 0.0 && value <= 1000.0) {
        return Err(wrong());
    }
    let ntsc = (value * 1.001).round();
    let (num, den) = if (ntsc / 1.001 - value).abs() < 0.005 && value.fract() != 0.0 {
        (ntsc * 1000.0, 1001)
    } else {
        ((value * 1000.0).round(), 1000)
    };
    Rational::new(num as i32, den).ok_or_else(wrong)
}

pub fn option(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or_else(|| format!("'{text}' is not KEY=VALUE"))?;
    Ok((key.to_owned(), value.to_owned()))
}
