//! Scenes and black: what `scdet` and `blackdetect` write beside the pictures.

use super::{Black, Scene, Scenes, Told, push};
use crate::{Frame, Result, TimeRange, Timestamp, av::graph::Format, transcode::flow::process::End};

/// Looks at pictures.
pub(super) struct Pictures {
    asked: (Option<Scenes>, Option<Black>),
    told: Option<Told>,
    /// Where scenes begin, but for the first.
    begun: Vec<(Timestamp, f64)>,
    /// Black that has ended, however short, and since when it is black.
    black: Vec<TimeRange>,
    black_since: Option<Timestamp>,
    /// The filters began anew, and know nothing of what was in front.
    is_renewed: bool,
    end: Timestamp,
}

impl Pictures {
    pub(super) fn new(scenes: Option<Scenes>, black: Option<Black>, told: Option<Told>) -> Self {
        Self {
            asked: (scenes, black),
            told,
            begun: Vec::new(),
            black: Vec::new(),
            black_since: None,
            is_renewed: false,
            end: Timestamp::ZERO,
        }
    }

    /// In libavfilter's words.
    pub(super) fn filters(&self) -> String {
        let mut filters = Vec::new();
        if self.asked.0.is_some() {
            // Each picture has its score. (What reaches a threshold is logged as well.)
            filters.push("scdet=threshold=100".to_owned());
        }
        if let Some(Black { picture, pixel, .. }) = self.asked.1 {
            // Beginnings and ends are written beside the pictures, however near; what lasts this long is also logged.
            filters.push(format!("blackdetect=d=1000000:pic_th={picture}:pix_th={pixel}"));
        }
        filters.join(",")
    }

    pub(super) fn end(&self) -> Timestamp {
        self.end
    }

    pub(super) fn scenes(&self, end: Timestamp) -> Vec<Scene> {
        let begins = [(Timestamp::ZERO, None)].into_iter();
        let begins = begins.chain(self.begun.iter().map(|(time, score)| (*time, Some(*score))));
        let ends = self.begun.iter().map(|(time, _)| *time).chain([end]);
        begins.zip(ends).map(|((from, score), to)| Scene { from, to, score }).collect()
    }

    pub(super) fn black(&mut self, asked: Black, end: Timestamp) -> Vec<TimeRange> {
        let mut black = std::mem::take(&mut self.black);
        black.extend(self.black_since.map(|from| TimeRange { from, to: end }));
        black.retain(|range| range.from < range.to && range.duration() >= asked.min_duration);
        black
    }

    fn scene(&mut self, time: Timestamp, score: f64) -> Result<()> {
        let Some(asked) = self.asked.0.filter(|asked| score >= asked.threshold) else { return Ok(()) };
        let since = self.begun.last().map_or(Timestamp::ZERO, |(time, _)| *time);
        if time > since && time.duration_since(since) >= asked.min_duration {
            push(&mut self.begun, (time, score))?;
        }
        Ok(())
    }

    fn end_black(&mut self, to: Timestamp) -> Result<()> {
        let (Some(from), Some(asked)) = (self.black_since.take(), self.asked.1) else { return Ok(()) };
        let range = TimeRange { from, to };
        if to > from && range.duration() >= asked.min_duration {
            push(&mut self.black, range)?;
        }
        Ok(())
    }
}

impl End for Pictures {
    fn format(&mut self, _format: &Format) -> Result<()> {
        self.is_renewed = true;
        Ok(())
    }

    fn frame(&mut self, frame: Frame) -> Result<()> {
        let Some(time) = frame.time() else { return Ok(()) };
        let (mut begins, mut ends) = (false, false);
        for (key, value) in frame.metadata() {
            match key.as_str() {
                "lavfi.scd.score" => self.scene(time, value.parse().unwrap_or(0.0))?,
                "lavfi.black_start" => begins = true,
                "lavfi.black_end" => ends = true,
                _ => {}
            }
        }
        let is_renewed = std::mem::take(&mut self.is_renewed);
        if ends || is_renewed && !begins {
            self.end_black(time)?;
        }
        if begins {
            self.black_since.get_or_insert(time);
        }
        self.end = self.end.max(time.plus(frame.shown()));
        self.told.as_mut().map_or(Ok(()), |told| told.tell(time))
    }
}
