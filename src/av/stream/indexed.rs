//! What a demuxer tells of a stream by its index, where libav was not shown that.

use super::Stream;
use ffmpeg_sys_next as ff;

/// What the sample tables of an MP4 say of a track.
pub(crate) struct Indexed {
    /// Samples, and what they last together, in ticks; and what its header says that they do.
    pub samples: u64,
    pub ticks: i64,
    pub stated: Option<i64>,
    /// When the first one is composed.
    pub first: Option<i64>,
    /// How long each lasts, where all but a last one last as long.
    pub step: Option<u32>,
    /// Bytes of all of them; none where they are samples of sound in blocks.
    pub bytes: Option<u64>,
    /// How many pictures are kept back to be shown in order, where the tables tell.
    pub delay: Option<u8>,
}

impl Stream {
    /// Notes it, as libav does (mov.c: mov_read_stts, mov_build_index, mov_read_trak, mov_read_header).
    pub(crate) fn set_indexed(&mut self, told: &Indexed) {
        let scale = self.time_base.den;
        self.frames = told.samples;
        let ticks = Some(told.ticks).filter(|ticks| *ticks > 0);
        self.duration = match (told.stated, ticks) {
            (Some(stated), Some(ticks)) => Some(stated.min(ticks)).filter(|lasts| *lasts > 0),
            (None, ticks) => ticks,
            (stated, None) => stated,
        };
        let is_video = self.kind() == super::StreamKind::Video;
        if is_video {
            self.start = self.start.or(told.first);
            let pictures = i64::try_from(told.samples).ok().and_then(|count| count.checked_mul(scale.into()));
            if let Some((pictures, ticks)) = pictures.zip(ticks) {
                self.frame_rate = ratio(pictures, ticks);
            }
            if let Some(step) = told.step.filter(|step| *step > 0) {
                self.real_frame_rate = ratio(scale.into(), step.into());
            }
        }
        // SAFETY: self owns the parameters, and nobody else has them.
        let parameters = unsafe { self.parameters.0.as_mut() };
        if let (Some(bytes), Some(lasts)) = (told.bytes, self.duration.filter(|lasts| *lasts > 0)) {
            let bits = i128::from(bytes).saturating_mul(8).saturating_mul(scale.into());
            let rate = bits.checked_div(lasts.into()).and_then(|rate| i64::try_from(rate).ok());
            parameters.bit_rate = rate.unwrap_or(parameters.bit_rate);
        }
        if let Some(delay) = told.delay.filter(|_| parameters.video_delay <= 0) {
            parameters.video_delay = delay.into();
        }
    }

    /// It is as long as this, as far as its header says, and of so many packets that nobody knows it.
    pub(crate) fn set_extent(&mut self, lasts: Option<i64>) {
        (self.frames, self.duration) = (0, lasts.filter(|ticks| *ticks > 0));
    }
}

/// A fraction as libav has it: in lowest terms, or as near to it as 32 bits are.
fn ratio(num: i64, den: i64) -> ff::AVRational {
    let mut reduced = ff::AVRational { num: 0, den: 1 };
    // SAFETY: writes two numbers that are ours.
    unsafe { ff::av_reduce(&raw mut reduced.num, &raw mut reduced.den, num, den, i32::MAX.into()) };
    reduced
}

#[cfg(test)]
impl Stream {
    /// All that libav may say of a stream by its index or its description.
    pub(crate) fn facts(&self) -> String {
        let p = self.get();
        let coded = [p.bits_per_coded_sample, p.bits_per_raw_sample, p.profile, p.level, p.width, p.height];
        let sound = [p.sample_rate, p.block_align, p.frame_size, p.initial_padding, p.ch_layout.nb_channels];
        let rates = [self.aspect, self.frame_rate, self.real_frame_rate].map(|rate| (rate.num, rate.den));
        format!(
            "{:?} {:?} {:?} {} {} {coded:?} {sound:?} delay {} {rates:?} {:?} of {:?} start {:?}, {} frames, {} {} {:?}",
            p.codec_id,
            self.tag(),
            self.extradata(),
            p.format,
            p.bit_rate,
            p.video_delay,
            self.duration,
            self.time_base,
            self.start,
            self.frames,
            self.hidden,
            self.disposition,
            self.metadata
        )
    }
}
