//! Where samples lie, chunk by chunk.

use super::{chunks::ChunkWalk, samples::Samples};

/// Samples that lie one behind the other in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SampleRun {
    pub place: u64,
    pub bytes: u64,
    pub samples: u32,
    /// Counted from 1.
    pub description: u32,
}

/// Samples chunk by chunk.
#[derive(Clone, Debug)]
pub(crate) struct InChunks<'a> {
    samples: &'a Samples,
    next: u32,
    to: u32,
    /// The chunks behind the first one, once that was given.
    chunks: Option<ChunkWalk<'a>>,
    /// Sizes from the next sample on, where each has one of 32 bits.
    sizes: Option<&'a [[u8; 4]]>,
}

impl Samples {
    /// Where the samples between two lie, chunk by chunk. Where they are in blocks, both are the first ones of
    /// one (see [`block_of`](Self::block_of)).
    pub(crate) fn in_chunks(&self, from: u32, to: u32) -> InChunks<'_> {
        InChunks::new(self, from, to.min(self.count()))
    }
}

impl<'a> InChunks<'a> {
    fn new(samples: &'a Samples, next: u32, to: u32) -> Self {
        let sizes = samples.sizes.wide(next, to).filter(|_| samples.blocks.is_none());
        Self { samples, next, to, chunks: None, sizes }
    }

    /// The first sample behind the last chunk that it gave.
    #[inline]
    pub(crate) fn sample(&self) -> u32 {
        self.next
    }

    /// The first chunk, of which a part may be asked for.
    fn begin(&mut self) -> Option<SampleRun> {
        let here = self.samples.chunks.of_sample(self.next)?;
        let mut chunks = self.samples.chunks.walk(&here);
        let place = chunks.next()?.saturating_add(self.samples.within(&here, self.next));
        self.chunks = Some(chunks);
        let end = here.first_sample.saturating_add(here.samples).min(self.to);
        Some(self.run(place, end.saturating_sub(self.next), here.description))
    }

    #[inline]
    fn run(&mut self, place: u64, samples: u32, description: u32) -> SampleRun {
        let end = self.next.saturating_add(samples);
        let bytes = match usize::try_from(samples).ok().and_then(|count| self.sizes?.split_at_checked(count))
        {
            // More of them are summed up by notes.
            Some((these, rest)) if samples < 128 => {
                self.sizes = Some(rest);
                these.iter().fold(0, |sum: u64, size| sum.wrapping_add(u32::from_be_bytes(*size).into()))
            }
            these => {
                self.sizes = these.map(|(_, rest)| rest);
                self.bytes_to(end)
            }
        };
        self.next = end;
        SampleRun { place, bytes, samples, description }
    }

    fn bytes_to(&self, end: u32) -> u64 {
        match self.samples.blocks {
            None => self.samples.sizes.between(self.next, end),
            Some(blocks) => {
                let count = end.saturating_sub(self.next).div_ceil(blocks.samples);
                u64::from(count).saturating_mul(blocks.bytes.into())
            }
        }
    }
}

impl Iterator for InChunks<'_> {
    type Item = SampleRun;

    #[inline]
    fn next(&mut self) -> Option<SampleRun> {
        if self.next >= self.to {
            return None;
        }
        let Some(chunks) = &mut self.chunks else { return self.begin() };
        let place = chunks.next()?;
        let (samples, description) = (chunks.samples, chunks.description);
        Some(self.run(place, samples.min(self.to.saturating_sub(self.next)), description))
    }
}
