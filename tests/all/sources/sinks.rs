//! Every sink gets the same bytes; sinks that go away, fail or panic.

use super::*;

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
            let all = cell(Vec::new());
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
        let control = Control::new().cancel_token(token.clone());
        let (job, output) = (media.clone(), settings.clone());
        let worker = std::thread::spawn(move || remux_to(&job, &output, Sink::channel(chunks), &control));
        // The first chunk shows that the job runs; the next ones wait.
        let first = receiver.recv().unwrap();
        token.cancel();
        let outcome = bounded("a slow receiver and a cancel", move || worker.join().unwrap());
        refused(outcome, &[Cancelled], "slow receiver, cancelled");
        assert!(!first.is_empty());
        let (chunks, receiver) = crossbeam_channel::bounded::<Bytes>(1);
        let (job, output) = (media.clone(), settings.clone());
        let outcome = bounded("a slow receiver and a deadline", move || {
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
