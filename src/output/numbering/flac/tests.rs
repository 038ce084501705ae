use super::*;
use crate::media::flac::decode_number;

/// A frame of this block size (in 16 bits) and number; its sound is any bytes.
fn frame(variable: bool, number: u64, block: u32) -> Vec<u8> {
    let mut bytes = vec![0xFF, 0xF8 | u8::from(variable), 0x7A, 0x18];
    encode_number(number, &mut bytes);
    bytes.extend_from_slice(&u16::try_from(block - 1).unwrap().to_be_bytes());
    bytes.push(crc8(&bytes));
    bytes.extend_from_slice(b"sound");
    bytes.extend_from_slice(&crc16(&bytes).to_be_bytes());
    bytes
}

fn info(block: u16, samples: u64) -> StreamInfo {
    let mut info = StreamInfo { bytes: [0xEE; StreamInfo::LEN] };
    info.set_blocks(block, block);
    info.set_samples(samples);
    info
}

/// The numbers that frames have after they went through.
fn through(frames: &mut Frames, all: &[Vec<u8>]) -> Vec<Header> {
    let one = |frame: &Vec<u8>| {
        let new = frames.next(frame).unwrap().0.unwrap_or_else(|| frame.clone());
        let end = new.len() - 2;
        assert_eq!(crc16(&new[..end]).to_be_bytes(), new[end..], "the whole frame's checksum");
        assert!(new[..end].ends_with(b"sound"));
        Header::parse(&new).expect("a header with its checksum")
    };
    all.iter().map(one).collect()
}

#[test]
fn numbers_go_through_their_coding() {
    let edges = [7, 11, 16, 21, 26, 31, 36].map(|bits| 1_u64 << bits);
    for number in edges.iter().flat_map(|edge| [edge - 1, *edge]).filter(|n| *n < 1 << 36).chain([0, 1]) {
        let mut bytes = Vec::new();
        encode_number(number, &mut bytes);
        assert_eq!(decode_number(&bytes), Some((number, bytes.len())), "{number:#x}");
        let bits = u64::BITS - number.leading_zeros();
        let least = [7, 11, 16, 21, 26, 31, 36].iter().position(|holds| bits <= *holds).unwrap() + 1;
        assert_eq!(bytes.len(), least, "{number:#x}");
    }
    // RFC 3629's own example, and what is no number.
    assert_eq!(decode_number("\u{20AC}".as_bytes()), Some((0x20AC, 3)));
    assert_eq!(decode_number(&[0x80]), None);
    assert_eq!(decode_number(&[0xFF, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80]), None);
    assert_eq!(decode_number(&[0xE2, 0x82]), None);
}

#[test]
fn a_stretch_is_numbered_from_0() {
    let mut frames = Frames::new(info(4096, 4096 * 300), false);
    let all: Vec<_> = (126..130).map(|n| frame(false, n, 4096)).chain([frame(false, 130, 77)]).collect();
    let headers = through(&mut frames, &all);
    assert_eq!(
        headers.iter().map(|h| (h.variable, h.number)).collect::<Vec<_>>(),
        [(false, 0), (false, 1), (false, 2), (false, 3), (false, 4)]
    );
    let told = frames.info();
    assert_eq!((told.samples(), told.blocks()), (4096 * 4 + 77, (4096, 4096)));
    assert_eq!(told.bytes()[18..], [0; 16], "nobody knows the sum of a stretch");
    assert!(!frames.is_uneven());
}

#[test]
fn all_frames_of_a_stream_stay_as_they_are_with_their_md5() {
    let mut frames = Frames::new(info(4096, 4096 + 20), false);
    assert_eq!(frames.next(&frame(false, 0, 4096)).unwrap().0, None);
    assert_eq!(frames.next(&frame(false, 1, 20)).unwrap().0, None);
    assert_eq!(frames.info().bytes()[18..], [0xEE; 16]);
    // One frame less, and it is another stream.
    let mut less = Frames::new(info(4096, 4096 + 20), false);
    less.next(&frame(false, 0, 4096)).unwrap();
    assert_eq!(less.info().bytes()[18..], [0; 16]);
}

#[test]
fn where_parts_meet_frames_say_their_samples() {
    let part = || [frame(false, 0, 4096), frame(false, 1, 5)];
    let mut frames = Frames::new(info(4096, 4101), true);
    let headers = through(&mut frames, &[part(), part()].concat());
    assert_eq!(
        headers.iter().map(|h| (h.variable, h.number)).collect::<Vec<_>>(),
        [(true, 0), (true, 4096), (true, 4101), (true, 8197)]
    );
    // A block of 5 is below what STREAMINFO can say.
    assert_eq!((frames.info().samples(), frames.info().blocks()), (8202, (16, 4096)));
}

#[test]
fn what_is_damaged_is_left_as_it_is() {
    let mut damaged = frame(false, 7, 4096);
    let last = damaged.len() - 1;
    damaged[last] ^= 1;
    let mut frames = Frames::new(info(4096, 8192), false);
    assert_eq!(frames.next(&damaged).unwrap().0, None);
    assert_eq!(frames.damaged, 1);
    for cut in 0..damaged.len() {
        assert_eq!(frames.next(&damaged[..cut]).unwrap().0, None);
    }
    // What follows has its place all the same.
    let before = frames.frames;
    let next = frames.next(&frame(false, 99, 4096)).unwrap().0.unwrap();
    assert_eq!(Header::parse(&next).unwrap().number, before);
}

#[test]
fn numbers_end_where_their_coding_does() {
    let mut frames = Frames::new(info(4096, 0), true);
    frames.samples = (1 << 36) - 1;
    assert!(frames.next(&frame(true, 0, 4096)).is_ok());
    assert!(frames.next(&frame(true, 0, 4096)).unwrap_err().to_string().contains("so many samples"));
    assert_eq!(frames.info().samples(), 0, "36 bits do not say it: unknown");
}
