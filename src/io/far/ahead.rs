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
    collections::VecDeque,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// The requests of one reader of a rope, in the rope's order. Other readers have their own.
#[derive(Default)]
pub(crate) struct Ahead {
    window: VecDeque<Asked>,
    /// Bytes that its own requests brought.
    received: Arc<AtomicU64>,
    /// A demuxer's: what it brings is kept for the next.
    keep: bool,
}

/// A request, and what it is for.
struct Asked {
    /// Bytes of the rope.
    from: u64,
    to: u64,
    far: Arc<Far>,
    ranges: Vec<Range<u64>>,
    seat: Seat,
}

/// What the next request would be.
struct Plan {
    from: u64,
    to: u64,
    far: Arc<Far>,
    ranges: Vec<Range<u64>>,
}

impl Ahead {
    /// That of a demuxer.
    pub(crate) fn that_keeps() -> Self {
        Self { keep: true, ..Self::default() }
    }

    /// Bytes that were brought since the last call.
    pub(crate) fn take_received(&self) -> u64 {
        self.received.swap(0, Ordering::Relaxed)
    }

    /// Whether a request for this place is on its way or has arrived.
    pub(crate) fn covers(&self, at: u64) -> bool {
        self.window.iter().any(|asked| (asked.from..asked.to).contains(&at))
    }

    /// Asks for what lies between `at` and `until` in far sources, as far as their hints allow at once. What lies before
    /// `at` is let go.
    pub(crate) fn ask(&mut self, rope: &Rope, at: u64, until: u64, control: &Control) -> Result<()> {
        if self.window.front().is_some_and(|first| first.from > at) {
            // The reader went back, or elsewhere.
            self.window.clear();
        }
        while self.window.front().is_some_and(|first| first.to <= at) {
            self.window.pop_front();
        }
        let mut next = self.window.back().map_or(at, |last| last.to);
        while let Some(plan) = plan(rope, next, until) {
            let hints = plan.far.hints();
            let waiting: u64 = self.window.iter().map(|asked| span(&asked.ranges)).sum();
            let has_room = self.window.len() < hints.requests
                && waiting.saturating_add(span(&plan.ranges)) <= hints.cache as u64;
            if !has_room && !self.window.is_empty() {
                break;
            }
            next = plan.to;
            let seat = plan.far.ask(plan.ranges.clone(), self.keep, &self.received, control)?;
            self.window.push_back(Asked {
                from: plan.from,
                to: plan.to,
                far: plan.far,
                ranges: plan.ranges,
                seat,
            });
        }
        Ok(())
    }

    /// The bytes at a place of the rope that lies at `origin` in a far source: as many as have arrived in one piece, and
    /// `least` where that can be. It has been asked for.
    pub(crate) fn bytes(&mut self, at: u64, origin: u64, least: u64, control: &Control) -> Result<Bytes> {
        let asked = self.window.iter_mut().find(|asked| (asked.from..asked.to).contains(&at));
        let Some(asked) = asked else {
            return Err(Error::new(ErrorKind::Bug, "bytes that nobody asked for"));
        };
        loop {
            if let Some(bytes) = asked.seat.wait(origin, least, control)? {
                return Ok(bytes);
            }
            asked.seat = asked.far.ask(asked.ranges.clone(), self.keep, &self.received, control)?;
        }
    }
}

/// The next request for what lies in far sources from a place of the rope on: near ranges of one source are one.
fn plan(rope: &Rope, from: u64, until: u64) -> Option<Plan> {
    let mut plan: Option<Plan> = None;
    for piece in rope.pieces_from(from).take_while(|piece| piece.start < until) {
        let Slice::Shared { source, at } = &piece.bytes else { continue };
        let Some(far) = source.as_far() else { continue };
        let skip = from.saturating_sub(piece.start);
        let start = at.saturating_add(skip);
        let len = piece.end().min(until).saturating_sub(piece.start).saturating_sub(skip);
        let Some(plan) = &mut plan else {
            let len = len.min(far.hints().read_ahead as u64);
            let from = piece.start.saturating_add(skip);
            plan = Some(Plan {
                from,
                to: from.saturating_add(len),
                far: far.clone(),
                ranges: std::iter::once(start..start.saturating_add(len)).collect(),
            });
            continue;
        };
        let (first, end) = (plan.ranges.first()?.start, plan.ranges.last()?.end);
        let hints = far.hints();
        let fits = Arc::ptr_eq(far, &plan.far)
            && start >= end
            && start.saturating_sub(end) <= hints.gap as u64
            && start.saturating_sub(first) < hints.read_ahead as u64;
        if !fits {
            break;
        }
        let room = (hints.read_ahead as u64).saturating_sub(start.saturating_sub(first));
        let taken = len.min(room);
        match plan.ranges.last_mut() {
            Some(last) if last.end == start => last.end = start.saturating_add(taken),
            _ => plan.ranges.push(start..start.saturating_add(taken)),
        }
        plan.to = piece.start.saturating_add(taken);
        if taken < len {
            break;
        }
    }
    plan
}
