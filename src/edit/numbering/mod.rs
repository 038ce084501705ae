//! What a copied stream says of itself: codecs and containers that number their frames, or state how many there are, are
//! told of the output and not of the source. Pure functions over bytes, but for [`Numbers`], which applies them to packets.
//!
//! Frames are numbered where players go by it: FLAC's in FLAC's own file and in Ogg. Matroska and MP4 have times of their
//! own, and there every frame stays as it is.

mod flac;

use crate::{
    Result,
    av::{packet::Packet, stream::Stream},
};

/// How much of its sources a copy holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// All of one.
    Whole,
    /// One stretch of one.
    Stretch,
    /// More than one stretch, of one or of more.
    Several,
}

/// Libav's muxers of Ogg.
pub(super) fn is_ogg(muxer: &str) -> bool {
    matches!(muxer, "ogg" | "oga" | "ogv" | "spx" | "opus")
}

/// What an output's header is told of a stream, where it is not what the source's says.
pub(super) fn told(stream: &Stream, extent: Extent) -> Result<Option<Stream>> {
    match stream.codec().as_str() {
        "flac" if extent != Extent::Whole => flac::StreamInfo::parse(stream.extradata())
            .map(|info| Stream::configured(stream, info.of_part(extent == Extent::Several).bytes()))
            .transpose(),
        _ => Ok(None),
    }
}

/// Whether packets with one configuration can follow ones with another in one track, though the two are not equal.
pub(super) fn goes_on(codec: &str, first: &[u8], other: &[u8]) -> bool {
    match codec {
        "flac" => flac::StreamInfo::parse(first)
            .zip(flac::StreamInfo::parse(other))
            .is_some_and(|(first, other)| first.goes_on_with(&other)),
        _ => false,
    }
}

/// The numbers of a track's frames.
pub(super) enum Numbers {
    Flac(flac::Frames),
}

impl Numbers {
    /// None where frames have no numbers, or nobody goes by them.
    pub fn of(stream: &Stream, muxer: &str, extent: Extent) -> Option<Self> {
        match stream.codec().as_str() {
            "flac" if muxer == "flac" || is_ogg(muxer) => {
                let info = flac::StreamInfo::parse(stream.extradata())?;
                Some(Self::Flac(flac::Frames::new(info, extent == Extent::Several)))
            }
            _ => None,
        }
    }

    /// Gives a packet that is written next its number. Returns whether its bytes are others now.
    pub fn next(&mut self, packet: &mut Packet) -> Result<bool> {
        let Self::Flac(frames) = self;
        let new = frames.next(packet.data())?;
        if let Some(new) = &new {
            *packet = packet.with_data(new)?;
        }
        Ok(new.is_some())
    }

    /// The stream's configuration, now that all of it is known.
    pub fn configuration(&self) -> Vec<u8> {
        let Self::Flac(frames) = self;
        frames.info().bytes().to_vec()
    }

    /// What was wrong.
    pub fn warnings(&self) -> Vec<String> {
        let Self::Flac(frames) = self;
        let damaged = (frames.damaged > 0).then(|| {
            format!(
                "{} frames are damaged; they are copied as they are, with their old numbers",
                frames.damaged
            )
        });
        let uneven = frames.is_uneven().then(|| {
            "its blocks are of several sizes, though it says that they are of one: players may not find their way in it \
             (transcode it, which loses nothing)".to_owned()
        });
        damaged.into_iter().chain(uneven).collect()
    }
}
