//! What avrope reads of an MP4's tables, against what libav makes of them (with edit lists and parsers left
//! out): each sample's place, size, times and whether decoding can begin at it.

mod lies;
pub mod made;

use crate::common::*;
use avrope::{
    Control, Source, Timestamp,
    inspect::{EditInfo, Inspection, SampleInfo, TrackInfo, inspect},
};
use std::{collections::BTreeMap, path::Path};

/// A packet of libav's.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    dts: i64,
    pts: i64,
    duration: i64,
    offset: u64,
    size: u64,
    key: bool,
    /// It is not decoded for what follows it alone.
    shown: bool,
}

/// By the tracks' numbers.
fn by_libav(path: &Path, options: &[&str]) -> BTreeMap<u32, Vec<Seen>> {
    let shown = "stream=index,id:packet=stream_index,pts,dts,duration,pos,size,flags";
    let json = ffprobe(path, &[options, &["-fflags", "+noparse+nofillin", "-show_entries", shown]].concat());
    let list = |name: &str| json[name].as_array().cloned().unwrap_or_default();
    let number = |value: &serde_json::Value| {
        value.as_i64().or_else(|| value.as_str()?.parse().ok()).unwrap_or_default()
    };
    let ids: BTreeMap<i64, u32> = list("streams")
        .iter()
        .map(|stream| {
            let id = stream["id"].as_str().expect("MP4's streams have numbers").trim_start_matches("0x");
            (number(&stream["index"]), u32::from_str_radix(id, 16).unwrap())
        })
        .collect();
    let mut all: BTreeMap<u32, Vec<Seen>> = ids.values().map(|id| (*id, Vec::new())).collect();
    for packet in list("packets") {
        let seen = Seen {
            dts: number(&packet["dts"]),
            pts: number(&packet["pts"]),
            duration: number(&packet["duration"]),
            offset: number(&packet["pos"]) as u64,
            size: number(&packet["size"]) as u64,
            key: packet["flags"].as_str().unwrap().starts_with('K'),
            shown: !packet["flags"].as_str().unwrap().contains('D'),
        };
        all.get_mut(&ids[&number(&packet["stream_index"])]).unwrap().push(seen);
    }
    all
}

fn looked_at(path: &Path) -> Inspection {
    inspect(&Source::open(path).unwrap(), &Control::new()).unwrap()
}

/// Holds all tracks of a file against libav's. How many samples they have.
#[track_caller]
fn agree(path: &Path, what: &str) -> usize {
    let found = looked_at(path);
    let mut count = 0;
    for (id, seen) in by_libav(path, &[]) {
        let track = found.tracks.iter().find(|track| track.id == id);
        let track = track.unwrap_or_else(|| panic!("{what}: track {id} is not there"));
        assert_eq!(track.problem, None, "{what}, track {id}");
        let samples: Vec<SampleInfo> = found.samples(id, 0..u64::MAX).collect();
        // What is said of all of them is added up from the tables' entries.
        let sum = |of: fn(&SampleInfo) -> u64| samples.iter().map(of).sum::<u64>();
        let added = (sum(|_| 1), sum(|s| s.sync.into()), sum(|s| s.size.into()), sum(|s| s.duration.into()));
        let said = (track.samples, track.sync_samples, track.bytes, track.decoded);
        assert_eq!(said, added, "{what}, track {id}");
        if seen.is_empty() && !["vide", "soun"].contains(&track.handler.as_str()) {
            // FFmpeg 9 reads nothing of MPEG-4's own tracks (sdsm, odsm): it has no codec for them.
            continue;
        }
        let blocks = track.handler == "soun" && samples.len() > seen.len();
        if blocks {
            packed(&samples, &seen, what, id)
        } else {
            each(&samples, &seen, found.fragments > 0, what, id)
        }
        count += samples.len();
    }
    count
}

/// One packet a sample.
#[track_caller]
fn each(samples: &[SampleInfo], seen: &[Seen], fragmented: bool, what: &str, id: u32) {
    assert_eq!(samples.len(), seen.len(), "{what}, track {id}: samples");
    // Where a sample is composed before it is decoded, libav lets all be decoded so much earlier
    // (mov_update_dts_shift). In fragments it lets all be composed so much later instead: there the
    // specification is right (ISO/IEC 14496-12, 8.8.8), by which the offset is all.
    let offset = |sample: &SampleInfo| sample.composition_time - sample.decode_time;
    let early = samples.iter().map(offset).min().unwrap_or(0).min(0);
    let (early, late) = if fragmented { (0, -early) } else { (early, 0) };
    for (i, (sample, packet)) in samples.iter().zip(seen).enumerate() {
        // FFmpeg 5.1 takes for a duration the time to the next packet, and for the last one's what the header
        // leaves for it (mdhd), whatever its table has; where there are offsets, it says nothing. Between
        // fragments there may be a gap, or none of what they say: there the tables are right, of which later
        // versions take it, too.
        let to_next = seen.get(i + 1).map_or(packet.duration, |next| next.dts - packet.dts);
        let told = packet.duration != 0 && packet.duration != to_next;
        let duration = if told { packet.duration } else { sample.duration.into() };
        let packet = &Seen { duration, ..packet.clone() };
        let same = Seen {
            dts: sample.decode_time + early,
            pts: sample.composition_time + late,
            duration: sample.duration.into(),
            offset: sample.offset,
            size: sample.size.into(),
            key: sample.sync,
            shown: packet.shown,
        };
        assert_eq!(&same, packet, "{what}, track {id}, sample {i}");
    }
}

/// Sound of one tick a sample: libav takes up to 1,024 of a chunk for a packet (mov_build_index).
#[track_caller]
fn packed(samples: &[SampleInfo], seen: &[Seen], what: &str, id: u32) {
    let mut rest = samples;
    for (i, packet) in seen.iter().enumerate() {
        let count = rest.iter().take(packet.duration as usize).count();
        let (these, behind) = rest.split_at(count);
        assert_eq!(count as i64, packet.duration, "{what}, track {id}, packet {i}");
        assert_eq!(these[0].decode_time, packet.dts, "{what}, track {id}, packet {i}");
        assert_eq!(these[0].offset, packet.offset, "{what}, track {id}, packet {i}");
        let bytes: u64 = these.iter().map(|sample| u64::from(sample.size)).sum();
        assert_eq!(bytes, packet.size, "{what}, track {id}, packet {i}");
        rest = behind;
    }
    assert!(rest.is_empty(), "{what}, track {id}: {} samples are in no packet", rest.len());
}

/// Looks samples up in all ways, against a walk over all of them.
#[track_caller]
fn lookups_agree(found: &Inspection, what: &str) {
    let mut random = XorShift(0x5eed_1e55);
    for track in found.tracks.iter().filter(|track| track.samples > 0) {
        let all: Vec<SampleInfo> = found.samples(track.id, 0..u64::MAX).collect();
        let (first, end) = (all[0].decode_time - 10, all.last().unwrap().decode_time + 5000);
        for _ in 0..200 {
            let number = random.below(all.len());
            let one = found.samples(track.id, number as u64..u64::MAX).next();
            assert_eq!(one, Some(all[number]), "{what}, track {}, sample {number}", track.id);
            let at = first + random.below((end - first) as usize) as i64;
            let tick = [at, all[number].decode_time, all[number].composition_time][random.below(3)];
            let decoded = all.iter().rposition(|sample| sample.decode_time <= tick).map(|i| i as u64);
            assert_eq!(found.decoded_at(track.id, tick), decoded, "{what}, track {}, tick {tick}", track.id);
            let shown = all.iter().filter(|sample| sample.composition_time <= tick);
            let shown = shown.max_by_key(|sample| (sample.composition_time, sample.number)).map(|s| s.number);
            assert_eq!(
                found.composed_at(track.id, tick).unwrap(),
                shown,
                "{what}, track {}, tick {tick}",
                track.id
            );
            let before = all[..=number].iter().rev().find(|sample| sample.sync).map(|sample| sample.number);
            assert_eq!(
                found.sync_before(track.id, number as u64),
                before,
                "{what}, track {}, {number}",
                track.id
            );
            let behind = all[number..].iter().find(|sample| sample.sync).map(|sample| sample.number);
            assert_eq!(
                found.sync_behind(track.id, number as u64),
                behind,
                "{what}, track {}, {number}",
                track.id
            );
        }
    }
}

/// Which sample is shown when, edit lists applied, against the packets that libav's demuxer gives with them.
#[test]
fn samples_are_found_by_when_they_are_shown() {
    oracle!("when samples are shown");
    let clip = clip();
    let late = made_by_ffmpeg(
        "shown-late.mp4",
        &["-itsoffset", "1.5", "-i", clip.to_str().unwrap(), "-c", "copy", "-map", "0:v", "-map", "0:a?"],
    );
    let cases = ["", "cases/"].iter().filter_map(|folder| shared(folder)).flat_map(|all| {
        let is_one = |name: &String| [".mp4", ".m4a", ".mov"].iter().any(|ending| name.ends_with(ending));
        entries(&all).into_iter().filter(is_one).map(move |name| all.join(name))
    });
    let mut count = 0;
    for path in cases.chain([clip, late]) {
        let found = looked_at(&path);
        // libav gives packets twice that two stretches show, and ends of fragments are not in their lists.
        let is_simple =
            |edits: &Vec<EditInfo>| edits.iter().filter(|edit| edit.media_time.is_some()).count() == 1;
        let simple = |track: &&TrackInfo| track.edits.as_ref().is_none_or(is_simple) && track.samples > 0;
        let packets = by_libav(&path, &["-ignore_editlist", "0"]);
        for track in found.tracks.iter().filter(simple).filter(|_| found.fragments == 0) {
            let scale = i64::from(track.time_scale);
            // Sound of a tick a sample is in packets of many.
            let single = packets[&track.id].len() as u64 == track.samples;
            for packet in packets[&track.id].iter().filter(|packet| packet.pts >= 0 && packet.shown && single)
            {
                let time = Timestamp::from_nanos((packet.pts * 1_000_000_000 + scale / 2) / scale);
                let number = found.shown_at(track.id, time).unwrap();
                let sample = number.and_then(|number| found.samples(track.id, number..u64::MAX).next());
                let at = sample.map(|sample| sample.offset);
                assert_eq!(at, Some(packet.offset), "{}, track {}, {time}", path.display(), track.id);
                count += 1;
            }
            let before = Timestamp::from_nanos(-1_000_000_000);
            assert_eq!(found.shown_at(track.id, before).unwrap(), None, "{}", path.display());
        }
    }
    assert!(count > 500, "{count} packets");
}

#[test]
fn real_files_have_the_samples_that_libav_reads() {
    oracle!("samples of real files");
    let mut count = 0;
    for folder in ["", "cases/"] {
        let Some(all) = shared(folder) else { return };
        for name in entries(&all).iter().filter(|name| name.ends_with(".mp4") || name.ends_with(".m4a")) {
            let path = all.join(name);
            count += agree(&path, name);
            lookups_agree(&looked_at(&path), name);
        }
    }
    assert!(count > 1000, "{count} samples");
}

#[test]
fn generated_files_have_the_samples_that_libav_reads() {
    oracle!("samples of generated files");
    let folder = tempfile::tempdir().unwrap();
    let sources = made::sources();
    let mut ways = BTreeMap::new();
    for number in 0..300 {
        if !is_due(number, 5) {
            continue;
        }
        let (path, what) = made::file(number as u64, &sources, folder.path());
        let what = format!("file {number}, {what}");
        agree(&path, &what);
        lookups_agree(&looked_at(&path), &what);
        what.split(", ").skip(2).for_each(|way| *ways.entry(way.to_owned()).or_insert(0) += 1);
        std::fs::remove_file(path).unwrap();
    }
    assert!(ways.len() >= made::WAYS.len(), "{ways:?}");
}

/// Both indices of a file lead to its fragments, whose times and sizes they state.
#[test]
fn indices_of_fragments_lead_to_them() {
    oracle!("indices of fragments");
    let sources =
        ["-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=4", "-c:v", "libx264", "-bf", "2", "-g", "12"];
    for (name, flags) in [
        ("mfra.mp4", "+frag_keyframe"),
        ("sidx.mp4", "+frag_keyframe+default_base_moof+empty_moov+global_sidx"),
        // An index in front of each segment; and one segment alone is no whole file.
        ("dash.mp4", "+frag_keyframe+empty_moov+dash"),
    ] {
        let path =
            made_by_ffmpeg(&format!("indices-{name}"), &[&sources[..], &["-movflags", flags]].concat());
        let found = looked_at(&path);
        let moofs: Vec<(u64, u64)> = found
            .boxes
            .iter()
            .filter(|info| info.kind == "moof")
            .map(|info| (info.offset, info.offset + info.size))
            .collect();
        let samples: Vec<SampleInfo> = found.samples(1, 0..u64::MAX).collect();
        // Samples lie behind the moof that tells of them: those of each, up to the next.
        let of = |i: usize| {
            let end = moofs.get(i + 1).map_or(u64::MAX, |next| next.0);
            let within = samples.iter().filter(|sample| (moofs[i].1..end).contains(&sample.offset));
            within.map(|sample| sample.composition_time as u64).min().unwrap()
        };
        assert!(moofs.len() >= 8 && found.fragments == moofs.len() as u64, "{name}: {moofs:?}");
        let segment = std::fs::read(&path).unwrap()[moofs[0].0 as usize..moofs[1].0 as usize].to_vec();
        let alone = inspect(&Source::from(segment), &Control::new()).unwrap();
        assert_eq!((alone.fragments, alone.tracks.len()), (1, 0), "{name}");
        assert!(alone.warnings[0].contains("there is no moov"), "{name}: {:?}", alone.warnings);
        if name == "mfra.mp4" {
            let places: Vec<(u64, u64)> = found.access_points.iter().map(|at| (at.offset, at.time)).collect();
            // What is in the moov, a first fragment of it, is in no moof.
            let last = &places[places.len() - moofs.len()..];
            for (i, (place, moof)) in last.iter().zip(&moofs).enumerate() {
                assert_eq!((place.0, place.1), (moof.0, of(i)), "{name}, fragment {i}");
            }
        } else {
            assert_eq!(found.segments.len(), moofs.len(), "{name}: {:?}", found.segments);
            // Where no edit list takes the first composition time back to 0, movenc's index begins at 0 all
            // the same.
            let begins = of(0) - found.segments[0].time;
            for (i, (segment, moof)) in found.segments.iter().zip(&moofs).enumerate() {
                let said = (segment.offset, segment.time + begins, segment.track);
                assert_eq!(said, (moof.0, of(i), 1), "{name}, segment {i}");
            }
        }
    }
}
