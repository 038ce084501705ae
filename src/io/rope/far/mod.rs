//! Sources of the caller's that may be far away: an object store, a file over HTTP ranges.
//!
//! [`Far`] is such a source. A [`Flight`] is one request, on a thread of its own; [`Ahead`] decides what a
//! reader asks for before it needs it, in batches that `plan` makes.

mod ahead;
mod device;
mod flight;
mod plan;

pub(super) use ahead::{Ahead, Keep};
pub use device::{Hints, ReadAt};
pub(super) use flight::PIECE;

use crate::{Control, Error, ErrorKind, Result, io::callback::guarded};
use bytes::Bytes;
use flight::{Flight, Seat, around, bringing};
use std::{
    collections::{HashMap, VecDeque},
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak, atomic::AtomicU64},
};

/// Requests that are kept, and that a reader has planned at once: each read looks through them.
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
    /// Payload on its way out, by where its request begins and ends: it is shared while somebody waits for
    /// it.
    passing: HashMap<Range<u64>, Weak<Flight>>,
    /// So many there may be before they are looked through for what is gone.
    most_passing: usize,
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

    /// Asks for ranges: a new request, unless one that brings them is on its way. With `keep`, what it brings
    /// stays here for a while.
    fn ask(
        self: &Arc<Self>,
        ranges: Vec<Range<u64>>,
        keep: Keep,
        received: &Arc<AtomicU64>,
        control: &Control,
    ) -> Result<Seat> {
        let mut recent = self.lock();
        let known = recent.kept.iter().cloned().chain(recent.passing_at(&ranges));
        for flight in known {
            if flight.ranges() == ranges
                && let Some(seat) = flight.join()
            {
                return Ok(seat);
            }
        }
        let (flight, seat) = Flight::start(self, ranges, keep, received.clone(), control)?;
        if keep != Keep::Passing {
            recent.keep(flight, self.hints.cache as u64);
        } else {
            recent.pass(&flight);
        }
        Ok(seat)
    }

    /// Who of the demuxers' requests brings the byte at this offset, and up to where; else where the next
    /// begins that brings anything.
    fn known(&self, at: u64) -> (Option<(Seat, u64)>, u64) {
        let recent = self.lock();
        bringing(recent.kept.iter().rev().map(|flight| (flight.ranges(), flight)), at)
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
    fn passing_at(&self, ranges: &[Range<u64>]) -> Option<Arc<Flight>> {
        self.passing.get(&around(ranges))?.upgrade()
    }

    fn pass(&mut self, flight: &Arc<Flight>) {
        // Looked through after as many as were left: each one costs the same, however many there are.
        if self.passing.len() >= self.most_passing {
            self.passing.retain(|_, flight| flight.strong_count() > 0);
            self.most_passing = self.passing.len().max(MOST / 2).saturating_mul(2);
        }
        self.passing.insert(around(flight.ranges()), Arc::downgrade(flight));
    }

    fn keep(&mut self, flight: Arc<Flight>, most: u64) {
        // What was given up before it brought anything is of no use.
        self.kept.retain(|flight| flight.size() > 0);
        self.kept.push_back(flight);
        let mut size: u64 = self.kept.iter().map(|flight| flight.size()).sum();
        while (size > most || self.kept.len() > MOST) && self.kept.len() > 1 {
            // Payload goes first: who reads it holds it, while the next demuxer begins with the index.
            let payload = self.kept.iter().position(|flight| flight.is_payload());
            let gone = self.kept.remove(payload.unwrap_or(0));
            size = size.saturating_sub(gone.map_or(0, |flight| flight.size()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CancelToken;
    use std::{
        sync::mpsc::{Receiver, SyncSender, sync_channel},
        time::Duration,
    };

    /// Longer than any request takes to begin.
    const LONG: Duration = Duration::from_secs(30);

    /// Its reads wait until they are let go.
    struct Gated {
        hints: Hints,
        asked: SyncSender<Range<u64>>,
        gate: Mutex<Receiver<()>>,
    }

    impl ReadAt for Gated {
        fn len(&self) -> u64 {
            1 << 20
        }

        fn hints(&self) -> Hints {
            self.hints
        }

        fn read_at(&self, offset: u64, buf: &mut [u8], control: &Control) -> std::io::Result<usize> {
            let _ = self.asked.send(offset..offset.saturating_add(buf.len() as u64));
            let _ = self.gate.lock().unwrap().recv();
            control.check()?;
            buf.fill(7);
            Ok(buf.len())
        }
    }

    fn device(hints: Hints) -> (Gated, Receiver<Range<u64>>, SyncSender<()>) {
        let ((asked, seen), (open, gate)) = (sync_channel(16), sync_channel(16));
        (Gated { hints, asked, gate: Mutex::new(gate) }, seen, open)
    }

    fn gated() -> (Arc<Far>, Receiver<Range<u64>>, SyncSender<()>) {
        let (device, seen, open) = device(Hints::new());
        (Far::new(Box::new(device)), seen, open)
    }

    fn ask_under(control: &Control, far: &Arc<Far>, range: Range<u64>, keep: Keep) -> Seat {
        far.ask(std::iter::once(range).collect(), keep, &Arc::default(), control).unwrap()
    }

    fn ask(far: &Arc<Far>, range: Range<u64>, keep: Keep) -> Seat {
        ask_under(&Control::default(), far, range, keep)
    }

    #[test]
    fn equal_ranges_are_one_request_while_it_is_under_way() {
        for keep in [Keep::Passing, Keep::Index] {
            let (far, seen, open) = gated();
            let seats = [ask(&far, 0..1000, keep), ask(&far, 0..1000, keep), ask(&far, 0..1000, keep)];
            assert_eq!(seen.recv().unwrap(), 0..1000);
            open.send(()).unwrap();
            for seat in seats {
                assert_eq!(seat.wait(10, 1, &Control::default()).unwrap().unwrap().len(), 990);
            }
            assert!(seen.try_recv().is_err(), "one request");
            // What a demuxer has read stays; payload passes.
            assert_eq!(far.find(999).is_some(), keep == Keep::Index);
        }
    }

    #[test]
    fn another_ones_cancel_is_not_ours() {
        let (far, seen, open) = gated();
        let token = CancelToken::new();
        let control = Control::new().cancel_token(token.clone());
        let first = ask_under(&control, &far, 0..1000, Keep::Passing);
        let second = ask(&far, 0..1000, Keep::Passing);
        seen.recv().unwrap();
        token.cancel();
        open.send(()).unwrap();
        assert_eq!(first.wait(0, 1, &control).unwrap_err().kind(), ErrorKind::Cancelled);
        // It has to ask anew, and does not find what failed.
        assert!(second.wait(0, 1, &Control::default()).unwrap().is_none());
        let third = ask(&far, 0..1000, Keep::Passing);
        open.send(()).unwrap();
        assert!(third.wait(0, 1, &Control::default()).unwrap().is_some());
    }

    #[test]
    fn a_demuxer_that_goes_back_asks_for_nothing_twice() {
        let (far, seen, open) = gated();
        let there = ask(&far, 4000..8000, Keep::Index);
        assert_eq!(seen.recv().unwrap(), 4000..8000);
        let (seat, end) = far.known(5000).0.unwrap();
        assert_eq!(end, 8000);
        assert_eq!(far.known(0).1, 4000, "up to where something is under way");
        drop((there, seat));
        // Nobody waits for it any longer: it brings nothing.
        assert!(far.known(5000).0.is_none());
        open.send(()).unwrap();
    }

    #[test]
    fn a_demuxer_that_goes_to_and_fro_gives_nothing_up() {
        let (device, seen, open) = device(Hints::new().requests(3));
        let source = crate::Source::from_read_at(device, "far");
        let far = source.as_far().unwrap().clone();
        let (rope, control) = (crate::Rope::try_from(source).unwrap(), Control::default());
        let mut ahead = Ahead::of_demuxer();
        for at in [0, 500_000, 10] {
            ahead.ask(&rope, at, at + 100, &control).unwrap();
        }
        // What lies behind the first is asked for apart: two requests that go on with one are one under way.
        let mut asked: Vec<_> = (0..3).map(|_| seen.recv_timeout(LONG).expect("a request")).collect();
        asked.sort_by_key(|range| range.start);
        assert_eq!(asked, [0..100, 100..110, 500_000..500_100]);
        (0..3).for_each(|_| open.send(()).unwrap());
        assert_eq!(ahead.bytes(10, &far, 10, 1, &control).unwrap().len(), 90);
        ahead.ask(&rope, 500_020, 500_100, &control).unwrap();
        assert_eq!(ahead.bytes(500_020, &far, 500_020, 1, &control).unwrap().len(), 80);
        assert!(seen.try_recv().is_err(), "nothing is asked for twice");
    }

    #[test]
    fn a_demuxer_that_jumps_has_as_many_requests_under_way_as_it_may() {
        const JUMPS: [u64; 3] = [0, 200_000, 400_000];
        for most in [1, 2] {
            let (device, seen, open) = device(Hints::new().requests(most));
            let source = crate::Source::from_read_at(device, "far");
            let far = source.as_far().unwrap().clone();
            let (rope, control) = (crate::Rope::try_from(source).unwrap(), Control::default());
            let mut ahead = Ahead::of_demuxer();
            for at in &JUMPS[..=most] {
                ahead.ask(&rope, *at, at + 100, &control).unwrap();
            }
            for _ in 0..most {
                seen.recv_timeout(LONG).expect("a request");
            }
            let last = JUMPS[most];
            let (asked, good, came) = std::thread::scope(|scope| {
                let read = scope.spawn(|| ahead.bytes(last, &far, last, 1, &control).unwrap().len());
                let asked = seen.recv_timeout(LONG);
                let good: Vec<_> = JUMPS.into_iter().filter(|at| far.known(*at).0.is_some()).collect();
                (0..=most).for_each(|_| open.send(()).unwrap());
                (asked, good, read.join().unwrap())
            });
            assert_eq!(asked.unwrap(), last..last + 100, "what is read now is asked for");
            assert_eq!(good, JUMPS[1..=most], "the first was given up");
            assert_eq!(came, 100);
        }
    }
}
