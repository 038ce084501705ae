//! All fragments of a file, in their order.

use super::{
    boxes::{Read, boxes_of_file},
    fields::wrong,
    fragments::{Defaults, Expected, FragmentRun, read_moof},
    movie::{Movie, Track, load},
    samples::Samples,
    view::View,
};
use crate::{Limits, Result};

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
}

/// The samples of a file's fragments, by track.
#[derive(Debug, Default)]
pub(crate) struct Fragments {
    pub tracks: Vec<FragmentedTrack>,
    /// How many there are.
    pub count: u64,
    /// Bytes that are held for them.
    pub held: u64,
}

impl Fragments {
    /// Reads all of a file of `len` bytes: of payload nothing is read. An error if they take more than the limits
    /// allow, by what is held for each run.
    pub(crate) fn read(read: &mut Read<'_>, len: u64, movie: &Movie, limits: &Limits) -> Result<Self> {
        let mut all = Self {
            tracks: movie.tracks.iter().map(|track| FragmentedTrack::of(movie, track)).collect(),
            ..Self::default()
        };
        if !movie.fragmented {
            return Ok(all);
        }
        boxes_of_file(read, len, |read, place| {
            if place.kind != *b"moof" {
                return Ok(true);
            }
            let content = load(read, place, limits)?;
            let tracks = &all.tracks;
            let mut expected =
                |id: u32| tracks.iter().find(|track| track.id == id).map(|track| track.expected);
            let fragments = read_moof(place, &content, &mut expected)?;
            all.count = all.count.saturating_add(1);
            for fragment in fragments {
                let runs = size_of::<FragmentRun>().saturating_mul(fragment.runs.len()) as u64;
                all.held = all.held.saturating_add(runs);
                let Some(track) = all.tracks.iter_mut().find(|track| track.id == fragment.track) else {
                    continue;
                };
                fragment.runs.into_iter().try_for_each(|run| track.push(run))?;
            }
            // The runs' tables lie in it.
            all.held = all.held.saturating_add(content.len() as u64);
            let (held, most) = (all.held, limits.demuxer_memory);
            Limits::hold(held, most, "demuxer_memory", || {
                format!("its fragments' tables take {held} bytes, and the limit is {most}")
            })?;
            Ok(true)
        })?;
        Ok(all)
    }

    /// All samples of a track of the file's moov. None of those in its tables where they can't be meant.
    pub(crate) fn view<'a>(&'a self, track: &'a Track) -> View<'a> {
        let behind = self.tracks.iter().find(|behind| behind.id == track.id);
        let (runs, offsets) = behind.map_or((&[][..], (0, 0)), |behind| (&behind.runs, behind.offsets));
        View::new(track.samples.as_ref().ok(), runs, offsets)
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
        Self { id: track.id, runs: Vec::new(), expected, samples, sync: sync.map(u64::from), offsets: (0, 0) }
    }

    fn push(&mut self, mut run: FragmentRun) -> Result<()> {
        // They are looked up by their times.
        if self.runs.last().is_some_and(|last| run.decode < last.decoded()) {
            return Err(wrong(
                *b"tfdt",
                format!("a fragment of track {} begins before the last one ends", self.id),
            ));
        }
        run.follow(self.samples, self.sync);
        (self.samples, self.sync) = (self.samples.saturating_add(run.count().into()), run.last_sync);
        self.expected.decode = run.decoded();
        self.offsets = (self.offsets.0.min(run.offsets.0), self.offsets.1.max(run.offsets.1));
        self.runs.push(run);
        Ok(())
    }
}
