//! The loudness of a sound: what was found out about it, and what `loudnorm` is told.

use crate::transcode::settings::Loudness;

/// Of a sound: LUFS, LU, dBTP, LUFS.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Measured {
    pub integrated: f64,
    pub range: f64,
    pub true_peak: f64,
    pub threshold: f64,
}

/// What a gain that moves has to be told besides, so that it comes where it should: LU, dB.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Correction {
    pub offset: f64,
    pub peak: f64,
}

/// What was measured for the settings' [`Loudness`], if there is one.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pass {
    /// One pass.
    Blind,
    Measured(Measured, Correction),
    /// There is nothing to be heard.
    Silent,
}

impl Loudness {
    /// Whether one gain brings a sound there: `loudnorm`'s own condition.
    pub(crate) fn is_one_gain(self, measured: &Measured) -> bool {
        let gain = self.target_lufs - measured.integrated;
        measured.true_peak + gain <= self.true_peak_db
            && self.range.is_none_or(|range| measured.range <= range)
    }

    /// What is still wrong behind a gain that moves.
    pub(crate) fn correction(self, found: &Measured) -> Correction {
        Correction {
            offset: (self.target_lufs - found.integrated).clamp(-20.0, 20.0),
            peak: (found.true_peak - self.true_peak_db).clamp(0.0, 6.0),
        }
    }

    /// `loudnorm` works at 192 kHz where its gain moves: the source's rate comes back behind it.
    pub(crate) fn text(self, rate: u32, pass: Pass) -> Option<String> {
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
