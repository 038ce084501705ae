//! The pictures of a stream as they are shown, one by one: decoded, and each with its time, with what is known of
//! its packet, and with what its decoder said.

use super::{
    coded::Coded,
    spans::{Pass, Placed, passes},
};
use crate::{
    Control, Error, Frame, Media, Result,
    av::{
        decoder::{DecodeOptions, Decoder, Got},
        log::Ear,
        packet::Packet,
        stream::Stream,
    },
    inspect::inspect,
    media::{Item, Span},
    time::{Rational, Timestamp, convert},
};
use crossbeam_channel::Sender;
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

/// Nanoseconds of which a picture that a range begins in shows at least half, or half of itself if it is shorter.
const LITTLE: i64 = 40_000_000;
/// Pictures in front of a range and behind it that are looked at as well.
const AROUND: usize = 3;
/// Packets of which no picture has come yet: more than any decoder holds back.
const AWAITED: usize = 512;
/// Pictures in front of a range of which the bytes are known: from a keyframe on.
const BEFORE: usize = 4096;
/// So many pictures in a row that are too large are no damage.
const MANY: u32 = 8;

/// A decoded picture on its way.
pub(super) struct Shown {
    pub frame: Frame,
    /// When it is shown on the output's clock, and until when.
    pub from: Timestamp,
    pub until: Timestamp,
    /// It states no duration, and nothing follows it that ends it.
    pub is_endless: bool,
    /// How long it is shown where no border of what is shown cuts it off.
    pub whole: Timestamp,
    /// When it is shown on its own file's presentation clock.
    pub time: Timestamp,
    pub pts: i64,
    pub dts: Option<i64>,
    pub is_key: bool,
    /// What its packet's picture is known by.
    pub coded: Option<u64>,
    /// Its decoder concealed errors in it.
    pub is_damaged: bool,
    /// Whether it is of the range, or lies around it.
    pub is_inside: bool,
    pub range: usize,
}

/// What comes of a stream.
pub(super) enum Told {
    Picture(Box<Shown>),
    /// What coded pictures lie in front of a range, from the keyframe on, and when they are shown on the source's
    /// clock.
    Before(Vec<(u64, Timestamp)>),
    /// The end: what the decoder has said, and how many packets it made nothing of.
    End {
        lines: Vec<String>,
        damaged: u64,
    },
}

/// What is known of a packet whose picture is awaited.
#[derive(Clone, Copy)]
struct Sent {
    coded: u64,
    dts: Option<i64>,
    is_key: bool,
    lasts: i64,
}

/// A picture whose end is not known yet.
struct Decoded {
    frame: Frame,
    /// In ticks of the stream.
    pts: i64,
    /// What it says itself; 0 for nothing.
    lasts: i64,
    sent: Option<Sent>,
}

/// Decodes ranges of a stream of pictures.
pub(super) struct Pictures<'a> {
    pub media: &'a Media,
    pub stream: usize,
    pub ranges: &'a [Placed],
    /// What lies around the ranges is told of as well.
    pub around: bool,
    pub threads: u32,
    pub control: &'a Control,
    pub to: &'a Sender<Result<Told>>,
}

/// Nobody wants more.
struct Enough;

impl Pictures<'_> {
    /// Sends all, and the error that ends it.
    pub(super) fn run(&self) {
        let sent = self.all().map_err(|e| e.in_stream(self.stream).named(self.media.source().name()));
        let _ = match sent {
            Ok(Some(end)) => self.to.send(Ok(end)),
            Ok(None) => Ok(()),
            Err(error) => self.to.send(Err(error)),
        };
    }

    fn all(&self) -> Result<Option<Told>> {
        let Some(stream) = self.media.streams().get(self.stream) else {
            return Ok(Some(Told::End { lines: Vec::new(), damaged: 0 }));
        };
        let ear = Ear::new().map(Arc::new);
        let mut damaged: u64 = 0;
        for (range, placed) in self.ranges.iter().enumerate() {
            for pass in passes(self.media, self.stream, *placed) {
                let mut run = Run::new(self, stream, &pass, range, ear.as_ref())?;
                if run.read(self.media)?.is_err() {
                    return Ok(None);
                }
                damaged = damaged.saturating_add(run.damaged);
            }
        }
        let lines = ear.map(|ear| ear.take()).unwrap_or_default();
        Ok(Some(Told::End { lines, damaged }))
    }
}

pub(super) fn options(control: &Control, keep_padding: bool, ear: Option<&Arc<Ear>>) -> DecodeOptions {
    DecodeOptions {
        device: None,
        threads: 0,
        low_delay: false,
        max_pixels: control.get_limits().pixels,
        memory: control.get_limits().decoder_memory,
        keep_padding,
        bit_exact: true,
        alpha: false,
        ear: ear.cloned(),
    }
}

/// A picture's duration by its stream's rate, in ticks.
pub(super) fn typical(stream: &Stream) -> i64 {
    let typical = stream.frame_rate().and_then(|rate| Rational::new(rate.den, rate.num));
    typical.map_or(1, |frame| convert(1, frame, stream.time_base())).max(1)
}

/// One pass over a stretch.
struct Run<'a> {
    of: &'a Pictures<'a>,
    pass: &'a Pass,
    range: usize,
    coded: Coded,
    decoder: Decoder,
    typical: i64,
    sent: BTreeMap<i64, Sent>,
    /// The last that came, until the next one ends it.
    held: Option<Decoded>,
    /// The next picture's timestamp, were there none.
    expected: i64,
    /// Those in front of what is shown.
    before: VecDeque<Shown>,
    coded_before: Vec<(u64, Timestamp)>,
    /// How many came behind it.
    behind: usize,
    has_begun: bool,
    damaged: u64,
    refused: (u32, Option<Error>),
    has_pictures: bool,
}

type Going = std::result::Result<(), Enough>;

impl<'a> Run<'a> {
    fn new(
        of: &'a Pictures<'a>,
        stream: &Stream,
        pass: &'a Pass,
        range: usize,
        ear: Option<&Arc<Ear>>,
    ) -> Result<Self> {
        Ok(Self {
            of,
            pass,
            range,
            coded: Coded::of(stream),
            decoder: Decoder::open(
                stream,
                &DecodeOptions { threads: of.threads, ..options(of.control, false, ear) },
            )?,
            typical: typical(stream),
            sent: BTreeMap::new(),
            held: None,
            expected: 0,
            before: VecDeque::new(),
            coded_before: Vec::new(),
            behind: 0,
            has_begun: false,
            damaged: 0,
            refused: (0, None),
            has_pictures: false,
        })
    }

    fn read(&mut self, media: &Media) -> Result<Going> {
        let (pass, stream) = (self.pass, self.of.stream);
        let Some(mut reader) = pass.read(media, stream, self.of.control)? else { return Ok(Ok(())) };
        let mut item = Item::new()?;
        while self.behind < AROUND && reader.next(&mut item)? {
            self.of.control.check()?;
            // A packet without bytes is an end mark to decoders.
            if item.packet.stream() != stream || item.packet.size() == 0 {
                continue;
            }
            self.note(&item.packet);
            if self.decode(Some(&item.packet))?.is_err() {
                return Ok(Err(Enough));
            }
        }
        if self.behind < AROUND && self.decode(None)?.is_err() {
            return Ok(Err(Enough));
        }
        if let Some(last) = self.held.take()
            && self.show(last, None)?.is_err()
        {
            return Ok(Err(Enough));
        }
        reader.finish(false)?;
        match self.refused.1.take().filter(|_| !self.has_pictures) {
            Some(error) => Err(error),
            None => Ok(Ok(())),
        }
    }

    fn note(&mut self, packet: &Packet) {
        let Some(pts) = packet.pts().or(packet.dts()) else { return };
        let sent = Sent {
            coded: self.coded.hash(packet.data()),
            dts: packet.dts(),
            is_key: packet.is_key(),
            lasts: packet.duration().max(0),
        };
        // Two packets of one time are the fields of a picture.
        self.sent
            .entry(pts)
            .and_modify(|first| first.coded = first.coded.rotate_left(1).wrapping_add(sent.coded))
            .or_insert(sent);
        while self.sent.len() > AWAITED {
            self.sent.pop_first();
        }
    }

    fn decode(&mut self, packet: Option<&Packet>) -> Result<Going> {
        loop {
            let sent = self.decoder.send(packet)?;
            if sent == Got::Damaged {
                self.note_damage()?;
            }
            let mut frame = Frame::new()?;
            loop {
                match self.decoder.receive(&mut frame)? {
                    Got::Item => {
                        self.decoder.admit(&frame)?;
                        (self.has_pictures, self.refused) = (true, (0, None));
                        if self.take(frame.take()?)?.is_err() {
                            return Ok(Err(Enough));
                        }
                    }
                    Got::Damaged => self.note_damage()?,
                    Got::Again | Got::End => break,
                }
            }
            if sent != Got::Again {
                return Ok(Ok(()));
            }
        }
    }

    /// The decoder made nothing of what it got: an error where it has refused many in a row for their size.
    fn note_damage(&mut self) -> Result<()> {
        if self.has_begun {
            self.damaged = self.damaged.saturating_add(1);
        }
        let Some(error) = self.decoder.too_large() else { return Ok(()) };
        self.refused.0 = self.refused.0.saturating_add(1);
        if self.refused.0 >= MANY {
            return Err(error);
        }
        self.refused.1.get_or_insert(error);
        Ok(())
    }

    fn take(&mut self, frame: Frame) -> Result<Going> {
        let pts = frame.best_pts().unwrap_or(self.expected);
        let sent = self.sent.remove(&pts);
        let lasts = sent.map_or(0, |sent| sent.lasts).max(if sent.is_none() { frame.length() } else { 0 });
        let step = if lasts > 0 { lasts } else { self.typical };
        self.expected = pts.saturating_add(step);
        let next = Decoded { frame, pts, lasts, sent };
        match self.held.replace(next) {
            Some(held) => self.show(held, Some(pts)),
            None => Ok(Ok(())),
        }
    }

    /// Sends what is shown of a picture; `next` is when the following one begins.
    fn show(&mut self, picture: Decoded, next: Option<i64>) -> Result<Going> {
        let pass = self.pass;
        let lasts = match next {
            None if picture.lasts == 0 => self.by_tables()?,
            _ => Some(picture.lasts).filter(|lasts| *lasts > 0),
        };
        // One that is shown for no time is there.
        let stated = lasts.unwrap_or(self.typical).max(1);
        let held = next.map(|next| next.saturating_sub(picture.pts)).filter(|held| *held > 0);
        let (pts, length) = (pass.finely(picture.pts), pass.finely(held.unwrap_or(stated)));
        let is_endless = next.is_none() && lasts.is_none_or(|lasts| lasts == 0);
        let mut is_inside = false;
        for span in &pass.spans {
            if !self.shows(&span.0, pts, length) {
                continue;
            }
            is_inside = true;
            let before = std::mem::take(&mut self.coded_before);
            if !before.is_empty() && self.of.to.send(Ok(Told::Before(before))).is_err() {
                return Ok(Err(Enough));
            }
            while let Some(before) = self.before.pop_front() {
                if self.send(before).is_err() {
                    return Ok(Err(Enough));
                }
            }
            self.has_begun = true;
            let end = span.0.media_at(span.0.shown_end(), pass.fine);
            let (from, to) = (pts.max(span.0.media), pts.saturating_add(length).min(end));
            let shown = self.shown(&picture, span, (from, to), is_endless)?;
            let whole = Timestamp::from_ticks(pts.saturating_add(length).saturating_sub(from), pass.fine);
            if self.send(Shown { whole, ..shown }).is_err() {
                return Ok(Err(Enough));
            }
        }
        if is_inside {
            return Ok(Ok(()));
        }
        let (Some(first), Some(last)) = (pass.spans.first(), pass.spans.last()) else { return Ok(Ok(())) };
        if pts >= pass.ends() {
            self.behind = self.behind.saturating_add(1);
            if self.of.around {
                let shown = self.shown(&picture, last, (pts, pts.saturating_add(length)), false)?;
                return Ok(self.send(Shown { is_inside: false, ..shown }));
            }
        } else if pts < first.0.media && self.of.around {
            let shown = self.shown(&picture, first, (pts, pts.saturating_add(length)), false)?;
            if let Some(coded) = shown.coded.filter(|_| self.coded_before.len() < BEFORE) {
                self.coded_before.push((coded, shown.time));
            }
            self.before.push_back(Shown { is_inside: false, ..shown });
            if self.before.len() > AROUND {
                self.before.pop_front();
            }
        }
        Ok(Ok(()))
    }

    /// How long the last sample of an MP4 is shown: libav does not say it of all (B-frames, before FFmpeg 6).
    fn by_tables(&self) -> Result<Option<i64>> {
        let media = self.of.media;
        let Some(stream) = media.streams().get(self.of.stream).filter(|_| media.is_edited()) else {
            return Ok(None);
        };
        let found = inspect(media.source(), self.of.control)?;
        let track = found.tracks.iter().find(|track| i32::try_from(track.id) == Ok(stream.id()));
        let same_base = |scale: u32| i64::from(stream.time_base().den) == i64::from(scale);
        let Some(track) = track.filter(|track| track.problem.is_none() && same_base(track.time_scale)) else {
            return Ok(None);
        };
        // Pictures are put into order among a few.
        let from = track.samples.saturating_sub(AWAITED as u64);
        let samples = found.samples(track.id, from..track.samples);
        let last = samples.max_by_key(|sample| sample.composition_time);
        Ok(last.map(|sample| sample.duration.into()))
    }

    /// Whether a span shows a picture of this time and length: one that it begins in shows enough of itself.
    fn shows(&self, span: &Span, pts: i64, length: i64) -> bool {
        let (begin, end) = (span.media, span.media_at(span.shown_end(), self.pass.fine));
        let (from, to) = (pts.max(begin), pts.saturating_add(length).min(end));
        let little = length.min(Timestamp::from_nanos(LITTLE).ticks(self.pass.fine));
        let rest = to.saturating_sub(from);
        rest > 0 && (pts >= begin || to == end || rest.saturating_mul(2) >= little)
    }

    fn shown(
        &self,
        picture: &Decoded,
        (span, at): &(Span, Timestamp),
        (from, to): (i64, i64),
        is_endless: bool,
    ) -> Result<Shown> {
        let fine = self.pass.fine;
        let placed = |ticks: i64| at.plus(Timestamp::from_ticks(ticks.saturating_sub(span.media), fine));
        let time = span.shown_at(from, fine).minus(self.of.media.start());
        Ok(Shown {
            frame: picture.frame.try_clone()?,
            from: placed(from),
            until: placed(to),
            is_endless,
            whole: Timestamp::from_ticks(to.saturating_sub(from), fine),
            time,
            pts: picture.pts,
            dts: picture.sent.and_then(|sent| sent.dts),
            is_key: picture.sent.is_some_and(|sent| sent.is_key),
            coded: picture.sent.map(|sent| sent.coded).filter(|coded| *coded != 0),
            is_damaged: picture.frame.is_damaged(),
            is_inside: true,
            range: self.range,
        })
    }

    fn send(&self, shown: Shown) -> Going {
        self.of.to.send(Ok(Told::Picture(Box::new(shown)))).map_err(|_| Enough)
    }
}
