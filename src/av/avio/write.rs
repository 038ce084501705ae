//! AVIOContext that writes to a device.

use super::{BUFFER, Common, Context, Out, SeekFn, finish_seek, seek_to};
use crate::{Control, Error, Result, av::umid::Umid};
use ffmpeg_sys_next as ff;
use std::ffi::{c_int, c_void};

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

struct WriteState {
    common: Common,
    device: Box<dyn WriteDevice>,
    current: Option<(usize, usize, u64)>,
    payload: u64,
    /// Of MXF, what it is to say of its material.
    umid: Option<Umid>,
}

/// An AVIOContext that writes.
pub(crate) struct WriteIo(Context<WriteState>);

// SAFETY: as for ReadIo.
unsafe impl Send for WriteIo {}

impl WriteIo {
    /// With `direct`, payload comes to the device by the packet's own pointer.
    pub(crate) fn new(device: Box<dyn WriteDevice>, control: Control, direct: bool) -> Result<Self> {
        Self::with_room(device, control, direct, BUFFER, 256 * 1024)
    }

    /// For an MP4 in fragments. movenc.c writes what lies in an index (moof, mfra), and goes back to say how long it is
    /// (update_size). Where the device can't go back, AVIO's buffer has to hold all of it, and nothing in front.
    pub(in crate::av) fn of_fragments(device: Box<dyn WriteDevice>, control: Control) -> Result<Self> {
        // Indices of 60 000 samples, or as many fragments.
        const ROOM: c_int = 1 << 20;
        Self::with_room(device, control, false, ROOM, 0)
    }

    /// `held`: what is not written out behind a packet.
    fn with_room(
        device: Box<dyn WriteDevice>,
        control: Control,
        direct: bool,
        room: c_int,
        held: c_int,
    ) -> Result<Self> {
        let seek: SeekFn = if device.len().is_some() { Some(write_seek) } else { None };
        let common = Common::new(control);
        let state = WriteState { common, device, current: None, payload: 0, umid: None };
        let context = Context::new(state, room, None, Some(write), seek)?;
        // SAFETY: the context is live. min_packet_size is 0 for custom I/O, which flushes after each packet;
        // 256 KiB is what libav's own file protocol has.
        unsafe {
            (*context.pb.as_ptr()).direct = c_int::from(direct);
            (*context.pb.as_ptr()).min_packet_size = held;
        }
        Ok(Self(context))
    }

    pub(in crate::av) fn as_ptr(&self) -> *mut ff::AVIOContext {
        self.0.pb.as_ptr()
    }

    /// The packet that is written next has its bytes at `address`, and the same bytes lie in its source at
    /// `origin`.
    pub(crate) fn set_current(&mut self, address: usize, len: usize, origin: u64) {
        self.0.state().current = Some((address, len, origin));
    }

    /// The file is MXF, and its material has this number.
    pub(in crate::av) fn set_material(&mut self, identity: u64) {
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

pub(super) unsafe extern "C" fn write(opaque: *mut c_void, data: Out, size: c_int) -> c_int {
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
        common.control.get_limits().hold_output(common.pos.saturating_add(len as u64))?;
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

pub(super) unsafe extern "C" fn write_seek(opaque: *mut c_void, offset: i64, whence: c_int) -> i64 {
    // SAFETY: as in `read`.
    let state = unsafe { &mut *opaque.cast::<WriteState>() };
    let device = &state.device;
    let outcome = state.common.guard(|common| Ok(seek_to(common.pos, device.len(), offset, whence)));
    finish_seek(&mut state.common, outcome, whence)
}
