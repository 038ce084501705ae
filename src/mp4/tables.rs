//! What avrope must know of a file and libav does not tell, above all the edit lists.

use super::{
    boxes::{Place, Read, boxes, in_memory, number, packed},
    movie::edits::{Edit, edit_list},
    movie::{Movie, Track},
    times::Times,
};
use crate::{Error, Result};

/// What a file's `moov` says, apart from where its samples lie.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    /// Ticks a second of the movie header.
    pub movie_scale: u32,
    pub tracks: Vec<TrackTimes>,
    /// There may be `moof` boxes: samples are not all in `moov`.
    pub fragmented: bool,
}

#[derive(Debug, Default)]
pub(crate) struct TrackTimes {
    pub id: u32,
    /// Ticks a second of the media.
    pub media_scale: u32,
    /// In media ticks.
    pub media_duration: u64,
    /// None: there is no edit list, and the media is presented as it is.
    pub edits: Option<Vec<Edit>>,
    /// What the sample tables say, where no edit list says how long the media is shown.
    pub times: Option<Times>,
}

impl Tables {
    /// Of what was read already. None where not all of it could be meant.
    pub(crate) fn of(movie: &Movie) -> Option<Self> {
        let tracks = movie.tracks.iter().map(TrackTimes::of).collect::<Option<_>>()?;
        Some(Self { movie_scale: movie.scale, tracks, fragmented: movie.fragmented || movie.has_fragments })
    }

    /// Reads them from a file of `len` bytes; None if there is no `moov`.
    pub(crate) fn read(read: &mut Read<'_>, len: u64) -> Result<Option<Self>> {
        let mut found = None;
        let mut fragments = false;
        boxes(read, 0, len, |read, place| {
            match &place.kind {
                b"moov" if place.cut_short => {
                    let error = Error::corrupt("its index (the moov box) ends beyond the end of the file");
                    return Err(error.advise("the recording or the download was not finished"));
                }
                b"moov" => found = Some(Self::movie(read, place)?),
                b"moof" | b"sidx" => fragments = true,
                _ => {}
            }
            Ok(found.is_none() || !fragments)
        })?;
        if let Some(tables) = &mut found {
            tables.fragmented |= fragments;
        }
        Ok(found)
    }

    /// The track of a stream, by the number that libav has from it.
    pub(crate) fn track(&self, id: i32) -> Option<&TrackTimes> {
        self.tracks.iter().find(|track| i32::try_from(track.id) == Ok(id))
    }

    /// Whether an edit list says what of it is shown.
    pub(crate) fn is_edited(&self, id: i32) -> bool {
        self.track(id).is_some_and(|track| track.shown_by_edits().is_some())
    }

    fn movie(read: &mut Read<'_>, moov: Place) -> Result<Self> {
        let mut tables = Self::default();
        boxes(read, moov.content, moov.end, |read, place| {
            match &place.kind {
                b"mvhd" => tables.movie_scale = header(read, place)?.0,
                // libav takes a trex anywhere for the sign of fragments to come.
                b"mvex" | b"trex" => tables.fragmented = true,
                b"trak" => tables.tracks.push(TrackTimes::read(read, place)?),
                // It was weighed.
                b"cmov" => {
                    let bytes = packed::unpack(read, place, u64::MAX)?;
                    boxes(&mut in_memory(&bytes, 0), 0, bytes.len() as u64, |read, place| {
                        if place.kind == *b"moov" {
                            tables = Self::movie(read, place)?;
                        }
                        Ok(true)
                    })?;
                }
                _ => {}
            }
            Ok(true)
        })?;
        Ok(tables)
    }
}

impl TrackTimes {
    fn of(track: &Track) -> Option<Self> {
        let samples = track.samples.as_ref().ok()?;
        let mut own = Self {
            id: track.id,
            media_scale: track.scale,
            media_duration: track.duration.unwrap_or(0),
            edits: track.edits.clone(),
            times: None,
        };
        if !own.says_when_it_ends() {
            own.times = Times::of(samples);
        }
        Some(own)
    }

    fn read(read: &mut Read<'_>, trak: Place) -> Result<Self> {
        let mut track = Self::default();
        let (mut stts, mut ctts) = (None, None);
        boxes(read, trak.content, trak.end, |read, place| {
            match &place.kind {
                b"tkhd" => {
                    let mut version = [0; 1];
                    read(place.content, &mut version)?;
                    let at = if version == [1] { 20 } else { 12 };
                    track.id = number(read, place.content.saturating_add(at))?;
                }
                b"edts" => boxes(read, place.content, place.end, |read, place| {
                    if &place.kind == b"elst" {
                        track.edits = Some(edit_list(read, place)?);
                    }
                    Ok(true)
                })?,
                b"mdia" => boxes(read, place.content, place.end, |read, place| {
                    match &place.kind {
                        b"mdhd" => (track.media_scale, track.media_duration) = header(read, place)?,
                        b"minf" => {
                            stts = within(read, place, [b"stbl", b"stts"])?;
                            ctts = within(read, place, [b"stbl", b"ctts"])?;
                        }
                        _ => {}
                    }
                    Ok(true)
                })?,
                _ => {}
            }
            Ok(true)
        })?;
        if let Some(stts) = stts.filter(|_| !track.says_when_it_ends()) {
            track.times = Times::read(read, stts, ctts)?;
        }
        Ok(track)
    }
}

impl TrackTimes {
    /// The edit list, if it shows any of the media: one of empty edits alone is none.
    pub(crate) fn shown_by_edits(&self) -> Option<&[Edit]> {
        self.edits.as_deref().filter(|edits| edits.iter().any(|edit| edit.media.is_some()))
    }

    fn says_when_it_ends(&self) -> bool {
        let ends = |edits: &[Edit]| edits.last().is_some_and(|edit| edit.duration > 0);
        self.shown_by_edits().is_some_and(ends)
    }
}

/// The box at the end of a path of types, from what holds it.
fn within<const N: usize>(read: &mut Read<'_>, holder: Place, path: [&[u8; 4]; N]) -> Result<Option<Place>> {
    let mut at = Some(holder);
    for kind in path {
        let Some(holder) = at.take() else { break };
        boxes(read, holder.content, holder.end, |_, place| {
            at = Some(place).filter(|place| &place.kind == kind);
            Ok(at.is_none())
        })?;
    }
    Ok(at)
}

/// Time scale and duration of a `mvhd` or `mdhd`; an unknown duration (all ones) is 0.
fn header(read: &mut Read<'_>, place: Place) -> Result<(u32, u64)> {
    let mut version = [0; 1];
    read(place.content, &mut version)?;
    let after = |by: u64| place.content.saturating_add(by);
    if version == [1] {
        let scale = number(read, after(20))?;
        let mut duration = [0; 8];
        read(after(24), &mut duration)?;
        let duration = u64::from_be_bytes(duration);
        Ok((scale, if duration == u64::MAX { 0 } else { duration }))
    } else {
        let duration = number(read, after(16))?;
        Ok((number(read, after(12))?, if duration == u32::MAX { 0 } else { duration.into() }))
    }
}
