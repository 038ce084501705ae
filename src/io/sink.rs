//! [`Sink`]: where a result goes when it does not stay a [`Rope`](crate::Rope).

use super::SaveOptions;
use bytes::Bytes;
use crossbeam_channel::Sender;
use std::{fmt, io::Write, path::PathBuf};

/// Where a result goes. Operations return a [`Rope`](crate::Rope) by themselves; their `…_to` forms take a sink.
///
/// A file is written under a temporary name in its folder and then renamed: a reader never sees half of it, and a job
/// that fails or is cancelled leaves nothing. A channel and a writer get the bytes in order.
pub struct Sink(SinkKind);

pub(crate) enum SinkKind {
    File { path: PathBuf, options: SaveOptions },
    Channel(Sender<Bytes>),
    Writer(Box<dyn Write + Send>),
}

impl Sink {
    /// A new file. An existing one is an error.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self(SinkKind::File { path: path.into(), options: SaveOptions::new() })
    }

    /// A file that takes the place of an existing one, if there is one, when it is complete.
    pub fn replace(path: impl Into<PathBuf>) -> Self {
        Self(SinkKind::File { path: path.into(), options: SaveOptions::new().overwrite(true) })
    }

    /// Chunks into a channel. Make it bounded: the operation waits when it is full, and ends with an error when the
    /// receiver is gone.
    pub fn channel(chunks: Sender<Bytes>) -> Self {
        Self(SinkKind::Channel(chunks))
    }

    /// Anything that can be written to.
    pub fn writer(writer: impl Write + Send + 'static) -> Self {
        Self(SinkKind::Writer(Box::new(writer)))
    }

    /// Of a file: wait until the disk has it ([`SaveOptions::sync`]). Off by default. Nothing else is changed by it.
    #[must_use]
    pub fn sync(mut self, on: bool) -> Self {
        if let SinkKind::File { options, .. } = &mut self.0 {
            options.sync = on;
        }
        self
    }

    pub(crate) fn into_kind(self) -> SinkKind {
        self.0
    }
}

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            SinkKind::File { path, options } => {
                f.debug_struct("File").field("path", path).field("options", options).finish()
            }
            SinkKind::Channel(_) => f.write_str("Channel"),
            SinkKind::Writer(_) => f.write_str("Writer"),
        }
    }
}
