//! One transcode as a job, from its settings to its pipeline: what is kept, what lies over it, which device
//! does it.

use super::beside::Beside;
use crate::{
    Control, Hardware, HardwareChoice, Media, Report, Result, Source, Timestamp,
    av::{
        decoder::DecodeOptions,
        device::Device,
        stream::{Stream, StreamKind},
    },
    edit::remux::all_chapters,
    job::{RefusedDevice, ReportRange},
    output::{
        self, Operation,
        target::{Layout, Target},
    },
    read,
    time::{ROUNDING, Rational},
    transcode::{
        encoders::touches,
        flow::{
            decode,
            messages::PlacedRange,
            pipeline::{Lane, Pipeline, Way},
            process::{Steps, layers::Layer, processor},
        },
        plan::{Plan, unused},
        settings::{Fragment, Transcode, overlay::Given},
    },
};

/// A transcode with all that it needs.
pub(crate) struct Transcoding {
    pub media: Media,
    pub settings: Transcode,
    /// Without it, the settings' choice.
    pub hardware: Option<Hardware>,
    pub watermarks: Vec<Given>,
    /// What the caller puts between decoder and encoder.
    pub processors: processor::Processors,
    /// What the caller puts in front of the muxer.
    pub packets: processor::PacketProcessors,
    /// Sound of another source beside it, as if it were its own.
    pub beside: Option<Beside>,
    /// The container of each file, where there are many.
    pub file_format: Option<&'static str>,
}

impl Transcoding {
    /// Without processors.
    pub fn new(media: &Media, settings: &Transcode) -> Self {
        Self {
            media: media.clone(),
            settings: settings.clone(),
            hardware: None,
            watermarks: Vec::new(),
            processors: processor::Processors::default(),
            packets: Vec::new(),
            beside: None,
            file_format: None,
        }
    }
}

impl Operation for Transcoding {
    fn name(&self) -> &'static str {
        "transcode"
    }

    fn inputs(&self) -> Vec<Source> {
        let seconds = self.watermarks.iter().filter_map(Given::source);
        std::iter::once(self.media.source()).chain(seconds).cloned().collect()
    }

    fn format(&self) -> Option<&str> {
        self.file_format.or(self.settings.format.as_deref())
    }

    fn default_format(&mut self, _control: &Control) -> Result<String> {
        Ok(output::format_like(&self.media))
    }

    fn shares(&mut self, _control: &Control) -> Result<bool> {
        Ok(false)
    }

    fn layout(&self, streaming: bool) -> Layout {
        layout(&self.settings, streaming)
    }

    fn frame_rate(&self) -> Option<Rational> {
        let pictures = self.media.streams().iter().filter(|stream| !stream.is_picture());
        self.settings.video.frame_rate.or_else(|| pictures.filter_map(Stream::frame_rate).next())
    }

    fn set_file_format(&mut self, format: &'static str) -> Result<()> {
        self.file_format = Some(format);
        Ok(())
    }

    fn run(self: Box<Self>, target: &mut Target, report: &mut Report, control: &Control) -> Result<()> {
        let media = self.media.clone();
        run(*self, target, report, control).map_err(|e| e.named(media.source().name()))
    }
}

/// How an MP4 of encoded tracks is laid out.
pub(crate) fn layout(settings: &Transcode, streaming: bool) -> Layout {
    match settings.fragment {
        Some(Fragment::Frame) => Layout::FragmentPerFrame,
        Some(Fragment::Keyframe) => Layout::Fragments,
        None if streaming => Layout::Fragments,
        None => Layout::Indexed,
    }
}

/// Plans a transcode of one source and runs it.
fn run(job: Transcoding, target: &mut Target, report: &mut Report, control: &Control) -> Result<()> {
    let Transcoding { media, settings, hardware, watermarks, processors, packets, beside, .. } = job;
    let media = &media;
    let hardware = &hardware.unwrap_or_else(|| Hardware::new(settings.hardware));
    settings.check()?;
    if target.muxer.names_material() {
        target.tell(&settings);
    }
    let settings = &settings.within(control.get_limits())?;
    target.set_strip(settings.strip);
    target.set_options(&settings.muxer_options)?;
    touches::check_muxer(settings, target.muxer)?;
    report.input_bytes = media.source().len().unwrap_or(0);
    report.bytes_read = media.bytes_read();
    media.warnings().iter().for_each(|warning| report.warn(warning.clone()));
    let ranges = ranges(media, settings, report, control)?;
    target.tell(&ranges);
    target.set_begins(ranges.first().map_or(Timestamp::ZERO, |(from, _)| *from));
    let length = ranges.iter().try_fold(Timestamp::ZERO, |sum, (from, to)| {
        (*to != Timestamp::MAX).then(|| sum.plus(to.minus(*from)))
    });
    let watermarks = layers(watermarks, settings, report, control)?;
    let device = device(hardware, control)?;
    let segments = target.step().map(|step| (first(media, settings), step));
    let mut plan = Plan {
        media,
        settings,
        processors,
        watermarks,
        first_pass: Some((ranges.clone(), control)),
        length,
        hardware,
        device: device.clone(),
        segments,
        used: Vec::new(),
    };
    let (mut lanes, mut streams) = plan.lanes(target, report)?;
    let mut of_beside: Vec<Option<usize>> = streams.iter().map(|_| None).collect();
    for sound in beside.iter().flat_map(|beside| &beside.sounds) {
        let Some(beside) = &beside else { continue };
        let Some(source) = beside.media.streams().get(sound.stream) else { continue };
        let own = sound.settings.as_ref().unwrap_or(settings);
        let encoded = Plan::new(&beside.media, own, hardware).encoded(StreamKind::Audio, target, source)?;
        let Some((links, spec)) = encoded else { continue };
        let way = Way::Encode(Box::new((Steps { mix: None, links }, spec)));
        let place = sound.place.unwrap_or(lanes.len()).min(lanes.len());
        lanes.insert(place, Lane { way, source, is_audio: true });
        streams.insert(place, None);
        of_beside.insert(place, Some(sound.stream));
    }
    if !plan.watermarks.is_empty() {
        report.warn("there is no video that the watermark could lie on");
    }
    unused::warn((media, settings), &lanes, &plan.processors, target, report);
    report.hardware.used.append(&mut plan.used);
    report.hardware.refused = hardware.refused();
    let mut parts = PlacedRange::in_a_row(media, &ranges, &streams);
    if let Some(beside) = &beside {
        parts.iter_mut().for_each(|part| part.placed = part.placed.plus(beside.later));
        parts.extend(beside.parts(&of_beside));
    }
    let speed = settings.speed.unwrap_or(1.0);
    set_chapters(media, settings, target, report);
    let total = length.or(media.length()).and_then(|length| Timestamp::from_secs(length.secs() / speed).ok());
    let kept: Vec<usize> = streams.iter().copied().flatten().collect();
    // Filters and processors make it longer or shorter as they like: nobody knows then how much there should
    // be.
    let processed = !plan.processors.video.is_empty() || !plan.processors.audio.is_empty();
    let due =
        if processed || settings.is_filtered() || speed != 1.0 { None } else { kept_of(media, &ranges) };
    let device = device.map(|device| {
        let label = hardware.label(device.kind());
        (device, label)
    });
    let asked = matches!(hardware.choice(), HardwareChoice::Device { .. });
    let named = device.as_ref().filter(|_| asked).map(|(_, label)| label.clone());
    let pipeline =
        Pipeline { settings, parts, lanes, metadata: media.metadata().to_vec(), total, device, packets };
    pipeline.run(target, report, control)?;
    if let Some(due) = due
        && let Some(warning) = media.shortfall(&kept, due, Timestamp::from(report.duration))
    {
        report.warn(warning);
    }
    if let Some(device) = named.filter(|_| report.hardware.used.is_empty()) {
        let reason = "no stream was decoded, filtered or encoded on it".to_owned();
        report.warn(format!("the device {device} did nothing: {reason}"));
        report.hardware.refused.push(RefusedDevice { device, reason });
    }
    Ok(())
}

/// The source's chapters, unless something moves them.
fn set_chapters(media: &Media, settings: &Transcode, target: &mut Target, report: &mut Report) {
    if settings.keep.is_empty() && settings.speed.unwrap_or(1.0) == 1.0 {
        target.chapters = all_chapters(media, Timestamp::ZERO);
    } else if !media.chapters().is_empty() {
        report.warn("chapters are left out: the ranges or the speed move them");
    }
}

/// How much of a media lies in these ranges, if its length is known.
fn kept_of(media: &Media, ranges: &[(Timestamp, Timestamp)]) -> Option<Timestamp> {
    let end = media.length()?;
    let lengths = ranges.iter().map(|(from, to)| (*to).min(end).minus(*from).max(Timestamp::ZERO));
    Some(lengths.fold(Timestamp::ZERO, Timestamp::plus))
}

/// Opens what lies over the video.
fn layers(
    given: Vec<Given>,
    settings: &Transcode,
    report: &mut Report,
    control: &Control,
) -> Result<Vec<Layer>> {
    let options = DecodeOptions { alpha: true, ..decode::options(settings, control) };
    let open = |given: Given| {
        let layer = Layer::open(given, options.clone(), control)?;
        if let Some(media) = layer.shows.media() {
            let len = media.source().len().unwrap_or(0);
            report.input_bytes = report.input_bytes.saturating_add(len);
            report.bytes_read = report.bytes_read.saturating_add(media.bytes_read());
            let name = media.source().name();
            media.warnings().iter().for_each(|warning| report.warn(format!("{name}: {warning}")));
            if layer.shows.lacks_alpha() {
                report.warn(format!(
                    "{name}: this libav was built without libvpx: its transparency is not seen"
                ));
            }
        }
        Ok(layer)
    };
    given.into_iter().map(open).collect()
}

/// When the first of what is encoded begins on the output's clock: segments are counted from there.
fn first(media: &Media, settings: &Transcode) -> Timestamp {
    let speed = settings.speed.unwrap_or(1.0);
    let starts = media.streams().iter().enumerate().filter_map(|(index, stream)| {
        let kept = match stream.kind() {
            StreamKind::Video => !stream.is_picture() && !settings.leaves_out(StreamKind::Video),
            StreamKind::Audio => !settings.leaves_out(StreamKind::Audio),
            _ => false,
        };
        kept.then(|| media.timeline(index)).flatten().map(crate::media::Timeline::start)
    });
    match starts.min() {
        Some(start) if settings.keep.is_empty() => {
            let secs = start.minus(media.start()).max(Timestamp::ZERO).secs() / speed;
            Timestamp::from_secs(secs).unwrap_or(Timestamp::ZERO)
        }
        _ => Timestamp::ZERO,
    }
}

/// The first device that opens; one that was asked for by name opens or is an error.
fn device(hardware: &Hardware, control: &Control) -> Result<Option<Device>> {
    for kind in hardware.candidates() {
        let opened = hardware.open(kind, control);
        control.check()?;
        match opened {
            Ok(device) => return Ok(Some(device)),
            Err(error) if hardware.choice() != HardwareChoice::Auto => return Err(error),
            Err(_) => {}
        }
    }
    Ok(None)
}

/// What is kept, in order; the end is [`Timestamp::MAX`] where the source's is not known.
fn ranges(
    media: &Media,
    settings: &Transcode,
    report: &mut Report,
    control: &Control,
) -> Result<Vec<(Timestamp, Timestamp)>> {
    let (mut end, mut rounding) = (media.length(), Timestamp::ZERO);
    if end.is_none() && settings.keep.len() > 1 && media.source().is_seekable() {
        // What follows a range goes where it ends: whether all of it is there has to be known before.
        let to = settings.keep.iter().map(|range| range.to).max().unwrap_or(Timestamp::MAX);
        let from = settings.keep.iter().map(|range| range.from).max().unwrap_or(Timestamp::ZERO);
        let from = if to == Timestamp::MAX { from } else { to };
        let start = media.start();
        let to = if to == Timestamp::MAX { to } else { to.plus(start) };
        let (found, noted) = read::end_before(media, (from.plus(start), to), control)?;
        report.bytes_read = report.bytes_read.saturating_add(noted.bytes_read);
        end = found.map(|end| end.minus(start));
        rounding = ROUNDING;
    }
    if settings.keep.is_empty() {
        return Ok(vec![(Timestamp::ZERO, Timestamp::MAX)]);
    }
    let mut ranges = Vec::new();
    for range in &settings.keep {
        let to = match end {
            Some(end) => range.within(end, rounding, |warning| report.warn(warning))?,
            None => range.to,
        };
        report.ranges.push(ReportRange {
            from: range.from,
            to: range.to,
            actual_from: range.from,
            actual_to: to,
        });
        ranges.push((range.from, to));
    }
    Ok(ranges)
}
