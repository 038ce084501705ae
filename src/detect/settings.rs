//! What is a scene, what is black, and what is silent.

use super::Detect;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What begins a scene.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Scenes {
    /// By how much a picture differs from the one before it, at the least, where a scene begins: from 0 to 100, which
    /// is libavfilter's score (`scdet`): what the mean difference of their pixels is, in percent of the largest, or the
    /// change of that, whichever is less. 10 unless said otherwise; 8 to 14 are usual.
    pub threshold: f64,
    /// A scene is no shorter: what would begin sooner behind the beginning of another is of that one. Half a second
    /// unless said otherwise, so that a flash is none.
    #[serde(with = "crate::time::seconds")]
    pub min_duration: Duration,
}

impl Default for Scenes {
    fn default() -> Self {
        Self { threshold: 10.0, min_duration: Duration::from_millis(500) }
    }
}

/// What is black.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Black {
    /// How much of a picture's pixels are black in a black one, at the least: from 0 to 1; 0.98 unless said otherwise.
    pub picture: f64,
    /// How bright a black pixel may be: from 0 to 1, of the range from black to white; 0.1 unless said otherwise.
    pub pixel: f64,
    /// What is black for less is not told. Two seconds unless said otherwise.
    #[serde(with = "crate::time::seconds")]
    pub min_duration: Duration,
}

impl Default for Black {
    fn default() -> Self {
        Self { picture: 0.98, pixel: 0.1, min_duration: Duration::from_secs(2) }
    }
}

/// What is silent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Silence {
    /// Samples of all channels are below this, in decibels of the largest one (dBFS): from -200 to 0; -60 unless said
    /// otherwise.
    pub threshold: f64,
    /// What is silent for less is not told. Two seconds unless said otherwise.
    #[serde(with = "crate::time::seconds")]
    pub min_duration: Duration,
}

impl Default for Silence {
    fn default() -> Self {
        Self { threshold: -60.0, min_duration: Duration::from_secs(2) }
    }
}

impl Detect {
    /// Judges the settings for themselves.
    pub(super) fn check(&self) -> Result<()> {
        if self.scenes.is_none() && self.black.is_none() && self.silence.is_none() {
            return Err(Error::invalid("nothing is looked for").advise("ask for scenes, black or silence"));
        }
        let within = |setting: &'static str, value: f64, from: f64, to: f64| {
            if (from..=to).contains(&value) {
                return Ok(());
            }
            Err(Error::invalid(format!("{setting} is {value}, and can be from {from} to {to}"))
                .with_setting(setting))
        };
        if let Some(scenes) = self.scenes {
            within("scenes.threshold", scenes.threshold, 0.0, 100.0)?;
        }
        if let Some(black) = self.black {
            within("black.picture", black.picture, 0.0, 1.0)?;
            within("black.pixel", black.pixel, 0.0, 1.0)?;
        }
        match self.silence {
            Some(silence) => within("silence.threshold", silence.threshold, -200.0, 0.0),
            None => Ok(()),
        }
    }
}
