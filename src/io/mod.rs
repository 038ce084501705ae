//! Where bytes come from and go to, beside [`Source`], [`Rope`] and [`Sink`]:
//! sources of the caller's own ([`ReadAt`]), how ropes are read and saved, and channels of bytes.

pub(crate) mod avio;
mod builder;
mod callback;
mod channel;
mod file;
pub(crate) mod files;
mod map;
mod os;
pub(crate) mod rope;
mod save;
pub(crate) mod sink;
mod stream;

pub use channel::{ChunkReceiver, ChunkSender, channel};
pub use rope::{Chunks, Hints, ReadAt, RopeReader, RopeSlice};
pub use save::SaveOptions;

pub(crate) use builder::Builder;
pub(crate) use file::FileSource;
pub(crate) use rope::{Resumed, Rope, Source, SourceReader};
pub(crate) use save::PartialFile;
pub(crate) use sink::{Sink, SinkKind, StreamSink};
