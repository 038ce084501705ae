//! A demuxer at work, and the substitution: a packet whose bytes lie in the source just as libav delivers
//! them becomes a name for those bytes.

use super::{
    counted::Counted, item::Item, keyframe, lengths::Lengths, order::Order, promise::Promise, search::Search,
    torn::Torn,
};
use crate::{
    Control, Error, Limits, Result, Source,
    av::{buffer::BufferRef, demuxer::Demuxer, input::Input, packet::Packet, stream::StreamKind},
    io::avio::SharedReader,
    mp4,
    time::{Rational, Timestamp},
};
use std::{collections::BTreeMap, sync::Arc};

/// How an operation wants its packets' payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Payloads {
    /// In memory.
    Read,
    /// In memory, and with the place in the source where the same bytes are, so that a rope can refer to
    /// them.
    Shared,
    /// As a place in the source alone: the bytes are not read, and what the packet shows are zeros. Only for
    /// muxers that do not look into them.
    Named,
}

/// A demuxer context.
pub(crate) struct Demux {
    pub(super) input: Input,
    pub(super) reader: SharedReader,
    pub(super) source: Source,
    /// An MP4 read by its index: every packet lies where the index says, or the file is damaged.
    indexed: bool,
    /// An MP4, also as a stream: an end before what its index names is damage.
    is_mov: bool,
    /// It has no index, and times are searched for.
    is_searched: bool,
    /// What a stream said about its length.
    promise: Option<Promise>,
    /// Streams whose packets' key flags are not to be believed, and who is asked instead.
    keys: Vec<(usize, keyframe::Test)>,
    /// Streams whose packets' times are not to be believed.
    counted: Vec<Counted>,
    /// Streams whose packets may not say how long they are.
    lengths: Vec<Lengths>,
    /// Streams of which a piece of a frame comes behind a seek.
    torn: Vec<Torn>,
    /// There is one of `counted` among those that are kept.
    counts: bool,
    /// Its packets have one time each, at which they are decoded.
    has_one_time: bool,
    /// Pictures whose packets do not say when they are shown.
    order: Option<Order>,
    /// Damaged packets by stream.
    damaged: BTreeMap<usize, u64>,
    warnings: Vec<String>,
    payloads: Payloads,
    verify: bool,
    zeros: Option<Arc<BufferRef>>,
    control: Control,
    /// Beside what its reader read.
    bytes_read: u64,
    /// How much of the source the operation reads from the place that it goes to; 0 where it reads no
    /// payload.
    expected: u64,
    /// Up to where that is, once its beginning was found.
    until: Option<u64>,
    /// No packet was read yet: it is at the start.
    fresh: bool,
}

/// What a demuxer holds of a stream beside its index, about.
const STREAM: u64 = 64 << 10;
/// The least size of the zeros that named packets show.
const ZEROS: usize = 16 << 20;

impl Demux {
    pub(super) fn new(
        input: Input,
        reader: SharedReader,
        source: Source,
        indexed: bool,
        demuxer: Demuxer,
    ) -> Result<Self> {
        let (mut keys, mut counted, mut lengths) = (Vec::new(), Vec::new(), Vec::new());
        let (mut untold, mut torn) = (Vec::new(), Vec::new());
        let (name, has_one_time) = (demuxer.name(), demuxer.has_one_time());
        let micros = Rational { num: 1, den: 1_000_000 };
        // Matroska's muxers state when the last packet ends, wherever the first begins.
        let end = input.duration().map(|length| Timestamp::from_ticks(length, micros));
        for index in 0..input.stream_count() {
            let Ok((kind, codec)) = input.codec(index) else { continue };
            keys.extend(keyframe::test_of(&codec).map(|test| (index, test)));
            torn.extend(Torn::of(index, &name, &codec));
            if has_one_time && kind == StreamKind::Video {
                untold.push((index, input.stream(index)?));
            }
            if kind != StreamKind::Audio || indexed {
                continue;
            }
            let Ok(stream) = input.stream(index) else { continue };
            if Counted::is_due(&name, &codec, &stream) {
                counted.push(Counted::new(index, &stream));
            } else {
                lengths.extend(Lengths::of(index, &stream, end));
            }
        }
        Ok(Self {
            input,
            keys,
            counted,
            lengths,
            torn,
            counts: false,
            has_one_time,
            order: Order::of(&untold)?,
            reader,
            source,
            indexed,
            is_mov: demuxer.is_mov(),
            is_searched: demuxer.is_searched(),
            promise: None,
            damaged: BTreeMap::new(),
            warnings: Vec::new(),
            payloads: Payloads::Read,
            verify: false,
            zeros: None,
            control: Control::default(),
            bytes_read: 0,
            expected: 0,
            until: None,
            fresh: true,
        })
    }

    /// Counts these streams by their blocks, whatever the container tells.
    pub(super) fn count_blocks(&mut self, streams: impl IntoIterator<Item = usize>) {
        for index in streams {
            let stream = self.input.stream(index).ok();
            self.counted.extend(stream.and_then(|stream| Counted::of_blocks(index, &stream)));
        }
    }

    /// Bytes that it holds, by estimate: those of its index.
    pub(super) fn memory(&self) -> u64 {
        let of = |i| mp4::SAMPLE.saturating_mul(self.input.index_len(i)).saturating_add(STREAM);
        (0..self.input.stream_count()).map(of).fold(0, u64::saturating_add)
    }

    /// For a new operation.
    pub(crate) fn begin(&mut self, keep: &[usize], payloads: Payloads, control: &Control) -> Result<()> {
        for index in 0..self.input.stream_count() {
            self.input.keep(index, keep.contains(&index))?;
        }
        self.input.bound_packets();
        self.counts = self.counted.iter().any(|it| keep.contains(&it.stream));
        self.verify = control.verifies();
        self.control = control.clone();
        self.payloads = payloads;
        self.expects(0);
        let elide = payloads == Payloads::Named && !self.verify;
        let io = self.input.io();
        io.set_control(control.clone());
        // Without AVIO's buffer in between, a payload read that finds nothing is seen.
        io.set_direct(self.indexed, elide);
        Ok(())
    }

    /// The next packet, in the order of the file; false at the end.
    pub(crate) fn read(&mut self, item: &mut Item) -> Result<bool> {
        let more = if self.order.is_some() { self.read_ordered(item) } else { self.read_unordered(item) };
        more.map_err(|e| e.named(self.source.name()))
    }

    /// Pictures whose packets do not say it are told when they are shown.
    fn read_ordered(&mut self, item: &mut Item) -> Result<bool> {
        loop {
            let Some(order) = &mut self.order else { return Ok(false) };
            if let Some(next) = order.next() {
                *item = next;
                return Ok(true);
            }
            if order.is_ended() {
                return Ok(false);
            }
            let more = self.read_unordered(item)?;
            let Some(order) = &mut self.order else { return Ok(more) };
            if !more {
                order.end();
            } else if order.passes(&item.packet) {
                return Ok(true);
            } else {
                let held = order.take(item.take()?);
                let most = self.control.get_limits().memory;
                let what =
                    || format!("pictures wait for those that are shown before them: more than {most} bytes");
                let of = |e: Error| match order.waits_for() {
                    Some(stream) => e.in_stream(stream),
                    None => e,
                };
                Limits::hold(held, most, "memory", what).map_err(of)?;
            }
        }
    }

    fn read_unordered(&mut self, item: &mut Item) -> Result<bool> {
        loop {
            let more = self.read_any(item)?;
            let torn = self.torn.iter_mut().find(|it| more && it.stream == item.packet.stream());
            if torn.is_none_or(|torn| torn.mend(&mut item.packet)) {
                return Ok(more);
            }
        }
    }

    fn read_any(&mut self, item: &mut Item) -> Result<bool> {
        self.fresh = false;
        item.at = None;
        let packet = &mut item.packet;
        let more = self.input.read(packet)?;
        let read = self.input.io().payload();
        if !more {
            if (self.indexed && read.ran_out) || (self.is_mov && self.ended_early()) {
                return Err(truncated(self.source.len()));
            }
            if self.source.len().is_none() {
                let len = self.input.io().position();
                self.warnings.extend(self.promise.and_then(|promise| promise.broken_by(len)));
            }
            return Ok(false);
        }
        if packet.is_encrypted() {
            let error = Error::unsupported("the stream is encrypted, and a copy of it could not be played");
            return Err(error.in_stream(packet.stream()));
        }
        if (self.indexed && read.ran_out) || (self.is_mov && packet.is_corrupt()) {
            return Err(truncated(self.source.len()).in_stream(packet.stream()));
        }
        if let Some((_, test)) = self.keys.iter().find(|(index, _)| *index == packet.stream())
            && let Some(key) = test(packet.data())
        {
            packet.set_key(key);
        }
        if let Some(counted) = self.counted.iter_mut().find(|it| it.stream == packet.stream()) {
            counted.place(packet);
        } else if let Some(lengths) = self.lengths.iter().find(|it| it.stream == packet.stream()) {
            lengths.tell(packet);
        }
        if let (true, None, Some(dts)) = (self.has_one_time, packet.pts(), packet.dts()) {
            packet.set_times(dts, dts, packet.duration());
        }
        if packet.is_corrupt() {
            let count = self.damaged.entry(packet.stream()).or_default();
            *count = count.saturating_add(1);
        }
        if self.payloads != Payloads::Named {
            let what = |most| format!("a packet has {} bytes, and the limit is {most}", packet.size());
            let held = self.control.get_limits().hold_packets(packet.size() as u64, 1, what);
            held.map_err(|e| e.in_stream(packet.stream()))?;
        }
        if self.payloads == Payloads::Read {
            return Ok(true);
        }
        let same = read.direct.filter(|d| {
            d.address == packet.address() && d.len == packet.size() && Some(d.at) == packet.pos()
        });
        match (same, read.direct) {
            (Some(read), _) => {
                if self.verify {
                    self.compare(packet, read.at)?;
                }
                if self.payloads == Payloads::Named {
                    self.name(packet)?;
                }
                item.at = Some(read.at);
            }
            // libav made something else of it, and needs the bytes.
            (None, Some(read)) if read.elided => {
                let (source, control, at) = (&self.source, &self.control, read.at);
                let len = read.len;
                packet.fill(|into| match into.get_mut(..len) {
                    Some(into) => {
                        into.copy_from_slice(&source.fetch(at, len, None, control)?);
                        Ok(())
                    }
                    None => Err(Error::unsupported("the demuxer changed a packet that was not read")),
                })?;
                self.bytes_read = self.bytes_read.saturating_add(len as u64);
            }
            _ => {}
        }
        Ok(true)
    }

    /// A stream that ended before what its index names. (In a file a read that finds nothing tells.)
    fn ended_early(&mut self) -> bool {
        self.source.len().is_none() && self.input.index_end() > Some(self.input.io().position())
    }

    /// What a stream said about its length is held against it when it ends.
    pub(super) fn expect(&mut self, promise: Option<Promise>) {
        self.promise = promise;
    }

    /// Forgets what an operation counted and did not ask for, so that the next one is not told.
    pub(super) fn forget(&mut self) {
        self.damaged.clear();
        self.warnings.clear();
        self.take_bytes_read();
    }

    /// What was wrong with what was read since the last call, though it was read. `copied`: it is in the
    /// result as it was.
    pub(crate) fn take_warnings(&mut self, copied: bool) -> Vec<String> {
        let mut warnings = std::mem::take(&mut self.warnings);
        for (stream, count) in std::mem::take(&mut self.damaged) {
            let packets = if count == 1 { "packet is" } else { "packets are" };
            let what = if copied { ", and copied as there" } else { "" };
            warnings
                .push(format!("stream {stream}: {count} {packets} damaged or cut short in the source{what}"));
        }
        warnings
    }

    /// Shows zeros instead of bytes that were never read.
    fn name(&mut self, packet: &mut Packet) -> Result<()> {
        let size = packet.size();
        if self.zeros.as_ref().is_none_or(|zeros| zeros.len() < size) {
            let len = size.max(ZEROS).next_power_of_two();
            // Never written to, so these cost address space and at most a page.
            let map =
                memmap2::MmapOptions::new().len(len).map_anon().and_then(memmap2::MmapMut::make_read_only);
            let map = map.map_err(|e| Error::io("no address space", e))?;
            self.zeros = Some(Arc::new(BufferRef::lend(map)?));
        }
        self.zeros.as_ref().map_or(Ok(()), |zeros| packet.take_over(zeros))
    }

    fn compare(&self, packet: &Packet, at: u64) -> Result<()> {
        if self.source.fetch(at, packet.size(), None, &self.control)? == packet.data() {
            return Ok(());
        }
        let message = format!("the packet at byte {at} is not what the demuxer delivers");
        Err(Error::new(crate::ErrorKind::Bug, message).in_stream(packet.stream()))
    }

    /// The operation will read about so much of the source from where it is, or goes to: a source that is far
    /// is asked for it ahead. (Not where payload is not read at all.)
    pub(crate) fn expects(&mut self, len: u64) {
        self.expected = if self.holds_payload() { len } else { 0 };
        self.until = None;
        self.reader.expect(self.expected);
    }

    /// Goes to the last keyframe of this stream at or before a timestamp; false where libav can't.
    pub(crate) fn seek(&mut self, stream: usize, ticks: i64) -> Result<bool> {
        self.fresh = false;
        if !(self.is_searched && self.is_seekable()) {
            return self.go(|input| input.seek(stream, ticks));
        }
        self.restart();
        let (expected, len) = (self.expected, self.source.len().unwrap_or(0));
        let mut search =
            Search { input: &mut self.input, reader: &self.reader, expected, until: &mut self.until };
        let there = search.narrow(len, stream, ticks).and_then(|()| self.input.seek(stream, ticks));
        there.map_err(|e| e.named(self.source.name()))
    }

    /// From somewhere else on.
    fn restart(&mut self) {
        self.counted.iter_mut().for_each(Counted::restart);
        self.torn.iter_mut().for_each(Torn::restart);
        self.order.iter_mut().for_each(Order::restart);
    }

    /// Goes somewhere. What libav reads on its way is here and there, and in order again from there on.
    fn go(&mut self, way: impl FnOnce(&mut Input) -> Result<bool>) -> Result<bool> {
        self.restart();
        self.reader.expect(0);
        let there = way(&mut self.input).map_err(|e| e.named(self.source.name()))?;
        self.reader.expect(self.expected);
        Ok(there)
    }

    /// Whether times are told only by counting from the first packet on: seeking is for going there.
    pub(crate) fn counts_times(&self) -> bool {
        self.counts
    }

    /// The dts of a stream's last packet in the demuxer's index.
    pub(crate) fn last_indexed(&self, index: usize) -> Option<i64> {
        self.input.last_indexed(index)
    }

    /// The dts of a stream's first packet in the demuxer's index.
    pub(crate) fn first_indexed(&self, index: usize) -> Option<i64> {
        self.input.first_indexed(index)
    }

    /// The dts of the last keyframe in the demuxer's index at or before a time.
    pub(crate) fn keyframe_before(&self, stream: usize, ticks: i64) -> Option<i64> {
        self.input.keyframe_before(stream, ticks)
    }

    /// Whether its packets have their bytes in memory.
    pub(crate) fn holds_payload(&self) -> bool {
        self.payloads != Payloads::Named
    }

    /// Whether it can go back.
    pub(super) fn is_seekable(&self) -> bool {
        self.source.is_seekable()
    }

    pub(crate) fn is_fresh(&self) -> bool {
        self.fresh
    }

    pub(crate) fn rewind(&mut self) -> Result<bool> {
        self.go(Input::rewind)
    }

    /// Bytes that were read from the source since the last call.
    pub(crate) fn take_bytes_read(&mut self) -> u64 {
        std::mem::take(&mut self.bytes_read).saturating_add(self.reader.take_fetched())
    }
}

fn truncated(len: Option<u64>) -> Error {
    let what = match len {
        Some(len) => format!("the index points past the end of {len} bytes: the file was cut short"),
        None => "the stream ended before the media that its index names: it was cut short".into(),
    };
    Error::corrupt(what).advise("fetch or copy it again")
}
