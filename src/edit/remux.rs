//! [`remux`]: the same packets in another container.

use super::copy::{self, Feed, Part, Session};
use crate::{
    Control, Media, Report, Result, Road, Sink, Source, Strip, TimeRange, Timestamp,
    av::input::RawChapter,
    job::Stage,
    output::{
        self, Clip, Job, Operation,
        numbering::Extent,
        target::{Held, Opening, Target},
    },
    time::Rational,
};
use serde::{Deserialize, Serialize};

/// Into what to remux.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Remux {
    format: Option<String>,
    allow_drops: bool,
    road: Road,
    strip: Strip,
}

impl Remux {
    /// Into the container that the output's name says, or else the source's own.
    pub fn new() -> Self {
        Self::default()
    }

    /// The container, by libav's name or the usual ending (`mp4`, `mkv`, `ts`).
    #[must_use]
    pub fn format(mut self, format: impl Into<String>) -> Self {
        self.format = Some(format.into());
        self
    }

    /// Lets all video or all sound of the source be left out with a warning, where the container can't hold
    /// it. Without it that is an error: [`Unsupported`](crate::ErrorKind::Unsupported). Streams of other
    /// kinds, and one of several, are always left out with a warning.
    #[must_use]
    pub fn allow_drops(mut self, allow: bool) -> Self {
        self.allow_drops = allow;
        self
    }

    /// Which way samples of an MP4 or MOV go into another one. Without it by tables.
    #[must_use]
    pub fn road(mut self, road: Road) -> Self {
        self.road = road;
        self
    }

    /// What the result is not to tell of its source: see [`Strip`]. Without it all goes over, the place of a recording
    /// too.
    #[must_use]
    pub fn strip(mut self, strip: Strip) -> Self {
        self.strip = strip;
        self
    }

    /// The job that does this with a media.
    pub fn job(&self, media: &Media) -> Job {
        Job::new(Remuxing { media: media.clone(), settings: self.clone() })
    }
}

/// Puts a media's packets into another container, in a rope.
pub fn remux(media: &Media, settings: &Remux, control: &Control) -> Result<Clip> {
    settings.job(media).to_rope(control)
}

/// Puts a media's packets into another container, in a sink. The source may be a stream; with a container
/// that needs no seeking (`ts`, `mkv`, `adts`…) and a channel or writer, memory stays bounded however long it
/// goes on.
///
/// ```no_run
/// use avrope::{Control, Media, Remux, Sink, Source, remux_to};
/// let (sender, chunks) = avrope::io::channel(16);
/// let media = Media::open(Source::from_reader(std::io::stdin(), "stdin"))?;
/// std::thread::spawn(move || remux_to(&media, &Remux::new().format("ts"), Sink::channel(sender), &Control::default()));
/// for chunk in chunks {
///     println!("{} bytes", chunk?.len());
/// }
/// # Ok::<(), avrope::Error>(())
/// ```
pub fn remux_to(media: &Media, settings: &Remux, sink: Sink, control: &Control) -> Result<Report> {
    settings.job(media).to_sink(sink, control)
}

struct Remuxing {
    media: Media,
    settings: Remux,
}

impl Operation for Remuxing {
    fn name(&self) -> &'static str {
        "remux"
    }

    fn inputs(&self) -> Vec<Source> {
        vec![self.media.source().clone()]
    }

    fn format(&self) -> Option<&str> {
        self.settings.format.as_deref()
    }

    fn default_format(&mut self, _control: &Control) -> Result<String> {
        Ok(output::format_like(&self.media))
    }

    fn shares(&mut self, _control: &Control) -> Result<bool> {
        Ok(self.media.payloads() != crate::media::Payloads::Read)
    }

    fn run(self: Box<Self>, target: &mut Target, report: &mut Report, control: &Control) -> Result<()> {
        self.run_unnamed(target, report, control).map_err(|e| e.named(self.media.source().name()))
    }
}

impl Remuxing {
    fn run_unnamed(&self, target: &mut Target, report: &mut Report, control: &Control) -> Result<()> {
        target.set_strip(self.settings.strip);
        report.input_bytes = self.media.source().len().unwrap_or(0);
        report.bytes_read = self.media.bytes_read();
        let chapters = all_chapters(&self.media, Timestamp::ZERO);
        self.media.warnings().iter().for_each(|warning| report.warn(warning.clone()));
        if target.take_whole(&self.media, self.settings.road, report)? {
            let length = self.media.length().unwrap_or(Timestamp::ZERO);
            report.duration = length.length();
            let nanos = u64::try_from(length.nanos()).unwrap_or(0);
            control.report(Stage::Copy, nanos, nanos)?;
            return control.check();
        }
        let opening = Opening {
            road: self.settings.road,
            ranges: &[TimeRange::ALL],
            held: Held { extent: Extent::Whole, chapters: &chapters, allow_drops: self.settings.allow_drops },
        };
        if !target.open_tables(&self.media, &opening, report)? {
            target.open(&self.media, Extent::Whole, chapters, self.settings.allow_drops, report)?;
        }
        let feeds = Feed::all(target);
        let part = Part {
            from: Timestamp::ZERO,
            to: Timestamp::MAX,
            from_keyframe: false,
            whole_frames: false,
            lossless_exact: false,
            last: true,
        };
        let total = self.media.length().unwrap_or(Timestamp::MAX);
        let mut session = Session::new(target, report, control, total);
        let copied = copy::part(&mut session, &self.media, &feeds, part)?;
        session.report.duration = copied.len.length();
        Ok(())
    }
}

/// A media's chapters on the presentation clock, so much later.
pub(crate) fn all_chapters(media: &Media, placed: Timestamp) -> Vec<RawChapter> {
    let base = Rational { num: 1, den: 1_000_000 };
    let on_clock = |ticks: i64, from: Rational| {
        Timestamp::from_ticks(ticks, from).minus(media.start()).max(Timestamp::ZERO).plus(placed).ticks(base)
    };
    let chapter = |c: &RawChapter| RawChapter {
        start: on_clock(c.start, c.base),
        end: on_clock(c.end, c.base),
        base,
        metadata: c.metadata.clone(),
    };
    media.chapters().iter().map(chapter).collect()
}
