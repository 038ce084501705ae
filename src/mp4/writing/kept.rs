//! A moov as it was, but for its chunks' places, or for its samples.

use super::{
    draft::Draft,
    header,
    moov::{Moov, OF_SAMPLES},
    put,
};
use crate::{
    Result,
    mp4::{Movie, Track, boxes::children},
};
use bytes::Bytes;

/// The boxes that lead to a track's tables.
const WAY: [&[u8; 4]; 4] = [b"trak", b"mdia", b"minf", b"stbl"];

/// What is met on the way.
enum Met<'a> {
    /// A box beside it.
    Beside([u8; 4], &'a Bytes),
    /// Its end: all tables are behind this.
    End,
    /// One of the tables.
    Table([u8; 4], &'a Bytes),
}

/// Writes what takes the place of a box, if something does.
type Replace<'a> = dyn FnMut(&mut Vec<u8>, Met<'_>) -> bool + 'a;

/// Copies boxes, but for those that `replace` says it wrote others for.
fn copy(to: &mut Vec<u8>, content: &Bytes, way: &[&[u8; 4]], replace: &mut Replace<'_>) {
    if way.is_empty() {
        replace(to, Met::End);
    }
    for (kind, content) in children(content) {
        match way.split_first() {
            Some((holder, rest)) if **holder == kind => {
                put::boxed(to, kind, |to| copy(to, &content, rest, replace));
            }
            Some(_) if replace(to, Met::Beside(kind, &content)) => {}
            None if replace(to, Met::Table(kind, &content)) => {}
            _ => put::kept(to, kind, &content),
        }
    }
}

impl Moov {
    /// One as it was, but for where its chunks lie. `wide`: places have 64 bits, also where they had 32.
    pub(crate) fn as_it_was(head: &[u8], movie: &Movie, wide: bool) -> Result<Self> {
        Self::of(head, movie.content.len(), |to, tables| {
            copy(to, &movie.content, &WAY, &mut |to, met| {
                let Met::Table(kind, content) = met else { return false };
                if !matches!(&kind, b"stco" | b"co64") {
                    return false;
                }
                let was: usize = if kind == *b"co64" { 8 } else { 4 };
                let wide = wide || was == 8;
                let stated = content.get(4..).and_then(<[u8]>::first_chunk).copied().map(u32::from_be_bytes);
                let room = content.len().saturating_sub(8).checked_div(was).unwrap_or(0);
                let count = room.min(usize::try_from(stated.unwrap_or(0)).unwrap_or(0));
                tables.push((put::places(to, count, wide), wide));
                true
            });
            Ok(())
        })
    }
}

/// A file of a movie's brands and its moov, in which tracks have so many of their first samples alone, and nothing says
/// how long they are or what of them is shown.
pub(crate) fn with_first_samples(movie: &Movie, count: impl Fn(&Track) -> u32) -> Result<Vec<u8>> {
    let drafts: Vec<Draft> =
        movie.tracks.iter().map(|track| first_samples(track, count(track))).collect::<Result<_>>()?;
    let mut head = Vec::new();
    if let Some(brands) = &movie.brands {
        put::kept(&mut head, *b"ftyp", brands);
    }
    let moov = Moov::of(&head, 0, |to, tables| {
        let mut drafts = drafts.iter();
        copy(to, &movie.content, &WAY, &mut |to, met| match met {
            Met::Table(kind, _) => OF_SAMPLES.contains(&&kind),
            Met::Beside(kind, content) => &kind == b"edts" || header::without_length(to, kind, content),
            Met::End => {
                tables.extend(drafts.next().map(|draft| (draft.write(to, 0, true), true)));
                true
            }
        });
        Ok(())
    })?;
    let places: Vec<&[u64]> = drafts.iter().map(Draft::places).collect();
    Ok(moov.placed(&places, |place| place))
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
