//! [`Preset`]: speed and quality by one name.

use crate::{
    Error, Result,
    words::{self, Words},
};
use serde::{Deserialize, Deserializer, Serialize};
use std::str::FromStr;

/// How hard the encoders try.
///
/// In text and JSON `high_quality`, `balanced` or `high_speed`; read in any case, and with `-` as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Preset {
    /// x264's `medium`, sound at 256 kbit/s.
    HighQuality,
    /// x264's `fast`, sound at 192 kbit/s.
    Balanced,
    /// x264's `ultrafast`, sound at 128 kbit/s.
    HighSpeed,
}

impl FromStr for Preset {
    type Err = Error;

    /// Errors: [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for a name that is none of these.
    fn from_str(text: &str) -> Result<Self> {
        match text.to_ascii_lowercase().replace('-', "_").as_str() {
            "high_quality" => Ok(Self::HighQuality),
            "balanced" => Ok(Self::Balanced),
            "high_speed" => Ok(Self::HighSpeed),
            _ => Err(Error::invalid(format!("'{text}' is not a preset"))
                .with_setting("preset")
                .advise("give high_quality, balanced or high_speed")),
        }
    }
}

impl Words for Preset {
    const NAME: &'static str = "Preset";
    const VARIANTS: &'static [&'static str] = &["high_quality", "balanced", "high_speed"];
    const WITH_CONTENT: Option<&'static str> = None;
    type Content = Self;

    fn of_word(word: &str) -> Result<Self, String> {
        word.parse().map_err(|e: Error| e.to_string())
    }

    fn of_content(preset: Self) -> Self {
        preset
    }
}

impl<'de> Deserialize<'de> for Preset {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        words::read(deserializer)
    }
}

impl Preset {
    pub(crate) fn speed(self) -> &'static str {
        match self {
            Self::HighQuality => "medium",
            Self::Balanced => "fast",
            Self::HighSpeed => "ultrafast",
        }
    }

    pub(crate) fn audio_bit_rate(self) -> u64 {
        match self {
            Self::HighQuality => 256_000,
            Self::Balanced => 192_000,
            Self::HighSpeed => 128_000,
        }
    }
}
