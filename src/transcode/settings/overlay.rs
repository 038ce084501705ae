//! Pictures over the pictures of a video.

use crate::{Error, Frame, Media, Result, Source, TimeRange};
use serde::{Deserialize, Serialize};

/// Where something lies on a picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Position {
    /// In the top left corner.
    TopLeft,
    /// In the top right corner.
    TopRight,
    /// In the bottom left corner.
    BottomLeft,
    /// In the bottom right corner.
    #[default]
    BottomRight,
    /// In the middle; a margin does not count.
    Center,
    /// Its top left corner is here; a margin does not count.
    At {
        /// Pixels from the left.
        x: i32,
        /// Lines from the top.
        y: i32,
    },
}

/// What becomes of a watermark that moves when its source ends within the time that it is to be seen in. A
/// still picture stays, whatever is said here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum AtEnd {
    /// It is not seen any more.
    Hide,
    /// Its last picture stays, as with ffmpeg's `overlay` (`eof_action=repeat`): a logo that has moved into
    /// its place lies there.
    #[default]
    Hold,
    /// It begins anew where its last picture ends. The source has to be one that can be read again.
    Repeat,
}

/// How a watermark lies over a video. The default: in the bottom right corner, 16 pixels from the edges, in
/// its own size, opaque, always; if it moves, its last picture stays when it ends.
///
/// ```
/// use avrope::{TimeRange, transcode::{AtEnd, Overlay, Position}};
/// let overlay = Overlay::new().position(Position::TopRight).margin(8).opacity(0.5).during(TimeRange::secs(1.0, 5.0)?);
/// let small = Overlay::new().scale(0.25).at_end(AtEnd::Repeat);
/// # let _ = (overlay, small);
/// # Ok::<(), avrope::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Overlay {
    pub(crate) position: Position,
    pub(crate) margin: u32,
    opacity: f64,
    during: TimeRange,
    pub(crate) width: Option<u32>,
    pub(crate) scale: Option<f64>,
    at_end: AtEnd,
}

impl Default for Overlay {
    fn default() -> Self {
        Self {
            position: Position::default(),
            margin: 16,
            opacity: 1.0,
            during: TimeRange::ALL,
            width: None,
            scale: None,
            at_end: AtEnd::default(),
        }
    }
}

impl Overlay {
    /// The default.
    pub fn new() -> Self {
        Self::default()
    }

    /// Where it lies.
    #[must_use]
    pub fn position(mut self, position: Position) -> Self {
        self.position = position;
        self
    }

    /// Pixels between a corner's edges and it.
    #[must_use]
    pub fn margin(mut self, pixels: u32) -> Self {
        self.margin = pixels;
        self
    }

    /// From 0, which is not seen, to 1; the picture's own transparency counts as well.
    #[must_use]
    pub fn opacity(mut self, opacity: f64) -> Self {
        self.opacity = opacity;
        self
    }

    /// When it is seen, on the result's clock. One that moves begins with its first picture when the range
    /// begins.
    #[must_use]
    pub fn during(mut self, range: TimeRange) -> Self {
        self.during = range;
        self
    }

    /// It is made so wide, in pixels of the video, 1 to 16384; its shape stays. Takes the place of
    /// [`scale`](Self::scale).
    #[must_use]
    pub fn width(mut self, pixels: u32) -> Self {
        (self.width, self.scale) = (Some(pixels), None);
        self
    }

    /// It is made as wide as this part of the video's width, above 0 and up to 1; its shape stays. Takes the
    /// place of [`width`](Self::width).
    #[must_use]
    pub fn scale(mut self, of_width: f64) -> Self {
        (self.width, self.scale) = (None, Some(of_width));
        self
    }

    /// What becomes of it when its source ends.
    #[must_use]
    pub fn at_end(mut self, at_end: AtEnd) -> Self {
        self.at_end = at_end;
        self
    }

    pub(crate) fn end(&self) -> AtEnd {
        self.at_end
    }

    pub(crate) fn alpha(&self) -> f64 {
        self.opacity
    }

    pub(crate) fn range(&self) -> TimeRange {
        self.during
    }

    pub(crate) fn check(&self) -> Result<()> {
        if !(0.0..=1.0).contains(&self.opacity) {
            return Err(Error::invalid(format!("an opacity of {}: expected 0 to 1", self.opacity)));
        }
        if self.margin > MOST_PIXELS {
            return Err(Error::invalid(format!(
                "a margin of {} pixels: expected up to {MOST_PIXELS}",
                self.margin
            )));
        }
        if let Some(width) = self.width.filter(|width| !(1..=MOST_PIXELS).contains(width)) {
            return Err(Error::invalid(format!("a width of {width} pixels: expected 1 to {MOST_PIXELS}")));
        }
        if let Some(scale) = self.scale.filter(|scale| !(*scale > 0.0 && *scale <= 1.0)) {
            return Err(Error::invalid(format!("a scale of {scale}: expected above 0, up to 1")));
        }
        if self.width.is_some() && self.scale.is_some() {
            return Err(Error::invalid("a watermark has a width and a scale").advise("give one of them"));
        }
        self.during.check()
    }
}

/// The largest side of a picture, and the widest margin.
pub(crate) const MOST_PIXELS: u32 = 16_384;

/// What a watermark is made of: a picture, or pictures that move.
///
/// Made from a [`Frame`] (a still picture), from a [`Media`] whose first video stream is shown, or from a
/// [`Source`], which is a still picture (PNG, JPEG, WebP, BMP), a GIF or an APNG, or media with a video
/// stream; that is opened when the job runs.
pub struct Watermark<'a>(Kind<'a>);

enum Kind<'a> {
    Picture(&'a Frame),
    Media(Media),
    Source(Source),
}

impl std::fmt::Debug for Watermark<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Kind::Picture(picture) => f.debug_tuple("Watermark").field(picture).finish(),
            Kind::Media(media) => f.debug_tuple("Watermark").field(media).finish(),
            Kind::Source(source) => f.debug_tuple("Watermark").field(source).finish(),
        }
    }
}

impl<'a> From<&'a Frame> for Watermark<'a> {
    fn from(picture: &'a Frame) -> Self {
        Self(Kind::Picture(picture))
    }
}

impl From<&Media> for Watermark<'_> {
    fn from(media: &Media) -> Self {
        Self(Kind::Media(media.clone()))
    }
}

impl From<Source> for Watermark<'_> {
    fn from(source: Source) -> Self {
        Self(Kind::Source(source))
    }
}

/// What was given, and how it lies: opened when the job runs.
pub(crate) struct Given {
    pub what: What,
    pub overlay: Overlay,
}

pub(crate) enum What {
    Picture(Frame),
    Media(Media),
    Source(Source),
}

impl Given {
    pub(crate) fn new(watermark: Watermark<'_>, overlay: Overlay) -> Result<Self> {
        overlay.check()?;
        let what = match watermark.0 {
            Kind::Picture(picture) => {
                if picture.width() == 0 || picture.is_on_device() {
                    return Err(Error::invalid("a watermark is a picture in memory"));
                }
                What::Picture(picture.try_clone()?)
            }
            Kind::Media(media) => What::Media(media),
            Kind::Source(source) => What::Source(source),
        };
        Ok(Self { what, overlay })
    }

    /// Where it comes from, if that is not memory.
    pub(crate) fn source(&self) -> Option<&Source> {
        match &self.what {
            What::Picture(_) => None,
            What::Media(media) => Some(media.source()),
            What::Source(source) => Some(source),
        }
    }
}
