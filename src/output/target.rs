//! The output of a job: the muxer, where its bytes go, and its tracks.

mod begin;
mod model;
mod streams;
mod tables;
mod write;

pub(crate) use super::track::{KeptOrigin, Origin};
pub(crate) use begin::Comes;
pub(crate) use model::Held;
pub(crate) use tables::Opening;

use super::{
    index::Index,
    interleave::Interleaver,
    numbering::{self, Extent},
    track::Track,
};
use crate::{
    Control, Error, Media, Result, Rope, Source, Strip,
    av::{files::WriteFiles, input::RawChapter, muxer::Muxer, output::Output, stream::Stream},
    io::{
        PartialFile,
        avio::{FileDevice, RopeDevice, StreamDevice, StreamOut},
    },
    media::Payloads,
    time::Timestamp,
};
use std::sync::{Arc, Mutex};

/// Where the bytes of an output go.
pub(crate) enum Destination {
    Rope,
    File(PartialFile),
    Stream(Arc<Mutex<StreamDevice>>),
    /// Many files, in fragments.
    Files(Box<dyn WriteFiles>, FilesPlan),
}

/// How a muxer is to write many files.
pub(crate) struct FilesPlan {
    pub muxer: &'static std::ffi::CStr,
    /// Of the file that names the others.
    pub name: String,
    /// How long a segment is.
    pub step: Timestamp,
    pub options: Vec<(String, String)>,
}

enum Device {
    Rope(RopeDevice),
    File(FileDevice),
    Stream(StreamOut),
    /// Taken by the output.
    Files(Option<Box<dyn WriteFiles>>, FilesPlan),
}

/// What lies between two parts.
const FILL: [u8; 8] = [0; 8];

/// How an MP4 is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// One index for all, which we write the edit lists of.
    Indexed,
    /// Fragments, each with an index of its own, which begin at keyframes.
    Fragments,
    /// The same, one for each frame, and each leaves at once.
    FragmentPerFrame,
}

/// What a stream's first packet tells that goes into the header.
#[derive(Clone, Default)]
pub(crate) struct First {
    /// When it is on the output's clock.
    pub at: Option<Timestamp>,
    /// What the codec's configuration is, where it is in packets alone.
    pub configuration: Option<Vec<u8>>,
}

pub(crate) struct Target {
    /// For many files, the one that makes each of them: it says what they can hold.
    pub muxer: Muxer,
    /// The container as the caller calls it: `m4a`, where libav says `ipod`.
    name: String,
    layout: Layout,
    edit_lists: bool,
    /// What of a source is not told.
    strip: Strip,
    pub tracks: Vec<Track>,
    device: Device,
    /// What was written can be gone back to.
    seeks: bool,
    output: Option<Output>,
    /// What is written in place of libav's output, where samples come from tables.
    index: Option<Box<Index>>,
    /// What it was begun with.
    begun: Option<tables::Begun>,
    /// All of the result, where it was made at once.
    finished: Option<Rope>,
    /// Packets of an MP4 that wait for those of other tracks.
    interleaver: Interleaver,
    control: Control,
    /// What the caller tells the muxer, by libav's names.
    extra: Vec<(String, String)>,
    /// Of what the output is made: where a container wants a number that others do not have, it is made of
    /// this.
    identity: u64,
    /// That of the packet that was referred to last.
    source: Option<Source>,
    /// Bytes between parts that the muxer does not know of.
    filled: u64,
    /// Where the file has to end, for a stream whose last frame is found by that.
    bound: Option<Timestamp>,
    /// What is to be begun when its first packets are known.
    waiting: Option<Waiting>,
    /// Configurations of a source's streams that take the place of their own.
    configured: Vec<(usize, Vec<u8>)>,
    /// Streams of a source that are not for this output.
    left_out: Vec<usize>,
    /// How much later than the source the result begins, for its time code.
    begins: Timestamp,
    /// On the output's clock.
    pub chapters: Vec<RawChapter>,
    /// The streams that were copied into the tracks, for comparison when more sources follow.
    pub templates: Vec<usize>,
}

/// An output that is not begun: the media, its streams for the tracks, and chapters that go in front.
struct Waiting {
    media: Media,
    streams: Vec<usize>,
    extent: Extent,
    chapters: Vec<RawChapter>,
}

impl Target {
    pub(crate) fn new(
        format: &str,
        destination: Destination,
        layout: Layout,
        control: &Control,
    ) -> Result<Self> {
        let device = match destination {
            Destination::Rope => Device::Rope(RopeDevice::new(control.get_limits().memory)),
            Destination::File(file) => Device::File(FileDevice::new(file)),
            Destination::Stream(device) => Device::Stream(StreamOut { device, control: control.clone() }),
            Destination::Files(files, plan) => Device::Files(Some(files), plan),
        };
        let muxer = Muxer::find(format)?;
        let seeks = match &device {
            Device::Rope(_) | Device::File(_) => true,
            Device::Stream(out) => out.is_seekable(),
            Device::Files(..) => false,
        };
        if matches!(device, Device::Stream(_)) && !seeks && muxer.goes_back() {
            let message = format!("{format} can't be written in one go: its header is completed at the end");
            return Err(Error::unsupported(message).with_setting("format").advise(
                "write it into a file, or take a container that flows, such as mkv, ts, mp4 or wav",
            ));
        }
        Ok(Self {
            muxer,
            name: format.to_owned(),
            layout,
            edit_lists: muxer.is_mov() && layout == Layout::Indexed,
            strip: Strip::Nothing,
            tracks: Vec::new(),
            device,
            seeks,
            output: None,
            index: None,
            begun: None,
            finished: None,
            interleaver: Interleaver::default(),
            extra: Vec::new(),
            control: control.clone(),
            identity: 0xcbf2_9ce4_8422_2325,
            source: None,
            filled: 0,
            bound: None,
            waiting: None,
            configured: Vec::new(),
            left_out: Vec::new(),
            begins: Timestamp::ZERO,
            chapters: Vec::new(),
            templates: Vec::new(),
        })
    }

    /// What the result is not to tell of its sources.
    pub(crate) fn set_strip(&mut self, strip: Strip) {
        self.strip = strip;
    }

    /// How much of the source lies in front of what is in the result: told before the output is opened.
    pub(crate) fn set_begins(&mut self, begins: Timestamp) {
        self.begins = begins;
    }

    /// Streams of a source that go elsewhere: told before the output is opened.
    pub(crate) fn set_left_out(&mut self, streams: &[usize]) {
        self.left_out = streams.to_vec();
    }

    /// What a stream's packets are coded by, where that is not what the source says: told before the output is opened.
    pub(crate) fn configure(&mut self, stream: usize, configuration: Vec<u8>) {
        self.configured.push((stream, configuration));
    }

    /// Counts in what an operation is made of.
    pub(crate) fn tell_sources(&mut self, sources: &[Source], control: &Control) -> Result<()> {
        for source in sources {
            self.tell(&source.len());
            if self.muxer.names_material() {
                self.tell(&source.sample(control)?);
            }
        }
        Ok(())
    }

    /// Counts something in that tells this output from others (FNV-1a).
    pub(crate) fn tell(&mut self, what: &impl std::fmt::Debug) {
        for byte in format!("{what:?}").bytes() {
            self.identity = (self.identity ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// The container's name, for messages.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether the result is many files.
    pub(crate) fn is_segmented(&self) -> bool {
        matches!(self.device, Device::Files(..))
    }

    /// Whether its header, which says what the codecs are, is written before all packets.
    pub(crate) fn tells_codecs_first(&self) -> bool {
        if self.muxer.is_mov() {
            self.layout != Layout::Indexed
        } else {
            !self.seeks && self.muxer.is_matroska()
        }
    }

    /// How long each of many files is.
    pub(crate) fn step(&self) -> Option<Timestamp> {
        match &self.device {
            Device::Files(_, plan) => Some(plan.step),
            _ => None,
        }
    }

    /// Whether ranges are stated by edit lists.
    pub(crate) fn has_edit_lists(&self) -> bool {
        self.edit_lists
    }

    /// Whether chapters are written with the trailer if there were none before (movenc.c, matroskaenc.c where
    /// it can seek).
    fn has_late_chapters(&self) -> bool {
        self.edit_lists || (self.seeks && self.muxer.is_matroska())
    }

    /// How this target can take the payload of these streams of a source.
    pub(crate) fn payloads(&self, media: &Media, streams: &[usize]) -> Payloads {
        if !matches!(self.device, Device::Rope(_)) || !self.edit_lists {
            return Payloads::Read;
        }
        match media.payloads() {
            Payloads::Named
                if !streams
                    .iter()
                    .all(|i| media.streams().get(*i).is_some_and(|s| s.is_picture() || s.is_blind())) =>
            {
                Payloads::Shared
            }
            other => other,
        }
    }

    /// Whether it begins when the first packets are known: what they hold is told in its header.
    pub(crate) fn is_waiting(&self) -> bool {
        self.waiting.is_some()
    }

    /// Whether its header tells of this stream's first packet what of it is not heard.
    pub(crate) fn tells_priming(&self, stream: &Stream) -> bool {
        !self.edit_lists && numbering::begins_with_packets(stream, &self.muxer.name())
    }

    /// Whether its header says of this stream what the source has in its packets alone (ADTS). MP4's
    /// fragments wait with theirs for the first packets.
    pub(crate) fn wants_configuration(&self, stream: &Stream) -> bool {
        let bare = stream.codec() == "aac" && stream.extradata().is_empty();
        bare && self.tells_codecs_first() && !self.muxer.is_mov()
    }

    /// Whether sound runs on without gaps in it: packets have no times of their own there, or times that
    /// count samples.
    pub(crate) fn counts_samples(&self) -> bool {
        numbering::is_ogg(&self.muxer.name()) || !self.muxer.has_times()
    }

    /// Whether pictures have no times of their own, but are counted by a rate.
    pub(crate) fn counts_pictures(&self) -> bool {
        self.muxer.name() == "avi"
    }

    /// Whether it says when packets are decoded.
    pub(crate) fn stores_dts(&self) -> bool {
        !self.muxer.is_matroska()
    }

    /// Whether its header says how long each picture of a track lasts.
    pub(crate) fn states_durations(&self) -> bool {
        self.muxer.is_matroska()
    }

    /// Whether a last packet of sound that is cut short is heard so.
    pub(crate) fn trims_ends(&self) -> bool {
        numbering::is_ogg(&self.muxer.name())
    }

    /// Whether any packet of sound may say that some of its end is not heard (Matroska's DiscardPadding).
    pub(crate) fn trims_packets(&self) -> bool {
        self.states_durations()
    }

    /// Why it can't hold a cover, if so. (In front of fragments libav has an empty track for one.)
    pub(crate) fn refuses_cover(&self, cover: &Stream) -> Option<&'static str> {
        if self.strip == Strip::Metadata {
            return Some("cover art is metadata, which is to be left out");
        }
        if !self.muxer.holds_covers() || self.is_fragmented() || self.is_segmented() {
            return Some("it can't hold cover art");
        }
        (!self.muxer.takes_cover(cover)).then_some("it can't hold cover art of this codec")
    }

    /// Whether this is an MP4 in fragments.
    pub(crate) fn is_fragmented(&self) -> bool {
        self.muxer.is_mov() && self.layout != Layout::Indexed && !self.is_segmented()
    }

    /// Whether the header is written.
    pub(crate) fn is_open(&self) -> bool {
        self.output.is_some()
    }
}
