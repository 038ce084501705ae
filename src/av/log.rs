//! libav's log. Its callback belongs to the whole process, so it is taken only when the embedder asks.

use super::string;
use ffmpeg_sys_next as ff;
use std::{
    cell::RefCell,
    collections::VecDeque,
    ffi::{c_char, c_int, c_void},
};

/// How many lines a thread keeps for the error that may follow.
const KEPT: usize = 32;

thread_local! {
    /// What libav said on this thread since the last error: a context is used by one thread at a time, so these are
    /// the lines of the context that fails next.
    static LINES: RefCell<Lines> = const { RefCell::new(Lines { whole: VecDeque::new(), partial: String::new() }) };
}

struct Lines {
    whole: VecDeque<String>,
    partial: String,
}

/// Takes libav's process-wide log callback: from now on its warnings and errors go to the [`Error`](crate::Error) that
/// follows them ([`Error::log`](crate::Error::log)) instead of stderr. For programs that own their process; a library
/// inside another program should leave it alone. Calling it again changes nothing.
pub fn capture() {
    // SAFETY: the callback is thread-safe, as libav demands: it touches this thread's lines alone.
    unsafe { ff::av_log_set_callback(Some(collect)) };
}

/// The lines of this thread, oldest first; they are gone afterwards.
pub(super) fn take() -> Vec<String> {
    LINES.with_borrow_mut(|lines| lines.whole.drain(..).collect())
}

/// Forgets what an earlier operation on this thread left behind.
pub(crate) fn clear() {
    LINES.with_borrow_mut(|lines| lines.whole.clear());
}

#[cfg(all(target_arch = "x86_64", not(windows), not(target_vendor = "apple")))]
type VaList = *mut ff::__va_list_tag;
#[cfg(not(all(target_arch = "x86_64", not(windows), not(target_vendor = "apple"))))]
type VaList = ff::va_list;

/// `[mov @ 0x55d0c0ffee] text` without the context's address, which says nothing to anybody, and with the context's name once:
/// libav puts it into the middle of a line that it logs in pieces.
fn without_address(line: &str) -> String {
    let (mut text, mut rest) = (String::new(), line);
    while let Some((before, after)) = rest.split_once(" @ 0x") {
        // The name in front, and what stands behind the bracket that its address ends with.
        let named = before.rsplit_once('[');
        let digits = after.trim_start_matches(|c: char| c.is_ascii_hexdigit());
        let (Some((before, name)), Some(behind)) = (named, digits.strip_prefix(']')) else {
            // No context's address: somebody's text.
            return text + rest;
        };
        text.push_str(before);
        let label = format!("[{name}]");
        if text.contains(&label) {
            rest = behind.strip_prefix(' ').unwrap_or(behind);
        } else {
            text.push_str(&label);
            rest = behind;
        }
    }
    text + rest
}

unsafe extern "C" fn collect(context: *mut c_void, level: c_int, format: *const c_char, arguments: VaList) {
    // The upper bits are a tint.
    if level & 0xff > ff::AV_LOG_WARNING {
        return;
    }
    let mut text = [0 as c_char; 1024];
    let mut prefix = 1;
    // SAFETY: libav hands over a context, a format and its arguments that belong together; the buffer and its size
    // belong together, and the text is cut to fit and NUL-ended.
    let line = unsafe {
        let size = c_int::try_from(text.len()).unwrap_or(0);
        ff::av_log_format_line2(context, level, format, arguments, text.as_mut_ptr(), size, &raw mut prefix);
        string(text.as_ptr())
    };
    // A panic must not cross C; there is nobody to tell about one here.
    let _ = std::panic::catch_unwind(|| {
        let _ = LINES.try_with(|lines| {
            let Ok(mut lines) = lines.try_borrow_mut() else {
                return;
            };
            lines.partial.push_str(&line);
            // libav logs long lines in pieces; the last one ends with a line feed.
            while let Some(end) = lines.partial.find('\n') {
                let whole = without_address(lines.partial.drain(..=end).collect::<String>().trim());
                if lines.whole.len() == KEPT {
                    lines.whole.pop_front();
                }
                lines.whole.push_back(whole);
            }
        });
    });
}

#[cfg(test)]
mod tests {
    use super::without_address;

    #[test]
    fn no_address_is_left_wherever_it_stands() {
        for (line, told) in [
            ("[mov @ 0x55d0c0ffee] no index", "[mov] no index"),
            (
                "[AVFilterGraph @ 0x7f7f64000fc0] Error initializing filter 'scale'[AVFilterGraph @ 0x7f7f64000fc0]  with args 'foo=3'[AVFilterGraph @ 0x7f7f64000fc0] ",
                "[AVFilterGraph] Error initializing filter 'scale' with args 'foo=3'",
            ),
            ("[libx264 @ 0x1] [IMGUTILS @ 0x2] Picture size", "[libx264] [IMGUTILS] Picture size"),
            ("nothing @ 0x12 here", "nothing @ 0x12 here"),
            ("a [b @ 0xyz] c", "a [b @ 0xyz] c"),
        ] {
            assert_eq!(without_address(line).trim(), told);
        }
    }
}
