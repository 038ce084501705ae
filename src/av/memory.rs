//! Memory that libav did not get and told nobody about: demuxers, muxers and av_dict_copy throw many such codes away, and
//! the file would be another, or lack its tags, with no word. The C library says it in `errno` (glibc and musl do, in
//! posix_memalign as well).

use errno::{Errno, set_errno};
use std::ffi::c_int;

/// Whether the last failure on this thread was for want of memory. (What the crate `errno` does, inline: it is asked
/// several times a packet.)
#[inline(always)]
fn ran_out() -> bool {
    #[cfg(target_os = "linux")]
    // SAFETY: the address of this thread's own `errno`, which lives as long as the thread.
    let code = unsafe { *libc::__errno_location() };
    #[cfg(not(target_os = "linux"))]
    let code = errno::errno().0;
    code == libc::ENOMEM
}

/// The code of a call of libav's; that of ENOMEM where memory ran out in it on this thread, whatever it returned.
#[inline(always)]
pub(super) fn watched(call: impl FnOnce() -> c_int) -> c_int {
    // Most often there is nothing to forget.
    if ran_out() {
        set_errno(Errno(0));
    }
    let code = call();
    if ran_out() { -libc::ENOMEM } else { code }
}

/// What of ours, or of the host's, runs inside such a call: what it leaves in `errno` says nothing of libav.
#[inline(always)]
pub(super) fn aside<T>(run: impl FnOnce() -> T) -> T {
    let before = ran_out();
    let outcome = run();
    if before != ran_out() {
        set_errno(Errno(if before { libc::ENOMEM } else { 0 }));
    }
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
