//! Movie fragments (ISO/IEC 14496-12, 8.8), and the indices that lead to them (8.16.3, 8.8.9).

mod index;
mod run;

pub(crate) use index::{Segment, SegmentIndex, TrackAccess, read_mfra};
pub(crate) use run::{Defaults, Expected, FragmentRun, count_runs, read_moof};
