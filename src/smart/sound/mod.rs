//! The sound where ranges meet. AAC-LC has one grid of frames over the whole result: around a seam some frames are
//! encoded anew, in which the one range's sound goes over into the other's.

mod anew;
mod heard;
mod line;

use crate::{Control, Media, Report, Result, StreamKind, TimeRange, edit::Spliced};
use heard::Track;
use line::{Line, Range};

/// What becomes of a stream of sound in each range. None where it is spliced between two packets.
pub(super) fn splice(
    media: &Media,
    stream: usize,
    ranges: &[TimeRange],
    report: &mut Report,
    control: &Control,
) -> Result<Option<Vec<Spliced>>> {
    let Some(mut track) = Track::of(media, stream, control) else { return Ok(None) };
    let (mut line, mut all) = (Line::default(), Vec::new());
    // Those whose frames lie in a row, as far as they were looked at, and how many ranges lie in front of them.
    let (mut row, mut before) = (Vec::new(), 0_usize);
    let mut held = 0_u64;
    let (mut encoded, last) = (0_u64, ranges.len().saturating_sub(1));
    for (i, range) in ranges.iter().enumerate() {
        let (is_first, is_last) = (i == 0, i == last);
        let Some(range) = line.next(&mut track, *range, (is_first, is_last))? else { return Ok(None) };
        let (first, end) = range.times();
        all.push(Spliced {
            stream,
            from: first.filter(|_| !is_first),
            // Containers' ticks may be coarse: what comes behind a packet is later than it.
            to: end.filter(|_| !is_last).map(|pts| pts.saturating_add(1)),
            frame: Some(track.frame()),
            ..Spliced::default()
        });
        let is_broken = range.lists.len() > 1;
        held = held.saturating_add(range.memory());
        row.push(range);
        if held > control.get_limits().memory {
            return Ok(None);
        }
        if !is_broken && !is_last {
            continue;
        }
        let Some(made) = anew::encode(&track, &row)? else { return Ok(None) };
        for anew in made {
            encoded = encoded.saturating_add(1);
            if let Some(spliced) = all.get_mut(before.saturating_add(anew.range)) {
                spliced.anew.insert(anew.pts, anew.data);
            }
        }
        // What comes goes on from the last one's end.
        row.drain(..row.len().saturating_sub(1));
        row.iter_mut().filter_map(|range| range.lists.first_mut()).for_each(Vec::clear);
        held = row.iter().map(Range::memory).fold(0, u64::saturating_add);
        before = i;
    }
    report.bytes_read = report.bytes_read.saturating_add(track.bytes_read);
    report.frames_decoded = report.frames_decoded.saturating_add(track.decoded);
    report.frames_encoded = report.frames_encoded.saturating_add(encoded);
    Ok(Some(all))
}

/// Whether a stream is of a kind whose sound goes over from one range into the next.
pub(super) fn can_fade(media: &Media, stream: usize, control: &Control) -> bool {
    Track::of(media, stream, control).is_some()
}

/// Says that sound is cut between two packets where ranges meet, if something lies between the ranges.
pub(super) fn tell_spliced(media: &Media, stream: usize, ranges: &[TimeRange], report: &mut Report) {
    let Some(own) = media.streams().get(stream).filter(|own| !own.is_lossless()) else { return };
    let has_seams = ranges.windows(2).any(|pair| matches!(pair, [a, b] if a.to != b.from));
    if has_seams {
        report.warn(format!(
            "stream {stream}: where ranges meet, {} is spliced between two packets, and may click: only AAC-LC that \
             goes on up to every border is faded over",
            own.codec()
        ));
    }
}

/// The streams of sound.
pub(super) fn sounds(media: &Media) -> impl Iterator<Item = usize> {
    let streams = media.streams().iter().enumerate();
    streams.filter(|(_, stream)| stream.kind() == StreamKind::Audio && !stream.is_hidden()).map(|(i, _)| i)
}
