//! What comes before sound is heard: packets that only get a decoder going, and what the output says of them.

use super::{Copied, Copy};
use crate::{
    ErrorKind, Result,
    av::{adts::AdtsReader, packet::Packet, stream::StreamKind},
    edit::lane::{Begins, Lane},
    output::{numbering, target::First},
    read::{Reader, preroll_of},
    time::Timestamp,
};

/// How far a first packet of sound is looked for.
const LOOK: usize = 4096;

impl Copy<'_, '_> {
    /// Settles with which packet sound begins in a container without edit lists, where it is the output's
    /// beginning. `fresh`: and the source's.
    pub(super) fn prime(&mut self, reader: &Reader, shown_from: Timestamp, fresh: bool) {
        let counts = self.session.target.counts_samples();
        let trims = self.session.target.trims_ends() && self.part.last;
        let begun = self.session.placed > Timestamp::ZERO;
        for (i, lane) in self.lanes.iter_mut().enumerate() {
            let Some(stream) =
                self.media.streams().get(lane.stream).filter(|_| lane.kind == StreamKind::Audio)
            else {
                continue;
            };
            let codec = stream.codec();
            lane.trims = trims && matches!(codec.as_str(), "opus" | "vorbis" | "speex");
            let Some(first) = lane.spans.first().filter(|_| !begun) else { continue };
            let heard = first.media_at(shown_from, lane.base);
            // Packets of the lead-in, by when they begin and end.
            let own = reader.ahead().filter(|packet| packet.stream() == lane.stream);
            let mut times = own.filter_map(|packet| {
                let begin = packet.pts().or(packet.dts())?;
                Some((begin, begin.saturating_add(packet.duration())))
            });
            if self.session.target.tells_priming(stream) {
                lane.primes = true;
                let needed = heard.saturating_sub(preroll_of(stream).ticks(lane.base));
                let begin = match numbering::longest_skip(stream) {
                    None => times.find(|(_, end)| *end > needed),
                    Some(most) => {
                        let least = heard.saturating_sub(most.ticks(lane.base)).max(needed);
                        times.find(|(begin, _)| *begin >= least)
                    }
                };
                let begin = begin.map_or(needed, |(begin, _)| begin);
                lane.keep_from = if fresh { i64::MIN } else { begin };
            } else if counts && i == 0 && !fresh {
                lane.begins = Begins::WithIt;
                if codec == "vorbis" {
                    // The one before the first that is heard.
                    let before = times.take_while(|(_, end)| *end <= heard).last();
                    if let Some((begin, _)) = before {
                        (lane.primes, lane.keep_from, lane.begins) = (true, begin, Begins::Before);
                    }
                }
            }
        }
    }

    /// Says of which sound the seam in front of this part is not exact.
    pub(super) fn tell_seam(&mut self) {
        if self.session.placed == Timestamp::ZERO {
            return;
        }
        for lane in &self.lanes {
            let stream = self.media.streams().get(lane.stream);
            if let Some(longer) = stream.and_then(numbering::longer_at_seams) {
                self.session.report.warn(format!(
                    "stream {}: where parts meet, Vorbis sounds up to {longer} longer or shorter than its times say: \
                     a packet can't be cut short there (transcode it for exact seams)",
                    lane.stream
                ));
            }
        }
    }

    /// Begins an output whose header tells of its first packets: those are read ahead.
    pub(super) fn start(&mut self, reader: &mut Reader) -> Result<()> {
        if !self.session.target.is_waiting() {
            return Ok(());
        }
        let of = |lane: &Lane| reader.ahead().find_map(|packet| primes(lane, packet));
        let mut times: Vec<Option<i64>> = self.lanes.iter().map(of).collect();
        for _ in 0..LOOK {
            let mut lacking = self
                .lanes
                .iter()
                .zip(&mut times)
                .filter(|(lane, time)| lane.primes && time.is_none())
                .peekable();
            if lacking.peek().is_none() {
                break;
            }
            let Some(packet) = reader.look_further("sound")? else { break };
            lacking.for_each(|(lane, time)| *time = primes(lane, packet));
        }
        let configurations = self.configurations(reader)?;
        let mut firsts = Vec::new();
        for (lane, time) in self.lanes.iter_mut().zip(times) {
            let span = lane.spans.first().zip(self.media.streams().get(lane.stream));
            let Some((time, (span, stream))) = time.zip(span) else { continue };
            let at = span.shown_at(time, lane.base).plus(self.shift);
            firsts.push((lane.stream, at));
            if at <= Timestamp::ZERO {
                // To the sample, where the source's clock is coarser.
                let begin = Timestamp::ZERO.minus(numbering::skipped(stream, at));
                lane.later = begin.minus(at);
            }
        }
        let first = |stream: usize| First {
            at: firsts.iter().find(|(of, _)| *of == stream).map(|(_, at)| *at),
            configuration: configurations.iter().find(|(of, _)| *of == stream).map(|(_, told)| told.clone()),
        };
        self.session.target.start(&first)
    }

    /// What the header has to say of AAC whose packets alone say it, each of them (ADTS).
    fn configurations(&self, reader: &mut Reader) -> Result<Vec<(usize, Vec<u8>)>> {
        let mut known = Vec::new();
        for stream in self.lanes.iter().map(|lane| lane.stream) {
            let source = self.media.streams().get(stream);
            let Some(source) = source.filter(|source| self.session.target.wants_configuration(source)) else {
                continue;
            };
            let own = |packet: &&Packet| packet.stream() == stream;
            let mut first = reader.ahead().find(own).map(Packet::share).transpose()?;
            for _ in 0..LOOK {
                if first.is_some() {
                    break;
                }
                let Some(packet) = reader.look_further("sound")? else { break };
                first = Some(packet).filter(own).map(Packet::share).transpose()?;
            }
            let Some(mut packet) = first else { continue };
            match AdtsReader::open(source)?.strip(&mut packet) {
                // The muxer says that it is damaged.
                Err(error) if error.kind() != ErrorKind::Corrupt => return Err(error),
                _ => known.extend(packet.new_extradata().map(|told| (stream, told.to_vec()))),
            }
        }
        Ok(known)
    }

    /// Whether the next part begins where the main stream's sound ends: packets have no times but their
    /// samples, and there are no pictures that the sound must not leave.
    pub(super) fn is_as_long_as_heard(&self) -> bool {
        let sound = self.lanes.first().is_some_and(|lane| lane.kind == StreamKind::Audio);
        sound && self.session.target.counts_samples() && !self.part.whole_frames
    }

    /// What is heard of a part on the file's clock, where packets of sound have no times but their samples.
    pub(super) fn heard(&self, shown_from: Timestamp) -> Option<Copied> {
        if !self.is_as_long_as_heard() {
            return None;
        }
        let lane = self.lanes.first().filter(|lane| lane.written > 0)?;
        let until = if lane.trims { lane.until } else { i64::MAX };
        let end = lane.spans.last()?.shown_at(lane.seen_end?.min(until), lane.base);
        let meets = lane.begins != Begins::Timed || self.session.placed > Timestamp::ZERO;
        let from = if meets { shown_from.minus(lane.later) } else { shown_from };
        Some(Copied { from, len: end.minus(from) })
    }
}

/// When a packet is shown, if it is one that a lane's decoder gets going with.
fn primes(lane: &Lane, packet: &Packet) -> Option<i64> {
    let time = packet.pts().or(packet.dts()).filter(|_| lane.primes && packet.stream() == lane.stream);
    time.filter(|time| *time >= lane.keep_from)
}
