//! H.264 (ITU-T H.264, ISO/IEC 14496-10): its units, parameter sets and the beginnings of its slices.

mod rewrite;
mod slice;
mod sps;

pub(crate) use rewrite::{with_idr_number, with_reordering};
pub(crate) use slice::{Pps, Slice, Structure};
#[cfg(test)]
pub(crate) use sps::{Hrd, Vui};
pub(crate) use sps::{Restriction, Sps};

/// Kinds of units (table 7-1).
pub(crate) const SLICE: u8 = 1;
pub(crate) const PARTITION_A: u8 = 2;
pub(crate) const IDR: u8 = 5;
pub(crate) const SEI: u8 = 6;
pub(crate) const SPS: u8 = 7;
pub(crate) const PPS: u8 = 8;
/// What tells that a picture begins.
pub(crate) const DELIMITER: u8 = 9;
pub(crate) const SPS_EXTENSION: u8 = 13;
/// What says more of the slice behind it, for layers and views.
pub(crate) const PREFIX: u8 = 14;
pub(crate) const SUBSET_SPS: u8 = 15;
/// A slice of an auxiliary picture (alpha).
pub(crate) const AUXILIARY: u8 = 19;
/// A slice of another layer or view (SVC, MVC), and of a depth view.
pub(crate) const EXTENSION: u8 = 20;
pub(crate) const DEPTH_EXTENSION: u8 = 21;

/// The kind of a unit, by its first byte.
pub(crate) fn kind(unit: &[u8]) -> Option<u8> {
    unit.first().map(|first| first & 31)
}
