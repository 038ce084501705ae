//! The parsers that no operation gives all bytes to, for `fuzz/`. Not there in other builds.

use crate::{Error, Limits, Result, mp4, output};

/// Walks over the boxes of a file, and reads their tables.
pub fn mp4_tables(data: &[u8]) -> Result<()> {
    let mut read = |at: u64, to: &mut [u8]| {
        let from =
            usize::try_from(at).ok().and_then(|at| data.get(at..)).and_then(|rest| rest.get(..to.len()));
        to.copy_from_slice(from.ok_or_else(|| Error::corrupt("beyond the end"))?);
        Ok(())
    };
    let len = u64::try_from(data.len()).unwrap_or(0);
    let limits = Limits::default();
    if let Some(movie) = mp4::Movie::read(&mut read, len, &limits)? {
        let fragments = mp4::Fragments::read(&mut read, len, &movie, &limits)?;
        movie.tracks.iter().try_for_each(|track| looked_up(fragments.view(track)))?;
        movie.tracks.iter().filter_map(|track| track.samples.as_ref().ok()).for_each(in_chunks);
        mp4::Tables::of(&movie);
        mp4::with_first_samples(&movie, |number, _| match number % 2 {
            0 => mp4::First::Samples(100),
            _ => mp4::First::Whole(2, data.get(..8).unwrap_or_default().to_vec().into()),
        })?;
        movie.with_fragments(&fragments, len, &limits)?;
    }
    mp4::Tables::read(&mut read, len).map(drop)
}

/// Samples, found in all ways.
fn looked_up(view: mp4::View<'_>) -> Result<()> {
    let (count, _) = (view.count(), view.totals());
    for number in [0, 1, count / 2, count.saturating_sub(1), count] {
        view.sync_at_or_before(number);
        view.sync_at_or_behind(number);
        let Some(sample) = view.walk(number).take(100).last() else { continue };
        view.decoded_at(sample.decode);
        view.composed_at(sample.composition)?;
    }
    Ok(())
}

/// Samples chunk by chunk lie where they do one by one.
fn in_chunks(samples: &mp4::Samples) {
    let count = samples.count();
    for from in [0, 1, count / 2].into_iter().filter(|_| samples.blocks.is_none()) {
        let to = from.saturating_add(300).min(count);
        let mut one_by_one = samples.walk(from);
        for run in samples.in_chunks(from, to) {
            let all: Vec<_> = (0..run.samples).filter_map(|_| one_by_one.next()).collect();
            let sizes = all.iter().map(|sample| u64::from(sample.size));
            let first = all.first().map(|first| (first.place, first.description));
            assert!(first == Some((run.place, run.description)), "a chunk lies elsewhere");
            assert!(sizes.fold(0, u64::saturating_add) == run.bytes, "a chunk has other bytes");
        }
    }
}

/// Parses a `moov`, moves what it points to, gives its tracks an edit each, and writes it.
pub fn moov(data: &[u8]) -> Result<Vec<u8>> {
    output::rewritten(data)
}
