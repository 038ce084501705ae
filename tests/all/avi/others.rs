//! Other containers that do not tell the times of what is in them, or not rightly.

use crate::{
    common::{self, ffprobe, made_by_ffmpeg, none, open, save},
    encode_cuts::{marked, pictures, sound},
};
use avrope::{Cut, CutMode, Remux, TimeRange, cut, remux, synth};

/// libav takes the clock that H.263 counts by, of 29.97 pictures a second, for their rate, and ASF says none.
#[test]
fn a_cut_into_wmv_has_the_pictures_of_h263_at_their_times() {
    oracle!("H.263 in WMV");
    let folder = tempfile::tempdir().unwrap();
    for rate in [15, 25] {
        let source = marked("h263.wmv", rate, &["-c:v", "h263", "-q:v", "2", "-c:a", "wmav2"]);
        let range = TimeRange::secs(0.5, 1.5).unwrap();
        let settings = Cut::new().keep(range).mode(CutMode::Encode).format("wmv");
        let piece = cut(&open(&source), &settings, &none()).unwrap();
        let found = pictures(&save(&piece, folder.path(), &format!("{rate}.wmv")));
        let all = pictures(&source);
        let shown = all.iter().filter(|(time, _)| (0.5..1.5).contains(time));
        let due: Vec<usize> = shown.map(|(_, number)| *number).collect();
        let numbers: Vec<usize> = found.iter().map(|(_, number)| *number).collect();
        // The range begins in the picture before.
        let (first, rest) = numbers.split_first().unwrap();
        assert!(rest == due && first + 1 == due[0] || numbers == due, "{rate}: {numbers:?}, due: {due:?}");
        let moved = found.iter().skip(1).map(|(time, number)| time - (all[*number].0 - 0.5));
        let moved: Vec<f64> = moved.collect();
        // All by as much as the sound's encoder delays it; each is rounded to a millisecond, here and there.
        let even = moved.iter().all(|by| (by - moved[0]).abs() < 0.0021);
        assert!(even && (0.0..0.1).contains(&moved[0]), "{rate}: {moved:?}");
    }
}

/// libav's muxer says of RealAudio 14.4 that each of its packets is heard at 0.
#[test]
fn real_audio_is_counted_where_its_packets_have_no_times() {
    oracle!("RealAudio 14.4");
    if !synth::has_encoder("real_144") {
        common::skipped("no encoder real_144");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let sound = ["-f", "lavfi", "-i", "sine=duration=4", "-c:a", "real_144", "-ar", "8000", "-ac", "1"];
    let source = made_by_ffmpeg("real-144.ra", &[&sound[..], &["-f", "rm"]].concat());
    let of = |path: &std::path::Path| {
        ffprobe(path, &["-show_packets", "-show_data_hash", "md5"])["packets"].clone()
    };
    let all = of(&source);
    let ranges = [TimeRange::secs(0.5, 1.5).unwrap(), TimeRange::secs(2.0, 3.0).unwrap()];
    let settings = Cut::new().keep(ranges[0]).keep(ranges[1]).mode(CutMode::Keyframe).format("mkv");
    let piece = cut(&open(&source), &settings, &none()).unwrap();
    let found = of(&save(&piece, folder.path(), "two.mkv"));
    let found = found.as_array().unwrap();
    // 20 ms each.
    let due: Vec<usize> = (25..75).chain(100..150).collect();
    assert_eq!(found.len(), due.len());
    for (i, (packet, number)) in found.iter().zip(due).enumerate() {
        assert_eq!(packet["data_hash"], all[number]["data_hash"], "packet {i}");
        assert_eq!(packet["pts"], i * 20, "packet {i}");
    }
}

/// Where the head of the sound's stream lies in an AVI, and that of its format.
fn heads(avi: &[u8]) -> (usize, usize) {
    let at = |name: &[u8], from: usize| from + avi[from..].windows(4).position(|it| it == name).unwrap() + 8;
    let header = at(b"strh", at(b"strh", 0));
    (header, at(b"strf", header))
}

#[test]
fn adpcm_whose_avi_tells_another_time_is_counted_by_its_blocks() {
    oracle!("ADPCM in AVI that tells another time");
    let folder = tempfile::tempdir().unwrap();
    for encoder in ["adpcm_ima_wav", "adpcm_ms"] {
        let coders = ["-c:v", "mpeg4", "-c:a", encoder, "-ar", "44100"];
        let honest = std::fs::read(marked(&format!("{encoder}.avi"), 25, &coders)).unwrap();
        let (header, format) = heads(&honest);
        let number = |at: usize| u32::from_le_bytes(honest[at..at + 4].try_into().unwrap());
        let (scale, rate) = (header + 20, header + 24);
        // Twice as fast, half as fast, a little faster, and without a scale.
        let lies =
            [(rate, 2 * number(rate)), (rate, number(rate) / 2), (rate, number(rate) / 10 * 11), (scale, 0)];
        for (at, lie) in lies {
            let mut bytes = honest.clone();
            bytes[at..at + 4].copy_from_slice(&lie.to_le_bytes());
            let source = folder.path().join("lie.avi");
            std::fs::write(&source, bytes).unwrap();
            let settings =
                Cut::new().keep(TimeRange::secs(1.3, 2.6).unwrap()).mode(CutMode::Encode).format("mkv");
            let piece = cut(&open(&source), &settings, &none()).unwrap();
            let warnings = &piece.report.warnings;
            assert!(warnings.iter().any(|it| it.contains("it is counted by its blocks")), "{warnings:?}");
            let late = sound(&save(&piece, folder.path(), "out.mkv"), 1.3).1;
            assert!(late.abs() < 0.002, "{encoder}, {lie} at {at}: the sound is {late} s late");
        }
        // The length of a block: then nothing tells when it is heard, and that is said.
        let mut bytes = honest.clone();
        let block = u16::from_le_bytes(honest[format + 12..format + 14].try_into().unwrap());
        bytes[format + 12..format + 14].copy_from_slice(&(2 * block).to_le_bytes());
        let source = folder.path().join("block.avi");
        std::fs::write(&source, bytes).unwrap();
        let warnings = open(&source).info().warnings.clone();
        assert!(warnings.iter().any(|it| it.contains("when it is heard is a guess")), "{warnings:?}");
    }
}

/// Its packets do not say how long they are. What ffmpeg writes states other bytes a second than there are,
/// and is counted by packets.
#[test]
fn speex_out_of_an_avi_is_heard_when_it_was() {
    oracle!("Speex out of AVI");
    let folder = tempfile::tempdir().unwrap();
    let coders = ["-c:v", "mpeg4", "-c:a", "libspeex", "-ar", "16000"];
    let source = marked("speex.mkv", 25, &coders);
    let ours =
        save(&remux(&open(&source), &Remux::new().format("avi"), &none()).unwrap(), folder.path(), "s.avi");
    let theirs = marked("speex.avi", 25, &coders);
    for (whose, avi) in [("ours", ours), ("ffmpeg's", theirs)] {
        let again = remux(&open(&avi), &Remux::new().format("mkv"), &none()).unwrap();
        let packets =
            ffprobe(&save(&again, folder.path(), "again.mkv"), &["-select_streams", "a", "-show_packets"]);
        let packets = packets["packets"].as_array().unwrap().clone();
        assert!(packets.len() > 100, "{whose}: {}", packets.len());
        for (i, packet) in packets.iter().enumerate() {
            // Matroska rounds to milliseconds, and bytes a second to 2 %.
            let (found, due) = (packet["pts"].as_f64().unwrap(), 20.0 * i as f64);
            assert!((found - due).abs() <= 1.0 + due * 0.02, "{whose}: packet {i} at {found} ms");
        }
    }
}
