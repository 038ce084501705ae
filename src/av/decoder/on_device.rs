//! Decoding on a device: which of libav's decoders can, and what becomes of a stream that the device does not
//! take.

use super::Decoder;
use crate::{
    Result,
    av::{
        device::Device,
        format::{lies_on_device, pix_fmt},
        log,
    },
};
use ffmpeg_sys_next as ff;
use std::ffi::c_int;

/// Pictures beyond those that a decoder needs for itself: what waits in our queues and filters is missing in
/// its pool.
const WAITING: c_int = 8;
/// Pictures that NVDEC has in all: it refuses larger pools.
const MOST: c_int = 32;
/// The mark of a context whose device has refused the stream, in place of its pictures' format.
const REFUSED: c_int = 1000;

/// The decoder to take on a device, which need not be the usual one (for AV1 that is dav1d, in software
/// alone); NULL where none can decode there.
pub(super) fn codec(usual: *const ff::AVCodec, device: &Device) -> *const ff::AVCodec {
    // SAFETY: `usual` is NULL or a codec of libav's; codecs are static descriptions, and the state is this
    // loop's.
    unsafe {
        if usual.is_null() || format(usual, device).is_some() {
            return usual;
        }
        let mut state = std::ptr::null_mut();
        loop {
            let codec = ff::av_codec_iterate(&raw mut state);
            // Those that are a device's alone (`av1_cuvid`) choose by themselves what they do in software.
            if codec.is_null()
                || (*codec).id == (*usual).id
                    && ff::av_codec_is_decoder(codec) != 0
                    && (*codec).capabilities & ff::AV_CODEC_CAP_HARDWARE as c_int == 0
                    && format(codec, device).is_some()
            {
                return codec;
            }
        }
    }
}

/// The format of pictures on a device of this kind that a decoder makes; None where it makes none.
///
/// # Safety
/// `codec` is a codec of libav's.
unsafe fn format(codec: *const ff::AVCodec, device: &Device) -> Option<c_int> {
    // SAFETY: the caller's promise; configurations are static, NULL comes behind the last, and what is in
    // them is read as the ints that they are.
    unsafe {
        (0..)
            .map_while(|index| ff::avcodec_get_hw_config(codec, index).as_ref())
            .find(|config| {
                let by_device = config.methods & ff::AV_CODEC_HW_CONFIG_METHOD_HW_DEVICE_CTX as c_int != 0;
                let kind = (&raw const config.device_type).cast::<c_int>().read();
                by_device && kind == device.raw_kind() as c_int
            })
            .map(|config| (&raw const config.pix_fmt).cast::<c_int>().read())
    }
}

impl Decoder {
    /// Lets it decode on a device, if its codec can on one of this kind.
    pub(super) fn use_device(&mut self, device: &Device) -> Result<()> {
        // SAFETY: the context is live and not open; its codec was set when it was allocated. libav frees the
        // reference with the context, and calls back with the context alone, which carries the format.
        unsafe {
            let c = self.context.as_mut();
            let Some(wanted) = format(c.codec, device) else { return Ok(()) };
            c.hw_device_ctx = device.reference()?;
            self.has_device = true;
            log::mark_with(c, wanted);
            c.get_format = Some(choose_format);
            c.extra_hw_frames = WAITING;
        }
        Ok(())
    }

    /// Whether the device has refused the stream, at what it was given last: of that comes nothing.
    pub(crate) fn is_refused(&self) -> bool {
        // SAFETY: live as long as self.
        self.has_device && log::marked_with(unsafe { self.context.as_ref() }) == Some(REFUSED)
    }

    /// Why the device has refused the stream.
    pub(crate) fn refusal(&self) -> String {
        let lines = log::take();
        // decode.c says so when a device does not start; what its driver said stands before.
        let end = lines.iter().position(|line| line.contains("Failed setup for format"));
        match end.and_then(|end| lines.get(end.checked_sub(1)?)) {
            Some(line) => line.clone(),
            None if end.is_some() => "it does not start".into(),
            None => "such pictures are not decoded on it without loss".into(),
        }
    }
}

/// `AVCodecContext.get_format`: the device's format, or none and a mark: a decoder of another kind, or with
/// more threads, goes on then. libav asks again without the device's where that does not start (decode.c:
/// ff_get_format), also in mid-stream.
unsafe extern "C" fn choose_format(
    context: *mut ff::AVCodecContext,
    formats: *const ff::AVPixelFormat,
) -> ff::AVPixelFormat {
    // SAFETY: libav hands over its context, which nobody else uses now (the decoder has one thread), and a
    // list that ends with NONE; its formats are of the header's own version.
    unsafe {
        let wanted = log::marked_with(&*context);
        let (mut on_device, mut in_memory) = (None, None);
        let mut format = formats;
        while !format.is_null() && *format != ff::AVPixelFormat::AV_PIX_FMT_NONE {
            if wanted == Some(*format as c_int) {
                on_device = Some(*format);
            } else if !lies_on_device(*format) {
                in_memory = in_memory.or(Some(*format));
            }
            format = format.add(1);
        }
        match on_device {
            Some(on_device) if holds(context, on_device, in_memory) => on_device,
            _ => {
                log::mark_with(&mut *context, REFUSED);
                ff::AVPixelFormat::AV_PIX_FMT_NONE
            }
        }
    }
}

/// Whether the device's pictures have all that they have in memory (NVDEC makes 4:2:0 of JPEG's 4:2:2). Lets
/// its pool be no larger than may be.
///
/// # Safety
/// As [`choose_format`].
unsafe fn holds(
    context: *mut ff::AVCodecContext,
    on_device: ff::AVPixelFormat,
    in_memory: Option<ff::AVPixelFormat>,
) -> bool {
    let mut pool = std::ptr::null_mut();
    // SAFETY: the context and its device are live, and this is the callback that the function is made for;
    // the reference that it gives is ours, to an AVHWFramesContext.
    unsafe {
        let device = (*context).hw_device_ctx;
        if device.is_null()
            || ff::avcodec_get_hw_frames_parameters(context, device, on_device, &raw mut pool) < 0
        {
            // It says nothing in advance.
            return true;
        }
        // Its chroma lies a line further down than libav takes it from (nvdec.c: nvdec_retrieve_data).
        let lines = (*context).height.max((*context).coded_height);
        let is_cuda = on_device == ff::AVPixelFormat::AV_PIX_FMT_CUDA;
        let about = &*(*pool).data.cast::<ff::AVHWFramesContext>();
        let over = about.initial_pool_size.saturating_sub(MOST).max(0);
        if is_cuda {
            (*context).extra_hw_frames = (*context).extra_hw_frames.saturating_sub(over).max(0);
        }
        let found = pix_fmt((&raw const about.sw_format).cast::<c_int>().read());
        ff::av_buffer_unref(&raw mut pool);
        match (found, in_memory) {
            _ if is_cuda && lines.checked_rem(2) == Some(1) => false,
            (Some(found), Some(memory)) => is_as_good(found, memory),
            _ => true,
        }
    }
}

/// Whether pictures of a format have the depth and the chroma of another.
fn is_as_good(format: ff::AVPixelFormat, other: ff::AVPixelFormat) -> bool {
    // SAFETY: valid formats; their descriptions are static, or NULL.
    let (Some(format), Some(other)) =
        (unsafe { (ff::av_pix_fmt_desc_get(format).as_ref(), ff::av_pix_fmt_desc_get(other).as_ref()) })
    else {
        return true;
    };
    let colourless = other.nb_components < 3;
    format.comp[0].depth >= other.comp[0].depth
        && (colourless
            || format.log2_chroma_w <= other.log2_chroma_w && format.log2_chroma_h <= other.log2_chroma_h)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ff::AVPixelFormat::{
        AV_PIX_FMT_CUDA, AV_PIX_FMT_GRAY8, AV_PIX_FMT_NONE, AV_PIX_FMT_NV12, AV_PIX_FMT_P010LE,
        AV_PIX_FMT_VAAPI, AV_PIX_FMT_YUV420P, AV_PIX_FMT_YUV420P10LE, AV_PIX_FMT_YUVJ422P,
    };

    #[test]
    fn a_format_is_the_devices_as_long_as_libav_offers_it_and_then_none_and_a_mark() {
        // SAFETY: a blank context, freed at the end; the formats live during the calls and end with NONE.
        unsafe {
            let mut context = ff::avcodec_alloc_context3(std::ptr::null());
            log::mark_with(&mut *context, AV_PIX_FMT_CUDA as c_int);
            let offered =
                [AV_PIX_FMT_VAAPI, AV_PIX_FMT_CUDA, AV_PIX_FMT_YUV420P, AV_PIX_FMT_NV12, AV_PIX_FMT_NONE];
            assert_eq!(choose_format(context, offered.as_ptr()), AV_PIX_FMT_CUDA);
            assert_ne!(log::marked_with(&*context), Some(REFUSED));
            // The device refused the stream: libav asks again, without it.
            let left = [AV_PIX_FMT_VAAPI, AV_PIX_FMT_YUV420P, AV_PIX_FMT_NONE];
            assert_eq!(choose_format(context, left.as_ptr()), AV_PIX_FMT_NONE);
            assert_eq!(log::marked_with(&*context), Some(REFUSED));
            ff::avcodec_free_context(&raw mut context);
        }
    }

    #[test]
    fn pictures_on_a_device_lose_neither_depth_nor_chroma() {
        assert!(is_as_good(AV_PIX_FMT_NV12, AV_PIX_FMT_YUV420P));
        assert!(is_as_good(AV_PIX_FMT_P010LE, AV_PIX_FMT_YUV420P10LE));
        assert!(is_as_good(AV_PIX_FMT_NV12, AV_PIX_FMT_GRAY8));
        assert!(!is_as_good(AV_PIX_FMT_NV12, AV_PIX_FMT_YUVJ422P));
        assert!(!is_as_good(AV_PIX_FMT_NV12, AV_PIX_FMT_YUV420P10LE));
    }
}
