//! Where packets become a file: targets with their tracks, the clock of each, what a stream says of itself in
//! its new place, and how an MP4 is laid out. [`runner`] takes a job into a rope, a sink or many files.

pub(crate) mod clock;
mod container;
mod edits;
pub(crate) mod index;
mod interleave;
mod job;
mod layout;
pub(crate) mod numbering;
mod operation;
mod runner;
mod shown;
pub(crate) mod target;
mod timecode;
pub(crate) mod track;

pub(crate) use container::{are_kin, format_like, is_mov};
#[cfg(fuzzing)]
pub(crate) use index::rewritten;
pub use job::Job;
pub(crate) use operation::Operation;
pub use runner::Clip;

/// What a report says of sound that begins within a frame.
pub(crate) fn lacks_frame(stream: usize) -> String {
    format!(
        "stream {stream}: its first packet is no whole frame, and is left out: the sound begins with the next one"
    )
}
