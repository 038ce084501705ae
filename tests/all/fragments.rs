//! Copies of MP4s in fragments by tables, held against libav's.

use crate::{
    common::*,
    roads::{Shown, both, cutting, differ, shown},
};
use avrope::{Control, CutMode, Join, Media, Remux, Road, Source, join, remux};
use std::path::PathBuf;

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
        let list = [Source::open(&path).unwrap(), Source::open(&whole).unwrap(), Source::open(&path).unwrap()];
        let run = |road| join(&list, &Join::new().road(road), &Control::new());
        if !both(&format!("{name} join"), folder.path(), &run, false, 2, &mut wrong) {
            not_by_tables.push(format!("{name} join"));
        }
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
    type Log = Arc<Mutex<Vec<(u64, usize)>>>;

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

    fn far(bytes: &Bytes) -> (Source, Log) {
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

    fn cut_of(source: Source, road: Road, (from, to): (f64, f64)) -> Clip {
        let keep = TimeRange::secs(from, to).unwrap();
        cut(&Media::open(source).unwrap(), &Cut::new().keep(keep).road(road), &Control::new()).unwrap()
    }

    #[test]
    fn a_cut_of_a_far_file_reads_what_its_range_needs() {
        oracle!("fragments");
        for (name, flags) in [
            ("sidx", "-movflags frag_keyframe+empty_moov+default_base_moof+global_sidx"),
            ("mfra", "-movflags frag_keyframe+empty_moov+default_base_moof"),
        ] {
            let bytes = long(name, flags);
            let (source, log) = far(&bytes);
            let media = Media::open(source).unwrap();
            let opened = log.lock().unwrap().clone();
            println!("{name}: {} bytes, {:?}, opening {opened:?}", bytes.len(), media.info().duration);
            let keep = TimeRange::secs(55.3, 65.3).unwrap();
            let clip = cut(&media, &Cut::new().keep(keep), &Control::new()).unwrap();
            let after = log.lock().unwrap().clone();
            println!("cut by {:?}: {:?}", clip.report.road, &after[opened.len()..]);
            let out = clip.rope.to_bytes().unwrap();
            let log = log.lock().unwrap().clone();
            println!("to_bytes: {:?}", &log[after.len()..]);
            let read: usize = log.iter().map(|(_, len)| len).sum();
            println!("{} requests, {read} bytes for {}", log.len(), out.len());
        }
    }
}
