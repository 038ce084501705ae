//! A source's stream on its way to a track of the output.

use crate::{
    av::{packet::Packet, stream::StreamKind},
    media::{Item, Span},
    output::{self, clock::Clock, track::Track},
    time::{Rational, Timestamp, convert},
};

/// How a lane's first packet lies to its output's beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begins {
    /// By its time.
    Timed,
    /// It is the beginning: nothing can be said of time in front of it.
    WithIt,
    /// It ends there: a decoder gives nothing for a first packet of Vorbis.
    Before,
}

/// How a part follows the one before it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seam {
    /// Where it begins on the output's clock.
    pub at: Timestamp,
    /// Its sound goes on where that of the part before ended.
    pub sound_runs_on: bool,
    /// It ends as much sooner as its sound begins later: pictures go on by their own clock behind it.
    pub keeps_its_end: bool,
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    LeftOut,
    /// What follows tells.
    HeldBack,
    /// Behind what was held back.
    Written,
}

/// When a packet of the source is shown, in ticks of its stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Passes {
    pub time: Option<i64>,
    pub end: Option<i64>,
}

/// Packets after the range that lie between ones inside it are taken along, up to here: the file's run stays
/// whole.
const BEYOND: Timestamp = Timestamp::from_nanos(1_000_000_000);

/// Longer packets of sound are taken to last as long as this: 65,535 samples, the most that FLAC has in one,
/// last 8 s at 8 kHz. What a container says may be any number.
const LONGEST: Timestamp = Timestamp::from_nanos(10_000_000_000);

/// At the end of all no more of a packet of sound is left out than this: half of the longest frames in use
/// that are cut at every frame. Between two parts, only where packets are longer than twice as much.
pub(super) const LEFT_OUT: Timestamp = Timestamp::from_nanos(30_000_000);

/// A source's stream on its way to a track.
pub(super) struct Lane {
    pub stream: usize,
    pub track: usize,
    pub kind: StreamKind,
    pub base: Rational,
    /// What of it is shown, on the file's clock.
    pub spans: Vec<Span>,
    /// For a track without an edit list: where its spans begin in the media, in that order, and from there to
    /// the file's clock.
    pub offsets: Vec<(i64, Timestamp)>,
    /// The last tick that is shown, not included.
    pub until: i64,
    pub done: bool,
    /// The first packet at or after this pts is the first that is kept; for tracks without an edit list.
    pub keep_from: i64,
    /// Reordered packets that may turn out to lie behind the end.
    pub held: Vec<Item>,
    /// The latest end of a packet, in ticks.
    pub seen_end: Option<i64>,
    /// How long a packet without a duration is taken to last, in ticks: from the dts before, or the frame
    /// rate.
    pub typical: i64,
    pub last_dts: Option<i64>,
    /// The source has flagged a packet as a key.
    pub flagged: bool,
    /// How much its dts are to move back, in ticks.
    pub early: i64,
    /// Packets that are presented before this one, which began the part, lack what they refer to.
    pub leading_before: Option<i64>,
    pub written: u64,
    /// Sound that begins and ends between two of its frames where parts meet.
    pub whole_frames: bool,
    /// Packets in front of the first keyframe that were left out.
    pub keyless: u64,
    /// Pictures behind the end that something inside was coded after.
    pub beyond: usize,
    /// The muxer looks for the head of an AC-3 frame in each packet.
    pub in_ac3_frames: bool,
    /// Packets from [`keep_from`](Self::keep_from) on are kept for the decoder, which does not let all of
    /// them be heard.
    pub primes: bool,
    /// How its first packet lies to the output's beginning.
    pub begins: Begins,
    /// A packet that goes on behind the end is cut there, and heard up to it.
    pub trims: bool,
    /// On a track without an edit list: how much later than its own time it is shown, to go on where the part
    /// before ended.
    pub later: Timestamp,
    /// Packets of sound that are longer than so many ticks wait at the part's end, if any do: on a track
    /// without an edit list, in front of a part whose sound does not run on.
    pub long: i64,
    /// Packets wait for what comes behind the seam: so do those that follow them.
    pub waits: bool,
    /// PCM, which is cut at its samples.
    pub pcm: bool,
    /// It is, also where there are edit lists: its ranges have one entry together.
    pub cuts_samples: bool,
    /// It is settled that its first packet goes on where the part before let its sound end.
    pub goes_on: bool,
    /// How long each packet of sound lasts, in seconds, where all last as long.
    pub frame: Option<Rational>,
    /// It is settled that it is heard up to the end of its last packet.
    pub ends_with_packet: bool,
    /// Sound of which nothing else is in the output, and no part follows.
    pub alone: bool,
    /// How much that lies inside the range was left out with a packet at its beginning, in ticks.
    pub left_out_first: i64,
    /// And at its end.
    pub left_out_last: i64,
}

impl Lane {
    /// Whether something of it is shown: its packets may all lie in front of what is. Those of a raw stream do not say
    /// when they are.
    pub(super) fn shows(&self) -> bool {
        self.written > 0 && self.spans.iter().any(|span| self.seen_end.is_none_or(|end| end > span.media))
    }

    /// Notes how far the stream is come. Whether a packet is shown before the keyframe that the part begins
    /// with, and lacks what it refers to.
    pub(super) fn leads(&mut self, packet: &Packet) -> bool {
        let decoded = packet.dts().map(|dts| dts.saturating_sub(self.early));
        let until = self.until.saturating_add(self.reach(packet));
        self.done |= decoded.or(packet.pts()).is_some_and(|time| time >= until);
        let pts = packet.pts().or(packet.dts());
        if self.leading_before.is_some_and(|key| pts.is_some_and(|pts| pts < key)) {
            return true;
        }
        if self.kind == StreamKind::Video && packet.is_key() && self.written > 0 {
            self.leading_before = None;
        }
        false
    }

    /// How far behind the end its packets may have to be heard: the next part's sound may begin as much later
    /// as one of them is long.
    fn reach(&self, packet: &Packet) -> i64 {
        let len = packet.duration();
        if len > self.long { len.min(LONGEST.ticks(self.base)) } else { 0 }
    }

    /// Whether a packet of this length is to wait: the next part's sound may begin before it ends.
    pub(super) fn waits(&mut self, time: i64, end: i64) -> bool {
        let len = end.saturating_sub(time).min(LONGEST.ticks(self.base));
        let end = time.saturating_add(len);
        self.waits |= len > self.long && end > self.until.saturating_sub(len);
        self.waits
    }

    /// Whether a packet is shown by so much behind the end.
    fn is_beyond(&self, packet: &Packet, by: Timestamp) -> bool {
        let pts = packet.pts().or(packet.dts());
        pts.is_some_and(|pts| pts.saturating_sub(by.ticks(self.base)) >= self.until)
    }

    /// On a track with an edit list: what lies beyond the end is hidden, and keeps the file's run whole; but
    /// not what is too far beyond.
    pub(super) fn fate_in_run(&self, packet: &Packet) -> Fate {
        // Sound that ends between two of its frames has nothing more: what is shown for longer shows that, too.
        let half = Timestamp::from_ticks(packet.duration() / 2, self.base);
        let useless = (self.done
            && (self.spans.is_empty() || self.written == 0 || self.is_beyond(packet, BEYOND)))
            || (self.whole_frames && self.is_beyond(packet, half));
        if useless { Fate::LeftOut } else { Fate::Written }
    }

    /// On a track without: of what lies behind the end, only what something inside was coded after is kept.
    /// `may_lack_key`: pictures may come before the first keyframe.
    pub(super) fn fate_of_picture(&mut self, packet: &Packet, may_lack_key: bool) -> Fate {
        if self.written == 0 && self.held.is_empty() && !packet.is_key() && may_lack_key {
            self.keyless = self.keyless.saturating_add(1);
            return Fate::LeftOut;
        }
        match (self.is_beyond(packet, Timestamp::ZERO), self.done) {
            (false, _) => Fate::Written,
            (true, false) => Fate::HeldBack,
            (true, true) => Fate::LeftOut,
        }
    }

    /// Sound and the rest on a track without: a packet belongs to the side on which more of it lies, and a subtitle is
    /// cut at the borders. `by_frames`: in front of another part each is as long as the stream's others, whatever its
    /// container says. Behind the `last` part nothing comes: much of a long packet is not left out there.
    pub(super) fn fate_of_rest(&mut self, packet: &mut Packet, by_frames: bool, last: bool) -> Fate {
        let pts = packet.pts().or(packet.dts());
        if self.kind == StreamKind::Subtitle
            && let Some(pts) = pts.filter(|_| packet.duration() > 0)
        {
            // It is shown from the range's beginning on, as a time before that would delay everything else, and up to
            // its end.
            let begins = pts.max(self.keep_from);
            let ends = pts.saturating_add(packet.duration()).min(self.until);
            self.done |= pts >= self.until;
            if begins >= ends {
                return Fate::LeftOut;
            }
            packet.set_times(begins, begins, ends.saturating_sub(begins));
            return Fate::Written;
        }
        let whole = if by_frames && !last { self.typical } else { 0 };
        let half = packet.duration().max(whole) / 2;
        let middle = pts.map(|pts| pts.saturating_add(half));
        let most = if last { LEFT_OUT.ticks(self.base) } else { i64::MAX };
        let decides = match self.reach(packet) {
            0 if self.trims => pts,
            0 => pts.map(|pts| pts.saturating_add(half.min(most))),
            reach => pts.map(|pts| pts.saturating_sub(reach)),
        };
        let late = decides.is_some_and(|time| time >= self.until) && !self.holds_middle(packet);
        let ends = pts.map(|pts| pts.saturating_add(packet.duration()));
        let early = match self.kind {
            StreamKind::Audio if self.primes => pts.is_some_and(|pts| pts < self.keep_from),
            StreamKind::Audio => {
                middle.is_some_and(|middle| middle < self.keep_from) && !self.holds_middle(packet)
            }
            _ => ends.is_some_and(|ends| ends <= self.keep_from && packet.duration() > 0),
        };
        // What was left out leaves no hole: nothing of this stream comes behind it.
        self.done |= late;
        if self.kind == StreamKind::Audio && !self.primes {
            let at_end = pts.filter(|_| late).map_or(0, |pts| self.until.saturating_sub(pts));
            let at_start =
                ends.filter(|_| early && !late).map_or(0, |ends| ends.saturating_sub(self.keep_from));
            self.left_out_last = self.left_out_last.max(at_end);
            self.left_out_first = self.left_out_first.max(at_start);
        }
        if late || early { Fate::LeftOut } else { Fate::Written }
    }

    /// Whether the middle of the range lies in a packet of which more lies outside: without it, nothing would be left
    /// of the range. (What only gets a decoder going lies in front of it.)
    fn holds_middle(&self, packet: &Packet) -> bool {
        let begins =
            self.spans.first().map(|span| span.media).filter(|_| self.alone && self.until < i64::MAX);
        let missing = begins.filter(|begins| self.seen_end.is_none_or(|end| end <= *begins));
        missing.zip(packet.pts().or(packet.dts())).is_some_and(|(begins, pts)| {
            let middle = begins.midpoint(self.until);
            pts <= middle && middle < pts.saturating_add(packet.duration())
        })
    }

    /// Why a packet is left out, if it can't be written.
    pub(super) fn refuses(&self, packet: &Packet) -> Option<String> {
        if packet.size() == 0 {
            // Nothing to show; libav's muxers make of it what they like.
            return Some(format!("stream {}: empty packets are left out", self.stream));
        }
        let lacks_frame = self.written == 0 && self.in_ac3_frames && !packet.begins_ac3_frame();
        lacks_frame.then(|| output::lacks_frame(self.stream))
    }

    /// Counts a packet that is written, and notes how far it goes. One that is cut short there ends at the
    /// range's end.
    pub(super) fn measure(&mut self, packet: &mut Packet) -> Passes {
        self.written = self.written.saturating_add(1);
        let time = packet.pts().or(packet.dts());
        let lasts = self.lasts(packet);
        let end = time.or(self.last_dts).map(|time| time.saturating_add(lasts));
        let inside = if self.waits { end.map(|end| end.min(self.until)) } else { end };
        self.seen_end = self.seen_end.max(inside);
        if let (true, Some(pts), Some(dts)) = (self.trims, packet.pts(), packet.dts())
            && end.is_some_and(|end| end > self.until)
        {
            packet.set_times(pts, dts, self.until.saturating_sub(pts));
        }
        Passes { time, end }
    }

    /// For [`offset_at`](Self::offset_at), once it is settled what is shown.
    pub(super) fn sort_offsets(&mut self) {
        let offset = |span: &Span| span.shown.minus(Timestamp::from_ticks(span.media, self.base));
        self.offsets = self.spans.iter().map(|span| (span.media, offset(span))).collect();
        self.offsets.sort_by_key(|(media, _)| *media);
    }

    /// From the media's clock to the file's, for a packet at this time: of the span that begins last in front
    /// of it, or the first.
    pub(super) fn offset_at(&self, time: Option<i64>) -> Timestamp {
        let begun = time.map_or(0, |time| self.offsets.partition_point(|(media, _)| *media <= time));
        self.offsets.get(begun.saturating_sub(1)).map_or(Timestamp::ZERO, |(_, offset)| *offset)
    }

    /// Settles when the first packet of sound, due at `own`, is put on a track without an edit list, whose sound so far
    /// ends at `end`.
    pub(super) fn meet(&mut self, track: &Track, own: Timestamp, duration: i64, seam: Seam, end: Timestamp) {
        if track.packets > 0 {
            let later = end.minus(own);
            if seam.sound_runs_on && later.nanos().abs() <= track.clock.half_frame().nanos() {
                self.later = later;
                if seam.keeps_its_end {
                    self.until = self.until.saturating_sub(later.ticks(self.base));
                }
            }
            return;
        }
        let begin = match self.begins {
            Begins::Timed => return,
            Begins::WithIt => seam.at,
            Begins::Before => seam.at.minus(Timestamp::from_ticks(duration, self.base)),
        };
        self.later = begin.minus(own);
    }

    /// A packet's duration, in ticks; at least 1. One without any time is taken to be decoded right behind
    /// the last.
    pub(super) fn lasts(&mut self, packet: &Packet) -> i64 {
        let step = packet.dts().zip(self.last_dts).map(|(dts, last)| dts.saturating_sub(last));
        let untimed = self.last_dts.filter(|_| packet.pts().is_none());
        let guess = untimed.map(|last| last.saturating_add(self.typical.max(1)));
        self.last_dts = packet.dts().or(guess).or(self.last_dts);
        let known = Some(packet.duration()).filter(|duration| *duration > 0);
        self.typical = known.or(step).filter(|ticks| *ticks > 0).unwrap_or(self.typical);
        self.typical.max(1)
    }
}

/// One frame at this rate, in ticks.
pub(super) fn frame_ticks(rate: Rational, base: Rational) -> i64 {
    Rational::new(rate.den, rate.num).map_or(1, |frame| convert(1, frame, base))
}

/// Shows sound from the start of one of its frames to the end of one, as near to the part's borders as frames
/// lie. The rest is made up for at the next seam: errors do not add up, and none is larger than half a frame.
///
/// The part goes from `from` on for `len` on the file's clock, and begins at `placed` on the output's.
pub(super) fn show_whole_frames(
    clock: &mut Clock,
    span: Span,
    base: Rational,
    (from, len): (Timestamp, Timestamp),
    placed: Timestamp,
    last: bool,
) {
    let first = clock.shown().is_empty();
    // The sound so far may end a little before or after the place where the picture of this part begins.
    let (end, begins) = (clock.shown_end(), placed.plus(span.shown.minus(from)));
    let at = if first { begins } else { end };
    let wanted = span.media_at(span.shown.plus(at.minus(begins)), base);
    let start = if first { wanted } else { clock.nearest_start(wanted).unwrap_or(wanted) };
    // What the source's own edit list ends, ends here too.
    let own_end = span.shown_end().min(from.plus(len)).minus(from).plus(placed);
    let target_end = if last { own_end } else { placed.plus(len) };
    let wanted_end = start.saturating_add(target_end.minus(at).ticks(base));
    let stop = if last { wanted_end } else { clock.nearest_end(wanted_end).unwrap_or(wanted_end) };
    let shown_len = Timestamp::from_ticks(stop.saturating_sub(start), base);
    clock.show(Span { shown: span.shown, len: shown_len, media: start }, at, shown_len, base);
}

impl Lane {
    /// Shows sound of which it is settled where it goes on, and where it ends: it lies in the track without a hole. The
    /// part goes from `from` on for `len` on the file's clock, and begins at `placed` on the output's.
    pub(super) fn show_settled(
        &self,
        clock: &mut Clock,
        span: Span,
        (from, len): (Timestamp, Timestamp),
        placed: Timestamp,
    ) {
        let is_first = clock.shown().is_empty();
        let begins = (is_first || !self.goes_on).then_some((span.media, self.base));
        let at = if is_first { placed.plus(span.shown.minus(from)) } else { clock.shown_end() };
        let own_end = span.shown_end().min(from.plus(len)).minus(from).plus(placed);
        clock.show_run(begins, at, (!self.ends_with_packet).then_some(own_end));
    }
}
