//! Numbers and texts for people.

use avrope::Timestamp;
use std::time::Duration;

/// `1.25 MB`.
pub fn bytes(count: u64) -> String {
    scaled(count, "B")
}

/// `8.1 Mb/s`.
pub fn rate(bits: u64) -> String {
    scaled(bits, "b/s")
}

fn scaled(count: u64, unit: &str) -> String {
    let mut value = count as f64;
    let mut prefix = "";
    for next in ["k", "M", "G", "T", "P"] {
        // 999.5 would be printed as 1000.
        if value < 999.5 {
            break;
        }
        value /= 1000.0;
        prefix = next;
    }
    let decimals = match value {
        _ if prefix.is_empty() => 0,
        v if v < 9.995 => 2,
        v if v < 99.95 => 1,
        _ => 0,
    };
    format!("{value:.decimals$} {prefix}{unit}")
}

/// `1:02:03.5` or `12.04 s`.
pub fn time(time: Timestamp) -> String {
    let millis = time.nanos().unsigned_abs().saturating_add(500_000) / 1_000_000;
    let sign = if time.nanos() < 0 && millis > 0 { "-" } else { "" };
    let (seconds, fraction) = (millis / 1000, millis % 1000);
    let fraction = format!(".{fraction:03}");
    let fraction = fraction.trim_end_matches('0').trim_end_matches('.');
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    match (hours, minutes) {
        (0, 0) => format!("{sign}{seconds}{fraction} s"),
        (0, _) => format!("{sign}{minutes}:{:02}{fraction}", seconds % 60),
        _ => format!("{sign}{hours}:{minutes:02}:{:02}{fraction}", seconds % 60),
    }
}

/// The same for a length of time.
pub fn length(length: Duration) -> String {
    time(length.into())
}

/// The same from seconds.
pub fn seconds(seconds: f64) -> String {
    Timestamp::from_secs(seconds).map_or_else(|_| "?".into(), time)
}

/// `3.21 ms` or `4.5 s`.
pub fn wall(millis: f64) -> String {
    match millis {
        ms if ms < 9.995 => format!("{ms:.2} ms"),
        ms if ms < 99.95 => format!("{ms:.1} ms"),
        ms if ms < 999.5 => format!("{ms:.0} ms"),
        ms => format!("{:.2} s", ms / 1e3),
    }
}

/// A count and its noun.
pub fn count(count: usize, one: &str) -> String {
    format!("{count} {one}{}", if count == 1 { "" } else { "s" })
}

/// Text from a file or a name, which may hold what a terminal would obey.
pub fn plain(text: &str) -> String {
    let odd = |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        if odd(c) {
            plain.extend(c.escape_default());
        } else {
            plain.push(c);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_three_digits() {
        for (count, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.00 kB"),
            (9_994, "9.99 kB"),
            (9_996, "10.0 kB"),
            (999_600, "1.00 MB"),
            (1_250_000_000, "1.25 GB"),
        ] {
            assert_eq!(bytes(count), text, "{count}");
        }
    }

    #[test]
    fn times_are_short() {
        for (nanos, text) in [
            (0, "0 s"),
            (12_040_000_000, "12.04 s"),
            (59_999_900_000, "1:00"),
            (3_723_500_000_000, "1:02:03.5"),
            (-400_000_000, "-0.4 s"),
            (-1, "0 s"),
        ] {
            assert_eq!(time(Timestamp::from_nanos(nanos)), text, "{nanos}");
        }
    }

    #[test]
    fn a_terminal_is_told_nothing_by_names() {
        assert_eq!(plain("a\u{1b}[31mé\n"), "a\\u{1b}[31mé\\n");
    }
}
