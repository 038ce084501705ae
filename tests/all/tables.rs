//! What a copy by tables has to get right beside what is shown: every byte of a track, blocks of sound, times of
//! several ranges, boxes of other kinds.

use crate::{
    common::*,
    roads::{Shown, shown},
};
use avrope::{
    Clip, Control, Cut, CutMode, Media, Remux, Road, Source, TimeRange, cut, inspect::inspect, remux,
};
use std::path::{Path, PathBuf};

fn cutting(path: &Path, format: &str, mode: CutMode, keep: &[(f64, f64)]) -> Clip {
    let ranges = keep.iter().map(|(from, to)| TimeRange::secs(*from, *to).unwrap());
    let settings = ranges.fold(Cut::new().mode(mode).format(format), Cut::keep);
    let clip = cut(&open(path), &settings, &Control::new()).unwrap();
    assert_eq!(clip.report.road, Some(Road::Tables), "{}", path.display());
    clip
}

/// Sound of noise, so that no two stretches of it are alike.
fn noise(name: &str, samples: u32, rate: u32, coded: &[&str]) -> PathBuf {
    let input = format!("anoisesrc=r={rate}:seed=1:a=0.3,atrim=end_sample={samples}");
    made_by_ffmpeg(name, &[&["-f", "lavfi", "-i", &input], coded].concat())
}

/// Sizes of samples are summed up by 64: a count of a whole number of those lost all of them.
#[test]
fn no_byte_of_a_track_is_lost_whatever_its_count() {
    oracle!("counts");
    for count in [63, 64, 65, 128, 384] {
        // Of 1024 samples each, and one more packet than that of the encoder's delay.
        let path = noise(&format!("noise-{count}.m4a"), (count - 1) * 1024, 48_000, &["-c:a", "aac"]);
        let own = raw(&path, "0:a");
        assert_eq!(
            inspect(&Source::open(&path).unwrap(), &Control::new()).unwrap().tracks[0].samples,
            u64::from(count)
        );
        let folder = tempfile::tempdir().unwrap();
        let clip = remux(&open(&path), &Remux::new(), &Control::new()).unwrap();
        assert_eq!(clip.report.road, Some(Road::Tables));
        assert!(raw(&save(&clip, folder.path(), "out.m4a"), "0:a") == own, "{count} samples, remuxed");
        let clip = cutting(&path, "m4a", CutMode::Edit, &[(0.0, 1e3)]);
        assert!(raw(&save(&clip, folder.path(), "out.m4a"), "0:a") == own, "{count} samples, cut");
        let clip = cutting(&path, "m4a", CutMode::Edit, &[(0.5, 1e3)]);
        let part = raw(&save(&clip, folder.path(), "out.m4a"), "0:a");
        assert!(!part.is_empty() && own.ends_with(&part), "{count} samples, the end");
    }
}

/// Sound in blocks of some samples, or in samples whose size no table says.
#[test]
fn sound_in_blocks_is_cut_at_them() {
    oracle!("blocks");
    let folder = tempfile::tempdir().unwrap();
    // Bytes of a second, and of a block.
    for (codec, rate, second, block) in [
        ("pcm_mulaw", 8000, 8000, 1),
        ("pcm_alaw", 8000, 8000, 1),
        ("pcm_u8", 8000, 8000, 1),
        ("pcm_s16be", 48_000, 96_000, 2),
        ("pcm_s24le", 48_000, 144_000, 3),
        ("pcm_f32le", 48_000, 192_000, 4),
    ] {
        let path = noise(&format!("{codec}.mov"), rate * 12, rate, &["-ac", "1", "-c:a", codec]);
        let own = raw(&path, "0:a");
        let clip = remux(&open(&path), &Remux::new().format("mov"), &Control::new()).unwrap();
        assert!(raw(&save(&clip, folder.path(), "out.mov"), "0:a") == own, "{codec} remuxed");
        for (from, to) in [(0.0, 3.0), (5.0, 8.0), (1.3125, 9.75), (9.0, 12.0)] {
            let clip = cutting(&path, "mov", CutMode::Edit, &[(from, to)]);
            let at = |time: f64| (time * f64::from(second)) as usize / block * block;
            let found = raw(&save(&clip, folder.path(), "out.mov"), "0:a");
            assert!(found == own[at(from)..at(to)], "{codec} {from}..{to}: {} bytes", found.len());
        }
    }
    for codec in ["adpcm_ms", "adpcm_ima_wav", "adpcm_ima_qt"] {
        let path = noise(&format!("{codec}.mov"), 44_100 * 6, 44_100, &["-ac", "2", "-c:a", codec]);
        let known = complaints(&path);
        for keep in [&[(1.03, 2.507)][..], &[(1.1, 2.0005), (4.4, 5.9003)]] {
            let settings = keep.iter().fold(Cut::new().format("mov"), |cut, (from, to)| {
                cut.keep(TimeRange::secs(*from, *to).unwrap())
            });
            let clip = cut(&open(&path), &settings, &Control::new()).unwrap();
            let out = save(&clip, folder.path(), "out.mov");
            assert!(complaints(&out).is_subset(&known), "{codec} {keep:?}: {:?}", complaints(&out));
            let lasts: f64 = keep.iter().map(|(from, to)| to - from).sum();
            let heard = frames(&out, "0:a").last().unwrap().time;
            assert!((heard - lasts).abs() < 0.1, "{codec} {keep:?}: heard up to {heard}");
        }
    }
}

/// Where the pictures that are left out at a seam are the last ones of a part, those behind it keep their time.
#[test]
fn open_gops_of_short_ranges_stay_in_sync() {
    oracle!("open gops");
    let coded =
        ["-c:v", "libx264", "-g", "12", "-bf", "2", "-x264-params", "open-gop=1:keyint=12:scenecut=0"];
    let input = ["-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=8"];
    let path = made_by_ffmpeg("open-gop.mp4", &[&input[..], &coded].concat());
    let folder = tempfile::tempdir().unwrap();
    for mode in [CutMode::Edit, CutMode::Keyframe] {
        let keep = [(1.0, 1.04), (2.0, 2.08), (3.0, 3.04), (5.0, 6.0)];
        let mut seen = Vec::new();
        for road in [Road::Tables, Road::Libav] {
            let ranges = keep.iter().map(|(from, to)| TimeRange::secs(*from, *to).unwrap());
            let settings = ranges.fold(Cut::new().mode(mode).format("mp4").road(road), Cut::keep);
            let clip = cut(&open(&path), &settings, &Control::new()).unwrap();
            // Which samples are shown when, by the edit lists.
            seen.push(shown(&save(&clip, folder.path(), "out.mp4")));
        }
        let brief = |s: &Shown| (s.2, s.3.len());
        let differ = seen[0].iter().zip(&seen[1]).find(|(a, b)| a != b).map(|(a, b)| (brief(a), brief(b)));
        assert_eq!((differ, seen[0].len()), (None, seen[1].len()), "{mode:?}");
    }
}

/// What somebody wrote behind a file's boxes is none, and what is one stays one.
#[test]
fn what_trails_in_a_file_is_no_box_of_the_result() {
    oracle!("trailing bytes");
    let bytes = std::fs::read(fast_start_clip()).unwrap();
    let moov = find(&bytes, "moov").unwrap();
    let ftyp = find(&bytes, "ftyp").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let long = make_box(b"uuid", &[7; 100]);
    let to_the_end = [&[0; 4], &long[4..]].concat();
    let mut too_long = long.clone();
    too_long[..4].copy_from_slice(&5000_u32.to_be_bytes());
    let tails: [(&str, Vec<u8>, bool); 6] = [
        ("text", b"TAG some title of a song that somebody put here".to_vec(), false),
        ("a box", long.clone(), true),
        ("a box to the end", to_the_end, true),
        ("a box beyond the end", too_long, false),
        ("a second moov", bytes[moov.start..moov.end()].to_vec(), false),
        ("a second ftyp", bytes[ftyp.start..ftyp.end()].to_vec(), false),
    ];
    for (what, tail, is_kept) in tails {
        let is_cut_short = ["text", "a box beyond the end"].contains(&what);
        let path = folder.path().join("source.mp4");
        std::fs::write(&path, [&bytes[..], &tail].concat()).unwrap();
        let cut = cutting(&path, "mp4", CutMode::Edit, &[(1.1, 3.0)]);
        for clip in [cut, remux(&open(&path), &Remux::new(), &Control::new()).unwrap()] {
            let out = save(&clip, folder.path(), "out.mp4");
            let mut order = Movie::read(&out).order;
            order.retain(|kind| kind != "free");
            let due: &[&str] =
                if is_kept { &["ftyp", "moov", "uuid", "mdat"] } else { &["ftyp", "moov", "mdat"] };
            assert_eq!(order, due, "{what}");
            assert!(complaints(&out).is_empty(), "{what}");
            let written = std::fs::read(&out).unwrap();
            let is_said =
                clip.report.warnings.iter().any(|what| what.starts_with("1 of the file's own boxes"));
            assert_eq!(is_said, is_cut_short, "{what}: {:?}", clip.report.warnings);
            // It may name places, for all that is known.
            let is_unknown = clip.report.warnings.iter().any(|what| what.starts_with("of uuid nobody knows"));
            assert_eq!(is_unknown, is_kept, "{what}: {:?}", clip.report.warnings);
            if is_kept {
                assert_eq!(content(&written, "uuid").unwrap(), [7; 100], "{what}");
            }
        }
    }
}

/// XMP is known to name no places, and is kept without a word.
#[test]
fn what_is_known_to_name_no_places_is_not_told_of() {
    let xmp = *b"\xbe\x7a\xcf\xcb\x97\xa9\x42\xe8\x9c\x71\x99\x94\x91\xe3\xaf\xac";
    let bytes =
        [std::fs::read(clip()).unwrap(), make_box(b"uuid", &[&xmp[..], b"<x:xmpmeta/>"].concat())].concat();
    let media = Media::open(Source::from(bytes)).unwrap();
    let clip = remux(&media, &Remux::new().format("mp4"), &Control::new()).unwrap();
    assert_eq!((clip.report.road, clip.report.warnings), (Some(Road::Tables), vec![]));
    let written = clip.rope.to_bytes().unwrap();
    assert!(content(&written, "uuid").unwrap().ends_with(b"<x:xmpmeta/>"));
}

/// A track that begins within a later range begins then, in both roads.
#[test]
fn what_begins_within_a_later_range_is_not_early() {
    oracle!("late tracks");
    let input =
        ["-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=8", "-itsoffset", "1.278", "-f", "lavfi", "-i"];
    let sound = "aevalsrc='if(lt(mod(t,1),0.02),0.9,0)':s=48000:d=6";
    let coded = ["-c:v", "libx264", "-g", "25", "-c:a", "aac", "-map", "0", "-map", "1"];
    let path = made_by_ffmpeg("late-sound.mp4", &[&input[..], &[sound], &coded].concat());
    let folder = tempfile::tempdir().unwrap();
    for road in [Road::Tables, Road::Libav] {
        let ranges = [TimeRange::secs(5.0, 6.0).unwrap(), TimeRange::secs(0.5, 3.5).unwrap()];
        let settings = Cut::new().keep(ranges[0]).keep(ranges[1]).format("mp4").road(road);
        let clip = cut(&open(&path), &settings, &Control::new()).unwrap();
        let out = save(&clip, folder.path(), "out.mp4");
        let movie = Movie::read(&out);
        // Where in the output what of the media is heard: the second range begins at 1 s, its sound 1.278 s later.
        let source = Movie::read(&path);
        let (track, empty) = (movie.track("soun"), source.track("soun").edits[0]);
        assert_eq!(empty.1, -1);
        let due = 1.0 + empty.0 as f64 / f64::from(source.scale) - 0.5;
        let mut at = 0;
        let mut begins = Vec::new();
        for (len, media) in &track.edits {
            begins.push((at as f64 / f64::from(movie.scale), *media));
            at += len;
        }
        let (second, _) = begins[begins.len() - 1];
        assert!((second - due).abs() < 0.002, "{road:?}: {begins:?}, {due} is due");
    }
}

/// Tables of samples' parts are cut.
#[test]
fn boxes_of_samples_are_cut() {
    oracle!("boxes of samples");
    let bytes = std::fs::read(clip()).unwrap();
    let count = &find_all(&bytes, "moov/trak/mdia/minf/stbl/stsz")[0];
    let count = u32::from_be_bytes(bytes[count.content() + 8..][..4].try_into().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let with = |extra: &[u8]| {
        let stsd = &find_all(&bytes, "moov/trak/mdia/minf/stbl/stsd")[0];
        let path = folder.path().join("extra.mp4");
        let new = [&bytes[stsd.start..stsd.end()], extra].concat();
        // The moov is behind the payload: nothing moves.
        std::fs::write(&path, replace_box(&bytes, "moov/trak/mdia/minf/stbl/stsd", 0, &new)).unwrap();
        path
    };
    // Each sample has one part of as many bytes as its number.
    let entry =
        |number: u32| [&1_u32.to_be_bytes()[..], &[0, 1], &(number as u16).to_be_bytes(), &[0; 6]].concat();
    let entries: Vec<u8> = (0..count).flat_map(entry).collect();
    let subs = make_box(b"subs", &[&[0; 4], &count.to_be_bytes()[..], &entries].concat());
    let path = with(&subs);
    let clip = cutting(&path, "mp4", CutMode::Edit, &[(1.4, 3.0)]);
    assert!(clip.report.warnings.is_empty(), "{:?}", clip.report.warnings);
    let written = clip.rope.to_bytes().unwrap();
    let of = |bytes: &[u8]| content(bytes, "moov/trak/mdia/minf/stbl/subs").unwrap().to_vec();
    let found = of(&written);
    let samples = &find_all(&written, "moov/trak/mdia/minf/stbl/stsz")[0];
    let kept = u32::from_be_bytes(written[samples.content() + 8..][..4].try_into().unwrap());
    assert_eq!(found[4..8], kept.to_be_bytes());
    let first = inspect(&Source::open(&path).unwrap(), &Control::new()).unwrap();
    let first = first.sync_before(first.tracks[0].id, 35).unwrap();
    assert_eq!(u16::from_be_bytes([found[14], found[15]]), first as u16);
}

/// Packets of sound that is not compressed are not its samples.
#[test]
fn samples_of_sound_are_no_packets() {
    oracle!("packets");
    let path = noise("pcm_s16be.mov", 48_000 * 12, 48_000, &["-ac", "1", "-c:a", "pcm_s16be"]);
    let clip =
        remux(&Media::open(Source::open(&path).unwrap()).unwrap(), &Remux::new(), &Control::new()).unwrap();
    assert!(clip.report.packets < 2000, "{}", clip.report.packets);
}
