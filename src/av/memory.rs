//! Memory that libav did not get and told nobody about: demuxers, muxers and av_dict_copy throw many such
//! codes away, and the file would be another, or lack its tags, with no word. The C library says it in
//! `errno` (glibc and musl do, in posix_memalign as well).

use std::ffi::c_int;

/// This thread's `errno`: what the crate `errno` is, but that its place is looked for once. It is asked
/// several times a packet.
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
        // SAFETY: the thread's own place, which lives as long as the thread: with its pointer this stays on
        // it.
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

/// The code of a call of libav's; that of ENOMEM where memory ran out in it on this thread, whatever it
/// returned.
#[inline(always)]
pub(super) fn watched(call: impl FnOnce() -> c_int) -> c_int {
    let errno = Code::of_thread();
    errno.set(0);
    let code = call();
    if errno.get() == libc::ENOMEM && is_short() { -libc::ENOMEM } else { code }
}

/// Whether what `errno` says of memory is so. glibc leaves ENOMEM there also where one of its arenas was full
/// and another one gave the memory (malloc.c: sysmalloc, _int_realloc), which happens to every thread that
/// has some 64 MiB. It is believed where the allocator is another, or where memory can't be had now.
///
/// With glibc's, what was refused in one piece of more than 128 MiB (`ROOM`) goes unseen while that much is
/// there, unless libav tells of it. How much it was nobody knows; were more room asked for, jobs near a limit
/// of their address space would fail that got all they wanted.
#[cold]
fn is_short() -> bool {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    return glibc::is_replaced() || !glibc::has_room();
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    return true;
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod glibc {
    use std::{
        ffi::{CStr, c_int, c_void},
        ptr,
        sync::OnceLock,
    };

    /// As much as it maps for a new heap of an arena (arena.c: alloc_new_heap).
    const ROOM: usize = 128 << 20;

    /// Whether the process has an allocator that is not glibc's.
    pub(super) fn is_replaced() -> bool {
        static REPLACED: OnceLock<bool> = OnceLock::new();
        const NAMES: [&CStr; 5] = [c"malloc", c"calloc", c"realloc", c"memalign", c"posix_memalign"];
        // SAFETY: C strings; the library is there already, and neither taken up nor let go by this.
        *REPLACED.get_or_init(|| unsafe {
            let own = libc::dlopen(c"libc.so.6".as_ptr(), libc::RTLD_LAZY | libc::RTLD_NOLOAD);
            let differs = |name: &&CStr| {
                let found = libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr());
                found != libc::dlsym(own, name.as_ptr()) && !is_stub(found)
            };
            let replaced = !own.is_null() && NAMES.iter().any(differs);
            if !own.is_null() {
                libc::dlclose(own);
            }
            replaced
        })
    }

    #[cfg(target_pointer_width = "64")]
    type Symbol = libc::Elf64_Sym;
    #[cfg(target_pointer_width = "32")]
    type Symbol = libc::Elf32_Sym;

    /// Whether an address is not a function's but a stub's that leads to it, as in an executable that is not
    /// position-independent and takes the function's address (a canonical entry of its procedure linkage
    /// table). Where it leads is not known: the other names tell, whose address nobody takes.
    fn is_stub(address: *const c_void) -> bool {
        /// `RTLD_DL_SYMENT` of dlfcn.h, which the crate `libc` lacks.
        const SYMBOL: c_int = 1;
        let mut symbol: *const Symbol = ptr::null();
        // SAFETY: any address may be asked about; both places are ours, and the symbol is in the table of a
        // loaded object.
        unsafe {
            let mut about: libc::Dl_info = std::mem::zeroed();
            let found = libc::dladdr1(address, &raw mut about, (&raw mut symbol).cast(), SYMBOL) != 0;
            // Section 0 (SHN_UNDEF): it is defined elsewhere.
            found && symbol.as_ref().is_some_and(|symbol| symbol.st_shndx == 0)
        }
    }

    /// Whether the system gives memory.
    pub(super) fn has_room() -> bool {
        let (rights, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: a new mapping at a place of the system's choice, which nobody touches and which is given
        // back.
        unsafe {
            let room = libc::mmap(ptr::null_mut(), ROOM, rights, kind, -1, 0);
            room != libc::MAP_FAILED && libc::munmap(room, ROOM) == 0
        }
    }
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

    fn asks(size: usize) -> (c_int, *mut libc::c_void) {
        let mut to = std::ptr::null_mut();
        // SAFETY: the pointer is ours.
        let code = unsafe { libc::posix_memalign(&raw mut to, 64, size) };
        (code, to)
    }

    #[test]
    fn memory_that_is_not_there_is_seen_and_ours_is_not() {
        // As libav does that does not tell. The allocator refuses more than half of all addresses.
        let untold = |size| watched(|| std::hint::black_box(asks(size).0).min(0));
        if cfg!(all(target_os = "linux", target_env = "gnu")) && !glibc::is_replaced() {
            assert!(glibc::has_room());
            assert_eq!(untold(usize::MAX / 4), 0, "glibc's word alone is not believed: see `is_short`");
        } else {
            assert_eq!(untold(usize::MAX / 4), -libc::ENOMEM);
        }
        assert_eq!(untold(1000), 0, "what was before does not count");
        assert_eq!(watched(|| aside(|| asks(usize::MAX / 4).0).min(0)), 0);
    }

    /// A full arena of glibc's is no failure: what is left of its heap of 64 MiB is not enough for the last
    /// piece.
    #[test]
    fn a_thread_that_has_much_memory_gets_more() {
        const MIB: usize = 1 << 20;
        let free = |to| {
            // SAFETY: each was given, and is freed once.
            unsafe { libc::free(to) };
        };
        let run = move || {
            // The size from which pieces are mapped goes up to that of a mapped one that is freed
            // (mallopt(3)).
            free(asks(30 * MIB).1);
            let mut all: Vec<_> = (0..11).map(|_| asks(5 * MIB).1).collect();
            free(asks(3 * MIB).1);
            let mut told = 0;
            let code = watched(|| {
                let (code, to) = asks(10 * MIB);
                (told, all) = (code, [all.as_slice(), &[to]].concat());
                0
            });
            assert!(all.iter().all(|to| !to.is_null()));
            all.into_iter().for_each(free);
            (told, code)
        };
        assert_eq!(std::thread::spawn(run).join().unwrap(), (0, 0));
    }
}
