//! The mux stage: the header when all tracks are known, packets as they come, and what is shown of each
//! track.

use super::{
    messages::{Coded, Counters, Muxed},
    process::processor,
    queue::{Rx, Stop},
};
use crate::{
    Control, Error, Limits, Report, Result,
    av::{
        packet::Packet,
        stream::{Stream, StreamKind},
    },
    job::Stage,
    output::{
        numbering::Extent,
        target::{Comes, KeptOrigin, Target},
    },
    time::{Rational, Timestamp},
};
use std::{
    sync::{PoisonError, atomic::Ordering},
    time::Instant,
};

/// What the muxer knows of a track.
pub(crate) struct TrackState {
    pub(crate) stream: Option<Box<Stream>>,
    /// Which of the source's streams is decoded for it.
    pub(crate) of: Option<usize>,
    /// Its parameters are known, or it has none.
    pub(crate) ready: bool,
    /// How much of its source's stream it holds, if that is copied.
    pub(crate) copied: Option<Extent>,
    /// What stands for the time of its first packet, where that lies in a lead-in that is shown.
    pub(crate) first: Option<Timestamp>,
    /// MP4's text tracks have no holes: one that begins later begins with an empty text (3GPP TS 26.245).
    pub(crate) wants_silence: bool,
    pub(crate) silent: bool,
    /// Its place in the output.
    pub(crate) index: Option<usize>,
    pub(crate) shown: Option<(Timestamp, Timestamp)>,
    pub(crate) origin: Option<Rational>,
}

impl TrackState {
    /// `waits`: its first packet tells how it begins.
    pub(crate) fn copied(extent: Extent, waits: bool) -> Self {
        Self {
            stream: None,
            of: None,
            ready: !waits,
            copied: Some(extent),
            first: None,
            wants_silence: false,
            silent: false,
            index: None,
            shown: None,
            origin: None,
        }
    }

    pub(crate) fn encoded() -> Self {
        Self { copied: None, ..Self::copied(Extent::Whole, true) }
    }

    /// Not one frame came, once it is ready.
    fn is_empty(&self) -> bool {
        self.stream.is_none() && self.copied.is_none()
    }
}

pub(crate) struct Muxing<'a> {
    pub(crate) target: &'a mut Target,
    pub(crate) report: &'a mut Report,
    pub(crate) control: &'a Control,
    pub(crate) sources: &'a [&'a Stream],
    pub(crate) metadata: &'a [(String, String)],
    pub(crate) tracks: Vec<TrackState>,
    /// Packets that came before the header could be written.
    pub(crate) waiting: Vec<(usize, Coded)>,
    pub(crate) held: u64,
    pub(crate) counters: &'a Counters,
    pub(crate) begun: Instant,
    pub(crate) told: u64,
    pub(crate) total: Option<Timestamp>,
    /// All video, or all sound, may be lost.
    pub(crate) allow_drops: bool,
}

/// How far a first packet of what is copied is looked for, among those of the others: so far on the output's
/// clock (libav's reader of MP4 lets one track run ahead of another by this, and not by more), and so much.
const LOOK: (Timestamp, u64) = (Timestamp::from_nanos(1_000_000_000), 16 << 20);

/// When the first of the packets that wait for a track is shown.
fn first_of(waiting: &[(usize, Coded)], track: usize) -> Option<Timestamp> {
    let own = waiting.iter().filter(|(of, _)| *of == track);
    let time = |coded: &Coded| coded.packet.pts().or(coded.packet.dts());
    let times = own.filter_map(|(_, coded)| Some(Timestamp::from_ticks(time(coded)?, coded.base)));
    times.min()
}

/// Packets between two reports of progress.
const REPORT_EVERY: u64 = 16;

impl Muxing<'_> {
    pub(crate) fn run(
        &mut self,
        from: &Rx<Muxed>,
        chain: &mut processor::PacketProcessors,
        stop: &Stop,
    ) -> Result<()> {
        self.begin_if_ready()?;
        while let Some((message, _held)) = from.recv_watching(stop)? {
            match message {
                Muxed::Open { track, stream } => {
                    if let Some(state) = self.tracks.get_mut(track) {
                        (state.stream, state.ready) = (Some(stream), true);
                    }
                    self.begin_if_ready()?;
                }
                Muxed::Packet { track, packet } if chain.is_empty() => self.take(track, packet)?,
                Muxed::Packet { track, packet: Coded { packet, base, .. } } => {
                    let kind = self.sources.get(track).map_or(StreamKind::Unknown, |source| source.kind());
                    let packet = processor::Packet { raw: packet, base, track, kind };
                    processor::pass(chain, packet, &mut |packet| {
                        self.take(packet.track, Coded::new(packet.raw, packet.base))
                    })?;
                }
                Muxed::End { track, shown } => {
                    if let Some(state) = self.tracks.get_mut(track) {
                        (state.shown, state.ready) = (shown, true);
                    }
                    self.begin_if_ready()?;
                }
            }
        }
        stop.check()?;
        processor::end(chain, &mut |packet| self.take(packet.track, Coded::new(packet.raw, packet.base)))?;
        self.end()
    }

    /// Writes a packet, or keeps it until the header is written.
    fn take(&mut self, track: usize, coded: Coded) -> Result<()> {
        if self.target.is_open() {
            return self.write(track, coded);
        }
        let packet = &coded.packet;
        self.held = self.held.saturating_add(packet.memory());
        let memory = self.control.get_limits().memory;
        let time = packet.dts().or(packet.pts()).map(|time| Timestamp::from_ticks(time, coded.base));
        let far = time.is_some_and(|time| time > LOOK.0) || self.held > LOOK.1.min(memory);
        self.waiting.push((track, coded));
        for (number, state) in self.tracks.iter_mut().enumerate() {
            // One that is not found begins as its source says.
            state.ready |= state.copied.is_some() && (number == track || far);
        }
        self.begin_if_ready()?;
        if self.target.is_open() {
            return Ok(());
        }
        Limits::hold(self.held, memory, "memory", || {
            "one stream has no frames for so long that the others do not fit in memory".into()
        })
    }

    fn begin_if_ready(&mut self) -> Result<()> {
        if self.target.is_open() || !self.tracks.iter().all(|track| track.ready) {
            return Ok(());
        }
        if self.tracks.iter().all(TrackState::is_empty) {
            return Err(self.nothing());
        }
        self.check_undecoded()?;
        let mut streams: Vec<(&Stream, Comes)> = Vec::new();
        for (number, (track, source)) in self.tracks.iter_mut().zip(self.sources).enumerate() {
            let (stream, comes) = match (&track.stream, track.copied) {
                (Some(stream), None) => (stream.as_ref(), Comes::Encoded),
                // Subtitles may be converted.
                (stream, Some(extent)) => {
                    let first = track.first.or_else(|| first_of(&self.waiting, number));
                    (stream.as_deref().unwrap_or(source), Comes::Copied(extent, first))
                }
                // Not one frame came.
                (None, None) => continue,
            };
            track.index = Some(streams.len());
            track.wants_silence = stream.codec() == "mov_text";
            streams.push((stream, comes));
        }
        self.target.begin_streams(&streams, self.metadata)?;
        // Covers go in front of everything.
        for (i, (stream, _)) in streams.iter().enumerate() {
            if let Some(picture) = &stream.picture {
                self.target.write_cover(i, picture, self.report)?;
            }
        }
        for (track, packet) in std::mem::take(&mut self.waiting) {
            self.write(track, packet)?;
        }
        Ok(())
    }

    fn write(&mut self, track: usize, Coded { mut packet, base, origin }: Coded) -> Result<()> {
        let Some(state) = self.tracks.get_mut(track) else { return Ok(()) };
        state.origin = Some(base);
        let Some(index) = state.index else { return Ok(()) };
        if let (true, Some(pts)) =
            (std::mem::take(&mut state.wants_silence), packet.pts().filter(|pts| *pts > 0))
        {
            let mut nothing = Packet::with(&[0, 0])?;
            nothing.set_times(0, 0, pts);
            self.target.write_placed(index, &mut nothing, base, None, self.report)?;
            state.silent = true;
        }
        let time = packet.dts().or(packet.pts());
        self.target.write_placed(
            index,
            &mut packet,
            base,
            origin.as_ref().map(KeptOrigin::get),
            self.report,
        )?;
        self.told = self.told.saturating_add(1);
        if self.told % REPORT_EVERY == 1
            && let Some(time) = time
        {
            let nanos = |t: Timestamp| u64::try_from(t.nanos()).unwrap_or(0);
            let total = self.total.map_or(0, nanos);
            let done = nanos(Timestamp::from_ticks(time, base));
            let done = if total > 0 { done.min(total) } else { done };
            self.control.report_since(Stage::Transcode, done, total, self.begun)?;
        }
        Ok(())
    }

    /// Why there is nothing to write.
    fn nothing(&self) -> Error {
        match self.counters.frames_decoded.load(Ordering::Relaxed) {
            0 => Error::corrupt("not one frame could be decoded"),
            frames => Error::invalid(format!(
                "{frames} frames were decoded, and filters or processors left none of them"
            )),
        }
    }

    /// An error where all video or all sound is lost since not one frame of it could be decoded.
    fn check_undecoded(&self) -> Result<()> {
        let undecoded = self.counters.undecoded.lock().unwrap_or_else(PoisonError::into_inner);
        if self.allow_drops || undecoded.is_empty() {
            return Ok(());
        }
        for (kind, what) in [(StreamKind::Video, "video"), (StreamKind::Audio, "sound")] {
            let of_kind = || {
                let all = self.tracks.iter().zip(self.sources).enumerate();
                all.filter(|(_, (_, source))| source.kind() == kind && !source.is_picture())
            };
            let lost = of_kind().find(|(track, _)| undecoded.contains(track));
            if let Some((_, (state, source))) = lost
                && of_kind().all(|(_, (state, _))| state.is_empty())
            {
                let message = format!(
                    "not one frame of it ({}) could be decoded, and it is all {what} that there is",
                    source.codec()
                );
                let error = Error::corrupt(message).with_setting("allow_drops");
                let error = error.advise(format!("get a sound copy, or say that the {what} may go"));
                return Err(match state.of {
                    Some(stream) => error.in_stream(stream),
                    None => error,
                });
            }
        }
        Ok(())
    }

    /// Tells of streams of which nothing came, and which are not in the output.
    fn tell_missing(&mut self) {
        let undecoded = self.counters.undecoded.lock().unwrap_or_else(PoisonError::into_inner);
        for (track, (state, source)) in self.tracks.iter().zip(self.sources).enumerate() {
            if let Some(of) = state.of.filter(|_| state.is_empty()) {
                let why = if undecoded.contains(&track) {
                    "not one frame of it could be decoded"
                } else {
                    "nothing of it lies in what is kept"
                };
                self.report.leave_out(of, source.codec(), why);
            }
        }
    }

    /// States what is shown of each track.
    fn end(&mut self) -> Result<()> {
        let mut end = Timestamp::ZERO;
        for track in &self.tracks {
            let (Some(index), Some((from, to)), Some(base)) = (track.index, track.shown, track.origin) else {
                continue;
            };
            self.target.show(index, if track.silent { Timestamp::ZERO } else { from }, to, base);
            end = end.max(to);
        }
        if !self.target.is_open() {
            return Err(self.nothing());
        }
        self.tell_missing();
        self.report.duration = end.length();
        if self.target.is_fragmented() && self.sources.iter().any(|source| source.kind() == StreamKind::Audio)
        {
            self.report.warn(
                "a fragmented MP4 does not say where the last frame of sound ends: up to a frame of silence may follow",
            );
        }
        Ok(())
    }
}
