//! AVOption of muxers: which there are, and which values they take.

use super::{c_string, error, output::Muxer, string};
use crate::{Error, Result};
use ffmpeg_sys_next as ff;
use std::{
    ffi::{CStr, c_int, c_void},
    ptr,
};

impl Muxer {
    /// Whether this container, or all of libavformat's, have an option of this name and it takes this value.
    pub(crate) fn check_option(self, key: &str, value: &str) -> Result<()> {
        let name = self.name();
        let (c_key, c_value) = (c_string(key)?, c_string(value)?);
        let context = self.context()?;
        let object = context.as_ptr().cast::<c_void>();
        let (flags, children) = (ff::AV_OPT_FLAG_ENCODING_PARAM, ff::AV_OPT_SEARCH_CHILDREN as c_int);
        // SAFETY: the context is live and its header not written; the names are C strings.
        let code = unsafe {
            if ff::av_opt_find(object, c_key.as_ptr(), ptr::null(), flags, children).is_null() {
                ff::AVERROR_OPTION_NOT_FOUND
            } else {
                ff::av_opt_set(object, c_key.as_ptr(), c_value.as_ptr(), children)
            }
        };
        if code >= 0 {
            return Ok(());
        }
        let see = format!("see `ffmpeg -h muxer={name}`");
        if code == ff::AVERROR_OPTION_NOT_FOUND {
            let message = format!("the container {name} has no option '{key}' to set");
            return Err(Error::invalid(message).advise(see));
        }
        let message = format!("the container {name} does not take '{value}' for its option '{key}'");
        // SAFETY: as above.
        let words = unsafe { words(object, &c_key) };
        let advice = if words.is_empty() { see } else { format!("it takes {}", words.join(", ")) };
        Err(Error::invalid(message).advise(advice).with_log(error(code, "").log().to_vec()))
    }
}

/// The values of an option that have names.
///
/// # Safety
/// `object` is a live context with options.
unsafe fn words(object: *mut c_void, key: &CStr) -> Vec<String> {
    let mut found = Vec::new();
    let children = ff::AV_OPT_SEARCH_CHILDREN as c_int;
    let mut owner = ptr::null_mut();
    // SAFETY: the caller's promise; descriptions of options are static, and the object that has one lives with its context.
    unsafe {
        let option = ff::av_opt_find2(object, key.as_ptr(), ptr::null(), 0, children, &raw mut owner);
        let Some(unit) = option.as_ref().map(|option| option.unit).filter(|unit| !unit.is_null()) else {
            return found;
        };
        let mut next: *const ff::AVOption = ptr::null();
        loop {
            next = ff::av_opt_next(owner, next);
            let Some(option) = next.as_ref() else { return found };
            if option.type_ == ff::AVOptionType::AV_OPT_TYPE_CONST
                && !option.unit.is_null()
                && CStr::from_ptr(option.unit) == CStr::from_ptr(unit)
            {
                found.push(string(option.name));
            }
        }
    }
}
