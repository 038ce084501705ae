//! Sound in its encoder's frame size, whatever lies between: filter graphs that were made again, a caller's
//! processors.

use crate::{Frame, Result};
use std::collections::VecDeque;

/// Sounds that wait until there are enough samples for a frame. Those of the right size pass as they are.
#[derive(Default)]
pub(crate) struct Framing {
    /// 0: any size will do.
    size: usize,
    waiting: VecDeque<Frame>,
    /// Samples of the first one that have gone already.
    gone: usize,
    have: usize,
}

impl Framing {
    pub(crate) fn new(size: u32) -> Self {
        Self { size: usize::try_from(size).unwrap_or(0), ..Self::default() }
    }

    pub(crate) fn push(&mut self, frame: Frame) {
        if frame.samples() > 0 {
            self.have = self.have.saturating_add(frame.samples());
            self.waiting.push_back(frame);
        }
    }

    /// The next whole frame, if it is there.
    pub(crate) fn next(&mut self) -> Result<Option<Frame>> {
        let wanted = if self.size > 0 { self.size } else { self.first().unwrap_or(0) };
        if wanted == 0 || self.have < wanted { Ok(None) } else { self.take(wanted).map(Some) }
    }

    /// What is left when nothing more comes: less than a frame.
    pub(crate) fn rest(&mut self) -> Result<Option<Frame>> {
        if self.have == 0 { Ok(None) } else { self.take(self.have).map(Some) }
    }

    fn take(&mut self, count: usize) -> Result<Frame> {
        self.have = self.have.saturating_sub(count);
        if self.gone == 0
            && self.first() == Some(count)
            && let Some(whole) = self.waiting.pop_front()
        {
            return Ok(whole);
        }
        let frame = Frame::joined(&self.waiting, self.gone, count)?;
        self.gone = self.gone.saturating_add(count);
        while let Some(samples) = self.first().filter(|samples| *samples <= self.gone) {
            self.waiting.pop_front();
            self.gone = self.gone.saturating_sub(samples);
        }
        Ok(frame)
    }

    /// The first one's samples.
    fn first(&self) -> Option<usize> {
        self.waiting.front().map(Frame::samples)
    }
}
