//! All of a source, by its tables: a remux.

use super::{File, Taken, payload::Payload};
use crate::{
    Control, Report, Result, Rope, Source,
    mp4::{self, Draft, Moov, Movie},
};

/// All of a movie and its payload, in a file whose moov is first: what does not say where things lie is as it
/// was, byte for byte. None, and nothing is reported, if its tables name chunks that no sample lies in, or an edit
/// list shows nothing; or if it is in fragments.
pub(crate) fn whole(
    movie: &Movie,
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
    for (track, source) in movie.tracks.iter().enumerate() {
        let Ok(samples) = &source.samples else { return Ok(None) };
        // One without a length is for fragments; readers show nothing of it.
        let is_open = |edit: &mp4::Edit| edit.media.is_some() && edit.duration == 0;
        if !source.is_plain() || source.edits.iter().flatten().any(is_open) {
            return Ok(None);
        }
        let all = 0..samples.count();
        let part = Taken { track, source, samples, ranges: vec![(0, all.clone())], last: 0, first: None };
        made.packets = made.packets.saturating_add(part.packets(&all));
        taken.push(part);
    }
    limits.hold_written(made.packets)?;
    let mut drafts: Vec<Draft> = movie.tracks.iter().map(|track| Draft::new(track.scale)).collect();
    let mut payload = Payload::new(limits.memory);
    payload.place((source, &taken), &mut drafts, &mut made, control)?;
    let places: Vec<&[u64]> = drafts.iter().map(Draft::places).collect();
    let has_all =
        |(part, places): (&Taken<'_>, &&[u64])| places.len() as u64 == u64::from(part.samples.chunks());
    if !taken.iter().zip(&places).all(has_all) {
        return Ok(None);
    }
    let file = File { movie, source, limits };
    let rope = file.lay_out(&payload.finish(), &places, |head, wide| Moov::as_it_was(head, movie, wide))?;
    *report = made;
    Ok(Some(rope))
}
