//! How long packets of sound are whose container and demuxer do not say it, by their own headers: FLAC in
//! NUT, and WavPack. Of TTA the last one lasts up to the end of the file.

use super::flac;
use crate::{
    av::{packet::Packet, stream::Stream},
    time::{Rational, Timestamp, convert},
};

/// One such stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lengths {
    pub stream: usize,
    base: Rational,
    by: By,
}

/// What a packet's length is known by.
#[derive(Clone, Copy, Debug)]
enum By {
    /// The samples that its header counts.
    Header { sample: Rational, count: fn(&[u8]) -> Option<u32> },
    /// Where the file ends, in ticks: Matroska says one duration for all packets of TTA, and how long the
    /// last one is follows from the length of the whole (ttadec.c). It has to end there, or what is made of
    /// it is longer.
    End(i64),
}

impl Lengths {
    /// None for codecs whose packets are not asked. `end`: the file's, as far as it is known.
    pub(super) fn of(index: usize, stream: &Stream, end: Option<Timestamp>) -> Option<Self> {
        let base = stream.time_base();
        let count: fn(&[u8]) -> Option<u32> = match stream.codec().as_str() {
            "flac" => |packet: &[u8]| Some(flac::Header::parse(packet)?.block),
            "wavpack" => wavpack_samples,
            "tta" => return Some(Self { stream: index, base, by: By::End(end?.ticks(base)) }),
            _ => return None,
        };
        let sample = Rational::new(1, i32::try_from(stream.sample_rate()?).ok()?)?;
        Some(Self { stream: index, base, by: By::Header { sample, count } })
    }

    /// Lets a packet have its own length.
    pub(super) fn tell(&self, packet: &mut Packet) {
        match self.by {
            By::Header { sample, count } if packet.duration() == 0 => {
                if let Some(samples) = count(packet.data()) {
                    packet.set_duration(convert(samples.into(), sample, self.base));
                }
            }
            By::End(end) => {
                if let Some(begins) = packet.pts().or(packet.dts())
                    && (begins..begins.saturating_add(packet.duration())).contains(&end)
                {
                    packet.set_duration(end.saturating_sub(begins).max(1));
                }
            }
            By::Header { .. } => {}
        }
    }
}

/// Of a packet's first block (the format's description, "Block Header"); the others are of the same samples.
fn wavpack_samples(packet: &[u8]) -> Option<u32> {
    let field = packet.get(20..24).filter(|_| packet.starts_with(b"wvpk"))?;
    Some(u32::from_le_bytes(field.try_into().ok()?))
}
