//! What becomes of each range, before anything is done.

use super::window::{Pictures, Splice};
use crate::{Control, Error, Media, Result, StreamKind, TimeRange, time::Timestamp};

/// A stream of pictures, and what becomes of each range of it; None where it shows nothing.
pub(super) struct Video {
    pub stream: usize,
    pub ranges: Vec<TimeRange>,
    pub splices: Vec<Option<Splice>>,
}

/// All of a cut.
pub(super) struct Plan {
    /// From picture to picture, on the source's clock.
    pub ranges: Vec<TimeRange>,
    pub videos: Vec<Video>,
}

impl Plan {
    pub(super) fn of(media: &Media, asked: &[TimeRange], control: &Control) -> Result<Self> {
        let plays = |i: &usize| {
            let stream = media.streams().get(*i);
            stream.is_some_and(|s| s.kind() == StreamKind::Video && !s.is_picture() && !s.is_hidden())
        };
        let mut streams: Vec<usize> = (0..media.streams().len()).filter(plays).collect();
        // The others are cut at the pictures of the first one.
        if let Some(primary) = media.primary(&streams) {
            streams.sort_by_key(|stream| *stream != primary);
        }
        let mut ranges = asked.to_vec();
        let mut videos = Vec::new();
        for (i, stream) in streams.into_iter().enumerate() {
            let mut splices = Vec::new();
            for (number, range) in ranges.iter_mut().enumerate() {
                let Some(pictures) = pictures(media, stream, *range, control)? else {
                    splices.push(None);
                    continue;
                };
                let splice = pictures.splice(number == 0)?;
                match splice.as_ref().filter(|_| i == 0) {
                    Some(splice) => snap(range, media, &pictures, splice),
                    // It lies within a picture that began in front of it.
                    None if i == 0 => range.to = range.from,
                    None => {}
                }
                splices.push(splice);
            }
            videos.push(Video { stream, ranges: ranges.clone(), splices });
        }
        if ranges.iter().all(|range| range.from >= range.to) {
            return Err(Error::invalid("no picture begins in what is kept")
                .with_setting("mode")
                .advise("keep more, or use mode edit, which shows a part of a picture"));
        }
        if videos.is_empty() {
            return Err(Error::unsupported(
                "it has no pictures that play: there is nothing to be smart about",
            )
            .advise("use mode edit or keyframe, which cut sound as exactly as its container can"));
        }
        Ok(Self { ranges, videos })
    }
}

/// A stream's pictures in a range.
pub(super) fn pictures<'a>(
    media: &'a Media,
    stream: usize,
    range: TimeRange,
    control: &'a Control,
) -> Result<Option<Pictures<'a>>> {
    let start = media.start();
    let to = if range.to == Timestamp::MAX { range.to } else { range.to.plus(start) };
    Pictures::of(media, stream, (range.from.plus(start), to), control)
}

/// Lets a range begin and end where pictures do.
fn snap(range: &mut TimeRange, media: &Media, pictures: &Pictures<'_>, splice: &Splice) {
    let on_clock = |ticks: i64| pictures.span.shown_at(ticks, pictures.base).minus(media.start());
    if splice.is_from_picture {
        range.from = on_clock(splice.from);
    }
    if splice.is_to_picture {
        range.to = on_clock(splice.to);
    }
}
