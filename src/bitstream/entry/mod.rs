//! How a copy may begin at a picture, read from its bytes: what containers flag as keys is too much, or nothing.

mod alone;
mod av1;
mod h264;
mod headers;
mod hevc;
mod mpeg2;
mod mpeg4;
mod vpx;

use super::h263;
use av1::Av1;
use h264::H264;
use headers::Headers;
use hevc::Hevc;
use mpeg2::Mpeg2;
use mpeg4::Mpeg4;

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
    /// It refers to no other, whether decoding may begin there or not (HEVC: only where it may).
    pub(crate) is_intra: bool,
    /// It is of one moment by its own word (MPEG-2).
    pub(crate) is_whole: bool,
    /// The second field of a picture whose first one was the packet before.
    pub(crate) is_second_field: bool,
    /// The packet has parameter sets, or headers of the sequence, in front of all that needs them.
    pub(crate) has_headers: bool,
    /// How many pictures are in the packet, a pair of fields being one: two where B-pictures are packed (MPEG-4), or
    /// frames that are not shown lie in front of one that is (VP9, AV1). 0: none, or the
    /// one before once more.
    pub(crate) count: usize,
    /// Nothing in the packet is shown (VP8, VP9, AV1).
    pub(crate) is_hidden: bool,
}

/// Reads the packets of one stream, in the order of decoding.
#[derive(Clone, Debug)]
pub(crate) struct Reading(Codec);

#[derive(Clone, Debug)]
enum Codec {
    H264(H264),
    Hevc(Hevc),
    Mpeg2(Mpeg2),
    Mpeg4(Mpeg4),
    Av1(Av1),
    /// Nothing is kept from one packet to the next.
    Each(fn(&[u8]) -> Picture),
}

impl Reading {
    /// None for codecs (by libav's name) of which nothing is known here.
    pub(crate) fn of(codec: &str, extradata: &[u8]) -> Option<Self> {
        Some(Self(match codec {
            "h264" => Codec::H264(H264::of(extradata)),
            "hevc" => Codec::Hevc(Hevc::of(extradata)),
            "mpeg1video" | "mpeg2video" => Codec::Mpeg2(Mpeg2::of(extradata)),
            "mpeg4" => Codec::Mpeg4(Mpeg4::of(extradata)),
            "h263" | "h263p" | "h263i" => Codec::Each(|packet| by_reference(h263::is_intra(packet))),
            "flv1" => Codec::Each(|packet| by_reference(h263::is_intra_in_flash(packet))),
            "msmpeg4v2" | "msmpeg4v3" | "wmv1" => Codec::Each(alone::msmpeg4),
            "wmv2" => Codec::Each(alone::wmv2),
            "vp8" => Codec::Each(vpx::vp8),
            "vp9" => Codec::Each(vpx::vp9),
            "av1" => Codec::Av1(Av1::of(extradata)),
            "ffv1" => Codec::Each(alone::ffv1),
            codec if alone::is_alone(codec) => Codec::Each(alone::picture),
            _ => return None,
        }))
    }

    /// What the next packet says. One that says nothing has no entry.
    pub(crate) fn picture(&mut self, packet: &[u8]) -> Picture {
        match &mut self.0 {
            Codec::H264(reading) => reading.picture(packet),
            Codec::Hevc(reading) => reading.picture(packet),
            Codec::Mpeg2(reading) => reading.picture(packet),
            Codec::Mpeg4(reading) => reading.picture(packet),
            Codec::Av1(reading) => reading.picture(packet),
            Codec::Each(read) => read(packet),
        }
    }

    /// What a decoder has to be told before the picture that was read last, where its packet has none and another
    /// encoder's stand before it: the sequence's headers (MPEG-1 and 2, AV1) or the video object layer's (MPEG-4), as
    /// they lie in packets. Empty where there is none, and for H.264 and HEVC, which name their parameter sets.
    pub(crate) fn headers(&self) -> &[u8] {
        match &self.0 {
            Codec::Mpeg2(reading) => reading.headers(),
            Codec::Mpeg4(reading) => reading.headers(),
            Codec::Av1(reading) => reading.headers(),
            Codec::H264(_) | Codec::Hevc(_) | Codec::Each(_) => &[],
        }
    }

    /// A packet with headers in front of what needs them: of H.264 and HEVC in Annex B, behind what tells that a
    /// picture begins.
    pub(crate) fn with_headers(&self, headers: &[u8], packet: &[u8]) -> Vec<u8> {
        match &self.0 {
            Codec::H264(reading) => reading.with_headers(headers, packet),
            Codec::Hevc(reading) => reading.with_headers(headers, packet),
            _ => [headers, packet].concat(),
        }
    }

    /// Whether packets so far, or the headers, have B-pictures packed behind others (MPEG-4).
    pub(crate) fn is_packed(&self) -> bool {
        matches!(&self.0, Codec::Mpeg4(reading) if reading.is_packed())
    }
}

/// A picture of a codec that refers to the one before, or to none.
fn by_reference(is_intra: Option<bool>) -> Picture {
    let is_key = is_intra == Some(true);
    Picture {
        entry: is_key.then_some(Entry::Anywhere),
        is_intra: is_key,
        is_reference: is_intra.is_some(),
        count: usize::from(is_intra.is_some()),
        ..Picture::default()
    }
}
