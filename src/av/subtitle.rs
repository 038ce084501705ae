//! Subtitles of text from one codec to another (avcodec_decode_subtitle2, avcodec_encode_subtitle).

use super::{check, dict::Dict, encoder, log, packet::Packet, stream::Stream};
use crate::{Error, ErrorKind, Result, time::Rational};
use ffmpeg_sys_next as ff;
use std::{ffi::c_int, ptr::NonNull};

/// The most bytes of one coded subtitle, as in ffmpeg.
const LARGEST: usize = 1 << 20;
/// What subtitles are timed in: encoders of text count in milliseconds.
const BASE: Rational = Rational { num: 1, den: 1000 };

struct Context(NonNull<ff::AVCodecContext>);

impl Drop for Context {
    fn drop(&mut self) {
        let mut pointer = self.0.as_ptr();
        // SAFETY: self owns the context, opened or not.
        unsafe { ff::avcodec_free_context(&raw mut pointer) };
    }
}

impl Context {
    fn alloc(codec: *const ff::AVCodec) -> Result<Self> {
        // SAFETY: allocates for a codec that is static, or returns NULL.
        NonNull::new(unsafe { ff::avcodec_alloc_context3(codec) })
            .map(Self)
            .ok_or_else(|| Error::new(ErrorKind::LimitExceeded, "no memory for a subtitle codec"))
    }
}

/// Reads subtitles of one codec and writes them in another.
pub(crate) struct SubtitleConverter {
    from: Context,
    to: Context,
    buffer: Vec<u8>,
}

// SAFETY: contexts may move between threads, as long as one at a time uses them; `&mut self` sees to that.
unsafe impl Send for SubtitleConverter {}

impl SubtitleConverter {
    /// None where libav can't make text of the one, or not the other of text.
    pub(crate) fn open(source: &Stream, codec: &str) -> Result<Option<Self>> {
        log::clear();
        let Some(kind) = encoder::EncoderKind::find(codec) else { return Ok(None) };
        // SAFETY: the parameters are live; descriptions are static or NULL; contexts are live, ours, and
        // opened once. The header that the encoder is given is libav's own allocation, which it frees with
        // the context.
        unsafe {
            let parameters = source.parameters();
            let description = ff::avcodec_descriptor_get((*parameters).codec_id).as_ref();
            if description.is_none_or(|d| d.props & ff::AV_CODEC_PROP_TEXT_SUB as c_int == 0) {
                return Ok(None);
            }
            let decoder = ff::avcodec_find_decoder((*parameters).codec_id);
            if decoder.is_null() {
                return Ok(None);
            }
            let from = Context::alloc(decoder)?;
            check(
                ff::avcodec_parameters_to_context(from.0.as_ptr(), parameters),
                "setting a subtitle decoder up",
            )?;
            let base = source.time_base();
            (*from.0.as_ptr()).pkt_timebase = ff::AVRational { num: base.num, den: base.den };
            let mut none = Dict::new();
            check(ff::avcodec_open2(from.0.as_ptr(), decoder, none.as_mut()), "opening a subtitle decoder")?;

            let to = Context::alloc(kind.as_ptr())?;
            let (c, header) = (&mut *to.0.as_ptr(), &*from.0.as_ptr());
            c.time_base = ff::AVRational { num: BASE.num, den: BASE.den };
            if let (Ok(len), false) =
                (usize::try_from(header.subtitle_header_size), header.subtitle_header.is_null())
            {
                let copy = ff::av_mallocz(len.saturating_add(1)).cast::<u8>();
                if !copy.is_null() {
                    std::ptr::copy_nonoverlapping(header.subtitle_header, copy, len);
                    c.subtitle_header = copy;
                    c.subtitle_header_size = header.subtitle_header_size;
                }
            }
            let mut none = Dict::new();
            check(
                ff::avcodec_open2(to.0.as_ptr(), kind.as_ptr(), none.as_mut()),
                "opening a subtitle encoder",
            )?;
            Ok(Some(Self { from, to, buffer: vec![0; LARGEST] }))
        }
    }

    /// The stream that a muxer is told of.
    pub(crate) fn stream(&self, source: &Stream) -> Result<Stream> {
        // SAFETY: an open context.
        unsafe { Stream::from_context(self.to.0.as_ptr(), BASE, source, true) }
    }

    /// What the packets that come out are timed in.
    pub(crate) fn base(&self) -> Rational {
        BASE
    }

    /// A packet with the same text at the same time (pts and duration in `from`); None where there is nothing
    /// to show. A damaged one is an error of kind Corrupt.
    pub(crate) fn convert(&mut self, packet: &Packet, from: Rational) -> Result<Option<Packet>> {
        let Some(pts) = packet.pts().or(packet.dts()) else { return Ok(None) };
        // SAFETY: zeroes are a valid blank subtitle; it is freed on every way. The packet and both contexts
        // are live, and the buffer has as many bytes as is said.
        let (len, lasts) = unsafe {
            let mut subtitle: ff::AVSubtitle = std::mem::zeroed();
            let mut got = 0;
            let code = ff::avcodec_decode_subtitle2(
                self.from.0.as_ptr(),
                &raw mut subtitle,
                &raw mut got,
                packet.as_ptr(),
            );
            if code < 0 || got == 0 || subtitle.num_rects == 0 {
                ff::avsubtitle_free(&raw mut subtitle);
                check(code.min(0), "reading a subtitle")?;
                return Ok(None);
            }
            let lasts = subtitle.end_display_time.saturating_sub(subtitle.start_display_time);
            // Encoders want it to begin at 0.
            (subtitle.start_display_time, subtitle.end_display_time) = (0, lasts);
            let size = c_int::try_from(self.buffer.len()).unwrap_or(0);
            let len = ff::avcodec_encode_subtitle(
                self.to.0.as_ptr(),
                self.buffer.as_mut_ptr(),
                size,
                &raw const subtitle,
            );
            ff::avsubtitle_free(&raw mut subtitle);
            (check(len, "writing a subtitle")?, lasts)
        };
        let bytes = self.buffer.get(..usize::try_from(len).unwrap_or(0)).unwrap_or_default();
        let mut made = Packet::with(bytes)?;
        let pts = crate::time::convert(pts, from, BASE);
        let known = crate::time::convert(packet.duration(), from, BASE);
        let duration = if known > 0 { known } else { i64::from(lasts) };
        made.set_times(pts, pts, duration);
        Ok(Some(made))
    }
}
