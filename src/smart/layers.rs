//! What a stream has that pictures would lack which an encoder made: where something is encoded anew, it is refused.

use super::plan;
use crate::{Control, Error, Media, Result, TimeRange, bitstream::layers, media::Item, time::Timestamp};

/// So many packets are looked at: who has other layers, has them from the first picture on.
const SOME: usize = 2;

/// An error for a stream whose pictures are more than what an encoder makes of what a decoder shows.
///
/// Errors: Unsupported, by name; of what is encrypted as well.
pub(super) fn check(media: &Media, stream: usize, from: Timestamp, control: &Control) -> Result<()> {
    let Some(own) = media.streams().get(stream) else { return Ok(()) };
    let lost = |what: &str| {
        let what = format!("it has {what}, which pictures that are encoded anew would lack");
        Err(Error::unsupported(what).in_stream(stream))
    };
    if let Some([profile, level]) = own.dolby_vision() {
        return lost(&format!("Dolby Vision (profile {profile}, level {level})"));
    }
    let range = TimeRange { from, to: Timestamp::MAX };
    let Some(pictures) = plan::pictures(media, stream, range, control)? else { return Ok(()) };
    let mut reader = pictures.read(pictures.span.media_at(pictures.range.0, pictures.base))?;
    let (mut item, mut count) = (Item::new()?, 0_usize);
    while count < SOME && reader.next(&mut item)? {
        control.check()?;
        if item.packet.stream() != stream || item.packet.size() == 0 {
            continue;
        }
        count = count.saturating_add(1);
        if let Some(what) = layers(&own.codec(), own.extradata(), item.packet.data()) {
            return lost(what);
        }
    }
    Ok(())
}
