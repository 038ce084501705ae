//! Stretches of a source that go into the payload as they are.

use crate::{Error, Result, Source, io::Builder, mp4::SampleRun};
use std::ops::Range;

/// What lies in one source one behind the other, and is not written yet.
#[derive(Default)]
pub(super) struct Shared {
    /// The part that is of it, and its source's length.
    of: Option<usize>,
    len: u64,
    stretch: Range<u64>,
    /// Bytes that were written so far.
    pub written: u64,
}

impl Shared {
    /// Takes a chunk of a part's source. Returns where it will lie.
    #[inline]
    pub(super) fn take(
        &mut self,
        to: &mut Builder,
        (of, source): (usize, &Source),
        run: &SampleRun,
    ) -> Result<u64> {
        let end = run.place.saturating_add(run.bytes);
        if run.place != self.stretch.end || end > self.len || self.of != Some(of) {
            self.begin(to, (of, source), run)?;
        }
        self.stretch.end = end;
        let before = run.place.saturating_sub(self.stretch.start);
        Ok(to.len().saturating_add(before))
    }

    /// Begins a stretch with a chunk that does not lie behind the last one.
    fn begin(&mut self, to: &mut Builder, (of, source): (usize, &Source), run: &SampleRun) -> Result<()> {
        self.write(to)?;
        if self.of != Some(of) {
            to.set_source(source);
            (self.of, self.len) = (Some(of), source.len().unwrap_or(0));
        }
        if run.place.checked_add(run.bytes).is_none_or(|end| end > self.len) {
            return Err(Error::corrupt(format!(
                "its index names {} bytes at {}, and the file has {}",
                run.bytes, run.place, self.len
            )));
        }
        self.stretch = run.place..run.place;
        Ok(())
    }

    /// Puts bytes of the result's own behind it.
    #[inline]
    pub(super) fn put(&mut self, to: &mut Builder, own: &[u8]) -> Result<()> {
        if !own.is_empty() {
            self.write(to)?;
            to.write(to.len(), own)?;
        }
        Ok(())
    }

    pub(super) fn write(&mut self, to: &mut Builder) -> Result<()> {
        let len = self.stretch.end.saturating_sub(self.stretch.start);
        if len > 0 {
            to.write_shared(to.len(), self.stretch.start, len)?;
            self.written = self.written.saturating_add(len);
        }
        self.stretch.start = self.stretch.end;
        Ok(())
    }
}
