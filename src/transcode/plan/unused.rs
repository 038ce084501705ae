//! Settings that do nothing for this source, this container or this encoder: one warning for each, and why.

use crate::{
    Media, Report,
    av::{
        encoder::EncoderKind,
        stream::{Stream, StreamKind},
    },
    output::target::Target,
    transcode::{
        flow::{
            pipeline::{Lane, Way},
            process::processor::Processors,
        },
        settings::{AudioFilter, AudioSettings, Fit, Transcode, VideoFilter, VideoSettings},
    },
};

/// Warns of all of them. `left` are processors that nothing goes through.
pub(crate) fn warn(
    (media, settings): (&Media, &Transcode),
    lanes: &[Lane<'_>],
    left: &Processors,
    target: &Target,
    report: &mut Report,
) {
    let container = target.name();
    let mut nothing = |what: &str, because: &str| report.warn(format!("the {what} does nothing: {because}"));
    let found = |kind: StreamKind, name: &str| -> Found {
        let plays = |stream: &&Stream| stream.kind() == kind && !stream.is_picture();
        let mut ways = lanes.iter().filter(|lane| plays(&lane.source)).peekable();
        if settings.leaves_out(kind) {
            Err(format!("the {name} is left out"))
        } else if ways.peek().is_some() {
            Ok(ways.filter_map(encoder).collect())
        } else if media.streams().iter().any(|stream| plays(&stream)) {
            Err(format!("the {name} is not in the result"))
        } else {
            Err(format!("the source has no {name}"))
        }
    };
    let pictures = found(StreamKind::Video, "video");
    let sounds = found(StreamKind::Audio, "sound");
    let (of_pictures, of_sounds) = (!left.video.is_empty(), !left.audio.is_empty());
    unused_of_video(settings, &pictures, sounds.is_ok(), of_pictures, &mut nothing);
    unused_of_audio(settings, &sounds, pictures.is_ok(), of_sounds, &mut nothing);
    if settings.fragment.is_some() && (!target.muxer.is_mov() || target.is_segmented()) {
        let why = if target.is_segmented() {
            "segments have fragments of their own".to_owned()
        } else {
            format!("fragments are those of MP4, and {container} has none")
        };
        nothing("fragment", &why);
    }
}

/// Encoders of the streams of a kind, or why the result has none of it.
type Found = Result<Vec<EncoderKind>, String>;

fn unused_of_video(
    settings: &Transcode,
    pictures: &Found,
    has_sound: bool,
    has_processors: bool,
    nothing: &mut impl FnMut(&str, &str),
) {
    match pictures {
        Err(why) => {
            let of_sound = if has_sound { &settings.audio.filters[..] } else { &[] };
            of_video(&settings.video, of_sound).iter().for_each(|what| nothing(what, why));
            if settings.target_size.is_some() {
                nothing("target size", why);
            }
            if has_processors {
                nothing("processor of pictures", why);
            }
        }
        Ok(encoders) => {
            if has_processors {
                nothing("processor of pictures", "the video is copied");
            }
            if encoders.is_empty() && settings.target_size.is_some() {
                nothing("target size", "the video is copied");
            }
            for kind in encoders {
                of_video_encoder(settings, *kind, nothing);
            }
        }
    }
}

fn unused_of_audio(
    settings: &Transcode,
    sounds: &Found,
    has_pictures: bool,
    has_processors: bool,
    nothing: &mut impl FnMut(&str, &str),
) {
    let audio = &settings.audio;
    match sounds {
        Err(why) => {
            let of_pictures = if has_pictures { &settings.video.filters[..] } else { &[] };
            of_audio(audio, of_pictures).iter().for_each(|what| nothing(what, why));
            if has_processors {
                nothing("processor of sound", why);
            }
        }
        Ok(encoders) => {
            if has_processors {
                nothing("processor of sound", "the sound is copied");
            }
            if let Some(kind) = encoders.iter().find(|kind| audio.bit_rate.is_some() && kind.is_lossless()) {
                nothing("bit rate of the sound", &format!("the encoder {} is lossless", kind.name()));
            }
        }
    }
}

fn encoder(lane: &Lane<'_>) -> Option<EncoderKind> {
    match &lane.way {
        Way::Encode(encode) => Some(encode.1.kind),
        _ => None,
    }
}

/// What an encoder makes nothing of.
fn of_video_encoder(settings: &Transcode, kind: EncoderKind, nothing: &mut dyn FnMut(&str, &str)) {
    let (video, name) = (&settings.video, kind.name());
    let unrated = if kind.is_lossless() {
        Some(format!("the encoder {name} is lossless"))
    } else if name.starts_with("prores") {
        Some(format!("the encoder {name} goes by its profile (its option 'profile')"))
    } else {
        None
    };
    if let Some(why) = unrated {
        if video.bit_rate.is_some() {
            nothing("bit rate of the video", &why);
        }
        if settings.target_size.is_some() {
            nothing("target size", &why);
        }
    }
    if video.gop.is_some() && kind.is_intra_only() {
        nothing("gop", &format!("the encoder {name} makes every frame a keyframe"));
    }
    if video.fit != Fit::Exact && video.size.is_none() {
        nothing("fit", "there is no size to fit into");
    }
}

/// What is asked of pictures. Of what works on both only what `sound` does not have, too.
fn of_video(video: &VideoSettings, sound: &[AudioFilter]) -> Vec<&'static str> {
    let mut asked: Vec<&str> = [
        ("preset of the video", video.encoder_preset.is_some()),
        ("crf", video.crf.is_some()),
        ("bit rate of the video", video.bit_rate.is_some()),
        ("size", video.size.is_some()),
        ("frame rate", video.frame_rate.is_some()),
        ("gop", video.gop.is_some()),
        ("pixel format", video.pixel_format.is_some()),
        ("tuning", video.tune.is_some()),
        ("turn", video.autorotate),
        ("deinterlacing", video.deinterlace),
        ("filter graph of the video", video.filter.is_some()),
        ("option of the video", !video.options.is_empty()),
    ]
    .into_iter()
    .filter_map(|(what, is_asked)| is_asked.then_some(what))
    .collect();
    let done = |filter: &&VideoFilter| sound.iter().any(|other| works_on_both(filter, other));
    for filter in video.filters.iter().filter(|filter| !done(filter)) {
        asked.push(match filter {
            VideoFilter::Crop { .. } => "crop",
            VideoFilter::Pad { .. } => "padding",
            VideoFilter::Rotate { .. } => "turn",
            VideoFilter::Flip { .. } => "flip",
            VideoFilter::Text { .. } => "text",
            VideoFilter::Graph(_) => "filter graph of the video",
            VideoFilter::FadeIn { .. } | VideoFilter::FadeOut { .. } => "fade of the video",
            VideoFilter::Trim(_) => "trim of the video",
        });
    }
    asked
}

/// The same for sound.
fn of_audio(audio: &AudioSettings, pictures: &[VideoFilter]) -> Vec<&'static str> {
    let mut asked: Vec<&str> = [
        ("bit rate of the sound", audio.bit_rate.is_some()),
        ("sample rate", audio.sample_rate.is_some()),
        ("number of channels", audio.channels.is_some()),
        ("filter graph of the sound", audio.filter.is_some()),
        ("option of the sound", !audio.options.is_empty()),
    ]
    .into_iter()
    .filter_map(|(what, is_asked)| is_asked.then_some(what))
    .collect();
    let done = |filter: &&AudioFilter| pictures.iter().any(|other| works_on_both(other, filter));
    for filter in audio.filters.iter().filter(|filter| !done(filter)) {
        asked.push(match filter {
            AudioFilter::Volume { .. } => "volume",
            AudioFilter::Loudness(_) => "loudness",
            AudioFilter::Graph(_) => "filter graph of the sound",
            AudioFilter::FadeIn { .. } | AudioFilter::FadeOut { .. } => "fade of the sound",
            AudioFilter::Trim(_) => "trim of the sound",
        });
    }
    asked
}

/// Whether two filters are one that is asked of picture and sound.
fn works_on_both(picture: &VideoFilter, sound: &AudioFilter) -> bool {
    matches!(
        (picture, sound),
        (VideoFilter::FadeIn { .. }, AudioFilter::FadeIn { .. })
            | (VideoFilter::FadeOut { .. }, AudioFilter::FadeOut { .. })
            | (VideoFilter::Trim(_), AudioFilter::Trim(_))
    )
}
