//! Packets into an output, and its end.

use super::{Device, FILL, Layout, Origin, Target, streams};
use crate::{
    Error, ErrorKind, Report, Result, Rope,
    av::{input::RawChapter, packet::Packet},
    io::PartialFile,
    media::Span,
    output::{index, track::Held},
    time::{Rational, Timestamp},
};
use std::sync::PoisonError;

impl Target {
    /// Writes a packet whose times are on the output's clock, in `base`.
    pub(crate) fn write_placed(
        &mut self,
        track: usize,
        packet: &mut Packet,
        base: Rational,
        origin: Option<Origin<'_>>,
        report: &mut Report,
    ) -> Result<()> {
        if packet.size() == 0 && packet.new_extradata().is_some() && !self.muxer.takes_late_configuration() {
            // FLAC's encoder says its last word; others would write an empty frame.
            return Ok(());
        }
        let exact = self.edit_lists;
        let Some((clock, later)) = self.tracks.get_mut(track).map(|track| (&mut track.clock, track.later))
        else {
            return Err(Error::new(ErrorKind::Bug, "a packet for a track that is not there"));
        };
        if exact {
            clock.place_behind(packet, base);
            let at = Timestamp::from_ticks(packet.dts().unwrap_or(0), clock.base());
            self.interleaver.put(track, self.tracks.len(), at, Held::of(packet.take()?, origin));
            return self.write_next(false, report);
        }
        clock.place_at(packet, base, later);
        let base = clock.base();
        if let Some(bound) = self.bound {
            self.bind(packet, bound.ticks(base), report);
        }
        self.write(track, packet, origin, report)?;
        if self.layout == Layout::FragmentPerFrame { self.end_fragment() } else { Ok(()) }
    }

    /// Writes the packets whose turn has come. `ended`: no more will come.
    fn write_next(&mut self, ended: bool, report: &mut Report) -> Result<()> {
        loop {
            let tracks = &self.tracks;
            let waits = |track: usize| !ended && tracks.get(track).is_some_and(|track| !track.sparse);
            let Some((track, mut held)) = self.interleaver.next(waits) else { return Ok(()) };
            let (packet, origin) = held.parts();
            self.write(track, packet, origin, report)?;
        }
    }

    /// Lets a packet end where the file has to.
    fn bind(&self, packet: &mut Packet, end: i64, report: &mut Report) {
        let Some(pts) = packet.pts().filter(|pts| pts.saturating_add(packet.duration()) > end) else {
            return;
        };
        packet.set_duration(end.saturating_sub(pts).max(0));
        if pts > end {
            report.warn(format!(
                "{}: something is shown behind the end of the sound (tta), whose last frame is not found then: up to a \
                 second of it is lost; encode the sound as flac",
                self.name
            ));
        }
    }

    /// Writes a cover, which belongs to the whole and not to the clock. Where it is an attachment, the header
    /// has it.
    pub(crate) fn write_cover(&mut self, track: usize, picture: &Packet, report: &mut Report) -> Result<()> {
        if self.muxer.carries_files() {
            return Ok(());
        }
        let mut packet = picture.share()?;
        packet.set_times(0, 0, 0);
        let before = report.payload_copied;
        self.write(track, &mut packet, None, report)?;
        // It is metadata, not payload.
        report.payload_copied = before;
        Ok(())
    }

    /// What is there leaves now: neither the next frame nor a full buffer is waited for.
    fn end_fragment(&mut self) -> Result<()> {
        // The index in front of all tells where each track begins.
        if self.tracks.iter().any(|track| track.packets == 0 && !track.sparse) {
            return Ok(());
        }
        if let Some(output) = &mut self.output {
            output.end_fragment()?;
        }
        if let Device::Stream(out) = &self.device {
            out.device.lock().unwrap_or_else(PoisonError::into_inner).flush(&self.control)?;
        }
        Ok(())
    }

    /// States that a track whose packets were [`write_placed`](Self::write_placed) is shown from one instant
    /// to another.
    pub(crate) fn show(&mut self, track: usize, from: Timestamp, to: Timestamp, base: Rational) {
        if let Some(track) = self.tracks.get_mut(track) {
            let from = from.max(Timestamp::ZERO);
            let len = to.minus(from);
            track.clock.show(Span { shown: from, len, media: from.ticks(base) }, from, len, base);
        }
    }

    /// Chapters of a further source.
    pub(crate) fn add_chapters(&mut self, chapters: Vec<RawChapter>, report: &mut Report) {
        if !chapters.is_empty() && !self.has_late_chapters() {
            report.warn(format!("{}: only the first input's chapters are kept", self.name));
        }
        self.chapters.extend(chapters);
    }

    /// Writes what is held: nothing follows.
    fn release(&mut self, report: &mut Report) -> Result<()> {
        self.write_next(true, report)?;
        for track in 0..self.tracks.len() {
            if let Some(mut held) = self.tracks.get_mut(track).and_then(|track| track.held.take()) {
                let (packet, origin) = held.parts();
                self.write_now(track, packet, origin, true, report)?;
            }
        }
        Ok(())
    }

    /// The packets that follow come from elsewhere: in a rope of an MP4 they begin a new chunk, so that
    /// `layout` may move them to where their source's blocks fit.
    pub(crate) fn begin_part(&mut self) -> Result<()> {
        let begun = self.tracks.iter().any(|track| track.packets > 0);
        match (&self.device, self.output.as_mut()) {
            (Device::Rope(_), Some(output)) if begun && self.edit_lists => {
                self.filled = self.filled.saturating_add(FILL.len() as u64);
                output.fill(&FILL)
            }
            _ => Ok(()),
        }
    }

    /// Writes a packet, whose times are set, to a track.
    pub(crate) fn write(
        &mut self,
        track: usize,
        packet: &mut Packet,
        origin: Option<Origin<'_>>,
        report: &mut Report,
    ) -> Result<()> {
        let Some(it) = self.tracks.get_mut(track) else {
            return Err(Error::new(ErrorKind::Bug, "a packet for a track that is not there"));
        };
        it.packets = it.packets.saturating_add(1);
        if it.numbers.is_none() {
            return self.write_now(track, packet, origin, false, report);
        }
        match it.held.replace(Held::of(packet.take()?, origin)) {
            Some(mut held) => {
                let (packet, origin) = held.parts();
                self.write_now(track, packet, origin, false, report)
            }
            None => Ok(()),
        }
    }

    #[inline(always)]
    fn write_now(
        &mut self,
        track: usize,
        packet: &mut Packet,
        origin: Option<Origin<'_>>,
        last: bool,
        report: &mut Report,
    ) -> Result<()> {
        let (Some(output), Some(track)) = (self.output.as_mut(), self.tracks.get_mut(track)) else {
            return Err(Error::new(ErrorKind::Bug, "a packet for a track that is not there"));
        };
        let mut origin = origin;
        if !track.head.is_empty() && packet.is_key() && !streams::has_head(packet.data()) {
            *packet = packet.with_data(&[track.head.as_slice(), packet.data()].concat())?;
            origin = None;
        }
        let size = packet.size() as u64;
        let renumbered = match &mut track.numbers {
            Some(numbers) => numbers.next(packet, last)?,
            None => false,
        };
        packet.set_stream(track.index);
        let origin = origin.filter(|_| !renumbered);
        if let (Some(origin), Device::Rope(device)) = (origin, &self.device)
            && !self.source.as_ref().is_some_and(|source| source.is_same(origin.source))
        {
            device.set_source(origin.source);
            self.source = Some(origin.source.clone());
        }
        let unread = packet.is_stood_in_for();
        let shared = output.write(packet, origin.map(|origin| origin.at))?;
        if unread && shared != size {
            // What stood in for the payload would be in the result.
            let message =
                format!("the muxer did not take a packet of {size} bytes that was not read as it is");
            return Err(Error::new(ErrorKind::Bug, message));
        }
        report.packets = report.packets.saturating_add(1);
        report.payload_shared = report.payload_shared.saturating_add(shared.min(size));
        report.payload_copied = report.payload_copied.saturating_add(size.saturating_sub(shared));
        self.control.get_limits().hold_written(report.packets)
    }

    /// Ends the muxer's work.
    pub(super) fn end(&mut self, report: &mut Report) -> Result<()> {
        self.release(report)?;
        for track in &self.tracks {
            let stream = self.templates.get(track.index).copied().unwrap_or(track.index);
            let mut repairs = track.clock.repairs;
            if !self.stores_dts() {
                repairs.missing_dts = 0;
            }
            for (count, what) in [
                (repairs.missing_pts, "packets had no pts; it was made from the dts"),
                (repairs.missing_dts, "packets had no dts; it was estimated"),
                (repairs.late_dts, "packets had a dts behind their pts; it was moved back"),
                (repairs.far_pts, "packets had a pts too far from their dts; it was made from the dts"),
                (repairs.backward_dts, "packets had a dts that repeats or goes back; it was moved forward"),
            ] {
                if count > 0 {
                    report.warn(format!("stream {stream}: {count} {what}"));
                }
            }
        }
        if self.tracks.iter().all(|track| track.packets == 0) {
            return Err(Error::corrupt("there is not a single packet in it"));
        }
        let output = self.output.take();
        let mut output = output.ok_or_else(|| Error::new(ErrorKind::Bug, "the output was ended twice"))?;
        if self.has_late_chapters() {
            for (id, chapter) in self.chapters.iter().enumerate() {
                output.add_chapter(i64::try_from(id).unwrap_or(i64::MAX), chapter, self.strip)?;
            }
        }
        for track in &self.tracks {
            let Some(numbers) = &track.numbers else { continue };
            let stream = self.templates.get(track.index).copied().unwrap_or(track.index);
            numbers.warnings().into_iter().for_each(|what| report.warn(format!("stream {stream}: {what}")));
            if let Some(configuration) =
                numbers.configuration().filter(|_| self.seeks && self.muxer.name() == "flac")
            {
                let mut packet = Packet::with_extradata(&configuration)?;
                packet.set_stream(track.index);
                let end = track.clock.end().ticks(track.clock.base());
                packet.set_times(end, end, 0);
                output.write(&mut packet, None)?;
            }
        }
        output.finish()
    }

    pub(crate) fn into_rope(mut self, report: &mut Report) -> Result<Rope> {
        if let Some(finished) = self.finished {
            return Ok(finished);
        }
        if let Some(index) = self.index.take() {
            return self.end_tables(*index, report);
        }
        self.end(report)?;
        let Device::Rope(device) = &self.device else {
            return Err(Error::new(ErrorKind::Bug, "this is no rope"));
        };
        let rope = device.take().finish();
        if !self.edit_lists {
            return Ok(rope);
        }
        index::index_first(&rope, &self.tracks, self.filled, self.control.get_limits())
    }

    pub(crate) fn into_file(mut self, report: &mut Report) -> Result<PartialFile> {
        self.end(report)?;
        let Device::File(device) = &self.device else {
            return Err(Error::new(ErrorKind::Bug, "this is no file"));
        };
        let mut file = device.take()?;
        if self.edit_lists && !index::index_first_in_file(&mut file, &self.tracks)? {
            report.warn(
                "the index (moov) is at the end of the file: this file system can't insert it at the front \
                 without a copy",
            );
        }
        Ok(file)
    }

    pub(crate) fn into_stream(mut self, report: &mut Report) -> Result<()> {
        self.end(report)
    }
}
