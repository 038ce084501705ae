//! Where sound goes on the output's clock. Its samples run on; timestamps are believed where they tell
//! another time than the samples for good.

use crate::{
    Frame, Result, Timestamp,
    media::Span,
    read::Grid,
    time::{Rational, convert},
};
use std::collections::VecDeque;

/// Samples and timestamps this far apart, as a part of a second, are apart at once: 20 ms. Containers with
/// frames of other lengths than they state (1472 and 576 samples instead of twice 1024) stay below it.
const APART: i64 = 50;
/// Less than this is never made up for, as a part of a second: 2 ms.
const TOGETHER: i64 = 500;
/// How long they may be apart by less than [`APART`], as a part of a second.
const PATIENCE: i64 = 4;
/// More silence than this at once is no gap but a source that was put together: an hour, in seconds.
const MOST_SILENCE: i64 = 3600;
/// Samples of silence in a frame.
const SILENCE: i64 = 8192;

/// Packets whose beginnings are known of the part before.
const KNOWN: usize = 1024;

/// Frames that wait for one that tells when they are heard.
const WAITING: usize = 64;

/// A stream's sound, on its way from the source's clock to the output's.
#[derive(Default)]
pub(crate) struct SoundClock {
    /// The first packet's frames are placed by what follows them.
    starts_by_guess: bool,
    /// Frames in front of the first whose time is known; None behind it.
    waiting: Option<Vec<Frame>>,
    /// Frames whose time is counted, whatever they state.
    counted: usize,
    /// The time base of the last sound: one sample. Its rate may change in mid-stream.
    sample: Option<Rational>,
    /// The sample that is due on the source's clock.
    due: Option<i64>,
    /// Where the next sample goes on the output's clock.
    next: Option<i64>,
    /// Samples since when timestamps have told another time.
    apart: i64,
    /// Where packets begin whose times are rounded.
    grid: Option<Grid>,
    /// Where the last ones that came begin, by their times: another part of the same may come by them again.
    known: VecDeque<(i64, i64)>,
}

/// When a sound is heard on its source's clock, in samples.
#[derive(Clone, Copy)]
pub(crate) struct Heard {
    pub(crate) sample: Rational,
    begin: i64,
    end: i64,
}

/// What of a sound goes on.
pub(crate) struct Piece {
    /// What is missing before it.
    pub(crate) silence: Option<Silence>,
    pub(crate) sound: Option<Frame>,
    /// Samples that are left out, since their time is that of others.
    pub(crate) again: i64,
}

impl SoundClock {
    /// For a stream of this codec.
    pub(crate) fn of(codec: &str) -> Self {
        // libav's decoder leaves its first two frames out, with the time of their packet or with a part of
        // it.
        let starts_by_guess = matches!(codec, "wmav1" | "wmav2");
        Self { starts_by_guess, waiting: Some(Vec::new()), ..Self::default() }
    }

    pub(crate) fn set_grid(&mut self, grid: Option<Grid>) {
        self.grid = grid;
    }

    /// What is known of when packets begin, for another part of the same stream.
    pub(crate) fn take_known(&mut self) -> VecDeque<(i64, i64)> {
        std::mem::take(&mut self.known)
    }

    pub(crate) fn set_known(&mut self, known: VecDeque<(i64, i64)>) {
        self.known = known;
    }

    /// Where a sound begins that came in another part with this time, of times that are rounded.
    fn knows(&self, pts: Option<i64>) -> Option<i64> {
        let pts = pts?;
        self.known.iter().rev().find(|(own, _)| *own == pts).map(|(_, begin)| *begin)
    }

    fn learn(&mut self, pts: Option<i64>, begin: i64) {
        let Some(pts) = pts else { return };
        if self.known.len() >= KNOWN {
            self.known.pop_front();
        }
        self.known.push_back((pts, begin));
    }

    /// The frames that can be placed now that this one has come; `base` is of the stream's timestamps. A
    /// decoder may leave out a packet's first frame, which alone has its time: those behind it are counted
    /// back from the next that has one.
    pub(crate) fn settle(&mut self, frame: Frame, base: Rational) -> Vec<Frame> {
        let Some(waiting) = &mut self.waiting else { return vec![frame] };
        waiting.push(frame);
        let stated = waiting.last().and_then(Frame::best_pts);
        let waits = stated.is_none() || (self.starts_by_guess && waiting.len() == 1);
        if waits && waiting.len() < WAITING {
            return Vec::new();
        }
        let frames = self.waiting.take().unwrap_or_default();
        let Some((last, before)) = frames.split_last() else { return frames };
        let rate = last.sample_rate();
        let sample = i32::try_from(rate).ok().and_then(|rate| Rational::new(1, rate));
        if let (Some(stated), Some(sample), false) = (stated, sample, before.is_empty())
            && before.iter().all(|frame| frame.sample_rate() == rate)
        {
            let samples = before.iter().map(|frame| i64::try_from(frame.samples()).unwrap_or(0));
            let begin = convert(stated, base, sample).saturating_sub(samples.fold(0, i64::saturating_add));
            (self.sample, self.due, self.counted) = (Some(sample), Some(begin), before.len());
        }
        frames
    }

    /// What still waits when nothing more comes.
    pub(crate) fn release(&mut self) -> Vec<Frame> {
        self.waiting.take().unwrap_or_default()
    }

    /// Settles when a sound begins; `base` is of the stream's timestamps. None for sound without a rate.
    pub(crate) fn hear(&mut self, frame: &Frame, base: Rational) -> Option<Heard> {
        let rate = i32::try_from(frame.sample_rate()).unwrap_or(0);
        let sample = Rational::new(1, rate).filter(|_| rate > 0)?;
        if let Some(before) = self.sample.replace(sample).filter(|before| *before != sample) {
            let again = |count: i64| convert(count, before, sample);
            (self.due, self.next) = (self.due.map(again), self.next.map(again));
            self.known.clear();
        }
        let count = i64::try_from(frame.samples()).unwrap_or(0);
        let is_counted = self.counted > 0;
        self.counted = self.counted.saturating_sub(1);
        let stated = frame.best_pts().filter(|_| !is_counted).map(|pts| convert(pts, base, sample));
        let stated = stated.map(|told| self.grid.map_or(told, |grid| grid.at(told)));
        // Containers that count in milliseconds round (av_rescale_delta).
        let rounding = convert(1, base, sample).saturating_add(1);
        let known = self.knows(frame.best_pts()).filter(|_| rounding > 2 && !is_counted);
        let begin = match (stated, self.due) {
            (Some(stated), _)
                if known.is_some_and(|known| stated.saturating_sub(known).abs() <= rounding) =>
            {
                known.unwrap_or(stated)
            }
            (Some(stated), Some(due))
                if self.runs_on(stated.saturating_sub(due), count, rounding, rate.into()) =>
            {
                due
            }
            (stated, due) => stated.or(due).unwrap_or(0),
        };
        if known.is_none() && rounding > 2 {
            self.learn(frame.best_pts(), begin);
        }
        let end = begin.saturating_add(count);
        self.due = Some(end);
        Some(Heard { sample, begin, end })
    }

    /// Whether a sound of `count` samples follows the one before it, though its timestamp is `off` by some
    /// samples.
    fn runs_on(&mut self, off: i64, count: i64, rounding: i64, rate: i64) -> bool {
        let off = off.saturating_abs();
        let below = |part: i64| off.saturating_mul(part) < rate;
        if off <= rounding || below(TOGETHER) {
            self.apart = 0;
            return true;
        }
        self.apart = self.apart.saturating_add(count);
        let jitter = below(APART) && self.apart.saturating_mul(PATIENCE) < rate;
        if !jitter {
            self.apart = 0;
        }
        jitter
    }

    /// What of a sound a span shows, which is `shown` on the output's clock from that time on.
    pub(crate) fn place(
        &mut self,
        frame: &Frame,
        heard: Heard,
        base: Rational,
        (span, shown): (Span, Timestamp),
    ) -> Result<Piece> {
        let Heard { sample, begin, end } = heard;
        let mut piece = Piece { silence: None, sound: None, again: 0 };
        let first = convert(span.media, base, sample);
        let last = match span.len {
            Timestamp::MAX => i64::MAX,
            // Where one range ends, the next one may begin: of both that is the same sample.
            len => Timestamp::from_ticks(span.media, base).plus(len).ticks(sample),
        };
        let (mut from, to) = (begin.max(first), end.min(last));
        if from >= to {
            return Ok(piece);
        }
        let mut at = from.saturating_sub(first).saturating_add(shown.ticks(sample));
        if let Some(next) = self.next {
            // What was there already is not played twice.
            piece.again = next.saturating_sub(at).clamp(0, to.saturating_sub(from));
            from = from.saturating_add(piece.again);
            at = at.saturating_add(piece.again);
            let gap = at.saturating_sub(next);
            let rate = i64::from(sample.den);
            if from < to && gap.saturating_mul(TOGETHER) >= rate && gap < MOST_SILENCE.saturating_mul(rate) {
                piece.silence = Some(Silence::new(frame, next, gap, sample)?);
            }
        }
        if from < to {
            let inside = |sample: i64| usize::try_from(sample.saturating_sub(begin)).unwrap_or(0);
            let mut sound = frame.try_clone()?;
            sound.trim(inside(from), inside(to))?;
            sound.set_base(sample);
            sound.set_pts(at);
            self.next = Some(at.saturating_add(to.saturating_sub(from)));
            piece.sound = Some(sound);
        }
        Ok(piece)
    }
}

/// Silence for a stretch of time, frame after frame: all of them share their samples.
pub(crate) struct Silence {
    frame: Frame,
    at: i64,
    left: i64,
}

impl Silence {
    fn new(like: &Frame, at: i64, left: i64, sample: Rational) -> Result<Self> {
        let mut frame = like.silence_like(usize::try_from(left.min(SILENCE)).unwrap_or(1))?;
        frame.set_base(sample);
        Ok(Self { frame, at, left })
    }

    /// The next frame.
    pub(crate) fn next(&mut self) -> Result<Option<Frame>> {
        let count = self.left.min(SILENCE);
        if count <= 0 {
            return Ok(None);
        }
        let mut frame = self.frame.try_clone()?;
        frame.trim(0, usize::try_from(count).unwrap_or(0))?;
        frame.set_pts(self.at);
        self.at = self.at.saturating_add(count);
        self.left = self.left.saturating_sub(count);
        Ok(Some(frame))
    }
}
