//! A caller's own device that fails, panics, lies or dawdles at any of its reads.

use super::*;

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

    fn read_at(&self, offset: u64, buf: &mut [u8], _: &Control) -> std::io::Result<usize> {
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
        Hints::new().block(4096).read_ahead(16 << 10).cache(64 << 10)
    }
}

/// Opens, cuts, reads the result; the job of a device that misbehaves at its n-th read. Gives the results'
/// bytes.
fn all_of(source: Source) -> Result<(Bytes, Bytes)> {
    let control = Control::new().timeout(HANGS / 2);
    let media = Media::open_with(source, &control)?;
    let clip = cut(&media, &range(2.0, 3.0), &control)?;
    let streamed = cut_to(&media, &range(2.0, 3.0), Sink::writer(std::io::sink()), &control).map(drop);
    let folder = tempfile::tempdir().unwrap();
    let saved = clip.rope.save(folder.path().join("out.mp4"), SaveOptions::new(), &control);
    if saved.is_err() {
        assert!(entries(folder.path()).is_empty(), "a failed save leaves {:?}", entries(folder.path()));
    }
    let bytes = clip.rope.to_bytes();
    let mkv = remux(&media, &Remux::new().format("mkv"), &control).and_then(|clip| clip.rope.to_bytes());
    streamed.and(saved).and(bytes).and_then(|bytes| Ok((bytes, mkv?)))
}

/// One of so many reads misbehaves in turn; in the full tier every one.
const STEP: usize = if cfg!(feature = "full-tests") { 1 } else { 3 };

/// For every n until the job never comes to its n-th read. What was asked for ahead and is not needed after
/// all may fail; then the results are what they are without it.
fn misbehaving(
    name: &str,
    kinds: &[ErrorKind],
    act: impl Fn(&mut [u8]) -> std::io::Result<Option<usize>> + Send + Sync + Copy + 'static,
) {
    let mut wrong = Vec::new();
    for path in [clip(), clip_in("mkv"), clip_in("ts")] {
        let bytes = std::fs::read(&path).unwrap();
        let right = all_of(Source::from_bytes(bytes.clone())).unwrap();
        let mut errors = 0;
        for n in (0..).step_by(STEP) {
            let what = format!("{name} at read {n} of a .{}", path.extension().unwrap().display());
            let came = Arc::new(AtomicUsize::new(0));
            let device = Tampered { bytes: bytes.clone(), reads: came.clone(), at: n, act };
            let source = Source::from_read_at(device, "tampered");
            let outcome = bounded(&what, move || {
                std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| all_of(source)))
            });
            let reads = came.load(Ordering::SeqCst);
            match outcome {
                Err(_) => wrong.push(format!("{what}: the panic came through to the caller")),
                // It never came to this read: all were tried.
                Ok(Ok(results)) => {
                    if results != right {
                        wrong.push(format!("{what}: another result, of {reads} reads"));
                    }
                    if reads <= n {
                        assert!(errors > n / STEP / 2, "{what}: an error at {errors} reads of {n}");
                        break;
                    }
                }
                Ok(Err(error)) if kinds.contains(&error.kind()) => errors += 1,
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
        fn read_at(&self, offset: u64, buf: &mut [u8], _: &Control) -> std::io::Result<usize> {
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
        fn read_at(&self, offset: u64, buf: &mut [u8], _: &Control) -> std::io::Result<usize> {
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
    refused(Media::open_with(source, &Control::new().cancel_token(token)), &[Cancelled], "cancelled");
    assert_eq!(reads.load(Ordering::SeqCst), 5, "reads");
}

#[test]
fn a_length_that_is_a_lie() {
    struct Lies(Vec<u8>, u64);
    impl ReadAt for Lies {
        fn len(&self) -> u64 {
            self.1
        }
        fn read_at(&self, offset: u64, buf: &mut [u8], _: &Control) -> std::io::Result<usize> {
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
            let outcome = bounded(&format!("a length of {claimed}"), move || {
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
