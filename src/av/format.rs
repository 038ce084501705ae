//! Pixel formats, sample formats and channel layouts: libav's numbers and names.

use super::{c_string, string};
use crate::{Error, Result};
use ffmpeg_sys_next as ff;
use std::ffi::c_int;

/// libav's description of a channel layout, such as `stereo`; empty for none.
pub(super) fn describe_layout(layout: &ff::AVChannelLayout) -> String {
    if layout.nb_channels <= 0 {
        return String::new();
    }
    let mut text = [0; 128];
    // SAFETY: the layout is live; pointer and size belong to one array, and the text is cut to fit.
    unsafe {
        let written = ff::av_channel_layout_describe(layout, text.as_mut_ptr(), text.len());
        if written > 0 { string(text.as_ptr()) } else { String::new() }
    }
}

/// Whether pictures of this format lie on a device.
pub(super) fn lies_on_device(format: ff::AVPixelFormat) -> bool {
    // SAFETY: a valid format; its description is static, or NULL.
    unsafe { ff::av_pix_fmt_desc_get(format).as_ref() }
        .is_some_and(|d| d.flags & u64::from(ff::AV_PIX_FMT_FLAG_HWACCEL as u32) != 0)
}

/// libav's name of the format that the pictures of a device's pool have in memory; None for no pool.
///
/// # Safety
/// `pool` is NULL or a live reference to a frames context.
pub(super) unsafe fn in_memory(pool: *const ff::AVBufferRef) -> Option<String> {
    // SAFETY: the buffer of such a reference is an AVHWFramesContext; its format is read as the int it is,
    // and a valid one has a static name.
    unsafe {
        let frames = pool.as_ref()?.data.cast::<ff::AVHWFramesContext>();
        let number = (&raw const (*frames).sw_format).cast::<c_int>().read();
        pix_fmt(number).map(|format| string(ff::av_get_pix_fmt_name(format)))
    }
}

/// Channels of which nobody says where they belong get the usual places, as in ffmpeg: some muxers and
/// filters refuse them.
pub(super) fn guess_layout(layout: &mut ff::AVChannelLayout) {
    if layout.order == ff::AVChannelOrder::AV_CHANNEL_ORDER_UNSPEC && layout.nb_channels > 0 {
        // SAFETY: a live layout without allocations of its own.
        unsafe { ff::av_channel_layout_default(layout, layout.nb_channels) };
    }
}

/// The names of pixel and sample formats. A number that this libav does not know must not become a Rust enum.
pub(super) fn name_of<F>(
    number: i32,
    name: unsafe extern "C" fn(F) -> *const std::ffi::c_char,
    format: fn(i32) -> Option<F>,
) -> Option<String> {
    // SAFETY: `format` gives valid values alone; the functions answer with a static string or NULL.
    format(number).map(|format| unsafe { string(name(format)) })
}

/// What libav says of a codec.
pub(super) fn properties(codec: ff::AVCodecID) -> c_int {
    // SAFETY: a static description, or NULL.
    unsafe { ff::avcodec_descriptor_get(codec).as_ref() }.map_or(0, |codec| codec.props)
}

/// Whether nothing is ever lost in a codec. WavPack has a lossy kind, which libav does not encode.
pub(super) fn is_lossless(codec: ff::AVCodecID) -> bool {
    let (lossless, lossy) = (ff::AV_CODEC_PROP_LOSSLESS as c_int, ff::AV_CODEC_PROP_LOSSY as c_int);
    let of_both = codec == ff::AVCodecID::AV_CODEC_ID_WAVPACK;
    properties(codec) & lossless != 0 && (of_both || properties(codec) & lossy == 0)
}

pub(super) fn pix_fmt(number: i32) -> Option<ff::AVPixelFormat> {
    // AV_PIX_FMT_NB is that of the header the bindings were made from, so every number below it is a variant.
    // SAFETY: the number is inside the enum's range, which has no gaps.
    (number >= 0 && number < ff::AVPixelFormat::AV_PIX_FMT_NB as i32)
        .then(|| unsafe { std::mem::transmute(number) })
}

pub(super) fn sample_fmt(number: i32) -> Option<ff::AVSampleFormat> {
    // SAFETY: as in `pix_fmt`.
    (number >= 0 && number < ff::AVSampleFormat::AV_SAMPLE_FMT_NB as i32)
        .then(|| unsafe { std::mem::transmute(number) })
}

/// The number of a pixel format, by libav's name.
pub(crate) fn pixel_format(name: &str) -> Result<c_int> {
    let c_name = c_string(name)?;
    // SAFETY: a C string; the result is a number, NONE for an unknown name.
    let number = unsafe { ff::av_get_pix_fmt(c_name.as_ptr()) } as c_int;
    if number < 0 {
        return Err(Error::invalid(format!("libav has no pixel format '{name}'"))
            .with_setting("video.pixel_format")
            .advise("see `ffmpeg -pix_fmts`, or try yuv420p"));
    }
    Ok(number)
}

/// Whether libav knows where the channels of a layout of this name belong.
pub(crate) fn is_layout(name: &str) -> bool {
    let Ok(name) = c_string(name) else { return false };
    // SAFETY: the layout is ours, blank before and freed after; the name is a C string.
    unsafe {
        let mut layout: ff::AVChannelLayout = std::mem::zeroed();
        let code = ff::av_channel_layout_from_string(&raw mut layout, name.as_ptr());
        let known = code >= 0 && layout.order != ff::AVChannelOrder::AV_CHANNEL_ORDER_UNSPEC;
        ff::av_channel_layout_uninit(&raw mut layout);
        known
    }
}

/// The usual layout of so many channels, by libav's name.
pub(crate) fn usual_layout(channels: u32) -> String {
    match channels {
        1 => "mono".into(),
        2 => "stereo".into(),
        3 => "2.1".into(),
        4 => "4.0".into(),
        5 => "5.0".into(),
        6 => "5.1".into(),
        7 => "6.1".into(),
        8 => "7.1".into(),
        // The usual places of so many; without any, they are only counted.
        n => Some(format!("{n}c")).filter(|usual| is_layout(usual)).unwrap_or_else(|| format!("{n}C")),
    }
}
