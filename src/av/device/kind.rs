//! The kinds of devices, and how libav names what works on them.

use crate::{Error, Result};
use serde::{Deserialize, Serialize};
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
    /// All of them, in the order in which [`Hardware::list`](crate::hardware::Hardware::list) has them.
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

    /// libav's filter that scales pictures on these devices; None where there is none that can be used.
    pub(crate) fn scaler(self) -> Option<&'static str> {
        match self {
            Self::Cuda => Some("scale_cuda"),
            Self::Vaapi => Some("scale_vaapi"),
            Self::Qsv => Some("scale_qsv"),
            Self::VideoToolbox => Some("scale_vt"),
            // Not `scale_vulkan`: with FFmpeg 9.0 on an H100 it makes 26 dB of H.264 (where others make 42),
            // in the ffmpeg command as well, and a job crashed where the size changed in mid-stream.
            Self::Vulkan | Self::D3d11va | Self::OpenCl => None,
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
