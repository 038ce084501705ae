//! avrope is an in-process media engine over libav (FFmpeg's libraries): cut, join and remux inside the
//! caller's process. Bytes in, bytes out. A payload byte that need not change is neither read nor copied: it
//! passes from input to output as a slice of its source.
//!
//! ```no_run
//! use avrope::{Control, Cut, Media, Source, TimeRange, cut, io::SaveOptions};
//!
//! fn main() -> avrope::Result<()> {
//!     let control = Control::default();
//!     let media = Media::open(Source::open("talk.mp4")?)?;
//!     let range = TimeRange::secs(10.0, 20.0)?;
//!     let clip = cut(&media, &Cut::new().keep(range), &control)?;
//!     println!("{} packets, {} bytes copied", clip.report.packets, clip.report.payload_copied);
//!     clip.rope.save("clip.mp4", SaveOptions::new(), &control)
//! }
//! ```
//!
//! # Nouns
//!
//! - [`Source`]: where bytes come from: a file, memory, anything with `read_at`, a stream.
//! - [`Rope`]: a sequence of byte slices that reads as one. A clip is a rope: a few owned header bytes and a
//!   few slices of the source, resolved when it is read, sent or saved.
//! - [`Media`]: an opened, indexed source. Opening is paid once; many operations, also at the same time,
//!   follow from it.
//! - [`cut`], [`join`], [`remux`]: operations that copy. They return a [`Clip`] (rope and report), or write
//!   to a [`Sink`] (`cut_to`…).
//! - [`transcode()`], [`transcode_segments`], [`join_with_transition`]: operations that decode and encode.
//! - [`Job`]: an operation with all that it needs, owned: what waits in a queue and runs on another thread.
//! - [`Control`]: what the caller holds over a job: cancel, deadline, progress, limits.
//! - [`Report`]: what happened, in numbers.
//!
//! What these take and hold lies in modules: [`mod@transcode`] has codecs, filters and processors, [`io`]
//! sources of the caller's own and how ropes are read and saved, [`media`] what a source is said to be,
//! [`hardware`] the devices that jobs share.
//!
//! # Time
//!
//! A [`TimeRange`] is `[from, to)` on the presentation clock, 0 being the source's start time; a time is
//! rounded to the nearest tick of the stream.
//!
//! # Files and trust
//!
//! Inputs are not trusted: the demuxer is chosen from a list, and nothing that a file says opens another file
//! or a host. A file that is truncated, replaced or rewritten while it is a source gives an error, never a
//! crash. What a job may use up is bounded ([`Limits`] has a table of the defaults, which are for files of
//! strangers), and options of encoders and containers touch no files
//! ([`Transcode::allow_options_that_touch_files`]); filter graphs are trusted. There are no globals but
//! libav's log callback, which belongs to the process: see [`log`].
//!
//! # Features
//!
//! - `cli` (default): the command line. An embedder turns it off with `default-features = false`.
//! - `tracing`: a span for every operation.
//! - `synth`: media that the demo and the tests make for themselves; not for callers.

#![deny(unsafe_code, unsafe_op_in_unsafe_fn, clippy::undocumented_unsafe_blocks)]
#![deny(missing_docs)]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

mod av;
mod bitstream;
pub mod detect;
mod edit;
mod error;
#[cfg(fuzzing)]
#[doc(hidden)]
#[allow(missing_docs, reason = "for fuzz/ alone")]
pub mod fuzz;
pub mod hardware;
pub mod inspect;
pub mod io;
mod job;
pub mod media;
mod mp4;
mod output;
mod read;
mod smart;
#[cfg(feature = "synth")]
#[doc(hidden)]
pub mod synth;
mod time;
pub mod transcode;
pub mod verify;
mod words;

pub use edit::{Cut, CutAudio, CutMode, Remux, remux, remux_to};
pub use error::{Error, ErrorKind, Result};
pub use io::{
    rope::{Rope, source::Source},
    sink::Sink,
};
pub use job::{Control, Report, Road, Strip};
pub use media::opened::Media;
pub use output::{Clip, Job};
pub use smart::{CutPlan, PlannedSound, SoundWay, cut, cut_to};
pub use time::{Rational, TimeRange, Timestamp};
pub use transcode::{
    operations::{
        join, join_to, join_with_transition, join_with_transition_to, transcode, transcode_segments,
        transcode_to,
    },
    settings::{Join, Transcode},
};

// What the rooms know by one name; outside it lies in its module.
pub(crate) use {
    av::{frame::Frame, stream::StreamKind},
    hardware::{DeviceKind, Hardware, HardwareChoice},
    io::SaveOptions,
    job::{CancelToken, Limits, RefusedDevice},
};

/// What a [`Control`] holds: how a job is cancelled, what it may use up, how it tells how far it is.
pub mod control {
    pub use crate::job::{CancelToken, Limits, Progress, Stage};
}

/// The parts of a [`Report`].
pub mod report {
    pub use crate::job::{DroppedStream, ReportInput, ReportRange, ReportSpan, Way};
}

/// Decoded pictures and sound, as processors get them and watermarks are made of.
pub mod frames {
    pub use crate::av::frame::Frame;
}

/// A result in segments for HLS and DASH: what [`transcode_segments`] makes.
pub mod segments {
    pub use crate::transcode::settings::segments::{SegmentType, Segments};
}

/// libav's log. What it says during this crate's calls does not reach stderr: warnings and errors go to the
/// error that follows ([`Error::log`]), and where [`redirect`](log::redirect) says. What it says of other
/// contexts goes on as before.
pub mod log {
    pub use crate::av::log::{capture, leave, redirect};
}

/// The version of libavformat that this build runs with, such as `59.27.100` (FFmpeg 5.1).
pub fn libav_version() -> String {
    av::version()
}
