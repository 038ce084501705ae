//! Sound in which nothing is heard, for pictures that have none.

use crate::{Control, Result, Source, Timestamp, io::rope::ReadAt, time::Rational};

/// Bytes of a WAV in front of its samples.
const HEAD: usize = 44;

/// A WAV of one channel of 16 bits whose samples are zeros, which nobody stores.
struct Silence {
    head: Vec<u8>,
    len: u64,
}

impl ReadAt for Silence {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buf: &mut [u8], _control: &Control) -> std::io::Result<usize> {
        let rest = usize::try_from(self.len.saturating_sub(offset)).unwrap_or(usize::MAX);
        let count = buf.len().min(rest);
        let head = usize::try_from(offset).ok().and_then(|at| self.head.get(at..)).unwrap_or_default();
        let bytes = head.iter().copied().chain(std::iter::repeat(0));
        buf.iter_mut().take(count).zip(bytes).for_each(|(to, byte)| *to = byte);
        Ok(count)
    }
}

/// So long, at so many samples a second.
pub(super) fn silence(length: Timestamp, rate: u32) -> Result<Source> {
    let base = Rational { num: 1, den: i32::try_from(rate).unwrap_or(48_000) };
    // What is longer than a WAV can say, nobody joins.
    let most = i64::from(u32::MAX / 2).saturating_sub(64);
    let samples = length.ticks(base).saturating_add(1).clamp(1, most);
    let bytes = u32::try_from(samples.saturating_mul(2)).unwrap_or(u32::MAX / 2);
    let mut head = Vec::with_capacity(HEAD);
    head.extend(b"RIFF");
    head.extend(bytes.saturating_add(36).to_le_bytes());
    head.extend(b"WAVEfmt ");
    head.extend(16_u32.to_le_bytes());
    // PCM, one channel.
    head.extend([1, 0, 1, 0]);
    head.extend(rate.to_le_bytes());
    head.extend(rate.saturating_mul(2).to_le_bytes());
    head.extend([2, 0, 16, 0]);
    head.extend(b"data");
    head.extend(bytes.to_le_bytes());
    let len = u64::from(bytes).saturating_add(HEAD as u64);
    Ok(Source::from_read_at(Silence { head, len }, "silence"))
}
