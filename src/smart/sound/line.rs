//! Which frames of sound each range keeps, on the one grid of the result: a range's sound begins where that of the one
//! before it ends, half a frame from its pictures at the most. What that is off does not add up.

use super::heard::{Heard, SAMPLES, Track};
use crate::{
    Result, TimeRange,
    time::{Timestamp, convert},
};

/// Frames that are looked at on either side of a border: enough for an encoder to get going, and to look for windows
/// that go together.
const AROUND: i64 = 14;

/// A range's frames around its borders.
pub(super) struct Range {
    /// All of them, or those around its beginning and those around its end.
    pub lists: Vec<Vec<Heard>>,
    /// The first frame that is kept, in the first list.
    pub first: usize,
    /// Behind the last one, in the last list.
    pub end: usize,
    /// How much later than the ideal seam its sound begins, in samples.
    pub over: i64,
}

impl Range {
    /// The frames of a list that are kept.
    pub(super) fn kept(&self, list: usize) -> std::ops::Range<usize> {
        let len = self.lists.get(list).map_or(0, Vec::len);
        let from = if list == 0 { self.first } else { 0 };
        let to = if list.saturating_add(1) == self.lists.len() { self.end } else { len };
        from..to.max(from)
    }

    /// The times of the first frame that is kept and of the last one.
    pub(super) fn times(&self) -> (Option<i64>, Option<i64>) {
        let first = self.lists.first().and_then(|list| list.get(self.first));
        let last = self.lists.last().and_then(|list| list.get(self.end.checked_sub(1)?));
        (first.map(|heard| heard.pts), last.map(|heard| heard.pts))
    }

    /// Bytes of memory that it takes.
    pub(super) fn memory(&self) -> u64 {
        self.lists.iter().flatten().map(Heard::memory).fold(0, u64::saturating_add)
    }
}

/// A stream's ranges, one behind the other.
#[derive(Default)]
pub(super) struct Line {
    /// How much later than its pictures the sound so far ends, in samples.
    over: i64,
}

impl Line {
    /// Looks at the frames around the borders of the next range. None where its sound does not go on up to them, or is
    /// no AAC-LC. The first range may begin, and the last one end, as it likes.
    pub(super) fn next(
        &mut self,
        track: &mut Track<'_>,
        range: TimeRange,
        (is_first, is_last): (bool, bool),
    ) -> Result<Option<Range>> {
        let start = track.media.start();
        let (from, to) = (range.from.plus(start), range.to.plus(start));
        let spans = track.media.timeline(track.stream).map(|line| line.clip(from, to)).unwrap_or_default();
        let [span] = *spans else { return Ok(None) };
        let half = track.frames(1).nanos() / 2;
        let is_open = |at: Timestamp| at.nanos() > half;
        if (!is_first && is_open(span.shown.minus(from))) || (!is_last && is_open(to.minus(span.shown_end())))
        {
            return Ok(None);
        }
        let (base, sample) = (track.base, track.sample);
        let on_clock = |at: Timestamp| convert(span.media_at(at, base), base, sample);
        let Some(lists) = around(track, from, to, !is_first, !is_last)? else { return Ok(None) };
        let (Some(begins), Some(ends)) = (lists.first(), lists.last()) else { return Ok(None) };
        let (begin, length) = (on_clock(from), on_clock(to).saturating_sub(on_clock(from)));
        let over = self.over;
        let first = if is_first { Some(0) } else { nearest(begins, begin.saturating_add(over)) };
        let Some((first, frame)) = first.and_then(|first| Some((first, begins.get(first)?))) else {
            return Ok(None);
        };
        // How much later than its pictures the range's sound is.
        let later = if is_first { 0 } else { over.saturating_sub(frame.at.saturating_sub(begin)) };
        let mut end = ends.len();
        if !is_last {
            let due = begin.saturating_add(length).saturating_sub(later);
            let Some(nearest) = ends_nearest(ends, due) else { return Ok(None) };
            let is_none = lists.len() == 1 && nearest <= first;
            self.over = match ends.get(nearest.saturating_sub(1)).filter(|_| !is_none) {
                Some(frame) => frame.at.saturating_add(SAMPLES).saturating_sub(due),
                None => over.saturating_sub(length),
            };
            end = nearest;
        }
        Ok(Some(Range { lists, first, end, over }))
    }
}

/// The frames around a range's borders.
fn around(
    track: &mut Track<'_>,
    from: Timestamp,
    to: Timestamp,
    begins: bool,
    ends: bool,
) -> Result<Option<Vec<Vec<Heard>>>> {
    let near = track.frames(AROUND);
    let sides = [(from, begins), (to, ends)].into_iter().filter(|(_, is_seam)| *is_seam);
    let mut parts: Vec<(Timestamp, Timestamp)> =
        sides.map(|(at, _)| (at.minus(near), at.plus(near))).collect();
    if let [(first, one), (other, last)] = *parts
        && other <= one.plus(near)
    {
        parts = vec![(first, last)];
    }
    let mut lists = Vec::new();
    for (from, to) in parts {
        let Some(list) = track.hear(from, to)? else { return Ok(None) };
        lists.push(list);
    }
    Ok(Some(lists))
}

/// The frame that begins nearest to a sample. None where that is further than frames lie.
fn nearest(list: &[Heard], at: i64) -> Option<usize> {
    let (i, heard) = list.iter().enumerate().min_by_key(|(_, heard)| heard.at.abs_diff(at))?;
    (heard.at.abs_diff(at) <= SAMPLES.unsigned_abs()).then_some(i)
}

/// Behind the frame that ends nearest to a sample.
fn ends_nearest(list: &[Heard], at: i64) -> Option<usize> {
    let (i, heard) =
        list.iter().enumerate().min_by_key(|(_, heard)| heard.at.saturating_add(SAMPLES).abs_diff(at))?;
    (heard.at.saturating_add(SAMPLES).abs_diff(at) <= SAMPLES.unsigned_abs()).then_some(i.saturating_add(1))
}
