//! The sizes of sound that muxers count by: samples in a coded frame, bytes in a block, bits in a second.

use ffmpeg_sys_next as ff;

/// Sets what a source does not say of them, or says as another container means it.
///
/// # Safety
/// `parameters` are live, and nobody else uses them during the call.
pub(super) unsafe fn settle(parameters: *mut ff::AVCodecParameters, is_avi: bool) {
    use ff::AVCodecID::{
        AV_CODEC_ID_AAC, AV_CODEC_ID_AC3, AV_CODEC_ID_AMR_NB, AV_CODEC_ID_FLAC, AV_CODEC_ID_MP1,
        AV_CODEC_ID_MP2, AV_CODEC_ID_MP3,
    };
    // SAFETY: the caller's promise.
    let p = unsafe { &mut *parameters };
    if p.codec_type != ff::AVMediaType::AVMEDIA_TYPE_AUDIO {
        return;
    }
    // MP4's header does not say it, and movenc.c warns where it is not told.
    if p.frame_size == 0 && p.codec_id == AV_CODEC_ID_AAC {
        p.frame_size = 1024;
    }
    match p.codec_id {
        // AVI and WAV state the size of the largest frame. Handed on, a frame would be a part of a block, and
        // its time that of the block's begin (the ffmpeg command does the same for AC-3 and MP3). Of AMR
        // Matroska states that of a sample, and CAF would go by it.
        AV_CODEC_ID_AAC | AV_CODEC_ID_AC3 | AV_CODEC_ID_AMR_NB | AV_CODEC_ID_FLAC | AV_CODEC_ID_MP1
        | AV_CODEC_ID_MP2 | AV_CODEC_ID_MP3 => p.block_align = 0,
        _ if p.block_align == 0 => {
            // MP4's header does not tell the bytes of a sample or a second of PCM either.
            // SAFETY: the call looks into a table; 0 for codecs that are not PCM.
            let bits = unsafe { ff::av_get_exact_bits_per_sample(p.codec_id) };
            let bits = bits.saturating_mul(p.ch_layout.nb_channels);
            p.block_align = bits / 8;
            if p.bit_rate == 0 {
                p.bit_rate = i64::from(bits).saturating_mul(p.sample_rate.into());
            }
        }
        _ => {}
    }
    if is_avi {
        // SAFETY: as above.
        unsafe { settle_avi(p) };
    }
}

/// AVI has no timestamps: it counts frames, or bytes of sound that has one bit rate (riffenc.c:
/// ff_parse_specific_params).
///
/// # Safety
/// The extradata is as long as it says.
unsafe fn settle_avi(p: &mut ff::AVCodecParameters) {
    use ff::AVCodecID::{
        AV_CODEC_ID_ADPCM_IMA_WAV, AV_CODEC_ID_ADPCM_MS, AV_CODEC_ID_DTS, AV_CODEC_ID_EAC3, AV_CODEC_ID_FLAC,
        AV_CODEC_ID_SPEEX,
    };
    match p.codec_id {
        AV_CODEC_ID_ADPCM_IMA_WAV | AV_CODEC_ID_ADPCM_MS if p.frame_size == 0 => {
            // SAFETY: live parameters, which are read alone; 0 where it can't tell.
            p.frame_size = unsafe { ff::av_get_audio_frame_duration2(&raw mut *p, p.block_align) };
        }
        AV_CODEC_ID_FLAC if p.frame_size == 0 && p.extradata_size >= 4 && !p.extradata.is_null() => {
            // STREAMINFO begins with the samples of its smallest and of its largest block (RFC 9639, 8.2).
            // SAFETY: the caller's promise.
            let [a, b, c, d] = unsafe { p.extradata.cast::<[u8; 4]>().read_unaligned() };
            p.frame_size = if (a, b) == (c, d) { u16::from_be_bytes([a, b]).into() } else { 0 };
        }
        // riffenc.c has no size of a block that several of their frames would not fill.
        AV_CODEC_ID_EAC3 | AV_CODEC_ID_DTS | AV_CODEC_ID_SPEEX if p.bit_rate > 0 => {
            (p.frame_size, p.block_align) = (0, 1);
        }
        _ => {}
    }
}
