//! Filters for pictures in libavfilter's words.

use super::{fade, trim};
use crate::{
    av::stream::Turn,
    transcode::settings::{Fit, VideoFilter},
};

impl VideoFilter {
    /// In libavfilter's words.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Crop { x, y, width, height } => format!("crop={width}:{height}:{x}:{y}"),
            Self::Pad { width, height, color } => {
                format!("pad={width}:{height}:(ow-iw)/2:(oh-ih)/2:{}", escape(color))
            }
            Self::Rotate { degrees } => rotate(*degrees),
            Self::Flip { horizontal } => if *horizontal { "hflip" } else { "vflip" }.into(),
            Self::FadeIn { from, duration } => fade("fade", "in", *from, *duration),
            Self::FadeOut { from, duration } => fade("fade", "out", *from, *duration),
            Self::Trim(range) => trim("", *range),
            Self::Text { text, x, y, size, color, font } => {
                let mut words = format!(
                    "drawtext=expansion=none:text={}:x={x}:y={y}:fontsize={size}:fontcolor={}",
                    escape(text),
                    escape(color)
                );
                if let Some(font) = font {
                    let ending = font.rsplit_once('.').map(|(_, end)| end.to_ascii_lowercase());
                    let is_file =
                        font.contains('/') || matches!(ending.as_deref(), Some("ttf" | "otf" | "ttc"));
                    words += if is_file { ":fontfile=" } else { ":font=" };
                    words += &escape(font);
                }
                words
            }
            Self::Graph(text) => text.clone(),
        }
    }
}

/// What makes a picture upright, as ffmpeg does where it turns by itself (`autorotate`).
pub(crate) fn upright(Turn { degrees, mirrored }: Turn) -> Vec<String> {
    let filters: &[&str] = match (degrees.round() as i64, mirrored) {
        (90, false) => &["transpose=cclock"],
        (-90 | 270, false) => &["transpose=clock"],
        (180 | -180, false) => &["hflip", "vflip"],
        (0, false) => &[],
        (90, true) => &["transpose=clock_flip"],
        (-90 | 270, true) => &["transpose=cclock_flip"],
        (180 | -180, true) => &["hflip"],
        (0, true) => &["vflip"],
        (other, _) => {
            let mirror = mirrored.then(|| "vflip".to_owned());
            let turn = format!("rotate={}*PI/180", other.saturating_neg());
            return mirror.into_iter().chain([turn]).collect();
        }
    };
    filters.iter().map(|filter| (*filter).to_owned()).collect()
}

/// What makes of an upright picture one that a player has to turn so.
pub(crate) fn turned_back(Turn { degrees, mirrored }: Turn) -> Vec<String> {
    let back = if mirrored { degrees } else { -degrees };
    upright(Turn { degrees: back, mirrored })
}

pub(crate) fn scale(w: u32, h: u32, fit: Fit) -> String {
    // A side that follows from the other is even.
    let side = |pixels: u32| if pixels == 0 { "-2".to_owned() } else { pixels.to_string() };
    let both = w > 0 && h > 0;
    match fit {
        Fit::Inside if both => {
            format!("scale={w}:{h}:force_original_aspect_ratio=decrease:force_divisible_by=2")
        }
        Fit::Pad if both => format!(
            "scale={w}:{h}:force_original_aspect_ratio=decrease:force_divisible_by=2,\
             pad={w}:{h}:(ow-iw)/2:(oh-ih)/2,setsar=1"
        ),
        Fit::Crop if both => {
            format!(
                "scale={w}:{h}:force_original_aspect_ratio=increase:force_divisible_by=2,crop={w}:{h},setsar=1"
            )
        }
        _ => format!("scale={}:{}", side(w), side(h)),
    }
}

/// Clockwise.
fn rotate(degrees: f64) -> String {
    let turn = degrees.rem_euclid(360.0);
    match turn {
        0.0 => "null".into(),
        90.0 => "transpose=clock".into(),
        180.0 => "hflip,vflip".into(),
        270.0 => "transpose=cclock".into(),
        _ => format!("rotate={turn}*PI/180"),
    }
}

/// A value of an option, so that neither the parser of graphs nor that of options takes anything in it for
/// its own: each takes a backslash, and the character behind it as it is.
fn escape(value: &str) -> String {
    let once = |text: &str| {
        let mut escaped = String::new();
        for c in text.chars() {
            if c.is_ascii() && !c.is_ascii_alphanumeric() {
                escaped.push('\\');
            }
            escaped.push(c);
        }
        escaped
    };
    once(&once(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_escaped_for_both_parsers() {
        assert_eq!(escape("a:b"), "a\\\\\\:b");
        assert_eq!(escape("plain42ä漢"), "plain42ä漢");
        let ends = ["'", "\\", " ", "\n", "%{pts}"].map(escape);
        assert!(ends.iter().all(|text| text.starts_with('\\')), "{ends:?}");
    }

    #[test]
    fn quarter_turns_are_exact() {
        let texts = [-90.0, 450.0, 180.0, 0.0, 45.0].map(|degrees| VideoFilter::Rotate { degrees }.text());
        let wanted = ["transpose=cclock", "transpose=clock", "hflip,vflip", "null", "rotate=45*PI/180"];
        assert_eq!(texts, wanted);
    }
}
