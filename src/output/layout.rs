//! Where the parts of an MP4 lie: the index first, then the payload, its large slices at the same place in a
//! block as in their source, so that file systems can share the blocks.

use super::{
    moov::{Moov, TrackEdits},
    track::Track,
};
use crate::{
    Error, ErrorKind, Result, Rope,
    io::{Builder, PartialFile},
    mp4,
};
use bytes::Bytes;

/// What file systems share in: 4 KiB on btrfs, and on XFS by default.
const BLOCK: u64 = 4096;
/// Slices of at least this size are worth up to a block of padding.
const LARGE: u64 = 1 << 20;

/// What libav wrote.
struct Written {
    ftyp: mp4::Place,
    mdat: mp4::Place,
    moov: mp4::Place,
}

/// movenc.c numbers its tracks by their streams, from 1.
fn number(track: &Track) -> u32 {
    u32::try_from(track.index).unwrap_or(u32::MAX).saturating_add(1)
}

/// Tracks whose packets all lie in front of what is shown.
fn unseen(tracks: &[Track]) -> Vec<u32> {
    tracks.iter().filter(|track| track.unseen).map(number).collect()
}

fn edits(tracks: &[Track]) -> Vec<TrackEdits<'_>> {
    let written = tracks.iter().filter(|track| track.packets > 0 && !track.unseen);
    written
        .map(|track| TrackEdits { id: number(track), base: track.clock.base(), shown: track.clock.shown() })
        .collect()
}

impl Written {
    /// `filled`: what the mdat is longer than its header says.
    fn find(read: &mut dyn FnMut(u64, &mut [u8]) -> Result<()>, len: u64, filled: u64) -> Result<Self> {
        let (mut ftyp, mut mdat, mut moov) = (None, None, None);
        mp4::boxes(read, 0, len, |_, place| {
            match &place.kind {
                b"ftyp" => ftyp = Some(place),
                b"mdat" => {
                    let end = place.end.saturating_add(filled).min(len);
                    mdat = Some(mp4::Place { end, ..place });
                    return Ok(false);
                }
                _ => {}
            }
            Ok(true)
        })?;
        mp4::boxes(read, mdat.map_or(len, |mdat| mdat.end), len, |_, place| {
            moov = Some(place).filter(|place| &place.kind == b"moov").or(moov);
            Ok(true)
        })?;
        match (ftyp, mdat, moov) {
            (Some(ftyp), Some(mdat), Some(moov)) => Ok(Self { ftyp, mdat, moov }),
            _ => Err(Error::new(ErrorKind::Bug, "the muxer's file is not what was expected")),
        }
    }
}

/// A stretch of the payload and where it goes.
struct Move {
    old: u64,
    new: u64,
    len: u64,
}

/// Puts the moov in front, with the tracks' edit lists.
pub(super) fn moov_first(rope: &Rope, tracks: &[Track], filled: u64) -> Result<Rope> {
    let mut reader = rope.reader();
    let layout = Written::find(&mut |at, into| reader.read_exact_at(at, into), rope.len(), filled)?;
    let size = |place: mp4::Place| usize::try_from(place.end.saturating_sub(place.start)).unwrap_or(0);
    let mut bytes = vec![0; size(layout.moov)];
    reader.read_exact_at(layout.moov.start, &mut bytes)?;
    let mut moov = Moov::parse(&bytes)?;
    moov.remove_tracks(&unseen(tracks));
    moov.set_edits(&edits(tracks))?;
    let ftyp_len = layout.ftyp.end.saturating_sub(layout.ftyp.start);
    let payload = layout.mdat.content..layout.mdat.end;
    // 64-bit offsets make the moov longer, and that may move what needed them: 32 bits are tried first.
    moov.move_chunks(&|offset| offset, true)?;
    let moov_len = moov.len() as u64;
    let headers = ftyp_len.saturating_add(moov_len);
    let wide = headers.saturating_add(payload.end.saturating_sub(payload.start)).saturating_add(1 << 24)
        > u32::MAX.into();
    if !wide {
        moov.move_chunks(&|offset| offset, false)?;
    }
    let headers = ftyp_len.saturating_add(moov.len() as u64);
    let chunks = moov.chunks()?;
    let plan = Placement::new(rope, payload, headers, |at| chunks.binary_search(&at).is_ok());
    moov.move_chunks(&|offset| plan.mover().moved(offset), wide)?;

    let mut out = Builder::new(u64::MAX);
    let mut head = vec![0; size(layout.ftyp)];
    reader.read_exact_at(layout.ftyp.start, &mut head)?;
    head.extend_from_slice(&moov.write());
    out.write(0, &head)?;
    plan.write(&mut out, rope)?;
    Ok(out.finish())
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
    /// `is_chunk`: whether a chunk begins at a place of the rope.
    pub(super) fn new(
        rope: &Rope,
        payload: std::ops::Range<u64>,
        headers: u64,
        is_chunk: impl Fn(u64) -> bool,
    ) -> Self {
        // Runs of pieces that stay together. A large slice of a file begins a new one, but never inside of a
        // chunk.
        let mut runs: Vec<(u64, u64, Option<u64>)> = Vec::new();
        rope.visit(payload.start, payload.end, |piece| {
            let start = payload.start.saturating_add(piece.start);
            let source = piece.file_offset().filter(|_| piece.len >= LARGE);
            let source = source.filter(|_| is_chunk(start));
            match runs.last_mut() {
                Some((_, len, _)) if source.is_none() => *len = len.saturating_add(piece.len),
                _ => runs.push((start, piece.len, source)),
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

/// The same for a file that was muxed straight to disk. The moov goes to the front if the file system can
/// make room there without a copy; false if it stays at the end.
pub(super) fn moov_first_in_file(file: &mut PartialFile, tracks: &[Track]) -> Result<bool> {
    let len = file.len();
    let layout = Written::find(
        &mut |at, into| {
            into.copy_from_slice(&file.read_at(at, into.len())?);
            Ok(())
        },
        len,
        0,
    )?;
    let size = |place: mp4::Place| usize::try_from(place.end.saturating_sub(place.start)).unwrap_or(0);
    let mut moov = Moov::parse(&file.read_at(layout.moov.start, size(layout.moov))?)?;
    moov.remove_tracks(&unseen(tracks));
    moov.set_edits(&edits(tracks))?;
    let wide = len.saturating_add(1 << 28) > u32::MAX.into();
    moov.move_chunks(&|offset| offset, wide)?;
    let ftyp = file.read_at(layout.ftyp.start, size(layout.ftyp))?;
    // In front: ftyp, moov, and what is left of the last block as free space.
    let block = file.block_size();
    let head = (ftyp.len() as u64).saturating_add(moov.len() as u64);
    let room = head.saturating_add(8).next_multiple_of(block);
    if layout.moov.end == len && layout.moov.start > 0 && file.insert_front(room) {
        moov.move_chunks(&|offset| offset.saturating_add(room), wide)?;
        let mut front = ftyp;
        front.extend_from_slice(&moov.write());
        front.extend_from_slice(&u32::try_from(room.saturating_sub(head)).unwrap_or(8).to_be_bytes());
        front.extend_from_slice(b"free");
        file.write_at(0, &front)?;
        // The old ftyp is behind it now, and must not be one.
        file.write_at(room.saturating_add(layout.ftyp.start).saturating_add(4), b"free")?;
        file.truncate(room.saturating_add(layout.moov.start))?;
        return Ok(true);
    }
    file.write_at(layout.moov.start, &moov.write())?;
    file.truncate(layout.moov.start.saturating_add(moov.len() as u64))?;
    Ok(false)
}
