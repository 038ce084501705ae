//! A sequence parameter set with another promise of how pictures are reordered; a slice of another number of its IDR
//! picture.

use super::{Slice, Sps, sps::Restriction};
use crate::bitstream::{
    bits::{BitWriter, Bits},
    units::{escaped, unescaped},
};

/// A set as it lies in a stream, with this promise (E.2.1) in place of its own or added to it, and the level that
/// allows it (A.3.1), so that a decoder that goes from one encoder's pictures to another's keeps its delay. None where
/// the set can't be read.
pub(crate) fn with_reordering(unit: &[u8], restriction: Restriction, level: u8) -> Option<Vec<u8>> {
    let sps = Sps::read(unit)?;
    let bytes = unescaped(unit);
    let mut bits = Bits::of(&bytes);
    let mut writer = BitWriter::default();
    if let Some(at) = sps.reordering_at {
        writer.put_from(&mut bits, at)?;
    } else {
        if let Some(at) = sps.restriction_at {
            writer.put_from(&mut bits, at)?;
        } else {
            writer.put_from(&mut bits, sps.vui_at)?;
            // A VUI that says nothing: none of its eight parts.
            writer.put(1, 1);
            writer.put(0, 8);
        }
        // What holds where nothing is said: motion over the edges, 2 and 1 of size, 2^15 of motion.
        writer.put(0b11, 2);
        [2, 1, 15, 15].into_iter().for_each(|value| writer.put_exp_golomb(value));
    }
    writer.put_exp_golomb(restriction.reordering);
    writer.put_exp_golomb(restriction.buffering);
    // The end of a unit: a bit, and zeros up to a byte (7.3.2.11).
    writer.put(1, 1);
    let mut changed = writer.into_bytes();
    // Behind the header of the unit, the profile and its constraints.
    *changed.get_mut(3)? = level;
    Some(escaped(&changed))
}

/// A slice of an IDR picture as it lies in a stream, with another idr_pic_id (7.4.3): two such pictures that follow on
/// each other have other ones. What is behind it begins at a whole byte (arithmetic coding), so the new code is longer
/// by one byte: it is one of 15 to 30 for 0, which is what encoders count from, 31 to 62 for 1 or 2, and so on. `turn`
/// says which. None where the slice can't be read.
pub(crate) fn with_idr_number(unit: &[u8], sps: &Sps, turn: u32) -> Option<Vec<u8>> {
    let bytes = unescaped(unit);
    let mut bits = Bits::of(&bytes);
    if !Slice::read(unit)?.is_idr {
        return None;
    }
    bits.take(8)?;
    [(); 3].iter().try_for_each(|()| bits.exp_golomb().map(drop))?;
    bits.take(if sps.has_separate_planes { 2 } else { 0 })?;
    bits.take(sps.frame_num_bits)?;
    if !sps.is_frames_only && bits.flag()? {
        bits.take(1)?;
    }
    let at = bits.position();
    let zeros = bits.exp_golomb()?.saturating_add(1).checked_ilog2()?;
    let numbers = 1_u32.checked_shl(zeros.checked_add(4)?)?;
    // idr_pic_id is of 16 bits.
    let number =
        numbers.checked_sub(1)?.checked_add(turn.checked_rem(numbers)?).filter(|id| *id < 1 << 16)?;
    let mut writer = BitWriter::default();
    writer.put_from(&mut Bits::of(&bytes), at)?;
    writer.put_exp_golomb(number);
    writer.put_rest(bits);
    Some(escaped(&writer.into_bytes()))
}
