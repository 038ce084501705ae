//! Inputs that name other files and addresses: nothing of it is opened.

use super::*;

#[test]
fn nothing_opens_what_the_caller_did_not_name() {
    let dir = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let local = copy_to(&clip(), dir.path(), "secret.mp4");
    let targets = [
        "/etc/passwd".to_owned(),
        format!("http://{address}/x.mp4"),
        format!("tcp://{address}"),
        "secret.mp4".to_owned(),
        format!("file:{}", local.display()),
    ];
    for target in &targets {
        let texts = [
            ("ffconcat", format!("ffconcat version 1.0\nfile '{target}'\n")),
            ("m3u8", format!("#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXT-X-VERSION:3\n#EXTINF:10,\n{target}\n#EXT-X-ENDLIST\n")),
            ("m3u8 key", format!("#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXT-X-KEY:METHOD=AES-128,URI=\"{target}\"\n#EXTINF:10,\n{target}\n#EXT-X-ENDLIST\n")),
            ("sdp", format!("v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video {} RTP/AVP 96\na=rtpmap:96 H264/90000\na=control:{target}\n", address.port())),
            ("mpd", format!("<?xml version=\"1.0\"?><MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" profiles=\"urn:mpeg:dash:profile:isoff-live:2011\" type=\"static\" mediaPresentationDuration=\"PT10S\" minBufferTime=\"PT1S\"><Period><AdaptationSet mimeType=\"video/mp4\"><Representation id=\"1\" bandwidth=\"1000\"><BaseURL>{target}</BaseURL></Representation></AdaptationSet></Period></MPD>")),
            ("rtsp", format!("RTSPtext\nrtsptextRTSP\n{target}\n")),
            ("imf", "<?xml version=\"1.0\"?><CompositionPlaylist xmlns=\"http://www.smpte-ra.org/schemas/2067-3/2013\"></CompositionPlaylist>".to_owned()),
            ("idx", format!("# VobSub index file, v7\n# {target}\nsize: 720x480\n")),
        ];
        for (kind, text) in texts {
            for name in [
                format!("list.{}", kind.split(' ').next().unwrap()),
                "list.mp4".to_owned(),
                "list.ts".to_owned(),
            ] {
                let path = in_file(dir.path(), &name, text.as_bytes());
                let what = format!("{kind} as {name} that names {target}");
                let outcome = bounded("a playlist", move || open(&path));
                refused(outcome, &[Unsupported, Corrupt], &what);
                let text = text.clone();
                let stream = bounded("a playlist as a stream", move || {
                    Media::open(Source::from_reader(std::io::Cursor::new(text.into_bytes()), name))
                });
                refused(stream, &[Unsupported, Corrupt], &what);
            }
        }
    }
    assert!(listener.accept().is_err(), "somebody connected");
}

#[test]
fn movies_that_point_to_other_files() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = std::fs::read(clip()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let secret = copy_to(&clip(), dir.path(), "secret.mp4");
    for url in [
        format!("file://{}", secret.display()),
        "secret.mp4".into(),
        format!("http://{}/x", listener.local_addr().unwrap()),
        "/etc/passwd".into(),
    ] {
        // Flag 1 (self-contained) is not set.
        let mut content = vec![0; 4];
        content.extend_from_slice(url.as_bytes());
        content.push(0);
        let mut alis = vec![0; 4];
        alis.extend_from_slice(&[0; 10]);
        alis.push(5);
        alis.extend_from_slice(&[b'v'; 27]);
        alis.extend_from_slice(&[0; 12]);
        alis.push(u8::try_from(url.len()).unwrap());
        alis.extend_from_slice(url.as_bytes());
        alis.resize(4 + 150, 0);
        // Type 2: the absolute path; 18: the POSIX path.
        for kind in [2u16, 18] {
            alis.extend_from_slice(&kind.to_be_bytes());
            alis.extend_from_slice(&u16::try_from(url.len()).unwrap().to_be_bytes());
            alis.extend_from_slice(url.as_bytes());
            if url.len() % 2 == 1 {
                alis.push(0);
            }
        }
        for (kind, content) in [(b"url ", &content), (b"alis", &alis)] {
            let mut dref = vec![0, 0, 0, 0, 0, 0, 0, 1];
            dref.extend(make_box(kind, content));
            let movie = replace_box(&bytes, "moov/trak/mdia/minf/dinf/dref", 0, &make_box(b"dref", &dref));
            let path = in_file(dir.path(), "ref.mov", &movie);
            let what = format!("{} {url}", String::from_utf8_lossy(kind));
            let outcome = bounded("a reference movie", move || {
                let media = open(&path)?;
                remux(&media, &Remux::new().format("mp4"), &none())?.rope.to_bytes()
            });
            // Its bytes are the ones at the same offsets of this very file, or an error; never the other
            // file's.
            eprintln!("{what}: {:?}", outcome.as_ref().map(bytes::Bytes::len));
            drop(outcome);
        }
    }
    assert!(listener.accept().is_err(), "somebody connected");
}
