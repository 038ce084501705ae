//! The decode stage: a stream's packets in, its frames out, each at its time on the output's clock and cut to
//! what is shown.

mod at;
mod lead;
mod sound;
mod too_large;

use super::{
    messages::{Counters, Decoded, Fed, PlacedRange},
    queue::{Gate, Rx, Stop, Tx},
};
use crate::{
    Control, Error, Frame, Limits, Media, Result, StreamKind,
    av::{
        decoder::{DecodeOptions, Decoder, Got},
        packet::Packet,
        stream::Stream,
    },
    read::Grid,
    time::Timestamp,
    transcode::settings::Transcode,
};
pub(crate) use at::At;
use sound::{Piece, Silence};
use std::sync::{PoisonError, atomic::Ordering};

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
        ear: None,
    }
}

pub(crate) struct DecodeStage<'a> {
    /// The first picture is wanted at once; this opens when it is encoded, or not enough for that.
    pub first: Option<&'a Gate>,
    /// No frame is later than this.
    longest: Timestamp,
    parts: &'a [PlacedRange],
    lane: usize,
    options: DecodeOptions,
    counters: &'a Counters,
    stop: &'a Stop,
    to: Tx<Decoded>,
    /// Whether something that is to be shown has come, and whether a frame has gone on.
    fed: bool,
    gave: bool,
    /// Where the packets of a source's stream lie, once that was looked at.
    grid: Option<(Media, usize, Option<Grid>)>,
}

impl<'a> DecodeStage<'a> {
    pub(crate) fn new(
        parts: &'a [PlacedRange],
        lane: usize,
        options: DecodeOptions,
        counters: &'a Counters,
        stop: &'a Stop,
        to: Tx<Decoded>,
    ) -> Self {
        let nanos = stop.control().get_limits().duration.saturating_mul(1_000_000_000);
        let longest = i64::try_from(nanos).map_or(Timestamp::MAX, Timestamp::from_nanos);
        Self {
            first: None,
            longest,
            parts,
            lane,
            options,
            counters,
            stop,
            to,
            fed: false,
            gave: false,
            grid: None,
        }
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
                    let mut before = at.take();
                    if let Some(last) = &mut before {
                        self.drain(last)?;
                    }
                    at = self.enter(index)?;
                    if let Some((at, mut last)) = at.as_mut().zip(before)
                        && self.is_same(at, &last)
                    {
                        at.sound.set_known(last.sound.take_known());
                    }
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

    fn enter(&mut self, index: usize) -> Result<Option<At>> {
        let parts = self.parts;
        let Some(part) = parts.get(index) else { return Ok(None) };
        let mut at = At::enter(part, index, self.lane, &self.options)?;
        if let Some(at) = at.as_mut().filter(|_| part.from > Timestamp::ZERO) {
            at.sound.set_grid(self.grid_of(part, at.stream())?);
        }
        if let Some(at) = &mut at {
            if at.decoder.is_refused() {
                self.leave_device(at)?;
            }
            let kind = part.media.streams().get(at.stream).map(Stream::kind);
            at.hurries = self.first.is_some() && kind == Some(StreamKind::Video) && !at.decoder.has_device();
        }
        Ok(at)
    }

    /// Whether two parts are of one stream.
    fn is_same(&self, a: &At, b: &At) -> bool {
        let source = |at: &At| self.parts.get(at.part).map(|part| part.media.source());
        a.stream == b.stream && source(a).zip(source(b)).is_some_and(|(a, b)| a.is_same(b))
    }

    /// Where packets of sound lie that are not read from the first one on.
    fn grid_of(&mut self, part: &PlacedRange, stream: usize) -> Result<Option<Grid>> {
        let is_it = |of: &&(Media, usize, _)| of.1 == stream && of.0.source().is_same(part.media.source());
        if let Some((.., grid)) = self.grid.as_ref().filter(is_it) {
            return Ok(*grid);
        }
        let looked = Grid::of(&part.media, stream, self.stop.control());
        let (grid, noted) = looked.map_err(|e| part.name(e, stream))?;
        self.counters.bytes_read.fetch_add(noted.bytes_read, Ordering::Relaxed);
        self.grid = Some((part.media.clone(), stream, grid));
        Ok(grid)
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
