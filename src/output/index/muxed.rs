//! What libav's muxer wrote, with an index of ours in place of its own: in front where that can be, with the edit
//! lists of the output's clocks, which movenc.c has no way to state.

use super::{
    Parts,
    plan::{Made, plan},
};
use crate::{
    Error, ErrorKind, Limits, Result, Rope,
    io::PartialFile,
    mp4::{self, Draft, Moov, MovedItems, Movie, Place},
    output::{edits::TrackEdits, track::Track},
};

type Read<'a> = dyn FnMut(u64, &mut [u8]) -> Result<()> + 'a;

/// What libav wrote.
struct Muxed {
    /// The whole box.
    brands: Vec<u8>,
    payload: Place,
    /// Where its moov lies, and what that says.
    index: Place,
    movie: Movie,
}

fn unexpected() -> Error {
    Error::new(ErrorKind::Bug, "the muxer's file is not what was expected")
}

impl Muxed {
    /// `filled`: what the mdat is longer than its header says.
    fn read(read: &mut Read<'_>, len: u64, filled: u64) -> Result<Self> {
        let (mut ftyp, mut mdat, mut moov) = (None, None, None);
        mp4::boxes(read, 0, len, |_, place| {
            match &place.kind {
                b"ftyp" => ftyp = Some(place),
                b"mdat" => {
                    let end = place.end.saturating_add(filled).min(len);
                    mdat = Some(Place { end, ..place });
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
        let (Some(ftyp), Some(payload), Some(index)) = (ftyp, mdat, moov) else { return Err(unexpected()) };
        let mut whole = |place: Place| -> Result<Vec<u8>> {
            let size = usize::try_from(place.end.saturating_sub(place.start)).unwrap_or(0);
            let mut bytes = vec![0; size];
            read(place.start, &mut bytes)?;
            Ok(bytes)
        };
        let (brands, index_bytes) = (whole(ftyp)?, whole(index)?);
        let index_len = index_bytes.len() as u64;
        let movie = Movie::read(&mut mp4::in_memory(&index_bytes, 0), index_len, &Limits::unlimited())?;
        Ok(Self { brands, payload, index, movie: movie.ok_or_else(unexpected)? })
    }
}

/// Calls `then` with what makes a new moov of these tracks, but for those of which nothing is shown, and where their
/// chunks lie from where the payload begins.
fn with_plan<T>(
    muxed: &Muxed,
    tracks: &[Track],
    then: impl FnOnce(&mp4::MoviePlan<'_>, &[&[u64]]) -> Result<T>,
) -> Result<T> {
    let own = |id: u32| {
        // movenc.c numbers its tracks by their streams, from 1.
        let number = |track: &Track| u32::try_from(track.index).ok().and_then(|index| index.checked_add(1));
        tracks.iter().find(|track| number(track) == Some(id))
    };
    let all = muxed.movie.tracks.iter().map(|source| (source, own(source.id)));
    let shown: Vec<_> = all.filter(|(_, own)| !own.is_some_and(|own| own.unseen)).collect();
    let drafts = shown.iter().map(|(source, _)| tables(source, muxed.payload.content));
    let drafts = drafts.collect::<Result<Vec<Draft>>>()?;
    let made = shown.iter().zip(&drafts).map(|((source, own), draft)| Made {
        source,
        draft,
        edits: own.map(|own| TrackEdits::of(&own.clock)),
    });
    let places: Vec<&[u64]> = drafts.iter().flat_map(Draft::all_places).collect();
    then(&plan(&muxed.movie, &made.collect::<Vec<_>>(), None)?, &places)
}

/// All samples of a track, whose chunks lie behind `begins`.
fn tables(track: &mp4::Track, begins: u64) -> Result<Draft> {
    let samples = track.samples.as_ref().map_err(|error| {
        let message = format!("the muxer's tables of track {} are not what was expected: {error}", track.id);
        Error::new(ErrorKind::Bug, message)
    })?;
    let mut draft = Draft::new(track.scale);
    track.descriptions.iter().for_each(|own| draft.add_description(own));
    draft.append(track, samples, 0, samples.count())?;
    for run in samples.in_chunks(0, samples.count()) {
        let place = run.place.checked_sub(begins).ok_or_else(unexpected)?;
        draft.lie_at(place, run.samples, run.description);
    }
    Ok(draft.without_auxiliary())
}

/// Puts the moov in front, with the tracks' edit lists. `filled`: bytes of the payload that libav does not know of.
pub(crate) fn index_first(rope: &Rope, tracks: &[Track], filled: u64, limits: &Limits) -> Result<Rope> {
    let mut reader = rope.reader();
    let muxed = Muxed::read(&mut |at, into| reader.read_exact_at(at, into), rope.len(), filled)?;
    let payload = rope.slice(muxed.payload.content..muxed.payload.end)?;
    with_plan(&muxed, tracks, |plan, places| {
        let parts = Parts { head: muxed.brands.clone(), others: &[], metas: &[], source: None };
        parts.lay_out(&payload, (places, &MovedItems::default()), limits, |head, wide| {
            Moov::new(head, plan, wide)
        })
    })
}

/// The same for a file that was muxed straight to disk. The moov goes to the front if the file system can make
/// room there without a copy; false if it stays at the end.
pub(crate) fn index_first_in_file(file: &mut PartialFile, tracks: &[Track]) -> Result<bool> {
    let len = file.len();
    let read = &mut |at: u64, into: &mut [u8]| {
        into.copy_from_slice(&file.read_at(at, into.len())?);
        Ok(())
    };
    let muxed = Muxed::read(read, len, 0)?;
    with_plan(&muxed, tracks, |plan, places| {
        let begins = muxed.payload.content;
        let wide = mp4::needs_wide(0, len);
        let front = Moov::new(&muxed.brands, plan, wide)?;
        // In front: ftyp, moov, and what is left of the last block as free space.
        let block = file.block_size();
        let head = front.len() as u64;
        let room = head.saturating_add(8).next_multiple_of(block);
        if muxed.index.end == len && muxed.index.start > 0 && file.insert_front(room) {
            let behind = begins.saturating_add(room);
            let mut front =
                front.placed(places, &MovedItems::default(), |place| place.saturating_add(behind));
            front.extend_from_slice(&u32::try_from(room.saturating_sub(head)).unwrap_or(8).to_be_bytes());
            front.extend_from_slice(b"free");
            file.write_at(0, &front)?;
            // The old ftyp is behind it now, and must not be one.
            file.write_at(room.saturating_add(4), b"free")?;
            file.truncate(room.saturating_add(muxed.index.start))?;
            return Ok(true);
        }
        let none = MovedItems::default();
        let last = Moov::new(&[], plan, wide)?.placed(places, &none, |place| place.saturating_add(begins));
        file.write_at(muxed.index.start, &last)?;
        file.truncate(muxed.index.start.saturating_add(last.len() as u64))?;
        Ok(false)
    })
}

/// A moov as it is written for a clip: its first two tracks show two stretches each, its chunks stay where they are.
#[cfg(fuzzing)]
pub(crate) fn rewritten(bytes: &[u8]) -> Result<Vec<u8>> {
    use crate::{
        output::clock::Shown,
        time::{Rational, Timestamp},
    };
    let len = bytes.len() as u64;
    let movie = Movie::read(&mut mp4::in_memory(bytes, 0), len, &Limits::default())?;
    let movie = movie.ok_or_else(unexpected)?;
    let base = Rational::new(1, 12_800).ok_or_else(unexpected)?;
    let stretch =
        |at| Shown { at: Timestamp::from_nanos(at), len: Timestamp::from_nanos(900_000_000), media: 512 };
    let shown = [stretch(0), stretch(1_000_000_000)];
    let drafts = movie.tracks.iter().map(|track| tables(track, 0)).collect::<Result<Vec<_>>>()?;
    let edits = |number: usize| (number < 2).then_some(TrackEdits { base, shown: &shown });
    let tracks = movie.tracks.iter().zip(&drafts).enumerate();
    let made: Vec<_> =
        tracks.map(|(number, (source, draft))| Made { source, draft, edits: edits(number) }).collect();
    let places: Vec<&[u64]> = drafts.iter().map(Draft::places).collect();
    Ok(Moov::new(&[], &plan(&movie, &made, None)?, true)?
        .placed(&places, &MovedItems::default(), |place| place))
}
