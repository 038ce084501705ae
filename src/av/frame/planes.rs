//! The bytes of a frame.

use super::Frame;
use crate::{
    Error, Result,
    av::{
        check,
        format::{pix_fmt, sample_fmt},
    },
};
use ffmpeg_sys_next as ff;
use std::ffi::c_int;

impl Frame {
    /// How many planes there are.
    pub fn planes(&self) -> usize {
        let raw = self.get();
        if self.is_on_device() {
            return 0;
        }
        if self.is_audio() {
            let planar = sample_fmt(raw.format)
                // SAFETY: a valid format.
                .is_some_and(|format| unsafe { ff::av_sample_fmt_is_planar(format) } != 0);
            return if planar { usize::try_from(raw.ch_layout.nb_channels).unwrap_or(0) } else { 1 };
        }
        // SAFETY: a valid format; the answer is a number.
        let count = pix_fmt(raw.format).map_or(0, |f| unsafe { ff::av_pix_fmt_count_planes(f) });
        usize::try_from(count).unwrap_or(0)
    }

    /// Bytes from one line of a plane to the next; more than a line's own bytes, mostly.
    pub fn stride(&self, plane: usize) -> usize {
        self.get().linesize.get(plane).and_then(|stride| usize::try_from(*stride).ok()).unwrap_or(0)
    }

    /// Bytes of a plane's line that are of the picture; what follows up to the stride is not. 0 for sound.
    pub(crate) fn line(&self, plane: usize) -> usize {
        let raw = self.get();
        let Some((format, index)) = pix_fmt(raw.format).zip(c_int::try_from(plane).ok()) else { return 0 };
        if self.is_audio() || plane >= self.planes() {
            return 0;
        }
        // SAFETY: a valid format; the answer is a number.
        usize::try_from(unsafe { ff::av_image_get_linesize(format, raw.width, index) }).unwrap_or(0)
    }

    /// Bits of a picture's samples, and whether those of several bytes have their first byte in front. A sample of
    /// more than 8 bits takes 2 bytes, one of more than 16 takes 4. None for sound.
    pub(crate) fn depth(&self) -> Option<(u32, bool)> {
        let format = pix_fmt(self.get().format).filter(|_| !self.is_audio())?;
        // SAFETY: a valid format's description is static and not NULL.
        let described = unsafe { ff::av_pix_fmt_desc_get(format).as_ref() }?;
        let deepest = described.comp.iter().map(|c| c.depth.saturating_add(c.shift)).max()?;
        let is_big = described.flags & u64::from(ff::AV_PIX_FMT_FLAG_BE as u32) != 0;
        Some((u32::try_from(deepest).ok()?, is_big))
    }

    /// The address and length of a plane, if all of it lies in one buffer that the frame holds.
    fn place(&self, plane: usize) -> Option<(*mut u8, usize)> {
        let raw = self.get();
        let index = c_int::try_from(plane).ok().filter(|_| plane < self.planes())?;
        let len = if self.is_audio() {
            let format = sample_fmt(raw.format)?;
            // SAFETY: a valid format; the answers are numbers.
            let bytes = usize::try_from(unsafe { ff::av_get_bytes_per_sample(format) }).ok()?;
            let channels =
                if self.planes() > 1 { 1 } else { usize::try_from(raw.ch_layout.nb_channels).ok()? };
            self.samples().checked_mul(bytes)?.checked_mul(channels)?
        } else {
            let format = pix_fmt(raw.format)?;
            // SAFETY: a valid format's description is static and not NULL.
            let shift = unsafe { ff::av_pix_fmt_desc_get(format).as_ref() }?.log2_chroma_h;
            let lines = match index {
                1 | 2 => self.height().div_ceil(1u32.checked_shl(shift.into())?),
                _ => self.height(),
            };
            // SAFETY: as above.
            let line = unsafe { ff::av_image_get_linesize(format, raw.width, index) };
            // A palette is a plane of its own size.
            let palette = format == ff::AVPixelFormat::AV_PIX_FMT_PAL8 && index == 1;
            if palette {
                1024
            } else {
                let (line, stride) = (usize::try_from(line).ok()?, self.stride(plane));
                let before = usize::try_from(lines).ok()?.checked_sub(1)?.checked_mul(stride)?;
                // A stride that goes backward (a flipped picture) reads as 0.
                before.checked_add(line).filter(|_| stride >= line)?
            }
        };
        // SAFETY: extended_data has an entry for each plane; where there are eight or fewer, it is `data`.
        let data = unsafe { *raw.extended_data.add(plane) };
        // SAFETY: the frame is live, and the plane exists. NULL, or a buffer that the frame holds.
        let buffer = unsafe { ff::av_frame_get_plane_buffer(self.raw.as_ptr(), index).as_ref() }?;
        let before = data.addr().checked_sub(buffer.data.addr())?;
        (before.checked_add(len)? <= buffer.size).then_some((data, len))
    }

    /// The bytes of a plane, from its first line to its last; None for a plane that is not there, and for
    /// frames on a device or with lines from bottom to top.
    pub fn plane(&self, plane: usize) -> Option<&[u8]> {
        let (data, len) = self.place(plane)?;
        // SAFETY: `place` has checked that the bytes lie in a buffer of this frame, which lives as long as
        // self and is written to by nobody: that takes `&mut` of the only frame that refers to it.
        Some(unsafe { std::slice::from_raw_parts(data, len) })
    }

    /// The bytes of a plane, to be written to. If anybody else refers to them, they are copied first.
    ///
    /// Errors: LimitExceeded if there is no memory for the copy; InvalidArgument where [`plane`](Self::plane)
    /// is None.
    pub fn plane_mut(&mut self, plane: usize) -> Result<&mut [u8]> {
        self.make_writable()?;
        let (data, len) = self.place(plane).ok_or_else(|| {
            Error::invalid(format!("this frame has no plane {plane} that can be written to"))
        })?;
        // SAFETY: as in `plane`; the frame is writable now, so nobody else refers to its buffers.
        Ok(unsafe { std::slice::from_raw_parts_mut(data, len) })
    }

    pub(super) fn make_writable(&mut self) -> Result<()> {
        if self.is_on_device() {
            return Err(Error::invalid("this frame lies on a device")
                .advise("ask for a pixel format in memory (Processor::format)"));
        }
        // SAFETY: live and ours.
        check(unsafe { ff::av_frame_make_writable(self.raw.as_ptr()) }, "making a frame writable").map(drop)
    }
}
