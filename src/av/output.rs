//! AVFormatContext that writes: streams, header, packets, trailer.

mod sizes;

use super::{
    avio::{WriteDevice, WriteIo, deny},
    c_string, check,
    dict::Dict,
    error,
    files::{Files, WriteFiles},
    input::RawChapter,
    memory,
    muxer::{Context, Muxer},
    option,
    packet::Packet,
    stream::Stream,
};
use crate::{Control, Error, ErrorKind, Result, job::Strip, time::Rational};
use ffmpeg_sys_next as ff;
use std::{ffi::c_int, ptr};

/// A muxer at work. Made, given streams, then header, packets, trailer. Dropped at any point it frees all.
pub(crate) struct Output {
    // Dropped in this order: libav frees its context, which still writes through `io`.
    context: Context,
    io: Io,
    muxer: Muxer,
    interleave: bool,
    /// Covers that are attachments.
    attached: u32,
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

impl Output {
    /// With `direct`, payload reaches the device by the packets' own pointers. With `interleave`, libav sorts
    /// the packets of the streams by dts; without, they go out in the order they come.
    pub(crate) fn new(
        muxer: Muxer,
        device: Box<dyn WriteDevice>,
        control: Control,
        direct: bool,
        interleave: bool,
    ) -> Result<Self> {
        let io = match muxer.is_mov() && device.len().is_none() {
            true => WriteIo::of_fragments(device, control)?,
            false => WriteIo::new(device, control, direct)?,
        };
        // Nothing is opened by this name, but movenc.c warns about other endings.
        let name = if muxer.name() == "ipod" { c"output.m4a" } else { c"" };
        let mut context = muxer.context(name)?;
        let c = context.get_mut();
        c.pb = io.as_ptr();
        c.flags |= ff::AVFMT_FLAG_CUSTOM_IO;
        if muxer.draws_lots() {
            c.flags |= ff::AVFMT_FLAG_BITEXACT;
        }
        c.io_open = Some(deny);
        Ok(Self { context, io: Io::One(io), muxer, interleave, attached: 0, begun: false, fragmented: false })
    }

    /// For a muxer that opens files by names, `name` being the first: `files` is asked for each of them, and
    /// nothing else is opened. The packets of the streams are sorted by dts.
    pub(crate) fn of_files(
        muxer: Muxer,
        name: &str,
        files: Box<dyn WriteFiles>,
        control: Control,
    ) -> Result<Self> {
        let mut files = Files::new(files, control);
        let mut context = muxer.context(&c_string(&super::files::url(name))?)?;
        files.serve(context.get_mut());
        Ok(Self {
            context,
            io: Io::Files(files),
            muxer,
            interleave: true,
            attached: 0,
            begun: false,
            fragmented: false,
        })
    }

    fn as_ptr(&self) -> *mut ff::AVFormatContext {
        self.context.as_ptr()
    }

    /// Adds a stream like `template`, but for what is not to be told of it; `tag` overrides the codec tag.
    pub(crate) fn add_stream(
        &mut self,
        template: &Stream,
        tag: Option<[u8; 4]>,
        strip: Strip,
    ) -> Result<usize> {
        // SAFETY: the context is live and its header not written; the template's fields are deep-copied.
        unsafe {
            let stream = ff::avformat_new_stream(self.as_ptr(), ptr::null());
            if stream.is_null() {
                return Err(Error::new(ErrorKind::LimitExceeded, "no memory for a stream"));
            }
            let attached = if self.muxer.carries_files() { template.attached(self.attached)? } else { None };
            self.attached = self.attached.saturating_add(u32::from(attached.is_some()));
            let template = attached.as_ref().unwrap_or(template);
            let tag = tag.map_or_else(|| template.tag_for(self.muxer.as_ptr()), u32::from_le_bytes);
            template.write_to(stream, tag, self.muxer.name() == "mov", strip)?;
            sizes::settle((*stream).codecpar, self.muxer.name() == "avi");
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
            let c = self.context.get_mut();
            ff::av_dict_free(&raw mut c.metadata);
            c.metadata = new;
        }
        Ok(())
    }

    /// Adds a chapter, but for what is not to be told of it.
    pub(crate) fn add_chapter(&mut self, id: i64, chapter: &RawChapter, strip: Strip) -> Result<()> {
        let mut metadata = chapter.metadata.clone();
        metadata.retain(|(tag, _)| strip.keeps_of_chapter(tag));
        let metadata = Dict::from_pairs(&metadata)?;
        // SAFETY: chapters are made as ffmpeg itself makes them: av_mallocz'ed, and the array grown by
        // av_dynarray_add_nofree, which leaves it alone where there is no memory. So avformat_free_context
        // frees both. The struct's size is part of the ABI that the bindings were made from.
        unsafe {
            let new = ff::av_mallocz(std::mem::size_of::<ff::AVChapter>()).cast::<ff::AVChapter>();
            if new.is_null() {
                return Err(Error::new(ErrorKind::LimitExceeded, "no memory for a chapter"));
            }
            (*new).id = id;
            (*new).start = chapter.start;
            (*new).end = chapter.end;
            (*new).time_base = ff::AVRational { num: chapter.base.num, den: chapter.base.den };
            let c = self.context.get_mut();
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
        let c = self.context.get();
        if index >= usize::try_from(c.nb_streams).unwrap_or(0) {
            return Err(Error::new(ErrorKind::Bug, format!("there is no output stream {index}")));
        }
        // SAFETY: the index was checked; streams of a live context are live.
        let base = unsafe { (**c.streams.add(index)).time_base };
        Rational::new(base.num, base.den)
            .ok_or_else(|| Error::new(ErrorKind::Bug, "a muxer chose a time base of 0"))
    }

    /// Writes one packet. `origin` says where its bytes lie in its source: the device is given that instead
    /// of a copy. Returns how many bytes arrived there by reference.
    #[inline]
    pub(crate) fn write(&mut self, packet: &mut Packet, origin: Option<u64>) -> Result<u64> {
        if let (Some(origin), Some(io)) = (origin, self.io.one()) {
            io.set_current(packet.address(), packet.size(), origin);
        }
        // SAFETY: both are live and ours. av_interleaved_write_frame takes the reference over and leaves the
        // packet blank; av_write_frame leaves it as it was.
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

    /// Puts bytes between two packets that belong to neither: in MP4, the packets before and behind are in
    /// different chunks then. The muxer does not count them, so its mdat's size is too small by as much.
    pub(crate) fn fill(&mut self, bytes: &[u8]) -> Result<()> {
        let len = c_int::try_from(bytes.len()).unwrap_or(0);
        if self.io.one().is_none() {
            return Err(Error::new(ErrorKind::Bug, "a gap between files"));
        }
        // SAFETY: the context is live and has I/O of its own, and the bytes live during the call.
        unsafe { ff::avio_write((*self.as_ptr()).pb, bytes.as_ptr(), len) };
        self.settle(0, "writing a gap").map(drop)
    }

    /// Ends a fragment: what the muxer holds of it is written. (It is to be told to leave that to us:
    /// `frag_custom`.)
    pub(crate) fn end_fragment(&mut self) -> Result<()> {
        // With delay_moov the first call writes the moov alone (movenc.c: mov_auto_flush_fragment).
        for _ in 0..if self.fragmented { 1 } else { 2 } {
            // SAFETY: the context is live and its header written; without a packet this asks the muxer to
            // write what it holds.
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
