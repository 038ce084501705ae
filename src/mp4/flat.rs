//! A movie in fragments, as if it were in none: the samples of each track in tables.

use super::{
    movie::{Movie, Track},
    sample_tables::{Listing, Samples},
    scan::{FragmentedTrack, Fragments},
    weigh::weigh_samples,
};
use crate::{ErrorKind, Limits, Result};

/// What says how samples of a fragment are encrypted.
const ENCRYPTION: [&[u8; 4]; 3] = [b"senc", b"saiz", b"saio"];

impl Movie {
    /// The same, with the samples of fragments behind those of its tables: of all, or of those of a stretch of the
    /// file. None where tables would not say the same as the fragments do, or these lie about the file of `len`
    /// bytes. An error if they take more than the limits allow.
    pub(crate) fn with_fragments(
        mut self,
        fragments: &Fragments,
        len: u64,
        limits: &Limits,
    ) -> Result<Option<Self>> {
        if !self.fragmented || !fragments.warnings.is_empty() || fragments.names_places {
            return Ok(None);
        }
        let count = |track: &Track| fragments.view(track).count();
        let stated = self.tracks.iter().map(count).fold(0, u64::saturating_add);
        weigh_samples(stated, limits)?;
        if stated > len {
            // Samples of no bytes, which a number states: to list each of millions takes seconds.
            return Ok(None);
        }
        let mut all = Vec::with_capacity(self.tracks.len());
        for track in &self.tracks {
            all.push(match fragments.tracks.iter().find(|behind| behind.id == track.id) {
                Some(behind) if !behind.runs.is_empty() => {
                    if !self.tells(track, behind, fragments) {
                        return Ok(None);
                    }
                    match list(track, fragments, len) {
                        Err(error) if error.kind() == ErrorKind::Corrupt => return Ok(None),
                        listed => Some(listed?),
                    }
                }
                _ => None,
            });
        }
        for (track, samples) in self.tracks.iter_mut().zip(all) {
            let Some(samples) = samples else { continue };
            track.samples = Ok(samples);
            if let Some(behind) = fragments.tracks.iter().find(|behind| behind.id == track.id) {
                track.extras.others.extend(&behind.others);
            }
        }
        self.others.extend(&fragments.others);
        self.left_out = self.left_out.saturating_add(fragments.left_out);
        Ok(Some(self))
    }

    /// Whether tables can tell of a track's samples what its fragments do.
    fn tells(&self, track: &Track, behind: &FragmentedTrack, fragments: &Fragments) -> bool {
        let has_defaults = self.defaults.iter().any(|defaults| defaults.track == track.id);
        let in_moov = track.samples.as_ref().is_ok_and(|samples| {
            samples.blocks.is_none()
                && samples.sync.is_plain()
                && track.extras.subs.is_empty()
                && track.extras.auxiliary.is_empty()
        });
        // Where a fragment does not say when it begins, its index may (mov.c: mov_read_trun).
        let is_timed = behind.is_timed || (fragments.segments.is_empty() && !fragments.begins_later);
        let is_clear = !behind.others.iter().any(|kind| ENCRYPTION.contains(&kind));
        has_defaults && in_moov && is_timed && is_clear
    }
}

/// All samples of a track. An error for what can't be meant.
fn list(track: &Track, fragments: &Fragments, len: u64) -> Result<Samples> {
    let mut listing = Listing::default();
    let described = track.descriptions.len();
    for sample in fragments.view(track).walk(0) {
        let description = usize::try_from(sample.description).unwrap_or(usize::MAX);
        let end = sample.place.checked_add(sample.size.into());
        if !(1..=described).contains(&description) || end.is_none_or(|end| end > len) {
            return Err(crate::Error::corrupt("a sample of no description, or that is not there"));
        }
        listing.push(&sample)?;
    }
    let samples = listing.into_samples()?;
    // In QuickTime such tables of sound count what is decoded, not what is stored (mov_build_index).
    if track.handler == *b"soun" && samples.step() == Some(1) {
        return Err(crate::Error::corrupt("sound of one tick a sample"));
    }
    Ok(samples)
}
