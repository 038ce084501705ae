//! What an MP4's own tables say of its samples, for copies: of one in fragments, as if it were in none.

use super::{init, opened::Media};
use crate::{
    Control, ErrorKind, Report, Result, TimeRange, Timestamp,
    mp4::{self, Fragments, Movie},
};
use std::sync::Arc;

impl Media {
    /// What an MP4's own tables say of all samples that a range needs, by the presentation clock. None where they
    /// can't serve for all streams: where samples lie in other files or are encrypted, or where something is damaged.
    pub(crate) fn movie(
        &self,
        _range: TimeRange,
        report: &mut Report,
        control: &Control,
    ) -> Result<Option<Arc<Movie>>> {
        let inner = self.inner();
        if !self.is_edited() || inner.damaged {
            return Ok(None);
        }
        if let Some(movie) = inner.movie.get() {
            return Ok(movie.clone());
        }
        let movie = match self.read_movie(report, control) {
            Err(error) if error.kind() != ErrorKind::Corrupt => return Err(error),
            movie => movie.ok().flatten().map(Arc::new),
        };
        Ok(inner.movie.get_or_init(|| movie).clone())
    }

    /// Whether it begins where libav's times do. Without an edit list that shows pictures in fragments later than they
    /// say, where some are composed before they are decoded (mov.c: mov_read_trun; sc->dts_shift).
    fn begins_like(&self, movie: &Movie) -> bool {
        let is_later = |track: &mp4::Track| {
            let is_shown = track.edits.iter().flatten().any(|edit| edit.media.is_some());
            !is_shown && track.samples.as_ref().is_ok_and(|samples| samples.offsets().0 < 0)
        };
        let starts_later = self.start() > Timestamp::ZERO;
        !(self.inner().fragmented && starts_later && movie.tracks.iter().any(is_later))
    }

    fn read_movie(&self, report: &mut Report, control: &Control) -> Result<Option<Movie>> {
        let inner = self.inner();
        let (mut reader, len) = (inner.source.reader(), inner.source.len().unwrap_or(0));
        let mut read = |at: u64, into: &mut [u8]| {
            control.check()?;
            mp4::exactly(|at, into| reader.read(at, into, control), at, into)
        };
        let limits = control.get_limits();
        let mut movie = mp4::Movie::read(&mut read, len, limits)?;
        if let Some(found) = movie.take() {
            movie = if inner.fragmented {
                let fragments = Fragments::read(&mut found.in_front_of(&mut read), len, &found, limits)?;
                found.with_fragments(&fragments, len, limits)?
            } else {
                Some(found)
            };
        }
        if inner.fragmented {
            report.bytes_read = report.bytes_read.saturating_add(reader.take_fetched());
        }
        Ok(movie.filter(|movie| init::serves_copies(movie, &inner.streams) && self.begins_like(movie)))
    }
}
