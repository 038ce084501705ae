//! [`cut`] in all of its modes; what copies alone is done in `edit`, what encodes everything in `transcode`.

use super::{apart, coder::Coder, layers, plan, sound, told, work::Work};
use crate::{
    Clip, Control, Cut, CutAudio, CutMode, Error, ErrorKind, Job, Media, Report, Result, Sink, Source,
    TimeRange, edit,
    output::{self, Operation, target::Target},
    transcode::operations::Encoding,
};
use std::path::{Path, PathBuf};

/// Cuts ranges out of a media, into a rope.
///
/// ```no_run
/// use avrope::{Control, Cut, Media, Source, TimeRange, cut, io::SaveOptions};
/// let media = Media::open(Source::open("talk.mp4")?)?;
/// let clip = cut(&media, &Cut::new().keep(TimeRange::secs(10.0, 20.0)?), &Control::default())?;
/// clip.rope.save("clip.mp4", SaveOptions::new(), &Control::default())?;
/// # Ok::<(), avrope::Error>(())
/// ```
///
/// Errors: [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for ranges that are empty, reversed,
/// negative or outside, [`Unsupported`](crate::ErrorKind::Unsupported) for a mode or container that can't do
/// it, and what reading fails with.
pub fn cut(media: &Media, settings: &Cut, control: &Control) -> Result<Clip> {
    settings.job(media).to_rope(control)
}

/// Cuts ranges out of a media, into a sink.
///
/// Errors: as [`cut`], and what the sink fails with.
pub fn cut_to(media: &Media, settings: &Cut, sink: Sink, control: &Control) -> Result<Report> {
    settings.job(media).to_sink(sink, control)
}

impl Cut {
    /// The job that cuts this out of a media.
    pub fn job(&self, media: &Media) -> Job {
        match self.asked_mode() {
            Some(CutMode::Encode) => Job::new(Encoding { media: media.clone(), cut: self.clone() }),
            Some(CutMode::Smart | CutMode::Exact) => Job::new(Smart {
                work: Work { media: media.clone(), cut: self.clone(), apart: Vec::new() },
                folder: None,
            }),
            _ => self.copying(media),
        }
    }
}

struct Smart {
    work: Work,
    /// The folder of the result, if it is a file.
    folder: Option<PathBuf>,
}

impl Operation for Smart {
    fn name(&self) -> &'static str {
        "cut"
    }

    fn inputs(&self) -> Vec<Source> {
        vec![self.work.media.source().clone()]
    }

    fn format(&self) -> Option<&str> {
        self.work.cut.asked_format()
    }

    fn default_format(&mut self, _control: &Control) -> Result<String> {
        Ok(output::format_like(&self.work.media))
    }

    fn shares(&mut self, _control: &Control) -> Result<bool> {
        Ok(self.work.shares())
    }

    fn set_place(&mut self, _format: &str, folder: &Path) {
        self.folder = Some(folder.to_owned());
    }

    fn run(self: Box<Self>, target: &mut Target, report: &mut Report, control: &Control) -> Result<()> {
        let named = |e: Error| e.named(self.work.media.source().name());
        let is_exact = self.work.cut.asked_mode() == Some(CutMode::Exact);
        let encodes_sound = self.work.cut.asked_audio() == CutAudio::Exact;
        if is_exact && plan::videos(&self.work.media).is_empty() {
            if encodes_sound {
                let Work { media, cut, .. } = self.work;
                return Box::new(Encoding { media, cut }).run(target, report, control);
            }
            return self.copying(None, target, report, control);
        }
        let before = report.clone();
        let (error, is_lossy) = match self.smart(target, report, control) {
            Ok(()) => return Ok(()),
            Err(Failed::Ended(error)) => return Err(named(self.advise(error, report))),
            Err(Failed::Early(error)) => (error, false),
            Err(Failed::Lossy(error)) => (error, true),
        };
        if !is_exact || error.kind() != ErrorKind::Unsupported {
            return Err(named(error));
        }
        *report = before;
        let can_encode = !is_lossy && self.can_encode(control);
        if !can_encode && target.has_edit_lists() {
            report
                .warn(format!("nothing is encoded, and an edit list says what is shown and heard: {error}"));
            return self.copying(Some(CutMode::Edit), target, report, control);
        }
        report.warn(format!("everything is encoded anew: {error}"));
        let Work { media, cut, .. } = self.work;
        Box::new(Encoding { media, cut }).run(target, report, control)
    }
}

/// Why a smart cut was not done.
enum Failed {
    /// Nothing has been written.
    Early(Error),
    /// Nor that, and pictures that are encoded anew would lack what they have.
    Lossy(Error),
    Ended(Error),
}

impl Smart {
    fn smart(
        &self,
        target: &mut Target,
        report: &mut Report,
        control: &Control,
    ) -> std::result::Result<(), Failed> {
        let planned = self.work.plan(report, control).map_err(Failed::Early)?;
        planned.check_layers(&self.work.media).map_err(Failed::Lossy)?;
        let apart = told::apart(&self.work.media, &self.work.cut, target);
        if apart.is_empty() {
            let prepared = self.work.prepare(planned, target, report, control).map_err(Failed::Early)?;
            return self.work.copy(prepared, target, report, control).map_err(Failed::Ended);
        }
        let folder = self.folder.as_deref();
        let made =
            apart::rest(&self.work, planned, &apart, folder, target, control).map_err(Failed::Early)?;
        made.with_sound(&self.work, &apart, target, report, control).map_err(Failed::Ended)
    }

    /// Whether an encoder makes all that is kept, by how each range begins.
    fn can_encode(&self, control: &Control) -> bool {
        let Work { media, cut, .. } = &self.work;
        let ranges = edit::ranges(media, cut, &mut Report::default()).unwrap_or_default();
        plan::videos(media).into_iter().all(|stream| {
            let has_coder = media.streams().get(stream).is_none_or(|own| Coder::of(own).is_ok());
            let is_all = |range: &TimeRange| {
                let found = plan::pictures(media, stream, *range, control);
                found.is_ok_and(|found| found.is_none_or(|own| layers::check_first(&own).is_ok()))
            };
            has_coder && ranges.iter().all(is_all)
        })
    }

    /// Of sound that can't be copied, that it may be encoded.
    fn advise(&self, error: Error, report: &Report) -> Error {
        let is_sound = |stream: usize| sound::sounds(&self.work.media).any(|i| i == stream);
        let is_lost = error.setting() == Some("allow_drops")
            && self.work.cut.asked_audio() != CutAudio::Exact
            && report.dropped_streams.iter().any(|dropped| is_sound(dropped.index));
        if !is_lost {
            return error;
        }
        error.advise_instead("say that it may go, or let the sound be encoded anew", "audio")
    }

    /// Copies everything.
    fn copying(
        &self,
        mode: Option<CutMode>,
        target: &mut Target,
        report: &mut Report,
        control: &Control,
    ) -> Result<()> {
        let cut = self.work.cut.clone().with_mode(mode).audio(CutAudio::Copy);
        edit::Copying::new(&self.work.media, cut).run_into(target, report, control)
    }
}
