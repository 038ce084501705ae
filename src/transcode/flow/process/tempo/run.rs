//! Stretches of a source that follow each other.

use crate::{Frame, Result, av::frame::Shape, time::Rational, transcode::flow::process::onsets::Onsets};

/// Two stretches are cross-faded for this long, and compared for as long. In milliseconds, as all that
/// follows.
const FADE: f64 = 8.0;
/// What is heard of the source in front of an onset, at least.
const AHEAD: f64 = 1.5;
/// How far behind an onset a stretch may begin: what an onset begins with is heard once.
const BEHIND: f64 = 3.0;
/// How far to either side of its place a stretch is looked for: half a period of 50 Hz.
const REACH: f64 = 10.0;
/// How far a stretch leads the source away from its place in the result before the next one leads it back,
/// where it is not shorter or longer than these.
const JUMP: f64 = 13.0;
const SHORTEST: f64 = 20.0;
const LONGEST: f64 = 60.0;
/// Onsets are at least this far from each other, in the source and in the result.
const APART: f64 = 25.0;
const APART_OUT: f64 = 14.0;
/// Faster than this, onsets are no longer looked for: the source in between would have to be kept.
const FASTEST: f64 = 8.0;
/// A stretch of the source, copied as it is.
struct Stretch {
    from: i64,
    length: i64,
    /// How long it is cross-faded with what would have followed the stretch before it, and how alike both
    /// are, 0 to 1.
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

/// Sound of one rate and one layout. Positions are samples from its begin: `i64` in the source and in the
/// result.
pub(super) struct Run {
    pub(super) shape: Shape,
    pub(super) rate: u32,
    pub(super) speed: f64,
    /// What the result's frames are like.
    pub(super) like: Frame,
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
    pub(super) guide: Vec<f32>,
    /// Samples of the source that have come, and whether these are all.
    pub(super) count: i64,
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
    pub(super) fn new(
        frame: &Frame,
        shape: Shape,
        speed: f64,
        stated: Option<f64>,
        ends: Option<f64>,
    ) -> Result<Self> {
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
            like: frame.try_clone()?,
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
    pub(super) fn source_time(&self) -> f64 {
        self.begins + self.count as f64 / f64::from(self.rate)
    }

    /// When so many samples of the result end, in seconds.
    pub(super) fn result_time(&self, samples: f64) -> f64 {
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
    pub(super) fn take(&mut self, frame: &Frame, next: &mut dyn FnMut(Frame) -> Result<()>) -> Result<()> {
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

    pub(super) fn end(&mut self) {
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

    /// The place in `[from, to]` that is most like what would have followed, and how alike: the nearest one
    /// to `aim`, of those that hardly differ.
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
    pub(super) fn hand_on(&mut self, next: &mut dyn FnMut(Frame) -> Result<()>) -> Result<()> {
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

/// How well two sounds fit together, -1 to 1, in their form and their height; and how alike their forms are,
/// 0 to 1.
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
