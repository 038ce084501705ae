//! Single files of which something was lost.

use super::{PICTURES, TONE};
use crate::common::{self, open, save};
use avrope::{Control, Cut, CutMode, Media, Remux, Source, TimeRange, Transcode, cut, remux, transcode};

#[test]
fn wma_whose_packets_overlap_by_their_times_is_all_heard() {
    oracle!("WMA");
    // What its decoder leaves out in front, the time of the first packet does not take into account.
    let Some(source) = common::shared("cases/wma.wma") else { return };
    let folder = tempfile::tempdir().unwrap();
    let clip = transcode(&open(&source), &Transcode::new().format("wav"), &Control::default()).unwrap();
    let samples = |path: &std::path::Path| {
        let output = ["-f", "s16le", "-c:a", "pcm_s16le", "-"];
        common::ffmpeg(&[&["-i", path.to_str().unwrap()], &output[..]].concat()).0
    };
    let out = save(&clip, folder.path(), "out.wav");
    // It was cut short in its last packet.
    assert_eq!(clip.report.warnings, ["1 damaged packets; their pictures or sounds are missing or faulty"]);
    assert_eq!(samples(&out).len(), 36_864 * 4);
    assert!(samples(&out) == samples(&source), "ffmpeg's samples");
}

/// Frames that are shown of the first stream, of a remux of a clip that ffmpeg has made.
fn remuxed(name: &str, arguments: &[&str], into: &str) -> (usize, Vec<String>) {
    let source = common::made_by_ffmpeg(&format!("losses-{name}"), arguments);
    let folder = tempfile::tempdir().unwrap();
    let clip = remux(&open(&source), &Remux::new().format(into), &Control::default())
        .unwrap_or_else(|e| panic!("{name} into {into}: {e}"));
    let out = save(&clip, folder.path(), &format!("out.{into}"));
    (common::frames(&out, "0:0").len(), clip.report.warnings)
}

#[test]
fn eac3_that_nut_calls_ac3_goes_into_mp4() {
    oracle!("E-AC-3 in NUT");
    let arguments = [&TONE[..], &["-c:a", "eac3"]].concat();
    for into in ["mp4", "mov", "nut"] {
        assert_eq!(remuxed("eac3.nut", &arguments, into), (63, Vec::new()), "{into}");
    }
    // AC-3 stays what it is.
    let arguments = [&TONE[..], &["-c:a", "ac3"]].concat();
    assert_eq!(remuxed("ac3.nut", &arguments, "mp4"), (63, Vec::new()));
}

#[test]
fn opus_without_its_head_goes_into_what_wants_one() {
    oracle!("Opus in CAF");
    if common::lavf() >= 63 {
        return eprintln!("SKIPPED: this ffmpeg writes no Opus into CAF");
    }
    let arguments = [&TONE[..], &["-c:a", "libopus"]].concat();
    for into in ["mp4", "ogg", "mkv", "webm"] {
        assert_eq!(remuxed("opus.caf", &arguments, into), (101, Vec::new()), "{into}");
    }
}

#[test]
fn the_last_pictures_are_shown_though_they_have_no_times() {
    oracle!("HEVC in MPEG-PS");
    let coder = ["-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none"];
    let (pictures, warnings) = remuxed("hevc.mpg", &[&PICTURES[..], &coder].concat(), "mp4");
    assert_eq!(pictures, 50);
    assert!(warnings.iter().any(|warning| warning.contains("packets had no pts")), "{warnings:?}");
}

#[test]
fn damage_at_the_seam_of_a_joined_mp3_keeps_its_time() {
    // Between the two files lie 1868 bytes that are no frames, as long as 4.5 of them; libav takes them for
    // 5.
    let Some(source) = common::shared("cases/joined.mp3") else { return };
    let folder = tempfile::tempdir().unwrap();
    let settings = Transcode::new().format("wav").allow_drops(true);
    let clip = transcode(&open(&source), &settings, &Control::default()).unwrap();
    let damaged = "5 damaged packets; their pictures or sounds are missing or faulty";
    assert!(clip.report.warnings.iter().any(|warning| warning == damaged), "{:?}", clip.report.warnings);
    let bytes = std::fs::read(save(&clip, folder.path(), "out.wav")).unwrap();
    let data = bytes.windows(4).position(|word| word == b"data").unwrap() + 8;
    let frame = 1152 * 4;
    assert_eq!(bytes.len() - data, 329 * frame);
    let frames = bytes[data..].chunks_exact(frame).enumerate();
    let silent: Vec<usize> =
        frames.filter(|(_, frame)| frame.iter().all(|byte| *byte == 0)).map(|(i, _)| i).collect();
    // The first is silent in the file.
    assert_eq!(silent, [0, 250, 251, 252, 253, 254]);
}

#[test]
fn much_less_than_the_source_states_is_told() {
    oracle!("shortfalls");
    let short = |warnings: &[String], what: &str| {
        let told = warnings.iter().any(|warning| warning.starts_with("only ") && warning.contains(" came: "));
        assert!(told, "{what}: {warnings:?}");
    };
    let none = Control::default();
    // Frames that nothing tells apart.
    for (name, coder) in
        [("aac.wav", &["-c:a", "aac"][..]), ("speex.wav", &["-c:a", "libspeex", "-ar", "16000"])]
    {
        let source = common::made_by_ffmpeg(&format!("losses-{name}"), &[&TONE[..], coder].concat());
        let settings = Transcode::new().format("mkv");
        short(&transcode(&open(&source), &settings, &none).unwrap().report.warnings, name);
    }
    // A file of which a half is there.
    let coder = ["-c:v", "mpeg4", "-c:a", "libvorbis"];
    let source = common::made_by_ffmpeg("losses-whole.mkv", &[&PICTURES[..], &TONE, &coder].concat());
    let bytes = std::fs::read(source).unwrap();
    let half = Source::from_bytes(bytes[..bytes.len() / 2].to_vec());
    let media = Media::open(half).unwrap();
    short(&remux(&media, &Remux::new().format("mkv"), &none).unwrap().report.warnings, "a remux");
    short(&transcode(&media, &Transcode::new().format("mkv"), &none).unwrap().report.warnings, "a transcode");
    let range = TimeRange::secs(0.2, 1.9).unwrap();
    for mode in [CutMode::Keyframe, CutMode::Encode] {
        let clip = cut(&media, &Cut::new().keep(range).mode(mode).format("mkv"), &none).unwrap();
        short(&clip.report.warnings, &format!("{mode:?}"));
    }
}

#[test]
fn pictures_keep_their_times_where_dts_lie_behind_them() {
    // Its encoder gave the pictures of a B-pyramid the dts of their places, and no room to be put into order
    // in.
    let Some(source) = common::shared("cases/no-key-flags.ts") else { return };
    let folder = tempfile::tempdir().unwrap();
    let times = |path: &std::path::Path| -> Vec<(f64, f64)> {
        let json = common::ffprobe(path, &["-show_entries", "packet=pts_time,dts_time"]);
        let time = |packet: &serde_json::Value, key: &str| packet[key].as_str()?.parse::<f64>().ok();
        let packets = json["packets"].as_array().unwrap().iter();
        let both =
            |packet| time(packet, "pts_time").map(|pts| (pts, time(packet, "dts_time").unwrap_or(pts)));
        packets.map(|packet| both(packet).unwrap()).collect()
    };
    let due = times(&source);
    for into in ["ts", "mp4", "mkv"] {
        let clip = remux(&open(&source), &Remux::new().format(into), &Control::default()).unwrap();
        let told = "stream 0: its dts lie up to 0.066 s behind its pts; they were moved back by that";
        assert_eq!(clip.report.warnings, [told], "{into}");
        let found = times(&save(&clip, folder.path(), &format!("out.{into}")));
        assert_eq!(found.len(), due.len(), "{into}");
        let late = found.iter().position(|(pts, dts)| dts > pts);
        assert_eq!(late, None, "{into}: a packet is shown before it is decoded");
        let since_first = |all: &[(f64, f64)]| all.iter().map(|(pts, _)| pts - all[0].0).collect::<Vec<_>>();
        for (i, (found, due)) in since_first(&found).iter().zip(since_first(&due)).enumerate() {
            // Matroska counts in milliseconds.
            assert!((found - due).abs() < 0.0011, "{into}: packet {i} at {found}, due at {due}");
        }
    }
}

#[test]
fn mp4_has_keys_where_the_source_flags_none() {
    let Some(source) = common::shared("cases/no-key-flags.ts") else { return };
    let folder = tempfile::tempdir().unwrap();
    let clip = remux(&open(&source), &Remux::new().format("mp4"), &Control::default()).unwrap();
    let out = save(&clip, folder.path(), "out.mp4");
    let of = |path: &std::path::Path, entries: &str, list: &str, key: &str, value: &str| -> Vec<usize> {
        // As the container has them: a parser would have its own word.
        let raw = ["-fflags", "+noparse+nofillin", "-select_streams", "v", "-show_entries", entries];
        let json = common::ffprobe(path, &raw);
        let list = json[list].as_array().unwrap().clone();
        let is = |it: &serde_json::Value| it[key].as_str().unwrap().starts_with(value);
        list.iter().enumerate().filter(|(_, it)| is(it)).map(|(i, _)| i).collect()
    };
    assert_eq!(of(&source, "packet=flags", "packets", "flags", "K"), Vec::<usize>::new());
    // No sample is said to be a key: all were.
    let due = of(&source, "frame=pict_type", "frames", "pict_type", "I");
    assert_eq!(of(&out, "packet=flags", "packets", "flags", "K"), due);
}
