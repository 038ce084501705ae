//! [`cut`] in all of its modes: what copies is done in `edit`, what encodes is done here.

use super::transcode::{TranscodeJob, Transcoder};
use crate::{
    Clip, Control, Cut, CutMode, Media, Report, Result, Sink, edit,
    output::{self, Job},
    transcode::{encoders::faithful, settings::Transcode},
};

/// Cuts ranges out of a media, into a rope.
///
/// ```no_run
/// use avrope::{Control, Cut, Media, SaveOptions, Source, TimeRange, cut};
/// let media = Media::open(Source::open("talk.mp4")?)?;
/// let clip = cut(&media, &Cut::new().keep(TimeRange::secs(10.0, 20.0)?), &Control::default())?;
/// clip.rope.save("clip.mp4", SaveOptions::new(), &Control::default())?;
/// # Ok::<(), avrope::Error>(())
/// ```
///
/// Errors: [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for ranges that are empty, reversed, negative or
/// outside, [`Unsupported`](crate::ErrorKind::Unsupported) for a mode or container that can't do it, and what reading
/// fails with.
pub fn cut(media: &Media, settings: &Cut, control: &Control) -> Result<Clip> {
    if settings.asked_mode() != Some(CutMode::Encode) {
        return edit::cut(media, settings, control);
    }
    output::to_rope(&EncodedCut { media, asked: &asked(settings)? }, "cut", control)
}

/// Cuts ranges out of a media, into a sink.
///
/// Errors: as [`cut`], and what the sink fails with.
pub fn cut_to(media: &Media, settings: &Cut, sink: Sink, control: &Control) -> Result<Report> {
    if settings.asked_mode() != Some(CutMode::Encode) {
        return edit::cut_to(media, settings, sink, control);
    }
    output::to_sink(&EncodedCut { media, asked: &asked(settings)? }, "cut", sink, control)
}

/// What is asked for, whatever the codecs.
fn asked(settings: &Cut) -> Result<Transcode> {
    if settings.ranges().is_empty() {
        return Err(crate::Error::invalid("no range was given")
            .with_setting("keep")
            .advise("say what to keep"));
    }
    let mut transcode = settings.ranges().iter().copied().fold(Transcode::new(), Transcode::keep);
    transcode = transcode.allow_drops(settings.allows_drops());
    if let Some(format) = settings.asked_format() {
        transcode = transcode.format(format);
    }
    Ok(transcode)
}

/// A transcode that reports itself as a cut.
struct EncodedCut<'a> {
    media: &'a Media,
    asked: &'a Transcode,
}

impl EncodedCut<'_> {
    fn plain(&self) -> TranscodeJob<'_> {
        TranscodeJob::new(Transcoder::new(self.media, self.asked))
    }
}

impl Job for EncodedCut<'_> {
    fn inputs(&self) -> Vec<crate::Source> {
        self.plain().inputs()
    }

    fn format(&self) -> Option<&str> {
        self.asked.format.as_deref()
    }

    fn default_format(&self) -> Result<String> {
        self.plain().default_format()
    }

    fn shares(&self) -> Result<bool> {
        Ok(false)
    }

    fn layout(&self, streaming: bool) -> crate::output::target::Layout {
        self.plain().layout(streaming)
    }

    fn run(&self, target: &mut output::target::Target, report: &mut Report, control: &Control) -> Result<()> {
        report.mode = Some("encode".into());
        let settings = faithful::with_codecs(self.asked.clone(), self.media, target, report);
        TranscodeJob::new(Transcoder::new(self.media, &settings)).run(target, report, control)
    }
}
