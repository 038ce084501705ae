//! A moov as it was, but for its chunks' places, or for its samples.

use super::{draft::Draft, moov::OF_SAMPLES, put};
use crate::{
    Result,
    mp4::{Movie, Track, boxes::children},
};
use bytes::Bytes;

/// A moov as it was, but for where its chunks lie.
pub(crate) struct Moved {
    bytes: Vec<u8>,
    /// Where the entries of each track begin, and whether they have 64 bits.
    tables: Vec<(usize, bool)>,
}

impl Moved {
    /// Behind what a file begins with. `wide`: chunks' places have 64 bits, also where they had 32.
    pub(crate) fn new(head: Vec<u8>, movie: &Movie, wide: bool) -> Self {
        let mut moved = Self { bytes: head, tables: Vec::new() };
        let mut bytes = std::mem::take(&mut moved.bytes);
        bytes.reserve(movie.content.len().saturating_add(16 << 10));
        put::boxed(&mut bytes, *b"moov", |to| moved.copy(to, &movie.content, &[b"trak"], wide));
        Self { bytes, ..moved }
    }

    /// Its size in bytes, with what is in front.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// What leads to the tables is gone through, and all else is as it was.
    fn copy(&mut self, to: &mut Vec<u8>, content: &Bytes, path: &[&[u8; 4]], wide: bool) {
        for (kind, content) in children(content) {
            match &kind {
                b"stco" | b"co64" if path.is_empty() => {
                    let was = if kind == *b"co64" { 8 } else { 4 };
                    let is_wide = wide || was == 8;
                    let entries = content.len().saturating_sub(8).checked_div(was).unwrap_or(0);
                    let stated = content
                        .get(4..)
                        .and_then(<[u8]>::first_chunk)
                        .map(|count| u32::from_be_bytes(*count));
                    let count = entries.min(usize::try_from(stated.unwrap_or(0)).unwrap_or(0));
                    put::versioned(to, if is_wide { *b"co64" } else { *b"stco" }, 0, |to| {
                        put::count(to, count);
                        self.tables.push((to.len(), is_wide));
                        let size = count.saturating_mul(if is_wide { 8 } else { 4 });
                        to.resize(to.len().saturating_add(size), 0);
                    });
                }
                _ if path.first() == Some(&&kind) => {
                    let rest: &[&[u8; 4]] = match &kind {
                        b"trak" => &[b"mdia"],
                        b"mdia" => &[b"minf"],
                        b"minf" => &[b"stbl"],
                        _ => &[],
                    };
                    put::boxed(to, kind, |to| self.copy(to, &content, rest, wide));
                }
                _ => put::kept(to, kind, &content),
            }
        }
    }

    /// The same, when it is known where each track's chunks go. None if a track has another number of tables than
    /// one.
    pub(crate) fn placed(
        mut self,
        tracks: &[impl AsRef<[u64]>],
        mut to: impl FnMut(u64) -> u64,
    ) -> Option<Vec<u8>> {
        if tracks.len() != self.tables.len() {
            return None;
        }
        for (places, (at, is_wide)) in tracks.iter().zip(&self.tables) {
            let entry = if *is_wide { 8 } else { 4 };
            let table = self.bytes.get_mut(*at..)?;
            for (entry, place) in table.chunks_exact_mut(entry).zip(places.as_ref()) {
                let place = to(*place).to_be_bytes();
                entry.copy_from_slice(place.get(place.len().saturating_sub(entry.len())..)?);
            }
        }
        Some(self.bytes)
    }
}

/// A file of a movie's brands and its moov, in which tracks have so many of their first samples alone.
pub(crate) fn with_first_samples(movie: &Movie, count: impl Fn(&Track) -> u32) -> Result<Vec<u8>> {
    fn copy(to: &mut Vec<u8>, content: &Bytes, way: &[&[u8; 4]], tables: &mut dyn FnMut(&mut Vec<u8>)) {
        if way.is_empty() {
            tables(to);
        }
        for (kind, content) in children(content) {
            match (way.split_first(), &kind) {
                (Some((holder, rest)), kind) if *holder == kind => {
                    put::boxed(to, *kind, |to| copy(to, &content, rest, tables));
                }
                (None, kind) if OF_SAMPLES.contains(&kind) => {}
                _ => put::kept(to, kind, &content),
            }
        }
    }
    let mut drafts = movie.tracks.iter().map(|track| first_samples(track, count(track)));
    let mut failed = Ok(());
    let mut tables = |to: &mut Vec<u8>| match drafts.next() {
        Some(Ok(draft)) => {
            let at = draft.write(to, 0, true);
            let table = to.get_mut(at..).unwrap_or_default().as_chunks_mut::<8>().0;
            table.iter_mut().zip(draft.places()).for_each(|(entry, place)| *entry = place.to_be_bytes());
        }
        Some(Err(error)) => failed = Err(error),
        None => {}
    };
    let mut bytes = Vec::new();
    if let Some(brands) = &movie.brands {
        put::kept(&mut bytes, *b"ftyp", brands);
    }
    put::boxed(&mut bytes, *b"moov", |to| {
        copy(to, &movie.content, &[b"trak", b"mdia", b"minf", b"stbl"], &mut tables);
    });
    failed.map(|()| bytes)
}

fn first_samples(track: &Track, count: u32) -> Result<Draft> {
    let mut draft = Draft::new(track.scale);
    track.descriptions.iter().for_each(|own| {
        draft.add_description(own);
    });
    if let Ok(samples) = &track.samples {
        let count = count.min(samples.count());
        draft.append(track, samples, 0, count)?;
        samples.in_chunks(0, count).for_each(|run| draft.lie_at(run.place, run.samples, run.description));
    }
    Ok(draft)
}
