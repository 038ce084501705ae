//! The filters of a text that somebody wrote, and how they are linked to what comes in and goes out.

use crate::{
    Error, ErrorKind, Result,
    av::{c_string, check, device::Device, string},
};
use ffmpeg_sys_next as ff;
use std::{
    ffi::c_int,
    ptr::{self, NonNull},
};

/// Makes the filters of a text, on the device if there is one: their inputs and outputs that nothing is
/// linked to yet.
#[cfg(libav_6_0)]
pub(super) fn parse(
    graph: NonNull<ff::AVFilterGraph>,
    text: &str,
    device: Option<&Device>,
) -> Result<(Ends, Ends)> {
    let doing = format!("the filter graph '{text}'");
    let c_text = c_string(text)?;
    let mut segment = Segment(ptr::null_mut());
    let (mut ins, mut outs) = (Ends(ptr::null_mut()), Ends(ptr::null_mut()));
    // SAFETY: the graph is live and the text a C string; the segment is ours.
    let code =
        unsafe { ff::avfilter_graph_segment_parse(graph.as_ptr(), c_text.as_ptr(), 0, &raw mut segment.0) };
    judged(code, &doing)?;
    // SAFETY: the segment was parsed; the graph owns the filters that are made.
    judged(unsafe { ff::avfilter_graph_segment_create_filters(segment.0, 0) }, &doing)?;
    // Between the two: since FFmpeg 8 `hwupload` looks for its device when it is initialised.
    put_on(graph, device)?;
    // SAFETY: as above, and both lists are ours afterwards.
    let code = unsafe { ff::avfilter_graph_segment_apply(segment.0, 0, &raw mut ins.0, &raw mut outs.0) };
    judged(code, &doing)?;
    Ok((ins, outs))
}

/// A text that is read, before its filters are at work.
#[cfg(libav_6_0)]
struct Segment(*mut ff::AVFilterGraphSegment);

#[cfg(libav_6_0)]
impl Drop for Segment {
    fn drop(&mut self) {
        // SAFETY: self owns it, and not the filters; NULL is allowed.
        unsafe { ff::avfilter_graph_segment_free(&raw mut self.0) };
    }
}

/// Makes the filters of a text, on the device if there is one: their inputs and outputs that nothing is
/// linked to yet.
#[cfg(not(libav_6_0))]
pub(super) fn parse(
    graph: NonNull<ff::AVFilterGraph>,
    text: &str,
    device: Option<&Device>,
) -> Result<(Ends, Ends)> {
    let c_text = c_string(text)?;
    let (mut ins, mut outs) = (Ends(ptr::null_mut()), Ends(ptr::null_mut()));
    // SAFETY: the graph is live, the text a C string, and both lists are ours afterwards.
    let code = unsafe {
        ff::avfilter_graph_parse2(graph.as_ptr(), c_text.as_ptr(), &raw mut ins.0, &raw mut outs.0)
    };
    judged(code, &format!("the filter graph '{text}'"))?;
    put_on(graph, device)?;
    Ok((ins, outs))
}

/// Puts the filters on a device; those that don't work on one leave it alone.
fn put_on(graph: NonNull<ff::AVFilterGraph>, device: Option<&Device>) -> Result<()> {
    let Some(device) = device else { return Ok(()) };
    // SAFETY: the graph's filters are live and not configured; each frees the reference that it is given.
    unsafe {
        for i in 0..usize::try_from(graph.as_ref().nb_filters).unwrap_or(0) {
            let filter = *graph.as_ref().filters.add(i);
            (*filter).hw_device_ctx = device.reference()?;
        }
    }
    Ok(())
}

/// Links each open input of a text to the source that its name means.
pub(super) fn link_inputs(text: &str, ins: &Ends, sources: &[NonNull<ff::AVFilterContext>]) -> Result<()> {
    let open = ins.list();
    if open.len() != sources.len() {
        let (open, there) = (open.len(), sources.len());
        let message = format!("the filter graph '{text}' has {open} open inputs, and there are {there}");
        return Err(wrong(Error::invalid(message)));
    }
    for (i, end) in open.iter().enumerate() {
        // SAFETY: a live entry; its name is NULL or a C string.
        let end = unsafe { end.as_ref() };
        // SAFETY: as above.
        let name = unsafe { string(end.name) };
        let number = match name.strip_prefix("in") {
            Some("") => Some(0),
            Some(number) => number.parse().ok(),
            None if name.is_empty() => Some(i),
            None => None,
        };
        let source = number.and_then(|n: usize| sources.get(n)).ok_or_else(|| {
            wrong(Error::invalid(format!(
                "the filter graph '{text}' has an input [{name}] that nothing goes into"
            )))
        })?;
        let pad = u32::try_from(end.pad_idx).unwrap_or(0);
        // SAFETY: both filters are live and of this graph; the pad is the one that libav names.
        let code = unsafe { ff::avfilter_link(source.as_ptr(), 0, end.filter_ctx, pad) };
        judged(code, &format!("the filter graph '{text}'"))?;
    }
    Ok(())
}

/// Links the open output of a text to the sink, with the tail in between.
pub(super) fn link_output(
    graph: NonNull<ff::AVFilterGraph>,
    text: &str,
    outs: &Ends,
    tail: &[(&str, String)],
    sink: NonNull<ff::AVFilterContext>,
    device: Option<&Device>,
) -> Result<()> {
    let open = outs.list();
    let [end] = open.as_slice() else {
        let message = format!("the filter graph '{text}' has {} outputs, and one is expected", open.len());
        return Err(wrong(Error::invalid(message)));
    };
    // SAFETY: a live entry.
    let end = unsafe { end.as_ref() };
    let mut last = (end.filter_ctx, u32::try_from(end.pad_idx).unwrap_or(0));
    for (i, (name, arguments)) in tail.iter().enumerate() {
        let next = filter(graph, name, &format!("tail{i}"), arguments, device)?;
        // SAFETY: both filters are live and of this graph.
        let code = unsafe { ff::avfilter_link(last.0, last.1, next.as_ptr(), 0) };
        check(code, &format!("the filter {name}"))?;
        last = (next.as_ptr(), 0);
    }
    // SAFETY: as above.
    let code = unsafe { ff::avfilter_link(last.0, last.1, sink.as_ptr(), 0) };
    judged(code, &format!("the end of the filter graph '{text}'"))
}

/// The ends of a parsed description that nothing is linked to.
pub(super) struct Ends(*mut ff::AVFilterInOut);

impl Drop for Ends {
    fn drop(&mut self) {
        // SAFETY: self owns the list; NULL is allowed.
        unsafe { ff::avfilter_inout_free(&raw mut self.0) };
    }
}

impl Ends {
    fn list(&self) -> Vec<NonNull<ff::AVFilterInOut>> {
        let mut found = Vec::new();
        let mut next = NonNull::new(self.0);
        while let Some(end) = next {
            found.push(end);
            // SAFETY: a live entry of the list.
            next = NonNull::new(unsafe { end.as_ref() }.next);
        }
        found
    }
}

/// Makes a filter of the graph, on the device if there is one.
fn filter(
    graph: NonNull<ff::AVFilterGraph>,
    kind: &str,
    name: &str,
    arguments: &str,
    device: Option<&Device>,
) -> Result<NonNull<ff::AVFilterContext>> {
    let context = alloc(graph, kind, name)?;
    let arguments = c_string(arguments)?;
    // SAFETY: the filter is live and not initialised, and frees the reference; the arguments are a C string.
    let code = unsafe {
        if let Some(device) = device {
            (*context.as_ptr()).hw_device_ctx = device.reference()?;
        }
        ff::avfilter_init_str(context.as_ptr(), arguments.as_ptr())
    };
    check(code, &format!("the filter {kind}"))?;
    Ok(context)
}

pub(super) fn alloc(
    graph: NonNull<ff::AVFilterGraph>,
    kind: &str,
    name: &str,
) -> Result<NonNull<ff::AVFilterContext>> {
    let (kind_c, name_c) = (c_string(kind)?, c_string(name)?);
    // SAFETY: the names are C strings; the graph is live and owns the new filter.
    let context = unsafe {
        let found = ff::avfilter_get_by_name(kind_c.as_ptr());
        if found.is_null() {
            return Err(Error::unsupported(format!("this libav has no filter {kind}")));
        }
        ff::avfilter_graph_alloc_filter(graph.as_ptr(), found, name_c.as_ptr())
    };
    NonNull::new(context).ok_or_else(|| Error::new(ErrorKind::LimitExceeded, "no memory for a filter"))
}

/// An error of a text that somebody wrote.
fn wrong(error: Error) -> Error {
    error.advise("see ffmpeg-filters(1) for the names of filters and their options")
}

/// A code of libav's for such an error.
pub(super) fn judged(code: c_int, doing: &str) -> Result<()> {
    check(code, doing).map(drop).map_err(|e| wrong(as_invalid(e)))
}

/// What is wrong with a description is wrong with an argument.
fn as_invalid(error: Error) -> Error {
    match error.kind() {
        ErrorKind::Io | ErrorKind::Unsupported | ErrorKind::InvalidArgument | ErrorKind::Corrupt => {
            error.into_kind(ErrorKind::InvalidArgument)
        }
        _ => error,
    }
}
