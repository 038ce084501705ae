//! A picture over the pictures of a video.

use super::filter::{GraphLink, Link};
use crate::{Error, Frame, Result, TimeRange, Timestamp};
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

/// How a watermark lies over a video. The default: in the bottom right corner, 16 pixels from the edges, opaque, always.
///
/// ```
/// use avrope::{Overlay, Position, TimeRange};
/// let overlay = Overlay::new().position(Position::TopRight).margin(8).opacity(0.5).during(TimeRange::secs(1.0, 5.0)?);
/// # let _ = overlay;
/// # Ok::<(), avrope::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Overlay {
    position: Position,
    margin: u32,
    opacity: f64,
    during: TimeRange,
}

impl Default for Overlay {
    fn default() -> Self {
        Self { position: Position::default(), margin: 16, opacity: 1.0, during: TimeRange::ALL }
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

    /// When it is seen, on the result's clock.
    #[must_use]
    pub fn during(mut self, range: TimeRange) -> Self {
        self.during = range;
        self
    }

    pub(super) fn check(&self) -> Result<()> {
        if !(0.0..=1.0).contains(&self.opacity) {
            return Err(Error::invalid(format!("an opacity of {}: expected 0 to 1", self.opacity)));
        }
        if self.margin > 16_384 {
            return Err(Error::invalid(format!("a margin of {} pixels: expected up to 16384", self.margin)));
        }
        self.during.check()
    }

    /// The place in `overlay`'s words.
    fn place(&self) -> (String, String) {
        let margin = self.margin;
        let (left, top) = (margin.to_string(), margin.to_string());
        let (right, bottom) = (format!("W-w-{margin}"), format!("H-h-{margin}"));
        match self.position {
            Position::TopLeft => (left, top),
            Position::TopRight => (right, top),
            Position::BottomLeft => (left, bottom),
            Position::BottomRight => (right, bottom),
            Position::Center => ("(W-w)/2".into(), "(H-h)/2".into()),
            Position::At { x, y } => (x.to_string(), y.to_string()),
        }
    }
}

/// A picture and how it lies.
pub(super) type Watermark = (Frame, Overlay);

/// Pictures that end up over each other, in this order; None for none.
pub(super) fn link(watermarks: Vec<Watermark>) -> Option<Link> {
    if watermarks.is_empty() {
        return None;
    }
    let mut chains = vec!["[in0]null[over0]".to_owned()];
    let (mut under, mut pictures) = ("over0".to_owned(), Vec::new());
    for (i, (picture, overlay)) in watermarks.into_iter().enumerate() {
        let number = i.saturating_add(1);
        let (x, y) = overlay.place();
        let TimeRange { from, to } = overlay.during;
        let mut when = format!("gte(t\\,{:.6})", from.secs());
        if to != Timestamp::MAX {
            when += &format!("*lt(t\\,{:.6})", to.secs());
        }
        chains
            .push(format!("[in{number}]format=rgba,colorchannelmixer=aa={}[mark{number}]", overlay.opacity));
        // In the video's own kind of pixels: the filter's default is 4:2:0 of 8 bits.
        chains.push(format!(
            "[{under}][mark{number}]overlay=x={x}:y={y}:format=auto:eof_action=repeat:enable={when}[over{number}]"
        ));
        under = format!("over{number}");
        pictures.push(picture);
    }
    chains.push(format!("[{under}]null"));
    let mut link = GraphLink::new(chains.join(";"), Vec::new());
    link.pictures = pictures;
    Some(Link::Graph(Box::new(link)))
}
