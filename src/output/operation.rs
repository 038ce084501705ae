//! What a job does, whatever becomes of its result.

use super::target::{Layout, Target};
use crate::{Control, Error, Report, Result, Source, time::Rational};
use std::path::Path;

/// What a [`Job`](super::Job) does: it writes packets to a target that somebody else chose.
pub(crate) trait Operation: Send {
    /// What the report calls it.
    fn name(&self) -> &'static str;
    /// The sources, for the check that none of them is the output.
    fn inputs(&self) -> Vec<Source>;
    /// The container that was asked for.
    fn format(&self) -> Option<&str>;
    /// The container if none was asked for and no file name tells.
    fn default_format(&mut self, control: &Control) -> Result<String>;
    /// Whether all payload can be shared, so that a rope of the result is small.
    fn shares(&mut self, control: &Control) -> Result<bool>;
    /// The result is a file in this folder, as such a container: told before anything else is asked.
    fn set_place(&mut self, format: &str, folder: &Path) {
        let _ = (format, folder);
    }
    /// How an MP4 is laid out; `streaming`, where the sink is written once and in order.
    fn layout(&self, streaming: bool) -> Layout {
        let _ = streaming;
        Layout::Indexed
    }
    /// The rate of its pictures, where it is known.
    fn frame_rate(&self) -> Option<Rational> {
        None
    }
    /// The result goes into many files, each of this container. An error if it can't.
    fn set_file_format(&mut self, format: &'static str) -> Result<()> {
        let _ = format;
        Err(Error::unsupported(format!("a {} makes one file, and no segments", self.name()))
            .advise("transcode into segments: the codec Copy copies what can stay as it is"))
    }
    /// Does it.
    fn run(self: Box<Self>, target: &mut Target, report: &mut Report, control: &Control) -> Result<()>;
}
