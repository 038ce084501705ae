//! `inspect`: what an MP4 is made of, for people and programs.

use crate::{
    Failure, Outcome, args,
    inout::{self, Needs},
    progress::Bar,
    text::{self, plain},
};
use avrope::{
    Control,
    inspect::{BoxInfo, Inspection, SampleInfo, TrackInfo, inspect},
};
use serde_json::json;
use std::{fmt::Write, ops::Range};

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
    let samples = args.samples.clone().map(|numbers| found.samples(id, numbers));
    if args.common.json {
        let samples: Option<Vec<SampleInfo>> = samples.map(Iterator::collect);
        return inout::print_json(&json!({ "track": track, "samples": samples }));
    }
    let mut listed = String::new();
    describe(&mut listed, track, &found);
    if let Some(numbers) = &args.samples {
        list(&mut listed, &found, track, numbers);
    }
    inout::print(&listed)
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
        let what = edit.media_time.map_or("nothing".into(), |time| format!("from tick {time} on"));
        let _ = writeln!(listed, "  edit: {} of {what}", text::seconds(length));
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

fn list(listed: &mut String, found: &Inspection, track: &TrackInfo, numbers: &Range<u64>) {
    let head = ["sample", "decoded", "shown", "lasts", "at byte", "bytes", ""];
    let row = |cells: [&str; 7]| {
        let [number, decoded, shown, lasts, offset, size, what] = cells;
        format!("  {number:>8} {decoded:>12} {shown:>12} {lasts:>7} {offset:>13} {size:>9}  {what}")
    };
    let _ = writeln!(listed, "{}", row(head).trim_end());
    for sample in found.samples(track.id, numbers.clone()) {
        let cells =
            [sample.number.to_string(), sample.decode_time.to_string(), sample.composition_time.to_string()];
        let [number, decoded, shown] = &cells;
        let (lasts, offset, size) =
            (sample.duration.to_string(), sample.offset.to_string(), sample.size.to_string());
        let what = if sample.sync { "sync" } else { "" };
        let _ =
            writeln!(listed, "{}", row([number, decoded, shown, &lasts, &offset, &size, what]).trim_end());
    }
}
