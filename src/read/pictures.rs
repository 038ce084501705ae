//! Pictures of one stream alone, from where their decoding begins by the bitstream: containers flag as keys what is
//! none, or is one for decoders that make up what is missing (H.264's recovery points).

use super::{Need, Reader, Stretch};
use crate::{
    Control, Error, Media, Result,
    bitstream::Reading,
    media::{Payloads, Span},
    time::Timestamp,
};

/// Places that are tried, each further in front.
const TRIES: u32 = 24;

/// Reads a stream of pictures from where decoding of what a span shows first begins. The span is in ticks of the
/// stream, and is read on beyond its end.
///
/// Errors: what reading fails with, and Unsupported where decoding can begin nowhere near.
pub(crate) fn read_pictures(
    media: &Media,
    stream: usize,
    first: &Span,
    at_start: bool,
    control: &Control,
) -> Result<Reader> {
    let Some((it, base)) = media.streams().get(stream).map(|it| (it, it.time_base())) else {
        return Err(Error::invalid("there is no such stream").in_stream(stream));
    };
    let (mut at, mut at_start) = (*first, at_start);
    for _ in 0..TRIES {
        let Some(need) = Need::new(media, stream, &at) else { break };
        let streams = [stream];
        let stretch = Stretch {
            streams: &streams,
            payloads: Payloads::Read,
            from: at.shown,
            to: first.shown_end(),
            at_start,
        };
        let mut reader = Reader::open(media, &stretch, control)?;
        reader.begin(&[need], at_start)?;
        if at_start {
            return Ok(reader);
        }
        let mut own = reader.ahead().filter(|packet| packet.stream() == stream && packet.size() > 0);
        let begins = own.next().and_then(|key| {
            let is_entry = Reading::of(&it.codec(), it.extradata())?.picture(key.data()).entry.is_some();
            key.pts().or(key.dts()).filter(|_| !is_entry)
        });
        drop(own);
        let Some(begins) = begins else { return Ok(reader) };
        let earlier = begins.min(at.media).saturating_sub(1);
        at = Span { shown: at.shown_at(earlier, base), len: Timestamp::MAX, media: earlier };
        at_start = at.shown <= media.start();
    }
    Err(Error::unsupported("decoding can begin nowhere near the range, by the bitstream").in_stream(stream))
}
