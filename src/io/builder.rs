//! A rope in the making, as muxers make it: mostly at the end, with patches of what is there.

use super::{
    Rope, Source,
    rope::{Piece, Slice},
};
use crate::{Error, ErrorKind, Result};

/// A rope in the making: written at the end, or patched, by a muxer. A patch onto a shared slice splits it: a
/// source is never written to.
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

    /// One that begins with these bytes, and has no bound.
    pub(crate) fn with_head(head: Vec<u8>) -> Self {
        let len = head.len() as u64;
        let pieces = vec![Draft { start: 0, len, bytes: DraftBytes::Owned(head) }];
        Self { pieces, len, ..Self::new(u64::MAX) }
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
                .with_setting("limits.memory")
                .advise("raise the limit memory, ask for less at once (fewer ranges), or write to a file if it is none"));
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
        let Some(source) = &self.source else {
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
            None => push_shared(&mut self.pieces, &mut self.len, source, origin, len),
            Some(rope) => {
                let mut parts = Vec::new();
                rope.visit(origin, end, |part| parts.push(part));
                for part in parts {
                    match part.bytes {
                        Slice::Shared { source, at } => self.push_shared(&source, at, part.len),
                        // A rope that is a source has none of these.
                        Slice::Owned(bytes) => self.push_shared(&Source::from_bytes(bytes), 0, part.len),
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
                Slice::Shared { source, at } => self.push_shared(&source, at, part.len),
                Slice::Owned(bytes) => self.write(self.len, &bytes)?,
            }
        }
        Ok(())
    }

    fn push_shared(&mut self, source: &Source, at: u64, len: u64) {
        push_shared(&mut self.pieces, &mut self.len, source, at, len);
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

/// A slice of a source behind all pieces, `total` bytes so far. One that goes on where the last piece ends
/// becomes part of it.
fn push_shared(pieces: &mut Vec<Draft>, total: &mut u64, source: &Source, at: u64, len: u64) {
    if let Some(Draft { len: have, bytes: DraftBytes::Shared { source: last, at: start }, .. }) =
        pieces.last_mut()
        && start.saturating_add(*have) == at
        && last.is_same(source)
    {
        *have = have.saturating_add(len);
    } else if len > 0 {
        let bytes = DraftBytes::Shared { source: source.clone(), at };
        pieces.push(Draft { start: *total, len, bytes });
    }
    *total = total.saturating_add(len);
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
        let segments: Vec<_> = rope.slices().map(|s| (s.offset, s.len, s.source.map(|(_, at)| at))).collect();
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
