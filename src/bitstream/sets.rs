//! The parameter sets of H.264 and HEVC, whichever of the two it is.

use super::{Avc, Framing, Hevc, Renumber, h264, hevc};
use crate::{Error, ErrorKind, Result};
use bytes::Bytes;

/// The parameter sets that a stream's configuration has.
#[derive(Clone)]
pub(crate) enum Sets {
    Avc(Avc),
    Hevc(Hevc),
}

impl Sets {
    /// By the codec's name at libav, and its extradata.
    pub(crate) fn of(codec: &str, extradata: &[u8]) -> Result<Self> {
        Ok(if codec == "hevc" { Self::Hevc(Hevc::of(extradata)?) } else { Self::Avc(Avc::of(extradata)?) })
    }

    /// As they lie in front of a keyframe.
    pub(crate) fn units(&self) -> Vec<&Bytes> {
        match self {
            Self::Avc(avc) => avc.sps.iter().chain(&avc.pps).collect(),
            Self::Hevc(own) => {
                [hevc::VPS, hevc::SPS, hevc::PPS].into_iter().flat_map(|kind| own.sets(kind)).collect()
            }
        }
    }

    /// A packet of the encoder whose sets these are, behind start codes, without parameter sets, which some encoders
    /// put there as well (x265 does, where it is told of light), and with another number of an IDR picture of H.264
    /// each `turn`, which is none of those that encoders begin with.
    pub(crate) fn alone(&self, packet: &[u8], turn: u32) -> Vec<u8> {
        let sps = match self {
            Self::Avc(own) => own.sps.first().and_then(|set| h264::Sps::read(set)),
            Self::Hevc(_) => None,
        };
        let is_set = |unit: &&[u8]| match self {
            Self::Avc(_) => matches!(h264::kind(unit), Some(h264::SPS | h264::PPS)),
            Self::Hevc(_) => matches!(hevc::kind(unit), Some(hevc::VPS | hevc::SPS | hevc::PPS)),
        };
        let framing = Framing::StartCodes;
        let mut bytes = Vec::with_capacity(packet.len().saturating_add(64));
        for unit in framing.units(packet).filter(|unit| !is_set(unit)) {
            let sps = sps.as_ref().filter(|_| h264::kind(unit) == Some(h264::IDR));
            let numbered = sps.and_then(|sps| h264::with_idr_number(unit, sps, turn));
            // There is a start code for all.
            let _ = framing.put(numbered.as_deref().unwrap_or(unit), &mut bytes);
        }
        bytes
    }

    /// How ids of `own` are changed to stand beside these, and the sets under them.
    pub(crate) fn beside(&self, own: &Self) -> Result<(Renumber, Self)> {
        match (self, own) {
            (Self::Avc(all), Self::Avc(own)) => {
                let renumber = Renumber::h264(&all.sps_ids(), &all.pps_ids(), own)?;
                let own = renumber.avc(own)?;
                Ok((renumber, Self::Avc(own)))
            }
            (Self::Hevc(all), Self::Hevc(own)) => {
                let [vps, sps, pps] = all.ids();
                let renumber = Renumber::hevc([&vps, &sps, &pps], own)?;
                let own = renumber.hvcc(own)?;
                Ok((renumber, Self::Hevc(own)))
            }
            _ => Err(other_codec()),
        }
    }

    /// Those of both, each once, under what holds both. An error where that can't be.
    pub(crate) fn with(&self, own: &Self) -> Result<Self> {
        match (self, own) {
            (Self::Avc(all), Self::Avc(own)) => all.with(own).map(Self::Avc),
            (Self::Hevc(all), Self::Hevc(own)) => all.with(own).map(Self::Hevc),
            _ => Err(other_codec()),
        }
    }

    /// As MP4 and Matroska have them: what libav calls extradata.
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>> {
        match self {
            Self::Avc(avc) => avc.to_bytes(),
            Self::Hevc(hevc) => hevc.to_bytes(),
        }
    }

    /// Whether all of the others are among these, as they are.
    pub(crate) fn have(&self, others: &Self) -> bool {
        let own = self.units();
        others.units().iter().all(|set| own.contains(set))
    }

    /// Lets all sets that promise something of reordering promise the most that one of them does: a decoder keeps its
    /// delay from one to the next, and readers take that of the first one for all.
    pub(crate) fn promise_alike(&mut self) {
        match self {
            Self::Avc(own) => {
                let most = |a: h264::Restriction, b: h264::Restriction| h264::Restriction {
                    reordering: a.reordering.max(b.reordering),
                    buffering: a.buffering.max(b.buffering),
                };
                let read = |set: &[u8]| h264::Sps::read(set)?.restriction();
                let mut sets: Vec<_> = own.sps.iter_mut().collect();
                promise(&mut sets, read, most, |set, all| h264::with_reordering(set, *all));
            }
            Self::Hevc(own) => {
                // 0: pictures may come as late as they are.
                let later = |a: u32, b: u32| if a.min(b) == 0 { 0 } else { a.max(b) };
                let most = |a: hevc::Ordering, b: hevc::Ordering| hevc::Ordering {
                    buffering: a.buffering.max(b.buffering),
                    reordering: a.reordering.max(b.reordering),
                    latency: later(a.latency, b.latency),
                };
                let read = |set: &[u8]| Some(hevc::Sps::read(set)?.ordering);
                let arrays = own.arrays.iter_mut().filter(|array| array.kind == hevc::SPS);
                let mut sets: Vec<_> = arrays.flat_map(|array| &mut array.units).collect();
                promise(&mut sets, read, most, |set, all| hevc::with_ordering(set, *all));
            }
        }
    }

    /// Lets an encoder's sets promise what these do of reordering: a decoder that goes from one to the other keeps its
    /// delay, and shows no picture late or not at all (ITU-T H.264, C.4.4).
    pub(crate) fn promise_to(&self, own: &mut Self) -> Result<()> {
        let unread = || Error::new(ErrorKind::Bug, "the encoder's parameter set can't be read");
        match (self, own) {
            (Self::Avc(source), Self::Avc(own)) => {
                let sets = source.sps.iter().filter_map(|set| h264::Sps::read(set)?.restriction());
                let Some(most) = sets.max_by_key(|own| (own.buffering, own.reordering)) else {
                    return Ok(());
                };
                for set in &mut own.sps {
                    *set = h264::with_reordering(set, most).ok_or_else(unread)?.into();
                }
            }
            (Self::Hevc(source), Self::Hevc(own)) => {
                let sets = source.sets(hevc::SPS).filter_map(|set| Some(hevc::Sps::read(set)?.ordering));
                let Some(most) = sets.max_by_key(|own| (own.buffering, own.reordering)) else {
                    return Ok(());
                };
                let arrays = own.arrays.iter_mut().filter(|array| array.kind == hevc::SPS);
                for set in arrays.flat_map(|array| &mut array.units) {
                    *set = hevc::with_ordering(set, most).ok_or_else(unread)?.into();
                }
            }
            _ => return Err(other_codec()),
        }
        Ok(())
    }
}

/// Changes those that are not so yet.
fn promise<T: PartialEq>(
    sets: &mut [&mut Bytes],
    read: impl Fn(&[u8]) -> Option<T>,
    most: impl Fn(T, T) -> T,
    with: impl Fn(&[u8], &T) -> Option<Vec<u8>>,
) {
    let Some(all) = sets.iter().filter_map(|set| read(set)).reduce(most) else { return };
    for set in sets.iter_mut().filter(|set| read(set).is_some_and(|own| own != all)) {
        if let Some(changed) = with(set, &all) {
            **set = changed.into();
        }
    }
}

fn other_codec() -> Error {
    Error::new(ErrorKind::Bug, "parameter sets of another codec")
}
