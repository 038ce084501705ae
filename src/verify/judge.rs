//! What the pictures of an output come to, told one after the other: sums, runs and faults. What goes wrong at one
//! place is one fault, whatever number of pictures it takes.

use super::{
    fault::{Fault, FaultKind},
    lateness::Lateness,
    result::{PictureSpan, PictureState, Pictures, Recoded},
};
use crate::time::Timestamp;

/// So many pictures that are right end a trouble.
const RIGHT: u32 = 8;
/// Pictures that are poor within this time of each other are one fault.
const NEAR: Timestamp = Timestamp::from_nanos(2_000_000_000);
/// Times that are wrong within so many pictures of each other are one fault.
const STEADY: u64 = 25;
/// Faults that are listed.
pub(super) const MOST: usize = 1000;

/// A picture of the output.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub number: u64,
    pub from: Timestamp,
    pub until: Timestamp,
}

/// A picture of the source.
#[derive(Clone, Copy, Debug)]
pub(super) struct Due {
    /// The number among all that came of the source.
    pub number: u64,
    /// On the output's clock.
    pub from: Timestamp,
    pub until: Timestamp,
    /// On the source's own.
    pub time: Timestamp,
    pub range: usize,
}

/// What a picture that is not the next one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Odd {
    /// One that was shown already.
    Again,
    /// One that was left out before.
    LateOne(u64),
    /// One from outside of the ranges.
    Outside,
    Foreign,
}

#[derive(Clone, Copy, Debug)]
enum Event {
    Right {
        range: usize,
    },
    /// So many of the source, from this one on, were left out.
    Skipped {
        first: Due,
        count: u64,
    },
    Odd {
        what: Odd,
        place: Place,
        source: Option<Timestamp>,
        range: usize,
    },
}

/// Pictures near each other that have one thing wrong.
struct Run {
    kind: Flaw,
    from: Timestamp,
    until: Timestamp,
    source: Timestamp,
    count: u64,
    worst: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    Poor,
    Broken,
    Damaged,
}

/// Where times begin to be others than in the source.
struct Off {
    at: Place,
    source: Timestamp,
    before: Timestamp,
    now: Timestamp,
    furthest: Timestamp,
    last: u64,
    count: u64,
}

pub(super) struct Judge {
    pub told: Pictures,
    faults: Vec<Fault>,
    more: u64,
    required: f64,
    tolerance: Timestamp,
    pending: Vec<Event>,
    right: u32,
    /// Pictures of the range that were right, up to those that are pending.
    in_range: (usize, u64),
    run: Option<Run>,
    off: Option<Off>,
    /// How much time the trouble since the last picture that was right takes: what follows may come later by it.
    moved: i64,
    has_moved: bool,
    /// How much later what follows the pending trouble does come.
    by: Timestamp,
    sum: f64,
    /// What ranges miss at their beginning and have too much at their end, or the other way round: by fault.
    heads: Vec<(usize, usize)>,
    tails: Vec<(usize, usize)>,
    lateness: Lateness,
}

/// What all pictures come to.
pub(super) struct Judged {
    pub told: Pictures,
    pub faults: Vec<Fault>,
    /// Faults beyond those.
    pub more: u64,
    pub lateness: Lateness,
}

impl Judge {
    pub(super) fn new(required: f64, tolerance: Timestamp) -> Self {
        Self {
            told: Pictures::default(),
            faults: Vec::new(),
            more: 0,
            required,
            tolerance,
            pending: Vec::new(),
            right: 0,
            in_range: (0, 0),
            run: None,
            off: None,
            moved: 0,
            has_moved: false,
            by: Timestamp::ZERO,
            sum: 0.0,
            heads: Vec::new(),
            tails: Vec::new(),
            lateness: Lateness::default(),
        }
    }

    pub(super) fn add(
        &mut self,
        kind: FaultKind,
        at: Option<(Timestamp, Timestamp)>,
        source: Option<Timestamp>,
    ) {
        if self.faults.len() >= MOST {
            self.more = self.more.saturating_add(1);
            return;
        }
        let (at, until) = (at.map(|(from, _)| from), at.map(|(_, until)| until));
        self.faults.push(Fault { kind, at, until, source });
    }

    /// Pictures of the source were left out.
    pub(super) fn skip(&mut self, first: Due, count: u64, until: Timestamp) {
        self.moved = self.moved.saturating_sub(until.minus(first.from).nanos());
        self.has_moved = true;
        self.pending.push(Event::Skipped { first, count });
        self.right = 0;
    }

    /// A picture came that is not the next one.
    pub(super) fn odd(&mut self, what: Odd, place: Place, source: Option<Timestamp>, range: usize) {
        self.state(PictureState::Wrong, place);
        self.moved = self.moved.saturating_add(place.until.minus(place.from).nanos());
        self.has_moved = true;
        self.pending.push(Event::Odd { what, place, source, range });
        self.right = 0;
    }

    /// The next picture came.
    pub(super) fn right(&mut self, place: Place, due: Due, late: &mut Timestamp) {
        self.time(place, due, late);
        self.lateness.note(place.from, *late);
        if self.pending.is_empty() {
            self.count_right(due.range);
            return;
        }
        self.pending.push(Event::Right { range: due.range });
        self.right = self.right.saturating_add(1);
        if self.right >= RIGHT {
            self.settle();
        }
    }

    fn count_right(&mut self, range: usize) {
        if self.in_range.0 != range {
            self.in_range = (range, 0);
        }
        self.in_range.1 = self.in_range.1.saturating_add(1);
    }

    /// Judges when a picture comes.
    fn time(&mut self, place: Place, due: Due, late: &mut Timestamp) {
        let now = place.from.minus(due.from);
        let (moved, has_moved) = (std::mem::take(&mut self.moved), std::mem::take(&mut self.has_moved));
        let delta = now.minus(*late);
        if delta.nanos().saturating_abs() <= self.tolerance.nanos() {
            return;
        }
        let before = std::mem::replace(late, now);
        let due_to_that = delta.nanos().saturating_sub(moved).saturating_abs();
        if has_moved && due_to_that <= self.tolerance.nanos().saturating_mul(2) {
            self.by = self.by.plus(delta);
            return;
        }
        self.moved_on(place, due, (before, now));
    }

    /// A picture comes at another time than the one before it let expect.
    fn moved_on(&mut self, place: Place, due: Due, (before, now): (Timestamp, Timestamp)) {
        let further = |a: Timestamp, b: Timestamp| if a.nanos().abs() > b.nanos().abs() { a } else { b };
        match &mut self.off {
            Some(off) if place.number.saturating_sub(off.last) <= STEADY => {
                off.furthest = further(now.minus(off.before), off.furthest);
                (off.now, off.last) = (now, place.number);
                off.count = place.number.saturating_sub(off.at.number);
            }
            _ => {
                self.end_times();
                let furthest = now.minus(before);
                let (last, source) = (place.number, due.time);
                self.off = Some(Off { at: place, source, before, now, furthest, last, count: 0 });
            }
        }
    }

    fn end_times(&mut self) {
        let Some(off) = self.off.take() else { return };
        let by = off.now.minus(off.before);
        let kind = match off.count {
            0 if off.at.number == 0 => FaultKind::Late { by },
            0 if by > Timestamp::ZERO => FaultKind::Gap { by },
            0 => FaultKind::Hurried { by: Timestamp::ZERO.minus(by) },
            // Where they end as they began, the last one is right again.
            count => {
                let pictures = if by == Timestamp::ZERO { count } else { count.saturating_add(1) };
                FaultKind::Times { pictures, by: off.furthest }
            }
        };
        self.add(kind, Some((off.at.from, off.at.until)), Some(off.source));
    }

    /// Says what a picture is.
    pub(super) fn state(&mut self, state: PictureState, place: Place) {
        let pictures = &mut self.told;
        pictures.found = pictures.found.saturating_add(1);
        let sum = match state {
            PictureState::Copied => Some(&mut pictures.copied),
            PictureState::Equal => Some(&mut pictures.equal),
            PictureState::Recoded => Some(&mut pictures.recoded),
            PictureState::Wrong => None,
        };
        sum.into_iter().for_each(|sum| *sum = sum.saturating_add(1));
        match pictures.spans.last_mut().filter(|span| span.state == state) {
            Some(span) => (span.pictures, span.until) = (span.pictures.saturating_add(1), place.until),
            None => pictures.spans.push(PictureSpan {
                state,
                first: place.number,
                pictures: 1,
                from: place.from,
                until: place.until,
            }),
        }
    }

    /// A picture was encoded anew.
    pub(super) fn recoded(&mut self, place: Place, source: Timestamp, psnr: f64) {
        self.told.psnr.push(Recoded { at: place.from, source, psnr });
        self.told.psnr_min = Some(self.told.psnr_min.map_or(psnr, |least| least.min(psnr)));
        self.sum += psnr;
        self.told.psnr_mean = Some(self.sum / self.told.psnr.len().max(1) as f64);
        if psnr < self.required {
            self.flaw(Flaw::Poor, place, source, psnr);
        }
    }

    /// A picture has something wrong that its neighbours may have as well.
    pub(super) fn flaw(&mut self, kind: Flaw, place: Place, source: Timestamp, psnr: f64) {
        // What refers to a damaged picture is damaged by it.
        let is_of = |run: &Run| run.kind == kind || (run.kind, kind) == (Flaw::Damaged, Flaw::Broken);
        match &mut self.run {
            Some(run) if is_of(run) && place.from < run.until.plus(NEAR) => {
                (run.count, run.until) = (run.count.saturating_add(1), place.until);
                run.worst = run.worst.min(psnr);
            }
            _ => {
                self.end_run();
                let (from, until) = (place.from, place.until);
                self.run = Some(Run { kind, from, until, source, count: 1, worst: psnr });
            }
        }
    }

    fn end_run(&mut self) {
        let Some(run) = self.run.take() else { return };
        let (pictures, psnr) = (run.count, run.worst);
        let kind = match run.kind {
            Flaw::Poor => FaultKind::Poor { pictures, psnr, required: self.required },
            Flaw::Broken => FaultKind::Broken { pictures, psnr },
            Flaw::Damaged => FaultKind::Damaged { pictures, packets: 0, lines: Vec::new() },
        };
        self.add(kind, Some((run.from, run.until)), Some(run.source));
    }

    /// Says what the trouble was.
    fn settle(&mut self) {
        let mut events = std::mem::take(&mut self.pending);
        self.right = 0;
        // What comes late was not left out.
        let late: Vec<u64> = events.iter().filter_map(late_one).collect();
        for number in late {
            for event in &mut events {
                if let Event::Skipped { first, count } = event
                    && (first.number..first.number.saturating_add(*count)).contains(&number)
                {
                    *count = count.saturating_sub(1);
                }
            }
        }
        let by = std::mem::take(&mut self.by);
        let groups = events.chunk_by(|a, b| is_odd(a) && is_odd(b) && range_of(a) == range_of(b));
        let groups: Vec<&[Event]> = groups.collect();
        // Only the first tells by how much all that follows is off.
        let mut by = Some(by);
        for group in groups {
            match group.first() {
                Some(Event::Right { range }) => self.count_right(*range),
                _ => self.group(group, &mut by),
            }
        }
    }

    /// Trouble without a right picture in between.
    fn group(&mut self, group: &[Event], by: &mut Option<Timestamp>) {
        let of = |wanted: fn(Odd) -> bool| -> Vec<&Event> {
            let is = |event: &&Event| matches!(event, Event::Odd { what, .. } if wanted(*what));
            group.iter().filter(is).collect()
        };
        let range = group.first().map_or(0, range_of);
        let rights = if self.in_range.0 == range { self.in_range.1 } else { 0 };
        let skips: Vec<(Due, u64)> = group.iter().filter_map(skipped).collect();
        let mut missing = skips.iter().map(|(_, count)| *count).fold(0, u64::saturating_add);
        let again = of(|what| what == Odd::Again);
        let mut count = again.len() as u64;
        let frozen = count.min(missing);
        if frozen > 0 {
            let kind = FaultKind::Frozen { pictures: frozen, head: rights == 1 };
            self.tell(kind, &again);
            (count, missing) = (count.saturating_sub(frozen), missing.saturating_sub(frozen));
        }
        if count > 0 {
            self.tell(FaultKind::Repeated { pictures: count, by: by.take().unwrap_or_default() }, &again);
        }
        let foreign = of(|what| what == Odd::Foreign);
        if !foreign.is_empty() {
            let count = foreign.len() as u64;
            let instead = missing >= count;
            missing = if instead { missing.saturating_sub(count) } else { missing };
            self.tell(FaultKind::Foreign { pictures: count, instead }, &foreign);
        }
        let late = of(|what| matches!(what, Odd::LateOne(_)));
        if !late.is_empty() {
            self.tell(FaultKind::OutOfOrder { pictures: late.len() as u64 }, &late);
        }
        let outside = of(|what| what == Odd::Outside);
        if !outside.is_empty() {
            let by = if rights == 0 { by.take().unwrap_or_default() } else { Timestamp::ZERO };
            let ends = if rights == 0 { &mut self.heads } else { &mut self.tails };
            ends.push((range, self.faults.len()));
            self.tell(FaultKind::Added { pictures: outside.len() as u64, by }, &outside);
        }
        if let Some((first, _)) = skips.first().filter(|_| missing > 0) {
            let ends = if rights == 0 { &mut self.heads } else { &mut self.tails };
            ends.push((range, self.faults.len()));
            let by = Timestamp::ZERO.minus(by.take().unwrap_or_default());
            self.add(
                FaultKind::Missing { pictures: missing, by },
                Some((first.from, first.from)),
                Some(first.time),
            );
        }
    }

    /// Adds a fault at the place of odd pictures.
    fn tell(&mut self, kind: FaultKind, events: &[&Event]) {
        let odd = |event: &&Event| match **event {
            Event::Odd { place, source, .. } => Some((place, source)),
            _ => None,
        };
        let first = events.first().and_then(odd);
        let last = events.last().and_then(odd);
        let at = first.zip(last).map(|((first, _), (last, _))| (first.from, last.until));
        self.add(kind, at, first.and_then(|(_, source)| source));
    }

    /// Decoders have said this of the output, and not of the source.
    pub(super) fn warned(&mut self, lines: Vec<String>, packets: u64) {
        self.end_run();
        let of = |wanted: fn(&FaultKind) -> bool| self.faults.iter().position(|fault| wanted(&fault.kind));
        if let Some(at) = of(|kind| matches!(kind, FaultKind::Damaged { .. })) {
            if let Some(Fault { kind: FaultKind::Damaged { packets: lost, lines: told, .. }, .. }) =
                self.faults.get_mut(at)
            {
                (*lost, *told) = (packets, lines);
            }
        } else if packets > 0 {
            self.add(FaultKind::Damaged { pictures: 0, packets, lines }, None, None);
        } else if !lines.is_empty() && of(|kind| matches!(kind, FaultKind::Broken { .. })).is_none() {
            // Lost references are warned of as well.
            self.add(FaultKind::Warned { lines }, None, None);
        }
    }

    /// All has come: what is wrong.
    pub(super) fn end(mut self) -> Judged {
        self.settle();
        self.end_run();
        self.end_times();
        self.find_shifts();
        let mut faults = self.faults;
        faults.sort_by_key(|fault| fault.at.unwrap_or(Timestamp::MAX));
        Judged { told: self.told, faults, more: self.more, lateness: self.lateness }
    }

    /// A range that lacks as many pictures at one end as it has too many at the other is in the wrong place.
    fn find_shifts(&mut self) {
        let counts = |fault: &Fault| match fault.kind {
            FaultKind::Missing { pictures, .. } => i64::try_from(pictures).ok(),
            FaultKind::Added { pictures, .. } => i64::try_from(pictures).ok().map(i64::saturating_neg),
            _ => None,
        };
        let mut gone = Vec::new();
        for (range, head) in &self.heads {
            let tails = self.tails.iter().filter(|(of, _)| of == range);
            for (_, tail) in tails {
                let ends =
                    self.faults.get(*head).and_then(counts).zip(self.faults.get(*tail).and_then(counts));
                let Some((pictures, other)) = ends.filter(|(head, tail)| head.saturating_add(*tail) == 0)
                else {
                    continue;
                };
                debug_assert_ne!(other, pictures, "both are something");
                if let Some(fault) = self.faults.get_mut(*head) {
                    fault.kind = FaultKind::Shifted { pictures };
                    gone.push(*tail);
                }
            }
        }
        gone.sort_unstable();
        gone.into_iter().rev().for_each(|at| {
            if at < self.faults.len() {
                self.faults.remove(at);
            }
        });
    }
}

fn is_odd(event: &Event) -> bool {
    !matches!(event, Event::Right { .. })
}

fn range_of(event: &Event) -> usize {
    match event {
        Event::Right { range } | Event::Odd { range, .. } => *range,
        Event::Skipped { first, .. } => first.range,
    }
}

fn late_one(event: &Event) -> Option<u64> {
    match event {
        Event::Odd { what: Odd::LateOne(number), .. } => Some(*number),
        _ => None,
    }
}

fn skipped(event: &Event) -> Option<(Due, u64)> {
    match event {
        Event::Skipped { first, count } if *count > 0 => Some((*first, *count)),
        _ => None,
    }
}
