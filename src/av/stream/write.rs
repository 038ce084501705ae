//! A stream as a muxer is told of it.

use super::Stream;
use crate::{
    Result,
    av::{check, dict::Dict, format::guess_layout},
    job::Strip,
};
use ffmpeg_sys_next as ff;

impl Stream {
    /// Fills a new stream of an output.
    ///
    /// # Safety
    /// `to` is a live stream of an output context whose header is not written.
    pub(in crate::av) unsafe fn write_to(
        &self,
        to: *mut ff::AVStream,
        tag: u32,
        quicktime: bool,
        strip: Strip,
    ) -> Result<()> {
        let mut metadata =
            if quicktime { with_quicktime_language(&self.metadata) } else { self.metadata.clone() };
        metadata.retain(|(tag, _)| strip.keeps(tag));
        // SAFETY: the caller's promise; the parameters are deep-copied.
        unsafe {
            check(
                ff::avcodec_parameters_copy((*to).codecpar, self.parameters.0.as_ptr()),
                "copying codec parameters",
            )?;
            (*(*to).codecpar).codec_tag = tag;
            guess_layout(&mut (*(*to).codecpar).ch_layout);
            (*to).disposition = self.disposition;
            // The container's word goes before the bitstream's, and mux.c takes no muxer's that differ
            // (init_muxer).
            let aspect = self.written_aspect();
            (*to).sample_aspect_ratio = aspect;
            (*(*to).codecpar).sample_aspect_ratio = aspect;
            (*to).avg_frame_rate = self.frame_rate;
            (*to).r_frame_rate = self.real_frame_rate;
            let base = ff::AVRational { num: self.time_base.num, den: self.time_base.den };
            let tick = i32::try_from(self.tick).unwrap_or(1);
            (*to).time_base = ff::av_mul_q(base, ff::AVRational { num: tick, den: 1 });
            (*to).metadata = Dict::from_pairs(&metadata)?.into_raw();
        }
        #[cfg(not(libav_6_1))]
        for (kind, bytes) in &self.side_data {
            // SAFETY: the stream is live; the new side data has as many bytes as are copied into it.
            unsafe {
                let data = ff::av_stream_new_side_data(to, *kind, bytes.len());
                if data.is_null() {
                    return Err(crate::Error::new(
                        crate::ErrorKind::LimitExceeded,
                        "no memory for side data",
                    ));
                }
                std::ptr::copy_nonoverlapping(bytes.as_ptr(), data, bytes.len());
            }
        }
        Ok(())
    }

    fn written_aspect(&self) -> ff::AVRational {
        if self.aspect.num == 0 { self.get().sample_aspect_ratio } else { self.aspect }
    }

    /// The tag to ask the muxer for, as ffmpeg chooses it: the source's own if the container knows it for
    /// this codec or knows none, else 0, which lets the muxer choose.
    ///
    /// # Safety
    /// `format` is a live (static) muxer description.
    pub(in crate::av) unsafe fn tag_for(&self, format: *const ff::AVOutputFormat) -> u32 {
        let p = self.get();
        // SAFETY: the caller's promise; the tag tables are static.
        unsafe {
            let tags = (*format).codec_tag;
            let mut other = 0;
            let keeps = tags.is_null()
                || ff::av_codec_get_id(tags, p.codec_tag) == p.codec_id
                || ff::av_codec_get_tag2(tags, p.codec_id, &raw mut other) == 0;
            if keeps { p.codec_tag } else { 0 }
        }
    }
}

/// QuickTime's language codes know some languages by ISO 639-2's bibliographic code alone (isom.c:
/// mov_mdhd_language_map).
fn with_quicktime_language(metadata: &[(String, String)]) -> Vec<(String, String)> {
    let bibliographic = |code: &str| {
        match code {
            "deu" => "ger",
            "nld" => "dut",
            "zho" => "chi",
            "ell" => "gre",
            "isl" => "ice",
            "sqi" => "alb",
            "mkd" => "mac",
            "mya" => "bur",
            "hye" => "arm",
            "kat" => "geo",
            "bod" => "tib",
            "cym" => "wel",
            "eus" => "baq",
            other => return other.to_owned(),
        }
        .to_owned()
    };
    let pair = |(key, value): &(String, String)| {
        let value = if key == "language" { bibliographic(value) } else { value.clone() };
        (key.clone(), value)
    };
    metadata.iter().map(pair).collect()
}
