//! MP4's boxes and tables, read only (ISO/IEC 14496-12), without libav.

mod boxes;
mod jumps;
mod load;
mod packed;
mod samples;
mod tables;

pub(crate) use boxes::{Place, boxes, exactly, in_memory};
pub(crate) use jumps::lead_to_boxes;
pub(crate) use load::{REFUSED, SAMPLE, Use, part_of, weigh, weigh_samples};
#[cfg(test)]
pub(crate) use tables::Edit;
pub(crate) use tables::{Tables, Track};
