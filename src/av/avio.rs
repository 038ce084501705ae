//! AVIOContext over a device of ours: the callbacks that libav reads and writes through.
//!
//! What the callbacks promise: no panic crosses C (it poisons the device, and the operation ends with it as
//! its error); 0 bytes read is AVERROR_EOF; a forged length is an error; a write is whole or an error; cancel
//! and deadline are looked at in every call, because libav never does that for custom I/O.

mod read;
#[cfg(test)]
mod tests;
mod write;

pub(crate) use read::{ReadDevice, ReadIo, Reading};
pub(crate) use write::{Chunk, WriteDevice, WriteIo};

use super::memory;
use crate::{Control, Error, ErrorKind, Result};
use ffmpeg_sys_next as ff;
use std::{
    ffi::{c_char, c_int, c_void},
    panic::{AssertUnwindSafe, catch_unwind},
    ptr::NonNull,
};

/// AVIO's own buffer. Headers are read through it, so it is small: `seek` throws away what is in it.
const BUFFER: c_int = 32 * 1024;

pub(super) struct Common {
    pos: u64,
    pub(super) control: Control,
    pub(super) error: Option<Error>,
    poisoned: bool,
}

impl Common {
    pub(super) fn new(control: Control) -> Self {
        Self { pos: 0, control, error: None, poisoned: false }
    }

    /// Runs one callback: what fails in it is kept for the operation, and libav gets a code.
    pub(super) fn guard<T>(&mut self, run: impl FnOnce(&mut Self) -> Result<T>) -> Result<T, c_int> {
        self.guarded(|common| memory::aside(|| run(common)))
    }

    /// The same for what asks the system for nothing: `errno` stays what it is.
    #[inline(always)]
    fn guarded<T>(&mut self, run: impl FnOnce(&mut Self) -> Result<T>) -> Result<T, c_int> {
        if self.poisoned {
            let again = || Error::new(ErrorKind::Bug, "an earlier callback of the source or sink panicked");
            self.error.get_or_insert_with(again);
            return Err(ff::AVERROR_EXIT);
        }
        let outcome = match self.control.check() {
            Ok(()) => catch_unwind(AssertUnwindSafe(|| run(self))).unwrap_or_else(|panic| {
                self.poisoned = true;
                Err(Error::panicked("a callback of the source or sink", panic))
            }),
            Err(stop) => Err(stop),
        };
        outcome.map_err(|error| {
            let code = match error.kind() {
                ErrorKind::Cancelled | ErrorKind::DeadlineExceeded | ErrorKind::Bug => ff::AVERROR_EXIT,
                _ => -libc::EIO,
            };
            self.error.get_or_insert(error);
            code
        })
    }
}

/// Owns an AVIOContext and the state that its callbacks work on.
struct Context<S> {
    pb: NonNull<ff::AVIOContext>,
    state: NonNull<S>,
}

impl<S> Context<S> {
    /// With a buffer of so many bytes.
    fn new(state: S, room: c_int, read: ReadFn, write: WriteFn, seek: SeekFn) -> Result<Self> {
        let (writes, size) = (write.is_some(), usize::try_from(room).unwrap_or(0));
        let state = NonNull::from(Box::leak(Box::new(state)));
        // SAFETY: the buffer comes from av_malloc, as AVIO demands (NULL is refused below), and the opaque
        // pointer stays valid until `drop`.
        unsafe {
            let buffer = ff::av_malloc(size).cast::<u8>();
            if !buffer.is_null() {
                // Whatever libav does, nobody ever reads bytes without a value.
                std::ptr::write_bytes(buffer, 0, size);
                let opaque = state.as_ptr().cast();
                let pb = ff::avio_alloc_context(buffer, room, c_int::from(writes), opaque, read, write, seek);
                if let Some(pb) = NonNull::new(pb) {
                    return Ok(Self { pb, state });
                }
                ff::av_free(buffer.cast());
            }
            drop(Box::from_raw(state.as_ptr()));
        }
        Err(Error::new(ErrorKind::LimitExceeded, "no memory for an I/O context"))
    }

    /// Not while a libav function runs that may call back: the callbacks take the same reference.
    fn state(&mut self) -> &mut S {
        // SAFETY: the box is live until drop; callbacks run inside libav functions, and those are called with
        // no reference from here alive.
        unsafe { self.state.as_mut() }
    }
}

impl<S> Drop for Context<S> {
    fn drop(&mut self) {
        // SAFETY: the format context that used this one is closed already (Input and Output see to that).
        // libav may have replaced the buffer, so it is the current one that is freed; then the context; then
        // the state.
        unsafe {
            ff::av_freep((&raw mut (*self.pb.as_ptr()).buffer).cast());
            let mut pb = self.pb.as_ptr();
            ff::avio_context_free(&raw mut pb);
            drop(Box::from_raw(self.state.as_ptr()));
        }
    }
}

type ReadFn = Option<unsafe extern "C" fn(*mut c_void, *mut u8, c_int) -> c_int>;
type SeekFn = Option<unsafe extern "C" fn(*mut c_void, i64, c_int) -> i64>;
// FFmpeg 7.0 made the pointer const.
#[cfg(libav_7_0)]
type Out = *const u8;
#[cfg(not(libav_7_0))]
type Out = *mut u8;
type WriteFn = Option<unsafe extern "C" fn(*mut c_void, Out, c_int) -> c_int>;

/// Where a seek leads; None if that is before the start, or asks for a length that is not known. A position
/// past the end is allowed: the next read says that it is the end.
fn seek_to(pos: u64, len: Option<u64>, offset: i64, whence: c_int) -> Option<u64> {
    match whence & !ff::AVSEEK_FORCE {
        ff::AVSEEK_SIZE => len,
        libc::SEEK_SET => u64::try_from(offset).ok(),
        libc::SEEK_CUR => pos.checked_add_signed(offset),
        libc::SEEK_END => len?.checked_add_signed(offset),
        _ => None,
    }
}

fn finish_seek(common: &mut Common, outcome: Result<Option<u64>, c_int>, whence: c_int) -> i64 {
    match outcome {
        Err(code) => i64::from(code),
        Ok(Some(to)) => match i64::try_from(to) {
            Ok(answer) => {
                if whence & ff::AVSEEK_SIZE == 0 {
                    common.pos = to;
                }
                answer
            }
            Err(_) => i64::from(-libc::EOVERFLOW),
        },
        Ok(None) => i64::from(-libc::EINVAL),
    }
}

/// `AVFormatContext.io_open`: libav opens nothing that the caller did not name.
pub(super) unsafe extern "C" fn deny(
    _context: *mut ff::AVFormatContext,
    pb: *mut *mut ff::AVIOContext,
    _url: *const c_char,
    _flags: c_int,
    _options: *mut *mut ff::AVDictionary,
) -> c_int {
    // SAFETY: libav hands over where to put the context.
    unsafe { *pb = std::ptr::null_mut() };
    -libc::EPERM
}
