//! Which way an MP4 is copied into an MP4.

use serde::{Deserialize, Serialize};

/// Which way samples of an MP4 or MOV are copied into another one. Both give the same packets, shown at the
/// same times, and share all payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Road {
    /// By the tables of both: a copy is arithmetic on them, and every track and box is kept that the copy does
    /// not change, those that libav has no name for among them. Where tables can't serve (fragments, damage,
    /// encryption that they do not tell all of, another kind of container), by libav.
    #[default]
    Tables,
    /// By libav's demuxer and muxer, as all other containers are copied.
    Libav,
}
