//! What the operating system does with files and descriptors.

#![allow(unsafe_code)]

mod outlet;

pub(super) use outlet::Outlet;

use super::callback::shorter;
use crate::{Error, Result};
use std::{
    fs::File,
    os::{
        fd::{AsRawFd, IntoRawFd},
        unix::fs::FileExt,
    },
};

/// pread(2) until all is there.
pub(super) fn read_exact_at(file: &File, at: u64, into: &mut [u8]) -> Result<()> {
    file.read_exact_at(into, at).map_err(|e| match e.kind() {
        std::io::ErrorKind::UnexpectedEof => shorter(at, at.saturating_add(into.len() as u64)),
        _ => Error::io("reading failed", e),
    })
}

/// Lets two files share blocks (ioctl_ficlonerange(2)); false where they can't.
pub(super) fn reflink(from: &File, from_at: u64, to: &File, to_at: u64, len: u64) -> bool {
    #[cfg(target_os = "linux")]
    {
        let range = libc::file_clone_range {
            src_fd: i64::from(from.as_raw_fd()),
            src_offset: from_at,
            src_length: len,
            dest_offset: to_at,
        };
        // SAFETY: two live descriptors, and a struct of the kernel's layout that lives during the call.
        unsafe { libc::ioctl(to.as_raw_fd(), libc::FICLONERANGE as _, &raw const range) == 0 }
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (from, from_at, to, to_at, len);
        false
    }
}

/// copy_file_range(2); 0 where the kernel can't do it between these two files.
pub(super) fn copy_range(from: &File, from_at: u64, to: &File, to_at: u64, len: u64) -> std::io::Result<u64> {
    #[cfg(target_os = "linux")]
    {
        let (Ok(mut from_at), Ok(mut to_at), Ok(len)) =
            (i64::try_from(from_at), i64::try_from(to_at), usize::try_from(len))
        else {
            return Ok(0);
        };
        loop {
            // SAFETY: two live descriptors and two positions that live during the call.
            let copied = unsafe {
                libc::copy_file_range(
                    from.as_raw_fd(),
                    &raw mut from_at,
                    to.as_raw_fd(),
                    &raw mut to_at,
                    len,
                    0,
                )
            };
            if let Ok(copied) = u64::try_from(copied) {
                return Ok(copied);
            }
            let error = std::io::Error::last_os_error();
            match error.raw_os_error() {
                Some(libc::EINTR) => {}
                Some(
                    libc::EXDEV | libc::EINVAL | libc::ENOSYS | libc::EOPNOTSUPP | libc::EBADF | libc::EPERM,
                ) => return Ok(0),
                _ => return Err(error),
            }
        }
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (from, from_at, to, to_at, len);
        Ok(0)
    }
}

/// Moves all content of a file `len` bytes (whole blocks) to the back without a copy (fallocate(2),
/// FALLOC_FL_INSERT_RANGE: ext4 and XFS); false where the file system can't.
pub(super) fn insert_front(file: &File, len: u64) -> bool {
    #[cfg(target_os = "linux")]
    {
        let descriptor = file.as_raw_fd();
        // SAFETY: a live descriptor and three numbers.
        libc::off_t::try_from(len).is_ok_and(|len| unsafe {
            libc::fallocate(descriptor, libc::FALLOC_FL_INSERT_RANGE, 0, len) == 0
        })
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (file, len);
        false
    }
}

/// Tells the kernel not to read ahead around a demuxer's reads: the payload's pages stay out of memory.
pub(super) fn advise_random(file: &File) {
    #[cfg(target_os = "linux")]
    // SAFETY: a live descriptor; the call is a hint.
    unsafe {
        libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_RANDOM);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = file;
}

/// close(2), whose error std keeps to itself.
pub(super) fn close(file: File) -> std::io::Result<()> {
    // SAFETY: the descriptor is ours alone, and not used afterwards.
    match unsafe { libc::close(file.into_raw_fd()) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()).or_else(|e| match e.raw_os_error() {
            // Linux closes it all the same.
            Some(libc::EINTR) => Ok(()),
            _ => Err(e),
        }),
    }
}
