//! What a part needs of each of its streams, and how long before it decoders have to begin.

use crate::{
    Media,
    av::stream::{Stream, StreamKind},
    media::Span,
    time::{Rational, Timestamp, convert},
};

/// What is needed of one stream.
pub(crate) struct Need {
    pub stream: usize,
    pub kind: StreamKind,
    pub base: Rational,
    /// The first instant that is shown, in ticks.
    pub from: i64,
    /// How much before it decoding must begin, in ticks.
    pub preroll: i64,
    /// Of sound: it is heard from the picture's keyframe on, where a copy begins.
    pub with_keyframe: bool,
}

impl Need {
    pub(crate) fn new(media: &Media, stream: usize, first: &Span) -> Option<Self> {
        let s = media.streams().get(stream)?;
        let preroll = preroll_of(s).plus(rounding_of(s));
        Some(Self {
            stream,
            kind: s.kind(),
            base: s.time_base(),
            from: first.media,
            preroll: preroll.ticks(s.time_base()),
            with_keyframe: false,
        })
    }

    /// When its first key is shown at the latest, in ticks: of sound, as much sooner as decoding has to begin.
    pub(crate) fn decodes_from(&self) -> i64 {
        let preroll = if self.kind == StreamKind::Audio { self.preroll } else { 0 };
        self.from.saturating_sub(preroll)
    }

    /// Begins with the picture's keyframe, or not.
    pub(crate) fn with_keyframe(self, with_keyframe: bool) -> Self {
        Self { with_keyframe, ..self }
    }
}

/// How long before what is heard of a stream a decoder must begin.
pub(crate) fn preroll_of(stream: &Stream) -> Timestamp {
    Timestamp::from_nanos(preroll(&stream.codec(), stream.sample_rate()))
}

/// How much sooner than its time says a packet of sound may begin, where that is rounded to more than a sample.
pub(crate) fn rounding_of(stream: &Stream) -> Timestamp {
    let base = stream.time_base();
    let rate = stream.sample_rate().and_then(|rate| i32::try_from(rate).ok()).filter(|rate| *rate > 0);
    let is_coarse =
        rate.and_then(|rate| Rational::new(1, rate)).is_some_and(|sample| convert(1, base, sample) > 1);
    let is_sound = stream.kind() == StreamKind::Audio && is_coarse;
    if is_sound { Timestamp::from_ticks(1, base) } else { Timestamp::ZERO }
}

/// How long before a sound decoders must begin so that it comes out right, in nanoseconds: overlap of the
/// transform, and MP3's bit reservoir (ISO/IEC 14496-3, 11172-3; RFC 7845 section 4.6 for Opus).
fn preroll(codec: &str, sample_rate: Option<u32>) -> i64 {
    let rate = i64::from(sample_rate.unwrap_or(48_000)).max(1);
    let samples = |n: i64| n.saturating_mul(1_000_000_000).checked_div(rate).unwrap_or(0);
    match codec {
        "aac" => samples(1024),
        "mp3" | "mp2" => samples(1152 * 10),
        "opus" => 80_000_000,
        "vorbis" => samples(8192),
        "ac3" | "eac3" => samples(1536),
        // libav leaves out two frames of 2048 samples; the next may need one that began in the packet before.
        "wmav1" | "wmav2" => samples(2048 * 4),
        _ => 0,
    }
}
