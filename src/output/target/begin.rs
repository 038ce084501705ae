//! How an output begins: what its muxer is told, its tracks, and what their streams say of themselves.

use super::{Device, First, Layout, Target, streams};
use crate::{
    Error, ErrorKind, Media, Result,
    av::{
        input::RawChapter,
        muxer::Muxer,
        output::Output,
        stream::{Stream, StreamKind},
    },
    output::{
        clock::Clock,
        numbering::{self, Extent, Numbers},
        timecode,
        track::Track,
    },
    time::Timestamp,
};

/// How the packets of a track come to be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Comes {
    /// What of it lies before 0 is its encoder's delay.
    Encoded,
    /// So much of the source's, the first one of them then on the output's clock, where that is known.
    Copied(Extent, Option<Timestamp>),
}

/// Settles what is the output's own of a copied stream: its frames' numbers, and what is added to its times
/// where the header has its delay and readers take it off.
fn begin_copied(track: &mut Track, stream: &Stream, muxer: Muxer, extent: Extent, first: Option<Timestamp>) {
    let name = muxer.name();
    track.numbers = Numbers::of(stream, &name, extent, first).map(Box::new);
    let states = matches!(name.as_str(), "matroska" | "webm") && !muxer.adds_delay();
    if states && numbering::begins_with_packets(stream, &name) {
        let samples = numbering::told_skip(stream, extent, first);
        track.later = Timestamp::from_ticks(samples.into(), numbering::PRE_SKIP_BASE);
    }
}

/// What of libav's muxer of MP4 makes an index that ours can't take the place of: fragments, room in front, tracks
/// without numbers.
const OF_ANOTHER_INDEX: [&str; 6] = [
    "frag_duration",
    "frag_size",
    "frag_interleave",
    "min_frag_duration",
    "moov_size",
    "use_stream_ids_as_track_ids",
];

impl Target {
    pub(super) fn options(&self, has_video: bool) -> Vec<(String, String)> {
        // What libav's muxers call experimental (FLAC and Opus in MP4, before FFmpeg 6) is in the standards
        // by now.
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
            if self.edit_lists && OF_ANOTHER_INDEX.contains(&key.as_str()) {
                let message = format!("the option '{key}' is not for an MP4 whose index avrope writes");
                return Err(Error::unsupported(message)
                    .with_setting("fragment")
                    .advise("leave it out, or ask for fragments"));
            }
            self.muxer.check_option(key, value)?;
        }
        self.extra = options.to_vec();
        Ok(())
    }

    pub(super) fn begin(
        &mut self,
        media: &Media,
        streams: &[usize],
        extent: Extent,
        chapters: &[RawChapter],
        first: &dyn Fn(usize) -> First,
    ) -> Result<()> {
        let from_mov = media.demuxer().is_mov();
        let spans = |i: &usize| media.timeline(*i).map_or(0, |timeline| timeline.spans.len());
        let extent = match extent {
            // What the source's edit list leaves out, or shows piece by piece, an output without one does not
            // hold.
            _ if self.edit_lists => extent,
            _ if streams.iter().any(|i| spans(i) > 1) => Extent::Several,
            Extent::Whole if streams.iter().any(|i| media.has_edits(*i)) => Extent::Stretch,
            extent => extent,
        };
        let sources = || streams.iter().filter_map(|i| Some((*i, media.streams().get(*i)?)));
        let configured = |i: usize| self.configured.iter().find(|(own, _)| *own == i).map(|(_, own)| own);
        let told = sources().map(|(i, stream)| match (configured(i), first(i)) {
            (Some(own), _) => Stream::configured(stream, own).map(Some),
            (None, First { configuration: Some(configuration), .. }) => {
                Stream::configured(stream, &configuration).map(Some)
            }
            (None, First { at, .. }) => self.told(stream, extent, at),
        });
        let told = told.collect::<Result<Vec<_>>>()?;
        let streams: Vec<&Stream> =
            sources().zip(&told).map(|((_, source), told)| told.as_ref().unwrap_or(source)).collect();
        // All of a Matroska: its sound begins before 0 by what its header states, as it will again. Else
        // libav takes that for times that can't be written, and moves all tracks, with the sound's delay on
        // top.
        let delays: Option<Vec<_>> = sources().map(|(_, stream)| self.muxer.states_delay(stream)).collect();
        let delays = delays.filter(|_| extent == Extent::Whole && media.demuxer().is_matroska());
        if delays.is_some() {
            self.extra.insert(0, ("avoid_negative_ts".into(), "disabled".into()));
        }
        // What a muxer of MP4 puts into the file in the order of the sources keeps their runs whole.
        self.begin_tracks(&streams, from_mov, media.metadata(), chapters, !self.edit_lists)?;
        let muxer = self.muxer;
        for (track, (i, stream)) in self.tracks.iter_mut().zip(sources()) {
            begin_copied(track, stream, muxer, extent, first(i).at);
        }
        for ((track, (_, stream)), delay) in
            self.tracks.iter_mut().zip(sources()).zip(delays.unwrap_or_default())
        {
            if numbering::begins_with_packets(stream, &muxer.name()) {
                continue;
            }
            // As the source's times were rounded.
            let base = track.clock.base();
            track.later = Timestamp::from_ticks(delay.ticks(base), base);
        }
        Ok(())
    }

    /// What the header is told of a copied stream, where it is not what the source's says. `first`: when its
    /// first packet is on the output's clock.
    fn told(&self, stream: &Stream, extent: Extent, first: Option<Timestamp>) -> Result<Option<Stream>> {
        // Where an edit list tells what is shown, the source's word stays.
        if self.edit_lists && stream.codec() == "opus" {
            return Ok(None);
        }
        numbering::told(stream, extent, first)
    }

    /// Begins what waited. `first` tells of a stream's first packet.
    pub(crate) fn start(&mut self, first: &dyn Fn(usize) -> First) -> Result<()> {
        match self.waiting.take() {
            Some(w) => self.begin(&w.media, &w.streams, w.extent, &w.chapters, first),
            None => Ok(()),
        }
    }

    /// Opens the output with a track for each of these streams, whose packets come interleaved as it happens.
    pub(crate) fn begin_streams(
        &mut self,
        streams: &[(&Stream, Comes)],
        metadata: &[(String, String)],
    ) -> Result<()> {
        let told = streams.iter().map(|(stream, comes)| match comes {
            Comes::Encoded => Ok(None),
            Comes::Copied(extent, first) => self.told(stream, *extent, *first),
        });
        let told = told.collect::<Result<Vec<_>>>()?;
        let both = streams.iter().zip(&told);
        let described: Vec<&Stream> =
            both.map(|((source, _), told)| told.as_ref().unwrap_or(source)).collect();
        if streams.iter().all(|(stream, comes)| self.begins_at_0(stream, *comes)) {
            // Nothing is left before 0: libav would move all tracks by as much on top of that.
            self.extra.insert(0, ("avoid_negative_ts".into(), "disabled".into()));
        }
        let muxer = self.muxer;
        let bound = |(stream, _): &(&Stream, Comes)| {
            let bound = numbering::ends_with_file(&stream.codec(), &muxer.name());
            bound.then(|| numbering::length_of_file(stream)).flatten()
        };
        self.bound = streams.iter().filter_map(bound).min();
        let chapters = if self.has_late_chapters() { Vec::new() } else { self.chapters.clone() };
        // Fragments of single frames go out as they come, and where an index is ours, so is the order.
        let interleave = self.layout != Layout::FragmentPerFrame && !self.edit_lists;
        self.begin_tracks(&described, false, metadata, &chapters, interleave)?;
        for (track, (stream, comes)) in self.tracks.iter_mut().zip(streams) {
            match comes {
                Comes::Encoded => track.later = muxer.states_delay(stream).unwrap_or(Timestamp::ZERO),
                Comes::Copied(extent, first) => begin_copied(track, stream, muxer, *extent, *first),
            }
        }
        Ok(())
    }

    /// Whether nothing of a stream lies before 0 but what the container states as its delay.
    fn begins_at_0(&self, stream: &Stream, comes: Comes) -> bool {
        let muxer = self.muxer.name();
        let plays = matches!(stream.kind(), StreamKind::Audio | StreamKind::Video) && !stream.is_picture();
        match comes {
            Comes::Copied(_, first) if plays => {
                let stated = numbering::begins_with_packets(stream, &muxer);
                matches!(muxer.as_str(), "matroska" | "webm")
                    && first.is_some_and(|first| stated || first >= Timestamp::ZERO)
            }
            Comes::Copied(..) | Comes::Encoded => self.muxer.states_delay(stream).is_some(),
        }
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

    /// The time code of a tag, as much later as the result begins.
    fn later_code(&self, key: &str, value: &str, streams: &[&Stream]) -> Option<String> {
        if key != "timecode" || self.begins <= Timestamp::ZERO {
            return None;
        }
        let mut pictures = streams.iter().filter(|stream| stream.kind() == StreamKind::Video);
        let rate = pictures.find_map(|stream| stream.rate_of_pictures().or(stream.frame_rate()))?;
        timecode::later(value, rate, self.begins)
    }

    /// A stream whose time code is to be later.
    fn with_later_code(&self, stream: &Stream, streams: &[&Stream]) -> Result<Option<Stream>> {
        let code = stream.metadata.iter().position(|(key, _)| key == "timecode");
        let Some((at, (key, value))) = code.and_then(|at| Some((at, stream.metadata.get(at)?))) else {
            return Ok(None);
        };
        let Some(later) = self.later_code(key, value, streams) else { return Ok(None) };
        let mut moved = stream.again()?;
        if let Some((_, value)) = moved.metadata.get_mut(at) {
            *value = later;
        }
        Ok(Some(moved))
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
            let tag = self.tag(from_mov, stream);
            let moved = self.with_later_code(stream, streams)?;
            let told = moved.as_ref().unwrap_or(stream);
            indexes.push((output.add_stream(told, tag, self.strip)?, stream));
        }
        // These describe the source's container.
        let own = ["major_brand", "minor_version", "compatible_brands", "encoder"];
        let metadata: Vec<_> = metadata
            .iter()
            .filter(|(key, _)| !own.contains(&key.as_str()) && self.strip.keeps(key))
            .map(|(key, value)| (key.clone(), self.later_code(key, value, streams).unwrap_or(value.clone())))
            .collect();
        output.set_metadata(&metadata)?;
        for (id, chapter) in chapters.iter().enumerate() {
            output.add_chapter(i64::try_from(id).unwrap_or(i64::MAX), chapter, self.strip)?;
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
            let (numbers, held) = (None, None);
            tracks.push(Track {
                index,
                clock,
                packets: 0,
                unseen: false,
                later,
                sparse,
                numbers,
                held,
                head,
            });
        }
        (self.tracks, self.output) = (tracks, Some(output));
        Ok(())
    }
}
