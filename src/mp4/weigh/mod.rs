//! What libav would take of memory, and where it would go, told before it reads a file.

mod jumps;
mod load;

pub(crate) use jumps::lead_to_boxes;
pub(crate) use load::{DEPTH, HOLDERS, REFUSED, SAMPLE, Use, part_of, weigh, weigh_samples};
