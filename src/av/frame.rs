//! AVFrame: a decoded picture or a stretch of sound.

mod form;
mod planes;
mod shape;
mod sound;
#[cfg(test)]
mod tests;

pub(crate) use form::Form;
pub(crate) use shape::Shape;

use super::{
    buffer::BufferRef,
    c_string, check, dict,
    format::{guess_layout, pix_fmt, pixel_format, sample_fmt},
    string,
};
use crate::{
    Error, ErrorKind, Result,
    time::{Rational, Timestamp, convert},
};
use ffmpeg_sys_next as ff;
use std::{ffi::c_int, fmt, ptr::NonNull, time::Duration};

/// A decoded picture or a stretch of sound, with its timestamp. The bytes are counted references: handing a
/// frame on copies nothing.
///
/// A picture has up to four planes, as its pixel format says (`yuv420p`: Y, U, V); sound has one plane, or
/// one for each channel if its sample format ends in `p`. Frames that lie on a device (a GPU) have no planes
/// here.
pub struct Frame {
    raw: NonNull<ff::AVFrame>,
    base: Rational,
}

// SAFETY: a frame owns its fields; the buffers that it references have atomic counts, and they are written to
// only after `make_writable` has found or made this frame the only one that refers to them.
unsafe impl Send for Frame {}

impl Frame {
    pub(crate) fn new() -> Result<Self> {
        // SAFETY: allocates, or returns NULL.
        NonNull::new(unsafe { ff::av_frame_alloc() })
            .map(|raw| Self { raw, base: Rational { num: 1, den: 1_000_000 } })
            .ok_or_else(|| Error::new(ErrorKind::LimitExceeded, "no memory for a frame"))
    }

    /// A new picture whose bytes are all 0. `format` is libav's name of a pixel format, such as `yuv420p` or
    /// `rgba`.
    ///
    /// Errors: InvalidArgument for a format that libav does not know or a size out of its range,
    /// LimitExceeded if there is no memory.
    pub fn video(format: &str, width: u32, height: u32) -> Result<Self> {
        let number = pixel_format(format)?;
        let mut frame = Self::new()?;
        let raw = frame.get_mut();
        raw.format = number;
        (raw.width, raw.height) = (size(width)?, size(height)?);
        let mut frame = frame.allocate()?;
        for buffer in frame.get_mut().buf {
            // SAFETY: NULL, or a reference to a fresh buffer that only this frame has, of `size` bytes. What
            // nobody writes to has a value then, too: safe code reads it, also between the lines.
            unsafe {
                if let Some(buffer) = buffer.as_ref() {
                    std::ptr::write_bytes(buffer.data, 0, buffer.size);
                }
            }
        }
        Ok(frame)
    }

    fn allocate(self) -> Result<Self> {
        // SAFETY: live and ours, with its format and size set and no buffers yet.
        check(unsafe { ff::av_frame_get_buffer(self.raw.as_ptr(), 0) }, "allocating a frame")?;
        Ok(self)
    }

    fn get(&self) -> &ff::AVFrame {
        // SAFETY: live as long as self.
        unsafe { self.raw.as_ref() }
    }

    fn get_mut(&mut self) -> &mut ff::AVFrame {
        // SAFETY: live as long as self, and ours alone.
        unsafe { self.raw.as_mut() }
    }

    pub(super) fn as_ptr(&self) -> *mut ff::AVFrame {
        self.raw.as_ptr()
    }

    /// When it is shown or heard, on the clock of the result.
    pub fn time(&self) -> Option<Timestamp> {
        self.pts().map(|pts| Timestamp::from_ticks(pts, self.base))
    }

    /// Moves it to another time.
    pub fn set_time(&mut self, time: Timestamp) {
        let pts = time.ticks(self.base);
        self.set_pts(pts);
    }

    /// How long it is shown or heard; zero where that is not known.
    pub fn duration(&self) -> Duration {
        self.shown().length()
    }

    /// The same as a distance on the clock.
    pub(crate) fn shown(&self) -> Timestamp {
        if self.is_audio() {
            let rate = c_int::try_from(self.sample_rate()).unwrap_or(0);
            let samples = i64::try_from(self.samples()).unwrap_or(0);
            return Rational::new(1, rate)
                .map_or(Timestamp::ZERO, |base| Timestamp::from_ticks(samples, base));
        }
        Timestamp::from_ticks(self.length(), self.base)
    }

    /// In ticks of its time base.
    pub(crate) fn pts(&self) -> Option<i64> {
        Some(self.get().pts).filter(|pts| *pts != ff::AV_NOPTS_VALUE)
    }

    pub(crate) fn set_pts(&mut self, pts: i64) {
        self.get_mut().pts = pts;
    }

    /// libav's best guess at its pts, for sources whose own are missing or wrong.
    pub(crate) fn best_pts(&self) -> Option<i64> {
        Some(self.get().best_effort_timestamp).filter(|pts| *pts != ff::AV_NOPTS_VALUE).or_else(|| self.pts())
    }

    pub(crate) fn base(&self) -> Rational {
        self.base
    }

    pub(crate) fn set_base(&mut self, base: Rational) {
        self.base = base;
        self.get_mut().time_base = ff::AVRational { num: base.num, den: base.den };
    }

    /// A picture's duration in ticks; 0 where it is not known.
    pub(crate) fn length(&self) -> i64 {
        #[cfg(libav_6_0)]
        let length = self.get().duration;
        #[cfg(not(libav_6_0))]
        let length = self.get().pkt_duration;
        length.max(0)
    }

    pub(crate) fn set_length(&mut self, ticks: i64) {
        #[cfg(libav_6_0)]
        {
            self.get_mut().duration = ticks;
        }
        #[cfg(not(libav_6_0))]
        {
            self.get_mut().pkt_duration = ticks;
        }
    }

    /// When it ends, in ticks of its time base; None where that is not known.
    pub(crate) fn ends(&self) -> Option<i64> {
        let length = if self.is_audio() { i64::try_from(self.samples()).unwrap_or(0) } else { self.length() };
        let rated = !self.is_audio() || i64::from(self.sample_rate()) == i64::from(self.base.den);
        self.pts().filter(|_| length > 0 && rated).map(|pts| pts.saturating_add(length))
    }

    /// Channels without a layout (WAV of two) get the usual one for their number, as in ffmpeg.
    pub(crate) fn guess_layout(&mut self) {
        if self.is_audio() {
            guess_layout(&mut self.get_mut().ch_layout);
        }
    }

    /// Puts its times on another time base.
    pub(crate) fn rescale(&mut self, to: Rational) {
        let from = self.base;
        if let Some(pts) = self.pts() {
            self.set_pts(convert(pts, from, to));
        }
        let length = convert(self.length(), from, to);
        self.set_length(length);
        self.set_base(to);
    }

    /// Whether this is sound; else it is a picture.
    pub fn is_audio(&self) -> bool {
        self.get().width <= 0 && self.get().nb_samples > 0
    }

    /// Pixels in a line; 0 for sound.
    pub fn width(&self) -> u32 {
        u32::try_from(self.get().width).unwrap_or(0)
    }

    /// Lines; 0 for sound.
    pub fn height(&self) -> u32 {
        u32::try_from(self.get().height).unwrap_or(0)
    }

    /// Samples in each channel; 0 for a picture.
    pub fn samples(&self) -> usize {
        usize::try_from(self.get().nb_samples).unwrap_or(0)
    }

    /// Samples in a second; 0 for a picture.
    pub fn sample_rate(&self) -> u32 {
        u32::try_from(self.get().sample_rate).unwrap_or(0)
    }

    /// Channels; 0 for a picture.
    pub fn channels(&self) -> u32 {
        u32::try_from(self.get().ch_layout.nb_channels).unwrap_or(0)
    }

    /// libav's name of its pixel or sample format, such as `yuv420p` or `fltp`.
    pub fn format(&self) -> String {
        let number = self.get().format;
        // SAFETY: numbers that libav does not know are no variants; the functions answer with a static string
        // or NULL.
        unsafe {
            if self.is_audio() {
                sample_fmt(number).map(|f| string(ff::av_get_sample_fmt_name(f)))
            } else {
                pix_fmt(number).map(|f| string(ff::av_get_pix_fmt_name(f)))
            }
        }
        .unwrap_or_default()
    }

    /// Whether it lies on a device, where its planes can't be reached.
    pub fn is_on_device(&self) -> bool {
        !self.get().hw_frames_ctx.is_null()
    }

    /// Whether the decoder concealed errors in it.
    pub(crate) fn is_damaged(&self) -> bool {
        let raw = self.get();
        raw.decode_error_flags != 0 || raw.flags & ff::AV_FRAME_FLAG_CORRUPT != 0
    }

    /// What libav's demuxers and filters have written beside it (`lavfi.cropdetect.x1`…).
    pub fn metadata(&self) -> Vec<(String, String)> {
        // SAFETY: the frame's dictionary is live.
        unsafe { dict::pairs(self.get().metadata) }
    }

    /// Bytes that it keeps in memory.
    pub(crate) fn memory(&self) -> usize {
        let mut sum: usize = 0;
        for buffer in self.get().buf {
            // SAFETY: NULL, or a reference that the frame holds.
            if let Some(buffer) = unsafe { buffer.as_ref() } {
                sum = sum.saturating_add(buffer.size);
            }
        }
        sum
    }

    /// Takes over another frame's times and properties (colour, aspect, metadata, side data), but not its
    /// bytes.
    ///
    /// Errors: LimitExceeded if there is no memory.
    pub fn copy_properties(&mut self, other: &Self) -> Result<()> {
        // SAFETY: both are live.
        let code = unsafe { ff::av_frame_copy_props(self.raw.as_ptr(), other.raw.as_ptr()) };
        check(code, "copying a frame's properties")?;
        self.base = other.base;
        Ok(())
    }

    /// A second frame that shares this one's bytes.
    ///
    /// Errors: LimitExceeded if there is no memory.
    pub fn try_clone(&self) -> Result<Self> {
        let mut copy = Self::new()?;
        // SAFETY: both are live, and the new one is blank.
        check(unsafe { ff::av_frame_ref(copy.raw.as_ptr(), self.raw.as_ptr()) }, "sharing a frame")?;
        copy.base = self.base;
        Ok(copy)
    }

    /// Moves what is in this frame into a new one; this one is blank then.
    pub(crate) fn take(&mut self) -> Result<Self> {
        let mut new = Self::new()?;
        new.base = self.base;
        // SAFETY: both are live and ours, and the new one is blank.
        unsafe { ff::av_frame_move_ref(new.raw.as_ptr(), self.raw.as_ptr()) };
        Ok(new)
    }

    /// Asks the encoder for a keyframe.
    pub(crate) fn force_key(&mut self) {
        self.get_mut().pict_type = ff::AVPictureType::AV_PICTURE_TYPE_I;
    }

    /// By libav's lambda.
    pub(crate) fn set_quality(&mut self, quality: i32) {
        self.get_mut().quality = quality;
    }

    /// Leaves the kind of the picture to the encoder, which would otherwise follow the source's keyframes.
    pub(crate) fn forget_kind(&mut self) {
        let raw = self.get_mut();
        raw.pict_type = ff::AVPictureType::AV_PICTURE_TYPE_NONE;
        #[cfg(not(libav_9_0))]
        {
            raw.key_frame = 0;
        }
        #[cfg(libav_6_1)]
        {
            raw.flags &= !ff::AV_FRAME_FLAG_KEY;
        }
    }

    /// Whether it comes of fields, and which was first: None for a whole picture.
    pub(crate) fn interlaced(&self) -> Option<bool> {
        let raw = self.get();
        #[cfg(libav_6_1)]
        let (interlaced, top) = (
            raw.flags & ff::AV_FRAME_FLAG_INTERLACED != 0,
            raw.flags & ff::AV_FRAME_FLAG_TOP_FIELD_FIRST != 0,
        );
        #[cfg(not(libav_6_1))]
        let (interlaced, top) = (raw.interlaced_frame != 0, raw.top_field_first != 0);
        interlaced.then_some(top)
    }

    /// libav's description of the channel layout, such as `stereo`; empty for a picture.
    pub fn layout(&self) -> String {
        super::format::describe_layout(&self.get().ch_layout)
    }

    /// The pixel format that its picture has in memory, if it lies on a device.
    pub(crate) fn format_in_memory(&self) -> Option<String> {
        // SAFETY: NULL, or the frame's reference to its pool.
        unsafe { super::format::in_memory(self.get().hw_frames_ctx) }
    }

    /// The pool of a device that it comes from.
    pub(crate) fn frames_context(&self) -> Option<BufferRef> {
        // SAFETY: the frame's reference is live; a frames context is shared between threads.
        unsafe { BufferRef::to(self.get().hw_frames_ctx) }
    }

    pub(crate) fn clear(&mut self) {
        // SAFETY: live and ours.
        unsafe { ff::av_frame_unref(self.raw.as_ptr()) };
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        let mut pointer = self.raw.as_ptr();
        // SAFETY: self owns the frame, and it is not used afterwards.
        unsafe { ff::av_frame_free(&raw mut pointer) };
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Frame");
        out.field("time", &self.time()).field("format", &self.format());
        if self.is_audio() {
            out.field("samples", &self.samples()).field("rate", &self.sample_rate());
            out.field("layout", &self.layout());
        } else {
            out.field("width", &self.width()).field("height", &self.height());
        }
        out.finish()
    }
}

fn size(pixels: u32) -> Result<c_int> {
    c_int::try_from(pixels)
        .ok()
        .filter(|n| (1..=1 << 16).contains(n))
        .ok_or_else(|| Error::invalid(format!("{pixels} pixels: expected 1 to 65536")))
}
