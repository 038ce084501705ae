//! [`Rope`]: a sequence of byte slices that reads as one. Beside it is what it is made of and what may be one, the
//! [`Source`], and how both are read.

mod far;
mod reader;
pub(crate) mod source;
mod source_reader;

pub use far::{Hints, ReadAt};
pub use reader::{Chunks, RopeReader};

pub(super) use reader::unchanged;
pub(crate) use source::Source;
pub(crate) use source_reader::{Resumed, SourceReader};

use crate::{Error, ErrorKind, Result};
use bytes::Bytes;
use std::{
    fmt,
    ops::{Bound, RangeBounds},
    path::Path,
    sync::Arc,
};

/// A sequence of byte slices that reads as one. Immutable, cheap to clone, `Send + Sync`.
///
/// A segment is owned bytes, or a slice of a [`Source`] that is resolved when it is consumed: from memory
/// without a copy, from a file by `pread` or `copy_file_range`. A file that changed since is an error then.
///
/// ```
/// use avrope::Rope;
/// let rope = Rope::from_bytes(&b"a clip is a rope"[..]);
/// assert_eq!(rope.slice(2..6)?.to_bytes()?, &b"clip"[..]);
/// # Ok::<(), avrope::Error>(())
/// ```
#[derive(Clone)]
pub struct Rope(Arc<Inner>);

struct Inner {
    pieces: Vec<Piece>,
    len: u64,
    is_far: bool,
}

#[derive(Clone)]
pub(crate) struct Piece {
    /// Where it begins in the rope.
    pub start: u64,
    pub len: u64,
    pub bytes: Slice,
}

#[derive(Clone)]
pub(crate) enum Slice {
    Owned(Bytes),
    Shared { source: Source, at: u64 },
}

impl Piece {
    pub(crate) fn end(&self) -> u64 {
        self.start.saturating_add(self.len)
    }

    /// Whether its source may be slow to answer.
    pub(super) fn is_far(&self) -> bool {
        matches!(&self.bytes, Slice::Shared { source, .. } if source.as_far().is_some())
    }

    /// Where it lies in its file, if it is a slice of one.
    pub(crate) fn file_offset(&self) -> Option<u64> {
        match &self.bytes {
            Slice::Shared { source, at } if source.as_file().is_some() => Some(*at),
            _ => None,
        }
    }

    /// The part from `skip` on, `len` bytes long, as a piece at `start`. The caller keeps it inside.
    fn part(&self, skip: u64, len: u64, start: u64) -> Self {
        let bytes = match &self.bytes {
            Slice::Owned(bytes) => {
                let from = usize::try_from(skip).unwrap_or(usize::MAX).min(bytes.len());
                let to = from.saturating_add(usize::try_from(len).unwrap_or(usize::MAX)).min(bytes.len());
                Slice::Owned(bytes.slice(from..to))
            }
            Slice::Shared { source, at } => {
                Slice::Shared { source: source.clone(), at: at.saturating_add(skip) }
            }
        };
        Self { start, len, bytes }
    }
}

/// One slice of a [`Rope`], as [`Rope::slices`] shows it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RopeSlice {
    /// Where it begins in the rope.
    pub offset: u64,
    /// Its length in bytes.
    pub len: u64,
    /// The source that it is a slice of and where it begins in it; None for owned bytes.
    pub source: Option<(Source, u64)>,
}

impl Rope {
    pub(crate) fn from_pieces(pieces: Vec<Piece>) -> Self {
        let len = pieces.last().map_or(0, Piece::end);
        let is_far = pieces.iter().any(Piece::is_far);
        Self(Arc::new(Inner { pieces, len, is_far }))
    }

    /// A rope of these bytes alone.
    pub fn from_bytes(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        let len = bytes.len() as u64;
        let pieces =
            if len == 0 { Vec::new() } else { vec![Piece { start: 0, len, bytes: Slice::Owned(bytes) }] };
        Self::from_pieces(pieces)
    }

    /// Ropes one after the other. Nothing is copied; neighbouring slices of one source become one segment.
    ///
    /// ```
    /// use avrope::{Rope, Source};
    /// let source = Source::from_bytes(&b"0123456789"[..]);
    /// let rope = Rope::concat(&[Rope::from_bytes(&b"> "[..]), source.slice(2..5)?, source.slice(8..)?]);
    /// assert_eq!(rope.to_bytes()?, &b"> 23489"[..]);
    /// # Ok::<(), avrope::Error>(())
    /// ```
    pub fn concat<'a>(ropes: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut pieces: Vec<Piece> = Vec::new();
        for piece in ropes.into_iter().flat_map(Self::pieces) {
            let start = pieces.last().map_or(0, Piece::end);
            match (pieces.last_mut(), &piece.bytes) {
                (
                    Some(Piece { len, bytes: Slice::Shared { source: last, at: from }, .. }),
                    Slice::Shared { source, at },
                ) if last.is_same(source) && from.saturating_add(*len) == *at => {
                    *len = len.saturating_add(piece.len);
                }
                _ => pieces.push(Piece { start, ..piece.clone() }),
            }
        }
        Self::from_pieces(pieces)
    }

    /// All of a source that can be read anywhere; nothing of a stream.
    pub(super) fn of_source(source: &Source) -> Self {
        let len = source.len().unwrap_or(0);
        let all = Piece { start: 0, len, bytes: Slice::Shared { source: source.clone(), at: 0 } };
        Self::from_pieces(if len == 0 { Vec::new() } else { vec![all] })
    }

    /// Whether a part of it lies in a source that may be slow to answer.
    pub(super) fn is_far(&self) -> bool {
        self.0.is_far
    }

    /// The length in bytes.
    pub fn len(&self) -> u64 {
        self.0.len
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The same with every piece a slice of some source.
    pub(super) fn all_shared(&self) -> Self {
        let shared = |piece: &Piece| match &piece.bytes {
            Slice::Owned(bytes) => {
                let bytes = Slice::Shared { source: Source::from_bytes(bytes.clone()), at: 0 };
                Piece { bytes, ..*piece }
            }
            Slice::Shared { .. } => piece.clone(),
        };
        Self::from_pieces(self.pieces().iter().map(shared).collect())
    }

    pub(crate) fn pieces(&self) -> &[Piece] {
        &self.0.pieces
    }

    /// The segments, in order.
    pub fn slices(&self) -> impl ExactSizeIterator<Item = RopeSlice> + '_ {
        self.0.pieces.iter().map(|piece| RopeSlice {
            offset: piece.start,
            len: piece.len,
            source: match &piece.bytes {
                Slice::Owned(_) => None,
                Slice::Shared { source, at } => Some((source.clone(), *at)),
            },
        })
    }

    /// A part of it, which shares the same segments. An error if the range is not inside.
    pub fn slice(&self, range: impl RangeBounds<u64>) -> Result<Self> {
        let from = match range.start_bound() {
            Bound::Included(from) => *from,
            Bound::Excluded(before) => before.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let to = match range.end_bound() {
            Bound::Included(last) => last.saturating_add(1),
            Bound::Excluded(to) => *to,
            Bound::Unbounded => self.len(),
        };
        if from > to || to > self.len() {
            return Err(Error::invalid(format!(
                "bytes {from}..{to} are not inside a rope of {} bytes",
                self.len()
            )));
        }
        let mut pieces = Vec::new();
        self.visit(from, to, |piece| pieces.push(piece));
        Ok(Self::from_pieces(pieces))
    }

    /// The pieces from the one on that a position lies in.
    pub(super) fn pieces_from(&self, at: u64) -> impl Iterator<Item = &Piece> {
        let first = self.0.pieces.partition_point(|piece| piece.end() <= at);
        self.0.pieces.iter().skip(first)
    }

    /// Calls back with the parts of the pieces between two positions; their starts count from `from`.
    pub(crate) fn visit(&self, from: u64, to: u64, mut each: impl FnMut(Piece)) {
        for piece in self.pieces_from(from).take_while(|piece| piece.start < to) {
            let (start, end) = (piece.start.max(from), piece.end().min(to));
            if start < end {
                each(piece.part(
                    start.saturating_sub(piece.start),
                    end.saturating_sub(start),
                    start.saturating_sub(from),
                ));
            }
        }
    }

    /// What is left of the piece that a position lies in; its start counts from there.
    pub(super) fn piece_from(&self, at: u64) -> Option<Piece> {
        let piece = self.pieces_from(at).next()?;
        Some(piece.part(at.saturating_sub(piece.start), piece.end().saturating_sub(at), 0))
    }

    pub(crate) fn is_made_of(&self, path: &Path) -> bool {
        self.0.pieces.iter().any(|piece| match &piece.bytes {
            Slice::Shared { source, .. } => source.is_file_at(path),
            Slice::Owned(_) => false,
        })
    }

    /// Reads up to `buf.len()` bytes at `offset` and returns how many; 0 at the end. For many reads take
    /// [`reader`](Self::reader), which keeps files open between them.
    pub fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        self.reader().read_at(offset, buf)
    }

    pub(crate) fn read_exact_at(&self, at: u64, into: &mut [u8]) -> Result<()> {
        self.reader().read_exact_at(at, into)
    }

    /// A reader with a position, `Read + Seek`.
    pub fn reader(&self) -> RopeReader {
        RopeReader::new(self.clone())
    }

    /// The bytes in order, in pieces: slices of memory as they are (no copy), files in chunks of at most 1
    /// MiB.
    pub fn chunks(&self) -> Chunks {
        Chunks::new(self.reader())
    }

    /// All of it in one piece of memory. Without a copy if it has a single segment in memory.
    pub fn to_bytes(&self) -> Result<Bytes> {
        if let [piece] = self.pieces()
            && let Some(bytes) = in_memory(piece)
        {
            return Ok(bytes);
        }
        let len = usize::try_from(self.len())
            .map_err(|_| Error::new(ErrorKind::LimitExceeded, "the rope is larger than memory can be"))?;
        let mut bytes = Vec::new();
        let room = bytes.try_reserve_exact(len);
        room.map_err(|_| Error::new(ErrorKind::LimitExceeded, format!("no memory for {len} bytes")))?;
        bytes.resize(len, 0);
        self.read_exact_at(0, &mut bytes)?;
        Ok(bytes.into())
    }

    /// Writes all of it, in order.
    pub fn write_to(&self, mut writer: impl std::io::Write) -> Result<()> {
        for chunk in self.chunks() {
            writer.write_all(&chunk?).map_err(|e| Error::io("writing the rope failed", e))?;
        }
        writer.flush().map_err(|e| Error::io("writing the rope failed", e))
    }
}

impl Default for Rope {
    fn default() -> Self {
        Self::from_pieces(Vec::new())
    }
}

impl From<Bytes> for Rope {
    fn from(bytes: Bytes) -> Self {
        Self::from_bytes(bytes)
    }
}

/// All of a source, by reference. An error for a stream.
impl TryFrom<Source> for Rope {
    type Error = Error;

    fn try_from(source: Source) -> Result<Self> {
        source.slice(..)
    }
}

impl fmt::Debug for Rope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rope").field("len", &self.len()).field("segments", &self.0.pieces.len()).finish()
    }
}

/// The piece's bytes, where they are in memory already.
pub(super) fn in_memory(piece: &Piece) -> Option<Bytes> {
    match &piece.bytes {
        Slice::Owned(bytes) => Some(bytes.clone()),
        Slice::Shared { source, at } => {
            let from = usize::try_from(*at).ok()?;
            let to = from.checked_add(usize::try_from(piece.len).ok()?)?;
            source.as_memory().filter(|bytes| to <= bytes.len()).map(|bytes| bytes.slice(from..to))
        }
    }
}
