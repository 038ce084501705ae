//! MP4's boxes, written (ISO/IEC 14496-12): the index of tracks whose samples come from other files' tables.

mod draft;
mod header;
mod moov;
mod put;

pub(crate) use draft::Draft;
pub(crate) use moov::{
    Chapter, Moov, Moved, MoviePlan, TrackPlan, major_brand, needs_wide, with_first_samples,
};
pub(crate) use put::kept as put_box;
