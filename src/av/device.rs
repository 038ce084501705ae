//! AVHWDeviceContext: a device that decodes, encodes or filters, and what of libav works with which.

mod describe;
#[cfg(target_os = "linux")]
mod hold;
mod kind;

use super::{c_string, dict::Dict, frame::Frame, log, string};
use crate::{Error, ErrorKind, Result};
use describe::VulkanHead;
use ffmpeg_sys_next::{self as ff, AVHWDeviceType};
pub use kind::DeviceKind;
use std::{
    ffi::{CStr, c_int, c_void},
    ptr::{self, NonNull},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// The devices of one kind that are looked at by index.
pub(crate) const MAX_INDEX: usize = 16;

/// Held while a device of one kind opens: drivers have races where they initialise themselves (PoCL 3.1 reads
/// a device's name before it has one), and every job of the process may be the first. A driver that hangs
/// keeps the others of its kind waiting, who give up by the same limit.
static OPENING: [Mutex<()>; DeviceKind::ALL.len()] = [const { Mutex::new(()) }; DeviceKind::ALL.len()];

fn alone(kind: DeviceKind) -> Option<MutexGuard<'static, ()>> {
    OPENING.get(kind as usize).map(|lock| lock.lock().unwrap_or_else(PoisonError::into_inner))
}

/// One reference to an open device; clones share it, and the last one closes it.
pub(crate) struct Device {
    reference: NonNull<ff::AVBufferRef>,
    kind: DeviceKind,
}

// SAFETY: the reference count is atomic, and libav's device contexts are made to be shared: they do not
// change after they were initialised, and the APIs behind them lock for themselves or are locked by libav
// (Vulkan's queues).
unsafe impl Send for Device {}
// SAFETY: as above.
unsafe impl Sync for Device {}

impl Clone for Device {
    fn clone(&self) -> Self {
        // SAFETY: the reference is live as long as self.
        let other = unsafe { ff::av_buffer_ref(self.reference.as_ptr()) };
        // Without memory for a few bytes nothing can go on; Rust's own allocations do the same.
        let reference = NonNull::new(other)
            .unwrap_or_else(|| std::alloc::handle_alloc_error(std::alloc::Layout::new::<ff::AVBufferRef>()));
        Self { reference, kind: self.kind }
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        let mut pointer = self.reference.as_ptr();
        // SAFETY: self owns this one reference, and it is not used afterwards.
        unsafe { ff::av_buffer_unref(&raw mut pointer) };
    }
}

impl Device {
    /// Opens a device by libav's name for it, or libav's choice. May take long, or hang in a driver.
    ///
    /// Errors are [`ErrorKind::Hardware`] and say why; which device it was is the caller's to say.
    pub(crate) fn open(kind: DeviceKind, name: Option<&str>, options: &[(String, String)]) -> Result<Self> {
        log::clear();
        if let Some(cause) = obstacle(kind) {
            return Err(Error::new(ErrorKind::Hardware, cause));
        }
        let name = name.map(c_string).transpose()?;
        let name = name.as_ref().map_or(ptr::null(), |name| name.as_ptr());
        let mut options = Dict::from_pairs(options)?;
        let mut device = ptr::null_mut();
        let _alone = alone(kind);
        #[cfg(target_os = "linux")]
        let before = (kind == DeviceKind::Vulkan).then(hold::loaded);
        // SAFETY: the out pointer is ours; name and options live during the call, which copies what it keeps.
        let code = unsafe {
            ff::av_hwdevice_ctx_create(&raw mut device, raw_kind(kind), name, *options.as_mut(), 0)
        };
        #[cfg(target_os = "linux")]
        if let Some(before) = before {
            hold::hold_since(&before);
        }
        Self::opened(code, device, kind)
    }

    /// Opens the device of this kind with this index, counted from 0.
    pub(crate) fn by_index(kind: DeviceKind, index: usize) -> Result<Self> {
        if index >= MAX_INDEX {
            return Err(no_such(index));
        }
        match kind {
            // On Linux, Intel's media engine is reached through VAAPI.
            DeviceKind::Qsv if cfg!(target_os = "linux") => {
                Self::by_index(DeviceKind::Vaapi, index)?.derive(DeviceKind::Qsv)
            }
            DeviceKind::Qsv => {
                let child = ("child_device_type".to_owned(), "d3d11va".to_owned());
                Self::open(kind, Some(&index.to_string()), &[child])
            }
            DeviceKind::Vaapi if cfg!(target_os = "linux") => match render_nodes().get(index) {
                Some(node) => Self::open(kind, Some(node), &[]),
                // Without a node there may be an X server that has the device.
                None if index == 0 => Self::open(kind, None, &[]),
                None => Err(no_such(index)),
            },
            DeviceKind::Vaapi | DeviceKind::VideoToolbox if index == 0 => Self::open(kind, None, &[]),
            DeviceKind::Vaapi | DeviceKind::VideoToolbox => Err(no_such(index)),
            DeviceKind::OpenCl => opencl(index),
            DeviceKind::Cuda | DeviceKind::Vulkan | DeviceKind::D3d11va => {
                Self::open(kind, Some(&index.to_string()), &[])
            }
        }
    }

    /// The same hardware by another API.
    pub(crate) fn derive(&self, kind: DeviceKind) -> Result<Self> {
        log::clear();
        let mut device = ptr::null_mut();
        let _alone = alone(kind);
        // SAFETY: the source is live as long as self; the out pointer is ours.
        let code = unsafe {
            ff::av_hwdevice_ctx_create_derived(&raw mut device, raw_kind(kind), self.reference.as_ptr(), 0)
        };
        Self::opened(code, device, kind)
    }

    /// A reference for a context of libav's that frees it.
    pub(super) fn reference(&self) -> Result<*mut ff::AVBufferRef> {
        // SAFETY: the reference is live as long as self.
        let new = unsafe { ff::av_buffer_ref(self.as_ptr()) };
        if new.is_null() {
            return Err(Error::new(ErrorKind::LimitExceeded, "no memory for a buffer reference"));
        }
        Ok(new)
    }

    /// libav's number of this kind.
    pub(super) fn raw_kind(&self) -> AVHWDeviceType {
        raw_kind(self.kind)
    }

    /// A copy of a picture on the device. `format`: libav's number for pictures that lie there.
    pub(super) fn upload(&self, picture: &Frame, format: c_int) -> Result<Frame> {
        let refused = |code| {
            super::check(code, "bringing a picture onto the device")
                .map_err(|e| e.into_kind(ErrorKind::Hardware))
        };
        let Some(format) = super::format::pix_fmt(format) else {
            return Err(Error::new(ErrorKind::Hardware, "the encoder takes no pictures of this device"));
        };
        let uploaded = Frame::new()?;
        // SAFETY: the pool belongs to the device and is set up before it is initialised; the frame takes a
        // reference of its own to it, and ours is given back on every way.
        unsafe {
            let mut pool = ff::av_hwframe_ctx_alloc(self.as_ptr());
            if pool.is_null() {
                return Err(Error::new(ErrorKind::LimitExceeded, "no memory for a pool of pictures"));
            }
            let from = &*picture.as_ptr();
            let context = (*pool).data.cast::<ff::AVHWFramesContext>();
            (*context).format = format;
            (*context).sw_format =
                super::format::pix_fmt(from.format).unwrap_or(ff::AVPixelFormat::AV_PIX_FMT_NV12);
            ((*context).width, (*context).height) = (from.width, from.height);
            (*context).initial_pool_size = 4;
            let mut code = ff::av_hwframe_ctx_init(pool);
            if code >= 0 {
                code = ff::av_hwframe_get_buffer(pool, uploaded.as_ptr(), 0);
            }
            ff::av_buffer_unref(&raw mut pool);
            refused(code)?;
            refused(ff::av_hwframe_transfer_data(uploaded.as_ptr(), picture.as_ptr(), 0))?;
        }
        Ok(uploaded)
    }

    fn opened(code: c_int, device: *mut ff::AVBufferRef, kind: DeviceKind) -> Result<Self> {
        match NonNull::new(device) {
            Some(reference) if code >= 0 => {
                // SAFETY: a device that was made now, which nobody else has.
                unsafe { log::mark_device(&mut *(*reference.as_ptr()).data.cast::<ff::AVHWDeviceContext>()) };
                let device = Self { reference, kind };
                if kind == DeviceKind::OpenCl {
                    // PoCL 3.1 forgets its devices when its last context goes, while other threads may be
                    // listing them: one stays for as long as the process.
                    static KEPT: Mutex<Option<Device>> = Mutex::new(None);
                    KEPT.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| device.clone());
                }
                Ok(device)
            }
            _ => Err(Error::new(ErrorKind::Hardware, super::describe(code))
                .with_code(code)
                .with_log(log::take())),
        }
    }

    pub(crate) fn kind(&self) -> DeviceKind {
        self.kind
    }

    /// For libav functions that take a reference of their own.
    pub(super) fn as_ptr(&self) -> *mut ff::AVBufferRef {
        self.reference.as_ptr()
    }

    /// What its driver calls the device, and whether it is the processor in disguise; for APIs that are asked
    /// easily.
    pub(crate) fn description(&self) -> Option<(String, bool)> {
        // SAFETY: the buffer of a device reference is its AVHWDeviceContext, which does not change once it is
        // open.
        let context = unsafe { (*self.reference.as_ref().data.cast::<ff::AVHWDeviceContext>()).hwctx };
        match self.kind {
            // SAFETY: an open device's `hwctx` is of its kind: here an AVCUDADeviceContext, which begins with
            // its CUcontext, …
            DeviceKind::Cuda => unsafe { describe::cuda(*context.cast::<*mut c_void>()) },
            // SAFETY: … here an AVVulkanDeviceContext, which begins as
            // VulkanHead says in all versions, …
            DeviceKind::Vulkan => unsafe { describe::vulkan(&*context.cast::<VulkanHead>()) },
            // SAFETY: … and here an AVOpenCLDeviceContext, which begins with its cl_device_id.
            DeviceKind::OpenCl => unsafe { describe::opencl(*context.cast::<*mut c_void>()) },
            _ => None,
        }
    }
}

fn no_such(index: usize) -> Error {
    Error::new(ErrorKind::Hardware, format!("there is no device with index {index}"))
}

/// libav names OpenCL's devices `platform.device`; the index counts through all platforms, in the loader's
/// order. Named like this a device is never ambiguous, and one that computes on the processor is found as any
/// other.
fn opencl(index: usize) -> Result<Device> {
    let mut left = index;
    let mut failure = None;
    for platform in 0..MAX_INDEX {
        for number in 0..MAX_INDEX {
            match Device::open(DeviceKind::OpenCl, Some(&format!("{platform}.{number}")), &[]) {
                Ok(device) if left == 0 => return Ok(device),
                Ok(_) => left = left.saturating_sub(1),
                Err(error) => {
                    failure.get_or_insert(error);
                    // Platforms are numbered without gaps, but the first may be one without devices.
                    if number == 0 && platform > 0 {
                        return Err(failure.filter(|_| index == 0).unwrap_or_else(|| no_such(index)));
                    }
                    break;
                }
            }
        }
    }
    Err(no_such(index))
}

// --- Why a device can't be opened

/// What is missing for devices of this kind, found without libav: it would say so on the process's stderr,
/// unless its log is captured, and does not say it in its return code.
fn obstacle(kind: DeviceKind) -> Option<String> {
    if !is_known(kind) {
        return Some(format!("this build of libav knows no {kind} devices"));
    }
    if !cfg!(target_os = "linux") {
        return None;
    }
    match kind {
        DeviceKind::Cuda => unloadable(c"libcuda.so.1", "NVIDIA's driver"),
        DeviceKind::Vulkan => unloadable(c"libvulkan.so.1", "the Vulkan loader"),
        DeviceKind::Vaapi if render_nodes().is_empty() && std::env::var_os("DISPLAY").is_none() => Some(
            "there is no /dev/dri/renderD*: no graphics driver, or none passed into this container".into(),
        ),
        DeviceKind::OpenCl if !has_opencl_driver() => {
            Some("no OpenCL driver is installed: nothing in /etc/OpenCL/vendors".into())
        }
        _ => None,
    }
}

/// The kernel's render nodes, in order.
fn render_nodes() -> Vec<String> {
    let nodes = std::fs::read_dir("/dev/dri").into_iter().flatten().flatten();
    let mut nodes: Vec<String> = nodes
        .map(|entry| entry.path().to_string_lossy().into_owned())
        .filter(|path| path.starts_with("/dev/dri/renderD"))
        .collect();
    nodes.sort();
    nodes
}

fn has_opencl_driver() -> bool {
    // The loaders' variables that name drivers elsewhere.
    let named = ["OCL_ICD_VENDORS", "OCL_ICD_FILENAMES", "OPENCL_VENDOR_PATH"];
    let listed =
        || std::fs::read_dir("/etc/OpenCL/vendors").is_ok_and(|mut entries| entries.next().is_some());
    named.iter().any(|name| std::env::var_os(name).is_some()) || listed()
}

#[cfg(unix)]
fn unloadable(library: &CStr, what: &str) -> Option<String> {
    // SAFETY: a NUL-ended name. The library's constructors run, as they do when libav loads it next; the
    // handle is closed once. dlerror's text is this thread's own until its next dl call.
    let error = unsafe {
        let handle = libc::dlopen(library.as_ptr(), libc::RTLD_LAZY | libc::RTLD_LOCAL);
        if !handle.is_null() {
            libc::dlclose(handle);
            return None;
        }
        string(libc::dlerror())
    };
    let library = library.to_string_lossy();
    let why = error.strip_prefix(&format!("{library}: ")).unwrap_or(&error);
    Some(format!("Cannot load {library}, {what}: {why}"))
}

#[cfg(not(unix))]
fn unloadable(_library: &CStr, _what: &str) -> Option<String> {
    None
}

// --- What libav has

fn raw_kind(kind: DeviceKind) -> AVHWDeviceType {
    match kind {
        DeviceKind::Cuda => AVHWDeviceType::AV_HWDEVICE_TYPE_CUDA,
        DeviceKind::Qsv => AVHWDeviceType::AV_HWDEVICE_TYPE_QSV,
        DeviceKind::Vaapi => AVHWDeviceType::AV_HWDEVICE_TYPE_VAAPI,
        DeviceKind::Vulkan => AVHWDeviceType::AV_HWDEVICE_TYPE_VULKAN,
        DeviceKind::VideoToolbox => AVHWDeviceType::AV_HWDEVICE_TYPE_VIDEOTOOLBOX,
        DeviceKind::D3d11va => AVHWDeviceType::AV_HWDEVICE_TYPE_D3D11VA,
        DeviceKind::OpenCl => AVHWDeviceType::AV_HWDEVICE_TYPE_OPENCL,
    }
}

unsafe extern "C" {
    // With numbers in place of the enum: a newer libav at run time may have kinds that no enumerator stands
    // for.
    #[link_name = "av_hwdevice_iterate_types"]
    fn next_kind(previous: c_int) -> c_int;
}

/// Whether this libav was built with devices of this kind.
pub(crate) fn is_known(kind: DeviceKind) -> bool {
    let mut number = 0;
    loop {
        // SAFETY: takes and returns a number, and reads static tables.
        number = unsafe { next_kind(number) };
        if number == 0 || number == raw_kind(kind) as c_int {
            return number != 0;
        }
    }
}

/// The decoders that can work on devices of this kind, by libav's names.
pub(crate) fn decoders(kind: DeviceKind) -> Vec<String> {
    codecs(|codec| {
        // SAFETY: a static description of a codec that `codecs` got from libav.
        unsafe { ff::av_codec_is_decoder(codec) != 0 && works_on(codec, kind) }
    })
}

/// The encoders whose names end like this.
pub(crate) fn encoders(endings: &[&str]) -> Vec<String> {
    codecs(|codec| {
        // SAFETY: a static description of a codec that `codecs` got from libav, and its name.
        unsafe {
            ff::av_codec_is_encoder(codec) != 0 && {
                let name = string((*codec).name);
                endings.iter().any(|ending| name.ends_with(ending))
            }
        }
    })
}

/// Whether this libav has a filter.
pub(crate) fn has_filter(name: &str) -> bool {
    // SAFETY: a C string; the result is static or NULL.
    c_string(name).is_ok_and(|name| unsafe { !ff::avfilter_get_by_name(name.as_ptr()).is_null() })
}

/// An error if this libav has no filter of this name.
pub(crate) fn require_filter(name: &str) -> Result<()> {
    if has_filter(name) {
        Ok(())
    } else {
        Err(Error::unsupported(format!("this libav has no filter {name}")))
    }
}

/// The filters whose names end like this.
pub(crate) fn filters(endings: &[&str]) -> Vec<String> {
    let mut names = Vec::new();
    let mut state = ptr::null_mut();
    loop {
        // SAFETY: the state is this loop's; filters are static descriptions with NUL-ended names.
        let name = unsafe {
            let filter = ff::av_filter_iterate(&raw mut state);
            if filter.is_null() {
                break;
            }
            string((*filter).name)
        };
        if endings.iter().any(|ending| name.ends_with(ending)) {
            names.push(name);
        }
    }
    names.sort();
    names
}

fn codecs(wanted: impl Fn(*const ff::AVCodec) -> bool) -> Vec<String> {
    let mut names = Vec::new();
    let mut state = ptr::null_mut();
    loop {
        // SAFETY: the state is this loop's; codecs are static descriptions.
        let codec = unsafe { ff::av_codec_iterate(&raw mut state) };
        if codec.is_null() {
            break;
        }
        if wanted(codec) {
            // SAFETY: as above, and a name is a NUL-ended string.
            names.push(unsafe { string((*codec).name) });
        }
    }
    names.sort();
    names
}

/// # Safety
/// `codec` is a codec of libav's.
unsafe fn works_on(codec: *const ff::AVCodec, kind: DeviceKind) -> bool {
    (0..)
        .map_while(|index| {
            // SAFETY: the caller's promise; past the last index comes NULL. The field is read as a number, as
            // in `next_kind`.
            unsafe {
                let config = ff::avcodec_get_hw_config(codec, index);
                (!config.is_null()).then(|| (&raw const (*config).device_type).cast::<c_int>().read())
            }
        })
        .any(|number| number == raw_kind(kind) as c_int)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_not_be_loaded_is_named() {
        assert_eq!(unloadable(c"libc.so.6", "the C library"), None);
        let cause = unloadable(c"libno-such.so.1", "nothing").unwrap();
        assert!(cause.starts_with("Cannot load libno-such.so.1, nothing: cannot open"), "{cause}");
    }

    #[test]
    fn a_kind_has_its_decoders_and_a_wrong_index_is_an_error() {
        if is_known(DeviceKind::Cuda) {
            assert!(decoders(DeviceKind::Cuda).contains(&"h264".to_owned()));
        }
        assert!(!decoders(DeviceKind::OpenCl).contains(&"h264".to_owned()));
        for kind in DeviceKind::ALL {
            assert_eq!(Device::by_index(kind, 99).err().unwrap().kind(), ErrorKind::Hardware);
        }
    }
}
