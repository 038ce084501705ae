//! [`Job`]: an operation with all that it needs.

use super::{
    operation::Operation,
    runner::{self, Clip},
    target::FilesPlan,
};
use crate::{Control, Report, Result, Source, io::Sink, time::Rational};
use std::{fmt, path::Path};

/// An operation with all that it needs: sources, settings, and whatever else the caller gave. It borrows
/// nothing and may go to another thread, so that it can wait in a queue; it does nothing until
/// [`to_rope`](Self::to_rope), [`to_sink`](Self::to_sink) or [`to_files`](Self::to_files) runs it, on the
/// thread that calls them.
///
/// Every operation makes one: [`Cut::job`](crate::Cut::job), [`Join::job`](crate::Join::job),
/// [`Remux::job`](crate::Remux::job), [`Transcode::job`](crate::Transcode::job),
/// [`Transcoder::job`](crate::transcode::Transcoder::job) and
/// [`Transition::job`](crate::transcode::Transition::job). The functions ([`cut`](crate::cut),
/// [`transcode_to`](crate::transcode_to)…) are short ways to make one and run it.
///
/// ```no_run
/// use avrope::{Control, Cut, Job, Media, Remux, Sink, Source, TimeRange};
/// use std::{path::Path, sync::mpsc};
///
/// let (queue, jobs) = mpsc::channel::<(Job, &Path)>();
/// let worker = std::thread::spawn(move || -> avrope::Result<()> {
///     for (job, path) in jobs {
///         let report = job.to_sink(Sink::file(path), &Control::default())?;
///         println!("{}: {} bytes", path.display(), report.output_bytes);
///     }
///     Ok(())
/// });
/// let media = Media::open(Source::open("talk.mp4")?)?;
/// let clip = Cut::new().keep(TimeRange::secs(10.0, 20.0)?).job(&media);
/// let _ = queue.send((clip, Path::new("clip.mp4")));
/// let _ = queue.send((Remux::new().job(&media), Path::new("talk.mkv")));
/// drop(queue);
/// worker.join().expect("the worker does not panic")?;
/// # Ok::<(), avrope::Error>(())
/// ```
#[must_use = "a job does nothing until it is run"]
pub struct Job(Box<dyn Operation>);

impl Job {
    pub(crate) fn new(operation: impl Operation + 'static) -> Self {
        Self(Box::new(operation))
    }

    /// Runs it, into a rope.
    ///
    /// Errors: those of the operation.
    pub fn to_rope(self, control: &Control) -> Result<Clip> {
        runner::to_rope(self.0, control)
    }

    /// Runs it, into a sink.
    ///
    /// Errors: those of the operation, and what the sink fails with.
    pub fn to_sink(self, sink: Sink, control: &Control) -> Result<Report> {
        runner::to_sink(self.0, sink, control)
    }

    /// Runs it into a source for another job.
    pub(crate) fn into_source(
        self,
        format: &str,
        folder: Option<&Path>,
        control: &Control,
    ) -> Result<(Source, Report)> {
        runner::to_source(self.0, format, folder, control)
    }

    /// Runs it into the files that a muxer names, each of which gets a sink. `plan` is asked with the rate of
    /// its pictures, and says what the muxer is told, and the container of each file.
    pub(crate) fn into_planned_files(
        mut self,
        plan: impl FnOnce(Option<Rational>) -> Result<(FilesPlan, &'static str)>,
        sinks: impl FnMut(&str) -> Result<Sink> + Send + 'static,
        control: &Control,
    ) -> Result<Report> {
        let (plan, format) = plan(self.0.frame_rate())?;
        self.0.set_file_format(format)?;
        runner::to_files(self.0, plan, sinks, control)
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sources = self.0.inputs();
        let names: Vec<&str> = sources.iter().map(Source::name).collect();
        f.debug_struct("Job").field("operation", &self.0.name()).field("sources", &names).finish()
    }
}
