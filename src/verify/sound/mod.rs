//! The sound of two media beside each other, a stretch of a second at a time.

mod align;
mod click;
mod heard;
mod judge;
mod line;
mod rule;

use super::{
    beside::beside,
    result::{Sound, SoundSpan, SoundState},
    spans::Placed,
    tell::Tell,
};
use crate::{
    Control, Limits, Media, Result, StreamKind, TimeRange,
    time::{Rational, Timestamp},
};
use align::{Excerpt, SILENCE};
use click::Seam;
use crossbeam_channel::Receiver;
use heard::{Piece, Sounds};
use line::Line;

/// Pieces that wait between a decoder and their comparison.
const WAITING: usize = 16;
/// How far sound is looked for, as a part of a second: 200 ms.
const REACH: i64 = 5;
/// Sound this near is at its place: nobody looks for it elsewhere.
const NEAR: f64 = 10.0;
/// Parts of a second that are looked at for silence: 5 ms.
const BLOCK: i64 = 200;
/// How far from a seam sound is looked at by itself, as a part of a second: 10 ms.
const FADE: i64 = 100;
/// As loud as this a source has to be where its output is silent: -45 dB.
const AUDIBLE: f64 = 3e-5;
/// Blocks of silence that are no chance.
const HOLE: i64 = 2;

/// What is asked of sound.
#[derive(Clone, Copy)]
pub(super) struct Asked {
    pub si_sdr: f64,
    /// How much sound and picture may be apart, whatever sound it is; None: as much as [`rule::Rule`] says.
    pub lag: Option<Timestamp>,
}

/// What came of a track: what is told of it, and what is judged when it is known how late the pictures are.
pub(super) struct Compared {
    told: Sound,
    /// Those that can be told.
    stretches: Vec<Stretch>,
    holes: Vec<(Timestamp, Timestamp)>,
    seams: Vec<Seam>,
    form: Option<(String, String)>,
    /// What the source has and what came, from sample to sample.
    lengths: [Option<(i64, i64)>; 2],
    rate: u32,
    /// Samples of the output's longest frame.
    frame: u64,
    ranges: usize,
}

/// Sound of a second or so, and how much later than asked it is heard.
struct Stretch {
    range: usize,
    from: Timestamp,
    until: Timestamp,
    lag: Timestamp,
}

/// Compares two streams of sound, each decoded on a thread of its own.
pub(super) fn compare(
    source: (&Media, usize),
    output: (&Media, usize),
    ranges: &[Placed],
    tell: Option<&Tell>,
    control: &Control,
) -> Result<Compared> {
    let all = [Placed { range: TimeRange::ALL, at: Timestamp::ZERO }];
    let told = Sound { source_stream: source.1, output_stream: output.1, ..Sound::default() };
    beside(
        control,
        WAITING,
        |control, to| Sounds { media: source.0, stream: source.1, ranges, control, to }.run(),
        |control, to| Sounds { media: output.0, stream: output.1, ranges: &all, control, to }.run(),
        |from_source, from_output| {
            let begins = begins((source.0, output.0), ranges);
            let mut comparison = Comparison::new(told, from_source, from_output);
            comparison.is_lossless = rule::is_lossless(output);
            comparison.run(ranges, begins, tell, control)
        },
    )
}

/// When the output's pictures begin, where the source's are there from the first range's beginning on: sound that lies
/// in front of them gets a decoder going, in containers that can't hide it.
fn begins((source, output): (&Media, &Media), ranges: &[Placed]) -> Timestamp {
    let start = |media: &Media| {
        let streams = media.streams().iter().enumerate();
        let plays =
            streams.filter(|(_, s)| s.kind() == StreamKind::Video && !s.is_picture() && !s.is_hidden());
        let starts = plays.filter_map(|(i, s)| {
            let stated = s.start().filter(|_| !media.is_edited());
            let first = stated.map(|first| Timestamp::from_ticks(first, s.time_base()));
            Some(first.unwrap_or(media.timeline(i)?.start()).minus(media.start()))
        });
        starts.min()
    };
    let from = ranges.first().map_or(Timestamp::ZERO, |placed| placed.range.from);
    let is_there = start(source).is_some_and(|start| start <= from);
    start(output).filter(|_| is_there).unwrap_or_default().max(Timestamp::ZERO)
}

struct Comparison<'a> {
    told: Sound,
    is_lossless: bool,
    source: Line<'a>,
    output: Line<'a>,
    lag: i64,
    /// Whether that is the only one that fits.
    is_sure: bool,
    /// The range in which it was looked for.
    looked_in: Option<usize>,
    stretches: Vec<Stretch>,
    holes: Vec<(i64, i64)>,
    seams: Vec<Seam>,
    base: Rational,
}

impl<'a> Comparison<'a> {
    fn new(told: Sound, source: &'a Receiver<Result<Piece>>, output: &'a Receiver<Result<Piece>>) -> Self {
        let (source, output) = (Line::new(source), Line::new(output));
        let base = Rational { num: 1, den: 1 };
        Self {
            told,
            is_lossless: false,
            source,
            output,
            lag: 0,
            is_sure: true,
            looked_in: None,
            stretches: Vec::new(),
            holes: Vec::new(),
            seams: Vec::new(),
            base,
        }
    }

    fn time(&self, sample: i64) -> Timestamp {
        Timestamp::from_ticks(sample, self.base)
    }

    fn run(
        mut self,
        ranges: &[Placed],
        begins: Timestamp,
        tell: Option<&Tell>,
        control: &Control,
    ) -> Result<Compared> {
        self.source.look()?;
        self.output.look()?;
        let (a, b) = (&self.source, &self.output);
        let rate = a.rate;
        let same = (a.rate, a.channels) == (b.rate, b.channels);
        let form = |line: &Line<'_>| format!("{} Hz, {} channels", line.rate, line.channels);
        let is_there = a.channels > 0 && b.channels > 0;
        let form = (is_there && !same).then(|| (form(a), form(b)));
        self.base = i32::try_from(rate).ok().and_then(|rate| Rational::new(1, rate)).unwrap_or(self.base);
        let rate = i64::from(rate);
        if is_there && same && rate > 0 {
            self.lag = begins.ticks(self.base);
            let on_output = |placed: &Placed| placed.at.plus(begins).ticks(self.base);
            let borders: Vec<i64> = ranges.iter().map(on_output).collect();
            for (i, from) in borders.iter().copied().enumerate() {
                let end = borders.get(i.saturating_add(1)).copied().unwrap_or(i64::MAX);
                self.range(i, (from, end), tell, control)?;
            }
        }
        // What is left tells how long it is.
        for line in [&mut self.source, &mut self.output] {
            while line.channels > 0 && !line.is_over {
                control.check()?;
                line.leap();
                line.fill(line.at.saturating_add(rate.max(1)))?;
            }
        }
        let lengths = [self.source.extent, self.output.extent];
        let holes = self.holes.iter().map(|(from, to)| (self.time(*from), self.time(*to))).collect();
        Ok(Compared {
            told: self.told,
            stretches: self.stretches,
            holes,
            seams: self.seams,
            form,
            lengths,
            rate: self.source.rate,
            frame: self.output.frame,
            ranges: ranges.len(),
        })
    }

    /// The stretches of a range.
    fn range(
        &mut self,
        range: usize,
        (seam, border): (i64, i64),
        tell: Option<&Tell>,
        control: &Control,
    ) -> Result<()> {
        let rate = i64::from(self.source.rate);
        let reach = rate / REACH;
        // Where ranges meet, the sound of the one may go over into the other's; and where frames are spliced, that of
        // the other is heard up to half of one away, as loud as it is, and what overlaps with it.
        let fade = rate / FADE;
        let frame = i64::try_from(self.output.frame).unwrap_or(0).min(rate / REACH);
        let spliced = if self.is_lossless { 0 } else { frame.saturating_mul(3) / 4 };
        let is_long = |inset: &i64| border.saturating_sub(seam) > inset.saturating_mul(10);
        let widest = [fade.max(spliced), fade].into_iter().find(is_long).unwrap_or(0);
        let inset = |is_seam: bool| if is_seam { widest } else { 0 };
        let begins = seam.saturating_add(inset(range > 0));
        let end = border.saturating_sub(inset(border < i64::MAX));
        let mut at = begins;
        while at < end {
            control.check()?;
            let longest = control.get_limits().duration;
            let seconds = u64::try_from(at.checked_div(rate).unwrap_or(0)).unwrap_or(0);
            Limits::hold(seconds, longest, "duration", || {
                format!("sound at {seconds} s, and the limit is {longest} s")
            })?;
            // A rest that is short goes with the stretch before it.
            let rest = end.saturating_sub(at);
            let to = if rest < rate.saturating_add(rate / 2) { end } else { at.saturating_add(rate) };
            self.source.fill(to.saturating_add(reach))?;
            self.output.fill(to.saturating_add(reach))?;
            let has_more = self.source.end() > at || self.output.end() > at;
            if !has_more {
                break;
            }
            if let Some(tell) = tell {
                tell.tell(self.time(at), control)?;
            }
            if range > 0 && at == begins {
                let frame = i64::try_from(self.output.frame).unwrap_or(0).min(rate / REACH);
                let both = (self.source.all(), self.output.all());
                self.seams.push(Seam::look((range, seam), both, (self.lag, frame), rate));
            }
            let told = (if at == begins { seam } else { at }, if to == end { border } else { to });
            self.stretch(range, (at, to), told, rate);
            at = to.min(self.source.end().max(self.output.end()));
            self.source.forget(at.saturating_sub(reach));
            self.output.forget(at.saturating_sub(reach));
        }
        Ok(())
    }

    /// Compares what lies between two samples, which is told of as what lies between two others.
    fn stretch(&mut self, range: usize, (from, to): (i64, i64), (told_from, told_to): (i64, i64), rate: i64) {
        let reach = rate / REACH;
        let (source, output) = (self.source.all(), self.output.all());
        let here = output.between(from, to);
        let own = source.between(from, to);
        if own.power() < SILENCE || here.samples.is_empty() {
            let state = if here.power() < SILENCE * 10.0 { SoundState::Silent } else { SoundState::Near };
            let (from, to) = (self.time(told_from), self.time(from.max(told_to.min(self.output.end()))));
            self.span(state, (from, to), None, None);
            return;
        }
        let around = source.between(from.saturating_sub(reach), to.saturating_add(reach));
        let (state, lag, sdr, is_sure);
        if align::are_equal(around, here, self.lag) {
            (state, lag, sdr, is_sure) = (SoundState::Equal, self.lag, f64::INFINITY, true);
        } else {
            let rate = u32::try_from(rate).unwrap_or(0);
            // The first stretch of a range says for all of it where it is.
            let enough = if self.looked_in == Some(range) { NEAR } else { f64::INFINITY };
            let found = align::lag(around, here, (rate, reach), (self.lag, self.is_sure), enough);
            (lag, sdr, is_sure) = (found.samples, found.si_sdr, found.is_sure);
            let is_equal = align::are_equal(around, here, lag);
            state = if is_equal { SoundState::Equal } else { SoundState::Near };
        }
        // What is nowhere says nothing of when it is heard, nor what is short.
        let is_long =
            here.samples.len() as u64 >= (rate / REACH).unsigned_abs().saturating_mul(here.channels as u64);
        let is_found = sdr > 0.0 && is_long;
        let lag = if is_found { lag } else { self.lag };
        let mut sdr = sdr;
        let mut holes = Vec::new();
        if state == SoundState::Near {
            holes = holes_in(around, here, lag, rate / BLOCK);
            if !holes.is_empty() {
                // Of the rest: a hole is told of by itself.
                let without = |sound: Excerpt<'_>, late: i64| {
                    let mut samples = sound.samples.to_vec();
                    for (from, to) in &holes {
                        let index = |at: i64| {
                            let at = at.saturating_sub(late).saturating_sub(sound.at);
                            usize::try_from(at).unwrap_or(0).saturating_mul(sound.channels).min(samples.len())
                        };
                        let hole = index(*from)..index(*to);
                        samples.get_mut(hole).unwrap_or_default().fill(0.0);
                    }
                    samples
                };
                let (own, filled) = (without(around, lag), without(here, 0));
                sdr = align::si_sdr(
                    Excerpt { samples: &own, ..around },
                    Excerpt { samples: &filled, ..here },
                    lag,
                );
            }
        }
        let until = here.at.saturating_add(
            i64::try_from(here.samples.len().checked_div(here.channels).unwrap_or(0)).unwrap_or(0),
        );
        let until = if until == to { told_to.min(self.output.end()) } else { until };
        self.lag = lag;
        self.holes.extend(holes);
        let (from, until, lag) = (self.time(told_from), self.time(until), self.time(lag));
        if is_found {
            (self.is_sure, self.looked_in) = (is_sure, Some(range));
        }
        if is_found && is_sure {
            self.stretches.push(Stretch { range, from, until, lag });
        }
        self.span(state, (from, until), Some(lag), Some(sdr));
    }

    fn span(
        &mut self,
        state: SoundState,
        (from, until): (Timestamp, Timestamp),
        lag: Option<Timestamp>,
        sdr: Option<f64>,
    ) {
        if until <= from {
            return;
        }
        let lag = lag.unwrap_or_default();
        if let Some(sdr) = sdr.filter(|_| state == SoundState::Near) {
            self.told.si_sdr_min = Some(self.told.si_sdr_min.map_or(sdr, |least| least.min(sdr)));
        }
        match self.told.spans.last_mut() {
            Some(last) if last.state == state && state != SoundState::Near && last.lag == lag => {
                last.until = until
            }
            _ => self.told.spans.push(SoundSpan {
                state,
                from,
                until,
                lag,
                si_sdr: sdr.filter(|sdr| sdr.is_finite()),
            }),
        }
    }
}

/// Where the output is silent for a while and the source is not, in samples.
fn holes_in(source: Excerpt<'_>, output: Excerpt<'_>, lag: i64, block: i64) -> Vec<(i64, i64)> {
    let mut holes: Vec<(i64, i64)> = Vec::new();
    let count = output.samples.len().checked_div(output.channels).unwrap_or(0);
    let end = output.at.saturating_add(i64::try_from(count).unwrap_or(0));
    let (block, mut at) = (block.max(1), output.at);
    while at.saturating_add(block) <= end {
        let to = at.saturating_add(block);
        let own = source.between(at.saturating_sub(lag), to.saturating_sub(lag));
        if output.between(at, to).power() < SILENCE && own.power() > AUDIBLE {
            match holes.last_mut().filter(|hole| hole.1 == at) {
                Some(hole) => hole.1 = to,
                None => holes.push((at, to)),
            }
        }
        at = to;
    }
    holes.retain(|(from, to)| to.saturating_sub(*from) >= block.saturating_mul(HOLE));
    holes
}
