//! AVBufferRef: bytes with a reference count, which libav shares between packets.

use crate::{Error, ErrorKind, Result};
use ffmpeg_sys_next as ff;
use std::{ffi::c_void, ptr::NonNull};

/// One reference to shared bytes. Read-only: libav copies before it writes (AV_BUFFER_FLAG_READONLY).
pub(crate) struct BufferRef(NonNull<ff::AVBufferRef>);

// SAFETY: AVBuffer's count is atomic, the bytes are read-only, and what owns them is Send + Sync (see
// `lend`).
unsafe impl Send for BufferRef {}
// SAFETY: as above; `&BufferRef` gives nothing but shared reads.
unsafe impl Sync for BufferRef {}

impl BufferRef {
    /// Lends bytes to libav. The owner is dropped with the last reference, on whichever thread that is.
    pub(crate) fn lend<T: AsRef<[u8]> + Send + Sync + 'static>(owner: T) -> Result<Self> {
        let owner = Box::new(owner);
        let bytes: &[u8] = (*owner).as_ref();
        let (data, len) = (bytes.as_ptr().cast_mut(), bytes.len());
        let opaque = Box::into_raw(owner).cast::<c_void>();
        // SAFETY: `data` stays where it is while the boxed owner lives, and that is until `release::<T>`
        // runs. The flag keeps libav from writing through the pointer.
        let buffer = unsafe {
            ff::av_buffer_create(data, len, Some(release::<T>), opaque, ff::AV_BUFFER_FLAG_READONLY)
        };
        NonNull::new(buffer).map(Self).ok_or_else(|| {
            // SAFETY: libav did not take the pointer, so it is still ours, and it came from Box::into_raw
            // above.
            drop(unsafe { Box::from_raw(opaque.cast::<T>()) });
            Error::new(ErrorKind::LimitExceeded, "no memory for a buffer reference")
        })
    }

    /// A reference of our own to what somebody else refers to.
    ///
    /// # Safety
    /// `other` is NULL or a live reference during the call, to read-only bytes or to a context that libav
    /// shares between threads itself.
    pub(super) unsafe fn to(other: *const ff::AVBufferRef) -> Option<Self> {
        if other.is_null() {
            return None;
        }
        // SAFETY: the caller's promise.
        NonNull::new(unsafe { ff::av_buffer_ref(other) }).map(Self)
    }

    pub(crate) fn len(&self) -> usize {
        // SAFETY: the reference is live as long as self.
        unsafe { self.0.as_ref().size }
    }

    /// Where its bytes are: they stay there as long as there is a reference.
    pub(super) fn data(&self) -> *const u8 {
        // SAFETY: the reference is live as long as self.
        unsafe { self.0.as_ref().data }
    }

    pub(super) fn as_ptr(&self) -> *mut ff::AVBufferRef {
        self.0.as_ptr()
    }
}

impl Drop for BufferRef {
    fn drop(&mut self) {
        let mut pointer = self.0.as_ptr();
        // SAFETY: self owns this one reference, and it is not used afterwards.
        unsafe { ff::av_buffer_unref(&raw mut pointer) };
    }
}

/// Runs in C: a panic of the owner's Drop must not cross.
unsafe extern "C" fn release<T>(opaque: *mut c_void, _data: *mut u8) {
    // SAFETY: libav hands back what `lend::<T>` gave it, once.
    let owner = unsafe { Box::from_raw(opaque.cast::<T>()) };
    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(owner)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    struct Counted(Vec<u8>, Arc<AtomicUsize>);
    impl AsRef<[u8]> for Counted {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }
    impl Drop for Counted {
        fn drop(&mut self) {
            self.1.fetch_add(1, Ordering::SeqCst);
            assert!(self.0.len() != 13, "a panicking destructor");
        }
    }

    #[test]
    fn the_owner_is_dropped_once_with_the_last_reference_and_may_panic() {
        let drops = Arc::new(AtomicUsize::new(0));
        for len in [5, 13] {
            let buffer = BufferRef::lend(Counted(vec![7; len], drops.clone())).unwrap();
            assert_eq!(buffer.len(), len);
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    // SAFETY: a new reference to the same live buffer.
                    let other =
                        BufferRef(NonNull::new(unsafe { ff::av_buffer_ref(buffer.as_ptr()) }).unwrap());
                    std::thread::spawn(move || drop(other))
                })
                .collect();
            drop(buffer);
            for thread in threads {
                thread.join().unwrap();
            }
        }
        assert_eq!(drops.load(Ordering::SeqCst), 2);
    }
}
