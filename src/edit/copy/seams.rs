//! Where parts meet on a track without an edit list, and packets of sound are long: which of them are heard
//! there.

use super::{Copy, Session, of_stream};
use crate::{
    Result, Source,
    av::{packet::Packet, stream::StreamKind},
    edit::lane::{LEFT_OUT, Passes},
    media::Item,
    output::target::Origin,
    time::{ROUNDING, Rational, Timestamp},
};
use std::collections::BTreeMap;

/// The last long packets of sound of a part. With the next part's first it is known how far they are heard.
#[derive(Default)]
pub(in crate::edit) struct Seams {
    /// By track.
    waiting: BTreeMap<usize, Vec<Waiting>>,
    /// Bytes of memory that they take.
    pub(super) held: u64,
    /// Where the last part's sound ended, by track.
    ended: BTreeMap<usize, Ended>,
    /// How much of the sound inside ranges is left out at one of their borders, at most; by stream.
    left_out: BTreeMap<usize, Timestamp>,
}

/// A packet whose end is not known, on the output's clock.
struct Waiting {
    item: Item,
    source: Source,
    at: Timestamp,
    end: Timestamp,
    /// Of its own times.
    base: Rational,
    shift: Timestamp,
    samples: Rational,
    stream: usize,
}

/// Where a part's sound ends, for what comes behind the seam.
struct Ended {
    stream: usize,
    /// From the file's clock to the output's.
    shift: Timestamp,
    /// How far it is heard, on the file's clock.
    heard: Timestamp,
    /// How much of the range behind that is not.
    left_out: Timestamp,
}

impl Copy<'_, '_> {
    /// Whether a packet of sound waits for the part behind the seam. The first of a part ends what waits for
    /// it.
    pub(super) fn waits_for_seam(
        &mut self,
        index: usize,
        item: &mut Item,
        passes: Passes,
        shift: Timestamp,
    ) -> Result<bool> {
        let Some(lane) = self.lanes.get_mut(index) else { return Ok(false) };
        let Some(time) = passes.time.filter(|_| lane.kind == StreamKind::Audio) else { return Ok(false) };
        let base = lane.base;
        let on_output = |ticks: i64| Timestamp::from_ticks(ticks, base).plus(shift);
        if lane.written == 1 {
            let begins = Timestamp::from_ticks(time, base).plus(lane.offset_at(Some(time)));
            let (stream, left_out) = (lane.stream, Timestamp::from_ticks(lane.left_out_first, base));
            self.session.settle(lane.track, on_output(time))?;
            if !self.part.whole_frames {
                let (shift, runs_on) = (self.shift, self.sound_runs_on);
                // Where packets have no times, one follows the other. Many containers count in milliseconds.
                let goes_on = |ended: &Ended| {
                    let off = if runs_on { begins.minus(ended.heard) } else { shift.minus(ended.shift) };
                    off.nanos().abs() <= ROUNDING.nanos()
                };
                self.session.note_seam(lane.track, begins, goes_on, (stream, left_out));
            }
        }
        let Some(end) = passes.end.filter(|end| lane.waits(time, *end)) else { return Ok(false) };
        let stream = self.media.streams().get(lane.stream);
        let rate = stream.and_then(|stream| i32::try_from(stream.sample_rate()?).ok()).unwrap_or(1);
        let waiting = Waiting {
            item: item.take()?,
            source: self.media.source().clone(),
            at: on_output(time),
            end: on_output(end),
            base: lane.base,
            shift,
            samples: Rational { num: 1, den: rate },
            stream: lane.stream,
        };
        let seams = &mut self.session.seams;
        seams.held = seams.held.saturating_add(waiting.item.packet.memory());
        seams.waiting.entry(lane.track).or_default().push(waiting);
        let stream = lane.stream;
        self.hold(stream, "sound at a range's end is held until that of the next begins")?;
        Ok(true)
    }

    /// Ends what waits for sound that this part does not have, and notes what of its own was left out.
    pub(super) fn close_seams(&mut self) -> Result<()> {
        for lane in &self.lanes {
            if lane.kind != StreamKind::Audio || self.part.whole_frames {
                continue;
            }
            if lane.written == 0 {
                self.session.settle(lane.track, self.session.placed)?;
                if let Some(ended) = self.session.seams.ended.remove(&lane.track) {
                    self.session.note_left_out(ended.stream, ended.left_out);
                }
                self.session
                    .note_left_out(lane.stream, Timestamp::from_ticks(lane.left_out_first, lane.base));
            }
            let heard = lane.seen_end.map_or(self.part.from.plus(self.media.start()), |end| {
                Timestamp::from_ticks(end, lane.base).plus(lane.offset_at(Some(end)))
            });
            let left_out = Timestamp::from_ticks(lane.left_out_last, lane.base);
            let ended = Ended { stream: lane.stream, shift: self.shift, heard, left_out };
            if self.part.last {
                self.session.note_left_out(ended.stream, ended.left_out);
            } else {
                self.session.seams.ended.insert(lane.track, ended);
            }
        }
        if self.part.last {
            self.session.tell_left_out(self.media);
        }
        Ok(())
    }
}

impl Session<'_> {
    /// What waits is heard up to where the next part's sound begins.
    fn settle(&mut self, track: usize, begins: Timestamp) -> Result<()> {
        let Some(waiting) = self.seams.waiting.remove(&track) else { return Ok(()) };
        let trims = self.target.trims_packets();
        let mut heard = None;
        let last = waiting.last().map(|last| last.end);
        for mut packet in waiting {
            self.seams.held = self.seams.held.saturating_sub(packet.item.packet.memory());
            heard.get_or_insert(packet.at);
            let over = packet.end.minus(begins).max(Timestamp::ZERO);
            let half = Timestamp::from_nanos(packet.end.minus(packet.at).nanos() / 2);
            if packet.at >= begins || (!trims && over > half) {
                continue;
            }
            if trims && over > Timestamp::ZERO {
                packet.trim(over)?;
            }
            heard = Some(packet.end);
            self.write_waiting(track, packet)?;
        }
        if let Some(((end, heard), ended)) = last.zip(heard).zip(self.seams.ended.get_mut(&track)) {
            let later = self.target.tracks.get(track).map_or(Timestamp::ZERO, |track| track.later);
            ended.heard = heard.minus(ended.shift).minus(later);
            ended.left_out = end.min(self.placed).minus(heard);
        }
        if let Some(track) = self.target.tracks.get_mut(track) {
            track.clock.restart();
        }
        Ok(())
    }

    fn write_waiting(&mut self, track: usize, mut waiting: Waiting) -> Result<()> {
        let packet = &mut waiting.item.packet;
        if let Some(track) = self.target.tracks.get_mut(track) {
            track.clock.place_at(packet, waiting.base, waiting.shift);
        }
        let origin = waiting.item.at.map(|at| Origin { source: &waiting.source, at });
        self.target.write(track, packet, origin, self.report).map_err(|e| of_stream(e, waiting.stream))
    }

    /// Notes what is not heard where this part's sound `begins`. A range that goes on where the one before it
    /// ended lacks only what neither has: a packet of that one may be heard behind the seam. `left_out`: what
    /// this one left out at its beginning, and of which stream.
    fn note_seam(
        &mut self,
        track: usize,
        begins: Timestamp,
        goes_on: impl Fn(&Ended) -> bool,
        left_out: (usize, Timestamp),
    ) {
        let Some(ended) = self.seams.ended.remove(&track) else {
            return self.note_left_out(left_out.0, left_out.1);
        };
        if goes_on(&ended) {
            return self.note_left_out(ended.stream, begins.minus(ended.heard));
        }
        self.note_left_out(ended.stream, ended.left_out);
        self.note_left_out(left_out.0, left_out.1);
    }

    fn note_left_out(&mut self, stream: usize, amount: Timestamp) {
        if amount > LEFT_OUT {
            let noted = self.seams.left_out.entry(stream).or_default();
            *noted = (*noted).max(amount);
        }
    }

    /// Says what of the ranges' sound is not heard.
    fn tell_left_out(&mut self, media: &crate::Media) {
        for (stream, amount) in std::mem::take(&mut self.seams.left_out) {
            let codec = media.streams().get(stream).map(crate::av::stream::Stream::codec).unwrap_or_default();
            self.report.warn(format!(
                "stream {stream}: up to {amount} of the sound inside a range is left out at its border: a packet of \
                 {codec} is copied whole or not at all (mode encode is exact)"
            ));
        }
    }
}

impl Waiting {
    /// Leaves so much of its end out.
    fn trim(&mut self, over: Timestamp) -> Result<()> {
        self.end = self.end.minus(over);
        let packet: &mut Packet = &mut self.item.packet;
        let time = packet.pts().or(packet.dts()).unwrap_or(0);
        let (pts, dts) = (packet.pts().unwrap_or(time), packet.dts().unwrap_or(time));
        packet.set_times(pts, dts, self.end.minus(self.at).ticks(self.base).max(1));
        let samples = u32::try_from(over.ticks(self.samples)).unwrap_or(0);
        packet.skip_end(samples.max(packet.discarded_end()))
    }
}
