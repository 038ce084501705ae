//! Test media, made in process: libavfilter's sources, any encoder and container that this libav has.
//!
//! For the tests, the benches and the command line's `demo`. The same [`Spec`] gives the same number of
//! frames and samples under every libav; the bytes differ with the encoder's version. libav logs to its own
//! (process-wide) log: a caller that wants silence sets its level.

mod track;
mod write;

pub use write::{has_encoder, to_file, to_file_with};

/// Why no media came out. The text names the track and what to do where that is known.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The progress callback asked to stop.
    #[error("stopped by the caller")]
    Stopped,
    /// A value of the [`Spec`] is out of its range.
    #[error("{0}")]
    InvalidSpec(String),
    /// libav or the file system refused.
    #[error("{0}")]
    Failed(String),
}

/// What to make: at most one video track, then the audio tracks in their order, one of them at least.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    /// Seconds, more than 0 and at most 10^6. Video is rounded to the nearest frame (at least one), audio to
    /// the nearest sample.
    pub duration: f64,
    /// The video track; `None`: no video.
    pub video: Option<Video>,
    /// The audio tracks; empty: no audio.
    pub audio: Vec<Audio>,
    /// The container by its libav short name (`mp4`, `matroska`, `mpegts`); `None`: by the path's ending.
    pub format: Option<String>,
    /// The file's tags, such as (`title`, `Demo`).
    pub metadata: Vec<(String, String)>,
    /// Options of the muxer, such as (`movflags`, `+faststart`). One that the muxer does not know is an
    /// error.
    pub muxer_options: Vec<(String, String)>,
}

/// A video track of constant frame rate.
#[derive(Clone, Debug, PartialEq)]
pub struct Video {
    /// Where the pictures come from.
    pub source: VideoSource,
    /// The encoder by libav's name: `libx264`, `libx265`, `mpeg4`, `mpeg2video`, `libvpx-vp9`, `libsvtav1`,
    /// `ffv1`…
    pub encoder: String,
    /// Width and height in pixels, 1 to 16384 (4:2:0 encoders want them even).
    pub size: (u32, u32),
    /// Frames a second as a fraction, both parts at least 1: (30, 1), (30000, 1001).
    pub rate: (i32, i32),
    /// Frames from one keyframe to the next, at least 1. Scene-cut keyframes are off where the encoder can
    /// (see `options`).
    pub gop: u32,
    /// Most B-frames in a row, 0 to 16; encoders that have none ignore it.
    pub b_frames: u32,
    /// Bits a second; `None`: the encoder's default (x264 and x265: constant quality; mpeg4 and mpeg2video: a
    /// meagre 200 kb/s).
    pub bit_rate: Option<usize>,
    /// Options of the encoder, such as (`preset`, `medium`). They win over this module's own, which aim at
    /// speed and regular closed GOPs: `preset=veryfast`, `sc_threshold=0`, `threads=auto` and the like. One
    /// that the encoder does not know is ignored: ffmpeg-next does not say which were left over.
    pub options: Vec<(String, String)>,
    /// The encoder's pixel format by libav's name: `yuv420p`, `yuv420p10le`.
    pub pixel_format: String,
}

/// Where a video track's pictures come from.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum VideoSource {
    /// libavfilter's `testsrc2`: moving shapes over colour bars, the time and the frame number written in.
    Testsrc2,
    /// Any libavfilter graph without inputs whose last chain ends in one unlabelled video output, such as
    /// `life=s=320x180:r=30`. It may run for ever: it is cut at the duration, and scaled and resampled to
    /// size and rate.
    Graph(String),
}

/// An audio track.
#[derive(Clone, Debug, PartialEq)]
pub struct Audio {
    /// Where the sound comes from.
    pub source: AudioSource,
    /// The encoder by libav's name: `aac`, `libmp3lame`, `mp2`, `ac3`, `libopus`, `flac`, `pcm_s16le`…
    pub encoder: String,
    /// Samples a second and channel, 1 to 768000. Encoders have their own lists (`libopus`: 48000, 24000,
    /// 16000, 12000, 8000).
    pub sample_rate: u32,
    /// Channels in libav's default layout for that number, 1 to 8: 1 is mono, 2 stereo, 6 is 5.1.
    pub channels: u32,
    /// Bits a second; `None`: the encoder's default.
    pub bit_rate: Option<usize>,
    /// The track's language, ISO 639-2: `eng`, `deu`.
    pub language: Option<String>,
}

/// Where an audio track's sound comes from.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum AudioSource {
    /// A sine tone at an eighth of full scale.
    Tone {
        /// Its frequency in hertz, above 0 and below half the sample rate.
        hz: f64,
    },
    /// Any libavfilter graph without inputs whose last chain ends in one unlabelled audio output, such as
    /// `anoisesrc=c=pink:seed=1`. Cut and resampled as a video graph is.
    Graph(String),
}

impl Default for Spec {
    /// Five seconds of [`Video::default`] and one [`Audio::default`].
    fn default() -> Self {
        Spec {
            duration: 5.0,
            video: Some(Video::default()),
            audio: vec![Audio::default()],
            format: None,
            metadata: Vec::new(),
            muxer_options: Vec::new(),
        }
    }
}

impl Default for Video {
    /// `testsrc2`, 320×180 at 30 frames a second, H.264 (`mpeg4` where libx264 is missing), a keyframe every
    /// second, two B-frames.
    fn default() -> Self {
        let encoder = if has_encoder("libx264") { "libx264" } else { "mpeg4" };
        Video {
            source: VideoSource::Testsrc2,
            encoder: encoder.to_owned(),
            size: (320, 180),
            rate: (30, 1),
            gop: 30,
            b_frames: 2,
            bit_rate: None,
            options: Vec::new(),
            pixel_format: "yuv420p".to_owned(),
        }
    }
}

impl Default for Audio {
    /// A 440 Hz tone, 48 kHz stereo, AAC.
    fn default() -> Self {
        Audio {
            source: AudioSource::Tone { hz: 440.0 },
            encoder: "aac".to_owned(),
            sample_rate: 48_000,
            channels: 2,
            bit_rate: None,
            language: None,
        }
    }
}

impl Spec {
    /// What the command line shows: `testsrc2` at 1280×720 and 30 frames a second, H.264 (else `mpeg4`) of 8
    /// Mb/s with a keyframe every 2 s and two B-frames; a 48 kHz stereo tone, AAC of 128 kb/s. `duration` in
    /// seconds.
    pub fn demo(duration: f64) -> Self {
        Spec {
            duration,
            video: Some(Video { size: (1280, 720), gop: 60, bit_rate: Some(8_000_000), ..Video::default() }),
            audio: vec![Audio { bit_rate: Some(128_000), ..Audio::default() }],
            ..Spec::default()
        }
    }
}

/// A clip to measure sync with: black, one white frame at 0 and then at every whole period, and a 1 kHz beep
/// that begins at the same instants and lasts as long as that frame.
///
/// `duration` and `every_seconds` in seconds, `rate` in frames a second as a fraction. The period is rounded
/// to whole frames (at least two), for the beep too, so that both begin on the same instant at 30000/1001 as
/// well. Encoders and the rest are the defaults; change them in the `Spec`, the video's `rate` excepted.
pub fn flash_and_beep(duration: f64, rate: (i32, i32), every_seconds: f64) -> Spec {
    let (num, den) = rate;
    let period = (every_seconds * f64::from(num) / f64::from(den)).round().max(2.0);
    // Counted in frames and samples (`n`), not seconds: whole numbers, so no rounding moves an onset.
    let sample_rate = Audio::default().sample_rate;
    let frame = f64::from(den) * f64::from(sample_rate);
    let at = format!("mod(n*{num},{})", period * frame);
    let video =
        format!("color=c=black:s=320x180:r={num}/{den},drawbox=c=white:t=fill:enable='not(mod(n,{period}))'");
    let audio = format!(
        "aevalsrc='if(lt({at},{frame}),0.8*sin(2*PI*1000*{at}/{}))':s={sample_rate}",
        f64::from(num) * f64::from(sample_rate)
    );
    Spec {
        duration,
        video: Some(Video { source: VideoSource::Graph(video), rate, ..Video::default() }),
        audio: vec![Audio { source: AudioSource::Graph(audio), ..Audio::default() }],
        ..Spec::default()
    }
}
