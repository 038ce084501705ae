//! Encoders that would run in front of everything else.

/// Opens SVT-AV1 (1.4 and its like) without the right to raise a thread: where it may, as in a process of root's, it
/// lets the calling thread, and with it all that this one makes, run at the highest priority there is (`SCHED_FIFO`,
/// 99). What spins there while it waits for others, as libvpx's threads do, then takes the cores for good.
#[cfg(target_os = "linux")]
pub(super) fn modestly<T>(open: impl FnOnce() -> T) -> T {
    const CAP_SYS_NICE: u32 = 23;
    let own = Rights::get();
    let lowered = own.filter(|own| own.effective(CAP_SYS_NICE));
    if let Some(own) = lowered {
        own.without(CAP_SYS_NICE).set();
    }
    let priority = Priority::get();
    let opened = open();
    // A limit of the user's (RLIMIT_RTPRIO) may have let it all the same.
    if let Some(priority) = priority {
        priority.set();
    }
    if let Some(own) = lowered {
        own.set();
    }
    opened
}

#[cfg(not(target_os = "linux"))]
pub(super) fn modestly<T>(open: impl FnOnce() -> T) -> T {
    open()
}

/// How the calling thread is scheduled.
#[cfg(target_os = "linux")]
#[derive(Clone, Copy)]
struct Priority(libc::c_int, libc::sched_param);

#[cfg(target_os = "linux")]
impl Priority {
    fn get() -> Option<Self> {
        let mut own = Self(libc::SCHED_OTHER, libc::sched_param { sched_priority: 0 });
        // SAFETY: a thread always knows itself; both places are ours.
        let code =
            unsafe { libc::pthread_getschedparam(libc::pthread_self(), &raw mut own.0, &raw mut own.1) };
        (code == 0).then_some(own)
    }

    fn set(self) {
        // SAFETY: a thread may always be as it was; the parameters are ours.
        unsafe { libc::pthread_setschedparam(libc::pthread_self(), self.0, &raw const self.1) };
    }
}

/// What the calling thread may do (capabilities(7)): of the lower 32 and of the upper, what holds, what it may make
/// hold, and what goes to programs that it starts.
#[cfg(target_os = "linux")]
#[derive(Clone, Copy)]
struct Rights([[u32; 3]; 2]);

#[cfg(target_os = "linux")]
impl Rights {
    /// The version of the kernel's interface (3), and the calling thread.
    const HEADER: [u32; 2] = [0x2008_0522, 0];

    fn get() -> Option<Self> {
        let (mut header, mut own) = (Self::HEADER, [[0; 3]; 2]);
        // SAFETY: capget(2) takes a header of two words, and writes twice three.
        let code = unsafe { libc::syscall(libc::SYS_capget, header.as_mut_ptr(), own.as_mut_ptr()) };
        (code == 0).then_some(Self(own))
    }

    fn set(self) {
        let mut header = Self::HEADER;
        // SAFETY: capset(2) reads a header of two words, and twice three.
        unsafe { libc::syscall(libc::SYS_capset, header.as_mut_ptr(), self.0.as_ptr()) };
    }

    fn effective(&self, right: u32) -> bool {
        let [[effective, ..], _] = self.0;
        effective & 1 << right != 0
    }

    fn without(mut self, right: u32) -> Self {
        let [[effective, ..], _] = &mut self.0;
        *effective &= !(1 << right);
        self
    }
}
