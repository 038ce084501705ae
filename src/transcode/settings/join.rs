//! [`Join`]: how inputs are put one behind the other.

use super::Transcode;
use crate::{Road, Strip};
use serde::{Deserialize, Serialize};

/// How to join.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Join {
    pub(crate) format: Option<String>,
    pub(crate) allow_drops: bool,
    pub(crate) road: Road,
    pub(crate) strip: Strip,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) encode_unlike: Option<Box<Transcode>>,
}

impl Join {
    /// Into the container that the output's name says, or else the first source's own; inputs that do not match the
    /// first are refused.
    pub fn new() -> Self {
        Self::default()
    }

    /// The container, by libav's name or the usual ending (`mp4`, `mkv`, `ts`).
    #[must_use]
    pub fn format(mut self, format: impl Into<String>) -> Self {
        self.format = Some(format.into());
        self
    }

    /// Lets all video or all sound of the source be left out with a warning, where the container can't hold
    /// it. Without it that is an error: [`Unsupported`](crate::ErrorKind::Unsupported). Streams of other
    /// kinds, and one of several, are always left out with a warning.
    #[must_use]
    pub fn allow_drops(mut self, allow: bool) -> Self {
        self.allow_drops = allow;
        self
    }

    /// Which way samples of MP4s or MOVs go into one. Without it by tables, if all of the sources can.
    #[must_use]
    pub fn road(mut self, road: Road) -> Self {
        self.road = road;
        self
    }

    /// What the result is not to tell of its source: see [`Strip`]. Without it all goes over, the place of a recording
    /// too.
    #[must_use]
    pub fn strip(mut self, strip: Strip) -> Self {
        self.strip = strip;
        self
    }

    /// Encodes inputs that do not match, and copies the others: each input's pictures or its sound alone where the rest
    /// matches. Without it they are refused, and nothing is ever encoded.
    ///
    /// What is matched is the first input: codec, size and shape of pixels (with black around what has another shape),
    /// pixel format, constant rate, rotation and colours of its picture; codec, sample rate and channels of its sound.
    /// An input without sound gets silence where the first one has sound. What `settings` say of it goes before:
    /// codecs, size, rate, pixel format, channels; an input that has not that is encoded then, the first one too. Other
    /// settings (quality, presets, options, threads, a device) are for what is encoded.
    ///
    /// What is encoded waits until it is copied: in temporary files beside the result where that is a file, else in
    /// memory, within [`Limits::memory`](crate::control::Limits::memory).
    #[must_use]
    pub fn encode_unlike(mut self, settings: Transcode) -> Self {
        self.encode_unlike = Some(Box::new(settings));
        self
    }
}
