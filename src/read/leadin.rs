//! Where a part begins: the packets before its first shown instant that decoding needs.

use super::{
    jumps::JUMP,
    need::Need,
    sound::{self, Search},
};
use crate::{
    Control, Error, ErrorKind, Limits, Media, Result,
    av::{packet::Packet, stream::StreamKind},
    media::{Demux, Item, begins_decoding},
    time::Timestamp,
};

/// What precedes the shown part, and the time at which its video can begin.
pub(crate) struct LeadIn {
    pub packets: Vec<Item>,
    /// The primary stream's first packet: its pts in ticks.
    pub begins: Option<i64>,
}

/// Libav's seeks are exact in these containers, or near enough to go on from; in others timestamps after a
/// seek are a guess, so they are read from the start.
fn seeks_well(media: &Media) -> bool {
    let known = [
        "mov", "matroska", "flv", "avi", "wav", "w64", "aiff", "au", "caf", "mpegts", "mpeg", "ogg", "asf",
        "mxf", "nut",
    ];
    media.demuxer().name().split(',').any(|name| known.contains(&name))
}

/// Packets without a time in front of the first that has one.
const UNTIMED: u32 = 256;
/// How far streams are apart in most files.
const INTERLEAVED: Timestamp = Timestamp::from_nanos(500_000_000);

/// Positions the demuxer and reads up to the shown part. `needs` has the primary stream's first.
pub(crate) fn read(
    media: &Media,
    demux: &mut Demux,
    needs: &[Need],
    everything: bool,
    control: &Control,
) -> Result<LeadIn> {
    let streams: Vec<usize> = needs.iter().map(|need| need.stream).collect();
    let Some(primary) = needs.first() else {
        return Err(Error::new(ErrorKind::Bug, "a part without streams"));
    };
    if everything {
        media.to_start(demux, &streams)?;
        return Ok(LeadIn { packets: Vec::new(), begins: None });
    }
    if !media.source().is_seekable() {
        return Err(Error::unsupported("a cut needs a source that can seek, and this is a stream")
            .named(media.source().name())
            .advise("save it to a file, or read it into memory first"));
    }
    let mut at = earliest(media, demux, needs, primary);
    let mut back = Timestamp::from_nanos(1_000_000_000).ticks(primary.base).max(1);
    let mut from_start = has_to_start(media, demux, primary, at);
    let mut search = Search::default();
    loop {
        if from_start || !demux.seek(primary.stream, at)? {
            control.check()?;
            from_start = true;
            media.to_start(demux, &streams)?;
        }
        let mut packets = Vec::new();
        collect(demux, primary, search.keyframe(), &mut packets, control)?;
        let ask = from_start && demux.holds_payload();
        let key = keyframe(media, primary, &mut packets, ask);
        let first = packets.iter().find_map(|Item { packet, .. }| {
            (packet.stream() == primary.stream).then(|| packet.pts().or(packet.dts()))?
        });
        let is_own = |item: &&Item| item.packet.stream() == primary.stream;
        let own = packets.iter().find(is_own).and_then(|item| item.packet.dts().or(item.packet.pts()));
        if !from_start && needs.len() > 1 && own.is_some_and(|own| own > primary.from) {
            // It begins later than the part does: what others have there lies in front of where any seek goes.
            from_start = true;
            continue;
        }
        let begins = key.and_then(|i| packets.get(i)).and_then(|Item { packet, .. }| packet.dts());
        let wanted = begins.map(|dts| dts.saturating_sub(INTERLEAVED.ticks(primary.base)));
        if let Some(wanted) = wanted.filter(|wanted| media.is_indexed() && !from_start && *wanted < at) {
            // It was an earlier keyframe after all.
            at = wanted;
            continue;
        }
        if key.is_none() && !from_start {
            // The seek went past the keyframe that is needed: go back further.
            at = at.min(first.unwrap_or(at)).saturating_sub(back);
            back = back.saturating_mul(4);
            from_start = back > i64::MAX / 8
                || Timestamp::from_ticks(at, primary.base)
                    < media.start().minus(Timestamp::from_nanos(10_000_000_000));
            continue;
        }
        if let Some(earlier) = search.further(media, &packets, needs, key).filter(|_| !from_start) {
            at = at.min(earlier);
            continue;
        }
        return Ok(trim(packets, needs, key));
    }
}

/// Where the part's first picture, and the sound that is due with it, may begin at the earliest: ticks of the
/// primary stream.
fn earliest(media: &Media, demux: &Demux, needs: &[Need], primary: &Need) -> i64 {
    // The sound may have to begin before the picture does.
    let early = needs
        .iter()
        .map(|need| Timestamp::from_ticks(need.preroll, need.base))
        .max()
        .unwrap_or(Timestamp::ZERO);
    let mut at = primary.from.saturating_sub(early.ticks(primary.base));
    // Sound may be shown before the first picture is.
    for need in needs {
        let begins = Timestamp::from_ticks(need.from.saturating_sub(need.preroll), need.base);
        at = at.min(begins.ticks(primary.base));
    }
    if let Some(key) = demux.keyframe_before(primary.stream, at).filter(|_| media.is_indexed()) {
        // Reading the index costs nothing: sound that lies behind the keyframe in the file, though it belongs
        // before it, is taken along, and the file's run stays whole.
        at = at.min(key.saturating_sub(INTERLEAVED.ticks(primary.base)));
    }
    at
}

/// Whether the source is read from its start to get there.
fn has_to_start(media: &Media, demux: &Demux, primary: &Need, at: i64) -> bool {
    // Before its first sample there is nothing to go to; what other streams have there, is found from the
    // start.
    let is_before_all =
        || media.demuxer().is_mov() && demux.first_indexed(primary.stream).is_some_and(|first| at < first);
    !seeks_well(media) || demux.counts_times() || is_before_all()
}

/// The packet at which decoding of the primary stream begins; where none is flagged, and `ask` says so, the
/// bitstream is asked.
fn keyframe(media: &Media, primary: &Need, packets: &mut [Item], ask: bool) -> Option<usize> {
    let mut key = begin_of(packets, primary);
    if key.is_none() && ask {
        ask_bitstream(media, primary, packets);
        key = begin_of(packets, primary);
    }
    behind_gap(media, packets, primary).or(key)
}

/// The keyframe that a range begins with which begins where the source's clock is not: behind the last packet
/// before it, the clock jumps to the first one at or behind it.
fn behind_gap(media: &Media, packets: &[Item], primary: &Need) -> Option<usize> {
    let mut own = packets.iter().enumerate().rev().filter(|(_, item)| item.packet.stream() == primary.stream);
    let (index, next) = own.next().filter(|(_, item)| media.may_jump() && item.packet.is_key())?;
    let (_, last) = own.next()?;
    let (next, last) = (next.packet.dts()?, last.packet.dts()?);
    let jumps = next >= primary.from && next.saturating_sub(last) > JUMP.ticks(primary.base);
    jumps.then_some(index)
}

/// Flags the pictures at which decoding can begin, if none of the stream is flagged.
fn ask_bitstream(media: &Media, primary: &Need, packets: &mut [Item]) {
    let Some(stream) = media.streams().get(primary.stream).filter(|_| primary.kind == StreamKind::Video)
    else {
        return;
    };
    let of_stream = |packet: &Packet| packet.stream() == primary.stream;
    if packets.iter().any(|Item { packet, .. }| of_stream(packet) && packet.is_key()) {
        return;
    }
    for Item { packet, .. } in packets.iter_mut().filter(|Item { packet, .. }| of_stream(packet)) {
        packet.set_key(begins_decoding(stream, packet.data()) == Some(true));
    }
}

/// Reads until the primary stream has come to the shown part. What it has before `keyframe` (a dts), is not
/// needed.
fn collect(
    demux: &mut Demux,
    primary: &Need,
    keyframe: Option<i64>,
    packets: &mut Vec<Item>,
    control: &Control,
) -> Result<()> {
    let mut keys = KeyWindow { best: None };
    let (mut held, mut untimed): (u64, u32) = (0, 0);
    loop {
        control.check()?;
        let mut item = Item::new()?;
        if !demux.read(&mut item)? {
            return Ok(());
        }
        let packet = &item.packet;
        let in_front = || packet.dts().zip(keyframe).is_some_and(|(dts, keyframe)| dts < keyframe);
        if packet.stream() == primary.stream && in_front() {
            continue;
        }
        let reached = packet.stream() == primary.stream
            && packet.dts().or(packet.pts()).is_some_and(|time| time > primary.from);
        keys.note(packet, primary, packets.len());
        if packet.stream() == primary.stream && packet.pts().or(packet.dts()).is_none() {
            untimed = untimed.saturating_add(1);
            if untimed > UNTIMED {
                let error = Error::unsupported("the source has no timestamps to find a range by");
                return Err(error.in_stream(primary.stream).advise("remux it into mp4 or mkv first"));
            }
        }
        held = held.saturating_add(packet.memory());
        let most = control.get_limits().memory;
        Limits::hold(held, most, "memory", || {
            format!(
                "more than {most} bytes would be held before the first packet that is shown (a range may begin far \
                 behind its keyframe)"
            )
        })
        .map_err(|e| e.in_stream(primary.stream))?;
        packets.push(item);
        if reached {
            return Ok(());
        }
        // What lies a keyframe and more back is not needed; a stream without an index would pile up here.
        if let Some(start) = keys.droppable(packets.len()) {
            let kept = packets.split_off(start);
            let dropped = std::mem::replace(packets, kept);
            held = held.saturating_sub(memory(&dropped));
            keys.best = keys.best.map(|best| best.saturating_sub(start));
        }
    }
}

/// What packets take up together.
pub(super) fn memory<'a>(items: impl IntoIterator<Item = &'a Item>) -> u64 {
    items.into_iter().map(|item| item.packet.memory()).fold(0, u64::saturating_add)
}

struct KeyWindow {
    best: Option<usize>,
}

impl KeyWindow {
    /// Packets that are kept before the keyframe: sound that belongs to it may come earlier.
    const MARGIN: usize = 2048;

    fn note(&mut self, packet: &Packet, primary: &Need, index: usize) {
        if packet.stream() == primary.stream
            && packet.is_key()
            && packet.pts().or(packet.dts()).is_some_and(|pts| pts <= primary.from)
        {
            self.best = Some(index);
        }
    }

    fn droppable(&self, len: usize) -> Option<usize> {
        let start = self.best?.saturating_sub(Self::MARGIN);
        (start > Self::MARGIN && len > 8 * Self::MARGIN).then_some(start)
    }
}

/// The last packet of a stream from which decoding reaches the shown part.
fn begin_of(packets: &[Item], need: &Need) -> Option<usize> {
    packets.iter().rposition(|Item { packet, .. }| {
        let reaches = |time: i64| time <= need.decodes_from();
        packet.stream() == need.stream
            && packet.is_key()
            && packet.pts().or(packet.dts()).is_some_and(reaches)
    })
}

/// Keeps what the shown part needs, and what lies between: the packets stay one run of the file.
fn trim(packets: Vec<Item>, needs: &[Need], key: Option<usize>) -> LeadIn {
    let video = |need: &Need| need.kind == StreamKind::Video;
    let primary = needs.first();
    // No keyframe before the range at all: the first one there is.
    let first_key = |need: &Need| {
        packets.iter().position(|Item { packet: p, .. }| p.stream() == need.stream && p.is_key())
    };
    let begin = key.or_else(|| primary.and_then(first_key)).unwrap_or(0);
    let begins = packets.get(begin).and_then(|Item { packet, .. }| packet.pts().or(packet.dts()));
    // How much before the shown part the picture begins: a range may be shown from there.
    let ahead = primary.zip(begins).map(|(primary, begins)| {
        Timestamp::from_ticks(primary.from.saturating_sub(begins).max(0), primary.base)
    });
    let ahead = ahead.unwrap_or(Timestamp::ZERO);
    let starts: Vec<usize> = needs
        .iter()
        .enumerate()
        .map(|(i, need)| match need.kind {
            _ if i == 0 => begin,
            StreamKind::Video => begin_of(&packets, need).or_else(|| first_key(need)).unwrap_or(0),
            StreamKind::Audio if primary.is_none_or(|p| !video(p)) => begin_of(&packets, need).unwrap_or(0),
            // Sound with a picture: from the picture's keyframe on, and before it what the decoder needs.
            StreamKind::Audio => {
                let least = need.from.saturating_sub(ahead.ticks(need.base)).saturating_sub(need.preroll);
                sound::first_heard(&packets, need.stream, least).unwrap_or(begin).min(begin)
            }
            // A subtitle may have begun long ago and still be shown.
            _ => begin_of(&packets, need).unwrap_or(begin).min(begin),
        })
        .collect();
    let wanted = |index: usize, packet: &Packet| {
        let start = needs.iter().position(|need| need.stream == packet.stream()).and_then(|i| starts.get(i));
        start.is_some_and(|start| index >= *start)
    };
    let packets =
        packets.into_iter().enumerate().filter(|(i, item)| wanted(*i, &item.packet)).map(|(_, item)| item);
    LeadIn { packets: packets.collect(), begins }
}
