//! Where bytes come from and go to, beside [`Source`], [`Rope`] and [`Sink`]:
//! sources of the caller's own ([`ReadAt`]), how ropes are read and saved, and channels of bytes.

pub(crate) mod avio;
mod builder;
mod callback;
mod channel;
mod far;
mod file;
pub(crate) mod files;
mod map;
mod os;
mod reader;
pub(crate) mod rope;
mod save;
pub(crate) mod sink;
pub(crate) mod source;
mod source_reader;
mod stream;

pub use channel::{ChunkReceiver, ChunkSender, channel};
pub use far::{Hints, ReadAt};
pub use reader::{Chunks, RopeReader};
pub use rope::RopeSlice;
pub use save::SaveOptions;

pub(crate) use builder::Builder;
pub(crate) use file::FileSource;
pub(crate) use rope::Rope;
pub(crate) use save::PartialFile;
pub(crate) use sink::{Sink, SinkKind, StreamSink};
pub(crate) use source::Source;
pub(crate) use source_reader::{Resumed, SourceReader};
