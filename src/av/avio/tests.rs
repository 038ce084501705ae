//! The pitfalls of AVIO that a test can show, by calling what libav calls, and through libav itself.

mod reading;
mod whole;
mod writing;

use super::{
    read::{read, read_seek},
    write::{write, write_seek},
    *,
};
use crate::{
    CancelToken,
    av::{
        buffer::BufferRef,
        demuxer::Demuxer,
        input::{Input, OpenOptions},
        packet::Packet,
    },
};
use std::{
    sync::{
        Arc, Barrier, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

type Reads = Box<dyn FnMut(u64, &mut [u8]) -> Result<usize> + Send>;

/// A device of closures.
struct Device {
    read: Reads,
    len: Option<u64>,
    drops: Arc<AtomicUsize>,
}

impl ReadDevice for Device {
    fn read(&mut self, at: u64, into: &mut [u8], _control: &Control) -> Result<usize> {
        (self.read)(at, into)
    }
    fn len(&self) -> Option<u64> {
        self.len
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        self.drops.fetch_add(1, Ordering::SeqCst);
    }
}

fn reader(
    len: Option<u64>,
    control: Control,
    read: impl FnMut(u64, &mut [u8]) -> Result<usize> + Send + 'static,
) -> ReadIo {
    let device = Device { read: Box::new(read), len, drops: Arc::default() };
    ReadIo::new(Box::new(device), control).unwrap()
}

/// Counts up: byte n of the device is n modulo 251.
fn pattern(at: u64, into: &mut [u8]) -> usize {
    for (i, byte) in into.iter_mut().enumerate() {
        *byte = ((at + i as u64) % 251) as u8;
    }
    into.len()
}

fn patterned(len: u64) -> impl FnMut(u64, &mut [u8]) -> Result<usize> + Send {
    move |at, into| {
        let left = usize::try_from(len.saturating_sub(at)).unwrap().min(into.len());
        Ok(pattern(at, &mut into[..left]))
    }
}

impl ReadIo {
    fn opaque(&self) -> *mut c_void {
        // SAFETY: the context is live.
        unsafe { (*self.as_ptr()).opaque }
    }

    /// As libav fills its own buffer.
    fn call(&mut self, size: c_int) -> c_int {
        // SAFETY: the context's own state and buffer.
        unsafe { read(self.opaque(), (*self.as_ptr()).buffer, size) }
    }

    /// As libav reads into a packet.
    fn call_into(&mut self, into: &mut [u8]) -> c_int {
        // SAFETY: the context's own state, and a live slice.
        unsafe { read(self.opaque(), into.as_mut_ptr(), c_int::try_from(into.len()).unwrap()) }
    }

    fn seek_call(&mut self, offset: i64, whence: c_int) -> i64 {
        // SAFETY: the context's own state.
        unsafe { read_seek(self.opaque(), offset, whence) }
    }

    fn avio_read(&mut self, into: &mut [u8]) -> c_int {
        // SAFETY: the context is live, and so is the slice.
        unsafe { ff::avio_read(self.as_ptr(), into.as_mut_ptr(), c_int::try_from(into.len()).unwrap()) }
    }

    fn avio_seek(&mut self, to: i64) -> i64 {
        // SAFETY: the context is live.
        unsafe { ff::avio_seek(self.as_ptr(), to, libc::SEEK_SET) }
    }
}

type Writes = Box<dyn FnMut(u64, Chunk<'_>) -> Result<()> + Send>;

struct WriterDevice(Writes, Option<u64>);

impl WriteDevice for WriterDevice {
    fn write(&mut self, at: u64, chunk: Chunk<'_>) -> Result<()> {
        self.1 = self.1.map(|len| len.max(at + chunk.data.len() as u64));
        (self.0)(at, chunk)
    }
    fn len(&self) -> Option<u64> {
        self.1
    }
}

fn writer(
    len: Option<u64>,
    control: Control,
    direct: bool,
    write: impl FnMut(u64, Chunk<'_>) -> Result<()> + Send + 'static,
) -> WriteIo {
    WriteIo::new(Box::new(WriterDevice(Box::new(write), len)), control, direct).unwrap()
}

impl WriteIo {
    fn call(&mut self, data: &[u8]) -> c_int {
        // SAFETY: the context's own state, and a live slice.
        unsafe {
            write(
                (*self.as_ptr()).opaque,
                data.as_ptr().cast_mut().cast_const() as Out,
                c_int::try_from(data.len()).unwrap(),
            )
        }
    }

    fn seek_call(&mut self, offset: i64, whence: c_int) -> i64 {
        // SAFETY: the context's own state.
        unsafe { write_seek((*self.as_ptr()).opaque, offset, whence) }
    }
}
