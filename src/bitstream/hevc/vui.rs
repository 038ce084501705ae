//! What a sequence parameter set of HEVC says of how its pictures are shown, behind all that coding tools are told
//! (ITU-T H.265, 7.3.2.2.1 and E.2.1).

use super::Sps;
use crate::bitstream::{bits::Bits, units::unescaped};

/// What is said of colours, and of fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Vui {
    /// Primaries, transfer, matrix.
    pub(crate) color: Option<[u32; 3]>,
    pub(crate) is_full_range: bool,
    /// field_seq_flag: each picture is a single field.
    pub(crate) is_of_fields: bool,
    /// frame_field_info_present_flag: messages of a picture's timing begin with how it is shown.
    pub(crate) tells_pictures: bool,
}

/// A set has no more reference picture sets, nor pictures in one.
const MOST: usize = 64;

impl Vui {
    /// Of a set as it lies in a stream, from its header on. None where it can't be read so far.
    pub(crate) fn read(unit: &[u8]) -> Option<Self> {
        let bytes = unescaped(unit);
        let sps = Sps::read_bytes(&bytes)?;
        let mut bits = Bits::of(&bytes);
        bits.take(sps.ordering_at.1)?;
        // Sizes of blocks.
        for _ in 0..6 {
            bits.exp_golomb()?;
        }
        if bits.flag()? && bits.flag()? {
            scaling_lists(&mut bits)?;
        }
        bits.take(2)?;
        if bits.flag()? {
            bits.take(8)?;
            bits.exp_golomb()?;
            bits.exp_golomb()?;
            bits.take(1)?;
        }
        references(&mut bits)?;
        if bits.flag()? {
            for _ in 0..few(&mut bits)? {
                bits.take(sps.poc_bits.saturating_add(1))?;
            }
        }
        bits.take(2)?;
        if bits.flag()? { of_vui(&mut bits) } else { Some(Self::default()) }
    }
}

fn of_vui(bits: &mut Bits) -> Option<Vui> {
    const EXTENDED: u32 = 255;
    let mut vui = Vui::default();
    // The shape of samples, overscan, the signal with its colours, and where chroma lies.
    if bits.flag()? && bits.take(8)? == EXTENDED {
        bits.take(32)?;
    }
    if bits.flag()? {
        bits.take(1)?;
    }
    if bits.flag()? {
        bits.take(3)?;
        vui.is_full_range = bits.flag()?;
        if bits.flag()? {
            vui.color = Some([bits.take(8)?, bits.take(8)?, bits.take(8)?]);
        }
    }
    if bits.flag()? {
        bits.exp_golomb()?;
        bits.exp_golomb()?;
    }
    bits.take(1)?;
    (vui.is_of_fields, vui.tells_pictures) = (bits.flag()?, bits.flag()?);
    Some(vui)
}

/// A count, of which there are not many.
fn few(bits: &mut Bits) -> Option<usize> {
    usize::try_from(bits.exp_golomb()?).ok().filter(|count| *count <= MOST)
}

/// 7.3.4.
fn scaling_lists(bits: &mut Bits) -> Option<()> {
    // Of each size of blocks: how many numbers a list has, how many lists there are, and whether a mean goes in front.
    for (numbers, lists, has_mean) in [(16, 6, false), (64, 6, false), (64, 6, true), (64, 2, true)] {
        for _ in 0..lists {
            if !bits.flag()? {
                bits.exp_golomb()?;
                continue;
            }
            for _ in 0..usize::from(has_mean).saturating_add(numbers) {
                bits.signed_exp_golomb()?;
            }
        }
    }
    Some(())
}

/// The sets of reference pictures (7.3.7), each of which may be told by the one before (7.4.8).
fn references(bits: &mut Bits) -> Option<()> {
    // How much later each picture of the last set is shown: first those before, then those behind, the nearest first.
    let mut last: Vec<i64> = Vec::new();
    for number in 0..few(bits)? {
        if number > 0 && bits.flag()? {
            let is_less = bits.flag()?;
            let by = i64::from(bits.exp_golomb()?).saturating_add(1);
            let by = if is_less { by.saturating_neg() } else { by };
            let mut own = Vec::new();
            for from in last.iter().copied().chain([0]) {
                let is_there = bits.flag()? || bits.flag()?;
                own.extend(Some(from.saturating_add(by)).filter(|later| is_there && *later != 0));
            }
            let (mut before, mut behind): (Vec<i64>, Vec<i64>) =
                own.into_iter().partition(|later| *later < 0);
            before.sort_unstable_by(|a, b| b.cmp(a));
            behind.sort_unstable();
            last = [before, behind].concat();
        } else {
            let counts = [few(bits)?, few(bits)?];
            last.clear();
            for (count, sign) in counts.into_iter().zip([-1, 1]) {
                let mut later = 0_i64;
                for _ in 0..count {
                    let step = i64::from(bits.exp_golomb()?).saturating_add(1);
                    later = later.saturating_add(step.saturating_mul(sign));
                    bits.take(1)?;
                    last.push(later);
                }
            }
        }
        if last.len() > MOST {
            return None;
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bitstream::bits::BitWriter;

    #[test]
    fn what_x265_says_of_fields() {
        let read = |hex: &str| {
            let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
            let unit: Vec<u8> = (0..hex.len()).step_by(2).map(byte).collect();
            assert_eq!(Vui::read(&unit[..unit.len() / 2]), None);
            Vui::read(&unit).map(|vui| (vui.is_of_fields, vui.tells_pictures))
        };
        // Of whole pictures; with pic-struct=7; with interlace=tff.
        assert_eq!(
            read("42010101600000030090000003000003003ca00a080c1f3e595952930bc05a020000030002000003003210"),
            Some((false, false))
        );
        let told = "42010101600000030090000003000003003ca00a080b9f796566924caf016828000003000800000300c840";
        assert_eq!(read(told), Some((false, true)));
        assert_eq!(
            read("42010101600000030040000003000003003ca00a080c1f3e595952930bc05a1a0000030002000003003210"),
            Some((true, true))
        );
    }

    #[test]
    fn sets_of_references_are_passed_over() {
        let mut writer = BitWriter::default();
        let put = |writer: &mut BitWriter, numbers: &[u32]| {
            numbers.iter().for_each(|number| writer.put_exp_golomb(*number));
        };
        put(&mut writer, &[3]);
        // Two pictures before, 1 and 3 away, and one behind, 2 away; each is used.
        put(&mut writer, &[2, 1]);
        for step in [0, 1, 1] {
            put(&mut writer, &[step]);
            writer.put(1, 1);
        }
        // By the last, two later: of -1, -3, 2 and 0 these are 1, -1, 4 (left out) and 2.
        writer.put(0b10, 2);
        put(&mut writer, &[1]);
        writer.put(0b11_00_01, 6);
        // One less than those three: 0 is none of them.
        writer.put(0b11, 2);
        put(&mut writer, &[0]);
        writer.put(0b1111, 4);
        writer.put(0b1011_0101, 8);
        let bytes = writer.into_bytes();
        let mut bits = Bits::of(&bytes);
        references(&mut bits).unwrap();
        assert_eq!(bits.take(8), Some(0b1011_0101));
    }
}
