//! Smart cuts: exact to the picture, and all that need not change is the source's, bit by bit.

mod carried;
mod exact;
mod fields;
mod refused;
mod sound;

use crate::common::{self, XorShift, complaints, made_by_ffmpeg, open, save};
use avrope::{
    Control, Cut, CutAudio, CutMode, Report, Road, TimeRange, Timestamp, cut,
    verify::{Fault, FaultKind, Verification, Verify},
};
use std::{
    fs, panic,
    path::{Path, PathBuf},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

/// Real pictures and sound where they are there, else made ones that move all over: 12 s.
fn input() -> Vec<String> {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    match common::shared("world.mp4") {
        // It is silent: a voice goes with it.
        Some(world) => match common::shared("lena.mp3") {
            Some(voice) => words(&[
                "-t",
                "12",
                "-i",
                world.to_str().unwrap(),
                "-t",
                "12",
                "-i",
                voice.to_str().unwrap(),
                "-map",
                "0:v",
                "-map",
                "1:a",
            ]),
            None => words(&["-t", "12", "-i", world.to_str().unwrap()]),
        },
        None => {
            common::skipped("real footage is not here: cuts of made pictures alone");
            // Each is unlike its neighbours. Of high tones, noise is coded as no more than how loud it is: here are
            // few.
            let pictures = "testsrc2=s=320x180:r=25:d=12,rotate=t,noise=alls=6:all_seed=3";
            let rumble = "anoisesrc=c=brown:seed=3:a=0.5:r=44100:d=12";
            words(&["-f", "lavfi", "-i", pictures, "-f", "lavfi", "-i", rumble])
        }
    }
}

/// A source, coded so.
fn source(name: &str, coding: &str) -> PathBuf {
    let (filter, coding) = coding.split_once(' ').unwrap();
    let scale = format!("scale=320:180,{filter}");
    let input = input();
    let mut arguments: Vec<&str> = input.iter().map(String::as_str).collect();
    arguments.extend(["-vf", &scale]);
    arguments.extend(coding.split(' '));
    made_by_ffmpeg(&format!("smart-{name}"), &arguments)
}

fn range(from: f64, to: f64) -> TimeRange {
    TimeRange::secs(from, to).unwrap()
}

fn settings(ranges: &[TimeRange]) -> Cut {
    ranges.iter().copied().fold(Cut::new().mode(CutMode::Smart), Cut::keep)
}

/// A cut that was made and holds.
struct Made {
    found: Verification,
    report: Report,
    path: PathBuf,
    /// The file is here.
    _folder: tempfile::TempDir,
}

/// A cut that holds: what was found, and what was reported.
#[track_caller]
fn holds(source: &Path, ranges: &[TimeRange]) -> (Verification, Report) {
    let made = holds_with(source, ranges, CutAudio::Copy);
    (made.found, made.report)
}

/// The same, with the sound so.
#[track_caller]
fn holds_with(source: &Path, ranges: &[TimeRange], audio: CutAudio) -> Made {
    let media = open(source);
    let asked = settings(ranges).format(common::ending(source)).audio(audio);
    let clip = cut(&media, &asked, &Control::new()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let name = format!("cut.{}", common::ending(source));
    let output = save(&clip, folder.path(), &name);
    let kept = clip.report.ranges.iter().filter(|range| range.actual_from < range.actual_to);
    let kept = kept.map(|range| TimeRange { from: range.actual_from, to: range.actual_to });
    let found =
        kept.fold(Verify::new(), Verify::keep).check(&media, &open(&output), &Control::new()).unwrap();
    // At a variable rate, MP4 can't say how long the last picture is where it is not the last to be decoded: its tables
    // have how long a sample is decoded. The edit list covers it. And points where a refresh begins are flagged as keys
    // in the source as well, where a decoder that jumps to one shows nothing before the refresh is done.
    // What is spliced between two packets clicks, lacks what lay in packets in front of it (MP3's reservoir), and in
    // AVI, which has no times for sound, begins where the packets before it end.
    let is_spliced =
        clip.report.warnings.iter().any(|warning| warning.contains("is spliced between two packets"));
    // What is cut at its samples is as hard a splice as a cut of them is.
    let lossless = |codec: &str| ["flac", "alac"].contains(&codec) || codec.starts_with("pcm_");
    let is_hard = audio == CutAudio::Exact || media.info().streams.iter().any(|own| lossless(&own.codec));
    let is_sources = |fault: &&Fault| {
        let of = |name: &str| source.to_string_lossy().contains(name);
        match fault.kind {
            FaultKind::SoundClick { .. } if is_hard => true,
            // AVI can't say that a beginning is not to be heard: MP3's first frames lack what lay in those before them.
            FaultKind::SoundHole { .. } | FaultKind::SoundPoor { .. } if of(".avi") => true,
            FaultKind::SoundClick { .. } | FaultKind::SoundHole { .. } | FaultKind::SoundPoor { .. } => {
                is_spliced
            }
            FaultKind::SoundLate { .. } => is_spliced && of(".avi"),
            FaultKind::LastDuration { .. } => of("vfr"),
            FaultKind::Seek { .. } => of("refresh"),
            _ => false,
        }
    };
    let faults: Vec<String> =
        found.faults.iter().filter(|fault| !is_sources(fault)).map(ToString::to_string).collect();
    assert!(faults.is_empty(), "{} {ranges:?}: {faults:#?}", source.display());
    let own = complaints(source);
    let new: Vec<String> = complaints(&output).into_iter().filter(|line| !own.contains(line)).collect();
    assert!(new.is_empty(), "{} {ranges:?}: {new:#?}", source.display());
    assert_eq!(clip.report.mode.as_deref(), Some("smart"));
    Made { found, report: clip.report, path: output, _folder: folder }
}

/// The times of all pictures that ffmpeg shows, in the order of showing, from the first one on.
fn times(path: &Path) -> Vec<f64> {
    let all: Vec<f64> = common::frames(path, "0:v:0").iter().map(|frame| frame.time).collect();
    all.iter().map(|time| time - all[0]).collect()
}

/// Cuts at these places: all parts kept, and every second one.
fn parts(places: &[f64]) -> (Vec<TimeRange>, Vec<TimeRange>) {
    let mut all = Vec::new();
    let mut from = Timestamp::ZERO;
    for place in places {
        let to = Timestamp::from_secs(*place).unwrap();
        all.push(TimeRange { from, to });
        from = to;
    }
    all.push(TimeRange { from, to: Timestamp::MAX });
    let second = all.iter().copied().skip(1).step_by(2).collect();
    (all, second)
}

fn check(name: &str, coding: &str) {
    let path = source(name, coding);
    let total = times(&path).len() as u64;
    let mut random =
        XorShift(name.bytes().fold(0x9E37_79B9, |seed, byte| seed.rotate_left(5) ^ u64::from(byte)));
    for count in if cfg!(feature = "full-tests") { &[1, 2, 3, 10, 30][..] } else { &[3] } {
        let mut places: Vec<f64> = (0..*count).map(|_| 0.2 + random.below(11_400) as f64 / 1000.0).collect();
        places.sort_by(f64::total_cmp);
        places.dedup();
        let (all, second) = parts(&places);
        let (found, report) = holds(&path, &all);
        let pictures = found.pictures.unwrap();
        assert_eq!(pictures.found, total, "{name}: all parts together are the source: {places:?}");
        // Small pictures are known by those in front of them, which may be others.
        // And without loss, what is encoded anew may be what the source's encoder made.
        let is_lossless = name.starts_with("ffv1");
        let most = if is_lossless { u64::MAX } else { pictures.recoded + pictures.equal };
        assert!((pictures.recoded..=most).contains(&report.frames_encoded), "{name}: {places:?}");
        holds(&path, &second);
    }
}

/// Codecs, profiles and ways to code, each in the containers where it is at home.
const SOURCES: &[(&str, &str)] = &[
    ("high.mp4", "format=yuv420p -c:v libx264 -preset veryfast -g 48 -c:a aac"),
    ("high.mkv", "format=yuv420p -c:v libx264 -preset veryfast -g 48 -c:a libopus"),
    ("high.ts", "format=yuv420p -c:v libx264 -preset veryfast -g 48 -c:a aac"),
    ("open.mp4", "format=yuv420p -c:v libx264 -preset veryfast -g 48 -bf 3 -x264-params open-gop=1 -c:a aac"),
    ("pcm.mov", "format=yuv420p -c:v libx264 -preset veryfast -g 48 -c:a pcm_s16le"),
    (
        "hevc.mp4",
        "format=yuv420p -c:v libx265 -preset ultrafast -g 48 -x265-params log-level=error:open-gop=1:bframes=3 -c:a aac",
    ),
    ("mpeg2.ts", "format=yuv420p -r 25 -c:v mpeg2video -b:v 1500k -g 24 -bf 2 -c:a mp2"),
    ("mpeg4.avi", "format=yuv420p -c:v mpeg4 -b:v 1500k -g 24 -bf 2 -c:a mp3"),
    (
        "vp9.webm",
        "format=yuv420p -c:v libvpx-vp9 -b:v 600k -g 48 -deadline realtime -cpu-used 8 -c:a libopus",
    ),
    ("av1.mp4", "format=yuv420p -c:v libsvtav1 -preset 12 -g 48 -c:a aac"),
    ("sps3.mp4", "format=yuv420p -c:v libx264 -preset veryfast -g 48 -x264-params sps-id=3 -c:a aac"),
    (
        "vfr.mp4",
        "format=yuv420p,select='not(eq(mod(n\\,7)\\,3))' -fps_mode vfr -c:v libx264 -preset veryfast -g 48 -an",
    ),
    ("baseline.mp4", "format=yuv420p -c:v libx264 -preset veryfast -g 48 -profile:v baseline -c:a aac"),
    ("main.mp4", "format=yuv420p -c:v libx264 -preset veryfast -g 48 -profile:v main -c:a mp3"),
    ("high10.mp4", "format=yuv420p10le -c:v libx264 -preset veryfast -g 48 -c:a aac"),
    ("high422.mp4", "format=yuv422p -c:v libx264 -preset veryfast -g 48 -c:a aac"),
    ("high444.mp4", "format=yuv444p -c:v libx264 -preset veryfast -g 48 -c:a aac"),
    (
        "pyramid.mp4",
        "format=yuv420p -c:v libx264 -preset veryfast -g 48 -bf 3 -x264-params b-pyramid=normal:b-adapt=2 -c:a aac",
    ),
    (
        "eight.mp4",
        "format=yuv420p -c:v libx264 -preset veryfast -g 48 -bf 8 -x264-params b-adapt=2:b-bias=50 -c:a aac",
    ),
    ("none.mp4", "format=yuv420p -c:v libx264 -preset veryfast -g 48 -bf 0 -c:a aac"),
    (
        "refresh.mp4",
        "format=yuv420p -c:v libx264 -preset veryfast -g 48 -x264-params intra-refresh=1 -c:a aac",
    ),
    (
        "cbr.ts",
        "format=yuv420p -c:v libx264 -preset veryfast -g 48 -b:v 500k -minrate 500k -maxrate 500k -bufsize 500k -x264-params nal-hrd=cbr -c:a aac",
    ),
    (
        "fields.mp4",
        "format=yuv420p -c:v libx264 -preset veryfast -g 48 -flags +ildct+ilme -x264-params tff=1 -c:a aac",
    ),
    ("film.m2ts", "format=yuv420p -r 24000/1001 -c:v libx264 -preset veryfast -g 48 -c:a aac"),
    ("open.mkv", "format=yuv420p -c:v libx264 -preset veryfast -g 48 -bf 3 -x264-params open-gop=1 -c:a aac"),
    ("none.avi", "format=yuv420p -c:v libx264 -preset veryfast -g 48 -bf 0 -c:a mp3"),
    (
        "hevc.mkv",
        "format=yuv420p10le -c:v libx265 -preset ultrafast -g 48 -x265-params log-level=error -c:a libopus",
    ),
    (
        "hevc.ts",
        "format=yuv420p -c:v libx265 -preset ultrafast -g 48 -x265-params log-level=error:open-gop=1 -c:a aac",
    ),
    (
        "hevc-closed.mp4",
        "format=yuv422p10le -c:v libx265 -preset ultrafast -g 48 -x265-params log-level=error:open-gop=0 -c:a aac",
    ),
    ("mpeg2.mkv", "format=yuv420p -r 25 -c:v mpeg2video -b:v 1500k -g 24 -bf 2 -flags +ildct+ilme -c:a mp2"),
    ("mpeg2.mp4", "format=yuv420p -r 25 -c:v mpeg2video -b:v 1500k -g 24 -bf 2 -c:a aac"),
    ("mpeg4.mp4", "format=yuv420p -c:v mpeg4 -b:v 1500k -g 24 -bf 2 -c:a aac"),
    ("mpeg4.mkv", "format=yuv420p -c:v mpeg4 -b:v 1500k -g 24 -bf 2 -c:a aac"),
    ("h263.3gp", "format=yuv420p,scale=352:288 -c:v h263 -b:v 1000k -g 24 -c:a aac"),
    ("h263.avi", "format=yuv420p,scale=352:288 -c:v h263 -b:v 1000k -g 24 -c:a mp3"),
    ("mjpeg.avi", "format=yuvj420p -c:v mjpeg -q:v 4 -c:a pcm_s16le"),
    ("prores.mov", "format=yuv422p10le -c:v prores_ks -c:a pcm_s16le"),
    // Pictures of many lengths, so that ranges meet whose pictures wait for different times.
    (
        "vfr-dense.mp4",
        "format=yuv420p,select='not(eq(mod(n\\,7)\\,3))*not(eq(mod(n\\,11)\\,5))' -fps_mode vfr -c:v libx264 -preset veryfast -g 40 -c:a aac",
    ),
    (
        "vfr.mkv",
        "format=yuv420p,select='not(eq(mod(n\\,7)\\,3))' -fps_mode vfr -c:v libx264 -preset veryfast -g 40 -an",
    ),
    // Ticks of a millisecond: what is rounded may not add up.
    ("film.mkv", "format=yuv420p -r 24000/1001 -c:v libx264 -preset veryfast -g 40 -c:a aac"),
    ("open.mov", "format=yuv420p -c:v libx264 -preset veryfast -g 40 -x264-params open-gop=1 -c:a pcm_s16le"),
    ("lossless.mp4", "format=yuv420p -c:v libx264 -preset ultrafast -qp 0 -g 40 -c:a aac"),
    ("slices.ts", "format=yuv420p -c:v libx264 -preset veryfast -g 40 -x264-params slices=4 -c:a aac"),
    ("mpeg2.mpg", "format=yuv420p -r 25 -c:v mpeg2video -b:v 1500k -g 15 -bf 2 -c:a mp2"),
    ("mpeg1.mpg", "format=yuv420p -r 25 -c:v mpeg1video -b:v 1500k -g 15 -bf 2 -c:a mp2"),
    ("mpeg1.mkv", "format=yuv420p -r 25 -c:v mpeg1video -b:v 1500k -g 15 -bf 2 -c:a mp2"),
    ("h263-small.3gp", "format=yuv420p,scale=176:144 -c:v h263 -b:v 2000k -g 12 -c:a aac"),
    ("msmpeg4.avi", "format=yuv420p -c:v msmpeg4 -b:v 1000k -g 24 -c:a mp3"),
    ("wmv1.avi", "format=yuv420p -c:v wmv1 -b:v 1000k -g 24 -c:a mp3"),
    ("wmv2.avi", "format=yuv420p -c:v wmv2 -b:v 1000k -g 24 -c:a mp3"),
    ("vp8.webm", "format=yuv420p -c:v libvpx -b:v 600k -g 40 -deadline realtime -cpu-used 8 -c:a libvorbis"),
    ("vp9.mp4", "format=yuv420p -c:v libvpx-vp9 -b:v 600k -g 40 -deadline realtime -cpu-used 8 -c:a aac"),
    ("av1.mkv", "format=yuv420p -c:v libsvtav1 -preset 12 -g 40 -c:a libopus"),
    ("ffv1.mkv", "format=yuv420p -c:v ffv1 -level 3 -slices 4 -slicecrc 1 -g 12 -an"),
    ("ffv1-old.mkv", "format=yuv420p -c:v ffv1 -level 1 -g 12 -c:a pcm_s16le"),
    ("ffv1.avi", "format=yuv420p -c:v ffv1 -level 1 -coder range_def -g 12 -c:a pcm_s16le"),
];

/// The fast tier has as many of them.
const FAST: usize = 10;

#[test]
fn parts_are_exact_and_all_together_are_the_source() {
    oracle!("smart cuts");
    if !cfg!(feature = "full-tests") {
        SOURCES.iter().take(FAST).for_each(|(name, coding)| check(name, coding));
        return;
    }
    // All of them are heard, whichever fails.
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some((name, coding)) = SOURCES.get(next.fetch_add(1, Ordering::Relaxed)) {
            let holds = panic::catch_unwind(|| check(name, coding)).is_ok();
            eprintln!("{name}: {}", if holds { "holds" } else { "does not hold" });
            if !holds {
                failed.lock().unwrap().push(*name);
            }
        }
    };
    thread::scope(|scope| {
        let workers = thread::available_parallelism().map_or(1, usize::from);
        (0..workers).for_each(|_| drop(scope.spawn(work)));
    });
    assert!(failed.lock().unwrap().is_empty(), "{:?} do not hold", failed.lock().unwrap());
}

#[test]
fn what_is_encoded_is_what_lies_between_two_keyframes() {
    oracle!("the bound of smart cuts");
    let path = source(SOURCES[0].0, SOURCES[0].1);
    let shown = times(&path);
    // In the order of showing, a packet is what a picture is.
    let mut packets: Vec<(i64, bool)> = common::packets(&path)
        .iter()
        .filter(|packet| packet.stream == 0)
        .map(|packet| (packet.pts.unwrap(), packet.key))
        .collect();
    packets.sort_unstable();
    let keys: Vec<f64> =
        packets.iter().zip(&shown).filter(|((_, key), _)| *key).map(|(_, time)| *time).collect();
    // From a keyframe to another, nothing is encoded.
    let (found, report) = holds(&path, &[range(keys[1], keys[4])]);
    assert_eq!((report.frames_encoded, report.frames_decoded), (0, 0), "{:?}", found.pictures);
    for (from, to) in [(1.03, 9.0), (2.5, 2.9), (3.333, 3.367), (0.0, 7.77), (keys[2] - 0.05, keys[3] + 0.05)]
    {
        let (_, report) = holds(&path, &[range(from, to)]);
        let near = |time: &&f64| **time + 0.0001 >= from;
        let key = keys.iter().find(near).copied().filter(|key| *key < to);
        let head =
            shown.iter().filter(near).filter(|time| **time < key.unwrap_or(to) - 0.0001).count() as u64;
        // x264 shows three pictures in another order at the most, and the pictures of two B-frames.
        assert!(report.frames_encoded <= head + 4, "{from}..{to}: {} of {head}", report.frames_encoded);
    }
}

#[test]
fn encoders_are_right_about_their_errors() {
    oracle!("the quality of seams");
    let path = source(SOURCES[0].0, SOURCES[0].1);
    let (found, report) = holds(&path, &[range(1.03, 9.5)]);
    let said = report.spans.iter().filter_map(|span| span.psnr).min_by(f64::total_cmp).unwrap();
    let found = found.pictures.unwrap().psnr_min.unwrap();
    // In a log, x264 says two places.
    assert!((said - found).abs() <= 0.011, "{said} dB were said, and {found} dB are there");
}

#[test]
fn seams_need_no_higher_profile_than_the_source() {
    oracle!("the profile of seams");
    for (name, profile) in [("baseline", 66), ("main", 77)] {
        let coding = format!("format=yuv420p -c:v libx264 -profile:v {name} -preset veryfast -g 50");
        let path = source(&format!("of-{name}.mp4"), &coding);
        let clip = cut(&open(&path), &settings(&[range(1.03, 3.0)]), &Control::new()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let bytes = fs::read(save(&clip, folder.path(), "cut.mp4")).unwrap();
        let at = bytes.windows(4).position(|four| four == b"avcC").unwrap();
        // Both sets: behind the count are a length and the header of each unit, and then its profile.
        let (count, first) = (bytes[at + 9] & 31, u16::from_be_bytes([bytes[at + 10], bytes[at + 11]]));
        let second = at + 12 + usize::from(first) + 2;
        // Decoders of the lower one are those of the higher as well.
        assert_eq!((count, bytes[at + 13]), (2, profile), "{name}");
        assert!(bytes[second + 1] <= profile, "{name}: the seam's is {}", bytes[second + 1]);
    }
}

#[test]
fn kept_payload_is_not_copied() {
    oracle!("the payload of smart cuts");
    let path = source(SOURCES[0].0, SOURCES[0].1);
    let media = open(&path);
    let clip = cut(&media, &settings(&[range(1.03, 9.5)]), &Control::new()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let output = save(&clip, folder.path(), "cut.mp4");
    let all: u64 = common::packets(&output).iter().map(|packet| packet.size as u64).sum();
    assert_eq!(clip.report.payload_shared + clip.report.payload_copied, all);
    assert!(clip.report.payload_copied < all / 2, "{:?}", clip.report);
    let whole = cut(&media, &settings(&[TimeRange::ALL]), &Control::new()).unwrap();
    assert_eq!(whole.report.payload_copied, 0);
}

#[test]
fn what_can_not_be_is_refused_or_done_another_way() {
    oracle!("refusals of smart cuts");
    let vectors = source("vectors.mov", "format=yuv410p -c:v svq1 -g 50 -c:a aac");
    let media = open(&vectors);
    let cut_of = |mode| settings(&[range(1.3, 3.7)]).mode(mode);
    let refused = cut(&media, &cut_of(CutMode::Smart), &Control::new()).unwrap_err();
    assert_eq!(refused.kind(), avrope::ErrorKind::Unsupported);
    let clip = cut(&media, &cut_of(CutMode::Exact), &Control::new()).unwrap();
    assert_eq!(clip.report.mode.as_deref(), Some("edit"));
    assert!(clip.report.warnings.iter().any(|warning| warning.contains("svq1")), "{:?}", clip.report);
    // Sound alone is copied.
    let sound = common::shared("lena.m4a").map(|path| open(&path));
    if let Some(sound) = sound {
        let clip = cut(&sound, &cut_of(CutMode::Exact), &Control::new()).unwrap();
        assert_eq!((clip.report.mode.as_deref(), clip.report.frames_encoded), (Some("edit"), 0));
    }
}

#[test]
fn sound_in_front_of_the_first_picture_stays() {
    oracle!("smart cuts of pictures that begin late");
    let path = made_by_ffmpeg(
        "smart-late.mp4",
        &[
            "-itsoffset",
            "0.7",
            "-f",
            "lavfi",
            "-i",
            "testsrc2=s=192x144:r=25:d=4,noise=alls=4:all_seed=3",
            "-f",
            "lavfi",
            "-i",
            "anoisesrc=d=4.7:a=0.1:seed=3:r=48000",
            "-pix_fmt",
            "yuv420p",
            // Else the first picture would be there from the beginning.
            "-fps_mode",
            "passthrough",
            "-c:v",
            "libx264",
            "-g",
            "25",
            "-c:a",
            "aac",
            "-aac_pns",
            "0",
        ],
    );
    let (found, report) = holds(&path, &[range(0.0, 1.5), range(3.0, 4.5)]);
    assert!(report.duration.as_secs_f64() > 2.9, "{report:?}");
    assert!(found.pictures.unwrap().found >= 56);
    // A range that begins where there is sound alone, whichever index there is.
    for ending in ["mp4", "mkv", "ts", "mov"] {
        let copied = ["-i", path.to_str().unwrap(), "-c", "copy"];
        let path = made_by_ffmpeg(&format!("smart-late-copy.{ending}"), &copied);
        for (from, to) in [(0.3, 2.2), (0.1, 1.5), (1.03, 2.9)] {
            let (found, _) = holds(&path, &[range(from, to)]);
            let heard = found.sound[0].found as f64;
            assert!(heard >= (to - from - 0.05) * 48_000.0, "{ending}: {from}..{to}: {heard} samples");
        }
    }
}

/// A copy whose edit list begins at a time of the track, in ticks, and shows so many milliseconds.
fn edited(name: &str, source: &Path, from: i32, lasts: u32) -> PathBuf {
    common::cached(name, &format!("{from} {lasts} {}", source.display()), |path| {
        let mut bytes = fs::read(source).unwrap();
        let at = common::find(&bytes, "moov/trak/edts/elst").unwrap().content();
        assert_eq!(bytes[at..at + 8], [0, 0, 0, 0, 0, 0, 0, 1]);
        bytes[at + 8..at + 12].copy_from_slice(&lasts.to_be_bytes());
        bytes[at + 12..at + 16].copy_from_slice(&from.to_be_bytes());
        fs::write(path, bytes).unwrap();
    })
}

#[test]
fn what_an_edit_list_hides_stays_hidden() {
    oracle!("edit lists of smart cuts");
    let pictures = |path: &Path| {
        let name = path.to_str().unwrap();
        let (told, _) = common::ffmpeg(&["-i", name, "-map", "0:v", "-f", "framemd5", "-"]);
        let told = String::from_utf8(told).unwrap();
        let hash = |line: &str| line.rsplit(' ').next().unwrap().to_owned();
        told.lines().filter(|line| !line.starts_with('#')).map(hash).collect::<Vec<_>>()
    };
    let plain = carried::pictures("edited.mp4", "format=yuv420p -c:v libx264 -preset veryfast -g 40 -bf 2");
    let all = pictures(&plain);
    // 512 ticks a picture, the first of which is shown at 1024: from the thirteenth picture on; from within it; up
    // to within another.
    for (name, from, lasts) in [("whole", 0, 4000), ("within", 200, 4000), ("few", 300, 4015)] {
        let path = edited(&format!("smart-edited-{name}.mp4"), &plain, 1024 + 512 * 13 + from, lasts);
        let own = pictures(&path);
        let first = all.iter().position(|hash| *hash == own[0]).unwrap();
        assert!(own == all[first..first + own.len()] && (99..=101).contains(&own.len()), "{name}");
        for (from, to) in [(0.0, 2.5), (0.5, 3.0), (1.234, 2.9), (2.4, 4.0)] {
            holds(&path, &[range(from, to)]);
        }
        // All of it is as many pictures as ffmpeg shows, and those that were copied are the very same.
        let made = holds_with(&path, &[TimeRange::ALL], CutAudio::Copy);
        let found = pictures(&made.path);
        assert_eq!(found.len(), own.len(), "{name}");
        let equal = found.iter().zip(&own).filter(|(found, own)| found == own).count() as u64;
        assert_eq!(equal + made.report.frames_encoded, own.len() as u64, "{name}");
    }
}

#[test]
fn a_time_code_begins_where_the_cut_does() {
    oracle!("time codes of cuts");
    let input = ["-f", "lavfi", "-i", "testsrc2=s=160x90:r=25:d=4", "-pix_fmt", "yuv420p"];
    let coding = ["-c:v", "libx264", "-preset", "ultrafast", "-g", "20", "-timecode", "01:00:00:10"];
    let path = made_by_ffmpeg("smart-code.mov", &[&input[..], &coding].concat());
    let folder = tempfile::tempdir().unwrap();
    for mode in [CutMode::Smart, CutMode::Edit, CutMode::Encode] {
        for road in [Road::Tables, Road::Libav] {
            let asked = settings(&[range(0.52, 2.0), range(3.0, 3.5)]).mode(mode).road(road);
            let clip = cut(&open(&path), &asked, &Control::new()).unwrap();
            let output = save(&clip, folder.path(), "cut.mov");
            let told = common::ffprobe(&output, &["-show_entries", "stream_tags=timecode"]);
            let code = &told["streams"][0]["tags"]["timecode"];
            assert_eq!(code.as_str(), Some("01:00:00:23"), "{mode:?}, {road:?}: {told}");
        }
    }
}
