//! The loudness that a sound should have.

use crate::{Error, Result, av::device::require_filter};
use serde::{Deserialize, Serialize};

/// The loudness that a sound should have (EBU R 128), in two passes: the first decodes and measures what is
/// kept, and the second gives it one gain that fits. Where peaks do not allow that gain, or the range is to
/// be smaller than it is, the gain moves, and what that makes of it is measured in a pass between them. A
/// source that can be read only once, and one of several that are joined, is brought there in one pass, less
/// exactly.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Loudness {
    /// Integrated loudness in LUFS, -70 to -5. The default is EBU R 128's -23; streaming services play at -14
    /// to -16.
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

    pub(crate) fn check(self) -> Result<()> {
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
        require_filter("loudnorm")
    }
}
