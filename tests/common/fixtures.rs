//! Media that tests read: generated, made by ffmpeg, and the shared footage.

use super::{ffmpeg, lavf, skipped};
use avrope::synth::{self, Audio, AudioSource, Spec, Video};
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

/// Where made media are kept.
pub fn kept() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("media-{}", avrope::libav_version()))
}

/// Where the shared footage lies, if it is there.
pub fn footage() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/media")
}

/// A file in the build's folder that is made once for a version of libav; `make` gets a name to write to.
pub fn cached(name: &str, key: &str, make: impl FnOnce(&Path)) -> PathBuf {
    use std::hash::{DefaultHasher, Hash, Hasher};
    /// A lock for each file: what is made may need another one.
    static MAKING: LazyLock<Mutex<HashMap<PathBuf, Arc<Mutex<()>>>>> = LazyLock::new(Mutex::default);
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    let folder = kept();
    std::fs::create_dir_all(&folder).unwrap();
    let name = format!("{:08x}-{name}", hasher.finish() as u32);
    let path = folder.join(&name);
    if path.exists() {
        return path;
    }
    let making =
        MAKING.lock().unwrap_or_else(PoisonError::into_inner).entry(path.clone()).or_default().clone();
    let _one_at_a_time = making.lock().unwrap_or_else(PoisonError::into_inner);
    if !path.exists() {
        let part = folder.join(format!("{}-{name}", std::process::id()));
        make(&part);
        keep(&part, &path);
    }
    path
}

/// Gives a made file its name when it is whole. Another process or test may have made the same meanwhile:
/// then that one stays, which somebody may be reading.
pub fn keep(part: &Path, path: &Path) {
    match std::fs::hard_link(part, path) {
        Err(e) if e.kind() != std::io::ErrorKind::AlreadyExists => panic!("{}: {e}", path.display()),
        _ => std::fs::remove_file(part).unwrap(),
    }
}

pub fn generated(name: &str, spec: &Spec) -> PathBuf {
    cached(name, &format!("{spec:?}"), |path| {
        ffmpeg_next::log::set_level(ffmpeg_next::log::Level::Error);
        synth::to_file(spec, path).unwrap();
    })
}

/// A fixture that ffmpeg makes; the last argument, the output, is added.
pub fn made_by_ffmpeg(name: &str, arguments: &[&str]) -> PathBuf {
    cached(name, &format!("{arguments:?}"), |path| {
        ffmpeg(&[arguments, &[path.to_str().unwrap()]].concat());
    })
}

/// A copy of a file whose picture is to be shown turned by so many degrees, as ffmpeg counts them.
pub fn turned(name: &str, input: &Path, degrees: u32) -> PathBuf {
    let (input, degrees) = (input.to_str().unwrap(), degrees.to_string());
    // FFmpeg 6 took the metadata's way away and gave an option.
    if lavf() < 60 {
        let rotate = format!("rotate={degrees}");
        made_by_ffmpeg(name, &["-i", input, "-c", "copy", "-metadata:s:v", &rotate])
    } else {
        made_by_ffmpeg(name, &["-display_rotation:v", &degrees, "-i", input, "-c", "copy"])
    }
}

pub fn video(encoder: &str, b_frames: u32) -> Video {
    Video {
        encoder: encoder.to_owned(),
        b_frames,
        gop: 25,
        rate: (25, 1),
        size: (192, 108),
        ..Video::default()
    }
}

pub fn audio(encoder: &str) -> Audio {
    Audio {
        encoder: encoder.to_owned(),
        // Noise: no two packets are alike.
        source: AudioSource::Graph("anoisesrc=c=pink:seed=7:a=0.2".into()),
        ..Audio::default()
    }
}

/// Ten seconds of small H.264 (or MPEG-4) with B-frames and AAC; `moov` at the end.
pub fn clip() -> PathBuf {
    generated("clip.mp4", &Spec { duration: 10.0, ..Spec::default() })
}

/// The same with `moov` at the front.
pub fn fast_start_clip() -> PathBuf {
    let muxer_options = vec![("movflags".to_owned(), "+faststart".to_owned())];
    generated("fast.mp4", &Spec { duration: 10.0, muxer_options, ..Spec::default() })
}

/// The same streams in another container.
pub fn clip_in(ending: &str) -> PathBuf {
    generated(&format!("clip.{ending}"), &Spec { duration: 10.0, ..Spec::default() })
}

/// A few seconds of 640x360 at a rate that makes it several megabytes; every megabyte counts where a copy is
/// to be caught in its middle.
pub fn large_clip() -> PathBuf {
    let video = Video {
        size: (640, 360),
        bit_rate: Some(24_000_000),
        source: synth::VideoSource::Graph(
            "nullsrc=s=640x360:r=30,geq=lum='random(1)*255':cb='128':cr='128'".into(),
        ),
        ..Video::default()
    };
    generated("large.mp4", &Spec { duration: 6.0, video: Some(video), ..Spec::default() })
}

pub struct Fixture {
    pub name: &'static str,
    pub path: PathBuf,
    /// Into which containers its streams go, its own first.
    pub into: &'static [&'static str],
}

/// Generated media: 4.3 s each, a keyframe a second.
pub fn pool() -> Vec<Fixture> {
    type Row = (
        &'static str,
        &'static str,
        Option<(&'static str, u32)>,
        &'static [&'static str],
        &'static [&'static str],
    );
    let table: &[Row] = &[
        ("h264-aac", "mp4", Some(("libx264", 2)), &["aac"], &["mp4", "mov", "mkv", "ts", "flv"]),
        ("h264-no-b", "mkv", Some(("libx264", 0)), &["aac"], &["mkv", "mp4", "ts", "flv"]),
        ("h264-ts", "ts", Some(("libx264", 2)), &["aac"], &["ts", "mp4", "mkv"]),
        ("h264-flv", "flv", Some(("libx264", 2)), &["aac"], &["flv", "mp4", "mkv"]),
        ("hevc-aac", "mp4", Some(("libx265", 2)), &["aac"], &["mp4", "mov", "mkv", "ts"]),
        ("hevc-ts", "ts", Some(("libx265", 2)), &["aac"], &["ts", "mp4", "mkv"]),
        ("av1-opus", "webm", Some(("libsvtav1", 0)), &["libopus"], &["webm", "mp4", "mkv"]),
        ("av1-mp4", "mp4", Some(("libsvtav1", 0)), &["aac"], &["mp4", "mkv"]),
        ("vp9-opus", "webm", Some(("libvpx-vp9", 0)), &["libopus"], &["webm", "mp4", "mkv"]),
        ("mpeg2-mp2", "ts", Some(("mpeg2video", 2)), &["mp2"], &["ts", "mkv", "mp4"]),
        ("mpeg4-mp3", "avi", Some(("mpeg4", 0)), &["libmp3lame"], &["avi", "mp4", "mkv"]),
        ("two-audio", "mp4", Some(("libx264", 2)), &["aac", "aac"], &["mp4", "mkv", "ts"]),
        ("aac-m4a", "m4a", None, &["aac"], &["m4a", "mp4", "aac", "mkv"]),
        ("aac-adts", "aac", None, &["aac"], &["aac", "m4a", "mkv"]),
        ("mp3", "mp3", None, &["libmp3lame"], &["mp3", "mp4", "mkv"]),
        ("opus-ogg", "ogg", None, &["libopus"], &["ogg", "webm", "mp4"]),
        ("flac", "flac", None, &["flac"], &["flac", "mkv", "mp4", "ogg"]),
        ("pcm-wav", "wav", None, &["pcm_s16le"], &["wav", "mov", "mkv", "avi"]),
        ("pcm-mov", "mov", Some(("libx264", 0)), &["pcm_s16le"], &["mov", "mkv"]),
    ];
    let mut all = Vec::new();
    for (name, container, picture, sounds, into) in table {
        let encoders = picture.iter().map(|(encoder, _)| *encoder).chain(sounds.iter().copied());
        if let Some(missing) = encoders.into_iter().find(|encoder| !synth::has_encoder(encoder)) {
            eprintln!("SKIPPED: fixture {name}: this libav has no encoder {missing}");
            continue;
        }
        let spec = Spec {
            duration: 4.3,
            video: picture.map(|(encoder, b_frames)| video(encoder, b_frames)),
            audio: sounds.iter().map(|encoder| audio(encoder)).collect(),
            ..Spec::default()
        };
        all.push(Fixture { name, path: generated(&format!("{name}.{container}"), &spec), into });
    }
    all
}

pub fn fixture(name: &str) -> Option<PathBuf> {
    pool().into_iter().find(|fixture| fixture.name == name).map(|fixture| fixture.path)
}

/// A file of the shared footage; says so loudly where it is not.
pub fn shared(name: &str) -> Option<PathBuf> {
    let path = footage().join(name);
    if path.exists() {
        return Some(path);
    }
    skipped(&format!("{} is not there", path.display()));
    None
}
