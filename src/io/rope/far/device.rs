//! [`ReadAt`]: what a caller implements to be read from, and how it likes to be read.

use crate::Control;
use bytes::Bytes;
use std::{io::Result, ops::Range};

/// Something with a length that can be read anywhere: an object store, a file over HTTP ranges, a database.
///
/// Calls come from threads of their own, several at once ([`Hints::requests`]), and what they give is shared
/// by all readers of the [`Source`](crate::Source). A call gets the job's [`Control`]: one that waits should
/// look at [`Control::check`] now and then, or end by itself after [`Control::remaining`]. A job that is
/// cancelled does not wait for it; its thread ends when the call does. A panic in a call ends the operation
/// with [`ErrorKind::Bug`](crate::ErrorKind::Bug).
///
/// ```
/// use avrope::{Control, Media, Source, io::ReadAt};
///
/// struct Stored(Vec<u8>);
///
/// impl ReadAt for Stored {
///     fn len(&self) -> u64 {
///         self.0.len() as u64
///     }
///     fn read_at(&self, offset: u64, buf: &mut [u8], control: &Control) -> std::io::Result<usize> {
///         control.check()?;
///         let rest = &self.0[(offset as usize).min(self.0.len())..];
///         let len = rest.len().min(buf.len());
///         buf[..len].copy_from_slice(&rest[..len]);
///         Ok(len)
///     }
/// }
///
/// let source = Source::from_read_at(Stored(b"no media".to_vec()), "stored");
/// assert!(Media::open(source).is_err());
/// ```
pub trait ReadAt: Send + Sync {
    /// The length in bytes. It must not change.
    fn len(&self) -> u64;

    /// Reads up to `buf.len()` bytes at `offset` and returns how many; 0 only at the end. Fewer than asked
    /// are fine.
    fn read_at(&self, offset: u64, buf: &mut [u8], control: &Control) -> Result<usize>;

    /// The bytes of several ranges, a buffer each, in their order: for a store that has buffers of its own,
    /// which are handed on without a copy, or that gets several ranges at once. The ranges ascend, do not
    /// overlap, and lie near each other ([`Hints::gap`]). None, the default, where there is no such way: then
    /// [`read_at`](Self::read_at) is asked for all from the first range's start to the last one's end.
    fn read_ranges(&self, ranges: &[Range<u64>], control: &Control) -> Option<Result<Vec<Bytes>>> {
        let _ = (ranges, control);
        None
    }

    /// What tells this object from one that took its place: an ETag, a generation. Asked for after each read,
    /// so it should be what the last answer said, and cost no request. Where it differs from what it was
    /// first, the operation ends with [`ErrorKind::Io`](crate::ErrorKind::Io), and nothing of the new object
    /// is passed on. A device that serves several requests at once must not go back to the old version once
    /// it has seen another one. None, the default, where the device sees to that itself, or can't know.
    fn version(&self) -> Option<String> {
        None
    }

    /// Whether there is nothing in it.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How it likes to be read. Asked once.
    fn hints(&self) -> Hints {
        Hints::default()
    }
}

/// How a seekable source likes to be read.
///
/// ```
/// let hints = avrope::io::Hints::new().block(64 << 10).requests(8);
/// assert_eq!(hints.read_ahead, avrope::io::Hints::default().read_ahead);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Hints {
    /// The least that a demuxer's read asks for, in bytes; it doubles while reads follow each other. Default
    /// 256 KiB.
    pub block: usize,
    /// The most that one request asks for, in bytes. Default 4 MiB.
    pub read_ahead: usize,
    /// Bytes that are kept for all readers of what was read while media was opened and demuxed; bytes that
    /// one reader has asked for before they are used; and, where it demuxes, what it left behind and may come
    /// back to. Each of the three has this much for itself; what is read now is held however little this is.
    /// Default 16 MiB.
    pub cache: usize,
    /// Requests that one reader has on their way at the same time. Default 4; a device that serves one after
    /// the other wants 1. A demuxer that jumps elsewhere gives up the oldest that it left behind: its call
    /// ends when it looks at its [`Control`]. Only a read ahead of its turn, among what is asked for in
    /// order, makes a request more.
    pub requests: usize,
    /// Ranges that lie nearer to each other than this are got by one request, in bytes. What a store sends in
    /// the time of a round trip costs nothing. Default 512 KiB.
    pub gap: usize,
}

impl Default for Hints {
    fn default() -> Self {
        Self { block: 256 << 10, read_ahead: 4 << 20, cache: 16 << 20, requests: 4, gap: 512 << 10 }
    }
}

impl Hints {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// The least that a demuxer's read asks for, in bytes.
    #[must_use]
    pub fn block(mut self, bytes: usize) -> Self {
        self.block = bytes;
        self
    }

    /// The most that one request asks for, in bytes.
    #[must_use]
    pub fn read_ahead(mut self, bytes: usize) -> Self {
        self.read_ahead = bytes;
        self
    }

    /// Bytes that are kept, that one reader has asked for before they are used, and that it left behind: so
    /// many of each.
    #[must_use]
    pub fn cache(mut self, bytes: usize) -> Self {
        self.cache = bytes;
        self
    }

    /// Requests that one reader has on their way at the same time.
    #[must_use]
    pub fn requests(mut self, count: usize) -> Self {
        self.requests = count;
        self
    }

    /// Ranges that lie nearer to each other than this are got by one request, in bytes.
    #[must_use]
    pub fn gap(mut self, bytes: usize) -> Self {
        self.gap = bytes;
        self
    }

    /// The same within bounds that make sense.
    pub(super) fn bounded(self) -> Self {
        let block = self.block.clamp(512, 64 << 20);
        Self {
            block,
            read_ahead: self.read_ahead.clamp(block, 256 << 20),
            cache: self.cache.min(64 << 30),
            requests: self.requests.clamp(1, 64),
            ..self
        }
    }
}
