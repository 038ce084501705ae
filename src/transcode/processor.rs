//! [`Processor`]: what a caller does to frames and packets on their way.

use crate::{Frame, Result};

/// One step of a chain: items come in, and none, one or many go on. Each does one thing.
///
/// The item is a [`Frame`]: a picture or a stretch of sound.
/// A processor runs on a thread of its job; its error ends the job, and so does its panic, as [`ErrorKind::Bug`](crate::ErrorKind::Bug).
///
/// ```
/// use avrope::{Frame, Processor, Result};
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
    /// The pixel or sample format that this step wants its frames in, by libav's name (`rgba`, `yuv420p`, `fltp`); None for
    /// whatever comes. Frames are converted, and brought from a device into memory, before they come here.
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

/// The frame processors of one stream.
pub(super) type Chain = Vec<Box<dyn Processor<Frame>>>;
