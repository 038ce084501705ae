//! The payload of an index: slices of sources, in the order that they lie in them.

use super::items::Items;
use crate::{
    Control, Error, Report, Result, Rope, Source,
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
enum Item<'a> {
    /// And whether it is the first one of what is taken, and the last: what of the result's own lies around that goes
    /// with it.
    Chunk(SampleRun, [bool; 2]),
    Own(SampleRun, &'a Bytes),
    Silence {
        samples: u32,
        bytes: u64,
    },
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
    /// How many ranges were begun; of the last one when it is decoded, what it is, what is left of it, and the first
    /// sample of that.
    begun: usize,
    at: Timestamp,
    range: Range<u32>,
    chunks: InChunks<'a>,
    sample: u32,
    next: Option<(Timestamp, Item<'a>)>,
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
            sample: 0,
            next: None,
            described: (0, 0),
        };
        lane.next = lane.advance();
        Some(lane)
    }

    /// What comes behind the item that is next.
    #[inline]
    fn advance(&mut self) -> Option<(Timestamp, Item<'a>)> {
        loop {
            if let Some(run) = self.chunks.next() {
                return Some(self.chunk(run));
            }
            let (gap, range) = self.taken.ranges.get(self.begun)?;
            self.at = *self.begins.get(self.begun)?;
            self.begun = self.begun.saturating_add(1);
            (self.range, self.sample) = (range.clone(), range.start);
            self.chunks = self.samples.in_chunks(range.start, range.end);
            if let Some((samples, bytes)) = silence(self.samples, *gap) {
                return Some((self.at, Item::Silence { samples, bytes }));
            }
        }
    }

    /// A chunk of the range that was begun last.
    #[inline]
    fn chunk(&mut self, run: SampleRun) -> (Timestamp, Item<'a>) {
        let mut at = self.at;
        if self.timed {
            let begun = self.samples.decode_of(self.range.start);
            let since = self.samples.decode_of(self.sample).saturating_sub(begun);
            at = at.plus(Timestamp::from_ticks(since, self.base));
        }
        let is_first = self.begun == 1 && self.sample == self.range.start;
        self.sample = self.sample.saturating_add(run.samples);
        let is_last = self.sample >= self.range.end && self.begun == self.taken.ranges.len();
        match &self.taken.first {
            Some(own) if is_first => (at, Item::Own(run, own)),
            _ => (at, Item::Chunk(run, [is_first, is_last])),
        }
    }

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

/// The lane whose item is next: in the order that items lie in their source; of several sources, in that of decoding.
fn next_of(lanes: &[Lane<'_>], timed: bool) -> Option<usize> {
    let is_done = |lane: Option<usize>| {
        lane.and_then(|lane| lanes.get(lane)).is_none_or(|lane: &Lane<'_>| lane.next.is_none())
    };
    let key = |(number, lane): (usize, &Lane<'_>)| {
        let (at, item) = lane.next.as_ref()?;
        let place = match item {
            Item::Chunk(run, _) => run.place,
            Item::Own(..) | Item::Silence { .. } => 0,
        };
        let at = if timed { *at } else { Timestamp::ZERO };
        is_done(lane.behind).then_some((at, lane.part, place, number))
    };
    lanes.iter().enumerate().filter_map(key).min().map(|(.., number)| number)
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
        let mut shared = Shared::default();
        let mut count: usize = 0;
        while let Some(lane) = next_of(&lanes, timed).and_then(|number| lanes.get_mut(number)) {
            let next = lane.advance();
            let Some((_, item)) = std::mem::replace(&mut lane.next, next) else { break };
            let Some(draft) = drafts.get_mut(lane.taken.track) else { continue };
            match item {
                Item::Chunk(run, [is_first, is_last]) => {
                    let Some(part) = parts.get(lane.part) else { continue };
                    let description = lane.describe(run.description, draft);
                    let around = &lane.taken.around;
                    let front = if is_first { &*around.front } else { &[] };
                    let behind = if is_last { &*around.behind } else { &[] };
                    shared.put(&mut self.bytes, front)?;
                    let at = shared.take(&mut self.bytes, (lane.part, &part.source), &run)?;
                    self.items.note(&part.source, &run, at);
                    draft.lie_at(at.saturating_sub(front.len() as u64), run.samples, description);
                    shared.put(&mut self.bytes, behind)?;
                    report.payload_shared = report.payload_shared.saturating_add(run.bytes);
                }
                Item::Own(run, own) => {
                    shared.write(&mut self.bytes)?;
                    let description = lane.describe(run.description, draft);
                    draft.lie_at(self.bytes.len(), run.samples, description);
                    self.bytes.write(self.bytes.len(), own)?;
                    report.payload_copied = report.payload_copied.saturating_add(own.len() as u64);
                }
                Item::Silence { samples, bytes } => {
                    shared.write(&mut self.bytes)?;
                    draft.lie_at(self.bytes.len(), samples, 1);
                    let silence = vec![silent(lane.track); usize::try_from(bytes).unwrap_or(0)];
                    self.bytes.write(self.bytes.len(), &silence)?;
                }
            }
            count = count.wrapping_add(1);
            if count.is_multiple_of(LOOK_EVERY) {
                control.check()?;
            }
        }
        shared.write(&mut self.bytes)
    }
}

/// What lies in one source one behind the other, and is not written yet.
#[derive(Default)]
struct Shared {
    /// The part that is of it.
    of: Option<usize>,
    len: u64,
    stretch: Range<u64>,
}

impl Shared {
    /// Takes a chunk of a part's source. Returns where it will lie.
    #[inline]
    fn take(&mut self, to: &mut Builder, (of, source): (usize, &Source), run: &SampleRun) -> Result<u64> {
        if self.of != Some(of) || run.place != self.stretch.end {
            self.write(to)?;
            if self.of != Some(of) {
                to.set_source(source);
                (self.of, self.len) = (Some(of), source.len().unwrap_or(0));
            }
            self.stretch = run.place..run.place;
        }
        let Some(end) = run.place.checked_add(run.bytes).filter(|end| *end <= self.len) else {
            return Err(Error::corrupt(format!(
                "its index names {} bytes at {}, and the file has {}",
                run.bytes, run.place, self.len
            )));
        };
        let at = to.len().saturating_add(self.stretch.end.saturating_sub(self.stretch.start));
        self.stretch.end = end;
        Ok(at)
    }

    /// Puts bytes of the result's own behind it.
    #[inline]
    fn put(&mut self, to: &mut Builder, own: &[u8]) -> Result<()> {
        if !own.is_empty() {
            self.write(to)?;
            to.write(to.len(), own)?;
        }
        Ok(())
    }

    fn write(&mut self, to: &mut Builder) -> Result<()> {
        let len = self.stretch.end.saturating_sub(self.stretch.start);
        if len > 0 {
            to.write_shared(to.len(), self.stretch.start, len)?;
        }
        self.stretch.start = self.stretch.end;
        Ok(())
    }
}
