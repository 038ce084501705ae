//! Where bytes come from and go to: [`Source`], [`Rope`], [`Sink`], and the way of a rope into a file.

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
mod rope;
mod save;
mod sink;
mod source;
pub(crate) mod stream;

pub use channel::{ChunkReceiver, ChunkSender, channel};
pub use far::{Hints, ReadAt};
pub use reader::{Chunks, RopeReader};
pub use rope::{Rope, RopeSlice};
pub use save::SaveOptions;
pub use sink::Sink;
pub use source::Source;

pub(crate) use builder::Builder;
pub(crate) use file::FileSource;
pub(crate) use save::PartialFile;
pub(crate) use sink::{SinkKind, StreamSink};
pub(crate) use source::SourceReader;
