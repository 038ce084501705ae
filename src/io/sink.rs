//! [`Sink`]: where a result goes when it does not stay a [`Rope`](crate::Rope).

use super::{ChunkSender, SaveOptions};
use crate::Result;
use bytes::Bytes;
use std::{
    fmt,
    io::{Seek, Write},
    path::PathBuf,
};

/// Where a result goes. Operations return a [`Rope`](crate::Rope) by themselves; their `…_to` forms take a
/// sink.
///
/// A file is written under a temporary name in its folder and then renamed: a reader never sees half of it,
/// and a job that fails or is cancelled leaves nothing. A channel, a closure and a writer get the bytes in
/// order; what is written at last into a header that they have already, they do not get (the length of a
/// Matroska, say), and containers that are not right without it are refused (AVI).
/// [`seekable`](Self::seekable) goes back.
pub struct Sink(SinkKind);

pub(crate) enum SinkKind {
    File { path: PathBuf, options: SaveOptions },
    Stream(StreamSink),
}

/// What is written to in order.
pub(crate) enum StreamSink {
    Channel(ChunkSender),
    Each(Box<dyn FnMut(Bytes) -> Result<()> + Send>),
    Writer(Box<dyn Write + Send>),
    Seekable(Box<dyn WriteSeek>),
}

pub(crate) trait WriteSeek: Write + Seek + Send {}

impl<T: Write + Seek + Send> WriteSeek for T {}

impl Sink {
    /// A new file. An existing one is an error.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self(SinkKind::File { path: path.into(), options: SaveOptions::new() })
    }

    /// A file that takes the place of an existing one, if there is one, when it is complete.
    pub fn replace(path: impl Into<PathBuf>) -> Self {
        Self(SinkKind::File { path: path.into(), options: SaveOptions::new().overwrite(true) })
    }

    /// Chunks into a [`channel`](super::channel): the operation waits when it is full, and ends with an error
    /// when the receiver is gone. The receiver sees the end only of a result that is complete.
    pub fn channel(chunks: ChunkSender) -> Self {
        Self(SinkKind::Stream(StreamSink::Channel(chunks)))
    }

    /// Each chunk to a closure, in order, none of them empty. What is in memory or mapped comes without a
    /// copy. An error of the closure ends the operation, and is its error; so does a panic
    /// ([`Bug`](crate::ErrorKind::Bug)).
    ///
    /// ```no_run
    /// use avrope::{Control, Media, Remux, Sink, Source, remux_to};
    /// let media = Media::open(Source::open("talk.mkv")?)?;
    /// let mut sent = 0;
    /// let sink = Sink::each(move |chunk| {
    ///     sent += chunk.len();
    ///     println!("{sent} bytes");
    ///     Ok(())
    /// });
    /// remux_to(&media, &Remux::new().format("ts"), sink, &Control::new())?;
    /// # Ok::<(), avrope::Error>(())
    /// ```
    pub fn each(take: impl FnMut(Bytes) -> Result<()> + Send + 'static) -> Self {
        Self(SinkKind::Stream(StreamSink::Each(Box::new(take))))
    }

    /// Anything that can be written to, in order.
    pub fn writer(writer: impl Write + Send + 'static) -> Self {
        Self(SinkKind::Stream(StreamSink::Writer(Box::new(writer))))
    }

    /// Anything that can be written to and go back: the result begins where it stands, and its header is
    /// completed at the end, as in a file. It is left behind the result. (An MP4 comes in order also here,
    /// its index first.)
    pub fn seekable(writer: impl Write + Seek + Send + 'static) -> Self {
        Self(SinkKind::Stream(StreamSink::Seekable(Box::new(writer))))
    }

    /// Of a file: wait until the disk has it ([`SaveOptions::sync`]). Off by default. Nothing else is changed
    /// by it.
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
            SinkKind::Stream(StreamSink::Channel(_)) => f.write_str("Channel"),
            SinkKind::Stream(StreamSink::Each(_)) => f.write_str("Each"),
            SinkKind::Stream(StreamSink::Writer(_)) => f.write_str("Writer"),
            SinkKind::Stream(StreamSink::Seekable(_)) => f.write_str("Seekable"),
        }
    }
}
