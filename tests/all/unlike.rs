//! Joins of inputs that do not match: parameter sets of their own, and what is encoded to match the first. The
//! installed ffmpeg says what is shown.

use crate::common::{self, complaints, ffmpeg, frames, made_by_ffmpeg, save};
use avrope::{
    Control, ErrorKind, Join, Report, Sink, Source, Transcode,
    control::{CancelToken, Limits, Stage},
    inspect::{SampleInfo, inspect},
    join, join_to,
};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

/// Moving pictures and sound, coded so: `options` go in front of the output.
fn made(name: &str, seconds: f64, picture: &str, options: &str) -> PathBuf {
    let pictures = format!("testsrc2=d={seconds}:{picture},noise=alls=4:all_seed=3");
    let sound = format!("sine=440:r=48000:d={seconds},volume=0.3");
    let mut arguments = vec!["-f", "lavfi", "-i", &pictures, "-f", "lavfi", "-i", &sound];
    arguments.extend(options.split(' '));
    made_by_ffmpeg(&format!("unlike-{name}"), &arguments)
}

const H264: &str = "-c:v libx264 -preset veryfast -g 25 -c:a aac -ac 2";
const OTHER_H264: &str = "-c:v libx264 -preset veryfast -bf 0 -refs 1 -qp 30 -g 20 -c:a aac -ac 2";
const HEVC: &str = "-c:v libx265 -preset ultrafast -x265-params log-level=error -g 25 -c:a aac -ac 2";
const OTHER_HEVC: &str =
    "-c:v libx265 -preset fast -x265-params bframes=0:log-level=error -g 20 -c:a aac -ac 2";

fn sources(paths: &[&Path]) -> Vec<Source> {
    paths.iter().map(|path| Source::open(path).unwrap()).collect()
}

fn shown(path: &Path) -> Vec<String> {
    frames(path, "0:v:0").into_iter().map(|frame| frame.hash).collect()
}

/// What is shown where a reader goes back to the beginning behind the end, and decodes on.
fn shown_twice(path: &Path) -> Vec<String> {
    let path = path.to_str().unwrap();
    let (text, _) = ffmpeg(&[
        "-stream_loop",
        "1",
        "-i",
        path,
        "-map",
        "0:v:0",
        "-fps_mode",
        "passthrough",
        "-f",
        "framemd5",
        "-",
    ]);
    let text = String::from_utf8(text).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| Some(line.rsplit(',').next()?.trim().to_owned())).collect()
}

/// Joins [one, two, one] that are alike but for their parameter sets, which is all copied.
fn copies(codec: &str, ending: &str, container: &str) {
    let (first, other) = if codec == "hevc" { (HEVC, OTHER_HEVC) } else { (H264, OTHER_H264) };
    let one = made(&format!("{codec}-one.{ending}"), 1.6, "s=160x90:r=25", first);
    let two = made(&format!("{codec}-two.{ending}"), 1.2, "s=160x90:r=25", other);
    let what = format!("{codec} {ending} into {container}");
    let parts = [&*one, &*two, &*one];
    let clip = join(&sources(&parts), &Join::new().format(container), &Control::new()).expect(&what);
    assert_eq!(clip.report.frames_encoded, 0, "{what}");
    let folder = tempfile::tempdir().unwrap();
    let output = save(&clip, folder.path(), &format!("out.{container}"));
    let due: Vec<String> = parts.iter().flat_map(|part| shown(part)).collect();
    assert!(shown(&output) == due, "{what}: other pictures");
    // Transport streams can't be gone back in to the first picture.
    if container != "ts" {
        assert!(
            shown_twice(&output) == [&due[..], &due].concat(),
            "{what}: other pictures behind a jump back"
        );
    }
    let own: Vec<String> = parts.iter().flat_map(|part| complaints(part)).collect();
    let new: Vec<String> = complaints(&output).into_iter().filter(|line| !own.contains(line)).collect();
    assert!(new.is_empty(), "{what}: {new:#?}");
}

#[test]
fn inputs_with_other_parameter_sets_are_copied() {
    oracle!("other parameter sets");
    copies("h264", "mp4", "mp4");
    copies("h264", "mp4", "mkv");
    copies("hevc", "mp4", "ts");
    copies("h264", "ts", "ts");
    if cfg!(feature = "full-tests") {
        for codec in ["h264", "hevc"] {
            for ending in ["mp4", "mkv", "ts"] {
                for container in ["mp4", "mkv", "ts", "mov"] {
                    copies(codec, ending, container);
                }
            }
        }
    }
}

/// Packets of a track of pictures: their bytes.
fn packets(path: &Path) -> Vec<Vec<u8>> {
    let found = inspect(&Source::open(path).unwrap(), &Control::new()).unwrap();
    let bytes = std::fs::read(path).unwrap();
    let samples: Vec<_> = found.samples(found.tracks[0].id, 0..u64::MAX).collect();
    let of = |sample: &SampleInfo| bytes[sample.offset as usize..][..sample.size as usize].to_vec();
    samples.iter().map(of).collect()
}

/// Joins what one codec's encoder made in all of these ways, each with parameter sets of its own: they lie beside each
/// other in MP4, and but for the beginnings of slices all bytes are those of the inputs.
fn lie_together(codec: &str, ways: &[&str]) {
    let encoder = if codec == "hevc" { "libx265" } else { "libx264" };
    let each = ways.iter().enumerate().map(|(number, way)| {
        let options = format!("-c:v {encoder} -preset veryfast -{}-params {way} -c:a aac", &encoder[3..]);
        made(&format!("{codec}-way{number}.mp4"), 0.8, "s=160x90:r=25", &options)
    });
    let each: Vec<PathBuf> = each.collect();
    let parts: Vec<&Path> = each.iter().chain(&each[..1]).map(PathBuf::as_path).collect();
    for container in ["mp4", "mov"] {
        let clip = join(&sources(&parts), &Join::new().format(container), &Control::new()).expect(container);
        assert!(clip.report.warnings.is_empty(), "{codec}: {:?}", clip.report.warnings);
        let folder = tempfile::tempdir().unwrap();
        let output = save(&clip, folder.path(), &format!("out.{container}"));
        let found = inspect(&Source::open(&output).unwrap(), &Control::new()).unwrap();
        assert_eq!(found.tracks[0].codecs.len(), 1, "{codec}: one sample description");
        let due: Vec<String> = parts.iter().flat_map(|part| shown(part)).collect();
        assert!(shown(&output) == due, "{codec}: other pictures");
        assert!(shown_twice(&output) == [&due[..], &due].concat(), "{codec}: others behind a jump back");
        assert_eq!(complaints(&output), BTreeSet::new(), "{codec}");
        let own: Vec<Vec<u8>> = parts.iter().flat_map(|part| packets(part)).collect();
        let (found, mut changed) = (packets(&output), 0);
        assert_eq!(found.len(), own.len());
        for (at, (found, own)) in found.iter().zip(&own).enumerate() {
            // An id has a byte more, of each of up to four slices.
            let longer = found.len() - own.len();
            assert!(longer <= 2 * 4, "{codec}: packet {at} has {longer} bytes more");
            changed += usize::from(found != own);
            let first = 20;
            assert!(at >= first && at < own.len() || found == own, "{codec}: packet {at} of the first input");
            // Those of the last slice, behind its header.
            let tail = 3;
            assert_eq!(found[found.len() - tail..], own[own.len() - tail..], "{codec}: packet {at}");
        }
        assert_eq!(changed, (ways.len() - 1) * 20, "{codec}");
        let report = &clip.report;
        let share = report.payload_copied as f64 / report.payload_shared as f64;
        assert!(report.payload_copied > 0 && share < 0.25, "{codec}: {share} of it are copies");
    }
}

#[test]
fn parameter_sets_lie_beside_each_other_in_mp4() {
    oracle!("parameter sets beside each other");
    lie_together(
        "h264",
        &[
            "ref=1:cabac=0",
            "ref=4:bframes=3:b-pyramid=normal",
            "slices=4:bframes=0",
            "ref=2:bframes=8:keyint=9",
        ],
    );
    lie_together(
        "hevc",
        &[
            "log-level=0:bframes=0:ref=1",
            "log-level=0:bframes=4:ref=4:b-pyramid=1",
            "log-level=0:slices=2:no-sao=1",
            "log-level=0:keyint=7:rc-lookahead=5:open-gop=1",
        ],
    );
}

/// There are ids for the sets of eighteen inputs; what comes behind has a sample description of its own, and that is
/// said.
#[test]
fn sets_that_get_no_ids_have_a_description() {
    oracle!("more sets than ids");
    let way = |number: i32| {
        let options = format!("-c:v libx264 -qp {number} -bf 0");
        made(&format!("qp{number}.mp4"), 0.08, "s=64x48:r=25", &options)
    };
    // Quantisers are in the sets, so each is another.
    let each: Vec<PathBuf> = (20..40).map(way).collect();
    let parts: Vec<&Path> = each.iter().map(PathBuf::as_path).collect();
    let clip = join(&sources(&parts), &Join::new().format("mp4"), &Control::new()).unwrap();
    let told = |warning: &&String| warning.contains("a sample description of its own");
    let told = clip.report.warnings.iter().filter(told).count();
    let folder = tempfile::tempdir().unwrap();
    let output = save(&clip, folder.path(), "out.mp4");
    let found = inspect(&Source::open(&output).unwrap(), &Control::new()).unwrap();
    assert_eq!((told, found.tracks[0].codecs.len()), (2, 3));
    assert_eq!(packets(&output).len(), each.len() * 2);
}

/// HEVC has ids for the sets of so many inputs: sixteen sequence parameter sets of four bits.
#[test]
fn sets_of_hevc_that_get_no_ids_have_a_description() {
    oracle!("more sets of HEVC than ids");
    let way = |number: i32| {
        let [ctu, between, within] = [32 << (number % 2), 1 + number / 2 % 3, 1 + number / 6];
        let params = format!("ctu={ctu}:tu-inter-depth={between}:tu-intra-depth={within}:ref=1");
        let options = format!("-c:v libx265 -preset ultrafast -x265-params log-level=0:{params}");
        made(&format!("hevc-way{number}.mp4"), 0.08, "s=64x64:r=25", &options)
    };
    let each: Vec<PathBuf> = (0..18).map(way).collect();
    let parts: Vec<&Path> = each.iter().map(PathBuf::as_path).collect();
    let clip = join(&sources(&parts), &Join::new().format("mp4"), &Control::new()).unwrap();
    let told = |warning: &&String| warning.contains("a sample description of its own");
    let told: Vec<&String> = clip.report.warnings.iter().filter(told).collect();
    let folder = tempfile::tempdir().unwrap();
    let output = save(&clip, folder.path(), "out.mp4");
    let found = inspect(&Source::open(&output).unwrap(), &Control::new()).unwrap();
    assert_eq!(found.tracks[0].codecs.len(), 1 + told.len(), "{told:#?}");
    assert!(!told.is_empty() && told.len() < each.len() - 4, "{told:#?}");
    assert!(told.iter().all(|warning| warning.contains("can't get an id of its own")), "{told:#?}");
    assert_eq!(packets(&output).len(), each.len() * 2);
    // As many pictures are shown, in front of where a second description begins and behind.
    let due: Vec<String> = parts.iter().flat_map(|part| shown(part)).collect();
    assert!(shown(&output) == due, "other pictures");
}

/// What a description says of colours, and sets do not, is said of none but its own pictures.
#[test]
fn colors_that_one_description_alone_has_stay_with_its_pictures() {
    oracle!("colours of descriptions");
    let dark = "-movflags +write_colr -color_primaries bt2020 -color_trc smpte2084 -colorspace bt2020nc";
    let copied = |from: &Path, name: &str, options: &str| {
        let mut arguments = vec!["-i", from.to_str().unwrap(), "-c", "copy"];
        arguments.extend(options.split(' '));
        made_by_ffmpeg(&format!("unlike-{name}"), &arguments)
    };
    for (codec, encoder) in [("h264", "libx264"), ("hevc", "libx265")] {
        let made = |name: &str, options: &str| {
            let options = format!("-c:v {encoder} -{}-params log-level=0 {options} -c:a aac", &encoder[3..]);
            made(&format!("{codec}-{name}.mp4"), 0.4, "s=96x64:r=25", &options)
        };
        let plain = made("plain", "-preset veryfast -color_range tv");
        let other = made("other", "-preset ultrafast");
        let boxed = copied(&plain, &format!("{codec}-boxed.mp4"), dark);
        for parts in [[&*other, &boxed], [&boxed, &other], [&plain, &boxed]] {
            let clip = join(&sources(&parts), &Join::new().format("mp4"), &Control::new()).unwrap();
            let rope = clip.rope.to_bytes().unwrap();
            let entry = b"colrnclx\x00\x09\x00\x10\x00\x09";
            assert_eq!(rope.windows(entry.len()).filter(|bytes| bytes == entry).count(), 1, "{parts:?}");
            let folder = tempfile::tempdir().unwrap();
            let output = save(&clip, folder.path(), "out.mp4");
            let found = inspect(&Source::open(&output).unwrap(), &Control::new()).unwrap();
            assert_eq!(found.tracks[0].codecs.len(), 2, "{parts:?}");
            let tells = |warning: &String| warning.contains("what its box colr says");
            assert!(clip.report.warnings.iter().any(tells), "{:?}", clip.report.warnings);
        }
        // What the sets say as well needs no box.
        let colors = "-color_primaries bt709 -color_trc bt709 -colorspace bt709 -color_range tv";
        let said = made("said", &format!("-preset veryfast {colors} -movflags +write_colr"));
        let bare = made("bare", &format!("-preset ultrafast {colors} -movflags -write_colr"));
        for parts in [[&*said, &bare], [&bare, &said]] {
            let clip = join(&sources(&parts), &Join::new().format("mp4"), &Control::new()).unwrap();
            assert!(clip.report.warnings.is_empty(), "{codec}: {:?}", clip.report.warnings);
        }
    }
}

/// Pixels of other kinds are no match, though an MP4's header does not tell of them.
#[test]
fn inputs_of_other_pixels_are_refused() {
    oracle!("other pixels");
    let way = |codec: &str, format: &str| {
        let options = format!("-c:v {codec} -pix_fmt {format} -{}-params log-level=0", &codec[3..]);
        made(&format!("{codec}-{format}.mp4"), 0.2, "s=96x64:r=25", &options)
    };
    for (codec, one, other, what) in [
        ("libx265", "gbrp", "yuv420p", "pixel format: "),
        ("libx265", "gbrp", "yuv444p", "pixel format: "),
        ("libx265", "yuv420p", "yuv420p10le", "pixel format: "),
        ("libx264", "yuv420p", "yuv422p", "pixel format: "),
    ] {
        let (one, other) = (way(codec, one), way(codec, other));
        for parts in [[&*one, &other], [&other, &one]] {
            let error = join(&sources(&parts), &Join::new().format("mp4"), &Control::new()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument);
            assert!(error.to_string().contains(what), "{error}");
        }
    }
}

/// How many pictures a decoder may keep, by the sets of a file: what each says, and what its level allows (table A-1 of
/// H.264; A.4.2 of H.265).
fn kept(path: &Path, codec: &str) -> Vec<[u64; 2]> {
    let path = path.to_str().unwrap();
    let arguments = [
        "-v",
        "trace",
        "-i",
        path,
        "-c",
        "copy",
        "-map",
        "0:v",
        "-bsf:v",
        "trace_headers",
        "-f",
        "null",
        "-",
    ];
    let said = common::run_tool(&common::tool("AVROPE_FFMPEG", "ffmpeg"), &arguments);
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    let (mut all, mut level) = (Vec::new(), 0);
    for line in said.lines() {
        let number = || line.rsplit_once(" = ").and_then(|(_, number)| number.trim().parse::<u64>().ok());
        if line.contains(" level_idc ") || line.contains(" general_level_idc ") {
            level = number().unwrap();
        }
        let names = [
            "max_dec_frame_buffering ",
            "sps_max_dec_pic_buffering_minus1[",
            "vps_max_dec_pic_buffering_minus1[",
        ];
        if names.iter().any(|name| line.contains(name)) {
            // Of 1920x1080: 8160 macroblocks, and 2088960 samples where a level of HEVC has at most so many.
            let allowed = match (codec, level) {
                ("h264", 40) => 32_768 / 8160,
                ("h264", 51) => 16,
                ("hevc", 120) => 6 - 1,
                ("hevc", 150..) => 16 - 1,
                _ => panic!("{codec}: level {level}"),
            };
            all.push([number().unwrap(), allowed]);
        }
    }
    all
}

#[test]
fn sets_promise_no_more_than_their_level_allows() {
    oracle!("levels");
    for (codec, encoder, low, high) in [
        ("h264", "libx264", "level=4.0:ref=2", "level=5.1:ref=16"),
        (
            "hevc",
            "libx265",
            "log-level=0:level-idc=4:ref=2",
            "log-level=0:level-idc=5.1:ref=8:bframes=0:allow-non-conformance=1",
        ),
    ] {
        let way = |name: &str, params: &str| {
            let options = format!("-c:v {encoder} -preset ultrafast -{}-params {params}", &encoder[3..]);
            made(&format!("{codec}-{name}.mp4"), 0.2, "s=1920x1080:r=25", &options)
        };
        let (low, high) = (way("low", low), way("high", high));
        let own: Vec<_> = [&low, &high].iter().flat_map(|part| kept(part, codec)).collect();
        let most = own.iter().map(|[says, _]| *says).max().unwrap();
        assert!(own.iter().all(|[says, allowed]| says <= allowed) && most > 5, "{codec}: {own:?}");
        for parts in [[&*low, &high], [&high, &low]] {
            let clip = join(&sources(&parts), &Join::new().format("mp4"), &Control::new()).unwrap();
            let folder = tempfile::tempdir().unwrap();
            let found = kept(&save(&clip, folder.path(), "out.mp4"), codec);
            assert!(found.len() >= 2, "{codec}: {found:?}");
            assert!(
                found.iter().all(|[says, allowed]| *says == most && says <= allowed),
                "{codec}: {found:?}"
            );
        }
    }
}

/// Pictures of many slices, each of which gets bytes of its own.
fn sliced(name: &str, params: &str) -> PathBuf {
    let options = format!("-c:v libx264 -preset ultrafast -x264-params {params}:slices=16:threads=1 -an");
    made(name, 2.0, "s=320x272:r=25", &options)
}

/// What all inputs hold together counts for the limit of memory, and an input that comes again is made once.
#[test]
fn samples_under_other_ids_are_held_by_the_limit_of_memory_together() {
    oracle!("samples under other ids and the limit of memory");
    let first = sliced("sliced.mp4", "cabac=1:ref=1");
    let others: Vec<PathBuf> = (30..34)
        .map(|qp| sliced(&format!("sliced-{qp}.mp4"), &format!("cabac=1:qp={qp}:keyint={qp}")))
        .collect();
    let told = |parts: &[&Path], memory: u64| {
        let mut limits = Limits::default();
        limits.memory = memory;
        let control = Control::new().limits(limits);
        let clip = join(&sources(parts), &Join::new().format("mp4"), &control).unwrap();
        let told = |warning: &String| warning.contains("a sample description of its own");
        let told: Vec<String> =
            clip.report.warnings.iter().filter(|warning| told(warning)).cloned().collect();
        (told, clip.report)
    };
    let all: Vec<&Path> = [&first].into_iter().chain(&others).map(PathBuf::as_path).collect();
    // 50 pictures of 16 slices: 800 times about 400 bytes.
    let (apart, _) = told(&all[..2], 400_000);
    assert_eq!(apart, Vec::<String>::new());
    let (apart, _) = told(&all, 400_000);
    assert_eq!(apart.len(), 3, "{apart:#?}");
    assert!(
        apart.iter().all(|warning| warning.contains("samples under other ids take more than")),
        "{apart:#?}"
    );
    assert!(apart.iter().all(|warning| warning.contains("memory")), "{apart:#?}");
    let (apart, _) = told(&all, 2_000_000);
    assert_eq!(apart, Vec::<String>::new());
    // Again and again the same.
    let again: Vec<&Path> = std::iter::once(&*first).chain(std::iter::repeat_n(&*others[0], 9)).collect();
    let (apart, report) = told(&again, 64 << 20);
    assert_eq!(apart, Vec::<String>::new());
    let once = told(&all[..2], 64 << 20).1;
    let [index, _] = [&first, &others[0]].map(|path| std::fs::metadata(path).unwrap().len());
    let more = report.bytes_read - once.bytes_read;
    assert!(more < 8 * 40_000, "{more} bytes more are read of 8 inputs more, of about {index} each");
    assert!(once.bytes_read > 100_000, "slices are read: {}", once.bytes_read);
    let (apart, _) = told(&again, 1_000_000);
    // The same is said once.
    assert_eq!(apart.len(), 1, "{apart:#?}");
}

/// A slice of bytes that begin nothing is no slice: it is looked at for so far, and no further.
#[test]
fn slices_without_an_end_of_their_headers_take_no_time() {
    oracle!("a slice of ones");
    let first = made("ones-first.mp4", 0.4, "s=96x64:r=25", "-c:v libx264 -bf 0 -x264-params ref=1 -an");
    let faststart = "-movflags +faststart";
    let other = made(
        "ones-other.mp4",
        0.4,
        "s=96x64:r=25",
        &format!("-c:v libx264 -bf 0 -x264-params cabac=1:ref=3 -an {faststart}"),
    );
    // The last sample is a long slice of nothing but ones.
    let found = inspect(&Source::open(&other).unwrap(), &Control::new()).unwrap();
    let last = found.samples(found.tracks[0].id, 0..u64::MAX).last().unwrap();
    let mut bytes = std::fs::read(&other).unwrap();
    let (at, size) = (last.offset as usize, last.size as usize);
    let long = 20_u32 << 20;
    let mut sizes = bytes.windows(4).enumerate().filter(|(_, bytes)| **bytes == (size as u32).to_be_bytes());
    let (index, _) = sizes.next_back().unwrap();
    bytes[index..][..4].copy_from_slice(&(long + 4).to_be_bytes());
    let places = found.samples(found.tracks[0].id, 0..u64::MAX).map(|it| it.offset as usize);
    assert_eq!(places.max(), Some(at), "the last sample lies last");
    let mdat = bytes.windows(4).position(|kind| kind == b"mdat").unwrap() - 4;
    let end = at + long as usize + 4;
    bytes[mdat..][..4].copy_from_slice(&((end - mdat) as u32).to_be_bytes());
    bytes.truncate(at);
    bytes.extend(long.to_be_bytes());
    bytes.extend([0x41, 0x9A]);
    bytes.resize(end, 1);
    let mut limits = Limits::default();
    limits.memory = 4 << 20;
    let control = Control::new().limits(limits);
    let parts = [Source::open(&first).unwrap(), Source::from_bytes(bytes)];
    let clip = join(&parts, &Join::new().format("mp4"), &control).unwrap();
    let told =
        clip.report.warnings.iter().find(|warning| warning.contains("a sample description of its own"));
    assert!(told.unwrap().contains("begins with too many zeros"), "{told:?}");
    assert!(clip.report.bytes_read < 1 << 20, "{} bytes were read", clip.report.bytes_read);
}

fn encoding() -> Join {
    Join::new().encode_unlike(Transcode::new())
}

/// How like pictures of an output, from one on, those of a source are that `filter` makes to match, in decibels.
fn psnr(output: &Path, from: usize, source: &Path, filter: &str) -> f64 {
    let graph = format!(
        "[0:v]trim=start_frame={from},setpts=N/25/TB,fps=25[a];[1:v]{filter},setpts=N/25/TB,fps=25[b];\
         [a][b]psnr=shortest=1"
    );
    let (output, source) = (output.to_str().unwrap(), source.to_str().unwrap());
    let arguments = ["-v", "info", "-i", output, "-i", source, "-lavfi", &graph, "-f", "null", "-"];
    let said = common::run_tool(&common::tool("AVROPE_FFMPEG", "ffmpeg"), &arguments);
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    let found = said.rsplit_once("average:").unwrap_or_else(|| panic!("{said}")).1;
    found.split(' ').next().unwrap().parse().unwrap()
}

/// Joins [first, other, first], of which the other one does not match, and looks at all that comes of it.
fn matches(first: &Path, other: &Path, container: &str, pictures: usize, filter: &str) -> Report {
    let what = format!("{} into {container}", other.display());
    let parts = [first, other, first];
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join(format!("out.{container}"));
    let report = join_to(&sources(&parts), &encoding(), Sink::file(&output), &Control::new()).expect(&what);
    assert_eq!(common::entries(folder.path()), [format!("out.{container}")], "{what}: nothing else is left");
    let (own, found) = (shown(first), shown(&output));
    assert_eq!(found.len(), own.len() * 2 + pictures, "{what}");
    let behind = own.len() + pictures;
    assert!(found[..own.len()] == own && found[behind..] == own, "{what}: copied pictures are others");
    let times: Vec<f64> = frames(&output, "0:v:0").iter().map(|frame| frame.time).collect();
    let steps: Vec<f64> = times.windows(2).map(|two| two[1] - two[0]).collect();
    assert!(steps.iter().all(|step| (step - 0.04).abs() < 0.0021), "{what}: {steps:?}");
    let like = psnr(&output, own.len(), other, filter);
    assert!(like >= 38.0, "{what}: {like} dB");
    if container == "mkv" {
        assert!(shown_twice(&output) == [&found[..], &found].concat(), "{what}: behind a jump back");
    }
    let new: Vec<String> = complaints(&output).into_iter().collect();
    assert!(new.is_empty(), "{what}: {new:#?}");
    report
}

#[test]
fn an_input_of_another_size_is_encoded_and_the_others_are_copied() {
    oracle!("another size");
    let first = made("first.mp4", 1.6, "s=320x180:r=25", H264);
    let other = made("small.mp4", 1.2, "s=160x120:r=25", H264);
    let filter = "scale=240:180,pad=320:180:40:0";
    for container in ["mp4", "mkv"] {
        let report = matches(&first, &other, container, 30, filter);
        let [input] = &report.inputs[..] else { panic!("{:?}", report.inputs) };
        assert_eq!((input.input, input.kind.as_str()), (1, "video"));
        assert!(input.why.contains("320x180 against 160x120"), "{}", input.why);
        assert_eq!(report.frames_encoded, 30, "the sound is copied");
    }
    // Nothing is encoded that nobody asked for.
    let error = join(&sources(&[&first, &other]), &Join::new(), &Control::new()).unwrap_err();
    let text = error.to_string();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(text.contains("320x180 against 160x120") && text.contains("encoded to match"), "{text}");
}

#[test]
fn sound_alone_is_encoded_where_it_alone_differs() {
    oracle!("other sound");
    let first = made("first.mp4", 1.6, "s=320x180:r=25", H264);
    let mono = made(
        "mono.mp4",
        1.2,
        "s=320x180:r=25",
        "-c:v libx264 -preset veryfast -g 25 -c:a libmp3lame -ar 44100 -ac 1",
    );
    let silent = made("silent.mp4", 1.2, "s=320x180:r=25", "-c:v libx264 -preset veryfast -g 25 -map 0");
    for (other, why) in [(&mono, "48000 against 44100"), (&silent, "silence")] {
        let parts = [&*first, other, &first];
        let clip = join(&sources(&parts), &encoding().format("mp4"), &Control::new()).unwrap();
        let [input] = &clip.report.inputs[..] else { panic!("{:?}", clip.report.inputs) };
        assert!(input.kind == "audio" && input.why.contains(why), "{input:?}");
        let folder = tempfile::tempdir().unwrap();
        let output = save(&clip, folder.path(), "out.mp4");
        let due: Vec<String> = parts.iter().flat_map(|part| shown(part)).collect();
        assert!(shown(&output) == due, "{why}: pictures are copied");
        let packets = common::packets(&output);
        let sound: f64 = packets.iter().filter(|packet| packet.stream == 1).count() as f64 * 1024.0 / 48000.0;
        assert!((sound - 4.4).abs() < 0.09, "{why}: {sound} s of sound");
    }
}

/// Flashes and beeps, seen and heard together at each 0.4 s.
fn flashes(name: &str, seconds: f64, picture: &str, options: &str) -> PathBuf {
    let pictures =
        format!("color=black:{picture}:d={seconds},drawbox=c=white:t=fill:enable='lt(mod(t,0.4),0.039)'");
    let sound = format!("aevalsrc='if(lt(mod(t,0.4),0.04),0.8*sin(2*PI*1000*t),0)':s=48000:d={seconds}");
    let mut arguments = vec!["-f", "lavfi", "-i", &pictures, "-f", "lavfi", "-i", &sound, "-g", "25"];
    arguments.extend(options.split(' '));
    made_by_ffmpeg(&format!("unlike-{name}"), &arguments)
}

#[test]
fn sound_stays_with_its_picture_over_many_inputs_that_are_encoded() {
    oracle!("many inputs that do not match");
    let all = [
        flashes("flash-first.mp4", 1.37, "s=160x90:r=25", "-c:v libx264 -preset veryfast -c:a aac"),
        flashes("flash-small.mp4", 0.93, "s=96x96:r=25", "-c:v libx264 -preset veryfast -c:a aac"),
        flashes("flash-fast.mkv", 1.11, "s=160x90:r=50", "-c:v libx264 -preset veryfast -c:a libopus"),
        flashes(
            "flash-mp3.mp4",
            2.11,
            "s=160x90:r=25",
            "-c:v libx264 -preset veryfast -c:a libmp3lame -ar 44100",
        ),
    ];
    let count = if cfg!(feature = "full-tests") { 50 } else { 8 };
    let parts: Vec<PathBuf> = (0..count).map(|i| all[i % 4].clone()).collect();
    // A flash of 50 pictures a second may fall on a border between two of 25.
    for container in if cfg!(feature = "full-tests") { &["mp4", "mkv", "ts"][..] } else { &["mp4"] } {
        crate::join::in_sync_by(&encoding(), container, &parts, container, crate::join::HALF_AAC);
    }
}

#[test]
fn a_join_that_encodes_ends_when_it_is_told_to() {
    oracle!("an end of a join that encodes");
    let first = made("first.mp4", 1.6, "s=320x180:r=25", H264);
    let other = made("small.mp4", 1.2, "s=160x120:r=25", H264);
    let folder = tempfile::tempdir().unwrap();
    let token = CancelToken::new();
    let control = Control::new().cancel_token(token.clone()).progress(move |progress| {
        if progress.stage == Stage::Transcode {
            token.cancel();
        }
    });
    let sink = Sink::file(folder.path().join("out.mp4"));
    let error = join_to(&sources(&[&first, &other, &other]), &encoding(), sink, &control).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert!(common::entries(folder.path()).is_empty(), "something is left");
    let mut limits = Limits::default();
    limits.memory = 1000;
    let error = join(&sources(&[&first, &other]), &encoding(), &Control::new().limits(limits)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LimitExceeded);
}

/// Every kind of input behind every other, in the containers that joins are made of.
#[cfg(feature = "full-tests")]
#[test]
fn inputs_of_all_kinds_are_made_to_match() {
    oracle!("inputs of all kinds");
    let first = made("first.mp4", 1.6, "s=320x180:r=25", H264);
    let table: [(&str, &str, &str, usize, &str); 6] = [
        ("hevc.mkv", "s=320x180:r=25", HEVC, 30, "null"),
        ("vp9.webm", "s=320x180:r=25", "-c:v libvpx-vp9 -b:v 2M -cpu-used 8 -c:a libopus", 30, "null"),
        ("ntsc.mp4", "s=320x180:r=30000/1001", H264, 30, "fps=25"),
        (
            "ten.mp4",
            "s=320x180:r=25",
            "-c:v libx264 -preset veryfast -pix_fmt yuv420p10le -c:a aac -ac 2",
            30,
            "format=yuv420p",
        ),
        ("mpeg4.avi", "s=320x180:r=25", "-c:v mpeg4 -q:v 3 -c:a libmp3lame", 30, "null"),
        ("tall.mp4", "s=180x320:r=25", H264, 30, "scale=102:180,pad=320:180:109:0"),
    ];
    for (name, picture, options, pictures, filter) in table {
        let other = made(name, 1.2, picture, options);
        for container in ["mp4", "mov", "mkv", "ts"] {
            matches(&first, &other, container, pictures, filter);
        }
    }
}

#[test]
fn what_the_first_input_has_none_of_is_not_lost_in_silence() {
    oracle!("joins whose first input has only sound");
    let full = made("lost.mp4", 1.0, "s=160x90:r=25", "-c:v libx264 -preset ultrafast -c:a aac");
    let sound =
        made_by_ffmpeg("unlike-lost.mp3", &["-f", "lavfi", "-i", "sine=d=1:r=48000", "-c:a", "libmp3lame"]);
    let inputs = sources(&[&sound, &full]);
    let refused = join(&inputs, &encoding().format("mp4"), &Control::new()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unsupported, "{refused}");
    assert!(refused.to_string().contains("its video (h264) would be lost"), "{refused}");
    let allowed =
        avrope::join(&inputs, &encoding().format("mp4").allow_drops(true), &Control::new()).unwrap();
    let tells = |warning: &String| warning.contains("its video (h264) is left out");
    assert!(allowed.report.warnings.iter().any(tells), "{:?}", allowed.report.warnings);
}
