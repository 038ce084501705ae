//! libav behind safe owners, one file per libav object. The room of `unsafe`: above it only `io/os`,
//! `io/map.rs` and `Source::map` have any.
//!
//! What differs between FFmpeg 5.1 and 9.0 is settled here, by the cfgs of build.rs.

#![allow(unsafe_code)]

pub(crate) mod adts;
pub(crate) mod avio;
pub(crate) mod buffer;
pub(crate) mod crc;
pub(crate) mod decoder;
pub(crate) mod demuxer;
pub(crate) mod device;
pub(crate) mod dict;
pub(crate) mod encoder;
pub(crate) mod files;
pub(crate) mod format;
pub(crate) mod frame;
mod gathered;
pub(crate) mod graph;
mod hdr;
pub(crate) mod input;
pub(crate) mod log;
mod memory;
pub(crate) mod muxer;
pub(crate) mod option;
pub(crate) mod output;
pub(crate) mod packet;
pub(crate) mod parser;
pub(crate) mod stream;
pub(crate) mod subtitle;
mod ticks;
mod umid;

use crate::{Error, ErrorKind, Result};
use ffmpeg_sys_next as ff;
use std::ffi::{CStr, CString, c_int};

/// Turns a libav return code into an error that says what was being done.
fn check(code: c_int, doing: &str) -> Result<c_int> {
    if code >= 0 { Ok(code) } else { Err(error(code, doing)) }
}

fn error(code: c_int, doing: &str) -> Error {
    let kind = match code {
        ff::AVERROR_EOF | ff::AVERROR_INVALIDDATA => ErrorKind::Corrupt,
        ff::AVERROR_EXIT => ErrorKind::Cancelled,
        ff::AVERROR_BUG | ff::AVERROR_BUG2 => ErrorKind::Bug,
        ff::AVERROR_PATCHWELCOME
        | ff::AVERROR_MUXER_NOT_FOUND
        | ff::AVERROR_DEMUXER_NOT_FOUND
        | ff::AVERROR_BSF_NOT_FOUND
        | ff::AVERROR_ENCODER_NOT_FOUND
        | ff::AVERROR_DECODER_NOT_FOUND => ErrorKind::Unsupported,
        ff::AVERROR_OPTION_NOT_FOUND => ErrorKind::InvalidArgument,
        _ if code == -libc::ENOSYS => ErrorKind::Unsupported,
        // A muxer answers EINVAL to streams that it can't hold; a demuxer, to what it can't make sense of.
        _ if code == -libc::EINVAL => ErrorKind::Unsupported,
        _ if code == -libc::ENOMEM => ErrorKind::LimitExceeded,
        _ => ErrorKind::Io,
    };
    Error::new(kind, format!("{doing}: {}", describe(code))).with_code(code).with_log(log::take())
}

/// libav's text for a code.
fn describe(code: c_int) -> String {
    let mut text = [0; ff::AV_ERROR_MAX_STRING_SIZE];
    // SAFETY: the pointer and the size belong to one live array; av_strerror always ends it with a NUL.
    unsafe {
        ff::av_strerror(code, text.as_mut_ptr(), text.len());
        string(text.as_ptr())
    }
}

/// A copy of a C string; empty for NULL. Bytes that are not UTF-8 are replaced.
///
/// # Safety
/// `text` is NULL or points to a NUL-ended string that lives during the call.
unsafe fn string(text: *const std::ffi::c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: the caller's promise, and NULL was dealt with.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

/// For libav; a NUL inside is an error.
fn c_string(text: &str) -> Result<CString> {
    CString::new(text).map_err(|_| Error::invalid(format!("{text:?} has a NUL byte inside")))
}

/// The libavformat that this build runs with, as `59.27.100`.
pub(crate) fn version() -> String {
    // SAFETY: the function takes nothing and returns a number.
    let version = unsafe { ff::avformat_version() };
    format!("{}.{}.{}", version >> 16, (version >> 8) & 255, version & 255)
}

/// The short name of the muxer that libav chooses for a file name's ending.
pub(crate) fn muxer_for(file_name: &str) -> Option<String> {
    let name = CString::new(file_name).ok()?;
    // SAFETY: both pointers are NULL or live C strings; the result is a static description or NULL.
    unsafe {
        let format = ff::av_guess_format(std::ptr::null(), name.as_ptr(), std::ptr::null());
        if format.is_null() { None } else { Some(string((*format).name)) }
    }
}
