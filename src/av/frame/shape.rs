//! What of a frame matters to a filter graph.

use super::Frame;
use std::ffi::c_int;

/// The properties of frames that a filter graph is made for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub format: c_int,
    pub width: c_int,
    pub height: c_int,
    pub aspect: (c_int, c_int),
    pub sample_rate: c_int,
    pub layout: String,
    pub color: (c_int, c_int),
    pub device: usize,
}

impl Shape {
    pub(crate) fn is_audio(&self) -> bool {
        self.width <= 0
    }
}

impl Frame {
    /// What a filter graph is made for: as long as it stays the same, one graph serves.
    pub(crate) fn shape(&self) -> Shape {
        let raw = self.get();
        Shape {
            format: raw.format,
            width: raw.width,
            height: raw.height,
            aspect: (raw.sample_aspect_ratio.num, raw.sample_aspect_ratio.den),
            sample_rate: raw.sample_rate,
            layout: self.layout(),
            // Sound has none: decoders leave another number there than filters do.
            color: if self.is_audio() { (0, 0) } else { self.color() },
            device: raw.hw_frames_ctx.addr(),
        }
    }

    /// The numbers of its colour space and range.
    fn color(&self) -> (c_int, c_int) {
        let raw = self.get();
        // C's enums are read as the ints they are: a number from a file need not be a variant.
        // SAFETY: live fields of a live frame, of int's size.
        unsafe {
            (
                (&raw const raw.colorspace).cast::<c_int>().read(),
                (&raw const raw.color_range).cast::<c_int>().read(),
            )
        }
    }
}
