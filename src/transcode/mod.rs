//! What transcoding is told beside [`Transcode`](crate::Transcode): codecs, filters, watermarks and
//! transitions; and a [`Transcoder`] with [`Processor`]s of the caller's own.
//!
//! Inside, rooms import one way: `settings` ← `filters`, `encoders` ← `flow` ← `plan` ← `operations`.

mod encoders;
mod filters;
pub(crate) mod flow;
pub(crate) mod operations;
mod plan;
pub(crate) mod settings;

pub use flow::process::processor::{Packet, Processor};
pub use operations::Transcoder;
pub use settings::{
    AtEnd, AudioCodec, AudioFilter, AudioSettings, Fit, Fragment, Loudness, Overlay, Position, Preset,
    Transition, VideoCodec, VideoFilter, VideoSettings, Watermark,
};
