//! When pictures are shown whose container does not say it: AVI counts its packets in the order that they are
//! decoded in. What the codec says of their order tells: the first picture that is shown has the first packet's
//! place, and so on.

use super::item::Item;
use crate::{
    Result,
    av::{
        packet::Packet,
        parser::{Looked, Parser},
        stream::Stream,
    },
};
use std::collections::VecDeque;

/// Pictures that wait for those that are shown before them: more than any codec lets be.
const MOST: usize = 64;
/// The longest picture that is none: it says that nothing changes, and makes up for one that came in the packet
/// before (libav's mpeg4_unpack_bframes, MAX_NVOP_SIZE).
const NOTHING: usize = 19;
/// A picture of MPEG-4 part 2 begins (ISO/IEC 14496-2, table 6-3).
const VOP: [u8; 4] = [0, 0, 1, 0xb6];

/// Packets on their way, in the order of the file: a picture waits until it is known when it is shown, and what
/// follows it waits behind it.
pub(super) struct Order {
    streams: Vec<Pictures>,
    waiting: VecDeque<Waiting>,
    /// Bytes of memory that they take.
    held: u64,
    ended: bool,
}

struct Waiting {
    item: Item,
    /// The picture's number in its stream, if it is not told yet when it is shown.
    untold: Option<u64>,
}

impl Order {
    /// None for streams whose pictures are shown as they are decoded, all of them.
    pub(super) fn of(videos: &[(usize, Stream)]) -> Result<Option<Self>> {
        let mut streams = Vec::new();
        for (index, stream) in videos {
            streams.extend(Pictures::of(*index, stream)?);
        }
        let due = !streams.is_empty();
        Ok(due.then(|| Self { streams, waiting: VecDeque::new(), held: 0, ended: false }))
    }

    /// From somewhere else on.
    pub(super) fn restart(&mut self) {
        self.waiting.clear();
        (self.held, self.ended) = (0, false);
        self.streams.iter_mut().for_each(Pictures::restart);
    }

    /// The next packet that has all its times, or None if more have to come in before.
    pub(super) fn next(&mut self) -> Option<Item> {
        self.waiting.front().filter(|first| first.untold.is_none())?;
        let first = self.waiting.pop_front()?;
        self.held = self.held.saturating_sub(first.item.packet.memory());
        Some(first.item)
    }

    /// Whether a packet may go on at once: nothing waits, and it is not to be ordered.
    pub(super) fn passes(&self, packet: &Packet) -> bool {
        self.waiting.is_empty() && !self.streams.iter().any(|it| it.stream == packet.stream())
    }

    /// Takes a packet in. Returns how many bytes wait now.
    pub(super) fn take(&mut self, mut item: Item) -> u64 {
        self.held = self.held.saturating_add(item.packet.memory());
        let stream = item.packet.stream();
        let Some(pictures) = self.streams.iter_mut().find(|it| it.stream == stream) else {
            self.waiting.push_back(Waiting { item, untold: None });
            return self.held;
        };
        let untold = self.waiting.iter().rev().filter(|it| it.untold.is_some()).map(|it| &it.item.packet);
        let before = untold.into_iter().find(|packet| packet.stream() == stream);
        let mut told = Vec::new();
        let number = pictures.note(&mut item.packet, before, &mut told);
        self.waiting.push_back(Waiting { item, untold: Some(number) });
        self.tell(stream, &told);
        self.held
    }

    /// No more packets come.
    pub(super) fn end(&mut self) {
        self.ended = true;
        for i in 0..self.streams.len() {
            let Some(pictures) = self.streams.get_mut(i) else { continue };
            let mut told = Vec::new();
            pictures.finish(&mut told);
            let stream = pictures.stream;
            self.tell(stream, &told);
        }
    }

    pub(super) fn is_ended(&self) -> bool {
        self.ended
    }

    fn tell(&mut self, stream: usize, told: &[(u64, i64)]) {
        for (number, pts) in told {
            let of = |it: &&mut Waiting| it.item.packet.stream() == stream && it.untold == Some(*number);
            if let Some(waiting) = self.waiting.iter_mut().find(of) {
                let packet = &mut waiting.item.packet;
                let (dts, lasts) = (packet.dts().unwrap_or(*pts), packet.duration());
                packet.set_times(*pts, dts, lasts);
                waiting.untold = None;
            }
        }
    }
}

/// The pictures of one stream.
struct Pictures {
    stream: usize,
    parser: Parser,
    rule: Rule,
    /// Pictures are numbered as they come.
    count: u64,
    /// The times that packets came at, and nothing is shown at yet.
    places: VecDeque<i64>,
    /// Pictures that are not placed, with what they are ordered by.
    back: Vec<(u64, i64)>,
    /// The highest that was seen since the order began anew.
    highest: Option<i64>,
    /// The times of the last packets, as many as a decoder keeps pictures back. A packet is decoded that much
    /// earlier than it came, for none is shown before it is decoded.
    early: VecDeque<i64>,
}

/// What tells the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// Pictures are numbered, and no more than this many wait for one with a lower number.
    Numbers(usize),
    /// B-frames are shown at once, and others when the next one comes that is none.
    Types,
}

impl Pictures {
    /// None if they are shown as they are decoded.
    fn of(index: usize, stream: &Stream) -> Result<Option<Self>> {
        let delay = usize::try_from(stream.delay()).unwrap_or(0).min(MOST);
        if delay == 0 {
            return Ok(None);
        }
        let rule = match stream.codec().as_str() {
            "h264" | "hevc" => Rule::Numbers(delay),
            _ => Rule::Types,
        };
        Ok(Parser::open(stream)?.map(|parser| Self::new(index, parser, rule)))
    }

    fn new(stream: usize, parser: Parser, rule: Rule) -> Self {
        let (places, early) = (VecDeque::new(), VecDeque::new());
        let back = Vec::new();
        Self { stream, parser, rule, count: 0, places, back, highest: None, early }
    }

    fn restart(&mut self) {
        self.highest = None;
        self.places.clear();
        self.back.clear();
        self.early.clear();
    }

    /// Numbers a picture and sets when it is decoded. `before`: the one that waits in front of it. `told`: pictures
    /// that can be placed now, and when they are shown.
    fn note(&mut self, packet: &mut Packet, before: Option<&Packet>, told: &mut Vec<(u64, i64)>) -> u64 {
        let looked = self.parser.look(packet);
        let stands_for_b = || packet.size() <= NOTHING && before.is_some_and(|it| is_packed(it.data()));
        let is_b = looked.is_b || (self.rule == Rule::Types && stands_for_b());
        self.decode_early(packet);
        let number = self.count;
        self.count = self.count.saturating_add(1);
        self.order(number, Looked { is_b, ..looked }, told);
        number
    }

    fn order(&mut self, picture: u64, looked: Looked, told: &mut Vec<(u64, i64)>) {
        let most = match self.rule {
            Rule::Types if looked.is_b => {
                self.tell(picture, told);
                MOST
            }
            Rule::Types => {
                self.finish(told);
                self.back.push((picture, 0));
                1
            }
            Rule::Numbers(most) => {
                let next = || self.highest.map_or(0, |highest| highest.saturating_add(1));
                let number = looked.number.map_or_else(next, i64::from);
                if looked.is_intra && self.highest.is_some_and(|highest| number <= highest) {
                    // Numbers begin anew.
                    self.finish(told);
                    self.highest = None;
                }
                self.highest = self.highest.max(Some(number));
                self.back.push((picture, number));
                most
            }
        };
        while self.back.len() > most || self.places.len() > MOST {
            if !self.tell_lowest(told) {
                break;
            }
        }
    }

    /// Places all that wait.
    fn finish(&mut self, told: &mut Vec<(u64, i64)>) {
        while self.tell_lowest(told) {}
    }

    fn tell_lowest(&mut self, told: &mut Vec<(u64, i64)>) -> bool {
        let lowest = self.back.iter().enumerate().min_by_key(|(_, (_, number))| *number);
        let Some(lowest) = lowest.map(|(i, _)| i) else { return false };
        let (picture, _) = self.back.remove(lowest);
        self.tell(picture, told);
        true
    }

    fn tell(&mut self, picture: u64, told: &mut Vec<(u64, i64)>) {
        told.extend(self.places.pop_front().map(|place| (picture, place)));
    }

    /// Notes when a packet came, and lets it be decoded as much earlier as pictures are kept back.
    fn decode_early(&mut self, packet: &mut Packet) {
        let (came, lasts) = (packet.dts().unwrap_or(0), packet.duration());
        let delay = match self.rule {
            Rule::Types => 1,
            Rule::Numbers(delay) => i64::try_from(delay).unwrap_or(1),
        };
        if self.early.is_empty() {
            // In front of the first there were as many, as far as that goes.
            let before = |number: i64| came.saturating_sub(number.saturating_mul(lasts.max(1)));
            self.early.extend((1..=delay).rev().map(before));
        }
        self.places.push_back(came);
        self.early.push_back(came);
        let decoded = self.early.pop_front().unwrap_or(came);
        packet.set_times(packet.pts().unwrap_or(came), decoded, lasts);
    }
}

/// Whether a packet of MPEG-4 part 2 has a B-frame behind its picture, as codecs for Windows wrote them.
fn is_packed(data: &[u8]) -> bool {
    let mut starts = data.windows(VOP.len()).enumerate().filter(|(_, bytes)| **bytes == VOP);
    starts.nth(1).is_some()
}
