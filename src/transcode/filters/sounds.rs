//! Filters for sound in libavfilter's words.

use super::{fade, loudness::Pass, trim};
use crate::{
    av::format::usual_layout,
    transcode::settings::{AudioFilter, AudioSettings, Loudness},
};

/// The settings' [`Loudness`], and what comes in front of it; None where there is none.
pub(crate) fn before_loudness(audio: &AudioSettings) -> Option<(Loudness, Vec<String>)> {
    let (at, loudness) = audio.filters.iter().enumerate().find_map(|(at, filter)| match filter {
        AudioFilter::Loudness(loudness) => Some((at, *loudness)),
        _ => None,
    })?;
    let mut before = audio.clone();
    before.filters.truncate(at);
    let mut texts = audio_texts(&before, 0, Pass::Blind);
    // Channels that are mixed have another loudness.
    texts.extend(audio.channels.map(|n| format!("aformat=channel_layouts={}", usual_layout(n))));
    Some((loudness, texts))
}

/// The settings' filters for sound of this rate, as far as the [`Loudness`].
pub(crate) fn up_to_loudness(audio: &AudioSettings, rate: u32, pass: Pass) -> Vec<String> {
    let Some((loudness, mut texts)) = before_loudness(audio) else { return Vec::new() };
    texts.extend(loudness.text(rate, pass));
    texts
}

/// All filters of the settings for sound of this rate.
pub(crate) fn audio_texts(audio: &AudioSettings, rate: u32, pass: Pass) -> Vec<String> {
    let mut texts: Vec<String> = audio.filter.iter().cloned().collect();
    for filter in &audio.filters {
        match filter {
            AudioFilter::Loudness(_) => texts = up_to_loudness(audio, rate, pass),
            AudioFilter::Volume { db } => texts.push(format!("volume={db}dB")),
            AudioFilter::FadeIn { from, duration } => texts.push(fade("afade", "in", *from, *duration)),
            AudioFilter::FadeOut { from, duration } => texts.push(fade("afade", "out", *from, *duration)),
            AudioFilter::Trim(range) => texts.push(trim("a", *range)),
            AudioFilter::Graph(text) => texts.push(text.clone()),
        }
    }
    texts
}
