//! Memory that libav did not get and told nobody about: demuxers, muxers and av_dict_copy throw many such codes away, and
//! the file would be another, or lack its tags, with no word. The C library says it in `errno` (glibc and musl do, in
//! posix_memalign as well).

use std::ffi::c_int;

/// This thread's `errno`: what the crate `errno` is, but that its place is looked for once. It is asked several times a
/// packet.
#[derive(Clone, Copy)]
struct Code {
    #[cfg(target_os = "linux")]
    place: *mut c_int,
}

impl Code {
    #[cfg(target_os = "linux")]
    #[inline(always)]
    fn of_thread() -> Self {
        // SAFETY: always to be called.
        Self { place: unsafe { libc::__errno_location() } }
    }

    #[cfg(target_os = "linux")]
    #[inline(always)]
    fn get(self) -> c_int {
        // SAFETY: the thread's own place, which lives as long as the thread: with its pointer this stays on it.
        unsafe { *self.place }
    }

    #[cfg(target_os = "linux")]
    #[inline(always)]
    fn set(self, code: c_int) {
        // SAFETY: as in `get`.
        unsafe { *self.place = code }
    }

    #[cfg(not(target_os = "linux"))]
    fn of_thread() -> Self {
        Self {}
    }

    #[cfg(not(target_os = "linux"))]
    fn get(self) -> c_int {
        errno::errno().0
    }

    #[cfg(not(target_os = "linux"))]
    fn set(self, code: c_int) {
        errno::set_errno(errno::Errno(code));
    }
}

/// The code of a call of libav's; that of ENOMEM where memory ran out in it on this thread, whatever it returned.
#[inline(always)]
pub(super) fn watched(call: impl FnOnce() -> c_int) -> c_int {
    let errno = Code::of_thread();
    errno.set(0);
    let code = call();
    if errno.get() == libc::ENOMEM { -libc::ENOMEM } else { code }
}

/// What of ours, or of the host's, runs inside such a call: what it leaves in `errno` says nothing of libav.
#[inline(always)]
pub(super) fn aside<T>(run: impl FnOnce() -> T) -> T {
    let errno = Code::of_thread();
    let before = errno.get();
    let outcome = run();
    errno.set(before);
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_the_c_library_does_not_give_is_seen_and_ours_is_not() {
        let asks = |size: usize| {
            let mut to = std::ptr::null_mut();
            // SAFETY: the pointer is ours, and what was given is freed.
            unsafe {
                let code = libc::posix_memalign(&raw mut to, 64, size);
                libc::free(to);
                code
            }
        };
        // As libav does that does not tell.
        let untold = |size| watched(|| std::hint::black_box(asks(size)).min(0));
        assert_eq!(untold(1000), 0);
        assert_eq!(untold(usize::MAX / 4), -libc::ENOMEM);
        assert_eq!(untold(1000), 0, "what was before does not count");
        assert_eq!(watched(|| aside(|| asks(usize::MAX / 4)).min(0)), 0);
    }
}
