//! The output of a copy: the muxer, where its bytes go, and its tracks.

mod streams;

use super::{
    clock::Clock,
    layout,
    numbering::{self, Extent, Numbers},
    track::{Held, Track},
};
use crate::{
    Control, Error, ErrorKind, Limits, Media, Report, Result, Rope, Source,
    av::{
        files::WriteFiles,
        input::RawChapter,
        muxer::Muxer,
        output::Output,
        packet::Packet,
        stream::{Stream, StreamKind},
    },
    io::{
        PartialFile,
        avio::{FileDevice, RopeDevice, StreamDevice, StreamOut},
    },
    media::{Payloads, Span},
    time::{Rational, Timestamp},
};
use std::sync::{Arc, Mutex, PoisonError};

/// Where the bytes of an output go.
pub(crate) enum Destination {
    Rope,
    File(PartialFile),
    Stream(Arc<Mutex<StreamDevice>>),
    /// Many files, in fragments.
    Files(Box<dyn WriteFiles>, FilesPlan),
}

/// Where a packet's payload lies.
#[derive(Clone, Copy)]
pub(crate) struct Origin<'a> {
    pub source: &'a Source,
    pub at: u64,
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

pub(crate) struct Target {
    /// For many files, the one that makes each of them: it says what they can hold.
    pub muxer: Muxer,
    /// The container as the caller calls it: `m4a`, where libav says `ipod`.
    name: String,
    layout: Layout,
    edit_lists: bool,
    pub tracks: Vec<Track>,
    device: Device,
    /// What was written can be gone back to.
    seeks: bool,
    output: Option<Output>,
    control: Control,
    /// What the caller tells the muxer, by libav's names.
    extra: Vec<(String, String)>,
    /// Of what the output is made: where a container wants a number that others do not have, it is made of this.
    identity: u64,
    /// That of the packet that was referred to last.
    source: Option<Source>,
    /// Bytes between parts that the muxer does not know of.
    filled: u64,
    /// What is to be begun when its first packets are known.
    waiting: Option<Waiting>,
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

/// Whether a container of this name is one of MP4's kin.
pub(crate) fn is_mov(format: &str) -> bool {
    Muxer::find(format).is_ok_and(Muxer::is_mov)
}

/// Whether files of both containers go by one ending: what reads the one reads the other.
pub(crate) fn are_kin(one: &str, other: &str) -> bool {
    let family = |format: &str| {
        let muxer = Muxer::find(format).ok()?;
        let name = muxer.name();
        Some(match name.as_str() {
            _ if muxer.is_mov() => "mov".to_owned(),
            "oga" | "ogv" | "spx" | "opus" => "ogg".to_owned(),
            "vob" | "svcd" | "vcd" | "dvd" => "mpeg".to_owned(),
            "mpeg1video" | "mpeg2video" | "m2v" => "mpegvideo".to_owned(),
            "webm" => "matroska".to_owned(),
            _ => name,
        })
    };
    let is_webm = |format: &str| Muxer::find(format).is_ok_and(|muxer| muxer.name() == "webm");
    match (family(one), family(other)) {
        // WebM is the smaller one: not every Matroska is one.
        (Some(a), Some(b)) => a == b && (!is_webm(one) || is_webm(other)),
        _ => true,
    }
}

impl Target {
    pub(crate) fn new(
        format: &str,
        destination: Destination,
        layout: Layout,
        control: &Control,
    ) -> Result<Self> {
        let device = match destination {
            Destination::Rope => Device::Rope(RopeDevice::new(control.limit().memory)),
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
            tracks: Vec::new(),
            device,
            seeks,
            output: None,
            extra: Vec::new(),
            control: control.clone(),
            identity: 0xcbf2_9ce4_8422_2325,
            source: None,
            filled: 0,
            waiting: None,
            chapters: Vec::new(),
            templates: Vec::new(),
        })
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
            !self.seeks && matches!(self.muxer.name().as_str(), "matroska" | "webm")
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

    /// Whether chapters are written with the trailer if there were none before (movenc.c, matroskaenc.c where it can
    /// seek).
    fn has_late_chapters(&self) -> bool {
        self.edit_lists || (self.seeks && matches!(self.muxer.name().as_str(), "matroska" | "webm"))
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

    fn options(&self, has_video: bool) -> Vec<(String, String)> {
        // What libav's muxers call experimental (FLAC and Opus in MP4, before FFmpeg 6) is in the standards by now.
        let mut options = vec![("strict".into(), "experimental".into())];
        if let Device::Files(_, plan) = &self.device {
            options.extend(plan.options.iter().cloned());
        } else if self.muxer.is_mov() && self.layout != Layout::Indexed {
            // The moov waits for the first packets, so that it can say what of them is hidden (priming). With
            // frag_every_frame a frame's fragment would wait for the next frame: here each is ended by hand.
            let begin = if self.layout == Layout::FragmentPerFrame { "frag_custom" } else { "frag_keyframe" };
            options.push(("movflags".into(), format!("{begin}+empty_moov+default_base_moof+delay_moov")));
            if !has_video && self.layout == Layout::Fragments {
                // Keyframes of sound do not begin fragments.
                options.push(("frag_duration".into(), "1000000".into()));
            }
        }
        if self.muxer.numbers_its_streams() {
            // 30 bits, to which the number of the stream is added.
            options.push(("serial_offset".into(), (self.identity >> 34).to_string()));
        }
        options.extend(self.extra.iter().cloned());
        options
    }

    /// Options of the muxer that go before its own; they are judged now.
    pub(crate) fn set_options(&mut self, options: &[(String, String)]) -> Result<()> {
        for (key, value) in options {
            if key == "movflags" && self.muxer.is_mov() {
                let message = format!("avrope sets the option 'movflags' of {} itself", self.name);
                return Err(Error::invalid(message)
                    .with_setting("fragment")
                    .advise("ask for fragments by their own setting; else the index goes first"));
            }
            self.muxer.check_option(key, value)?;
        }
        self.extra = options.to_vec();
        Ok(())
    }

    fn begin(
        &mut self,
        media: &Media,
        streams: &[usize],
        extent: Extent,
        chapters: &[RawChapter],
        first: &dyn Fn(usize) -> Option<Timestamp>,
    ) -> Result<()> {
        let from_mov = media.demuxer().is_mov();
        let spans = |i: &usize| media.timeline(*i).map_or(0, |timeline| timeline.spans.len());
        let extent = match extent {
            // What the source's edit list leaves out, or shows piece by piece, an output without one does not hold.
            _ if self.edit_lists => extent,
            _ if streams.iter().any(|i| spans(i) > 1) => Extent::Several,
            Extent::Whole if streams.iter().any(|i| media.has_edits(*i)) => Extent::Stretch,
            extent => extent,
        };
        let sources = || streams.iter().filter_map(|i| Some((*i, media.streams().get(*i)?)));
        let told = sources().map(|(i, stream)| {
            // Where an edit list tells what is shown, the source's word stays.
            if self.edit_lists && stream.codec() == "opus" {
                return Ok(None);
            }
            numbering::told(stream, extent, first(i))
        });
        let told = told.collect::<Result<Vec<_>>>()?;
        let streams: Vec<&Stream> =
            sources().zip(&told).map(|((_, source), told)| told.as_ref().unwrap_or(source)).collect();
        // All of a Matroska: its sound begins before 0 by what its header states, as it will again. Else libav takes
        // that for times that can't be written, and moves all tracks, with the sound's delay on top.
        let delays: Option<Vec<_>> = sources().map(|(_, stream)| self.muxer.states_delay(stream)).collect();
        let delays = delays.filter(|_| extent == Extent::Whole && media.demuxer().is_matroska());
        if delays.is_some() {
            self.extra.insert(0, ("avoid_negative_ts".into(), "disabled".into()));
        }
        // What a muxer of MP4 puts into the file in the order of the sources keeps their runs whole.
        self.begin_tracks(&streams, from_mov, media.metadata(), chapters, !self.edit_lists)?;
        let muxer = self.muxer.name();
        let primes = |stream: &Stream| numbering::begins_with_packets(stream, &muxer);
        for (track, (i, stream)) in self.tracks.iter_mut().zip(sources()) {
            track.numbers = Numbers::of(stream, &muxer, extent, first(i)).map(Box::new);
            if matches!(muxer.as_str(), "matroska" | "webm") && primes(stream) && !self.muxer.adds_delay() {
                let samples = numbering::told_skip(stream, extent, first(i));
                track.later = Timestamp::from_ticks(samples.into(), numbering::PRE_SKIP_BASE);
            }
        }
        for ((track, (_, stream)), delay) in
            self.tracks.iter_mut().zip(sources()).zip(delays.unwrap_or_default())
        {
            if primes(stream) {
                continue;
            }
            // As the source's times were rounded.
            let base = track.clock.base();
            track.later = Timestamp::from_ticks(delay.ticks(base), base);
        }
        Ok(())
    }

    /// Whether it begins when the first packets are known: what they hold is told in its header.
    pub(crate) fn is_waiting(&self) -> bool {
        self.waiting.is_some()
    }

    /// Begins what waited. `first` tells when the first packet of a stream is on the output's clock.
    pub(crate) fn start(&mut self, first: &dyn Fn(usize) -> Option<Timestamp>) -> Result<()> {
        match self.waiting.take() {
            Some(w) => self.begin(&w.media, &w.streams, w.extent, &w.chapters, first),
            None => Ok(()),
        }
    }

    /// Whether its header tells of this stream's first packet what of it is not heard.
    pub(crate) fn tells_priming(&self, stream: &Stream) -> bool {
        !self.edit_lists && numbering::begins_with_packets(stream, &self.muxer.name())
    }

    /// Whether sound runs on without gaps in it: packets have no times of their own there, or times that count samples.
    pub(crate) fn counts_samples(&self) -> bool {
        numbering::is_ogg(&self.muxer.name()) || !self.muxer.has_times()
    }

    /// Whether its header says how long each picture of a track lasts.
    pub(crate) fn states_durations(&self) -> bool {
        matches!(self.muxer.name().as_str(), "matroska" | "webm")
    }

    /// Whether a last packet of sound that is cut short is heard so.
    pub(crate) fn trims_ends(&self) -> bool {
        numbering::is_ogg(&self.muxer.name())
    }

    /// Opens the output with a track for each of these streams, whose packets come interleaved as it happens.
    /// `encoded`: what of sound lies before 0 is its encoder's delay.
    pub(crate) fn begin_streams(
        &mut self,
        streams: &[&Stream],
        metadata: &[(String, String)],
        encoded: bool,
    ) -> Result<()> {
        let delays: Option<Vec<_>> = streams.iter().map(|stream| self.muxer.states_delay(stream)).collect();
        let delays = delays.filter(|_| encoded);
        if delays.is_some() {
            // Nothing is left before 0: libav would move all tracks by as much on top of that.
            self.extra.insert(0, ("avoid_negative_ts".into(), "disabled".into()));
        }
        let chapters = if self.has_late_chapters() { Vec::new() } else { self.chapters.clone() };
        // Fragments of single frames go out as they come.
        self.begin_tracks(streams, false, metadata, &chapters, self.layout != Layout::FragmentPerFrame)?;
        for (track, delay) in self.tracks.iter_mut().zip(delays.unwrap_or_default()) {
            track.later = delay;
        }
        Ok(())
    }

    fn begin_tracks(
        &mut self,
        streams: &[&Stream],
        from_mov: bool,
        metadata: &[(String, String)],
        chapters: &[RawChapter],
        interleave: bool,
    ) -> Result<()> {
        let whole = self.layout != Layout::FragmentPerFrame;
        let direct = matches!(self.device, Device::Rope(_)) && self.edit_lists && !interleave && whole;
        let control = self.control.clone();
        let device: Box<dyn crate::av::avio::WriteDevice> = match &mut self.device {
            Device::Rope(device) => Box::new(device.clone()),
            Device::File(device) => Box::new(device.clone()),
            Device::Stream(device) => Box::new(device.clone()),
            Device::Files(files, plan) => {
                let again = || Error::new(ErrorKind::Bug, "the output was begun twice");
                let files = files.take().ok_or_else(again)?;
                let output = Output::of_files(Muxer::of_files(plan.muxer)?, &plan.name, files, control)?;
                return self.begin_output(output, streams, from_mov, metadata, chapters);
            }
        };
        let output = Output::new(self.muxer, device, control, direct, interleave)?;
        self.begin_output(output, streams, from_mov, metadata, chapters)
    }

    fn begin_output(
        &mut self,
        mut output: Output,
        streams: &[&Stream],
        from_mov: bool,
        metadata: &[(String, String)],
        chapters: &[RawChapter],
    ) -> Result<()> {
        let mut indexes = Vec::new();
        for stream in streams {
            indexes.push((output.add_stream(stream, self.tag(from_mov, stream))?, stream));
        }
        // These describe the source's container.
        let own = ["major_brand", "minor_version", "compatible_brands", "encoder"];
        let metadata: Vec<_> =
            metadata.iter().filter(|(key, _)| !own.contains(&key.as_str())).cloned().collect();
        output.set_metadata(&metadata)?;
        for (id, chapter) in chapters.iter().enumerate() {
            output.add_chapter(i64::try_from(id).unwrap_or(i64::MAX), chapter)?;
        }
        for stream in streams {
            self.tell(&(stream.codec(), stream.extradata(), stream.time_base(), stream.size()));
        }
        if self.muxer.names_material() {
            output.set_material(self.identity);
        }
        output.write_header(&self.options(streams.iter().any(|s| s.kind() == StreamKind::Video)))?;
        let mut tracks = Vec::new();
        for (index, stream) in indexes {
            let base = output.time_base(index)?;
            let equal = self.muxer.allows_equal_dts() && !self.is_segmented();
            let clock = Clock::new(stream.kind(), base, stream.sample_rate(), stream.frame_size(), equal);
            let sparse = stream.kind() == StreamKind::Subtitle;
            let head = streams::in_band(self.muxer, stream).to_vec();
            let later = Timestamp::ZERO;
            tracks.push(Track { index, clock, packets: 0, later, sparse, numbers: None, held: None, head });
        }
        (self.tracks, self.output) = (tracks, Some(output));
        Ok(())
    }

    /// Whether this is an MP4 in fragments.
    pub(crate) fn is_fragmented(&self) -> bool {
        self.muxer.is_mov() && self.layout != Layout::Indexed && !self.is_segmented()
    }

    /// Whether the header is written.
    pub(crate) fn is_open(&self) -> bool {
        self.output.is_some()
    }

    /// Writes a packet whose times are on the output's clock, in `base`.
    pub(crate) fn write_placed(
        &mut self,
        track: usize,
        packet: &mut Packet,
        base: Rational,
        report: &mut Report,
    ) -> Result<()> {
        let exact = self.edit_lists;
        let Some((clock, later)) = self.tracks.get_mut(track).map(|track| (&mut track.clock, track.later))
        else {
            return Err(Error::new(ErrorKind::Bug, "a packet for a track that is not there"));
        };
        if exact {
            clock.place_behind(packet, base);
        } else {
            clock.place_at(packet, base, later);
        }
        self.write(track, packet, None, report)?;
        if self.layout == Layout::FragmentPerFrame { self.end_fragment() } else { Ok(()) }
    }

    /// What is there leaves now: neither the next frame nor a full buffer is waited for.
    fn end_fragment(&mut self) -> Result<()> {
        // The index in front of all tells where each track begins.
        if self.tracks.iter().any(|track| track.packets == 0 && !track.sparse) {
            return Ok(());
        }
        if let Some(output) = &mut self.output {
            output.end_fragment()?;
        }
        if let Device::Stream(out) = &self.device {
            out.device.lock().unwrap_or_else(PoisonError::into_inner).flush(&self.control)?;
        }
        Ok(())
    }

    /// States that a track whose packets were [`write_placed`](Self::write_placed) is shown from one instant to another.
    pub(crate) fn show(&mut self, track: usize, from: Timestamp, to: Timestamp, base: Rational) {
        if let Some(track) = self.tracks.get_mut(track) {
            let from = from.max(Timestamp::ZERO);
            let len = to.minus(from);
            track.clock.show(Span { shown: from, len, media: from.ticks(base) }, from, len, base);
        }
    }

    /// Chapters of a further source.
    pub(crate) fn add_chapters(&mut self, chapters: Vec<RawChapter>, report: &mut Report) {
        if !chapters.is_empty() && !self.has_late_chapters() {
            report.warn(format!("{}: only the first input's chapters are kept", self.name));
        }
        self.chapters.extend(chapters);
    }

    /// Writes what is held: nothing follows.
    fn release(&mut self, report: &mut Report) -> Result<()> {
        for track in 0..self.tracks.len() {
            if let Some(Held { mut packet, source, at }) =
                self.tracks.get_mut(track).and_then(|track| track.held.take())
            {
                let origin = source.as_ref().map(|source| Origin { source, at });
                self.write_now(track, &mut packet, origin, true, report)?;
            }
        }
        Ok(())
    }

    /// The packets that follow come from elsewhere: in a rope of an MP4 they begin a new chunk, so that `layout` may move
    /// them to where their source's blocks fit.
    pub(crate) fn begin_part(&mut self) -> Result<()> {
        let begun = self.tracks.iter().any(|track| track.packets > 0);
        match (&self.device, self.output.as_mut()) {
            (Device::Rope(_), Some(output)) if begun && self.edit_lists => {
                self.filled = self.filled.saturating_add(FILL.len() as u64);
                output.fill(&FILL)
            }
            _ => Ok(()),
        }
    }

    /// Writes a packet, whose times are set, to a track.
    pub(crate) fn write(
        &mut self,
        track: usize,
        packet: &mut Packet,
        origin: Option<Origin<'_>>,
        report: &mut Report,
    ) -> Result<()> {
        let Some(it) = self.tracks.get_mut(track) else {
            return Err(Error::new(ErrorKind::Bug, "a packet for a track that is not there"));
        };
        it.packets = it.packets.saturating_add(1);
        if it.numbers.is_none() {
            return self.write_now(track, packet, origin, false, report);
        }
        let packet = std::mem::replace(packet, Packet::new()?);
        let source = origin.map(|origin| origin.source.clone());
        match it.held.replace(Held { packet, source, at: origin.map_or(0, |origin| origin.at) }) {
            Some(Held { mut packet, source, at }) => {
                let origin = source.as_ref().map(|source| Origin { source, at });
                self.write_now(track, &mut packet, origin, false, report)
            }
            None => Ok(()),
        }
    }

    #[inline]
    fn write_now(
        &mut self,
        track: usize,
        packet: &mut Packet,
        origin: Option<Origin<'_>>,
        last: bool,
        report: &mut Report,
    ) -> Result<()> {
        let (Some(output), Some(track)) = (self.output.as_mut(), self.tracks.get_mut(track)) else {
            return Err(Error::new(ErrorKind::Bug, "a packet for a track that is not there"));
        };
        let mut origin = origin;
        if !track.head.is_empty() && packet.is_key() && !streams::has_head(packet.data()) {
            *packet = packet.with_data(&[track.head.as_slice(), packet.data()].concat())?;
            origin = None;
        }
        let size = packet.size() as u64;
        let renumbered = match &mut track.numbers {
            Some(numbers) => numbers.next(packet, last)?,
            None => false,
        };
        packet.set_stream(track.index);
        let origin = origin.filter(|_| !renumbered);
        if let (Some(origin), Device::Rope(device)) = (origin, &self.device)
            && !self.source.as_ref().is_some_and(|source| source.is_same(origin.source))
        {
            device.set_source(origin.source);
            self.source = Some(origin.source.clone());
        }
        let shared = output.write(packet, origin.map(|origin| origin.at))?;
        report.packets = report.packets.saturating_add(1);
        report.payload_shared = report.payload_shared.saturating_add(shared.min(size));
        report.payload_copied = report.payload_copied.saturating_add(size.saturating_sub(shared));
        if report.packets > self.control.limit().packets {
            let message = format!("more than {} packets", self.control.limit().packets);
            return Err(Limits::reached("packets", message));
        }
        Ok(())
    }

    /// Ends the muxer's work.
    fn end(&mut self, report: &mut Report) -> Result<()> {
        self.release(report)?;
        for track in &self.tracks {
            let stream = self.templates.get(track.index).copied().unwrap_or(track.index);
            let repairs = track.clock.repairs;
            for (count, what) in [
                (repairs.missing_pts, "packets had no pts; it was made from the dts"),
                (repairs.missing_dts, "packets had no dts; it was estimated"),
                (repairs.late_dts, "packets had a dts behind their pts; it was moved back"),
                (repairs.backward_dts, "packets had a dts that repeats or goes back; it was moved forward"),
            ] {
                if count > 0 {
                    report.warn(format!("stream {stream}: {count} {what}"));
                }
            }
        }
        if self.tracks.iter().all(|track| track.packets == 0) {
            return Err(Error::corrupt("there is not a single packet in it"));
        }
        let output = self.output.take();
        let mut output = output.ok_or_else(|| Error::new(ErrorKind::Bug, "the output was ended twice"))?;
        if self.has_late_chapters() {
            for (id, chapter) in self.chapters.iter().enumerate() {
                output.add_chapter(i64::try_from(id).unwrap_or(i64::MAX), chapter)?;
            }
        }
        for track in &self.tracks {
            let Some(numbers) = &track.numbers else { continue };
            let stream = self.templates.get(track.index).copied().unwrap_or(track.index);
            numbers.warnings().into_iter().for_each(|what| report.warn(format!("stream {stream}: {what}")));
            if let Some(configuration) =
                numbers.configuration().filter(|_| self.seeks && self.muxer.name() == "flac")
            {
                let mut packet = Packet::with_extradata(&configuration)?;
                packet.set_stream(track.index);
                let end = track.clock.end().ticks(track.clock.base());
                packet.set_times(end, end, 0);
                output.write(&mut packet, None)?;
            }
        }
        output.finish()
    }

    pub(crate) fn into_rope(mut self, report: &mut Report) -> Result<Rope> {
        self.end(report)?;
        let Device::Rope(device) = &self.device else {
            return Err(Error::new(ErrorKind::Bug, "this is no rope"));
        };
        let rope = device.take().finish();
        if self.edit_lists { layout::moov_first(&rope, &self.tracks, self.filled) } else { Ok(rope) }
    }

    pub(crate) fn into_file(mut self, report: &mut Report) -> Result<PartialFile> {
        self.end(report)?;
        let Device::File(device) = &self.device else {
            return Err(Error::new(ErrorKind::Bug, "this is no file"));
        };
        let mut file = device.take()?;
        if self.edit_lists && !layout::moov_first_in_file(&mut file, &self.tracks)? {
            report.warn("the index (moov) is at the end of the file: this file system can't insert it at the front without a copy");
        }
        Ok(file)
    }

    pub(crate) fn into_stream(mut self, report: &mut Report) -> Result<()> {
        self.end(report)
    }
}
