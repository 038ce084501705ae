//! [`Processor`]: what a caller does to frames and packets on their way.

use crate::{Frame, Result, StreamKind, Timestamp, av::packet::Packet as Raw, time::Rational};
use std::fmt;
use std::time::Duration;

/// One step of a chain: items come in, and none, one or many go on. Each does one thing.
///
/// The item is a [`Frame`] (a picture or a stretch of sound) or a [`Packet`] (coded, in front of the muxer).
/// A processor runs on a thread of its job; its error ends the job, and so does its panic, as
/// [`ErrorKind::Bug`](crate::ErrorKind::Bug).
///
/// ```
/// use avrope::{Result, frames::Frame, transcode::Processor};
///
/// /// Turns pictures upside down in brightness.
/// struct Negative;
///
/// impl Processor<Frame> for Negative {
///     fn format(&self) -> Option<&str> {
///         Some("gray")
///     }
///
///     fn process(&mut self, mut frame: Frame, next: &mut dyn FnMut(Frame) -> Result<()>) -> Result<()> {
///         for byte in frame.plane_mut(0)? {
///             *byte = 255 - *byte;
///         }
///         next(frame)
///     }
/// }
/// ```
pub trait Processor<T>: Send {
    /// The pixel or sample format that this step wants its frames in, by libav's name (`rgba`, `yuv420p`,
    /// `fltp`); None for whatever comes. Frames are converted, and brought from a device into memory, before
    /// they come here.
    fn format(&self) -> Option<&str> {
        None
    }

    /// Takes one item, and hands on what becomes of it.
    ///
    /// Errors: whatever the step can't do; `next` gives the errors of the steps behind, to be handed back.
    fn process(&mut self, item: T, next: &mut dyn FnMut(T) -> Result<()>) -> Result<()>;

    /// No more will come: what was held back goes on now.
    ///
    /// Errors: as for [`process`](Self::process).
    fn finish(&mut self, next: &mut dyn FnMut(T) -> Result<()>) -> Result<()> {
        let _ = next;
        Ok(())
    }
}

/// What the pictures, or the sound, of a job go through.
pub(crate) type FrameProcessors = Vec<Box<dyn Processor<Frame>>>;

/// What its packets go through.
pub(crate) type PacketProcessors = Vec<Box<dyn Processor<Packet>>>;

/// The caller's processors of frames.
#[derive(Default)]
pub(crate) struct Processors {
    pub video: FrameProcessors,
    pub audio: FrameProcessors,
}

/// Coded bytes on their way to the muxer.
pub struct Packet {
    pub(crate) raw: Raw,
    pub(crate) base: Rational,
    pub(crate) track: usize,
    pub(crate) kind: StreamKind,
}

impl Packet {
    /// The result's track that it is for, counted from 0.
    pub fn track(&self) -> usize {
        self.track
    }

    /// What kind of track that is.
    pub fn kind(&self) -> StreamKind {
        self.kind
    }

    /// The coded bytes, in the form that the container wants them in.
    pub fn data(&self) -> &[u8] {
        self.raw.data()
    }

    /// Replaces the coded bytes; times and flags stay.
    ///
    /// Errors: LimitExceeded if there is no memory.
    pub fn set_data(&mut self, bytes: &[u8]) -> Result<()> {
        self.raw = self.raw.with_data(bytes)?;
        Ok(())
    }

    /// Whether decoding can begin here.
    pub fn is_key(&self) -> bool {
        self.raw.is_key()
    }

    /// When it is shown, on the result's clock; a codec's priming lies before 0.
    pub fn time(&self) -> Option<Timestamp> {
        self.raw.pts().map(|pts| Timestamp::from_ticks(pts, self.base))
    }

    /// When it is decoded.
    pub fn decode_time(&self) -> Option<Timestamp> {
        self.raw.dts().map(|dts| Timestamp::from_ticks(dts, self.base))
    }

    /// How long it lasts; zero where that is not known.
    pub fn duration(&self) -> Duration {
        Timestamp::from_ticks(self.raw.duration(), self.base).length()
    }
}

impl fmt::Debug for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Packet")
            .field("track", &self.track)
            .field("time", &self.time())
            .field("bytes", &self.raw.size())
            .field("key", &self.is_key())
            .finish()
    }
}

/// Sends an item through the steps of a chain.
pub(crate) fn pass<T>(
    chain: &mut [Box<dyn Processor<T>>],
    item: T,
    end: &mut dyn FnMut(T) -> Result<()>,
) -> Result<()> {
    match chain.split_first_mut() {
        None => end(item),
        Some((step, rest)) => step.process(item, &mut |item| pass(rest, item, end)),
    }
}

/// Ends the steps of a chain, one after the other.
pub(crate) fn end<T>(
    chain: &mut [Box<dyn Processor<T>>],
    last: &mut dyn FnMut(T) -> Result<()>,
) -> Result<()> {
    match chain.split_first_mut() {
        None => Ok(()),
        Some((step, rest)) => {
            step.finish(&mut |item| pass(rest, item, last))?;
            end(rest, last)
        }
    }
}
