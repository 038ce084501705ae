//! Filters with names and types: what most transcodes need, checked before anything runs.

use super::loudness::Loudness;
use crate::{Error, Result, TimeRange, Timestamp, av::device::require_filter};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A change to pictures. Filters are applied in the order in which they were given
/// ([`VideoSettings::apply`](super::VideoSettings::apply)), each to what the one before it makes. Their clock
/// is that of what is kept of the source, before a change of speed.
///
/// ```
/// use avrope::{Timestamp, transcode::{VideoFilter, VideoSettings}};
/// use std::time::Duration;
/// # fn main() -> avrope::Result<()> {
/// let video = VideoSettings::new()
///     .apply(VideoFilter::Crop { x: 0, y: 60, width: 1280, height: 600 })
///     .apply(VideoFilter::FadeIn { from: Timestamp::ZERO, duration: Duration::from_millis(500) });
/// # let _ = video;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum VideoFilter {
    /// Keeps a part of the picture. Sides and place are rounded down to what its pixel format can have (even
    /// numbers, mostly).
    Crop {
        /// Pixels that are cut off at the left.
        x: u32,
        /// Lines that are cut off at the top.
        y: u32,
        /// Pixels that stay.
        width: u32,
        /// Lines that stay.
        height: u32,
    },
    /// Puts the picture into the middle of a larger one.
    Pad {
        /// Pixels of the larger one.
        width: u32,
        /// Its lines.
        height: u32,
        /// Its colour: a name (`black`), or `#rrggbb`.
        color: String,
    },
    /// Turns the picture clockwise. By a quarter, sides change places; by an angle between, the size stays,
    /// and corners are cut off or black.
    Rotate {
        /// Degrees.
        degrees: f64,
    },
    /// Mirrors the picture.
    Flip {
        /// Left and right change places; else top and bottom.
        horizontal: bool,
    },
    /// From black.
    FadeIn {
        /// When it begins; all before it is black.
        from: Timestamp,
        /// How long it takes.
        #[serde(with = "crate::time::seconds")]
        duration: Duration,
    },
    /// To black.
    FadeOut {
        /// When it begins.
        from: Timestamp,
        /// How long it takes; all after it is black.
        #[serde(with = "crate::time::seconds")]
        duration: Duration,
    },
    /// Keeps what begins within a range, and closes up: what lay at its beginning lies at 0 then, and filters
    /// behind this one count from there. Sound that gets the same range ([`AudioFilter::Trim`]) stays in
    /// sync. Of a picture that begins before the range nothing is kept; the first one that is begins up to
    /// one picture's duration behind 0, if the range does not begin with one. Subtitles and chapters stay
    /// where they are: [`Transcode::keep`](super::Transcode::keep) moves them too.
    Trim(TimeRange),
    /// Writes on the picture. The text is shown as it is, whatever is in it; a newline begins a new line.
    /// Needs a libav that was built with freetype.
    Text {
        /// What to write.
        text: String,
        /// Pixels from the left.
        x: i32,
        /// Lines from the top.
        y: i32,
        /// The letters' size in pixels.
        size: u32,
        /// Their colour: a name (`white`), or `#rrggbb`; with `@0.5` behind it half of the picture shines
        /// through.
        color: String,
        /// A font's file, if there is a `/` or an ending (`.ttf`, `.otf`, `.ttc`) in it, else a family's
        /// name. Without one, fontconfig's usual font.
        font: Option<String>,
    },
    /// Filters in libavfilter's words, with one input and one output, as in
    /// [`VideoSettings::filter`](super::VideoSettings::filter). They are trusted.
    Graph(String),
}

/// A change to sound; order and clock are as for [`VideoFilter`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum AudioFilter {
    /// Louder or softer.
    Volume {
        /// Decibels; below 0 is softer.
        db: f64,
    },
    /// From silence.
    FadeIn {
        /// When it begins; all before it is silent.
        from: Timestamp,
        /// How long it takes.
        #[serde(with = "crate::time::seconds")]
        duration: Duration,
    },
    /// To silence.
    FadeOut {
        /// When it begins.
        from: Timestamp,
        /// How long it takes; all after it is silent.
        #[serde(with = "crate::time::seconds")]
        duration: Duration,
    },
    /// Keeps the samples of a range, and closes up: what was heard at its beginning is heard at 0 then, and
    /// filters behind this one count from there. Pictures that get the same range ([`VideoFilter::Trim`])
    /// stay in sync.
    Trim(TimeRange),
    /// Brings the sound to a loudness.
    Loudness(Loudness),
    /// Filters in libavfilter's words, with one input and one output, as in
    /// [`AudioSettings::filter`](super::AudioSettings::filter). They are trusted.
    Graph(String),
}

/// The largest side of a picture.
const MOST_PIXELS: u32 = 16_384;

impl VideoFilter {
    pub(crate) fn check(&self) -> Result<()> {
        match self {
            Self::Crop { width, height, .. } | Self::Pad { width, height, .. }
                if !(1..=MOST_PIXELS).contains(width) || !(1..=MOST_PIXELS).contains(height) =>
            {
                Err(Error::invalid(format!(
                    "a picture of {width}x{height}: expected 1 to {MOST_PIXELS} each"
                )))
            }
            Self::Crop { x, y, .. } if *x.max(y) > MOST_PIXELS => {
                Err(Error::invalid(format!("a crop at {x},{y}: expected up to {MOST_PIXELS} each")))
            }
            Self::Pad { color, .. } => check_color(color),
            Self::Rotate { degrees } if !degrees.is_finite() || degrees.abs() > 36_000.0 => {
                Err(Error::invalid(format!("a turn by {degrees} degrees: expected -36000 to 36000")))
            }
            Self::FadeIn { from, duration } | Self::FadeOut { from, duration } => {
                check_fade(*from, *duration)
            }
            Self::Trim(range) => range.check(),
            Self::Text { text, size, color, font, .. } => {
                if text.is_empty() || text.contains('\0') {
                    return Err(Error::invalid("a text to be written has one letter or more, and no byte 0"));
                }
                if !(1..=MOST_PIXELS).contains(size) {
                    return Err(Error::invalid(format!(
                        "letters of {size} pixels: expected 1 to {MOST_PIXELS}"
                    )));
                }
                if font.as_ref().is_some_and(|font| font.is_empty() || font.contains('\0')) {
                    return Err(Error::invalid("a font's name has one letter or more, and no byte 0"));
                }
                check_color(color)?;
                require_filter("drawtext").map_err(|e| e.advise("use a libav that was built with freetype"))
            }
            Self::Graph(text) => check_graph(text),
            _ => Ok(()),
        }
    }

    /// Whether it matters to it which side of the picture is up.
    pub(crate) fn knows_sides(&self) -> bool {
        !matches!(self, Self::FadeIn { .. } | Self::FadeOut { .. } | Self::Trim(_))
    }
}

impl AudioFilter {
    pub(crate) fn check(&self) -> Result<()> {
        match self {
            Self::Volume { db } if !(-200.0..=100.0).contains(db) => {
                Err(Error::invalid(format!("a volume of {db} dB: expected -200 to 100")))
            }
            Self::Volume { .. } => Ok(()),
            Self::FadeIn { from, duration } | Self::FadeOut { from, duration } => {
                check_fade(*from, *duration)
            }
            Self::Trim(range) => range.check(),
            Self::Loudness(loudness) => loudness.check(),
            Self::Graph(text) => check_graph(text),
        }
    }
}

pub(crate) fn check_all(video: &[VideoFilter], audio: &[AudioFilter]) -> Result<()> {
    video.iter().try_for_each(VideoFilter::check)?;
    audio.iter().try_for_each(AudioFilter::check)?;
    if audio.iter().filter(|filter| matches!(filter, AudioFilter::Loudness(_))).count() > 1 {
        return Err(Error::invalid("the sound is to have two loudnesses").advise("give one of them"));
    }
    Ok(())
}

fn check_graph(text: &str) -> Result<()> {
    if text.trim().is_empty() {
        return Err(Error::invalid("a filter graph without a filter"));
    }
    Ok(())
}

fn check_color(color: &str) -> Result<()> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '#' | '@' | '.');
    if color.is_empty() || !color.chars().all(fits) {
        return Err(Error::invalid(format!("'{color}' is no colour"))
            .advise("give a name such as white, or #rrggbb; with @0.5 behind it, it is half transparent"));
    }
    Ok(())
}

fn check_fade(from: Timestamp, duration: Duration) -> Result<()> {
    // libav takes a duration of 0 for its own default.
    if from < Timestamp::ZERO || from == Timestamp::MAX || duration < Duration::from_micros(1) {
        return Err(Error::invalid(format!("a fade from {from} on for {}", Timestamp::from(duration)))
            .advise("it begins at 0 or later, and takes some time"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_make_no_sense_are_errors() {
        let (zero, second) = (Timestamp::ZERO, Duration::from_secs(1));
        let before = Timestamp::from_nanos(-1);
        let color = || "black".to_owned();
        let text = |text: &str, size, color: &str, font: Option<&str>| VideoFilter::Text {
            text: text.into(),
            x: 0,
            y: 0,
            size,
            color: color.into(),
            font: font.map(str::to_owned),
        };
        for wrong in [
            VideoFilter::Crop { x: 0, y: 0, width: 0, height: 4 },
            VideoFilter::Crop { x: u32::MAX, y: 0, width: 4, height: 4 },
            VideoFilter::Pad { width: 4, height: 20_000, color: color() },
            VideoFilter::Pad { width: 4, height: 4, color: "black,movie=x".into() },
            VideoFilter::Rotate { degrees: f64::NAN },
            VideoFilter::Rotate { degrees: f64::INFINITY },
            VideoFilter::FadeIn { from: before, duration: second },
            VideoFilter::FadeOut { from: Timestamp::MAX, duration: second },
            VideoFilter::FadeOut { from: zero, duration: Duration::ZERO },
            text("", 10, "white", None),
            text("a\0b", 10, "white", None),
            text("a", 0, "white", None),
            text("a", 10, "", None),
            text("a", 10, "white", Some("")),
            VideoFilter::Graph(" ".into()),
            VideoFilter::Trim(TimeRange { from: second.into(), to: zero }),
            VideoFilter::Trim(TimeRange { from: before, to: second.into() }),
        ] {
            assert!(wrong.check().is_err(), "{wrong:?}");
        }
        for wrong in [
            AudioFilter::Volume { db: f64::NAN },
            AudioFilter::Volume { db: 1e9 },
            AudioFilter::FadeIn { from: before, duration: second },
            AudioFilter::Loudness(Loudness::new(f64::NAN)),
            AudioFilter::Loudness(Loudness::new(0.0)),
            AudioFilter::Loudness(Loudness::default().true_peak(3.0)),
            AudioFilter::Loudness(Loudness::default().range(0.0)),
            AudioFilter::Graph(String::new()),
            AudioFilter::Trim(TimeRange { from: second.into(), to: second.into() }),
        ] {
            assert!(wrong.check().is_err(), "{wrong:?}");
        }
        let twice = [(); 2].map(|()| AudioFilter::Loudness(Loudness::default()));
        assert!(check_all(&[], &twice).is_err());
        assert!(check_all(&[VideoFilter::Rotate { degrees: -90.0 }], &twice[..1]).is_ok());
    }
}
