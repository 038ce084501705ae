//! A copy of an MP4 into another kind of MP4 by its tables (MOV, M4A and back), held against the same by libav: what is
//! shown is the same, and so are the boxes around it.

use crate::{
    common::*,
    roads::{both, sources},
};
use avrope::{
    Clip, Control, Cut, CutMode, Error, Media, Remux, Road, Source, TimeRange, cut, inspect::inspect,
    join, remux,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

const KINDS: [&str; 3] = ["mp4", "mov", "m4a"];

fn cutting(
    media: &Media,
    format: &str,
    road: Road,
    mode: CutMode,
    keep: &[(f64, f64)],
) -> Result<Clip, Error> {
    let ranges = keep.iter().map(|(from, to)| TimeRange::secs(*from, *to).unwrap());
    let settings = Cut::new().mode(mode).road(road).format(format).allow_drops(true);
    cut(media, &ranges.fold(settings, Cut::keep), &Control::new())
}

fn remuxing(media: &Media, format: &str, road: Road) -> Result<Clip, Error> {
    let settings = Remux::new().format(format).road(road).allow_drops(true);
    remux(media, &settings, &Control::new())
}

/// The major brand of a file; `qt  ` for one without.
fn brand(path: &Path) -> String {
    let bytes = std::fs::read(path).unwrap();
    let ftyp = find(&bytes, "ftyp").map(|found| bytes[found.content()..][..4].to_vec());
    String::from_utf8(ftyp.unwrap_or_else(|| b"qt  ".to_vec())).unwrap()
}

/// Whether a source of this brand is of another kind than a container.
fn differs(brand: &str, format: &str) -> bool {
    match format {
        "mov" => brand != "qt  ",
        "m4a" => brand != "M4A ",
        _ => ["qt", "M4A", "M4V", "3g"].iter().any(|other| brand.starts_with(other)),
    }
}

#[test]
fn cuts_and_remuxes_into_other_kinds_are_the_same() {
    oracle!("kinds");
    let mut wrong = Vec::new();
    let mut by_tables = BTreeMap::new();
    for (name, path) in sources() {
        let folder = tempfile::tempdir().unwrap();
        let Ok(media) = Media::open(Source::open(&path).unwrap()) else { continue };
        let Some(length) = media.duration().map(|length| length.as_secs_f64()) else { continue };
        let at = |share: f64| (share * length * 1000.0).round() / 1000.0;
        let keeps: [&[(f64, f64)]; 3] = [
            &[(at(0.31), at(0.77))],
            &[(at(0.5), length)],
            &[(at(0.6), at(0.9)), (at(0.1), at(0.35)), (at(0.1), at(0.35))],
        ];
        let brand = brand(&path);
        for format in KINDS.into_iter().filter(|format| differs(&brand, format)) {
            let mut count = 0;
            for (i, keep) in keeps.into_iter().enumerate() {
                for mode in [CutMode::Edit, CutMode::Keyframe] {
                    let is_due = cfg!(feature = "full-tests") || (i + name.len()) % 6 == 0;
                    let decodes = is_due && keep.len() == 1;
                    let run = |road| cutting(&media, format, road, mode, keep);
                    let name = format!("{name} into {format} {mode:?} {keep:?}");
                    count += usize::from(both(&name, folder.path(), &run, decodes, 0, &mut wrong));
                }
            }
            let run = |road| remuxing(&media, format, road);
            let what = format!("{name} into {format}");
            count += usize::from(both(&what, folder.path(), &run, true, 0, &mut wrong));
            if let Ok(clip) = run(Road::Tables)
                && clip.report.road == Some(Road::Tables)
            {
                assert_eq!(clip.report.payload_copied, 0, "{what}");
            }
            by_tables.insert(what, count);
        }
    }
    assert!(wrong.is_empty(), "{} wrong: {:#?}", wrong.len(), &wrong[..wrong.len().min(12)]);
    println!("{by_tables:#?}");
    let all = by_tables.values().filter(|count| **count == 7).count();
    assert!(all > 20, "{by_tables:#?}");
}

/// The boxes of a file by their ways, each as often as it is there.
fn ways(clip: &Clip) -> Vec<String> {
    let found = inspect(&Source::from_rope(clip.rope.clone()), &Control::new()).unwrap();
    let mut all = Vec::new();
    let mut left: Vec<_> = found.boxes.iter().map(|own| (String::new(), own)).collect();
    while let Some((way, own)) = left.pop() {
        let way = format!("{way}/{}", own.kind);
        left.extend(own.boxes.iter().map(|inner| (way.clone(), inner)));
        all.push(way);
    }
    all.sort();
    all
}

#[test]
fn the_boxes_are_those_of_libavs_muxer() {
    oracle!("kinds");
    let (mut wrong, mut count) = (BTreeMap::new(), 0);
    for (name, path) in sources() {
        let Ok(media) = Media::open(Source::open(&path).unwrap()) else { continue };
        let brand = brand(&path);
        for format in KINDS.into_iter().filter(|format| differs(&brand, format)) {
            let (Ok(tables), Ok(libav)) =
                (remuxing(&media, format, Road::Tables), remuxing(&media, format, Road::Libav))
            else {
                continue;
            };
            if tables.report.road != Some(Road::Tables) {
                continue;
            }
            count += 1;
            let (own, due) = (ways(&tables), ways(&libav));
            if own != due {
                let set = |all: &[String]| all.iter().cloned().collect::<BTreeSet<_>>();
                let more: Vec<_> = set(&own).difference(&set(&due)).cloned().collect();
                let less: Vec<_> = set(&due).difference(&set(&own)).cloned().collect();
                wrong.insert(format!("{name} into {format}"), (more, less));
            }
            if tables.report.warnings != libav.report.warnings {
                println!("{name} into {format}: {:#?} {:#?}", tables.report.warnings, libav.report.warnings);
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(count > 20, "{count}");
}
