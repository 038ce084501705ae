//! An output that is written by MP4's own tables.

use super::{
    Device, Layout, Target,
    model::{Held, Modelled},
};
use crate::{
    Error, ErrorKind, Media, Report, Result, Road, Rope, Source, Strip, TimeRange,
    av::stream::{Stream, StreamKind},
    mp4::{self, Description, Movie},
    output::{
        clock::Clock,
        edits::{FINEST, gcd},
        index::{Index, Taken, description_of, whole},
        numbering::Extent,
        track::Track,
    },
    time::{Rational, Timestamp},
};
use std::sync::Arc;

/// How an output is to be opened by tables.
pub(crate) struct Opening<'a> {
    pub road: Road,
    /// What will be taken of the source.
    pub ranges: &'a [TimeRange],
    pub held: Held<'a>,
}

/// The source that an index was begun with.
pub(super) struct Begun {
    media: Media,
    movie: Arc<Movie>,
    extent: Extent,
    allow_drops: bool,
    /// It had chapters.
    is_parted: bool,
}

/// What an index is made of: a movie whose boxes the result has, with a track for each of some streams.
struct Boxes {
    movie: Arc<Movie>,
    /// They are the source's own.
    is_own: bool,
    tracks: Vec<Modelled>,
}

impl Target {
    /// Opens the output for a source of whose samples in these ranges its tables tell, with a track for each of its
    /// streams. False where they can't serve: then nothing has happened.
    pub(crate) fn open_tables(
        &mut self,
        media: &Media,
        opening: &Opening<'_>,
        report: &mut Report,
    ) -> Result<bool> {
        let Some(movie) = self.tables_of(media, opening.road, opening.ranges, report)? else {
            return Ok(false);
        };
        let boxes = match self.is_of_kind(&movie) {
            true => self.own_boxes(media, &movie, report)?,
            false => self.boxes_of_kind(media, &movie, &opening.held, report)?,
        };
        let Some(boxes) = boxes else { return Ok(false) };
        for (i, stream) in media.streams().iter().enumerate().filter(|(_, stream)| stream.is_picture()) {
            // Those in boxes have no track.
            if movie.number_of(stream.id()).is_some() {
                report.leave_out(i, stream.codec(), "pictures of chapters are not cut or joined");
            }
        }
        warn_of_unknown(if boxes.is_own { &boxes.movie } else { &movie }, media, report);
        let streams = boxes.tracks.iter().filter_map(|of| Some((of, media.streams().get(of.stream)?)));
        let base = |stream: &Stream, of: &Modelled| {
            let times = movie.tracks.get(of.source).map_or(1, mp4::Track::finer);
            let base = stream.time_base();
            Rational { den: base.den.saturating_mul(times.cast_signed()), ..base }
        };
        let track = |(index, (of, stream)): (usize, (&Modelled, &Stream))| Track {
            index,
            clock: Clock::new(
                stream.kind(),
                base(stream, of),
                stream.sample_rate(),
                stream.frame_size(),
                self.muxer.allows_equal_dts(),
            ),
            packets: 0,
            unseen: false,
            later: Timestamp::ZERO,
            sparse: stream.kind() == StreamKind::Subtitle,
            numbers: None,
            held: None,
            head: Vec::new(),
        };
        let tracks: Vec<Track> = streams.clone().enumerate().map(track).collect();
        let numbers = streams.map(|(of, stream)| (of.own, base(stream, of).den.unsigned_abs()));
        let limits = *self.control.get_limits();
        let mut index = Index::new(boxes.movie.clone(), media.source().clone(), numbers, limits);
        if !boxes.is_own {
            index.take_as_model();
        }
        self.tracks = tracks;
        self.templates = boxes.tracks.iter().map(|of| of.stream).collect();
        self.chapters = opening.held.chapters.to_vec();
        self.index = Some(Box::new(index));
        self.begun = Some(Begun {
            media: media.clone(),
            movie,
            extent: opening.held.extent,
            allow_drops: opening.held.allow_drops,
            is_parted: !opening.held.chapters.is_empty(),
        });
        report.road = Some(Road::Tables);
        media.source().check_unchanged()?;
        Ok(true)
    }

    /// Takes all of a source whose samples its tables tell: what it is made of stays as it is, but for where
    /// chunks lie. False where its tables can't serve.
    pub(crate) fn take_whole(&mut self, media: &Media, road: Road, report: &mut Report) -> Result<bool> {
        let movie = self.tables_of(media, road, &[TimeRange::ALL], report)?;
        let Some(movie) = movie.filter(|movie| self.is_of_kind(movie)) else { return Ok(false) };
        let Some(movie) = self.as_told(media, &movie, report)? else { return Ok(false) };
        media.source().check_unchanged()?;
        self.finished = whole(&movie, media.source(), report, &self.control)?;
        report.road = Some(if self.finished.is_some() { Road::Tables } else { Road::Libav });
        Ok(self.finished.is_some())
    }

    /// What a source's tables say, if they can serve here for all of these ranges; of the first of them.
    fn tables_of(
        &self,
        media: &Media,
        road: Road,
        ranges: &[TimeRange],
        report: &mut Report,
    ) -> Result<Option<Arc<Movie>>> {
        if self.edit_lists && media.demuxer().is_mov() {
            report.road = Some(Road::Libav);
        }
        let takes = matches!(self.device, Device::Rope(_)) && self.layout == Layout::Indexed;
        if road != Road::Tables || !takes || !self.edit_lists || !self.extra.is_empty() {
            return Ok(None);
        }
        let mut movie = None;
        for range in ranges {
            let Some(found) = media.movie(*range, report, &self.control)? else {
                if media.names_places() {
                    report.warn(
                        "what some of its boxes name by a place in the file is left out, as that can't be said anew: items \
                         (iloc), or what samples have besides (saio)",
                    );
                }
                return Ok(None);
            };
            movie.get_or_insert(found);
        }
        Ok(movie)
    }

    /// A movie's own boxes, of what is to be told of them.
    fn own_boxes(&self, media: &Media, movie: &Arc<Movie>, report: &mut Report) -> Result<Option<Boxes>> {
        let Some(told) = self.as_told(media, movie, report)? else { return Ok(None) };
        let streams = media.streams().iter().enumerate().filter(|(_, stream)| !stream.is_picture());
        let tracks = streams.filter_map(|(stream, it)| {
            Some(Modelled { stream, source: movie.number_of(it.id())?, own: told.number_of(it.id())? })
        });
        Ok(Some(Boxes { tracks: tracks.collect(), is_own: true, movie: told }))
    }

    /// The boxes that libav's muxer has for a source of another kind. None, and nothing but what was read is reported,
    /// where it has to see all packets for them.
    fn boxes_of_kind(
        &self,
        media: &Media,
        movie: &Movie,
        held: &Held<'_>,
        report: &mut Report,
    ) -> Result<Option<Boxes>> {
        let mut made = report.clone();
        let Some(model) = self.model_if_any(media, movie, held, &mut made)? else {
            report.bytes_read = made.bytes_read;
            return Ok(None);
        };
        *report = made;
        self.tell_lost_tags(media, &model, report);
        Ok(Some(Boxes { movie: model.movie, is_own: false, tracks: model.tracks }))
    }

    /// A movie of the output's own kind, as it is to be told. None where a track's tables can't be meant.
    fn as_told(&self, media: &Media, movie: &Arc<Movie>, report: &mut Report) -> Result<Option<Arc<Movie>>> {
        let movie = match self.strip {
            Strip::Nothing => Some(movie.clone()),
            _ => self.stripped(movie, report),
        };
        let Some(movie) = movie else { return Ok(None) };
        let mut reader = media.source().reader();
        let mut read = |at: u64, into: &mut [u8]| {
            mp4::exactly(|at, into| reader.read(at, into, &self.control), at, into)
        };
        let unknown = movie.may_name_places(&mut read)?;
        report.bytes_read = report.bytes_read.saturating_add(reader.take_fetched());
        if !unknown.is_empty() {
            report.warn(format!(
                "of {} nobody knows whether it names places in the file: it is kept as it is, and they are others now",
                unknown.join(", ")
            ));
        }
        if movie.left_out > 0 {
            report.warn(format!(
                "{} of the file's own boxes are left out: those behind the first {}, what ends beyond the file, and \
                 what is said of one fragment (emsg)",
                movie.left_out,
                movie.others.len()
            ));
        }
        Ok(Some(movie))
    }

    /// A movie without what is not to be told. None where its tables can't be meant.
    fn stripped(&self, movie: &Movie, report: &mut Report) -> Option<Arc<Movie>> {
        let (movie, left_out) = movie.stripped(self.strip)?;
        for what in left_out.iter().filter(|_| self.strip == Strip::Location) {
            report.warn(format!("{what} is left out: it may tell where the source was recorded"));
        }
        Some(Arc::new(movie))
    }

    /// Nothing is open any more.
    pub(crate) fn close_tables(&mut self) {
        (self.index, self.begun) = (None, None);
        self.tracks.clear();
        self.templates.clear();
        self.chapters.clear();
    }

    /// The tables of another source that follows, which streams go into which tracks: their ticks become as fine as
    /// both sources need. None if that can't be.
    pub(crate) fn continues_tables(
        &mut self,
        media: &Media,
        pairs: impl Iterator<Item = (usize, usize)>,
        report: &mut Report,
    ) -> Result<Option<Arc<Movie>>> {
        let movie = media.movie(TimeRange::ALL, report, &self.control)?;
        let Some(movie) = movie.filter(|_| self.index.is_some()) else { return Ok(None) };
        let pairs: Vec<(usize, usize)> = pairs.collect();
        let Some(described) = self.described_of(media, &movie, &pairs, report)? else { return Ok(None) };
        let Some(index) = &mut self.index else { return Ok(None) };
        index.describe(media.source(), described);
        for (track, stream) in pairs {
            let (Some(track), Some(stream)) = (self.tracks.get_mut(track), media.streams().get(stream))
            else {
                continue;
            };
            if stream.is_picture() {
                continue;
            }
            let theirs = movie.number_of(stream.id()).and_then(|number| movie.tracks.get(number));
            if theirs.is_some_and(|theirs| !index.can_go_on(track.index, theirs)) {
                return Ok(None);
            }
            let (own, theirs) = (track.clock.base().den, stream.time_base().den);
            let Some(times) = finer(own, theirs) else { return Ok(None) };
            if times > 1 {
                if !index.refine(track.index, times) {
                    return Ok(None);
                }
                track.clock.refine(times);
            }
        }
        warn_of_unknown(&movie, media, report);
        Ok(Some(movie))
    }

    /// What a further source's samples are described by on the output's tracks, where not by its own descriptions.
    /// None where its tables can't serve.
    fn described_of(
        &self,
        media: &Media,
        movie: &Movie,
        pairs: &[(usize, usize)],
        report: &mut Report,
    ) -> Result<Option<Vec<Option<Description>>>> {
        let (Some(index), Some(begun)) = (&self.index, &self.begun) else { return Ok(None) };
        let mut all = vec![None; self.tracks.len()];
        let is_of_kind = self.is_of_kind(movie);
        let is_own = is_of_kind && index.has_own_boxes();
        let mut model = None;
        for (track, stream) in pairs {
            let Some(it) = media.streams().get(*stream).filter(|stream| !stream.is_picture()) else {
                continue;
            };
            let own = movie.number_of(it.id()).and_then(|number| movie.tracks.get(number));
            let Some(own) = own.filter(|own| is_own || self.takes_as_it_is(it, own)) else { return Ok(None) };
            let keeps = is_of_kind && own.descriptions.iter().all(|own| index.reads_name(*track, own.kind));
            let like = self.templates.get(*track).and_then(|like| begun.media.streams().get(*like));
            let description = match like {
                _ if is_own && keeps => continue,
                Some(like) if are_described_alike(like, it) => index.description(*track),
                _ if keeps => continue,
                _ if is_of_kind => None,
                _ => {
                    if model.is_none() {
                        let held = Held { extent: Extent::Several, chapters: &[], allow_drops: true };
                        // What is left out of it is told by who compares the streams.
                        let mut unheard = Report::default();
                        model = self.model_if_any(media, movie, &held, &mut unheard)?;
                        report.bytes_read = report.bytes_read.saturating_add(unheard.bytes_read);
                    }
                    let model = model.as_ref();
                    let of = model.and_then(|model| model.tracks.iter().find(|of| of.stream == *stream));
                    let made = of.zip(model).and_then(|(of, model)| description_of(&model.movie, of.own));
                    made.filter(|made| index.reads_name(*track, made.kind))
                }
            };
            let Some(description) = description else { return Ok(None) };
            if let Some(place) = all.get_mut(*track) {
                *place = Some(description);
            }
        }
        Ok(Some(all))
    }

    /// What the samples of the first source on a track are described by, where that is one description.
    pub(crate) fn description(&self, track: usize) -> Option<Description> {
        self.index.as_ref().and_then(|index| index.description(track))
    }

    /// Says something else of all samples of a track that are described so.
    pub(crate) fn redescribe(&mut self, track: usize, known: &Description, by: Description) {
        if let Some(index) = &mut self.index {
            index.redescribe(track, known, by);
        }
    }

    /// Lets all samples of a track so far be composed later.
    pub(crate) fn delay(&mut self, track: usize, by: i64) {
        if let (Some(index), Some(track)) = (&mut self.index, self.tracks.get_mut(track))
            && index.delay(track.index, by)
        {
            track.clock.delay(by);
        }
    }

    /// Whether samples come to it by tables, and not packets.
    pub(crate) fn takes_samples(&self) -> bool {
        self.index.is_some()
    }

    /// What is appended from here on is of several sources and lies side by side, until
    /// [`end_beside`](Self::end_beside).
    pub(crate) fn begin_beside(&mut self) {
        if let Some(index) = &mut self.index {
            index.begin_beside();
        }
    }

    pub(crate) fn end_beside(&mut self, report: &mut Report) -> Result<()> {
        self.index.as_mut().map_or(Ok(()), |index| index.end_beside(report, &self.control))
    }

    /// The result of samples that came by tables. Which chapters it has is known now: where the boxes are the muxer's,
    /// it lists them, and has a track of them.
    pub(super) fn end_tables(&mut self, mut index: Index, report: &mut Report) -> Result<Rope> {
        if let Some(begun) = self.begun.take()
            && !index.has_own_boxes()
            && (begun.is_parted || !self.chapters.is_empty())
        {
            let (extent, allow_drops) = (begun.extent, begun.allow_drops);
            let held = Held { extent, chapters: &self.chapters, allow_drops };
            let mut unheard = Report::default();
            let model = self.model(&begun.media, &begun.movie, &held, &mut unheard)?;
            report.bytes_read = report.bytes_read.saturating_add(unheard.bytes_read);
            let model = model.ok_or_else(|| Error::new(ErrorKind::Bug, "chapters changed what a file is"))?;
            index.replace_boxes(model.movie, Source::from_rope(model.file), &self.control)?;
        }
        index.into_rope(&self.tracks, &self.chapters, report)
    }

    /// Puts samples behind what is there.
    pub(crate) fn append(&mut self, source: &Source, taken: Vec<Taken>, report: &mut Report) -> Result<()> {
        match &mut self.index {
            Some(index) => index.append(source, taken, report, &self.control),
            None => Err(Error::new(ErrorKind::Bug, "samples for an output of packets")),
        }
    }
}

/// How many times as fine a clock has to be for another one's ticks to be whole numbers of its own.
fn finer(own: i32, other: i32) -> Option<i32> {
    let common = i32::try_from(gcd(own.unsigned_abs().into(), other.unsigned_abs().into())).ok()?;
    let times = other.checked_div(common)?;
    let fits = own.checked_mul(times).and_then(|scale| u64::try_from(scale).ok());
    Some(times).filter(|times| *times == 1 || fits.is_some_and(|scale| scale <= FINEST))
}

/// Whether one description says of both streams what they are. The codec, the size and the rate are compared by who
/// joins them. (Names may differ: hvc1 and hev1, and what QuickTime calls sound. Of text of chapters the rest is how
/// they would look.)
fn are_described_alike(one: &Stream, other: &Stream) -> bool {
    if one.is_hidden() && other.is_hidden() {
        return one.tag() == other.tag();
    }
    one.extradata() == other.extradata()
}

/// A movie's tracks may be of streams that libav does not have.
fn warn_of_unknown(movie: &Movie, media: &Media, report: &mut Report) {
    for (number, track) in movie.tracks.iter().enumerate() {
        let has_samples = track.samples.as_ref().is_ok_and(|samples| samples.count() > 0);
        let is_known = |stream: &Stream| movie.number_of(stream.id()) == Some(number);
        if has_samples && !media.streams().iter().any(is_known) {
            let name = media.source().name();
            report.warn(format!("{name}: track {} is left out: libav has no stream for it", track.id));
        }
    }
}

impl Target {
    /// Whether a file may stay what it is in this container: QuickTime's sample descriptions are others than ISO's, and
    /// what is smaller than MP4 has rules of its own.
    fn is_of_kind(&self, movie: &Movie) -> bool {
        let brand = movie.brands.as_ref().and_then(mp4::major_brand).unwrap_or(*b"qt  ");
        match self.name.as_str() {
            "mov" | "qt" => brand == *b"qt  ",
            "mp4" => {
                const OTHERS: [&[u8]; 7] = [b"qt", b"M4A", b"M4B", b"M4V", b"f4v", b"3g", b"avi"];
                !OTHERS.iter().any(|other| brand.starts_with(other))
            }
            "m4a" | "ipod" => brand == *b"M4A ",
            "m4v" => brand == *b"M4V ",
            _ => false,
        }
    }
}
