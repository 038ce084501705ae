//! Every sink gets the same bytes; sinks that go away, fail or panic.

use super::*;
use avrope::{Transcode, transcode_to};

#[test]
fn every_sink_gives_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let media = Media::open(Source::open(clip()).unwrap()).unwrap();
    let memory = Media::open(Source::from_bytes(std::fs::read(clip()).unwrap())).unwrap();
    for format in ["mp4", "mov", "mkv", "ts", "flv"] {
        let settings = Cut::new().keep(TimeRange::secs(1.0, 4.0).unwrap()).format(format);
        // A muxer that can seek back writes what it could not know before; a stream has other bytes, but the
        // same packets.
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
            let (chunks, receiver) = avrope::io::channel(1);
            let reader = std::thread::spawn(move || {
                receiver.fold(Vec::new(), |mut all, chunk| {
                    let chunk = chunk.unwrap();
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
fn aac_out_of_adts_flows_into_matroska() {
    oracle!("ADTS");
    let lavfi =
        ["-f", "lavfi", "-i", "testsrc2=s=176x144:r=25:d=1", "-f", "lavfi", "-i", "sine=440:d=1:r=48000"];
    let coded = ["-c:v", "mpeg2video", "-c:a", "aac"];
    let source = made_by_ffmpeg("adts-flows.ts", &[&lavfi[..], &coded].concat());
    let folder = tempfile::tempdir().unwrap();
    let sound = |path: &Path| ffmpeg(&["-i", path.to_str().unwrap(), "-map", "0:a", "-f", "s16le", "-"]).0;
    let due = sound(&source);
    // The header goes out first, and each packet of the source says anew what belongs into it.
    let stream = Source::from_reader(std::fs::File::open(&source).unwrap(), "a stream");
    for (what, source) in [("a file", Source::open(&source).unwrap()), ("a stream", stream)] {
        let media = Media::open(source).unwrap();
        let out = folder.path().join("flowed.mkv");
        let sink = Sink::writer(File::create(&out).unwrap());
        remux_to(&media, &Remux::new().format("mkv"), sink, &none())
            .unwrap_or_else(|e| panic!("{what}: {e}"));
        assert!(sound(&out) == due, "{what}: {} of {} bytes of sound", sound(&out).len(), due.len());
    }
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
            let (chunks, receiver) = avrope::io::channel(1);
            let reader = std::thread::spawn(move || receiver.take(taken).count());
            let error =
                refused(remux_to(&media, &settings, Sink::channel(chunks), &none()), &[Io], "receiver gone");
            assert!(error.to_string().contains("receiver"), "{error}");
            reader.join().unwrap();
        }
        // Nobody receives: the wait ends with the cancel, and with the deadline.
        let (chunks, mut receiver) = avrope::io::channel(1);
        let token = avrope::control::CancelToken::new();
        let control = Control::new().cancel_token(token.clone());
        let (job, output) = (media.clone(), settings.clone());
        let worker = std::thread::spawn(move || remux_to(&job, &output, Sink::channel(chunks), &control));
        // The first chunk shows that the job runs; the next ones wait.
        let first = receiver.recv().unwrap().unwrap();
        token.cancel();
        let outcome = bounded("a slow receiver and a cancel", move || worker.join().unwrap());
        refused(outcome, &[Cancelled], "slow receiver, cancelled");
        assert!(!first.is_empty());
        let (chunks, receiver) = avrope::io::channel(1);
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

/// A `Cursor` that others look into.
#[derive(Clone)]
struct Shared(Arc<Mutex<Cursor<Vec<u8>>>>);

impl Write for Shared {
    fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(buf)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Seek for Shared {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.0.lock().unwrap().seek(to)
    }
}

#[test]
fn a_seekable_sink_gets_what_a_file_gets_from_where_it_stands() {
    let dir = tempfile::tempdir().unwrap();
    let media = |format: &str| {
        // AVI takes H.264 as a transport stream has it.
        let path = if format == "avi" { clip_in("ts") } else { clip() };
        Media::open(Source::open(path).unwrap()).unwrap()
    };
    for format in ["avi", "mkv", "mp4", "ts", "flv"] {
        let media = media(format);
        // FFmpeg 9 takes no AAC of a transport stream into AVI.
        let settings = Remux::new().format(format).allow_drops(format == "avi");
        let path = dir.path().join(format!("out.{format}"));
        let want = remux_to(&media, &settings, Sink::file(&path), &none()).unwrap();
        let sink = Shared(Arc::new(Mutex::new(Cursor::new(b"what was there".to_vec()))));
        sink.0.lock().unwrap().set_position(9);
        let report = remux_to(&media, &settings, Sink::seekable(sink.clone()), &none()).unwrap();
        assert_eq!((report.output_bytes, report.packets), (want.output_bytes, want.packets), "{format}");
        let got = sink.0.lock().unwrap().get_ref().clone();
        assert!(got[..9] == *b"what was " && got[9..] == std::fs::read(&path).unwrap(), "{format}");
    }
    // One that goes on in order only is refused where that makes no right file.
    let media = media("avi");
    let settings = Remux::new().format("avi").allow_drops(true);
    let outcome = remux_to(&media, &settings, Sink::each(|_| Ok(())), &none());
    refused(outcome, &[ErrorKind::Unsupported], "AVI into a closure");
    /// Writes, and can't go back.
    struct Stuck(Shared);
    impl Write for Stuck {
        fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
            self.0.write(buf)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    impl Seek for Stuck {
        fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
            match to {
                SeekFrom::Current(0) => self.0.seek(to),
                _ => Err(std::io::Error::other("no way back")),
            }
        }
    }
    let sink = Stuck(Shared(Arc::default()));
    let error = refused(
        remux_to(&media, &settings, Sink::seekable(sink), &none()),
        &[Io],
        "a sink that does not go back",
    );
    assert!(error.to_string().contains("no way back"), "{error}");
}

#[test]
fn a_seekable_sink_is_left_behind_the_result() {
    // What the caller writes next goes on from there, and not into the result.
    let media = Media::open(Source::open(clip_in("ts")).unwrap()).unwrap();
    for format in ["avi", "mkv", "mp4", "ts", "wav"] {
        let sink = Shared(Arc::new(Mutex::new(Cursor::new(b"head".to_vec()))));
        sink.0.lock().unwrap().set_position(4);
        let to = Sink::seekable(sink.clone());
        let report = if format == "wav" {
            transcode_to(&media, &Transcode::new().format(format).allow_drops(true), to, &none())
        } else {
            remux_to(&media, &Remux::new().format(format).allow_drops(true), to, &none())
        };
        let report = report.unwrap();
        let sink = sink.0.lock().unwrap();
        let end = sink.get_ref().len() as u64;
        assert_eq!((end, sink.position()), (4 + report.output_bytes, end), "{format}");
    }
}

#[test]
fn a_closure_gets_the_chunks_and_its_error_comes_out() {
    let media = Media::open(Source::open(clip()).unwrap()).unwrap();
    for format in ["mp4", "ts", "mkv"] {
        let settings = Remux::new().format(format);
        let all = cell(Vec::new());
        let to = all.clone();
        let sink = Sink::each(move |chunk| {
            assert!(!chunk.is_empty());
            to.lock().unwrap().extend_from_slice(&chunk);
            Ok(())
        });
        let report = remux_to(&media, &settings, sink, &none()).unwrap();
        assert_eq!(report.output_bytes, all.lock().unwrap().len() as u64, "{format}");
        if format != "mkv" {
            assert!(
                *all.lock().unwrap() == remux(&media, &settings, &none()).unwrap().rope.to_bytes().unwrap(),
                "{format}"
            );
        }
        let sink = Sink::each(|_| Err(std::io::Error::other(Throttled { seconds: 7 }).into()));
        let error = refused(remux_to(&media, &settings, sink, &none()), &[Io], "a closure that fails");
        assert_eq!(own(&error), Some(&Throttled { seconds: 7 }), "{format}: {error}");
        let sink = Sink::each(|_| panic!("as planned"));
        refused(remux_to(&media, &settings, sink, &none()), &[Bug], "a closure that panics");
    }
}

#[test]
fn what_was_not_finished_is_not_taken_for_the_whole() {
    // A job that fails: its receiver does not see an ordinary end.
    let media = Media::open(Source::open(large_clip()).unwrap()).unwrap();
    let (sender, chunks) = avrope::io::channel(1);
    let reader = std::thread::spawn(move || chunks.collect::<Vec<_>>());
    let token = CancelToken::new();
    let stop = token.clone();
    let control = Control::new().cancel_token(token).progress(move |_| stop.cancel());
    refused(
        remux_to(&media, &Remux::new().format("ts"), Sink::channel(sender), &control),
        &[Cancelled],
        "cancelled",
    );
    let got = reader.join().unwrap();
    let error = got.into_iter().next_back().unwrap().unwrap_err();
    assert!(error.kind() == Io && error.to_string().contains("before all was sent"), "{error}");
    // A source whose sender is gone, or says why it can't go on.
    let bytes = Bytes::from(std::fs::read(clip_in("ts")).unwrap());
    for told in [false, true] {
        let (sender, chunks) = avrope::io::channel(4);
        let half = bytes.slice(..bytes.len() / 2);
        let feeder = std::thread::spawn(move || {
            sender.send(half).unwrap();
            if told {
                sender.fail(avrope::Error::new(ErrorKind::NotFound, "segment 7 is gone"));
            }
        });
        let outcome = Media::open(Source::from_channel(chunks, "feed"))
            .and_then(|media| remux(&media, &Remux::new().format("ts"), &none()).map(drop));
        feeder.join().unwrap();
        let error = refused(outcome, if told { &[NotFound] } else { &[Io] }, "half a stream");
        let due = if told { "segment 7 is gone" } else { "before all was sent" };
        assert!(error.to_string().contains(due), "{error}");
    }
}
