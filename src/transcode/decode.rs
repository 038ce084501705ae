//! The decode stage: a stream's packets in, its frames out, each at its time on the output's clock and cut to what is
//! shown.

use super::{
    pipeline::{Counters, Part},
    queue::{Gate, Rx, Stop, Tx},
    settings::Transcode,
};
use crate::{
    Control, Error, ErrorKind, Frame, Result, StreamKind,
    av::{
        decoder::{DecodeOptions, Decoder, Got},
        packet::Packet,
        stream::Stream,
    },
    media::Span,
    time::{Rational, Timestamp, convert},
};
use std::{collections::VecDeque, sync::atomic::Ordering};

/// What the demuxer sends to a decoder.
pub(super) enum Fed {
    /// What follows is of this part.
    Part(usize),
    Packet(Packet),
}

/// A frame, and the part that it is of.
pub(super) struct Decoded {
    pub frame: Frame,
    pub part: usize,
}

/// What all decoders of a job have in common.
pub(super) fn options(settings: &Transcode, control: &Control) -> DecodeOptions {
    DecodeOptions {
        device: None,
        threads: settings.threads,
        low_delay: false,
        max_pixels: control.limit().pixels,
        keep_padding: false,
        bit_exact: settings.bit_exact,
        alpha: false,
    }
}

pub(super) struct DecodeStage<'a> {
    pub parts: &'a [Part],
    pub lane: usize,
    pub options: DecodeOptions,
    pub most_errors: Option<u64>,
    pub counters: &'a Counters,
    pub stop: &'a Stop,
    pub to: Tx<Decoded>,
    /// The first picture is wanted at once; this opens when it is encoded, or not enough for that.
    pub first: Option<&'a Gate>,
}

impl DecodeStage<'_> {
    pub(super) fn run(&mut self, from: &Rx<Fed>) -> Result<()> {
        let mut at: Option<At> = None;
        while let Some((fed, _held)) = from.recv_or(self.stop, || self.to.flush(self.stop))? {
            match fed {
                Fed::Part(index) => {
                    if let Some(mut last) = at.take() {
                        self.drain(&mut last)?;
                    }
                    at = self.enter(index)?;
                }
                Fed::Packet(packet) => {
                    let Some(at) = &mut at else { continue };
                    if std::mem::take(&mut at.hurries) {
                        self.hurry(at, &packet)?;
                    }
                    if !self.decode(at, Some(&packet))? {
                        return Ok(());
                    }
                }
            }
        }
        at.map_or(Ok(()), |mut last| self.drain(&mut last))
    }

    fn enter(&self, index: usize) -> Result<Option<At>> {
        let Some(part) = self.parts.get(index) else { return Ok(None) };
        let mut at = At::enter(part, index, self.lane, &self.options)?;
        if let Some(at) = &mut at {
            let kind = part.media.streams().get(at.stream).map(Stream::kind);
            at.hurries = self.first.is_some() && kind == Some(StreamKind::Video) && !at.decoder.has_device();
        }
        Ok(at)
    }

    /// Brings the first picture out before its time: a decoder of pictures that were put into another order waits for
    /// further packets before it gives any away. It is decoded once more then, for those that refer to it.
    fn hurry(&mut self, at: &mut At, packet: &Packet) -> Result<()> {
        let (Some(pts), Some((span, _))) = (packet.pts(), at.spans.first()) else { return Ok(()) };
        if !packet.is_key() || pts != span.media || at.decoder.send(Some(packet))? != Got::Item {
            at.decoder.flush();
            return Ok(());
        }
        at.decoder.send(None)?;
        if at.decoder.receive(&mut at.frame)? == Got::Item && !at.frame.is_damaged() {
            let frame = at.frame.take()?;
            // A packet may hold one field of two.
            if frame.best_pts() == Some(pts) && frame.interlaced().is_none() {
                self.deliver(at, frame)?;
                at.given = Some(pts);
                // What follows would take the time that the first one needs.
                if let Some(first) = self.first.filter(|_| at.gave) {
                    first.wait(self.stop)?;
                }
            }
        }
        at.decoder.flush();
        Ok(())
    }

    fn drain(&mut self, at: &mut At) -> Result<()> {
        self.decode(at, None).map(drop)
    }

    /// False if nobody wants more.
    fn decode(&mut self, at: &mut At, packet: Option<&Packet>) -> Result<bool> {
        loop {
            self.stop.check()?;
            let sent = at.decoder.send(packet)?;
            if sent == Got::Damaged {
                self.count_damage(at)?;
            }
            loop {
                match at.decoder.receive(&mut at.frame)? {
                    Got::Item => {
                        let frame = at.frame.take()?;
                        if at.given.take_if(|given| frame.best_pts() == Some(*given)).is_some() {
                            continue;
                        }
                        if !self.deliver(at, frame)? {
                            return Ok(false);
                        }
                    }
                    Got::Damaged => self.count_damage(at)?,
                    Got::Again | Got::End => break,
                }
            }
            if sent != Got::Again {
                return Ok(true);
            }
        }
    }

    fn count_damage(&self, at: &At) -> Result<()> {
        let errors = self.counters.decode_errors.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        if let Some(most) = self.most_errors.filter(|most| errors > *most) {
            let message = format!("more than {most} packets are damaged");
            let error =
                Error::corrupt(message).advise("raise the limit (max_decode_errors), or get a sound copy");
            return Err(self
                .parts
                .get(at.part)
                .map_or_else(|| Error::corrupt(""), |part| part.name(error, at.stream)));
        }
        Ok(())
    }

    fn deliver(&mut self, at: &mut At, frame: Frame) -> Result<bool> {
        if at.decoder.has_device() {
            let on_device = frame.is_on_device();
            let counter = if on_device { &self.counters.on_device } else { &self.counters.off_device };
            counter.fetch_add(1, Ordering::Relaxed);
        }
        self.counters.frames_decoded.fetch_add(1, Ordering::Relaxed);
        let mut frame = frame;
        frame.guess_layout();
        if frame.is_damaged() {
            self.count_damage(at)?;
        }
        let pixels = u64::from(frame.width()).saturating_mul(frame.height().into());
        if pixels > self.options.max_pixels {
            let message = format!(
                "{}x{} pixels, and the limit is {} in all",
                frame.width(),
                frame.height(),
                self.options.max_pixels
            );
            return Err(Error::new(ErrorKind::LimitExceeded, message).in_stream(at.stream));
        }
        let frames = if frame.is_audio() { at.place_sound(frame)? } else { at.place_picture(frame)? };
        for frame in frames {
            let bytes = frame.memory();
            if !self.to.send(Decoded { frame, part: at.part }, bytes, self.stop)? {
                return Ok(false);
            }
            at.gave = true;
        }
        Ok(true)
    }
}

/// Sound that is missing for longer than a fiftieth of a second is filled with silence, so that what comes behind stays with
/// its picture in containers without timestamps too.
const GAP: i64 = 50;
/// More silence than this at once is no gap but a source that was put together: an hour.
const MOST_SILENCE: i64 = 3600;

/// Where a decoder is.
pub(super) struct At {
    part: usize,
    stream: usize,
    pub(super) decoder: Decoder,
    frame: Frame,
    /// What of the stream is shown, and when on the output's clock.
    spans: Vec<(Span, Timestamp)>,
    base: Rational,
    /// The time base of the pictures that go on.
    out: Rational,
    /// A picture's duration where nothing says it, in ticks.
    typical: i64,
    /// The first picture is wanted at once.
    hurries: bool,
    /// A frame has gone on.
    gave: bool,
    /// The time of a picture that has gone on already.
    given: Option<i64>,
    /// The time base of the last sound: one sample. Its rate may change in mid-stream.
    sample: Option<Rational>,
    /// The next timestamp that is due: ticks for pictures, samples for sound.
    expected: Option<i64>,
    /// Where the next sample goes on the output's clock.
    next_sample: Option<i64>,
}

impl At {
    /// At the beginning of a part, with a decoder for what it has for this lane; None if that is nothing.
    pub(super) fn enter(
        part: &Part,
        index: usize,
        lane: usize,
        options: &DecodeOptions,
    ) -> Result<Option<Self>> {
        let Some(stream) = part.streams.get(lane).copied().flatten() else { return Ok(None) };
        let (Some(s), Some(timeline)) = (part.media.streams().get(stream), part.media.timeline(stream))
        else {
            return Ok(None);
        };
        let origin = part.from.plus(part.media.start());
        let to = if part.to == Timestamp::MAX { part.to } else { part.to.plus(part.media.start()) };
        let spans = timeline.clip(origin, to).into_iter().map(|span| {
            let at = span.shown.minus(origin).plus(part.placed);
            (span, at)
        });
        let options = DecodeOptions { keep_padding: part.media.has_edits(stream), ..options.clone() };
        let decoder = Decoder::open(s, &options).map_err(|e| part.name(e, stream))?;
        Ok(Some(Self {
            part: index,
            stream,
            decoder,
            frame: Frame::new()?,
            spans: spans.collect(),
            base: timeline.base,
            out: if part.from > Timestamp::ZERO || part.placed > Timestamp::ZERO {
                fine(timeline.base)
            } else {
                timeline.base
            },
            typical: s.frame_rate().map_or(1, |rate| {
                Rational::new(rate.den, rate.num).map_or(1, |frame| convert(1, frame, timeline.base)).max(1)
            }),
            hurries: false,
            gave: false,
            given: None,
            sample: None,
            expected: None,
            next_sample: None,
        }))
    }

    /// The stream that is decoded.
    pub(super) fn stream(&self) -> usize {
        self.stream
    }

    /// The shown parts of a picture, in the stream's time base on the output's clock.
    pub(super) fn place_picture(&mut self, mut frame: Frame) -> Result<VecDeque<Frame>> {
        let pts = frame.best_pts().or(self.expected).unwrap_or(0);
        let length = Some(frame.length()).filter(|length| *length > 0).unwrap_or(self.typical);
        self.expected = Some(pts.saturating_add(length));
        let mut placed = VecDeque::new();
        for (span, shown) in &self.spans {
            let (begin, end) = (span.media, span.media_at(span.shown_end(), self.base));
            let (from, to) = (pts.max(begin), pts.saturating_add(length).min(end));
            // Of the picture that the range begins in, more than half has to be inside: it takes the next one's place else.
            if from >= to || (pts < begin && to.saturating_sub(from).saturating_mul(2) < length) {
                continue;
            }
            let mut copy = frame.share()?;
            copy.set_base(self.out);
            let since = convert(from.saturating_sub(begin), self.base, self.out);
            copy.set_pts(since.saturating_add(shown.ticks(self.out)));
            // A range may end within the last tick.
            let end = Timestamp::from_ticks(to.saturating_sub(begin), self.base).min(span.len);
            copy.set_length(end.ticks(self.out).saturating_sub(since));
            placed.push_back(copy);
        }
        frame.clear();
        Ok(placed)
    }

    /// The shown samples of a sound, in 1/rate on the output's clock, with silence for what is missing before them.
    fn place_sound(&mut self, frame: Frame) -> Result<VecDeque<Frame>> {
        let rate = i32::try_from(frame.sample_rate()).unwrap_or(0);
        let Some(sample) = Rational::new(1, rate).filter(|_| rate > 0) else {
            return Ok(VecDeque::new());
        };
        if let Some(before) = self.sample.replace(sample).filter(|before| *before != sample) {
            let again = |count: i64| convert(count, before, sample);
            (self.expected, self.next_sample) = (self.expected.map(again), self.next_sample.map(again));
        }
        let count = i64::try_from(frame.samples()).unwrap_or(0);
        // Containers that count in milliseconds round; the samples themselves run on (av_rescale_delta).
        let slack = convert(1, self.base, sample).saturating_add(1);
        let stated = frame.best_pts().map(|pts| convert(pts, self.base, sample));
        let begin = match (stated, self.expected) {
            (Some(at), Some(due)) if at.saturating_sub(due).saturating_abs() <= slack => due,
            (stated, due) => stated.or(due).unwrap_or(0),
        };
        let end = begin.saturating_add(count);
        self.expected = Some(end);
        let mut placed = VecDeque::new();
        for (span, shown) in &self.spans {
            let first = convert(span.media, self.base, sample);
            let last = match span.len {
                Timestamp::MAX => i64::MAX,
                len => first.saturating_add(len.ticks(sample)),
            };
            let (mut from, to) = (begin.max(first), end.min(last));
            let mut at = from.saturating_sub(first).saturating_add(shown.ticks(sample));
            if let Some(next) = self.next_sample {
                // What was there already is not played twice.
                let again = next.saturating_sub(at);
                if again > 0 {
                    from = from.saturating_add(again);
                    at = next;
                }
                let gap = at.saturating_sub(next);
                if gap.saturating_mul(GAP) >= i64::from(rate)
                    && gap < MOST_SILENCE.saturating_mul(rate.into())
                    && from < to
                {
                    fill(&mut placed, &frame, next, gap, sample)?;
                }
            }
            if from >= to {
                continue;
            }
            let inside = |sample: i64| usize::try_from(sample.saturating_sub(begin)).unwrap_or(0);
            let mut copy = frame.share()?;
            copy.trim(inside(from), inside(to))?;
            copy.set_base(sample);
            copy.set_pts(at);
            self.next_sample = Some(at.saturating_add(to.saturating_sub(from)));
            placed.push_back(copy);
        }
        Ok(placed)
    }
}

/// A time base that a range's borders can be told in: a millisecond's ticks or longer ones are too coarse to stay in sync.
fn fine(base: Rational) -> Rational {
    if base.value() < 0.001 { base } else { Rational { num: 1, den: 90_000 } }
}

fn fill(
    placed: &mut VecDeque<Frame>,
    like: &Frame,
    mut at: i64,
    mut gap: i64,
    sample: Rational,
) -> Result<()> {
    while gap > 0 {
        let count = gap.min(8192);
        let mut silence = like.silence_like(usize::try_from(count).unwrap_or(1))?;
        silence.set_base(sample);
        silence.set_pts(at);
        placed.push_back(silence);
        at = at.saturating_add(count);
        gap = gap.saturating_sub(count);
    }
    Ok(())
}
