//! Judges what encoders are told, in words that say more than their own.

use super::{
    holds,
    scales::{SPEEDS, rank},
};
use crate::{
    Error, Result,
    av::{
        encoder::EncoderKind,
        format::{is_layout, usual_layout},
        muxer::Muxer,
        stream::Stream,
    },
    transcode::settings::AudioSettings,
};

/// x264's tunings; several may be given at once.
const X264_TUNES: [&str; 9] =
    ["film", "animation", "grain", "stillimage", "psnr", "ssim", "fastdecode", "zerolatency", "touhou"];
const X265_TUNES: [&str; 9] = [
    "psnr",
    "ssim",
    "grain",
    "animation",
    "fastdecode",
    "fast-decode",
    "zerolatency",
    "zero-latency",
    "vmaf",
];

/// What else than options by libav's names people write after `ffmpeg`, and the setting that says it here.
fn said_otherwise(key: &str) -> Option<&'static str> {
    Some(match key {
        "b:v" | "vb" => "video.bit_rate",
        "b:a" => "audio.bit_rate",
        "c" | "c:v" | "codec" | "codec:v" | "vcodec" => "video.codec",
        "c:a" | "codec:a" | "acodec" => "audio.codec",
        "r" => "video.frame_rate",
        "s" => "video.size",
        "vf" | "filter:v" => "video.filter",
        "af" | "filter:a" => "audio.filter",
        "q" | "q:v" | "qscale" | "qscale:v" => "video.crf",
        "threads" => "threads",
        "pix_fmt" => "video.pixel_format",
        _ => return None,
    })
}

/// Judges of an encoder's options what it would judge itself when it is opened, in words that say less
/// (x264's presets), and what is no option of any.
pub(crate) fn check_words(encoder: EncoderKind, options: &[(String, String)]) -> Result<()> {
    let name = encoder.name();
    for (key, value) in options {
        if let Some(own) = said_otherwise(key) {
            let message = format!("the encoder {name} has no option '{key}'");
            return Err(Error::invalid(message)
                .with_setting(own)
                .advise(format!("what it stands for is the setting {own}")));
        }
        let is_number = value.parse::<i64>().is_ok();
        let among = |known: &[&str], word: &str| known.iter().any(|k| k.eq_ignore_ascii_case(word));
        let (what, expected) = match (name.as_str(), key.as_str()) {
            ("libx264" | "libx264rgb" | "libx265", "preset")
                if rank(value).is_none() && !matches!(value.as_bytes(), [b'0'..=b'9']) =>
            {
                ("preset", SPEEDS.join(", "))
            }
            ("libx264" | "libx264rgb", "tune")
                if !value.split([',', '.', '/', '-', '+']).all(|word| among(&X264_TUNES, word)) =>
            {
                ("tuning", X264_TUNES.join(", "))
            }
            ("libx265", "tune") if !among(&X265_TUNES, value) => ("tuning", X265_TUNES.join(", ")),
            ("libsvtav1", "preset") if !is_number => {
                ("preset", format!("{}, or a number from 0, the slowest, to 13", SPEEDS.join(", ")))
            }
            ("libvpx-vp9" | "libvpx" | "libaom-av1", "cpu-used") if !is_number => {
                ("preset", format!("{}, or a number from 0, the slowest, to 8", SPEEDS.join(", ")))
            }
            _ => continue,
        };
        let setting = if what == "tuning" { "video.tune" } else { "video.encoder_preset" };
        return Err(Error::invalid(format!("the encoder {name} has no {what} '{value}'"))
            .with_setting(setting)
            .advise(format!("it has {expected}")));
    }
    Ok(())
}

/// Whether an encoder, and a container of what it makes, take sound of the rate that is asked for.
pub(crate) fn check_rate(settings: &AudioSettings, encoder: EncoderKind, muxer: Muxer) -> Result<()> {
    let container = muxer.name();
    for (who, rates) in [
        (format!("the encoder {}", encoder.name()), encoder.sample_rates()),
        (container.clone(), holds::sample_rates(&container, &encoder.codec()).to_vec()),
    ] {
        if let Some(rate) = settings.sample_rate.filter(|rate| !rates.is_empty() && !rates.contains(rate)) {
            let known: Vec<String> = rates.iter().map(u32::to_string).collect();
            let message = format!("{who} does not take {rate} samples a second");
            return Err(Error::invalid(message)
                .with_setting("audio.sample_rate")
                .advise(format!("it takes {}", known.join(", "))));
        }
    }
    Ok(())
}

/// Whether there is a layout of the channels that are asked for, or the source's sound has as many; and the
/// encoder takes it.
pub(crate) fn check_channels(settings: &AudioSettings, encoder: EncoderKind, source: &Stream) -> Result<()> {
    let Some(channels) = settings.channels else { return Ok(()) };
    let own = encoder.layouts();
    let takes = |n: u32| own.is_empty() || own.contains(&usual_layout(n));
    let mixes = |n: u32| is_layout(&usual_layout(n));
    let message = if !takes(channels) {
        format!("the encoder {} does not take {channels} channels", encoder.name())
    } else if source.channels() != Some(channels) && !mixes(channels) {
        format!("{channels} channels: this libav has no layout of so many to mix sound into")
    } else {
        return Ok(());
    };
    let known: Vec<String> = (1..=64).filter(|n| mixes(*n) && takes(*n)).map(|n| n.to_string()).collect();
    Err(Error::invalid(message).with_setting("audio.channels").advise(format!("give {}", known.join(", "))))
}
