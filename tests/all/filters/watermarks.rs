//! Still pictures over the video.

use super::*;

#[test]
fn a_watermark_lies_where_and_when_it_should() {
    oracle!("watermark");
    let folder = tempfile::tempdir().unwrap();
    let logo = Frame::from_picture(Source::open(picture("logo.png", "red", "20x12")).unwrap()).unwrap();
    assert_eq!((logo.width(), logo.height()), (20, 12));
    let media = open(&clip());
    let run = |overlay: Overlay, settings: &Transcode, size| {
        let transcoder = Transcoder::new(&media, settings).watermark(&logo, overlay).unwrap();
        let made = transcoder.run(&Control::default()).unwrap();
        let path = save(&made, folder.path(), "out.mkv");
        assert_eq!(samples(&path).len(), 96_000);
        Pictures::of(&path, size)
    };
    let flat = Overlay::new().margin(0);
    for (position, corner) in [
        (Position::TopLeft, 0),
        (Position::TopRight, 1),
        (Position::BottomLeft, 2),
        (Position::BottomRight, 3),
    ] {
        let seen = run(flat.position(position), &filtered(&[]), SIZE);
        assert_eq!(seen.count(), 50);
        let mut wanted = ["blue", "green", "green", "green"];
        wanted[corner] = "red";
        for n in [0, 24, 49] {
            assert_eq!(seen.corners(n), wanted, "{position:?}, picture {n}");
        }
    }
    let centre = run(Overlay::new().position(Position::Center), &filtered(&[]), SIZE);
    assert_eq!((centre.at(0, 80, 48), centre.at(0, 95, 48)), ("red", "green"));
    let margin = run(Overlay::new().margin(10), &filtered(&[]), SIZE);
    assert_eq!([145, 155].map(|x| margin.at(0, x, 80)), ["red", "green"]);
    let at = run(Overlay::new().position(Position::At { x: 100, y: 60 }), &filtered(&[]), SIZE);
    assert_eq!([99, 100, 119, 120].map(|x| at.at(0, x, 66)), ["green", "red", "red", "green"]);
    // Half of green shines through red.
    let half = run(flat.opacity(0.5), &filtered(&[]), SIZE);
    let pixel = &half.picture(0)[(93 * 160 + 157) * 3..][..3];
    assert!(pixel[0].abs_diff(127) < 12 && pixel[1].abs_diff(96) < 12, "{pixel:?}");
    // From 0.4 s up to 1.2 s, on the clock of what comes out, at the size that comes out.
    let when = flat.during(TimeRange::secs(0.4, 1.2).unwrap());
    let settings = filtered(&[]).video(VideoSettings::new().codec(VideoCodec::Ffv1).size(80, 48));
    let timed = run(when, &settings, (80, 48));
    let seen = [9, 10, 29, 30].map(|n| timed.corners(n)[3]);
    assert_eq!(seen, ["green", "red", "red", "green"]);
    assert_eq!(timed.at(0, 57, 45), "green");
    assert_eq!((timed.at(20, 61, 37), timed.at(20, 58, 34)), ("red", "green"));
}

#[test]
fn watermarks_lie_over_each_other_and_do_not_change_times() {
    oracle!("two watermarks");
    let folder = tempfile::tempdir().unwrap();
    let media = open(&clip());
    let red = Frame::from_picture(Source::open(picture("logo.png", "red", "20x12")).unwrap()).unwrap();
    let white = Frame::from_picture(Source::open(picture("small.png", "white", "8x8")).unwrap()).unwrap();
    let flat = Overlay::new().margin(0);
    let video = VideoSettings::new().codec(VideoCodec::H264).frame_rate(Rational::new(25, 1).unwrap());
    let settings = Transcode::new().format("mp4").video(video).keep(TimeRange::secs(0.5, 1.5).unwrap());
    let transcoder = Transcoder::new(&media, &settings).watermark(&red, flat).unwrap();
    let made = transcoder.watermark(&white, flat).unwrap().run(&Control::default()).unwrap();
    let path = save(&made, folder.path(), "out.mp4");
    let seen = Pictures::of(&path, SIZE);
    assert_eq!((seen.count(), seen.corners(0)[3], seen.at(24, 145, 90)), (25, "white", "red"));
    let times: Vec<i64> =
        common::frames(&path, "0:v").iter().map(|frame| (frame.time * 1000.0).round() as i64).collect();
    assert_eq!(times, (0..25).map(|n| n * 40).collect::<Vec<_>>());
}

#[test]
fn a_watermark_may_be_a_single_pixel() {
    oracle!("watermark of a pixel");
    let folder = tempfile::tempdir().unwrap();
    let media = open(&clip());
    for name in ["pixel.png", "pixel.jpg", "pixel.bmp", "pixel.webp"] {
        if name.ends_with("webp") && !avrope::synth::has_encoder("libwebp") {
            common::skipped("no libwebp");
            continue;
        }
        let pixel = Frame::from_picture(Source::open(picture(name, "red", "1x1")).unwrap()).expect(name);
        assert_eq!((pixel.width(), pixel.height()), (1, 1), "{name}");
        let corner = Overlay::new().margin(0).position(Position::TopLeft);
        let transcoder = Transcoder::new(&media, &filtered(&[])).watermark(&pixel, corner).unwrap();
        let made = transcoder.run(&Control::default()).unwrap();
        let seen = Pictures::of(&save(&made, folder.path(), "out.mkv"), SIZE);
        assert_eq!([(0, 0), (4, 4)].map(|(x, y)| seen.at(0, x, y)), ["red", "blue"], "{name}");
    }
}

#[test]
fn pictures_are_opened_by_their_content_and_nothing_else_is() {
    oracle!("pictures");
    for name in ["still.png", "still.jpg", "still.bmp", "still.webp"] {
        if name.ends_with("webp") && !avrope::synth::has_encoder("libwebp") {
            eprintln!("SKIPPED: no libwebp");
            continue;
        }
        let path = picture(name, "red", "64x48");
        let bytes = std::fs::read(&path).unwrap();
        let frame = Frame::from_picture(Source::from_bytes(bytes.clone())).unwrap();
        assert_eq!((frame.width(), frame.height()), (64, 48), "{name}");
        // A stream, too.
        let stream = Source::from_reader(std::io::Cursor::new(bytes.clone()), "stream");
        assert_eq!(Frame::from_picture(stream).unwrap().width(), 64, "{name}");
        // Images stay no media.
        let error = avrope::Media::open(Source::open(&path).unwrap()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{name}: {error}");
        // Cut short or changed: an error or a picture, no crash.
        for len in [0, 3, 8, 20, bytes.len() / 2, bytes.len() - 1] {
            if let Ok(frame) = Frame::from_picture(Source::from_bytes(bytes[..len].to_vec())) {
                assert!(frame.width() <= 64);
            }
        }
        for at in 0..bytes.len().min(200) {
            let mut changed = bytes.clone();
            changed[at] ^= 0x55;
            let _ = Frame::from_picture(Source::from_bytes(changed));
        }
        let limits = || {
            let mut limits = avrope::control::Limits::default();
            limits.pixels = 1000;
            limits
        };
        let control = Control::new().limits(limits());
        let error = Frame::from_picture_with(Source::from_bytes(bytes), &control).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{name}: {error}");
        assert!(error.to_string().contains("1000"), "{name}: {error}");
    }
    for other in
        [&b"#EXTM3U\nfile:///etc/hostname\n"[..], b"<svg/>", b"GIF89a", b"ffconcat version 1.0\n", b""]
    {
        let error = Frame::from_picture(Source::from_bytes(other.to_vec())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    }
    let error = Frame::from_picture(Source::open(clip()).unwrap()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}
