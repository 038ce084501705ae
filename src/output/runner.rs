//! Where the results of jobs go: a rope, a sink, or many files.

use super::{
    container::{are_kin, format_for, is_mov},
    operation::Operation,
    target::{Destination, FilesPlan, Layout, Target},
};
use crate::{
    Control, Error, Report, Result, Rope, SaveOptions, Source,
    av::log,
    io::{PartialFile, Sink, SinkKind, avio::StreamDevice, files::SinkFiles},
    job::Stage,
};
use std::{
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

/// What an operation made, in memory: the result's bytes (mostly slices of the source) and what happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Clip {
    /// The result.
    pub rope: Rope,
    /// What happened.
    pub report: Report,
}

/// Runs a job into a rope.
pub(super) fn to_rope(mut job: Box<dyn Operation>, control: &Control) -> Result<Clip> {
    #[cfg(feature = "tracing")]
    let _span = tracing::info_span!("avrope", operation = job.name()).entered();
    let begun = Instant::now();
    let mut report = Report { operation: job.name().into(), ..Report::default() };
    let format = format_of(&mut *job, control)?;
    let rope = log::ours(|| build(job, &format, &mut report, control))?;
    finish(&mut report, rope.len(), begun);
    Ok(Clip { rope, report })
}

/// The container that was asked for, or the one that suits the operation.
fn format_of(job: &mut dyn Operation, control: &Control) -> Result<String> {
    match job.format() {
        Some(format) => Ok(format.to_owned()),
        None => job.default_format(control),
    }
}

fn build(job: Box<dyn Operation>, format: &str, report: &mut Report, control: &Control) -> Result<Rope> {
    let mut target = Target::new(format, Destination::Rope, job.layout(false), control)?;
    target.tell_sources(&job.inputs(), control)?;
    job.run(&mut target, report, control)?;
    let rope = target.into_rope(report)?;
    report.slices = rope.slices().len();
    Ok(rope)
}

/// Runs a job into a sink.
pub(super) fn to_sink(job: Box<dyn Operation>, sink: Sink, control: &Control) -> Result<Report> {
    #[cfg(feature = "tracing")]
    let _span = tracing::info_span!("avrope", operation = job.name()).entered();
    let begun = Instant::now();
    let mut report = Report { operation: job.name().into(), ..Report::default() };
    let written = log::ours(|| match sink.into_kind() {
        SinkKind::File { path, options } => to_file(job, &path, options, &mut report, control),
        SinkKind::Stream(to) => to_stream(job, StreamDevice::new(to), &mut report, control),
    })?;
    finish(&mut report, written, begun);
    Ok(report)
}

fn to_file(
    mut job: Box<dyn Operation>,
    path: &Path,
    options: SaveOptions,
    report: &mut Report,
    control: &Control,
) -> Result<u64> {
    let name = path.display().to_string();
    if job.inputs().iter().any(|source| source.is_file_at(path)) {
        return Err(Error::invalid("the output is one of the inputs")
            .named(&name)
            .advise("choose another name"));
    }
    if path.is_dir() {
        return Err(Error::invalid("this is a folder").named(&name).advise("name a file in it"));
    }
    let format = match job.format() {
        Some(format) => format.to_owned(),
        None => format_for(path).map_err(|e| e.named(&name))?,
    };
    if let Some(usual) = format_for(path).ok().filter(|usual| !are_kin(usual, &format)) {
        report.warn(format!(
            "{name}: its ending is that of {usual}, and the format that was asked for is {format}"
        ));
    }
    // Before any work: an output that can't be written is known at once.
    let mut file = PartialFile::create(path, options)?;
    job.set_place(&format, file.folder());
    if is_mov(&format) && job.shares(control)? {
        let rope = build(job, &format, report, control)?;
        rope.save_into(&mut file, control)?;
        file.publish()?;
        return Ok(rope.len());
    }
    let mut target = Target::new(&format, Destination::File(file), job.layout(false), control)?;
    target.tell_sources(&job.inputs(), control)?;
    job.run(&mut target, report, control)?;
    let file = target.into_file(report)?;
    let len = file.len();
    file.publish()?;
    Ok(len)
}

/// Runs a job into a source for another job: a file in a folder that goes away with it, or else memory. The report
/// is of what became of the job's sources, and not of how that is laid out.
pub(super) fn to_source(
    job: Box<dyn Operation>,
    format: &str,
    folder: Option<&Path>,
    control: &Control,
) -> Result<(Source, Report)> {
    let mut report = Report { operation: job.name().into(), ..Report::default() };
    let Some(folder) = folder else {
        let rope = build(job, format, &mut report, control)?;
        return Ok((Source::from_rope(rope), report));
    };
    let destination = Destination::File(PartialFile::temporary(folder)?);
    let mut target = Target::new(format, destination, job.layout(false), control)?;
    target.tell_sources(&job.inputs(), control)?;
    job.run(&mut target, &mut report, control)?;
    let file = target.into_file(&mut report.clone())?;
    Ok((file.into_source()?, report))
}

fn to_stream(
    mut job: Box<dyn Operation>,
    device: StreamDevice,
    report: &mut Report,
    control: &Control,
) -> Result<u64> {
    let format = format_of(&mut *job, control)?;
    let device = Arc::new(Mutex::new(device));
    if is_mov(&format) && job.layout(true) == Layout::Indexed {
        // The rope is complete before its first byte leaves: a plain MP4 with its moov first, also into a
        // pipe.
        let rope = build(job, &format, report, control)?;
        let mut device = device.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sent: u64 = 0;
        for chunk in rope.chunks().control(control) {
            let chunk = chunk?;
            sent = sent.saturating_add(chunk.len() as u64);
            device.send(chunk, control)?;
            control.report(Stage::Save, sent, rope.len())?;
            control.check()?;
        }
        device.flush(control)?;
        device.close(control)?;
        return Ok(rope.len());
    }
    let mut target = Target::new(&format, Destination::Stream(device.clone()), job.layout(true), control)?;
    target.tell_sources(&job.inputs(), control)?;
    job.run(&mut target, report, control)?;
    target.into_stream(report)?;
    let mut device = device.lock().unwrap_or_else(PoisonError::into_inner);
    device.flush(control)?;
    device.close(control)?;
    Ok(device.written())
}

/// Runs a job into many files: the ones that a muxer names.
pub(super) fn to_files(
    mut job: Box<dyn Operation>,
    plan: FilesPlan,
    sinks: impl FnMut(&str) -> Result<Sink> + Send + 'static,
    control: &Control,
) -> Result<Report> {
    #[cfg(feature = "tracing")]
    let _span = tracing::info_span!("avrope", operation = job.name()).entered();
    let begun = Instant::now();
    let mut report = Report { operation: job.name().into(), ..Report::default() };
    let written = Arc::new(AtomicU64::new(0));
    let files = SinkFiles { sinks, written: written.clone() };
    let destination = Destination::Files(Box::new(files), plan);
    let format = format_of(&mut *job, control)?;
    let mut target = Target::new(&format, destination, Layout::Fragments, control)?;
    log::ours(|| {
        job.run(&mut target, &mut report, control)?;
        target.into_stream(&mut report)
    })?;
    finish(&mut report, written.load(Ordering::Relaxed), begun);
    Ok(report)
}

fn finish(report: &mut Report, len: u64, begun: Instant) {
    report.output_bytes = len;
    report.wall = begun.elapsed();
    #[cfg(feature = "tracing")]
    tracing::debug!(
        packets = report.packets,
        payload_shared = report.payload_shared,
        payload_copied = report.payload_copied,
        warnings = report.warnings.len(),
        "done"
    );
}
