//! AVOutputFormat: which container it is, what it can hold, and which options it has.

use super::{
    c_string, check, log, memory, option,
    stream::{Stream, StreamKind, Turn},
    string,
};
use crate::{
    Error, ErrorKind, Result,
    time::{Rational, Timestamp},
};
use ffmpeg_sys_next as ff;
use std::{
    ffi::{CStr, c_int, c_void},
    ptr::{self, NonNull},
    sync::OnceLock,
};

/// A muxer, by libav's short name.
#[derive(Clone, Copy)]
pub(crate) struct Muxer(NonNull<ff::AVOutputFormat>);

// SAFETY: a static, immutable description inside libavformat.
unsafe impl Send for Muxer {}
// SAFETY: as above.
unsafe impl Sync for Muxer {}

impl Muxer {
    pub(crate) fn find(name: &str) -> Result<Self> {
        // m4a is what people and files call libav's `ipod`; likewise the others.
        let name = match name {
            "m4a" | "m4v" | "m4b" => "ipod",
            "mkv" => "matroska",
            "ts" | "m2ts" => "mpegts",
            "aac" => "adts",
            other => other,
        };
        // Each job asks for one of these several times, and libav compares the name with those of all it has.
        const COMMON: [&str; 4] = ["mp4", "mov", "ipod", "matroska"];
        static FOUND: [OnceLock<Muxer>; COMMON.len()] = [const { OnceLock::new() }; COMMON.len()];
        let known = COMMON.iter().position(|common| *common == name).and_then(|at| FOUND.get(at));
        if let Some(found) = known.and_then(OnceLock::get) {
            return Ok(*found);
        }
        let found = Self::named(name)?;
        Ok(known.map_or(found, |known| *known.get_or_init(|| found)))
    }

    fn named(name: &str) -> Result<Self> {
        let (c_name, file) = (c_string(name)?, c_string(&format!("output.{name}"))?);
        // SAFETY: the names are C strings; the results are static or NULL.
        let found = unsafe {
            let by_name = ff::av_guess_format(c_name.as_ptr(), ptr::null(), ptr::null());
            // A usual ending is as good as libav's name.
            if by_name.is_null() {
                ff::av_guess_format(ptr::null(), file.as_ptr(), ptr::null())
            } else {
                by_name
            }
        };
        let Some(found) = NonNull::new(found.cast_mut()) else {
            return Err(Error::unsupported(format!("libav has no container called '{name}'"))
                .with_setting("format")
                .advise("try mp4, mkv, ts, mp3, wav…"));
        };
        // SAFETY: a static description.
        if unsafe { found.as_ref() }.flags & ff::AVFMT_NOFILE != 0 {
            // hls, dash, image2, segment, devices: they open files by names of their own.
            return Err(Error::unsupported(format!(
                "'{name}' writes files of its own naming, not one output"
            )));
        }
        Ok(Self(found))
    }

    /// A muxer that opens what it writes by names: see [`Output::of_files`](super::output::Output::of_files).
    pub(crate) fn of_files(name: &'static CStr) -> Result<Self> {
        // SAFETY: a C string; the result is static or NULL.
        let found = unsafe { ff::av_guess_format(name.as_ptr(), ptr::null(), ptr::null()) };
        NonNull::new(found.cast_mut()).map(Self).ok_or_else(|| {
            Error::unsupported(format!("this libav was built without the muxer {}", name.to_string_lossy()))
        })
    }

    fn get(&self) -> &ff::AVOutputFormat {
        // SAFETY: static.
        unsafe { self.0.as_ref() }
    }

    pub(super) fn as_ptr(self) -> *const ff::AVOutputFormat {
        self.0.as_ptr()
    }

    pub(crate) fn name(self) -> String {
        // SAFETY: a static string.
        unsafe { string(self.get().name) }
    }

    /// Whether this is one of the containers of libav's movenc.c, whose tables avrope rewrites.
    pub(crate) fn is_mov(self) -> bool {
        matches!(self.name().as_str(), "mp4" | "mov" | "ipod" | "3gp" | "3g2" | "psp" | "f4v")
    }

    pub(crate) fn is_matroska(self) -> bool {
        matches!(self.name().as_str(), "matroska" | "webm")
    }

    /// Whether it takes no packet of AC-3 before one that is a whole frame: movenc.c drops those without a
    /// word (handle_eac3).
    pub(crate) fn looks_into_ac3(self) -> bool {
        self.is_mov()
    }

    /// Whether it has a place for a picture that belongs to the whole (a cover).
    ///
    /// QuickTime's and 3GPP's metadata have none, nor have AIFF's without ID3: the muxers take one and write
    /// nothing. In a transport stream it would be private data that no reader knows; in AVI, NUT and others a
    /// video of one picture.
    pub(crate) fn holds_covers(self) -> bool {
        // movenc.c, in the metadata of iTunes; mp3enc.c, flacenc.c.
        matches!(self.name().as_str(), "mp4" | "ipod" | "f4v" | "mp3" | "flac") || self.carries_files()
    }

    /// Whether it carries files (attachments), covers among them.
    pub(crate) fn carries_files(self) -> bool {
        self.name() == "matroska"
    }

    /// Whether a cover of this codec fits where there is a place for covers.
    pub(crate) fn takes_cover(self, cover: &Stream) -> bool {
        // movenc.c: codec_cover_image_tags; id3v2.c: ff_id3v2_mime_tags; flacenc.c: flac_init.
        let known: &[&str] = match self.name().as_str() {
            "mp4" | "ipod" | "f4v" => &["mjpeg", "png", "bmp"],
            "mp3" => &["mjpeg", "png", "bmp", "tiff", "gif"],
            "flac" => &["mjpeg", "png", "bmp", "tiff"],
            _ => return true,
        };
        let codec = cover.codec();
        let in_newer = cfg!(libav_9_0) && !self.is_mov() && codec == "webp";
        in_newer || known.contains(&codec.as_str())
    }

    /// What libav's table says about a codec in this container, or what is known where it says nothing, or
    /// muxes what no player reads; None where nobody tells. `strict`: by the standard, and nothing that is an
    /// experiment.
    pub(super) fn takes(self, codec: ff::AVCodecID, strict: bool) -> Option<bool> {
        let compliance = if strict { ff::FF_COMPLIANCE_NORMAL } else { ff::FF_COMPLIANCE_EXPERIMENTAL };
        if self.name() == "mpegts" {
            // SAFETY: avcodec_get_name answers with a static string for every id.
            return Some(in_transport_stream(&unsafe { string(ff::avcodec_get_name(codec)) }));
        }
        // Matroska has no name for it, and what libav writes instead its own reader does not decode.
        if self.name() == "matroska" && codec == ff::AVCodecID::AV_CODEC_ID_GIF {
            return Some(false);
        }
        // SAFETY: a static description; the call only looks into tables.
        match unsafe { ff::avformat_query_codec(self.0.as_ptr(), codec, compliance as c_int) } {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    /// A context of it, for what has this name.
    pub(super) fn context(self, name: &CStr) -> Result<Context> {
        log::clear();
        let mut pointer = ptr::null_mut();
        // SAFETY: the format is static and the name a C string; libav allocates the context.
        let code = memory::watched(|| unsafe {
            ff::avformat_alloc_output_context2(&raw mut pointer, self.0.as_ptr(), ptr::null(), name.as_ptr())
        });
        let context = NonNull::new(pointer).map(Context);
        check(code, "making an output context")?;
        context.ok_or_else(|| Error::new(ErrorKind::LimitExceeded, "no memory for a format context"))
    }

    /// The codecs that libav chooses for this container if nobody does, by its names; `none` for none.
    pub(crate) fn usual_codecs(self) -> (String, String) {
        // SAFETY: avcodec_get_name answers with a static string for every id.
        let name = |id| unsafe { string(ff::avcodec_get_name(id)) };
        (name(self.get().video_codec), name(self.get().audio_codec))
    }

    /// Whether the codecs' configurations belong into its header.
    pub(crate) fn wants_global_header(self) -> bool {
        self.get().flags & ff::AVFMT_GLOBALHEADER != 0
    }

    /// Whether pictures may have any times, and not those of one frame rate alone.
    pub(crate) fn takes_any_times(self) -> bool {
        let flags = self.get().flags;
        // MP4 and its kin do not say so, nor does ASF, which counts milliseconds: for ffmpeg they are of a
        // constant rate unless it is told otherwise.
        let silent = self.is_mov() || matches!(self.name().as_str(), "asf" | "asf_stream");
        (silent || flags & ff::AVFMT_VARIABLE_FPS != 0) && flags & ff::AVFMT_NOTIMESTAMPS == 0
    }

    /// Whether it writes how a player is to turn a picture: MP4's matrix; Matroska's projection in newer
    /// libav, which knows no mirrors (matroskaenc.c).
    pub(crate) fn keeps(self, turn: Turn) -> bool {
        let matroska = self.is_matroska();
        self.is_mov() || matroska && cfg!(libav_7_1) && !turn.mirrored
    }

    /// Whether its packets have times. In files of PCM they follow from how much there is, though libav does
    /// not say so.
    pub(crate) fn has_times(self) -> bool {
        let counted = matches!(self.name().as_str(), "wav" | "w64" | "aiff" | "caf" | "au");
        self.get().flags & ff::AVFMT_NOTIMESTAMPS == 0 && !counted
    }

    /// Whether dts may stay the same from one packet to the next.
    pub(crate) fn allows_equal_dts(self) -> bool {
        self.get().flags & ff::AVFMT_TS_NONSTRICT != 0
    }

    /// Whether this container has a stream's codec, by its standard; None where nobody tells.
    pub(crate) fn fits(self, stream: &Stream) -> Option<bool> {
        if self.name() == "matroska" && stream.kind() == StreamKind::Data {
            return Some(false);
        }
        self.takes(stream.codec_id(), true)
    }

    /// The same, experiments included.
    pub(crate) fn may_take(self, stream: &Stream) -> Option<bool> {
        self.takes(stream.codec_id(), false)
    }

    /// Whether it goes back for a configuration that comes with a last, empty packet (flacenc.c,
    /// matroskaenc.c, movenc.c).
    pub(crate) fn takes_late_configuration(self) -> bool {
        self.is_mov() || self.is_matroska() || self.name() == "flac"
    }

    /// Where this container states how much of a stream's beginning is its encoder's delay (Matroska's
    /// CodecDelay): what is to be added to the stream's times, since the muxer does not always do that. None
    /// where it does not state it.
    pub(crate) fn states_delay(self, stream: &Stream) -> Option<Timestamp> {
        let rate = stream.sample_rate().and_then(|rate| i32::try_from(rate).ok());
        let delay = Timestamp::from_ticks(stream.delay_of_sound(), Rational::new(1, rate.unwrap_or(1))?);
        match stream.codec().as_str() {
            _ if !self.is_matroska() => None,
            _ if stream.kind() != StreamKind::Audio => Some(Timestamp::ZERO),
            "flac" | "alac" | "tta" | "wavpack" => Some(Timestamp::ZERO),
            codec if codec.starts_with("pcm_") => Some(Timestamp::ZERO),
            _ if delay == Timestamp::ZERO => None,
            _ if self.adds_delay() => Some(Timestamp::ZERO),
            // Before, it stated that of Opus alone, and left the times as they were.
            "opus" => Some(delay),
            _ => None,
        }
    }

    /// Whether it adds what it states of a stream's delay to the stream's times (matroskaenc.c: ts_offset).
    pub(crate) fn adds_delay(self) -> bool {
        cfg!(libav_7_1)
    }

    /// Whether its streams carry numbers that no other file's should have (Ogg's serial numbers).
    pub(crate) fn numbers_its_streams(self) -> bool {
        matches!(self.name().as_str(), "ogg" | "oga" | "ogv" | "opus" | "spx")
    }

    /// Whether its files name their material by a number that no other's should have.
    pub(crate) fn names_material(self) -> bool {
        self.name().starts_with("mxf")
    }

    /// Whether it puts numbers into its files that are drawn by lot, unless it is told not to
    /// (AVFMT_FLAG_BITEXACT): two results of the same would differ. Matroska has no SegmentUID then, which it
    /// need not have, and its tracks are 1, 2…
    pub(super) fn draws_lots(self) -> bool {
        self.numbers_its_streams() || self.is_matroska()
    }

    /// Whether a file is right only if its muxer could go back in it at the end, to its header or to write
    /// the whole anew.
    pub(crate) fn goes_back(self) -> bool {
        const MUXERS: [&str; 13] = [
            "aiff",
            "apng",
            "avi",
            "avif",
            "film_cpk",
            "filmstrip",
            "gxf",
            "rm",
            "rso",
            "swf",
            "w64",
            "webp",
            "wtv",
        ];
        MUXERS.contains(&self.name().as_str())
    }
}

/// What players find in a transport stream; libav has no table, and takes all for private data.
fn in_transport_stream(codec: &str) -> bool {
    matches!(
        codec,
        "mpeg1video"
            | "mpeg2video"
            | "mpeg4"
            | "h264"
            | "hevc"
            | "vvc"
            | "cavs"
            | "vc1"
            | "dirac"
            | "mp1"
            | "mp2"
            | "mp3"
            | "aac"
            | "aac_latm"
            | "ac3"
            | "eac3"
            | "dts"
            | "truehd"
            | "opus"
            | "s302m"
            | "dvb_subtitle"
            | "dvb_teletext"
            | "hdmv_pgs_subtitle"
            | "timed_id3"
            | "smpte_klv"
    )
}

impl Muxer {
    /// Whether an option of it takes a text.
    pub(crate) fn takes_text(self, key: &str) -> bool {
        // SAFETY: the context is live during the call.
        self.context(c"").map_or(true, |context| unsafe { option::takes_text(context.as_ptr().cast(), key) })
    }

    /// Whether this container, or all of libavformat's, have an option of this name and it takes this value.
    pub(crate) fn check_option(self, key: &str, value: &str) -> Result<()> {
        let name = self.name();
        let (c_key, c_value) = (c_string(key)?, c_string(value)?);
        let context = self.context(c"")?;
        let object = context.as_ptr().cast::<c_void>();
        let (flags, children) = (ff::AV_OPT_FLAG_ENCODING_PARAM, ff::AV_OPT_SEARCH_CHILDREN as c_int);
        // SAFETY: the context is live and its header not written; the names are C strings.
        let code = unsafe {
            if ff::av_opt_find(object, c_key.as_ptr(), ptr::null(), flags, children).is_null() {
                ff::AVERROR_OPTION_NOT_FOUND
            } else {
                ff::av_opt_set(object, c_key.as_ptr(), c_value.as_ptr(), children)
            }
        };
        if code >= 0 {
            return Ok(());
        }
        let see = format!("see `ffmpeg -h muxer={name}`");
        if code == ff::AVERROR_OPTION_NOT_FOUND {
            let message = format!("the container {name} has no option '{key}' to set");
            return Err(Error::invalid(message).advise(see));
        }
        let message = format!("the container {name} does not take '{value}' for its option '{key}'");
        // SAFETY: as above.
        let words = unsafe { option::words(object, &c_key) };
        let advice = if words.is_empty() { see } else { format!("it takes {}", words.join(", ")) };
        Err(Error::invalid(message).advise(advice).with_code(code).with_log(log::take()))
    }
}

/// A context that writes, before it has a header or behind its trailer.
pub(super) struct Context(NonNull<ff::AVFormatContext>);

// SAFETY: a context may move between threads, as long as one at a time uses it; `&mut self` sees to that.
unsafe impl Send for Context {}

impl Context {
    pub(super) fn get(&self) -> &ff::AVFormatContext {
        // SAFETY: self owns the context, which is live.
        unsafe { self.0.as_ref() }
    }

    pub(super) fn get_mut(&mut self) -> &mut ff::AVFormatContext {
        // SAFETY: self owns the context, and nobody else has a reference to it.
        unsafe { self.0.as_mut() }
    }

    pub(super) fn as_ptr(&self) -> *mut ff::AVFormatContext {
        self.0.as_ptr()
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: self owns the context. Custom I/O is left alone; what the muxer allocated since its header
        // goes too.
        unsafe { ff::avformat_free_context(self.0.as_ptr()) };
    }
}
