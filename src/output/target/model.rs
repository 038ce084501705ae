//! What libav's muxer makes of a source's streams: the boxes that a container has around samples of another kind of
//! MP4, which come by tables.

use super::{Destination, Device, Layout, Origin, Target};
use crate::{
    Error, ErrorKind, Limits, Media, Report, Result, Rope, Source, Strip,
    av::{input::RawChapter, packet::Packet, stream::Stream},
    media::is_of_writing,
    mp4::{self, Movie},
    output::numbering::Extent,
};
use std::sync::Arc;

/// Bytes that stand for a sample which libav's muxer does not look into.
const STAND_IN: [u8; 4096] = [0; 4096];

/// What an output is to hold of a source.
pub(crate) struct Held<'a> {
    pub extent: Extent,
    /// Those that are known by now.
    pub chapters: &'a [RawChapter],
    pub allow_drops: bool,
}

/// A file that libav's muxer wrote, with one sample in each track.
pub(super) struct Model {
    pub file: Rope,
    /// What it says, its brands as well.
    pub movie: Arc<Movie>,
    /// Those of the source's streams. It may have one of chapters besides, which is complete.
    pub tracks: Vec<Modelled>,
}

/// A track of a model.
#[derive(Clone, Copy)]
pub(super) struct Modelled {
    /// The source's stream.
    pub stream: usize,
    /// Its track in the source's movie, and in the model's.
    pub source: usize,
    pub own: usize,
}

/// Codecs whose samples are the same in all kinds of MP4, and which neither libav's demuxer nor its muxer changes,
/// though they may look into them. (Not what QuickTime counts by single samples, and not text that has atoms of its
/// own there: eia_608.)
fn is_carried(stream: &Stream) -> bool {
    const LOOKED_INTO: [&str; 18] = [
        "ac3",
        "av1",
        "bin_data",
        "dnxhd",
        "dts",
        "eac3",
        "h263",
        "jpeg2000",
        "mjpeg",
        "mp2",
        "mp3",
        "mpeg1video",
        "mpeg2video",
        "png",
        "prores",
        "truehd",
        "vp8",
        "vp9",
    ];
    let codec = stream.codec();
    !codec.starts_with("pcm_") && (stream.is_blind() || LOOKED_INTO.contains(&codec.as_str()))
}

impl Target {
    /// The boxes that the result would have by libav's muxer around samples of a source, of which `movie` is the
    /// index. None where only packets can tell them, or samples would not be the same.
    pub(super) fn model(
        &self,
        media: &Media,
        movie: &Movie,
        held: &Held<'_>,
        report: &mut Report,
    ) -> Result<Option<Model>> {
        let mut muxing = Self::new(&self.name, Destination::Rope, Layout::Indexed, &self.control)?;
        muxing.set_strip(self.strip);
        let chapters = held.chapters.to_vec();
        muxing.open(media, held.extent, chapters, held.allow_drops, report)?;
        let mut tracks = Vec::new();
        for (track, stream) in muxing.templates.clone().into_iter().enumerate() {
            let Some(it) = media.streams().get(stream) else { return Ok(None) };
            let written = &mut Report::default();
            if let Some(picture) = &it.picture {
                muxing.write_cover(track, picture, written)?;
                continue;
            }
            let Some(source) = movie.number_of(it.id()) else { return Ok(None) };
            let Some(of) = movie.tracks.get(source).filter(|of| self.takes_as_it_is(it, of)) else {
                return Ok(None);
            };
            let Some((mut packet, at)) = self.first_sample(media, it, of, report)? else { return Ok(None) };
            let Some(base) = muxing.tracks.get(track).map(|track| track.clock.base()) else {
                return Ok(None);
            };
            packet.set_times(0, 0, lasts(of, packet.size(), base.den));
            packet.set_key(true);
            let origin = at.map(|at| Origin { source: media.source(), at });
            muxing.write(track, &mut packet, origin, written)?;
            if origin.is_some() && written.payload_copied > 0 {
                // The muxer keeps it otherwise.
                return Ok(None);
            }
            // movenc.c numbers its tracks by their streams, from 1.
            let id =
                muxing.tracks.get(track).and_then(|track| u32::try_from(track.index).ok()?.checked_add(1));
            tracks.push((stream, source, id));
        }
        if tracks.is_empty() {
            return Ok(None);
        }
        let (file, movie) = muxing.muxed()?;
        let of = |(stream, source, id): &(usize, usize, Option<u32>)| {
            let own = movie.tracks.iter().position(|own| Some(own.id) == *id);
            own.map(|own| Modelled { stream: *stream, source: *source, own })
        };
        let tracks: Option<Vec<Modelled>> = tracks.iter().map(of).collect();
        let Some(tracks) = tracks else { return Ok(None) };
        // A time code that it makes a track of lasts as long as the others do.
        let is_own = |number: usize| tracks.iter().any(|of| of.own == number);
        let mut others = movie.tracks.iter().enumerate().filter(|(number, _)| !is_own(*number));
        let is_whole = others.all(|(_, track)| is_chapters(&movie, track));
        Ok(is_whole.then(|| Model { file, movie: Arc::new(movie), tracks }))
    }

    /// A model, unless something is wrong with it: that is found again by packets, and told then.
    pub(super) fn model_if_any(
        &self,
        media: &Media,
        movie: &Movie,
        held: &Held<'_>,
        report: &mut Report,
    ) -> Result<Option<Model>> {
        match self.model(media, movie, held, report) {
            Err(error) if error.is_final() => Err(error),
            model => Ok(model.ok().flatten()),
        }
    }

    /// Warns of what describes a source and the muxer does not write here.
    pub(super) fn tell_lost_tags(&self, media: &Media, model: &Model, report: &mut Report) {
        if self.strip == Strip::Metadata {
            return;
        }
        let Ok(made) = Media::open_with(Source::from_rope(model.file.clone()), &self.control) else { return };
        let is_kept = |key: &str, value: &str| {
            made.metadata().iter().any(|(own, written)| own == key || written == value)
        };
        let is_meant = |key: &str| {
            let is_told = self.strip == Strip::Location && key.contains("location");
            !is_of_writing(key) && !is_told
        };
        let lost = media.metadata().iter().filter(|(key, value)| is_meant(key) && !is_kept(key, value));
        let lost: Vec<&str> = lost.map(|(key, _)| key.as_str()).collect();
        if !lost.is_empty() {
            report.warn(format!(
                "{} has no place for some metadata, which is left out: {}",
                self.name,
                lost.join(", ")
            ));
        }
    }

    /// What the muxer wrote.
    fn muxed(mut self) -> Result<(Rope, Movie)> {
        self.end(&mut Report::default())?;
        let Device::Rope(device) = &self.device else {
            return Err(Error::new(ErrorKind::Bug, "this is no rope"));
        };
        let rope = device.take().finish();
        let mut reader = rope.reader();
        let read = &mut |at: u64, into: &mut [u8]| reader.read_exact_at(at, into);
        let movie = Movie::read(read, rope.len(), &Limits::unlimited())?;
        let unexpected = || Error::new(ErrorKind::Bug, "the muxer's file is not what was expected");
        Ok((rope, movie.ok_or_else(unexpected)?))
    }

    /// Whether a track's samples mean the same in this container as in their own.
    pub(super) fn takes_as_it_is(&self, stream: &Stream, track: &mp4::Track) -> bool {
        let Ok(samples) = &track.samples else { return false };
        // ISO has no table of those that decoding can begin at if what comes before them is left out (stps).
        let tells_sync = self.muxer.name() == "mov" || samples.sync.partial(0, 0).is_none();
        is_carried(stream)
            && !track.is_encrypted()
            && tells_sync
            && samples.blocks.is_none()
            && track.descriptions.len() == 1
    }

    /// What is given to the muxer as a track's first sample, and where that lies in the source, if it is that.
    fn first_sample(
        &self,
        media: &Media,
        stream: &Stream,
        track: &mp4::Track,
        report: &mut Report,
    ) -> Result<Option<(Packet, Option<u64>)>> {
        if stream.is_blind() {
            return Packet::with(&STAND_IN).map(|packet| Some((packet, None)));
        }
        let first = track.samples.as_ref().ok().and_then(|samples| samples.walk(0).next());
        let most = self.control.get_limits().packet_bytes;
        let fits = |size: u32| size > 0 && u64::from(size) <= most;
        let Some(first) = first.filter(|first| fits(first.size)) else { return Ok(None) };
        let mut bytes = vec![0; usize::try_from(first.size).unwrap_or(0)];
        let mut reader = media.source().reader();
        mp4::exactly(|at, into| reader.read(at, into, &self.control), first.place, &mut bytes)?;
        report.bytes_read = report.bytes_read.saturating_add(reader.take_fetched());
        Packet::with(&bytes).map(|packet| Some((packet, Some(first.place))))
    }
}

/// Whether others name a track as that of their chapters.
fn is_chapters(movie: &Movie, track: &mp4::Track) -> bool {
    let mut references = movie.tracks.iter().flat_map(|other| &other.references);
    references.any(|(kind, ids)| kind == b"chap" && ids.contains(&track.id))
}

/// For how many ticks of a scale so many bytes of a track last: by that the muxer finds its bit rate, which is in
/// descriptions (btrt, esds).
fn lasts(track: &mp4::Track, bytes: usize, scale: i32) -> i64 {
    let Ok(samples) = &track.samples else { return 1 };
    let all = u128::from(samples.sizes.between(0, samples.count())).saturating_mul(track.scale.into());
    let ticks = u128::try_from(samples.decoded()).unwrap_or(0).saturating_mul(scale.unsigned_abs().into());
    let ticks = ticks.saturating_mul(bytes as u128).checked_div(all).unwrap_or(1);
    i64::try_from(ticks).unwrap_or(i64::MAX).clamp(1, i32::MAX.into())
}
