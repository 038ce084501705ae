//! Sound whose packets follow each other without a gap, and whose times in the container, or by libav's
//! parser, can't be believed: it is counted.
//!
//! AVI has no times: libav tells them from the block size in the header, and where muxers write anything
//! there, as for codecs that AVI was not made for, a second of sound may be told to last three minutes.
//! FLAC's parser looks ten frames ahead and gives a frame the time of what was read meanwhile, where a
//! container's packets are put together by it. Of RealAudio 14.4 muxers say that every packet is heard at 0.

use super::flac;
use crate::{
    av::{packet::Packet, stream::Stream},
    time::{Rational, Timestamp, convert},
};

/// Codecs for which AVI's block size is what it should be: blocks of samples, or at least as long as any
/// frame.
const HONEST: [&str; 8] = ["pcm_", "adpcm_", "mp2", "mp3", "ac3", "aac", "wma", "gsm"];

/// The clock of one such stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counted {
    pub stream: usize,
    /// A time that lies further ahead than a packet is long is believed: something is missing there.
    has_holes: bool,
    /// The stream's ticks, and what its frames of FLAC count in.
    base: Rational,
    sample: Option<Rational>,
    /// When counting began, in ticks; None in front of the first packet, whose time is the container's.
    began: Option<i64>,
    /// Of a codec in blocks of one size: its bytes and samples.
    block: Option<(usize, i64)>,
    /// Since then: samples of FLAC, which ticks may not tell exactly, or ticks.
    count: i64,
    /// In the same, what the last packet lasted that said it. In front of that one of the
    /// container's ticks: the rate in AVI's header is that of packets then.
    length: i64,
}

impl Counted {
    /// Whether the times of sound of a codec are to be counted in libav's container of this name.
    pub(super) fn is_due(demuxer: &str, codec: &str, stream: &Stream) -> bool {
        match demuxer {
            // Its packets do not say how long they are, but their bytes do.
            "avi" if codec == "speex" && is_of_bytes(stream) => false,
            "avi" => !HONEST.iter().any(|honest| codec.starts_with(honest)),
            "asf" => codec == "flac",
            "rm" => codec == "ra_144",
            _ => false,
        }
    }

    pub(super) fn new(index: usize, stream: &Stream) -> Self {
        let codec = stream.codec();
        let (rate, has_holes) = (stream.sample_rate().filter(|_| codec == "flac"), codec == "ra_144");
        let sample = rate.and_then(|rate| Rational::new(1, i32::try_from(rate).ok()?));
        let length = if sample.is_none() { stream.tick() } else { 0 };
        let (base, block) = (stream.time_base(), None);
        Self { stream: index, has_holes, base, sample, began: None, block, count: 0, length }
    }

    /// Sound in blocks of one size, each of so many samples; None if it is not of that kind.
    pub(super) fn of_blocks(index: usize, stream: &Stream) -> Option<Self> {
        let block = usize::try_from(stream.block_size()).ok().filter(|bytes| *bytes > 0)?;
        let samples = stream.samples_in(block)?;
        let sample = Rational::new(1, i32::try_from(stream.sample_rate()?).ok()?);
        Some(Self { sample, block: Some((block, samples)), length: 0, ..Self::new(index, stream) })
    }

    /// How long a packet of blocks is, in ticks; None if there is no whole one in it.
    pub(super) fn lasts(&self, bytes: usize) -> Option<i64> {
        Some(convert(self.samples(bytes)?, self.sample?, self.base))
    }

    fn samples(&self, bytes: usize) -> Option<i64> {
        let (block, samples) = self.block?;
        let count = i64::try_from(bytes.checked_div(block)?).ok()?;
        Some(count.saturating_mul(samples)).filter(|samples| *samples > 0)
    }

    /// From the first packet on again.
    pub(super) fn restart(&mut self) {
        (self.began, self.count) = (None, 0);
    }

    /// Puts the next packet where it belongs. One that does not say how long it is lasts as long as the one
    /// before.
    pub(super) fn place(&mut self, packet: &mut Packet) {
        let began = *self.began.get_or_insert(packet.dts().unwrap_or(0));
        let samples = match self.block {
            Some(_) => self.samples(packet.size()),
            None => flac::Header::parse(packet.data()).map(|header| i64::from(header.block)),
        };
        let (unit, said) = match (self.sample, samples) {
            (Some(sample), Some(samples)) => (sample, samples),
            // Not a whole frame: as long as it is said to be.
            (Some(sample), None) => (sample, convert(packet.duration().max(0), self.base, sample)),
            (None, _) => (self.base, packet.duration()),
        };
        if said > 0 {
            self.length = said;
        }
        let length = self.length;
        let ahead = packet.dts().map(|dts| dts.saturating_sub(began).saturating_sub(self.count));
        if let Some(ahead) = ahead.filter(|ahead| self.has_holes && *ahead > length) {
            self.count = self.count.saturating_add(ahead);
        }
        let at = |count: i64| began.saturating_add(convert(count, unit, self.base));
        let (from, to) = (at(self.count), at(self.count.saturating_add(length)));
        packet.set_times(from, from, to.saturating_sub(from));
        self.count = self.count.saturating_add(length);
    }
}

/// Whether a tick of a stream is as long as a byte of it, at the bit rate that it states.
fn is_of_bytes(stream: &Stream) -> bool {
    let bytes = stream.bit_rate().map_or(0.0, |bits| bits as f64 / 8.0);
    let ticks = 1.0 / Timestamp::from_ticks(stream.tick(), stream.time_base()).secs();
    (ticks - bytes).abs() < 1.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(rate: i32, has_holes: bool) -> Counted {
        let base = Rational { num: 1, den: rate };
        Counted { stream: 0, has_holes, base, sample: None, began: None, block: None, count: 0, length: 1 }
    }

    #[test]
    fn a_packet_that_does_not_say_how_long_it_is_lasts_as_long_as_others() {
        let mut counted = clock(48_000, false);
        let mut packet = Packet::new().unwrap();
        let mut place = |said| {
            packet.set_times(7000, 7000, said);
            counted.place(&mut packet);
            (packet.pts().unwrap(), packet.duration())
        };
        assert_eq!(
            [0, 4608, 0, 0, 200, 0].map(&mut place),
            [(7000, 1), (7001, 4608), (11_609, 4608), (16_217, 4608), (20_825, 200), (21_025, 200)]
        );
    }

    #[test]
    fn what_is_missing_is_not_counted_over() {
        let mut counted = clock(1000, true);
        let mut packet = Packet::new().unwrap();
        let mut place = |dts| {
            packet.set_times(dts, dts, 20);
            counted.place(&mut packet);
            packet.pts().unwrap()
        };
        assert_eq!([0, 0, 0, 500, 500, 540].map(&mut place), [0, 20, 40, 500, 520, 540]);
    }
}
