//! What an MP4 or MOV is made of: its boxes, and what its tables say of each sample. Nothing is decoded, and
//! of the payload nothing is read.
//!
//! ```no_run
//! # fn main() -> avrope::Result<()> {
//! use avrope::{Control, Source, inspect::inspect};
//!
//! let found = inspect(&Source::open("clip.mp4")?, &Control::new())?;
//! for track in &found.tracks {
//!     println!("track {}: {} samples, {} of them sync", track.id, track.samples, track.sync_samples);
//!     for sample in found.samples(track.id, 0..10) {
//!         println!("  {} bytes at {}, decoded at tick {}", sample.size, sample.offset, sample.decode_time);
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod tree;

pub use tree::BoxInfo;

use crate::{
    Control, Error, Result, Source, Timestamp,
    mp4::{self, Fragments, Movie, Sample},
    time::Rational,
};
use serde::Serialize;
use std::{collections::BTreeMap, ops::Range};

/// What an MP4 or MOV is made of.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct Inspection {
    /// The source's name.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// Ticks a second of the movie's own clock, by which edit lists count (mvhd; ISO/IEC 14496-12, 8.2.2). 0
    /// where there is no moov, as in a segment.
    pub time_scale: u32,
    /// Movie fragments (moof; 8.8.4). Of a segment without a moov, no samples are told of.
    pub fragments: u64,
    /// Where segments lie, by the file's own index of them (sidx; 8.16.3).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub segments: Vec<SegmentInfo>,
    /// Fragments that decoding can begin in, by the index at the file's end (mfra; 8.8.9).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub access_points: Vec<AccessPoint>,
    /// The tracks of the moov, in its order.
    pub tracks: Vec<TrackInfo>,
    /// All boxes, in the order of the file.
    pub boxes: Vec<BoxInfo>,
    /// What is wrong with it, each with the name of the box.
    pub warnings: Vec<String>,
    #[serde(skip)]
    movie: Movie,
    #[serde(skip)]
    in_fragments: Fragments,
}

/// What the tables of a track say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct TrackInfo {
    /// As the file numbers it (tkhd; 8.3.2).
    pub id: u32,
    /// `vide`, `soun`, `meta` … (hdlr; 8.4.3).
    pub handler: String,
    /// The names of its sample descriptions, such as `avc1` (stsd; 8.5.2).
    pub codecs: Vec<String>,
    /// Ticks a second of its samples' times (mdhd; 8.4.2).
    pub time_scale: u32,
    /// What its header states, in these ticks; none where that says that it is not known.
    pub duration: Option<u64>,
    /// Its edit list (elst; 8.6.6); none where there is none.
    pub edits: Option<Vec<EditInfo>>,
    /// Tracks that it refers to, by what they are to it: `chap`, `tmcd`, `hint` … (tref; 8.3.3).
    pub references: Vec<(String, Vec<u32>)>,
    /// Samples, with those of fragments.
    pub samples: u64,
    /// Samples that decoding can begin at (stss, and flags of fragments; 8.6.2 and 8.8.3).
    pub sync_samples: u64,
    /// Chunks (stco, co64; 8.7.5).
    pub chunks: u32,
    /// Bytes of all samples.
    pub bytes: u64,
    /// The decode times of all samples together, in ticks.
    pub decoded: u64,
    /// Entries of its tables, by the names of their boxes.
    pub tables: BTreeMap<String, u64>,
    /// Bytes that avrope holds to find its samples: its tables as they are in the file, and notes on every
    /// 64th entry.
    pub index_bytes: u64,
    /// Why its tables can't be meant, with the name of the box; nothing is said of its samples then.
    pub problem: Option<String>,
}

/// An entry of an edit list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct EditInfo {
    /// In ticks of the movie.
    pub duration: u64,
    /// The composition time that it begins at, in ticks of the track; none for an empty edit.
    pub media_time: Option<i64>,
}

/// A segment, as an index of them says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SegmentInfo {
    /// The track that times are of.
    pub track: u32,
    /// Ticks a second of these times.
    pub time_scale: u32,
    /// The earliest time of the presentation that is shown in it: edit lists are applied.
    pub time: u64,
    /// How long it lasts, in ticks.
    pub duration: u32,
    /// Where it begins in the file.
    pub offset: u64,
    /// Bytes.
    pub size: u32,
    /// It is an index of further segments itself.
    pub is_index: bool,
}

/// A fragment that decoding of a track can begin in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AccessPoint {
    /// As the file numbers it.
    pub track: u32,
    /// The composition time of the sample to begin at, in ticks of the track.
    pub time: u64,
    /// Where the fragment (moof) begins in the file.
    pub offset: u64,
}

/// A sample, in ticks of its track before edit lists are applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SampleInfo {
    /// Counted from 0.
    pub number: u64,
    /// When it is decoded (stts, tfdt).
    pub decode_time: i64,
    /// When it is shown (ctts).
    pub composition_time: i64,
    /// How long it lasts.
    pub duration: u32,
    /// Where it lies in the file.
    pub offset: u64,
    /// Bytes.
    pub size: u32,
    /// Whether decoding can begin at it.
    pub sync: bool,
    /// Its sample description, counted from 1.
    pub description: u32,
}

/// Reads what an MP4 or MOV is made of.
///
/// # Errors
///
/// [`Unsupported`](crate::ErrorKind::Unsupported): it is neither, or the source is a stream, which can't be gone
/// back in. [`Corrupt`](crate::ErrorKind::Corrupt): its boxes break off. What is wrong with single tables is
/// in
/// [`TrackInfo::problem`] and [`Inspection::warnings`]. [`LimitExceeded`](crate::ErrorKind::LimitExceeded): its
/// tables take more than `streams` or `demuxer_memory` of the [`Limits`](crate::control::Limits).
/// `Cancelled`, `DeadlineExceeded` by the control, and `Io`.
pub fn inspect(source: &Source, control: &Control) -> Result<Inspection> {
    of(source, control).map_err(|error| error.named(source.name()))
}

fn of(source: &Source, control: &Control) -> Result<Inspection> {
    let len = source.len().filter(|_| source.is_seekable()).ok_or_else(|| {
        Error::unsupported("a stream can't be inspected, which needs to go back in it")
            .advise("save it to a file, or read it into memory first")
    })?;
    let mut reader = source.reader();
    let mut read = |at: u64, into: &mut [u8]| {
        control.check()?;
        mp4::exactly(|at, into| reader.read(at, into, control), at, into)
    };
    let limits = control.get_limits();
    let (boxes, mut warnings) = tree::read(&mut read, len, limits)?;
    let known = |info: &BoxInfo| ["ftyp", "styp", "moov", "moof", "sidx"].contains(&info.kind.as_str());
    if !boxes.iter().any(known) {
        return Err(Error::unsupported("it is no MP4 or MOV: it has none of their boxes (ftyp, moov, moof)"));
    }
    let movie = Movie::read(&mut read, len, limits)?;
    let moofs = boxes.iter().filter(|info| info.kind == "moof").count() as u64;
    if movie.is_none() && moofs > 0 {
        warnings.push(
            "there is no moov: what tracks its fragments have is said in another file (an initialisation segment)"
                .to_owned(),
        );
    }
    let movie = movie.unwrap_or_default();
    let mut in_fragments = Fragments::read(&mut read, len, &movie, limits)?;
    let wrong = movie
        .tracks
        .iter()
        .flat_map(|track| track.warnings.iter().map(|warning| format!("track {}: {warning}", track.id)));
    warnings.extend(wrong);
    warnings.append(&mut in_fragments.warnings);
    let mut tracks = Vec::new();
    for track in &movie.tracks {
        control.check()?;
        let totals = in_fragments.view(track).totals();
        if totals.end > len {
            let (id, end) = (track.id, totals.end);
            warnings.push(format!(
                "track {id}: samples lie as far as {end}, beyond the end of the file at {len}"
            ));
        }
        tracks.push(TrackInfo::of(track, in_fragments.view(track).count(), totals));
    }
    Ok(Inspection {
        name: source.name().to_owned(),
        size: len,
        time_scale: movie.scale,
        fragments: moofs,
        segments: segments(&in_fragments),
        access_points: access_points(&in_fragments),
        tracks,
        boxes,
        warnings,
        movie,
        in_fragments,
    })
}

fn segments(fragments: &Fragments) -> Vec<SegmentInfo> {
    let of = |index: &mp4::SegmentIndex| {
        let (track, time_scale) = (index.track, index.scale);
        let all = index.segments().map(move |segment| SegmentInfo {
            track,
            time_scale,
            time: segment.time,
            duration: segment.duration,
            offset: segment.place,
            size: segment.size,
            is_index: segment.is_index,
        });
        all.collect::<Vec<_>>()
    };
    fragments.segments.iter().flat_map(of).collect()
}

fn access_points(fragments: &Fragments) -> Vec<AccessPoint> {
    let of = |access: &mp4::TrackAccess| {
        let all = access.places().map(|place| (access.track, place));
        all.map(|(track, place)| AccessPoint { track, time: place.time, offset: place.moof })
            .collect::<Vec<_>>()
    };
    fragments.access.iter().flat_map(of).collect()
}

impl Inspection {
    /// Some samples of a track, by their numbers from 0 on, in the order of decoding. None of a track that is
    /// not there, or whose tables can't be meant ([`TrackInfo::problem`]).
    pub fn samples(&self, track: u32, numbers: Range<u64>) -> impl Iterator<Item = SampleInfo> + use<'_> {
        let from = numbers.start;
        let all = self.view(track).unwrap_or_default().walk(from);
        numbers.zip(all).map(|(number, sample)| SampleInfo::of(number, sample))
    }

    /// The number of the last sample of a track that is decoded at or before a tick. None before the first,
    /// and where the times of fragments go back (a warning says so).
    pub fn decoded_at(&self, track: u32, tick: i64) -> Option<u64> {
        self.view(track)?.decoded_at(tick)
    }

    /// The number of the sample of a track that is shown at a tick: the one with the last composition time at
    /// or before it. None before the first.
    ///
    /// # Errors
    ///
    /// [`Corrupt`](crate::ErrorKind::Corrupt) where more than 65,536 samples may lie between two, by the offsets of
    /// the track (ctts, trun), and where the times of fragments go back.
    pub fn composed_at(&self, track: u32, tick: i64) -> Result<Option<u64>> {
        self.view(track).map_or(Ok(None), |view| view.composed_at(tick))
    }

    /// The number of the sample of a track that is shown at a time of the movie, to a tick of the track: by its
    /// edit list, and its composition times. None where nothing of the track is shown then; behind the last sample,
    /// where no edit list says that it is over, that one.
    ///
    /// # Errors
    ///
    /// As of [`composed_at`](Self::composed_at).
    pub fn shown_at(&self, track: u32, time: Timestamp) -> Result<Option<u64>> {
        let ticks = |scale: u32| i32::try_from(scale).ok().and_then(|scale| Rational::new(1, scale));
        let own = self.movie.track(track).and_then(|track| Some((track, ticks(track.scale)?)));
        let Some((own, base)) = own else { return Ok(None) };
        let tick = match (&own.edits, ticks(self.movie.scale)) {
            (Some(edits), Some(movie)) if edits.iter().any(|edit| edit.media.is_some()) => {
                mp4::media_at(edits, movie, base, time)
            }
            _ => Some(time.ticks(base)),
        };
        tick.map_or(Ok(None), |tick| self.composed_at(track, tick))
    }

    /// The number of the last sample of a track at or before one at which decoding can begin.
    pub fn sync_before(&self, track: u32, sample: u64) -> Option<u64> {
        self.view(track)?.sync_at_or_before(sample)
    }

    /// The number of the first sample of a track at or behind one at which decoding can begin.
    pub fn sync_behind(&self, track: u32, sample: u64) -> Option<u64> {
        self.view(track)?.sync_at_or_behind(sample)
    }

    fn view(&self, track: u32) -> Option<mp4::View<'_>> {
        self.movie.track(track).map(|track| self.in_fragments.view(track))
    }
}

impl TrackInfo {
    fn of(track: &mp4::Track, samples: u64, totals: mp4::Totals) -> Self {
        let edit = |edit: &mp4::Edit| EditInfo { duration: edit.duration, media_time: edit.media };
        let edits = track.edits.as_ref().map(|edits| edits.iter().map(edit).collect());
        let tables = track.samples.as_ref();
        let problem = match tables {
            Err(error) => Some(error.message().to_owned()),
            Ok(_) if !track.is_whole => Some("its samples lie in another file (dref)".to_owned()),
            Ok(_) => None,
        };
        Self {
            id: track.id,
            handler: mp4::name(track.handler),
            codecs: track.descriptions.iter().map(|description| mp4::name(description.kind)).collect(),
            time_scale: track.scale,
            duration: track.duration,
            edits,
            references: track.references.iter().map(|(kind, ids)| (mp4::name(*kind), ids.clone())).collect(),
            samples,
            sync_samples: totals.sync,
            chunks: tables.map_or(0, |tables| tables.chunks()),
            bytes: totals.bytes,
            decoded: totals.ticks,
            tables: track.entries().into_iter().collect(),
            index_bytes: track.held() as u64,
            problem,
        }
    }
}

impl SampleInfo {
    fn of(number: u64, sample: Sample) -> Self {
        Self {
            number,
            decode_time: sample.decode,
            composition_time: sample.composition,
            duration: sample.duration,
            offset: sample.place,
            size: sample.size,
            sync: sample.is_sync,
            description: sample.description,
        }
    }
}
