//! Packets of several tracks on their way into one file, in the order that they are decoded in. libav's own
//! interleaver (mux.c: ff_interleave_packet_per_dts) hands packets on when nobody knows any more where their bytes
//! lie in a source.

use super::track::Held;
use crate::time::Timestamp;
use std::collections::VecDeque;

/// So far one track runs ahead of another that may have no more packets (libav's max_interleave_delta).
const FURTHEST: Timestamp = Timestamp::from_nanos(10_000_000_000);
/// And by so many bytes.
const MOST: u64 = 64 << 20;

/// Packets that wait for those of other tracks, and when each is decoded.
#[derive(Default)]
pub(super) struct Interleaver {
    tracks: Vec<VecDeque<(Timestamp, Held)>>,
    /// Their bytes.
    held: u64,
}

impl Interleaver {
    /// Of one of so many tracks.
    pub(super) fn put(&mut self, track: usize, tracks: usize, at: Timestamp, packet: Held) {
        if self.tracks.len() < tracks {
            self.tracks.resize_with(tracks, VecDeque::new);
        }
        self.held = self.held.saturating_add(packet.packet.memory());
        if let Some(waiting) = self.tracks.get_mut(track) {
            waiting.push_back((at, packet));
        }
    }

    /// The packet that is next, and its track; none where one may still come that is decoded earlier. `waits`: whether
    /// a track is waited for.
    pub(super) fn next(&mut self, waits: impl Fn(usize) -> bool) -> Option<(usize, Held)> {
        let heads = self.tracks.iter().enumerate().filter_map(|(track, all)| Some((all.front()?.0, track)));
        let (at, track) = heads.min()?;
        let misses_one = self.tracks.iter().enumerate().any(|(track, all)| all.is_empty() && waits(track));
        let last = self.tracks.iter().filter_map(|all| Some(all.back()?.0)).max();
        let is_far = last.is_some_and(|last| last.minus(at) > FURTHEST) || self.held > MOST;
        if misses_one && !is_far {
            return None;
        }
        let (_, packet) = self.tracks.get_mut(track)?.pop_front()?;
        self.held = self.held.saturating_sub(packet.packet.memory());
        Some((track, packet))
    }
}
