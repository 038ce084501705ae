//! Cuts that encode everything.

use super::transcoding::{Transcoding, layout};
use crate::{
    Control, Cut, Media, Report, Result, Source,
    output::{
        self, Operation,
        target::{Layout, Target},
    },
    transcode::{encoders::faithful, settings::Transcode},
};

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
pub(crate) struct Encoding {
    pub media: Media,
    pub cut: Cut,
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
