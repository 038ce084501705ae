//! A copy of an MP4 into another kind of MP4 by its tables (MOV, M4A and back), held against the same by libav: what is
//! shown is the same, and so are the boxes around it.

use crate::{
    common::*,
    roads::{both, leaves, sources},
};
use avrope::{
    Clip, Control, Cut, CutMode, Error, Join, Media, Remux, Road, Source, TimeRange, cut, inspect::inspect,
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

/// Files with what the others lack: codecs, chapters, covers, text, tags, fragments.
fn made() -> Vec<(String, PathBuf)> {
    let picture = ["-f", "lavfi", "-i", "testsrc2=s=96x64:r=25:d=4"];
    let sound = ["-f", "lavfi", "-i", "sine=440:r=48000:d=4"];
    let chapters = kept().join("kinds-chapters.txt");
    let srt = kept().join("kinds-text.srt");
    std::fs::create_dir_all(kept()).unwrap();
    let chapter = |i: u32| {
        format!("[CHAPTER]\nTIMEBASE=1/1000\nSTART={}\nEND={}\ntitle=Part {i}\n", i * 1300, i * 1300 + 1300)
    };
    std::fs::write(&chapters, format!(";FFMETADATA1\ntitle=All\n{}{}{}", chapter(0), chapter(1), chapter(2)))
        .unwrap();
    let line = |i: u32| format!("{}\n00:00:0{i},200 --> 00:00:0{i},900\nline {i}\n\n", i + 1);
    std::fs::write(&srt, (0..3).map(line).collect::<String>()).unwrap();
    let chapters = ["-i", chapters.to_str().unwrap(), "-map_metadata", "2", "-map", "0", "-map", "1"];
    let srt = ["-i", srt.to_str().unwrap(), "-map", "0", "-map", "1", "-map", "2"];
    let avc = ["-c:v", "libx264", "-bf", "2", "-g", "20"];
    let aac = ["-c:a", "aac"];
    let tags = [
        "-metadata",
        "title=A title",
        "-metadata",
        "artist=Nobody",
        "-metadata:s:a",
        "language=deu",
        "-metadata",
        "creation_time=2020-02-02T02:02:02Z",
    ];
    let both = [&picture[..], &sound].concat();
    let all: [(&str, Vec<&str>); 19] = [
        ("kind-avc.mov", [&both[..], &avc, &aac, &tags].concat()),
        ("kind-tags.mp4", [&both[..], &avc, &aac, &tags].concat()),
        ("kind-hevc.mov", [&both[..], &["-c:v", "libx265", "-tag:v", "hvc1", "-g", "20"], &aac].concat()),
        ("kind-hev1.mp4", [&both[..], &["-c:v", "libx265", "-tag:v", "hev1", "-g", "20"], &aac].concat()),
        ("kind-mp3.mp4", [&both[..], &avc, &["-c:a", "libmp3lame"]].concat()),
        ("kind-mp3.mov", [&both[..], &avc, &["-c:a", "libmp3lame"]].concat()),
        ("kind-ac3.mp4", [&both[..], &avc, &["-c:a", "ac3"]].concat()),
        ("kind-ac3.mov", [&both[..], &avc, &["-c:a", "ac3"]].concat()),
        ("kind-eac3.mp4", [&both[..], &avc, &["-c:a", "eac3"]].concat()),
        ("kind-vp9.mp4", [&both[..], &["-c:v", "libvpx-vp9", "-g", "20"], &["-c:a", "libopus"]].concat()),
        (
            "kind-flac.mp4",
            [&both[..], &["-c:v", "mpeg2video", "-g", "20", "-c:a", "flac", "-strict", "-2"]].concat(),
        ),
        ("kind-prores.mov", [&both[..], &["-c:v", "prores_ks", "-c:a", "alac"]].concat()),
        ("kind-pcm.mov", [&both[..], &["-c:v", "mjpeg", "-q:v", "6", "-c:a", "pcm_s16le"]].concat()),
        ("kind-text.mp4", [&both[..], &srt, &avc, &aac, &["-c:s", "mov_text"]].concat()),
        ("kind-chapters.mp4", [&both[..], &chapters, &avc, &aac].concat()),
        ("kind-chapters.mov", [&both[..], &chapters, &avc, &aac].concat()),
        ("kind-timecode.mov", [&both[..], &avc, &aac, &["-timecode", "01:00:00:10"]].concat()),
        ("kind-fragments.mp4", [&both[..], &avc, &aac, &["-movflags", "frag_keyframe+empty_moov"]].concat()),
        ("kind-fragments.mov", [&both[..], &avc, &aac, &["-movflags", "frag_keyframe+empty_moov"]].concat()),
    ];
    let made = all.into_iter().map(|(name, arguments)| (name.to_owned(), made_by_ffmpeg(name, &arguments)));
    let mut all: Vec<_> = made.collect();
    let cover =
        made_by_ffmpeg("kind-cover.png", &["-f", "lavfi", "-i", "testsrc2=s=64x64:d=0.04", "-frames:v", "1"]);
    let cover = cover.to_str().unwrap();
    let both = [
        &sound[..],
        &["-i", cover, "-map", "0", "-map", "1", "-c:v", "copy", "-disposition:v", "attached_pic"],
    ];
    all.push((
        "kind-cover.m4a".into(),
        made_by_ffmpeg("kind-cover.m4a", &[&both.concat()[..], &aac].concat()),
    ));
    all
}

fn all_sources() -> Vec<(String, PathBuf)> {
    sources().into_iter().chain(made()).collect()
}

#[test]
fn cuts_and_remuxes_into_other_kinds_are_the_same() {
    oracle!("kinds");
    let mut wrong = Vec::new();
    let mut by_tables = BTreeMap::new();
    for (name, path) in all_sources() {
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
    for (what, count) in &by_tables {
        println!("{count} {what}")
    }
    let all = by_tables.values().filter(|count| **count == 7).count();
    assert!(all > 20, "{by_tables:#?}");
}

/// What a result may have besides: what the source says of its samples, and room for blocks that are shared.
const MORE: [&str; 2] = ["/free", "/moov/trak/mdia/minf/stbl/sdtp"];

/// The ways to all boxes of a file.
fn ways(clip: &Clip) -> BTreeSet<String> {
    let found = inspect(&Source::from_rope(clip.rope.clone()), &Control::new()).unwrap();
    let mut all = BTreeSet::new();
    let mut left: Vec<_> = found.boxes.iter().map(|own| (String::new(), own)).collect();
    while let Some((way, own)) = left.pop() {
        let way = format!("{way}/{}", own.kind);
        left.extend(own.boxes.iter().map(|inner| (way.clone(), inner)));
        all.insert(way);
    }
    all
}

/// The boxes that say nothing of samples, and not how long they last; of descriptions how long they are (they say bit
/// rates, which are the source's).
fn around_samples(clip: &Clip) -> Vec<(String, Vec<u8>)> {
    const OF_SAMPLES: [&str; 13] = [
        "stts", "ctts", "stss", "stsc", "stsz", "sgpd", "sbgp", "sdtp", "elst", "mvhd", "tkhd", "mdhd",
        "stps",
    ];
    let all = leaves(&clip.rope.to_bytes().unwrap());
    let kept = all.into_iter().filter(|(way, _)| !OF_SAMPLES.contains(&way.rsplit('/').next().unwrap()));
    let plain = |(way, bytes): (String, Vec<u8>)| match way.ends_with("stsd") {
        true => (way, bytes.len().to_be_bytes().to_vec()),
        false => (way, bytes),
    };
    kept.map(plain).collect()
}

#[test]
fn the_boxes_are_those_of_libavs_muxer() {
    oracle!("kinds");
    let (mut wrong, mut count) = (Vec::new(), 0);
    for (name, path) in all_sources() {
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
            let what = format!("{name} into {format}");
            let [own, due] = [&tables, &libav].map(ways);
            let more: Vec<_> = own.difference(&due).filter(|way| !MORE.contains(&way.as_str())).collect();
            let less: Vec<_> = due.difference(&own).collect();
            if !more.is_empty() || !less.is_empty() {
                wrong.push(format!("{what}: more {more:?}, less {less:?}"));
            }
            let [own, due] = [&tables, &libav].map(around_samples);
            let other = own.iter().zip(&due).find(|(own, due)| own != due).map(|(own, _)| &own.0);
            if own.len() != due.len() || other.is_some() {
                wrong.push(format!(
                    "{what}: {} and {} boxes, unlike from {other:?} on",
                    own.len(),
                    due.len()
                ));
            }
            if tables.report.dropped_streams != libav.report.dropped_streams {
                wrong.push(format!("{what}: {:?}", tables.report.dropped_streams));
            }
            if tables.report.warnings != libav.report.warnings {
                let warnings = [&tables, &libav].map(|clip| &clip.report.warnings);
                wrong.push(format!("{what}: {warnings:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong: {wrong:#?}", wrong.len());
    assert!(count > 20, "{count}");
}

#[test]
fn joins_into_other_kinds_are_the_same() {
    oracle!("kinds");
    let named = |name: &str| name.starts_with("kind-") && !name.contains("timecode") && !name.contains("pcm");
    let known = ["h264-aac", "aac-m4a", "hevc-aac"];
    let all: Vec<_> =
        all_sources().into_iter().filter(|(name, _)| named(name) || known.contains(&&**name)).collect();
    let (mut wrong, mut by_tables) = (Vec::new(), 0);
    let folder = tempfile::tempdir().unwrap();
    for (name, path) in &all {
        for (other, second) in &all {
            for format in KINDS {
                let kinds = [path, second].map(|path| differs(&brand(path), format));
                let list: Vec<Source> =
                    [path, second, path].iter().map(|path| Source::open(path).unwrap()).collect();
                let run = |road| {
                    join(&list, &Join::new().road(road).format(format).allow_drops(true), &Control::new())
                };
                if kinds == [false; 2] || run(Road::Libav).is_err() {
                    continue;
                }
                let what = format!("{name} and {other} into {format}");
                let went = both(&what, folder.path(), &run, false, 2, &mut wrong);
                if !went {
                    println!("not by tables: {what}")
                }
                by_tables += usize::from(went);
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong: {:#?}", wrong.len(), &wrong[..wrong.len().min(12)]);
    assert!(by_tables > 20, "{by_tables} by tables");
    println!("{by_tables}");
}
