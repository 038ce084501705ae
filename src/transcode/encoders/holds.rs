//! Which container holds what: what is copied into it by itself, what only where it is asked for, and how
//! many streams of a kind. libav's tables are of what its muxers can write down, and say yes to much that
//! nobody plays from there.

use crate::{
    av::{
        encoder::EncoderKind,
        muxer::Muxer,
        stream::{Stream, StreamKind},
    },
    output::numbering,
};

/// What becomes of a codec in a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    /// At home there: it is copied.
    Well,
    /// Only if somebody asks for it by name.
    Asked,
    Never,
}

/// What is known of some containers beyond libav's tables.
struct Rule {
    /// By libav's names.
    muxers: &'static [&'static str],
    /// What is copied. Empty: what libav's table has, or the muxer's usual codecs where it has none.
    well: &'static [&'static str],
    /// What else works.
    asked: &'static [&'static str],
    /// What does not, whatever the table says.
    never: &'static [&'static str],
}

/// Uncompressed sound, of which libav's table knows the kinds.
const PCM: &str = "pcm_";
/// All that libav's table has.
const TABLE: &str = "table";
/// All that there is.
const ANY: &str = "any";

/// Tried with FFmpeg 5.1: copied by `ffmpeg -c copy`, and decoded again.
const RULES: [Rule; 18] = [
    Rule {
        muxers: &["wav", "w64"],
        well: &[PCM],
        asked: &["ac3", "adpcm_ima_wav", "adpcm_ms", "dts", "eac3", "gsm_ms", "mp2", "mp3"],
        never: &[],
    },
    Rule { muxers: &["aiff"], well: &[PCM], asked: &[], never: &[] },
    Rule {
        muxers: &["caf"],
        well: &[PCM, "alac"],
        asked: &["ac3", "adpcm_ima_qt", "adpcm_ms", "mp2", "mp3", "opus"],
        never: &[],
    },
    // Its packets are pointers to frames.
    Rule { muxers: &["yuv4mpegpipe"], well: &[], asked: &[], never: &["wrapped_avframe"] },
    Rule { muxers: &["amr"], well: &["amr_nb", "amr_wb"], asked: &[], never: &[] },
    Rule { muxers: &["latm"], well: &["aac", "aac_latm"], asked: &[], never: &[] },
    Rule {
        muxers: &["spdif"],
        well: &["aac", "ac3", "dts", "eac3", "mp2", "mp3", "truehd"],
        asked: &[],
        never: &[],
    },
    // oggenc.c: ogg_init.
    Rule {
        muxers: &["ogg", "ogv"],
        well: &["flac", "opus", "speex", "theora", "vorbis", "vp8"],
        asked: &[],
        never: &[],
    },
    Rule { muxers: &["oga"], well: &["flac", "opus", "speex", "vorbis"], asked: &[], never: &[] },
    Rule {
        muxers: &["avi"],
        well: &[
            PCM,
            "ac3",
            "dvvideo",
            "ffv1",
            "ffvhuff",
            "huffyuv",
            "mjpeg",
            "mp2",
            "mp3",
            "mpeg1video",
            "mpeg2video",
            "mpeg4",
            "msmpeg4v1",
            "msmpeg4v2",
            "msmpeg4v3",
            "rawvideo",
        ],
        asked: &[TABLE, "adpcm_ms", "dnxhd", "eac3", "flac", "prores", "speex"],
        // Of Vorbis neither packets nor bytes last equally long, and there are no other times.
        never: &["dts", "gif", "hevc", "vorbis"],
    },
    Rule {
        muxers: &["asf", "asf_stream"],
        well: &[
            "msmpeg4v1",
            "msmpeg4v2",
            "msmpeg4v3",
            "vc1",
            "wmalossless",
            "wmapro",
            "wmav1",
            "wmav2",
            "wmavoice",
            "wmv1",
            "wmv2",
            "wmv3",
        ],
        asked: &[TABLE],
        never: &[],
    },
    Rule {
        muxers: &["wtv"],
        well: &["ac3", "mp2", "mpeg1video", "mpeg2video"],
        asked: &["eac3", "mp3", "mpeg4"],
        never: &[],
    },
    // mpegenc.c: mpeg_mux_init; it takes any video for MPEG-4.
    Rule {
        muxers: &["mpeg", "vcd", "svcd", "dvd", "vob"],
        well: &["ac3", "dts", "mp1", "mp2", "mp3", "mpeg1video", "mpeg2video", "pcm_dvd"],
        asked: &["mpeg4", "pcm_s16be"],
        never: &[],
    },
    // movenc.c: mov_init refuses for MOV what it writes into MP4.
    Rule {
        muxers: &["mov"],
        well: &[
            PCM,
            "aac",
            "ac3",
            "adpcm_ima_qt",
            "alac",
            "amr_nb",
            "amr_wb",
            "cinepak",
            "dnxhd",
            "dvvideo",
            "eac3",
            "h263",
            "h264",
            "hevc",
            "jpeg2000",
            "mjpeg",
            "mp2",
            "mp3",
            "mpeg1video",
            "mpeg2video",
            "mpeg4",
            "png",
            "prores",
            "qtrle",
            "svq1",
            "svq3",
        ],
        asked: &[TABLE, "ffv1", "flv1", "theora", "wmv2"],
        never: &["av1", "flac", "opus", "truehd", "vp8", "vp9"],
    },
    // flvdec.c reads no codec from MPEG-4 and H.263 of others.
    Rule {
        muxers: &["flv"],
        well: &[
            "aac",
            "adpcm_swf",
            "flashsv",
            "flashsv2",
            "flv1",
            "h264",
            "mp3",
            "nellymoser",
            "pcm_s16le",
            "pcm_u8",
            "speex",
            "vp6a",
            "vp6f",
        ],
        asked: &[TABLE],
        never: &["h263", "mpeg4"],
    },
    // nutdec.c does not find its way without a block's size and bits a sample.
    Rule { muxers: &["nut"], well: &[], asked: &["dnxhd", "prores"], never: &["qtrle", "wmav1", "wmav2"] },
    Rule {
        muxers: &["mxf"],
        well: &["dvvideo", "mpeg2video", "pcm_s16le", "pcm_s24le"],
        asked: &["dnxhd", "h264", "jpeg2000", "prores"],
        never: &[],
    },
    // These are for looking at packets.
    Rule {
        muxers: &[
            "crc",
            "data",
            "framecrc",
            "framehash",
            "framemd5",
            "hash",
            "md5",
            "rawvideo",
            "streamhash",
            "uncodedframecrc",
        ],
        well: &[],
        asked: &[ANY],
        never: &[],
    },
];

/// What libav says of a codec in a container, and what the sound's rate is.
struct Asked<'a> {
    codec: &'a str,
    /// By the standard; experimentally.
    table: (Option<bool>, Option<bool>),
    rate: Option<u32>,
}

/// Whether a stream can be copied into a container, and should.
pub(crate) fn stream(muxer: Muxer, source: &Stream) -> Held {
    let codec = source.codec();
    let name = muxer.name();
    // Of H.264 and HEVC these want start codes, and do not put them in.
    let lengths = matches!(codec.as_str(), "h264" | "hevc") && source.extradata().first() == Some(&1);
    if lengths && matches!(name.as_str(), "avi" | "mxf" | "wtv") {
        return Held::Never;
    }
    if numbering::ends_with_file(&codec, &name) && numbering::length_of_file(source).is_none() {
        return Held::Never;
    }
    let table = (muxer.fits(source), muxer.may_take(source));
    held(muxer, &Asked { codec: &codec, table, rate: source.sample_rate() })
}

/// What a container makes of what an encoder makes.
pub(crate) fn encoder(muxer: Muxer, kind: EncoderKind) -> Held {
    if numbering::ends_with_file(&kind.codec(), &muxer.name()) {
        // Nobody knows how long the whole will be.
        return Held::Never;
    }
    let table = kind.fits(muxer);
    held(muxer, &Asked { codec: &kind.codec(), table: (table, table), rate: None })
}

fn held(muxer: Muxer, asked: &Asked<'_>) -> Held {
    let name = muxer.name();
    let (video, audio) = muxer.usual_codecs();
    let codec = asked.codec;
    let usual = codec == video || codec == audio;
    let rule = RULES.iter().find(|rule| rule.muxers.contains(&name.as_str()));
    let (well, more, never) = rule.map_or((&[][..], &[][..], &[][..]), |r| (r.well, r.asked, r.never));
    let in_table = asked.table.1 == Some(true);
    let lists = |list: &[&str]| {
        list.iter().any(|entry| match *entry {
            ANY => true,
            TABLE => in_table,
            PCM => codec.starts_with(PCM) && asked.table.1 != Some(false),
            entry => entry == codec,
        })
    };
    if never.contains(&codec) || !has_rate(&name, codec, asked.rate) {
        return Held::Never;
    }
    // The standard (ISO/IEC 23003-5) and libav from 7.0 on have uncompressed sound in MP4; players do not.
    if codec.starts_with(PCM) && muxer.is_mov() && name != "mov" {
        return if in_table { Held::Asked } else { Held::Never };
    }
    match asked.table {
        _ if lists(well) => Held::Well,
        (Some(true), _) if well.is_empty() => Held::Well,
        (None, _) if well.is_empty() && usual => Held::Well,
        _ if lists(more) => Held::Asked,
        (_, Some(true)) if well.is_empty() => Held::Asked,
        _ => Held::Never,
    }
}

/// The samples a second that a container has words for; empty for any.
pub(crate) fn sample_rates(muxer: &str, codec: &str) -> &'static [u32] {
    match (muxer, codec) {
        // flvenc.c: get_audio_flags. MP3 of 48 kHz is said to be of 44.1, and says itself what it is.
        ("flv", "mp3") => &[48_000, 44_100, 22_050, 11_025],
        ("flv", "pcm_s16le" | "pcm_u8" | "adpcm_swf") => &[44_100, 22_050, 11_025],
        ("flv", "speex") => &[16_000],
        // mxfenc.c, dv.c
        ("mxf" | "mxf_d10" | "mxf_opatom" | "dv" | "gxf", _) => &[48_000],
        _ => &[],
    }
}

fn has_rate(muxer: &str, codec: &str, rate: Option<u32>) -> bool {
    let rates = sample_rates(muxer, codec);
    rates.is_empty() || rate.is_none_or(|rate| rates.contains(&rate))
}

/// How many streams of a kind a container holds; None for any number.
pub(crate) fn most(muxer: Muxer, kind: StreamKind) -> Option<usize> {
    let name = muxer.name();
    let (video, audio) = muxer.usual_codecs();
    // For MP3, FLAC and AIFF libav names what they take as a cover.
    let sound_only = video == "none" || (video == "png" && audio != "none");
    let picture_only = audio == "none";
    let one_of_each = ["flv", "swf", "smjpeg", "roq", "amv", "avm2", "film_cpk", "rm"];
    let one_video = ["mxf", "mxf_d10", "mxf_opatom", "gxf", "dv"];
    let name = name.as_str();
    match kind {
        StreamKind::Video if sound_only => Some(0),
        StreamKind::Video if picture_only || one_of_each.contains(&name) || one_video.contains(&name) => {
            Some(1)
        }
        StreamKind::Audio if picture_only => Some(0),
        // Matroska's, for sound alone, holds as many as the other.
        StreamKind::Audio if (sound_only && name != "matroska") || one_of_each.contains(&name) => Some(1),
        _ => None,
    }
}
