//! The output's pictures, and a look at those that come later.

use super::{
    compare::psnr,
    follow::FITS,
    shown::Told,
    window::{AHEAD, End, Picture, ROOM, receive},
};
use crate::Result;
use crossbeam_channel::Receiver;
use std::collections::VecDeque;

/// By as many decibels what comes later has to fit better than what is there.
const CLEARLY: f64 = 5.0;

/// The pictures of the output.
pub(super) struct Outputs<'a> {
    from: &'a Receiver<Result<Told>>,
    pub end: Option<End>,
    /// What was looked at before its turn.
    ahead: VecDeque<Picture>,
}

impl<'a> Outputs<'a> {
    pub(super) fn new(from: &'a Receiver<Result<Told>>) -> Self {
        Self { from, end: None, ahead: VecDeque::new() }
    }

    pub(super) fn next(&mut self) -> Result<Option<Picture>> {
        match self.ahead.pop_front() {
            Some(picture) => Ok(Some(picture)),
            None => receive(self.from, &mut self.end, |_| ()),
        }
    }

    /// Whether a picture of the source comes a little later, when another is there in its place.
    pub(super) fn come_to(&mut self, due: &mut Picture) -> Result<bool> {
        let mut bytes =
            self.ahead.iter().map(|picture| picture.shown.frame.memory()).fold(0, usize::saturating_add);
        while self.ahead.len() < AHEAD && bytes < ROOM {
            let Some(picture) = receive(self.from, &mut self.end, |_| ())? else { break };
            bytes = bytes.saturating_add(picture.shown.frame.memory());
            self.ahead.push_back(picture);
        }
        let mut nearest: Option<(f64, &mut Picture)> = None;
        for picture in &mut self.ahead {
            if picture.shown.coded.is_some() && picture.shown.coded == due.shown.coded {
                return Ok(true);
            }
            let off = picture.signature().difference(due.signature());
            if nearest.as_ref().is_none_or(|(least, _)| off < *least) {
                nearest = Some((off, picture));
            }
        }
        Ok(nearest.is_some_and(|(_, picture)| psnr(picture.difference(due)) > FITS + CLEARLY))
    }
}
