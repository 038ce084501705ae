//! Every source gives the same clip, and what a stream can do.

use super::*;

#[test]
fn every_source_gives_the_same_clip() {
    for path in [clip(), fast_start_clip()] {
        let bytes = std::fs::read(&path).unwrap();
        let want = bytes_of(Source::open(&path).unwrap());
        assert!(want.len() > 10_000);
        let rope = |source: Source| {
            // A rope of many pieces: the file in slices of itself would merge, so the pieces come from two
            // places.
            let media = Media::open(source).unwrap();
            remux(&media, &Remux::new().format("mp4"), &none()).unwrap().rope
        };
        // SAFETY: nobody changes a fixture.
        #[allow(unsafe_code)]
        let mapped = unsafe { Source::map(&path) }.unwrap();
        for (name, source) in [
            ("from_file", Source::from_file(File::open(&path).unwrap(), "file").unwrap()),
            ("bytes", Source::from_bytes(bytes.clone())),
            ("map", mapped),
            ("read_at", Source::from_read_at(InMemory(bytes.clone()), "read_at")),
            ("seekable", Source::from_seekable(Cursor::new(bytes.clone()), "seekable").unwrap()),
            ("seekable file", Source::from_seekable(File::open(&path).unwrap(), "seekable").unwrap()),
            ("rope of bytes", Source::from_rope(Rope::from_bytes(bytes.clone()))),
            ("spool", Source::spool(&bytes[..], u64::MAX, "spool").unwrap()),
        ] {
            assert_eq!(bytes_of(source), want, "{name}");
        }
        // A remuxed rope has other tables, and so is compared with itself as a file.
        let rope = rope(Source::open(&path).unwrap());
        let saved = rope.to_bytes().unwrap();
        assert_eq!(bytes_of(Source::from_rope(rope)), bytes_of(Source::from_bytes(saved)), "rope of a file");
    }
}

#[test]
fn streams_give_the_same_remux() {
    for ending in ["ts", "mkv", "flv"] {
        let bytes = std::fs::read(clip_in(ending)).unwrap();
        let remuxed = |source: Source| {
            let media = Media::open(source).unwrap();
            let clip = remux(&media, &Remux::new().format("ts"), &none()).unwrap();
            (clip.report.packets, clip.rope.to_bytes().unwrap())
        };
        let want = remuxed(Source::from_bytes(bytes.clone()));
        assert_eq!(
            remuxed(Source::from_reader(Cursor::new(bytes.clone()), "reader")).0,
            want.0,
            "{ending}: reader"
        );
        /// One byte at a time at first, then ever more.
        struct Drip(Cursor<Vec<u8>>, usize);
        impl Read for Drip {
            fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
                self.1 += 1;
                if self.1.is_multiple_of(7) {
                    return Err(std::io::ErrorKind::Interrupted.into());
                }
                let len = buf.len().min(1 + self.1 / 4);
                self.0.read(&mut buf[..len])
            }
        }
        let drip = Source::from_reader(Drip(Cursor::new(bytes.clone()), 0), "drip");
        assert_eq!(remuxed(drip).0, want.0, "{ending}: short reads");
        let (chunks, receiver) = avrope::io::channel(1);
        let sent = Bytes::from(bytes.clone());
        let sender = std::thread::spawn(move || {
            for at in (0..sent.len()).step_by(1000) {
                if chunks.send(sent.slice(at..(at + 1000).min(sent.len()))).is_err() {
                    return;
                }
                if chunks.send(Bytes::new()).is_err() {
                    return;
                }
            }
            chunks.finish().unwrap();
        });
        assert_eq!(remuxed(Source::from_channel(receiver, "channel")).0, want.0, "{ending}: channel");
        sender.join().unwrap();
    }
}

#[test]
fn a_stream_serves_one_operation_and_no_cut() {
    let bytes = std::fs::read(clip_in("ts")).unwrap();
    let stream = || Source::from_reader(Cursor::new(bytes.clone()), "stream");
    let media = Media::open(stream()).unwrap();
    refused(cut(&media, &range(0.0, 1.0), &none()), &[ErrorKind::Unsupported], "cut of a stream");
    assert!(remux(&media, &Remux::new().format("ts"), &none()).is_ok());
    let again = remux(&media, &Remux::new().format("ts"), &none());
    assert!(again.is_err() || again.unwrap().report.packets == 0, "a stream read twice");
    // An MP4 with its index at the end needs to seek.
    let mp4 = Source::from_reader(Cursor::new(std::fs::read(clip()).unwrap()), "mp4 stream");
    let outcome =
        Media::open(mp4).and_then(|media| remux(&media, &Remux::new().format("ts"), &none()).map(drop));
    refused(outcome, &[ErrorKind::Unsupported, Corrupt], "an MP4 stream with moov at the end");
    let source = stream();
    let first = Media::open(source.clone()).unwrap();
    refused(Media::open(source), &[ErrorKind::Busy], "the same stream twice");
    drop(first);
}

#[test]
fn a_stalled_channel_can_be_cancelled() {
    let bytes = Bytes::from(std::fs::read(clip_in("ts")).unwrap());
    let (chunks, receiver) = avrope::io::channel(4096);
    chunks.send(bytes.slice(..bytes.len() / 2)).unwrap();
    let outcome = bounded("remux of a channel whose sender fell silent, deadline of 1 s", move || {
        let control = Control::new().timeout(Duration::from_secs(1));
        let media = Media::open_with(Source::from_channel(receiver, "silent"), &control)?;
        remux(&media, &Remux::new().format("ts"), &control).map(drop)
    });
    refused(outcome, &[DeadlineExceeded], "silent sender");
    drop(chunks);
}

#[test]
fn a_clone_of_a_source_may_have_another_name() {
    let source = Source::from_bytes(b"no media".to_vec());
    let other = source.clone().named("other");
    assert_eq!((source.name(), other.name()), ("bytes", "other"));
    assert!(Media::open(other).unwrap_err().to_string().starts_with("other: "));
}
