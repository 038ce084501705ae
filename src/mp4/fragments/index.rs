//! Where fragments lie, as a file's indices say: of segments (sidx; ISO/IEC 14496-12, 8.16.3), and of samples
//! to begin at, at its end (mfra; 8.8.9 to 8.8.11).

use crate::{
    Result,
    mp4::{
        boxes::children,
        boxes::fields::{Fields, wrong},
        sample_tables::Table,
    },
};
use bytes::Bytes;

/// An index of segments: each follows the one before it.
#[derive(Clone, Debug)]
pub(crate) struct SegmentIndex {
    pub track: u32,
    /// Ticks a second of its times.
    pub scale: u32,
    /// The earliest presentation time: edit lists are applied.
    pub first: u64,
    /// Where the first segment begins.
    pub place: u64,
    table: Table,
}

/// What one entry of a sidx says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    /// The earliest presentation time, in ticks of the index.
    pub time: u64,
    pub duration: u32,
    pub place: u64,
    pub size: u32,
    /// It is an index itself, not media.
    pub is_index: bool,
}

impl SegmentIndex {
    /// How many segments it has.
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// Of a box that ends at this place of the file.
    pub(crate) fn read(kind: [u8; 4], content: Bytes, end: u64) -> Result<Self> {
        let (mut fields, version, _) = Fields::of_full(kind, content)?;
        let (track, scale) = (fields.u32()?, fields.u32()?);
        if scale == 0 {
            return Err(wrong(kind, "its time scale is 0"));
        }
        let (first, offset) = (fields.wide(version)?, fields.wide(version)?);
        let place = end.checked_add(offset);
        let place = place.ok_or_else(|| wrong(kind, "its segments lie behind 2^64"))?;
        fields.skip(2)?;
        let count = fields.u16()?;
        Ok(Self { track, scale, first, place, table: Table::read(kind, fields, count.into(), 12)? })
    }

    /// Its segments, in their order.
    pub(crate) fn segments(&self) -> impl Iterator<Item = Segment> + '_ {
        let (mut place, mut time) = (self.place, self.first);
        (0..self.table.len()).map_while(move |i| {
            let (reference, duration) = (self.table.u32(i, 0)?, self.table.u32(i, 4)?);
            let size = reference & 0x7fff_ffff;
            let segment = Segment { time, duration, place, size, is_index: reference >> 31 == 1 };
            place = place.saturating_add(size.into());
            time = time.saturating_add(duration.into());
            Some(segment)
        })
    }
}

/// A place that decoding can begin at, by a tfra.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Access {
    /// Composition time, in ticks of the track.
    pub time: u64,
    /// Of the moof.
    pub moof: u64,
}

/// The places of one track (tfra).
#[derive(Clone, Debug)]
pub(crate) struct TrackAccess {
    pub track: u32,
    table: Table,
    is_wide: bool,
}

impl TrackAccess {
    fn read(kind: [u8; 4], content: Bytes) -> Result<Self> {
        let (mut fields, version, _) = Fields::of_full(kind, content)?;
        let (track, lengths, count) = (fields.u32()?, fields.u32()?, fields.u32()?);
        let is_wide = version != 0;
        let numbers =
            [0, 2, 4].map(|by| (lengths >> by & 3) as usize).iter().fold(3, |a, b| b.saturating_add(a));
        let width = numbers.saturating_add(if is_wide { 16 } else { 8 });
        Ok(Self { track, table: Table::read(kind, fields, count, width)?, is_wide })
    }

    /// Its places, in their order.
    pub(crate) fn places(&self) -> impl Iterator<Item = Access> + '_ {
        (0..self.table.len()).map_while(|entry| {
            Some(if self.is_wide {
                Access { time: self.table.u64(entry, 0)?, moof: self.table.u64(entry, 8)? }
            } else {
                Access { time: self.table.u32(entry, 0)?.into(), moof: self.table.u32(entry, 4)?.into() }
            })
        })
    }
}

/// Reads a mfra's content.
pub(crate) fn read_mfra(content: &Bytes) -> Result<Vec<TrackAccess>> {
    let tables = children(content).filter(|(kind, _)| kind == b"tfra");
    tables.map(|(kind, content)| TrackAccess::read(kind, content)).collect()
}
