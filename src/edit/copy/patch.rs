//! What takes the place of a source's packets in a part: pictures that were encoded anew, each at the place in the
//! file, and at the time of decoding, of a picture that is not copied.

use crate::{
    Control, Error, ErrorKind, Media, Result,
    av::{packet::Packet, stream::StreamKind},
    bitstream::Reading,
    media::Item,
    read::preroll_of,
    time::{Rational, Timestamp},
};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Pictures that were encoded anew, in the order of decoding, which is that of showing.
#[derive(Default)]
pub(crate) struct Seam {
    /// Whose places they take, in the order of decoding. With [`Patched::copied`] among them, one more than there are
    /// packets.
    pub slots: VecDeque<Slot>,
    pub packets: VecDeque<Packet>,
}

/// Headers that a decoder needs of the source's pictures, when it comes from others.
pub(crate) struct Headers {
    pub bytes: Bytes,
    /// Tells which packets have them.
    pub reading: Reading,
}

impl Headers {
    /// Puts them in front of a keyframe that is copied and has none: it is a copy itself then.
    pub(super) fn put(&mut self, media: &Media, item: &mut Item, control: &Control) -> Result<()> {
        if !item.packet.is_key() {
            return Ok(());
        }
        let fetched = match item.at {
            Some(at) if item.packet.is_stood_in_for() => {
                Some(media.source().fetch(at, item.packet.size(), None, control)?)
            }
            _ => None,
        };
        let own = fetched.as_deref().unwrap_or_else(|| item.packet.data());
        if !self.reading.picture(own).has_headers {
            item.packet = item.packet.with_data(&self.reading.with_headers(&self.bytes, own))?;
            item.at = None;
        }
        Ok(())
    }
}

/// A packet of the source whose place another one takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slot {
    /// What it is known by.
    pub pts: i64,
    /// When it is decoded, where its container does not say that.
    pub dts: i64,
}

/// What becomes of the pictures of a stream.
#[derive(Default)]
pub(crate) struct Patched {
    pub stream: usize,
    /// When the part's first picture is shown, in ticks of the stream.
    pub begins: i64,
    /// What stands in front of the first picture that is copied.
    pub head: Seam,
    /// The pts of the first picture that is copied; None where none is.
    pub copied: Option<i64>,
    /// Headers that go in front of each keyframe that has none.
    pub headers: Option<Headers>,
    /// When packets are decoded that do not say it, by their pts.
    pub decoded: BTreeMap<i64, i64>,
    /// The pts of pictures that follow it and are not copied.
    pub left_out: BTreeSet<i64>,
    /// The pts of the first packet that is not copied any more; None where all are up to the end.
    pub ends: Option<i64>,
    /// The part ends where a picture of the source begins.
    pub ends_at_picture: bool,
    /// The last picture that is copied, by its pts, and for how long it is shown, where the next one says that.
    pub last: Option<(i64, i64)>,
    pub tail: Seam,
}

/// What becomes of the packets of a stream of sound, where it was settled which of them are heard.
#[derive(Default)]
pub(crate) struct Spliced {
    pub stream: usize,
    /// The pts of the first packet that goes; None in front of which nothing was settled.
    pub from: Option<i64>,
    /// The pts of the first one that does not go any more.
    pub to: Option<i64>,
    /// How long each packet lasts, in seconds.
    pub frame: Option<Rational>,
    /// What takes the place of packets, by their pts.
    pub anew: BTreeMap<i64, Bytes>,
}

/// Of each stream of a part.
#[derive(Default)]
pub(crate) struct Patch {
    pub streams: Vec<Patched>,
    pub sounds: Vec<Spliced>,
}

impl Patch {
    pub(super) fn is_empty(&self) -> bool {
        self.streams.is_empty() && self.sounds.is_empty()
    }
}

/// How far a stream's packets are come.
enum Phase {
    Head,
    Copied,
    Tail,
}

/// What becomes of a packet that was read.
pub(super) enum Becomes {
    /// It goes on, as it is or as what took its place.
    Goes,
    LeftOut,
    /// It is left out, and nothing of its stream will come.
    Ended,
}

struct Patching {
    of: Patched,
    phase: Phase,
    /// The first that is copied, until those in front of it are written.
    waits: Option<Item>,
}

/// Packets of a part as they are to be copied.
pub(super) struct Patcher {
    streams: Vec<Patching>,
    sounds: Vec<Spliced>,
    /// Sound that ends in front of this is not needed, on the file's clock.
    heard_from: Timestamp,
}

impl Patcher {
    pub(super) fn new(patch: Patch, from: Timestamp) -> Self {
        let of = |of: Patched| Patching {
            phase: if of.head.slots.is_empty() && of.copied.is_none() { Phase::Tail } else { Phase::Head },
            of,
            waits: None,
        };
        Self { streams: patch.streams.into_iter().map(of).collect(), sounds: patch.sounds, heard_from: from }
    }

    /// When the first picture of a stream is shown.
    pub(super) fn begins(&self, stream: usize) -> Option<i64> {
        self.streams.iter().find(|it| it.of.stream == stream).map(|it| it.of.begins)
    }

    /// Whether the part ends where a picture of a stream begins: it is as long as that says, whatever the packet of the
    /// last one does, whose length may be rounded, or that of most.
    pub(super) fn ends_at_picture(&self, stream: usize) -> bool {
        self.streams.iter().any(|it| it.of.stream == stream && it.of.ends_at_picture)
    }

    /// What was settled of a stream of sound.
    pub(super) fn sound(&self, stream: usize) -> Option<&Spliced> {
        self.sounds.iter().find(|it| it.stream == stream)
    }

    pub(super) fn take(&mut self, media: &Media, item: &mut Item, control: &Control) -> Result<Becomes> {
        let index = item.packet.stream();
        let splice = self.sounds.iter_mut().find(|it| it.stream == index);
        if let Some((splice, pts)) = splice.zip(item.packet.pts().or(item.packet.dts())) {
            if splice.to.is_some_and(|to| pts >= to) {
                return Ok(Becomes::Ended);
            }
            if splice.from.is_some_and(|from| pts < from) {
                return Ok(Becomes::LeftOut);
            }
            if let Some(bytes) = splice.anew.remove(&pts) {
                item.packet = item.packet.with_data(&bytes)?;
                item.at = None;
            }
            if splice.from.is_some() {
                return Ok(Becomes::Goes);
            }
        }
        if let Some(patching) = self.streams.iter_mut().find(|it| it.of.stream == index) {
            return patching.take(media, item, control);
        }
        let Some(stream) = media.streams().get(index).filter(|it| it.kind() == StreamKind::Audio) else {
            return Ok(Becomes::Goes);
        };
        let begins = media.timeline(index).and_then(|timeline| {
            let span = timeline.at(self.heard_from)?;
            let preroll = preroll_of(stream).ticks(timeline.base);
            Some(span.media_at(self.heard_from, timeline.base).saturating_sub(preroll))
        });
        let ends = item.packet.pts().or(item.packet.dts());
        let ends = ends.map(|time| time.saturating_add(item.packet.duration()));
        let is_early =
            begins.zip(ends).is_some_and(|(begins, ends)| ends <= begins && item.packet.duration() > 0);
        Ok(if is_early { Becomes::LeftOut } else { Becomes::Goes })
    }
}

impl Patching {
    fn take(&mut self, media: &Media, item: &mut Item, control: &Control) -> Result<Becomes> {
        let Some(pts) = item.packet.pts().or(item.packet.dts()) else {
            // The second field of a picture, whose first one said when.
            let is_copied = matches!(self.phase, Phase::Copied);
            return Ok(if is_copied { Becomes::Goes } else { Becomes::LeftOut });
        };
        if let (None, Some(dts)) = (item.packet.dts(), self.of.decoded.get(&pts)) {
            let lasts = item.packet.duration();
            item.packet.set_times(pts, *dts, lasts);
        }
        if matches!(self.phase, Phase::Head) {
            let place = Place::of(&self.of.head, &item.packet, pts);
            if self.of.copied == Some(pts) {
                let mut first = item.take()?;
                first.packet.set_key(true);
                self.headed(media, &mut first, control)?;
                self.waits = Some(first);
            }
            let next = match place {
                Some(place) => self.next_of_head(place)?,
                None => None,
            };
            if self.of.head.packets.is_empty() && self.waits.is_none() && self.of.head.slots.is_empty() {
                self.phase = if self.of.copied.is_some() { Phase::Copied } else { Phase::Tail };
            }
            return Ok(match next {
                Some(next) => {
                    *item = next;
                    Becomes::Goes
                }
                None => self.left_out(),
            });
        }
        if matches!(self.phase, Phase::Copied) {
            if let (Some((_, lasts)), Some(dts)) =
                (self.of.last.filter(|last| last.0 == pts), item.packet.dts())
            {
                item.packet.set_times(pts, dts, lasts);
            }
            if self.of.ends != Some(pts) {
                let is_kept = !self.of.left_out.contains(&pts);
                if is_kept {
                    self.headed(media, item, control)?;
                }
                return Ok(if is_kept { Becomes::Goes } else { Becomes::LeftOut });
            }
            self.phase = Phase::Tail;
        }
        let tail = &mut self.of.tail;
        if let Some(place) = Place::of(tail, &item.packet, pts)
            && let Some(packet) = tail.packets.pop_front()
        {
            tail.slots.pop_front();
            *item = place.taken_by(packet);
            return Ok(Becomes::Goes);
        }
        Ok(self.left_out())
    }

    fn left_out(&self) -> Becomes {
        let is_over = matches!(self.phase, Phase::Tail) && self.of.tail.packets.is_empty();
        if is_over { Becomes::Ended } else { Becomes::LeftOut }
    }

    /// What takes the next place: behind the pictures that were encoded, the first that is copied.
    fn next_of_head(&mut self, place: Place) -> Result<Option<Item>> {
        self.of.head.slots.pop_front();
        if let Some(packet) = self.of.head.packets.pop_front() {
            return Ok(Some(place.taken_by(packet)));
        }
        let Some(mut first) = self.waits.take() else {
            return Err(Error::new(ErrorKind::Bug, "a seam has more places than pictures"));
        };
        let lasts = first.packet.duration();
        first.packet.set_times(first.packet.pts().unwrap_or(place.dts), place.dts, lasts);
        Ok(Some(first))
    }

    fn headed(&mut self, media: &Media, item: &mut Item, control: &Control) -> Result<()> {
        self.of.headers.as_mut().map_or(Ok(()), |headers| headers.put(media, item, control))
    }
}

/// When a packet is decoded, and its stream.
#[derive(Clone, Copy)]
struct Place {
    dts: i64,
    stream: usize,
}

impl Place {
    /// That of a packet, if it is the next one that is taken.
    fn of(seam: &Seam, packet: &Packet, pts: i64) -> Option<Self> {
        let slot = seam.slots.front().filter(|slot| slot.pts == pts)?;
        Some(Self { dts: packet.dts().unwrap_or(slot.dts), stream: packet.stream() })
    }

    fn taken_by(self, mut packet: Packet) -> Item {
        let pts = packet.pts().unwrap_or(self.dts);
        let dts = self.dts.min(pts);
        let lasts = packet.duration();
        packet.set_times(pts, dts, lasts);
        packet.set_stream(self.stream);
        Item { packet, at: None }
    }
}
