//! Operations that copy: cuts, joins and [`remux`].
//!
//! All three are one machine. An output is a list of *parts*; a part is a stretch of one source's
//! presentation clock. `copy.rs` takes a part's packets from the demuxer to the muxer; where they lie on the
//! output's timeline, and what of it MP4's own tables show, is for the room `output`.

mod copy;
mod cut;
mod join;
mod lane;
mod parts;
pub(crate) mod remux;

pub(crate) use copy::{Feed, Headers, Part, Patch, Patched, Session, Slot, Spliced, is_pcm, part};
pub(crate) use cut::{Copying, chapters, ranges};
pub(crate) use join::{Asked, Joining, Likeness, Lost};

pub use cut::{Cut, CutAudio, CutMode};
pub use remux::{Remux, remux, remux_to};
