//! Where a source ends that does not say so.

use super::{
    need::Need,
    reader::{Noted, Reader, Stretch},
};
use crate::{
    Control, Media, Result,
    av::stream::StreamKind,
    media::{Item, Payloads},
    time::Timestamp,
};

/// Where the pictures and the sound of a media end, if that is before `to`; None where they go on to it.
/// Reads from `from` on. Both on the file's clock.
pub(crate) fn end_before(
    media: &Media,
    (from, to): (Timestamp, Timestamp),
    control: &Control,
) -> Result<(Option<Timestamp>, Noted)> {
    let played = |i: &usize| {
        media.streams().get(*i).is_some_and(|stream| {
            matches!(stream.kind(), StreamKind::Video | StreamKind::Audio) && !stream.is_picture()
        })
    };
    let streams: Vec<usize> = (0..media.streams().len()).filter(played).collect();
    let Some(primary) = media.primary(&streams) else { return Ok((None, Noted::default())) };
    let span = |i: usize| media.timeline(i)?.clip(from, Timestamp::MAX).first().copied();
    let mut needs: Vec<Need> = streams.iter().filter_map(|i| Need::new(media, *i, &span(*i)?)).collect();
    needs.sort_by_key(|need| need.stream != primary);
    let stretch = Stretch { streams: &streams, payloads: Payloads::Read, from, to, at_start: false };
    let mut reader = Reader::open(media, &stretch, control)?;
    reader.begin(&needs, false)?;
    let (mut item, mut end) = (Item::new()?, None);
    while reader.next(&mut item)? {
        control.check()?;
        let packet = &item.packet;
        let index = packet.stream();
        let of = needs.iter().find(|need| need.stream == index).zip(span(index));
        let (Some((need, span)), Some(time)) = (of, packet.pts().or(packet.dts())) else { continue };
        let shown = |ticks: i64| span.shown_at(ticks, need.base);
        if shown(time) >= to {
            end = None;
            break;
        }
        end = end.max(Some(shown(time.saturating_add(packet.duration()))));
    }
    Ok((end, reader.finish(false)?))
}
