//! Sound at another speed, at its own pitch: stretches of the source follow each other, joined where they are
//! alike (WSOLA), and every onset comes exactly when it is due.

mod run;
#[cfg(test)]
mod tests;

use super::processor::Processor;
use crate::{Error, ErrorKind, Frame, Result};
use run::Run;

/// A longer hole in the source's timestamps is left as it is, in seconds.
const HOLE: f64 = 1.0;

/// Plays sound faster or slower.
pub(crate) struct Tempo {
    speed: f64,
    run: Option<Run>,
    /// When the sound so far ends in the result, in seconds.
    ends: Option<f64>,
}

impl Tempo {
    pub(crate) fn new(speed: f64) -> Self {
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
