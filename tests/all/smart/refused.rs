//! What seams would lose, and is refused by name.

use super::{
    carried::{pictures, rewritten, sample, units},
    range, settings,
};
use crate::common::{self, boxes, cached, find, made_by_ffmpeg, make_box, open, save};
use avrope::{Control, CutMode, ErrorKind, TimeRange, cut};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// `smart` says what would be lost; the default way is an edit list.
#[track_caller]
fn is_refused(path: &Path, word: &str) {
    are_refused(path, &[range(0.52, 3.13)], word);
}

/// The same of several ranges.
#[track_caller]
fn are_refused(path: &Path, ranges: &[TimeRange], word: &str) {
    let media = open(path);
    let asked = settings(ranges);
    for error in
        [cut(&media, &asked, &Control::new()).unwrap_err(), asked.plan(&media, &Control::new()).unwrap_err()]
    {
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        assert!(error.to_string().contains(word), "{error}");
    }
    let clip = cut(&media, &asked.clone().mode(CutMode::Exact), &Control::new()).unwrap();
    assert_eq!(clip.report.mode.as_deref(), Some("edit"), "{:?}", clip.report.warnings);
    assert!(clip.report.warnings.iter().any(|warning| warning.contains(word)), "{:?}", clip.report.warnings);
    // All of it is there.
    let folder = tempfile::tempdir().unwrap();
    let output = save(&clip, folder.path(), "cut.mp4");
    let payload = |path: &Path| {
        let all = common::payload(path).into_iter();
        all.filter(|(stream, _)| stream.starts_with('v')).flat_map(|(_, all)| all).collect::<Vec<_>>()
    };
    let own = payload(path);
    let found = payload(&output);
    assert!(!found.is_empty() && found.iter().all(|packet| own.contains(packet)));
}

/// With a record of Dolby Vision in its sample entry.
fn with_dolby(source: &Path) -> PathBuf {
    cached("smart-refused-dolby.mp4", &source.display().to_string(), |path| {
        let mut bytes = fs::read(source).unwrap();
        let table = find(&bytes, "moov/trak/mdia/minf/stbl/stsd").unwrap();
        let entry = boxes(&bytes, table.content() + 8, table.end()).remove(0);
        // Version 1.0; profile 8, level 3; what it says of pictures and the pictures are there, by HDR10.
        let mut record = vec![1, 0, 8 << 1, 3 << 3 | 0b101, 1 << 4];
        record.resize(24, 0);
        let record = make_box(b"dvvC", &record);
        let around =
            ["moov", "moov/trak", "moov/trak/mdia", "moov/trak/mdia/minf", "moov/trak/mdia/minf/stbl"];
        let mut places: Vec<usize> = around.iter().map(|path| find(&bytes, path).unwrap().start).collect();
        places.extend([table.start, entry.start]);
        bytes.splice(entry.end()..entry.end(), record.iter().copied());
        for at in places {
            let size = u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) + record.len() as u32;
            bytes[at..at + 4].copy_from_slice(&size.to_be_bytes());
        }
        fs::write(path, bytes).unwrap();
    })
}

const HEVC: &str = "format=yuv420p -c:v libx265 -preset ultrafast -g 40 -x265-params log-level=error";
const H264: &str = "format=yuv420p -c:v libx264 -preset veryfast -g 40";

#[test]
fn dolby_vision_is_refused() {
    oracle!("Dolby Vision in smart cuts");
    let plain = pictures("dolby.mp4", HEVC);
    is_refused(&with_dolby(&plain), "Dolby Vision (profile 8, level 3)");
    // What it says of each picture is there, though no box tells so.
    let path = rewritten("dolby-units.mp4", &plain, "dolby", |_, own| {
        let mut units = units(own);
        units.push(vec![62 << 1, 1, 0x19, 8, 9, 0x80]);
        sample(&units)
    });
    is_refused(&path, "Dolby Vision");
    // Where nothing is encoded, nothing is lost.
    let whole = cut(&open(&path), &settings(&[TimeRange::ALL]), &Control::new()).unwrap();
    assert_eq!((whole.report.mode.as_deref(), whole.report.frames_encoded), (Some("smart"), 0));
}

#[test]
fn what_only_a_later_range_has_is_refused() {
    oracle!("Dolby Vision in the middle of smart cuts");
    // From 2.4 s on.
    let path = rewritten("dolby-later.mp4", &pictures("dolby.mp4", HEVC), "later", |number, own| {
        let mut units = units(own);
        if number >= 60 {
            units.push(vec![62 << 1, 1, 0x19, 8, 9, 0x80]);
        }
        sample(&units)
    });
    are_refused(&path, &[range(0.52, 1.2), range(3.4, 4.13)], "Dolby Vision");
    // Of what is copied, nothing is lost.
    let asked = settings(&[range(0.52, 1.2), range(3.2, 6.0)]);
    let made = cut(&open(&path), &asked, &Control::new()).unwrap();
    assert_eq!(made.report.mode.as_deref(), Some("smart"));
    assert!(made.report.frames_encoded > 0);
}

#[test]
fn fields_of_hevc_are_refused() {
    oracle!("fields of HEVC in smart cuts");
    let coding = format!("setfield=tff,{HEVC}:interlace=tff");
    let path = pictures("fields-hevc.mp4", &coding);
    let told = common::ffprobe(&path, &["-select_streams", "v:0", "-show_frames"]);
    assert!(told["frames"].as_array().unwrap().iter().all(|frame| frame["interlaced_frame"] == 1));
    is_refused(&path, "single fields of HEVC");
}

#[test]
fn layers_and_views_are_refused() {
    oracle!("layers in smart cuts");
    let plain = pictures("layers-h264.mp4", H264);
    let path = rewritten("views-h264.mp4", &plain, "views", |_, own| {
        let mut units = units(own);
        units.push(vec![0x74, 0x40, 0, 1, 0x88, 0x80]);
        sample(&units)
    });
    is_refused(&path, "SVC, MVC");
    let plain = pictures("layers-hevc.mp4", HEVC);
    let path = rewritten("layers-hevc-all.mp4", &plain, "layers", |_, own| {
        let mut units = units(own);
        units.push(vec![1 << 1, 9, 0xD0, 0x80]);
        sample(&units)
    });
    is_refused(&path, "layers or views of HEVC");
}

#[test]
fn what_is_encrypted_is_refused() {
    oracle!("encryption in smart cuts");
    let plain = pictures("layers-h264.mp4", H264);
    let key = ["-encryption_key", "76a6c65c5ea762046bd749a2e632ccbb"];
    let name = ["-encryption_kid", "a7e61c373e219033c21091fa607bf3b8"];
    let scheme = ["-i", plain.to_str().unwrap(), "-c", "copy", "-encryption_scheme", "cenc-aes-ctr"];
    let arguments = [&scheme[..], &key, &name].concat();
    let path = made_by_ffmpeg("smart-refused-cenc.mp4", &arguments);
    is_refused(&path, "encrypted");
}
