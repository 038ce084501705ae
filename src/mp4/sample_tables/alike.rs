//! Sample descriptions that say the same of a codec: parts of one recording state other bit rates, and nothing else.

use super::Description;
use std::ops::Range;

/// Bytes of a description that may say how fast it is: those of a btrt and of an esds.
const MOST_UNLIKE: usize = 64;

impl Description {
    /// Whether samples of both are decoded the same: they are equal, but for the bit rates that they state, and the
    /// size of a decoder's buffer (btrt; ISO/IEC 14496-12, 8.5.2; esds: 14496-1, 7.2.6.6).
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        if self == other {
            return true;
        }
        let pairs = || self.content.iter().zip(&other.content);
        let is_near = pairs().filter(|(a, b)| a != b).take(MOST_UNLIKE + 1).count() <= MOST_UNLIKE;
        if self.kind != other.kind || self.content.len() != other.content.len() || !is_near {
            return false;
        }
        let rates = rates_of(&self.content);
        let is_rate = |at: usize| rates.iter().any(|rates| rates.contains(&at));
        rates == rates_of(&other.content) && pairs().enumerate().all(|(at, (a, b))| a == b || is_rate(at))
    }
}

/// Where rates lie in a description. Boxes are looked for by their types: QuickTime has an esds within others, and
/// where they begin is by the version of a description.
fn rates_of(content: &[u8]) -> Vec<Range<usize>> {
    let mut all = Vec::new();
    for (at, kind) in content.windows(4).enumerate() {
        let behind = at.saturating_add(4);
        match kind {
            // A buffer's size, the largest rate and the mean one.
            b"btrt" => all.push(behind..behind.saturating_add(12)),
            b"esds" => all.extend(in_esds(content, behind)),
            _ => {}
        }
    }
    all
}

/// The same three within an esds, whose content begins at a place: behind version and flags a descriptor of a stream,
/// which one of a decoder lies in.
fn in_esds(content: &[u8], begins: usize) -> Option<Range<usize>> {
    const STREAM: u8 = 3;
    const DECODER: u8 = 4;
    let mut at = descriptor(content, begins.saturating_add(4), STREAM)?;
    let flags = *content.get(at.saturating_add(2))?;
    at = at.saturating_add(3);
    if flags & 0x80 != 0 {
        at = at.saturating_add(2);
    }
    if flags & 0x40 != 0 {
        at = at.saturating_add(usize::from(*content.get(at)?)).saturating_add(1);
    }
    if flags & 0x20 != 0 {
        at = at.saturating_add(2);
    }
    // Behind the kinds of its objects and of the stream.
    let begins = descriptor(content, at, DECODER)?.saturating_add(2);
    Some(begins..begins.saturating_add(11))
}

/// Where the content of a descriptor of this tag begins, behind its length of up to four bytes.
fn descriptor(content: &[u8], at: usize, tag: u8) -> Option<usize> {
    let (first, rest) = content.get(at..)?.split_first()?;
    let len = rest.iter().take(4).position(|byte| byte & 0x80 == 0)?;
    (*first == tag).then(|| at.saturating_add(len).saturating_add(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kind: &[u8; 4], content: &[u8]) -> Description {
        Description { kind: *kind, content: content.to_vec().into() }
    }

    #[test]
    fn bit_rates_make_no_description_of_their_own() {
        let avc = |rate: u8, profile: u8| {
            let head = [0; 78];
            let configuration =
                [&15_u32.to_be_bytes()[..], b"avcC", &[1, profile, 0, 30, 0xff, 0xe1, 0]].concat();
            let rates = [&20_u32.to_be_bytes()[..], b"btrt", &[0; 7], &[rate, 0, 0, 0, rate]].concat();
            of(b"avc1", &[&head[..], &configuration, &rates].concat())
        };
        assert!(avc(1, 100).is_like(&avc(2, 100)) && avc(1, 100).is_like(&avc(1, 100)));
        assert!(!avc(1, 100).is_like(&avc(1, 77)) && !avc(1, 100).is_like(&avc(2, 77)));
        assert!(!avc(1, 100).is_like(&of(b"avc3", &avc(2, 100).content)));
        let aac = |rate: u8, channels: u8, long: bool| {
            let len = |len: u8| if long { vec![0x80, 0x80, 0x80, len] } else { vec![len] };
            let decoder = [
                &[0x40, 0x15, 0, rate, 0, 0, 0, rate, 0, 0, 0, 0, rate][..],
                &[5],
                &len(2),
                &[0x11, channels],
            ];
            let decoder = decoder.concat();
            let stream =
                [&[0, 1, 0, 4][..], &len(decoder.len() as u8), &decoder, &[6], &len(1), &[2]].concat();
            let content = [&[0; 4][..], &[3], &len(stream.len() as u8), &stream].concat();
            let size = (content.len() as u32 + 8).to_be_bytes();
            of(b"mp4a", &[&[0; 28][..], &size, b"esds", &content].concat())
        };
        for long in [false, true] {
            assert!(aac(1, 0x90, long).is_like(&aac(9, 0x90, long)));
            assert!(!aac(1, 0x90, long).is_like(&aac(9, 0x88, long)));
        }
        assert!(!aac(1, 0x90, true).is_like(&aac(1, 0x90, false)));
        // What breaks off says nothing of rates.
        let (one, other) =
            (of(b"mp4a", b"\0\0\0\x0cesds\0\0\0\0\x03\x80"), of(b"mp4a", b"\0\0\0\x0cesds\0\0\0\0\x03\x81"));
        assert!(!one.is_like(&other));
    }
}
