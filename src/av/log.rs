//! libav's log. Its callback belongs to the whole process: ours takes the lines of our own calls, by the
//! thread that they are made on, and hands all others to libav's own, which prints them as it did before.

mod ears;
#[cfg(not(libav_7_1))]
pub(super) mod like;

pub(crate) use ears::Ear;

use super::{memory, string};
use ffmpeg_sys_next as ff;
use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    ffi::{c_char, c_int, c_void},
    ptr,
    sync::{
        Arc, Once, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicPtr, Ordering},
    },
};

/// How many lines a thread keeps for the error that may follow.
const KEPT: usize = 32;

/// Bytes from which on a line is begun anew.
const LONGEST: usize = 4096;

thread_local! {
    /// What libav said on this thread since the last error: a context is used by one thread at a time, so
    /// these are the lines of the context that fails next.
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
/// What contexts of ours carry, so that their lines are known on libav's own threads: an address in here.
/// Which one may say a number.
static MARK: [u8; 1024] = [0; 1024];
/// The class of libav's contexts of devices, once there is one.
static DEVICES: AtomicPtr<ff::AVClass> = AtomicPtr::new(ptr::null_mut());

type To = dyn Fn(&str) + Send + Sync;
static REDIRECTED: RwLock<Option<Arc<To>>> = RwLock::new(None);

fn install() {
    // SAFETY: the callback is thread-safe, as libav demands: it touches this thread's lines, and what is
    // locked.
    unsafe { ff::av_log_set_callback(Some(collect)) };
}

/// Takes all of libav's warnings and errors in this process, also of contexts that are not avrope's: for
/// programs that own their process. Those of avrope's calls are taken anyway, unless [`leave`] was called.
pub fn capture() {
    LEFT.store(false, Ordering::Relaxed);
    WHOLE.store(true, Ordering::Relaxed);
    install();
}

/// Leaves libav's log callback alone. For a program that has set one of its own (`av_log_set_callback`):
/// libav does not tell which one is set, so it is for the program to say this in front of its first call of
/// this crate, or to set its own one after that call. What libav says during our calls goes there too, and
/// [`Error::log`](crate::Error::log) is empty.
pub fn leave() {
    LEFT.store(true, Ordering::Relaxed);
}

/// From now on each warning and error that is taken goes to this as well, as a line without its end. It is
/// called on the thread that the line comes from, also on libav's own; a panic in it is lost.
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
    context.opaque = MARK.as_ptr().cast_mut().cast();
}

/// The same, of one that somebody listens to.
pub(super) fn mark_for(context: &mut ff::AVCodecContext, ear: &Ear) {
    context.opaque = ear.mark();
}

/// The same, with a number from 0 on that a callback is to find; another is none.
pub(super) fn mark_with(context: &mut ff::AVCodecContext, number: c_int) {
    let place = usize::try_from(number).ok().and_then(|number| MARK.get(number.checked_add(1)?));
    context.opaque = ptr::from_ref(place.unwrap_or(&MARK[0])).cast_mut().cast();
}

/// The number of a codec context that was marked with one.
pub(super) fn marked_with(context: &ff::AVCodecContext) -> Option<c_int> {
    let number = place(context.opaque)?.checked_sub(1)?;
    c_int::try_from(number).ok()
}

/// Marks a graph, whose filters have threads.
pub(super) fn mark_graph(graph: &mut ff::AVFilterGraph) {
    graph.opaque = MARK.as_ptr().cast_mut().cast();
}

/// Marks a device, whose driver may have threads.
pub(super) fn mark_device(device: &mut ff::AVHWDeviceContext) {
    device.user_opaque = MARK.as_ptr().cast_mut().cast();
    DEVICES.store(device.av_class.cast_mut(), Ordering::Relaxed);
}

/// Where in the mark a pointer points to.
fn place(opaque: *const c_void) -> Option<usize> {
    opaque.addr().checked_sub(MARK.as_ptr().addr()).filter(|place| *place < MARK.len())
}

/// How many contexts may stand behind each other for one line.
const MOST_PARENTS: u32 = 4;

/// What a codec's context carries, of which libav's threads have copies, a filter's, a device's, or the one that
/// speaks for any of these; NULL for others.
///
/// # Safety
/// `context` is NULL or what libav's log hands over: a live struct that begins with a pointer to its class.
#[inline(never)]
unsafe fn carried(context: *const c_void, parents: u32) -> *const c_void {
    // SAFETY: the caller's promise; only a codec context, a filter's and a device's have these classes, and a
    // class says where a pointer to the context that it speaks for stands (av_log_default_callback).
    unsafe {
        if context.is_null() {
            return ptr::null();
        }
        let class = *context.cast::<*const ff::AVClass>();
        if class.is_null() {
            ptr::null()
        } else if class == ff::avcodec_get_class() {
            (*context.cast::<ff::AVCodecContext>()).opaque
        } else if class == ff::avfilter_get_class() {
            (*context.cast::<ff::AVFilterContext>()).graph.as_ref().map_or(ptr::null_mut(), |g| g.opaque)
        } else if class == DEVICES.load(Ordering::Relaxed) {
            (*context.cast::<ff::AVHWDeviceContext>()).user_opaque
        } else {
            let Ok(offset @ 1..) = usize::try_from((*class).parent_log_context_offset) else {
                return ptr::null();
            };
            let parent = context.byte_add(offset).cast::<*const c_void>().read();
            parents.checked_sub(1).map_or(ptr::null(), |parents| carried(parent, parents))
        }
    }
}

/// Whether a context is ours, by what it carries.
fn is_ours(carried: *const c_void) -> bool {
    place(carried).is_some() || ears::ear_of(carried).is_some()
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

/// `[mov @ 0x55d0c0ffee] text` without the context's address, which says nothing to anybody, and with the
/// context's name once: libav puts it into the middle of a line that it logs in pieces.
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
    // Demuxers of MP4 have something to say of each packet that nobody wants to know. (The upper bits are a
    // tint.)
    if level & 0xff > ff::AV_LOG_WARNING && OURS.try_with(|ours| ours.get() > 0).unwrap_or(false) {
        #[cfg(not(libav_7_1))]
        // SAFETY: what libav hands over goes on as it is.
        unsafe {
            like::hear(context, level, format, arguments);
        }
        return;
    }
    // SAFETY: what libav hands over goes on as it is.
    unsafe { tell(context, level, format, arguments) };
}

/// A line that somebody may want to know: the host, by libav's own callback, or we. Apart from what is asked
/// several times a packet.
///
/// # Safety
/// The arguments are what libav's log hands over.
#[cold]
unsafe extern "C" fn tell(context: *mut c_void, level: c_int, format: *const c_char, arguments: VaList) {
    let inside = OURS.try_with(|ours| ours.get() > 0).unwrap_or(false);
    // SAFETY: what libav hands over goes on to libav's own callback, which is thread-safe.
    unsafe {
        if !inside && !WHOLE.load(Ordering::Relaxed) && !is_ours(carried(context, MOST_PARENTS)) {
            ff::av_log_default_callback(context, level, format, arguments);
            return;
        }
    }
    if level & 0xff > ff::AV_LOG_WARNING {
        return;
    }
    // SAFETY: the context, the format and its arguments belong together, as libav hands them over.
    unsafe { keep(context, level, format, arguments) };
}

/// Keeps a line of ours.
///
/// # Safety
/// The arguments are what libav's log hands over.
unsafe fn keep(context: *mut c_void, level: c_int, format: *const c_char, arguments: VaList) {
    let mut text = [0 as c_char; 1024];
    let mut prefix = 1;
    // SAFETY: the caller's promise; the buffer and its size belong together, and the text is cut to fit and
    // NUL-ended.
    let (line, ear) = unsafe {
        let size = c_int::try_from(text.len()).unwrap_or(0);
        ff::av_log_format_line2(context, level, format, arguments, text.as_mut_ptr(), size, &raw mut prefix);
        (string(text.as_ptr()), ears::ear_of(carried(context, MOST_PARENTS)))
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
        if let Some(ear) = ear {
            told.iter().for_each(|line| ears::tell(ear, line));
        }
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
    use super::*;
    use std::sync::Mutex;

    #[test]
    fn contexts_of_ours_are_known_on_threads_that_are_not() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let lines = told.clone();
        redirect(move |line| lines.lock().unwrap().push(line.to_owned()));
        ours(|| ());
        // SAFETY: contexts of this test's own, freed at the end, which one thread at a time uses; the text
        // has no arguments.
        unsafe {
            let mut codec = ff::avcodec_alloc_context3(ptr::null());
            let mut graph = ff::avfilter_graph_alloc();
            let mut filter = ptr::null_mut();
            let null = ff::avfilter_get_by_name(c"null".as_ptr());
            ff::avfilter_graph_create_filter(
                &raw mut filter,
                null,
                ptr::null(),
                ptr::null(),
                ptr::null_mut(),
                graph,
            );
            let class = *codec.cast::<*const ff::AVClass>();
            let mut device: ff::AVHWDeviceContext = std::mem::zeroed();
            // Any class that is not one of the others.
            device.av_class = ff::avformat_get_class();
            let say = |context: *mut c_void, text: &std::ffi::CStr| {
                let (context, text) = (context.expose_provenance(), text.as_ptr().expose_provenance());
                let log = move || {
                    let context = ptr::with_exposed_provenance_mut(context);
                    let text = ptr::with_exposed_provenance(text);
                    ff::av_log(context, ff::AV_LOG_ERROR, text);
                };
                std::thread::spawn(log).join().unwrap();
            };
            mark_with(&mut *codec, 7);
            assert_eq!((marked_with(&*codec), class == ff::avcodec_get_class()), (Some(7), true));
            say(codec.cast(), c"of a decoder on a device\n");
            mark_with(&mut *codec, -1);
            assert_eq!(marked_with(&*codec), None);
            say(codec.cast(), c"of a codec\n");
            mark_graph(&mut *graph);
            say(filter.cast(), c"of a filter\n");
            mark_device(&mut device);
            say((&raw mut device).cast(), c"of a device\n");
            (*codec).opaque = (&raw mut device).cast();
            say(codec.cast(), c"of a host's codec, which is printed\n");
            (*graph).opaque = ptr::null_mut();
            say(filter.cast(), c"of a host's filter, which is printed\n");
            DEVICES.store(ptr::null_mut(), Ordering::Relaxed);
            ff::avfilter_graph_free(&raw mut graph);
            ff::avcodec_free_context(&raw mut codec);
        }
        let told = told.lock().unwrap();
        for line in ["of a decoder on a device", "of a codec", "of a filter", "of a device"] {
            assert!(told.iter().any(|told| told.ends_with(line)), "{line}: {told:?}");
        }
        assert!(!told.iter().any(|line| line.contains("printed")), "{told:?}");
    }

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
