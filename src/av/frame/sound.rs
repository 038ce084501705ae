//! What is done to sound alone: made, joined and trimmed by samples.

use super::{Frame, c_string, check};
use crate::{
    Error, ErrorKind, Result,
    av::format::sample_fmt,
    time::{Rational, convert},
};
use ffmpeg_sys_next as ff;
use std::ffi::c_int;

impl Frame {
    /// New silence: `samples` for each channel. `format` is libav's name of a sample format (`s16`, `fltp`),
    /// `layout` of a channel layout (`mono`, `stereo`, `5.1`).
    ///
    /// Errors: as [`video`](Self::video).
    pub fn audio(format: &str, layout: &str, sample_rate: u32, samples: usize) -> Result<Self> {
        let name = c_string(format)?;
        // SAFETY: a C string; the result is a number, NONE for an unknown name.
        let number = unsafe { ff::av_get_sample_fmt(name.as_ptr()) } as c_int;
        if number < 0 {
            return Err(Error::invalid(format!("libav has no sample format '{format}'")));
        }
        let mut frame = Self::new()?;
        let layout_c = c_string(layout)?;
        let raw = frame.get_mut();
        raw.format = number;
        raw.sample_rate = c_int::try_from(sample_rate).unwrap_or(0);
        raw.nb_samples = c_int::try_from(samples).unwrap_or(0);
        // SAFETY: the frame is live and ours, its layout is blank, and the name is a C string.
        let code = unsafe { ff::av_channel_layout_from_string(&raw mut raw.ch_layout, layout_c.as_ptr()) };
        if code < 0 || raw.sample_rate <= 0 || raw.nb_samples <= 0 {
            return Err(Error::invalid(format!("no sound of {samples} samples, {layout}, {sample_rate} Hz")));
        }
        frame.allocate()?.silenced()
    }

    /// Silence with the format, layout and rate of this sound.
    pub(crate) fn silence_like(&self, samples: usize) -> Result<Self> {
        self.room_for(samples)?.silenced()
    }

    /// A sound of `samples`, cut out of frames of one format that follow each other: from sample `skip` of
    /// the first on. Its time is the first one's.
    pub(crate) fn joined<'a>(
        frames: impl IntoIterator<Item = &'a Self>,
        mut skip: usize,
        samples: usize,
    ) -> Result<Self> {
        let mut frames = frames.into_iter().peekable();
        let first = frames.peek().ok_or_else(|| Error::new(ErrorKind::Bug, "no sound to join"))?;
        let mut joined = first.room_for(samples)?;
        let step = Rational::new(1, c_int::try_from(first.sample_rate()).unwrap_or(1));
        let skipped = i64::try_from(skip).unwrap_or(0);
        let skipped = step.map_or(0, |step| convert(skipped, step, first.base));
        joined.get_mut().pts = first.pts().map_or(ff::AV_NOPTS_VALUE, |pts| pts.saturating_add(skipped));
        let mut filled = 0;
        for frame in frames {
            let count = frame.samples().saturating_sub(skip).min(samples.saturating_sub(filled));
            let (to, from) = (joined.get(), frame.get());
            if (to.format, to.ch_layout.nb_channels) != (from.format, from.ch_layout.nb_channels) {
                return Err(Error::new(ErrorKind::Bug, "sounds of two formats in one frame"));
            }
            let format = sample_fmt(to.format).unwrap_or(ff::AVSampleFormat::AV_SAMPLE_FMT_S16);
            let int = |n: usize| c_int::try_from(n).unwrap_or(0);
            // SAFETY: both have as many channels of one format; `skip + count` samples are in the one, and
            // `filled + count` fit into the other, which nobody else refers to.
            let code = unsafe {
                ff::av_samples_copy(
                    to.extended_data,
                    from.extended_data,
                    int(filled),
                    int(skip),
                    int(count),
                    to.ch_layout.nb_channels,
                    format,
                )
            };
            check(code, "joining sound")?;
            filled = filled.saturating_add(count);
            skip = 0;
        }
        joined.get_mut().nb_samples = c_int::try_from(filled).unwrap_or(0);
        Ok(joined)
    }

    /// A frame of its own for as many samples of the same kind.
    fn room_for(&self, samples: usize) -> Result<Self> {
        let mut frame = Self::new()?;
        frame.base = self.base;
        let from = self.raw;
        let raw = frame.get_mut();
        // SAFETY: both frames are live, the new one's layout is blank, and the copy is deep.
        let code = unsafe {
            (raw.format, raw.sample_rate) = (from.as_ref().format, from.as_ref().sample_rate);
            ff::av_channel_layout_copy(&raw mut raw.ch_layout, &raw const from.as_ref().ch_layout)
        };
        check(code, "copying a channel layout")?;
        raw.nb_samples = c_int::try_from(samples).unwrap_or(c_int::MAX);
        frame.allocate()
    }

    fn silenced(self) -> Result<Self> {
        let raw = self.get();
        // SAFETY: freshly allocated with as many samples and channels, and nobody else refers to it.
        let code = unsafe {
            let channels = raw.ch_layout.nb_channels;
            let format = sample_fmt(raw.format).unwrap_or(ff::AVSampleFormat::AV_SAMPLE_FMT_S16);
            ff::av_samples_set_silence(raw.extended_data, 0, raw.nb_samples, channels, format)
        };
        check(code, "making silence")?;
        Ok(self)
    }

    /// Keeps the samples `[from, to)` of a sound.
    pub(crate) fn trim(&mut self, from: usize, to: usize) -> Result<()> {
        let to = to.min(self.samples());
        let kept = to.saturating_sub(from);
        if from > 0 && kept > 0 {
            self.make_writable()?;
            let raw = self.get();
            let format = sample_fmt(raw.format).unwrap_or(ff::AVSampleFormat::AV_SAMPLE_FMT_S16);
            // SAFETY: the frame is writable, and `from + kept` samples are there; libav itself discards
            // samples thus (decode.c: discard_samples).
            let code = unsafe {
                let (data, channels) = (raw.extended_data, raw.ch_layout.nb_channels);
                ff::av_samples_copy(
                    data,
                    data,
                    0,
                    c_int::try_from(from).unwrap_or(0),
                    c_int::try_from(kept).unwrap_or(0),
                    channels,
                    format,
                )
            };
            check(code, "trimming sound")?;
        }
        self.get_mut().nb_samples = c_int::try_from(kept).unwrap_or(0);
        Ok(())
    }
}
