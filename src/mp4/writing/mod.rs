//! MP4's boxes, written (ISO/IEC 14496-12): the index of tracks whose samples come from other files' tables.

mod auxiliary;
mod composed;
mod draft;
mod extras;
mod header;
mod items;
mod kept;
mod moov;
mod parts;
mod picture;
mod put;
mod runs;
mod shadows;

pub(crate) use draft::Draft;
pub(crate) use items::{Meta, MovedItems};
pub(crate) use kept::{First, with_first_samples};
pub(super) use moov::OF_SAMPLES;
pub(crate) use moov::{Chapter, Moov, MoviePlan, TrackPlan, major_brand, needs_wide};
pub(super) use put::boxed as put_boxed;
pub(crate) use put::kept as put_box;
