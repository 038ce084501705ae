//! A packet's way through a part: whether it is kept, where it lies on the output's clock, and into the muxer.

use super::{Copy, REPORT_EVERY, decoding, of_stream};
use crate::{
    Error, Limits, Result,
    av::stream::StreamKind,
    edit::lane::{Fate, Passes},
    job::Stage,
    media::Item,
    output::target::Origin,
    time::Timestamp,
};

impl Copy<'_, '_> {
    pub(super) fn take(&mut self, item: &mut Item) -> Result<()> {
        self.cut_samples(item);
        let packet = &mut item.packet;
        let exact = self.session.target.has_edit_lists();
        let Some(index) = self.lanes.iter().position(|lane| lane.stream == packet.stream()) else {
            return Ok(());
        };
        let Some(lane) = self.lanes.get_mut(index) else {
            return Ok(());
        };
        if let Some(parameters) = packet.new_extradata().filter(|_| self.media.is_edited())
            && self.media.streams().get(lane.stream).is_some_and(|stream| stream.extradata() != parameters)
        {
            let error = Error::unsupported(
                "the codec's parameters change in mid-stream (several sample descriptions)",
            );
            return Err(error.in_stream(lane.stream).advise("transcode it"));
        }
        let fate = if lane.leads(packet) {
            Fate::LeftOut
        } else if exact && !lane.cuts_samples {
            lane.fate_in_run(packet)
        } else if lane.kind == StreamKind::Video {
            let may_lack_key = !self.media.demuxer().is_mov() && self.part.from > Timestamp::ZERO;
            lane.fate_of_picture(packet, may_lack_key)
        } else {
            // What is cut at its samples is as long as it is.
            let by_frames = self.part.whole_frames && (lane.kind != StreamKind::Audio || lane.whole_frames);
            lane.fate_of_rest(packet, by_frames, self.part.last)
        };
        match fate {
            Fate::LeftOut => Ok(()),
            Fate::HeldBack => {
                self.held = self.held.saturating_add(packet.memory());
                lane.held.push(item.take()?);
                let stream = lane.stream;
                self.hold(stream, "pictures behind the range's end are held until none inside can follow")
            }
            Fate::Written => {
                if !lane.held.is_empty() {
                    self.release(index, true)?;
                }
                self.emit(index, item)
            }
        }
    }

    /// An error for more memory than may be held; `what` is, of this stream.
    pub(super) fn hold(&self, stream: usize, what: &str) -> Result<()> {
        let (held, most) =
            (self.held.saturating_add(self.session.seams.held), self.session.control.get_limits().memory);
        Limits::hold(held, most, "memory", || format!("{what}: more than {most} bytes"))
            .map_err(|e| e.in_stream(stream))
    }

    /// Writes or drops what was held back.
    pub(super) fn release(&mut self, index: usize, keep: bool) -> Result<()> {
        let Some(lane) = self.lanes.get_mut(index) else {
            return Ok(());
        };
        let held = std::mem::take(&mut lane.held);
        if keep {
            lane.beyond = lane.beyond.saturating_add(held.len());
        }
        for mut item in held {
            self.held = self.held.saturating_sub(item.packet.memory());
            if keep {
                self.emit(index, &mut item)?;
            }
        }
        Ok(())
    }

    pub(super) fn emit(&mut self, index: usize, item: &mut Item) -> Result<()> {
        let Some(lane) = self.lanes.get_mut(index) else {
            return Ok(());
        };
        let packet = &mut item.packet;
        if let Some(why) = lane.refuses(packet) {
            self.session.report.warn(why);
            return Ok(());
        }
        decoding::decode_early(lane, packet);
        decoding::flag_key(lane, self.media, packet);
        let stream = lane.stream;
        if let Some((_, headers)) = self.session.headers.iter_mut().find(|(of, _)| *of == stream) {
            headers.put(self.media, item, self.session.control)?;
        }
        let packet = &mut item.packet;
        let passes = lane.measure(packet);
        if self.session.target.has_edit_lists() {
            self.place_in_run(index, packet, passes);
        } else {
            let shift = self.shift_by_time(index, packet, passes);
            if self.waits_for_seam(index, item, passes, shift)? {
                return Ok(());
            }
            self.place_by_time(index, &mut item.packet, passes, shift);
        }
        self.write(index, item)?;
        if index == 0 { self.tell_progress(passes) } else { Ok(()) }
    }

    pub(super) fn write(&mut self, index: usize, item: &mut Item) -> Result<()> {
        let Some(lane) = self.lanes.get(index) else {
            return Ok(());
        };
        let origin = item.at.map(|at| Origin { source: self.media.source(), at });
        self.count = self.count.saturating_add(1);
        self.session
            .target
            .write(lane.track, &mut item.packet, origin, self.session.report)
            .map_err(|e| of_stream(e, lane.stream))
    }

    /// Tells how far the primary stream is come.
    fn tell_progress(&self, passes: Passes) -> Result<()> {
        if self.count % REPORT_EVERY >= 2 {
            return Ok(());
        }
        let place = self.lanes.first().and_then(|lane| Some((lane.spans.first()?, lane.base, passes.time?)));
        let Some((span, base, time)) = place else { return Ok(()) };
        let done = span.shown_at(time, base).plus(self.shift);
        let of = |t: Timestamp| u64::try_from(t.nanos()).unwrap_or(0);
        let total = if self.session.total == Timestamp::MAX { 0 } else { of(self.session.total) };
        let done = if total == 0 { of(done) } else { of(done).min(total) };
        self.session.control.report(Stage::Copy, done, total)
    }
}
