//! [`Media`]: an opened source.

use super::{
    Demux, DurationFrom, MediaInfo, Timeline, admit, corrected,
    demux::Payloads,
    extent::{Extent, describe, extent},
    fragments::Weighed,
    mp4,
    pool::{Loan, Pool},
    promise::Promise,
    tags::Tagged,
};
use crate::{
    Control, Error, ErrorKind, Frame, Limits, Result, Source, TimeRange,
    av::{
        avio::ReadDevice,
        demuxer::Demuxer,
        input::{Input, OpenOptions, RawChapter},
        log,
        stream::{Stream, StreamKind},
    },
    io::{Resumed, avio::SharedReader},
    time::{ROUNDING, Timestamp},
};
use std::{fmt, sync::Arc, time::Duration};

/// Streams end this far from each other, and headers are this far off, without anything being lost.
const SHORT: Timestamp = Timestamp::from_nanos(500_000_000);

/// libav reads 5,000,000 bytes for the parameters of streams (`probesize`), and the packet that is behind them.
const PROBED: u64 = 5 << 20;
/// At the end it looks for the last times: in 250,000 bytes (DURATION_MAX_READ_SIZE), and a search a bit before.
const TAIL: u64 = 384 << 10;

/// An opened, indexed source. `Send + Sync`, cheap to clone: one Media serves many operations, also from many
/// threads at once, and what opening costs is paid once.
///
/// ```no_run
/// use avrope::{Media, Source};
/// let media = Media::open(Source::open("clip.mp4")?)?;
/// println!("{} streams, {:?}", media.info().streams.len(), media.info().duration);
/// # Ok::<(), avrope::Error>(())
/// ```
#[derive(Clone)]
pub struct Media(Arc<Inner>);

pub(super) struct Inner {
    pub source: Source,
    pub demuxer: Demuxer,
    pub options: OpenOptions,
    pub streams: Vec<Stream>,
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
    /// What is wrong with it, though it opens.
    pub warnings: Vec<String>,
    pub info: MediaInfo,
    pub bytes_read: u64,
    pub pool: Arc<Pool>,
}

impl Media {
    /// Opens a source: finds out what it is and reads its index. No payload is read for MP4; other containers
    /// may need a look at their first packets.
    ///
    /// Errors: [`Corrupt`](ErrorKind::Corrupt) if it is no media or its index is missing or damaged,
    /// [`Unsupported`](ErrorKind::Unsupported) for images and for playlists and other files that name other
    /// files, and what the source's reads fail with.
    pub fn open(source: Source) -> Result<Self> {
        Self::open_with(source, &Control::default())
    }

    /// The same, with cancel, deadline and limits.
    pub fn open_with(source: Source, control: &Control) -> Result<Self> {
        let name = source.name().to_owned();
        log::ours(|| open(source, control)).map(|inner| Self(Arc::new(inner))).map_err(|e| e.named(&name))
    }

    /// What can lie over a video: a still picture, or media with a video stream, to which GIF and APNG belong
    /// here.
    ///
    /// Errors: as [`open`](Self::open) and [`Frame::from_picture`].
    pub(crate) fn open_shown(source: Source, control: &Control) -> Result<Shown> {
        let name = source.name().to_owned();
        let open = || {
            control.check()?;
            let (source, found) = Found::of(source, control)?;
            if found.demuxer.is_still() {
                return Frame::from_picture_with(source, control).map(Shown::Still);
            }
            let demuxer =
                if found.demuxer.is_animation() { found.demuxer } else { found.demuxer.allowed()? };
            open_as(source, Found { demuxer, ..found }, control)
                .map(|inner| Shown::Moving(Self(Arc::new(inner))))
        };
        open().map_err(|e| e.named(&name))
    }

    /// What is in it, as far as the container's header says. See [`probe`](Self::probe) for more.
    pub fn info(&self) -> &MediaInfo {
        &self.0.info
    }

    /// Where it comes from.
    pub fn source(&self) -> &Source {
        &self.0.source
    }

    /// Bounds how many operations read it at once, in this clone and all others; further ones wait. Each has a demuxer
    /// context of its own, with its own copy of the index. At least 1, and 16 where nothing is said.
    pub fn set_max_contexts(&self, count: usize) {
        self.0.pool.bound(count);
    }

    /// Bytes that its demuxer contexts hold now, by estimate: some 60 for each entry of their indices. After a
    /// burst of operations idle ones that hold more than 32 MiB together are given up, but for the last.
    pub fn memory(&self) -> u64 {
        self.0.pool.memory()
    }

    /// Gives up the contexts that no operation uses. The next operation opens one again, which reads the index again. (A
    /// stream, which can't be opened again, keeps its own.)
    pub fn trim(&self) {
        if self.0.source.is_seekable() {
            self.0.pool.trim();
        }
    }

    /// The presented length, where it is known.
    pub fn duration(&self) -> Option<Duration> {
        self.length().map(Timestamp::length)
    }

    /// The same as a distance on the clock.
    pub(crate) fn length(&self) -> Option<Timestamp> {
        self.0.end
    }

    /// What to warn of where a copy or a transcode of these streams has much less of a stretch of it than it
    /// states that there is: packets that can't be told apart, or that are missing. `found` is how much came
    /// of what is due.
    pub(crate) fn shortfall(&self, streams: &[usize], due: Timestamp, found: Timestamp) -> Option<String> {
        let played = |stream: &Stream| {
            matches!(stream.kind(), StreamKind::Video | StreamKind::Audio)
                && !stream.is_picture()
                && !stream.is_hidden()
        };
        // It may be the one that is left out that is as long as stated.
        let all = self.0.streams.iter().enumerate().all(|(i, s)| !played(s) || streams.contains(&i));
        // By a bit rate it is guessed, and by an index every packet is found or missed.
        let known = self.0.info.duration_from.is_some_and(|from| from != DurationFrom::BitRate);
        let missing = due.minus(found).nanos();
        let much = missing > SHORT.nanos() && missing.saturating_mul(10) > due.nanos();
        (all && known && !self.is_indexed() && much).then(|| {
            format!("only {found} of {due} came: the rest, which the source states, is missing in it or can't be read")
        })
    }

    /// About how many bytes lie between two times of its clock, with what precedes them back to a keyframe; 0
    /// where that can't be told.
    pub(crate) fn bytes_between(&self, from: Timestamp, to: Timestamp) -> u64 {
        // Keyframes are seldom further apart.
        const BEFORE: f64 = 2.0;
        let (Some(len), Some(end)) = (self.source().len(), self.length()) else { return 0 };
        let shown = to.min(self.start().plus(end)).minus(from).secs() + BEFORE;
        // A float that is no number, or too large for one, saturates.
        if end.nanos() > 0 { (len as f64 * (shown / end.secs()).min(1.0)) as u64 } else { 0 }
    }

    pub(super) fn inner(&self) -> &Inner {
        &self.0
    }

    pub(crate) fn demuxer(&self) -> Demuxer {
        self.0.demuxer
    }

    pub(crate) fn may_jump(&self) -> bool {
        self.0.demuxer.may_jump()
    }

    pub(crate) fn streams(&self) -> &[Stream] {
        &self.0.streams
    }

    pub(crate) fn timeline(&self, stream: usize) -> Option<&Timeline> {
        self.0.timelines.get(stream)
    }

    /// The file's clock at presentation time 0.
    pub(crate) fn start(&self) -> Timestamp {
        self.0.start
    }

    pub(crate) fn chapters(&self) -> &[RawChapter] {
        &self.0.chapters
    }

    pub(crate) fn metadata(&self) -> &[(String, String)] {
        &self.0.metadata
    }

    /// Bytes that opening has read.
    pub(crate) fn bytes_read(&self) -> u64 {
        self.0.bytes_read
    }

    /// The stream that decides where a cut may begin: the first video that moves, else the first sound.
    pub(crate) fn primary(&self, among: &[usize]) -> Option<usize> {
        let first = |kind| {
            among
                .iter()
                .copied()
                .find(|i| self.0.streams.get(*i).is_some_and(|s| s.kind() == kind && !s.is_picture()))
        };
        first(StreamKind::Video).or_else(|| first(StreamKind::Audio)).or_else(|| among.first().copied())
    }

    /// Judges a range of a source that does not say how long it is, now that its end on the file's clock has been
    /// seen: an error where it begins behind that, a warning where it ends there.
    pub(crate) fn judge(
        &self,
        range: TimeRange,
        seen_end: Option<Timestamp>,
        warn: impl FnMut(String),
    ) -> Result<()> {
        match seen_end.filter(|_| self.length().is_none() && range != TimeRange::ALL) {
            Some(end) => range.within(end.minus(self.start()), ROUNDING, warn).map(drop),
            None => Ok(()),
        }
    }

    /// How payload can be had at best: by name where all samples are in MP4's index, as shared bytes in a
    /// fragmented MP4.
    pub(crate) fn payloads(&self) -> Payloads {
        match (self.is_indexed(), self.0.demuxer.is_mov() && self.0.options.raw) {
            (true, _) => Payloads::Named,
            (false, true) => Payloads::Shared,
            (false, false) => Payloads::Read,
        }
    }

    /// Whether edit lists may hide some of what is in it.
    pub(crate) fn is_edited(&self) -> bool {
        self.0.demuxer.is_mov() && self.0.options.raw
    }

    /// Whether an edit list of ours says what of a stream is shown: libav must not cut its padding off as
    /// well.
    pub(crate) fn has_edits(&self, stream: usize) -> bool {
        let plain = |timeline: &Timeline| timeline.spans.iter().all(|span| span.media == 0);
        self.is_edited() && self.timeline(stream).is_some_and(|timeline| !plain(timeline))
    }

    /// A non-fragmented MP4 or MOV that can be read anywhere: its index has every packet.
    pub(crate) fn is_indexed(&self) -> bool {
        self.0.demuxer.is_mov() && self.0.options.raw && !self.0.fragmented
    }

    /// What is wrong with it, though it opens.
    pub(crate) fn warnings(&self) -> &[String] {
        &self.0.warnings
    }

    /// A demuxer context for one operation; with `fresh`, one that nothing was read from.
    pub(crate) fn demux(&self, control: &Control, fresh: bool) -> Result<Loan> {
        self.0.source.check_unchanged()?;
        self.0.pool.borrow(control, fresh, || self.context(control))
    }

    /// A demuxer context at the start, for good.
    pub(crate) fn own_demux(&self, control: &Control) -> Result<Loan> {
        self.0.source.check_unchanged()?;
        self.0.pool.give(|| self.context(control))
    }

    fn context(&self, control: &Control) -> Result<Demux> {
        let inner = &*self.0;
        if !inner.source.is_seekable() {
            let error = Error::new(ErrorKind::Busy, "this stream is being read, or was read already");
            return Err(error.named(inner.source.name()).advise("a stream serves one operation"));
        }
        context(&inner.source, inner.demuxer, inner.options, control)
            .map_err(|e| e.named(inner.source.name()))
    }
}

impl fmt::Debug for Media {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Media")
            .field("source", &self.0.source)
            .field("format", &self.0.info.format)
            .finish_non_exhaustive()
    }
}

/// What a source shows.
pub(crate) enum Shown {
    Still(Frame),
    Moving(Media),
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

fn open(source: Source, control: &Control) -> Result<Inner> {
    control.check()?;
    let most = control.get_limits().input_bytes;
    Limits::hold(source.len().unwrap_or(0), most, "input_bytes", || {
        format!("the source has more than {most} bytes")
    })?;
    let (source, found) = Found::of(source, control)?;
    let demuxer = found.demuxer.allowed()?;
    open_as(source, Found { demuxer, ..found }, control)
}

/// What was found out about a source by its first bytes.
struct Found {
    demuxer: Demuxer,
    promise: Option<Promise>,
    /// Bytes that were read for it, and that will be read again.
    bytes_read: u64,
}

impl Found {
    /// A stream's first bytes are put back in front of the source that comes back.
    fn of(source: Source, control: &Control) -> Result<(Source, Self)> {
        let mut bytes_read = 0;
        let mut head = Vec::new();
        let (source, demuxer) = if source.is_seekable() {
            let mut reader = source.reader();
            let demuxer = Demuxer::probe(&file_name(source.name()), |into| {
                let mut filled = 0;
                while let Some(rest) = into.get_mut(filled..).filter(|rest| !rest.is_empty()) {
                    match reader.read(filled as u64, rest, control)? {
                        0 => break,
                        read => filled = filled.saturating_add(read),
                    }
                }
                head = into.get(..filled).unwrap_or_default().to_vec();
                Ok(filled)
            })?;
            bytes_read = reader.take_fetched();
            (source, demuxer)
        } else {
            probe_stream(source, &mut head, control)?
        };
        let promise = Promise::of(demuxer, &head);
        Ok((source, Self { demuxer, promise, bytes_read }))
    }
}

fn open_as(source: Source, found: Found, control: &Control) -> Result<Inner> {
    let Found { demuxer, promise, bytes_read: mut own_reads } = found;
    let seekable = source.is_seekable();
    let mut reader = source.reader();
    let mut weighed = demuxer.is_mov() && !source.is_near();
    let tables = if demuxer.is_mov() && seekable {
        let mut read = |at: u64, into: &mut [u8]| {
            control.check()?;
            mp4::exactly(|at, into| reader.read(at, into, control), at, into)
        };
        let len = source.len().unwrap_or(0);
        // Of a source that is far away each fragment costs a request.
        let using = mp4::Use { fragments: source.is_near(), expands: false };
        let segments = mp4::weigh(&mut read, len, control.get_limits(), using)?;
        // An index may be out of date, or lead libav to fragments that no box holds.
        weighed = weighed || !mp4::lead_to_boxes(&mut read, len, &segments, control.get_limits())?;
        mp4::Tables::read(&mut read, len)?
    } else {
        None
    };
    own_reads = own_reads.saturating_add(reader.take_fetched());
    drop(reader);
    let options = OpenOptions {
        ignore_edit_lists: tables.is_some(),
        raw: tables.is_some(),
        weighed,
        // One more than allowed, so that a source with more is seen to have them.
        max_streams: control.get_limits().streams.saturating_add(1),
    };
    let mut demux = context(&source, demuxer, options, control)?;
    demux.expect(promise);
    let mut streams =
        (0..demux.input.stream_count()).map(|i| demux.input.stream(i)).collect::<Result<Vec<_>>>()?;
    admit::streams(&streams, &demux.input, control)?;
    if options.raw {
        own_reads = own_reads.saturating_add(refine(&source, demuxer, options, &mut streams, control)?);
    }
    corrected::streams(&mut demux, demuxer, &mut streams, control)?;
    let fragmented = tables.as_ref().is_some_and(|tables| tables.fragmented);
    let mut timelines: Vec<_> = streams
        .iter()
        .enumerate()
        .map(|(i, stream)| {
            let track = tables.as_ref().and_then(|t| {
                let track = t.track(stream.id());
                track.filter(|_| !stream.is_picture()).map(|track| (track, t.movie_scale))
            });
            match track {
                Some((track, scale)) => {
                    let mut timeline = Timeline::from_edits(track, scale, fragmented, stream.time_base());
                    let stated = i64::try_from(track.media_duration).unwrap_or(i64::MAX);
                    if track.shown_by_edits().is_none()
                        && track.times.is_none()
                        && demux.input.last_indexed(i) >= Some(stated)
                    {
                        // The header's duration is too short for the samples that there are.
                        timeline = Timeline::plain(stream.time_base());
                    }
                    timeline
                }
                None => Timeline::plain(stream.time_base()),
            }
        })
        .collect();
    for (i, timeline) in timelines.iter().enumerate().filter(|_| options.raw && !fragmented) {
        admit::repeats(i, timeline, &demux.input, control)?;
    }
    let extent = extent(&mut demux, demuxer, &streams, &timelines, tables.as_ref(), control)?;
    let Extent { start, end, .. } = extent;
    if start < Timestamp::ZERO {
        // Composition that begins before 0 is shown, where no edit list says otherwise.
        let edited = |stream: &Stream| tables.as_ref().is_some_and(|tables| tables.is_edited(stream.id()));
        let plain = timelines.iter_mut().zip(&streams).filter(|(_, stream)| !edited(stream));
        plain.for_each(|(timeline, _)| timeline.begin_at(start));
    }
    let mut info = describe(&source, demuxer, &demux.input, &streams, &timelines, &extent);
    let mut warnings = if options.raw && !fragmented { index_gaps(&demux, &streams) } else { Vec::new() };
    warnings.extend(source.len().zip(promise).and_then(|(len, promise)| promise.broken_by(len)));
    let due = demux.input.index_end().filter(|_| options.raw && !fragmented);
    let cut_short = source.len().zip(due).is_some_and(|(len, due)| len < due);
    if let Some((len, due)) = source.len().zip(due).filter(|_| cut_short) {
        warnings.push(format!(
            "the file was cut short: its index names media up to byte {due}, and there are {len}; what lies before can be used"
        ));
    }
    let edits =
        tables.iter().flat_map(|tables| &tables.tracks).flat_map(|track| track.edits.iter().flatten());
    if edits.into_iter().any(|edit| edit.media.is_some() && !edit.plain) {
        warnings.push("an edit list plays a stretch at another speed; it is taken at its own".into());
    }
    info.warnings.clone_from(&warnings);
    let bytes_read = demux.take_bytes_read().saturating_add(own_reads);
    demux.reader.rest();
    let inner = Inner {
        chapters: demux.input.chapters(),
        metadata: demux.input.metadata(),
        source,
        demuxer,
        options,
        streams,
        timelines,
        start,
        end,
        fragmented,
        cut_short,
        warnings,
        info,
        bytes_read,
        pool: Arc::default(),
    };
    inner.pool.put(demux);
    Ok(inner)
}

/// libav leaves samples with absurd sizes or times out of its index, and goes on.
fn index_gaps(demux: &Demux, streams: &[Stream]) -> Vec<String> {
    let gap = |(i, stream): (usize, &Stream)| {
        let (indexed, counted) = (demux.input.index_len(i), stream.frames());
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
    let lacks = |s: &Stream| {
        let played = matches!(s.kind(), StreamKind::Video | StreamKind::Audio) && !s.is_hidden();
        played && (s.lacks_shape() || !(s.is_picture() || s.is_blind()))
    };
    if !streams.iter().any(lacks) {
        return Ok(0);
    }
    let mut probed = context(source, demuxer, OpenOptions { raw: false, ..options }, control)?;
    for (i, stream) in streams.iter_mut().enumerate().filter(|(_, stream)| lacks(stream)) {
        *stream = probed.input.stream(i)?;
    }
    Ok(probed.take_bytes_read())
}

/// A stream's first bytes are looked at and then put back in front of it.
fn probe_stream(source: Source, head: &mut Vec<u8>, control: &Control) -> Result<(Source, Demuxer)> {
    let name = source.name().to_owned();
    let mut reader = source.reader();
    let demuxer = Demuxer::probe(&file_name(&name), |into| {
        while head.len() < into.len() {
            control.check()?;
            let mut chunk = vec![0; into.len().saturating_sub(head.len())];
            match reader.read(head.len() as u64, &mut chunk, control)? {
                0 => break,
                read => head.extend_from_slice(chunk.get(..read).unwrap_or_default()),
            }
        }
        let filled = head.len().min(into.len());
        if let (Some(into), Some(head)) = (into.get_mut(..filled), head.get(..filled)) {
            into.copy_from_slice(head);
        }
        Ok(filled)
    })?;
    if demuxer.is_mov() {
        admit::index_of_stream(&mut reader, head, control)?;
    }
    let at = head.len() as u64;
    let resumed = Resumed { head: head.clone().into(), rest: reader, at };
    Ok((Source::from_stream(resumed, name), demuxer))
}

/// libav's probing looks at a name's ending; folders are not its business.
fn file_name(name: &str) -> String {
    name.rsplit('/').next().unwrap_or_default().to_owned()
}
