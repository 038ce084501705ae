//! What is in a source, as [`Media`] describes it.
//!
//! Inside, the room has its timeline as well, and the demuxer contexts that operations borrow.

mod admit;
mod codec_string;
mod corrected;
mod counted;
mod demux;
mod extent;
pub(crate) mod flac;
mod found;
mod fragments;
mod header;
mod info;
mod init;
mod item;
pub(crate) mod keyframe;
mod lengths;
mod movie;
mod open;
pub(crate) mod opened;
mod order;
mod picture;
mod pool;
mod probe;
mod promise;
mod search;
mod stretches;
mod tags;
mod timeline;
mod torn;

pub use crate::av::stream::StreamKind;
pub use info::{Chapter, Color, DurationFrom, MediaInfo, StreamInfo};

pub(crate) use demux::{Demux, Payloads};
pub(crate) use header::{Known, is_of_writing};
pub(crate) use item::Item;
pub(crate) use keyframe::begins_decoding;
pub(crate) use opened::{Media, PictureOrMedia};
pub(crate) use pool::Loan;
pub(crate) use timeline::{Span, Timeline};
