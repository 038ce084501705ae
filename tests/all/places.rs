//! Boxes that say where bytes lie in the file, or something of samples by their numbers: in copies by tables they say
//! it of the result.

use crate::{common::*, readers::wrong};
use avrope::{Clip, Control, Cut, Join, Remux, Road, Source, TimeRange, cut, inspect::inspect, join, remux};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

const KEY: &str = "0123456789abcdef0123456789abcdef";

pub fn ranges(keep: &[(f64, f64)]) -> Cut {
    let ranges = keep.iter().map(|(from, to)| TimeRange::secs(*from, *to).unwrap());
    ranges.fold(Cut::new().format("mp4"), Cut::keep)
}

pub fn cutting(path: &Path, keep: &[(f64, f64)]) -> Clip {
    cut(&open(path), &ranges(keep), &Control::new()).unwrap()
}

pub fn from(path: &Path) -> Source {
    Source::open(path).unwrap()
}

pub fn by_tables(clip: &Clip) {
    assert_eq!(clip.report.road, Some(Road::Tables));
    assert!(clip.report.warnings.is_empty(), "{:?}", clip.report.warnings);
    // Firefox's parser reads it as ours does.
    assert_eq!(wrong(clip), None);
}

pub fn number(bytes: &[u8], at: usize, len: usize) -> u64 {
    bytes[at..at + len].iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

/// The boxes of the first track's tables.
pub fn tables(kind: &str) -> String {
    format!("moov/trak/mdia/minf/stbl/{kind}")
}

/// The samples of the first track: where each lies.
pub fn samples(bytes: &[u8]) -> Vec<(usize, usize)> {
    let found = inspect(&Source::from_bytes(bytes.to_vec()), &Control::new()).unwrap();
    let track = &found.tracks[0];
    let all = found.samples(track.id, 0..track.samples);
    all.map(|sample| (sample.offset as usize, sample.size as usize)).collect()
}

/// Samples of each chunk of the first track.
fn chunks(bytes: &[u8]) -> Vec<usize> {
    let stsc = content(bytes, &tables("stsc")).unwrap();
    let count = number(content(bytes, &tables("stco")).unwrap(), 4, 4) as usize;
    let entries = number(stsc, 4, 4) as usize;
    let at = |entry: usize, field: usize| number(stsc, 8 + entry * 12 + field * 4, 4) as usize;
    let of = |chunk: usize| (0..entries).rfind(|entry| at(*entry, 0) <= chunk + 1).unwrap();
    (0..count).map(|chunk| at(of(chunk), 1)).collect()
}

/// What each of the first track's samples has besides, by its first saiz and saio.
fn besides(bytes: &[u8]) -> Vec<Vec<u8>> {
    let (saiz, saio) = (content(bytes, &tables("saiz")).unwrap(), content(bytes, &tables("saio")).unwrap());
    let at = if saiz[3] & 1 == 1 { 12 } else { 4 };
    let (size, count) = (saiz[at] as usize, number(saiz, at + 1, 4) as usize);
    let sizes = (0..count).map(|i| if size > 0 { size } else { saiz[at + 5 + i].into() });
    let wide = if saio[0] == 1 { 8 } else { 4 };
    let places = number(saio, at, 4) as usize;
    let place = |i: usize| number(saio, at + 4 + i * wide, wide) as usize;
    let lasts = if places == 1 { vec![usize::MAX] } else { chunks(bytes) };
    let (mut chunk, mut passed, mut next) = (0, 0, place(0));
    let mut all = Vec::new();
    for size in sizes {
        if passed == lasts[chunk] {
            (chunk, passed) = (chunk + 1, 0);
            next = place(chunk);
        }
        all.push(bytes[next..next + size].to_vec());
        (next, passed) = (next + size, passed + 1);
    }
    all
}

/// The clip, with other boxes in front of its moov, and behind the first track's description of its samples: a moov
/// that is behind the payload moves nothing.
pub fn with(folder: &Path, in_front: &[u8], in_tables: &[u8]) -> PathBuf {
    let bytes = fs::read(clip()).unwrap();
    let moov = find(&bytes, "moov").unwrap();
    let bytes = [&bytes[..moov.start], in_front, &bytes[moov.start..]].concat();
    let stsd = find(&bytes, &tables("stsd")).unwrap();
    let new = [&bytes[stsd.start..stsd.end()], in_tables].concat();
    let path = folder.join("source.mp4");
    fs::write(&path, replace_box(&bytes, &tables("stsd"), 0, &new)).unwrap();
    path
}

/// Hashes of packets as they are decrypted.
fn decrypted(path: &Path) -> Vec<BTreeSet<String>> {
    let name = path.to_str().unwrap();
    let of = |stream: &str| {
        let options = ["-decryption_key", KEY, "-ignore_editlist", "1", "-i", name, "-map", stream];
        let (text, _) = ffmpeg(&[&options[..], &["-c", "copy", "-f", "framemd5", "-"]].concat());
        let text = String::from_utf8(text).unwrap();
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        // Stream, dts, pts, duration, size, and the hash; FFmpeg 9 has side data behind it.
        lines.map(|line| line.split(',').nth(5).unwrap().trim().to_owned()).collect()
    };
    vec![of("0:v"), of("0:a")]
}

fn encrypted() -> PathBuf {
    let inputs = ["-f", "lavfi", "-i", "testsrc2=s=128x96:r=25:d=6", "-f", "lavfi", "-i"];
    let sound = ["anoisesrc=r=44100:seed=3:a=0.2,atrim=end=6", "-c:v", "libx264", "-g", "25", "-c:a", "aac"];
    let scheme = ["-encryption_scheme", "cenc-aes-ctr", "-encryption_key", KEY, "-encryption_kid", KEY];
    made_by_ffmpeg("encrypted.mp4", &[&inputs[..], &sound, &scheme].concat())
}

/// What it takes to decrypt samples goes along with them, whichever box tells of it: libav reads senc where there is
/// one, and what saio names else.
#[test]
fn what_is_encrypted_can_be_decrypted_from_copies() {
    oracle!("encryption");
    let folder = tempfile::tempdir().unwrap();
    let all = decrypted(&encrypted());
    let bytes = fs::read(encrypted()).unwrap();
    let mut without = bytes.clone();
    for senc in find_all(&bytes, &tables("senc")) {
        without[senc.start + 4..senc.start + 8].copy_from_slice(b"free");
    }
    for bytes in [bytes, without] {
        let path = folder.path().join("source.mp4");
        fs::write(&path, bytes).unwrap();
        assert_eq!(decrypted(&path), all);
        let clip = remux(&open(&path), &Remux::new(), &Control::new()).unwrap();
        by_tables(&clip);
        assert_eq!(decrypted(&save(&clip, folder.path(), "out.mp4")), all);
        for keep in [&[(0.0, 2.0)][..], &[(2.1, 4.0), (0.5, 1.5)]] {
            let clip = cutting(&path, keep);
            by_tables(&clip);
            let found = decrypted(&save(&clip, folder.path(), "out.mp4"));
            assert!(
                found.iter().zip(&all).all(|(some, all)| some.len() > 20 && some.is_subset(all)),
                "{keep:?}"
            );
        }
        let clip = join(&[from(&path), from(&path)], &Join::new().format("mp4"), &Control::new()).unwrap();
        by_tables(&clip);
        assert_eq!(decrypted(&save(&clip, folder.path(), "out.mp4")), all);
    }
}

/// Without what tells how samples were encrypted, or beside clear ones, they stay where they are.
#[test]
fn what_could_not_be_decrypted_is_not_copied() {
    oracle!("encryption");
    let folder = tempfile::tempdir().unwrap();
    let bytes = fs::read(encrypted()).unwrap();
    let path = folder.path().join("source.mp4");
    let not_copied = |what: &str| {
        let media = open(&path);
        assert!(remux(&media, &Remux::new(), &Control::new()).is_err(), "{what}, remuxed");
        assert!(cut(&media, &ranges(&[(1.0, 3.0)]), &Control::new()).is_err(), "{what}, cut");
    };
    for kinds in [&["saio"][..], &["saiz"], &["saiz", "saio", "senc"]] {
        let mut without = bytes.clone();
        for found in kinds.iter().flat_map(|kind| find_all(&bytes, &tables(kind))) {
            without[found.start + 4..found.start + 8].copy_from_slice(b"free");
        }
        fs::write(&path, &without).unwrap();
        not_copied(&format!("without {kinds:?}"));
    }
    // What senc has is not what the others name.
    let mut longer = bytes.clone();
    let saiz = find_all(&bytes, &tables("saiz")).pop().unwrap();
    longer[saiz.content() + 4] += 1;
    fs::write(&path, &longer).unwrap();
    not_copied("another size");
    fs::write(&path, &bytes).unwrap();
    let clear = made_by_ffmpeg(
        "clear.mp4",
        &[
            "-f",
            "lavfi",
            "-i",
            "testsrc2=s=128x96:r=25:d=6",
            "-f",
            "lavfi",
            "-i",
            "anoisesrc=r=44100:d=6",
            "-c:v",
            "libx264",
            "-g",
            "25",
            "-c:a",
            "aac",
        ],
    );
    let settings = Join::new().format("mp4");
    for both in [[from(&path), from(&clear)], [from(&clear), from(&path)]] {
        assert!(join(&both, &settings, &Control::new()).is_err());
    }
    // By another key: readers know one of a track, and libav shows nothing of what is described another way.
    let mut other = bytes.clone();
    // The last byte of the key's number, behind version and flags, four others, and fifteen of its own.
    let tenc = bytes.windows(4).position(|kind| kind == b"tenc").unwrap();
    other[tenc + 4 + 4 + 4 + 15] ^= 1;
    fs::write(&path, &other).unwrap();
    assert!(join(&[from(&encrypted()), from(&path)], &settings, &Control::new()).is_err());
}

/// What samples have besides that is not of encryption goes along as well, from one place or from one of each chunk.
#[test]
fn what_samples_have_besides_goes_along() {
    oracle!("saio");
    let folder = tempfile::tempdir().unwrap();
    let bytes = fs::read(clip()).unwrap();
    let (all, moov) = (samples(&bytes), find(&bytes, "moov").unwrap());
    let sizes: Vec<u8> = (0..all.len()).map(|i| (i % 5) as u8).collect();
    let data = |i: usize| (0..sizes[i]).map(move |k| (i * 31) as u8 ^ k).collect::<Vec<u8>>();
    let about = [&b"abcd"[..], &7_u32.to_be_bytes()].concat();
    let count = (all.len() as u32).to_be_bytes();
    let saiz = make_box(b"saiz", &[&[0, 0, 0, 1], &about[..], &[0], &count, &sizes].concat());
    for per_chunk in [false, true] {
        // One byte of nothing in front of each chunk's.
        let (mut blob, mut places, mut next) = (Vec::new(), Vec::new(), 0);
        let lasts = if per_chunk { chunks(&bytes) } else { vec![all.len()] };
        for last in lasts {
            blob.push(0xff);
            places.push((moov.start + 8 + blob.len()) as u64);
            (next..next + last).for_each(|i| blob.extend(data(i)));
            next += last;
        }
        let entries: Vec<u8> = places.iter().flat_map(|place| place.to_be_bytes()).collect();
        let head = [&[1, 0, 0, 1], &about[..], &(places.len() as u32).to_be_bytes()].concat();
        let saio = make_box(b"saio", &[head, entries].concat());
        let path = with(folder.path(), &make_box(b"mdat", &blob), &[&saiz[..], &saio].concat());
        let source = fs::read(&path).unwrap();
        let own = besides(&source);
        assert_eq!((own.len(), &own[8]), (all.len(), &data(8)));
        let clips = [
            remux(&open(&path), &Remux::new(), &Control::new()).unwrap(),
            cutting(&path, &[(1.4, 3.0), (5.0, 6.2)]),
            join(&[from(&path), from(&clip())], &Join::new().format("mp4"), &Control::new()).unwrap(),
        ];
        for (what, clip) in ["remux", "cut", "join"].iter().zip(&clips) {
            by_tables(clip);
            let written = clip.rope.to_bytes().unwrap();
            let (found, kept) = (besides(&written), samples(&written));
            assert_eq!(found.len(), kept.len(), "{what}");
            let bytes_of = |file: &[u8], (at, len): (usize, usize)| file[at..at + len].to_vec();
            for (i, (found, kept)) in found.iter().zip(&kept).enumerate() {
                let kept = bytes_of(&written, *kept);
                let number = all.iter().position(|own| bytes_of(&source, *own) == kept).unwrap();
                let due = if i >= all.len() { &Vec::new() } else { &own[number] };
                assert_eq!(found, due, "{what}, {i}, per chunk: {per_chunk}");
            }
        }
    }
}

/// Tables of places that lie cost nothing but the road.
#[test]
fn places_that_lie_are_no_tables() {
    oracle!("saio");
    let folder = tempfile::tempdir().unwrap();
    let count = samples(&fs::read(clip()).unwrap()).len() as u32;
    let saiz = |size: u8, count: u32, rest: &[u8]| {
        make_box(b"saiz", &[&[0, 0, 0, 0, size][..], &count.to_be_bytes(), rest].concat())
    };
    let saio = |version: u8, count: u32, rest: &[u8]| {
        make_box(b"saio", &[&[version, 0, 0, 0][..], &count.to_be_bytes(), rest].concat())
    };
    let one = saio(0, 1, &40_u32.to_be_bytes());
    let lies: [(&str, Vec<u8>); 10] = [
        ("more samples than there are", [saiz(1, count + 1, &[]), one.clone()].concat()),
        ("2^32 samples", [saiz(255, u32::MAX, &[]), one.clone()].concat()),
        ("more sizes than there is room for", [saiz(0, count, &[1; 3]), one.clone()].concat()),
        ("no sizes", one.clone()),
        ("a place beyond the end", [saiz(1, count, &[]), saio(0, 1, &[0xff; 4])].concat()),
        ("a place beyond 2^64", [saiz(1, count, &[]), saio(1, 1, &[0xff; 8])].concat()),
        ("2^32 places", [saiz(1, count, &[]), saio(0, u32::MAX, &[0; 8])].concat()),
        ("two places", [saiz(1, count, &[]), saio(0, 2, &[0; 8])].concat()),
        ("no place", [saiz(1, count, &[]), saio(0, 0, &[])].concat()),
        ("many of them", [saiz(1, count, &[]), one.clone()].concat().repeat(10_000)),
    ];
    for (what, boxes) in lies {
        let path = with(folder.path(), &[], &boxes);
        for clip in [
            remux(&open(&path), &Remux::new().format("mp4"), &Control::new()).unwrap(),
            cutting(&path, &[(1.4, 3.0)]),
        ] {
            assert_eq!(clip.report.road, Some(Road::Libav), "{what}");
        }
        inspect(&Source::open(&path).unwrap(), &Control::new()).unwrap();
    }
}
