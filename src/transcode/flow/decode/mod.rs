//! The decode stage: a stream's packets in, its frames out, each at its time on the output's clock and cut to
//! what is shown.

mod lead;
mod sound;
mod too_large;

use super::{
    messages::{Counters, Decoded, Fed, Part},
    queue::{Gate, Rx, Stop, Tx},
};
use crate::{
    Control, Error, Frame, Limits, Result, StreamKind,
    av::{
        decoder::{DecodeOptions, Decoder, Got},
        packet::Packet,
        stream::Stream,
    },
    media::Span,
    output::numbering,
    time::{Rational, Timestamp, convert},
    transcode::settings::Transcode,
};
use lead::Lead;
use sound::{Piece, Silence, SoundClock};
use std::{
    collections::VecDeque,
    sync::{PoisonError, atomic::Ordering},
};
use too_large::TooLarge;

/// What all decoders of a job have in common.
pub(crate) fn options(settings: &Transcode, control: &Control) -> DecodeOptions {
    DecodeOptions {
        device: None,
        threads: settings.threads,
        low_delay: false,
        max_pixels: control.get_limits().pixels,
        memory: control.get_limits().decoder_memory,
        keep_padding: false,
        bit_exact: settings.bit_exact,
        alpha: false,
    }
}

pub(crate) struct DecodeStage<'a> {
    /// The first picture is wanted at once; this opens when it is encoded, or not enough for that.
    pub first: Option<&'a Gate>,
    /// No frame is later than this.
    longest: Timestamp,
    parts: &'a [Part],
    lane: usize,
    options: DecodeOptions,
    counters: &'a Counters,
    stop: &'a Stop,
    to: Tx<Decoded>,
    /// Whether something that is to be shown has come, and whether a frame has gone on.
    fed: bool,
    gave: bool,
}

impl<'a> DecodeStage<'a> {
    pub(crate) fn new(
        parts: &'a [Part],
        lane: usize,
        options: DecodeOptions,
        counters: &'a Counters,
        stop: &'a Stop,
        to: Tx<Decoded>,
    ) -> Self {
        let nanos = stop.control().get_limits().duration.saturating_mul(1_000_000_000);
        let longest = i64::try_from(nanos).map_or(Timestamp::MAX, Timestamp::from_nanos);
        Self { first: None, longest, parts, lane, options, counters, stop, to, fed: false, gave: false }
    }
}

impl DecodeStage<'_> {
    pub(crate) fn run(&mut self, from: &Rx<Fed>) -> Result<()> {
        let outcome = self.run_parts(from);
        if self.fed && !self.gave {
            self.counters.undecoded.lock().unwrap_or_else(PoisonError::into_inner).push(self.lane);
        }
        outcome
    }

    fn run_parts(&mut self, from: &Rx<Fed>) -> Result<()> {
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
                    self.fed |= at.is_shown(&packet);
                    at.note(&packet);
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
            if at.decoder.is_refused() {
                self.leave_device(at)?;
            }
            let kind = part.media.streams().get(at.stream).map(Stream::kind);
            at.hurries = self.first.is_some() && kind == Some(StreamKind::Video) && !at.decoder.has_device();
        }
        Ok(at)
    }

    /// Brings the first picture out before its time: a decoder of pictures that were put into another order
    /// waits for further packets before it gives any away. It is decoded once more then, for those that refer
    /// to it.
    fn hurry(&mut self, at: &mut At, packet: &Packet) -> Result<()> {
        let (Some(pts), Some((span, _))) = (packet.pts(), at.spans.first()) else { return Ok(()) };
        if !packet.is_key() || at.finely(pts) != span.media || at.decoder.send(Some(packet))? != Got::Item {
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
        self.decode(at, None)?;
        at.too_large.end().map_err(|e| self.name(e, at))?;
        for frame in at.sound.release() {
            self.place_sound(at, &frame)?;
        }
        let lost = at.lead.end(at.gave);
        self.count(at, lost)
    }

    /// False if nobody wants more.
    fn decode(&mut self, at: &mut At, packet: Option<&Packet>) -> Result<bool> {
        loop {
            self.stop.check()?;
            let sent = at.send(packet)?;
            if sent == Got::Damaged && !at.decoder.is_refused() {
                self.note_damage(at)?;
            }
            if !self.receive(at)? {
                return Ok(false);
            }
            if at.decoder.is_refused() {
                at.decoder.send(None)?;
                if !self.receive(at)? {
                    return Ok(false);
                }
                self.leave_device(at)?;
            } else if sent != Got::Again {
                return Ok(true);
            }
        }
    }

    /// Delivers all that the decoder has now. False if nobody wants more.
    fn receive(&mut self, at: &mut At) -> Result<bool> {
        loop {
            match at.decoder.receive(&mut at.frame)? {
                Got::Item => {
                    let frame = at.frame.take()?;
                    at.too_large.came(&frame);
                    if at.given.take_if(|given| frame.best_pts() == Some(*given)).is_some() {
                        continue;
                    }
                    if !self.deliver(at, frame)? {
                        return Ok(false);
                    }
                }
                // The packet that a device refuses is decoded in software yet.
                Got::Damaged if at.decoder.is_refused() => {}
                Got::Damaged => self.note_damage(at)?,
                Got::Again | Got::End => return Ok(true),
            }
        }
    }

    /// Goes on in software, from the packet on at which the device refused the stream.
    fn leave_device(&self, at: &mut At) -> Result<()> {
        self.counters.refuse(at.decoder.refusal());
        let Some(part) = self.parts.get(at.part) else { return Ok(()) };
        let Some(stream) = part.media.streams().get(at.stream) else { return Ok(()) };
        let options = DecodeOptions { device: None, ..self.options.clone() };
        at.decoder = Decoder::open(stream, &options).map_err(|e| part.name(e, at.stream))?;
        Ok(())
    }

    /// The decoder made nothing of what it got.
    fn note_damage(&self, at: &mut At) -> Result<()> {
        at.too_large.note(&at.decoder).map_err(|e| self.name(e, at))?;
        self.count_damage(at)
    }

    /// A packet was damaged, and nothing came of it.
    fn count_damage(&self, at: &mut At) -> Result<()> {
        if at.gave || at.is_last_shown || !self.has_lead(at) {
            return self.count(at, 1);
        }
        at.lead.damaged();
        Ok(())
    }

    /// Whether what lies in front of a part is decoded with it.
    fn has_lead(&self, at: &At) -> bool {
        self.parts.get(at.part).is_some_and(|part| part.from > Timestamp::ZERO)
    }

    fn count(&self, at: &At, damaged: u64) -> Result<()> {
        (0..damaged).try_for_each(|_| self.counters.damage()).map_err(|e| self.name(e, at))
    }

    fn name(&self, error: Error, at: &At) -> Error {
        match self.parts.get(at.part) {
            Some(part) => part.name(error, at.stream),
            None => error,
        }
    }

    fn deliver(&mut self, at: &mut At, frame: Frame) -> Result<bool> {
        if frame.is_on_device() {
            self.counters.on_device.fetch_add(1, Ordering::Relaxed);
        }
        self.counters.frames_decoded.fetch_add(1, Ordering::Relaxed);
        let mut frame = frame;
        frame.guess_layout();
        let damaged = frame.is_damaged();
        let pixels = u64::from(frame.width()).saturating_mul(frame.height().into());
        if pixels > self.options.max_pixels {
            let message = format!(
                "{}x{} pixels, and the limit is {} in all",
                frame.width(),
                frame.height(),
                self.options.max_pixels
            );
            return Err(Limits::reached("pixels", message).in_stream(at.stream));
        }
        if !frame.is_audio() {
            at.decoder.admit(&frame).map_err(|e| e.in_stream(at.stream))?;
            if let Some(pts) = frame.best_pts() {
                let lost = at.lead.came(pts);
                self.count(at, lost)?;
            }
            let in_front = at.is_in_front(&frame);
            let placed = at.place_picture(frame)?;
            match in_front && placed.is_empty() && self.has_lead(at) {
                _ if !damaged => {}
                true => at.lead.damaged(),
                false => self.count(at, 1)?,
            }
            for picture in placed {
                if !self.send(at, picture)? {
                    return Ok(false);
                }
            }
            return Ok(true);
        }
        if damaged {
            self.count_damage(at)?;
        }
        for frame in at.sound.settle(frame, at.base) {
            if !self.place_sound(at, &frame)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Sends what is shown of a sound, and silence for what is missing before it. False if nobody wants more.
    fn place_sound(&mut self, at: &mut At, frame: &Frame) -> Result<bool> {
        let Some(heard) = at.sound.hear(frame, at.base) else { return Ok(true) };
        for i in 0..at.spans.len() {
            let Some(span) = at.spans.get(i) else { break };
            let Piece { mut silence, sound, again } = at.sound.place(frame, heard, at.fine, *span)?;
            let left_out = u64::try_from(Timestamp::from_ticks(again, heard.sample).nanos()).unwrap_or(0);
            self.counters.sound_again.fetch_add(left_out, Ordering::Relaxed);
            while let Some(frame) = silence.as_mut().map(Silence::next).transpose()?.flatten() {
                if !self.send(at, frame)? {
                    return Ok(false);
                }
            }
            if let Some(sound) = sound
                && !self.send(at, sound)?
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn send(&mut self, at: &mut At, frame: Frame) -> Result<bool> {
        // Before a filter that fills gaps sees it.
        if let Some(time) = frame.time().filter(|time| *time > self.longest) {
            let what = format!("a frame at {time}, and the limit is {}", self.longest);
            return Err(Limits::reached("duration", what).in_stream(at.stream));
        }
        let bytes = frame.memory();
        (self.gave, at.gave) = (true, true);
        self.to.send(Decoded { frame, part: at.part }, bytes, self.stop)
    }
}

/// Nanoseconds of which a picture that a range begins in shows at least half, or half of itself if it is
/// shorter.
const LITTLE: i64 = 40_000_000;

/// Where a decoder is.
pub(crate) struct At {
    part: usize,
    stream: usize,
    pub(crate) decoder: Decoder,
    frame: Frame,
    /// What of the stream is shown, and when on the output's clock.
    spans: Vec<(Span, Timestamp)>,
    /// The stream's time base.
    base: Rational,
    /// The spans' time base, and how many of its ticks are one of the stream's.
    fine: Rational,
    times: i64,
    /// A picture's duration where nothing says it, in ticks of the stream.
    typical: i64,
    /// The first picture is wanted at once.
    hurries: bool,
    /// A frame has gone on.
    gave: bool,
    lead: Lead,
    pub(crate) too_large: TooLarge,
    /// Whether damage that the decoder tells of now is of what is shown: of sound it is that of the last
    /// packet. Of pictures the decoder has several.
    is_last_shown: bool,
    has_pictures: bool,
    /// The time of a picture that has gone on already.
    given: Option<i64>,
    /// The last picture in front of a range, its time and the length that it states: it is shown until the
    /// next one comes.
    before: Option<(Frame, i64, i64)>,
    /// The next picture's timestamp, were there none.
    expected: Option<i64>,
    sound: SoundClock,
}

impl At {
    /// At the beginning of a part, with a decoder for what it has for this lane; None if that is nothing.
    pub(crate) fn enter(
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
        let (origin, to) = part.on_source();
        let base = timeline.base;
        // Only a range has borders that do not lie on the stream's ticks.
        let ranged =
            part.from > Timestamp::ZERO || part.to != Timestamp::MAX || part.placed > Timestamp::ZERO;
        let (timeline, times) = if ranged { timeline.finer() } else { (timeline.clone(), 1) };
        let spans = timeline.clip(origin, to).into_iter().map(|span| {
            let at = span.shown.minus(origin).plus(part.placed);
            (span, at)
        });
        // In MP4 edit lists say what is shown, and no codec's own word on its beginning (Opus' pre-skip).
        let options = DecodeOptions { keep_padding: part.media.is_edited(), ..options.clone() };
        let resumed = if part.from > Timestamp::ZERO { numbering::resumed(s)? } else { None };
        let decoder = Decoder::open(resumed.as_ref().unwrap_or(s), &options);
        let decoder = decoder.map_err(|e| part.name(e, stream))?;
        let typical = s.frame_rate().and_then(|rate| Rational::new(rate.den, rate.num));
        let typical = typical.map_or(1, |frame| convert(1, frame, base)).max(1);
        Ok(Some(Self {
            part: index,
            stream,
            decoder,
            frame: Frame::new()?,
            spans: spans.collect(),
            base,
            fine: timeline.base,
            times,
            typical,
            hurries: false,
            gave: false,
            lead: Lead::default(),
            too_large: TooLarge::default(),
            is_last_shown: false,
            has_pictures: s.kind() == StreamKind::Video,
            given: None,
            before: None,
            expected: None,
            sound: SoundClock::of(&s.codec()),
        }))
    }

    /// Whether a packet begins in what is shown.
    fn is_shown(&self, packet: &Packet) -> bool {
        let Some(time) = packet.pts().or(packet.dts()).map(|ticks| self.finely(ticks)) else { return false };
        self.spans
            .iter()
            .any(|(span, _)| time >= span.media && time < span.media_at(span.shown_end(), self.fine))
    }

    /// A packet goes to the decoder.
    fn note(&mut self, packet: &Packet) {
        let length = if packet.duration() > 0 { packet.duration() } else { self.typical };
        let (time, length) = (packet.pts().or(packet.dts()), self.finely(length));
        let begins = time.map(|ticks| self.finely(ticks));
        let shown = begins.is_some_and(|begins| {
            let (ends, fine) = (begins.saturating_add(length), self.fine);
            let overlaps = |span: &Span| ends > span.media && begins < span.media_at(span.shown_end(), fine);
            self.spans.iter().any(|(span, _)| overlaps(span))
        });
        let awaited = packet.pts().filter(|_| self.has_pictures);
        self.is_last_shown = shown && awaited.is_none();
        if let Some(pts) = awaited.filter(|_| shown && !self.gave) {
            self.lead.wait_for(pts);
        }
    }

    /// Whether a picture begins in front of all that is shown.
    fn is_in_front(&self, picture: &Frame) -> bool {
        let first = self.spans.first().map(|(span, _)| span.media);
        picture.best_pts().zip(first).is_some_and(|(pts, first)| self.finely(pts) < first)
    }

    /// Ticks of the stream in those of the spans.
    fn finely(&self, ticks: i64) -> i64 {
        ticks.saturating_mul(self.times)
    }

    /// Gives the decoder a packet, or None for the end.
    pub(crate) fn send(&mut self, packet: Option<&Packet>) -> Result<Got> {
        if let Some(packet) = packet {
            self.too_large.give(packet);
        }
        self.decoder.send(packet)
    }

    /// The stream that is decoded.
    pub(crate) fn stream(&self) -> usize {
        self.stream
    }

    /// The shown parts of a picture, in the spans' time base on the output's clock.
    pub(crate) fn place_picture(&mut self, frame: Frame) -> Result<VecDeque<Frame>> {
        let pts = frame.best_pts().or(self.expected).unwrap_or(0);
        let length = Some(frame.length()).filter(|length| *length > 0).unwrap_or(self.typical);
        self.expected = Some(pts.saturating_add(length));
        let (pts, length) = (self.finely(pts), self.finely(length));
        let mut placed = VecDeque::new();
        let before = self.before.take();
        for span in &self.spans {
            if let Some((before, begins, said)) = &before
                && pts > span.0.media
                && !self.shows(span, *begins, *said)
                && let held = pts.saturating_sub(*begins)
                && self.shows(span, *begins, held)
            {
                placed.push_back(self.shown(span, before, *begins, held)?);
            }
            if self.shows(span, pts, length) {
                placed.push_back(self.shown(span, &frame, pts, length)?);
            }
        }
        if self.spans.iter().any(|(span, _)| pts < span.media) {
            self.before = Some((frame, pts, length));
        }
        Ok(placed)
    }

    /// Whether a span shows a picture of this time and length.
    fn shows(&self, (span, _): &(Span, Timestamp), pts: i64, length: i64) -> bool {
        let (begin, end) = (span.media, span.media_at(span.shown_end(), self.fine));
        let (from, to) = (pts.max(begin), pts.saturating_add(length).min(end));
        let little = length.min(Timestamp::from_nanos(LITTLE).ticks(self.fine));
        let rest = to.saturating_sub(from);
        // A little of the picture that the range begins in would take the next one's place.
        rest > 0 && (pts >= begin || to == end || rest.saturating_mul(2) >= little)
    }

    /// What a span shows of a picture.
    fn shown(
        &self,
        (span, shown): &(Span, Timestamp),
        picture: &Frame,
        pts: i64,
        length: i64,
    ) -> Result<Frame> {
        let end = span.media_at(span.shown_end(), self.fine);
        let (from, to) = (pts.max(span.media), pts.saturating_add(length).min(end));
        let mut copy = picture.try_clone()?;
        copy.set_base(self.fine);
        let since = from.saturating_sub(span.media);
        copy.set_pts(since.saturating_add(shown.ticks(self.fine)));
        // A range may end within the last tick.
        let end = Timestamp::from_ticks(to.saturating_sub(span.media), self.fine).min(span.len);
        copy.set_length(end.ticks(self.fine).saturating_sub(since));
        Ok(copy)
    }
}
