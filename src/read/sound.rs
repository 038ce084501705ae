//! Sound that is heard where a range begins, and was written before the picture's keyframe that a seek goes
//! to: a packet of sound can be long, a frame of FLAC 100 ms and a block of WavPack some seconds.

use super::need::Need;
use crate::{
    Media,
    av::{packet::Packet, stream::StreamKind},
    media::Item,
    time::Timestamp,
};

/// So much of a copy's sound may be missing in front of its first packet: frames of most codecs are no
/// longer, and to go back for one would read a whole group of pictures.
const SHORT: Timestamp = Timestamp::from_nanos(50_000_000);
/// Sound lies hardly farther away in a file from the picture that it belongs to.
const APART: Timestamp = Timestamp::from_nanos(1_000_000_000);
/// How far to go back for packets that do not say how long they are, one time after the other.
const REACHES: [Timestamp; 3] = [
    Timestamp::from_nanos(500_000_000),
    Timestamp::from_nanos(4_000_000_000),
    Timestamp::from_nanos(16_000_000_000),
];

/// The search for sound in front of the keyframe.
#[derive(Default)]
pub(super) struct Search {
    looks: usize,
    /// The dts of the keyframe that the picture begins with.
    keyframe: Option<i64>,
}

impl Search {
    /// What lies before this dts of the primary stream is not needed for its pictures.
    pub(super) fn keyframe(&self) -> Option<i64> {
        self.keyframe
    }

    /// Looks through what was read; the primary stream begins with the packet `key`. Where sound is missing
    /// and may be found further back: the primary stream's time to go to.
    pub(super) fn further(
        &mut self,
        media: &Media,
        packets: &[Item],
        needs: &[Need],
        key: Option<usize>,
    ) -> Option<i64> {
        // By an index, each stream is found for itself.
        let (primary, rest) = needs.split_first().filter(|_| !media.is_indexed())?;
        let key = &packets.get(key?)?.packet;
        // Behind the range's beginning it is by a jump of the clock, and what lies before that is no help.
        let begins = key.pts().or(key.dts()).filter(|begins| *begins <= primary.from)?;
        let shown_from = Timestamp::from_ticks(begins, primary.base);
        let sounds = rest.iter().filter(|need| need.kind == StreamKind::Audio);
        let missing = sounds.filter_map(|need| Missing::find(media, packets, need, shown_from));
        let to = missing.filter_map(|it| Some(it.heard_from.minus(it.reach(self.looks)?))).min()?;
        self.looks = self.looks.saturating_add(1);
        self.keyframe = key.dts();
        Some(to.ticks(primary.base).min(begins.saturating_sub(1)))
    }
}

/// Sound of which the beginning was not found.
struct Missing {
    heard_from: Timestamp,
    /// How long its packets are, where they say it.
    longest: Option<Timestamp>,
    /// There are packets of it behind the keyframe.
    goes_on: bool,
}

impl Missing {
    /// None if nothing is missing. `shown_from`: where the picture begins with its keyframe.
    fn find(media: &Media, packets: &[Item], need: &Need, shown_from: Timestamp) -> Option<Self> {
        let exact = Timestamp::from_ticks(need.from.saturating_sub(need.preroll), need.base);
        let (heard_from, may_lack) =
            if need.with_keyframe { (shown_from, SHORT) } else { (exact, Timestamp::ZERO) };
        let start = media.streams().get(need.stream)?.start().unwrap_or(i64::MIN);
        let latest = heard_from.plus(may_lack).ticks(need.base).max(start);
        let own = || packets.iter().map(|item| &item.packet).filter(|packet| packet.stream() == need.stream);
        if own().any(|packet| time(packet).is_none_or(|time| time <= latest)) {
            return None;
        }
        let longest = own().map(Packet::duration).max().filter(|ticks| *ticks > 0);
        let longest = longest.map(|ticks| Timestamp::from_ticks(ticks, need.base));
        Some(Self { heard_from, longest, goes_on: own().next().is_some() })
    }

    /// How far back to go for it, the how manieth time; None if there is nothing to be found.
    fn reach(&self, looks: usize) -> Option<Timestamp> {
        match (looks, self.longest) {
            (0, Some(longest)) => Some(longest),
            (1, Some(longest)) => Some(longest.plus(APART)),
            (_, Some(_)) => None,
            // Sound may have ended long ago.
            (2.., None) if !self.goes_on => None,
            (_, None) => REACHES.get(looks).copied(),
        }
    }
}

/// The first packet of a stream's sound that is heard behind a time.
pub(super) fn first_heard(packets: &[Item], stream: usize, behind: i64) -> Option<usize> {
    let own = packets.iter().enumerate().filter(|(_, item)| item.packet.stream() == stream);
    let mut own = own.map(|(i, item)| (i, &item.packet)).peekable();
    while let Some((i, packet)) = own.next() {
        // One without a duration goes on up to the next.
        let next = own.peek().map_or(Some(i64::MAX), |(_, next)| time(next));
        let lasts = Some(packet.duration()).filter(|lasts| *lasts > 0);
        let end = time(packet).and_then(|time| lasts.map_or(next, |lasts| Some(time.saturating_add(lasts))));
        if end.is_some_and(|end| end > behind) {
            return Some(i);
        }
    }
    None
}

fn time(packet: &Packet) -> Option<i64> {
    packet.pts().or(packet.dts())
}
