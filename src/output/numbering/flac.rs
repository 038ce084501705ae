//! FLAC (RFC 9639): each frame says its place in the stream, and STREAMINFO how long the stream is.

use crate::{
    Error, Result,
    av::crc::{crc8, crc16},
    media::flac::{Header, NUMBER},
};

/// STREAMINFO (section 8.2): what is needed of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::output) struct StreamInfo {
    bytes: [u8; Self::LEN],
}

impl StreamInfo {
    pub const LEN: usize = 34;
    /// Of the fields that a container's copy may not do without.
    const MIN_BLOCK: u16 = 16;

    pub fn parse(bytes: &[u8]) -> Option<Self> {
        Some(Self { bytes: *bytes.first_chunk()? })
    }

    pub fn bytes(&self) -> &[u8; Self::LEN] {
        &self.bytes
    }

    pub fn blocks(&self) -> (u16, u16) {
        let [a, b, c, d, ..] = self.bytes;
        (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]))
    }

    fn set_blocks(&mut self, min: u16, max: u16) {
        let ([a, b], [c, d]) = (min.to_be_bytes(), max.to_be_bytes());
        [self.bytes[0], self.bytes[1], self.bytes[2], self.bytes[3]] = [a, b, c, d];
    }

    /// The least and the largest frame, in bytes; 0 is unknown.
    fn set_frames(&mut self, min: u32, max: u32) {
        let ([_, a, b, c], [_, d, e, f]) = (min.to_be_bytes(), max.to_be_bytes());
        [self.bytes[4], self.bytes[5], self.bytes[6], self.bytes[7], self.bytes[8], self.bytes[9]] =
            [a, b, c, d, e, f];
    }

    pub fn sample_rate(&self) -> u32 {
        u32::from_be_bytes([0, self.bytes[10], self.bytes[11], self.bytes[12]]) >> 4
    }

    /// Sample rate, channels and bits.
    fn format(&self) -> [u8; 4] {
        [self.bytes[10], self.bytes[11], self.bytes[12], self.bytes[13] & 0xF0]
    }

    /// 0 is unknown.
    pub fn samples(&self) -> u64 {
        let b = &self.bytes;
        u64::from_be_bytes([0, 0, 0, b[13] & 0x0F, b[14], b[15], b[16], b[17]])
    }

    fn set_samples(&mut self, samples: u64) {
        // What 36 bits do not hold is unknown.
        let samples = if samples < 1 << 36 { samples } else { 0 };
        let [_, _, _, high, rest @ ..] = samples.to_be_bytes();
        self.bytes[13] = self.bytes[13] & 0xF0 | high;
        [self.bytes[14], self.bytes[15], self.bytes[16], self.bytes[17]] = rest;
    }

    /// The sum of the sound becomes unknown: it can't be had without decoding.
    fn forget_md5(&mut self) {
        if let Some(md5) = self.bytes.get_mut(18..) {
            md5.fill(0);
        }
    }

    /// The largest block that an output of several sources may be told of in front: what the streamable
    /// subset allows, so that sources of other encoders fit in (section 7); a bound need not be met (section
    /// 8.2).
    fn bound(&self) -> u16 {
        let subset = if self.sample_rate() <= 48_000 { 4608 } else { 16_384 };
        self.blocks().1.max(subset)
    }

    /// What is known of a stretch of this stream before its frames are; of `several` stretches, also of other
    /// streams.
    pub fn of_part(mut self, several: bool) -> Self {
        if several {
            self.set_blocks(Self::MIN_BLOCK, self.bound());
        }
        self.set_frames(0, 0);
        self.set_samples(0);
        self.forget_md5();
        self
    }

    /// Whether the frames of another stream can follow the frames of this one.
    pub fn goes_on_with(&self, other: &Self) -> bool {
        self.format() == other.format() && other.blocks().1 <= self.bound()
    }
}

/// Appends a number below 2^36.
fn encode_number(number: u64, to: &mut Vec<u8>) {
    if number < 0x80 {
        to.push(u8::try_from(number).unwrap_or(0));
        return;
    }
    // Each byte that follows holds six bits, and the first, of seven, what its mark of the length leaves.
    let mut follow: u32 = 1;
    while follow < 6 && number >> (6_u32.saturating_mul(follow)) >= 1 << (6_u32.saturating_sub(follow)) {
        follow = follow.saturating_add(1);
    }
    let byte = |bits: u64| bits.to_le_bytes()[0];
    let mark = !(0x7F_u8 >> follow);
    to.push(mark | byte(number >> (6_u32.saturating_mul(follow))));
    for i in (0..follow).rev() {
        to.push(0x80 | byte(number >> (6_u32.saturating_mul(i))) & 0x3F);
    }
}

/// Numbers a stream's frames anew, and counts what STREAMINFO is to say of them.
#[derive(Clone, Debug)]
pub(in crate::output) struct Frames {
    source: StreamInfo,
    /// Frames say the number of their first sample: where parts meet, blocks are not of one size. None before
    /// the first.
    variable: Option<bool>,
    several: bool,
    /// Written so far.
    frames: u64,
    samples: u64,
    /// The sizes of all blocks but the last, and of the last.
    blocks: Option<(u32, u32)>,
    last: Option<u32>,
    lengths: (u32, u32),
    /// Each frame had its number already: nothing is missing before it.
    in_place: bool,
    /// Frames with a wrong checksum: they are copied as they are.
    pub damaged: u64,
}

impl Frames {
    pub fn new(source: StreamInfo, several: bool) -> Self {
        Self {
            source,
            variable: None,
            several,
            frames: 0,
            samples: 0,
            blocks: None,
            last: None,
            lengths: (u32::MAX, 0),
            in_place: true,
            damaged: 0,
        }
    }

    /// Counts a frame that is written next; its bytes with another number, if it has not the right one, and
    /// its samples.
    pub fn next(&mut self, frame: &[u8]) -> Result<(Option<Vec<u8>>, Option<i64>)> {
        let header = Header::parse(frame);
        let footer = frame.len().checked_sub(2).and_then(|end| frame.split_at_checked(end));
        let sound = footer.is_some_and(|(body, sum)| crc16(body).to_be_bytes() == sum);
        let (Some(header), Some((body, _)), true) = (header, footer, sound) else {
            // A right checksum would hide that it is damaged.
            self.damaged = self.damaged.saturating_add(1);
            self.in_place = false;
            if let Some(header) = header {
                self.count(header.block, frame.len());
            }
            return Ok((None, header.map(|header| header.block.into())));
        };
        let (min, max) = self.source.blocks();
        let variable = *self.variable.get_or_insert(self.several || header.variable || min != max);
        let number = if variable { self.samples } else { self.frames };
        if number >= if variable { 1 << 36 } else { 1 << 31 } {
            return Err(Error::unsupported("FLAC has no numbers for so many samples in one stream")
                .advise("split the output"));
        }
        let own = if header.variable { header.number } else { header.number.saturating_mul(max.into()) };
        self.in_place &= own == self.samples;
        self.count(header.block, frame.len());
        if header.number == number && header.variable == variable {
            return Ok((None, Some(header.block.into())));
        }
        let mut new = Vec::with_capacity(frame.len().saturating_add(6));
        new.extend_from_slice(frame.get(..NUMBER).unwrap_or_default());
        if let Some(second) = new.get_mut(1) {
            *second = *second & 0xFE | u8::from(variable);
        }
        encode_number(number, &mut new);
        let rest = NUMBER.saturating_add(header.number_len)..header.len.saturating_sub(1);
        new.extend_from_slice(frame.get(rest).unwrap_or_default());
        new.push(crc8(&new));
        new.extend_from_slice(body.get(header.len..).unwrap_or_default());
        new.extend_from_slice(&crc16(&new).to_be_bytes());
        Ok((Some(new), Some(header.block.into())))
    }

    fn count(&mut self, block: u32, len: usize) {
        if let Some(last) = self.last.replace(block) {
            let (min, max) = self.blocks.unwrap_or((last, last));
            self.blocks = Some((min.min(last), max.max(last)));
        }
        let len = u32::try_from(len).unwrap_or(u32::MAX);
        self.lengths = (self.lengths.0.min(len), self.lengths.1.max(len));
        self.frames = self.frames.saturating_add(1);
        self.samples = self.samples.saturating_add(block.into());
    }

    /// Whether the frames claim blocks of one size, and have others before the last.
    pub fn is_uneven(&self) -> bool {
        self.variable == Some(false) && self.blocks.is_some_and(|(min, max)| min != max)
    }

    /// STREAMINFO of what was written. The MD5 of the sound is the source's if all of its frames are there.
    pub fn info(&self) -> StreamInfo {
        let mut info = self.source;
        if !(self.in_place && self.samples == info.samples()) {
            info.forget_md5();
        }
        info.set_samples(self.samples);
        if let Some(last) = self.last.filter(|_| self.variable == Some(true)) {
            let (min, max) = self.blocks.unwrap_or((last, last));
            let short = |block: u32| u16::try_from(block).unwrap_or(u16::MAX).max(StreamInfo::MIN_BLOCK);
            // Two equal sizes would say that the blocks are of one size, and numbered so.
            let (min, max) = (short(min), short(max.max(last)));
            info.set_blocks(if min == max { StreamInfo::MIN_BLOCK } else { min }, max);
        }
        // What 24 bits do not hold is unknown.
        let known = |len: u32| if len < 1 << 24 { len } else { 0 };
        let (least, largest) = self.lengths;
        info.set_frames(known(least), known(largest));
        info
    }
}

#[cfg(test)]
mod tests;
