//! Which streams a container can hold: by libav's tables where they tell, else by trial.

use super::{Extent, First, Target, Waiting};
use crate::{
    Error, Media, Report, Result, Strip,
    av::{
        input::RawChapter,
        muxer::Muxer,
        output::Output,
        stream::{Stream, StreamKind},
    },
    io::avio::NullDevice,
    output::numbering,
};

/// What a container wants in front of each keyframe, because it has no other place for it: the configuration
/// of MPEG-4 part 2 (VOS, VO and VOL), without which nothing can be decoded. Of H.264 and HEVC libav's muxers
/// see to that themselves.
pub(crate) fn in_band(muxer: Muxer, stream: &Stream) -> &[u8] {
    const BARE: [&str; 7] = ["mpegts", "m4v", "mpeg", "vob", "dvd", "svcd", "vcd"];
    let wanted = stream.codec() == "mpeg4" && BARE.contains(&muxer.name().as_str());
    if wanted { stream.extradata() } else { &[] }
}

/// Whether a keyframe of MPEG-4 part 2 begins with its configuration, and not with a group (B3) or a picture
/// (B6) (ISO/IEC 14496-2, table 6-3).
pub(crate) fn has_head(packet: &[u8]) -> bool {
    !matches!(packet, [0, 0, 1, 0xb3 | 0xb6, ..])
}

fn is_program_stream(muxer: Muxer) -> bool {
    matches!(muxer.name().as_str(), "mpeg" | "vob" | "dvd" | "svcd" | "vcd")
}

/// Whether a container says of sound how long a block is, by RIFF's head or one of its own: then readers go
/// by that.
fn says_blocks(muxer: Muxer) -> bool {
    matches!(muxer.name().as_str(), "avi" | "asf" | "asf_stream" | "caf" | "matroska" | "mov" | "w64" | "wav")
}

/// Whether what is decoded of this ADPCM depends on how long a block is (adpcm.c). That of G.722, G.726,
/// Yamaha, Flash and others is a run of samples, or says itself how long it is.
fn has_blocks(codec: &str) -> bool {
    matches!(
        codec,
        "adpcm_argo"
            | "adpcm_ima_dk3"
            | "adpcm_ima_dk4"
            | "adpcm_ima_rad"
            | "adpcm_ima_wav"
            | "adpcm_ima_xbox"
            | "adpcm_ms"
            | "adpcm_mtaf"
            | "adpcm_psx"
    )
}

/// What AVI, which counts frames or bytes, can't say of sound: when it is heard.
fn drifts(muxer: Muxer, codec: &str) -> Option<&'static str> {
    match codec {
        _ if muxer.name() != "avi" => None,
        "vorbis" => Some("its packets do not last equally long: other players hear it out of step"),
        // libav states the nominal rate of DTS (1536 kbit/s for 1509), and that of Speex without a frame's
        // padding.
        "dts" | "speex" => Some(
            "it is counted by the bit rate that it states, which may be up to 2 % off: other players hear it drift",
        ),
        _ => None,
    }
}

/// Whether libav's muxer takes a codec, and its demuxer does not find it in the result (tried with FFmpeg
/// 5.1): nobody else would.
fn is_not_read_again(muxer: Muxer, stream: &Stream) -> bool {
    let codec = stream.codec();
    let codec = codec.as_str();
    match muxer.name().as_str() {
        // mpegenc.c calls all pictures MPEG's, and mpeg.c finds out by looking at them which of these they
        // are.
        _ if is_program_stream(muxer) => {
            let known = ["mpeg1video", "mpeg2video", "mpeg4", "h264", "hevc"];
            stream.kind() == StreamKind::Video && !known.contains(&codec)
        }
        // flvdec.c has no name for them that its muxer writes.
        "flv" => matches!(codec, "h263" | "mpeg4"),
        "wav" | "w64" => matches!(codec, "aac" | "speex" | "vorbis"),
        // nutdec.c does not find its way without a block's size and bits a sample.
        "nut" => matches!(codec, "adpcm_ima_qt" | "qtrle" | "wmav1" | "wmav2"),
        "asf" => matches!(codec, "dnxhd" | "prores"),
        "caf" => matches!(codec, "flac" | "opus"),
        _ => false,
    }
}

impl Target {
    /// Chooses the streams that the container can hold, and opens the output with a track for each, which
    /// will hold so much of it.
    ///
    /// `chapters` are the ones that are known by now; [`chapters`](Self::chapters) may be changed until the
    /// end where the container has them in its trailer.
    pub(crate) fn open(
        &mut self,
        media: &Media,
        extent: Extent,
        chapters: Vec<RawChapter>,
        allow_drops: bool,
        report: &mut Report,
    ) -> Result<()> {
        let mut chosen = Vec::new();
        for (i, stream) in media.streams().iter().enumerate() {
            let is_timecode = stream.tag().as_deref() == Some("tmcd") && self.muxer.is_mov();
            if stream.is_hidden() || is_timecode || self.left_out.contains(&i) {
                // Its content is in the chapters; in the metadata, from which the muxer makes a track anew.
                continue;
            }
            match self.refuses(stream, extent) {
                Some(why) => self.drop_stream(i, stream, why, report),
                None => chosen.push(i),
            }
        }
        // A trial first: a header that fails half-way must not reach the sink.
        let fits = if chosen.is_empty() { Ok(false) } else { self.trial(media, &chosen).map(|()| true) };
        match fits {
            Ok(true) => {}
            Err(error) if error.is_final() => return Err(error),
            _ => chosen = self.choose_one_by_one(media, &chosen, report)?,
        }
        for i in chosen.iter().filter(|_| self.muxer.name() == "mov") {
            let stream =
                media.streams().get(*i).filter(|s| !s.is_picture() && self.muxer.fits(s) == Some(false));
            if let Some(codec) = stream.map(Stream::codec) {
                report.warn(format!(
                    "stream {i} ({codec}): {} has no name of its own for this codec, and players other than libav's may not know it",
                    self.name
                ));
            }
        }
        for (i, codec) in chosen.iter().filter_map(|i| Some((*i, media.streams().get(*i)?.codec()))) {
            if let Some(why) = drifts(self.muxer, &codec) {
                report.warn(format!(
                    "stream {i} ({codec}): {} has no times for sound, and {why}; choose another container, or transcode",
                    self.name
                ));
            }
        }
        if !allow_drops {
            self.check_losses(media, &chosen, &[StreamKind::Video, StreamKind::Audio], report)?;
        }
        for (i, stream) in chosen.iter().filter_map(|i| Some((i, media.streams().get(*i)?))) {
            if let Some(turn) = stream.turn().filter(|turn| !self.muxer.keeps(*turn)) {
                report.warn(format!(
                    "stream {i}: players turn its picture (by {}), which {} has no way to say here: it will lie as it is coded",
                    turn.in_words(),
                    self.name
                ));
            }
        }
        let early: &[RawChapter] = if self.has_late_chapters() { &[] } else { &chapters };
        let waits = |i: &usize| {
            let stream = media.streams().get(*i);
            stream.is_some_and(|stream| self.tells_priming(stream) || self.wants_configuration(stream))
        };
        if chosen.iter().any(waits) {
            let (media, streams, chapters) = (media.clone(), chosen.clone(), early.to_vec());
            self.waiting = Some(Waiting { media, streams, extent, chapters });
        } else {
            self.begin(media, &chosen, extent, early, &|_| First::default())?;
        }
        self.templates = chosen;
        self.chapters = chapters;
        Ok(())
    }

    /// Why a stream can't be copied into this container, as far as that is known without a trial.
    fn refuses(&self, stream: &Stream, extent: Extent) -> Option<&'static str> {
        if stream.kind() == StreamKind::Unknown {
            return Some("it can't hold this codec");
        }
        if self.strip != Strip::Nothing && stream.kind() == StreamKind::Data {
            return Some("it may tell where the source was recorded, which is not to be told");
        }
        // ttadec.c: the length of the last frame follows from the container's, and every other frame is a
        // full one.
        if stream.codec() == "tta" && extent != Extent::Whole {
            return Some(
                "of TTA nothing but a whole file can be copied: a frame does not say its own length",
            );
        }
        if numbering::ends_with_file(&stream.codec(), &self.muxer.name())
            && numbering::length_of_file(stream).is_none()
        {
            return Some(
                "TTA's last frame is found by the length of the whole, which is said in milliseconds here: \
                 up to a second of sound would be lost",
            );
        }
        if has_blocks(&stream.codec()) && stream.block_size() == 0 && says_blocks(self.muxer) {
            return Some("it has to say how long a block of ADPCM is, and the source does not");
        }
        // These want start codes, and do not put them in.
        let lengths =
            matches!(stream.codec().as_str(), "h264" | "hevc") && stream.extradata().first() == Some(&1);
        if lengths
            && (matches!(self.muxer.name().as_str(), "avi" | "mxf" | "wtv") || is_program_stream(self.muxer))
        {
            return Some("it wants packets with start codes, and those of the source have lengths");
        }
        if stream.is_picture() {
            return self.refuses_cover(stream);
        }
        if is_not_read_again(self.muxer, stream) {
            return Some("what is written of this codec there is not found again");
        }
        // Elsewhere the muxer's own word counts, by trial: libav's tables do not know all that it takes. For
        // pictures MOV has names of others where it has none (movenc.c: mov_get_codec_tag), which its readers
        // know; so it has for sound, and they do not find what they need there.
        let name = self.muxer.name();
        let by_trial = name == "mov" && stream.kind() == StreamKind::Video;
        // AVIF's muxer writes into tables that it has for AV1 alone, also where it is given others
        // (movenc.c).
        let tables = ["mpegts", "avif"].contains(&name.as_str());
        let tells = (self.muxer.is_mov() && !by_trial) || tables || stream.codec() == "gif";
        let refused = tells && self.muxer.fits(stream) == Some(false);
        refused.then_some("it can't hold this codec")
    }

    pub(crate) fn drop_stream(&self, index: usize, stream: &Stream, why: &str, report: &mut Report) {
        report.leave_out(index, stream.codec(), format!("{}: {why}", self.name));
    }

    /// An error where a source has streams of one of these kinds, and none of them is kept: all picture or
    /// all sound would be lost. Covers are not pictures that play.
    pub(crate) fn check_losses(
        &self,
        media: &Media,
        kept: &[usize],
        kinds: &[StreamKind],
        report: &Report,
    ) -> Result<()> {
        for kind in kinds {
            let streams = media.streams().iter().enumerate();
            let plays = |s: &Stream| s.kind() == *kind && !s.is_picture() && !s.is_hidden();
            let all: Vec<_> = streams.filter(|(_, stream)| plays(stream)).collect();
            let Some((first, stream)) = all.first().filter(|_| !all.iter().any(|(i, _)| kept.contains(i)))
            else {
                continue;
            };
            let what = if *kind == StreamKind::Video { "video" } else { "sound" };
            let dropped = report.dropped_streams.iter().find(|dropped| dropped.index == *first);
            let why = dropped.map_or_else(|| self.name.clone(), |dropped| dropped.reason.clone());
            let which = match all.len() {
                1 => format!("its only {what}, stream {first} ({}),", stream.codec()),
                count => format!("all {count} streams of {what} ({}, …)", stream.codec()),
            };
            let error = Error::unsupported(format!("{which} would be lost: {why}"));
            return Err(error.named(media.source().name()).with_setting("allow_drops").advise(format!(
                "choose a container that holds it, transcode, or say that the {what} may go"
            )));
        }
        Ok(())
    }

    /// Finds by trial what fits together, where libav's tables did not tell.
    fn choose_one_by_one(
        &self,
        media: &Media,
        candidates: &[usize],
        report: &mut Report,
    ) -> Result<Vec<usize>> {
        let mut kept = Vec::new();
        let mut last = None;
        // The stream that matters most goes first: containers for one stream keep that.
        let primary = media.primary(candidates);
        let order = primary.into_iter().chain(candidates.iter().copied().filter(|i| Some(*i) != primary));
        for i in order {
            let trial: Vec<usize> = kept.iter().copied().chain([i]).collect();
            match self.trial(media, &trial) {
                Ok(()) => kept = trial,
                Err(error) if error.is_final() => return Err(error),
                Err(error) => {
                    if let Some(stream) = media.streams().get(i) {
                        let why = error
                            .log()
                            .last()
                            .cloned()
                            .unwrap_or_else(|| "its muxer refuses this stream".into());
                        self.drop_stream(i, stream, &why, report);
                    }
                    last = Some(error);
                }
            }
        }
        if kept.is_empty() {
            let codecs: Vec<_> = media.streams().iter().map(Stream::codec).collect();
            let codecs = codecs.join(", ");
            // Where nothing was tried, what was known in front is why.
            let why = report.dropped_streams.first().filter(|_| candidates.is_empty());
            let message = match why {
                Some(dropped) => format!("none of the streams ({codecs}) can be copied: {}", dropped.reason),
                None => format!("{} can hold none of the streams ({codecs})", self.name),
            };
            let error = Error::unsupported(message).named(media.source().name()).with_setting("format");
            let error = error.advise("choose another container, such as mp4 or mkv, or transcode");
            return Err(match last {
                Some(last) => error.with_log(last.log().to_vec()).caused_by(last),
                None => error,
            });
        }
        kept.sort_unstable();
        Ok(kept)
    }

    fn trial(&self, media: &Media, streams: &[usize]) -> Result<()> {
        let mut output =
            Output::new(self.muxer, Box::new(NullDevice(0)), self.control.clone(), false, false)?;
        for i in streams {
            if let Some(stream) = media.streams().get(*i) {
                output.add_stream(stream, self.tag(media.demuxer().is_mov(), stream), Strip::Nothing)?;
            }
        }
        output.write_header(&self.options(true))
    }

    /// Apple's players know HEVC as `hvc1` alone; sources outside MP4 have no tag to keep.
    pub(crate) fn tag(&self, from_mov: bool, stream: &Stream) -> Option<[u8; 4]> {
        (self.muxer.is_mov() && stream.codec() == "hevc" && !from_mov).then_some(*b"hvc1")
    }
}
