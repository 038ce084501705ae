//! What the stages of a job say to each other, and what they count together.

use crate::{
    Error, Frame, Media, Result,
    av::{packet::Packet, stream::Stream},
    output::target::KeptOrigin,
    read::Noted,
    time::{Rational, Timestamp},
    transcode::settings::Transcode,
};
use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

/// What the demuxer sends to a decoder.
pub(crate) enum Fed {
    /// What follows is of this part.
    Part(usize),
    Packet(Packet),
}

/// A frame, and the part that it is of.
pub(crate) struct Decoded {
    pub frame: Frame,
    pub part: usize,
}

/// A packet on its way to the muxer.
pub(crate) struct Coded {
    pub packet: Packet,
    /// Of its times, which are on the output's clock.
    pub base: Rational,
    /// Where its payload lies in a source, if it may be referred to there.
    pub origin: Option<KeptOrigin>,
}

impl Coded {
    /// One whose bytes are its own.
    pub(crate) fn new(packet: Packet, base: Rational) -> Self {
        Self { packet, base, origin: None }
    }
}

/// What comes to the muxer.
pub(crate) enum Muxed {
    /// It is known what a track is: its encoder is open.
    Open {
        track: usize,
        stream: Box<Stream>,
    },
    Packet {
        track: usize,
        packet: Coded,
    },
    /// A track is complete: from when to when there is something to show in it.
    End {
        track: usize,
        shown: Option<(Timestamp, Timestamp)>,
    },
}

/// What a job counts while its stages run.
#[derive(Default)]
pub(crate) struct Counters {
    pub frames_decoded: AtomicU64,
    pub frames_encoded: AtomicU64,
    pub frames_dropped: AtomicU64,
    pub decode_errors: AtomicU64,
    /// Nanoseconds of sound that came at the time of other sound.
    pub sound_again: AtomicU64,
    pub bytes_read: AtomicU64,
    /// Pictures that were decoded on the device.
    pub on_device: AtomicU64,
    /// Why the device did not decode others.
    refusals: Mutex<Vec<String>>,
    /// Lanes whose decoders got what is to be shown, and made not one frame of it.
    pub undecoded: Mutex<Vec<usize>>,
    /// More damaged packets than this end the job.
    pub most_errors: Option<u64>,
    warnings: Mutex<Vec<String>>,
}

impl Counters {
    pub fn new(settings: &Transcode) -> Self {
        Self { most_errors: settings.max_decode_errors, ..Self::default() }
    }

    /// Counts a damaged packet, or one whose picture or sound is.
    pub fn damage(&self) -> Result<()> {
        let errors = self.decode_errors.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        match self.most_errors.filter(|most| errors > *most) {
            Some(most) => Err(Error::corrupt(format!("more than {most} packets are damaged"))
                .with_setting("max_decode_errors")
                .advise("let more be damaged, or get a sound copy")),
            None => Ok(()),
        }
    }

    /// The device has refused a stream; each reason is told once.
    pub fn refuse(&self, why: String) {
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        if !refusals.contains(&why) {
            refusals.push(why);
        }
    }

    /// Why the device has refused streams.
    pub fn take_refusals(&self) -> Vec<String> {
        std::mem::take(&mut *self.refusals.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What a stage has to say; the job's report has it at the end. Each thing is told once.
    pub fn warn(&self, warning: String) {
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        if !warnings.contains(&warning) {
            warnings.push(warning);
        }
    }

    /// What a reader saw and counted.
    pub fn note(&self, noted: Noted) {
        self.bytes_read.fetch_add(noted.bytes_read, Ordering::Relaxed);
        noted.warnings.into_iter().for_each(|warning| self.warn(warning));
    }

    /// The warnings, for a report.
    pub fn take_warnings(&self) -> Vec<String> {
        std::mem::take(&mut *self.warnings.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A stretch of a source on the output's clock.
pub(crate) struct PlacedRange {
    pub media: Media,
    /// On the source's presentation clock.
    pub from: Timestamp,
    /// [`Timestamp::MAX`]: its end.
    pub to: Timestamp,
    /// Where it begins on the output's clock.
    pub placed: Timestamp,
    /// The source's stream for each lane.
    pub streams: Vec<Option<usize>>,
    /// It is read beside those that are not, behind the others that are.
    pub is_beside: bool,
}

impl PlacedRange {
    /// Ranges of a media, one behind the other.
    pub(crate) fn in_a_row(
        media: &Media,
        ranges: &[(Timestamp, Timestamp)],
        streams: &[Option<usize>],
    ) -> Vec<Self> {
        let mut placed = Timestamp::ZERO;
        let part = |(from, to): &(Timestamp, Timestamp)| {
            let part = Self {
                media: media.clone(),
                from: *from,
                to: *to,
                placed,
                streams: streams.to_vec(),
                is_beside: false,
            };
            // Nothing follows a range whose end is not known.
            placed = if *to == Timestamp::MAX { placed } else { placed.plus(to.minus(*from)) };
            part
        };
        ranges.iter().map(part).collect()
    }

    /// From when to when on the source's own clock.
    pub(crate) fn on_source(&self) -> (Timestamp, Timestamp) {
        let start = self.media.start();
        let to = if self.to == Timestamp::MAX { self.to } else { self.to.plus(start) };
        (self.from.plus(start), to)
    }

    pub(crate) fn name(&self, error: Error, stream: usize) -> Error {
        error.in_stream(stream).named(self.media.source().name())
    }
}

#[cfg(test)]
mod tests {
    use super::Counters;

    #[test]
    fn what_is_said_of_each_packet_is_told_once() {
        let counters = Counters::default();
        for text in ["stream 1: no frame", "stream 2: no frame", "stream 1: no frame"] {
            counters.warn(text.to_owned());
        }
        assert_eq!(counters.take_warnings(), ["stream 1: no frame", "stream 2: no frame"]);
    }
}
