//! Sequence parameter sets (7.3.2.1.1 and annex E).

use crate::bitstream::{bits::Bits, units::unescaped};

/// What a set says, as far as anybody asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sps {
    pub(crate) id: u32,
    pub(crate) profile: u8,
    pub(crate) constraints: u8,
    pub(crate) level: u8,
    /// 0 is grey, then 4:2:0, 4:2:2, 4:4:4.
    pub(crate) chroma_format: u32,
    pub(crate) has_separate_planes: bool,
    /// qpprime_y_zero_transform_bypass_flag: a quantiser of 0 loses nothing.
    pub(crate) is_lossless: bool,
    pub(crate) luma_bits: u32,
    pub(crate) chroma_bits: u32,
    /// How many bits a slice has of frame_num.
    pub(crate) frame_num_bits: usize,
    pub(crate) poc_type: u32,
    /// How many bits of the picture's order, in type 0.
    pub(crate) poc_bits: usize,
    /// max_num_ref_frames
    pub(crate) references: u32,
    /// Pictures as they are shown, without what is cropped.
    pub(crate) size: (u32, u32),
    /// No picture is of fields, nor macroblocks of them.
    pub(crate) is_frames_only: bool,
    pub(crate) vui: Option<Vui>,
    /// The bit of vui_parameters_present_flag in the set without emulation bytes.
    pub(super) vui_at: usize,
    /// That of bitstream_restriction_flag, where there is a VUI.
    pub(super) restriction_at: Option<usize>,
    /// That of max_num_reorder_frames, where it is there.
    pub(super) reordering_at: Option<usize>,
}

/// How pictures are to be shown (E.1.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Vui {
    pub(crate) sample_aspect: Option<(u32, u32)>,
    pub(crate) is_full_range: Option<bool>,
    /// Primaries, transfer, matrix.
    pub(crate) color: Option<[u32; 3]>,
    pub(crate) chroma_location: Option<(u32, u32)>,
    /// num_units_in_tick, time_scale (two ticks a frame), and whether all frames are as long.
    pub(crate) timing: Option<(u32, u32, bool)>,
    pub(crate) nal_hrd: Option<Hrd>,
    pub(crate) vcl_hrd: Option<Hrd>,
    pub(crate) has_pic_struct: bool,
    pub(crate) restriction: Option<Restriction>,
}

/// What a decoder keeps (E.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Restriction {
    /// max_num_reorder_frames
    pub(crate) reordering: u32,
    /// max_dec_frame_buffering
    pub(crate) buffering: u32,
}

/// How many bits messages of timing have (E.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hrd {
    pub(crate) initial_delay_bits: usize,
    pub(crate) removal_delay_bits: usize,
    pub(crate) output_delay_bits: usize,
    /// time_offset_length
    pub(crate) offset_bits: usize,
}

/// Profiles that say their chroma and bits.
fn names_chroma(profile: u8) -> bool {
    matches!(profile, 100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128 | 138 | 139 | 134 | 135)
}

/// Shapes of samples by number (table E-1).
const ASPECTS: [(u32, u32); 17] = [
    (0, 1),
    (1, 1),
    (12, 11),
    (10, 11),
    (16, 11),
    (40, 33),
    (24, 11),
    (20, 11),
    (32, 11),
    (80, 33),
    (18, 11),
    (15, 11),
    (64, 33),
    (160, 99),
    (4, 3),
    (3, 2),
    (2, 1),
];

impl Sps {
    /// A set as it lies in a stream, from its header on.
    pub(crate) fn read(unit: &[u8]) -> Option<Self> {
        let bytes = unescaped(unit);
        let mut bits = Bits::of(&bytes);
        bits.take(8)?;
        let byte = |bits: &mut Bits| u8::try_from(bits.take(8)?).ok();
        let (profile, constraints, level) = (byte(&mut bits)?, byte(&mut bits)?, byte(&mut bits)?);
        let id = bits.exp_golomb().filter(|id| *id < 32)?;
        let (mut chroma_format, mut has_separate_planes, mut is_lossless) = (1, false, false);
        let (mut luma_bits, mut chroma_bits) = (8, 8);
        if names_chroma(profile) {
            chroma_format = bits.exp_golomb().filter(|format| *format <= 3)?;
            has_separate_planes = chroma_format == 3 && bits.flag()?;
            luma_bits = bits.exp_golomb().filter(|bits| *bits <= 6)?.saturating_add(8);
            chroma_bits = bits.exp_golomb().filter(|bits| *bits <= 6)?.saturating_add(8);
            is_lossless = bits.flag()?;
            if bits.flag()? {
                scaling_lists(&mut bits, if chroma_format == 3 { 12 } else { 8 })?;
            }
        }
        let frame_num_bits = small(&mut bits, 12)?.saturating_add(4);
        let poc_type = bits.exp_golomb()?;
        let mut poc_bits = 0;
        match poc_type {
            0 => poc_bits = small(&mut bits, 12)?.saturating_add(4),
            1 => {
                bits.take(1)?;
                bits.signed_exp_golomb()?;
                bits.signed_exp_golomb()?;
                for _ in 0..small(&mut bits, 255)? {
                    bits.signed_exp_golomb()?;
                }
            }
            2 => {}
            _ => return None,
        }
        let references = bits.exp_golomb()?;
        bits.take(1)?;
        let width = bits.exp_golomb()?.checked_add(1)?.checked_mul(16)?;
        let height = bits.exp_golomb()?.checked_add(1)?.checked_mul(16)?;
        let is_frames_only = bits.flag()?;
        if !is_frames_only {
            bits.take(1)?;
        }
        bits.take(1)?;
        let rows = if is_frames_only { 1 } else { 2 };
        let height = height.checked_mul(rows)?;
        let mut size = (width, height);
        if bits.flag()? {
            let subsampled = |is_it: bool| if is_it { 2_u32 } else { 1 };
            let has_chroma = !has_separate_planes;
            let x = subsampled(has_chroma && matches!(chroma_format, 1 | 2));
            let y = subsampled(has_chroma && chroma_format == 1).saturating_mul(rows);
            let mut cropped = |unit: u32| {
                let (one, other) = (bits.exp_golomb()?, bits.exp_golomb()?);
                one.checked_add(other)?.checked_mul(unit)
            };
            size = (width.checked_sub(cropped(x)?)?, height.checked_sub(cropped(y)?)?);
        }
        let vui_at = bits.position();
        let (mut restriction_at, mut reordering_at) = (None, None);
        let vui = if bits.flag()? {
            let mut vui = Vui::read(&mut bits)?;
            restriction_at = Some(bits.position());
            if bits.flag()? {
                bits.take(1)?;
                for _ in 0..4 {
                    bits.exp_golomb()?;
                }
                reordering_at = Some(bits.position());
                vui.restriction =
                    Some(Restriction { reordering: bits.exp_golomb()?, buffering: bits.exp_golomb()? });
            }
            Some(vui)
        } else {
            None
        };
        Some(Self {
            id,
            profile,
            constraints,
            level,
            chroma_format,
            has_separate_planes,
            is_lossless,
            luma_bits,
            chroma_bits,
            frame_num_bits,
            poc_type,
            poc_bits,
            references,
            size,
            is_frames_only,
            vui,
            vui_at,
            restriction_at,
            reordering_at,
        })
    }

    /// pic_struct in a message of a picture's timing (D.1.3): a frame, its fields, which of them first and which twice
    /// (table D-1). None where such messages have none.
    #[cfg(test)]
    pub(crate) fn picture_structure(&self, payload: &[u8]) -> Option<u32> {
        let vui = self.vui.as_ref().filter(|vui| vui.has_pic_struct)?;
        let mut bits = Bits::of(payload);
        if let Some(hrd) = vui.nal_hrd.or(vui.vcl_hrd) {
            bits.take(hrd.removal_delay_bits)?;
            bits.take(hrd.output_delay_bits)?;
        }
        bits.take(4)
    }

    /// What a decoder keeps, as far as the set says.
    pub(crate) fn restriction(&self) -> Option<Restriction> {
        self.vui.as_ref()?.restriction
    }
}

/// An Exp-Golomb code of at most so much.
fn small(bits: &mut Bits, most: usize) -> Option<usize> {
    usize::try_from(bits.exp_golomb()?).ok().filter(|number| *number <= most)
}

fn scaling_lists(bits: &mut Bits, count: usize) -> Option<()> {
    for list in 0..count {
        if !bits.flag()? {
            continue;
        }
        let (mut last, mut next) = (8_i32, 8_i32);
        for _ in 0..if list < 6 { 16 } else { 64 } {
            if next != 0 {
                let delta = bits.signed_exp_golomb()?;
                next = last.checked_add(delta)?.rem_euclid(256);
            }
            last = if next == 0 { last } else { next };
        }
    }
    Some(())
}

impl Vui {
    /// Up to the flag of the restriction.
    fn read(bits: &mut Bits) -> Option<Self> {
        const EXTENDED: usize = 255;
        let mut vui = Self::default();
        if bits.flag()? {
            vui.sample_aspect = match bits.number(8)? {
                EXTENDED => Some((bits.take(16)?, bits.take(16)?)),
                number => ASPECTS.get(number).copied(),
            };
        }
        if bits.flag()? {
            bits.take(1)?;
        }
        if bits.flag()? {
            bits.take(3)?;
            vui.is_full_range = Some(bits.flag()?);
            if bits.flag()? {
                vui.color = Some([bits.take(8)?, bits.take(8)?, bits.take(8)?]);
            }
        }
        if bits.flag()? {
            vui.chroma_location = Some((bits.exp_golomb()?, bits.exp_golomb()?));
        }
        if bits.flag()? {
            vui.timing = Some((bits.take(32)?, bits.take(32)?, bits.flag()?));
        }
        if bits.flag()? {
            vui.nal_hrd = Some(Hrd::read(bits)?);
        }
        if bits.flag()? {
            vui.vcl_hrd = Some(Hrd::read(bits)?);
        }
        if vui.nal_hrd.is_some() || vui.vcl_hrd.is_some() {
            bits.take(1)?;
        }
        vui.has_pic_struct = bits.flag()?;
        Some(vui)
    }
}

impl Hrd {
    fn read(bits: &mut Bits) -> Option<Self> {
        let count = small(bits, 31)?;
        bits.take(8)?;
        for _ in 0..=count {
            bits.exp_golomb()?;
            bits.exp_golomb()?;
            bits.take(1)?;
        }
        let mut length = || Some(bits.number(5)?.saturating_add(1));
        let lengths = (length()?, length()?, length()?);
        let offset_bits = bits.number(5)?;
        Some(Self {
            initial_delay_bits: lengths.0,
            removal_delay_bits: lengths.1,
            output_delay_bits: lengths.2,
            offset_bits,
        })
    }
}
