//! What containers say wrongly of a stream, or do not say, and muxers of others must be told.

use super::{
    demux::{Demux, Payloads},
    item::Item,
};
use crate::{
    Control, Result,
    av::{demuxer::Demuxer, stream::Stream},
};

/// Packets in which a first one of each stream is looked for.
const LOOK: usize = 512;
/// From this number on a bitstream of the AC-3 family is E-AC-3's (ETSI TS 102 366, annex E).
const EAC3: u8 = 11;

/// Puts right what is known of the streams of a source.
pub(super) fn streams(
    demux: &mut Demux,
    demuxer: Demuxer,
    streams: &mut [Stream],
    control: &Control,
) -> Result<()> {
    for stream in streams.iter_mut() {
        if let Some(head) = opus_head(stream) {
            *stream = Stream::configured(stream, &head)?;
        }
    }
    // Where packets go through a parser, it has seen it.
    if demuxer.name() == "nut" && demux.is_seekable() && streams.iter().any(|s| s.codec() == "ac3") {
        name_eac3(demux, streams, control)?;
    }
    Ok(())
}

/// libav writes E-AC-3 into NUT by AC-3's name.
fn name_eac3(demux: &mut Demux, streams: &mut [Stream], control: &Control) -> Result<()> {
    let mut unseen: Vec<usize> =
        (0..streams.len()).filter(|i| streams.get(*i).is_some_and(|s| s.codec() == "ac3")).collect();
    demux.begin(&unseen, Payloads::Read, control)?;
    let mut item = Item::new()?;
    for _ in 0..LOOK {
        if unseen.is_empty() || !demux.read(&mut item)? {
            break;
        }
        let packet = &item.packet;
        let index = packet.stream();
        if let Some(stream) = streams.get_mut(index).filter(|_| unseen.contains(&index))
            && packet.ac3_bitstream_id() >= Some(EAC3)
        {
            *stream = Stream::as_eac3(stream)?;
        }
        unseen.retain(|stream| *stream != index);
    }
    Ok(())
}

/// OpusHead (RFC 7845, section 5.1) for a stream that has none, as in libav's CAF: nothing is left out at its
/// beginning, as decoders do then. More than two channels need a mapping that nobody knows.
fn opus_head(stream: &Stream) -> Option<Vec<u8>> {
    if stream.codec() != "opus" || !stream.extradata().is_empty() {
        return None;
    }
    let channels = u8::try_from(stream.channels()?).ok().filter(|channels| matches!(channels, 1 | 2))?;
    let rate = stream.sample_rate().unwrap_or(48_000).to_le_bytes();
    let (version, pre_skip, gain, mapping) = (1, [0; 2], [0; 2], 0);
    Some([b"OpusHead", &[version, channels][..], &pre_skip, &rate, &gain, &[mapping]].concat())
}
