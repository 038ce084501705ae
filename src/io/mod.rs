//! Where bytes come from and go to: [`Source`], [`Rope`], [`Sink`], and the way of a rope into a file.

pub(crate) mod avio;
mod file;
mod map;
mod readahead;
mod rope;
mod save;
mod sink;
mod source;

pub use readahead::Hints;
pub use rope::{Chunks, Rope, RopeReader, Segment};
pub use save::SaveOptions;
pub use sink::Sink;
pub use source::{ReadAt, Source};

pub(crate) use file::FileSource;
pub(crate) use rope::Builder;
pub(crate) use save::PartialFile;
pub(crate) use sink::SinkKind;
pub(crate) use source::SourceReader;
