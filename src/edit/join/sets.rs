//! Pictures of inputs that have not the first one's parameter sets, in containers that have one place for those: they
//! go in front of keyframes, of the first input too. A decoder that goes back from a later input to an earlier one
//! (a seek) keeps the later one's sets of the same ids otherwise.

use crate::{
    Control, Media, Result, StreamKind,
    av::{muxer::Muxer, stream::Stream},
    bitstream::{Avc, Framing, Hevc, Reading, Sets, hevc},
    edit::copy::Headers,
    media::Known,
    output::numbering,
};
use std::collections::BTreeSet;

/// Whether packets with one configuration can follow ones with another in one track, where what headers a decoder
/// needs goes in front of keyframes.
pub(super) fn goes_on(codec: &str, first: &[u8], other: &[u8]) -> bool {
    match codec {
        "h264" | "hevc" => Framing::of(codec, first) == Framing::of(codec, other),
        // What else their configurations hold are hints for players.
        "mpeg1video" | "mpeg2video" | "mpeg4" | "av1" | "vp8" | "vp9" => true,
        _ => numbering::goes_on(codec, first, other),
    }
}

/// What kinds of pixels parameter sets say that are not the same, as `property: this against that`: a demuxer does not
/// always know them.
pub(super) fn difference(first: &Stream, other: &Stream) -> Option<String> {
    let codec = first.codec();
    if !matches!(codec.as_str(), "h264" | "hevc") || codec != other.codec() {
        return None;
    }
    let pixels = |stream: &Stream| Some(Sets::of(&codec, stream.extradata()).ok()?.looks().first()?.pixels());
    let (own, theirs) = (pixels(first)?, pixels(other)?);
    (own != theirs).then(|| format!("pixel format: {own} against {theirs}"))
}

/// What goes in front of keyframes that have no headers; None where nothing does.
pub(super) fn headers(stream: &Stream) -> Option<Headers> {
    let (codec, extradata) = (stream.codec(), stream.extradata());
    let framed = |framing: Framing, sets: &[&bytes::Bytes]| {
        let mut bytes = Vec::new();
        sets.iter().try_for_each(|set| framing.put(set, &mut bytes)).map(|()| bytes)
    };
    let framing = Framing::of(&codec, extradata);
    let bytes = match codec.as_str() {
        "h264" => {
            let own = Avc::of(extradata).ok()?;
            framed(framing, &own.sps.iter().chain(&own.pps).collect::<Vec<_>>())?
        }
        "hevc" => {
            let own = Hevc::of(extradata).ok()?;
            let kinds = [hevc::VPS, hevc::SPS, hevc::PPS];
            framed(framing, &kinds.into_iter().flat_map(|kind| own.sets(kind)).collect::<Vec<_>>())?
        }
        "mpeg1video" | "mpeg2video" | "mpeg4" => extradata.to_vec(),
        // Behind four bytes of av1C.
        "av1" => extradata.get(4..)?.to_vec(),
        _ => return None,
    };
    let reading = Reading::of(&codec, extradata)?;
    (!bytes.is_empty()).then(|| Headers { bytes: bytes.into(), reading })
}

/// Pictures that play, by their streams.
fn pictures(media: &Media) -> impl Iterator<Item = (usize, &Stream)> {
    let streams = media.streams().iter().enumerate();
    streams.filter(|(_, s)| s.kind() == StreamKind::Video && !s.is_picture() && !s.is_hidden())
}

/// All streams of the first input whose sets go in front of keyframes.
pub(super) fn all(first: &Media) -> BTreeSet<usize> {
    pictures(first).filter(|(_, stream)| headers(stream).is_some()).map(|(index, _)| index).collect()
}

/// The streams of the first input that another input goes on with under other parameter sets. All inputs are opened
/// for that, where packets may not have the sets themselves.
pub(super) fn that_differ<'a>(
    first: &Media,
    others: impl Iterator<Item = &'a crate::Source>,
    known: &mut Known,
    control: &Control,
) -> Result<BTreeSet<usize>> {
    let mut differ = BTreeSet::new();
    let are_known = all(first);
    for source in others {
        if differ.len() == are_known.len() {
            break;
        }
        control.check()?;
        let other = Media::open_among(source.clone(), known, control)?;
        let pairs = pictures(first).zip(pictures(&other));
        let unlike = pairs.filter(|((_, own), (_, theirs))| own.extradata() != theirs.extradata());
        differ.extend(unlike.map(|((index, _), _)| index).filter(|index| are_known.contains(index)));
    }
    Ok(differ)
}

/// The configuration that a muxer is told of where it would put the first input's sets in front of keyframes that have
/// others (libav's of transport streams, of HEVC): one without sets.
pub(super) fn without_sets(stream: &Stream, muxer: Muxer) -> Option<Vec<u8>> {
    let puts_its_own = muxer.name() == "mpegts" && stream.codec() == "hevc";
    let has_lengths = stream.extradata().first() == Some(&1);
    if !puts_its_own || !has_lengths {
        return None;
    }
    let mut own = Hevc::of(stream.extradata()).ok()?;
    own.arrays.clear();
    own.to_bytes().ok()
}
