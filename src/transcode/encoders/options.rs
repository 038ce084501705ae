//! What encoders are told: what a professional would choose where the caller did not.

use super::{
    parallel,
    scales::{SPEEDS, rank, worst_crf},
};
use crate::{
    Error, Result,
    av::{encoder::EncoderKind, stream::Stream},
    transcode::settings::{Preset, Transcode, VideoSettings},
};

/// Options by libav's names.
type Options = Vec<(String, String)>;

fn set(options: &mut Options, key: &str, value: impl Into<String>) {
    options.push((key.to_owned(), value.into()));
}

/// What a video encoder is told. `shape`: width, height, frames a second.
pub(crate) fn video_options(
    settings: &Transcode,
    encoder: EncoderKind,
    bit_rate: Option<u64>,
    shape: (u32, u32, f64),
) -> Result<Options> {
    let (video, name) = (&settings.video, encoder.name());
    let mut options = Options::new();
    set_speed(&mut options, settings, &name)?;
    // VP8's encoder has no such option.
    if let "libvpx-vp9" | "libaom-av1" = name.as_str() {
        set(&mut options, "row-mt", "1");
    }
    match (video.crf, bit_rate) {
        (Some(crf), _) => set_crf(&mut options, crf, &name)?,
        (None, Some(rate)) => set(&mut options, "b", rate.to_string()),
        (None, None) => set_usual_quality(&mut options, video, &name, shape),
    }
    if let Some(gop) = video.gop {
        set(&mut options, "g", gop.to_string());
    }
    if let Some(tune) = &video.tune {
        set(&mut options, "tune", tune);
    }
    override_with(&mut options, &video.options);
    if name == "libx265" {
        // It writes to stderr by itself otherwise.
        hand_on(&mut options, "x265-params", "log-level", "error");
    }
    if let Some((list, parameter, count)) = parallel::told(&name, settings.threads) {
        hand_on(&mut options, list, parameter, &count);
    }
    Ok(options)
}

/// The encoder's preset, where x264's are the words for it.
fn set_speed(options: &mut Options, settings: &Transcode, name: &str) -> Result<()> {
    let own = settings.video.encoder_preset.as_deref();
    let Some(speed) = own.or(settings.preset.map(Preset::speed)) else {
        if name == "libvpx-vp9" {
            // libvpx's own default takes minutes for seconds.
            set(options, "cpu-used", "4");
        }
        return Ok(());
    };
    let rank = rank(speed);
    // From the slowest, 0, to the fastest.
    let down_from =
        |fastest: usize| rank.map_or(speed.into(), |rank| fastest.saturating_sub(rank).to_string());
    match name {
        "libsvtav1" => set(options, "preset", down_from(13)),
        "libvpx-vp9" | "libvpx" | "libaom-av1" => {
            set(options, "cpu-used", down_from(8));
            if rank.is_some_and(|rank| rank < 3) {
                set(options, if name == "libaom-av1" { "usage" } else { "deadline" }, "realtime");
            }
        }
        nv if nv.ends_with("_nvenc") => {
            // From p1, the fastest, to p7.
            let own = rank.map(|rank| format!("p{}", rank.saturating_add(1).min(7)));
            set(options, "preset", own.unwrap_or_else(|| speed.to_owned()));
        }
        // They have no presets, and were not chosen by name.
        device if on_device(device) && !device.ends_with("_qsv") => {}
        x26x if x26x.starts_with("libx26") || x26x.ends_with("_qsv") => {
            set(options, "preset", rank.and_then(|rank| SPEEDS.get(rank)).map_or(speed, |known| *known));
        }
        _ if own.is_some() => {
            return Err(Error::invalid(format!("the encoder {name} has no presets such as '{speed}'")));
        }
        _ => {}
    }
    Ok(())
}

/// A constant rate factor, by the encoder's own name for it.
fn set_crf(options: &mut Options, crf: f32, name: &str) -> Result<()> {
    match name {
        "libx264" | "libx264rgb" | "libx265" | "libsvtav1" => set(options, "crf", crf.to_string()),
        "libvpx-vp9" | "libvpx" | "libaom-av1" => {
            set(options, "crf", crf.to_string());
            set(options, "b", "0");
        }
        nv if nv.ends_with("_nvenc") => set(options, "cq", crf.to_string()),
        qsv if qsv.ends_with("_qsv") => set(options, "global_quality", crf.to_string()),
        va if va.ends_with("_vaapi") || va.ends_with("_vulkan") => {
            set(options, "qp", crf.round().to_string())
        }
        _ => {
            return Err(Error::invalid(format!("the encoder {name} has no constant rate factor (crf)"))
                .advise("give a bit rate, or the encoder's own option"));
        }
    }
    if crf > worst_crf(name) {
        let message = format!("a constant rate factor (crf) of {crf} for {name}");
        return Err(
            Error::invalid(message).advise(format!("it goes from 0, the best, to {}", worst_crf(name)))
        );
    }
    Ok(())
}

/// Where nobody says anything of quality, and the encoder's own default is of no use.
fn set_usual_quality(options: &mut Options, video: &VideoSettings, name: &str, (w, h, fps): (u32, u32, f64)) {
    let is_rated = || video.options.iter().any(|(key, _)| matches!(key.as_str(), "b" | "global_quality"));
    match name {
        // libav's default for these is 200 kbit/s at any size.
        "libvpx-vp9" | "libvpx" | "libaom-av1" => {
            set(options, "crf", "32");
            set(options, "b", "0");
        }
        "mpeg4" | "mpeg2video" | "mpeg1video" | "msmpeg4" | "msmpeg4v2" | "wmv1" | "wmv2" | "flv"
        | "h263" | "libopenh264" | "libtheora" | "mjpeg"
            if !is_rated() =>
        {
            // A quarter of a bit a pixel is more than these need for most pictures.
            let bits = f64::from(w)
                * f64::from(h)
                * fps.clamp(1.0, 240.0)
                * if name == "mjpeg" { 1.5 } else { 0.25 };
            set(options, "b", (bits as u64).max(200_000).to_string());
        }
        _ => {}
    }
}

/// Puts a parameter into the list that libav hands on to an encoder, unless the list says it itself.
fn hand_on(options: &mut Vec<(String, String)>, key: &str, parameter: &str, value: &str) {
    let own = format!("{parameter}={value}");
    match options.iter_mut().find(|(known, _)| known == key) {
        None => options.push((key.to_owned(), own)),
        Some((_, given)) if given.is_empty() => *given = own,
        Some((_, given)) => {
            let says =
                |one: &str| one.split('=').next().is_some_and(|name| name.replace('_', "-") == parameter);
            if !given.split(':').any(says) {
                *given = format!("{own}:{given}");
            }
        }
    }
}

/// What an audio encoder is told.
pub(crate) fn audio_options(settings: &Transcode, encoder: EncoderKind) -> Vec<(String, String)> {
    let lossless = encoder.is_lossless();
    let rate = settings.audio.bit_rate.or(settings.preset.map(Preset::audio_bit_rate));
    let mut options: Vec<(String, String)> = Vec::new();
    if let Some(rate) = rate.filter(|_| !lossless) {
        options.push(("b".into(), rate.to_string()));
    }
    override_with(&mut options, &settings.audio.options);
    options
}

/// The bits a second that an audio encoder will make, as far as can be told before: the rate that it is
/// given, or its own choice.
pub(crate) fn audio_rate(settings: &Transcode, encoder: EncoderKind, source: &Stream) -> u64 {
    let channels = settings.audio.channels.or(source.channels()).unwrap_or(2);
    let samples = settings.audio.sample_rate.or(source.sample_rate()).unwrap_or(48_000);
    let raw = |bits: u64| u64::from(channels).saturating_mul(samples.into()).saturating_mul(bits);
    let codec = encoder.codec();
    let bits = |text: &str| {
        let (number, factor) = match text.strip_suffix(['k', 'K']) {
            Some(number) => (number, 1000.0),
            None => (text, 1.0),
        };
        number.parse().ok().map(|n: f64| (n * factor) as u64)
    };
    if let Some(pcm) = codec.strip_prefix("pcm_") {
        let digits: String = pcm.chars().filter(char::is_ascii_digit).collect();
        return raw(digits.parse().unwrap_or(8));
    }
    let options = audio_options(settings, encoder);
    if let Some(rate) = options.iter().find(|(key, _)| key == "b").and_then(|(_, value)| bits(value)) {
        return rate;
    }
    match codec.as_str() {
        // Of 16 bits a sample a lossless codec leaves about 10.
        "flac" | "alac" | "wavpack" | "tta" => raw(10),
        // libopusenc.c and ac3enc.c go by the channels.
        "opus" => u64::from(channels.div_ceil(2))
            .saturating_mul(32_000)
            .saturating_add(u64::from(channels).saturating_mul(32_000)),
        "ac3" | "eac3" => match channels {
            1 => 96_000,
            2 => 192_000,
            3 => 320_000,
            4 => 384_000,
            _ => 448_000,
        },
        _ => 128_000,
    }
}

/// The caller's own options win.
fn override_with(options: &mut Vec<(String, String)>, given: &[(String, String)]) {
    options.retain(|(key, _)| !given.iter().any(|(own, _)| own == key));
    options.extend(given.iter().cloned());
}

/// Whether an encoder is a device's, by its name.
fn on_device(name: &str) -> bool {
    ["_nvenc", "_qsv", "_vaapi", "_vulkan", "_videotoolbox", "_mf", "_amf"]
        .iter()
        .any(|end| name.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preset_is_the_encoders_own_words() {
        let settings = Transcode::new().preset(Preset::HighSpeed);
        for (encoder, key, value) in [
            ("libx264", "preset", "ultrafast"),
            ("libsvtav1", "preset", "13"),
            ("libvpx-vp9", "cpu-used", "8"),
        ] {
            let Some(kind) = EncoderKind::find(encoder) else {
                eprintln!("SKIPPED: this libav has no {encoder}");
                continue;
            };
            let options = video_options(&settings, kind, None, (1280, 720, 25.0)).unwrap();
            assert!(options.contains(&(key.into(), value.into())), "{encoder}: {options:?}");
        }
        let aac = audio_options(&settings, EncoderKind::find("aac").unwrap());
        assert_eq!(aac, [("b".to_owned(), "128000".to_owned())]);
        assert!(audio_options(&settings, EncoderKind::find("flac").unwrap()).is_empty());
    }

    #[test]
    fn the_callers_options_win() {
        let video = VideoSettings::new().crf(20.0).option("crf", "30");
        let kind = EncoderKind::find("libx264").unwrap();
        let options = video_options(&Transcode::new().video(video), kind, None, (320, 180, 25.0)).unwrap();
        assert_eq!(options, [("crf".to_owned(), "30".to_owned())]);
        let mpeg4 = EncoderKind::find("mpeg4").unwrap();
        let crf = Transcode::new().video(VideoSettings::new().crf(20.0));
        assert!(video_options(&crf, mpeg4, None, (320, 180, 25.0)).is_err());
    }

    #[test]
    fn encoders_with_pools_of_their_own_are_told_of_the_threads() {
        for (encoder, key, value) in
            [("libx265", "x265-params", "pools=3:log-level=error"), ("libsvtav1", "svtav1-params", "lp=3")]
        {
            let Some(kind) = EncoderKind::find(encoder) else {
                eprintln!("SKIPPED: this libav has no {encoder}");
                continue;
            };
            let told = |settings: Transcode| {
                let options = video_options(&settings, kind, None, (320, 180, 25.0)).unwrap();
                options.into_iter().find(|(own, _)| own == key).map(|(_, value)| value)
            };
            assert_eq!(told(Transcode::new().threads(3)).as_deref(), Some(value));
            // Whoever says it wins; what else is said stays.
            for own in ["pools=1", "lp=1", "keyint=9"] {
                let settings = Transcode::new().threads(3).video(VideoSettings::new().option(key, own));
                let told = told(settings).unwrap();
                assert!(told.ends_with(own) && told.matches(&own[..3]).count() == 1, "{encoder}: {told}");
            }
        }
    }
}
