//! Boxes that say something of samples by their numbers, cut and joined.

use crate::{common::*, places::*};
use avrope::{Clip, Control, Join, Remux, Road, inspect::inspect, join, remux};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// What is said of each sample of a file's first track: its priority, its padding, its group, and by which other one it
/// is shadowed.
#[derive(Debug, Default, PartialEq)]
struct Said {
    priorities: Vec<u64>,
    padding: Vec<u8>,
    groups: Vec<u64>,
    shadows: BTreeMap<usize, usize>,
}

impl Said {
    fn of(bytes: &[u8]) -> Self {
        let table = |kind: &str| content(bytes, &tables(kind)).unwrap();
        let (stdp, padb, stsh, sbgp) = (table("stdp"), table("padb"), table("stsh"), table("sbgp"));
        let padding = (0..number(padb, 4, 4) as usize).map(|i| (padb[8 + i / 2] >> (4 - i % 2 * 4)) & 15);
        let pair =
            |i: usize| (number(stsh, 8 + i * 8, 4) as usize - 1, number(stsh, 12 + i * 8, 4) as usize - 1);
        assert_eq!(&sbgp[4..8], b"roll");
        let run = |i: usize| vec![number(sbgp, 16 + i * 8, 4); number(sbgp, 12 + i * 8, 4) as usize];
        Self {
            priorities: stdp[4..].chunks(2).map(|pair| number(pair, 0, 2)).collect(),
            padding: padding.collect(),
            groups: (0..number(sbgp, 8, 4) as usize).flat_map(run).collect(),
            shadows: (0..number(stsh, 4, 4) as usize).map(pair).collect(),
        }
    }
}

fn priority(sample: usize) -> u16 {
    sample as u16 * 7 + 1
}

fn padding(sample: usize) -> u8 {
    (sample % 8) as u8
}

/// By the patterns: 1 2 2 for the first 90 samples, 2 for the next ten, and none behind them.
fn group(sample: usize) -> u64 {
    match sample {
        0..90 => [1, 2, 2][sample % 3],
        90..100 => 2,
        _ => 0,
    }
}

fn told(folder: &Path) -> (PathBuf, Vec<u8>, BTreeMap<usize, usize>) {
    let count = samples(&fs::read(clip()).unwrap()).len();
    let all = 0..count;
    let shadows: BTreeMap<usize, usize> = all
        .clone()
        .step_by(10)
        .map(|i| (i, if i % 20 == 0 { i / 50 * 50 } else { (i + 3) % count }))
        .collect();
    let pair =
        |(a, b): (&usize, &usize)| [*a as u32 + 1, *b as u32 + 1].into_iter().flat_map(u32::to_be_bytes);
    let pairs: Vec<u8> = shadows.iter().flat_map(pair).collect();
    let halves: Vec<u8> = all.clone().step_by(2).map(|i| padding(i) << 4 | padding(i + 1)).collect();
    let counted = |count: usize, rest: &[u8]| [&[0; 4], &(count as u32).to_be_bytes()[..], rest].concat();
    let roll = [&[1, 0, 0, 0], &b"roll"[..], &[0, 0, 0, 2, 0, 0, 0, 2, 0, 1, 0, 2]].concat();
    // Two patterns, of bytes, whose groups are halves of them.
    let compact = [&[0, 0, 0, 0x14], &b"roll"[..], &[0, 0, 0, 2, 3, 90, 1, 10, 0x12, 0x22]].concat();
    let boxes = [
        make_box(b"stdp", &[vec![0; 4], all.flat_map(|i| priority(i).to_be_bytes()).collect()].concat()),
        make_box(b"padb", &counted(count, &halves)),
        make_box(b"stsh", &counted(shadows.len(), &pairs)),
        make_box(b"sgpd", &roll),
        make_box(b"csgp", &compact),
    ]
    .concat();
    (with(folder, &[], &boxes), boxes, shadows)
}

#[test]
fn what_is_said_of_samples_goes_along() {
    oracle!("boxes of samples");
    let folder = tempfile::tempdir().unwrap();
    let (path, boxes, shadows) = told(folder.path());
    let source = fs::read(&path).unwrap();
    let all = samples(&source);
    let found = inspect(&from(&path), &Control::new()).unwrap();
    for (table, entries) in
        [("stdp", all.len()), ("padb", all.len()), ("stsh", shadows.len()), ("csgp roll", 60)]
    {
        assert_eq!(found.tracks[0].tables.get(table), Some(&(entries as u64)), "{table}");
    }
    assert!(found.warnings.is_empty(), "{:?}", found.warnings);
    let remuxed = remux(&open(&path), &Remux::new(), &Control::new()).unwrap();
    by_tables(&remuxed);
    let written = remuxed.rope.to_bytes().unwrap();
    assert!(written.windows(boxes.len()).any(|part| part == boxes), "as they are");
    let whole = join(&[from(&clip()), from(&path)], &Join::new().format("mp4"), &Control::new()).unwrap();
    for (what, clip) in [("cut", cutting(&path, &[(5.0, 6.2), (1.4, 3.0)])), ("join", whole)] {
        by_tables(&clip);
        let written = clip.rope.to_bytes().unwrap();
        let bytes = |file: &[u8], (at, len): (usize, usize)| file[at..at + len].to_vec();
        // Which of the source each is; none of the first part of the join.
        let kept = samples(&written).into_iter().enumerate().map(|(i, kept)| {
            let kept = bytes(&written, kept);
            let number = all.iter().position(|own| bytes(&source, *own) == kept).unwrap();
            Some(number).filter(|_| what == "cut" || i >= all.len())
        });
        let kept: Vec<Option<usize>> = kept.collect();
        let place = |number: usize| kept.iter().position(|own| *own == Some(number));
        let due = Said {
            priorities: kept.iter().map(|own| own.map_or(0, |i| priority(i).into())).collect(),
            padding: kept.iter().map(|own| own.map_or(0, padding)).collect(),
            groups: kept.iter().map(|own| own.map_or(0, group)).collect(),
            shadows: shadows.iter().filter_map(|(a, b)| place(*a).zip(place(*b))).collect(),
        };
        assert!(due.shadows.len() > 3);
        assert_eq!(Said::of(&written), due, "{what}");
    }
}

/// What can't be meant is left out, and said.
#[test]
fn what_is_said_of_samples_wrongly_is_named() {
    oracle!("boxes of samples");
    let folder = tempfile::tempdir().unwrap();
    let count = samples(&fs::read(clip()).unwrap()).len() as u32;
    let pairs = |pairs: &[[u32; 2]]| {
        let entries: Vec<u8> = pairs.iter().flatten().flat_map(|number| number.to_be_bytes()).collect();
        [&[0; 4], &(pairs.len() as u32).to_be_bytes()[..], &entries].concat()
    };
    let compact = |rest: &[u8]| [&[0, 0, 0, 0x3f], &b"roll"[..], rest].concat();
    let lies: [(&[u8; 4], Vec<u8>); 12] = [
        (b"stdp", vec![0; 4]),
        (b"padb", [&[0; 4], &(count + 1).to_be_bytes()[..], &[0; 1000]].concat()),
        (b"padb", [&[0; 4], &count.to_be_bytes()[..], &[0; 3]].concat()),
        (b"stsh", pairs(&[[2, 1], [1, 3]])),
        (b"stsh", pairs(&[[0, 1]])),
        (b"stsh", pairs(&[[1, count + 1]])),
        (b"stsh", [[0; 4], [0xff; 4]].concat()),
        (b"csgp", compact(&[0xff; 4])),
        (b"csgp", compact(&[0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1])),
        (b"csgp", compact(&[0, 0, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1])),
        (b"csgp", compact(&[0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1])),
        (b"csgp", vec![0; 4]),
    ];
    for (number, (kind, content)) in lies.into_iter().enumerate() {
        let path = with(folder.path(), &[], &make_box(kind, &content));
        let kind = String::from_utf8_lossy(kind);
        let clip = cutting(&path, &[(1.4, 3.0)]);
        assert_eq!(clip.report.road, Some(Road::Tables), "{number}");
        assert_names(&clip, &kind);
        let found = inspect(&from(&path), &Control::new()).unwrap();
        assert!(found.warnings.iter().any(|what| what.contains(&*kind)), "{number}: {:?}", found.warnings);
    }
}

fn assert_names(clip: &Clip, kind: &str) {
    let named = format!("box {kind} is left out");
    assert!(clip.report.warnings.iter().any(|what| what.contains(&named)), "{:?}", clip.report.warnings);
}
