//! What every test of an operation does.

use super::ending;
use avrope::{Clip, Control, Error, ErrorKind, Media, Result, Source, Transcode, io::SaveOptions, transcode};
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};

pub fn open(path: &Path) -> Media {
    Media::open(Source::open(path).unwrap()).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Transcodes into a rope.
pub fn run(path: &Path, settings: &Transcode) -> Clip {
    transcode(&open(path), settings, &Control::default())
        .unwrap_or_else(|e| panic!("{}: {settings:?}: {e}", path.display()))
}

/// Transcodes into a file, whose container its name says.
pub fn made(path: &Path, settings: &Transcode, folder: &Path, name: &str) -> PathBuf {
    let settings = settings.clone().format(ending(Path::new(name)));
    save(&run(path, &settings), folder, name)
}

pub fn save(clip: &Clip, folder: &Path, name: &str) -> PathBuf {
    let path = folder.join(name);
    clip.rope.save(&path, SaveOptions::new().overwrite(true), &Control::default()).unwrap();
    path
}

pub fn none() -> Control {
    Control::default()
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

/// Long past what any test does on the busiest machine: what is not back then hangs.
pub const HANGS: Duration = Duration::from_secs(180);

/// Runs something on a thread of its own, and fails if it hangs: a hang is a failure, not a stuck test run. A
/// panic in it goes on here.
pub fn bounded<T: Send + 'static>(what: &str, run: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, outcome) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        let _ = done.send(run());
    });
    match outcome.recv_timeout(HANGS) {
        Ok(value) => value,
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("{what}: HANGS (not back after {HANGS:?})"),
        Err(mpsc::RecvTimeoutError::Disconnected) => {
            std::panic::resume_unwind(thread.join().expect_err("it sent nothing"))
        }
    }
}

/// Whether a case of a large table is due: one of so many in the fast tier, every one in the full tier.
pub fn is_due(number: usize, one_of: usize) -> bool {
    cfg!(feature = "full-tests") || number.is_multiple_of(one_of)
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

/// Says aloud that something can't be tested here: past the test harness, which keeps what a passing test
/// prints.
pub fn skipped(why: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "SKIPPED: {why}");
}

/// A cell that a callback fills.
pub fn cell<T>(value: T) -> Arc<Mutex<T>> {
    Arc::new(Mutex::new(value))
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

/// An error of the caller's own, from a callback.
#[derive(Debug, PartialEq)]
pub struct Throttled {
    pub seconds: u32,
}

impl std::fmt::Display for Throttled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "come back in {} s", self.seconds)
    }
}

impl std::error::Error for Throttled {}

/// The first error of the caller's own that an error goes back to.
pub fn own(error: &Error) -> Option<&Throttled> {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if let Some(own) = error.downcast_ref() {
            return Some(own);
        }
        cause = error.source();
    }
    None
}
