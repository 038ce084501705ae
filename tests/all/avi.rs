//! AVI has no timestamps: when sound is heard follows from how its frames, or its bytes, are counted.

mod order;
mod others;
mod places;

use crate::common::{self, ffprobe, made_by_ffmpeg, none, open, save};
use avrope::{
    Cut, CutMode, Join, Remux, Source, TimeRange, Transcode, cut, join, remux, synth, transcode,
    transcode::{AudioCodec, AudioSettings, VideoCodec, VideoSettings},
};
use std::path::{Path, PathBuf};

/// Four seconds of pictures, and of sound from this encoder.
fn source(encoder: &str, rate: &str, ending: &str) -> PathBuf {
    let pictures = ["-f", "lavfi", "-i", "testsrc2=size=192x108:rate=25:duration=4"];
    let sound = ["-f", "lavfi", "-i", "sine=duration=4"];
    let codecs = ["-c:v", "mpeg4", "-c:a", encoder, "-ar", rate, "-ac", "2", "-strict", "-2"];
    made_by_ffmpeg(&format!("avi-{encoder}-{rate}.{ending}"), &[&pictures[..], &sound, &codecs].concat())
}

/// When each packet of sound is heard.
fn times(path: &Path) -> Vec<f64> {
    let told = ffprobe(path, &["-select_streams", "a:0", "-show_packets"]);
    let packets = told["packets"].as_array().unwrap();
    packets.iter().map(|packet| packet["pts_time"].as_str().unwrap().parse().unwrap()).collect()
}

fn last(path: &Path) -> f64 {
    times(path).last().copied().unwrap()
}

#[test]
fn copied_sound_is_heard_when_it_was_in_its_avi() {
    oracle!("sound from AVI into AVI");
    let folder = tempfile::tempdir().unwrap();
    for (encoder, rate) in [
        ("ac3", "44100"),
        ("ac3", "32000"),
        ("libmp3lame", "44100"),
        ("libmp3lame", "22050"),
        ("mp2", "44100"),
        ("aac", "44100"),
        ("flac", "44100"),
        ("adpcm_ms", "44100"),
        ("adpcm_ima_wav", "44100"),
        ("pcm_s16le", "44100"),
    ] {
        if !synth::has_encoder(encoder) {
            common::skipped(&format!("no encoder {encoder}"));
            continue;
        }
        let source = source(encoder, rate, "avi");
        let (media, due) = (open(&source), times(&source));
        let copied =
            save(&remux(&media, &Remux::new().format("avi"), &none()).unwrap(), folder.path(), "r.avi");
        assert_eq!(times(&copied), due, "{encoder}, {rate} Hz");
    }
}

#[test]
fn every_way_of_copying_ac3_into_avi_keeps_its_times() {
    oracle!("AC-3 into AVI");
    let folder = tempfile::tempdir().unwrap();
    let source = source("ac3", "44100", "avi");
    let (media, due) = (open(&source), times(&source));
    let settings = Transcode::new()
        .format("avi")
        .video(VideoSettings::new().codec(VideoCodec::Mpeg4))
        .audio(AudioSettings::new().codec(AudioCodec::Copy));
    let encoded = save(&transcode(&media, &settings, &none()).unwrap(), folder.path(), "t.avi");
    assert_eq!(times(&encoded), due, "transcode");
    let range = TimeRange::secs(0.0, 2.0).unwrap();
    let settings = Cut::new().keep(range).mode(CutMode::Keyframe).format("avi");
    let piece = save(&cut(&media, &settings, &none()).unwrap(), folder.path(), "c.avi");
    // The last one that ends in the range begins up to two frames before its end; a frame has 1536 samples.
    let frame = 1536.0 / 44_100.0;
    assert!((last(&piece) - 2.0).abs() <= 2.0 * frame, "cut: {}", last(&piece));
    let both = [Source::open(&source).unwrap(), Source::open(&source).unwrap()];
    let joined = save(&join(&both, &Join::new().format("avi"), &none()).unwrap(), folder.path(), "j.avi");
    let second = 4.0 + due.last().unwrap();
    assert!((last(&joined) - second).abs() <= 2.0 * frame, "join: {}, not {second}", last(&joined));
}

/// ffmpeg's own AVI of these says 830 s and 2045 s of 4.
#[test]
fn sound_of_one_bit_rate_is_counted_by_its_bytes() {
    oracle!("E-AC-3 and DTS into AVI");
    let folder = tempfile::tempdir().unwrap();
    for encoder in ["eac3", "dca"] {
        let source = source(encoder, "44100", "mkv");
        let copied = remux(&open(&source), &Remux::new().format("avi"), &none()).unwrap();
        let copied = save(&copied, folder.path(), &format!("{encoder}.avi"));
        let (found, due) = (last(&copied), last(&source));
        // Their bit rate is of whole frames, which have an even number of bytes: of some 400, up to half a
        // percent off.
        assert!((found - due).abs() < 0.005 * due, "{encoder}: {found}, not {due}");
    }
}

#[test]
fn sound_that_drifts_in_avi_is_told_of() {
    oracle!("Vorbis, DTS and AC-3 into AVI");
    for (encoder, codec) in [("libvorbis", Some("vorbis")), ("dca", Some("dts")), ("ac3", None)] {
        let source = source(encoder, "44100", "mkv");
        let copied = remux(&open(&source), &Remux::new().format("avi"), &none()).unwrap();
        let told = copied.report.warnings.iter().find(|warning| warning.contains("has no times for sound"));
        match codec {
            Some(codec) => {
                assert!(told.unwrap().starts_with(&format!("stream 1 ({codec}): avi ")), "{told:?}")
            }
            None => assert_eq!(told, None, "{encoder}"),
        }
    }
}

#[test]
fn adpcm_without_blocks_needs_no_size_of_one() {
    oracle!("ADPCM without blocks");
    let folder = tempfile::tempdir().unwrap();
    // NUT and raw G.722 do not say how long a block is.
    for (encoder, rate, ending) in [("g722", "16000", "g722"), ("adpcm_yamaha", "44100", "nut")] {
        let sound = ["-f", "lavfi", "-i", "sine=duration=1", "-c:a", encoder, "-ar", rate, "-ac", "1"];
        let source = made_by_ffmpeg(&format!("blockless-{encoder}.{ending}"), &sound);
        let copied = remux(&open(&source), &Remux::new().format("wav"), &none()).unwrap();
        let copied = save(&copied, folder.path(), &format!("{encoder}.wav"));
        assert_eq!(samples(&copied), samples(&source), "{encoder}");
    }
}

fn samples(path: &Path) -> Vec<u8> {
    common::ffmpeg(&["-i", path.to_str().unwrap(), "-f", "s16le", "-"]).0
}
