//! All fragments of a file, in their order.

use super::{
    boxes::{Place, Read, boxes_of_file},
    fragments::{
        Defaults, Expected, FragmentRun, SegmentIndex, TrackAccess, count_runs, read_mfra, read_moof,
    },
    movie::{FRAGMENTS, KNOWN, Movie, OTHERS, Track, load},
    sample_tables::Samples,
    view::View,
};
use crate::{ErrorKind, Limits, Result};
use bytes::Bytes;
use std::{collections::BTreeSet, ops::BitAnd};

/// So many warnings are kept.
const WARNINGS: usize = 100;

/// A track's samples behind its moov.
#[derive(Debug)]
pub(crate) struct FragmentedTrack {
    pub id: u32,
    pub runs: Vec<FragmentRun>,
    expected: Expected,
    /// So far, with those of the moov; and the last one of them that decoding can begin at.
    samples: u64,
    sync: Option<u64>,
    /// The least and the largest offset from decode to composition times, in all runs.
    offsets: (i32, i32),
    /// Their times go upwards.
    in_order: bool,
    /// What its fragments have beside runs; and each says when it begins.
    pub others: BTreeSet<[u8; 4]>,
    pub is_timed: bool,
}

/// The samples of a file's fragments, by track.
#[derive(Debug, Default)]
pub(crate) struct Fragments {
    pub tracks: Vec<FragmentedTrack>,
    /// Where they lie, as the file's own indices say: of segments, and of what decoding can begin at.
    pub segments: Vec<SegmentIndex>,
    pub access: Vec<TrackAccess>,
    /// What of these indices can't be meant.
    pub warnings: Vec<String>,
    /// Other boxes of the file behind the first fragment that have a meaning without any, and how many there are
    /// that have none, or are too many. Whether one of them may say where bytes lie in the file.
    pub others: Vec<Place>,
    pub left_out: usize,
    pub names_places: bool,
    /// They are not all of the file from the first one on: each has to say when it begins.
    pub begins_later: bool,
    /// Bytes that are held for all.
    pub held: u64,
}

impl Fragments {
    /// Reads all of a file of `len` bytes: of payload nothing is read. An error if they take more than the
    /// limits allow, by what is held for each run.
    pub(crate) fn read(read: &mut Read<'_>, len: u64, movie: &Movie, limits: &Limits) -> Result<Self> {
        let mut all = Self::behind(movie);
        if !movie.fragmented {
            return Ok(all);
        }
        let mut begun = false;
        boxes_of_file(read, len, |read, place| {
            begun |= FRAGMENTS.contains(&&place.kind);
            match &place.kind {
                b"sidx" | b"mfra" => return all.add_index(read, place, limits).map(|()| true),
                b"moof" => {}
                kind => {
                    if begun && !FRAGMENTS.contains(&kind) && !KNOWN.contains(&kind) {
                        all.keep(place);
                    }
                    return Ok(true);
                }
            }
            let content = load(read, place, limits)?;
            all.add(place, &content, limits).map(|()| true)
        })?;
        Ok(all)
    }

    /// None yet, behind the samples of a moov.
    pub(crate) fn behind(movie: &Movie) -> Self {
        let tracks = movie.tracks.iter().map(|track| FragmentedTrack::of(movie, track)).collect();
        Self { tracks, ..Self::default() }
    }

    /// Reads the next one, whose moof has this content.
    pub(crate) fn add(&mut self, place: Place, content: &Bytes, limits: &Limits) -> Result<()> {
        // The runs' tables lie in it; and of a run that has none, more is held than it takes in the file.
        let runs = size_of::<FragmentRun>().saturating_mul(count_runs(content));
        self.hold(content.len().saturating_add(runs) as u64, limits)?;
        let tracks = &self.tracks;
        let mut expected = |id: u32| tracks.iter().find(|track| track.id == id).map(|track| track.expected);
        let fragments = match read_moof(place, content, &mut expected) {
            // The others may be sound.
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                self.warn(error.message());
                return Ok(());
            }
            fragments => fragments?,
        };
        for fragment in fragments {
            let Some(track) = self.tracks.iter_mut().find(|track| track.id == fragment.track) else {
                continue;
            };
            track.is_timed &= fragment.is_timed;
            let kept = OTHERS.saturating_sub(track.others.len());
            track.others.extend(fragment.others.into_iter().take(kept));
            if !fragment.runs.into_iter().map(|run| track.push(run)).fold(true, bool::bitand) {
                let id = track.id;
                self.warn(&format!("box tfdt: a fragment of track {id} begins before the last one ends"));
            }
        }
        Ok(())
    }

    /// Keeps another box of the file: events are of a fragment (emsg; ISO/IEC 23009-1, 5.10.3.3).
    fn keep(&mut self, place: Place) {
        self.names_places |= &place.kind == b"meta";
        if place.cut_short || &place.kind == b"emsg" || self.others.len() >= OTHERS {
            self.left_out = self.left_out.saturating_add(1);
        } else {
            self.others.push(place);
        }
    }

    fn hold(&mut self, more: u64, limits: &Limits) -> Result<()> {
        self.held = self.held.saturating_add(more);
        let (held, most) = (self.held, limits.demuxer_memory);
        Limits::hold(held, most, "demuxer_memory", || {
            format!("its fragments' tables take {held} bytes, and the limit is {most}")
        })
    }

    fn warn(&mut self, what: &str) {
        // More of them say no more.
        if self.warnings.len() < WARNINGS {
            self.warnings.push(what.to_owned());
        }
    }

    fn add_index(&mut self, read: &mut Read<'_>, place: Place, limits: &Limits) -> Result<()> {
        let content = load(read, place, limits)?;
        let own = size_of::<SegmentIndex>().saturating_add(content.len());
        self.hold(own as u64, limits)?;
        let found = if place.kind == *b"sidx" {
            SegmentIndex::read(place.kind, content, place.end).map(|index| self.segments.push(index))
        } else {
            read_mfra(&content).map(|access| self.access.extend(access))
        };
        // Without it all is found by going through the file.
        found.or_else(|error| match error.kind() {
            ErrorKind::Corrupt => {
                self.warn(error.message());
                Ok(())
            }
            _ => Err(error),
        })
    }

    /// All samples of a track of the file's moov. None of those in its tables where they can't be meant.
    pub(crate) fn view<'a>(&'a self, track: &'a Track) -> View<'a> {
        let behind = self.tracks.iter().find(|behind| behind.id == track.id);
        let tables = track.samples.as_ref().ok();
        behind.map_or_else(
            || View::new(tables, &[], (0, 0), true),
            |behind| View::new(tables, &behind.runs, behind.offsets, behind.in_order),
        )
    }
}

impl FragmentedTrack {
    fn of(movie: &Movie, track: &Track) -> Self {
        let defaults = movie.defaults.iter().find(|defaults| defaults.track == track.id).copied();
        let decode = track.samples.as_ref().map_or(0, Samples::decoded);
        let expected = Expected {
            defaults: defaults.unwrap_or(Defaults { track: track.id, description: 1, ..Defaults::default() }),
            decode,
            is_sound: track.handler == *b"soun",
        };
        let in_moov = track.samples.as_ref();
        let samples = in_moov.map_or(0, |samples| samples.count().into());
        let sync =
            in_moov.ok().and_then(|samples| samples.sync_at_or_before(samples.count().checked_sub(1)?));
        Self {
            id: track.id,
            runs: Vec::new(),
            expected,
            samples,
            sync: sync.map(u64::from),
            offsets: (0, 0),
            in_order: true,
            others: BTreeSet::new(),
            is_timed: true,
        }
    }

    /// When its last sample ends by decode times, and the least offset from those to composition times; none as long as
    /// it has no samples.
    pub(crate) fn ends(&self) -> Option<(i64, i32)> {
        (self.samples > 0).then_some((self.expected.decode, self.offsets.0))
    }

    /// Whether it begins where the last one ends, or behind that.
    fn push(&mut self, mut run: FragmentRun) -> bool {
        let in_order = self.runs.last().is_none_or(|last| run.decode >= last.decoded());
        self.in_order &= in_order;
        run.follow(self.samples, self.sync);
        (self.samples, self.sync) = (self.samples.saturating_add(run.count().into()), run.last_sync);
        self.expected.decode = run.decoded();
        self.offsets = (self.offsets.0.min(run.offsets.0), self.offsets.1.max(run.offsets.1));
        self.runs.push(run);
        in_order
    }
}
