//! Whether standard output was closed when the process began (`>&-`). Rust opens `/dev/null` in its place
//! before `main`, and all that is written there would be lost without a word: so this looks earlier.

#![allow(unsafe_code, reason = "what runs before main is an entry of the executable's own table")]

use std::sync::atomic::{AtomicBool, Ordering};

static CLOSED: AtomicBool = AtomicBool::new(false);

pub fn stdout_was_closed() -> bool {
    CLOSED.load(Ordering::Relaxed)
}

extern "C" fn look() {
    // SAFETY: the call takes numbers, and fails for a descriptor that is not open.
    let flags = unsafe { libc::fcntl(libc::STDOUT_FILENO, libc::F_GETFD) };
    CLOSED.store(flags < 0, Ordering::Relaxed);
}

// SAFETY: the loader calls each entry of this table once, in front of main, as a C function; it needs nothing
// that is not there by then.
#[used]
#[cfg_attr(target_vendor = "apple", unsafe(link_section = "__DATA,__mod_init_func"))]
#[cfg_attr(not(target_vendor = "apple"), unsafe(link_section = ".init_array"))]
static LOOK: extern "C" fn() = look;
