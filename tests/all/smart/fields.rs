//! How pictures of MPEG-2 and HEVC are shown, and what lies around groups of them: seams say it too, or it is told that
//! they do not.

use super::{
    carried::{H264, HEVC, MPEG2, carries, headers, packets, pictures, rewritten, told, with_messages},
    holds_with, range,
};
use crate::common::made_by_ffmpeg;
use avrope::CutAudio;
use serde_json::Value;
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

/// How pictures of MPEG-2 that are coded as whole ones are shown, each by its number in the order of decoding:
/// top_field_first (0x80), repeat_first_field (2) and whether they are of one moment (1).
fn shown(name: &str, plain: &Path, is_420: bool, of: impl Fn(usize) -> u8) -> PathBuf {
    rewritten(name, plain, "shown", |number, own| {
        let mut bytes = own.to_vec();
        for at in 0..bytes.len() - 8 {
            match bytes[at..] {
                // A sequence of fields.
                [0, 0, 1, 0xB5, 0x10..=0x1F, ..] => bytes[at + 5] &= !8,
                [0, 0, 1, 0xB5, 0x80..=0x8F, ..] => {
                    let told = of(number);
                    let is_whole = told & 1;
                    bytes[at + 7] = bytes[at + 7] & !0x83 | told & 0x82 | if is_420 { is_whole } else { 0 };
                    bytes[at + 8] = bytes[at + 8] & !0x80 | is_whole << 7;
                }
                _ => {}
            }
        }
        bytes
    })
}

/// Of film: every second picture shows a field twice.
fn film(number: usize) -> u8 {
    [0x81, 0x83, 0x01, 0x03][number % 4]
}

#[test]
fn seams_go_from_fields_to_film() {
    oracle!("fields and film of MPEG-2 in smart cuts");
    let plain = pictures("mpeg2-film.mp4", &format!("scale=320:192,{MPEG2}"));
    // Both in one seam, 0.52 to 0.96.
    let path = shown("mixed-mpeg2.mp4", &plain, true, |number| if number < 20 { 0x80 } else { film(number) });
    let fields = |path: &Path| {
        let all = told(path, &[]).into_iter();
        all.map(|(_, told)| told["interlaced_frame"] == 1).collect::<Vec<_>>()
    };
    let own = fields(&path);
    assert!(own[13..24].contains(&true) && own[13..24].contains(&false), "{own:?}");
    let report = carries(&path, 0.52, 2.13);
    assert_eq!(report.warnings, Vec::<String>::new());
    // Of a sequence without fields, pictures may be shown two and three times.
    let path = rewritten("doubled-mpeg2.mp4", &plain, "doubled", |number, own| {
        let mut bytes = own.to_vec();
        let is_coding = |own: &[u8]| own[..4] == [0, 0, 1, 0xB5] && own[4] >> 4 == 8;
        let at = own.windows(9).position(is_coding).unwrap();
        bytes[at + 7] |= [0, 0x02, 0x82][number % 3];
        bytes
    });
    let times = |told: &(f64, Value)| told.1["repeat_pict"].as_u64();
    let all: BTreeSet<_> = told(&path, &[]).iter().map(times).collect();
    assert_eq!(all.len(), 3);
    carries(&path, 0.52, 2.13);
}

#[test]
fn chroma_of_fields_is_said_of_420_alone() {
    oracle!("4:2:2 of MPEG-2 in smart cuts");
    let coding = MPEG2.replace("yuv420p", "yuv422p");
    let plain = pictures("mpeg2-422.mp4", &format!("scale=320:192,{coding}"));
    let path = shown("film-422.mp4", &plain, false, film);
    let made = holds_with(&path, &[range(0.52, 4.13)], CutAudio::Copy);
    for (pts, bytes) in packets(&made.path) {
        let coding = bytes.windows(9).find(|own| own[..4] == [0, 0, 1, 0xB5] && own[4] >> 4 == 8).unwrap();
        assert_eq!(coding[7] & 1, 0, "chroma_420_type at {pts}");
    }
}

#[test]
fn fields_that_seams_cannot_repeat_are_told_of() {
    oracle!("film of other rows in smart cuts");
    let plain = pictures("mpeg2-240.mp4", &format!("scale=320:240,{MPEG2}"));
    let path = shown("film-240.mp4", &plain, true, film);
    let made = holds_with(&path, &[range(0.52, 4.13)], CutAudio::Copy);
    assert!(
        made.report.warnings.iter().any(|told| told.contains("shown twice")),
        "{:?}",
        made.report.warnings
    );
    // How often pictures of HEVC are shown.
    let plain = pictures("hevc-doubled-not.mp4", &format!("{HEVC}:pic-struct=7"));
    // (x265 tells that such messages say it, and has none.)
    let path = rewritten("doubled-hevc.mp4", &plain, "doubled", |_, own| {
        with_messages(true, own, &[(1, vec![7 << 4 | 1 << 2 | 1])])
    });
    let doubled = |line: &String| line.contains(" pic_struct ") && line.ends_with("= 7");
    assert_eq!(headers(&path).into_iter().filter(doubled).count(), 150);
    let made = holds_with(&path, &[range(0.52, 4.13)], CutAudio::Copy);
    assert!(
        made.report.warnings.iter().any(|told| told.contains("for longer")),
        "{:?}",
        made.report.warnings
    );
}

/// What comes in front of a start code, in a packet that has it.
fn in_front_of(own: &[u8], code: u8, what: &[u8]) -> Vec<u8> {
    match own.windows(4).position(|four| four == [0, 0, 1, code]) {
        Some(at) => [&own[..at], what, &own[at..]].concat(),
        None => own.to_vec(),
    }
}

#[test]
fn user_data_of_groups_and_sequences() {
    oracle!("user data around groups in smart cuts");
    let plain = pictures("mpeg2.mp4", MPEG2);
    // Captions as DVDs have them lie in front of a group's first picture.
    let is_group = |own: &[u8]| own.windows(4).any(|four| four == [0, 0, 1, 0xB8]);
    let path = rewritten("captions-dvd.mp4", &plain, "dvd", |_, own| match is_group(own) {
        true => in_front_of(own, 0, b"\0\0\x01\xB2CC\x01\xF8\x82\xFF\x80\x80\xFE\x80\x80"),
        false => own.to_vec(),
    });
    let made = holds_with(&path, &[range(0.52, 4.13)], CutAudio::Copy);
    assert!(
        made.report.warnings.iter().any(|told| told.contains("user data of groups")),
        "{:?}",
        made.report
    );
    // What is said of a sequence stays behind each of its headers.
    let path = rewritten("user-sequence.mp4", &plain, "sequence", |_, own| {
        in_front_of(own, 0xB8, b"\0\0\x01\xB2of all")
    });
    let made = holds_with(&path, &[range(0.52, 4.13)], CutAudio::Copy);
    assert_eq!(made.report.warnings, Vec::<String>::new());
    let all = packets(&made.path);
    let with =
        |what: &[u8]| all.iter().filter(|(_, own)| own.windows(what.len()).any(|own| own == what)).count();
    assert!(with(&[0, 0, 1, 0xB3]) > 3);
    assert_eq!(with(b"\0\0\x01\xB2of all"), with(&[0, 0, 1, 0xB3]));
    // Where pictures are panned to is not said of seams.
    let path = rewritten("panned.mp4", &plain, "panned", |_, own| {
        in_front_of(own, 1, &[0, 0, 1, 0xB5, 0x70, 0x01, 0x80, 0x08, 0x40])
    });
    let made = holds_with(&path, &[range(0.52, 4.13)], CutAudio::Copy);
    assert!(made.report.warnings.iter().any(|told| told.contains("pan and scan")), "{:?}", made.report);
}

#[test]
fn messages_in_front_of_parameter_sets() {
    oracle!("buffering periods in smart cuts");
    let buffers = "nal-hrd=vbr:vbv-maxrate=3000:vbv-bufsize=3000";
    let path = pictures("buffers.mp4", &format!("{H264} -x264-params {buffers}"));
    // (From 7 on, FFmpeg puts the sets in front.)
    let copy = made_by_ffmpeg(
        "smart-carried-buffers.ts",
        &["-i", path.to_str().unwrap(), "-c", "copy", "-bsf:v", "h264_mp4toannexb"],
    );
    holds_with(&copy, &[range(0.52, 2.4), range(3.3, 4.13)], CutAudio::Copy);
}

#[test]
fn light_of_av1_goes_into_seams() {
    oracle!("light of AV1 in smart cuts");
    let display = "mastering-display=G(0.265,0.69)B(0.15,0.06)R(0.68,0.32)WP(0.3127,0.329)L(1000.0,0.0001)";
    let coding = format!(
        "format=yuv420p10le -c:v libsvtav1 -preset 12 -g 40 -svtav1-params {display}:content-light=1000,400"
    );
    let path = pictures("light-av1.mp4", &coding);
    let first = told(&path, &[])[0].1.to_string();
    assert!(first.contains("Mastering display") && first.contains("Content light"), "{first}");
    carries(&path, 0.52, 2.4);
}
