//! Which container holds what: whatever a source is and whichever container is asked for, the result is one
//! that ffmpeg decodes in full, or there is an error that says why not.

use crate::common::{self, ffmpeg, ffprobe, is_due, made_by_ffmpeg, open};
use avrope::{
    Control, Error, ErrorKind, Media, Remux, Report, Sink, Source, Transcode, remux_to, transcode,
    transcode::{AudioCodec, AudioSettings, VideoCodec, VideoSettings},
    transcode_to,
};
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

// ---- what the cases share

const PICTURES: [&str; 4] = ["-f", "lavfi", "-i", "testsrc2=s=176x144:r=25:d=2"];
const TONE: [&str; 4] = ["-f", "lavfi", "-i", "sine=r=48000:d=2"];

fn sound(name: &str, arguments: &[&str]) -> PathBuf {
    made_by_ffmpeg(&format!("holds-{name}"), &[&TONE[..], &["-ac", "2"], arguments].concat())
}

fn clip(name: &str, arguments: &[&str]) -> PathBuf {
    made_by_ffmpeg(&format!("holds-{name}"), &[&PICTURES[..], &TONE, &["-ac", "2"], arguments].concat())
}

/// H.264 with B-frames, and AAC.
fn movie() -> PathBuf {
    clip("movie.mp4", &["-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-c:a", "aac"])
}

/// Two streams of video, and two of sound.
fn full() -> PathBuf {
    let maps = ["-map", "0", "-map", "1", "-map", "1", "-map", "0"];
    let codecs = ["-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac"];
    clip("full.mp4", &[&maps[..], &codecs].concat())
}

fn video(codec: VideoCodec) -> VideoSettings {
    VideoSettings::new().codec(codec)
}

/// Into any container, also one that has no place for the sound or the picture.
fn whatever() -> Transcode {
    Transcode::new().allow_drops(true)
}

fn audio(codec: AudioCodec) -> AudioSettings {
    AudioSettings::new().codec(codec)
}

/// Into a file whose container its name says.
fn made(source: &Path, settings: &Transcode, folder: &Path, name: &str) -> avrope::Result<(PathBuf, Report)> {
    let path = folder.join(name);
    transcode_to(&open(source), settings, Sink::replace(&path), &Control::default())
        .map(|report| (path, report))
}

fn refused(outcome: avrope::Result<(PathBuf, Report)>, what: &str) -> Error {
    match outcome {
        Ok((path, report)) => panic!("{what}: {} was made: {report:?}", path.display()),
        Err(error) => error,
    }
}

/// Of each stream the frames and the end in seconds, by an ffmpeg that decodes all without a word.
fn decoded(path: &Path) -> Vec<(usize, f64)> {
    let arguments = [
        "-v",
        "error",
        "-i",
        path.to_str().unwrap(),
        "-map",
        "0",
        "-fps_mode",
        "passthrough",
        "-f",
        "framecrc",
        "-",
    ];
    let (text, log) = ffmpeg(&arguments);
    assert_eq!(log, "", "{}: decoding", path.display());
    let text = String::from_utf8(text).unwrap();
    let (mut bases, mut streams): (Vec<f64>, Vec<(usize, f64)>) = (vec![], vec![]);
    for line in text.lines() {
        if let Some(line) = line.strip_prefix("#tb ") {
            let (num, den) = line.split_once(": ").unwrap().1.split_once('/').unwrap();
            bases.push(num.parse::<f64>().unwrap() / den.parse::<f64>().unwrap());
            streams.push((0, 0.0));
        } else if !line.starts_with('#') {
            let fields: Vec<&str> = line.split(',').map(str::trim).collect();
            let i: usize = fields[0].parse().unwrap();
            let number = |field: usize| fields[field].parse::<f64>().unwrap();
            let (frames, end) = &mut streams[i];
            (*frames, *end) = (*frames + 1, end.max((number(2) + number(3)) * bases[i]));
        }
    }
    streams
}

/// The codecs of a file's streams, covers aside, as `v:h264`.
fn codecs(path: &Path) -> Vec<String> {
    let json = ffprobe(path, &["-show_entries", "stream=codec_type,codec_name"]);
    let of = |s: &serde_json::Value| {
        format!("{}:{}", &s["codec_type"].as_str().unwrap()[..1], s["codec_name"].as_str().unwrap_or("?"))
    };
    json["streams"].as_array().unwrap().iter().map(of).collect()
}

/// The result is whole: the pictures' number, the sound's length.
fn check(path: &Path, what: &str) {
    let found = codecs(path);
    for (codec, (frames, end)) in found.iter().zip(decoded(path)) {
        if codec.starts_with('v') {
            assert!((49..=51).contains(&frames), "{what}: {codec}: {frames} frames of 50");
        } else {
            // A frame of MP2 or AC-3 more, and the priming of codecs whose container does not tell it; of WMA
            // also the frame of silence behind the last sound.
            let most = if codec == "a:wmav2" { 2.18 } else { 2.13 };
            assert!((1.95..most).contains(&end), "{what}: {codec} ends at {end} s, not at 2 s");
        }
    }
    assert!(!found.is_empty(), "{what}: no streams");
}

/// Cases of which all that fail are named, and not the first alone.
#[derive(Default)]
struct Cases(Vec<String>);

impl Cases {
    fn run(&mut self, what: &str, case: impl FnOnce()) {
        if let Err(panic) = std::panic::catch_unwind(std::panic::AssertUnwindSafe(case)) {
            let text = panic.downcast_ref::<String>().cloned().unwrap_or_else(|| what.to_owned());
            self.0.push(format!("{what}: {text}"));
        }
    }

    fn end(self) {
        assert!(self.0.is_empty(), "{} cases failed:\n{}", self.0.len(), self.0.join("\n"));
    }
}

/// A writer whose bytes are seen.
#[derive(Clone, Default)]
struct Pipe(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

// ---- copied where it is at home, encoded elsewhere

#[test]
fn sound_goes_into_every_container_of_sound() {
    oracle!("sound");
    let folder = tempfile::tempdir().unwrap();
    let sources = [
        ("aac", sound("aac.m4a", &["-c:a", "aac"])),
        ("mp3", sound("mp3.mp3", &["-c:a", "libmp3lame"])),
        ("opus", sound("opus.ogg", &["-c:a", "libopus"])),
        ("flac", sound("flac.flac", &["-c:a", "flac"])),
        ("pcm", sound("pcm.wav", &["-c:a", "pcm_s16le"])),
        ("u8", sound("u8.wav", &["-c:a", "pcm_u8"])),
    ];
    // The container, what is copied into it, and what the rest becomes.
    let containers: [(&str, &[&str], &str); 17] = [
        ("wav", &["pcm", "u8"], "pcm_s16le"),
        ("aiff", &["pcm", "u8"], "pcm_s16be"),
        ("caf", &["pcm"], "pcm_s16be"),
        ("ogg", &["vorbis", "opus", "flac"], "opus"),
        ("opus", &["opus"], "opus"),
        ("mp3", &["mp3"], "mp3"),
        ("aac", &["aac"], "aac"),
        ("ac3", &["ac3"], "ac3"),
        ("flac", &["flac"], "flac"),
        ("wma", &[], "wmav2"),
        ("avi", &["mp3", "ac3", "pcm", "u8"], "mp3"),
        ("mov", &["aac", "mp3", "ac3", "pcm", "u8"], "aac"),
        ("mp4", &["aac", "mp3", "vorbis", "opus", "flac", "ac3"], "aac"),
        ("flv", &["aac", "mp3"], "aac"),
        ("mpg", &["mp3", "ac3"], "mp2"),
        ("mka", &["aac", "mp3", "vorbis", "opus", "flac", "ac3", "pcm", "u8"], "?"),
        ("nut", &["aac", "mp3", "vorbis", "opus", "flac", "ac3", "pcm", "u8"], "?"),
    ];
    let mut cases = Cases::default();
    for (row, (ending, copied, usual)) in containers.into_iter().enumerate() {
        for (column, (name, source)) in sources.iter().enumerate() {
            if !is_due(row + column, 3) {
                continue;
            }
            let what = format!("{name} -> {ending}");
            cases.run(&what, || {
                let (path, report) =
                    made(source, &Transcode::new(), folder.path(), &format!("{name}.{ending}"))
                        .unwrap_or_else(|e| panic!("{what}: {e}"));
                check(&path, &what);
                assert_eq!(report.frames_encoded == 0, copied.contains(name), "{what}: copied or not");
                if report.frames_encoded > 0 && usual != "?" {
                    assert_eq!(codecs(&path), [format!("a:{usual}")], "{what}");
                }
            });
        }
    }
    cases.end();
}

#[test]
fn pictures_go_into_every_container_of_video() {
    oracle!("pictures");
    let folder = tempfile::tempdir().unwrap();
    let sources = [
        ("h264", movie()),
        ("mpeg2", clip("mpeg2.mkv", &["-c:v", "mpeg2video", "-c:a", "mp2"])),
        ("vp8", clip("vp8.webm", &["-c:v", "libvpx", "-cpu-used", "8", "-c:a", "libvorbis"])),
        ("prores", clip("prores.mov", &["-c:v", "prores", "-c:a", "pcm_s16le"])),
    ];
    let endings = [
        "mp4", "mov", "mkv", "ts", "flv", "avi", "wmv", "wtv", "mpg", "vob", "ogv", "mxf", "nut", "3gp",
        "gif", "apng", "ivf", "mjpeg", "h264", "m2v", "f4v",
    ];
    let mut cases = Cases::default();
    for (row, (name, source)) in sources.iter().enumerate() {
        for (column, ending) in endings.into_iter().enumerate() {
            if !is_due(row + column, 3) {
                continue;
            }
            let what = format!("{name} -> {ending}");
            let settings = whatever().video(VideoSettings::new());
            cases.run(&what, || match made(source, &settings, folder.path(), &format!("{name}.{ending}")) {
                Ok((path, _)) => check(&path, &what),
                Err(error) => panic!("{what}: {error}"),
            });
        }
    }
    cases.end();
}

#[test]
fn containers_of_one_codec_get_that_one() {
    oracle!("one codec");
    let folder = tempfile::tempdir().unwrap();
    for (ending, codec) in
        [("gif", "v:gif"), ("apng", "v:apng"), ("webp", "v:webp"), ("mjpeg", "v:mjpeg"), ("h264", "v:h264")]
    {
        let (path, _) = made(&movie(), &whatever(), folder.path(), &format!("x.{ending}")).unwrap();
        // The installed ffmpeg may know no more of an animated WebP than its signature.
        if ending == "webp" {
            let bytes = std::fs::read(&path).unwrap();
            assert_eq!((&bytes[..4], &bytes[8..12]), (&b"RIFF"[..], &b"WEBP"[..]));
            assert_eq!(bytes.windows(4).filter(|w| w == b"ANMF").count(), 50, "frames of the WebP");
            assert_eq!(u32::from_le_bytes(bytes[4..8].try_into().unwrap()) as usize + 8, bytes.len());
            continue;
        }
        assert_eq!(codecs(&path), [codec], "{ending}");
        check(&path, ending);
    }
}

#[test]
fn mxf_counts_pictures_and_not_ticks() {
    oracle!("MXF");
    let folder = tempfile::tempdir().unwrap();
    let source =
        clip("mpeg2-pcm.mov", &["-c:v", "mpeg2video", "-bf", "2", "-c:a", "pcm_s16le", "-ar", "48000"]);
    let theirs = folder.path().join("theirs.mxf");
    ffmpeg(&["-i", source.to_str().unwrap(), "-c", "copy", theirs.to_str().unwrap()]);
    let ours = folder.path().join("ours.mxf");
    remux_to(&open(&source), &Remux::new(), Sink::file(&ours), &Control::default()).unwrap();
    let copied = folder.path().join("copied.mxf");
    let settings = Transcode::new().video(video(VideoCodec::Copy)).audio(audio(AudioCodec::Copy));
    transcode_to(&open(&source), &settings, Sink::file(&copied), &Control::default()).unwrap();
    for (what, path) in [("remux", &ours), ("copy", &copied)] {
        for stream in ["0:v", "0:a"] {
            let (found, due) = (common::frames(path, stream), common::frames(&theirs, stream));
            assert!(due.len() > 10 && found == due, "{what}, {stream}: {} of {}", found.len(), due.len());
        }
        check(path, what);
    }
}

#[test]
fn a_copy_that_cannot_work_says_so() {
    oracle!("copies");
    let folder = tempfile::tempdir().unwrap();
    let copy_sound = Transcode::new().audio(audio(AudioCodec::Copy));
    let copy_video = Transcode::new().video(video(VideoCodec::Copy)).audio(audio(AudioCodec::None));
    let (aac, flac) = (sound("aac.m4a", &["-c:a", "aac"]), sound("flac.flac", &["-c:a", "flac"]));
    let wav = sound("pcm.wav", &["-c:a", "pcm_s16le"]);
    for (source, settings, name, words) in [
        (&aac, &copy_sound, "x.wav", "aac can't be copied: wav can't hold it"),
        (&aac, &copy_sound, "x.ogg", "aac can't be copied: ogg can't hold it"),
        (&flac, &copy_sound, "x.mov", "flac can't be copied: mov can't hold it"),
        (&wav, &copy_sound, "x.m4a", "pcm_s16le can't be copied: m4a can't hold it"),
        (&wav, &copy_sound, "x.flv", "pcm_s16le can't be copied: flv can't hold it of 48000 samples"),
        (&movie(), &copy_video, "x.gif", "h264 can't be copied: gif can't hold it"),
        (&movie(), &copy_video, "x.mjpeg", "h264 can't be copied: mjpeg can't hold it"),
        (&movie(), &copy_video, "x.avi", "h264 can't be copied: avi can't hold it"),
    ] {
        let error = refused(made(source, settings, folder.path(), name), name);
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{name}: {error}");
        assert!(error.to_string().contains(words), "{name}: {error}");
        assert!(!folder.path().join(name).exists(), "{name} is there");
    }
    // What works if somebody wants it is done.
    let mp3 = sound("mp3.mp3", &["-c:a", "libmp3lame"]);
    let (path, report) = made(&mp3, &copy_sound, folder.path(), "mp3.wav").unwrap();
    assert_eq!((codecs(&path), report.frames_encoded), (vec!["a:mp3".to_owned()], 0));
    check(&path, "MP3 in WAV");
    let (path, report) = made(&flac, &copy_sound, folder.path(), "flac.avi").unwrap();
    assert_eq!((codecs(&path), report.frames_encoded), (vec!["a:flac".to_owned()], 0));
    check(&path, "FLAC in AVI");
}

// ---- streams that there is no place for

#[test]
fn streams_without_a_place_are_left_out() {
    oracle!("streams");
    let folder = tempfile::tempdir().unwrap();
    for (source, name, kept, dropped) in [
        (movie(), "x.gif", vec!["v:gif"], 1),
        (full(), "x.apng", vec!["v:apng"], 3),
        (full(), "x.flv", vec!["v:h264", "a:aac"], 2),
        (full(), "x.mp3", vec!["a:mp3"], 3),
        (full(), "x.ivf", vec!["v:vp8"], 3),
        (full(), "x.h264", vec!["v:h264"], 3),
        (full(), "x.mka", vec!["a:aac", "a:aac"], 2),
        (full(), "x.mkv", vec!["v:h264", "a:aac", "a:aac", "v:h264"], 0),
    ] {
        let (path, report) =
            made(&source, &whatever(), folder.path(), name).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(codecs(&path), kept, "{name}");
        assert_eq!(report.dropped_streams.len(), dropped, "{name}: {:?}", report.dropped_streams);
        assert!(report.warnings.len() >= dropped, "{name}: {:?}", report.warnings);
        check(&path, name);
    }
    // All that there is of a kind: only if somebody says so.
    for (name, words) in [
        ("y.gif", "its only sound, stream 1 (aac), would be lost: gif: it holds no sound"),
        ("y.mp3", "its only video, stream 0 (h264), would be lost: mp3: it holds no video"),
    ] {
        let error = refused(made(&movie(), &Transcode::new(), folder.path(), name), name);
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{name}: {error}");
        assert!(error.to_string().contains(words), "{name}: {error}");
        assert_eq!(error.setting(), Some("allow_drops"), "{name}: {error}");
        assert!(!folder.path().join(name).exists(), "{name} is there");
    }
    let none = Transcode::new().audio(audio(AudioCodec::None));
    let (path, report) = made(&movie(), &none, folder.path(), "none.gif").unwrap();
    assert_eq!((codecs(&path), report.dropped_streams.len()), (vec!["v:gif".to_owned()], 0));
}

#[test]
fn a_codec_that_was_named_is_made_or_refused() {
    oracle!("named codecs");
    let folder = tempfile::tempdir().unwrap();
    let with_sound = |codec| Transcode::new().audio(audio(codec));
    let with_video = |codec| Transcode::new().video(video(codec));
    for (settings, name, words) in [
        (with_sound(AudioCodec::Opus), "x.aac", "aac can't hold opus (encoder libopus)"),
        (with_sound(AudioCodec::Aac), "x.ogg", "ogg can't hold aac (encoder aac)"),
        (with_sound(AudioCodec::Opus), "x.mov", "mov can't hold opus"),
        (with_sound(AudioCodec::Mp3), "x.m4a", "m4a can't hold mp3"),
        (with_sound(AudioCodec::Aac), "x.gif", "gif: it holds no sound, and a codec was named for it"),
        (with_video(VideoCodec::H264), "x.wav", "wav: it holds no video, and a codec was named for it"),
        (with_video(VideoCodec::H264), "x.gif", "gif can't hold h264"),
        (with_video(VideoCodec::Vp9), "x.ts", "ts can't hold vp9"),
        (with_video(VideoCodec::H264), "x.mjpeg", "mjpeg can't hold h264"),
        (Transcode::new(), "x.y4m", "no YUV4MPEG"),
    ] {
        let error = refused(made(&movie(), &settings, folder.path(), name), name);
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{name}: {error}");
        assert!(error.to_string().contains(words), "{name}: {error}");
    }
}

// ---- sinks that can't seek

#[test]
fn what_goes_into_a_pipe_is_whole_or_refused() {
    oracle!("pipes");
    let folder = tempfile::tempdir().unwrap();
    let source = movie();
    for format in
        ["mkv", "ts", "mp4", "nut", "flv", "ogg", "wav", "au", "mp3", "aac", "flac", "gif", "mpg", "ivf"]
    {
        let pipe = Pipe::default();
        let settings = whatever().format(format);
        transcode_to(&open(&source), &settings, Sink::writer(pipe.clone()), &Control::default())
            .unwrap_or_else(|e| panic!("{format}: {e}"));
        let path = folder.path().join(format!("piped.{format}"));
        std::fs::write(&path, &*pipe.0.lock().unwrap()).unwrap();
        check(&path, &format!("{format} through a pipe"));
    }
    for format in ["avi", "aiff", "w64", "wtv", "webp", "apng"] {
        for remuxed in [false, true] {
            let pipe = Pipe::default();
            let sink = Sink::writer(pipe.clone());
            let outcome = if remuxed {
                remux_to(&open(&source), &Remux::new().format(format), sink, &Control::default())
            } else {
                transcode_to(&open(&source), &Transcode::new().format(format), sink, &Control::default())
            };
            let error = outcome.expect_err(format);
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{format}: {error}");
            assert!(error.to_string().contains("mkv"), "{format}: an advice: {error}");
            assert!(pipe.0.lock().unwrap().is_empty(), "{format}: bytes left");
        }
    }
}

// ---- packets without times

#[test]
fn raw_h264_goes_into_containers() {
    oracle!("raw H.264");
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("raw.h264");
    ffmpeg(&["-i", movie().to_str().unwrap(), "-c", "copy", "-an", source.to_str().unwrap()]);
    for ending in ["mp4", "mkv", "ts"] {
        let (path, report) = made(&source, &Transcode::new(), folder.path(), &format!("q.{ending}"))
            .unwrap_or_else(|e| panic!("{ending}: {e}"));
        check(&path, ending);
        let (frames, end) = decoded(&path)[0];
        assert_eq!((frames, report.frames_encoded), (50, 50), "{ending}");
        assert!((1.9..2.2).contains(&end), "{ending}: it ends at {end}");
    }
    let copy = Transcode::new().video(video(VideoCodec::Copy));
    let error = refused(made(&source, &copy, folder.path(), "copy.mp4"), "a copy");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("does not say when its pictures are shown"), "{error}");
}

// ---- a target size

#[test]
fn a_target_size_counts_the_sound_that_is_there() {
    oracle!("a target size");
    let noise = ["-f", "lavfi", "-i", "nullsrc=s=320x240:r=25:d=12,geq=random(1)*255:128:128"];
    let hum = ["-f", "lavfi", "-i", "anoisesrc=d=12:r=48000:a=0.4"];
    let codecs =
        ["-c:v", "libx264", "-preset", "ultrafast", "-b:v", "3M", "-c:a", "aac", "-b:a", "320k", "-ac", "2"];
    let source = made_by_ffmpeg("holds-noise.mp4", &[&noise[..], &hum, &codecs].concat());
    let size = 900_000;
    for (what, sound) in [
        ("copied", AudioSettings::new()),
        ("none", audio(AudioCodec::None)),
        ("encoded", audio(AudioCodec::Aac).bit_rate(96_000)),
    ] {
        let settings = Transcode::new()
            .format("mp4")
            .target_size(size)
            .video(VideoSettings::new().encoder_preset("veryfast"))
            .audio(sound);
        let bytes = transcode(&open(&source), &settings, &Control::default()).unwrap().rope.len();
        let off = bytes as f64 / size as f64 - 1.0;
        assert!(off.abs() < 0.1, "{what}: {bytes} bytes, {:.0} % off", off * 100.0);
    }
    let settings = Transcode::new().format("mp4").target_size(100_000);
    let error = transcode(&open(&source), &settings, &Control::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    let text = error.to_string();
    let least: u64 = text
        .split_once("the target size to ")
        .and_then(|(_, rest)| rest.split(' ').next())
        .and_then(|number| number.parse().ok())
        .unwrap_or_else(|| panic!("the least size: {text}"));
    assert!((300_000..600_000).contains(&least), "{text}");
    let settings = Transcode::new().format("mp4").target_size(least);
    transcode(&open(&source), &settings, &Control::default()).unwrap();
}

// ---- VP8

#[test]
fn vp8_is_encoded() {
    oracle!("VP8");
    let folder = tempfile::tempdir().unwrap();
    let settings = whatever().video(video(VideoCodec::Encoder("libvpx".into())));
    for name in ["x.ivf", "x.webm", "x.mkv"] {
        let (path, _) = made(&movie(), &settings, folder.path(), name).unwrap();
        assert_eq!(codecs(&path)[0], "v:vp8", "{name}");
        check(&path, name);
    }
}

// ---- words

#[test]
fn errors_call_things_what_they_are() {
    oracle!("words");
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("x.srt");
    std::fs::write(&script, "1\n00:00:00,500 --> 00:00:01,500\nHello\n").unwrap();
    let subtitles = folder.path().join("subtitles.mkv");
    ffmpeg(&["-i", script.to_str().unwrap(), "-c:s", "ass", subtitles.to_str().unwrap()]);
    let error = refused(made(&subtitles, &Transcode::new(), folder.path(), "x.mkv"), "subtitles alone");
    assert!(error.to_string().contains("neither video nor sound in it (ass)"), "{error}");
    let nothing = Transcode::new().video(video(VideoCodec::None)).audio(audio(AudioCodec::None));
    let error = refused(made(&movie(), &nothing, folder.path(), "x.mkv"), "all left out");
    assert!(error.to_string().contains("is to be left out (h264, aac)"), "{error}");
    let silent = made_by_ffmpeg("holds-silent.mp4", &[&PICTURES[..], &["-c:v", "mpeg4"]].concat());
    let error = refused(made(&silent, &Transcode::new(), folder.path(), "x.wav"), "pictures as WAV");
    assert!(error.to_string().contains("wav can hold none of the streams (mpeg4)"), "{error}");
    let settings = Transcode::new().format("m4a");
    let report = transcode(&open(&full()), &settings, &Control::default()).unwrap().report;
    assert!(report.warnings.iter().all(|w| !w.contains("ipod")), "{:?}", report.warnings);
    let wide = Transcode::new().format("m4a").audio(audio(AudioCodec::Opus));
    let media = Media::open(Source::open(movie()).unwrap()).unwrap();
    let error = transcode(&media, &wide, &Control::default()).unwrap_err();
    assert!(error.to_string().contains("m4a can't hold opus"), "{error}");
}

#[test]
fn a_cut_that_encodes_goes_into_other_containers() {
    oracle!("cuts into other containers");
    let folder = tempfile::tempdir().unwrap();
    let time = |s| avrope::Timestamp::from_secs(s).unwrap();
    let range = avrope::TimeRange { from: time(0.5), to: time(1.5) };
    let pcm = sound("pcm.wav", &["-c:a", "pcm_s16le"]);
    for (source, ending, expected) in [
        (&movie(), "webm", &["v:vp9", "a:opus"][..]),
        (&movie(), "mp3", &["a:mp3"]),
        (&movie(), "gif", &["v:gif"]),
        (&movie(), "mov", &["v:h264", "a:aac"]),
        (&pcm, "m4a", &["a:aac"]),
        (&pcm, "mp3", &["a:mp3"]),
        (&pcm, "mka", &["a:pcm_s16le"]),
    ] {
        let path = folder.path().join(format!("cut.{ending}"));
        let cut = avrope::Cut::new().keep(range).mode(avrope::CutMode::Encode).allow_drops(true);
        avrope::cut_to(&open(source), &cut, Sink::replace(&path), &Control::default())
            .unwrap_or_else(|e| panic!("{ending}: {e}"));
        assert_eq!(codecs(&path), expected, "{ending}");
    }
}

#[test]
fn what_its_container_could_not_turn_is_turned() {
    oracle!("a turned source");
    let folder = tempfile::tempdir().unwrap();
    let turned = common::turned("holds-turned.mp4", &movie(), 90);
    let (path, report) = made(&turned, &Transcode::new(), folder.path(), "turned.mkv").unwrap();
    assert!(report.frames_encoded > 0, "the picture was copied");
    let of = |path: &Path| {
        let json = ffprobe(path, &["-show_entries", "stream=width,height", "-select_streams", "v"]);
        (json["streams"][0]["width"].as_u64(), json["streams"][0]["height"].as_u64())
    };
    let ((w, h), (seen_w, seen_h)) = (of(&turned), of(&path));
    assert_eq!((w, h), (seen_h, seen_w));
    let (path, _) = made(&turned, &Transcode::new(), folder.path(), "turned.mp4").unwrap();
    assert_eq!(of(&path), (w, h), "MP4 says itself that it is turned");
}

#[test]
fn adts_goes_into_a_stream_of_mp4_and_matroska() {
    oracle!("ADTS into streams");
    let folder = tempfile::tempdir().unwrap();
    let source = clip("adts.ts", &["-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac"]);
    for format in ["mp4", "matroska"] {
        let (sender, chunks) = avrope::io::channel(4096);
        let settings = Transcode::new().format(format);
        let report = transcode_to(&open(&source), &settings, Sink::channel(sender), &Control::default())
            .unwrap_or_else(|e| panic!("{format}: {e}"));
        assert_eq!(report.frames_decoded, 0, "{format}: all of it is copied");
        let path = folder.path().join(format!("stream.{format}"));
        std::fs::write(&path, chunks.flat_map(|chunk| chunk.unwrap()).collect::<Vec<u8>>()).unwrap();
        assert_eq!(codecs(&path), ["v:h264", "a:aac"], "{format}");
        check(&path, format);
    }
}
