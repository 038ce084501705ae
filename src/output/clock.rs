//! The timestamps of one output track: from the clocks of its sources, one part after the other, to one that
//! only goes forward; and what of the track is shown when.

pub(crate) use super::shown::Shown;
use crate::{
    av::{packet::Packet, stream::StreamKind},
    media::Span,
    mp4::MOST_OFFSET,
    time::{Rational, Timestamp, convert},
};
use std::collections::VecDeque;

/// When samples are decoded and composed, in ticks of their media.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RunTimes {
    /// The first one's.
    pub decode: i64,
    pub composition: i64,
    /// When the last one's decoding ends.
    pub decoded: i64,
    /// The latest end of one's composition.
    pub composed: i64,
    /// How long the first and the last one last.
    pub first: u32,
    pub last: u32,
}

impl RunTimes {
    /// Lets the last sample last longer.
    pub(crate) fn lengthen(&mut self, by: i64) {
        self.decoded = self.decoded.saturating_add(by);
        self.composed = self.composed.saturating_add(by);
        self.last = u32::try_from(i64::from(self.last).saturating_add(by)).unwrap_or(self.last);
    }
}

/// What had to be repaired in a track's timestamps.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Repairs {
    pub missing_pts: u64,
    pub missing_dts: u64,
    pub backward_dts: u64,
    pub late_dts: u64,
    pub far_pts: u64,
}

pub(crate) struct Clock {
    /// The muxer's time base.
    base: Rational,
    /// Samples in a coded audio frame, in ticks of `base`; 0 where it varies.
    frame: i64,
    /// Whether dts may stay the same.
    equal_dts: bool,
    last_dts: Option<i64>,
    /// The source's dts that the current part's offset was made from, and what it became.
    anchor: Option<(i64, i64)>,
    /// Where the next part begins, at the least.
    next: i64,
    /// When what is shown so far ends in the media: what follows must not be seen before.
    seen: i64,
    /// Nothing of the part is shown before its first packet.
    begins_shown: bool,
    /// Its first packets may have to be decoded later than it says.
    meets: bool,
    shown: Vec<Shown>,
    /// The last of them, with those that it goes on from.
    stretch: Option<Shown>,
    /// The starts of the part's first packets and the ends of its last ones, in source ticks: for joins on
    /// frame boundaries.
    starts: Vec<i64>,
    ends: VecDeque<i64>,
    /// How long the part's packets last that are not cut short, in source ticks: as long as two neighbours at least.
    /// One alone is longer where others are missing behind it.
    longest: i64,
    /// How long the one before lasts.
    neighbour: i64,
    whole: bool,
    borders: (i64, i64),
    /// The latest pts of a packet and its duration together, in ticks of `base`.
    tail: i64,
    pub(crate) repairs: Repairs,
    last_duration: i64,
    /// The last packet's duration, in ticks of `base`.
    last_length: i64,
    last_source_dts: Option<i64>,
    /// Of samples that tables tell of: when the last one's decoding ends.
    decoded: i64,
}

/// Packet boundaries that are kept.
const KEPT: usize = 256;

impl Clock {
    pub(crate) fn new(
        kind: StreamKind,
        base: Rational,
        sample_rate: Option<u32>,
        frame_size: u32,
        equal_dts: bool,
    ) -> Self {
        let rate = sample_rate.and_then(|rate| i32::try_from(rate).ok()).unwrap_or(0);
        let frame = match Rational::new(1, rate) {
            Some(samples) if kind == StreamKind::Audio => convert(frame_size.into(), samples, base),
            _ => 0,
        };
        Self {
            base,
            frame,
            equal_dts,
            last_dts: None,
            anchor: None,
            next: 0,
            seen: 0,
            begins_shown: false,
            meets: false,
            shown: Vec::new(),
            stretch: None,
            starts: Vec::new(),
            ends: VecDeque::new(),
            longest: 0,
            neighbour: 0,
            whole: false,
            borders: (i64::MIN, i64::MAX),
            tail: 0,
            repairs: Repairs::default(),
            last_duration: 0,
            last_length: 0,
            last_source_dts: None,
            decoded: 0,
        }
    }

    pub(crate) fn base(&self) -> Rational {
        self.base
    }

    pub(crate) fn shown(&self) -> &[Shown] {
        &self.shown
    }

    /// When the last stretch ends that is shown so far.
    pub(crate) fn shown_end(&self) -> Timestamp {
        self.shown.last().map_or(Timestamp::ZERO, Shown::end)
    }

    /// A new part begins: its first packet goes right behind what was written, or later if a gap is to be
    /// shown. `whole`: its coded frames are all of one length, and a last one that a duration cuts short is
    /// taken for whole, as players do that look at frames alone. Packets are borders for
    /// [`nearest_start`](Self::nearest_start) from `borders.0` on, and for [`nearest_end`](Self::nearest_end)
    /// up to `borders.1`, in source ticks.
    pub(crate) fn begin_part(&mut self, whole: bool, borders: (i64, i64)) {
        self.whole = whole;
        self.begins_shown = false;
        self.borders = borders;
        self.restart();
        self.starts.clear();
        self.ends.clear();
        (self.longest, self.neighbour) = (0, 0);
    }

    /// Nothing of the part that begins is shown before its first packet: what is hidden of others may lie there.
    pub(crate) fn begin_shown(&mut self) {
        self.begins_shown = true;
    }

    /// What comes is elsewhere on a source's clock than what came.
    pub(crate) fn restart(&mut self) {
        self.anchor = None;
        self.last_source_dts = None;
    }

    /// Fills in what the source left out, as libav's generated timestamps do; (pts, dts, duration) in source
    /// ticks.
    fn complete(&mut self, packet: &Packet) -> (i64, i64, i64) {
        let (pts, dts) = (packet.pts(), packet.dts());
        // At its end FLAC's encoder has an empty packet, which brings the new STREAMINFO and lasts no time.
        let is_media = packet.size() > 0;
        let unstated = if is_media { self.last_duration } else { 0 };
        let mut duration = if packet.duration() > 0 { packet.duration() } else { unstated };
        self.longest = self.longest.max(duration.min(self.neighbour));
        self.neighbour = duration;
        if self.whole && is_media {
            duration = duration.max(self.longest);
        }
        let guess = self.last_source_dts.map(|last| last.saturating_add(self.last_duration.max(1)));
        let dts = dts.unwrap_or_else(|| {
            self.repairs.missing_dts = self.repairs.missing_dts.saturating_add(1);
            match (pts, guess) {
                (Some(pts), Some(guess)) => pts.min(guess),
                (pts, guess) => pts.or(guess).unwrap_or(0),
            }
        });
        let pts = pts.unwrap_or_else(|| {
            self.repairs.missing_pts = self.repairs.missing_pts.saturating_add(1);
            dts
        });
        if let Some(last) = self.last_source_dts {
            let step = dts.saturating_sub(last);
            if packet.duration() > 0 || step > 0 {
                self.last_duration = if packet.duration() > 0 { packet.duration() } else { step };
            }
        } else {
            self.last_duration = duration;
        }
        self.last_source_dts = Some(dts);
        (pts, dts, duration)
    }

    /// On a track with an edit list: dts run on from what was written, whatever the source's are. Sets the
    /// packet's times.
    pub(crate) fn place_behind(&mut self, packet: &mut Packet, from: Rational) {
        let (mut pts, dts, duration) = self.complete(packet);
        if convert(pts.saturating_sub(dts), from, self.base).unsigned_abs() > u64::from(MOST_OFFSET) {
            // For one of these readers ignore the order of all.
            self.repairs.far_pts = self.repairs.far_pts.saturating_add(1);
            pts = dts;
        }
        // No two packets are to be shown at one time: a frame that was kept for others to refer to may be
        // shown later than the next part's first.
        let reorder = convert(pts.saturating_sub(dts), from, self.base);
        let begin = if self.begins_shown && self.last_dts.is_some() {
            // It is seen where what was seen ends. At a variable rate, the first ones may have to be decoded a little
            // later than in the source for that: how long those in front of them last says nothing of when they are.
            self.seen.saturating_sub(reorder)
        } else {
            let seen = if self.begins_shown { self.seen.saturating_sub(reorder) } else { self.seen };
            self.next.max(self.tail.saturating_sub(reorder)).max(seen)
        };
        let (source, out) = *self.anchor.get_or_insert_with(|| {
            self.meets = self.begins_shown;
            (dts, begin)
        });
        let to_out = |ticks: i64| convert(ticks.saturating_sub(source), from, self.base).saturating_add(out);
        let times = (to_out(pts), to_out(dts));
        self.finish(packet, times, (pts, dts, duration), from);
    }

    /// The same of samples that tables tell of. Returns how much longer the sample in front of them lasts, in
    /// this clock's ticks.
    pub(crate) fn run_behind(&mut self, run: RunTimes, from: Rational) -> i64 {
        let base = self.base;
        let reorder = convert(run.composition.saturating_sub(run.decode), from, base);
        let is_first = self.last_dts.is_none();
        // In front of the first one there is nothing that could last longer.
        let seen = if self.begins_shown { self.seen.saturating_sub(reorder) } else { self.seen };
        let behind = self.next.max(self.tail.saturating_sub(reorder)).max(seen);
        let begin = if is_first { 0 } else { behind };
        let gap = begin.saturating_sub(self.decoded);
        self.anchor = Some((run.decode, begin));
        let to_out = |ticks: i64| convert(ticks.saturating_sub(run.decode), from, base).saturating_add(begin);
        self.decoded = to_out(run.decoded);
        self.next = self.next.max(self.decoded);
        self.tail = self.tail.max(to_out(run.composed));
        self.last_dts = Some(self.decoded);
        self.last_length = convert(run.last.into(), from, base);
        gap.max(0)
    }

    /// By how much later all that was written is to be composed, so that a run of which nothing is hidden in front
    /// follows on it without a gap: one whose pictures are shown longer after they are decoded than those before.
    pub(crate) fn delay_before(&self, run: RunTimes, from: Rational) -> i64 {
        if self.last_dts.is_none() || !self.begins_shown {
            return 0;
        }
        let reorder = convert(run.composition.saturating_sub(run.decode), from, self.base);
        let begins = self.next.saturating_add(reorder);
        begins.saturating_sub(self.tail.max(self.seen)).clamp(0, reorder.max(0))
    }

    /// Lets all that was written be composed so much later.
    pub(crate) fn delay(&mut self, by: i64) {
        let all = self.shown.iter_mut().chain(&mut self.stretch);
        all.for_each(|shown| shown.media = shown.media.saturating_add(by));
        (self.tail, self.seen) = (self.tail.saturating_add(by), self.seen.saturating_add(by));
    }

    /// Makes its ticks so many times as fine.
    pub(crate) fn refine(&mut self, times: i32) {
        let finer = |ticks: i64| ticks.saturating_mul(times.into());
        self.base.den = self.base.den.saturating_mul(times);
        self.last_dts = self.last_dts.map(finer);
        self.anchor = self.anchor.map(|(source, out)| (source, finer(out)));
        self.shown.iter_mut().chain(&mut self.stretch).for_each(|shown| shown.media = finer(shown.media));
        for ticks in [
            &mut self.frame,
            &mut self.next,
            &mut self.seen,
            &mut self.tail,
            &mut self.last_length,
            &mut self.decoded,
        ] {
            *ticks = finer(*ticks);
        }
    }

    /// Where the part's first samples begin and its last ones end, in source ticks, for
    /// [`nearest_start`](Self::nearest_start) and [`nearest_end`](Self::nearest_end).
    pub(crate) fn note_borders(
        &mut self,
        starts: impl Iterator<Item = i64>,
        ends: impl Iterator<Item = i64>,
    ) {
        self.starts.extend(starts.take(KEPT));
        self.ends.extend(ends.take(KEPT));
    }

    /// Whether the part's coded frames are all of one length, and a last one that is cut short is taken for
    /// whole.
    pub(crate) fn takes_whole(&self) -> bool {
        self.whole
    }

    /// On a track without: timestamps are when a packet is shown. `shift` goes from the source's clock to the
    /// output's.
    pub(crate) fn place_at(&mut self, packet: &mut Packet, from: Rational, shift: Timestamp) {
        let (pts, dts, duration) = self.complete(packet);
        let to_out = |ticks: i64| Timestamp::from_ticks(ticks, from).plus(shift).ticks(self.base);
        let times = (to_out(pts), to_out(dts));
        self.finish(packet, times, (pts, dts, duration), from);
    }

    fn finish(
        &mut self,
        packet: &mut Packet,
        (mut pts, mut dts): (i64, i64),
        source: (i64, i64, i64),
        from: Rational,
    ) {
        let mut duration = convert(source.2, from, self.base);
        if self.frame > 0 {
            // A container that counts in milliseconds rounds each packet of sound; its frames are all of one
            // length (av_rescale_delta).
            let slack = convert(1, from, self.base).saturating_add(1);
            let expected = self.last_dts.map(|last| last.saturating_add(self.frame));
            if let Some(expected) =
                expected.filter(|expected| slack > 2 && dts.saturating_sub(*expected).abs() <= slack)
            {
                pts = pts.saturating_add(expected.saturating_sub(dts));
                dts = expected;
            }
            let unstated = duration == 0 && packet.size() > 0;
            if unstated || duration.saturating_sub(self.frame).abs() <= slack {
                duration = self.frame;
            }
        }
        if dts > pts {
            // Nothing is shown before it is decoded. When it is shown counts for more than when it is
            // decoded.
            self.repairs.late_dts = self.repairs.late_dts.saturating_add(1);
            let least = if self.equal_dts { 0 } else { 1 };
            let least = self.last_dts.map_or(pts, |last| last.saturating_add(least));
            dts = pts.max(least);
        }
        if let Some(last) = self.last_dts {
            let least = if self.equal_dts { last } else { last.saturating_add(1) };
            if dts < least {
                // Where parts meet, frames may overlap by a fraction of one; inside a part it is a fault of
                // the source.
                let fault = u64::from(!self.meets);
                self.repairs.backward_dts = self.repairs.backward_dts.saturating_add(fault);
                dts = least;
            } else {
                self.meets = false;
            }
        }
        pts = pts.max(dts);
        self.last_dts = Some(dts);
        self.last_length = duration;
        self.next = self.next.max(dts.saturating_add(duration.max(1)));
        // The first starts and the last ends: seams are looked for nowhere else.
        if self.starts.len() < KEPT && source.0 >= self.borders.0 {
            self.starts.push(source.0);
        }
        if source.0 <= self.borders.1 {
            if self.ends.len() == KEPT {
                self.ends.pop_front();
            }
            self.ends.push_back(source.0.saturating_add(source.2));
        }
        self.tail = self.tail.max(pts.saturating_add(duration));
        packet.set_times(pts, dts, duration);
    }

    /// The start of a packet that lies nearest to a source time.
    pub(crate) fn nearest_start(&self, to: i64) -> Option<i64> {
        self.starts.iter().copied().min_by_key(|start| start.abs_diff(to))
    }

    /// The end of a packet that lies nearest to a source time.
    pub(crate) fn nearest_end(&self, to: i64) -> Option<i64> {
        self.ends.iter().copied().min_by_key(|end| end.abs_diff(to))
    }

    /// States that a span of the part's source is shown from `at` on for `len`.
    pub(crate) fn show(&mut self, span: Span, at: Timestamp, len: Timestamp, from: Rational) {
        let Some((source, out)) = self.anchor else { return };
        let media = convert(span.media.saturating_sub(source), from, self.base).saturating_add(out);
        self.show_stretch(Shown { at, len, media });
    }

    fn show_stretch(&mut self, new: Shown) {
        if new.len <= Timestamp::ZERO {
            return;
        }
        let base = self.base;
        self.shown.push(new);
        // What goes on is one stretch: its length is rounded to ticks once, however many parts it is of.
        let whole = match self.stretch.filter(|stretch| stretch.goes_on_with(new, base)) {
            Some(stretch) => Shown { len: new.end().minus(stretch.at), ..stretch },
            None => new,
        };
        self.stretch = Some(whole);
        self.seen = self.seen.max(whole.media.saturating_add(whole.len.ticks(base)));
    }

    /// States that the track is shown from a source time on, or on from where it was shown, for what is at `at` on the
    /// output's clock. Up to `until` there, or to the end of what was written.
    pub(crate) fn show_run(
        &mut self,
        from: Option<(i64, Rational)>,
        at: Timestamp,
        until: Option<Timestamp>,
    ) {
        let media = match (from.zip(self.anchor), self.stretch) {
            (Some(((media, base), (source, out))), _) => {
                convert(media.saturating_sub(source), base, self.base).saturating_add(out)
            }
            (None, Some(shown)) => shown.media.saturating_add(shown.len.ticks(self.base)),
            (None, None) => return,
        };
        let written = Timestamp::from_ticks(self.next.saturating_sub(media), self.base);
        let len = until.map_or(written, |until| until.minus(at));
        self.show_stretch(Shown { at, len, media });
    }

    /// When the last packet ends, on a track whose timestamps are when packets are shown.
    pub(crate) fn end(&self) -> Timestamp {
        Timestamp::from_ticks(self.next, self.base)
    }

    /// Half of the last packet's length: what sound may be off by at a seam.
    pub(crate) fn half_frame(&self) -> Timestamp {
        // And a microsecond, against rounding. A tick may be as long as a packet (AVI).
        let length = Timestamp::from_ticks(self.last_length, self.base).nanos();
        Timestamp::from_nanos((length / 2).saturating_add(1000))
    }

    /// Leaves room for a gap on the output's clock before the part that is about to begin, if it is longer
    /// than `slack`: the last packet so far is shown that much longer. Edit lists have no empty entries in
    /// the middle that every player knows.
    pub(crate) fn stretch_to(&mut self, at: Timestamp, slack: Timestamp) {
        let Some(last) = self.shown.last_mut() else { return };
        let gap = at.minus(last.end());
        if gap <= slack {
            return;
        }
        last.len = last.len.plus(gap);
        if let Some(stretch) = &mut self.stretch {
            stretch.len = stretch.len.plus(gap);
            self.seen = self.seen.max(stretch.media.saturating_add(stretch.len.ticks(self.base)));
        }
    }

    /// Joins neighbours that show what already follows in the track.
    pub(crate) fn merge_contiguous(&mut self) {
        let base = self.base;
        let mut merged: Vec<Shown> = Vec::with_capacity(self.shown.len());
        for shown in self.shown.drain(..) {
            match merged.last_mut() {
                Some(last) if last.goes_on_with(shown, base) => last.len = shown.end().minus(last.at),
                _ => merged.push(shown),
            }
        }
        self.shown = merged;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_that_is_shown_too_far_away_does_not_cost_the_others_their_order() {
        let base = Rational { num: 1, den: 90_000 };
        let mut clock = Clock::new(StreamKind::Video, base, None, 0, false);
        let mut placed = Vec::new();
        for (dts, pts) in [(0, 7200), (3600, 14_400), (7200, 7200 + (1 << 29)), (10_800, 10_800)] {
            let mut packet = Packet::with(&[1]).unwrap();
            packet.set_times(pts, dts, 3600);
            clock.place_behind(&mut packet, base);
            placed.push(packet.pts().zip(packet.dts()).map(|(pts, dts)| pts - dts).unwrap());
        }
        assert_eq!((placed, clock.repairs.far_pts), (vec![7200, 10_800, 0, 0], 1));
    }
}
