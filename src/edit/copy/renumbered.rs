//! Samples of a track by tables whose parameter sets lie beside another input's, under ids of their own: what names
//! those in front of each slice is the result's own, all else stays where it lies in the source.

use crate::{
    Control, Error, Limits, Report, Result, Source,
    bitstream::{Asked, Framing, Renumber},
    io::{Builder, SourceReader},
    mp4::{Description, Movie, Samples},
};
use std::{borrow::Cow, ops::Range, sync::Arc};

/// Bytes of a slice that hold its header's ids: two of a unit's header, three or four codes of up to 32 bits, and what
/// keeps start codes out.
const FRONT: usize = 32;
/// Within so many bytes of a slice, one behind those is more than 3: headers, and what arithmetic coding makes, have no
/// such run of others.
const MOST_FRONT: u32 = 2 << 10;
/// A unit that has to be seen as a whole is a set or a message: larger ones are none.
const MOST: u32 = 1 << 20;
/// How much of a source is read at once: most slices' lengths and fronts, and several short ones.
const CHUNK: usize = 4 << 10;
/// What a changed slice takes beside its bytes: its pieces in a rope, and those of the result, which are a source each.
const PIECES: u64 = 350;

/// A stream of the next part whose samples are described by the one description that its track has.
#[derive(Clone)]
pub(crate) struct Renumbered {
    pub stream: usize,
    pub described: Description,
    /// Where ids of it were changed: a source that has the samples so, and a movie with this one track.
    pub samples: Option<(Source, Arc<Movie>)>,
    /// How many bytes of those are the result's own.
    pub own: u64,
    /// How many slices were changed.
    changed: u64,
}

impl Renumbered {
    /// One whose ids stay as they are.
    pub(crate) fn as_it_is(stream: usize, described: Description) -> Self {
        Self { stream, described, samples: None, own: 0, changed: 0 }
    }

    /// The same samples once more, where this much is `held` so far.
    pub(crate) fn again(&self, held: &mut u64, control: &Control) -> Result<Self> {
        let with = held.saturating_add(self.changed.saturating_mul(PIECES));
        hold(with, control)?;
        *held = with;
        Ok(self.clone())
    }

    /// An error, and it is none of the source's: what names sets can't be changed. `held`: what others hold in memory
    /// so far, and this one with them then.
    pub(crate) fn of(
        (stream, described): (usize, Description),
        source: &Source,
        (movie, number): (&Movie, usize),
        (renumber, framing): (&Renumber, Framing),
        held: &mut u64,
        (report, control): (&mut Report, &Control),
    ) -> Result<Self> {
        let samples = movie.tracks.get(number).and_then(|track| track.samples.as_ref().ok());
        let (Some(samples), Framing::Lengths(length)) = (samples, framing) else {
            return Err(Error::unsupported("samples without tables, or without lengths"));
        };
        let mut writing = Writing {
            reader: source.reader(),
            chunk: (0, Vec::new()),
            renumber,
            length: u32::try_from(length).unwrap_or(4),
            control,
            to: Builder::new(control.get_limits().memory),
            held: held.saturating_add(u64::from(samples.count()).saturating_mul(4)),
            changed: 0,
            own: 0,
            shared: 0..0,
        };
        writing.to.set_source(source);
        let written = writing.samples(samples);
        report.bytes_read = report.bytes_read.saturating_add(writing.reader.take_fetched());
        let (sizes, places) = written?;
        let moved = samples.moved(sizes, &places);
        let movie = movie.with_samples(number, moved);
        let movie = movie.ok_or_else(|| Error::unsupported("a track that is not there"))?;
        *held = writing.held;
        let (own, changed) = (writing.own, writing.changed);
        let samples = Some((Source::from_rope(writing.to.finish()), Arc::new(movie)));
        Ok(Self { stream, described, samples, own, changed })
    }
}

fn hold(held: u64, control: &Control) -> Result<()> {
    let most = control.get_limits().memory;
    Limits::hold(held, most, "memory", || format!("samples under other ids take more than {most} bytes"))
}

/// Samples on their way into a rope.
struct Writing<'a> {
    reader: SourceReader,
    /// A place of the source, and what was read there.
    chunk: (u64, Vec<u8>),
    renumber: &'a Renumber,
    /// Bytes of a unit's length.
    length: u32,
    control: &'a Control,
    to: Builder,
    /// What is held in memory, with what others hold.
    held: u64,
    /// Units that were changed, and the result's own bytes of them.
    changed: u64,
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

    /// Puts a unit's changed front.
    fn put(&mut self, own: &[u8]) -> Result<()> {
        let len = own.len() as u64;
        self.held = self.held.saturating_add(len).saturating_add(PIECES);
        hold(self.held, self.control)?;
        self.share()?;
        (self.own, self.changed) = (self.own.saturating_add(len), self.changed.saturating_add(1));
        self.to.write(self.to.len(), own)
    }

    /// Bytes of the source. What lies behind them is read as well, as it is asked for next.
    fn see(&mut self, at: u64, len: u32) -> Result<&[u8]> {
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        let within = |(from, chunk): &(u64, Vec<u8>)| {
            let from = usize::try_from(at.checked_sub(*from)?).ok()?;
            (from.saturating_add(len) <= chunk.len()).then_some(from)
        };
        if within(&self.chunk).is_none() {
            let (from, chunk) = &mut self.chunk;
            *from = at;
            chunk.resize(len.max(CHUNK), 0);
            let mut filled = 0;
            while filled < len {
                let rest = chunk.get_mut(filled..).unwrap_or_default();
                match self.reader.read(at.saturating_add(filled as u64), rest, self.control)? {
                    0 => return Err(Error::corrupt("a sample ends behind the file")),
                    read => filled = filled.saturating_add(read),
                }
            }
            chunk.truncate(filled);
        }
        let from = within(&self.chunk).unwrap_or(0);
        Ok(self.chunk.1.get(from..from.saturating_add(len)).unwrap_or_default())
    }

    /// The sizes of all samples as tables have them, and where each chunk begins.
    fn samples(&mut self, samples: &Samples) -> Result<(Vec<u8>, Vec<u64>)> {
        hold(self.held, self.control)?;
        let (mut sizes, mut places, mut each) = (Vec::new(), Vec::new(), samples.sizes.walk(0));
        for chunk in samples.in_chunks(0, samples.count()) {
            places.push(self.len());
            let mut at = chunk.place;
            for _ in 0..chunk.samples {
                let size = each.next().unwrap_or(0);
                let end = at.saturating_add(size.into());
                let before = self.len();
                self.sample(at..end)?;
                let len = self.len().saturating_sub(before);
                let len = u32::try_from(len).map_err(|_| Error::unsupported("a sample of over 4 GiB"))?;
                sizes.extend(len.to_be_bytes());
                at = end;
            }
        }
        self.share()?;
        Ok((sizes, places))
    }

    fn sample(&mut self, sample: Range<u64>) -> Result<()> {
        self.control.check()?;
        let mut at = sample.start;
        while at < sample.end {
            self.control.check()?;
            let begins = at.saturating_add(self.length.into());
            if begins > sample.end {
                return Err(Error::corrupt("a sample ends within a unit's length"));
            }
            let bytes = self.see(at, self.length)?;
            let length = bytes.iter().fold(0_u32, |sum, byte| sum << 8 | u32::from(*byte));
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
        let renumber = self.renumber;
        let asked = renumber.asks_for(self.see(begins, length.min(2))?);
        let shown = match asked {
            Asked::Nothing => return self.take(in_front.start..end),
            Asked::All if length > MOST => {
                return Err(Error::unsupported(format!(
                    "a unit of {length} bytes that may name parameter sets"
                )));
            }
            Asked::All => self.see(begins, length)?,
            Asked::Front => {
                let front = self.see(begins, length.min(MOST_FRONT))?;
                // What lies behind stays as it is where what is in front of it ends with a byte that begins nothing.
                let ends = front.iter().skip(FRONT.saturating_sub(1)).position(|byte| *byte > 3);
                match ends {
                    Some(ends) => front.get(..FRONT.saturating_add(ends)).unwrap_or(front),
                    None if length <= MOST_FRONT => front,
                    None => return Err(Error::unsupported("a slice that begins with too many zeros")),
                }
            }
        };
        let behind = begins.saturating_add(shown.len() as u64);
        let changed = match renumber.unit(shown)? {
            Cow::Owned(changed) if changed != shown => changed,
            _ => return self.take(in_front.start..end),
        };
        let lengths = (changed.len() as u64).saturating_add(end.saturating_sub(behind)).to_be_bytes();
        let skipped = 8_usize.saturating_sub(usize::try_from(self.length).unwrap_or(4));
        let (high, low) = lengths.split_at_checked(skipped).unwrap_or_default();
        if high.iter().any(|byte| *byte > 0) {
            return Err(Error::unsupported("a unit is longer than lengths here can say"));
        }
        let own = [low, &*changed].concat();
        self.put(&own)?;
        self.take(behind..end)
    }
}
