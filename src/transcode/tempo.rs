//! Sound at another speed, at its own pitch: stretches of the source follow each other, joined where they are alike
//! (WSOLA), and every onset comes exactly when it is due.

use super::{onsets::Onsets, processor::Processor};
use crate::{Error, ErrorKind, Frame, Result, av::frame::Shape, time::Rational};

/// Two stretches are cross-faded for this long, and compared for as long. In milliseconds, as all that follows.
const FADE: f64 = 8.0;
/// What is heard of the source in front of an onset, at least.
const AHEAD: f64 = 1.5;
/// How far behind an onset a stretch may begin: what an onset begins with is heard once.
const BEHIND: f64 = 3.0;
/// How far to either side of its place a stretch is looked for: half a period of 50 Hz.
const REACH: f64 = 10.0;
/// How far a stretch leads the source away from its place in the result before the next one leads it back, where it is
/// not shorter or longer than these.
const JUMP: f64 = 13.0;
const SHORTEST: f64 = 20.0;
const LONGEST: f64 = 60.0;
/// Onsets are at least this far from each other, in the source and in the result.
const APART: f64 = 25.0;
const APART_OUT: f64 = 14.0;
/// Faster than this, onsets are no longer looked for: the source in between would have to be kept.
const FASTEST: f64 = 8.0;
/// A longer hole in the source's timestamps is left as it is, in seconds.
const HOLE: f64 = 1.0;

/// Plays sound faster or slower.
pub(super) struct Tempo {
    speed: f64,
    run: Option<Run>,
    /// When the sound so far ends in the result, in seconds.
    ends: Option<f64>,
}

impl Tempo {
    pub(super) fn new(speed: f64) -> Self {
        Self { speed, run: None, ends: None }
    }

    /// Ends what is one rate and one layout.
    fn end_run(&mut self, next: &mut dyn FnMut(Frame) -> Result<()>) -> Result<()> {
        let Some(mut run) = self.run.take() else { return Ok(()) };
        run.end();
        self.ends = Some(run.result_time(run.count as f64 / run.speed));
        run.hand_on(next)
    }
}

impl Processor<Frame> for Tempo {
    fn format(&self) -> Option<&str> {
        Some("fltp")
    }

    fn process(&mut self, frame: Frame, next: &mut dyn FnMut(Frame) -> Result<()>) -> Result<()> {
        if frame.samples() == 0 {
            return Ok(());
        }
        if frame.format() != "fltp" || frame.sample_rate() == 0 {
            return Err(Error::new(ErrorKind::Bug, "a change of speed takes sound as fltp"));
        }
        let stated = frame.pts().map(|pts| pts as f64 * frame.base().value());
        let shape = frame.shape();
        let hole = |run: &Run| stated.map_or(0.0, |stated| stated - run.source_time());
        if self.run.as_ref().is_none_or(|run| run.shape != shape || hole(run) > HOLE) {
            self.end_run(next)?;
            self.run = Some(Run::new(&frame, shape, self.speed, stated, self.ends)?);
        }
        let Some(run) = &mut self.run else { return Ok(()) };
        // Timestamps round; what is more than that is missing.
        let missing = (hole(run) * f64::from(run.rate)).round() as i64;
        if missing as f64 > 2.0 + frame.base().value() * f64::from(run.rate) {
            let silence = run.like.silence_like(usize::try_from(missing).unwrap_or(0))?;
            run.take(&silence, next)?;
        }
        run.take(&frame, next)
    }

    fn finish(&mut self, next: &mut dyn FnMut(Frame) -> Result<()>) -> Result<()> {
        self.end_run(next)
    }
}

/// A stretch of the source, copied as it is.
struct Stretch {
    from: i64,
    length: i64,
    /// How long it is cross-faded with what would have followed the stretch before it, and how alike both are, 0 to 1.
    fade: i64,
    alike: f32,
}

/// What the coming stretch has to stop before: the next onset, or the end.
#[derive(Clone, Copy)]
struct Wall {
    /// In the source.
    at: i64,
    /// In the result.
    due: i64,
    end: bool,
}

/// Sound of one rate and one layout. Positions are samples from its begin: `i64` in the source and in the result.
struct Run {
    shape: Shape,
    rate: u32,
    speed: f64,
    /// What the result's frames are like.
    like: Frame,
    base: Rational,
    /// When the source begins, in seconds.
    begins: f64,
    /// The first sample's time in the result in samples, and what rounding has taken from it.
    start: i64,
    rest: f64,
    // All lengths in samples.
    fade: i64,
    ahead: i64,
    behind: i64,
    reach: i64,
    /// How long a stretch is by itself.
    stretch: i64,
    /// The source's window: where it begins, its channels, and their mean.
    first: i64,
    planes: Vec<Vec<f32>>,
    guide: Vec<f32>,
    /// Samples of the source that have come, and whether these are all.
    count: i64,
    complete: bool,
    onsets: Onsets,
    /// Where the stretch that plays would run on in the source, and what it would play there.
    at: i64,
    tail: Vec<Vec<f32>>,
    tail_guide: Vec<f32>,
    /// Stretches begin here or later: behind the last onset.
    least: i64,
    /// Samples of the result that were made, those that were handed on, and the others themselves.
    made: i64,
    handed_on: i64,
    out: Vec<Vec<f32>>,
}

impl Run {
    fn new(frame: &Frame, shape: Shape, speed: f64, stated: Option<f64>, ends: Option<f64>) -> Result<Self> {
        let rate = frame.sample_rate();
        let hz = f64::from(rate);
        let samples = |ms: f64| ((hz * ms / 1e3).round() as i64).max(1);
        let stretch = (JUMP / (1.0 - speed).abs().max(1e-3)).clamp(SHORTEST, LONGEST);
        // What is stated and where the last sound ends are one time, but for rounding.
        let stated_start = stated.map(|stated| stated / speed * hz);
        let start = match (stated_start, ends.map(|ends| ends * hz)) {
            (Some(stated), Some(ends)) if stated - ends > 2.0 + 2.0 / speed => stated.round(),
            (_, Some(ends)) => ends,
            (stated, None) => stated.unwrap_or(0.0).round(),
        };
        let apart = samples(APART.max(APART_OUT * speed));
        let channels = frame.planes();
        Ok(Self {
            shape,
            rate,
            speed,
            like: frame.share()?,
            base: Rational::new(1, i32::try_from(rate).unwrap_or(1)).unwrap_or(frame.base()),
            begins: stated.unwrap_or(start / hz * speed),
            start: start.round() as i64,
            rest: start - start.round(),
            fade: samples(FADE),
            ahead: samples(AHEAD),
            behind: samples(BEHIND),
            reach: samples(REACH),
            stretch: samples(stretch),
            first: 0,
            planes: vec![Vec::new(); channels],
            guide: Vec::new(),
            count: 0,
            complete: false,
            onsets: Onsets::new(rate, apart),
            at: 0,
            tail: vec![Vec::new(); channels],
            tail_guide: Vec::new(),
            least: 0,
            made: 0,
            handed_on: 0,
            out: vec![Vec::new(); channels],
        })
    }

    /// When the next sample of the source is due, in seconds.
    fn source_time(&self) -> f64 {
        self.begins + self.count as f64 / f64::from(self.rate)
    }

    /// When so many samples of the result end, in seconds.
    fn result_time(&self, samples: f64) -> f64 {
        (self.start as f64 + self.rest + samples) / f64::from(self.rate)
    }

    /// Where in the source a sample of the result comes from, ideally.
    fn ideal(&self, made: i64) -> i64 {
        (made as f64 * self.speed).round() as i64
    }

    fn due(&self, source: i64) -> i64 {
        (source as f64 / self.speed + self.rest).round() as i64
    }

    /// Takes samples in, and hands on what can be made of them.
    fn take(&mut self, frame: &Frame, next: &mut dyn FnMut(Frame) -> Result<()>) -> Result<()> {
        const AT_ONCE: usize = 4096;
        const SAMPLE: usize = size_of::<f32>();
        let planes: Vec<&[u8]> = (0..self.planes.len()).filter_map(|i| frame.plane(i)).collect();
        let mut pieces: Vec<_> = planes.iter().map(|plane| plane.chunks(AT_ONCE * SAMPLE)).collect();
        let mut samples: Vec<Vec<f32>> = vec![Vec::new(); pieces.len()];
        loop {
            for (piece, samples) in pieces.iter_mut().zip(&mut samples) {
                samples.clear();
                let (values, _) = piece.next().unwrap_or_default().as_chunks::<SAMPLE>();
                let finite = |value: f32| if value.is_finite() { value } else { 0.0 };
                samples.extend(values.iter().map(|value| finite(f32::from_ne_bytes(*value))));
            }
            if samples.first().is_none_or(Vec::is_empty) {
                return Ok(());
            }
            self.add(&samples);
            self.advance();
            self.hand_on(next)?;
        }
    }

    fn add(&mut self, samples: &[Vec<f32>]) {
        let len = samples.first().map_or(0, Vec::len);
        let (mut mean, mut energy) = (vec![0.0_f32; len], vec![0.0_f32; len]);
        let share = 1.0 / samples.len().max(1) as f32;
        for (i, plane) in samples.iter().enumerate() {
            // Some channels count a little less: what is opposite in two of them must not vanish.
            let weight = share * (1.0 - 0.3 * share * i as f32);
            for ((mean, energy), value) in mean.iter_mut().zip(&mut energy).zip(plane) {
                // Far over full scale: its square would be too large to count with.
                let value = value.clamp(-100.0, 100.0);
                *mean += value * weight;
                *energy += value * value * share;
            }
        }
        if self.speed <= FASTEST {
            energy.iter().for_each(|energy| self.onsets.push(*energy));
        }
        // What lies before the window is skipped.
        let skip = usize::try_from(self.first.saturating_sub(self.count)).unwrap_or(0);
        for (plane, samples) in self.planes.iter_mut().zip(samples) {
            plane.extend(samples.iter().skip(skip));
        }
        self.guide.extend(mean.iter().skip(skip));
        self.count = self.count.saturating_add(signed(len));
    }

    /// Makes all of the result that the source allows.
    fn advance(&mut self) {
        while let Some(stretch) = self.plan() {
            self.play(&stretch);
        }
        let back = self.stretch.saturating_add(self.reach.saturating_mul(2)).saturating_add(self.fade);
        let keep = self.ideal(self.made).saturating_sub(back).max(self.first);
        let gone = unsigned(keep.saturating_sub(self.first));
        // Moved seldom, as all behind it moves with it.
        if gone > 4096 || gone > self.guide.len() {
            for samples in self.planes.iter_mut().chain([&mut self.guide]) {
                samples.drain(..gone.min(samples.len()));
            }
            self.first = keep;
        }
    }

    fn end(&mut self) {
        self.complete = true;
        self.onsets.finish();
        self.advance();
    }

    /// The next stretch; None if more of the source has to come first, or nothing is due any more.
    fn plan(&mut self) -> Option<Stretch> {
        let ideal = self.ideal(self.made);
        // Jumps go around their place in the source, as long as that does not take too much of it.
        let middle = |length: i64| ((self.speed.min(FASTEST) - 1.0) * length as f64 / 2.0) as i64;
        if !self.complete {
            let most = self.stretch.saturating_add(self.stretch / 2);
            let most = most.saturating_add(self.fade.saturating_mul(2)).saturating_add(self.ahead);
            let most = (most as f64 * self.speed.clamp(1.0, FASTEST)) as i64;
            let needed = ideal.saturating_add(most).saturating_add(self.reach);
            let locked = self.speed > FASTEST || self.onsets.known() >= needed;
            if self.count < needed || !locked {
                return None;
            }
        }
        while let Some(at) = self.onsets.first().filter(|at| self.due(*at) <= self.made) {
            self.least = at.saturating_add(self.behind);
            self.onsets.take();
        }
        let end = self.due(self.count);
        if self.complete && self.made >= end {
            return None;
        }
        let wall = self.wall();
        if let Some(onset) = wall.filter(|wall| !wall.end && self.made >= self.begins_before(*wall)) {
            return Some(self.lock(onset));
        }
        let mut length = self.stretch;
        let mut latest = i64::MAX;
        if let Some(wall) = wall {
            let room = self.begins_before(wall).saturating_sub(self.made);
            if room < length.saturating_add(length / 2) {
                length = room;
            }
            // What still plays while the next one fades in must not reach it either.
            latest = self.stops_before(wall);
            length = length.min(latest.saturating_sub(self.least).max(self.ahead)).min(room).max(1);
            latest = latest.saturating_sub(length);
        }
        let aim = ideal.saturating_add(middle(length));
        // What comes first, comes first.
        let latest = if self.made == 0 { 0 } else { latest };
        let to = aim.saturating_add(self.reach).min(latest).max(0);
        let from = aim.min(to).saturating_sub(self.reach).max(self.least).min(to).max(0);
        if (from..=to).contains(&self.at) {
            return Some(Stretch { from: self.at, length, fade: 0, alike: 1.0 });
        }
        let (from, alike) = self.search(from, to, aim);
        Some(Stretch { from, length, fade: self.fade_before(wall).min(length), alike })
    }

    fn wall(&self) -> Option<Wall> {
        let onset = self.onsets.first().map(|at| Wall { at, due: self.due(at), end: false });
        let end = self.complete.then(|| Wall { at: self.count, due: self.due(self.count), end: true });
        onset.or(end)
    }

    /// When in the result the stretch that leads over an onset begins.
    fn begins_before(&self, wall: Wall) -> i64 {
        if wall.end {
            return wall.due;
        }
        wall.due.saturating_sub(self.ahead).saturating_sub(self.fade)
    }

    /// Where in the source the last stretch in front of a wall has to end.
    fn stops_before(&self, wall: Wall) -> i64 {
        if wall.end {
            return wall.at;
        }
        let stop = wall.at.saturating_sub(self.ahead / 2);
        let room = stop.saturating_sub(self.least).max(0);
        stop.saturating_sub(self.fade.min(room / 2))
    }

    /// How long what has played so far may fade out: it must not reach the next onset.
    fn fade_before(&self, wall: Option<Wall>) -> i64 {
        let stop =
            wall.filter(|wall| !wall.end).map_or(i64::MAX, |wall| wall.at.saturating_sub(self.ahead / 2));
        stop.saturating_sub(self.at).clamp(0, self.fade)
    }

    /// The stretch that leads over an onset: from now on, source and result are in step.
    fn lock(&mut self, onset: Wall) -> Stretch {
        self.onsets.take();
        self.least = onset.at.saturating_add(self.behind);
        let left = onset.due.saturating_sub(self.made);
        let from = onset.at.saturating_sub(left);
        let mut length = left.saturating_add(self.stretch);
        if let Some(wall) = self.wall() {
            let room = self.begins_before(wall).saturating_sub(self.made);
            let source = self.stops_before(wall).saturating_sub(from);
            length = length.min(room).min(source.max(left.saturating_add(self.behind))).max(1);
        }
        let fade = self.fade_before(Some(onset)).min(left.saturating_sub(self.ahead)).max(0);
        let fade = if from == self.at { 0 } else { fade };
        let there = self.window(&self.guide, from).take(unsigned(fade));
        let alike = likeness(self.tail_guide.iter().copied(), there).1;
        Stretch { from, length, fade, alike }
    }

    /// The place in `[from, to]` that is most like what would have followed, and how alike: the nearest one to `aim`, of
    /// those that hardly differ.
    fn search(&self, from: i64, to: i64, aim: i64) -> (i64, f32) {
        let step = i64::from((self.rate / 8000).max(1));
        let coarse = |samples: &[f32]| -> Vec<f32> {
            let mean = |chunk: &[f32]| chunk.iter().sum::<f32>() / chunk.len().max(1) as f32;
            samples.chunks(unsigned(step)).map(mean).collect()
        };
        let (template, skip) = (coarse(&self.tail_guide), unsigned(from.saturating_sub(self.first)));
        let len = unsigned(to.saturating_sub(from)).saturating_add(self.tail_guide.len());
        let there: Vec<f32> = self.guide.iter().copied().skip(skip).take(len).collect();
        let there = coarse(&there);
        let worth = |at: i64, score: f32| {
            let off = at.saturating_sub(aim) as f32 / self.reach as f32;
            score - 0.02 * off * off
        };
        let mut best = (aim.clamp(from, to), f32::MIN);
        for (candidate, at) in there.windows(template.len().max(1)).zip(0_i64..) {
            let at = from.saturating_add(at.saturating_mul(step)).min(to);
            let score = likeness(template.iter().copied(), candidate.iter().copied()).0;
            if worth(at, score) > best.1 {
                best = (at, worth(at, score));
            }
        }
        let (low, high) = (best.0.saturating_sub(step).max(from), best.0.saturating_add(step).min(to));
        let mut best = (best.0, f32::MIN, 0.0);
        for at in low..=high {
            let (score, alike) = likeness(self.tail_guide.iter().copied(), self.window(&self.guide, at));
            if worth(at, score) > best.1 {
                best = (at, worth(at, score), alike);
            }
        }
        (best.0, best.2)
    }

    /// The source from a sample on; silence where there is none.
    fn window<'a>(&self, samples: &'a [f32], from: i64) -> impl Iterator<Item = f32> + use<'a> {
        let from = from.saturating_sub(self.first);
        let silence = std::iter::repeat_n(0.0, unsigned(from.saturating_neg()));
        let there = samples.get(unsigned(from)..).unwrap_or_default();
        silence.chain(there.iter().copied()).chain(std::iter::repeat(0.0))
    }

    fn play(&mut self, stretch: &Stretch) {
        let (length, fade) = (unsigned(stretch.length), unsigned(stretch.fade));
        let weights: Vec<(f32, f32)> = (0..fade)
            .map(|i| {
                let new = 0.5 - 0.5 * ((i as f32 + 0.5) / fade as f32 * std::f32::consts::PI).cos();
                let old = 1.0 - new;
                // What is not alike adds up to less: by its energy.
                let sum = (new * new + old * old + 2.0 * new * old * stretch.alike).sqrt();
                (old / sum, new / sum)
            })
            .collect();
        let end = stretch.from.saturating_add(stretch.length);
        let keep = unsigned(self.fade);
        let mut out = std::mem::take(&mut self.out);
        let mut tails = std::mem::take(&mut self.tail);
        for ((out, tail), plane) in out.iter_mut().zip(&mut tails).zip(&self.planes) {
            let olds = || tail.iter().copied().chain(std::iter::repeat(0.0));
            let mut news = self.window(plane, stretch.from).take(length);
            // Not higher than what is mixed: it may be as high as goes.
            let both = olds().take(fade).chain(self.window(plane, stretch.from).take(fade));
            let peak = both.fold(0.0, |peak: f32, value| peak.max(value.abs()));
            let mixed = weights.iter().zip(olds()).zip(news.by_ref());
            let mixed = mixed.map(|(((old, new), before), after)| old * before + new * after);
            out.extend(mixed.map(|value| value.clamp(-peak, peak)));
            out.extend(news);
            tail.clear();
            tail.extend(self.window(plane, end).take(keep));
        }
        (self.out, self.tail) = (out, tails);
        self.tail_guide = self.window(&self.guide, end).take(keep).collect();
        self.at = end;
        self.made = self.made.saturating_add(stretch.length);
    }

    /// Hands on what was made.
    fn hand_on(&mut self, next: &mut dyn FnMut(Frame) -> Result<()>) -> Result<()> {
        // At high speeds more is made than is due should the source end here.
        let due = if self.complete { self.due(self.count) } else { self.due(self.count).saturating_sub(1) };
        let count = self.out.first().map_or(0, Vec::len).min(unsigned(due.saturating_sub(self.handed_on)));
        if count == 0 {
            return Ok(());
        }
        let mut frame = self.like.silence_like(count)?;
        for (i, samples) in self.out.iter_mut().enumerate() {
            let (places, _) = frame.plane_mut(i)?.as_chunks_mut();
            for (place, sample) in places.iter_mut().zip(samples.drain(..count.min(samples.len()))) {
                *place = sample.to_ne_bytes();
            }
        }
        frame.set_base(self.base);
        frame.set_pts(self.start.saturating_add(self.handed_on));
        self.handed_on = self.handed_on.saturating_add(signed(count));
        next(frame)
    }
}

/// How well two sounds fit together, -1 to 1, in their form and their height; and how alike their forms are, 0 to 1.
fn likeness(a: impl Iterator<Item = f32>, b: impl Iterator<Item = f32>) -> (f32, f32) {
    /// Less than any sound: silence is like silence.
    const NOTHING: f32 = 1e-9;
    let (mut aa, mut bb, mut ab) = (NOTHING, NOTHING, NOTHING);
    for (a, b) in a.zip(b) {
        aa += a * a;
        bb += b * b;
        ab += a * b;
    }
    (2.0 * ab / (aa + bb), (ab / (aa * bb).sqrt()).clamp(0.0, 1.0))
}

fn signed(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn unsigned(count: i64) -> usize {
    usize::try_from(count).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::TAU;

    const SPEEDS: [f64; 11] = [0.1, 0.25, 0.5, 0.75, 0.98, 1.03, 1.25, 1.5, 2.0, 4.0, 8.0];

    /// Frames of these sizes in turn.
    fn frames(rate: u32, layout: &str, planes: &[Vec<f32>], sizes: &[usize], begins: i64) -> Vec<Frame> {
        let (mut frames, mut at) = (Vec::new(), 0);
        for size in sizes.iter().cycle() {
            let len = planes[0].len();
            if at >= len {
                break;
            }
            let size = (*size).min(len - at);
            let mut frame = Frame::audio("fltp", layout, rate, size).unwrap();
            for (i, plane) in planes.iter().enumerate() {
                let bytes: Vec<u8> = plane[at..at + size].iter().flat_map(|v| v.to_ne_bytes()).collect();
                frame.plane_mut(i).unwrap().copy_from_slice(&bytes);
            }
            frame.set_base(Rational::new(1, rate as i32).unwrap());
            frame.set_pts(begins + at as i64);
            frames.push(frame);
            at += size;
        }
        frames
    }

    fn played(speed: f64, frames: Vec<Frame>) -> Vec<Frame> {
        let (mut tempo, mut out) = (Tempo::new(speed), Vec::new());
        let mut next = |frame| {
            out.push(frame);
            Ok(())
        };
        for frame in frames {
            tempo.process(frame, &mut next).unwrap();
            let window = tempo.run.as_ref().unwrap().guide.len();
            assert!(window < tempo.run.as_ref().unwrap().rate as usize + 4096, "{window} samples in memory");
        }
        tempo.finish(&mut next).unwrap();
        out
    }

    /// A plane of what comes out; its frames follow each other.
    fn plane(frames: &[Frame], plane: usize) -> Vec<f32> {
        for pair in frames.windows(2) {
            assert_eq!(pair[0].pts().unwrap() + pair[0].samples() as i64, pair[1].pts().unwrap());
        }
        let bytes = frames.iter().flat_map(|frame| frame.plane(plane).unwrap().as_chunks().0.to_vec());
        bytes.map(f32::from_ne_bytes).collect()
    }

    fn mono(speed: f64, rate: u32, samples: &[f32]) -> Vec<f32> {
        plane(&played(speed, frames(rate, "mono", &[samples.to_vec()], &[1024], 0)), 0)
    }

    fn tones(rate: u32, seconds: f64, tones: &[f64]) -> Vec<f32> {
        let at = |i: usize| i as f64 / f64::from(rate);
        let value =
            |i| tones.iter().map(|hz| (TAU * hz * at(i)).sin()).sum::<f64>() * 0.6 / tones.len() as f64;
        (0..(f64::from(rate) * seconds) as usize).map(|i| value(i) as f32).collect()
    }

    /// Noise of full scale, always the same.
    fn noise(len: usize) -> Vec<f32> {
        let mut state = 1_u32;
        let mut value = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 8_388_608.0 - 1.0
        };
        (0..len).map(|_| value()).collect()
    }

    fn rms(samples: &[f32]) -> f64 {
        (samples.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / samples.len().max(1) as f64).sqrt()
    }

    /// What is not these tones, against all, in dB, on the mean of windows of a tenth of a second: from one to the next,
    /// phases may drift.
    fn distortion(samples: &[f32], rate: u32, tones: &[f64]) -> f64 {
        let (mut all, mut left) = (0.0, 0.0);
        for window in samples.chunks_exact(rate as usize / 10) {
            let mut rest: Vec<f64> = window.iter().map(|v| f64::from(*v)).collect();
            all += rest.iter().map(|v| v * v).sum::<f64>();
            // Tones are nearly orthogonal over a window; a few rounds fit them together.
            for hz in tones.iter().cycle().take(if tones.len() > 1 { 8 * tones.len() } else { 2 }) {
                let waves: Vec<(f64, f64)> =
                    (0..rest.len()).map(|i| (TAU * hz * i as f64 / f64::from(rate)).sin_cos()).collect();
                let (mut s, mut c) = (0.0, 0.0);
                for (v, (sin, cos)) in rest.iter().zip(&waves) {
                    s += v * sin;
                    c += v * cos;
                }
                let n = rest.len() as f64 / 2.0;
                for (v, (sin, cos)) in rest.iter_mut().zip(&waves) {
                    *v -= (s * sin + c * cos) / n;
                }
            }
            left += rest.iter().map(|v| v * v).sum::<f64>();
        }
        10.0 * (left / all).log10()
    }

    /// Where a sound rises over a level after so much that is below it.
    fn rises(samples: &[f32], level: f32, quiet: usize) -> Vec<usize> {
        let (mut found, mut below) = (Vec::new(), usize::MAX);
        for (i, sample) in samples.iter().enumerate() {
            if sample.abs() > level {
                if below >= quiet {
                    found.push(i);
                }
                below = 0;
            } else {
                below = below.saturating_add(1);
            }
        }
        found
    }

    /// Every onset comes once, and when it is due, within so many milliseconds.
    fn on_time(name: &str, speed: f64, rate: u32, samples: &[f32], count: usize, level: f32, within: f64) {
        let quiet = (f64::from(rate) * 0.020) as usize;
        let (found, due) = (rises(&mono(speed, rate, samples), level, quiet), rises(samples, level, quiet));
        assert_eq!(due.len(), count, "{name}");
        let off = |(found, due): (&usize, &usize)| {
            (*found as f64 - *due as f64 / speed).abs() / f64::from(rate) * 1e3
        };
        let off: Vec<f64> = found.iter().zip(&due).map(off).collect();
        let worst = off.iter().copied().fold(0.0, f64::max);
        println!("{name} at {speed}, {rate} Hz: {} of {}, {worst:.3} ms", found.len(), due.len());
        assert_eq!(found.len(), due.len(), "{name} at {speed}: {off:.2?}");
        assert!(worst <= within, "{name} at {speed}: {off:.2?} ms");
    }

    #[test]
    fn the_length_is_exact() {
        for (rate, layout, channels) in [(48_000, "stereo", 2), (44_100, "mono", 1), (8000, "7.1", 8)] {
            for len in [1, 2, 7, 100, 999, 4801, 50_021] {
                for speed in SPEEDS.into_iter().chain([1.0, 1.003, 0.9, 31.0, 100.0]) {
                    let source: Vec<Vec<f32>> = (0..channels).map(|_| noise(len)).collect();
                    for sizes in [&[1024][..], &[1, 777, 13, 20_000]] {
                        let out = played(speed, frames(rate, layout, &source, sizes, 0));
                        let count: usize = out.iter().map(Frame::samples).sum();
                        let due = (len as f64 / speed).round() as usize;
                        assert_eq!(count, due, "{len} samples at {speed}, {rate} Hz");
                        if count > 0 {
                            assert_eq!((out[0].pts(), out[0].layout().as_str()), (Some(0), layout));
                            assert_eq!(plane(&out, channels - 1).len(), due);
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn frames_of_any_size_make_the_same_sound() {
        let source = [noise(30_000), tones(48_000, 0.625, &[330.0])];
        for speed in [0.5, 1.5, 3.0] {
            let sound = |sizes| {
                let out = played(speed, frames(48_000, "stereo", &source, sizes, 0));
                (plane(&out, 0), plane(&out, 1))
            };
            assert!(sound(&[1024]) == sound(&[1, 5000, 17, 333]), "{speed}");
        }
    }

    #[test]
    fn clicks_come_when_they_are_due() {
        for rate in [8000, 44_100, 48_000, 192_000] {
            for (every, begin) in [(0.4, 0.0), (0.137, 0.011), (1.0, 0.3), (0.03, 0.005)] {
                let mut samples = vec![0.0_f32; rate as usize * 4];
                let due: Vec<usize> = (0..)
                    .map(|i| ((begin + every * f64::from(i)) * f64::from(rate)) as usize)
                    .take_while(|at| at + 100 < samples.len())
                    .collect();
                for at in &due {
                    for i in 0..3 {
                        samples[at + i] = 0.8 - 0.2 * i as f32;
                    }
                }
                for speed in SPEEDS {
                    if every / speed > 0.021 {
                        on_time("clicks", speed, rate, &samples, due.len(), 0.3, 0.1);
                    }
                }
            }
        }
    }

    #[test]
    fn bursts_over_a_tone_come_when_they_are_due() {
        for rate in [16_000, 48_000] {
            let mut samples = tones(rate, 4.0, &[220.0]);
            samples.iter_mut().for_each(|v| *v *= 0.1);
            let burst = noise(rate as usize / 5);
            let due: Vec<usize> =
                (0..9).map(|i| (f64::from(rate) * (0.0513 + 0.43 * f64::from(i))) as usize).collect();
            for at in &due {
                for (v, burst) in samples[*at..].iter_mut().zip(&burst) {
                    *v += burst * 0.8;
                }
            }
            for speed in SPEEDS {
                // The noise may begin softly.
                on_time("bursts", speed, rate, &samples, due.len(), 0.2, (0.3 / speed).max(0.3));
            }
        }
    }

    #[test]
    fn beeps_that_begin_at_once_come_when_they_are_due() {
        let rate = 48_000;
        let mut samples = vec![0.0_f32; rate as usize * 4];
        let due: Vec<usize> = (0..10).map(|i| i * 19_200).collect();
        for at in &due {
            for i in 0..1920 {
                samples[at + i] = (0.8 * (TAU * 1000.0 * i as f64 / 48_000.0).sin()) as f32;
            }
        }
        for speed in SPEEDS {
            on_time("beeps", speed, rate, &samples, due.len(), 0.15, 0.1);
        }
    }

    #[test]
    fn tones_stay_what_they_are() {
        const CHORD: &[f64] = &[220.0, 277.18, 329.63];
        for rate in [44_100, 48_000] {
            for hz in [&[440.0][..], &[110.0], &[50.0], &[3000.0], &[100.0, 1234.5], CHORD] {
                for speed in [0.5, 0.75, 1.25, 1.5, 2.0, 4.0] {
                    let out = mono(speed, rate, &tones(rate, 8.0, hz));
                    let edge = rate as usize / 5;
                    let off = distortion(&out[edge..out.len() - edge], rate, hz);
                    println!("{hz:?} at {speed}, {rate} Hz: {off:.1} dB");
                    // Tones that have no common period within reach fit only by chance.
                    let most = match hz.len() {
                        1 => -30.0,
                        2 => -14.0,
                        _ if speed <= 1.5 => -16.0,
                        _ => -5.0,
                    };
                    assert!(off < most, "{hz:?} at {speed}: {off} dB");
                    if hz.len() == 1 {
                        let crossings = out.windows(2).filter(|pair| pair[0] < 0.0 && pair[1] >= 0.0).count();
                        let due = hz[0] * out.len() as f64 / f64::from(rate);
                        let off = (crossings as f64 - due).abs();
                        assert!(off < 2.0 + due * 0.002, "{hz:?} at {speed}: {crossings} periods of {due}");
                    }
                }
            }
        }
    }

    #[test]
    fn channels_of_opposite_phase_are_joined_where_they_fit() {
        let left = tones(48_000, 4.0, &[440.0]);
        let right: Vec<f32> = left.iter().map(|v| -v).collect();
        for speed in [0.5, 2.0] {
            let out = played(speed, frames(48_000, "stereo", &[left.clone(), right.clone()], &[1024], 0));
            let (left, right) = (plane(&out, 0), plane(&out, 1));
            assert!(left.iter().zip(&right).all(|(l, r)| *l == -*r));
            assert!(distortion(&left[9600..left.len() - 9600], 48_000, &[440.0]) < -30.0, "{speed}");
        }
    }

    #[test]
    fn silence_stays_silent_and_a_steady_sound_as_loud() {
        for speed in SPEEDS {
            assert!(mono(speed, 48_000, &[0.0; 50_000]).iter().all(|v| *v == 0.0));
            let source = noise(200_000);
            let out = mono(speed, 48_000, &source);
            let loud: Vec<f64> = out.chunks_exact(480).map(|chunk| rms(chunk) / rms(&source)).collect();
            let (least, most) = loud.iter().fold((f64::MAX, 0.0_f64), |(a, b), v| (a.min(*v), b.max(*v)));
            println!("noise at {speed}: {least:.2} to {most:.2}");
            let peak = |samples: &[f32]| samples.iter().fold(0.0_f32, |peak, v| peak.max(v.abs()));
            assert!(peak(&out) <= peak(&source), "{speed}: {}", peak(&out));
            assert!(least > 0.75 && most < 1.25, "{speed}: {least} to {most}");
        }
    }

    #[test]
    fn its_own_speed_changes_nothing() {
        let source = noise(30_000);
        assert!(mono(1.0, 48_000, &source) == source);
    }

    #[test]
    fn no_sample_breaks_it() {
        let values =
            [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN, f32::MIN_POSITIVE, -0.0, 1.0];
        let mut source = noise(40_000);
        for (i, v) in source.iter_mut().enumerate().skip(9000) {
            *v = values[(i * i / 7) % values.len()];
        }
        for speed in SPEEDS {
            let out = mono(speed, 48_000, &source);
            assert_eq!(out.len(), (40_000.0 / speed).round() as usize);
            assert!(out.iter().all(|v| v.is_finite()), "{speed}");
        }
        let (mut tempo, mut count) = (Tempo::new(2.0), 0);
        tempo
            .finish(&mut |_| {
                count += 1;
                Ok(())
            })
            .unwrap();
        assert_eq!(count, 0);
    }

    #[test]
    fn another_rate_makes_and_loses_no_time() {
        for speed in [0.3, 0.75, 1.7, 3.0] {
            let mut source = Vec::new();
            let mut seconds = 0.0;
            for (i, rate) in [44_100, 48_000, 8000, 44_100, 22_050].into_iter().enumerate() {
                let begins = (seconds * f64::from(rate)).round() as i64;
                let len = 10_007 + i * 501;
                source.extend(frames(rate, "mono", &[noise(len)], &[1024], begins));
                seconds += len as f64 / f64::from(rate);
            }
            let out = played(speed, source);
            let mut at = 0.0;
            for frame in &out {
                let time = frame.pts().unwrap() as f64 * frame.base().value();
                // Each rate's share is a whole number of its samples.
                assert!((time - at).abs() <= 1.0 / 8000.0, "{speed}: {time} is not {at}");
                at += frame.samples() as f64 / f64::from(frame.sample_rate());
            }
            assert!((at - seconds / speed).abs() < 2.0 / 8000.0, "{speed}: {at} s of {seconds}");
        }
    }

    #[test]
    fn times_are_the_pictures() {
        for (speed, begins) in [(2.0, 4800_i64), (0.5, 4800), (1.5, -960), (3.0, 1)] {
            let out = played(speed, frames(48_000, "mono", &[noise(20_000)], &[960], begins));
            assert_eq!(out[0].pts(), Some((begins as f64 / speed).round() as i64));
            assert_eq!(plane(&out, 0).len(), (20_000.0 / speed).round() as usize);
        }
        // A small hole is filled, a large one stays.
        for (hole, speed) in [(500, 2.0), (500, 0.5), (480_000, 2.0)] {
            let mut source = frames(48_000, "mono", &[noise(20_000)], &[960], 0);
            source.extend(frames(48_000, "mono", &[noise(20_000)], &[960], 20_000 + hole));
            let out = played(speed, source);
            let last = out.last().unwrap();
            let ends = last.pts().unwrap() + last.samples() as i64;
            assert_eq!(ends, (f64::from(40_000 + hole as i32) / speed).round() as i64);
        }
    }

    #[test]
    #[ignore = "prints what it costs"]
    fn cost() {
        let seconds = 60;
        let mut left = noise(48_000 * seconds);
        for (v, tone) in left.iter_mut().zip(tones(48_000, seconds as f64, &[220.0, 277.18, 329.63])) {
            *v = *v * 0.1 + tone;
        }
        for speed in SPEEDS {
            let source = frames(48_000, "stereo", &[left.clone(), left.clone()], &[1024], 0);
            let begun = std::time::Instant::now();
            played(speed, source);
            let spent = begun.elapsed().as_secs_f64();
            println!(
                "{speed}: {:.2} % of the source's time, {:.2} % of the result's",
                spent * 100.0 / seconds as f64,
                spent * 100.0 / seconds as f64 * speed
            );
        }
    }
}
