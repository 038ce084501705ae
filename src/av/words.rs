//! The words that options of libav's take.

use super::{c_string, string};
use ffmpeg_sys_next as ff;
use std::ffi::{CStr, c_int};

/// The named values of a filter's option, such as the transitions of `xfade`; empty where it has none.
pub(crate) fn of_filter(filter: &str, option: &str) -> Vec<String> {
    let (Ok(filter), Ok(option)) = (c_string(filter), c_string(option)) else { return Vec::new() };
    let mut words = Vec::new();
    // SAFETY: filters, their classes and options are static. An option's type is read as the int that it is: newer libavs have
    // ones that the bindings do not know. av_opt_next takes a pointer to anything that begins with a class pointer.
    unsafe {
        let found = ff::avfilter_get_by_name(filter.as_ptr());
        if found.is_null() || (*found).priv_class.is_null() {
            return words;
        }
        let class = (*found).priv_class;
        let object = (&raw const class).cast::<std::ffi::c_void>();
        let mut unit = None;
        let mut entry = ff::av_opt_next(object, std::ptr::null());
        while !entry.is_null() {
            let constant = (&raw const (*entry).type_).cast::<c_int>().read()
                == ff::AVOptionType::AV_OPT_TYPE_CONST as c_int;
            let own = (!(*entry).unit.is_null()).then(|| CStr::from_ptr((*entry).unit));
            if constant && own.is_some() && own == unit {
                words.push(string((*entry).name));
            } else if !constant && CStr::from_ptr((*entry).name) == option.as_c_str() {
                unit = own;
            }
            entry = ff::av_opt_next(object, entry);
        }
    }
    words
}
