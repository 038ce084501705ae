//! When a source begins and ends, and its description.

use super::{
    Demux, MediaInfo, StreamInfo, Timeline,
    demux::Payloads,
    header::Header,
    info::{Chapter, DurationFrom},
    item::Item,
};
use crate::{
    Control, Result, Source,
    av::{
        demuxer::Demuxer,
        input::{Estimate, RawChapter},
        stream::{Stream, StreamKind},
    },
    mp4,
    time::{Rational, Timestamp},
};
use std::time::Duration;

/// When a source is shown, and who says so.
pub(super) struct Extent {
    /// On the file's clock.
    pub start: Timestamp,
    /// On the presentation clock.
    pub end: Option<Timestamp>,
    pub from: Option<DurationFrom>,
}

/// What a codec needs to get going is seldom longer, where its stream does not say how long it is.
const PRIMING: Timestamp = Timestamp::from_nanos(1_000_000_000);

/// `known`: when each stream is first shown by its own ticks, where the demuxer has no packets to tell.
pub(super) fn extent(
    demux: Option<&mut Demux>,
    header: &Header,
    demuxer: Demuxer,
    (streams, timelines): (&[Stream], &[Timeline]),
    tables: Option<&mp4::Tables>,
    known: Option<&[Option<i64>]>,
    control: &Control,
) -> Result<Extent> {
    let micros = Rational { num: 1, den: 1_000_000 };
    let played = |stream: &Stream| {
        matches!(stream.kind(), StreamKind::Video | StreamKind::Audio) && !stream.is_picture()
    };
    let Some(tables) = tables else {
        let start = header.start.map_or(Timestamp::ZERO, |t| Timestamp::from_ticks(t, micros));
        // A little before 0 lies what a codec needs to get going (Matroska's CodecDelay); it is not shown.
        // Where clocks jump, they also turn over. Ogg's begins anew for each stream that follows another, and
        // does not turn over.
        let turns_over = demuxer.may_jump() && demuxer.name() != "ogg";
        let delays = || streams.iter().filter(|stream| played(stream)).map(delay);
        let longest = delays().max().unwrap_or(Timestamp::ZERO).plus(PRIMING);
        let priming = start < Timestamp::ZERO && Timestamp::ZERO.minus(start) < longest && !turns_over;
        let start = if priming { Timestamp::ZERO } else { start };
        let start = if let Some(demux) = demux.filter(|it| demuxer.name() == "asf" && it.is_seekable()) {
            // It has one time a packet, which libav takes for the dts; the pts of reordered pictures are made
            // up for. The start that it says is that of the sound alone then.
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
        let (end, from) = stated(header, demuxer);
        // In these containers what is stated counts it.
        let counted = matches!(demuxer.name().as_str(), "ogg" | "matroska,webm");
        let shortest = delays().min().filter(|_| counted && from == Some(DurationFrom::Header));
        let end = end.map(|end| end.minus(shortest.unwrap_or(Timestamp::ZERO)).max(Timestamp::ZERO));
        let played_end = played_end(streams, played).filter(|_| demuxer.name() == "matroska,webm");
        let end = end.map(|end| played_end.map_or(end, |played| end.min(played.minus(start))));
        return Ok(Extent { start, end, from });
    };
    let any = streams.iter().any(played);
    let counted: Vec<_> =
        (0..streams.len()).filter(|i| streams.get(*i).is_some_and(|s| !any || played(s))).collect();
    // Without an edit list the first frame need not be shown at 0.
    let mut first: Vec<Option<i64>> = vec![None; streams.len()];
    let edited = |i: usize| streams.get(i).is_some_and(|stream| tables.is_edited(stream.id()));
    let told = |i: usize| {
        if let Some(known) = known {
            return known.get(i).copied().flatten();
        }
        let track = streams.get(i).and_then(|stream| tables.track(stream.id()));
        track.and_then(|track| track.times).filter(|_| !tables.fragmented).map(|times| times.first)
    };
    if let Some(demux) = demux
        && known.is_none()
        && counted.iter().any(|i| !edited(*i) && told(*i).is_none())
    {
        let blind = counted.iter().all(|i| streams.get(*i).is_some_and(Stream::is_blind));
        first_times(demux, &counted, &mut first, blind && !tables.fragmented, control)?;
    }
    let starts = counted.iter().filter_map(|i| {
        let timeline = timelines.get(*i)?;
        let span = timeline.spans.first()?;
        let first = told(*i).or_else(|| first.get(*i).copied().flatten()).filter(|_| !edited(*i));
        Some(first.map_or(span.shown, |pts| span.shown_at(pts, timeline.base)))
    });
    let start = starts.min().unwrap_or(Timestamp::ZERO);
    let ends = counted.iter().filter_map(|i| timelines.get(*i)).map(Timeline::end);
    let end = ends.max().filter(|end| *end != Timestamp::MAX).map(|end| end.minus(start));
    let (end, from) = match end {
        Some(end) => (Some(end), Some(DurationFrom::Index)),
        None => stated(header, demuxer),
    };
    Ok(Extent { start, end, from })
}

/// When picture and sound end by what Matroska says of each (the tag DURATION, which mkvmerge and libav
/// write), where subtitles or data are beside them: those may be longer, and its header states one length for
/// all.
fn played_end(streams: &[Stream], played: impl Fn(&Stream) -> bool) -> Option<Timestamp> {
    if streams.iter().all(&played) {
        return None;
    }
    let told = |stream: &Stream| {
        let tag = stream.metadata.iter().find(|(key, _)| key.eq_ignore_ascii_case("DURATION"));
        tag.and_then(|(_, length)| length.parse::<Timestamp>().ok())
    };
    let ends: Option<Vec<Timestamp>> = streams.iter().filter(|stream| played(stream)).map(told).collect();
    ends?.into_iter().max().filter(|end| *end > Timestamp::ZERO)
}

/// How much of a stream's beginning is its encoder's delay.
fn delay(stream: &Stream) -> Timestamp {
    let rate = stream.sample_rate().and_then(|rate| i32::try_from(rate).ok());
    let sample = rate.and_then(|rate| Rational::new(1, rate));
    sample.map_or(Timestamp::ZERO, |sample| Timestamp::from_ticks(stream.delay_of_sound(), sample))
}

/// What libav takes for the length, and what from. The bit rate that a raw video states is the most that it
/// has anywhere, and in MPEG-1 often no number at all (ISO/IEC 11172-2, 2.4.3.2: 0x3FFFF is a variable one).
fn stated(header: &Header, demuxer: Demuxer) -> (Option<Timestamp>, Option<DurationFrom>) {
    let micros = Rational { num: 1, den: 1_000_000 };
    let length = header.duration.map(|t| Timestamp::from_ticks(t, micros));
    let from = match header.duration_from {
        Estimate::Header => DurationFrom::Header,
        Estimate::Timestamps => DurationFrom::Timestamps,
        Estimate::BitRate if !demuxer.has_times() => return (None, None),
        Estimate::BitRate => DurationFrom::BitRate,
    };
    (length, length.map(|_| from))
}

/// Bits a second.
pub(super) fn average_rate(size: Option<u64>, duration: Option<Duration>) -> Option<u64> {
    let secs = duration.map(|duration| duration.as_secs_f64()).filter(|secs| *secs > 0.0);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a quotient of positive numbers"
    )]
    size.zip(secs).map(|(size, secs)| (size as f64 * 8.0 / secs) as u64)
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
    let mut item = Item::new()?;
    let mut missing = streams.len();
    for _ in 0..LOOK {
        if missing == 0 || !demux.read(&mut item)? {
            break;
        }
        let packet = &item.packet;
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
    header: &Header,
    streams: &[Stream],
    timelines: &[Timeline],
    &Extent { start, end, from }: &Extent,
) -> MediaInfo {
    let ended = |t: Timestamp| (t != Timestamp::MAX).then(|| t.minus(start));
    let stream_info = streams.iter().zip(timelines).enumerate().map(|(i, (stream, timeline))| {
        let base = stream.time_base();
        let (from, to) = if demuxer.is_mov() {
            (Some(timeline.start().minus(start)), ended(timeline.end()))
        } else {
            let from = stream.start().map(|t| Timestamp::from_ticks(t, base).minus(start));
            let len = stream.duration().map(|t| Timestamp::from_ticks(t, base));
            // It is when its last packet ends, by Ogg's clock.
            let skipped = if demuxer.name() == "ogg" { delay(stream) } else { Timestamp::ZERO };
            let len = len.map(|len| len.minus(skipped).max(Timestamp::ZERO));
            (from, from.zip(len).map(|(from, len)| from.plus(len)))
        };
        let duration =
            from.zip(to).map(|(from, to)| to.duration_since(from)).filter(|_| !stream.is_picture());
        StreamInfo {
            start_time: from.filter(|_| !stream.is_picture()),
            duration,
            ..StreamInfo::of(i, stream)
        }
    });
    let size = source.len();
    MediaInfo {
        name: source.name().to_owned(),
        format: demuxer.name(),
        format_name: demuxer.long_name(),
        size,
        duration: end.map(Timestamp::length),
        duration_from: from,
        start_time: start,
        bit_rate: header.bit_rate.or_else(|| average_rate(size, end.map(Timestamp::length))),
        metadata: header.metadata.iter().cloned().collect(),
        streams: stream_info.collect(),
        warnings: Vec::new(),
        chapters: header.chapters.iter().map(|chapter| chapter_info(chapter, start)).collect(),
    }
}

fn chapter_info(chapter: &RawChapter, start: Timestamp) -> Chapter {
    Chapter {
        start: Timestamp::from_ticks(chapter.start, chapter.base).minus(start),
        end: Timestamp::from_ticks(chapter.end, chapter.base).minus(start),
        title: chapter.metadata.iter().find(|(key, _)| key == "title").map(|(_, title)| title.clone()),
    }
}
