//! What is fuzzed: a function for each parser and operation. Each takes any bytes; what it may not do with
//! them is panic, give an error of kind Bug, take longer or hold more than it was allowed, or (under ASan)
//! touch memory that is not its own. Errors are fine.

mod media;
mod text;
// The command line's words are in its binary: they are compiled in here as they are.
#[allow(dead_code, reason = "the command line uses the rest")]
#[path = "../../src/bin/avrope/values.rs"]
mod values;

pub use media::{adts, cut, detect, join, open};
pub use text::{filters, settings, words};

/// A target: any bytes go in.
pub type Target = fn(&[u8]);

/// Every target by its name, with what its seeds are.
pub const TARGETS: [(&str, Target, Seeds); 11] = [
    ("mp4_tables", mp4_tables, Seeds::Mp4),
    ("moov", moov, Seeds::Moov),
    ("bitstream", bitstream, Seeds::Bitstream),
    ("open", open, Seeds::Media),
    ("cut", cut, Seeds::Media),
    ("detect", detect, Seeds::Media),
    ("join", join, Seeds::Media),
    ("adts", adts, Seeds::Adts),
    ("filters", filters, Seeds::Filters),
    ("settings", settings, Seeds::Settings),
    ("words", words, Seeds::Words),
];

/// What a target begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seeds {
    /// Whole MP4 files.
    Mp4,
    /// The index of MP4 files.
    Moov,
    /// A codec's number, its extradata and packets.
    Bitstream,
    /// Files of all containers.
    Media,
    /// AAC in ADTS.
    Adts,
    /// Text to be written on a picture, and colours.
    Filters,
    /// JSON.
    Settings,
    /// Times, ranges, rates, sizes.
    Words,
}

/// The walk over MP4's boxes, and the tables it reads.
pub fn mp4_tables(data: &[u8]) {
    fine(avrope::fuzz::mp4_tables(data));
}

/// `moov`, parsed and written with other edits: what is written can be parsed again, and is the same then.
/// (An error is of kind Bug here, because libav writes what is parsed.)
pub fn moov(data: &[u8]) {
    if let Ok(written) = avrope::fuzz::moov(data) {
        let again = avrope::fuzz::moov(&written).expect("what was written can be read");
        assert!(again == written, "it is written otherwise the second time");
    }
}

/// Headers of coded pictures, and parameter sets under other ids.
pub fn bitstream(data: &[u8]) {
    fine(avrope::fuzz::bitstream(data));
}

/// Any outcome but a bug of ours.
fn fine<T>(outcome: avrope::Result<T>) -> Option<T> {
    match outcome {
        Ok(value) => Some(value),
        Err(error) if error.kind() == avrope::ErrorKind::Bug => panic!("{error:?}"),
        Err(_) => None,
    }
}
