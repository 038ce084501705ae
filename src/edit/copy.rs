//! One part of an output: packets from a source's stretch of time to the muxer.

mod begins;
mod beside;
mod decoding;
mod ends;
mod packets;
mod patch;
mod places;
mod primes;
mod renumbered;
mod samples;
mod seams;
mod tables;

use super::lane::{Begins, LEFT_OUT, Lane, show_whole_frames};
use crate::{
    Control, Error, ErrorKind, Media, Report, Result,
    av::stream::StreamKind,
    media::{Item, Payloads, Span},
    output::{index::Around, target::Target},
    read::{Need, Reader, Stretch},
    time::{Rational, Timestamp},
};
use patch::{Becomes, Patcher};
pub(crate) use patch::{Headers, Patch, Patched, Slot, Spliced};
pub(crate) use renumbered::Renumbered;
pub(crate) use samples::is_pcm;
use seams::Seams;
use std::collections::{BTreeMap, BTreeSet};

/// A stretch of a source's presentation clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part {
    pub from: Timestamp,
    /// [`Timestamp::MAX`]: the source's end.
    pub to: Timestamp,
    /// Begin at the keyframe at or before `from`, and show it. Else the exact range is shown, by an edit
    /// list.
    pub from_keyframe: bool,
    /// Let sound begin and end between two of its frames where parts meet, so that players that know no
    /// partial frames stay in sync; the picture decides the length.
    pub whole_frames: bool,
    /// But for sound of which nothing is lost, which is cut to the sample where an edit list can say it.
    pub lossless_exact: bool,
    /// This is the output's last part.
    pub last: bool,
}

/// What became of a part.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Copied {
    /// On the source's presentation clock.
    pub from: Timestamp,
    /// Its length on the output's clock.
    pub len: Timestamp,
}

impl Copied {
    /// With its beginning on a clock that begins at `start`.
    fn on_clock_from(self, start: Timestamp) -> Self {
        Self { from: self.from.minus(start), ..self }
    }
}

/// Packets between two reports of progress.
const REPORT_EVERY: u64 = 256;

/// What all parts of an operation share.
pub(crate) struct Session<'a> {
    pub target: &'a mut Target,
    pub report: &'a mut Report,
    pub control: &'a Control,
    /// Where the next part begins on the output's clock.
    pub placed: Timestamp,
    /// What progress counts up to; [`Timestamp::MAX`] if that is not known.
    pub total: Timestamp,
    /// What of the result's own lies around the next part's samples of its main stream, by tables.
    around: Around,
    /// What of the next part's pictures was encoded anew.
    pub patch: Patch,
    /// What goes in front of keyframes of the next part's streams that have no headers.
    pub headers: Vec<(usize, Headers)>,
    /// By tables: streams of the next part whose samples name parameter sets by other ids.
    pub renumbered: Vec<Renumbered>,
    seams: Seams,
    /// When the first packet of tracks is heard whose packets are all as long as each other.
    grids: BTreeMap<usize, Timestamp>,
    /// Tracks of which something is shown.
    shown: BTreeSet<usize>,
}

impl<'a> Session<'a> {
    pub(crate) fn new(
        target: &'a mut Target,
        report: &'a mut Report,
        control: &'a Control,
        total: Timestamp,
    ) -> Self {
        let (placed, seams, shown) = (Timestamp::ZERO, Seams::default(), BTreeSet::new());
        let (around, patch) = (Around::default(), Patch::default());
        let (headers, grids, renumbered) = (Vec::new(), BTreeMap::new(), Vec::new());
        Self {
            target,
            report,
            control,
            placed,
            total,
            around,
            patch,
            headers,
            renumbered,
            seams,
            grids,
            shown,
        }
    }
}

/// A stream of a source, and the target's track that it goes into.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Feed {
    pub stream: usize,
    pub track: usize,
}

impl Feed {
    /// Of the source that the target was opened for.
    pub(crate) fn all(target: &Target) -> Vec<Self> {
        target.templates.iter().enumerate().map(|(track, stream)| Self { stream: *stream, track }).collect()
    }
}

/// Copies a part to the target's end.
///
/// A source with an edit list of several entries keeps them in a container with edit lists. In another one,
/// each entry is a part of its own, from the keyframe at or before it.
pub(crate) fn part(session: &mut Session<'_>, media: &Media, feeds: &[Feed], part: Part) -> Result<Copied> {
    let start = media.start();
    let to = if part.to == Timestamp::MAX { part.to } else { part.to.plus(start) };
    let streams: Vec<usize> = feeds.iter().map(|feed| feed.stream).collect();
    let primary = media.primary(&streams).and_then(|primary| media.timeline(primary));
    let spans = primary.map(|timeline| timeline.clip(part.from.plus(start), to)).unwrap_or_default();
    // One after the other, on both clocks.
    let follows = |a: &Span, b: &Span| {
        a.shown_end() == b.shown && a.media_at(a.shown_end(), base_of(primary)) <= b.media
    };
    let in_order = spans.is_sorted_by(follows);
    if spans.len() < 2 || (session.target.has_edit_lists() && in_order) {
        return one(session, media, feeds, part);
    }
    if !session.target.has_edit_lists() {
        session.report.warn(
            "the source shows several stretches by an edit list; without one, each begins at its keyframe",
        );
    }
    let mut whole: Option<Copied> = None;
    for (i, span) in spans.iter().enumerate() {
        let last = i.saturating_add(1) == spans.len();
        let (from, to) = (span.shown.minus(start), span.shown_end().minus(start));
        let from_keyframe = part.from_keyframe || !session.target.has_edit_lists();
        let copied =
            one(session, media, feeds, Part { from, to, from_keyframe, last: part.last && last, ..part })?;
        let so_far = whole.get_or_insert(Copied { from: copied.from, len: Timestamp::ZERO });
        so_far.len = so_far.len.plus(copied.len);
    }
    whole.ok_or_else(|| Error::new(ErrorKind::Bug, "a part without spans"))
}

fn base_of(timeline: Option<&crate::media::Timeline>) -> Rational {
    timeline.map_or(Rational { num: 1, den: 1 }, |timeline| timeline.base)
}

fn one(session: &mut Session<'_>, media: &Media, feeds: &[Feed], part: Part) -> Result<Copied> {
    media.warnings().iter().for_each(|warning| session.report.warn(warning.clone()));
    if media.demuxer().name() == "avi" {
        session
            .report
            .warn("packets had no pts (AVI stores none); they follow from the order of their pictures");
    }
    let counts = session.target.counts_samples();
    let mut copy = Copy {
        session,
        media,
        part,
        sound_runs_on: counts || part.whole_frames,
        lanes: Vec::new(),
        shift: Timestamp::ZERO,
        count: 0,
        held: 0,
    };
    let copied = copy.run(feeds)?;
    session.placed = session.placed.plus(copied.len);
    Ok(copied)
}

/// An error in writing a packet of this stream. A limit of the output is reached by all of them.
fn of_stream(error: Error, stream: usize) -> Error {
    if error.kind() == ErrorKind::LimitExceeded { error } else { error.in_stream(stream) }
}

struct Copy<'s, 'a> {
    session: &'s mut Session<'a>,
    media: &'s Media,
    part: Part,
    lanes: Vec<Lane>,
    /// From the file's clock to the output's.
    shift: Timestamp,
    /// Where parts meet, sound goes on where the part before let it end.
    sound_runs_on: bool,
    count: u64,
    /// Bytes of memory that the lanes hold back.
    held: u64,
}

impl Copy<'_, '_> {
    fn run(&mut self, feeds: &[Feed]) -> Result<Copied> {
        let start = self.media.start();
        let from = self.part.from.plus(start);
        let to = if self.part.to == Timestamp::MAX { self.part.to } else { self.part.to.plus(start) };
        // A stream that shows nothing of the range can't say where it begins.
        let shows =
            |i: &usize| self.media.timeline(*i).is_some_and(|timeline| !timeline.clip(from, to).is_empty());
        let moving: Vec<usize> =
            feeds.iter().map(|feed| feed.stream).filter(|i| !self.is_picture(*i)).collect();
        let showing: Vec<usize> = moving.iter().copied().filter(shows).collect();
        let primary = self.media.primary(&showing);
        let primary = primary.ok_or_else(|| Error::invalid("nothing is shown in this range"))?;
        self.open_lanes(feeds, primary, from, to);
        if self.session.target.takes_samples() {
            return self.take_samples(from, to);
        }
        let payloads = self.session.target.payloads(self.media, &moving);
        // From the first packet on, unless an edit list hides some that no edit list of the output could.
        let hides = !self.session.target.has_edit_lists() && moving.iter().any(|i| self.media.has_edits(*i));
        let at_start = self.part.from == Timestamp::ZERO;
        let everything = at_start && !hides;
        let stretch = Stretch { streams: &moving, payloads, from, to, at_start };
        let mut reader = Reader::open(self.media, &stretch, self.session.control)?;

        let needs: Vec<Need> = self
            .lanes
            .iter()
            .filter_map(|lane| Need::new(self.media, lane.stream, lane.spans.first()?))
            .map(|need| need.with_keyframe(self.part.from_keyframe))
            .collect();
        if needs.first().is_none_or(|need| need.stream != primary) {
            return Err(Error::invalid("the range shows nothing of the source's main stream"));
        }
        let subtitled = self.lanes.iter().any(|lane| lane.kind == StreamKind::Subtitle);
        if subtitled && !everything && !self.media.is_indexed() {
            self.session
                .report
                .warn("a subtitle that began before the keyframe of a range may be missing in it");
        }
        let patch = std::mem::take(&mut self.session.patch);
        let mut patcher = (!patch.is_empty()).then(|| Patcher::new(patch, from));
        let begins = reader.begin(&needs, everything)?;
        let begins = patcher.as_ref().and_then(|patcher| patcher.begins(primary)).or(begins);
        self.correct_dts(&mut reader)?;
        let shown_from = self.begin(begins, from, everything);
        if !self.session.target.has_edit_lists() {
            self.prime(&reader, shown_from, at_start && shown_from == from);
            self.begin_without_edits();
        }
        self.shift = self.session.placed.minus(shown_from);
        self.tell_seam();
        self.start(&mut reader)?;
        self.begin_clocks();
        if let Some(patcher) = &patcher {
            self.begin_shown(patcher);
        }
        self.session.target.begin_part()?;
        self.write_pictures(feeds)?;
        if self.meets_another() && !self.session.target.has_edit_lists() && self.media.is_indexed() {
            self.end_sound_with_picture(shown_from, to);
        }
        if let Some(patcher) = &patcher {
            self.settle_sound(patcher);
        }
        let mut item = Item::new()?;
        while !self.is_done() && reader.next(&mut item)? {
            let becomes = match &mut patcher {
                Some(patcher) => patcher.take(self.media, &mut item, self.session.control)?,
                None => Becomes::Goes,
            };
            match becomes {
                Becomes::Goes => self.take(&mut item)?,
                Becomes::LeftOut => {}
                Becomes::Ended => self.end_lane(item.packet.stream()),
            }
            if payloads == Payloads::Read || self.count.is_multiple_of(64) {
                self.session.control.check()?;
            }
        }
        for lane in 0..self.lanes.len() {
            self.release(lane, false)?;
        }
        self.close_seams()?;
        self.judge_range()?;
        let is_told = patcher.as_ref().is_some_and(|patcher| patcher.ends_at_picture(primary));
        let len = if is_told { to.minus(shown_from) } else { self.length(shown_from, to) };
        self.tell(primary, to)?;
        self.tell_shortfall(shown_from, to);
        self.state(shown_from, len);
        let noted = reader.finish(true)?;
        noted.warnings.into_iter().for_each(|warning| self.session.report.warn(warning));
        self.session.report.bytes_read = self.session.report.bytes_read.saturating_add(noted.bytes_read);
        Ok(self.heard(shown_from).unwrap_or(Copied { from: shown_from, len }).on_clock_from(start))
    }

    /// Of pictures that begin with the part, nothing is hidden.
    fn begin_shown(&mut self, patcher: &Patcher) {
        for lane in self.lanes.iter().filter(|lane| patcher.begins(lane.stream).is_some()) {
            if let Some(track) = self.session.target.tracks.get_mut(lane.track) {
                track.clock.begin_shown();
            }
        }
    }

    /// Sound of which it is settled where it begins and ends does that, and nowhere else.
    fn settle_sound(&mut self, patcher: &Patcher) {
        for lane in &mut self.lanes {
            let Some(splice) = patcher.sound(lane.stream) else { continue };
            lane.frame = splice.frame.or(lane.frame);
            if splice.from.is_some() {
                (lane.keep_from, lane.goes_on) = (i64::MIN, true);
            }
            if splice.to.is_some() {
                // It ends in front of the packet that says so.
                (lane.until, lane.ends_with_packet) = (i64::MAX, true);
            }
        }
    }

    fn end_lane(&mut self, stream: usize) {
        self.lanes.iter_mut().filter(|lane| lane.stream == stream).for_each(|lane| lane.done = true);
    }

    /// Whether sound that does not end with the picture has to, because another part begins there.
    fn meets_another(&self) -> bool {
        self.part.whole_frames && !self.part.last
    }

    fn is_picture(&self, stream: usize) -> bool {
        self.media.streams().get(stream).is_some_and(|s| s.picture.is_some())
    }

    /// Settles where the part begins on the file's clock.
    fn begin(&mut self, begins: Option<i64>, from: Timestamp, everything: bool) -> Timestamp {
        let exact = self.session.target.has_edit_lists();
        let Some(primary) = self.lanes.first() else {
            return from;
        };
        let is_video = primary.kind == StreamKind::Video;
        let key = begins.and_then(|pts| primary.spans.first().map(|span| span.shown_at(pts, primary.base)));
        let shown_from = match key {
            // A keyframe that an edit list hides can be shown only where the list goes.
            Some(key) if self.part.from_keyframe && !everything && is_video => {
                let earliest = if exact { self.media.start() } else { Timestamp::from_nanos(i64::MIN) };
                key.max(earliest).min(from)
            }
            _ => from,
        };
        let begun = self.session.placed > Timestamp::ZERO;
        // The source's own beginning: what lies before 0 there (a codec's priming) is kept.
        let fresh = self.part.from == Timestamp::ZERO && shown_from == from;
        let counts = self.session.target.counts_samples();
        for lane in &mut self.lanes {
            let Some(first) = lane.spans.first_mut() else { continue };
            if lane.cuts_samples {
                lane.keep_from = first.media;
            }
            if shown_from < from && first.shown == from {
                first.begin_at(shown_from, lane.base);
            }
            if !exact && (begun || !fresh) {
                // No edit list will hide what comes before.
                let sound = lane.kind == StreamKind::Audio && self.sound_runs_on && begun;
                let track = self.session.target.tracks.get(lane.track).filter(|_| sound);
                // Sound goes on where the part before let it end.
                let late = track.map_or(Timestamp::ZERO, |track| track.end().minus(self.session.placed));
                // It may have ended early by as much as half of a frame: then one goes over the seam. Where sound has
                // no times, what follows is earlier by all that is not there: it is caught up with, a frame at the
                // most.
                let half = track.map_or(Timestamp::ZERO, |track| track.clock.half_frame());
                let most = if counts { half.plus(half) } else { half };
                let goes_over = self.part.lossless_exact && late.plus(most) >= Timestamp::ZERO;
                let late = if goes_over { late } else { late.max(Timestamp::ZERO) };
                lane.keep_from = first.media_at(shown_from.plus(late), lane.base);
            }
        }
        // At the start of a file decoders know what to leave out after an open GOP's keyframe (HEVC: RASL
        // pictures).
        let decoder_knows = |codec: &str| matches!(codec, "hevc" | "vvc");
        if let Some(lane) = self.lanes.first_mut().filter(|_| is_video && !everything) {
            let codec = self
                .media
                .streams()
                .get(lane.stream)
                .map(crate::av::stream::Stream::codec)
                .unwrap_or_default();
            if begun || !exact || !decoder_knows(&codec) {
                lane.leading_before = begins;
            }
        }
        shown_from
    }

    /// Where the sound of a part begins and ends on tracks without edit lists.
    fn begin_without_edits(&mut self) {
        self.open_end();
        let meets = !self.sound_runs_on && !self.part.last;
        let counts_pictures = self.session.target.counts_pictures();
        for lane in &mut self.lanes {
            lane.sort_offsets();
            if counts_pictures && lane.kind == StreamKind::Audio && lane.begins == Begins::Timed {
                // Sound that begins a little in front would move the pictures, between two of their places.
                lane.begins = Begins::WithIt;
            }
            if meets && lane.kind == StreamKind::Audio {
                lane.long = LEFT_OUT.ticks(lane.base).saturating_mul(2);
            }
        }
    }

    fn is_done(&self) -> bool {
        // Subtitles and data come when they come; they do not keep a part open.
        let waits = |lane: &&Lane| matches!(lane.kind, StreamKind::Video | StreamKind::Audio);
        let any = self.lanes.iter().any(|lane| waits(&lane));
        self.lanes.iter().filter(|lane| !any || waits(lane)).all(|lane| lane.done)
    }

    /// States in the tracks' edit lists what of the part is shown.
    fn state(&mut self, from: Timestamp, len: Timestamp) {
        let to = from.plus(len);
        let (placed, part) = (self.session.placed, self.part);
        for lane in &self.lanes {
            if lane.shows() {
                self.session.shown.insert(lane.track);
            }
            let Some(track) = self.session.target.tracks.get_mut(lane.track).filter(|_| lane.written > 0)
            else {
                continue;
            };
            let clock = &mut track.clock;
            if lane.whole_frames
                && let [span] = *lane.spans
            {
                if lane.goes_on || lane.ends_with_packet {
                    lane.show_settled(clock, span, (from, len), placed);
                } else {
                    show_whole_frames(clock, span, lane.base, (from, len), placed, part.last);
                }
                continue;
            }
            for span in lane.spans.iter().filter_map(|span| span.clip(from, to, lane.base)) {
                clock.show(span, placed.plus(span.shown.minus(from)), span.len, lane.base);
            }
        }
    }
}
