//! What an encoder takes, as libavcodec says before one is opened (AVCodecConfig).

use super::EncoderKind;
use crate::{
    av::{
        format::{self, pix_fmt, sample_fmt},
        string,
    },
    time::Rational,
};
use ffmpeg_sys_next as ff;
use std::ffi::c_int;

impl EncoderKind {
    /// The pixel formats in memory that it takes, by libav's names; empty where it does not say.
    pub(crate) fn pixel_formats(self) -> Vec<String> {
        // SAFETY: the list is static and ends with -1 (AV_PIX_FMT_NONE); its entries are read as the ints
        // they are.
        let numbers = unsafe { numbers(self.list(Config::PixelFormats).cast::<c_int>(), |n| n == -1) };
        let name = |number: c_int| {
            let format = pix_fmt(number)?;
            // SAFETY: a valid format has a static name.
            (!format::lies_on_device(format)).then(|| unsafe { string(ff::av_get_pix_fmt_name(format)) })
        };
        let mut names: Vec<String> = numbers.into_iter().filter_map(name).collect();
        if cfg!(not(libav_7_1)) && matches!(self.name().as_str(), "mjpeg" | "ljpeg") {
            // JPEG's colours have the full range. libav's list has formats of the limited one as well, but
            // the encoder takes them only if it is allowed to break the standard (ffmpeg's
            // get_compliance_normal_pix_fmts).
            names.retain(|name| !name.starts_with("yuv4"));
        }
        names
    }

    /// Whether it takes colours of the full range alone, whatever the pixel format. Before FFmpeg 7.1 the
    /// formats tell (`yuvj420p`).
    pub(crate) fn wants_full_range(self) -> bool {
        #[cfg(libav_7_1)]
        {
            // SAFETY: the list is static and ends with 0 (AVCOL_RANGE_UNSPECIFIED); its entries are read as
            // the ints they are.
            let ranges = unsafe { numbers(self.list(Config::ColorRanges).cast::<c_int>(), |n| n == 0) };
            // Lossless JPEG does not say so, and refuses the others.
            ranges == [ff::AVColorRange::AVCOL_RANGE_JPEG as c_int] || self.name() == "ljpeg"
        }
        #[cfg(not(libav_7_1))]
        false
    }

    pub(crate) fn sample_formats(self) -> Vec<String> {
        // SAFETY: as in `pixel_formats`.
        let numbers = unsafe { numbers(self.list(Config::SampleFormats).cast::<c_int>(), |n| n == -1) };
        // SAFETY: a valid format has a static name.
        let name = |number| sample_fmt(number).map(|f| unsafe { string(ff::av_get_sample_fmt_name(f)) });
        numbers.into_iter().filter_map(name).collect()
    }

    pub(crate) fn sample_rates(self) -> Vec<u32> {
        // SAFETY: the list is static and ends with 0.
        let numbers = unsafe { numbers(self.list(Config::SampleRates).cast::<c_int>(), |n| n == 0) };
        numbers.into_iter().filter_map(|n| u32::try_from(n).ok()).collect()
    }

    /// By libav's description, such as `stereo`.
    pub(crate) fn layouts(self) -> Vec<String> {
        let mut found = Vec::new();
        let mut entry = self.list(Config::Layouts).cast::<ff::AVChannelLayout>();
        // SAFETY: the list is static and ends with a layout without channels.
        unsafe {
            while !entry.is_null() && (*entry).nb_channels > 0 {
                found.push(format::describe_layout(&*entry));
                entry = entry.add(1);
            }
        }
        found
    }

    /// The frame rates that it can state; empty for any.
    pub(crate) fn frame_rates(self) -> Vec<Rational> {
        let mut found = Vec::new();
        let mut entry = self.list(Config::FrameRates).cast::<ff::AVRational>();
        // SAFETY: the list is static and ends with 0/0.
        unsafe {
            while !entry.is_null() && (*entry).den != 0 {
                found.extend(Rational::new((*entry).num, (*entry).den));
                entry = entry.add(1);
            }
        }
        found
    }

    #[cfg(libav_7_1)]
    fn list(self, config: Config) -> *const std::ffi::c_void {
        use ff::AVCodecConfig::{
            AV_CODEC_CONFIG_CHANNEL_LAYOUT, AV_CODEC_CONFIG_COLOR_RANGE, AV_CODEC_CONFIG_FRAME_RATE,
            AV_CODEC_CONFIG_PIX_FORMAT, AV_CODEC_CONFIG_SAMPLE_FORMAT, AV_CODEC_CONFIG_SAMPLE_RATE,
        };
        let which = match config {
            Config::PixelFormats => AV_CODEC_CONFIG_PIX_FORMAT,
            Config::ColorRanges => AV_CODEC_CONFIG_COLOR_RANGE,
            Config::SampleFormats => AV_CODEC_CONFIG_SAMPLE_FORMAT,
            Config::SampleRates => AV_CODEC_CONFIG_SAMPLE_RATE,
            Config::Layouts => AV_CODEC_CONFIG_CHANNEL_LAYOUT,
            Config::FrameRates => AV_CODEC_CONFIG_FRAME_RATE,
        };
        let mut list = std::ptr::null();
        // SAFETY: without a context the list is the codec's static one, or NULL for no restriction.
        let code = unsafe {
            ff::avcodec_get_supported_config(
                std::ptr::null(),
                self.0.as_ptr(),
                which,
                0,
                &raw mut list,
                std::ptr::null_mut(),
            )
        };
        if code < 0 { std::ptr::null() } else { list }
    }

    #[cfg(not(libav_7_1))]
    fn list(self, config: Config) -> *const std::ffi::c_void {
        let codec = self.get();
        match config {
            Config::PixelFormats => codec.pix_fmts.cast(),
            Config::SampleFormats => codec.sample_fmts.cast(),
            Config::SampleRates => codec.supported_samplerates.cast(),
            Config::Layouts => codec.ch_layouts.cast(),
            Config::FrameRates => codec.supported_framerates.cast(),
        }
    }
}

#[derive(Clone, Copy)]
enum Config {
    PixelFormats,
    #[cfg(libav_7_1)]
    ColorRanges,
    SampleFormats,
    SampleRates,
    Layouts,
    FrameRates,
}

/// # Safety
/// `list` is NULL or ends with an entry that `ends` knows.
unsafe fn numbers(mut list: *const c_int, ends: impl Fn(c_int) -> bool) -> Vec<c_int> {
    let mut found = Vec::new();
    // SAFETY: the caller's promise.
    unsafe {
        while !list.is_null() && !ends(*list) {
            found.push(*list);
            list = list.add(1);
        }
    }
    found
}
