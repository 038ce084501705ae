//! Samples of a track by tables whose parameter sets lie beside another input's, under ids of their own: what names
//! those in front of each slice is the result's own, all else stays where it lies in the source.

use crate::{
    Control, Error, Limits, Result, Source,
    bitstream::{Framing, Renumber, Shown},
    io::{Builder, SourceReader},
    mp4::{self, Description, Movie},
};
use std::{ops::Range, sync::Arc};

/// Bytes of a slice that hold its header's ids: two of a unit's header, three or four codes of up to 32 bits, and what
/// keeps start codes out.
const FRONT: u32 = 32;
/// A unit that has to be seen as a whole is a set or a message: larger ones are none.
const MOST: u32 = 1 << 20;

/// A stream of the next part whose samples are described by the one description that its track has.
pub(crate) struct Renumbered {
    pub stream: usize,
    pub described: Description,
    /// Where ids of it were changed: a source that has the samples so, and a movie with this one track.
    pub samples: Option<(Source, Arc<Movie>)>,
    /// How many bytes of those are the result's own.
    pub own: u64,
}

impl Renumbered {
    /// One whose ids stay as they are.
    pub(crate) fn as_it_is(stream: usize, described: Description) -> Self {
        Self { stream, described, samples: None, own: 0 }
    }

    /// An error, and it is none of the source's: what names sets can't be changed.
    pub(crate) fn of(
        (stream, described): (usize, Description),
        source: &Source,
        (movie, number): (&Movie, usize),
        (renumber, framing): (&Renumber, Framing),
        control: &Control,
    ) -> Result<Self> {
        let samples = movie.tracks.get(number).and_then(|track| track.samples.as_ref().ok());
        let (Some(samples), Framing::Lengths(length)) = (samples, framing) else {
            return Err(Error::unsupported("samples without tables, or without lengths"));
        };
        let mut writing = Writing {
            reader: source.reader(),
            renumber,
            length: u64::try_from(length).unwrap_or(4),
            control,
            to: Builder::new(control.get_limits().memory),
            own: 0,
            shared: 0..0,
        };
        writing.to.set_source(source);
        let (mut sizes, mut places, mut each) = (Vec::new(), Vec::new(), samples.sizes.walk(0));
        for chunk in samples.in_chunks(0, samples.count()) {
            control.check()?;
            // The samples' sizes, and a slice of the source and one of the result's own for each that is changed.
            let held = (sizes.len() as u64).saturating_add(writing.own.saturating_mul(4));
            let most = control.get_limits().memory;
            Limits::hold(held, most, "memory", || {
                format!("samples under other ids take more than {most} bytes")
            })?;
            places.push(writing.len());
            let mut at = chunk.place;
            for _ in 0..chunk.samples {
                let size = each.next().unwrap_or(0);
                let end = at.saturating_add(size.into());
                let before = writing.len();
                writing.sample(at..end)?;
                let len = writing.len().saturating_sub(before);
                let len = u32::try_from(len).map_err(|_| Error::unsupported("a sample of over 4 GiB"))?;
                sizes.extend(len.to_be_bytes());
                at = end;
            }
        }
        writing.share()?;
        let own = writing.own;
        let moved = samples.moved(sizes, &places);
        let movie = movie.with_samples(number, moved);
        let movie = movie.ok_or_else(|| Error::unsupported("a track that is not there"))?;
        let samples = Some((Source::from_rope(writing.to.finish()), Arc::new(movie)));
        Ok(Self { stream, described, samples, own })
    }
}

/// Samples on their way into a rope.
struct Writing<'a> {
    reader: SourceReader,
    renumber: &'a Renumber,
    /// Bytes of a unit's length.
    length: u64,
    control: &'a Control,
    to: Builder,
    own: u64,
    /// What of the source comes next, and is not written yet.
    shared: Range<u64>,
}

impl Writing<'_> {
    fn len(&self) -> u64 {
        self.to.len().saturating_add(self.shared.end.saturating_sub(self.shared.start))
    }

    fn share(&mut self) -> Result<()> {
        let len = self.shared.end.saturating_sub(self.shared.start);
        if len > 0 {
            self.to.write_shared(self.to.len(), self.shared.start, len)?;
        }
        self.shared = self.shared.end..self.shared.end;
        Ok(())
    }

    /// Takes a stretch of the source as it is.
    fn take(&mut self, stretch: Range<u64>) -> Result<()> {
        if stretch.start != self.shared.end {
            self.share()?;
            self.shared = stretch.start..stretch.start;
        }
        self.shared.end = stretch.end;
        Ok(())
    }

    fn put(&mut self, own: &[u8]) -> Result<()> {
        self.share()?;
        self.own = self.own.saturating_add(own.len() as u64);
        self.to.write(self.to.len(), own)
    }

    fn read(&mut self, at: u64, into: &mut [u8]) -> Result<()> {
        let (reader, control) = (&mut self.reader, self.control);
        mp4::exactly(|at, into| reader.read(at, into, control), at, into)
    }

    fn sample(&mut self, sample: Range<u64>) -> Result<()> {
        let mut at = sample.start;
        while at < sample.end {
            let begins = at.saturating_add(self.length);
            let mut length = [0; 4];
            let skipped = usize::try_from(4_u64.saturating_sub(self.length)).unwrap_or(0);
            if begins <= sample.end
                && let Some(own) = length.get_mut(skipped..)
            {
                self.read(at, own)?;
            }
            let length = u32::from_be_bytes(length);
            let end = begins.saturating_add(length.into());
            if end > sample.end {
                return Err(Error::corrupt("a unit ends behind its sample"));
            }
            self.unit(at..begins, length)?;
            at = end;
        }
        Ok(())
    }

    /// A unit, behind its length, which lies there.
    fn unit(&mut self, in_front: Range<u64>, length: u32) -> Result<()> {
        let (begins, end) = (in_front.end, in_front.end.saturating_add(length.into()));
        let mut header = [0; 2];
        let header = header.get_mut(..usize::try_from(length.min(2)).unwrap_or(0)).unwrap_or_default();
        self.read(begins, header)?;
        let asked = self.renumber.asks_for(header);
        if asked == Shown::All && length > MOST {
            return Err(Error::unsupported(format!("a unit of {length} bytes that may name parameter sets")));
        }
        let seen = match asked {
            Shown::Nothing => return self.take(in_front.start..end),
            Shown::Front => length.min(FRONT),
            Shown::All => length,
        };
        let mut shown = vec![0; usize::try_from(seen).unwrap_or(0)];
        self.read(begins, &mut shown)?;
        // What lies behind stays as it is where what is in front of it ends with a byte that begins nothing.
        while shown.last().is_some_and(|last| *last <= 3) {
            let at = begins.saturating_add(shown.len() as u64);
            if at >= end {
                break;
            }
            let mut next = [0];
            self.read(at, &mut next)?;
            shown.extend(next);
        }
        let changed = self.renumber.shown(&shown)?;
        if *changed == *shown {
            return self.take(in_front.start..end);
        }
        let behind = begins.saturating_add(shown.len() as u64);
        let mut own = Vec::with_capacity(changed.len().saturating_add(4));
        let lengths = (changed.len() as u64).saturating_add(end.saturating_sub(behind)).to_be_bytes();
        let skipped = 8_usize.saturating_sub(usize::try_from(self.length).unwrap_or(4));
        let (high, low) = lengths.split_at_checked(skipped).unwrap_or_default();
        if high.iter().any(|byte| *byte > 0) {
            return Err(Error::unsupported("a unit is longer than lengths here can say"));
        }
        own.extend_from_slice(low);
        own.extend_from_slice(&changed);
        self.put(&own)?;
        self.take(behind..end)
    }
}
