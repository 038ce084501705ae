//! Which picture of the source each picture of the output is. Pictures are followed one by one; where one is not the
//! one that is due, it is looked for around there.

use super::{
    compare::{are_equal, psnr},
    window::{BEHIND, Picture, Window},
};
use crate::{Result, time::Timestamp};

/// By as many decibels another picture has to fit better than the one that is due to be what is shown: what a codec
/// leaves out of a still scene fits the picture before as well.
const BETTER: f64 = 2.0;
/// Pictures that fit the one that is due worse than this, in decibels, are looked for elsewhere.
const DOUBTFUL: f64 = 28.0;
/// What is less alike than this, and fits less than so many decibels, is no picture of the source.
const LIKENESS: f64 = 0.6;
pub(super) const FITS: f64 = 25.0;
/// Pictures that are compared in full, of all that are looked at.
const CLOSEST: usize = 4;

/// What a picture of the output is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    /// The source's picture of this number.
    Picture(u64),
    /// Rather this one than another, but hardly.
    Perhaps(u64),
    /// None of the source's that lie near.
    Nothing,
}

/// Where in the source the output is.
pub(super) struct Follower<'a> {
    pub window: Window<'a>,
    /// The number from which on the next picture is due.
    pub due: u64,
    /// How much later than due the last picture came.
    pub late: Timestamp,
    /// Times closer than this are one.
    pub tolerance: Timestamp,
}

impl Follower<'_> {
    /// Finds the picture of the source that this is. It may be one that was shown before, or lies outside.
    pub(super) fn find(&mut self, picture: &mut Picture) -> Result<Fit> {
        let due = self.window.inside_from(self.due)?;
        if let Some(due) = due
            && self.is_equal(picture, due)
        {
            return Ok(Fit::Picture(self.in_time(picture, due)));
        }
        if let Some(number) = self.with_bytes_of(picture, due.unwrap_or(self.due)) {
            return Ok(Fit::Picture(number));
        }
        let own = due.and_then(|due| self.difference(picture, due));
        let mut is_doubtful = own.is_none_or(|own| psnr(own) < DOUBTFUL);
        if let (Some(own), Some(due), false) = (own, due, is_doubtful) {
            self.window.has(due.saturating_add(1))?;
            let beside = [due.checked_sub(1), due.checked_add(1)];
            for beside in beside.into_iter().flatten() {
                let other = self.difference(picture, beside);
                is_doubtful |= other.is_some_and(|other| is_better(other, own));
            }
        }
        if !is_doubtful {
            return Ok(due.map_or(Fit::Nothing, Fit::Picture));
        }
        let found = self.search(picture, due, own)?;
        match found {
            Fit::Nothing => self.leap(picture, due),
            found => Ok(found),
        }
    }

    fn is_equal(&mut self, picture: &Picture, number: u64) -> bool {
        self.window.get(number).is_some_and(|own| are_equal(&picture.shown.frame, &own.shown.frame))
    }

    /// The picture that has the same bytes, the nearest one from the one that is due on, or else before it. What it is
    /// decoded to may be something else.
    fn with_bytes_of(&mut self, picture: &Picture, due: u64) -> Option<u64> {
        let coded = picture.shown.coded?;
        let (first, loaded) = (self.window.first(), self.window.loaded());
        let mut is_same = |number: &u64| {
            self.window.get(*number).is_some_and(|own| own.shown.coded == Some(coded) && own.shown.is_inside)
        };
        (due..loaded).find(&mut is_same).or_else(|| (first..due).rev().find(&mut is_same))
    }

    fn difference(&mut self, picture: &mut Picture, number: u64) -> Option<f64> {
        self.window.get(number).map(|own| picture.difference(own))
    }

    pub(super) fn is_in_time(&mut self, picture: &Picture, number: u64) -> bool {
        let Self { window, late, tolerance, .. } = self;
        window.get(number).is_some_and(|own| {
            let off = picture.shown.from.minus(own.shown.from.plus(*late));
            off.nanos().saturating_abs() <= tolerance.nanos()
        })
    }

    /// Of a still scene, all of whose pictures are equal to this one, the one that is shown at this time.
    fn in_time(&mut self, picture: &Picture, due: u64) -> u64 {
        let mut number = due;
        while !self.is_in_time(picture, number) {
            number = number.saturating_add(1);
            if number >= self.window.loaded() || !self.is_equal(picture, number) {
                return due;
            }
        }
        let is_inside = self.window.get(number).is_some_and(|own| own.shown.is_inside);
        if is_inside { number } else { due }
    }

    /// Looks for a picture around the one that is due.
    fn search(&mut self, picture: &mut Picture, due: Option<u64>, own: Option<f64>) -> Result<Fit> {
        let around = due.unwrap_or(self.due);
        self.window.look_ahead(around)?;
        if let Some(number) = self.with_bytes_of(picture, around) {
            return Ok(Fit::Picture(number));
        }
        let from = self.window.first().max(around.saturating_sub(BEHIND as u64));
        let mut all: Vec<(f64, u64)> = Vec::new();
        for number in from..self.window.loaded() {
            if let Some(other) = self.window.get(number) {
                all.push((picture.signature().difference(other.signature()), number));
            }
        }
        all.sort_by(|a, b| a.0.total_cmp(&b.0));
        let closest = all.iter().take(CLOSEST).map(|(_, number)| *number);
        let beside = [around.saturating_sub(1), around.saturating_add(1)];
        let mut best: Option<(f64, u64)> = due.and_then(|due| Some((own?, due)));
        for number in closest.chain(beside).collect::<Vec<_>>() {
            let Some(off) = self.difference(picture, number) else { continue };
            let near = |number: u64| number.abs_diff(around);
            best = match best {
                Some((least, of)) if of == number || !is_better(off, least) => {
                    // Of those that fit alike, the nearest; the one that is due first of all.
                    let same = !is_better(least, off) && off <= least;
                    if same && Some(of) != due && near(number) < near(of) {
                        Some((off, number))
                    } else {
                        best
                    }
                }
                _ => Some((off, number)),
            };
        }
        let Some((off, number)) = best else { return Ok(Fit::Nothing) };
        if psnr(off) >= FITS {
            return Ok(Fit::Picture(number));
        }
        let is_alike = self.window.get(number).is_some_and(|own| picture.likeness(own) >= LIKENESS);
        Ok(if is_alike { Fit::Perhaps(number) } else { Fit::Nothing })
    }

    /// Goes on where the picture's time says, if all that lies nearer was looked at and is not what it is.
    fn leap(&mut self, picture: &mut Picture, due: Option<u64>) -> Result<Fit> {
        let Some(mut number) = due else { return Ok(Fit::Nothing) };
        let time = picture.shown.from.minus(self.late);
        let last = self.window.loaded().saturating_sub(1);
        let lies_behind = self.window.get(last).is_some_and(|last| last.shown.from < time);
        if !lies_behind {
            return Ok(Fit::Nothing);
        }
        let early = time.minus(self.tolerance);
        while self.window.has(number)? && self.window.get(number).is_some_and(|own| own.shown.from < early) {
            number = number.saturating_add(1);
            // What is left out on the way is told of by its number alone.
            self.window.forget(number);
        }
        Ok(match self.window.inside_from(number)? {
            Some(number) => Fit::Picture(number),
            None => Fit::Nothing,
        })
    }
}

/// Whether a difference is less than another for good.
fn is_better(difference: f64, than: f64) -> bool {
    // In decibels; nothing is infinitely better than something.
    difference * 10.0_f64.powf(BETTER / 10.0) < than
}
