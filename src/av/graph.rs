//! AVFilterGraph: frames in at one or more inputs, frames out at one output.

mod text;

use super::{
    buffer::BufferRef,
    c_string, check,
    decoder::Got,
    device::Device,
    error,
    format::{pix_fmt, sample_fmt},
    frame::{Form, Frame, Shape},
    log, string,
};
use crate::{Error, ErrorKind, Result, time::Rational};
use ffmpeg_sys_next as ff;
use std::{
    ffi::c_int,
    ptr::{self, NonNull},
};
use text::{alloc, judged, link_inputs, link_output};

/// What comes into a graph.
pub(crate) struct Input {
    pub shape: Shape,
    pub time_base: Rational,
    pub frame_rate: Option<Rational>,
    /// The pool of a device that its pictures come from.
    pub frames: Option<BufferRef>,
}

/// What comes out of a graph, as its sink tells it before the first frame.
#[derive(Clone, Debug)]
pub(crate) struct Format {
    pub format: c_int,
    pub sample_rate: u32,
    pub layout: String,
    pub frame_rate: Option<Rational>,
    /// Of pictures.
    pub form: Option<Form>,
}

impl Format {
    /// Of a frame of sound.
    pub(crate) fn of_sound(frame: &Frame) -> Self {
        // SAFETY: the frame is live.
        let format = unsafe { (*frame.as_ptr()).format };
        let (sample_rate, layout) = (frame.sample_rate(), frame.layout());
        Self { format, sample_rate, layout, frame_rate: None, form: None }
    }

    /// libav's name of a sound's format.
    pub(crate) fn sample_format(&self) -> String {
        // SAFETY: a valid format has a static name.
        sample_fmt(self.format).map(|f| unsafe { string(ff::av_get_sample_fmt_name(f)) }).unwrap_or_default()
    }
}

/// A configured graph.
pub(crate) struct Graph {
    graph: NonNull<ff::AVFilterGraph>,
    inputs: Vec<NonNull<ff::AVFilterContext>>,
    sink: NonNull<ff::AVFilterContext>,
    base: Rational,
    /// Of the first input.
    #[cfg(not(libav_6_0))]
    from: Option<Rational>,
}

// SAFETY: a graph may move between threads, as long as one at a time uses it; `&mut self` sees to that.
unsafe impl Send for Graph {}

/// How a graph works, whatever it does.
#[derive(Clone, Default)]
pub(crate) struct GraphOptions {
    /// 0: as many as there are cores.
    pub threads: u32,
    /// swscale's flags for conversions that libavfilter puts in by itself.
    pub scaler: Option<&'static str>,
    /// What filters that work on a device work on.
    pub device: Option<Device>,
}

/// Frees a graph that was not finished.
struct Unfinished(NonNull<ff::AVFilterGraph>);

impl Drop for Unfinished {
    fn drop(&mut self) {
        let mut pointer = self.0.as_ptr();
        // SAFETY: self owns the graph; its filters go with it.
        unsafe { ff::avfilter_graph_free(&raw mut pointer) };
    }
}

impl Unfinished {
    fn new(options: &GraphOptions) -> Result<Self> {
        let no_memory = || Error::new(ErrorKind::LimitExceeded, "no memory for a filter graph");
        // SAFETY: allocates, or returns NULL.
        let graph = NonNull::new(unsafe { ff::avfilter_graph_alloc() }).ok_or_else(no_memory)?;
        let unfinished = Self(graph);
        // SAFETY: fresh and ours; the option's string is copied by libav's allocator, which frees it with the
        // graph.
        unsafe {
            log::mark_graph(&mut *graph.as_ptr());
            (*graph.as_ptr()).nb_threads = c_int::try_from(options.threads.min(64)).unwrap_or(0);
            if let Some(flags) = options.scaler {
                let text = c_string(&format!("flags={flags}"))?;
                let copy = ff::av_strdup(text.as_ptr());
                if copy.is_null() {
                    return Err(no_memory());
                }
                (*graph.as_ptr()).scale_sws_opts = copy;
            }
        }
        Ok(unfinished)
    }

    fn configure(&self, text: &str) -> Result<()> {
        // SAFETY: the graph is live and ours.
        let code = unsafe { ff::avfilter_graph_config(self.0.as_ptr(), ptr::null_mut()) };
        judged(code, &format!("the filter graph '{text}'"))
    }
}

impl Graph {
    /// `description` is libavfilter's text, with inputs that are unnamed, or named `in`, or `in0`, `in1`… for
    /// several, and one output. `tail` is put behind it, filter by filter.
    pub(crate) fn new(
        inputs: &[Input],
        description: &str,
        tail: &[(&str, String)],
        options: &GraphOptions,
    ) -> Result<Self> {
        log::clear();
        let unfinished = Unfinished::new(options)?;
        let graph = unfinished.0;
        let sources = inputs.iter().enumerate().map(|(i, input)| source(graph, i, input));
        let sources = sources.collect::<Result<Vec<_>>>()?;
        let audio = inputs.first().is_some_and(|input| input.shape.is_audio());
        let sink = sink(graph, audio)?;
        let null = if audio { "anull" } else { "null" };
        let text = if description.trim().is_empty() { null } else { description };
        let device = options.device.as_ref();
        let (ins, outs) = text::parse(graph, text, device)?;
        link_inputs(text, &ins, &sources)?;
        link_output(graph, text, &outs, tail, sink, device)?;
        unfinished.configure(text)?;
        // SAFETY: the sink is configured.
        let base = unsafe { ff::av_buffersink_get_time_base(sink.as_ptr()) };
        let base = Rational::new(base.num, base.den)
            .ok_or_else(|| Error::new(ErrorKind::Bug, "a filter graph without a time base"))?;
        std::mem::forget(unfinished);
        Ok(Self {
            graph,
            inputs: sources,
            sink,
            base,
            #[cfg(not(libav_6_0))]
            from: inputs.first().map(|input| input.time_base),
        })
    }

    /// What will come out.
    pub(crate) fn output(&self) -> Result<Format> {
        // SAFETY: a configured sink; the layout is ours, blank before and freed after.
        unsafe {
            let sink = self.sink.as_ptr();
            let rate = ff::av_buffersink_get_frame_rate(sink);
            let mut text = String::new();
            let mut layout: ff::AVChannelLayout = std::mem::zeroed();
            if ff::av_buffersink_get_ch_layout(sink, &raw mut layout) >= 0 {
                text = super::format::describe_layout(&layout);
                ff::av_channel_layout_uninit(&raw mut layout);
            }
            let format = ff::av_buffersink_get_format(sink);
            let form = (ff::av_buffersink_get_type(sink) == ff::AVMediaType::AVMEDIA_TYPE_VIDEO).then(|| {
                let pool = ff::av_buffersink_get_hw_frames_ctx(sink);
                let memory = super::format::in_memory(pool);
                let name = || pix_fmt(format).map(|f| string(ff::av_get_pix_fmt_name(f)));
                Form {
                    width: u32::try_from(ff::av_buffersink_get_w(sink)).unwrap_or(0),
                    height: u32::try_from(ff::av_buffersink_get_h(sink)).unwrap_or(0),
                    format: memory.or_else(name).unwrap_or_default(),
                    on_device: !pool.is_null(),
                }
            });
            Ok(Format {
                format,
                form,
                sample_rate: u32::try_from(ff::av_buffersink_get_sample_rate(sink)).unwrap_or(0),
                layout: text,
                frame_rate: Rational::new(rate.num, rate.den).filter(|rate| rate.num > 0),
            })
        }
    }

    /// Gives an input a frame, which is blank afterwards; None for its end.
    pub(crate) fn push(&mut self, input: usize, frame: Option<&mut Frame>) -> Result<()> {
        let Some(source) = self.inputs.get(input) else {
            return Err(Error::new(ErrorKind::Bug, format!("a filter graph without an input {input}")));
        };
        let pointer = frame.map_or(ptr::null_mut(), |frame| frame.as_ptr());
        // SAFETY: the source is live; the reference moves from the frame, which is ours, into the graph.
        let code = unsafe { ff::av_buffersrc_add_frame_flags(source.as_ptr(), pointer, 0) };
        // After the end of all outputs a graph takes nothing more, and need not.
        if code == ff::AVERROR_EOF { Ok(()) } else { check(code, "filtering").map(drop) }
    }

    /// Ends an input at a time, in its time base: filters that fill a grid (`fps`) give the last frame its
    /// length.
    pub(crate) fn close(&mut self, input: usize, at: Option<i64>) -> Result<()> {
        let Some(source) = self.inputs.get(input) else {
            return Err(Error::new(ErrorKind::Bug, format!("a filter graph without an input {input}")));
        };
        // SAFETY: the source is live.
        let code = unsafe { ff::av_buffersrc_close(source.as_ptr(), at.unwrap_or(ff::AV_NOPTS_VALUE), 0) };
        if code == ff::AVERROR_EOF { Ok(()) } else { check(code, "filtering").map(drop) }
    }

    /// Takes the next frame.
    pub(crate) fn pull(&mut self, frame: &mut Frame) -> Result<Got> {
        frame.clear();
        // SAFETY: the sink is live, and the frame ours and blank.
        let code = unsafe { ff::av_buffersink_get_frame(self.sink.as_ptr(), frame.as_ptr()) };
        match code {
            _ if code >= 0 => {
                frame.set_base(self.base);
                #[cfg(not(libav_6_0))]
                self.mend_length(frame);
                Ok(Got::Item)
            }
            _ if code == -libc::EAGAIN => Ok(Got::Again),
            ff::AVERROR_EOF => Ok(Got::End),
            _ => Err(error(code, "filtering")),
        }
    }
}

#[cfg(not(libav_6_0))]
impl Graph {
    /// Before FFmpeg 6, filters leave durations as they came in, though they change the time base.
    fn mend_length(&self, frame: &mut Frame) {
        let Some(from) = self.from.filter(|from| *from != self.base) else { return };
        // SAFETY: a configured sink.
        let rate = unsafe { ff::av_buffersink_get_frame_rate(self.sink.as_ptr()) };
        let on_grid = rate.num == self.base.den && rate.den == self.base.num;
        frame.set_length(if on_grid { 1 } else { crate::time::convert(frame.length(), from, self.base) });
    }
}

impl Drop for Graph {
    fn drop(&mut self) {
        let mut pointer = self.graph.as_ptr();
        // SAFETY: self owns the graph; its filters go with it.
        unsafe { ff::avfilter_graph_free(&raw mut pointer) };
    }
}

fn sink(graph: NonNull<ff::AVFilterGraph>, audio: bool) -> Result<NonNull<ff::AVFilterContext>> {
    let sink = alloc(graph, if audio { "abuffersink" } else { "buffersink" }, "sink")?;
    // SAFETY: the filter is live and not initialised, and takes no arguments.
    let code = unsafe {
        if audio {
            // More than eight channels have no usual places. As ffmpeg does; without this option none is
            // needed.
            let flags = ff::AV_OPT_SEARCH_CHILDREN as c_int;
            let code = ff::av_opt_set_int(sink.as_ptr().cast(), c"all_channel_counts".as_ptr(), 1, flags);
            if code != ff::AVERROR_OPTION_NOT_FOUND {
                check(code, "setting an option of a filter graph's output")?;
            }
        }
        ff::avfilter_init_str(sink.as_ptr(), ptr::null())
    };
    check(code, "making a filter graph's output")?;
    Ok(sink)
}

fn source(
    graph: NonNull<ff::AVFilterGraph>,
    number: usize,
    input: &Input,
) -> Result<NonNull<ff::AVFilterContext>> {
    let shape = &input.shape;
    let kind = if shape.is_audio() { "abuffer" } else { "buffer" };
    let context = alloc(graph, kind, &format!("source{number}"))?;
    // SAFETY: allocates, or returns NULL.
    let Some(mut parameters) = NonNull::new(unsafe { ff::av_buffersrc_parameters_alloc() }) else {
        return Err(Error::new(ErrorKind::LimitExceeded, "no memory for a filter"));
    };
    let layout = c_string(&shape.layout)?;
    let mut layout_code = 0;
    // SAFETY: the parameters are ours and libav copies what it needs of them; the struct is freed by av_free,
    // and the layout that was made inside it before that. The frames context is only lent.
    let code = unsafe {
        let p = parameters.as_mut();
        p.format = shape.format;
        p.time_base = ff::AVRational { num: input.time_base.num, den: input.time_base.den };
        if shape.is_audio() {
            p.sample_rate = shape.sample_rate;
            layout_code = ff::av_channel_layout_from_string(&raw mut p.ch_layout, layout.as_ptr());
        } else {
            (p.width, p.height) = (shape.width, shape.height);
            p.sample_aspect_ratio = ff::AVRational { num: shape.aspect.0, den: shape.aspect.1 };
            if let Some(rate) = input.frame_rate {
                p.frame_rate = ff::AVRational { num: rate.num, den: rate.den };
            }
            #[cfg(libav_7_0)]
            {
                (&raw mut p.color_space).cast::<c_int>().write(shape.color.0);
                (&raw mut p.color_range).cast::<c_int>().write(shape.color.1);
            }
            p.hw_frames_ctx = input.frames.as_ref().map_or(ptr::null_mut(), BufferRef::as_ptr);
        }
        // What it can't read has no usual places, and libav goes by the frames.
        let code = match layout_code == -libc::ENOMEM {
            false => ff::av_buffersrc_parameters_set(context.as_ptr(), parameters.as_ptr()),
            true => layout_code,
        };
        ff::av_channel_layout_uninit(&raw mut parameters.as_mut().ch_layout);
        ff::av_free(parameters.as_ptr().cast());
        code
    };
    check(code, "describing a filter graph's input")?;
    // SAFETY: the filter is live, has its parameters, and is not initialised.
    check(unsafe { ff::avfilter_init_str(context.as_ptr(), ptr::null()) }, "making a filter graph's input")?;
    Ok(context)
}
