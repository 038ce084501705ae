//! What every operation takes and gives back: [`Control`] in, [`Report`] out.

mod devices;
mod limits;
mod road;
mod strip;

pub use devices::{HardwareReport, RefusedDevice};
pub use limits::Limits;
pub use road::Road;
pub use strip::Strip;
pub(crate) use strip::tells_place;

use crate::{Error, ErrorKind, Result, TimeRange, Timestamp};
use serde::{Deserialize, Serialize};
use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// Stops a job from another thread. Clones share one state; once cancelled it stays so.
#[derive(Clone, Debug, Default)]
pub struct CancelToken(Arc<AtomicBool>);

impl CancelToken {
    /// A token that is not cancelled.
    pub fn new() -> Self {
        Self::default()
    }

    /// Every operation that holds a clone of this token ends with [`ErrorKind::Cancelled`] at its next read,
    /// write or packet. Safe to call from a signal handler's thread.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether [`cancel`](Self::cancel) was called.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// How far an operation has come.
#[derive(Clone, Copy, Debug, Serialize)]
#[non_exhaustive]
pub struct Progress {
    /// What is being done.
    pub stage: Stage,
    /// Done so far: presentation time in [`Stage::Copy`], [`Stage::Measure`], [`Stage::Transcode`],
    /// [`Stage::Verify`] and [`Stage::Detect`], bytes in [`Stage::Save`].
    pub done: u64,
    /// The whole in the same unit: nanoseconds or bytes; 0 where it is not known.
    pub total: u64,
    /// Media time done in a second of wall time, in [`Stage::Transcode`], [`Stage::Measure`], [`Stage::Verify`]
    /// and [`Stage::Detect`]; 0 elsewhere and at the beginning.
    pub speed: f64,
    /// How much longer it takes, if it goes on like this; None where that can't be known.
    #[serde(with = "crate::time::seconds_or_none")]
    pub remaining: Option<Duration>,
}

/// The stages that a job reports progress in, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub enum Stage {
    /// Packets go from source to muxer; the unit is nanoseconds of media.
    Copy,
    /// Sound is decoded and measured, before [`Transcode`](Self::Transcode); the unit is nanoseconds of
    /// media.
    Measure,
    /// Frames are decoded, processed and encoded; the unit is nanoseconds of media.
    Transcode,
    /// The result is written to its file; the unit is bytes.
    Save,
    /// An output is compared with its source, which is no part of another job; the unit is nanoseconds of media.
    Verify,
    /// Pictures and sound are looked through (see [`detect`](crate::detect)), which is no part of another job; the unit
    /// is nanoseconds of media.
    Detect,
}

type ProgressFn = dyn Fn(Progress) + Send + Sync;

/// What the caller holds over a job: cancel, deadline, progress, limits. `Control::default()` is none of
/// them.
///
/// ```
/// use avrope::{Control, control::CancelToken};
/// use std::time::Duration;
///
/// let token = CancelToken::new();
/// let control = Control::new().cancel_token(token.clone()).timeout(Duration::from_secs(30));
/// token.cancel();
/// assert!(control.check().is_err());
/// ```
#[derive(Clone, Default)]
pub struct Control {
    cancel: Option<CancelToken>,
    /// Cancelled from inside: a stage of the job failed, and the others end with it.
    stops: Vec<CancelToken>,
    deadline: Option<Instant>,
    progress: Option<Arc<ProgressFn>>,
    limits: Limits,
    verify: bool,
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control")
            .field("cancel", &self.cancel)
            .field("deadline", &self.deadline)
            .field("progress", &self.progress.is_some())
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

// Apart from the checks that come to them: those are made several times a packet.
#[cold]
fn cancelled(message: &'static str) -> Error {
    Error::new(ErrorKind::Cancelled, message)
}

#[cold]
fn late() -> Error {
    Error::new(ErrorKind::DeadlineExceeded, "the job's deadline passed")
}

impl Control {
    /// No cancel, no deadline, no progress, the default limits.
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends the job when this token is cancelled.
    #[must_use]
    pub fn cancel_token(mut self, token: CancelToken) -> Self {
        self.cancel = Some(token);
        self
    }

    /// Ends the job at this instant.
    #[must_use]
    pub fn deadline(mut self, deadline: Instant) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Ends the job after this time from now. A time that is too long to be a date is no deadline.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.deadline = Instant::now().checked_add(timeout);
        self
    }

    /// Called on the job's own thread, a few times a second of media at the most. A panic in it fails the job
    /// with [`ErrorKind::Bug`].
    #[must_use]
    pub fn progress(mut self, callback: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        self.progress = Some(Arc::new(callback));
        self
    }

    /// What the job may use up.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// For debugging: every payload that was taken over by reference is read as well and compared with what
    /// the demuxer would have delivered. A difference is [`ErrorKind::Bug`].
    #[must_use]
    pub fn verify_payload(mut self, on: bool) -> Self {
        self.verify = on;
        self
    }

    /// An error if the job is cancelled or late. Operations call it often; a caller's own
    /// [`ReadAt`](crate::io::ReadAt) may call it as well.
    #[inline]
    pub fn check(&self) -> Result<()> {
        if self.cancel.is_none() && self.deadline.is_none() && self.stops.is_empty() {
            return Ok(());
        }
        self.look()
    }

    #[inline]
    fn look(&self) -> Result<()> {
        if self.cancel.as_ref().is_some_and(CancelToken::is_cancelled) {
            return Err(cancelled("the job was cancelled"));
        }
        if self.stops.iter().any(CancelToken::is_cancelled) {
            return Err(cancelled("another stage of the job failed"));
        }
        if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Err(late());
        }
        Ok(())
    }

    /// How much time is left until the deadline; None without one.
    pub fn remaining(&self) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// The same control, which is also cancelled by a token of the job's own.
    pub(crate) fn and_cancel(mut self, token: CancelToken) -> Self {
        self.stops.push(token);
        self
    }

    /// What the job may use up, as [`limits`](Self::limits) set it.
    pub fn get_limits(&self) -> &Limits {
        &self.limits
    }

    pub(crate) fn verifies(&self) -> bool {
        self.verify
    }

    /// Tells the caller how far the job is. The caller's panic becomes an error here, before it can cross C.
    pub(crate) fn report(&self, stage: Stage, done: u64, total: u64) -> Result<()> {
        self.tell(Progress { stage, done, total, speed: 0.0, remaining: None })
    }

    /// The same, with the speed since the work has begun.
    pub(crate) fn report_since(&self, stage: Stage, done: u64, total: u64, begun: Instant) -> Result<()> {
        let spent = begun.elapsed().as_secs_f64();
        let speed = if spent > 0.0 { done as f64 / 1e9 / spent } else { 0.0 };
        let left = (total > 0 && speed > 0.0).then(|| total.saturating_sub(done) as f64 / 1e9 / speed);
        let remaining = left.and_then(|left| Duration::try_from_secs_f64(left).ok());
        self.tell(Progress { stage, done, total, speed, remaining })
    }

    fn tell(&self, progress: Progress) -> Result<()> {
        let Some(callback) = &self.progress else {
            return Ok(());
        };
        let call = std::panic::AssertUnwindSafe(|| callback(progress));
        std::panic::catch_unwind(call).map_err(|panic| Error::panicked("the progress callback", panic))
    }
}

/// One range of a cut: what was asked for, and what the output shows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ReportRange {
    /// Asked: the first instant that is in.
    pub from: Timestamp,
    /// Asked: the first instant that is out.
    pub to: Timestamp,
    /// Shown: in mode `keyframe` the time of the keyframe at or before `from`; of sound alone, where its
    /// nearest packet begins.
    pub actual_from: Timestamp,
    /// Shown: the end of the range or of the source, whichever is first; of sound alone where packets have no
    /// times (WAV, FLAC, Ogg), the end of the last one.
    pub actual_to: Timestamp,
}

impl ReportRange {
    /// A range that is shown just as it was asked for.
    pub(crate) fn exact(range: TimeRange) -> Self {
        Self { from: range.from, to: range.to, actual_from: range.from, actual_to: range.to }
    }
}

/// What becomes of pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Way {
    /// Their bytes are the source's.
    Copied,
    /// They are decoded and encoded anew.
    Encoded,
}

/// Pictures of a range that go one way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ReportSpan {
    /// The stream in the input.
    pub stream: usize,
    /// The range, counted from 0.
    pub range: usize,
    /// When the first of them is shown, on the source's clock.
    pub from: Timestamp,
    /// When the last of them ends.
    pub to: Timestamp,
    /// What becomes of them.
    pub way: Way,
    /// How many they are; None of those that are copied, which are not counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pictures: Option<u64>,
    /// Why they are encoded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// How like the source's the worst of them is, over all planes, in decibels, as it was measured; None before it is
    /// done, and where nothing was lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub psnr: Option<f64>,
}

/// Pictures or sound of a join's input that were encoded to match the first one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ReportInput {
    /// Which of the inputs, counted from 0.
    pub input: usize,
    /// What it is called.
    pub name: String,
    /// `video` or `audio`.
    pub kind: String,
    /// What differed, such as `picture size: 1280x720 against 854x480`.
    pub why: String,
}

/// What happened, in numbers. Its JSON names are stable.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Report {
    /// `cut`, `join`, `remux`, `transcode`.
    pub operation: String,
    /// How a cut was done: `keyframe`, `edit`, `smart`, `encode`. None for other operations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// Which way the samples of an MP4 went into an MP4. None for other containers, and where what was asked for
    /// decodes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub road: Option<Road>,
    /// The ranges of a cut.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ranges: Vec<ReportRange>,
    /// What of each range of a smart cut was copied, and what encoded anew.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub spans: Vec<ReportSpan>,
    /// What of a join's inputs was encoded to match the first one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<ReportInput>,
    /// Bytes of all inputs together; 0 for a stream, whose length is not known.
    pub input_bytes: u64,
    /// Bytes that were read from the inputs to build the result. Saving and serving it are not in it.
    pub bytes_read: u64,
    /// Bytes of the result.
    pub output_bytes: u64,
    /// Payload bytes of the result that are slices of an input.
    pub payload_shared: u64,
    /// Payload bytes that went through our memory to build the result.
    pub payload_copied: u64,
    /// Slices of the result's Rope (`segments` in JSON); 0 if there is none.
    #[serde(rename = "segments")]
    pub slices: usize,
    /// Packets in the result.
    pub packets: u64,
    /// Frames that were decoded; 0 for operations that copy.
    pub frames_decoded: u64,
    /// Frames that were encoded; 0 for operations that copy.
    pub frames_encoded: u64,
    /// Packets that a decoder found damaged; 0 for operations that copy.
    pub decode_errors: u64,
    /// How long the result is shown; in JSON `duration_s`, in seconds.
    #[serde(rename = "duration_s", with = "crate::time::seconds")]
    pub duration: Duration,
    /// How long the operation took; in JSON `wall_ms`, in milliseconds.
    #[serde(rename = "wall_ms", with = "crate::time::millis")]
    pub wall: Duration,
    /// Streams of the inputs that are not in the result, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dropped_streams: Vec<DroppedStream>,
    /// Which devices did what, and why others did not. Not in JSON where no device was looked for.
    #[serde(skip_serializing_if = "HardwareReport::is_empty")]
    pub hardware: HardwareReport,
    /// What was dropped, changed or repaired.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

impl Report {
    pub(crate) fn warn(&mut self, text: impl Into<String>) {
        let text = text.into();
        if !self.warnings.contains(&text) {
            self.warnings.push(text);
        }
    }

    /// A stream is not in the result; with a warning.
    pub(crate) fn leave_out(&mut self, index: usize, codec: String, reason: impl Into<String>) {
        let reason = reason.into();
        self.warn(format!("stream {index} ({codec}) is left out: {reason}"));
        self.dropped_streams.push(DroppedStream { index, codec, reason });
    }
}

/// A stream that did not make it into the result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DroppedStream {
    /// Its index in the input.
    pub index: usize,
    /// Its codec by libav's name.
    pub codec: String,
    /// Why.
    pub reason: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_ends_jobs() {
        assert!(Control::default().check().is_ok());
        let late = Control::new().timeout(Duration::ZERO);
        assert_eq!(late.check().unwrap_err().kind(), ErrorKind::DeadlineExceeded);
        assert!(Control::new().timeout(Duration::MAX).check().is_ok());
    }

    #[test]
    fn a_panicking_progress_callback_is_an_error() {
        let control = Control::new().progress(|_| panic!("caller's bug"));
        assert_eq!(control.report(Stage::Copy, 0, 0).unwrap_err().kind(), ErrorKind::Bug);
    }
}
