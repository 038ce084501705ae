//! Ranges on the command line: as they are, or in a file of JSON.

use crate::{Failure, Outcome, args::is_dash, inout, values::range};
use avrope::{Control, Media, TimeRange, Timestamp};
use clap::Args;
use serde_json::Value;
use std::{path::PathBuf, time::Duration};

/// A list of ranges that has more bytes is none.
const MOST: u64 = 4 << 20;

/// Ranges of a source.
#[derive(Args)]
#[group(skip)]
pub struct Ranges {
    /// The first instant to keep [default: the start]
    #[arg(long, value_name = "T", allow_hyphen_values = true, conflicts_with_all = ["keep", "remove"])]
    pub from: Option<Timestamp>,
    /// The first instant after it [default: the end]
    #[arg(long, value_name = "T", allow_hyphen_values = true, conflicts_with_all = ["keep", "remove"])]
    pub to: Option<Timestamp>,
    /// A range to keep, such as 10..20, 1:05.. (to the end) or ..30; repeat it to keep several, in this order. @FILE
    /// reads them as JSON, [[1.5, 4], [10, null]] or what 'detect --json' prints; of several lists in it, @FILE#silence
    /// takes one
    #[arg(long, value_name = "A..B|@FILE", allow_hyphen_values = true, value_parser = given)]
    pub keep: Vec<Given>,
    /// A range to leave out, or @FILE, as for --keep; repeat it to leave out several. The rest is kept
    #[arg(
        long,
        value_name = "A..B|@FILE",
        allow_hyphen_values = true,
        value_parser = given,
        conflicts_with = "keep"
    )]
    pub remove: Vec<Given>,
}

/// A range, or where ranges are.
#[derive(Clone, Debug, PartialEq)]
pub enum Given {
    Range(TimeRange),
    File { path: PathBuf, list: Option<String> },
}

fn given(text: &str) -> Result<Given, String> {
    let Some(path) = text.strip_prefix('@') else { return range(text).map(Given::Range) };
    if path.is_empty() {
        return Err("'@' stands in front of a file's name, such as @cuts.json".into());
    }
    Ok(match path.rsplit_once('#').filter(|_| !PathBuf::from(path).exists()) {
        Some((path, list)) => Given::File { path: path.into(), list: Some(list.into()) },
        None => Given::File { path: path.into(), list: None },
    })
}

impl Ranges {
    /// Files that are read for them.
    pub fn files(&self) -> Vec<&PathBuf> {
        let given = self.keep.iter().chain(&self.remove);
        given
            .filter_map(|given| if let Given::File { path, .. } = given { Some(path) } else { None })
            .collect()
    }

    /// What is kept of a source.
    pub fn list(&self, media: &Media, control: &Control) -> Outcome<Vec<TimeRange>> {
        if !self.remove.is_empty() {
            let removed = read(&self.remove, control)?;
            return Ok(TimeRange::without(&removed, duration(media, control)?)?);
        }
        if self.keep.is_empty() {
            let (from, to) = (self.from.unwrap_or(Timestamp::ZERO), self.to.unwrap_or(Timestamp::MAX));
            return Ok(vec![TimeRange { from, to }]);
        }
        let kept = read(&self.keep, control)?;
        if kept.is_empty() {
            let names: Vec<_> = self.files().into_iter().map(|path| path.display().to_string()).collect();
            return Err(Failure::Said(format!(
                "{}: no range is in it: nothing would be kept",
                names.join(", ")
            )));
        }
        Ok(kept)
    }
}

/// How long a source is: by its header, or else by its packets.
pub fn duration(media: &Media, control: &Control) -> Outcome<Option<Duration>> {
    Ok(match media.duration() {
        None => media.probe(control)?.duration,
        known => known,
    })
}

fn read(all: &[Given], control: &Control) -> Outcome<Vec<TimeRange>> {
    let mut ranges = Vec::new();
    for given in all {
        match given {
            Given::Range(range) => ranges.push(*range),
            Given::File { path, list } => {
                let name = if is_dash(path) { "standard input".into() } else { path.display().to_string() };
                let bytes = inout::read_small(path, MOST, control)?;
                let found = parse(&bytes, list.as_deref());
                ranges.extend(found.map_err(|why| Failure::Said(format!("{name}: {why}")))?);
            }
        }
    }
    Ok(ranges)
}

/// The ranges of a file; else what is wrong in it, and where.
fn parse(bytes: &[u8], list: Option<&str>) -> Result<Vec<TimeRange>, String> {
    let value: Value = serde_json::from_slice(bytes).map_err(|e| format!("this is no JSON: {e}"))?;
    let (name, list) = match (&value, list) {
        (Value::Array(list), None) => (String::new(), list),
        (Value::Array(_), Some(name)) => {
            return Err(format!("it is one list, without names; leave '#{name}' out"));
        }
        (Value::Object(lists), name) => {
            let is_list = |(name, value): &(&String, &Value)| value.is_array() && *name != "warnings";
            let known: Vec<&str> = lists.iter().filter(is_list).map(|(name, _)| &**name).collect();
            let names = known.join(", ");
            let chosen = match (name, &known[..]) {
                (Some(name), known) if known.contains(&name) => name,
                (Some(name), _) => return Err(format!("there is no list '{name}' in it; it has: {names}")),
                (None, [one]) => one,
                (None, []) => return Err("there is no list of ranges in it".into()),
                (None, [first, ..]) => {
                    return Err(format!("it has several lists ({names}); say which, such as @FILE#{first}"));
                }
            };
            let list = lists.get(chosen).and_then(Value::as_array);
            (chosen.to_owned(), list.ok_or("there is no list of ranges in it")?)
        }
        _ => return Err("a list of ranges is expected, such as [[1.5, 4], [10, null]]".into()),
    };
    let place = |(i, value)| of(value).map_err(|why| format!("{name}[{i}]: {why}"));
    list.iter().enumerate().map(place).collect()
}

/// One range.
fn of(value: &Value) -> Result<TimeRange, String> {
    let (from, to) = match value {
        Value::Array(both) => match &both[..] {
            [from, to] => (from, to),
            other => return Err(format!("a range has two times, and this has {}", other.len())),
        },
        Value::Object(both) => {
            let time = |name| both.get(name).ok_or_else(|| format!("'{name}' is missing"));
            (time("from")?, time("to")?)
        }
        _ => return Err("this is no range; give [1.5, 4] or {\"from\": 1.5, \"to\": 4}".into()),
    };
    let time = |value: &Value, open: Timestamp| match value {
        Value::Null => Ok(open),
        Value::Number(seconds) => {
            Timestamp::from_secs(seconds.as_f64().unwrap_or(f64::NAN)).map_err(|e| e.to_string())
        }
        Value::String(text) => text.parse().map_err(|e: avrope::Error| e.to_string()),
        _ => Err("this is no time; give seconds (90.5), \"HH:MM:SS.mmm\", or null for an open end".into()),
    };
    Ok(TimeRange { from: time(from, Timestamp::ZERO)?, to: time(to, Timestamp::MAX)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(from: f64, to: f64) -> TimeRange {
        TimeRange::secs(from, to).unwrap()
    }

    #[test]
    fn ranges_are_read_in_all_their_forms() {
        let read = |text: &str, list| parse(text.as_bytes(), list).unwrap();
        assert_eq!(read("[[1.5, 4], [10, null]]", None)[0], secs(1.5, 4.0));
        assert_eq!(read("[[1.5, 4], [10, null]]", None)[1].to, Timestamp::MAX);
        assert_eq!(read(r#"[{"from": "1:00", "to": 70, "score": 3}]"#, None), [secs(60.0, 70.0)]);
        let found = r#"{"scenes": [{"from": 0, "to": 1}], "silence": [], "warnings": ["x"]}"#;
        assert_eq!(read(found, Some("scenes")), [secs(0.0, 1.0)]);
        assert_eq!(read(found, Some("silence")), []);
        assert_eq!(read(r#"{"black": [[0, 2]], "warnings": ["x"], "name": "a"}"#, None), [secs(0.0, 2.0)]);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let why = |text: &str, list| parse(text.as_bytes(), list).unwrap_err();
        assert!(
            why("[[1, 2]", None).starts_with("this is no JSON: EOF while parsing a list at line 1 column 7")
        );
        assert_eq!(why("7", None), "a list of ranges is expected, such as [[1.5, 4], [10, null]]");
        assert_eq!(why("[[1, 2], [3]]", None), "[1]: a range has two times, and this has 1");
        assert_eq!(why(r#"{"cuts": [{"from": 1}]}"#, None), "cuts[0]: 'to' is missing");
        assert_eq!(why("[5]", None), "[0]: this is no range; give [1.5, 4] or {\"from\": 1.5, \"to\": 4}");
        assert!(why("[[true, 2]]", None).starts_with("[0]: this is no time"));
        assert!(why("[[\"x\", 2]]", None).starts_with("[0]: 'x' is not a time"));
        assert!(why("[[1e300, 2]]", None).starts_with("[0]: "));
        let two = r#"{"black": [], "silence": []}"#;
        assert_eq!(why(two, None), "it has several lists (black, silence); say which, such as @FILE#black");
        assert_eq!(why(two, Some("scenes")), "there is no list 'scenes' in it; it has: black, silence");
        assert_eq!(why("[]", Some("black")), "it is one list, without names; leave '#black' out");
        let deep = "[".repeat(100_000);
        assert!(why(&deep, None).contains("recursion limit"));
    }
}
