//! Sources of the caller's that may be far away: an object store, a file over HTTP ranges.
//!
//! [`Far`] is such a source. A [`Flight`] is one request, on a thread of its own; [`Ahead`] decides what a reader asks for
//! before it needs it.

mod ahead;
mod device;
mod flight;

pub(super) use ahead::Ahead;
pub use device::{Hints, ReadAt};

use super::stream::guarded;
use crate::{Control, Error, ErrorKind, Result};
use bytes::Bytes;
use flight::{Flight, Seat};
use std::{
    collections::VecDeque,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak, atomic::AtomicU64},
};

/// Requests that are kept: each read looks through them.
const MOST: usize = 256;

/// A [`ReadAt`] with what was read of it lately, and what is on its way.
pub(super) struct Far {
    device: Box<dyn ReadAt>,
    len: u64,
    hints: Hints,
    /// What the device said first.
    version: OnceLock<String>,
    recent: Mutex<Recent>,
}

#[derive(Default)]
struct Recent {
    /// Of a demuxer, oldest first: they are read again by the next.
    kept: VecDeque<Arc<Flight>>,
    size: u64,
    /// Payload on its way out: it is shared while somebody waits for it.
    passing: Vec<Weak<Flight>>,
}

impl Far {
    pub(super) fn new(device: Box<dyn ReadAt>) -> Arc<Self> {
        let version = device.version().map(OnceLock::from).unwrap_or_default();
        let (len, hints) = (device.len(), device.hints().bounded());
        Arc::new(Self { len, hints, version, device, recent: Mutex::default() })
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    pub(super) fn hints(&self) -> &Hints {
        &self.hints
    }

    /// Bytes from this offset on that a demuxer's read has brought.
    pub(super) fn find(&self, at: u64) -> Option<Bytes> {
        self.lock().kept.iter().rev().find_map(|flight| flight.find(at))
    }

    /// Asks for ranges: a new request, unless one that brings them is on its way. With `keep`, what it brings stays here for
    /// a while.
    fn ask(
        self: &Arc<Self>,
        ranges: Vec<Range<u64>>,
        keep: bool,
        received: &Arc<AtomicU64>,
        control: &Control,
    ) -> Result<Seat> {
        let mut recent = self.lock();
        recent.passing.retain(|flight| flight.strong_count() > 0);
        let known = recent.kept.iter().cloned().chain(recent.passing.iter().filter_map(Weak::upgrade));
        for flight in known {
            if flight.ranges() == ranges
                && let Some(seat) = flight.join()
            {
                return Ok(seat);
            }
        }
        let (flight, seat) = Flight::start(self, ranges, received.clone(), control)?;
        if keep {
            recent.keep(flight, self.hints.cache as u64);
        } else {
            recent.passing.push(Arc::downgrade(&flight));
        }
        Ok(seat)
    }

    /// Who of the demuxers' requests brings the byte at this offset, and up to where; else where the next begins that
    /// brings anything.
    fn known(&self, at: u64) -> (Option<(Seat, u64)>, u64) {
        let recent = self.lock();
        let mut next = u64::MAX;
        for flight in recent.kept.iter().rev() {
            for range in flight.ranges() {
                if range.contains(&at)
                    && let Some(seat) = flight.join()
                {
                    return (Some((seat, range.end)), at);
                }
                if range.start > at && flight.is_good() {
                    next = next.min(range.start);
                }
            }
        }
        (None, next)
    }

    fn check_version(&self) -> Result<()> {
        let Some(is) = guarded(|| self.device.version())? else {
            return Ok(());
        };
        let was = self.version.get_or_init(|| is.clone());
        if *was == is {
            return Ok(());
        }
        let message =
            format!("the object changed while it was a source: its version went from {was} to {is}");
        Err(Error::new(ErrorKind::Io, message))
    }

    fn lock(&self) -> MutexGuard<'_, Recent> {
        // Nothing that is locked can panic half-way.
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recent {
    fn keep(&mut self, flight: Arc<Flight>, most: u64) {
        self.size = self.size.saturating_add(flight.size());
        self.kept.push_back(flight);
        while (self.size > most || self.kept.len() > MOST) && self.kept.len() > 1 {
            let gone = self.kept.pop_front().map_or(0, |flight| flight.size());
            self.size = self.size.saturating_sub(gone);
        }
    }
}
