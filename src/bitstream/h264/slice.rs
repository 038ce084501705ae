//! The beginnings of slices (7.3.3) and of picture parameter sets (7.3.2.2).

use super::{IDR, Sps, kind};
use crate::bitstream::{bits::Bits, units::unescaped};

/// So much of a unit holds all that is read here, emulation bytes included.
const BEGINNING: usize = 64;

fn beginning(unit: &[u8]) -> Vec<u8> {
    unescaped(unit.get(..BEGINNING).unwrap_or(unit))
}

/// The ids of a picture parameter set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pps {
    pub(crate) id: u32,
    pub(crate) sps: u32,
    pub(crate) is_cabac: bool,
}

impl Pps {
    /// A set as it lies in a stream, from its header on.
    pub(crate) fn read(unit: &[u8]) -> Option<Self> {
        let bytes = beginning(unit);
        let mut bits = Bits::of(&bytes);
        bits.take(8)?;
        let id = bits.exp_golomb().filter(|id| *id < 256)?;
        let sps = bits.exp_golomb().filter(|id| *id < 32)?;
        Some(Self { id, sps, is_cabac: bits.flag()? })
    }
}

/// What a slice says in front.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slice {
    pub(crate) is_idr: bool,
    /// Other pictures may refer to its picture.
    pub(crate) is_reference: bool,
    pub(crate) first_macroblock: u32,
    /// 0 P, 1 B, 2 I, 3 SP, 4 SI.
    pub(crate) kind: u32,
    pub(crate) pps: u32,
}

/// Whether a slice is of a frame, or of which field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Structure {
    Frame,
    Top,
    Bottom,
}

impl Slice {
    /// A slice as it lies in a stream, from the header of its unit on.
    pub(crate) fn read(unit: &[u8]) -> Option<Self> {
        Self::read_behind(unit, &mut Bits::of(&beginning(unit)))
    }

    fn read_behind(unit: &[u8], bits: &mut Bits) -> Option<Self> {
        bits.take(8)?;
        let first_macroblock = bits.exp_golomb()?;
        let kind_of_slice = bits.exp_golomb().filter(|kind| *kind < 10)?;
        Some(Self {
            is_idr: kind(unit)? == IDR,
            is_reference: unit.first()? >> 5 & 3 != 0,
            first_macroblock,
            kind: kind_of_slice % 5,
            pps: bits.exp_golomb().filter(|id| *id < 256)?,
        })
    }

    /// Refers to no other picture.
    pub(crate) fn is_intra(&self) -> bool {
        matches!(self.kind, 2 | 4)
    }

    /// The slice's frame_num and what it is of, by its sequence's set.
    pub(crate) fn structure(unit: &[u8], sps: &Sps) -> Option<(u32, Structure)> {
        let bytes = beginning(unit);
        let mut bits = Bits::of(&bytes);
        Self::read_behind(unit, &mut bits)?;
        if sps.has_separate_planes {
            bits.take(2)?;
        }
        let frame_num = bits.take(sps.frame_num_bits)?;
        let structure = if sps.is_frames_only || !bits.flag()? {
            Structure::Frame
        } else if bits.flag()? {
            Structure::Bottom
        } else {
            Structure::Top
        };
        Some((frame_num, structure))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_begin_alike() {
        // first_mb 0 (1), type 7 (0001000), pps 0 (1); then type 1 (010), pps 15 (000010000).
        let i = Slice::read(&[0x65, 0b1000_1000, 0b1000_0000]).unwrap();
        assert_eq!((i.is_idr, i.is_reference, i.is_intra(), i.pps), (true, true, true, 0));
        let b = Slice::read(&[0x01, 0b1010_0000, 0b1000_0000]).unwrap();
        assert_eq!((b.is_idr, b.is_reference, b.is_intra(), b.kind, b.pps), (false, false, false, 1, 15));
        assert_eq!(Slice::read(&[0x65]), None);
        assert_eq!(Pps::read(&[0x68, 0b1011_1000]), Some(Pps { id: 0, sps: 2, is_cabac: true }));
    }
}
