//! What samples have besides (saio; ISO/IEC 14496-12, 8.7.9): slices of sources, gathered to lie in one place behind
//! the samples themselves.

use super::payload::{Payload, Taken};
use crate::{
    Error, Limits, Report, Result, Source,
    io::Builder,
    mp4::{Draft, Samples, Track},
};

/// Bytes that a slice in the making is held with, about.
const SLICE: u64 = 64;

/// That of the tracks of an output, each kind for itself: by the output's track, and by which of its kinds it is.
#[derive(Default)]
pub(super) struct Besides {
    all: Vec<((usize, usize), Builder)>,
    slices: u64,
}

impl Besides {
    /// Takes what samples have besides that a draft has taken.
    pub(super) fn append(
        &mut self,
        source: &Source,
        taken: &Taken,
        draft: &mut Draft,
        limits: &Limits,
    ) -> Result<()> {
        let Some((track, samples)) = taken.tables() else { return Ok(()) };
        for (_, range) in &taken.ranges {
            for (number, place, bytes) in lying(track, samples, range.start, range.end, draft) {
                self.take(source, (taken.track, number), place, bytes, limits)?;
            }
        }
        Ok(())
    }

    fn take(
        &mut self,
        source: &Source,
        of: (usize, usize),
        place: u64,
        bytes: u64,
        limits: &Limits,
    ) -> Result<()> {
        let at = self.all.iter().position(|(own, _)| *own == of).unwrap_or_else(|| {
            self.all.push((of, Builder::new(0)));
            self.all.len().saturating_sub(1)
        });
        let Some((_, builder)) = self.all.get_mut(at) else { return Ok(()) };
        self.slices = self.slices.saturating_add(1);
        let (held, most) = (self.slices.saturating_mul(SLICE), limits.memory);
        Limits::hold(held, most, "memory", || {
            format!("what samples have besides lies in more slices than {most} bytes hold")
        })?;
        let end = place.checked_add(bytes);
        if end.is_none_or(|end| source.len().is_some_and(|len| end > len)) {
            return Err(Error::corrupt(format!(
                "box saio names {bytes} bytes at {place}, beyond the file's end"
            )));
        }
        builder.set_source(source);
        builder.write_shared(builder.len(), place, bytes)
    }

    /// Puts it all behind the payload, and tells the drafts where it lies.
    pub(super) fn finish(
        self,
        payload: &mut Payload,
        drafts: &mut [Draft],
        report: &mut Report,
    ) -> Result<()> {
        for ((track, number), builder) in self.all {
            let place = payload.append(&builder.finish(), report)?;
            if let Some(draft) = drafts.get_mut(track) {
                draft.besides_at(number, place);
            }
        }
        Ok(())
    }
}

/// Where what samples have besides lies, of each kind one behind the other: which of the draft's kinds it is, the
/// place, and the bytes.
fn lying<'a>(
    track: &'a Track,
    samples: &'a Samples,
    from: u32,
    to: u32,
    draft: &mut Draft,
) -> impl Iterator<Item = (usize, u64, u64)> + use<'a> {
    let kinds: Vec<usize> = track.extras.auxiliary.iter().map(|own| draft.auxiliary_of(own.about)).collect();
    track.extras.auxiliary.iter().zip(kinds).flat_map(move |(own, number)| {
        own.lies(samples, from, to).map(move |(place, bytes)| (number, place, bytes))
    })
}
