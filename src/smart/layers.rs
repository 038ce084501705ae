//! What a stream has that pictures would lack which an encoder made: where something is encoded anew, it is refused.

use super::window::Pictures;
use crate::{Error, Result, bitstream::layers, media::Item};

/// So many packets are looked at: who has other layers, has them from the first picture on.
const SOME: usize = 2;

/// An error for pictures that are more than what an encoder makes of what a decoder shows.
///
/// Errors: Unsupported, by name; of what is encrypted as well.
pub(super) fn check(pictures: &Pictures<'_>) -> Result<()> {
    let Some(own) = pictures.media.streams().get(pictures.stream) else { return Ok(()) };
    let lost = |what: &str| {
        let what = format!("it has {what}, which pictures that are encoded anew would lack");
        Err(Error::unsupported(what).in_stream(pictures.stream))
    };
    if let Some([profile, level]) = own.dolby_vision() {
        return lost(&format!("Dolby Vision (profile {profile}, level {level})"));
    }
    let mut reader = pictures.read(pictures.span.media_at(pictures.range.0, pictures.base))?;
    let (mut item, mut count) = (Item::new()?, 0_usize);
    while count < SOME && reader.next(&mut item)? {
        pictures.control.check()?;
        if item.packet.stream() != pictures.stream || item.packet.size() == 0 {
            continue;
        }
        count = count.saturating_add(1);
        if let Some(what) = layers(&own.codec(), own.extradata(), item.packet.data()) {
            return lost(what);
        }
    }
    Ok(())
}
