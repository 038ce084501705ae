//! What pictures carry beside themselves: those that were encoded anew carry what the source's do.

use super::{holds_with, range};
use crate::common::{self, boxes, cached, content, find, made_by_ffmpeg, make_box, replace_box};
use avrope::{CutAudio, Report};
use serde_json::Value;
use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
};

/// Pictures that move, coded so, and nothing else.
pub(super) fn pictures(name: &str, coding: &str) -> PathBuf {
    let (filter, coding) = coding.split_once(' ').unwrap();
    let input = format!("testsrc2=s=320x180:r=25:d=6,noise=alls=6:all_seed=3,{filter}");
    let arguments: Vec<&str> = ["-f", "lavfi", "-i", &input].into_iter().chain(coding.split(' ')).collect();
    made_by_ffmpeg(&format!("smart-carried-{name}"), &arguments)
}

/// The MP4 of one track with other samples, which it is asked for in the order of decoding. `key` says what is changed.
pub(super) fn rewritten(
    name: &str,
    source: &Path,
    key: &str,
    change: impl Fn(usize, &[u8]) -> Vec<u8>,
) -> PathBuf {
    cached(&format!("smart-carried-{name}"), &format!("{key} {}", source.display()), |path| {
        let bytes = fs::read(source).unwrap();
        let word = |bytes: &[u8], at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
        let table = "moov/trak/mdia/minf/stbl";
        let sizes = content(&bytes, &format!("{table}/stsz")).unwrap();
        let count = word(sizes, 8) as usize;
        let mut at = find(&bytes, "mdat").unwrap().content();
        let mut samples = Vec::new();
        for i in 0..count {
            let size = match word(sizes, 4) {
                0 => word(sizes, 12 + 4 * i),
                size => size,
            } as usize;
            samples.push(change(i, &bytes[at..at + size]));
            at += size;
        }
        let of = |kind: &[u8; 4]| {
            let top = boxes(&bytes, 0, bytes.len()).into_iter().find(|own| &own.kind == kind).unwrap();
            bytes[top.start..top.end()].to_vec()
        };
        let (mut front, mut moov) = (of(b"ftyp"), of(b"moov"));
        let numbers = |all: &[usize]| all.iter().flat_map(|n| (*n as u32).to_be_bytes()).collect::<Vec<u8>>();
        let lengths: Vec<usize> = samples.iter().map(Vec::len).collect();
        // One chunk has them all.
        for (kind, content) in [
            (b"stsz", numbers(&[&[0, 0, count][..], &lengths].concat())),
            (b"stsc", numbers(&[0, 1, 1, count, 1])),
            (b"stco", numbers(&[0, 1, front.len() + 8])),
        ] {
            let path = format!("{table}/{}", std::str::from_utf8(kind).unwrap());
            moov = replace_box(&moov, &path, 0, &make_box(kind, &content));
        }
        front.extend(make_box(b"mdat", &samples.concat()));
        front.extend(moov);
        fs::write(path, front).unwrap();
    })
}

/// The units of a sample, behind lengths of four bytes.
pub(super) fn units(mut sample: &[u8]) -> Vec<Vec<u8>> {
    let mut units = Vec::new();
    while let Some((length, rest)) = sample.split_first_chunk::<4>() {
        let (unit, next) = rest.split_at(u32::from_be_bytes(*length) as usize);
        units.push(unit.to_vec());
        sample = next;
    }
    units
}

pub(super) fn sample(units: &[Vec<u8>]) -> Vec<u8> {
    units.iter().flat_map(|unit| [&(unit.len() as u32).to_be_bytes()[..], unit].concat()).collect()
}

/// A unit of messages, with what keeps start codes out of it.
fn messages(header: &[u8], all: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let mut unit = header.to_vec();
    for (kind, payload) in all {
        unit.extend([*kind, u8::try_from(payload.len()).unwrap()]);
        unit.extend(payload);
    }
    unit.push(0x80);
    let mut escaped = Vec::new();
    for byte in unit {
        if escaped.ends_with(&[0, 0]) && byte <= 3 {
            escaped.push(3);
        }
        escaped.push(byte);
    }
    escaped
}

/// The sample with messages in front of its first slice.
pub(super) fn with_messages(is_hevc: bool, own: &[u8], all: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let mut units = units(own);
    let is_slice = |unit: &Vec<u8>| match is_hevc {
        true => unit[0] >> 1 < 32,
        false => matches!(unit[0] & 31, 1 | 5),
    };
    let at = units.iter().position(is_slice).unwrap();
    units.insert(at, messages(if is_hevc { &[39 << 1, 1] } else { &[6] }, all));
    sample(&units)
}

/// Captions of CTA-708 in the wrapping of ATSC A/53: two pairs of bytes, one after the number of the picture.
fn captions(number: usize) -> Vec<u8> {
    let [high, low] = u16::try_from(number).unwrap().to_be_bytes();
    let mut bytes = b"\xB5\x00\x31GA94\x03\x42\xFF".to_vec();
    bytes.extend([0xFC, high, low, 0xFD, 0x80, 0x80, 0xFF]);
    bytes
}

/// All that ffprobe says of each picture, in the order of showing, but for what tells copies from others: when each is
/// shown from the first one on, in seconds, and the rest.
pub(super) fn told(path: &Path, but: &[&str]) -> Vec<(f64, Value)> {
    const OTHERS: [&str; 13] = [
        "key_frame",
        "pts",
        "pts_time",
        "pkt_pts",
        "pkt_dts",
        "pkt_dts_time",
        "best_effort_timestamp",
        "best_effort_timestamp_time",
        "pkt_pos",
        "pkt_size",
        "pict_type",
        "coded_picture_number",
        "display_picture_number",
    ];
    let all = common::ffprobe(path, &["-select_streams", "v:0", "-show_frames"]);
    let frames = all["frames"].as_array().unwrap();
    let time = |frame: &Value| {
        let told = frame["best_effort_timestamp_time"].as_str().or(frame["pts_time"].as_str());
        told.unwrap().parse::<f64>().unwrap()
    };
    let first = time(&frames[0]);
    let of = |frame: &Value| {
        let time = time(frame) - first;
        let mut frame = frame.clone();
        let fields = frame.as_object_mut().unwrap();
        // Groups of pictures have a time code, and begin elsewhere.
        let is_of_group = fields.get("tags").is_some_and(|tags| tags.get("timecode").is_some());
        fields.retain(|key, _| {
            let is_other = OTHERS.contains(&key.as_str()) || key.contains("duration");
            !(is_other || is_of_group && key == "tags")
        });
        if let Some(data) = fields.get_mut("side_data_list").and_then(Value::as_array_mut) {
            // Of an encoder, the first picture has one.
            data.retain(|data| {
                data["side_data_type"] != "H.26[45] User Data Unregistered SEI message"
                    && data["side_data_type"] != "GOP timecode"
                    && but.iter().all(|but| data["side_data_type"] != *but)
            });
            data.sort_by_key(|data| data["side_data_type"].to_string());
        }
        fields.retain(|_, value| value.as_array().is_none_or(|all| !all.is_empty()));
        (time, frame)
    };
    frames.iter().map(of).collect()
}

/// A cut that holds, each picture of which carries what the source's does.
#[track_caller]
pub(super) fn carries(source: &Path, from: f64, to: f64) -> Report {
    carries_but(source, (from, to), &[])
}

/// Or all of it but what these words of ffprobe name.
#[track_caller]
fn carries_but(source: &Path, (from, to): (f64, f64), but: &[&str]) -> Report {
    let made = holds_with(source, &[range(from, to)], CutAudio::Copy);
    let (own, found) = (told(source, but), told(&made.path, but));
    let first = own.iter().position(|(time, _)| *time >= from - 0.0001).unwrap();
    assert!(found.len() > 20);
    // A container's own place for parameter sets has those of seams as well.
    if matches!(common::ending(source), "mp4" | "mov") {
        let codec = common::ffprobe(source, &["-show_streams"])["streams"][0]["codec_name"].to_string();
        let own: HashSet<Vec<u8>> = packets(source).into_iter().map(|(_, bytes)| bytes).collect();
        for (pts, bytes) in packets(&made.path).into_iter().filter(|(_, bytes)| !own.contains(bytes)) {
            let is_set = |unit: &Vec<u8>| match codec.as_str() {
                "\"hevc\"" => (32..=34).contains(&(unit[0] >> 1)),
                "\"h264\"" => matches!(unit[0] & 31, 7 | 8),
                _ => false,
            };
            let is_framed = ["\"hevc\"", "\"h264\""].contains(&codec.as_str());
            assert!(!is_framed || !units(&bytes).iter().any(is_set), "{}: sets at {pts}", source.display());
        }
    }
    for (number, ((_, found), (time, own))) in found.iter().zip(&own[first..]).enumerate() {
        assert_eq!(found, own, "{}: picture {number}, of {time} s", source.display());
    }
    assert!(made.report.frames_encoded > 0);
    // What ffprobe does not print.
    let (own, found) = (user_data(source), user_data(&made.path));
    assert_eq!(found, own[first..first + found.len()], "{}", source.display());
    made.report
}

/// The captions of each picture, in the order of showing.
fn user_data(path: &Path) -> Vec<Vec<Vec<u8>>> {
    let mut packets = packets(path);
    packets.sort_by_key(|(pts, _)| *pts);
    let found = |(_, bytes): (i64, Vec<u8>)| {
        let begins = |at: &usize| bytes[*at..].starts_with(b"GA94\x03");
        (0..bytes.len()).filter(begins).map(|at| bytes[at..bytes.len().min(at + 13)].to_vec()).collect()
    };
    packets.into_iter().map(found).collect()
}

/// The bytes of ffprobe's dump: a place, groups of four digits, and the same as text.
fn dumped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in text.lines().filter(|line| line.len() > 10) {
        let digits: String = line[10..line.len().min(50)].chars().filter(|c| *c != ' ').collect();
        bytes.extend(
            (0..digits.len() / 2).map(|i| u8::from_str_radix(&digits[2 * i..2 * i + 2], 16).unwrap()),
        );
    }
    bytes
}

/// The same in other containers; one of them in the fast tier.
fn in_all(path: &Path, endings: &[&str]) -> Vec<PathBuf> {
    let name = path.file_stem().unwrap().to_str().unwrap();
    let copy = |ending: &&str| {
        made_by_ffmpeg(&format!("{name}-copy.{ending}"), &["-i", path.to_str().unwrap(), "-c", "copy"])
    };
    let count = if cfg!(feature = "full-tests") { endings.len() } else { 1 };
    [path.to_owned()].into_iter().chain(endings.iter().take(count).map(copy)).collect()
}

pub(super) const H264: &str = "format=yuv420p -c:v libx264 -preset veryfast -g 40 -bf 2";
pub(super) const HEVC: &str =
    "format=yuv420p -c:v libx265 -preset ultrafast -g 40 -x265-params log-level=error:bframes=2";
pub(super) const MPEG2: &str = "format=yuv420p -c:v mpeg2video -b:v 3M -g 24 -bf 2";

#[test]
fn captions_go_into_seams() {
    oracle!("captions of smart cuts");
    for (name, coding, is_hevc) in [("h264", H264, false), ("hevc", HEVC, true)] {
        let plain = pictures(&format!("{name}.mp4"), coding);
        let path = rewritten(&format!("captions-{name}.mp4"), &plain, "captions", |number, own| {
            with_messages(is_hevc, own, &[(4, captions(number))])
        });
        for path in in_all(&path, &["ts", "mkv"]) {
            let report = carries(&path, 0.52, 4.13);
            assert_eq!(report.warnings, Vec::<String>::new(), "{}", path.display());
        }
    }
    let plain = pictures("mpeg2.mp4", MPEG2);
    let path = rewritten("captions-mpeg2.mp4", &plain, "captions", |number, own| {
        let at = own.windows(4).position(|four| four == [0, 0, 1, 1]).unwrap();
        let user = [b"\0\0\x01\xB2", &captions(number)[3..]].concat();
        [&own[..at], &user, &own[at..]].concat()
    });
    for path in in_all(&path, &["ts", "mkv", "mpg"]) {
        carries(&path, 0.52, 4.13);
    }
}

/// The packets of pictures in the order of decoding: when each is shown, and its bytes.
pub(super) fn packets(path: &Path) -> Vec<(i64, Vec<u8>)> {
    let all = common::ffprobe(path, &["-select_streams", "v:0", "-show_packets", "-show_data"]);
    // Program streams tell of some pictures when they are decoded alone: those are shown at once.
    let time = |packet: &Value| packet["pts"].as_i64().or(packet["dts"].as_i64());
    let of = |packet: &Value| Some((time(packet)?, dumped(packet["data"].as_str().unwrap())));
    all["packets"].as_array().unwrap().iter().map(|packet| of(packet).unwrap()).collect()
}

/// The time codes of groups, in pictures of which there are 25 a second, beside the number of the picture that each is
/// of.
fn codes_of_groups(path: &Path) -> Vec<(usize, usize)> {
    let packets = packets(path);
    let mut shown: Vec<i64> = packets.iter().map(|(pts, _)| *pts).collect();
    shown.sort_unstable();
    let mut found = Vec::new();
    for (pts, bytes) in packets {
        let behind = |code: u8| {
            let at = bytes.windows(4).position(|four| four == [0, 0, 1, code])?;
            let own = bytes[at + 4..].first_chunk::<4>()?;
            Some(u32::from_be_bytes(*own) as usize)
        };
        let Some(group) = behind(0xB8) else { continue };
        let [hours, minutes] = [group >> 26 & 31, group >> 20 & 63];
        let [seconds, frames] = [group >> 13 & 63, group >> 7 & 63];
        let number = ((hours * 60 + minutes) * 60 + seconds) * 25 + frames;
        // The code is that of the picture that is shown first.
        let reference = behind(0x00).unwrap() >> 22;
        found.push((shown.binary_search(&pts).unwrap(), number + reference));
    }
    found
}

#[test]
fn time_codes_of_groups_go_on() {
    oracle!("time codes of MPEG-2 in smart cuts");
    let coding = format!("{MPEG2} -gop_timecode 01:02:03:04");
    let path = pictures("gop-code.mp4", &coding);
    let first = ((60 + 2) * 60 + 3) * 25 + 4;
    let goes_on = |path: &Path, from: usize| {
        let found = codes_of_groups(path);
        assert!(found.len() > 3 && found[0].0 == 0, "{found:?}");
        for (i, code) in found {
            assert_eq!(code, first + from + i, "{}: picture {i}", path.display());
        }
    };
    for path in in_all(&path, &["ts", "mpg"]) {
        goes_on(&path, 0);
        let made = holds_with(&path, &[range(0.52, 4.13)], CutAudio::Copy);
        assert!(made.report.frames_encoded > 0);
        goes_on(&made.path, 13);
    }
}

/// Bits, from the most significant one on.
#[derive(Default)]
struct Bits(Vec<bool>);

impl Bits {
    fn put(&mut self, value: u32, count: u32) {
        self.0.extend((0..count).rev().map(|bit| value >> bit & 1 == 1));
    }

    fn bytes(mut self) -> Vec<u8> {
        self.0.extend((!self.0.len().is_multiple_of(8)).then_some(true));
        while !self.0.len().is_multiple_of(8) {
            self.0.push(false);
        }
        self.0.chunks(8).map(|bits| bits.iter().fold(0, |byte, bit| byte << 1 | u8::from(*bit))).collect()
    }
}

/// A message of H.264 of a picture's timing, without buffers: how it is shown, and so many time codes.
fn picture_timing(structure: u32, clocks: u32, number: u32) -> Vec<u8> {
    let mut bits = Bits::default();
    bits.put(structure, 4);
    for _ in 0..clocks {
        let (frames, seconds) = (number % 25, number / 25);
        // A progressive picture, or one of fields; all of the code is there.
        let fields = [(1, 1), (u32::from(clocks > 1), 2), (0, 1), (4, 5), (1, 1), (0, 1), (0, 1)];
        let code = [(frames, 8), (seconds % 60, 6), (seconds / 60 + 20, 6), (10, 5), (0, 24)];
        fields.into_iter().chain(code).for_each(|(value, count)| bits.put(value, count));
    }
    bits.bytes()
}

/// A message of HEVC of a picture's time code.
fn time_code(number: u32) -> Vec<u8> {
    let mut bits = Bits::default();
    let (frames, seconds) = (number % 25, number / 25);
    // One code, which is there; how it counts; all of it; its numbers, and no offset.
    let front = [(1, 2), (1, 1), (0, 1), (4, 5), (1, 1), (0, 1), (0, 1), (frames, 9)];
    let code = [(seconds % 60, 6), (seconds / 60 + 20, 6), (10, 5), (0, 5)];
    front.into_iter().chain(code).for_each(|(value, count)| bits.put(value, count));
    bits.bytes()
}

#[test]
fn time_codes_beside_pictures_go_into_seams() {
    oracle!("time codes of smart cuts");
    // (Pictures are numbered in the order of decoding, so that times go to and fro.)
    let whole = format!("{H264} -x264-params pic-struct=1");
    let fields = format!("{H264} -flags +ildct+ilme -x264-params tff=1");
    for (name, coding, structure, clocks) in [("whole", &whole, 0, 1), ("fields", &fields, 3, 2)] {
        let plain = pictures(&format!("timing-{name}.mp4"), coding);
        let path = rewritten(&format!("code-{name}.mp4"), &plain, "code", |number, own| {
            let is_timing = |unit: &Vec<u8>| unit[0] & 31 == 6 && unit[1] == 1;
            let rest: Vec<_> = units(own).into_iter().filter(|unit| !is_timing(unit)).collect();
            let timing = picture_timing(structure, clocks, number as u32);
            with_messages(false, &sample(&rest), &[(1, timing)])
        });
        let codes = told(&path, &[]).iter().filter(|(_, told)| told.to_string().contains("10:20:0")).count();
        assert_eq!(codes, 150, "ffprobe reads the time codes of {name}");
        for path in in_all(&path, &["ts"]) {
            carries(&path, 0.52, 4.13);
        }
    }
    let plain = pictures("timing-hevc.mp4", HEVC);
    let path = rewritten("code-hevc.mp4", &plain, "code", |number, own| {
        with_messages(true, own, &[(136, time_code(number as u32))])
    });
    let codes = told(&path, &[]).iter().filter(|(_, told)| told.to_string().contains("10:20:0")).count();
    assert_eq!(codes, 150);
    for path in in_all(&path, &["ts"]) {
        carries(&path, 0.52, 4.13);
    }
}

#[test]
fn what_is_said_of_light_goes_into_seams() {
    oracle!("light of smart cuts");
    let colors = "-color_primaries bt2020 -color_trc smpte2084 -colorspace bt2020nc -color_range tv";
    let x265 = "log-level=error:bframes=2:hdr10=1:master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1):max-cll=1000,400:chromaloc=2";
    let x264 = "mastering-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1):cll=1000,400:chromaloc=2";
    let of_hevc =
        format!("format=yuv420p10le {colors} -c:v libx265 -preset ultrafast -g 40 -x265-params {x265}");
    let of_h264 =
        format!("format=yuv420p10le {colors} -c:v libx264 -preset veryfast -g 40 -x264-params {x264}");
    // HDR10+ (SMPTE ST 2094-40), and another transfer characteristic: the light of hybrid log-gamma.
    for (name, coding, is_hevc) in [("hevc", of_hevc, true), ("h264", of_h264, false)] {
        let plain = pictures(&format!("light-{name}.mp4"), &coding);
        let path = rewritten(
            &format!("light-{name}-all.mp4"),
            &plain,
            "light, a transfer of HEVC",
            |number, own| {
                let is_key = units(own).iter().any(|unit| match is_hevc {
                    true => (16..=21).contains(&(unit[0] >> 1)),
                    false => unit[0] & 31 == 5,
                });
                let mut all = vec![(4, dynamic_light(number as u32))];
                // (FFmpeg's threads lose it between pictures of H.264.)
                if is_key && is_hevc {
                    all.push((147, vec![18]));
                }
                with_messages(is_hevc, own, &all)
            },
        );
        let first = &told(&path, &[])[0].1.to_string();
        // Of H.264, older versions of FFmpeg tell nothing.
        let words: &[&str] = &["Mastering display", "Content light", "SMPTE2094-40", "arib-std-b67"];
        let is_there = words.iter().filter(|word| first.contains(**word)).count();
        assert!(is_there == 4 || !is_hevc, "{first}");
        // Of H.264, newer ones tell it of the pictures alone that have the messages: keyframes, and a seam's first one.
        let but: &[&str] =
            if is_hevc { &[] } else { &["Mastering display metadata", "Content light level metadata"] };
        for path in in_all(&path, &["ts", "mkv"]) {
            carries_but(&path, (0.52, 4.13), but);
            let made = holds_with(&path, &[range(0.52, 4.13)], CutAudio::Copy);
            let packets = [&path, &made.path].map(|path| packets(path));
            let first = &packets[0][0].1;
            let at = first.windows(2).position(|two| two == [137, 24]).unwrap();
            let display = &first[at..at + 26];
            let count = |packets: &[(i64, Vec<u8>)]| {
                let is_there = |(_, bytes): &&(i64, Vec<u8>)| bytes.windows(26).any(|own| own == display);
                packets.iter().filter(is_there).count()
            };
            // Of the first four groups, with the two seams.
            assert!(count(&packets[0]) >= 4 && count(&packets[1]) >= 4, "{}", path.display());
        }
    }
}

/// HDR10+ of one window.
fn dynamic_light(number: u32) -> Vec<u8> {
    let mut bits = Bits::default();
    let front = [(0xB5, 8), (0x3C, 16), (1, 16), (4, 8), (1, 8)];
    // One window, the brightest that is aimed for, and that it is not told place by place.
    let window = [(1, 2), (400 + number, 27), (0, 1)];
    // The brightest of each colour, the mean, and one percentile; few bright pixels.
    let light = [(1000 + number, 17), (900, 17), (800, 17), (300, 17), (1, 4), (50, 7), (700, 17), (5, 10)];
    // Nothing of the display of mastering, no curve, no saturation.
    let rest = [(0, 1), (0, 1), (0, 1)];
    let all = front.into_iter().chain(window).chain(light).chain(rest);
    all.for_each(|(value, count)| bits.put(value, count));
    bits.bytes()
}

#[test]
fn how_pictures_are_shown_goes_into_seams() {
    oracle!("colours and fields of smart cuts");
    let colors = "-color_primaries bt470bg -color_trc gamma28 -colorspace bt470bg -color_range pc -chroma_sample_location topleft";
    let h264 = format!("setsar=16/11,{H264} {colors}");
    let hevc = format!("setsar=16/11,{HEVC}:range=full:chromaloc=2 {colors}");
    let mpeg2 =
        format!("setsar=16/11,{MPEG2} -color_primaries smpte170m -color_trc smpte170m -colorspace smpte170m");
    for (name, coding, endings) in [
        ("h264-color.mp4", h264, &["ts"][..]),
        ("hevc-color.mp4", hevc, &["ts"]),
        ("mpeg2-color.mp4", mpeg2, &["mpg"]),
        ("h264-top.mp4", format!("{H264} -flags +ildct+ilme -x264-params tff=1"), &["ts"]),
        ("h264-bottom.mp4", format!("{H264} -flags +ildct+ilme -x264-params bff=1"), &[]),
        // Film in fields: every fourth picture has one of them twice.
        ("h264-film.mp4", format!("{H264} -x264-params pulldown=32:fake-interlaced=1"), &[]),
        ("mpeg2-top.mp4", format!("setfield=tff,{MPEG2} -flags +ildct+ilme"), &["mpg"]),
        ("mpeg2-bottom.mp4", format!("setfield=bff,{MPEG2} -flags +ildct+ilme"), &[]),
    ] {
        for path in in_all(&pictures(name, &coding), endings) {
            carries(&path, 0.52, 4.13);
        }
    }
}

#[test]
fn film_in_fields_stays_so() {
    oracle!("pulldown of MPEG-2 in smart cuts");
    let plain = pictures("mpeg2-film.mp4", &format!("scale=320:192,{MPEG2}"));
    let path = rewritten("film-mpeg2.mp4", &plain, "film", |number, own| {
        let mut bytes = own.to_vec();
        for at in 0..bytes.len() - 8 {
            match bytes[at..] {
                // A sequence of fields; pictures of one moment, every second of which shows a field twice.
                [0, 0, 1, 0xB5, 0x10..=0x1F, ..] => bytes[at + 5] &= !8,
                [0, 0, 1, 0xB5, 0x80..=0x8F, ..] => {
                    bytes[at + 7] |= [0x80, 0x82, 0x00, 0x02][number % 4];
                }
                _ => {}
            }
        }
        bytes
    });
    let fields: std::collections::BTreeSet<String> = told(&path, &[])
        .iter()
        .map(|(_, told)| format!("{} {}", told["top_field_first"], told["repeat_pict"]))
        .collect();
    assert!(fields.len() >= 3, "{fields:?}");
    for path in in_all(&path, &["mpg"]) {
        carries(&path, 0.52, 4.13);
    }
}

/// What ffmpeg reads of the headers of all pictures, line by line.
pub(super) fn headers(path: &Path) -> Vec<String> {
    let name = path.to_str().unwrap();
    let arguments = ["-hide_banner", "-v", "trace", "-i", name, "-map", "0:v", "-c", "copy"];
    let program = common::tool("AVROPE_FFMPEG", "ffmpeg");
    let told = common::run_tool(
        &program,
        &[&arguments[..], &["-bsf:v", "trace_headers", "-f", "null", "-"]].concat(),
    );
    let told = String::from_utf8_lossy(&told.stderr).into_owned();
    told.lines().filter(|line| line.contains("trace_headers")).map(str::to_owned).collect()
}

/// idr_pic_id of each IDR picture of H.264, by ffmpeg; None for other pictures.
fn idr_numbers(path: &Path) -> Vec<Option<u32>> {
    let (mut numbers, mut slices) = (Vec::new(), 0);
    for line in headers(path) {
        if line.contains("] Packet: ") {
            numbers.push(None);
        } else if line.contains("] Slice Header") {
            slices += 1;
        } else if line.contains(" idr_pic_id ") {
            *numbers.last_mut().unwrap() = Some(line.rsplit(' ').next().unwrap().parse().unwrap());
        }
    }
    assert!(slices >= numbers.len() && !numbers.is_empty());
    numbers
}

#[test]
fn neighbouring_idr_pictures_have_other_numbers() {
    oracle!("idr_pic_id of smart cuts");
    // x264 numbers them 0 and 1, in turns.
    for (name, coding) in [
        ("idr.mp4", H264.replace("-bf 2", "-bf 0")),
        ("idr-baseline.mp4", H264.replace("-bf 2", "-bf 0 -profile:v baseline")),
        ("idr-fields.mp4", H264.replace("-bf 2", "-bf 0 -flags +ildct+ilme -x264-params tff=1:slices=2")),
    ] {
        // (Where both sets are told of beforehand, ffmpeg does not read messages of a picture's timing in front of
        // one.)
        let is_timed = name.contains("fields");
        for path in in_all(&pictures(name, &coding), &["ts"]).into_iter().skip(usize::from(is_timed)) {
            // One picture in front of a group that is kept; single pictures.
            for ranges in [
                vec![range(1.56, 2.4), range(3.16, 3.6)],
                vec![range(0.4, 0.44), range(0.8, 0.84), range(1.2, 1.24), range(1.56, 1.8)],
            ] {
                let made = holds_with(&path, &ranges, CutAudio::Copy);
                let numbers = idr_numbers(&made.path);
                for two in numbers.windows(2) {
                    let is_one = two[0].is_some() && two[0] == two[1];
                    assert!(!is_one, "{}: {ranges:?}: {numbers:?}", path.display());
                }
            }
        }
    }
}
