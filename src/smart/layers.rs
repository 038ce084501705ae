//! What a stream has that pictures would lack which an encoder made: where something is encoded anew, it is refused.

use super::{splice::Stretched, window::Pictures};
use crate::{Error, Media, Result, av::stream::Stream, bitstream::Layers, media::Item};

/// So many packets are looked at, where all is encoded: who has other layers, has them from the first picture on.
const SOME: usize = 2;

fn lost(stream: usize, what: &str) -> Error {
    Error::unsupported(format!("it has {what}, which pictures that are encoded anew would lack"))
        .in_stream(stream)
}

/// What its container says of the kind.
fn told(stream: &Stream) -> Option<String> {
    let [profile, level] = stream.dolby_vision()?;
    Some(format!("Dolby Vision (profile {profile}, level {level})"))
}

/// An error for a stream of which pictures are encoded anew that are more than what an encoder makes of what a decoder
/// shows.
///
/// Errors: Unsupported, by name.
pub(super) fn check<'a>(
    media: &Media,
    stream: usize,
    due: impl Iterator<Item = &'a Stretched>,
) -> Result<()> {
    let mut due = due.peekable();
    let told = media.streams().get(stream).filter(|_| due.peek().is_some()).and_then(told);
    match told.or_else(|| due.find_map(|due| due.layers).map(str::to_owned)) {
        Some(what) => Err(lost(stream, &what)),
        None => Ok(()),
    }
}

/// The same by the first pictures of a range, where all of it is encoded.
///
/// Errors: as above; of what is encrypted as well.
pub(super) fn check_first(pictures: &Pictures<'_>) -> Result<()> {
    let Some(own) = pictures.media.streams().get(pictures.stream) else { return Ok(()) };
    if let Some(what) = told(own) {
        return Err(lost(pictures.stream, &what));
    }
    let mut layers = Layers::of(&own.codec(), own.extradata());
    let mut reader = pictures.read(pictures.span.media_at(pictures.range.0, pictures.base))?;
    let (mut item, mut count) = (Item::new()?, 0_usize);
    while count < SOME && reader.next(&mut item)? {
        pictures.control.check()?;
        if item.packet.stream() != pictures.stream || item.packet.size() == 0 {
            continue;
        }
        count = count.saturating_add(1);
        if let Some(what) = layers.of_packet(item.packet.data()) {
            return Err(lost(pictures.stream, what));
        }
    }
    Ok(())
}
