//! AVPacket: coded bytes with timestamps.

use super::{buffer::BufferRef, ticks::Ticks};
use crate::{Error, ErrorKind, Result};
use ffmpeg_sys_next as ff;
use std::{ffi::c_int, ptr::NonNull, sync::Arc};

unsafe extern "C" {
    // libavcodec/ac3_parser.h, which the bindings leave out.
    fn av_ac3_parse_header(buf: *const u8, size: usize, bitstream_id: *mut u8, frame_size: *mut u16)
    -> c_int;
}

/// A packet itself, its buffer and the reference to it, as they lie in the allocator.
const STRUCTURES: u64 = 512;

/// An owned packet. Timestamps are ticks of its stream's time base; libav's AV_NOPTS_VALUE is None here.
pub(crate) struct Packet {
    raw: NonNull<ff::AVPacket>,
    /// What holds the payload where the packet has no reference of its own to it: a reference of libav's is
    /// an allocation, here and again in av_write_frame, for each of a hundred thousand packets.
    lent: Option<Arc<BufferRef>>,
}

// SAFETY: a packet owns its fields, and what its payload lies in has an atomic count.
unsafe impl Send for Packet {}

impl Packet {
    pub(crate) fn new() -> Result<Self> {
        // SAFETY: allocates, or returns NULL.
        NonNull::new(unsafe { ff::av_packet_alloc() })
            .map(|raw| Self { raw, lent: None })
            .ok_or_else(|| Error::new(ErrorKind::LimitExceeded, "no memory for a packet"))
    }

    /// A packet with these bytes.
    pub(crate) fn with(bytes: &[u8]) -> Result<Self> {
        let packet = Self::new()?;
        let size = std::ffi::c_int::try_from(bytes.len()).unwrap_or(std::ffi::c_int::MAX);
        // SAFETY: the packet is live and blank; it has as many bytes afterwards as are copied into it.
        unsafe {
            super::check(ff::av_new_packet(packet.as_ptr(), size), "making a packet")?;
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), packet.get().data, bytes.len());
        }
        Ok(packet)
    }

    /// A packet with other bytes and all else of this one: times, flags, side data.
    pub(crate) fn with_data(&self, bytes: &[u8]) -> Result<Self> {
        let packet = Self::with(bytes)?;
        // SAFETY: both are live; the bytes are left alone.
        let code = unsafe { ff::av_packet_copy_props(packet.as_ptr(), self.as_ptr()) };
        super::check(code, "copying a packet's properties")?;
        Ok(packet)
    }

    /// A packet without bytes that tells a muxer of its stream's configuration.
    pub(crate) fn with_extradata(bytes: &[u8]) -> Result<Self> {
        let packet = Self::new()?;
        let kind = ff::AVPacketSideDataType::AV_PKT_DATA_NEW_EXTRADATA;
        // SAFETY: the packet is live and blank; the new side data has as many bytes as are copied into it.
        unsafe {
            let data = ff::av_packet_new_side_data(packet.as_ptr(), kind, bytes.len());
            if data.is_null() {
                return Err(Error::new(ErrorKind::LimitExceeded, "no memory for side data"));
            }
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), data, bytes.len());
        }
        Ok(packet)
    }

    fn get(&self) -> &ff::AVPacket {
        // SAFETY: live as long as self.
        unsafe { self.raw.as_ref() }
    }

    pub(super) fn as_ptr(&self) -> *mut ff::AVPacket {
        self.raw.as_ptr()
    }

    /// A second packet that shares this one's bytes.
    pub(crate) fn share(&self) -> Result<Self> {
        let copy = Self::new()?;
        // SAFETY: both packets are live, and the new one is empty.
        let code = unsafe { ff::av_packet_ref(copy.as_ptr(), self.as_ptr()) };
        super::check(code, "sharing a packet")?;
        Ok(copy)
    }

    pub(crate) fn stream(&self) -> usize {
        usize::try_from(self.get().stream_index).unwrap_or(usize::MAX)
    }

    pub(crate) fn pts(&self) -> Option<i64> {
        known(self.get().pts)
    }

    pub(crate) fn dts(&self) -> Option<i64> {
        known(self.get().dts)
    }

    /// 0 where it is not known.
    pub(crate) fn duration(&self) -> i64 {
        self.get().duration.max(0)
    }

    /// Where the payload lies in the source, as the demuxer says.
    pub(crate) fn pos(&self) -> Option<u64> {
        u64::try_from(self.get().pos).ok()
    }

    pub(crate) fn size(&self) -> usize {
        usize::try_from(self.get().size).unwrap_or(0)
    }

    /// Bytes of memory that it takes up, about: with the structures around its payload and what its demuxer
    /// put beside that.
    pub(crate) fn memory(&self) -> u64 {
        let packet = self.get();
        let count = usize::try_from(packet.side_data_elems).unwrap_or(0);
        let beside = match packet.side_data.is_null() {
            true => &[],
            // SAFETY: there are so many, and they live as long as the packet is not changed.
            false => unsafe { std::slice::from_raw_parts(packet.side_data, count) },
        };
        let payload = if self.is_stood_in_for() { 0 } else { self.size() as u64 };
        beside
            .iter()
            .map(|data| data.size as u64)
            .fold(STRUCTURES.saturating_add(payload), u64::saturating_add)
    }

    pub(crate) fn is_key(&self) -> bool {
        self.get().flags & ff::AV_PKT_FLAG_KEY != 0
    }

    pub(crate) fn set_key(&mut self, key: bool) {
        // SAFETY: live, and ours alone.
        let packet = unsafe { self.raw.as_mut() };
        packet.flags = packet.flags & !ff::AV_PKT_FLAG_KEY | if key { ff::AV_PKT_FLAG_KEY } else { 0 };
    }

    /// The demuxer got fewer bytes than the packet has.
    pub(crate) fn is_corrupt(&self) -> bool {
        self.get().flags & ff::AV_PKT_FLAG_CORRUPT != 0
    }

    /// Whether the payload is encrypted, so that a copy could not be played.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.side_data(ff::AVPacketSideDataType::AV_PKT_DATA_ENCRYPTION_INFO).is_some()
    }

    /// What it says beside its payload. Most packets say nothing, and libav need not be asked.
    #[inline]
    fn side_data(&self, kind: ff::AVPacketSideDataType) -> Option<&[u8]> {
        if self.get().side_data_elems == 0 {
            return None;
        }
        let mut size = 0;
        // SAFETY: the packet is live; the side data has `size` bytes and lives as long as the packet is not
        // changed.
        unsafe {
            let data = ff::av_packet_get_side_data(self.as_ptr(), kind, &raw mut size);
            (!data.is_null()).then(|| std::slice::from_raw_parts(data, size))
        }
    }

    /// What its encoder says of its error, if it does: the sum over all planes of the squared differences between the
    /// samples of the picture and what it decodes to.
    pub(crate) fn squared_errors(&self) -> Option<u64> {
        let said = self.side_data(ff::AVPacketSideDataType::AV_PKT_DATA_QUALITY_STATS)?;
        // The quantiser, the picture's type, how many sums follow, and two bytes for nothing.
        let count = usize::from(*said.get(5)?);
        let (sums, _) = said.get(8..)?.as_chunks();
        let sums = sums.get(..count).filter(|sums| !sums.is_empty())?;
        Some(sums.iter().map(|sum| u64::from_le_bytes(*sum)).fold(0, u64::saturating_add))
    }

    /// Samples at its end that are not to be heard, as its container says.
    pub(crate) fn discarded_end(&self) -> u32 {
        let bytes = self.side_data(ff::AVPacketSideDataType::AV_PKT_DATA_SKIP_SAMPLES).unwrap_or_default();
        // Two numbers: at the start, at the end.
        bytes.get(4..8).and_then(|four| four.try_into().ok()).map_or(0, u32::from_le_bytes)
    }

    /// So many samples at its beginning are left out, whatever it said of that.
    pub(crate) fn skip_start(&mut self, samples: u32) -> Result<()> {
        self.skip(0, samples)
    }

    /// So many samples at its end are left out, whatever it said of that.
    pub(crate) fn skip_end(&mut self, samples: u32) -> Result<()> {
        self.skip(4, samples)
    }

    fn skip(&mut self, at: usize, samples: u32) -> Result<()> {
        // Two numbers, at the start and at the end, and two bytes of reasons.
        const LEN: usize = 10;
        let mut size = 0;
        let kind = ff::AVPacketSideDataType::AV_PKT_DATA_SKIP_SAMPLES;
        // SAFETY: the packet is live and ours alone, and so is its side data, which has `size` bytes; new
        // side data has as many as were asked for.
        unsafe {
            let mut data = ff::av_packet_get_side_data(self.as_ptr(), kind, &raw mut size);
            if (data.is_null() || size < LEN) && samples > 0 {
                data = ff::av_packet_new_side_data(self.as_ptr(), kind, LEN);
                if data.is_null() {
                    return Err(Error::new(ErrorKind::LimitExceeded, "no memory for a packet's side data"));
                }
                std::ptr::write_bytes(data, 0, LEN);
                size = LEN;
            }
            if !data.is_null() && size >= at.saturating_add(4) {
                data.add(at).copy_from_nonoverlapping(samples.to_le_bytes().as_ptr(), 4);
            }
        }
        Ok(())
    }

    /// The codec's configuration from this packet on, where the demuxer says that it changes (several sample
    /// descriptions in one track).
    pub(crate) fn new_extradata(&self) -> Option<&[u8]> {
        self.side_data(ff::AVPacketSideDataType::AV_PKT_DATA_NEW_EXTRADATA)
    }

    /// Whether its payload begins with the head of a frame of AC-3 or E-AC-3.
    pub(crate) fn begins_ac3_frame(&self) -> bool {
        self.ac3_bitstream_id().is_some()
    }

    /// The bitstream's number in the head of an AC-3 frame (ETSI TS 102 366): up to 10 it is AC-3, above that
    /// E-AC-3.
    pub(crate) fn ac3_bitstream_id(&self) -> Option<u8> {
        let (mut id, mut size) = (0, 0);
        let data = self.data();
        // SAFETY: the function reads at most as many bytes as it is told, and writes the two numbers.
        let code = unsafe { av_ac3_parse_header(data.as_ptr(), data.len(), &raw mut id, &raw mut size) };
        (code >= 0).then_some(id)
    }

    /// Moves what is in this packet into a new one; this one is blank then.
    pub(crate) fn take(&mut self) -> Result<Self> {
        let mut new = Self::new()?;
        // SAFETY: both are live and ours alone, and the new one is blank.
        unsafe { ff::av_packet_move_ref(new.as_ptr(), self.as_ptr()) };
        // What the payload lies in goes with it.
        new.lent = self.lent.take();
        Ok(new)
    }

    /// The address of the payload: what a direct read is compared with.
    pub(crate) fn address(&self) -> usize {
        self.get().data.addr()
    }

    pub(crate) fn data(&self) -> &[u8] {
        let packet = self.get();
        if packet.data.is_null() {
            return &[];
        }
        // SAFETY: libav keeps `size` bytes at `data` alive as long as the packet is not unreferenced, and
        // that takes `&mut self`. An elided read leaves bytes that nobody has written: callers ask for `data`
        // only after `take_over` or `fill`.
        unsafe { std::slice::from_raw_parts(packet.data, self.size()) }
    }

    /// Shows the first `size()` bytes of a shared buffer as its payload.
    pub(crate) fn take_over(&mut self, bytes: &Arc<BufferRef>) -> Result<()> {
        if bytes.len() < self.size() {
            return Err(Error::new(ErrorKind::Bug, "the shared buffer is shorter than the packet"));
        }
        // SAFETY: the packet is live and ours alone; the old buffer is given back before it is replaced. The
        // new bytes are at least `size`, and `lent` keeps them until the packet is cleared, moved from, or
        // dropped. libav copies a payload without a reference before it keeps or changes it (av_packet_ref,
        // av_packet_make_refcounted).
        unsafe {
            let packet = self.raw.as_mut();
            ff::av_buffer_unref(&raw mut packet.buf);
            packet.data = bytes.data().cast_mut();
        }
        self.lent = Some(bytes.clone());
        Ok(())
    }

    /// Whether it shows bytes that were put in the place of its own.
    pub(crate) fn is_stood_in_for(&self) -> bool {
        self.lent.is_some()
    }

    /// Writes the payload anew: for a read that was elided and then needed after all.
    pub(crate) fn fill(&mut self, write: impl FnOnce(&mut [u8]) -> Result<()>) -> Result<()> {
        let size = self.size();
        if size == 0 {
            return Ok(());
        }
        // SAFETY: the packet is live and ours alone.
        let code = unsafe { ff::av_packet_make_writable(self.as_ptr()) };
        super::check(code, "making a packet writable")?;
        self.lent = None;
        // SAFETY: the packet is writable now, so its `size` bytes are referenced by nobody else; they are
        // given a value before they are shown to safe code.
        let bytes = unsafe {
            std::ptr::write_bytes(self.get().data, 0, size);
            std::slice::from_raw_parts_mut(self.get().data, size)
        };
        write(bytes)
    }

    pub(crate) fn set_times(&mut self, pts: i64, dts: i64, duration: i64) {
        // SAFETY: live, and ours alone.
        let packet = unsafe { self.raw.as_mut() };
        (packet.pts, packet.dts, packet.duration, packet.pos) = (pts, dts, duration, -1);
    }

    /// Keeps so many of its bytes, from one on; no more than there are.
    pub(crate) fn keep(&mut self, from: usize, len: usize) {
        let from = from.min(self.size());
        let len = len.min(self.size().saturating_sub(from));
        // SAFETY: a packet of our own; what is kept lies within its bytes, and its buffer holds them as
        // before.
        unsafe {
            let packet = self.raw.as_mut();
            if !packet.data.is_null() {
                packet.data = packet.data.add(from);
                packet.size = c_int::try_from(len).unwrap_or(0);
            }
        }
    }

    /// Says how long it is, in ticks.
    pub(crate) fn set_duration(&mut self, duration: i64) {
        // SAFETY: live, and ours alone.
        unsafe { self.raw.as_mut() }.duration = duration;
    }

    /// Counts its times in other ticks.
    pub(super) fn cut_ticks(&mut self, ticks: Ticks) {
        // SAFETY: live, and ours alone.
        let packet = unsafe { self.raw.as_mut() };
        for time in [&mut packet.pts, &mut packet.dts] {
            if *time != ff::AV_NOPTS_VALUE {
                *time = ticks.cut(*time);
            }
        }
        packet.duration = ticks.cut(packet.duration);
    }

    /// Moves its times by so many ticks.
    pub(crate) fn shift(&mut self, by: i64) {
        // SAFETY: live, and ours alone.
        let packet = unsafe { self.raw.as_mut() };
        for time in [&mut packet.pts, &mut packet.dts] {
            if *time != ff::AV_NOPTS_VALUE {
                *time = time.saturating_add(by);
            }
        }
    }

    pub(crate) fn set_stream(&mut self, index: usize) {
        // SAFETY: live, and ours alone.
        unsafe { self.raw.as_mut() }.stream_index = i32::try_from(index).unwrap_or(i32::MAX);
    }

    pub(crate) fn clear(&mut self) {
        // SAFETY: live, and ours alone.
        unsafe { ff::av_packet_unref(self.as_ptr()) };
        self.lent = None;
    }
}

impl Drop for Packet {
    fn drop(&mut self) {
        let mut pointer = self.raw.as_ptr();
        // SAFETY: self owns the packet, and it is not used afterwards.
        unsafe { ff::av_packet_free(&raw mut pointer) };
    }
}

fn known(ticks: i64) -> Option<i64> {
    (ticks != ff::AV_NOPTS_VALUE).then_some(ticks)
}
