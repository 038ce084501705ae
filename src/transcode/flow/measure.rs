//! The first of two passes: what is kept of a sound is decoded, and its loudness measured (EBU R 128).

use super::{
    look::{Looked, look},
    process::End,
};
use crate::{
    Control, Frame, Media, Report, Result, Timestamp,
    av::graph::Format,
    job::Stage,
    transcode::{filters::loudness::Measured, settings::Transcode},
};
use std::{sync::atomic::Ordering, time::Instant};

/// What is not heard at all (the absolute gate of BS.1770).
const SILENCE: f64 = -70.0;

/// The relative gate lies so far below the loudness (BS.1770).
const GATE: f64 = -10.0;

/// Measures what is kept of a stream, behind these filters. None for silence.
pub(crate) fn measure(
    media: &Media,
    stream: usize,
    ranges: &[(Timestamp, Timestamp)],
    filters: &[String],
    settings: &Transcode,
    report: &mut Report,
    control: &Control,
) -> Result<Option<Measured>> {
    let length = |(from, to): &(Timestamp, Timestamp)| {
        let end = if *to == Timestamp::MAX { media.length().unwrap_or(*from) } else { *to };
        end.minus(*from)
    };
    let total = ranges.iter().map(length).fold(Timestamp::ZERO, Timestamp::plus);
    let mut texts = filters.to_vec();
    texts.push("ebur128=peak=true:metadata=1".into());
    let mut meter = Meter { found: None, told: 0, total, begun: Instant::now(), control };
    let looked = Looked { stream, filters: texts.join(","), end: &mut meter };
    let counters = look(media, ranges, vec![looked], settings, control)?;
    counters.take_warnings().into_iter().for_each(|warning| report.warn(warning));
    report.bytes_read = report.bytes_read.saturating_add(counters.bytes_read.load(Ordering::Relaxed));
    Ok(meter.found.filter(|found| found.integrated > SILENCE))
}

/// Reads what `ebur128` writes beside the sound: each frame has what was measured up to it.
struct Meter<'a> {
    found: Option<Measured>,
    told: u64,
    total: Timestamp,
    begun: Instant,
    control: &'a Control,
}

/// Frames, of a tenth of a second mostly, between two reports of progress.
const REPORT_EVERY: u64 = 16;

impl End for Meter<'_> {
    fn format(&mut self, _format: &Format) -> Result<()> {
        Ok(())
    }

    fn frame(&mut self, frame: Frame) -> Result<()> {
        let metadata = frame.metadata();
        let value = |name: &str| -> Option<f64> {
            let (_, value) =
                metadata.iter().find(|(key, _)| key.strip_prefix("lavfi.r128.") == Some(name))?;
            value.parse().ok().filter(|value: &f64| value.is_finite())
        };
        if let (Some(integrated), Some(range)) = (value("I"), value("LRA")) {
            // The largest sample over all so far, of 1, cut to three decimals.
            let peak = value("true_peak").unwrap_or(0.0) + 0.0005;
            let before = self.found.map_or(f64::NEG_INFINITY, |found| found.true_peak);
            let true_peak = before.max(20.0 * peak.log10());
            self.found = Some(Measured { integrated, range, true_peak, threshold: integrated + GATE });
        }
        self.told = self.told.saturating_add(1);
        if self.told % REPORT_EVERY == 1
            && let Some(time) = frame.time()
        {
            let nanos = |t: Timestamp| u64::try_from(t.nanos()).unwrap_or(0);
            let (done, total) = (nanos(time), nanos(self.total));
            let done = if total > 0 { done.min(total) } else { done };
            self.control.report_since(Stage::Measure, done, total, self.begun)?;
        }
        Ok(())
    }
}
