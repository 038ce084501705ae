//! What becomes of the pictures around a range's borders: which are copied and which are encoded anew.

use super::window::{Coded, Pictures, Side, Window};
use crate::{
    Result,
    bitstream::{Entry, Leading},
    edit::Slot,
    media::Span,
    time::{Rational, Timestamp},
};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};

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
    /// The first picture that is decoded for them, by its pts.
    pub decoded_from: i64,
    /// Pictures that are decoded for them.
    pub decoded: usize,
    /// What some of them have that no encoder here makes.
    pub layers: Option<&'static str>,
    /// Some are of one moment by their own word (MPEG-2).
    pub has_whole: bool,
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
    /// The last picture of the range, if it is copied and another begins where it ends, and for how long it is shown.
    pub last: Option<(i64, i64)>,
    pub tail: Stretched,
}

impl Stretched {
    /// When the first one is shown, and the last.
    pub(super) fn shown(&self) -> Option<(i64, i64)> {
        let [first, last] = [self.pictures.first()?, self.pictures.last()?].map(|(pts, _)| *pts);
        Some((first, last))
    }

    /// Whether a picture that is shown then is one of them.
    pub(super) fn has(&self, pts: i64) -> bool {
        self.pictures.binary_search_by_key(&pts, |(pts, _)| *pts).is_ok()
    }

    /// With what a window says of them.
    fn told_by(mut self, window: &Window) -> Self {
        let own: Vec<&Coded> = window.coded.iter().filter(|coded| self.has(coded.pts)).collect();
        self.layers = own.iter().find_map(|coded| coded.layers);
        self.has_whole = own.iter().any(|coded| coded.is_whole);
        self
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

impl Pictures<'_> {
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
            decoded_from: front.begins(),
            decoded: front.needed(splice.to),
            ends_at_picture: false,
            ..Stretched::default()
        }
        .told_by(front);
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
            decoded_from: front.begins(),
            decoded: front.needed(key),
            ends_at_picture: true,
            ..Stretched::default()
        }
        .told_by(front);
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
                decoded_from: window.begins(),
                decoded: window.needed(to),
                ends_at_picture: false,
                ..Stretched::default()
            }
            .told_by(&window);
        }
        self.snap_end(splice, &window);
        let copied = own.iter().take(run).map(|coded| coded.pts).max();
        splice.last = copied
            .filter(|_| splice.is_to_picture && splice.tail.pictures.is_empty())
            .map(|pts| (pts, splice.to.saturating_sub(pts)));
        Ok(())
    }

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
