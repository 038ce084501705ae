//! The second source of a watermark: pictures that lie over a video's, each when its time comes. The process
//! stage pulls them: what is read and decoded is what the next picture of the video needs, and one more.

use crate::{
    Control, Error, ErrorKind, Frame, Limits, Media, Result,
    av::{
        decoder::{DecodeOptions, Decoder, Got},
        stream::{Stream, StreamKind, Turn},
    },
    media::{Item, Payloads, PictureOrMedia},
    read::{Reader, Stretch},
    time::{Rational, Timestamp},
    transcode::{
        flow::{
            decode::At,
            messages::{Counters, PlacedRange},
        },
        settings::{AtEnd, Overlay},
    },
};
use std::{collections::VecDeque, sync::atomic::Ordering};

/// What a second source is read under.
pub(crate) struct Work<'a> {
    pub control: &'a Control,
    pub counters: &'a Counters,
}

/// What lies over a video.
pub(crate) enum Second {
    /// A picture that stays.
    Still(Frame),
    Moving(Box<Moving>),
}

impl Second {
    /// Of what was opened.
    pub(crate) fn new(shown: PictureOrMedia, overlay: &Overlay, options: DecodeOptions) -> Result<Self> {
        match shown {
            PictureOrMedia::Still(picture) => Ok(Self::Still(picture)),
            PictureOrMedia::Moving(media) => {
                let name = media.source().name().to_owned();
                Moving::new(media, overlay, options)
                    .map(|moving| Self::Moving(Box::new(moving)))
                    .map_err(|e| e.named(&name))
            }
        }
    }

    pub(crate) fn media(&self) -> Option<&Media> {
        match self {
            Self::Still(_) => None,
            Self::Moving(moving) => Some(&moving.media),
        }
    }

    /// Whether it has transparency that this libav can't show.
    pub(crate) fn lacks_alpha(&self) -> bool {
        let stream = match self {
            Self::Still(_) => None,
            Self::Moving(moving) => moving.stream(),
        };
        stream.is_some_and(Decoder::lacks_alpha)
    }

    /// The picture that a graph is made for.
    pub(crate) fn picture(&self) -> Option<&Frame> {
        match self {
            Self::Still(picture) => Some(picture),
            Self::Moving(moving) => {
                moving.current.as_ref().or(moving.next.as_ref()).map(|shown| &shown.picture)
            }
        }
    }

    /// How it is to be turned.
    pub(crate) fn turn(&self) -> Option<Turn> {
        match self {
            Self::Still(_) => None,
            Self::Moving(moving) => moving.stream().and_then(Stream::turn),
        }
    }

    /// Whether it shows the same picture from now on.
    pub(crate) fn stays(&self) -> bool {
        match self {
            Self::Still(_) => true,
            Self::Moving(moving) => moving.stays(),
        }
    }

    /// Goes on to the picture of a tick of the result.
    pub(crate) fn advance(&mut self, tick: i64, base: Rational, work: &Work<'_>) -> Result<()> {
        match self {
            Self::Still(_) => Ok(()),
            Self::Moving(moving) => moving.advance(tick, base, work).map_err(|e| moving.name(e)),
        }
    }

    /// Nothing more of it is shown: what is to be said of it is said.
    pub(crate) fn leave(&mut self, work: &Work<'_>) -> Result<()> {
        match self {
            Self::Still(_) => Ok(()),
            Self::Moving(moving) => moving.leave(work).map_err(|e| moving.name(e)),
        }
    }

    /// What is shown at the tick that it was advanced to.
    pub(crate) fn now(&self) -> Now<'_> {
        match self {
            Self::Still(picture) => Now::Picture(picture),
            Self::Moving(moving) => match (&moving.current, &moving.next) {
                _ if moving.gone => Now::Never,
                (Some(current), _) => Now::Picture(&current.picture),
                (None, Some(next)) => Now::Later(next),
                (None, None) => Now::Never,
            },
        }
    }
}

/// What is shown at an instant.
pub(crate) enum Now<'a> {
    Picture(&'a Frame),
    /// Nothing yet; this picture will be the first.
    Later(&'a TimedPicture),
    /// Nothing any more.
    Never,
}

/// A picture and when it begins on the clock of the result.
pub(crate) struct TimedPicture {
    picture: Frame,
    from: Timestamp,
}

impl TimedPicture {
    pub(crate) fn picture(&self) -> &Frame {
        &self.picture
    }

    /// The first tick of the result that it is shown at.
    pub(crate) fn tick(&self, base: Rational) -> i64 {
        tick(self.from, self.picture.base(), base)
    }
}

/// The first tick that is not before an instant, which its own time base (`of`) and that of the ticks may
/// have rounded by half a tick each, but by no more than half a millisecond.
fn tick(at: Timestamp, of: Rational, base: Rational) -> i64 {
    let half = |base: Rational| Timestamp::from_ticks(1, base).nanos().saturating_div(2).clamp(1, 500_000);
    if at == Timestamp::MAX {
        return i64::MAX;
    }
    let at = at.minus(Timestamp::from_nanos(half(of).saturating_add(half(base))));
    let near = at.ticks(base);
    near.saturating_add(i64::from(Timestamp::from_ticks(near, base) < at))
}

/// A second source that moves.
pub(crate) struct Moving {
    media: Media,
    stream: usize,
    options: DecodeOptions,
    at_end: AtEnd,
    /// When it is not shown any more, on the clock of the result.
    to: Timestamp,
    /// None before the first is read, and behind the last.
    run: Option<Box<Run>>,
    /// What is wrong with the source was said.
    told: bool,
    /// What is shown now, and the one behind it.
    current: Option<TimedPicture>,
    next: Option<TimedPicture>,
    /// When the run through the source that is being read begins, and when the last picture ends that was
    /// read.
    began: Timestamp,
    ends: Timestamp,
    /// Pictures of this run.
    pictures: u64,
    /// Nothing more will be read.
    complete: bool,
    /// Nothing more will be shown.
    gone: bool,
}

impl Moving {
    fn new(media: Media, overlay: &Overlay, options: DecodeOptions) -> Result<Self> {
        let moves = |stream: &Stream| {
            stream.kind() == StreamKind::Video && !stream.is_picture() && !stream.is_hidden()
        };
        let stream = media.streams().iter().position(moves).ok_or_else(|| {
            Error::unsupported("there is no video in it that could lie over another")
                .advise("give a picture, or media with a video stream")
        })?;
        if overlay.end() == AtEnd::Repeat && !media.source().is_seekable() {
            return Err(Error::unsupported("a stream can't be repeated")
                .advise("save it to a file, or read it into memory first"));
        }
        let during = overlay.range();
        Ok(Self {
            media,
            stream,
            options,
            at_end: overlay.end(),
            to: during.to,
            run: None,
            told: false,
            current: None,
            next: None,
            began: during.from,
            ends: during.from,
            pictures: 0,
            complete: false,
            gone: false,
        })
    }

    fn stream(&self) -> Option<&Stream> {
        self.media.streams().get(self.stream)
    }

    fn stays(&self) -> bool {
        self.complete && self.next.is_none() && self.current.is_some() && !self.gone && self.holds()
    }

    /// Whether the last picture stays; a source of one picture is not repeated but held.
    fn holds(&self) -> bool {
        self.to == Timestamp::MAX && self.at_end != AtEnd::Hide
    }

    fn advance(&mut self, now: i64, base: Rational, work: &Work<'_>) -> Result<()> {
        if self.gone {
            return Ok(());
        }
        if tick(self.to, base, base) <= now {
            return self.leave(work);
        }
        loop {
            if self.next.is_none() && !self.complete {
                self.read(Timestamp::from_ticks(now, base), work)?;
            }
            match self.next.take() {
                Some(next) if next.tick(base) <= now => self.current = Some(next),
                next => {
                    self.next = next;
                    break;
                }
            }
        }
        let ends = self.current.as_ref().map(|last| tick(self.ends, last.picture.base(), base));
        let over = self.complete && self.next.is_none() && ends.is_some_and(|ends| ends <= now);
        if over && self.at_end == AtEnd::Hide { self.leave(work) } else { Ok(()) }
    }

    /// Nothing more is shown: what it holds is not needed.
    fn leave(&mut self, work: &Work<'_>) -> Result<()> {
        self.gone = true;
        self.complete = true;
        self.next = None;
        self.end_run(work)
    }

    /// Ends the run through the source, and says what was wrong in it.
    fn end_run(&mut self, work: &Work<'_>) -> Result<()> {
        let Some(run) = self.run.take() else { return Ok(()) };
        let mut noted = run.reader.finish(false)?;
        let name = self.media.source().name();
        noted.warnings.iter_mut().for_each(|warning| *warning = format!("{name}: {warning}"));
        // The next runs see the same.
        if std::mem::replace(&mut self.told, true) {
            noted.warnings.clear();
        }
        work.counters.note(noted);
        Ok(())
    }

    fn name(&self, error: Error) -> Error {
        error.in_stream(self.stream).named(self.media.source().name())
    }

    /// Reads the next picture; there is none if it is complete then.
    fn read(&mut self, now: Timestamp, work: &Work<'_>) -> Result<()> {
        loop {
            let run = match &mut self.run {
                Some(run) => run,
                empty => empty.insert(Box::new(Run::open(&self.media, self.stream, &self.options, work)?)),
            };
            let Some(picture) = run.next(work)? else {
                self.end_run(work)?;
                if self.pictures == 0 && self.current.is_none() {
                    return Err(Error::corrupt("not one picture in it could be decoded"));
                }
                self.complete = self.at_end != AtEnd::Repeat || self.pictures < 2;
                if self.complete {
                    return Ok(());
                }
                self.repeat(now);
                continue;
            };
            let time = picture.time().unwrap_or(Timestamp::ZERO);
            let from = self.began.plus(time);
            self.pictures = self.pictures.saturating_add(1);
            self.ends =
                self.ends.max(from.plus(picture.shown().max(Timestamp::from_ticks(1, picture.base()))));
            let before = self.next.as_ref().or(self.current.as_ref()).map(|shown| shown.from);
            // A picture whose time is not later than the last one's is left out.
            if before.is_none_or(|before| before < from) {
                self.next = Some(TimedPicture { picture, from });
                return Ok(());
            }
        }
    }

    /// Begins the next run where the last one ended; those that would end before now are left out.
    fn repeat(&mut self, now: Timestamp) {
        let length = self.ends.minus(self.began).nanos().max(1);
        let behind = now.minus(self.ends).nanos().max(0);
        let skipped = behind.checked_div(length).unwrap_or(0).saturating_mul(length);
        self.began = self.ends.plus(Timestamp::from_nanos(skipped));
        self.ends = self.began;
        self.pictures = 0;
    }
}

/// One run through a second source.
struct Run {
    reader: Reader,
    at: At,
    /// Decoded, and not asked for yet: one packet's.
    ready: VecDeque<Frame>,
    item: Item,
    frame: Frame,
    /// The stream's ticks from which on nothing is shown.
    until: i64,
    ended: bool,
}

impl Run {
    fn open(media: &Media, stream: usize, options: &DecodeOptions, work: &Work<'_>) -> Result<Self> {
        let (from, to) = (Timestamp::ZERO, Timestamp::MAX);
        let stretch = Stretch { streams: &[stream], payloads: Payloads::Read, from, to, at_start: true };
        let reader = Reader::open_own(media, &stretch, work.control)?;
        let part = PlacedRange {
            media: media.clone(),
            from: Timestamp::ZERO,
            to: Timestamp::MAX,
            placed: Timestamp::ZERO,
            streams: vec![Some(stream)],
            is_beside: false,
        };
        let until = media.timeline(stream).and_then(|timeline| {
            timeline.spans.iter().map(|span| span.media_at(span.shown_end(), timeline.base)).max()
        });
        let at = At::enter(&part, 0, 0, options)?
            .ok_or_else(|| Error::new(ErrorKind::Bug, "a second source without its stream"))?;
        Ok(Self {
            reader,
            at,
            ready: VecDeque::new(),
            item: Item::new()?,
            frame: Frame::new()?,
            until: until.unwrap_or(i64::MAX),
            ended: false,
        })
    }

    /// The next picture, on the source's clock; None at its end.
    fn next(&mut self, work: &Work<'_>) -> Result<Option<Frame>> {
        loop {
            work.control.check()?;
            if let Some(picture) = self.ready.pop_front() {
                return Ok(Some(picture));
            }
            match self.at.decoder.receive(&mut self.frame)? {
                Got::Item => {
                    let picture = self.frame.take()?;
                    self.at.too_large.came(&picture);
                    work.counters.frames_decoded.fetch_add(1, Ordering::Relaxed);
                    if picture.is_damaged() {
                        work.counters.damage()?;
                    }
                    check_size(&picture, work.control)?;
                    self.ready = self.at.place_picture(picture)?;
                }
                Got::Damaged => self.note_damage(work)?,
                Got::End => return self.at.too_large.end().map(|()| None),
                Got::Again if self.ended => return self.at.too_large.end().map(|()| None),
                Got::Again => self.send(work)?,
            }
        }
    }

    /// Gives the decoder its next packet, or the end.
    fn send(&mut self, work: &Work<'_>) -> Result<()> {
        loop {
            work.control.check()?;
            let more = self.reader.next(&mut self.item)?;
            let packet = &self.item.packet;
            if !more {
                self.ended = true;
            } else if packet.stream() != self.at.stream() || packet.size() == 0 {
                continue;
            }
            // Packets come in the order of decoding: once one is past the end, none that is shown follows.
            let time = packet.dts().or(packet.pts());
            self.ended |= more && time.is_some_and(|time| time >= self.until);
            let packet = Some(packet).filter(|_| !self.ended);
            if self.at.send(packet)? == Got::Damaged {
                self.note_damage(work)?;
            }
            return Ok(());
        }
    }

    fn note_damage(&mut self, work: &Work<'_>) -> Result<()> {
        self.at.too_large.note(&self.at.decoder)?;
        work.counters.damage()
    }
}

fn check_size(picture: &Frame, control: &Control) -> Result<()> {
    let (w, h, most) = (picture.width(), picture.height(), control.get_limits().pixels);
    if u64::from(w).saturating_mul(h.into()) > most {
        let message = format!("{w}x{h} pixels, and the limit is {most} in all");
        return Err(Limits::reached("pixels", message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_begins_with_the_first_tick_that_is_not_before_it() {
        let base = |num, den| Rational { num, den };
        let ms = |ms: i64| Timestamp::from_nanos(ms * 1_000_000);
        // A coarse grid: what begins within a frame is seen from the next one on.
        assert_eq!(tick(ms(40), base(1, 1000), base(1, 25)), 1);
        assert_eq!(tick(ms(47), base(1, 1000), base(1, 25)), 2);
        // 2/30 s, in milliseconds and exactly; both clocks may have rounded.
        assert_eq!(tick(ms(67), base(1, 1000), base(1, 30)), 2);
        assert_eq!(tick(Timestamp::from_ticks(2, base(1, 30)), base(1, 30), base(1, 1000)), 66);
        assert_eq!(tick(Timestamp::MAX, base(1, 30), base(1, 1000)), i64::MAX);
    }
}
