//! What a stretch of a rope needs of far sources, as few requests.

use super::{
    Far, MOST,
    flight::{Seat, bringing, span},
};
use crate::io::{Rope, rope::Slice};
use std::{ops::Range, sync::Arc};

/// A stretch of the rope, and the requests for it in the order in which they are needed.
pub(super) struct Batch {
    pub from: u64,
    pub to: u64,
    pub size: u64,
    requests: Vec<Request>,
    /// So many of them are asked for, from the first on.
    asked: usize,
    /// So many of them are on their way no longer.
    landed: usize,
    /// Which one was read last: the next read is for it, or for one soon behind it.
    current: usize,
}

pub(super) struct Request {
    pub far: Arc<Far>,
    /// Ascending, without overlaps.
    pub ranges: Vec<Range<u64>>,
    /// None until it is asked for.
    pub seat: Option<Seat>,
}

impl Request {
    pub(super) fn has(&self, far: &Arc<Far>, origin: u64) -> bool {
        let after = self.ranges.partition_point(|range| range.end <= origin);
        Arc::ptr_eq(&self.far, far) && self.ranges.get(after).is_some_and(|range| range.start <= origin)
    }
}

impl Batch {
    pub(super) fn requests(&self) -> &[Request] {
        &self.requests
    }

    pub(super) fn into_requests(self) -> Vec<Request> {
        self.requests
    }

    /// Those among which are all that are on their way.
    pub(super) fn under_way(&mut self) -> &[Request] {
        self.pass_asked();
        let has_landed = |request: &Request| !request.seat.as_ref().is_some_and(Seat::is_under_way);
        while self.landed < self.asked && self.requests.get(self.landed).is_some_and(has_landed) {
            self.landed = self.landed.saturating_add(1);
        }
        self.requests.get(self.landed..self.asked).unwrap_or_default()
    }

    /// The first one that is not asked for.
    pub(super) fn next_to_ask(&mut self) -> Option<&mut Request> {
        self.pass_asked();
        self.requests.get_mut(self.asked)
    }

    fn pass_asked(&mut self) {
        while self.requests.get(self.asked).is_some_and(|request| request.seat.is_some()) {
            self.asked = self.asked.saturating_add(1);
        }
    }

    /// The one that brings this byte, which is to be read now.
    pub(super) fn bringing(&mut self, far: &Arc<Far>, origin: u64) -> Option<&mut Request> {
        self.pass_asked();
        let has = |i: &usize| self.requests.get(*i).is_some_and(|request| request.has(far, origin));
        self.current = (self.current..self.requests.len()).chain(0..self.current).find(has)?;
        if self.current > self.asked {
            // It is asked for before its turn: what is asked for comes first.
            self.requests.swap(self.current, self.asked);
            self.current = self.asked;
        }
        let request = self.requests.get_mut(self.current)?;
        if !request.seat.as_ref().is_some_and(Seat::is_good) {
            // It is asked for again.
            self.landed = self.landed.min(self.current);
        }
        Some(request)
    }
}

/// A part of a far source that the rope needs.
#[derive(Clone)]
pub(super) struct Wanted {
    /// Where in the rope it is needed first.
    pub place: u64,
    pub far: Arc<Far>,
    pub range: Range<u64>,
}

impl Wanted {
    fn len(&self) -> u64 {
        self.range.end.saturating_sub(self.range.start)
    }
}

/// What a rope needs of far sources, in its order.
fn parts(rope: &Rope, from: u64, until: u64) -> impl Iterator<Item = Wanted> {
    rope.pieces_from(from).take_while(move |piece| piece.start < until).filter_map(move |piece| {
        let Slice::Shared { source, at } = &piece.bytes else { return None };
        let place = piece.start.max(from);
        let start = at.saturating_add(place.saturating_sub(piece.start));
        let range = start..start.saturating_add(piece.end().min(until).saturating_sub(place));
        Some(Wanted { place, far: source.as_far()?.clone(), range })
    })
}

/// The next batch from a place of the rope on, and how much may be held with it; None where nothing more is
/// far.
///
/// With `known`, what those or other demuxers' requests bring or have brought already is not asked for again.
pub(super) fn plan(rope: &Rope, from: u64, until: u64, known: Option<&[&Request]>) -> Option<(Batch, u64)> {
    let mut coming = parts(rope, from, until);
    let mut taken: Vec<Wanted> = Vec::new();
    let (mut needed, mut most) = (0u64, u64::MAX);
    let mut is_full = false;
    let mut planned = None;
    loop {
        // Twice as many parts each time, until a batch has no room for them: a plan takes as long as its
        // batch is, and not as the rope is.
        let before = taken.len();
        while taken.len() < before.saturating_mul(2).max(1)
            && !is_full
            && let Some(mut part) = coming.next()
        {
            let hints = part.far.hints();
            most = most.min(hints.cache as u64);
            let longest = hints.read_ahead as u64;
            let room = (most / 2).max(longest).min(longest.saturating_mul(MOST as u64));
            let len = part.len().min(room.saturating_sub(needed));
            is_full = len < part.len();
            if len > 0 {
                needed = needed.saturating_add(len);
                part.range.end = part.range.start.saturating_add(len);
                taken.push(part);
            }
        }
        if taken.len() == before {
            return planned;
        }
        if let Some(batch) = batch(from, &taken, most / 2, known) {
            planned = Some((batch, most));
            continue;
        }
        // To the eighth as many as there is room for: what stays empty is requests more.
        let (mut fit, mut too_many) = (before, taken.len());
        while too_many.saturating_sub(fit) > (fit / 8).max(1) {
            let middle = fit.midpoint(too_many);
            match batch(from, taken.get(..middle).unwrap_or_default(), most / 2, known) {
                Some(batch) => (planned, fit) = (Some((batch, most)), middle),
                None => too_many = middle,
            }
        }
        return planned;
    }
}

/// A batch of these parts; None where it would be too large. A single part is not.
fn batch(from: u64, parts: &[Wanted], room: u64, known: Option<&[&Request]>) -> Option<Batch> {
    let last = parts.last()?;
    let made = requests(parts.to_vec(), known);
    // What lies between ranges is read as well, and takes memory.
    let size = made.iter().map(|one| span(&one.ranges)).fold(0, u64::saturating_add);
    let longest = made.iter().map(|one| one.far.hints().read_ahead as u64).max().unwrap_or(0);
    let fits = made.len() <= MOST && size <= room.max(longest);
    let to = last.place.saturating_add(last.len());
    (fits || parts.len() == 1).then(|| Batch {
        from,
        to,
        size,
        requests: made,
        asked: 0,
        landed: 0,
        current: 0,
    })
}

/// Who brings the byte at this offset, and up to where; else where the next begins that brings anything.
fn look_up(own: &[&Request], far: &Arc<Far>, at: u64) -> (Option<(Seat, u64)>, u64) {
    let (found, next) = far.known(at);
    if found.is_some() {
        return (found, next);
    }
    let own = own.iter().filter(|request| Arc::ptr_eq(&request.far, far));
    let own = own.filter_map(|request| Some((&request.ranges[..], request.seat.as_ref()?.of())));
    let (found, own_next) = bringing(own, at);
    (found, next.min(own_next))
}

/// As few requests as the sources' hints allow, in the order in which they are needed.
pub(super) fn requests(mut parts: Vec<Wanted>, known: Option<&[&Request]>) -> Vec<Request> {
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
    // What is known is asked for already.
    made.sort_by_key(|(place, request)| (request.seat.is_none(), *place));
    made.into_iter().map(|(_, request)| request).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Control, Source,
        io::{Hints, ReadAt},
    };

    /// Long, and nobody reads it.
    struct Long(Hints);

    impl ReadAt for Long {
        fn len(&self) -> u64 {
            1 << 40
        }

        fn hints(&self) -> Hints {
            self.0
        }

        fn read_at(&self, _: u64, _: &mut [u8], _: &Control) -> std::io::Result<usize> {
            Err(std::io::Error::other("a plan reads nothing"))
        }
    }

    /// The batches for so many parts of a source, each `step` behind the last one: how many requests they
    /// have.
    fn batches(hints: Hints, count: u64, (len, step): (u64, u64)) -> Vec<usize> {
        let source = Source::from_read_at(Long(hints), "long");
        let parts: Vec<_> =
            (0..count).map(|i| source.slice(i * step..i * step + len).expect("it is inside")).collect();
        let rope = Rope::concat(&parts);
        let mut made = Vec::new();
        let mut at = 0;
        while let Some((batch, _)) = plan(&rope, at, rope.len(), None) {
            assert_eq!(batch.from, at);
            assert!(batch.to > at);
            let needed: u64 =
                batch.requests.iter().flat_map(|one| &one.ranges).map(|r| r.end - r.start).sum();
            assert_eq!(needed, batch.to - batch.from, "each byte once");
            at = batch.to;
            made.push(batch.requests.len());
        }
        assert_eq!(at, rope.len());
        made
    }

    #[test]
    fn a_batch_has_a_bounded_number_of_requests() {
        const COUNT: u64 = 20_000;
        // Too far apart for one request: all of them would find room in a batch.
        let scattered = batches(Hints::new().gap(1000), COUNT, (200, 20_000));
        assert_eq!(scattered.iter().sum::<usize>() as u64, COUNT);
        assert!(scattered.iter().all(|requests| *requests <= MOST), "{scattered:?}");
        // As few batches as that allows, but for half of it.
        assert!(scattered.len() as u64 <= 2 * COUNT / MOST as u64 + 1, "{} batches", scattered.len());
        // One part, in small requests.
        let small = batches(Hints::new().block(512).read_ahead(512), 1, (10 << 20, 0));
        assert!(small.iter().all(|requests| *requests <= MOST), "{small:?}");
        // Near ones are one request, however many they are.
        assert_eq!(batches(Hints::new(), COUNT, (200, 201)), [1]);
    }
}
