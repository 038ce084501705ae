//! What an encoder made beside what is copied: packets that lie as the source's do, and what decoders of both need.
//!
//! H.264 and HEVC in MP4 and Matroska have their parameter sets in one place for the whole track, so both encoders' lie
//! there beside each other, under ids of their own. A second sample entry in MP4 would say the same, but FFmpeg's
//! parser complains where it begins, and Chromium (156) stops there: its demuxer hands on no configuration but the
//! first. Where sets lie in the packets (transport streams, AVI), and for codecs whose headers have no ids (MPEG-1, 2
//! and 4), each has its own in front of its keyframes.
//!
//! A picture of HEVC that is random access, but refreshes nothing (CRA), follows what was encoded without the end of a
//! sequence between them (ITU-T H.265, 7.4.2.4.4): behind one, a decoder has to forget all pictures that it has not
//! shown yet (C.5.2.2), which FFmpeg 5.1 to 9.0 do with as many as the source lets be reordered. They, and the
//! reference decoder by its code, take other parameter sets there without it, as what led in is left out and nothing
//! refers across.

use super::seam::Encoded;
use crate::{
    Error, ErrorKind, Result,
    av::{muxer::Muxer, packet::Packet, stream::Stream},
    bitstream::{Framing, Renumber, Sets, mpeg4},
};
use bytes::Bytes;

/// The seams of a stream, one after the other.
pub(super) enum Fit {
    Nal(Box<FitNal>),
    /// What is needed lies in the packets.
    InPackets,
    /// So it does of MPEG-4 part 2; this is the source's configuration.
    Mpeg4(Bytes),
    /// There is one configuration for all: the encoder's is the source's.
    Same(Bytes),
}

impl Fit {
    pub(super) fn new(stream: &Stream, muxer: Muxer) -> Result<Self> {
        Ok(match stream.codec().as_str() {
            "h264" | "hevc" => Self::Nal(Box::new(FitNal::new(stream, muxer)?)),
            "ffv1" => Self::Same(Bytes::copy_from_slice(stream.extradata())),
            "mpeg4" => Self::Mpeg4(Bytes::copy_from_slice(stream.extradata())),
            _ => Self::InPackets,
        })
    }

    /// A seam's packets as they go into the track.
    pub(super) fn packets(&mut self, made: Encoded) -> Result<Vec<Packet>> {
        match self {
            Self::Nal(fit) => fit.packets(made),
            Self::Same(configuration) if made.configuration != *configuration => {
                let what = "the encoder does not make what the source's one configuration tells of";
                Err(Error::unsupported(what))
            }
            Self::Same(_) => Ok(made.packets),
            Self::InPackets => Ok(made.packets),
            Self::Mpeg4(headers) => made.packets.into_iter().map(|own| delayed(headers, own)).collect(),
        }
    }

    /// What the track is told in place of the source's own configuration, if there is more to tell.
    pub(super) fn configuration(&self) -> Result<Option<Vec<u8>>> {
        match self {
            Self::Nal(fit) => fit.configuration(),
            Self::InPackets | Self::Mpeg4(_) | Self::Same(_) => Ok(None),
        }
    }

    /// What goes in front of keyframes of the source that have no headers of their own, where something was encoded.
    /// `headers`: what the bitstream had of them so far.
    pub(super) fn front(&self, headers: &Bytes) -> Result<Bytes> {
        match self {
            Self::Nal(fit) => fit.front(),
            Self::InPackets | Self::Mpeg4(_) => Ok(headers.clone()),
            Self::Same(_) => Ok(Bytes::new()),
        }
    }
}

/// A packet of MPEG-4 part 2 whose headers let pictures wait, where the source's do.
fn delayed(headers: &[u8], packet: Packet) -> Result<Packet> {
    let waits = !mpeg4::is_low_delay(headers);
    match mpeg4::with_delay(packet.data()).filter(|_| waits) {
        Some(changed) => packet.with_data(&changed),
        None => Ok(packet),
    }
}

/// Parameter sets of the source and of all that was encoded.
pub(super) struct FitNal {
    codec: String,
    framing: Framing,
    /// Sets go in front of the keyframes that need them, as the container has no other place for them.
    in_band: bool,
    source: Sets,
    all: Sets,
    /// How many keyframes encoders made so far.
    turn: u32,
    /// What encoders said, how their ids were changed, and their sets under those.
    known: Vec<(Vec<u8>, Renumber, Sets)>,
}

impl FitNal {
    fn new(stream: &Stream, muxer: Muxer) -> Result<Self> {
        let (codec, extradata) = (stream.codec(), stream.extradata());
        let framing = Framing::of(&codec, extradata);
        let source = Sets::of(&codec, extradata)?;
        let in_band = framing == Framing::StartCodes && !muxer.wants_global_header();
        Ok(Self { codec, framing, in_band, all: source.clone(), source, turn: 0, known: Vec::new() })
    }

    /// How an encoder's packets are changed, and its sets.
    fn learn(&mut self, configuration: &[u8]) -> Result<(Renumber, Sets)> {
        if let Some((_, renumber, own)) = self.known.iter().find(|(known, ..)| known == configuration) {
            return Ok((renumber.clone(), own.clone()));
        }
        let mut own = Sets::of(&self.codec, configuration)?;
        self.source.promise_to(&mut own)?;
        let (renumber, own) = self.all.beside(&own)?;
        self.all = self.all.with(&own)?;
        self.known.push((configuration.to_vec(), renumber.clone(), own.clone()));
        Ok((renumber, own))
    }

    fn packets(&mut self, made: Encoded) -> Result<Vec<Packet>> {
        let (renumber, own) = self.learn(&made.configuration)?;
        let sets = if self.in_band { self.framed(&own)? } else { Vec::new() };
        let encoders = Sets::of(&self.codec, &made.configuration)?;
        let mut packets = Vec::with_capacity(made.packets.len());
        for packet in &made.packets {
            let mut bytes = if packet.is_key() { sets.clone() } else { Vec::new() };
            if packet.is_key() {
                self.turn = self.turn.wrapping_add(1);
            }
            let alone = encoders.alone(packet.data(), self.turn);
            bytes.extend(renumber.reframed(&alone, Framing::StartCodes, self.framing)?);
            packets.push(packet.with_data(&bytes)?);
        }
        Ok(packets)
    }

    fn put(&self, unit: &[u8], to: &mut Vec<u8>) -> Result<()> {
        let long = || Error::new(ErrorKind::Bug, "a parameter set is longer than lengths here can say");
        self.framing.put(unit, to).ok_or_else(long)
    }

    fn framed(&self, sets: &Sets) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        for set in sets.units() {
            self.put(set, &mut bytes)?;
        }
        Ok(bytes)
    }

    fn front(&self) -> Result<Bytes> {
        if self.in_band { self.framed(&self.source).map(Bytes::from) } else { Ok(Bytes::new()) }
    }

    fn configuration(&self) -> Result<Option<Vec<u8>>> {
        if self.known.is_empty() {
            return Ok(None);
        }
        let bytes = match self.framing {
            Framing::StartCodes => self.framed(&self.all)?,
            Framing::Lengths(_) => self.all.to_bytes()?,
        };
        Ok(Some(bytes))
    }
}
