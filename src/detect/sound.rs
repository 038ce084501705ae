//! Silence: no sample of any channel reaches a threshold.

use super::{Silence, Told, push};
use crate::{
    Frame, Result, TimeRange, Timestamp, av::graph::Format, time::Rational, transcode::flow::process::End,
};

/// Bytes of a sample of one channel.
const BYTES: usize = size_of::<f32>();

/// Listens.
pub(super) struct Sound {
    asked: Silence,
    /// The largest sample that is not heard.
    quiet: f32,
    told: Option<Told>,
    silence: Vec<TimeRange>,
    /// Since when nothing is heard.
    since: Option<Timestamp>,
    end: Timestamp,
}

impl Sound {
    pub(super) fn new(asked: Silence, told: Option<Told>) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "from 0 to 1")]
        let quiet = 10_f64.powf(asked.threshold / 20.0) as f32;
        // Where sound begins late, nothing is heard in front of it.
        let since = Some(Timestamp::ZERO);
        Self { asked, quiet, told, silence: Vec::new(), since, end: Timestamp::ZERO }
    }

    /// In libavfilter's words.
    pub(super) fn filters(&self) -> String {
        "aformat=sample_fmts=flt".into()
    }

    pub(super) fn end(&self) -> Timestamp {
        self.end
    }

    /// All of it, in a source that is so long.
    pub(super) fn silence(&mut self, end: Timestamp) -> Vec<TimeRange> {
        let mut silence = std::mem::take(&mut self.silence);
        let from = self.since.unwrap_or(self.end);
        silence.extend(self.range(from, end));
        silence
    }

    fn range(&self, from: Timestamp, to: Timestamp) -> Option<TimeRange> {
        let range = TimeRange { from, to };
        (from < to && range.duration() >= self.asked.min_duration).then_some(range)
    }
}

impl End for Sound {
    fn format(&mut self, _format: &Format) -> Result<()> {
        Ok(())
    }

    fn frame(&mut self, frame: Frame) -> Result<()> {
        let (Some(begins), Some(bytes)) = (frame.time(), frame.plane(0)) else { return Ok(()) };
        let channels = usize::try_from(frame.channels()).unwrap_or(0).max(1);
        let step = i32::try_from(frame.sample_rate()).ok().and_then(|rate| Rational::new(1, rate));
        let at = |sample: usize| {
            let ticks = i64::try_from(sample).unwrap_or(i64::MAX);
            begins.plus(step.map_or(Timestamp::ZERO, |step| Timestamp::from_ticks(ticks, step)))
        };
        for (i, sample) in bytes.chunks_exact(BYTES.saturating_mul(channels)).enumerate() {
            let of = |bytes: &[u8]| bytes.try_into().map_or(0.0, f32::from_ne_bytes);
            let is_heard = sample.chunks_exact(BYTES).any(|one| of(one).abs() >= self.quiet);
            match (is_heard, self.since) {
                (true, Some(since)) => {
                    self.since = None;
                    if let Some(range) = self.range(since, at(i)) {
                        push(&mut self.silence, range)?;
                    }
                }
                (false, None) => self.since = Some(at(i)),
                _ => {}
            }
        }
        self.end = self.end.max(at(frame.samples()));
        self.told.as_mut().map_or(Ok(()), |told| told.tell(begins))
    }
}
