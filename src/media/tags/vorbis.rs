//! Comments as Vorbis has them (Vorbis I specification, section 5.2.1), and FLAC's blocks (RFC 9639, section
//! 8) around them.

use super::{id3, walk::Walk};

/// What a FLAC file begins with.
pub(super) const MARK: &[u8] = b"fLaC";
/// A FLAC block of comments.
const COMMENT: u8 = 4;

/// Counts the comments of a packet, or of all blocks of a FLAC file.
pub(super) struct Comments {
    walk: Walk,
    stage: Stage,
    named: u64,
}

#[derive(Clone, Copy)]
enum Stage {
    /// Where FLAC's mark is due.
    Mark,
    /// A block's header.
    Block,
    /// The length of who wrote it.
    Vendor(End),
    /// How many comments there are.
    Count(End),
    /// The length of a comment, and how many there still are.
    Comment(End, u32),
}

/// Where the comments end, and whether a block follows there.
#[derive(Clone, Copy)]
struct End {
    at: u64,
    is_last: bool,
}

impl End {
    /// Whether there are so many bytes from this place on.
    fn has(self, from: u64, len: u64) -> bool {
        from.saturating_add(len) <= self.at
    }
}

impl Comments {
    pub(super) fn of_flac() -> Self {
        Self { walk: Walk::new(0), stage: Stage::Mark, named: 0 }
    }

    /// The same, where its mark has been seen.
    pub(super) fn of_flac_at(mark: u64) -> Self {
        Self { walk: Walk::new(mark.saturating_add(MARK.len() as u64)), stage: Stage::Block, named: 0 }
    }

    /// Of a packet whose comments begin there, with places in it.
    pub(super) fn of_packet(begin: u64) -> Self {
        let stage = Stage::Vendor(End { at: u64::MAX, is_last: true });
        Self { walk: Walk::new(begin), stage, named: 0 }
    }

    /// Takes what comes next, and says how many there are so far.
    pub(super) fn see(&mut self, at: u64, bytes: &[u8]) -> u64 {
        let Self { walk, stage, named } = self;
        walk.feed(at, bytes, |start, head| step(stage, named, start, head));
        *named
    }
}

fn step(stage: &mut Stage, named: &mut u64, start: u64, head: &[u8]) -> Option<u64> {
    let [a, b, c, d, ..] = *head else { return None };
    let content = start.saturating_add(4);
    let len = u32::from_le_bytes([a, b, c, d]);
    let behind = content.saturating_add(len.into());
    let (next, then) = match *stage {
        Stage::Mark if head == MARK => (content, Stage::Block),
        Stage::Mark if head.starts_with(b"ID3") => match head.first_chunk() {
            Some(head) => (start.saturating_add(id3::len(head)), Stage::Mark),
            None => return None,
        },
        Stage::Mark => (u64::MAX, Stage::Mark),
        Stage::Block => {
            let end = content.saturating_add(u32::from_be_bytes([0, b, c, d]).into());
            let end = End { at: end, is_last: a & 0x80 != 0 };
            let has_comments = a & 0x7F == COMMENT && end.has(content, 8);
            if has_comments { (content, Stage::Vendor(end)) } else { leave(end) }
        }
        // As libav, which leaves the block where something does not fit into it (ff_vorbis_comment).
        Stage::Vendor(end) if !end.has(behind, 4) => leave(end),
        Stage::Vendor(end) => (behind, Stage::Count(end)),
        Stage::Count(end) if len == 0 || !end.has(content, 4) => leave(end),
        Stage::Count(end) => (content, Stage::Comment(end, len)),
        Stage::Comment(end, _) if !end.has(behind, 0) => leave(end),
        Stage::Comment(end, left) => {
            *named = named.saturating_add(1);
            let goes_on = left > 1 && end.has(behind, 4);
            if goes_on { (behind, Stage::Comment(end, left.saturating_sub(1))) } else { leave(end) }
        }
    };
    *stage = then;
    Some(next)
}

fn leave(end: End) -> (u64, Stage) {
    if end.is_last { (u64::MAX, Stage::Mark) } else { (end.at, Stage::Block) }
}
