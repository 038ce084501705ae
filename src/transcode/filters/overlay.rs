//! Where something lies over a picture, in the words of the filter `overlay`.

use crate::{
    av::frame::Shape,
    transcode::settings::overlay::{MOST_PIXELS, Overlay, Position},
};

impl Overlay {
    /// Pixels and lines of what has this shape when it is upright, over a video of that one; None for its
    /// own.
    pub(crate) fn size(&self, shape: &Shape, sideways: bool, video: &Shape) -> Option<(u32, u32)> {
        let part = |scale: f64| f64::from(video.width.max(1)) * scale;
        let wide = self.width.map(f64::from).or(self.scale.map(part))?.clamp(1.0, f64::from(MOST_PIXELS));
        let aspect =
            |(num, den): (i32, i32)| if num > 0 && den > 0 { f64::from(num) / f64::from(den) } else { 1.0 };
        let mut shown = f64::from(shape.width.max(1)) * aspect(shape.aspect) / f64::from(shape.height.max(1));
        if sideways {
            shown = shown.recip();
        }
        let high = (wide * aspect(video.aspect) / shown).clamp(1.0, f64::from(MOST_PIXELS));
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "both lie within the bounds"
        )]
        Some((wide.round() as u32, high.round() as u32))
    }

    /// The place in `overlay`'s words.
    pub(crate) fn place(&self) -> (String, String) {
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
