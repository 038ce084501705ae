//! How a player turns a picture, as the stream's display matrix says.

use super::Stream;
use ffmpeg_sys_next as ff;

/// A turn to an upright picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Turn {
    /// Counter-clockwise, -180 to 180.
    pub degrees: f64,
    /// Top and bottom change places before that.
    pub mirrored: bool,
}

impl Turn {
    /// Whether the sides change places.
    pub(crate) fn is_quarter(self) -> bool {
        (self.degrees.round() as i64).rem_euclid(180) == 90
    }

    pub(crate) fn in_words(self) -> String {
        format!("{}°{}", self.degrees, if self.mirrored { ", mirrored" } else { "" })
    }
}

pub(super) fn in_words(turn: Option<Turn>) -> String {
    turn.map_or_else(|| "none".into(), Turn::in_words)
}

impl Stream {
    /// What a player does to the picture, from the display matrix; None where it is upright already.
    pub(crate) fn turn(&self) -> Option<Turn> {
        let matrix = self.display_matrix()?;
        let degrees = self.rotation()?;
        let [a, b, _, c, d, ..] = matrix.map(i64::from);
        let mirrored = a.saturating_mul(d) < b.saturating_mul(c);
        (mirrored || degrees != 0.0).then_some(Turn { degrees, mirrored })
    }

    /// Degrees that a player turns the picture by, counter-clockwise, -180 to 180, from the display matrix.
    pub(crate) fn rotation(&self) -> Option<f64> {
        let matrix = self.display_matrix()?;
        // SAFETY: the function reads nine values, and there are nine.
        let angle = unsafe { ff::av_display_rotation_get(matrix.as_ptr()) };
        (!angle.is_nan()).then_some(angle)
    }

    fn display_matrix(&self) -> Option<[i32; 9]> {
        let bytes = self.side_data_of(ff::AVPacketSideDataType::AV_PKT_DATA_DISPLAYMATRIX)?;
        let mut values = [0; 9];
        for (value, bytes) in values.iter_mut().zip(bytes.chunks_exact(4)) {
            *value = i32::from_ne_bytes(bytes.try_into().ok()?);
        }
        (bytes.len() >= 36).then_some(values)
    }
}
