//! Whether an output is what its source has in given ranges, picture by picture: which are the source's own bytes,
//! which were encoded anew and how well, and what is missing, repeated, late or broken.
//!
//! It knows nothing of who made the output, nor how. Both are decoded beside each other, the source from the
//! keyframe before each range on.
//!
//! ```no_run
//! use avrope::{Control, Media, Source, TimeRange, verify::Verify};
//!
//! # fn main() -> avrope::Result<()> {
//! let source = Media::open(Source::open("talk.mp4")?)?;
//! let clip = Media::open(Source::open("clip.mp4")?)?;
//! let found = Verify::new().keep(TimeRange::secs(31.0, 41.5)?).check(&source, &clip, &Control::new())?;
//! for fault in &found.faults {
//!     println!("{fault}");
//! }
//! assert!(found.holds);
//! # Ok(())
//! # }
//! ```
//!
//! # What belongs to a range
//!
//! The pictures that the source shows (its edit list applied) from the range's first instant up to its last, the
//! last not included; of the one that the range begins in, at least half has to be left, or 20 ms. They come behind
//! each other, range after range, at the times that they have in the source, moved so that each range follows the one
//! before it and the first begins at 0. Where the container has no edit list, the whole may begin later
//! ([`Pictures::late`]).

mod coded;
mod compare;
mod fault;
mod follow;
mod judge;
mod pictures;
mod result;
mod seeks;
mod shown;
mod spans;
mod window;

pub use fault::{Fault, FaultKind, SeekFault};
pub use result::{PictureSpan, PictureState, Pictures, Recoded, Verification};

use crate::{
    Control, Media, Result, TimeRange,
    av::{log, stream::StreamKind},
    time::Timestamp,
};
use pictures::{Asked, Pair};
use serde::{Deserialize, Serialize};
use std::{collections::HashSet, time::Duration};

/// What is asked of an output. Without ranges, all of the source.
///
/// ```
/// use avrope::{TimeRange, verify::Verify};
/// let asked = Verify::new().keep(TimeRange::secs(10.0, 20.0)?).keep(TimeRange::secs(40.0, 50.0)?).min_psnr(40.0);
/// # Ok::<(), avrope::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Verify {
    keep: Vec<TimeRange>,
    min_psnr: f64,
    #[serde(with = "crate::time::seconds_or_none")]
    tolerance: Option<Duration>,
    max_seeks: usize,
}

impl Default for Verify {
    fn default() -> Self {
        Self { keep: Vec::new(), min_psnr: 38.0, tolerance: None, max_seeks: 200 }
    }
}

impl Verify {
    /// All of the source; 38 dB of what was encoded anew; times to the tick.
    pub fn new() -> Self {
        Self::default()
    }

    /// The output is to have this range, behind those that were given before.
    #[must_use]
    pub fn keep(mut self, range: TimeRange) -> Self {
        self.keep.push(range);
        self
    }

    /// The least PSNR over all planes, in decibels, of a picture that was encoded anew. Without it 38.
    #[must_use]
    pub fn min_psnr(mut self, decibels: f64) -> Self {
        self.min_psnr = decibels;
        self
    }

    /// Times that are closer than this are the same. Without it they may be off by a tick of both files, and by 3 ms
    /// at the most.
    #[must_use]
    pub fn tolerance(mut self, tolerance: Duration) -> Self {
        self.tolerance = Some(tolerance);
        self
    }

    /// At how many keyframes of the output decoding is begun anew, evenly over all of them; 0 for none. Without it
    /// 200.
    #[must_use]
    pub fn max_seeks(mut self, keyframes: usize) -> Self {
        self.max_seeks = keyframes;
        self
    }

    /// Compares an output with its source.
    ///
    /// Errors: [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for ranges that are empty, reversed, negative
    /// or outside, and what reading and decoding fails with. That something is wrong with the output is no error but
    /// a [`Fault`].
    pub fn check(&self, source: &Media, output: &Media, control: &Control) -> Result<Verification> {
        log::ours(|| self.check_both(source, output, control))
    }

    fn check_both(&self, source: &Media, output: &Media, control: &Control) -> Result<Verification> {
        let ranges = if self.keep.is_empty() { &[TimeRange::ALL][..] } else { &self.keep };
        let placed = spans::place(ranges, source).map_err(|e| e.named(source.source().name()))?;
        let moving = |media: &Media| {
            media
                .streams()
                .iter()
                .position(|s| s.kind() == StreamKind::Video && !s.is_picture() && !s.is_hidden())
        };
        let mut found = Verification {
            holds: true,
            source: source.source().name().to_owned(),
            output: output.source().name().to_owned(),
            ranges: placed.iter().map(|placed| placed.range).collect(),
            pictures: None,
            faults: Vec::new(),
            more_faults: 0,
        };
        match (moving(source), moving(output)) {
            (Some(of_source), Some(of_output)) => {
                let pair = Pair { source: (source, of_source), output: (output, of_output) };
                let (told, faults, more) = self.compare(pair, &placed, control)?;
                found.pictures = Some(told);
                found.faults = faults;
                found.more_faults = more;
            }
            (Some(_), None) => {
                found.faults.push(Fault { kind: FaultKind::NoPictures, at: None, until: None, source: None });
            }
            (None, _) => {}
        }
        found.holds = found.faults.is_empty() && found.more_faults == 0;
        Ok(found)
    }

    fn compare(
        &self,
        pair: Pair<'_>,
        ranges: &[spans::Placed],
        control: &Control,
    ) -> Result<(Pictures, Vec<Fault>, u64)> {
        let tolerance = self.tolerance.map(Timestamp::from);
        let mut asked = Asked { psnr: self.min_psnr, tolerance, threads: 0 };
        let mut compared = pictures::compare(pair, ranges, asked, self.max_seeks, control)?;
        let mut lines = only_in(&compared.output.lines, &compared.source.lines);
        if !lines.is_empty() {
            // What libav's threads make of damage depends on which of them was faster.
            asked.threads = 1;
            compared = pictures::compare(pair, ranges, asked, self.max_seeks, control)?;
            lines = only_in(&compared.output.lines, &compared.source.lines);
        }
        let mut judge = compared.judge;
        let packets = compared.output.damaged.saturating_sub(compared.source.damaged);
        judge.warned(lines, packets);
        let (media, stream) = pair.output;
        let wrong = seeks::jump(media, stream, &compared.keys, control)
            .map_err(|e| e.in_stream(stream).named(media.source().name()))?;
        let tried = compared.keys.len() as u64;
        judge.told.keys_tried = tried;
        if let Some((at, shows)) = wrong.first() {
            let kind = FaultKind::Seek { keys: wrong.len() as u64, tried, shows: *shows };
            judge.add(kind, Some((*at, *at)), None);
        }
        Ok(judge.end())
    }
}

/// Lines of a log that are not in another one, each once, whatever numbers are in them.
fn only_in(lines: &[String], other: &[String]) -> Vec<String> {
    let kind =
        |line: &str| line.split(|c: char| c.is_ascii_digit()).filter(|s| !s.is_empty()).collect::<String>();
    let mut known: HashSet<String> = other.iter().map(|line| kind(line)).collect();
    lines.iter().filter(|line| known.insert(kind(line))).cloned().collect()
}
