//! Filters in libavfilter's words: what settings ask for, what encoders take, what devices can do.

use super::{Pace, Plan};
use crate::{
    av::{
        encoder::EncoderKind,
        format::usual_layout,
        graph::GraphOptions,
        muxer::Muxer,
        stream::{Stream, Turn},
    },
    time::Rational,
    transcode::{
        encoders::holds,
        filters::{loudness::Pass, pictures, sounds},
        flow::process::{GraphLink, Link, OnDevice, processor, tempo::Tempo},
        settings::{Fit, Transcode, VideoFilter},
    },
};

/// How the graphs of a job work, in memory.
pub(crate) fn graph_options(settings: &Transcode) -> GraphOptions {
    // swscale's flags for results that are the same on every machine.
    let scaler = settings.bit_exact.then_some("bicubic+accurate_rnd+bitexact");
    GraphOptions { threads: settings.threads, scaler, device: None }
}

impl Plan<'_> {
    pub(crate) fn video_links(
        &mut self,
        source: &Stream,
        kind: EncoderKind,
        turn: Option<Turn>,
        (grid, pace): (Option<Rational>, Pace),
    ) -> Vec<Link> {
        let filters = self.picture_filters(source, kind, turn, (grid, pace));
        let video = &self.settings.video;
        let mut tail: Vec<(&'static str, String)> = Vec::new();
        let wanted = video.pixel_format.clone().map(|format| vec![format]);
        let formats = wanted.unwrap_or_else(|| kind.pixel_formats());
        if !formats.is_empty() {
            let range = if kind.wants_full_range() { ":color_ranges=pc" } else { "" };
            tail.push(("format", formats.join("|") + range));
        }
        if halves_chroma(kind) {
            // A picture of 4:2:0 has even sides.
            tail.push(("crop", "trunc(iw/hsub)*hsub:trunc(ih/vsub)*vsub:0:0".into()));
        }
        let processors = std::mem::take(&mut self.processors.video);
        let watermarks = std::mem::take(&mut self.watermarks);
        let processed = !processors.is_empty() || !watermarks.is_empty();
        self.note_filters_of_device();
        let on_device =
            if processed || turn.is_some() { None } else { self.device_links(kind, &filters, &tail) };
        if kind.pixel_formats().is_empty() && self.is_of_device(kind) {
            // An encoder that takes pictures on its device alone.
            tail.clear();
            tail.push(("format", video.pixel_format.clone().unwrap_or_else(|| "nv12".into())));
            tail.push(("hwupload", String::new()));
        }
        let rate = source.constant_rate().or(source.frame_rate());
        let mut links =
            self.chain(filters.join(","), GraphLink::over(watermarks), tail, processors, "format", rate);
        if let (Some(Link::Graph(first)), Some(on_device)) = (links.first_mut(), on_device) {
            first.on_device = Some(on_device);
        }
        links
    }

    /// What is done to pictures before they get the encoder's format: turned, deinterlaced, filtered, scaled,
    /// and put on the times that the encoder or the container has words for.
    fn picture_filters(
        &self,
        source: &Stream,
        kind: EncoderKind,
        turn: Option<Turn>,
        (grid, pace): (Option<Rational>, Pace),
    ) -> Vec<String> {
        let video = &self.settings.video;
        let mut filters: Vec<String> = turn.into_iter().flat_map(pictures::upright).collect();
        if video.deinterlace {
            filters.push("bwdif=mode=send_frame:deint=interlaced".into());
        }
        filters.extend(video.filter.clone());
        filters.extend(video.filters.iter().map(VideoFilter::text));
        if let Some(speed) = self.settings.speed {
            filters.push(format!("setpts=PTS/{speed}"));
        }
        if let Some((w, h)) = video.size {
            filters.push(pictures::scale(w, h, video.fit));
        }
        let rates = kind.frame_rates();
        let rate = video.frame_rate.or_else(|| {
            let nearest = grid.or(source.frame_rate()).unwrap_or(Rational { num: 25, den: 1 });
            if kind.codec() == "theora" {
                // Its pictures have numbers, and no times.
                return Some(nearest);
            }
            let far = |rate: &Rational| (rate.value() - nearest.value()).abs();
            rates.iter().copied().filter(|_| pace != Pace::Counted).min_by(|a, b| far(a).total_cmp(&far(b)))
        });
        if let Some(rate) = rate {
            filters.push(format!("fps={}/{}", rate.num, rate.den));
        } else if let Some(Rational { num, den }) =
            source.rate_of_pictures().filter(|_| pace == Pace::Container)
        {
            // All move by as much as the first one, lest times that were rounded fall to this side and to
            // that.
            let first = format!("round(STARTPTS*TB*{num}/{den})*{den}/{num}/TB");
            filters.push(format!("setpts=PTS-STARTPTS+{first},fps={num}/{den}"));
        }
        filters
    }

    /// A filter that was named and runs on the device is a use of it.
    fn note_filters_of_device(&mut self) {
        let video = &self.settings.video;
        let graphs = video.filters.iter().filter_map(|filter| match filter {
            VideoFilter::Graph(text) => Some(text),
            _ => None,
        });
        if let Some(device) = &self.device {
            let kind = device.kind();
            if video.filter.iter().chain(graphs).any(|filter| {
                filter.contains("hwupload")
                    || kind.filter_endings().iter().any(|ending| filter.contains(ending))
            }) {
                self.used.push(format!("{} filter", self.hardware.label(kind)));
            }
        }
    }

    /// What is done with pictures that the decoder leaves on the device: they stay there as far as the device
    /// can scale and encode them, and come into memory once. None: they come into memory at once. Nothing
    /// else is done with them.
    fn device_links(
        &self,
        kind: EncoderKind,
        filters: &[String],
        tail: &[(&'static str, String)],
    ) -> Option<OnDevice> {
        let scaler = self.device.as_ref()?.kind().scaler()?;
        let video = &self.settings.video;
        let scaled = filters.len() == 1 && video.size.is_some() && video.fit == Fit::Exact;
        // Devices scale as they like, and odd sides badly (scale_cuda).
        let is_even = video.size.is_none_or(|(w, h)| w % 2 == 0 && h % 2 == 0);
        let may_scale = scaled && is_even && !self.settings.bit_exact;
        let simple = (filters.is_empty() || may_scale) && video.frame_rate.is_none();
        if !simple || !crate::av::device::has_filter(scaler) {
            return None;
        }
        let mut text = match video.size {
            // The side that is 0 follows from the other.
            Some((w, h)) => {
                let side = |pixels: u32| if pixels == 0 { "-2".to_owned() } else { pixels.to_string() };
                format!("{scaler}={}:{}", side(w), side(h))
            }
            None => "null".into(),
        };
        if self.is_of_device(kind) && video.pixel_format.is_none() {
            return Some(OnDevice { text, tail: Vec::new(), size: video.size });
        }
        text.push_str(",hwdownload,format={memory}");
        Some(OnDevice { text, tail: tail.to_vec(), size: video.size })
    }

    /// Whether an encoder is one of the device that was chosen.
    fn is_of_device(&self, kind: EncoderKind) -> bool {
        let endings = self.device.as_ref().map_or(&[][..], |device| device.kind().encoder_endings());
        endings.iter().any(|ending| kind.name().ends_with(ending))
    }

    pub(crate) fn audio_links(
        &mut self,
        source: &Stream,
        (kind, muxer): (EncoderKind, Muxer),
        pass: Pass,
    ) -> Vec<Link> {
        let audio = &self.settings.audio;
        let filters = sounds::audio_texts(audio, source.sample_rate().unwrap_or(0), pass);
        let mut format = Vec::new();
        let formats = kind.sample_formats();
        if !formats.is_empty() {
            format.push(format!("sample_fmts={}", formats.join("|")));
        }
        let rates: Vec<String> = match audio.sample_rate {
            Some(rate) => vec![rate.to_string()],
            None => {
                let held = holds::sample_rates(&muxer.name(), &kind.codec());
                let own = kind.sample_rates();
                let both = |rate: &&u32| own.is_empty() || own.contains(rate);
                let rates =
                    if held.is_empty() { own.clone() } else { held.iter().filter(both).copied().collect() };
                rates.iter().map(u32::to_string).collect()
            }
        };
        if !rates.is_empty() {
            format.push(format!("sample_rates={}", rates.join("|")));
        }
        let layouts = match audio.channels {
            // It takes no others, unless it is asked for a mapping of its own (RFC 7845, 5.1.1.2), and does
            // not say so.
            channels
                if kind.name() == "libopus"
                    && !audio.options.iter().any(|(key, _)| key == "mapping_family") =>
            {
                opus_layouts(channels)
            }
            Some(channels) => vec![usual_layout(channels)],
            None => kind.layouts(),
        };
        if !layouts.is_empty() {
            format.push(format!("channel_layouts={}", layouts.join("|")));
        }
        let mut tail: Vec<(&'static str, String)> = Vec::new();
        if !format.is_empty() {
            tail.push(("aformat", format.join(":")));
        }
        let mut processors = std::mem::take(&mut self.processors.audio);
        if let Some(speed) = self.settings.speed.filter(|speed| *speed != 1.0) {
            processors.insert(0, Box::new(Tempo::new(speed)));
        }
        self.chain(filters.join(","), None, tail, processors, "aformat", None)
    }

    /// Filters, then the caller's processors, each with frames of the format that it wants, then what the
    /// encoder takes.
    fn chain(
        &self,
        filters: String,
        over: Option<Box<GraphLink>>,
        tail: Vec<(&'static str, String)>,
        processors: processor::FrameProcessors,
        format: &'static str,
        frame_rate: Option<Rational>,
    ) -> Vec<Link> {
        let mut links = Vec::new();
        let mut next = Box::new(GraphLink::new(filters, Vec::new()));
        if let Some(over) = over {
            links.push(Link::Graph(std::mem::replace(&mut next, over)));
        }
        for processor in processors {
            if let Some(wanted) = processor.format() {
                let key = if format == "format" { "pix_fmts" } else { "sample_fmts" };
                next.tail.push((format, format!("{key}={wanted}")));
            }
            links.push(Link::Graph(std::mem::replace(
                &mut next,
                Box::new(GraphLink::new(String::new(), Vec::new())),
            )));
            links.push(Link::Custom(processor));
        }
        let options = GraphOptions { device: self.device.clone(), ..graph_options(self.settings) };
        next.tail.extend(tail);
        links.push(Link::Graph(next));
        for link in &mut links {
            if let Link::Graph(graph) = link {
                graph.frame_rate = frame_rate;
                graph.options = options.clone();
            }
        }
        links
    }
}

/// Where Opus has the channels of a sound (Vorbis' order); all that it has for None.
fn opus_layouts(channels: Option<u32>) -> Vec<String> {
    let all = ["mono", "stereo", "3.0", "quad", "5.0", "5.1", "6.1", "7.1"];
    let wanted = channels.and_then(|n| usize::try_from(n).ok()).and_then(|n| all.get(n.checked_sub(1)?));
    match (wanted, channels) {
        (Some(wanted), _) => vec![(*wanted).to_owned()],
        (None, Some(channels)) => vec![usual_layout(channels)],
        (None, None) => all.map(str::to_owned).to_vec(),
    }
}

/// Whether an encoder refuses pictures whose sides are odd where their chroma is halved.
fn halves_chroma(kind: EncoderKind) -> bool {
    matches!(kind.codec().as_str(), "h264" | "hevc" | "av1")
}
