//! The source's pictures around the one that is due, and what is known of each beside its samples.

use super::{
    compare::{self, Signature},
    shown::{Shown, Told},
};
use crate::{Result, time::Timestamp};
use crossbeam_channel::Receiver;
use std::collections::{HashMap, VecDeque};

/// Bytes of pictures that are looked ahead at.
pub(super) const ROOM: usize = 256 << 20;
/// And how many at the most.
pub(super) const AHEAD: usize = 64;
/// Pictures that are kept behind the one that is due.
pub(super) const BEHIND: usize = 8;

/// A picture, and what was made of it.
pub(super) struct Picture {
    pub shown: Shown,
    signature: Option<Signature>,
}

impl Picture {
    pub(super) fn new(shown: Shown) -> Self {
        Self { shown, signature: None }
    }

    pub(super) fn signature(&mut self) -> &Signature {
        self.signature.get_or_insert_with(|| Signature::of(&self.shown.frame))
    }

    /// By how much it differs from another, where the largest difference is 1.
    pub(super) fn difference(&mut self, other: &mut Self) -> f64 {
        let all = compare::difference(&self.shown.frame, &other.shown.frame);
        all.unwrap_or_else(|| self.signature().difference(other.signature()))
    }

    pub(super) fn likeness(&mut self, other: &mut Self) -> f64 {
        self.signature().likeness(other.signature())
    }
}

/// The end of a stream of pictures.
#[derive(Default)]
pub(super) struct End {
    pub lines: Vec<String>,
    pub damaged: u64,
}

/// The next picture of a stream.
pub(super) fn receive(
    from: &Receiver<Result<Told>>,
    end: &mut Option<End>,
    mut before: impl FnMut(Vec<(u64, Timestamp)>),
) -> Result<Option<Picture>> {
    while end.is_none() {
        match from.recv() {
            Ok(Ok(Told::Picture(shown))) => return Ok(Some(Picture::new(*shown))),
            Ok(Ok(Told::Before(told))) => before(told),
            Ok(Ok(Told::End { lines, damaged })) => *end = Some(End { lines, damaged }),
            Ok(Err(error)) => return Err(error),
            // It ends without a word when nobody is there to hear it.
            Err(_) => *end = Some(End::default()),
        }
    }
    Ok(None)
}

/// Pictures of the source, by their number among all that came.
pub(super) struct Window<'a> {
    from: &'a Receiver<Result<Told>>,
    pub end: Option<End>,
    pictures: VecDeque<Picture>,
    first: u64,
    bytes: usize,
    /// Coded pictures in front of the ranges, and when they are shown in the source: of the last ones.
    before: HashMap<u64, Timestamp>,
}

impl<'a> Window<'a> {
    pub(super) fn new(from: &'a Receiver<Result<Told>>) -> Self {
        Self { from, end: None, pictures: VecDeque::new(), first: 0, bytes: 0, before: HashMap::new() }
    }

    /// The number behind the last one that is here.
    pub(super) fn loaded(&self) -> u64 {
        self.first.saturating_add(self.pictures.len() as u64)
    }

    pub(super) fn first(&self) -> u64 {
        self.first
    }

    pub(super) fn get(&mut self, number: u64) -> Option<&mut Picture> {
        let at = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.pictures.get_mut(at)
    }

    fn load_one(&mut self) -> Result<bool> {
        let before = &mut self.before;
        let told = |told| *before = HashMap::from_iter::<Vec<_>>(told);
        let Some(picture) = receive(self.from, &mut self.end, told)? else { return Ok(false) };
        self.bytes = self.bytes.saturating_add(picture.shown.frame.memory());
        self.pictures.push_back(picture);
        Ok(true)
    }

    /// When a picture is shown in the source that lies in front of a range, and has the same bytes.
    pub(super) fn lies_before(&self, picture: &Picture) -> Option<Timestamp> {
        self.before.get(&picture.shown.coded?).copied()
    }

    /// Whether there is such a picture, now or when it has come.
    pub(super) fn has(&mut self, number: u64) -> Result<bool> {
        while self.loaded() <= number {
            if !self.load_one()? {
                return Ok(false);
            }
        }
        Ok(number >= self.first)
    }

    /// The first picture of the ranges that has this number or a later one.
    pub(super) fn inside_from(&mut self, mut number: u64) -> Result<Option<u64>> {
        while self.has(number)? {
            if self.get(number).is_some_and(|picture| picture.shown.is_inside) {
                return Ok(Some(number));
            }
            number = number.saturating_add(1);
        }
        Ok(None)
    }

    /// Looks as far ahead of a number as may be.
    pub(super) fn look_ahead(&mut self, of: u64) -> Result<()> {
        let to = of.saturating_add(AHEAD as u64);
        while self.loaded() < to && self.bytes < ROOM {
            if !self.load_one()? {
                break;
            }
        }
        Ok(())
    }

    /// Forgets what lies further behind a number than is looked back.
    pub(super) fn forget(&mut self, before: u64) {
        while self.first.saturating_add(BEHIND as u64) < before
            && let Some(picture) = self.pictures.pop_front()
        {
            self.bytes = self.bytes.saturating_sub(picture.shown.frame.memory());
            self.first = self.first.saturating_add(1);
        }
    }
}
