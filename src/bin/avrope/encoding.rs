//! How frames are made and coded, as the command line says it.

use crate::values::{length, option, quantity, rate, size};
use avrope::{
    Rational, Timestamp,
    transcode::{
        AtEnd, AudioCodec, AudioFilter, AudioSettings, Fit, Fragment, Loudness, Overlay, Position, Preset,
        VideoCodec, VideoFilter, VideoSettings,
    },
};
use clap::{Args, ValueEnum};
use std::{path::PathBuf, time::Duration};

/// With which codecs, and how well.
#[derive(Args, Clone, Debug)]
pub struct Coding {
    /// high_quality, balanced, high_speed, or a preset of the video encoder's own (veryfast, slow…)
    #[arg(long, value_name = "NAME")]
    pub preset: Option<String>,
    /// h264, hevc, av1, vp9, mpeg4, mjpeg, prores, ffv1, gif, copy, none, or an encoder of libav's [default:
    /// auto]
    #[arg(long, value_name = "C")]
    pub video_codec: Option<String>,
    /// Constant quality, 0 is the best
    #[arg(long, allow_negative_numbers = true, value_name = "N")]
    pub crf: Option<f32>,
    /// Bits a second of the video, such as 2500k or 5M
    #[arg(long, allow_hyphen_values = true, value_name = "N", value_parser = quantity)]
    pub video_bitrate: Option<u64>,
    /// Frames from one keyframe to the next at most
    #[arg(long, allow_negative_numbers = true, value_name = "N")]
    pub gop: Option<u32>,
    /// libav's name of a pixel format
    #[arg(long, value_name = "NAME")]
    pub pixel_format: Option<String>,
    /// The encoder's tuning, such as zerolatency or film
    #[arg(long, value_name = "T")]
    pub tune: Option<String>,
    /// aac, opus, mp3, flac, pcm, copy, none, or an encoder of libav's [default: auto]
    #[arg(long, value_name = "C")]
    pub audio_codec: Option<String>,
    /// Bits a second of the sound, such as 128k
    #[arg(long, allow_hyphen_values = true, value_name = "N", value_parser = quantity)]
    pub audio_bitrate: Option<u64>,
    /// Threads of each codec [default: as many as there are cores]
    #[arg(long, allow_negative_numbers = true, value_name = "N")]
    pub threads: Option<u32>,
    /// An option of the video encoder by libav's name, of the audio encoder with 'a:' in front, or of the
    /// container with 'm:'; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = option)]
    pub option: Vec<(String, String)>,
    /// Let options (of --option) open and write files: those of x264-params, passes, and what else is not
    /// known to touch none
    #[arg(long)]
    pub allow_options_that_touch_files: bool,
}

/// How frames are made and coded.
#[derive(Args, Clone, Debug)]
pub struct Encoding {
    #[command(flatten)]
    pub coding: Coding,
    /// Bytes that the result should have, such as 8M
    #[arg(long, allow_hyphen_values = true, value_name = "N", value_parser = quantity)]
    pub target_size: Option<u64>,
    /// Width and height; 0 for one of them follows from the other
    #[arg(long, value_name = "WxH", value_parser = size)]
    pub size: Option<(u32, u32)>,
    /// How the picture meets a size of another shape
    #[arg(long, value_enum, requires = "size")]
    pub fit: Option<FitArg>,
    /// Constant frames a second, such as 25 or 30000/1001
    #[arg(long, allow_hyphen_values = true, value_name = "N", value_parser = rate)]
    pub fps: Option<Rational>,
    /// Turn the picture as its display matrix says, instead of handing the matrix on
    #[arg(long)]
    pub rotate: bool,
    /// Make whole pictures of fields
    #[arg(long)]
    pub deinterlace: bool,
    /// A graph of libavfilter's for the video (see ffmpeg-filters)
    #[arg(long, value_name = "GRAPH")]
    pub filter: Option<String>,
    /// Samples a second
    #[arg(long, allow_negative_numbers = true, value_name = "N")]
    pub sample_rate: Option<u32>,
    /// Channels
    #[arg(long, allow_negative_numbers = true, value_name = "N")]
    pub channels: Option<u32>,
    /// A graph of libavfilter's for the sound
    #[arg(long, value_name = "GRAPH")]
    pub audio_filter: Option<String>,
    /// Lay a picture (PNG, JPEG, WebP, BMP), a GIF or another video over the video
    #[arg(long, value_name = "FILE")]
    pub watermark: Option<PathBuf>,
    /// Where it lies
    #[arg(long, value_enum, value_name = "WHERE", requires = "watermark", default_value = "bottom-right")]
    pub watermark_position: Corner,
    /// How much of it covers, from 0 to 1
    #[arg(
        long,
        allow_negative_numbers = true,
        value_name = "N",
        requires = "watermark",
        default_value = "1"
    )]
    pub watermark_opacity: f64,
    /// Make it so many pixels wide; its shape stays
    #[arg(long, allow_negative_numbers = true, value_name = "N", requires = "watermark")]
    pub watermark_width: Option<u32>,
    /// What becomes of one that moves when it ends
    #[arg(long, value_enum, value_name = "WHAT", requires = "watermark", default_value = "hold")]
    pub watermark_end: EndArg,
    /// Write this at the top left of the picture
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub text: Option<String>,
    /// Make the sound louder or, below 0, softer
    #[arg(long, value_name = "DB", allow_hyphen_values = true)]
    pub volume: Option<f64>,
    /// Bring the sound to this loudness, measured first (EBU R 128: -23)
    #[arg(long, value_name = "LUFS", allow_hyphen_values = true)]
    pub loudness: Option<f64>,
    /// Begin from black and silence, for so long
    #[arg(long, allow_negative_numbers = true, value_name = "T", value_parser = length)]
    pub fade_in: Option<Duration>,
    /// End in black and silence, for so long
    #[arg(long, allow_negative_numbers = true, value_name = "T", value_parser = length)]
    pub fade_out: Option<Duration>,
    /// Play this much faster; sound keeps its pitch
    #[arg(long, allow_negative_numbers = true, value_name = "N")]
    pub speed: Option<f64>,
    /// Write a fragmented MP4, with a fragment for each keyframe, or each frame for low latency
    #[arg(long, value_enum)]
    pub fragment: Option<FragmentArg>,
    /// auto, none, or a device: cuda, qsv, vaapi, vulkan, opencl, or one of several as cuda:1
    #[arg(long, value_name = "DEVICE")]
    pub hardware: Option<avrope::hardware::HardwareChoice>,
    /// Fail when more packets than this are damaged
    #[arg(long, allow_negative_numbers = true, value_name = "N")]
    pub max_decode_errors: Option<u64>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum FitArg {
    /// Both sides as asked
    Exact,
    /// As large as fits inside
    Inside,
    /// As large as fits inside, with black around it
    Pad,
    /// As small as covers it, with the rest cut off
    Crop,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Corner {
    TopLeft,
    TopRight,
    BottomLeft,
    BottomRight,
    Center,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum EndArg {
    /// It is not seen any more
    Hide,
    /// Its last picture stays
    Hold,
    /// It begins anew
    Repeat,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum FragmentArg {
    /// At every keyframe
    Keyframe,
    /// At every frame
    Frame,
}

macro_rules! given {
    ($self:ident, $to:ident: $($from:ident => $method:ident),*) => {
        $(if let Some(value) = $self.$from.clone() { $to = $to.$method(value); })*
    };
}

impl Coding {
    pub fn settings(&self) -> avrope::Transcode {
        let (all, video, audio) = self.parts();
        all.video(video).audio(audio)
    }

    pub fn parts(&self) -> (avrope::Transcode, VideoSettings, AudioSettings) {
        let (mut all, mut video, mut audio) =
            (avrope::Transcode::new(), VideoSettings::new(), AudioSettings::new());
        match self.preset.as_deref().map(|name| (name, name.parse::<Preset>())) {
            Some((_, Ok(preset))) => all = all.preset(preset),
            Some((own, Err(_))) => video = video.encoder_preset(own),
            None => {}
        }
        if let Some(name) = &self.video_codec {
            video = video.codec(VideoCodec::from(name.as_str()));
        }
        if let Some(name) = &self.audio_codec {
            audio = audio.codec(AudioCodec::from(name.as_str()));
        }
        given!(self, video: crf => crf, video_bitrate => bit_rate, gop => gop, pixel_format => pixel_format,
            tune => tune);
        given!(self, audio: audio_bitrate => bit_rate);
        given!(self, all: threads => threads);
        all = all.allow_options_that_touch_files(self.allow_options_that_touch_files);
        for (key, value) in &self.option {
            match key.split_once(':') {
                Some(("a", key)) => audio = audio.option(key, value),
                Some(("m", key)) => all = all.muxer_option(key, value),
                Some(("v", key)) => video = video.option(key, value),
                _ => video = video.option(key, value),
            }
        }
        (all, video, audio)
    }
}

impl Encoding {
    /// How the watermark lies.
    pub fn overlay(&self) -> Overlay {
        let position = match self.watermark_position {
            Corner::TopLeft => Position::TopLeft,
            Corner::TopRight => Position::TopRight,
            Corner::BottomLeft => Position::BottomLeft,
            Corner::BottomRight => Position::BottomRight,
            Corner::Center => Position::Center,
        };
        let at_end = match self.watermark_end {
            EndArg::Hide => AtEnd::Hide,
            EndArg::Hold => AtEnd::Hold,
            EndArg::Repeat => AtEnd::Repeat,
        };
        let overlay = Overlay::new().position(position).opacity(self.watermark_opacity).at_end(at_end);
        self.watermark_width.map_or(overlay, |width| overlay.width(width))
    }

    /// For an input of this length.
    pub fn settings(&self, duration: Option<Duration>) -> avrope::Result<avrope::Transcode> {
        let (mut all, mut video, mut audio) = self.coding.parts();
        video = video.autorotate(self.rotate).deinterlace(self.deinterlace);
        if let Some((w, h)) = self.size {
            video = video.size(w, h);
        }
        if let Some(fit) = self.fit {
            video = video.fit(match fit {
                FitArg::Exact => Fit::Exact,
                FitArg::Inside => Fit::Inside,
                FitArg::Pad => Fit::Pad,
                FitArg::Crop => Fit::Crop,
            });
        }
        if let Some(fragment) = self.fragment {
            all = all.fragment(match fragment {
                FragmentArg::Keyframe => Fragment::Keyframe,
                FragmentArg::Frame => Fragment::Frame,
            });
        }
        given!(self, video: fps => frame_rate, filter => filter);
        given!(self, audio: sample_rate => sample_rate, channels => channels, audio_filter => filter);
        given!(self, all: hardware => hardware, target_size => target_size, speed => speed,
            max_decode_errors => max_decode_errors);
        if let Some(text) = self.text.clone() {
            let (size, color) = (32, "white".to_owned());
            video = video.apply(VideoFilter::Text { text, x: 16, y: 16, size, color, font: None });
        }
        if let Some(db) = self.volume {
            audio = audio.apply(AudioFilter::Volume { db });
        }
        if let Some(target) = self.loudness {
            audio = audio.apply(AudioFilter::Loudness(Loudness::new(target)));
        }
        // Fades are told in the result's time, and filters work in the source's.
        let in_source = |length: Duration| {
            let faster = self.speed.unwrap_or(1.0);
            Timestamp::from_secs(length.as_secs_f64() * faster).map(|end| end.duration_since(Timestamp::ZERO))
        };
        if let Some(length) = self.fade_in.map(in_source).transpose()? {
            let duration = length;
            let from = Timestamp::ZERO;
            video = video.apply(VideoFilter::FadeIn { from, duration });
            audio = audio.apply(AudioFilter::FadeIn { from, duration });
        }
        if let Some(length) = self.fade_out.map(in_source).transpose()? {
            let whole = duration.ok_or_else(|| {
                let message = "--fade-out needs an input whose length is known";
                avrope::Error::new(avrope::ErrorKind::Unsupported, message)
            })?;
            // A longer one than the input has begun before it.
            let from = Timestamp::from(whole.saturating_sub(length));
            let duration = length;
            video = video.apply(VideoFilter::FadeOut { from, duration });
            audio = audio.apply(AudioFilter::FadeOut { from, duration });
        }
        Ok(all.video(video).audio(audio))
    }
}
