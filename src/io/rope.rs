//! [`Rope`]: a sequence of byte slices that reads as one.

use super::{Source, source::read_exact_at};
use crate::{Error, ErrorKind, Result};
use bytes::Bytes;
use std::{
    fmt,
    fs::File,
    io::{Read, Seek, SeekFrom},
    ops::{Bound, RangeBounds},
    path::Path,
    sync::Arc,
};

/// A sequence of byte slices that reads as one. Immutable, cheap to clone, `Send + Sync`.
///
/// A segment is owned bytes, or a slice of a [`Source`] that is resolved when it is consumed: from memory without a copy,
/// from a file by `pread` or `copy_file_range`. A file that changed since is an error then.
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

/// One segment of a [`Rope`], as [`Rope::segments`] shows it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Segment {
    /// Where it begins in the rope.
    pub offset: u64,
    /// Its length in bytes.
    pub len: u64,
    /// The source that it is a slice of and where it begins in it; None for owned bytes.
    pub source: Option<(Source, u64)>,
}

/// The most that is read from a file at once.
const CHUNK: u64 = 1 << 20;
/// Descriptors that one reader of a rope holds.
const DESCRIPTORS: usize = 16;

impl Rope {
    pub(crate) fn from_pieces(pieces: Vec<Piece>) -> Self {
        let len = pieces.last().map_or(0, Piece::end);
        Self(Arc::new(Inner { pieces, len }))
    }

    /// A rope of these bytes alone.
    pub fn from_bytes(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        let len = bytes.len() as u64;
        let pieces =
            if len == 0 { Vec::new() } else { vec![Piece { start: 0, len, bytes: Slice::Owned(bytes) }] };
        Self::from_pieces(pieces)
    }

    /// The length in bytes.
    pub fn len(&self) -> u64 {
        self.0.len
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn pieces(&self) -> &[Piece] {
        &self.0.pieces
    }

    /// The segments, in order.
    pub fn segments(&self) -> impl ExactSizeIterator<Item = Segment> + '_ {
        self.0.pieces.iter().map(|piece| Segment {
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

    /// Calls back with the parts of the pieces between two positions; their starts count from `from`.
    pub(crate) fn visit(&self, from: u64, to: u64, mut each: impl FnMut(Piece)) {
        let first = self.0.pieces.partition_point(|piece| piece.end() <= from);
        for piece in self.0.pieces.iter().skip(first).take_while(|piece| piece.start < to) {
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
        RopeReader { rope: self.clone(), pos: 0, files: Descriptors::default() }
    }

    /// The bytes in order, in pieces: slices of memory as they are (no copy), files in chunks of at most 1 MiB.
    pub fn chunks(&self) -> Chunks {
        Chunks { reader: self.reader() }
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
        let mut bytes = vec![0; len];
        self.read_exact_at(0, &mut bytes)?;
        Ok(bytes.into())
    }

    /// Writes all of it, in order.
    pub fn write_to(&self, mut writer: impl std::io::Write) -> Result<()> {
        for chunk in self.chunks() {
            writer.write_all(&chunk?).map_err(|e| Error::io("writing the rope failed", &e))?;
        }
        writer.flush().map_err(|e| Error::io("writing the rope failed", &e))
    }
}

impl Default for Rope {
    fn default() -> Self {
        Self::from_pieces(Vec::new())
    }
}

impl fmt::Debug for Rope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rope").field("len", &self.len()).field("segments", &self.0.pieces.len()).finish()
    }
}

/// The piece's bytes, where they are in memory already.
fn in_memory(piece: &Piece) -> Option<Bytes> {
    match &piece.bytes {
        Slice::Owned(bytes) => Some(bytes.clone()),
        Slice::Shared { source, at } => {
            let from = usize::try_from(*at).ok()?;
            let to = from.checked_add(usize::try_from(piece.len).ok()?)?;
            source.as_memory().filter(|bytes| to <= bytes.len()).map(|bytes| bytes.slice(from..to))
        }
    }
}

/// Descriptors of the files that were used last: a rope over thousands of files does not hold thousands.
#[derive(Default)]
pub(crate) struct Descriptors(Vec<(Source, Arc<File>)>);

impl Descriptors {
    /// The descriptor of a source that is a file; None for other sources.
    pub(crate) fn of(&mut self, source: &Source) -> Result<Option<Arc<File>>> {
        let Some(file) = source.as_file() else {
            return Ok(None);
        };
        if let Some(i) = self.0.iter().position(|(held, _)| held.is_same(source)) {
            // The last used goes to the end.
            let entry = self.0.remove(i);
            let descriptor = entry.1.clone();
            self.0.push(entry);
            return Ok(Some(descriptor));
        }
        let descriptor = file.descriptor().map_err(|e| e.named(source.name()))?;
        if self.0.len() >= DESCRIPTORS {
            self.0.remove(0);
        }
        self.0.push((source.clone(), descriptor.clone()));
        Ok(Some(descriptor))
    }

    /// An error if one of the held files has changed.
    pub(crate) fn check(&self) -> Result<()> {
        self.0.iter().try_for_each(|(source, descriptor)| match source.as_file() {
            Some(file) => file.check(descriptor).map_err(|e| e.named(source.name())),
            None => Ok(()),
        })
    }
}

/// Reads a [`Rope`] with a position. Holds at most 16 descriptors.
pub struct RopeReader {
    rope: Rope,
    pos: u64,
    files: Descriptors,
}

impl RopeReader {
    /// Reads up to `buf.len()` bytes at `offset` and returns how many; 0 at the end. The position stays.
    pub fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let left = self.rope.len().saturating_sub(offset);
        let want = usize::try_from(left).map_or(buf.len(), |left| left.min(buf.len()));
        if let Some(buf) = buf.get_mut(..want) {
            self.read_exact_at(offset, buf)?;
        }
        Ok(want)
    }

    pub(crate) fn read_exact_at(&mut self, at: u64, into: &mut [u8]) -> Result<()> {
        let to = at.saturating_add(into.len() as u64);
        if to > self.rope.len() {
            return Err(Error::invalid(format!(
                "bytes {at}..{to} are not inside a rope of {} bytes",
                self.rope.len()
            )));
        }
        let rope = self.rope.clone();
        let mut outcome = Ok(());
        rope.visit(at, to, |piece| {
            let start = usize::try_from(piece.start).unwrap_or(usize::MAX);
            let end = start.saturating_add(usize::try_from(piece.len).unwrap_or(usize::MAX));
            if let (Ok(()), Some(into)) = (&outcome, into.get_mut(start..end)) {
                outcome = self.read_piece(&piece, into);
            }
        });
        outcome
    }

    fn read_piece(&mut self, piece: &Piece, into: &mut [u8]) -> Result<()> {
        if let Some(bytes) = in_memory(piece) {
            into.copy_from_slice(&bytes);
            return Ok(());
        }
        let Slice::Shared { source, at } = &piece.bytes else {
            return Ok(());
        };
        match self.files.of(source)? {
            Some(file) => read_exact_at(&file, *at, into).map_err(|e| e.named(source.name())),
            None => {
                into.copy_from_slice(&source.fetch(*at, into.len(), None)?);
                Ok(())
            }
        }
    }

    fn next_chunk(&mut self) -> Result<Option<Bytes>> {
        let (pos, len) = (self.pos, self.rope.len());
        if pos >= len {
            // The last bytes are out: were they the ones that the rope promised?
            self.files.check()?;
            return Ok(None);
        }
        let mut first = None;
        // A piece in memory goes out whole, one in a file in chunks.
        self.rope.visit(pos, len, |piece| {
            first.get_or_insert(piece);
        });
        let Some(piece) = first else { return Ok(None) };
        let bytes = match in_memory(&piece) {
            Some(bytes) => bytes,
            None => {
                let Slice::Shared { source, at } = &piece.bytes else {
                    return Ok(None);
                };
                let file = self.files.of(source)?;
                let want = usize::try_from(piece.len.min(CHUNK)).unwrap_or(0);
                source.fetch(*at, want, file.as_deref())?
            }
        };
        self.pos = pos.saturating_add(bytes.len() as u64);
        Ok(Some(bytes))
    }
}

impl Read for RopeReader {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        let read = self.read_at(self.pos, buf)?;
        self.pos = self.pos.saturating_add(read as u64);
        Ok(read)
    }
}

impl Seek for RopeReader {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        let to = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.pos.checked_add_signed(by),
            SeekFrom::End(by) => self.rope.len().checked_add_signed(by),
        };
        self.pos = to.ok_or_else(|| {
            std::io::Error::new(std::io::ErrorKind::InvalidInput, "a position before the start")
        })?;
        Ok(self.pos)
    }
}

/// The bytes of a [`Rope`] in order; see [`Rope::chunks`]. After an error it ends.
pub struct Chunks {
    reader: RopeReader,
}

impl Iterator for Chunks {
    type Item = Result<Bytes>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.reader.next_chunk();
        if next.is_err() {
            self.reader.pos = self.reader.rope.len();
            self.reader.files = Descriptors::default();
        }
        next.transpose()
    }
}

/// A rope in the making: written at the end, or patched, by a muxer. A patch onto a shared slice splits it: a source is
/// never written to.
pub(crate) struct Builder {
    pieces: Vec<Draft>,
    len: u64,
    owned: u64,
    memory: u64,
    source: Option<Source>,
}

struct Draft {
    start: u64,
    len: u64,
    bytes: DraftBytes,
}

enum DraftBytes {
    Owned(Vec<u8>),
    Shared { source: Source, at: u64 },
}

impl Builder {
    /// `memory`: how many owned bytes there may be.
    pub(crate) fn new(memory: u64) -> Self {
        Self { pieces: Vec::new(), len: 0, owned: 0, memory, source: None }
    }

    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    pub(crate) fn set_source(&mut self, source: &Source) {
        self.source = Some(source.clone());
    }

    fn grow(&mut self, by: u64) -> Result<()> {
        self.owned = self.owned.saturating_add(by);
        if self.owned > self.memory {
            let message = format!("the result would hold more than {} bytes in memory", self.memory);
            return Err(Error::new(ErrorKind::LimitExceeded, message)
                .advise("write to a file instead, or raise Limits::memory"));
        }
        Ok(())
    }

    pub(crate) fn write(&mut self, at: u64, data: &[u8]) -> Result<()> {
        if at > self.len {
            // A hole reads as zeros.
            let hole = usize::try_from(at.saturating_sub(self.len)).unwrap_or(usize::MAX);
            self.grow(hole as u64)?;
            self.append(&vec![0; hole])?;
        }
        let inside = usize::try_from(self.len.saturating_sub(at)).unwrap_or(usize::MAX).min(data.len());
        let (patch, tail) = data.split_at_checked(inside).unwrap_or((data, &[]));
        if !patch.is_empty() {
            self.patch(at, patch)?;
        }
        self.grow(tail.len() as u64)?;
        self.append(tail)
    }

    fn append(&mut self, data: &[u8]) -> Result<()> {
        if data.is_empty() {
            return Ok(());
        }
        let len = data.len() as u64;
        if let Some(Draft { len: have, bytes: DraftBytes::Owned(bytes), .. }) = self.pieces.last_mut() {
            bytes.extend_from_slice(data);
            *have = have.saturating_add(len);
        } else {
            self.pieces.push(Draft { start: self.len, len, bytes: DraftBytes::Owned(data.to_vec()) });
        }
        self.len = self.len.saturating_add(len);
        Ok(())
    }

    /// A slice of the current source. Slices of a rope become slices of what it points to.
    pub(crate) fn write_shared(&mut self, at: u64, origin: u64, len: u64) -> Result<()> {
        let Some(source) = self.source.clone() else {
            return Err(Error::new(ErrorKind::Bug, "a shared write without a source"));
        };
        if at != self.len {
            return Err(Error::new(ErrorKind::Bug, "payload was written out of order"));
        }
        let end = origin.checked_add(len).filter(|end| source.len().is_none_or(|len| *end <= len));
        let Some(end) = end else {
            return Err(Error::new(ErrorKind::Bug, "payload beyond the source's end"));
        };
        match source.as_rope() {
            None => self.push_shared(source, origin, len),
            Some(rope) => {
                let mut parts = Vec::new();
                rope.visit(origin, end, |part| parts.push(part));
                for part in parts {
                    match part.bytes {
                        Slice::Shared { source, at } => self.push_shared(source, at, part.len),
                        // Owned bytes of the other rope: they are in memory and shared by count, through a source.
                        Slice::Owned(bytes) => self.push_shared(Source::from_bytes(bytes), 0, part.len),
                    }
                }
            }
        }
        Ok(())
    }

    /// A part of another rope, by reference.
    pub(crate) fn append_rope(&mut self, rope: &Rope, from: u64, to: u64) -> Result<()> {
        let mut parts = Vec::new();
        rope.visit(from, to, |part| parts.push(part));
        for part in parts {
            match part.bytes {
                Slice::Shared { source, at } => self.push_shared(source, at, part.len),
                Slice::Owned(bytes) => self.write(self.len, &bytes)?,
            }
        }
        Ok(())
    }

    fn push_shared(&mut self, source: Source, at: u64, len: u64) {
        if let Some(Draft { len: have, bytes: DraftBytes::Shared { source: last, at: start }, .. }) =
            self.pieces.last_mut()
            && start.saturating_add(*have) == at
            && last.is_same(&source)
        {
            *have = have.saturating_add(len);
        } else if len > 0 {
            self.pieces.push(Draft { start: self.len, len, bytes: DraftBytes::Shared { source, at } });
        }
        self.len = self.len.saturating_add(len);
    }

    fn patch(&mut self, at: u64, data: &[u8]) -> Result<()> {
        let mut done = 0;
        while let Some(rest) = data.get(done..).filter(|rest| !rest.is_empty()) {
            let pos = at.saturating_add(done as u64);
            let i = self.pieces.partition_point(|piece| piece.start.saturating_add(piece.len) <= pos);
            let Some(piece) = self.pieces.get_mut(i) else {
                return Err(Error::new(ErrorKind::Bug, "a patch beyond the end"));
            };
            let skip = pos.saturating_sub(piece.start);
            let here = usize::try_from(piece.len.saturating_sub(skip)).unwrap_or(usize::MAX).min(rest.len());
            let rest = rest.get(..here).unwrap_or_default();
            match &mut piece.bytes {
                DraftBytes::Owned(bytes) => {
                    let from = usize::try_from(skip).unwrap_or(usize::MAX);
                    match bytes.get_mut(from..from.saturating_add(here)) {
                        Some(into) => into.copy_from_slice(rest),
                        None => return Err(Error::new(ErrorKind::Bug, "a patch beyond its piece")),
                    }
                }
                DraftBytes::Shared { source, at: origin } => {
                    let (source, origin) = (source.clone(), *origin);
                    let after = skip.saturating_add(here as u64);
                    let (start, len) = (piece.start, piece.len);
                    let parts = [
                        Draft {
                            start,
                            len: skip,
                            bytes: DraftBytes::Shared { source: source.clone(), at: origin },
                        },
                        Draft { start: pos, len: here as u64, bytes: DraftBytes::Owned(rest.to_vec()) },
                        Draft {
                            start: start.saturating_add(after),
                            len: len.saturating_sub(after),
                            bytes: DraftBytes::Shared { source, at: origin.saturating_add(after) },
                        },
                    ];
                    self.pieces.splice(i..=i, parts.into_iter().filter(|part| part.len > 0));
                    self.grow(here as u64)?;
                }
            }
            done = done.saturating_add(here);
        }
        Ok(())
    }

    /// Ends the making.
    pub(crate) fn finish(self) -> Rope {
        let pieces = self.pieces.into_iter().map(|draft| Piece {
            start: draft.start,
            len: draft.len,
            bytes: match draft.bytes {
                DraftBytes::Owned(bytes) => Slice::Owned(bytes.into()),
                DraftBytes::Shared { source, at } => Slice::Shared { source, at },
            },
        });
        Rope::from_pieces(pieces.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source() -> Source {
        Source::from_bytes((0..100u8).collect::<Vec<_>>())
    }

    #[test]
    fn neighbours_merge_and_patches_split() {
        let mut builder = Builder::new(1000);
        builder.set_source(&source());
        builder.write(0, b"head").unwrap();
        builder.write_shared(4, 10, 5).unwrap();
        builder.write_shared(9, 15, 5).unwrap();
        builder.write(14, b"tail").unwrap();
        builder.write(2, b"AD").unwrap();
        builder.write(6, b"xyz").unwrap();
        let rope = builder.finish();
        assert_eq!(&rope.to_bytes().unwrap()[..], b"heAD\x0a\x0bxyz\x0f\x10\x11\x12\x13tail");
        let segments: Vec<_> =
            rope.segments().map(|s| (s.offset, s.len, s.source.map(|(_, at)| at))).collect();
        assert_eq!(segments, [(0, 4, None), (4, 2, Some(10)), (6, 3, None), (9, 5, Some(15)), (14, 4, None)]);
    }

    #[test]
    fn a_patch_may_cross_pieces_and_grow_the_end() {
        let mut builder = Builder::new(1000);
        builder.set_source(&source());
        builder.write(0, b"ab").unwrap();
        builder.write_shared(2, 0, 2).unwrap();
        builder.write(1, b"12345").unwrap();
        builder.write(8, b"z").unwrap();
        assert_eq!(&builder.finish().to_bytes().unwrap()[..], b"a12345\0\0z");
    }

    #[test]
    fn owned_memory_is_limited() {
        let mut builder = Builder::new(4);
        assert!(builder.write(0, b"1234").is_ok());
        assert_eq!(builder.write(4, b"5").unwrap_err().kind(), ErrorKind::LimitExceeded);
        assert_eq!(Builder::new(4).write(1 << 50, b"5").unwrap_err().kind(), ErrorKind::LimitExceeded);
    }

    #[test]
    fn slices_read_like_bytes() {
        let mut builder = Builder::new(1000);
        builder.set_source(&source());
        builder.write_shared(0, 20, 30).unwrap();
        builder.write(30, b"owned").unwrap();
        builder.write_shared(35, 70, 10).unwrap();
        let rope = builder.finish();
        let all = rope.to_bytes().unwrap();
        for from in 0..=rope.len() {
            for to in from..=rope.len() {
                let part = rope.slice(from..to).unwrap();
                assert_eq!(part.to_bytes().unwrap(), all.slice(from as usize..to as usize));
                let chunks: Vec<u8> = part.chunks().flat_map(|chunk| chunk.unwrap().to_vec()).collect();
                assert_eq!(chunks, all[from as usize..to as usize]);
            }
        }
        assert!(rope.slice(40..60).is_err());
        #[allow(clippy::reversed_empty_ranges)]
        let reversed = rope.slice(3..2);
        assert!(reversed.is_err());
    }
}
