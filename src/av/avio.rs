//! AVIOContext over a device of ours: the callbacks that libav reads and writes through.
//!
//! What the callbacks promise: no panic crosses C (it poisons the device, and the operation ends with it as
//! its error); 0 bytes read is AVERROR_EOF; a forged length is an error; a write is whole or an error; cancel
//! and deadline are looked at in every call, because libav never does that for custom I/O.

use super::{gathered::Gathered, memory, umid::Umid};
use crate::{Control, Error, ErrorKind, Limits, Result};
use ffmpeg_sys_next as ff;
use std::{
    ffi::{c_int, c_void},
    panic::{AssertUnwindSafe, catch_unwind},
    ptr::NonNull,
};

/// Bytes that libav can read. Positions are kept by the callbacks.
pub(crate) trait ReadDevice: Send {
    /// Reads up to `into.len()` bytes at `at`; 0 only at the end.
    fn read(&mut self, at: u64, into: &mut [u8], control: &Control) -> Result<usize>;
    /// The length in bytes; None for a stream, which is read once and in order.
    fn len(&self) -> Option<u64>;
    /// libav has read the header (avformat_open_input).
    fn opened(&mut self) {}
}

/// Where libav's muxers write.
pub(crate) trait WriteDevice: Send {
    /// Writes all of the chunk at `at`: at the end, or over what is there, or past the end (the hole reads as
    /// zeros).
    fn write(&mut self, at: u64, chunk: Chunk<'_>) -> Result<()>;
    /// The length in bytes if positions may go back, None if it is written once and in order.
    fn len(&self) -> Option<u64>;
}

/// Bytes on the way to a [`WriteDevice`].
#[derive(Clone, Copy)]
pub(crate) struct Chunk<'a> {
    /// The bytes; not to be looked at where `origin` is given, because they may never have been read.
    pub data: &'a [u8],
    /// Where the same bytes lie in the source of the packet that is being written.
    pub origin: Option<u64>,
}

/// The last read that libav directed past its own buffer, into a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DirectRead {
    pub address: usize,
    pub len: usize,
    pub at: u64,
    /// The bytes were not read; whoever needs them reads them now.
    pub elided: bool,
}

/// What libav read of payload in one call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PayloadRead {
    /// The last read into a packet.
    pub direct: Option<DirectRead>,
    /// A read found nothing: the index points past the end of the file. (libav takes that for the end of the
    /// stream.)
    pub ran_out: bool,
}

/// What the bytes are for that libav reads: parsers and demuxers gather them, and no callback tells how far
/// they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// What a file says of itself ([`Limits::demuxer_memory`](crate::control::Limits)).
    Header,
    /// One packet, or so many ([`Limits::packet_bytes`](crate::control::Limits)).
    Packets(u64),
    /// A packet of those that are wanted, and any number of others, which are read and left out by libav.
    Among,
    /// What is on the way to another place.
    Past,
}

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

struct ReadState {
    common: Common,
    device: Box<dyn ReadDevice>,
    /// The device's length; it does not change.
    len: Option<u64>,
    pb: *mut ff::AVIOContext,
    elide: bool,
    last: Option<DirectRead>,
    ran_out: bool,
    reading: Reading,
    /// Bytes that were read for it.
    gathered: u64,
    /// What gathers beside that.
    beside: Option<Gathered>,
    /// What goes into AVIO's buffer comes here first: at the end the buffer still holds what came before, and
    /// libav may go back in it.
    scratch: Vec<u8>,
}

struct WriteState {
    common: Common,
    device: Box<dyn WriteDevice>,
    current: Option<(usize, usize, u64)>,
    payload: u64,
    /// Of MXF, what it is to say of its material.
    umid: Option<Umid>,
}

/// Owns an AVIOContext and the state that its callbacks work on.
struct Context<S> {
    pb: NonNull<ff::AVIOContext>,
    state: NonNull<S>,
}

impl<S> Context<S> {
    fn new(state: S, writes: bool, read: ReadFn, write: WriteFn, seek: SeekFn) -> Result<Self> {
        let state = NonNull::from(Box::leak(Box::new(state)));
        // SAFETY: the buffer comes from av_malloc, as AVIO demands (NULL is refused below), and the opaque
        // pointer stays valid until `drop`.
        unsafe {
            let buffer = ff::av_malloc(BUFFER as usize).cast::<u8>();
            if !buffer.is_null() {
                // Whatever libav does, nobody ever reads bytes without a value.
                std::ptr::write_bytes(buffer, 0, BUFFER as usize);
                let opaque = state.as_ptr().cast();
                let pb =
                    ff::avio_alloc_context(buffer, BUFFER, c_int::from(writes), opaque, read, write, seek);
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

/// An AVIOContext that reads.
pub(crate) struct ReadIo(Context<ReadState>);

// SAFETY: the state is Send (the device is, and `pb` is the context's own pointer), and one thread at a time
// uses it.
unsafe impl Send for ReadIo {}

impl ReadIo {
    pub(crate) fn new(device: Box<dyn ReadDevice>, control: Control) -> Result<Self> {
        let len = device.len();
        let seek: SeekFn = if len.is_some() { Some(read_seek) } else { None };
        let common = Common::new(control);
        let state = ReadState {
            common,
            device,
            len,
            pb: std::ptr::null_mut(),
            elide: false,
            last: None,
            ran_out: false,
            reading: Reading::Header,
            gathered: 0,
            beside: None,
            scratch: Vec::new(),
        };
        let mut context = Context::new(state, false, Some(read), None, seek)?;
        context.state().pb = context.pb.as_ptr();
        Ok(Self(context))
    }

    pub(super) fn as_ptr(&self) -> *mut ff::AVIOContext {
        self.0.pb.as_ptr()
    }

    pub(super) fn control(&mut self) -> &Control {
        &self.0.state().common.control
    }

    pub(crate) fn set_control(&mut self, control: Control) {
        self.0.state().common.control = control;
    }

    /// With `direct`, payload reads go straight into the packet (AVIOContext.direct); with `elide` they are
    /// left out.
    pub(crate) fn set_direct(&mut self, direct: bool, elide: bool) {
        // SAFETY: the context is live, and `direct` is a public field.
        unsafe { (*self.0.pb.as_ptr()).direct = c_int::from(direct) };
        let state = self.0.state();
        state.elide = direct && elide;
        state.ran_out = false;
    }

    /// What a callback failed with. libav forgets (or turns it into an end of file), so ask first.
    pub(crate) fn take_error(&mut self) -> Option<Error> {
        let state = self.0.state();
        let error = state.common.error.take();
        if error.is_some() {
            // SAFETY: the context is live; its error is sticky until somebody clears it.
            unsafe { (*self.0.pb.as_ptr()).error = 0 };
        }
        error
    }

    /// Runs avformat_open_input for a context that reads from here: what it gathers is bounded with each read,
    /// from now on.
    ///
    /// # Safety
    /// `run` opens the context and nothing else, and gives libav's code. Opened, the context is closed before
    /// this is dropped.
    pub(super) unsafe fn open(
        &mut self,
        context: NonNull<ff::AVFormatContext>,
        run: impl FnOnce() -> c_int,
    ) -> c_int {
        // SAFETY: it is live while it is opened, and as the caller vouches afterwards.
        self.0.state().beside = Some(unsafe { Gathered::of(context) });
        let code = run();
        let state = self.0.state();
        // libav frees what it could not open.
        state.beside = state.beside.filter(|_| code >= 0);
        state.device.opened();
        code
    }

    /// What the reads that follow are for.
    pub(crate) fn begin(&mut self, reading: Reading) {
        let state = self.0.state();
        (state.reading, state.gathered) = (reading, 0);
        (state.last, state.ran_out) = (None, false);
    }

    /// What was read of payload since [`begin`](Self::begin).
    pub(crate) fn payload(&mut self) -> PayloadRead {
        let state = self.0.state();
        PayloadRead { direct: state.last, ran_out: state.ran_out }
    }

    /// Where the next read begins: for a stream, how many bytes it has delivered.
    pub(crate) fn position(&mut self) -> u64 {
        self.0.state().common.pos
    }
}

unsafe extern "C" fn read(opaque: *mut c_void, into: *mut u8, size: c_int) -> c_int {
    // SAFETY: `opaque` is the ReadState that the owning Context keeps alive; libav calls from one thread at a
    // time, and the owner holds no reference while libav runs.
    let state = unsafe { &mut *opaque.cast::<ReadState>() };
    let Ok(size) = usize::try_from(size) else {
        return -libc::EINVAL;
    };
    if size == 0 || into.is_null() {
        return ff::AVERROR_EOF;
    }
    // SAFETY: `pb` is the context that is calling. libav may have made its buffer larger.
    let (buffer, room) = unsafe { ((*state.pb).buffer.addr(), (*state.pb).buffer_size) };
    // A pointer that is not into AVIO's buffer is the caller's own: with `direct`, a packet's.
    let room = usize::try_from(room).unwrap_or(0);
    let buffered = into.addr().checked_sub(buffer).is_some_and(|skipped| skipped < room);
    let (device, len, elide) = (&mut state.device, state.len, state.elide && !buffered);
    let (scratch, gathered, reading) = (&mut state.scratch, &mut state.gathered, state.reading);
    let beside = state.beside;
    let fetch = |common: &mut Common| {
        beside.map_or(Ok(()), |beside| beside.hold(&common.control, reading == Reading::Header))?;
        if reading == Reading::Among {
            // What lies between packets goes through AVIO's buffer; what does not is one's payload.
            *gathered = if buffered { 0 } else { *gathered };
            let asked = if buffered { 0 } else { size };
            hold(common, gathered.saturating_add(asked as u64), reading, 0)?;
        }
        let read = if buffered {
            scratch.clear();
            scratch.resize(size, 0);
            device.read(common.pos, scratch, &common.control)?
        } else {
            // SAFETY: libav promises `size` writable bytes at `into`. They get a value before safe code sees
            // them.
            let into = unsafe {
                std::ptr::write_bytes(into, 0, size);
                std::slice::from_raw_parts_mut(into, size)
            };
            device.read(common.pos, into, &common.control)?
        };
        if read > size {
            common.poisoned = true;
            let message = format!("the source says that it read {read} bytes into a buffer of {size}");
            return Err(Error::new(ErrorKind::Bug, message));
        }
        if !(buffered && reading == Reading::Among) {
            *gathered = gathered.saturating_add(read as u64);
        }
        hold(common, *gathered, reading, read)?;
        if buffered {
            // SAFETY: libav promises `size` writable bytes at `into`; as many are in `scratch`, and `read` is
            // no more.
            unsafe { std::ptr::copy_nonoverlapping(scratch.as_ptr(), into, read) };
        }
        Ok(read)
    };
    let outcome = if elide {
        state.common.guarded(|common| {
            let left = len.map_or(0, |len| len.saturating_sub(common.pos));
            Ok(usize::try_from(left).map_or(size, |left| left.min(size)))
        })
    } else {
        state.common.guard(fetch)
    };
    match outcome {
        Err(code) => code,
        Ok(0) => {
            state.ran_out |= !buffered;
            ff::AVERROR_EOF
        }
        Ok(read) => {
            if !buffered {
                state.last =
                    Some(DirectRead { address: into.addr(), len: read, at: state.common.pos, elided: elide });
            }
            state.common.pos = state.common.pos.saturating_add(read as u64);
            // `read <= size`, which came from a c_int.
            c_int::try_from(read).unwrap_or(c_int::MAX)
        }
    }
}

/// Whether so much may be read. What a parser gathers in search of a frame's end goes through here, and
/// nowhere else can it be stopped.
fn hold(common: &Common, gathered: u64, reading: Reading, read: usize) -> Result<()> {
    let limits = common.control.get_limits();
    Limits::hold(common.pos.saturating_add(read as u64), limits.input_bytes, "input_bytes", || {
        format!("the source has more than {} bytes", limits.input_bytes)
    })?;
    match reading {
        Reading::Header => Limits::hold(gathered, limits.demuxer_memory, "demuxer_memory", || {
            format!("its header has more than {} bytes", limits.demuxer_memory)
        }),
        Reading::Packets(_) | Reading::Among => {
            let count = if let Reading::Packets(count) = reading { count } else { 1 };
            limits.hold_packets(gathered, count, |most| {
                format!("not one packet ends within {most} bytes, at byte {}", common.pos)
            })
        }
        Reading::Past => Ok(()),
    }
}

unsafe extern "C" fn read_seek(opaque: *mut c_void, offset: i64, whence: c_int) -> i64 {
    // SAFETY: as in `read`.
    let state = unsafe { &mut *opaque.cast::<ReadState>() };
    let len = state.len;
    let outcome = state.common.guarded(|common| Ok(seek_to(common.pos, len, offset, whence)));
    finish_seek(&mut state.common, outcome, whence)
}

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

/// An AVIOContext that writes.
pub(crate) struct WriteIo(Context<WriteState>);

// SAFETY: as for ReadIo.
unsafe impl Send for WriteIo {}

impl WriteIo {
    /// With `direct`, payload comes to the device by the packet's own pointer.
    pub(crate) fn new(device: Box<dyn WriteDevice>, control: Control, direct: bool) -> Result<Self> {
        let seek: SeekFn = if device.len().is_some() { Some(write_seek) } else { None };
        let common = Common::new(control);
        let state = WriteState { common, device, current: None, payload: 0, umid: None };
        let context = Context::new(state, true, None, Some(write), seek)?;
        // SAFETY: the context is live. min_packet_size is 0 for custom I/O, which flushes after each packet;
        // 256 KiB is what libav's own file protocol has.
        unsafe {
            (*context.pb.as_ptr()).direct = c_int::from(direct);
            (*context.pb.as_ptr()).min_packet_size = 256 * 1024;
        }
        Ok(Self(context))
    }

    pub(super) fn as_ptr(&self) -> *mut ff::AVIOContext {
        self.0.pb.as_ptr()
    }

    /// The packet that is written next has its bytes at `address`, and the same bytes lie in its source at
    /// `origin`.
    pub(crate) fn set_current(&mut self, address: usize, len: usize, origin: u64) {
        self.0.state().current = Some((address, len, origin));
    }

    /// The file is MXF, and its material has this number.
    pub(super) fn set_material(&mut self, identity: u64) {
        self.0.state().umid = Some(Umid::new(identity));
    }

    /// The packet is written; returns how many bytes of it arrived by reference.
    pub(crate) fn end_current(&mut self) -> u64 {
        let state = self.0.state();
        state.current = None;
        std::mem::take(&mut state.payload)
    }

    pub(crate) fn take_error(&mut self) -> Option<Error> {
        self.0.state().common.error.take()
    }

    /// Writes out what AVIO still holds.
    pub(crate) fn flush(&mut self) -> Result<()> {
        // SAFETY: the context is live, and no reference to the state is.
        unsafe { ff::avio_flush(self.0.pb.as_ptr()) };
        self.take_error().map_or(Ok(()), Err)
    }
}

unsafe extern "C" fn write(opaque: *mut c_void, data: Out, size: c_int) -> c_int {
    // SAFETY: as in `read`.
    let state = unsafe { &mut *opaque.cast::<WriteState>() };
    // FFmpeg 5.1 may call with nothing to write.
    let Some(len) = usize::try_from(size).ok().filter(|len| *len > 0) else {
        return 0;
    };
    // SAFETY: libav promises `size` readable bytes at `data`.
    let bytes = unsafe { std::slice::from_raw_parts(data.cast::<u8>(), len) };
    let origin = state.current.and_then(|(start, packet, origin)| {
        let skipped = data.addr().checked_sub(start)?;
        (skipped.checked_add(len)? <= packet).then(|| origin.checked_add(skipped as u64))?
    });
    let (device, umid) = (&mut state.device, &mut state.umid);
    let outcome = state.common.guard(|common| {
        let bytes = match umid.as_mut().filter(|_| origin.is_none()) {
            Some(umid) => umid.apply(common.pos, bytes),
            None => bytes.into(),
        };
        let most = common.control.get_limits().output_bytes;
        Limits::hold(common.pos.saturating_add(len as u64), most, "output_bytes", || {
            format!("the result has more than {most} bytes")
        })?;
        device.write(common.pos, Chunk { data: &bytes, origin })
    });
    match outcome {
        Err(code) => code,
        Ok(()) => {
            if origin.is_some() {
                state.payload = state.payload.saturating_add(len as u64);
            }
            state.common.pos = state.common.pos.saturating_add(len as u64);
            size
        }
    }
}

unsafe extern "C" fn write_seek(opaque: *mut c_void, offset: i64, whence: c_int) -> i64 {
    // SAFETY: as in `read`.
    let state = unsafe { &mut *opaque.cast::<WriteState>() };
    let device = &state.device;
    let outcome = state.common.guard(|common| Ok(seek_to(common.pos, device.len(), offset, whence)));
    finish_seek(&mut state.common, outcome, whence)
}

#[cfg(test)]
mod tests;
