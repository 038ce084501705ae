//! AVDictionary: options for libav, and the metadata of files, streams and chapters.

use super::{c_string, check, string};
use crate::Result;
use ffmpeg_sys_next as ff;
use std::ptr;

/// An owned dictionary.
pub(crate) struct Dict(*mut ff::AVDictionary);

impl Dict {
    pub(crate) fn new() -> Self {
        Self(ptr::null_mut())
    }

    pub(crate) fn from_pairs(pairs: &[(String, String)]) -> Result<Self> {
        let mut dict = Self::new();
        for (key, value) in pairs {
            dict.set(key, value)?;
        }
        Ok(dict)
    }

    pub(crate) fn set(&mut self, key: &str, value: &str) -> Result<()> {
        let (key_c, value_c) = (c_string(key)?, c_string(value)?);
        // SAFETY: av_dict_set copies both strings; the pointer to the dictionary's pointer is ours.
        let code = unsafe { ff::av_dict_set(&raw mut self.0, key_c.as_ptr(), value_c.as_ptr(), 0) };
        check(code, "setting an option").map(drop)
    }

    /// The entries, in order.
    pub(crate) fn pairs(&self) -> Vec<(String, String)> {
        // SAFETY: the dictionary is live and not changed during the call.
        unsafe { pairs(self.0) }
    }

    /// For libav functions that take what they use out of the dictionary.
    pub(super) fn as_mut(&mut self) -> *mut *mut ff::AVDictionary {
        &raw mut self.0
    }

    /// Gives the dictionary away, to a context that frees it.
    pub(super) fn into_raw(mut self) -> *mut ff::AVDictionary {
        std::mem::replace(&mut self.0, ptr::null_mut())
    }
}

impl Drop for Dict {
    fn drop(&mut self) {
        // SAFETY: self owns the dictionary; NULL is allowed.
        unsafe { ff::av_dict_free(&raw mut self.0) };
    }
}

/// The entries of a dictionary that somebody else owns.
///
/// # Safety
/// `dict` is NULL or a live dictionary that nobody changes during the call.
pub(super) unsafe fn pairs(dict: *const ff::AVDictionary) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut entry: *const ff::AVDictionaryEntry = ptr::null();
    loop {
        // SAFETY: an empty key with IGNORE_SUFFIX walks over all entries; `entry` is NULL or came from the
        // call before.
        entry = unsafe { ff::av_dict_get(dict, c"".as_ptr(), entry, ff::AV_DICT_IGNORE_SUFFIX) };
        if entry.is_null() {
            return found;
        }
        // SAFETY: a live entry's key and value are NUL-ended strings.
        found.push(unsafe { (string((*entry).key), string((*entry).value)) });
    }
}
