//! What a report says about devices.

use serde::{Deserialize, Serialize};

/// A device that was tried and not used, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RefusedDevice {
    /// What was tried: a device such as `cuda:0`, or something on it such as `cuda:0 h264_nvenc`.
    pub device: String,
    /// Why it could not be used.
    pub reason: String,
}

/// What a job's [`Report`](crate::Report) says about devices.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct HardwareReport {
    /// Which device did what.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub used: Vec<String>,
    /// What was tried and not used.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<RefusedDevice>,
}

impl HardwareReport {
    /// Whether no device was used or tried.
    pub fn is_empty(&self) -> bool {
        self.used.is_empty() && self.refused.is_empty()
    }
}
