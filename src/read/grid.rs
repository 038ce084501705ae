//! Where packets of sound begin to the sample, in containers whose times are rounded to more than one (Matroska):
//! samples follow on each other, and packets that are all as long lie on a grid.

use super::{
    need::Need,
    reader::{Noted, Reader, Stretch},
};
use crate::{
    Control, Media, Result,
    av::{packet::Packet, stream::Stream},
    media::{Item, Payloads, flac},
    time::{Rational, Timestamp, convert},
};

/// Packets at a stream's beginning that are looked at.
const LOOK: usize = 16;
/// So many of them have to be as long as each other.
const ALIKE: usize = 6;

/// A stream's packets from one of the first on, in samples of its clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grid {
    from: i64,
    step: i64,
    /// What a time may be off by, for its rounding.
    slack: i64,
}

impl Grid {
    /// The grid of a stream of FLAC or PCM, by its first packets; None where its times tell of each sample, or where it
    /// has none.
    pub(crate) fn of(media: &Media, stream: usize, control: &Control) -> Result<(Option<Self>, Noted)> {
        let none = || Ok((None, Noted::default()));
        let (Some(own), Some(timeline)) = (media.streams().get(stream), media.timeline(stream)) else {
            return none();
        };
        let Some((sample, span)) = sample_of(own).zip(timeline.spans.first()) else { return none() };
        let Some(need) = Need::new(media, stream, span) else { return none() };
        let (base, streams, from) = (own.time_base(), [stream], timeline.start());
        let at_start = from <= media.start();
        let stretch =
            Stretch { streams: &streams, payloads: Payloads::Read, from, to: Timestamp::MAX, at_start };
        let mut reader = Reader::open(media, &stretch, control)?;
        reader.begin(&[need], at_start)?;
        let (mut item, mut packets) = (Item::new()?, Vec::new());
        while packets.len() < LOOK && reader.next(&mut item)? {
            control.check()?;
            let packet = &item.packet;
            if packet.stream() != stream || packet.size() == 0 {
                continue;
            }
            let Some((pts, count)) = packet.pts().zip(samples_of(own, packet)) else { break };
            packets.push((convert(pts, base, sample), count));
        }
        Ok((Self::among(&packets, convert(1, base, sample)), reader.finish(false)?))
    }

    /// The grid of packets that begin then, and have so many samples.
    fn among(packets: &[(i64, i64)], tick: i64) -> Option<Self> {
        let slack = tick.checked_div(2)?.saturating_add(1);
        let (_, step) = *packets.last()?;
        let (mut at, mut grid, mut alike) = (packets.first()?.0, None, 0_usize);
        for (told, count) in packets {
            if told.saturating_sub(at).saturating_abs() > slack.saturating_mul(2) {
                return None;
            }
            if *count == step {
                grid.get_or_insert(Self { from: at, step, slack });
                alike = alike.saturating_add(1);
            } else {
                (grid, alike) = (None, 0);
            }
            at = at.saturating_add(*count);
        }
        grid.filter(|grid| alike >= ALIKE && grid.step > slack.saturating_mul(4))
    }

    /// Where a packet begins that is told to begin there.
    pub(crate) fn at(&self, told: i64) -> i64 {
        let near = told.saturating_sub(self.from).saturating_add(self.step / 2);
        let on = near.div_euclid(self.step).saturating_mul(self.step).saturating_add(self.from);
        // Behind a gap they lie elsewhere.
        if told.saturating_sub(on).saturating_abs() <= self.slack.saturating_mul(2) { on } else { told }
    }
}

/// One sample, of a stream that loses none and whose ticks are coarser.
fn sample_of(stream: &Stream) -> Option<Rational> {
    let is_it = stream.codec() == "flac" || stream.codec().starts_with("pcm_");
    let (rate, base) = (i32::try_from(stream.sample_rate()?).ok()?, stream.time_base());
    let sample = Rational::new(1, rate)?;
    (is_it && convert(1, base, sample) > 1).then_some(sample)
}

fn samples_of(stream: &Stream, packet: &Packet) -> Option<i64> {
    if stream.codec() == "flac" {
        return Some(flac::Header::parse(packet.data())?.block.into());
    }
    stream.samples_in(packet.size()).filter(|samples| *samples > 0)
}

#[cfg(test)]
mod tests {
    use super::Grid;

    #[test]
    fn packets_of_one_length_lie_on_a_grid_behind_those_of_others() {
        // Told in milliseconds, of 48 samples each.
        let told = |samples: i64| (samples + 24).div_euclid(48) * 48;
        let mut packets = vec![(0, 47), (told(47), 500)];
        packets.extend((0..10).map(|i| (told(547 + i * 1000), 1000)));
        let grid = Grid::among(&packets, 48).unwrap();
        for i in [0, 7, 1234, 99_999] {
            assert_eq!(grid.at(told(547 + i * 1000)), 547 + i * 1000);
        }
        assert_eq!(grid.at(123_456), 123_456);
        packets.extend((0..4).map(|i| (told(10_547 + i * 1001), 1001)));
        assert_eq!(Grid::among(&packets, 48), None);
        assert_eq!(Grid::among(&[], 48), None);
    }
}
