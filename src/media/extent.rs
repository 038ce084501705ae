//! When a source begins and ends, and its description.

use super::{Demux, MediaInfo, StreamInfo, Timeline, demux::Payloads, info::Chapter, mp4};
use crate::{
    Control, Result, Source,
    av::{
        demuxer::Demuxer,
        input::{Input, RawChapter},
        packet::Packet,
        stream::{Stream, StreamKind},
    },
    time::{Rational, Timestamp},
};

/// Start on the file's clock, and end on the presentation clock.
pub(super) fn extent(
    demux: &mut Demux,
    demuxer: Demuxer,
    streams: &[Stream],
    timelines: &[Timeline],
    tables: Option<&mp4::Tables>,
    control: &Control,
) -> Result<(Timestamp, Option<Timestamp>)> {
    let micros = Rational { num: 1, den: 1_000_000 };
    let played = |stream: &Stream| {
        matches!(stream.kind(), StreamKind::Video | StreamKind::Audio) && !stream.is_picture()
    };
    let Some(tables) = tables else {
        let start = demux.input.start().map_or(Timestamp::ZERO, |t| Timestamp::from_ticks(t, micros));
        // A little before 0 lies what a codec needs to get going (Matroska's CodecDelay); it is not shown. Where clocks jump,
        // they also turn over.
        let priming =
            start < Timestamp::ZERO && start > Timestamp::from_nanos(-1_000_000_000) && !demuxer.may_jump();
        let start = if priming { Timestamp::ZERO } else { start };
        let start = if demuxer.name() == "asf" && demux.is_seekable() {
            // It has one time a packet, which libav takes for the dts; the pts of reordered pictures are made up for. The start
            // that it says is that of the sound alone then.
            let counted: Vec<_> =
                (0..streams.len()).filter(|i| streams.get(*i).is_some_and(played)).collect();
            let mut first: Vec<Option<i64>> = vec![None; streams.len()];
            first_times(demux, &counted, &mut first, false, control)?;
            let of = |(pts, stream): (&Option<i64>, &Stream)| {
                pts.map(|pts| Timestamp::from_ticks(pts, stream.time_base()))
            };
            first.iter().zip(streams).filter_map(of).fold(start, Timestamp::min)
        } else {
            start
        };
        return Ok((start, demux.input.duration().map(|t| Timestamp::from_ticks(t, micros))));
    };
    let any = streams.iter().any(played);
    let counted: Vec<_> =
        (0..streams.len()).filter(|i| streams.get(*i).is_some_and(|s| !any || played(s))).collect();
    // Without an edit list the first frame need not be shown at 0.
    let mut first: Vec<Option<i64>> = vec![None; streams.len()];
    let edited = |i: usize| {
        let id = streams.get(i).map(Stream::id);
        tables.tracks.iter().any(|track| i32::try_from(track.id).ok() == id && track.edits.is_some())
    };
    if counted.iter().any(|i| !edited(*i)) {
        let blind = counted.iter().all(|i| streams.get(*i).is_some_and(Stream::is_blind));
        first_times(demux, &counted, &mut first, blind && !tables.fragmented, control)?;
    }
    let starts = counted.iter().filter_map(|i| {
        let timeline = timelines.get(*i)?;
        let span = timeline.spans.first()?;
        let first = first.get(*i).copied().flatten().filter(|_| !edited(*i));
        Some(first.map_or(span.shown, |pts| span.shown_at(pts, timeline.base).max(span.shown)))
    });
    let start = starts.min().unwrap_or(Timestamp::ZERO);
    let ends = counted.iter().filter_map(|i| timelines.get(*i)).map(Timeline::end);
    let end = ends.max().filter(|end| *end != Timestamp::MAX);
    let end = end.or_else(|| demux.input.duration().map(|t| Timestamp::from_ticks(t, micros)));
    Ok((start, end.map(|end| end.minus(start))))
}

/// The first pts of these streams, as far as the first packets tell.
fn first_times(
    demux: &mut Demux,
    streams: &[usize],
    first: &mut [Option<i64>],
    elide: bool,
    control: &Control,
) -> Result<()> {
    const LOOK: usize = 512;
    demux.begin(streams, if elide { Payloads::Named } else { Payloads::Read }, control)?;
    let mut packet = Packet::new()?;
    let mut missing = streams.len();
    for _ in 0..LOOK {
        if missing == 0 || demux.read(&mut packet)?.is_none() {
            break;
        }
        if let (Some(slot), Some(pts)) = (first.get_mut(packet.stream()), packet.pts()) {
            missing = missing.saturating_sub(usize::from(slot.is_none()));
            *slot = Some(slot.map_or(pts, |known| known.min(pts)));
        }
    }
    Ok(())
}

/// What the header says, for people and programs.
pub(super) fn describe(
    source: &Source,
    demuxer: Demuxer,
    input: &Input,
    streams: &[Stream],
    timelines: &[Timeline],
    start: Timestamp,
    end: Option<Timestamp>,
) -> MediaInfo {
    let ended = |t: Timestamp| (t != Timestamp::MAX).then(|| t.minus(start));
    let stream_info = streams.iter().zip(timelines).enumerate().map(|(i, (stream, timeline))| {
        let base = stream.time_base();
        let (from, to) = if demuxer.is_mov() {
            (Some(timeline.start().minus(start)), ended(timeline.end()))
        } else {
            let from = stream.start().map(|t| Timestamp::from_ticks(t, base).minus(start));
            let len = stream.duration().map(|t| Timestamp::from_ticks(t, base));
            (from, from.zip(len).map(|(from, len)| from.plus(len)))
        };
        let duration = from.zip(to).map(|(from, to)| to.minus(from)).filter(|_| !stream.is_picture());
        StreamInfo {
            start_time: from.filter(|_| !stream.is_picture()),
            duration,
            ..StreamInfo::of(i, stream)
        }
    });
    let size = source.len();
    let secs = end.map(Timestamp::secs).filter(|secs| *secs > 0.0);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a quotient of positive numbers"
    )]
    let average = size.zip(secs).map(|(size, secs)| (size as f64 * 8.0 / secs) as u64);
    MediaInfo {
        name: source.name().to_owned(),
        format: demuxer.name(),
        format_name: demuxer.long_name(),
        size,
        duration: end,
        start_time: start,
        bit_rate: input.bit_rate().or(average),
        metadata: input.metadata().into_iter().collect(),
        streams: stream_info.collect(),
        warnings: Vec::new(),
        chapters: input.chapters().iter().map(|chapter| chapter_info(chapter, start)).collect(),
    }
}

fn chapter_info(chapter: &RawChapter, start: Timestamp) -> Chapter {
    Chapter {
        start: Timestamp::from_ticks(chapter.start, chapter.base).minus(start),
        end: Timestamp::from_ticks(chapter.end, chapter.base).minus(start),
        title: chapter.metadata.iter().find(|(key, _)| key == "title").map(|(_, title)| title.clone()),
    }
}
