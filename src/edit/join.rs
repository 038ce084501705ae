//! [`join`]: sources with like streams, one behind the other.

mod compare;
mod lost;
mod sets;

pub(crate) use lost::Lost;

use super::copy::{self, Feed, Part, Session};
use crate::{
    Control, Error, Media, Report, Result, Road, Sink, Source, Strip, TimeRange, Timestamp,
    media::Known,
    output::{
        self, Clip, Job, Operation,
        numbering::Extent,
        target::{Held, Opening, Target},
    },
};
use compare::{compare_rates, matching};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// How to join.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Join {
    format: Option<String>,
    allow_drops: bool,
    road: Road,
    strip: Strip,
}

impl Join {
    /// Into the container that the output's name says, or else the first source's own.
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

    /// Which way samples of MP4s or MOVs go into one. Without it by tables, if all of the sources can.
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

    /// The job that joins these sources, which it opens when it runs.
    pub fn job(&self, sources: &[Source]) -> Job {
        Job::new(Joining {
            sources: sources.to_vec(),
            settings: self.clone(),
            first: None,
            known: Known::default(),
            headed: BTreeSet::new(),
        })
    }
}

/// Joins sources with like streams without touching their payload, into a rope. They are opened one after the
/// other: a join of thousands holds a few descriptors at a time.
///
/// Sound stays within half of its frame of the picture at every seam, however many there are.
///
/// Errors: [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for no source at all and for one that does
/// not match the first: the message says which property of which stream differs.
///
/// ```no_run
/// use avrope::{Control, Join, Source, join, io::SaveOptions};
/// let parts = [Source::open("a.mp4")?, Source::open("b.mp4")?];
/// let clip = join(&parts, &Join::new(), &Control::default())?;
/// clip.rope.save("both.mp4", SaveOptions::new(), &Control::default())?;
/// # Ok::<(), avrope::Error>(())
/// ```
pub fn join(sources: &[Source], settings: &Join, control: &Control) -> Result<Clip> {
    settings.job(sources).to_rope(control)
}

/// Joins sources with like streams, into a sink.
pub fn join_to(sources: &[Source], settings: &Join, sink: Sink, control: &Control) -> Result<Report> {
    settings.job(sources).to_sink(sink, control)
}

struct Joining {
    sources: Vec<Source>,
    settings: Join,
    /// The first of them, once it is open.
    first: Option<Media>,
    known: Known,
    /// Its streams that need their headers in front of keyframes, as other inputs have others.
    headed: BTreeSet<usize>,
}

impl Operation for Joining {
    fn name(&self) -> &'static str {
        "join"
    }

    fn inputs(&self) -> Vec<Source> {
        self.sources.clone()
    }

    fn format(&self) -> Option<&str> {
        self.settings.format.as_deref()
    }

    fn default_format(&mut self, control: &Control) -> Result<String> {
        self.first(control).map(|media| output::format_like(&media))
    }

    fn shares(&mut self, control: &Control) -> Result<bool> {
        Ok(self.first(control)?.payloads() != crate::media::Payloads::Read
            && self.sources.iter().skip(1).all(|source| may_be_mp4(source, control)))
    }

    fn run(mut self: Box<Self>, target: &mut Target, report: &mut Report, control: &Control) -> Result<()> {
        target.set_strip(self.settings.strip);
        let first = self.first(control)?;
        let chapters = super::remux::all_chapters(&first, Timestamp::ZERO);
        let extent = if self.sources.len() > 1 { Extent::Several } else { Extent::Whole };
        let before = report.clone();
        let opening = Opening {
            road: self.settings.road,
            ranges: &[TimeRange::ALL],
            held: Held { extent, chapters: &chapters, allow_drops: self.settings.allow_drops },
        };
        if target.open_tables(&first, &opening, report)? {
            if self.parts(&first, target, report, control)? {
                return Ok(());
            }
            // One of the others is no such file: all go by libav.
            target.close_tables();
            *report = Report { road: Some(Road::Libav), ..before };
        }
        self.headed = sets::that_differ(&first, self.sources.iter().skip(1), &mut self.known, control)?;
        for stream in &self.headed {
            let own = first.streams().get(*stream);
            if let Some(bare) = own.and_then(|own| sets::without_sets(own, target.muxer)) {
                target.configure(*stream, bare);
            }
        }
        target.open(&first, extent, chapters, self.settings.allow_drops, report)?;
        self.parts(&first, target, report, control).map(drop)
    }
}

impl Joining {
    /// Puts all sources into the open target. False if one of them can't be by tables, as the target is.
    fn parts(
        &mut self,
        first: &Media,
        target: &mut Target,
        report: &mut Report,
        control: &Control,
    ) -> Result<bool> {
        let kept = target.templates.clone();
        let mut session = Session::new(target, report, control, Timestamp::MAX);
        let mut lost = Lost::new(first, self.settings.strip);
        for (i, source) in self.sources.iter().enumerate() {
            control.check()?;
            // The first is open; the others are closed again as soon as they are copied.
            let media = if i == 0 {
                first.clone()
            } else {
                Media::open_among(source.clone(), &mut self.known, control)?
            };
            let by_tables = session.target.takes_samples();
            let feeds = if i == 0 {
                Feed::all(session.target)
            } else {
                let settings = &self.settings;
                let feeds = matching(first, &media, &kept, settings.allow_drops, by_tables, session.report)?;
                if session.target.states_durations() {
                    compare_rates(first, &media, &kept, &feeds, session.report);
                }
                let pairs = feeds.iter().map(|feed| (feed.track, feed.stream));
                if by_tables {
                    let movie = session.target.continues_tables(&media, pairs, session.report)?;
                    let Some(movie) = movie else { return Ok(false) };
                    lost.note_boxes(&media, &movie, control)?;
                }
                lost.note(&kept, &media, &feeds);
                feeds
            };
            let report = &mut *session.report;
            report.input_bytes = report.input_bytes.saturating_add(source.len().unwrap_or(0));
            report.bytes_read = report.bytes_read.saturating_add(media.bytes_read());
            let last = i.saturating_add(1) == self.sources.len();
            let part = Part {
                from: Timestamp::ZERO,
                to: Timestamp::MAX,
                from_keyframe: false,
                whole_frames: true,
                lossless_exact: false,
                last,
            };
            let needs = |feed: &&Feed| kept.get(feed.track).is_some_and(|own| self.headed.contains(own));
            let headers = feeds.iter().filter(needs).filter_map(|feed| {
                let stream = media.streams().get(feed.stream)?;
                Some((feed.stream, sets::headers(stream)?))
            });
            session.headers = headers.collect();
            if i > 0 {
                let chapters = super::remux::all_chapters(&media, session.placed);
                session.target.add_chapters(chapters, session.report);
            }
            copy::part(&mut session, &media, &feeds, part).map_err(|e| e.named(source.name()))?;
        }
        for track in &mut session.target.tracks {
            track.clock.merge_contiguous();
        }
        session.report.duration = session.placed.length();
        lost.tell(session.report);
        Ok(true)
    }

    fn first(&mut self, control: &Control) -> Result<Media> {
        if let Some(media) = &self.first {
            return Ok(media.clone());
        }
        let source = self
            .sources
            .first()
            .ok_or_else(|| Error::invalid("there is nothing to join").advise("name at least one input"))?;
        let media = Media::open_among(source.clone(), &mut self.known, control)?;
        Ok(self.first.insert(media).clone())
    }
}

/// Whether a source begins as MP4 does: the payload of others is copied, and a rope of it would hold it in
/// memory. One that can't be read says so when its turn comes.
fn may_be_mp4(source: &Source, control: &Control) -> bool {
    const FIRST: [&[u8; 4]; 8] = [b"ftyp", b"moov", b"mdat", b"free", b"wide", b"skip", b"styp", b"pnot"];
    if !source.is_seekable() {
        return false;
    }
    let mut head = [0; 8];
    let mut filled = 0;
    let mut reader = source.reader();
    while let Some(rest) = head.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match reader.read(filled as u64, rest, control) {
            Ok(read) if read > 0 => filled = filled.saturating_add(read),
            _ => return true,
        }
    }
    let [_, _, _, _, kind @ ..] = head;
    FIRST.contains(&&kind)
}
