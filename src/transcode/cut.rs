//! [`cut`] in all of its modes: what copies is done in `edit`, what encodes is done here.

use super::{
    AudioCodec, AudioSettings, Transcode, TranscodeJob, Transcoder, VideoCodec, VideoSettings,
    holds::{self, Held},
    presets,
};
use crate::{
    Clip, Control, Cut, CutMode, Media, Report, Result, Sink, StreamKind,
    av::{encoder::EncoderKind, output::Muxer},
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
    edit::to_rope(&EncodedCut { media, asked: &asked(settings)? }, "cut", control)
}

/// Cuts ranges out of a media, into a sink.
///
/// Errors: as [`cut`], and what the sink fails with.
pub fn cut_to(media: &Media, settings: &Cut, sink: Sink, control: &Control) -> Result<Report> {
    if settings.asked_mode() != Some(CutMode::Encode) {
        return edit::cut_to(media, settings, sink, control);
    }
    edit::to_sink(&EncodedCut { media, asked: &asked(settings)? }, "cut", sink, control)
}

/// What is asked for, whatever the codecs.
fn asked(settings: &Cut) -> Result<Transcode> {
    if settings.ranges().is_empty() {
        return Err(crate::Error::invalid("no range was given").advise("say what to keep"));
    }
    let mut transcode = settings.ranges().iter().copied().fold(Transcode::new(), Transcode::keep);
    transcode = transcode.allow_drops(settings.allows_drops());
    if let Some(format) = settings.asked_format() {
        transcode = transcode.format(format);
    }
    Ok(transcode)
}

/// The source's own codecs at a quality that nobody tells from it, where this libav encodes them and they are at home in the
/// container; else what suits that best.
fn with_codecs(transcode: Transcode, media: &Media, muxer: Muxer) -> Transcode {
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
    let is_home = |encoder: Result<EncoderKind>, kind: StreamKind| {
        holds::most(muxer, kind) > 0 && encoder.is_ok_and(|e| holds::encoder(muxer, e) == Held::Well)
    };
    if !is_home(presets::video_encoder(&video, muxer), StreamKind::Video) {
        video = VideoSettings::new();
    }
    if !is_home(presets::audio_encoder(&audio, muxer), StreamKind::Audio) {
        audio = AudioSettings::new();
    }
    transcode.video(video).audio(audio)
}

/// A transcode that reports itself as a cut.
struct EncodedCut<'a> {
    media: &'a Media,
    asked: &'a Transcode,
}

impl EncodedCut<'_> {
    fn plain(&self) -> TranscodeJob<'_> {
        TranscodeJob::new(Transcoder::new(self.media, self.asked))
    }
}

impl Job for EncodedCut<'_> {
    fn inputs(&self) -> Vec<crate::Source> {
        self.plain().inputs()
    }

    fn format(&self) -> Option<&str> {
        self.asked.format.as_deref()
    }

    fn default_format(&self) -> String {
        self.plain().default_format()
    }

    fn shares(&self) -> bool {
        false
    }

    fn layout(&self, streaming: bool) -> crate::edit::target::Layout {
        self.plain().layout(streaming)
    }

    fn run(&self, target: &mut edit::target::Target, report: &mut Report, control: &Control) -> Result<()> {
        report.mode = Some("encode".into());
        let settings = with_codecs(self.asked.clone(), self.media, target.muxer);
        TranscodeJob::new(Transcoder::new(self.media, &settings)).run(target, report, control)
    }
}
