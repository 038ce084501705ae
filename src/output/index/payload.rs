//! The payload of an index: slices of sources, in the order that they lie in them.

use super::{items::Items, shared::Shared};
use crate::{
    Control, Error, ErrorKind, Report, Result, Rope, Source,
    io::Builder,
    mp4::{self, Draft, InChunks, MovedItems, Movie, SampleRun, Samples},
    time::{Rational, Timestamp},
};
use bytes::Bytes;
use std::{ops::Range, sync::Arc};

/// Chunks between two looks at the control.
const LOOK_EVERY: usize = 4096;

/// Samples of one of a source's tracks that follow each other on a track of the output.
pub(crate) struct Taken {
    /// The output's.
    pub track: usize,
    /// Which of a movie's tracks it is that has them.
    pub movie: Arc<Movie>,
    pub number: usize,
    /// In the order of decoding, each with the ticks that the sample in front of it lasts longer, or shorter.
    pub ranges: Vec<(i64, Range<u32>)>,
    /// The same of the last sample.
    pub last: i64,
    /// What the first sample, a chunk of its own, holds in place of what it does in the source.
    pub first: Option<Bytes>,
    /// What of the result's own lies beside its samples.
    pub around: Around,
    /// What its samples are described by, if not by the source's descriptions.
    pub described: Option<mp4::Description>,
}

/// Bytes that samples have in a result besides those of their source.
#[derive(Clone, Debug, Default)]
pub(crate) struct Around {
    /// In front of what the first one holds: parameter sets.
    pub front: Bytes,
    /// Behind what the last one does: the end of a sequence.
    pub behind: Bytes,
}

impl Taken {
    /// All samples of a movie's track, as they are there.
    pub(super) fn all(track: usize, movie: &Arc<Movie>, number: usize) -> Self {
        let samples = movie.tracks.get(number).and_then(|track| track.samples.as_ref().ok());
        Self {
            track,
            movie: movie.clone(),
            number,
            ranges: vec![(0, 0..samples.map_or(0, Samples::count))],
            last: 0,
            first: None,
            around: Around::default(),
            described: None,
        }
    }

    /// Its track in the source. None for one whose tables can't be meant.
    pub(super) fn tables(&self) -> Option<(&mp4::Track, &Samples)> {
        let track = self.movie.tracks.get(self.number)?;
        Some((track, track.samples.as_ref().ok()?))
    }
}

/// How many packets samples are: of sound in blocks, a chunk is one.
pub(super) fn packets(samples: &Samples, range: &Range<u32>) -> u64 {
    match samples.blocks {
        Some(_) => samples.in_chunks(range.start, range.end).count() as u64,
        None => range.len() as u64,
    }
}

/// A gap in front of samples, where each tick is a sample: so many, and so many bytes.
pub(super) fn silence(samples: &Samples, gap: i64) -> Option<(u32, u64)> {
    let (blocks, gap) = samples.blocks.zip(u32::try_from(gap).ok().filter(|gap| *gap > 0))?;
    Some((gap, u64::from(gap.div_ceil(blocks.samples)).saturating_mul(blocks.bytes.into())))
}

/// A byte of silence, where sound is not compressed: 0 but for what has no sign, and for the logarithmic ones
/// (G.711).
fn silent(track: &mp4::Track) -> u8 {
    match track.descriptions.first().map(|own| &own.kind) {
        Some(b"raw ") => 0x80,
        Some(b"ulaw") => 0xff,
        Some(b"alaw") => 0xd5,
        _ => 0,
    }
}

/// What is taken of a source at once.
pub(super) struct Part {
    pub source: Source,
    /// And when the first sample of each range is decoded, on the output's clock.
    pub taken: Vec<(Taken, Vec<Timestamp>)>,
}

/// What goes into the payload at once: a chunk, or what stands for some of the source's.
#[derive(Clone, Copy)]
enum Item {
    Chunk(SampleRun),
    Silence { samples: u32, bytes: u64 },
    None,
}

/// Taken samples on their way into the payload.
struct Lane<'a> {
    taken: &'a Taken,
    track: &'a mp4::Track,
    samples: &'a Samples,
    /// When each range begins, and the ticks of the track.
    begins: &'a [Timestamp],
    base: Rational,
    /// When its chunks are decoded is asked.
    timed: bool,
    /// Of which part they are.
    part: usize,
    /// The lane whose samples go in front of these on the same track.
    behind: Option<usize>,
    /// How many ranges were begun, when the last of them is decoded, what it is, and what is left of it.
    begun: usize,
    at: Timestamp,
    range: Range<u32>,
    chunks: InChunks<'a>,
    /// What comes next, when it is decoded, and where it lies in the source: nowhere, if there is no more.
    next: Item,
    next_at: Timestamp,
    place: u64,
    /// The source's description that was looked for last, and the draft's number of it.
    described: (u32, u32),
}

impl<'a> Lane<'a> {
    fn new((taken, begins): &'a (Taken, Vec<Timestamp>), timed: bool) -> Option<Self> {
        let (track, samples) = taken.tables()?;
        let base = i32::try_from(track.scale).ok().and_then(|scale| Rational::new(1, scale));
        let base = base.unwrap_or(Rational { num: 1, den: 1 });
        let mut lane = Self {
            taken,
            track,
            samples,
            begins,
            base,
            timed,
            part: 0,
            behind: None,
            begun: 0,
            at: Timestamp::ZERO,
            range: 0..0,
            chunks: samples.in_chunks(0, 0),
            next: Item::None,
            next_at: Timestamp::ZERO,
            place: u64::MAX,
            described: (0, 0),
        };
        lane.begin_range();
        Some(lane)
    }

    /// Goes on to what comes behind the item that is next.
    #[inline]
    fn advance(&mut self) {
        match self.chunks.next() {
            Some(run) => self.come_to(run),
            None => self.begin_range(),
        }
    }

    /// Goes on to what the next range begins with.
    fn begin_range(&mut self) {
        (self.next, self.place) = (Item::None, u64::MAX);
        while let Some(((gap, range), at)) =
            self.taken.ranges.get(self.begun).zip(self.begins.get(self.begun))
        {
            self.begun = self.begun.saturating_add(1);
            (self.at, self.range) = (*at, range.clone());
            self.chunks = self.samples.in_chunks(range.start, range.end);
            if let Some((samples, bytes)) = silence(self.samples, *gap) {
                (self.next, self.next_at, self.place) = (Item::Silence { samples, bytes }, self.at, 0);
                return;
            }
            if let Some(run) = self.chunks.next() {
                self.come_to(run);
                if self.taken.first.is_some() && self.begun == 1 {
                    self.place = 0;
                }
                return;
            }
        }
    }

    #[inline]
    fn come_to(&mut self, run: SampleRun) {
        self.next = Item::Chunk(run);
        // One that lies nowhere is an error when its turn comes.
        self.place = run.place.min(u64::MAX.saturating_sub(1));
        if self.timed {
            let first = self.chunks.sample().saturating_sub(run.samples);
            let begun = self.samples.decode_of(self.range.start);
            let since = self.samples.decode_of(first).saturating_sub(begun);
            self.next_at = self.at.plus(Timestamp::from_ticks(since, self.base));
        }
    }

    /// Whether the chunk that is next is the first of all that is taken.
    #[inline]
    fn is_first(&self, run: &SampleRun) -> bool {
        self.begun == 1 && self.chunks.sample().saturating_sub(run.samples) == self.range.start
    }

    /// Whether nothing comes behind what is next.
    #[inline]
    fn is_last(&self) -> bool {
        self.chunks.sample() >= self.range.end && self.begun == self.taken.ranges.len()
    }

    #[inline]
    fn describe(&mut self, description: u32, draft: &mut Draft) -> u32 {
        if self.described.0 != description {
            let number = usize::try_from(description).ok().and_then(|number| number.checked_sub(1));
            let theirs =
                self.taken.described.as_ref().or_else(|| number.and_then(|i| self.track.descriptions.get(i)));
            self.described = (description, theirs.map_or(1, |theirs| draft.describe(theirs)));
        }
        self.described.1
    }
}

/// The lane whose item is next: in the order that items lie in their source; of several sources, and where some lanes
/// wait for others, in that of decoding.
#[inline]
fn next_of(lanes: &[Lane<'_>], is_ordered: bool) -> Option<usize> {
    if is_ordered {
        return next_decoded(lanes);
    }
    let (mut least, mut next) = (u64::MAX, None);
    for (number, lane) in lanes.iter().enumerate() {
        if lane.place < least {
            (least, next) = (lane.place, Some(number));
        }
    }
    next
}

fn next_decoded(lanes: &[Lane<'_>]) -> Option<usize> {
    let is_done = |lane: Option<usize>| {
        lane.and_then(|lane| lanes.get(lane)).is_none_or(|lane: &Lane<'_>| lane.place == u64::MAX)
    };
    let is_next = |lane: &Lane<'_>| lane.place != u64::MAX && is_done(lane.behind);
    let all = lanes.iter().enumerate().filter(|(_, lane)| is_next(lane));
    all.min_by_key(|(_, lane)| (lane.next_at, lane.part, lane.place)).map(|(number, _)| number)
}

/// The payload of an index in the making.
pub(super) struct Payload {
    bytes: Builder,
    items: Items,
}

impl Payload {
    /// `memory`: how many bytes of it may be its own.
    pub(super) fn new(memory: u64, items: Items) -> Self {
        Self { bytes: Builder::new(memory), items }
    }

    /// All of it, and where in it items lie.
    pub(super) fn finish(mut self, report: &mut Report) -> Result<(Rope, MovedItems)> {
        let items = self.items.finish(&mut self.bytes, report)?;
        Ok((self.bytes.finish(), items))
    }

    /// Puts a part of sources behind what is there, and returns where it begins.
    pub(super) fn append(&mut self, part: &Rope, report: &mut Report) -> Result<u64> {
        let place = self.bytes.len();
        self.bytes.append_rope(part, 0, part.len())?;
        report.payload_shared = report.payload_shared.saturating_add(part.len());
        Ok(place)
    }

    /// Puts the samples' payload behind what is there. Tracks lie between each other as they do in the source, and
    /// those of several sources as they are decoded.
    pub(super) fn place(
        &mut self,
        parts: &[Part],
        drafts: &mut [Draft],
        report: &mut Report,
        control: &Control,
    ) -> Result<()> {
        let timed = parts.len() > 1;
        let mut lanes: Vec<Lane<'_>> = Vec::new();
        for (number, part) in parts.iter().enumerate() {
            for lane in part.taken.iter().filter_map(|taken| Lane::new(taken, timed)) {
                let behind = lanes.iter().rposition(|before| before.taken.track == lane.taken.track);
                lanes.push(Lane { part: number, behind, ..lane });
            }
        }
        let is_ordered = timed || lanes.iter().any(|lane| lane.behind.is_some());
        let mut shared = Shared::default();
        let mut count: usize = 0;
        while let Some(lane) = next_of(&lanes, is_ordered).and_then(|number| lanes.get_mut(number)) {
            let draft = drafts.get_mut(lane.taken.track).zip(parts.get(lane.part));
            let (draft, part) = draft.ok_or_else(|| Error::new(ErrorKind::Bug, "samples of no track"))?;
            match lane.next {
                Item::Chunk(run) => {
                    let description = lane.describe(run.description, draft);
                    let is_first = lane.is_first(&run);
                    if let Some(own) = lane.taken.first.as_ref().filter(|_| is_first) {
                        shared.write(&mut self.bytes)?;
                        draft.lie_at(self.bytes.len(), run.samples, description);
                        self.bytes.write(self.bytes.len(), own)?;
                        report.payload_copied = report.payload_copied.saturating_add(own.len() as u64);
                    } else {
                        let around = &lane.taken.around;
                        let front = if is_first { around.front.len() as u64 } else { 0 };
                        if front > 0 {
                            shared.put(&mut self.bytes, &around.front)?;
                        }
                        let at = shared.take(&mut self.bytes, (lane.part, &part.source), &run)?;
                        self.items.note(&part.source, &run, at);
                        draft.lie_at(at.saturating_sub(front), run.samples, description);
                        if lane.is_last() {
                            shared.put(&mut self.bytes, &around.behind)?;
                        }
                    }
                }
                Item::Silence { samples, bytes } => {
                    shared.write(&mut self.bytes)?;
                    draft.lie_at(self.bytes.len(), samples, 1);
                    let silence = vec![silent(lane.track); usize::try_from(bytes).unwrap_or(0)];
                    self.bytes.write(self.bytes.len(), &silence)?;
                }
                Item::None => {}
            }
            lane.advance();
            count = count.wrapping_add(1);
            if count.is_multiple_of(LOOK_EVERY) {
                control.check()?;
            }
        }
        shared.write(&mut self.bytes)?;
        report.payload_shared = report.payload_shared.saturating_add(shared.written);
        Ok(())
    }
}
