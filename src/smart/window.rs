//! What lies around the borders of a range: which pictures are copied there and which are encoded anew, as the
//! bitstream lets it be.

use crate::{
    Control, Error, Media, Result,
    av::stream::Stream,
    bitstream::{Entry, Leading, Reading, h263},
    edit::Slot,
    media::{Item, Span},
    read::{Reader, read_pictures},
    time::{Rational, Timestamp},
};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};

/// Pictures behind a border that are looked at: more than any codec shows in another order than they are decoded in.
const BEHIND: usize = 64;

/// So few pictures behind a recovery point are encoded anew: of less, FFmpeg's decoder does not show all.
const FEW: i64 = 16;

/// A coded picture, as it comes in the order of decoding.
#[derive(Clone, Copy, Debug)]
struct Coded {
    pts: i64,
    dts: i64,
    lasts: i64,
    entry: Option<Entry>,
    leading: Leading,
    is_reference: bool,
}

impl Coded {
    fn slot(&self) -> Slot {
        Slot { pts: self.pts, dts: self.dts }
    }
}

/// What is looked for.
#[derive(Clone, Copy)]
enum Side {
    /// From where a range begins: the first picture that a copy may begin at.
    Front { from: i64, to: i64, may_be_first: bool },
    /// Up to where it ends, and the picture behind that.
    Behind { to: i64 },
}

/// Pictures that are encoded anew.
#[derive(Clone, Debug, Default)]
pub(super) struct Stretched {
    /// When the last one ends at the latest, in ticks.
    pub until: i64,
    /// When each is shown and for how long, in the order of showing.
    pub pictures: Vec<(i64, i64)>,
    /// The packets whose places they take: with the first picture that is copied behind them, one more.
    pub slots: Vec<Slot>,
    /// A picture begins where the last one ends.
    pub ends_at_picture: bool,
    /// A time: for what is shown then, decoding begins where it has to begin for them.
    pub decode_at: i64,
    /// Pictures that are decoded for them.
    pub decoded: usize,
}

/// What becomes of a range of a stream of pictures.
#[derive(Clone, Debug, Default)]
pub(super) struct Splice {
    /// When the first picture is shown, and when what is behind the last one would be: in ticks of the stream.
    pub from: i64,
    pub to: i64,
    /// What of the stream is shown when, and where the media's clock begins.
    clock: Option<(Span, Rational, Timestamp)>,
    /// Whether they are pictures' own times; else the range begins or ends where none does.
    pub is_from_picture: bool,
    pub is_to_picture: bool,
    pub head: Stretched,
    /// The first picture that is copied, and how a copy begins there.
    pub copied: Option<(i64, Entry)>,
    /// Pictures that follow it and are shown before it, which are not copied.
    pub left_out: BTreeSet<i64>,
    /// And those that are.
    pub led: BTreeSet<i64>,
    /// What a decoder has to be told before that picture, if its packet does not.
    pub headers: Bytes,
    /// When pictures are decoded whose container does not say it.
    pub decoded: BTreeMap<i64, i64>,
    /// The first that is not copied any more.
    pub ends: Option<i64>,
    pub tail: Stretched,
}

impl Stretched {
    /// How many pictures are decoded.
    pub(super) fn decodes(&self) -> usize {
        if self.pictures.is_empty() { 0 } else { self.decoded }
    }
}

impl Splice {
    /// When ticks of the stream are, on the source's presentation clock.
    pub(super) fn on_clock(&self, ticks: i64) -> Option<Timestamp> {
        let (span, base, start) = self.clock?;
        Some(span.shown_at(ticks, base).minus(start))
    }

    /// When the first picture is shown.
    pub(super) fn first(&self) -> i64 {
        let encoded = self.head.pictures.first().map(|(pts, _)| *pts);
        encoded.or(self.copied.map(|(pts, _)| pts)).unwrap_or(self.from)
    }
}

/// A stream of pictures of a media, and what of it is shown.
pub(super) struct Pictures<'a> {
    pub media: &'a Media,
    pub stream: usize,
    /// All that is shown of the media in one go: where ticks are coarse, a part of it would be moved by less than one.
    pub span: Span,
    /// From when to when, on the file's clock.
    range: (Timestamp, Timestamp),
    /// It shows nothing at the beginning, or the end, of what was asked for.
    begins_late: bool,
    ends_early: bool,
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
    fn look(&self, at: i64, side: Side) -> Result<Window> {
        let mut window = Window { at, ..Window::default() };
        let Some(stream) = self.media.streams().get(self.stream) else { return Ok(window) };
        let mut reading = Reading::of(&stream.codec(), stream.extradata());
        let mut reader = self.read(at)?;
        let mut item = Item::new()?;
        while reader.next(&mut item)? {
            self.control.check()?;
            let packet = &item.packet;
            if packet.stream() != self.stream || packet.size() == 0 {
                continue;
            }
            let Some(pts) = packet.pts().or(packet.dts()) else { continue };
            let picture = reading.as_mut().map(|reading| reading.picture(packet.data()));
            let coded = Coded {
                pts,
                dts: packet.dts().unwrap_or(i64::MIN),
                lasts: packet.duration(),
                entry: picture.as_ref().and_then(|picture| picture.entry),
                leading: picture.map_or(Leading::No, |picture| picture.leading),
                is_reference: picture.is_none_or(|picture| picture.is_reference),
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

    /// What becomes of the range; None where no picture begins in it. `may_be_first`: nothing comes in front of it in
    /// the output.
    pub(super) fn splice(&self, may_be_first: bool) -> Result<Option<Splice>> {
        let from = self.span.media_at(self.range.0, self.base);
        let to = self.span.media_at(self.range.1, self.base);
        let clock = Some((self.span, self.base, self.media.start()));
        let mut splice = Splice { from, to, clock, ..Splice::default() };
        let front = self.look(from, Side::Front { from, to, may_be_first })?;
        let begins = front.coded.iter().map(|coded| coded.pts).filter(|pts| *pts >= from && *pts < to).min();
        let Some(begins) = begins else { return Ok(None) };
        let untold = front.coded.iter().filter(|coded| front.untold.contains(&coded.pts));
        splice.decoded = untold.map(|coded| (coded.pts, coded.dts)).collect();
        if front.coded.iter().any(|coded| coded.pts < from) {
            (splice.from, splice.is_from_picture) = (begins, true);
        }
        splice.is_from_picture |= begins == from;
        splice.is_from_picture &= !self.begins_late;
        let Some(first) = front.first else {
            self.all(&mut splice, &front, begins);
            return Ok(Some(splice));
        };
        let Some(key) = front.coded.get(first).copied() else { return Ok(None) };
        splice.headers = front.headers.clone();
        splice.copied = key.entry.map(|entry| (key.pts, entry));
        self.head(&mut splice, &front, (first, begins));
        self.tail(&mut splice, key)?;
        Ok(Some(splice))
    }

    /// No copy can begin in the range: all of it is encoded anew.
    fn all(&self, splice: &mut Splice, front: &Window, begins: i64) {
        let pictures = front.shown(begins, splice.to, &BTreeSet::new());
        let mut ranked: Vec<i64> = front.coded.iter().map(|coded| coded.pts).collect();
        ranked.sort_unstable();
        let rank = ranked.partition_point(|pts| *pts < begins);
        splice.head = Stretched {
            until: splice.to,
            slots: front.coded.iter().skip(rank).take(pictures.len()).map(Coded::slot).collect(),
            pictures,
            decode_at: front.at,
            decoded: front.needed(splice.to),
            ends_at_picture: false,
        };
        self.snap_end(splice, front);
    }

    /// What is in front of the first picture that is copied.
    fn head(&self, splice: &mut Splice, front: &Window, (first, begins): (usize, i64)) {
        let Some((key, _)) = splice.copied else { return };
        let behind = front.coded.iter().skip(first.saturating_add(1)).filter(|coded| coded.pts < key);
        let kept: BTreeSet<i64> =
            behind.clone().filter(|coded| coded.leading != Leading::Skipped).map(|coded| coded.pts).collect();
        // Shown in front of the range, what is kept would be seen where it does not belong.
        let kept: BTreeSet<i64> = kept.into_iter().filter(|pts| *pts >= begins).collect();
        splice.left_out = behind.map(|coded| coded.pts).filter(|pts| !kept.contains(pts)).collect();
        let pictures = front.shown(begins.min(key), key, &kept);

        let is_taken = |coded: &&Coded| coded.pts <= key && !kept.contains(&coded.pts);
        let places: Vec<Slot> = front.coded.iter().filter(is_taken).map(Coded::slot).collect();
        let skipped = places.len().saturating_sub(pictures.len().saturating_add(1));
        splice.led = kept;
        splice.head = Stretched {
            until: key,

            slots: places.into_iter().skip(skipped).collect(),
            pictures,
            decode_at: front.at,
            decoded: front.needed(key),
            ends_at_picture: true,
        };
    }

    /// What is behind the last picture that is copied.
    fn tail(&self, splice: &mut Splice, key: Coded) -> Result<()> {
        let to = splice.to;
        if to == i64::MAX {
            return Ok(());
        }
        let window = self.look(to.saturating_sub(1).max(key.pts), Side::Behind { to })?;
        // What lies in front of the first that is copied belongs to the head.
        let skipped = window.coded.iter().position(|coded| coded.pts == key.pts).unwrap_or(0);
        let is_of_head =
            |coded: &&Coded| splice.left_out.contains(&coded.pts) || splice.led.contains(&coded.pts);
        let own: Vec<Coded> =
            window.coded.iter().skip(skipped).filter(|coded| !is_of_head(coded)).copied().collect();
        // The longest run in the order of decoding that is shown in front of the end, and of all that is not in it.
        let mut earliest = vec![i64::MAX; own.len().saturating_add(1)];
        for (i, coded) in own.iter().enumerate().rev() {
            let behind = earliest.get(i.saturating_add(1)).copied().unwrap_or(i64::MAX);
            if let Some(place) = earliest.get_mut(i) {
                *place = if coded.pts < to { behind.min(coded.pts) } else { behind };
            }
        }
        let (mut run, mut latest) = (0_usize, i64::MIN);
        for (i, coded) in own.iter().enumerate() {
            if coded.pts >= to {
                break;
            }
            latest = latest.max(coded.pts);
            let count = i.saturating_add(1);
            if earliest.get(count).is_none_or(|earliest| latest < *earliest) {
                run = count;
            }
        }
        splice.ends = own.get(run).map(|coded| coded.pts);
        let rest = own.get(run..).unwrap_or_default();
        let mut pictures: Vec<(i64, i64)> =
            rest.iter().filter(|coded| coded.pts < to).map(|coded| (coded.pts, coded.lasts)).collect();
        pictures.sort_unstable();
        if !pictures.is_empty() {
            splice.tail = Stretched {
                until: to,
                slots: rest.iter().take(pictures.len()).map(Coded::slot).collect(),
                pictures,
                decode_at: window.at,
                decoded: window.needed(to),
                ends_at_picture: false,
            };
        }
        self.snap_end(splice, &window);
        Ok(())
    }
}

impl Pictures<'_> {
    /// The range ends where the next picture begins, if one does.
    fn snap_end(&self, splice: &mut Splice, window: &Window) {
        let next = window.coded.iter().map(|coded| coded.pts).filter(|pts| *pts >= splice.to).min();
        if let Some(next) = next.filter(|_| !self.ends_early) {
            (splice.to, splice.is_to_picture) = (next, true);
            let last = if splice.copied.is_some() { &mut splice.tail } else { &mut splice.head };
            (last.until, last.ends_at_picture) = (next, true);
        }
    }
}

/// Pictures that were looked at, in the order of decoding.
#[derive(Default)]
struct Window {
    /// For what is shown at this time, decoding begins with them.
    at: i64,
    coded: Vec<Coded>,
    /// The place of the first one that a copy may begin at.
    first: Option<usize>,
    /// The earliest that is shown behind the range.
    next: Option<i64>,
    /// How many were seen since one of the range was.
    behind: usize,
    /// Those whose container does not say when they are decoded.
    untold: Vec<i64>,
    /// What a decoder has to be told before the first that a copy may begin at.
    headers: Bytes,
    bytes_read: u64,
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
        // Nothing is shown before it is decoded.
        let is_over = self.next.is_some_and(|next| coded.dts >= next) || self.behind >= BEHIND;
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
            "h264" | "hevc" => stream.delay() > 0,
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
    fn shown(&self, from: i64, until: i64, but: &BTreeSet<i64>) -> Vec<(i64, i64)> {
        let is_in = |coded: &&Coded| (from..until).contains(&coded.pts) && !but.contains(&coded.pts);
        let mut shown: Vec<_> =
            self.coded.iter().filter(is_in).map(|coded| (coded.pts, coded.lasts)).collect();
        shown.sort_unstable();
        shown
    }

    /// How many are decoded for all that is shown before a time.
    fn needed(&self, until: i64) -> usize {
        self.coded.iter().rposition(|coded| coded.pts < until).map_or(0, |last| last.saturating_add(1))
    }
}
