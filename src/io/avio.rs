//! Sources and sinks as libav's devices. The callbacks themselves, and all that is unsafe about them, are in `av`.

use super::{Builder, PartialFile, Source, SourceReader, stream::guarded};
use crate::{
    Control, Error, ErrorKind, Result,
    av::avio::{Chunk, ReadDevice, WriteDevice},
};
use bytes::{Bytes, BytesMut};
use crossbeam_channel::{SendTimeoutError, Sender};
use std::{
    io::Write,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// A reader that its owner can put to rest while the demuxer keeps it.
#[derive(Clone)]
pub(crate) struct SharedReader(Arc<Mutex<SourceReader>>);

impl SharedReader {
    pub(crate) fn new(source: &Source) -> Self {
        Self(Arc::new(Mutex::new(source.reader())))
    }

    /// Bytes that were fetched since the last call.
    pub(crate) fn take_fetched(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take_fetched()
    }

    /// So many bytes will be read in order, from the next read on.
    pub(crate) fn expect(&self, len: u64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).expect(len);
    }

    /// Gives up the descriptor until the next read.
    pub(crate) fn rest(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).rest();
    }
}

impl ReadDevice for SharedReader {
    fn read(&mut self, at: u64, into: &mut [u8], control: &Control) -> Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).read(at, into, control)
    }

    fn len(&self) -> Option<u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

/// A rope in the making, which the muxer writes to and the operation takes at the end.
#[derive(Clone)]
pub(crate) struct RopeDevice(Arc<Mutex<Builder>>);

impl RopeDevice {
    pub(crate) fn new(memory: u64) -> Self {
        Self(Arc::new(Mutex::new(Builder::new(memory))))
    }

    /// The source of the packets that follow.
    pub(crate) fn set_source(&self, source: &Source) {
        self.lock().set_source(source);
    }

    pub(crate) fn take(&self) -> Builder {
        std::mem::replace(&mut self.lock(), Builder::new(0))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Builder> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl WriteDevice for RopeDevice {
    fn write(&mut self, at: u64, chunk: Chunk<'_>) -> Result<()> {
        match chunk.origin {
            Some(origin) => self.lock().write_shared(at, origin, chunk.data.len() as u64),
            None => self.lock().write(at, chunk.data),
        }
    }

    fn len(&self) -> Option<u64> {
        Some(self.lock().len())
    }
}

/// A file in the making.
#[derive(Clone)]
pub(crate) struct FileDevice(Arc<Mutex<Option<PartialFile>>>);

impl FileDevice {
    pub(crate) fn new(file: PartialFile) -> Self {
        Self(Arc::new(Mutex::new(Some(file))))
    }

    pub(crate) fn take(&self) -> Result<PartialFile> {
        let taken = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        taken.ok_or_else(|| Error::new(ErrorKind::Bug, "the file was taken twice"))
    }
}

impl WriteDevice for FileDevice {
    fn write(&mut self, at: u64, chunk: Chunk<'_>) -> Result<()> {
        match &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(file) => file.write_at(at, chunk.data),
            None => Err(Error::new(ErrorKind::Bug, "the file is closed")),
        }
    }

    fn len(&self) -> Option<u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(PartialFile::len).or(Some(0))
    }
}

/// A sink that is written once and in order.
pub(crate) struct StreamDevice {
    to: To,
    written: u64,
}

enum To {
    Writer(Box<dyn Write + Send>),
    /// The writer was given back.
    Nothing,
    Channel {
        chunks: Sender<Bytes>,
        pending: BytesMut,
    },
}

/// What a channel's receiver gets at once, at the least, until the end.
const CHUNK: usize = 64 * 1024;

impl StreamDevice {
    pub(crate) fn writer(writer: Box<dyn Write + Send>) -> Self {
        Self { to: To::Writer(writer), written: 0 }
    }

    pub(crate) fn channel(chunks: Sender<Bytes>) -> Self {
        Self { to: To::Channel { chunks, pending: BytesMut::new() }, written: 0 }
    }

    /// Bytes so far.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    pub(crate) fn write_all(&mut self, bytes: &[u8], control: &Control) -> Result<()> {
        self.written = self.written.saturating_add(bytes.len() as u64);
        match &mut self.to {
            To::Writer(writer) => {
                guarded(|| writer.write_all(bytes))?.map_err(|e| Error::io("writing to the sink failed", e))
            }
            To::Nothing => Err(Error::new(ErrorKind::Bug, "the sink is closed")),
            To::Channel { chunks, pending } => {
                pending.extend_from_slice(bytes);
                if pending.len() < CHUNK { Ok(()) } else { push(chunks, pending.split().freeze(), control) }
            }
        }
    }

    /// Bytes that may be handed over without a copy.
    pub(crate) fn send(&mut self, bytes: Bytes, control: &Control) -> Result<()> {
        if let To::Channel { chunks, pending } = &mut self.to {
            self.written = self.written.saturating_add(bytes.len() as u64);
            push(chunks, pending.split().freeze(), control)?;
            push(chunks, bytes, control)
        } else {
            self.write_all(&bytes, control)
        }
    }

    /// Gives the writer back: its Drop is code of the caller's, too, and a panic of it is an error.
    pub(crate) fn close(&mut self) -> Result<()> {
        match std::mem::replace(&mut self.to, To::Nothing) {
            To::Writer(writer) => guarded(move || drop(writer)),
            To::Channel { .. } | To::Nothing => Ok(()),
        }
    }

    pub(crate) fn flush(&mut self, control: &Control) -> Result<()> {
        match &mut self.to {
            To::Nothing => Ok(()),
            To::Writer(writer) => {
                guarded(|| writer.flush())?.map_err(|e| Error::io("flushing the sink failed", e))
            }
            To::Channel { chunks, pending } => push(chunks, pending.split().freeze(), control),
        }
    }
}

impl Drop for StreamDevice {
    fn drop(&mut self) {
        // Of a job that failed: its error is told already, and a second panic would end the process.
        let _ = self.close();
    }
}

/// Waits for room, and looks at cancel and deadline while it waits.
fn push(chunks: &Sender<Bytes>, mut chunk: Bytes, control: &Control) -> Result<()> {
    while !chunk.is_empty() {
        control.check()?;
        match chunks.send_timeout(chunk, Duration::from_millis(20)) {
            Ok(()) => return Ok(()),
            Err(SendTimeoutError::Timeout(back)) => chunk = back,
            Err(SendTimeoutError::Disconnected(_)) => {
                return Err(Error::new(ErrorKind::Io, "the receiver of the output channel is gone"));
            }
        }
    }
    Ok(())
}

/// A [`StreamDevice`] that a muxer writes to.
#[derive(Clone)]
pub(crate) struct StreamOut {
    pub(crate) device: Arc<Mutex<StreamDevice>>,
    pub(crate) control: Control,
}

impl WriteDevice for StreamOut {
    fn write(&mut self, _at: u64, chunk: Chunk<'_>) -> Result<()> {
        self.device.lock().unwrap_or_else(PoisonError::into_inner).write_all(chunk.data, &self.control)
    }

    fn len(&self) -> Option<u64> {
        None
    }
}

/// Takes everything and keeps nothing: to try whether a muxer accepts its streams.
pub(crate) struct NullDevice(pub(crate) u64);

impl WriteDevice for NullDevice {
    fn write(&mut self, at: u64, chunk: Chunk<'_>) -> Result<()> {
        self.0 = self.0.max(at.saturating_add(chunk.data.len() as u64));
        Ok(())
    }

    fn len(&self) -> Option<u64> {
        Some(self.0)
    }
}
