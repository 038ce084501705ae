//! [`Cut::parts`]: where a source is split, so that the parts together are the source.

use super::cut::{Cut, CutMode};
use crate::{
    Control, Error, Media, Result, StreamKind, TimeRange,
    av::{log, muxer::Muxer, packet::Packet, stream::Stream},
    media::{Item, Payloads, Span, Timeline},
    output::format_like,
    read::{Need, Reader, Stretch},
    time::Timestamp,
};

/// Pictures behind a keyframe that are looked at for what is shown in front of it: more than any codec shows in
/// another order than they are decoded in.
const LEADING: u32 = 64;

impl Cut {
    /// The parts of a media between these points, in the order of time: cut one by one in this cut's mode and format,
    /// they have each picture of the source once.
    ///
    /// A point that lies within a picture is moved to where the next one begins; in mode
    /// [`Keyframe`](CutMode::Keyframe) it is moved to the keyframe at or before it (where the format has no edit lists,
    /// to one that nothing behind it in the file is shown in front of). Points may come in any order. Those that fall
    /// together then are one; those that fall on the first picture, or behind the last one's beginning, are none, and
    /// so is 0. Sound without pictures is split where the points are. The last part ends at [`Timestamp::MAX`], the
    /// source's end. Ranges of this cut are not looked at.
    ///
    /// The packets of the video are gone through once, without their payload in an MP4.
    ///
    /// ```no_run
    /// use avrope::{Control, Cut, CutMode, Media, Sink, Source, Timestamp, cut_to};
    /// let (media, control) = (Media::open(Source::open("talk.mp4")?)?, Control::new());
    /// let cut = Cut::new().mode(CutMode::Smart).format("mp4");
    /// let points = [Timestamp::from_secs(60.0)?, Timestamp::from_secs(90.0)?];
    /// for (i, part) in cut.parts(&media, &points, &control)?.into_iter().enumerate() {
    ///     cut_to(&media, &cut.clone().keep(part), Sink::file(format!("talk-{}.mp4", i + 1)), &control)?;
    /// }
    /// # Ok::<(), avrope::Error>(())
    /// ```
    ///
    /// Errors: [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for a point that is negative or not in front of
    /// the source's end, [`Unsupported`](crate::ErrorKind::Unsupported) for a stream, and what reading fails with.
    pub fn parts(&self, media: &Media, points: &[Timestamp], control: &Control) -> Result<Vec<TimeRange>> {
        let found = || {
            let points = sorted(points, media)?;
            if points.is_empty() {
                return Ok(vec![TimeRange::ALL]);
            }
            let asked = self.asked_format().map_or_else(|| format_like(media), str::to_owned);
            let has_edits = Muxer::find(&asked)?.is_mov();
            let takes = match self.asked_mode() {
                Some(CutMode::Keyframe) => Takes::Keys { closed: !has_edits },
                None if !has_edits => Takes::Keys { closed: true },
                _ => Takes::All,
            };
            let streams = 0..media.streams().len();
            let moves = |stream: &Stream| {
                stream.kind() == StreamKind::Video && !stream.is_picture() && !stream.is_hidden()
            };
            let videos: Vec<usize> = streams.filter(|i| media.streams().get(*i).is_some_and(moves)).collect();
            let borders = match media.primary(&videos) {
                None => points,
                Some(video) => {
                    borders(media, video, &points, takes, control).map_err(|e| e.in_stream(video))?
                }
            };
            let ends = borders.iter().copied().chain([Timestamp::MAX]);
            let begins = [Timestamp::ZERO].into_iter().chain(borders.iter().copied());
            Ok(begins.zip(ends).map(|(from, to)| TimeRange { from, to }).collect())
        };
        log::ours(found).map_err(|e: Error| e.named(media.source().name()))
    }
}

/// The points in order, each once, and without 0.
fn sorted(points: &[Timestamp], media: &Media) -> Result<Vec<Timestamp>> {
    let wrong = |point: Timestamp, why: String| {
        Err(Error::invalid(format!("split at {point}: {why}")).with_setting("split"))
    };
    if !media.source().is_seekable() {
        return Err(Error::unsupported("parts need a source that can seek, and this is a stream")
            .advise("save it to a file, or read it into memory first"));
    }
    for point in points {
        if *point < Timestamp::ZERO {
            return wrong(*point, "the point lies before the source's start".into());
        }
        if let Some(end) = media.length().filter(|end| point >= end) {
            return wrong(*point, format!("the source ends at {end}"));
        }
        if *point == Timestamp::MAX {
            return wrong(*point, "that is no point in it".into());
        }
    }
    let mut points: Vec<Timestamp> =
        points.iter().copied().filter(|point| *point > Timestamp::ZERO).collect();
    points.sort_unstable();
    points.dedup();
    Ok(points)
}

/// Which pictures a part may begin with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    All,
    Keys {
        /// None behind it in the file is shown in front of it.
        closed: bool,
    },
}

/// Where parts begin for these points, but for the first part.
fn borders(
    media: &Media,
    stream: usize,
    points: &[Timestamp],
    takes: Takes,
    control: &Control,
) -> Result<Vec<Timestamp>> {
    let Some((timeline, it)) = media.timeline(stream).zip(media.streams().get(stream)) else {
        return Ok(Vec::new());
    };
    let Some(first) = timeline.spans.first().copied() else { return Ok(Vec::new()) };
    let Some(need) = Need::new(media, stream, &first) else { return Ok(Vec::new()) };
    let is_named = media.is_indexed() && it.is_blind();
    let payloads = if is_named { Payloads::Named } else { Payloads::Read };
    let streams = [stream];
    let (from, to) = (first.shown, Timestamp::MAX);
    let stretch = Stretch { streams: &streams, payloads, from, to, at_start: true };
    let mut reader = Reader::open(media, &stretch, control)?;
    reader.begin(&[need], true)?;
    let mut nearest = Nearest::new(points, takes, timeline, media.start());
    let mut awaited: Option<(Picture, u32)> = None;
    let mut item = Item::new()?;
    while reader.next(&mut item)? {
        control.check()?;
        let packet = &item.packet;
        let Some(picture) = Picture::of(packet).filter(|_| packet.stream() == stream) else { continue };
        if let Some((key, behind)) = awaited.take() {
            let (is_open, is_known) = (picture.pts < key.pts, packet.is_key() || behind >= LEADING);
            match (is_open, is_known) {
                (true, _) => {}
                (false, true) => nearest.take(key),
                (false, false) => awaited = Some((key, behind.saturating_add(1))),
            }
        }
        nearest.note(picture);
        match takes {
            Takes::All => nearest.take(picture),
            Takes::Keys { closed } if packet.is_key() => match closed {
                true => awaited = Some((picture, 0)),
                false => nearest.take(picture),
            },
            Takes::Keys { .. } => {}
        }
    }
    if let Some((key, _)) = awaited {
        nearest.take(key);
    }
    reader.finish(false)?;
    Ok(nearest.end())
}

/// A picture, in ticks of its stream.
#[derive(Clone, Copy)]
struct Picture {
    pts: i64,
    lasts: i64,
}

impl Picture {
    fn of(packet: &Packet) -> Option<Self> {
        let pts = packet.pts().or(packet.dts()).filter(|_| packet.size() > 0)?;
        Some(Self { pts, lasts: packet.duration().max(1) })
    }

    /// When a span of the edit list shows the first of it.
    fn shown(self, span: &Span, timeline: &Timeline) -> Option<Timestamp> {
        let begins = span.shown_at(self.pts, timeline.base);
        let ends = span.shown_at(self.pts.saturating_add(self.lasts), timeline.base);
        (begins < span.shown_end() && ends > span.shown).then(|| begins.max(span.shown))
    }
}

/// For each point, the picture that a part begins with: the first one at or behind it, or the last key at or in front
/// of it.
struct Nearest<'a> {
    points: &'a [Timestamp],
    found: Vec<Option<Timestamp>>,
    is_behind: bool,
    /// When the first picture of all is shown.
    first: Timestamp,
    timeline: &'a Timeline,
    start: Timestamp,
    /// A point that is nearer than half a tick is the same.
    half: Timestamp,
}

impl<'a> Nearest<'a> {
    fn new(points: &'a [Timestamp], takes: Takes, timeline: &'a Timeline, start: Timestamp) -> Self {
        let half = Timestamp::from_nanos(Timestamp::from_ticks(1, timeline.base).nanos() / 2);
        let (found, is_behind) = (vec![None; points.len()], takes == Takes::All);
        Self { points, found, is_behind, first: Timestamp::MAX, timeline, start, half }
    }

    fn note(&mut self, picture: Picture) {
        for span in &self.timeline.spans {
            if let Some(shown) = picture.shown(span, self.timeline) {
                self.first = self.first.min(shown.minus(self.start));
            }
        }
    }

    fn take(&mut self, picture: Picture) {
        for span in &self.timeline.spans {
            let Some(shown) = picture.shown(span, self.timeline) else { continue };
            let shown = shown.minus(self.start);
            let place = if self.is_behind {
                let near = shown.plus(self.half);
                self.points.partition_point(|point| *point <= near).checked_sub(1)
            } else {
                let near = shown.minus(self.half);
                Some(self.points.partition_point(|point| *point < near))
            };
            let Some(slot) = place.and_then(|place| self.found.get_mut(place)) else { continue };
            let best =
                slot.map_or(shown, |best| if self.is_behind { best.min(shown) } else { best.max(shown) });
            *slot = Some(best);
        }
    }

    /// Each once, in order; the first picture of all is where the first part begins.
    fn end(self) -> Vec<Timestamp> {
        let mut best: Option<Timestamp> = None;
        let mut carry = |slot: Option<Timestamp>| {
            best = match (best, slot) {
                (Some(best), Some(slot)) if self.is_behind => Some(best.min(slot)),
                (Some(best), Some(slot)) => Some(best.max(slot)),
                (best, slot) => best.or(slot),
            };
            best
        };
        let mut borders: Vec<Timestamp> = if self.is_behind {
            self.found.iter().rev().copied().filter_map(&mut carry).collect()
        } else {
            self.found.iter().copied().filter_map(&mut carry).collect()
        };
        borders.retain(|border| *border > self.first && *border > Timestamp::ZERO);
        borders.sort_unstable();
        borders.dedup();
        borders
    }
}
