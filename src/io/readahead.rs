//! Read-ahead for seekable sources that are slow: a demuxer's many small reads become a few large ones.

use super::stream::guarded;
use crate::{Control, Result, io::ReadAt};
use bytes::Bytes;
use std::{collections::VecDeque, sync::Mutex};

/// How a seekable source likes to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hints {
    /// The least that one read asks for, in bytes; it doubles while reads follow each other. Default 256 KiB.
    pub block: usize,
    /// The most that one read asks for, in bytes, while media is opened and demuxed. Default 4 MiB. (Payload on its way
    /// out of a rope is asked for at once: a segment in [`Rope::to_bytes`](crate::Rope::to_bytes), a MiB of it
    /// elsewhere.)
    pub read_ahead: usize,
    /// Bytes of read-ahead kept in memory. Default 16 MiB.
    pub cache: usize,
}

impl Default for Hints {
    fn default() -> Self {
        Self { block: 256 << 10, read_ahead: 4 << 20, cache: 16 << 20 }
    }
}

/// Pieces that are kept: each read looks through them.
const MOST: usize = 256;

/// A [`ReadAt`] with what was read from it lately.
pub(super) struct ReadAhead {
    device: Box<dyn ReadAt>,
    len: u64,
    hints: Hints,
    recent: Mutex<Recent>,
}

#[derive(Default)]
struct Recent {
    /// Oldest first.
    extents: VecDeque<(u64, Bytes)>,
    kept: usize,
    /// Where the last read ended, and how much it asked for.
    end: u64,
    span: usize,
}

impl ReadAhead {
    pub(super) fn new(device: Box<dyn ReadAt>) -> Self {
        let hints = device.hints();
        let block = hints.block.clamp(512, 64 << 20);
        let hints = Hints { block, read_ahead: hints.read_ahead.clamp(block, 256 << 20), cache: hints.cache };
        Self { len: device.len(), device, hints, recent: Mutex::default() }
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Up to `into.len()` bytes at `at`; 0 at the end alone. What the device gave for it is added to `fetched`.
    pub(super) fn read(
        &self,
        at: u64,
        into: &mut [u8],
        fetched: &mut u64,
        control: &Control,
    ) -> Result<usize> {
        let left = self.len.saturating_sub(at);
        if left == 0 || into.is_empty() {
            return Ok(0);
        }
        if let Some(bytes) = self.lock().find(at) {
            return Ok(copy(&bytes, into));
        }
        let span = {
            let recent = self.lock();
            if recent.end == at { recent.span.saturating_mul(2) } else { self.hints.block }
        };
        let want = span.clamp(self.hints.block, self.hints.read_ahead);
        let want = usize::try_from(left).map_or(want, |left| want.min(left));
        let bytes = self.fill(at, want, into.len().min(want), control)?;
        *fetched = fetched.saturating_add(bytes.len() as u64);
        let copied = copy(&bytes, into);
        self.lock().keep(at, bytes, want, self.hints.cache);
        Ok(copied)
    }

    /// These bytes, past the cache: payload on its way out.
    pub(super) fn fetch(&self, at: u64, len: usize, control: &Control) -> Result<Bytes> {
        self.fill(at, len, len, control)
    }

    /// Up to `len` bytes, and `least` at the least: a device that gives a little at a time is not kept at it for a whole
    /// block. Cancel and deadline are looked at between its reads.
    fn fill(&self, at: u64, len: usize, least: usize, control: &Control) -> Result<Bytes> {
        let mut bytes = vec![0; len];
        let mut filled = 0;
        while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty() && filled < least) {
            control.check()?;
            let room = rest.len();
            let offset = at.saturating_add(filled as u64);
            let read = match guarded(|| self.device.read_at(offset, rest))? {
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(crate::Error::io("reading failed", e)),
                Ok(0) => return Err(super::source::shorter(at.saturating_add(filled as u64), self.len)),
                Ok(read) if read > room => return Err(super::source::forged(read, room)),
                Ok(read) => read,
            };
            filled = filled.saturating_add(read);
        }
        if filled < bytes.len() {
            // What was not filled is not kept.
            return Ok(Bytes::copy_from_slice(bytes.get(..filled).unwrap_or_default()));
        }
        Ok(bytes.into())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Recent> {
        // Nothing that is locked can panic half-way; a poisoned lock's content is still whole.
        self.recent.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Recent {
    fn find(&self, at: u64) -> Option<Bytes> {
        self.extents.iter().rev().find_map(|(start, bytes)| {
            let skip = usize::try_from(at.checked_sub(*start)?).ok()?;
            (skip < bytes.len()).then(|| bytes.slice(skip..))
        })
    }

    fn keep(&mut self, at: u64, bytes: Bytes, span: usize, most: usize) {
        self.end = at.saturating_add(bytes.len() as u64);
        self.span = span;
        self.kept = self.kept.saturating_add(bytes.len());
        self.extents.push_back((at, bytes));
        while (self.kept > most || self.extents.len() > MOST) && self.extents.len() > 1 {
            let gone = self.extents.pop_front().map_or(0, |(_, bytes)| bytes.len());
            self.kept = self.kept.saturating_sub(gone);
        }
    }
}

fn copy(from: &[u8], into: &mut [u8]) -> usize {
    let len = from.len().min(into.len());
    if let (Some(from), Some(into)) = (from.get(..len), into.get_mut(..len)) {
        into.copy_from_slice(from);
    }
    len
}
