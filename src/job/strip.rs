//! What a result is not to tell of its source.

use serde::{Deserialize, Serialize};

/// What a result is not to tell of its source. Without it, what describes a source goes over, the place that a phone
/// or a camera wrote into it too.
///
/// Pictures, sound, chapters, languages and time codes stay. What codecs carry within their own data (a camera's name
/// in a sample description, SEI messages, text that is burnt in) is not looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Strip {
    /// All goes over.
    #[default]
    Nothing,
    /// Where it was recorded: tags that name a place, as Apple's, Android's and XMP's, makers' own boxes, of which
    /// nobody knows what they tell, and tracks of telemetry (GoPro's, Android's, Apple's), with a warning for each box
    /// and track.
    Location,
    /// All that describes it: titles, dates, makers, places, cover art, vendors' boxes, tracks of telemetry, and the
    /// names that programs gave to tracks.
    Metadata,
}

impl Strip {
    /// Whether a tag by this name goes over.
    pub(crate) fn keeps(self, tag: &str) -> bool {
        let tag = tag.to_ascii_lowercase();
        match self {
            Self::Nothing => true,
            Self::Location => !tells_place(tag.as_bytes()),
            Self::Metadata => matches!(tag.as_str(), "language" | "timecode" | "filename" | "mimetype"),
        }
    }

    /// The same of a chapter, which stays with its title.
    pub(crate) fn keeps_of_chapter(self, tag: &str) -> bool {
        tag.eq_ignore_ascii_case("title") || self.keeps(tag)
    }
}

/// Whether a tag's name, in lower case, is one of those for places, or for what may hold all (XMP).
pub(crate) fn tells_place(tag: &[u8]) -> bool {
    const WORDS: [&[u8]; 6] = [b"location", b"gps", b"geo", b"latitude", b"longitude", b"xmp"];
    WORDS.iter().any(|word| tag.windows(word.len()).any(|part| part == *word))
}
