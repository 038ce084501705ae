//! The operations that decode and encode, as callers have them. Each makes a plan and runs it: this room
//! imports all others here, and none imports it.

mod apart;
mod beside;
mod blend;
mod cut;
mod join;
mod transcode;
mod transcoding;

pub(crate) use apart::Apart;
pub use blend::{join_with_transition, join_with_transition_to};
pub(crate) use cut::Encoding;
pub use join::{join, join_to};
pub use transcode::{Transcoder, transcode, transcode_segments, transcode_to};
