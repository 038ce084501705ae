//! AVFormatContext that writes: streams, header, packets, trailer.

use super::{
    avio::{WriteDevice, WriteIo},
    c_string, check,
    dict::Dict,
    error,
    files::{Files, WriteFiles},
    input::RawChapter,
    log, memory, option,
    packet::Packet,
    stream::{Stream, StreamKind, Turn},
    string,
};
use crate::{
    Control, Error, ErrorKind, Result,
    time::{Rational, Timestamp},
};
use ffmpeg_sys_next as ff;
use std::{
    ffi::{CStr, c_char, c_int},
    ptr::{self, NonNull},
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

    /// A muxer that opens what it writes by names: see [`Output::of_files`].
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

    pub(crate) fn name(self) -> String {
        // SAFETY: a static string.
        unsafe { string(self.get().name) }
    }

    /// Whether this is one of the containers of libav's movenc.c, whose tables avrope rewrites.
    pub(crate) fn is_mov(self) -> bool {
        matches!(self.name().as_str(), "mp4" | "mov" | "ipod" | "3gp" | "3g2" | "psp" | "f4v")
    }

    /// What libav's table says about a codec in this container, or what is known where it says nothing, or muxes what no
    /// player reads; None where nobody tells. `strict`: by the standard, and nothing that is an experiment.
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

    /// A context that nothing is written by.
    pub(super) fn context(self) -> Result<Context> {
        Output::alloc(self, c"")
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
        // MP4 and its kin do not say so: for ffmpeg they are of a constant rate unless it is told otherwise.
        (self.is_mov() || flags & ff::AVFMT_VARIABLE_FPS != 0) && flags & ff::AVFMT_NOTIMESTAMPS == 0
    }

    /// Whether it writes how a player is to turn a picture: MP4's matrix; Matroska's projection in newer libav, which
    /// knows no mirrors (matroskaenc.c).
    pub(crate) fn keeps(self, turn: Turn) -> bool {
        let matroska = matches!(self.name().as_str(), "matroska" | "webm");
        self.is_mov() || matroska && cfg!(libav_7_1) && !turn.mirrored
    }

    /// Whether its packets have times.
    pub(crate) fn has_times(self) -> bool {
        self.get().flags & ff::AVFMT_NOTIMESTAMPS == 0
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

    /// Where this container states how much of a stream's beginning is its encoder's delay (Matroska's CodecDelay):
    /// what is to be added to the stream's times, since the muxer does not always do that. None where it does not state
    /// it.
    pub(crate) fn states_delay(self, stream: &Stream) -> Option<Timestamp> {
        let rate = stream.sample_rate().and_then(|rate| i32::try_from(rate).ok());
        let delay = Timestamp::from_ticks(stream.delay_of_sound(), Rational::new(1, rate.unwrap_or(1))?);
        match stream.codec().as_str() {
            _ if !matches!(self.name().as_str(), "matroska" | "webm") => None,
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

    /// Whether it puts numbers into its files that are drawn by lot, unless it is told not to (AVFMT_FLAG_BITEXACT):
    /// two results of the same would differ. Matroska has no SegmentUID then, which it need not have, and its tracks
    /// are 1, 2…
    fn draws_lots(self) -> bool {
        self.numbers_its_streams() || matches!(self.name().as_str(), "matroska" | "webm")
    }

    /// Whether a file is right only if its muxer could go back in it at the end, to its header or to write the whole anew.
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

/// A muxer at work. Made, given streams, then header, packets, trailer. Dropped at any point it frees all.
pub(crate) struct Output {
    // Dropped in this order: libav frees its context, which still writes through `io`.
    context: Context,
    io: Io,
    muxer: Muxer,
    interleave: bool,
    /// The header is written, the trailer not.
    begun: bool,
    /// A fragment was ended by hand.
    fragmented: bool,
}

enum Io {
    One(WriteIo),
    Files(Files),
}

impl Io {
    fn one(&mut self) -> Option<&mut WriteIo> {
        match self {
            Self::One(io) => Some(io),
            Self::Files(_) => None,
        }
    }
}

pub(super) struct Context(NonNull<ff::AVFormatContext>);

// SAFETY: a context may move between threads, as long as one at a time uses it; `&mut self` sees to that.
unsafe impl Send for Context {}

impl Context {
    pub(super) fn as_ptr(&self) -> *mut ff::AVFormatContext {
        self.0.as_ptr()
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: self owns the context. Custom I/O is left alone; what the muxer allocated since its header goes too.
        unsafe { ff::avformat_free_context(self.0.as_ptr()) };
    }
}

impl Output {
    /// With `direct`, payload reaches the device by the packets' own pointers. With `interleave`, libav sorts the
    /// packets of the streams by dts; without, they go out in the order they come.
    pub(crate) fn new(
        muxer: Muxer,
        device: Box<dyn WriteDevice>,
        control: Control,
        direct: bool,
        interleave: bool,
    ) -> Result<Self> {
        let io = WriteIo::new(device, control, direct)?;
        // Nothing is opened by this name, but movenc.c warns about other endings.
        let name = if muxer.name() == "ipod" { c"output.m4a" } else { c"" };
        let mut context = Self::alloc(muxer, name)?;
        // SAFETY: freshly made, and nobody else has it.
        let c = unsafe { context.0.as_mut() };
        c.pb = io.as_ptr();
        c.flags |= ff::AVFMT_FLAG_CUSTOM_IO;
        if muxer.draws_lots() {
            c.flags |= ff::AVFMT_FLAG_BITEXACT;
        }
        c.io_open = Some(deny);
        Ok(Self { context, io: Io::One(io), muxer, interleave, begun: false, fragmented: false })
    }

    /// For a muxer that opens files by names, `name` being the first: `files` is asked for each of them, and nothing else
    /// is opened. The packets of the streams are sorted by dts.
    pub(crate) fn of_files(
        muxer: Muxer,
        name: &str,
        files: Box<dyn WriteFiles>,
        control: Control,
    ) -> Result<Self> {
        let mut files = Files::new(files, control);
        let mut context = Self::alloc(muxer, &c_string(&super::files::url(name))?)?;
        // SAFETY: freshly made, and nobody else has it.
        files.serve(unsafe { context.0.as_mut() });
        Ok(Self { context, io: Io::Files(files), muxer, interleave: true, begun: false, fragmented: false })
    }

    fn alloc(muxer: Muxer, name: &CStr) -> Result<Context> {
        log::clear();
        let mut pointer = ptr::null_mut();
        // SAFETY: the format is static and the name a C string; libav allocates the context.
        let code = memory::watched(|| unsafe {
            ff::avformat_alloc_output_context2(&raw mut pointer, muxer.0.as_ptr(), ptr::null(), name.as_ptr())
        });
        let context = NonNull::new(pointer).map(Context);
        check(code, "making an output context")?;
        context.ok_or_else(|| Error::new(ErrorKind::LimitExceeded, "no memory for a format context"))
    }

    fn as_ptr(&self) -> *mut ff::AVFormatContext {
        self.context.as_ptr()
    }

    /// Adds a stream like `template`; `tag` overrides the codec tag.
    pub(crate) fn add_stream(&mut self, template: &Stream, tag: Option<[u8; 4]>) -> Result<usize> {
        // SAFETY: the context is live and its header not written; the template's fields are deep-copied.
        unsafe {
            let stream = ff::avformat_new_stream(self.as_ptr(), ptr::null());
            if stream.is_null() {
                return Err(Error::new(ErrorKind::LimitExceeded, "no memory for a stream"));
            }
            let tag = tag.map_or_else(|| template.tag_for(self.muxer.0.as_ptr()), u32::from_le_bytes);
            template.write_to(stream, tag, self.muxer.name() == "mov")?;
            fill_sizes((*stream).codecpar);
            if let Some(rate) = template.frame_rate().filter(|_| self.muxer.name().starts_with("mxf")) {
                // mxfenc.c takes it for the length of a frame, and counts by it (mxf_write_header).
                (*stream).time_base = ff::AVRational { num: rate.den, den: rate.num };
            }
            Ok(usize::try_from((*stream).index).unwrap_or(0))
        }
    }

    /// Says what material an MXF is of (see [`Muxer::names_material`]).
    pub(crate) fn set_material(&mut self, identity: u64) {
        if let Some(io) = self.io.one() {
            io.set_material(identity);
        }
    }

    pub(crate) fn set_metadata(&mut self, pairs: &[(String, String)]) -> Result<()> {
        let new = Dict::from_pairs(pairs)?.into_raw();
        // SAFETY: the context is live; the old dictionary is freed before the new one takes its place.
        unsafe {
            let c = self.context.0.as_mut();
            ff::av_dict_free(&raw mut c.metadata);
            c.metadata = new;
        }
        Ok(())
    }

    pub(crate) fn add_chapter(&mut self, id: i64, chapter: &RawChapter) -> Result<()> {
        let metadata = Dict::from_pairs(&chapter.metadata)?;
        // SAFETY: chapters are made as ffmpeg itself makes them: av_mallocz'ed, and the array grown by
        // av_dynarray_add_nofree, which leaves it alone where there is no memory. So avformat_free_context frees both.
        // The struct's size is part of the ABI that the bindings were made from.
        unsafe {
            let new = ff::av_mallocz(std::mem::size_of::<ff::AVChapter>()).cast::<ff::AVChapter>();
            if new.is_null() {
                return Err(Error::new(ErrorKind::LimitExceeded, "no memory for a chapter"));
            }
            (*new).id = id;
            (*new).start = chapter.start;
            (*new).end = chapter.end;
            (*new).time_base = ff::AVRational { num: chapter.base.num, den: chapter.base.den };
            let c = self.context.0.as_mut();
            let mut count = c_int::try_from(c.nb_chapters).unwrap_or(c_int::MAX);
            let code = ff::av_dynarray_add_nofree((&raw mut c.chapters).cast(), &raw mut count, new.cast());
            if code < 0 {
                ff::av_free(new.cast());
                return Err(error(code, "adding a chapter"));
            }
            (*new).metadata = metadata.into_raw();
            c.nb_chapters = u32::try_from(count).unwrap_or(0) as _;
        }
        Ok(())
    }

    /// Writes the header. Options that the muxer does not know are errors.
    pub(crate) fn write_header(&mut self, options: &[(String, String)]) -> Result<()> {
        let name = self.muxer.name();
        for (key, value) in options {
            // SAFETY: the context is live, and its header not written.
            unsafe { option::set(self.as_ptr(), key, value) }.map_err(|error| match error.libav_code() {
                Some(ff::AVERROR_OPTION_NOT_FOUND) => {
                    Error::invalid(format!("the container {name} has no option '{key}'"))
                }
                _ => error,
            })?;
        }
        // SAFETY: the context is live and has its streams.
        let write = || unsafe { ff::avformat_write_header(self.as_ptr(), ptr::null_mut()) };
        let code = memory::watched(write);
        self.settle(code, &format!("writing the header of {name}"))?;
        self.begun = true;
        Ok(())
    }

    /// The time base that the muxer chose for a stream; known after the header.
    pub(crate) fn time_base(&self, index: usize) -> Result<Rational> {
        // SAFETY: the context is live.
        let c = unsafe { self.context.0.as_ref() };
        if index >= usize::try_from(c.nb_streams).unwrap_or(0) {
            return Err(Error::new(ErrorKind::Bug, format!("there is no output stream {index}")));
        }
        // SAFETY: the index was checked; streams of a live context are live.
        let base = unsafe { (**c.streams.add(index)).time_base };
        Rational::new(base.num, base.den)
            .ok_or_else(|| Error::new(ErrorKind::Bug, "a muxer chose a time base of 0"))
    }

    /// Writes one packet. `origin` says where its bytes lie in its source: the device is given that instead of a copy.
    /// Returns how many bytes arrived there by reference.
    pub(crate) fn write(&mut self, packet: &mut Packet, origin: Option<u64>) -> Result<u64> {
        if let (Some(origin), Some(io)) = (origin, self.io.one()) {
            io.set_current(packet.address(), packet.size(), origin);
        }
        // SAFETY: both are live and ours. av_interleaved_write_frame takes the reference over and leaves the packet
        // blank; av_write_frame leaves it as it was.
        let code = memory::watched(|| unsafe {
            if self.interleave {
                ff::av_interleaved_write_frame(self.as_ptr(), packet.as_ptr())
            } else {
                ff::av_write_frame(self.as_ptr(), packet.as_ptr())
            }
        });
        let shared = self.io.one().map_or(0, WriteIo::end_current);
        self.settle(code, "writing a packet")?;
        Ok(shared)
    }

    /// Puts bytes between two packets that belong to neither: in MP4, the packets before and behind are in different
    /// chunks then. The muxer does not count them, so its mdat's size is too small by as much.
    pub(crate) fn fill(&mut self, bytes: &[u8]) -> Result<()> {
        let len = c_int::try_from(bytes.len()).unwrap_or(0);
        if self.io.one().is_none() {
            return Err(Error::new(ErrorKind::Bug, "a gap between files"));
        }
        // SAFETY: the context is live and has I/O of its own, and the bytes live during the call.
        unsafe { ff::avio_write((*self.as_ptr()).pb, bytes.as_ptr(), len) };
        self.settle(0, "writing a gap").map(drop)
    }

    /// Ends a fragment: what the muxer holds of it is written. (It is to be told to leave that to us: `frag_custom`.)
    pub(crate) fn end_fragment(&mut self) -> Result<()> {
        // With delay_moov the first call writes the moov alone (movenc.c: mov_auto_flush_fragment).
        for _ in 0..if self.fragmented { 1 } else { 2 } {
            // SAFETY: the context is live and its header written; without a packet this asks the muxer to write what it
            // holds.
            let code = memory::watched(|| unsafe { ff::av_write_frame(self.as_ptr(), ptr::null_mut()) });
            self.settle(code, "writing a fragment")?;
        }
        self.fragmented = true;
        self.flush()
    }

    /// Writes out what AVIO holds.
    pub(crate) fn flush(&mut self) -> Result<()> {
        self.io.one().map_or(Ok(()), WriteIo::flush)
    }

    /// Ends the file. The muxer must not be given anything afterwards.
    pub(crate) fn finish(mut self) -> Result<()> {
        self.begun = false;
        // SAFETY: the header is written, and this is called once: self is used up.
        let code = memory::watched(|| unsafe { ff::av_write_trailer(self.as_ptr()) });
        // A trailer may return more than 0 on success.
        self.settle(code, "writing the trailer")?;
        self.flush()
    }

    fn settle(&mut self, code: c_int, doing: &str) -> Result<c_int> {
        let error = match &mut self.io {
            Io::One(io) => io.take_error(),
            Io::Files(files) => files.take_error(),
        };
        match error {
            Some(error) => Err(error),
            None => check(code, doing),
        }
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        let Io::Files(files) = &mut self.io else { return };
        // What libav closes from here on is not complete.
        files.abandon();
        // With nothing left to open the trailer writes nothing, but hlsenc.c frees its buffer nowhere else.
        if self.begun && self.muxer.name() == "hls" {
            // SAFETY: the header is written and the trailer not.
            unsafe { ff::av_write_trailer(self.as_ptr()) };
        }
    }
}

/// MP4's header does not say how many samples a coded frame has, and movenc.c warns where it is not told; nor the bytes of
/// a sample or a second of PCM, which AVI's clock is made of.
///
/// # Safety
/// `parameters` are live, and nobody else uses them during the call.
unsafe fn fill_sizes(parameters: *mut ff::AVCodecParameters) {
    // SAFETY: the caller's promise.
    let parameters = unsafe { &mut *parameters };
    if parameters.frame_size == 0 && parameters.codec_id == ff::AVCodecID::AV_CODEC_ID_AAC {
        parameters.frame_size = 1024;
    }
    if parameters.block_align == 0 && parameters.codec_type == ff::AVMediaType::AVMEDIA_TYPE_AUDIO {
        // SAFETY: the call looks into a table; 0 for codecs that are not PCM.
        let bits = unsafe { ff::av_get_exact_bits_per_sample(parameters.codec_id) };
        let bits = bits.saturating_mul(parameters.ch_layout.nb_channels);
        parameters.block_align = bits / 8;
        if parameters.bit_rate == 0 {
            parameters.bit_rate = i64::from(bits).saturating_mul(parameters.sample_rate.into());
        }
    }
}

/// `AVFormatContext.io_open`: a muxer opens nothing by name.
unsafe extern "C" fn deny(
    _context: *mut ff::AVFormatContext,
    pb: *mut *mut ff::AVIOContext,
    _url: *const c_char,
    _flags: c_int,
    _options: *mut *mut ff::AVDictionary,
) -> c_int {
    // SAFETY: libav hands over where to put the context.
    unsafe { *pb = ptr::null_mut() };
    -libc::EPERM
}
