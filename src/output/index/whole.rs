//! All of a source, by its tables: a remux.

use super::{
    Parts, Taken,
    besides::Besides,
    items::Items,
    payload::{Part, Payload, packets},
};
use crate::{
    Control, Report, Result, Rope, Source,
    mp4::{self, Draft, Moov, Movie},
    time::Timestamp,
};
use std::sync::Arc;

/// All of a movie and its payload, in a file whose moov is first: what does not say where things lie is as it
/// was, byte for byte. None, and nothing is reported, if its tables name chunks that no sample lies in, or an edit
/// list shows nothing; or if it is in fragments.
pub(crate) fn whole(
    movie: &Arc<Movie>,
    source: &Source,
    report: &mut Report,
    control: &Control,
) -> Result<Option<Rope>> {
    // Samples of fragments are in no table of the moov.
    if movie.fragmented {
        return Ok(None);
    }
    let limits = control.get_limits();
    let mut made = report.clone();
    let mut taken = Vec::new();
    for (number, track) in movie.tracks.iter().enumerate() {
        let Ok(samples) = &track.samples else { return Ok(None) };
        // One without a length is for fragments; readers show nothing of it.
        let is_open = |edit: &mp4::Edit| edit.media.is_some() && edit.duration == 0;
        if !track.can_be_copied() || track.edits.iter().flatten().any(is_open) {
            return Ok(None);
        }
        made.packets = made.packets.saturating_add(packets(samples, &(0..samples.count())));
        let part = Taken::all(number, movie, number);
        taken.push((part, vec![Timestamp::ZERO]));
    }
    limits.hold_written(made.packets)?;
    let mut drafts: Vec<Draft> = movie.tracks.iter().map(|track| Draft::new(track.scale)).collect();
    let mut payload = Payload::new(limits.memory, Items::of(movie, source));
    let mut besides = Besides::default();
    for ((part, _), draft) in taken.iter().zip(&mut drafts) {
        besides.append(source, part, draft, limits)?;
    }
    payload.place(&[Part { source: source.clone(), taken }], &mut drafts, &mut made, control)?;
    besides.finish(&mut payload, &mut drafts, &mut made)?;
    let has_all = |(track, draft): (&mp4::Track, &Draft)| {
        let chunks = draft.places().len() as u64;
        track.samples.as_ref().is_ok_and(|samples| chunks == u64::from(samples.chunks()))
    };
    if !movie.tracks.iter().zip(&drafts).all(has_all) {
        return Ok(None);
    }
    let places: Vec<&[u64]> = drafts.iter().flat_map(Draft::with_besides).collect();
    let parts = Parts::of(movie, source);
    let moov = |head: &[u8], wide| Moov::as_it_was(head, movie, wide);
    let (payload, items) = payload.finish(&mut made)?;
    let rope = parts.lay_out(&payload, (&places, &items), limits, moov)?;
    *report = made;
    Ok(Some(rope))
}
