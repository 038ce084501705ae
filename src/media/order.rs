//! When pictures are shown whose container does not say it: AVI counts its packets in the order that they are
//! decoded in. What the codec says of their order tells: the first picture that is shown has the first
//! packet's place, and so on. Where packets are missing, the place is that of the packet as much further on
//! as pictures are kept back: encoders count a packet when a picture comes in, and write it that much later.

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

/// Pictures that are kept back for those that are shown before them: more than any codec lets be.
const MOST: usize = 64;
/// Pictures that follow one in the file and are shown before it: more than any codec lets be.
const LONGEST: u64 = 300;
/// Pictures that wait for the first that is shown before one in front of it, where there was none: that one,
/// and the keyframe that it refers to.
const CALM: usize = 2;
/// How many pictures H.264 and HEVC keep back if they begin with it later: B-frames that refer to B-frames.
const LATE: usize = 2;
/// Codecs that may begin with B-frames later.
const LATE_CODECS: [&str; 6] = ["h264", "hevc", "mpeg4", "mpeg1video", "mpeg2video", "vc1"];
/// Bytes and packets of other streams between two pictures: more than files have, so that no picture comes
/// any more, or not soon.
const APART: (u64, u64) = (4 << 20, 16);
/// The longest picture that is none: it says that nothing changes, and makes up for one that came in the
/// packet before (libav's mpeg4_unpack_bframes, MAX_NVOP_SIZE).
const NOTHING: usize = 19;
/// A picture of MPEG-4 part 2 begins (ISO/IEC 14496-2, table 6-3).
const VOP: [u8; 4] = [0, 0, 1, 0xb6];

/// Packets on their way, in the order of the file: a picture waits until it is known when it is shown, and
/// what follows it waits behind it.
pub(super) struct Order {
    streams: Vec<Pictures>,
    waiting: VecDeque<Waiting>,
    /// Packets are numbered as they come; this is the number of the first that waits.
    first: u64,
    /// Bytes of memory that they take.
    held: u64,
    ended: bool,
}

struct Waiting {
    item: Item,
    /// It is a picture, and not told yet when it is shown.
    is_untold: bool,
}

impl Order {
    /// None for streams whose pictures are shown as they are decoded, all of them.
    pub(super) fn of(videos: &[(usize, Stream)]) -> Result<Option<Self>> {
        let mut streams = Vec::new();
        for (index, stream) in videos {
            streams.extend(Pictures::of(*index, stream)?);
        }
        let due = !streams.is_empty();
        Ok(due.then(|| Self { streams, waiting: VecDeque::new(), first: 0, held: 0, ended: false }))
    }

    /// From somewhere else on.
    pub(super) fn restart(&mut self) {
        self.waiting.clear();
        (self.first, self.held, self.ended) = (0, 0, false);
        self.streams.iter_mut().for_each(Pictures::restart);
    }

    /// The next packet that has all its times, or None if more have to come in before.
    pub(super) fn next(&mut self) -> Option<Item> {
        self.waiting.front().filter(|first| !first.is_untold)?;
        let first = self.waiting.pop_front()?;
        self.first = self.first.saturating_add(1);
        self.held = self.held.saturating_sub(first.item.packet.memory());
        Some(first.item)
    }

    /// The stream of the picture that all others wait for.
    pub(super) fn waits_for(&self) -> Option<usize> {
        self.waiting.front().map(|first| first.item.packet.stream())
    }

    /// Whether a packet may go on at once: nothing waits, and it is not to be ordered.
    pub(super) fn passes(&self, packet: &Packet) -> bool {
        self.waiting.is_empty() && !self.streams.iter().any(|it| it.stream == packet.stream())
    }

    /// Takes a packet in. Returns how many bytes wait now.
    pub(super) fn take(&mut self, mut item: Item) -> u64 {
        let (stream, memory) = (item.packet.stream(), item.packet.memory());
        self.held = self.held.saturating_add(memory);
        let number = self.first.saturating_add(self.waiting.len() as u64);
        let mut is_untold = false;
        let mut told = Vec::new();
        for pictures in &mut self.streams {
            if pictures.stream == stream {
                is_untold = true;
                let before = pictures.last_back().and_then(|before| place(self.first, before));
                let before = before.and_then(|i| self.waiting.get(i)).map(|it| &it.item.packet);
                pictures.note(number, &mut item.packet, before, &mut told);
            } else {
                pictures.pass(memory, &mut told);
            }
        }
        self.waiting.push_back(Waiting { item, is_untold });
        self.tell(&told);
        self.held
    }

    /// No more packets come.
    pub(super) fn end(&mut self) {
        self.ended = true;
        let mut told = Vec::new();
        self.streams.iter_mut().for_each(|pictures| pictures.end(&mut told));
        self.tell(&told);
    }

    pub(super) fn is_ended(&self) -> bool {
        self.ended
    }

    fn tell(&mut self, told: &[(u64, i64)]) {
        for (number, pts) in told {
            let waiting = place(self.first, *number).and_then(|i| self.waiting.get_mut(i));
            if let Some(waiting) = waiting {
                let packet = &mut waiting.item.packet;
                let (dts, lasts) = (packet.dts().unwrap_or(*pts), packet.duration());
                packet.set_times(*pts, dts, lasts);
                waiting.is_untold = false;
            }
        }
    }
}

/// Where a packet is among those that wait.
fn place(first: u64, number: u64) -> Option<usize> {
    usize::try_from(number.checked_sub(first)?).ok()
}

/// The pictures of one stream. They go by the numbers of their packets.
struct Pictures {
    stream: usize,
    parser: Parser,
    rule: Rule,
    /// No picture was seen yet that is shown before one in front of it, and libav saw none when it was
    /// opened.
    calm: bool,
    /// It began so.
    was_calm: bool,
    /// How many pictures are there already.
    count: u64,
    /// Pictures whose order is not known, with what they are ordered by, and how many were there before.
    back: Vec<Back>,
    /// The highest that was seen since the order began anew.
    highest: Option<i64>,
    /// Pictures in the order that they are shown in, which have no place yet.
    shown: VecDeque<u64>,
    /// Places that are free.
    places: VecDeque<i64>,
    /// So many packets more have to come in front of the one that tells the first place.
    skip: usize,
    /// The last place that was given, or that is free, and how long a picture lasts.
    last: Option<(i64, i64)>,
    /// Bytes and packets of other streams since the last picture.
    apart: (u64, u64),
}

struct Back {
    picture: u64,
    number: i64,
    count: u64,
}

/// What tells the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// Pictures are numbered, and no more than this many wait for one with a lower number.
    Numbers(usize),
    /// B-frames are shown at once, and others when the next one comes that is none.
    Types,
}

impl Rule {
    /// How many pictures are kept back.
    fn delay(self) -> usize {
        match self {
            Self::Types => 1,
            Self::Numbers(delay) => delay,
        }
    }
}

impl Pictures {
    /// None if they are shown as they are decoded.
    fn of(index: usize, stream: &Stream) -> Result<Option<Self>> {
        let delay = usize::try_from(stream.delay()).unwrap_or(0).min(MOST);
        let (codec, calm) = (stream.codec(), delay == 0);
        if calm && !LATE_CODECS.contains(&codec.as_str()) {
            return Ok(None);
        }
        let rule = match codec.as_str() {
            "h264" | "hevc" => Rule::Numbers(if calm { LATE } else { delay }),
            _ => Rule::Types,
        };
        Ok(Parser::open(stream)?.map(|parser| Self::new(index, parser, rule, calm)))
    }

    fn new(stream: usize, parser: Parser, rule: Rule, calm: bool) -> Self {
        let mut pictures = Self {
            stream,
            parser,
            rule,
            calm,
            was_calm: calm,
            count: 0,
            back: Vec::new(),
            highest: None,
            shown: VecDeque::new(),
            places: VecDeque::new(),
            skip: 0,
            last: None,
            apart: (0, 0),
        };
        pictures.restart();
        pictures
    }

    fn restart(&mut self) {
        (self.highest, self.last) = (None, None);
        self.back.clear();
        self.shown.clear();
        self.places.clear();
        self.calm = self.was_calm;
        (self.skip, self.apart) = (if self.calm { 0 } else { self.rule.delay() }, (0, 0));
    }

    /// The last picture that came, of those whose order is not known.
    fn last_back(&self) -> Option<u64> {
        self.back.last().map(|back| back.picture)
    }

    /// Takes a picture in, and sets when it is decoded. `before`: the one that waits in front of it. `told`:
    /// pictures that can be placed now, and when they are shown.
    fn note(
        &mut self,
        picture: u64,
        packet: &mut Packet,
        before: Option<&Packet>,
        told: &mut Vec<(u64, i64)>,
    ) {
        let looked = self.parser.look(packet);
        let stands_for_b = || packet.size() <= NOTHING && before.is_some_and(|it| is_packed(it.data()));
        let is_b = looked.is_b || (self.rule == Rule::Types && stands_for_b());
        self.apart = (0, 0);
        self.decode_early(packet);
        self.order(picture, Looked { is_b, ..looked });
        self.count = self.count.saturating_add(1);
        self.tell(told);
    }

    /// A packet of another stream came.
    fn pass(&mut self, memory: u64, told: &mut Vec<(u64, i64)>) {
        self.apart = (self.apart.0.saturating_add(memory), self.apart.1.saturating_add(1));
        if self.apart.0 > APART.0 && self.apart.1 > APART.1 {
            self.end(told);
            self.restart();
        }
    }

    /// No more pictures come: those that wait follow the last.
    fn end(&mut self, told: &mut Vec<(u64, i64)>) {
        self.show_all();
        self.tell(told);
        let Some((last, lasts)) = self.last else { return };
        let missing = i64::try_from(self.skip).unwrap_or(0);
        let places = (1..).map(|n: i64| last.saturating_add(n.saturating_add(missing).saturating_mul(lasts)));
        told.extend(self.shown.drain(..).zip(places));
    }

    fn order(&mut self, picture: u64, looked: Looked) {
        let count = self.count;
        let next = || self.highest.map_or(0, |highest| highest.saturating_add(1));
        let number = match self.rule {
            // Those that wait are shown as they came.
            Rule::Types => 0,
            Rule::Numbers(_) => looked.number.map_or_else(next, i64::from),
        };
        let goes_back = self.highest.is_some_and(|highest| number <= highest);
        if self.rule != Rule::Types && looked.is_intra && goes_back {
            // Numbers begin anew.
            self.show_all();
            self.highest = None;
        } else if self.calm && (if self.rule == Rule::Types { looked.is_b } else { goes_back }) {
            self.begin();
        }
        self.highest = self.highest.max(Some(number));
        let most = match self.rule {
            _ if self.calm => {
                self.back.push(Back { picture, number, count });
                CALM
            }
            Rule::Types if looked.is_b => {
                self.shown.push_back(picture);
                MOST
            }
            Rule::Types => {
                self.show_all();
                self.back.push(Back { picture, number, count });
                1
            }
            Rule::Numbers(most) => {
                self.back.push(Back { picture, number, count });
                most
            }
        };
        let waits_long = |back: &[Back]| back.first().is_some_and(|it| count.abs_diff(it.count) > LONGEST);
        while self.back.len() > most || waits_long(&self.back) {
            self.show_lowest();
        }
    }

    /// The first picture comes that is shown before one in front of it. Since packets are decoded when they
    /// came, as those before were, all from here on are shown as much later as pictures are kept back.
    fn begin(&mut self) {
        self.calm = false;
        let delay = self.rule.delay();
        let dropped = delay.min(self.places.len());
        self.places.drain(..dropped);
        self.skip = delay.saturating_sub(dropped);
        while self.back.len() > delay {
            self.show_lowest();
        }
    }

    /// All that wait, in order.
    fn show_all(&mut self) {
        while self.show_lowest() {}
    }

    fn show_lowest(&mut self) -> bool {
        let lowest = self.back.iter().enumerate().min_by_key(|(_, back)| back.number);
        let Some(lowest) = lowest.map(|(i, _)| i) else { return false };
        self.shown.push_back(self.back.remove(lowest).picture);
        true
    }

    /// Gives places to pictures, as far as both are known.
    fn tell(&mut self, told: &mut Vec<(u64, i64)>) {
        let count = self.shown.len().min(self.places.len());
        told.extend(self.shown.drain(..count).zip(self.places.drain(..count)));
    }

    /// Lets a packet be decoded as much earlier than it came as pictures are kept back: none is shown before
    /// it is decoded. That is a place as well.
    fn decode_early(&mut self, packet: &mut Packet) {
        let (came, lasts) = (packet.dts().unwrap_or(0), packet.duration().max(1));
        let delay = if self.was_calm { 0 } else { i64::try_from(self.rule.delay()).unwrap_or(1) };
        let decoded = came.saturating_sub(delay.saturating_mul(lasts));
        packet.set_times(packet.pts().unwrap_or(came), decoded, packet.duration());
        self.last = Some((decoded, lasts));
        if self.skip > 0 {
            self.skip = self.skip.saturating_sub(1);
        } else {
            self.places.push_back(decoded);
        }
    }
}

/// Whether a packet of MPEG-4 part 2 has a B-frame behind its picture, as codecs for Windows wrote them.
fn is_packed(data: &[u8]) -> bool {
    let mut starts = data.windows(VOP.len()).enumerate().filter(|(_, bytes)| **bytes == VOP);
    starts.nth(1).is_some()
}
