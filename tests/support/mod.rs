//! What the tests of bad input, sources and resources share: cached fixtures, a watchdog, boxes.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use avrope::{
    Control, Error, ErrorKind, Result,
    synth::{self, Spec, Video},
};
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};

/// A generated clip, kept in the build's folder: made once for a version of libav and a spec.
pub fn fixture(name: &str, spec: &Spec) -> PathBuf {
    use std::hash::{DefaultHasher, Hash, Hasher};
    static MAKING: Mutex<()> = Mutex::new(());
    let mut hasher = DefaultHasher::new();
    format!("{spec:?}").hash(&mut hasher);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fixtures-{}", avrope::libav_version()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join(format!("{:08x}-{name}", hasher.finish() as u32));
    let _one_at_a_time = MAKING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if !path.exists() {
        // Other processes may make it, too: a whole file takes its name.
        let part = folder.join(format!("{}-{name}", std::process::id()));
        synth::to_file(spec, &part).unwrap();
        std::fs::rename(part, &path).unwrap();
    }
    path
}

/// Ten seconds of small H.264 (or MPEG-4) with B-frames and AAC; `moov` at the end.
pub fn clip() -> PathBuf {
    fixture("clip.mp4", &Spec { duration: 10.0, ..Spec::default() })
}

/// The same with `moov` at the front.
pub fn fast_start_clip() -> PathBuf {
    let muxer_options = vec![("movflags".to_owned(), "+faststart".to_owned())];
    fixture("fast.mp4", &Spec { duration: 10.0, muxer_options, ..Spec::default() })
}

/// The same streams in another container.
pub fn clip_in(ending: &str) -> PathBuf {
    fixture(&format!("clip.{ending}"), &Spec { duration: 10.0, ..Spec::default() })
}

/// A few seconds of 640x360 at a rate that makes it several megabytes; every megabyte counts where a copy is to be caught
/// in its middle.
pub fn large_clip() -> PathBuf {
    let video = Video {
        size: (640, 360),
        bit_rate: Some(24_000_000),
        source: synth::VideoSource::Graph(
            "nullsrc=s=640x360:r=30,geq=lum='random(1)*255':cb='128':cr='128'".into(),
        ),
        ..Video::default()
    };
    fixture("large.mp4", &Spec { duration: 6.0, video: Some(video), ..Spec::default() })
}

/// A copy that a test may spoil; its modification time lies in the past, so that every change shows.
pub fn copy_to(path: &Path, folder: &Path, name: &str) -> PathBuf {
    let to = folder.join(name);
    std::fs::copy(path, &to).unwrap();
    age(&to);
    to
}

/// Sets the modification time to an hour ago.
pub fn age(path: &Path) {
    let file = std::fs::File::options().write(true).open(path).unwrap();
    file.set_modified(std::time::SystemTime::now() - Duration::from_secs(3600)).unwrap();
}

/// Runs something on a thread of its own, and fails if it is not back in time: a hang is a failure, not a stuck test run.
/// A panic in it goes on here.
pub fn bounded<T: Send + 'static>(what: &str, seconds: u64, run: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, outcome) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        let _ = done.send(run());
    });
    match outcome.recv_timeout(Duration::from_secs(seconds)) {
        Ok(value) => value,
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("{what}: HANGS (not back after {seconds} s)"),
        Err(mpsc::RecvTimeoutError::Disconnected) => {
            std::panic::resume_unwind(thread.join().expect_err("it sent nothing"))
        }
    }
}

/// Asserts an error of one of these kinds with a message that names something.
#[track_caller]
pub fn refused<T>(outcome: Result<T>, kinds: &[ErrorKind], what: &str) -> Error {
    match outcome {
        Ok(_) => panic!("{what}: went well, an error was due ({kinds:?})"),
        Err(error) => {
            assert!(
                kinds.contains(&error.kind()),
                "{what}: {:?} ({error}), not one of {kinds:?}",
                error.kind()
            );
            assert!(error.to_string().len() > 10, "{what}: a message that says something: {error}");
            error
        }
    }
}

/// What is in a folder.
pub fn entries(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

pub fn none() -> Control {
    Control::default()
}

/// Says aloud that something can't be tested here: past the test harness, which keeps what a passing test prints.
pub fn skipped(why: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "SKIPPED: {why}");
}

pub fn shared_media(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/media").join(name);
    if path.exists() {
        return Some(path);
    }
    skipped(&format!("{} is not there", path.display()));
    None
}

/// Where a box begins and how long it is.
#[derive(Clone, Debug)]
pub struct Mp4Box {
    pub kind: [u8; 4],
    pub start: usize,
    pub header: usize,
    pub len: usize,
}

impl Mp4Box {
    pub fn end(&self) -> usize {
        self.start + self.len
    }

    pub fn content(&self) -> usize {
        self.start + self.header
    }
}

/// The boxes of MP4 bytes between two places.
pub fn boxes(bytes: &[u8], from: usize, to: usize) -> Vec<Mp4Box> {
    let mut found = Vec::new();
    let mut at = from;
    while at + 8 <= to {
        let small = u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        let kind = bytes[at + 4..at + 8].try_into().unwrap();
        let (header, len) = match small {
            0 => (8, to - at),
            1 => (16, u64::from_be_bytes(bytes[at + 8..at + 16].try_into().unwrap()) as usize),
            len => (8, len),
        };
        if len < header || at + len > to {
            break;
        }
        found.push(Mp4Box { kind, start: at, header, len });
        at += len;
    }
    found
}

/// The first box at a path such as `moov/trak/edts/elst`, searched depth first.
pub fn find(bytes: &[u8], path: &str) -> Option<Mp4Box> {
    find_all(bytes, path).into_iter().next()
}

pub fn find_all(bytes: &[u8], path: &str) -> Vec<Mp4Box> {
    let mut level = vec![Mp4Box { kind: *b"root", start: 0, header: 0, len: bytes.len() }];
    for name in path.split('/') {
        level = level
            .iter()
            .flat_map(|b| boxes(bytes, b.content(), b.end()))
            .filter(|b| b.kind == name.as_bytes())
            .collect();
    }
    level
}

/// A box with this content.
pub fn make_box(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(content.len() + 8).unwrap().to_be_bytes().to_vec();
    bytes.extend_from_slice(kind);
    bytes.extend_from_slice(content);
    bytes
}

/// Puts other content in place of a box, and corrects the sizes of the boxes around it (which must be `path`'s parents).
/// Chunk offsets are left alone: for files whose `moov` is behind the payload.
pub fn replace_box(bytes: &[u8], path: &str, nth: usize, new: &[u8]) -> Vec<u8> {
    let old = find_all(bytes, path)[nth].clone();
    let mut out = bytes[..old.start].to_vec();
    out.extend_from_slice(new);
    out.extend_from_slice(&bytes[old.end()..]);
    let parts: Vec<_> = path.split('/').collect();
    for depth in 1..parts.len() {
        let parent = find_all(bytes, &parts[..depth].join("/"))
            .into_iter()
            .find(|b| b.start <= old.start && old.end() <= b.end())
            .unwrap();
        let len = parent.len + new.len() - old.len;
        out[parent.start..parent.start + 4].copy_from_slice(&u32::try_from(len).unwrap().to_be_bytes());
    }
    out
}

/// Deterministic random numbers.
pub struct XorShift(pub u64);

impl XorShift {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }
}

/// A cell that a callback fills.
pub fn shared<T>(value: T) -> Arc<Mutex<T>> {
    Arc::new(Mutex::new(value))
}
