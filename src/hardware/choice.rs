//! Which device a caller chooses.

use crate::{
    DeviceKind, Error, Result,
    words::{self, Words},
};
use serde::{Deserialize, Deserializer, Serialize};
use std::{fmt, str::FromStr};

/// Which device a [`Hardware`](crate::hardware::Hardware) stands for. In text `auto`, `none`, `cuda` or
/// `cuda:1`. JSON has these words, or `{"device": {"kind": "cuda", "index": 1}}`, as it is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum HardwareChoice {
    /// The first device that works, or software.
    Auto,
    /// Software.
    #[default]
    None,
    /// This device or an error.
    Device {
        /// The interface.
        kind: DeviceKind,
        /// Which of the devices behind it, counted from 0.
        index: usize,
    },
}

/// The content of [`HardwareChoice::Device`].
#[derive(Deserialize)]
pub(crate) struct Chosen {
    kind: DeviceKind,
    #[serde(default)]
    index: usize,
}

impl Words for HardwareChoice {
    const NAME: &'static str = "HardwareChoice";
    const VARIANTS: &'static [&'static str] = &["auto", "none", "device"];
    const WITH_CONTENT: Option<&'static str> = Some("device");
    type Content = Chosen;

    fn of_word(word: &str) -> Result<Self, String> {
        word.parse().map_err(|e: Error| e.to_string())
    }

    fn of_content(Chosen { kind, index }: Chosen) -> Self {
        Self::Device { kind, index }
    }
}

impl<'de> Deserialize<'de> for HardwareChoice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        words::read(deserializer)
    }
}

impl fmt::Display for HardwareChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::None => f.write_str("none"),
            Self::Device { kind, index } => write!(f, "{kind}:{index}"),
        }
    }
}

impl FromStr for HardwareChoice {
    type Err = Error;

    /// # Errors
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for anything but `auto`, `none`, a kind, or a
    /// kind and an index.
    fn from_str(text: &str) -> Result<Self> {
        let (kind, index) = match text {
            "auto" => return Ok(Self::Auto),
            "none" => return Ok(Self::None),
            _ => text.split_once(':').unwrap_or((text, "0")),
        };
        let kind = kind.parse().map_err(|error: Error| error.advise("or auto or none"))?;
        let index = index
            .parse()
            .map_err(|_| Error::invalid(format!("'{text}': the index after ':' is a number from 0")))?;
        Ok(Self::Device { kind, index })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn choices_in_text_and_json() {
        for text in ["auto", "none", "cuda:1", "opencl:0"] {
            let choice: HardwareChoice = text.parse().unwrap();
            assert_eq!(choice.to_string(), text);
            let json = serde_json::to_string(&choice).unwrap();
            assert_eq!(serde_json::from_str::<HardwareChoice>(&json).unwrap(), choice);
        }
        assert_eq!("cuda".parse::<HardwareChoice>().unwrap().to_string(), "cuda:0");
        for wrong in ["", "cuda:", "cuda:-1", "nvidia", ":1"] {
            let error = wrong.parse::<HardwareChoice>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{wrong}");
        }
        for kind in DeviceKind::ALL {
            assert_eq!(serde_json::to_string(&kind).unwrap(), format!("\"{kind}\""));
        }
    }
}
