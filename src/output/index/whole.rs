//! All of a source, by its tables: a remux.

use super::{Head, Index, Taken};
use crate::{
    Control, Limits, Report, Result, Rope, Source,
    io::Builder,
    mp4::{self, Draft, Moved, Movie},
    output::layout::Placement,
};
use std::sync::Arc;

/// All of a movie and its payload, in a file whose moov is first: what does not say where things lie is as it
/// was, byte for byte. None if its tables name chunks that no sample lies in, or an edit list
/// that shows nothing.
pub(crate) fn whole(
    movie: &Movie,
    source: &Source,
    report: &mut Report,
    control: &Control,
) -> Result<Option<Rope>> {
    let mut index = Index::new(Arc::default(), source.clone(), std::iter::empty(), *control.get_limits());
    let mut taken = Vec::new();
    for (track, source) in movie.tracks.iter().enumerate() {
        let Ok(samples) = &source.samples else { return Ok(None) };
        // One without a length is for fragments; readers show nothing of it.
        let is_open = |edit: &mp4::Edit| edit.media.is_some() && edit.duration == 0;
        if !source.is_plain() || source.edits.iter().flatten().any(is_open) {
            return Ok(None);
        }
        index.drafts.push((track, Draft::new(source.scale)));
        let ranges = vec![(0, 0..samples.count())];
        let part = Taken { track, source, samples, ranges, last: 0, first: None };
        report.packets = report.packets.saturating_add(part.packets(&(0..samples.count())));
        taken.push(part);
    }
    let (packets, most) = (report.packets, control.get_limits().packets);
    Limits::hold(packets, most, "packets", || format!("more than {most} packets"))?;
    index.place(source, &taken, report, control)?;
    let places: Vec<&[u64]> = index.drafts.iter().map(|(_, draft)| draft.places()).collect();
    let all = taken
        .iter()
        .zip(&places)
        .all(|(part, places)| places.len() as u64 == u64::from(part.samples.chunks()));
    if !all {
        (report.packets, report.payload_shared) = (0, 0);
        return Ok(None);
    }
    let payload = std::mem::replace(&mut index.payload, Builder::new(0)).finish();
    let head = Head::new(movie);
    let mut moov = Moved::new(head.bytes.clone(), movie, false);
    if mp4::needs_wide(moov.len() as u64, payload.len().saturating_add(head.others)) {
        moov = Moved::new(head.bytes.clone(), movie, true);
    }
    Head::hold(moov.len(), control.get_limits().memory)?;
    let is_chunk = |at: u64| places.iter().any(|places| places.binary_search(&at).is_ok());
    let headers = (moov.len() as u64).saturating_add(head.others);
    let placement = Placement::new(&payload, 0..payload.len(), headers, is_chunk);
    let mut mover = placement.mover();
    let Some(moov) = moov.placed(&places, |at| mover.moved(at)) else {
        (report.packets, report.payload_shared) = (0, 0);
        return Ok(None);
    };
    head.write(moov, movie, source, &placement, &payload, control.get_limits()).map(Some)
}
