//! Groups of samples by patterns (csgp; ISO/IEC 14496-12, 8.9.5), written out as the runs that sbgp has.

use super::{groups::Grouping, runs::Runs, table::Table};
use crate::{
    Result,
    mp4::boxes::fields::{Fields, wrong},
};
use bytes::Bytes;

/// Bytes of a run.
const RUN: u64 = 8;

/// Numbers of 4, 8, 16 or 32 bits, one behind the other.
struct Bits {
    fields: Fields,
    /// The second half of a byte whose first one was taken.
    half: Option<u32>,
}

impl Bits {
    /// `code`: 0 to 3, for 4 to 32 bits.
    fn number(&mut self, code: u32) -> Result<u32> {
        if code == 0 {
            if let Some(half) = self.half.take() {
                return Ok(half);
            }
            let byte = u32::from(self.fields.u8()?);
            self.half = Some(byte & 15);
            return Ok(byte >> 4);
        }
        // What is left of a byte is padding.
        self.half = None;
        match code {
            1 => self.fields.u8().map(u32::from),
            2 => self.fields.u16().map(u32::from),
            _ => self.fields.u32(),
        }
    }
}

/// Reads a csgp of a track of so many samples. None if written out it takes more than `room` bytes, from which what it
/// takes is subtracted: a few bytes may state billions of runs.
pub(super) fn read_compact(
    kind: [u8; 4],
    content: Bytes,
    samples: u32,
    room: &mut u64,
) -> Result<Option<Grouping>> {
    let (mut fields, _, flags) = Fields::of_full(kind, content)?;
    let about = fields.kind()?;
    let parameter = if flags & 0x40 > 0 { Some(fields.u32()?) } else { None };
    let code = |at: u32| flags >> at & 3;
    let count = fields.u32()?;
    let all = fields.rest();
    let from = |bytes: &Bytes| Bits { fields: Fields::of(kind, bytes.clone()), half: None };
    // All patterns' lengths lie in front of what they are of.
    let (mut lengths, mut bits) = (from(&all), from(&all));
    let mut grouped: u32 = 0;
    for _ in 0..count {
        let (len, samples_of_it) = (bits.number(code(4))?, bits.number(code(2))?);
        if len == 0 {
            return Err(wrong(kind, "a pattern of no samples"));
        }
        grouped =
            grouped.checked_add(samples_of_it).filter(|grouped| *grouped <= samples).ok_or_else(|| {
                wrong(kind, format!("more than {samples} samples, which is all there are, are in patterns"))
            })?;
    }
    bits.half = None;
    let mut out = Expanded { bytes: Vec::new(), last: None, room };
    for _ in 0..count {
        let (len, samples_of_it) = (lengths.number(code(4))?, lengths.number(code(2))?);
        let mut pattern: Vec<(u32, u32)> = Vec::new();
        for _ in 0..len {
            let group = bits.number(code(0))?;
            let is_full = pattern.len() as u64 >= *out.room / RUN;
            match pattern.last_mut() {
                Some((count, last)) if *last == group => *count = count.saturating_add(1),
                _ if is_full => return Ok(None),
                _ => pattern.push((1, group)),
            }
        }
        // A pattern of one group alone is a run, however often it comes again.
        if let [(count, _)] = pattern.as_mut_slice() {
            *count = samples_of_it.max(1);
        }
        let mut left = samples_of_it;
        let mut again = pattern.iter().cycle();
        while let Some((count, group)) = again.next().filter(|_| left > 0) {
            let count = (*count).min(left);
            left = left.saturating_sub(count);
            if !out.push(count, *group) {
                return Ok(None);
            }
        }
    }
    let bytes = out.finish();
    let runs = Runs::of(kind, Table::of(bytes.into(), 8))?;
    Ok(Some(Grouping { kind: about, parameter, runs, is_compact: true }))
}

/// Runs on their way out.
struct Expanded<'a> {
    bytes: Vec<u8>,
    last: Option<(u32, u32)>,
    room: &'a mut u64,
}

impl Expanded<'_> {
    /// False if there is no room for it.
    fn push(&mut self, count: u32, group: u32) -> bool {
        match &mut self.last {
            Some((so_far, last)) if *last == group => *so_far = so_far.saturating_add(count),
            _ => {
                let Some(room) = self.room.checked_sub(RUN) else { return false };
                *self.room = room;
                self.flush();
                self.last = Some((count, group));
            }
        }
        true
    }

    fn flush(&mut self) {
        if let Some((count, group)) = self.last.take() {
            self.bytes.extend_from_slice(&count.to_be_bytes());
            self.bytes.extend_from_slice(&group.to_be_bytes());
        }
    }

    fn finish(mut self) -> Vec<u8> {
        self.flush();
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(flags: u8, rest: &[u8], samples: u32, mut room: u64) -> Result<Option<Vec<(u32, u32)>>> {
        let content = [&[0, 0, 0, flags], &b"roll"[..], rest].concat();
        let found = read_compact(*b"csgp", content.into(), samples, &mut room)?;
        Ok(found.map(|found| found.runs.between(0, u32::MAX).collect()))
    }

    #[test]
    fn patterns_are_written_out() {
        // Two patterns in halves of bytes: 1 2 2 for seven samples, 3 for two.
        let two = [0, 0, 0, 2, 0x37, 0x12, 0x12, 0x23];
        let due = vec![(1, 1), (2, 2), (1, 1), (2, 2), (1, 1), (2, 3)];
        assert_eq!(runs(0, &two, 9, 1000).unwrap(), Some(due));
        assert!(runs(0, &two, 8, 1000).is_err());
        // Of 32 bits each: 4 and 4 for all of 2^32 - 1 samples are one run.
        let long = [0, 0, 0, 1, 0, 0, 0, 2, 255, 255, 255, 255, 0, 0, 0, 4, 0, 0, 0, 4];
        assert_eq!(runs(0x3f, &long, u32::MAX, 8).unwrap(), Some(vec![(u32::MAX, 4)]));
        // 4 and 5 would be as many runs as samples.
        let mut many = long;
        many[19] = 5;
        assert_eq!(runs(0x3f, &many, u32::MAX, 1 << 16).unwrap(), None);
        // Patterns that lie.
        for bad in [&[0, 0, 0, 1, 0x01, 0x10][..], &[0xff; 4], &[0, 0, 0, 1, 0x91, 0x11], &[0, 0, 0]] {
            assert!(runs(0, bad, 100, 1000).is_err(), "{bad:?}");
        }
        // One of another kind than the others by its parameter, in bytes.
        let told = [0, 0, 0, 9, 0, 0, 0, 1, 2, 3, 1, 0];
        assert_eq!(runs(0x55, &told, 3, 1000).unwrap(), Some(vec![(1, 1), (1, 0), (1, 1)]));
    }
}
