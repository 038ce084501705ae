//! What may be wrong with an output, each fault by a name of its own.

use crate::{av::stream::StreamKind, time::Timestamp};
use serde::Serialize;

/// Something that is not as it should be, and where.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Fault {
    /// What it is.
    #[serde(flatten)]
    pub kind: FaultKind,
    /// Where it begins in the output; None for what is of the whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// Where it ends there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// What place in the source that is, or should be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Timestamp>,
}

/// The kinds of faults. In JSON `fault` has the name.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "fault", rename_all = "snake_case")]
#[non_exhaustive]
pub enum FaultKind {
    /// The source has pictures there, and the output has none.
    NoPictures,
    /// Pictures of the source are not there.
    Missing {
        /// How many.
        pictures: u64,
        /// How much earlier what follows comes for it; zero where a gap is left.
        by: Timestamp,
    },
    /// Pictures of the source that lie outside of the ranges are shown, or any where nothing more is due.
    Added {
        /// How many.
        pictures: u64,
        /// How much later what follows comes for it.
        by: Timestamp,
    },
    /// A picture is shown again, beside what is to be shown.
    Repeated {
        /// How often.
        pictures: u64,
        /// How much later what follows comes for it.
        by: Timestamp,
    },
    /// A picture is shown again in the place of those that follow it.
    Frozen {
        /// In the place of how many.
        pictures: u64,
        /// It is the first one of a range.
        head: bool,
    },
    /// Pictures are shown, but not when it is their turn.
    OutOfOrder {
        /// How many.
        pictures: u64,
    },
    /// Pictures are shown that are none of the source's near there.
    Foreign {
        /// How many.
        pictures: u64,
        /// In the place of as many of the source's.
        instead: bool,
    },
    /// All of a range is there, but so many pictures later in the source than asked for (less than 0: earlier).
    Shifted {
        /// By how many.
        pictures: i64,
    },
    /// Pictures differ more from the source's than allowed.
    Poor {
        /// How many.
        pictures: u64,
        /// The lowest PSNR among them over all planes, in decibels.
        psnr: f64,
        /// What is asked for.
        required: f64,
    },
    /// Pictures have the source's own bytes, but are decoded to something else: what they refer to is missing or
    /// another.
    Broken {
        /// How many.
        pictures: u64,
        /// The lowest PSNR among them over all planes, in decibels.
        psnr: f64,
    },
    /// The decoder finds damage that it does not find in the source.
    Damaged {
        /// Pictures in which it concealed errors.
        pictures: u64,
        /// Packets of which nothing came, beyond the source's.
        packets: u64,
        /// What it says of that.
        lines: Vec<String>,
    },
    /// The decoder warns of what it does not warn of in the source.
    Warned {
        /// What it says.
        lines: Vec<String>,
    },
    /// Pictures have another size, or another form of samples.
    Form {
        /// How many.
        pictures: u64,
        /// That of the source's.
        expected: String,
        /// That of the output's.
        found: String,
    },
    /// Pictures say otherwise what colours their samples mean.
    Colour {
        /// How many.
        pictures: u64,
        /// Range, primaries, transfer and space as the source has them.
        expected: String,
        /// As the output has them.
        found: String,
    },
    /// A player turns the pictures otherwise.
    Rotation {
        /// How it turns the source's.
        expected: String,
        /// How it turns the output's.
        found: String,
    },
    /// There are more or fewer tracks of a kind.
    Tracks {
        /// Of what.
        kind: StreamKind,
        /// How many the source has.
        expected: usize,
        /// How many the output has.
        found: usize,
    },
    /// Chapters are not those that the source has in the ranges.
    Chapters {
        /// How many the source has there.
        expected: u64,
        /// How many the output has.
        found: u64,
    },
    /// Lines of text are not those that the source shows in the ranges.
    Subtitles {
        /// The stream's number in the output.
        track: usize,
        /// How many the source shows.
        expected: u64,
        /// How many the output shows.
        found: u64,
    },
    /// The first picture does not come at the beginning.
    Late {
        /// How much later; less than 0: earlier.
        by: Timestamp,
    },
    /// A picture is shown longer than in the source, and all that follows is as much later.
    Gap {
        /// How much longer.
        by: Timestamp,
    },
    /// A picture is shown shorter than in the source, and all that follows is as much earlier.
    Hurried {
        /// How much shorter.
        by: Timestamp,
    },
    /// Several pictures come at other times than in the source.
    Times {
        /// How many.
        pictures: u64,
        /// The furthest that they are off.
        by: Timestamp,
    },
    /// A track of sound of the source has none in the output.
    NoSound {
        /// The stream's number in the source.
        track: usize,
    },
    /// Sound has another rate or other channels, and can't be compared.
    SoundForm {
        /// The stream's number in the output.
        track: usize,
        /// That of the source's.
        expected: String,
        /// That of the output's.
        found: String,
    },
    /// Sound and picture are apart; without pictures, sound is not at its time.
    SoundLate {
        /// The stream's number in the output.
        track: usize,
        /// The number of the range, from 0 on.
        range: usize,
        /// How much later than the picture it is; less than 0: earlier.
        by: Timestamp,
    },
    /// There is silence where the source has sound.
    SoundHole {
        /// The stream's number in the output.
        track: usize,
    },
    /// Sound clicks where a range follows another, as neither of the two does.
    SoundClick {
        /// The stream's number in the output.
        track: usize,
        /// The number of the range that begins there, from 0 on.
        range: usize,
        /// By how many decibels it is rougher than what lies around it.
        over: f64,
    },
    /// Sound is further from the source's than allowed.
    SoundPoor {
        /// The stream's number in the output.
        track: usize,
        /// The lowest SI-SDR of a second, in decibels; None where nothing is alike.
        si_sdr: Option<f64>,
        /// What is asked for.
        required: f64,
    },
    /// Sound is longer or shorter than in the source.
    SoundLength {
        /// The stream's number in the output.
        track: usize,
        /// How much longer; less than 0: shorter.
        by: Timestamp,
    },
    /// Decoding that begins at a keyframe of the output shows something else than decoding from the start.
    Seek {
        /// At how many keyframes that is so.
        keys: u64,
        /// How many were tried.
        tried: u64,
        /// What is shown at the first of them.
        shows: SeekFault,
    },
    /// The last picture is shown for another time.
    LastDuration {
        /// How long it is to be shown.
        expected: Timestamp,
        /// How long it is; None where nothing says it.
        found: Option<Timestamp>,
    },
}

/// What is shown after a jump to a keyframe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SeekFault {
    /// The container does not lead there.
    NotThere,
    /// Nothing.
    Nothing,
    /// Another picture than the keyframe's.
    Other,
    /// The keyframe, and another picture than the one behind it.
    Next,
}

impl FaultKind {
    /// The name that it has in JSON.
    pub fn name(&self) -> &'static str {
        match self {
            Self::NoPictures => "no_pictures",
            Self::Missing { .. } => "missing",
            Self::Added { .. } => "added",
            Self::Repeated { .. } => "repeated",
            Self::Frozen { .. } => "frozen",
            Self::OutOfOrder { .. } => "out_of_order",
            Self::Foreign { .. } => "foreign",
            Self::Shifted { .. } => "shifted",
            Self::Poor { .. } => "poor",
            Self::Broken { .. } => "broken",
            Self::Damaged { .. } => "damaged",
            Self::Warned { .. } => "warned",
            Self::Form { .. } => "form",
            Self::Colour { .. } => "colour",
            Self::Rotation { .. } => "rotation",
            Self::Tracks { .. } => "tracks",
            Self::Chapters { .. } => "chapters",
            Self::Subtitles { .. } => "subtitles",
            Self::Late { .. } => "late",
            Self::Gap { .. } => "gap",
            Self::Hurried { .. } => "hurried",
            Self::Times { .. } => "times",
            Self::NoSound { .. } => "no_sound",
            Self::SoundForm { .. } => "sound_form",
            Self::SoundLate { .. } => "sound_late",
            Self::SoundHole { .. } => "sound_hole",
            Self::SoundClick { .. } => "sound_click",
            Self::SoundPoor { .. } => "sound_poor",
            Self::SoundLength { .. } => "sound_length",
            Self::Seek { .. } => "seek",
            Self::LastDuration { .. } => "last_duration",
        }
    }
}
