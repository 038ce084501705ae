//! The payload of an index: slices of sources, in the order that they lie in them.

use crate::{
    Control, Error, Report, Result, Rope, Source,
    io::Builder,
    mp4::{self, Draft, SampleRun, Samples},
};
use bytes::Bytes;
use std::ops::Range;

/// Chunks between two looks at the control.
const LOOK_EVERY: usize = 4096;

/// Samples of one of a source's tracks that follow each other on a track of the output.
pub(crate) struct Taken<'a> {
    /// The output's.
    pub track: usize,
    pub source: &'a mp4::Track,
    pub samples: &'a Samples,
    /// In the order of decoding, each with the ticks that the sample in front of it lasts longer, or shorter.
    pub ranges: Vec<(i64, Range<u32>)>,
    /// The same of the last sample.
    pub last: i64,
    /// What the first sample holds in place of what it does in the source.
    pub first: Option<Bytes>,
}

impl Taken<'_> {
    /// How many packets they are: of samples of sound in blocks, a chunk is one.
    pub(super) fn packets(&self, range: &Range<u32>) -> u64 {
        match self.samples.blocks {
            Some(_) => self.samples.in_chunks(range.start, range.end).count() as u64,
            None => range.len() as u64,
        }
    }

    /// A byte of silence, where sound is not compressed: 0 but for what has no sign, and for the logarithmic ones
    /// (G.711).
    pub(super) fn silence(&self) -> u8 {
        match self.source.descriptions.first().map(|own| &own.kind) {
            Some(b"raw ") => 0x80,
            Some(b"ulaw") => 0xff,
            Some(b"alaw") => 0xd5,
            _ => 0,
        }
    }

    /// Where they lie, chunk by chunk.
    fn runs(&self) -> impl Iterator<Item = SampleRun> + '_ {
        self.ranges.iter().flat_map(|(_, range)| self.samples.in_chunks(range.start, range.end))
    }
}

/// Taken samples on their way into the payload.
struct Lane<'a, R> {
    part: &'a Taken<'a>,
    next: Option<SampleRun>,
    runs: R,
    /// The source's description that was looked for last, and the draft's number of it.
    described: (u32, u32),
}

impl<R: Iterator<Item = SampleRun>> Lane<'_, R> {
    fn take(&mut self) -> Option<SampleRun> {
        std::mem::replace(&mut self.next, self.runs.next())
    }

    fn describe(&mut self, description: u32, draft: &mut Draft) -> u32 {
        if self.described.0 != description {
            let number = usize::try_from(description).ok().and_then(|number| number.checked_sub(1));
            let theirs = number.and_then(|i| self.part.source.descriptions.get(i));
            self.described = (description, theirs.map_or(1, |theirs| draft.describe(theirs)));
        }
        self.described.1
    }
}

/// The payload of an index in the making.
pub(super) struct Payload {
    bytes: Builder,
}

impl Payload {
    /// `memory`: how many bytes of it may be its own.
    pub(super) fn new(memory: u64) -> Self {
        Self { bytes: Builder::new(memory) }
    }

    pub(super) fn finish(self) -> Rope {
        self.bytes.finish()
    }

    /// Puts bytes of its own behind what is there. Returns where they lie.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<u64> {
        let place = self.bytes.len();
        self.bytes.write(place, bytes).map(|()| place)
    }

    /// Puts a stretch of the current source behind what is there.
    fn write_shared(&mut self, stretch: &Range<u64>) -> Result<()> {
        let len = stretch.end.saturating_sub(stretch.start);
        self.bytes.write_shared(self.bytes.len(), stretch.start, len)
    }

    /// Puts the samples' payload behind what is there. Tracks lie between each other as they do in the source.
    pub(super) fn place(
        &mut self,
        (source, taken): (&Source, &[Taken<'_>]),
        drafts: &mut [Draft],
        report: &mut Report,
        control: &Control,
    ) -> Result<()> {
        let len = source.len().unwrap_or(0);
        self.bytes.set_source(source);
        let begun = self.bytes.len();
        let mut lanes: Vec<Lane<'_, _>> = Vec::with_capacity(taken.len());
        for part in taken {
            let mut runs = part.runs();
            let mut lane = Lane { part, next: runs.next(), runs, described: (0, 0) };
            if let Some((own, draft)) = part.first.as_ref().zip(drafts.get_mut(part.track)) {
                let Some(run) = lane.take() else { continue };
                let description = lane.describe(run.description, draft);
                draft.lie_at(self.bytes.len(), run.samples, description);
                self.bytes.write(self.bytes.len(), own)?;
                report.payload_copied = report.payload_copied.saturating_add(own.len() as u64);
            }
            lanes.push(lane);
        }
        let copied = self.bytes.len().saturating_sub(begun);
        // What lies one behind the other, and is not written yet.
        let mut whole: Range<u64> = 0..0;
        let mut at = self.bytes.len();
        let mut count: usize = 0;
        loop {
            let places = lanes.iter_mut().filter_map(|lane| Some((lane.next?.place, lane)));
            let Some((_, lane)) = places.min_by_key(|(place, _)| *place) else { break };
            let Some((run, draft)) = lane.take().zip(drafts.get_mut(lane.part.track)) else {
                break;
            };
            let Some(behind) = run.place.checked_add(run.bytes).filter(|behind| *behind <= len) else {
                return Err(Error::corrupt(format!(
                    "its index names {} bytes at {}, and the file has {len}",
                    run.bytes, run.place
                )));
            };
            if run.place != whole.end {
                self.write_shared(&whole)?;
                whole = run.place..run.place;
            }
            let description = lane.describe(run.description, draft);
            draft.lie_at(at, run.samples, description);
            whole.end = behind;
            at = at.saturating_add(run.bytes);
            count = count.wrapping_add(1);
            if count.is_multiple_of(LOOK_EVERY) {
                control.check()?;
            }
        }
        self.write_shared(&whole)?;
        report.payload_shared =
            report.payload_shared.saturating_add(at.saturating_sub(begun).saturating_sub(copied));
        Ok(())
    }
}
