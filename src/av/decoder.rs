//! AVCodecContext that decodes: packets in, frames out.

use super::{check, describe, dict::Dict, frame::Frame, log, packet::Packet, stream::Stream};
use crate::{Error, ErrorKind, Result};
use ffmpeg_sys_next as ff;
use std::{ffi::c_int, ptr::NonNull};

/// What a codec answers when it is asked for a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Got {
    /// One; there may be more.
    Item,
    /// None until more is sent.
    Again,
    /// No more at all.
    End,
    /// What was sent is damaged. Decoding goes on with what follows.
    Damaged,
}

/// How a decoder is opened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DecodeOptions {
    /// 0: as many as there are cores.
    pub threads: u32,
    pub max_pixels: u64,
    /// Priming and padding are cut off by us, as the container's edit list says; else by libav.
    pub keep_padding: bool,
    pub bit_exact: bool,
}

/// A decoder for one stream.
pub(crate) struct Decoder(NonNull<ff::AVCodecContext>);

// SAFETY: a context may move between threads, as long as one at a time uses it; `&mut self` sees to that.
unsafe impl Send for Decoder {}

impl Decoder {
    pub(crate) fn open(stream: &Stream, options: DecodeOptions) -> Result<Self> {
        log::clear();
        let mut decoder = Self::alloc(stream)?;
        let mut settings = Dict::new();
        settings.set("threads", &threads(options.threads))?;
        settings.set("max_pixels", &options.max_pixels.min(i64::MAX as u64).to_string())?;
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
            let c = decoder.0.as_mut();
            c.pkt_timebase = ff::AVRational { num: base.num, den: base.den };
            ff::avcodec_open2(decoder.0.as_ptr(), std::ptr::null(), settings.as_mut())
        };
        check(code, &format!("opening a decoder for {}", stream.codec()))?;
        Ok(decoder)
    }

    fn alloc(stream: &Stream) -> Result<Self> {
        let codec = stream.codec();
        let missing = || {
            Error::unsupported(format!("libav has no decoder for {codec}"))
                .advise("use a libav that was built with one, or copy the stream")
        };
        // SAFETY: the parameters are live during the calls; the context is allocated for the codec, or NULL.
        unsafe {
            let found = ff::avcodec_find_decoder((*stream.parameters()).codec_id);
            if found.is_null() {
                return Err(missing());
            }
            let context = NonNull::new(ff::avcodec_alloc_context3(found))
                .ok_or_else(|| Error::new(ErrorKind::LimitExceeded, "no memory for a decoder"))?;
            let decoder = Self(context);
            let code = ff::avcodec_parameters_to_context(decoder.0.as_ptr(), stream.parameters());
            check(code, "setting a decoder up")?;
            Ok(decoder)
        }
    }

    /// Gives it a packet, or None for the end. [`Got::Again`]: it wants to be asked for frames first.
    pub(crate) fn send(&mut self, packet: Option<&Packet>) -> Result<Got> {
        let pointer = packet.map_or(std::ptr::null_mut(), Packet::as_ptr);
        // SAFETY: both are live; libav takes a reference of its own to what it keeps of the packet.
        let code = unsafe { ff::avcodec_send_packet(self.0.as_ptr(), pointer) };
        self.settle(code)
    }

    /// Takes the next frame.
    pub(crate) fn receive(&mut self, frame: &mut Frame) -> Result<Got> {
        // SAFETY: both are live and ours; what was in the frame is given back first.
        let code = unsafe { ff::avcodec_receive_frame(self.0.as_ptr(), frame.as_ptr()) };
        self.settle(code)
    }

    fn settle(&self, code: c_int) -> Result<Got> {
        let got = settle(code)?;
        match got {
            Ok(got) => Ok(got),
            // Whatever a decoder says of its input, it is the input's fault: what follows may be sound.
            Err(_) => Ok(Got::Damaged),
        }
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        let mut pointer = self.0.as_ptr();
        // SAFETY: self owns the context, opened or not.
        unsafe { ff::avcodec_free_context(&raw mut pointer) };
    }
}

/// What libav's send and receive functions answer; the inner error is the code of a damaged input.
pub(super) fn settle(code: c_int) -> Result<std::result::Result<Got, c_int>> {
    match code {
        _ if code >= 0 => Ok(Ok(Got::Item)),
        _ if code == -libc::EAGAIN => Ok(Ok(Got::Again)),
        ff::AVERROR_EOF => Ok(Ok(Got::End)),
        _ if code == -libc::ENOMEM => Err(Error::new(ErrorKind::LimitExceeded, "a codec: no memory")),
        ff::AVERROR_BUG | ff::AVERROR_BUG2 => {
            Err(Error::new(ErrorKind::Bug, format!("a codec: {}", describe(code))))
        }
        _ => Ok(Err(code)),
    }
}

pub(super) fn threads(wanted: u32) -> String {
    if wanted == 0 { "auto".into() } else { wanted.min(64).to_string() }
}
