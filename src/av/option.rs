//! AVOption: setting them, and which words they take.

use super::{c_string, check, string};
use crate::Result;
use ffmpeg_sys_next as ff;
use std::{
    ffi::{CStr, c_int, c_void},
    ptr,
};

/// Whether an option takes a text: any text, and not one of libav's words, a number or a switch. What is not
/// known may.
///
/// # Safety
/// `object` is a live context with options.
pub(super) unsafe fn takes_text(object: *mut c_void, key: &str) -> bool {
    use ff::AVOptionType as T;
    // Binary values are written as digits, such as a key.
    const PLAIN: &[c_int] = &[
        T::AV_OPT_TYPE_FLAGS as c_int,
        T::AV_OPT_TYPE_INT as c_int,
        T::AV_OPT_TYPE_INT64 as c_int,
        T::AV_OPT_TYPE_DOUBLE as c_int,
        T::AV_OPT_TYPE_FLOAT as c_int,
        T::AV_OPT_TYPE_RATIONAL as c_int,
        T::AV_OPT_TYPE_UINT64 as c_int,
        T::AV_OPT_TYPE_IMAGE_SIZE as c_int,
        T::AV_OPT_TYPE_PIXEL_FMT as c_int,
        T::AV_OPT_TYPE_SAMPLE_FMT as c_int,
        T::AV_OPT_TYPE_VIDEO_RATE as c_int,
        T::AV_OPT_TYPE_DURATION as c_int,
        T::AV_OPT_TYPE_BOOL as c_int,
        T::AV_OPT_TYPE_BINARY as c_int,
        T::AV_OPT_TYPE_COLOR as c_int,
        T::AV_OPT_TYPE_CHLAYOUT as c_int,
        #[cfg(not(libav_7_0))]
        {
            T::AV_OPT_TYPE_CHANNEL_LAYOUT as c_int
        },
    ];
    let Ok(key) = c_string(key) else { return true };
    // SAFETY: the caller's promise. The type is read as the int that it is: newer libavs have ones that are
    // no variants of the bindings' enum.
    let kind = unsafe {
        let option =
            ff::av_opt_find(object, key.as_ptr(), ptr::null(), 0, ff::AV_OPT_SEARCH_CHILDREN as c_int);
        (!option.is_null()).then(|| (&raw const (*option).type_).cast::<c_int>().read())
    };
    kind.is_none_or(|kind| !PLAIN.contains(&kind))
}

/// Sets an option of a format context or of its (de)muxer. libav's own way, a dictionary, leaves options out
/// without a word where there is no memory for a copy of it (avformat_open_input, avformat_write_header).
///
/// # Safety
/// `context` is live.
pub(super) unsafe fn set(context: *mut ff::AVFormatContext, key: &str, value: &str) -> Result<()> {
    let (c_key, c_value) = (c_string(key)?, c_string(value)?);
    // SAFETY: the caller's promise; both texts are C strings. Private data, where there is some, begins with
    // its class.
    let code = unsafe {
        let own = ff::av_opt_set(context.cast(), c_key.as_ptr(), c_value.as_ptr(), 0);
        let private = (*context).priv_data;
        if own == ff::AVERROR_OPTION_NOT_FOUND && has_options(context) {
            ff::av_opt_set(private, c_key.as_ptr(), c_value.as_ptr(), 0)
        } else {
            own
        }
    };
    check(code, &format!("setting the option '{key}'")).map(drop)
}

/// Whether a context's private data are options of a (de)muxer.
///
/// # Safety
/// `context` is live.
unsafe fn has_options(context: *mut ff::AVFormatContext) -> bool {
    // SAFETY: the caller's promise; descriptions of formats are static.
    unsafe {
        let class = match ((*context).iformat.as_ref(), (*context).oformat.as_ref()) {
            (Some(from), _) => from.priv_class,
            (None, Some(to)) => to.priv_class,
            (None, None) => ptr::null(),
        };
        !class.is_null() && !(*context).priv_data.is_null()
    }
}

/// An option's value of an opened demuxer.
///
/// # Safety
/// `context` is live.
pub(super) unsafe fn number(context: *mut ff::AVFormatContext, key: &CStr) -> Option<i64> {
    let mut value = 0;
    // SAFETY: the caller's promise; a C string, and a number that lives during the call.
    unsafe {
        let code = if has_options(context) {
            ff::av_opt_get_int((*context).priv_data, key.as_ptr(), 0, &raw mut value)
        } else {
            ff::AVERROR_OPTION_NOT_FOUND
        };
        (code >= 0).then_some(value)
    }
}

/// The values of an option that have names.
///
/// # Safety
/// `object` is a live context with options.
pub(super) unsafe fn words(object: *mut c_void, key: &CStr) -> Vec<String> {
    let children = ff::AV_OPT_SEARCH_CHILDREN as c_int;
    let mut owner = ptr::null_mut();
    // SAFETY: the caller's promise; the object that has the option lives with its context.
    unsafe {
        let option = ff::av_opt_find2(object, key.as_ptr(), ptr::null(), 0, children, &raw mut owner);
        if option.is_null() { Vec::new() } else { constants(owner, option) }
    }
}

/// The values that have names of a filter's option, such as the transitions of `xfade`; empty where it has
/// none.
pub(crate) fn words_of_filter(filter: &str, key: &str) -> Vec<String> {
    let (Ok(filter), Ok(key)) = (c_string(filter), c_string(key)) else { return Vec::new() };
    // SAFETY: filters, their classes and options are static, and the names C strings; with this flag the
    // object is a pointer to a class.
    unsafe {
        let class = ff::avfilter_get_by_name(filter.as_ptr()).as_ref().map(|filter| filter.priv_class);
        let Some(class) = class.filter(|class| !class.is_null()) else { return Vec::new() };
        let object = (&raw const class).cast_mut().cast::<c_void>();
        let fake = ff::AV_OPT_SEARCH_FAKE_OBJ as c_int;
        let option = ff::av_opt_find(object, key.as_ptr(), ptr::null(), 0, fake);
        if option.is_null() { Vec::new() } else { constants(object, option) }
    }
}

/// The constants of an option's unit.
///
/// # Safety
/// `object` begins with a pointer to a class, which has the option.
unsafe fn constants(object: *const c_void, option: *const ff::AVOption) -> Vec<String> {
    let mut found = Vec::new();
    // SAFETY: the caller's promise; descriptions of options are static. Their types are read as the ints that
    // they are: newer libavs have ones that are no variants of the bindings' enum.
    unsafe {
        let unit = (*option).unit;
        let mut next = ff::av_opt_next(object, ptr::null());
        while !unit.is_null() && !next.is_null() {
            let constant = (&raw const (*next).type_).cast::<c_int>().read()
                == ff::AVOptionType::AV_OPT_TYPE_CONST as c_int;
            let own = (*next).unit;
            if constant && !own.is_null() && CStr::from_ptr(own) == CStr::from_ptr(unit) {
                found.push(string((*next).name));
            }
            next = ff::av_opt_next(object, next);
        }
    }
    found
}
