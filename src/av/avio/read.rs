//! AVIOContext that reads from a device.

use super::{BUFFER, Common, Context, SeekFn, finish_seek, seek_to};
use crate::{Control, Error, ErrorKind, Limits, Result, av::gathered::Gathered};
use ffmpeg_sys_next as ff;
use std::{
    ffi::{c_int, c_void},
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
        let mut context = Context::new(state, BUFFER, Some(read), None, seek)?;
        context.state().pb = context.pb.as_ptr();
        Ok(Self(context))
    }

    pub(in crate::av) fn as_ptr(&self) -> *mut ff::AVIOContext {
        self.0.pb.as_ptr()
    }

    pub(in crate::av) fn control(&mut self) -> &Control {
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

    /// Runs avformat_open_input for a context that reads from here: what it gathers is bounded with each
    /// read, from now on.
    ///
    /// # Safety
    /// `run` opens the context and nothing else, and gives libav's code. Opened, the context is closed before
    /// this is dropped.
    pub(in crate::av) unsafe fn open(
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

pub(super) unsafe extern "C" fn read(opaque: *mut c_void, into: *mut u8, size: c_int) -> c_int {
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

pub(super) unsafe extern "C" fn read_seek(opaque: *mut c_void, offset: i64, whence: c_int) -> i64 {
    // SAFETY: as in `read`.
    let state = unsafe { &mut *opaque.cast::<ReadState>() };
    let len = state.len;
    let outcome = state.common.guarded(|common| Ok(seek_to(common.pos, len, offset, whence)));
    finish_seek(&mut state.common, outcome, whence)
}
