//! Reading a source for a demuxer: the descriptor, the requests or the stream that it is read by.

use super::{
    Rope, RopeReader, Source,
    far::{Ahead, Far, Hints, Keep},
    reader::copy,
    source::Kind,
};
use crate::{
    Control, Error, ErrorKind, Result,
    io::{
        os::{advise_random, read_exact_at},
        stream::Stream,
    },
};
use bytes::Bytes;
use std::{
    fs::File,
    ops::Range,
    sync::{Arc, PoisonError},
};

impl Source {
    pub(crate) fn reader(&self) -> SourceReader {
        SourceReader { source: self.clone(), open: Open::Nothing, pos: 0, fetched: 0 }
    }

    /// A few of its bytes, which tell it from others; none of a stream.
    pub(crate) fn sample(&self, control: &Control) -> Result<Vec<u8>> {
        let mut all = Vec::new();
        let Some(len) = self.len().filter(|_| self.is_seekable()) else { return Ok(all) };
        let mut reader = self.reader();
        for at in [0, len / 3, len / 2, len.saturating_sub(4096)] {
            let mut bytes = [0; 4096];
            let read = reader.read(at, &mut bytes, control)?;
            all.extend_from_slice(bytes.get(..read).unwrap_or_default());
        }
        Ok(all)
    }
}

/// A position-free reader of a source, for one demuxer context: it keeps a descriptor while it is in use.
pub(crate) struct SourceReader {
    source: Source,
    open: Open,
    /// How far a stream has been read.
    pos: u64,
    /// Bytes that came from where the source keeps them.
    fetched: u64,
}

enum Open {
    Nothing,
    File(Arc<File>),
    Rope(RopeReader),
    Far(FarReader),
    Stream(Box<dyn Stream>),
}

impl SourceReader {
    pub(crate) fn len(&self) -> Option<u64> {
        self.source.len()
    }

    /// Gives the descriptor back; the next read opens the file again and checks that it is the same.
    pub(crate) fn rest(&mut self) {
        self.fetched = self.take_fetched();
        if !matches!(self.open, Open::Stream(_)) {
            self.open = Open::Nothing;
        }
    }

    /// So many bytes will be read in order, from the next read on; 0 where that is not known. A far source is
    /// asked for them ahead.
    pub(crate) fn expect(&mut self, len: u64) {
        if len > 0
            && matches!(self.open, Open::Nothing)
            && let Kind::Far(_) = &*self.source.kind
        {
            self.open = Open::Far(FarReader::of(&self.source));
        }
        if let Open::Far(reader) = &mut self.open {
            // What follows lies elsewhere.
            reader.ahead.leave();
        }
        self.look(len);
    }

    /// A look at another place of a far source: so many bytes are asked for at once from the next read on.
    pub(crate) fn look(&mut self, len: u64) {
        if let Open::Far(reader) = &mut self.open {
            (reader.expected, reader.promised) = (len, false);
            (reader.run, reader.span) = (0..0, 0);
        }
    }

    /// What was promised last goes on up to this byte.
    pub(crate) fn extend(&mut self, end: u64) {
        if let Open::Far(reader) = &mut self.open
            && reader.promised
        {
            reader.run.end = reader.run.end.max(end.min(reader.rope.len()));
        }
    }

    /// Asks a far source for bytes that will be read once; they are held until the reader rests.
    pub(crate) fn prefetch(&mut self, ranges: &[Range<u64>], control: &Control) -> Result<()> {
        let Kind::Far(far) = &*self.source.kind else { return Ok(()) };
        if matches!(self.open, Open::Nothing) {
            self.open = Open::Far(FarReader::of(&self.source));
        }
        if let Open::Far(reader) = &mut self.open {
            reader.ahead.prefetch(far, ranges, control)?;
        }
        Ok(())
    }

    /// How a far source is asked.
    pub(crate) fn hints(&self) -> Option<Hints> {
        self.source.as_far().map(|far| *far.hints())
    }

    /// Up to `into.len()` bytes at `at`; 0 at the end.
    pub(crate) fn read(&mut self, at: u64, into: &mut [u8], control: &Control) -> Result<usize> {
        self.read_unnamed(at, into, control).map_err(|e| e.named(self.source.name()))
    }

    /// Bytes that were fetched since the last call: with read-ahead, more than were asked for.
    pub(crate) fn take_fetched(&mut self) -> u64 {
        let far = match &self.open {
            Open::Far(reader) => reader.ahead.take_received(),
            _ => 0,
        };
        std::mem::take(&mut self.fetched).saturating_add(far)
    }

    fn read_unnamed(&mut self, at: u64, into: &mut [u8], control: &Control) -> Result<usize> {
        let source = self.source.clone();
        let left = source.len().map_or(u64::MAX, |len| len.saturating_sub(at));
        let want = usize::try_from(left).map_or(into.len(), |left| left.min(into.len()));
        let Some(into) = into.get_mut(..want).filter(|into| !into.is_empty()) else {
            return Ok(0);
        };
        let read = match &*source.kind {
            Kind::Memory(bytes) => {
                let start = usize::try_from(at).unwrap_or(usize::MAX);
                into.copy_from_slice(bytes.get(start..start.saturating_add(want)).unwrap_or_default());
                want
            }
            Kind::Far(_) => {
                if matches!(self.open, Open::Nothing) {
                    self.open = Open::Far(FarReader::of(&source));
                }
                let Open::Far(reader) = &mut self.open else {
                    return Err(Error::new(ErrorKind::Bug, "no far source"));
                };
                return reader.read(at, into, control);
            }
            Kind::File(file) => {
                if matches!(self.open, Open::Nothing) {
                    let file = file.descriptor()?;
                    advise_random(&file);
                    self.open = Open::File(file);
                }
                let Open::File(file) = &self.open else {
                    return Err(Error::new(ErrorKind::Bug, "no descriptor"));
                };
                read_exact_at(file, at, into)?;
                want
            }
            Kind::Rope(rope) => {
                if matches!(self.open, Open::Nothing) {
                    self.open = Open::Rope(rope.reader());
                }
                let Open::Rope(reader) = &mut self.open else {
                    return Err(Error::new(ErrorKind::Bug, "no rope reader"));
                };
                reader.watch(control);
                reader.read_exact_at(at, into)?;
                want
            }
            Kind::Stream(reader) => {
                if matches!(self.open, Open::Nothing) {
                    let taken = reader.lock().unwrap_or_else(PoisonError::into_inner).take();
                    let busy =
                        || Error::new(ErrorKind::Busy, "this stream is being read, or was read already");
                    self.open =
                        Open::Stream(taken.ok_or_else(|| busy().advise("a stream serves one operation"))?);
                }
                let Open::Stream(reader) = &mut self.open else {
                    return Err(Error::new(ErrorKind::Bug, "no stream"));
                };
                if at != self.pos {
                    return Err(Error::unsupported("a stream can't be read at another place"));
                }
                let read = reader.read(into, control)?;
                self.pos = self.pos.saturating_add(read as u64);
                read
            }
        };
        self.fetched = self.fetched.saturating_add(read as u64);
        Ok(read)
    }
}

/// A far source, as a rope of it alone, and the requests of one reader.
struct FarReader {
    far: Option<Arc<Far>>,
    rope: Rope,
    ahead: Ahead,
    /// What it is asked for at the moment, and how much of it at once where nothing is promised.
    run: Range<u64>,
    span: u64,
    /// All of the run will be read.
    promised: bool,
    /// How much will be read in order, from the next read on.
    expected: u64,
}

impl FarReader {
    fn of(source: &Source) -> Self {
        let (far, ahead) = (source.as_far().cloned(), Ahead::of_demuxer());
        let rope = Rope::of_source(source);
        Self { far, rope, ahead, run: 0..0, span: 0, promised: false, expected: 0 }
    }

    /// Up to `into.len()` bytes at `at`, which lies inside. A request asks for a block, for more while reads
    /// follow each other, and at once for what is expected.
    fn read(&mut self, at: u64, into: &mut [u8], control: &Control) -> Result<usize> {
        let Some(far) = &self.far else { return Ok(0) };
        let expected = std::mem::take(&mut self.expected);
        if expected > 0 {
            (self.run, self.promised) = (at..at.saturating_add(expected).min(self.rope.len()), true);
        }
        let goes_on = self.run.contains(&at);
        if !(goes_on && self.promised)
            && let Some(bytes) = far.find(at)
        {
            return Ok(copy(&bytes, into));
        }
        if !goes_on {
            let hints = far.hints();
            let next = if self.run.end == at { self.span.saturating_mul(2) } else { 0 };
            self.span = next.clamp(hints.block as u64, hints.read_ahead as u64);
            (self.run, self.promised) = (at..at.saturating_add(self.span).min(self.rope.len()), false);
        }
        self.ahead.brings(if self.promised { Keep::Payload } else { Keep::Index });
        self.ahead.ask(&self.rope, at, self.run.end, control)?;
        Ok(copy(&self.ahead.bytes(at, far, at, into.len() as u64, control)?, into))
    }
}

/// A stream whose first bytes were looked at: they come again.
pub(crate) struct Resumed {
    pub(crate) head: Bytes,
    pub(crate) rest: SourceReader,
    pub(crate) at: u64,
}

impl Stream for Resumed {
    fn read(&mut self, into: &mut [u8], control: &Control) -> Result<usize> {
        if self.head.is_empty() {
            let read = self.rest.read(self.at, into, control)?;
            self.at = self.at.saturating_add(read as u64);
            return Ok(read);
        }
        let len = self.head.len().min(into.len());
        let chunk = self.head.split_to(len);
        if let Some(into) = into.get_mut(..len) {
            into.copy_from_slice(&chunk);
        }
        Ok(len)
    }
}
