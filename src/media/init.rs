//! An MP4 whose tables we read: libav gets a moov without samples, which says what the codecs are, and no index
//! of its own.

use crate::{
    Source,
    av::stream::{Indexed, Stream, StreamKind},
    mp4::{self, Movie, Samples, Track},
};

/// Samples that a decoder keeps back to show them in order, at most (libavcodec's MAX_DELAY).
const MOST_DELAYED: usize = 16;

/// Larger ones are damage to libav, which leaves them out (mov.c: mov_build_index).
const LARGEST: u32 = 0x3fff_ffff;

/// Whether the tables of all tracks say what libav would tell of them, and of the file: what it reads of samples
/// when it opens a file are titles of chapters and time codes.
pub(super) fn serves(movie: &Movie) -> bool {
    let serves = |track: &Track| {
        let Ok(samples) = &track.samples else { return false };
        let is_read = &track.handler == b"tmcd" || track.references.iter().any(|(kind, _)| kind == b"chap");
        let timed = samples.count() == 0 || samples.decoded() > 0;
        track.is_plain() && !is_read && timed && track.scale > 0 && samples.largest() <= LARGEST
    };
    !movie.fragmented && !movie.tracks.is_empty() && movie.tracks.iter().all(serves)
}

/// What libav is given in place of the file.
pub(super) fn source(movie: &Movie) -> Source {
    Source::from_bytes(mp4::without_samples(movie))
}

/// The tables of a stream's track.
pub(super) fn samples_of<'a>(movie: &'a Movie, stream: &Stream) -> Option<&'a Samples> {
    let track = u32::try_from(stream.id()).ok().and_then(|id| movie.track(id))?;
    track.samples.as_ref().ok()
}

/// Tells streams what libav would by its index.
pub(super) fn tell(movie: &Movie, streams: &mut [Stream]) {
    for stream in streams.iter_mut().filter(|stream| !stream.is_picture()) {
        let Some(samples) = samples_of(movie, stream) else { continue };
        let is_avc = stream.kind() == StreamKind::Video && stream.codec() == "h264";
        stream.set_indexed(&Indexed {
            samples: samples.stated(),
            ticks: samples.stated_ticks(),
            first: samples.walk(0).next().map(|first| first.composition),
            step: samples.step(),
            bytes: samples.blocks.is_none().then(|| samples.bytes()),
            delay: is_avc.then(|| delay(samples)).flatten(),
        });
    }
}

/// How many pictures are kept back, by how far composition times are out of order (mov.c:
/// mov_estimate_video_delay).
fn delay(samples: &Samples) -> Option<u8> {
    samples.offsets.as_ref()?;
    let mut last = [i64::MIN; MOST_DELAYED + 1];
    let mut most = 0;
    for sample in samples.walk(0) {
        // The times so far, in order; the earliest makes room.
        last.copy_within(1.., 0);
        let behind =
            last.iter().take(MOST_DELAYED).rev().take_while(|time| **time > sample.composition).count();
        let at = MOST_DELAYED.saturating_sub(behind);
        if let Some(later) = last.get_mut(at..) {
            later.rotate_right(1);
            if let Some(place) = later.first_mut() {
                *place = sample.composition;
            }
        }
        most = most.max(behind);
    }
    u8::try_from(most).ok()
}
