//! Pictures that are larger than they may be: libav's decoders answer to them as they do to damage.

use super::Decoder;
use crate::{
    Error, Limits,
    av::{
        frame::Frame,
        stream::{Stream, StreamKind},
    },
};
use std::ffi::c_int;

/// What stands for a size that nobody knows yet. libav sets a size that it refuses to 0 (utils.c:
/// ff_set_dimensions), which shows only where there was one before. Hardly a video has this one.
const UNKNOWN: c_int = 1;

/// Codecs of stills: each picture says its size, and one of a single pixel is no rarity.
const STILLS: [&str; 4] = ["png", "mjpeg", "bmp", "webp"];

/// How large a decoder's pictures may be.
#[derive(Default)]
pub(super) struct Most {
    pixels: u64,
    /// The limit that says so.
    limit: &'static str,
    /// Nothing says how large they are; not even the picture, perhaps.
    unknown: bool,
    /// What the decoder answered last.
    pub code: c_int,
    /// It gave pictures.
    pub has_given: bool,
}

impl Decoder {
    /// Takes note of how large pictures may be, in front of the decoder's opening.
    pub(super) fn bound_size(&mut self, stream: &Stream, pixels: u64, by_memory: bool) {
        if stream.kind() != StreamKind::Video {
            return;
        }
        let limit = if by_memory { "decoder_memory" } else { "pixels" };
        let unknown = stream.size().is_none();
        let may_stay = unknown && !STILLS.contains(&stream.codec().as_str());
        self.size = Most { pixels, limit, unknown: may_stay, ..Most::default() };
        if unknown {
            // SAFETY: live as long as self, and not open yet.
            let context = unsafe { self.context.as_mut() };
            (context.width, context.height) = (UNKNOWN, UNKNOWN);
        }
    }

    /// Whether a frame has the size that stands for none.
    pub(super) fn is_placeholder(&self, frame: &Frame) -> bool {
        self.size.unknown && (frame.width(), frame.height()) == (1, 1)
    }

    /// The error for a limit by which the decoder refused its last input; None if that was damaged in
    /// another way.
    pub(crate) fn too_large(&self) -> Option<Error> {
        let Most { pixels, limit, code, has_given, .. } = self.size;
        if pixels == 0 || code >= 0 {
            return None;
        }
        // SAFETY: live as long as self.
        let c = unsafe { self.context.as_ref() };
        let number = |side: c_int| u64::try_from(side).unwrap_or(0);
        let (w, h) = (number(c.width), number(c.height));
        // As it counts them when it allocates one (decode.c: ff_get_buffer).
        let is_over = w.next_multiple_of(64).saturating_mul(h) > pixels;
        // Pictures that lack one which was refused are answered to with another code, and the size stays 0.
        let is_unset = (w, h) == (0, 0) && (!has_given || code == -libc::EINVAL);
        if !is_over && !is_unset && !self.refuses_all_that_refer() {
            return None;
        }
        let size = if is_over { format!("of {w}x{h} pixels") } else { "that are larger".into() };
        let most = match limit {
            "pixels" => format!("the limit is {pixels} pixels in all"),
            _ => format!("a decoder has memory for those of {pixels} pixels in all"),
        };
        Some(Limits::reached(limit, format!("pictures {size}, and {most}")))
    }

    /// Whether the decoder's last answer refuses a size in a way that it does not repeat for the pictures
    /// that refer to it. dav1d says ERANGE to those of more pixels than it may make.
    pub(crate) fn refuses_all_that_refer(&self) -> bool {
        self.size.code == -libc::ERANGE
    }
}
