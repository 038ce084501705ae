//! The loudness of a sound: what it should be, and what was found out about it.

use super::{filters::needs, measure::Measured};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// The loudness that a sound should have (EBU R 128), in two passes: the first decodes and measures what is kept, and the
/// second gives it one gain that fits. Where peaks do not allow that gain, or the range is to be smaller than it is, the gain
/// moves, and what that makes of it is measured in a pass between them. A source that can be read only once, and one of several that are joined, is brought there in one pass, less exactly.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Loudness {
    /// Integrated loudness in LUFS, -70 to -5. The default is EBU R 128's -23; streaming services play at -14 to -16.
    pub target_lufs: f64,
    /// The highest true peak in dBTP, -9 to 0. Default -1.
    pub true_peak_db: f64,
    /// The largest loudness range in LU, 1 to 50; without it, the sound keeps the one that it has.
    pub range: Option<f64>,
}

impl Default for Loudness {
    fn default() -> Self {
        Self { target_lufs: -23.0, true_peak_db: -1.0, range: None }
    }
}

impl Loudness {
    /// This loudness, with peaks up to -1 dBTP.
    pub fn new(target_lufs: f64) -> Self {
        Self { target_lufs, ..Self::default() }
    }

    /// The highest true peak in dBTP.
    #[must_use]
    pub fn true_peak(mut self, db: f64) -> Self {
        self.true_peak_db = db;
        self
    }

    /// The largest loudness range in LU.
    #[must_use]
    pub fn range(mut self, range: f64) -> Self {
        self.range = Some(range);
        self
    }

    pub(super) fn check(self) -> Result<()> {
        if !(-70.0..=-5.0).contains(&self.target_lufs) {
            return Err(Error::invalid(format!(
                "a loudness of {} LUFS: expected -70 to -5",
                self.target_lufs
            )));
        }
        if !(-9.0..=0.0).contains(&self.true_peak_db) {
            return Err(Error::invalid(format!(
                "a true peak of {} dBTP: expected -9 to 0",
                self.true_peak_db
            )));
        }
        if let Some(range) = self.range.filter(|range| !(1.0..=50.0).contains(range)) {
            return Err(Error::invalid(format!("a loudness range of {range} LU: expected 1 to 50")));
        }
        needs("loudnorm")
    }

    /// Whether one gain brings a sound there: `loudnorm`'s own condition.
    pub(super) fn is_one_gain(self, measured: &Measured) -> bool {
        let gain = self.target_lufs - measured.integrated;
        measured.true_peak + gain <= self.true_peak_db
            && self.range.is_none_or(|range| measured.range <= range)
    }

    /// What is still wrong behind a gain that moves.
    pub(super) fn correction(self, found: &Measured) -> Correction {
        Correction {
            offset: (self.target_lufs - found.integrated).clamp(-20.0, 20.0),
            peak: (found.true_peak - self.true_peak_db).clamp(0.0, 6.0),
        }
    }

    /// `loudnorm` works at 192 kHz where its gain moves: the source's rate comes back behind it.
    pub(super) fn text(self, rate: u32, pass: Pass) -> Option<String> {
        let measured = match pass {
            Pass::Silent => return None,
            Pass::Blind => None,
            Pass::Measured(measured, correction) => Some((measured, correction)),
        };
        let peak = self.true_peak_db - measured.map_or(0.0, |(_, correction)| correction.peak);
        let mut text = format!("loudnorm=I={}:TP={:.3}", self.target_lufs, peak.max(-9.0));
        if let Some((m, correction)) = measured {
            // libav takes a range of 0, as in a steady tone, for one that was not measured.
            let range = m.range.clamp(0.1, 99.0);
            let target = self.range.unwrap_or_else(|| range.clamp(7.0, 50.0));
            text += &format!(":offset={:.3}", correction.offset);
            text += &format!(
                ":LRA={target}:measured_I={:.3}:measured_LRA={range:.3}:measured_TP={:.3}:measured_thresh={:.3}\
                 :linear=true",
                m.integrated.clamp(-99.0, -0.001),
                m.true_peak.clamp(-99.0, 98.0),
                m.threshold.clamp(-99.0, 0.0),
            );
        } else {
            text += &format!(":LRA={}", self.range.unwrap_or(50.0));
        }
        if rate > 0 {
            text += &format!(",aformat=sample_rates={rate}");
        }
        Some(text)
    }
}

/// What a gain that moves has to be told besides, so that it comes where it should: LU, dB.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Correction {
    pub offset: f64,
    pub peak: f64,
}

/// What was measured for the settings' [`Loudness`], if there is one.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pass {
    /// One pass.
    Blind,
    Measured(Measured, Correction),
    /// There is nothing to be heard.
    Silent,
}
