//! Packets of a source for all roads: from the place where decoding has to begin, on a clock that goes on.

mod end;
mod grid;
mod jumps;
mod leadin;
mod need;
mod pictures;
mod reader;
mod sound;

pub(crate) use end::end_before;
pub(crate) use grid::Grid;
pub(crate) use need::{Need, preroll_of, rounding_of};
pub(crate) use pictures::read_pictures;
pub(crate) use reader::{Noted, Reader, Stretch};
