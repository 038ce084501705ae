//! Ranges from picture to picture: a cut that copies none of a picture that a range begins in begins with the next one.

use crate::{
    Control, Media, Result, TimeRange,
    media::{Item, Span},
    read::read_pictures,
    time::Timestamp,
};

/// Pictures behind a border that are looked at: more than any codec shows in another order than they are decoded in.
const BEHIND: usize = 64;

/// The same ranges, each of whose borders that lie within a picture is moved to the next one.
pub(super) fn moved(
    ranges: &[TimeRange],
    media: &Media,
    stream: usize,
    control: &Control,
) -> Result<Vec<TimeRange>> {
    let mut moved = Vec::with_capacity(ranges.len());
    for range in ranges {
        let from = border(media, stream, range.from, control)?.unwrap_or(range.from);
        let is_inside = media.length().is_none_or(|length| range.to < length) && range.to != Timestamp::MAX;
        let to = if is_inside { border(media, stream, range.to, control)? } else { None };
        let to = to.unwrap_or(range.to);
        if from < to {
            moved.push(TimeRange { from, to });
        }
    }
    Ok(moved)
}

/// When the next picture begins, where another one is shown at a time, or it begins there; else None.
fn border(media: &Media, stream: usize, at: Timestamp, control: &Control) -> Result<Option<Timestamp>> {
    let Some(timeline) = media.timeline(stream) else { return Ok(None) };
    let shown = at.plus(media.start());
    let Some(span) = timeline.at(shown) else { return Ok(None) };
    let border = span.media_at(shown, timeline.base);
    let first = Span { shown, len: Timestamp::MAX, media: border };
    let mut reader = read_pictures(media, stream, &first, shown <= media.start(), control)?;
    let (mut is_within, mut next, mut behind) = (false, None::<i64>, 0_usize);
    let mut item = Item::new()?;
    while behind < BEHIND && reader.next(&mut item)? {
        control.check()?;
        let packet = &item.packet;
        let Some(pts) = packet.pts().or(packet.dts()).filter(|_| packet.stream() == stream) else { continue };
        if pts < border {
            (is_within, behind) = (true, 0);
            continue;
        }
        behind = behind.saturating_add(1);
        next = Some(next.map_or(pts, |next| next.min(pts)));
        // Nothing is shown before it is decoded.
        if packet.dts() >= next {
            break;
        }
    }
    reader.finish(false)?;
    // Times are rounded to the stream's ticks.
    let next = next.filter(|next| is_within || *next == border);
    Ok(next.map(|next| span.shown_at(next, timeline.base).minus(media.start())))
}
