//! Codecs of which libav flags all packets as keys, whatever their container says.

use crate::bitstream::h263;

/// Tells whether decoding can begin at a packet; None where its bytes do not say.
pub(in crate::media) type Test = fn(&[u8]) -> Option<bool>;

/// What to ask for a codec (by libav's name) whose flags are not to be believed; None for all others.
pub(in crate::media) fn test_of(codec: &str) -> Option<Test> {
    match codec {
        "h263" | "h263p" | "h263i" => Some(h263::is_intra),
        "gif" => Some(gif),
        _ => None,
    }
}

/// Only the first picture has the header, with the size and the colours of all.
fn gif(bytes: &[u8]) -> Option<bool> {
    Some(bytes.starts_with(b"GIF8"))
}
