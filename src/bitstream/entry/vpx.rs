//! VP8 (RFC 6386, 9.1) and VP9 (its bitstream specification, 6.2 and annex B).

use super::{Entry, Picture};
use crate::bitstream::bits::Bits;

pub(super) fn vp8(packet: &[u8]) -> Picture {
    let mut picture = Picture::default();
    let [first, _, _, rest @ ..] = packet else { return picture };
    picture.count = 1;
    picture.is_hidden = first & 0x10 == 0;
    // Which buffers it goes to stands in its coded part.
    picture.is_reference = true;
    picture.is_intra = first & 1 == 0 && rest.starts_with(&[0x9D, 1, 0x2A]);
    picture.entry = picture.is_intra.then_some(Entry::Anywhere);
    picture
}

/// A packet may have frames that are not shown, and one that is.
pub(super) fn vp9(packet: &[u8]) -> Picture {
    let mut picture = Picture { is_hidden: true, ..Picture::default() };
    for frame in frames(packet) {
        let Some(header) = Header::read(frame) else { continue };
        if picture.count == 0 {
            picture.is_intra = header.is_key;
            picture.entry = header.is_key.then_some(Entry::Anywhere);
        }
        picture.count = picture.count.saturating_add(1);
        picture.is_reference |= !header.shows_existing;
        picture.is_hidden &= !header.is_shown;
    }
    picture.is_hidden &= picture.count > 0;
    picture
}

/// The frames of a superframe, or the one that there is (annex B).
fn frames(packet: &[u8]) -> impl Iterator<Item = &[u8]> {
    let (mut sizes, mut rest, size_bytes) = match index(packet) {
        Some((sizes, frames, bytes)) => (sizes, frames, bytes),
        None => (&[][..], packet, 0),
    };
    std::iter::from_fn(move || {
        if size_bytes == 0 {
            return (!rest.is_empty()).then(|| std::mem::take(&mut rest));
        }
        let (size, behind) = sizes.split_at_checked(size_bytes)?;
        sizes = behind;
        let size = size.iter().rev().fold(0_usize, |size, byte| size << 8 | usize::from(*byte));
        let (frame, behind) = rest.split_at_checked(size)?;
        rest = behind;
        Some(frame)
    })
}

/// The sizes of a superframe's frames, what is in front of its index, and of how many bytes each size is.
fn index(packet: &[u8]) -> Option<(&[u8], &[u8], usize)> {
    let marker = *packet.last()?;
    if marker >> 5 != 6 {
        return None;
    }
    let size_bytes = usize::from(marker >> 3 & 3).saturating_add(1);
    let sizes = size_bytes.saturating_mul(usize::from(marker & 7).saturating_add(1));
    let begins = packet.len().checked_sub(sizes.saturating_add(2))?;
    let (frames, index) = packet.split_at_checked(begins)?;
    (index.first() == Some(&marker)).then_some(())?;
    Some((index.get(1..sizes.saturating_add(1))?, frames, size_bytes))
}

/// The beginning of an uncompressed header (6.2).
struct Header {
    shows_existing: bool,
    is_key: bool,
    is_shown: bool,
}

impl Header {
    fn read(frame: &[u8]) -> Option<Self> {
        let mut bits = Bits::of(frame);
        if bits.take(2)? != 2 {
            return None;
        }
        // Low bit and high bit; profile 3 has one more.
        if bits.take(2)? == 3 && bits.flag()? {
            return None;
        }
        if bits.flag()? {
            return Some(Self { shows_existing: true, is_key: false, is_shown: true });
        }
        let is_key = !bits.flag()?;
        let is_shown = bits.flag()?;
        bits.take(1)?;
        let is_key = is_key && bits.take(24)? == 0x49_83_42;
        Some(Self { shows_existing: false, is_key, is_shown })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn superframes() {
        // Two frames of one byte and of two, hidden and shown, and their index.
        let hidden = [0b1000_0100];
        let shown = [0b1000_0110, 7];
        let packet = [&hidden[..], &shown, &[0xC1, 1, 2, 0xC1]].concat();
        let found: Vec<_> = frames(&packet).collect();
        assert_eq!(found, [&hidden[..], &shown]);
        let picture = vp9(&packet);
        assert_eq!((picture.count, picture.is_hidden, picture.entry), (2, false, None));
        assert!(vp9(&hidden).is_hidden);
        // A key frame; the same frame shown again; no marker.
        assert_eq!(vp9(&[0b1000_0010, 0x49, 0x83, 0x42]).entry, Some(Entry::Anywhere));
        let again = vp9(&[0b1000_1000]);
        assert_eq!((again.count, again.is_reference, again.is_hidden), (1, false, false));
        assert_eq!(vp9(&[0]), Picture::default());
        // An index that is longer than its packet, and sizes that are.
        assert_eq!(frames(&[0xDF]).count(), 1);
        assert_eq!(frames(&[0xC1, 9, 9, 0xC1]).count(), 0);
    }
}
