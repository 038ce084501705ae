//! When pictures are shown: AVI counts its packets in the order that they are decoded in, and says no more.

use crate::common::{self, cached, ffmpeg, ffprobe, frames, made_by_ffmpeg, none, open, save};
use avrope::{
    Control, Cut, CutMode, Media, Remux, Sink, Source, TimeRange, Transcode, cut, remux, remux_to, synth,
    transcode,
    transcode::{AudioCodec, AudioSettings, VideoCodec, VideoSettings},
};
use std::path::{Path, PathBuf};

const RATE: f64 = 25.0;

/// Three seconds whose pictures are all different, and sound.
fn source(name: &str, coder: &[&str]) -> PathBuf {
    let pictures = ["-f", "lavfi", "-i", "testsrc2=size=192x108:rate=25:duration=3"];
    let sound = ["-f", "lavfi", "-i", "sine=duration=3", "-c:a", "ac3", "-ar", "48000", "-g", "25"];
    made_by_ffmpeg(&format!("order-{name}.avi"), &[&pictures[..], &sound, coder].concat())
}

fn sources() -> Vec<(&'static str, PathBuf)> {
    let quiet = ["-x265-params", "log-level=none"];
    let cases: [(&str, &[&str]); 9] = [
        ("h264", &["-c:v", "libx264", "-bf", "0"]),
        ("h264-baseline", &["-c:v", "libx264", "-profile:v", "baseline"]),
        ("h264-b", &["-c:v", "libx264", "-bf", "2"]),
        ("h264-open", &["-c:v", "libx264", "-bf", "8", "-b_strategy", "0", "-x264-params", "open-gop=1"]),
        ("hevc-b", &[&["-c:v", "libx265", "-tag:v", "HEVC"], &quiet[..]].concat()),
        ("mpeg4", &["-c:v", "mpeg4"]),
        ("mpeg4-b", &["-c:v", "mpeg4", "-bf", "2"]),
        ("mpeg2", &["-c:v", "mpeg2video", "-bf", "0"]),
        ("mpeg2-b", &["-c:v", "mpeg2video", "-bf", "2"]),
    ];
    let there = |(_, coder): &(&str, &[&str])| {
        let there = synth::has_encoder(coder[1]);
        if !there {
            common::skipped(&format!("no encoder {}", coder[1]));
        }
        there
    };
    let made = cases.into_iter().filter(there).map(|(name, coder)| (name, source(name, coder)));
    made.chain([("mpeg4-packed", packed(1)), ("mpeg4-packed-2", packed(2))]).collect()
}

/// The chunks of a list, with where each begins.
fn chunks(list: &[u8]) -> Vec<(&[u8], &[u8])> {
    let (mut rest, mut found) = (list, Vec::new());
    while rest.len() >= 8 {
        let len = u32::from_le_bytes(rest[4..8].try_into().unwrap()) as usize;
        found.push((&rest[..4], &rest[8..8 + len]));
        rest = &rest[(8 + len + len % 2).min(rest.len())..];
    }
    found
}

fn chunk(name: &[u8], content: &[u8]) -> Vec<u8> {
    let len = u32::try_from(content.len()).unwrap().to_le_bytes();
    [name, &len, content, &[0][..content.len() % 2]].concat()
}

/// Where the first picture of a packet begins, and its kind (0 for I, 1 for P, 2 for B).
fn vop(packet: &[u8]) -> (usize, u8) {
    let at = packet.windows(4).position(|bytes| bytes == [0, 0, 1, 0xb6]).unwrap();
    (at, packet[at + 4] >> 6)
}

/// MPEG-4 part 2 as codecs for Windows wrote it ("packed bitstream"): the first B-frame lies in the packet of
/// the picture that it is decoded after, the others in that of the one before them, and a picture that says
/// nothing stands for the last.
fn packed(b_frames: u32) -> PathBuf {
    let plain = source(&format!("mpeg4-plain-{b_frames}"), &["-c:v", "mpeg4", "-bf", &b_frames.to_string()]);
    // In 25ths of a second, of which five bits tell: P, no second ends, 0, and not coded.
    const NOTHING: [u8; 6] = [0, 0, 1, 0xb6, 0b0101_0000, 0b0010_1111];
    cached(&format!("order-mpeg4-packed-{b_frames}.avi"), "by hand, 1", |path| {
        let file = std::fs::read(plain).unwrap();
        let (mut head, mut packets) = (Vec::new(), Vec::new());
        for (name, content) in chunks(&file[12..]) {
            match content {
                [b'm', b'o', b'v', b'i', rest @ ..] if name == b"LIST" => {
                    packets = chunks(rest).into_iter().map(|(n, c)| (n.to_vec(), c.to_vec())).collect();
                }
                _ if name == b"LIST" => head.extend(chunk(name, content)),
                _ => {}
            }
        }
        let pictures: Vec<usize> = (0..packets.len()).filter(|i| packets[*i].0 == b"00dc").collect();
        let first = &mut packets[pictures[0]].1;
        let at = first.windows(4).position(|bytes| bytes == [0, 0, 1, 0xb3]).unwrap_or(vop(first).0);
        first.splice(at..at, *b"\0\0\x01\xb2DivX503b1393p\0");
        let is_b: Vec<bool> = pictures.iter().map(|i| vop(&packets[*i].1).1 == 2).collect();
        for (n, pair) in pictures.windows(2).enumerate().filter(|(n, _)| is_b[n + 1]) {
            let b_frame = std::mem::replace(&mut packets[pair[1]].1, NOTHING.to_vec());
            if is_b[n] {
                packets[pair[0]].1 = b_frame;
            } else {
                packets[pair[0]].1.extend(b_frame);
            }
        }
        let (mut movi, mut index) = (b"movi".to_vec(), Vec::new());
        for (name, packet) in &packets {
            let key: u32 = if name != b"00dc" || vop(packet).1 == 0 { 0x10 } else { 0 };
            let (at, len) = (u32::try_from(movi.len()).unwrap(), u32::try_from(packet.len()).unwrap());
            index.extend([&name[..], &key.to_le_bytes(), &at.to_le_bytes(), &len.to_le_bytes()].concat());
            movi.extend(chunk(name, packet));
        }
        let content = [&b"AVI "[..], &head, &chunk(b"LIST", &movi), &chunk(b"idx1", &index)].concat();
        std::fs::write(path, chunk(b"RIFF", &content)).unwrap();
    })
}

/// When the first packet of sound is heard.
fn sound_begins(path: &Path) -> f64 {
    let of = ["-select_streams", "a:0", "-read_intervals", "%+#1", "-show_packets"];
    ffprobe(path, &of)["packets"][0]["pts_time"].as_str().unwrap().parse().unwrap()
}

/// Asserts that the pictures of a file are those of its source from `first` on, each at its time; `zero` is
/// when the file's beginning is shown, in the source.
#[track_caller]
fn assert_pictures(path: &Path, source: &Path, zero: f64, what: &str) {
    let all: Vec<String> = frames(source, "0:v").into_iter().map(|frame| frame.hash).collect();
    let found = frames(path, "0:v");
    let number = |hash: &String| all.iter().position(|it| it == hash);
    let numbers: Vec<_> = found.iter().map(|frame| number(&frame.hash)).collect();
    let first = numbers.first().copied().flatten().unwrap_or_else(|| panic!("{what}: {numbers:?}"));
    let due: Vec<_> = (first..first + found.len()).map(Some).collect();
    assert_eq!(numbers, due, "{what}");
    for (frame, number) in found.iter().zip(first..) {
        let due = number as f64 / RATE - zero;
        // Matroska counts milliseconds.
        assert!(
            (frame.time - due).abs() < 0.0011,
            "{what}: picture {number} at {}, due at {due}",
            frame.time
        );
    }
}

#[test]
fn copied_pictures_are_shown_when_they_were_in_their_avi() {
    oracle!("pictures of AVI, copied");
    let folder = tempfile::tempdir().unwrap();
    for (name, source) in sources() {
        let media = open(&source);
        let count = frames(&source, "0:v").len();
        for container in ["mp4", "mkv", "ts"] {
            // Without its packets' borders nobody finds the way in a packed bitstream, in ffmpeg's own copy
            // neither.
            if name.starts_with("mpeg4-packed") && container == "ts" {
                continue;
            }
            let what = format!("{name} in {container}");
            let clip = remux(&media, &Remux::new().format(container), &none()).unwrap();
            let copied = save(&clip, folder.path(), &format!("{name}.{container}"));
            // Where nothing can be decoded before 0, all begins that much later, the sound as well.
            assert_pictures(&copied, &source, -sound_begins(&copied), &what);
            assert_eq!(frames(&copied, "0:v").len(), count, "{what}");
            assert!(container == "ts" || sound_begins(&copied) == 0.0, "{what}");
        }
    }
}

#[test]
fn ranges_of_an_avi_are_cut_by_the_time_that_pictures_are_shown_at() {
    oracle!("pictures of AVI, cut");
    let folder = tempfile::tempdir().unwrap();
    // Packed, a picture behind a border is decoded from the packet in front of it: ffmpeg itself finds less
    // there.
    for (name, source) in sources().into_iter().filter(|(name, _)| !name.starts_with("mpeg4-packed")) {
        for (from, to) in [(0.52, 1.52), (2.0, 3.0)] {
            let range = TimeRange::secs(from, to).unwrap();
            let settings = Cut::new().keep(range).mode(CutMode::Edit).format("mp4");
            let piece = cut(&open(&source), &settings, &none()).unwrap();
            let piece = save(&piece, folder.path(), &format!("{name}-{from}.mp4"));
            assert_pictures(&piece, &source, from, &format!("{name} from {from}"));
            assert_eq!(frames(&piece, "0:v").len(), 25, "{name} from {from}");
        }
    }
}

#[test]
fn decoded_pictures_have_the_times_of_copied_ones() {
    oracle!("pictures of AVI, decoded");
    let folder = tempfile::tempdir().unwrap();
    let settings = Transcode::new()
        .format("mkv")
        .video(VideoSettings::new().codec(VideoCodec::Ffv1))
        .audio(AudioSettings::new().codec(AudioCodec::Copy));
    for (name, source) in sources() {
        let clip = transcode(&open(&source), &settings, &none()).unwrap();
        assert_pictures(&save(&clip, folder.path(), &format!("{name}.mkv")), &source, 0.0, name);
    }
}

#[test]
fn pictures_that_wait_for_others_are_held_to_the_limit_of_memory() {
    oracle!("pictures that wait");
    let (_, source) = sources().into_iter().find(|(name, _)| *name == "mpeg4-b").unwrap();
    let mut limits = avrope::control::Limits::default();
    limits.memory = 4000;
    let control = Control::new().limits(limits);
    let media = Media::open(Source::open(source).unwrap()).unwrap();
    let error = remux(&media, &Remux::new().format("mkv"), &control).map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), avrope::ErrorKind::LimitExceeded, "{error}");
    assert!(error.to_string().contains("pictures wait for those that are shown before them"), "{error}");
    assert!(error.to_string().contains("stream 0"), "the one that waits: {error}");
}

/// Twelve seconds, each picture 3 brighter than the one before it, of which some are left out.
fn with_a_gap(name: &str, coder: &[&str]) -> PathBuf {
    let grey =
        "color=black:size=64x48:rate=25:duration=12,format=gray,geq=lum='mod(3*N,230)+10',format=yuv420p";
    let gap = "select='not(between(n,90,120))'";
    let input = format!("{grey},{gap}");
    let pictures = ["-f", "lavfi", "-i", &input, "-fps_mode", "passthrough", "-enc_time_base", "1/25"];
    made_by_ffmpeg(&format!("order-gap-{name}.avi"), &[&pictures[..], coder].concat())
}

#[test]
fn pictures_behind_a_gap_are_shown_when_they_were() {
    oracle!("pictures of AVI behind a gap");
    let folder = tempfile::tempdir().unwrap();
    // No keyframe but those of the interval: libav ends an edit list at the first keyframe that is decoded
    // behind it.
    let cases: [(&str, &[&str]); 3] = [
        ("mpeg4", &["-c:v", "mpeg4", "-bf", "2", "-q:v", "2", "-g", "25", "-sc_threshold", "1000000000"]),
        ("h264", &["-c:v", "libx264", "-bf", "2", "-sc_threshold", "0"]),
        ("h264-all", &["-c:v", "libx264", "-bf", "3", "-b_strategy", "0", "-sc_threshold", "0"]),
    ];
    for (name, coder) in cases.into_iter().filter(|(_, coder)| synth::has_encoder(coder[1])) {
        let source = with_a_gap(name, coder);
        let clip = remux(&open(&source), &Remux::new().format("mp4"), &none()).unwrap();
        let copied = save(&clip, folder.path(), &format!("{name}.mp4"));
        let hashes: Vec<_> = frames(&source, "0:v").into_iter().map(|frame| frame.hash).collect();
        let found = frames(&copied, "0:v");
        assert_eq!(found.iter().map(|frame| frame.hash.clone()).collect::<Vec<_>>(), hashes, "{name}");
        for (frame, number) in found.iter().zip((0..90).chain(121..)) {
            let due = f64::from(number) / RATE;
            assert!((frame.time - due).abs() < 0.0001, "{name}: {number} at {}", frame.time);
        }
        let settings = Cut::new().keep(TimeRange::secs(4.84, 6.0).unwrap()).mode(CutMode::Edit).format("mp4");
        let piece = cut(&open(&source), &settings, &none()).unwrap();
        let piece = frames(&save(&piece, folder.path(), &format!("{name}-piece.mp4")), "0:v");
        assert_eq!(piece[0].hash, hashes[90], "{name}");
        assert_eq!(piece.len(), 29, "{name}");
    }
}

#[test]
fn sound_that_goes_on_behind_the_last_picture_does_not_wait_in_memory() {
    oracle!("sound of AVI behind its last picture");
    let pictures = ["-f", "lavfi", "-i", "testsrc2=size=192x108:rate=25:duration=1"];
    let sound = ["-f", "lavfi", "-i", "sine=duration=120", "-ac", "2", "-c:a", "pcm_s16le"];
    let coder = ["-c:v", "mpeg4", "-bf", "2"];
    let source = made_by_ffmpeg("order-short.avi", &[&pictures[..], &sound, &coder].concat());
    let mut limits = avrope::control::Limits::default();
    limits.memory = 12 << 20;
    let media = Media::open(Source::open(&source).unwrap()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let copied = folder.path().join("short.mkv");
    remux_to(&media, &Remux::new(), Sink::file(&copied), &Control::new().limits(limits)).unwrap();
    assert_pictures(&copied, &source, 0.0, "short");
    assert_eq!(frames(&copied, "0:v").len(), 25);
}

/// Ten seconds without B-frames, and two with them: libav sees none when it opens that.
fn with_late_b_frames(name: &str, coder: &[&str]) -> PathBuf {
    let part = |part: &str, seconds: u32, b_frames: &str| {
        let input = format!("testsrc2=size=192x108:rate=25:duration={seconds}");
        let made = [&["-f", "lavfi", "-i", &input], coder, &["-bf", b_frames]].concat();
        made_by_ffmpeg(&format!("order-late-{name}-{part}.avi"), &made)
    };
    let parts = [part("a", 10, "0"), part("b", 2, "2")];
    cached(&format!("order-late-{name}.avi"), &format!("{parts:?}"), |path| {
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("list");
        let lines = parts.map(|part| format!("file '{}'\n", part.display()));
        std::fs::write(&list, lines.concat()).unwrap();
        let input = ["-f", "concat", "-safe", "0", "-i", list.to_str().unwrap()];
        ffmpeg(&[&input[..], &["-c", "copy", path.to_str().unwrap()]].concat());
    })
}

#[test]
fn pictures_are_in_order_where_b_frames_begin_later() {
    oracle!("pictures of AVI whose B-frames begin later");
    let folder = tempfile::tempdir().unwrap();
    // How many pictures the encoder keeps back: its packets are counted so much earlier than shown.
    for (name, coder, delay) in
        [("mpeg4", ["-c:v", "mpeg4", "-q:v", "2"], 1), ("h264", ["-c:v", "libx264", "-crf", "20"], 2)]
    {
        if !synth::has_encoder(coder[1]) {
            continue;
        }
        let source = with_late_b_frames(name, &coder);
        let clip = remux(&open(&source), &Remux::new().format("mp4"), &none()).unwrap();
        let copied = save(&clip, folder.path(), &format!("{name}.mp4"));
        // libav's decoder for MPEG-4 gives the last picture in front of the B-frames twice.
        let all = |path: &Path| {
            let mut all = frames(path, "0:v");
            all.dedup_by(|next, before| next.hash == before.hash);
            all
        };
        let hashes: Vec<_> = all(&source).into_iter().map(|frame| frame.hash).collect();
        let found = all(&copied);
        assert_eq!(found.iter().map(|frame| frame.hash.clone()).collect::<Vec<_>>(), hashes, "{name}");
        assert_eq!(found.len(), 300, "{name}");
        for (frame, number) in found.iter().zip((0..250).chain(250 + delay..)) {
            let due = f64::from(number) / RATE;
            assert!((frame.time - due).abs() < 0.0001, "{name}: {number} at {}", frame.time);
        }
        let range = TimeRange::secs(10.4, 11.4).unwrap();
        let settings = Cut::new().keep(range).mode(CutMode::Edit).format("mp4");
        let piece = cut(&open(&source), &settings, &none()).unwrap();
        let piece = frames(&save(&piece, folder.path(), &format!("{name}-piece.mp4")), "0:v");
        let piece: Vec<_> = piece.into_iter().map(|frame| frame.hash).collect();
        let first = 260 - usize::try_from(delay).unwrap();
        assert_eq!(piece, hashes[first..first + 25], "{name}");
    }
}
