//! What is wrong with sound, when it is known how late the pictures are.

use super::{Asked, Compared};
use crate::{
    time::{Rational, Timestamp},
    verify::{
        fault::{Fault, FaultKind},
        result::{Sound, SoundSpan, SoundState},
    },
};

impl Compared {
    /// What is wrong with it, where the pictures (if there are any) are so much later than asked. `is_exact`: the
    /// container says to the sample what is heard.
    pub(in crate::verify) fn judge(
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
