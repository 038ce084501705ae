//! [`cut`] in all of its modes: what copies is done in `edit`, what encodes is done here.

use super::transcoding::{Transcoding, layout};
use crate::{
    Clip, Control, Cut, CutMode, Job, Media, Report, Result, Sink, Source,
    output::{
        self, Operation,
        target::{Layout, Target},
    },
    transcode::{encoders::faithful, settings::Transcode},
};

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
        if self.asked_mode() == Some(CutMode::Encode) {
            Job::new(Encoding { media: media.clone(), cut: self.clone() })
        } else {
            self.copying(media)
        }
    }
}

/// What is asked for, whatever the codecs.
fn asked(settings: &Cut) -> Result<Transcode> {
    if settings.ranges().is_empty() {
        return Err(crate::Error::invalid("no range was given")
            .with_setting("keep")
            .advise("say what to keep"));
    }
    let mut transcode = settings.ranges().iter().copied().fold(Transcode::new(), Transcode::keep);
    transcode = transcode.allow_drops(settings.allows_drops()).strip(settings.stripping());
    if let Some(format) = settings.asked_format() {
        transcode = transcode.format(format);
    }
    Ok(transcode)
}

/// A transcode that reports itself as a cut.
struct Encoding {
    media: Media,
    cut: Cut,
}

impl Operation for Encoding {
    fn name(&self) -> &'static str {
        "cut"
    }

    fn inputs(&self) -> Vec<Source> {
        vec![self.media.source().clone()]
    }

    fn format(&self) -> Option<&str> {
        self.cut.asked_format()
    }

    fn default_format(&mut self, _control: &Control) -> Result<String> {
        Ok(output::format_like(&self.media))
    }

    fn shares(&mut self, _control: &Control) -> Result<bool> {
        Ok(false)
    }

    fn layout(&self, streaming: bool) -> Layout {
        layout(&Transcode::new(), streaming)
    }

    fn run(self: Box<Self>, target: &mut Target, report: &mut Report, control: &Control) -> Result<()> {
        report.mode = Some("encode".into());
        let settings = faithful::with_codecs(asked(&self.cut)?, &self.media, target, report);
        Box::new(Transcoding::new(&self.media, &settings)).run(target, report, control)
    }
}
