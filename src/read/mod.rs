//! Packets of a source for all roads: from the place where decoding has to begin, on a clock that goes on.

mod end;
mod jumps;
mod leadin;
mod need;
mod pictures;
mod reader;
mod sound;

pub(crate) use end::end_before;
pub(crate) use need::{Need, preroll_of};
pub(crate) use pictures::read_pictures;
pub(crate) use reader::{Noted, Reader, Stretch};
