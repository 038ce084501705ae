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
//! What is in memory does not grow with the length of the media but by some 25 bytes for each picture that was encoded
//! anew; where pictures are looked for that are not where they should be, up to 64 of each file are held, or
//! 256 MiB of them.
//!
//! # What belongs to a range
//!
//! The pictures that the source shows (its edit list applied) from the range's first instant up to its last, the
//! last not included; of the one that the range begins in, at least half has to be left, or 20 ms. They come behind
//! each other, range after range, at the times that they have in the source, moved so that each range follows the one
//! before it and the first begins at 0. Where the container has no edit list, the whole may begin later
//! ([`Pictures::late`]).
//!
//! # What sound may be off
//!
//! The sound of each range is held against the pictures of that range, so what it is off can't add up.
//!
//! | | the first range | each other one | length |
//! |---|---|---|---|
//! | PCM and FLAC | 1 ms | 1 ms | 1 ms |
//! | others in MP4 and MOV | 1 ms | half a frame of sound | 1 ms; of several ranges half a frame |
//! | others elsewhere | 1 ms (AVI: half a frame) | half a frame of sound | 90 ms |
//!
//! Where ticks of sound are longer than a quarter of a millisecond, 1 ms is two of each file's, 3 ms at the most.
//! Samples of PCM and FLAC can be cut anywhere, and an edit list cuts one range to the sample; what is copied in
//! frames, such as AAC and MP3, comes at frames of the output behind a seam, and half of one (10.7 ms of AAC at 48 kHz)
//! is as near as that can be. [`Verify::max_lag`] asks for the same in all of them.
//!
//! # What a click is
//!
//! Two pieces of sound that are put behind each other to the sample step where they meet: that is what was asked for,
//! and PCM and FLAC have to have it. So has what encodes them so. It is a fault ([`FaultKind::SoundClick`]) where
//! the output steps more than the source's own samples put behind each other, and more than anything on both sides
//! does; where the sound behind the seam is not at its sample, it could have been faded from one to the other, and any
//! such step is one. By how much each seam is rougher than what is around it is told in any case
//! ([`SoundSeam::click`]).

mod beside;
mod borders;
mod coded;
mod compare;
mod described;
mod fault;
mod follow;
mod judge;
mod lateness;
mod outputs;
mod phrases;
mod pictures;
mod result;
mod seeks;
mod shown;
mod sound;
mod spans;
mod tell;
mod window;

pub(crate) use compare::{difference, psnr, samples};
pub use fault::{Fault, FaultKind, SeekFault};
pub use result::{
    PictureSpan, PictureState, Pictures, Recoded, Sound, SoundRange, SoundSeam, SoundSpan, SoundState,
    Verification,
};

use crate::{
    Control, Error, Media, Result, TimeRange,
    av::{log, stream::StreamKind},
    time::Timestamp,
};
use judge::Judged;
use lateness::Lateness;
use pictures::{Asked, Pair};
use serde::{Deserialize, Serialize};
use std::{collections::HashSet, time::Duration};
use tell::Tell;

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
    min_si_sdr: f64,
    #[serde(with = "crate::time::seconds_or_none")]
    max_lag: Option<Duration>,
}

impl Default for Verify {
    fn default() -> Self {
        Self {
            keep: Vec::new(),
            min_psnr: 38.0,
            tolerance: None,
            max_seeks: 200,
            min_si_sdr: 6.0,
            max_lag: None,
        }
    }
}

/// The first stream of pictures that move.
fn moving(media: &Media) -> Option<usize> {
    let moves =
        |s: &crate::av::stream::Stream| s.kind() == StreamKind::Video && !s.is_picture() && !s.is_hidden();
    media.streams().iter().position(moves)
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

    /// Times that are closer than this are the same. Without it they may be off by two ticks of both files, and by
    /// 3 ms at the most.
    #[must_use]
    pub fn tolerance(mut self, tolerance: Duration) -> Self {
        self.tolerance = Some(tolerance);
        self
    }

    /// The least SI-SDR of a second of sound that was encoded anew, in decibels: how much of it is the source's,
    /// whatever its loudness. Without it 6, which is for finding what is broken: codecs of sound keep what is heard,
    /// and not its samples.
    #[must_use]
    pub fn min_si_sdr(mut self, decibels: f64) -> Self {
        self.min_si_sdr = decibels;
        self
    }

    /// How much sound and picture may be apart, in every range, and how much longer or shorter sound may be where it
    /// can be cut at any sample: PCM and FLAC, and all in MP4 and MOV. Without it as above: [what sound may be
    /// off](self#what-sound-may-be-off).
    #[must_use]
    pub fn max_lag(mut self, lag: Duration) -> Self {
        self.max_lag = Some(lag);
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
        log::ours(|| {
            let asked = if self.keep.is_empty() { vec![TimeRange::ALL] } else { self.keep.clone() };
            let found = self.check_ranges(&asked, source, output, control)?;
            let Some(stream) = moving(source).filter(|_| !found.holds) else { return Ok(found) };
            let moved = borders::moved(&asked, source, stream, control)?;
            if moved == asked || moved.is_empty() {
                return Ok(found);
            }
            let other = self.check_ranges(&moved, source, output, control)?;
            let faults = |of: &Verification| (of.faults.len() as u64).saturating_add(of.more_faults);
            if !other.holds && faults(&other) >= faults(&found) {
                return Ok(found);
            }
            Ok(other)
        })
    }

    fn check_ranges(
        &self,
        ranges: &[TimeRange],
        source: &Media,
        output: &Media,
        control: &Control,
    ) -> Result<Verification> {
        let placed = spans::place(ranges, source).map_err(|e| e.named(source.source().name()))?;
        let mut found = Verification {
            holds: true,
            source: source.source().name().to_owned(),
            output: output.source().name().to_owned(),
            ranges: placed.iter().map(|placed| placed.range).collect(),
            pictures: None,
            sound: Vec::new(),
            faults: Vec::new(),
            more_faults: 0,
            notes: Vec::new(),
        };
        let whole = |kind| Fault { kind, at: None, until: None, source: None };
        let (tracks, missing) = described::tracks(source, output, StreamKind::Audio);
        found.faults.extend(missing.into_iter().map(|track| whole(FaultKind::NoSound { track })));
        let tell = Tell::new(&placed, source);
        let described = described::compare(source, output, &placed, control)?;
        found.faults.extend(described.faults);
        found.notes = described.notes;
        // Sound is compared beside the pictures; what fails first ends both. Where there are none, it tells how far it
        // is.
        let telling = moving(output).is_none().then_some(&tell);
        let sounds = || -> Result<Vec<sound::Compared>> {
            let compare = |(a, b): &(usize, usize)| {
                sound::compare((source, *a), (output, *b), &placed, telling, control)
            };
            log::ours(|| tracks.iter().map(compare).collect())
        };
        let mut lateness = Lateness::default();
        let compared = std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().name("avrope sounds".into());
            let sounds =
                thread.spawn_scoped(scope, sounds).map_err(|e| Error::no_thread("comparing sound", e))?;
            match (moving(source), moving(output)) {
                (Some(of_source), Some(of_output)) => {
                    let pair = Pair { source: (source, of_source), output: (output, of_output) };
                    found.faults.extend(described::turns(pair.source, pair.output));
                    let judged = self.compare(pair, &placed, &tell, control)?;
                    found.pictures = Some(judged.told);
                    found.faults.extend(judged.faults);
                    found.more_faults = judged.more;
                    lateness = judged.lateness;
                }
                (Some(_), None) => found.faults.push(whole(FaultKind::NoPictures)),
                (None, _) => {}
            }
            sounds.join().unwrap_or_else(|panic| Err(Error::panicked("comparing sound", panic)))
        })?;
        let asked = sound::Asked { si_sdr: self.min_si_sdr, lag: self.max_lag.map(Timestamp::from) };
        for compared in compared {
            found.sound.push(compared.judge(&lateness, asked, (source, output), &mut found.faults));
        }
        tell.end(control)?;
        found.faults.sort_by_key(|fault| fault.at.unwrap_or(Timestamp::MAX));
        let listed = found.faults.len();
        found.faults.truncate(judge::MOST);
        found.more_faults = found.more_faults.saturating_add(listed.saturating_sub(judge::MOST) as u64);
        found.holds = found.faults.is_empty() && found.more_faults == 0;
        Ok(found)
    }

    fn compare(
        &self,
        pair: Pair<'_>,
        ranges: &[spans::Placed],
        tell: &Tell,
        control: &Control,
    ) -> Result<Judged> {
        let tolerance = self.tolerance.map(Timestamp::from);
        let mut asked = Asked { psnr: self.min_psnr, tolerance, threads: 0 };
        let keys = if seeks::can_jump(pair.output.0) { self.max_seeks } else { 0 };
        let mut compared = pictures::compare(pair, ranges, asked, keys, tell, control)?;
        let mut lines = only_in(&compared.output.lines, &compared.source.lines);
        if !lines.is_empty() {
            // What libav's threads make of damage depends on which of them was faster.
            asked.threads = 1;
            compared = pictures::compare(pair, ranges, asked, keys, tell, control)?;
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
