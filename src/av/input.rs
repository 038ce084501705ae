//! AVFormatContext that reads: packets, seeking.

mod context;

pub(crate) use context::OpenOptions;

use super::{
    avio::{ReadDevice, ReadIo, Reading},
    check,
    demuxer::Demuxer,
    dict, error, log, memory,
    packet::Packet,
    stream::{Stream, StreamKind},
    string,
    ticks::Ticks,
};
use crate::{Control, Error, ErrorKind, Limits, Result, time::Rational};
use context::Context;
use ffmpeg_sys_next as ff;
use std::{ffi::c_int, ptr};

/// How often a demuxer may say 'again' in a row (MPEG-TS does, at the end of short files) before that is an
/// error.
const MOST_AGAIN: u32 = 1000;

/// What libav takes for a file's length (AVDurationEstimationMethod).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Estimate {
    Header,
    Timestamps,
    BitRate,
}

/// A chapter, in the file's own ticks.
#[derive(Clone, Debug)]
pub(crate) struct RawChapter {
    pub start: i64,
    pub end: i64,
    pub base: Rational,
    pub metadata: Vec<(String, String)>,
}

/// Where a packet begins, and when it is decoded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub at: u64,
    pub dts: i64,
}

/// An opened demuxer.
pub(crate) struct Input {
    // Dropped in this order: libav frees its context, which still reads through `io`.
    context: Context,
    io: ReadIo,
    /// What is read for the next packet.
    reading: Reading,
    /// By stream, what its times are handed out in: coarse ticks are cut into finer ones. Empty for MP4,
    /// whose tables count in its own.
    ticks: Vec<Ticks>,
    /// Streams whose packets are read and left out by us: libav's parsers put packets together in this
    /// container, and where it leaves a stream out, what it reads for the next packet of another has no
    /// bound.
    unwanted: Option<Vec<usize>>,
}

/// Packets of the other streams, and what lies between them, may be read for the next one of a file with
/// several.
const INTERLEAVED: u64 = 4;

impl Input {
    pub(crate) fn open(
        device: Box<dyn ReadDevice>,
        demuxer: Demuxer,
        options: OpenOptions,
        control: Control,
    ) -> Result<Self> {
        log::clear();
        let mut io = ReadIo::new(device, control)?;
        let context = Context::open(&mut io, demuxer, options)?;
        let unwanted = demuxer.gathers().then(Vec::new);
        let mut input = Self { context, io, reading: Reading::Past, ticks: Vec::new(), unwanted };
        if !demuxer.is_mov() {
            input.cut_ticks()?;
        }
        Ok(input)
    }

    fn get(&self) -> &ff::AVFormatContext {
        // SAFETY: live as long as self.
        unsafe { self.context.0.as_ref() }
    }

    fn as_ptr(&self) -> *mut ff::AVFormatContext {
        self.context.0.as_ptr()
    }

    pub(crate) fn io(&mut self) -> &mut ReadIo {
        &mut self.io
    }

    /// Reads on until libav knows the streams' parameters (avformat_find_stream_info). Parsers and decoders
    /// may run.
    pub(crate) fn find_stream_info(&mut self) -> Result<()> {
        // It ends with the first packet behind `probesize`, which is 5 MB.
        self.io.begin(Reading::Packets(if self.stream_count() == 1 { 1 } else { INTERLEAVED }));
        // It decodes, and nobody sees how much: pictures that no decoder of ours has memory for are not
        // decoded there either.
        let limits = *self.io.control().get_limits();
        let (mut options, mut sizes) = (Vec::new(), Vec::new());
        for index in 0..self.stream_count() {
            let mut own = dict::Dict::new();
            let stream = self.stream(index)?;
            let (w, h) = stream.size().unwrap_or((0, 0));
            sizes.push((w, h));
            Limits::hold(u64::from(w).saturating_mul(h.into()), limits.pixels, "pixels", || {
                format!("{w}x{h} pixels, and the limit is {} in all", limits.pixels)
            })
            .map_err(|e| e.in_stream(index))?;
            let most = stream.fitting_pixels(limits.decoder_memory).min(limits.pixels);
            let most = stream.with_rounded_width(most);
            own.set("max_pixels", &most.min(i64::MAX as u64).to_string())?;
            options.push(own);
        }
        let mut options: Vec<_> = options.into_iter().map(dict::Dict::into_raw).collect();
        // SAFETY: the context is open and ours; there is a dictionary for each of its streams, or NULL for
        // none. libav takes what it uses out of them, and what is left is freed here.
        let code = unsafe {
            let array = if options.is_empty() { ptr::null_mut() } else { options.as_mut_ptr() };
            let code = memory::watched(|| ff::avformat_find_stream_info(self.as_ptr(), array));
            options.iter_mut().for_each(|left| ff::av_dict_free(left));
            code
        };
        self.settle(code, "reading the streams' parameters")?;
        if !self.ticks.is_empty() {
            self.cut_ticks()?;
        }
        self.restore_sizes(&sizes)
    }

    /// Gives streams the size back that their header states: where it is larger than was to be decoded, libav
    /// has none any more.
    fn restore_sizes(&mut self, stated: &[(u32, u32)]) -> Result<()> {
        for (index, (w, h)) in stated.iter().enumerate().filter(|(_, (w, h))| *w > 0 && *h > 0) {
            let stream = self.raw_stream(index)?;
            // SAFETY: a live stream of our context, whose parameters are no other's to use meanwhile.
            let parameters = unsafe { &mut *(*stream).codecpar };
            if (parameters.width, parameters.height) == (0, 0) {
                (parameters.width, parameters.height) = (w.cast_signed(), h.cast_signed());
            }
        }
        Ok(())
    }

    pub(crate) fn stream_count(&self) -> usize {
        usize::try_from(self.get().nb_streams).unwrap_or(0)
    }

    fn raw_stream(&self, index: usize) -> Result<*mut ff::AVStream> {
        if index >= self.stream_count() {
            return Err(Error::new(ErrorKind::Bug, format!("there is no stream {index}")));
        }
        // SAFETY: the index was checked against the array's length.
        Ok(unsafe { *self.get().streams.add(index) })
    }

    pub(crate) fn stream(&self, index: usize) -> Result<Stream> {
        let stream = self.raw_stream(index)?;
        // SAFETY: a live stream of our context.
        unsafe { Stream::copy_of(stream, self.ticks(&*stream)) }.map_err(|e| e.in_stream(index))
    }

    /// Cuts coarse ticks into finer ones, from now on.
    fn cut_ticks(&mut self) -> Result<()> {
        let streams = (0..self.stream_count()).map(|index| self.raw_stream(index));
        // SAFETY: live streams of our context.
        let ticks = streams.map(|stream| Ok(Ticks::fine(unsafe { &*stream? })));
        self.ticks = ticks.collect::<Result<_>>()?;
        Ok(())
    }

    fn ticks(&self, stream: &ff::AVStream) -> Ticks {
        let index = usize::try_from(stream.index).unwrap_or(usize::MAX);
        self.ticks.get(index).copied().unwrap_or_else(|| Ticks::own(stream))
    }

    /// Where libav leaves streams out, what it reads between two packets has no bound, but each of them has.
    pub(crate) fn bound_packets(&mut self) {
        let left_out = |index| match self.raw_stream(index) {
            // SAFETY: a live stream of our context; `discard` is a public field.
            Ok(stream) => unsafe { (*stream).discard == ff::AVDiscard::AVDISCARD_ALL },
            Err(_) => false,
        };
        self.reading = match self.stream_count() {
            _ if (0..self.stream_count()).any(left_out) => Reading::Among,
            1 => Reading::Packets(1),
            _ => Reading::Packets(INTERLEAVED),
        };
    }

    /// A stream's kind, and libav's name for its codec.
    pub(crate) fn codec(&self, index: usize) -> Result<(StreamKind, String)> {
        let stream = self.raw_stream(index)?;
        // SAFETY: a live stream has parameters; avcodec_get_name answers with a static string for every id.
        Ok(unsafe {
            let parameters = (*stream).codecpar;
            let name = string(ff::avcodec_get_name((*parameters).codec_id));
            (StreamKind::of((*parameters).codec_type), name)
        })
    }

    /// Leaves a stream's packets out, or takes them in.
    pub(crate) fn keep(&mut self, index: usize, keep: bool) -> Result<()> {
        use ff::AVDiscard::{AVDISCARD_ALL, AVDISCARD_DEFAULT};
        let stream = self.raw_stream(index)?;
        if let Some(unwanted) = &mut self.unwanted {
            unwanted.retain(|known| *known != index);
            unwanted.extend((!keep).then_some(index));
            return Ok(());
        }
        // SAFETY: a live stream of our context; `discard` is a public field.
        unsafe { (*stream).discard = if keep { AVDISCARD_DEFAULT } else { AVDISCARD_ALL } };
        Ok(())
    }

    /// Microseconds.
    pub(crate) fn duration(&self) -> Option<i64> {
        Some(self.get().duration).filter(|d| *d != ff::AV_NOPTS_VALUE && *d > 0)
    }

    /// What `duration` was taken from.
    pub(crate) fn duration_from(&self) -> Estimate {
        use ff::AVDurationEstimationMethod::{AVFMT_DURATION_FROM_BITRATE, AVFMT_DURATION_FROM_PTS};
        match self.get().duration_estimation_method {
            AVFMT_DURATION_FROM_PTS => Estimate::Timestamps,
            AVFMT_DURATION_FROM_BITRATE => Estimate::BitRate,
            _ => Estimate::Header,
        }
    }

    /// Microseconds.
    pub(crate) fn start(&self) -> Option<i64> {
        Some(self.get().start_time).filter(|t| *t != ff::AV_NOPTS_VALUE)
    }

    pub(crate) fn bit_rate(&self) -> Option<u64> {
        u64::try_from(self.get().bit_rate).ok().filter(|rate| *rate > 0)
    }

    pub(crate) fn metadata(&self) -> Vec<(String, String)> {
        // SAFETY: the context's dictionary is live.
        unsafe { dict::pairs(self.get().metadata) }
    }

    pub(crate) fn chapters(&self) -> Vec<RawChapter> {
        let count = usize::try_from(self.get().nb_chapters).unwrap_or(0);
        (0..count)
            .map(|i| {
                // SAFETY: the context has `nb_chapters` live chapters.
                let chapter = unsafe { &**self.get().chapters.add(i) };
                RawChapter {
                    start: chapter.start,
                    end: chapter.end,
                    base: Rational::new(chapter.time_base.num, chapter.time_base.den)
                        .unwrap_or(Rational { num: 1, den: 1000 }),
                    // SAFETY: the chapter's dictionary is live.
                    metadata: unsafe { dict::pairs(chapter.metadata) },
                }
            })
            .collect()
    }

    /// How many entries the demuxer's index of a stream has.
    pub(crate) fn index_len(&self, index: usize) -> u64 {
        // SAFETY: a live stream of our context.
        let count = self
            .raw_stream(index)
            .map_or(0, |stream| unsafe { ff::avformat_index_get_entries_count(stream) });
        u64::try_from(count).unwrap_or(0)
    }

    /// The dts of the first entry in the demuxer's index.
    pub(crate) fn first_indexed(&self, index: usize) -> Option<i64> {
        self.indexed(index, |_| Some(0))
    }

    /// The dts of the last entry in the demuxer's index.
    pub(crate) fn last_indexed(&self, index: usize) -> Option<i64> {
        self.indexed(index, |count| count.checked_sub(1))
    }

    fn indexed(&self, index: usize, which: impl Fn(c_int) -> Option<c_int>) -> Option<i64> {
        let stream = self.raw_stream(index).ok()?;
        // SAFETY: a live stream; the entry is valid until the next call that takes the stream or its context,
        // and NULL where there is none.
        unsafe {
            let which = which(ff::avformat_index_get_entries_count(stream))?;
            let entry = ff::avformat_index_get_entry(stream, which);
            (!entry.is_null()).then(|| self.ticks(&*stream).cut((*entry).timestamp))
        }
    }

    /// Where the last packet ends that the demuxer's index names, over all streams that are kept.
    pub(crate) fn index_end(&self) -> Option<u64> {
        let end = |index| {
            let stream = self.raw_stream(index).ok()?;
            // SAFETY: a live stream; the entry is valid until the next call that takes the stream or its
            // context.
            unsafe {
                if (*stream).discard == ff::AVDiscard::AVDISCARD_ALL {
                    return None;
                }
                let last = ff::avformat_index_get_entries_count(stream).checked_sub(1)?;
                let entry = ff::avformat_index_get_entry(stream, last);
                if entry.is_null() {
                    return None;
                }
                u64::try_from((*entry).pos).ok()?.checked_add(u64::try_from((*entry).size()).ok()?)
            }
        };
        (0..self.stream_count()).filter_map(end).max()
    }

    /// The dts of the last keyframe in the demuxer's index at or before a time. For MP4 the index is
    /// complete.
    pub(crate) fn keyframe_before(&self, index: usize, ticks: i64) -> Option<i64> {
        let stream = self.raw_stream(index).ok()?;
        // SAFETY: a live stream; the entry is valid until the next call that takes the stream or its context.
        unsafe {
            let (own, flags) = (self.ticks(&*stream), ff::AVSEEK_FLAG_BACKWARD);
            let entry = ff::avformat_index_get_entry_from_timestamp(stream, own.whole(ticks), flags);
            (!entry.is_null()).then(|| own.cut((*entry).timestamp))
        }
    }

    /// What is known of where the packets around a time lie: the last at or before it, and the first at or
    /// after.
    pub(crate) fn indexed_around(&self, index: usize, ticks: i64) -> [Option<Place>; 2] {
        [ff::AVSEEK_FLAG_BACKWARD, 0].map(|flags| {
            let stream = self.raw_stream(index).ok()?;
            // SAFETY: a live stream; the entry is valid until the next call that takes the stream or its
            // context.
            unsafe {
                let entry = ff::avformat_index_get_entry_from_timestamp(stream, ticks, flags);
                let entry = entry.as_ref()?;
                Some(Place { at: u64::try_from(entry.pos).ok()?, dts: entry.timestamp })
            }
        })
    }

    /// The first packet of a stream that begins between two bytes. libav's own search knows it from then on.
    pub(crate) fn look_at(&mut self, index: usize, from: u64, to: u64) -> Result<Option<Place>> {
        let stream = self.raw_stream(index)?;
        let offset = i64::try_from(from).unwrap_or(i64::MAX);
        self.io.begin(Reading::Past);
        // SAFETY: the context is live and ours.
        let seek = || unsafe { ff::av_seek_frame(self.as_ptr(), -1, offset, ff::AVSEEK_FLAG_BYTE) };
        let code = memory::watched(seek);
        if !self.sought(code)? {
            return Ok(None);
        }
        let mut packet = Packet::new()?;
        let reading = std::mem::replace(&mut self.reading, Reading::Past);
        let found = loop {
            match self.read(&mut packet) {
                Ok(true) => {}
                Ok(false) => break Ok(None),
                Err(error) => break Err(error),
            }
            let Some(at) = packet.pos() else { continue };
            if at >= to {
                break Ok(None);
            }
            if let Some(dts) = packet.dts().filter(|_| packet.stream() == index && at >= from) {
                break Ok(Some(Place { at, dts }));
            }
        };
        self.reading = reading;
        if let Some(Place { at, dts }) = *found.as_ref().unwrap_or(&None) {
            // SAFETY: a live stream of our context.
            unsafe {
                let at = i64::try_from(at).unwrap_or(i64::MAX);
                let key = c_int::try_from(ff::AVINDEX_KEYFRAME).unwrap_or(1);
                ff::av_add_index_entry(stream, at, dts, 0, 0, key);
            }
        }
        found
    }

    /// The next packet, in the order of the file; false at the end. Bytes that could not be read are an
    /// error, never the end.
    pub(crate) fn read(&mut self, packet: &mut Packet) -> Result<bool> {
        while self.read_any(packet)? {
            if self.unwanted.as_ref().is_none_or(|unwanted| !unwanted.contains(&packet.stream())) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn read_any(&mut self, packet: &mut Packet) -> Result<bool> {
        packet.clear();
        self.io.begin(self.reading);
        // SAFETY: both are live and ours.
        let next = || memory::watched(|| unsafe { ff::av_read_frame(self.as_ptr(), packet.as_ptr()) });
        let mut code = next();
        for _ in 0..MOST_AGAIN {
            if code != -libc::EAGAIN {
                break;
            }
            code = next();
        }
        if code == ff::AVERROR_EOF {
            return self.io.take_error().map_or(Ok(false), Err);
        }
        self.settle(code, "reading a packet")?;
        if let Some(ticks) = self.ticks.get(packet.stream()).filter(|ticks| ticks.times > 1) {
            packet.cut_ticks(*ticks);
        }
        Ok(true)
    }

    /// Goes to the last keyframe of this stream at or before a timestamp; the other streams follow. False
    /// where libav can't: the position is anywhere then. Reads that fail are an error.
    pub(crate) fn seek(&mut self, index: usize, ticks: i64) -> Result<bool> {
        let ticks = self.ticks.get(index).map_or(ticks, |own| own.whole(ticks));
        let index = c_int::try_from(index).unwrap_or(-1);
        // Without an index libav reads all that lies on the way.
        self.io.begin(Reading::Past);
        // SAFETY: the context is live and ours.
        let seek = || unsafe { ff::avformat_seek_file(self.as_ptr(), index, i64::MIN, ticks, ticks, 0) };
        let code = memory::watched(seek);
        self.sought(code)
    }

    /// Goes back to the first byte, for demuxers whose seeking is by guess. False where libav can't.
    pub(crate) fn rewind(&mut self) -> Result<bool> {
        let flags = ff::AVSEEK_FLAG_BYTE | ff::AVSEEK_FLAG_BACKWARD;
        self.io.begin(Reading::Past);
        // SAFETY: the context is live and ours.
        let code = memory::watched(|| unsafe { ff::av_seek_frame(self.as_ptr(), -1, 0, flags) });
        self.sought(code)
    }

    /// Whether libav could go where it was to.
    fn sought(&mut self, code: c_int) -> Result<bool> {
        match self.io.take_error() {
            Some(error) => Err(error),
            None if code == -libc::ENOMEM => Err(error(code, "seeking")),
            None => Ok(code >= 0),
        }
    }

    /// What a callback failed with goes before what libav made of it.
    fn settle(&mut self, code: c_int, doing: &str) -> Result<c_int> {
        match self.io.take_error() {
            Some(error) => Err(error),
            None => check(code, doing),
        }
    }
}
