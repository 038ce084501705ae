//! Other containers that do not tell the times of what is in them, or not rightly.

use crate::{
    common::{self, ffprobe, made_by_ffmpeg, none, open, save},
    encode_cuts::{marked, pictures},
};
use avrope::{Cut, CutMode, TimeRange, cut, synth};

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
