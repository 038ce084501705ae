//! The one error type: a kind to act on, and a message that says what, where, why and what to do.

use std::{any::Any, borrow::Cow, fmt};

/// What every fallible call of this crate returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of failure an [`Error`] is: the part that a program can act on. The numbers are for other
/// languages, and stay: 0 is no error, and new kinds get new numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[non_exhaustive]
#[repr(i32)]
pub enum ErrorKind {
    /// The caller asked for something that makes no sense: an empty range, an output equal to its input.
    InvalidArgument = 1,
    /// A file or stream that was named is not there.
    NotFound = 2,
    /// The request is sensible, but this container, codec or build can't do it.
    Unsupported = 3,
    /// The input's bytes are damaged, incomplete, or not media at all.
    Corrupt = 4,
    /// Reading or writing failed: permissions, a full disk, a source that changed under way.
    Io = 5,
    /// The job's [`CancelToken`](crate::control::CancelToken) was set.
    Cancelled = 6,
    /// The job's deadline passed.
    DeadlineExceeded = 7,
    /// One of the job's [`Limits`](crate::control::Limits) was reached.
    LimitExceeded = 8,
    /// What is needed is in use: a stream that is read already.
    Busy = 9,
    /// A hardware device that was asked for can't be had.
    Hardware = 10,
    /// A defect of this crate, or a callback of the caller's that panicked.
    Bug = 11,
}

impl ErrorKind {
    /// Its number, from 1 on, which stays the same in all versions.
    pub const fn code(self) -> i32 {
        self as i32
    }

    fn words(self) -> &'static str {
        match self {
            Self::InvalidArgument => "invalid argument",
            Self::NotFound => "not found",
            Self::Unsupported => "unsupported",
            Self::Corrupt => "corrupt input",
            Self::Io => "input or output failed",
            Self::Cancelled => "cancelled",
            Self::DeadlineExceeded => "deadline exceeded",
            Self::LimitExceeded => "limit exceeded",
            Self::Busy => "busy",
            Self::Hardware => "hardware unavailable",
            Self::Bug => "bug",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}

/// Why an operation failed.
///
/// [`kind`](Error::kind) is for programs; the message (`Display`) is for people and names the source and,
/// where they apply, the stream, followed by what to do about it. Example: `clip.mp4: cut 10 s..5 s: the
/// range ends before it begins`.
///
/// What it goes back to is kept: [`source`](std::error::Error::source) is the caller's own error where a
/// callback (`read_at`, a writer) failed with one, else the `std::io::Error`; [`os_code`](Error::os_code) and
/// [`libav_code`](Error::libav_code) are the bare numbers.
pub struct Error {
    inner: Box<Inner>,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self.inner.cause.as_ref()? {
            // An error of the caller's own inside an io::Error: io::Error's own `source` leaves it out.
            Cause::Io(error) => Some(error.get_ref().map_or(error as _, |own| own as _)),
            Cause::Ours(error) => Some(error),
            Cause::Code(_) => None,
        }
    }
}

/// As `Display`, with the kind in front: what `fn main() -> Result<…>` prints.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {self}", self.kind())
    }
}

struct Inner {
    kind: ErrorKind,
    message: String,
    cause: Option<Cause>,
    name: Option<String>,
    stream: Option<usize>,
    advice: Option<String>,
    setting: Option<Cow<'static, str>>,
    log: Vec<String>,
}

impl Inner {
    /// The message, and before it what it is about.
    fn named_message(&self) -> String {
        let name = self.name.as_ref().map(|name| format!("{name}: ")).unwrap_or_default();
        let stream = self.stream.map(|stream| format!("stream {stream}: ")).unwrap_or_default();
        format!("{name}{stream}{}", self.message)
    }
}

/// What an error goes back to.
enum Cause {
    Io(std::io::Error),
    Ours(Error),
    /// What libav answered.
    Code(i32),
}

impl fmt::Display for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.named_message())?;
        if let Some(advice) = &self.advice {
            write!(f, "; {advice}")?;
        }
        // libav's last words are the most specific ones; the rest is in `log()`.
        if let Some(last) = self.log.last() {
            write!(f, " (libav: {last})")?;
        }
        Ok(())
    }
}

impl Error {
    /// An error of this kind. A caller's own [`ReadAt`](crate::io::ReadAt) or processor may make one, too.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            inner: Box::new(Inner {
                kind,
                message: message.into(),
                cause: None,
                name: None,
                stream: None,
                advice: None,
                setting: None,
                log: Vec::new(),
            }),
        }
    }

    /// The part that a program can act on.
    pub fn kind(&self) -> ErrorKind {
        self.inner.kind
    }

    /// What went wrong: neither the names that `Display` puts before it, nor the advice that follows.
    pub fn message(&self) -> &str {
        &self.inner.message
    }

    /// What to do about it, in words that fit a program as well as a command line.
    pub fn advice(&self) -> Option<&str> {
        self.inner.advice.as_deref()
    }

    /// The setting that would change the outcome, by its name in JSON: `allow_drops`, `video.bit_rate`,
    /// `limits.memory`; `overwrite` is that of [`SaveOptions`](crate::io::SaveOptions). For whoever shows it
    /// as a switch or a field of its own.
    pub fn setting(&self) -> Option<&str> {
        self.inner.setting.as_deref()
    }

    /// The name of the source or output that the error is about.
    pub fn source_name(&self) -> Option<&str> {
        self.inner.name.as_deref()
    }

    /// The index of the stream that the error is about.
    pub fn stream(&self) -> Option<usize> {
        self.inner.stream
    }

    /// What libav logged on the way to this error, oldest first. Empty after
    /// [`log::leave`](crate::log::leave).
    pub fn log(&self) -> &[String] {
        &self.inner.log
    }

    /// What libav answered, one of its `AVERROR` codes, where it was libav that failed.
    pub fn libav_code(&self) -> Option<i32> {
        match self.inner.cause.as_ref()? {
            Cause::Code(code) => Some(*code),
            Cause::Ours(error) => error.libav_code(),
            Cause::Io(_) => None,
        }
    }

    /// The operating system's number (`errno`), where it was a call of its own that failed, such as 28
    /// (ENOSPC) for a full disk.
    pub fn os_code(&self) -> Option<i32> {
        match self.inner.cause.as_ref()? {
            Cause::Io(error) => error.raw_os_error(),
            Cause::Ours(error) => error.os_code(),
            Cause::Code(_) => None,
        }
    }

    /// The `std::io::Error` that it goes back to.
    pub fn io_error(&self) -> Option<&std::io::Error> {
        match self.inner.cause.as_ref()? {
            Cause::Io(error) => Some(error),
            Cause::Ours(error) => error.io_error(),
            Cause::Code(_) => None,
        }
    }

    /// The same error as another kind.
    pub(crate) fn into_kind(mut self, kind: ErrorKind) -> Self {
        self.inner.kind = kind;
        self
    }

    /// The same error in other words.
    pub(crate) fn reworded(mut self, message: impl Into<String>) -> Self {
        self.inner.message = message.into();
        self
    }

    /// What it goes back to, if that is not known already.
    pub(crate) fn caused_by(mut self, error: Self) -> Self {
        self.inner.cause.get_or_insert(Cause::Ours(error));
        self
    }

    pub(crate) fn with_code(mut self, code: i32) -> Self {
        self.inner.cause.get_or_insert(Cause::Code(code));
        self
    }

    /// Names the source, unless a more specific name is there already.
    pub(crate) fn named(mut self, name: &str) -> Self {
        self.inner.name.get_or_insert_with(|| name.to_owned());
        self
    }

    pub(crate) fn in_stream(mut self, index: usize) -> Self {
        self.inner.stream.get_or_insert(index);
        self
    }

    /// What to do about it.
    pub(crate) fn advise(mut self, advice: impl Into<String>) -> Self {
        self.inner.advice.get_or_insert_with(|| advice.into());
        self
    }

    /// Names the setting that would change the outcome.
    pub(crate) fn with_setting(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.inner.setting.get_or_insert_with(|| name.into());
        self
    }

    /// What to do, and by which setting, in the place of what was said before.
    pub(crate) fn advise_instead(mut self, advice: &str, setting: &'static str) -> Self {
        (self.inner.advice, self.inner.setting) = (Some(advice.into()), Some(setting.into()));
        self
    }

    pub(crate) fn with_log(mut self, lines: Vec<String>) -> Self {
        if self.inner.log.is_empty() {
            self.inner.log = lines;
        }
        self
    }

    /// Whether it ends the job whatever was being tried.
    pub(crate) fn is_final(&self) -> bool {
        use ErrorKind::{Bug, Cancelled, DeadlineExceeded, LimitExceeded};
        matches!(self.kind(), Cancelled | DeadlineExceeded | LimitExceeded | Bug)
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidArgument, message)
    }

    pub(crate) fn unsupported(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported, message)
    }

    pub(crate) fn corrupt(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Corrupt, message)
    }

    /// A limit of the system's for threads was reached (RLIMIT_NPROC, the pids of a control group), or memory
    /// for their stacks.
    pub(crate) fn no_thread(what: &str, error: std::io::Error) -> Self {
        let mut new = Self::new(ErrorKind::LimitExceeded, format!("no thread for {what}: {error}"))
            .advise("run fewer jobs at once, or raise the limit for processes (ulimit -u, pids.max)");
        new.inner.cause = Some(Cause::Io(error));
        new
    }

    /// A callback or a stage that panicked, with its text.
    pub(crate) fn panicked(what: &str, panic: Box<dyn Any + Send>) -> Self {
        let text = panic
            .downcast_ref::<&str>()
            .map(ToString::to_string)
            .or_else(|| panic.downcast_ref::<String>().cloned());
        // The payload's own Drop may panic again; it is leaked, not dropped, since a panic here might cross
        // C.
        std::mem::forget(panic);
        let text = text.unwrap_or_else(|| "no message".into());
        Self::new(ErrorKind::Bug, format!("{what} panicked: {text}"))
    }

    /// A failed read or write; what the system or the caller's own code said of it is kept.
    pub(crate) fn io(what: &str, error: std::io::Error) -> Self {
        // An error of ours that a caller's reader passed through `std::io` keeps its kind.
        match error.downcast::<Self>() {
            Ok(ours) => {
                let mut error = Self::new(ours.kind(), format!("{what}: {}", ours.inner.named_message()));
                error.inner.advice = ours.inner.advice.clone();
                error.inner.setting = ours.inner.setting.clone();
                error.inner.log = ours.inner.log.clone();
                error.inner.cause = Some(Cause::Ours(ours));
                error
            }
            Err(error) => {
                let (kind, why) = in_words(&error);
                let mut new = Self::new(kind, format!("{what}: {why}"));
                new.inner.cause = Some(Cause::Io(error));
                new
            }
        }
    }
}

/// What std calls "uncategorized" or in the system's short words, and what to do about it.
fn in_words(error: &std::io::Error) -> (ErrorKind, String) {
    let why = match (error.kind(), error.raw_os_error()) {
        (std::io::ErrorKind::NotFound, _) => {
            return (ErrorKind::NotFound, "there is no such file or folder".into());
        }
        (_, Some(libc::EMFILE)) => {
            "this process has as many files open as it may; close some, or raise its limit (ulimit -n)".into()
        }
        (_, Some(libc::ENFILE)) => "the system has as many files open as it can".into(),
        _ => error.to_string(),
    };
    (ErrorKind::Io, why)
}

/// For callbacks that use files of their own: a `ReadAt`, or the sinks of
/// [`transcode_segments`](crate::transcode_segments). An error of this crate that went through `std::io`
/// comes back as it was.
impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        error.downcast::<Self>().unwrap_or_else(|error| {
            let (kind, why) = in_words(&error);
            let mut new = Self::new(kind, why);
            new.inner.cause = Some(Cause::Io(error));
            new
        })
    }
}

impl From<Error> for std::io::Error {
    fn from(error: Error) -> Self {
        let kind = match error.kind() {
            ErrorKind::NotFound => std::io::ErrorKind::NotFound,
            ErrorKind::InvalidArgument => std::io::ErrorKind::InvalidInput,
            ErrorKind::Corrupt => std::io::ErrorKind::InvalidData,
            ErrorKind::DeadlineExceeded => std::io::ErrorKind::TimedOut,
            ErrorKind::Unsupported => std::io::ErrorKind::Unsupported,
            _ => std::io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_names_source_stream_cause_and_remedy() {
        let error = Error::invalid("the range ends before it begins")
            .in_stream(1)
            .named("clip.mp4")
            .advise("swap the times");
        assert_eq!(error.to_string(), "clip.mp4: stream 1: the range ends before it begins; swap the times");
        assert_eq!(
            error.named("other").source_name(),
            Some("clip.mp4"),
            "the first name is the most specific one"
        );
    }
}
