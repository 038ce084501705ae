//! Reading a rope: its pieces in order, and the descriptors of the files that they are slices of.

use super::{
    Piece, Rope, Slice, Source,
    far::{Ahead, PIECE},
    in_memory,
};
use crate::{Control, Error, ErrorKind, Result, io::os::read_exact_at};
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

    /// Gives up the one that was used longest ago, if there are too many. What was read from it is in
    /// somebody's hands by now: it must still be the file that it was.
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
pub(in crate::io) fn unchanged(source: &Source, descriptor: &File) -> Result<()> {
    source.as_file().map_or(Ok(()), |file| file.check(descriptor)).map_err(|e| e.named(source.name()))
}

/// Reads a [`Rope`] with a position. Holds at most 16 descriptors.
pub struct RopeReader {
    rope: Rope,
    pos: u64,
    pub(in crate::io) files: Descriptors,
    control: Control,
    /// What is asked for ahead, where a part of the rope is far.
    ahead: Option<Ahead>,
    /// Up to where the reader is known to read.
    needs: u64,
    /// Where its last plain read ended.
    end: Option<u64>,
}

/// What a plain read that follows no other asks a far source for, at the least.
const FIRST: u64 = 256 << 10;

impl RopeReader {
    pub(in crate::io) fn new(rope: Rope) -> Self {
        let ahead = rope.is_far().then(Ahead::default);
        let (files, control) = Default::default();
        Self { rope, pos: 0, files, control, ahead, needs: 0, end: None }
    }

    /// Lets cancel and deadline end its reads: they are looked at in front of each, and between the reads
    /// that a source of the caller's ([`ReadAt`](crate::io::ReadAt)) is asked for.
    #[must_use]
    pub fn control(mut self, control: &Control) -> Self {
        self.watch(control);
        self
    }

    pub(in crate::io) fn watch(&mut self, control: &Control) {
        self.control = control.clone();
    }

    /// All up to there will be read, in order: far sources are asked for it ahead.
    pub(in crate::io) fn needs(&mut self, to: u64) {
        self.needs = self.needs.max(to);
    }

    /// Bytes that lie at `origin` in a far source and at `at` in the rope.
    fn far(&mut self, at: u64, origin: u64, least: u64, source: &Source) -> Result<Bytes> {
        let (Some(ahead), Some(far)) = (&mut self.ahead, source.as_far()) else {
            return Err(Error::new(ErrorKind::Bug, "a far source that nobody saw"));
        };
        let needs = self.needs.max(at.saturating_add(least));
        let found = ahead
            .ask(&self.rope, at, needs, &self.control)
            .and_then(|()| ahead.bytes(at, far, origin, least, &self.control));
        found.map_err(|e| e.named(source.name()))
    }

    /// The bytes from here to there, in chunks.
    pub(in crate::io) fn run(
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
        let promised = self.needs;
        self.needs(to);
        let mut outcome = Ok(());
        rope.visit(at, to, |piece| {
            let place = at.saturating_add(piece.start);
            let start = usize::try_from(piece.start).unwrap_or(usize::MAX);
            let end = start.saturating_add(usize::try_from(piece.len).unwrap_or(usize::MAX));
            if let (Ok(()), Some(into)) = (&outcome, into.get_mut(start..end)) {
                outcome = self.read_piece(&piece, place, into);
            }
        });
        self.needs = promised;
        outcome
    }

    /// A piece that lies at `place` in the rope.
    fn read_piece(&mut self, piece: &Piece, place: u64, into: &mut [u8]) -> Result<()> {
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
                if source.as_far().is_none() {
                    into.copy_from_slice(&source.fetch(*at, into.len(), None, &self.control)?);
                    return Ok(());
                }
                let mut done = 0;
                while let Some(rest) = into.get_mut(done..).filter(|rest| !rest.is_empty()) {
                    let (place, origin) = (place.saturating_add(done as u64), at.saturating_add(done as u64));
                    let bytes = self.far(place, origin, rest.len() as u64, source)?;
                    done = done.saturating_add(copy(&bytes, rest));
                }
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
        let is_far = piece.is_far();
        if let Some(ahead) = self.ahead.as_mut().filter(|_| !is_far) {
            // What follows is on its way while the receiver has what is here.
            ahead.ask(&self.rope, pos, self.needs, &self.control)?;
        }
        let bytes = match in_memory(&piece) {
            Some(bytes) => bytes,
            None => {
                let Slice::Shared { source, at } = &piece.bytes else {
                    return Ok(None);
                };
                let want = piece.len.min(CHUNK);
                if is_far {
                    let bytes = self.far(pos, *at, want.min(PIECE), source)?;
                    let most = usize::try_from(piece.len).unwrap_or(usize::MAX).min(bytes.len());
                    bytes.slice(..most)
                } else {
                    let file = self.files.of(source)?;
                    source.fetch(*at, usize::try_from(want).unwrap_or(0), file.as_deref(), &self.control)?
                }
            }
        };
        self.pos = pos.saturating_add(bytes.len() as u64);
        Ok(Some(bytes))
    }
}

pub(in crate::io) fn copy(from: &[u8], into: &mut [u8]) -> usize {
    let len = from.len().min(into.len());
    if let (Some(from), Some(into)) = (from.get(..len), into.get_mut(..len)) {
        into.copy_from_slice(from);
    }
    len
}

impl Read for RopeReader {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        let promised = self.needs;
        if self.ahead.is_some() {
            // Who goes on where he was reads all of it, most likely.
            let goes_on = self.end == Some(self.pos);
            let needs = if goes_on { self.rope.len() } else { self.pos.saturating_add(FIRST) };
            self.needs = needs.min(self.rope.len());
        }
        let read = self.read_at(self.pos, buf);
        self.needs = promised;
        let read = read?;
        self.pos = self.pos.saturating_add(read as u64);
        self.end = Some(self.pos);
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
    pub(in crate::io) fn new(reader: RopeReader) -> Self {
        let mut reader = reader;
        reader.needs(u64::MAX);
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
            self.reader.ahead = None;
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
