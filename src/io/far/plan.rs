//! What a stretch of a rope needs of far sources, as few requests.

use super::{
    Far,
    flight::{Seat, span},
};
use crate::io::{Rope, rope::Slice};
use std::{ops::Range, sync::Arc};

/// A stretch of the rope, and the requests for it in the order in which they are needed.
pub(super) struct Batch {
    pub from: u64,
    pub to: u64,
    pub size: u64,
    pub requests: Vec<Request>,
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

/// A part of a far source that the rope needs.
#[derive(Clone)]
pub(super) struct Part {
    /// Where in the rope it is needed first.
    pub place: u64,
    pub far: Arc<Far>,
    pub range: Range<u64>,
}

/// The next batch from a place of the rope on, and how much may be held with it; None where nothing more is
/// far.
///
/// With `known`, what those or other demuxers' requests bring or have brought already is not asked for again.
pub(super) fn plan(rope: &Rope, from: u64, until: u64, known: Option<&[&Request]>) -> Option<(Batch, u64)> {
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
pub(super) fn requests(mut parts: Vec<Part>, known: Option<&[&Request]>) -> Vec<Request> {
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
