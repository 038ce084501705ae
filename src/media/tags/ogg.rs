//! Comments in Ogg (RFC 3533): the second packet of a logical stream has them, in as many pages as it takes.

use super::vorbis::Comments;
use crate::av::crc;
use std::collections::BTreeMap;

/// A page's header, without its table of segments.
const HEADER: usize = 27;
/// Where a page's checksum is in it.
const CHECKSUM: usize = 22;
/// Logical streams whose packets are followed at once: libav opens no more.
const STREAMS: usize = 4096;

#[derive(Default)]
pub(super) struct Ogg {
    /// What has come of the next page, and where it begins.
    buffer: Vec<u8>,
    at: u64,
    /// The packet that is under way in each logical stream.
    packets: BTreeMap<u32, OggPacket>,
    /// The most comments that one packet has.
    most: u64,
}

#[derive(Default)]
struct OggPacket {
    /// Which it is of its stream.
    index: u64,
    /// Bytes that have come.
    len: u64,
    comments: Option<Comments>,
}

impl Ogg {
    pub(super) fn see(&mut self, at: u64, bytes: &[u8]) -> u64 {
        if self.at.saturating_add(self.buffer.len() as u64) != at {
            self.buffer.clear();
            self.packets.clear();
            self.at = at;
        }
        self.buffer.extend_from_slice(bytes);
        let mut buffer = std::mem::take(&mut self.buffer);
        let used = self.pages(&buffer);
        buffer.drain(..used);
        self.at = self.at.saturating_add(used as u64);
        self.buffer = buffer;
        self.most
    }

    /// Looks at all pages that have come, and says where they end.
    fn pages(&mut self, buffer: &[u8]) -> usize {
        let mut used: usize = 0;
        loop {
            let rest = buffer.get(used..).unwrap_or_default();
            let Some(mark) = rest.windows(4).position(|bytes| bytes == b"OggS") else {
                return used.saturating_add(rest.len().saturating_sub(3));
            };
            used = used.saturating_add(mark);
            let Some(page) = rest.get(mark..).and_then(Page::of) else { return used };
            used = used.saturating_add(if page.is_whole() {
                self.page(&page);
                page.bytes.len()
            } else {
                // As libav, which looks for the next mark in it (ogg_read_page).
                4
            });
        }
    }

    fn page(&mut self, page: &Page<'_>) {
        if page.begins {
            self.packets.remove(&page.serial);
        }
        if self.packets.len() >= STREAMS && !self.packets.contains_key(&page.serial) {
            self.packets.clear();
        }
        let packet = self.packets.entry(page.serial).or_default();
        if !page.continues {
            packet.abandon();
        }
        // The rest of a packet whose start is not known is of no use, to libav as well.
        let mut is_orphan = page.continues && packet.len == 0;
        let mut body = page.body;
        for run in page.segments.split_inclusive(|size| *size < u8::MAX) {
            let len = run.iter().map(|size| usize::from(*size)).sum();
            let (bytes, rest) = body.split_at_checked(len).unwrap_or((body, &[]));
            body = rest;
            if !std::mem::take(&mut is_orphan) {
                self.most = self.most.max(packet.see(bytes));
            }
            if run.last().is_some_and(|size| *size < u8::MAX) {
                packet.end();
            }
        }
    }
}

impl OggPacket {
    /// Takes what comes next of it, and says how many comments it has so far.
    fn see(&mut self, bytes: &[u8]) -> u64 {
        if self.len == 0 {
            self.comments = comments_at(bytes, self.index).map(Comments::of_packet);
        }
        let at = self.len;
        self.len = at.saturating_add(bytes.len() as u64);
        self.comments.as_mut().map_or(0, |comments| comments.see(at, bytes))
    }

    fn abandon(&mut self) {
        (self.len, self.comments) = (0, None);
    }

    fn end(&mut self) {
        self.abandon();
        self.index = self.index.saturating_add(1);
    }
}

/// Where the comments begin in a packet that may have them, by how it begins.
fn comments_at(packet: &[u8], index: u64) -> Option<u64> {
    match packet {
        [b'O', b'p', b'u', b's', b'T', b'a', b'g', b's', ..] => Some(8),
        // Vorbis and what is like it in old OGM, Theora, VP8.
        [3 | 0x81, ..] | [b'O', b'V', b'P', b'8', b'0', 2, ..] => Some(7),
        // FLAC.
        [4 | 0x84, ..] => Some(4),
        // Speex and CELT.
        _ => (index == 1).then_some(0),
    }
}

/// A page whose bytes have all come.
struct Page<'a> {
    bytes: &'a [u8],
    serial: u32,
    continues: bool,
    begins: bool,
    segments: &'a [u8],
    body: &'a [u8],
}

impl<'a> Page<'a> {
    /// None where more has to come.
    fn of(bytes: &'a [u8]) -> Option<Self> {
        let segments = usize::from(*bytes.get(HEADER.saturating_sub(1))?);
        let begin = HEADER.saturating_add(segments);
        let segments = bytes.get(HEADER..begin)?;
        let body: usize = segments.iter().map(|size| usize::from(*size)).sum();
        let bytes = bytes.get(..begin.saturating_add(body))?;
        let flags = *bytes.get(5)?;
        Some(Self {
            bytes,
            serial: number(bytes, 14)?,
            continues: flags & 1 != 0,
            begins: flags & 2 != 0,
            segments,
            body: bytes.get(begin..)?,
        })
    }

    /// Whether its checksum is right, which is made with zeros in its own place.
    fn is_whole(&self) -> bool {
        let Some((head, rest)) = self.bytes.split_at_checked(CHECKSUM) else { return false };
        let rest = rest.get(4..).unwrap_or_default();
        number(self.bytes, CHECKSUM) == Some(crc::crc32(&[head, &[0; 4], rest]))
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}
