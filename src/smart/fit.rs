//! What an encoder made beside what is copied: one configuration that decoders of both need, and packets that lie as
//! the source's do.
//!
//! H.264 and HEVC in MP4 and Matroska have their parameter sets in one place for the whole track, so both encoders' lie
//! there beside each other, under ids of their own.

use super::seam::Encoded;
use crate::{
    Error, ErrorKind, Result,
    av::{muxer::Muxer, packet::Packet, stream::Stream},
    bitstream::{
        Avc, Framing, Renumber,
        h264::{Sps, with_reordering},
    },
};

/// The seams of a stream, one after the other.
pub(super) enum Fit {
    H264(Box<FitH264>),
    /// What is needed lies in the packets.
    InPackets,
}

impl Fit {
    pub(super) fn new(stream: &Stream, muxer: Muxer) -> Result<Self> {
        Ok(match stream.codec().as_str() {
            "h264" => Self::H264(Box::new(FitH264::new(stream, muxer)?)),
            _ => Self::InPackets,
        })
    }

    /// A seam's packets as they go into the track.
    pub(super) fn packets(&mut self, made: Encoded) -> Result<Vec<Packet>> {
        match self {
            Self::H264(fit) => fit.packets(made),
            Self::InPackets => Ok(made.packets),
        }
    }

    /// What the track is told in place of the source's own configuration, if there is more to tell.
    pub(super) fn configuration(&self) -> Result<Option<Vec<u8>>> {
        match self {
            Self::H264(fit) => fit.configuration(),
            Self::InPackets => Ok(None),
        }
    }
}

/// Parameter sets of the source and of all that was encoded.
pub(super) struct FitH264 {
    framing: Framing,
    /// Sets go in front of the keyframes that need them, as the container has no other place for them.
    in_band: bool,
    source: Avc,
    all: Avc,
    /// What encoders said, and how their ids were changed.
    known: Vec<(Vec<u8>, Renumber, Avc)>,
}

impl FitH264 {
    fn new(stream: &Stream, muxer: Muxer) -> Result<Self> {
        let framing = Framing::of(&stream.codec(), stream.extradata());
        let source = Avc::of(stream.extradata())?;
        let in_band = framing == Framing::StartCodes && !muxer.wants_global_header();
        Ok(Self { framing, in_band, all: source.clone(), source, known: Vec::new() })
    }

    /// How an encoder's packets are changed, and its sets.
    fn learn(&mut self, configuration: &[u8]) -> Result<(Renumber, Avc)> {
        if let Some((_, renumber, own)) = self.known.iter().find(|(known, ..)| known == configuration) {
            return Ok((renumber.clone(), own.clone()));
        }
        let mut own = Avc::of(configuration)?;
        self.promise(&mut own)?;
        let renumber = Renumber::h264(&self.all.sps_ids(), &self.all.pps_ids(), &own)?;
        let own = renumber.avc(&own)?;
        self.all = self.all.with(&own)?;
        self.known.push((configuration.to_vec(), renumber.clone(), own.clone()));
        Ok((renumber, own))
    }

    /// Lets the encoder's sets promise what the source's do of reordering: a decoder that goes from one to the other
    /// keeps its delay, and shows no picture late or not at all (ITU-T H.264, C.4.4).
    fn promise(&self, own: &mut Avc) -> Result<()> {
        let sets = self.source.sps.iter().filter_map(|set| Sps::read(set)?.restriction());
        let Some(most) = sets.max_by_key(|restriction| (restriction.buffering, restriction.reordering))
        else {
            return Ok(());
        };
        for set in &mut own.sps {
            let promised = with_reordering(set, most);
            let unread = || Error::new(ErrorKind::Bug, "the encoder's parameter set can't be read");
            *set = promised.ok_or_else(unread)?.into();
        }
        Ok(())
    }

    fn packets(&mut self, made: Encoded) -> Result<Vec<Packet>> {
        let (renumber, own) = self.learn(&made.configuration)?;
        let mut packets = Vec::with_capacity(made.packets.len());
        for packet in &made.packets {
            let mut bytes = Vec::new();
            if self.in_band && packet.is_key() {
                for set in own.sps.iter().chain(&own.pps) {
                    self.put(set, &mut bytes)?;
                }
            }
            bytes.extend(renumber.reframed(packet.data(), Framing::StartCodes, self.framing)?);
            packets.push(packet.with_data(&bytes)?);
        }
        Ok(packets)
    }

    fn put(&self, unit: &[u8], to: &mut Vec<u8>) -> Result<()> {
        let long = || Error::new(ErrorKind::Bug, "a parameter set is longer than lengths here can say");
        self.framing.put(unit, to).ok_or_else(long)
    }

    fn configuration(&self) -> Result<Option<Vec<u8>>> {
        if self.known.is_empty() {
            return Ok(None);
        }
        if self.framing != Framing::StartCodes {
            return self.all.to_bytes().map(Some);
        }
        let mut bytes = Vec::new();
        for set in self.all.sps.iter().chain(&self.all.pps) {
            self.put(set, &mut bytes)?;
        }
        Ok(Some(bytes))
    }
}
