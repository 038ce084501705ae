//! Devices that decode, encode and filter: which there are, and the handle by which jobs share them.

mod choice;
mod slot;

pub use crate::{
    av::device::DeviceKind,
    job::{HardwareReport, RefusedDevice},
};
pub use choice::HardwareChoice;

use crate::{
    Control, Error, ErrorKind, Result,
    av::device::{self, Device},
};
use serde::{Deserialize, Serialize};
use slot::{NAMED_LIMIT, OPEN_LIMIT, Outcome, Refusal, Slot, lock};
use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

/// A device, or the reason why there is none, and what of libav works on devices of its kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DeviceInfo {
    /// The interface.
    pub kind: DeviceKind,
    /// Which of the devices behind it.
    pub index: usize,
    /// What its driver calls it, where that is known: CUDA, Vulkan and OpenCL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whether it opened.
    pub opened: bool,
    /// Whether it is the processor behind a device's interface; known of Vulkan and OpenCL.
    pub software: bool,
    /// Why it did not open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// libav's decoders for this kind; the device may refuse some of them.
    pub decoders: Vec<String>,
    /// libav's encoders for this kind; the device may refuse some of them.
    pub encoders: Vec<String>,
    /// libav's filters for this kind.
    pub filters: Vec<String>,
}

/// Devices for jobs, opened when the first job needs them and shared by all that hold a clone.
///
/// A device is opened once; the outcome, a device or a reason, stays in the handle. To look again, after a
/// driver was installed, say, make a new handle.
///
/// A driver can hang when it is opened. So that happens on a thread of its own, for which jobs wait 10 s at
/// the most, or 4 s if it was not asked for by name, or until they are cancelled. What takes longer counts as
/// refused, and the thread is left behind: it ends with the driver's call or with the process. If the device
/// opens after all, later jobs get it; [`warm_up`](Self::warm_up) waits for slow ones.
///
/// ```
/// use avrope::hardware::{Hardware, HardwareChoice};
///
/// let choice: HardwareChoice = "auto".parse()?;
/// let hardware = Hardware::new(choice);
/// let shared = hardware.clone(); // for another job: nothing is opened twice
/// # drop(shared);
/// # Ok::<(), avrope::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct Hardware(Arc<Inner>);

#[derive(Default)]
struct Inner {
    choice: HardwareChoice,
    slots: Mutex<BTreeMap<DeviceKind, Arc<Slot>>>,
    /// What else was tried, by what it was, and why it did not work, if so.
    tried: Mutex<BTreeMap<String, Option<String>>>,
}

impl fmt::Debug for Hardware {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hardware").field("choice", &self.0.choice).finish_non_exhaustive()
    }
}

impl From<HardwareChoice> for Hardware {
    fn from(choice: HardwareChoice) -> Self {
        Self::new(choice)
    }
}

impl Hardware {
    /// A handle for this choice. Nothing is opened yet.
    pub fn new(choice: HardwareChoice) -> Self {
        Self(Arc::new(Inner { choice, ..Inner::default() }))
    }

    /// Software only.
    pub fn none() -> Self {
        Self::default()
    }

    /// The first device that works, or software: never an error. Devices that are the processor in disguise
    /// are passed over.
    pub fn auto() -> Self {
        Self::new(HardwareChoice::Auto)
    }

    /// This device; a job that can't have it fails with [`ErrorKind::Hardware`], at once unless its driver
    /// hangs.
    pub fn device(kind: DeviceKind, index: usize) -> Self {
        Self::new(HardwareChoice::Device { kind, index })
    }

    /// What it was made for.
    pub fn choice(&self) -> HardwareChoice {
        self.0.choice
    }

    /// Opens now what the first job would open, waiting for each device as long as this: a service does so
    /// when it starts. With `auto` it ends at the first device that opens, or when none does.
    ///
    /// # Errors
    /// [`ErrorKind::Hardware`] if the device that was asked for does not open; none for other choices.
    pub fn warm_up(&self, limit: Duration) -> Result<()> {
        let named = matches!(self.0.choice, HardwareChoice::Device { .. });
        for kind in self.candidates() {
            match self.open_within(kind, limit, &Control::default()) {
                Ok(_) => break,
                Err(error) if named => return Err(error),
                Err(_) => {}
            }
        }
        Ok(())
    }

    /// What was tried by now and did not work.
    pub fn refused(&self) -> Vec<RefusedDevice> {
        let slots = lock(&self.0.slots);
        let devices = slots.iter().filter_map(|(kind, slot)| {
            let reason = slot.refusal()?.to_string();
            Some(RefusedDevice { device: self.label(*kind), reason })
        });
        let mut refused: Vec<_> = devices.collect();
        refused.extend(lock(&self.0.tried).iter().filter_map(|(device, reason)| {
            Some(RefusedDevice { device: device.clone(), reason: reason.clone()? })
        }));
        refused
    }

    /// Every kind of device that this libav knows: those that open, one entry each, or the reason why none
    /// does.
    ///
    /// They are really opened, one after the other, which takes a moment; a driver that hangs is given up
    /// after 10 s.
    pub fn list() -> Vec<DeviceInfo> {
        let known = DeviceKind::ALL.into_iter().filter(|kind| device::is_known(*kind));
        known.flat_map(Self::list_kind).collect()
    }

    fn list_kind(kind: DeviceKind) -> Vec<DeviceInfo> {
        let mut found = Vec::new();
        for index in 0..device::MAX_INDEX {
            let device = Self::device(kind, index).outcome(kind, NAMED_LIMIT, &Control::default());
            if device.is_err() && index > 0 {
                break;
            }
            let about = device.as_ref().ok().and_then(Device::description);
            let reason = device.err().map(|refusal| refusal.to_string());
            found.push(DeviceInfo {
                kind,
                index,
                software: about.as_ref().is_some_and(|(_, software)| *software),
                name: about.map(|(name, _)| name),
                opened: reason.is_none(),
                reason,
                decoders: device::decoders(kind),
                encoders: device::encoders(kind.encoder_endings()),
                filters: device::filters(kind.filter_endings()),
            });
            if found.iter().any(|info| !info.opened) {
                break;
            }
        }
        found
    }
}

// For the pipeline.
impl Hardware {
    /// What to try for video, best first. OpenCL only filters, so `auto` does not choose it.
    pub(crate) fn candidates(&self) -> Vec<DeviceKind> {
        let order: &[DeviceKind] = match self.0.choice {
            HardwareChoice::None => &[],
            HardwareChoice::Device { kind, .. } => return vec![kind],
            HardwareChoice::Auto if cfg!(target_vendor = "apple") => &[DeviceKind::VideoToolbox],
            HardwareChoice::Auto if cfg!(windows) => {
                &[DeviceKind::Cuda, DeviceKind::Qsv, DeviceKind::D3d11va, DeviceKind::Vulkan]
            }
            HardwareChoice::Auto => {
                &[DeviceKind::Cuda, DeviceKind::Qsv, DeviceKind::Vaapi, DeviceKind::Vulkan]
            }
        };
        order.iter().copied().filter(|kind| device::is_known(*kind)).collect()
    }

    /// The device of this kind. Opens it, or tells what came of the first attempt.
    pub(crate) fn open(&self, kind: DeviceKind, control: &Control) -> Result<Device> {
        let named = matches!(self.0.choice, HardwareChoice::Device { .. });
        self.open_within(kind, if named { NAMED_LIMIT } else { OPEN_LIMIT }, control)
    }

    /// Whether something on a device works (`cuda:0 h264_nvenc`), tried once for all jobs.
    pub(crate) fn try_once(&self, what: &str, attempt: impl FnOnce() -> Result<()>) -> bool {
        if let Some(outcome) = lock(&self.0.tried).get(what) {
            return outcome.is_none();
        }
        // Not under the lock: a driver may hang, and others ask.
        let outcome = attempt().err().map(|error| Refusal::from(error).to_string());
        lock(&self.0.tried).entry(what.to_owned()).or_insert(outcome).is_none()
    }

    /// The device of this kind as people know it, such as `cuda:0`.
    pub(crate) fn label(&self, kind: DeviceKind) -> String {
        let index = match self.0.choice {
            HardwareChoice::Device { index, .. } => index,
            _ => 0,
        };
        format!("{kind}:{index}")
    }

    fn open_within(&self, kind: DeviceKind, limit: Duration, control: &Control) -> Result<Device> {
        self.outcome(kind, limit, control).map_err(|refusal| {
            let message = format!("the device {} can't be had: {}", self.label(kind), refusal.message);
            let error = Error::new(ErrorKind::Hardware, message)
                .with_setting("hardware")
                .advise("choose auto or none to go on in software")
                .with_log(refusal.log);
            match refusal.code {
                Some(code) => error.with_code(code),
                None => error,
            }
        })
    }

    fn outcome(&self, kind: DeviceKind, limit: Duration, control: &Control) -> Outcome {
        let index = match self.0.choice {
            HardwareChoice::Auto => 0,
            HardwareChoice::Device { kind: only, index } if only == kind => index,
            choice => return Err(Refusal::new(format!("the choice of hardware is {choice}"))),
        };
        let slot = lock(&self.0.slots).entry(kind).or_default().clone();
        let auto = self.0.choice == HardwareChoice::Auto;
        slot.wait(limit, control, move || {
            // On a thread of its own.
            let device = crate::av::log::ours(|| Device::by_index(kind, index))?;
            match device.description() {
                // OpenCL's filters are only used where somebody names them.
                Some((name, true)) if auto && kind != DeviceKind::OpenCl => Err(Error::new(
                    ErrorKind::Hardware,
                    format!("{name} is the processor in disguise; asked for by name it opens"),
                )),
                _ => Ok(device),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_never_fails_and_none_opens_nothing() {
        let auto = Hardware::auto();
        assert!(!auto.candidates().contains(&DeviceKind::OpenCl));
        auto.warm_up(OPEN_LIMIT).unwrap();
        let none = Hardware::none();
        assert!(none.candidates().is_empty());
        none.warm_up(OPEN_LIMIT).unwrap();
        assert!(none.refused().is_empty());
        let error = none.open(DeviceKind::OpenCl, &Control::default()).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Hardware);
        assert!(error.to_string().contains("the choice of hardware is none"), "{error}");
        let refuses = || Err(Error::new(ErrorKind::Hardware, "no encoder on this card"));
        assert!(!none.try_once("cuda:0 h264_nvenc", refuses));
        assert!(!none.try_once("cuda:0 h264_nvenc", || panic!("it was tried already")));
        assert!(none.try_once("cuda:0 hevc_nvenc", || Ok(())));
        assert_eq!(none.refused().len(), 1);
    }
}
