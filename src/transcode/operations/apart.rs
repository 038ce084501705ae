//! A cut's sound that is encoded of its source, beside what others made of the rest.

use super::{
    beside::{Beside, BesideSound},
    transcoding::Transcoding,
};
use crate::{
    Control, Cut, Media, Report, Result, TimeRange,
    av::encoder::EncoderKind,
    output::{Operation, target::Target},
    time::Timestamp,
    transcode::{
        encoders::{choose, faithful},
        settings::{AudioCodec, AudioSettings, Transcode, VideoCodec, VideoSettings},
    },
};

/// Streams of sound of a source.
pub(crate) struct Apart<'a> {
    pub media: &'a Media,
    pub streams: &'a [usize],
}

impl Apart<'_> {
    /// Whether a stream of sound is encoded in its own codec.
    pub(crate) fn keeps_codec(media: &Media, stream: usize, target: &Target) -> bool {
        let own = media.streams().get(stream).map(|own| own.codec());
        own.zip(Self::chosen(media, stream, target)).is_some_and(|(own, encoder)| encoder.codec() == own)
    }

    /// What a stream of sound is encoded by.
    pub(crate) fn encoder(media: &Media, stream: usize, target: &Target) -> Option<String> {
        Self::chosen(media, stream, target).map(EncoderKind::name)
    }

    fn chosen(media: &Media, stream: usize, target: &Target) -> Option<EncoderKind> {
        let settings = faithful::sound_of(media, stream, target, &mut Report::default())?;
        choose::audio_encoder(&settings, target.muxer).ok()
    }

    /// Copies what was made of the rest, and encodes the sound of these ranges beside it. `later` says how much later
    /// than the first range the rest begins. Returns the streams of which nothing is heard in them.
    pub(crate) fn encode_beside(
        &self,
        rest: &Media,
        (ranges, later): (&[TimeRange], Timestamp),
        cut: &Cut,
        target: &mut Target,
        report: &mut Report,
        control: &Control,
    ) -> Result<Vec<usize>> {
        let copied = Transcode::new()
            .video(VideoSettings::new().codec(VideoCodec::Copy))
            .audio(AudioSettings::new().codec(AudioCodec::Copy))
            .allow_drops(cut.allows_drops())
            .strip(cut.stripping());
        let (mut sounds, mut silent) = (Vec::new(), Vec::new());
        let is_heard = |stream: usize, range: &TimeRange| {
            let start = self.media.start();
            let to = if range.to == Timestamp::MAX { range.to } else { range.to.plus(start) };
            let line = self.media.timeline(stream);
            line.is_some_and(|line| !line.clip(range.from.plus(start), to).is_empty())
        };
        for stream in self.streams {
            if !ranges.iter().any(|range| is_heard(*stream, range)) {
                silent.push(*stream);
                continue;
            }
            let own = faithful::sound_of(self.media, *stream, target, report).unwrap_or_default();
            let settings = Some(copied.clone().audio(own));
            sounds.push(BesideSound { stream: *stream, settings, place: Some(*stream) });
        }
        let ranges = ranges.iter().map(|range| (range.from, range.to)).collect();
        let beside = Beside { media: self.media.clone(), ranges, sounds, later };
        let work = Transcoding { beside: Some(beside), ..Transcoding::new(rest, &copied) };
        Box::new(work).run(target, report, control)?;
        Ok(silent)
    }
}
