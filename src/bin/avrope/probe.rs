//! `probe`: what is in a file, for people and programs.

use crate::{
    Outcome, args,
    inout::{self, Needs},
    progress::Bar,
    text::{self, plain},
};
use avrope::{
    Control, Media, Timestamp,
    media::{Color, MediaInfo, StreamInfo, StreamKind},
};
use std::fmt::Write;

pub fn run(args: &args::Probe, control: &Control) -> Outcome {
    let bar = Bar::new(&args.common);
    let source = inout::source(&args.input, Needs::Seeking, &bar, control)?;
    bar.handle().spin("looking");
    let media = Media::open_with(source, control)?;
    let info = media.probe(control)?;
    drop(bar);
    if args.common.json { inout::print_json(&info) } else { inout::print(&listing(&info)) }
}

fn listing(info: &MediaInfo) -> String {
    let mut text = format!("{}: {} ({})\n", plain(&info.name), info.format_name, info.format);
    let mut facts = vec![info.duration.map_or("of unknown duration".into(), text::length)];
    facts.extend(info.size.map(text::bytes));
    facts.extend(info.bit_rate.map(text::rate));
    if info.start_time != Timestamp::ZERO {
        facts.push(format!("0 is {} on the file's own clock", text::time(info.start_time)));
    }
    let _ = writeln!(text, "  {}", facts.join(", "));
    for (key, value) in info.metadata.iter().filter(|(key, _)| tells(key)) {
        let _ = writeln!(text, "  {}: {}", plain(key), plain(value));
    }
    for stream in &info.streams {
        describe(&mut text, stream);
    }
    if !info.chapters.is_empty() {
        let _ = writeln!(text, "  {}", text::count(info.chapters.len(), "chapter"));
    }
    for chapter in &info.chapters {
        let title = chapter.title.as_deref().unwrap_or("(no title)");
        let (start, end) = (text::time(chapter.start), text::time(chapter.end));
        let _ = writeln!(text, "    {start} to {end}: {}", plain(title));
    }
    for warning in &info.warnings {
        let _ = writeln!(text, "  warning: {}", plain(warning));
    }
    text
}

fn describe(text: &mut String, stream: &StreamInfo) {
    let kind = format!("{:?}", stream.kind).to_lowercase();
    let _ = writeln!(text, "  stream {}, {kind}: {}", stream.index, facts(stream).join(", "));
    if let Some(keyframes) = &stream.keyframes {
        let mut line = text::count(keyframes.len(), "keyframe");
        if let (Some(first), Some(last), true) = (keyframes.first(), keyframes.last(), keyframes.len() > 1) {
            let interval = last.duration_since(*first).as_secs_f64() / (keyframes.len() - 1) as f64;
            let _ = write!(line, ", {} apart on average", text::seconds(interval));
        }
        let _ = writeln!(text, "    {line}");
    }
    for (key, value) in stream.metadata.iter().filter(|(key, _)| tells(key)) {
        let _ = writeln!(text, "    {}: {}", plain(key), plain(value));
    }
}

/// Whether this is more than a container's note to itself, or what is said in another place. JSON has them
/// all.
fn tells(key: &str) -> bool {
    let notes = [
        "major_brand",
        "minor_version",
        "compatible_brands",
        "handler_name",
        "vendor_id",
        "language",
        "duration",
    ];
    !notes.iter().any(|note| key.eq_ignore_ascii_case(note))
}

fn facts(stream: &StreamInfo) -> Vec<String> {
    let mut codec = stream.codec.clone();
    if let Some(profile) = &stream.profile {
        let _ = write!(codec, " {profile}");
    }
    if let Some(level) = stream.level.and_then(|level| level_name(&stream.codec, level)) {
        let _ = write!(codec, " {level}");
    }
    // The browsers' word begins with the tag.
    if let Some(tag) =
        stream.codec_string.as_ref().filter(|word| **word != stream.codec).or(stream.tag.as_ref())
    {
        let _ = write!(codec, " ({})", plain(tag));
    }
    let mut facts = vec![codec];
    if let (Some(width), Some(height)) = (stream.width, stream.height) {
        facts.push(format!("{width}x{height}"));
    }
    if let Some(aspect) = stream.sample_aspect_ratio.filter(|aspect| aspect.num != aspect.den) {
        facts.push(format!("pixels {}:{}", aspect.num, aspect.den));
    }
    if let Some(rotation) = stream.rotation.filter(|degrees| *degrees != 0.0) {
        facts.push(format!("turned by {rotation} degrees"));
    }
    if let Some(rate) = stream.frame_rate {
        let value = format!("{:.3}", rate.value());
        facts.push(format!("{} fps", value.trim_end_matches('0').trim_end_matches('.')));
    }
    facts.extend(stream.pixel_format.clone());
    facts.extend(stream.color.as_ref().map(color));
    facts.extend(stream.sample_rate.map(|rate| format!("{rate} Hz")));
    match (&stream.channel_layout, stream.channels) {
        (Some(layout), _) => facts.push(layout.clone()),
        (None, Some(channels)) => facts.push(text::count(channels as usize, "channel")),
        (None, None) => {}
    }
    facts.extend(stream.sample_format.clone());
    facts.extend(stream.bit_rate.map(text::rate));
    facts.extend(
        stream
            .frames
            .filter(|_| stream.kind == StreamKind::Video)
            .map(|frames| text::count(usize::try_from(frames).unwrap_or(usize::MAX), "frame")),
    );
    facts.extend(stream.language.as_deref().map(plain));
    facts.extend(
        stream.start_time.filter(|t| *t != Timestamp::ZERO).map(|t| format!("from {}", text::time(t))),
    );
    facts.extend(stream.disposition.iter().cloned());
    facts
}

/// As the specification writes it; where that is not known, the number says too little.
fn level_name(codec: &str, level: i32) -> Option<String> {
    let value = match codec {
        "h264" => f64::from(level) / 10.0,
        "hevc" => f64::from(level) / 30.0,
        _ => return None,
    };
    (level > 0).then(|| format!("level {value:.1}"))
}

fn color(color: &Color) -> String {
    let names = [&color.range, &color.primaries, &color.transfer, &color.space];
    let mut said: Vec<&str> = Vec::new();
    for name in names.into_iter().flatten() {
        if !said.contains(&name.as_str()) {
            said.push(name);
        }
    }
    said.join("/")
}
