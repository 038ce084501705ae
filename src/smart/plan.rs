//! What becomes of each range, before anything is done.

use super::{
    coder::Coder,
    layers,
    splice::{Splice, Stretched},
    told::{self, PlannedSound},
    window::{Pictures, Side},
};
use crate::{
    Control, Cut, Error, Media, Report, Result, StreamKind, TimeRange, edit,
    job::{ReportRange, ReportSpan, Way},
    time::Timestamp,
};
use serde::Serialize;

/// What a smart cut would do, and what that costs.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct CutPlan {
    /// The ranges, and from which picture to which each goes.
    pub ranges: Vec<ReportRange>,
    /// What is copied and what is encoded anew, in the order of the streams and the ranges.
    pub spans: Vec<ReportSpan>,
    /// What becomes of the sound, stream by stream.
    pub sounds: Vec<PlannedSound>,
    /// Pictures that are decoded for those that are encoded.
    pub frames_decoded: u64,
    /// Pictures that are encoded.
    pub frames_encoded: u64,
    /// What would be told of the ranges.
    pub warnings: Vec<String>,
}

impl Cut {
    /// What a smart cut of this media would copy and encode, why, and what it costs, without doing it. Of the payload,
    /// what lies around the borders of the ranges is read, as far as to the next keyframe.
    ///
    /// ```no_run
    /// use avrope::{Control, Cut, Media, Source, TimeRange};
    /// let media = Media::open(Source::open("talk.mp4")?)?;
    /// let plan = Cut::new().keep(TimeRange::secs(31.0, 41.5)?).plan(&media, &Control::default())?;
    /// println!("{} pictures are encoded anew", plan.frames_encoded);
    /// # Ok::<(), avrope::Error>(())
    /// ```
    ///
    /// Errors: as [`cut`](crate::cut()) in mode `smart`, but for what only encoding shows.
    pub fn plan(&self, media: &Media, control: &Control) -> Result<CutPlan> {
        let planned = || {
            let mut report = Report::default();
            let asked = edit::ranges(media, self, &mut report)?;
            let plan = Plan::of(media, &asked, control)?;
            plan.check_layers(media)?;
            for video in plan.videos.iter().filter(|video| video.encodes()) {
                if let Some(stream) = media.streams().get(video.stream) {
                    Coder::of(stream).map_err(|e| e.in_stream(video.stream))?;
                }
            }
            plan.tell(&mut report);
            let sounds = told::sounds(media, self, &plan.ranges, control)?;
            let passes: Vec<Pass<'_>> = plan.videos.iter().flat_map(Video::passes).collect();
            let sum = |counts: Vec<usize>| counts.into_iter().map(|n| n as u64).fold(0, u64::saturating_add);
            Ok(CutPlan {
                ranges: report.ranges,
                spans: report.spans,
                sounds,
                frames_decoded: sum(passes.iter().map(Pass::decodes).collect()),
                frames_encoded: sum(passes.iter().map(Pass::encodes).collect()),
                warnings: report.warnings,
            })
        };
        planned().map_err(|e: Error| e.named(media.source().name()))
    }
}

/// A stream of pictures, and what becomes of each range of it; None where it shows nothing.
pub(super) struct Video {
    pub stream: usize,
    pub ranges: Vec<TimeRange>,
    pub splices: Vec<Option<Splice>>,
}

/// Pictures that are encoded anew: those of a range that are in front of what is copied of it (0), or behind (1).
#[derive(Clone, Copy)]
pub(super) struct Due<'a> {
    pub range: usize,
    pub side: usize,
    pub what: &'a Stretched,
}

/// What is decoded in one go, from one keyframe on: one after the other, as it is shown.
pub(super) struct Pass<'a>(pub Vec<Due<'a>>);

impl Pass<'_> {
    /// How many pictures are decoded.
    pub(super) fn decodes(&self) -> usize {
        self.0.iter().map(|due| due.what.decoded).max().unwrap_or(0)
    }

    pub(super) fn encodes(&self) -> usize {
        self.0.iter().map(|due| due.what.pictures.len()).fold(0, usize::saturating_add)
    }

    /// Whether decoding begins at the same picture for others.
    fn begins_as(&self, next: Due<'_>) -> bool {
        self.0.first().is_some_and(|first| first.what.decoded_from == next.what.decoded_from)
    }

    /// Whether others are shown behind all of it.
    fn goes_on(&self, next: Due<'_>) -> bool {
        let ends = self.0.last().and_then(|last| last.what.shown());
        ends.zip(next.what.shown()).is_some_and(|((_, last), (first, _))| last < first)
    }
}

/// All of a cut.
pub(super) struct Plan {
    /// From picture to picture, on the source's clock.
    pub ranges: Vec<TimeRange>,
    pub videos: Vec<Video>,
}

/// The streams of pictures that play; the others are cut at the pictures of the first one.
pub(super) fn videos(media: &Media) -> Vec<usize> {
    let plays = |i: &usize| {
        let stream = media.streams().get(*i);
        stream.is_some_and(|s| s.kind() == StreamKind::Video && !s.is_picture() && !s.is_hidden())
    };
    let mut streams: Vec<usize> = (0..media.streams().len()).filter(plays).collect();
    if let Some(primary) = media.primary(&streams) {
        streams.sort_by_key(|stream| *stream != primary);
    }
    streams
}

impl Plan {
    pub(super) fn of(media: &Media, asked: &[TimeRange], control: &Control) -> Result<Self> {
        let streams = videos(media);
        let mut ranges = asked.to_vec();
        let mut videos = Vec::new();
        for (i, stream) in streams.into_iter().enumerate() {
            let mut splices = Vec::new();
            for (number, range) in ranges.iter_mut().enumerate() {
                if i == 0 {
                    open_end(range, media, stream, control)?;
                }
                let Some(pictures) = pictures(media, stream, *range, control)? else {
                    splices.push(None);
                    continue;
                };
                let splice = pictures.splice(number == 0)?;
                match splice.as_ref().filter(|_| i == 0) {
                    Some(splice) => snap(range, media, &pictures, splice),
                    // It lies within a picture that began in front of it.
                    None if i == 0 => range.to = range.from,
                    None => {}
                }
                splices.push(splice);
            }
            videos.push(Video { stream, ranges: ranges.clone(), splices });
        }
        if ranges.iter().all(|range| range.from >= range.to) {
            return Err(Error::invalid("no picture begins in what is kept")
                .with_setting("mode")
                .advise("keep more, or use mode edit, which shows a part of a picture"));
        }
        if videos.is_empty() {
            return Err(Error::unsupported(
                "it has no pictures that play: there is nothing to be smart about",
            )
            .advise("use mode edit or keyframe, which cut sound as exactly as its container can"));
        }
        Ok(Self { ranges, videos })
    }
}

impl Plan {
    /// An error for what pictures that are encoded anew would lack.
    pub(super) fn check_layers(&self, media: &Media) -> Result<()> {
        let check = |video: &Video| layers::check(media, video.stream, video.due().map(|due| due.what));
        self.videos.iter().try_for_each(check)
    }

    /// How much later than the first range that is kept its pictures begin.
    pub(super) fn begins(&self) -> Timestamp {
        let Some(i) = self.ranges.iter().position(|range| range.from < range.to) else {
            return Timestamp::ZERO;
        };
        let from = self.ranges.get(i).map_or(Timestamp::ZERO, |range| range.from);
        let splices = self.videos.iter().filter_map(|video| video.splices.get(i)?.as_ref());
        let begins = splices.filter_map(|splice| splice.on_clock(splice.first())).min();
        begins.map_or(Timestamp::ZERO, |begins| begins.minus(from))
    }

    /// What becomes of the ranges.
    pub(super) fn tell(&self, report: &mut Report) {
        for (told, range) in report.ranges.iter_mut().zip(&self.ranges) {
            (told.actual_from, told.actual_to) = (range.from, range.to);
            if range.from >= range.to {
                let (from, to) = (told.from, told.to);
                report.warnings.push(format!("no picture begins in {from}..{to}: nothing of it is kept"));
            }
        }
        for video in &self.videos {
            let all = video.splices.iter().zip(&self.ranges).enumerate();
            report
                .spans
                .extend(all.flat_map(|(number, (splice, range))| video.spans(number, splice, *range)));
        }
    }
}

impl Video {
    /// What is encoded anew.
    pub(super) fn due(&self) -> impl Iterator<Item = Due<'_>> {
        let all =
            self.splices.iter().enumerate().filter_map(|(range, splice)| Some((range, splice.as_ref()?)));
        let all = all.flat_map(|(range, splice)| {
            [&splice.head, &splice.tail].into_iter().enumerate().map(move |(side, what)| Due {
                range,
                side,
                what,
            })
        });
        all.filter(|due| !due.what.pictures.is_empty())
    }

    /// All of it, by what is decoded in one go.
    pub(super) fn passes(&self) -> Vec<Pass<'_>> {
        let mut all: Vec<Due<'_>> = self.due().collect();
        all.sort_by_key(|due| due.what.shown());
        let mut passes: Vec<Pass<'_>> = Vec::new();
        for due in all {
            let mut latest = passes.iter_mut().rev().take_while(|pass| pass.begins_as(due));
            match latest.find(|pass| pass.goes_on(due)) {
                Some(pass) => pass.0.push(due),
                None => passes.push(Pass(vec![due])),
            }
        }
        passes
    }

    /// Whether something of it is encoded anew.
    pub(super) fn encodes(&self) -> bool {
        self.due().next().is_some()
    }

    /// What goes which way in a range.
    fn spans(&self, number: usize, splice: &Option<Splice>, range: TimeRange) -> Vec<ReportSpan> {
        let Some(splice) = splice else { return Vec::new() };
        let on_clock = |ticks: i64| splice.on_clock(ticks).unwrap_or(range.from);
        let span = |from, to, way| {
            let (stream, range) = (self.stream, number);
            ReportSpan { stream, range, from, to, way, pictures: None, why: None, psnr: None }
        };
        let mut spans = Vec::new();
        let first = |what: &Stretched| what.pictures.first().map(|(pts, _)| *pts);
        let (head, tail) = (first(&splice.head), first(&splice.tail));
        let key = splice.copied.map(|(pts, _)| pts);
        if let Some(head) = head {
            let mut of = span(on_clock(head), key.map_or(range.to, on_clock), Way::Encoded);
            of.pictures = Some(splice.head.pictures.len() as u64);
            of.why = Some(match key {
                Some(_) => "in front of the first picture that a copy may begin at".into(),
                None => "a copy may begin at no picture of the range".into(),
            });
            spans.push(of);
        }
        if let Some(key) = key {
            spans.push(span(on_clock(key), tail.map_or(range.to, on_clock), Way::Copied));
        }
        if let Some(tail) = tail {
            let mut of = span(on_clock(tail), range.to, Way::Encoded);
            of.pictures = Some(splice.tail.pictures.len() as u64);
            of.why = Some("what they are decoded with is shown behind the range's end".into());
            spans.push(of);
        }
        spans
    }
}

/// A stream's pictures in a range.
pub(super) fn pictures<'a>(
    media: &'a Media,
    stream: usize,
    range: TimeRange,
    control: &'a Control,
) -> Result<Option<Pictures<'a>>> {
    let start = media.start();
    let to = if range.to == Timestamp::MAX { range.to } else { range.to.plus(start) };
    Pictures::of(media, stream, (range.from.plus(start), to), control)
}

/// How much later than a media begins its first picture is shown, by the pictures' own word: some containers begin with
/// when it is decoded (MPEG's streams), and some with 0.
pub(super) fn begins(media: &Media, control: &Control) -> Result<Timestamp> {
    let second = Timestamp::from_nanos(1_000_000_000);
    let mut begins: Option<Timestamp> = None;
    for stream in videos(media) {
        let Some(pictures) = pictures(media, stream, TimeRange::ALL, control)? else { continue };
        let from = pictures.span.media_at(pictures.range.0, pictures.base);
        let to = from.saturating_add(second.ticks(pictures.base));
        let first = pictures.look(from, Side::Behind { to })?.coded.iter().map(|coded| coded.pts).min();
        let shown =
            first.map(|pts| pictures.span.shown_at(pts.max(from), pictures.base).minus(media.start()));
        begins = [begins, shown].into_iter().flatten().min();
    }
    Ok(begins.unwrap_or(Timestamp::ZERO))
}

/// Lets a range that goes on up to the end go on up to the last picture's. Where no index tells the end, the length is
/// that of the last packets that say when they are shown, and those behind them may not (MPEG's program streams).
fn open_end(range: &mut TimeRange, media: &Media, stream: usize, control: &Control) -> Result<()> {
    if media.is_indexed() || media.length() != Some(range.to) {
        return Ok(());
    }
    let all = TimeRange { from: range.from, to: Timestamp::MAX };
    if let Some(pictures) = pictures(media, stream, all, control)? {
        let last = pictures.span.media_at(range.to.plus(media.start()), pictures.base).saturating_sub(1);
        let ends = pictures.look(last, Side::Behind { to: i64::MAX })?.ends();
        let ends = ends.map(|ends| pictures.span.shown_at(ends, pictures.base).minus(media.start()));
        range.to = ends.map_or(range.to, |ends| range.to.max(ends));
    }
    Ok(())
}

/// Lets a range begin and end where pictures do.
fn snap(range: &mut TimeRange, media: &Media, pictures: &Pictures<'_>, splice: &Splice) {
    let on_clock = |ticks: i64| pictures.span.shown_at(ticks, pictures.base).minus(media.start());
    if splice.is_from_picture {
        range.from = on_clock(splice.from);
    }
    if splice.is_to_picture {
        range.to = on_clock(splice.to);
    }
}
