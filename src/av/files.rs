//! `AVFormatContext.io_open` for muxers that write files of their own naming: each is a device of ours.

use super::avio::{Common, WriteDevice, WriteIo};
use crate::{Control, Error, ErrorKind, Result};
use ffmpeg_sys_next as ff;
use std::{
    ffi::{CStr, c_char, c_int},
    panic::{AssertUnwindSafe, catch_unwind},
    ptr::{self, NonNull},
};

/// What a muxer writes to by names.
pub(crate) trait WriteFiles: Send {
    /// A name without folders. The same one comes again when it is to be replaced.
    fn open(&mut self, name: &str, control: &Control) -> Result<OpenFile>;
}

/// What is done when all of a file is written.
pub(crate) type Complete = Box<dyn FnOnce(&Control) -> Result<()> + Send>;

/// A file that a muxer has opened.
pub(crate) struct OpenFile {
    pub device: Box<dyn WriteDevice>,
    /// Called when all of it is written; dropped if it never is.
    pub complete: Complete,
}

/// libav has no protocol of this name: to its muxers this is no file, so they rename nothing.
const SCHEME: &str = "avrope:/";

/// What a muxer is told the name of a file is.
pub(super) fn url(name: &str) -> String {
    format!("{SCHEME}{name}")
}

struct State {
    files: Box<dyn WriteFiles>,
    common: Common,
    open: Vec<(WriteIo, Complete)>,
    /// An error was seen, or the job ends early: nothing is opened and nothing completed any more.
    abandoned: bool,
}

/// Owns the state that the callbacks of a context work on; outlives the context.
pub(super) struct Files(NonNull<State>);

// SAFETY: the state is Send (its devices are), and one thread at a time uses it.
unsafe impl Send for Files {}

impl Files {
    pub(super) fn new(files: Box<dyn WriteFiles>, control: Control) -> Self {
        let state = State { files, common: Common::new(control), open: Vec::new(), abandoned: false };
        Self(NonNull::from(Box::leak(Box::new(state))))
    }

    /// Not while a libav function runs that may call back: the callbacks take the same reference.
    fn state(&mut self) -> &mut State {
        // SAFETY: the box is live until drop; callbacks run inside libav functions, and those are called with
        // no reference from here alive.
        unsafe { self.0.as_mut() }
    }

    /// Lets a context, and those that its muxer makes like it, open and close here. The context goes before
    /// self does.
    pub(super) fn serve(&mut self, context: &mut ff::AVFormatContext) {
        context.opaque = self.0.as_ptr().cast();
        context.io_open = Some(open);
        context.io_close2 = Some(close);
    }

    pub(super) fn abandon(&mut self) {
        self.state().abandoned = true;
    }

    pub(super) fn take_error(&mut self) -> Option<Error> {
        self.state().common.error.take()
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        // SAFETY: self owns the state, and the context that used it is gone (Output sees to that).
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

unsafe extern "C" fn open(
    context: *mut ff::AVFormatContext,
    pb: *mut *mut ff::AVIOContext,
    url: *const c_char,
    flags: c_int,
    _options: *mut *mut ff::AVDictionary,
) -> c_int {
    // SAFETY: libav hands over a live context, whose opaque is the State that `serve` put there, where to put
    // the I/O, and a C string or NULL. The owner holds no reference to the state while libav runs.
    let (state, url) = unsafe {
        *pb = ptr::null_mut();
        let url = if url.is_null() { c"" } else { CStr::from_ptr(url) };
        (&mut *(*context).opaque.cast::<State>(), url.to_string_lossy())
    };
    if state.abandoned {
        return ff::AVERROR_EXIT;
    }
    let (files, open) = (&mut state.files, &mut state.open);
    let outcome = state.common.guard(|common| {
        let name = url.strip_prefix(SCHEME).filter(|name| !name.is_empty() && !name.contains(['/', '\\']));
        let Some(name) = name.filter(|_| flags & ff::AVIO_FLAG_READ == 0) else {
            return Err(Error::new(ErrorKind::Bug, format!("the muxer wanted to open '{url}'")));
        };
        let file = files.open(name, &common.control)?;
        let io = WriteIo::new(file.device, common.control.clone(), false)?;
        let pointer = io.as_ptr();
        open.push((io, file.complete));
        Ok(pointer)
    });
    match outcome {
        Ok(pointer) => {
            // SAFETY: as above.
            unsafe { *pb = pointer };
            0
        }
        Err(code) => {
            state.abandoned = true;
            code
        }
    }
}

unsafe extern "C" fn close(context: *mut ff::AVFormatContext, pb: *mut ff::AVIOContext) -> c_int {
    // SAFETY: as in `open`.
    let state = unsafe { &mut *(*context).opaque.cast::<State>() };
    let Some(at) = state.open.iter().position(|(io, _)| io.as_ptr() == pb) else {
        return -libc::EINVAL;
    };
    let mut file = Some(state.open.swap_remove(at));
    let mut code = 0;
    if !state.abandoned {
        let outcome = state.common.guard(|common| {
            let Some((mut io, complete)) = file.take() else { return Ok(()) };
            io.flush()?;
            drop(io);
            complete(&common.control)
        });
        if let Err(error) = outcome {
            state.abandoned = true;
            code = error;
        }
    }
    // A sink's own Drop may panic as well; the payload is leaked, since its Drop may, too.
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(file))) {
        std::mem::forget(panic);
    }
    code
}
