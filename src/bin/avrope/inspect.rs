//! `inspect`: what an MP4 is made of, for people and programs.

use crate::{
    Failure, Outcome, args,
    inout::{self, Needs},
    progress::Bar,
    text::{self, plain},
};
use avrope::{
    Control,
    inspect::{BoxInfo, Inspection, TrackInfo, inspect},
};
use serde::{
    Serialize, Serializer,
    ser::{Error, SerializeSeq},
};
use std::{
    fmt::{Display, Write},
    ops::Range,
};

/// So many bytes are printed at once.
const PIECE: usize = 1 << 16;

/// What is printed of one track.
#[derive(Serialize)]
struct OneTrack<'a> {
    track: &'a TrackInfo,
    samples: Option<Listed<'a>>,
}

/// Samples of a track, as they are printed.
struct Listed<'a> {
    found: &'a Inspection,
    id: u32,
    numbers: Range<u64>,
    control: &'a Control,
}

impl Serialize for Listed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut all = serializer.serialize_seq(None)?;
        for sample in self.found.samples(self.id, self.numbers.clone()) {
            self.control.check().map_err(S::Error::custom)?;
            all.serialize_element(&sample)?;
        }
        all.end()
    }
}

pub fn run(args: &args::Inspect, control: &Control) -> Outcome {
    let bar = Bar::new(&args.common);
    let source = inout::source(&args.input, Needs::Seeking, &bar, control)?;
    bar.handle().spin("looking");
    let found = inspect(&source, control)?;
    drop(bar);
    let Some(id) = args.track else {
        return if args.common.json { inout::print_json(&found) } else { inout::print(&listing(&found)) };
    };
    let Some(track) = found.tracks.iter().find(|track| track.id == id) else {
        let all: Vec<String> = found.tracks.iter().map(|track| track.id.to_string()).collect();
        let there = if all.is_empty() { "none".into() } else { all.join(", ") };
        return Err(Failure::Said(format!("{}: there is no track {id}; there are: {there}", found.name)));
    };
    if args.common.json {
        let samples = args.samples.clone().map(|numbers| Listed { found: &found, id, numbers, control });
        return inout::stream_json(&OneTrack { track, samples });
    }
    let mut told = String::new();
    describe(&mut told, track, &found);
    match &args.samples {
        Some(numbers) => list(told, &found, track, numbers, control),
        None => inout::print(&told),
    }
}

fn listing(found: &Inspection) -> String {
    let mut listed = format!("{}: {}\n", plain(&found.name), text::bytes(found.size));
    found.boxes.iter().for_each(|info| branch(&mut listed, info, 1));
    found.tracks.iter().for_each(|track| describe(&mut listed, track, found));
    if found.fragments > 0 {
        let _ = writeln!(listed, "{}", text::count(found.fragments as usize, "fragment"));
    }
    for warning in &found.warnings {
        let _ = writeln!(listed, "warning: {}", plain(warning));
    }
    listed
}

fn branch(listed: &mut String, info: &BoxInfo, depth: usize) {
    let (offset, size, kind) = (info.offset, text::bytes(info.size), plain(&info.kind));
    let name = format!("{:indent$}{kind}", "", indent = depth * 2);
    let summary = info.summary.as_deref().map(plain).unwrap_or_default();
    let line = format!("{name:<22} {offset:>12} {size:>9}  {summary}");
    let _ = writeln!(listed, "{}", line.trim_end());
    info.boxes.iter().for_each(|inner| branch(listed, inner, depth + 1));
}

fn describe(listed: &mut String, track: &TrackInfo, found: &Inspection) {
    let codecs = if track.codecs.is_empty() { "no description".into() } else { track.codecs.join(", ") };
    let scale = track.time_scale;
    let _ = writeln!(listed, "track {}, {}: {}", track.id, plain(&track.handler), plain(&codecs));
    let seconds = |ticks: f64| if scale > 0 { text::seconds(ticks / f64::from(scale)) } else { "?".into() };
    let stated = track.duration.map_or("an unknown time".into(), |ticks| seconds(ticks as f64));
    let _ = writeln!(listed, "  {stated} by its header, in ticks of 1/{scale} s");
    for edit in track.edits.iter().flatten() {
        let length = edit.duration as f64 / f64::from(found.time_scale.max(1));
        let what = edit.media_time.map_or(" of nothing".into(), |time| format!(" from tick {time} on"));
        let _ = writeln!(listed, "  edit: {}{what}", text::seconds(length));
    }
    if let Some(problem) = &track.problem {
        let _ = writeln!(listed, "  its tables can't be meant: {}", plain(problem));
        return;
    }
    let _ = writeln!(
        listed,
        "  {} of {}, {} of them sync, in {}; decoded in {}",
        text::count(track.samples as usize, "sample"),
        text::bytes(track.bytes),
        track.sync_samples,
        text::count(track.chunks as usize, "chunk"),
        seconds(track.decoded as f64)
    );
    let tables: Vec<String> =
        track.tables.iter().map(|(name, entries)| format!("{name} {entries}")).collect();
    if !tables.is_empty() {
        let _ = writeln!(listed, "  entries: {}", tables.join(", "));
    }
}

/// Samples as they are printed: a file may state millions by a number.
fn list(
    mut told: String,
    found: &Inspection,
    track: &TrackInfo,
    numbers: &Range<u64>,
    control: &Control,
) -> Outcome {
    let row = |cells: [&dyn Display; 7]| {
        let [number, decoded, shown, lasts, offset, size, what] = cells.map(ToString::to_string);
        let line =
            format!("  {number:>8} {decoded:>12} {shown:>12} {lasts:>7} {offset:>13} {size:>9}  {what}");
        format!("{}\n", line.trim_end())
    };
    told += &row([&"sample", &"decoded", &"shown", &"lasts", &"at byte", &"bytes", &""]);
    for sample in found.samples(track.id, numbers.clone()) {
        let what = if sample.sync { "sync" } else { "" };
        let (decoded, shown) = (sample.decode_time, sample.composition_time);
        told +=
            &row([&sample.number, &decoded, &shown, &sample.duration, &sample.offset, &sample.size, &what]);
        if told.len() > PIECE {
            control.check()?;
            inout::print(&told)?;
            told.clear();
        }
    }
    inout::print(&told)
}
