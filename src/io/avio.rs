//! Sources and sinks as libav's devices. The callbacks themselves, and all that is unsafe about them, are in
//! `av`.

use super::{Builder, PartialFile, Source, SourceReader, StreamSink, callback::guarded};
use crate::{
    Control, Error, ErrorKind, Result,
    av::avio::{Chunk, ReadDevice, WriteDevice},
};
use bytes::{Bytes, BytesMut};
use std::{
    io::{Seek, SeekFrom, Write},
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
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

    /// A look at another place: a far source is asked for so much of it at once.
    pub(crate) fn look(&self, len: u64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).look(len);
    }

    /// What is read in order goes on up to this byte.
    pub(crate) fn extend(&self, end: u64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(end);
    }

    /// Asks a far source for ranges that will be read, before their turn.
    pub(crate) fn prefetch(&self, ranges: &[Range<u64>], control: &Control) -> Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).prefetch(ranges, control)
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

/// A sink that bytes are sent to: in order, unless it is seekable.
pub(crate) struct StreamDevice {
    /// None once it is closed.
    to: Option<StreamSink>,
    /// What a chunk is made of.
    pending: BytesMut,
    /// Where a seekable sink began, and where it stands from there.
    begun: Option<u64>,
    at: u64,
    written: u64,
}

/// What a channel's receiver gets at once, at the least, until the end.
const CHUNK: usize = 64 * 1024;

impl StreamDevice {
    pub(crate) fn new(to: StreamSink) -> Self {
        Self { to: Some(to), pending: BytesMut::new(), begun: None, at: 0, written: 0 }
    }

    /// Bytes so far.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    pub(crate) fn is_seekable(&self) -> bool {
        matches!(self.to, Some(StreamSink::Seekable(_)))
    }

    pub(crate) fn write_all(&mut self, bytes: &[u8], control: &Control) -> Result<()> {
        self.write_at(self.written, bytes, control)
    }

    /// Writes at a position; only a seekable sink has more than one.
    fn write_at(&mut self, at: u64, bytes: &[u8], control: &Control) -> Result<()> {
        let end = at.saturating_add(bytes.len() as u64);
        match &mut self.to {
            None => return Err(Error::new(ErrorKind::Bug, "the sink is closed")),
            Some(StreamSink::Writer(writer)) => guarded(|| writer.write_all(bytes))?.map_err(failed)?,
            Some(StreamSink::Seekable(writer)) => {
                let begun = match self.begun {
                    Some(begun) => begun,
                    None => *self.begun.insert(guarded(|| writer.stream_position())?.map_err(failed)?),
                };
                if at != self.at {
                    seek(writer, begun.saturating_add(at))?;
                }
                guarded(|| writer.write_all(bytes))?.map_err(failed)?;
                self.at = end;
            }
            Some(to) => {
                self.pending.extend_from_slice(bytes);
                if self.pending.len() >= CHUNK {
                    give(to, self.pending.split().freeze(), control)?;
                }
            }
        }
        self.written = self.written.max(end);
        Ok(())
    }

    /// Bytes that may be handed over without a copy.
    pub(crate) fn send(&mut self, bytes: Bytes, control: &Control) -> Result<()> {
        match &mut self.to {
            Some(to @ (StreamSink::Channel(_) | StreamSink::Each(_))) => {
                self.written = self.written.saturating_add(bytes.len() as u64);
                give(to, self.pending.split().freeze(), control)?;
                give(to, bytes, control)
            }
            _ => self.write_all(&bytes, control),
        }
    }

    /// All is written. The caller's Drop is code of the caller's, too, and a panic of it is an error.
    pub(crate) fn close(&mut self, control: &Control) -> Result<()> {
        match self.to.take() {
            Some(StreamSink::Channel(chunks)) => chunks.finish_with(control),
            to => guarded(move || drop(to)),
        }
    }

    /// What was written leaves. A seekable sink stands behind all of it then, also where a header in front
    /// was completed last.
    pub(crate) fn flush(&mut self, control: &Control) -> Result<()> {
        let flushed =
            |flushed: std::io::Result<()>| flushed.map_err(|e| Error::io("flushing the sink failed", e));
        match &mut self.to {
            None => Ok(()),
            Some(StreamSink::Writer(writer)) => flushed(guarded(|| writer.flush())?),
            Some(StreamSink::Seekable(writer)) => {
                if let Some(begun) = self.begun.filter(|_| self.at != self.written) {
                    seek(writer, begun.saturating_add(self.written))?;
                    self.at = self.written;
                }
                flushed(guarded(|| writer.flush())?)
            }
            Some(to) => give(to, self.pending.split().freeze(), control),
        }
    }
}

impl Drop for StreamDevice {
    fn drop(&mut self) {
        // Of a job that failed: its error is told already, and a second panic would end the process. A
        // channel's receiver is not told that this is the end.
        let to = self.to.take();
        let _ = guarded(move || drop(to));
    }
}

fn seek(writer: &mut dyn Seek, to: u64) -> Result<()> {
    let sought = guarded(|| writer.seek(SeekFrom::Start(to)))?;
    sought.map_err(|e| Error::io("seeking in the sink failed", e)).map(drop)
}

fn failed(error: std::io::Error) -> Error {
    Error::io("writing to the sink failed", error)
}

/// A chunk to whom it may be given as it is.
fn give(to: &mut StreamSink, chunk: Bytes, control: &Control) -> Result<()> {
    match to {
        _ if chunk.is_empty() => Ok(()),
        StreamSink::Channel(chunks) => chunks.send_with(chunk, control),
        StreamSink::Each(take) => guarded(|| take(chunk))?,
        StreamSink::Writer(_) | StreamSink::Seekable(_) => {
            Err(Error::new(ErrorKind::Bug, "a chunk for a sink that is written to"))
        }
    }
}

/// A [`StreamDevice`] that a muxer writes to.
#[derive(Clone)]
pub(crate) struct StreamOut {
    pub(crate) device: Arc<Mutex<StreamDevice>>,
    pub(crate) control: Control,
}

impl StreamOut {
    pub(crate) fn is_seekable(&self) -> bool {
        self.device.lock().unwrap_or_else(PoisonError::into_inner).is_seekable()
    }
}

impl WriteDevice for StreamOut {
    fn write(&mut self, at: u64, chunk: Chunk<'_>) -> Result<()> {
        let mut device = self.device.lock().unwrap_or_else(PoisonError::into_inner);
        if device.is_seekable() {
            device.write_at(at, chunk.data, &self.control)
        } else {
            device.write_all(chunk.data, &self.control)
        }
    }

    fn len(&self) -> Option<u64> {
        let device = self.device.lock().unwrap_or_else(PoisonError::into_inner);
        device.is_seekable().then(|| device.written())
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
