//! Tags and chapters of Matroska (RFC 9559, sections 5.1.7 and 5.1.8). Which of a segment's elements libav
//! reads, and in which order, depends on indices and on what is damaged: so they are not followed but counted
//! by their ids, in all that it reads before the first packet.

use super::vorbis::{Comments, MARK};
use std::collections::{BTreeMap, BTreeSet};

const TAGS: [u8; 4] = [0x12, 0x54, 0xC3, 0x67];
const CHAPTERS: [u8; 4] = [0x10, 0x43, 0xA7, 0x70];
const SIMPLE_TAG: [u8; 2] = [0x67, 0xC8];
const TAG_NAME: [u8; 2] = [0x45, 0xA3];
const CHAPTER_UID: [u8; 2] = [0x73, 0xC4];
/// A tag's name, without which libav leaves it out, comes so soon in it. Two bytes that look like a name are
/// found in 64 KiB of anything, and both so near each other in a megabyte.
const NEAR: u64 = 4096;

#[derive(Default)]
pub(super) struct Matroska {
    /// What has come up to here was looked at, but for the last bytes.
    end: u64,
    tail: Vec<u8>,
    has_tags: bool,
    has_chapters: bool,
    /// The last tag.
    tag: Option<u64>,
    /// Where names of tags and chapters are: what comes again counts once.
    named: BTreeSet<u64>,
    /// FLAC's blocks, from where they begin: libav puts the comments in a CodecPrivate into a dictionary
    /// (matroskadec.c: matroska_parse_flac).
    flac: BTreeMap<u64, Comments>,
}

impl Matroska {
    pub(super) fn see(&mut self, at: u64, bytes: &[u8]) -> u64 {
        if self.end != at {
            self.tail.clear();
            self.tag = None;
        }
        let data = [&self.tail, bytes].concat();
        let first = at.saturating_sub(self.tail.len() as u64);
        for (place, id) in (first..).zip(data.windows(TAGS.len())) {
            self.has_tags |= id == TAGS;
            self.has_chapters |= id == CHAPTERS;
            if self.has_tags && id.starts_with(&SIMPLE_TAG) {
                self.tag = Some(place);
            }
            let in_tag = || self.tag.is_some_and(|tag| place.saturating_sub(tag) <= NEAR);
            if (id.starts_with(&TAG_NAME) && in_tag()) || (self.has_chapters && id.starts_with(&CHAPTER_UID))
            {
                self.named.insert(place);
            }
            if id == MARK {
                self.flac.entry(place).or_insert_with(|| Comments::of_flac_at(place));
            }
        }
        let places = self.named.len().saturating_add(self.flac.len()) as u64;
        let comments = self.flac.values_mut().map(|flac| flac.see(at, bytes));
        let named = comments.fold(places, u64::saturating_add);
        self.end = at.saturating_add(bytes.len() as u64);
        let kept = data.len().saturating_sub(TAGS.len().saturating_sub(1));
        self.tail = data.get(kept..).unwrap_or_default().to_vec();
        named
    }
}
