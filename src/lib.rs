//! avrope
#![deny(unsafe_code)]
mod av;
mod edit;
mod error;
mod io;
mod job;
mod media;
pub mod synth;
mod time;
pub use av::stream::StreamKind;
pub use edit::*;
pub use error::{Error, ErrorKind, Result};
pub use io::*;
pub use media::*;
pub use job::*;
pub use time::{Rational, TimeRange, Timestamp};
/// log
pub mod log { pub use crate::av::log::capture; }
