//! Frames of AAC-LC as they lie in the source, and what is heard of each.

use crate::{
    Control, Frame, Media, Result,
    av::{
        decoder::{DecodeOptions, Decoder, Got},
        graph::Format,
        stream::Stream,
    },
    bitstream::aac::{LowComplexity, adts_length},
    media::{Item, Payloads},
    read::{Need, Reader, Stretch},
    time::{Rational, Timestamp, convert},
};
use bytes::Bytes;

/// Samples a channel in a frame.
pub(super) const FRAME: usize = 1024;
/// The same, of times.
pub(super) const SAMPLES: i64 = 1024;

/// Louder than this, and than what an encoder takes, is a fault of the source: full scale is 1.
const LOUDEST: f32 = 16.0;

/// A frame of the source.
pub(super) struct Heard {
    pub pts: i64,
    /// The sample of the stream's clock that it begins at, as its container has it.
    pub at: i64,
    /// With its header of ADTS, if it has one.
    pub data: Bytes,
    /// [`FRAME`] of each channel.
    pub samples: Vec<Vec<f32>>,
}

impl Heard {
    /// The frame alone.
    pub(super) fn frame(&self) -> &[u8] {
        self.data.get(adts_length(&self.data).unwrap_or(0)..).unwrap_or_default()
    }

    /// Bytes of memory that it takes.
    pub(super) fn memory(&self) -> u64 {
        let samples = self.samples.len().saturating_mul(FRAME).saturating_mul(size_of::<f32>());
        samples.saturating_add(self.data.len()) as u64
    }
}

/// A stream of AAC-LC.
pub(super) struct Track<'a> {
    pub media: &'a Media,
    pub stream: usize,
    pub control: &'a Control,
    pub base: Rational,
    /// A sample.
    pub sample: Rational,
    pub bytes_read: u64,
    pub decoded: u64,
    /// How its frames are decoded, once some were.
    pub format: Option<Format>,
    /// What all of them agree in.
    pub kind: Option<LowComplexity>,
}

impl<'a> Track<'a> {
    /// None for what is none.
    pub(super) fn of(media: &'a Media, stream: usize, control: &'a Control) -> Option<Self> {
        let own = media.streams().get(stream).filter(|own| own.codec() == "aac")?;
        let sample = Rational::new(1, i32::try_from(own.sample_rate()?).ok()?)?;
        let told = LowComplexity::of_configuration(own.extradata());
        let is_it = own.extradata().is_empty() || told.is_some();
        let base = own.time_base();
        is_it.then_some(Self {
            media,
            stream,
            control,
            base,
            sample,
            bytes_read: 0,
            decoded: 0,
            format: None,
            kind: told,
        })
    }

    fn own(&self) -> Option<&'a Stream> {
        self.media.streams().get(self.stream)
    }

    /// So many frames.
    pub(super) fn frames(&self, count: i64) -> Timestamp {
        Timestamp::from_ticks(count, self.frame())
    }

    /// One, as a base of times.
    pub(super) fn frame(&self) -> Rational {
        Rational { num: FRAME as i32, ..self.sample }
    }

    /// The frames that begin between two instants of the file's clock, and one in front of them. None where they do
    /// not follow on each other, or are no AAC-LC after all.
    pub(super) fn hear(&mut self, from: Timestamp, to: Timestamp) -> Result<Option<Vec<Heard>>> {
        let from = from.minus(self.frames(1)).max(self.media.start());
        let spans =
            self.media.timeline(self.stream).map(|timeline| timeline.clip(from, to)).unwrap_or_default();
        let Some((own, span)) = self.own().zip(spans.first()) else { return Ok(None) };
        let until = span.media_at(to, self.base);
        let at_start = from <= self.media.start();
        let Some(need) = Need::new(self.media, self.stream, span) else { return Ok(None) };
        let streams = [self.stream];
        let stretch = Stretch { streams: &streams, payloads: Payloads::Read, from, to, at_start };
        let mut reader = Reader::open(self.media, &stretch, self.control)?;
        reader.begin(&[need], at_start)?;
        let limits = self.control.get_limits();
        let options = DecodeOptions {
            device: None,
            threads: 1,
            low_delay: false,
            max_pixels: limits.pixels,
            memory: limits.decoder_memory,
            keep_padding: true,
            bit_exact: true,
            alpha: false,
            ear: None,
        };
        let mut decoder = Decoder::open(own, &options)?;
        let (mut item, mut frame, mut all) = (Item::new()?, Frame::new()?, Vec::new());
        while reader.next(&mut item)? {
            self.control.check()?;
            let packet = &item.packet;
            if packet.stream() != self.stream || packet.size() == 0 {
                continue;
            }
            let Some(pts) = packet.pts().or(packet.dts()) else { return Ok(None) };
            if pts >= until {
                break;
            }
            let data = Bytes::copy_from_slice(packet.data());
            if decoder.send(Some(packet))? != Got::Item || decoder.receive(&mut frame)? != Got::Item {
                return Ok(None);
            }
            let at = convert(pts, self.base, self.sample);
            let Some(samples) = self.samples(&frame, &data) else { return Ok(None) };
            self.decoded = self.decoded.saturating_add(1);
            all.push(Heard { pts, at, data, samples });
        }
        self.bytes_read = self.bytes_read.saturating_add(reader.finish(false)?.bytes_read);
        let rounding = convert(2, self.base, self.sample).max(2);
        let follows = |pair: &[Heard]| match pair {
            [a, b] => b.at.saturating_sub(a.at).saturating_sub(SAMPLES).abs() <= rounding,
            _ => true,
        };
        Ok(all.windows(2).all(follows).then_some(all))
    }

    /// What is heard of a frame; None if it is not like the others.
    fn samples(&mut self, frame: &Frame, data: &[u8]) -> Option<Vec<Vec<f32>>> {
        if adts_length(data).is_some() {
            let told = LowComplexity::of_adts(data)?;
            if *self.kind.get_or_insert(told) != told {
                return None;
            }
        }
        let format = Format::of_sound(frame);
        let rate = i32::try_from(format.sample_rate).ok();
        let known = self.format.get_or_insert_with(|| format.clone());
        let is_like = (known.format, &known.layout) == (format.format, &format.layout);
        if !is_like || rate != Some(self.sample.den) || frame.samples() != FRAME || frame.format() != "fltp" {
            return None;
        }
        let channels = usize::try_from(frame.channels()).ok()?;
        let read = |bytes: &[u8]| in_reason(f32::from_ne_bytes(bytes.try_into().unwrap_or_default()));
        let channel =
            |i: usize| Some(frame.plane(i)?.chunks_exact(4).take(FRAME).map(read).collect::<Vec<f32>>());
        let samples: Vec<Vec<f32>> = (0..channels).map(channel).collect::<Option<_>>()?;
        samples.iter().all(|channel| channel.len() == FRAME).then_some(samples)
    }
}

/// A sample that an encoder takes: damaged frames decode to anything.
fn in_reason(sample: f32) -> f32 {
    if sample.is_nan() { 0.0 } else { sample.clamp(-LOUDEST, LOUDEST) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_sound_is_none() {
        let of = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e30, -0.5].map(in_reason);
        assert_eq!(of, [0.0, LOUDEST, -LOUDEST, LOUDEST, -0.5]);
    }
}
