//! What is no media, or hardly any.

use super::*;

#[test]
fn what_is_no_media_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89\0\0\0\nIDATx\x9cc\0\x01\0\0\x05\0\x01\r\n-\xb4\0\0\0\0IEND\xaeB`\x82";
    let gif = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff!\xf9\x04\x01\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;";
    let jpeg = dir.path().join("real.jpg");
    let picture = synth::Video {
        encoder: "mjpeg".into(),
        pixel_format: "yuvj420p".into(),
        size: (64, 64),
        b_frames: 0,
        gop: 1,
        ..Default::default()
    };
    let spec = Spec {
        duration: 0.03,
        video: Some(picture),
        audio: vec![],
        format: Some("image2".into()),
        muxer_options: vec![("update".into(), "1".into())],
        ..Spec::default()
    };
    synth::to_file(&spec, &jpeg).unwrap();
    refused(Source::open(dir.path().join("missing.mp4")), &[NotFound], "missing file");
    refused(Source::open(dir.path()), &[InvalidArgument], "directory");
    refused(Source::open("/dev/null"), &[InvalidArgument], "device");
    for (name, bytes, kinds) in [
        ("empty.mp4", &b""[..], &[Corrupt][..]),
        ("one.mp4", b"\0", &[Corrupt]),
        (
            "text.txt",
            "Call me Ishmael. Some years ago, never mind how long precisely\n".repeat(200).as_bytes(),
            &[Corrupt, Unsupported],
        ),
        (
            "text.mp4",
            "Call me Ishmael. Some years ago, never mind how long precisely\n".repeat(200).as_bytes(),
            &[Corrupt, Unsupported],
        ),
        ("zeros.mp4", &vec![0; 3 << 20], &[Corrupt, Unsupported]),
        ("empty.txt", b"", &[Corrupt]),
        ("image.png", png, &[Unsupported]),
        ("png.mp4", png, &[Unsupported]),
        ("image.gif", gif, &[Unsupported]),
        ("image.jpg", &std::fs::read(&jpeg).unwrap(), &[Unsupported]),
    ] {
        let path = in_file(dir.path(), name, bytes);
        let error = refused(open(&path), kinds, name);
        let error = error.to_string();
        assert!(error.contains(name), "names its source: {error}");
        let says = match name {
            "empty.mp4" | "empty.txt" => "the source is empty",
            "text.mp4" | "zeros.mp4" => "its name says QuickTime / MOV, and its content does not",
            "image.png" | "png.mp4" => "this is a PNG image",
            "image.gif" => "this is a GIF image",
            "image.jpg" => "image, not audio or video",
            _ => "",
        };
        assert!(error.contains(says), "{name}: {error}, not: {says}");
    }
}

#[test]
fn a_pipe_as_a_file_is_refused_and_not_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pipe.mp4");
    let status = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(status.success());
    let opened = bounded("Source::open of a pipe", move || Source::open(path));
    refused(opened, &[InvalidArgument], "pipe");
}

#[test]
fn a_name_that_is_not_utf8_is_fine() {
    use std::os::unix::ffi::OsStrExt;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(std::ffi::OsStr::from_bytes(b"caf\xe9\xff.mp4"));
    std::fs::copy(clip(), &path).unwrap();
    let out = dir.path().join(std::ffi::OsStr::from_bytes(b"out\xfe.mp4"));
    cut_to(&open(&path).unwrap(), &range(1.0, 2.0), Sink::file(&out), &none()).unwrap();
    assert!(open(&out).is_ok());
}

#[test]
fn no_streams_and_only_other_streams() {
    let bytes = std::fs::read(clip()).unwrap();
    let movie = find(&bytes, "moov/mvhd").unwrap();
    let mut none_at_all = bytes[..find(&bytes, "ftyp").unwrap().end()].to_vec();
    none_at_all.extend(make_box(b"moov", &bytes[movie.start..movie.end()]));
    refused(open_bytes(&none_at_all), &[Corrupt], "no tracks");
    // A track that nobody knows.
    let mut data = bytes.clone();
    for b in find_all(&bytes, "moov/trak/mdia/hdlr") {
        data[b.content() + 8..b.content() + 12].copy_from_slice(b"none");
    }
    for b in find_all(&bytes, "moov/trak/mdia/minf/stbl/stsd") {
        data[b.content() + 12..b.content() + 16].copy_from_slice(b"what");
    }
    if let Ok(media) = open_bytes(&data) {
        refused(
            remux(&media, &Remux::new().format("ts"), &none()),
            &[Unsupported, InvalidArgument],
            "unknown tracks to ts",
        );
        refused(
            cut(&media, &range(0.0, 1.0).format("mp4").road(Road::Libav), &none()),
            &[Unsupported, InvalidArgument],
            "unknown tracks",
        );
        // By tables nobody has to know them.
        cut(&media, &range(0.0, 1.0).format("mp4"), &none()).unwrap();
    }
    // Subtitles alone.
    let dir = tempfile::tempdir().unwrap();
    let srt = in_file(
        dir.path(),
        "only.srt",
        b"1\n00:00:01,000 --> 00:00:02,000\nHello\n\n2\n00:00:03,000 --> 00:00:04,000\nWorld\n",
    );
    if let Err(error) = open(&srt) {
        assert!([Unsupported, Corrupt].contains(&error.kind()), "{error}");
    }
}
