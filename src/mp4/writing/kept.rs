//! A moov as it was, but for its chunks' places, or for its samples.

use super::{
    auxiliary::write_places,
    draft::Draft,
    header,
    items::{self, ItemSpot, MovedItems},
    moov::{Moov, OF_SAMPLES, Spots},
    put,
};
use crate::{
    Result,
    mp4::{Movie, Track, boxes::children, sample_tables::Auxiliary},
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

/// Copies boxes, but for those that `replace` says it wrote others for, and for where items of a meta lie, in numbers
/// of 64 bits where `wide`.
fn copy(
    to: &mut Vec<u8>,
    content: &Bytes,
    way: &[&[u8; 4]],
    (wide, spots): (bool, &mut Vec<ItemSpot>),
    replace: &mut Replace<'_>,
) {
    if way.is_empty() {
        replace(to, Met::End);
    }
    for (kind, content) in children(content) {
        match way.split_first() {
            Some((holder, rest)) if **holder == kind => {
                put::boxed(to, kind, |to| copy(to, &content, rest, (wide, spots), replace));
            }
            Some(_) if replace(to, Met::Beside(kind, &content)) => {}
            None if replace(to, Met::Table(kind, &content)) => {}
            _ => items::kept(to, kind, &content, wide, spots),
        }
    }
}

impl Moov {
    /// One as it was, but for where its chunks lie, and what samples have besides: of each track's first the chunks
    /// are placed, and then that in its order. `wide`: places have 64 bits, also where they had 32.
    pub(crate) fn as_it_was(head: &[u8], movie: &Movie, wide: bool) -> Result<Self> {
        Self::of(head, movie.content.len(), |to, spots| {
            let (mut tracks, mut found) = (0_usize, Vec::new());
            copy(to, &movie.content, &WAY, (wide, &mut spots.items), &mut |to, met| {
                let (kind, content) = match met {
                    Met::Table(kind, content) => (kind, content),
                    Met::End => {
                        tracks = tracks.saturating_add(1);
                        return false;
                    }
                    Met::Beside(..) => return false,
                };
                let track = tracks.saturating_sub(1);
                if &kind == b"saio" {
                    let Some((about, own)) = Auxiliary::about(content) else { return false };
                    let extras = movie.tracks.get(track).map(|track| &track.extras.auxiliary);
                    let place = extras.and_then(|all| all.iter().position(|own| own.about == about));
                    let Some(place) = place else { return false };
                    let wide = wide || own;
                    found.push((track, place.saturating_add(1), write_places(to, about, wide), wide));
                    return true;
                }
                if !matches!(&kind, b"stco" | b"co64") {
                    return false;
                }
                let was: usize = if kind == *b"co64" { 8 } else { 4 };
                let wide = wide || was == 8;
                let stated = content.get(4..).and_then(<[u8]>::first_chunk).copied().map(u32::from_be_bytes);
                let room = content.len().saturating_sub(8).checked_div(was).unwrap_or(0);
                let count = room.min(usize::try_from(stated.unwrap_or(0)).unwrap_or(0));
                found.push((track, 0, put::places(to, count, wide), wide));
                true
            });
            found.sort_unstable();
            spots.tables.extend(found.into_iter().map(|(.., at, wide)| (at, wide)));
            Ok(())
        })
    }
}

/// What of a track is in a file of first samples.
pub(crate) enum First {
    /// So many of its samples, without their bytes.
    Samples(u32),
    /// So many, whose bytes are these, and how long it is.
    Whole(u32, Bytes),
}

/// Places from here on are of bytes behind the moov; libav refuses files so long.
const BEHIND: u64 = 1 << 63;

/// A file of a movie's brands and its moov, in which tracks have some of their first samples alone, and nothing says
/// how long the others are or what of them is shown.
pub(crate) fn with_first_samples(movie: &Movie, first: impl Fn(usize, &Track) -> First) -> Result<Vec<u8>> {
    let (mut drafts, mut behind) = (Vec::with_capacity(movie.tracks.len()), Vec::new());
    for (number, track) in movie.tracks.iter().enumerate() {
        let (draft, bytes) = match first(number, track) {
            First::Samples(count) => (first_samples(track, count, None)?, None),
            First::Whole(count, bytes) => {
                let place = BEHIND.saturating_add(behind.len() as u64);
                (first_samples(track, count, Some(place))?, Some(bytes))
            }
        };
        drafts.push((draft, bytes.is_some()));
        behind.extend_from_slice(bytes.as_deref().unwrap_or_default());
    }
    let mut head = Vec::new();
    if let Some(brands) = &movie.brands {
        put::kept(&mut head, *b"ftyp", brands);
    }
    let moov = Moov::of(&head, 0, |to, spots| {
        let Spots { tables, items } = spots;
        let mut rest = drafts.iter();
        copy(to, &movie.content, &WAY, (false, items), &mut |to, met| match met {
            Met::Table(kind, _) => OF_SAMPLES.contains(&&kind),
            Met::Beside(kind, content) => {
                let is_next_whole = rest.as_slice().first().is_some_and(|(_, is_whole)| *is_whole);
                let keeps_length = is_next_whole && &kind != b"mvhd";
                &kind == b"edts" || !keeps_length && header::without_length(to, kind, content)
            }
            Met::End => {
                let places = rest.next().map(|(draft, _)| draft.write(to, 0, true)).unwrap_or_default();
                tables.extend(places.into_iter().map(|at| (at, true)));
                true
            }
        });
        Ok(())
    })?;
    let places: Vec<&[u64]> = drafts.iter().flat_map(|(draft, _)| draft.all_places()).collect();
    let begins = (moov.len() as u64).saturating_add(8);
    let mut file = moov.placed(&places, &MovedItems::default(), |place| {
        place.checked_sub(BEHIND).map_or(place, |place| begins.saturating_add(place))
    });
    if !behind.is_empty() {
        put::kept(&mut file, *b"mdat", &behind);
    }
    Ok(file)
}

/// `place`: where all of them lie one behind the other, instead of where they lie in the source.
fn first_samples(track: &Track, count: u32, place: Option<u64>) -> Result<Draft> {
    let mut draft = Draft::new(track.scale);
    track.descriptions.iter().for_each(|own| {
        draft.add_description(own);
    });
    if let Ok(samples) = &track.samples {
        let count = count.min(samples.count());
        draft.append(track, samples, 0, count)?;
        match place {
            Some(place) if count > 0 => draft.lie_at(place, count, 1),
            Some(_) => {}
            None => {
                let runs = samples.in_chunks(0, count);
                runs.for_each(|run| draft.lie_at(run.place, run.samples, run.description));
            }
        }
    }
    Ok(draft.without_auxiliary())
}
