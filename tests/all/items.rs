//! Items of a meta, which lie somewhere in the file: copies by tables say where they lie in the result.

use crate::{common::*, places::*};
use avrope::{
    Clip, Control, Cut, Join, Media, Remux, Road, Source, TimeRange, control::Limits, cut, inspect::inspect,
    join, remux,
};
use std::{
    collections::BTreeMap,
    fs,
    io::{Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// An item: its number, how it lies, what is added to the places of its parts, and these with their bytes.
type Item = (u32, u16, u64, Vec<(u64, u64)>);

/// How many bytes the numbers of an iloc have.
#[derive(Clone, Copy)]
struct Widths {
    offset: u8,
    length: u8,
    base: u8,
    index: u8,
}

fn wide(number: u64, width: u8) -> Vec<u8> {
    number.to_be_bytes()[8 - usize::from(width)..].to_vec()
}

fn iloc(version: u8, widths: Widths, items: &[Item]) -> Vec<u8> {
    let Widths { offset, length, base, index } = widths;
    let mut bytes = vec![version, 0, 0, 0, offset << 4 | length, base << 4 | index];
    let id = if version < 2 { 2 } else { 4 };
    bytes.extend(wide(items.len() as u64, id));
    for (number, how, begins, parts) in items {
        bytes.extend(wide((*number).into(), id));
        if version > 0 {
            bytes.extend(how.to_be_bytes());
        }
        bytes.extend([0, 0]);
        bytes.extend(wide(*begins, base));
        bytes.extend((parts.len() as u16).to_be_bytes());
        for (place, len) in parts {
            bytes.extend(vec![7; usize::from(index) * usize::from(version > 0)]);
            bytes.extend(wide(*place, offset));
            bytes.extend(wide(*len, length));
        }
    }
    bytes
}

fn meta(iloc: &[u8]) -> Vec<u8> {
    let handler = [&[0; 8], &b"abcd"[..], &[0; 13]].concat();
    let boxes = [
        make_box(b"hdlr", &handler),
        make_box(b"iloc", iloc),
        make_box(b"pitm", &[0, 0, 0, 0, 0, 1]),
        make_box(b"idat", b"what lies in an idat"),
    ];
    make_box(b"meta", &[&[0; 4], &boxes.concat()[..]].concat())
}

/// The bytes of each item of a meta, by this reader alone.
fn items(file: &[u8], path: &str) -> BTreeMap<u32, Vec<u8>> {
    let meta = find(file, path).unwrap();
    let of = |kind: &[u8; 4]| {
        let all = boxes(file, meta.content() + 4, meta.end());
        let found = all.into_iter().find(|own| &own.kind == kind).unwrap();
        &file[found.content()..found.end()]
    };
    let (iloc, idat) = (of(b"iloc"), of(b"idat"));
    let mut at = 6;
    let mut next = |len: usize| {
        at += len;
        number(iloc, at - len, len)
    };
    let sizes = u16::from_be_bytes([iloc[4], iloc[5]]);
    let size = |at: u16| usize::from(sizes >> at & 15);
    let version = iloc[0];
    let id = if version < 2 { 2 } else { 4 };
    let mut all = BTreeMap::new();
    for _ in 0..next(id) {
        let number = next(id) as u32;
        let how = if version > 0 { next(2) } else { 0 };
        next(2);
        let (base, mut bytes) = (next(size(4)), Vec::new());
        for _ in 0..next(2) {
            next(if version > 0 { size(0) } else { 0 });
            let (place, len) = ((base + next(size(12))) as usize, next(size(8)) as usize);
            bytes.extend_from_slice(&(if how == 0 { file } else { idat })[place..][..len]);
        }
        all.insert(number, bytes);
    }
    all
}

/// Puts a box behind another one of a file whose moov is last.
fn behind(bytes: &[u8], path: &str, new: &[u8]) -> Vec<u8> {
    let own = find(bytes, path).unwrap();
    replace_box(bytes, path, 0, &[&bytes[own.start..own.end()], new].concat())
}

const NARROW: Widths = Widths { offset: 4, length: 4, base: 0, index: 0 };
const BASED: Widths = Widths { offset: 4, length: 4, base: 8, index: 4 };
const WIDE: Widths = Widths { offset: 8, length: 8, base: 4, index: 8 };
const ONE: Widths = Widths { offset: 0, length: 8, base: 4, index: 0 };

/// A clip with bytes that are no sample's in front of its moov, and where these begin.
fn clip_with_bytes(folder: &Path) -> (PathBuf, u64) {
    let own: Vec<u8> = (0..50_000_u32).map(|i| ((i * i) >> 7) as u8).collect();
    let begins = find(&fs::read(clip()).unwrap(), "moov").unwrap().start as u64 + 8;
    (with(folder, &make_box(b"mdat", &own), &[]), begins)
}

fn copies(path: &Path) -> [(&'static str, Clip); 3] {
    [
        ("remux", remux(&open(path), &Remux::new(), &Control::new()).unwrap()),
        ("cut", cutting(path, &[(5.0, 6.2), (1.4, 3.0)])),
        ("join", join(&[from(path), from(&clip())], &Join::new().format("mp4"), &Control::new()).unwrap()),
    ]
}

/// A clip with bytes in it for items, and where those lie. None where it can't be tested: from FFmpeg 6.1 on libav
/// reads items itself, and opens no file of which one has several parts.
fn clip_for_items() -> Option<(TempDir, PathBuf, u64, Vec<u8>)> {
    if !has_oracle("iloc") {
        return None;
    }
    if lavf() > 59 {
        skipped("this libav refuses files of which an item has several parts");
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let (path, own) = clip_with_bytes(folder.path());
    let bytes = fs::read(&path).unwrap();
    Some((folder, path, own, bytes))
}

#[test]
fn items_lie_where_it_is_said() {
    let Some((folder, path, own, bytes)) = clip_for_items() else { return };
    let all = samples(&bytes);
    // The pictures at 0 s, at 2 s and at the end.
    let sample = |i: usize| (all[i].0 as u64, all[i].1 as u64);
    let (first, second, last) = (sample(0), sample(50), sample(all.len() - 1));
    let in_parts = vec![(own + 10, 1000), (own + 500, 3), (own + 40_000, 5000), second];
    let rest = |version: u8| {
        let inside: Item = (9, u16::from(version > 0), 0, vec![if version > 0 { (5, 4) } else { (own, 1) }]);
        vec![
            (1, 0, 0, vec![first]),
            (2, 0, 0, in_parts.clone()),
            (3, 0, 0, vec![last]),
            inside,
            (7, 0, 0, vec![]),
        ]
    };
    let based = |base: u64, version: u8| -> Vec<Item> {
        let less =
            |parts: Vec<(u64, u64)>| parts.into_iter().map(|(place, len)| (place - base, len)).collect();
        let all = rest(version).into_iter();
        all.map(
            |(id, how, _, parts)| if how == 0 { (id, how, base, less(parts)) } else { (id, how, 0, parts) },
        )
        .collect()
    };
    let single = [(1, 0, own + 7, vec![(0, 44)]), (2, 0, first.0, vec![(0, first.1)])];
    for (what, iloc) in [
        ("version 0", iloc(0, NARROW, &rest(0))),
        ("version 1, with a base", iloc(1, BASED, &based(20, 1))),
        ("version 2, wide", iloc(2, WIDE, &based(10, 2))),
        ("a base alone", iloc(1, ONE, &single)),
    ] {
        let meta = meta(&iloc);
        let tags = [&meta[..], &make_box(b"name", b"udta")].concat();
        for (place, bytes) in [
            ("meta", [&bytes[..], &meta].concat()),
            ("moov/meta", behind(&bytes, "moov/mvhd", &meta)),
            ("moov/trak/meta", behind(&bytes, "moov/trak/tkhd", &meta)),
            ("moov/udta/meta", behind(&bytes, "moov/mvhd", &make_box(b"udta", &tags))),
            ("moov/trak/udta/meta", behind(&bytes, "moov/trak/tkhd", &make_box(b"udta", &tags))),
        ] {
            fs::write(&path, &bytes).unwrap();
            let due = items(&bytes, place);
            assert!(due[&1].len() > 20 && due[&2].len() > 20, "{what}");
            for (how, clip) in copies(&path) {
                by_tables(&clip);
                let written = clip.rope.to_bytes().unwrap();
                assert!(items(&written, place) == due, "{what} in {place}, {how}");
                let out = save(&clip, folder.path(), "out.mp4");
                assert!(complaints(&out).is_empty(), "{what} in {place}, {how}");
                let is_kept = |tag: &[u8]| written.windows(tag.len()).any(|part| part == tag);
                assert!(is_kept(&make_box(b"idat", b"what lies in an idat")), "{what} in {place}, {how}");
                assert_eq!(is_kept(b"nameudta"), place.contains("udta"), "{what} in {place}, {how}");
            }
        }
    }
}

/// What lies in a sample lies in it still, and is not there twice; what lies one in the other neither.
#[test]
fn items_cost_no_bytes_twice() {
    let Some((_folder, path, own, bytes)) = clip_for_items() else { return };
    let none = remux(&open(&path), &Remux::new(), &Control::new()).unwrap().rope.len();
    let samples: Vec<(u64, u64)> =
        samples(&bytes).iter().map(|(at, len)| (*at as u64, *len as u64)).collect();
    let all: Vec<Item> = (0..200_u32)
        .map(|i| {
            let sample = samples[i as usize];
            (i, 0, 0, vec![sample, (own + u64::from(i), 40_000)])
        })
        .collect();
    let meta = meta(&iloc(0, NARROW, &all));
    let bytes = behind(&bytes, "moov/mvhd", &meta);
    fs::write(&path, &bytes).unwrap();
    let clip = remux(&open(&path), &Remux::new(), &Control::new()).unwrap();
    by_tables(&clip);
    assert_eq!(clip.rope.len(), none + meta.len() as u64 + 40_199);
    let written = clip.rope.to_bytes().unwrap();
    assert!(items(&written, "moov/meta") == items(&bytes, "moov/meta"));
}

/// What can't be said anew goes by libav, which has no items.
#[test]
fn items_that_lie_are_no_tables() {
    let Some((_folder, path, own, bytes)) = clip_for_items() else { return };
    let one = |version, widths, base, place, len| iloc(version, widths, &[(1, 0, base, vec![(place, len)])]);
    let patched = |mut iloc: Vec<u8>, at: usize, new: &[u8]| {
        iloc[at..at + new.len()].copy_from_slice(new);
        iloc
    };
    let plain = || one(1, NARROW, 0, own, 10);
    let lies = [
        ("version 3", patched(plain(), 0, &[3])),
        ("numbers of 3 bytes", patched(plain(), 4, &[0x34])),
        ("more items than there are", patched(plain(), 6, &[0xff; 2])),
        ("2^32 items", patched(one(2, NARROW, 0, own, 10), 6, &[0xff; 4])),
        ("more parts than there are", patched(plain(), 14, &[0xff; 2])),
        ("another file", patched(plain(), 12, &[0, 1])),
        ("an unknown method", patched(plain(), 10, &[0, 3])),
        ("all of the file", one(1, NARROW, 0, own, 0)),
        ("beyond the end", one(1, NARROW, 0, own, 1 << 30)),
        ("beyond 2^64", one(1, WIDE, 0, u64::MAX, 2)),
        ("a base beyond 2^64", one(1, Widths { offset: 8, length: 8, base: 8, index: 0 }, u64::MAX, own, 2)),
        (
            "no widths",
            patched(
                iloc(1, Widths { offset: 0, length: 0, base: 0, index: 0 }, &[(1, 1, 0, vec![(0, 0)])]),
                14,
                &[0xff; 2],
            ),
        ),
        ("nothing", vec![]),
        ("half a head", vec![1, 0, 0, 0, 0x44]),
    ];
    let check = |what: &str, bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        for clip in [
            remux(&open(&path), &Remux::new().format("mp4"), &Control::new()).unwrap(),
            cutting(&path, &[(1.4, 3.0)]),
        ] {
            assert_eq!(clip.report.road, Some(Road::Libav), "{what}");
            assert!(
                clip.report.warnings.iter().any(|told| told.contains("iloc")),
                "{what}: it is lost in silence"
            );
        }
        inspect(&from(&path), &Control::new()).unwrap();
    };
    for (what, iloc) in lies {
        check(what, &behind(&bytes, "moov/mvhd", &meta(&iloc)));
        check(what, &[&bytes[..], &meta(&iloc)].concat());
    }
    // More of them than are looked for, in one box or in several.
    let many = |count: u16| {
        let parts = |first: u64| (first..first + u64::from(count)).map(|place| (place, 1)).collect();
        meta(&iloc(0, NARROW, &[(1, 0, 0, parts(100)), (2, 0, 0, parts(200))]))
    };
    check("many parts", &behind(&bytes, "moov/mvhd", &many(40_000)));
    check("many parts", &[&bytes[..], &many(40_000)].concat());
    check("many in two", &[&bytes[..], &many(20_000), &many(20_000)].concat());
    check("many in both", &[&behind(&bytes, "moov/mvhd", &many(20_000))[..], &many(20_000)].concat());
    // Where no reader looks for one.
    check("in minf", &behind(&bytes, "moov/trak/mdia/minf/dinf", &meta(&plain())));
    check("in moov", &behind(&bytes, "moov/mvhd", &make_box(b"iloc", &plain())));
}

/// In a file of more than 4 GiB the numbers of the result have 64 bits where those of the source had 32.
#[test]
fn items_of_large_files_lie_where_it_is_said() {
    oracle!("iloc");
    let folder = tempfile::tempdir().unwrap();
    let bytes = fs::read(clip()).unwrap();
    let moov = find(&bytes, "moov").unwrap();
    // What lies in front of the moov; of the large box no more than the first bytes are anything.
    let large: u64 = (4 << 30) + 100;
    let head = [&1_u32.to_be_bytes()[..], b"mdat", &(large + 16).to_be_bytes(), b"marks"].concat();
    let begins = moov.start as u64 + 16;
    for version in [0, 2] {
        let widths = Widths { offset: 4, length: 8, base: 0, index: 0 };
        let meta = meta(&iloc(version, widths, &[(1, 0, 0, vec![(begins, large)])]));
        let with_meta = behind(&bytes, "moov/mvhd", &meta);
        let path = folder.path().join("large.mp4");
        let mut file = fs::File::create(&path).unwrap();
        file.write_all(&bytes[..moov.start]).unwrap();
        file.write_all(&head).unwrap();
        file.seek(SeekFrom::Start(begins + large)).unwrap();
        file.write_all(&with_meta[moov.start..]).unwrap();
        drop(file);
        // Not all of it is looked at: the result's moov is in front.
        for (_, clip) in copies(&path) {
            assert_eq!(clip.report.road, Some(Road::Tables));
            let written = clip.rope.slice(..1_000_000).unwrap().to_bytes().unwrap();
            let meta = find(&written, "moov/meta").unwrap();
            let iloc =
                boxes(&written, meta.content() + 4, meta.end()).into_iter().find(|own| &own.kind == b"iloc");
            let iloc = &written[iloc.unwrap().content()..];
            assert_eq!(iloc[4], 0x88);
            // Behind how many items, its number, how it lies, in which file, how many parts.
            let at = if version == 0 { 8 + 2 + 2 + 2 } else { 10 + 4 + 2 + 2 + 2 };
            let (place, len) = (number(iloc, at, 8), number(iloc, at + 8, 8));
            assert_eq!(len, large);
            assert!(clip.rope.slice(place..place + 5).unwrap().to_bytes().unwrap() == b"marks"[..]);
            assert!(place + len <= clip.rope.len());
        }
    }
}

/// Also of a file that libav opens, for its time code.
#[test]
fn items_of_a_file_that_libav_opens_are_told_of() {
    let Some((folder, path, own, _)) = clip_for_items() else { return };
    let coded = folder.path().join("coded.mp4");
    let inputs = ["-i", path.to_str().unwrap(), "-c", "copy", "-timecode", "01:00:00:00"];
    ffmpeg(&[&inputs[..], &[coded.to_str().unwrap()]].concat());
    let whole = meta(&iloc(1, NARROW, &[(1, 0, 0, vec![(own, 0)])]));
    fs::write(&coded, [fs::read(&coded).unwrap(), whole].concat()).unwrap();
    let clip = remux(&open(&coded), &Remux::new().format("mp4"), &Control::new()).unwrap();
    assert_eq!(clip.report.road, Some(Road::Libav));
    assert!(clip.report.warnings.iter().any(|told| told.contains("iloc")), "{:?}", clip.report.warnings);
}

#[test]
fn a_box_of_items_larger_than_memory_may_be_is_let_alone() {
    let bytes = std::fs::read(clip()).unwrap();
    let none = make_box(b"meta", &[&[0; 4][..], &make_box(b"hdlr", &[0; 24]), &vec![0; 4 << 20]].concat());
    let source = Source::from_bytes([bytes, none].concat());
    let mut limits = Limits::default();
    limits.demuxer_memory = 3 << 20;
    let control = Control::new().limits(limits);
    let media = Media::open_with(source, &control).unwrap();
    let settings = Cut::new().keep(TimeRange::secs(1.0, 2.0).unwrap()).format("mp4");
    let clip = cut(&media, &settings, &control).unwrap();
    assert_eq!(clip.report.road, Some(Road::Libav));
    assert!(clip.report.warnings.iter().any(|text| text.contains("iloc")), "{:?}", clip.report.warnings);
}
