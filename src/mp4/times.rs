//! What a track's sample tables say of its times (ISO/IEC 14496-12, 8.6.1): when its first sample is
//! composed, and when the last one ends. Headers state durations by decode times, or whatever their writer
//! took them for.

use super::{
    boxes::{Place, Read, number},
    sample::MOST_OFFSET,
    sample_tables::Samples,
};
use crate::Result;

/// In ticks of the media.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Times {
    /// The earliest composition time.
    pub first: i64,
    /// The latest end of a sample, by composition time.
    pub end: i64,
    /// All decode times together.
    pub decoded: i64,
}

impl Times {
    /// None if there are no samples.
    pub(super) fn of(samples: &Samples) -> Option<Self> {
        let durations = samples.durations.between(0, u32::MAX);
        let mut offsets = samples.offsets.as_ref().map(|offsets| offsets.between(0, u32::MAX));
        let next = || Ok(offsets.as_mut().and_then(Iterator::next));
        Self::merge(durations.map(Ok), next).ok().flatten()
    }

    /// Walks over both tables. None if there are no samples, or no times that could be meant.
    pub(super) fn read(read: &mut Read<'_>, stts: Place, ctts: Option<Place>) -> Result<Option<Self>> {
        let mut durations = Runs::of(read, stts)?;
        let mut offsets = ctts.map(|ctts| Runs::of(read, ctts)).transpose()?;
        // Both are read piece by piece.
        let read = std::cell::RefCell::new(read);
        let durations = std::iter::from_fn(|| durations.next(&mut **read.borrow_mut()).transpose());
        Self::merge(durations, || match &mut offsets {
            Some(offsets) => offsets.next(&mut **read.borrow_mut()),
            None => Ok(None),
        })
    }

    /// Of runs of durations, and those of offsets.
    fn merge(
        durations: impl Iterator<Item = Result<(u32, u32)>>,
        mut next_offsets: impl FnMut() -> Result<Option<(u32, u32)>>,
    ) -> Result<Option<Self>> {
        let mut times: Option<Self> = None;
        let (mut samples, mut offset): (u32, i64) = (0, 0);
        let mut decoded: i64 = 0;
        for run in durations {
            let (mut count, duration) = run?;
            if duration > i32::MAX.cast_unsigned() {
                return Ok(None);
            }
            while count > 0 {
                if samples == 0 {
                    // Samples behind the end of the table have no offset.
                    let (samples_of_run, raw) = next_offsets()?.unwrap_or((u32::MAX, 0));
                    if raw.cast_signed().unsigned_abs() > MOST_OFFSET {
                        return Ok(None);
                    }
                    (samples, offset) = (samples_of_run, raw.cast_signed().into());
                    if samples == 0 {
                        continue;
                    }
                }
                // While duration and offset stay the same, the first sample is the earliest and the last one
                // the latest.
                let run = count.min(samples);
                let begins = decoded.saturating_add(offset);
                decoded = decoded.saturating_add(i64::from(run).saturating_mul(duration.into()));
                let ends = decoded.saturating_add(offset);
                let so_far = times.get_or_insert(Self { first: begins, end: ends, decoded });
                so_far.first = so_far.first.min(begins);
                so_far.end = so_far.end.max(ends);
                so_far.decoded = decoded;
                (count, samples) = (count.saturating_sub(run), samples.saturating_sub(run));
            }
        }
        Ok(times)
    }
}

/// The entries of a table of (count, value), read piece by piece.
struct Runs {
    at: u64,
    end: u64,
    piece: Vec<u8>,
    used: usize,
}

impl Runs {
    const ENTRY: usize = 8;
    const PIECE: u64 = 1 << 16;

    /// What lies behind so many entries as the table counts is none (libav reads no more either).
    fn of(read: &mut Read<'_>, table: Place) -> Result<Self> {
        let at = table.content.saturating_add(8);
        let mut end = table.end;
        if at <= end {
            let count = number(read, table.content.saturating_add(4))?;
            end = end.min(at.saturating_add(u64::from(count).saturating_mul(Self::ENTRY as u64)));
        }
        Ok(Self { at, end, piece: Vec::new(), used: 0 })
    }

    fn next(&mut self, read: &mut Read<'_>) -> Result<Option<(u32, u32)>> {
        if self.used >= self.piece.len() {
            let len = self.end.saturating_sub(self.at).min(Self::PIECE);
            // Whole entries.
            let len = usize::try_from(len & !7).unwrap_or(0);
            self.piece.resize(len, 0);
            read(self.at, &mut self.piece)?;
            self.at = self.at.saturating_add(len as u64);
            self.used = 0;
        }
        let entry = self.piece.get(self.used..).and_then(|rest| rest.first_chunk::<{ Self::ENTRY }>());
        self.used = self.used.saturating_add(Self::ENTRY);
        Ok(entry.map(|[a, b, c, d, value @ ..]| {
            (u32::from_be_bytes([*a, *b, *c, *d]), u32::from_be_bytes(*value))
        }))
    }
}
