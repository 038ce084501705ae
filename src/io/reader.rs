//! Reading a rope: its pieces in order, and the descriptors of the files that they are slices of.

use super::{
    Rope, Source,
    rope::{Piece, Slice, in_memory},
    source::read_exact_at,
};
use crate::{Control, Error, Result};
use bytes::Bytes;
use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    sync::Arc,
};

/// The most that is read from a file at once.
const CHUNK: u64 = 1 << 20;
/// Descriptors that one reader of a rope holds.
const DESCRIPTORS: usize = 16;

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
        self.evict()?;
        self.0.push((source.clone(), descriptor.clone()));
        Ok(Some(descriptor))
    }

    /// Gives up the one that was used longest ago, if there are too many. What was read from it is in somebody's hands by
    /// now: it must still be the file that it was.
    fn evict(&mut self) -> Result<()> {
        if self.0.len() < DESCRIPTORS {
            return Ok(());
        }
        let (source, descriptor) = self.0.remove(0);
        unchanged(&source, &descriptor)
    }

    /// An error if one of the held files has changed.
    pub(crate) fn check(&self) -> Result<()> {
        self.0.iter().try_for_each(|(source, descriptor)| unchanged(source, descriptor))
    }
}

/// An error if a source is a file that has changed.
pub(super) fn unchanged(source: &Source, descriptor: &File) -> Result<()> {
    source.as_file().map_or(Ok(()), |file| file.check(descriptor)).map_err(|e| e.named(source.name()))
}

/// Reads a [`Rope`] with a position. Holds at most 16 descriptors.
pub struct RopeReader {
    rope: Rope,
    pos: u64,
    pub(super) files: Descriptors,
    control: Control,
}

impl RopeReader {
    pub(super) fn new(rope: Rope) -> Self {
        Self { rope, pos: 0, files: Descriptors::default(), control: Control::default() }
    }

    /// Lets cancel and deadline end its reads: they are looked at in front of each, and between the reads that a source of
    /// the caller's ([`ReadAt`](crate::ReadAt)) is asked for.
    #[must_use]
    pub fn control(mut self, control: &Control) -> Self {
        self.watch(control);
        self
    }

    pub(super) fn watch(&mut self, control: &Control) {
        self.control = control.clone();
    }

    /// The bytes from here to there, in chunks.
    pub(super) fn run(
        &mut self,
        from: u64,
        to: u64,
        mut each: impl FnMut(u64, Bytes) -> Result<()>,
    ) -> Result<()> {
        self.pos = from;
        while self.pos < to {
            let at = self.pos;
            let Some(chunk) = self.next_chunk()? else { break };
            let most = usize::try_from(to.saturating_sub(at)).unwrap_or(usize::MAX);
            each(at, if chunk.len() > most { chunk.slice(..most) } else { chunk })?;
        }
        Ok(())
    }

    /// Reads up to `buf.len()` bytes at `offset` and returns how many; 0 at the end. The position stays.
    pub fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let left = self.rope.len().saturating_sub(offset);
        let want = usize::try_from(left).map_or(buf.len(), |left| left.min(buf.len()));
        if let Some(buf) = buf.get_mut(..want) {
            self.read_exact_at(if want == 0 { 0 } else { offset }, buf)?;
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
        self.control.check()?;
        match self.files.of(source)? {
            Some(file) => {
                read_exact_at(&file, *at, into).map_err(|e| e.named(source.name()))?;
                unchanged(source, &file)
            }
            None => {
                into.copy_from_slice(&source.fetch(*at, into.len(), None, &self.control)?);
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
        self.control.check()?;
        // A piece in memory goes out whole, one in a file in chunks.
        let Some(piece) = self.rope.piece_from(pos) else { return Ok(None) };
        let bytes = match in_memory(&piece) {
            Some(bytes) => bytes,
            None => {
                let Slice::Shared { source, at } = &piece.bytes else {
                    return Ok(None);
                };
                let file = self.files.of(source)?;
                let want = usize::try_from(piece.len.min(CHUNK)).unwrap_or(0);
                source.fetch(*at, want, file.as_deref(), &self.control)?
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

impl Chunks {
    pub(super) fn new(reader: RopeReader) -> Self {
        Self { reader }
    }

    /// Lets cancel and deadline end it, as [`RopeReader::control`].
    #[must_use]
    pub fn control(mut self, control: &Control) -> Self {
        self.reader.watch(control);
        self
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::{sync::mpsc, time::Duration};

    #[test]
    fn reading_takes_as_long_as_there_are_segments() {
        const COUNT: u64 = 200_000;
        let one = Source::from_bytes(&b"ab"[..]);
        let piece =
            |start| Piece { start, len: 1, bytes: Slice::Shared { source: one.clone(), at: start % 2 } };
        let rope = Rope::from_pieces((0..COUNT).map(piece).collect());
        let (done, outcome) = mpsc::channel();
        std::thread::spawn(move || {
            let mut all = Vec::new();
            rope.write_to(&mut all).unwrap();
            let _ = done.send(all);
        });
        // Where each segment was looked for among all of them, this took minutes.
        let all = outcome.recv_timeout(Duration::from_secs(60)).expect("HANGS");
        assert!(all == b"ab".repeat(100_000));
    }
}
