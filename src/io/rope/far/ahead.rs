//! What a reader asks far sources for before it needs it.

use super::{
    Far, MOST,
    flight::{Seat, span},
    plan::{Batch, Request, Wanted, plan, requests},
};
use crate::{Control, Error, ErrorKind, Result, io::Rope};
use bytes::Bytes;
use std::{
    collections::{BTreeMap, VecDeque},
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// The requests of one reader of a rope. Other readers have their own.
///
/// The rope is planned in batches, each half of what may be held: all that lies in far sources is sorted by
/// where it lies there, near ranges become one request, and what is needed first is asked for first. So the
/// order of the rope costs nothing, where it goes to and fro in its source (sound and picture of a fragment).
#[derive(Default)]
pub(crate) struct Ahead {
    batches: VecDeque<Batch>,
    /// Bytes that its own requests brought.
    received: Arc<AtomicU64>,
    keep: Keep,
    /// What the sources of the last batch allow to be held.
    most: u64,
    /// From the first place on up to the second one nothing is far.
    near: (u64, u64),
    /// Of a demuxer, which goes to and fro: what it asked for before its turn, and what it asked for and left
    /// behind, oldest first.
    aside: VecDeque<Request>,
}

/// What becomes of bytes that were brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Keep {
    /// They pass on their way out of a rope.
    #[default]
    Passing,
    /// A demuxer's packets: they are kept for the next one while there is room.
    Payload,
    /// What a demuxer reads to know its source or to find its way: the next one needs it as well.
    Index,
}

impl Ahead {
    /// That of a demuxer.
    pub(crate) fn of_demuxer() -> Self {
        Self { keep: Keep::Index, ..Self::default() }
    }

    /// What is asked for from now on is payload, or not.
    pub(crate) fn brings(&mut self, keep: Keep) {
        self.keep = keep;
    }

    /// Bytes that were brought since the last call.
    pub(crate) fn take_received(&self) -> u64 {
        self.received.swap(0, Ordering::Relaxed)
    }

    /// Asks for ranges of a source before their turn, but for what somebody has asked for, and as far as its
    /// hints allow at once.
    pub(crate) fn prefetch(
        &mut self,
        far: &Arc<Far>,
        ranges: &[Range<u64>],
        control: &Control,
    ) -> Result<()> {
        let part = |range: &Range<u64>| Wanted { place: range.start, far: far.clone(), range: range.clone() };
        for mut request in requests(ranges.iter().map(part).collect(), Some(&[])) {
            let asked = self.batches.iter().flat_map(Batch::requests);
            let under_way = flights(asked.chain(&self.aside), Seat::is_under_way).len();
            let size = self.size_aside().saturating_add(span(&request.ranges));
            if under_way >= far.hints().requests || size > far.hints().cache as u64 {
                break;
            }
            if request.seat.is_none() {
                request.seat = Some(ask_for(&request, self.keep, &self.received, control)?);
            }
            self.aside.push_back(request);
        }
        Ok(())
    }

    /// Gives up what it left behind: it reads elsewhere from now on.
    pub(crate) fn leave(&mut self) {
        self.aside.clear();
    }

    /// Holds what it leaves, as much as may be kept: it may come back.
    fn put_aside(&mut self, left: VecDeque<Batch>) {
        self.aside.extend(left.into_iter().flat_map(Batch::into_requests).filter(|one| one.seat.is_some()));
        while let Some(oldest) = self.aside.front()
            && self.size_aside() > oldest.far.hints().cache as u64
        {
            self.aside.pop_front();
        }
    }

    fn size_aside(&self) -> u64 {
        flights(self.aside.iter(), |_| true).values().sum()
    }

    /// Gives up what is under way aside, oldest first, until there is room for one more among so many
    /// requests. What a batch waits for as well is none of it: it would go on.
    fn make_room(&mut self, most: usize) {
        let own = flights(self.batches.iter_mut().flat_map(|batch| batch.under_way()), Seat::is_under_way);
        let is_left = |seat: &Seat| seat.is_under_way() && !own.contains_key(&seat.flight());
        while own.len().saturating_add(flights(self.aside.iter(), is_left).len()) >= most
            && let Some(oldest) = self.aside.iter().position(|one| one.seat.as_ref().is_some_and(is_left))
        {
            self.aside.remove(oldest);
        }
    }

    /// Asks for what lies between `at` and `until` in far sources, as far as their hints allow at once. What
    /// lies before `at` is let go, but for a demuxer's, which is put aside.
    pub(crate) fn ask(&mut self, rope: &Rope, at: u64, until: u64, control: &Control) -> Result<()> {
        // Where the reader went back, or elsewhere, what is under way is held until the new requests are
        // made: they may be for the same bytes.
        let went = self.batches.front().is_some_and(|first| first.from > at);
        let mut before = if went { std::mem::take(&mut self.batches) } else { VecDeque::new() };
        while self.batches.front().is_some_and(|first| first.to <= at) {
            before.extend(self.batches.pop_front());
        }
        loop {
            let next = self.batches.back().map_or(at, |last| last.to);
            let held: u64 = self.batches.iter().map(|batch| batch.size).sum();
            let count: usize = self.batches.iter().map(|batch| batch.requests().len()).sum();
            // A batch is half of what may be held.
            let is_full = held > 0 && held > self.most / 2 || count > MOST;
            if is_full || (self.near.0..=self.near.1).contains(&next) && until <= self.near.1 {
                break;
            }
            let own = before.iter().flat_map(Batch::requests);
            let own: Vec<_> = own.chain(&self.aside).collect();
            let known = (self.keep != Keep::Passing).then_some(own.as_slice());
            let Some((batch, most)) = plan(rope, next, until, known) else {
                self.near = (next, until);
                break;
            };
            self.most = most;
            self.batches.push_back(batch);
        }
        if self.keep == Keep::Passing {
            drop(before);
        } else if !before.is_empty() {
            self.put_aside(before);
        }
        if self.batches.iter_mut().all(|batch| batch.next_to_ask().is_none()) {
            return Ok(());
        }
        let asked = self.batches.iter_mut().flat_map(|batch| batch.under_way());
        let mut under_way = flights(asked.chain(&self.aside), Seat::is_under_way).len();
        for batch in &mut self.batches {
            while let Some(request) = batch.next_to_ask() {
                if under_way >= request.far.hints().requests {
                    return Ok(());
                }
                request.seat = Some(ask_for(request, self.keep, &self.received, control)?);
                under_way = under_way.saturating_add(1);
            }
        }
        Ok(())
    }

    /// The bytes at a place of the rope that lies at `origin` in a far source: as many as have arrived in one
    /// piece, and `least` where that can be. It has been asked for.
    pub(crate) fn bytes(
        &mut self,
        at: u64,
        far: &Arc<Far>,
        origin: u64,
        least: u64,
        control: &Control,
    ) -> Result<Bytes> {
        loop {
            if let Some(seat) = &self.bringing(at, far, origin)?.seat
                && let Some(bytes) = seat.wait(origin, least, control)?
            {
                return Ok(bytes);
            }
            // It can't wait for its turn: what was left behind makes way.
            self.make_room(far.hints().requests);
            let (keep, received) = (self.keep, self.received.clone());
            let request = self.bringing(at, far, origin)?;
            request.seat = Some(ask_for(request, keep, &received, control)?);
        }
    }

    /// The request that brings this byte.
    fn bringing(&mut self, at: u64, far: &Arc<Far>, origin: u64) -> Result<&mut Request> {
        let batch = self.batches.iter_mut().find(|batch| (batch.from..batch.to).contains(&at));
        let request = batch.and_then(|batch| batch.bringing(far, origin));
        request.ok_or_else(|| Error::new(ErrorKind::Bug, "bytes that nobody asked for"))
    }
}

/// The flights of such seats, each of them once, and what memory it takes: several requests may wait for one.
fn flights<'a>(
    requests: impl Iterator<Item = &'a Request>,
    such: impl Fn(&Seat) -> bool,
) -> BTreeMap<usize, u64> {
    let seats = requests.filter_map(|request| request.seat.as_ref()).filter(|seat| such(seat));
    seats.map(|seat| (seat.flight(), seat.size())).collect()
}

fn ask_for(request: &Request, keep: Keep, received: &Arc<AtomicU64>, control: &Control) -> Result<Seat> {
    request.far.ask(request.ranges.clone(), keep, received, control)
}
