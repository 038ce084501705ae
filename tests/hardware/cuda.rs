//! NVIDIA's decoders: what they make of a stream is what software makes of it, whichever of both it was. On a
//! machine with a card: `AVROPE_REQUIRE_DEVICES=cuda cargo test --test hardware`.

use super::there;
use avrope::{
    Clip, Control, ErrorKind, Media, Report, Source, Transcode,
    hardware::{DeviceKind, Hardware},
    synth, transcode,
    transcode::{Transcoder, VideoCodec, VideoSettings},
};

/// A clip of one second, silent; None where this libav has no such encoder.
pub(super) fn clip(format: &str, encoder: &str, size: (u32, u32), pixels: &str) -> Option<Vec<u8>> {
    if !synth::has_encoder(encoder) {
        eprintln!("SKIPPED {encoder}: this libav has no such encoder");
        return None;
    }
    let video = synth::Video {
        encoder: encoder.into(),
        size,
        pixel_format: pixels.into(),
        bit_rate: Some(2_000_000),
        ..synth::Video::default()
    };
    let spec = synth::Spec {
        duration: 1.0,
        video: Some(video),
        audio: Vec::new(),
        format: Some(format.into()),
        ..synth::Spec::default()
    };
    let file = tempfile::NamedTempFile::new().unwrap();
    synth::to_file(&spec, file.path()).unwrap();
    Some(std::fs::read(file.path()).unwrap())
}

pub(super) fn video(encoder: &str) -> VideoSettings {
    VideoSettings::new().codec(VideoCodec::Encoder(encoder.into()))
}

pub(super) fn run(clip: &[u8], settings: Transcode, device: &str) -> avrope::Result<Clip> {
    let media = Media::open(Source::from_bytes(clip.to_vec()))?;
    transcode(&media, &settings.hardware(device.parse()?), &Control::default())
}

/// Encoded without loss (by `ffv1`, say), each picture's time, length and checksum in a line of text.
pub(super) fn sums(video: VideoSettings) -> Transcode {
    Transcode::new().format("framemd5").video(video)
}

fn same(clip: &[u8], settings: Transcode) -> Report {
    same_on("cuda", clip, settings)
}

/// The same pictures come out of the device's decoder and of software; what the report says.
pub(super) fn same_on(device: &str, clip: &[u8], settings: Transcode) -> Report {
    let software = run(clip, settings.clone(), "none").unwrap();
    let device = run(clip, settings, device).unwrap();
    assert_eq!(device.report.frames_encoded, software.report.frames_encoded);
    assert_eq!(device.report.decode_errors, software.report.decode_errors);
    assert!(device.rope.to_bytes().unwrap() == software.rope.to_bytes().unwrap(), "{:?}", device.report);
    device.report
}

fn decodes(report: &Report) -> bool {
    report.hardware.used.iter().any(|used| used == "cuda:0 decode")
}

/// Why the device did not decode.
fn refusal(report: &Report) -> Option<&str> {
    let refused = report.hardware.refused.iter().find(|refused| refused.device == "cuda:0 decode");
    refused.map(|refused| refused.reason.as_str())
}

#[test]
fn it_has_a_name() {
    if there(DeviceKind::Cuda) {
        let list = Hardware::list();
        let first = list.iter().find(|info| info.kind == DeviceKind::Cuda).unwrap();
        assert!(first.name.as_ref().is_some_and(|name| !name.is_empty()), "{first:?}");
    }
}

#[test]
fn its_pictures_are_those_of_software_with_as_many_threads_as_there_are() {
    if !there(DeviceKind::Cuda) {
        return;
    }
    for (format, encoder, size, pixels) in [
        ("mp4", "libx264", (640, 360), "yuv420p"),
        // Sides that its surfaces round up.
        ("mp4", "libx264", (322, 242), "yuv420p"),
        ("mp4", "libx265", (640, 360), "yuv420p"),
        ("mp4", "libx265", (640, 360), "yuv420p10le"),
        ("webm", "libvpx-vp9", (640, 360), "yuv420p"),
        ("webm", "libvpx", (640, 360), "yuv420p"),
        ("mp4", "libsvtav1", (640, 360), "yuv420p"),
    ] {
        if let Some(clip) = clip(format, encoder, size, pixels) {
            let report = same(&clip, sums(video("ffv1")));
            // Not all cards have AV1 (an H100 has not); then the usual decoder goes on.
            let lacks = refusal(&report).is_some_and(|why| why.contains("lacking required capabilities"));
            assert!(decodes(&report) || lacks, "{encoder} {size:?} {pixels}: {:?}", report.hardware);
            assert!(!lacks || encoder == "libsvtav1", "{encoder}: {:?}", report.hardware);
        }
    }
}

#[test]
fn a_stream_that_it_refuses_is_decoded_in_software_and_the_report_has_the_cause() {
    if !there(DeviceKind::Cuda) {
        return;
    }
    for (encoder, size, pixels, cause) in [
        ("libx264", (32, 32), "yuv420p", "not within range"),
        // Without chroma it comes out as noise.
        ("libx264", (640, 360), "gray", "without chroma"),
        ("libx264", (640, 360), "yuv444p", "not decoded on it without loss"),
        // Chroma would be taken from a line above it.
        ("mpeg2video", (640, 405), "yuv420p", "not decoded on it without loss"),
        ("libvpx-vp9", (320, 241), "yuv420p", "not decoded on it without loss"),
    ] {
        let report = same(&clip("matroska", encoder, size, pixels).unwrap(), sums(video("ffv1")));
        assert!(!decodes(&report), "{encoder} {size:?} {pixels}: {:?}", report.hardware);
        let why = refusal(&report).unwrap();
        assert!(why.contains(cause) && why.ends_with("decoded in software"), "{why}");
    }
}

#[test]
fn chroma_that_it_would_halve_is_decoded_in_software() {
    if !there(DeviceKind::Cuda) {
        return;
    }
    let clip = clip("mp4", "libx264", (640, 360), "yuv420p").unwrap();
    let to_jpeg = Transcode::new().format("matroska").video(video("mjpeg").pixel_format("yuvj422p"));
    let jpeg = run(&clip, to_jpeg, "none").unwrap().rope.to_bytes().unwrap();
    let report = same(&jpeg, sums(video("ffv1")));
    assert!(refusal(&report).is_some_and(|why| why.contains("without loss")), "{:?}", report.hardware);
}

#[test]
fn a_stream_may_change_and_be_refused_on_its_way() {
    if !there(DeviceKind::Cuda) {
        return;
    }
    let ts = |size, pixels| clip("mpegts", "libx264", size, pixels).unwrap();
    let first = ts((640, 360), "yuv420p");
    for (second, is_refused) in
        [(first.clone(), false), (ts((320, 180), "yuv420p"), false), (ts((640, 360), "yuv444p"), true)]
    {
        // The parts are one second each, and so is the step between their times, which begin anew.
        let joined = [&first[..], &second[..]].concat();
        let report = same(&joined, sums(video("ffv1")));
        assert!(decodes(&report), "{:?}", report.hardware);
        assert_eq!(refusal(&report).is_some(), is_refused, "{:?}", report.hardware);
    }
}

#[test]
fn what_software_does_behind_it_is_what_software_does_by_itself() {
    if !there(DeviceKind::Cuda) {
        return;
    }
    let clip = clip("mp4", "libx264", (640, 360), "yuv420p").unwrap();
    for settings in [
        // All formats are its own: it gets the source's, not the device's.
        sums(video("rawvideo")),
        // It wants the full range.
        sums(video("mjpeg")),
        sums(video("ffv1").filter("hue=s=0")),
        // A graph may begin with what the source has in memory.
        sums(video("ffv1").filter("hwupload_cuda,scale_cuda=320:180,hwdownload,format=yuv420p")),
        // Scaled where it is the same on every machine.
        sums(video("ffv1").size(320, 180)).bit_exact(true),
    ] {
        let report = same(&clip, settings);
        assert!(decodes(&report), "{:?}", report.hardware);
    }
}

#[test]
fn it_scales_to_sides_that_an_encoder_takes() {
    if !there(DeviceKind::Cuda) {
        return;
    }
    let clip = clip("mp4", "libx264", (640, 360), "yuv420p").unwrap();
    let media = Media::open(Source::from_bytes(clip)).unwrap();
    // H.264 of 4:2:0 has no odd sides.
    let video = video("libx264").size(321, 0);
    let settings = Transcode::new().format("mp4").video(video).hardware("cuda".parse().unwrap());
    let done = transcode(&media, &settings, &Control::default()).unwrap();
    assert!(decodes(&done.report), "{:?}", done.report.hardware);
    let media = Media::open(Source::from_bytes(done.rope.to_bytes().unwrap())).unwrap();
    let made = &media.info().streams[0];
    assert_eq!((made.width, made.height), (Some(320), Some(180)));
}

/// That is done in memory, and so the same.
#[test]
fn one_side_alone_gets_shorter() {
    if !there(DeviceKind::Cuda) {
        return;
    }
    for (from, to) in [((320, 240), (320, 180)), ((640, 360), (640, 180)), ((640, 360), (320, 360))] {
        let clip = clip("mp4", "libx264", from, "yuv420p").unwrap();
        let report = same(&clip, sums(video("ffv1").size(to.0, to.1)));
        assert!(decodes(&report), "{:?}", report.hardware);
    }
}

#[test]
fn columns_that_are_cropped_in_front_of_a_picture_are_not_shown() {
    use super::common::{ffmpeg, has_oracle};
    if !there(DeviceKind::Cuda) || !has_oracle("columns_that_are_cropped…") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (whole, cropped) = (dir.path().join("whole.mp4"), dir.path().join("cropped.mp4"));
    std::fs::write(&whole, clip("mp4", "libx264", (640, 360), "yuv420p").unwrap()).unwrap();
    let (from, to) = (whole.to_str().unwrap(), cropped.to_str().unwrap());
    ffmpeg(&["-i", from, "-c", "copy", "-bsf:v", "h264_metadata=crop_left=64:crop_top=8", to]);
    let report = same(&std::fs::read(&cropped).unwrap(), sums(video("ffv1")));
    assert!(decodes(&report), "{:?}", report.hardware);
}

#[test]
fn many_jobs_share_it() {
    if !there(DeviceKind::Cuda) {
        return;
    }
    let clip = clip("mp4", "libx264", (640, 360), "yuv420p").unwrap();
    let expected = run(&clip, sums(video("ffv1")), "none").unwrap().rope.to_bytes().unwrap();
    let hardware = Hardware::device(DeviceKind::Cuda, 0);
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                let media = Media::open(Source::from_bytes(clip.clone())).unwrap();
                let settings = sums(video("ffv1"));
                let job = Transcoder::new(&media, &settings).hardware(&hardware);
                let done = job.job().to_rope(&Control::default()).unwrap();
                assert!(decodes(&done.report), "{:?}", done.report.hardware);
                assert!(done.rope.to_bytes().unwrap() == expected);
            });
        }
    });
}

/// On any machine whose device has no encoder, or that has no device.
#[test]
fn an_encoder_of_the_device_that_is_named_and_not_there_is_an_error_of_the_hardware() {
    avrope::log::capture();
    if !synth::has_encoder("h264_nvenc") {
        return eprintln!("SKIPPED, this libav has no h264_nvenc");
    }
    let clip = clip("mp4", "libx264", (320, 180), "yuv420p").unwrap();
    match run(&clip, Transcode::new().format("mp4").video(video("h264_nvenc")), "none") {
        Ok(_) => eprintln!("SKIPPED, there is an NVENC"),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Hardware, "{error}");
            assert!(error.to_string().contains("Named by its codec (h264)"), "{error}");
        }
    }
}

#[test]
fn damage_that_is_to_be_counted_is_looked_for_in_software() {
    if !there(DeviceKind::Cuda) {
        return;
    }
    let clip = clip("mpegts", "libx264", (640, 360), "yuv420p").unwrap();
    let report = run(&clip, sums(video("ffv1")).max_decode_errors(0), "cuda").unwrap().report;
    assert!(!decodes(&report) && refusal(&report).unwrap().contains("damage"), "{:?}", report.hardware);
}
