//! Opening an AVFormatContext that reads.
//!
//! Inputs are untrusted. The demuxer is chosen from a list (`demuxer.rs`); nothing that a file says can make
//! libav open another file or a host: `protocol_whitelist` and `format_whitelist` are set, and `io_open`
//! denies.

use crate::{
    Error, ErrorKind, Result,
    av::{
        avio::{ReadIo, deny},
        demuxer::Demuxer,
        dict, error, memory, option,
    },
};
use ffmpeg_sys_next as ff;
use std::{ffi::c_int, mem::ManuallyDrop, ptr::NonNull};

/// How a context is opened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OpenOptions {
    /// Timestamps as the sample tables have them: MP4's edit lists are applied by us.
    pub ignore_edit_lists: bool,
    /// No parsers, and no guessed timestamps: packets are what the container stores.
    pub raw: bool,
    /// Its fragments are weighed as they are read.
    pub weighed: bool,
    pub max_streams: usize,
}

/// A context, opened or not.
pub(super) struct Context(pub(super) NonNull<ff::AVFormatContext>);

// SAFETY: a context may move between threads, as long as one at a time uses it; `&mut self` sees to that.
unsafe impl Send for Context {}

impl Drop for Context {
    fn drop(&mut self) {
        let mut pointer = self.0.as_ptr();
        // SAFETY: self owns the context, opened or not; custom I/O is left alone (AVFMT_FLAG_CUSTOM_IO).
        unsafe { ff::avformat_close_input(&raw mut pointer) };
    }
}

impl Context {
    /// The demuxer reads the header through `io`, which has to outlive what comes back.
    pub(super) fn open(io: &mut ReadIo, demuxer: Demuxer, options: OpenOptions) -> Result<Self> {
        let unopened = Self::new(io, demuxer, options)?;
        let mut settings = dict::Dict::new();
        if demuxer.name() == "mpegts" {
            // As ffmpeg itself does: else the first programme's streams may be taken for known before they
            // are.
            settings.set("scan_all_pmts", "1")?;
        }
        let ignores_edits = options.ignore_edit_lists && demuxer.is_mov();
        if ignores_edits {
            settings.set("ignore_editlist", "1")?;
        }
        let context = unopened.0;
        // From here on libav frees it on failure.
        let mut pointer = ManuallyDrop::new(unopened).0.as_ptr();
        // SAFETY: the context is ours, the url is empty (libav never opens it, `pb` is set), and on failure
        // libav frees the context and leaves NULL; `io` outlives both outcomes.
        let code = memory::watched(|| unsafe {
            io.open(context, || {
                ff::avformat_open_input(&raw mut pointer, c"".as_ptr(), demuxer.as_ptr(), settings.as_mut())
            })
        });
        let opened = NonNull::new(pointer).map(Self);
        if let Some(failure) = io.take_error() {
            drop(opened);
            return Err(failure);
        }
        let opened = opened.filter(|_| code >= 0).ok_or_else(|| not_opened(code, demuxer))?;
        // SAFETY: a live context.
        let ignored = unsafe { option::number(opened.0.as_ptr(), c"ignore_editlist") } == Some(1);
        if ignores_edits && !ignored {
            return Err(Error::new(ErrorKind::LimitExceeded, "no memory for a demuxer's options"));
        }
        Ok(opened)
    }

    fn new(io: &ReadIo, demuxer: Demuxer, options: OpenOptions) -> Result<Self> {
        // SAFETY: allocates, or returns NULL.
        let context = NonNull::new(unsafe { ff::avformat_alloc_context() }).map(Self);
        let mut context =
            context.ok_or_else(|| Error::new(ErrorKind::LimitExceeded, "no memory for a format context"))?;
        for (key, value) in [
            ("format_whitelist", demuxer.name().as_str()),
            // A name that no protocol has: nothing is on the list.
            ("protocol_whitelist", "none"),
            ("max_streams", &options.max_streams.min(1 << 20).to_string()),
        ] {
            // SAFETY: freshly allocated, and nobody else has it.
            unsafe { option::set(context.0.as_ptr(), key, value) }?;
        }
        // SAFETY: as above.
        let c = unsafe { context.0.as_mut() };
        c.pb = io.as_ptr();
        c.flags |= ff::AVFMT_FLAG_CUSTOM_IO;
        if options.raw {
            c.flags |= ff::AVFMT_FLAG_NOPARSE | ff::AVFMT_FLAG_NOFILLIN;
        } else if !demuxer.has_one_time() {
            // Where a packet has no pts, it follows from the dts of later ones.
            c.flags |= ff::AVFMT_FLAG_GENPTS;
        }
        c.io_open = Some(deny);
        Ok(context)
    }
}

/// What libav's code for a source that it could not open means.
fn not_opened(code: c_int, demuxer: Demuxer) -> Error {
    let error = error(code, &format!("opening {}", demuxer.long_name()));
    match error.kind() {
        ErrorKind::Corrupt if demuxer.by_name => Error::corrupt(format!(
            "this is not media that libav knows: its name says {}, and its content does not",
            demuxer.long_name()
        ))
        .advise("check that it is an audio or video file"),
        ErrorKind::Corrupt if demuxer.is_mov() => error.advise(
            "its index (the moov box) is missing or damaged: the recording or the download was not finished",
        ),
        _ => error,
    }
}
