//! Descriptors that may have to wait for the other side: pipes and sockets.

use crate::{Control, Error, Result};
use std::{
    fs::File,
    io::Write,
    os::{fd::AsRawFd, unix::fs::FileTypeExt},
};

/// Where bytes go that may have to wait for somebody to read them.
pub(in crate::io) struct Outlet {
    file: File,
    /// What can be written without waiting once poll(2) says that there is room; None for files, which do not
    /// wait.
    step: Option<usize>,
}

impl Outlet {
    pub(in crate::io) fn new(file: File) -> Self {
        let kind = file.metadata().map(|m| m.file_type()).ok();
        // PIPE_BUF for pipes (pipe(7)); sockets report room when a third of their buffer is free.
        let step = match kind {
            Some(kind) if kind.is_fifo() => Some(4096),
            Some(kind) if kind.is_file() || kind.is_block_device() => None,
            _ => Some(16 << 10),
        };
        Self { file, step }
    }

    /// Waits until there is room, and looks at cancel and deadline while it waits. How much may be written
    /// then.
    fn wait(&self, control: &Control) -> Result<usize> {
        loop {
            control.check()?;
            let Some(step) = self.step else { return Ok(1 << 20) };
            let mut poll = libc::pollfd { fd: self.file.as_raw_fd(), events: libc::POLLOUT, revents: 0 };
            // SAFETY: one entry that lives during the call.
            let ready = unsafe { libc::poll(&raw mut poll, 1, 20) };
            if ready != 0 {
                // Also on errors: the write says what it is.
                return Ok(step);
            }
        }
    }

    /// Keeps SIGPIPE away from this thread, and so from the process, as long as the answer lives: the write
    /// says EPIPE. (Rust's own programs ignore the signal, others need not.)
    pub(in crate::io) fn without_signal(&self) -> Option<SigpipeBlocked> {
        self.step.and_then(|_| SigpipeBlocked::new())
    }

    pub(in crate::io) fn write_all(&self, bytes: &[u8], control: &Control) -> Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let step = self.wait(control)?.min(rest.len());
            match (&self.file).write(rest.get(..step).unwrap_or_default()) {
                Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                Err(e)
                    if matches!(
                        e.kind(),
                        std::io::ErrorKind::Interrupted | std::io::ErrorKind::WouldBlock
                    ) => {}
                Err(e) => return Err(Error::io("writing failed", e)),
            }
        }
        Ok(())
    }

    /// sendfile(2) as far as it goes; the rest is the caller's.
    pub(in crate::io) fn send(&self, from: &File, at: u64, len: u64, control: &Control) -> Result<u64> {
        let mut done = 0;
        #[cfg(target_os = "linux")]
        while done < len {
            let Ok(mut offset) = i64::try_from(at.saturating_add(done)) else { break };
            let left = usize::try_from(len.saturating_sub(done)).unwrap_or(usize::MAX);
            let step = self.wait(control)?.min(left);
            // SAFETY: two live descriptors and a position that lives during the call.
            let sent =
                unsafe { libc::sendfile(self.file.as_raw_fd(), from.as_raw_fd(), &raw mut offset, step) };
            match u64::try_from(sent) {
                Ok(0) => break,
                Ok(sent) => done = done.saturating_add(sent),
                Err(_) => {
                    let error = std::io::Error::last_os_error();
                    match error.raw_os_error() {
                        Some(libc::EINTR | libc::EAGAIN) => {}
                        // This kind of descriptor: the plain way knows what to do.
                        Some(libc::EINVAL | libc::ENOSYS) => break,
                        _ => return Err(Error::io("writing failed", error)),
                    }
                }
            }
        }
        #[cfg(not(target_os = "linux"))]
        let _ = (from, at, len, control);
        Ok(done)
    }
}

/// SIGPIPE does not reach this thread.
pub(in crate::io) struct SigpipeBlocked {
    before: libc::sigset_t,
    sigpipe: libc::sigset_t,
    /// It belongs to this thread.
    _thread: std::marker::PhantomData<*const ()>,
}

impl SigpipeBlocked {
    /// None where it is blocked already, or pending: then it is somebody else's.
    fn new() -> Option<Self> {
        // SAFETY: sets that live during the calls, and are given a value by them before they are read.
        unsafe {
            let mut sigpipe: libc::sigset_t = std::mem::zeroed();
            let mut before: libc::sigset_t = std::mem::zeroed();
            let mut pending: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&raw mut sigpipe);
            libc::sigaddset(&raw mut sigpipe, libc::SIGPIPE);
            libc::sigpending(&raw mut pending);
            if libc::sigismember(&raw const pending, libc::SIGPIPE) == 1
                || libc::pthread_sigmask(libc::SIG_BLOCK, &raw const sigpipe, &raw mut before) != 0
                || libc::sigismember(&raw const before, libc::SIGPIPE) == 1
            {
                return None;
            }
            Some(Self { before, sigpipe, _thread: std::marker::PhantomData })
        }
    }
}

impl Drop for SigpipeBlocked {
    fn drop(&mut self) {
        // SAFETY: sets that live during the calls. What a write of ours raised waits for this thread: it is
        // taken before the signal is let through again.
        unsafe {
            let mut pending: libc::sigset_t = std::mem::zeroed();
            libc::sigpending(&raw mut pending);
            if libc::sigismember(&raw const pending, libc::SIGPIPE) == 1 {
                #[cfg(target_os = "linux")]
                {
                    let now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
                    libc::sigtimedwait(&raw const self.sigpipe, std::ptr::null_mut(), &raw const now);
                }
                #[cfg(not(target_os = "linux"))]
                {
                    let mut signal = 0;
                    libc::sigwait(&raw const self.sigpipe, &raw mut signal);
                }
            }
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.before, std::ptr::null_mut());
        }
    }
}
