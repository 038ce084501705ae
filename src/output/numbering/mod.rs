//! What a copied stream says of itself: codecs and containers that number their frames, or state how many
//! there are, are told of the output and not of the source. Pure functions over bytes, but for [`Numbers`],
//! which applies them to packets.
//!
//! Frames are numbered where players go by it: FLAC's in FLAC's own file and in Ogg. Matroska and MP4 have
//! times of their own, and there every frame stays as it is.

mod aac;
mod flac;
mod granule;
mod mpeg;
mod opus;
mod tta;
mod vorbis;
mod wavpack;

use crate::{
    Result,
    av::{packet::Packet, stream::Stream},
    time::{Rational, Timestamp, convert},
};
use granule::Granules;

/// How much of its sources a copy holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// All of one.
    Whole,
    /// One stretch of one.
    Stretch,
    /// More than one stretch, of one or of more.
    Several,
}

/// Libav's muxers of Ogg.
pub(crate) fn is_ogg(muxer: &str) -> bool {
    matches!(muxer, "ogg" | "oga" | "ogv" | "spx" | "opus")
}

/// What a pre-skip is counted in.
pub(crate) const PRE_SKIP_BASE: Rational = Rational { num: 1, den: 48_000 };

/// Whether what an output's header is told of this stream depends on its first packet: in containers whose
/// readers leave out what lies before the beginning.
pub(crate) fn begins_with_packets(stream: &Stream, muxer: &str) -> bool {
    let leaves_out = is_ogg(muxer) || matches!(muxer, "matroska" | "webm" | "nut");
    (leaves_out && is_opus(stream)) || (muxer == "mp3" && stream.codec() == "mp3")
}

/// How long before what is heard first the packets may begin that its decoder needs, and that the header has
/// left out; None for as long as it needs.
pub(crate) fn longest_skip(stream: &Stream) -> Option<Timestamp> {
    let is_mp3 = stream.codec() == "mp3";
    is_mp3.then(|| Timestamp::from_ticks(mpeg::MOST_SKIPPED, sample_of(stream)))
}

/// How much longer or shorter than its packets' times say a part may sound, where another follows: the last
/// packet of Vorbis can be cut short at the end of a stream alone, and the first one of the next part
/// overlaps with it, and not with its own.
pub(crate) fn longer_at_seams(stream: &Stream) -> Option<Timestamp> {
    let block = vorbis::longest_block(stream.extradata()).filter(|_| stream.codec() == "vorbis")?;
    Some(Timestamp::from_ticks(block, sample_of(stream)))
}

/// How much readers leave out of a stream whose first packet is at this time, to the sample.
pub(crate) fn skipped(stream: &Stream, first: Timestamp) -> Timestamp {
    match stream.codec().as_str() {
        "mp3" => Timestamp::from_ticks(mp3_skip(stream, first), sample_of(stream)),
        _ => Timestamp::from_ticks(pre_skip(stream, Some(first)).into(), PRE_SKIP_BASE),
    }
}

fn mp3_skip(stream: &Stream, first: Timestamp) -> i64 {
    Timestamp::ZERO.minus(first).ticks(sample_of(stream)).clamp(0, mpeg::MOST_SKIPPED)
}

fn sample_of(stream: &Stream) -> Rational {
    let rate = stream.sample_rate().and_then(|rate| i32::try_from(rate).ok());
    rate.and_then(|rate| Rational::new(1, rate)).unwrap_or(PRE_SKIP_BASE)
}

fn is_opus(stream: &Stream) -> bool {
    stream.codec() == "opus" && opus::pre_skip(stream.extradata()).is_some()
}

/// How much before its beginning on the output's clock a stream of Opus is to be left out by decoders, in
/// samples of 48,000 a second: up to there from its `first` packet, if that lies before it; else as much as
/// the source says.
pub(crate) fn pre_skip(stream: &Stream, first: Option<Timestamp>) -> u16 {
    let own = opus::pre_skip(stream.extradata()).unwrap_or(0);
    let rate = PRE_SKIP_BASE;
    let early = first.map_or(0, |first| Timestamp::ZERO.minus(first).ticks(rate));
    // A container that counts in milliseconds does not say it to the sample.
    let tick = convert(1, stream.time_base(), rate).saturating_add(1);
    let is_own = early <= 0 || early.saturating_sub(own.into()).abs() <= tick;
    if is_own { own } else { u16::try_from(early).unwrap_or(u16::MAX) }
}

/// When the first packet of a stream is on the output's clock of which all is heard but what its source says;
/// None where the first one need not be known.
pub(crate) fn begin_of_all(stream: &Stream) -> Option<Timestamp> {
    let skip = is_opus(stream).then(|| pre_skip(stream, None))?;
    Some(Timestamp::ZERO.minus(Timestamp::from_ticks(skip.into(), PRE_SKIP_BASE)))
}

/// What an output's header says of the same. A stretch without a first packet begins with sound that is
/// heard, as there is nothing to tell otherwise.
pub(crate) fn told_skip(stream: &Stream, extent: Extent, first: Option<Timestamp>) -> u16 {
    match (extent, first) {
        (Extent::Stretch, None) => 0,
        _ => pre_skip(stream, first),
    }
}

/// Whether the last frame of a stream of this codec is found by the length of the whole file.
pub(crate) fn ends_with_file(codec: &str, muxer: &str) -> bool {
    codec == "tta" && muxer == "matroska"
}

/// How long the whole file has to be for that; None where there is no such length.
pub(crate) fn length_of_file(stream: &Stream) -> Option<Timestamp> {
    tta::length(stream.extradata())
}

/// What an output's header is told of a stream, where it is not what the source's says.
pub(crate) fn told(stream: &Stream, extent: Extent, first: Option<Timestamp>) -> Result<Option<Stream>> {
    match stream.codec().as_str() {
        "flac" if extent != Extent::Whole => flac::StreamInfo::parse(stream.extradata())
            .map(|info| Stream::configured(stream, info.of_part(extent == Extent::Several).bytes()))
            .transpose(),
        "opus" if is_opus(stream) => {
            let skip = told_skip(stream, extent, first);
            let mut told = Stream::configured(stream, &opus::with_pre_skip(stream.extradata(), skip))?;
            told.set_initial_padding(skip.into());
            Ok(Some(told))
        }
        // Of a whole file libav knows it.
        "mp3" if extent != Extent::Whole => first
            .map(|first| {
                let mut told = Stream::configured(stream, stream.extradata())?;
                told.set_initial_padding(i32::try_from(mp3_skip(stream, first)).unwrap_or(0));
                Ok(told)
            })
            .transpose(),
        _ => Ok(None),
    }
}

/// What a decoder is told of a stream that it begins with in mid-stream, where it is not what the source
/// says: Opus' pre-skip lies at the source's beginning, and libav's decoder leaves it out wherever it begins.
pub(crate) fn resumed(stream: &Stream) -> Result<Option<Stream>> {
    let resumes = is_opus(stream).then(|| opus::with_pre_skip(stream.extradata(), 0));
    resumes.map(|head| Stream::configured(stream, &head)).transpose()
}

/// Whether packets with one configuration can follow ones with another in one track, though the two are not
/// equal.
pub(crate) fn goes_on(codec: &str, first: &[u8], other: &[u8]) -> bool {
    match codec {
        "flac" => flac::StreamInfo::parse(first)
            .zip(flac::StreamInfo::parse(other))
            .is_some_and(|(first, other)| first.goes_on_with(&other)),
        "opus" => opus::goes_on(first, other),
        "aac" => aac::goes_on(first, other),
        _ => false,
    }
}

/// The numbers of a track's frames, and of its samples.
pub(super) enum Numbers {
    /// In Ogg, samples are counted as well.
    Flac(flac::Frames, Option<Granules>),
    Opus(Granules),
    /// In a raw stream: a frame's header says where the next one begins, and the file's how much of the first
    /// is not heard.
    Mpeg {
        begun: bool,
        skip: u32,
        completed: u64,
    },
    WavPack {
        blocks: wavpack::Blocks,
        whole: bool,
    },
}

impl Numbers {
    /// None where frames have no numbers, or nobody goes by them.
    ///
    /// `first` is when the stream's first packet is on the output's clock, where that is known.
    pub fn of(stream: &Stream, muxer: &str, extent: Extent, first: Option<Timestamp>) -> Option<Self> {
        match stream.codec().as_str() {
            "flac" if muxer == "flac" || is_ogg(muxer) => {
                let info = flac::StreamInfo::parse(stream.extradata())?;
                let frames = flac::Frames::new(info, extent == Extent::Several);
                Some(Self::Flac(frames, is_ogg(muxer).then(Granules::default)))
            }
            "opus" if is_ogg(muxer) => Some(Self::Opus(Granules::default())),
            "mp1" | "mp2" | "mp3" if matches!(muxer, "mp2" | "mp3") => {
                let first = first.filter(|_| muxer == "mp3" && extent != Extent::Whole);
                let skip = first.map_or(0, |first| mp3_skip(stream, first));
                Some(Self::Mpeg { begun: false, skip: u32::try_from(skip).unwrap_or(0), completed: 0 })
            }
            "wavpack" if muxer == "wv" => {
                Some(Self::WavPack { blocks: wavpack::Blocks::default(), whole: extent == Extent::Whole })
            }
            _ => None,
        }
    }

    /// Gives a packet that is written next its number. `last`: none follows it, so that it may end within its
    /// samples. Returns whether its bytes are others now.
    pub fn next(&mut self, packet: &mut Packet, last: bool) -> Result<bool> {
        match self {
            Self::Flac(frames, granules) => {
                let (new, block) = frames.next(packet.data())?;
                if let Some(new) = &new {
                    *packet = packet.with_data(new)?;
                }
                if let (Some(granules), Some(block), Some(time)) = (granules, block, packet.pts()) {
                    let at = granules.next(time, block);
                    packet.set_times(at, at, block);
                }
                Ok(new.is_some())
            }
            Self::Opus(granules) => {
                if let (Some(samples), Some(time)) = (opus::samples(packet.data()), packet.pts()) {
                    let at = granules.next(time, samples);
                    let stated = match packet.discarded_end() {
                        0 => packet.duration(),
                        discarded => samples.saturating_sub(discarded.into()),
                    };
                    // A shorter one is cut at its end, unless that is the rounding of a millisecond.
                    let cut = last && stated > 0 && samples.saturating_sub(stated) > opus::RATE / 1000;
                    packet.set_times(at, at, if cut { stated } else { samples });
                }
                Ok(false)
            }
            Self::WavPack { blocks, whole } => {
                let new = blocks.next(packet.data(), *whole);
                if let Some(new) = &new {
                    *packet = packet.with_data(new)?;
                }
                Ok(new.is_some())
            }
            Self::Mpeg { begun, skip, completed } => {
                let new = if last { None } else { mpeg::completed(packet.data()) };
                if let Some(new) = &new {
                    *packet = packet.with_data(new)?;
                    *completed = completed.saturating_add(1);
                }
                if std::mem::replace(begun, true) {
                    // What a source's beginning is not to be heard of is said of the output's. libav's muxer
                    // goes by the packet in the end, and not by the stream.
                    packet.skip_start(*skip)?;
                }
                Ok(new.is_some())
            }
        }
    }

    /// The stream's configuration, now that all of it is known.
    pub fn configuration(&self) -> Option<Vec<u8>> {
        match self {
            Self::Flac(frames, _) => Some(frames.info().bytes().to_vec()),
            Self::Opus(_) | Self::Mpeg { .. } | Self::WavPack { .. } => None,
        }
    }

    /// What was wrong.
    pub fn warnings(&self) -> Vec<String> {
        let frames = match self {
            Self::Flac(frames, _) => frames,
            Self::Mpeg { completed: count @ 1.., .. } => {
                return vec![format!(
                    "{count} frames were cut short in their source; they are filled with zeros, so that what follows is found"
                )];
            }
            Self::Mpeg { .. } | Self::Opus(_) | Self::WavPack { .. } => return Vec::new(),
        };
        let damaged = (frames.damaged > 0).then(|| {
            format!(
                "{} frames are damaged; they are copied as they are, with their old numbers",
                frames.damaged
            )
        });
        let uneven = frames.is_uneven().then(|| {
            "its blocks are of several sizes, though it says that they are of one: players may not find their way in it \
             (transcode it, which loses nothing)".to_owned()
        });
        damaged.into_iter().chain(uneven).collect()
    }
}
