//! [`Source`]: where bytes come from.

use super::{Hints, ReadAt, Rope, far::Far};
use crate::{
    Control, Error, ErrorKind, Result,
    io::{
        ChunkReceiver, FileSource,
        callback::shorter,
        os::read_exact_at,
        stream::{self, Stream},
    },
};
use bytes::Bytes;
use std::{
    fmt,
    fs::File,
    io::{Read, Seek, SeekFrom},
    ops::RangeBounds,
    path::Path,
    sync::{Arc, Mutex},
};
use tempfile::TempPath;

/// Where bytes come from. Cheap to clone; clones are the same source.
///
/// | made by | bytes come by | may change under way |
/// |---|---|---|
/// | [`open`](Self::open), [`from_file`](Self::from_file) | `pread`, `copy_file_range`, reflinks | yes: that is an error |
/// | [`from_bytes`](Self::from_bytes), [`from_rope`](Self::from_rope) | memory; what the rope points to | no |
/// | [`map`](Self::map) (unsafe) | a mapping of the file | the caller vouches that not |
/// | [`from_read_at`](Self::from_read_at), [`from_seekable`](Self::from_seekable) | the caller's `read_at`, with read-ahead | must not |
/// | [`from_reader`](Self::from_reader), [`from_channel`](Self::from_channel) | a stream: once, in order | |
#[derive(Clone)]
pub struct Source {
    /// Each clone may have its own.
    name: Arc<str>,
    pub(super) kind: Arc<Kind>,
}

pub(super) enum Kind {
    File(FileSource),
    Memory(Bytes),
    Rope(Rope),
    Far(Arc<Far>),
    Stream(Mutex<Option<Box<dyn Stream>>>),
}

impl Source {
    fn new(name: impl Into<String>, kind: Kind) -> Self {
        Self { name: name.into().into(), kind: Arc::new(kind) }
    }

    /// A regular file. No descriptor is held while nothing reads it, so thousands of sources may be open at
    /// once; each time it is opened again its device, inode, size, modification time and status change time
    /// are compared, and a difference is an error. So renaming the file or changing its owner or permissions
    /// counts as a change, too (avrope does none of that to a source). The status change time is left out
    /// where the number of hard links differs: a file that is open may gain and lose names.
    ///
    /// Errors: [`NotFound`](ErrorKind::NotFound), [`Io`](ErrorKind::Io), and
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) for a directory, pipe or device.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let name = path.display().to_string();
        let file = FileSource::open(path).map_err(|e| e.named(&name))?;
        Ok(Self::new(name, Kind::File(file)))
    }

    /// A regular file that is open already, perhaps without a name. Its descriptor is held as long as the
    /// source.
    pub fn from_file(file: File, name: impl Into<String>) -> Result<Self> {
        let name = name.into();
        let file = FileSource::from_open(file).map_err(|e| e.named(&name))?;
        Ok(Self::new(name, Kind::File(file)))
    }

    /// A file of our own, which goes away with the source.
    pub(crate) fn from_temporary(path: TempPath, name: &str) -> Result<Self> {
        let file = FileSource::temporary(path).map_err(|e| e.named(name))?;
        Ok(Self::new(name, Kind::File(file)))
    }

    /// Bytes in memory.
    pub fn from_bytes(bytes: impl Into<Bytes>) -> Self {
        Self::new("bytes", Kind::Memory(bytes.into()))
    }

    /// A rope, such as an earlier clip that was never saved. Slices of it point to what the rope points to.
    pub fn from_rope(rope: Rope) -> Self {
        // Owned bytes become a source of their own, so that slices of them can be told to be neighbours.
        Self::new("rope", Kind::Rope(rope.all_shared()))
    }

    /// A file as memory: its bytes can be had without a system call or a copy.
    ///
    /// # Safety
    /// Nobody changes or truncates the file while this source, or anything that was made from it, lives. A
    /// truncation would end the process with a signal (SIGBUS), a change would be undefined behaviour.
    #[allow(unsafe_code)]
    pub unsafe fn map(path: impl AsRef<Path>) -> Result<Self> {
        let name = path.as_ref().display().to_string();
        // SAFETY: the caller's promise is the same.
        let bytes = unsafe { crate::io::map::map(path.as_ref()) }.map_err(|e| e.named(&name))?;
        Ok(Self::new(name, Kind::Memory(bytes)))
    }

    /// Anything that can be read anywhere.
    pub fn from_read_at(device: impl ReadAt + 'static, name: impl Into<String>) -> Self {
        Self::new(name, Kind::Far(Far::new(Box::new(device))))
    }

    /// Anything that can seek. Its length is asked once.
    pub fn from_seekable(
        mut device: impl Read + Seek + Send + 'static,
        name: impl Into<String>,
    ) -> Result<Self> {
        let name = name.into();
        let len =
            device.seek(SeekFrom::End(0)).map_err(|e| Error::io("cannot find its length", e).named(&name))?;
        Ok(Self::from_read_at(Seekable { len, device: Mutex::new(device) }, name))
    }

    /// A stream: it is read once, in order, by one operation. While one of its reads waits nothing can end
    /// the operation; cancel and deadline are looked at between reads. What needs to seek (a cut, an MP4 with
    /// its index at the end) says so; [`spool`](Self::spool) reads it into memory first.
    pub fn from_reader(reader: impl Read + Send + 'static, name: impl Into<String>) -> Self {
        Self::from_stream(stream::Reader(reader), name)
    }

    /// A stream of chunks. It ends with [`ChunkSender::finish`](crate::io::ChunkSender::finish): a sender
    /// that is gone without is an error, so that what its side lost is not taken for the whole.
    pub fn from_channel(chunks: ChunkReceiver, name: impl Into<String>) -> Self {
        Self::from_stream(stream::Channel { chunks, rest: Bytes::new() }, name)
    }

    pub(crate) fn from_stream(stream: impl Stream + 'static, name: impl Into<String>) -> Self {
        Self::new(name, Kind::Stream(Mutex::new(Some(Box::new(stream)))))
    }

    /// Reads a stream to its end into memory. An error if it has more than `limit` bytes, as soon as these
    /// were read: no job has begun, and so no [`Limits`](crate::control::Limits) hold but this one. For a
    /// job's own it is the smaller of their `memory` and `input_bytes`.
    pub fn spool(reader: impl Read, limit: u64, name: impl Into<String>) -> Result<Self> {
        let name = name.into();
        let mut bytes = Vec::new();
        let read = reader.take(limit.saturating_add(1)).read_to_end(&mut bytes);
        read.map_err(|e| Error::io("reading the stream failed", e).named(&name))?;
        if bytes.len() as u64 > limit {
            let message = format!("the stream has more than {limit} bytes");
            return Err(Error::new(ErrorKind::LimitExceeded, message)
                .named(&name)
                .advise("save it to a file first"));
        }
        Ok(Self::new(name, Kind::Memory(bytes.into())))
    }

    /// What messages call it: the path, or what the caller named it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Gives this clone of the source another name for messages; others keep theirs.
    #[must_use]
    pub fn named(self, name: impl Into<String>) -> Self {
        Self { name: name.into().into(), ..self }
    }

    /// The length in bytes; None for a stream.
    #[allow(clippy::len_without_is_empty, reason = "a stream's emptiness shows only when it is read")]
    pub fn len(&self) -> Option<u64> {
        match &*self.kind {
            Kind::File(file) => Some(file.len()),
            Kind::Memory(bytes) => Some(bytes.len() as u64),
            Kind::Rope(rope) => Some(rope.len()),
            Kind::Far(device) => Some(device.len()),
            Kind::Stream(_) => None,
        }
    }

    /// A part of it as a rope: nothing is read. Of a source that is a rope, slices of what that points to.
    ///
    /// Errors: [`InvalidArgument`](ErrorKind::InvalidArgument) if the range is not inside,
    /// [`Unsupported`](ErrorKind::Unsupported) for a stream.
    pub fn slice(&self, range: impl RangeBounds<u64>) -> Result<Rope> {
        self.whole()?.slice(range).map_err(|e| e.named(self.name()))
    }

    fn whole(&self) -> Result<Rope> {
        if !self.is_seekable() {
            let error = Error::unsupported("a stream has no parts that could be read again");
            return Err(error.named(self.name()).advise("read it into memory first (Source::spool)"));
        }
        Ok(self.as_rope().cloned().unwrap_or_else(|| Rope::of_source(self)))
    }

    /// Reads up to `buf.len()` bytes at `offset` and returns how many; 0 at the end. An error for a stream.
    pub fn read_at(&self, offset: u64, buf: &mut [u8], control: &Control) -> Result<usize> {
        self.whole()?.reader().control(control).read_at(offset, buf)
    }

    /// Whether it can be read anywhere and again.
    pub fn is_seekable(&self) -> bool {
        self.len().is_some()
    }

    /// Whether a read of it costs next to nothing.
    pub(crate) fn is_near(&self) -> bool {
        matches!(&*self.kind, Kind::File(_) | Kind::Memory(_) | Kind::Rope(_))
    }

    /// Whether both are clones of one source. Two that were opened from the same path are not.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.kind, &other.kind)
    }

    /// Whether both have the same bytes, by what is known without a look at them: one file, opened once or twice.
    pub(crate) fn is_again(&self, other: &Self) -> bool {
        let files = self.as_file().zip(other.as_file());
        self.is_same(other) || files.is_some_and(|(own, other)| own.is_same(other))
    }

    pub(crate) fn is_file_at(&self, path: &Path) -> bool {
        match &*self.kind {
            Kind::File(file) => file.is_at(path),
            Kind::Rope(rope) => rope.is_made_of(path),
            _ => false,
        }
    }

    pub(crate) fn as_file(&self) -> Option<&FileSource> {
        match &*self.kind {
            Kind::File(file) => Some(file),
            _ => None,
        }
    }

    pub(super) fn as_far(&self) -> Option<&Arc<Far>> {
        match &*self.kind {
            Kind::Far(far) => Some(far),
            _ => None,
        }
    }

    pub(crate) fn as_rope(&self) -> Option<&Rope> {
        match &*self.kind {
            Kind::Rope(rope) => Some(rope),
            _ => None,
        }
    }

    pub(crate) fn as_memory(&self) -> Option<&Bytes> {
        match &*self.kind {
            Kind::Memory(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// An error if the source is a file that has changed since it was opened.
    pub(crate) fn check_unchanged(&self) -> Result<()> {
        self.as_file().map_or(Ok(()), |file| file.check_in_place().map_err(|e| e.named(self.name())))
    }

    /// Bytes of it, in one piece; `file` is its descriptor, where it is a file.
    pub(crate) fn fetch(&self, at: u64, len: usize, file: Option<&File>, control: &Control) -> Result<Bytes> {
        let named = |e: Error| e.named(self.name());
        match &*self.kind {
            Kind::Memory(bytes) => {
                let start = usize::try_from(at).unwrap_or(usize::MAX);
                let end = start.saturating_add(len);
                if end > bytes.len() {
                    return Err(named(shorter(at, bytes.len() as u64)));
                }
                Ok(bytes.slice(start..end))
            }
            Kind::Far(_) => {
                let rope = Rope::of_source(self);
                let mut bytes = vec![0; len];
                rope.reader().control(control).read_exact_at(at, &mut bytes)?;
                Ok(bytes.into())
            }
            Kind::File(source) => {
                let opened;
                let file = if let Some(file) = file {
                    file
                } else {
                    opened = source.descriptor().map_err(named)?;
                    &opened
                };
                let mut bytes = vec![0; len];
                read_exact_at(file, at, &mut bytes).and_then(|()| source.check(file)).map_err(named)?;
                Ok(bytes.into())
            }
            Kind::Rope(rope) => {
                let mut bytes = vec![0; len];
                rope.reader().control(control).read_exact_at(at, &mut bytes)?;
                Ok(bytes.into())
            }
            Kind::Stream(_) => {
                Err(named(Error::new(ErrorKind::Bug, "a slice of a stream can't be read again")))
            }
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("name", &self.name).field("len", &self.len()).finish_non_exhaustive()
    }
}

impl From<Bytes> for Source {
    fn from(bytes: Bytes) -> Self {
        Self::from_bytes(bytes)
    }
}

impl From<Vec<u8>> for Source {
    fn from(bytes: Vec<u8>) -> Self {
        Self::from_bytes(bytes)
    }
}

impl From<Rope> for Source {
    fn from(rope: Rope) -> Self {
        Self::from_rope(rope)
    }
}

struct Seekable<T> {
    len: u64,
    device: Mutex<T>,
}

impl<T: Read + Seek + Send> ReadAt for Seekable<T> {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buf: &mut [u8], control: &Control) -> std::io::Result<usize> {
        let mut device = self.device.lock().map_err(|_| std::io::Error::other("an earlier read panicked"))?;
        // Who waited for the device may have been given up meanwhile.
        control.check()?;
        device.seek(SeekFrom::Start(offset))?;
        device.read(buf)
    }

    fn hints(&self) -> Hints {
        // One read holds the device.
        Hints { requests: 1, ..Hints::default() }
    }
}
