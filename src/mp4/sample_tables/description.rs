//! Sample descriptions (stsd; ISO/IEC 14496-12, 8.5.2), as far as tables need them: the codec's name, and how
//! blocks of sound lie in chunks.

use crate::{
    Result,
    mp4::{
        boxes::children,
        boxes::fields::{Fields, wrong},
        sample::Blocks,
    },
};
use bytes::Bytes;

/// One entry, with its bytes as they are in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Description {
    /// The codec's name in MP4, such as `avc1`.
    pub kind: [u8; 4],
    /// What is behind size and name.
    pub content: Bytes,
}

/// How a time code counts (QuickTime's tmcd).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimeCode {
    /// Ticks a second, and how many of them a frame lasts.
    pub scale: u32,
    pub frame: u32,
    /// Frames that are counted as a second.
    pub frames: u8,
    /// It begins anew after 24 hours.
    pub wraps: bool,
}

/// More descriptions than this are taken for an attack.
const MOST: u32 = 1 << 16;

/// All entries of a stsd. An error if it has fewer than it says.
pub(crate) fn read_descriptions(kind: [u8; 4], content: Bytes) -> Result<Vec<Description>> {
    let (mut fields, ..) = Fields::of_full(kind, content)?;
    let count = fields.u32()?;
    if count > MOST {
        return Err(wrong(kind, format!("it states {count} descriptions, and there may be {MOST}")));
    }
    let all: Vec<Description> = children(&fields.rest())
        .take(usize::try_from(count).unwrap_or(usize::MAX))
        .map(|(kind, content)| Description { kind, content })
        .collect();
    if all.len() != usize::try_from(count).unwrap_or(usize::MAX) {
        return Err(wrong(kind, format!("it states {count} descriptions, and has {}", all.len())));
    }
    Ok(all)
}

impl Description {
    /// Where the data are that it describes: an entry of dref, counted from 1.
    pub(crate) fn reference(&self) -> Option<u16> {
        self.content.get(6..)?.first_chunk().copied().map(u16::from_be_bytes)
    }

    /// Of a track of time codes.
    pub(crate) fn time_code(&self) -> Option<TimeCode> {
        let wide = |at: usize| self.content.get(at..)?.first_chunk().copied().map(u32::from_be_bytes);
        // Behind six reserved bytes, the data reference, and four more reserved ones.
        let (flags, scale, frame) = (wide(12)?, wide(16)?, wide(20)?);
        let frames = self.content.get(24).copied()?;
        let is_one = &self.kind == b"tmcd" && scale > 0 && frame > 0;
        is_one.then_some(TimeCode { scale, frame, frames, wraps: flags & 2 != 0 })
    }

    /// How sound of one tick a sample lies in its chunk: sample by sample, or in the packets that its codec or a
    /// QuickTime description of version 1 tells (mov.c: mov_parse_stsd_audio). `stated`: the size of each sample
    /// by stsz, 1 where it says nothing. None where nobody knows.
    pub(crate) fn blocks(&self, stated: Option<u32>) -> Option<Blocks> {
        let number = |at: usize| self.content.get(at..)?.first_chunk().copied().map(u16::from_be_bytes);
        let wide = |at: usize| self.content.get(at..)?.first_chunk().copied().map(u32::from_be_bytes);
        // Behind six reserved bytes and the data reference.
        let version = number(8)?;
        let (channels, bits) = (u32::from(number(16)?), u32::from(number(18)?));
        // What a channel has, and of how many samples. Compressed sound calls itself one of 16 bits.
        let (samples, bytes) = match &self.kind {
            b"ulaw" | b"alaw" => (1, 1),
            b"raw " | b"NONE" | b"twos" | b"sowt" if version < 2 => (1, bits.div_ceil(8)),
            b"in24" => (1, 3),
            b"in32" | b"fl32" => (1, 4),
            b"fl64" => (1, 8),
            b"ima4" => (64, 34),
            b"MAC3" => (6, 2),
            b"MAC6" => (6, 1),
            _ => (0, 0),
        };
        let by_codec = Some(Blocks { samples, bytes: channels.checked_mul(bytes)? });
        if let Some(blocks) = by_codec.filter(|blocks| blocks.samples > 0 && blocks.bytes > 0) {
            return Some(blocks);
        }
        if version == 1 {
            let (samples, bytes) = (wide(28)?, wide(36)?);
            if samples > 0 && bytes > 0 {
                return Some(Blocks { samples, bytes });
            }
        }
        stated.filter(|bytes| *bytes > 1).map(|bytes| Blocks { samples: 1, bytes })
    }
}

impl TimeCode {
    /// What a code is after so many ticks of a media.
    pub(crate) fn after(self, code: u32, ticks: i64, scale: u32) -> u32 {
        let per_second = i128::from(scale.max(1)).saturating_mul(self.frame.into());
        // That of the picture which is shown then: a time is half a tick off at the most.
        let twice = i128::from(ticks).saturating_mul(2).saturating_add(1).saturating_mul(self.scale.into());
        let frames = twice.div_euclid(per_second.saturating_mul(2).max(1));
        let sum = i128::from(code).saturating_add(frames);
        let day = i128::from(self.frames).saturating_mul(24 * 60 * 60);
        let sum = if self.wraps && day > 0 { sum.rem_euclid(day) } else { sum };
        u32::try_from(sum).unwrap_or(code)
    }
}
