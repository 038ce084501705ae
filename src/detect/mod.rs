//! Where scenes, black and silence are in a source: ranges for [`Cut::keep`](crate::Cut::keep),
//! [`TimeRange::without`] and [`Cut::parts`](crate::Cut::parts).
//!
//! ```no_run
//! use avrope::{Control, Cut, Media, Source, TimeRange, cut, detect::{Detect, Silence}};
//!
//! # fn main() -> avrope::Result<()> {
//! let (media, control) = (Media::open(Source::open("talk.mp4")?)?, Control::new());
//! let found = Detect::new().silence(Silence::default()).run(&media, &control)?;
//! let kept = TimeRange::without(&found.silence.unwrap_or_default(), media.duration())?;
//! let clip = cut(&media, &kept.into_iter().fold(Cut::new(), Cut::keep), &control)?;
//! # Ok(())
//! # }
//! ```
//!
//! All that is asked for is found in one pass: the first video that moves and the first sound are decoded, and nothing
//! is held but what is found. Times are of the presentation clock, 0 being the source's start, edit lists applied.
//!
//! A scene is found by libavfilter's `scdet`, black by its `blackdetect`, each at the time of its picture. Silence is
//! judged as `silencedetect` does, sample by sample (libavfilter before version 10 tells its times with six digits).

mod pictures;
mod settings;
mod sound;

pub use settings::{Black, Scenes, Silence};

use crate::{
    Control, Error, Media, Result, TimeRange, Timestamp, Transcode,
    av::stream::{Stream, StreamKind},
    job::Stage,
    transcode::flow::look::{Looked, look},
};
use pictures::Pictures;
use serde::{Deserialize, Serialize};
use sound::Sound;
use std::{
    sync::{PoisonError, atomic::Ordering},
    time::Instant,
};

/// More ranges of a kind than this are no help to anybody.
const MOST: usize = 1 << 20;

/// The last picture may not say how long it is shown.
const SHORT: Timestamp = Timestamp::from_nanos(500_000_000);

/// What is looked for. Nothing, as long as nothing is said.
///
/// ```
/// use avrope::detect::{Black, Detect, Scenes};
/// let asked = Detect::new().scenes(Scenes::default()).black(Black { pixel: 0.05, ..Black::default() });
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Detect {
    scenes: Option<Scenes>,
    black: Option<Black>,
    silence: Option<Silence>,
}

/// What was found, in the order of time. What was not looked for is None, and not in JSON.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Detected {
    /// The scenes: the first begins at 0, each other one where the one before it ends, and the last ends where the
    /// source does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scenes: Option<Vec<Scene>>,
    /// Where pictures are black. What is black at the last picture is so up to the source's end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub black: Option<Vec<TimeRange>>,
    /// Where nothing is heard: also in front of where sound begins, and behind its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub silence: Option<Vec<TimeRange>>,
    /// Packets that were damaged, and pictures and sound that came of such.
    pub decode_errors: u64,
    /// What was found wrong with the source.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// A scene.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Scene {
    /// When its first picture is shown.
    pub from: Timestamp,
    /// When the next one begins.
    pub to: Timestamp,
    /// How much its first picture differs from the one before it, from 0 to 100; None of the first scene.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub score: Option<f64>,
}

impl Detect {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Looks for scenes.
    #[must_use]
    pub fn scenes(mut self, scenes: Scenes) -> Self {
        self.scenes = Some(scenes);
        self
    }

    /// Looks for black.
    #[must_use]
    pub fn black(mut self, black: Black) -> Self {
        self.black = Some(black);
        self
    }

    /// Looks for silence.
    #[must_use]
    pub fn silence(mut self, silence: Silence) -> Self {
        self.silence = Some(silence);
        self
    }

    /// Without what a media has nothing for: scenes and black where no picture moves, silence where there is no sound.
    #[must_use]
    pub fn fitting(mut self, media: &Media) -> Self {
        if stream(media, StreamKind::Video).is_err() {
            (self.scenes, self.black) = (None, None);
        }
        if stream(media, StreamKind::Audio).is_err() {
            self.silence = None;
        }
        self
    }

    /// Looks through a media, which is decoded from its start to its end. Progress is told in [`Stage::Detect`].
    ///
    /// Errors: [`InvalidArgument`](crate::ErrorKind::InvalidArgument) where nothing is asked for, for a setting that is
    /// out of its range, and where the media has no picture that moves, or no sound, to find it in;
    /// [`Corrupt`](crate::ErrorKind::Corrupt) where nothing of it can be decoded;
    /// [`LimitExceeded`](crate::ErrorKind::LimitExceeded) for more than a million ranges of a kind, and what decoding
    /// fails with.
    pub fn run(&self, media: &Media, control: &Control) -> Result<Detected> {
        crate::av::log::ours(|| self.look(media, control)).map_err(|e| e.named(media.source().name()))
    }

    fn look(&self, media: &Media, control: &Control) -> Result<Detected> {
        self.check()?;
        let sees = self.scenes.is_some() || self.black.is_some();
        let video = sees.then(|| stream(media, StreamKind::Video)).transpose()?;
        let audio = self.silence.map(|_| stream(media, StreamKind::Audio)).transpose()?;
        let told = |is_first: bool| is_first.then(|| Told::new(media, control));
        let mut pictures = Pictures::new(self.scenes, self.black, told(video.is_some()));
        let mut sound = Sound::new(self.silence.unwrap_or_default(), told(video.is_none()));
        let mut looked = Vec::new();
        if let Some(stream) = video {
            looked.push(Looked { stream, filters: pictures.filters(), end: &mut pictures });
        }
        if let Some(stream) = audio {
            looked.push(Looked { stream, filters: sound.filters(), end: &mut sound });
        }
        let streams: Vec<usize> = looked.iter().map(|looked| looked.stream).collect();
        let settings = Transcode::new().bit_exact(true);
        let counters = look(media, &[(Timestamp::ZERO, Timestamp::MAX)], looked, &settings, control)?;
        let undecoded = counters.undecoded.lock().unwrap_or_else(PoisonError::into_inner).first().copied();
        if let Some(stream) = undecoded.and_then(|lane| streams.get(lane).copied()) {
            return Err(Error::corrupt("nothing of it could be decoded").in_stream(stream));
        }
        let end = end(media, &streams, pictures.end().max(sound.end()));
        Ok(Detected {
            scenes: self.scenes.map(|_| pictures.scenes(end)),
            black: self.black.map(|black| pictures.black(black, end)),
            silence: self.silence.map(|_| sound.silence(end)),
            decode_errors: counters.decode_errors.load(Ordering::Relaxed),
            warnings: counters.take_warnings(),
        })
    }
}

/// Where a source ends of which these streams were seen to this end.
fn end(media: &Media, seen: &[usize], until: Timestamp) -> Timestamp {
    let plays = |s: &Stream| {
        matches!(s.kind(), StreamKind::Video | StreamKind::Audio) && !s.is_picture() && !s.is_hidden()
    };
    let are_all = media.streams().iter().enumerate().all(|(i, s)| !plays(s) || seen.contains(&i));
    match media.length() {
        // Matroska's header has the last time, whatever the first one is.
        Some(stated) if !are_all || stated.minus(until) < SHORT => stated.max(until),
        _ => until,
    }
}

/// The first stream of a kind.
fn stream(media: &Media, kind: StreamKind) -> Result<usize> {
    let is_it = |s: &Stream| s.kind() == kind && !s.is_picture() && !s.is_hidden();
    media.streams().iter().position(is_it).ok_or_else(|| {
        Error::invalid(match kind {
            StreamKind::Audio => "it has no sound: there is nothing to find silence in",
            _ => "it has no pictures that move: there is nothing to find scenes or black in",
        })
    })
}

/// Tells the caller how far the work is.
struct Told {
    control: Control,
    total: u64,
    count: u64,
    every: u64,
    begun: Instant,
}

impl Told {
    fn new(media: &Media, control: &Control) -> Self {
        let total = media.length().map_or(0, nanos);
        Self { control: control.clone(), total, count: 0, every: 8, begun: Instant::now() }
    }

    fn tell(&mut self, time: Timestamp) -> Result<()> {
        self.count = self.count.saturating_add(1);
        if !self.count.is_multiple_of(self.every) {
            return Ok(());
        }
        let done = if self.total > 0 { nanos(time).min(self.total) } else { nanos(time) };
        self.control.report_since(Stage::Detect, done, self.total, self.begun)
    }
}

fn nanos(time: Timestamp) -> u64 {
    u64::try_from(time.nanos()).unwrap_or(0)
}

/// One range more.
fn push<T>(ranges: &mut Vec<T>, range: T) -> Result<()> {
    if ranges.len() >= MOST {
        let message = format!("more than {MOST} ranges were found");
        return Err(Error::new(crate::ErrorKind::LimitExceeded, message)
            .advise("raise the threshold, or the least duration"));
    }
    ranges.push(range);
    Ok(())
}
