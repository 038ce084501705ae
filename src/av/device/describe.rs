//! What a device's driver calls it, asked of CUDA, Vulkan and OpenCL themselves: libav only logs it.

use crate::av::string;
use std::{
    ffi::{c_char, c_int, c_void},
    ptr,
};

/// # Safety
/// `context` is the CUcontext of an open device.
#[cfg(unix)]
pub(super) unsafe fn cuda(context: *mut c_void) -> Option<(String, bool)> {
    let (mut device, mut name, mut popped) = (0, [0 as c_char; 256], ptr::null_mut());
    // SAFETY: the driver that the device was opened with is loaded, and stays so; dlopen only finds it again.
    // The names are those of CUDA's functions of these types since its version 4; the context becomes the
    // thread's and ceases to be it again, and the last byte of the name's buffer stays 0.
    unsafe {
        let driver = libc::dlopen(c"libcuda.so.1".as_ptr(), libc::RTLD_LAZY | libc::RTLD_NOLOAD);
        if driver.is_null() {
            return None;
        }
        let find = |name: &std::ffi::CStr| libc::dlsym(driver, name.as_ptr());
        let (push, pop) = (find(c"cuCtxPushCurrent_v2"), find(c"cuCtxPopCurrent_v2"));
        let (which, called) = (find(c"cuCtxGetDevice"), find(c"cuDeviceGetName"));
        libc::dlclose(driver);
        let push = std::mem::transmute::<*mut c_void, Option<CudaContext>>(push)?;
        let pop = std::mem::transmute::<*mut c_void, Option<CudaPop>>(pop)?;
        let which = std::mem::transmute::<*mut c_void, Option<CudaDevice>>(which)?;
        let called = std::mem::transmute::<*mut c_void, Option<CudaName>>(called)?;
        if push(context) != 0 {
            return None;
        }
        let room = c_int::try_from(name.len().saturating_sub(1)).unwrap_or(0);
        let known = which(&raw mut device) == 0 && called(name.as_mut_ptr(), room, device) == 0;
        pop(&raw mut popped);
        known.then(|| (string(name.as_ptr()), false))
    }
}

#[cfg(not(unix))]
pub(super) unsafe fn cuda(_context: *mut c_void) -> Option<(String, bool)> {
    None
}

type CudaContext = unsafe extern "C" fn(*mut c_void) -> c_int;
type CudaPop = unsafe extern "C" fn(*mut *mut c_void) -> c_int;
type CudaDevice = unsafe extern "C" fn(*mut c_int) -> c_int;
type CudaName = unsafe extern "C" fn(*mut c_char, c_int, c_int) -> c_int;

/// # Safety
/// `head` is that of an open device.
pub(super) unsafe fn vulkan(head: &VulkanHead) -> Option<(String, bool)> {
    const CPU: c_int = 4;
    let mut properties = VulkanProperties { numbers: [0; 4], kind: 0, name: [0; 256], rest: [0; 2048] };
    // SAFETY: the loader's function takes the instance that it belongs to and a NUL-ended name. It gives NULL
    // (None) or the function of that name, which is of this type and fills a VkPhysicalDeviceProperties (824
    // bytes): VulkanProperties begins like one, and is larger.
    unsafe {
        let function = head.get_proc_addr?(head.instance, c"vkGetPhysicalDeviceProperties".as_ptr());
        let get = std::mem::transmute::<*const c_void, Option<GetVulkanProperties>>(function)?;
        get(head.physical, &raw mut properties);
        Some((string(properties.name.as_ptr()), properties.kind == CPU))
    }
}

/// # Safety
/// `device` is a cl_device_id of an open device.
#[cfg(unix)]
pub(super) unsafe fn opencl(device: *mut c_void) -> Option<(String, bool)> {
    const TYPE: u32 = 0x1000;
    const NAME: u32 = 0x102b;
    const CPU: u64 = 1 << 1;
    let (mut kind, mut name) = (0_u64, [0 as c_char; 256]);
    // SAFETY: libavutil is linked with OpenCL's loader, so that the name, if it is found, is the function of
    // this type. The sizes are those of the buffers, and the last byte of the name's stays 0.
    unsafe {
        let function = libc::dlsym(libc::RTLD_DEFAULT, c"clGetDeviceInfo".as_ptr());
        let get = std::mem::transmute::<*mut c_void, Option<GetOpenClInfo>>(function)?;
        get(device, TYPE, size_of::<u64>(), (&raw mut kind).cast(), ptr::null_mut());
        get(device, NAME, name.len().saturating_sub(1), name.as_mut_ptr().cast(), ptr::null_mut());
        Some((string(name.as_ptr()), kind & CPU != 0))
    }
}

#[cfg(not(unix))]
pub(super) unsafe fn opencl(_device: *mut c_void) -> Option<(String, bool)> {
    None
}

type GetOpenClInfo = unsafe extern "C" fn(*mut c_void, u32, usize, *mut c_void, *mut usize) -> i32;

/// How AVVulkanDeviceContext begins.
#[repr(C)]
pub(super) struct VulkanHead {
    allocator: *const c_void,
    get_proc_addr: Option<unsafe extern "system" fn(*mut c_void, *const c_char) -> *const c_void>,
    instance: *mut c_void,
    physical: *mut c_void,
}

/// How VkPhysicalDeviceProperties begins, with room for the rest.
#[repr(C, align(8))]
struct VulkanProperties {
    numbers: [u32; 4],
    kind: c_int,
    name: [c_char; 256],
    rest: [u8; 2048],
}

type GetVulkanProperties = unsafe extern "system" fn(*mut c_void, *mut VulkanProperties);
