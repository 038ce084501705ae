//! HEVC (ITU-T H.265, ISO/IEC 23008-2): its units and the beginnings of its parameter sets.

mod vui;

pub(crate) use vui::Vui;

use super::{
    bits::{BitWriter, Bits},
    units::{escaped, unescaped, without_zeros},
};

/// Kinds of units (table 7-1). Below, odd ones are of pictures that others of their layer may refer to.
pub(crate) const RADL: [u8; 2] = [6, 7];
pub(crate) const RASL: [u8; 2] = [8, 9];
/// Slices are below, with kinds that nobody uses yet between.
pub(crate) const LAST_TRAILING: u8 = 9;
pub(crate) const BLA: [u8; 3] = [16, 17, 18];
pub(crate) const IDR: [u8; 2] = [19, 20];
pub(crate) const CRA: u8 = 21;
/// All from the first BLA on are pictures of random access, with those that nobody uses yet.
pub(crate) const LAST_RANDOM_ACCESS: u8 = 23;
pub(crate) const VPS: u8 = 32;
pub(crate) const SPS: u8 = 33;
pub(crate) const PPS: u8 = 34;
/// What tells that a picture begins.
pub(crate) const DELIMITER: u8 = 35;
pub(crate) const SEI: [u8; 2] = [39, 40];

/// The kind of a unit, by its first byte.
pub(crate) fn kind(unit: &[u8]) -> Option<u8> {
    unit.first().map(|first| first >> 1 & 63)
}

/// The layer of a unit: 0 is the picture, others improve it or are other views.
pub(crate) fn layer(unit: &[u8]) -> Option<u8> {
    match unit {
        [first, second, ..] => Some((first & 1) << 5 | second >> 3),
        _ => None,
    }
}

/// Slices of pictures.
pub(crate) fn is_slice(kind: u8) -> bool {
    matches!(kind, 0..=LAST_TRAILING) || is_random_access(kind)
}

pub(crate) fn is_random_access(kind: u8) -> bool {
    (BLA[0]..=LAST_RANDOM_ACCESS).contains(&kind)
}

/// The id of a video parameter set.
pub(crate) fn vps_id(unit: &[u8]) -> Option<u32> {
    Bits::of(unit.get(2..3)?).take(4)
}

/// The ids of a picture parameter set and of its sequence's.
pub(crate) fn pps_ids(unit: &[u8]) -> Option<[u32; 2]> {
    let bytes = unescaped(unit.get(..32).unwrap_or(unit));
    let mut bits = Bits::of(bytes.get(2..)?);
    Some([bits.exp_golomb().filter(|id| *id < 64)?, bits.exp_golomb().filter(|id| *id < 16)?])
}

/// How long a profile_tier_level is behind the number of further sub-layers, in bits (7.3.3).
pub(crate) fn profile_bits(mut bits: Bits, sub_layers: usize) -> Option<usize> {
    const GENERAL: usize = 88 + 8;
    let from = bits.position();
    bits.take(GENERAL)?;
    if sub_layers > 0 {
        let mut levels = 0_usize;
        let mut profiles = 0_usize;
        for _ in 0..sub_layers {
            profiles = profiles.saturating_add(bits.number(1)?);
            levels = levels.saturating_add(bits.number(1)?);
        }
        bits.take(8_usize.saturating_sub(sub_layers).saturating_mul(2))?;
        bits.take(profiles.saturating_mul(88).saturating_add(levels.saturating_mul(8)))?;
    }
    bits.position().checked_sub(from)
}

/// What a sequence parameter set says, up to what a decoder keeps (7.3.2.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sps {
    pub(crate) id: u32,
    pub(crate) vps: u32,
    /// sps_max_sub_layers_minus1
    pub(crate) sub_layers: u8,
    pub(crate) is_nested: bool,
    /// The general profile, tier, level and constraints, as hvcC has them.
    pub(crate) profile: [u8; 12],
    /// 0 is grey, then 4:2:0, 4:2:2, 4:4:4.
    pub(crate) chroma_format: u32,
    pub(crate) luma_bits: u32,
    pub(crate) chroma_bits: u32,
    /// Pictures as they are shown, without what is cropped.
    pub(crate) size: (u32, u32),
    /// log2 of where pictures' order begins anew.
    pub(crate) poc_bits: usize,
    pub(crate) ordering: Ordering,
    /// The bits of sps_sub_layer_ordering_info_present_flag, and of what follows the numbers.
    ordering_at: (usize, usize),
}

/// What a decoder keeps for the highest sub-layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ordering {
    /// sps_max_dec_pic_buffering_minus1
    pub(crate) buffering: u32,
    /// sps_max_num_reorder_pics
    pub(crate) reordering: u32,
    /// sps_max_latency_increase_plus1; 0 is no bound.
    pub(crate) latency: u32,
}

impl Sps {
    /// general_level_idc: 30 times the level.
    pub(crate) fn level(&self) -> u8 {
        let [.., level] = self.profile;
        level
    }

    /// general_interlaced_source_flag
    pub(crate) fn is_interlaced(&self) -> bool {
        let [_, _, _, _, _, flags, ..] = self.profile;
        flags & 0x40 != 0
    }

    /// A set as it lies in a stream, from its header on.
    pub(crate) fn read(unit: &[u8]) -> Option<Self> {
        Self::read_bytes(&unescaped(unit))
    }

    fn read_bytes(bytes: &[u8]) -> Option<Self> {
        let mut bits = Bits::of(bytes);
        bits.take(16)?;
        let vps = bits.take(4)?;
        let sub_layers = bits.number(3).filter(|count| *count < 7)?;
        let is_nested = bits.flag()?;
        let profile = *bytes.get(3..)?.first_chunk()?;
        bits.take(profile_bits(bits.clone(), sub_layers)?)?;
        let id = bits.exp_golomb().filter(|id| *id < 16)?;
        let chroma_format = bits.exp_golomb().filter(|format| *format <= 3)?;
        let separate = chroma_format == 3 && bits.flag()?;
        let (width, height) = (bits.exp_golomb()?, bits.exp_golomb()?);
        let mut size = (width, height);
        if bits.flag()? {
            let unit = |is_halved: bool| if is_halved && !separate { 2_u32 } else { 1 };
            let mut cropped = |unit: u32| {
                let (one, other) = (bits.exp_golomb()?, bits.exp_golomb()?);
                one.checked_add(other)?.checked_mul(unit)
            };
            let across = cropped(unit(matches!(chroma_format, 1 | 2)))?;
            size = (width.checked_sub(across)?, height.checked_sub(cropped(unit(chroma_format == 1))?)?);
        }
        let luma_bits = bits.exp_golomb().filter(|bits| *bits <= 8)?.saturating_add(8);
        let chroma_bits = bits.exp_golomb().filter(|bits| *bits <= 8)?.saturating_add(8);
        let poc_bits = usize::try_from(bits.exp_golomb().filter(|bits| *bits <= 12)?).ok()?.saturating_add(4);
        let (ordering, ordering_at) = orderings(&mut bits, sub_layers)?;
        Some(Self {
            id,
            vps,
            sub_layers: u8::try_from(sub_layers).ok()?,
            is_nested,
            profile,
            chroma_format,
            luma_bits,
            chroma_bits,
            size,
            poc_bits,
            ordering,
            ordering_at,
        })
    }
}

/// A sequence parameter set as it lies in a stream, with these numbers for all of its sub-layers and the level that
/// allows them, so that a decoder that goes from one encoder's pictures to another's keeps its delay. None where the
/// set can't be read.
pub(crate) fn with_ordering(unit: &[u8], ordering: Ordering, level: u8) -> Option<Vec<u8>> {
    let bytes = unescaped(unit);
    with_numbers(&bytes, Sps::read_bytes(&bytes)?.ordering_at, ordering, (LEVEL_IN_SPS, level))
}

/// Where the level of a set is, behind the header of its unit (7.3.2.1, 7.3.2.2).
const LEVEL_IN_SPS: usize = 3 + 11;
const LEVEL_IN_VPS: usize = 6 + 11;

/// What a video parameter set says of all layers together: what a decoder keeps, and its bits; and the level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Vps {
    pub(crate) ordering: Ordering,
    pub(crate) level: u8,
    ordering_at: (usize, usize),
}

impl Vps {
    /// A set as it lies in a stream, from its header on.
    pub(crate) fn read(unit: &[u8]) -> Option<Self> {
        Self::read_bytes(&unescaped(unit))
    }

    fn read_bytes(bytes: &[u8]) -> Option<Self> {
        let mut bits = Bits::of(bytes);
        bits.take(16 + 12)?;
        let sub_layers = bits.number(3).filter(|count| *count < 7)?;
        bits.take(1 + 16)?;
        bits.take(profile_bits(bits.clone(), sub_layers)?)?;
        let (ordering, ordering_at) = orderings(&mut bits, sub_layers)?;
        Some(Self { ordering, level: *bytes.get(LEVEL_IN_VPS)?, ordering_at })
    }

    /// The same as [`with_ordering`].
    pub(crate) fn with_ordering(unit: &[u8], ordering: Ordering, level: u8) -> Option<Vec<u8>> {
        let bytes = unescaped(unit);
        with_numbers(&bytes, Self::read_bytes(&bytes)?.ordering_at, ordering, (LEVEL_IN_VPS, level))
    }
}

/// What a decoder keeps for the highest sub-layer, and between which bits sets say it (7.3.2.1).
fn orderings(bits: &mut Bits, sub_layers: usize) -> Option<(Ordering, (usize, usize))> {
    let from = bits.position();
    let mut ordering = Ordering::default();
    let has_all = bits.flag()?;
    for _ in if has_all { 0 } else { sub_layers }..=sub_layers {
        let [buffering, reordering, latency] = [bits.exp_golomb()?, bits.exp_golomb()?, bits.exp_golomb()?];
        ordering = Ordering { buffering, reordering, latency };
    }
    Some((ordering, (from, bits.position())))
}

fn with_numbers(
    bytes: &[u8],
    (from, to): (usize, usize),
    ordering: Ordering,
    (level_at, level): (usize, u8),
) -> Option<Vec<u8>> {
    let mut bits = Bits::of(bytes);
    let mut writer = BitWriter::default();
    writer.put_from(&mut bits, from)?;
    writer.put(0, 1);
    [ordering.buffering, ordering.reordering, ordering.latency]
        .into_iter()
        .for_each(|number| writer.put_exp_golomb(number));
    let mut rest = Bits::of(bytes);
    rest.take(to)?;
    writer.put_rest(rest);
    let mut changed = writer.into_bytes();
    *changed.get_mut(level_at)? = level;
    // The last bit that is set ends a set: what was behind it may have moved into a byte of its own.
    Some(escaped(without_zeros(&changed)))
}
