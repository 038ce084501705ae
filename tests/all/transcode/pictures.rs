//! What becomes of pictures: their colours' range, the way up, what is said of their light, and how long each
//! is shown.

use crate::common::{self, ffmpeg, made, made_by_ffmpeg, open, save};
use avrope::{
    Control, Source, Timestamp, Transcode, join_with_transition, synth,
    transcode::{
        AudioCodec, AudioFilter, AudioSettings, Fit, Overlay, Position, Transcoder, Transition, VideoCodec,
        VideoFilter, VideoSettings,
    },
};
use std::path::{Path, PathBuf};

fn video(codec: VideoCodec) -> VideoSettings {
    VideoSettings::new().codec(codec)
}

/// What ffprobe says of the first video stream.
fn stream(path: &Path) -> serde_json::Value {
    common::ffprobe(path, &["-show_streams", "-select_streams", "v:0"])["streams"][0].clone()
}

fn hashes(path: &Path, options: &[&str]) -> Vec<String> {
    common::frames_with(path, "0:v:0", options).into_iter().map(|frame| frame.hash).collect()
}

/// A second of 4:2:0 in H.264, of the limited range, as cameras and films have it.
fn pictures() -> PathBuf {
    let source = ["-f", "lavfi", "-i", "testsrc2=s=96x64:r=10:d=1"];
    let rest = ["-pix_fmt", "yuv420p", "-c:v", "libx264", "-threads", "1", "-bf", "2"];
    made_by_ffmpeg("pictures.mp4", &[&source[..], &rest].concat())
}

// ---- pixel formats and the range of colours

#[test]
fn mjpeg_is_ffmpegs() {
    oracle!("MJPEG");
    let (source, folder) = (pictures(), tempfile::tempdir().unwrap());
    let flags = ["-flags", "+bitexact", "-sws_flags", "bicubic+accurate_rnd+bitexact", "-threads", "1"];
    for container in ["mkv", "avi", "mov"] {
        let settings = Transcode::new().video(video(VideoCodec::Mjpeg).bit_rate(2_000_000));
        let ours =
            made(&source, &settings.bit_exact(true).threads(1), folder.path(), &format!("ours.{container}"));
        let theirs = folder.path().join(format!("theirs.{container}"));
        let input = ["-i", source.to_str().unwrap(), "-c:v", "mjpeg", "-b:v", "2M"];
        ffmpeg(&[&input[..], &flags, &[theirs.to_str().unwrap()]].concat());
        let (found, due) = (hashes(&ours, &[]), hashes(&theirs, &[]));
        assert_eq!(due.len(), 10, "{container}");
        assert_eq!(found, due, "{container}");
        for path in [&ours, &theirs] {
            let stream = stream(path);
            assert_eq!((&stream["pix_fmt"], &stream["color_range"]), (&"yuvj420p".into(), &"pc".into()));
        }
    }
}

#[test]
fn lossless_jpeg_has_the_full_range() {
    oracle!("lossless JPEG");
    let (source, folder) = (pictures(), tempfile::tempdir().unwrap());
    let settings = Transcode::new().video(video(VideoCodec::Encoder("ljpeg".into()))).bit_exact(true);
    let out = made(&source, &settings, folder.path(), "out.mkv");
    let exact = ["-pix_fmt", "yuvj420p", "-sws_flags", "bicubic+accurate_rnd+bitexact"];
    assert_eq!(hashes(&out, &[]), hashes(&source, &exact));
    assert_eq!(stream(&out)["pix_fmt"], "yuvj420p");
}

#[test]
fn every_codec_takes_ordinary_pictures() {
    oracle!("codecs");
    let (source, folder) = (pictures(), tempfile::tempdir().unwrap());
    let due = hashes(&source, &["-pix_fmt", "gray", "-sws_flags", "neighbor"]).len();
    for (codec, encoder, name, profile) in [
        ("h264", "libx264", "a.mp4", "yuv420p"),
        ("hevc", "libx265", "a.mp4", "yuv420p"),
        ("av1", "libsvtav1", "a.mkv", "yuv420p"),
        ("vp9", "libvpx-vp9", "a.webm", "yuv420p"),
        ("mpeg4", "mpeg4", "a.mp4", "yuv420p"),
        ("mjpeg", "mjpeg", "a.mov", "yuvj420p"),
        ("prores", "prores_ks", "a.mov", "yuv422p10le"),
        ("ffv1", "ffv1", "a.mkv", "yuv420p"),
        ("gif", "gif", "a.gif", "bgra"),
    ] {
        if !synth::has_encoder(encoder) {
            eprintln!("SKIPPED: {codec}: this libav has no encoder {encoder}");
            continue;
        }
        let out = made(&source, &Transcode::new().video(video(codec.into())), folder.path(), name);
        let found = stream(&out);
        assert_eq!((&found["codec_name"], &found["pix_fmt"]), (&codec.into(), &profile.into()), "{codec}");
        assert_eq!(hashes(&out, &[]).len(), due, "{codec}");
    }
}

// ---- transitions

#[test]
fn a_transition_keeps_the_pixel_format() {
    oracle!("pixel format of transitions");
    let folder = tempfile::tempdir().unwrap();
    let source = pictures();
    let parts = [(); 3].map(|()| Source::open(&source).unwrap());
    let fade = Transition::new("fade", std::time::Duration::from_secs_f64(0.3));
    for (asked, due, profile) in
        [(None, "yuv420p", "High"), (Some("yuv444p"), "yuv444p", "High 4:4:4 Predictive")]
    {
        let mut settings = video(VideoCodec::H264);
        if let Some(format) = asked {
            settings = settings.pixel_format(format);
        }
        let clip =
            join_with_transition(&parts, &fade, &Transcode::new().video(settings), &Control::default())
                .unwrap();
        let found = stream(&save(&clip, folder.path(), "joined.mp4"));
        assert_eq!((&found["pix_fmt"], &found["profile"]), (&due.into(), &profile.into()));
        assert_eq!(found["nb_frames"], "24");
    }
}

// ---- display matrices

/// The same pictures, to be shown through a display matrix: a, b, c and d of ISO/IEC 14496-12, 8.3.2.
fn shown_through(matrix: [i32; 4]) -> PathBuf {
    let source = pictures();
    common::cached("shown-through.mp4", &format!("{matrix:?}"), |path| {
        let mut file = std::fs::read(&source).unwrap();
        let tkhd = file.windows(4).position(|name| name == b"tkhd").unwrap();
        let [a, b, c, d] = matrix.map(|n| n << 16);
        let matrix = [a, b, 0, c, d, 0, 0, 0, 1 << 30];
        // Behind the name: version and flags, times, number, layer and volume.
        for (to, value) in file[tkhd + 4 + 40..].chunks_exact_mut(4).zip(matrix) {
            to.copy_from_slice(&value.to_be_bytes());
        }
        std::fs::write(path, file).unwrap();
    })
}

const MATRICES: [(&str, [i32; 4]); 7] = [
    ("hflip", [-1, 0, 0, 1]),
    ("vflip", [1, 0, 0, -1]),
    ("hflip,vflip", [-1, 0, 0, -1]),
    ("transpose=clock", [0, 1, -1, 0]),
    ("transpose=cclock", [0, -1, 1, 0]),
    ("transpose=cclock_flip", [0, 1, 1, 0]),
    ("transpose=clock_flip", [0, -1, -1, 0]),
];

#[test]
fn every_display_matrix_is_followed() {
    oracle!("display matrices");
    let folder = tempfile::tempdir().unwrap();
    let plain = pictures();
    let lossless = Transcode::new().video(video(VideoCodec::Ffv1));
    for (filter, matrix) in MATRICES {
        let source = shown_through(matrix);
        let out = made(&source, &lossless, folder.path(), "out.mkv");
        let found = hashes(&out, &[]);
        assert_eq!(found, hashes(&source, &[]), "{filter}: as ffmpeg turns it");
        assert_eq!(found, hashes(&plain, &["-vf", filter]), "{filter}");
        // Where nothing else is done, MP4 says how the picture is to be turned.
        let kept =
            made(&source, &Transcode::new().video(video(VideoCodec::Mpeg4)), folder.path(), "kept.mp4");
        let words = |path: &Path| stream(path)["side_data_list"][0]["displaymatrix"].clone();
        assert_eq!(words(&kept), words(&source), "{filter}");
        let size = |path: &Path| (stream(path)["width"].clone(), stream(path)["height"].clone());
        assert_eq!(size(&kept), size(&plain), "{filter}");
    }
}

// ---- what is done to a picture is done to what is seen

#[test]
fn a_turned_picture_is_upright_before_anything_is_done_to_it() {
    oracle!("filters of turned pictures");
    let folder = tempfile::tempdir().unwrap();
    let source = shown_through([0, 1, -1, 0]);
    let exact = ["-sws_flags", "bicubic+accurate_rnd+bitexact"];
    // Lossless.
    let plain = || video(VideoCodec::H264).option("qp", "0");
    let fit = "scale=64:64:force_original_aspect_ratio=decrease:force_divisible_by=2";
    let pad = format!("{fit},pad=64:64:(ow-iw)/2:(oh-ih)/2,setsar=1");
    let crop = VideoFilter::Crop { x: 8, y: 4, width: 40, height: 80 };
    let cases = [
        ("size", plain().size(32, 48), "scale=32:48"),
        ("one side", plain().size(32, 0), "scale=32:-2"),
        ("pad", plain().size(64, 64).fit(Fit::Pad), pad.as_str()),
        ("crop", plain().apply(crop), "crop=40:80:8:4"),
        ("mirror", plain().apply(VideoFilter::Flip { horizontal: true }), "hflip"),
        (
            "graph",
            plain().apply(VideoFilter::Graph("drawbox=0:0:9:5:red:fill".into())),
            "drawbox=0:0:9:5:red:fill",
        ),
        ("filter", plain().filter("drawbox=0:0:9:5:red:fill"), "drawbox=0:0:9:5:red:fill"),
    ];
    for (name, settings, filter) in cases {
        let settings = Transcode::new().video(settings).bit_exact(true);
        let out = made(&source, &settings, folder.path(), "out.mp4");
        assert!(stream(&out)["side_data_list"].is_null(), "{name}: {}", stream(&out));
        let due = hashes(&source, &[&["-vf", filter][..], &exact].concat());
        assert_eq!(hashes(&out, &[]), due, "{name}");
        assert_eq!(stream(&out)["sample_aspect_ratio"].as_str().unwrap_or("1:1"), "1:1", "{name}");
    }
    // A watermark, too.
    let mark = made_by_ffmpeg("mark.png", &["-f", "lavfi", "-i", "color=red:s=10x6", "-frames:v", "1"]);
    let (media, settings) = (open(&source), Transcode::new().video(plain()).format("mp4"));
    let overlay = Overlay::new().position(Position::TopLeft).margin(0);
    let job = Transcoder::new(&media, &settings).watermark(Source::open(&mark).unwrap(), overlay).unwrap();
    let out = save(&job.run(&Control::default()).unwrap(), folder.path(), "marked.mp4");
    let found = stream(&out);
    assert_eq!((&found["width"], &found["height"]), (&64.into(), &96.into()));
    assert!(found["side_data_list"].is_null());
    // A fade does not care which side is up.
    let fade = VideoFilter::FadeIn { from: Timestamp::ZERO, duration: std::time::Duration::from_millis(300) };
    let out = made(&source, &Transcode::new().video(plain().apply(fade)), folder.path(), "out.mp4");
    assert_eq!((&stream(&out)["width"], stream(&out)["side_data_list"].is_null()), (&96.into(), false));
}

// ---- light

/// HEVC that says beside its pictures what display they were mastered on, in a container that does not.
fn mastered(name: &str) -> PathBuf {
    let light = "log-level=error:master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1):\
                 max-cll=1000,400";
    let source = ["-f", "lavfi", "-i", "testsrc2=s=96x64:r=10:d=0.5", "-pix_fmt", "yuv420p10le"];
    let coded = ["-c:v", "libx265", "-preset", "ultrafast", "-x265-params", light];
    let color = ["-color_primaries", "bt2020", "-color_trc", "smpte2084", "-colorspace", "bt2020nc"];
    made_by_ffmpeg(name, &[&source[..], &coded, &color].concat())
}

/// What a list of side data says of light.
fn light(list: &serde_json::Value) -> Vec<String> {
    let keys = ["red_x", "green_y", "blue_x", "white_point_y", "min_luminance", "max_luminance"];
    let value = |text: &str| {
        let (num, den) = text.split_once('/').unwrap();
        format!("{:.4}", num.parse::<f64>().unwrap() / den.parse::<f64>().unwrap())
    };
    let mut found = Vec::new();
    for entry in list.as_array().into_iter().flatten() {
        match entry["side_data_type"].as_str().unwrap() {
            "Mastering display metadata" => {
                found.extend(keys.map(|key| format!("{key} {}", value(entry[key].as_str().unwrap()))));
            }
            "Content light level metadata" => {
                found.push(format!("light {} {}", entry["max_content"], entry["max_average"]));
            }
            _ => {}
        }
    }
    found.sort();
    found
}

#[test]
fn what_is_said_beside_the_pictures_of_their_light_survives() {
    oracle!("HDR beside pictures");
    if !synth::has_encoder("libx265") {
        eprintln!("SKIPPED: this libav has no libx265");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let source = mastered("mastered.hevc");
    let due = [
        "blue_x 0.1500",
        "green_y 0.6900",
        "light 1000 400",
        "max_luminance 1000.0000",
        "min_luminance 0.0001",
        "red_x 0.6800",
        "white_point_y 0.3290",
    ];
    for (encoder, name) in [
        ("libx265", "a.mp4"),
        ("libx265", "a.mkv"),
        ("libx264", "a.mp4"),
        ("libx264", "a.mkv"),
        ("libsvtav1", "a.mp4"),
        ("libvpx-vp9", "a.mkv"),
        ("prores_ks", "a.mov"),
    ] {
        if !synth::has_encoder(encoder) {
            eprintln!("SKIPPED: this libav has no {encoder}");
            continue;
        }
        let settings = video(VideoCodec::Encoder(encoder.into()));
        let out = made(&source, &Transcode::new().video(settings), folder.path(), name);
        assert_eq!(light(&stream(&out)["side_data_list"]), due, "{encoder}, {name}: of the track");
        // Without the container.
        let raw = match encoder {
            "libx265" => "raw.hevc",
            "libx264" => "raw.h264",
            "libsvtav1" => "raw.obu",
            _ => continue,
        };
        if encoder == "libx264" && common::lavf() < 60 {
            // Its decoder does not show them before FFmpeg 6.
            continue;
        }
        let raw = folder.path().join(raw);
        ffmpeg(&["-i", out.to_str().unwrap(), "-c", "copy", raw.to_str().unwrap()]);
        let frames = common::ffprobe(&raw, &["-show_frames", "-read_intervals", "%+#1"]);
        assert_eq!(light(&frames["frames"][0]["side_data_list"]), due, "{encoder}: of the first picture");
    }
    // What the caller says goes before it.
    let own = video(VideoCodec::Hevc).option("x265-params", "log-level=error:max-cll=77,33");
    let out = made(&source, &Transcode::new().video(own), folder.path(), "own.mp4");
    let raw = folder.path().join("own.hevc");
    ffmpeg(&["-i", out.to_str().unwrap(), "-c", "copy", raw.to_str().unwrap()]);
    let frames = common::ffprobe(&raw, &["-show_frames", "-read_intervals", "%+#1"]);
    let found = light(&frames["frames"][0]["side_data_list"]);
    assert!(common::lavf() >= 61 || found.contains(&"light 77 33".to_owned()), "{found:?}");
}

// ---- sound of many channels

#[test]
fn nine_channels_without_places_are_kept() {
    oracle!("nine channels");
    let folder = tempfile::tempdir().unwrap();
    let samples: Vec<u8> =
        (0..9 * 2 * 9000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let raw = folder.path().join("nine.raw");
    std::fs::write(&raw, &samples).unwrap();
    let source = folder.path().join("nine.wav");
    let (raw, path) = (raw.to_str().unwrap(), source.to_str().unwrap());
    ffmpeg(&["-f", "s16le", "-ar", "48000", "-ac", "9", "-i", raw, path]);
    let settings = AudioSettings::new().codec(AudioCodec::Pcm).apply(AudioFilter::Volume { db: 0.0 });
    for (name, settings) in
        [("out.wav", settings.clone()), ("out.mka", settings.clone()), ("asked.wav", settings.channels(9))]
    {
        let out = made(&source, &Transcode::new().audio(settings), folder.path(), name);
        assert_eq!(ffmpeg(&["-i", out.to_str().unwrap(), "-f", "s16le", "-"]).0, samples, "{name}");
    }
}

#[test]
fn opus_takes_the_side_channels_for_those_behind() {
    oracle!("Opus of 5.1(side)");
    if !synth::has_encoder("libopus") {
        eprintln!("SKIPPED: this libav has no libopus");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for (layout, channels, due) in
        [("5.1(side)", 6, "5.1"), ("5.0(side)", 5, "5.0"), ("5.1", 6, "5.1"), ("stereo", 2, "stereo")]
    {
        let tones: Vec<String> =
            (0..channels).map(|i| format!("sin({}*t)/{}", 2000 + i * 700, i + 4)).collect();
        let sound = format!("aevalsrc={}:s=48000:c={layout}:d=0.5", tones.join("|"));
        let source = made_by_ffmpeg(&format!("{layout}.wav"), &["-f", "lavfi", "-i", &sound]);
        let out = made(
            &source,
            &Transcode::new().audio(AudioSettings::new().codec(AudioCodec::Opus)),
            folder.path(),
            "out.mka",
        );
        let found = common::ffprobe(&out, &["-show_streams"])["streams"][0].clone();
        assert_eq!(
            (&found["channels"], &found["channel_layout"]),
            (&channels.into(), &due.into()),
            "{layout}"
        );
        // Each channel is where it was. (Of five, libav's own libopus lets some change places.)
        let sound = ffmpeg(&["-i", out.to_str().unwrap(), "-f", "f32le", "-"]).0;
        let samples: Vec<f32> =
            sound.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect();
        for i in [0, 1, 2, 4, 5].into_iter().filter(|_| channels == 6) {
            let own = samples.iter().skip(i).step_by(channels);
            let level = (own.clone().map(|s| s * s).sum::<f32>() / own.len() as f32).sqrt();
            let due = 1.0 / (i + 4) as f32 / 2_f32.sqrt();
            assert!((level / due - 1.0).abs() < 0.1, "{layout}: channel {i} at {level}, not {due}");
        }
    }
}

// ---- how long pictures last at another speed

#[test]
fn pictures_of_an_encoders_own_rates_last_as_long_as_they_should() {
    oracle!("durations");
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["-f", "lavfi", "-i", "testsrc2=s=96x64:r=25:d=2", "-c:v", "ffv1"];
    let source = made_by_ffmpeg("two-seconds.mkv", &arguments);
    for speed in [4.0, 0.3, 1.0] {
        let settings = video(VideoCodec::Encoder("mpeg2video".into()));
        let out = made(&source, &Transcode::new().video(settings).speed(speed), folder.path(), "out.mp4");
        let found = stream(&out);
        let number = |key: &str| found[key].as_str().unwrap().parse::<f64>().unwrap();
        let (frames, seconds) = (number("nb_frames"), number("duration"));
        assert!((frames - 50.0 / speed).abs() <= 1.0, "{speed}: {frames} frames");
        assert!((seconds - frames / 25.0).abs() < 0.002, "{speed}: {frames} frames in {seconds} s");
    }
}
