//! What is to run: what becomes of each stream (copied, encoded, or left out), and through which filters. It
//! imports `settings`, `filters`, `encoders` and `flow`.

mod links;
mod refusals;
mod segments;
mod size;
pub(crate) mod unused;

pub(crate) use links::graph_options;
use refusals::no_room;

use crate::{
    Control, Error, Hardware, Media, Report, Result, Timestamp,
    av::{
        adts::AdtsReader,
        device::Device,
        encoder::{self, EncoderKind},
        format::pixel_format,
        stream::{Stream, StreamKind},
        subtitle::SubtitleConverter,
    },
    media::Span,
    output::target::Target,
    time::{ROUNDING, Rational},
    transcode::{
        encoders::{
            choose,
            holds::{self, Held},
        },
        filters::{
            loudness::{Correction, Pass},
            sounds,
        },
        flow::{
            encode::EncoderSpec,
            measure,
            pipeline::{Lane, Way},
            process::{Link, Steps, layers::Layer, processor::Processors},
        },
        settings::{AudioCodec, Transcode, VideoCodec, VideoFilter},
    },
};

/// A subtitle is put into so many pieces at the most.
const MOST_SPANS: usize = 10_000;

/// Whose rate pictures are brought to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// One of those that an encoder can state, if it can't state any.
    Encoder,
    /// That of a container which has no other times.
    Container,
    /// Nobody's: the encoder counts them, and the container has their times.
    Counted,
}

pub(crate) struct Plan<'a> {
    pub(crate) media: &'a Media,
    pub(crate) settings: &'a Transcode,
    /// What no stream has gone through yet.
    pub(crate) processors: Processors,
    pub(crate) watermarks: Vec<Layer>,
    /// What is kept, for what has to be measured first; None where that can't be done.
    pub(crate) first_pass: Option<(Vec<(Timestamp, Timestamp)>, &'a Control)>,
    /// Of what is kept.
    pub(crate) length: Option<Timestamp>,
    pub(crate) hardware: &'a Hardware,
    pub(crate) device: Option<Device>,
    pub(crate) segments: Option<(Timestamp, Timestamp)>,
    /// Which device does what, for the report.
    pub(crate) used: Vec<String>,
}

impl<'a> Plan<'a> {
    /// Without processors.
    pub(crate) fn new(media: &'a Media, settings: &'a Transcode, hardware: &'a Hardware) -> Self {
        Self {
            media,
            settings,
            processors: Processors::default(),
            watermarks: Vec::new(),
            first_pass: None,
            length: None,
            hardware,
            device: None,
            segments: None,
            used: Vec::new(),
        }
    }

    /// How a stream is encoded whatever its codec; None if its kind is to be left out.
    pub(crate) fn encoded(
        &mut self,
        kind: StreamKind,
        target: &Target,
        source: &'a Stream,
    ) -> Result<Option<(Vec<Link>, EncoderSpec<'a>)>> {
        self.check_named(target)?;
        if self.settings.leaves_out(kind) || holds::most(target.muxer, kind) == Some(0) {
            return Ok(None);
        }
        let (encoder, links) = if kind == StreamKind::Video {
            let encoder = choose::video_encoder(&self.settings.video, target.muxer)?;
            (encoder, self.video_links(source, encoder, None, (None, Pace::Encoder)))
        } else {
            let encoder = choose::audio_encoder(&self.settings.audio, target.muxer)?;
            (encoder, self.audio_links(source, (encoder, target.muxer), Pass::Blind))
        };
        self.check_encoder(target, encoder, source)?;
        Ok(Some((links, self.encode_plan(target, encoder, source)?)))
    }

    fn encode_plan(&self, target: &Target, kind: EncoderKind, source: &'a Stream) -> Result<EncoderSpec<'a>> {
        Ok(EncoderSpec {
            kind,
            settings: self.settings,
            source,
            turned: false,
            global_header: target.muxer.wants_global_header(),
            bit_rate: self.settings.video.bit_rate.filter(|_| kind.kind() == StreamKind::Video),
            segments: None,
            grid: None,
            free: false,
            paced: self.settings.video.frame_rate.is_some() || !kind.frame_rates().is_empty(),
            // Of sound alone nobody sees that it is late.
            hears_delay: target.counts_pictures() && self.has_pictures(),
        })
    }

    /// Whether pictures are shown beside the sound.
    fn has_pictures(&self) -> bool {
        let plays = |stream: &Stream| stream.kind() == StreamKind::Video && !stream.is_picture();
        self.media.streams().iter().any(plays) && !self.settings.leaves_out(StreamKind::Video)
    }

    /// What becomes of each stream, and the stream for each track.
    pub(crate) fn lanes(
        &mut self,
        target: &Target,
        report: &mut Report,
    ) -> Result<(Vec<Lane<'a>>, Vec<Option<usize>>)> {
        let media = self.media;
        self.check_named(target)?;
        let (mut lanes, mut streams): (Vec<Lane<'a>>, Vec<_>) = (Vec::new(), Vec::new());
        for (index, source) in media.streams().iter().enumerate() {
            if source.is_hidden() || source.tag().as_deref() == Some("tmcd") {
                continue;
            }
            if source.is_picture() {
                // A cover belongs to the header, not to the clock.
                match target.refuses_cover(source) {
                    Some(why) => target.drop_stream(index, source, why, report),
                    None if source.picture.is_some() => {
                        lanes.push(Lane { way: Way::Copy, source, is_audio: false });
                        streams.push(None);
                    }
                    None => target.drop_stream(index, source, "it has no bytes", report),
                }
                continue;
            }
            let kind = source.kind();
            if kind == StreamKind::Attachment && target.muxer.carries_files() && !target.is_segmented() {
                lanes.push(Lane { way: Way::Copy, source, is_audio: false });
                streams.push(None);
                continue;
            }
            let there =
                lanes.iter().filter(|lane| lane.source.kind() == kind && !lane.source.is_picture()).count();
            let most = holds::most(target.muxer, kind);
            if !self.settings.leaves_out(kind) && most.is_some_and(|most| there >= most) {
                target.drop_stream(index, source, no_room(kind, there), report);
                continue;
            }
            let way = match kind {
                StreamKind::Video => self.video(target, index, source)?,
                StreamKind::Audio => self.audio(target, index, source, report)?,
                StreamKind::Subtitle => self.subtitle(target, index, source, report)?,
                _ => {
                    target.drop_stream(index, source, "data is not transcoded", report);
                    None
                }
            };
            if let Some(way) = way {
                lanes.push(Lane { way, source, is_audio: kind == StreamKind::Audio });
                streams.push(Some(index));
            }
        }
        let plays = |lane: &Lane<'_>| {
            matches!(lane.source.kind(), StreamKind::Video | StreamKind::Audio) && !lane.source.is_picture()
        };
        if !lanes.iter().any(plays) {
            return Err(self.nothing(target));
        }
        if !self.settings.allow_drops {
            let kept: Vec<usize> = streams.iter().flatten().copied().collect();
            let mut kinds = vec![StreamKind::Video, StreamKind::Audio];
            kinds.retain(|kind| !self.settings.leaves_out(*kind));
            target.check_losses(media, &kept, &kinds, report)?;
        }
        if let Some(size) = self.settings.target_size {
            self.divide(size, &mut lanes)?;
        }
        Ok((lanes, streams))
    }

    /// Whether a stream can pass as it is: nothing moves or cuts its frames.
    fn can_pass(&self, index: usize) -> bool {
        let plain = self.media.timeline(index).is_some_and(|timeline| timeline.spans.len() < 2);
        let moved = !self.settings.keep.is_empty() || self.settings.speed.is_some();
        // Of packets without times nobody knows the order that their pictures are shown in.
        plain && !moved && self.media.demuxer().has_times()
    }

    fn video(&mut self, target: &Target, index: usize, source: &'a Stream) -> Result<Option<Way<'a>>> {
        let video = &self.settings.video;
        if video.codec == VideoCodec::None {
            return Ok(None);
        }
        if self.copies_video(target, index, source)? {
            return Ok(Some(Way::Copy));
        }
        if let Some(format) = &video.pixel_format {
            pixel_format(format)?;
        }
        let kind = choose::video_encoder(video, target.muxer)?;
        let kind = self.on_device(kind).unwrap_or(kind);
        self.check_encoder(target, kind, source)?;
        // Containers that can't say that a picture is to be turned get it turned, and so does what knows its
        // sides.
        let turns =
            video.autorotate || !target.muxer.is_mov() || video.knows_sides() || !self.watermarks.is_empty();
        let turn = source.turn().filter(|_| turns);
        let grid = match video.frame_rate {
            Some(rate) => Some(rate),
            None => source.constant_rate().filter(|rate| self.lies_on(*rate, index, source)),
        };
        // Segments are of containers that do.
        let free = target.is_segmented() || target.muxer.takes_any_times();
        // Those that tell the times of pictures by a rate alone get pictures that have one, as from ffmpeg.
        let paced = !free && grid.is_none() && source.rate_of_pictures().is_some();
        let own = self.counted_rate(kind, source).filter(|_| free);
        let pace = match own {
            Some(_) => Pace::Counted,
            None if paced => Pace::Container,
            None => Pace::Encoder,
        };
        let links = self.video_links(source, kind, turn, (own.or(grid), pace));
        let grid = own.or(grid).or_else(|| source.rate_of_pictures().filter(|_| paced));
        let encode = self.encode_plan(target, kind, source)?;
        let plan = EncoderSpec {
            turned: turn.is_some(),
            segments: self.segments,
            grid,
            free,
            paced: paced || encode.paced,
            ..encode
        };
        Ok(Some(Way::Encode(Box::new((Steps { mix: None, links }, plan)))))
    }

    /// Whether a stream of pictures is copied; an error where it is to be and can't be.
    fn copies_video(&self, target: &Target, index: usize, source: &Stream) -> Result<bool> {
        let video = &self.settings.video;
        let (passes, held) = (self.can_pass(index), holds::stream(target.muxer, source));
        match video.codec {
            VideoCodec::Copy if !self.watermarks.is_empty() => {
                Err(Error::invalid("the video is to be copied, and to get a watermark")
                    .advise("leave one of them out"))
            }
            VideoCodec::Copy if passes && held != Held::Never => Ok(true),
            VideoCodec::Copy => Err(self.no_copy(target, index, source)),
            // Segments begin where they should if it is encoded.
            VideoCodec::Auto
                if passes
                    && held == Held::Well
                    && (source.turn().is_none() || target.muxer.is_mov())
                    && self.segments.is_none()
                    && !video.changes()
                    && self.settings.preset.is_none()
                    && self.settings.target_size.is_none()
                    && self.processors.video.is_empty()
                    && self.watermarks.is_empty() =>
            {
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// The rate that an encoder of certain rates alone counts the pictures of a source by, which has one of
    /// them: its pictures keep their times. What filters make of them need not have that rate any more.
    fn counted_rate(&self, kind: EncoderKind, source: &Stream) -> Option<Rational> {
        let video = &self.settings.video;
        let filtered = video.filter.is_some() || !video.filters.is_empty() || self.settings.speed.is_some();
        if video.frame_rate.is_some()
            || filtered
            || !self.processors.video.is_empty()
            || !self.watermarks.is_empty()
        {
            return None;
        }
        let own = source.constant_rate().or(source.frame_rate())?;
        kind.frame_rates().iter().any(|rate| rate.same(own)).then_some(own)
    }

    /// Whether all pictures of what is kept come to lie on the grid of a rate, so that no rounding moves them
    /// against the sound.
    fn lies_on(&self, rate: Rational, index: usize, source: &Stream) -> bool {
        let on_grid = |time: Timestamp| {
            let frames = time.secs() * rate.value();
            // A thousandth of a frame is what timestamps round by.
            (frames - frames.round()).abs() < 1e-3
        };
        let begins = match source.start() {
            Some(ticks) if !self.media.is_edited() => Timestamp::from_ticks(ticks, source.time_base()),
            _ => self.media.timeline(index).map_or(Timestamp::ZERO, crate::media::Timeline::start),
        };
        let begins = begins.minus(self.media.start()).max(Timestamp::ZERO);
        let mut placed = Timestamp::ZERO;
        let trims = self.settings.video.filters.iter().filter_map(|filter| match filter {
            VideoFilter::Trim(range) => Some(range.from),
            _ => None,
        });
        self.settings.speed.is_none()
            && on_grid(begins)
            && trims.into_iter().all(on_grid)
            && self.settings.keep.iter().all(|range| {
                let fits = on_grid(placed.minus(range.from));
                placed = placed.plus(range.length());
                fits
            })
    }

    fn audio(
        &mut self,
        target: &Target,
        index: usize,
        source: &'a Stream,
        report: &mut Report,
    ) -> Result<Option<Way<'a>>> {
        let audio = &self.settings.audio;
        if audio.codec == AudioCodec::None {
            return Ok(None);
        }
        let (passes, held) = (self.can_pass(index), holds::stream(target.muxer, source));
        let copy = || {
            // ADTS says in its packets what these want to say before them.
            let adts =
                source.codec() == "aac" && source.extradata().is_empty() && target.tells_codecs_first();
            let reader = adts.then(|| AdtsReader::open(source)).transpose()?;
            Ok(Some(reader.map_or(Way::Copy, |reader| Way::Strip(Box::new(reader)))))
        };
        match audio.codec {
            AudioCodec::Copy if passes && held != Held::Never => return copy(),
            AudioCodec::Copy => return Err(self.no_copy(target, index, source)),
            AudioCodec::Auto
                if passes
                    && held == Held::Well
                    && !audio.changes()
                    && self.settings.preset.is_none()
                    && self.processors.audio.is_empty() =>
            {
                return copy();
            }
            _ => {}
        }
        let kind = choose::audio_encoder(audio, target.muxer)?;
        self.check_encoder(target, kind, source)?;
        let pass = self.first_pass(index, source, report)?;
        let links = self.audio_links(source, (kind, target.muxer), pass);
        let plan = self.encode_plan(target, kind, source)?;
        Ok(Some(Way::Encode(Box::new((Steps { mix: None, links }, plan)))))
    }

    /// The device's encoder for a codec, if it has one that works.
    fn on_device(&mut self, software: EncoderKind) -> Option<EncoderKind> {
        let device = self.device.as_ref()?;
        let codec = choose::codec_on_device(&self.settings.video, software)?;
        let label = self.hardware.label(device.kind());
        for ending in device.kind().encoder_endings() {
            let Some(kind) = EncoderKind::find(&format!("{codec}{ending}")) else { continue };
            let what = format!("{label} {}", kind.name());
            if self.hardware.try_once(&what, || encoder::try_on(kind, device)) {
                self.used.push(format!("{label} encode"));
                return Some(kind);
            }
        }
        None
    }

    /// Subtitles are copied where the container takes them, and text is put into what it takes instead.
    fn subtitle(
        &self,
        target: &Target,
        index: usize,
        source: &'a Stream,
        report: &mut Report,
    ) -> Result<Option<Way<'a>>> {
        let goes_on = self.media.timeline(index).is_some_and(|line| {
            // Each behind the one before, but for what their borders are rounded by.
            let follows = |pair: &[Span]| {
                matches!(pair, [a, b] if a.media <= b.media && a.media_at(a.shown_end(), line.base)
                    <= b.media.saturating_add(ROUNDING.ticks(line.base)))
            };
            line.spans.len() <= MOST_SPANS && line.spans.windows(2).all(follows)
        });
        let why = if target.is_segmented() {
            "segments hold picture and sound"
        } else if self.settings.speed.is_some() || !goes_on {
            "subtitles are not sped up, nor put in another order or into thousands of pieces by an edit list"
        } else if target.muxer.fits(source) == Some(true) {
            return Ok(Some(Way::Copy));
        } else {
            let codec = match target.muxer.name().as_str() {
                "matroska" => Some("subrip"),
                "webm" => Some("webvtt"),
                _ if target.muxer.is_mov() => Some("mov_text"),
                _ => None,
            };
            if let Some(codec) = codec
                && let Some(converter) = SubtitleConverter::open(source, codec)?
            {
                return Ok(Some(Way::Convert(Box::new(converter))));
            }
            "it can't hold these subtitles, nor could they be converted"
        };
        target.drop_stream(index, source, why, report);
        Ok(None)
    }

    /// Measures the loudness of a stream where the settings ask for one.
    fn first_pass(&self, index: usize, source: &Stream, report: &mut Report) -> Result<Pass> {
        let (media, audio) = (self.media, &self.settings.audio);
        let Some(((loudness, filters), (ranges, control))) =
            sounds::before_loudness(audio).zip(self.first_pass.as_ref())
        else {
            return Ok(Pass::Blind);
        };
        if !media.source().is_seekable() {
            report.warn(
                "the source can be read only once: its loudness is changed without having been measured",
            );
            return Ok(Pass::Blind);
        }
        let mut measure = |filters: &[String]| {
            measure::measure(media, index, ranges, filters, self.settings, report, control)
                .map_err(|e| e.in_stream(index))
        };
        let Some(measured) = measure(&filters)? else {
            report.warn(format!("stream {index} is silent, and stays so"));
            return Ok(Pass::Silent);
        };
        if loudness.is_one_gain(&measured) {
            return Ok(Pass::Measured(measured, Correction::default()));
        }
        let first = Pass::Measured(measured, Correction::default());
        let through = sounds::up_to_loudness(audio, source.sample_rate().unwrap_or(0), first);
        let correction = measure(&through)?.map(|found| loudness.correction(&found)).unwrap_or_default();
        Ok(Pass::Measured(measured, correction))
    }
}
