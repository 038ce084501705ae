//! A closer look: what only the payload tells.

use super::{
    Media, MediaInfo, StreamInfo, Timeline, begins_decoding, demux::Payloads, extent::average_rate,
    info::DurationFrom, item::Item, open::context,
};
use crate::{
    Control, Error, ErrorKind, Result, Timestamp,
    av::{
        input::OpenOptions,
        packet::Packet,
        stream::{Stream, StreamKind},
    },
};

/// An edit list may show each of them many times over.
const MOST_KEYFRAMES: usize = 1 << 20;

/// Entries of an edit list that libav is let to apply.
const MOST_EDITS: usize = 16;

/// What the packets of a stream tell.
struct Scanned {
    stream: usize,
    /// When its keyframes are shown.
    keyframes: Vec<Timestamp>,
    /// One of its packets is flagged as a key.
    flagged: bool,
    /// When its first packet is shown, and when the one that ends last ends.
    shown: Option<(Timestamp, Timestamp)>,
    /// Pts, dts and duration of the last packet: the next one's dts says how long it lasts.
    last: Option<(i64, i64, i64)>,
}

impl Scanned {
    fn of(stream: usize) -> Self {
        let (keyframes, flagged) = (Vec::new(), false);
        Self { stream, keyframes, flagged, shown: None, last: None }
    }

    /// Counts the packet before this one, which lasts until `dts` where it does not say how long.
    fn measure(&mut self, next: Option<(i64, i64, i64)>, dts: i64, timeline: &Timeline, start: Timestamp) {
        let last = std::mem::replace(&mut self.last, next);
        if let (Some((pts, since, duration)), Some(span)) = (last, timeline.spans.last()) {
            let lasts = if duration > 0 { duration } else { dts.saturating_sub(since).max(0) };
            let at = |ticks| span.shown_at(ticks, timeline.base).minus(start);
            let (first, end) = (at(pts).max(Timestamp::ZERO), at(pts.saturating_add(lasts)));
            let (earliest, latest) = self.shown.unwrap_or((first, end));
            self.shown = Some((earliest.min(first), latest.max(end)));
        }
    }

    /// Takes note of a packet. Where none is flagged, the bitstream is asked.
    fn take(
        &mut self,
        packet: &Packet,
        stream: &Stream,
        timeline: &Timeline,
        start: Timestamp,
        has_payload: bool,
    ) -> Result<()> {
        let Some(pts) = packet.pts().or(packet.dts()) else { return Ok(()) };
        let dts = packet.dts().unwrap_or(pts);
        self.measure(Some((pts, dts, packet.duration())), dts, timeline, start);
        if packet.is_key() && !self.flagged {
            self.flagged = true;
            self.keyframes.clear();
        }
        let begins = || has_payload && begins_decoding(stream, packet.data()) == Some(true);
        if stream.kind() != StreamKind::Video || !(packet.is_key() || !self.flagged && begins()) {
            return Ok(());
        }
        // An edit list may show a frame several times, or never.
        for span in &timeline.spans {
            let shown = span.shown_at(pts, timeline.base);
            if shown >= span.shown && shown < span.shown_end() {
                if self.keyframes.len() >= MOST_KEYFRAMES {
                    let message = format!("more than {MOST_KEYFRAMES} keyframes are shown");
                    return Err(Error::new(ErrorKind::LimitExceeded, message));
                }
                self.keyframes.push(shown.minus(start));
            }
        }
        Ok(())
    }
}

impl Media {
    /// Looks into the payload for what the header does not say (pixel format, profile, colour, frame rate),
    /// in a demuxer context of its own, and lists when the video's keyframes are shown. For MP4 the latter
    /// costs a walk over the index; other containers are read to the end, and so are the fragments of an MP4
    /// whose index does not say how long they are. Of a file that was cut short, what is there is listed, and
    /// [`warnings`](MediaInfo::warnings) say so.
    ///
    /// On a stream (see [`Source::from_reader`](crate::Source::from_reader)) it returns what
    /// [`info`](Self::info) does.
    pub fn probe(&self, control: &Control) -> Result<MediaInfo> {
        crate::av::log::ours(|| self.look_closer(control))
    }

    /// Its streams as libav finds them by their first packets: an MP4 does not say all of them in its index.
    pub(crate) fn looked_into(&self, control: &Control) -> Result<Vec<Stream>> {
        let inner = self.inner();
        if !inner.options.raw || !inner.source.is_seekable() {
            return inner.streams.iter().map(Stream::again).collect();
        }
        let many = inner.timelines.iter().any(|timeline| timeline.spans.len() > MOST_EDITS);
        let options = OpenOptions { ignore_edit_lists: many, raw: false, ..inner.options };
        let probed = context(&inner.source, inner.demuxer, options, control);
        let probed = probed.map_err(|e| e.named(inner.source.name()))?;
        (0..probed.input.stream_count()).map(|i| probed.input.stream(i)).collect()
    }

    fn look_closer(&self, control: &Control) -> Result<MediaInfo> {
        let inner = self.inner();
        let mut info = inner.info.clone();
        if !inner.source.is_seekable() {
            return Ok(info);
        }
        let named = |e: crate::Error| e.named(inner.source.name());
        if inner.options.raw {
            // libav makes an index of what each entry of an edit list shows, from the keyframe before it on.
            let many = inner.timelines.iter().any(|timeline| timeline.spans.len() > MOST_EDITS);
            let options = OpenOptions { ignore_edit_lists: many, raw: false, ..inner.options };
            let probed = context(&inner.source, inner.demuxer, options, control).map_err(named)?;
            for (i, known) in info.streams.iter_mut().enumerate().take(probed.input.stream_count()) {
                let found = StreamInfo::of(i, &probed.input.stream(i)?);
                *known = StreamInfo { start_time: known.start_time, duration: known.duration, ..found };
            }
        }
        let moving = |s: &StreamInfo| {
            s.kind == StreamKind::Video
                && s.width.is_some()
                && !s.disposition.iter().any(|d| d == "attached_pic")
        };
        // Fragments say how long they are one by one, and their index often does not.
        let measures = |s: &StreamInfo| {
            inner.fragmented && info.duration.is_none() && (moving(s) || s.kind == StreamKind::Audio)
        };
        let wanted = info.streams.iter().filter(|s| moving(s) || measures(s));
        let scanned = self.scanned(wanted.map(|s| s.index).collect(), control).map_err(named)?;
        let measured = info.streams.iter().any(measures);
        for scanned in scanned {
            let Some(stream) = info.streams.get_mut(scanned.stream) else { continue };
            if moving(stream) {
                stream.keyframes = Some(scanned.keyframes);
            }
            if let Some((first, end)) = scanned.shown.filter(|_| measured) {
                (stream.start_time, stream.duration) = (Some(first), Some(end.duration_since(first)));
                info.duration = info.duration.max(Some(end.length()));
                info.duration_from = Some(DurationFrom::Packets);
            }
        }
        info.bit_rate = info.bit_rate.or_else(|| average_rate(info.size, info.duration));
        Ok(info)
    }

    /// What reading these streams to their end tells.
    fn scanned(&self, streams: Vec<usize>, control: &Control) -> Result<Vec<Scanned>> {
        let mut scanned: Vec<_> = streams.into_iter().map(Scanned::of).collect();
        if scanned.is_empty() {
            return Ok(scanned);
        }
        let mut loan = self.demux(control, false)?;
        let outcome = self.scan(loan.get()?, &mut scanned, control);
        if outcome.is_err() || self.inner().cut_short {
            loan.spoil();
        }
        outcome?;
        scanned.iter_mut().for_each(|scanned| scanned.keyframes.sort_unstable());
        Ok(scanned)
    }

    fn scan(&self, demux: &mut super::Demux, scanned: &mut [Scanned], control: &Control) -> Result<()> {
        let streams: Vec<usize> = scanned.iter().map(|scanned| scanned.stream).collect();
        let blind = streams.iter().all(|i| self.streams().get(*i).is_some_and(Stream::is_blind));
        let payloads = if self.is_indexed() && blind { Payloads::Named } else { Payloads::Read };
        demux.begin(&streams, payloads, control)?;
        self.to_start(demux, &streams)?;
        let mut item = Item::new()?;
        loop {
            match demux.read(&mut item) {
                Ok(true) => {}
                Ok(false) => break,
                // Opening has said so.
                Err(e) if self.inner().cut_short && e.kind() == ErrorKind::Corrupt => break,
                Err(e) => return Err(e),
            }
            control.check()?;
            let packet = &item.packet;
            let index = packet.stream();
            let slot = scanned.iter_mut().find(|scanned| scanned.stream == index);
            let (Some(slot), Some(timeline), Some(stream)) =
                (slot, self.timeline(index), self.streams().get(index))
            else {
                continue;
            };
            slot.take(packet, stream, timeline, self.start(), demux.holds_payload())
                .map_err(|e| e.in_stream(index))?;
        }
        for scanned in scanned {
            // By now the demuxer has seen the lengths of all samples, the last one's too.
            let decoded = demux.input.stream(scanned.stream)?.duration().unwrap_or(0);
            if let Some(timeline) = self.timeline(scanned.stream) {
                scanned.measure(None, decoded, timeline, self.start());
            }
        }
        Ok(())
    }

    /// Puts a context that was used before to the first packet.
    pub(crate) fn to_start(&self, demux: &mut super::Demux, streams: &[usize]) -> Result<()> {
        let Some(primary) = self.primary(streams).filter(|_| !demux.is_fresh()) else {
            return Ok(());
        };
        let start = self.timeline(primary).map_or(0, |timeline| self.start().ticks(timeline.base));
        let begins = |i: &usize| {
            let ticks = demux.first_indexed(*i);
            ticks.zip(self.timeline(*i)).map(|(ticks, timeline)| Timestamp::from_ticks(ticks, timeline.base))
        };
        let earliest = streams.iter().copied().filter(|i| begins(i).is_some()).min_by_key(begins);
        let sooner = earliest.filter(|earliest| begins(earliest) < begins(&primary));
        let there = if self.demuxer().is_mov() {
            // The other streams go to their samples at or before the one that is found: the stream that
            // begins first leads.
            demux.seek(earliest.unwrap_or(primary), i64::MIN / 4)?
        } else if let Some(sooner) = sooner.filter(|_| self.seeks_by_index())
            && let Some(timeline) = self.timeline(sooner)
            && demux.seek(sooner, self.start().ticks(timeline.base))?
        {
            // What it has lies in front of where the index of one leads that begins later.
            true
        } else if self.seeks_by_index() && demux.seek(primary, start)? {
            true
        } else {
            demux.rewind()? || demux.seek(primary, start)?
        };
        if there {
            Ok(())
        } else {
            Err(Error::unsupported("libav can't go back to the start of this source"))
        }
    }

    /// Whether this container has an index of times, so that a seek to its start is exact and one by bytes
    /// may not be.
    fn seeks_by_index(&self) -> bool {
        let known = [
            "matroska", "flv", "avi", "asf", "mxf", "nut", "wav", "w64", "aiff", "au", "caf", "ogg", "tta",
            "voc", "wtv", "wv",
        ];
        self.demuxer().name().split(',').any(|name| known.contains(&name))
    }
}
