//! What libav says of a source beside its streams.

use super::{demux::Demux, timeline::Timeline};
use crate::{
    Result,
    av::{
        input::{Estimate, RawChapter},
        stream::{Stream, is_of_encoding},
    },
    time::{Rational, Timestamp},
};
use bytes::Bytes;

/// A source's own words.
#[derive(Clone, Debug)]
pub(super) struct Header {
    pub chapters: Vec<RawChapter>,
    pub metadata: Vec<(String, String)>,
    pub bit_rate: Option<u64>,
    /// In microseconds; and what the duration was taken from.
    pub start: Option<i64>,
    pub duration: Option<i64>,
    pub duration_from: Estimate,
}

impl Header {
    pub(super) fn of(demux: &Demux) -> Self {
        let input = &demux.input;
        Self {
            chapters: input.chapters(),
            metadata: input.metadata(),
            bit_rate: input.bit_rate(),
            start: input.start(),
            duration: input.duration(),
            duration_from: input.duration_from(),
        }
    }

    /// Chapters of a track have the times of its media: they are when its edit list shows them.
    pub(super) fn show_chapters(&mut self, streams: &[Stream], timelines: &[Timeline]) {
        let base = Rational { num: 1, den: 1_000_000 };
        let mut of_track = streams.iter().zip(timelines).filter(|(stream, _)| stream.is_hidden());
        let Some((own, spans)) = of_track.next().map(|(_, timeline)| (timeline.base, &timeline.spans)) else {
            return;
        };
        let mut all = Vec::new();
        for chapter in std::mem::take(&mut self.chapters) {
            if chapter.base != own {
                all.push(chapter);
                continue;
            }
            let ends = if chapter.end < chapter.start { i64::MAX } else { chapter.end };
            for span in spans {
                let from = chapter.start.max(span.media);
                let to = ends.min(span.media_at(span.shown_end(), own));
                let at = |media: i64| span.shown_at(media, own).ticks(base);
                if from < to {
                    let (start, end) = (at(from), if to == i64::MAX { i64::MIN } else { at(to) });
                    all.push(RawChapter { start, end, base, metadata: chapter.metadata.clone() });
                }
            }
        }
        all.sort_by_key(|chapter| Timestamp::from_ticks(chapter.start, chapter.base));
        self.chapters = all;
    }

    /// Chapters of which it is not told when they end, as Nero's list of them does not, end where the next one begins,
    /// and the last one with the media (avformat/demux.c: compute_chapters_end). `until`: when that is, on the file's
    /// clock.
    pub(super) fn end_chapters(&mut self, until: Option<Timestamp>) {
        let begins = |chapter: &RawChapter| Timestamp::from_ticks(chapter.start, chapter.base);
        let mut starts: Vec<_> = self.chapters.iter().map(begins).collect();
        starts.sort_unstable();
        for chapter in self.chapters.iter_mut().filter(|chapter| chapter.end < chapter.start) {
            let begins = begins(chapter);
            let next = starts.get(starts.partition_point(|start| *start <= begins)).copied();
            let ends = next.into_iter().chain(until).min().unwrap_or(begins);
            chapter.end = ends.ticks(chapter.base).max(chapter.start);
        }
    }
}

/// What libav made of an MP4's header, for others that begin with the same: parts of one recording differ in how long
/// they are, which it is not told.
#[derive(Default)]
pub(crate) struct Known(Option<Box<One>>);

struct One {
    init: Bytes,
    streams: Vec<Stream>,
    header: Header,
}

impl Known {
    /// The same once more, if this was seen last.
    pub(super) fn again(&self, init: &[u8]) -> Result<Option<(Vec<Stream>, Header)>> {
        let Some(one) = self.0.as_ref().filter(|one| one.init == init) else { return Ok(None) };
        let streams = one.streams.iter().map(Stream::again).collect::<Result<_>>()?;
        Ok(Some((streams, one.header.clone())))
    }

    pub(super) fn note(&mut self, init: Bytes, streams: &[Stream], header: &Header) -> Result<()> {
        let streams = streams.iter().map(Stream::again).collect::<Result<_>>()?;
        self.0 = Some(Box::new(One { init, streams, header: header.clone() }));
        Ok(())
    }
}

/// Whether a tag is of a file as it was written, or of a stream.
pub(crate) fn is_of_writing(tag: &str) -> bool {
    matches!(tag, "major_brand" | "minor_version" | "compatible_brands" | "creation_time")
        || is_of_encoding(tag)
}
