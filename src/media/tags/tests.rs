//! Counts that do not depend on how the bytes come, nor on what is put in front of them.

use super::{id3::Id3, matroska::Matroska, ogg::Ogg, vorbis::Comments};
use crate::av::crc;

/// What is counted of these bytes, in pieces of any size.
fn counted<W>(bytes: &[u8], new: impl Fn() -> W, see: impl Fn(&mut W, u64, &[u8]) -> u64) -> u64 {
    let in_pieces = |size: usize| {
        let mut watch = new();
        let mut at = 0;
        bytes.chunks(size).fold(0, |_, piece| {
            let named = see(&mut watch, at, piece);
            at += piece.len() as u64;
            named
        })
    };
    let whole = in_pieces(bytes.len());
    for size in [1, 7, 64, 1000] {
        assert_eq!(in_pieces(size), whole, "in pieces of {size}");
    }
    whole
}

fn comments(count: u32) -> Vec<u8> {
    let mut block = [&5_u32.to_le_bytes()[..], b"maker", &count.to_le_bytes()].concat();
    for i in 0..count {
        let comment = format!("key{i}=v");
        block.extend([&(comment.len() as u32).to_le_bytes()[..], comment.as_bytes()].concat());
    }
    block
}

fn block(kind: u8, content: &[u8]) -> Vec<u8> {
    [&(u32::from(kind) << 24 | content.len() as u32).to_be_bytes()[..], content].concat()
}

fn flac(blocks: &[Vec<u8>]) -> u64 {
    let bytes = [b"fLaC".to_vec(), blocks.concat(), block(0x80, &[0; 34]), comments(9)].concat();
    let tagged = [&b"ID3\x04\0\x10\0\0\x02\x01"[..], &[b'T'; 257 + 10], &bytes].concat();
    let count = |bytes: &[u8]| counted(bytes, Comments::of_flac, Comments::see);
    assert_eq!(count(&tagged), count(&bytes));
    count(&bytes)
}

#[test]
fn comments_of_all_blocks_count() {
    assert_eq!(flac(&[block(0, &[0; 34]), block(4, &comments(300)), block(4, &comments(5))]), 305);
    assert_eq!(flac(&[block(1, &comments(300)), block(6, &comments(5))]), 0);
    // libav leaves a block at the first comment that does not fit, and goes on with the next.
    let lies = [&comments(7)[..], &u32::MAX.to_le_bytes(), &comments(3)].concat();
    assert_eq!(flac(&[block(4, &lies), block(4, &comments(2))]), 9);
    for short in 0..=8 {
        assert_eq!(flac(&[block(4, &vec![0; short]), block(4, &comments(2))]), 2, "{short}");
    }
}

/// A packet in pages of up to 255 segments.
fn pages(serial: u32, first: bool, packet: &[u8]) -> Vec<u8> {
    let mut sizes = vec![255; packet.len() / 255];
    sizes.push((packet.len() % 255) as u8);
    let mut at = 0;
    let mut pages = Vec::new();
    for (i, sizes) in sizes.chunks(255).enumerate() {
        let flags = u8::from(i > 0) | u8::from(first) << 1;
        let head = [
            &[b'O', b'g', b'g', b'S', 0, flags][..],
            &[0; 8],
            &serial.to_le_bytes(),
            &(i as u32).to_le_bytes(),
        ]
        .concat();
        let len = sizes.iter().map(|size| usize::from(*size)).sum::<usize>();
        let rest = [&[sizes.len() as u8][..], sizes, &packet[at..at + len]].concat();
        at += len;
        let sum = crc::crc32(&[&head, &[0; 4], &rest]).to_le_bytes();
        pages.extend([&head[..], &sum, &rest].concat());
    }
    pages
}

fn ogg(bytes: &[u8]) -> u64 {
    counted(bytes, Ogg::default, Ogg::see)
}

#[test]
fn comments_go_over_pages_and_each_packet_counts_alone() {
    let stream = |serial, head: &[u8], magic: &[u8], count| {
        let comments = [magic, &comments(count)].concat();
        [pages(serial, true, head), pages(serial, false, &comments), pages(serial, false, &[0; 600])].concat()
    };
    let opus = stream(1, b"OpusHead", b"OpusTags", 6000);
    assert_eq!(ogg(&opus), 6000);
    assert_eq!(ogg(&stream(1, b"\x01vorbis", b"\x03vorbis", 6000)), 6000);
    assert_eq!(ogg(&stream(1, b"\x80theora", b"\x81theora", 90)), 90);
    assert_eq!(ogg(&stream(1, b"\x7fFLAC", b"\x84\0\0\0", 90)), 90);
    assert_eq!(ogg(&stream(1, b"Speex   ", b"", 90)), 90);
    // Chained streams: libav has a dictionary for each.
    let chained = [opus.clone(), stream(2, b"OpusHead", b"OpusTags", 500), opus.clone()].concat();
    assert_eq!(ogg(&chained), 6000);
    // A page that is none, over one that is.
    let fake = [&b"OggS\0\0"[..], &[0; 20], &[255], &[255; 255], &opus].concat();
    assert_eq!(ogg(&fake), 6000);
}

#[test]
fn tags_of_matroska_count_once_wherever_they_are() {
    let tag = |i: u32| {
        let name = format!("key{i}");
        let name = [&[0x45, 0xA3, 0x80 | name.len() as u8], name.as_bytes()].concat();
        [&[0x67, 0xC8, 0x80 | name.len() as u8][..], &name].concat()
    };
    let simple: Vec<u8> = (0..6000).flat_map(tag).collect();
    let tags = [&[0x12, 0x54, 0xC3, 0x67, 0x01, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0x73, 0x73, 0xFF][..], &simple];
    let tags = tags.concat();
    let count = |bytes: &[u8]| counted(bytes, Matroska::default, Matroska::see);
    assert_eq!(count(&tags), 6000);
    assert_eq!(count(&simple), 0);
    // Within what says that it is something else.
    assert_eq!(
        count(&[&[0xEC, 0x81, 0, 0x12, 0x54, 0xC3, 0x67, 0xFF, 0xEC, 0xFF][..], &tags].concat()),
        6000
    );
    let mut again = Matroska::default();
    assert_eq!((again.see(0, &tags), again.see(0, &tags)), (6000, 6000));
    // A CodecPrivate of FLAC.
    let private = [&b"fLaC"[..], &block(0, &[0; 34]), &block(0x84, &comments(300))].concat();
    assert_eq!(count(&private), 301);
    let chapters: Vec<u8> =
        (0..900_u16).flat_map(|i| [&[0xB6, 0x84, 0x73, 0xC4][..], &i.to_be_bytes()].concat()).collect();
    assert_eq!(count(&[&[0x10, 0x43, 0xA7, 0x70, 0xFF][..], &chapters].concat()), 900);
}

#[test]
fn frames_of_id3_count_in_all_versions() {
    let tag = |version: u8, frame: &[u8], count: usize| {
        let frames = frame.repeat(count);
        let size = frames.len() as u32;
        let size = [size >> 21, size >> 14, size >> 7, size].map(|part| part as u8 & 0x7F);
        let behind = b"TXXX\0\0\0\x01\0\0a".repeat(50);
        let bytes = [&[b'I', b'D', b'3', version, 0, 0][..], &size, &frames, &behind].concat();
        counted(&bytes, Id3::default, Id3::see)
    };
    assert_eq!(tag(4, b"TXXX\0\0\0\x04\0\0\x03k\0v", 6000), 6000);
    assert_eq!(tag(3, b"PRIV\0\0\0\x04\0\0ow\0v", 6000), 6000);
    assert_eq!(tag(3, b"Tabc\0\0\0\x04\0\0\x03k\0v", 6000), 6000);
    assert_eq!(tag(2, b"TXX\0\0\x04\x03k\0v", 6000), 6000);
    assert_eq!(tag(3, b"APIC\0\0\0\x04\0\0\xFF\xD8TX", 6000), 0);
}
