//! What a reader asks far sources for before it needs it.

use super::{
    Far,
    flight::{Seat, span},
};
use crate::{
    Control, Error, ErrorKind, Result,
    io::{Rope, rope::Slice},
};
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

/// A stretch of the rope, and the requests for it in the order in which they are needed.
struct Batch {
    from: u64,
    to: u64,
    size: u64,
    requests: Vec<Request>,
}

struct Request {
    far: Arc<Far>,
    /// Ascending, without overlaps.
    ranges: Vec<Range<u64>>,
    /// None until it is asked for.
    seat: Option<Seat>,
}

impl Request {
    fn has(&self, far: &Arc<Far>, origin: u64) -> bool {
        let after = self.ranges.partition_point(|range| range.end <= origin);
        Arc::ptr_eq(&self.far, far) && self.ranges.get(after).is_some_and(|range| range.start <= origin)
    }
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
        let part = |range: &Range<u64>| Part { place: range.start, far: far.clone(), range: range.clone() };
        for mut request in requests(ranges.iter().map(part).collect(), Some(&[])) {
            if flights(self.aside.iter(), Seat::is_under_way).len() >= far.hints().requests {
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
        self.aside.extend(left.into_iter().flat_map(|batch| batch.requests).filter(|one| one.seat.is_some()));
        while let Some(oldest) = self.aside.front()
            && flights(self.aside.iter(), |_| true).values().sum::<u64>() > oldest.far.hints().cache as u64
        {
            self.aside.pop_front();
        }
    }

    /// Asks for what lies between `at` and `until` in far sources, as far as their hints allow at once. What
    /// lies before `at` is let go.
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
            // A batch is half of what may be held.
            let is_full = held > 0 && held > self.most / 2;
            if is_full || (self.near.0..=self.near.1).contains(&next) && until <= self.near.1 {
                break;
            }
            let own = before.iter().flat_map(|batch| &batch.requests);
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
        } else {
            self.put_aside(before);
        }
        let asked = self.batches.iter().flat_map(|batch| &batch.requests);
        if asked.clone().all(|request| request.seat.is_some()) {
            return Ok(());
        }
        let mut under_way = flights(asked.chain(&self.aside), Seat::is_under_way).len();
        for request in self.batches.iter_mut().flat_map(|batch| &mut batch.requests) {
            if under_way >= request.far.hints().requests {
                break;
            }
            if request.seat.is_none() {
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
        let batch = self.batches.iter_mut().find(|batch| (batch.from..batch.to).contains(&at));
        let request = batch.and_then(|batch| batch.requests.iter_mut().find(|one| one.has(far, origin)));
        let Some(request) = request else {
            return Err(Error::new(ErrorKind::Bug, "bytes that nobody asked for"));
        };
        loop {
            if let Some(seat) = &request.seat
                && let Some(bytes) = seat.wait(origin, least, control)?
            {
                return Ok(bytes);
            }
            request.seat = Some(ask_for(request, self.keep, &self.received, control)?);
        }
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

/// A part of a far source that the rope needs.
#[derive(Clone)]
struct Part {
    /// Where in the rope it is needed first.
    place: u64,
    far: Arc<Far>,
    range: Range<u64>,
}

/// The next batch from a place of the rope on, and how much may be held with it; None where nothing more is
/// far.
///
/// With `known`, what those or other demuxers' requests bring or have brought already is not asked for again.
fn plan(rope: &Rope, from: u64, until: u64, known: Option<&[&Request]>) -> Option<(Batch, u64)> {
    let mut parts: Vec<Part> = Vec::new();
    let (mut size, mut most, mut to) = (0u64, u64::MAX, from);
    for piece in rope.pieces_from(from).take_while(|piece| piece.start < until) {
        let Slice::Shared { source, at } = &piece.bytes else { continue };
        let Some(far) = source.as_far() else { continue };
        let place = piece.start.max(from);
        let start = at.saturating_add(place.saturating_sub(piece.start));
        let hints = far.hints();
        most = most.min(hints.cache as u64);
        let room = (most / 2).max(hints.read_ahead as u64).saturating_sub(size);
        let len = piece.end().min(until).saturating_sub(place);
        let taken = len.min(room);
        if taken == 0 {
            break;
        }
        size = size.saturating_add(taken);
        to = place.saturating_add(taken);
        parts.push(Part { place, far: far.clone(), range: start..start.saturating_add(taken) });
        if taken < len {
            break;
        }
    }
    let room = most / 2;
    loop {
        let last = parts.last()?;
        to = to.min(last.place.saturating_add(last.range.end.saturating_sub(last.range.start)));
        let count = parts.len();
        let made = requests(parts.clone(), known);
        // What lies between ranges is read as well, and takes memory.
        let size = made.iter().map(|one| span(&one.ranges)).fold(0, u64::saturating_add);
        let longest = made.iter().map(|one| one.far.hints().read_ahead as u64).max().unwrap_or(0);
        if size <= room.max(longest) || count == 1 {
            return Some((Batch { from, to, size, requests: made }, most));
        }
        parts.truncate(count / 2);
    }
}

/// Who brings the byte at this offset, and up to where; else where the next begins that brings anything.
fn look_up(own: &[&Request], far: &Arc<Far>, at: u64) -> (Option<(Seat, u64)>, u64) {
    let (found, mut next) = far.known(at);
    if found.is_some() {
        return (found, next);
    }
    for request in own.iter().filter(|request| Arc::ptr_eq(&request.far, far)) {
        let Some(seat) = &request.seat else { continue };
        for range in &request.ranges {
            if range.contains(&at)
                && let Some(seat) = seat.again()
            {
                return (Some((seat, range.end)), at);
            }
            if range.start > at && seat.is_good() {
                next = next.min(range.start);
            }
        }
    }
    (None, next)
}

/// As few requests as the sources' hints allow, in the order in which they are needed.
fn requests(mut parts: Vec<Part>, known: Option<&[&Request]>) -> Vec<Request> {
    parts.sort_by_key(|part| (Arc::as_ptr(&part.far).addr(), part.range.start, part.range.end));
    let mut made: Vec<(u64, Request)> = Vec::new();
    for part in parts {
        let hints = *part.far.hints();
        let longest = hints.read_ahead as u64;
        let Range { mut start, end } = part.range;
        while start < end {
            let (found, limit) = known.map_or((None, u64::MAX), |own| look_up(own, &part.far, start));
            if let Some((seat, stop)) = found {
                let stop = stop.min(end);
                let ranges = std::iter::once(start..stop).collect();
                made.push((part.place, Request { far: part.far.clone(), ranges, seat: Some(seat) }));
                start = stop;
                continue;
            }
            let end = end.min(limit);
            if let Some((place, Request { far, ranges, seat: None })) = made.last_mut()
                && Arc::ptr_eq(far, &part.far)
                && let (Some(first), Some(last)) = (ranges.first().map(|r| r.start), ranges.last_mut())
            {
                // What is there already comes once.
                if start < last.end {
                    *place = part.place.min(*place);
                    start = last.end;
                    continue;
                }
                let room = longest.saturating_sub(start.saturating_sub(first));
                if start.saturating_sub(last.end) <= hints.gap as u64 && room > 0 {
                    let stop = end.min(start.saturating_add(room));
                    if last.end == start {
                        last.end = stop
                    } else {
                        ranges.push(start..stop)
                    }
                    *place = part.place.min(*place);
                    start = stop;
                    continue;
                }
            }
            let stop = end.min(start.saturating_add(longest));
            let ranges = std::iter::once(start..stop).collect();
            made.push((part.place, Request { far: part.far.clone(), ranges, seat: None }));
            start = stop;
        }
    }
    made.sort_by_key(|(place, _)| *place);
    made.into_iter().map(|(_, request)| request).collect()
}
