//! Which encoder: what a professional would choose where the caller did not.

use crate::{
    Error, Result,
    av::{encoder::EncoderKind, muxer::Muxer},
    transcode::settings::{AudioCodec, AudioSettings, VideoCodec, VideoSettings},
};

/// The first of these encoders that this libav has.
fn first_of(names: &[&str], codec: &str) -> Result<EncoderKind> {
    names.iter().find_map(|name| EncoderKind::find(name)).ok_or_else(|| {
        Error::unsupported(format!("this libav has no encoder for {codec} ({})", names.join(", ")))
            .advise("choose another codec, or a libav that was built with it")
    })
}

fn by_name(name: &str, kind: crate::StreamKind) -> Result<EncoderKind> {
    let found = EncoderKind::find(name).ok_or_else(|| {
        Error::invalid(format!("libav has no encoder called '{name}'")).advise("see `ffmpeg -encoders`")
    })?;
    if found.kind() == kind {
        Ok(found)
    } else {
        Err(Error::invalid(format!("the encoder '{name}' is for another kind of stream")))
    }
}

/// The encoder for a container's video.
pub(crate) fn video_encoder(settings: &VideoSettings, muxer: Muxer) -> Result<EncoderKind> {
    let named = |codec: &str| match codec {
        "h264" => first_of(&["libx264", "libopenh264"], codec),
        "hevc" => first_of(&["libx265"], codec),
        "av1" => first_of(&["libsvtav1", "libaom-av1", "librav1e"], codec),
        "vp9" => first_of(&["libvpx-vp9"], codec),
        "prores" => first_of(&["prores_ks", "prores"], codec),
        "vp8" => first_of(&["libvpx"], codec),
        "theora" => first_of(&["libtheora"], codec),
        "msmpeg4v3" => first_of(&["msmpeg4"], codec),
        "webp" => first_of(&["libwebp_anim", "libwebp"], codec),
        other => first_of(&[other], codec),
    };
    match &settings.codec {
        VideoCodec::Auto | VideoCodec::Copy | VideoCodec::None => {
            let (usual, _) = muxer.usual_codecs();
            match (muxer.name().as_str(), usual.as_str()) {
                ("webm", _) => named("vp9"),
                // libav's choices of another time.
                ("mpegts" | "flv" | "matroska" | "mov" | "ipod" | "f4v" | "3gp" | "3g2", _) => {
                    named("h264").or_else(|_| named(&usual))
                }
                (name, "none") => Err(Error::unsupported(format!("{name} holds no video"))),
                // Such packets are no bytes, but frames of libav's own.
                (_, "wrapped_avframe") => Err(Error::unsupported("avrope writes no YUV4MPEG (y4m)")
                    .advise("take nut or avi with the codec rawvideo")),
                _ => named(&usual),
            }
        }
        VideoCodec::H264 => named("h264"),
        VideoCodec::Hevc => named("hevc"),
        VideoCodec::Av1 => named("av1"),
        VideoCodec::Vp9 => named("vp9"),
        VideoCodec::Mpeg4 => named("mpeg4"),
        VideoCodec::Mjpeg => named("mjpeg"),
        VideoCodec::ProRes => named("prores"),
        VideoCodec::Ffv1 => named("ffv1"),
        VideoCodec::Gif => named("gif"),
        VideoCodec::Encoder(name) => by_name(name, crate::StreamKind::Video),
    }
}

/// The encoder for a container's sound.
pub(crate) fn audio_encoder(settings: &AudioSettings, muxer: Muxer) -> Result<EncoderKind> {
    let named = |codec: &str| match codec {
        "opus" => first_of(&["libopus", "opus"], codec),
        "mp3" => first_of(&["libmp3lame"], codec),
        "vorbis" => first_of(&["libvorbis", "vorbis"], codec),
        other => first_of(&[other], codec),
    };
    match &settings.codec {
        AudioCodec::Auto | AudioCodec::Copy | AudioCodec::None => {
            let (_, usual) = muxer.usual_codecs();
            match (muxer.name().as_str(), usual.as_str()) {
                ("webm" | "ogg", _) => named("opus").or_else(|_| named("vorbis")),
                ("mpegts" | "flv" | "matroska" | "f4v" | "3gp" | "3g2", _) => named("aac"),
                (name, "none") => Err(Error::unsupported(format!("{name} holds no sound"))),
                _ => named(&usual),
            }
        }
        AudioCodec::Aac => named("aac"),
        AudioCodec::Opus => named("opus"),
        AudioCodec::Mp3 => named("mp3"),
        AudioCodec::Flac => named("flac"),
        AudioCodec::Pcm => named(if muxer.name() == "aiff" { "pcm_s16be" } else { "pcm_s16le" }),
        AudioCodec::Encoder(name) => by_name(name, crate::StreamKind::Audio),
    }
}

/// The codec that an encoder of a device would be for, where nobody chose the encoder itself.
pub(crate) fn codec_on_device(settings: &VideoSettings, software: EncoderKind) -> Option<String> {
    let codec = software.codec();
    let open = !matches!(settings.codec, VideoCodec::Encoder(_)) && settings.tune.is_none();
    (open
        && settings.options.is_empty()
        && matches!(codec.as_str(), "h264" | "hevc" | "av1" | "vp9" | "mjpeg"))
    .then_some(codec)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_have_their_usual_codecs() {
        let video = |format: &str| {
            video_encoder(&VideoSettings::new(), Muxer::find(format).unwrap())
                .map(|e| e.codec())
                .unwrap_or_default()
        };
        let audio = |format: &str| {
            audio_encoder(&AudioSettings::new(), Muxer::find(format).unwrap())
                .map(|e| e.codec())
                .unwrap_or_default()
        };
        assert_eq!([video("mp4"), video("webm"), video("mkv"), video("gif")], ["h264", "vp9", "h264", "gif"]);
        assert_eq!([audio("mp4"), audio("webm"), audio("mkv")], ["aac", "opus", "aac"]);
        assert_eq!([audio("mp3"), audio("wav"), audio("flac")], ["mp3", "pcm_s16le", "flac"]);
        assert_eq!(audio("gif"), "");
    }
}
