//! What of a frame matters to a filter graph.

use super::Frame;
use crate::av::stream::colors_in_words as in_words;
use ffmpeg_sys_next as ff;
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
    /// The pool of a device that it comes from.
    pub device: usize,
    /// Columns and lines that a device left in front of the picture.
    pub hidden: (usize, usize),
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
            // Each picture has a reference of its own to the pool.
            // SAFETY: NULL, or a reference that the frame holds.
            device: unsafe { raw.hw_frames_ctx.as_ref() }.map_or(0, |pool| pool.data.addr()),
            hidden: self.hidden(),
        }
    }

    /// Columns and lines in front of the picture that are not to be shown: libav cuts them off in memory, and
    /// leaves them where pictures lie on a device.
    pub(crate) fn hidden(&self) -> (usize, usize) {
        let raw = self.get();
        if self.is_on_device() { (raw.crop_left, raw.crop_top) } else { (0, 0) }
    }

    /// The numbers of its range, primaries, transfer and space.
    fn colors(&self) -> [c_int; 4] {
        let raw = self.get();
        let (space, range) = self.color();
        // SAFETY: as in `color`.
        let (primaries, transfer) = unsafe {
            (
                (&raw const raw.color_primaries).cast::<c_int>().read(),
                (&raw const raw.color_trc).cast::<c_int>().read(),
            )
        };
        // An old name of a pixel format says it as well.
        let range = if self.format().starts_with("yuvj") {
            ff::AVColorRange::AVCOL_RANGE_JPEG as c_int
        } else {
            range
        };
        [range, primaries, transfer, space]
    }

    /// Whether its samples mean the colours of another frame's, as far as that one says it.
    pub(crate) fn has_colors_of(&self, other: &Self) -> bool {
        let unsaid = [
            ff::AVColorRange::AVCOL_RANGE_UNSPECIFIED as c_int,
            ff::AVColorPrimaries::AVCOL_PRI_UNSPECIFIED as c_int,
            ff::AVColorTransferCharacteristic::AVCOL_TRC_UNSPECIFIED as c_int,
            ff::AVColorSpace::AVCOL_SPC_UNSPECIFIED as c_int,
        ];
        let pairs = self.colors().into_iter().zip(other.colors());
        pairs.zip(unsaid).all(|((own, other), unsaid)| own == other || other == unsaid)
    }

    pub(crate) fn colors_in_words(&self) -> String {
        in_words(self.colors())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DeviceKind, av::device::Device};

    /// Each has a reference of its own to the pool. Made anew for every picture, a graph makes a job many
    /// times slower.
    #[test]
    fn pictures_of_one_pool_of_a_device_are_for_one_graph() {
        let device = match Device::by_index(DeviceKind::OpenCl, 0) {
            Ok(device) => device,
            Err(error) => return eprintln!("SKIPPED, no opencl device: {error}"),
        };
        let picture = Frame::video("yuv420p", 64, 64).unwrap();
        let format = ffmpeg_sys_next::AVPixelFormat::AV_PIX_FMT_OPENCL as c_int;
        let first = device.upload(&picture, format).unwrap();
        let second = first.try_clone().unwrap();
        assert!(first.is_on_device());
        assert_eq!(first.shape(), second.shape());
        let other = device.upload(&picture, format).unwrap();
        assert_ne!(first.shape(), other.shape(), "of another pool");
    }
}
