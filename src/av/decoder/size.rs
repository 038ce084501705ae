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
/// ff_set_dimensions), which shows only where there was one before. No picture has this one.
const UNKNOWN: c_int = 1;

/// How large a decoder's pictures may be.
#[derive(Default)]
pub(super) struct Most {
    pixels: u64,
    /// The limit that says so.
    limit: &'static str,
    /// Nothing says yet how large they are.
    unknown: bool,
    /// What the decoder answered last.
    pub code: c_int,
}

impl Decoder {
    /// Takes note of how large pictures may be, in front of the decoder's opening.
    pub(super) fn bound_size(&mut self, stream: &Stream, pixels: u64, by_memory: bool) {
        if stream.kind() != StreamKind::Video {
            return;
        }
        let limit = if by_memory { "decoder_memory" } else { "pixels" };
        let unknown = stream.size().is_none();
        self.size = Most { pixels, limit, unknown, code: 0 };
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
        let Most { pixels, limit, code, .. } = self.size;
        if pixels == 0 || code >= 0 {
            return None;
        }
        // SAFETY: live as long as self.
        let c = unsafe { self.context.as_ref() };
        let number = |side: c_int| u64::try_from(side).unwrap_or(0);
        let (w, h) = (number(c.width), number(c.height));
        // As it counts them when it allocates one (decode.c: ff_get_buffer).
        let is_over = w.next_multiple_of(64).saturating_mul(h) > pixels;
        // dav1d says ERANGE to those of more pixels than it may make.
        if !is_over && (w, h) != (0, 0) && code != -libc::ERANGE {
            return None;
        }
        let size = if is_over { format!("of {w}x{h} pixels") } else { "that are larger".into() };
        let most = match limit {
            "pixels" => format!("the limit is {pixels} pixels in all"),
            _ => format!("a decoder has memory for those of {pixels} pixels in all"),
        };
        Some(Limits::reached(limit, format!("pictures {size}, and {most}")))
    }
}
