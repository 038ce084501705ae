//! Pictures are brought into what their encoder was opened for: the source's size may change, a decoder may
//! go on in software where a device refuses its stream, and the next range's may begin on the device.

use crate::{
    DeviceKind,
    av::{device, frame::Form},
};

#[cfg(test)]
mod tests;

/// Adds to the filters behind a graph what makes of its pictures those that are wanted.
pub(super) fn bring(
    tail: &mut Vec<(&'static str, String)>,
    from: &Form,
    to: &Form,
    device: Option<DeviceKind>,
) {
    let format = |form: &Form| ("format", form.format.clone());
    let is_sized = (from.width, from.height) == (to.width, to.height);
    let scale = (!is_sized).then(|| ("scale", format!("{}:{}", to.width, to.height)));
    if !from.on_device {
        tail.splice(0..0, scale);
        tail.push(format(to));
    } else if let Some(upload) = tail.iter().position(|(name, _)| *name == "hwupload") {
        // What is in front of it is in memory.
        tail.insert(upload, format(to));
        tail.splice(0..0, scale);
        return;
    } else if let Some(scaler) = device.filter(|_| to.on_device).and_then(|kind| scaler(kind, from, to)) {
        tail.push(scaler);
        return;
    } else {
        tail.extend([("hwdownload", String::new()), format(from)].into_iter().chain(scale));
        tail.push(format(to));
    }
    if to.on_device {
        tail.push(("hwupload", String::new()));
    }
}

/// The device's own filter for it.
fn scaler(kind: DeviceKind, from: &Form, to: &Form) -> Option<(&'static str, String)> {
    let name = kind.scaler().filter(|name| device::has_filter(name))?;
    let mut text = format!("{}:{}", to.width, to.height);
    // `scale_cuda` makes nothing of pictures of which one side alone gets shorter (FFmpeg 9.0).
    if (from.width == to.width) != (from.height == to.height) {
        return None;
    }
    // Devices scale odd sides badly.
    if !(to.width.is_multiple_of(2) && to.height.is_multiple_of(2)) {
        return None;
    }
    if from.format != to.format {
        // macOS' filter leaves the format as it is.
        if kind == DeviceKind::VideoToolbox {
            return None;
        }
        text += &format!(":format={}", to.format);
    }
    Some((name, text))
}
