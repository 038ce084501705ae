//! What is in a source: [`Media`], its description, its timeline, and the demuxer contexts that operations borrow.

mod admit;
mod corrected;
mod counted;
mod demux;
mod extent;
pub(crate) mod flac;
mod fragments;
mod info;
mod keyframe;
pub(crate) mod mp4;
mod open;
mod picture;
mod pool;
mod probe;
mod promise;
mod timeline;

pub use info::{Chapter, Color, DurationFrom, MediaInfo, StreamInfo};
pub use open::Media;

pub(crate) use demux::{Demux, Item, Payloads};
pub(crate) use keyframe::begins_decoding;
pub(crate) use open::Shown;
pub(crate) use pool::Loan;
pub(crate) use timeline::{Span, Timeline};
