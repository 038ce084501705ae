//! Which device: its kind, and the choice that a caller makes.

use crate::{
    Error, Result,
    words::{self, Words},
};
use serde::{Deserialize, Deserializer, Serialize};
use std::{fmt, str::FromStr};

/// An interface to devices, by libav's name for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum DeviceKind {
    /// NVIDIA: NVDEC, NVENC and CUDA filters.
    Cuda,
    /// Intel Quick Sync Video; on Linux it is derived from a VAAPI device.
    Qsv,
    /// The video acceleration API of Linux, for Intel and AMD.
    Vaapi,
    /// Vulkan: filters, and video where driver and libav have it.
    Vulkan,
    /// macOS.
    VideoToolbox,
    /// Direct3D 11 on Windows.
    D3d11va,
    /// OpenCL: filters only.
    OpenCl,
}

impl DeviceKind {
    /// All of them, in the order in which [`Hardware::list`](crate::Hardware::list) has them.
    pub const ALL: [Self; 7] =
        [Self::Cuda, Self::Qsv, Self::Vaapi, Self::Vulkan, Self::VideoToolbox, Self::D3d11va, Self::OpenCl];

    /// libav's name, which is also this type's form in text and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cuda => "cuda",
            Self::Qsv => "qsv",
            Self::Vaapi => "vaapi",
            Self::Vulkan => "vulkan",
            Self::VideoToolbox => "videotoolbox",
            Self::D3d11va => "d3d11va",
            Self::OpenCl => "opencl",
        }
    }

    /// How the names of libav's encoders for these devices end.
    pub(crate) fn encoder_endings(self) -> &'static [&'static str] {
        match self {
            Self::Cuda => &["_nvenc"],
            Self::Qsv => &["_qsv"],
            Self::Vaapi => &["_vaapi"],
            Self::Vulkan => &["_vulkan"],
            Self::VideoToolbox => &["_videotoolbox"],
            Self::D3d11va => &["_mf", "_amf"],
            Self::OpenCl => &[],
        }
    }

    /// How the names of libav's filters for these devices end.
    pub(crate) fn filter_endings(self) -> &'static [&'static str] {
        match self {
            Self::Cuda => &["_cuda", "_npp"],
            Self::Qsv => &["_qsv"],
            Self::Vaapi => &["_vaapi"],
            Self::Vulkan => &["_vulkan", "libplacebo"],
            Self::VideoToolbox => &["_videotoolbox", "_vt"],
            Self::D3d11va => &["_d3d11"],
            Self::OpenCl => &["_opencl"],
        }
    }
}

impl fmt::Display for DeviceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for DeviceKind {
    type Err = Error;

    /// # Errors
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for a name that is none of these.
    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == text).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            Error::invalid(format!("'{text}' is not a kind of device")).advise(format!("give one of {names}"))
        })
    }
}

/// Which device a [`Hardware`](crate::Hardware) stands for. In text `auto`, `none`, `cuda` or `cuda:1`.
/// JSON has these words, or `{"device": {"kind": "cuda", "index": 1}}`, as it is written.
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
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for anything but `auto`, `none`, a kind, or a kind and an index.
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
