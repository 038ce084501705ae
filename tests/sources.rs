//! The same clip through every source and sink; sources that fail, lie, or change under way; files over 4 GiB.

mod support;

use avrope::{
    CancelToken, Control, Cut, ErrorKind, Hints, Join, Media, ReadAt, Remux, Result, Rope, SaveOptions, Sink,
    Source, Stage, TimeRange, cut, cut_to, join, remux, remux_to,
};
use bytes::Bytes;
use std::{
    fs::File,
    io::{Cursor, Read, Seek, SeekFrom, Write},
    os::unix::fs::{FileExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};
use support::*;

use ErrorKind::{Bug, Cancelled, Corrupt, DeadlineExceeded, Io, NotFound};

fn range(from: f64, to: f64) -> Cut {
    Cut::new().keep(TimeRange::secs(from, to).unwrap()).format("mp4")
}

fn bytes_of(source: Source) -> Bytes {
    let media = Media::open(source).unwrap();
    cut(&media, &range(2.5, 6.5), &none()).unwrap().rope.to_bytes().unwrap()
}

struct InMemory(Vec<u8>);

impl ReadAt for InMemory {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> std::io::Result<usize> {
        (&self.0[(offset as usize).min(self.0.len())..]).read(buf)
    }
}

#[test]
fn every_source_gives_the_same_clip() {
    for path in [clip(), fast_start_clip()] {
        let bytes = std::fs::read(&path).unwrap();
        let want = bytes_of(Source::open(&path).unwrap());
        assert!(want.len() > 10_000);
        let rope = |source: Source| {
            // A rope of many pieces: the file in slices of itself would merge, so the pieces come from two places.
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
        let (chunks, receiver) = crossbeam_channel::bounded(1);
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
    let (chunks, receiver) = crossbeam_channel::unbounded();
    chunks.send(bytes.slice(..bytes.len() / 2)).unwrap();
    let outcome = bounded("remux of a channel whose sender fell silent, deadline of 1 s", 10, move || {
        let control = Control::new().timeout(Duration::from_secs(1));
        let media = Media::open_with(Source::from_channel(receiver, "silent"), &control)?;
        remux(&media, &Remux::new().format("ts"), &control).map(drop)
    });
    refused(outcome, &[DeadlineExceeded], "silent sender");
    drop(chunks);
}

#[test]
fn every_sink_gives_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let media = Media::open(Source::open(clip()).unwrap()).unwrap();
    let memory = Media::open(Source::from_bytes(std::fs::read(clip()).unwrap())).unwrap();
    for format in ["mp4", "mov", "mkv", "ts", "flv"] {
        let settings = Cut::new().keep(TimeRange::secs(1.0, 4.0).unwrap()).format(format);
        // A muxer that can seek back writes what it could not know before; a stream has other bytes, but the same packets.
        let want = cut(&media, &settings, &none()).unwrap();
        let want_bytes = want.rope.to_bytes().unwrap();
        assert_eq!(want.report.output_bytes, want_bytes.len() as u64);
        for (from, media) in [("file", &media), ("memory", &memory)] {
            let what = format!("{format} from {from}");
            let path = dir.path().join(format!("out.{format}"));
            let report = cut_to(media, &settings, Sink::replace(&path), &none()).unwrap();
            assert_eq!(report.output_bytes, std::fs::metadata(&path).unwrap().len(), "{what}");
            assert_eq!(report.packets, want.report.packets, "{what}: file");
            if format != "mkv" {
                assert!(std::fs::read(&path).unwrap() == want_bytes, "{what}: a file has the same bytes");
            }
            let (chunks, receiver) = crossbeam_channel::bounded::<Bytes>(1);
            let reader = std::thread::spawn(move || {
                receiver.iter().fold(Vec::new(), |mut all, chunk| {
                    assert!(!chunk.is_empty());
                    all.extend_from_slice(&chunk);
                    all
                })
            });
            cut_to(media, &settings, Sink::channel(chunks), &none()).unwrap();
            let streamed = reader.join().unwrap();
            struct Collect(Arc<Mutex<Vec<u8>>>);
            impl Write for Collect {
                fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
                    // Short writes.
                    let len = buf.len().min(777);
                    self.0.lock().unwrap().extend_from_slice(&buf[..len]);
                    Ok(len)
                }
                fn flush(&mut self) -> std::io::Result<()> {
                    Ok(())
                }
            }
            let all = shared(Vec::new());
            cut_to(media, &settings, Sink::writer(Collect(all.clone())), &none()).unwrap();
            // Matroska draws a new UID each time.
            assert_eq!(
                all.lock().unwrap().len(),
                streamed.len(),
                "{what}: a writer and a channel get as much"
            );
            if format != "mkv" {
                assert!(*all.lock().unwrap() == streamed, "{what}: a writer and a channel get the same");
            }
            if ["mp4", "mov", "ts"].contains(&format) {
                assert!(streamed == want_bytes, "{what}: a stream has the same bytes");
            }
        }
    }
    assert!(entries(dir.path()).iter().all(|name| name.starts_with("out.")), "{:?}", entries(dir.path()));
}

#[test]
fn the_report_counts_the_bytes_of_a_stream() {
    let media = Media::open(Source::open(clip()).unwrap()).unwrap();
    for format in ["mp4", "mkv", "ts", "flv"] {
        struct Count(Arc<AtomicU64>);
        impl Write for Count {
            fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
                self.0.fetch_add(buf.len() as u64, Ordering::SeqCst);
                Ok(buf.len())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let count = Arc::new(AtomicU64::new(0));
        let report =
            remux_to(&media, &Remux::new().format(format), Sink::writer(Count(count.clone())), &none())
                .unwrap();
        assert_eq!(report.output_bytes, count.load(Ordering::SeqCst), "{format}: output_bytes");
    }
}

#[test]
fn sinks_that_go_away_or_fail() {
    let media = Media::open(Source::open(large_clip()).unwrap()).unwrap();
    for format in ["mp4", "ts", "mkv"] {
        let settings = Remux::new().format(format);
        // The receiver is gone at once, or after the first chunk.
        for taken in [0, 1] {
            let (chunks, receiver) = crossbeam_channel::bounded::<Bytes>(1);
            let reader = std::thread::spawn(move || receiver.iter().take(taken).count());
            let error =
                refused(remux_to(&media, &settings, Sink::channel(chunks), &none()), &[Io], "receiver gone");
            assert!(error.to_string().contains("receiver"), "{error}");
            reader.join().unwrap();
        }
        // Nobody receives: the wait ends with the cancel, and with the deadline.
        let (chunks, receiver) = crossbeam_channel::bounded::<Bytes>(1);
        let token = avrope::CancelToken::new();
        let control = Control::new().cancel(token.clone());
        let (job, output) = (media.clone(), settings.clone());
        let worker = std::thread::spawn(move || remux_to(&job, &output, Sink::channel(chunks), &control));
        // The first chunk shows that the job runs; the next ones wait.
        let first = receiver.recv().unwrap();
        token.cancel();
        let outcome = bounded("a slow receiver and a cancel", 10, move || worker.join().unwrap());
        refused(outcome, &[Cancelled], "slow receiver, cancelled");
        assert!(!first.is_empty());
        let (chunks, receiver) = crossbeam_channel::bounded::<Bytes>(1);
        let (job, output) = (media.clone(), settings.clone());
        let outcome = bounded("a slow receiver and a deadline", 10, move || {
            remux_to(
                &job,
                &output,
                Sink::channel(chunks),
                &Control::new().timeout(Duration::from_millis(300)),
            )
        });
        refused(outcome, &[DeadlineExceeded], "slow receiver, deadline");
        drop(receiver);
        // A writer that fails midway, or takes nothing.
        struct Fails(u64, std::io::Result<usize>);
        impl Write for Fails {
            fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
                if self.0 < buf.len() as u64 {
                    return match &self.1 {
                        Ok(taken) => Ok(*taken),
                        Err(e) => Err(std::io::Error::new(e.kind(), e.to_string())),
                    };
                }
                self.0 -= buf.len() as u64;
                Ok(buf.len())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        for room in [0, 10, 100_000, 3_000_000] {
            let broken =
                Fails(room, Err(std::io::Error::new(std::io::ErrorKind::BrokenPipe, "the pipe broke")));
            let error = refused(remux_to(&media, &settings, Sink::writer(broken), &none()), &[Io], "writer");
            assert!(error.to_string().contains("the pipe broke"), "{error}");
            refused(
                remux_to(&media, &settings, Sink::writer(Fails(room, Ok(0))), &none()),
                &[Io],
                "writer of 0",
            );
        }
        struct NoFlush;
        impl Write for NoFlush {
            fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
                Ok(buf.len())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Err(std::io::Error::other("no flush"))
            }
        }
        refused(remux_to(&media, &settings, Sink::writer(NoFlush), &none()), &[Io], "flush");
    }
}

#[test]
fn a_panicking_writer_is_an_error() {
    let media = Media::open(Source::open(clip()).unwrap()).unwrap();
    struct Panics(usize);
    impl Write for Panics {
        fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
            self.0 += 1;
            assert!(self.0 < 2, "as planned");
            Ok(buf.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    for format in ["ts", "mkv", "mp4"] {
        let run = std::panic::AssertUnwindSafe(|| {
            remux_to(&media, &Remux::new().format(format), Sink::writer(Panics(0)), &none())
        });
        match std::panic::catch_unwind(run) {
            Ok(outcome) => drop(refused(outcome, &[Bug], format)),
            Err(_) => panic!("{format}: the writer's panic came through"),
        }
    }
}

/// Counts reads, and does something at the n-th.
struct Tampered<F> {
    bytes: Vec<u8>,
    reads: Arc<AtomicUsize>,
    at: usize,
    act: F,
}

impl<F: Fn(&mut [u8]) -> std::io::Result<Option<usize>> + Send + Sync> ReadAt for Tampered<F> {
    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> std::io::Result<usize> {
        let n = self.reads.fetch_add(1, Ordering::SeqCst);
        if n == self.at && std::env::var_os("AVROPE_TRACE").is_some() {
            eprintln!("{}", std::backtrace::Backtrace::force_capture());
        }
        if n == self.at
            && let Some(answer) = (self.act)(buf)?
        {
            return Ok(answer);
        }
        (&self.bytes[(offset as usize).min(self.bytes.len())..]).read(buf)
    }

    fn hints(&self) -> Hints {
        Hints { block: 4096, read_ahead: 16 << 10, cache: 64 << 10 }
    }
}

/// Opens, cuts, reads the result; the job of a device that misbehaves at its n-th read.
fn all_of(source: Source) -> Result<()> {
    let control = Control::new().timeout(Duration::from_secs(20));
    let media = Media::open_with(source, &control)?;
    let clip = cut(&media, &range(2.0, 3.0), &control)?;
    let streamed = cut_to(&media, &range(2.0, 3.0), Sink::writer(std::io::sink()), &control).map(drop);
    let folder = tempfile::tempdir().unwrap();
    let saved = clip.rope.save(folder.path().join("out.mp4"), SaveOptions::new(), &control);
    if saved.is_err() {
        assert!(entries(folder.path()).is_empty(), "a failed save leaves {:?}", entries(folder.path()));
    }
    let bytes = clip.rope.to_bytes().map(drop);
    let mkv = remux(&media, &Remux::new().format("mkv"), &control).map(drop);
    streamed.and(saved).and(bytes).and(mkv)
}

/// For every n until the job never comes to its n-th read. `right`: the answer is no error but short.
fn misbehaving(
    name: &str,
    kinds: &[ErrorKind],
    act: impl Fn(&mut [u8]) -> std::io::Result<Option<usize>> + Send + Sync + Copy + 'static,
) {
    let mut wrong = Vec::new();
    for path in [clip(), clip_in("mkv"), clip_in("ts")] {
        let bytes = std::fs::read(&path).unwrap();
        for n in 0.. {
            let what = format!("{name} at read {n} of a .{}", path.extension().unwrap().display());
            let came = Arc::new(AtomicUsize::new(0));
            let device = Tampered { bytes: bytes.clone(), reads: came.clone(), at: n, act };
            let source = Source::from_read_at(device, "tampered");
            let outcome = bounded(&what, 30, move || {
                std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| all_of(source)))
            });
            let reads = came.load(Ordering::SeqCst);
            match outcome {
                Err(_) => wrong.push(format!("{what}: the panic came through to the caller")),
                // It never came to this read: all were tried.
                Ok(Ok(())) if reads <= n => break,
                Ok(Ok(())) => wrong.push(format!("{what}: went well, of {reads} reads")),
                Ok(Err(error)) if kinds.contains(&error.kind()) => {}
                Ok(Err(error)) => wrong.push(format!("{what}: {:?} {error}", error.kind())),
            }
        }
    }
    assert!(wrong.is_empty(), "{} cases: {wrong:#?}", wrong.len());
}

#[test]
fn a_device_that_fails_at_any_read() {
    misbehaving("an error", &[Io], |_| {
        Err(std::io::Error::new(std::io::ErrorKind::ConnectionReset, "reset"))
    });
}

#[test]
fn a_device_that_panics_at_any_read() {
    misbehaving("a panic", &[Bug], |_| panic!("as planned"));
}

#[test]
fn a_device_that_lies_about_a_length_at_any_read() {
    misbehaving("a forged length", &[Bug], |buf| Ok(Some(buf.len() + 1)));
    misbehaving("an enormous length", &[Bug], |_| Ok(Some(usize::MAX)));
}

#[test]
fn a_device_that_ends_too_early_at_any_read() {
    misbehaving("0 bytes", &[Io], |_| Ok(Some(0)));
}

#[test]
fn short_reads_and_interruptions_do_no_harm() {
    struct Slow(Vec<u8>, AtomicUsize);
    impl ReadAt for Slow {
        fn len(&self) -> u64 {
            self.0.len() as u64
        }
        fn read_at(&self, offset: u64, buf: &mut [u8]) -> std::io::Result<usize> {
            let n = self.1.fetch_add(1, Ordering::SeqCst);
            if n.is_multiple_of(3) {
                return Err(std::io::ErrorKind::Interrupted.into());
            }
            let len = buf.len().min(1 + n % 5000);
            (&self.0[offset as usize..]).read(&mut buf[..len])
        }
    }
    let bytes = std::fs::read(clip()).unwrap();
    let want = bytes_of(Source::from_bytes(bytes.clone()));
    assert_eq!(bytes_of(Source::from_read_at(Slow(bytes, AtomicUsize::new(0)), "slow")), want);
}

#[test]
fn cancel_is_seen_between_the_reads_of_one_block() {
    struct Trickle(Vec<u8>, Arc<AtomicUsize>, CancelToken);
    impl ReadAt for Trickle {
        fn len(&self) -> u64 {
            self.0.len() as u64
        }
        fn read_at(&self, offset: u64, buf: &mut [u8]) -> std::io::Result<usize> {
            if self.1.fetch_add(1, Ordering::SeqCst) == 4 {
                self.2.cancel();
            }
            let len = buf.len().min(256);
            (&self.0[offset as usize..]).read(&mut buf[..len])
        }
    }
    let (reads, token) = (Arc::new(AtomicUsize::new(0)), CancelToken::new());
    let bytes = std::fs::read(clip()).unwrap();
    let source = Source::from_read_at(Trickle(bytes, reads.clone(), token.clone()), "trickle");
    refused(Media::open_with(source, &Control::new().cancel(token)), &[Cancelled], "cancelled");
    assert_eq!(reads.load(Ordering::SeqCst), 5, "reads");
}

#[test]
fn a_clone_of_a_source_may_have_another_name() {
    let source = Source::from_bytes(b"no media".to_vec());
    let other = source.clone().named("other");
    assert_eq!((source.name(), other.name()), ("bytes", "other"));
    assert!(Media::open(other).unwrap_err().to_string().starts_with("other: "));
}

#[test]
fn bytes_that_change_behind_an_old_modification_time() {
    let dir = tempfile::tempdir().unwrap();
    let path = copy_to(&clip(), dir.path(), "clip.mp4");
    let source = Source::open(&path).unwrap();
    let media = Media::open(source.clone()).unwrap();
    let clip = cut(&media, &range(1.0, 8.0), &none()).unwrap().rope;
    let file = File::options().write(true).open(&path).unwrap();
    let (size, modified) = (source.len().unwrap(), file.metadata().unwrap().modified().unwrap());
    // Clocks of file systems tick every few milliseconds.
    std::thread::sleep(Duration::from_millis(30));
    file.write_all_at(&[0x55; 64], size / 2).unwrap();
    file.set_modified(modified).unwrap();
    refused(clip.to_bytes(), &[Io], "written to in place");
    refused(Media::open(source), &[Io], "written to in place");
}

#[test]
fn a_file_may_gain_and_lose_names_while_it_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = copy_to(&clip(), dir.path(), "clip.mp4");
    let media = Media::open(Source::open(&path).unwrap()).unwrap();
    let clip = cut(&media, &range(1.0, 8.0), &none()).unwrap().rope;
    let open = Source::from_file(File::open(&path).unwrap(), "open").unwrap();
    std::thread::sleep(Duration::from_millis(30));
    std::fs::hard_link(&path, dir.path().join("link.mp4")).unwrap();
    assert!(clip.to_bytes().is_ok());
    std::fs::remove_file(dir.path().join("link.mp4")).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert!(Media::open(open).is_ok());
}

#[test]
fn a_length_that_is_a_lie() {
    struct Lies(Vec<u8>, u64);
    impl ReadAt for Lies {
        fn len(&self) -> u64 {
            self.1
        }
        fn read_at(&self, offset: u64, buf: &mut [u8]) -> std::io::Result<usize> {
            (&self.0[(offset as usize).min(self.0.len())..]).read(buf)
        }
    }
    for path in [clip(), fast_start_clip(), clip_in("mkv"), clip_in("ts")] {
        let bytes = std::fs::read(path).unwrap();
        let real = bytes.len() as u64;
        for claimed in [
            0,
            1,
            real / 2,
            real - 1,
            real + 1,
            real * 10,
            1 << 40,
            i64::MAX as u64,
            i64::MAX as u64 + 1,
            u64::MAX,
        ] {
            let bytes = bytes.clone();
            let outcome = bounded(&format!("a length of {claimed}"), 30, move || {
                all_of(Source::from_read_at(Lies(bytes, claimed), "lies"))
            });
            if let Err(error) = outcome {
                assert!(![DeadlineExceeded].contains(&error.kind()), "{claimed}: {error}");
            } else {
                assert!(claimed != 0, "{claimed} of {real}");
            }
        }
    }
}

/// What was read of a device: offset and length of each request.
struct Counted<D> {
    device: D,
    len: u64,
    log: Arc<Mutex<Vec<(u64, usize)>>>,
}

impl<D: FileExt2> ReadAt for Counted<D> {
    fn len(&self) -> u64 {
        self.len
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> std::io::Result<usize> {
        self.log.lock().unwrap().push((offset, buf.len()));
        self.device.at(offset, buf)
    }
}

trait FileExt2: Send + Sync {
    fn at(&self, offset: u64, buf: &mut [u8]) -> std::io::Result<usize>;
}

impl FileExt2 for File {
    fn at(&self, offset: u64, buf: &mut [u8]) -> std::io::Result<usize> {
        FileExt::read_at(self, buf, offset)
    }
}

/// The clip behind a hole of this size: `ftyp`, `free` over the hole, the rest; chunk offsets moved (as `co64`).
fn behind_a_hole(clip: &Path, to: &Path, hole: u64) {
    let bytes = std::fs::read(clip).unwrap();
    let ftyp = find(&bytes, "ftyp").unwrap();
    let free_len = hole;
    let file = File::create(to).unwrap();
    file.write_all_at(&bytes[..ftyp.end()], 0).unwrap();
    // A box of a 64-bit size.
    let mut free = 1u32.to_be_bytes().to_vec();
    free.extend_from_slice(b"free");
    free.extend_from_slice(&free_len.to_be_bytes());
    file.write_all_at(&free, ftyp.end() as u64).unwrap();
    let mut rest = bytes[ftyp.end()..].to_vec();
    // stco to co64, from the last to the first, so that the places before stay right.
    let path = "moov/trak/mdia/minf/stbl/stco";
    let mut whole = bytes.clone();
    for nth in (0..find_all(&bytes, path).len()).rev() {
        let table = find_all(&bytes, path)[nth].clone();
        let mut content = bytes[table.content()..table.content() + 8].to_vec();
        for entry in bytes[table.content() + 8..table.end()].chunks_exact(4) {
            let at = u64::from(u32::from_be_bytes(entry.try_into().unwrap())) + free_len;
            content.extend_from_slice(&at.to_be_bytes());
        }
        whole = replace_box(&whole, path, nth, &make_box(b"co64", &content));
    }
    rest.clear();
    rest.extend_from_slice(&whole[ftyp.end()..]);
    file.write_all_at(&rest, ftyp.end() as u64 + free_len).unwrap();
}

#[test]
fn at_most_eight_reads_besides_the_payload() {
    let dir = tempfile::tempdir().unwrap();
    let sparse = dir.path().join("sparse.mp4");
    behind_a_hole(&clip(), &sparse, 4_800_000_000);
    for (name, path) in [
        ("moov behind", clip()),
        ("moov in front", fast_start_clip()),
        ("large", large_clip()),
        ("over 4 GiB", sparse),
    ] {
        let log = shared(Vec::new());
        let file = File::open(&path).unwrap();
        let len = file.metadata().unwrap().len();
        let source = Source::from_read_at(Counted { device: file, len, log: log.clone() }, name);
        let media = Media::open(source).unwrap();
        let opened = log.lock().unwrap().len();
        let clip = cut(&media, &range(0.5, 5.5), &none()).unwrap();
        let reads = log.lock().unwrap().clone();
        println!("{name}: {opened} reads to open, {} in all: {reads:?}", reads.len());
        assert!(reads.len() <= 8, "{name}: {} reads: {reads:?}", reads.len());
        assert_eq!(clip.report.payload_copied, 0, "{name}");
        let before = reads.len();
        let bytes = clip.rope.to_bytes().unwrap();
        assert_eq!(bytes.len() as u64, clip.rope.len());
        let payload = log.lock().unwrap().len() - before;
        assert!(payload <= clip.rope.segments().len(), "{name}: one request a segment, not {payload}");
    }
}

#[test]
fn sources_over_4_gib() {
    let dir = tempfile::tempdir().unwrap();
    let sparse = dir.path().join("sparse.mp4");
    behind_a_hole(&clip(), &sparse, 4_800_000_000);
    let want = bytes_of(Source::open(clip()).unwrap());
    assert_eq!(bytes_of(Source::open(&sparse).unwrap()), want, "file");
    assert_eq!(
        bytes_of(Source::from_seekable(File::open(&sparse).unwrap(), "seekable").unwrap()),
        want,
        "seekable"
    );
    let media = Media::open(Source::open(&sparse).unwrap()).unwrap();
    for format in ["mkv", "ts"] {
        let plain = Media::open(Source::open(clip()).unwrap()).unwrap();
        let packets =
            |media: &Media| remux(media, &Remux::new().format(format), &none()).unwrap().report.packets;
        assert_eq!(packets(&media), packets(&plain), "{format}");
    }
    let out = dir.path().join("out.mp4");
    cut_to(&media, &range(2.5, 6.5), Sink::file(&out), &none()).unwrap();
    assert!(std::fs::read(&out).unwrap() == want, "saved");
}

#[test]
fn results_over_4_gib() {
    let path = large_clip();
    let size = std::fs::metadata(&path).unwrap().len();
    let media = Media::open(Source::open(&path).unwrap()).unwrap();
    let duration = media.duration().unwrap().secs();
    let repeats = (4_500_000_000 / size + 1) as usize;
    let mut settings = Cut::new().format("mp4");
    for _ in 0..repeats {
        settings = settings.keep(TimeRange::ALL);
    }
    let clip = cut(&media, &settings, &none()).unwrap();
    assert!(clip.rope.len() > 1 << 32, "{}", clip.rope.len());
    assert_eq!(clip.report.payload_copied, 0);
    let again = Media::open(clip.rope.clone().into()).unwrap();
    let total = duration * repeats as f64;
    assert!(
        (again.duration().unwrap().secs() - total).abs() < 0.1 + repeats as f64 * 0.03,
        "{:?} for {total}",
        again.duration()
    );
    // The last repeat is the same media as the first.
    let at = (repeats - 1) as f64 * (again.duration().unwrap().secs() / repeats as f64);
    let last = cut(&again, &range(at + 2.0, at + 4.0), &none()).unwrap();
    let first = cut(&again, &range(2.0, 4.0), &none()).unwrap();
    assert!(last.rope.segments().filter_map(|s| s.source).count() > 0);
    let (a, b) = (last.report.payload_shared as f64, first.report.payload_shared as f64);
    // One second of keyframes' difference: a range of 2 s carries up to a GOP more.
    assert!((a / b - 1.0).abs() < 0.6, "{a} and {b} bytes");
    // Its slices lie in the file itself, not in the rope.
    for segment in last.rope.segments() {
        if let Some((source, at)) = segment.source {
            assert!(at + segment.len <= source.len().unwrap());
        }
    }
    // Bytes around 4 GiB can be read.
    let mut reader = clip.rope.reader();
    let mut bytes = [0; 4096];
    reader.seek(SeekFrom::Start((1 << 32) - 2048)).unwrap();
    reader.read_exact(&mut bytes).unwrap();
    assert_eq!(clip.rope.slice((1 << 32) - 2048..(1 << 32) + 2048).unwrap().to_bytes().unwrap(), &bytes[..]);
}

#[test]
fn ropes_read_alike_however_they_are_read() {
    let parts = [
        Source::open(clip()).unwrap(),
        Source::from_bytes(std::fs::read(clip()).unwrap()),
        Source::from_read_at(InMemory(std::fs::read(clip()).unwrap()), "device"),
    ];
    let rope = join(&parts, &Join::new(), &none()).unwrap().rope;
    let want = rope.to_bytes().unwrap();
    assert_eq!(want.len() as u64, rope.len());
    let mut read = Vec::new();
    rope.reader().read_to_end(&mut read).unwrap();
    assert!(read == want, "Read");
    assert!(rope.chunks().map(|chunk| chunk.unwrap()).collect::<Vec<_>>().concat() == want, "chunks");
    let mut written = Vec::new();
    rope.write_to(&mut written).unwrap();
    assert!(written == want, "write_to");
    let mut random = XorShift(42);
    let mut reader = rope.reader();
    for _ in 0..300 {
        let at = random.below(want.len()) as u64;
        let mut buf = vec![0; random.below(70_000)];
        let expected = &want[(at as usize).min(want.len())..(at as usize + buf.len()).min(want.len())];
        assert_eq!(rope.read_at(at, &mut buf).unwrap(), expected.len());
        assert!(&buf[..expected.len()] == expected, "read_at {at}");
        let to = (at + buf.len() as u64).min(rope.len());
        if at <= to {
            assert!(rope.slice(at..to).unwrap().to_bytes().unwrap() == expected, "slice {at}..{to}");
        }
        assert_eq!(reader.seek(SeekFrom::Start(at)).unwrap(), at);
        let read = reader.read(&mut buf).unwrap();
        assert!(want[at as usize..][..read] == buf[..read], "seek and read {at}");
    }
    assert_eq!(reader.seek(SeekFrom::End(-5)).unwrap(), rope.len() - 5);
    assert!(reader.seek(SeekFrom::Current(-i64::MAX)).is_err());
    let reversed = (std::ops::Bound::Included(5), std::ops::Bound::Excluded(4));
    refused(rope.slice(reversed), &[ErrorKind::InvalidArgument], "reversed");
    refused(rope.slice(0..=rope.len()), &[ErrorKind::InvalidArgument], "outside");
    assert!(rope.slice(rope.len()..).unwrap().is_empty());
    let mut nothing = rope.slice(3..3).unwrap();
    assert!(nothing.to_bytes().unwrap().is_empty() && nothing.chunks().next().is_none());
    nothing = Rope::from_bytes(Bytes::new());
    assert!(nothing.segments().len() == 0);
    // A slice of a slice.
    let inner = rope.slice(100..90_000).unwrap().slice(50..80_000).unwrap();
    assert!(inner.to_bytes().unwrap() == want[150..80_100]);
}

#[test]
fn past_the_end_of_a_rope_is_the_end() {
    let rope = Rope::from_bytes(&b"a rope"[..]);
    let mut buf = [0; 4];
    assert_eq!(rope.read_at(6, &mut buf).unwrap(), 0);
    let mut reader = rope.reader();
    reader.seek(SeekFrom::Start(6)).unwrap();
    assert_eq!(reader.read(&mut buf).unwrap(), 0);
    for far in [7, 1000, u64::MAX] {
        assert_eq!(rope.read_at(far, &mut buf).map_err(|e| e.to_string()), Ok(0), "read_at {far}");
        assert_eq!(reader.seek(SeekFrom::Start(far)).unwrap(), far);
        assert_eq!(reader.read(&mut buf).map_err(|e| e.to_string()), Ok(0), "read at {far}");
    }
}

#[test]
fn ropes_go_to_descriptors() {
    let media = Media::open(Source::open(large_clip()).unwrap()).unwrap();
    let rope = cut(&media, &range(0.0, 6.0), &none()).unwrap().rope;
    let want = rope.to_bytes().unwrap();
    let dir = tempfile::tempdir().unwrap();
    // A file, from its position on.
    let mut file = File::create_new(dir.path().join("a")).unwrap();
    file.write_all(b"before").unwrap();
    rope.write_to_fd(&file, &none()).unwrap();
    file.write_all(b"after").unwrap();
    assert!(std::fs::read(dir.path().join("a")).unwrap() == [b"before", &want[..], b"after"].concat());
    // A file in append mode.
    let file = File::options().append(true).create(true).open(dir.path().join("b")).unwrap();
    rope.write_to_fd(&file, &none()).unwrap();
    assert!(std::fs::read(dir.path().join("b")).unwrap() == want);
    // A socket and a pipe.
    let (ours, mut theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    let reader = std::thread::spawn(move || {
        let mut all = Vec::new();
        theirs.read_to_end(&mut all).unwrap();
        all
    });
    rope.write_to_fd(&ours, &none()).unwrap();
    drop(ours);
    assert!(reader.join().unwrap() == want, "socket");
    let (mut output, input) = std::io::pipe().unwrap();
    let reader = std::thread::spawn(move || {
        let mut all = Vec::new();
        output.read_to_end(&mut all).unwrap();
        all
    });
    rope.write_to_fd(&input, &none()).unwrap();
    drop(input);
    assert!(reader.join().unwrap() == want, "pipe");
    // Whose reader is gone; and a descriptor that can't be written.
    let (output, input) = std::io::pipe().unwrap();
    drop(output);
    refused(rope.write_to_fd(&input, &none()), &[Io], "broken pipe");
    refused(rope.write_to_fd(File::open("/dev/null").unwrap(), &none()), &[Io], "read only");
}

#[test]
fn a_full_pipe_that_nobody_reads_can_be_cancelled() {
    let media = Media::open(Source::open(large_clip()).unwrap()).unwrap();
    let rope = cut(&media, &range(0.0, 6.0), &none()).unwrap().rope;
    let (output, input) = std::io::pipe().unwrap();
    let outcome = bounded("write_to_fd into a full pipe, deadline of 1 s", 10, move || {
        rope.write_to_fd(&input, &Control::new().timeout(Duration::from_secs(1)))
    });
    refused(outcome, &[DeadlineExceeded], "full pipe");
    drop(output);
}

#[test]
fn saved_files_are_like_others() {
    let dir = tempfile::tempdir().unwrap();
    let rope = Rope::from_bytes(&b"a rope"[..]);
    let save = |name: &str, overwrite| {
        rope.save(dir.path().join(name), SaveOptions::new().overwrite(overwrite), &none())
    };
    let mode = |name: &str| std::fs::metadata(dir.path().join(name)).unwrap().permissions().mode() & 0o7777;
    save("new", false).unwrap();
    std::fs::write(dir.path().join("plain"), b"x").unwrap();
    assert_eq!(mode("new"), mode("plain"), "the umask decides");
    refused(save("new", false), &[ErrorKind::InvalidArgument], "exists");
    std::fs::set_permissions(dir.path().join("new"), PermissionsExt::from_mode(0o640)).unwrap();
    save("new", true).unwrap();
    assert_eq!(mode("new"), 0o640, "the mode of what was there stays");
    // A link is followed; what it leads to is written, and the link stays.
    std::fs::create_dir(dir.path().join("sub")).unwrap();
    std::fs::write(dir.path().join("sub/real"), b"old").unwrap();
    std::os::unix::fs::symlink("sub/real", dir.path().join("link")).unwrap();
    save("link", true).unwrap();
    assert_eq!(std::fs::read(dir.path().join("sub/real")).unwrap(), b"a rope");
    assert!(std::fs::symlink_metadata(dir.path().join("link")).unwrap().is_symlink());
    refused(save("link", false), &[ErrorKind::InvalidArgument], "a link exists");
    // A link to nothing exists as well.
    std::os::unix::fs::symlink("nowhere", dir.path().join("dangling")).unwrap();
    refused(save("dangling", false), &[ErrorKind::InvalidArgument], "a dangling link");
    // A link to a directory.
    std::os::unix::fs::symlink("sub", dir.path().join("dirlink")).unwrap();
    refused(save("dirlink", true), &[ErrorKind::InvalidArgument, Io], "a link to a directory");
    assert!(entries(dir.path()).iter().all(|n| !n.contains("avrope")), "{:?}", entries(dir.path()));
    assert_eq!(entries(&dir.path().join("sub")), ["real"]);
}

#[test]
fn a_pipe_is_never_replaced_by_a_file() {
    use std::os::unix::fs::FileTypeExt;
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let link = dir.path().join("link.mp4");
    std::os::unix::fs::symlink(&pipe, &link).unwrap();
    let rope = Rope::from_bytes(&b"a rope"[..]);
    for path in [&pipe, &link] {
        let (rope, path) = (rope.clone(), path.clone());
        let what = path.display().to_string();
        let outcome = bounded("save to a pipe", 10, move || {
            rope.save(path, SaveOptions::new().overwrite(true), &none())
        });
        refused(outcome, &[ErrorKind::InvalidArgument], &what);
        assert!(
            std::fs::symlink_metadata(&pipe).unwrap().file_type().is_fifo(),
            "{what}: the pipe is a file now"
        );
    }
}

/// How a file changes while it is a source.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Change {
    Truncated,
    Emptied,
    Appended,
    Rewritten,
    Replaced,
    Removed,
}

const CHANGES: [Change; 6] = [
    Change::Truncated,
    Change::Emptied,
    Change::Appended,
    Change::Rewritten,
    Change::Replaced,
    Change::Removed,
];

impl Change {
    fn make(self, path: &Path) {
        let file = || File::options().write(true).open(path).unwrap();
        match self {
            Self::Truncated => file().set_len(std::fs::metadata(path).unwrap().len() / 2).unwrap(),
            Self::Emptied => file().set_len(0).unwrap(),
            Self::Appended => {
                let len = std::fs::metadata(path).unwrap().len();
                file().write_all_at(b"more", len).unwrap();
            }
            Self::Rewritten => {
                let len = std::fs::metadata(path).unwrap().len();
                let garbage = vec![0x55; 1 << 16];
                let file = file();
                for at in (0..len).step_by(garbage.len()) {
                    file.write_all_at(&garbage[..garbage.len().min((len - at) as usize)], at).unwrap();
                }
            }
            Self::Replaced => {
                let other = path.with_extension("other");
                let len = std::fs::metadata(path).unwrap().len();
                std::fs::write(&other, vec![0x55; len as usize]).unwrap();
                std::fs::rename(other, path).unwrap();
            }
            Self::Removed => std::fs::remove_file(path).unwrap(),
        }
    }
}

/// A copy of the large clip that may be spoilt, a folder for the output, and what the right output is.
fn victim() -> (tempfile::TempDir, PathBuf, PathBuf, Bytes) {
    let dir = tempfile::tempdir().unwrap();
    let input = copy_to(&large_clip(), dir.path(), "in.mp4");
    let out = dir.path().join("out");
    std::fs::create_dir(&out).unwrap();
    let media = Media::open(Source::open(&input).unwrap()).unwrap();
    let want = cut(&media, &range(1.0, 5.0), &none()).unwrap().rope.to_bytes().unwrap();
    (dir, input, out, want)
}

#[test]
fn a_file_that_changes_before_the_cut() {
    for change in CHANGES {
        for opened in [false, true] {
            let (_dir, input, out, _) = victim();
            let source = Source::open(&input).unwrap();
            let media = opened.then(|| Media::open(source.clone()).unwrap());
            change.make(&input);
            let what = format!("{change:?}, media opened before: {opened}");
            let outcome = match &media {
                Some(media) => {
                    cut_to(media, &range(1.0, 5.0), Sink::file(out.join("o.mp4")), &none()).map(drop)
                }
                None => Media::open(source.clone()).map(drop),
            };
            refused(outcome, &[Io, NotFound], &what);
            let joined = join(&[source.clone(), source], &Join::new(), &none());
            refused(joined, &[Io, NotFound], &what);
            if let Some(media) = &media {
                refused(remux(media, &Remux::new().format("mkv"), &none()), &[Io, NotFound], &what);
                refused(media.probe(&none()), &[Io, NotFound], &what);
            }
            assert!(entries(&out).is_empty(), "{what}: leaves {:?}", entries(&out));
        }
    }
}

#[test]
fn a_file_that_changes_in_the_middle_of_a_cut() {
    for format in ["mp4", "mkv", "ts"] {
        for change in CHANGES {
            for at_report in [0, 1] {
                let (_dir, input, out, _) = victim();
                let media = Media::open(Source::open(&input).unwrap()).unwrap();
                let (path, count) = (input.clone(), AtomicUsize::new(0));
                let done = Arc::new(AtomicUsize::new(0));
                let changed = done.clone();
                let control = Control::new().progress(move |p| {
                    if p.stage == Stage::Copy && count.fetch_add(1, Ordering::SeqCst) == at_report {
                        change.make(&path);
                        changed.store(1, Ordering::SeqCst);
                    }
                });
                let settings = Cut::new().keep(TimeRange::secs(1.0, 5.0).unwrap()).format(format);
                let what = format!("{format}: {change:?} at report {at_report} of the cut");
                let outcome =
                    cut_to(&media, &settings, Sink::file(out.join(format!("o.{format}"))), &control);
                if done.load(Ordering::SeqCst) == 0 {
                    continue;
                }
                refused(outcome, &[Io, NotFound, Corrupt], &what);
                assert!(entries(&out).is_empty(), "{what}: leaves {:?}", entries(&out));
            }
        }
    }
}

#[test]
fn a_file_that_changes_after_the_cut() {
    for change in CHANGES {
        let (_dir, input, out, want) = victim();
        let media = Media::open(Source::open(&input).unwrap()).unwrap();
        let rope = cut(&media, &range(1.0, 5.0), &none()).unwrap().rope;
        change.make(&input);
        let what = format!("{change:?} after the cut");
        let kinds = &[Io, NotFound];
        refused(rope.save(out.join("o.mp4"), SaveOptions::new(), &none()), kinds, &what);
        refused(rope.to_bytes(), kinds, &what);
        refused(rope.write_to(Vec::new()), kinds, &what);
        refused(
            rope.write_to_fd(File::options().write(true).open("/dev/null").unwrap(), &none()),
            kinds,
            &what,
        );
        assert!(rope.chunks().any(|chunk| chunk.is_err()), "{what}");
        assert!(rope.reader().read_to_end(&mut Vec::new()).is_err(), "{what}");
        assert!(entries(&out).is_empty(), "{what}: leaves {:?}", entries(&out));
        assert!(!want.is_empty());
    }
}

#[test]
fn a_file_that_changes_in_the_middle_of_a_save() {
    for change in CHANGES {
        for at_report in 0..8 {
            let (_dir, input, out, want) = victim();
            let media = Media::open(Source::open(&input).unwrap()).unwrap();
            let rope = cut(&media, &range(1.0, 5.0), &none()).unwrap().rope;
            let (path, count) = (input.clone(), AtomicUsize::new(0));
            let control = Control::new().progress(move |p| {
                if p.stage == Stage::Save && count.fetch_add(1, Ordering::SeqCst) == at_report {
                    change.make(&path);
                }
            });
            let to = out.join("o.mp4");
            let what = format!("{change:?} at report {at_report} of the save");
            match rope.save(&to, SaveOptions::new(), &control) {
                Ok(()) => assert!(std::fs::read(&to).unwrap() == want, "{what}: a wrong result"),
                Err(error) => {
                    assert!([Io, NotFound].contains(&error.kind()), "{what}: {error}");
                    assert!(entries(&out).is_empty(), "{what}: leaves {:?}", entries(&out));
                }
            }
        }
    }
}

/// A device whose n-th read changes a file next to it.
struct Saboteur {
    bytes: Vec<u8>,
    armed: Arc<AtomicU64>,
    change: Change,
    victim: PathBuf,
}

impl ReadAt for Saboteur {
    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> std::io::Result<usize> {
        if self.armed.swap(0, Ordering::SeqCst) == 1 {
            self.change.make(&self.victim);
        }
        (&self.bytes[offset as usize..]).read(buf)
    }
}

#[test]
fn a_file_that_changes_while_its_rope_is_read() {
    type Way = fn(&Rope) -> Result<Bytes>;
    let ways: [(&str, Way); 5] = [
        ("to_bytes", |rope| rope.to_bytes()),
        ("chunks", |rope| rope.chunks().collect::<Result<Vec<_>>>().map(|all| all.concat().into())),
        ("write_to", |rope| {
            let mut all = Vec::new();
            rope.write_to(&mut all).map(|()| all.into())
        }),
        ("Read", |rope| {
            let mut all = Vec::new();
            rope.reader()
                .read_to_end(&mut all)
                .map(|_| all.into())
                .map_err(|e| avrope::Error::new(Io, format!("read: {e}")))
        }),
        ("write_to_fd", |rope| {
            let mut file = tempfile::tempfile().unwrap();
            rope.write_to_fd(&file, &none())?;
            let mut all = Vec::new();
            file.seek(SeekFrom::Start(0)).unwrap();
            file.read_to_end(&mut all).unwrap();
            Ok(all.into())
        }),
    ];
    let mut wrong = Vec::new();
    for change in CHANGES {
        for (name, way) in ways {
            // File, device, file: the device's read comes between two reads of the file.
            let dir = tempfile::tempdir().unwrap();
            let path = copy_to(&clip(), dir.path(), "in.mp4");
            let armed = Arc::new(AtomicU64::new(0));
            let device = Saboteur {
                bytes: std::fs::read(clip()).unwrap(),
                armed: armed.clone(),
                change,
                victim: path.clone(),
            };
            let file = Source::open(&path).unwrap();
            let parts = [file.clone(), Source::from_read_at(device, "device"), file];
            let rope = join(&parts, &Join::new(), &none()).unwrap().rope;
            let want = rope.to_bytes().unwrap();
            armed.store(1, Ordering::SeqCst);
            if let Ok(bytes) = way(&rope)
                && bytes != want
            {
                wrong.push(format!("{name}: {change:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "wrong bytes and no error: {wrong:?}");
}

#[test]
fn a_file_that_changes_when_many_files_lie_between() {
    for by_descriptor in [false, true] {
        changed_before_many_files(by_descriptor);
    }
}

fn changed_before_many_files(by_descriptor: bool) {
    // More files than a reader holds descriptors: the first one's is given back before the end.
    let dir = tempfile::tempdir().unwrap();
    let first = copy_to(&clip(), dir.path(), "first.mp4");
    let armed = Arc::new(AtomicU64::new(0));
    let device = Saboteur {
        bytes: std::fs::read(clip()).unwrap(),
        armed: armed.clone(),
        change: Change::Rewritten,
        victim: first.clone(),
    };
    let source = Source::open(&first).unwrap();
    let mut parts = vec![source.clone(), Source::from_read_at(device, "device"), source];
    for i in 0..20 {
        parts.push(Source::open(copy_to(&clip(), dir.path(), &format!("{i}.mp4"))).unwrap());
    }
    let rope = join(&parts, &Join::new(), &none()).unwrap().rope;
    let want = rope.to_bytes().unwrap();
    assert!(rope.segments().filter(|s| s.len >= 64 << 10).count() > 20, "what goes by sendfile");
    let mut file = tempfile::tempfile().unwrap();
    armed.store(1, Ordering::SeqCst);
    let outcome = if by_descriptor {
        rope.write_to_fd(&file, &none()).map(|()| {
            let mut all = Vec::new();
            file.seek(SeekFrom::Start(0)).unwrap();
            file.read_to_end(&mut all).unwrap();
            all
        })
    } else {
        rope.chunks().collect::<Result<Vec<_>>>().map(|all| all.concat())
    };
    assert!(outcome.is_err() || outcome.unwrap() == want, "{by_descriptor}: wrong bytes and no error");
}
