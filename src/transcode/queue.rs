//! What lies between two stages: a channel that is bounded in items and in bytes, and that a failure anywhere wakes.

use crate::{CancelToken, Control, Error, ErrorKind, Result};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, select};
use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// How a job's stages end together. The first error wins; it wakes all who wait.
pub(super) struct Stop {
    control: Control,
    token: CancelToken,
    error: Mutex<Option<Error>>,
    /// Dropped to wake: nothing is ever sent.
    awake: Mutex<Option<Sender<()>>>,
    woken: Receiver<()>,
}

impl Stop {
    pub(super) fn new(control: &Control) -> Self {
        let (awake, woken) = bounded(0);
        let token = CancelToken::new();
        let control = control.clone().and_cancel(token.clone());
        Self { control, token, error: Mutex::new(None), awake: Mutex::new(Some(awake)), woken }
    }

    /// The caller's control, which is also cancelled when any stage fails.
    pub(super) fn control(&self) -> &Control {
        &self.control
    }

    /// Ends the job with this error, unless there was one before.
    pub(super) fn fail(&self, error: Error) {
        lock(&self.error).get_or_insert(error);
        self.token.cancel();
        lock(&self.awake).take();
    }

    /// What the job failed with.
    pub(super) fn take(&self) -> Option<Error> {
        lock(&self.error).take()
    }

    /// An error if the job was cancelled, is late, or failed.
    pub(super) fn check(&self) -> Result<()> {
        self.control.check()
    }

    /// Runs a stage. Its error and its panic end the job.
    pub(super) fn guard(&self, name: &str, stage: impl FnOnce() -> Result<()>) {
        match std::panic::catch_unwind(std::panic::AssertUnwindSafe(stage)) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => self.fail(error),
            Err(_) => self.fail(Error::new(ErrorKind::Bug, format!("the {name} stage panicked"))),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Opens once. Whoever gave something to the stages behind may wait here until they have done what they can with it.
pub(super) struct Gate {
    closed: Mutex<Option<Sender<()>>>,
    opened: Receiver<()>,
}

impl Gate {
    pub(super) fn new() -> Self {
        let (closed, opened) = bounded(0);
        Self { closed: Mutex::new(Some(closed)), opened }
    }

    pub(super) fn open(&self) {
        lock(&self.closed).take();
    }

    pub(super) fn wait(&self, stop: &Stop) -> Result<()> {
        select! {
            // Nothing is ever sent.
            recv(self.opened) -> _ => Ok(()),
            recv(stop.woken) -> _ => Err(stopped(stop)),
        }
    }
}

/// What a queue's budget is counted in.
const UNIT: usize = 64 << 10;

/// Bytes that a queue may hold, as tokens that are taken by the sender and given back by who consumed the item.
struct Budget {
    take: Receiver<()>,
    give: Sender<()>,
    units: usize,
}

/// The sending end. An item that is larger than the whole budget travels alone.
pub(super) struct Tx<T> {
    items: Sender<(T, Held)>,
    budget: Budget,
}

/// The receiving end.
pub(super) struct Rx<T>(Receiver<(T, Held)>);

/// Gives tokens back when the item's receiver is done with it.
pub(super) struct Held(Sender<()>, usize);

impl Drop for Held {
    fn drop(&mut self) {
        for _ in 0..self.1 {
            // There is room for every token that was taken.
            let _ = self.0.try_send(());
        }
    }
}

/// A queue of at most so many items and bytes.
pub(super) fn queue<T>(items: usize, bytes: usize) -> (Tx<T>, Rx<T>) {
    let (to, from) = bounded(items);
    (Tx { items: to, budget: Budget::new(bytes) }, Rx(from))
}

impl Budget {
    fn new(bytes: usize) -> Self {
        let units = bytes.div_ceil(UNIT).max(1);
        let (give, take) = bounded(units);
        for _ in 0..units {
            let _ = give.try_send(());
        }
        Self { take, give, units }
    }
}

impl<T> Tx<T> {
    /// Another sender into the same queue, with a budget of its own: none can use up what another waits for.
    pub(super) fn another(&self, bytes: usize) -> Self {
        Self { items: self.items.clone(), budget: Budget::new(bytes) }
    }

    /// Waits for room. False if nobody receives any more, which is no error: a stage may have had enough.
    pub(super) fn send(&self, item: T, bytes: usize, stop: &Stop) -> Result<bool> {
        stop.check()?;
        // What is smaller than a token is bounded by the count of items.
        let wanted = (bytes / UNIT).min(self.budget.units);
        let mut held = Held(self.budget.give.clone(), 0);
        while held.1 < wanted {
            select! {
                recv(self.budget.take) -> token => match token {
                    Ok(()) => held.1 = held.1.saturating_add(1),
                    Err(_) => return Ok(false),
                },
                recv(stop.woken) -> _ => return Err(stopped(stop)),
            }
        }
        select! {
            send(self.items, (item, held)) -> sent => Ok(sent.is_ok()),
            recv(stop.woken) -> _ => Err(stopped(stop)),
        }
    }
}

impl<T> Rx<T> {
    /// The next item; None when all senders are gone.
    pub(super) fn recv(&self, stop: &Stop) -> Result<Option<(T, Held)>> {
        select! {
            recv(self.0) -> item => Ok(item.ok()),
            recv(stop.woken) -> _ => Err(stopped(stop)),
        }
    }

    /// The same, looking at the caller's cancel and deadline meanwhile: for the one stage that does this for all.
    pub(super) fn recv_watching(&self, stop: &Stop) -> Result<Option<(T, Held)>> {
        loop {
            stop.check()?;
            match self.0.recv_timeout(Duration::from_millis(20)) {
                Ok(item) => return Ok(Some(item)),
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }
}

/// Another stage's error is the one that counts.
fn stopped(stop: &Stop) -> Error {
    stop.check().err().unwrap_or_else(|| Error::new(ErrorKind::Cancelled, "the job was stopped"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_is_bounded_in_bytes_and_lets_a_giant_through_alone() {
        let stop = Stop::new(&Control::default());
        let (tx, rx) = queue(100, 4 * UNIT);
        std::thread::scope(|scope| {
            let received = scope.spawn(|| {
                let mut sizes = Vec::new();
                while let Some((size, held)) = rx.recv(&stop).unwrap() {
                    // Whatever is in the queue and in our hands fits the budget.
                    assert!(rx.0.len() <= 4);
                    sizes.push(size);
                    drop(held);
                }
                sizes
            });
            for size in [UNIT, UNIT, 100 * UNIT, UNIT, 2 * UNIT] {
                assert!(tx.send(size, size, &stop).unwrap());
            }
            drop(tx);
            assert_eq!(received.join().unwrap().len(), 5);
        });
    }

    #[test]
    fn a_failure_wakes_those_who_wait_and_the_first_error_wins() {
        let stop = Stop::new(&Control::default());
        let (tx, rx) = queue::<u8>(1, UNIT);
        tx.send(1, 1, &stop).unwrap();
        std::thread::scope(|scope| {
            let blocked = scope.spawn(|| tx.send(2, 1, &stop));
            stop.fail(Error::corrupt("the first"));
            stop.fail(Error::corrupt("the second"));
            assert!(blocked.join().unwrap().is_err());
        });
        assert!(rx.recv(&stop).is_err() || rx.recv(&stop).is_err());
        assert!(stop.take().unwrap().to_string().contains("first"));
        let gone = Stop::new(&Control::default());
        drop(rx);
        let (tx, rx) = queue::<u8>(1, UNIT);
        drop(rx);
        assert!(!tx.send(1, 1, &gone).unwrap());
    }

    #[test]
    fn a_panicking_stage_is_an_error() {
        let stop = Stop::new(&Control::default());
        stop.guard("test", || panic!("a processor's bug"));
        assert_eq!(stop.take().unwrap().kind(), ErrorKind::Bug);
    }
}
