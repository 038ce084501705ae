//! A sample, and what many of them are together.

/// Larger offsets are damage: libav ignores the whole table then (mov.c: mov_read_ctts).
pub(crate) const MOST_OFFSET: u32 = 1 << 28;

/// One sample (ISO/IEC 14496-12, 8.6 and 8.7). Times are in ticks of the media, before edit lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sample {
    pub decode: i64,
    /// When it is shown: its decode time and its offset.
    pub composition: i64,
    pub duration: u32,
    /// Where it lies in the file.
    pub place: u64,
    pub size: u32,
    /// Decoding can begin at it.
    pub is_sync: bool,
    /// Its entry in the table of sample descriptions, counted from 1.
    pub description: u32,
}

/// Sound of one tick a sample, whose samples lie in blocks: their tables say nothing of the blocks' bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Blocks {
    pub samples: u32,
    pub bytes: u32,
}

/// What all samples of a track are together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    /// Those that decoding can begin at.
    pub sync: u64,
    pub bytes: u64,
    /// All durations.
    pub ticks: u64,
    /// The last byte of the file that one of them has, not included.
    pub end: u64,
}

impl Totals {
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            sync: self.sync.saturating_add(other.sync),
            bytes: self.bytes.saturating_add(other.bytes),
            ticks: self.ticks.saturating_add(other.ticks),
            end: self.end.max(other.end),
        }
    }
}
