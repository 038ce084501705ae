//! MP4's `moov`, rewritten (ISO/IEC 14496-12): chunk offsets moved, one edit-list entry for each shown
//! stretch, durations in a time scale fine enough for samples. What libav wrote besides stays as it is.

use super::clock::Shown;
use crate::{Error, ErrorKind, Result, time::Rational};

/// A box: a container of others, or its bytes.
struct Node {
    kind: [u8; 4],
    content: Content,
}

enum Content {
    Bytes(Vec<u8>),
    Boxes(Vec<Node>),
}

/// The boxes that hold what is rewritten.
const CONTAINERS: [&[u8; 4]; 5] = [b"moov", b"trak", b"mdia", b"minf", b"stbl"];

/// What a track shows.
pub(super) struct TrackEdits<'a> {
    pub id: u32,
    pub base: Rational,
    pub shown: &'a [Shown],
}

/// A parsed `moov`.
pub(super) struct Moov(Node);

impl Moov {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self> {
        let mut nodes = parse(bytes, 0)?;
        match (nodes.pop(), nodes.is_empty()) {
            (Some(node), true) if &node.kind == b"moov" => Ok(Self(node)),
            _ => Err(damaged()),
        }
    }

    /// Replaces the edit lists, and the durations that follow from them.
    pub(super) fn set_edits(&mut self, tracks: &[TrackEdits<'_>]) -> Result<()> {
        let old = self
            .0
            .child(b"mvhd")
            .map(|header| header.number(if header.version() == 1 { 20 } else { 12 }))
            .ok_or_else(damaged)??;
        let scale = movie_scale(tracks);
        let movie = Rational::new(1, i32::try_from(scale).unwrap_or(1000)).ok_or_else(damaged)?;
        let mut longest: u64 = 0;
        for trak in self.0.boxes_mut().iter_mut().filter(|node| &node.kind == b"trak") {
            let id = trak.track_number()?;
            let header = trak.child_mut(b"tkhd").ok_or_else(damaged)?;
            let duration = match tracks.iter().find(|track| track.id == id) {
                Some(track) => {
                    let (entries, duration) = entries(track, movie, 0);
                    trak.set_edit_list(&entries);
                    duration
                }
                // A track that the muxer made by itself: chapters, a time code.
                None => {
                    let duration = header.track_duration()?;
                    let rescaled =
                        u128::from(duration).saturating_mul(scale.into()).checked_div(old.max(1).into());
                    trak.rescale_edit_list(old, scale)?;
                    rescaled.and_then(|d| u64::try_from(d).ok()).unwrap_or(duration)
                }
            };
            trak.child_mut(b"tkhd").ok_or_else(damaged)?.set_track_duration(duration)?;
            longest = longest.max(duration);
        }
        self.0.child_mut(b"mvhd").ok_or_else(damaged)?.set_movie_duration(scale, longest)
    }

    /// Leaves tracks out, by their numbers.
    pub(super) fn remove_tracks(&mut self, ids: &[u32]) {
        let is_out =
            |node: &Node| &node.kind == b"trak" && node.track_number().is_ok_and(|id| ids.contains(&id));
        if let Content::Boxes(boxes) = &mut self.0.content {
            boxes.retain(|node| !is_out(node));
        }
    }

    /// Moves all chunk offsets; 64-bit tables take the place of 32-bit ones where an offset does not fit.
    pub(super) fn move_chunks(&mut self, to: &dyn Fn(u64) -> u64, wide: bool) -> Result<()> {
        for trak in self.0.boxes_mut().iter_mut().filter(|node| &node.kind == b"trak") {
            let Some(table) =
                trak.child_mut(b"mdia").and_then(|n| n.child_mut(b"minf")).and_then(|n| n.child_mut(b"stbl"))
            else {
                continue;
            };
            for node in table.boxes_mut() {
                node.move_chunks(to, wide)?;
            }
        }
        Ok(())
    }

    /// Where all chunks begin, in order.
    pub(super) fn chunks(&self) -> Result<Vec<u64>> {
        let mut all = Vec::new();
        for trak in self.0.boxes().iter().filter(|node| &node.kind == b"trak") {
            for node in trak.sample_tables() {
                all.extend(node.chunk_offsets()?.unwrap_or_default());
            }
        }
        // The stable sort knows the tracks' runs, each of which is in order, and merges them.
        all.sort();
        Ok(all)
    }

    /// Its size in bytes.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn write(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.len());
        self.0.write(&mut bytes);
        bytes
    }
}

/// A `moov` as it is written for a clip: its first two tracks show two stretches each, its chunks stay where
/// they are.
#[cfg(fuzzing)]
pub(crate) fn rewritten(bytes: &[u8]) -> Result<Vec<u8>> {
    use crate::time::Timestamp;
    let base = Rational::new(1, 12_800).ok_or_else(damaged)?;
    let stretch =
        |at| Shown { at: Timestamp::from_nanos(at), len: Timestamp::from_nanos(900_000_000), media: 512 };
    let shown = [stretch(0), stretch(1_000_000_000)];
    let mut moov = Moov::parse(bytes)?;
    moov.set_edits(&[1, 2].map(|id| TrackEdits { id, base, shown: &shown }))?;
    moov.move_chunks(&|at| at, true)?;
    moov.chunks()?;
    Ok(moov.write())
}

fn damaged() -> Error {
    Error::new(ErrorKind::Bug, "the muxer's moov is not what was expected")
}

fn parse(mut bytes: &[u8], depth: usize) -> Result<Vec<Node>> {
    let mut nodes = Vec::new();
    while let Some((head, rest)) = bytes.split_first_chunk::<8>() {
        let [a, b, c, d, kind @ ..] = *head;
        let size = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
        // libav writes no box of 64-bit size into a moov.
        let (content, next) =
            size.checked_sub(8).and_then(|len| rest.split_at_checked(len)).ok_or_else(damaged)?;
        let content = if CONTAINERS.contains(&&kind) && depth < CONTAINERS.len() {
            Content::Boxes(parse(content, depth.saturating_add(1))?)
        } else {
            Content::Bytes(content.to_vec())
        };
        nodes.push(Node { kind, content });
        bytes = next;
    }
    if bytes.is_empty() { Ok(nodes) } else { Err(damaged()) }
}

impl Node {
    fn len(&self) -> usize {
        let content = match &self.content {
            Content::Bytes(bytes) => bytes.len(),
            Content::Boxes(nodes) => nodes.iter().map(Self::len).fold(0, usize::saturating_add),
        };
        content.saturating_add(8)
    }

    fn write(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(&u32::try_from(self.len()).unwrap_or(u32::MAX).to_be_bytes());
        to.extend_from_slice(&self.kind);
        match &self.content {
            Content::Bytes(bytes) => to.extend_from_slice(bytes),
            Content::Boxes(nodes) => nodes.iter().for_each(|node| node.write(to)),
        }
    }

    fn bytes(&self) -> &[u8] {
        match &self.content {
            Content::Bytes(bytes) => bytes,
            Content::Boxes(_) => &[],
        }
    }

    fn boxes_mut(&mut self) -> &mut [Self] {
        match &mut self.content {
            Content::Boxes(nodes) => nodes,
            Content::Bytes(_) => &mut [],
        }
    }

    fn boxes(&self) -> &[Self] {
        match &self.content {
            Content::Boxes(nodes) => nodes,
            Content::Bytes(_) => &[],
        }
    }

    /// A track's sample tables (8.5.1).
    fn sample_tables(&self) -> &[Self] {
        let table = self.child(b"mdia").and_then(|n| n.child(b"minf")).and_then(|n| n.child(b"stbl"));
        table.map_or(&[], Self::boxes)
    }

    /// A trak's own (tkhd).
    fn track_number(&self) -> Result<u32> {
        let header = self.child(b"tkhd").ok_or_else(damaged)?;
        header.number(if header.version() == 1 { 20 } else { 12 })
    }

    fn child(&self, kind: &[u8; 4]) -> Option<&Self> {
        match &self.content {
            Content::Boxes(nodes) => nodes.iter().find(|node| &node.kind == kind),
            Content::Bytes(_) => None,
        }
    }

    fn child_mut(&mut self, kind: &[u8; 4]) -> Option<&mut Self> {
        match &mut self.content {
            Content::Boxes(nodes) => nodes.iter_mut().find(|node| &node.kind == kind),
            Content::Bytes(_) => None,
        }
    }

    fn version(&self) -> u8 {
        self.bytes().first().copied().unwrap_or(0)
    }

    fn number(&self, at: usize) -> Result<u32> {
        let bytes = self.bytes().get(at..).and_then(|rest| rest.first_chunk::<4>());
        bytes.map(|bytes| u32::from_be_bytes(*bytes)).ok_or_else(damaged)
    }

    fn wide_number(&self, at: usize) -> Result<u64> {
        let bytes = self.bytes().get(at..).and_then(|rest| rest.first_chunk::<8>());
        bytes.map(|bytes| u64::from_be_bytes(*bytes)).ok_or_else(damaged)
    }

    fn track_duration(&self) -> Result<u64> {
        if self.version() == 1 { self.wide_number(28) } else { self.number(20).map(u64::from) }
    }

    /// tkhd (8.3.2): version 1 if the duration needs it.
    fn set_track_duration(&mut self, duration: u64) -> Result<()> {
        let id = self.number(if self.version() == 1 { 20 } else { 12 })?;
        self.set_header(duration, &id.to_be_bytes(), 4)
    }

    /// mvhd (8.2.2): version 1 if the duration needs it.
    fn set_movie_duration(&mut self, scale: u32, duration: u64) -> Result<()> {
        self.set_header(duration, &scale.to_be_bytes(), 0)
    }

    /// Both headers are alike: times of creation and change, four bytes of their own, `reserved` bytes, the
    /// duration, and a rest.
    fn set_header(&mut self, duration: u64, own: &[u8; 4], reserved: usize) -> Result<()> {
        let (wide, bytes) = (self.version() == 1, self.bytes());
        let flags = bytes.get(1..4).ok_or_else(damaged)?;
        let (created, changed) = if wide {
            (self.wide_number(4)?, self.wide_number(12)?)
        } else {
            (self.number(4)?.into(), self.number(8)?.into())
        };
        let after = if wide { 32_usize } else { 20 }.saturating_add(reserved);
        let rest = bytes.get(after..).ok_or_else(damaged)?;
        let mut new = Vec::with_capacity(bytes.len().saturating_add(12));
        let wide = [created, changed, duration].iter().any(|time| *time >= u32::MAX.into());
        let put = |to: &mut Vec<u8>, time: u64| match u32::try_from(time) {
            Ok(narrow) if !wide => to.extend_from_slice(&narrow.to_be_bytes()),
            _ => to.extend_from_slice(&time.to_be_bytes()),
        };
        new.push(u8::from(wide));
        new.extend_from_slice(flags);
        put(&mut new, created);
        put(&mut new, changed);
        new.extend_from_slice(own);
        new.resize(new.len().saturating_add(reserved), 0);
        put(&mut new, duration);
        new.extend_from_slice(rest);
        self.content = Content::Bytes(new);
        Ok(())
    }

    /// elst (8.6.6), in place of what is there, behind the tkhd.
    fn set_edit_list(&mut self, entries: &[(u64, i64)]) {
        let wide =
            entries.iter().any(|(len, media)| u32::try_from(*len).is_err() || i32::try_from(*media).is_err());
        let mut list = vec![u8::from(wide), 0, 0, 0];
        list.extend_from_slice(&u32::try_from(entries.len()).unwrap_or(u32::MAX).to_be_bytes());
        for (len, media) in entries {
            if wide {
                list.extend_from_slice(&len.to_be_bytes());
                list.extend_from_slice(&media.to_be_bytes());
            } else {
                list.extend_from_slice(&u32::try_from(*len).unwrap_or(u32::MAX).to_be_bytes());
                list.extend_from_slice(&i32::try_from(*media).unwrap_or(i32::MAX).to_be_bytes());
            }
            // media_rate 1.0
            list.extend_from_slice(&[0, 1, 0, 0]);
        }
        let mut edts = Vec::new();
        Self { kind: *b"elst", content: Content::Bytes(list) }.write(&mut edts);
        let Content::Boxes(boxes) = &mut self.content else {
            return;
        };
        boxes.retain(|node| &node.kind != b"edts");
        let behind = boxes.iter().position(|node| &node.kind == b"tkhd").map_or(0, |i| i.saturating_add(1));
        if !entries.is_empty() {
            boxes.insert(behind, Self { kind: *b"edts", content: Content::Bytes(edts) });
        }
    }

    /// Keeps an edit list, in another movie time scale.
    fn rescale_edit_list(&mut self, old: u32, new: u32) -> Result<()> {
        let Some(edts) = self.child(b"edts") else {
            return Ok(());
        };
        let inner = parse(edts.bytes(), CONTAINERS.len())?;
        let Some(list) = inner.iter().find(|node| &node.kind == b"elst") else {
            return Ok(());
        };
        let count = usize::try_from(list.number(4)?).unwrap_or(0);
        let mut entries = Vec::new();
        for i in 0..count {
            let (len, media) = if list.version() == 1 {
                let at = i.saturating_mul(20).saturating_add(8);
                (list.wide_number(at)?, list.wide_number(at.saturating_add(8))?.cast_signed())
            } else {
                let at = i.saturating_mul(12).saturating_add(8);
                (list.number(at)?.into(), i64::from(list.number(at.saturating_add(4))?.cast_signed()))
            };
            let rescaled = u128::from(len).saturating_mul(new.into()).checked_div(old.max(1).into());
            entries.push((rescaled.and_then(|len| u64::try_from(len).ok()).unwrap_or(len), media));
        }
        self.set_edit_list(&entries);
        Ok(())
    }

    /// The entries of a stco or co64 (8.7.5); None for other boxes.
    fn chunk_offsets(&self) -> Result<Option<Vec<u64>>> {
        let entries = || self.bytes().get(8..).ok_or_else(damaged);
        Ok(match &self.kind {
            b"stco" => {
                Some(entries()?.as_chunks::<4>().0.iter().map(|b| u32::from_be_bytes(*b).into()).collect())
            }
            b"co64" => Some(entries()?.as_chunks::<8>().0.iter().map(|b| u64::from_be_bytes(*b)).collect()),
            _ => None,
        })
    }

    fn move_chunks(&mut self, to: &dyn Fn(u64) -> u64, wide: bool) -> Result<()> {
        let Some(offsets) = self.chunk_offsets()? else { return Ok(()) };
        let mut table = vec![0; 4];
        table.extend_from_slice(&u32::try_from(offsets.len()).map_err(|_| damaged())?.to_be_bytes());
        for offset in offsets {
            let moved = to(offset);
            if wide {
                table.extend_from_slice(&moved.to_be_bytes());
            } else {
                table.extend_from_slice(&u32::try_from(moved).map_err(|_| damaged())?.to_be_bytes());
            }
        }
        self.kind = if wide { *b"co64" } else { *b"stco" };
        self.content = Content::Bytes(table);
        Ok(())
    }
}

/// Ticks a second, at the most, that are taken to tell several clocks' ticks in whole numbers.
pub(super) const FINEST: u64 = 100_000_000;

/// Ticks a second in which all the tracks' own ticks are whole numbers, if such a number is small enough.
pub(super) fn movie_scale(tracks: &[TrackEdits<'_>]) -> u32 {
    let scales = tracks
        .iter()
        .filter(|track| !track.shown.is_empty() && track.base.num == 1)
        .filter_map(|track| u64::try_from(track.base.den).ok());
    let mut common: u64 = 1000;
    let mut finest: u64 = 1000;
    for scale in scales.filter(|scale| *scale > 0) {
        finest = finest.max(scale);
        let multiple = common.checked_div(gcd(common, scale)).and_then(|n| n.checked_mul(scale));
        common = multiple.filter(|n| *n <= FINEST).unwrap_or(common);
    }
    u32::try_from(common.max(finest)).unwrap_or(1000)
}

pub(super) fn gcd(a: u64, b: u64) -> u64 {
    match a.checked_rem(b) {
        None => a,
        Some(rest) => gcd(b, rest),
    }
}

/// The entries of a track, (length in movie ticks, media time or -1), and their sum.
/// `lift`: what is added to where a stretch begins in the media.
pub(super) fn entries(track: &TrackEdits<'_>, movie: Rational, lift: i64) -> (Vec<(u64, i64)>, u64) {
    let mut entries = Vec::new();
    // Borders are rounded, not lengths: errors do not add up.
    let mut at: i64 = 0;
    let mut sum: u64 = 0;
    for (i, shown) in track.shown.iter().enumerate() {
        let (begins, ends) = (shown.at.ticks(movie), shown.at.plus(shown.len).ticks(movie));
        let gap = u64::try_from(begins.saturating_sub(at)).unwrap_or(0);
        if i == 0 && gap > 0 {
            entries.push((gap, -1));
            sum = sum.saturating_add(gap);
        }
        let from = if i == 0 { begins.max(0) } else { at };
        let len = u64::try_from(ends.saturating_sub(from)).unwrap_or(0);
        if len > 0 {
            entries.push((len, shown.media.saturating_add(lift).max(0)));
            sum = sum.saturating_add(len);
            at = ends;
        }
    }
    (entries, sum)
}
