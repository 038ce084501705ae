//! How like the source's the pictures are that were encoded anew.

use crate::{
    Frame, Result,
    av::{
        decoder::{DecodeOptions, Decoder, Got},
        encoder::Encoder,
        packet::Packet,
        stream::Stream,
    },
    verify::{difference, psnr, samples},
};
use std::collections::VecDeque;

/// Judges seam after seam: by what encoders say of their own error (x264), else by decoding what they
/// made. Its decoder goes from one seam to the next, as it keeps the memory of its pictures.
#[derive(Default)]
pub(super) struct Judge {
    /// What decodes, and the configuration of that.
    decoder: Option<(Vec<u8>, Decoder)>,
    /// Pictures that are not judged yet.
    awaited: VecDeque<Frame>,
    worst: Option<f64>,
}

impl Judge {
    /// What comes is another seam.
    pub(super) fn begin(&mut self) {
        self.awaited.clear();
        self.worst = None;
    }

    /// A picture goes to the encoder.
    pub(super) fn expect(&mut self, frame: &Frame) -> Result<()> {
        self.awaited.push_back(frame.try_clone()?);
        Ok(())
    }

    /// Takes the encoder's next packet.
    pub(super) fn take(
        &mut self,
        packet: &Packet,
        encoder: &Encoder,
        source: &Stream,
        options: &DecodeOptions,
    ) -> Result<()> {
        if let Some(error) = self.said(packet, encoder) {
            self.awaited.pop_front();
            self.put(psnr(error));
            return Ok(());
        }
        if self.worst.is_none() {
            let stream = encoder.stream(source, false)?;
            if self.decoder.as_ref().is_none_or(|(known, _)| known != stream.extradata()) {
                self.decoder = Some((stream.extradata().to_vec(), Decoder::open(&stream, options)?));
            }
            self.worst = Some(f64::INFINITY);
        }
        self.decode(Some(packet))
    }

    /// No more packets come: the worst picture's, over all planes, in decibels; infinite where nothing is lost.
    pub(super) fn end(&mut self) -> Result<f64> {
        if self.decoder.is_some() {
            self.decode(None)?;
        }
        if let Some((_, decoder)) = &mut self.decoder {
            decoder.flush();
        }
        Ok(self.worst.unwrap_or(f64::INFINITY))
    }

    /// The mean of the squared errors by the encoder's word, where the largest is 1.
    fn said(&self, packet: &Packet, encoder: &Encoder) -> Option<f64> {
        let (counts, most) = samples(self.awaited.front()?)?;
        let all = counts.iter().sum::<f64>().max(1.0);
        if let Some(squares) = packet.squared_errors() {
            return Some(squares as f64 / all / (most * most));
        }
        let planes = encoder.last_likeness().filter(|planes| planes.len() == counts.len())?;
        // They are rounded; 100 is said where nothing is lost.
        let error = |psnr: f64| if psnr >= 100.0 { 0.0 } else { 10_f64.powf((psnr - 0.005) / -10.0) };
        Some(planes.iter().zip(&counts).map(|(psnr, count)| error(*psnr) * count / all).sum())
    }

    fn put(&mut self, psnr: f64) {
        self.worst = Some(self.worst.unwrap_or(f64::INFINITY).min(psnr));
    }

    fn decode(&mut self, packet: Option<&Packet>) -> Result<()> {
        let Some((known, mut decoder)) = self.decoder.take() else { return Ok(()) };
        let mut frame = Frame::new()?;
        loop {
            let sent = decoder.send(packet)?;
            while decoder.receive(&mut frame)? == Got::Item {
                let Some(own) = self.awaited.pop_front() else { continue };
                self.put(difference(&own, &frame).map_or(0.0, psnr));
            }
            if sent != Got::Again {
                break;
            }
        }
        self.decoder = Some((known, decoder));
        Ok(())
    }
}
