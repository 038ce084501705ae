//! How composition lies to decoding (cslg; ISO/IEC 14496-12, 8.6.1.4), by the tables that are written.

use super::{put, runs::Runs};

/// The first and the last composition time, and the least and the largest offset.
#[derive(Default)]
pub(super) struct Composed {
    first: i64,
    end: i64,
    least: i64,
    most: i64,
}

impl Composed {
    /// `lift` is added to all offsets.
    pub(super) fn of(durations: &Runs<u32>, offsets: &Runs<i32>, lift: u32) -> Self {
        let lift = i64::from(lift);
        let mut offsets = offsets.iter().copied();
        let (mut left, mut offset) = (0, 0);
        let mut decode: i64 = 0;
        let mut found: Option<Self> = None;
        for (samples, duration) in durations {
            let mut samples = *samples;
            while samples > 0 {
                if left == 0 {
                    (left, offset) = offsets.next().map_or((u32::MAX, lift), |(samples, offset)| {
                        (samples, i64::from(offset).saturating_add(lift))
                    });
                }
                // A run of both.
                let count = samples.min(left).max(1);
                let begins = decode.saturating_add(offset);
                decode = decode.saturating_add(i64::from(count).saturating_mul((*duration).into()));
                let ends = decode.saturating_add(offset);
                let so_far =
                    found.get_or_insert(Self { first: begins, end: ends, least: offset, most: offset });
                so_far.first = so_far.first.min(begins);
                so_far.end = so_far.end.max(ends);
                (so_far.least, so_far.most) = (so_far.least.min(offset), so_far.most.max(offset));
                (samples, left) = (samples.saturating_sub(count), left.saturating_sub(count));
            }
        }
        found.unwrap_or_default()
    }

    pub(super) fn write(&self, to: &mut Vec<u8>) {
        let all = [self.least.saturating_neg().max(0), self.least, self.most, self.first, self.end];
        let is_wide = all.iter().any(|number| i32::try_from(*number).is_err());
        put::versioned(to, *b"cslg", u8::from(is_wide), |to| {
            for number in all {
                match i32::try_from(number) {
                    Ok(narrow) if !is_wide => put::u32(to, narrow.cast_unsigned()),
                    _ => put::u64(to, number.cast_unsigned()),
                }
            }
        });
    }
}
