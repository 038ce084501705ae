//! Codecs whose pictures stand alone.

use super::{Entry, Picture, by_reference};

/// Those of libav's AV_CODEC_PROP_INTRA_ONLY (libavcodec/codec_desc.c) that are of films; in order, for people. Not in
/// it: those of games, and some (fraps) that may say "as before" all the same.
const ALONE: [&str; 73] = [
    "012v",
    "aic",
    "asv1",
    "asv2",
    "avrp",
    "avui",
    "ayuv",
    "bitpacked",
    "bmp",
    "cljr",
    "cllc",
    "cri",
    "cyuv",
    "dnxhd",
    "dpx",
    "dvvideo",
    "dxtory",
    "dxv",
    "exr",
    "ffvhuff",
    "hap",
    "hq_hqa",
    "hqx",
    "huffyuv",
    "hymt",
    "jpeg2000",
    "jpegls",
    "lagarith",
    "ljpeg",
    "loco",
    "m101",
    "magicyuv",
    "mjpeg",
    "mjpegb",
    "mszh",
    "notchlc",
    "pam",
    "pbm",
    "pgm",
    "pgmyuv",
    "phm",
    "pixlet",
    "png",
    "ppm",
    "prores",
    "qdraw",
    "qoi",
    "r10k",
    "r210",
    "rawvideo",
    "sgi",
    "sheervideo",
    "sp5x",
    "speedhq",
    "srgc",
    "sunrast",
    "targa",
    "targa_y216",
    "tiff",
    "txd",
    "utvideo",
    "v210",
    "v210x",
    "v308",
    "v408",
    "v410",
    "vble",
    "webp",
    "y41p",
    "ylc",
    "yuv4",
    "zlib",
    "jpegxl",
];

pub(super) fn is_alone(codec: &str) -> bool {
    ALONE.contains(&codec)
}

/// An empty packet is the picture before once more.
pub(super) fn picture(packet: &[u8]) -> Picture {
    let is_there = !packet.is_empty();
    Picture {
        entry: is_there.then_some(Entry::Anywhere),
        is_intra: is_there,
        count: usize::from(is_there),
        ..Picture::default()
    }
}

/// Microsoft's kin of MPEG-4, which has no specification: libav's msmpeg4dec.c reads the kind in two bits, I and P.
pub(super) fn msmpeg4(packet: &[u8]) -> Picture {
    by_reference(packet.first().and_then(|first| match first >> 6 {
        0 => Some(true),
        1 => Some(false),
        _ => None,
    }))
}

/// And its last one (wmv2dec.c) in one bit.
pub(super) fn wmv2(packet: &[u8]) -> Picture {
    by_reference(packet.first().map(|first| first >> 7 == 0))
}

/// FFV1 (RFC 9043, 4.3): the first bit of its range coder, at even odds, says whether the states begin anew.
pub(super) fn ffv1(packet: &[u8]) -> Picture {
    // Of a range of 0xFF00 the upper half is the bit.
    const HALF: u16 = 0xFF00 - (0xFF00 >> 1);
    let Some(low) = packet.first_chunk().map(|low| u16::from_be_bytes(*low)) else {
        return Picture::default();
    };
    let is_key = low >= HALF;
    Picture {
        entry: is_key.then_some(Entry::Anywhere),
        is_intra: is_key,
        // The states, not its samples.
        is_reference: true,
        count: 1,
        ..Picture::default()
    }
}
