//! A copy of an MP4 into another kind of MP4 by its tables (MOV, M4A and back), held against the same by libav: what is
//! shown is the same, and so are the boxes around it.

use crate::{
    common::*,
    roads::{both, leaves, shown, sources},
    samples::made as made_files,
};
use avrope::{
    Clip, Control, Cut, CutMode, Error, Join, Media, Remux, Road, Source, Strip, TimeRange, cut,
    inspect::inspect, join, remux,
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

fn remuxing(media: &Media, format: &str, road: Road, strip: Strip) -> Result<Clip, Error> {
    let settings = Remux::new().format(format).road(road).strip(strip).allow_drops(true);
    remux(media, &settings, &Control::new())
}

/// The major brand of a file; `qt  ` for one without.
pub fn brand(path: &Path) -> String {
    let bytes = std::fs::read(path).unwrap();
    let ftyp = find(&bytes, "ftyp").map(|found| bytes[found.content()..][..4].to_vec());
    String::from_utf8(ftyp.unwrap_or_else(|| b"qt  ".to_vec())).unwrap()
}

/// Whether a source of this brand is of another kind than a container.
pub fn differs(brand: &str, format: &str) -> bool {
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
        "-metadata",
        "location=+48.8577+002.2950/",
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
            let run = |road| remuxing(&media, format, road, Strip::Nothing);
            let what = format!("{name} into {format}");
            let is_due = cfg!(feature = "full-tests") || (what.len() + name.len()) % 4 == 0;
            count += usize::from(both(&what, folder.path(), &run, is_due, 0, &mut wrong));
            if let Ok(clip) = run(Road::Tables)
                && clip.report.road == Some(Road::Tables)
            {
                assert_eq!(clip.report.payload_copied, 0, "{what}");
            }
            by_tables.insert(what, count);
        }
    }
    assert!(wrong.is_empty(), "{} wrong: {:#?}", wrong.len(), &wrong[..wrong.len().min(12)]);
    // Six cuts and a remux.
    let all = by_tables.values().filter(|count| **count == 7).count();
    assert!(all > 20, "{by_tables:#?}");
    for (name, format) in [
        ("h264-aac", "mov"),
        ("hevc-aac", "mov"),
        ("av1-mp4", "mov"),
        ("kind-mp3.mp4", "mov"),
        ("kind-fragments.mp4", "mov"),
        ("kind-avc.mov", "mp4"),
        ("kind-hevc.mov", "mp4"),
        ("kind-mp3.mov", "mp4"),
        ("kind-chapters.mov", "mp4"),
        ("aac-m4a", "mp4"),
        ("kind-cover.m4a", "mp4"),
        ("kind-tags.mp4", "m4a"),
    ] {
        let what = format!("{name} into {format}");
        // Not every libav has all encoders.
        assert!(by_tables.get(&what).is_none_or(|count| *count == 7), "{what}: {by_tables:#?}");
    }
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
        let strips = [Strip::Nothing, Strip::Location, Strip::Metadata];
        let kinds = KINDS.into_iter().filter(|format| differs(&brand, format));
        for (format, strip) in kinds.flat_map(|format| strips.map(|strip| (format, strip))) {
            let run = |road| remuxing(&media, format, road, strip);
            let (Ok(tables), Ok(libav)) = (run(Road::Tables), run(Road::Libav)) else { continue };
            if tables.report.road != Some(Road::Tables) {
                continue;
            }
            count += 1;
            let what = format!("{name} into {format}, {strip:?}");
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
            // Libav's way does not tell of metadata that its muxer leaves out.
            let told = |clip: &Clip| {
                let all = clip
                    .report
                    .warnings
                    .iter()
                    .filter(|told| !told.contains("has no place for some metadata"));
                all.cloned().collect::<Vec<_>>()
            };
            let warnings = [&tables, &libav].map(told);
            if warnings[0] != warnings[1] {
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
    // A last frame of sound that fragments cut short is made whole by libav's way, in the same kind as well.
    const OTHERS: [&str; 3] = ["timecode", "pcm", "fragments"];
    let named = |name: &str| name.starts_with("kind-") && !OTHERS.iter().any(|other| name.contains(other));
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
                by_tables += usize::from(went);
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong: {:#?}", wrong.len(), &wrong[..wrong.len().min(12)]);
    assert!(by_tables > 20, "{by_tables} by tables");
}

/// What is encoded of one picture, and the parameter sets that its file has.
fn coded(name: &str, coding: &[&str]) -> PathBuf {
    let picture = ["-f", "lavfi", "-i", "testsrc2=s=96x64:r=25:d=2", "-c:v", "libx264", "-g", "20"];
    made_by_ffmpeg(name, &[&picture[..], coding].concat())
}

fn configurations(path: &Path) -> Vec<Vec<u8>> {
    let bytes = std::fs::read(path).unwrap();
    let stsd = content(&bytes, "moov/trak/mdia/minf/stbl/stsd").unwrap();
    let of = |entry: &Mp4Box| {
        // Behind what all pictures have.
        let found = boxes(stsd, entry.content() + 78, entry.end());
        let avcc = found.iter().find(|found| &found.kind == b"avcC").unwrap();
        stsd[avcc.content()..avcc.end()].to_vec()
    };
    boxes(stsd, 8, stsd.len()).iter().map(of).collect()
}

fn held(path: &Path) -> Vec<Vec<u8>> {
    shown(path).into_iter().map(|(.., held, _)| held).collect()
}

/// Sources of two kinds whose parameter sets differ: the one description has those of both.
#[test]
fn a_join_of_two_kinds_has_one_description_with_all_parameter_sets() {
    oracle!("kinds");
    let made = |name: &str, profile: &str| coded(name, &["-profile:v", profile]);
    let folder = tempfile::tempdir().unwrap();
    for (one, other, format) in [
        (made("one.mp4", "baseline"), made("other.mov", "high"), "mp4"),
        (made("one.mp4", "baseline"), made("other.mov", "high"), "mov"),
        (made("one.mp4", "baseline"), made("other.mp4", "high"), "mov"),
        (made("one.mov", "baseline"), made("other.mov", "high"), "m4a"),
    ] {
        let list = [&one, &other, &one].map(|path| Source::open(path).unwrap());
        let clip = join(&list, &Join::new().format(format), &Control::new()).unwrap();
        assert_eq!(clip.report.road, Some(Road::Tables), "{format}");
        assert!(clip.report.warnings.is_empty(), "{format}: {:?}", clip.report.warnings);
        let out = save(&clip, folder.path(), "out.mp4");
        let found = inspect(&Source::open(&out).unwrap(), &Control::new()).unwrap();
        assert_eq!(found.tracks[0].codecs.len(), 1, "{format}");
        let all = configurations(&out).concat();
        let [first, second] = [&one, &other].map(|path| configurations(path).concat());
        // Two sets of each kind, under the higher profile; the first ones as they are.
        assert_eq!((all[1], all[5] & 31), (100, 2), "{format}");
        let set = |bytes: &[u8]| bytes[8..8 + usize::from(bytes[7])].to_vec();
        assert_eq!((set(&first)[1], set(&second)[1]), (66, 100), "{format}");
        assert_eq!(set(&all)[..4], set(&first)[..4], "{format}");
        let (all, first, second) = (held(&out), held(&one), held(&other));
        assert!(all[..50] == first && all[100..] == first && all[50..100] != second, "{format}");
        // Of each slice some bytes that name a set: the first message of x264 lies in front of the first one.
        assert!((50..50 * 64).contains(&clip.report.payload_copied), "{}", clip.report.payload_copied);
    }
}

/// Sources of two kinds that differ in more than their parameter sets: each has its own description, as the container
/// writes it.
#[test]
fn a_join_of_two_kinds_has_a_description_for_each_that_says_something_else() {
    oracle!("kinds");
    let folder = tempfile::tempdir().unwrap();
    let made = |name: &str, space: &str| {
        let filter = format!("setparams=colorspace={space}:color_primaries={space}:color_trc={space}");
        coded(name, &["-vf", &filter])
    };
    for (one, other, format) in [
        (made("bt709.mp4", "bt709"), made("sd.mov", "smpte170m"), "mp4"),
        (made("bt709.mp4", "bt709"), made("sd.mov", "smpte170m"), "mov"),
        (made("bt709.mp4", "bt709"), made("sd.mp4", "smpte170m"), "mov"),
        (made("bt709.mov", "bt709"), made("sd.mov", "smpte170m"), "m4a"),
    ] {
        let list = [&one, &other, &one].map(|path| Source::open(path).unwrap());
        let clip = join(&list, &Join::new().format(format), &Control::new()).unwrap();
        assert_eq!((clip.report.road, clip.report.payload_copied), (Some(Road::Tables), 0), "{format}");
        let out = save(&clip, folder.path(), "out.mp4");
        let found = inspect(&Source::open(&out).unwrap(), &Control::new()).unwrap();
        assert_eq!(found.tracks[0].codecs.len(), 2, "{format}");
        let is_said = |warning: &String| warning.contains("a sample description of its own");
        assert!(clip.report.warnings.iter().any(is_said), "{format}: {:?}", clip.report.warnings);
        // FFmpeg 5.1 decodes but the first pictures behind a change, in the same kind as well: the tables tell.
        let samples: Vec<_> = found.samples(found.tracks[0].id, 0..u64::MAX).collect();
        let number = |at: usize| if (50..100).contains(&at) { 2 } else { 1 };
        assert!(samples.iter().enumerate().all(|(at, sample)| sample.description == number(at)), "{format}");
        assert_eq!(configurations(&out), [configurations(&one), configurations(&other)].concat(), "{format}");
        assert!(held(&out) == [held(&one), held(&other), held(&one)].concat(), "{format}");
        // What has several descriptions is no case for one of the muxer's.
        let media = open(&out);
        let other = if format == "mov" { "mp4" } else { "mov" };
        let [tables, libav] = [Road::Tables, Road::Libav]
            .map(|road| remuxing(&media, other, road, Strip::Nothing).map(drop).unwrap_err().to_string());
        assert_eq!(tables, libav, "{format}");
    }
}

/// What libav's muxer has to see the packets for goes by libav.
#[test]
fn what_only_packets_tell_goes_by_libav() {
    oracle!("kinds");
    for (name, path) in made().into_iter().filter(|(name, _)| name == "kind-timecode.mov") {
        let clip = remuxing(&open(&path), "mp4", Road::Tables, Strip::Nothing).unwrap();
        assert_eq!(clip.report.road, Some(Road::Libav), "{name}");
    }
}

/// Text is shown as it was.
#[test]
fn subtitles_come_along() {
    oracle!("kinds");
    let folder = tempfile::tempdir().unwrap();
    let text = |path: &Path| {
        let (srt, _) = ffmpeg(&["-i", path.to_str().unwrap(), "-map", "0:s", "-f", "srt", "-"]);
        String::from_utf8(srt).unwrap()
    };
    for (_, path) in made().into_iter().filter(|(name, _)| name == "kind-text.mp4") {
        for keep in [(0.0, 4.0), (0.5, 3.0)] {
            let [tables, libav] = [Road::Tables, Road::Libav]
                .map(|road| cutting(&open(&path), "mov", road, CutMode::Edit, &[keep]).unwrap());
            assert_eq!(tables.report.road, Some(Road::Tables));
            let tables = text(&save(&tables, folder.path(), "tables.mov"));
            // libav's way holds what is cut off as well.
            let libav = text(&save(&libav, folder.path(), "libav.mov"));
            assert!(keep.0 > 0.0 || tables == libav, "{tables} {libav}");
            assert_eq!(tables.matches("line").count(), 3);
        }
    }
}

/// The chapters are those of the result, whichever a cut kept.
#[test]
fn chapters_are_those_of_the_cut() {
    oracle!("kinds");
    let folder = tempfile::tempdir().unwrap();
    for (name, path) in made().into_iter().filter(|(name, _)| name.contains("chapters")) {
        let format = if name.ends_with("mov") { "mp4" } else { "mov" };
        for keep in [&[(0.0, 4.0)][..], &[(1.5, 3.0)], &[(3.0, 3.9), (0.2, 0.8)]] {
            for mode in [CutMode::Edit, CutMode::Keyframe] {
                let told = [Road::Tables, Road::Libav].map(|road| {
                    let clip = cutting(&open(&path), format, road, mode, keep).unwrap();
                    assert_eq!(clip.report.road, Some(road), "{name}");
                    let out = save(&clip, folder.path(), "out.mp4");
                    ffprobe(&out, &["-show_chapters"])["chapters"].clone()
                });
                assert!(!told[0].as_array().unwrap().is_empty(), "{name} {keep:?}");
                assert_eq!(told[0], told[1], "{name} {mode:?} {keep:?}");
            }
        }
    }
}

/// Files whose tables say the same in other ways.
#[test]
fn made_files_go_into_other_kinds_the_same() {
    oracle!("kinds");
    let sources = made_files::sources();
    let (mut wrong, mut by_tables) = (Vec::new(), 0);
    let count = if cfg!(feature = "full-tests") { 300 } else { 30 };
    for number in 0..count {
        let folder = tempfile::tempdir().unwrap();
        let (path, what) = made_files::file(number, &sources, folder.path());
        // As in the same kind: see there.
        if what.contains("frag-each") || what.contains("frag-dash") {
            continue;
        }
        let Ok(media) = Media::open(Source::open(&path).unwrap()) else { continue };
        let Some(length) = media.duration().map(|length| length.as_millis() as usize) else { continue };
        let mut random = XorShift(number + 11);
        random.next();
        let brand = brand(&path);
        for format in KINDS.into_iter().filter(|format| differs(&brand, format)) {
            let from = random.below(length.max(2) - 1);
            let to = from + 1 + random.below(length.saturating_sub(from).max(1));
            let keep = [(from as f64 / 1000.0, to as f64 / 1000.0)];
            let run = |road| cutting(&media, format, road, CutMode::Edit, &keep);
            let name = format!("file {number} ({what}) into {format} {keep:?}");
            by_tables += usize::from(both(&name, folder.path(), &run, false, 0, &mut wrong));
        }
    }
    assert!(wrong.is_empty(), "{} wrong: {:#?}", wrong.len(), &wrong[..wrong.len().min(12)]);
    assert!(by_tables > count as usize / 3, "{by_tables} by tables");
}

/// What follows a file without chapters may have some: they go along, in the same kind as well.
#[test]
fn chapters_of_a_further_source_come_along() {
    oracle!("kinds");
    let folder = tempfile::tempdir().unwrap();
    let of = |name: &str| made().into_iter().find(|(known, _)| known == name).unwrap().1;
    let parted = ["mp4", "mov"].map(|kind| of(&format!("kind-chapters.{kind}")));
    let plain = ["mp4", "mov"].map(|kind| {
        let [source, name] = [parted[0].to_str().unwrap(), &format!("kind-unparted.{kind}")];
        made_by_ffmpeg(
            name,
            &["-i", source, "-map", "0:v", "-map", "0:a", "-map_chapters", "-1", "-c", "copy"],
        )
    });
    for (first, format) in plain.iter().flat_map(|first| [(first, "mp4"), (first, "mov")]) {
        for then in &parted {
            let name = format!("{} and {} into {format}", first.display(), then.display());
            let told = [Road::Tables, Road::Libav].map(|road| {
                let list = [first, then, first].map(|path| Source::open(path).unwrap());
                let clip = join(&list, &Join::new().format(format).road(road), &Control::new()).unwrap();
                assert_eq!(clip.report.road, Some(road), "{name}");
                let out = save(&clip, folder.path(), "out.mp4");
                let told = ffprobe(&out, &["-show_chapters"])["chapters"].clone();
                // By a track of movenc.c's the first one begins at 0 for libav.
                let of = |(i, one): (usize, &serde_json::Value)| {
                    (Some(one["start_time"].clone()).filter(|_| i > 0), one["tags"]["title"].clone())
                };
                told.as_array().unwrap().iter().enumerate().map(of).collect::<Vec<_>>()
            });
            assert_eq!(told[0].len(), 3, "{name}");
            assert_eq!(told[0], told[1], "{name}");
        }
    }
}

/// Readers keep to the name that a track's samples begin with: hvc1 and hev1 are described by the first of them.
#[test]
fn what_has_two_names_is_described_by_the_first() {
    oracle!("kinds");
    let folder = tempfile::tempdir().unwrap();
    let Some((_, one)) = made().into_iter().find(|(name, _)| name == "kind-hev1.mp4") else { return };
    // With the same configuration: FFmpeg 7 and later write another one by another name.
    let renamed = |name: &str| {
        let copy = made_by_ffmpeg(name, &["-i", one.to_str().unwrap(), "-c", "copy", "-tag:v", "hev1"]);
        let mut bytes = std::fs::read(&copy).unwrap();
        let stsd = &find_all(&bytes, "moov/trak/mdia/minf/stbl/stsd")[0];
        // Behind version, count, and the entry's size.
        let at = stsd.content() + 12;
        assert_eq!(&bytes[at..at + 4], b"hev1");
        bytes[at..at + 4].copy_from_slice(b"hvc1");
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let [hvc1, other] = [renamed("kind-named-hvc1.mp4"), renamed("kind-named-hvc1.mov")];
    for list in [[&one, &hvc1], [&hvc1, &one], [&one, &other], [&other, &one]] {
        for format in ["mp4", "mov"] {
            let sources = list.map(|path| Source::open(path).unwrap());
            let clip = join(&sources, &Join::new().format(format), &Control::new()).unwrap();
            assert_eq!(clip.report.road, Some(Road::Tables), "{list:?} {format}");
            let out = save(&clip, folder.path(), "out.mp4");
            let found = inspect(&Source::open(&out).unwrap(), &Control::new()).unwrap();
            assert_eq!(found.tracks[0].codecs.len(), 1, "{list:?} {format}");
            let (_, said) =
                ffmpeg(&["-i", out.to_str().unwrap(), "-map", "0:v", "-c", "copy", "-f", "null", "-"]);
            assert!(!said.contains("fourcc"), "{said}");
        }
    }
    // ProRes has a name for each profile, and no configuration.
    let sources = [2, 0, 3].map(|profile| {
        let (name, profile) = (format!("kind-prores-{profile}.mov"), profile.to_string());
        let picture = ["-f", "lavfi", "-i", "testsrc2=s=96x64:r=25:d=1"];
        made_by_ffmpeg(&name, &[&picture[..], &["-c:v", "prores_ks", "-profile:v", &profile]].concat())
    });
    let sources = sources.map(|path| Source::open(path).unwrap());
    let clip = join(&sources, &Join::new().format("mov"), &Control::new()).unwrap();
    let out = save(&clip, folder.path(), "out.mov");
    assert_eq!(clip.report.road, Some(Road::Tables));
    assert_eq!(ffprobe(&out, &["-show_packets"])["packets"].as_array().unwrap().len(), 75);
}

/// What describes a source, and its container's muxer has no name for, is not lost in silence.
#[test]
fn metadata_without_a_place_is_named() {
    oracle!("metadata");
    let clip = clip();
    let tags = ["com.apple.quicktime.make=Apple", "com.apple.quicktime.model=X", "title=Kept"];
    let arguments =
        ["-movflags", "use_metadata_tags", "-metadata", tags[0], "-metadata", tags[1], "-metadata", tags[2]];
    let input = ["-i", clip.to_str().unwrap(), "-c", "copy"];
    let phone = made_by_ffmpeg("phone.mov", &[&input[..], &arguments].concat());
    let made = remux(&open(&phone), &Remux::new().format("mp4"), &none()).unwrap();
    assert_eq!(made.report.road, Some(Road::Tables));
    let told = made.report.warnings.iter().find(|told| told.contains("metadata")).unwrap();
    assert!(told.contains("com.apple.quicktime.make, com.apple.quicktime.model"), "{told}");
    assert!(!told.contains("title") && !told.contains("encoder"), "{told}");
    let own = remux(&open(&phone), &Remux::new().format("mov"), &none()).unwrap();
    assert!(own.report.warnings.iter().all(|told| !told.contains("metadata")), "{:?}", own.report.warnings);
}

/// A track of which nothing lies in a range is told to be left out.
#[test]
fn subtitles_that_end_before_a_range_are_told_of() {
    oracle!("subtitles");
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text.srt");
    std::fs::write(&text, "1\n00:00:00,500 --> 00:00:01,000\nearly\n").unwrap();
    let clip = clip();
    let path = folder.path().join("subtitled.mp4");
    let inputs = ["-i", clip.to_str().unwrap(), "-i", text.to_str().unwrap(), "-map", "0", "-map", "1"];
    let outputs = ["-c", "copy", "-c:s", "mov_text", path.to_str().unwrap()];
    ffmpeg(&[&inputs[..], &outputs].concat());
    let settings = Cut::new().mode(CutMode::Keyframe).keep(TimeRange::secs(2.0, 3.0).unwrap());
    let made = cut(&open(&path), &settings, &none()).unwrap();
    assert_eq!(made.report.road, Some(Road::Tables));
    let streams = open(&save(&made, folder.path(), "out.mp4")).info().streams.len();
    let left_out = made.report.dropped_streams.iter().filter(|dropped| dropped.codec == "mov_text").count();
    assert_eq!(streams + left_out, open(&path).info().streams.len(), "{:?}", made.report.warnings);
}
