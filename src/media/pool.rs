//! The demuxer contexts of one media: each operation borrows one, and as many are opened as run at once, up
//! to a bound.
//! What comes back stays open for the next, unless its index is large.

use super::Demux;
use crate::{Control, Result};
use std::{
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::Duration,
};

/// Contexts of one media at once, unless the caller says otherwise. Each holds its own copy of the index.
const MOST: usize = 16;
/// Bytes that idle contexts hold together. One of them stays even if it is larger: opening it again takes
/// long.
const IDLE: u64 = 32 << 20;

pub(super) struct Pool {
    state: Mutex<State>,
    returned: Condvar,
}

struct State {
    /// Those that came back last are at the end.
    idle: Vec<Demux>,
    lent: usize,
    /// Bytes of the contexts that are lent.
    lent_bytes: u64,
    most: usize,
}

impl Default for Pool {
    fn default() -> Self {
        let state = State { idle: Vec::new(), lent: 0, lent_bytes: 0, most: MOST };
        Self { state: Mutex::new(state), returned: Condvar::new() }
    }
}

impl State {
    fn idle_bytes(&self) -> u64 {
        self.idle.iter().map(Demux::memory).fold(0, u64::saturating_add)
    }

    /// What is too much of the idle contexts: too many, or too large.
    fn surplus(&mut self) -> Vec<Demux> {
        let mut given_up = Vec::new();
        while self.idle.len() > 1 && (self.idle.len() > self.most || self.idle_bytes() > IDLE) {
            given_up.push(self.idle.remove(0));
        }
        given_up
    }
}

/// A context on loan: it goes back when this is dropped, unless it is spoilt.
pub(crate) struct Loan {
    /// None where it is lent for good.
    pool: Option<Arc<Pool>>,
    demux: Option<Demux>,
    /// What the pool counts for it while it is lent. (An index may grow while it is read.)
    bytes: u64,
    spoilt: bool,
}

impl Pool {
    pub(super) fn put(&self, demux: Demux) {
        self.lock().idle.push(demux);
    }

    /// An idle context that nothing was read from.
    fn take_fresh(&self) -> Option<Demux> {
        let mut state = self.lock();
        let fresh = state.idle.iter().rposition(Demux::is_fresh)?;
        Some(state.idle.remove(fresh))
    }

    /// A context for good: it takes no place of those that are lent.
    pub(super) fn give(&self, open: impl FnOnce() -> Result<Demux>) -> Result<Loan> {
        let demux = self.take_fresh().map_or_else(open, Ok)?;
        Ok(Loan { pool: None, demux: Some(demux), bytes: 0, spoilt: false })
    }

    /// As many contexts as may be lent at once.
    pub(super) fn bound(&self, most: usize) {
        let mut state = self.lock();
        state.most = most.max(1);
        let given_up = state.surplus();
        drop(state);
        // More may be lent now.
        self.returned.notify_all();
        drop(given_up);
    }

    /// Gives idle contexts up.
    pub(super) fn trim(&self) {
        // To free large ones takes a while: not while others wait.
        let given_up = std::mem::take(&mut self.lock().idle);
        drop(given_up);
    }

    /// Bytes of all contexts, idle and lent.
    pub(super) fn memory(&self) -> u64 {
        let state = self.lock();
        state.idle_bytes().saturating_add(state.lent_bytes)
    }

    /// An idle context, or a new one, or the next that comes back. With `fresh`, one that nothing was read
    /// from.
    pub(super) fn borrow(
        self: &Arc<Self>,
        control: &Control,
        fresh: bool,
        open: impl FnOnce() -> Result<Demux>,
    ) -> Result<Loan> {
        let mut state = self.lock();
        loop {
            control.check()?;
            let fit = state.idle.iter().rposition(|demux| !fresh || demux.is_fresh());
            if let Some(i) = fit {
                let demux = state.idle.remove(i);
                let bytes = demux.memory();
                state.lent = state.lent.saturating_add(1);
                state.lent_bytes = state.lent_bytes.saturating_add(bytes);
                return Ok(Loan { pool: Some(self.clone()), demux: Some(demux), bytes, spoilt: false });
            }
            if state.lent < state.most {
                // Idle ones that do not fit make room.
                let given_up = match state.idle.len().saturating_add(state.lent) >= state.most {
                    true => state.idle.pop(),
                    false => None,
                };
                state.lent = state.lent.saturating_add(1);
                drop(state);
                drop(given_up);
                // From here on the place is taken, and dropping the loan gives it back.
                let mut loan = Loan { pool: Some(self.clone()), demux: None, bytes: 0, spoilt: false };
                let demux = open()?;
                loan.bytes = demux.memory();
                loan.demux = Some(demux);
                let mut state = self.lock();
                state.lent_bytes = state.lent_bytes.saturating_add(loan.bytes);
                return Ok(loan);
            }
            let waited = self.returned.wait_timeout(state, Duration::from_millis(20));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Loan {
    pub(crate) fn get(&mut self) -> Result<&mut Demux> {
        self.demux
            .as_mut()
            .ok_or_else(|| crate::Error::new(crate::ErrorKind::Bug, "a loan without a context"))
    }

    /// The operation failed: nobody should have this context again.
    pub(crate) fn spoil(&mut self) {
        self.spoilt = true;
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        let Some(pool) = self.pool.take() else { return };
        let mut back = self.demux.take().filter(|_| !self.spoilt);
        if let Some(demux) = &mut back {
            demux.input.io().set_control(Control::default());
            demux.forget();
            demux.reader.rest();
        }
        let mut state = pool.lock();
        state.lent = state.lent.saturating_sub(1);
        state.lent_bytes = state.lent_bytes.saturating_sub(self.bytes);
        state.idle.extend(back);
        let given_up = state.surplus();
        drop(state);
        pool.returned.notify_one();
        drop(given_up);
    }
}
