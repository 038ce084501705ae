//! The pictures of two media beside each other.

use super::{
    beside::beside,
    compare::{are_alike, are_equal, difference, format, psnr},
    fault::FaultKind,
    follow::{Fit, Follower},
    judge::{Due, Flaw, Judge, Odd, Place},
    outputs::Outputs,
    result::PictureState,
    seeks::{Key, Keys},
    shown::{self, Shown, Told},
    spans::Placed,
    tell::Tell,
    window::{BEHIND, End, Picture, Window},
};
use crate::{Control, Frame, Media, Result, TimeRange, time::Timestamp};
use crossbeam_channel::Receiver;

/// Pictures that wait between a decoder and their comparison.
const WAITING: usize = 4;

/// So many pictures later it is told how far it is.
const REPORT_EVERY: u64 = 8;

/// What is asked of pictures.
#[derive(Clone, Copy)]
pub(super) struct Asked {
    pub psnr: f64,
    /// Times closer than this are one; None: as close as the time bases let them be.
    pub tolerance: Option<Timestamp>,
    /// How many each decoder has; 0: as many as there are cores.
    pub threads: u32,
}

/// The two streams.
#[derive(Clone, Copy)]
pub(super) struct Pair<'a> {
    pub source: (&'a Media, usize),
    pub output: (&'a Media, usize),
}

impl Pair<'_> {
    /// How close times are that are the same, but for being rounded to ticks.
    pub(super) fn rounding(&self) -> Timestamp {
        let tick = |(media, stream): (&Media, usize)| {
            let base = media.streams().get(stream).map(|stream| stream.time_base());
            // A picture's time is rounded, and the border of its range.
            base.map_or(Timestamp::ZERO, |base| Timestamp::from_ticks(2, base))
        };
        // 3 ms where a container is coarser than that.
        const MOST: Timestamp = Timestamp::from_nanos(3_000_000);
        const NANOS: Timestamp = Timestamp::from_nanos(1000);
        tick(self.source).plus(tick(self.output)).plus(NANOS).min(MOST)
    }
}

/// What came of it.
pub(super) struct Compared {
    pub judge: Judge,
    pub source: End,
    pub output: End,
    pub keys: Vec<Key>,
}

/// Compares the pictures, each medium decoded on a thread of its own.
///
/// Errors: what reading and decoding fails with.
pub(super) fn compare(
    pair: Pair<'_>,
    ranges: &[Placed],
    asked: Asked,
    max_keys: usize,
    tell: &Tell,
    control: &Control,
) -> Result<Compared> {
    let all = [Placed { range: TimeRange::ALL, at: Timestamp::ZERO }];
    let threads = asked.threads;
    let ((source, of_source), (output, of_output)) = (pair.source, pair.output);
    beside(
        control,
        WAITING,
        |control, to| {
            shown::Pictures { media: source, stream: of_source, ranges, around: true, threads, control, to }
                .run();
        },
        |control, to| {
            shown::Pictures {
                media: output,
                stream: of_output,
                ranges: &all,
                around: false,
                threads,
                control,
                to,
            }
            .run();
        },
        |source, output| Comparison::new(pair, asked, max_keys, source).run(output, tell, control),
    )
}

struct Comparison<'a> {
    follower: Follower<'a>,
    judge: Judge,
    /// Nothing makes the output begin at 0.
    may_be_late: bool,
    /// The output's container states how long pictures are shown.
    states_lengths: bool,
    /// Numbers of the source's pictures that were left out not long ago.
    skipped: Vec<u64>,
    forms: Forms,
    colours: Forms,
    keys: Keys,
    number: u64,
    /// The last pictures of both that were paired.
    last: Option<(Place, bool, Due)>,
    /// How long that one is shown in the source where no border cuts it off.
    whole: Timestamp,
    range: usize,
}

/// Pictures of another form, or other colours.
#[derive(Default)]
struct Forms {
    count: u64,
    first: Option<(Place, Due, String, String)>,
}

impl Forms {
    fn note(&mut self, place: Place, due: Due, words: impl FnOnce() -> (String, String)) {
        self.count = self.count.saturating_add(1);
        if self.first.is_none() {
            let (expected, found) = words();
            self.first = Some((place, due, expected, found));
        }
    }

    fn tell(&mut self, judge: &mut Judge, kind: fn(u64, String, String) -> FaultKind) {
        if let Some((place, due, expected, found)) = self.first.take() {
            let kind = kind(self.count, expected, found);
            judge.add(kind, Some((place.from, place.until)), Some(due.time));
        }
    }
}

impl<'a> Comparison<'a> {
    fn new(pair: Pair<'_>, asked: Asked, most: usize, from: &'a Receiver<Result<Told>>) -> Self {
        let tolerance = asked.tolerance.unwrap_or_else(|| pair.rounding());
        Self {
            follower: Follower { window: Window::new(from), due: 0, late: Timestamp::ZERO, tolerance },
            judge: Judge::new(asked.psnr, tolerance),
            may_be_late: !pair.output.0.is_edited(),
            states_lengths: {
                let name = pair.output.0.demuxer().name();
                ["mov", "matroska"].into_iter().any(|container| name.split(',').any(|n| n == container))
            },
            skipped: Vec::new(),
            forms: Forms::default(),
            colours: Forms::default(),
            keys: Keys::new(most),
            number: 0,
            last: None,
            whole: Timestamp::ZERO,
            range: 0,
        }
    }

    fn run(mut self, from: &Receiver<Result<Told>>, tell: &Tell, control: &Control) -> Result<Compared> {
        let mut outputs = Outputs::new(from);
        while let Some(mut picture) = outputs.next()? {
            control.check()?;
            self.keys.note(&picture.shown);
            if self.number.is_multiple_of(REPORT_EVERY) {
                tell.tell(picture.shown.from, control)?;
            }
            self.take(&mut picture, &mut outputs)?;
            self.number = self.number.saturating_add(1);
        }
        self.leave_rest()?;
        self.forms.tell(&mut self.judge, |pictures, expected, found| FaultKind::Form {
            pictures,
            expected,
            found,
        });
        self.colours.tell(&mut self.judge, |pictures, expected, found| FaultKind::Colour {
            pictures,
            expected,
            found,
        });
        self.judge_last();
        let source = self.follower.window.end.take().unwrap_or_default();
        Ok(Compared {
            judge: self.judge,
            source,
            output: outputs.end.unwrap_or_default(),
            keys: self.keys.end(),
        })
    }

    /// A picture of the source, as it is to be shown.
    fn due(&mut self, number: u64) -> Option<Due> {
        let shown = &self.follower.window.get(number)?.shown;
        let Shown { from, until, time, range, .. } = *shown;
        Some(Due { number, from, until, time, range })
    }

    /// Takes a picture of the output.
    fn take(&mut self, picture: &mut Picture, outputs: &mut Outputs<'_>) -> Result<()> {
        let place = Place { number: self.number, from: picture.shown.from, until: picture.shown.until };
        if picture.shown.is_key {
            self.judge.told.keys.push(place.from);
        }
        let due = self.follower.window.inside_from(self.follower.due)?.and_then(|due| self.due(due));
        // What has the bytes of a picture in front of the range is that one, whatever it is decoded to.
        let is_due = due.is_some_and(|due| self.has_bytes_of(picture, due.number));
        if let Some(time) = self.follower.window.lies_before(picture).filter(|_| !is_due) {
            self.judge.odd(Odd::Outside, place, Some(time), due.map_or(self.range, |due| due.range));
            return Ok(());
        }
        // What a decoder makes of a damaged packet may look like the picture before.
        let is_concealed =
            picture.shown.is_damaged && due.is_some_and(|due| self.follower.is_in_time(picture, due.number));
        let fit = match due.filter(|_| is_concealed) {
            Some(due) => Fit::Picture(due.number),
            None => self.follower.find(picture)?,
        };
        let found = match fit {
            Fit::Picture(number) => self.due(number),
            Fit::Perhaps(number) => {
                let due = due.and_then(|due| self.follower.window.get(due.number));
                let comes_later = due.map_or(Ok(false), |due| outputs.come_to(due))?;
                if comes_later { None } else { self.due(number) }
            }
            Fit::Nothing => None,
        };
        let Some(found) = found else {
            // In front of all that is due, and behind it, anything is too much.
            let odd = if due.is_some() && self.last.is_some() { Odd::Foreign } else { Odd::Outside };
            self.judge.odd(odd, place, due.map(|due| due.time), self.range);
            return Ok(());
        };
        let is_inside = self.follower.window.get(found.number).is_some_and(|own| own.shown.is_inside);
        if !is_inside {
            self.judge.odd(Odd::Outside, place, Some(found.time), self.range);
            return Ok(());
        }
        if found.number < self.follower.due {
            let late = self.skipped.iter().position(|number| *number == found.number);
            let odd = if late.is_some() { Odd::LateOne(found.number) } else { Odd::Again };
            if let Some(at) = late {
                self.skipped.remove(at);
            }
            self.judge.odd(odd, place, Some(found.time), found.range);
            return Ok(());
        }
        if let Some(due) = due.filter(|due| due.number < found.number) {
            self.skip(due, found.number);
        }
        self.range = found.range;
        self.pair(picture, place, found);
        self.count_due(found.number);
        self.follower.due = found.number.saturating_add(1);
        self.follower.window.forget(self.follower.due);
        Ok(())
    }

    fn has_bytes_of(&mut self, picture: &Picture, number: u64) -> bool {
        let own = self.follower.window.get(number).and_then(|own| own.shown.coded);
        own.is_some() && own == picture.shown.coded
    }

    /// Pictures of the source up to another one were left out: those of each range by themselves.
    fn skip(&mut self, first: Due, to: u64) {
        let mut first = Some(first);
        let mut count: u64 = 0;
        let mut until = Timestamp::ZERO;
        let begins = first.map_or(to, |first| first.number);
        for number in begins..to {
            let known = self.follower.window.get(number).map(|own| own.shown.is_inside);
            if known == Some(false) {
                continue;
            }
            let due = self.due(number);
            let changes = due.zip(first).is_some_and(|(due, first)| due.range != first.range);
            if changes && let Some(done) = first.take() {
                self.judge.skip(done, count, until);
                count = 0;
            }
            first = first.or(due);
            until = due.map_or(until, |due| due.until);
            count = count.saturating_add(1);
            self.skipped.push(number);
            self.count_due(number);
        }
        // Those that lie further back are not looked at any more.
        let kept = self.skipped.len().saturating_sub(BEHIND);
        self.skipped.drain(..kept);
        if let Some(first) = first.filter(|_| count > 0) {
            self.judge.skip(first, count, until);
        }
    }

    fn count_due(&mut self, number: u64) {
        let told = &mut self.judge.told;
        told.expected = told.expected.saturating_add(1);
        if let Some(own) = self.follower.window.get(number).filter(|own| own.shown.is_key) {
            told.source_keys.push(own.shown.from);
        }
    }

    /// A picture of the output and the one of the source that it is.
    fn pair(&mut self, picture: &Picture, place: Place, due: Due) {
        if self.last.is_none() && self.may_be_late {
            self.follower.late = place.from.minus(due.from);
            self.judge.told.late = self.follower.late;
        }
        self.judge.right(place, due, &mut self.follower.late);
        self.last = Some((place, picture.shown.is_endless, due));
        let Some(own) = self.follower.window.get(due.number) else { return };
        self.whole = own.shown.whole;
        let (a, b) = (&picture.shown, &own.shown);
        if !a.frame.has_colors_of(&b.frame) {
            self.colours.note(place, due, || (b.frame.colors_in_words(), a.frame.colors_in_words()));
        }
        let is_copied = a.coded.is_some() && a.coded == b.coded;
        if are_equal(&a.frame, &b.frame) {
            let state = if is_copied { PictureState::Copied } else { PictureState::Equal };
            self.judge.state(state, place);
            return;
        }
        self.judge.state(PictureState::Recoded, place);
        if !are_alike(&a.frame, &b.frame) {
            let form = |frame: &Frame| format!("{}x{} {}", frame.width(), frame.height(), format(frame));
            self.forms.note(place, due, || (form(&b.frame), form(&a.frame)));
            return;
        }
        // Samples that are no numbers of 16 bits can't be told apart but by being equal.
        let psnr = difference(&a.frame, &b.frame).map_or(0.0, psnr);
        let flaw = match () {
            () if a.is_damaged && !b.is_damaged => Some(Flaw::Damaged),
            () if is_copied => Some(Flaw::Broken),
            () => None,
        };
        match flaw {
            Some(flaw) => self.judge.flaw(flaw, place, due.time, psnr),
            None => self.judge.recoded(place, due.time, psnr),
        }
    }

    /// What of the source was not shown at the end.
    fn leave_rest(&mut self) -> Result<()> {
        while let Some(number) = self.follower.window.inside_from(self.follower.due)? {
            if let Some(due) = self.due(number) {
                self.skip(due, number.saturating_add(1));
            }
            self.follower.due = number.saturating_add(1);
            self.follower.window.forget(self.follower.due);
        }
        Ok(())
    }

    /// Judges how long the last picture is shown: that of the others is the time of the next.
    fn judge_last(&mut self) {
        let Some((place, is_endless, due)) = self.last else { return };
        let is_last = place.number.saturating_add(1) == self.number;
        if !is_last || !self.states_lengths || due.until == Timestamp::MAX {
            return;
        }
        let (expected, found) = (due.until.minus(due.from), place.until.minus(place.from));
        let is = |length: Timestamp| {
            found.minus(length).nanos().saturating_abs() <= self.follower.tolerance.nanos().saturating_mul(2)
        };
        // Where no edit list can cut it off, it may be shown as long as in the source.
        if is_endless || !(is(expected) || self.may_be_late && is(self.whole)) {
            let found = (!is_endless).then_some(found);
            let kind = FaultKind::LastDuration { expected, found };
            self.judge.add(kind, Some((place.from, place.until)), Some(due.time));
        }
    }
}
