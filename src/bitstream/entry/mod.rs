//! How a copy may begin at a picture, read from its bytes: what containers flag as keys is too much, or nothing.

mod h264;
mod hevc;

use h264::H264;
use hevc::Hevc;

/// How a copy may begin at a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// Nothing in front of it is needed by it nor by anything behind it, wherever it stands, but for what is told as
    /// [`Leading::Skipped`] (HEVC's BLA).
    Anywhere,
    /// As `Anywhere`, but pictures behind it that are shown before it lack what they refer to, and must be left
    /// out. HEVC's (CRA) stand behind the end of a sequence then.
    WithoutLeading,
    /// As `WithoutLeading`, but only as the very first picture of an output: it begins no sequence, so that what
    /// stands before it goes on counting frames.
    First,
}

/// Whether a picture that follows an entry is shown before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Leading {
    /// It is not, or its bytes don't say (H.264: by times).
    #[default]
    No,
    /// It refers to what is in front of the entry (RASL; B-pictures of an open GOP).
    Skipped,
    /// It does not (RADL; B-pictures of a closed GOP).
    Decodable,
}

/// What a packet says of its picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Picture {
    pub(crate) entry: Option<Entry>,
    pub(crate) leading: Leading,
    /// Others may refer to it.
    pub(crate) is_reference: bool,
    /// It refers to no other, whether decoding may begin there or not.
    pub(crate) is_intra: bool,
    /// The second field of a picture whose first one was the packet before.
    pub(crate) is_second_field: bool,
    /// The packet has parameter sets, or headers of the sequence.
    pub(crate) has_headers: bool,
}

/// Reads the packets of one stream, in the order of decoding.
#[derive(Clone, Debug)]
pub(crate) struct Reading(Codec);

#[derive(Clone, Debug)]
enum Codec {
    H264(H264),
    Hevc(Hevc),
}

impl Reading {
    /// None for codecs (by libav's name) of which nothing is known here.
    pub(crate) fn of(codec: &str, extradata: &[u8]) -> Option<Self> {
        Some(Self(match codec {
            "h264" => Codec::H264(H264::of(extradata)),
            "hevc" => Codec::Hevc(Hevc::of(extradata)),
            _ => return None,
        }))
    }

    /// What the next packet says. One that says nothing has no entry.
    pub(crate) fn picture(&mut self, packet: &[u8]) -> Picture {
        match &mut self.0 {
            Codec::H264(reading) => reading.picture(packet),
            Codec::Hevc(reading) => reading.picture(packet),
        }
    }
}
