//! What a cut encodes with: the source's own codecs, at a quality that nobody tells from it, where this libav
//! encodes them and the container holds them; else what suits the container, at such a quality. A cut is no
//! transcode.

use super::{
    choose::{audio_encoder, video_encoder},
    holds::{self, Held},
};
use crate::{
    Media, Report, Result, StreamKind,
    av::{encoder::EncoderKind, stream::Stream},
    output::{self, target::Target},
    transcode::settings::{AudioCodec, AudioSettings, Transcode, VideoCodec, VideoSettings},
};

/// libav's FF_QP2LAMBDA: what `global_quality` counts quantisers by.
const LAMBDA: u32 = 118;

/// The settings of a cut, completed by codecs and qualities.
pub(crate) fn with_codecs(
    asked: Transcode,
    media: &Media,
    target: &Target,
    report: &mut Report,
) -> Transcode {
    let usual = video_encoder(&VideoSettings::new(), target.muxer);
    let find = |video: &VideoSettings| video_encoder(video, target.muxer);
    let pictures = first(media, StreamKind::Video);
    let pictures = pictures.and_then(|index| choose(index, (media, target), usual, video, find, report));
    let sound = first(media, StreamKind::Audio).and_then(|index| sound_of(media, index, target, report));
    asked.video(pictures.unwrap_or_default()).audio(sound.unwrap_or_default())
}

/// The first stream of a kind that plays.
fn first(media: &Media, kind: StreamKind) -> Option<usize> {
    media.streams().iter().position(|s| s.kind() == kind && !s.is_picture() && !s.is_hidden())
}

/// How a stream of sound is encoded anew.
pub(crate) fn sound_of(
    media: &Media,
    index: usize,
    target: &Target,
    report: &mut Report,
) -> Option<AudioSettings> {
    let lossless = media.streams().get(index).and_then(|sound| lossless(sound, target));
    let usual = match lossless {
        Some((encoder, _)) => Ok(encoder),
        None => audio_encoder(&AudioSettings::new(), target.muxer),
    };
    let find = |audio: &AudioSettings| audio_encoder(audio, target.muxer);
    let sound = choose(index, (media, target), usual, audio, find, report);
    if let (Some((encoder, Some(lost))), Some(sound)) = (lossless, &sound)
        && find(sound).is_ok_and(|chosen| chosen.codec() == encoder.codec())
    {
        report.warn(format!("{} {lost}", encoder.codec()));
    }
    sound
}

/// What takes the place of sound that lost nothing, where the container holds it: what loses nothing either.
/// With it, what is lost all the same.
fn lossless(sound: &Stream, target: &Target) -> Option<(EncoderKind, Option<&'static str>)> {
    if !sound.is_lossless() || sound.codec().starts_with("pcm_") {
        return None;
    }
    let format = sound.sample_format().unwrap_or_default();
    // Libav's FLAC and ALAC have up to 24 bits.
    let (pcm, lost) = match sound.bits_of_sample() {
        _ if format.starts_with("dbl") => {
            ("pcm_f64", Some("has no floating point: samples are rounded to 24 bits"))
        }
        _ if format.starts_with("flt") => {
            ("pcm_f32", Some("has no floating point: samples are rounded to 24 bits"))
        }
        ..=16 => ("pcm_s16", None),
        17..=24 => ("pcm_s24", None),
        _ => ("pcm_s32", Some("has 24 bits a sample: what the source has beyond them is lost")),
    };
    let compressed = || ["flac", "alac"].iter().filter_map(|name| EncoderKind::find(name));
    let is_big_endian = target.muxer.usual_codecs().1.ends_with("be");
    let ends = if is_big_endian { ["be", "le"] } else { ["le", "be"] };
    let plain = ends.iter().filter_map(|end| EncoderKind::find(&format!("{pcm}{end}")));
    let rate = sound.sample_rate().unwrap_or(0);
    let is_held = |encoder: &EncoderKind| {
        let rates = holds::sample_rates(&target.muxer.name(), &encoder.codec());
        (rates.is_empty() || rates.contains(&rate)) && holds::encoder(target.muxer, *encoder) == Held::Well
    };
    let exact = compressed().filter(|_| lost.is_none()).chain(plain).find(is_held);
    exact.map(|encoder| (encoder, None)).or_else(|| Some((compressed().find(is_held)?, lost)))
}

/// Settings for the codec of a stream, or else for the container's usual one, and why then.
fn choose<S>(
    index: usize,
    (media, target): (&Media, &Target),
    usual: Result<EncoderKind>,
    settings: impl Fn(&str, &Stream) -> Option<S>,
    find: impl Fn(&S) -> Result<EncoderKind>,
    report: &mut Report,
) -> Option<S> {
    let source = media.streams().get(index)?;
    let (codec, name, usual) = (source.codec(), target.name(), usual.ok()?);
    if holds::most(target.muxer, source.kind()) == Some(0) {
        return None;
    }
    let held = |own: &S| find(own).map(|encoder| holds::encoder(target.muxer, encoder));
    // What a container of this kind has already it may have again.
    let format = media.demuxer().name();
    let again = format.split(',').any(|format| output::are_kin(format, name));
    let why = match settings(&codec, source) {
        None => "it can't be encoded anew near its quality".to_owned(),
        // libav's encoders of these give pictures in another order than they are shown in.
        Some(_) if again && matches!(codec.as_str(), "h264" | "hevc") && !says_when_shown(target) => {
            format!("{name} does not say when pictures are shown that it would put in another order")
        }
        Some(own) => match held(&own) {
            Ok(Held::Well) => return Some(own),
            Ok(Held::Asked) if again => return Some(own),
            Ok(_) if again => format!("what is encoded so is not found again in {name}, or not in its time"),
            Ok(_) => format!("it is not at home in {name}"),
            Err(_) => "this libav has no encoder for it".to_owned(),
        },
    };
    if usual.codec() != codec {
        report.warn(format!("stream {index}: {codec} becomes {}: {why}", usual.codec()));
    }
    settings(&usual.codec(), source)
}

/// Whether a container says of a picture when it is shown, and not only when it is decoded.
fn says_when_shown(target: &Target) -> bool {
    !matches!(target.muxer.name().as_str(), "avi" | "asf" | "asf_stream")
}

/// How pictures are encoded near the quality of a stream's, in a codec.
pub(crate) fn pictures_like(codec: &str, source: &Stream) -> Option<VideoSettings> {
    video(codec, source)
}

/// How sound is encoded near the quality of a stream's, in a codec.
pub(crate) fn sound_like(codec: &str, source: &Stream) -> Option<AudioSettings> {
    audio(codec, source)
}

/// How pictures of a codec are encoded near their source's quality; None for codecs that can't be, such as
/// GIF, which would get other colours.
fn video(codec: &str, source: &Stream) -> Option<VideoSettings> {
    let new = VideoSettings::new();
    let by_name = |name: &str| VideoSettings::new().codec(VideoCodec::Encoder(name.to_owned()));
    let quantiser = |name: &str, q: u32| {
        let quality = q.saturating_mul(LAMBDA).to_string();
        by_name(name).option("flags", "+qscale").option("global_quality", quality)
    };
    Some(match codec {
        "h264" => new.codec(VideoCodec::H264).crf(18.0),
        "hevc" => new.codec(VideoCodec::Hevc).crf(20.0),
        "vp9" => new.codec(VideoCodec::Vp9).crf(24.0),
        "av1" => new.codec(VideoCodec::Av1).crf(24.0),
        // The bit rate is the most that it may take.
        "vp8" => by_name("libvpx").option("crf", "6").option("b", rate_of(source).to_string()),
        "prores" => new.codec(VideoCodec::ProRes),
        "dnxhd" => by_name("dnxhd").option("profile", "dnxhr_hq").pixel_format("yuv422p"),
        "mpeg1video" | "mpeg2video" | "mpeg4" | "msmpeg4v2" | "wmv1" | "wmv2" | "mjpeg" | "h263" => {
            quantiser(codec, 2)
        }
        "msmpeg4v3" => quantiser("msmpeg4", 2),
        "flv1" => quantiser("flv", 2),
        // From 0 to 10, the best.
        "theora" => quantiser("libtheora", 10),
        "gif" => return None,
        _ => {
            let lossless = EncoderKind::find(codec).filter(|encoder| encoder.is_lossless());
            by_name(&lossless.filter(|encoder| encoder.kind() == StreamKind::Video)?.name())
        }
    })
}

/// More than pictures of a size need: four bits a pixel.
fn rate_of(source: &Stream) -> u64 {
    let (w, h) = source.size().unwrap_or((1280, 720));
    let fps = source.frame_rate().map_or(25.0, |rate| rate.value().clamp(1.0, 240.0));
    ((f64::from(w) * f64::from(h) * fps * 4.0) as u64).clamp(1_000_000, 400_000_000)
}

/// How sound of a codec is encoded near its source's quality; None for codecs that can't be, such as those of
/// telephones.
fn audio(codec: &str, source: &Stream) -> Option<AudioSettings> {
    let new = AudioSettings::new();
    let by_name = |name: &str| AudioSettings::new().codec(AudioCodec::Encoder(name.to_owned()));
    let channels = u64::from(source.channels().unwrap_or(2));
    let samples = source.sample_rate().unwrap_or(48_000);
    // MPEG-2's and 2.5's half and quarter rates have tables of their own.
    let by_table = |full: u64, half: u64, quarter: u64| match samples {
        32_000.. => full,
        16_000.. => half,
        _ => quarter,
    };
    let each = |rate: u64| rate.saturating_mul(channels.max(2));
    Some(match codec {
        "aac" => new.codec(AudioCodec::Aac).bit_rate(each(96_000)),
        "opus" => new.codec(AudioCodec::Opus).bit_rate(each(80_000).min(512_000)),
        "mp3" => new.codec(AudioCodec::Mp3).bit_rate(by_table(256_000, 160_000, 64_000)),
        "mp2" => {
            by_name("mp2").bit_rate(by_table(if channels == 1 { 192_000 } else { 384_000 }, 160_000, 160_000))
        }
        "ac3" | "eac3" => by_name(codec).bit_rate(if channels > 2 { 640_000 } else { 384_000 }),
        // From -1 to 10, the best.
        "vorbis" => {
            let quality = LAMBDA.saturating_mul(7).to_string();
            by_name("libvorbis").option("flags", "+qscale").option("global_quality", quality)
        }
        "wmav1" | "wmav2" => by_name(codec).bit_rate(192_000),
        "speex" => by_name("libspeex").option("cbr_quality", "10"),
        "flac" => new.codec(AudioCodec::Flac),
        codec if codec.starts_with("pcm_") || codec.starts_with("adpcm_") => by_name(codec),
        _ => {
            let lossless = EncoderKind::find(codec).filter(|encoder| encoder.is_lossless());
            by_name(&lossless.filter(|encoder| encoder.kind() == StreamKind::Audio)?.name())
        }
    })
}
