//! Frames of ID3v2 (id3.org, id3v2.4.0-structure). libav takes any frame whose name begins as those of texts
//! do, and sizes of frames can't be relied on: they are counted by what their headers look like.

use std::collections::BTreeSet;

/// The header of a tag, which is the longest that is looked for.
const HEADER: usize = 10;
const MARK: &[u8] = b"ID3";
/// What ends in an entry: comments, lyrics, private frames, chapters; texts all begin with a T.
const FRAMES: [&[u8]; 4] = [b"COMM", b"USLT", b"PRIV", b"CHAP"];
/// The same where names have three letters (version 2.2).
const SHORT: [&[u8]; 2] = [b"COM", b"ULT"];

/// Counts frames wherever a tag may lie.
#[derive(Default)]
pub(super) struct Id3 {
    /// What has come up to here was looked at, but for the last bytes.
    end: u64,
    tail: Vec<u8>,
    /// Where the last tag ends.
    until: u64,
    /// A tag of version 2.2 was seen.
    is_short: bool,
    /// Where frames are: what comes again counts once.
    frames: BTreeSet<u64>,
    short: BTreeSet<u64>,
}

impl Id3 {
    pub(super) fn see(&mut self, at: u64, bytes: &[u8]) -> u64 {
        if self.end != at {
            self.tail.clear();
        }
        let data = [&self.tail, bytes].concat();
        let first = at.saturating_sub(self.tail.len() as u64);
        let has_frames = first < self.until || data.windows(MARK.len()).any(|bytes| bytes == MARK);
        for (place, head) in (first..).zip(data.windows(HEADER)).filter(|_| has_frames) {
            if let Some((len, version)) = head.first_chunk().and_then(tag) {
                self.until = self.until.max(place.saturating_add(len));
                self.is_short |= version == 2;
            }
            if place >= self.until {
                continue;
            }
            // No frame has 16 MiB: the first byte of its size is 0.
            if let [b'T' | b'C' | b'U' | b'P', _, _, _, 0, ..] = head
                && (head.starts_with(b"T") || FRAMES.iter().any(|name| head.starts_with(name)))
            {
                self.frames.insert(place);
            }
            if self.is_short
                && let [b'T' | b'C' | b'U', _, _, 0, ..] = head
                && (head.starts_with(b"T") || SHORT.iter().any(|name| head.starts_with(name)))
            {
                self.short.insert(place);
            }
        }
        self.end = at.saturating_add(bytes.len() as u64);
        let kept = data.len().saturating_sub(HEADER.saturating_sub(1));
        self.tail = data.get(kept..).unwrap_or_default().to_vec();
        self.frames.len().max(self.short.len()) as u64
    }
}

/// The bytes of a tag whose header this is, and its version.
fn tag(head: &[u8; HEADER]) -> Option<(u64, u8)> {
    match head {
        [b'I', b'D', b'3', version @ 2..=4, _, _, a, b, c, d] if (a | b | c | d) & 0x80 == 0 => {
            Some((len(head), *version))
        }
        _ => None,
    }
}

/// The bytes of a tag, with its header.
pub(super) fn len(head: &[u8; HEADER]) -> u64 {
    let [.., version, _, flags, a, b, c, d] = *head;
    let size = [a, b, c, d].iter().fold(0, |size, byte| size << 7 | u64::from(byte & 0x7F));
    let footer = version == 4 && flags & 0x10 != 0;
    (if footer { size.saturating_add(10) } else { size }).saturating_add(HEADER as u64)
}
