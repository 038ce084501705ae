//! MP4's boxes and tables, read and written (ISO/IEC 14496-12), without libav.

mod boxes;
mod flat;
mod fragments;
mod movie;
mod sample;
mod sample_tables;
mod scan;
mod strip;
mod tables;
mod times;
mod view;
mod weigh;
mod writing;

pub(crate) use boxes::{Place, Read, boxes, boxes_of_file, exactly, in_memory, name};
pub(crate) use fragments::{Segment, SegmentIndex, TrackAccess, read_mfra};
pub(crate) use movie::{
    Movie, Track,
    edits::{Edit, media_at},
    load, without_fragments,
};
pub(crate) use sample::{MOST_OFFSET, Sample, Totals};
pub(crate) use sample_tables::{Description, InChunks, SampleRun, Samples};
pub(crate) use scan::Fragments;
pub(crate) use tables::{Tables, TrackTimes};
pub(crate) use view::View;
pub(crate) use weigh::{DEPTH, HOLDERS, REFUSED, SAMPLE, Use, lead_to_boxes, part_of, weigh, weigh_samples};
pub(crate) use writing::{
    Chapter, Draft, First, Meta, Moov, MovedItems, MoviePlan, TrackPlan, major_brand, needs_wide, put_box,
    with_first_samples,
};
