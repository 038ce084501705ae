//! What is wrong in settings by themselves, whatever the source.

use super::{AudioCodec, AudioSettings, Transcode, VideoCodec, VideoSettings, filters};
use crate::{Error, Result};

impl Transcode {
    /// What is wrong in itself, whatever the source.
    pub(crate) fn check(&self) -> Result<()> {
        self.check_texts()?;
        self.check_numbers()?;
        self.check_contradictions()?;
        filters::check_all(&self.video.filters, &self.audio.filters)?;
        self.keep.iter().try_for_each(|range| range.check())
    }

    fn check_texts(&self) -> Result<()> {
        let video = &self.video;
        for (what, setting, text) in [
            ("preset", "video.encoder_preset", &video.encoder_preset),
            ("tuning", "video.tune", &video.tune),
            ("filter graph of the video", "video.filter", &video.filter),
            ("filter graph of the sound", "audio.filter", &self.audio.filter),
        ] {
            if text.as_ref().is_some_and(|text| text.trim().is_empty()) {
                return Err(Error::invalid(format!("the {what} is empty"))
                    .with_setting(setting)
                    .advise("leave it out, or name one"));
            }
        }
        Ok(())
    }

    fn check_numbers(&self) -> Result<()> {
        let video = &self.video;
        for (what, setting, number) in [
            ("bit rate of the video", "video.bit_rate", video.bit_rate),
            ("bit rate of the sound", "audio.bit_rate", self.audio.bit_rate),
            ("target size", "target_size", self.target_size),
        ] {
            if number == Some(0) {
                let message = format!("a {what} of 0: expected more than 0");
                return Err(Error::invalid(message).with_setting(setting));
            }
        }
        video.check_numbers()?;
        if self.speed.is_some_and(|speed| !(0.1..=100.0).contains(&speed)) {
            return Err(Error::invalid("a speed goes from 0.1 to 100").with_setting("speed"));
        }
        self.audio.check_numbers()
    }

    fn check_contradictions(&self) -> Result<()> {
        let video = &self.video;
        if video.crf.is_some() && (video.bit_rate.is_some() || self.target_size.is_some()) {
            return Err(Error::invalid(
                "a constant rate factor (crf) and a bit rate or size contradict each other",
            )
            .with_setting("video.crf")
            .advise("give one of them"));
        }
        if video.bit_rate.is_some() && self.target_size.is_some() {
            return Err(Error::invalid("a bit rate and a target size contradict each other")
                .with_setting("target_size")
                .advise("give one of them"));
        }
        if video.codec == VideoCodec::Copy && video.changes() {
            return Err(Error::invalid("the video is to be copied, and changed as well")
                .with_setting("video.codec")
                .advise("leave one of them out"));
        }
        if self.audio.codec == AudioCodec::Copy && self.audio.changes() {
            return Err(Error::invalid("the sound is to be copied, and changed as well")
                .with_setting("audio.codec")
                .advise("leave one of them out"));
        }
        Ok(())
    }
}

impl VideoSettings {
    fn check_numbers(&self) -> Result<()> {
        if let Some((w, h)) = self.size
            && !(1..=16384).contains(&w.max(h))
        {
            return Err(Error::invalid(format!(
                "a size of {w}x{h}: expected up to 16384 each, 0 for one of them: as it follows"
            ))
            .with_setting("video.size"));
        }
        // av_image_check_size: 8 bytes a pixel, and 128 pixels more each way, are less than 2^31.
        if let Some((w, h)) = self.size
            && w.saturating_add(128).saturating_mul(h.saturating_add(128)) >= i32::MAX.unsigned_abs() / 8
        {
            return Err(Error::invalid(format!(
                "a size of {w}x{h}: that is more pixels than libav holds in one picture"
            ))
            .with_setting("video.size")
            .advise("give up to 16384x16128, or as many pixels in another shape"));
        }
        if let Some(rate) = self.frame_rate
            && (rate.num <= 0 || rate.den <= 0 || rate.value() > 1000.0)
        {
            return Err(Error::invalid(format!(
                "{}/{} frames a second: expected more than 0, up to 1000",
                rate.num, rate.den
            ))
            .with_setting("video.frame_rate"));
        }
        if self.crf.is_some_and(|crf| !(0.0..=63.0).contains(&crf)) {
            let message = "a constant rate factor (crf) goes from 0, the best, to 51 or 63";
            return Err(Error::invalid(message).with_setting("video.crf"));
        }
        if self.gop == Some(0) {
            return Err(Error::invalid("a GOP of 0 frames")
                .with_setting("video.gop")
                .advise("1 makes every frame a keyframe"));
        }
        Ok(())
    }
}

impl AudioSettings {
    fn check_numbers(&self) -> Result<()> {
        if let Some(rate) = self.sample_rate.filter(|rate| !(1..=768_000).contains(rate)) {
            let message = format!("{rate} samples a second: expected 1 to 768000");
            return Err(Error::invalid(message).with_setting("audio.sample_rate"));
        }
        if let Some(channels) = self.channels.filter(|channels| !(1..=64).contains(channels)) {
            let message = format!("{channels} channels: expected 1 to 64");
            return Err(Error::invalid(message).with_setting("audio.channels"));
        }
        Ok(())
    }
}
