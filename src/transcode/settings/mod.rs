//! What a caller asks for: types that are written down, read and judged in themselves, before any media is
//! opened. It imports nothing of the other rooms here.

mod check;
mod codec;
mod filters;
mod join;
mod loudness;
pub(crate) mod overlay;
mod preset;
pub(crate) mod segments;
mod transcode;
mod transition;

pub use codec::{AudioCodec, VideoCodec};
pub use filters::{AudioFilter, VideoFilter};
pub use join::Join;
pub use loudness::Loudness;
pub use overlay::{AtEnd, Overlay, Position, Watermark};
pub use preset::Preset;
pub use segments::{SegmentType, Segments};
pub use transcode::{AudioSettings, Fit, Fragment, Transcode, VideoSettings};
pub use transition::Transition;
