//! One track of an output.

use super::{clock::Clock, numbering::Numbers};
use crate::{Source, av::packet::Packet, time::Timestamp};

/// Where a packet's payload lies.
#[derive(Clone, Copy)]
pub(crate) struct Origin<'a> {
    pub source: &'a Source,
    pub at: u64,
}

/// The same, for who keeps it.
pub(crate) struct KeptOrigin {
    source: Source,
    at: u64,
}

impl Origin<'_> {
    pub(crate) fn keep(self) -> KeptOrigin {
        KeptOrigin { source: self.source.clone(), at: self.at }
    }
}

impl KeptOrigin {
    pub(crate) fn get(&self) -> Origin<'_> {
        Origin { source: &self.source, at: self.at }
    }
}

/// A packet that waits, and where its payload lies, if it may be referred to there.
pub(super) struct Held {
    pub packet: Packet,
    origin: Option<KeptOrigin>,
}

impl Held {
    pub(super) fn of(packet: Packet, origin: Option<Origin<'_>>) -> Self {
        Self { packet, origin: origin.map(Origin::keep) }
    }

    pub(super) fn parts(&mut self) -> (&mut Packet, Option<Origin<'_>>) {
        (&mut self.packet, self.origin.as_ref().map(KeptOrigin::get))
    }
}

/// One track of the output.
pub(crate) struct Track {
    /// Its index in the output.
    pub index: usize,
    pub clock: Clock,
    pub packets: u64,
    /// Nothing of it is shown: it is left out of an index of ours.
    pub unseen: bool,
    /// What is added to its times.
    pub later: Timestamp,
    /// Its packets, subtitles, come when they come, if at all.
    pub sparse: bool,
    /// Its codec's own numbers, which are this output's.
    pub(super) numbers: Option<Box<Numbers>>,
    /// Of a track with numbers, the packet that is written next: the last of all is special.
    pub(super) held: Option<Held>,
    /// What goes in front of each keyframe that does not begin with it (see [`in_band`](streams::in_band)).
    pub(super) head: Vec<u8>,
}

impl Track {
    /// When its last packet ends on the output's clock, where timestamps are when packets are shown.
    pub fn end(&self) -> Timestamp {
        self.clock.end().minus(self.later)
    }
}
