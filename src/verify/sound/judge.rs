//! What is wrong with sound, when it is known how late the pictures are.

use super::{Asked, Compared, Stretch, rule::Rule};
use crate::{
    Media,
    time::{Rational, Timestamp},
    verify::{
        fault::{Fault, FaultKind},
        lateness::Lateness,
        result::{Sound, SoundRange, SoundSpan, SoundState},
    },
};

impl Compared {
    /// What is wrong with it, held against the pictures, if there are any.
    pub(in crate::verify) fn judge(
        self,
        pictures: &Lateness,
        asked: Asked,
        output: &Media,
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
        let base = i32::try_from(self.rate).ok().and_then(|rate| Rational::new(1, rate));
        let base = base.unwrap_or(Rational { num: 1, den: 1 });
        let rule = Rule::new((output, track), asked.lag, (self.frame, base), self.ranges);
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
        let mut ranges = vec![SoundRange::default(); self.ranges];
        for stretches in self.stretches.chunk_by(|a, b| a.range == b.range) {
            let Some(range) = stretches.first().map(|first| first.range) else { continue };
            let mut offsets: Vec<(&Stretch, Timestamp)> = stretches.iter().map(|s| (s, offset(s))).collect();
            let is_wrong =
                |(_, by): &(&Stretch, Timestamp)| by.nanos().saturating_abs() > rule.lag(range).nanos();
            for wrong in
                offsets.chunk_by(|a, b| is_wrong(a) == is_wrong(b)).filter(|run| run.iter().any(is_wrong))
            {
                let furthest = wrong.iter().map(|(_, by)| *by).max_by_key(|by| by.nanos().saturating_abs());
                if let (Some((first, _)), Some((last, _)), Some(by)) = (wrong.first(), wrong.last(), furthest)
                {
                    add(FaultKind::SoundLate { track, range, by }, (first.from, last.until));
                }
            }
            offsets.sort_by_key(|(_, by)| *by);
            let median = offsets.get(offsets.len() / 2).map(|(_, by)| *by);
            ranges.iter_mut().skip(range).take(1).for_each(|told| told.av_offset = median);
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
        let time = |samples: i64| Timestamp::from_ticks(samples, base);
        let mut told = self.told;
        told.ranges = ranges;
        let length = |extent: Option<(i64, i64)>| extent.map_or(0, |(from, to)| to.saturating_sub(from));
        let [expected, found] = self.lengths.map(length);
        (told.expected, told.found) =
            (u64::try_from(expected).unwrap_or(0), u64::try_from(found).unwrap_or(0));
        let off = time(found.saturating_sub(expected));
        if off.nanos().saturating_abs() > rule.length().nanos() {
            let end = time(self.lengths.get(1).copied().flatten().map_or(0, |(_, end)| end));
            add(FaultKind::SoundLength { track, by: off }, (end, end));
        }
        told
    }
}

/// Stretches that are judged by how near they are.
const SHORT: Timestamp = Timestamp::from_nanos(200_000_000);
