//! Tables that lie: each is an error or a warning that names its box, at no cost of memory or time.

use super::made::{full, numbers, replace, table};
use crate::common::*;
use avrope::{
    Control, ErrorKind, Source,
    control::Limits,
    inspect::{Inspection, inspect},
};

fn looked_at(bytes: Vec<u8>) -> avrope::Result<Inspection> {
    let mut limits = Limits::default();
    limits.demuxer_memory = 8 << 20;
    inspect(&Source::from(bytes).named("lies.mp4"), &Control::new().limits(limits))
}

/// H.264 with B-frames and AAC, the moov at the end.
fn honest() -> Vec<u8> {
    let sources = ["-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=2", "-f", "lavfi", "-i", "sine=r=48000:d=2"];
    let coding = ["-c:v", "libx264", "-bf", "2", "-g", "12", "-c:a", "aac", "-map", "0", "-map", "1"];
    std::fs::read(made_by_ffmpeg("lies.mp4", &[&sources[..], &coding].concat())).unwrap()
}

fn fragmented() -> Vec<u8> {
    let sources =
        ["-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=2", "-c:v", "libx264", "-bf", "2", "-g", "12"];
    let flags = ["-movflags", "+frag_keyframe+default_base_moof+empty_moov+global_sidx"];
    std::fs::read(made_by_ffmpeg("lies-fragmented.mp4", &[&sources[..], &flags].concat())).unwrap()
}

/// A table of the first track with one of its numbers changed.
fn with(bytes: &[u8], kind: &str, change: impl FnOnce(&mut Vec<u32>)) -> Vec<u8> {
    let mut all = numbers(&table(bytes, 0, kind));
    change(&mut all);
    replace(bytes, 0, kind, &full(kind.as_bytes().try_into().unwrap(), &all[1..]))
}

fn added(bytes: &[u8], kind: &[u8; 4], content: &[u32]) -> Vec<u8> {
    let stsz = &find_all(bytes, "moov/trak/mdia/minf/stbl/stsz")[0];
    let both = [&bytes[stsz.start..stsz.end()], &full(kind, content)].concat();
    replace(bytes, 0, "stsz", &both)
}

#[test]
fn a_table_that_lies_is_named() {
    oracle!("tables that lie");
    let honest = honest();
    let twice = |kind: &str| {
        let old = table(&honest, 0, kind);
        replace(&honest, 0, kind, &make_box(kind.as_bytes().try_into().unwrap(), &old).repeat(2))
    };
    let two_tracks = {
        let mut bytes = honest.clone();
        let tkhd = find_all(&bytes, "moov/trak/tkhd")[1].content() + 12;
        bytes[tkhd..tkhd + 4].copy_from_slice(&1_u32.to_be_bytes());
        bytes
    };
    let elsewhere = {
        let mut bytes = honest.clone();
        let url = find_all(&bytes, "moov/trak/mdia/minf/dinf/dref")[0].content() + 8 + 8;
        bytes[url..url + 4].copy_from_slice(&[0; 4]);
        bytes
    };
    // The number that is changed, and the box that is named.
    let problems: Vec<(&str, Vec<u8>)> = vec![
        ("stsz", with(&honest, "stsz", |all| all[2] += 1)),
        ("stsz", with(&honest, "stsz", |all| all[2] = u32::MAX)),
        ("stts", with(&honest, "stts", |all| all[1] += 1)),
        ("stts", with(&honest, "stts", |all| all[2] -= 1)),
        ("stts", with(&honest, "stts", |all| all[3] = 1 << 31)),
        ("stts", replace(&honest, 0, "stts", &full(b"stts", &[2, u32::MAX, 1, 2, 1]))),
        ("ctts", with(&honest, "ctts", |all| all[1] += 1)),
        ("ctts", with(&honest, "ctts", |all| all[3] = (1 << 28) + 1)),
        ("ctts", with(&honest, "ctts", |all| all[3] = 1 << 31)),
        ("stsc", with(&honest, "stsc", |all| all[2] = 2)),
        ("stsc", with(&honest, "stsc", |all| all[2] = 0)),
        ("stsc", with(&honest, "stsc", |all| all[3] = 0)),
        ("stsc", with(&honest, "stsc", |all| all[4] = 0)),
        ("stsc", with(&honest, "stsc", |all| all[4] = 9)),
        ("stsc", with(&honest, "stsc", |all| all[1] = 0)),
        ("stsc", with(&honest, "stsc", |all| all[3] = u32::MAX)),
        ("stco", with(&honest, "stco", |all| all[1] += 1)),
        ("stco", with(&honest, "stco", |all| all[1] = u32::MAX)),
        ("stss", with(&honest, "stss", |all| all[1] += 1)),
        ("stss", with(&honest, "stss", |all| all.swap(2, 3))),
        ("stss", with(&honest, "stss", |all| all[3] = all[2])),
        ("stbl: it has two stts", twice("stts")),
        ("stbl: it has two stco", twice("stco")),
        ("stbl: it has no stts", replace(&honest, 0, "stts", &make_box(b"free", &[0; 16]))),
        ("stbl: it has no stsc", replace(&honest, 0, "stsc", &make_box(b"free", &[0; 20]))),
        ("tkhd", two_tracks),
        ("dref", elsewhere),
    ];
    for (i, (named, bytes)) in problems.into_iter().enumerate() {
        let found = looked_at(bytes).unwrap_or_else(|e| panic!("{i}, {named}: {e}"));
        let said: Vec<&String> = found.tracks.iter().filter_map(|track| track.problem.as_ref()).collect();
        assert!(said.len() == 1 && said[0].contains(named), "{i}, {named}: {said:?}");
    }
    let samples = looked_at(honest.clone()).unwrap().tracks[0].samples as u32;
    let warnings: Vec<(&str, Vec<u8>)> = vec![
        ("sbgp", added(&honest, b"sbgp", &[u32::from_be_bytes(*b"roll"), 1, samples + 1, 1])),
        ("sbgp", added(&honest, b"sbgp", &[u32::from_be_bytes(*b"roll"), 2, 1, 1])),
        ("sgpd", added(&honest, b"sgpd", &[u32::from_be_bytes(*b"roll"), u32::MAX])),
        ("subs", added(&honest, b"subs", &[1, samples + 1, 1 << 16])),
        ("cslg", added(&honest, b"cslg", &[0, 5, 4, 0, 0])),
        ("sdtp", added(&honest, b"sdtp", &[0])),
        ("beyond the end of the file at", with(&honest, "stco", |all| all[2] = u32::MAX)),
    ];
    for (named, bytes) in warnings {
        let found = looked_at(bytes).unwrap();
        assert!(
            found.warnings.iter().any(|warning| warning.contains(named)),
            "{named}: {:?}",
            found.warnings
        );
        assert_eq!(found.tracks[0].samples, u64::from(samples), "{named}");
    }
}

#[test]
fn a_fragment_that_lies_is_named() {
    oracle!("fragments that lie");
    let honest = fragmented();
    let all = looked_at(honest.clone()).unwrap();
    assert!(all.fragments > 2 && all.tracks[0].samples == 50 && all.warnings.is_empty(), "{all:?}");
    let at = |kind: &str, nth: usize, by: usize| {
        find_all(&honest, &format!("moof/traf/{kind}"))[nth].content() + by
    };
    for (named, place, number) in [
        ("trun", at("trun", 1, 4), u32::MAX),
        ("trun", at("trun", 1, 4), 1000),
        // A time in front of what the fragment before ends with.
        ("tfdt", at("tfdt", 1, 8), 0),
    ] {
        let mut bytes = honest.clone();
        bytes[place..place + 4].copy_from_slice(&number.to_be_bytes());
        let found = looked_at(bytes).unwrap();
        assert!(
            found.warnings.iter().any(|warning| warning.contains(named)),
            "{named}: {:?}",
            found.warnings
        );
    }
}

#[test]
fn stated_samples_cost_nothing() {
    oracle!("stated samples");
    // 85 million samples of one size by a number alone; by chunks there are as many as before.
    let honest = honest();
    let many = replace(&honest, 0, "stsz", &full(b"stsz", &[7, 85_000_000]));
    let found = looked_at(many).unwrap();
    assert_eq!(found.tracks[0].problem, None);
    assert_eq!(found.tracks[0].samples, 50);
    // A table that states them needs room for them.
    let error = looked_at(with(&honest, "stsz", |all| all[2] = 85_000_000)).unwrap();
    assert!(error.tracks[0].problem.as_ref().unwrap().contains("it states 85000000 entries"), "{error:?}");
    // Runs of no samples, of which each takes 16 bytes in the file and more in memory.
    let runs = make_box(b"trun", &[0; 8]).repeat(100_000);
    let header = make_box(b"tfhd", &[0x0002_0000_u32, 1].map(u32::to_be_bytes).concat());
    let moof = make_box(b"moof", &make_box(b"traf", &[header, runs].concat()));
    let error = looked_at([fragmented(), moof].concat()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{error}");
    // An index as long as the limit is refused before it is read.
    let large =
        [&honest[..find(&honest, "moov").unwrap().start], &make_box(b"moov", &vec![0; 9 << 20])].concat();
    assert_eq!(looked_at(large).unwrap_err().kind(), ErrorKind::LimitExceeded);
}

#[test]
fn no_number_and_no_end_of_a_moov_does_harm() {
    oracle!("numbers of a moov");
    for honest in [honest(), fragmented()] {
        let media = find(&honest, "mdat").unwrap();
        let moov = find(&honest, "moov").unwrap();
        let step = if cfg!(feature = "full-tests") { 1 } else { 7 };
        for at in (moov.start..moov.end() - 4).step_by(step) {
            for number in [0, 1, i32::MAX as u32, 1 << 31, u32::MAX - 7, u32::MAX] {
                let mut bytes = honest.clone();
                bytes[at..at + 4].copy_from_slice(&number.to_be_bytes());
                let _ = bounded_look(bytes);
            }
            // The file ends there.
            if moov.start > media.start {
                let _ = bounded_look(honest[..at].to_vec());
            }
        }
        for place in find_all(&honest, "moof") {
            for at in (place.start..place.end() - 4).step_by(step) {
                for number in [0, 1, 1 << 31, u32::MAX] {
                    let mut bytes = honest.clone();
                    bytes[at..at + 4].copy_from_slice(&number.to_be_bytes());
                    let _ = bounded_look(bytes);
                }
            }
        }
    }
}

/// Looks at it, and looks samples up.
fn bounded_look(bytes: Vec<u8>) -> Option<()> {
    let len = bytes.len() as u64;
    let found = looked_at(bytes).ok()?;
    for track in &found.tracks {
        // Of two tracks of one number, the first has it.
        if track.problem.as_ref().is_some_and(|problem| problem.contains("tkhd")) {
            continue;
        }
        // A count may stand for all by itself: of equal size and duration, no bytes tell of them.
        let some = found.samples(track.id, 0..1000).count() as u64;
        assert!(some == track.samples.min(1000), "{some} of {} samples of {len} bytes", track.samples);
        for number in [0, track.samples / 2, track.samples, u64::MAX] {
            found.samples(track.id, number..u64::MAX).next();
            found.sync_before(track.id, number);
            found.sync_behind(track.id, number);
        }
        for tick in [i64::MIN, -1, 0, 1, 1 << 40, i64::MAX] {
            found.decoded_at(track.id, tick);
            let _ = found.composed_at(track.id, tick);
        }
    }
    Some(())
}

#[test]
fn a_fragment_out_of_order_keeps_its_samples() {
    oracle!("fragments out of order");
    let honest = fragmented();
    let tfdt = find_all(&honest, "moof/traf/tfdt")[1].content();
    // One tick back, as packagers round.
    let mut bytes = honest.clone();
    let wide = bytes[tfdt] == 1;
    let at = tfdt + if wide { 8 } else { 4 };
    let time = u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
    bytes[at..at + 4].copy_from_slice(&(time - 1).to_be_bytes());
    let found = looked_at(bytes).unwrap();
    assert_eq!(
        (found.tracks[0].samples, found.fragments),
        (50, looked_at(honest.clone()).unwrap().fragments)
    );
    assert!(found.warnings[0].contains("tfdt"), "{:?}", found.warnings);
    let times: Vec<i64> = found.samples(1, 0..50).map(|sample| sample.decode_time).collect();
    assert_eq!(times.iter().filter(|tick| **tick == i64::from(time) - 1).count(), 1, "{times:?}");
    assert!(found.composed_at(1, 0).is_err() && found.decoded_at(1, 0).is_none());
    assert_eq!(found.sync_behind(1, 1), Some(12));
    // What can't be read of one is missing, and the others are there.
    let trun = find_all(&honest, "moof/traf/trun")[1].content() + 4;
    let mut bytes = honest.clone();
    bytes[trun..trun + 4].copy_from_slice(&1000_u32.to_be_bytes());
    let found = looked_at(bytes).unwrap();
    assert_eq!(found.tracks[0].samples, 38, "{:?}", found.warnings);
}
