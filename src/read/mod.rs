//! Packets of a source for all roads: from the place where decoding has to begin, on a clock that goes on.

mod jumps;
pub(crate) mod leadin;

pub(crate) use jumps::{Jumps, jumped};
