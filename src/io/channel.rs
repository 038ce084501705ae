//! A bounded channel of chunks, between a job and whoever takes its bytes or gives them.

use crate::{Control, Error, ErrorKind, Result};
use bytes::Bytes;
use crossbeam_channel::{Receiver, RecvTimeoutError, SendTimeoutError, Sender};
use std::{fmt, iter::FusedIterator, time::Duration};

/// How long a wait goes on before cancel and deadline are looked at.
const LOOK: Duration = Duration::from_millis(20);

/// A channel that holds up to `bound` chunks: who sends more waits. With 0, each chunk waits until it is
/// taken.
///
/// ```
/// let (sender, chunks) = avrope::io::channel(4);
/// std::thread::spawn(move || {
///     sender.send(&b"some bytes"[..])?;
///     sender.finish()
/// });
/// let all: avrope::Result<Vec<_>> = chunks.collect();
/// assert_eq!(all?.concat(), b"some bytes");
/// # Ok::<(), avrope::Error>(())
/// ```
pub fn channel(bound: usize) -> (ChunkSender, ChunkReceiver) {
    let (sender, receiver) = crossbeam_channel::bounded(bound);
    (ChunkSender { to: sender }, ChunkReceiver { from: receiver, ended: false })
}

enum Message {
    Chunk(Bytes),
    End,
    Failed(Error),
}

/// The side of a [`channel`] that chunks are sent by.
///
/// Say [`finish`](Self::finish) behind the last one. Where it is dropped without, the receiver gets an error:
/// what came is not all.
pub struct ChunkSender {
    to: Sender<Message>,
}

/// The side of a [`channel`] that chunks are received by, an iterator: each chunk, or once the error that the
/// sender failed with; then it ends.
pub struct ChunkReceiver {
    from: Receiver<Message>,
    ended: bool,
}

impl ChunkSender {
    /// Sends a chunk, and waits while the channel is full. Empty ones are not sent.
    ///
    /// Errors: [`Io`](ErrorKind::Io) when the receiver is gone.
    pub fn send(&self, chunk: impl Into<Bytes>) -> Result<()> {
        self.send_with(chunk, &Control::new())
    }

    /// The same; the wait ends with a cancel or a deadline, too, whose error it is then.
    pub fn send_with(&self, chunk: impl Into<Bytes>, control: &Control) -> Result<()> {
        let chunk = chunk.into();
        if chunk.is_empty() {
            return Ok(());
        }
        self.push(Message::Chunk(chunk), control)
    }

    /// Says that all is sent. Errors are those of [`send`](Self::send).
    pub fn finish(self) -> Result<()> {
        self.finish_with(&Control::new())
    }

    pub(crate) fn finish_with(&self, control: &Control) -> Result<()> {
        self.push(Message::End, control)
    }

    /// Says that the rest can't be had: the receiver gets this error, or the job that reads from it.
    pub fn fail(self, error: Error) {
        // Nobody is there to hear of a receiver that is gone.
        let _ = self.push(Message::Failed(error), &Control::new());
    }

    fn push(&self, mut message: Message, control: &Control) -> Result<()> {
        loop {
            control.check()?;
            match self.to.send_timeout(message, LOOK) {
                Ok(()) => return Ok(()),
                Err(SendTimeoutError::Timeout(back)) => message = back,
                Err(SendTimeoutError::Disconnected(_)) => {
                    return Err(Error::new(ErrorKind::Io, "the receiver of the channel is gone"));
                }
            }
        }
    }
}

impl ChunkReceiver {
    /// Waits for the next chunk; None at the end.
    ///
    /// Errors: what the sender [failed](ChunkSender::fail) with, or [`Io`](ErrorKind::Io) where it is gone
    /// without having said that all is sent (a job that failed; its own error says why).
    pub fn recv(&mut self) -> Result<Option<Bytes>> {
        self.recv_with(&Control::new())
    }

    /// The same; the wait ends with a cancel or a deadline, too, whose error it is then. It may be called
    /// again.
    pub fn recv_with(&mut self, control: &Control) -> Result<Option<Bytes>> {
        loop {
            if self.ended {
                return Ok(None);
            }
            control.check()?;
            let message = match self.from.recv_timeout(LOOK) {
                Ok(message) => message,
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => Message::Failed(Error::new(
                    ErrorKind::Io,
                    "the sender of the channel is gone before all was sent",
                )),
            };
            match message {
                Message::Chunk(chunk) => return Ok(Some(chunk)),
                Message::End => self.ended = true,
                Message::Failed(error) => {
                    self.ended = true;
                    return Err(error);
                }
            }
        }
    }
}

impl Iterator for ChunkReceiver {
    type Item = Result<Bytes>;

    fn next(&mut self) -> Option<Self::Item> {
        self.recv().transpose()
    }
}

impl FusedIterator for ChunkReceiver {}

impl fmt::Debug for ChunkSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChunkSender").field("waiting", &self.to.len()).finish_non_exhaustive()
    }
}

impl fmt::Debug for ChunkReceiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChunkReceiver").field("waiting", &self.from.len()).finish_non_exhaustive()
    }
}
