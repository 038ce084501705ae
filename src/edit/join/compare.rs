//! Whether sources are like enough to follow on each other, and which stream continues which.

use super::{sets, together::Taken};
use crate::{Error, Media, Report, Result, StreamKind, av::stream::Stream, edit::copy::Feed};

/// Rates that differ by less than this part of themselves come from counting pictures whose times are
/// rounded.
const ONE_RATE: f64 = 0.05;

/// Warns of pictures whose rate is not the first source's, in a container whose header tells how long each of
/// them lasts: it is written before other sources are opened.
pub(super) fn compare_rates(
    first: &Media,
    other: &Media,
    kept: &[usize],
    feeds: &[Feed],
    report: &mut Report,
) {
    let rate = |media: &Media, i: usize| {
        let stream = media.streams().get(i).filter(|s| s.kind() == StreamKind::Video && !s.is_picture());
        stream.and_then(Stream::frame_rate).map(|rate| rate.value())
    };
    for Feed { stream: j, track } in feeds {
        let Some(i) = kept.get(*track) else { continue };
        let Some((stated, own)) = rate(first, *i).zip(rate(other, *j)) else { continue };
        if (stated - own).abs() > ONE_RATE * stated {
            report.warn(format!(
                "{}: stream {j} has {own:.3} pictures a second, and the header states the {stated:.3} of {} for all: \
                 readers may take a picture's length from that (their times are right)",
                other.source().name(),
                first.source().name()
            ));
        }
    }
}

/// Warns of streams of another source that have sample descriptions of their own in MP4, but those that are described
/// as the first one's. `apart`: why pictures are not.
pub(super) fn tell_descriptions(
    first: &Media,
    other: &Media,
    kept: &[usize],
    feeds: &[Feed],
    taken: &Taken,
    report: &mut Report,
) {
    for Feed { stream: j, track } in feeds {
        let like = kept.get(*track).and_then(|i| first.streams().get(*i));
        let Some((like, stream)) = like.zip(other.streams().get(*j)) else { continue };
        let is_played = matches!(like.kind(), StreamKind::Video | StreamKind::Audio) && !like.is_picture();
        let is_described = taken.renumbered.iter().any(|own| own.stream == *j);
        let why = taken.apart.iter().find(|(apart, _)| apart == j);
        let is_apart = why.is_some() || like.extradata() != stream.extradata() && !is_described;
        if is_played && is_apart {
            report.warn(format!(
                "{}: stream {j} ({}) has a sample description of its own, for its parameter sets{}: players that know \
                 but one for a track may not show it",
                other.source().name(),
                stream.codec(),
                why.map(|(_, why)| format!(" ({why})")).unwrap_or_default()
            ));
        }
    }
}

/// For each kept stream of the first source, the stream of another one that continues it, if there is one.
/// `by_tables`: each may have a configuration of its own. `made`: the other one was made to match.
pub(super) fn matching(
    first: &Media,
    other: &Media,
    kept: &[usize],
    allow_drops: bool,
    (by_tables, made): (bool, bool),
    report: &mut Report,
) -> Result<Vec<Feed>> {
    let mut feeds: Vec<Feed> = Vec::new();
    for (track, i) in kept.iter().enumerate() {
        let Some(like) = first.streams().get(*i) else {
            continue;
        };
        let is_taken = |j: &usize| feeds.iter().any(|feed| feed.stream == *j);
        let candidates = || {
            other.streams().iter().enumerate().filter(|(j, s)| {
                !is_taken(j)
                    && s.is_hidden() == like.is_hidden()
                    && s.kind() == like.kind()
                    && s.is_picture() == like.is_picture()
            })
        };
        // The same kinds in the same order; the first of the kind that is left.
        let Some((j, stream)) = candidates().next() else {
            if matches!(like.kind(), StreamKind::Video | StreamKind::Audio) && !like.is_picture() {
                let message = format!(
                    "it has no stream like stream {i} ({:?}, {}) of {}",
                    like.kind(),
                    like.codec(),
                    first.source().name()
                );
                return Err(Error::invalid(message)
                    .named(other.source().name())
                    .advise("join sources with like streams"));
            }
            // Chapters are told by themselves.
            if !like.is_hidden() {
                report.warn(format!(
                    "{} has no stream like stream {i} ({})",
                    other.source().name(),
                    like.codec()
                ));
            }
            continue;
        };
        // A track of MP4 has as many sample descriptions as it needs.
        let goes_on = |codec: &str, a: &[u8], b: &[u8]| by_tables || sets::goes_on(codec, a, b);
        if !like.is_picture()
            && let Some(what) =
                like.difference(stream, made, goes_on).or_else(|| sets::difference(like, stream))
        {
            let message = format!("it does not match {}: {what}", first.source().name());
            return Err(Error::invalid(message)
                .named(other.source().name())
                .in_stream(j)
                .with_setting("encode_unlike")
                .advise("what is copied needs the same encoding; inputs that have another can be encoded to match"));
        }
        feeds.push(Feed { stream: j, track });
    }
    let of_kind = |streams: &[Stream], kind: StreamKind| {
        streams.iter().filter(|s| s.kind() == kind && !s.is_picture() && !s.is_hidden()).count()
    };
    let extra = other.streams().iter().enumerate().filter(|(j, s)| {
        let is_played = matches!(s.kind(), StreamKind::Video | StreamKind::Audio);
        // Of others, what the first has and the container does not hold was told of.
        let so_far = other.streams().get(..=*j).unwrap_or_default();
        let is_new = is_played || of_kind(so_far, s.kind()) > of_kind(first.streams(), s.kind());
        is_new && !feeds.iter().any(|feed| feed.stream == *j) && !s.is_picture() && !s.is_hidden()
    });
    for (j, stream) in extra {
        let is_played = matches!(stream.kind(), StreamKind::Video | StreamKind::Audio);
        let goes_on = |i: &usize| first.streams().get(*i).is_some_and(|s| s.kind() == stream.kind());
        if is_played && !allow_drops && !kept.iter().any(goes_on) {
            let what = if stream.kind() == StreamKind::Video { "video" } else { "sound" };
            let (codec, first) = (stream.codec(), first.source().name());
            let message = format!("its {what}, stream {j} ({codec}), would be lost: {first} has none");
            return Err(Error::unsupported(message)
                .named(other.source().name())
                .with_setting("allow_drops")
                .advise(format!("join sources with like streams, or say that the {what} may go")));
        }
        report.warn(format!(
            "{}: stream {j} ({}) is left out: the first input has none like it",
            other.source().name(),
            stream.codec()
        ));
    }
    Ok(feeds)
}
