//! libav's log. Its callback belongs to the whole process: ours takes the lines of our own calls, by the thread that they are
//! made on, and hands all others to libav's own, which prints them as it did before.

use super::{memory, string};
use ffmpeg_sys_next as ff;
use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    ffi::{c_char, c_int, c_void},
    sync::{
        Arc, Once, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

/// How many lines a thread keeps for the error that may follow.
const KEPT: usize = 32;

/// Bytes from which on a line is begun anew.
const LONGEST: usize = 4096;

thread_local! {
    /// What libav said on this thread since the last error: a context is used by one thread at a time, so these are
    /// the lines of the context that fails next.
    static LINES: RefCell<Lines> = const { RefCell::new(Lines { whole: VecDeque::new(), partial: String::new() }) };
}

struct Lines {
    whole: VecDeque<String>,
    partial: String,
}

thread_local! {
    /// How many calls of ours this thread is in.
    static OURS: Cell<u32> = const { Cell::new(0) };
}

/// The lines of all threads are ours.
static WHOLE: AtomicBool = AtomicBool::new(false);
/// The callback is left to the host.
static LEFT: AtomicBool = AtomicBool::new(false);
static INSTALLED: Once = Once::new();
/// What codec contexts of ours carry, so that their lines are known on libav's own threads.
static MARK: u8 = 0;

type To = dyn Fn(&str) + Send + Sync;
static REDIRECTED: RwLock<Option<Arc<To>>> = RwLock::new(None);

fn install() {
    // SAFETY: the callback is thread-safe, as libav demands: it touches this thread's lines, and what is locked.
    unsafe { ff::av_log_set_callback(Some(collect)) };
}

/// Takes all of libav's warnings and errors in this process, also of contexts that are not avrope's: for programs that own
/// their process. Those of avrope's calls are taken anyway, unless [`leave`] was called.
pub fn capture() {
    LEFT.store(false, Ordering::Relaxed);
    WHOLE.store(true, Ordering::Relaxed);
    install();
}

/// Leaves libav's log callback alone. For a program that has set one of its own (`av_log_set_callback`): libav does not
/// tell which one is set, so it is for the program to say this in front of its first call of this crate, or to set its
/// own one after that call. What libav says during our calls goes there too, and [`Error::log`](crate::Error::log) is
/// empty.
pub fn leave() {
    LEFT.store(true, Ordering::Relaxed);
}

/// From now on each warning and error that is taken goes to this as well, as a line without its end. It is called on the
/// thread that the line comes from, also on libav's own; a panic in it is lost.
pub fn redirect(to: impl Fn(&str) + Send + Sync + 'static) {
    *REDIRECTED.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(to));
}

/// A call of ours: what libav says on this thread meanwhile does not reach the host's stderr.
pub(crate) fn ours<T>(call: impl FnOnce() -> T) -> T {
    struct Inside;
    impl Drop for Inside {
        fn drop(&mut self) {
            OURS.with(|ours| ours.set(ours.get().saturating_sub(1)));
        }
    }
    if !LEFT.load(Ordering::Relaxed) {
        INSTALLED.call_once(install);
    }
    OURS.with(|ours| ours.set(ours.get().saturating_add(1)));
    let _inside = Inside;
    call()
}

/// Marks a codec context as ours.
pub(super) fn mark(context: &mut ff::AVCodecContext) {
    context.opaque = (&raw const MARK).cast_mut().cast();
}

/// Whether a context is a codec's of ours: libav's threads have copies of it, which are marked as well.
///
/// # Safety
/// `context` is NULL or what libav's log hands over: a live struct that begins with a pointer to its class.
unsafe fn is_marked(context: *const c_void) -> bool {
    // SAFETY: the caller's promise; only a codec context has that class.
    unsafe {
        !context.is_null()
            && *context.cast::<*const ff::AVClass>() == ff::avcodec_get_class()
            && (*context.cast::<ff::AVCodecContext>()).opaque.cast_const() == (&raw const MARK).cast()
    }
}

/// The lines of this thread, oldest first; they are gone afterwards.
pub(super) fn take() -> Vec<String> {
    LINES.with_borrow_mut(|lines| lines.whole.drain(..).collect())
}

/// Forgets what an earlier operation on this thread left behind.
pub(crate) fn clear() {
    LINES.with_borrow_mut(|lines| {
        lines.whole.clear();
        lines.partial.clear();
    });
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
    let inside = OURS.try_with(|ours| ours.get() > 0).unwrap_or(false);
    // SAFETY: what libav hands over goes on to libav's own callback, which is thread-safe.
    unsafe {
        if !inside && !WHOLE.load(Ordering::Relaxed) && !is_marked(context) {
            ff::av_log_default_callback(context, level, format, arguments);
            return;
        }
    }
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
    let keep = || {
        let mut told = Vec::new();
        let _ = LINES.try_with(|lines| {
            let Ok(mut lines) = lines.try_borrow_mut() else {
                return;
            };
            // Some lines never end.
            if lines.partial.len() >= LONGEST {
                lines.partial.clear();
            }
            lines.partial.push_str(&line);
            // libav logs long lines in pieces; the last one ends with a line feed.
            while let Some(end) = lines.partial.find('\n') {
                let whole = without_address(lines.partial.drain(..=end).collect::<String>().trim());
                if lines.whole.len() == KEPT {
                    lines.whole.pop_front();
                }
                told.push(whole.clone());
                lines.whole.push_back(whole);
            }
        });
        // Nothing is locked while the host's code runs.
        let to = REDIRECTED.read().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(to) = to {
            told.iter().for_each(|line| to(line));
        }
    };
    let _ = memory::aside(|| std::panic::catch_unwind(keep));
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
