//! Devices: the listing, errors for what is not there, and devices that any machine can have: OpenCL on the
//! processor (PoCL) and Vulkan on the processor (lavapipe). `sh vendor-notes/setup.sh --with-test-devices`
//! installs both; AVROPE_REQUIRE_DEVICES names those (`opencl,vulkan`) whose absence is a failure.

mod common;
#[path = "hardware/cuda.rs"]
mod cuda;
#[path = "hardware/vulkan.rs"]
mod vulkan;

use avrope::{
    ErrorKind,
    hardware::{DeviceInfo, DeviceKind, Hardware, HardwareChoice},
};
use std::time::Duration;

fn required(kind: DeviceKind) -> bool {
    let required = std::env::var("AVROPE_REQUIRE_DEVICES").unwrap_or_default();
    required.split(',').any(|name| name.trim() == kind.name())
}

/// Whether the device is there; an absent one is a failure where it is required, and said aloud where not.
fn there(kind: DeviceKind) -> bool {
    avrope::log::capture();
    match Hardware::device(kind, 0).warm_up(Duration::from_secs(20)) {
        Ok(()) => true,
        Err(error) if required(kind) => panic!("AVROPE_REQUIRE_DEVICES names {kind}: {error}"),
        Err(error) => {
            eprintln!("SKIPPED, no {kind} device: {error}");
            false
        }
    }
}

fn listed(kind: DeviceKind) -> Vec<DeviceInfo> {
    Hardware::list().into_iter().filter(|info| info.kind == kind).collect()
}

#[test]
fn required_devices_are_kinds_of_devices() {
    for name in std::env::var("AVROPE_REQUIRE_DEVICES").unwrap_or_default().split(',') {
        assert!(
            name.trim().is_empty() || name.trim().parse::<DeviceKind>().is_ok(),
            "'{name}' is no kind of device"
        );
    }
}

#[test]
fn required_devices_open() {
    for kind in DeviceKind::ALL {
        if required(kind) {
            assert!(there(kind));
        }
    }
}

#[test]
fn the_listing_has_devices_or_reasons() {
    avrope::log::capture();
    let list = Hardware::list();
    for info in &list {
        assert_eq!(info.opened, info.reason.is_none(), "{info:?}");
        assert!(info.opened || (info.index == 0 && !info.reason.as_ref().unwrap().is_empty()), "{info:?}");
        if info.kind == DeviceKind::OpenCl {
            assert!(info.encoders.is_empty());
        }
    }
    let mut order: Vec<_> = list.iter().map(|info| (info.kind, info.index)).collect();
    order.sort();
    order.dedup();
    assert_eq!(order.len(), list.len(), "no device twice");
}

#[test]
fn a_named_device_that_is_not_there_is_an_error_with_a_cause() {
    for kind in DeviceKind::ALL {
        // No machine has this many.
        for (index, cause) in [(15, None), (999, Some("no device with index 999"))] {
            let error = Hardware::device(kind, index).warm_up(Duration::from_millis(900)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Hardware);
            let text = error.to_string();
            assert!(text.starts_with(&format!("the device {kind}:{index} can't be had: ")), "{text}");
            let unknown = text.contains("knows no");
            assert!(cause.is_none_or(|cause| unknown || text.contains(cause)), "{text}");
        }
    }
}

#[test]
#[cfg(target_os = "linux")]
fn cuda_without_its_driver_names_the_library() {
    let error = match Hardware::device(DeviceKind::Cuda, 0).warm_up(Duration::from_millis(900)) {
        Err(error) => error.to_string(),
        Ok(()) => return eprintln!("SKIPPED, there is a CUDA device"),
    };
    let driver = std::path::Path::new("/proc/driver/nvidia").exists();
    assert!(driver || error.contains("Cannot load libcuda.so.1") || error.contains("knows no"), "{error}");
}

#[test]
fn auto_never_fails_and_says_why_it_has_nothing() {
    avrope::log::capture();
    let hardware = Hardware::auto();
    hardware.warm_up(Duration::from_secs(5)).unwrap();
    for refused in hardware.refused() {
        assert!(!refused.reason.is_empty() && refused.device.ends_with(":0"), "{refused:?}");
        assert!(!refused.device.starts_with("opencl"), "OpenCL only filters");
    }
}

#[test]
fn clones_share_one_outcome_between_threads() {
    let hardware = Hardware::device(DeviceKind::OpenCl, 0);
    let answers: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let hardware = hardware.clone();
                scope.spawn(move || hardware.warm_up(Duration::from_secs(20)).map_err(|e| e.to_string()))
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    assert_eq!(hardware.refused().len(), usize::from(answers[0].is_err()));
    assert_eq!(hardware.choice(), "opencl".parse::<HardwareChoice>().unwrap());
}

#[test]
fn opencl_opens_on_the_processor_too() {
    if there(DeviceKind::OpenCl) {
        let devices = listed(DeviceKind::OpenCl);
        assert!(devices[0].opened && devices[0].filters.iter().any(|name| name == "avgblur_opencl"));
        assert!(devices.iter().all(|info| info.name.as_ref().is_some_and(|name| !name.is_empty())));
    }
}

#[test]
fn vulkan_on_the_processor_opens_by_name_only() {
    if !there(DeviceKind::Vulkan) {
        return;
    }
    let devices = listed(DeviceKind::Vulkan);
    let first = &devices[0];
    assert!(first.name.as_ref().is_some_and(|name| !name.is_empty()), "{first:?}");
    assert!(first.filters.iter().any(|name| name == "scale_vulkan"));
    if first.name.as_ref().unwrap().contains("llvmpipe") {
        assert!(first.software);
        let auto = Hardware::auto();
        auto.warm_up(Duration::from_secs(20)).unwrap();
        let refused = auto.refused();
        // A better device before it ends the search.
        if let Some(vulkan) = refused.iter().find(|refused| refused.device == "vulkan:0") {
            assert!(vulkan.reason.contains("processor in disguise"), "{vulkan:?}");
        } else {
            assert!(Hardware::list().iter().any(|info| info.opened && info.kind < DeviceKind::Vulkan));
        }
    }
}

#[cfg(feature = "cli")]
#[test]
fn the_command_lists_them() {
    let run = |args: &[&str]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_avrope")).args(args).output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let json: serde_json::Value = serde_json::from_str(&run(&["hardware", "--json"])).unwrap();
    let devices: Vec<DeviceInfo> = serde_json::from_value(json["devices"].clone()).unwrap();
    assert_eq!(json["libav"], avrope::libav_version());
    let text = run(&["hardware"]);
    for info in devices {
        let label = format!("{}:{}", info.kind, info.index);
        assert!(text.lines().any(|line| line.starts_with(&label)), "{label} is not in {text}");
    }
}

#[test]
fn devices_open_and_close_on_many_threads() {
    for kind in [DeviceKind::OpenCl, DeviceKind::Vulkan] {
        if there(kind) {
            std::thread::scope(|scope| {
                // More than the 29 times that NVIDIA's driver for Vulkan can be loaded. Who waits for its
                // turn must have it within 10 s, also in the other tests.
                for _ in 0..4 {
                    scope.spawn(|| {
                        for _ in 0..8 {
                            Hardware::device(kind, 0).warm_up(Duration::from_secs(30)).unwrap();
                        }
                    });
                }
            });
        }
    }
}

/// Upload, a filter on the device, download, and back into an encoder: what the picture shows is what the
/// same filter shows in memory, more or less.
fn filters_on(device: &str, filter: &str) {
    use avrope::{
        Control, Media, Source, Transcode, synth, transcode,
        transcode::{VideoCodec, VideoSettings},
    };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("in.mp4");
    let clip = synth::Spec { duration: 1.0, ..synth::Spec::default() };
    synth::to_file(&clip, &path).unwrap();
    let media = Media::open(Source::open(&path).unwrap()).unwrap();
    let video = VideoSettings::new().codec(VideoCodec::Mpeg4).filter(filter);
    let settings = Transcode::new().format("mp4").video(video).hardware(device.parse().unwrap());
    let done = transcode(&media, &settings, &Control::default()).unwrap();
    assert!(done.report.frames_encoded > 20);
    assert!(
        done.report.hardware.used.iter().any(|used| used.ends_with("filter")),
        "{:?}",
        done.report.hardware
    );
}

/// An encoder is opened for one size.
#[test]
fn pictures_that_go_to_their_encoder_on_a_device_may_change_their_size() {
    use avrope::{
        Control, Media, Source, Transcode, synth, transcode,
        transcode::{VideoCodec, VideoSettings},
    };
    if !there(DeviceKind::OpenCl) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let part = |size| {
        let path = dir.path().join("part.ts");
        let video = Some(synth::Video { size, ..synth::Video::default() });
        let spec = synth::Spec { duration: 1.0, video, audio: Vec::new(), ..synth::Spec::default() };
        synth::to_file(&spec, &path).unwrap();
        std::fs::read(&path).unwrap()
    };
    let source = [part((320, 180)), part((160, 90)), part((320, 180))].concat();
    let media = Media::open(Source::from_bytes(source)).unwrap();
    // It hands on what it is given; no encoder of libav's takes OpenCL's pictures.
    let video = VideoSettings::new().codec(VideoCodec::Encoder("wrapped_avframe".into()));
    let video = video.filter("format=yuv420p,hwupload,avgblur_opencl");
    let settings = Transcode::new().format("framecrc").video(video).hardware("opencl".parse().unwrap());
    let done = transcode(&media, &settings, &Control::default()).unwrap();
    assert_eq!((done.report.frames_decoded, done.report.frames_encoded), (90, 90), "{:?}", done.report);
}

#[test]
fn opencl_filters_between_upload_and_download() {
    if there(DeviceKind::OpenCl) {
        // PoCL 7 takes no pictures of several planes.
        filters_on("opencl", "format=bgra,hwupload,avgblur_opencl,hwdownload,format=bgra");
    }
}

#[test]
fn vulkan_filters_between_upload_and_download() {
    if there(DeviceKind::Vulkan) {
        filters_on("vulkan", "format=nv12,hwupload,gblur_vulkan,hwdownload,format=nv12");
    }
}

#[test]
fn a_named_device_that_did_nothing_is_told_of() {
    use avrope::{
        Control, Media, Source, Transcode, synth, transcode,
        transcode::{VideoCodec, VideoSettings},
    };
    if !there(DeviceKind::OpenCl) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("in.mp4");
    synth::to_file(&synth::Spec { duration: 1.0, ..synth::Spec::default() }, &path).unwrap();
    let media = Media::open(Source::open(&path).unwrap()).unwrap();
    let video = VideoSettings::new().codec(VideoCodec::Mpeg4).size(160, 90);
    // OpenCL neither decodes nor encodes, and scales nothing by itself.
    let settings = Transcode::new().format("mp4").video(video).hardware("opencl".parse().unwrap());
    let report = transcode(&media, &settings, &Control::default()).unwrap().report;
    assert!(report.hardware.used.is_empty());
    assert!(report.hardware.refused.iter().any(|refused| refused.device == "opencl:0"), "{report:?}");
    assert!(report.warnings.iter().any(|w| w.contains("opencl:0 did nothing")), "{:?}", report.warnings);
}
