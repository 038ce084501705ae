//! Sources that are read once and in order.

use super::{
    ChunkReceiver,
    callback::{forged, guarded},
};
use crate::{Control, Error, Result};
use bytes::Bytes;
use std::io::Read;

/// Something to read to its end.
pub(crate) trait Stream: Send {
    /// Up to `into.len()` bytes; 0 at the end alone.
    fn read(&mut self, into: &mut [u8], control: &Control) -> Result<usize>;
}

/// A reader of the caller's. While it waits nothing can end it: cancel and deadline are looked at between its
/// reads.
pub(super) struct Reader<R>(pub(super) R);

impl<R: Read + Send> Stream for Reader<R> {
    fn read(&mut self, into: &mut [u8], control: &Control) -> Result<usize> {
        loop {
            control.check()?;
            match guarded(|| self.0.read(into))? {
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return Err(Error::io("reading the stream failed", e)),
                Ok(read) if read > into.len() => return Err(forged(read, into.len())),
                Ok(read) => return Ok(read),
            }
        }
    }
}

/// Chunks from a channel.
pub(super) struct Channel {
    pub(super) chunks: ChunkReceiver,
    pub(super) rest: Bytes,
}

impl Stream for Channel {
    fn read(&mut self, into: &mut [u8], control: &Control) -> Result<usize> {
        while self.rest.is_empty() {
            match self.chunks.recv_with(control)? {
                Some(chunk) => self.rest = chunk,
                None => return Ok(0),
            }
        }
        let len = self.rest.len().min(into.len());
        let chunk = self.rest.split_to(len);
        if let Some(into) = into.get_mut(..len) {
            into.copy_from_slice(&chunk);
        }
        Ok(len)
    }
}
