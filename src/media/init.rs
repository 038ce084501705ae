//! An MP4 whose tables we read: libav gets a moov without samples, which says what the codecs are, and no index
//! of its own.

use crate::{
    Result,
    av::stream::{Indexed, Stream, StreamKind},
    mp4::{self, First, Movie, Samples, Track},
    time::{Rational, convert},
};
use bytes::Bytes;
use std::collections::BTreeSet;

/// Samples that a decoder keeps back to show them in order, at most (libavcodec's MAX_DELAY).
const MOST_DELAYED: usize = 16;

/// Pictures whose order is looked at: those of a fortnight. A number states billions.
const MOST_LOOKED_AT: u32 = 1 << 26;

/// Bytes of samples that libav is shown, at most, and titles of chapters among them: more than anybody writes.
const MOST_SHOWN: u64 = 1 << 20;
const MOST_TITLES: u32 = 1 << 14;

/// Larger ones are damage to libav, which leaves them out (mov.c: mov_build_index).
const LARGEST: u32 = 0x3fff_ffff;

/// Of each track, how many of its first samples libav reads when it opens a file, if it reads any.
pub(super) struct Shown(Vec<Option<u32>>);

/// What libav is to be shown of samples, where the tables of all tracks, with that, say what it would tell of them and
/// of the file.
pub(super) fn serves(movie: &Movie) -> Option<Shown> {
    let ids: Vec<u32> = movie.tracks.iter().map(|track| track.id).collect();
    let chapters =
        movie.tracks.iter().flat_map(|track| &track.references).filter(|(kind, _)| kind == b"chap");
    let titles: BTreeSet<u32> =
        chapters.flat_map(|(_, of)| of).copied().filter(|id| ids.contains(id)).collect();
    let mut room = MOST_SHOWN;
    let shown = movie.tracks.iter().map(|track| {
        let samples = track.samples.as_ref().ok()?;
        let timed = samples.count() == 0 || samples.decoded() > 0;
        if !track.is_plain() || !timed || track.scale == 0 || samples.sizes.largest() > LARGEST {
            return None;
        }
        // All titles (mov.c: mov_read_chapters), the first time code (mov_read_timecode_track, mov_read_rtmd_track).
        let is_code = |kind| &track.handler == kind || track.descriptions.iter().any(|own| &own.kind == kind);
        let are_titles = titles.contains(&track.id);
        if !are_titles && !is_code(b"tmcd") && !is_code(b"rtmd") {
            return Some(None);
        }
        let count = if are_titles { samples.count() } else { samples.count().min(1) };
        let bytes = samples.sizes.between(0, count);
        room = room.checked_sub(bytes)?;
        let is_simple = track.descriptions.len() == 1 && track.is_whole && samples.blocks.is_none();
        // It reads a code of so many bytes, however long the sample is.
        let is_enough = are_titles || bytes == 0 || bytes >= if is_code(b"rtmd") { 18 } else { 4 };
        // Pictures of chapters are packets to it.
        (is_simple && is_enough && count <= MOST_TITLES && &track.handler != b"vide").then_some(Some(count))
    });
    Some(Shown(shown.collect::<Option<_>>()?)).filter(|_| !movie.tracks.is_empty())
}

/// Whether tables can serve for copies of all these streams: each has a track of its ticks, whose samples lie in
/// this file, and what else says where bytes lie in it can be said anew.
pub(super) fn serves_copies(movie: &Movie, streams: &[Stream]) -> bool {
    let serves = |stream: &Stream| {
        let (base, track) = (stream.time_base(), track_of(movie, stream).map(|(track, _)| track));
        base.num == 1
            && track.is_some_and(|track| u32::try_from(base.den) == Ok(track.scale) && track.can_be_copied())
    };
    let mut played = streams.iter().filter(|stream| !stream.is_picture());
    !movie.names_places && played.all(serves)
}

/// libav guesses a rate by so many of the first pictures, where they do not last equally long
/// (mov.c: mov_build_index).
const GUESSED_BY: u32 = 100;

/// What libav is given in place of the file: it says nothing of how long anything is. `read` reads the file. An error
/// for tables that can't be written anew, and for samples that can't be read.
pub(super) fn of(movie: &Movie, shown: &Shown, read: &mut mp4::Read<'_>) -> Result<Vec<u8>> {
    let mut whole = Vec::with_capacity(movie.tracks.len());
    for (track, count) in movie.tracks.iter().zip(&shown.0) {
        let samples = count.and_then(|count| Some((count, track.samples.as_ref().ok()?)));
        whole.push(samples.map(|(count, samples)| bytes_of(samples, count, read)).transpose()?);
    }
    mp4::with_first_samples(movie, |number, track| {
        if let Some(Some((count, bytes))) = whole.get(number) {
            return First::Whole(*count, bytes.clone());
        }
        First::Samples(match &track.samples {
            Ok(samples) if &track.handler == b"vide" && samples.step().is_none() => GUESSED_BY,
            _ => 0,
        })
    })
}

/// So many of a track's first samples.
fn bytes_of(samples: &Samples, count: u32, read: &mut mp4::Read<'_>) -> Result<(u32, Bytes)> {
    let mut all = Vec::new();
    for run in samples.in_chunks(0, count) {
        let begins = all.len();
        all.resize(begins.saturating_add(usize::try_from(run.bytes).unwrap_or(usize::MAX)), 0);
        if let Some(into) = all.get_mut(begins..) {
            read(run.place, into)?;
        }
    }
    Ok((count, all.into()))
}

/// How long the movie is by its header, in microseconds: where there are fragments that counts for nothing
/// (mov.c: mov_read_mvhd, mov_read_trex).
pub(super) fn stated(movie: &Movie) -> Option<i64> {
    let scale = i32::try_from(movie.scale).ok()?;
    let ticks = i64::try_from(movie.duration.filter(|_| !movie.fragmented)?).ok()?;
    Some(convert(ticks, Rational::new(1, scale)?, Rational::new(1, 1_000_000)?)).filter(|lasts| *lasts > 0)
}

/// The tables of a stream's track.
pub(super) fn samples_of<'a>(movie: &'a Movie, stream: &Stream) -> Option<&'a Samples> {
    track_of(movie, stream).map(|(_, samples)| samples)
}

/// When the first sample of a stream's track is composed, of those that a demuxer would look at.
pub(super) fn first_shown(movie: &Movie, stream: &Stream) -> Option<i64> {
    samples_of(movie, stream)?.walk(0).take(512).map(|sample| sample.composition).min()
}

fn track_of<'a>(movie: &'a Movie, stream: &Stream) -> Option<(&'a Track, &'a Samples)> {
    let track = movie.tracks.get(movie.number_of(stream.id())?)?;
    Some((track, track.samples.as_ref().ok()?))
}

/// Tells streams what libav would by its index. False if one of them is of no track.
pub(super) fn tell(movie: &Movie, streams: &mut [Stream]) -> bool {
    for stream in streams.iter_mut().filter(|stream| !stream.is_picture()) {
        let Some((track, samples)) = track_of(movie, stream) else { return false };
        let is_avc = stream.kind() == StreamKind::Video && stream.codec() == "h264";
        // The last sample of a fragment may last up to the next one.
        let count = samples.durations.samples();
        let count = if movie.fragmented { count.saturating_sub(1).max(count.min(1)) } else { count };
        let lasts = samples.decode_of(count).saturating_sub(samples.decode_of(0));
        stream.set_indexed(&Indexed {
            samples: count.into(),
            ticks: if movie.fragmented { lasts } else { samples.durations.sum() },
            stated: track.duration.map(|ticks| i64::try_from(ticks).unwrap_or(i64::MAX)),
            first: samples.walk(0).next().map(|first| first.composition),
            step: samples.step(),
            bytes: (samples.blocks.is_none() && !movie.fragmented)
                .then(|| samples.sizes.between(0, samples.count())),
            delay: is_avc.then(|| delay(samples)).flatten(),
        });
        if movie.fragmented {
            // These are those of its beginning.
            stream.set_extent(track.duration.and_then(|ticks| i64::try_from(ticks).ok()));
        }
    }
    true
}

/// How many pictures are kept back, by how far composition times are out of order (mov.c:
/// mov_estimate_video_delay).
fn delay(samples: &Samples) -> Option<u8> {
    samples.offsets.as_ref().filter(|_| samples.count() <= MOST_LOOKED_AT)?;
    let mut last = [i64::MIN; MOST_DELAYED + 1];
    let mut most = 0;
    for composition in samples.compositions() {
        // The times so far, in order; the earliest makes room.
        last.copy_within(1.., 0);
        let behind = last.iter().take(MOST_DELAYED).rev().take_while(|time| **time > composition).count();
        let at = MOST_DELAYED.saturating_sub(behind);
        if let Some(later) = last.get_mut(at..) {
            later.rotate_right(1);
            if let Some(place) = later.first_mut() {
                *place = composition;
            }
        }
        most = most.max(behind);
    }
    u8::try_from(most).ok()
}

#[cfg(test)]
mod tests {
    use crate::{
        Control, Source,
        av::{demuxer::Demuxer, input::OpenOptions},
        media::open,
        mp4::{self, Movie},
    };
    use std::{fs, path::Path};

    /// What libav says of a file whose tables it reads, and what is told it of them.
    #[test]
    fn streams_are_as_libav_has_them() {
        let footage = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/media");
        let mut count = 0;
        for folder in [footage.clone(), footage.join("cases")] {
            let Ok(found) = fs::read_dir(&folder) else {
                eprintln!("SKIPPED: {} is not there", folder.display());
                continue;
            };
            for path in found.map(|entry| entry.unwrap().path()) {
                let Ok(source) = Source::open(&path) else { continue };
                let (control, len) = (Control::default(), source.len().unwrap());
                let mut reader = source.reader();
                let mut read = |at: u64, into: &mut [u8]| {
                    mp4::exactly(|at, into| reader.read(at, into, &control), at, into)
                };
                let name = path.extension().unwrap_or_default();
                let Ok(Some(movie)) = Movie::read(&mut read, len, control.get_limits()) else { continue };
                let is_one = ["mp4", "m4a", "mov"].iter().any(|known| *known == name);
                if !is_one || movie.fragmented || super::serves(&movie).is_none() {
                    continue;
                }
                let options =
                    OpenOptions { ignore_edit_lists: true, raw: true, weighed: false, max_streams: 100 };
                let demuxer = Demuxer::probe("clip.mp4", |into| {
                    let filled = into.len().min(usize::try_from(len).unwrap());
                    read(0, &mut into[..filled]).map(|()| filled)
                });
                let demuxer = demuxer.unwrap();
                let facts = |source: &Source, movie: Option<&Movie>| {
                    let demux = open::context(source, demuxer, options, &control).unwrap();
                    let (chapters, tags) = (demux.input.chapters(), demux.input.metadata());
                    let streams = (0..demux.input.stream_count()).map(|i| demux.input.stream(i).unwrap());
                    let mut streams: Vec<_> = streams.collect();
                    assert!(movie.is_none_or(|movie| super::tell(movie, &mut streams)));
                    let facts = streams.iter().map(crate::av::stream::Stream::facts).collect::<Vec<_>>();
                    (facts, format!("{chapters:?} {tags:?}"))
                };
                let tables = mp4::Tables::read(&mut read, len).unwrap().unwrap();
                assert_eq!(
                    format!("{tables:?}"),
                    format!("{:?}", mp4::Tables::of(&movie).unwrap()),
                    "{}",
                    path.display()
                );
                let shown = super::serves(&movie).unwrap();
                let init = super::of(&movie, &shown, &mut read).unwrap();
                let told = facts(&Source::from_bytes(init), Some(&movie));
                assert_eq!(told, facts(&source, None), "{}", path.display());
                count += 1;
            }
        }
        assert!(count > 5 || !footage.exists(), "{count} files");
    }
}
