//! [`Transcode`]: what to make of a media. Judged as a whole before anything runs.

use super::{
    codec::{AudioCodec, VideoCodec},
    filters::{AudioFilter, VideoFilter},
    preset::Preset,
};
use crate::{HardwareChoice, Rational, StreamKind, Strip, TimeRange};
use serde::{Deserialize, Serialize};

/// What to make of a media: containers, codecs, sizes, filters. The default re-encodes nothing that already
/// fits its container.
///
/// ```
/// use avrope::{Transcode, transcode::{AudioCodec, AudioSettings, Preset, VideoCodec, VideoSettings}};
/// let settings = Transcode::new()
///     .format("mp4")
///     .preset(Preset::Balanced)
///     .video(VideoSettings::new().codec(VideoCodec::H264).size(1280, 720))
///     .audio(AudioSettings::new().codec(AudioCodec::Aac).bit_rate(128_000));
/// # let _ = settings;
/// ```
///
/// What people pass to `ffmpeg` for low latency and a fast start: `-tune zerolatency` is
/// [`VideoSettings::tune`], beside [`Fragment::Frame`] for an MP4 that is watched while it is made; `-fflags
/// +genpts` is always on; `-avoid_negative_ts` is a [`muxer_option`](Self::muxer_option), which MP4 does not
/// need: what lies before 0 is hidden by an edit list; `-movflags +faststart` is what an MP4 file gets by
/// itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Transcode {
    pub(crate) format: Option<String>,
    pub(crate) keep: Vec<TimeRange>,
    pub(crate) preset: Option<Preset>,
    pub(crate) video: VideoSettings,
    pub(crate) audio: AudioSettings,
    pub(crate) speed: Option<f64>,
    pub(crate) target_size: Option<u64>,
    pub(crate) threads: u32,
    pub(crate) fragment: Option<Fragment>,
    pub(crate) hardware: HardwareChoice,
    pub(crate) bit_exact: bool,
    pub(crate) max_decode_errors: Option<u64>,
    pub(crate) muxer_options: Vec<(String, String)>,
    pub(crate) allow_drops: bool,
    pub(crate) allow_options_that_touch_files: bool,
    pub(crate) strip: Strip,
}

/// Where a fragmented MP4 begins a new fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Fragment {
    /// At every keyframe of the video, or every second of sound.
    Keyframe,
    /// At every frame, and each leaves at once: for the lowest latency.
    Frame,
}

macro_rules! setters {
    ($($(#[$doc:meta])* $name:ident: $type:ty => $value:expr;)*) => {
        $($(#[$doc])*
        #[must_use]
        pub fn $name(mut self, $name: $type) -> Self {
            self.$name = $value;
            self
        })*
    };
}

impl Transcode {
    /// Into the container that the output's name says, or else the source's own; streams that fit are copied.
    pub fn new() -> Self {
        Self::default()
    }

    /// The container, by libav's name or the usual ending (`mp4`, `mkv`, `ts`).
    #[must_use]
    pub fn format(mut self, format: impl Into<String>) -> Self {
        self.format = Some(format.into());
        self
    }

    /// Keeps this range, behind the ones that were given before; without one, all is kept. Exact to the frame
    /// and to the sample: all streams of picture and sound are encoded then.
    #[must_use]
    pub fn keep(mut self, range: TimeRange) -> Self {
        self.keep.push(range);
        self
    }

    /// An option of the container, by libav's name, such as `avoid_negative_ts` with `make_zero`. One that it
    /// does not have is an error before anything is read, and so is one that may name a file
    /// ([`allow_options_that_touch_files`](Self::allow_options_that_touch_files)); `movflags` of MP4 are
    /// avrope's own.
    #[must_use]
    pub fn muxer_option(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.muxer_options.push((name.into(), value.into()));
        self
    }

    setters! {
        /// How hard the encoders try, by a name; streams of picture and sound are encoded then.
        preset: Preset => Some(preset);
        /// What becomes of pictures.
        video: VideoSettings => video;
        /// What becomes of sound.
        audio: AudioSettings => audio;
        /// Plays picture and sound this much faster, 0.1 to 100; sound keeps its pitch, and what begins in it
        /// suddenly stays with its picture: up to 8 times the speed, where onsets are not too dense to be
        /// told apart.
        speed: f64 => Some(speed);
        /// Bytes that the result should have; the video's bit rate follows from it. Met within some percent.
        target_size: u64 => Some(target_size);
        /// Threads of each codec; 0 (the default): as many as there are cores.
        threads: u32 => threads;
        /// Writes a fragmented MP4 even where a plain one could be written, and where its fragments begin.
        fragment: Fragment => Some(fragment);
        /// The device that decodes, scales and encodes, where it can; the default is software. Jobs that
        /// share devices are given a handle
        /// ([`Transcoder::hardware`](crate::transcode::Transcoder::hardware)) instead.
        hardware: HardwareChoice => hardware;
        /// Makes codecs and scaler choose what is the same on every machine (libav's `bitexact` flags), at
        /// some cost.
        bit_exact: bool => bit_exact;
        /// Fails the job when decoders have found more damaged packets than this. Without it they are counted
        /// and reported. How many they find in the same input may differ from run to run where they have
        /// several [`threads`](Self::threads), which libavcodec lets meet damage in any order; with one
        /// thread it does not.
        max_decode_errors: u64 => Some(max_decode_errors);
        /// Lets all video or all sound of the source be left out with a warning, where the container has no
        /// place for it. Without it that is an error, unless the kind was left out by its codec, `None`.
        allow_drops: bool => allow_drops;
        /// What the result is not to tell of its source: see [`Strip`]. Without it all goes over, the place of a
        /// recording too.
        strip: Strip => strip;
        /// Lets options of encoders and containers name files. Without it only those are taken that touch
        /// none: numbers, switches, words, and a list of texts (`preset`, `tune`, `x264-params` with a list
        /// of parameters of its own…); what else there is (`x264-params` with `stats=PATH`, `flags=+pass1`)
        /// is an error before anything is read. With it, whoever writes the settings can read and write any
        /// file that this process can, as with a filter graph ([`VideoSettings::filter`],
        /// [`AudioSettings::filter`]): those are trusted always, and are not for strangers.
        allow_options_that_touch_files: bool => allow_options_that_touch_files;
    }

    /// Whether no stream of this kind is to be in the result.
    pub(crate) fn leaves_out(&self, kind: StreamKind) -> bool {
        match kind {
            StreamKind::Video => self.video.codec == VideoCodec::None,
            StreamKind::Audio => self.audio.codec == AudioCodec::None,
            _ => false,
        }
    }

    /// Whether filters may make it longer or shorter.
    pub(crate) fn is_filtered(&self) -> bool {
        let (video, audio) = (&self.video, &self.audio);
        let graphs = video.filter.is_some() || audio.filter.is_some();
        graphs || !video.filters.is_empty() || !audio.filters.is_empty()
    }
}

/// How a picture meets a size of another shape.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Fit {
    /// Both sides as asked; the pixels' aspect makes up for it, so that nothing looks stretched.
    #[default]
    Exact,
    /// As large as fits inside, in the source's shape.
    Inside,
    /// As large as fits inside, and black around it.
    Pad,
    /// As small as covers it, and the rest cut off.
    Crop,
}

/// What becomes of pictures.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VideoSettings {
    pub(crate) codec: VideoCodec,
    #[serde(alias = "speed")]
    pub(crate) encoder_preset: Option<String>,
    pub(crate) crf: Option<f32>,
    pub(crate) bit_rate: Option<u64>,
    pub(crate) size: Option<(u32, u32)>,
    pub(crate) fit: Fit,
    #[serde(deserialize_with = "crate::words::rate")]
    pub(crate) frame_rate: Option<Rational>,
    pub(crate) gop: Option<u32>,
    pub(crate) pixel_format: Option<String>,
    pub(crate) tune: Option<String>,
    #[serde(alias = "turn")]
    pub(crate) autorotate: bool,
    pub(crate) deinterlace: bool,
    pub(crate) filter: Option<String>,
    pub(crate) filters: Vec<VideoFilter>,
    pub(crate) options: Vec<(String, String)>,
}

impl VideoSettings {
    /// Whatever the source has.
    pub fn new() -> Self {
        Self::default()
    }

    /// Both sides in pixels, of the picture as it is shown: one that is to be turned
    /// ([`autorotate`](Self::autorotate)) is turned first. 0 for one side follows from the other in the
    /// source's shape.
    #[must_use]
    pub fn size(mut self, width: u32, height: u32) -> Self {
        self.size = Some((width, height));
        self
    }

    /// The encoder's own preset, such as `veryfast` or `slow`; it goes before [`Transcode::preset`].
    #[must_use]
    pub fn encoder_preset(mut self, preset: impl Into<String>) -> Self {
        self.encoder_preset = Some(preset.into());
        self
    }

    /// libav's name of a pixel format, such as `yuv420p`. Without one, what the encoder takes that is nearest
    /// to the source.
    #[must_use]
    pub fn pixel_format(mut self, name: impl Into<String>) -> Self {
        self.pixel_format = Some(name.into());
        self
    }

    /// The encoder's tuning, such as `zerolatency`, `film` or `animation`.
    #[must_use]
    pub fn tune(mut self, name: impl Into<String>) -> Self {
        self.tune = Some(name.into());
        self
    }

    /// A filter graph in libavfilter's words, such as `hue=s=0` or
    /// `split[a][b];[a]hflip[c];[b][c]blend=average`, with one input and one output; it comes before size and
    /// frame rate. It is trusted: filters such as `movie` open files.
    #[must_use]
    pub fn filter(mut self, graph: impl Into<String>) -> Self {
        self.filter = Some(graph.into());
        self
    }

    /// Adds a filter behind the ones that were given before, and behind [`filter`](Self::filter).
    #[must_use]
    pub fn apply(mut self, filter: VideoFilter) -> Self {
        self.filters.push(filter);
        self
    }

    /// An option of the encoder, by libav's name. One that it does not have is an error before the first
    /// frame, and so is one that may name a file, unless [`Transcode::allow_options_that_touch_files`] is
    /// set. So is a parameter inside one (`x264-params`) where libav's log is captured
    /// ([`log::capture`](crate::log::capture)): it is told of nowhere else.
    #[must_use]
    pub fn option(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.options.push((name.into(), value.into()));
        self
    }

    setters! {
        /// The codec.
        codec: VideoCodec => codec;
        /// Constant quality: 0 is the best; usual values are 18 to 28 for H.264, 20 to 32 for HEVC, 25 to 40
        /// for AV1 and VP9.
        crf: f32 => Some(crf);
        /// Bits a second.
        bit_rate: u64 => Some(bit_rate);
        /// How the picture meets [`size`](Self::size).
        fit: Fit => fit;
        /// Constant frames a second; without it, as the source has them.
        frame_rate: Rational => Some(frame_rate);
        /// Frames from one keyframe to the next at most.
        gop: u32 => Some(gop);
        /// Turns the picture as the source's display matrix says, instead of handing the matrix on. That is
        /// done anyway where a container has no such matrix (all but MP4 and MOV), and where the picture gets
        /// a size, a watermark, a [`filter`](Self::filter), or one of the [`VideoFilter`]s but fades and
        /// trims: they work on what is seen. A [`Processor`](crate::transcode::Processor) gets pictures as
        /// they are stored unless one of these turns them.
        autorotate: bool => autorotate;
        /// Makes whole pictures of fields, where the source has fields.
        deinterlace: bool => deinterlace;
    }

    /// Whether something depends on which side of the picture is up.
    pub(crate) fn knows_sides(&self) -> bool {
        self.size.is_some() || self.filter.is_some() || self.filters.iter().any(VideoFilter::knows_sides)
    }

    /// Whether anything but the codec is asked for.
    pub(crate) fn changes(&self) -> bool {
        let rest = Self { codec: VideoCodec::Auto, ..self.clone() };
        rest != Self::default()
    }
}

/// What becomes of sound.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AudioSettings {
    pub(crate) codec: AudioCodec,
    pub(crate) bit_rate: Option<u64>,
    pub(crate) sample_rate: Option<u32>,
    pub(crate) channels: Option<u32>,
    pub(crate) filter: Option<String>,
    pub(crate) filters: Vec<AudioFilter>,
    pub(crate) options: Vec<(String, String)>,
}

impl AudioSettings {
    /// Whatever the source has.
    pub fn new() -> Self {
        Self::default()
    }

    /// A filter graph in libavfilter's words, such as `volume=0.5` or `highpass=f=200`, with one input and
    /// one output. It is trusted: filters such as `amovie` open files.
    #[must_use]
    pub fn filter(mut self, graph: impl Into<String>) -> Self {
        self.filter = Some(graph.into());
        self
    }

    /// Adds a filter behind the ones that were given before, and behind [`filter`](Self::filter).
    #[must_use]
    pub fn apply(mut self, filter: AudioFilter) -> Self {
        self.filters.push(filter);
        self
    }

    /// An option of the encoder, by libav's name. One that it does not have is an error before the first
    /// frame, and so is one that may name a file, unless [`Transcode::allow_options_that_touch_files`] is
    /// set.
    #[must_use]
    pub fn option(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.options.push((name.into(), value.into()));
        self
    }

    setters! {
        /// The codec.
        codec: AudioCodec => codec;
        /// Bits a second.
        bit_rate: u64 => Some(bit_rate);
        /// Samples a second.
        sample_rate: u32 => Some(sample_rate);
        /// Channels, mixed down or up as ffmpeg does (swresample): 1 to 8, and more where libav has a layout
        /// of so many (16 and 24, mostly).
        channels: u32 => Some(channels);
    }

    /// Whether anything but the codec is asked for.
    pub(crate) fn changes(&self) -> bool {
        let rest = Self { codec: AudioCodec::Auto, ..self.clone() };
        rest != Self::default()
    }
}
