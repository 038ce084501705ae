//! What is wrong with sound, when it is known how late the pictures are.

use super::{Asked, Compared, Stretch, click::Seam, rule::Rule};
use crate::{
    Media,
    time::{Rational, Timestamp},
    verify::{
        fault::{Fault, FaultKind},
        lateness::Lateness,
        result::{Sound, SoundRange, SoundSeam, SoundSpan, SoundState},
    },
};

/// Stretches that are judged by how near they are.
const SHORT: Timestamp = Timestamp::from_nanos(200_000_000);
/// What is wrong this near to a seam makes it rough.
const NEAR: Timestamp = Timestamp::from_nanos(250_000_000);

/// A stretch, and how much later than its pictures it is.
type Off<'a> = (&'a Stretch, Timestamp);

impl Compared {
    /// What is wrong with it, held against the pictures, if there are any.
    pub(in crate::verify) fn judge(
        mut self,
        pictures: &Lateness,
        asked: Asked,
        (source, output): (&Media, &Media),
        faults: &mut Vec<Fault>,
    ) -> Sound {
        let track = self.told.output_stream;
        if let Some((expected, found)) = self.form {
            let kind = FaultKind::SoundForm { track, expected, found };
            faults.push(place(kind, Timestamp::ZERO, Timestamp::ZERO));
            return self.told;
        }
        let base = i32::try_from(self.rate).ok().and_then(|rate| Rational::new(1, rate));
        let base = base.unwrap_or(Rational { num: 1, den: 1 });
        let rule = Rule::new(
            (source, self.told.source_stream),
            (output, track),
            asked.lag,
            (self.frame, base),
            self.ranges,
        );
        let mut all = self.late(pictures, &rule);
        // A first frame has nothing in front of it to overlap with, and no edit list hides that.
        let begins = self.lengths.get(1).copied().flatten().map_or(0, |(begins, _)| begins);
        let whole_from = Timestamp::from_ticks(begins, base).plus(rule.lead_in());
        let holes = self.holes.iter().filter(|(_, to)| *to > whole_from);
        all.extend(holes.map(|(from, to)| place(FaultKind::SoundHole { track }, *from, *to)));
        all.extend(self.poor(asked));
        // A seam at which something else is wrong is not judged by itself.
        let is_wrong = |at: Timestamp| {
            let (from, to) = (at.minus(NEAR), at.plus(NEAR));
            all.iter().any(|fault| {
                fault.at.is_some_and(|at| at < to) && fault.until.is_some_and(|until| until > from)
            })
        };
        let clicks: Vec<Fault> = self.clicks(base, is_wrong);
        all.extend(clicks);
        all.extend(self.length(&rule, base));
        faults.append(&mut all);
        let length = |extent: Option<(i64, i64)>| extent.map_or(0, |(from, to)| to.saturating_sub(from));
        let [expected, found] = self.lengths.map(length);
        (self.told.expected, self.told.found) =
            (u64::try_from(expected).unwrap_or(0), u64::try_from(found).unwrap_or(0));
        let at = |seam: &Seam| Timestamp::from_ticks(seam.at, base);
        let told = |seam: &Seam| SoundSeam { at: at(seam), click: seam.decibels() };
        self.told.seams = self.seams.iter().map(told).collect();
        self.told
    }

    /// Sound that is not heard with its pictures, range by range.
    fn late(&mut self, pictures: &Lateness, rule: &Rule) -> Vec<Fault> {
        // Without pictures, only what is exact has to begin at 0.
        let first = self.stretches.first().map_or(Timestamp::ZERO, |stretch| stretch.lag);
        let alone = if rule.is_edited { Timestamp::ZERO } else { first };
        let offset = |stretch: &Stretch| {
            if pictures.has_pictures() {
                pictures.offset((stretch.from, stretch.until), stretch.lag)
            } else {
                stretch.lag.minus(alone)
            }
        };
        let track = self.told.output_stream;
        let mut faults = Vec::new();
        self.told.ranges = vec![SoundRange::default(); self.ranges];
        for stretches in self.stretches.chunk_by(|a, b| a.range == b.range) {
            let Some(range) = stretches.first().map(|first| first.range) else { continue };
            let mut offsets: Vec<Off<'_>> = stretches.iter().map(|s| (s, offset(s))).collect();
            let allowed = rule.lag(range).nanos();
            let is_wrong = |(_, by): &Off<'_>| by.nanos().saturating_abs() > allowed;
            for wrong in offsets.chunk_by(|a, b| is_wrong(a) == is_wrong(b)) {
                let ends = wrong.first().zip(wrong.last()).filter(|(first, _)| is_wrong(first));
                let furthest = wrong.iter().map(|(_, by)| *by).max_by_key(|by| by.nanos().saturating_abs());
                if let Some((((first, _), (last, _)), by)) = ends.zip(furthest) {
                    faults.push(place(FaultKind::SoundLate { track, range, by }, first.from, last.until));
                }
            }
            offsets.sort_by_key(|(_, by)| *by);
            if let Some(told) = self.told.ranges.get_mut(range) {
                told.av_offset = offsets.get(offsets.len() / 2).map(|(_, by)| *by);
            }
        }
        faults
    }

    /// Sound that is not near enough.
    fn poor(&self, asked: Asked) -> Option<Fault> {
        let is_poor = |span: &&SoundSpan| {
            // Of a few samples nothing can be told.
            let is_long = span.until.minus(span.from) >= SHORT;
            is_long && span.state == SoundState::Near && span.si_sdr.is_none_or(|sdr| sdr < asked.si_sdr)
        };
        let poor: Vec<&SoundSpan> = self.told.spans.iter().filter(is_poor).collect();
        let least = poor.iter().filter_map(|span| span.si_sdr).fold(f64::INFINITY, f64::min);
        let si_sdr = Some(least).filter(|least| least.is_finite());
        let kind = FaultKind::SoundPoor { track: self.told.output_stream, si_sdr, required: asked.si_sdr };
        let (first, last) = poor.first().zip(poor.last())?;
        Some(place(kind, first.from, last.until))
    }

    /// Seams that click.
    fn clicks(&self, base: Rational, is_wrong: impl Fn(Timestamp) -> bool) -> Vec<Fault> {
        let track = self.told.output_stream;
        let mut faults = Vec::new();
        for seam in &self.seams {
            let at = Timestamp::from_ticks(seam.at, base);
            let behind = self.stretches.partition_point(|stretch| stretch.range < seam.range);
            let before = behind.checked_sub(1).and_then(|at| self.stretches.get(at));
            // Of what is too short to tell, or silent, nothing says that it was moved.
            let sides = before.zip(self.stretches.get(behind).filter(|behind| behind.range == seam.range));
            let sample = Timestamp::from_ticks(2, base).nanos();
            let is_joint = sides.is_none_or(|(a, b)| a.lag.minus(b.lag).nanos().saturating_abs() < sample);
            if let Some(over) = seam.decibels().filter(|_| seam.is_click(is_joint) && !is_wrong(at)) {
                faults.push(place(FaultKind::SoundClick { track, range: seam.range, over }, at, at));
            }
        }
        faults
    }

    /// Sound that is longer or shorter than asked.
    fn length(&self, rule: &Rule, base: Rational) -> Option<Fault> {
        let [expected, found] =
            self.lengths.map(|extent| extent.map_or(0, |(from, to)| to.saturating_sub(from)));
        let by = Timestamp::from_ticks(found.saturating_sub(expected), base);
        let end = self.lengths.get(1).copied().flatten().map_or(0, |(_, end)| end);
        let end = Timestamp::from_ticks(end, base);
        let is_wrong = by.nanos().saturating_abs() > rule.length().nanos();
        is_wrong.then(|| place(FaultKind::SoundLength { track: self.told.output_stream, by }, end, end))
    }
}

fn place(kind: FaultKind, from: Timestamp, until: Timestamp) -> Fault {
    Fault { kind, at: Some(from), until: Some(until), source: None }
}
