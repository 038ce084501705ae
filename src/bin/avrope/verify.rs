//! `verify`: what an output is, compared with its source.

use crate::{
    Failure, Outcome, args,
    inout::{self, Needs},
    plot,
    progress::Bar,
    text::{self, plain},
};
use avrope::{
    Control, Media, Rope,
    io::SaveOptions,
    verify::{Pictures, Sound, SoundState, Verification, Verify},
};
use std::{fmt::Write, os::unix::fs::MetadataExt, path::Path};

pub fn run(args: &args::Verify, control: &Control) -> Outcome {
    let mut asked = Verify::new().min_psnr(args.min_psnr);
    if let Some(tolerance) = args.tolerance {
        asked = asked.tolerance(tolerance);
    }
    if let Some(lag) = args.max_lag {
        asked = asked.max_lag(lag);
    }
    let plot = args.plot.as_deref().map(|path| plot_to(path, args)).transpose()?;
    let bar = Bar::new(&args.common);
    let open = |path| {
        Ok::<_, Failure>(Media::open_with(inout::source(path, Needs::Seeking, &bar, control)?, control)?)
    };
    let (source, output) = (open(&args.source)?, open(&args.output)?);
    asked = args.ranges.list(&source, control)?.into_iter().fold(asked, Verify::keep);
    bar.handle().spin("comparing");
    let found = asked.check(&source, &output, &bar.watch(control, "comparing"))?;
    drop(bar);
    if let Some(path) = plot {
        let options = SaveOptions::new().overwrite(args.force);
        Rope::from_bytes(plot::svg(&found)?.into_bytes()).save(path, options, control)?;
    }
    if args.common.json {
        inout::stream_json(&found)?;
    } else {
        inout::print(&words(&found))?;
    }
    if found.holds { Ok(()) } else { Err(Failure::Unlike) }
}

/// Where the plot goes: an error at once where it can't, and not when all is compared.
fn plot_to<'a>(path: &'a Path, args: &args::Verify) -> Outcome<&'a Path> {
    let refuse = |why: &str| Err(Failure::Said(format!("{}: {why}", path.display())));
    if args::is_dash(path) {
        return refuse("a plot goes into a file; name one that ends in .svg");
    }
    let id = |path: &Path| std::fs::metadata(path).ok().map(|file| (file.dev(), file.ino()));
    let there = id(path);
    if there.is_some() && [&args.source, &args.output].into_iter().any(|input| id(input) == there) {
        return refuse("this is one of the files that are compared; choose another one for the plot");
    }
    if there.is_some() && !args.force {
        return refuse("the file exists; choose another name, or overwrite it (--force)");
    }
    Ok(path)
}

fn words(found: &Verification) -> String {
    let mut words = format!("{}: ", plain(&found.output));
    words += if found.holds { "holds\n" } else { "does not hold\n" };
    if let Some(pictures) = &found.pictures {
        describe(&mut words, pictures);
    }
    found.sound.iter().for_each(|sound| hear(&mut words, sound));
    for fault in &found.faults {
        let _ = writeln!(words, "  {}: {}", fault.kind.name(), plain(&fault.to_string()));
    }
    for note in &found.notes {
        let _ = writeln!(words, "  note: {}: {}", note.kind.name(), plain(&note.to_string()));
    }
    if found.more_faults > 0 {
        let _ = writeln!(words, "  and {} more", text::count(found.more_faults as usize, "fault"));
    }
    words
}

fn describe(words: &mut String, pictures: &Pictures) {
    let count = |count: u64| text::count(count as usize, "picture");
    let _ = write!(words, "  {} of {}: {} copied", count(pictures.found), pictures.expected, pictures.copied);
    if pictures.equal > 0 {
        let _ = write!(words, ", {} equal but coded anew", pictures.equal);
    }
    let _ = write!(words, ", {} re-encoded", pictures.recoded);
    if let (Some(least), Some(mean)) = (pictures.psnr_min, pictures.psnr_mean) {
        let _ = write!(words, " (PSNR at least {least:.1} dB, {mean:.1} dB on average)");
    }
    words.push('\n');
}

fn hear(words: &mut String, sound: &Sound) {
    let lasts = |state: SoundState| {
        let spans = sound.spans.iter().filter(|span| span.state == state);
        spans.map(|span| span.until.duration_since(span.from).as_secs_f64()).sum::<f64>()
    };
    let (equal, near) = (lasts(SoundState::Equal), lasts(SoundState::Near));
    let _ = write!(
        words,
        "  sound of stream {}: {} of {} samples",
        sound.output_stream, sound.found, sound.expected
    );
    let _ = write!(words, ", {} equal, {} not", text::seconds(equal), text::seconds(near));
    let offsets = sound.ranges.iter().filter_map(|range| range.av_offset);
    if let Some(furthest) = offsets.max_by_key(|offset| offset.nanos().saturating_abs()) {
        let _ = write!(words, ", at most {:.1} ms off the pictures", furthest.nanos() as f64 / 1e6);
    }
    if let Some(least) = sound.si_sdr_min.filter(|least| least.is_finite()) {
        let _ = write!(words, " (SI-SDR at least {least:.1} dB)");
    }
    words.push('\n');
}
