//! Opening a source: what is in it is found out once.

use super::{
    Demux, MediaInfo, Timeline, admit, corrected,
    extent::{Extent, describe, extent},
    found::Found,
    fragments::Weighed,
    header::{Header, Known},
    init,
    pool::Pool,
    stretches::Stretches,
    tags::Tagged,
};
use crate::{
    Control, ErrorKind, Limits, Result, Source,
    av::{
        avio::ReadDevice,
        demuxer::Demuxer,
        input::{Input, OpenOptions, RawChapter},
        stream::{Stream, StreamKind},
    },
    io::avio::SharedReader,
    mp4,
    time::Timestamp,
};
use bytes::Bytes;
use std::sync::{Arc, OnceLock};

/// libav reads 5,000,000 bytes for the parameters of streams (`probesize`), and the packet that is behind
/// them.
const PROBED: u64 = 5 << 20;
/// At the end it looks for the last times: in 250,000 bytes (DURATION_MAX_READ_SIZE), and a search a bit
/// before.
const TAIL: u64 = 384 << 10;

/// What is known of an opened source.
pub(super) struct Inner {
    pub source: Source,
    pub demuxer: Demuxer,
    pub options: OpenOptions,
    pub streams: Vec<Stream>,
    /// Sound that is counted by its blocks: its container tells another time.
    pub miscounted: Vec<usize>,
    pub timelines: Vec<Timeline>,
    pub chapters: Vec<RawChapter>,
    pub metadata: Vec<(String, String)>,
    /// On the file's clock.
    pub start: Timestamp,
    /// On the presentation clock.
    pub end: Option<Timestamp>,
    pub fragmented: bool,
    /// The index points past the end of the file.
    pub cut_short: bool,
    /// Or not all samples that it names can be found.
    pub damaged: bool,
    /// Boxes of it name places in the file that tables can't serve for.
    pub names_places: bool,
    /// What is wrong with it, though it opens.
    pub warnings: Vec<String>,
    pub info: MediaInfo,
    pub bytes_read: u64,
    pub pool: Arc<Pool>,
    /// What tables say of all samples, read when it is asked for; none where they can't serve.
    pub movie: OnceLock<Option<Arc<mp4::Movie>>>,
    /// Of a far one in fragments: which of them a range needs is found when it is asked for.
    pub stretches: Option<Stretches>,
}

/// `known`: others like it that were opened before.
pub(super) fn open(source: Source, known: Option<&mut Known>, control: &Control) -> Result<Inner> {
    control.check()?;
    let most = control.get_limits().input_bytes;
    Limits::hold(source.len().unwrap_or(0), most, "input_bytes", || {
        format!("the source has more than {most} bytes")
    })?;
    let (source, found) = Found::of(source, control)?;
    let demuxer = found.demuxer.allowed()?;
    open_as(source, Found { demuxer, ..found }, known, control)
}

pub(super) fn open_as(
    source: Source,
    found: Found,
    known: Option<&mut Known>,
    control: &Control,
) -> Result<Inner> {
    let Found { demuxer, promise, head, bytes_read: probed } = found;
    let Index { tables, weighed, movie, stretches, names_places, bytes_read: of_index } =
        Index::of(&source, &head, demuxer, control)?;
    let options = OpenOptions {
        ignore_edit_lists: tables.is_some(),
        raw: tables.is_some(),
        weighed,
        // One more than allowed, so that a source with more is seen to have them.
        max_streams: control.get_limits().streams.saturating_add(1),
    };
    let Begun { mut context, header, mut streams, movie, bytes_read: of_codecs } =
        Begun::of(&source, demuxer, options, movie, known, control)?;
    if let Some(demux) = &mut context {
        demux.expect(promise);
    }
    let entries = Entries::of(context.as_ref(), &streams, movie.as_ref());
    corrected::streams(context.as_mut(), demuxer, &mut streams, control)?;
    let told = corrected::miscounted(context.as_mut(), demuxer, &streams, control)?;
    let miscounted: Vec<usize> = told.iter().filter(|told| told.counts).map(|told| told.stream).collect();
    if let Some(demux) = &mut context {
        demux.count_blocks(miscounted.iter().copied());
    }
    let fragmented = tables.as_ref().is_some_and(|tables| tables.fragmented);
    let mut timelines = timelines(&entries, &streams, tables.as_ref());
    for (i, timeline) in timelines.iter().enumerate().filter(|_| options.raw && !fragmented) {
        admit::repeats(i, timeline, entries.last(i), entries.samples(i), control)?;
    }
    let first = |i: usize| streams.get(i).and_then(|stream| init::first_shown(movie.as_ref()?, stream));
    let first: Option<Vec<_>> =
        movie.as_ref().filter(|_| fragmented).map(|_| (0..streams.len()).map(first).collect());
    let of_streams = (&*streams, &*timelines);
    let (of_tables, first) = (tables.as_ref(), first.as_deref());
    let extent = extent(context.as_mut(), &header, demuxer, of_streams, of_tables, first, control)?;
    // It may have read on.
    let mut header = context.as_ref().map_or(header, Header::of);
    let Extent { start, end, .. } = extent;
    header.show_chapters(&streams, &timelines);
    header.end_chapters(end.map(|end| end.plus(start)));
    if start < Timestamp::ZERO {
        // Composition that begins before 0 is shown, where no edit list says otherwise.
        let edited = |stream: &Stream| tables.as_ref().is_some_and(|tables| tables.is_edited(stream.id()));
        let plain = timelines.iter_mut().zip(&streams).filter(|(_, stream)| !edited(stream));
        plain.for_each(|(timeline, _)| timeline.begin_at(start));
    }
    let mut info = describe(&source, demuxer, &header, &streams, &timelines, &extent);
    let is_indexed = options.raw && !fragmented;
    let ends = source.len().zip(entries.end.filter(|_| is_indexed));
    let missing = ends.filter(|(len, due)| len < due);
    let mut warnings = if is_indexed { index_gaps(&entries, &streams) } else { Vec::new() };
    let damaged = missing.is_some() || !warnings.is_empty();
    warnings.extend(source.len().zip(promise).and_then(|(len, promise)| promise.broken_by(len)));
    warnings.extend(missing.map(|(len, due)| {
        format!(
            "the file was cut short: its index names media up to byte {due}, and there are {len}; what lies before can be used"
        )
    }));
    warnings.extend(tables.as_ref().and_then(other_speeds));
    warnings.extend(told.into_iter().map(|told| told.warning));
    info.warnings.clone_from(&warnings);
    let read_before = probed.saturating_add(of_index).saturating_add(of_codecs);
    let of_context = context.as_mut().map_or(0, |demux| {
        demux.reader.rest();
        demux.take_bytes_read()
    });
    let bytes_read = of_context.saturating_add(read_before);
    let inner = Inner {
        chapters: header.chapters,
        metadata: header.metadata,
        source,
        demuxer,
        options,
        streams,
        miscounted,
        timelines,
        start,
        end,
        fragmented,
        cut_short: missing.is_some(),
        damaged,
        names_places,
        warnings,
        info,
        bytes_read,
        pool: Arc::default(),
        movie: OnceLock::new(),
        stretches: stretches.filter(|_| movie.is_some()),
    };
    if let Some(movie) = movie.filter(|_| !fragmented) {
        inner.set_movie(movie);
    }
    if let Some(demux) = context {
        inner.pool.put(demux);
    }
    Ok(inner)
}

impl Inner {
    /// Keeps what tables say, if they can serve for copies as well.
    fn set_movie(&self, movie: Arc<mp4::Movie>) {
        let serves = !self.damaged && init::serves_copies(&movie, &self.streams);
        self.movie.get_or_init(|| Some(movie).filter(|_| serves));
    }
}

/// A source whose codecs are known.
struct Begun {
    /// None where tables say all else: it is opened when packets are asked for.
    context: Option<Demux>,
    header: Header,
    streams: Vec<Stream>,
    /// Those tables: libav knows nothing of samples.
    movie: Option<Arc<mp4::Movie>>,
    bytes_read: u64,
}

impl Begun {
    fn of(
        source: &Source,
        demuxer: Demuxer,
        options: OpenOptions,
        movie: Option<Arc<mp4::Movie>>,
        known: Option<&mut Known>,
        control: &Control,
    ) -> Result<Self> {
        let read = |demux: &Demux| -> Result<(Vec<Stream>, Header)> {
            let all = (0..demux.input.stream_count()).map(|i| demux.input.stream(i));
            let (all, header) = (all.collect::<Result<Vec<_>>>()?, Header::of(demux));
            admit::streams(&all, &header, control)?;
            Ok((all, header))
        };
        let mut bytes_read = 0;
        let init = match &movie {
            Some(movie) => init_of(source, movie, &mut bytes_read, control)?,
            None => None,
        };
        if let Some((init, movie)) = init.zip(movie) {
            let of_known = known.as_ref().map_or(Ok(None), |known| known.again(&init))?;
            let (mut streams, header) = match of_known {
                Some(of_known) => of_known,
                None => {
                    let init = Bytes::from(init);
                    let demux = context(&Source::from_bytes(init.clone()), demuxer, options, control)?;
                    let (streams, header) = read(&demux)?;
                    if let Some(known) = known {
                        known.note(init, &streams, &header)?;
                    }
                    (streams, header)
                }
            };
            let header = Header { duration: init::stated(&movie), ..header };
            // What its header does not tell of a codec, its samples do.
            if !streams.iter().any(lacks) && init::tell(&movie, &mut streams) {
                return Ok(Self { context: None, header, streams, movie: Some(movie), bytes_read });
            }
        }
        let demux = context(source, demuxer, options, control)?;
        let (mut streams, header) = read(&demux)?;
        if options.raw {
            let refined = refine(source, demuxer, options, &mut streams, control)?;
            bytes_read = bytes_read.saturating_add(refined);
        }
        Ok(Self { context: Some(demux), header, streams, movie: None, bytes_read })
    }
}

/// What libav is shown in place of a file, and adds what of a far one is read for it. None if it is to see the file.
fn init_of(
    source: &Source,
    movie: &mp4::Movie,
    bytes_read: &mut u64,
    control: &Control,
) -> Result<Option<Vec<u8>>> {
    let Some(shown) = init::serves(movie) else { return Ok(None) };
    let mut reader = None;
    let mut read = |at: u64, into: &mut [u8]| {
        control.check()?;
        let reader = reader.get_or_insert_with(|| source.reader());
        mp4::exactly(|at, into| reader.read(at, into, control), at, into)
    };
    let init = init::of(movie, &shown, &mut read);
    *bytes_read = reader.as_mut().map_or(0, |reader| reader.take_fetched());
    match init {
        // libav may make something of samples that can't be read.
        Err(error) if error.kind() == ErrorKind::Corrupt => Ok(None),
        init => init.map(Some),
    }
}

/// What an index has of each stream: by libav's, or by tables that it was not given.
struct Entries {
    /// Samples, and when the last one is decoded.
    streams: Vec<(u64, Option<i64>)>,
    /// Where the last one of all ends in the file.
    end: Option<u64>,
}

impl Entries {
    fn of(context: Option<&Demux>, streams: &[Stream], movie: Option<&Arc<mp4::Movie>>) -> Self {
        let Some(movie) = movie else {
            let input = context.map(|demux| &demux.input);
            let of = |i| input.map_or((0, None), |input| (input.index_len(i), input.last_indexed(i)));
            let end = input.and_then(Input::index_end);
            return Self { streams: (0..streams.len()).map(of).collect(), end };
        };
        let last = |stream: &Stream| {
            let samples = init::samples_of(movie, stream)?;
            Some((samples, samples.walk(samples.count().checked_sub(1)?).next()?))
        };
        let ends = streams.iter().filter_map(last);
        let ends = ends.map(|(_, last)| last.place.saturating_add(last.size.into()));
        let of = |stream: &Stream| {
            last(stream).map_or((0, None), |(samples, last)| (samples.count().into(), Some(last.decode)))
        };
        Self { end: ends.max(), streams: streams.iter().map(of).collect() }
    }

    fn samples(&self, stream: usize) -> u64 {
        self.streams.get(stream).map_or(0, |(samples, _)| *samples)
    }

    fn last(&self, stream: usize) -> Option<i64> {
        self.streams.get(stream).and_then(|(_, last)| *last)
    }
}

/// What an MP4's own tables say, before libav reads them.
struct Index {
    movie: Option<Arc<mp4::Movie>>,
    stretches: Option<Stretches>,
    tables: Option<mp4::Tables>,
    /// Its fragments are weighed as they are read.
    weighed: bool,
    /// Boxes name places in the file, and not so that a copy by tables can say them anew.
    names_places: bool,
    bytes_read: u64,
}

impl Index {
    /// Weighs and reads them. Of other containers there is nothing.
    /// `head`: the source's first bytes.
    fn of(source: &Source, head: &[u8], demuxer: Demuxer, control: &Control) -> Result<Self> {
        let is_far = !source.is_near();
        if !demuxer.is_mov() || !source.is_seekable() {
            let weighed = demuxer.is_mov() && is_far;
            let names_places = false;
            return Ok(Self {
                movie: None,
                stretches: None,
                tables: None,
                weighed,
                names_places,
                bytes_read: 0,
            });
        }
        let mut reader = source.reader();
        let mut read = |at: u64, into: &mut [u8]| {
            control.check()?;
            let from = usize::try_from(at).ok();
            if let Some(here) = from.and_then(|from| head.get(from..from.checked_add(into.len())?)) {
                into.copy_from_slice(here);
                return Ok(());
            }
            mp4::exactly(|at, into| reader.read(at, into, control), at, into)
        };
        let len = source.len().unwrap_or(0);
        // One that can't be meant, libav may make something of.
        let movie = match mp4::Movie::read(&mut read, len, control.get_limits()) {
            Err(error) if error.kind() != ErrorKind::Corrupt => return Err(error),
            movie => movie.ok().flatten(),
        };
        let names_places = movie.as_ref().is_some_and(|movie| movie.names_places);
        let none = mp4::Movie::default();
        let mut read = movie.as_ref().unwrap_or(&none).in_front_of(&mut read);
        // Of a source that is far away each fragment costs a request.
        let using = mp4::Use { fragments: !is_far, expands: false };
        let segments = mp4::weigh(&mut read, len, control.get_limits(), using)?;
        // An index may be out of date, or lead libav to fragments that no box holds.
        let weighed = is_far || !mp4::lead_to_boxes(&mut read, len, &segments, control.get_limits())?;
        let tables = match movie.as_ref().and_then(mp4::Tables::of) {
            None => mp4::Tables::read(&mut read, len)?,
            tables => tables,
        };
        drop(read);
        let is_whole = tables.as_ref().is_some_and(|tables| !tables.fragmented);
        let (movie, stretches) = match movie {
            Some(movie) if is_whole && !movie.fragmented && (is_far || !weighed) => {
                (Some(Arc::new(movie)), None)
            }
            // libav would go through all of it.
            Some(movie) if is_far && movie.fragmented => {
                let begun = match Stretches::begin(&mut reader, movie, control) {
                    Err(error) if error.kind() != ErrorKind::Corrupt => return Err(error),
                    begun => begun.ok().flatten(),
                };
                (begun.as_ref().map(|begun| begun.first().clone()), begun)
            }
            _ => (None, None),
        };
        Ok(Self { movie, stretches, tables, weighed, names_places, bytes_read: reader.take_fetched() })
    }
}

/// How each stream lies on the presentation clock.
fn timelines(entries: &Entries, streams: &[Stream], tables: Option<&mp4::Tables>) -> Vec<Timeline> {
    let timeline = |(i, stream): (usize, &Stream)| {
        let plain = Timeline::plain(stream.time_base());
        let edited = tables.filter(|_| !stream.is_picture()).and_then(|t| t.track(stream.id()).zip(Some(t)));
        let Some((track, tables)) = edited else { return plain };
        let stated = i64::try_from(track.media_duration).unwrap_or(i64::MAX);
        let is_plain = track.shown_by_edits().is_none() && track.times.is_none();
        if is_plain && entries.last(i) >= Some(stated) {
            // The header's duration is too short for the samples that there are.
            return plain;
        }
        Timeline::from_edits(track, tables.movie_scale, tables.fragmented, stream.time_base())
    };
    streams.iter().enumerate().map(timeline).collect()
}

/// Stretches that an edit list plays faster, slower or not at all.
fn other_speeds(tables: &mp4::Tables) -> Option<String> {
    let mut edits = tables.tracks.iter().flat_map(|track| track.edits.iter().flatten());
    edits
        .any(|edit| edit.media.is_some() && !edit.plain)
        .then(|| "an edit list plays a stretch at another speed; it is taken at its own".into())
}

/// libav leaves samples with absurd sizes or times out of its index, and goes on.
fn index_gaps(entries: &Entries, streams: &[Stream]) -> Vec<String> {
    let gap = |(i, stream): (usize, &Stream)| {
        let (indexed, counted) = (entries.samples(i), stream.frames());
        // Runs of uncompressed samples are one entry of the index.
        let comparable = stream.is_blind() && !stream.codec().starts_with("pcm_");
        (comparable && indexed < counted)
            .then(|| format!("stream {i}: the index is damaged: {indexed} of {counted} packets can be found"))
    };
    streams.iter().enumerate().filter_map(gap).collect()
}

/// MP4's header tells muxers enough of most codecs that are never looked into. Of others, such as VP9, it
/// does not tell the pixel format or the profile, and of MPEG-4 part 2 and H.263 libav leaves the size to the
/// decoder (mov.c: mov_read_trak): a context of its own looks into their first packets. Returns the bytes
/// that it read.
fn refine(
    source: &Source,
    demuxer: Demuxer,
    options: OpenOptions,
    streams: &mut [Stream],
    control: &Control,
) -> Result<u64> {
    if !streams.iter().any(lacks) {
        return Ok(0);
    }
    let mut probed = context(source, demuxer, OpenOptions { raw: false, ..options }, control)?;
    for (i, stream) in streams.iter_mut().enumerate().filter(|(_, stream)| lacks(stream)) {
        *stream = probed.input.stream(i)?;
    }
    Ok(probed.take_bytes_read())
}

/// Whether a look into its packets tells more of a stream than its header.
fn lacks(stream: &Stream) -> bool {
    let played = matches!(stream.kind(), StreamKind::Video | StreamKind::Audio) && !stream.is_hidden();
    played && (stream.lacks_shape() || !(stream.is_picture() || stream.is_blind()))
}

/// Opens one demuxer context.
pub(super) fn context(
    source: &Source,
    demuxer: Demuxer,
    options: OpenOptions,
    control: &Control,
) -> Result<Demux> {
    let reader = SharedReader::new(source);
    let device: Box<dyn ReadDevice> = match options.weighed {
        true => Box::new(Weighed::new(reader.clone())),
        false => Box::new(Tagged::new(reader.clone(), demuxer, control.get_limits())),
    };
    let searched = source.len().filter(|_| demuxer.is_searched());
    if let Some(len) = searched {
        // All that libav looks at to know its streams and its length, at once.
        let tail = len.saturating_sub(TAIL);
        reader.prefetch(&[0..PROBED.min(tail), tail..len], control)?;
    }
    let mut input = Input::open(device, demuxer, options, control.clone())?;
    // That decodes with no limit of pixels; these have all they need in their headers.
    if !options.raw && !demuxer.is_animation() {
        input.find_stream_info()?;
    }
    Demux::new(input, reader, source.clone(), options.raw, demuxer)
}
