//! What a stream is, apart from its packets: AVCodecParameters and the fields of AVStream that a copy must
//! carry.

mod attached;
mod color;
mod difference;
mod encoded;
mod indexed;
mod turn;
mod write;

pub(in crate::av) use color::in_words as colors_in_words;
pub(crate) use encoded::is_of_encoding;
pub(crate) use indexed::Indexed;
pub(crate) use turn::Turn;

use super::{
    check, dict,
    format::{describe_layout, is_lossless, name_of, pix_fmt, properties, sample_fmt},
    string,
    ticks::Ticks,
};
use crate::{Error, ErrorKind, Result, time::Rational};
use ffmpeg_sys_next as ff;
use std::{ffi::c_int, ptr::NonNull};

/// The kinds of stream that libav tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum StreamKind {
    /// Pictures.
    Video,
    /// Sound.
    Audio,
    /// Subtitles, as text or pictures.
    Subtitle,
    /// Timed data of other kinds.
    Data,
    /// A file that the container carries, such as a font.
    Attachment,
    /// libav does not say.
    Unknown,
}

impl StreamKind {
    pub(super) fn of(kind: ff::AVMediaType) -> Self {
        use ff::AVMediaType::{
            AVMEDIA_TYPE_ATTACHMENT, AVMEDIA_TYPE_AUDIO, AVMEDIA_TYPE_DATA, AVMEDIA_TYPE_SUBTITLE,
            AVMEDIA_TYPE_VIDEO,
        };
        match kind {
            AVMEDIA_TYPE_VIDEO => Self::Video,
            AVMEDIA_TYPE_AUDIO => Self::Audio,
            AVMEDIA_TYPE_SUBTITLE => Self::Subtitle,
            AVMEDIA_TYPE_DATA => Self::Data,
            AVMEDIA_TYPE_ATTACHMENT => Self::Attachment,
            _ => Self::Unknown,
        }
    }
}

/// Owned codec parameters. Immutable once shared.
struct Parameters(NonNull<ff::AVCodecParameters>);

// SAFETY: plain data that is owned, and not changed through a shared reference.
unsafe impl Send for Parameters {}
// SAFETY: as above.
unsafe impl Sync for Parameters {}

impl Parameters {
    fn copy_of(other: *const ff::AVCodecParameters) -> Result<Self> {
        // SAFETY: allocates, or returns NULL.
        let new = NonNull::new(unsafe { ff::avcodec_parameters_alloc() })
            .map(Self)
            .ok_or_else(|| Error::new(ErrorKind::LimitExceeded, "no memory for codec parameters"))?;
        // SAFETY: both are live; the copy is deep.
        let code = unsafe { ff::avcodec_parameters_copy(new.0.as_ptr(), other) };
        check(code, "copying codec parameters")?;
        Ok(new)
    }
}

impl Drop for Parameters {
    fn drop(&mut self) {
        let mut pointer = self.0.as_ptr();
        // SAFETY: self owns the parameters, and they are not used afterwards.
        unsafe { ff::avcodec_parameters_free(&raw mut pointer) };
    }
}

/// Everything about a stream that a muxer is told: a deep copy that outlives the context it came from.
pub(crate) struct Stream {
    parameters: Parameters,
    /// Side data of the stream itself (a display matrix, HDR metadata); from FFmpeg 6.1 on it is in the
    /// parameters.
    #[cfg(not(libav_6_1))]
    side_data: Vec<(SideDataType, Vec<u8>)>,
    disposition: i32,
    aspect: ff::AVRational,
    frame_rate: ff::AVRational,
    real_frame_rate: ff::AVRational,
    time_base: Rational,
    /// How many of its ticks are one of its container's.
    tick: i64,
    id: i32,
    start: Option<i64>,
    duration: Option<i64>,
    frames: u64,
    hidden: bool,
    pub(crate) metadata: Vec<(String, String)>,
    pub(crate) picture: Option<super::packet::Packet>,
}

// SAFETY: `picture` is never changed after it was taken, and sharing it only counts up an atomic reference;
// the rest is plain data.
unsafe impl Sync for Stream {}

type SideDataType = ff::AVPacketSideDataType;

impl Stream {
    /// Its times are handed out in `ticks`.
    ///
    /// # Safety
    /// `stream` is a live stream of a context that nobody else uses during the call.
    pub(super) unsafe fn copy_of(stream: *const ff::AVStream, ticks: Ticks) -> Result<Self> {
        // SAFETY: the caller's promise.
        let s = unsafe { &*stream };
        let has_picture =
            s.disposition & ff::AV_DISPOSITION_ATTACHED_PIC != 0 && !s.attached_pic.data.is_null();
        let picture = if has_picture {
            let packet = super::packet::Packet::new()?;
            // SAFETY: both packets are live, and the new one is empty.
            let code = unsafe { ff::av_packet_ref(packet.as_ptr(), &raw const s.attached_pic) };
            check(code, "keeping the cover art")?;
            Some(packet)
        } else {
            None
        };
        Ok(Self {
            parameters: Parameters::copy_of(s.codecpar)?,
            #[cfg(not(libav_6_1))]
            // SAFETY: the caller's promise.
            side_data: unsafe { side_data(stream) },
            disposition: s.disposition,
            aspect: s.sample_aspect_ratio,
            frame_rate: s.avg_frame_rate,
            real_frame_rate: s.r_frame_rate,
            time_base: ticks.base,
            tick: ticks.times,
            id: s.id,
            start: (s.start_time != ff::AV_NOPTS_VALUE).then(|| ticks.cut(s.start_time)),
            duration: (s.duration > 0).then(|| ticks.cut(s.duration)),
            frames: u64::try_from(s.nb_frames).unwrap_or(0),
            hidden: s.discard == ff::AVDiscard::AVDISCARD_ALL,
            // SAFETY: the stream's dictionary is live.
            metadata: unsafe { dict::pairs(s.metadata) },
            picture,
        })
    }

    /// The same once more.
    pub(crate) fn again(&self) -> Result<Self> {
        Ok(Self {
            parameters: Parameters::copy_of(self.parameters.0.as_ptr())?,
            #[cfg(not(libav_6_1))]
            side_data: self.side_data.clone(),
            metadata: self.metadata.clone(),
            picture: self.picture.as_ref().map(super::packet::Packet::share).transpose()?,
            ..*self
        })
    }

    pub(super) fn parameters(&self) -> *const ff::AVCodecParameters {
        self.parameters.0.as_ptr()
    }

    /// The rate that all timestamps fit on, where libav has found that there is one.
    pub(crate) fn constant_rate(&self) -> Option<Rational> {
        let (mean, real) = (positive(self.frame_rate), positive(self.real_frame_rate)?);
        let near = |mean: Rational| (mean.value() / real.value() - 1.0).abs() < 0.001;
        mean.is_none_or(near).then_some(real)
    }

    /// The rate of which pictures leave few places empty: the one that timestamps fit on, unless that is a
    /// clock's.
    pub(crate) fn rate_of_pictures(&self) -> Option<Rational> {
        const FAST: f64 = 120.0;
        positive(self.real_frame_rate).filter(|rate| rate.value() <= FAST).or_else(|| self.frame_rate())
    }

    fn get(&self) -> &ff::AVCodecParameters {
        // SAFETY: live as long as self.
        unsafe { self.parameters.0.as_ref() }
    }

    pub(crate) fn kind(&self) -> StreamKind {
        StreamKind::of(self.get().codec_type)
    }

    /// AC-3 or E-AC-3.
    pub(crate) fn is_ac3(&self) -> bool {
        matches!(self.codec().as_str(), "ac3" | "eac3")
    }

    /// libav's name for the codec, such as `h264`.
    pub(crate) fn codec(&self) -> String {
        // SAFETY: avcodec_get_name answers with a static string for every id.
        unsafe { string(ff::avcodec_get_name(self.get().codec_id)) }
    }

    pub(in crate::av) fn codec_id(&self) -> ff::AVCodecID {
        self.get().codec_id
    }

    /// The codec profile's number (0 is none of some codecs, and a profile of others).
    pub(crate) fn profile_number(&self) -> Option<u8> {
        u8::try_from(self.get().profile).ok()
    }

    /// The codec profile's name, if the stream says one.
    pub(crate) fn profile(&self) -> Option<String> {
        // SAFETY: answers with a static string or NULL.
        let name = unsafe { string(ff::avcodec_profile_name(self.get().codec_id, self.get().profile)) };
        (!name.is_empty()).then_some(name)
    }

    pub(crate) fn level(&self) -> Option<i32> {
        Some(self.get().level).filter(|level| *level > 0)
    }

    /// The codec tag of the container, such as `avc1`, if it is one of four printable characters.
    pub(crate) fn tag(&self) -> Option<String> {
        let tag = self.get().codec_tag.to_le_bytes();
        tag.iter()
            .all(|b| b.is_ascii_graphic() || *b == b' ')
            .then(|| String::from_utf8_lossy(&tag).into_owned())
    }

    pub(crate) fn extradata(&self) -> &[u8] {
        let p = self.get();
        match usize::try_from(p.extradata_size) {
            // SAFETY: the parameters keep `extradata_size` bytes there, and are not changed.
            Ok(len) if len > 0 && !p.extradata.is_null() => unsafe {
                std::slice::from_raw_parts(p.extradata, len)
            },
            _ => &[],
        }
    }

    /// Whether this is sound whose coded frames all have the same number of samples.
    pub(crate) fn has_equal_frames(&self) -> bool {
        matches!(self.codec().as_str(), "aac" | "mp3" | "mp2" | "ac3" | "eac3" | "opus" | "alac")
    }

    /// Whether MP4's demuxer delivers this codec's packets as the file has them, without a look inside, and
    /// MP4's muxer passes them on likewise (mov.c: mov_read_packet; movenc.c: ff_mov_write_packet and
    /// mov_check_bitstream). Of AAC the first two bytes are looked at, for an ADTS header, and zeros are
    /// none.
    pub(crate) fn is_blind(&self) -> bool {
        let config = self.extradata().first();
        match self.codec().as_str() {
            // avcC and hvcC begin with their version, 1; Annex B begins with 0 and is rewritten.
            "h264" | "hevc" => config == Some(&1),
            "aac" => config.is_some(),
            "alac" | "flac" | "opus" | "mpeg4" | "mov_text" => true,
            codec => codec.starts_with("pcm_"),
        }
    }

    pub(crate) fn time_base(&self) -> Rational {
        self.time_base
    }

    /// How many of its ticks are one of its container's.
    pub(crate) fn tick(&self) -> i64 {
        self.tick
    }

    pub(crate) fn set_time_base(&mut self, base: Rational) {
        (self.time_base, self.tick) = (base, 1);
    }

    /// The container's own number for it: MP4's track id, MPEG-TS's pid.
    pub(crate) fn id(&self) -> i32 {
        self.id
    }

    /// The first pts in ticks, where the container says it or libav has looked.
    pub(crate) fn start(&self) -> Option<i64> {
        self.start
    }

    /// The length in ticks, where the container says it or libav has looked.
    pub(crate) fn duration(&self) -> Option<i64> {
        self.duration
    }

    /// Frames that the container counts; 0 if it does not.
    pub(crate) fn frames(&self) -> u64 {
        self.frames
    }

    /// libav set the stream aside: a QuickTime chapter track, whose content is in the chapters.
    pub(crate) fn is_hidden(&self) -> bool {
        self.hidden
    }

    pub(crate) fn is_picture(&self) -> bool {
        self.disposition & ff::AV_DISPOSITION_ATTACHED_PIC != 0
    }

    /// The bytes of a cover.
    pub(crate) fn cover(&self) -> Option<&[u8]> {
        self.picture.as_ref().map(super::packet::Packet::data)
    }

    /// The set dispositions by libav's names (`default`, `forced`, `attached_pic`…).
    pub(crate) fn dispositions(&self) -> Vec<String> {
        (0..31)
            .map(|bit| 1 << bit)
            .filter(|flag| self.disposition & flag != 0)
            // SAFETY: answers with a static string, or NULL for a bit without a name.
            .map(|flag| unsafe { string(ff::av_disposition_to_string(flag)) })
            .filter(|name| !name.is_empty())
            .collect()
    }

    pub(crate) fn size(&self) -> Option<(u32, u32)> {
        let (w, h) = (u32::try_from(self.get().width).ok()?, u32::try_from(self.get().height).ok()?);
        (w > 0 && h > 0).then_some((w, h))
    }

    /// Whether it is not known how large the pictures are, or how the sound is sampled, which every muxer
    /// wants to be told.
    pub(crate) fn lacks_shape(&self) -> bool {
        match self.kind() {
            StreamKind::Video => self.size().is_none(),
            StreamKind::Audio => self.sample_rate().is_none() || self.channels().is_none(),
            _ => false,
        }
    }

    /// How many packets a decoder holds back, as far as libav has found out.
    pub(crate) fn delay(&self) -> i64 {
        self.get().video_delay.max(0).into()
    }

    pub(crate) fn pixel_format(&self) -> Option<String> {
        (self.kind() == StreamKind::Video)
            .then(|| name_of(self.get().format, ff::av_get_pix_fmt_name, pix_fmt).and_then(known))
            .flatten()
    }

    /// What a pixel of a decoded picture takes in memory; as most have it (4:2:0 of 8 bits) where that is not
    /// known yet.
    pub(in crate::av) fn bits_per_pixel(&self) -> u64 {
        // SAFETY: a valid format; its description is static, or NULL.
        let known = pix_fmt(self.get().format).and_then(|format| unsafe {
            let description = ff::av_pix_fmt_desc_get(format);
            (!description.is_null()).then(|| ff::av_get_padded_bits_per_pixel(description))
        });
        known.and_then(|bits| u64::try_from(bits).ok()).filter(|bits| *bits > 0).unwrap_or(12)
    }

    /// Whether each picture of its codec stands for itself.
    pub(in crate::av) fn is_intra_only(&self) -> bool {
        properties(self.codec_id()) & ff::AV_CODEC_PROP_INTRA_ONLY as c_int != 0
    }

    /// Whether its codec loses nothing, whether this libav encodes it or not.
    pub(crate) fn is_lossless(&self) -> bool {
        is_lossless(self.codec_id())
    }

    /// How many bits of a sample count, as far as that is said; floating point has those of its format.
    pub(crate) fn bits_of_sample(&self) -> u32 {
        let said = [self.get().bits_per_raw_sample, self.get().bits_per_coded_sample];
        // SAFETY: looks into a table; 0 for what is not in it.
        let bytes = sample_fmt(self.get().format).map_or(0, |f| unsafe { ff::av_get_bytes_per_sample(f) });
        let whole = bytes.saturating_mul(8);
        let bits = said.into_iter().find(|bits| *bits > 0).filter(|bits| *bits < whole);
        u32::try_from(bits.unwrap_or(whole)).unwrap_or(0)
    }

    pub(crate) fn sample_format(&self) -> Option<String> {
        (self.kind() == StreamKind::Audio)
            .then(|| name_of(self.get().format, ff::av_get_sample_fmt_name, sample_fmt).and_then(known))
            .flatten()
    }

    pub(crate) fn frame_rate(&self) -> Option<Rational> {
        positive(self.frame_rate).or_else(|| positive(self.real_frame_rate))
    }

    /// Pixel width by pixel height.
    pub(crate) fn aspect(&self) -> Option<Rational> {
        positive(self.aspect).or_else(|| positive(self.get().sample_aspect_ratio))
    }

    pub(crate) fn bit_rate(&self) -> Option<u64> {
        u64::try_from(self.get().bit_rate).ok().filter(|rate| *rate > 0)
    }

    pub(crate) fn sample_rate(&self) -> Option<u32> {
        u32::try_from(self.get().sample_rate).ok().filter(|rate| *rate > 0)
    }

    /// Bytes of a block of samples; 0 where it is not known.
    pub(crate) fn block_size(&self) -> u32 {
        u32::try_from(self.get().block_align).unwrap_or(0)
    }

    /// Samples in so many bytes of sound, if its codec is one in which that tells.
    pub(crate) fn samples_in(&self, bytes: usize) -> Option<i64> {
        let bytes = c_int::try_from(bytes).ok()?;
        // SAFETY: live parameters, which are read alone; 0 where it can't tell.
        let samples = unsafe { ff::av_get_audio_frame_duration2(self.parameters().cast_mut(), bytes) };
        Some(i64::from(samples)).filter(|samples| *samples > 0)
    }

    /// Samples in a coded audio frame; 0 where that varies or is not known.
    pub(crate) fn frame_size(&self) -> u32 {
        u32::try_from(self.get().frame_size).unwrap_or(0)
    }

    /// How long each coded frame of sound lasts, in seconds, where all last as long.
    pub(crate) fn sound_frame(&self) -> Option<Rational> {
        let rate = i32::try_from(self.sample_rate()?).ok()?;
        let samples = i32::try_from(self.frame_size()).ok().filter(|_| self.kind() == StreamKind::Audio)?;
        Rational::new(samples, rate)
    }

    /// Samples that an encoder's stream begins with before those that it was given.
    pub(crate) fn delay_of_sound(&self) -> i64 {
        self.get().initial_padding.max(0).into()
    }

    pub(crate) fn channels(&self) -> Option<u32> {
        u32::try_from(self.get().ch_layout.nb_channels).ok().filter(|n| *n > 0)
    }

    /// libav's description of the channel layout, such as `stereo` or `5.1`.
    pub(crate) fn channel_layout(&self) -> Option<String> {
        self.channels()?;
        Some(describe_layout(&self.get().ch_layout)).filter(|text| !text.is_empty())
    }

    fn side_data_of(&self, kind: SideDataType) -> Option<Vec<u8>> {
        #[cfg(libav_6_1)]
        {
            let p = self.get();
            // SAFETY: the array belongs to the live parameters; the result is NULL or one of its entries.
            unsafe {
                let found = ff::av_packet_side_data_get(p.coded_side_data, p.nb_coded_side_data, kind);
                (!found.is_null()).then(|| std::slice::from_raw_parts((*found).data, (*found).size).to_vec())
            }
        }
        #[cfg(not(libav_6_1))]
        self.side_data.iter().find(|(k, _)| *k == kind).map(|(_, bytes)| bytes.clone())
    }
}

fn positive(value: ff::AVRational) -> Option<Rational> {
    Rational::new(value.num, value.den).filter(|r| r.num > 0 && r.den > 0)
}

/// # Safety
/// `stream` is live.
#[cfg(not(libav_6_1))]
unsafe fn side_data(stream: *const ff::AVStream) -> Vec<(SideDataType, Vec<u8>)> {
    let mut found = Vec::new();
    // SAFETY: the stream has `nb_side_data` entries, each with `size` bytes.
    unsafe {
        for i in 0..usize::try_from((*stream).nb_side_data).unwrap_or(0) {
            let entry = &*(*stream).side_data.add(i);
            found.push((entry.type_, std::slice::from_raw_parts(entry.data, entry.size).to_vec()));
        }
    }
    found
}

fn known(name: String) -> Option<String> {
    (!name.is_empty() && name != "unknown" && name != "reserved").then_some(name)
}
