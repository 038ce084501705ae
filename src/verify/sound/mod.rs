//! The sound of two media beside each other, a stretch of a second at a time.

mod align;
mod heard;

use super::{
    beside::beside,
    fault::{Fault, FaultKind},
    result::{Sound, SoundSpan, SoundState},
    spans::Placed,
};
use crate::{
    Control, Limits, Media, Result, TimeRange,
    time::{Rational, Timestamp},
};
use align::{Excerpt, SILENCE};
use crossbeam_channel::Receiver;
use heard::{Piece, Sounds};

/// Pieces that wait between a decoder and their comparison.
const WAITING: usize = 16;
/// How far sound is looked for, as a part of a second: 200 ms.
const REACH: i64 = 5;
/// Sound this near is at its place: nobody looks for it elsewhere.
const NEAR: f64 = 10.0;
/// Parts of a second that are looked at for silence: 5 ms.
const BLOCK: i64 = 200;
/// As loud as this a source has to be where its output is silent: -45 dB.
const AUDIBLE: f64 = 3e-5;
/// Blocks of silence that are no chance.
const HOLE: i64 = 2;

/// What is asked of sound.
#[derive(Clone, Copy)]
pub(super) struct Asked {
    pub si_sdr: f64,
    /// How much sound and picture may be apart.
    pub lag: Timestamp,
}

/// What came of a track: what is told of it, and what is judged when it is known how late the pictures are.
pub(super) struct Compared {
    told: Sound,
    /// Of each stretch that can be told: the range, where it is, and how much later it is heard.
    lags: Vec<(usize, Timestamp, Timestamp)>,
    holes: Vec<(Timestamp, Timestamp)>,
    form: Option<(String, String)>,
    /// What the source has and what came, from sample to sample.
    lengths: [Option<(i64, i64)>; 2],
    rate: u32,
}

/// Compares two streams of sound, each decoded on a thread of its own.
pub(super) fn compare(
    source: (&Media, usize),
    output: (&Media, usize),
    ranges: &[Placed],
    control: &Control,
) -> Result<Compared> {
    let all = [Placed { range: TimeRange::ALL, at: Timestamp::ZERO }];
    let told = Sound { source_stream: source.1, output_stream: output.1, ..Sound::default() };
    beside(
        control,
        WAITING,
        |control, to| Sounds { media: source.0, stream: source.1, ranges, control, to }.run(),
        |control, to| Sounds { media: output.0, stream: output.1, ranges: &all, control, to }.run(),
        |from_source, from_output| Comparison::new(told, from_source, from_output).run(ranges, control),
    )
}

/// Sound as it comes, from the last sample on that is still needed.
struct Line<'a> {
    from: &'a Receiver<Result<Piece>>,
    /// What comes next, and is not in the line yet.
    next: Option<Piece>,
    is_over: bool,
    at: i64,
    channels: usize,
    rate: u32,
    samples: Vec<f32>,
    /// The first sample and the one behind the last.
    extent: Option<(i64, i64)>,
}

impl<'a> Line<'a> {
    fn new(from: &'a Receiver<Result<Piece>>) -> Self {
        Self {
            from,
            next: None,
            is_over: false,
            at: 0,
            channels: 0,
            rate: 0,
            samples: Vec::new(),
            extent: None,
        }
    }

    fn look(&mut self) -> Result<()> {
        if self.next.is_none() && !self.is_over {
            match self.from.recv() {
                Ok(piece) => self.next = Some(piece?),
                Err(_) => self.is_over = true,
            }
        }
        if let Some(piece) = self.next.as_ref().filter(|_| self.channels == 0) {
            (self.channels, self.rate) = (piece.channels, piece.rate);
        }
        Ok(())
    }

    fn end(&self) -> i64 {
        let count = self.samples.len().checked_div(self.channels).unwrap_or(0);
        self.at.saturating_add(i64::try_from(count).unwrap_or(i64::MAX))
    }

    /// Takes all up to a sample; silence where nothing is. Pieces of another rate or other channels are left out.
    fn fill(&mut self, to: i64) -> Result<()> {
        loop {
            self.look()?;
            let Some(piece) = self.next.as_ref() else { return Ok(()) };
            if (piece.channels, piece.rate) != (self.channels, self.rate) {
                self.next = None;
                continue;
            }
            let end = self.end();
            if piece.at > end {
                // A gap, as far as it is needed.
                let silent = usize::try_from(piece.at.min(to).saturating_sub(end)).unwrap_or(0);
                let len = self.samples.len().saturating_add(silent.saturating_mul(self.channels));
                self.samples.resize(len, 0.0);
            }
            if self.end() >= to {
                return Ok(());
            }
            let Some(piece) = self.next.take() else { return Ok(()) };
            // What was there already is not heard twice.
            let again =
                usize::try_from(end.saturating_sub(piece.at)).unwrap_or(0).saturating_mul(self.channels);
            self.samples.extend(piece.samples.iter().skip(again));
            let (from, to) = (piece.at, self.end());
            self.extent =
                Some(self.extent.map_or((from, to), |(first, last)| (first.min(from), last.max(to))));
        }
    }

    fn forget(&mut self, before: i64) {
        let count = usize::try_from(before.saturating_sub(self.at)).unwrap_or(0);
        let count = count.min(self.samples.len().checked_div(self.channels).unwrap_or(0));
        self.samples.drain(..count.saturating_mul(self.channels));
        self.at = self.at.saturating_add(i64::try_from(count).unwrap_or(0));
    }

    /// Goes to what comes next, whatever lies between.
    fn leap(&mut self) {
        let end = self.end();
        self.samples.clear();
        self.at = self.next.as_ref().map_or(end, |piece| piece.at.max(end));
    }

    fn all(&self) -> Excerpt<'_> {
        Excerpt { at: self.at, channels: self.channels, samples: &self.samples }
    }
}

struct Comparison<'a> {
    told: Sound,
    source: Line<'a>,
    output: Line<'a>,
    lag: i64,
    lags: Vec<(usize, Timestamp, Timestamp)>,
    holes: Vec<(i64, i64)>,
    base: Rational,
}

impl<'a> Comparison<'a> {
    fn new(told: Sound, source: &'a Receiver<Result<Piece>>, output: &'a Receiver<Result<Piece>>) -> Self {
        let (source, output) = (Line::new(source), Line::new(output));
        let base = Rational { num: 1, den: 1 };
        Self { told, source, output, lag: 0, lags: Vec::new(), holes: Vec::new(), base }
    }

    fn time(&self, sample: i64) -> Timestamp {
        Timestamp::from_ticks(sample, self.base)
    }

    fn run(mut self, ranges: &[Placed], control: &Control) -> Result<Compared> {
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
            for (i, placed) in ranges.iter().enumerate() {
                let from = placed.at.ticks(self.base);
                let end = ranges.get(i.saturating_add(1)).map_or(i64::MAX, |next| next.at.ticks(self.base));
                self.range(i, (from, end), rate, control)?;
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
        Ok(Compared { told: self.told, lags: self.lags, holes, form, lengths, rate: self.source.rate })
    }

    /// The stretches of a range.
    fn range(&mut self, range: usize, (mut at, end): (i64, i64), rate: i64, control: &Control) -> Result<()> {
        let reach = rate / REACH;
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
            self.stretch(range, (at, to), rate);
            at = to.min(self.source.end().max(self.output.end()));
            self.source.forget(at.saturating_sub(reach));
            self.output.forget(at.saturating_sub(reach));
        }
        Ok(())
    }

    fn stretch(&mut self, range: usize, (from, to): (i64, i64), rate: i64) {
        let reach = rate / REACH;
        let (source, output) = (self.source.all(), self.output.all());
        let here = output.between(from, to);
        let own = source.between(from, to);
        if own.power() < SILENCE || here.samples.is_empty() {
            let state = if here.power() < SILENCE * 10.0 { SoundState::Silent } else { SoundState::Near };
            let (from, to) = (self.time(from), self.time(from.max(to.min(self.output.end()))));
            self.span(state, (from, to), None, None);
            return;
        }
        let around = source.between(from.saturating_sub(reach), to.saturating_add(reach));
        let (state, lag, sdr);
        if align::are_equal(around, here, self.lag) {
            (state, lag, sdr) = (SoundState::Equal, self.lag, f64::INFINITY);
        } else {
            let rate = u32::try_from(rate).unwrap_or(0);
            (lag, sdr) = align::lag(around, here, (rate, reach), self.lag, NEAR);
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
                let mut filled = here.samples.to_vec();
                let mut own =
                    around.between(from.saturating_sub(lag), to.saturating_sub(lag)).samples.to_vec();
                for (from, to) in &holes {
                    let index = |at: i64| {
                        usize::try_from(at.saturating_sub(here.at)).unwrap_or(0).saturating_mul(here.channels)
                    };
                    for samples in [&mut filled, &mut own] {
                        let len = samples.len();
                        let hole = samples.get_mut(index(*from).min(len)..index(*to).min(len));
                        hole.unwrap_or_default().fill(0.0);
                    }
                }
                let channels = here.channels;
                let own = Excerpt { at: 0, channels, samples: &own };
                sdr = align::si_sdr(own, Excerpt { at: 0, channels, samples: &filled }, 0);
            }
        }
        let until = here.at.saturating_add(
            i64::try_from(here.samples.len().checked_div(here.channels).unwrap_or(0)).unwrap_or(0),
        );
        self.lag = lag;
        self.holes.extend(holes);
        let (from, until, lag) = (self.time(from), self.time(until), self.time(lag));
        if is_found {
            self.lags.push((range, from, lag));
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

impl Compared {
    /// What is wrong with it, where the pictures (if there are any) are so much later than asked. `is_exact`: the
    /// container says to the sample what is heard.
    pub(super) fn judge(
        self,
        late: Option<Timestamp>,
        asked: Asked,
        is_exact: bool,
        faults: &mut Vec<Fault>,
    ) -> Sound {
        let track = self.told.output_stream;
        let mut add = |kind: FaultKind, (at, until): (Timestamp, Timestamp)| {
            faults.push(Fault { kind, at: Some(at), until: Some(until), source: None });
        };
        if let Some((expected, found)) = self.form {
            add(FaultKind::SoundForm { track, expected, found }, (Timestamp::ZERO, Timestamp::ZERO));
            return self.told;
        }
        // Without pictures, only what is exact has to begin at 0.
        let first = self.lags.first().map_or(Timestamp::ZERO, |(_, _, lag)| *lag);
        let late = late.unwrap_or(if is_exact { Timestamp::ZERO } else { first });
        let mut wrong: Option<(Timestamp, Timestamp, Timestamp)> = None;
        for (_, at, lag) in &self.lags {
            let by = lag.minus(late);
            let is_wrong = by.nanos().saturating_abs() > asked.lag.nanos();
            match &mut wrong {
                Some((_, until, furthest)) if is_wrong => {
                    *until = *at;
                    *furthest = if by.nanos().abs() > furthest.nanos().abs() { by } else { *furthest };
                }
                None if is_wrong => wrong = Some((*at, *at, by)),
                Some((from, until, by)) => {
                    add(FaultKind::SoundLate { track, by: *by }, (*from, *until));
                    wrong = None;
                }
                None => {}
            }
        }
        if let Some((from, until, by)) = wrong {
            add(FaultKind::SoundLate { track, by }, (from, until));
        }
        for (from, until) in &self.holes {
            add(FaultKind::SoundHole { track }, (*from, *until));
        }
        let poor = |span: &&SoundSpan| {
            // Of a few samples nothing can be told.
            let is_long = span.until.minus(span.from) >= SHORT;
            is_long && span.state == SoundState::Near && span.si_sdr.is_none_or(|sdr| sdr < asked.si_sdr)
        };
        let poor: Vec<&SoundSpan> = self.told.spans.iter().filter(poor).collect();
        if let (Some(first), Some(last)) = (poor.first(), poor.last()) {
            let least = poor.iter().filter_map(|span| span.si_sdr).fold(f64::INFINITY, f64::min);
            let kind = FaultKind::SoundPoor {
                track,
                si_sdr: Some(least).filter(|l| l.is_finite()),
                required: asked.si_sdr,
            };
            add(kind, (first.from, last.until));
        }
        let base = i32::try_from(self.rate).ok().and_then(|rate| Rational::new(1, rate));
        let time = |samples: i64| base.map_or(Timestamp::ZERO, |base| Timestamp::from_ticks(samples, base));
        let mut told = self.told;
        let length = |extent: Option<(i64, i64)>| extent.map_or(0, |(from, to)| to.saturating_sub(from));
        let [expected, found] = self.lengths.map(length);
        (told.expected, told.found) =
            (u64::try_from(expected).unwrap_or(0), u64::try_from(found).unwrap_or(0));
        let off = time(found.saturating_sub(expected));
        // Packets of other containers begin and end where they do.
        let allowed = if is_exact { asked.lag } else { PACKETS };
        if off.nanos().saturating_abs() > allowed.nanos() {
            let end = time(self.lengths.get(1).copied().flatten().map_or(0, |(_, end)| end));
            add(FaultKind::SoundLength { track, by: off }, (end, end));
        }
        told
    }
}

/// Stretches that are judged by how near they are.
const SHORT: Timestamp = Timestamp::from_nanos(200_000_000);
/// What sound may be longer or shorter where only whole packets are heard: a few of them.
const PACKETS: Timestamp = Timestamp::from_nanos(90_000_000);
