//! `cut`, `join` and `remux`.

use crate::{
    Failure, Outcome, args,
    inout::{self, Destination, Needs},
    progress::Bar,
    split, text,
};
use avrope::{
    Control, Cut, CutMode, Join, Media, Remux, Report, SoundWay, Source,
    report::Way,
    transcode::{Transcoder, Transition},
};
use std::{io::Write, path::Path};

pub fn cut(args: &args::Cut, control: &Control) -> Outcome {
    if args.split.is_asked() {
        return split::run(args, control);
    }
    if args.plan {
        return plan(args, control);
    }
    let to = Destination::new(&args.output, std::slice::from_ref(&args.input))?;
    let bar = Bar::new(&args.common);
    let source = inout::source(&args.input, Needs::Seeking, &bar, control)?;
    let control = bar.watch(control, "cutting");
    let media = Media::open_with(source, &control)?;
    let kept = args.ranges.list(&media, &control)?;
    let settings = kept.into_iter().fold(cut_settings(args), Cut::keep);
    let report = to.run(&control, |sink| avrope::cut_to(&media, &settings, sink, &control))?;
    drop(bar);
    tell(&report, &args.output, &args.common)
}

/// How is cut, whatever is kept.
pub fn cut_settings(args: &args::Cut) -> Cut {
    let mut settings = Cut::new().allow_drops(args.output.allow_drops).strip(args.output.strip());
    settings = settings.mode(args.mode.map_or(CutMode::Exact, args::Mode::get)).audio(args.audio.get());
    match &args.output.format {
        Some(format) => settings.format(format),
        None => settings,
    }
}

/// Says what a cut would copy and encode.
fn plan(args: &args::Cut, control: &Control) -> Outcome {
    let bar = Bar::new(&args.common);
    let source = inout::source(&args.input, Needs::Seeking, &bar, control)?;
    let media = Media::open_with(source, control)?;
    let mut settings = cut_settings(args);
    // As the cut itself goes by the output's name.
    let name = args.output.output.extension().filter(|_| args.output.format.is_none());
    if let Some(name) = name {
        settings = settings.format(name.to_string_lossy());
    }
    let kept = args.ranges.list(&media, control)?;
    let plan = kept.into_iter().fold(settings, Cut::keep).plan(&media, control)?;
    drop(bar);
    if args.common.json {
        return inout::print_json(&plan);
    }
    let mut words = String::new();
    for span in &plan.spans {
        let (from, to) = (text::time(span.from), text::time(span.to));
        let way = if span.way == Way::Copied { "copied" } else { "encoded" };
        words += &format!("range {}, stream {}: {from} to {to} {way}", span.range + 1, span.stream);
        if let Some(pictures) = span.pictures {
            words += &format!(", {pictures} {}", if pictures == 1 { "picture" } else { "pictures" });
        }
        if let Some(why) = &span.why {
            words += &format!(": {why}");
        }
        words.push('\n');
    }
    for sound in &plan.sounds {
        let way = match (sound.way, &sound.encoder) {
            (SoundWay::Copied, _) => "copied".into(),
            (SoundWay::Spliced, _) => "copied, spliced between two packets where ranges meet".into(),
            (SoundWay::Faded, _) => "copied, some packets encoded anew where ranges meet".into(),
            (_, Some(encoder)) => format!("encoded by {encoder}"),
            _ => "encoded".into(),
        };
        words += &format!("stream {}: sound ({}) {way}\n", sound.stream, sound.codec);
    }
    words += &format!("{} pictures decoded, {} encoded\n", plan.frames_decoded, plan.frames_encoded);
    for warning in &plan.warnings {
        words += &format!("warning: {warning}\n");
    }
    inout::print(&words)
}

pub fn join(args: &args::Join, control: &Control) -> Outcome {
    let to = Destination::new(&args.output, &args.inputs)?;
    let mut settings = Join::new().allow_drops(args.output.allow_drops).strip(args.output.strip());
    if let Some(format) = &args.output.format {
        settings = settings.format(format);
    }
    let encode = args.settings();
    if args.unlike == args::UnlikeArg::Encode {
        settings = settings.encode_unlike(encode);
    } else if encode != avrope::Transcode::new() {
        let message =
            "--unlike refuse encodes nothing: codecs, sizes, rates and channels go with --unlike encode";
        return Err(Failure::Said(message.into()));
    }
    let bar = Bar::new(&args.common);
    let open = |path: &_| inout::source(path, Needs::Seeking, &bar, control);
    let sources = args.inputs.iter().map(|path| open(path)).collect::<Outcome<Vec<_>>>()?;
    let control = bar.watch(control, "joining");
    let report = to.run(&control, |sink| match &args.transition {
        None => avrope::join_to(&sources, &settings, sink, &control),
        Some(name) => {
            let transition = Transition::new(name, args.transition_duration);
            let format = args.output.format.iter();
            let settings =
                args.coding.settings().allow_drops(args.output.allow_drops).strip(args.output.strip());
            let settings = format.fold(settings, |settings, format| settings.format(format));
            avrope::join_with_transition_to(&sources, &transition, &settings, sink, &control)
        }
    })?;
    drop(bar);
    tell(&report, &args.output, &args.common)
}

pub fn remux(args: &args::Remux, control: &Control) -> Outcome {
    let inputs = std::slice::from_ref(&args.input);
    let to = Destination::new(&args.output, inputs)?;
    let mut settings = Remux::new().allow_drops(args.output.allow_drops).strip(args.output.strip());
    if let Some(format) = &args.output.format {
        settings = settings.format(format);
    }
    let bar = Bar::new(&args.common);
    let source = inout::source(&args.input, Needs::Order, &bar, control)?;
    let control = bar.watch(control, "remuxing");
    let media = Media::open_with(source, &control)?;
    let report = to.run(&control, |sink| avrope::remux_to(&media, &settings, sink, &control))?;
    drop(bar);
    tell(&report, &args.output, &args.common)
}

pub fn transcode(args: &args::Transcode, control: &Control) -> Outcome {
    let inputs: Vec<_> = std::iter::once(&args.input).chain(&args.encoding.watermark).cloned().collect();
    let to = Destination::new(&args.output, &inputs)?;
    let bar = Bar::new(&args.common);
    let source = inout::source(&args.input, Needs::Order, &bar, control)?;
    let control = bar.watch(control, "transcoding");
    let media = Media::open_with(source, &control)?;
    let mut settings = args
        .encoding
        .settings(media.duration())?
        .allow_drops(args.output.allow_drops)
        .strip(args.output.strip());
    if let Some(format) = &args.output.format {
        settings = settings.format(format);
    }
    let mut transcoder = Transcoder::new(&media, &settings);
    if let Some(path) = &args.encoding.watermark {
        transcoder = transcoder.watermark(Source::open(path)?, args.encoding.overlay())?;
    }
    let report = to.run(&control, |sink| transcoder.run_to(sink, &control))?;
    drop(bar);
    tell(&report, &args.output, &args.common)
}

/// Says what was done: as JSON on standard output, or in words, which make way for media.
fn tell(report: &Report, output: &args::Output, common: &args::Common) -> Outcome {
    if common.json {
        return inout::print_json(report);
    }
    let mut stderr = std::io::stderr().lock();
    for warning in &report.warnings {
        let _ = writeln!(stderr, "avrope: warning: {}", text::plain(warning));
    }
    if common.quiet {
        return Ok(());
    }
    let words = summary(report, &output.output);
    if args::is_dash(&output.output) {
        let _ = stderr.write_all(words.as_bytes());
        Ok(())
    } else {
        drop(stderr);
        inout::print(&words)
    }
}

fn summary(report: &Report, output: &Path) -> String {
    let name = if args::is_dash(output) {
        "standard output".into()
    } else {
        text::plain(&output.display().to_string())
    };
    let mut words = format!(
        "{name}: {}, {} ({}{}, {} packets) in {}\n",
        text::seconds(report.duration.as_secs_f64()),
        text::bytes(report.output_bytes),
        report.operation,
        report.mode.as_ref().map(|mode| format!(", mode {mode}")).unwrap_or_default(),
        report.packets,
        text::wall(report.wall.as_secs_f64() * 1e3),
    );
    for (i, range) in report.ranges.iter().enumerate().filter(|(_, range)| range.from != range.actual_from) {
        let (asked, shown) = (text::time(range.from), text::time(range.actual_from));
        words += &format!(
            "range {} begins at {shown} (asked: {asked})
",
            i + 1
        );
    }
    for input in &report.inputs {
        words += &format!("{}: its {} was encoded: {}\n", text::plain(&input.name), input.kind, input.why);
    }
    if report.frames_encoded > 0 {
        let seconds = report.wall.as_secs_f64();
        words += &format!(
            "frames of picture and sound: {} decoded, {} encoded, {:.1} times as fast as it plays\n",
            report.frames_decoded,
            report.frames_encoded,
            if seconds > 0.0 { report.duration.as_secs_f64() / seconds } else { 0.0 },
        );
        return words;
    }
    words += &format!(
        "media: {} shared with the input, {} copied\n",
        text::bytes(report.payload_shared),
        text::bytes(report.payload_copied)
    );
    words
}
