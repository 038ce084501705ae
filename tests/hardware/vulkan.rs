//! Vulkan's decoders, which libav has since FFmpeg 6.1 and only some cards have: what they make of a stream
//! is what software makes of it, whichever of both it was.

use super::{
    cuda::{clip, same_on, sums, video},
    there,
};
use avrope::{Report, hardware::DeviceKind};

/// Whether it was decoded on the device; where not, the report says why.
fn decodes(report: &Report) -> bool {
    let decodes = report.hardware.used.iter().any(|used| used == "vulkan:0 decode");
    if !decodes {
        let refused = &report.hardware.refused;
        assert!(refused.iter().any(|refused| refused.device.starts_with("vulkan:0")), "{report:?}");
        eprintln!("SKIPPED, it was decoded in software: {refused:?}");
    }
    decodes
}

#[test]
fn its_pictures_are_those_of_software() {
    if !there(DeviceKind::Vulkan) {
        return;
    }
    for (encoder, pixels) in
        [("libx264", "yuv420p"), ("libx265", "yuv420p"), ("libx265", "yuv420p10le"), ("libx264", "yuv444p")]
    {
        if let Some(clip) = clip("matroska", encoder, (640, 360), pixels) {
            decodes(&same_on("vulkan", &clip, sums(video("ffv1"))));
        }
    }
}

#[test]
fn they_are_scaled_as_those_of_software_are_and_may_change_on_their_way() {
    if !there(DeviceKind::Vulkan) {
        return;
    }
    // Its surfaces have lines below the picture: H.264 has 368 for these.
    let ts = |size| clip("mpegts", "libx264", size, "yuv420p").unwrap();
    let joined = [ts((640, 360)), ts((320, 240)), ts((640, 360))].concat();
    decodes(&same_on("vulkan", &joined, sums(video("ffv1"))));
    decodes(&same_on("vulkan", &joined, sums(video("ffv1").size(320, 180))));
}
