//! What containers say wrongly of a stream, or do not say, and muxers of others must be told.

use super::{
    counted::Counted,
    demux::{Demux, Payloads},
    item::Item,
};
use crate::{
    Control, Result,
    av::{demuxer::Demuxer, stream::Stream},
};

/// Packets in which a first one of each stream is looked for.
const LOOK: usize = 512;
/// Packets of a stream that tell how its container counts.
const ENOUGH: usize = 16;
/// A header that counts by a nominal rate is not that far off.
const CLOSE: f64 = 0.02;
/// From this number on a bitstream of the AC-3 family is E-AC-3's (ETSI TS 102 366, annex E).
const EAC3: u8 = 11;

/// Puts right what is known of the streams of a source.
pub(super) fn streams(
    demux: Option<&mut Demux>,
    demuxer: Demuxer,
    streams: &mut [Stream],
    control: &Control,
) -> Result<()> {
    for stream in streams.iter_mut() {
        if let Some(head) = opus_head(stream) {
            *stream = Stream::configured(stream, &head)?;
        }
    }
    // Where packets go through a parser, it has seen it.
    if let Some(demux) = demux.filter(|demux| demuxer.name() == "nut" && demux.is_seekable())
        && streams.iter().any(|s| s.codec() == "ac3")
    {
        name_eac3(demux, streams, control)?;
    }
    Ok(())
}

/// A stream of ADPCM whose AVI tells another time of its packets than the blocks in them last.
pub(super) struct Miscounted {
    pub stream: usize,
    /// The blocks tell: players go by them.
    pub counts: bool,
    pub warning: String,
}

/// What came of such a stream, in its ticks.
#[derive(Clone, Copy, Default)]
struct Seen {
    count: usize,
    first: i64,
    last: i64,
    /// How long all packets but the last are, and the last.
    length: i64,
    lasts: i64,
    /// Packets that the next one does not follow when they end.
    off: usize,
}

impl Seen {
    fn note(&mut self, dts: i64, lasts: i64) {
        if self.count == 0 {
            self.first = dts;
        } else {
            let off = dts.saturating_sub(self.last).saturating_sub(self.lasts).abs();
            self.off = self.off.saturating_add(usize::from(off as f64 > CLOSE * self.lasts as f64));
        }
        self.count = self.count.saturating_add(1);
        self.last = dts;
        self.length = self.length.saturating_add(std::mem::replace(&mut self.lasts, lasts));
    }

    fn judge(self, stream: usize) -> Option<Miscounted> {
        if self.count < 2 {
            return None;
        }
        if self.length == 0 {
            let warning = format!(
                "stream {stream}: its header says that a block has more bytes than its packets: when it is heard is a guess"
            );
            return Some(Miscounted { stream, counts: false, warning });
        }
        let told = self.last.saturating_sub(self.first) as f64 / self.length as f64;
        // Not where something is missing now and then.
        (self.off > self.count / 2).then(|| Miscounted {
            stream,
            counts: true,
            warning: format!(
                "stream {stream}: its header makes {told:.2} s of each second of sound; it is counted by its blocks"
            ),
        })
    }
}

/// Sound whose header is to be doubted, by its first packets. Rate and scale in AVI's header stand for
/// nothing but their times.
pub(super) fn miscounted(
    demux: Option<&mut Demux>,
    demuxer: Demuxer,
    streams: &[Stream],
    control: &Control,
) -> Result<Vec<Miscounted>> {
    let Some(demux) = demux.filter(|demux| demuxer.name() == "avi" && demux.is_seekable()) else {
        return Ok(Vec::new());
    };
    let of_blocks = |(i, stream): (usize, &Stream)| {
        let counted = stream.codec().starts_with("adpcm_").then(|| Counted::of_blocks(i, stream));
        Some((counted.flatten()?, Seen::default()))
    };
    let mut all: Vec<(Counted, Seen)> = streams.iter().enumerate().filter_map(of_blocks).collect();
    if all.is_empty() {
        return Ok(Vec::new());
    }
    let keep: Vec<usize> = all.iter().map(|(counted, _)| counted.stream).collect();
    demux.begin(&keep, Payloads::Read, control)?;
    let mut item = Item::new()?;
    for _ in 0..LOOK {
        if all.iter().all(|(_, seen)| seen.count >= ENOUGH) || !demux.read(&mut item)? {
            break;
        }
        let packet = &item.packet;
        let of = all.iter_mut().find(|(counted, _)| counted.stream == packet.stream());
        if let (Some((counted, seen)), Some(dts)) = (of, packet.dts()) {
            seen.note(dts, counted.lasts(packet.size()).unwrap_or(0));
        }
    }
    Ok(all.iter().filter_map(|(counted, seen)| seen.judge(counted.stream)).collect())
}

/// libav writes E-AC-3 into NUT by AC-3's name.
fn name_eac3(demux: &mut Demux, streams: &mut [Stream], control: &Control) -> Result<()> {
    let mut unseen: Vec<usize> =
        (0..streams.len()).filter(|i| streams.get(*i).is_some_and(|s| s.codec() == "ac3")).collect();
    demux.begin(&unseen, Payloads::Read, control)?;
    let mut item = Item::new()?;
    for _ in 0..LOOK {
        if unseen.is_empty() || !demux.read(&mut item)? {
            break;
        }
        let packet = &item.packet;
        let index = packet.stream();
        if let Some(stream) = streams.get_mut(index).filter(|_| unseen.contains(&index))
            && packet.ac3_bitstream_id() >= Some(EAC3)
        {
            *stream = Stream::as_eac3(stream)?;
        }
        unseen.retain(|stream| *stream != index);
    }
    Ok(())
}

/// OpusHead (RFC 7845, section 5.1) for a stream that has none, as in libav's CAF: nothing is left out at its
/// beginning, as decoders do then. More than two channels need a mapping that nobody knows.
fn opus_head(stream: &Stream) -> Option<Vec<u8>> {
    if stream.codec() != "opus" || !stream.extradata().is_empty() {
        return None;
    }
    let channels = u8::try_from(stream.channels()?).ok().filter(|channels| matches!(channels, 1 | 2))?;
    let rate = stream.sample_rate().unwrap_or(48_000).to_le_bytes();
    let (version, pre_skip, gain, mapping) = (1, [0; 2], [0; 2], 0);
    Some([b"OpusHead", &[version, channels][..], &pre_skip, &rate, &gain, &[mapping]].concat())
}
