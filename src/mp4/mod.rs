//! MP4's boxes and tables, read only (ISO/IEC 14496-12), without libav.

mod boxes;
mod chunks;
mod description;
mod fields;
mod fragments;
mod groups;
mod index;
mod jumps;
mod load;
mod movie;
mod packed;
mod runs;
mod sample;
mod samples;
mod scan;
mod sizes;
mod sync;
mod table;
mod tables;
mod times;
mod view;

pub(crate) use boxes::{Place, Read, boxes, boxes_of_file, exactly, in_memory, name};
pub(crate) use index::{SegmentIndex, TrackAccess};
pub(crate) use jumps::lead_to_boxes;
pub(crate) use load::{HOLDERS, REFUSED, SAMPLE, Use, part_of, weigh, weigh_samples};
pub(crate) use movie::{Movie, Track as MovieTrack};
pub(crate) use sample::{Sample, Totals};
pub(crate) use scan::Fragments;
pub(crate) use tables::{Edit, Tables, Track};
pub(crate) use view::View;
