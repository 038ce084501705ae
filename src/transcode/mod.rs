//! Transcoding: decode, process, encode.
//!
//! Rooms import one way: `settings` ← `filters`, `encoders` ← `flow` ← `plan` ← `operations`.

mod encoders;
mod filters;
mod flow;
mod operations;
mod plan;
mod settings;

pub use flow::process::processor::{Packet, Processor};
pub use operations::{
    Transcoder, cut, cut_to, join_with_transition, join_with_transition_to, transcode, transcode_segments,
    transcode_to,
};
pub use settings::{
    AtEnd, AudioCodec, AudioFilter, AudioSettings, Fit, Fragment, Loudness, Overlay, Position, Preset,
    SegmentType, Segments, Transcode, Transition, VideoCodec, VideoFilter, VideoSettings, Watermark,
};
