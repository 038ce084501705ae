//! One request of a far source: it is on its way on a thread of its own, and whoever needs its bytes waits
//! for them.

use super::{Far, Keep};
use crate::{
    Control, Error, ErrorKind, Result,
    io::callback::{forged, guarded, shorter},
    job::CancelToken,
};
use bytes::{Bytes, BytesMut};
use std::{
    ops::Range,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

/// What arrives is handed on in pieces of this size at the least, unless somebody needs less and waits for
/// it.
pub(in crate::io) const PIECE: u64 = 64 << 10;
/// How often who waits looks at cancel and deadline.
const LOOK: Duration = Duration::from_millis(20);

/// A request on its way, or what it brought.
pub(super) struct Flight {
    /// Ascending, without overlaps.
    ranges: Vec<Range<u64>>,
    state: Mutex<State>,
    changed: Condvar,
    /// Who waits for it. Without anybody it is given up.
    seats: AtomicUsize,
    given_up: CancelToken,
    /// What is to become of it.
    keep: Keep,
}

#[derive(Default)]
struct State {
    /// What has arrived, in order: where it lies in the source.
    pieces: Vec<(u64, Bytes)>,
    /// Up to where somebody waits for it.
    wanted: u64,
    end: Option<End>,
}

enum End {
    Complete,
    /// Who sees it first takes the error; the others ask for themselves.
    Failed(Option<Error>),
}

/// A place in the queue for a flight's bytes.
pub(super) struct Seat(Arc<Flight>);

impl Drop for Seat {
    fn drop(&mut self) {
        if self.0.seats.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.given_up.cancel();
        }
    }
}

impl Flight {
    /// Starts it.
    pub(super) fn start(
        far: &Arc<Far>,
        ranges: Vec<Range<u64>>,
        keep: Keep,
        received: Arc<AtomicU64>,
        control: &Control,
    ) -> Result<(Arc<Self>, Seat)> {
        let given_up = CancelToken::new();
        let flight = Arc::new(Self {
            ranges,
            state: Mutex::default(),
            changed: Condvar::new(),
            seats: AtomicUsize::new(1),
            given_up: given_up.clone(),
            keep,
        });
        let seat = Seat(flight.clone());
        let (far, control, own) = (far.clone(), control.clone().and_cancel(given_up), flight.clone());
        let work = move || {
            // Errors of the caller's have code of its own, too.
            let outcome = guarded(|| own.fly(&far, &received, &control)).and_then(|outcome| outcome);
            let end = match outcome {
                Ok(()) => End::Complete,
                // Whatever the device says of it: that its first passenger was cancelled or late is no error
                // of others.
                Err(_) if control.check().is_err() => End::Failed(None),
                Err(error) => End::Failed(Some(error)),
            };
            own.lock().end = Some(end);
            own.changed.notify_all();
        };
        let spawned = std::thread::Builder::new().name("avrope-read".into()).spawn(work);
        spawned.map_err(|e| Error::io("no thread to read the source on", e))?;
        Ok((flight, seat))
    }

    /// A seat; None where it failed or was given up.
    pub(super) fn join(self: &Arc<Self>) -> Option<Seat> {
        if !self.is_good() {
            return None;
        }
        // Its last seat may be dropped at this moment: who then waits in vain asks anew.
        self.seats.fetch_add(1, Ordering::AcqRel);
        Some(Seat(self.clone()))
    }

    /// Whether it has brought what it was for, or is about to.
    pub(super) fn is_good(&self) -> bool {
        match self.lock().end {
            Some(End::Complete) => true,
            Some(End::Failed(_)) => false,
            None => !self.given_up.is_cancelled(),
        }
    }

    /// What has arrived of it, from this offset on.
    pub(super) fn find(&self, at: u64) -> Option<Bytes> {
        self.lock().find(at)
    }

    /// Bytes of memory that it takes, or will take if it is under way.
    pub(super) fn size(&self) -> u64 {
        let state = self.lock();
        let arrived = state.pieces.iter().map(|(_, bytes)| bytes.len() as u64).sum();
        if state.end.is_none() { span(&self.ranges) } else { arrived }
    }

    pub(super) fn is_payload(&self) -> bool {
        self.keep == Keep::Payload
    }

    pub(super) fn ranges(&self) -> &[Range<u64>] {
        &self.ranges
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that is locked can panic half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gets all of it.
    fn fly(&self, far: &Far, received: &AtomicU64, control: &Control) -> Result<()> {
        control.check()?;
        let own = guarded(|| far.device.read_ranges(&self.ranges, control))?;
        if let Some(buffers) = own {
            let buffers = buffers.map_err(|e| Error::io("reading failed", e))?;
            far.check_version()?;
            let right = buffers.len() == self.ranges.len()
                && self
                    .ranges
                    .iter()
                    .zip(&buffers)
                    .all(|(range, buffer)| range.end.saturating_sub(range.start) == buffer.len() as u64);
            if !right {
                return Err(Error::new(ErrorKind::Bug, "the source gave other ranges than it was asked for"));
            }
            for (range, buffer) in self.ranges.iter().zip(buffers) {
                received.fetch_add(buffer.len() as u64, Ordering::Relaxed);
                self.publish(range.start, buffer);
            }
            return Ok(());
        }
        let Range { start, end } = around(&self.ranges);
        self.fill(far, start, end, received, control)
    }

    fn fill(&self, far: &Far, start: u64, end: u64, received: &AtomicU64, control: &Control) -> Result<()> {
        let len = usize::try_from(end.saturating_sub(start)).unwrap_or(usize::MAX);
        let mut rest = BytesMut::zeroed(len);
        let (mut at, mut filled) = (start, 0);
        while filled < rest.len() {
            control.check()?;
            let room = rest.get_mut(filled..).unwrap_or_default();
            let most = room.len();
            let offset = at.saturating_add(filled as u64);
            let read = match guarded(|| far.device.read_at(offset, room, control))? {
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(Error::io("reading failed", e)),
                Ok(0) => return Err(shorter(offset, far.len)),
                Ok(read) if read > most => return Err(forged(read, most)),
                Ok(read) => read,
            };
            far.check_version()?;
            received.fetch_add(read as u64, Ordering::Relaxed);
            filled = filled.saturating_add(read);
            let reached = at.saturating_add(filled as u64);
            let wanted = self.lock().wanted;
            let due = filled as u64 >= PIECE || filled == rest.len() || (wanted > at && wanted <= reached);
            if due {
                self.publish(at, rest.split_to(filled).freeze());
                (at, filled) = (reached, 0);
            }
        }
        Ok(())
    }

    fn publish(&self, at: u64, bytes: Bytes) {
        self.lock().pieces.push((at, bytes));
        self.changed.notify_all();
    }
}

/// From the first range's start to the last one's end.
pub(super) fn around(ranges: &[Range<u64>]) -> Range<u64> {
    ranges.first().map_or(0, |range| range.start)..ranges.last().map_or(0, |range| range.end)
}

/// How many bytes that is.
pub(super) fn span(ranges: &[Range<u64>]) -> u64 {
    let Range { start, end } = around(ranges);
    end.saturating_sub(start)
}

/// Who brings the byte at this offset, and up to where; else where the next range begins that brings
/// anything.
pub(super) fn bringing<'a>(
    asked: impl Iterator<Item = (&'a [Range<u64>], &'a Arc<Flight>)>,
    at: u64,
) -> (Option<(Seat, u64)>, u64) {
    let mut next = u64::MAX;
    for (ranges, flight) in asked {
        for range in ranges {
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

impl State {
    fn find(&self, at: u64) -> Option<Bytes> {
        let behind = self.pieces.partition_point(|(start, _)| *start <= at);
        let (start, bytes) = self.pieces.get(behind.checked_sub(1)?)?;
        let skip = usize::try_from(at.saturating_sub(*start)).ok()?;
        (skip < bytes.len()).then(|| bytes.slice(skip..))
    }
}

impl Seat {
    /// Whether it has brought what it was for, or is about to.
    pub(super) fn is_good(&self) -> bool {
        self.0.is_good()
    }

    pub(super) fn of(&self) -> &Arc<Flight> {
        &self.0
    }

    /// Which flight it is a seat of.
    pub(super) fn flight(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }

    /// Bytes of memory that its flight takes, or will take.
    pub(super) fn size(&self) -> u64 {
        self.0.size()
    }

    /// Whether it is still bringing something.
    pub(super) fn is_under_way(&self) -> bool {
        self.0.lock().end.is_none()
    }

    /// Waits for the bytes from this offset on: `least` of them, or what is left of its piece. None where
    /// somebody else's cancel or failure ended it: then it has to be asked for anew.
    pub(super) fn wait(&self, at: u64, least: u64, control: &Control) -> Result<Option<Bytes>> {
        let flight = &self.0;
        let mut state = flight.lock();
        loop {
            if let Some(bytes) = state.find(at) {
                return Ok(Some(bytes));
            }
            control.check()?;
            match &mut state.end {
                Some(End::Failed(error)) => return error.take().map_or(Ok(None), Err),
                Some(End::Complete) => {
                    return Err(Error::new(ErrorKind::Bug, "a request without the bytes that it was for"));
                }
                None => {}
            }
            state.wanted = state.wanted.max(at.saturating_add(least.max(1)));
            state = flight.changed.wait_timeout(state, LOOK).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
