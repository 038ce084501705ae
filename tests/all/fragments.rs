//! Copies of MP4s in fragments by tables, held against libav's.

use crate::{
    common::*,
    roads::{Shown, both, cutting, differ, shown},
};
use avrope::{Control, CutMode, Join, Media, Remux, Road, Source, join, remux};
use std::{path::PathBuf, time::Duration};

const PICTURE: [&str; 4] = ["-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=6"];
const SOUND: [&str; 4] = ["-f", "lavfi", "-i", "sine=440:r=48000:d=6"];

/// Files in fragments of all kinds, by ffmpeg.
fn files() -> Vec<(String, PathBuf)> {
    let h264 = "-c:v libx264 -g 25 -bf 2";
    let both = format!("{h264} -c:a aac -map 0 -map 1");
    let all: [(&str, String, &str); 12] = [
        ("moov", both.clone(), "-movflags frag_keyframe"),
        ("empty", both.clone(), "-movflags frag_keyframe+empty_moov"),
        ("base", both.clone(), "-movflags frag_keyframe+empty_moov+default_base_moof"),
        ("delayed", both.clone(), "-movflags frag_keyframe+empty_moov+delay_moov"),
        ("dash", both.clone(), "-movflags dash+frag_keyframe+global_sidx"),
        ("dash-each", both.clone(), "-movflags dash+frag_keyframe"),
        ("cmaf", both.clone(), "-movflags cmaf+frag_keyframe"),
        ("shifted", both.clone(), "-movflags frag_keyframe+empty_moov+negative_cts_offsets"),
        ("short", both.clone(), "-movflags empty_moov -frag_duration 300000"),
        ("scale", format!("{both} -video_track_timescale 600"), "-movflags frag_keyframe+empty_moov"),
        ("plain", "-c:v libx264 -g 20 -bf 0".into(), "-movflags frag_keyframe+empty_moov+default_base_moof"),
        ("sound", "-c:a aac -map 1".into(), "-movflags empty_moov -frag_duration 1000000"),
    ];
    let made = |(name, coding, flags): &(&str, String, &str)| {
        let args = [&PICTURE[..], &SOUND].concat();
        let args: Vec<&str> = args.into_iter().chain(coding.split(' ')).chain(flags.split(' ')).collect();
        // Sound alone is taken for M4A.
        let ending = if *name == "sound" { "m4a" } else { "mp4" };
        let name = format!("fragments-{name}.{ending}");
        (name.clone(), made_by_ffmpeg(&name, &args))
    };
    all.iter().map(made).collect()
}

/// By libav of FFmpeg 5.1 the last frame of sound of a file lasts as long as others: one of AAC at 44.1 kHz or more.
const FRAME: Duration = Duration::from_millis(24);

#[test]
fn cuts_joins_and_remuxes_of_fragments_are_the_same() {
    oracle!("fragments");
    let (mut wrong, mut not_by_tables) = (Vec::new(), Vec::new());
    for (name, path) in files() {
        // FFmpeg 5.1 composes pictures later by the largest offset below 0 (mov.c: mov_read_trun).
        if name.contains("cmaf") || name.contains("shifted") {
            continue;
        }
        let folder = tempfile::tempdir().unwrap();
        let media = Media::open(Source::open(&path).unwrap()).unwrap();
        for keep in [
            &[(0.0, 2.4)][..],
            &[(1.86, 4.62)],
            &[(2.0, 3.0)],
            &[(3.0, 6.0)],
            &[(0.6, 2.1), (3.6, 5.4)],
            &[(4.1, 5.0), (0.3, 1.4)],
        ] {
            for mode in [CutMode::Edit, CutMode::Keyframe] {
                let what = format!("{name} {mode:?} {keep:?}");
                let run = |road| cutting(&media, road, mode, keep);
                let decodes = keep.len() == 1 && is_due(name.len(), 3);
                if !both(&what, folder.path(), &run, decodes, 0, &mut wrong) {
                    not_by_tables.push(what);
                }
            }
        }
        let run = |road| remux(&media, &Remux::new().road(road), &Control::new());
        let (whole, libav) = (run(Road::Tables).unwrap(), run(Road::Libav).unwrap());
        let length = whole.report.duration.as_secs_f64();
        // The last frame of sound lasts as long as its run says, and not longer.
        assert!(whole.report.duration <= libav.report.duration, "{name}");
        let (whole, libav) =
            (save(&whole, folder.path(), "whole.mp4"), save(&libav, folder.path(), "libav.mp4"));
        wrong.extend(differ(&whole, &libav, length, true, 0).map(|what| format!("{name} remux: {what}")));
        let bytes = std::fs::read(&whole).unwrap();
        assert!(find(&bytes, "moof").is_none() && find(&bytes, "moov/mvex").is_none(), "{name}");
        let list =
            [Source::open(&path).unwrap(), Source::open(&whole).unwrap(), Source::open(&path).unwrap()];
        let run = |road| join(&list, &Join::new().road(road), &Control::new()).unwrap();
        let (tables, libav) = (run(Road::Tables), run(Road::Libav));
        if tables.report.road != Some(Road::Tables) {
            not_by_tables.push(format!("{name} join"));
        }
        // Two of its parts are in fragments.
        let (length, most) = (tables.report.duration, libav.report.duration);
        assert!(length <= most && most - length < 2 * FRAME, "{name} join: {length:?} and {most:?}");
        let (tables, libav) =
            (save(&tables, folder.path(), "tables.mp4"), save(&libav, folder.path(), "libav.mp4"));
        let found = differ(&tables, &libav, length.as_secs_f64(), false, 2);
        wrong.extend(found.map(|what| format!("{name} join: {what}")));
    }
    assert!(wrong.is_empty(), "{} wrong: {:#?}", wrong.len(), &wrong[..wrong.len().min(24)]);
    assert!(not_by_tables.is_empty(), "{not_by_tables:#?}");
}

/// A remux has all that its source does.
#[test]
fn a_remux_of_fragments_has_all_of_them() {
    oracle!("fragments");
    for (name, path) in files() {
        let folder = tempfile::tempdir().unwrap();
        let clip = remux(&open(&path), &Remux::new(), &Control::new()).unwrap();
        assert_eq!((clip.report.road, clip.report.payload_copied), (Some(Road::Tables), 0), "{name}");
        let out = save(&clip, folder.path(), "out.mp4");
        assert_eq!(payload(&out), payload(&path), "{name}");
        // It does not call itself a file of segments any more.
        let bytes = std::fs::read(&out).unwrap();
        let brands = String::from_utf8_lossy(content(&bytes, "ftyp").unwrap()).into_owned();
        assert!(["dash", "cmfc", "msdh", "msix"].iter().all(|own| !brands.contains(own)), "{name}: {brands}");
    }
}

/// Offsets below 0, and no edit list: what is shown is by the standard.
#[test]
fn fragments_without_an_edit_list_are_cut_by_their_own_times() {
    oracle!("fragments");
    let is_one = |name: &str| name.contains("cmaf") || name.contains("shifted");
    let files: Vec<_> = files().into_iter().filter(|(name, _)| is_one(name)).collect();
    assert_eq!(files.len(), 2);
    let keeps = [(0.0, 2.4), (1.86, 4.62), (2.0, 3.0), (3.0, 6.0)];
    for ((name, path), (from, to)) in files.iter().flat_map(|file| keeps.map(|keep| (file, keep))) {
        let (source, folder) = (shown(path), tempfile::tempdir().unwrap());
        let clip = cutting(&open(path), Road::Tables, CutMode::Edit, &[(from, to)]).unwrap();
        assert_eq!(clip.report.road, Some(Road::Tables), "{name}");
        let out = shown(&save(&clip, folder.path(), "out.mp4"));
        let (from, to) = ((from * 1e6) as i64, (to * 1e6) as i64);
        let lasts = |sample: &Shown| if sample.1 == "vide" { 40_000 } else { 21_333 };
        let is_shown = |sample: &&Shown| sample.2 + lasts(sample) > from + 1 && sample.2 < to - 1;
        let due: Vec<Shown> = source
            .iter()
            .filter(is_shown)
            .map(|(track, kind, at, held, sync)| (*track, kind.clone(), at - from, held.clone(), *sync))
            .collect();
        let near = |a: &Shown, b: &Shown| (a.0, &a.3, a.4) == (b.0, &b.3, b.4) && (a.2 - b.2).abs() <= 1;
        let differs = out.iter().zip(&due).position(|(a, b)| !near(a, b));
        assert_eq!((out.len(), differs), (due.len(), None), "{name} {from}..{to}");
    }
}

mod far {
    use super::*;
    use avrope::{Clip, Cut, TimeRange, cut, io::ReadAt};
    use bytes::Bytes;
    use std::sync::{Arc, Mutex};

    /// What was asked for, by place and length.
    pub type Log = Arc<Mutex<Vec<(u64, usize)>>>;

    struct Far {
        bytes: Bytes,
        log: Log,
    }

    impl ReadAt for Far {
        fn len(&self) -> u64 {
            self.bytes.len() as u64
        }

        fn read_at(&self, at: u64, into: &mut [u8], _: &Control) -> std::io::Result<usize> {
            self.log.lock().unwrap().push((at, into.len()));
            let there = &self.bytes[at as usize..];
            let len = there.len().min(into.len());
            into[..len].copy_from_slice(&there[..len]);
            Ok(len)
        }
    }

    pub fn far(bytes: &Bytes) -> (Source, Log) {
        let log = Log::default();
        (Source::from_read_at(Far { bytes: bytes.clone(), log: log.clone() }, "far.mp4"), log)
    }

    /// 120 s of 30 MB, a keyframe every two.
    fn long(name: &str, flags: &str) -> Bytes {
        let input = ["-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=120", "-f", "lavfi", "-i"];
        let coding = "sine=440:r=48000:d=120 -vf noise=alls=40:allf=t -c:v libx264 -preset ultrafast -g 50 -b:v 2M \
                      -minrate 2M -maxrate 2M -bufsize 1M -c:a aac -map 0 -map 1";
        let args: Vec<&str> = input.into_iter().chain(coding.split_ascii_whitespace()).collect();
        let clip = made_by_ffmpeg("fragments-long.mp4", &args);
        let args = format!("-i {} -c copy -map 0 {flags}", clip.display());
        let args: Vec<&str> = args.split(' ').collect();
        std::fs::read(made_by_ffmpeg(&format!("fragments-long-{name}.mp4"), &args)).unwrap().into()
    }

    const INDEXED: [(&str, &str); 3] = [
        ("sidx", "-movflags frag_keyframe+empty_moov+default_base_moof+global_sidx"),
        ("mfra", "-movflags frag_keyframe+empty_moov+default_base_moof"),
        ("moov", "-movflags frag_keyframe"),
    ];
    const WALKED: (&str, &str) =
        ("none", "-movflags frag_keyframe+empty_moov+default_base_moof+skip_trailer");

    fn cut_of(media: &Media, road: Road, keep: (f64, f64)) -> Clip {
        let keep = TimeRange::secs(keep.0, keep.1).unwrap();
        cut(media, &Cut::new().keep(keep).road(road), &Control::new()).unwrap()
    }

    #[test]
    fn a_cut_of_a_far_file_reads_what_its_range_needs() {
        oracle!("fragments");
        for (name, flags) in INDEXED {
            let bytes = long(name, flags);
            for keep in [(55.3, 65.3), (0.0, 10.0), (109.9, 119.9)] {
                let (source, log) = far(&bytes);
                let media = Media::open(source).unwrap();
                let clip = cut_of(&media, Road::Tables, keep);
                let cutting: Vec<usize> = log.lock().unwrap().iter().map(|(_, len)| *len).collect();
                let out = clip.rope.to_bytes().unwrap();
                let log = log.lock().unwrap();
                let read: usize = log.iter().map(|(_, len)| len).sum();
                println!("{name} {keep:?}: {} requests, {read} bytes for {}", log.len(), out.len());
                assert_eq!(clip.report.road, Some(Road::Tables), "{name}");
                assert!(log.len() <= 12, "{name} {keep:?}: {log:?}");
                // That one has its moov behind its first fragment, which is one look more.
                let most = if name == "moov" { bytes.len() / 40 } else { bytes.len() / 50 };
                assert!(cutting.iter().sum::<usize>() <= most, "{name} {keep:?}: {log:?}");
                assert!(read - out.len() <= bytes.len() / 25, "{name} {keep:?}: {read} bytes: {log:?}");
                // And the same as from a near one.
                let near = cut_of(&Media::open(Source::from(bytes.to_vec())).unwrap(), Road::Tables, keep);
                assert_eq!(near.report.road, Some(Road::Tables));
                assert!(near.rope.to_bytes().unwrap() == out, "{name} {keep:?}");
            }
        }
    }

    /// What opening tells is the same as of a near one, which libav goes through, but for what only that tells.
    #[test]
    fn a_far_file_is_what_a_near_one_is() {
        oracle!("fragments");
        let sidx = [("sidx".to_owned(), long(INDEXED[0].0, INDEXED[0].1))];
        let read = |(name, path): (String, PathBuf)| (name, Bytes::from(std::fs::read(path).unwrap()));
        for (name, bytes) in files().into_iter().map(read).chain(sidx) {
            // Its pictures are shown later by libav.
            if name.contains("cmaf") || name.contains("shifted") {
                continue;
            }
            let told = |source: Source| {
                let mut info = Media::open(source).unwrap().info().clone();
                (info.name, info.bit_rate) = (String::new(), None);
                info.streams.iter_mut().for_each(|stream| {
                    (stream.bit_rate, stream.duration, stream.frames) = (None, None, None);
                    // By the first fragment, and by all.
                    stream.frame_rate = stream.frame_rate.filter(|rate| rate.den == 0);
                });
                format!("{info:#?}")
            };
            let (far, near) = (told(far(&bytes).0), told(Source::from(bytes.to_vec())));
            let differ: Vec<_> = far.lines().zip(near.lines()).filter(|(a, b)| a != b).collect();
            assert!(differ.is_empty() && far == near, "{name}: {differ:?}");
        }
    }

    /// Each fragment's place is known from the one before: nothing is read behind the range.
    #[test]
    fn without_an_index_fragments_are_found_one_by_one() {
        oracle!("fragments");
        let bytes = long(WALKED.0, WALKED.1);
        for (keep, most) in [((20.3, 30.3), 18), ((0.0, 10.0), 7)] {
            let (source, log) = far(&bytes);
            let media = Media::open(source).unwrap();
            let clip = cut_of(&media, Road::Tables, keep);
            assert_eq!(clip.report.road, Some(Road::Tables));
            let requests = log.lock().unwrap().clone();
            println!("{keep:?}: {requests:?}");
            assert!(requests.len() <= most, "{keep:?}: {requests:?}");
            let near = cut_of(&Media::open(Source::from(bytes.to_vec())).unwrap(), Road::Tables, keep);
            assert!(near.rope.to_bytes().unwrap() == clip.rope.to_bytes().unwrap(), "{keep:?}");
            // A second cut reads what it has not yet.
            let before = log.lock().unwrap().len();
            cut_of(&media, Road::Tables, (1.0, 9.0));
            assert!(log.lock().unwrap().len() <= before + 1);
        }
    }

    #[test]
    fn several_ranges_of_a_far_file_are_cut_as_of_a_near_one() {
        oracle!("fragments");
        let control = Control::new();
        for (name, flags) in INDEXED.into_iter().chain([WALKED]) {
            let bytes = long(name, flags);
            let media = Media::open(far(&bytes).0).unwrap();
            let near = Media::open(Source::from(bytes.to_vec())).unwrap();
            for mode in [CutMode::Edit, CutMode::Keyframe] {
                let ranges =
                    [(30.7, 34.2), (3.0, 5.0), (80.0, 84.5)].map(|(a, b)| TimeRange::secs(a, b).unwrap());
                let settings = ranges.into_iter().fold(Cut::new().mode(mode), Cut::keep);
                let (a, b) =
                    (cut(&media, &settings, &control).unwrap(), cut(&near, &settings, &control).unwrap());
                assert_eq!(
                    (a.report.road, b.report.road),
                    (Some(Road::Tables), Some(Road::Tables)),
                    "{name}"
                );
                assert_eq!(a.report.ranges, b.report.ranges, "{name}");
                // Samples between two ranges may be told to last longer.
                let folder = tempfile::tempdir().unwrap();
                let (a, b) = (save(&a, folder.path(), "far.mp4"), save(&b, folder.path(), "near.mp4"));
                assert_eq!(differ(&a, &b, 10.0, false, 0), None, "{name}");
            }
            // All of it needs each fragment.
            let (a, b) = (remux(&media, &Remux::new(), &control), remux(&near, &Remux::new(), &control));
            let (a, b) = (a.unwrap(), b.unwrap());
            assert_eq!((a.report.road, b.report.road), (Some(Road::Tables), Some(Road::Tables)), "{name}");
            assert!(a.rope.to_bytes().unwrap() == b.rope.to_bytes().unwrap(), "{name}");
        }
    }

    /// Segments of DASH and HLS that were put one behind the other: the index in front of the first tells of that
    /// alone. And one that leaves the first ones out.
    #[test]
    fn an_index_of_some_segments_is_none_of_all() {
        oracle!("fragments");
        let coding = ["-c:v", "libx264", "-g", "25", "-frag_duration", "1000000", "-movflags"];
        let made = |name: &str, flags: &str| {
            let args = [&PICTURE[..], &coding, &[flags]].concat();
            std::fs::read(made_by_ffmpeg(&format!("fragments-{name}.mp4"), &args)).unwrap()
        };
        let each = made("each", "dash+frag_keyframe");
        let indices = find_all(&each, "sidx");
        assert!(indices.len() > 4 && each.len() - indices[1].start < 64 << 10);
        let mut later = made("all", "dash+frag_keyframe+global_sidx");
        let sidx = find_all(&later, "sidx").remove(0);
        // Its content: version, track, scale, first time and offset of 8 bytes, count, and entries of 12.
        let (begins, entries) = (sidx.content() + 12, sidx.content() + 32);
        let number = |bytes: &[u8], at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
        for _ in 0..2 {
            let (size, lasts) = (number(&later, entries), number(&later, entries + 4));
            for (at, more) in [(begins + 4, lasts), (begins + 12, size)] {
                let sum = number(&later, at) + more;
                later[at..at + 4].copy_from_slice(&sum.to_be_bytes());
            }
            // What is left behind the last one is not read.
            later.copy_within(entries + 12..sidx.end(), entries);
            later[entries - 1] -= 1;
        }
        for (name, bytes) in [("each", each), ("later", later)] {
            let (far, near) = (far(&bytes.clone().into()).0, Source::from(bytes));
            for keep in [(0.0, 2.4), (1.3, 4.7), (3.0, 5.0)] {
                let of = |source: &Source| {
                    let clip = cut_of(&Media::open(source.clone()).unwrap(), Road::Tables, keep);
                    let bytes = clip.rope.to_bytes().unwrap();
                    (clip.report.road, clip.report.ranges, clip.report.warnings, bytes)
                };
                assert!(of(&far) == of(&near), "{name} {keep:?}");
            }
        }
    }

    /// A fragment for each frame: sound's index tells where the picture's are only about.
    #[test]
    fn many_short_fragments_are_cut_as_of_a_near_file() {
        oracle!("fragments");
        let input = "-f lavfi -i testsrc2=s=32x32:r=30:d=60 -f lavfi -i sine=440:r=48000:d=60 -map 0 -map 1";
        let coding = "-c:v libx264 -preset ultrafast -g 60 -c:a aac -b:a 16k -movflags \
                      frag_every_frame+empty_moov+default_base_moof+global_sidx";
        let args: Vec<&str> = [input, coding].iter().flat_map(|args| args.split_ascii_whitespace()).collect();
        let bytes = Bytes::from(std::fs::read(made_by_ffmpeg("fragments-frames.mp4", &args)).unwrap());
        let clip = cut_of(&Media::open(far(&bytes).0).unwrap(), Road::Tables, (20.0, 50.0));
        assert_eq!(clip.report.road, Some(Road::Tables));
        let near = cut_of(&Media::open(Source::from(bytes.to_vec())).unwrap(), Road::Tables, (20.0, 50.0));
        assert!(near.rope.to_bytes().unwrap() == clip.rope.to_bytes().unwrap());
    }

    /// An index that leads elsewhere is no index; what is cut is the same.
    #[test]
    fn an_index_that_lies_leads_nowhere() {
        oracle!("fragments");
        let bytes = long(INDEXED[0].0, INDEXED[0].1);
        let near = Media::open(Source::from(bytes.to_vec())).unwrap();
        let due = cut_of(&near, Road::Tables, (55.3, 58.3));
        let folder = tempfile::tempdir().unwrap();
        let due = save(&due, folder.path(), "due.mp4");
        let sidx = &find_all(&bytes, "sidx")[0];
        let entry = |i: usize| sidx.content() + 4 + 8 + 16 + 4 + 12 * i;
        type Lie<'a> = (&'a str, &'a dyn Fn(&mut Vec<u8>));
        let put = |bytes: &mut Vec<u8>, at: usize, value: u32| {
            bytes[at..at + 4].copy_from_slice(&value.to_be_bytes());
        };
        let lies: [Lie<'_>; 5] = [
            ("sizes", &|bytes| (0..60).for_each(|i| put(bytes, entry(i), 500_000))),
            ("one size", &|bytes| {
                let size = u32::from_be_bytes(bytes[entry(20)..][..4].try_into().unwrap());
                put(bytes, entry(20), size - 1000);
                put(bytes, entry(21), 1000 + u32::from_be_bytes(bytes[entry(21)..][..4].try_into().unwrap()));
            }),
            ("times", &|bytes| (0..60).for_each(|i| put(bytes, entry(i) + 4, 1000 * (i as u32 + 1)))),
            ("endless", &|bytes| (0..60).for_each(|i| put(bytes, entry(i) + 4, u32::MAX))),
            ("indices", &|bytes| (0..60).for_each(|i| put(bytes, entry(i), 1 << 31))),
        ];
        for (what, lie) in lies {
            let mut other = bytes.to_vec();
            // Both tracks have one.
            let second = find_all(&bytes, "sidx")[1].content() - sidx.content();
            lie(&mut other);
            let changed = other[sidx.start..sidx.end()].to_vec();
            other[sidx.start + second..sidx.end() + second].copy_from_slice(&changed);
            let media = Media::open(far(&other.into()).0).unwrap();
            let clip = cut_of(&media, Road::Tables, (55.3, 58.3));
            println!("{what}: {:?}", clip.report.road);
            let out = save(&clip, folder.path(), "out.mp4");
            assert_eq!(differ(&out, &due, 3.0, false, 0), None, "{what}");
        }
    }

    /// Files that were changed anywhere in their boxes: an error or a result, in time and memory that are bounded.
    #[test]
    fn damaged_fragments_are_an_error_or_a_result() {
        oracle!("fragments");
        let (_, path) = files().into_iter().find(|(name, _)| name.contains("dash.mp4")).unwrap();
        let honest = std::fs::read(path).unwrap();
        let boxes: Vec<_> =
            ["moov", "sidx", "moof"].iter().flat_map(|kind| find_all(&honest, kind)).collect();
        let count = if cfg!(feature = "full-tests") { 2000 } else { 150 };
        for number in 0..count {
            let mut random = XorShift(number + 99);
            let mut bytes = honest.clone();
            for _ in 0..1 + random.below(3) {
                let within = &boxes[random.below(boxes.len())];
                let at = within.start + 8 + random.below(within.end() - within.start - 8);
                let value = [0, 0x7f, 0x80, 0xff, random.below(256) as u8][random.below(5)];
                let len = [1, 1, 4, 8][random.below(4)];
                bytes[at..(at + len).min(within.end())].fill(value);
            }
            let work = move || {
                let bytes = Bytes::from(bytes);
                for source in [far(&bytes).0, Source::from(bytes.to_vec())] {
                    let Ok(media) = Media::open(source) else { continue };
                    let keep = TimeRange::secs(2.3, 4.1).unwrap();
                    for road in [Road::Tables, Road::Libav] {
                        let settings = Cut::new().keep(keep).road(road);
                        let _ = cut(&media, &settings, &Control::new()).and_then(|clip| clip.rope.to_bytes());
                    }
                }
            };
            bounded(&format!("mutant {number}"), work);
        }
    }
}

/// Runs that state what is not there.
#[test]
fn runs_that_lie_are_no_tables() {
    oracle!("fragments");
    let (_, path) = files().into_iter().find(|(name, _)| name.contains("plain")).unwrap();
    let honest = std::fs::read(path).unwrap();
    let put =
        |bytes: &mut Vec<u8>, at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
    let tfdt = |i: usize| find_all(&honest, "moof/traf/tfdt")[i].content() + 4;
    let trun = |i: usize| find_all(&honest, "moof/traf/trun")[i].content();
    type Lie<'a> = (&'a str, &'a dyn Fn(&mut Vec<u8>));
    let lies: [Lie<'_>; 6] = [
        ("late", &|bytes| put(bytes, tfdt(3), &(i64::MAX as u64).to_be_bytes())),
        ("later", &|bytes| put(bytes, tfdt(3), &u64::MAX.to_be_bytes())),
        ("back", &|bytes| put(bytes, tfdt(3), &[0; 8])),
        // Samples of no bytes, more than the file has.
        ("empty", &|bytes| {
            let tfhd = find_all(&honest, "moof/traf/tfhd")[3].content();
            let flags = honest[tfhd + 3];
            assert_eq!(flags & 0x10, 0x10, "no default size");
            let fields = [(1, 8), (2, 4), (8, 4)].iter().filter(|(flag, _)| flags & flag != 0);
            put(bytes, tfhd + 8 + fields.map(|(_, len)| len).sum::<usize>(), &[0; 4]);
            put(bytes, trun(3), &[0, 0, 0, 1, 0, 0x80, 0, 0]);
        }),
        // Neither sizes nor durations of their own.
        ("many", &|bytes| put(bytes, trun(3), &[0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff])),
        ("nowhere", &|bytes| put(bytes, trun(3) + 8, &i32::MAX.to_be_bytes())),
    ];
    for (what, lie) in lies {
        let mut bytes = honest.clone();
        lie(&mut bytes);
        let media = match Media::open(Source::from(bytes)) {
            Ok(media) => media,
            Err(error) => {
                println!("{what}: {error}");
                continue;
            }
        };
        let road = |mode| cutting(&media, Road::Tables, mode, &[(0.0, 1.0)]).map(|clip| clip.report.road);
        let found = road(CutMode::Edit);
        println!("{what}: {found:?}");
        assert!(!matches!(found, Ok(Some(Road::Tables))), "{what}");
    }
    // Of a far one it is known where it is needed.
    for (what, lie) in lies {
        let mut bytes = honest.clone();
        lie(&mut bytes);
        let Ok(media) = Media::open(far::far(&bytes.into()).0) else { continue };
        let found = cutting(&media, Road::Tables, CutMode::Edit, &[(1.0, 2.2)]).map(|clip| clip.report.road);
        println!("far, {what}: {found:?}");
        assert!(!matches!(found, Ok(Some(Road::Tables))), "{what}");
    }
}
