//! What a comparison found.

use super::fault::Fault;
use crate::{TimeRange, time::Timestamp};
use serde::{Serialize, Serializer};

/// What an output is, compared with its source. As JSON it has the same names.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Verification {
    /// Whether all is as it should be: there are no faults.
    pub holds: bool,
    /// The source's name.
    pub source: String,
    /// The output's.
    pub output: String,
    /// The ranges that were asked for, as far as the source goes.
    pub ranges: Vec<TimeRange>,
    /// The pictures; None where neither has any.
    pub pictures: Option<Pictures>,
    /// The tracks of sound that both have, in the order of the source.
    pub sound: Vec<Sound>,
    /// What is wrong, in the order of the output.
    pub faults: Vec<Fault>,
    /// Faults beyond those that are listed.
    pub more_faults: u64,
    /// What is not as in the source and is no fault, since another container may have no place for it: lines of text,
    /// chapters, tracks of data.
    pub notes: Vec<Fault>,
}

/// What the pictures of an output are.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Pictures {
    /// How many the source shows in the ranges.
    pub expected: u64,
    /// How many the output shows.
    pub found: u64,
    /// Those that are the source's, byte for byte and sample for sample.
    pub copied: u64,
    /// Those that have the source's samples, but not its bytes.
    pub equal: u64,
    /// Those that were encoded anew.
    pub recoded: u64,
    /// The lowest PSNR of those over all planes, in decibels.
    #[serde(serialize_with = "decibels")]
    pub psnr_min: Option<f64>,
    /// The mean of their PSNR.
    #[serde(serialize_with = "decibels")]
    pub psnr_mean: Option<f64>,
    /// When the first one is shown, where the container need not begin at 0; all times below are as much later.
    pub late: Timestamp,
    /// Runs of pictures of one state, in the order of the output.
    pub spans: Vec<PictureSpan>,
    /// Each picture that was encoded anew.
    pub psnr: Vec<Recoded>,
    /// When keyframes of the source are shown in the ranges, on the output's clock.
    pub source_keys: Vec<Timestamp>,
    /// When keyframes of the output are shown.
    pub keys: Vec<Timestamp>,
    /// At how many of them decoding was begun anew, to see that it can.
    pub keys_tried: u64,
}

/// How a picture of the output came from the source's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PictureState {
    /// Its bytes and samples are the source's.
    Copied,
    /// Its samples are the source's, its bytes are others.
    Equal,
    /// Its samples are near the source's.
    Recoded,
    /// It is no picture of the source that should be there.
    Wrong,
}

/// Pictures behind each other that are of one state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PictureSpan {
    /// What they are.
    pub state: PictureState,
    /// The number of the first one in the output, from 0 on.
    pub first: u64,
    /// How many.
    pub pictures: u64,
    /// When the first is shown.
    pub from: Timestamp,
    /// When the last ends.
    pub until: Timestamp,
}

/// A picture that was encoded anew.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Recoded {
    /// When it is shown in the output.
    pub at: Timestamp,
    /// When the picture that it is of is shown in the source.
    pub source: Timestamp,
    /// The PSNR over all planes, in decibels.
    pub psnr: f64,
}

/// What a track of sound of an output is.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Sound {
    /// The stream's number in the source.
    pub source_stream: usize,
    /// The stream's number in the output.
    pub output_stream: usize,
    /// Samples a channel that the source has in the ranges.
    pub expected: u64,
    /// Samples a channel that the output has.
    pub found: u64,
    /// The lowest SI-SDR of a second that is not equal, in decibels.
    #[serde(serialize_with = "decibels")]
    pub si_sdr_min: Option<f64>,
    /// What is known of each range, in the order that they were asked for.
    pub ranges: Vec<SoundRange>,
    /// Where a range follows another.
    pub seams: Vec<SoundSeam>,
    /// What it is, second by second; those that follow each other and are equal, or silent, are one.
    pub spans: Vec<SoundSpan>,
}

/// The sound of a range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SoundRange {
    /// How much later than its pictures it is heard; less than 0: earlier. The median of its seconds, in JSON in
    /// milliseconds; None where it is too short to tell, or silent, or nothing of it is alike. Where there are no
    /// pictures, how much later than asked.
    #[serde(rename = "av_offset_ms", serialize_with = "millis")]
    pub av_offset: Option<Timestamp>,
}

/// The sound where a range follows another.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SoundSeam {
    /// Where that is in the output.
    pub at: Timestamp,
    /// By how many decibels it is rougher there (the power of its second difference in the roughest millisecond) than
    /// the source on both sides, and than the output a little away; None where nothing is heard that is rough.
    #[serde(rename = "click_db")]
    pub click: Option<f64>,
}

/// How sound of an output came from the source's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SoundState {
    /// Its samples are the source's (of floats and of more than 24 bits: their first 24).
    Equal,
    /// They are others.
    Near,
    /// There is none in the source, nor here.
    Silent,
}

/// A stretch of sound.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SoundSpan {
    /// What it is.
    pub state: SoundState,
    /// Where it begins in the output.
    pub from: Timestamp,
    /// Where it ends there.
    pub until: Timestamp,
    /// How much later than asked for it is heard.
    pub lag: Timestamp,
    /// How much of it is the source's sound, whatever its loudness, in decibels (SI-SDR); None where all of it is, or
    /// none.
    pub si_sdr: Option<f64>,
}

fn millis<S: Serializer>(value: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    value.map(|value| value.nanos() as f64 / 1e6).serialize(serializer)
}

/// JSON has no infinity.
fn decibels<S: Serializer>(value: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    value.filter(|value| value.is_finite()).serialize(serializer)
}
