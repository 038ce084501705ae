//! The parameter sets of H.264 and HEVC, whichever of the two it is.

use super::{Avc, Framing, Hevc, Renumber, h264, hevc};
use crate::{Error, ErrorKind, Result};
use bytes::Bytes;

/// Colours that nothing is known of.
const UNKNOWN: [u32; 3] = [2; 3];

/// The parameter sets that a stream's configuration has.
#[derive(Clone)]
pub(crate) enum Sets {
    Avc(Avc),
    Hevc(Hevc),
}

/// How the pictures of a sequence look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    /// 0 is grey, then 4:2:0, 4:2:2, 4:4:4.
    chroma_format: u32,
    /// Of luma and chroma.
    bits: [u32; 2],
    /// Primaries, transfer, matrix; 2 is none that is known. None where the set can't be read so far.
    pub color: Option<[u32; 3]>,
    pub is_full_range: bool,
    /// No picture is of fields.
    pub is_progressive: bool,
}

impl Look {
    /// The kind of pixels, in words.
    pub(crate) fn pixels(&self) -> String {
        let is_rgb = self.chroma_format == 3 && self.color.is_some_and(|[.., matrix]| matrix == 0);
        let format = match self.chroma_format {
            0 => "grey",
            1 => "4:2:0",
            2 => "4:2:2",
            _ if is_rgb => "RGB",
            _ => "4:4:4",
        };
        match self.bits {
            [luma, chroma] if luma == chroma || self.chroma_format == 0 => format!("{format} of {luma} bits"),
            [luma, chroma] => format!("{format} of {luma} and {chroma} bits"),
        }
    }
}

impl Sets {
    /// By the codec's name at libav, and its extradata.
    pub(crate) fn of(codec: &str, extradata: &[u8]) -> Result<Self> {
        Ok(if codec == "hevc" { Self::Hevc(Hevc::of(extradata)?) } else { Self::Avc(Avc::of(extradata)?) })
    }

    /// How pictures of each sequence look; none of sets that can't be read.
    pub(crate) fn looks(&self) -> Vec<Look> {
        match self {
            Self::Avc(own) => {
                let of = |set: &Bytes| {
                    let sps = h264::Sps::read(set)?;
                    let vui = sps.vui.unwrap_or_default();
                    Some(Look {
                        chroma_format: sps.chroma_format,
                        bits: [sps.luma_bits, sps.chroma_bits],
                        color: Some(vui.color.unwrap_or(UNKNOWN)),
                        is_full_range: vui.is_full_range.unwrap_or(false),
                        is_progressive: sps.is_frames_only,
                    })
                };
                own.sps.iter().filter_map(of).collect()
            }
            Self::Hevc(own) => {
                let of = |set: &Bytes| {
                    let sps = hevc::Sps::read(set)?;
                    let vui = hevc::Vui::read(set);
                    Some(Look {
                        chroma_format: sps.chroma_format,
                        bits: [sps.luma_bits, sps.chroma_bits],
                        color: vui.map(|vui| vui.color.unwrap_or(UNKNOWN)),
                        is_full_range: vui.is_some_and(|vui| vui.is_full_range),
                        is_progressive: !sps.is_interlaced(),
                    })
                };
                own.sets(hevc::SPS).filter_map(of).collect()
            }
        }
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
    pub(crate) fn promise_alike(&mut self) -> Result<()> {
        match self.promised() {
            Some(most) => self.promise(most, false),
            None => Ok(()),
        }
    }

    /// Lets an encoder's sets promise what these do of reordering: a decoder that goes from one to the other keeps its
    /// delay, and shows no picture late or not at all (ITU-T H.264, C.4.4).
    pub(crate) fn promise_to(&self, own: &mut Self) -> Result<()> {
        self.promised().map_or(Ok(()), |most| own.promise(most, true))
    }

    /// The most that one of the sets promises, number by number.
    fn promised(&self) -> Option<Promise> {
        match self {
            Self::Avc(own) => {
                let of = |set: &Bytes| {
                    let sps = h264::Sps::read(set)?;
                    sps.restriction().map(|own| Promise::h264(own, sps.level))
                };
                own.sps.iter().filter_map(of).reduce(Promise::and)
            }
            Self::Hevc(own) => {
                let of =
                    |set: &Bytes| hevc::Sps::read(set).map(|sps| Promise::hevc(sps.ordering, sps.level()));
                own.sets(hevc::SPS).filter_map(of).reduce(Promise::and)
            }
        }
    }

    /// Lets each set promise at least that much, at a level that allows it. `adds`: those, too, that promise nothing.
    fn promise(&mut self, most: Promise, adds: bool) -> Result<()> {
        let unread = || Error::new(ErrorKind::Bug, "the encoder's parameter set can't be read");
        match self {
            Self::Avc(own) => {
                for set in &mut own.sps {
                    let Some(sps) = h264::Sps::read(set) else {
                        if adds { return Err(unread()) } else { continue }
                    };
                    // What it refers to has to be kept, whatever it says.
                    let least = h264::Restriction { reordering: 0, buffering: sps.references };
                    let Some(own) = sps.restriction().or(adds.then_some(least)) else { continue };
                    let due = Promise::h264(own, sps.level).and(most);
                    let restriction =
                        h264::Restriction { reordering: due.reordering, buffering: due.buffering };
                    if sps.restriction() != Some(restriction) {
                        *set = h264::with_reordering(set, restriction, due.level).ok_or_else(unread)?.into();
                    }
                }
                own.level = own.level.max(most.level);
            }
            Self::Hevc(own) => {
                let sets = own.arrays.iter_mut().filter(|array| matches!(array.kind, hevc::VPS | hevc::SPS));
                for (kind, set) in sets.flat_map(|array| array.units.iter_mut().map(|set| (array.kind, set)))
                {
                    let read = match kind {
                        hevc::VPS => hevc::Vps::read(set).map(|vps| (vps.ordering, vps.level)),
                        _ => hevc::Sps::read(set).map(|sps| (sps.ordering, sps.level())),
                    };
                    let Some((own, level)) = read else { if adds { return Err(unread()) } else { continue } };
                    let due = Promise::hevc(own, level).and(most);
                    let Promise { reordering, buffering, latency, level } = due;
                    let ordering = hevc::Ordering { buffering, reordering, latency };
                    if ordering == own {
                        continue;
                    }
                    let changed = match kind {
                        hevc::VPS => hevc::Vps::with_ordering(set, ordering, level),
                        _ => hevc::with_ordering(set, ordering, level),
                    };
                    *set = changed.ok_or_else(unread)?.into();
                }
                let [.., level] = &mut own.profile;
                *level = (*level).max(most.level);
            }
        }
        Ok(())
    }
}

/// What sets let a decoder keep, and the level that allows it.
#[derive(Clone, Copy)]
struct Promise {
    reordering: u32,
    buffering: u32,
    /// HEVC's alone. 0: pictures may come as late as they are.
    latency: u32,
    level: u8,
}

impl Promise {
    fn h264(own: h264::Restriction, level: u8) -> Self {
        Self { reordering: own.reordering, buffering: own.buffering, latency: 0, level }
    }

    fn hevc(own: hevc::Ordering, level: u8) -> Self {
        let hevc::Ordering { buffering, reordering, latency } = own;
        Self { reordering, buffering, latency, level }
    }

    fn and(self, other: Self) -> Self {
        let is_bound = self.latency.min(other.latency) > 0;
        Self {
            reordering: self.reordering.max(other.reordering),
            buffering: self.buffering.max(other.buffering),
            latency: if is_bound { self.latency.max(other.latency) } else { 0 },
            level: self.level.max(other.level),
        }
    }
}

fn other_codec() -> Error {
    Error::new(ErrorKind::Bug, "parameter sets of another codec")
}
