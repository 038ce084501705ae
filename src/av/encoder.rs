//! AVCodecContext that encodes: frames in, packets out; and what libav's encoders are.

mod modest;
mod takes;

use super::{
    c_string, check,
    decoder::{Got, settle, threads},
    device::Device,
    dict::Dict,
    error,
    format::{is_lossless, pix_fmt, properties, sample_fmt},
    frame::Frame,
    graph::Format,
    hdr, log,
    packet::Packet,
    stream::{Stream, StreamKind},
    string,
};
use crate::{DeviceKind, Error, ErrorKind, Result, time::Rational};
use ffmpeg_sys_next as ff;
use modest::modestly;
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

    /// Whether it works on a device, as far as its name says.
    fn is_of_device(self) -> bool {
        let mut endings = DeviceKind::ALL.into_iter().flat_map(DeviceKind::encoder_endings);
        endings.any(|ending| self.name().ends_with(ending))
    }

    pub(crate) fn kind(self) -> StreamKind {
        StreamKind::of(self.get().type_)
    }

    /// Whether all frames but the last must have as many samples as the opened encoder says.
    pub(crate) fn has_fixed_frames(self) -> bool {
        self.get().capabilities & ff::AV_CODEC_CAP_VARIABLE_FRAME_SIZE as c_int == 0
    }

    pub(crate) fn is_experimental(self) -> bool {
        self.get().capabilities & ff::AV_CODEC_CAP_EXPERIMENTAL as c_int != 0
    }

    /// Whether nothing is ever lost in its codec, so that no bit rate can be chosen.
    pub(crate) fn is_lossless(self) -> bool {
        is_lossless(self.get().id)
    }

    /// Whether each frame of its codec stands for itself. FFV1's need not, whatever libav says.
    pub(crate) fn is_intra_only(self) -> bool {
        properties(self.get().id) & ff::AV_CODEC_PROP_INTRA_ONLY as c_int != 0 && self.codec() != "ffv1"
    }

    /// Whether libav's table for a muxer has this codec; None where it has no table.
    pub(crate) fn fits(self, muxer: super::muxer::Muxer) -> Option<bool> {
        muxer.takes(self.get().id, false)
    }

    /// Whether an option of it takes a text.
    pub(crate) fn takes_text(self, key: &str) -> bool {
        // SAFETY: the context is live during the call.
        Encoder::alloc(self)
            .map_or(true, |encoder| unsafe { super::option::takes_text(encoder.as_ptr().cast(), key) })
    }

    /// Whether it has these options, by libav's names, and takes their values, as far as that can be told
    /// without opening it: what it hands on as a text (x264's `preset`) is judged then.
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
                .with_code(code)
                .with_log(log::take()),
            };
            return Err(error.advise(format!("see `ffmpeg -h encoder={name}`")));
        }
        Ok(())
    }
}

/// What libx264.c, libx265.c and libsvtav1.c log of parameters that their encoder does not take.
const WORDS_REFUSED: [&str; 3] = ["Error parsing option", "Unknown option", "Invalid value for"];

/// Whether an option's value is a list of options for what lies behind libav's encoder.
fn is_handed_on(key: &str) -> bool {
    key.ends_with("-params") || key == "x264opts"
}

fn no_option(encoder: &str, key: &str) -> String {
    format!("the encoder {encoder} has no option '{key}'")
}

/// How an encoder is opened, beside what its frames say.
#[derive(Clone)]
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
    /// What the first picture says of its light.
    light: Vec<hdr::Said>,
    /// What x264 said of the errors of packets that are not taken yet, if it was asked to and libav does not hand it
    /// on.
    #[cfg(not(libav_7_1))]
    said: Option<std::collections::VecDeque<log::like::Planes>>,
    #[cfg(not(libav_7_1))]
    last: Option<log::like::Planes>,
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
        // SAFETY: fields of two live structs, of one type each; copied as the ints they are. The frames
        // context is a new reference that the codec context owns.
        unsafe {
            copy_int(&raw mut c.color_range, &raw const from.color_range);
            copy_int(&raw mut c.color_primaries, &raw const from.color_primaries);
            copy_int(&raw mut c.color_trc, &raw const from.color_trc);
            copy_int(&raw mut c.colorspace, &raw const from.colorspace);
            copy_int(&raw mut c.chroma_sample_location, &raw const from.chroma_location);
            if !from.hw_frames_ctx.is_null() {
                c.hw_frames_ctx = ff::av_buffer_ref(from.hw_frames_ctx);
                if c.hw_frames_ctx.is_null() {
                    return Err(Error::new(ErrorKind::LimitExceeded, "no memory for a buffer reference"));
                }
            }
        }
        encoder.light = hdr::beside(like);
        #[cfg(libav_7_0)]
        // SAFETY: the context is live and ours.
        unsafe {
            hdr::tell(encoder.as_ptr(), like)?;
        }
        #[cfg(not(libav_7_0))]
        let options = &{
            let mut options = options.clone();
            hdr::add_words(&kind.name(), &encoder.light, &mut options.options);
            options
        };
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
            .map(|mut context| {
                // SAFETY: fresh and ours.
                log::mark(unsafe { context.as_mut() });
                Self {
                    context,
                    kind,
                    light: Vec::new(),
                    #[cfg(not(libav_7_1))]
                    said: None,
                    #[cfg(not(libav_7_1))]
                    last: None,
                }
            })
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
        #[cfg(not(libav_7_1))]
        if name == "libx264" && flags.contains("psnr") {
            self.said = Some(std::collections::VecDeque::new());
        }
        // SAFETY: the context is live and not open; what libav uses of the options it takes out.
        let mut open =
            || unsafe { ff::avcodec_open2(self.context.as_ptr(), std::ptr::null(), settings.as_mut()) };
        let code = if name == "libsvtav1" { modestly(&mut open) } else { open() };
        if code < 0 {
            let error = error(code, &format!("the encoder {name} does not open"));
            let advice = "an option or the format of the frames is not to its liking";
            return Err(match code {
                // What an encoder does not take was wrong of who asked for it.
                _ if code == -libc::EINVAL => error.into_kind(ErrorKind::InvalidArgument).advise(advice),
                _ if self.kind.is_of_device() => error.into_kind(ErrorKind::Hardware).advise(format!(
                    "is there a device, and has it such an encoder? Named by its codec ({}), software encodes it where \
                     no device can",
                    self.kind.codec()
                )),
                ff::AVERROR_EXTERNAL => error.advise(advice),
                _ => error,
            });
        }
        if let Some((key, _)) = settings.pairs().first() {
            return Err(
                Error::invalid(no_option(&name, key)).advise(format!("see `ffmpeg -h encoder={name}`"))
            );
        }
        // What an encoder does not know of a text that libav hands on (x264-params) libav only logs.
        let lines = log::take();
        match lines.iter().find(|line| WORDS_REFUSED.iter().any(|words| line.contains(words))) {
            Some(line) if options.options.iter().any(|(key, _)| is_handed_on(key)) => {
                let line = line.rsplit("] ").next().unwrap_or(line).trim_end_matches('.');
                Err(Error::invalid(format!("the encoder {name} does not take a parameter: {line}")))
            }
            _ => Ok(()),
        }
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

    /// By how many samples what it makes of sound is decoded later than that.
    pub(crate) fn delay(&self) -> usize {
        usize::try_from(self.get().initial_padding).unwrap_or(0)
    }

    /// Samples of silence that it is to be given behind the last sound, for all of that to come out: encoders
    /// without a delay, by their own account, make a packet of each frame, and what they look ahead of it
    /// stays in them. Two say that they have one and let go of no more at the end.
    pub(crate) fn silence_behind(&self) -> usize {
        let delay = self.kind.get().capabilities & ff::AV_CODEC_CAP_DELAY as c_int != 0;
        let lets_go = delay && !matches!(self.kind.name().as_str(), "libspeex" | "libtwolame");
        if lets_go { 0 } else { self.delay() }
    }

    /// Tells a picture of the quantiser that all are to be coded with, where one was asked for: encoders read it of
    /// each picture, and take what says nothing for the best (libavcodec/mpegvideo_enc.c, which is what ffmpeg's own
    /// program does it for).
    pub(crate) fn tell_quality(&self, frame: &mut Frame) {
        let own = self.get();
        let is_asked = own.flags.cast_unsigned() & ff::AV_CODEC_FLAG_QSCALE != 0;
        if is_asked && !frame.is_audio() {
            frame.set_quality(own.global_quality);
        }
    }

    /// Gives it a frame, or None for the end. [`Got::Again`]: it wants to be asked for packets first.
    pub(crate) fn send(&mut self, frame: Option<&Frame>) -> Result<Got> {
        let pointer = frame.map_or(std::ptr::null_mut(), Frame::as_ptr);
        let is_mixed = |frame: &Frame| frame.is_on_device() == self.get().hw_frames_ctx.is_null();
        if frame.is_some_and(is_mixed) {
            // Encoders take it for what they were opened for, and read where nothing is (nvenc.c:
            // nvenc_register_frame).
            let name = self.kind.name();
            let what = format!("the encoder {name} got pictures in memory and others on a device");
            return Err(Error::new(ErrorKind::Bug, what));
        }
        let context = self.context.as_ptr();
        // SAFETY: both are live; libav takes a reference of its own to what it keeps of the frame.
        let code = self.listening(|| unsafe { ff::avcodec_send_frame(context, pointer) });
        self.settle(code)
    }

    /// Takes the next packet.
    pub(crate) fn receive(&mut self, packet: &mut Packet) -> Result<Got> {
        packet.clear();
        let context = self.context.as_ptr();
        // SAFETY: both are live and ours.
        let code = self.listening(|| unsafe { ff::avcodec_receive_packet(context, packet.as_ptr()) });
        #[cfg(not(libav_7_1))]
        if code >= 0 {
            self.last = self.said.as_mut().and_then(std::collections::VecDeque::pop_front);
        }
        self.settle(code)
    }

    #[cfg(not(libav_7_1))]
    fn listening(&mut self, call: impl FnOnce() -> c_int) -> c_int {
        if self.said.is_some() { log::like::listen(&mut self.said, call) } else { call() }
    }

    #[cfg(libav_7_1)]
    fn listening(&mut self, call: impl FnOnce() -> c_int) -> c_int {
        call()
    }

    /// How like what it was given the picture of the last packet is, for each of its three planes in decibels, where
    /// the encoder says that (x264, of a flag) and the packet itself does not: cut to two places.
    pub(crate) fn last_likeness(&self) -> Option<[f64; 3]> {
        #[cfg(not(libav_7_1))]
        return self.last;
        #[cfg(libav_7_1)]
        None
    }

    fn settle(&self, code: c_int) -> Result<Got> {
        settle(code)?.map_err(|code| error(code, &format!("the encoder {}", self.kind.name())))
    }

    /// The stream that a muxer is told of, with what of `source` survives: language, disposition, metadata,
    /// HDR metadata, and the display matrix unless the picture was turned.
    pub(crate) fn stream(&self, source: &Stream, turned: bool) -> Result<Stream> {
        // SAFETY: the context is live and open, and self is its only user.
        let mut stream = unsafe { Stream::from_context(self.as_ptr(), self.time_base(), source, turned) }?;
        stream.complete(&self.light)?;
        Ok(stream)
    }
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
