//! Values as people write them: ranges, sizes, rates.

use avrope::{Rational, TimeRange, Timestamp, control::Limits};
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

/// Numbers from 0 on, the last one not included.
pub fn numbers(text: &str) -> Result<std::ops::Range<u64>, String> {
    let wrong = || format!("'{text}' is no range of numbers; give A..B, such as 0..10, 100.. or ..5");
    let (from, to) = text.split_once("..").ok_or_else(wrong)?;
    let number = |text: &str, open: u64| match text.trim() {
        "" => Ok(open),
        text => text.parse().map_err(|_| wrong()),
    };
    let (from, to) = (number(from, 0)?, number(to, u64::MAX)?);
    if from > to { Err(wrong()) } else { Ok(from..to) }
}

pub fn seconds(text: &str) -> Result<Duration, String> {
    let wrong =
        || format!("'{text}' is not a number of seconds; give one that is not negative, such as 30 or 0.5");
    let seconds: f64 = text.parse().map_err(|_| wrong())?;
    Duration::try_from_secs_f64(seconds).map_err(|_| wrong())
}

/// A length of time, in seconds or as a clock shows it.
pub fn length(text: &str) -> Result<Duration, String> {
    let time: Timestamp = text.parse().map_err(|e: avrope::Error| e.to_string())?;
    if time < Timestamp::ZERO {
        return Err(format!("'{text}' is not a length of time; give one that is not negative"));
    }
    Ok(time.duration_since(Timestamp::ZERO))
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
    match value {
        _ if !value.is_finite() => Err(wrong()),
        _ if value < 1.0 => {
            Err(format!("'{text}' is too little; give more than 0, such as 128k, 2500k or 5M"))
        }
        _ => Ok(value as u64),
    }
}

pub fn size(text: &str) -> Result<(u32, u32), String> {
    let wrong = || format!("'{text}' is not a size; give WxH, such as 1280x720 or 1280x0");
    let (w, h) = text.split_once(['x', 'X']).ok_or_else(wrong)?;
    Ok((w.parse().map_err(|_| wrong())?, h.parse().map_err(|_| wrong())?))
}

/// `25`, `29.97` or `30000/1001`; NTSC's rates are known by their decimals.
pub fn rate(text: &str) -> Result<Rational, String> {
    let rate = text.parse::<Rational>().ok().filter(|rate| rate.num > 0 && rate.den > 0);
    let wrong = || format!("'{text}' is not a frame rate; give one such as 25, 29.97 or 30000/1001");
    rate.filter(|rate| rate.value() <= 1000.0).ok_or_else(wrong)
}

pub fn option(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or_else(|| format!("'{text}' is not KEY=VALUE"))?;
    Ok((key.to_owned(), value.to_owned()))
}

/// The limits by their names.
pub fn named_limits(limits: Limits) -> serde_json::Map<String, serde_json::Value> {
    match serde_json::to_value(limits) {
        Ok(serde_json::Value::Object(all)) => all,
        _ => serde_json::Map::new(),
    }
}

/// `NAME=VALUE`, the value a number with K, M, G or T behind it, which are powers of 1024, or `unlimited`.
pub fn limit(text: &str) -> Result<(String, u64), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| format!("'{text}' is not NAME=VALUE"))?;
    let Some(most) = named_limits(Limits::unlimited()).get(name).and_then(serde_json::Value::as_u64) else {
        let known: Vec<_> = named_limits(Limits::unlimited()).into_iter().map(|(name, _)| name).collect();
        return Err(format!("there is no limit '{name}'; there are {}", known.join(", ")));
    };
    if value == "unlimited" {
        return Ok((name.to_owned(), most));
    }
    let (number, unit) = match value.char_indices().last() {
        Some((at, 'k' | 'K')) => (&value[..at], 10),
        Some((at, 'm' | 'M')) => (&value[..at], 20),
        Some((at, 'g' | 'G')) => (&value[..at], 30),
        Some((at, 't' | 'T')) => (&value[..at], 40),
        _ => (value, 0),
    };
    let number = number.parse::<u64>().ok().and_then(|number| number.checked_mul(1 << unit));
    match number {
        Some(number) if number <= most => Ok((name.to_owned(), number)),
        Some(_) => Err(format!("'{value}' is more than {name} can be, {most}; give less, or unlimited")),
        None => Err(format!("'{value}' is not a number; give one such as 1000 or 64M, or unlimited")),
    }
}
