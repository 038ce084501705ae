//! What becomes of the sound, as far as that is known before it is read.

use super::sound;
use crate::{
    Control, Cut, CutAudio, Media, Result, TimeRange, edit,
    output::{
        self,
        target::{Destination, Layout, Target},
    },
    transcode::operations::Apart,
};
use serde::Serialize;

/// What becomes of a stream of sound in a smart cut.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PlannedSound {
    /// Its index in the source.
    pub stream: usize,
    /// Its codec, by libav's name.
    pub codec: String,
    /// How it goes into the result.
    pub way: SoundWay,
    /// The encoder that all of it goes through, by libav's name.
    pub encoder: Option<String>,
}

/// How sound goes into the result of a smart cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum SoundWay {
    /// Copied: as one range, as ranges that follow on each other, or cut at its samples.
    Copied,
    /// Copied, and spliced between two packets where ranges meet.
    Spliced,
    /// Copied, and gone over from one range into the next by a few packets that are encoded anew; spliced where its
    /// packets turn out not to go on up to every border.
    Faded,
    /// Encoded anew as a whole.
    Encoded,
}

/// The streams of sound that are encoded anew: all that there are if that was asked for, else those of codecs that lose
/// nothing, where neither an edit list nor packets say which of their samples are heard.
pub(super) fn apart(media: &Media, cut: &Cut, target: &Target) -> Vec<usize> {
    let is_asked = cut.asked_audio() == CutAudio::Exact;
    let is_listed = target.has_edit_lists() && cut.ranges().len() < 2;
    let is_apart = |i: usize| {
        let Some(own) = media.streams().get(i).filter(|own| own.is_lossless()) else { return false };
        let base = own.time_base();
        // Of packets whose times are rounded, nobody knows to the sample where they lie.
        let is_fine = own.sample_rate().is_some_and(|rate| base.num == 1 && base.den.unsigned_abs() >= rate);
        let can_be_cut = if edit::is_pcm(own) { is_fine } else { is_listed };
        !can_be_cut && Apart::keeps_codec(media, i, target)
    };
    sound::sounds(media).filter(|i| is_asked || is_apart(*i)).collect()
}

/// What becomes of each stream of sound in ranges of a media.
pub(super) fn sounds(
    media: &Media,
    cut: &Cut,
    ranges: &[TimeRange],
    control: &Control,
) -> Result<Vec<PlannedSound>> {
    let format = cut.asked_format().map_or_else(|| output::format_like(media), str::to_owned);
    let target = Target::new(&format, Destination::Rope, Layout::Indexed, control)?;
    let apart = apart(media, cut, &target);
    let kept: Vec<TimeRange> = ranges.iter().copied().filter(|range| range.from < range.to).collect();
    let has_seams = kept.windows(2).any(|pair| matches!(pair, [a, b] if a.to != b.from));
    let of = |stream: usize| {
        let own = media.streams().get(stream)?;
        let is_encoded = apart.contains(&stream);
        let way = match is_encoded {
            true => SoundWay::Encoded,
            false if !has_seams || own.is_lossless() => SoundWay::Copied,
            false if sound::can_fade(media, stream, control) => SoundWay::Faded,
            false => SoundWay::Spliced,
        };
        let encoder = if is_encoded { Apart::encoder(media, stream, &target) } else { None };
        Some(PlannedSound { stream, codec: own.codec(), way, encoder })
    };
    Ok(sound::sounds(media).filter_map(of).collect())
}
