//! What inputs of a join are to be like: the first one, or what is asked for. In what another one differs, and how it
//! is encoded to match.

use crate::{
    Error, Result,
    av::{
        muxer::Muxer,
        stream::{Stream, Turn},
    },
    time::Rational,
    transcode::{
        encoders::{
            choose, faithful,
            holds::{self, Held},
        },
        filters::pictures::turned_back,
        settings::{AudioCodec, AudioSettings, Transcode, VideoCodec, VideoSettings},
    },
};

/// Rates that differ by less than this part of themselves are one, whose times were rounded.
const ONE_RATE: f64 = 0.0005;

/// What all pictures are to be.
pub(super) struct Pictures {
    codec: String,
    /// As they are coded.
    size: Option<(u32, u32)>,
    aspect: Rational,
    format: Option<String>,
    /// None where it may vary.
    rate: Option<Rational>,
    turn: Option<Turn>,
    /// Range, primaries, transfer, space.
    color: [Option<String>; 4],
    is_interlaced: bool,
    profile: Option<String>,
}

/// What all sound is to be.
pub(super) struct Sound {
    codec: String,
    pub rate: Option<u32>,
    channels: Option<u32>,
    profile: Option<String>,
}

fn unsupported(codec: &str) -> Error {
    Error::unsupported(format!(
        "{codec} can't be encoded here, which inputs that do not match would have to be"
    ))
    .with_setting("encode_unlike")
    .advise("name another codec for all of it")
}

fn aspect_of(stream: &Stream) -> Rational {
    stream.aspect().unwrap_or(Rational { num: 1, den: 1 })
}

fn color_of(stream: &Stream) -> [Option<String>; 4] {
    stream.color().map(|(_, name)| name)
}

/// Formats that differ in their range alone are one: that is told beside.
fn without_range(format: &str) -> String {
    format.replace("yuvj", "yuv")
}

fn differ<T: PartialEq>(what: &str, own: &T, theirs: &T, words: impl Fn(&T) -> String, to: &mut Vec<String>) {
    if own != theirs {
        to.push(format!("{what}: {} against {}", words(own), words(theirs)));
    }
}

fn turn_in_words(turn: &Option<Turn>) -> String {
    turn.map_or_else(|| "none".into(), Turn::in_words)
}

impl Pictures {
    pub(super) fn of(first: &Stream, settings: &Transcode, muxer: Muxer) -> Result<Self> {
        let video = &settings.video;
        let codec = match video.codec {
            VideoCodec::Auto if holds::stream(muxer, first) != Held::Never => first.codec(),
            _ => choose::video_encoder(video, muxer)?.codec(),
        };
        let (size, turn, aspect) = match video.size {
            Some(size) => (Some(size), None, Rational { num: 1, den: 1 }),
            None => (first.size(), first.turn(), aspect_of(first)),
        };
        Ok(Self {
            codec,
            size,
            aspect,
            format: video.pixel_format.clone().or(first.pixel_format()),
            rate: video.frame_rate.or(first.constant_rate()),
            turn,
            color: color_of(first),
            is_interlaced: first.is_interlaced() && !video.deinterlace,
            profile: first.profile(),
        })
    }

    /// In what a stream is other.
    pub(super) fn differences(&self, other: &Stream) -> Vec<String> {
        let mut all = Vec::new();
        differ("codec", &self.codec, &other.codec(), Clone::clone, &mut all);
        let size =
            |size: &Option<(u32, u32)>| size.map_or_else(|| "none".into(), |(w, h)| format!("{w}x{h}"));
        differ("picture size", &self.size, &other.size(), size, &mut all);
        let ratio = |ratio: &Rational| format!("{}:{}", ratio.num, ratio.den);
        differ("shape of pixels", &self.aspect, &aspect_of(other), ratio, &mut all);
        if let Some((own, theirs)) = self.format.as_deref().zip(other.pixel_format()) {
            let (own, theirs) = (without_range(own), without_range(&theirs));
            differ("pixel format", &own, &theirs, Clone::clone, &mut all);
        }
        differ("rotation", &self.turn, &other.turn(), turn_in_words, &mut all);
        if let Some(own) = self.rate {
            let theirs = other.constant_rate();
            let is_one = theirs.is_some_and(|theirs| (theirs.value() / own.value() - 1.0).abs() < ONE_RATE);
            if !is_one {
                let theirs =
                    theirs.map_or_else(|| "a variable one".into(), |rate| format!("{:.3}", rate.value()));
                all.push(format!("pictures a second: {:.3} against {theirs}", own.value()));
            }
        }
        for (what, (own, theirs)) in
            ["range", "primaries", "transfer", "matrix"].iter().zip(self.color.iter().zip(color_of(other)))
        {
            if let Some((own, theirs)) = own.as_ref().zip(theirs) {
                differ(&format!("colours ({what})"), own, &theirs, Clone::clone, &mut all);
            }
        }
        if other.is_interlaced() && !self.is_interlaced {
            all.push("it is interlaced".into());
        }
        all
    }

    /// What of the colours of a stream stays, though the result says something else.
    pub(super) fn tags_alone(&self, other: &Stream) -> Option<String> {
        let [_, primaries, transfer, _] = &self.color;
        let [_, their_primaries, their_transfer, _] = color_of(other);
        let changes = |own: &Option<String>, theirs: Option<String>| {
            own.as_ref()
                .zip(theirs)
                .filter(|(own, theirs)| *own != theirs)
                .map(|(own, theirs)| format!("{theirs} is called {own}"))
        };
        let both = [changes(primaries, their_primaries), changes(transfer, their_transfer)];
        let told: Vec<String> = both.into_iter().flatten().collect();
        (!told.is_empty()).then(|| told.join(", "))
    }

    /// How a stream is encoded to match.
    pub(super) fn settings(
        &self,
        first: &Stream,
        other: &Stream,
        given: &VideoSettings,
    ) -> Result<VideoSettings> {
        let near = faithful::pictures_like(&self.codec, first).ok_or_else(|| unsupported(&self.codec))?;
        let mut video = given.clone();
        if matches!(video.codec, VideoCodec::Auto | VideoCodec::Copy) {
            video.codec = near.codec;
            video.options = [near.options, video.options].concat();
            if video.bit_rate.is_none() {
                video.crf = video.crf.or(near.crf);
            }
            let profile = match self.profile.as_deref().filter(|_| self.codec == "h264") {
                Some("Baseline" | "Constrained Baseline") => Some("baseline"),
                Some("Main") => Some("main"),
                _ => None,
            };
            if let Some(profile) = profile.filter(|_| !video.options.iter().any(|(key, _)| key == "profile"))
            {
                video.options.push(("profile".into(), profile.into()));
            }
        }
        video.pixel_format = self.format.as_deref().map(without_range);
        video.frame_rate = self.rate;
        video.deinterlace |= other.is_interlaced() && !self.is_interlaced;
        video.size = None;
        let own = std::mem::take(&mut video.filter);
        video.filter = Some(own.into_iter().chain(self.geometry()).collect::<Vec<_>>().join(","));
        Ok(video)
    }

    /// What makes upright pictures such ones, in libavfilter's words.
    fn geometry(&self) -> Vec<String> {
        let (mut w, mut h) = self.size.unwrap_or((1280, 720));
        let mut aspect = self.aspect;
        if self.turn.is_some_and(Turn::is_quarter) {
            std::mem::swap(&mut w, &mut h);
            aspect = Rational { num: aspect.den, den: aspect.num };
        }
        let ratio = format!("{}/{}", aspect.num, aspect.den);
        let [range, primaries, transfer, space] = &self.color;
        let mut scale = format!(
            "scale=w='min({w},trunc({h}*dar/({ratio})/2+0.5)*2)':h='min({h},trunc({w}/dar*({ratio})/2+0.5)*2)'"
        );
        let matrix = space.as_deref().and_then(|space| match space {
            "bt709" | "smpte170m" | "smpte240m" | "fcc" => Some(space),
            "bt470bg" => Some("bt470"),
            "bt2020nc" => Some("bt2020"),
            _ => None,
        });
        matrix.into_iter().for_each(|matrix| scale += &format!(":out_color_matrix={matrix}"));
        range.iter().for_each(|range| scale += &format!(":out_range={range}"));
        let mut filters = vec![scale, format!("pad={w}:{h}:(ow-iw)/2:(oh-ih)/2"), format!("setsar={ratio}")];
        filters.extend(self.turn.into_iter().flat_map(turned_back));
        let names = ["range", "color_primaries", "color_trc", "colorspace"];
        let tags = names.iter().zip([range, primaries, transfer, space]);
        let tags: Vec<String> =
            tags.filter_map(|(name, tag)| tag.as_ref().map(|tag| format!("{name}={tag}"))).collect();
        if !tags.is_empty() {
            filters.push(format!("setparams={}", tags.join(":")));
        }
        filters
    }
}

impl Sound {
    pub(super) fn of(first: &Stream, settings: &Transcode, muxer: Muxer) -> Result<Self> {
        let audio = &settings.audio;
        let codec = match audio.codec {
            AudioCodec::Auto if holds::stream(muxer, first) != Held::Never => first.codec(),
            _ => choose::audio_encoder(audio, muxer)?.codec(),
        };
        Ok(Self {
            codec,
            rate: audio.sample_rate.or(first.sample_rate()),
            channels: audio.channels.or(first.channels()),
            profile: first.profile(),
        })
    }

    pub(super) fn differences(&self, other: &Stream) -> Vec<String> {
        let mut all = Vec::new();
        differ("codec", &self.codec, &other.codec(), Clone::clone, &mut all);
        let number = |number: &Option<u32>| number.map_or_else(|| "none".into(), |number| number.to_string());
        differ("sample rate", &self.rate, &other.sample_rate(), number, &mut all);
        differ("channels", &self.channels, &other.channels(), number, &mut all);
        if let Some((own, theirs)) = self.profile.as_ref().zip(other.profile())
            && self.codec == "aac"
            && other.codec() == "aac"
        {
            differ("profile", own, &theirs, Clone::clone, &mut all);
        }
        all
    }

    pub(super) fn settings(&self, first: &Stream, given: &AudioSettings) -> Result<AudioSettings> {
        let near = faithful::sound_like(&self.codec, first).ok_or_else(|| unsupported(&self.codec))?;
        let mut audio = given.clone();
        if matches!(audio.codec, AudioCodec::Auto | AudioCodec::Copy) {
            audio.codec = near.codec;
            audio.options = [near.options, audio.options].concat();
            audio.bit_rate = audio.bit_rate.or(near.bit_rate);
        }
        audio.sample_rate = self.rate;
        audio.channels = self.channels;
        Ok(audio)
    }
}
