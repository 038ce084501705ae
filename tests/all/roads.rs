//! A copy of an MP4 into an MP4 by its own tables, held against the same by libav: what is shown is the same,
//! packet by packet and picture by picture.

use crate::{
    common::*,
    kinds::{brand, differs},
    samples::made,
};
use avrope::{
    Clip, Control, Cut, CutMode, Error, Join, Media, Remux, Road, Source, TimeRange, cut,
    inspect::{SampleInfo, inspect},
    join, remux,
};
use std::path::{Path, PathBuf};

/// A sample that a file shows: its track and what that is, when it is shown in microseconds, what it holds, and
/// whether decoding can begin at it.
pub type Shown = (usize, String, i64, Vec<u8>, bool);

/// What the edit lists of a file show of picture and sound, by its tables.
pub fn shown(path: &Path) -> Vec<Shown> {
    let bytes = std::fs::read(path).unwrap();
    let movie = Movie::parse(&bytes);
    let found = inspect(&Source::open(path).unwrap(), &Control::new()).unwrap();
    let mut all = Vec::new();
    let played = movie
        .tracks
        .iter()
        .zip(&found.tracks)
        .filter(|(track, _)| ["vide", "soun"].contains(&&*track.handler));
    for (number, (track, told)) in played.enumerate() {
        let mut at: u64 = 0;
        let mut samples: Vec<_> = found.samples(told.id, 0..u64::MAX).collect();
        samples.sort_by_key(|sample| sample.composition_time);
        // A picture is shown up to the next one, whatever is decoded in between; and the last one to the end.
        let last = |sample: &SampleInfo| match &*track.handler {
            "vide" => i64::from(u32::MAX),
            _ => sample.duration.into(),
        };
        let next = samples.iter().skip(1).map(|next| Some(next.composition_time)).chain([None]);
        let lasts = |(sample, next): (&SampleInfo, Option<i64>)| {
            next.map_or_else(|| last(sample), |next| next - sample.composition_time)
        };
        let lengths: Vec<i64> = samples.iter().zip(next).map(lasts).collect();
        let end = samples.iter().map(|s| s.composition_time + i64::from(s.duration)).max().unwrap_or(0);
        // Without an edit list all of it is.
        let begins = samples.iter().map(|s| s.composition_time).min().unwrap_or(0).min(0);
        let lasts = (end - begins) as u64 * u64::from(movie.scale) / u64::from(track.scale);
        let plain = [(lasts, begins)];
        let edits = if track.edits.is_empty() { &plain[..] } else { &track.edits };
        for (len, media) in edits {
            // Lengths are rounded to ticks of the movie.
            let near = 0.51 * f64::from(track.scale) / f64::from(movie.scale);
            let seconds = |ticks: f64| ticks / f64::from(track.scale);
            let ticks = *len as f64 * f64::from(track.scale) / f64::from(movie.scale);
            let is_shown = *media >= 0 || track.edits.is_empty();
            for (sample, lasts) in samples.iter().zip(&lengths).filter(|_| is_shown) {
                let within = (sample.composition_time - media) as f64;
                if within + *lasts as f64 > near && within < ticks - near {
                    let time = at as f64 / f64::from(movie.scale) + seconds(within);
                    let held = &bytes[sample.offset as usize..][..sample.size as usize];
                    let micros = (time * 1e6).round() as i64;
                    all.push((number, track.handler.clone(), micros, held.to_vec(), sample.sync));
                }
            }
            at += len;
        }
    }
    all.sort();
    all
}

/// AAC's frame at 48 kHz, in microseconds.
const FRAME: i64 = 21_334;

/// Leaves out what both show of sound at times that are no more than a frame apart: where parts meet, it is half
/// of one off at the most, and may begin and end at either frame. What is left is at seams alone.
fn leave_out_sound(a: &mut Vec<Shown>, b: &mut Vec<Shown>, seams: usize) {
    let is_sound = |shown: &Shown| shown.1 == "soun";
    let (mine, mut theirs): (Vec<Shown>, Vec<Shown>) = (
        a.iter().filter(|s| is_sound(s)).cloned().collect(),
        b.iter().filter(|s| is_sound(s)).cloned().collect(),
    );
    let mut alone = 0;
    for shown in mine {
        let like =
            |other: &Shown| (other.0, &other.3) == (shown.0, &shown.3) && (other.2 - shown.2).abs() <= FRAME;
        match theirs.iter().position(like) {
            Some(i) => drop(theirs.remove(i)),
            None => alone += 1,
        }
    }
    let tracks =
        a.iter().filter(|s| is_sound(s)).map(|s| s.0).collect::<std::collections::BTreeSet<_>>().len();
    // One may end there and one begin.
    if alone + theirs.len() <= 2 * seams * tracks {
        a.retain(|s| !is_sound(s));
        b.retain(|s| !is_sound(s));
    }
}

/// Holds two results against each other, whose parts meet at so many places. What differs.
pub fn differ(tables: &Path, libav: &Path, length: f64, decodes: bool, seams: usize) -> Option<String> {
    let (mut a, mut b) = (shown(tables), shown(libav));
    if seams > 0 {
        leave_out_sound(&mut a, &mut b, seams);
    }
    // Behind the last picture's own end it is shown on, as far as the edit list says; libav's way has no pictures then.
    let is_picture = |shown: &Shown| shown.1 == "vide";
    if !b.iter().any(is_picture) && a.iter().filter(|shown| is_picture(shown)).count() == 1 {
        a.retain(|shown| !is_picture(shown));
        // Its track is the first.
        a.iter_mut().for_each(|shown| shown.0 -= 1);
    }
    // By tables, parts that follow on each other without a gap are one stretch, whose pictures are shown at the nearest
    // tick (of 1/12800 s at the least): so is what lies behind a seam whose sound is longer.
    let most = if seams > 0 { 40 } else { 1 };
    let near =
        |a: &Shown, b: &Shown| (a.0, &a.1, &a.3, a.4) == (b.0, &b.1, &b.3, b.4) && (a.2 - b.2).abs() <= most;
    if a.len() != b.len() || !a.iter().zip(&b).all(|(a, b)| near(a, b)) {
        let brief = |s: &Shown| (s.0, s.1.clone(), s.2, s.3.len(), s.4);
        let first = a.iter().zip(&b).find(|(a, b)| !near(a, b)).map(|(a, b)| (brief(a), brief(b)));
        return Some(format!("{} and {} samples are shown, unlike from {first:?} on", a.len(), b.len()));
    }
    let has = |kind: &str| a.iter().any(|sample| sample.1 == kind);
    let streams = [("vide", "0:v:0"), ("soun", "0:a:0")];
    for (_, stream) in streams.into_iter().filter(|(kind, _)| decodes && has(kind)) {
        // FFmpeg 5.1 goes on behind the end of an edit list, as far as there are packets.
        let inside = |path: &Path| {
            let all = frames(path, stream);
            let (is_sound, mut all) = (stream.contains('a'), all);
            all.retain(|frame| frame.time < length - if is_sound { 0.1 } else { 0.000_02 });
            if is_sound {
                // AAC's noise is made up from where decoding began: what was decoded was compared above.
                all.iter_mut().for_each(|frame| frame.hash.clear());
            }
            all
        };
        let (a, b) = (inside(tables), inside(libav));
        if a != b {
            let first = a.iter().zip(&b).position(|(a, b)| a != b);
            return Some(format!("{stream}: {} and {} frames, unlike from {first:?} on", a.len(), b.len()));
        }
    }
    None
}

/// Runs something both ways; what differs is put to `wrong`. Whether it went by tables.
pub fn both(
    name: &str,
    folder: &Path,
    run: &dyn Fn(Road) -> Result<Clip, Error>,
    decodes: bool,
    seams: usize,
    wrong: &mut Vec<String>,
) -> bool {
    let (tables, libav) = (run(Road::Tables), run(Road::Libav));
    let (tables, libav) = match (tables, libav) {
        (Ok(tables), Ok(libav)) => (tables, libav),
        // What can't be by libav may be by tables.
        (Ok(_), Err(_)) => return true,
        (Err(a), Err(b)) if a.to_string() == b.to_string() => return false,
        (a, b) => {
            wrong.push(format!("{name}: {:?} and {:?}", a.map(|_| ()), b.map(|_| ())));
            return false;
        }
    };
    assert_eq!(libav.report.road, Some(Road::Libav), "{name}");
    if tables.report.road != Some(Road::Tables) {
        return false;
    }
    let mut say = |what: String| wrong.push(format!("{name}: {what}"));
    let tables_report = tables.report.clone();
    let (a, b) = (&tables.report, &libav.report);
    if (a.duration, &a.ranges, a.payload_copied) != (b.duration, &b.ranges, b.payload_copied) {
        say(format!("{:?} {:?} and {:?} {:?}", a.duration, a.ranges, b.duration, b.ranges));
    }
    let (tables, libav) = (save(&tables, folder, "tables.mp4"), save(&libav, folder, "libav.mp4"));
    let length = tables_report.duration.as_secs_f64();
    if let Some(what) = differ(&tables, &libav, length, decodes, seams) {
        wrong.push(format!("{name}: {what}"));
    }
    true
}

pub fn cutting(media: &Media, road: Road, mode: CutMode, keep: &[(f64, f64)]) -> Result<Clip, Error> {
    let ranges = keep.iter().map(|(from, to)| TimeRange::secs(*from, *to).unwrap());
    let settings = ranges.fold(Cut::new().mode(mode).road(road), Cut::keep);
    cut(media, &settings, &Control::new())
}

/// All MP4s that the tests have.
pub fn sources() -> Vec<(String, PathBuf)> {
    let pool = pool().into_iter().filter(|fixture| is_mov(&fixture.path));
    let mut all: Vec<_> = pool.map(|fixture| (fixture.name.to_owned(), fixture.path)).collect();
    for folder in [footage(), footage().join("cases")] {
        let Ok(found) = std::fs::read_dir(folder) else { continue };
        for path in found.map(|entry| entry.unwrap().path()).filter(|path| is_mov(path)) {
            all.push((path.file_name().unwrap().to_string_lossy().into_owned(), path));
        }
    }
    all.sort();
    all
}

#[test]
fn cuts_and_remuxes_are_the_same() {
    oracle!("roads");
    let mut wrong = Vec::new();
    let mut by_tables = 0;
    for (name, path) in sources() {
        let folder = tempfile::tempdir().unwrap();
        let Ok(media) = Media::open(Source::open(&path).unwrap()) else { continue };
        let Some(length) = media.duration().map(|length| length.as_secs_f64()) else { continue };
        let at = |share: f64| (share * length * 1000.0).round() / 1000.0;
        let keeps: [&[(f64, f64)]; 5] = [
            &[(0.0, at(0.4))],
            &[(at(0.31), at(0.77))],
            &[(at(0.5), length)],
            &[(at(0.1), at(0.35)), (at(0.6), at(0.9))],
            &[(at(0.6), at(0.9)), (at(0.1), at(0.35)), (at(0.1), at(0.35))],
        ];
        for (i, keep) in keeps.into_iter().enumerate() {
            for mode in [CutMode::Edit, CutMode::Keyframe] {
                // Where several ranges meet, FFmpeg 5.1 shows pictures that edit lists hide, of which libav's way
                // has more.
                let is_due = cfg!(feature = "full-tests") || (i + name.len()) % 6 == 0;
                let decodes = is_due && keep.len() == 1;
                let run = |road| cutting(&media, road, mode, keep);
                by_tables += usize::from(both(
                    &format!("{name} {mode:?} {keep:?}"),
                    folder.path(),
                    &run,
                    decodes,
                    0,
                    &mut wrong,
                ));
            }
        }
        let run = |road| remux(&media, &Remux::new().road(road), &Control::new());
        let Ok(whole) = run(Road::Tables) else { continue };
        if whole.report.road == Some(Road::Tables) {
            assert!(shown(&save(&whole, folder.path(), "whole.mp4")) == shown(&path), "{name} remux");
        }
        // Ticks of its movie are 48 samples: what is shown to the sample can't be told by it.
        if name != "pcm-mov" {
            by_tables +=
                usize::from(both(&format!("{name} remux"), folder.path(), &run, true, 0, &mut wrong));
        }
    }
    assert!(wrong.is_empty(), "{} wrong: {:#?}", wrong.len(), &wrong[..wrong.len().min(12)]);
    assert!(by_tables > 40, "{by_tables} by tables");
}

/// What parts state of their bit rates makes no sample descriptions of their own, which some players know but one of.
#[test]
fn parts_of_other_bit_rates_are_described_by_one() {
    oracle!("bit rates");
    let made = |name: &str, picture: &str, sound: &str| {
        let inputs = ["-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", sound, "-t", "2"];
        let codecs = ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac", "-ac", "1"];
        made_by_ffmpeg(name, &[&inputs[..], &codecs].concat())
    };
    let parts = [
        made("slow-part.mp4", "color=s=64x48:r=25", "sine=r=48000"),
        made("fast-part.mp4", "testsrc2=s=64x48:r=25", "anoisesrc=r=48000"),
    ];
    let sources = parts.each_ref().map(|part| Source::open(part).unwrap());
    let clip = join(&sources, &Join::new(), &none()).unwrap();
    assert_eq!((clip.report.road, clip.report.payload_copied), (Some(Road::Tables), 0));
    assert_eq!(clip.report.warnings, Vec::<String>::new());
    let folder = tempfile::tempdir().unwrap();
    let path = save(&clip, folder.path(), "joined.mp4");
    let found = inspect(&Source::open(&path).unwrap(), &none()).unwrap();
    for track in &found.tracks {
        assert_eq!(track.codecs.len(), 1, "{}: {:?}", track.handler, track.codecs);
    }
    let descriptions = |path: &Path| {
        let bytes = std::fs::read(path).unwrap();
        find_all(&bytes, "moov/trak/mdia/minf/stbl/stsd")
            .iter()
            .map(|own| bytes[own.content()..own.end()].to_vec())
            .collect::<Vec<_>>()
    };
    assert_eq!(descriptions(&path), descriptions(&parts[0]));
    assert_ne!(descriptions(&parts[0]), descriptions(&parts[1]), "the parts state the same");
    let pictures = |path: &Path| frames(path, "0:v:0").len();
    assert_eq!(pictures(&path), parts.iter().map(|part| pictures(part)).sum::<usize>());
}

/// A second video has its keyframes elsewhere: it is shown from the beginning all the same.
#[test]
fn a_second_video_begins_with_the_first() {
    oracle!("two videos");
    let source = made_by_ffmpeg(
        "two-videos.mp4",
        &[
            &[
                "-f",
                "lavfi",
                "-i",
                "testsrc2=s=64x48:r=25:d=6",
                "-f",
                "lavfi",
                "-i",
                "testsrc=s=64x48:r=25:d=6",
            ][..],
            &["-map", "0", "-map", "1", "-c:v", "libx264", "-bf", "0", "-g:v:0", "25", "-g:v:1", "40"],
            &["-sc_threshold", "0"],
        ]
        .concat(),
    );
    let folder = tempfile::tempdir().unwrap();
    for (from, to) in [(2.3, 4.0), (1.7, 3.0), (3.5, 5.5)] {
        let settings = Cut::new().mode(CutMode::Keyframe).keep(TimeRange::secs(from, to).unwrap());
        let clip = cut(&open(&source), &settings, &none()).unwrap();
        assert_eq!(clip.report.road, Some(Road::Tables));
        let path = save(&clip, folder.path(), "two.mp4");
        let all = shown(&path);
        for track in [0, 1] {
            let first = all.iter().filter(|shown| shown.0 == track).map(|shown| shown.2).min();
            assert!(first.is_some_and(|first| first <= 0), "{from}..{to}: track {track} begins at {first:?}");
            let stream = format!("0:v:{track}");
            let pictures = frames(&path, &stream).len() as f64;
            let due = 25.0 * clip.report.duration.as_secs_f64();
            assert!(
                (pictures - due).abs() <= 1.0,
                "{from}..{to}: track {track} has {pictures} of {due} pictures"
            );
        }
    }
}

#[test]
fn joins_are_the_same() {
    oracle!("roads");
    let all: Vec<_> = sources().into_iter().filter(|(_, path)| open(path).duration().is_some()).collect();
    let (mut wrong, mut by_tables) = (Vec::new(), 0);
    let folder = tempfile::tempdir().unwrap();
    for (name, path) in &all {
        // Sound that is not compressed stays with the picture to the sample; libav's way lets it run on by half
        // a packet. A first frame that lasts for eight is no reason to take a last one for as long, as libav's way
        // does.
        if name.starts_with("pcm") || name == "sound-shorter.mp4" {
            continue;
        }
        // With itself, with a part of itself, and with others that fit.
        let media = open(path);
        let length = media.duration().unwrap().as_secs_f64();
        let Ok(part) = cutting(&media, Road::Libav, CutMode::Edit, &[(0.3 * length, 0.8 * length)]) else {
            continue;
        };
        let part = save(&part, folder.path(), "part.mp4");
        let others = all.iter().map(|(_, other)| other.clone()).filter(|other| other != path);
        let lists = [
            vec![path.clone(), path.clone(), path.clone()],
            vec![path.clone(), part.clone()],
            vec![part, path.clone()],
        ];
        for list in lists.into_iter().chain(others.map(|other| vec![path.clone(), other])) {
            let list: Vec<Source> = list.iter().map(|path| Source::open(path).unwrap()).collect();
            let run = |road| join(&list, &Join::new().road(road), &Control::new());
            if run(Road::Libav).is_err() {
                continue;
            }
            let names: Vec<_> =
                list.iter().map(|source| source.name().rsplit('/').next().unwrap().to_owned()).collect();
            by_tables += usize::from(both(
                &format!("{name}: {names:?}"),
                folder.path(),
                &run,
                false,
                list.len() - 1,
                &mut wrong,
            ));
        }
    }
    assert!(wrong.is_empty(), "{} wrong: {:#?}", wrong.len(), &wrong[..wrong.len().min(12)]);
    assert!(by_tables > 10, "{by_tables} by tables");
}

/// Files whose tables say the same in other ways.
#[test]
fn made_files_are_cut_the_same() {
    oracle!("roads");
    let sources = made::sources();
    let (mut wrong, mut by_tables) = (Vec::new(), 0);
    let count = if cfg!(feature = "full-tests") { 300 } else { 30 };
    // In these a picture lasts longer than its own sample does, in the last one behind all others.
    for number in (0..count).chain([213, 269]) {
        let folder = tempfile::tempdir().unwrap();
        let (path, what) = made::file(number, &sources, folder.path());
        // FFmpeg 5.1 writes samples that last no time at all, and shows pictures of fragments later by the largest
        // offset below 0 (mov.c: mov_read_trun).
        if what.contains("frag-each") || what.contains("frag-dash") {
            continue;
        }
        let Ok(media) = Media::open(Source::open(&path).unwrap()) else { continue };
        let mut random = XorShift(number + 7);
        random.next();
        let probed = || media.probe(&Control::new()).ok()?.duration;
        let length = media.duration().or_else(probed).map_or(0, |length| length.as_millis() as usize);
        for mode in [CutMode::Edit, CutMode::Keyframe] {
            let from = random.below(length.max(2) - 1);
            let to = from + 1 + random.below(length.saturating_sub(from).max(1));
            let keep = [(from as f64 / 1000.0, to as f64 / 1000.0)];
            let run = |road| cutting(&media, road, mode, &keep);
            let name = format!("file {number} ({what}) {mode:?} {keep:?}");
            by_tables += usize::from(both(&name, folder.path(), &run, false, 0, &mut wrong));
        }
        // All of it is shown as it was.
        let Ok(whole) = remux(&media, &Remux::new(), &Control::new()) else { continue };
        if whole.report.road == Some(Road::Tables) {
            let out = save(&whole, folder.path(), "whole.mp4");
            assert!(shown(&out) == shown(&path), "file {number} ({what}) remux");
        }
    }
    assert!(wrong.is_empty(), "{} wrong: {:#?}", wrong.len(), &wrong[..wrong.len().min(12)]);
    assert!(by_tables > count as usize, "{by_tables} by tables");
}

/// All boxes of a moov that hold no others, with the way to them, but for where chunks lie.
pub fn leaves(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    fn walk(bytes: &[u8], from: usize, to: usize, way: &str, all: &mut Vec<(String, Vec<u8>)>) {
        for found in boxes(bytes, from, to) {
            let way = format!("{way}/{}", String::from_utf8_lossy(&found.kind));
            match &found.kind {
                b"moov" | b"trak" | b"mdia" | b"minf" | b"stbl" | b"edts" => {
                    walk(bytes, found.content(), found.end(), &way, all);
                }
                b"stco" | b"co64" | b"mdat" | b"free" | b"skip" | b"wide" => {}
                _ => all.push((way, bytes[found.start..found.end()].to_vec())),
            }
        }
    }
    let mut all = Vec::new();
    walk(bytes, 0, bytes.len(), "", &mut all);
    all
}

#[test]
fn a_remux_keeps_every_box() {
    let mut count = 0;
    for (name, path) in sources() {
        let Ok(clip) = remux(&open(&path), &Remux::new(), &Control::new()) else { continue };
        // What was in fragments has other tables.
        let in_fragments = find(&std::fs::read(&path).unwrap(), "moof").is_some();
        // One that says it is of another kind has the boxes of libav's muxer.
        let format = Some(ending(&path)).filter(|ending| ["m4a", "mov"].contains(ending)).unwrap_or("mp4");
        let is_other = differs(&brand(&path), format);
        if clip.report.road != Some(Road::Tables) || in_fragments || is_other {
            continue;
        }
        // The moov goes in front of the file's other boxes.
        let (mut before, mut after) =
            (leaves(&std::fs::read(&path).unwrap()), leaves(&clip.rope.to_bytes().unwrap()));
        before.sort();
        after.sort();
        let names = |all: &[(String, Vec<u8>)]| all.iter().map(|(way, _)| way.clone()).collect::<Vec<_>>();
        assert_eq!(names(&before), names(&after), "{name}");
        let other = before.iter().zip(&after).find(|(a, b)| a != b).map(|(a, _)| &a.0);
        assert_eq!(other, None, "{name}");
        assert_eq!(clip.report.payload_copied, 0, "{name}");
        count += 1;
    }
    assert!(count > 4, "{count} by tables");
}

/// The samples of a track of a file: when each is shown in milliseconds, for how long, and what it holds.
fn told(path: &Path, handler: &str) -> Vec<(i64, u64, Vec<u8>)> {
    let bytes = std::fs::read(path).unwrap();
    let movie = Movie::parse(&bytes);
    let found = inspect(&Source::open(path).unwrap(), &Control::new()).unwrap();
    let of = movie.tracks.iter().zip(&found.tracks).find(|(track, _)| track.handler == handler);
    let (track, told) = of.unwrap_or_else(|| panic!("{}: no track {handler}", path.display()));
    let start = track.edits.iter().find(|(_, media)| *media >= 0).map_or(0, |(_, media)| *media);
    let millis = |ticks: i64| (ticks as f64 * 1000.0 / f64::from(track.scale)).round() as i64;
    let sample = |s: SampleInfo| {
        let held = bytes[s.offset as usize..][..s.size as usize].to_vec();
        (millis(s.composition_time - start), millis(s.duration.into()) as u64, held)
    };
    found.samples(told.id, 0..u64::MAX).map(sample).collect()
}

/// Tracks that libav has no name for, and those that nobody interprets, come through a cut by their own samples.
#[test]
fn tracks_that_nobody_knows_are_cut() {
    oracle!("other tracks");
    let folder = tempfile::tempdir().unwrap();
    let srt = folder.path().join("told.srt");
    let line = |i: usize| format!("{}\n00:00:0{i},000 --> 00:00:0{},000\nat {i} s\n\n", i + 1, i + 1);
    std::fs::write(&srt, (0..6).map(line).collect::<String>()).unwrap();
    let made = folder.path().join("told.mp4");
    let input = ["-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=6", "-i", srt.to_str().unwrap()];
    let coded =
        ["-map", "0", "-map", "1", "-g", "25", "-c:v", "libx264", "-c:s", "mov_text", made.to_str().unwrap()];
    ffmpeg(&[&input[..], &coded].concat());
    let bytes = std::fs::read(&made).unwrap();
    for (handler, codec) in [(b"meta", b"gpmd"), (b"meta", b"mett"), (b"camm", b"rtmd"), (b"what", b"none")] {
        // The track of text calls itself something else.
        let mut other = bytes.clone();
        let hdlr = find_all(&bytes, "moov/trak/mdia/hdlr")[1].content() + 8;
        let stsd = find_all(&bytes, "moov/trak/mdia/minf/stbl/stsd")[1].content() + 12;
        other[hdlr..hdlr + 4].copy_from_slice(handler);
        other[stsd..stsd + 4].copy_from_slice(codec);
        let path = folder.path().join("other.mp4");
        std::fs::write(&path, &other).unwrap();
        let handler = std::str::from_utf8(handler).unwrap();
        let all = told(&path, handler);
        for (from, to) in [(1.5, 4.5), (2.0, 3.0), (0.0, 2.4)] {
            let clip = cutting(&open(&path), Road::Tables, CutMode::Edit, &[(from, to)]).unwrap();
            assert_eq!((clip.report.road, &clip.report.dropped_streams[..]), (Some(Road::Tables), &[][..]));
            let found = told(&save(&clip, folder.path(), "out.mp4"), handler);
            let (begin, end) = ((from * 1000.0) as i64, (to * 1000.0) as i64);
            let due: Vec<_> = all
                .iter()
                .filter(|(at, lasts, _)| *at < end && at + *lasts as i64 > begin)
                .map(|(at, lasts, held)| (at - begin, *lasts, held.clone()))
                .collect();
            assert!(due.iter().any(|(.., held)| held.starts_with(&[0, 6])), "{due:?}");
            assert_eq!(found, due, "{handler} {from}..{to}");
        }
    }
}

#[test]
fn a_time_code_moves_with_the_cut() {
    oracle!("time codes");
    let path = made_by_ffmpeg(
        "timecode.mov",
        &[
            "-f",
            "lavfi",
            "-i",
            "testsrc2=s=64x48:r=25:d=4",
            "-timecode",
            "01:00:00:10",
            "-g",
            "25",
            "-c:v",
            "libx264",
        ],
    );
    let folder = tempfile::tempdir().unwrap();
    for (from, to, due) in [(0.0, 2.0, "01:00:00:10"), (1.0, 3.0, "01:00:01:10"), (1.6, 3.0, "01:00:02:00")] {
        let settings = Cut::new().keep(TimeRange::secs(from, to).unwrap()).format("mov");
        let clip = cut(&open(&path), &settings, &Control::new()).unwrap();
        assert_eq!(clip.report.road, Some(Road::Tables));
        let out = save(&clip, folder.path(), "out.mov");
        let tags = ffprobe(&out, &["-show_entries", "stream_tags=timecode"]);
        assert_eq!(tags["streams"][0]["tags"]["timecode"], due, "{from}");
    }
}
