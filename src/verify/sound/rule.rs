//! How far sound may be from where it belongs: the one place that says it.

use crate::{
    Media,
    time::{Rational, Timestamp},
};

/// Sound and picture that are this near are together.
const EXACT: Timestamp = Timestamp::from_nanos(1_000_000);
/// And what rounding to coarse ticks may put apart at the most.
const COARSE: Timestamp = Timestamp::from_nanos(3_000_000);
/// What sound may be longer or shorter where only whole packets are heard: a few of them.
const PACKETS: Timestamp = Timestamp::from_nanos(90_000_000);

/// What a track of an output allows: [`verify`](crate::verify) documents it in a table. Each range is held against its
/// own pictures, so what sound is off does not add up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    /// What was asked for: it holds for all.
    pub asked: Option<Timestamp>,
    /// Samples stand for themselves: sound can be cut at any.
    pub is_lossless: bool,
    /// The container says to the sample what is heard.
    pub is_edited: bool,
    /// The container says when a packet of sound is heard.
    pub states_times: bool,
    /// Half of the longest frame.
    pub half: Timestamp,
    /// How far rounding puts sound and picture apart.
    pub rounding: Timestamp,
    pub ranges: usize,
}

/// Whether samples of a stream stand for themselves.
pub(super) fn is_lossless((media, stream): (&Media, usize)) -> bool {
    let codec = media.streams().get(stream).map(|stream| stream.codec()).unwrap_or_default();
    codec.starts_with("pcm_") || codec == "flac"
}

impl Rule {
    pub(super) fn new(
        source: (&Media, usize),
        (media, stream): (&Media, usize),
        asked: Option<Timestamp>,
        (frame, sample): (u64, Rational),
        ranges: usize,
    ) -> Self {
        let ticks = |(media, stream): (&Media, usize)| {
            media.streams().get(stream).map_or(Timestamp::ZERO, |s| Timestamp::from_ticks(2, s.time_base()))
        };
        let half = i64::try_from(frame.div_ceil(2)).unwrap_or(0);
        Self {
            asked,
            is_lossless: is_lossless((media, stream)),
            is_edited: media.is_edited(),
            states_times: !media.demuxer().name().split(',').any(|name| name == "avi"),
            half: Timestamp::from_ticks(half, sample),
            rounding: ticks(source).plus(ticks((media, stream))).min(COARSE),
            ranges,
        }
    }

    fn exact(&self) -> Timestamp {
        EXACT.max(self.rounding)
    }

    /// How far sound of a range may be from its pictures.
    pub(super) fn lag(&self, range: usize) -> Timestamp {
        let is_spliced = range > 0 || !self.states_times;
        self.asked.unwrap_or(if self.is_lossless || !is_spliced {
            self.exact()
        } else {
            self.half.plus(self.rounding).max(self.exact())
        })
    }

    /// How much of the beginning a decoder may not know: it is in the frame in front of the first.
    pub(super) fn lead_in(&self) -> Timestamp {
        if self.is_lossless || self.is_edited { Timestamp::ZERO } else { self.half.plus(self.half) }
    }

    /// How much longer or shorter all of it may be.
    pub(super) fn length(&self) -> Timestamp {
        match self.asked {
            _ if !self.is_lossless && !self.is_edited => PACKETS,
            Some(asked) => asked,
            None if self.is_lossless => self.exact(),
            None => self.lag(self.ranges.saturating_sub(1)),
        }
    }
}
