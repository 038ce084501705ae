//! [`Cut`]: one or more ranges of a source, copied.

use super::copy::{self, Feed, Part, Session};
use crate::{
    Control, Error, ErrorKind, Media, Report, Result, Road, Source, StreamKind, Strip, TimeRange, Timestamp,
    av::input::RawChapter,
    job::ReportRange,
    output::{
        self, Job, Operation,
        numbering::Extent,
        target::{Held, Opening, Target},
    },
    time::Rational,
};
use serde::{Deserialize, Serialize};

/// How a cut meets a range that does not begin at a keyframe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum CutMode {
    /// Starts at the keyframe at or before `from`, and shows it from there.
    ///
    /// Sound is cut to the sample in MP4 and MOV, by their edit lists. In other containers a packet of it is
    /// heard on that side of a border on which more of it lies. Where that may leave a hole, or sound twice,
    /// because packets last longer than 60 ms (FLAC, ALAC, WavPack, large blocks of PCM), sound of the range
    /// in front of a seam goes on up to where the next one's first packet begins, half of a packet from the
    /// seam at most: to the sample in Matroska and WebM (whose DiscardPadding FFmpeg before 6 takes from
    /// another packet where it decodes on several threads), to the nearest packet in others. Each range's
    /// sound stays with its picture. More than 30 ms of a range's sound that is not heard are a warning; of
    /// what lies in front of a keyframe in a file without an index, more than 50 ms.
    Keyframe,
    /// Holds the same bytes and states the exact range in an edit list (MP4 and MOV only): one entry a range
    /// and track.
    Edit,
    /// Exact to the picture, and as little as can be is encoded anew: the pictures between the range's first one and
    /// the first behind it that a copy may begin at, and those behind the last that is copied whole. All others are
    /// the source's, byte for byte.
    ///
    /// A range is the pictures that begin in it: the first one lands at 0, and where a picture of the source is shown
    /// at `from` already, the range begins with the next one. So it ends: the Report's `actual_from` and `actual_to`
    /// say where. Where sound begins in front of the first picture, or goes on behind the last one, it is taken as it
    /// was asked for. Pictures keep their times to the tick, and the sound is that of the same instants: in MP4 and MOV
    /// to the sample where one range is cut, and of codecs that lose nothing in every container. Other sound of several
    /// ranges may begin and end half a frame from each range's pictures, which does not add up; in other containers it
    /// is cut at its frames, as in [`Keyframe`](Self::Keyframe). Where ranges meet, AAC-LC goes over from the one into
    /// the other within 10 ms: the frames around the seam are encoded anew (three, and some more where their windows
    /// want it). Other lossy codecs are spliced between two packets, with a warning. [`CutAudio::Exact`] encodes all of
    /// it.
    ///
    /// What copies have of their numbers stays: where H.264 has nothing but IDR pictures and two of them are copied
    /// from both sides of a border, they may have one `idr_pic_id` (ITU-T H.264, 7.4.3, has them differ; decoders by
    /// FFmpeg and Chromium don't mind).
    ///
    /// An error ([`Unsupported`](crate::ErrorKind::Unsupported)) where that can't be done: no encoder makes what the
    /// source is, or its edit list shows several stretches in a range.
    Smart,
    /// [`Smart`](Self::Smart) where that can be done; else [`Encode`](Self::Encode), and where there is no encoder for
    /// the source's codec, `Edit` in MP4 and MOV. Sound alone is copied. The Report says which, and why.
    Exact,
    /// Re-encodes everything: exact to the frame and to the sample, in every container.
    ///
    /// The range's first instant lands at 0 in MP4, MOV and their kin, in WebM, and in Matroska, where what
    /// the sound's encoder needs to get going is stated and not heard. In Matroska made by FFmpeg before 7,
    /// all of it is later by as much if the sound is not Opus, FLAC or PCM: 21 ms of AAC at 48 kHz. In FLV it
    /// is later by what is decoded before it is shown: two pictures of H.264 as it is made by default.
    /// Transport and program streams begin anywhere. Picture and sound keep together in all of them; AVI and
    /// other containers that count pictures by a rate move the pictures onto the grid of the source's, by
    /// half of one at most. AVI has no place for the delay of sound's encoder, which is heard as silence in the place
    /// of as much of the beginning (23 ms of MP3 at 48 kHz).
    Encode,
}

impl CutMode {
    fn name(self) -> &'static str {
        match self {
            Self::Keyframe => "keyframe",
            Self::Edit => "edit",
            Self::Smart => "smart",
            Self::Exact => "exact",
            Self::Encode => "encode",
        }
    }
}

/// What becomes of the sound in modes `smart` and `exact`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum CutAudio {
    /// It is copied, as [`CutMode::Smart`] says: at the samples where that can be, else at its frames.
    #[default]
    Copy,
    /// All of it is encoded anew, in the source's codec where this libav has an encoder for it and the container holds
    /// it: each range begins and ends at its sample, in every container (in AVI, which has no place for an encoder's
    /// delay, as much of the result's beginning is silence: 23 ms of MP3 at 48 kHz). Pictures are as without it. They
    /// are copied into a file beside the result first, and where that is MP4, or there is no such place, into memory;
    /// of MP4 that is a few bytes.
    Exact,
}

/// What to cut, and into what.
///
/// ```
/// use avrope::{Cut, TimeRange};
/// let cut = Cut::new().keep(TimeRange::secs(10.0, 20.0)?).keep(TimeRange::secs(40.0, 50.0)?).format("mp4");
/// # Ok::<(), avrope::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cut {
    keep: Vec<TimeRange>,
    mode: Option<CutMode>,
    audio: CutAudio,
    format: Option<String>,
    allow_drops: bool,
    road: Road,
    strip: Strip,
}

impl Cut {
    /// Nothing yet: at least one range must follow.
    pub fn new() -> Self {
        Self::default()
    }

    /// Keeps this range, behind the ones that were given before. Ranges are taken as given: they may overlap,
    /// repeat, or go back. An end beyond the source's is taken for its end, with a warning.
    #[must_use]
    pub fn keep(mut self, range: TimeRange) -> Self {
        self.keep.push(range);
        self
    }

    /// How. Without it `edit` where the container has edit lists, else `keyframe`; the Report says which.
    #[must_use]
    pub fn mode(mut self, mode: CutMode) -> Self {
        self.mode = Some(mode);
        self
    }

    /// What becomes of the sound in modes `smart` and `exact`; `encode` encodes all of it, and the others copy: asked
    /// for [`CutAudio::Exact`], they are an error.
    #[must_use]
    pub fn audio(mut self, audio: CutAudio) -> Self {
        self.audio = audio;
        self
    }

    /// The container, by libav's name or the usual ending (`mp4`, `mkv`, `ts`). Without it the output's name
    /// decides, or else the source's container is kept.
    #[must_use]
    pub fn format(mut self, format: impl Into<String>) -> Self {
        self.format = Some(format.into());
        self
    }

    /// Lets all video or all sound of the source be left out with a warning, where the container can't hold
    /// it. Without it that is an error: [`Unsupported`](crate::ErrorKind::Unsupported). Streams of other
    /// kinds, and one of several, are always left out with a warning.
    #[must_use]
    pub fn allow_drops(mut self, allow: bool) -> Self {
        self.allow_drops = allow;
        self
    }

    /// Which way samples of an MP4 or MOV go into another one, where the cut copies. Without it by tables.
    #[must_use]
    pub fn road(mut self, road: Road) -> Self {
        self.road = road;
        self
    }

    /// What the result is not to tell of its source: see [`Strip`]. Without it all goes over, the place of a recording
    /// too.
    #[must_use]
    pub fn strip(mut self, strip: Strip) -> Self {
        self.strip = strip;
        self
    }

    pub(crate) fn ranges(&self) -> &[TimeRange] {
        &self.keep
    }

    pub(crate) fn asked_mode(&self) -> Option<CutMode> {
        self.mode
    }

    /// The same in another mode; None: the usual one of what copies.
    pub(crate) fn with_mode(self, mode: Option<CutMode>) -> Self {
        Self { mode, ..self }
    }

    pub(crate) fn asked_audio(&self) -> CutAudio {
        self.audio
    }

    pub(crate) fn allows_drops(&self) -> bool {
        self.allow_drops
    }

    pub(crate) fn stripping(&self) -> Strip {
        self.strip
    }

    pub(crate) fn asked_format(&self) -> Option<&str> {
        self.format.as_deref()
    }
}

impl Cut {
    /// The job that cuts by copying.
    pub(crate) fn copying(&self, media: &Media) -> Job {
        Job::new(Copying::new(media, self.clone()))
    }
}

/// A cut that copies.
pub(crate) struct Copying {
    media: Media,
    settings: Cut,
}

impl Operation for Copying {
    fn name(&self) -> &'static str {
        "cut"
    }

    fn inputs(&self) -> Vec<Source> {
        vec![self.media.source().clone()]
    }

    fn format(&self) -> Option<&str> {
        self.settings.format.as_deref()
    }

    fn default_format(&mut self, _control: &Control) -> Result<String> {
        Ok(output::format_like(&self.media))
    }

    fn shares(&mut self, _control: &Control) -> Result<bool> {
        Ok(self.media.payloads() != crate::media::Payloads::Read)
    }

    fn run(self: Box<Self>, target: &mut Target, report: &mut Report, control: &Control) -> Result<()> {
        self.run_into(target, report, control)
    }
}

impl Copying {
    pub(crate) fn new(media: &Media, settings: Cut) -> Self {
        Self { media: media.clone(), settings }
    }

    pub(crate) fn run_into(&self, target: &mut Target, report: &mut Report, control: &Control) -> Result<()> {
        self.run_unnamed(target, report, control).map_err(|e| e.named(self.media.source().name()))
    }

    fn run_unnamed(&self, target: &mut Target, report: &mut Report, control: &Control) -> Result<()> {
        target.set_strip(self.settings.strip);
        let mode = self.mode(target)?;
        if self.settings.audio == CutAudio::Exact {
            return Err(Error::invalid(format!("mode {} copies sound", mode.name()))
                .with_setting("audio")
                .advise("use mode smart, exact or encode"));
        }
        report.mode = Some(mode.name().into());
        report.input_bytes = self.media.source().len().unwrap_or(0);
        report.bytes_read = self.media.bytes_read();
        let ranges = ranges(&self.media, &self.settings, report)?;
        let extent = if ranges.len() > 1 { Extent::Several } else { Extent::Stretch };
        let told = chapters(&self.media, &ranges);
        let opening = Opening {
            road: self.settings.road,
            ranges: &ranges,
            held: Held { extent, chapters: &told, allow_drops: self.settings.allow_drops },
        };
        if !target.open_tables(&self.media, &opening, report)? {
            target.tell(&(&ranges, mode));
            // Of what begins at a keyframe, a little too late: where that is is known when it is read.
            target.set_begins(ranges.first().map_or(Timestamp::ZERO, |range| range.from));
            target.open(&self.media, extent, told, self.settings.allow_drops, report)?;
        }
        let feeds = Feed::all(target);
        if mode == CutMode::Keyframe && self.settings.mode.is_none() {
            let has_pictures = feeds.iter().any(|feed| {
                let stream = self.media.streams().get(feed.stream);
                stream.is_some_and(|stream| stream.kind() == StreamKind::Video && !stream.is_picture())
            });
            let begins = match has_pictures {
                true => "the cut begins at the keyframe at or before each range",
                false => "each range begins and ends between two packets, where they are nearest",
            };
            report.warn(format!("{} has no edit lists: {begins}", target.name()));
        }
        let total = ranges.iter().fold(Timestamp::ZERO, |sum, range| sum.plus(range.length()));
        let mut session = Session::new(target, report, control, total);
        for (i, range) in ranges.iter().enumerate() {
            let last = i.saturating_add(1) == ranges.len();
            let part = Part {
                from: range.from,
                to: range.to,
                from_keyframe: mode == CutMode::Keyframe,
                whole_frames: false,
                lossless_exact: false,
                last,
            };
            let copied = copy::part(&mut session, &self.media, &feeds, part)?;
            if let Some(asked) = session.report.ranges.get_mut(i) {
                asked.actual_from = copied.from;
                asked.actual_to = copied.from.plus(copied.len);
            }
        }
        session.tell_unseen(&self.media, &feeds)?;
        let shown = |r: &ReportRange| TimeRange { from: r.actual_from, to: r.actual_to };
        let shown: Vec<TimeRange> = session.report.ranges.iter().map(shown).collect();
        session.target.chapters = chapters(&self.media, &shown);
        session.report.duration = session.placed.length();
        Ok(())
    }

    fn mode(&self, target: &Target) -> Result<CutMode> {
        let edits = target.has_edit_lists();
        match self.settings.mode {
            None if edits => Ok(CutMode::Edit),
            None => Ok(CutMode::Keyframe),
            Some(CutMode::Edit) if !edits => {
                let message =
                    format!("mode edit needs a container with edit lists, and {} has none", target.name());
                Err(Error::unsupported(message)
                    .with_setting("mode")
                    .advise("use mp4 or mov, or mode keyframe"))
            }
            Some(CutMode::Encode | CutMode::Smart | CutMode::Exact) => {
                Err(Error::new(ErrorKind::Bug, "a cut that copies was asked to encode"))
            }
            Some(mode) => Ok(mode),
        }
    }
}

/// The ranges of a cut that copies, judged against the source.
pub(crate) fn ranges(media: &Media, settings: &Cut, report: &mut Report) -> Result<Vec<TimeRange>> {
    if settings.keep.is_empty() {
        return Err(Error::invalid("no range was given").with_setting("keep").advise("say what to keep"));
    }
    let mut ranges = Vec::new();
    for range in &settings.keep {
        range.check()?;
        report.ranges.push(ReportRange::exact(*range));
        let mut range = *range;
        if let Some(duration) = media.length() {
            range.to = range.within(duration, Timestamp::ZERO, |warning| report.warn(warning))?;
        }
        ranges.push(range);
    }
    if !media.source().is_seekable() {
        return Err(Error::unsupported("a cut needs a source that can seek, and this is a stream")
            .advise("save it to a file, or read it into memory first"));
    }
    if !media.demuxer().finds_times() && ranges.iter().any(|range| *range != TimeRange::ALL) {
        let what = media.demuxer().long_name();
        return Err(Error::unsupported(format!(
            "its packets do not say when they are shown ({what}): no range of them can be copied"
        ))
        .with_setting("mode")
        .advise("cut it by encoding (mode encode)"));
    }
    Ok(ranges)
}

/// The chapters that lie in the ranges, clipped to them, on the output's clock.
pub(crate) fn chapters(media: &Media, ranges: &[TimeRange]) -> Vec<RawChapter> {
    let base = Rational { num: 1, den: 1_000_000 };
    let mut found = Vec::new();
    let mut placed = Timestamp::ZERO;
    for range in ranges {
        for chapter in media.chapters() {
            let on_clock = |ticks: i64| Timestamp::from_ticks(ticks, chapter.base).minus(media.start());
            let (start, end) = (on_clock(chapter.start).max(range.from), on_clock(chapter.end).min(range.to));
            if start < end {
                let out = |t: Timestamp| t.minus(range.from).plus(placed).ticks(base);
                found.push(RawChapter {
                    start: out(start),
                    end: out(end),
                    base,
                    metadata: chapter.metadata.clone(),
                });
            }
        }
        placed = placed.plus(range.length());
    }
    found
}
