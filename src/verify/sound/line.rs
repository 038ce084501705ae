//! The samples of a stream behind each other: those that are still needed.

use super::{align::Excerpt, heard::Piece};
use crate::Result;
use crossbeam_channel::Receiver;

/// Sound as it comes, from the last sample on that is still needed.
pub(super) struct Line<'a> {
    from: &'a Receiver<Result<Piece>>,
    /// What comes next, and is not in the line yet.
    next: Option<Piece>,
    pub is_over: bool,
    pub at: i64,
    pub channels: usize,
    pub rate: u32,
    samples: Vec<f32>,
    /// Samples of the longest frame that came.
    pub frame: u64,
    /// The first sample and the one behind the last.
    pub extent: Option<(i64, i64)>,
}

impl<'a> Line<'a> {
    pub(super) fn new(from: &'a Receiver<Result<Piece>>) -> Self {
        Self {
            from,
            next: None,
            is_over: false,
            at: 0,
            channels: 0,
            rate: 0,
            samples: Vec::new(),
            frame: 0,
            extent: None,
        }
    }

    pub(super) fn look(&mut self) -> Result<()> {
        if self.next.is_none() && !self.is_over {
            match self.from.recv() {
                Ok(piece) => self.next = Some(piece?),
                Err(_) => self.is_over = true,
            }
        }
        if let Some(piece) = self.next.as_ref().filter(|_| self.channels == 0) {
            (self.channels, self.rate) = (piece.channels, piece.rate);
        }
        Ok(())
    }

    pub(super) fn end(&self) -> i64 {
        let count = self.samples.len().checked_div(self.channels).unwrap_or(0);
        self.at.saturating_add(i64::try_from(count).unwrap_or(i64::MAX))
    }

    /// Takes all up to a sample; silence where nothing is. Pieces of another rate or other channels are left out.
    pub(super) fn fill(&mut self, to: i64) -> Result<()> {
        loop {
            self.look()?;
            let Some(piece) = self.next.as_ref() else { return Ok(()) };
            if (piece.channels, piece.rate) != (self.channels, self.rate) {
                self.next = None;
                continue;
            }
            let end = self.end();
            if piece.at > end {
                // A gap, as far as it is needed.
                let silent = usize::try_from(piece.at.min(to).saturating_sub(end)).unwrap_or(0);
                let len = self.samples.len().saturating_add(silent.saturating_mul(self.channels));
                self.samples.resize(len, 0.0);
            }
            if self.end() >= to {
                return Ok(());
            }
            let Some(piece) = self.next.take() else { return Ok(()) };
            self.frame = self.frame.max(piece.frame);
            // What was there already is not heard twice.
            let again =
                usize::try_from(end.saturating_sub(piece.at)).unwrap_or(0).saturating_mul(self.channels);
            self.samples.extend(piece.samples.iter().skip(again));
            let (from, to) = (piece.at, self.end());
            self.extent =
                Some(self.extent.map_or((from, to), |(first, last)| (first.min(from), last.max(to))));
        }
    }

    pub(super) fn forget(&mut self, before: i64) {
        let count = usize::try_from(before.saturating_sub(self.at)).unwrap_or(0);
        let count = count.min(self.samples.len().checked_div(self.channels).unwrap_or(0));
        self.samples.drain(..count.saturating_mul(self.channels));
        self.at = self.at.saturating_add(i64::try_from(count).unwrap_or(0));
    }

    /// Goes to what comes next, whatever lies between.
    pub(super) fn leap(&mut self) {
        let end = self.end();
        self.samples.clear();
        self.at = self.next.as_ref().map_or(end, |piece| piece.at.max(end));
    }

    pub(super) fn all(&self) -> Excerpt<'_> {
        Excerpt { at: self.at, channels: self.channels, samples: &self.samples }
    }
}
