//! Who wants to hear what libav says of one context, whichever thread says it.

use std::{
    ffi::c_void,
    sync::{Mutex, PoisonError},
};

/// How many can be heard at once; of what is beyond that, nothing is heard apart.
const EARS: usize = 64;
/// Lines that one keeps.
const KEPT: usize = 256;

/// What contexts carry that are listened to: an address in here. Which one says whose.
static MARK: [u8; EARS] = [0; EARS];
/// The lines of those that are in use.
static HEARD: Mutex<[Option<Vec<String>>; EARS]> = Mutex::new([const { None }; EARS]);

fn heard() -> std::sync::MutexGuard<'static, [Option<Vec<String>>; EARS]> {
    HEARD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Hears the warnings and errors of the contexts that it is given to.
#[derive(Debug)]
pub(crate) struct Ear(usize);

impl Ear {
    /// None while too many others are heard.
    pub(crate) fn new() -> Option<Self> {
        let mut heard = heard();
        let free = heard.iter().position(Option::is_none)?;
        *heard.get_mut(free)? = Some(Vec::new());
        Some(Self(free))
    }

    /// What was said since the last time.
    pub(crate) fn take(&self) -> Vec<String> {
        heard().get_mut(self.0).and_then(Option::as_mut).map(std::mem::take).unwrap_or_default()
    }

    /// What a context carries so that it is heard.
    pub(in crate::av) fn mark(&self) -> *mut c_void {
        MARK.get(self.0).map_or(std::ptr::null_mut(), |mark| std::ptr::from_ref(mark).cast_mut().cast())
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        if let Some(lines) = heard().get_mut(self.0) {
            *lines = None;
        }
    }
}

/// Whose mark this is.
pub(super) fn ear_of(opaque: *const c_void) -> Option<usize> {
    opaque.addr().checked_sub(MARK.as_ptr().addr()).filter(|place| *place < EARS)
}

/// Tells one what was said.
pub(super) fn tell(ear: usize, line: &str) {
    if let Some(Some(lines)) = heard().get_mut(ear)
        && lines.len() < KEPT
    {
        lines.push(line.to_owned());
    }
}
