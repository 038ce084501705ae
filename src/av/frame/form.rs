//! What of a picture an encoder is opened for, and can't be changed later.

use super::Frame;

/// The size and the format of pictures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Form {
    pub width: u32,
    pub height: u32,
    /// libav's name of the pixel format in memory; of pictures on a device, that which they have when they
    /// are brought there.
    pub format: String,
    pub on_device: bool,
}

impl Frame {
    pub(crate) fn form(&self) -> Form {
        Form {
            width: self.width(),
            height: self.height(),
            format: self.format_in_memory().unwrap_or_else(|| self.format()),
            on_device: self.is_on_device(),
        }
    }
}
