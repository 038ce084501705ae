//! [`Media`]: an opened source.

use super::{
    Demux, DurationFrom, MediaInfo, Timeline,
    demux::Payloads,
    found::Found,
    header::Known,
    open::{Inner, context, open, open_as},
    pool::Loan,
    stretches::Stretches,
};
use crate::{
    Control, Error, ErrorKind, Frame, Result, Source, TimeRange,
    av::{
        demuxer::Demuxer,
        input::RawChapter,
        log,
        stream::{Stream, StreamKind},
    },
    time::{ROUNDING, Timestamp},
};
use std::{fmt, sync::Arc, time::Duration};

/// Streams end this far from each other, and headers are this far off, without anything being lost.
const SHORT: Timestamp = Timestamp::from_nanos(500_000_000);

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
        log::ours(|| open(source, None, control))
            .map(|inner| Self(Arc::new(inner)))
            .map_err(|e| e.named(&name))
    }

    /// The same for one of many that are likely to begin alike.
    pub(crate) fn open_among(source: Source, known: &mut Known, control: &Control) -> Result<Self> {
        let name = source.name().to_owned();
        let open = || open(source, Some(known), control);
        log::ours(open).map(|inner| Self(Arc::new(inner))).map_err(|e| e.named(&name))
    }

    /// Whether boxes of an MP4 name places in the file, and not so that a copy by tables can say them anew.
    pub(crate) fn names_places(&self) -> bool {
        self.0.names_places
    }

    /// What can lie over a video: a still picture, or media with a video stream, to which GIF and APNG belong
    /// here.
    ///
    /// Errors: as [`open`](Self::open) and [`Frame::from_picture`].
    pub(crate) fn open_shown(source: Source, control: &Control) -> Result<PictureOrMedia> {
        let name = source.name().to_owned();
        let open = || {
            control.check()?;
            let (source, found) = Found::of(source, control)?;
            if found.demuxer.is_still() {
                return Frame::from_picture_with(source, control).map(PictureOrMedia::Still);
            }
            let demuxer =
                if found.demuxer.is_animation() { found.demuxer } else { found.demuxer.allowed()? };
            open_as(source, Found { demuxer, ..found }, None, control)
                .map(|inner| PictureOrMedia::Moving(Self(Arc::new(inner))))
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

    /// Bounds how many operations read it at once, in this clone and all others; further ones wait. Each has
    /// a demuxer context of its own, with its own copy of the index. At least 1, and 16 where nothing is
    /// said.
    pub fn set_max_contexts(&self, count: usize) {
        self.0.pool.bound(count);
    }

    /// Bytes that it holds now. Of an MP4: its tables, as they are in the file, or of fragments as a file without any
    /// would have them, once a copy has read them; and of
    /// demuxer contexts, which are opened when an operation reads packets, some 60 for each entry of their
    /// indices, by estimate. After a burst of operations idle ones that hold more than 32 MiB together are
    /// given up, but for the last.
    pub fn memory(&self) -> u64 {
        let tables = self.0.movie.get().and_then(Option::as_ref).map_or(0, |movie| movie.held());
        let stretches = self.0.stretches.as_ref().map_or(0, Stretches::memory);
        self.0.pool.memory().saturating_add(tables as u64).saturating_add(stretches)
    }

    /// Gives up the contexts that no operation uses. The next operation opens one again, which reads the
    /// index again. (A stream, which can't be opened again, keeps its own.)
    pub fn trim(&self) {
        if self.0.source.is_seekable() {
            self.0.pool.trim();
        }
        if let Some(stretches) = &self.0.stretches {
            stretches.trim();
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
        let lasts = |stream: &Stream| {
            matches!(stream.kind(), StreamKind::Video | StreamKind::Audio | StreamKind::Subtitle)
                && !stream.is_picture()
                && !stream.is_hidden()
        };
        // It may be the one that is left out that is as long as stated.
        let all = self.0.streams.iter().enumerate().all(|(i, s)| !lasts(s) || streams.contains(&i));
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

    /// Judges a range of a source that does not say how long it is, now that its end on the file's clock has
    /// been seen: an error where it begins behind that, a warning where it ends there.
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
        self.is_edited() && !self.0.fragmented
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
        let mut demux = context(&inner.source, inner.demuxer, inner.options, control)
            .map_err(|e| e.named(inner.source.name()))?;
        demux.count_blocks(inner.miscounted.iter().copied());
        Ok(demux)
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
pub(crate) enum PictureOrMedia {
    Still(Frame),
    Moving(Media),
}
