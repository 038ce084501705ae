//! The bytes of items (iloc; ISO/IEC 14496-12, 8.11.3) in the payload: those that lie in a chunk that is taken lie
//! there still, others are put behind it.

use crate::{
    Error, Report, Result, Source,
    io::Builder,
    mp4::{MovedItems, Movie, SampleRun},
};
use std::collections::BTreeSet;

/// Items that are looked at for a chunk, at most: those that lie in none are only written twice.
const LOOKED_AT: usize = 64;

/// The items of a movie whose bytes are wanted in the payload.
pub(super) struct Items {
    source: Source,
    /// Where each begins in the source, and how many bytes it has.
    wanted: BTreeSet<(u64, u64)>,
    moved: Vec<((u64, u64), u64)>,
}

impl Items {
    pub(super) fn of(movie: &Movie, source: &Source) -> Self {
        Self { source: source.clone(), wanted: movie.items.iter().copied().collect(), moved: Vec::new() }
    }

    /// Tells that a chunk of a source lies at a place in the payload.
    #[inline]
    pub(super) fn note(&mut self, source: &Source, run: &SampleRun, at: u64) {
        if self.wanted.is_empty() || !source.is_same(&self.source) {
            return;
        }
        let end = run.place.saturating_add(run.bytes);
        let in_it = self.wanted.range((run.place, 0)..(end, 0)).take(LOOKED_AT).copied();
        let found: Vec<(u64, u64)> = in_it
            .filter(|(place, bytes)| place.checked_add(*bytes).is_some_and(|last| last <= end))
            .collect();
        for item in found {
            self.wanted.remove(&item);
            self.moved.push((item, at.saturating_add(item.0.saturating_sub(run.place))));
        }
    }

    /// Puts the others behind the payload: what of them lies one in the other lies there once.
    pub(super) fn finish(mut self, to: &mut Builder, report: &mut Report) -> Result<MovedItems> {
        let mut stretches: Vec<(u64, u64)> = Vec::new();
        for (place, bytes) in &self.wanted {
            let end = place.saturating_add(*bytes);
            match stretches.last_mut() {
                Some((_, last)) if place <= last => *last = end.max(*last),
                _ => stretches.push((*place, end)),
            }
        }
        let mut wanted = self.wanted.iter().peekable();
        if !stretches.is_empty() {
            to.set_source(&self.source);
        }
        for (begins, end) in stretches {
            let (at, bytes) = (to.len(), end.saturating_sub(begins));
            if self.source.len().is_some_and(|len| end > len) {
                return Err(Error::corrupt(format!(
                    "box iloc names bytes up to {end}, beyond the file's end"
                )));
            }
            to.write_shared(at, begins, bytes)?;
            report.payload_shared = report.payload_shared.saturating_add(bytes);
            while let Some((place, bytes)) = wanted.next_if(|(place, _)| *place < end) {
                self.moved.push(((*place, *bytes), at.saturating_add(place.saturating_sub(begins))));
            }
        }
        self.moved.sort_unstable();
        Ok(MovedItems(self.moved))
    }
}
