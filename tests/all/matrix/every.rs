//! The matrix: each codec into each container, and from each container that holds it. A part of it in the
//! fast tier, all of it in the full one.

use super::reasons;
use crate::common::{is_due, keep, open, run_tool, tool};
use avrope::{
    Control, Cut, CutMode, Error, ErrorKind, Join, Remux, Sink, Source, TimeRange, cut_to, join_to, remux_to,
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

/// Name, and what makes ffmpeg encode it.
type Codec = (&'static str, &'static str);

const VIDEO: [Codec; 19] = [
    ("h264", "-c:v libx264 -preset ultrafast -bf 2 -g 25"),
    ("h264-no-b", "-c:v libx264 -preset ultrafast -bf 0 -g 25"),
    ("hevc", "-c:v libx265 -preset ultrafast -x265-params log-level=none"),
    ("mpeg4", "-c:v mpeg4 -bf 0"),
    ("mpeg4-b", "-c:v mpeg4 -bf 2"),
    ("mpeg2video", "-c:v mpeg2video -bf 2"),
    ("mpeg1video", "-c:v mpeg1video"),
    ("vp8", "-c:v libvpx -b:v 1M -cpu-used 8"),
    ("vp9", "-c:v libvpx-vp9 -b:v 1M -cpu-used 8 -deadline realtime"),
    ("av1", "-c:v libsvtav1 -preset 12"),
    ("mjpeg", "-c:v mjpeg -q:v 3 -pix_fmt yuvj420p"),
    ("prores", "-c:v prores_ks -pix_fmt yuv422p10le"),
    ("ffv1", "-c:v ffv1"),
    ("h263", "-c:v h263"),
    ("flv1", "-c:v flv"),
    ("wmv2", "-c:v wmv2"),
    ("theora", "-c:v libtheora"),
    ("dnxhd", "-c:v dnxhd -s 1280x720 -b:v 75M -pix_fmt yuv422p"),
    ("gif", "-c:v gif -pix_fmt rgb8"),
];

const SOUND: [Codec; 19] = [
    ("aac", "-c:a aac"),
    ("mp3", "-c:a libmp3lame"),
    ("mp2", "-c:a mp2"),
    ("ac3", "-c:a ac3"),
    ("eac3", "-c:a eac3"),
    ("opus", "-c:a libopus"),
    ("vorbis", "-c:a libvorbis"),
    ("flac", "-c:a flac"),
    ("alac", "-c:a alac"),
    ("pcm_s16le", "-c:a pcm_s16le"),
    ("pcm_s24le", "-c:a pcm_s24le"),
    ("speex", "-c:a libspeex -ar 16000 -ac 1"),
    ("wmav2", "-c:a wmav2"),
    ("dts", "-c:a dca -strict -2 -ac 2"),
    ("tta", "-c:a tta"),
    ("adpcm_ima_wav", "-c:a adpcm_ima_wav"),
    ("adpcm_ms", "-c:a adpcm_ms"),
    ("amr_nb", "-c:a copy"),
    ("amr_wb", "-c:a copy"),
];

/// Their endings.
const OF_VIDEO: [&str; 14] =
    ["mp4", "mov", "mkv", "webm", "ts", "m2ts", "flv", "avi", "mpg", "ogv", "mxf", "wmv", "3gp", "nut"];
const OF_SOUND: [&str; 16] = [
    "mp4", "mov", "mkv", "webm", "ts", "flv", "avi", "wmv", "nut", "m4a", "ogg", "wav", "caf", "mp3", "aac",
    "3gp",
];

fn holds(codec: &str, container: &str) -> bool {
    let of = reasons::HOLDS.iter().filter(|(name, _)| *name == codec);
    of.flat_map(|(_, containers)| containers.split(' ')).any(|name| name == container)
}

/// Runs the cases on all cores.
fn each<T: Sync>(cases: &[T], run: impl Fn(usize, &T) + Sync) {
    let next = AtomicUsize::new(0);
    let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    let Some(case) = cases.get(i) else { break };
                    run(i, case);
                }
            });
        }
    });
}

/// Two seconds of a codec in a container; None where ffmpeg does not make it.
fn source(codec: Codec, container: &str) -> Option<PathBuf> {
    let (name, coded) = codec;
    if (name, container) == ("av1", "mxf") {
        // The muxer refuses, and ffmpeg waits for SVT-AV1's threads for ever.
        return None;
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("matrix-{}", avrope::libav_version()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join(format!("{name}.{container}"));
    if path.exists() {
        return Some(path).filter(|path| std::fs::metadata(path).unwrap().len() > 0);
    }
    let generated = |filter: &str| ["-f", "lavfi", "-i", filter].map(str::to_owned).to_vec();
    let input = match name {
        "amr_nb" | "amr_wb" => vec!["-i".to_owned(), amr(name, &folder).to_str().unwrap().to_owned()],
        _ if coded.starts_with("-c:v") => generated("testsrc2=s=176x144:r=25:d=2"),
        _ => generated("sine=440:d=2:r=48000"),
    };
    // Two tests may make the same at once.
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let part = folder.join(format!("{}-{number}-{name}.{container}", std::process::id()));
    let mut command = Command::new("timeout");
    command.args(["--signal=KILL", "60"]).arg(tool("AVROPE_FFMPEG", "ffmpeg"));
    command.args(["-nostdin", "-v", "error", "-y"]).args(input).args(coded.split(' '));
    let made = command.arg(&part).output().unwrap();
    if !made.status.success() {
        std::fs::write(&part, "").unwrap();
    }
    keep(&part, &path);
    made.status.success().then_some(path)
}

/// Two seconds of AMR, which libav alone does not encode: a head, and 100 frames of its highest rate whose
/// bits are any (RFC 4867, section 5; 3GPP TS 26.101 and 26.201).
fn amr(name: &str, folder: &Path) -> PathBuf {
    let (magic, head, size) = if name == "amr_nb" { ("#!AMR\n", 0x3c, 31) } else { ("#!AMR-WB\n", 0x44, 60) };
    let frame =
        |i: u8| [head].into_iter().chain((0..size).map(move |j: u8| i.wrapping_mul(7) ^ j.wrapping_mul(13)));
    let bytes: Vec<u8> = magic.bytes().chain((0..100).flat_map(frame)).collect();
    let path = folder.join(format!("{name}.raw"));
    std::fs::write(&path, bytes).unwrap();
    path
}

/// Pictures, and seconds of sound, that are shown, as ffmpeg decodes them.
fn shown(path: &Path) -> (usize, f64) {
    let read = ["-nostdin", "-v", "quiet", "-i", path.to_str().unwrap(), "-map", "0:v:0?", "-map", "0:a:0?"];
    let wrote = ["-fps_mode", "passthrough", "-ar", "48000", "-ac", "1", "-f", "framecrc", "-"];
    let output = run_tool(&tool("AVROPE_FFMPEG", "ffmpeg"), &[&read[..], &wrote].concat());
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut kinds = BTreeMap::new();
    let (mut pictures, mut bytes) = (0, 0.0);
    for line in text.lines() {
        if let Some(line) = line.strip_prefix("#media_type ") {
            let (stream, kind) = line.split_once(": ").unwrap();
            kinds.insert(stream.to_owned(), kind.to_owned());
        } else if !line.starts_with('#') {
            let fields: Vec<&str> = line.split(',').map(str::trim).collect();
            match kinds.get(fields[0]).map(String::as_str) {
                Some("video") => pictures += 1,
                _ => bytes += fields[4].parse::<f64>().unwrap(),
            }
        }
    }
    (pictures, bytes / 96_000.0)
}

/// What became of all cases, against the lists of reasons.
#[derive(Default)]
struct Judged {
    wrong: Mutex<Vec<String>>,
    /// How often an entry of `LOSES` was met, and how often it was so.
    met: Mutex<BTreeMap<usize, (usize, usize)>>,
}

impl Judged {
    fn wrong(&self, what: String) {
        self.wrong.lock().unwrap().push(what);
    }

    /// Sound may be a frame longer or shorter: the longest, of AC-3 and MP2, and the priming that a container
    /// does not tell.
    fn compare(&self, case: (&str, &str, &str, &str), due: (usize, f64), path: &Path) {
        let (operation, codec, from, into) = case;
        let found = shown(path);
        let near = if operation == "cut" { 1 } else { 0 };
        // Of 8 kHz, a frame of AAC lasts 0.128 s, and so does its priming.
        let slack = if (operation, codec) == ("cut", "amr_nb") { 0.2 } else { 0.1 };
        let lost = found.0.abs_diff(due.0) > near
            || (found.1 - due.1).abs() > slack
            || (found.0 == 0) != (due.0 == 0);
        if !self.is_listed(case, lost) && lost && !reasons::is_unread_here(codec, into) {
            self.wrong(format!("{operation} {codec} {from} -> {into}: {found:?} of {due:?}"));
        }
    }

    /// An error is as good as a loss that is listed, where it says that the container can't hold it.
    fn refused(&self, case: (&str, &str, &str, &str), error: &Error) {
        let (operation, codec, from, into) = case;
        if error.kind() != ErrorKind::Unsupported || !self.is_listed(case, true) {
            self.wrong(format!("{operation} {codec} {from} -> {into}: {error}"));
        }
    }

    fn is_listed(&self, (_, codec, from, into): (&str, &str, &str, &str), lost: bool) -> bool {
        let listed = reasons::LOSES.iter().position(|(c, f, i, _)| {
            *c == codec && [(*f, from), (*i, into)].iter().all(|(entry, name)| *entry == "*" || entry == name)
        });
        if let Some(i) = listed {
            let mut met = self.met.lock().unwrap();
            let (count, so) = met.entry(i).or_default();
            *count += 1;
            *so += usize::from(lost);
        }
        listed.is_some()
    }

    fn end(self) {
        let mut wrong = self.wrong.into_inner().unwrap();
        for (i, (count, so)) in self.met.into_inner().unwrap() {
            if so == 0 {
                wrong.push(format!(
                    "{:?} of the list applies to none of its {count} cases",
                    reasons::LOSES[i]
                ));
            }
        }
        wrong.sort();
        assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
    }
}

fn all() -> impl Iterator<Item = (Codec, &'static [&'static str])> {
    let video = VIDEO.iter().map(|codec| (*codec, &OF_VIDEO[..]));
    video.chain(SOUND.iter().map(|codec| (*codec, &OF_SOUND[..])))
}

#[test]
fn each_codec_goes_into_what_holds_it() {
    oracle!("the matrix, into");
    let folder = tempfile::tempdir().unwrap();
    let (judged, control) = (Judged::default(), Control::default());
    let cases: Vec<_> = all().collect();
    each(&cases, |number, (codec, containers)| {
        let name = codec.0;
        let home =
            ["mkv", "nut", "mov", "mp4"].into_iter().find_map(|from| Some((from, source(*codec, from)?)));
        let Some((from, path)) = home else {
            return judged.wrong(format!("{name}: ffmpeg does not make it"));
        };
        let (media, due) = (open(&path), shown(&path));
        for (i, into) in containers.iter().enumerate() {
            let out = folder.path().join(format!("into-{name}.{into}"));
            match remux_to(&media, &Remux::new(), Sink::replace(&out), &control) {
                // The list is of FFmpeg 5.1 (libavformat 59). What newer ones have learnt is judged by what
                // is shown.
                Ok(_) if !holds(name, into) && avrope::libav_version().starts_with("59.") => {
                    judged.wrong(format!("{name} went into {into}"));
                }
                Ok(_) if is_due(number + i, 3) => judged.compare(("remux", name, from, into), due, &out),
                Ok(_) => {}
                Err(error) if holds(name, into) => judged.wrong(format!("{name} -> {into}: {error}")),
                Err(error) if error.kind() == ErrorKind::Unsupported => {}
                Err(error) => judged.wrong(format!("{name} -> {into}: {:?}: {error}", error.kind())),
            }
            let _ = std::fs::remove_file(out);
        }
    });
    judged.end();
}

#[test]
fn each_codec_comes_from_what_holds_it() {
    oracle!("the matrix, from");
    let folder = tempfile::tempdir().unwrap();
    let (judged, control) = (Judged::default(), Control::default());
    let pairs = all().flat_map(|(codec, containers)| containers.iter().map(move |from| (codec, *from)));
    let cases: Vec<_> = pairs.collect();
    each(&cases, |number, (codec, from)| {
        let name = codec.0;
        let Some(path) = Some(number).filter(|n| is_due(*n, 8)).and_then(|_| source(*codec, from)) else {
            return;
        };
        let due = shown(&path);
        let lists =
            |(c, containers, _): &(&str, &str, &str)| *c == name && containers.split(' ').any(|f| f == *from);
        let (shows, unread) = (due != (0, 0.0), reasons::UNREAD.iter().any(lists));
        if shows == unread && avrope::libav_version().starts_with("59.") {
            judged.wrong(format!("{name}.{from}: ffmpeg shows {due:?} of it, and the list says otherwise"));
        }
        if !shows {
            return;
        }
        let media = open(&path);
        let out =
            |operation: &str, into: &str| folder.path().join(format!("{operation}-{name}-{from}.{into}"));
        for into in [*from, "mkv", "mp4", "ts"] {
            let out = out("remux", into);
            if holds(name, into) {
                match remux_to(&media, &Remux::new(), Sink::replace(&out), &control) {
                    Ok(_) => judged.compare(("remux", name, from, into), due, &out),
                    Err(error) => judged.refused(("remux", name, from, into), &error),
                }
            }
            let _ = std::fs::remove_file(out);
        }
        if holds(name, from) && name != "tta" {
            let (out, source) = (out("join", from), Source::open(&path).unwrap());
            match join_to(&[source.clone(), source], &Join::new(), Sink::replace(&out), &control) {
                Ok(_) => judged.compare(("join", name, from, from), (2 * due.0, 2.0 * due.1), &out),
                Err(error) => judged.wrong(format!("join {name} {from}: {error}")),
            }
            let _ = std::fs::remove_file(out);
        }
        if cfg!(feature = "full-tests") {
            let out = out("cut", "mkv");
            let cut = Cut::new().keep(TimeRange::secs(0.5, 1.5).unwrap()).mode(CutMode::Encode);
            let half = (if due.0 > 0 { 25 } else { 0 }, if due.1 > 0.0 { 1.0 } else { 0.0 });
            let unreadable = reasons::UNREADABLE.iter().any(|(c, f, _)| (*c, *f) == (name, from));
            match cut_to(&media, &cut, Sink::replace(&out), &control) {
                Ok(_) if unreadable => {
                    judged.wrong(format!("cut {name} {from}: it is read after all"));
                }
                Err(error) if unreadable => {
                    if !error.to_string().contains("decoded") {
                        judged.wrong(format!("cut {name} {from}: {error}"));
                    }
                }
                Ok(_) => judged.compare(("cut", name, from, "mkv"), half, &out),
                Err(error) => judged.wrong(format!("cut {name} {from}: {error}")),
            }
            let _ = std::fs::remove_file(out);
        }
    });
    judged.end();
}

#[test]
fn the_readme_says_what_the_matrix_covers() {
    let rows: String = reasons::HOLDS
        .iter()
        // With B-frames and without, one codec.
        .filter(|(name, _)| !name.ends_with("-b"))
        .map(|(name, containers)| format!("| {name} | {} |\n", containers.replace(' ', ", ")))
        .collect();
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let table = readme
        .split_once("| codec | is copied into |\n|---|---|\n")
        .and_then(|(_, rest)| rest.split_once("<!-- end -->"));
    assert_eq!(
        table.map(|(table, _)| table),
        Some(rows.as_str()),
        "the README's table of codecs and containers"
    );
}
