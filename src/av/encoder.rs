//! AVCodecContext that encodes: frames in, packets out; and what libav's encoders can take.

use super::{
    c_string, check,
    decoder::{Got, settle, threads},
    device::Device,
    dict::Dict,
    error,
    format::{pix_fmt, sample_fmt},
    frame::Frame,
    graph::Format,
    log,
    packet::Packet,
    stream::{Stream, StreamKind},
    string,
};
use crate::{Error, ErrorKind, Result, time::Rational};
use ffmpeg_sys_next as ff;
use std::{ffi::c_int, ptr::NonNull};

/// An encoder of this libav.
#[derive(Clone, Copy)]
pub(crate) struct EncoderKind(NonNull<ff::AVCodec>);

// SAFETY: a static, immutable description inside libavcodec.
unsafe impl Send for EncoderKind {}
// SAFETY: as above.
unsafe impl Sync for EncoderKind {}

impl EncoderKind {
    pub(super) fn as_ptr(self) -> *const ff::AVCodec {
        self.0.as_ptr()
    }

    /// By libav's name, such as `libx264`.
    pub(crate) fn find(name: &str) -> Option<Self> {
        let name = c_string(name).ok()?;
        // SAFETY: a C string; the result is static or NULL.
        NonNull::new(unsafe { ff::avcodec_find_encoder_by_name(name.as_ptr()) }.cast_mut()).map(Self)
    }

    fn get(&self) -> &ff::AVCodec {
        // SAFETY: static.
        unsafe { self.0.as_ref() }
    }

    pub(crate) fn name(self) -> String {
        // SAFETY: a static string.
        unsafe { string(self.get().name) }
    }

    /// libav's name for the codec that it makes, such as `h264`.
    pub(crate) fn codec(self) -> String {
        // SAFETY: avcodec_get_name answers with a static string for every id.
        unsafe { string(ff::avcodec_get_name(self.get().id)) }
    }

    pub(crate) fn kind(self) -> StreamKind {
        match self.get().type_ {
            ff::AVMediaType::AVMEDIA_TYPE_VIDEO => StreamKind::Video,
            ff::AVMediaType::AVMEDIA_TYPE_AUDIO => StreamKind::Audio,
            ff::AVMediaType::AVMEDIA_TYPE_SUBTITLE => StreamKind::Subtitle,
            _ => StreamKind::Unknown,
        }
    }

    /// Whether all frames but the last must have as many samples as the opened encoder says.
    pub(crate) fn has_fixed_frames(self) -> bool {
        self.get().capabilities & ff::AV_CODEC_CAP_VARIABLE_FRAME_SIZE as c_int == 0
    }

    pub(crate) fn is_experimental(self) -> bool {
        self.get().capabilities & ff::AV_CODEC_CAP_EXPERIMENTAL as c_int != 0
    }

    /// Whether libav's table for a muxer has this codec; None where it has no table.
    pub(crate) fn fits(self, muxer: super::output::Muxer) -> Option<bool> {
        muxer.takes(self.get().id, false)
    }

    /// The pixel formats in memory that it takes, by libav's names; empty where it does not say.
    pub(crate) fn pixel_formats(self) -> Vec<String> {
        // SAFETY: the list is static and ends with -1 (AV_PIX_FMT_NONE); its entries are read as the ints they are.
        let numbers = unsafe { numbers(self.list(Config::PixelFormats).cast::<c_int>(), |n| n == -1) };
        let name = |number: c_int| {
            let format = pix_fmt(number)?;
            // SAFETY: a valid format has a static name.
            (!super::format::lies_on_device(format))
                .then(|| unsafe { string(ff::av_get_pix_fmt_name(format)) })
        };
        numbers.into_iter().filter_map(name).collect()
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
                found.push(super::format::describe_layout(&*entry));
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

    /// Whether it has these options, by libav's names, and takes their values, as far as that can be told without opening it:
    /// what it hands on as a text (x264's `preset`) is judged then.
    pub(crate) fn check_options(self, options: &[(String, String)]) -> Result<()> {
        let encoder = Encoder::alloc(self)?;
        let name = self.name();
        for (key, value) in options {
            let (c_key, c_value) = (c_string(key)?, c_string(value)?);
            // SAFETY: the context is live and not open, and both are C strings.
            let code = unsafe {
                let flags = ff::AV_OPT_SEARCH_CHILDREN as c_int;
                ff::av_opt_set(encoder.as_ptr().cast(), c_key.as_ptr(), c_value.as_ptr(), flags)
            };
            let error = match code {
                _ if code >= 0 => continue,
                ff::AVERROR_OPTION_NOT_FOUND => Error::invalid(no_option(&name, key)),
                _ => Error::invalid(format!(
                    "the encoder {name} does not take '{value}' for its option '{key}'"
                ))
                .with_log(error(code, "").log().to_vec()),
            };
            return Err(error.advise(format!("see `ffmpeg -h encoder={name}`")));
        }
        Ok(())
    }

    #[cfg(libav_7_1)]
    fn list(self, config: Config) -> *const std::ffi::c_void {
        use ff::AVCodecConfig::{
            AV_CODEC_CONFIG_CHANNEL_LAYOUT, AV_CODEC_CONFIG_FRAME_RATE, AV_CODEC_CONFIG_PIX_FORMAT,
            AV_CODEC_CONFIG_SAMPLE_FORMAT, AV_CODEC_CONFIG_SAMPLE_RATE,
        };
        let which = match config {
            Config::PixelFormats => AV_CODEC_CONFIG_PIX_FORMAT,
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
    SampleFormats,
    SampleRates,
    Layouts,
    FrameRates,
}

fn no_option(encoder: &str, key: &str) -> String {
    format!("the encoder {encoder} has no option '{key}'")
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

/// How an encoder is opened, beside what its frames say.
pub(crate) struct EncodeOptions {
    /// 0: as many as there are cores.
    pub threads: u32,
    /// The container wants the codec's configuration in its header (AVFMT_GLOBALHEADER).
    pub global_header: bool,
    pub bit_exact: bool,
    /// By libav's names.
    pub options: Vec<(String, String)>,
}

/// An encoder for one track.
pub(crate) struct Encoder {
    context: NonNull<ff::AVCodecContext>,
    kind: EncoderKind,
}

// SAFETY: a context may move between threads, as long as one at a time uses it; `&mut self` sees to that.
unsafe impl Send for Encoder {}

impl Encoder {
    /// For pictures like this one.
    pub(crate) fn video(
        kind: EncoderKind,
        like: &Frame,
        time_base: Rational,
        frame_rate: Option<Rational>,
        options: &EncodeOptions,
    ) -> Result<Self> {
        let mut encoder = Self::alloc(kind)?;
        // SAFETY: the frame is live.
        let from = unsafe { &*like.as_ptr() };
        // SAFETY: live and ours.
        let c = unsafe { encoder.context.as_mut() };
        (c.width, c.height) = (from.width, from.height);
        c.sample_aspect_ratio = from.sample_aspect_ratio;
        c.time_base = ff::AVRational { num: time_base.num, den: time_base.den };
        if let Some(rate) = frame_rate {
            c.framerate = ff::AVRational { num: rate.num, den: rate.den };
        }
        if let Some(format) = pix_fmt(from.format) {
            c.pix_fmt = format;
        }
        // SAFETY: fields of two live structs, of one type each; copied as the ints they are. The frames context is a new
        // reference that the codec context owns.
        unsafe {
            copy_int(&raw mut c.color_range, &raw const from.color_range);
            copy_int(&raw mut c.color_primaries, &raw const from.color_primaries);
            copy_int(&raw mut c.color_trc, &raw const from.color_trc);
            copy_int(&raw mut c.colorspace, &raw const from.colorspace);
            copy_int(&raw mut c.chroma_sample_location, &raw const from.chroma_location);
            if !from.hw_frames_ctx.is_null() {
                c.hw_frames_ctx = ff::av_buffer_ref(from.hw_frames_ctx);
            }
        }
        encoder.open(options)?;
        if let Some(top_first) = like.interlaced() {
            // SAFETY: live and ours; the muxer is told, and the encoder does not look at it again.
            unsafe { encoder.context.as_mut() }.field_order = match (kind.codec() == "mjpeg", top_first) {
                (true, true) => ff::AVFieldOrder::AV_FIELD_TT,
                (true, false) => ff::AVFieldOrder::AV_FIELD_BB,
                (false, true) => ff::AVFieldOrder::AV_FIELD_TB,
                (false, false) => ff::AVFieldOrder::AV_FIELD_BT,
            };
        }
        Ok(encoder)
    }

    /// For sound of this format.
    pub(crate) fn audio(kind: EncoderKind, format: &Format, options: &EncodeOptions) -> Result<Self> {
        let mut encoder = Self::alloc(kind)?;
        let layout = c_string(&format.layout)?;
        // SAFETY: live and ours, with a blank layout; the name is a C string.
        let code = unsafe {
            let c = encoder.context.as_mut();
            if let Some(format) = sample_fmt(format.format) {
                c.sample_fmt = format;
            }
            c.sample_rate = c_int::try_from(format.sample_rate).unwrap_or(0);
            c.time_base = ff::AVRational { num: 1, den: c.sample_rate.max(1) };
            ff::av_channel_layout_from_string(&raw mut c.ch_layout, layout.as_ptr())
        };
        check(code, "setting an encoder up")?;
        encoder.open(options)?;
        Ok(encoder)
    }

    fn alloc(kind: EncoderKind) -> Result<Self> {
        log::clear();
        // SAFETY: allocates for the codec, or returns NULL.
        NonNull::new(unsafe { ff::avcodec_alloc_context3(kind.0.as_ptr()) })
            .map(|context| Self { context, kind })
            .ok_or_else(|| Error::new(ErrorKind::LimitExceeded, "no memory for an encoder"))
    }

    fn open(&mut self, options: &EncodeOptions) -> Result<()> {
        let mut settings = Dict::new();
        settings.set("threads", &threads(options.threads))?;
        if self.kind.is_experimental() {
            settings.set("strict", "experimental")?;
        }
        let mut flags = String::new();
        for (key, value) in &options.options {
            if key == "flags" { flags.clone_from(value) } else { settings.set(key, value)? }
        }
        if options.global_header {
            flags.push_str("+global_header");
        }
        if options.bit_exact {
            flags.push_str("+bitexact");
        }
        if !flags.is_empty() {
            settings.set("flags", &flags)?;
        }
        let name = self.kind.name();
        // SAFETY: the context is live and not open; what libav uses of the options it takes out.
        let code = unsafe { ff::avcodec_open2(self.context.as_ptr(), std::ptr::null(), settings.as_mut()) };
        if code < 0 {
            let error = error(code, &format!("the encoder {name} does not open"));
            let advice = "an option or the format of the frames is not to its liking";
            return Err(match code {
                // What an encoder does not take was wrong of who asked for it.
                _ if code == -libc::EINVAL => {
                    Error::invalid(error.message()).with_log(error.log().to_vec()).advise(advice)
                }
                ff::AVERROR_EXTERNAL => error.advise(advice),
                _ => error,
            });
        }
        if let Some((key, _)) = settings.pairs().first() {
            return Err(
                Error::invalid(no_option(&name, key)).advise(format!("see `ffmpeg -h encoder={name}`"))
            );
        }
        Ok(())
    }

    fn get(&self) -> &ff::AVCodecContext {
        // SAFETY: live as long as self.
        unsafe { self.context.as_ref() }
    }

    pub(super) fn as_ptr(&self) -> *mut ff::AVCodecContext {
        self.context.as_ptr()
    }

    pub(crate) fn time_base(&self) -> Rational {
        let base = self.get().time_base;
        Rational::new(base.num, base.den).unwrap_or(Rational { num: 1, den: 90_000 })
    }

    /// Samples in a frame; 0 where that varies.
    pub(crate) fn frame_size(&self) -> u32 {
        if self.kind.has_fixed_frames() { u32::try_from(self.get().frame_size).unwrap_or(0) } else { 0 }
    }

    /// Gives it a frame, or None for the end. [`Got::Again`]: it wants to be asked for packets first.
    pub(crate) fn send(&mut self, frame: Option<&Frame>) -> Result<Got> {
        let pointer = frame.map_or(std::ptr::null_mut(), Frame::as_ptr);
        // SAFETY: both are live; libav takes a reference of its own to what it keeps of the frame.
        let code = unsafe { ff::avcodec_send_frame(self.context.as_ptr(), pointer) };
        self.settle(code)
    }

    /// Takes the next packet.
    pub(crate) fn receive(&mut self, packet: &mut Packet) -> Result<Got> {
        packet.clear();
        // SAFETY: both are live and ours.
        let code = unsafe { ff::avcodec_receive_packet(self.context.as_ptr(), packet.as_ptr()) };
        self.settle(code)
    }

    fn settle(&self, code: c_int) -> Result<Got> {
        settle(code)?.map_err(|code| error(code, &format!("the encoder {}", self.kind.name())))
    }

    /// The stream that a muxer is told of, with what of `source` survives: language, disposition, metadata, HDR metadata,
    /// and the display matrix unless the picture was turned.
    pub(crate) fn stream(&self, source: &Stream, turned: bool) -> Result<Stream> {
        Stream::encoded(self, source, turned)
    }
}

/// Opens an encoder for a small picture with some of its options, to see whether it takes their values.
pub(crate) fn try_words(kind: EncoderKind, options: Vec<(String, String)>) -> Result<()> {
    let formats = kind.pixel_formats();
    let format = formats.iter().find(|f| *f == "yuv420p").or(formats.first()).map_or("yuv420p", |f| f);
    let picture = Frame::video(format, 320, 192)?;
    let (base, rate) = (Rational { num: 1, den: 25 }, Rational { num: 25, den: 1 });
    let options = EncodeOptions { threads: 1, global_header: false, bit_exact: false, options };
    Encoder::video(kind, &picture, base, Some(rate), &options).map(drop)
}

/// Encodes one picture on a device: what a list of encoders says is not what a card can.
pub(crate) fn try_on(kind: EncoderKind, device: &Device) -> Result<()> {
    let memory = kind.pixel_formats();
    let format = if memory.is_empty() || memory.iter().any(|f| f == "nv12") { "nv12" } else { "yuv420p" };
    let mut picture = Frame::video(format, 320, 192)?;
    for plane in 0..picture.planes() {
        picture.plane_mut(plane)?.fill(128);
    }
    if memory.is_empty() {
        picture = device.upload(&picture, kind.device_format(device))?;
    }
    picture.set_pts(0);
    let options = EncodeOptions { threads: 0, global_header: false, bit_exact: false, options: Vec::new() };
    let base = Rational { num: 1, den: 25 };
    let rate = Rational { num: 25, den: 1 };
    let mut encoder = Encoder::video(kind, &picture, base, Some(rate), &options)?;
    let mut packet = Packet::new()?;
    encoder.send(Some(&picture))?;
    encoder.send(None)?;
    match encoder.receive(&mut packet)? {
        Got::Item => Ok(()),
        _ => Err(Error::new(ErrorKind::Hardware, format!("the encoder {} gives no packet", kind.name()))),
    }
}

impl EncoderKind {
    /// The pixel format of frames on a device that it takes; -1 for none.
    fn device_format(self, device: &Device) -> c_int {
        // SAFETY: configurations are static; what is in them is read as the ints that they are.
        unsafe {
            for index in 0.. {
                let config = ff::avcodec_get_hw_config(self.0.as_ptr(), index);
                if config.is_null() {
                    break;
                }
                if (&raw const (*config).device_type).cast::<c_int>().read() == device.raw_kind() as c_int {
                    return (&raw const (*config).pix_fmt).cast::<c_int>().read();
                }
            }
        }
        -1
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        let mut pointer = self.context.as_ptr();
        // SAFETY: self owns the context, opened or not.
        unsafe { ff::avcodec_free_context(&raw mut pointer) };
    }
}

/// # Safety
/// Both point to live ints of C.
unsafe fn copy_int<T>(to: *mut T, from: *const T) {
    const { assert!(std::mem::size_of::<T>() == std::mem::size_of::<c_int>()) };
    // SAFETY: the caller's promise, and the size is that of an int.
    unsafe { to.cast::<c_int>().write(from.cast::<c_int>().read()) };
}
