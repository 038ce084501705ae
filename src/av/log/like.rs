//! What x264 logs of each picture that it made: how like what it was given it is. FFmpeg hands that on with the
//! packets, but older ones do not.

use super::string;
use ffmpeg_sys_next as ff;
use std::{
    cell::Cell,
    collections::VecDeque,
    ffi::{CStr, c_char, c_int, c_void},
};

/// How the text begins that those lines are made by.
const BEGINNING: &[u8] = b"frame=%4d QP";

/// For each of the three planes, in decibels.
pub(in crate::av) type Planes = [f64; 3];

thread_local! {
    /// What was said since somebody on this thread began to listen.
    static HEARD: Cell<Option<VecDeque<Planes>>> = const { Cell::new(None) };
}

/// Calls an encoder, and adds to `said` what it says meanwhile: it logs on the thread that it is called on.
pub(in crate::av) fn listen<T>(said: &mut Option<VecDeque<Planes>>, call: impl FnOnce() -> T) -> T {
    HEARD.set(said.take());
    let result = call();
    *said = HEARD.take();
    result
}

/// A line that nobody else wants to know.
///
/// # Safety
/// The arguments are what libav's log hands over.
pub(super) unsafe fn hear(
    context: *mut c_void,
    level: c_int,
    format: *const c_char,
    arguments: super::VaList,
) {
    if level & 0xff != ff::AV_LOG_DEBUG || format.is_null() {
        return;
    }
    let Ok(Some(mut heard)) = HEARD.try_with(Cell::take) else { return };
    // SAFETY: the caller's promise; the buffer and its size belong together, and the text is cut to fit and NUL-ended.
    let line = unsafe {
        CStr::from_ptr(format).to_bytes().starts_with(BEGINNING).then(|| {
            let mut text = [0 as c_char; 512];
            let size = c_int::try_from(text.len()).unwrap_or(0);
            let mut prefix = 0;
            ff::av_log_format_line2(
                context,
                level,
                format,
                arguments,
                text.as_mut_ptr(),
                size,
                &raw mut prefix,
            );
            string(text.as_ptr())
        })
    };
    heard.extend(line.as_deref().and_then(planes));
    let _ = HEARD.try_with(|place| place.set(Some(heard)));
}

/// Of a line that ends with `PSNR Y:46.30 U:48.12 V:48.20`.
fn planes(line: &str) -> Option<Planes> {
    let (_, said) = line.trim_end().rsplit_once(" PSNR Y:")?;
    let (y, rest) = said.split_once(" U:")?;
    let (u, v) = rest.split_once(" V:")?;
    let read = |text: &str| text.trim().parse::<f64>().ok().filter(|psnr| psnr.is_finite());
    Some([read(y)?, read(u)?, read(v)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read() {
        let line = "frame=   0 QP=19.00 NAL=3 Slice:I Poc:0   I:920  P:0    SKIP:0    size=6 bytes \
                    PSNR Y:46.30 U:48.12 V: 9.20\n";
        assert_eq!(planes(line), Some([46.3, 48.12, 9.2]));
        assert_eq!(planes("frame=   0 size=6 bytes\n"), None);
        assert_eq!(planes("bytes PSNR Y:46.30 U: -nan V: -nan\n"), None);
    }
}
