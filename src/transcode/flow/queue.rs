//! What lies between two stages: a channel that is bounded in items and in bytes, and that a failure anywhere
//! wakes.

use crate::{CancelToken, Control, Error, ErrorKind, Result};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TryRecvError, bounded, select};
use std::{
    cell::RefCell,
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// How a job's stages end together. The first error wins; it wakes all who wait.
pub(crate) struct Stop {
    control: Control,
    token: CancelToken,
    error: Mutex<Option<Error>>,
    /// Dropped to wake: nothing is ever sent.
    awake: Mutex<Option<Sender<()>>>,
    woken: Receiver<()>,
}

impl Stop {
    pub(crate) fn new(control: &Control) -> Self {
        let (awake, woken) = bounded(0);
        let token = CancelToken::new();
        let control = control.clone().and_cancel(token.clone());
        Self { control, token, error: Mutex::new(None), awake: Mutex::new(Some(awake)), woken }
    }

    /// The caller's control, which is also cancelled when any stage fails.
    pub(crate) fn control(&self) -> &Control {
        &self.control
    }

    /// Ends the job with this error, unless there was one before.
    pub(crate) fn fail(&self, error: Error) {
        lock(&self.error).get_or_insert(error);
        self.token.cancel();
        lock(&self.awake).take();
    }

    /// What the job failed with.
    pub(crate) fn take(&self) -> Option<Error> {
        lock(&self.error).take()
    }

    /// An error if the job was cancelled, is late, or failed.
    pub(crate) fn check(&self) -> Result<()> {
        self.control.check()
    }

    /// Starts a stage on a thread of its own. A thread that can't start ends the job like a stage that fails:
    /// what was moved into it is dropped, so that its neighbours see the end.
    pub(crate) fn spawn<'scope>(
        &self,
        scope: &'scope std::thread::Scope<'scope, '_>,
        name: &str,
        stage: impl FnOnce() + Send + 'scope,
    ) {
        let thread = std::thread::Builder::new().name(format!("avrope {name}")).spawn_scoped(scope, stage);
        if let Err(error) = thread {
            self.fail(Error::no_thread(&format!("the {name} stage"), error));
        }
    }

    /// Runs a stage. Its error and its panic end the job.
    pub(crate) fn guard(&self, name: &str, stage: impl FnOnce() -> Result<()>) {
        let stage = || crate::av::log::ours(stage);
        match std::panic::catch_unwind(std::panic::AssertUnwindSafe(stage)) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => self.fail(error),
            Err(panic) => self.fail(Error::panicked(&format!("the {name} stage"), panic)),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Opens once. Whoever gave something to the stages behind may wait here until they have done what they can
/// with it.
pub(crate) struct Gate {
    closed: Mutex<Option<Sender<()>>>,
    opened: Receiver<()>,
}

impl Gate {
    pub(crate) fn new() -> Self {
        let (closed, opened) = bounded(0);
        Self { closed: Mutex::new(Some(closed)), opened }
    }

    pub(crate) fn open(&self) {
        lock(&self.closed).take();
    }

    pub(crate) fn wait(&self, stop: &Stop) -> Result<()> {
        select! {
            // Nothing is ever sent.
            recv(self.opened) -> _ => Ok(()),
            recv(stop.woken) -> _ => Err(stopped(stop)),
        }
    }
}

/// What a queue's budget is counted in.
const UNIT: usize = 64 << 10;

/// How much may wait between two stages.
#[derive(Clone, Copy)]
pub(crate) struct Room {
    pub items: usize,
    pub bytes: usize,
    /// Items that leave together: their receiver is woken once for all of them. They leave earlier when their
    /// sender has nothing else to do ([`Rx::recv_or`]), when it goes, or when there is no room for more.
    pub together: usize,
}

/// Bytes that a queue may hold, as tokens that are taken by the sender and given back by who consumed the
/// item.
struct Budget {
    take: Receiver<()>,
    give: Sender<()>,
    units: usize,
}

type Parcel<T> = VecDeque<(T, Held)>;

/// The sending end. An item that is larger than the whole budget travels alone.
pub(crate) struct Tx<T> {
    parcels: Sender<Parcel<T>>,
    budget: Budget,
    together: usize,
    /// What has not left yet.
    parcel: RefCell<Parcel<T>>,
    /// Disconnected when the job stops.
    woken: Receiver<()>,
}

/// The receiving end.
pub(crate) struct Rx<T> {
    parcels: Receiver<Parcel<T>>,
    /// What is left of the last one.
    parcel: RefCell<Parcel<T>>,
}

/// Gives tokens back when the item's receiver is done with it.
pub(crate) struct Held(Sender<()>, usize);

impl Drop for Held {
    fn drop(&mut self) {
        for _ in 0..self.1 {
            // There is room for every token that was taken.
            let _ = self.0.try_send(());
        }
    }
}

/// A queue for so much, which a stop of the job wakes.
pub(crate) fn queue<T>(room: Room, stop: &Stop) -> (Tx<T>, Rx<T>) {
    let together = room.together.max(1);
    let (to, from) = bounded(room.items.checked_div(together).unwrap_or(0));
    let tx = Tx {
        parcels: to,
        budget: Budget::new(room.bytes),
        together,
        parcel: RefCell::default(),
        woken: stop.woken.clone(),
    };
    (tx, Rx { parcels: from, parcel: RefCell::default() })
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
    pub(crate) fn another(&self, bytes: usize, together: usize) -> Self {
        Self {
            parcels: self.parcels.clone(),
            budget: Budget::new(bytes),
            together: together.max(1),
            parcel: RefCell::default(),
            woken: self.woken.clone(),
        }
    }

    /// Waits for room. False if nobody receives any more, which is no error: a stage may have had enough.
    pub(crate) fn send(&self, item: T, bytes: usize, stop: &Stop) -> Result<bool> {
        stop.check()?;
        // What is smaller than a token is bounded by the count of items.
        let wanted = (bytes / UNIT).min(self.budget.units);
        let mut held = Held(self.budget.give.clone(), 0);
        while held.1 < wanted {
            if self.budget.take.try_recv().is_ok() {
                held.1 = held.1.saturating_add(1);
                continue;
            }
            // Items of our own parcel hold tokens: they must leave, or we would wait for ourselves.
            if !self.flush(stop)? {
                return Ok(false);
            }
            select! {
                recv(self.budget.take) -> token => match token {
                    Ok(()) => held.1 = held.1.saturating_add(1),
                    Err(_) => return Ok(false),
                },
                recv(stop.woken) -> _ => return Err(stopped(stop)),
            }
        }
        let mut parcel = self.parcel.borrow_mut();
        parcel.push_back((item, held));
        let whole = parcel.len() >= self.together;
        drop(parcel);
        if whole { self.flush(stop) } else { Ok(true) }
    }

    /// Sends what has not left yet. False if nobody receives any more.
    pub(crate) fn flush(&self, stop: &Stop) -> Result<bool> {
        let parcel = self.parcel.take();
        if parcel.is_empty() {
            return Ok(true);
        }
        select! {
            send(self.parcels, parcel) -> sent => Ok(sent.is_ok()),
            recv(stop.woken) -> _ => Err(stopped(stop)),
        }
    }
}

impl<T> Drop for Tx<T> {
    fn drop(&mut self) {
        let parcel = self.parcel.take();
        if !parcel.is_empty() {
            select! {
                send(self.parcels, parcel) -> sent => drop(sent),
                recv(self.woken) -> _ => {},
            }
        }
    }
}

impl<T> Rx<T> {
    /// The next item; None when all senders are gone. Before it waits it does what else there is to do: what
    /// it sends on must not wait for what comes.
    pub(crate) fn recv_or(
        &self,
        stop: &Stop,
        idle: impl FnOnce() -> Result<bool>,
    ) -> Result<Option<(T, Held)>> {
        if let Some(item) = self.parcel.borrow_mut().pop_front() {
            return Ok(Some(item));
        }
        let mut next = self.parcels.try_recv();
        if next.is_err() {
            idle()?;
            next = select! {
                recv(self.parcels) -> parcel => parcel.map_err(|_| TryRecvError::Disconnected),
                recv(stop.woken) -> _ => return Err(stopped(stop)),
            };
        }
        if next.is_err() {
            // A sender that failed is gone as well: that is an error, and not the end of the media.
            stop.check()?;
        }
        Ok(next.ok().and_then(|parcel| self.open(parcel)))
    }

    /// The same, looking at the caller's cancel and deadline meanwhile: for the one stage that does this for
    /// all.
    pub(crate) fn recv_watching(&self, stop: &Stop) -> Result<Option<(T, Held)>> {
        stop.check()?;
        if let Some(item) = self.parcel.borrow_mut().pop_front() {
            return Ok(Some(item));
        }
        loop {
            match self.parcels.recv_timeout(Duration::from_millis(20)) {
                Ok(parcel) => return Ok(self.open(parcel)),
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
                Err(RecvTimeoutError::Timeout) => stop.check()?,
            }
        }
    }

    /// Takes a parcel's first item; the others are next.
    fn open(&self, mut parcel: Parcel<T>) -> Option<(T, Held)> {
        let first = parcel.pop_front();
        self.parcel.replace(parcel);
        first
    }
}

/// Another stage's error is the one that counts.
fn stopped(stop: &Stop) -> Error {
    stop.check().err().unwrap_or_else(|| Error::new(ErrorKind::Cancelled, "the job was stopped"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(items: usize, bytes: usize) -> Room {
        Room { items, bytes, together: 1 }
    }

    #[test]
    fn items_leave_together_and_none_stays_behind() {
        let stop = Stop::new(&Control::default());
        let (tx, rx) = queue(Room { items: 8, bytes: 2 * UNIT, together: 4 }, &stop);
        for i in 0..3 {
            tx.send(i, 1, &stop).unwrap();
        }
        assert!(rx.parcels.is_empty());
        tx.send(3, 1, &stop).unwrap();
        assert_eq!(rx.parcels.len(), 1);
        // The bytes of what has not left yet are not waited for in vain.
        for i in 4..6 {
            tx.send(i, UNIT, &stop).unwrap();
        }
        std::thread::scope(|scope| {
            scope.spawn(|| {
                tx.send(6, UNIT, &stop).unwrap();
                drop(tx);
            });
            for i in 0..7 {
                assert_eq!(rx.recv_or(&stop, || Ok(true)).unwrap().map(|(item, _)| item), Some(i));
            }
            assert!(rx.recv_or(&stop, || Ok(true)).unwrap().is_none());
        });
        // Who has nothing to receive sends on what it has.
        let (tx, rx) = queue(Room { items: 8, bytes: UNIT, together: 4 }, &stop);
        let (_keep, nothing) = queue::<u8>(room(1, UNIT), &stop);
        std::thread::scope(|scope| {
            let stop = &stop;
            scope.spawn(move || {
                tx.send(1, 1, stop).unwrap();
                let _ = nothing.recv_or(stop, || tx.flush(stop));
            });
            assert_eq!(rx.recv_or(stop, || Ok(true)).unwrap().map(|(item, _)| item), Some(1));
            stop.fail(Error::corrupt("the end"));
        });
    }

    #[test]
    fn a_queue_is_bounded_in_bytes_and_lets_a_giant_through_alone() {
        let stop = Stop::new(&Control::default());
        let (tx, rx) = queue(room(100, 4 * UNIT), &stop);
        std::thread::scope(|scope| {
            let stop = &stop;
            let received = scope.spawn(move || {
                let mut sizes = Vec::new();
                while let Some((size, held)) = rx.recv_or(stop, || Ok(true)).unwrap() {
                    // Whatever is in the queue and in our hands fits the budget.
                    assert!(rx.parcels.len() <= 4);
                    sizes.push(size);
                    drop(held);
                }
                sizes
            });
            for size in [UNIT, UNIT, 100 * UNIT, UNIT, 2 * UNIT] {
                assert!(tx.send(size, size, stop).unwrap());
            }
            drop(tx);
            assert_eq!(received.join().unwrap().len(), 5);
        });
    }

    #[test]
    fn a_failure_wakes_those_who_wait_and_the_first_error_wins() {
        let stop = Stop::new(&Control::default());
        let (tx, rx) = queue::<u8>(room(1, UNIT), &stop);
        tx.send(1, 1, &stop).unwrap();
        std::thread::scope(|scope| {
            let stop = &stop;
            let blocked = scope.spawn(move || tx.send(2, 1, stop));
            stop.fail(Error::corrupt("the first"));
            stop.fail(Error::corrupt("the second"));
            assert!(blocked.join().unwrap().is_err());
        });
        let next = || rx.recv_or(&stop, || Ok(true));
        assert!(next().is_err() || next().is_err());
        assert!(stop.take().unwrap().to_string().contains("first"));
        let gone = Stop::new(&Control::default());
        drop(rx);
        let (tx, rx) = queue::<u8>(room(1, UNIT), &gone);
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
