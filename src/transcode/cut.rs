//! [`cut`] in all of its modes: what copies is done in `edit`, what encodes is done here.

use super::{AudioCodec, AudioSettings, Transcode, TranscodeJob, Transcoder, VideoCodec, VideoSettings};
use crate::{
    Clip, Control, Cut, CutMode, Media, Report, Result, Sink, StreamKind,
    edit::{self, Job},
};

/// Cuts ranges out of a media, into a rope.
///
/// ```no_run
/// use avrope::{Control, Cut, Media, SaveOptions, Source, TimeRange, cut};
/// let media = Media::open(Source::open("talk.mp4")?)?;
/// let clip = cut(&media, &Cut::new().keep(TimeRange::secs(10.0, 20.0)?), &Control::default())?;
/// clip.rope.save("clip.mp4", SaveOptions::new(), &Control::default())?;
/// # Ok::<(), avrope::Error>(())
/// ```
///
/// Errors: [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for ranges that are empty, reversed, negative or outside,
/// [`Unsupported`](crate::ErrorKind::Unsupported) for a mode or container that can't do it, and what reading fails with.
pub fn cut(media: &Media, settings: &Cut, control: &Control) -> Result<Clip> {
    if settings.asked_mode() != Some(CutMode::Encode) {
        return edit::cut(media, settings, control);
    }
    let encoded = encoded(media, settings)?;
    edit::to_rope(&EncodedCut(TranscodeJob::new(Transcoder::new(media, &encoded))), "cut", control)
}

/// Cuts ranges out of a media, into a sink.
///
/// Errors: as [`cut`], and what the sink fails with.
pub fn cut_to(media: &Media, settings: &Cut, sink: Sink, control: &Control) -> Result<Report> {
    if settings.asked_mode() != Some(CutMode::Encode) {
        return edit::cut_to(media, settings, sink, control);
    }
    let encoded = encoded(media, settings)?;
    edit::to_sink(&EncodedCut(TranscodeJob::new(Transcoder::new(media, &encoded))), "cut", sink, control)
}

/// The source's own codecs at a quality that nobody tells from it, as far as this libav encodes them.
fn encoded(media: &Media, settings: &Cut) -> Result<Transcode> {
    if settings.ranges().is_empty() {
        return Err(crate::Error::invalid("no range was given").advise("say what to keep"));
    }
    let mut transcode = settings.ranges().iter().copied().fold(Transcode::new(), Transcode::keep);
    if let Some(format) = settings.asked_format() {
        transcode = transcode.format(format);
    }
    let codec_of = |kind: StreamKind| {
        let mut streams = media.streams().iter();
        streams
            .find(|s| s.kind() == kind && !s.is_picture())
            .map(crate::av::stream::Stream::codec)
            .unwrap_or_default()
    };
    let mut video = VideoSettings::new();
    video = match codec_of(StreamKind::Video).as_str() {
        "h264" => video.codec(VideoCodec::H264).crf(18.0),
        "hevc" => video.codec(VideoCodec::Hevc).crf(20.0),
        "vp9" => video.codec(VideoCodec::Vp9).crf(24.0),
        "av1" => video.codec(VideoCodec::Av1).crf(24.0),
        "prores" => video.codec(VideoCodec::ProRes),
        "ffv1" => video.codec(VideoCodec::Ffv1),
        _ => video,
    };
    let mut audio = AudioSettings::new();
    audio = match codec_of(StreamKind::Audio).as_str() {
        "aac" => audio.codec(AudioCodec::Aac).bit_rate(192_000),
        "opus" => audio.codec(AudioCodec::Opus).bit_rate(160_000),
        "mp3" => audio.codec(AudioCodec::Mp3).bit_rate(256_000),
        "flac" => audio.codec(AudioCodec::Flac),
        codec if codec.starts_with("pcm_") => audio.codec(AudioCodec::Encoder(codec.to_owned())),
        _ => audio,
    };
    Ok(transcode.video(video).audio(audio))
}

/// A transcode that reports itself as a cut.
struct EncodedCut<'a>(TranscodeJob<'a>);

impl Job for EncodedCut<'_> {
    fn inputs(&self) -> Vec<crate::Source> {
        self.0.inputs()
    }

    fn format(&self) -> Option<&str> {
        self.0.format()
    }

    fn default_format(&self) -> String {
        self.0.default_format()
    }

    fn shares(&self) -> bool {
        false
    }

    fn layout(&self, streaming: bool) -> crate::edit::target::Layout {
        self.0.layout(streaming)
    }

    fn run(&self, target: &mut edit::target::Target, report: &mut Report, control: &Control) -> Result<()> {
        report.mode = Some("encode".into());
        self.0.run(target, report, control)
    }
}
