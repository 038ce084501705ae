//! [`transcode`] for the usual case, [`Transcoder`] with processors of one's own.

use super::transcoding::Transcoding;
use crate::{
    Clip, Control, Frame, Hardware, Job, Media, Report, Result, Sink,
    transcode::{
        flow::process::processor::{Packet, Processor},
        settings::{Overlay, Segments, Transcode, Watermark, overlay::Given},
    },
};
use std::fmt;

/// Transcodes a media, into a rope.
///
/// ```no_run
/// use avrope::{Control, Media, Source, Transcode, transcode};
/// let speech = std::fs::read("speech.mp3")?;
/// let media = Media::open(Source::from_bytes(speech))?;
/// let m4a = transcode(&media, &Transcode::new().format("m4a"), &Control::default())?.rope.to_bytes()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Errors: [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for settings that contradict each other or
/// that an encoder does not know, before the first frame; [`Unsupported`](crate::ErrorKind::Unsupported) for
/// a codec that this libav has no encoder for or the container can't hold;
/// [`Corrupt`](crate::ErrorKind::Corrupt) if nothing could be decoded.
pub fn transcode(media: &Media, settings: &Transcode, control: &Control) -> Result<Clip> {
    settings.job(media).to_rope(control)
}

/// Transcodes a media, into a sink. An MP4 in a sink that can't seek is fragmented; into a file its index
/// goes first, with bounded memory.
///
/// Errors: as [`transcode`], and what the sink fails with.
pub fn transcode_to(media: &Media, settings: &Transcode, sink: Sink, control: &Control) -> Result<Report> {
    settings.job(media).to_sink(sink, control)
}

/// Transcodes a media into HLS or DASH: a playlist and the segments that it names, each into a sink that
/// `sinks` returns for its name. Names are plain, without folders, and nothing is written but what goes into
/// these sinks.
///
/// ```no_run
/// use avrope::{Control, Media, Sink, Source, Transcode, transcode_segments, segments::Segments};
/// let media = Media::open(Source::open("talk.mkv")?)?;
/// let folder = std::path::PathBuf::from("talk");
/// let sinks = move |name: &str| {
///     std::fs::create_dir_all(&folder)?;
///     Ok(Sink::replace(folder.join(name)))
/// };
/// transcode_segments(&media, &Transcode::new(), &Segments::hls(), sinks, &Control::default())?;
/// # Ok::<(), avrope::Error>(())
/// ```
///
/// A DASH manifest is written anew whenever a segment is complete: its name comes again then, and the last
/// version counts. For files return [`Sink::replace`]; a channel or a writer gets the bytes of the version
/// that it was asked for. A file is there when it is complete; a job that ends early leaves the segments that
/// were.
///
/// The video is encoded with a keyframe where each segment begins; video that is to be copied
/// ([`VideoCodec::Copy`](crate::transcode::VideoCodec::Copy)) is divided at keyframes that it has. Subtitles
/// and cover art are left out. [`Transcode::format`] has no effect.
///
/// Errors: as [`transcode`], and what `sinks` and the sinks fail with; a panic in them is
/// [`Bug`](crate::ErrorKind::Bug).
pub fn transcode_segments(
    media: &Media,
    settings: &Transcode,
    segments: &Segments,
    sinks: impl FnMut(&str) -> Result<Sink> + Send + 'static,
    control: &Control,
) -> Result<Report> {
    settings.job(media).to_files(segments, sinks, control)
}

/// A transcode with processors of the caller's own.
///
/// ```no_run
/// use avrope::{Control, Media, Result, Sink, Source, Transcode, frames::Frame, transcode::{Processor, Transcoder}};
/// # struct Logo;
/// # impl Processor<Frame> for Logo {
/// #     fn process(&mut self, f: Frame, next: &mut dyn FnMut(Frame) -> Result<()>) -> Result<()> { next(f) }
/// # }
/// let media = Media::open(Source::open("talk.mp4")?)?;
/// let settings = Transcode::new();
/// let report = Transcoder::new(&media, &settings).video(Logo).run_to(Sink::file("out.mp4"), &Control::default())?;
/// println!("{} frames", report.frames_encoded);
/// # Ok::<(), avrope::Error>(())
/// ```
pub struct Transcoder(Transcoding);

impl fmt::Debug for Transcoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transcoder")
            .field("media", &self.0.media)
            .field("settings", &self.0.settings)
            .field("processors", &(self.0.processors.video.len(), self.0.processors.audio.len()))
            .finish()
    }
}

impl Transcoder {
    /// Without processors, for now. Media and settings are cloned, which costs little.
    pub fn new(media: &Media, settings: &Transcode) -> Self {
        Self(Transcoding::new(media, settings))
    }

    /// The devices to use, instead of the settings' choice: jobs that share a handle open each device once.
    #[must_use]
    pub fn hardware(mut self, hardware: &Hardware) -> Self {
        self.0.hardware = Some(hardware.clone());
        self
    }

    /// Lays a picture, or the pictures of a second source, over the first video stream's, above the ones that
    /// were given before: a [`Frame`] (`&Frame`), a [`Source`](crate::Source) of a picture or of media, or
    /// the first video stream of a [`Media`] (`&Media`). Filters, size and frame rate of the settings come
    /// before it, and processors behind it. The video is encoded then.
    ///
    /// What moves is shown in time: its time 0 is where [`Overlay::during`] begins, and each of its pictures
    /// is seen from the first of the video's on that is not before it. Its rotation and its transparency
    /// count (that of VP8 and VP9 needs a libav with libvpx); its sound is left out. It is decoded in memory
    /// while the video is, so that two of its pictures wait at most. Damaged packets of it are counted with
    /// the video's ([`Report::decode_errors`]).
    ///
    /// ```no_run
    /// use avrope::{Control, Media, Sink, Source, Transcode, transcode::{AtEnd, Overlay, Position, Transcoder}};
    /// let media = Media::open(Source::open("game.mp4")?)?;
    /// let face = Overlay::new().position(Position::TopRight).scale(0.25).at_end(AtEnd::Hide);
    /// let settings = Transcode::new();
    /// let job = Transcoder::new(&media, &settings).watermark(Source::open("face.webm")?, face)?;
    /// job.run_to(Sink::file("both.mp4"), &Control::default())?;
    /// # Ok::<(), avrope::Error>(())
    /// ```
    ///
    /// Errors: InvalidArgument for sound, a frame on a device, or an overlay that makes no sense. A source is
    /// opened when the job runs, which fails then as [`Media::open`] and [`Frame::from_picture`] do, with
    /// [`Unsupported`](crate::ErrorKind::Unsupported) for one without video, or for a stream that is to be
    /// repeated, and with [`Corrupt`](crate::ErrorKind::Corrupt) if not one picture of it can be decoded.
    pub fn watermark<'w>(mut self, what: impl Into<Watermark<'w>>, overlay: Overlay) -> Result<Self> {
        self.0.watermarks.push(Given::new(what.into(), overlay)?);
        Ok(self)
    }

    /// Sends the first video stream's pictures through this, behind the ones that were given before. Filters,
    /// size and frame rate of the settings come before all of them. The video is encoded then.
    #[must_use]
    pub fn video(mut self, processor: impl Processor<Frame> + 'static) -> Self {
        self.0.processors.video.push(Box::new(processor));
        self
    }

    /// Sends the first audio stream's sound through this, behind the ones that were given before. The sound
    /// is encoded then.
    #[must_use]
    pub fn audio(mut self, processor: impl Processor<Frame> + 'static) -> Self {
        self.0.processors.audio.push(Box::new(processor));
        self
    }

    /// Sends all tracks' packets through this, behind the ones that were given before, just before they are
    /// muxed. Nothing is encoded for that.
    #[must_use]
    pub fn packets(mut self, processor: impl Processor<Packet> + 'static) -> Self {
        self.0.packets.push(Box::new(processor));
        self
    }

    /// The job that does this.
    pub fn job(self) -> Job {
        Job::new(self.0)
    }

    /// Runs it, into a rope.
    ///
    /// Errors: as [`transcode`], and what the processors fail with.
    pub fn run(self, control: &Control) -> Result<Clip> {
        self.job().to_rope(control)
    }

    /// Runs it, into a sink.
    ///
    /// Errors: as [`run`](Self::run), and what the sink fails with.
    pub fn run_to(self, sink: Sink, control: &Control) -> Result<Report> {
        self.job().to_sink(sink, control)
    }

    /// Runs it, into HLS or DASH: see [`transcode_segments`].
    ///
    /// Errors: as [`transcode_segments`], and what the processors fail with.
    pub fn run_segments(
        self,
        segments: &Segments,
        sinks: impl FnMut(&str) -> Result<Sink> + Send + 'static,
        control: &Control,
    ) -> Result<Report> {
        self.job().to_files(segments, sinks, control)
    }
}

impl Transcode {
    /// The job that makes this of a media; with processors and watermarks, see [`Transcoder::job`].
    pub fn job(&self, media: &Media) -> Job {
        Transcoder::new(media, self).job()
    }
}

impl Job {
    /// Runs it into HLS or DASH: see [`transcode_segments`](crate::transcode_segments).
    ///
    /// Errors: those of the operation, and what `sinks` and the sinks fail with;
    /// [`Unsupported`](crate::ErrorKind::Unsupported) for all jobs but those of [`Transcode`] and
    /// [`Transcoder`].
    pub fn to_files(
        self,
        segments: &Segments,
        sinks: impl FnMut(&str) -> Result<Sink> + Send + 'static,
        control: &Control,
    ) -> Result<Report> {
        self.into_planned_files(|rate| Ok((segments.plan(rate)?, segments.format())), sinks, control)
    }
}
