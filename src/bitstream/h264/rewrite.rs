//! A sequence parameter set with another promise of how pictures are reordered.

use super::{Sps, sps::Restriction};
use crate::bitstream::{
    bits::{BitWriter, Bits},
    units::{escaped, unescaped},
};

/// A set as it lies in a stream, with this promise (E.2.1) in place of its own or added to it, so that a decoder that
/// goes from one encoder's pictures to another's keeps its delay. None where the set can't be read.
pub(crate) fn with_reordering(unit: &[u8], restriction: Restriction) -> Option<Vec<u8>> {
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
    Some(escaped(&writer.into_bytes()))
}
