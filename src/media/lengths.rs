//! How long packets of sound are whose container and demuxer do not say it, by their own headers: FLAC in NUT,
//! and WavPack.

use super::flac;
use crate::{
    av::{packet::Packet, stream::Stream},
    time::{Rational, convert},
};

/// One such stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lengths {
    pub stream: usize,
    base: Rational,
    sample: Rational,
    /// Samples of a packet.
    count: fn(&[u8]) -> Option<u32>,
}

impl Lengths {
    /// None for codecs whose packets are not asked.
    pub(super) fn of(index: usize, stream: &Stream) -> Option<Self> {
        let count = match stream.codec().as_str() {
            "flac" => |packet: &[u8]| Some(flac::Header::parse(packet)?.block),
            "wavpack" => wavpack_samples,
            _ => return None,
        };
        let sample = Rational::new(1, i32::try_from(stream.sample_rate()?).ok()?)?;
        Some(Self { stream: index, base: stream.time_base(), sample, count })
    }

    /// Lets a packet without a length have its own.
    pub(super) fn tell(&self, packet: &mut Packet) {
        if packet.duration() == 0
            && let Some(samples) = (self.count)(packet.data())
        {
            packet.set_duration(convert(samples.into(), self.sample, self.base));
        }
    }
}

/// Of a packet's first block (the format's description, "Block Header"); the others are of the same samples.
fn wavpack_samples(packet: &[u8]) -> Option<u32> {
    let field = packet.get(20..24).filter(|_| packet.starts_with(b"wvpk"))?;
    Some(u32::from_le_bytes(field.try_into().ok()?))
}
