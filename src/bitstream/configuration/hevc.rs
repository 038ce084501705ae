//! hvcC (ISO/IEC 14496-15, 8.3.3.1).

use super::{MOST, add, few, is_any_twice, put_set, taken, taken_set};
use crate::{
    Error, Result,
    bitstream::{
        hevc::{self, Sps},
        units::Framing,
    },
};
use bytes::Bytes;

const NAME: &str = "hvcC";

/// What an hvcC says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hevc {
    /// Profile, tier, compatibility, constraints and level, as in a sequence parameter set.
    pub(crate) profile: [u8; 12],
    /// Segmentation (two bytes), parallelism, chroma, bits of luma and chroma, rate (two bytes).
    pub(crate) format: [u8; 8],
    /// Constant rate, sub-layers and whether they are nested; the size of lengths is not in it.
    pub(crate) layers: u8,
    /// Of how many bytes the lengths in front of units are.
    pub(crate) length_size: usize,
    pub(crate) arrays: Vec<Array>,
}

/// Units of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Array {
    pub(crate) kind: u8,
    /// None of the kind is in the samples.
    pub(crate) is_complete: bool,
    /// As they lie in a stream, from their headers on.
    pub(crate) units: Vec<Bytes>,
}

impl Hevc {
    /// By extradata: an hvcC, or parameter sets behind start codes.
    pub(crate) fn of(extradata: &[u8]) -> Result<Self> {
        match extradata {
            [1, ..] => Self::read(extradata),
            _ => Self::of_units(Framing::StartCodes.units(extradata)),
        }
    }

    fn read(bytes: &[u8]) -> Result<Self> {
        let broken = || Error::corrupt("the hvcC breaks off");
        let mut rest = bytes.get(1..).unwrap_or_default();
        let profile = *taken(&mut rest, 12, NAME)?.first_chunk().ok_or_else(broken)?;
        let format = *taken(&mut rest, 8, NAME)?.first_chunk().ok_or_else(broken)?;
        let [layers, count] = *taken(&mut rest, 2, NAME)? else { return Err(broken()) };
        let (mut arrays, mut all) = (Vec::new(), 0_usize);
        for _ in 0..count {
            let [kind, high, low] = *taken(&mut rest, 3, NAME)? else { return Err(broken()) };
            let count = u16::from_be_bytes([high, low]);
            all = all.saturating_add(count.into());
            if all > MOST {
                return Err(Error::corrupt(format!("an hvcC of over {MOST} units")));
            }
            let units = (0..count)
                .map(|_| taken_set(&mut rest, NAME).map(Bytes::copy_from_slice))
                .collect::<Result<_>>()?;
            arrays.push(Array { kind: kind & 63, is_complete: kind & 128 != 0, units });
        }
        let length_size = usize::from(layers & 3).saturating_add(1);
        Ok(Self { profile, format, layers: layers & !3, length_size, arrays })
    }

    /// By the parameter sets among these units; each of them once. Lengths will be of four bytes. What only helps
    /// decoders with several threads is not known.
    pub(crate) fn of_units<'a>(units: impl Iterator<Item = &'a [u8]>) -> Result<Self> {
        let mut arrays: Vec<Array> = [hevc::VPS, hevc::SPS, hevc::PPS]
            .into_iter()
            .map(|kind| Array { kind, is_complete: true, units: Vec::new() })
            .collect();
        let is_set = |unit: &&[u8]| matches!(hevc::kind(unit), Some(hevc::VPS | hevc::SPS | hevc::PPS));
        for unit in few(units.filter(is_set), NAME)? {
            if let Some(array) = arrays.iter_mut().find(|array| Some(array.kind) == hevc::kind(unit)) {
                add(&mut array.units, unit);
            }
        }
        let read = |set: &Bytes| Sps::read(set);
        let sets = arrays.iter().find(|array| array.kind == hevc::SPS);
        let first = sets.and_then(|array| array.units.first()).and_then(read);
        let first = first.ok_or_else(|| Error::corrupt("there is no sequence parameter set to be read"))?;
        arrays.retain(|array| !array.units.is_empty());
        let low = |number: u32| u8::try_from(number & 7).unwrap_or(0);
        let format = [
            0xF0,
            0,
            0xFC,
            0xFC | low(first.chroma_format),
            0xF8 | low(first.luma_bits.saturating_sub(8)),
            0xF8 | low(first.chroma_bits.saturating_sub(8)),
            0,
            0,
        ];
        let layers = first.sub_layers.saturating_add(1) << 3 | u8::from(first.is_nested) << 2;
        Ok(Self { profile: first.profile, format, layers, length_size: 4, arrays })
    }

    /// The box without its header: what libav calls extradata.
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>> {
        let size = match self.length_size {
            1 => 0,
            2 => 1,
            4 => 3,
            size => return Err(Error::corrupt(format!("lengths of {size} bytes in an hvcC"))),
        };
        let count = |count: usize, what: &str| {
            u16::try_from(count).map_err(|_| Error::unsupported(format!("an hvcC of {count} {what}")))
        };
        let mut bytes = [&[1][..], &self.profile, &self.format, &[self.layers | size]].concat();
        let arrays = count(self.arrays.len(), "arrays")?;
        bytes.push(u8::try_from(arrays).map_err(|_| Error::unsupported("an hvcC of over 255 arrays"))?);
        for array in &self.arrays {
            bytes.push(array.kind | u8::from(array.is_complete) << 7);
            bytes.extend(count(array.units.len(), "sets of one kind")?.to_be_bytes());
            array.units.iter().try_for_each(|unit| put_set(unit, &mut bytes))?;
        }
        Ok(bytes)
    }

    pub(crate) fn framing(&self) -> Framing {
        Framing::Lengths(self.length_size)
    }

    /// The units of one kind.
    pub(crate) fn sets(&self, kind: u8) -> impl Iterator<Item = &Bytes> {
        self.arrays.iter().filter(move |array| array.kind == kind).flat_map(|array| &array.units)
    }

    /// Ids of video, sequence and picture parameter sets; those that can't be read have none.
    pub(crate) fn ids(&self) -> [Vec<u32>; 3] {
        let pps = |set: &Bytes| hevc::pps_ids(set).map(|[id, _]| id);
        [
            self.sets(hevc::VPS).filter_map(|set| hevc::vps_id(set)).collect(),
            self.sets(hevc::SPS).filter_map(|set| Some(Sps::read(set)?.id)).collect(),
            self.sets(hevc::PPS).filter_map(pps).collect(),
        ]
    }

    /// The sets of both, each once, under the profile and level that hold both. The lengths are those of `self`: what
    /// was coded for `other` has to be framed so. Messages that `other` has for all of its pictures are left out.
    pub(crate) fn with(&self, other: &Self) -> Result<Self> {
        let mut both = self.clone();
        both.profile = profile_of_both(&self.profile, &other.profile)?;
        let [.., chroma, luma, chroma_bits, _, _] = self.format;
        let [segments_high, segments_low, parallelism, others @ .., _, _] = other.format;
        if others.map(|byte| byte & 7) != [chroma, luma, chroma_bits].map(|byte| byte & 7) {
            return Err(Error::unsupported(
                "pictures of other chroma or other bits can't share an hvcC with these",
            ));
        }
        let [high, low, parallel, ..] = &mut both.format;
        let least = u16::from_be_bytes([*high, *low]).min(u16::from_be_bytes([segments_high, segments_low]));
        [*high, *low] = least.to_be_bytes();
        if *parallel != parallelism {
            // Not known, or not one for all.
            *parallel = 0xFC;
        }
        // Rates that differ are none; of layers the more; nested where both are.
        let constant = if self.layers >> 6 == other.layers >> 6 { self.layers & 0xC0 } else { 0 };
        let layers = (self.layers & 0x38).max(other.layers & 0x38);
        both.layers = constant | layers | self.layers & other.layers & 4;
        for array in &other.arrays {
            if !matches!(array.kind, hevc::VPS | hevc::SPS | hevc::PPS) {
                continue;
            }
            let Some(own) = both.arrays.iter_mut().find(|own| own.kind == array.kind) else {
                both.arrays.push(array.clone());
                continue;
            };
            own.is_complete &= array.is_complete;
            array.units.iter().for_each(|unit| add(&mut own.units, unit));
        }
        if both.ids().iter_mut().any(|ids| is_any_twice(ids)) {
            return Err(Error::unsupported("two parameter sets of one id differ: one hvcC can't have both"));
        }
        both.to_bytes()?;
        Ok(both)
    }
}

/// The profile whose decoders know both: of Main, Main 10 and the range extensions (4), each has those before it
/// (A.3.2, A.3.3, A.3.5). Flags say what holds for all; the tier and the level are the higher ones.
fn profile_of_both(one: &[u8; 12], other: &[u8; 12]) -> Result<[u8; 12]> {
    const TIER: u8 = 32;
    let mut both = *one;
    let [first, .., level] = &mut both;
    let [other_first, .., other_level] = *other;
    let (idc, other_idc) = (*first & 31, other_first & 31);
    let known = |idc: u8| matches!(idc, 1 | 2 | 4);
    let alike = idc == other_idc || known(idc) && known(other_idc);
    if *first >> 6 != other_first >> 6 || !alike {
        return Err(Error::unsupported(format!("profiles {idc} and {other_idc} can't share an hvcC")));
    }
    *first = *first & 0xC0 | (*first | other_first) & TIER | idc.max(other_idc);
    *level = (*level).max(other_level);
    // Compatibility and constraints.
    for (flags, others) in both.iter_mut().zip(other).skip(1).take(10) {
        *flags &= others;
    }
    Ok(both)
}
