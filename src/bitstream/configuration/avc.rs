//! avcC (ISO/IEC 14496-15, 5.3.3.1).

use super::{add, few, is_any_twice, put_set, taken, taken_set};
use crate::{
    Error, Result,
    bitstream::{
        h264::{self, Pps, Sps},
        units::Framing,
    },
};
use bytes::Bytes;

const NAME: &str = "avcC";

/// What an avcC says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Avc {
    pub(crate) profile: u8,
    pub(crate) compatibility: u8,
    pub(crate) level: u8,
    /// Of how many bytes the lengths in front of units are.
    pub(crate) length_size: usize,
    /// Sets as they lie in a stream, from their headers on.
    pub(crate) sps: Vec<Bytes>,
    pub(crate) pps: Vec<Bytes>,
    /// What follows: chroma, bits and extensions of sequence parameter sets in High profiles, as it was read.
    pub(crate) tail: Bytes,
}

impl Avc {
    /// By extradata: an avcC, or parameter sets behind start codes.
    pub(crate) fn of(extradata: &[u8]) -> Result<Self> {
        match extradata {
            [1, ..] => Self::read(extradata),
            _ => Self::of_units(Framing::StartCodes.units(extradata)),
        }
    }

    fn read(bytes: &[u8]) -> Result<Self> {
        let mut rest = bytes;
        let [_, profile, compatibility, level, lengths, count] = *taken(&mut rest, 6, NAME)? else {
            return Err(Error::corrupt("the avcC breaks off"));
        };
        let sps = (0..count & 31)
            .map(|_| taken_set(&mut rest, NAME).map(Bytes::copy_from_slice))
            .collect::<Result<_>>()?;
        let [count] = *taken(&mut rest, 1, NAME)? else { return Err(Error::corrupt("the avcC breaks off")) };
        let pps = (0..count)
            .map(|_| taken_set(&mut rest, NAME).map(Bytes::copy_from_slice))
            .collect::<Result<_>>()?;
        let length_size = usize::from(lengths & 3).saturating_add(1);
        let tail = Bytes::copy_from_slice(rest);
        Ok(Self { profile, compatibility, level, length_size, sps, pps, tail })
    }

    /// By the parameter sets among these units; each of them once. Lengths will be of four bytes.
    pub(crate) fn of_units<'a>(units: impl Iterator<Item = &'a [u8]>) -> Result<Self> {
        let (mut sps, mut pps, mut extensions) = (Vec::new(), Vec::new(), Vec::new());
        let is_set =
            |unit: &&[u8]| matches!(h264::kind(unit), Some(h264::SPS | h264::PPS | h264::SPS_EXTENSION));
        for unit in few(units.filter(is_set), NAME)? {
            match h264::kind(unit) {
                Some(h264::SPS) => add(&mut sps, unit),
                Some(h264::PPS) => add(&mut pps, unit),
                Some(h264::SPS_EXTENSION) => add(&mut extensions, unit),
                _ => {}
            }
        }
        let first = sps.first().and_then(|set| Sps::read(set));
        let first = first.ok_or_else(|| Error::corrupt("there is no sequence parameter set to be read"))?;
        // Others have 4:2:0 and 8 bits, and do not say so.
        let mut tail = Vec::new();
        if !matches!(first.profile, 66 | 77 | 88) {
            let low = |number: u32| u8::try_from(number & 7).unwrap_or(0);
            tail.push(0xFC | low(first.chroma_format & 3));
            tail.push(0xF8 | low(first.luma_bits.saturating_sub(8)));
            tail.push(0xF8 | low(first.chroma_bits.saturating_sub(8)));
            tail.push(u8::try_from(extensions.len()).map_err(|_| too_many("extensions", 255))?);
            extensions.iter().try_for_each(|set| put_set(set, &mut tail))?;
        }
        let (profile, compatibility, level) = (first.profile, first.constraints, first.level);
        Ok(Self { profile, compatibility, level, length_size: 4, sps, pps, tail: tail.into() })
    }

    /// The box without its header: what libav calls extradata.
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>> {
        let size = match self.length_size {
            1 => 0,
            2 => 1,
            4 => 3,
            size => return Err(Error::corrupt(format!("lengths of {size} bytes in an avcC"))),
        };
        let sps = u8::try_from(self.sps.len()).ok().filter(|count| *count < 32);
        let sps = sps.ok_or_else(|| too_many("sequence parameter sets", 31))?;
        let pps = u8::try_from(self.pps.len()).map_err(|_| too_many("picture parameter sets", 255))?;
        let mut bytes = vec![1, self.profile, self.compatibility, self.level, 0xFC | size, 0xE0 | sps];
        self.sps.iter().try_for_each(|set| put_set(set, &mut bytes))?;
        bytes.push(pps);
        self.pps.iter().try_for_each(|set| put_set(set, &mut bytes))?;
        bytes.extend_from_slice(&self.tail);
        Ok(bytes)
    }

    pub(crate) fn framing(&self) -> Framing {
        Framing::Lengths(self.length_size)
    }

    /// The ids of its sequence parameter sets; those that can't be read have none.
    pub(crate) fn sps_ids(&self) -> Vec<u32> {
        self.sps.iter().filter_map(|set| Some(Sps::read(set)?.id)).collect()
    }

    pub(crate) fn pps_ids(&self) -> Vec<u32> {
        self.pps.iter().filter_map(|set| Some(Pps::read(set)?.id)).collect()
    }

    /// Chroma and bits, where they are known; behind them are extensions of the sets.
    fn format(&self) -> Option<&[u8]> {
        match self.profile {
            66 | 77 | 88 if self.tail.is_empty() => Some(&[0xFD, 0xF8, 0xF8]),
            _ => self.tail.get(..3),
        }
    }

    /// The sets of both, each once, under the profile and level that hold both. The lengths are those of `self`: what
    /// was coded for `other` has to be framed so.
    pub(crate) fn with(&self, other: &Self) -> Result<Self> {
        let mut both = self.clone();
        both.level = self.level.max(other.level);
        // A flag says what holds for all: a profile that is held, or a limit.
        both.compatibility = self.compatibility & other.compatibility;
        both.profile = larger(self.profile, other.profile)?;
        if let (Some(one), Some(another)) = (self.format(), other.format())
            && one != another
        {
            return Err(Error::unsupported(
                "pictures of other chroma or other bits can't share an avcC with these",
            ));
        }
        if both.tail.is_empty() {
            both.tail = other.tail.clone();
        }
        other.sps.iter().for_each(|set| add(&mut both.sps, set));
        other.pps.iter().for_each(|set| add(&mut both.pps, set));
        let (mut sps, mut pps) = (both.sps_ids(), both.pps_ids());
        if is_any_twice(&mut sps) || is_any_twice(&mut pps) {
            return Err(Error::unsupported("two parameter sets of one id differ: one avcC can't have both"));
        }
        both.to_bytes()?;
        Ok(both)
    }
}

fn too_many(what: &str, most: usize) -> Error {
    Error::unsupported(format!("an avcC can't have more than {most} {what}"))
}

/// Of two profiles, the one whose decoders know all that the other has, as near as profiles come to it (A.2):
/// Baseline, Main and Extended have parts of their own, and those that High's decoders lack no encoder makes.
fn larger(one: u8, other: u8) -> Result<u8> {
    const ORDER: [u8; 7] = [66, 77, 88, 100, 110, 122, 244];
    let rank = |profile| ORDER.iter().position(|known| *known == profile);
    match (rank(one), rank(other)) {
        _ if one == other => Ok(one),
        (Some(a), Some(b)) => Ok(if a >= b { one } else { other }),
        _ => Err(Error::unsupported(format!("profiles {one} and {other} can't share an avcC"))),
    }
}
