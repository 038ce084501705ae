//! The sound where ranges meet. AAC-LC has one grid of frames over the whole result: around a seam some frames are encoded
//! anew, in which the one range's sound goes over into the other's.

mod anew;
mod heard;
mod line;

use crate::{Control, Media, Report, Result, StreamKind, TimeRange, edit::Spliced, time::Rational};
use heard::Track;

/// What becomes of a stream of sound in each range. None where it is spliced between two packets.
pub(super) fn splice(
    media: &Media,
    stream: usize,
    ranges: &[TimeRange],
    report: &mut Report,
    control: &Control,
) -> Result<Option<Vec<Spliced>>> {
    let Some(mut track) = Track::of(media, stream, control) else { return Ok(None) };
    let Some(lined) = line::line_up(&mut track, ranges)? else { return Ok(None) };
    let anew = anew::encode(&track, &lined)?;
    report.bytes_read = report.bytes_read.saturating_add(track.bytes_read);
    let Some(anew) = anew else { return Ok(None) };
    let last = lined.len().saturating_sub(1);
    let mut all = Vec::new();
    for (i, range) in lined.iter().enumerate() {
        let first = range.lists.first().and_then(|list| list.get(range.first)).map(|heard| heard.pts);
        let end =
            range.lists.last().and_then(|list| list.get(range.end.checked_sub(1)?)).map(|heard| heard.pts);
        let mut spliced = Spliced { stream, ..Spliced::default() };
        spliced.from = first.filter(|_| i > 0);
        spliced.frame = Rational::new(1024, track.sample.den);
        // Containers' ticks may be coarse: what comes behind a packet is later than it.
        spliced.to = end.filter(|_| i < last).map(|pts| pts.saturating_add(1));
        for (place, data) in anew.iter().filter(|(place, _)| place.range == i) {
            let heard = range.lists.get(place.list).and_then(|list| list.get(place.at));
            if let Some(heard) = heard {
                spliced.anew.insert(heard.pts, data.clone());
            }
        }
        all.push(spliced);
    }
    Ok(Some(all))
}

/// Says that sound is cut between two packets where ranges meet, if something lies between the ranges.
pub(super) fn tell_spliced(media: &Media, stream: usize, ranges: &[TimeRange], report: &mut Report) {
    let Some(own) = media.streams().get(stream).filter(|own| !own.is_lossless()) else { return };
    let has_seams = ranges.windows(2).any(|pair| matches!(pair, [a, b] if a.to != b.from));
    if has_seams {
        report.warn(format!(
            "stream {stream}: where ranges meet, {} is spliced between two packets, and may click: only AAC-LC that goes on up to \
             every border is faded over",
            own.codec()
        ));
    }
}

/// The streams of sound.
pub(super) fn sounds(media: &Media) -> impl Iterator<Item = usize> {
    let streams = media.streams().iter().enumerate();
    streams.filter(|(_, stream)| stream.kind() == StreamKind::Audio && !stream.is_hidden()).map(|(i, _)| i)
}
