//! A closer look: what only the payload tells.

use super::{Media, MediaInfo, StreamInfo, demux::Payloads, open::context};
use crate::{
    Control, Error, ErrorKind, Result, Timestamp,
    av::{input::OpenOptions, packet::Packet, stream::StreamKind},
};

/// An edit list may show each of them many times over.
const MOST_KEYFRAMES: usize = 1 << 20;

/// Entries of an edit list that libav is let to apply.
const MOST_EDITS: usize = 16;

impl Media {
    /// Looks into the payload for what the header does not say (pixel format, profile, colour, frame rate), in a demuxer
    /// context of its own, and lists when the video's keyframes are shown. For MP4 the latter costs a walk over the index;
    /// other containers are read to the end. Of a file that was cut short, what is there is listed, and
    /// [`warnings`](MediaInfo::warnings) say so.
    ///
    /// On a stream (see [`Source::from_reader`](crate::Source::from_reader)) it returns what [`info`](Self::info) does.
    pub fn probe(&self, control: &Control) -> Result<MediaInfo> {
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
        let videos: Vec<usize> = info.streams.iter().filter(|s| moving(s)).map(|s| s.index).collect();
        let keyframes = self.keyframes(&videos, control).map_err(named)?;
        for (index, times) in videos.into_iter().zip(keyframes) {
            if let Some(stream) = info.streams.get_mut(index) {
                stream.keyframes = Some(times);
            }
        }
        Ok(info)
    }

    /// When the keyframes of these streams are shown.
    fn keyframes(&self, streams: &[usize], control: &Control) -> Result<Vec<Vec<Timestamp>>> {
        let mut found = vec![Vec::new(); streams.len()];
        if streams.is_empty() {
            return Ok(found);
        }
        let mut loan = self.demux(control, false)?;
        let outcome = self.scan(loan.get()?, streams, &mut found, control);
        if outcome.is_err() || self.inner().cut_short {
            loan.spoil();
        }
        outcome?;
        found.iter_mut().for_each(|times| times.sort_unstable());
        Ok(found)
    }

    fn scan(
        &self,
        demux: &mut super::Demux,
        streams: &[usize],
        found: &mut [Vec<Timestamp>],
        control: &Control,
    ) -> Result<()> {
        let blind =
            streams.iter().all(|i| self.streams().get(*i).is_some_and(crate::av::stream::Stream::is_blind));
        let payloads = if self.is_indexed() && blind { Payloads::Named } else { Payloads::Read };
        demux.begin(streams, payloads, control)?;
        self.to_start(demux, streams)?;
        let mut packet = Packet::new()?;
        loop {
            match demux.read(&mut packet) {
                Ok(Some(_)) => {}
                Ok(None) => break,
                // Opening has said so.
                Err(e) if self.inner().cut_short && e.kind() == ErrorKind::Corrupt => break,
                Err(e) => return Err(e),
            }
            control.check()?;
            let slot = streams.iter().position(|s| *s == packet.stream());
            let time = packet.pts().or(packet.dts());
            let (Some(times), Some(pts), true) = (slot.and_then(|i| found.get_mut(i)), time, packet.is_key())
            else {
                continue;
            };
            let Some(timeline) = self.timeline(packet.stream()) else {
                continue;
            };
            // An edit list may show a frame several times, or never.
            for span in &timeline.spans {
                let shown = span.shown_at(pts, timeline.base);
                if shown >= span.shown && shown < span.shown_end() {
                    if times.len() >= MOST_KEYFRAMES {
                        let message = format!("more than {MOST_KEYFRAMES} keyframes are shown");
                        return Err(Error::new(ErrorKind::LimitExceeded, message).in_stream(packet.stream()));
                    }
                    times.push(shown.minus(self.start()));
                }
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
        let there = if self.demuxer().is_mov() {
            // In MP4 each stream goes to its sample at or before the time: the earliest there is means the first.
            demux.seek(primary, i64::MIN / 4)?
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

    /// Whether this container has an index of times, so that a seek to its start is exact and one by bytes may not be.
    fn seeks_by_index(&self) -> bool {
        let known =
            ["matroska", "flv", "avi", "asf", "mxf", "nut", "wav", "w64", "aiff", "au", "caf", "ogg", "wtv"];
        self.demuxer().name().split(',').any(|name| known.contains(&name))
    }
}
