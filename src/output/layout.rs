//! Where the parts of an MP4 lie: the index first, then the payload, its large slices at the same place in a
//! block as in their source, so that file systems can share the blocks.

use crate::{Result, Rope, io::Builder};
use bytes::Bytes;

/// What file systems share in: 4 KiB on btrfs, and on XFS by default.
const BLOCK: u64 = 4096;
/// Slices of at least this size are worth up to a block of padding.
const LARGE: u64 = 1 << 20;

/// A stretch of the payload and where it goes.
struct Move {
    old: u64,
    new: u64,
    len: u64,
}

/// Where the payload goes, behind the headers.
pub(super) struct Placement {
    /// The size of the `free` box before the `mdat`; 0 for none.
    free: u64,
    moves: Vec<Move>,
    mdat_len: u64,
    wide_mdat: bool,
}

impl Placement {
    /// `is_chunk`: whether a chunk begins at a place of it.
    pub(super) fn new(payload: &Rope, headers: u64, is_chunk: impl Fn(u64) -> bool) -> Self {
        // Runs of pieces that stay together. A large slice of a file begins a new one, but never inside of a
        // chunk.
        let mut runs: Vec<(u64, u64, Option<u64>)> = Vec::new();
        payload.visit(0, payload.len(), |piece| {
            let source = piece.file_offset().filter(|_| piece.len >= LARGE);
            let source = source.filter(|_| is_chunk(piece.start));
            match runs.last_mut() {
                Some((_, len, _)) if source.is_none() => *len = len.saturating_add(piece.len),
                _ => runs.push((piece.start, piece.len, source)),
            }
        });
        let most = runs.iter().map(|(_, len, _)| len.saturating_add(BLOCK)).fold(0, u64::saturating_add);
        let wide_mdat = most.saturating_add(16) > u32::MAX.into();
        let header = if wide_mdat { 16 } else { 8 };
        let misfit = |at: u64, source: Option<u64>| {
            source.map_or(0, |source| source.wrapping_sub(at) & BLOCK.saturating_sub(1))
        };
        let first = headers.saturating_add(header);
        let mut free = 0;
        let mut at = first;
        let mut moves: Vec<Move> = Vec::new();
        for (i, (old, len, source)) in runs.into_iter().enumerate() {
            let mut pad = misfit(at, source);
            if i == 0 && pad > 0 {
                // A free box has a header of its own.
                pad = if pad < 8 { pad.saturating_add(BLOCK) } else { pad };
                free = pad;
            }
            at = at.saturating_add(pad);
            moves.push(Move { old, new: at, len });
            at = at.saturating_add(len);
        }
        let mdat_len = at.saturating_sub(first).saturating_sub(free);
        Self { free, moves, mdat_len, wide_mdat }
    }

    pub(super) fn mover(&self) -> Mover<'_> {
        Mover { moves: &self.moves, last: 0 }
    }

    /// Writes it, and what is in front of it, behind the headers.
    pub(super) fn write(&self, out: &mut Builder, rope: &Rope) -> Result<()> {
        let mut head = Vec::new();
        if self.free > 0 {
            head.extend_from_slice(&u32::try_from(self.free).unwrap_or(8).to_be_bytes());
            head.extend_from_slice(b"free");
            head.resize(usize::try_from(self.free).unwrap_or(8), 0);
        }
        head.extend_from_slice(&self.mdat_header());
        out.write(out.len(), &head)?;
        for piece in &self.moves {
            // Padding, where there is some, reads as zeros; no chunk points into it.
            let gap = usize::try_from(piece.new.saturating_sub(out.len())).unwrap_or(0);
            out.write(out.len(), &vec![0; gap])?;
            out.append_rope(rope, piece.old, piece.old.saturating_add(piece.len))?;
        }
        Ok(())
    }

    fn mdat_header(&self) -> Bytes {
        let mut header = Vec::with_capacity(16);
        if self.wide_mdat {
            header.extend_from_slice(&1u32.to_be_bytes());
            header.extend_from_slice(b"mdat");
            header.extend_from_slice(&self.mdat_len.saturating_add(16).to_be_bytes());
        } else {
            header.extend_from_slice(
                &u32::try_from(self.mdat_len.saturating_add(8)).unwrap_or(0).to_be_bytes(),
            );
            header.extend_from_slice(b"mdat");
        }
        header.into()
    }
}

/// Where each place of the payload goes. Those that are asked for one behind the other are found at once.
pub(super) struct Mover<'a> {
    moves: &'a [Move],
    last: usize,
}

impl Mover<'_> {
    #[inline]
    pub(super) fn moved(&mut self, offset: u64) -> u64 {
        let is_in = |piece: &Move| offset.wrapping_sub(piece.old) < piece.len;
        if !self.moves.get(self.last).is_some_and(is_in) {
            let behind = self.moves.partition_point(|piece| piece.old <= offset);
            self.last = behind.saturating_sub(1);
        }
        let piece = self.moves.get(self.last).filter(|piece| piece.old <= offset);
        piece.map_or(offset, |piece| offset.saturating_sub(piece.old).saturating_add(piece.new))
    }
}
