//! A second video over the first.

use super::*;

/// Two seconds of a moving pattern, at so many pictures a second.
fn pattern(rate: u32) -> PathBuf {
    let graph = format!("testsrc2=s=160x96:r={rate}:d=2,format=yuv420p");
    made_by_ffmpeg(&format!("pattern{rate}.mkv"), &["-f", "lavfi", "-i", &graph, "-c:v", "ffv1"])
}

/// A second source from a graph of libavfilter's.
fn second(name: &str, graph: &str, rest: &[&str]) -> PathBuf {
    made_by_ffmpeg(name, &[&["-f", "lavfi", "-i", graph], rest].concat())
}

fn lossless() -> Transcode {
    Transcode::new().format("mkv").video(VideoSettings::new().codec(VideoCodec::Ffv1)).bit_exact(true)
}

/// What lies over the pattern is what ffmpeg lays there: the same pictures at the same times.
fn lies_as_in_ffmpeg(name: &str, main: &Path, second: &Path, input: &[&str], graph: &str, overlay: Overlay) {
    let folder = tempfile::tempdir().unwrap();
    let media = open(main);
    let settings = lossless();
    let job = Transcoder::new(&media, &settings).watermark(Source::open(second).unwrap(), overlay).unwrap();
    let made = job.run(&Control::default()).unwrap_or_else(|e| panic!("{name}: {e}"));
    assert_eq!((made.report.decode_errors, made.report.warnings.len()), (0, 0), "{name}: {:?}", made.report);
    let ours = common::frames(&save(&made, folder.path(), "out.mkv"), "0:v");
    let wanted = folder.path().join("wanted.mkv");
    let graph = format!("sws_flags=bicubic+accurate_rnd+bitexact;{graph}");
    let mut arguments = vec!["-i", main.to_str().unwrap()];
    arguments.extend(input);
    arguments.extend(["-i", second.to_str().unwrap(), "-filter_complex", &graph, "-an"]);
    arguments.extend(["-c:v", "ffv1", "-fps_mode", "passthrough", wanted.to_str().unwrap()]);
    ffmpeg(&arguments);
    let theirs = common::frames(&wanted, "0:v");
    let same = ours.iter().zip(&theirs).take_while(|(a, b)| a == b).count();
    assert_eq!(
        (ours.len(), same),
        (theirs.len(), theirs.len()),
        "{name}: they differ from picture {same} on"
    );
    let plain = common::frames(main, "0:v");
    assert_eq!(ours.len(), plain.len(), "{name}");
    assert!(ours.iter().zip(&plain).any(|(a, b)| a.hash != b.hash), "{name}: it is not seen");
}

#[test]
fn a_second_video_lies_over_the_first_in_time() {
    oracle!("second video");
    let size = "s=48x32";
    let source = |rate: u32, length: f64| format!("testsrc={size}:r={rate}:d={length},format=yuv420p");
    let ffv1 = ["-c:v", "ffv1"];
    let whole = second("whole.mkv", &source(25, 2.0), &ffv1);
    let long = second("long.mkv", &source(25, 5.0), &ffv1);
    let short = second("short.mkv", &source(25, 0.8), &ffv1);
    let fast = second("fast.mkv", &source(60, 1.0), &ffv1);
    let late = second(
        "late.mkv",
        &format!("{},setpts=PTS+0.4/TB[out0];sine=d=2[out1]", source(25, 1.0)),
        &["-c:v", "ffv1", "-c:a", "pcm_s16le", "-copyts"],
    );
    let varied = second(
        "varied.mkv",
        &format!("{},select=not(mod(n\\,3))+eq(mod(n\\,7)\\,1)", source(25, 1.6)),
        &["-c:v", "ffv1", "-fps_mode", "passthrough"],
    );
    let mpeg4 = second("short.avi", &source(25, 0.8), &["-c:v", "mpeg4", "-q:v", "3", "-bf", "2"]);
    let mp4 = second("short.mp4", &source(25, 0.8), &["-c:v", "mpeg4", "-q:v", "3", "-bf", "2"]);
    let (p25, p30) = (pattern(25), pattern(30));
    let at = Overlay::new().position(Position::At { x: 10, y: 8 });
    let lay = |eof: &str| format!("[0:v][1:v]overlay=10:8:format=yuv420:eof_action={eof}");
    let (hold, hide) = (lay("repeat"), lay("pass"));
    let ends = [(AtEnd::Hold, &hold), (AtEnd::Hide, &hide)];
    for (end, graph) in ends {
        let at = at.at_end(end);
        for path in [&whole, &short, &fast, &late, &varied, &mpeg4, &mp4] {
            let name = format!("{} {end:?}", path.display());
            // Its packets have the times that they are decoded at, and ffmpeg shows each picture as much
            // later as its decoder gives it away: here the first one is shown at 0, where its sound would
            // begin.
            let input: &[&str] = if path == &mpeg4 { &["-itsoffset", "-0.04"] } else { &[] };
            lies_as_in_ffmpeg(&name, &p25, path, input, graph, at);
        }
    }
    for path in [&whole, &short, &mp4] {
        let name = format!("{} over 30 a second", path.display());
        lies_as_in_ffmpeg(&name, &p30, path, &[], &hold, at);
    }
    let cut = "[0:v][1:v]overlay=10:8:format=yuv420:shortest=1";
    for (name, path, input, at) in [
        ("long", &long, &[][..], at),
        ("repeat", &short, &["-stream_loop", "-1"], at.at_end(AtEnd::Repeat)),
        ("repeat mp4", &mp4, &["-stream_loop", "-1"], at.at_end(AtEnd::Repeat)),
    ] {
        lies_as_in_ffmpeg(name, &p25, path, input, cut, at);
    }
    // Its time 0 is the beginning of the range.
    let during = at.during(TimeRange::secs(0.52, 1.4).unwrap());
    for (path, eof) in [(&long, "endall"), (&short, "repeat")] {
        let timed = format!(
            "[1:v]setpts=PTS+0.52/TB[s];[0:v][s]overlay=10:8:format=yuv420:eof_action={eof}:enable='gte(t,0.52)*lt(t,1.4)'"
        );
        lies_as_in_ffmpeg("during", &p25, path, &[], &timed, during);
    }
    // One that would begin behind the end makes nothing longer, and keeps nothing waiting.
    let folder = tempfile::tempdir().unwrap();
    let (media, settings) = (open(&p25), lossless());
    for end in [AtEnd::Hold, AtEnd::Hide, AtEnd::Repeat] {
        let never = at.during(TimeRange::secs(10.0, 20.0).unwrap()).at_end(end);
        let job = Transcoder::new(&media, &settings).watermark(Source::open(&short).unwrap(), never).unwrap();
        let made = save(&job.run(&Control::default()).unwrap(), folder.path(), "never.mkv");
        assert_eq!(common::frames(&made, "0:v"), common::frames(&p25, "0:v"), "{end:?}");
    }
    // Of a part of the width, or so wide; and half of it.
    let flags = "bicubic+accurate_rnd+bitexact";
    let scaled = format!("[1:v]scale=80:53:flags={flags}[s];[0:v][s]overlay=10:8:format=yuv420");
    lies_as_in_ffmpeg("scale", &p25, &whole, &[], &scaled, at.scale(0.5));
    lies_as_in_ffmpeg("width", &p25, &whole, &[], &scaled, at.width(80));
    let half = "[1:v]format=rgba,colorchannelmixer=aa=0.5[s];[0:v][s]overlay=10:8:format=yuv420";
    lies_as_in_ffmpeg("opacity", &p25, &whole, &[], half, at.opacity(0.5));
}

#[test]
fn a_second_videos_transparency_and_rotation_count() {
    oracle!("second video with alpha");
    let disc =
        "testsrc=s=48x32:r=25:d=1,format=yuva444p,geq=lum='p(X,Y)':a='if(lt(hypot(X-24,Y-16),14),255-Y,0)'";
    let (p25, at) = (pattern(25), Overlay::new().position(Position::At { x: 10, y: 8 }));
    let graph = "[0:v][1:v]overlay=10:8:format=yuv420";
    for (name, rest, input) in [
        ("disc.mkv", &["-pix_fmt", "yuva420p", "-c:v", "ffv1"][..], &[][..]),
        ("disc.mov", &["-pix_fmt", "argb", "-c:v", "qtrle"], &[]),
        ("prores.mov", &["-pix_fmt", "yuva444p10le", "-c:v", "prores_ks", "-profile:v", "4444"], &[]),
        (
            "vp9.webm",
            &["-pix_fmt", "yuva420p", "-c:v", "libvpx-vp9", "-b:v", "300k"],
            &["-c:v", "libvpx-vp9"],
        ),
        ("disc.apng", &["-pix_fmt", "rgba", "-c:v", "apng"], &[]),
        ("disc.gif", &[], &[]),
    ] {
        let encoder = rest.iter().skip_while(|r| **r != "-c:v").nth(1);
        if encoder.is_some_and(|encoder| !avrope::synth::has_encoder(encoder)) {
            eprintln!("SKIPPED: {name}: this libav has no such encoder");
            continue;
        }
        lies_as_in_ffmpeg(name, &p25, &second(name, disc, rest), input, graph, at);
    }
    // A GIF and an APNG that are to be repeated, and a picture of one.
    let gif = second("disc.gif", disc, &[]);
    let corners = |path: &Path, overlay: Overlay| {
        let folder = tempfile::tempdir().unwrap();
        let media = open(&clip());
        let settings = filtered(&[]);
        let job = Transcoder::new(&media, &settings).watermark(Source::open(path).unwrap(), overlay).unwrap();
        let made = job.run(&Control::default()).unwrap();
        Pictures::of(&save(&made, folder.path(), "out.mkv"), SIZE)
    };
    let seen = corners(&gif, at.at_end(AtEnd::Repeat));
    assert_eq!(seen.picture(5), seen.picture(30), "the second run is like the first");
    assert_ne!(seen.picture(5), seen.picture(24));
    let one = second("one.gif", "color=red:s=20x12:r=25", &["-frames:v", "1"]);
    for end in [AtEnd::Hold, AtEnd::Repeat] {
        let seen = corners(&one, Overlay::new().margin(0).at_end(end));
        assert_eq!([0, 1, 49].map(|n| seen.corners(n)[3]), ["red"; 3], "{end:?}");
    }
    let seen = corners(&one, Overlay::new().margin(0).at_end(AtEnd::Hide));
    assert_eq!((seen.corners(0)[3], seen.corners(49)[3]), ("red", "green"));
    // Red over blue, to be shown turned by a quarter: red is at the right then.
    let flat =
        second("flat.mp4", "color=blue:s=32x24:d=1,drawbox=0:0:32:12:red:fill", &["-pix_fmt", "yuv420p"]);
    let turned = common::turned("turned-flat.mp4", &flat, 270);
    let seen = corners(&turned, Overlay::new().margin(0));
    assert_eq!([(138, 70), (158, 70), (134, 70)].map(|(x, y)| seen.at(0, x, y)), ["blue", "red", "green"]);
}

#[test]
fn a_second_video_goes_on_where_the_first_changes_its_shape() {
    oracle!("second video over two shapes");
    let folder = tempfile::tempdir().unwrap();
    let piece = |name: &str, size: &str| {
        let graph = format!("color=0x00c000:s={size}:r=25:d=1");
        let path = second(name, &graph, &["-c:v", "mpeg2video", "-q:v", "2", "-bf", "0", "-f", "mpegts"]);
        std::fs::read(path).unwrap()
    };
    let both = folder.path().join("both.ts");
    std::fs::write(&both, [piece("large.ts", "160x96"), piece("small.ts", "128x80")].concat()).unwrap();
    let graph = "color=red:s=20x12:r=25:d=1.2[a];color=white:s=20x12:r=25:d=1[b];[a][b]concat";
    let logo = second("red-white.mkv", graph, &["-c:v", "ffv1", "-pix_fmt", "yuv444p"]);
    let (media, settings) = (open(&both), filtered(&[]));
    let plain = transcode(&media, &settings, &Control::default()).unwrap();
    let plain = Pictures::of(&save(&plain, folder.path(), "plain.mkv"), SIZE);
    for end in [AtEnd::Hold, AtEnd::Hide, AtEnd::Repeat] {
        let job = Transcoder::new(&media, &settings)
            .watermark(Source::open(&logo).unwrap(), Overlay::new().margin(0).at_end(end))
            .unwrap();
        let made = job.run(&Control::default()).unwrap();
        let path = save(&made, folder.path(), "out.mkv");
        let seen = Pictures::of(&path, SIZE);
        assert_eq!(seen.count(), plain.count());
        for (n, frame) in common::frames(&path, "0:v").iter().enumerate() {
            let due = if frame.time < 1.199 { "red" } else { "white" };
            assert_eq!(seen.corners(n)[3], due, "{end:?}: picture {n} at {} s", frame.time);
        }
    }
    // One that changes its own shape.
    let media = open(&pattern(25));
    let settings = lossless();
    let job =
        Transcoder::new(&media, &settings).watermark(Source::open(&both).unwrap(), Overlay::new()).unwrap();
    let made = job.run(&Control::default()).unwrap();
    assert_eq!(Pictures::of(&save(&made, folder.path(), "shapes.mkv"), SIZE).count(), 50);
}

/// However often it is read, and wherever that ends: as where it is the only source.
#[test]
fn what_is_wrong_with_a_second_source_is_counted_and_said_once() {
    oracle!("damaged packets of a second source");
    let graph = "testsrc2=s=160x96:r=25:d=1,noise=alls=40";
    let path = second("lossy.ts", graph, &["-c:v", "mpeg2video", "-q:v", "2"]);
    let mut bytes = Vec::new();
    // Each picture is of several packets of the stream; some get lost on their way.
    let is_begin = |packet: &[u8]| packet[1] & 0x40 != 0;
    for (i, packet) in std::fs::read(&path).unwrap().chunks(188).enumerate() {
        if is_begin(packet) || i % 41 != 0 {
            bytes.extend_from_slice(packet);
        }
    }
    let source = || Source::from_bytes(bytes.clone());
    let said = |warnings: &[String]| -> Vec<String> {
        warnings.iter().filter(|warning| warning.contains("in the source")).cloned().collect()
    };
    let alone = transcode(&avrope::Media::open(source()).unwrap(), &lossless(), &Control::default()).unwrap();
    let alone = said(&alone.report.warnings);
    assert!(alone.len() == 1 && alone[0].contains(" packets are damaged"), "{alone:?}");
    let (media, settings) = (open(&pattern(25)), lossless());
    let over = |overlay: Overlay| {
        let job = Transcoder::new(&media, &settings).watermark(source(), overlay).unwrap();
        job.run(&Control::default()).unwrap().report
    };
    for end in [AtEnd::Hold, AtEnd::Hide, AtEnd::Repeat] {
        let report = over(Overlay::new().at_end(end));
        let told = said(&report.warnings);
        assert!(told.len() == 1 && told[0].ends_with(&alone[0]), "{end:?}: {told:?}");
        assert!(report.bytes_read >= (std::fs::metadata(pattern(25)).unwrap().len() + bytes.len() as u64));
    }
    // Left in the middle, by its range and by the end of the video.
    let behind = TimeRange { from: Timestamp::from_secs(1.5).unwrap(), to: Timestamp::MAX };
    for during in [TimeRange::secs(0.0, 0.5).unwrap(), behind] {
        let told = said(&over(Overlay::new().during(during)).warnings);
        assert!(told.len() == 1 && told[0].contains(" packets are damaged"), "{during}: {told:?}");
        assert!(!told[0].ends_with(&alone[0]), "{during}: all of it was read");
    }
}

#[test]
fn a_second_source_that_is_damaged_or_none_at_all() {
    oracle!("damaged second source");
    let (media, settings) = (open(&pattern(25)), lossless());
    let run = |source: Source, overlay: Overlay, control: &Control| {
        Transcoder::new(&media, &settings).watermark(source, overlay).unwrap().run(control)
    };
    let folder = tempfile::tempdir().unwrap();
    for (name, codec) in [("whole.avi", "mpeg4"), ("whole.ts", "mpeg2video"), ("whole.mkv", "ffv1")] {
        let path =
            second(&format!("damaged-{name}"), "testsrc=s=64x48:r=25:d=2", &["-c:v", codec, "-bf", "0"]);
        let mut bytes = std::fs::read(&path).unwrap();
        let len = bytes.len();
        // Decoders take much for what it is not; that of FFV1 knows its check sums where its encoder wrote
        // them.
        let tells = codec == "mpeg2video";
        for (i, byte) in bytes.iter_mut().enumerate().skip(len / 4).take(len / 2) {
            if i % 97 < 3 {
                *byte ^= 0x5a;
            }
        }
        for end in [AtEnd::Hold, AtEnd::Hide, AtEnd::Repeat] {
            let made =
                run(Source::from_bytes(bytes.clone()), Overlay::new().at_end(end), &Control::default());
            let made = made.unwrap_or_else(|e| panic!("{name}: {e}"));
            assert_eq!(Pictures::of(&save(&made, folder.path(), "out.mkv"), SIZE).count(), 50, "{name}");
            if tells {
                assert!(made.report.decode_errors > 0, "{name}: {:?}", made.report);
            }
        }
        // Cut short anywhere: a result or an error, and no hang.
        for part in [1, 30, len / 50, len / 3, len - 1] {
            let _ = run(Source::from_bytes(bytes[..part].to_vec()), Overlay::new(), &Control::default());
        }
        let strict = lossless().max_decode_errors(0);
        let job =
            Transcoder::new(&media, &strict).watermark(Source::from_bytes(bytes), Overlay::new()).unwrap();
        if tells {
            assert_eq!(job.run(&Control::default()).unwrap_err().kind(), ErrorKind::Corrupt, "{name}");
        }
    }
    for text in [
        "hello\n",
        "#EXTM3U\nfile:///etc/hostname\n",
        "<svg/>",
        "GIF89a",
        "ffconcat version 1.0\n",
        "",
        "\u{feff}1\n",
    ] {
        for name in ["text", "a.gif", "a.png", "a.mp4", "a.txt", "a.srt"] {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            let error = run(Source::open(&path).unwrap(), Overlay::new(), &Control::default()).unwrap_err();
            assert!(
                matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::Corrupt),
                "{text:?} {name}: {error}"
            );
            assert!(error.to_string().contains(name), "{error}");
        }
    }
    let sound = noise("tone.wav", "sine=997:d=6:r=44100");
    let error = run(Source::open(&sound).unwrap(), Overlay::new(), &Control::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert!(error.to_string().contains("tone.wav"), "{error}");
    // A stream serves, unless it is to be repeated.
    let short = second("short.mkv", "testsrc=s=48x32:r=25:d=0.8,format=yuv420p", &["-c:v", "ffv1"]);
    let stream = || Source::from_reader(std::fs::File::open(&short).unwrap(), "pipe.mkv");
    run(stream(), Overlay::new(), &Control::default()).unwrap();
    let error = run(stream(), Overlay::new().at_end(AtEnd::Repeat), &Control::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    let still = picture("logo.png", "red", "20x12");
    let still = Source::from_reader(std::fs::File::open(still).unwrap(), "logo");
    run(still, Overlay::new().at_end(AtEnd::Hide), &Control::default()).unwrap();
    // Cancel, deadline and limits hold.
    let token = CancelToken::new();
    let cancel = token.clone();
    let control = Control::new().cancel_token(token).progress(move |_| cancel.cancel());
    let error = run(Source::open(&short).unwrap(), Overlay::new(), &control).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    let late = Control::new().timeout(std::time::Duration::from_millis(1));
    let error = run(Source::open(&short).unwrap(), Overlay::new(), &late).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DeadlineExceeded);
    let mut limits = avrope::control::Limits::default();
    limits.pixels = 160 * 96;
    for (name, rest) in
        [("large.mkv", &["-c:v", "ffv1"][..]), ("large.gif", &[]), ("large.apng", &["-f", "apng"])]
    {
        let large = second(name, "testsrc=s=320x240:r=25:d=0.2", rest);
        let control = Control::new().limits(limits);
        let error = run(Source::open(&large).unwrap(), Overlay::new(), &control).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{name}: {error}");
        assert!(error.to_string().contains(name), "{error}");
    }
    // The media's own, twice in one picture.
    let overlay = Overlay::new().scale(0.25);
    let job = Transcoder::new(&media, &settings).watermark(&media, overlay).unwrap();
    let job = job.watermark(&media, overlay.position(Position::TopLeft)).unwrap();
    let made = job.run(&Control::default()).unwrap();
    assert_eq!(Pictures::of(&save(&made, folder.path(), "out.mkv"), SIZE).count(), 50);
}
