//! What two files have beside the pictures and the sound that are compared: how pictures are turned, other tracks,
//! chapters and lines of text.

use super::{
    compare::Hash,
    fault::{Fault, FaultKind},
    spans::{Placed, passes},
};
use crate::{
    Control, Media, Result, TimeRange,
    av::stream::{Stream, StreamKind, Turn},
    media::{Chapter, Item, Payloads},
    time::Timestamp,
};

/// Times of chapters and of text that are this near are the same: some containers have only milliseconds, and a range
/// may begin between two of their ticks.
const NEAR: i64 = 5_000_000;
/// Pieces that are shorter than this may be left out.
const SHORT: i64 = 40_000_000;
/// Lines of text that are compared, of each file.
const MOST: usize = 100_000;

/// What is wrong with it, and what another container may be the reason of.
#[derive(Default)]
pub(super) struct Described {
    pub faults: Vec<Fault>,
    pub notes: Vec<Fault>,
}

/// Compares what they say.
///
/// Errors: what reading fails with.
pub(super) fn compare(
    source: &Media,
    output: &Media,
    ranges: &[Placed],
    control: &Control,
) -> Result<Described> {
    let mut found = Described::default();
    count_tracks(source, output, &mut found);
    compare_chapters(source, output, ranges, &mut found);
    compare_texts(source, output, ranges, control, &mut found)?;
    Ok(found)
}

/// How two streams of pictures are turned.
pub(super) fn turns((source, a): (&Media, usize), (output, b): (&Media, usize)) -> Option<Fault> {
    let turn = |media: &Media, stream: usize| media.streams().get(stream).and_then(Stream::turn);
    let (expected, found) = (turn(source, a), turn(output, b));
    let words = |turn: Option<Turn>| turn.map_or_else(|| "none".into(), |turn| turn.in_words());
    (expected != found).then(|| whole(FaultKind::Rotation { expected: words(expected), found: words(found) }))
}

fn known_by(text: &[u8]) -> u64 {
    let mut hash = Hash::default();
    hash.add(text);
    hash.end()
}

fn whole(kind: FaultKind) -> Fault {
    Fault { kind, at: None, until: None, source: None }
}

/// The numbers of the streams of a kind that are shown as time goes on.
fn of_kind(media: &Media, kind: StreamKind) -> Vec<usize> {
    let all = media.streams().iter().enumerate();
    all.filter(|(_, s)| s.kind() == kind && !s.is_picture() && !s.is_hidden()).map(|(i, _)| i).collect()
}

/// Which track of a kind of the output is which of the source's, and those that have none: by their language, or else
/// by their order.
pub(super) fn tracks(source: &Media, output: &Media, kind: StreamKind) -> (Vec<(usize, usize)>, Vec<usize>) {
    let of = |media: &Media| -> Vec<(usize, Option<String>)> {
        let language =
            |stream: &Stream| stream.metadata.iter().find(|(k, _)| k == "language").map(|(_, v)| v.clone());
        let own = of_kind(media, kind).into_iter().filter_map(|i| Some((i, media.streams().get(i)?)));
        own.map(|(i, s)| (i, language(s).filter(|l| l != "und"))).collect()
    };
    let (mut pairs, mut missing, mut left) = (Vec::new(), Vec::new(), of(output));
    for (track, language) in of(source) {
        let same = left.iter().position(|(_, other)| language.is_some() && *other == language);
        let next = || left.iter().position(|(_, other)| language.is_none() || other.is_none());
        match same.or_else(next) {
            Some(at) => pairs.push((track, left.remove(at).0)),
            None => missing.push(track),
        }
    }
    (pairs, missing)
}

fn count_tracks(source: &Media, output: &Media, told: &mut Described) {
    for kind in [StreamKind::Video, StreamKind::Audio, StreamKind::Subtitle, StreamKind::Data] {
        let (expected, found) = (of_kind(source, kind).len(), of_kind(output, kind).len());
        // Sound and pictures that are gone altogether have faults of their own.
        let is_told = match kind {
            StreamKind::Video => found == 0,
            StreamKind::Audio => found < expected,
            _ => false,
        };
        if expected == found || is_told {
            continue;
        }
        let fault = whole(FaultKind::Tracks { kind, expected, found });
        // Not every container has text and data.
        let may_be = kind == StreamKind::Data || kind == StreamKind::Subtitle && found < expected;
        if may_be { told.notes.push(fault) } else { told.faults.push(fault) }
    }
}

/// Something that is shown from one time of the output to another.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Piece {
    from: Timestamp,
    until: Timestamp,
    /// What its text or title is known by.
    text: u64,
}

/// Puts pieces in order, those of one text that touch as one, without what is hardly there.
fn joined(mut pieces: Vec<Piece>) -> Vec<Piece> {
    pieces.sort_by_key(|piece| (piece.from, piece.until));
    let mut all: Vec<Piece> = Vec::new();
    for piece in pieces {
        match all.last_mut() {
            Some(last) if last.text == piece.text && piece.from.minus(last.until).nanos() <= NEAR => {
                last.until = last.until.max(piece.until);
            }
            _ => all.push(piece),
        }
    }
    all.retain(|piece| piece.until.minus(piece.from).nanos() > SHORT);
    all
}

/// Where pieces differ first; None where they don't.
fn first_other(expected: &[Piece], found: &[Piece], texts: bool) -> Option<Timestamp> {
    let near = |a: Timestamp, b: Timestamp| {
        a.minus(b).nanos().saturating_abs() <= NEAR || a == Timestamp::MAX || b == Timestamp::MAX
    };
    let is_same =
        |a: &Piece, b: &Piece| near(a.from, b.from) && near(a.until, b.until) && (!texts || a.text == b.text);
    let at = expected.iter().zip(found).position(|(a, b)| !is_same(a, b));
    let at = at.or((expected.len() != found.len()).then(|| expected.len().min(found.len())))?;
    expected.get(at).or(found.get(at)).map(|piece| piece.from)
}

fn compare_chapters(source: &Media, output: &Media, ranges: &[Placed], told: &mut Described) {
    let titled = |chapter: &Chapter| known_by(chapter.title.as_deref().unwrap_or_default().as_bytes());
    let mut expected = Vec::new();
    for placed in ranges {
        for chapter in &source.info().chapters {
            let (from, until) = (chapter.start.max(placed.range.from), chapter.end.min(placed.range.to));
            if from < until {
                let moved = |at: Timestamp| at.minus(placed.range.from).plus(placed.at);
                expected.push(Piece { from: moved(from), until: moved(until), text: titled(chapter) });
            }
        }
    }
    let own = output.info().chapters.iter();
    let own = own.map(|c| Piece { from: c.start, until: c.end, text: titled(c) }).collect();
    let (expected, found) = (joined(expected), joined(own));
    let Some(at) = first_other(&expected, &found, true) else { return };
    let kind = FaultKind::Chapters { expected: expected.len() as u64, found: found.len() as u64 };
    if found.is_empty() {
        told.notes.push(whole(kind));
    } else {
        told.faults.push(Fault { kind, at: Some(at), until: Some(at), source: None });
    }
}

fn compare_texts(
    source: &Media,
    output: &Media,
    ranges: &[Placed],
    control: &Control,
    told: &mut Described,
) -> Result<()> {
    let all = [Placed { range: TimeRange::ALL, at: Timestamp::ZERO }];
    let (tracks, _) = tracks(source, output, StreamKind::Subtitle);
    for (a, b) in tracks {
        let is_text = |media: &Media, stream: usize| media.streams().get(stream).is_some_and(is_text);
        if !is_text(source, a) || !is_text(output, b) {
            continue;
        }
        let (expected, found) = (lines(source, a, ranges, control)?, lines(output, b, &all, control)?);
        let codec = |media: &Media, stream: usize| media.streams().get(stream).map(Stream::codec);
        let texts = codec(source, a) == codec(output, b);
        if let Some(at) = first_other(&expected, &found, texts) {
            let (expected, found) = (expected.len() as u64, found.len() as u64);
            let kind = FaultKind::Subtitles { track: b, expected, found };
            told.faults.push(Fault { kind, at: Some(at), until: Some(at), source: None });
        }
    }
    Ok(())
}

fn is_text(stream: &Stream) -> bool {
    matches!(stream.codec().as_str(), "subrip" | "mov_text" | "webvtt" | "ass" | "text")
}

/// The lines of text of a stream that ranges show.
fn lines(media: &Media, stream: usize, ranges: &[Placed], control: &Control) -> Result<Vec<Piece>> {
    let Some(found) = media.streams().get(stream) else { return Ok(Vec::new()) };
    // Text of MP4 has its length in front, and nothing where none is shown.
    let is_boxed = found.codec() == "mov_text";
    let mut loan = media.demux(control, true)?;
    let mut packets = Vec::new();
    let mut read = || {
        let demux = loan.get()?;
        demux.begin(&[stream], Payloads::Read, control)?;
        let mut item = Item::new()?;
        while packets.len() < MOST && demux.read(&mut item)? {
            control.check()?;
            let packet = &item.packet;
            let data = packet.data();
            let text = if is_boxed { data.get(2..).unwrap_or_default() } else { data };
            if let Some(pts) = packet.pts().filter(|_| packet.stream() == stream && !text.is_empty()) {
                packets.push((
                    pts,
                    pts.saturating_add(packet.duration().max(0)),
                    known_by(text.trim_ascii()),
                ));
            }
        }
        Ok(())
    };
    let outcome: Result<()> = read();
    if let Err(error) = outcome {
        loan.spoil();
        return Err(error);
    }
    let mut pieces = Vec::new();
    for placed in ranges {
        for pass in passes(media, stream, *placed) {
            for (span, at) in &pass.spans {
                let (begin, end) = (span.media, span.media_at(span.shown_end(), pass.fine));
                for (from, until, text) in &packets {
                    let (from, until) = (pass.finely(*from).max(begin), pass.finely(*until).min(end));
                    let placed =
                        |ticks: i64| at.plus(Timestamp::from_ticks(ticks.saturating_sub(begin), pass.fine));
                    if from < until {
                        pieces.push(Piece { from: placed(from), until: placed(until), text: *text });
                    }
                }
            }
        }
    }
    Ok(joined(pieces))
}
