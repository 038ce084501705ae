//! Copies of MP4s in fragments by tables, held against libav's.

use crate::{
    common::*,
    roads::{both, cutting, shown},
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
        let name = format!("fragments-{name}.mp4");
        (name.clone(), made_by_ffmpeg(&name, &args))
    };
    all.iter().map(made).collect()
}

#[test]
fn cuts_joins_and_remuxes_of_fragments_are_the_same() {
    oracle!("fragments");
    let (mut wrong, mut not_by_tables) = (Vec::new(), Vec::new());
    for (name, path) in files() {
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
        if !both(&format!("{name} remux"), folder.path(), &run, true, 0, &mut wrong) {
            not_by_tables.push(format!("{name} remux"));
        }
        let whole = save(&run(Road::Tables).unwrap(), folder.path(), "whole.mp4");
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

/// A remux shows what its source does.
#[test]
fn a_remux_of_fragments_shows_all_of_them() {
    oracle!("fragments");
    for (name, path) in files() {
        let folder = tempfile::tempdir().unwrap();
        let clip = remux(&open(&path), &Remux::new(), &Control::new()).unwrap();
        assert_eq!((clip.report.road, clip.report.payload_copied), (Some(Road::Tables), 0), "{name}");
        let (out, source) = (save(&clip, folder.path(), "out.mp4"), packets(&path));
        assert_eq!(shown(&out).len(), source.len(), "{name}");
        assert_eq!(payload(&out), payload(&path), "{name}");
    }
}
