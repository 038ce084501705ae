//! What lies around the borders of a range: the coded pictures there, in the order of decoding, and what the bitstream
//! says of them.

use crate::{
    Control, Error, Media, Result,
    av::stream::Stream,
    bitstream::{Avc, Entry, Hevc, Layers, Leading, Reading, h263, h264, hevc},
    edit::Slot,
    media::{Item, Span},
    read::{Reader, read_pictures},
    time::{Rational, Timestamp},
};
use bytes::Bytes;
use std::collections::BTreeSet;

/// Pictures behind a border that are looked at: more than any codec shows in another order than they are decoded in.
const BEHIND: usize = 64;

/// So few pictures behind a recovery point are encoded anew: of less, FFmpeg's decoder does not show all.
const FEW: i64 = 16;

/// A coded picture, as it comes in the order of decoding.
#[derive(Clone, Copy, Debug)]
pub(super) struct Coded {
    pub pts: i64,
    pub dts: i64,
    pub lasts: i64,
    pub entry: Option<Entry>,
    pub leading: Leading,
    is_reference: bool,
    /// It is of one moment by its own word (MPEG-2).
    pub is_whole: bool,
    /// What its packets have that no encoder here makes.
    pub layers: Option<&'static str>,
}

impl Coded {
    pub(super) fn slot(&self) -> Slot {
        Slot { pts: self.pts, dts: self.dts }
    }
}

/// What is looked for.
#[derive(Clone, Copy)]
pub(super) enum Side {
    /// From where a range begins: the first picture that a copy may begin at.
    Front { from: i64, to: i64, may_be_first: bool },
    /// Up to where it ends, and the picture behind that.
    Behind { to: i64 },
}

/// A stream of pictures of a media, and what of it is shown.
pub(super) struct Pictures<'a> {
    pub media: &'a Media,
    pub stream: usize,
    /// All that is shown of the media in one go: where ticks are coarse, a part of it would be moved by less than one.
    pub span: Span,
    /// From when to when, on the file's clock.
    pub range: (Timestamp, Timestamp),
    /// It shows nothing at the beginning, or the end, of what was asked for.
    pub begins_late: bool,
    pub ends_early: bool,
    pub base: Rational,
    pub control: &'a Control,
}

impl<'a> Pictures<'a> {
    /// Of a range on the file's clock. None where nothing of the stream is shown there.
    ///
    /// Errors: Unsupported where its edit list shows several stretches.
    pub(super) fn of(
        media: &'a Media,
        stream: usize,
        (from, to): (Timestamp, Timestamp),
        control: &'a Control,
    ) -> Result<Option<Self>> {
        let Some(timeline) = media.timeline(stream) else { return Ok(None) };
        let spans = timeline.clip(from, to);
        match spans.as_slice() {
            [] => Ok(None),
            [part] => {
                let span = timeline.at(part.shown).unwrap_or(*part);
                let range = (part.shown, part.shown_end());
                let (begins_late, ends_early) = (part.shown > from, part.shown_end() < to);
                let base = timeline.base;
                Ok(Some(Self { media, stream, span, range, begins_late, ends_early, base, control }))
            }
            _ => Err(Error::unsupported("an edit list shows several stretches of it in the range")
                .in_stream(stream)),
        }
    }

    /// A reader of the stream alone, from where decoding of what is shown at a time begins.
    pub(super) fn read(&self, at: i64) -> Result<Reader> {
        let shown = self.span.shown_at(at, self.base);
        let span = Span { shown, len: Timestamp::MAX, media: at };
        read_pictures(self.media, self.stream, &span, shown <= self.media.start(), self.control)
    }

    /// The coded pictures from where decoding of what is shown at a time begins, as far as they are looked for.
    pub(super) fn look(&self, at: i64, side: Side) -> Result<Window> {
        let mut window = Window { at, ..Window::default() };
        let Some(stream) = self.media.streams().get(self.stream) else { return Ok(window) };
        let mut reading = Reading::of(&stream.codec(), stream.extradata());
        let mut layers = Layers::of(&stream.codec(), stream.extradata());
        let mut reader = self.read(at)?;
        let mut item = Item::new()?;
        while reader.next(&mut item)? {
            self.control.check()?;
            let packet = &item.packet;
            if packet.stream() != self.stream || packet.size() == 0 {
                continue;
            }
            let layers = layers.of_packet(packet.data());
            let Some(pts) = packet.pts().or(packet.dts()) else {
                // It is of the picture before.
                if let Some(last) = window.coded.last_mut() {
                    last.layers = last.layers.or(layers);
                }
                continue;
            };
            let picture = reading.as_mut().map(|reading| reading.picture(packet.data()));
            let coded = Coded {
                pts,
                dts: packet.dts().unwrap_or(i64::MIN),
                lasts: packet.duration(),
                entry: picture.as_ref().and_then(|picture| picture.entry),
                leading: picture.map_or(Leading::No, |picture| picture.leading),
                is_reference: picture.is_none_or(|picture| picture.is_reference),
                is_whole: picture.is_some_and(|picture| picture.is_whole),
                layers,
            };
            if stream.codec() == "h263" && h263::is_extended(packet.data()) {
                // A decoder that has seen one reads what comes from others as such.
                let what = "its pictures are of H.263's second version, and no encoder's go beside them";
                return Err(Error::unsupported(what).in_stream(self.stream));
            }
            let is_enough = !window.goes_on(coded, side);
            if let Some(reading) = &reading {
                if reading.is_packed() {
                    let what = "its B-pictures are packed behind others (as AVI's of DivX are)";
                    return Err(Error::unsupported(what).in_stream(self.stream));
                }
                if window.first.is_some() && window.headers.is_empty() {
                    window.headers = Bytes::copy_from_slice(reading.headers());
                }
            }
            if is_enough {
                break;
            }
        }
        if window.lacks_order(stream) {
            let what = "its container says of pictures when they are decoded, and not when they are shown";
            return Err(Error::unsupported(what).in_stream(self.stream));
        }
        window.tell_dts();
        window.bytes_read = reader.finish(false)?.bytes_read;
        Ok(window)
    }
}

/// Pictures that were looked at, in the order of decoding.
#[derive(Default)]
pub(super) struct Window {
    /// For what is shown at this time, decoding begins with them.
    pub at: i64,
    pub coded: Vec<Coded>,
    /// The place of the first one that a copy may begin at.
    pub first: Option<usize>,
    /// The earliest that is shown behind the range.
    next: Option<i64>,
    /// How many were seen since one of the range was.
    behind: usize,
    /// By how much a container says at most that pictures are decoded after they are shown.
    late: i64,
    /// Those whose container does not say when they are decoded.
    pub untold: Vec<i64>,
    /// What a decoder has to be told before the first that a copy may begin at.
    pub headers: Bytes,
    bytes_read: u64,
}

/// Whether parameter sets let pictures be shown in another order than they are decoded in.
fn reorders(stream: &Stream) -> bool {
    let extradata = stream.extradata();
    if stream.codec() == "hevc" {
        let sets =
            Hevc::of(extradata).map_or_else(|_| Vec::new(), |all| all.sets(hevc::SPS).cloned().collect());
        return sets.iter().filter_map(|set| hevc::Sps::read(set)).any(|set| set.ordering.reordering > 0);
    }
    let sets = Avc::of(extradata).map_or_else(|_| Vec::new(), |all| all.sps);
    sets.iter().filter_map(|set| h264::Sps::read(set)?.restriction()).any(|set| set.reordering > 0)
}

/// Pictures behind the first that a copy may begin at are looked at up to this place.
fn place_of_last(first: Option<usize>) -> usize {
    first.unwrap_or(0).saturating_add(BEHIND)
}

impl Window {
    /// Takes a picture in; false if nothing more is to be known.
    fn goes_on(&mut self, coded: Coded, side: Side) -> bool {
        let place = self.coded.len();
        self.coded.push(coded);
        let (Side::Front { to, .. } | Side::Behind { to }) = side;
        if coded.pts >= to {
            self.next = Some(self.next.map_or(coded.pts, |next| next.min(coded.pts)));
            self.behind = self.behind.saturating_add(1);
        } else {
            self.behind = 0;
        }
        self.late = self.late.max(coded.dts.saturating_sub(coded.pts));
        // Nothing is shown before it is decoded.
        let decoded = coded.dts.saturating_sub(self.late);
        let is_over = self.next.is_some_and(|next| decoded >= next) || self.behind >= BEHIND;
        let Side::Front { from, may_be_first, .. } = side else { return !is_over };
        match self.first.and_then(|first| self.coded.get(first)).copied() {
            None => {
                let is_there = |other: &Coded| (from..coded.pts).contains(&other.pts);
                let may_begin = match coded.entry {
                    None => false,
                    Some(Entry::First) => {
                        let behind = to.saturating_sub(coded.pts);
                        let is_long = behind.checked_div(coded.lasts.max(1)) >= Some(FEW);
                        may_be_first && is_long && !self.coded.iter().any(is_there)
                    }
                    Some(Entry::Anywhere | Entry::WithoutLeading) => true,
                };
                self.first = Some(place).filter(|_| may_begin && coded.pts >= from && coded.pts < to);
                self.first.is_some() || !is_over
            }
            // What an entry for the very first picture alone leads in would come in front of it.
            Some(key) if coded.pts < key.pts => {
                if key.entry == Some(Entry::First) && coded.pts >= from {
                    self.first = None;
                }
                true
            }
            // When the first ones are decoded follows from those that say it.
            Some(_) => coded.dts == i64::MIN && self.coded.len() < place_of_last(self.first),
        }
    }

    /// Whether pictures come in another order than they are shown in, and all have one time for both.
    fn lacks_order(&self, stream: &Stream) -> bool {
        const SOME: usize = 4;
        let is_reordered = match stream.codec().as_str() {
            "h264" | "hevc" => stream.delay() > 0 || reorders(stream),
            "mpeg1video" | "mpeg2video" | "mpeg4" => self.coded.iter().any(|coded| !coded.is_reference),
            _ => false,
        };
        is_reordered && self.coded.len() >= SOME && self.coded.iter().all(|coded| coded.pts == coded.dts)
    }

    /// Where a container does not say when the first ones are decoded, they are before the next by their length.
    fn tell_dts(&mut self) {
        let mut next: Option<Coded> = None;
        for coded in self.coded.iter_mut().rev() {
            if coded.dts == i64::MIN {
                self.untold.push(coded.pts);
                let before = next.map(|next| next.dts.saturating_sub(coded.lasts.max(1)));
                coded.dts = before.unwrap_or(coded.pts).min(coded.pts);
            }
            next = Some(*coded);
        }
    }

    /// Those that are shown between two times, but for some: when, and for how long by their packets' word.
    pub(super) fn shown(&self, from: i64, until: i64, but: &BTreeSet<i64>) -> Vec<(i64, i64)> {
        let is_in = |coded: &&Coded| (from..until).contains(&coded.pts) && !but.contains(&coded.pts);
        let mut shown: Vec<_> =
            self.coded.iter().filter(is_in).map(|coded| (coded.pts, coded.lasts)).collect();
        shown.sort_unstable();
        shown
    }

    /// The first one's pts.
    pub(super) fn begins(&self) -> i64 {
        self.coded.first().map_or(self.at, |coded| coded.pts)
    }

    /// When the last one ends.
    pub(super) fn ends(&self) -> Option<i64> {
        self.coded.iter().map(|coded| coded.pts.saturating_add(coded.lasts)).max()
    }

    /// How many are decoded for all that is shown before a time.
    pub(super) fn needed(&self, until: i64) -> usize {
        self.coded.iter().rposition(|coded| coded.pts < until).map_or(0, |last| last.saturating_add(1))
    }
}
