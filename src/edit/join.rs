//! Joins: sources with like streams, one behind the other.

mod compare;
mod lost;
mod sets;
mod together;

pub(crate) use lost::Lost;

use super::copy::{self, Feed, Part, Session};
use crate::{
    Control, Error, Media, Report, Result, Road, Source, Strip, TimeRange, Timestamp,
    media::Known,
    output::{
        self, Operation,
        numbering::Extent,
        target::{Held, Opening, Target},
    },
};
use compare::{compare_rates, matching, tell_descriptions};
use std::{collections::BTreeSet, path::Path};
use together::Together;

/// What is asked of a join.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub format: Option<String>,
    pub allow_drops: bool,
    pub road: Road,
    pub strip: Strip,
}

/// Inputs that do not match the first are made to.
pub(crate) trait Likeness: Send {
    /// A file will be written in this folder, as such a container.
    fn set_place(&mut self, format: &str, folder: &Path);
    /// Looks at all inputs, of which the first is open. Whether one of them has to be made to match, the first one too.
    fn look(&mut self, first: &Media, format: &str, control: &Control) -> Result<bool>;
    /// What stands for an input: itself, or what was made of it, for this output.
    fn made(
        &mut self,
        number: usize,
        media: Media,
        to: &Target,
        report: &mut Report,
        control: &Control,
    ) -> Result<Media>;
}

/// A join with all that it needs.
pub(crate) struct Joining {
    sources: Vec<Source>,
    settings: Asked,
    likeness: Option<Box<dyn Likeness>>,
    /// The first of them, once it is open.
    first: Option<Media>,
    known: Known,
    /// The container of the file that is written, where it is known.
    place: Option<String>,
    /// Its streams that need their headers in front of keyframes, as other inputs have others.
    headed: BTreeSet<usize>,
}

impl Joining {
    pub(crate) fn new(sources: &[Source], settings: Asked, likeness: Option<Box<dyn Likeness>>) -> Self {
        Self {
            sources: sources.to_vec(),
            settings,
            likeness,
            first: None,
            known: Known::default(),
            place: None,
            headed: BTreeSet::new(),
        }
    }

    /// Whether some of what is joined is made of an input.
    fn makes(&mut self, format: &str, control: &Control) -> Result<bool> {
        let first = self.first(control)?;
        self.likeness.as_mut().map_or(Ok(false), |likeness| likeness.look(&first, format, control))
    }
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

    fn set_place(&mut self, format: &str, folder: &Path) {
        if let Some(likeness) = &mut self.likeness {
            likeness.set_place(format, folder);
        }
        self.place = Some(format.to_owned());
    }

    fn shares(&mut self, control: &Control) -> Result<bool> {
        if let Some(format) = self.place.clone()
            && self.makes(&format, control)?
        {
            // What is made lies in files.
            return Ok(true);
        }
        Ok(self.first(control)?.payloads() != crate::media::Payloads::Read
            && self.sources.iter().skip(1).all(|source| may_be_mp4(source, control)))
    }

    fn run(mut self: Box<Self>, target: &mut Target, report: &mut Report, control: &Control) -> Result<()> {
        target.set_strip(self.settings.strip);
        let format = target.name().to_owned();
        let makes = self.makes(&format, control)?;
        let mut first = self.first(control)?;
        if let Some(likeness) = self.likeness.as_mut().filter(|_| makes) {
            first = likeness.made(0, first, target, report, control)?;
            self.first = Some(first.clone());
        } else {
            self.likeness = None;
        }
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
            if makes {
                let what = "the tables of what was made of an input can't go on with those of the first";
                return Err(Error::unsupported(what)
                    .with_setting("format")
                    .advise("join into Matroska (mkv)"));
            }
            // One of the others is no such file: all go by libav.
            target.close_tables();
            *report = Report { road: Some(Road::Libav), ..before };
        }
        self.headed = if makes {
            sets::all(&first)
        } else {
            sets::that_differ(&first, self.sources.iter().skip(1), &mut self.known, control)?
        };
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
        let mut together = Together::of(first, session.target, session.report, control)?;
        let mut lost = Lost::new(first, self.settings.strip);
        for (i, source) in self.sources.iter().enumerate() {
            control.check()?;
            // The first is open; the others are closed again as soon as they are copied.
            let media = if i == 0 {
                first.clone()
            } else {
                Media::open_among(source.clone(), &mut self.known, control)?
            };
            let original = media.clone();
            let media = match self.likeness.as_mut().filter(|_| i > 0) {
                Some(likeness) => likeness.made(i, media, session.target, session.report, control)?,
                None => media,
            };
            let made = !original.source().is_same(media.source());
            let by_tables = session.target.takes_samples();
            let feeds = if i == 0 {
                Feed::all(session.target)
            } else {
                let settings = &self.settings;
                let feeds =
                    matching(first, &media, &kept, settings.allow_drops, (by_tables, made), session.report)?;
                if session.target.states_durations() {
                    compare_rates(first, &media, &kept, &feeds, session.report);
                }
                let pairs = feeds.iter().map(|feed| (feed.track, feed.stream));
                if by_tables {
                    let movie = session.target.continues_tables(&media, pairs, session.report)?;
                    let Some(movie) = movie else { return Ok(false) };
                    let told = (&mut *session.report, control);
                    let taken = together.take(&media, &movie, &feeds, told)?;
                    tell_descriptions(first, &media, &kept, &feeds, &taken, session.report);
                    session.renumbered = taken.renumbered;
                    lost.note_boxes(&media, &movie, control)?;
                }
                lost.note(&kept, &media, &feeds);
                lost.note_tags(&original);
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
        together.tell(session.target)?;
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
