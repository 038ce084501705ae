//! Which way an MP4 is copied into an MP4.

use serde::{Deserialize, Serialize};

/// Which way samples of an MP4 or MOV are copied into another one. Both show the same samples at the same times, and
/// share all payload; of what a range does not show, each keeps what it needs for itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Road {
    /// By the tables of both: a copy is arithmetic on them, and every track and box is kept that the copy does
    /// not change, those that libav has no name for among them. Into another kind of MP4 (MP4 into MOV, MOV into
    /// M4A …) samples go by tables as well, and the tracks and boxes around them are those that libav's muxer
    /// has. Where tables can't serve (damage, encryption that they do not tell all of; into another kind: sound
    /// that is not compressed, time codes, tracks of several sample descriptions), by libav.
    #[default]
    Tables,
    /// By libav's demuxer and muxer, as all other containers are copied.
    Libav,
}
