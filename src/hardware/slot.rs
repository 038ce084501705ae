//! One device on its way: opened once, on a thread of its own, for all who wait.

use crate::{Control, Error, Result, av::device::Device};
use std::{
    fmt,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// How long a job waits for a device that was not asked for by name. One H100 opens within 0.4 s, and within
/// 1.4 s for each of 16 processes that begin at once.
pub(super) const OPEN_LIMIT: Duration = Duration::from_secs(4);
/// How long it waits for one that was: machines with many cards and no persistence daemon take long.
pub(super) const NAMED_LIMIT: Duration = Duration::from_secs(10);
/// How often who waits looks whether the job still wants it.
const LOOK: Duration = Duration::from_millis(50);

pub(super) type Outcome = Result<Device, Refusal>;

/// An [`Error`] that several jobs can be given.
#[derive(Clone)]
pub(super) struct Refusal {
    pub(super) message: String,
    pub(super) log: Vec<String>,
    /// What libav answered.
    pub(super) code: Option<i32>,
}

impl Refusal {
    pub(super) fn new(message: String) -> Self {
        Self { message, log: Vec::new(), code: None }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.log.last().map_or(Ok(()), |last| write!(f, " (libav: {last})"))
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self { message: error.message().to_owned(), log: error.log().to_vec(), code: error.libav_code() }
    }
}

/// One device on its way.
#[derive(Default)]
pub(super) struct Slot {
    state: Mutex<State>,
    changed: Condvar,
    /// The thread that opens it.
    helper: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
enum State {
    #[default]
    Untried,
    Since(Instant),
    Done(Outcome),
}

impl Slot {
    /// What `open` came to. The first caller starts it, on a thread of its own; nobody waits longer than
    /// `limit` from its start, nor after the job was cancelled.
    pub(super) fn wait(
        self: &Arc<Self>,
        limit: Duration,
        control: &Control,
        open: impl FnOnce() -> Result<Device> + Send + 'static,
    ) -> Outcome {
        let mut state = lock(&self.state);
        if matches!(*state, State::Untried) {
            let slot = self.clone();
            let work = move || {
                let outcome = open().map_err(Refusal::from);
                *lock(&slot.state) = State::Done(outcome);
                slot.changed.notify_all();
            };
            *state = match std::thread::Builder::new().name("avrope-device".into()).spawn(work) {
                Ok(thread) => {
                    *lock(&self.helper) = Some(thread);
                    State::Since(Instant::now())
                }
                Err(error) => State::Done(Err(Refusal::new(format!("no thread to open it on: {error}")))),
            };
        }
        while let State::Since(start) = &*state {
            let left = limit.saturating_sub(start.elapsed()).min(LOOK);
            if left.is_zero() || control.check().is_err() {
                break;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        let State::Done(outcome) = &*state else { return Err(late(limit)) };
        let outcome = outcome.clone();
        drop(state);
        // It is about to end. Otherwise it might hold the slot longer than all others do, and close the
        // device while the process exits: drivers crash then.
        if let Some(thread) = lock(&self.helper).take() {
            let _ = thread.join();
        }
        outcome
    }

    /// Why there is no device, if it was tried.
    pub(super) fn refusal(&self) -> Option<Refusal> {
        match &*lock(&self.state) {
            State::Done(outcome) => outcome.as_ref().err().cloned(),
            State::Since(start) if start.elapsed() >= OPEN_LIMIT => Some(late(OPEN_LIMIT)),
            _ => None,
        }
    }
}

fn late(limit: Duration) -> Refusal {
    Refusal::new(format!(
        "it did not open within {} s: its driver is slow or hangs, or others of its kind were opened first",
        limit.as_secs_f64()
    ))
}

/// A panic while such a lock is held leaves nothing half done.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn a_device_is_opened_once_for_all_threads() {
        let (slot, opened) = (Arc::new(Slot::default()), Arc::new(AtomicUsize::new(0)));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let opened = opened.clone();
                    let outcome = slot.wait(OPEN_LIMIT, &Control::default(), move || {
                        opened.fetch_add(1, Ordering::SeqCst);
                        std::thread::sleep(Duration::from_millis(20));
                        Err(Error::new(ErrorKind::Hardware, "no such thing"))
                    });
                    assert_eq!(outcome.err().unwrap().message, "no such thing");
                });
            }
        });
        assert_eq!(opened.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn a_driver_that_hangs_is_given_up_and_its_late_answer_kept() {
        let slot = Arc::new(Slot::default());
        let (release, held) = std::sync::mpsc::channel::<()>();
        let limit = Duration::from_millis(50);
        let outcome = slot.wait(limit, &Control::default(), move || {
            let _ = held.recv();
            Err(Error::new(ErrorKind::Hardware, "late"))
        });
        assert!(outcome.err().unwrap().message.contains("did not open within 0.05 s"));
        // Nobody waits for it whose job was cancelled.
        let token = crate::CancelToken::new();
        token.cancel();
        let cancelled = Control::new().cancel_token(token);
        assert!(slot.wait(NAMED_LIMIT, &cancelled, || panic!("it was tried already")).is_err());
        // The driver hung as long as the waits took: only now it may go on.
        drop(release);
        let answer = slot.wait(NAMED_LIMIT, &Control::default(), || panic!("it was tried already"));
        assert_eq!(answer.err().unwrap().message, "late");
    }
}
