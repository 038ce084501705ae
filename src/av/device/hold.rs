//! Drivers that must not be unloaded: libav loads Vulkan's anew for each device, and each time NVIDIA's takes
//! room for thread-local storage that is never given back: the 30th time in a process there is none left
//! (580.159.04: VK_ERROR_INCOMPATIBLE_DRIVER).

use std::{
    collections::BTreeSet,
    ffi::{CStr, CString, c_int, c_void},
};

/// The libraries that the process has loaded.
pub(super) fn loaded() -> BTreeSet<CString> {
    let mut names = BTreeSet::new();
    // SAFETY: the function is called for each library during the call, with the set that it expects.
    unsafe { libc::dl_iterate_phdr(Some(add), (&raw mut names).cast()) };
    names
}

/// # Safety
/// libav's loader calls it, with a set as `loaded` hands it over.
unsafe extern "C" fn add(library: *mut libc::dl_phdr_info, _: usize, names: *mut c_void) -> c_int {
    // SAFETY: the loader's entry lives during the call; its name is a C string, or NULL.
    unsafe {
        let name = (*library).dlpi_name;
        if !name.is_null() && *name != 0 {
            (*names.cast::<BTreeSet<CString>>()).insert(CStr::from_ptr(name).to_owned());
        }
    }
    0
}

/// Keeps what was loaded since then until the process ends.
pub(super) fn hold_since(before: &BTreeSet<CString>) {
    for name in loaded().difference(before) {
        // SAFETY: a C string; it is only counted once more, and what it initialises was initialised before.
        unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_LAZY | libc::RTLD_NOLOAD) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_that_is_held_stays_when_its_user_lets_it_go() {
        // A part of the C library that nothing here needs.
        let name = c"libanl.so.1";
        let is_there = || loaded().iter().any(|path| path.to_string_lossy().contains("libanl.so"));
        // SAFETY: a C string, and a library whose initialisation does nothing.
        let open = || unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_LAZY) };
        // SAFETY: the handle is open, and closed once.
        let close = |handle| assert_eq!(unsafe { libc::dlclose(handle) }, 0);
        let before = loaded();
        let handle = open();
        if handle.is_null() || before.iter().any(|path| path.to_string_lossy().contains("libanl.so")) {
            return eprintln!("SKIPPED, there is no libanl.so.1 that nothing uses");
        }
        assert!(is_there());
        close(handle);
        assert!(!is_there(), "nobody held it");
        let handle = open();
        hold_since(&before);
        close(handle);
        assert!(is_there());
    }
}
