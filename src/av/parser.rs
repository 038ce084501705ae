//! AVCodecParserContext: what a coded picture says of itself, without decoding it.

use super::{check, packet::Packet, stream::Stream};
use crate::{Error, ErrorKind, Result};
use ffmpeg_sys_next as ff;
use std::{
    ffi::c_int,
    ptr::{self, NonNull},
};

/// Looks into the packets of one stream, each of which is a whole picture, in the order that they are decoded
/// in.
pub(crate) struct Parser {
    parser: NonNull<ff::AVCodecParserContext>,
    context: Context,
}

/// What a parser knows of a stream; it has the configuration that some pictures are read by.
struct Context(NonNull<ff::AVCodecContext>);

// SAFETY: both may move between threads, as long as one at a time uses them; `&mut self` sees to that.
unsafe impl Send for Parser {}

impl Drop for Context {
    fn drop(&mut self) {
        let mut pointer = self.0.as_ptr();
        // SAFETY: self owns the context, which was never opened.
        unsafe { ff::avcodec_free_context(&raw mut pointer) };
    }
}

impl Drop for Parser {
    fn drop(&mut self) {
        // SAFETY: self owns the parser.
        unsafe { ff::av_parser_close(self.parser.as_ptr()) };
    }
}

/// What a picture says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Looked {
    /// It refers to no other.
    pub is_intra: bool,
    /// It may refer to pictures that are shown later, and in codecs older than H.264 none refers to it.
    pub is_b: bool,
    /// Its place among others of a sequence, if the codec counts them (picture order count in H.264 and
    /// HEVC).
    pub number: Option<i32>,
}

impl Parser {
    /// None for codecs that libav has no parser for.
    pub(crate) fn open(stream: &Stream) -> Result<Option<Self>> {
        let no_memory = || Error::new(ErrorKind::LimitExceeded, "no memory for a parser");
        // SAFETY: a context of no codec, or NULL; its parameters are a deep copy. A parser for the codec by
        // its number, or NULL.
        unsafe {
            let context = NonNull::new(ff::avcodec_alloc_context3(ptr::null())).ok_or_else(no_memory)?;
            let context = Context(context);
            let parameters = stream.parameters();
            check(ff::avcodec_parameters_to_context(context.0.as_ptr(), parameters), "describing a stream")?;
            // An int, and the enum in FFmpeg 9.0.
            let id = (*parameters).codec_id as _;
            let Some(parser) = NonNull::new(ff::av_parser_init(id)) else { return Ok(None) };
            (*parser.as_ptr()).flags |= c_int::try_from(ff::PARSER_FLAG_COMPLETE_FRAMES).unwrap_or(1);
            Ok(Some(Self { parser, context }))
        }
    }

    pub(crate) fn look(&mut self, packet: &Packet) -> Looked {
        use ff::AVPictureType::{AV_PICTURE_TYPE_B, AV_PICTURE_TYPE_I, AV_PICTURE_TYPE_NONE};
        const UNTOLD: c_int = c_int::MIN;
        let (mut out, mut len) = (ptr::null_mut(), 0);
        let none = ff::AV_NOPTS_VALUE;
        // SAFETY: all is live and ours. A packet's data has the zeros behind it that parsers read
        // (AV_INPUT_BUFFER_PADDING_SIZE), and is not written to; what comes back in `out` is a part of it.
        let parser = unsafe {
            let parser = self.parser.as_mut();
            (parser.pict_type, parser.output_picture_number) = (AV_PICTURE_TYPE_NONE as c_int, UNTOLD);
            let (context, raw) = (self.context.0.as_ptr(), &*packet.as_ptr());
            ff::av_parser_parse2(
                self.parser.as_ptr(),
                context,
                &raw mut out,
                &raw mut len,
                raw.data,
                raw.size,
                none,
                none,
                -1,
            );
            self.parser.as_ref()
        };
        Looked {
            is_intra: parser.pict_type == AV_PICTURE_TYPE_I as c_int,
            is_b: parser.pict_type == AV_PICTURE_TYPE_B as c_int,
            number: Some(parser.output_picture_number).filter(|number| *number != UNTOLD),
        }
    }
}
