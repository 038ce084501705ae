//! A part by tables: which samples of each track it needs is looked up, and no packet is read.

use super::{Copied, Copy};
use crate::{
    Error, ErrorKind, Result, TimeRange,
    av::stream::StreamKind,
    edit::lane::Lane,
    job::Stage,
    media::Span,
    mp4::{self, Samples, Track},
    output::{
        clock::{Clock, RunTimes},
        index::Taken,
    },
    read::Need,
    time::{Rational, Timestamp, convert},
};
use bytes::Bytes;
use std::ops::Range;

/// Samples that are looked at one by one around a border, at most: more than any codec reorders.
const LOOKED_AT: u32 = 1 << 16;

impl Copy<'_, '_> {
    /// Copies the part, whose lanes are open.
    pub(super) fn take_samples(&mut self, from: Timestamp, to: Timestamp) -> Result<Copied> {
        let control = self.session.control;
        let range = TimeRange { from: self.part.from, to: self.part.to };
        let movie = self.media.movie(range, self.session.report, control)?;
        let movie = movie.ok_or_else(|| Error::new(ErrorKind::Bug, "a part by tables of no movie"))?;
        self.media.source().check_unchanged()?;
        let tables: Vec<Option<(usize, &Track, &Samples)>> = self
            .lanes
            .iter()
            .map(|lane| {
                let number = movie.number_of(self.media.streams().get(lane.stream)?.id())?;
                let track = movie.tracks.get(number)?;
                Some((number, track, track.samples.as_ref().ok()?))
            })
            .collect();
        let at_start = self.part.from == Timestamp::ZERO;
        let needs: Vec<Option<Need>> =
            self.lanes.iter().map(|lane| Need::new(self.media, lane.stream, lane.spans.first()?)).collect();
        let (Some(Some(need)), Some(Some((.., samples)))) = (needs.first(), tables.first()) else {
            return Err(Error::invalid("the range shows nothing of the source's main stream"));
        };
        let subtitled = self.lanes.iter().any(|lane| lane.kind == StreamKind::Subtitle);
        if subtitled && !at_start && !self.media.is_indexed() && !self.media.source().is_near() {
            self.session
                .report
                .warn("a subtitle that began before the keyframe of a range may be missing in it");
        }
        let key = if at_start { None } else { samples.key_composed_by(need.decodes_from()) };
        let key = key.or_else(|| samples.sync_at_or_behind(0)).filter(|_| !at_start).unwrap_or(0);
        let begins = samples.walk(key).next().map(|first| first.composition).filter(|_| !at_start);
        let shown_from = self.begin(begins, from, at_start);
        self.shift = self.session.placed.minus(shown_from);
        self.begin_clocks();
        // How much before what is shown the picture begins: so does the sound, for who shows it from there.
        let ahead = begins.map(|begins| need.from.saturating_sub(begins).max(0));
        let ahead = Timestamp::from_ticks(ahead.unwrap_or(0), need.base);
        let is_video = need.kind == StreamKind::Video;
        let mut taken = Vec::with_capacity(self.lanes.len());
        for (i, (tables, need)) in tables.iter().zip(&needs).enumerate() {
            let (Some((number, track, samples)), Some(need)) = (*tables, need) else { continue };
            let first = match need.kind {
                _ if at_start => 0,
                _ if i == 0 => key,
                StreamKind::Audio if is_video => {
                    let heard = need.from.saturating_sub(ahead.ticks(need.base)).saturating_sub(need.preroll);
                    samples.decoded_at(heard).unwrap_or(0)
                }
                // Where the part begins with its keyframe, another picture is seen from there, too.
                StreamKind::Video if is_video && self.part.from_keyframe => {
                    let seen = need.from.saturating_sub(ahead.ticks(need.base));
                    samples.key_composed_by(seen).unwrap_or(0)
                }
                _ => samples.key_composed_by(need.decodes_from()).unwrap_or(0),
            };
            let first = samples.block_of(first).0;
            if let Some(run) = self.choose(i, track, samples, first, movie.goes_on)
                && let Some(placed) = self.place(i, run)
            {
                let own = match placed.trimmed {
                    0 => None,
                    ticks => self.time_code(track, samples, first, ticks)?,
                };
                let Some(lane) = self.lanes.get(i) else { continue };
                let (ranges, last) = (placed.ranges, placed.last);
                let (track, movie) = (lane.track, movie.clone());
                // It is the main stream's.
                let around = std::mem::take(&mut self.session.around);
                let described = None;
                let own = Taken { track, movie, number, ranges, last, first: own, around, described };
                taken.push((lane.stream, own));
            }
        }
        self.append(taken)?;
        if !self.media.is_indexed() {
            self.judge_range()?;
            self.tell_shortfall(from, to);
        }
        let len = self.length(shown_from, to);
        self.state(shown_from, len);
        let nanos = |time: Timestamp| u64::try_from(time.nanos()).unwrap_or(0);
        let total = if self.session.total == Timestamp::MAX { 0 } else { nanos(self.session.total) };
        let done = nanos(self.session.placed.plus(len));
        control.report(Stage::Copy, if total > 0 { done.min(total) } else { done }, total)?;
        control.check()?;
        self.media.source().check_unchanged()?;
        Ok(Copied { from: shown_from, len }.on_clock_from(self.media.start()))
    }

    /// Puts samples behind what is there, those of each stream.
    fn append(&mut self, taken: Vec<(usize, Taken)>) -> Result<()> {
        let (mut own, mut others, mut changed) = (Vec::new(), Vec::new(), 0_u64);
        for (stream, taken) in taken {
            let Some(by) = self.session.renumbered.iter().find(|by| by.stream == stream) else {
                own.push(taken);
                continue;
            };
            let described = Some(by.described.clone());
            match &by.samples {
                None => own.push(Taken { described, ..taken }),
                Some((source, movie)) => {
                    let movie = movie.clone();
                    changed = changed.saturating_add(by.own);
                    others.push((source.clone(), Taken { described, movie, number: 0, ..taken }));
                }
            }
        }
        let (target, report) = (&mut *self.session.target, &mut *self.session.report);
        if others.is_empty() {
            return target.append(self.media.source(), own, report);
        }
        // They are decoded while the others are.
        target.begin_beside();
        target.append(self.media.source(), own, report)?;
        others.into_iter().try_for_each(|(source, taken)| target.append(&source, vec![taken], report))?;
        target.end_beside(report)?;
        report.payload_copied = report.payload_copied.saturating_add(changed);
        report.payload_shared = report.payload_shared.saturating_sub(changed);
        Ok(())
    }

    /// The code that a track of time codes begins with so many ticks behind a sample of it.
    fn time_code(
        &mut self,
        track: &Track,
        samples: &Samples,
        sample: u32,
        ticks: i64,
    ) -> Result<Option<Bytes>> {
        let Some(sample) = samples.walk(sample).next().filter(|sample| sample.size == 4) else {
            return Ok(None);
        };
        let number = usize::try_from(sample.description).ok().and_then(|number| number.checked_sub(1));
        let Some(counts) = number.and_then(|i| track.descriptions.get(i)?.time_code()) else {
            return Ok(None);
        };
        let (mut reader, control) = (self.media.source().reader(), self.session.control);
        let mut code = [0; 4];
        mp4::exactly(|at, into| reader.read(at, into, control), sample.place, &mut code)?;
        let read = reader.take_fetched();
        self.session.report.bytes_read = self.session.report.bytes_read.saturating_add(read);
        let code = counts.after(u32::from_be_bytes(code), ticks, track.scale);
        Ok(Some(Bytes::copy_from_slice(&code.to_be_bytes())))
    }

    /// Which samples a lane takes, from one on. `goes_on`: there are more than these tables have.
    fn choose(
        &mut self,
        lane: usize,
        track: &Track,
        samples: &Samples,
        first: u32,
        goes_on: bool,
    ) -> Option<Run> {
        let is_told = self.media.is_indexed();
        let lane = self.lanes.get_mut(lane)?;
        let clock = &mut self.session.target.tracks.get_mut(lane.track)?.clock;
        let until = lane.spans.iter().map(|span| until(span, lane.base)).max().unwrap_or(lane.until);
        let end = end_of(samples, until);
        let mut times = times(samples, first, end.max(first))?;
        let longer = if clock.takes_whole() { cut_short(samples, first..end, &times) } else { 0 };
        note_borders(clock, lane, samples, first..end, &times, longer);
        times.lengthen(longer);
        let (mut ranges, skipped) = kept(samples, first, end, lane.leading_before);
        let mut last = longer.saturating_add(skipped);
        let mut trimmed = 0;
        if is_trimmed(track) {
            let (front, behind) = trim(lane, &mut times, end.saturating_sub(first));
            let second = first.saturating_add(1);
            if front > 0 {
                ranges = vec![(0, first..second), (front.saturating_neg(), second..end)];
            }
            (last, trimmed) = (last.saturating_sub(behind), front);
        }
        let written = |(_, range): &(i64, Range<u32>)| range.len() as u64;
        lane.written = ranges.iter().map(written).fold(0, u64::saturating_add);
        // A picture is shown until the next one is, however long its own sample lasts; and the last one of all as
        // long as an edit list says.
        lane.done = end < samples.count() || goes_on;
        let is_held = lane.kind == StreamKind::Video && (lane.done || is_told);
        // Where nothing else says how long it is, what makes a last frame of sound whole counts for nothing.
        let composed = times.composed.saturating_sub(if is_told { 0 } else { longer });
        lane.seen_end = Some(if is_held { composed.max(until) } else { composed });
        let looked = usize::try_from(LOOKED_AT.min(end.saturating_sub(first))).unwrap_or(0);
        let earliest = samples.composed_from(first).take(looked).map(|(composed, _)| composed);
        let earliest = earliest.min().unwrap_or(times.composition);
        Some(Run { times, earliest, ranges, last, trimmed })
    }

    /// Puts a run of a lane's samples on its track's clock: what changes of their durations is in the track's
    /// ticks then.
    fn place(&mut self, lane: usize, mut run: Run) -> Option<Run> {
        let lane = self.lanes.get_mut(lane)?;
        let track = self.session.target.tracks.get_mut(lane.track)?;
        if let Some(span) = lane.spans.first_mut().filter(|span| run.times.composition > span.media) {
            // Nothing is there to show before the first sample.
            let begins = span.shown_at(run.times.composition, lane.base);
            span.begin_at(begins, lane.base);
            track.clock.stretch_to(begins.plus(self.shift), Timestamp::ZERO);
        }
        let finer = convert(1, lane.base, track.clock.base()).max(1);
        run.ranges.iter_mut().for_each(|(longer, _)| *longer = longer.saturating_mul(finer));
        run.last = run.last.saturating_mul(finer);
        let begins = lane.spans.first().filter(|_| lane.spans.len() == 1).map_or(i64::MAX, |span| span.media);
        let is_shown = lane.kind == StreamKind::Video && run.earliest.min(run.times.composition) >= begins;
        if is_shown && run.earliest >= run.times.composition {
            // Nothing of it is hidden: pictures follow on those before without a gap, in one entry of an edit list.
            // FFmpeg reads pictures around a border of two twice, and takes their sample descriptions for each
            // other's then.
            track.clock.begin_shown();
            let late = track.clock.delay_before(run.times, lane.base);
            if late > 0 {
                self.session.target.delay(lane.track, late);
            }
        }
        let track = self.session.target.tracks.get_mut(lane.track)?;
        let gap = track.clock.run_behind(run.times, lane.base);
        if let Some((first, _)) = run.ranges.first_mut() {
            *first = gap;
        }
        track.packets = track.packets.saturating_add(lane.written);
        Some(run)
    }
}

/// Samples that a lane takes.
struct Run {
    times: RunTimes,
    /// When the first of them is composed in the order of showing.
    earliest: i64,
    /// In front of each range, how much longer the sample before lasts.
    ranges: Vec<(i64, Range<u32>)>,
    /// How much longer the last one lasts.
    last: i64,
    /// How much of the first one lies in front of what is shown, and is left out of its duration.
    trimmed: i64,
}

/// How much shorter a last frame of sound is than the one in front of it. (The first one may be longer, by a gap.)
fn cut_short(samples: &Samples, range: Range<u32>, times: &RunTimes) -> i64 {
    // One frame alone is longer where others are missing behind it.
    let before = range.end.saturating_sub(3).max(range.start);
    let frames = samples.walk(before).take(range.end.saturating_sub(before).saturating_sub(1) as usize);
    let frame = frames.map(|frame| i64::from(frame.duration)).min();
    frame.map_or(0, |frame| frame.saturating_sub(times.last.into()).max(0))
}

/// The first tick of a span's media that is not shown: where ticks are coarse, what is shown may end within one.
fn until(span: &Span, base: Rational) -> i64 {
    let tick = span.media_at(span.shown_end(), base);
    // A time is a nanosecond off at the most.
    let is_shown = span.shown_end().minus(span.shown_at(tick, base)).nanos() > 1;
    if is_shown { tick.saturating_add(1) } else { tick }
}

/// The first sample behind all that are composed before a time.
fn end_of(samples: &Samples, until: i64) -> u32 {
    let (least, _) = samples.offsets();
    let Some(last) = samples.decoded_at(until.saturating_sub(1).saturating_sub(least.into())) else {
        return 0;
    };
    let mut end = samples.block_of(last).1;
    if samples.blocks.is_some() {
        return end;
    }
    // Behind the last one inside, none inside refers to any.
    for _ in 0..LOOKED_AT {
        let Some(last) = end.checked_sub(1).and_then(|last| samples.walk(last).next()) else { break };
        if last.composition < until {
            break;
        }
        end = end.saturating_sub(1);
    }
    end
}

/// What of the samples between two is kept: those that are composed before `leading_before` and follow the
/// first one lack what they refer to, up to the next one that decoding can begin at. In front of each range,
/// how much longer the sample before lasts; and so the last one of all.
fn kept(
    samples: &Samples,
    first: u32,
    end: u32,
    leading_before: Option<i64>,
) -> (Vec<(i64, Range<u32>)>, i64) {
    let whole = || (vec![(0, first..end)], 0);
    let Some(key) = leading_before else { return whole() };
    let behind = samples.sync_at_or_behind(first.saturating_add(1)).unwrap_or(end).min(end);
    let looked = behind.saturating_sub(first).min(LOOKED_AT);
    let leads: Vec<(u32, i64)> = (first..)
        .zip(samples.walk(first).take(usize::try_from(looked).unwrap_or(0)))
        .filter(|(_, sample)| sample.composition < key)
        .map(|(number, sample)| (number, sample.duration.into()))
        .collect();
    if leads.is_empty() {
        return whole();
    }
    let mut ranges = Vec::new();
    let (mut from, mut skipped): (u32, i64) = (first, 0);
    for (number, lasts) in leads {
        if number > from {
            ranges.push((skipped, from..number));
            skipped = 0;
        }
        skipped = skipped.saturating_add(lasts);
        from = number.saturating_add(1);
    }
    if from < end {
        ranges.push((skipped, from..end));
        skipped = 0;
    }
    (ranges, skipped)
}

/// Notes where a part's first frames of sound begin and its last ones end. `longer`: so much longer than its table
/// says lasts the last one.
fn note_borders(
    clock: &mut Clock,
    lane: &Lane,
    samples: &Samples,
    range: Range<u32>,
    times: &RunTimes,
    longer: i64,
) {
    if lane.kind != StreamKind::Audio {
        return;
    }
    let near = Timestamp::from_nanos(500_000_000).ticks(lane.base);
    let walk = |time: i64| {
        let from = samples.decoded_at(time).unwrap_or(0).max(range.start);
        samples.composed_from(from).take(usize::try_from(range.end.saturating_sub(from)).unwrap_or(0))
    };
    let begins = lane.spans.first().map_or(0, |span| span.media);
    let starts = walk(begins.saturating_sub(near)).map(|(composed, _)| composed);
    let starts = starts.take_while(|start| *start <= begins.saturating_add(near));
    let ends = walk(lane.until.min(times.composed).saturating_sub(near));
    let ends = ends.map(|(composed, lasts)| composed.saturating_add(lasts.into()));
    let ends = ends.map(|end| if end == times.composed { end.saturating_add(longer) } else { end });
    clock.note_borders(starts, ends);
}

/// Whether a track's samples may be shown for a shorter time than they are in the source, and begin later: text,
/// and time codes. Readers take them for chapters, subtitles and codes without a look at the edit list.
fn is_trimmed(track: &Track) -> bool {
    matches!(&track.handler, b"text" | b"sbtl" | b"subt" | b"tmcd")
}

/// How much of the first sample lies in front of what is shown of a lane, and of the last one behind it. What is
/// shown begins with the first sample then.
fn trim(lane: &mut Lane, times: &mut RunTimes, count: u32) -> (i64, i64) {
    let Some(from) = lane.spans.first().map(|span| span.media) else { return (0, 0) };
    let front = from.saturating_sub(times.composition).clamp(0, times.first.saturating_sub(1).into());
    let last = if count == 1 { i64::from(times.last).saturating_sub(front) } else { times.last.into() };
    let behind = times.composed.saturating_sub(lane.until).clamp(0, last.saturating_sub(1).max(0));
    times.decode = times.decode.saturating_add(front);
    times.composition = times.composition.saturating_add(front);
    times.decoded = times.decoded.saturating_sub(behind);
    times.composed = times.composed.saturating_sub(behind);
    (front, behind)
}

/// When the samples between two are decoded and composed.
fn times(samples: &Samples, first: u32, end: u32) -> Option<RunTimes> {
    let begin = samples.walk(first).next().filter(|_| first < end)?;
    let decoded = samples.decode_of(end);
    let (_, most) = samples.offsets();
    // No sample in front of this one is composed behind the last ones.
    let reach = samples.decoded_at(decoded.saturating_sub(most.into()).saturating_sub(1)).unwrap_or(first);
    let reach = reach.max(first).max(end.saturating_sub(LOOKED_AT));
    let last = samples.composed_from(reach).take(usize::try_from(end.saturating_sub(reach)).unwrap_or(0));
    let (composed, last) = last.fold((i64::MIN, 0), |(latest, _), (composed, lasts)| {
        (latest.max(composed.saturating_add(lasts.into())), lasts)
    });
    let (decode, composition, first) = (begin.decode, begin.composition, begin.duration);
    Some(RunTimes { decode, composition, first, decoded, composed, last })
}
