//! Why a stream, a codec or all of a source can't become what the settings ask for.

use super::Plan;
use crate::{
    Error, Result,
    av::{
        encoder::EncoderKind,
        stream::{Stream, StreamKind},
    },
    output::target::Target,
    time::Rational,
    transcode::{
        encoders::{
            holds::{self, Held},
            judge, options, touches,
        },
        settings::{AudioCodec, VideoCodec},
    },
};

impl Plan<'_> {
    /// A codec that somebody named is for a container that holds streams of its kind.
    pub(super) fn check_named(&self, target: &Target) -> Result<()> {
        let (video, audio) = (&self.settings.video.codec, &self.settings.audio.codec);
        let video = !matches!(video, VideoCodec::Auto | VideoCodec::Copy | VideoCodec::None);
        let audio = !matches!(audio, AudioCodec::Auto | AudioCodec::Copy | AudioCodec::None);
        for (kind, named, option) in
            [(StreamKind::Video, video, "video"), (StreamKind::Audio, audio, "audio")]
        {
            if named && holds::most(target.muxer, kind) == Some(0) {
                let message =
                    format!("{}: {}, and a codec was named for it", target.name(), no_room(kind, 0));
                return Err(Error::unsupported(message)
                    .with_setting(format!("{option}.codec"))
                    .advise(format!("leave the {option} codec out, or choose another container")));
            }
        }
        Ok(())
    }

    /// Why no stream with a picture or sound is left.
    pub(super) fn nothing(&self, target: &Target) -> Error {
        let plays = |stream: &&Stream| {
            matches!(stream.kind(), StreamKind::Video | StreamKind::Audio) && !stream.is_picture()
        };
        let streams = self.media.streams();
        let codecs =
            |streams: Vec<&Stream>| streams.into_iter().map(Stream::codec).collect::<Vec<_>>().join(", ");
        let playing: Vec<_> = streams.iter().filter(plays).collect();
        if playing.is_empty() {
            let message =
                format!("there is neither video nor sound in it ({})", codecs(streams.iter().collect()));
            return Error::unsupported(message).advise("remux puts what it has into another container");
        }
        if playing.iter().all(|stream| self.settings.leaves_out(stream.kind())) {
            return Error::unsupported(format!("all that it has is to be left out ({})", codecs(playing)))
                .advise("leave one 'none' out");
        }
        let message = format!("{} can hold none of the streams ({})", target.name(), codecs(playing));
        Error::unsupported(message)
            .with_setting("format")
            .advise("choose another container, such as mp4 or mkv")
    }

    pub(super) fn no_copy(&self, target: &Target, index: usize, source: &Stream) -> Error {
        let why = if holds::stream(target.muxer, source) == Held::Never {
            let rates = holds::sample_rates(&target.muxer.name(), &source.codec());
            let rate = source.sample_rate().filter(|rate| !rates.is_empty() && !rates.contains(rate));
            let of = rate.map(|rate| format!(" of {rate} samples a second")).unwrap_or_default();
            format!("{} can't hold it{of}", target.name())
        } else if !self.media.demuxer().has_times() {
            "its source does not say when its pictures are shown".to_owned()
        } else {
            "ranges and speeds need it decoded".to_owned()
        };
        let error = Error::unsupported(format!("{} can't be copied: {why}", source.codec()));
        let setting = if source.kind() == StreamKind::Video { "video.codec" } else { "audio.codec" };
        error.in_stream(index).with_setting(setting).advise("leave 'copy' out, and it is encoded")
    }

    /// Whether the container holds what it makes, and it takes the options.
    pub(super) fn check_encoder(&self, target: &Target, kind: EncoderKind, source: &Stream) -> Result<()> {
        if holds::encoder(target.muxer, kind) == Held::Never {
            let message = format!("{} can't hold {} (encoder {})", target.name(), kind.codec(), kind.name());
            return Err(Error::unsupported(message).advise("choose another codec or container"));
        }
        if kind.kind() != StreamKind::Video {
            let options = options::audio_options(self.settings, kind);
            judge::check_rate(&self.settings.audio, kind, target.muxer)?;
            judge::check_channels(&self.settings.audio, kind, source)?;
            judge::check_words(kind, &options)?;
            kind.check_options(&options)?;
            return touches::check_encoder(self.settings, kind, &self.settings.audio.options);
        }
        let (w, h) = source.size().unwrap_or((1280, 720));
        let shape = (w, h, source.frame_rate().map_or(25.0, Rational::value));
        let options = options::video_options(self.settings, kind, self.settings.video.bit_rate, shape)?;
        judge::check_words(kind, &options)?;
        kind.check_options(&options)?;
        touches::check_encoder(self.settings, kind, &self.settings.video.options)
    }
}

pub(super) fn no_room(kind: StreamKind, there: usize) -> &'static str {
    match (kind, there) {
        (StreamKind::Video, 0) => "it holds no video",
        (StreamKind::Video, _) => "it holds one stream of video",
        (_, 0) => "it holds no sound",
        _ => "it holds one stream of sound",
    }
}
