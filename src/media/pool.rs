//! The demuxer contexts of one media: each operation borrows one, and as many are opened as run at once, up
//! to a bound.

use super::Demux;
use crate::{Control, Result};
use std::{
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::Duration,
};

/// Contexts of one media at once. Each holds its own copy of the index.
const MOST: usize = 16;

#[derive(Default)]
pub(super) struct Pool {
    state: Mutex<State>,
    returned: Condvar,
}

#[derive(Default)]
struct State {
    idle: Vec<Demux>,
    lent: usize,
}

/// A context on loan: it goes back when this is dropped, unless it is spoilt.
pub(crate) struct Loan {
    /// None where it is lent for good.
    pool: Option<Arc<Pool>>,
    demux: Option<Demux>,
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
        Ok(Loan { pool: None, demux: Some(demux), spoilt: false })
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
                state.lent = state.lent.saturating_add(1);
                return Ok(Loan { pool: Some(self.clone()), demux: Some(demux), spoilt: false });
            }
            if state.lent < MOST {
                // As many as have run at once stay open.
                if state.idle.len().saturating_add(state.lent) >= MOST {
                    state.idle.pop();
                }
                state.lent = state.lent.saturating_add(1);
                drop(state);
                // From here on the place is taken, and dropping the loan gives it back.
                let mut loan = Loan { pool: Some(self.clone()), demux: None, spoilt: false };
                loan.demux = Some(open()?);
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
        state.idle.extend(back);
        drop(state);
        pool.returned.notify_one();
    }
}
