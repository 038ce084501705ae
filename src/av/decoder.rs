//! AVCodecContext that decodes: packets in, frames out.

mod on_device;
mod size;

use super::{
    check, describe,
    device::Device,
    dict::Dict,
    frame::Frame,
    log::{self, Ear},
    packet::Packet,
    stream::{Stream, StreamKind},
};
use crate::{Error, ErrorKind, Limits, Result};
use ffmpeg_sys_next as ff;
use std::{ffi::c_int, ptr::NonNull, sync::Arc};

/// What a codec answers when it is asked for a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Got {
    /// One; there may be more.
    Item,
    /// None until more is sent.
    Again,
    /// No more at all.
    End,
    /// What was sent is damaged. Decoding goes on with what follows. Pictures that are larger than they may
    /// be come to this as well: see [`Decoder::too_large`].
    Damaged,
}

/// How a decoder is opened.
#[derive(Clone)]
pub(crate) struct DecodeOptions {
    /// Decodes on this, if it can.
    pub device: Option<Device>,
    /// 0: as many as there are cores.
    pub threads: u32,
    /// Each frame comes out as soon as it is decoded: threads share one frame, instead of having one each.
    pub low_delay: bool,
    pub max_pixels: u64,
    /// Bytes of pictures that it may hold.
    pub memory: u64,
    /// Priming and padding are cut off by us, as the container's edit list says; else by libav.
    pub keep_padding: bool,
    pub bit_exact: bool,
    /// Its pictures' transparency is wanted, also where that is coded beside them (VP8, VP9).
    pub alpha: bool,
    /// Hears what the decoder says, if it decodes in memory.
    pub ear: Option<Arc<Ear>>,
}

/// Pictures that a decoder holds beside one a thread: those that others refer to (as many as the levels of
/// H.264, HEVC and AV1 let large pictures have), and those that wait for their turn, in queues and filters as
/// well.
const REFERRED: u64 = 8;
const WAITING: u64 = 4;
/// As many threads as libav takes by itself.
const MOST_THREADS: u32 = 16;

/// What a decoder gets of its memory.
struct Room {
    threads: u32,
    /// Those of the largest picture: a stream may change its size.
    pixels: u64,
    /// Bytes of the largest picture.
    picture: u64,
}

impl Stream {
    /// Pictures that a decoder holds beside one for each thread.
    fn held(&self) -> u64 {
        if self.is_intra_only() { WAITING } else { WAITING.saturating_add(REFERRED) }
    }

    /// The least `max_pixels` that lets a codec decode this stream, for a bound that its pictures hold to:
    /// libav rounds their width up first (decode.c: ff_get_buffer).
    pub(super) fn with_rounded_width(&self, bound: u64) -> u64 {
        const ALIGNED: u64 = 64;
        let (w, h) = self.size().unwrap_or((0, 0));
        let pixels = |w: u64| w.saturating_mul(h.into());
        if pixels(w.into()) > bound {
            bound
        } else {
            bound.max(pixels(u64::from(w).next_multiple_of(ALIGNED)))
        }
    }

    /// The pixels of the largest picture that a decoder of one thread has memory for.
    pub(super) fn fitting_pixels(&self, memory: u64) -> u64 {
        let pictures = self.held().saturating_add(1).saturating_mul(self.bits_per_pixel());
        memory.saturating_mul(8).checked_div(pictures).unwrap_or(memory)
    }
}

impl Room {
    /// Errors: LimitExceeded for pictures that do not fit, however few threads decode them.
    fn of(stream: &Stream, options: &DecodeOptions) -> Result<Self> {
        let (threads, memory) = (options.threads, options.memory);
        let (w, h) = stream.size().unwrap_or((0, 0));
        let (pixels, bits) = (u64::from(w).saturating_mul(h.into()), stream.bits_per_pixel());
        let most = options.max_pixels;
        Limits::hold(pixels, most, "pixels", || format!("{w}x{h} pixels, and the limit is {most} in all"))?;
        if stream.kind() != StreamKind::Video || memory == u64::MAX {
            return Ok(Self { threads, pixels: most, picture: u64::MAX });
        }
        let picture = |pixels: u64| pixels.saturating_mul(bits).div_ceil(8).max(1);
        let held = stream.held();
        let fitting = memory.checked_div(picture(pixels)).unwrap_or(0);
        let least = held.saturating_add(1);
        Limits::hold(least, fitting, "decoder_memory", || {
            let needed = least.saturating_mul(picture(pixels));
            format!("a decoder of {w}x{h} pixels holds about {needed} bytes, and the limit is {memory}")
        })?;
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let auto = u32::try_from(cores).unwrap_or(1).min(MOST_THREADS);
        let wanted = if threads == 0 { auto } else { threads };
        let fitting = u32::try_from(fitting.saturating_sub(held)).unwrap_or(u32::MAX);
        let fewer = wanted.min(fitting);
        let pictures = held.saturating_add(fewer.into());
        let largest =
            memory.checked_div(pictures).unwrap_or(0).saturating_mul(8).checked_div(bits).unwrap_or(0);
        Ok(Self {
            threads: if fewer == wanted { threads } else { fewer },
            pixels: options.max_pixels.min(largest.max(pixels)),
            picture: memory.checked_div(least).unwrap_or(memory),
        })
    }
}

/// A decoder for one stream.
pub(crate) struct Decoder {
    context: NonNull<ff::AVCodecContext>,
    /// It was told to decode on a device.
    has_device: bool,
    /// Bytes that a picture may have.
    picture: u64,
    size: size::Most,
    /// What its context is marked with: it stays in use as long as the context lives.
    ear: Option<Arc<Ear>>,
}

// SAFETY: a context may move between threads, as long as one at a time uses it; `&mut self` sees to that.
unsafe impl Send for Decoder {}

impl Decoder {
    /// One with a device may be refused by that ([`is_refused`](Self::is_refused)), at once or later.
    pub(crate) fn open(stream: &Stream, options: &DecodeOptions) -> Result<Self> {
        log::clear();
        let mut decoder = Self::alloc(stream, options)?;
        if let Some(device) = &options.device {
            decoder.use_device(device)?;
        }
        let mut settings = Dict::new();
        let room = Room::of(stream, options)?;
        decoder.picture = room.picture;
        // Each thread would keep pictures of the device's pool, which has few: with 16, NVDEC refuses it. And
        // a refused stream shows with the packet that it is refused at.
        settings.set("threads", &threads(if decoder.has_device { 1 } else { room.threads }))?;
        if let Some(ear) = options.ear.as_ref().filter(|_| !decoder.has_device) {
            // SAFETY: live, not open yet, and ours alone.
            log::mark_for(unsafe { decoder.context.as_mut() }, ear);
            decoder.ear = Some(ear.clone());
        }
        if options.low_delay {
            settings.set("thread_type", "slice")?;
        }
        let pixels = stream.with_rounded_width(room.pixels);
        settings.set("max_pixels", &pixels.min(i64::MAX as u64).to_string())?;
        decoder.bound_size(stream, pixels, room.pixels < options.max_pixels);
        if options.keep_padding {
            settings.set("flags2", "+skip_manual")?;
        }
        if options.bit_exact {
            settings.set("flags", "+bitexact")?;
            settings.set("idct", "simple")?;
        }
        let base = stream.time_base();
        // SAFETY: the context is live and not open yet; its codec was set when it was allocated.
        let code = unsafe {
            let c = decoder.context.as_mut();
            c.pkt_timebase = ff::AVRational { num: base.num, den: base.den };
            ff::avcodec_open2(decoder.context.as_ptr(), std::ptr::null(), settings.as_mut())
        };
        // Some ask for a format as early as this (VC-1).
        if !decoder.is_refused() {
            let what = format!("a decoder for {}", stream.codec());
            if code == -libc::EAGAIN {
                // What pthread_create answers.
                return Err(Error::no_thread(&what, std::io::Error::from_raw_os_error(libc::EAGAIN)));
            }
            check(code, &format!("opening {what}"))?;
        }
        Ok(decoder)
    }

    /// An error for a picture that takes more than was told before (the format may have shown only now).
    pub(crate) fn admit(&self, picture: &Frame) -> Result<()> {
        let bytes = picture.memory() as u64;
        Limits::hold(bytes, self.picture, "decoder_memory", || {
            format!("a picture of {bytes} bytes, of which a decoder holds several")
        })
    }

    /// Whether it was told to decode on a device; its frames say whether it does.
    pub(crate) fn has_device(&self) -> bool {
        self.has_device
    }

    /// Whether a stream has transparency that no decoder of this libav shows.
    pub(crate) fn lacks_alpha(stream: &Stream) -> bool {
        alpha_decoder(stream).is_some_and(|name| {
            // SAFETY: a C string; the result is static or NULL.
            unsafe { ff::avcodec_find_decoder_by_name(name.as_ptr()) }.is_null()
        })
    }

    fn alloc(stream: &Stream, options: &DecodeOptions) -> Result<Self> {
        let codec = stream.codec();
        let missing = || {
            Error::unsupported(format!("libav has no decoder for {codec}"))
                .advise("use a libav that was built with one, or copy the stream")
        };
        // SAFETY: the parameters are live during the calls; the context is allocated for the codec, or NULL.
        unsafe {
            let mut found = std::ptr::null();
            let better = alpha_decoder(stream).filter(|_| options.alpha).or_else(|| whole_decoder(&codec));
            if let Some(name) = better {
                found = ff::avcodec_find_decoder_by_name(name.as_ptr());
            }
            if found.is_null() {
                found = ff::avcodec_find_decoder((*stream.parameters()).codec_id);
                let on_device = options.device.as_ref().map(|device| on_device::codec(found, device));
                found = on_device.filter(|codec| !codec.is_null()).unwrap_or(found);
            }
            if found.is_null() {
                return Err(missing());
            }
            let context = NonNull::new(ff::avcodec_alloc_context3(found))
                .ok_or_else(|| Error::new(ErrorKind::LimitExceeded, "no memory for a decoder"))?;
            let mut decoder = Self {
                context,
                has_device: false,
                picture: u64::MAX,
                size: size::Most::default(),
                ear: None,
            };
            log::mark(decoder.context.as_mut());
            let code = ff::avcodec_parameters_to_context(decoder.context.as_ptr(), stream.parameters());
            check(code, "setting a decoder up")?;
            super::format::guess_layout(&mut (*decoder.context.as_ptr()).ch_layout);
            Ok(decoder)
        }
    }

    /// Gives it a packet, or None for the end. [`Got::Again`]: it wants to be asked for frames first.
    pub(crate) fn send(&mut self, packet: Option<&Packet>) -> Result<Got> {
        let pointer = packet.map_or(std::ptr::null_mut(), Packet::as_ptr);
        // SAFETY: both are live; libav takes a reference of its own to what it keeps of the packet.
        let code = unsafe { ff::avcodec_send_packet(self.context.as_ptr(), pointer) };
        self.settle(code)
    }

    /// Takes the next frame.
    pub(crate) fn receive(&mut self, frame: &mut Frame) -> Result<Got> {
        // SAFETY: both are live and ours; what was in the frame is given back first.
        let code = unsafe { ff::avcodec_receive_frame(self.context.as_ptr(), frame.as_ptr()) };
        let got = self.settle(code)?;
        // A decoder that takes its pictures' size from the container got none there.
        if got == Got::Item && self.is_placeholder(frame) {
            return Ok(Got::Damaged);
        }
        self.size.has_given |= got == Got::Item;
        Ok(got)
    }

    /// Forgets all packets: what comes next is decoded as if it were the first. Also after the end.
    pub(crate) fn flush(&mut self) {
        // SAFETY: an open context.
        unsafe { ff::avcodec_flush_buffers(self.context.as_ptr()) };
    }

    fn settle(&mut self, code: c_int) -> Result<Got> {
        self.size.code = code;
        match settle(code) {
            Ok(Ok(got)) => Ok(got),
            // Whatever a decoder says of its input, it is the input's fault: what follows may be sound.
            Ok(Err(_)) => Ok(Got::Damaged),
            // That of HEVC has no other word for pictures that it may not make.
            Err(_) if self.too_large().is_some() => Ok(Got::Damaged),
            Err(error) => Err(error),
        }
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        let mut pointer = self.context.as_ptr();
        // SAFETY: self owns the context, opened or not.
        unsafe { ff::avcodec_free_context(&raw mut pointer) };
    }
}

/// The decoder that shows transparency which lies beside the pictures (WebM's BlockAdditional): libav's own
/// leave it out.
fn alpha_decoder(stream: &Stream) -> Option<&'static std::ffi::CStr> {
    let name = match stream.codec().as_str() {
        "vp8" => c"libvpx",
        "vp9" => c"libvpx-vp9",
        _ => return None,
    };
    let says = |(key, value): &(String, String)| key.eq_ignore_ascii_case("alpha_mode") && value == "1";
    stream.metadata.iter().any(says).then_some(name)
}

/// The decoder to take where libav's own does not give what was encoded. FFmpeg 7's of Speex gives twice as
/// many samples, but in narrow band; 5.1's and 9's do not.
fn whole_decoder(codec: &str) -> Option<&'static std::ffi::CStr> {
    (cfg!(all(libav_7_0, not(libav_9_0))) && codec == "speex").then_some(c"libspeex")
}

/// What libav's send and receive functions answer; the inner error is the code of a damaged input.
pub(super) fn settle(code: c_int) -> Result<std::result::Result<Got, c_int>> {
    match code {
        _ if code >= 0 => Ok(Ok(Got::Item)),
        _ if code == -libc::EAGAIN => Ok(Ok(Got::Again)),
        ff::AVERROR_EOF => Ok(Ok(Got::End)),
        _ if code == -libc::ENOMEM => {
            Err(Error::new(ErrorKind::LimitExceeded, "a codec: no memory").with_code(code))
        }
        ff::AVERROR_BUG | ff::AVERROR_BUG2 => {
            Err(Error::new(ErrorKind::Bug, format!("a codec: {}", describe(code))).with_code(code))
        }
        _ => Ok(Err(code)),
    }
}

pub(super) fn threads(wanted: u32) -> String {
    if wanted == 0 { "auto".into() } else { wanted.min(64).to_string() }
}
