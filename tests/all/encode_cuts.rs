//! Cuts that encode: whatever a source is, the pictures and the sound of a range come out, each at its time,
//! in the source's own codecs where that can be, near the source's quality; and what does not is told of.
//!
//! The clips here tell by their content what time it is: each picture shows its number, the sound is a sweep.

use crate::common::{self, ffmpeg, ffprobe, made_by_ffmpeg, open, save};
use avrope::{Clip, Control, Cut, CutMode, TimeRange, Transcode, cut, transcode, transcode::AudioSettings};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

// ---- clips that tell the time

/// The bits of a picture's number, as bands beside each other.
const BANDS: u32 = 8;
const SIZE: (u32, u32) = (176, 144);
/// The rate that sound is looked at with.
const RATE: usize = 8000;

/// 4 s of pictures that show their numbers, with a little of a picture's noise, and a sweep from 300 to 1,900
/// Hz.
pub(crate) fn marked(name: &str, rate: u32, arguments: &[&str]) -> PathBuf {
    let (w, h) = SIZE;
    let band = w / BANDS;
    let bands = (0..BANDS).map(|bit| {
        let (x, part) = (bit * band, 1 << bit);
        format!("drawbox=x={x}:y=0:w={band}:h={h}:color=white:t=fill:enable='mod(floor(n/{part}),2)'")
    });
    let bands: Vec<String> = bands.collect();
    let pictures = format!("color=black:s={w}x{h}:r={rate}:d=4,{},noise=alls=6", bands.join(","));
    let sweep = "aevalsrc='0.4*sin(2*PI*(300*t+200*t*t))':s=48000:d=4";
    let inputs = ["-f", "lavfi", "-i", &pictures, "-f", "lavfi", "-i", sweep];
    made_by_ffmpeg(&format!("marked-{rate}-{name}"), &[&inputs[..], arguments].concat())
}

/// The pictures of a file: when each is shown, and the number that it shows.
pub(crate) fn pictures(path: &Path) -> Vec<(f64, usize)> {
    let scale = format!("scale={BANDS}:1:flags=area,format=gray");
    let file = path.to_str().unwrap();
    let arguments = ["-i", file, "-map", "0:v:0", "-fps_mode", "passthrough", "-vf", &scale];
    let (bytes, _) = ffmpeg(&[&arguments[..], &["-f", "rawvideo", "-"]].concat());
    let numbers = bytes.chunks_exact(BANDS as usize).map(|bands| {
        let bits = bands.iter().enumerate().map(|(bit, level)| {
            assert!(!(60..190).contains(level), "{file}: a band is neither black nor white: {bands:?}");
            usize::from(*level > 128) << bit
        });
        bits.sum()
    });
    let times = common::frames(path, "0:v:0").into_iter().map(|frame| frame.time);
    times.zip(numbers).collect()
}

/// How long the sound of a file is, and how much later than in the source it is heard, the file's time 0
/// being the source's `from`; in seconds.
pub(crate) fn sound(path: &Path, from: f64) -> (f64, f64) {
    let rate = RATE.to_string();
    let streams = ffprobe(path, &["-select_streams", "a:0", "-show_entries", "stream=codec_name"]);
    let decoder: &[&str] = match streams["streams"][0]["codec_name"].as_str() {
        // FFmpeg 7's own decoder gives twice as many samples.
        Some("speex") => &["-c:a", "libspeex"],
        // With more threads FFmpeg 9's loses samples behind packets that an edit list hides.
        Some("flac") => &["-threads", "1"],
        _ => &[],
    };
    let decoded = ["-map", "0:a:0", "-ac", "1", "-ar", &rate, "-f", "s16le", "-"];
    let (bytes, _) = ffmpeg(&[decoder, &["-i", path.to_str().unwrap()], &decoded].concat());
    let heard: Vec<f64> = bytes.chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]]).into()).collect();
    let sweep = |sample: i64| {
        let t = sample as f64 / RATE as f64;
        (std::f64::consts::TAU * (300.0 * t + 200.0 * t * t)).sin()
    };
    // Half a second from the middle is looked for around where it should be.
    let (at, len) = (heard.len() as i64 / 2 - RATE as i64 / 4, RATE as i64 / 2);
    let piece = &heard[at as usize..(at + len) as usize];
    let due = (from * RATE as f64).round() as i64 + at;
    let alike = |lag: &i64| piece.iter().zip(due + lag..).map(|(a, i)| a * sweep(i)).sum::<f64>() as i64;
    let lag = (-(RATE as i64) / 5..RATE as i64 / 5).max_by_key(alike).unwrap();
    let first = common::frames(path, "0:a:0")[0].time;
    (heard.len() as f64 / RATE as f64, first - lag as f64 / RATE as f64)
}

fn encode_cut(source: &Path, (from, to): (f64, f64), format: &str) -> Clip {
    let range = TimeRange::secs(from, to).unwrap();
    let settings = Cut::new().keep(range).mode(CutMode::Encode).format(format);
    cut(&open(source), &settings, &Control::default()).unwrap_or_else(|e| panic!("{}: {e}", source.display()))
}

/// Asserts the pictures of a range of a source of this rate: all of them, each at its time.
fn assert_pictures(path: &Path, rate: f64, (from, to): (f64, f64), late: f64) {
    let found = pictures(path);
    // Of the picture that a range begins in, half is enough, or half of 40 ms.
    let enough = (rate.recip().min(0.04) / 2.0) * rate;
    let first = (from * rate + enough - 1.0 - 1e-6).ceil() as usize;
    let last = (to * rate - 1e-6).ceil() as usize;
    let numbers: Vec<usize> = found.iter().map(|(_, number)| *number).collect();
    assert_eq!(numbers, (first..last).collect::<Vec<_>>(), "{}", path.display());
    for (time, number) in found {
        let due = (number as f64 / rate - from).max(0.0) + late;
        // A millisecond is what Matroska and FLV count in.
        assert!((time - due).abs() < 0.0011, "{}: {number} at {time}, due at {due}", path.display());
    }
}

// ---- times

#[test]
fn pictures_without_times_of_their_own_come_in_the_order_that_they_are_shown_in() {
    oracle!("pictures without times");
    let folder = tempfile::tempdir().unwrap();
    // Borders on the grid of the pictures, off it, in front of and behind a keyframe of an open GOP.
    const ALL: bool = cfg!(feature = "full-tests");
    const CORE: [f64; 3] = [0.0, 0.513, 0.44];
    let ranges =
        [(0.0, 4.0), (0.52, 1.52), (0.5, 1.513), (0.513, 1.1), (0.44, 1.0), (0.48, 1.08), (2.9, 4.0)];
    let coders: [(&str, u32, &[&str]); 5] = [
        ("mpeg4b2.avi", 25, &["-c:v", "mpeg4", "-bf", "2"]),
        ("mpeg4.avi", 10, &["-c:v", "mpeg4"]),
        ("h264b3.avi", 25, &["-c:v", "libx264", "-bf", "3", "-preset", "veryfast"]),
        ("mpeg2.avi", 25, &["-c:v", "mpeg2video", "-bf", "2"]),
        ("mjpeg.avi", 10, &["-c:v", "mjpeg", "-pix_fmt", "yuvj420p"]),
    ];
    for (name, rate, coder) in coders.into_iter().take(if ALL { 5 } else { 3 }) {
        let source = marked(name, rate, &[coder, &["-q:v", "2", "-c:a", "pcm_s16le"]].concat());
        for (from, to) in ranges.into_iter().filter(|(from, _)| ALL || CORE.contains(from)) {
            let clip = encode_cut(&source, (from, to), "mkv");
            assert_eq!(clip.report.warnings, Vec::<String>::new(), "{name} {from}..{to}");
            let path = save(&clip, folder.path(), &format!("{name}-{from}-{to}.mkv"));
            assert_pictures(&path, rate.into(), (from, to), 0.0);
            let (seconds, late) = sound(&path, from);
            assert!(
                (seconds - (to.min(4.0) - from)).abs() < 0.002,
                "{name} {from}..{to}: {seconds} s of sound"
            );
            assert!(late.abs() < 0.001, "{name} {from}..{to}: sound is {late} s late");
        }
    }
}

#[test]
fn a_container_of_one_rate_keeps_the_sources_at_a_border_off_its_grid() {
    oracle!("AVI's rate");
    let folder = tempfile::tempdir().unwrap();
    for (rate, container) in [(10, "avi"), (25, "avi"), (25, "mkv")] {
        let coder = ["-c:v", "mpeg4", "-q:v", "2", "-c:a", "pcm_s16le"];
        let source = marked(&format!("plain.{container}"), rate, &coder);
        let clip = encode_cut(&source, (0.513, 1.713), "avi");
        assert_eq!(clip.report.warnings, Vec::<String>::new(), "{rate} in {container}");
        let path = save(&clip, folder.path(), &format!("{rate}-{container}.avi"));
        let stream = &ffprobe(&path, &["-select_streams", "v", "-show_entries", "stream=r_frame_rate"]);
        assert_eq!(stream["streams"][0]["r_frame_rate"], format!("{rate}/1"), "{container}");
        let found = pictures(&path);
        // Each half a picture's length away at most, as they come.
        let first = if rate == 10 { 5 } else { 13 };
        let numbers: Vec<usize> = found.iter().map(|(_, number)| *number).collect();
        assert_eq!(
            numbers,
            (first..first + rate as usize * 12 / 10).collect::<Vec<_>>(),
            "{rate} in {container}"
        );
        for (i, (time, number)) in found.into_iter().enumerate() {
            assert!(
                (time - i as f64 / f64::from(rate)).abs() < 1e-3,
                "{rate} in {container}: {number} at {time}"
            );
        }
        assert!(sound(&path, 0.513).1.abs() < 1e-3);
    }
}

#[test]
fn the_first_picture_lands_at_0_where_the_container_can_say_what_lies_before() {
    oracle!("where the first picture lands");
    let folder = tempfile::tempdir().unwrap();
    let stated = common::lavf() >= 61;
    // The container, the sound's codec in the source, and how late all is.
    let cases = [
        ("mp4", "aac", 0.0),
        ("mkv", "flac", 0.0),
        ("mkv", "libopus", 0.0),
        ("webm", "libopus", 0.0),
        // Before FFmpeg 7 its muxer did not state the delay of AAC: 1024 samples.
        ("mkv", "aac", if stated { 0.0 } else { 0.0213 }),
        // The two pictures that are decoded first.
        ("flv", "aac", 0.08),
    ];
    for (format, codec, late) in cases {
        let source = marked(
            &format!("{codec}.mp4"),
            25,
            &["-c:v", "libx264", "-bf", "0", "-strict", "-2", "-c:a", codec],
        );
        let clip = encode_cut(&source, (0.52, 1.52), format);
        let path = save(&clip, folder.path(), &format!("{codec}.{format}"));
        assert_pictures(&path, 25.0, (0.52, 1.52), late);
        // FLV's and old Matroska's readers hear what the encoder needed to get going, too: it is no later
        // than the picture.
        let heard = sound(&path, 0.52).1;
        assert!((heard - late).abs() < 0.0015, "{codec} in {format}: sound is {heard} s late");
    }
}

// ---- losses

#[test]
fn what_an_mp4_shows_is_said_by_its_edit_list_and_not_by_opus() {
    oracle!("Opus' pre-skip");
    let folder = tempfile::tempdir().unwrap();
    let fragments = ["-movflags", "frag_keyframe+empty_moov+default_base_moof", "-use_editlist", "0"];
    let source = marked("preskip.mp4", 25, &[&["-vn", "-c:a", "libopus"], &fragments[..]].concat());
    let mut bytes = std::fs::read(source).unwrap();
    let at = bytes.windows(4).position(|word| word == b"dOps").unwrap();
    bytes[at + 6..at + 8].copy_from_slice(&36_000_u16.to_be_bytes());
    let source = folder.path().join("preskip.mp4");
    std::fs::write(&source, bytes).unwrap();
    let path = save(&encode_cut(&source, (0.1, 2.1), "wav"), folder.path(), "out.wav");
    let (seconds, late) = sound(&path, 0.1);
    assert!((seconds - 2.0).abs() < 1e-3, "{seconds} s");
    // The encoder's own delay is in front of all, and nothing says so.
    assert!((late - 0.0065).abs() < 1e-3, "{late} s late");
}

#[test]
fn a_cut_begins_at_a_real_keyframe_where_all_are_flagged_as_such() {
    oracle!("false keyframes");
    let folder = tempfile::tempdir().unwrap();
    for (name, codec) in [
        ("h263.avi", &["-c:v", "h263", "-c:a", "pcm_s16le"][..]),
        ("gif.mkv", &["-c:v", "gif", "-c:a", "flac"]),
    ] {
        let source = marked(name, 25, codec);
        let clip = encode_cut(&source, (0.52, 1.52), "mkv");
        let kept = |warning: &String| !warning.contains("stream 0: gif becomes h264: ");
        assert_eq!(clip.report.warnings.iter().filter(|w| kept(w)).count(), 0, "{name}: {:?}", clip.report);
        let path = save(&clip, folder.path(), &format!("{name}.mkv"));
        let numbers: Vec<usize> = pictures(&path).iter().map(|(_, number)| *number).collect();
        assert_eq!(numbers, (13..38).collect::<Vec<_>>(), "{name}");
    }
}

#[test]
fn sound_of_an_avi_is_counted_where_its_header_tells_nonsense() {
    oracle!("AVI's clocks");
    let folder = tempfile::tempdir().unwrap();
    // 192, 942, 37, 1.3 and sometimes 2 times as long by their timestamps.
    for codec in ["eac3", "dca", "libspeex", "libvorbis", "flac"] {
        let arguments = ["-c:v", "mpeg4", "-c:a", codec, "-strict", "-2"];
        let source = marked(&format!("{codec}.avi"), 25, &arguments);
        // Encoders have delays that AVI does not tell.
        let delay = sound(&source, 0.0).1;
        for format in ["avi", "mkv"] {
            let clip = encode_cut(&source, (0.52, 1.52), format);
            let path = save(&clip, folder.path(), &format!("{codec}.{format}"));
            let (seconds, late) = sound(&path, 0.52);
            // A frame more, and its encoder's delay, where a container does not cut it off.
            assert!((0.999..1.07).contains(&seconds), "{codec} in {format}: {seconds} s");
            let late = late - delay;
            assert!(late.abs() < 0.036, "{codec} in {format}: {late} s late");
        }
    }
}

#[test]
fn the_last_sound_does_not_stay_in_an_encoder_that_looks_ahead() {
    oracle!("the last sound");
    let folder = tempfile::tempdir().unwrap();
    // A whole number of frames of all but wmav2: no silence is in the last one that could be left out
    // instead.
    let source = marked("end.wav", 25, &["-vn", "-c:a", "pcm_s16le", "-t", "3.84"]);
    for (encoder, format) in [
        ("ac3", "mkv"),
        ("ac3", "mp4"),
        ("eac3", "mkv"),
        ("mp2", "mkv"),
        ("libtwolame", "mkv"),
        ("libspeex", "mkv"),
        ("wmav2", "asf"),
        ("g722", "mkv"),
        // One that sees to it itself.
        ("libmp3lame", "mkv"),
    ] {
        let settings = Transcode::new().format(format).audio(AudioSettings::new().codec(encoder.into()));
        let clip = transcode(&open(&source), &settings, &Control::default()).unwrap();
        assert!(
            (clip.report.duration.as_secs_f64() - 3.84).abs() < 1e-9,
            "{encoder}: {} s",
            clip.report.duration.as_secs_f64()
        );
        let path = save(&clip, folder.path(), &format!("{encoder}.{format}"));
        let (seconds, late) = sound(&path, 0.0);
        let until = common::frames(&path, "0:a:0")[0].time + seconds - late;
        // A millisecond for the samples at 8 kHz, and for Matroska's times.
        assert!(until > 3.839, "{encoder} in {format}: the source is heard until {until} s");
    }
}

#[test]
fn a_stream_of_which_nothing_comes_is_told_of() {
    oracle!("streams of which nothing comes");
    let source = marked("short.mkv", 25, &["-c:v", "mpeg4", "-c:a", "flac", "-af", "atrim=end=1"]);
    let clip = encode_cut(&source, (2.0, 3.0), "mkv");
    let why = "nothing of it lies in what is kept";
    assert_eq!(clip.report.warnings, [format!("stream 1 (flac) is left out: {why}")]);
    assert_eq!(
        (clip.report.dropped_streams[0].index, clip.report.dropped_streams[0].reason.as_str()),
        (1, why)
    );

    // Without the first picture, which has the header of all, no other can be decoded.
    let headless = ["-c:v", "gif", "-bsf:v", "noise=drop='eq(n,0)'", "-c:a", "flac"];
    let source = marked("headless.mkv", 25, &headless);
    let settings = Cut::new().keep(TimeRange::secs(0.0, 1.0).unwrap()).mode(CutMode::Encode).format("mkv");
    let error = cut(&open(&source), &settings, &Control::default()).unwrap_err();
    assert_eq!(error.setting(), Some("allow_drops"), "it is all video: {error}");
    let clip = cut(&open(&source), &settings.allow_drops(true), &Control::default()).unwrap();
    let warned = |what: &str| clip.report.warnings.iter().any(|warning| warning.contains(what));
    assert!(warned("stream 0 (gif) is left out: not one frame of it could be decoded"), "{:?}", clip.report);
    assert!(warned("damaged packets") && clip.report.decode_errors > 0, "{:?}", clip.report);
}

// ---- codecs and quality

/// How much pictures differ from those of a source from a number on: the mean of the planes' PSNR, in dB.
fn psnr(source: &Path, first: usize, path: &Path) -> f64 {
    let (from, to) = (first, first + 25);
    let graph = format!(
        "[0:v]trim=start_frame={from}:end_frame={to},setpts=N/25/TB[a];[1:v]setpts=N/25/TB[b];[a][b]psnr=stats_file=-"
    );
    let inputs = ["-i", source.to_str().unwrap(), "-i", path.to_str().unwrap()];
    let (text, _) = ffmpeg(&[&inputs[..], &["-lavfi", &graph, "-f", "null", "-"]].concat());
    let text = String::from_utf8(text).unwrap();
    let each =
        text.lines().filter_map(|line| line.split("psnr_avg:").nth(1)?.split(' ').next()?.parse().ok());
    let each: Vec<f64> = each.map(|db: f64| db.min(100.0)).collect();
    assert_eq!(each.len(), 25, "{}: pictures that were compared", path.display());
    each.iter().sum::<f64>() / 25.0
}

#[test]
fn a_cut_keeps_the_codecs_of_its_source_near_their_quality() {
    oracle!("codecs of a cut");
    let folder = tempfile::tempdir().unwrap();
    let cases: [(&str, &[&str], &[&str]); 12] = [
        ("out.m2ts", &["-c:v", "mpeg2video", "-c:a", "ac3"], &["mpeg2video", "ac3"]),
        ("out.ogg", &["-vn", "-c:a", "libvorbis"], &["vorbis"]),
        ("out.mkv", &["-c:v", "mjpeg", "-pix_fmt", "yuvj420p", "-c:a", "libvorbis"], &["mjpeg", "vorbis"]),
        ("out.avi", &["-c:v", "mpeg4", "-c:a", "libmp3lame"], &["mpeg4", "mp3"]),
        ("out.mov", &["-c:v", "prores", "-c:a", "pcm_s24le"], &["prores", "pcm_s24le"]),
        ("out.webm", &["-c:v", "libvpx", "-b:v", "1M", "-c:a", "libopus"], &["vp8", "opus"]),
        ("out.mpg", &["-c:v", "mpeg1video", "-c:a", "mp2"], &["mpeg1video", "mp2"]),
        ("out.flv", &["-c:v", "flv", "-c:a", "libmp3lame", "-ar", "44100"], &["flv1", "mp3"]),
        ("out.wmv", &["-c:v", "wmv2", "-c:a", "wmav2"], &["wmv2", "wmav2"]),
        ("out.3gp", &["-c:v", "h263", "-c:a", "aac"], &["h263", "aac"]),
        ("out.ogv", &["-c:v", "libtheora", "-c:a", "libvorbis"], &["theora", "vorbis"]),
        ("out.nut", &["-c:v", "ffv1", "-c:a", "flac"], &["ffv1", "flac"]),
    ];
    for (name, arguments, codecs) in cases {
        let format = name.split('.').next_back().unwrap();
        // Away from what follows a container's own clock.
        let source =
            marked(&format!("kept.{format}"), 25, &[arguments, &["-q:v", "3", "-strict", "-2"]].concat());
        let clip = encode_cut(&source, (0.0, 1.0), format);
        assert_eq!(clip.report.warnings, Vec::<String>::new(), "{name}");
        let path = save(&clip, folder.path(), name);
        let streams = ffprobe(&path, &["-show_entries", "stream=codec_name"]);
        let streams = streams["streams"].as_array().unwrap().iter();
        let found: BTreeSet<&str> = streams.map(|stream| stream["codec_name"].as_str().unwrap()).collect();
        assert_eq!(found, codecs.iter().copied().collect(), "{name}");
        if codecs.len() > 1 {
            let db = psnr(&source, 0, &path);
            assert!(db > 40.0, "{name}: {db} dB");
        }
    }
}

/// A container, how its pictures are made and what their codec is, and the same of its sound.
type Foreign = (&'static str, &'static [&'static str], &'static str, &'static [&'static str], &'static str);

#[test]
fn what_a_container_has_shown_that_it_holds_it_holds_again() {
    oracle!("codecs of other containers");
    let folder = tempfile::tempdir().unwrap();
    // None of these is at home there.
    let cases: [Foreign; 13] = [
        ("mov", &["ffv1"], "ffv1", &["aac"], "aac"),
        ("avi", &["h263"], "h263", &["flac"], "flac"),
        ("nut", &["prores_ks"], "prores", &["flac"], "flac"),
        ("mpg", &["mpeg4"], "mpeg4", &["mp2"], "mp2"),
        ("avi", &["flv"], "flv1", &["eac3"], "eac3"),
        ("avi", &["libtheora"], "theora", &["ac3"], "ac3"),
        ("avi", &["wmv2"], "wmv2", &["libspeex", "-ar", "16000", "-ac", "1"], "speex"),
        ("avi", &["prores_ks"], "prores", &["adpcm_ms"], "adpcm_ms"),
        ("avi", &["libvpx", "-b:v", "1M"], "vp8", &["adpcm_ima_wav"], "adpcm_ima_wav"),
        ("avi", &["libvpx-vp9", "-b:v", "1M", "-deadline", "realtime"], "vp9", &["flac"], "flac"),
        ("mov", &["flv"], "flv1", &["aac"], "aac"),
        ("mov", &["wmv2"], "wmv2", &["aac"], "aac"),
        ("mov", &["libtheora"], "theora", &["aac"], "aac"),
    ];
    for (container, video, picture, audio, heard) in
        cases.into_iter().take(if cfg!(feature = "full-tests") { 13 } else { 4 })
    {
        let what = format!("{picture}-{heard}.{container}");
        let coded = [&["-c:v"], video, &["-q:v", "3", "-c:a"], audio].concat();
        let source = marked(&what, 25, &coded);
        let clip = encode_cut(&source, (0.0, 1.0), container);
        let path = save(&clip, folder.path(), &what);
        let streams = ffprobe(&path, &["-show_entries", "stream=codec_name"]);
        let streams = streams["streams"].as_array().unwrap().iter();
        let found: Vec<&str> = streams.map(|stream| stream["codec_name"].as_str().unwrap()).collect();
        assert_eq!(found, [picture, heard], "{what}: {:?}", clip.report.warnings);
        // All 25 pictures are there, or it does not compare them.
        let db = psnr(&source, 0, &path);
        assert!(db > 40.0, "{what}: {db} dB");
        // A frame of the longest, of ADPCM in blocks of 1024 bytes, or the priming that AVI does not tell.
        let (seconds, _) = sound(&path, 0.0);
        assert!((seconds - 1.0).abs() < 0.045, "{what}: {seconds} s of sound");
        // Others, who go by the file's times, hear it as long: the last packet begins within a frame of the
        // end. MPEG-PS begins its clock above 0.
        let told =
            ffprobe(&path, &["-select_streams", "a:0", "-show_entries", "format=start_time:packet=pts_time"]);
        let seconds = |value: &serde_json::Value| value.as_str().unwrap().parse::<f64>().unwrap();
        let packets = told["packets"].as_array().unwrap();
        let last = seconds(&packets.last().unwrap()["pts_time"]) - seconds(&told["format"]["start_time"]);
        assert!((0.85..1.045).contains(&last), "{what}: its last packet of sound is at {last} s");
    }
    // AVI can't say when Vorbis is heard, whatever a source of that kind has shown.
    let source = marked("vorbis.avi", 25, &["-c:v", "mpeg4", "-c:a", "libvorbis"]);
    let warnings = encode_cut(&source, (0.0, 1.0), "avi").report.warnings;
    assert!(warnings.iter().any(|w| w.contains("vorbis becomes mp3")), "{warnings:?}");
    // H.264 would be encoded in another order than it is shown in, and AVI has no word for that.
    let source =
        marked("h264.avi", 25, &["-c:v", "libx264", "-bf", "0", "-preset", "veryfast", "-c:a", "mp3"]);
    let warnings = encode_cut(&source, (0.0, 0.5), "avi").report.warnings;
    assert!(warnings.iter().any(|w| w.contains("h264 becomes mpeg4: avi does not say when")), "{warnings:?}");
}

#[test]
fn a_codec_that_is_not_kept_is_told_of() {
    oracle!("codecs that are not kept");
    let source = marked("vorbis.mkv", 25, &["-c:v", "mpeg4", "-c:a", "libvorbis"]);
    for (format, what) in [
        ("mpg", "stream 0: mpeg4 becomes mpeg1video: it is not at home in mpg"),
        ("avi", "stream 1: vorbis becomes mp3: it is not at home in avi"),
    ] {
        let warnings = encode_cut(&source, (0.0, 0.5), format).report.warnings;
        assert!(warnings.iter().any(|warning| warning == what), "{format}: {warnings:?}");
    }
}

// ---- sound that lies in front of a keyframe in the file

#[test]
fn long_packets_of_sound_begin_before_the_keyframe_in_the_file() {
    oracle!("long packets of sound");
    let folder = tempfile::tempdir().unwrap();
    let mjpeg: &[&str] = &["-c:v", "mjpeg", "-pix_fmt", "yuvj420p"];
    let gop: &[&str] = &["-c:v", "libx264", "-g", "25", "-sc_threshold", "0", "-preset", "veryfast"];
    // The last ones are of the tier that may take longer.
    let cases = [
        ("mkv", mjpeg, "wavpack"),
        ("mkv", mjpeg, "flac"),
        ("nut", mjpeg, "flac"),
        ("mkv", gop, "flac"),
        ("mkv", mjpeg, "tta"),
        ("nut", mjpeg, "wavpack"),
        ("mkv", mjpeg, "alac"),
        ("mkv", mjpeg, "pcm_s16le"),
        ("mkv", &["-c:v", "prores"], "flac"),
    ];
    for (container, video, audio) in cases.into_iter().take(if cfg!(feature = "full-tests") { 9 } else { 4 })
    {
        let name = format!("{}-{audio}.{container}", video[1]);
        let source = marked(&name, 25, &[video, &["-q:v", "2", "-c:a", audio]].concat());
        // On a keyframe, in the middle of a group of pictures, in the second half of a picture.
        for (from, to) in [(2.04, 3.0), (2.0, 3.0), (1.1, 3.3), (0.5, 1.5)] {
            let clip = encode_cut(&source, (from, to), "mkv");
            let path = save(&clip, folder.path(), "cut.mkv");
            let (seconds, late) = sound(&path, from);
            assert!((seconds - (to - from)).abs() < 0.001, "{name} {from}..{to}: {seconds} s");
            assert!(late.abs() < 0.0015, "{name} {from}..{to}: {late} s late");
            let first = common::frames(&path, "0:a:0")[0].time;
            assert!(first.abs() < 0.0011, "{name} {from}..{to}: sound begins at {first} s");
        }
    }
}

#[test]
fn a_copy_has_the_long_packet_of_sound_that_its_keyframe_lies_in() {
    oracle!("copies of long packets");
    let folder = tempfile::tempdir().unwrap();
    for (container, audio) in [("mkv", "flac"), ("nut", "flac"), ("mkv", "wavpack")] {
        // A packet begins at 2.016 s or at 2 s, whatever this FFmpeg's encoder makes unasked.
        let blocks = ["-frame_size", if audio == "flac" { "4608" } else { "48000" }];
        let coder = ["-c:v", "mjpeg", "-pix_fmt", "yuvj420p", "-q:v", "2", "-c:a", audio];
        let coder = [&coder[..], &blocks].concat();
        let source = marked(&format!("mjpeg-{audio}-4608.{container}"), 25, &coder);
        let range = TimeRange::secs(2.04, 3.6).unwrap();
        let settings = Cut::new().keep(range).mode(CutMode::Keyframe).format(container);
        let clip = cut(&open(&source), &settings, &Control::default()).unwrap();
        let path = save(&clip, folder.path(), &format!("copy.{container}"));
        let [picture, heard] = ["0:v:0", "0:a:0"].map(|stream| common::frames(&path, stream)[0].time);
        // More of the packet lies inside than in front.
        assert!(heard < picture, "{audio} in {container}: sound from {heard} s, pictures from {picture} s");
        let late = sound(&path, 2.04).1;
        assert!(
            (late - picture).abs() < 0.0021,
            "{audio} in {container}: {late} s, pictures {picture} s late"
        );
    }
}

// ---- sound whose packets tell no time, or a wrong one

#[test]
fn sound_that_a_decoder_begins_late_with_is_all_there() {
    oracle!("WMA");
    let folder = tempfile::tempdir().unwrap();
    // In WAV a packet is six frames with one time, which goes with the first of them, and that one is left
    // out.
    for container in ["wav", "wmv", "avi", "mkv"] {
        let source = marked(&format!("wma.{container}"), 25, &["-vn", "-c:a", "wmav2"]);
        for (from, to) in [(0.5, 1.5), (1.013, 3.0)] {
            let path = save(&encode_cut(&source, (from, to), "wav"), folder.path(), "out.wav");
            let (seconds, late) = sound(&path, from);
            assert!((seconds - (to - from)).abs() < 0.002, "{container}, from {from}: {seconds} s");
            // The frame that its encoder is late, which no container tells but Matroska with newer muxers;
            // WAV's times, which follow from bytes, are 1 in 1000 off.
            let untold = late - 2048.0 / 48_000.0;
            let right = untold.abs() < 0.004 || (container == "mkv" && late.abs() < 0.004);
            assert!(right, "{container}, from {from}: {late} s late");
        }
    }
}

#[test]
fn flac_in_wmv_is_counted() {
    oracle!("FLAC in WMV");
    let folder = tempfile::tempdir().unwrap();
    // libav's parser gives the second frame the time of the tenth, and one time to all of the last.
    // The block size is given, as ffmpeg 9 otherwise takes the length of the first frame that its filters
    // deliver (925 here) instead of the encoder's own choice of 4608.
    for block in [4608, 925] {
        let arguments = ["-vn", "-c:a", "flac", "-ar", "44100", "-frame_size", &block.to_string()];
        let source = marked(&format!("flac-{block}.wmv"), 25, &arguments);
        for (from, to) in [(0.0, 4.0), (0.5, 1.5), (3.013, 3.9)] {
            let path = save(&encode_cut(&source, (from, to), "mkv"), folder.path(), "flac.mkv");
            let (seconds, late) = sound(&path, from);
            assert!((seconds - (to - from)).abs() < 0.001, "{block}, from {from}: {seconds} s");
            assert!(late.abs() < 0.002, "{block}, from {from}: {late} s late");
        }
        let remuxed = avrope::Remux::new().format("mkv");
        let clip = avrope::remux(&open(&source), &remuxed, &Control::default()).unwrap();
        assert_eq!(clip.report.warnings, Vec::<String>::new());
        let frames = common::frames(&save(&clip, folder.path(), "remuxed.mkv"), "0:a:0");
        assert_eq!(frames.len(), (4 * 44_100_usize).div_ceil(block), "{block}");
        for (i, frame) in frames.iter().enumerate() {
            // Matroska counts in milliseconds.
            let late = frame.time - (i * block) as f64 / 44_100.0;
            assert!(late.abs() < 0.0011, "{block}: frame {i} is {late} s late");
        }
    }
}

#[test]
fn sound_that_lost_nothing_loses_nothing() {
    oracle!("lossless sound");
    let folder = tempfile::tempdir().unwrap();
    let range = TimeRange::secs(0.5, 1.5).unwrap();
    // All bits of a sample are used.
    let noise =
        |bits: u32| format!("aevalsrc='floor((random(0)-0.5)*{0})/{0}':s=48000:d=2", 1_u64 << (bits - 1));
    // What a container's muxer is called, and what becomes of the sound there.
    type Outputs = &'static [(&'static str, &'static str)];
    let cases: [(&str, &str, u32, &str, Outputs); 7] = [
        (
            "wv16.wv",
            "wavpack",
            16,
            "s16p",
            &[("mov", "alac"), ("mkv", "wavpack"), ("mp4", "flac"), ("wav", "pcm_s16le")],
        ),
        (
            "wv24.mkv",
            "wavpack",
            24,
            "s32p",
            &[("mov", "pcm_s32le"), ("mkv", "wavpack"), ("wav", "pcm_s32le")],
        ),
        ("wvf.wv", "wavpack", 24, "fltp", &[("mov", "pcm_f32le"), ("mkv", "wavpack")]),
        ("tta16.tta", "tta", 16, "s16", &[("mov", "alac"), ("mkv", "flac"), ("aiff", "pcm_s16be")]),
        (
            "tta24.tta",
            "tta",
            24,
            "s32",
            &[("mov", "alac"), ("mkv", "flac"), ("wav", "pcm_s24le"), ("aiff", "pcm_s24be")],
        ),
        ("flac24.flac", "flac", 24, "s32", &[("mov", "alac"), ("wav", "pcm_s24le")]),
        ("alac24.m4a", "alac", 24, "s32p", &[("mov", "alac"), ("flac", "flac"), ("mkv", "alac")]),
    ];
    for (name, codec, bits, format, outputs) in cases {
        let source =
            made_by_ffmpeg(name, &["-f", "lavfi", "-i", &noise(bits), "-c:a", codec, "-sample_fmt", format]);
        let samples = |path: &Path| ffmpeg(&["-i", path.to_str().unwrap(), "-f", "f64le", "-"]).0;
        let all = samples(&source);
        // Matroska's times are whole milliseconds: where a range begins within a packet of FFmpeg 9, which
        // are short, may be half of one off.
        let off = if name.ends_with("mkv") { 24 } else { 0 };
        let is_due = |found: &[u8]| {
            (24_000 - off..=24_000 + off).any(|from| &all[from * 8..(from + 48_000) * 8] == found)
        };
        for (to, becomes) in outputs {
            let settings = Cut::new().keep(range).mode(CutMode::Encode).format(*to);
            let what = format!("{name} -> {to}");
            let clip = cut(&open(&source), &settings, &Control::new())
                .unwrap_or_else(|error| panic!("{what}: {error}"));
            let out = save(&clip, folder.path(), &format!("lossless.{to}"));
            let found = ffprobe(&out, &["-select_streams", "a:0", "-show_entries", "stream=codec_name"]);
            assert_eq!(found["streams"][0]["codec_name"], *becomes, "{what}");
            assert!(is_due(&samples(&out)), "{what}");
        }
    }
    // What FLAC has no bits for is told.
    for (name, format, why) in
        [("wvf.wv", "fltp", "floating point"), ("wv24.mkv", "s32p", "24 bits a sample")]
    {
        let source = made_by_ffmpeg(
            name,
            &["-f", "lavfi", "-i", &noise(24), "-c:a", "wavpack", "-sample_fmt", format],
        );
        let settings = Cut::new().keep(range).mode(CutMode::Encode).format("mp4");
        let warnings = cut(&open(&source), &settings, &Control::new()).unwrap().report.warnings;
        assert!(warnings.iter().any(|warning| warning.contains(why)), "{name}: {warnings:?}");
    }
}
